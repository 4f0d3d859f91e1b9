/**
 * The memory of batches. Buffers come back through a pool; the log may hold one for a while, so a buffer
 * is taken only if nobody else refers to it.
 */
#include "client/producer_internal.h"

#include "base/assert.h"

enum { POOL_TRIES = 4 };

void weir_producer_batch_check(const struct weir_producer_batch *batch)
{
    const enum weir_producer_batch_state state = batch->queued.state;
    const bool is_free = state == WEIR_BATCH_FREE;
    const bool is_open = state == WEIR_BATCH_OPEN;
    const bool is_queued = state == WEIR_BATCH_READY || state == WEIR_BATCH_IN_FLIGHT;
    weir_assert(batch->producer != NULL);
    weir_assert((batch->bytes != NULL) == (is_open || is_queued));
    weir_assert((batch->charged > 0) == (is_open || is_queued));
    weir_assert(is_free || batch->partition != NULL);
    weir_assert(!is_open || batch->partition->open == batch);
    weir_assert(!is_queued || batch->bytes->size > 0);
    weir_assert(!is_queued || batch->queued.record_count > 0);
    weir_assert(!is_free || batch->contexts.size == 0);
    weir_assert(batch->contexts.size % sizeof(void *) == 0);
}

static void pool_push(struct weir_producer *producer, struct weir_shared *bytes)
{
    weir_assert(producer->pool_count < producer->pool_max);
    weir_assert(bytes->capacity == producer->options.batch_size);
    size_t at = (producer->pool_start + producer->pool_count) % WEIR_PRODUCER_POOL_MAX;
    producer->pool[at] = bytes;
    producer->pool_count++;
}

static struct weir_shared *pool_pop(struct weir_producer *producer)
{
    weir_assert(producer->pool_count > 0);
    struct weir_shared *bytes = producer->pool[producer->pool_start];
    producer->pool_start = (producer->pool_start + 1) % WEIR_PRODUCER_POOL_MAX;
    producer->pool_count--;
    return bytes;
}

static void give_buffer(struct weir_producer *producer, struct weir_shared *bytes)
{
    if (bytes == NULL) return;
    if (bytes->capacity != producer->options.batch_size) {
        weir_shared_unref(bytes);
        return;
    }
    if (producer->pool_count == producer->pool_max) weir_shared_unref(pool_pop(producer));
    pool_push(producer, bytes);
}

struct weir_shared *weir_producer_take_buffer(struct weir_producer *producer, size_t capacity)
{
    weir_assert(capacity >= producer->options.batch_size);
    if (capacity == producer->options.batch_size) {
        for (int i = 0; i < POOL_TRIES && producer->pool_count > 0; i++) {
            struct weir_shared *bytes = pool_pop(producer);
            if (atomic_load_explicit(&bytes->references, memory_order_acquire) == 1) return bytes;
            pool_push(producer, bytes); /* a reader or the log still looks at it */
        }
    }
    return weir_shared_new(&producer->log->budget, capacity);
}

void weir_producer_drop_bytes(struct weir_producer *producer, struct weir_producer_batch *batch)
{
    give_buffer(producer, batch->bytes);
    batch->bytes = NULL;
    weir_assert(producer->memory_used >= batch->charged);
    producer->memory_used -= batch->charged;
    batch->charged = 0;
}

struct weir_producer_batch *weir_producer_take_batch(struct weir_producer *producer)
{
    struct weir_producer_batch *batch = producer->free_batches;
    if (batch != NULL) {
        producer->free_batches = batch->next;
        weir_assert(batch->queued.state == WEIR_BATCH_FREE);
        weir_producer_batch_check(batch);
        return batch;
    }
    batch = weir_alloc_zero(&producer->log->budget, sizeof *batch);
    if (batch == NULL) return NULL;
    weir_buffer_init(&batch->contexts, &producer->log->budget, 0);
    batch->producer = producer;
    return batch;
}

void weir_producer_give_back(struct weir_producer *producer, struct weir_producer_batch *batch)
{
    weir_assert(batch->queued.state == WEIR_BATCH_FREE);
    weir_producer_batch_check(batch);
    batch->next = producer->free_batches;
    producer->free_batches = batch;
}

void weir_producer_free_batch(struct weir_producer *producer, struct weir_producer_batch *batch)
{
    weir_assert(batch->bytes == NULL && batch->charged == 0);
    weir_buffer_reset(&batch->contexts);
    weir_producer_batch_move(&batch->queued, batch->partition->queue.topic, WEIR_BATCH_FREE);
    weir_producer_give_back(producer, batch);
}
