#include <stdio.h>

#include "base/state_table.h"
#include "broker/coordinator/group/classic_group_internal.h"

#define TO(state) WEIR_STATE_BIT(WEIR_CLASSIC_##state)
static const struct weir_state_row rows[] = {
    [WEIR_CLASSIC_EMPTY] = {"Empty", TO(PREPARING_REBALANCE) | TO(DEAD)},
    [WEIR_CLASSIC_PREPARING_REBALANCE] = {"PreparingRebalance",
                                          TO(COMPLETING_REBALANCE) | TO(EMPTY)},
    [WEIR_CLASSIC_COMPLETING_REBALANCE] = {"CompletingRebalance",
                                           TO(STABLE) | TO(PREPARING_REBALANCE)},
    [WEIR_CLASSIC_STABLE] = {"Stable", TO(PREPARING_REBALANCE)},
    [WEIR_CLASSIC_DEAD] = {"Dead", 0},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("classic group", rows);

void weir_classic_move(struct weir_classic_group *group, enum weir_classic_state to,
                       int64_t wall_ms)
{
    char name[WEIR_CLASSIC_SHOWN_MAX + 1];
    (void)snprintf(name, sizeof name, "%.*s", WEIR_CLASSIC_SHOWN(group->name)); /* it fits */
    group->previous_state = group->state;
    group->state = (enum weir_classic_state)weir_state_move(&states, name, group->state, to);
    group->state_since_wall_ms = wall_ms;
}

struct weir_slice weir_classic_group_state_name(const struct weir_classic_group *group)
{
    return weir_text(weir_state_name(&states, group->state));
}
