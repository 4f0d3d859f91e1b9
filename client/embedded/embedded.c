#include "client/embedded/embedded.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/log/topic_defaults.h"
#include "client/embedded/embedded_internal.h"

/* ---- the table ------------------------------------------------------------------------------- */

struct weir_broker *weir_embedded_broker(const struct weir_embedded *embedded)
{
    return embedded->broker;
}

static void produce(void *impl, struct weir_produce_request *request)
{
    weir_broker_produce(weir_embedded_broker(impl), request);
}

static void fetch(void *impl, struct weir_fetch_request *request)
{
    weir_broker_fetch(weir_embedded_broker(impl), request);
}

static void cancel_fetch(void *impl, struct weir_fetch_request *request)
{
    weir_broker_cancel_fetch(weir_embedded_broker(impl), request);
}

static void report_damage(void *impl, struct weir_damage_report *request)
{
    weir_broker_report_damage(weir_embedded_broker(impl), request);
}

static void list_offsets(void *impl, struct weir_list_offsets_request *request)
{
    weir_broker_list_offsets(weir_embedded_broker(impl), request);
}

static void epoch_end(void *impl, struct weir_epoch_end_request *request)
{
    weir_broker_epoch_end(weir_embedded_broker(impl), request);
}

static void describe_partition(void *impl, struct weir_describe_partition_request *request)
{
    weir_broker_describe_partition(weir_embedded_broker(impl), request);
}

static void cut(void *impl, struct weir_cut_request *request)
{
    weir_broker_cut(weir_embedded_broker(impl), request);
}

static void topic(void *impl, struct weir_topic_request *request)
{
    weir_broker_topic(weir_embedded_broker(impl), request);
}

static void list_topics(void *impl, struct weir_list_topics_request *request)
{
    weir_broker_list_topics(weir_embedded_broker(impl), request);
}

static void init_producer(void *impl, struct weir_init_producer_request *request)
{
    weir_broker_init_producer(weir_embedded_broker(impl), request);
}

static void init_transactions(void *impl, struct weir_init_transactions_request *request)
{
    weir_broker_init_transactions(weir_embedded_broker(impl), request);
}

static void add_partitions(void *impl, struct weir_add_partitions_request *request)
{
    weir_broker_add_partitions(weir_embedded_broker(impl), request);
}

static void end_transaction(void *impl, struct weir_end_transaction_request *request)
{
    weir_broker_end_transaction(weir_embedded_broker(impl), request);
}

static void describe_transaction(void *impl, struct weir_describe_transaction_request *request)
{
    weir_broker_describe_transaction(weir_embedded_broker(impl), request);
}

static void list_transactions(void *impl, struct weir_list_transactions_request *request)
{
    weir_broker_list_transactions(weir_embedded_broker(impl), request);
}

static void describe_producers(void *impl, struct weir_describe_producers_request *request)
{
    weir_broker_describe_producers(weir_embedded_broker(impl), request);
}

static void write_marker(void *impl, struct weir_write_marker_request *request)
{
    weir_broker_write_marker(weir_embedded_broker(impl), request);
}

static void commit_offsets(void *impl, struct weir_commit_request *request)
{
    weir_broker_commit_offsets(weir_embedded_broker(impl), request);
}

static void committed(void *impl, struct weir_committed_request *request)
{
    weir_broker_committed(weir_embedded_broker(impl), request);
}

static void consumer_heartbeat(void *impl, struct weir_consumer_heartbeat_request *request)
{
    weir_broker_group_consumer_heartbeat(weir_embedded_broker(impl), request);
}

static void list_groups(void *impl, struct weir_list_groups_request *request)
{
    weir_broker_group_list(weir_embedded_broker(impl), request);
}

static void describe_group(void *impl, struct weir_describe_group_request *request)
{
    weir_broker_group_describe(weir_embedded_broker(impl), request);
}

static void delete_group(void *impl, struct weir_delete_group_request *request)
{
    weir_broker_group_delete(weir_embedded_broker(impl), request);
}

static void delete_offsets(void *impl, struct weir_delete_offsets_request *request)
{
    weir_broker_group_delete_offsets(weir_embedded_broker(impl), request);
}

static const struct weir_topic_defaults *topic_defaults(void *impl)
{
    return &((const struct weir_embedded *)impl)->topic_defaults;
}

static int claim_group(void *impl, struct weir_slice group, struct weir_group_claim *claim,
                       struct weir_error *error)
{
    return weir_broker_claim_group(weir_embedded_broker(impl), group, claim, error);
}

static void release_group(void *impl, struct weir_group_claim *claim)
{
    (void)impl;
    weir_broker_release_group(claim);
}

static int close_embedded(void *impl, struct weir_error *error)
{
    struct weir_embedded *embedded = impl;
    weir_embedded_unlisten(embedded);
    int rc = weir_broker_close(embedded->broker, error);
    bool stays = rc == WEIR_WRONG_THREAD;
    bool went_with_its_node = rc == WEIR_CRASHED;
    if (!stays && !went_with_its_node) weir_free(embedded);
    return rc;
}

