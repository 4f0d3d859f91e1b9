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
    weir_budget_init(&coordinator->budget, "groups", engine->env->heap, &engine->budget, 0);
}
