/** The producer's public calls. How it works: producer_internal.h. */
#include "client/producer_internal.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/options.h"

enum {
    BATCH_SIZE_DEFAULT = 64 << 10,
    BATCH_SIZE_MIN = 1 << 10,
    BUFFER_MEMORY_DEFAULT = 32 << 20,
    POOL_BYTES_MAX = 8 << 20,
};

/* ---- what holds ------------------------------------------------------------------------------ */

static bool are_sums_right(const struct weir_producer *producer)
{
    size_t unanswered = 0;
    size_t memory = 0;
    bool are_right = true;
    const struct weir_producer_partition *partition = producer->busy;
    for (; partition != NULL; partition = partition->next_busy) {
        const size_t at = offsetof(struct weir_producer_batch, queued);
        const struct weir_queued_batch *queued = partition->queue.first;
        if (partition->open != NULL) memory += partition->open->charged;
        for (; queued != NULL; queued = queued->next) {
            unanswered++;
            memory += ((const struct weir_producer_batch *)((const char *)queued - at))->charged;
        }
        are_right = are_right && partition->is_busy;
    }
    return are_right && unanswered == producer->unanswered && memory == producer->memory_used;
}

void weir_producer_check(const struct weir_producer *producer)
{
    weir_assert(producer->magic == WEIR_PRODUCER_MAGIC);
    weir_assert((producer->busy == NULL) == (producer->busy_end == &producer->busy));
    weir_assert(*producer->busy_end == NULL);
    weir_assert(producer->busy != NULL || producer->memory_used == 0);
    weir_assert(producer->busy != NULL || producer->unanswered == 0);
    weir_assert((producer->done == NULL) == (producer->done_end == &producer->done));
    weir_assert(producer->done != NULL || producer->done_bytes == 0);
    weir_assert(producer->pool_count <= producer->pool_max);
    weir_assert(producer->pool_max <= WEIR_PRODUCER_POOL_MAX);
    weir_assert(producer->pool_start < WEIR_PRODUCER_POOL_MAX);
    weir_assert(producer->is_idempotent || producer->producer_id == WEIR_NO_PRODUCER_ID);
    weir_assert_slow(are_sums_right(producer));
}

/* ---- new and close --------------------------------------------------------------------------- */

static int take_acks(int acks, enum weir_acks *acks_out, struct weir_error *error)
{
    switch (acks) {
    case 0:
    case WEIR_ACKS_ALL:
        *acks_out = WEIR_ACKS_ALL;
        return 0;
    case 1:
        *acks_out = WEIR_ACKS_LEADER;
        return 0;
    case WEIR_PRODUCER_ACKS_NONE:
        *acks_out = WEIR_ACKS_NONE;
        return 0;
    default:
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              "acks is %d: 0 for all, 1 for the leader, WEIR_PRODUCER_ACKS_NONE",
                              acks);
    }
}

static int take_codec(const char *name, enum weir_codec *codec_out, struct weir_error *error)
{
    *codec_out = WEIR_CODEC_NONE;
    if (name == NULL || weir_codec_from_name(name, codec_out) == 0) return 0;
    return weir_error_set(error, WEIR_INVALID_CONFIG,
                          "compression_type is '%s': none, gzip, snappy, lz4 or zstd", name);
}

static int check_options(struct weir_producer_options *options, struct weir_error *error)
{
    if (options->linger_ms < 0) {
        return weir_error_set(error, WEIR_INVALID_CONFIG, "linger_ms is %lld: 0 or more",
                              (long long)options->linger_ms);
    }
    if (options->batch_size > INT32_MAX) {
        return weir_error_set(error, WEIR_INVALID_CONFIG, "batch_size is %zu: at most %d",
                              options->batch_size, INT32_MAX);
    }
    if (options->batch_size == 0) options->batch_size = BATCH_SIZE_DEFAULT;
    if (options->batch_size < BATCH_SIZE_MIN) options->batch_size = BATCH_SIZE_MIN;
    if (options->buffer_memory == 0) options->buffer_memory = BUFFER_MEMORY_DEFAULT;
    if (options->buffer_memory < options->batch_size) {
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              "buffer_memory of %zu bytes does not hold one batch of %zu",
                              options->buffer_memory, options->batch_size);
    }
    return 0;
}

