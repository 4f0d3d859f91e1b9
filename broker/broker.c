#include "broker/broker.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/broker_internal.h"
#include "broker/coordinator/offsets_machine.h"
#include "broker/coordinator/transaction_machine.h"
#include "broker/engine/damage_report.h"
#include "broker/engine/describe_producers.h"
#include "broker/engine/fetch.h"
#include "broker/engine/list_offsets.h"
#include "broker/engine/partition_cleaning.h"
#include "broker/engine/partition_requests.h"
#include "broker/engine/produce.h"
#include "broker/engine/shard.h"
#include "broker/engine/write_marker.h"

enum { SHARDS_MAX = 256 };

/* ---- opening --------------------------------------------------------------------------------- */

static struct weir_broker_options with_defaults(const struct weir_broker_options *given)
{
    struct weir_broker_options options = *given;
    options.path = NULL; /* the caller's memory; the data directory has its own copy */
    if (options.num_partitions <= 0) options.num_partitions = 1;
    if (options.shard_count <= 0) options.shard_count = 1;
    if (options.shard_count > SHARDS_MAX) options.shard_count = SHARDS_MAX;
    if (options.groups.session_timeout_max_ms == 0) options.groups = weir_group_settings_default();
    if (options.transactions.timeout_max_ms == 0) {
        options.transactions = weir_txn_settings_default();
    }
    if (options.offsets_topic_num_partitions <= 0) {
        options.offsets_topic_num_partitions = options.groups.offsets_topic_num_partitions;
    }
    if (options.log_retention_check_interval_ms <= 0) {
        options.log_retention_check_interval_ms = 5 * 60 * 1000;
    }
    if (options.cleaner.table_bytes == 0) options.cleaner = weir_cleaner_settings_default();
    return options;
}

/* Half is for the segments; the rest for connections, the host program and what is open for a moment
 * (marks, indexes, folders). */
static size_t segment_files_max(const struct weir_broker *broker)
{
    enum { LEAST = 4 };
    int64_t wanted = broker->engine.options.segment_files_max;
    if (wanted <= 0) wanted = weir_descriptor_limit(broker->engine.env) / 2;
    return (size_t)(wanted > LEAST ? wanted : LEAST);
}

static int new_shards(struct weir_broker *broker, struct weir_error *error)
{
    size_t count = (size_t)broker->engine.options.shard_count;
    broker->engine.shards =
        weir_alloc_zero(&broker->engine.budget, count * sizeof broker->engine.shards[0]);
    if (broker->engine.shards == NULL)
        return weir_error_set(error, WEIR_NO_MEMORY, "open the shards");
    broker->engine.shard_count = (int32_t)count;
    for (size_t i = 0; i < count; i++)
        weir_shard_init(&broker->engine.shards[i], &broker->engine);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = weir_flush_group_open(&broker->engine.shards[i].flush, error);
    return rc;
}

static int start_shards(struct weir_broker *broker, struct weir_error *error)
{
    for (int32_t i = 0; i < broker->engine.shard_count; i++) {
        struct weir_actor_options options = {.name = "weir-shard",
                                             .run_once = weir_shard_run_once,
                                             .impl = &broker->engine.shards[i]};
        int rc =
            weir_actor_start(broker->engine.env, &options, &broker->engine.shards[i].actor, error);
        if (rc < 0) return rc;
    }
    return 0;
}

static void stop_shards(struct weir_broker *broker)
{
    for (int32_t i = 0; i < broker->engine.shard_count; i++) {
        weir_actor_stop(broker->engine.shards[i].actor);
        broker->engine.shards[i].actor = NULL;
    }
}

/* Take down what stands, in the order that each part can bear. The first error is returned. */
static int take_down(struct weir_broker *broker, struct weir_error *error)
{
    int rc = 0;
    for (int32_t i = 0; i < broker->engine.shard_count; i++) {
        int closed = weir_shard_close(&broker->engine.shards[i], rc == 0 ? error : NULL);
        if (rc == 0) rc = closed;
    }
    weir_controller_close(&broker->controller);
    weir_free(broker->engine.shards);
    return rc;
}

static void free_broker(struct weir_broker *broker)
{
    weir_data_directory_close(&broker->engine.directory);
    weir_assert(atomic_load(&broker->engine.budget.used) == 0);
    weir_free(broker);
}

static void change_topic(void *impl, struct weir_topic_request *request)
{
    weir_controller_topic(impl, request);
}

