#include "broker/engine/epoch_step.h"

#include "base/assert.h"
#include "base/state_table.h"

#define TO(phase) WEIR_STATE_BIT(WEIR_EPOCH_##phase)
static const struct weir_state_row rows[] = {
    [WEIR_EPOCH_UNKNOWN] = {"unknown", TO(KNOWN)},
    [WEIR_EPOCH_KNOWN] = {"known", TO(RAISING) | TO(CUTTING)},
    [WEIR_EPOCH_RAISING] = {"raising", TO(CUTTING) | TO(KNOWN)},
    [WEIR_EPOCH_CUTTING] = {"cutting", TO(KNOWN)},
};
#undef TO
static const struct weir_state_table phases = WEIR_STATE_TABLE("leader epoch", rows);

const char *weir_epoch_phase_name(enum weir_epoch_phase phase)
{
    return weir_state_name(&phases, phase);
}

static void move(struct weir_epoch_state *state, enum weir_epoch_phase to)
{
    state->phase = weir_state_move(&phases, "of a partition", state->phase, to);
}

static void raised(struct weir_epoch_state *state, const struct weir_epoch_event *event,
                   struct weir_epoch_update *update)
{
    weir_assert(state->phase == WEIR_EPOCH_RAISING);
    if (event->rc < 0) {
        move(state, WEIR_EPOCH_KNOWN);
        update->fails = true;
        return;
    }
    weir_assert(event->epoch > state->current);
    state->current = event->epoch;
    move(state, WEIR_EPOCH_CUTTING);
    update->cuts = true;
}

void weir_epoch_step(struct weir_epoch_state *state, const struct weir_epoch_event *event,
                     struct weir_epoch_update *update)
{
    *update = (struct weir_epoch_update){0};
    switch (event->type) {
    case WEIR_EPOCH_RESOLVED:
        weir_assert(state->phase == WEIR_EPOCH_UNKNOWN && event->epoch >= 0);
        move(state, WEIR_EPOCH_KNOWN);
        state->current = event->epoch;
        break;
    case WEIR_EPOCH_CUT_TAIL:
        move(state, WEIR_EPOCH_RAISING);
        update->raises = true;
        break;
    case WEIR_EPOCH_CUT_HEAD:
        weir_assert(state->phase == WEIR_EPOCH_KNOWN);
        move(state, WEIR_EPOCH_CUTTING);
        update->cuts = true;
        break;
    case WEIR_EPOCH_RAISED:
        raised(state, event, update);
        break;
    case WEIR_EPOCH_WORKED:
        weir_assert(state->phase == WEIR_EPOCH_CUTTING);
        move(state, WEIR_EPOCH_KNOWN);
        break;
    }
    weir_assert(!update->cuts || state->phase == WEIR_EPOCH_CUTTING);
}
