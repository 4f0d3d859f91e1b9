#include "broker/coordinator/group_owner.h"

#include "base/error.h"
#include "broker/coordinator/coordinator.h"
#include "broker/coordinator/group/group_text.h"
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
    return weir_error_set(
        error, WEIR_GROUP_OWNED,
        "group '%.*s' belongs to the stream application '%.*s', and only its jobs "
        "move it: read under a group of another name, move it with 'weir app reset', or have it "
        "given back with 'weir app release'",
        WEIR_GROUP_SHOWN(group), WEIR_GROUP_SHOWN(group));
}

int weir_group_owner_check_commit(const struct weir_offsets_partition *offsets,
                                  struct weir_slice group, struct weir_slice member_id,
                                  int32_t generation, struct weir_error *error)
{
    const struct weir_committed_group *committed = weir_offsets_image_group(&offsets->image, group);
    bool is_owner = committed != NULL && committed->is_application && member_id.size > 0 &&
                    weir_slice_equal(committed->owner.member_id, member_id);
    if (!is_owner) return weir_group_owner_check(offsets, group, error);
    if (committed->owner.generation == generation) return 0;
    return weir_error_set(error, WEIR_ILLEGAL_GENERATION,
                          "group '%.*s' is in generation %d of its application's runs, and the "
                          "commit is of generation %d: another run has taken it",
                          WEIR_GROUP_SHOWN(group), committed->owner.generation, generation);
}
