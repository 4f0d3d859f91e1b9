#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/uuid.h"
#include "runtime/application/app_records.h"

int weir_app_no_memory(struct weir_error *error)
{
    return weir_error_set(error, WEIR_NO_MEMORY, "no memory to look at an application");
}

bool weir_app_is_fatal(int rc)
{
    return rc == WEIR_NO_MEMORY || rc == WEIR_CLOSED || rc == WEIR_WRONG_THREAD ||
           rc == WEIR_CRASHED;
}

/* ---- the application's records --------------------------------------------------------------- */

static int read_all(struct weir_app *app, const char *topic, struct weir_application *into,
                    int64_t position, int64_t end, struct weir_error *error)
{
    const struct weir_app_source *source = &app->source;
    struct weir_buffer bytes;
    int rc = 0;
    weir_buffer_init(&bytes, app->arena->budget, 0);
    while (rc >= 0 && position < end) {
        int64_t before = position;
        weir_buffer_reset(&bytes);
        rc = source->ops->fetch(source->impl, (struct weir_topic_partition){weir_text(topic), 0},
                                before, &bytes, error);
        if (rc >= 0) {
            rc = weir_application_apply_batches(into, weir_buffer_slice(&bytes), &position, error);
        }
        if (rc >= 0 && position == before) {
            rc = weir_error_set(error, WEIR_CORRUPT,
                                "nothing can be read at offset %" PRId64
                                ", and the log ends at %" PRId64,
                                before, end);
        }
    }
    weir_buffer_close(&bytes);
    return rc;
}

int weir_app_read_records(struct weir_app *app, const char *topic, struct weir_application *into,
                          int64_t *end_out, struct weir_error *error)
{
    struct weir_describe_partition_request described = {.of = {weir_text(topic), 0}};
    weir_assert(into->arena != NULL);
    int rc = app->source.ops->partition(app->source.impl, &described, error);
    if (rc >= 0 && described.is_offline) {
        rc = weir_start_refuse_offline(topic, 0, described.offline_from, error);
    }
    int64_t end = described.log_end_offset;
    if (rc >= 0) rc = read_all(app, topic, into, described.log_start_offset, end, error);
    if (rc < 0) return weir_error_wrap(error, rc, "topic '%s'", topic);
    *end_out = end;
    return 0;
}

/* ---- whose a topic is ------------------------------------------------------------------------ */

static int look_for_owner(struct weir_app *app, struct weir_start_topic *topic, const char *id,
                          struct weir_error *error)
{
    struct weir_application other = {.arena = app->arena};
    const char *records = weir_application_topic_name(app->arena, id);
    int64_t end = 0;
    if (records == NULL) return weir_app_no_memory(error);
    int rc = weir_app_read_records(app, records, &other, &end, error);
    if (rc < 0 && !weir_app_is_fatal(rc)) {
        weir_error_clear(error); /* there is none of that name, or its topic is no application's */
        return 0;
    }
    const struct weir_own_topic *record =
        rc >= 0 ? weir_application_find(&other, topic->name) : NULL;
    if (record != NULL && weir_uuid_equal(record->id, topic->id)) topic->owner = id;
    return rc;
}

/* `app-x-counts-changelog` may be of `app`, of `app-x` and of `app-x-counts`. */
int weir_app_look_for_owners(struct weir_app *app, struct weir_start_topic *topic,
                             struct weir_error *error)
{
    int rc = 0;
    if (!weir_app_is_internal(topic) || !topic->exists || weir_start_is_ours(topic)) return 0;
    for (size_t size = 1; rc >= 0 && topic->owner == NULL && topic->name[size] != '\0'; size++) {
        if (topic->name[size] != '-') continue;
        const char *id = weir_arena_printf(app->arena, "%.*s", (int)size, topic->name);
        if (id == NULL) return weir_app_no_memory(error);
        if (strcmp(id, app->id) != 0) rc = look_for_owner(app, topic, id, error);
    }
    return rc;
}
