#include "broker/coordinator/group_owner.h"

#include "base/error.h"
#include "broker/coordinator/coordinator.h"
#include "broker/coordinator/group_write.h"

bool weir_group_is_application(const struct weir_offsets_partition *offsets,
                               struct weir_slice group)
{
    return weir_offsets_image_is_application(&offsets->image, group) ||
           weir_group_write_is_owning(offsets, group);
}

bool weir_group_is_owned(const struct weir_offsets_partition *offsets, struct weir_slice group)
{
    return weir_group_is_application(offsets, group) ||
           weir_group_claims_has(&offsets->coordinator->claims, group);
}

int weir_group_owner_check(const struct weir_offsets_partition *offsets, struct weir_slice group,
                           struct weir_error *error)
{
    if (!weir_group_is_owned(offsets, group)) return 0;
    int size = (int)(group.size & 0xff);
    const char *name = (const char *)group.data;
    return weir_error_set(
        error, WEIR_GROUP_OWNED,
        "group '%.*s' belongs to the stream application '%.*s', and only its jobs "
        "move it: read under a group of another name, move it with 'weir app reset', or have it "
        "given back with 'weir app release'",
        size, name, size, name);
}
