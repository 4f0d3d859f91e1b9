#include "broker/controller/offline_step.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/state_table.h"

#define TO(state) WEIR_STATE_BIT(WEIR_OFFLINE_##state)
static const struct weir_state_row rows[] = {
    [WEIR_OFFLINE_ONLINE] = {"online", TO(UNKEPT) | TO(KEPT)},
    [WEIR_OFFLINE_UNKEPT] = {"unkept", TO(ONLINE) | TO(KEPT)},
    [WEIR_OFFLINE_KEPT] = {"offline", TO(ONLINE)},
};
#undef TO
static const struct weir_state_table states =
    WEIR_STATE_TABLE("set of offline partitions: state", rows);

const char *weir_offline_name(enum weir_offline state)
{
    return weir_state_name(&states, state);
}

static void move(enum weir_offline *state, enum weir_offline to)
{
    *state = weir_state_move(&states, "of a partition", *state, to);
}

/* What was told before of the same partition is out of date, whatever comes now. */
static void drop_older(enum weir_offline *state, struct weir_offline_update *update)
{
    if (*state != WEIR_OFFLINE_UNKEPT) return;
    move(state, WEIR_OFFLINE_ONLINE);
    update->drops_older = true;
}

static void kept(enum weir_offline *state, int rc, struct weir_offline_update *update)
{
    weir_assert(*state != WEIR_OFFLINE_KEPT && rc <= 0);
    if (rc == 0) {
        move(state, WEIR_OFFLINE_KEPT);
        update->says_offline = true;
        return;
    }
    if (*state == WEIR_OFFLINE_ONLINE) move(state, WEIR_OFFLINE_UNKEPT);
    update->waits = true;
}

static void turn(enum weir_offline *state, bool is_stale, struct weir_offline_update *update)
{
    weir_assert(*state == WEIR_OFFLINE_UNKEPT);
    update->keeps = !is_stale;
    if (is_stale) move(state, WEIR_OFFLINE_ONLINE);
}

void weir_offline_step(enum weir_offline *state, const struct weir_offline_event *event,
                       struct weir_offline_update *update)
{
    *update = (struct weir_offline_update){0};
    switch (event->type) {
    case WEIR_OFFLINE_IS_TOLD:
        drop_older(state, update);
        update->keeps = *state == WEIR_OFFLINE_ONLINE && !event->is_stale;
        break;
    case WEIR_OFFLINE_OVER_IS_TOLD:
        drop_older(state, update);
        if (*state == WEIR_OFFLINE_ONLINE || event->is_stale) break;
        move(state, WEIR_OFFLINE_ONLINE);
        update->lets_go = true;
        update->says_online = true;
        break;
    case WEIR_OFFLINE_TURN:
        turn(state, event->is_stale, update);
        break;
    case WEIR_OFFLINE_WAS_KEPT:
        kept(state, event->rc, update);
        break;
    case WEIR_OFFLINE_TOPIC_GONE: /* what waits is stale now, which its turn will see */
        if (*state != WEIR_OFFLINE_KEPT) break;
        move(state, WEIR_OFFLINE_ONLINE);
        update->lets_go = true;
        break;
    }
    weir_assert(!update->waits || *state == WEIR_OFFLINE_UNKEPT);
    weir_assert(!update->says_offline || *state == WEIR_OFFLINE_KEPT);
}
