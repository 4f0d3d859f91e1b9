/** Batches on their way into the log and back: requests, retries, sequences, deliveries. */
#include "client/producer_internal.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"

enum {
    IN_FLIGHT_MAX = 5, /* how many batches of a producer a log remembers */
    RETRY_BACKOFF_MS = 100,
    /* Where a batch carries what a producer numbers, and the crc over it (wire/record_batch.h). */
    CRC_AT = 17,
    EPOCH_AT = 51,
    SEQUENCE_AT = 53,
};

/* ---- fate ------------------------------------------------------------------------------------ */

static void unlink_batch(struct weir_producer_partition *partition,
                         struct weir_producer_batch *batch)
{
    weir_assert(batch->producer->unanswered > 0);
    batch->producer->unanswered--;
    struct weir_producer_batch *before = NULL;
    struct weir_producer_batch **at = &partition->first;
    while (*at != batch) {
        before = *at;
        at = &before->next;
        weir_assert(*at != NULL);
    }
    *at = batch->next;
    if (partition->last == batch) partition->last = before;
    batch->next = NULL;
}

static void keep_failure(struct weir_producer *producer, struct weir_producer_batch *batch, int rc,
                         const struct weir_error *error)
{
    if (producer->failure.code != 0) return;
    if (error != NULL && error->code != 0) {
        producer->failure = *error;
    } else {
        weir_error_set(&producer->failure, (enum weir_code)rc, "%s", weir_code_text(rc));
    }
    (void)weir_error_wrap(&producer->failure, rc, "produce to '%s' partition %d",
                          batch->partition->topic->name, (int)batch->partition->index);
}

void weir_producer_settle(struct weir_producer *producer, struct weir_producer_batch *batch, int rc,
                          const struct weir_error *error)
{
    weir_producer_drop_bytes(producer, batch);
    weir_producer_batch_move(batch, WEIR_BATCH_DONE);
    batch->produce.request.rc = rc;
    if (rc < 0) {
        keep_failure(producer, batch, rc, error);
        batch->partition->topic->is_stale = true;
    }
    if (producer->options.on_delivery == NULL) {
        producer->done_silently += batch->record_count;
        weir_producer_free_batch(producer, batch);
        return;
    }
    producer->done_bytes += batch->contexts.size;
    batch->next = NULL;
    *producer->done_end = batch;
    producer->done_end = &batch->next;
}

/* ---- out ------------------------------------------------------------------------------------- */

/* On the shard's thread. Once pushed, the producer may be gone: nothing of it is touched after. */
static void on_answered(struct weir_request *request)
{
    struct weir_producer_batch *batch = (struct weir_producer_batch *)request;
    struct weir_producer *producer = batch->producer;
    struct weir_env *env = producer->log->env;
    (void)weir_mailbox_push(&producer->answered, &request->message);
    weir_signal(env);
}

static void submit(struct weir_producer *producer, struct weir_producer_batch *batch)
{
    struct weir_producer_partition *partition = batch->partition;
    weir_assert(batch->state == WEIR_BATCH_READY);
    batch->produce = (struct weir_produce_request){
        .request = {.done = on_answered},
        .to = {.topic = weir_text(partition->topic->name), .partition = partition->index},
        .batches = batch->bytes,
        .acks = producer->acks,
    };
    weir_producer_batch_move(batch, WEIR_BATCH_IN_FLIGHT);
    partition->in_flight++;
    weir_log_produce(producer->log, &batch->produce);
}

static int in_flight_max(const struct weir_producer *producer,
                         const struct weir_producer_partition *partition)
{
    if (producer->acks == WEIR_ACKS_NONE) return IN_FLIGHT_MAX; /* nothing is sent twice */
    return producer->is_idempotent && partition->was_accepted ? IN_FLIGHT_MAX : 1;
}

