#ifndef WEIR_CLIENT_MEMBER_PARTITIONS_H
#define WEIR_CLIENT_MEMBER_PARTITIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "weir/types.h"

/**
 * Partitions by their topics' ids: a set, as a sorted array. What has to be computed of two sets is computed into
 * room that was reserved before, so that nothing fails halfway.
 */
struct weir_member_partition {
    struct weir_uuid topic_id;
    int32_t partition;
};

struct weir_member_partitions {
    struct weir_member_partition *rows; /* in order of topic id and number, none twice */
    size_t count;
    size_t capacity;
};

/** Room for `count` in all; WEIR_NO_MEMORY leaves it as it was. */
int weir_member_partitions_reserve(struct weir_member_partitions *set, size_t count,
                                   struct weir_budget *budget);
void weir_member_partitions_close(struct weir_member_partitions *set);
/** Bring rows that were written in any order in order, and drop those that stand there twice. */
void weir_member_partitions_sort(struct weir_member_partitions *set);
/** `to` becomes what `of` has and `without` has not, in room that `to` has. `to` is none of the two. */
void weir_member_partitions_subtract(struct weir_member_partitions *to,
                                     const struct weir_member_partitions *of,
                                     const struct weir_member_partitions *without);
/** Drop from `set` what `other` has. */
void weir_member_partitions_remove(struct weir_member_partitions *set,
                                   const struct weir_member_partitions *other);
/** Add to `set`, in its room, what `other` has; none of it is in `set`. */
void weir_member_partitions_add(struct weir_member_partitions *set,
                                const struct weir_member_partitions *other);
bool weir_member_partitions_have(const struct weir_member_partitions *set,
                                 struct weir_member_partition partition);
/** In order, none twice. */
bool weir_member_partitions_are_sound(const struct weir_member_partitions *set);

#endif
