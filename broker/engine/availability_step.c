#include "broker/engine/availability_step.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/state_table.h"

#define TO(state) WEIR_STATE_BIT(WEIR_AVAILABILITY_##state)
static const struct weir_state_row rows[] = {
    [WEIR_AVAILABILITY_OPENING] = {"opening", TO(ONLINE) | TO(DAMAGED) | TO(GONE)},
    [WEIR_AVAILABILITY_ONLINE] = {"online", TO(DAMAGED)},
    [WEIR_AVAILABILITY_DAMAGED] = {"damaged", TO(OFFLINE)},
    [WEIR_AVAILABILITY_OFFLINE] = {"offline", 0},
    [WEIR_AVAILABILITY_GONE] = {"gone", 0},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("availability", rows);

const char *weir_availability_name(enum weir_availability state)
{
    return weir_state_name(&states, state);
}

static void move(enum weir_availability *state, enum weir_availability to)
{
    *state = weir_state_move(&states, "of a partition", *state, to);
}

/* Told once: what is known already, by whoever told it, says nothing new though it may reach
 * further down. */
static void look(enum weir_availability *state, int64_t offline_from,
                 struct weir_availability_update *update)
{
    if (offline_from < 0 || *state == WEIR_AVAILABILITY_OFFLINE) return;
    if (*state != WEIR_AVAILABILITY_DAMAGED) move(state, WEIR_AVAILABILITY_DAMAGED);
    update->tells_offline = true;
    update->offline_from = offline_from;
    update->answers_fetches = true;
}

static void opened(enum weir_availability *state, int64_t offline_from,
                   struct weir_availability_update *update)
{
    weir_assert(*state == WEIR_AVAILABILITY_OPENING);
    look(state, offline_from, update);
    if (offline_from >= 0) return;
    move(state, WEIR_AVAILABILITY_ONLINE);
    update->tells_online = true;
}

/* What is missing, is something else, or cannot be read is offline until it can be; anything else
 * (a shortage, the end of the process) passes. */
static void not_opened(enum weir_availability *state, int rc,
                       struct weir_availability_update *update)
{
    weir_assert(rc < 0);
    int told = weir_error_storage(NULL, rc);
    move(state, WEIR_AVAILABILITY_GONE);
    update->adds_remedy = rc == WEIR_OFFLINE;
    update->tells_offline = told == WEIR_OFFLINE || told == WEIR_IO;
}

static bool is_served(enum weir_availability state)
{
    return state != WEIR_AVAILABILITY_OPENING && state != WEIR_AVAILABILITY_GONE;
}

void weir_availability_step(enum weir_availability *state,
                            const struct weir_availability_event *event,
                            struct weir_availability_update *update)
{
    *update = (struct weir_availability_update){.offline_from = -1};
    switch (event->type) {
    case WEIR_AVAILABILITY_OPENED:
        opened(state, event->offline_from, update);
        break;
    case WEIR_AVAILABILITY_NOT_OPENED:
        not_opened(state, event->rc, update);
        break;
    case WEIR_AVAILABILITY_LOOKED:
        weir_assert(is_served(*state));
        look(state, event->offline_from, update);
        break;
    case WEIR_AVAILABILITY_TOLD:
        if (*state == WEIR_AVAILABILITY_GONE) break; /* the next that cannot open it tells */
        weir_assert(*state == WEIR_AVAILABILITY_DAMAGED);
        if (event->rc == 0) move(state, WEIR_AVAILABILITY_OFFLINE);
        break;
    case WEIR_AVAILABILITY_SYNC_FAILED:
        weir_assert(is_served(*state) && event->rc < 0);
        update->fails_directory = event->rc != WEIR_OFFLINE;
        update->answers_acks = true;
        break;
    case WEIR_AVAILABILITY_WORK_FAILED:
        weir_assert(is_served(*state) && event->rc < 0);
        update->fails_directory = event->rc == WEIR_IO;
        break;
    }
    weir_assert(!update->tells_offline || !update->tells_online);
    weir_assert(update->offline_from < 0 || update->tells_offline);
}
