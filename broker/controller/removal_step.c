#include "broker/controller/removal_step.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/state_table.h"

#define TO(phase) WEIR_STATE_BIT(WEIR_REMOVAL_##phase)
static const struct weir_state_row rows[] = {
    [WEIR_REMOVAL_NEW] = {"new", TO(TELLING)},
    [WEIR_REMOVAL_TELLING] = {"telling", TO(CLOSING)},
    [WEIR_REMOVAL_CLOSING] = {"closing", TO(REMOVING)},
    [WEIR_REMOVAL_REMOVING] = {"removing", TO(WAITING) | TO(OVER)},
    [WEIR_REMOVAL_WAITING] = {"waiting", TO(REMOVING) | TO(OVER)},
    [WEIR_REMOVAL_OVER] = {"over", 0},
};
#undef TO
static const struct weir_state_table phases = WEIR_STATE_TABLE("removal", rows);

const char *weir_removal_phase_name(enum weir_removal_phase phase)
{
    return weir_state_name(&phases, phase);
}

void weir_removal_check(const struct weir_removal_state *state)
{
    weir_assert(state->retry_ms >= 0);
    weir_assert(state->retry_ms <= WEIR_REMOVAL_RETRY_MOST_MS);
    weir_assert((state->retry_ms > 0) == weir_code_is_shortage(state->short_of));
    weir_assert(state->phase != WEIR_REMOVAL_WAITING || state->retry_ms > 0);
    weir_assert(state->phase >= WEIR_REMOVAL_REMOVING || state->retry_ms == 0);
    weir_assert(state->is_long == (state->retry_ms == WEIR_REMOVAL_RETRY_MOST_MS));
}

static void move(struct weir_removal_state *state, enum weir_removal_phase to)
{
    state->phase = weir_state_move(&phases, "of a topic", state->phase, to);
}

static void work(struct weir_removal_state *state, struct weir_removal_update *update)
{
    move(state, WEIR_REMOVAL_REMOVING);
    update->works = true;
}

static void end(struct weir_removal_state *state, struct weir_removal_update *update)
{
    move(state, WEIR_REMOVAL_OVER);
    update->lets_go = true;
    update->ends = true;
}

static void wait(struct weir_removal_state *state, const struct weir_removal_event *event,
                 struct weir_removal_update *update)
{
    bool was_long = state->is_long;
    update->says_waits = state->retry_ms == 0;
    int64_t longer_ms = state->retry_ms == 0 ? WEIR_REMOVAL_RETRY_FIRST_MS : 2 * state->retry_ms;
    state->is_long = longer_ms >= WEIR_REMOVAL_RETRY_MOST_MS;
    state->retry_ms = state->is_long ? WEIR_REMOVAL_RETRY_MOST_MS : longer_ms;
    state->retry_at = weir_mono_after_ms(event->now, state->retry_ms);
    state->short_of = event->rc;
    move(state, WEIR_REMOVAL_WAITING);
    if (!state->is_long || was_long) return;
    update->lets_go = true;
    update->answers = true;
}

static void turn(struct weir_removal_state *state, const struct weir_removal_event *event,
                 struct weir_removal_update *update)
{
    if (state->phase == WEIR_REMOVAL_TELLING) {
        update->tells = true;
    } else if (state->phase == WEIR_REMOVAL_WAITING && event->is_closing) {
        end(state, update);
    } else if (state->phase == WEIR_REMOVAL_WAITING && event->now.ns >= state->retry_at.ns) {
        work(state, update);
    }
}

void weir_removal_step(struct weir_removal_state *state, const struct weir_removal_event *event,
                       struct weir_removal_update *update)
{
    weir_removal_check(state);
    *update = (struct weir_removal_update){0};
    switch (event->type) {
    case WEIR_REMOVAL_BEGIN:
        move(state, WEIR_REMOVAL_TELLING);
        update->tells = true;
        break;
    case WEIR_REMOVAL_TOLD:
        weir_assert(state->phase == WEIR_REMOVAL_TELLING);
        if (event->rc == 0) move(state, WEIR_REMOVAL_CLOSING);
        break;
    case WEIR_REMOVAL_CLOSED:
        weir_assert(state->phase == WEIR_REMOVAL_CLOSING);
        work(state, update);
        break;
    case WEIR_REMOVAL_WORKED:
        weir_assert(state->phase == WEIR_REMOVAL_REMOVING);
        if (weir_code_is_shortage(event->rc)) {
            wait(state, event, update);
        } else {
            end(state, update);
        }
        break;
    case WEIR_REMOVAL_TURN:
        turn(state, event, update);
        break;
    }
    weir_assert(!update->works || state->phase == WEIR_REMOVAL_REMOVING);
    weir_assert(!update->answers || state->is_long);
    weir_removal_check(state);
}
