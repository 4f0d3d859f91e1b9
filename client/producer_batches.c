/**
 * From records to batches.
 *
 * A record is encoded straight into the shared buffer that the log writes: an open batch owns one
 * of `batch_size` bytes and lends it to the partition's builder. When the batch is sealed the
 * buffer goes to the log as it is, unless less than half of it was used (or it was compressed):
 * then the bytes move to a buffer of their size, so that a log that keeps them for its readers
 * doesn't keep empty space, and the big one fills the next batch (producer_buffers.c).
 */
#include "client/producer_internal.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"

enum {
    /* More than a record's or a header's lengths and deltas can take. */
    RECORD_OVERHEAD_MAX = 64,
    HEADER_OVERHEAD_MAX = 16,
};

/* ---- the open batch -------------------------------------------------------------------------- */

static void mark_busy(struct weir_producer *producer, struct weir_producer_partition *partition)
{
    weir_assert(*producer->busy_end == NULL);
    if (partition->is_busy) return;
    partition->is_busy = true;
    partition->next_busy = NULL;
    *producer->busy_end = partition;
    producer->busy_end = &partition->next_busy;
}

/* ---- room ------------------------------------------------------------------------------------ */

static int seal_all(struct weir_producer *producer, struct weir_error *error)
{
    int rc = 0;
    struct weir_producer_partition *partition = producer->busy;
    for (; partition != NULL && rc == 0; partition = partition->next_busy) {
        rc = weir_producer_seal(producer, partition, error);
    }
    return rc;
}

static bool has_room(const struct weir_producer *producer, size_t size)
{
    return producer->memory_used + size <= producer->options.buffer_memory;
}

static int refuse_to_wait(const struct weir_producer *producer, struct weir_error *error)
{
    return weir_error_set(error, WEIR_LIMIT,
                          "buffer_memory of %zu bytes is full of unacknowledged records, and this "
                          "thread may not wait: send again after weir_producer_poll",
                          producer->options.buffer_memory);
}

/* buffer_memory is full. Answers give room back; only where none is to come are the open batches
 * sent as they are. (Sealing them each time cuts a stream over several partitions into batches of a
 * record or two: measured: some fifty times slower.) */
static int wait_for_room(struct weir_producer *producer, size_t size, struct weir_error *error)
{
    weir_producer_take_answers(producer);
    while (!has_room(producer, size)) {
        int rc = producer->unanswered == 0 ? seal_all(producer, error) : 0;
        if (rc < 0) return rc;
        weir_producer_pump_all(producer);
        if (has_room(producer, size)) return 0; /* half-empty batches shrink when they are sealed */
        if (producer->unanswered == 0) continue; /* what waited has failed, at the last epoch */
        if (producer->is_delivering || !weir_may_block(producer->log->env)) {
            return refuse_to_wait(producer, error);
        }
        rc = weir_producer_await(producer, error);
        if (rc < 0) return rc;
    }
    return 0;
}

static int check_deliveries(const struct weir_producer *producer, struct weir_error *error)
{
    if (producer->done_bytes <= producer->options.buffer_memory) return 0;
    return weir_error_set(error, WEIR_LIMIT,
                          "too many deliveries wait to be run: call weir_producer_poll");
}

/* ---- open batches ---------------------------------------------------------------------------- */

/* Lend the buffer to the builder, up to what the topic takes in one batch, but room for one record
 * (`alone` bytes). It can't grow: a record that doesn't fit is refused with WEIR_NO_MEMORY, which
 * says that the batch is full. */
