#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/controller/controller.h"
#include "broker/engine/engine.h"
#include "broker/engine/request.h"
#include "broker/metadata/group_config.h"

/*
 * Settings of groups: records of the metadata, as those of topics are. Running groups look them up there at each of
 * their steps, so nobody has to be told.
 *
 *     request ──> shard 0: each entry checked, then all together ──records──> durable, applied ──> done
 */
enum { GROUPS_MAX = 100000 }; /* that have settings of their own: each is kept in memory */

struct group_change {
    struct weir_metadata_change change; /* first */
    struct weir_group_config_request *request;
};

/* ---- what a request makes of them ------------------------------------------------------------ */

static bool is_named(const struct weir_group_config_request *request, const char *key)
{
    for (size_t i = 0; i < request->config_count; i++) {
        if (strcmp(request->configs[i].key, key) == 0) return true;
    }
    return false;
}

static int write(struct weir_controller *controller, struct weir_slice group, const char *key,
                 const char *value)
{
    struct weir_metadata_record record = {
        .type = WEIR_METADATA_CONFIG,
        .config = {.resource_type = WEIR_RESOURCE_GROUP,
                   .resource = group,
                   .key = weir_text(key),
                   .value = weir_text(value)},
    };
    return weir_controller_add(controller, &record);
}

static int check_entry(const struct weir_config_entry *entry, struct weir_error *error)
{
    if (!weir_group_config_is_known(entry->key)) {
        return weir_group_config_unknown(entry->key, error);
    }
    if (entry->op == WEIR_CONFIG_SET) return 0;
    return weir_error_set(error, WEIR_INVALID_CONFIG, "'%s' is not a list: it can only be set",
                          entry->key);
}

/* What the group has and the request leaves as it is. */
static void keep_others(const struct weir_group_config_request *request,
                        const struct weir_group_image *old, struct weir_group_config *config,
                        const struct weir_group_config_bounds *bounds)
{
    for (size_t i = 0; old != NULL && i < old->configs.count; i++) {
        const struct weir_config_override *own = &old->configs.rows[i];
        const struct weir_config_overrides one = {.rows = &old->configs.rows[i], .count = 1};
        if (is_named(request, own->key) || request->replaces_all) continue;
        *config = weir_group_config_with(config, bounds, &one);
    }
}

/* What was set and is not named goes back to the server's. */
static int drop_others(struct weir_controller *controller,
                       const struct weir_group_config_request *request,
                       const struct weir_group_image *old)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && old != NULL && i < old->configs.count; i++) {
        const char *key = old->configs.rows[i].key;
        if (!is_named(request, key)) rc = write(controller, request->group, key, NULL);
    }
    return rc;
}

static int check_request(const struct weir_controller *controller,
                         const struct weir_group_config_request *request,
                         const struct weir_group_image *old, struct weir_error *error)
{
    if (request->group.size == 0 || request->group.size > INT16_MAX) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "a group id of %zu bytes; 1 to %d are allowed", request->group.size,
                              INT16_MAX);
    }
    size_t count = weir_hamt_count(&controller->metadata.image.groups);
    if (old == NULL && count >= GROUPS_MAX) {
        return weir_error_set(error, WEIR_LIMIT,
                              "%zu groups have settings of their own, and no more may: take back "
                              "those of groups that are not used any more",
                              count);
    }
    return 0;
}

static int build(struct weir_controller *controller, struct weir_metadata_change *change,
                 struct weir_error *error)
{
    const struct weir_group_config_request *request = ((struct group_change *)change)->request;
    const struct weir_group_settings *settings = &controller->engine->options.groups;
    const struct weir_group_image *old =
        weir_metadata_group(&controller->metadata.image, request->group);
    struct weir_group_config config = settings->config;
    int rc = check_request(controller, request, old, error);
    if (rc < 0) return rc;
    keep_others(request, old, &config, &settings->config_bounds);
    for (size_t i = 0; rc == 0 && i < request->config_count; i++) {
        const struct weir_config_entry *entry = &request->configs[i];
        rc = check_entry(entry, error);
        if (rc == 0 && entry->value != NULL) {
            rc = weir_group_config_set(&config, &settings->config_bounds, entry->key, entry->value,
                                       error);
        }
        if (rc == 0) rc = write(controller, request->group, entry->key, entry->value);
    }
    if (rc == 0 && request->config_count > 0) rc = weir_group_config_check(&config, error);
    if (rc == 0 && request->replaces_all) rc = drop_others(controller, request, old);
    if (rc < 0) return rc;
    bool is_nothing = request->config_count == 0 && (old == NULL || !request->replaces_all);
    return request->validate_only || is_nothing ? WEIR_END : 0;
}

/* ---- the door -------------------------------------------------------------------------------- */

static void written(struct weir_controller *controller, struct weir_metadata_change *change, int rc,
                    const struct weir_error *error)
{
    struct weir_group_config_request *request = ((struct group_change *)change)->request;
    (void)controller;
    weir_free(change);
    if (rc < 0 && error != NULL) request->request.error = *error;
    weir_request_reply(&request->request, rc);
}

static void arrive(struct weir_message *message)
{
    struct weir_group_config_request *request = (struct weir_group_config_request *)message;
    struct weir_engine *engine = request->request.shard->engine;
    int rc = weir_serving_check(&engine->serving, &request->request.error);
    struct group_change *change = rc == 0 ? weir_alloc_zero(&engine->budget, sizeof *change) : NULL;
    if (change == NULL) {
        if (rc == 0) {
            rc = weir_error_set(&request->request.error, WEIR_NO_MEMORY, "change a group");
        }
        weir_request_reply(&request->request, rc);
        return;
    }
    change->change.build = build;
    change->change.done = written;
    change->request = request;
    weir_controller_submit(weir_controller_of(engine), &change->change);
}

void weir_controller_group_config(struct weir_controller *controller,
                                  struct weir_group_config_request *request)
{
    weir_request_send_controller(controller->engine, &request->request, arrive);
}
