#include "broker/coordinator/coordinator.h"

#include "base/assert.h"
#include "broker/engine/engine.h"

void weir_coordinator_init(struct weir_coordinator *coordinator, struct weir_engine *engine)
{
    weir_assert(engine != NULL);
    *coordinator = (struct weir_coordinator){.engine = engine};
    weir_group_claims_init(&coordinator->claims);
}

void weir_coordinator_open(struct weir_coordinator *coordinator)
{
    struct weir_engine *engine = coordinator->engine;
    coordinator->settings = engine->options.groups;
    size_t newcomers_max = (size_t)coordinator->settings.all_bytes_max;
    /* Members that are in may say more than they did, and so that a rebalance goes on for them a quarter is theirs. A
     * group that would go beyond it is dropped, as for any shortage. */
    weir_budget_init(&coordinator->budget, "groups", engine->env->heap, &engine->budget,
                     newcomers_max + newcomers_max / 4);
}