static void write_marker(void *impl, struct weir_write_marker_request *request)
{
    struct weir_broker *broker = impl;
    weir_engine_write_marker(&broker->engine, request);
}

static void add_partitions(void *impl, struct weir_add_partitions_request *request)
{
    struct weir_broker *broker = impl;
    weir_transactions_add(&broker->transactions, request);
}

static const struct weir_transaction_owner_ops transaction_owner_ops = {
    .add_partitions = add_partitions,
};

static void give_producer_id(void *impl, struct weir_init_producer_request *request)
{
    struct weir_broker *broker = impl;
    weir_controller_init_producer(&broker->controller, request);
}

int weir_broker_open(const struct weir_broker_options *options, struct weir_broker **broker_out,
                     struct weir_error *error)
{
    struct weir_broker *broker = weir_alloc_zero(options->env->budget, sizeof *broker);
    if (broker == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "open a log");
    broker->engine.env = options->env;
    broker->engine.options = with_defaults(options);
    weir_coordinator_init(&broker->coordinator, &broker->engine);
    weir_state_machines_add(
        &broker->engine.state_machines,
        (struct weir_state_machine){&weir_offsets_machine_ops, &broker->coordinator});
    weir_transactions_init(&broker->transactions, &broker->engine, &broker->coordinator.settle);
    weir_state_machines_add(
        &broker->engine.state_machines,
        (struct weir_state_machine){&weir_transaction_machine_ops, &broker->transactions});
    weir_budget_init(&broker->engine.budget, "broker", options->env->heap, options->env->budget, 0);
    weir_coordinator_open(&broker->coordinator);
    weir_transactions_open(&broker->transactions);
    int rc = weir_data_directory_open(&broker->engine.directory, broker->engine.env, options->path,
                                      error);
    if (rc < 0) goto out;
    weir_serving_init(&broker->engine.serving, broker->engine.env,
                      broker->engine.directory.path.text, broker->engine.directory.log_path.text);
    weir_shortages_init(&broker->engine.shortages, broker->engine.env,
                        broker->engine.directory.path.text);
    weir_file_set_init(&broker->engine.files, segment_files_max(broker));
    rc = new_shards(broker, error);
    if (rc < 0) goto out;
    broker->engine.metadata =
        (struct weir_metadata_owner){&weir_controller_owner_ops, &broker->controller};
    rc = weir_controller_open(&broker->controller, &broker->engine, error);
    if (rc < 0) goto out;
    rc = weir_topic_removal_mend(&broker->controller, error);
    if (rc < 0) goto out;
    weir_group_settle_open(&broker->coordinator.settle, &broker->engine, change_topic,
                           &broker->controller);
    broker->engine.transactions = (struct weir_transaction_owner){&transaction_owner_ops, broker};
    weir_transactions_know(&broker->transactions, (struct weir_transaction_helpers){
                                                      .init_producer = give_producer_id,
                                                      .producer_impl = broker,
                                                      .write_marker = write_marker,
                                                      .marker_impl = broker,
                                                  });
    rc = weir_data_directory_remember_log(&broker->engine.directory, error);
    if (rc < 0) goto out;
    rc = weir_data_directory_begin(&broker->engine.directory, error);
    if (rc < 0) goto out;
    rc = start_shards(broker, error);
    if (rc < 0) goto out;
    weir_group_settle_start(&broker->coordinator.settle);
    weir_transactions_start(&broker->transactions);
    (void)weir_uuid_print(broker->engine.directory.properties.cluster_id, broker->cluster_id);
    weir_engine_check(&broker->engine);
    *broker_out = broker;
    return 0;
out:
    stop_shards(broker);
    (void)take_down(broker, NULL); /* the first error is the news */
    free_broker(broker);
    return rc;
}

/* ---- closing --------------------------------------------------------------------------------- */