static void lend(struct weir_producer_partition *partition, struct weir_shared *bytes, size_t alone)
{
    struct weir_batch_builder *builder = &partition->builder;
    weir_assert(builder->plain.data == NULL); /* one loan at a time */
    weir_assert(alone <= bytes->capacity);
    size_t capacity = bytes->capacity;
    int64_t size_max = partition->topic->max_message_bytes;
    if ((int64_t)capacity > size_max) {
        capacity = (int64_t)alone > size_max ? alone : (size_t)size_max;
    }
    weir_assert(capacity <= bytes->capacity);
    builder->plain.data = bytes->data;
    builder->plain.size = 0;
    builder->plain.capacity = capacity;
    builder->plain.size_max = capacity;
    builder->plain.failed = false;
    builder->record_count = 0;
}

static void end_loan(struct weir_producer_partition *partition)
{
    struct weir_batch_builder *builder = &partition->builder;
    builder->plain = (struct weir_buffer){.budget = builder->plain.budget};
    builder->record_count = 0;
}

/* More than `record` takes alone in a batch; SIZE_MAX if it can't be in any. */
static size_t batch_size_bound(const struct weir_record *record)
{
    size_t size = WEIR_BATCH_HEADER_SIZE + RECORD_OVERHEAD_MAX;
    if (record->key.size > INT32_MAX || record->value.size > INT32_MAX) return SIZE_MAX;
    size += record->key.size + record->value.size;
    for (size_t i = 0; i < record->header_count; i++) {
        const struct weir_header *header = &record->headers[i];
        if (header->key.size > INT32_MAX || header->value.size > INT32_MAX) return SIZE_MAX;
        size += HEADER_OVERHEAD_MAX + header->key.size + header->value.size;
    }
    return size <= INT32_MAX ? size : SIZE_MAX;
}

static int too_large(const struct weir_producer *producer, const struct weir_producer_topic *topic,
                     size_t size, struct weir_error *error)
{
    if (producer->codec == WEIR_CODEC_NONE && (int64_t)size > topic->max_message_bytes) {
        return weir_error_set(error, WEIR_TOO_LARGE,
                              "a record of %zu bytes for topic '%s' is over max.message.bytes=%lld",
                              size, topic->name, (long long)topic->max_message_bytes);
    }
    return weir_error_set(error, WEIR_TOO_LARGE,
                          "a record of %zu bytes for topic '%s' does not fit into buffer_memory of "
                          "%zu bytes",
                          size, topic->name, producer->options.buffer_memory);
}

/* What the record takes at the very least, by which hopeless ones are refused before any copy. */
static int check_size(const struct weir_producer *producer, const struct weir_producer_topic *topic,
                      const struct weir_record *record, size_t bound, struct weir_error *error)
{
    size_t size = record->key.size + record->value.size;
    bool is_over = producer->codec == WEIR_CODEC_NONE && (int64_t)size > topic->max_message_bytes;
    if (bound != SIZE_MAX && !is_over && bound <= producer->options.buffer_memory) return 0;
    return too_large(producer, topic, size, error);
}

static void start_linger(struct weir_producer *producer, struct weir_producer_batch *batch)
{
    if (producer->options.linger_ms == 0) return;
    batch->opened = weir_mono_now(producer->log->env);
    struct weir_mono until = weir_mono_after_ms(batch->opened, producer->options.linger_ms);
    if (until.ns < producer->linger_until.ns) producer->linger_until = until;
}

static int open_batch(struct weir_producer *producer, struct weir_producer_partition *partition,
                      const struct weir_record *record, struct weir_error *error)
{
    struct weir_shared *bytes = NULL;
    struct weir_producer_batch *batch = NULL;
    weir_assert(partition->open == NULL);
    weir_producer_renew(producer, partition);
    size_t alone = batch_size_bound(record);
    size_t size = alone;
    int rc = check_size(producer, partition->topic, record, alone, error);
    if (rc == 0) rc = check_deliveries(producer, error);
    if (rc < 0) return rc;
    if (size < producer->options.batch_size) size = producer->options.batch_size;
    if (!has_room(producer, size)) rc = wait_for_room(producer, size, error);
    if (rc < 0) return rc;

    batch = weir_producer_take_batch(producer);
    bytes = batch != NULL ? weir_producer_take_buffer(producer, size) : NULL;
    if (bytes == NULL) {
        if (batch != NULL) weir_producer_give_back(producer, batch);
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a batch of %zu bytes", size);
    }
    batch->partition = partition;
    weir_producer_batch_move(&batch->queued, partition->queue.topic, WEIR_BATCH_OPEN);
    batch->bytes = bytes;
    batch->charged = bytes->capacity;
    batch->next = NULL;
    start_linger(producer, batch);
    producer->memory_used += batch->charged;
    partition->open = batch;
    lend(partition, bytes, alone);
    mark_busy(producer, partition);
    weir_producer_batch_check(batch);
    return 0;
}

