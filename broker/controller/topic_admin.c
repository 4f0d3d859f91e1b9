#include "base/assert.h"
#include "base/error.h"
#include "broker/controller/controller.h"
#include "broker/engine/engine.h"
#include "broker/engine/request.h"

/* ---- building a topic ------------------------------------------------------------------------ */

static int add_record(void *context, const struct weir_metadata_record *record)
{
    return weir_controller_add(context, record);
}

static struct weir_metadata_draft draft_of(struct weir_controller *controller)
{
    return (struct weir_metadata_draft){
        .image = &controller->metadata.image,
        .options = &controller->engine->options,
        .add = add_record,
        .context = controller,
    };
}

int weir_controller_build_topic(struct weir_controller *controller, struct weir_topic_plan *plan,
                                struct weir_error *error)
{
    struct weir_metadata_draft draft = draft_of(controller);
    int rc = weir_topic_removal_admit(controller, plan->name, error);
    if (rc != 0) return rc;
    plan->id = weir_uuid_random(controller->engine->env);
    return weir_topic_plan_create(&draft, plan, error);
}

/* ---- a topic that is written to -------------------------------------------------------------- */

/* Its log is cut to the newest snapshot, in whole segments: small ones keep it short. A commit is
 * one batch, however large the metadata that the runtime puts into it. */
static const struct weir_config_entry internal_configs[] = {
    {.key = "cleanup.policy", .value = "compact"},
    {.key = "segment.bytes", .value = "16777216"},
    {.key = "max.message.bytes", .value = "67108864"},
};

int weir_controller_build_written(struct weir_controller *controller, struct weir_slice name,
                                  struct weir_error *error)
{
    struct weir_topic_plan plan = {.name = name, .partition_count = -1};
    if (weir_metadata_topic(&controller->metadata.image, name) != NULL) return WEIR_END;
    const struct weir_broker_options *options = &controller->engine->options;
    bool has_offsets = weir_slice_equal(name, weir_text(WEIR_CONSUMER_OFFSETS_TOPIC));
    bool has_transactions = weir_slice_equal(name, weir_text(WEIR_TRANSACTION_STATE_TOPIC));
    if (has_offsets || has_transactions) {
        plan.partition_count = has_offsets ? options->offsets_topic_num_partitions
                                           : options->transactions.log_num_partitions;
        plan.configs = internal_configs;
        plan.config_count = sizeof internal_configs / sizeof internal_configs[0];
        plan.is_internal = true;
    }
    return weir_controller_build_topic(controller, &plan, error);
}

/* ---- one request ----------------------------------------------------------------------------- */

struct topic_change {
    struct weir_metadata_change change; /* first */
    struct weir_topic_request *request;
    struct weir_topic_removal removal; /* delete */
};

static const struct weir_topic_image *find_topic(const struct weir_metadata_image *image,
                                                 const struct weir_topic_request *request,
                                                 struct weir_error *error)
{
    const struct weir_topic_image *topic = weir_metadata_topic(image, request->topic);
    bool has_id = weir_request_has_id(&request->request);
    if (has_id && (topic == NULL || !weir_uuid_equal(topic->id, request->request.topic_id))) {
        (void)weir_error_set(error, WEIR_UNKNOWN_TOPIC_ID, "no topic '%.*s' has this id",
                             (int)request->topic.size, (const char *)request->topic.data);
        return NULL;
    }
    if (topic == NULL && weir_topic_name_check(request->topic, error) == 0) {
        (void)weir_error_set(error, WEIR_UNKNOWN_TOPIC_OR_PARTITION, "topic '%.*s' does not exist",
                             (int)request->topic.size, (const char *)request->topic.data);
    }
    return topic;
}

static int not_found(const struct weir_error *error)
{
    return error->code;
}

static int refuse_internal(const struct weir_topic_request *request, struct weir_error *error)
{
    bool is_ours = weir_topic_name_is_internal(request->topic);
    if (!is_ours || request->is_internal) return 0;
    return weir_error_set(error, WEIR_INVALID_TOPIC,
                          "topic '%.*s': names that begin with '__' are the engine's own; choose "
                          "another",
                          (int)request->topic.size, (const char *)request->topic.data);
}

