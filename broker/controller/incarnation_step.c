#include "broker/controller/incarnation_step.h"

#include "base/assert.h"
#include "base/state_table.h"

#define TO(state) WEIR_STATE_BIT(WEIR_INCARNATION_##state)
static const struct weir_state_row rows[] = {
    [WEIR_INCARNATION_RESTORED] = {"restored", TO(WRITING) | TO(SERVING) | TO(REFUSED)},
    [WEIR_INCARNATION_WRITING] = {"writing", TO(SERVING) | TO(REFUSED)},
    [WEIR_INCARNATION_SERVING] = {"serving", 0},
    [WEIR_INCARNATION_REFUSED] = {"refused", 0},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("metadata", rows);

const char *weir_incarnation_name(enum weir_incarnation state)
{
    return weir_state_name(&states, state);
}

static void move(enum weir_incarnation *state, enum weir_incarnation to)
{
    *state = weir_state_move(&states, "of a directory", *state, to);
}

static void open(enum weir_incarnation *state, const struct weir_incarnation_event *event,
                 struct weir_incarnation_update *update)
{
    bool is_fresh = !event->has_records;
    weir_assert(*state == WEIR_INCARNATION_RESTORED);
    if (!is_fresh && event->was_clean) {
        move(state, WEIR_INCARNATION_SERVING);
    } else if (is_fresh && event->were_some) {
        move(state, WEIR_INCARNATION_REFUSED);
        update->refuses = true;
    } else {
        move(state, WEIR_INCARNATION_WRITING);
        update->writes_feature = is_fresh;
        update->raises_own = !is_fresh;
        update->writes_incarnation = true;
    }
}

void weir_incarnation_step(enum weir_incarnation *state, const struct weir_incarnation_event *event,
                           struct weir_incarnation_update *update)
{
    *update = (struct weir_incarnation_update){0};
    switch (event->type) {
    case WEIR_INCARNATION_OPEN:
        open(state, event, update);
        break;
    case WEIR_INCARNATION_WRITTEN:
        weir_assert(*state == WEIR_INCARNATION_WRITING);
        move(state, event->rc < 0 ? WEIR_INCARNATION_REFUSED : WEIR_INCARNATION_SERVING);
        break;
    }
    weir_assert(!update->refuses || !update->writes_incarnation);
}
