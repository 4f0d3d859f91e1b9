/* Planted bug: a classic group that becomes a consumer group forgets what its members have. */
#include "broker/coordinator/group/consumer_protocol.h"

int __real_weir_consumer_assignment_decode(struct weir_slice assignment,
                                           const struct weir_metadata_image *image,
                                           struct weir_arena *arena,
                                           struct weir_partition_set *assigned_out);
int __wrap_weir_consumer_assignment_decode(struct weir_slice assignment,
                                           const struct weir_metadata_image *image,
                                           struct weir_arena *arena,
                                           struct weir_partition_set *assigned_out);

int __wrap_weir_consumer_assignment_decode(struct weir_slice assignment,
                                           const struct weir_metadata_image *image,
                                           struct weir_arena *arena,
                                           struct weir_partition_set *assigned_out)
{
    int rc = __real_weir_consumer_assignment_decode(assignment, image, arena, assigned_out);
    if (rc == 0) assigned_out->count = 0;
    return rc;
}
