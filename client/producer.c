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
    TRANSACTION_TIMEOUT_DEFAULT_MS = 60000,
};

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

/* Exactly once needs all of it; the rest has its range. */
static int check_transactional(struct weir_producer *producer, struct weir_error *error)
{
    struct weir_producer_options *options = &producer->options;
    const char *id = options->transactional_id;
    if (id == NULL) return 0;
    if (id[0] == '\0' || strlen(id) > INT16_MAX) {
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              "transactional_id has %zu bytes: 1 to %d, or NULL for none",
                              strlen(id), INT16_MAX);
    }
    if (options->disable_idempotence || producer->acks != WEIR_ACKS_ALL) {
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              "transactional_id '%.200s' wants acks all (0) and idempotence", id);
    }
    if (options->transaction_timeout_ms < 0 || options->transaction_timeout_ms > INT32_MAX) {
        return weir_error_set(error, WEIR_INVALID_CONFIG, "transaction_timeout_ms is %lld: 0 to %d",
                              (long long)options->transaction_timeout_ms, INT32_MAX);
    }
    if (options->transaction_timeout_ms == 0) {
        options->transaction_timeout_ms = TRANSACTION_TIMEOUT_DEFAULT_MS;
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
    if (producer->is_transactional) weir_free((void *)producer->options.transactional_id);
    weir_assert(producer->memory_used == 0);
    producer->magic = 0;
    weir_free(producer);
}

static int begin_transactional(struct weir_producer *producer, struct weir_error *error)
{
    const char *id = producer->options.transactional_id;
    if (id == NULL) return 0;
    producer->options.transactional_id = weir_alloc_text(&producer->log->budget, id, strlen(id));
    if (producer->options.transactional_id == NULL) {
        return weir_error_set(error, WEIR_NO_MEMORY, "out of memory");
    }
    producer->is_transactional = true;
    producer->transaction.id = producer->options.transactional_id;
    return weir_producer_init_transactions(producer, error);
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
    if (rc == 0) rc = check_transactional(&taken, error);
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
    rc = begin_transactional(producer, error);
    if (rc == WEIR_CRASHED) return NULL;
    if (rc < 0) {
        free_producer(producer);
        (void)weir_error_wrap(error, rc, "new producer");
        return NULL;
    }
    atomic_fetch_add(&log->producer_count, 1);
    return producer;
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

int weir_producer_close(struct weir_producer *producer, struct weir_error *error)
{
    if (producer == NULL) return 0;
    int rc = weir_producer_enter(producer, "weir_producer_close", error);
    if (rc < 0) return rc;
    rc = weir_producer_may_wait(producer, "weir_producer_close", error);
    if (rc < 0) return weir_producer_leave(producer, rc);
    int ended = weir_producer_end_for_close(producer, error);
    if (ended == WEIR_CRASHED) return ended;

    do { /* a delivery may send once more */
        struct weir_producer_partition *partition = producer->busy;
        for (; partition != NULL; partition = partition->next_busy) {
            (void)weir_producer_seal(producer, partition, NULL);
        }
        fail_open(producer);
        rc = weir_producer_await_all(producer, error);
        if (rc < 0) return rc; /* the environment is gone, and our memory with it */
        (void)weir_producer_deliver(producer);
    } while (producer->busy != NULL);
    rc = ended < 0 ? ended : weir_producer_take_failure(producer, error);
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
    topic->is_compacted = facts.is_compacted;
    topic->is_stale = false;
    return 0;
}

/* Before the first record of all. */
static int init_producer_id(struct weir_producer *producer, struct weir_error *error)
{
    if (!producer->is_idempotent || producer->producer_id != WEIR_NO_PRODUCER_ID) return 0;
    weir_assert(!producer->is_transactional); /* that one has its id from the beginning */
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
        .is_transactional = producer->is_transactional,
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

/* Compaction drops what has no key, since nothing could replace it. Before a record is refused the log is asked once more:
 * the topic may have been altered since. */
static int check_key(struct weir_producer *producer, struct weir_producer_topic *topic,
                     const struct weir_record *record, struct weir_error *error)
{
    if (!topic->is_compacted || !weir_slice_is_null(record->key)) return 0;
    int rc = refresh_topic(producer, topic, error);
    if (rc < 0) return rc;
    if (!topic->is_compacted) return 0;
    return weir_error_set(error, WEIR_INVALID_RECORD,
                          "a record without a key: topic '%s' is compacted, which needs one in "
                          "every record",
                          topic->name);
}

static int send_record(struct weir_producer *producer, const char *topic, int32_t partition,
                       const struct weir_record *record, void *record_context,
                       struct weir_error *error)
{
    struct weir_producer_topic *found = NULL;
    int rc = check_record(record, error);
    if (rc == 0) rc = weir_producer_check_send(producer, error);
    if (rc == 0) rc = find_topic(producer, topic, &found, error);
    if (rc < 0) return rc;
    if (partition < -1) {
        return weir_partition_check(topic, partition, found->partition_count, error);
    }
    rc = check_key(producer, found, record, error);
    if (rc < 0) return rc;
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
    int rc = weir_producer_enter(producer, "weir_producer_send", error);
    if (rc < 0) return rc;
    return weir_producer_leave(
        producer, send_record(producer, topic, partition, record, record_context, error));
}

int weir_producer_poll(struct weir_producer *producer)
{
    int rc = weir_producer_enter(producer, "weir_producer_poll", NULL);
    if (rc < 0) return rc;
    weir_producer_take_answers(producer);
    send_due(producer);
    rc = weir_producer_deliver(producer);
    weir_producer_check(producer);
    return weir_producer_leave(producer, rc);
}

int weir_producer_flush(struct weir_producer *producer, struct weir_error *error)
{
    weir_error_clear(error);
    int rc = weir_producer_enter(producer, "weir_producer_flush", error);
    if (rc < 0) return rc;
    rc = weir_producer_may_wait(producer, "weir_producer_flush", error);
    if (rc == 0) rc = weir_producer_flush_all(producer, error);
    if (rc != WEIR_CRASHED) weir_producer_check(producer);
    return weir_producer_leave(producer, rc);
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
