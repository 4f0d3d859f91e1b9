#include "base/assert.h"
#include "base/error.h"
#include "broker/coordinator/txn/txn_internal.h"

/*
 * How a transaction ends.
 *
 * Version 1: the epoch stays. Asked again, its outcome is confirmed where it is complete.
 *
 * Version 2: the markers carry the next epoch, and the producer goes on with it. What it asks with is then one below
 * (`retry`) where its answer was lost, and the epoch now where it means the next transaction:
 *
 *                        abort                  commit
 *                   retry      now          retry      now
 *   Empty           fenced     aborts       fenced     not in this state
 *   CompleteAbort   repeated   aborts       not…       not in this state
 *   CompleteCommit  not…       aborts       repeated   not in this state
 *   Prepare*        of the same outcome: concurrent; of the other: not in this state; with the epoch now: fenced
 *
 * A retry is of who was given the epoch now by an end of version 2, or was fenced by it. After an end of version 1 it is
 * another producer that has it, from InitProducerId: the one below is its predecessor, and told so. (Kafka takes it for a
 * retry, and gives it the newer producer's epoch.)
 *
 * An abort of nothing is that of a client which does not know whether its first batch has arrived: the epoch that the batch
 * would come with is shut out.
 */

static enum weir_transaction_state prepared(bool is_commit)
{
    return is_commit ? WEIR_TRANSACTION_PREPARE_COMMIT : WEIR_TRANSACTION_PREPARE_ABORT;
}

static int refuse_state(const struct weir_txn *txn, bool is_commit, struct weir_error *error)
{
    return weir_error_set(error, WEIR_INVALID_TXN_STATE,
                          "transactional id '%.*s': there is nothing to %s in state %s",
                          WEIR_TXN_SHOWN(txn->transactional_id), is_commit ? "commit" : "abort",
                          weir_transaction_state_name(txn->state));
}

/* The next epoch; behind the last one, which only markers carry, a new id. */
static bool raise_epoch(struct weir_txn *next, const struct weir_txn_event *event,
                        struct weir_txn_update *update)
{
    if (weir_txn_is_exhausted(next->producer_epoch)) {
        if (event->new_producer_id < 0) {
            update->wants_producer_id = true;
            return false;
        }
        next->next_producer_id = event->new_producer_id;
    }
    weir_assert(next->producer_epoch < INT16_MAX);
    next->producer_epoch++;
    next->client_version = WEIR_TXN_VERSION_2;
    return true;
}

int weir_txn_fence(const struct weir_txn *txn, const struct weir_txn_event *event,
                   struct weir_txn_update *update)
{
    struct weir_txn next = weir_txn_begin_next(txn, event);
    if (!raise_epoch(&next, event, update)) return 0;
    weir_txn_move(&next, WEIR_TRANSACTION_PREPARE_EPOCH_FENCE);
    weir_txn_move(&next, WEIR_TRANSACTION_PREPARE_ABORT);
    next.last_producer_epoch = -1;
    update->marks = true;
    return weir_txn_write(update, &next);
}

int weir_txn_complete(const struct weir_txn *txn, const struct weir_txn_event *event,
                      struct weir_txn_update *update)
{
    struct weir_txn next = weir_txn_begin_next(txn, event);
    bool is_commit = txn->state == WEIR_TRANSACTION_PREPARE_COMMIT;
    weir_txn_move(&next,
                  is_commit ? WEIR_TRANSACTION_COMPLETE_COMMIT : WEIR_TRANSACTION_COMPLETE_ABORT);
    if (txn->next_producer_id >= 0) {
        next.producer_id = txn->next_producer_id;
        next.producer_epoch = 0;
        next.next_producer_id = -1;
    }
    next.partitions = NULL;
    next.partition_count = 0;
    return weir_txn_write(update, &next);
}

/* What the producer goes on with when this is complete. */
static void answer(struct weir_end_transaction_request *end, const struct weir_txn *txn)
{
    bool has_next = txn->next_producer_id >= 0;
    end->next_producer_id = has_next ? txn->next_producer_id : txn->producer_id;
    end->next_producer_epoch = has_next ? 0 : txn->producer_epoch;
}

