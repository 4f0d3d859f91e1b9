#include "broker/engine/cancel.h"

#include "base/state_table.h"

#define TO(state) WEIR_STATE_BIT(WEIR_CANCEL_##state)
static const struct weir_state_row rows[] = {
    [WEIR_CANCEL_LIVE] = {"live", TO(ANSWERED) | TO(CANCELLED)},
    [WEIR_CANCEL_ANSWERED] = {"answered", 0},
    [WEIR_CANCEL_CANCELLED] = {"cancelled", TO(LIVE) | TO(PENDING)},
    [WEIR_CANCEL_PENDING] = {"cancelled, with an answer held back", 0},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("request", rows);

/* The answer or a cancel, on two threads: true for the first. */
static bool leave_live(_Atomic int *state, unsigned to)
{
    int live = WEIR_CANCEL_LIVE;
    const int next = (int)weir_state_move(&states, "that is served", WEIR_CANCEL_LIVE, to);
    return atomic_compare_exchange_strong(state, &live, next);
}

/* The answerer has it to itself since it was cancelled. */
static void move_cancelled(_Atomic int *state, unsigned to)
{
    const unsigned from = (unsigned)atomic_load(state);
    atomic_store(state, (int)weir_state_move(&states, "that is cancelled", from, to));
}

bool weir_cancel_begin(_Atomic int *state)
{
    return leave_live(state, WEIR_CANCEL_CANCELLED);
}

bool weir_cancel_holds_answer(_Atomic int *state)
{
    if (leave_live(state, WEIR_CANCEL_ANSWERED)) return false;
    move_cancelled(state, WEIR_CANCEL_PENDING);
    return true;
}

bool weir_cancel_arrives(_Atomic int *state)
{
    if (atomic_load(state) == WEIR_CANCEL_PENDING) return true;
    move_cancelled(state, WEIR_CANCEL_LIVE);
    return false;
}
