#ifndef WEIR_BROKER_COORDINATOR_GROUP_PARTITION_OWNERS_H
#define WEIR_BROKER_COORDINATOR_GROUP_PARTITION_OWNERS_H

#include "base/map.h"
#include "broker/coordinator/group/partition_set.h"

struct weir_consumer_member;

/**
 * Which member has a partition: what it has been given and what it has to give up but may still read. A
 * partition has one owner at most; that is what a group is for.
 */
struct weir_owned_topic {
    struct weir_uuid id;
    struct weir_consumer_member **members; /* by partition, `capacity` of them; NULL: free */
    int32_t capacity;
    int32_t count; /* partitions that are owned */
};

struct weir_partition_owners {
    struct weir_budget *budget;
    struct weir_map topics; /* struct weir_owned_topic by id */
};

void weir_partition_owners_init(struct weir_partition_owners *owners, struct weir_budget *budget);
void weir_partition_owners_close(struct weir_partition_owners *owners);

/** NULL: it is free. */
struct weir_consumer_member *weir_partition_owner(const struct weir_partition_owners *owners,
                                                  struct weir_uuid topic_id, int32_t partition);
/** The partitions, which are free, are the member's.
 * Errors: WEIR_NO_MEMORY; WEIR_EXISTS: one of them is somebody's. Some may be the member's then. */
int weir_partition_owners_take(struct weir_partition_owners *owners,
                               const struct weir_partition_set *set,
                               struct weir_consumer_member *member);
/** They are free; all of them were the member's. */
void weir_partition_owners_release(struct weir_partition_owners *owners,
                                   const struct weir_partition_set *set,
                                   const struct weir_consumer_member *member);
/** Of all topics together. */
size_t weir_partition_owners_count(const struct weir_partition_owners *owners);

#endif
