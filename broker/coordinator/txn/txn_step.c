#include "base/assert.h"
#include "base/error.h"
#include "broker/coordinator/txn/txn_internal.h"

/* ---- partitions ------------------------------------------------------------------------------- */

/* Nothing is said of a transaction that is being ended: its producer may have a new id already. */
static int check_producer(const struct weir_txn *txn,
                          const struct weir_transaction_request *request, struct weir_error *error)
{
    if (request->producer_id != txn->producer_id) {
        return weir_txn_refuse_mapping(txn->transactional_id, error);
    }
    if (request->producer_epoch != txn->producer_epoch) {
        return weir_txn_refuse_epoch(txn, request->producer_epoch, error);
    }
    return 0;
}

static size_t count_missing(const struct weir_txn *txn,
                            const struct weir_add_partitions_request *add)
{
    size_t missing = 0;
    for (; add != NULL; add = weir_txn_added_with(add)) {
        for (size_t i = 0; i < add->partition_count; i++) {
            bool is_in = weir_txn_has_partition(txn, &add->partitions[i]);
            if (add->rcs != NULL)
                add->rcs[i] = is_in || !add->is_verify ? 0 : WEIR_TRANSACTION_ABORTABLE;
            missing += !is_in;
        }
        if (add->offsets != NULL) missing += !weir_txn_has_partition(txn, add->offsets);
    }
    return missing;
}

static int verify(const struct weir_txn *txn, const struct weir_add_partitions_request *add,
                  struct weir_error *error)
{
    int rc = check_producer(txn, &add->base, error);
    if (rc < 0) return rc;
    if (weir_txn_is_prepared(txn)) return weir_txn_refuse_concurrent(txn, error);
    if (count_missing(txn, add) == 0 || add->rcs != NULL) return 0;
    return weir_error_set(error, WEIR_TRANSACTION_ABORTABLE,
                          "transactional id '%.*s': the partition was not added to the transaction",
                          WEIR_TXN_SHOWN(txn->transactional_id));
}

static int add_partitions(const struct weir_txn *txn, const struct weir_txn_event *event,
                          struct weir_txn_update *update, struct weir_error *error)
{
    const struct weir_add_partitions_request *add = event->add;
    if (add->is_verify) return verify(txn, add, error);
    if (weir_txn_is_prepared(txn)) return weir_txn_refuse_concurrent(txn, error);
    int rc = check_producer(txn, &add->base, error);
    if (rc < 0) return rc;
    bool is_open = txn->state == WEIR_TRANSACTION_ONGOING;
    if (add->is_renewal && is_open) update->deadline_ms = event->now_ms + txn->timeout_ms;
    if (add->is_renewal || (count_missing(txn, add) == 0 && is_open)) return 0;
    struct weir_txn next = weir_txn_begin_next(txn, event);
    rc = weir_txn_join_partitions(is_open ? txn : NULL, add, &next, update->arena, error);
    if (rc < 0) return rc;
    weir_txn_move(&next, WEIR_TRANSACTION_ONGOING);
    next.client_version = add->base.is_version_2 ? WEIR_TXN_VERSION_2 : 0;
    if (!is_open) {
        next.start_ms = event->wall_ms;
        update->deadline_ms = event->now_ms + next.timeout_ms;
    }
    return weir_txn_write(update, &next);
}

/* ---- times ------------------------------------------------------------------------------------ */

static int time_out(const struct weir_txn *txn, const struct weir_txn_event *event,
                    struct weir_txn_update *update)
{
    bool is_over = txn->state == WEIR_TRANSACTION_ONGOING && event->deadline_ms <= event->now_ms;
    return is_over ? weir_txn_fence(txn, event, update) : 0;
}

static int expire(const struct weir_txn *txn, const struct weir_txn_event *event,
                  struct weir_txn_update *update)
{
    if (!weir_txn_is_expired(txn, event->settings, event->wall_ms)) return 0;
    struct weir_txn next = weir_txn_begin_next(txn, event);
    weir_txn_move(&next, WEIR_TRANSACTION_DEAD);
    update->writes = true;
    update->is_gone = true;
    update->next = next;
    return 0;
}

/* A clock may have jumped while nobody looked, so the transaction's time begins anew. */
static int load(const struct weir_txn *txn, const struct weir_txn_event *event,
                struct weir_txn_update *update)
{
    if (txn->state == WEIR_TRANSACTION_ONGOING) {
        update->deadline_ms = event->now_ms + txn->timeout_ms;
    }
    update->marks = weir_txn_is_prepared(txn);
    return 0;
}

/* ---- the step --------------------------------------------------------------------------------- */

static int step(const struct weir_txn *txn, const struct weir_txn_event *event,
                struct weir_txn_update *update, struct weir_error *error)
{
    switch (event->type) {
    case WEIR_TXN_INIT:
        break; /* is for those too of which nothing is there */
    case WEIR_TXN_ADD_PARTITIONS:
        return add_partitions(txn, event, update, error);
    case WEIR_TXN_END:
        return weir_txn_end(txn, event, update, error);
    case WEIR_TXN_MARKERS_WRITTEN:
        return weir_txn_complete(txn, event, update);
    case WEIR_TXN_TIMEOUT:
        return time_out(txn, event, update);
    case WEIR_TXN_EXPIRE:
        return expire(txn, event, update);
    case WEIR_TXN_LOAD:
        return load(txn, event, update);
    }
    weir_assert(false);
    return 0;
}

/* Of an id of which nothing is there. */
static int step_none(struct weir_slice id, const struct weir_txn_event *event,
                     struct weir_error *error)
{
    bool is_asked = event->type == WEIR_TXN_ADD_PARTITIONS || event->type == WEIR_TXN_END;
    return is_asked ? weir_txn_refuse_mapping(id, error) : 0;
}

int weir_txn_step(const struct weir_txn *txn, struct weir_slice id,
                  const struct weir_txn_event *event, struct weir_txn_update *update,
                  struct weir_error *error)
{
    struct weir_arena *arena = update->arena;
    int rc;
    *update = (struct weir_txn_update){.arena = arena, .deadline_ms = event->deadline_ms};
    if (txn != NULL) weir_txn_check(txn);
    if (event->type == WEIR_TXN_INIT) {
        rc = weir_txn_init_producer(txn, id, event, update, error);
    } else {
        rc = txn != NULL ? step(txn, event, update, error) : step_none(id, event, error);
    }
    if (update->writes && update->next.state != WEIR_TRANSACTION_ONGOING) {
        update->deadline_ms = WEIR_TXN_NEVER_MS;
    }
    return rc;
}
