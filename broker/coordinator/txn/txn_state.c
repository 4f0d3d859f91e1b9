#include "base/assert.h"
#include "base/bytes.h"
#include "base/state_table.h"
#include "broker/coordinator/txn/txn_internal.h"

#define TO(state) WEIR_STATE_BIT(WEIR_TRANSACTION_##state)
static const struct weir_state_row rows[] = {
    [WEIR_TRANSACTION_EMPTY] = {"Empty", TO(EMPTY) | TO(ONGOING) | TO(PREPARE_ABORT) | TO(DEAD)},
    [WEIR_TRANSACTION_ONGOING] = {"Ongoing", TO(ONGOING) | TO(PREPARE_COMMIT) | TO(PREPARE_ABORT) |
                                                 TO(PREPARE_EPOCH_FENCE)},
    [WEIR_TRANSACTION_PREPARE_COMMIT] = {"PrepareCommit", TO(COMPLETE_COMMIT)},
    [WEIR_TRANSACTION_PREPARE_ABORT] = {"PrepareAbort", TO(COMPLETE_ABORT)},
    [WEIR_TRANSACTION_COMPLETE_COMMIT] = {"CompleteCommit",
                                          TO(EMPTY) | TO(ONGOING) | TO(PREPARE_ABORT) | TO(DEAD)},
    [WEIR_TRANSACTION_COMPLETE_ABORT] = {"CompleteAbort",
                                         TO(EMPTY) | TO(ONGOING) | TO(PREPARE_ABORT) | TO(DEAD)},
    [WEIR_TRANSACTION_DEAD] = {"Dead", 0},
    [WEIR_TRANSACTION_PREPARE_EPOCH_FENCE] = {"PrepareEpochFence", TO(PREPARE_ABORT)},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("transaction", rows);
_Static_assert(sizeof rows / sizeof rows[0] == WEIR_TRANSACTION_STATES, "a row for each state");

bool weir_txn_may_follow(enum weir_transaction_state from, enum weir_transaction_state to)
{
    return weir_state_may_follow(&states, from, to);
}

void weir_txn_move(struct weir_txn *txn, enum weir_transaction_state to)
{
    enum { SHOWN_MAX = 64 };
    char name[SHOWN_MAX + 1] = "";
    size_t size = txn->transactional_id.size;
    weir_copy(name, txn->transactional_id.data, size < SHOWN_MAX ? size : SHOWN_MAX);
    txn->state = (enum weir_transaction_state)weir_state_move(&states, name, txn->state, to);
}

/* ---- what holds of each ---------------------------------------------------------------------- */

const char *weir_txn_fault(const struct weir_txn *txn)
{
    bool is_prepared = weir_txn_is_prepared(txn);
    bool has_partitions = txn->state == WEIR_TRANSACTION_ONGOING || is_prepared;
    int epoch_max = is_prepared && txn->next_producer_id >= 0 ? INT16_MAX : WEIR_TXN_EPOCH_LAST;
    bool is_written = (int)txn->state >= 0 && txn->state <= WEIR_TRANSACTION_COMPLETE_ABORT;
    if (!is_written) return "its state is none that is written";
    if (txn->transactional_id.size == 0) return "its transactional id is empty";
    if (txn->producer_id < 0) return "it has no producer id";
    if (txn->producer_epoch < 0 || txn->producer_epoch > epoch_max) return "its epoch is none";
    if (txn->timeout_ms <= 0) return "its timeout is none";
    if (txn->next_producer_id >= 0 && !is_prepared) return "it has a next producer id";
    if (txn->partition_count > 0 && !has_partitions) return "it has partitions and is not open";
    if (has_partitions && txn->start_ms < 0) return "it is open and has not begun";
    return NULL;
}

static int compare_names(struct weir_slice left, struct weir_slice right)
{
    size_t size = left.size < right.size ? left.size : right.size;
    int order = size > 0 ? memcmp(left.data, right.data, size) : 0;
    if (order != 0) return order;
    return (left.size > right.size) - (left.size < right.size);
}

int weir_txn_compare_partitions(const struct weir_topic_partition *left,
                                const struct weir_topic_partition *right)
{
    int order = compare_names(left->topic, right->topic);
    if (order != 0) return order;
    return (left->partition > right->partition) - (left->partition < right->partition);
}

static bool is_in_order(const struct weir_txn *txn)
{
    for (size_t i = 1; i < txn->partition_count; i++) {
        if (weir_txn_compare_partitions(&txn->partitions[i - 1], &txn->partitions[i]) >= 0)
            return false;
    }
    return true;
}

void weir_txn_check(const struct weir_txn *txn)
{
    weir_assert(weir_txn_fault(txn) == NULL);
    weir_assert(txn->next_producer_id >= -1 && txn->previous_producer_id >= -1);
    weir_assert(txn->last_producer_epoch >= -1);
    weir_assert(txn->partition_count <= WEIR_TXN_PARTITIONS_MAX);
    weir_assert_slow(is_in_order(txn));
}