/* A commit waits for what it covers; what is aborted may as well be lost. */
static int prepare(const struct weir_txn *txn, const struct weir_txn_event *event,
                   struct weir_txn_update *update)
{
    struct weir_end_transaction_request *end = event->end;
    struct weir_txn next = weir_txn_begin_next(txn, event);
    if (end->base.is_version_2 && !raise_epoch(&next, event, update)) return 0;
    if (end->is_commit && txn->partition_count > 0 && !event->is_synced) {
        update->wants_sync = true;
        return 0;
    }
    if (end->base.is_version_2) {
        next.last_producer_epoch = txn->producer_epoch;
    } else {
        next.client_version = 0;
    }
    if (txn->state != WEIR_TRANSACTION_ONGOING) next.start_ms = event->wall_ms;
    weir_txn_move(&next, prepared(end->is_commit));
    answer(end, &next);
    update->marks = true;
    return weir_txn_write(update, &next);
}

static bool is_outcome(const struct weir_txn *txn, bool is_commit)
{
    return is_commit ? txn->state == WEIR_TRANSACTION_COMPLETE_COMMIT
                     : txn->state == WEIR_TRANSACTION_COMPLETE_ABORT;
}

static int end_prepared(const struct weir_txn *txn, bool is_commit, struct weir_error *error)
{
    return txn->state == prepared(is_commit) ? weir_txn_refuse_concurrent(txn, error)
                                             : refuse_state(txn, is_commit, error);
}

static int end_version_1(const struct weir_txn *txn, const struct weir_txn_event *event,
                         struct weir_txn_update *update, struct weir_error *error)
{
    struct weir_end_transaction_request *end = event->end;
    bool is_commit = end->is_commit;
    if (end->base.producer_id != txn->producer_id) {
        return weir_txn_refuse_mapping(txn->transactional_id, error);
    }
    if (end->base.producer_epoch != txn->producer_epoch) {
        return weir_txn_refuse_epoch(txn, end->base.producer_epoch, error);
    }
    if (txn->state == WEIR_TRANSACTION_ONGOING) return prepare(txn, event, update);
    if (weir_txn_is_prepared(txn)) return end_prepared(txn, is_commit, error);
    if (!is_outcome(txn, is_commit)) return refuse_state(txn, is_commit, error);
    answer(end, txn);
    return 0;
}

static int end_version_2(const struct weir_txn *txn, const struct weir_txn_event *event,
                         struct weir_txn_update *update, struct weir_error *error)
{
    struct weir_end_transaction_request *end = event->end;
    int16_t epoch = end->base.producer_epoch;
    bool is_commit = end->is_commit;
    bool is_mine = end->base.producer_id == txn->producer_id;
    bool is_of_the_id_before = end->base.producer_id == txn->previous_producer_id &&
                               epoch == WEIR_TXN_EPOCH_LAST && txn->producer_epoch == 0;
    bool is_complete = txn->state == WEIR_TRANSACTION_COMPLETE_COMMIT ||
                       txn->state == WEIR_TRANSACTION_COMPLETE_ABORT;
    if (!is_mine && !is_of_the_id_before) {
        return weir_txn_refuse_mapping(txn->transactional_id, error);
    }
    bool is_now = is_mine && epoch == txn->producer_epoch;
    bool was_raised = txn->client_version >= WEIR_TXN_VERSION_2;
    bool is_retry =
        was_raised && ((is_mine && epoch + 1 == txn->producer_epoch) || is_of_the_id_before);
    bool is_valid = is_complete                 ? is_now || is_retry
                    : weir_txn_is_prepared(txn) ? is_retry
                                                : is_now;
    if (!is_valid) return weir_txn_refuse_epoch(txn, epoch, error);
    if (weir_txn_is_prepared(txn)) return end_prepared(txn, is_commit, error);
    if (txn->state == WEIR_TRANSACTION_ONGOING) return prepare(txn, event, update);
    if (is_complete && is_retry) {
        if (!is_outcome(txn, is_commit)) return refuse_state(txn, is_commit, error);
        answer(end, txn);
        return 0;
    }
    return is_commit ? refuse_state(txn, is_commit, error) : prepare(txn, event, update);
}

int weir_txn_end(const struct weir_txn *txn, const struct weir_txn_event *event,
                 struct weir_txn_update *update, struct weir_error *error)
{
    return event->end->base.is_version_2 ? end_version_2(txn, event, update, error)
                                         : end_version_1(txn, event, update, error);
}
