#include "runtime/job/commit_step.h"

#include "base/assert.h"
#include "base/state_table.h"
#include "weir/error.h"

/**
 * A commit goes round once per interval (commit_step.h has the drawing):
 *
 * - It begins when it is due, wanted or the last one. All threads are told to seal; each hands in
 *   once what it has sealed is durable.
 * - When the last of them has, the record is gathered from what they have handed in. A record without entries is not written: the round is over.
 * - The record is written, and again after a shortage, until it is durable or WEIR_DELIVERY_TIMEOUT_MS
 *   have passed. It names only what is durable already, so it may be written twice.
 * - Then the interval to the next one begins.
 * - Behind the last one there may be a rest, which is gathered without the threads.
 */
#define TO(phase) WEIR_STATE_BIT(WEIR_COMMIT_##phase)
static const struct weir_state_row rows[] = {
    [WEIR_COMMIT_IDLE] = {"idle", TO(SEALING)},
    [WEIR_COMMIT_SEALING] = {"sealing", TO(WRITING) | TO(IDLE)}, /* idle: nothing to say */
    [WEIR_COMMIT_WRITING] = {"writing", TO(IDLE)},
};
#undef TO
static const struct weir_state_table phases = WEIR_STATE_TABLE("commit", rows);

const char *weir_commit_phase_name(enum weir_commit_phase phase)
{
    return weir_state_name(&phases, phase);
}

void weir_commit_check(const struct weir_commit_state *state)
{
    weir_assert(state->handing_in <= state->threads);
    weir_assert(state->handing_in == 0 || state->phase == WEIR_COMMIT_SEALING);
    weir_assert(!state->is_again || state->phase == WEIR_COMMIT_WRITING);
    weir_assert(!state->is_again || state->backoff.is_waiting);
    weir_assert(!state->is_rest || (!state->is_started && state->handing_in == 0));
    weir_assert(state->round >= 0);
}

static void move(struct weir_commit_state *state, enum weir_commit_phase to)
{
    state->phase = weir_state_move(&phases, "of a job", state->phase, to);
}

static void wake_at(struct weir_commit_update *update, struct weir_mono when)
{
    update->wakes = true;
    update->wake_at = when;
}

/* All threads have handed in. */
static void gather(struct weir_commit_update *update)
{
    update->gathers = true;
}

static void begin(struct weir_commit_state *state, struct weir_mono since, bool is_last,
                  struct weir_commit_update *update)
{
    state->is_wanted = false;
    state->is_started = !is_last;
    state->begun = since;
    state->handing_in = state->threads;
    move(state, WEIR_COMMIT_SEALING);
    update->seals = true;
    update->is_last = is_last;
    if (state->threads == 0) gather(update);
}

static void rest(struct weir_commit_state *state, struct weir_mono now,
                 struct weir_commit_update *update)
{
    weir_assert(state->phase == WEIR_COMMIT_IDLE && !state->is_started && !state->is_rest);
    state->is_rest = true;
    state->begun = now;
    move(state, WEIR_COMMIT_SEALING);
    gather(update);
}

static void finish(struct weir_commit_state *state, struct weir_mono now,
                   struct weir_commit_update *update)
{
    state->round++;
    state->due = weir_mono_after_ms(now, state->interval_ms);
    move(state, WEIR_COMMIT_IDLE);
    update->finishes = true;
}

static void turn(struct weir_commit_state *state, struct weir_mono now,
                 struct weir_commit_update *update)
{
    if (state->is_again && weir_backoff_is_due(&state->backoff, now)) {
        state->is_again = false;
        update->writes = true;
    }
    if (state->phase != WEIR_COMMIT_IDLE || !state->is_started) return;
    bool is_due = !state->is_manual && now.ns >= state->due.ns;
    if (state->is_wanted || is_due) {
        begin(state, is_due ? state->due : now, false, update);
    } else {
        wake_at(update, state->is_manual ? WEIR_MONO_NEVER : state->due);
    }
}

static void handed_in(struct weir_commit_state *state, struct weir_commit_update *update)
{
    weir_assert(state->phase == WEIR_COMMIT_SEALING && state->handing_in > 0);
    state->handing_in--;
    if (state->handing_in == 0) gather(update);
}

static void gathered(struct weir_commit_state *state, const struct weir_commit_event *event,
                     struct weir_commit_update *update)
{
    weir_assert(state->phase == WEIR_COMMIT_SEALING && state->handing_in == 0);
    if (event->rc < 0) {
        update->rc = event->rc;
    } else if (event->count == 0) {
        finish(state, event->now, update);
    } else {
        move(state, WEIR_COMMIT_WRITING);
        update->writes = true;
    }
}

static void answered(struct weir_commit_state *state, const struct weir_commit_event *event,
                     struct weir_commit_update *update)
{
    weir_assert(state->phase == WEIR_COMMIT_WRITING && !state->is_again);
    bool is_first = !state->backoff.is_waiting;
    if (event->rc >= 0) {
        (void)weir_backoff_over(&state->backoff, event->now);
        finish(state, event->now, update);
    } else if (weir_backoff_failed(&state->backoff, event->rc, event->now)) {
        state->is_again = true;
        update->waits = is_first;
        wake_at(update, state->backoff.due);
    } else {
        update->rc = event->rc;
    }
}

static void start(struct weir_commit_state *state, const struct weir_commit_event *event)
{
    weir_assert(state->phase == WEIR_COMMIT_IDLE && state->round == 0);
    state->is_started = true;
    state->threads = event->count;
    state->due = weir_mono_after_ms(event->now, state->interval_ms);
}

void weir_commit_step(struct weir_commit_state *state, const struct weir_commit_event *event,
                      struct weir_commit_update *update)
{
    weir_commit_check(state);
    *update = (struct weir_commit_update){0};
    if (event->type == WEIR_COMMIT_FAILED) state->has_failed = true;
    if (state->has_failed) return;
    switch (event->type) {
    case WEIR_COMMIT_START:
        start(state, event);
        break;
    case WEIR_COMMIT_WANT:
        state->is_wanted = true;
        break;
    case WEIR_COMMIT_TURN:
        turn(state, event->now, update);
        break;
    case WEIR_COMMIT_LAST:
        weir_assert(state->phase == WEIR_COMMIT_IDLE && state->is_started);
        begin(state, event->now, true, update);
        break;
    case WEIR_COMMIT_REST:
        rest(state, event->now, update);
        break;
    case WEIR_COMMIT_HANDED_IN:
        handed_in(state, update);
        break;
    case WEIR_COMMIT_GATHERED:
        gathered(state, event, update);
        break;
    case WEIR_COMMIT_ANSWERED:
        answered(state, event, update);
        break;
    case WEIR_COMMIT_FAILED:
        break;
    }
    weir_assert(!update->finishes || state->phase == WEIR_COMMIT_IDLE);
    weir_assert(!update->writes || state->phase == WEIR_COMMIT_WRITING);
    weir_commit_check(state);
}