/* New numbers in a batch that the log has refused: epoch and sequence lie under the crc. */
static void renumber(struct weir_producer_batch *batch, int16_t epoch, int32_t sequence)
{
    uint8_t *bytes = batch->bytes->data;
    weir_assert(batch->bytes->size >= WEIR_BATCH_HEADER_SIZE);
    weir_store_u16(bytes + EPOCH_AT, (uint16_t)epoch);
    weir_store_u32(bytes + SEQUENCE_AT, (uint32_t)sequence);
    weir_store_u32(bytes + CRC_AT, weir_crc32c(0, bytes + WEIR_BATCH_CRC_FROM,
                                               batch->bytes->size - WEIR_BATCH_CRC_FROM));
}

/* Close the hole that a failed batch left: a higher epoch starts from sequence 0. What waits here
 * was refused or never sent. */
static void raise_epoch(struct weir_producer_partition *partition)
{
    weir_assert(partition->in_flight == 0);
    weir_assert(partition->epoch < INT16_MAX);
    partition->epoch++;
    partition->next_sequence = 0;
    partition->has_hole = false;
    partition->was_accepted = false;
    for (struct weir_producer_batch *batch = partition->first; batch != NULL; batch = batch->next) {
        renumber(batch, partition->epoch, partition->next_sequence);
        partition->next_sequence = weir_sequence_add(partition->next_sequence, batch->record_count);
    }
}

/* 32767 batches of this partition have failed for good: there is no higher epoch to go on with. */
static void fail_queue(struct weir_producer *producer, struct weir_producer_partition *partition)
{
    while (partition->first != NULL) {
        struct weir_producer_batch *batch = partition->first;
        unlink_batch(partition, batch);
        weir_producer_settle(producer, batch, WEIR_PRODUCER_FENCED, NULL);
    }
}

void weir_producer_pump(struct weir_producer *producer, struct weir_producer_partition *partition)
{
    if (partition->first == NULL && !partition->has_hole) return;
    if (partition->has_hole) {
        if (partition->in_flight > 0) return;
        if (partition->epoch == INT16_MAX) {
            fail_queue(producer, partition);
            return;
        }
        raise_epoch(partition);
    }
    int room = in_flight_max(producer, partition) - partition->in_flight;
    struct weir_producer_batch *batch = partition->first;
    for (; batch != NULL && room > 0; batch = batch->next) {
        if (batch->number - partition->first->number >= IN_FLIGHT_MAX) return;
        if (batch->state == WEIR_BATCH_IN_FLIGHT) continue;
        bool is_retry = batch->retry_at.ns > 0;
        if (is_retry && batch->retry_at.ns > weir_mono_now(producer->log->env).ns) return;
        submit(producer, batch);
        room--;
    }
}

void weir_producer_pump_all(struct weir_producer *producer)
{
    struct weir_producer_partition **at = &producer->busy;
    while (*at != NULL) {
        struct weir_producer_partition *partition = *at;
        weir_producer_pump(producer, partition);
        if (partition->open != NULL || partition->first != NULL) {
            at = &partition->next_busy;
            continue;
        }
        partition->is_busy = false;
        *at = partition->next_busy;
    }
    producer->busy_end = at;
}

/* ---- back ------------------------------------------------------------------------------------ */

/* Again with the same sequence? A batch behind one that was refused is out of order itself, and its
 * turn comes when that one's fate is known. */
static bool may_retry(const struct weir_producer *producer, const struct weir_producer_batch *batch,
                      int rc, struct weir_mono now)
{
    const struct weir_producer_partition *partition = batch->partition;
    if (producer->acks == WEIR_ACKS_NONE || now.ns >= batch->expires.ns) return false;
    if (weir_code_action(rc) == WEIR_ACTION_RETRY) return true;
    return rc == WEIR_OUT_OF_ORDER_SEQUENCE && (partition->first != batch || partition->has_hole);
}