static void init(struct weir_producer *producer, struct weir_log *log)
{
    weir_assert(producer->options.batch_size >= BATCH_SIZE_MIN); /* defaults are filled in */
    weir_assert(producer->options.buffer_memory >= producer->options.batch_size);
    size_t pool_max = POOL_BYTES_MAX / producer->options.batch_size;
    if (pool_max > WEIR_PRODUCER_POOL_MAX) pool_max = WEIR_PRODUCER_POOL_MAX;
    producer->pool_max = pool_max > 0 ? pool_max : 1;
    producer->log = log;
    producer->is_idempotent =
        !producer->options.disable_idempotence && producer->acks != WEIR_ACKS_NONE;
    producer->producer_id = WEIR_NO_PRODUCER_ID;
    weir_map_init(&producer->topics, &log->budget);
    weir_buffer_init(&producer->compressed, &log->budget, 0);
    producer->busy_end = &producer->busy;
    producer->linger_until = WEIR_MONO_NEVER;
    producer->done_end = &producer->done;
    producer->magic = WEIR_PRODUCER_MAGIC;
}

struct weir_producer *weir_producer_new(struct weir_log *log,
                                        const struct weir_producer_options *options,
                                        struct weir_error *error)
{
    weir_error_clear(error);
    struct weir_producer taken = {0}; /* nobody is inside */
    int rc = weir_log_check(log, "weir_producer_new", error);
    if (rc < 0) return NULL;
    rc = weir_options_take(&taken.options, sizeof taken.options, options,
                           "WEIR_PRODUCER_OPTIONS_INIT", error);
    if (rc == 0) rc = check_options(&taken.options, error);
    if (rc == 0) rc = take_acks(taken.options.acks, &taken.acks, error);
    if (rc == 0) rc = take_codec(taken.options.compression_type, &taken.codec, error);
    if (rc < 0) {
        (void)weir_error_wrap(error, rc, "new producer");
        return NULL;
    }
    struct weir_producer *producer = weir_alloc(&log->budget, sizeof *producer);
    if (producer == NULL) {
        weir_error_set(error, WEIR_NO_MEMORY, "new producer: out of memory");
        return NULL;
    }
    *producer = taken;
    init(producer, log);
    atomic_fetch_add(&log->producer_count, 1);
    return producer;
}

/* Every public call comes in here, and goes out through leave. */
static int enter(struct weir_producer *producer, const char *call, struct weir_error *error)
{
    if (producer != NULL && producer->magic == WEIR_PRODUCER_MAGIC) {
        return weir_access_acquire(&producer->access, "producer", call, error);
    }
    return weir_error_set(error, WEIR_INVALID_ARGUMENT, "%s: the producer is %s", call,
                          producer == NULL ? "NULL" : "closed, or not a producer");
}

static int leave(struct weir_producer *producer, int rc)
{
    if (rc != WEIR_CRASHED) weir_access_release(&producer->access);
    return rc;
}

static void free_topic(struct weir_producer_topic *topic)
{
    for (int32_t i = 0; i < topic->partition_capacity; i++) {
        struct weir_producer_partition *partition = topic->partitions[i];
        if (partition == NULL) continue;
        weir_assert(partition->open == NULL && partition->queue.first == NULL);
        weir_batch_builder_close(&partition->builder);
        weir_free(partition);
    }
    weir_free(topic->partitions);
    weir_free(topic->name);
    weir_free(topic);
}

