#include "broker/controller/assign_step.h"

#include "base/assert.h"
#include "base/state_table.h"

#define TO(phase) WEIR_STATE_BIT(WEIR_ASSIGN_##phase)
static const struct weir_state_row rows[] = {
    [WEIR_ASSIGN_IDLE] = {"idle", TO(GATHERING)},
    [WEIR_ASSIGN_GATHERING] = {"gathering", TO(SUBMITTED)},
    [WEIR_ASSIGN_SUBMITTED] = {"submitted", TO(WRITING)},
    [WEIR_ASSIGN_WRITING] = {"writing", TO(GATHERING) | TO(IDLE)},
};
#undef TO
static const struct weir_state_table phases = WEIR_STATE_TABLE("assignments", rows);

const char *weir_assign_phase_name(enum weir_assign_phase phase)
{
    return weir_state_name(&phases, phase);
}

void weir_assign_check(const struct weir_assign_state *state)
{
    bool needs_some =
        state->phase == WEIR_ASSIGN_GATHERING || state->phase == WEIR_ASSIGN_SUBMITTED;
    weir_assert(state->phase != WEIR_ASSIGN_IDLE || state->count == 0);
    weir_assert(!needs_some || state->count > 0);
}

static void move(struct weir_assign_state *state, enum weir_assign_phase to)
{
    state->phase = weir_state_move(&phases, "of partitions", state->phase, to);
}

static void arrived(struct weir_assign_state *state, struct weir_mono now)
{
    if (state->count == 0) state->deadline = weir_mono_after_ms(now, WEIR_ASSIGN_WAIT_MS);
    state->count++;
    if (state->phase == WEIR_ASSIGN_IDLE) move(state, WEIR_ASSIGN_GATHERING);
}

static void turn(struct weir_assign_state *state, const struct weir_assign_event *event,
                 struct weir_assign_update *update)
{
    if (state->phase != WEIR_ASSIGN_GATHERING) return;
    bool is_early = event->now.ns < state->deadline.ns;
    if (event->others_come && state->count < WEIR_ASSIGN_ENOUGH && is_early) {
        update->wakes = true;
        update->wake_at = state->deadline;
        return;
    }
    move(state, WEIR_ASSIGN_SUBMITTED);
    update->submits = true;
}

void weir_assign_step(struct weir_assign_state *state, const struct weir_assign_event *event,
                      struct weir_assign_update *update)
{
    weir_assign_check(state);
    *update = (struct weir_assign_update){0};
    switch (event->type) {
    case WEIR_ASSIGN_ARRIVED:
        arrived(state, event->now);
        break;
    case WEIR_ASSIGN_TURN:
        turn(state, event, update);
        break;
    case WEIR_ASSIGN_TAKEN:
        weir_assert(event->count > 0 && event->count <= state->count);
        move(state, WEIR_ASSIGN_WRITING);
        state->count -= event->count;
        break;
    case WEIR_ASSIGN_WRITTEN:
        weir_assert(state->phase == WEIR_ASSIGN_WRITING);
        move(state, state->count > 0 ? WEIR_ASSIGN_GATHERING : WEIR_ASSIGN_IDLE);
        break;
    }
    weir_assert(!update->submits || state->phase == WEIR_ASSIGN_SUBMITTED);
    weir_assign_check(state);
}
