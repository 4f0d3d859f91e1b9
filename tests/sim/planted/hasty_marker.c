/* Planted bug: a marker counts as soon as it is in the log, durable or not. */
#include "broker/engine/delayed_produce.h"

void __real_weir_partition_hold_marker(struct weir_partition *partition,
                                       struct weir_write_marker_request *marker);
void __wrap_weir_partition_hold_marker(struct weir_partition *partition,
                                       struct weir_write_marker_request *marker);

void __wrap_weir_partition_hold_marker(struct weir_partition *partition,
                                       struct weir_write_marker_request *marker)
{
    marker->last_offset = -1;
    __real_weir_partition_hold_marker(partition, marker);
}
