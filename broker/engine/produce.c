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
 * transaction_hold.h), is it served, are the batches what they say, append (which gives them their offsets, or finds a
 * duplicate). Then the answer: at once, or when the flush group has made them durable (delayed_produce.h). Readers that
 * may see the end already are woken here, all others by the flush.
 *
 * What users append is gathered until all messages of the turn have been met, and goes to the log with one write:
 *
 *     arrives ──> gathered ──turn's end, or another request to the partition──> checked ──> one write, or one by one
 *
 * Nobody can tell: whatever else is asked of the partition, or wants its log, has what was gathered before it
 * appended first, and who sends the second before the answer to the first comes has always let it wait.
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
                         struct weir_produce_request *produce, struct weir_wall now,
                         struct weir_error *error)
{
    struct weir_slice rest = bytes_of(produce);
    struct weir_batch_check check = {
        .size_max = (size_t)partition->config.max_message_bytes,
        .plain_size_max = produce->plain_size_max,
        .allow_control = produce->is_internal,
        .walk_records = produce->walk_records,
        .keys_required = produce->keys_required && produce->walk_records,
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
    produce->batch_count = count;
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

/* What an append comes to for others. */
static void note_append(struct weir_partition *partition, int rc, bool needed_files,
                        struct weir_error *error)
{
    struct weir_engine *engine = partition->shard->engine;
    weir_shortages_note(&engine->shortages, rc, needed_files, error);
    if (rc == WEIR_IO) weir_serving_go_offline(&engine->serving, error);
    if (rc == WEIR_OFFLINE) weir_partition_look_for_damage(partition);
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
    note_append(partition, rc, result_out->needed_files, error);
    if (rc < 0) return rc;
    weir_assert(result_out->base_offset <= result_out->last_offset);
    if (!result_out->is_duplicate) count_in(partition, size, batches, result_out->stored_bytes);
    weir_partition_refresh(partition);
    weir_partition_flush_if_dirty(partition);
    return 0;
}

/* One that has waited for a new segment is not unfolded a second time, unless the topic asks for something else now. */
static int check(const struct weir_partition *partition, struct weir_produce_request *produce,
                 struct weir_wall now)
{
    const struct weir_topic_config *config = &partition->config;
    struct weir_error *error = &produce->request.error;
    size_t plain_size_max = weir_batch_plain_size_max(config->max_message_bytes);
    bool is_sound = produce->batch_count > 0 && produce->plain_size_max == plain_size_max &&
                    produce->keys_required == config->cleanup_compact;
    produce->keys_required = config->cleanup_compact;
    produce->plain_size_max = plain_size_max;
    int rc = check_online(partition->shard->engine, error);
    if (rc == 0) rc = check_replicas(partition, produce, error);
    return rc < 0 || is_sound ? rc : check_batches(partition, produce, now, error);
}

static struct weir_append append_of(const struct weir_produce_request *produce,
                                    struct weir_wall now)
{
    return (struct weir_append){
        .batches = produce->batches,
        .from = produce->from,
        .size = produce->size,
        .now = now,
        .is_transaction_version_2 = produce->is_transaction_version_2,
        .is_internal = produce->is_internal,
    };
}

static void take_result(const struct weir_partition *partition,
                        struct weir_produce_request *produce,
                        const struct weir_append_result *result)
{
    produce->base_offset = result->base_offset;
    produce->last_offset = result->last_offset;
    produce->append_time_ms = result->append_time_ms;
    produce->is_duplicate = result->is_duplicate;
    produce->log_start_offset = partition->shown.start_offset;
}

/* One that has been checked. WEIR_END: a new segment comes first. */
static int append(struct weir_partition *partition, struct weir_produce_request *produce,
                  struct weir_wall now, bool leaves_roll)
{
    struct weir_append append = append_of(produce, now);
    struct weir_append_result result;
    append.leaves_roll = leaves_roll;
    int rc = weir_partition_append(partition, &append, produce->batch_count, &result,
                                   &produce->request.error);
    if (rc == 0) take_result(partition, produce, &result);
    return rc;
}

/* May the next append have a worker begin a new segment? If one was waited for, it was for this one, whatever
 * comes of it. */
static bool take_turn(struct weir_partition *partition)
{
    bool may_roll = weir_partition_may_roll(partition);
    partition->waits_for_roll = false;
    return may_roll;
}

static void answer(struct weir_partition *partition, struct weir_produce_request *produce, int rc)
{
    if (rc < 0) {
        weir_request_reply(&produce->request, produce->acks == WEIR_ACKS_NONE ? 0 : rc);
    } else if (produce->acks == WEIR_ACKS_ALL &&
               produce->last_offset >= partition->high_watermark) {
        weir_partition_wait_for_flush(partition, produce);
    } else {
        weir_request_reply(&produce->request, 0);
    }
}

static void append_and_answer(struct weir_partition *partition,
                              struct weir_produce_request *produce)
{
    struct weir_wall now = weir_wall_now(partition->shard->env);
    bool leaves_roll = take_turn(partition);
    int rc = check(partition, produce, now);
    if (rc == 0) rc = append(partition, produce, now, leaves_roll);
    if (rc == WEIR_END) {
        struct weir_request *request = &produce->request;
        weir_partition_roll_before(partition, &request, 1);
        return;
    }
    answer(partition, produce, rc);
    if (rc == 0) weir_partition_wake_fetches(partition);
}

/* ---- those of a turn ------------------------------------------------------------------------- */

/* What has been gathered and is sound. */
struct gathered {
    struct weir_produce_request *requests[WEIR_APPEND_ALL_MAX];
    size_t count;
};

/* As weir_partition_append, of all at once. WEIR_END: nothing has been done. */
static int append_all(struct weir_partition *partition, const struct gathered *gathered,
                      struct weir_wall now, struct weir_error *error)
{
    struct weir_append appends[WEIR_APPEND_ALL_MAX];
    struct weir_append_result results[WEIR_APPEND_ALL_MAX];
    size_t count = gathered->count;
    if (count < 2 || check_online(partition->shard->engine, NULL) < 0) return WEIR_END;
    for (size_t i = 0; i < count; i++)
        appends[i] = append_of(gathered->requests[i], now);
    int rc = weir_partition_log_append_all(partition->log, appends, count, results, error);
    if (rc == WEIR_END) return rc;
    note_append(partition, rc, results[0].needed_files, error);
    if (rc < 0) return rc;
    for (size_t i = 0; i < count; i++) {
        struct weir_produce_request *produce = gathered->requests[i];
        count_in(partition, bytes_of(produce).size, produce->batch_count, results[i].stored_bytes);
    }
    weir_partition_refresh(partition);
    weir_partition_flush_if_dirty(partition);
    for (size_t i = 0; i < count; i++)
        take_result(partition, gathered->requests[i], &results[i]);
    return 0;
}

/* Each by itself, where they do not go together. One that a new segment comes before is put back, and those
 * behind it with it. */
static void append_singly(struct weir_partition *partition, const struct gathered *gathered,
                          struct weir_wall now, bool leaves_roll)
{
    struct weir_request *left[WEIR_APPEND_ALL_MAX];
    for (size_t i = 0; i < gathered->count; i++) {
        struct weir_produce_request *produce = gathered->requests[i];
        int rc = append(partition, produce, now, leaves_roll);
        leaves_roll = weir_partition_may_roll(partition);
        if (rc == WEIR_END) {
            for (size_t at = i; at < gathered->count; at++)
                left[at - i] = &gathered->requests[at]->request;
            weir_partition_roll_before(partition, left, gathered->count - i);
            return;
        }
        answer(partition, produce, rc);
    }
}

static void append_gathered(struct weir_partition *partition)
{
    struct gathered gathered = {.count = 0};
    struct weir_error error = {0};
    struct weir_wall now = weir_wall_now(partition->shard->env);
    struct weir_produce_request *produce = partition->gathered_first;
    weir_assert(partition->state == WEIR_PARTITION_OPEN);
    weir_assert(partition->gathered_count <= WEIR_APPEND_ALL_MAX);
    bool leaves_roll = take_turn(partition);
    partition->gathered_first = NULL;
    partition->gathered_last = NULL;
    partition->gathered_count = 0;
    partition->append_gathered = NULL;
    while (produce != NULL) {
        struct weir_produce_request *next = produce->next;
        int rc = check(partition, produce, now);
        if (rc < 0) {
            answer(partition, produce, rc);
        } else {
            gathered.requests[gathered.count++] = produce;
        }
        produce = next;
    }
    int rc = append_all(partition, &gathered, now, &error);
    if (rc == WEIR_END) {
        append_singly(partition, &gathered, now, leaves_roll);
    } else {
        for (size_t i = 0; i < gathered.count; i++) {
            if (rc < 0) gathered.requests[i]->request.error = error;
            answer(partition, gathered.requests[i], rc);
        }
    }
    /* Where a worker begins a new segment they are woken when it has. */
    if (partition->state == WEIR_PARTITION_OPEN) weir_partition_wake_fetches(partition);
}

/* Until the end of the turn, or until somebody else wants the log. */
static void gather(struct weir_partition *partition, struct weir_produce_request *produce)
{
    struct weir_shard *shard = partition->shard;
    produce->next = NULL;
    *(partition->gathered_first != NULL ? &partition->gathered_last->next
                                        : &partition->gathered_first) = produce;
    partition->gathered_last = produce;
    partition->gathered_count++;
    partition->append_gathered = append_gathered;
    if (!partition->is_gathering) {
        partition->is_gathering = true;
        partition->gathering_next = shard->gathering;
        shard->gathering = partition;
    }
    if (partition->gathered_count == WEIR_APPEND_ALL_MAX) append_gathered(partition);
}

/* ---- the door -------------------------------------------------------------------------------- */

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
    if (request->may_gather) {
        gather(partition, produce);
    } else if (!is_held(partition, produce)) {
        append_and_answer(partition, produce);
    }
}

void weir_partition_write(struct weir_partition *partition, struct weir_produce_request *produce)
{
    weir_serving_hold(&partition->shard->engine->serving);
    produce->request.shard = partition->shard;
    produce->request.topic = partition->topic;
    produce->request.partition = partition->number;
    produce->request.stage = produce_stage;
    produce->request.unmade = NULL;
    produce->request.may_gather = false;
    produce->batch_count = 0;
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
    request->batch_count = 0;
    if (may_write(request)) {
        weir_request_set_out(engine, &request->request);
        request->request.may_gather =
            !request->is_internal && weir_slice_is_null(request->transactional_id);
        request->request.may_create = engine->options.auto_create_topics &&
                                      !request->walk_records &&
                                      !weir_request_has_id(&request->request);
        weir_request_forward(engine, &request->request, to, produce_stage);
        return;
    }
    to = (struct weir_topic_partition){weir_text(WEIR_CLUSTER_METADATA_TOPIC), 0};
    weir_request_send(engine, &request->request, to, refuse_internal);
}
