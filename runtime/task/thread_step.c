#include "runtime/task/thread_step.h"

#include "base/assert.h"
#include "base/state_table.h"

/**
 * A thread goes from phase to phase by itself as soon as what the phase is for is done, except into
 * `opening`, `running` and `stopping`, which it is told. Messages leave a note of what is wanted; the turn
 * that follows does one bounded step of the phase it is in.
 *
 * When running, a step is: seal if it was asked for (not while something is sent again: what is sealed goes
 * out behind it; and not before a transaction is open if it needs one), a batch of each task, send, hand in if all is acknowledged. A commit is asked for by the
 * job, so a thread hears of it wherever it is; one that is stopping, or has failed, notes it and never
 * hands in.
 */
#define TO(phase) WEIR_STATE_BIT(WEIR_THREAD_##phase)
static const struct weir_state_row phase_rows[] = {
    [WEIR_THREAD_CREATED] = {"created", TO(OPENING) | TO(STOPPING)},
    [WEIR_THREAD_OPENING] = {"opening", TO(READY) | TO(STOPPING)},
    [WEIR_THREAD_READY] = {"ready", TO(RUNNING) | TO(STOPPING)},
    [WEIR_THREAD_RUNNING] = {"running", TO(STOPPING)},
    [WEIR_THREAD_STOPPING] = {"stopping", TO(STOPPED)},
    [WEIR_THREAD_STOPPED] = {"stopped", 0},
};
#undef TO
static const struct weir_state_table phase_table = WEIR_STATE_TABLE("stream thread", phase_rows);

#define TO(phase) WEIR_STATE_BIT(WEIR_SEAL_##phase)
static const struct weir_state_row seal_rows[] = {
    [WEIR_SEAL_NONE] = {"none", TO(ASKED)},
    [WEIR_SEAL_ASKED] = {"asked", TO(SENDING)},
    [WEIR_SEAL_SENDING] = {"sending", TO(HANDED_IN)},
    [WEIR_SEAL_HANDED_IN] = {"handed in", TO(NONE)},
};
#undef TO
static const struct weir_state_table seal_table =
    WEIR_STATE_TABLE("seal of a stream thread", seal_rows);

const char *weir_thread_phase_name(enum weir_thread_phase phase)
{
    return weir_state_name(&phase_table, phase);
}

const char *weir_seal_phase_name(enum weir_seal_phase seal)
{
    return weir_state_name(&seal_table, seal);
}

void weir_thread_check(const struct weir_thread_state *state)
{
    bool is_sealed = state->seal == WEIR_SEAL_SENDING || state->seal == WEIR_SEAL_HANDED_IN;
    bool has_run = state->phase >= WEIR_THREAD_RUNNING;
    weir_assert(!state->is_open || !is_sealed);
    weir_assert(!state->is_open || has_run);
    weir_assert(!state->is_open || !state->has_wanted);
    weir_assert(has_run || state->seal == WEIR_SEAL_NONE);
    weir_assert(has_run || !state->is_last);
    weir_assert(!state->is_restored || state->phase >= WEIR_THREAD_READY);
}

static void move(struct weir_thread_state *state, enum weir_thread_phase phase)
{
    state->phase = weir_state_move(&phase_table, state->name, state->phase, phase);
}

static void move_seal(struct weir_thread_state *state, enum weir_seal_phase seal)
{
    state->seal = weir_state_move(&seal_table, state->name, state->seal, seal);
}

/* ---- running --------------------------------------------------------------------------------- */

static void run(const struct weir_thread_state *state, struct weir_thread_update *update)
{
    bool is_last_sealed = state->is_last && state->seal != WEIR_SEAL_ASKED;
    update->processes = !is_last_sealed;
    update->sends = true;
}

/* One that has sealed hears of the next. */
static void want_transaction(struct weir_thread_state *state, struct weir_thread_update *update)
{
    bool is_sealed = state->seal == WEIR_SEAL_SENDING || state->seal == WEIR_SEAL_HANDED_IN;
    if (state->is_open || state->has_wanted || is_sealed) return;
    state->has_wanted = true;
    update->wants_transaction = true;
}

static void sealed(struct weir_thread_state *state, struct weir_thread_update *update)
{
    weir_assert(state->phase == WEIR_THREAD_RUNNING);
    state->is_open = false;
    state->has_wanted = false;
    state->has_asked = false;
    move_seal(state, WEIR_SEAL_SENDING);
    run(state, update);
}

