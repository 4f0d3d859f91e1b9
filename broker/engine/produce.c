#include "broker/engine/produce.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/delayed_produce.h"
#include "broker/engine/fetch.h"
#include "broker/engine/partition_chores.h"
#include "broker/engine/partition_flush.h"
#include "broker/engine/partition_life.h"
#include "broker/engine/route.h"
#include "broker/engine/transaction_hold.h"

/*
 * A produce request in one turn of its partition's shard, in this order: is its transaction known here (else it is held,
 * transaction_hold.h), is it served, are the batches what they say, append (which gives them their offsets, or finds a duplicate). Then the answer: at once, or
 * when the flush group has made them durable (delayed_produce.h). Readers that may see the end already are
 * woken here, all others by the flush.
 */
enum { BATCH_SIZE_MAX = INT32_MAX };

/* ---- appending ------------------------------------------------------------------------------- */

/* The part of the buffer that is to be appended. */
static struct weir_slice bytes_of(const struct weir_produce_request *produce)
{
    const struct weir_shared *batches = produce->batches;
    weir_assert(produce->from <= batches->size);
    size_t left = batches->size - produce->from;
    weir_assert(produce->size <= left);
    return weir_slice(batches->data + produce->from, produce->size > 0 ? produce->size : left);
}

/* One server is one replica: a topic that asks for more is not written to by who waits for them. The
 * engine's own writers wait for the disk, whatever users may have asked for. */
static int check_replicas(const struct weir_partition *partition,
                          const struct weir_produce_request *produce, struct weir_error *error)
{
    bool is_enough = partition->config.min_insync_replicas <= 1 || produce->is_internal;
    if (is_enough || produce->acks != WEIR_ACKS_ALL) return 0;
    return weir_error_set(error, WEIR_NOT_ENOUGH_REPLICAS,
                          "topic '%.*s' has min.insync.replicas=%d, and one server is one replica",
                          (int)partition->topic.size, (const char *)partition->topic.data,
                          partition->config.min_insync_replicas);
}

/* What came through the port is put right where that is the broker's part. */
static int check_batch(const struct weir_produce_request *produce, struct weir_slice batch,
                       const struct weir_batch_check *check, struct weir_error *error)
{
    if (!produce->walk_records) return weir_batch_check(batch, check, error);
    uint8_t *bytes = produce->batches->data + (batch.data - produce->batches->data);
    return weir_batch_admit(bytes, batch.size, check, error);
}

/* No record may be older; false if any may come. */
static bool find_oldest(const struct weir_topic_config *config, struct weir_wall now,
                        int64_t *oldest_ms_out)
{
    return config->message_timestamp_type == WEIR_CREATE_TIME &&
           !__builtin_sub_overflow(now.ms, config->message_timestamp_before_max_ms, oldest_ms_out);
}

/* Nobody would end it. What the engine itself writes within one it has told the coordinator of. */
static int check_transactional(const struct weir_produce_request *produce, struct weir_error *error)
{
    if (produce->is_internal || !weir_slice_is_null(produce->transactional_id)) return 0;
    return weir_error_set(error, WEIR_INVALID_TXN_STATE,
                          "a batch of a transaction, and no transactional id with it");
}

/* Each batch on its own; whoever sent them is trusted no further than the checks go. */
static int check_batches(const struct weir_partition *partition,
                         const struct weir_produce_request *produce, struct weir_wall now,
                         int64_t *count_out, struct weir_error *error)
{
    struct weir_slice rest = bytes_of(produce);
    struct weir_batch_check check = {
        .size_max = (size_t)partition->config.max_message_bytes,
        .plain_size_max = weir_batch_plain_size_max(partition->config.max_message_bytes),
        .allow_control = produce->is_internal,
        .walk_records = produce->walk_records,
        .keys_required = partition->config.cleanup_compact && produce->walk_records,
        .budget = partition->shard->budget,
    };
    check.has_oldest = find_oldest(&partition->config, now, &check.oldest_ms);
    int64_t count = 0;
    if (rest.size == 0) return weir_error_set(error, WEIR_INVALID_RECORD, "there is no batch");
    while (rest.size > 0) {
        struct weir_batch_header header;
        int rc = weir_batch_peek(rest, BATCH_SIZE_MAX, &header, error);
        if (rc < 0) return rc;
        size_t size = weir_batch_size(&header);
        if (produce->walk_records && size < rest.size) {
            return weir_error_set(error, WEIR_INVALID_RECORD,
                                  "more than one batch for a partition: %zu bytes follow the first",
                                  rest.size - size);
        }
        if (weir_batch_is_transactional(&header)) rc = check_transactional(produce, error);
        if (rc < 0) return rc;
        rc = check_batch(produce, weir_slice(rest.data, size), &check, error);
        if (rc < 0) return weir_error_wrap(error, rc, "batch %lld", (long long)count);
        rest = weir_slice(rest.data + size, rest.size - size);
        count++;
    }
    *count_out = count;
    return 0;
}

/* Readers wait for what is stored, which another codec may have made smaller or larger. */
static void count_in(struct weir_partition *partition, size_t size, int64_t batches,
                     int64_t stored_bytes)
{
    weir_counter_add(&partition->shard->bytes_in, (int64_t)size);
    weir_counter_add(&partition->shard->batches_in, batches);
    partition->bytes_appended += stored_bytes;
}

/* Who waited for the partition to be opened may come after the news that the log went offline has
 * passed: no flush will come for it any more. */
static int check_online(struct weir_engine *engine, struct weir_error *error)
{
    bool is_offline = atomic_load_explicit(&engine->serving.is_offline, memory_order_relaxed);
    return is_offline ? weir_serving_check(&engine->serving, error) : 0;
}