int weir_broker_close(struct weir_broker *broker, struct weir_error *error)
{
    if (broker == NULL) return 0;
    if (!weir_may_block(broker->engine.env)) {
        return weir_error_set(error, WEIR_WRONG_THREAD,
                              "a log is closed from a thread of the program, not of the engine");
    }
    int rc = weir_serving_drain(&broker->engine.serving, error);
    if (rc < 0) return rc;
    stop_shards(broker);
    weir_engine_check(&broker->engine);
    bool is_offline = atomic_load(&broker->engine.serving.is_offline);
    if (is_offline) {
        rc = weir_error_set(error, WEIR_OFFLINE, "'%s' went offline; its last writes may be lost",
                            broker->engine.directory.path.text);
    } else {
        rc = weir_controller_snapshot(&broker->controller, error);
    }
    int closed = take_down(broker, rc == 0 ? error : NULL);
    if (rc == 0) rc = closed;
    /* A log that failed by itself is no error of the close. But what was read of it may be gone with the
     * power, and only an open that is not clean raises the leader epochs that tell readers so. */
    bool is_clean = rc == 0 && !broker->engine.closes_unclean;
    if (is_clean) rc = weir_data_directory_mark_clean(&broker->engine.directory, error);
    free_broker(broker);
    return weir_error_wrap(error, rc, "close the log");
}

/* ---- small questions ------------------------------------------------------------------------- */

const char *weir_broker_cluster_id(const struct weir_broker *broker)
{
    return broker->cluster_id;
}

int32_t weir_broker_shard_count(const struct weir_broker *broker)
{
    return broker->engine.shard_count;
}

struct weir_actor *weir_broker_shard_actor(const struct weir_broker *broker, int32_t shard)
{
    weir_assert(shard >= 0 && shard < broker->engine.shard_count);
    return broker->engine.shards[shard].actor;
}

void weir_broker_set_service(struct weir_broker *broker, int32_t shard,
                             struct weir_shard_service service)
{
    weir_assert(shard >= 0 && shard < broker->engine.shard_count);
    broker->engine.shards[shard].service = service;
}

struct weir_env *weir_broker_env(const struct weir_broker *broker)
{
    return broker->engine.env;
}

int64_t weir_broker_segment_files_max(const struct weir_broker *broker)
{
    return (int64_t)broker->engine.files.count_max;
}

const struct weir_broker_options *weir_broker_options_of(const struct weir_broker *broker)
{
    return &broker->engine.options;
}

const char *weir_broker_path(const struct weir_broker *broker)
{
    return broker->engine.directory.path.text;
}

static void add_histogram(struct weir_histogram *sum, const struct weir_broker *broker)
{
    for (int32_t i = 0; i < broker->engine.shard_count; i++) {
        weir_histogram_merge(sum, &broker->engine.shards[i].flush.duration_us);
    }
}

void weir_broker_metrics(const struct weir_broker *broker, struct weir_broker_metrics *metrics_out)
{
    struct weir_broker_metrics metrics = {0};
    struct weir_histogram durations_us = {0};
    add_histogram(&durations_us, broker);
    for (int32_t i = 0; i < broker->engine.shard_count; i++) {
        const struct weir_shard *shard = &broker->engine.shards[i];
        metrics.bytes_in += weir_counter_get(&shard->bytes_in);
        metrics.bytes_out += weir_counter_get(&shard->bytes_out);
        metrics.batches_in += weir_counter_get(&shard->batches_in);
        metrics.flushes += weir_counter_get(&shard->flush.flushes);
        metrics.open_partitions += weir_counter_get(&shard->open_partitions);
    }
    metrics.offline_partitions = weir_counter_get(&broker->controller.offline.count);
    if (atomic_load(&broker->engine.serving.is_offline))
        metrics.offline_partitions += metrics.open_partitions;
    metrics.flush_p50_us = weir_histogram_quantile(&durations_us, 0.5);
    metrics.flush_p99_us = weir_histogram_quantile(&durations_us, 0.99);
    metrics.memory_bytes = (int64_t)atomic_load(&broker->engine.budget.used);
    metrics.live_groups = atomic_load(&broker->coordinator.live_count);
    metrics.groups_memory_bytes = (int64_t)atomic_load(&broker->coordinator.budget.used);
    metrics.live_transactions = atomic_load(&broker->transactions.live_count);
    metrics.transactions_memory_bytes = (int64_t)atomic_load(&broker->transactions.budget.used);
    *metrics_out = metrics;
}

/* ---- the doors of the rooms ------------------------------------------------------------------ */

void weir_broker_produce(struct weir_broker *broker, struct weir_produce_request *request)
{
    weir_engine_produce(&broker->engine, request);
}

void weir_broker_fetch(struct weir_broker *broker, struct weir_fetch_request *request)
{
    weir_engine_fetch(&broker->engine, request);
}