static void sent(struct weir_thread_state *state, const struct weir_thread_event *event,
                 struct weir_thread_update *update)
{
    weir_assert(state->phase == WEIR_THREAD_RUNNING);
    if (event->needs_transaction) want_transaction(state, update);
    if (state->seal != WEIR_SEAL_SENDING || !event->is_quiet) return;
    move_seal(state, WEIR_SEAL_HANDED_IN);
    update->hands_in = true;
}

static void be_asked(struct weir_thread_state *state, bool is_last)
{
    weir_assert(!state->is_last);
    move_seal(state, WEIR_SEAL_ASKED);
    state->is_last = is_last;
}

/* Another thread may have wanted the one that this one has sealed for: nothing of what comes behind belongs to it. */
static void begun(struct weir_thread_state *state)
{
    if (state->phase != WEIR_THREAD_RUNNING) return;
    if (state->seal == WEIR_SEAL_SENDING || state->seal == WEIR_SEAL_HANDED_IN) return;
    state->is_open = true;
    state->has_wanted = false;
}

static void committed(struct weir_thread_state *state, struct weir_thread_update *update)
{
    if (state->phase != WEIR_THREAD_RUNNING) return;
    weir_assert(!state->is_open);
    move_seal(state, WEIR_SEAL_NONE);
    update->writes_down = true;
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void stopping_turn(struct weir_thread_state *state, bool is_quiet,
                          struct weir_thread_update *update)
{
    if (!is_quiet) return;
    move(state, WEIR_THREAD_STOPPED);
    update->closes = true;
}

static void turn(struct weir_thread_state *state, const struct weir_thread_event *event,
                 struct weir_thread_update *update)
{
    if (state->phase == WEIR_THREAD_STOPPING) {
        stopping_turn(state, event->is_quiet, update);
        return;
    }
    if (state->phase == WEIR_THREAD_STOPPED) return;
    if (state->is_stop_wanted) {
        move(state, WEIR_THREAD_STOPPING);
        update->cancels = true;
        return;
    }
    if (state->has_failed) return;
    update->opens = state->phase == WEIR_THREAD_OPENING;
    const bool has_opened =
        state->phase == WEIR_THREAD_READY || state->phase == WEIR_THREAD_RUNNING;
    update->restores = has_opened && !state->is_restored;
    if (state->phase != WEIR_THREAD_RUNNING) return;
    if (event->needs_transaction) want_transaction(state, update);
    bool may_seal = !event->is_resending && (state->is_open || !event->needs_transaction);
    update->seals = state->seal == WEIR_SEAL_ASKED && may_seal;
    if (!update->seals) run(state, update);
}

void weir_thread_step(struct weir_thread_state *state, const struct weir_thread_event *event,
                      struct weir_thread_update *update)
{
    weir_thread_check(state);
    *update = (struct weir_thread_update){0};
    switch (event->type) {
    case WEIR_THREAD_OPEN:
        if (state->phase == WEIR_THREAD_CREATED) move(state, WEIR_THREAD_OPENING);
        break;
    case WEIR_THREAD_RUN:
        if (state->phase == WEIR_THREAD_READY) move(state, WEIR_THREAD_RUNNING);
        break;
    case WEIR_THREAD_SEAL:
        be_asked(state, event->is_last);
        break;
    case WEIR_THREAD_BEGUN:
        begun(state);
        break;
    case WEIR_THREAD_COMMITTED:
        committed(state, update);
        break;
    case WEIR_THREAD_STOP:
        state->is_stop_wanted = true;
        break;
    case WEIR_THREAD_OPENED:
        move(state, WEIR_THREAD_READY);
        update->says_opened = true;
        break;
    case WEIR_THREAD_RESTORED:
        weir_assert(state->phase == WEIR_THREAD_READY || state->phase == WEIR_THREAD_RUNNING);
        weir_assert(!state->is_restored);
        state->is_restored = true;
        update->says_restored = true;
        break;
    case WEIR_THREAD_SEALED:
        sealed(state, update);
        break;
    case WEIR_THREAD_SENT:
        sent(state, event, update);
        break;
    case WEIR_THREAD_CANCELLED:
        weir_assert(state->phase == WEIR_THREAD_STOPPING);
        stopping_turn(state, event->is_quiet, update);
        break;
    case WEIR_THREAD_TURN:
        turn(state, event, update);
        break;
    case WEIR_THREAD_WANTS_COMMIT:
        weir_assert(state->phase == WEIR_THREAD_RUNNING);
        update->wants_commit = !state->has_asked;
        state->has_asked = true;
        break;
    case WEIR_THREAD_FAILED:
        update->says_failed = !state->has_failed;
        state->has_failed = true;
        break;
    }
    weir_assert(!update->processes || state->phase == WEIR_THREAD_RUNNING);
    weir_thread_check(state);
}
