/** Who is inside, what holds between the fields, and what the other parts know of a transaction. */
#include "client/producer_internal.h"

#include "base/assert.h"
#include "base/error.h"

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

int weir_producer_enter(struct weir_producer *producer, const char *call, struct weir_error *error)
{
    if (producer != NULL && producer->magic == WEIR_PRODUCER_MAGIC) {
        return weir_access_acquire(&producer->access, "producer", call, error);
    }
    return weir_error_set(error, WEIR_INVALID_ARGUMENT, "%s: the producer is %s", call,
                          producer == NULL ? "NULL" : "closed, or not a producer");
}

int weir_producer_leave(struct weir_producer *producer, int rc)
{
    if (rc != WEIR_CRASHED) weir_access_release(&producer->access);
    return rc;
}

/* ---- transactions ---------------------------------------------------------------------------- */

void weir_producer_note_failure(struct weir_producer *producer, int rc,
                                const struct weir_error *why)
{
    if (!producer->is_transactional) return;
    const struct weir_transaction_event event = {WEIR_TRANSACTION_FAILED, rc, why};
    (void)weir_producer_transaction_step(&producer->transaction, &event, NULL);
}

int weir_producer_check_send(struct weir_producer *producer, struct weir_error *error)
{
    if (!producer->is_transactional) return 0;
    const struct weir_transaction_event event = {.type = WEIR_TRANSACTION_SEND};
    return weir_producer_transaction_step(&producer->transaction, &event, error);
}

void weir_producer_renew(struct weir_producer *producer, struct weir_producer_partition *partition)
{
    struct weir_producer_update update;
    if (partition->transaction_number == producer->transaction_number) return;
    weir_assert(producer->is_transactional);
    partition->transaction_number = producer->transaction_number;
    weir_producer_step(&partition->queue,
                       &(struct weir_producer_event){.type = WEIR_PRODUCER_RENEWED,
                                                     .epoch = producer->producer_epoch},
                       &update);
}