const struct weir_log_ops weir_embedded_ops = {
    .name = "embedded",
    .produce = produce,
    .fetch = fetch,
    .cancel_fetch = cancel_fetch,
    .report_damage = report_damage,
    .list_offsets = list_offsets,
    .epoch_end = epoch_end,
    .describe_partition = describe_partition,
    .cut = cut,
    .topic = topic,
    .list_topics = list_topics,
    .topic_defaults = topic_defaults,
    .init_producer = init_producer,
    .init_transactions = init_transactions,
    .add_partitions = add_partitions,
    .end_transaction = end_transaction,
    .describe_transaction = describe_transaction,
    .list_transactions = list_transactions,
    .describe_producers = describe_producers,
    .write_marker = write_marker,
    .commit_offsets = commit_offsets,
    .committed = committed,
    .consumer_heartbeat = consumer_heartbeat,
    .list_groups = list_groups,
    .describe_group = describe_group,
    .delete_group = delete_group,
    .delete_offsets = delete_offsets,
    .claim_group = claim_group,
    .release_group = release_group,
    .close = close_embedded,
};

/* ---- opening --------------------------------------------------------------------------------- */

/* A default of topics, or a setting of groups, transactions or compaction. */
static int take_config(const struct weir_config *config, struct weir_broker_options *broker,
                       struct weir_error *error)
{
    if (weir_group_settings_is_known(config->key)) {
        return weir_group_settings_set(&broker->groups, config->key, config->value, error);
    }
    if (weir_txn_settings_is_known(config->key)) {
        return weir_txn_settings_set(&broker->transactions, config->key, config->value, error);
    }
    if (weir_cleaner_settings_is_known(config->key)) {
        return weir_cleaner_settings_set(&broker->cleaner, config->key, config->value, error);
    }
    return weir_topic_default_set(&broker->topic_defaults, config->key, config->value, error);
}

/* The defaults of topics and the settings of groups, transactions and compaction, by what the options say. */
static int take_defaults(const struct weir_log_options *options, struct weir_broker_options *broker,
                         struct weir_error *error)
{
    broker->topic_defaults = weir_topic_config_default();
    broker->groups = weir_group_settings_default();
    broker->transactions = weir_txn_settings_default();
    broker->cleaner = weir_cleaner_settings_default();
    if (options->flush_policy_os) broker->topic_defaults.flush_policy = WEIR_FLUSH_OS;
    if (options->topic_config_count > 0 && options->topic_configs == NULL) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "topic_configs is NULL, topic_config_count %zu",
                              options->topic_config_count);
    }
    for (size_t i = 0; i < options->topic_config_count; i++) {
        const struct weir_config *config = &options->topic_configs[i];
        if (config->key == NULL || config->value == NULL) {
            return weir_error_set(error, WEIR_INVALID_CONFIG,
                                  "topic_configs[%zu] has no key or no value", i);
        }
        int rc = take_config(config, broker, error);
        if (rc < 0) return rc;
    }
    return 0;
}

/* Has the program said how long topics keep what they have? */
static bool names_retention(const struct weir_log_options *options)
{
    for (size_t i = 0; i < options->topic_config_count; i++) {
        if (weir_topic_default_sets(options->topic_configs[i].key, "retention.ms")) return true;
    }
    return false;
}

static int open_broker(struct weir_embedded *embedded, const char *directory,
                       const struct weir_log_options *options, struct weir_error *error)
{
    struct weir_broker_options broker = {
        .env = embedded->env,
        .path = directory,
        .auto_create_topics = options->auto_create_topics != WEIR_AUTO_CREATE_OFF,
        .num_partitions = options->num_partitions,
        .shard_count = options->shard_count,
        .segment_files_max = options->segment_files_max,
    };
    int rc = take_defaults(options, &broker, error);
    if (rc < 0) return rc;
    broker.keeps_new_topics = !names_retention(options);
    rc = weir_broker_open(&broker, &embedded->broker, error);
    if (rc < 0) return rc;
    const struct weir_broker_options *opened = weir_broker_options_of(embedded->broker);
    weir_assert(opened->num_partitions >= 1); /* the default is filled in */
    embedded->topic_defaults = (struct weir_topic_defaults){
        .partition_count = opened->num_partitions,
        .config = opened->topic_defaults,
    };
    return 0;
}

int weir_embedded_open(struct weir_env *env, const char *directory,
                       const struct weir_log_options *options, struct weir_embedded **embedded_out,
                       struct weir_error *error)
{
    struct weir_embedded *embedded = weir_alloc_zero(env->budget, sizeof *embedded);
    if (embedded == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
    embedded->env = env;
    int rc = open_broker(embedded, directory, options, error);
    if (rc < 0) {
        weir_free(embedded);
        return rc;
    }
    *embedded_out = embedded;
    return 0;
}
