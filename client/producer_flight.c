/** Batches on their way into the log and back: what producer_step.h says is done here. */
#include "client/producer_internal.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"

enum {
    /* Where a batch carries what a producer numbers, and the crc over it (wire/record_batch.h). */
    CRC_AT = 17,
    EPOCH_AT = 51,
    SEQUENCE_AT = 53,
};

/* ---- fate ------------------------------------------------------------------------------------ */

static struct weir_producer_batch *batch_of(struct weir_queued_batch *queued)
{
    const size_t at = offsetof(struct weir_producer_batch, queued);
    return (struct weir_producer_batch *)(void *)((char *)queued - at);
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
    weir_assert(batch->queued.state == WEIR_BATCH_DONE);
    weir_producer_drop_bytes(producer, batch);
    weir_producer_batch_check(batch);
    batch->produce.request.rc = rc;
    if (rc < 0) {
        keep_failure(producer, batch, rc, error);
        batch->partition->topic->is_stale = true;
        weir_producer_note_failure(producer, rc, error);
    }
    if (producer->options.on_delivery == NULL) {
        producer->done_silently += batch->queued.record_count;
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
    weir_assert(batch->queued.state == WEIR_BATCH_IN_FLIGHT);
    weir_producer_batch_check(batch);
    batch->produce = (struct weir_produce_request){
        .request = {.done = on_answered},
        .to = {.topic = weir_text(partition->topic->name), .partition = partition->index},
        .batches = batch->bytes,
        .acks = producer->acks,
    };
    if (producer->is_transactional) {
        batch->produce.transactional_id = weir_text(producer->options.transactional_id);
        batch->produce.is_transaction_version_2 = true;
    }
    weir_log_produce(producer->log, &batch->produce);
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

static void perform(struct weir_producer *producer, const struct weir_producer_queue *queue,
                    const struct weir_producer_event *event,
                    const struct weir_producer_update *update)
{
    bool is_answer = event->type == WEIR_PRODUCER_ANSWERED;
    struct weir_queued_batch *queued = update->renumbers ? queue->first : NULL;
    for (; queued != NULL; queued = queued->next) {
        renumber(batch_of(queued), queue->epoch, queued->sequence);
    }
    for (size_t i = 0; i < update->submit_count; i++) {
        submit(producer, batch_of(update->submits[i]));
    }
    queued = update->over;
    while (queued != NULL) {
        struct weir_producer_batch *batch = batch_of(queued);
        queued = queued->next;
        weir_assert(producer->unanswered > 0);
        producer->unanswered--;
        weir_producer_settle(producer, batch, update->rc,
                             is_answer ? &batch->produce.request.error : NULL);
    }
}

static void step(struct weir_producer *producer, struct weir_producer_queue *queue,
                 struct weir_producer_event event)
{
    struct weir_producer_update update;
    weir_producer_step(queue, &event, &update);
    perform(producer, queue, &event, &update);
}

static void pump(struct weir_producer *producer, struct weir_producer_partition *partition,
                 struct weir_mono now)
{
    step(producer, &partition->queue,
         (struct weir_producer_event){.type = WEIR_PRODUCER_TURN, .now = now});
}

void weir_producer_pump(struct weir_producer *producer, struct weir_producer_partition *partition)
{
    pump(producer, partition, weir_mono_now(producer->log->env));
}

void weir_producer_pump_all(struct weir_producer *producer)
{
    struct weir_producer_partition **at = &producer->busy;
    struct weir_mono now = weir_mono_now(producer->log->env);
    while (*at != NULL) {
        struct weir_producer_partition *partition = *at;
        weir_assert(partition->is_busy);
        pump(producer, partition, now);
        if (partition->open != NULL || partition->queue.first != NULL) {
            at = &partition->next_busy;
            continue;
        }
        partition->is_busy = false;
        *at = partition->next_busy;
    }
    producer->busy_end = at;
}

/* ---- back ------------------------------------------------------------------------------------ */

/* Each batch that was appended tells whether the topic is compacted now: somebody may have altered it. */
static void note_topic(struct weir_producer_batch *batch)
{
    const struct weir_produce_request *produce = &batch->produce;
    bool is_appended = produce->request.rc == 0 && produce->request.error.code == 0;
    if (is_appended) batch->partition->topic->is_compacted = produce->keys_required;
}

void weir_producer_take_answers(struct weir_producer *producer)
{
    if (atomic_load_explicit(&producer->answered.head, memory_order_relaxed) == NULL) return;
    struct weir_message *message = weir_mailbox_take(&producer->answered);
    struct weir_mono now = weir_mono_now(producer->log->env);
    while (message != NULL) {
        struct weir_message *next = message->next;
        struct weir_producer_batch *batch = (struct weir_producer_batch *)message;
        struct weir_producer_partition *partition = batch->partition;
        note_topic(batch);
        step(producer, &partition->queue,
             (struct weir_producer_event){.type = WEIR_PRODUCER_ANSWERED,
                                          .now = now,
                                          .batch = &batch->queued,
                                          .rc = batch->produce.request.rc});
        pump(producer, partition, now);
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
        struct weir_mono due = weir_producer_queue_due(&partition->queue);
        if (due.ns < first.ns) first = due;
    }
    return first;
}

int weir_producer_await(struct weir_producer *producer, struct weir_error *error)
{
    struct weir_env *env = producer->log->env;
    weir_assert(producer->unanswered > 0);
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
    weir_assert(batch->contexts.size == (size_t)batch->queued.record_count * sizeof(void *));
    bool has_offset = delivery.rc >= 0 && producer->acks != WEIR_ACKS_NONE;
    for (int32_t i = 0; i < batch->queued.record_count; i++) {
        memcpy(&delivery.record_context, batch->contexts.data + (size_t)i * sizeof(void *),
               sizeof(void *));
        delivery.offset = has_offset ? produce->base_offset + i : -1;
        producer->options.on_delivery(producer->options.context, &delivery);
    }
    return batch->queued.record_count;
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
        weir_assert(batch->queued.state == WEIR_BATCH_DONE);
        weir_assert(producer->done_bytes >= batch->contexts.size);
        if (producer->done == NULL) producer->done_end = &producer->done;
        producer->done_bytes -= batch->contexts.size;
        count += deliver_batch(producer, batch);
        weir_producer_free_batch(producer, batch);
    }
    producer->is_delivering = false;
    return count;
}