struct weir_producer_batch *weir_producer_take_open(struct weir_producer_partition *partition)
{
    struct weir_producer_batch *batch = partition->open;
    if (batch != NULL) {
        batch->queued.record_count = partition->builder.record_count;
        partition->open = NULL;
        end_loan(partition);
    }
    return batch;
}

static void discard_open(struct weir_producer *producer, struct weir_producer_partition *partition)
{
    struct weir_producer_batch *batch = weir_producer_take_open(partition);
    weir_assert(batch != NULL && batch->queued.record_count <= 1); /* the one that is refused */
    weir_producer_drop_bytes(producer, batch);
    weir_producer_free_batch(producer, batch);
}

/* ---- sealing --------------------------------------------------------------------------------- */

/* Where the finished batch stays: in the buffer it was built in, or in one of its own size. */
static int settle_bytes(struct weir_producer *producer, struct weir_producer_batch *batch,
                        struct weir_slice finished)
{
    weir_assert(batch->queued.state == WEIR_BATCH_OPEN && finished.size > 0);
    bool is_in_place = finished.data == batch->bytes->data;
    if (is_in_place && finished.size * 2 >= batch->bytes->capacity) {
        batch->bytes->size = finished.size;
        return 0;
    }
    struct weir_shared *exact = weir_shared_new(&producer->log->budget, finished.size);
    if (exact == NULL) {
        if (finished.size > batch->bytes->capacity) return WEIR_NO_MEMORY;
        if (!is_in_place) memcpy(batch->bytes->data, finished.data, finished.size);
        batch->bytes->size = finished.size;
        return 0;
    }
    memcpy(exact->data, finished.data, finished.size);
    exact->size = finished.size;
    weir_producer_drop_bytes(producer, batch);
    batch->bytes = exact;
    batch->charged = exact->capacity;
    producer->memory_used += batch->charged;
    return 0;
}

static int finish(struct weir_producer *producer, struct weir_producer_partition *partition)
{
    struct weir_batch_finish numbers = WEIR_BATCH_FINISH_NONE;
    if (producer->is_idempotent) {
        weir_assert(producer->producer_id != WEIR_NO_PRODUCER_ID);
        numbers.producer_id = producer->producer_id;
        numbers.producer_epoch = partition->queue.epoch;
        numbers.base_sequence = partition->queue.next_sequence;
        numbers.is_transactional = producer->is_transactional;
    }
    struct weir_slice finished = {0};
    struct weir_batch_builder *builder = &partition->builder;
    builder->compressed = producer->compressed;
    int rc = weir_batch_builder_finish(builder, &numbers, &finished);
    if (rc == 0) rc = settle_bytes(producer, partition->open, finished);
    producer->compressed = builder->compressed;
    builder->compressed = (struct weir_buffer){0};
    return rc;
}

