#ifndef WEIR_BROKER_ENGINE_FLUSH_GROUP_H
#define WEIR_BROKER_ENGINE_FLUSH_GROUP_H

#include "base/env/env.h"
#include "base/metrics.h"
#include "weir/error.h"

struct weir_partition;
struct weir_shard;

/**
 * Group commit of one shard: whatever became dirty while a flush was on its way shares the next
 * one, and one flush at a time is on its way. A few dirty logs are synced one by one; from
 * WEIR_FLUSH_FILE_SYSTEM_FROM on, one sync of the whole file system costs less. Measured on ext4, 8
 * KB dirty per file, fdatasync each against one syncfs: 2 files 1.2 ms, 0.9 ms; 4 files 6.8 ms, 1.7
 * ms; 64 files 41 ms, 2.2 ms; 1000 files 582 ms, 23 ms. It is not 2, for syncfs also waits for what
 * other programs have written. A log whose folder is a link to another file system, or a mount of one, is
 * synced by itself all the same.
 *
 * A failed sync is final: the log directory goes offline, nothing is tried again. A shortage is no
 * failed sync: the data is synced without a mark, and the next flush tries to write that again.
 *
 *     append ──> dirty list ──turn ends──> in flight (worker) ──> acks answered, fetches woken
 *
 * With flush.policy=os nobody waits: such partitions join the dirty list after a delay.
 * Thread: the shard's.
 */
enum { WEIR_FLUSH_FILE_SYSTEM_FROM = 4, WEIR_FLUSH_OS_DELAY_MS = 1000 };

struct weir_flush_group {
    struct weir_work work;
    struct weir_shard *shard;
    struct weir_file
        *anchor; /* what a sync of the file system is asked of: open since before the first
                                 write, and this shard's own, so that each failure since is told once
                                 to it (syncfs(2)) */
    uint64_t
        device; /* which one that is: a partition's folder may lie on another (weir_file_stat) */
    struct weir_partition *dirty_first; /* linked by flush_next */
    struct weir_partition *dirty_last;
    struct weir_partition *flight_first; /* what the worker has */
    size_t flight_count;
    bool is_in_flight;
    struct weir_partition *lazy_first; /* flush.policy=os, linked by flush_next */
    struct weir_mono lazy_at;
    struct weir_mono began;
    struct weir_counter flushes;
    struct weir_histogram duration_us;
};

void weir_flush_group_init(struct weir_flush_group *group, struct weir_shard *shard);
/** Before anything is written. A shortage, WEIR_IO. */
int weir_flush_group_open(struct weir_flush_group *group, struct weir_error *error);
void weir_flush_group_close(struct weir_flush_group *group);
/** The partition's log has something above its durable offset. */
void weir_flush_group_add(struct weir_flush_group *group, struct weir_partition *partition);
/** The partition leaves (it is to be closed, and not in flight). */
void weir_flush_group_remove(struct weir_flush_group *group, struct weir_partition *partition);
/** At the end of a turn: start a flush if there is something to flush and none in flight. Returns
 * how many partitions it took. */
int weir_flush_group_run(struct weir_flush_group *group, struct weir_mono now);
/** When `run` has something to do by itself. */
struct weir_mono weir_flush_group_deadline(const struct weir_flush_group *group);

#endif
