#ifndef WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_PROTOCOL_H
#define WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_PROTOCOL_H

#include "broker/coordinator/group/partition_set.h"
#include "broker/metadata/metadata_image.h"

/**
 * What consumers of the classic protocol say to one another through the coordinator (protocol type "consumer"): two
 * bytes of version, and a message of it. Of a version that is not known the fields of the newest known one are read.
 * Topics have names there; partitions of topics that are not there are left out.
 */
#define WEIR_CONSUMER_PROTOCOL_TYPE "consumer"

struct weir_consumer_subscription {
    int16_t version;
    const struct weir_slice *topic_names; /* in order, each once */
    size_t topic_name_count;
    struct weir_partition_set owned; /* before version 1 nothing */
    struct weir_slice rack_id;       /* null: not said */
};

/** Texts are those of `metadata`, the rest lies in the arena. WEIR_CORRUPT, WEIR_NO_MEMORY. */
int weir_consumer_subscription_decode(struct weir_slice metadata,
                                      const struct weir_metadata_image *image,
                                      struct weir_arena *arena,
                                      struct weir_consumer_subscription *subscription_out);
/** An assignment, as a set in the arena; an empty one is nothing. WEIR_CORRUPT, WEIR_NO_MEMORY. */
int weir_consumer_assignment_decode(struct weir_slice assignment,
                                    const struct weir_metadata_image *image,
                                    struct weir_arena *arena, struct weir_partition_set *set_out);
/** The other way, in this version or the newest known one. WEIR_NO_MEMORY. */
int weir_consumer_assignment_encode(const struct weir_partition_set *set,
                                    const struct weir_metadata_image *image, int16_t version,
                                    struct weir_arena *arena, struct weir_slice *assignment_out);

#endif