static void take_answer(struct weir_producer *producer, struct weir_producer_batch *batch)
{
    struct weir_producer_partition *partition = batch->partition;
    int rc = batch->produce.request.rc;
    weir_assert(batch->state == WEIR_BATCH_IN_FLIGHT);
    weir_assert(partition->in_flight > 0);
    partition->in_flight--;
    if (rc < 0) {
        struct weir_mono now = weir_mono_now(producer->log->env);
        if (may_retry(producer, batch, rc, now)) {
            weir_producer_batch_move(batch, WEIR_BATCH_READY);
            bool waits = weir_code_action(rc) == WEIR_ACTION_RETRY;
            batch->retry_at = waits ? weir_mono_after_ms(now, RETRY_BACKOFF_MS) : now;
            return;
        }
        if (producer->is_idempotent) partition->has_hole = true;
    } else {
        partition->was_accepted = true;
    }
    unlink_batch(partition, batch);
    weir_producer_settle(producer, batch, rc, &batch->produce.request.error);
}

void weir_producer_take_answers(struct weir_producer *producer)
{
    if (atomic_load_explicit(&producer->answered.head, memory_order_relaxed) == NULL) return;
    struct weir_message *message = weir_mailbox_take(&producer->answered);
    while (message != NULL) {
        struct weir_message *next = message->next;
        struct weir_producer_batch *batch = (struct weir_producer_batch *)message;
        struct weir_producer_partition *partition = batch->partition;
        take_answer(producer, batch);
        weir_producer_pump(producer, partition);
        message = next;
    }
}

static bool has_answers(void *context)
{
    struct weir_producer *producer = context;
    return atomic_load_explicit(&producer->answered.head, memory_order_acquire) != NULL;
}

/* When the first batch that waits for its retry may go. */
static struct weir_mono next_retry(const struct weir_producer *producer)
{
    struct weir_mono first = WEIR_MONO_NEVER;
    const struct weir_producer_partition *partition = producer->busy;
    for (; partition != NULL; partition = partition->next_busy) {
        const struct weir_producer_batch *batch = partition->first;
        /* With something in flight its answer comes first, and moves the queue by itself. */
        if (batch == NULL || partition->in_flight > 0) continue;
        if (batch->retry_at.ns < first.ns) first = batch->retry_at;
    }
    return first;
}

int weir_producer_await(struct weir_producer *producer, struct weir_error *error)
{
    struct weir_env *env = producer->log->env;
    struct weir_mono retry = next_retry(producer);
    int rc = weir_wait(env, has_answers, producer, retry);
    if (rc < 0 && (rc != WEIR_TIMED_OUT || retry.ns == INT64_MAX)) {
        return weir_error_set(error, (enum weir_code)rc, "wait for acknowledgements: %s",
                              weir_code_text(rc));
    }
    weir_producer_take_answers(producer);
    weir_producer_pump_all(producer);
    return 0;
}

/* ---- deliveries ------------------------------------------------------------------------------ */

static int deliver_batch(struct weir_producer *producer, struct weir_producer_batch *batch)
{
    const struct weir_produce_request *produce = &batch->produce;
    struct weir_delivery delivery = {
        .rc = produce->request.rc,
        .topic = batch->partition->topic->name,
        .partition = batch->partition->index,
    };
    bool has_offset = delivery.rc >= 0 && producer->acks != WEIR_ACKS_NONE;
    for (int32_t i = 0; i < batch->record_count; i++) {
        memcpy(&delivery.record_context, batch->contexts.data + (size_t)i * sizeof(void *),
               sizeof(void *));
        delivery.offset = has_offset ? produce->base_offset + i : -1;
        producer->options.on_delivery(producer->options.context, &delivery);
    }
    return batch->record_count;
}

int weir_producer_deliver(struct weir_producer *producer)
{
    int count = producer->done_silently;
    producer->done_silently = 0;
    if (producer->is_delivering) return count; /* called by on_delivery: it gets its turn */
    producer->is_delivering = true;
    while (producer->done != NULL) {
        struct weir_producer_batch *batch = producer->done;
        producer->done = batch->next;
        if (producer->done == NULL) producer->done_end = &producer->done;
        producer->done_bytes -= batch->contexts.size;
        count += deliver_batch(producer, batch);
        weir_producer_free_batch(producer, batch);
    }
    producer->is_delivering = false;
    return count;
}