int weir_partition_append(struct weir_partition *partition, const struct weir_append *append,
                          int64_t batches, struct weir_append_result *result_out,
                          struct weir_error *error)
{
    size_t size = append->size > 0 ? append->size : append->batches->size - append->from;
    int rc = check_online(partition->shard->engine, error);
    if (rc < 0) return rc;
    rc = weir_partition_log_append(partition->log, append, result_out, error);
    if (rc == WEIR_END) return rc;
    weir_shortages_note(&partition->shard->engine->shortages, rc, result_out->needed_files, error);
    if (rc == WEIR_IO) weir_serving_go_offline(&partition->shard->engine->serving, error);
    if (rc == WEIR_OFFLINE) weir_partition_look_for_damage(partition);
    if (rc < 0) return rc;
    weir_assert(result_out->base_offset <= result_out->last_offset);
    if (!result_out->is_duplicate) count_in(partition, size, batches, result_out->stored_bytes);
    weir_partition_refresh(partition);
    weir_partition_flush_if_dirty(partition);
    return 0;
}

/* WEIR_END: a new segment comes first. */
static int append(struct weir_partition *partition, struct weir_produce_request *produce)
{
    int64_t batches = 0;
    struct weir_error *error = &produce->request.error;
    struct weir_wall now = weir_wall_now(partition->shard->env);
    bool leaves_roll = weir_partition_may_roll(partition);
    partition->waits_for_roll = false; /* it was for this one, whatever comes of it */
    produce->keys_required = partition->config.cleanup_compact;
    produce->plain_size_max = weir_batch_plain_size_max(partition->config.max_message_bytes);
    int rc = check_online(partition->shard->engine, error);
    if (rc == 0) rc = check_replicas(partition, produce, error);
    if (rc == 0) rc = check_batches(partition, produce, now, &batches, error);
    if (rc < 0) return rc;
    struct weir_append append = {
        .batches = produce->batches,
        .from = produce->from,
        .size = produce->size,
        .now = now,
        .leaves_roll = leaves_roll,
        .is_transaction_version_2 = produce->is_transaction_version_2,
    };
    struct weir_append_result result;
    rc = weir_partition_append(partition, &append, batches, &result, error);
    if (rc != 0) return rc;
    produce->base_offset = result.base_offset;
    produce->last_offset = result.last_offset;
    produce->append_time_ms = result.append_time_ms;
    produce->is_duplicate = result.is_duplicate;
    produce->log_start_offset = partition->shown.start_offset;
    return 0;
}

static void append_and_answer(struct weir_partition *partition,
                              struct weir_produce_request *produce)
{
    int rc = append(partition, produce);
    if (rc == WEIR_END) {
        weir_partition_roll_before(partition, &produce->request);
        return;
    }
    if (rc < 0) {
        int told = produce->acks == WEIR_ACKS_NONE ? 0 : rc;
        weir_request_reply(&produce->request, told);
        return;
    }
    if (produce->acks == WEIR_ACKS_ALL && produce->last_offset >= partition->high_watermark) {
        weir_partition_wait_for_flush(partition, produce);
    } else {
        weir_request_reply(&produce->request, 0);
    }
    weir_partition_wake_fetches(partition);
}

/* What is no batch, or of no producer, is for the append to refuse. */
static bool is_held(struct weir_partition *partition, struct weir_produce_request *produce)
{
    struct weir_batch_header header;
    if (weir_slice_is_null(produce->transactional_id)) return false;
    if (weir_batch_peek(bytes_of(produce), BATCH_SIZE_MAX, &header, NULL) < 0) return false;
    bool is_in_transaction = weir_batch_is_transactional(&header) && header.producer_id >= 0 &&
                             header.producer_epoch >= 0;
    return is_in_transaction &&
           weir_transaction_hold(partition, produce, &header, append_and_answer);
}

static void produce_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_produce_request *produce = (struct weir_produce_request *)request;
    if (!is_held(partition, produce)) append_and_answer(partition, produce);
}

void weir_partition_write(struct weir_partition *partition, struct weir_produce_request *produce)
{
    weir_serving_hold(&partition->shard->engine->serving);
    produce->request.shard = partition->shard;
    produce->request.topic = partition->topic;
    produce->request.partition = partition->number;
    produce->request.stage = produce_stage;
    weir_partition_enter(partition->shard, &produce->request);
}

/* Names that begin with "__" are not for users; the metadata log has one writer, the controller. */
static bool may_write(const struct weir_produce_request *produce)
{
    struct weir_slice topic = produce->to.topic;
    if (!weir_topic_name_is_internal(topic)) return true;
    return produce->is_internal && !weir_slice_equal(topic, weir_text(WEIR_CLUSTER_METADATA_TOPIC));
}

static void refuse_internal(struct weir_partition *partition, struct weir_request *request)
{
    (void)partition;
    weir_request_refuse(request, WEIR_INVALID_TOPIC,
                        "names that begin with '__' are the engine's own; choose another");
}

/* An internal topic that a user may not write to is refused on the shard, as every answer is given
 * there: by a stage of its own, for a partition that is always open. */
void weir_engine_produce(struct weir_engine *engine, struct weir_produce_request *request)
{
    struct weir_topic_partition to = request->to;
    if (may_write(request)) {
        weir_request_set_out(engine, &request->request);
        request->request.may_create = engine->options.auto_create_topics &&
                                      !request->walk_records &&
                                      !weir_request_has_id(&request->request);
        weir_request_forward(engine, &request->request, to, produce_stage);
        return;
    }
    to = (struct weir_topic_partition){weir_text(WEIR_CLUSTER_METADATA_TOPIC), 0};
    weir_request_send(engine, &request->request, to, refuse_internal);
}