/* Nothing is open or in flight any more. */
static void free_producer(struct weir_producer *producer)
{
    weir_producer_check(producer);
    weir_assert(producer->busy == NULL && producer->done == NULL);
    struct weir_producer_topic *topic;
    for (size_t at = 0; (topic = weir_map_next(&producer->topics, &at)) != NULL;) {
        free_topic(topic);
    }
    weir_map_close(&producer->topics);
    while (producer->free_batches != NULL) {
        struct weir_producer_batch *batch = producer->free_batches;
        producer->free_batches = batch->next;
        weir_buffer_close(&batch->contexts);
        weir_free(batch);
    }
    for (size_t i = 0; i < producer->pool_count; i++) {
        weir_shared_unref(producer->pool[(producer->pool_start + i) % WEIR_PRODUCER_POOL_MAX]);
    }
    weir_buffer_close(&producer->compressed);
    weir_assert(producer->memory_used == 0);
    producer->magic = 0;
    weir_free(producer);
}

/* What could not be sealed, for want of memory, fails. */
static void fail_open(struct weir_producer *producer)
{
    struct weir_producer_partition *partition = producer->busy;
    for (; partition != NULL; partition = partition->next_busy) {
        struct weir_producer_batch *batch = weir_producer_take_open(partition);
        if (batch == NULL) continue;
        weir_producer_batch_move(&batch->queued, partition->queue.topic, WEIR_BATCH_DONE);
        weir_producer_settle(producer, batch, WEIR_NO_MEMORY, NULL);
    }
}

/* Wait until nothing is unanswered. Sealed batches only. */
static int await_all(struct weir_producer *producer, struct weir_error *error)
{
    int rc = 0;
    weir_producer_take_answers(producer);
    weir_producer_pump_all(producer);
    while (producer->busy != NULL && rc == 0) {
        weir_assert(producer->busy->open == NULL); /* that would never be answered */
        rc = weir_producer_await(producer, error);
    }
    return rc;
}

static int take_failure(struct weir_producer *producer, struct weir_error *error)
{
    int rc = producer->failure.code;
    if (rc != 0 && error != NULL) *error = producer->failure;
    producer->failure.code = 0;
    return rc;
}

int weir_producer_close(struct weir_producer *producer, struct weir_error *error)
{
    if (producer == NULL) return 0;
    int rc = enter(producer, "weir_producer_close", error);
    if (rc < 0) return rc;
    rc = weir_log_may_wait(producer->log, "weir_producer_close", error);
    if (rc == 0 && producer->is_delivering) {
        rc = weir_error_set(error, WEIR_WRONG_THREAD,
                            "weir_producer_close inside on_delivery: return, and close then");
    }
    if (rc < 0) return leave(producer, rc);

    do { /* a delivery may send once more */
        struct weir_producer_partition *partition = producer->busy;
        for (; partition != NULL; partition = partition->next_busy) {
            (void)weir_producer_seal(producer, partition, NULL);
        }
        fail_open(producer);
        rc = await_all(producer, error);
        if (rc < 0) return rc; /* the environment is gone, and our memory with it */
        (void)weir_producer_deliver(producer);
    } while (producer->busy != NULL);
    rc = take_failure(producer, error);
    struct weir_log *log = producer->log;
    free_producer(producer);
    atomic_fetch_sub(&log->producer_count, 1); /* last: a weir_close that sees none frees the log */
    return rc;
}

/* ---- topics ---------------------------------------------------------------------------------- */

static int grow_partitions(struct weir_producer *producer, struct weir_producer_topic *topic,
                           int32_t partition_count, struct weir_error *error)
{
    if (partition_count <= topic->partition_capacity) return 0;
    size_t size = (size_t)partition_count * sizeof(struct weir_producer_partition *);
    struct weir_producer_partition **partitions =
        weir_realloc(&producer->log->budget, topic->partitions, size);
    if (partitions == NULL) {
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for the partitions of topic '%s'",
                              topic->name);
    }
    size_t known = (size_t)topic->partition_capacity * sizeof *partitions;
    memset((uint8_t *)partitions + known, 0, size - known);
    topic->partitions = partitions;
    topic->partition_capacity = partition_count;
    return 0;
}