int weir_producer_seal(struct weir_producer *producer, struct weir_producer_partition *partition,
                       struct weir_error *error)
{
    if (partition->open == NULL) return 0;
    weir_assert(partition->builder.record_count > 0);
    int rc = finish(producer, partition);
    if (rc < 0) {
        return weir_error_set(error, (enum weir_code)rc, "seal a batch for topic '%s': %s",
                              partition->topic->name, weir_code_text(rc));
    }
    struct weir_producer_batch *batch = weir_producer_take_open(partition);
    struct weir_producer_update update;
    weir_producer_step(&partition->queue,
                       &(struct weir_producer_event){.type = WEIR_PRODUCER_SEALED,
                                                     .now = weir_mono_now(producer->log->env),
                                                     .batch = &batch->queued},
                       &update);
    producer->unanswered++;
    weir_producer_batch_check(batch);
    weir_partitioner_batch_sealed(&partition->topic->partitioner, partition->index,
                                  partition->topic->partition_count);
    return 0;
}

/* ---- adding ---------------------------------------------------------------------------------- */

static bool keep_context(struct weir_producer *producer, struct weir_producer_batch *batch,
                         void *record_context)
{
    if (producer->options.on_delivery == NULL) return true;
    weir_buffer_append(&batch->contexts, &record_context, sizeof record_context);
    if (!batch->contexts.failed) return true;
    batch->contexts.failed = false;
    return false;
}

static void forget_context(struct weir_producer_batch *batch)
{
    if (batch->contexts.size > 0) batch->contexts.size -= sizeof(void *);
}

/* Into the open batch. WEIR_END: it is full. */
static int add_to_open(struct weir_producer *producer, struct weir_producer_partition *partition,
                       const struct weir_record *record, void *record_context,
                       struct weir_error *error)
{
    struct weir_batch_builder *builder = &partition->builder;
    struct weir_producer_batch *batch = partition->open;
    weir_assert_slow(batch != NULL && batch->queued.state == WEIR_BATCH_OPEN);
    if (!keep_context(producer, batch, record_context)) {
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a record's delivery");
    }
    int rc = weir_batch_builder_add(builder, record);
    if (rc == 0) return 0;
    forget_context(batch);
    if (rc == WEIR_NO_MEMORY && builder->record_count > 0) return WEIR_END;
    return weir_error_set(error, (enum weir_code)rc, "a record for topic '%s': %s",
                          partition->topic->name, weir_code_text(rc));
}

/* A record alone in its batch is as large as that batch is. */
static int check_first(struct weir_producer *producer, struct weir_producer_partition *partition,
                       struct weir_error *error)
{
    size_t size = weir_batch_builder_size(&partition->builder);
    weir_assert(partition->builder.record_count == 1);
    if (producer->codec != WEIR_CODEC_NONE ||
        (int64_t)size <= partition->topic->max_message_bytes) {
        return 0;
    }
    return too_large(producer, partition->topic, size, error);
}

static int add_first(struct weir_producer *producer, struct weir_producer_partition *partition,
                     const struct weir_record *record, void *record_context,
                     struct weir_error *error)
{
    int rc = open_batch(producer, partition, record, error);
    if (rc < 0) return rc;
    rc = add_to_open(producer, partition, record, record_context, error);
    weir_assert(rc <= 0); /* an empty batch has room for it */
    if (rc == 0) rc = check_first(producer, partition, error);
    if (rc < 0) discard_open(producer, partition);
    return rc;
}

int weir_producer_add(struct weir_producer *producer, struct weir_producer_partition *partition,
                      const struct weir_record *record, void *record_context,
                      struct weir_error *error)
{
    int rc = partition->open != NULL
                 ? add_to_open(producer, partition, record, record_context, error)
                 : add_first(producer, partition, record, record_context, error);
    if (rc < 0) return rc;
    bool is_full = weir_batch_builder_size(&partition->builder) >= producer->options.batch_size;
    if (rc == 0 && !is_full) return 0;

    int sealed = weir_producer_seal(producer, partition, rc == WEIR_END ? error : NULL);
    if (sealed < 0) return rc == WEIR_END ? sealed : 0; /* added; sealing is tried again later */
    weir_producer_take_answers(producer);
    weir_producer_pump(producer, partition);
    return rc;
}