void weir_broker_cancel_fetch(struct weir_broker *broker, struct weir_fetch_request *request)
{
    weir_engine_cancel_fetch(&broker->engine, request);
}

void weir_broker_report_damage(struct weir_broker *broker, struct weir_damage_report *report)
{
    weir_engine_report_damage(&broker->engine, report);
}

void weir_broker_list_offsets(struct weir_broker *broker, struct weir_list_offsets_request *request)
{
    weir_engine_list_offsets(&broker->engine, request);
}

void weir_broker_epoch_end(struct weir_broker *broker, struct weir_epoch_end_request *request)
{
    weir_engine_epoch_end(&broker->engine, request);
}

void weir_broker_describe_partition(struct weir_broker *broker,
                                    struct weir_describe_partition_request *request)
{
    weir_engine_describe_partition(&broker->engine, request);
}

void weir_broker_partition_state(struct weir_broker *broker,
                                 struct weir_partition_state_request *request)
{
    weir_engine_partition_state(&broker->engine, request);
}

void weir_broker_cut(struct weir_broker *broker, struct weir_cut_request *request)
{
    weir_engine_cut(&broker->engine, request);
}

void weir_broker_write_marker(struct weir_broker *broker, struct weir_write_marker_request *request)
{
    weir_engine_write_marker(&broker->engine, request);
}

void weir_broker_describe_producers(struct weir_broker *broker,
                                    struct weir_describe_producers_request *request)
{
    weir_engine_describe_producers(&broker->engine, request);
}

void weir_broker_compact(struct weir_broker *broker, struct weir_compact_request *request)
{
    weir_engine_compact(&broker->engine, request);
}

void weir_broker_topic(struct weir_broker *broker, struct weir_topic_request *request)
{
    weir_controller_topic(&broker->controller, request);
}

void weir_broker_list_topics(struct weir_broker *broker, struct weir_list_topics_request *request)
{
    weir_controller_list_topics(&broker->controller, request);
}

static const struct weir_metadata_image *metadata_on(const struct weir_broker *broker,
                                                     const struct weir_actor *actor)
{
    struct weir_shard *shard = weir_engine_shard_of(&broker->engine, actor);
    weir_assert(shard != NULL);
    return weir_metadata_view_look(&shard->metadata);
}

struct weir_slice weir_broker_topic_name(const struct weir_broker *broker,
                                         const struct weir_actor *actor, struct weir_uuid id)
{
    const struct weir_topic_image *topic =
        weir_metadata_topic_by_id(metadata_on(broker, actor), id);
    return topic != NULL ? topic->name_slice : weir_null();
}

void weir_broker_group_config(struct weir_broker *broker, struct weir_group_config_request *request)
{
    weir_controller_group_config(&broker->controller, request);
}

const struct weir_config_entry *
weir_broker_group_overrides(const struct weir_broker *broker, const struct weir_actor *actor,
                            struct weir_slice group, struct weir_arena *arena, size_t *count_out,
                            struct weir_group_config *config_out)
{
    const struct weir_group_settings *settings = &broker->engine.options.groups;
    const struct weir_group_image *image = weir_metadata_group(metadata_on(broker, actor), group);
    size_t count = image != NULL ? image->configs.count : 0;
    struct weir_config_entry *entries =
        weir_arena_array(arena, count > 0 ? count : 1, sizeof *entries);
    for (size_t i = 0; entries != NULL && i < count; i++) {
        const struct weir_config_override *own = &image->configs.rows[i];
        entries[i] = (struct weir_config_entry){
            .key = weir_arena_printf(arena, "%s", own->key),
            .value = weir_arena_printf(arena, "%s", own->value),
        };
    }
    *count_out = entries != NULL ? count : 0;
    *config_out = image != NULL ? weir_group_config_with(&settings->config,
                                                         &settings->config_bounds, &image->configs)
                                : settings->config;
    return entries;
}

const struct weir_slice *weir_broker_configured_groups(const struct weir_broker *broker,
                                                       const struct weir_actor *actor,
                                                       struct weir_arena *arena, size_t *count_out)
{
    const struct weir_metadata_image *image = metadata_on(broker, actor);
    const struct weir_group_image **groups = weir_metadata_sorted_groups(image, arena);
    size_t count = weir_hamt_count(&image->groups);
    struct weir_slice *names = weir_arena_array(arena, count > 0 ? count : 1, sizeof *names);
    for (size_t i = 0; groups != NULL && names != NULL && i < count; i++) {
        names[i] = weir_arena_copy(arena, groups[i]->name);
    }
    *count_out = count;
    return weir_arena_failed(arena) ? NULL : names;
}

