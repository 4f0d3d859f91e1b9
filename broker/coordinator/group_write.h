#ifndef WEIR_BROKER_COORDINATOR_GROUP_WRITE_H
#define WEIR_BROKER_COORDINATOR_GROUP_WRITE_H

#include "broker/coordinator/offsets_partition.h"
#include "wire/request/log_requests.h"

/**
 * Records of one group on their way: one batch, appended to the partition, flushed and only then folded into the
 * image (coordinator_log.h). What waits for a write is asked again when it has ended.
 * Thread: the partition's shard.
 */
struct weir_group_write {
    struct weir_coordinator_write write; /* first */
    struct weir_offsets_partition *offsets;
    struct weir_group_write *next; /* in the partition's list */
    struct weir_group_write *previous;
    struct weir_slice group;         /* whose; it lives until the write has ended */
    struct weir_request *held_first; /* asked again when it has ended; by message.next */
    struct weir_request *held_last;
    bool is_owning;                                /* it makes the group an application's */
    const struct weir_commit_request *transaction; /* it is in the one that this names, and pending
                                                      until that ends; NULL: in none */
    /**
     * Once, perhaps before the submit returns; the write's memory is its maker's again. As of a coordinator's write.
     */
    void (*ended)(struct weir_group_write *write, int rc, struct weir_error *error);
    bool is_durable;
};

/** A new batch, in place of what was added and not submitted. */
void weir_group_write_begin(struct weir_offsets_partition *offsets);
/** WEIR_NO_MEMORY, WEIR_TOO_LARGE. A null value takes back. */
int weir_group_write_add(struct weir_offsets_partition *offsets, struct weir_slice key,
                         struct weir_slice value, int64_t wall_ms);
/** What was added goes out; records of an update need not live any longer. After an error nothing has happened:
 * WEIR_NO_MEMORY, WEIR_TOO_LARGE. */
int weir_group_write_submit(struct weir_offsets_partition *offsets, struct weir_group_write *write);

/** The same with a batch that is made already; takes its reference. */
void weir_group_write_submit_batch(struct weir_offsets_partition *offsets,
                                   struct weir_group_write *write, struct weir_shared *batch);

/** Is anything of this group on its way? */
bool weir_group_write_is_under_way(const struct weir_offsets_partition *offsets,
                                   struct weir_slice group);
/** The request waits for the last write of this group, of which one is on its way, and is asked again when it has ended.
 * So each is asked as often as its own group was written to, whatever other groups do. */
void weir_group_write_hold(struct weir_offsets_partition *offsets, struct weir_slice group,
                           struct weir_request *request);
/** Answer all that wait with this. */
void weir_group_write_refuse_held(struct weir_offsets_partition *offsets, int rc, const char *text);
/** Does something that is on its way make it an application's? */
bool weir_group_write_is_owning(const struct weir_offsets_partition *offsets,
                                struct weir_slice group);

#endif
