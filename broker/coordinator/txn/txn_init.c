#include "base/error.h"
#include "broker/coordinator/txn/txn_internal.h"

/*
 * A producer begins, or asks for its epoch to be raised. Whoever says what it has (`expected`) must be the newest one:
 *
 *   has        the epoch now       the next epoch; asked again with what it had it is given the same
 *              the epoch before    what it was given then: its answer was lost
 *              another             fenced
 *
 * Whoever says nothing is the newest from now on, and those before it are shut out.
 */

static bool has_expected(const struct weir_init_transactions_request *init)
{
    return init->base.producer_id >= 0;
}

static int check_timeout(const struct weir_init_transactions_request *init,
                         const struct weir_txn_settings *settings, struct weir_error *error)
{
    if (init->timeout_ms > 0 && init->timeout_ms <= settings->timeout_max_ms) return 0;
    return weir_error_set(error, WEIR_INVALID_TRANSACTION_TIMEOUT,
                          "a transaction timeout of %d ms; 1 to %d are allowed "
                          "(transaction.max.timeout.ms)",
                          init->timeout_ms, settings->timeout_max_ms);
}

/* The id is ours, or the one before ours whose epochs were used up: then the answer with ours was lost. */
static bool may_be_ours(const struct weir_txn *txn,
                        const struct weir_init_transactions_request *init)
{
    if (!has_expected(init) || init->base.producer_id == txn->producer_id) return true;
    return init->base.producer_id == txn->previous_producer_id &&
           weir_txn_is_exhausted(init->base.producer_epoch);
}

static int answer(struct weir_init_transactions_request *init, const struct weir_txn *next,
                  struct weir_txn_update *update)
{
    init->producer_id = next->producer_id;
    init->producer_epoch = next->producer_epoch;
    return weir_txn_write(update, next);
}

static int begin_id(struct weir_slice id, const struct weir_txn_event *event,
                    struct weir_txn_update *update)
{
    struct weir_txn next = {
        .transactional_id = id,
        .state = WEIR_TRANSACTION_EMPTY,
        .producer_id = event->new_producer_id,
        .previous_producer_id = -1,
        .next_producer_id = -1,
        .last_producer_epoch = -1,
        .timeout_ms = event->init->timeout_ms,
        .start_ms = -1,
        .update_ms = event->wall_ms,
    };
    if (event->new_producer_id < 0) {
        update->wants_producer_id = true;
        return 0;
    }
    return answer(event->init, &next, update);
}

static int begin_again(const struct weir_txn *txn, const struct weir_txn_event *event,
                       struct weir_txn_update *update, struct weir_error *error)
{
    struct weir_init_transactions_request *init = event->init;
    int16_t epoch = txn->producer_epoch;
    int16_t expected = init->base.producer_epoch;
    bool has = has_expected(init);
    bool is_current = !has || expected == epoch;
    bool is_repeated = has && !is_current && expected == txn->last_producer_epoch;
    if (!is_current && !is_repeated) return weir_txn_refuse_epoch(txn, expected, error);
    bool wants_id = is_current && weir_txn_is_exhausted(epoch);
    if (wants_id && event->new_producer_id < 0) {
        update->wants_producer_id = true;
        return 0;
    }
    struct weir_txn next = weir_txn_begin_next(txn, event);
    weir_txn_move(&next, WEIR_TRANSACTION_EMPTY);
    next.timeout_ms = init->timeout_ms;
    next.start_ms = -1;
    if (is_current) {
        next.producer_id = wants_id ? event->new_producer_id : txn->producer_id;
        next.producer_epoch = wants_id ? 0 : (int16_t)(epoch + 1);
        next.last_producer_epoch = has ? epoch : -1;
    }
    return answer(init, &next, update);
}

/* Its owner hears of its end by asking again. */
static int fence(const struct weir_txn *txn, const struct weir_txn_event *event,
                 struct weir_txn_update *update, struct weir_error *error)
{
    const struct weir_init_transactions_request *init = event->init;
    bool is_owner = !has_expected(init) || init->base.producer_epoch == txn->producer_epoch;
    if (!is_owner) return weir_txn_refuse_epoch(txn, init->base.producer_epoch, error);
    int rc = weir_txn_fence(txn, event, update);
    return rc == 0 && update->writes ? weir_txn_refuse_concurrent(txn, error) : rc;
}

int weir_txn_init_producer(const struct weir_txn *txn, struct weir_slice id,
                           const struct weir_txn_event *event, struct weir_txn_update *update,
                           struct weir_error *error)
{
    const struct weir_init_transactions_request *init = event->init;
    int rc = check_timeout(init, event->settings, error);
    if (rc < 0) return rc;
    if (txn == NULL) return begin_id(id, event, update);
    if (!may_be_ours(txn, init)) {
        return weir_error_set(
            error, WEIR_PRODUCER_FENCED,
            "transactional id '%.*s' has another producer id than %lld now: a newer "
            "producer uses it",
            WEIR_TXN_SHOWN(id), (long long)init->base.producer_id);
    }
    if (weir_txn_is_prepared(txn)) return weir_txn_refuse_concurrent(txn, error);
    return weir_txn_is_idle(txn) ? begin_again(txn, event, update, error)
                                 : fence(txn, event, update, error);
}
