#include "broker/coordinator/coordinator.h"

#include "base/assert.h"

void weir_coordinator_init(struct weir_coordinator *coordinator, struct weir_engine *engine)
{
    weir_assert(engine != NULL);
    *coordinator = (struct weir_coordinator){.engine = engine};
    weir_group_claims_init(&coordinator->claims);
}
