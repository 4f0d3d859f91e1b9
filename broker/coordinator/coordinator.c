#include "broker/coordinator/coordinator.h"

#include "base/assert.h"

void weir_coordinator_init(struct weir_coordinator *coordinator, struct weir_controller *controller)
{
    weir_assert(controller != NULL);
    *coordinator = (struct weir_coordinator){.controller = controller};
    weir_group_claims_init(&coordinator->claims);
}