/* Ask the log about the topic. */
static int refresh_topic(struct weir_producer *producer, struct weir_producer_topic *topic,
                         struct weir_error *error)
{
    struct weir_topic_facts facts;
    int rc =
        weir_topic_look_up(producer->log, topic->name, true, "weir_producer_send", &facts, error);
    if (rc == 0) rc = grow_partitions(producer, topic, facts.partition_count, error);
    if (rc < 0) return rc;
    topic->partition_count = facts.partition_count;
    topic->max_message_bytes = facts.max_message_bytes;
    topic->is_stale = false;
    return 0;
}

/* Before the first record of all. */
static int init_producer_id(struct weir_producer *producer, struct weir_error *error)
{
    if (!producer->is_idempotent || producer->producer_id != WEIR_NO_PRODUCER_ID) return 0;
    struct weir_init_producer_request request = {0};
    int rc = weir_log_wait_begin(producer->log, &request.request, "weir_producer_send", error);
    if (rc < 0) return rc;
    weir_log_init_producer(producer->log, &request);
    rc = weir_request_wait(producer->log->env, &request.request, error);
    if (rc < 0) return weir_error_wrap(error, rc, "init producer id");
    producer->producer_id = request.producer_id;
    return 0;
}

static int add_topic(struct weir_producer *producer, const char *name,
                     struct weir_producer_topic **topic_out, struct weir_error *error)
{
    int rc = weir_topic_text_check(name, error);
    if (rc == 0) rc = init_producer_id(producer, error);
    if (rc < 0) return rc;
    struct weir_producer_topic *topic = weir_alloc_zero(&producer->log->budget, sizeof *topic);
    if (topic == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
    weir_partitioner_init(&topic->partitioner, weir_random_u64(producer->log->env));
    topic->name = weir_alloc_text(&producer->log->budget, name, strlen(name));
    rc = topic->name == NULL ? weir_error_set(error, WEIR_NO_MEMORY, "out of memory")
                             : refresh_topic(producer, topic, error);
    if (rc == WEIR_CRASHED) return rc;
    if (rc == 0) {
        rc = weir_map_add(&producer->topics, weir_text(topic->name), topic);
        if (rc < 0) weir_error_set(error, (enum weir_code)rc, "topic '%s'", name);
    }
    if (rc < 0) {
        free_topic(topic);
        return rc;
    }
    *topic_out = topic;
    return 0;
}

static int find_topic(struct weir_producer *producer, const char *name,
                      struct weir_producer_topic **topic_out, struct weir_error *error)
{
    struct weir_producer_topic *topic = producer->last_topic;
    if (name == NULL || topic == NULL || strcmp(topic->name, name) != 0) {
        topic = weir_map_get(&producer->topics, weir_text(name));
    }
    int rc = 0;
    if (topic == NULL) rc = add_topic(producer, name, &topic, error);
    if (rc == 0 && topic->is_stale) rc = refresh_topic(producer, topic, error);
    if (rc < 0) return rc;
    producer->last_topic = topic;
    *topic_out = topic;
    return 0;
}

static int make_partition(struct weir_producer *producer, struct weir_producer_topic *topic,
                          int32_t index, struct weir_error *error)
{
    weir_assert(index >= 0 && index < topic->partition_capacity);
    weir_assert(topic->partitions[index] == NULL);
    struct weir_producer_partition *partition =
        weir_alloc_zero(&producer->log->budget, sizeof *partition);
    if (partition == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
    partition->topic = topic;
    partition->index = index;
    partition->queue = (struct weir_producer_queue){
        .topic = topic->name,
        .is_idempotent = producer->is_idempotent,
        .is_answered = producer->acks != WEIR_ACKS_NONE,
    };
    weir_batch_builder_init(&partition->builder, &producer->log->budget, producer->codec,
                            WEIR_CODEC_LEVEL_DEFAULT);
    topic->partitions[index] = partition;
    return 0;
}

static int find_partition(struct weir_producer *producer, struct weir_producer_topic *topic,
                          int32_t index, struct weir_slice key,
                          struct weir_producer_partition **partition_out, struct weir_error *error)
{
    int rc = 0;
    if (index == -1) {
        index = weir_partitioner_choose(&topic->partitioner, key, topic->partition_count);
    } else if (index >= topic->partition_count) {
        rc = refresh_topic(producer, topic, error); /* it may have grown */
    }
    weir_assert_slow(topic->partition_count <= topic->partition_capacity);
    if (rc == 0) rc = weir_partition_check(topic->name, index, topic->partition_count, error);
    if (rc == 0 && topic->partitions[index] == NULL) {
        rc = make_partition(producer, topic, index, error);
    }
    if (rc < 0) return rc;
    *partition_out = topic->partitions[index];
    return 0;
}

/* ---- sending --------------------------------------------------------------------------------- */

static int check_bytes(struct weir_slice bytes, const char *what, struct weir_error *error)
{
    if (bytes.data != NULL || bytes.size == 0) return 0;
    return weir_error_set(error, WEIR_INVALID_RECORD, "a record's %s is NULL, but of %zu bytes",
                          what, bytes.size);
}

static int check_record(const struct weir_record *record, struct weir_error *error)
{
    if (record == NULL) return weir_error_set(error, WEIR_INVALID_ARGUMENT, "the record is NULL");
    int rc = check_bytes(record->key, "key", error);
    if (rc == 0) rc = check_bytes(record->value, "value", error);
    if (rc == 0 && record->headers == NULL && record->header_count > 0) {
        rc = weir_error_set(error, WEIR_INVALID_RECORD,
                            "a record has %zu headers, but they are NULL", record->header_count);
    }
    for (size_t i = 0; i < record->header_count && rc == 0; i++) {
        rc = check_bytes(record->headers[i].value, "header value", error);
        if (rc == 0 && weir_slice_is_null(record->headers[i].key)) {
            rc = weir_error_set(error, WEIR_INVALID_RECORD, "header %zu of a record has no key", i);
        }
    }
    return rc;
}

static bool is_due(const struct weir_producer *producer,
                   const struct weir_producer_partition *partition, struct weir_mono now)
{
    int64_t linger_ms = producer->options.linger_ms;
    weir_assert(partition->open != NULL);
    if (linger_ms == 0) return partition->queue.first == NULL;
    return now.ns >= weir_mono_after_ms(partition->open->opened, linger_ms).ns;
}

/* Seal and send what has lingered long enough. Without linger that is everything, except where a
 * batch is on its way: there the next one goes on filling until the answer comes. */
static void send_due(struct weir_producer *producer)
{
    struct weir_mono now = weir_mono_now(producer->log->env);
    struct weir_mono until = WEIR_MONO_NEVER;
    struct weir_producer_partition *partition = producer->busy;
    for (; partition != NULL; partition = partition->next_busy) {
        if (partition->open == NULL) continue;
        /* After a failure, for want of memory, the batch stays open for the next time. */
        if (is_due(producer, partition, now) &&
            weir_producer_seal(producer, partition, NULL) == 0) {
            continue;
        }
        struct weir_mono due =
            weir_mono_after_ms(partition->open->opened, producer->options.linger_ms);
        if (due.ns < until.ns) until = due;
    }
    producer->linger_until = until;
    weir_producer_pump_all(producer);
}

static int send_checked(struct weir_producer *producer, struct weir_producer_topic *topic,
                        int32_t partition_index, const struct weir_record *record,
                        void *record_context, struct weir_error *error)
{
    struct weir_record stamped = *record;
    if (stamped.timestamp_ms == -1) stamped.timestamp_ms = weir_wall_now(producer->log->env).ms;
    int rc = WEIR_END;
    while (rc == WEIR_END) {
        struct weir_producer_partition *partition = NULL;
        rc = find_partition(producer, topic, partition_index, record->key, &partition, error);
        if (rc < 0) return rc;
        rc = weir_producer_add(producer, partition, &stamped, record_context, error);
    }
    return rc;
}

static int send_record(struct weir_producer *producer, const char *topic, int32_t partition,
                       const struct weir_record *record, void *record_context,
                       struct weir_error *error)
{
    struct weir_producer_topic *found = NULL;
    int rc = check_record(record, error);
    if (rc == 0) rc = find_topic(producer, topic, &found, error);
    if (rc < 0) return rc;
    if (partition < -1) {
        return weir_partition_check(topic, partition, found->partition_count, error);
    }
    rc = send_checked(producer, found, partition, record, record_context, error);
    if (rc == 0 && producer->options.linger_ms > 0 &&
        weir_mono_now(producer->log->env).ns >= producer->linger_until.ns) {
        send_due(producer);
    }
    return rc;
}

int weir_producer_send(struct weir_producer *producer, const char *topic, int32_t partition,
                       const struct weir_record *record, void *record_context,
                       struct weir_error *error)
{
    weir_error_clear(error);
    int rc = enter(producer, "weir_producer_send", error);
    if (rc < 0) return rc;
    return leave(producer, send_record(producer, topic, partition, record, record_context, error));
}

int weir_producer_poll(struct weir_producer *producer)
{
    int rc = enter(producer, "weir_producer_poll", NULL);
    if (rc < 0) return rc;
    weir_producer_take_answers(producer);
    send_due(producer);
    rc = weir_producer_deliver(producer);
    weir_producer_check(producer);
    return leave(producer, rc);
}

static int flush(struct weir_producer *producer, struct weir_error *error)
{
    int rc = weir_log_may_wait(producer->log, "weir_producer_flush", error);
    if (rc < 0) return rc;
    if (producer->is_delivering) {
        return weir_error_set(error, WEIR_WRONG_THREAD,
                              "weir_producer_flush inside on_delivery: return, and flush then");
    }
    struct weir_producer_partition *partition = producer->busy;
    for (; partition != NULL && rc == 0; partition = partition->next_busy) {
        rc = weir_producer_seal(producer, partition, error);
    }
    if (rc < 0) {
        weir_producer_pump_all(producer); /* what was sealed goes, the rest waits for another try */
        return rc;
    }
    rc = await_all(producer, error);
    if (rc < 0) return rc;
    (void)weir_producer_deliver(producer);
    return take_failure(producer, error);
}

int weir_producer_flush(struct weir_producer *producer, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = enter(producer, "weir_producer_flush", error);
    if (rc < 0) return rc;
    rc = flush(producer, error);
    if (rc != WEIR_CRASHED) weir_producer_check(producer);
    return leave(producer, rc);
}

int weir_produce(struct weir_log *log, const char *topic, struct weir_slice key,
                 struct weir_slice value, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = weir_log_check(log, "weir_produce", error);
    if (rc == 0) rc = weir_log_may_wait(log, "weir_produce", error);
    if (rc < 0) return rc;
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT};
    options.batch_size = BATCH_SIZE_MIN;
    options.disable_idempotence = true; /* one record: no order to keep, and no id to use up */
    struct weir_producer *producer = weir_producer_new(log, &options, error);
    if (producer == NULL) return WEIR_NO_MEMORY;

    struct weir_record record = {.key = key, .value = value, .timestamp_ms = -1};
    rc = weir_producer_send(producer, topic, -1, &record, NULL, error);
    if (rc == WEIR_CRASHED) return rc;
    int closed = weir_producer_close(producer, rc < 0 ? NULL : error);
    return rc < 0 ? rc : closed;
}
