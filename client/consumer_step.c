#include "client/consumer_step.h"

#include "base/assert.h"
#include "base/state_table.h"
#include "weir/error.h"

#define TO(state) WEIR_STATE_BIT(WEIR_CONSUMER_##state)
static const struct weir_state_row rows[] = {
    [WEIR_CONSUMER_IDLE] = {"idle", TO(FETCHING)},
    [WEIR_CONSUMER_FETCHING] = {"fetching", TO(IDLE) | TO(READY)},
    [WEIR_CONSUMER_READY] = {"ready", TO(IDLE)},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("consumer of topic", rows);

const char *weir_consumer_state_name(enum weir_consumer_state state)
{
    return weir_state_name(&states, state);
}

void weir_consumer_turn_check(const struct weir_consumer_turn *turn)
{
    weir_assert(!turn->is_canceled || turn->is_long);
    weir_assert(!turn->has_failed || turn->state == WEIR_CONSUMER_IDLE);
}

static void move(struct weir_consumer_turn *turn, enum weir_consumer_state to)
{
    turn->state = weir_state_move(&states, turn->topic, turn->state, to);
}

static void send(struct weir_consumer_turn *turn, const struct weir_consumer_event *event,
                 struct weir_consumer_update *update)
{
    weir_assert(event->round > 0); /* 0 is for never asked */
    move(turn, WEIR_CONSUMER_FETCHING);
    turn->is_long = event->is_waiting;
    turn->is_canceled = false;
    turn->has_failed = false;
    turn->asked_round = event->round;
    update->sends = true;
    update->is_long = event->is_waiting;
}

static void recall(struct weir_consumer_turn *turn, struct weir_consumer_update *update)
{
    if (turn->state != WEIR_CONSUMER_FETCHING || !turn->is_long || turn->is_canceled) return;
    turn->is_canceled = true;
    update->cancels = true;
}

static void ask(struct weir_consumer_turn *turn, const struct weir_consumer_event *event,
                struct weir_consumer_update *update)
{
    if (!event->is_waiting) recall(turn, update);
    bool was_asked = !event->is_waiting && turn->asked_round == event->round;
    if (turn->state != WEIR_CONSUMER_IDLE || turn->has_failed || was_asked) return;
    send(turn, event, update);
}

static void answered(struct weir_consumer_turn *turn, const struct weir_consumer_event *event)
{
    weir_assert(turn->state == WEIR_CONSUMER_FETCHING);
    weir_assert(event->rc >= 0 || !event->has_batches);
    move(turn, event->has_batches ? WEIR_CONSUMER_READY : WEIR_CONSUMER_IDLE);
    /* One that was called back is closed, which is what was wanted. */
    turn->has_failed = event->rc < 0 && !(turn->is_canceled && event->rc == WEIR_CLOSED);
}

static void stop(struct weir_consumer_turn *turn, struct weir_consumer_update *update)
{
    recall(turn, update);
    if (turn->state == WEIR_CONSUMER_FETCHING) {
        update->waits = true;
        return;
    }
    update->releases = turn->state == WEIR_CONSUMER_READY;
    if (update->releases) move(turn, WEIR_CONSUMER_IDLE);
    turn->has_failed = false;
}

void weir_consumer_step(struct weir_consumer_turn *turn, const struct weir_consumer_event *event,
                        struct weir_consumer_update *update)
{
    weir_consumer_turn_check(turn);
    *update = (struct weir_consumer_update){0};
    switch (event->type) {
    case WEIR_CONSUMER_ASK:
        ask(turn, event, update);
        break;
    case WEIR_CONSUMER_USED_UP:
        send(turn, event, update);
        break;
    case WEIR_CONSUMER_ANSWERED:
        answered(turn, event);
        break;
    case WEIR_CONSUMER_TAKEN:
        weir_assert(turn->state == WEIR_CONSUMER_READY);
        move(turn, WEIR_CONSUMER_IDLE);
        break;
    case WEIR_CONSUMER_EMPTY:
        weir_assert(!turn->has_failed);
        turn->asked_round = 0;
        break;
    case WEIR_CONSUMER_REPORTED:
        weir_assert(turn->has_failed);
        turn->has_failed = false;
        break;
    case WEIR_CONSUMER_RECALL:
        recall(turn, update);
        break;
    case WEIR_CONSUMER_STOP:
        stop(turn, update);
        break;
    case WEIR_CONSUMER_SOUGHT:
        weir_assert(turn->state == WEIR_CONSUMER_IDLE && !turn->has_failed);
        turn->asked_round = 0;
        break;
    }
    weir_assert(!update->sends || turn->state == WEIR_CONSUMER_FETCHING);
    weir_consumer_turn_check(turn);
}
