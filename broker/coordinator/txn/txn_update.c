#include "base/assert.h"
#include "base/error.h"
#include "broker/coordinator/txn/txn_internal.h"

/* What the events share: how the next record begins, and the words of a refusal. */

struct weir_txn weir_txn_begin_next(const struct weir_txn *txn, const struct weir_txn_event *event)
{
    struct weir_txn next = *txn;
    next.previous_producer_id = txn->producer_id;
    next.update_ms = event->wall_ms;
    return next;
}

int weir_txn_write(struct weir_txn_update *update, const struct weir_txn *next)
{
    weir_assert(!update->wants_producer_id && !update->wants_sync);
    weir_txn_check(next);
    update->writes = true;
    update->next = *next;
    return 0;
}

int weir_txn_refuse_mapping(struct weir_slice id, struct weir_error *error)
{
    return weir_error_set(
        error, WEIR_INVALID_PRODUCER_ID_MAPPING,
        "transactional id '%.*s' has not this producer id: it has another, or was "
        "forgotten (transactional.id.expiration.ms)",
        WEIR_TXN_SHOWN(id));
}

int weir_txn_refuse_epoch(const struct weir_txn *txn, int16_t epoch, struct weir_error *error)
{
    return weir_error_set(
        error, WEIR_PRODUCER_FENCED,
        "transactional id '%.*s' is at producer epoch %d, not %d: a newer producer "
        "uses it, or its transaction took longer than its timeout",
        WEIR_TXN_SHOWN(txn->transactional_id), txn->producer_epoch, epoch);
}

int weir_txn_refuse_concurrent(const struct weir_txn *txn, struct weir_error *error)
{
    return weir_error_set(
        error, WEIR_CONCURRENT_TRANSACTIONS,
        "transactional id '%.*s': the transaction before is still being ended; ask "
        "again",
        WEIR_TXN_SHOWN(txn->transactional_id));
}