static int build_create(struct weir_controller *controller, struct topic_change *change,
                        struct weir_error *error)
{
    struct weir_topic_request *request = change->request;
    struct weir_topic_plan plan = {
        .name = request->topic,
        .partition_count = request->partition_count,
        .configs = request->configs,
        .config_count = request->config_count,
        .is_internal = request->is_internal,
    };
    int rc = weir_controller_build_topic(controller, &plan, error);
    if (rc == 0) { /* what would be, for who only wants to know */
        request->partition_count = plan.partition_count;
        request->config = plan.config;
    }
    return rc;
}

static int build_delete(struct weir_controller *controller, struct topic_change *change,
                        struct weir_error *error)
{
    const struct weir_topic_image *topic =
        find_topic(&controller->metadata.image, change->request, error);
    if (topic == NULL) return not_found(error);
    if (weir_slice_equal(topic->name_slice, weir_text(WEIR_CONSUMER_OFFSETS_TOPIC))) {
        return weir_error_set(error, WEIR_INVALID_TOPIC, "the committed offsets are not deleted");
    }
    if (weir_slice_equal(topic->name_slice, weir_text(WEIR_TRANSACTION_STATE_TOPIC))) {
        return weir_error_set(error, WEIR_INVALID_TOPIC,
                              "what transactions stand by is not deleted");
    }
    struct weir_metadata_record record = {
        .type = WEIR_METADATA_REMOVE_TOPIC,
        .remove_topic.topic_id = topic->id,
    };
    memcpy(change->removal.name, topic->name, topic->name_slice.size + 1);
    change->removal.id = topic->id;
    change->removal.partition_count = topic->partition_count;
    return weir_controller_add(controller, &record);
}

static int build_alter(struct weir_controller *controller, struct topic_change *change,
                       struct weir_error *error)
{
    const struct weir_topic_request *request = change->request;
    const struct weir_topic_image *topic = find_topic(&controller->metadata.image, request, error);
    if (topic == NULL) return not_found(error);
    struct weir_config_plan plan = {
        .topic = topic->name_slice,
        .old = topic,
        .entries = request->configs,
        .entry_count = request->config_count,
        .replaces_all = request->replaces_all,
        .keeps_own = request->keeps_own,
    };
    struct weir_metadata_draft draft = draft_of(controller);
    return weir_config_plan_build(&draft, &plan, error);
}

static int build_add_partitions(struct weir_controller *controller, struct topic_change *change,
                                struct weir_error *error)
{
    const struct weir_topic_request *request = change->request;
    const struct weir_topic_image *topic = find_topic(&controller->metadata.image, request, error);
    if (topic == NULL) return not_found(error);
    struct weir_metadata_draft draft = draft_of(controller);
    return weir_topic_plan_grow(&draft, topic, request->partition_count, error);
}

typedef int (*build_fn)(struct weir_controller *controller, struct topic_change *change,
                        struct weir_error *error);

static const build_fn builders[] = {
    [WEIR_TOPIC_CREATE] = build_create,
    [WEIR_TOPIC_DELETE] = build_delete,
    [WEIR_TOPIC_ALTER_CONFIG] = build_alter,
    [WEIR_TOPIC_ADD_PARTITIONS] = build_add_partitions,
};

static int build(struct weir_controller *controller, struct weir_metadata_change *change,
                 struct weir_error *error)
{
    struct topic_change *mine = (struct topic_change *)change;
    int rc = refuse_internal(mine->request, error);
    if (rc == 0) rc = builders[mine->request->operation](controller, mine, error);
    return rc == 0 && mine->request->validate_only ? WEIR_END : rc;
}

/* ---- after the records ----------------------------------------------------------------------- */

/* A text of the topic's own, copied: the image may change before the answer is read. */
static const char *own_text(const struct weir_topic_image *topic, const char *key,
                            struct weir_arena *arena)
{
    for (size_t i = 0; i < topic->configs.count; i++) {
        const struct weir_config_override *own = &topic->configs.rows[i];
        if (strcmp(own->key, key) == 0) return weir_arena_printf(arena, "%s", own->value);
    }
    return NULL;
}

static void show(const struct weir_controller *controller, const struct weir_topic_image *topic,
                 struct weir_topic_request *request)
{
    request->topic_id = topic->id;
    request->partition_count = topic->partition_count;
    request->config = weir_topic_image_config(topic, &controller->engine->options.topic_defaults);
    if (request->arena == NULL) return;
    request->key_format = own_text(topic, "weir.key.format", request->arena);
    request->value_format = own_text(topic, "weir.value.format", request->arena);
}

