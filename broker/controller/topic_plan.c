#include "broker/controller/topic_plan.h"

#include "base/error.h"

static int check_partition_count(int32_t count, struct weir_error *error)
{
    if (count >= 1 && count <= WEIR_TOPIC_PARTITIONS_MAX) return 0;
    return weir_error_set(error, WEIR_INVALID_PARTITIONS, "%d partitions; 1 to %d are allowed",
                          count, WEIR_TOPIC_PARTITIONS_MAX);
}

static int add_partitions(const struct weir_metadata_draft *draft, struct weir_uuid id,
                          int32_t from, int32_t to)
{
    int rc = 0;
    for (int32_t i = from; rc == 0 && i < to; i++) {
        struct weir_metadata_record record = {
            .type = WEIR_METADATA_PARTITION,
            .partition = {.topic_id = id, .partition = i},
        };
        rc = draft->add(draft->context, &record);
    }
    return rc;
}

static int refuse_collision(struct weir_slice name, struct weir_slice other,
                            struct weir_error *error)
{
    return weir_error_set(error, WEIR_INVALID_TOPIC,
                          "topic name '%.*s' collides with topic '%.*s': names must differ by more "
                          "than '.' against '_'",
                          (int)name.size, (const char *)name.data, (int)other.size,
                          (const char *)other.data);
}

/* The engine's own names are taken also before they are there. */
static int check_collision(const struct weir_metadata_image *image, struct weir_slice name,
                           struct weir_error *error)
{
    const struct weir_slice own[] = {weir_text(WEIR_CLUSTER_METADATA_TOPIC),
                                     weir_text(WEIR_CONSUMER_OFFSETS_TOPIC),
                                     weir_text(WEIR_TRANSACTION_STATE_TOPIC)};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (!weir_slice_equal(name, own[i]) && weir_topic_name_collides(name, own[i])) {
            return refuse_collision(name, own[i], error);
        }
    }
    const struct weir_topic_image *other = weir_metadata_colliding_topic(image, name);
    return other != NULL ? refuse_collision(name, other->name_slice, error) : 0;
}

static int check_name(const struct weir_metadata_draft *draft, const struct weir_topic_plan *plan,
                      struct weir_error *error)
{
    int rc = weir_topic_name_check(plan->name, error);
    if (rc < 0) return rc;
    int size = (int)plan->name.size;
    const char *name = (const char *)plan->name.data;
    bool is_reserved = weir_topic_name_is_internal(plan->name) && !plan->is_internal;
    if (is_reserved || weir_slice_equal(plan->name, weir_text(WEIR_CLUSTER_METADATA_TOPIC))) {
        return weir_error_set(error, WEIR_INVALID_TOPIC,
                              "topic name '%.*s': names that begin with '__' are the engine's own",
                              size, name);
    }
    if (weir_metadata_topic(draft->image, plan->name) != NULL) {
        return weir_error_set(error, WEIR_EXISTS, "topic '%.*s' already exists", size, name);
    }
    return check_collision(draft->image, plan->name, error);
}

int weir_topic_plan_create(const struct weir_metadata_draft *draft, struct weir_topic_plan *plan,
                           struct weir_error *error)
{
    const struct weir_broker_options *options = draft->options;
    int32_t count = plan->partition_count == -1 ? options->num_partitions : plan->partition_count;
    int rc = check_name(draft, plan, error);
    if (rc == 0) rc = check_partition_count(count, error);
    if (rc < 0) return rc;
    struct weir_metadata_record record = {
        .type = WEIR_METADATA_TOPIC,
        .topic = {.name = plan->name, .id = plan->id},
    };
    rc = draft->add(draft->context, &record);
    if (rc == 0) rc = add_partitions(draft, plan->id, 0, count);
    struct weir_config_plan configs = {
        .topic = plan->name,
        .entries = plan->configs,
        .entry_count = plan->config_count,
        .is_kept = options->keeps_new_topics && !plan->is_internal,
    };
    if (rc == 0) rc = weir_config_plan_build(draft, &configs, error);
    plan->partition_count = count;
    plan->config = configs.config;
    return rc;
}

int weir_topic_plan_grow(const struct weir_metadata_draft *draft,
                         const struct weir_topic_image *topic, int32_t partition_count,
                         struct weir_error *error)
{
    if (partition_count <= topic->partition_count) {
        return weir_error_set(
            error, WEIR_INVALID_PARTITIONS,
            "topic '%s' has %d partitions; a new total above that is wanted, not %d", topic->name,
            topic->partition_count, partition_count);
    }
    int rc = check_partition_count(partition_count, error);
    if (rc < 0) return rc;
    return add_partitions(draft, topic->id, topic->partition_count, partition_count);
}
