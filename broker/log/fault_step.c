#include "broker/log/fault_step.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/state_table.h"

#define TO(fault) WEIR_STATE_BIT(WEIR_FAULT_##fault)
static const struct weir_state_row rows[] = {
    [WEIR_FAULT_NONE] = {"none", TO(DAMAGED) | TO(FAILED)},
    [WEIR_FAULT_DAMAGED] = {"damaged", TO(FAILED_DAMAGED)},
    [WEIR_FAULT_FAILED] = {"failed", TO(FAILED_DAMAGED)},
    [WEIR_FAULT_FAILED_DAMAGED] = {"failed and damaged", 0},
};
#undef TO
static const struct weir_state_table faults = WEIR_STATE_TABLE("fault", rows);

const char *weir_fault_name(enum weir_fault fault)
{
    return weir_state_name(&faults, fault);
}

static bool is_damaged(const struct weir_fault_state *state)
{
    return state->fault == WEIR_FAULT_DAMAGED || state->fault == WEIR_FAULT_FAILED_DAMAGED;
}

void weir_fault_check(const struct weir_fault_state *state)
{
    weir_assert(is_damaged(state) == (state->offline_from >= 0));
    weir_assert(state->offline_from >= -1);
    weir_assert(state->damage_end >= -1);
}

static void move(struct weir_fault_state *state, enum weir_fault to)
{
    state->fault = weir_state_move(&faults, "of a log", state->fault, to);
}

static void fail(struct weir_fault_state *state, int rc, struct weir_fault_update *update)
{
    weir_assert(rc < 0);
    if (weir_code_is_shortage(rc)) return;
    update->gives_up = true;
    if (weir_fault_has_failed(state)) return;
    update->says_failure = state->fault == WEIR_FAULT_NONE;
    update->forgets_boot = true;
    move(state, is_damaged(state) ? WEIR_FAULT_FAILED_DAMAGED : WEIR_FAULT_FAILED);
}

/* The lower offset counts, and is what is said. */
static void damage(struct weir_fault_state *state, int64_t offset, struct weir_fault_update *update)
{
    weir_assert(offset >= 0);
    if (is_damaged(state) && state->offline_from <= offset) return;
    if (!is_damaged(state)) {
        bool has_failed = weir_fault_has_failed(state);
        move(state, has_failed ? WEIR_FAULT_FAILED_DAMAGED : WEIR_FAULT_DAMAGED);
    }
    state->offline_from = offset;
    update->says_damage = true;
}

/* An end that was said once stays: an older copy of the log may be there by now. */
static void raise_end(struct weir_fault_state *state, int64_t end)
{
    if (end > state->damage_end) state->damage_end = end;
}

static void note(struct weir_fault_state *state, int64_t from, int64_t end,
                 struct weir_fault_update *update)
{
    raise_end(state, end);
    update->writes = true;
    update->from = from;
    update->end = state->damage_end;
}

static void settle(struct weir_fault_state *state, int64_t end, struct weir_fault_update *update)
{
    if (!state->is_owed) return;
    weir_assert(is_damaged(state));
    note(state, state->offline_from, state->offline_from < end ? end : -1, update);
}

void weir_fault_step(struct weir_fault_state *state, const struct weir_fault_event *event,
                     struct weir_fault_update *update)
{
    weir_fault_check(state);
    *update = (struct weir_fault_update){.from = -1, .end = -1};
    switch (event->type) {
    case WEIR_FAULT_FAILS:
        fail(state, event->rc, update);
        break;
    case WEIR_FAULT_UNREADABLE:
        damage(state, event->offset, update);
        break;
    case WEIR_FAULT_DAMAGES:
        damage(state, event->offset, update);
        if (update->says_damage) note(state, event->offset, event->end, update);
        break;
    case WEIR_FAULT_KNOWN:
        raise_end(state, event->end);
        damage(state, event->offset, update);
        break;
    case WEIR_FAULT_NOTE:
        note(state, event->offset, event->end, update);
        break;
    case WEIR_FAULT_NOTED:
        weir_assert(event->rc == 0 || is_damaged(state));
        state->is_owed = event->rc < 0;
        break;
    case WEIR_FAULT_SETTLE:
        settle(state, event->end, update);
        break;
    }
    weir_assert(!update->says_failure || weir_fault_has_failed(state));
    weir_assert(!update->writes || update->from >= 0);
    weir_fault_check(state);
}