/* `request` is NULL if it has been answered before its change came to its end. */
static void answer(struct topic_change *change)
{
    struct weir_topic_request *request = change->request;
    weir_free(change);
    if (request != NULL) weir_request_reply(&request->request, 0);
}

static void told(void *context)
{
    answer(context);
}

static struct topic_change *change_of(struct weir_topic_removal *removal)
{
    return (struct topic_change *)((char *)removal - offsetof(struct topic_change, removal));
}

static void removed(struct weir_topic_removal *removal)
{
    answer(change_of(removal));
}

static void removal_waits(struct weir_topic_removal *removal)
{
    struct topic_change *change = change_of(removal);
    struct weir_topic_request *request = change->request;
    change->request = NULL;
    weir_request_reply(&request->request, 0);
}

/* Open logs take the new configuration over before the answer goes out. */
static void tell_shards(struct weir_controller *controller, struct topic_change *change)
{
    const struct weir_topic_request *request = change->request;
    struct weir_topic_notice_order order = {
        .topic = request->topic,
        .partition_count = request->partition_count,
        .config = request->config,
        .then = told,
        .context = change,
    };
    if (weir_topic_notice_send(controller, &order) == 0) return;
    struct weir_topic_request *failed = change->request;
    weir_free(change);
    weir_request_refuse(&failed->request, WEIR_NO_MEMORY,
                        "the change is durable; open partitions take it over at the next one");
}

static void written(struct weir_controller *controller, struct weir_metadata_change *change, int rc,
                    const struct weir_error *error)
{
    struct topic_change *mine = (struct topic_change *)change;
    struct weir_topic_request *request = mine->request;
    if (rc < 0) {
        if (error != NULL) request->request.error = *error;
        weir_free(mine);
        weir_request_reply(&request->request, rc);
        return;
    }
    const struct weir_topic_image *topic =
        weir_metadata_topic(&controller->metadata.image, request->topic);
    if (topic != NULL) show(controller, topic, request);
    if (request->validate_only) {
        answer(mine);
    } else if (request->operation == WEIR_TOPIC_DELETE) {
        mine->removal.waits = removal_waits;
        mine->removal.then = removed;
        weir_topic_removal_begin(controller, &mine->removal);
    } else if (request->operation == WEIR_TOPIC_ALTER_CONFIG) {
        weir_retention_sweep_again(&controller->sweep);
        tell_shards(controller, mine);
    } else {
        answer(mine);
    }
}

/* ---- the door -------------------------------------------------------------------------------- */

/* From the version, as on every shard: the image may have half of a change that waits for memory. */
static void describe(struct weir_controller *controller, struct weir_topic_request *request)
{
    const struct weir_metadata_image *image =
        weir_metadata_view_look(&request->request.shard->metadata);
    const struct weir_topic_image *topic = find_topic(image, request, &request->request.error);
    if (topic != NULL) show(controller, topic, request);
    weir_request_reply(&request->request, topic != NULL ? 0 : not_found(&request->request.error));
}

static void topic_arrives(struct weir_message *message)
{
    struct weir_topic_request *request = (struct weir_topic_request *)message;
    struct weir_engine *engine = request->request.shard->engine;
    int rc = weir_serving_check(&engine->serving, &request->request.error);
    if (rc < 0) {
        weir_request_reply(&request->request, rc);
        return;
    }
    if (request->operation == WEIR_TOPIC_DESCRIBE) {
        describe(weir_controller_of(engine), request);
        return;
    }
    weir_assert((size_t)request->operation < sizeof builders / sizeof builders[0]);
    struct topic_change *change = weir_alloc_zero(&engine->budget, sizeof *change);
    if (change == NULL) {
        weir_request_refuse(&request->request, WEIR_NO_MEMORY, "change a topic");
        return;
    }
    change->change.build = build;
    change->change.done = written;
    change->request = request;
    weir_controller_submit(weir_controller_of(engine), &change->change);
}

void weir_controller_topic(struct weir_controller *controller, struct weir_topic_request *request)
{
    weir_request_send_controller(controller->engine, &request->request, topic_arrives);
}