void weir_broker_init_producer(struct weir_broker *broker,
                               struct weir_init_producer_request *request)
{
    weir_controller_init_producer(&broker->controller, request);
}

void weir_broker_commit_offsets(struct weir_broker *broker, struct weir_commit_request *request)
{
    weir_coordinator_commit(&broker->coordinator, request);
}

void weir_broker_committed(struct weir_broker *broker, struct weir_committed_request *request)
{
    weir_coordinator_committed(&broker->coordinator, request);
}

void weir_broker_group_join(struct weir_broker *broker, struct weir_join_group_request *request)
{
    weir_coordinator_join(&broker->coordinator, request);
}

void weir_broker_group_sync(struct weir_broker *broker, struct weir_sync_group_request *request)
{
    weir_coordinator_sync(&broker->coordinator, request);
}

void weir_broker_group_heartbeat(struct weir_broker *broker,
                                 struct weir_group_heartbeat_request *request)
{
    weir_coordinator_heartbeat(&broker->coordinator, request);
}

void weir_broker_group_leave(struct weir_broker *broker, struct weir_leave_group_request *request)
{
    weir_coordinator_leave(&broker->coordinator, request);
}

void weir_broker_group_describe(struct weir_broker *broker,
                                struct weir_describe_group_request *request)
{
    weir_coordinator_describe(&broker->coordinator, request);
}

void weir_broker_group_list(struct weir_broker *broker, struct weir_list_groups_request *request)
{
    weir_coordinator_list(&broker->coordinator, request);
}

void weir_broker_group_delete(struct weir_broker *broker, struct weir_delete_group_request *request)
{
    weir_coordinator_delete(&broker->coordinator, request);
}

void weir_broker_group_delete_offsets(struct weir_broker *broker,
                                      struct weir_delete_offsets_request *request)
{
    weir_coordinator_delete_offsets(&broker->coordinator, request);
}

void weir_broker_group_consumer_heartbeat(struct weir_broker *broker,
                                          struct weir_consumer_heartbeat_request *request)
{
    weir_coordinator_consumer_heartbeat(&broker->coordinator, request);
}

void weir_broker_cancel_group(struct weir_broker *broker, struct weir_group_request *request)
{
    weir_coordinator_cancel(&broker->coordinator, request);
}

void weir_broker_init_transactions(struct weir_broker *broker,
                                   struct weir_init_transactions_request *request)
{
    weir_transactions_begin(&broker->transactions, request);
}

void weir_broker_add_partitions(struct weir_broker *broker,
                                struct weir_add_partitions_request *request)
{
    weir_transactions_add(&broker->transactions, request);
}

void weir_broker_add_offsets(struct weir_broker *broker, struct weir_add_offsets_request *request)
{
    weir_transactions_add_offsets(&broker->transactions, request);
}

void weir_broker_end_transaction(struct weir_broker *broker,
                                 struct weir_end_transaction_request *request)
{
    weir_transactions_end(&broker->transactions, request);
}

void weir_broker_describe_transaction(struct weir_broker *broker,
                                      struct weir_describe_transaction_request *request)
{
    weir_transactions_describe(&broker->transactions, request);
}

void weir_broker_list_transactions(struct weir_broker *broker,
                                   struct weir_list_transactions_request *request)
{
    weir_transactions_list(&broker->transactions, request);
}

int weir_broker_claim_group(struct weir_broker *broker, struct weir_slice group,
                            struct weir_group_claim *claim, struct weir_error *error)
{
    struct weir_uuid run = weir_uuid_random(broker->engine.env);
    return weir_group_claims_add(&broker->coordinator.claims, group, run, claim, error);
}

void weir_broker_release_group(struct weir_group_claim *claim)
{
    weir_group_claims_release(claim);
}

/* ---- ask and wait ---------------------------------------------------------------------------- */

int weir_broker_wait_begin(struct weir_broker *broker, struct weir_request *request,
                           struct weir_error *error)
{
    return weir_request_wait_begin(broker->engine.env, request, error);
}

int weir_broker_wait(struct weir_broker *broker, struct weir_request *request,
                     struct weir_error *error)
{
    return weir_request_wait(broker->engine.env, request, error);
}
