#ifndef WEIR_BROKER_ENGINE_FLUSH_GROUP_H
#define WEIR_BROKER_ENGINE_FLUSH_GROUP_H

#include "base/env/env.h"
#include "base/metrics.h"
#include "broker/engine/serving.h"
#include "broker/log/partition_log.h"
#include "weir/error.h"

/**
 * Group commit of one shard: whatever became dirty while a flush was on its way shares the next
 * one, and one flush at a time is on its way. Up to WEIR_FLUSH_FILE_SYSTEM_FROM dirty logs are synced each by
 * itself, all at once (weir_each), and share a commit of the file system's journal; so many and more
 * by one sync of the whole file system, which costs less then, but also waits for all that other programs have written.
 * Measured on ext4 beside a load that wrote too, p50 and p99 of 17 files that get 50 MB/s: one by one 20
 * and 129 ms, syncfs 7 and 68, sixteen at once 4 and 15 to 34. With 64 files the two are even, with 1000 syncfs takes a quarter.
 * A log whose folder is a link to another file system, or a mount of one, is synced by itself all the same.
 *
 * A failed sync is final: the log directory goes offline, nothing is tried again. A shortage is no
 * failed sync: the data is synced without a mark, and the next flush tries to write that again.
 *
 * With flush.policy=os nobody waits: such logs join the dirty list after a delay. How it works stands
 * in flush_group.c.
 * Thread: the shard's.
 */
enum { WEIR_FLUSH_FILE_SYSTEM_FROM = 33, WEIR_FLUSH_OS_DELAY_MS = 1000 };

/** What the group has of a partition: it is a member there, and in one list at most. */
struct weir_flush_entry {
    struct weir_flush_entry *next;
    struct weir_log_sync sync;
    bool is_listed;    /* dirty or lazy */
    bool is_in_flight; /* its sync is with the worker */
};

/** What the group asks of who owns the entries: once per log and flush. */
struct weir_flush_ops {
    /** Begin `entry->sync`. WEIR_END: the log is with somebody else now, ask again at the next turn. An
     * error is final and comes back to `refused`; it is no shortage. */
    int (*begin)(struct weir_flush_entry *entry);
    /** `begin` has failed with `rc`; the entry is in no list. */
    void (*refused)(struct weir_flush_entry *entry, int rc);
    /** The worker is through: end `entry->sync`. The entry is in no list, and may be added again. */
    void (*flushed)(struct weir_flush_entry *entry);
};

struct weir_flush_group {
    struct weir_work work; /* first */
    struct weir_serving *serving;
    struct weir_actor *const *actor; /* where the shard's is kept: it starts later */
    const struct weir_flush_ops *ops;
    struct weir_file
        *anchor; /* what a sync of the file system is asked of: open since before the first
                                 write, and this shard's own, so that each failure since is told once
                                 to it (syncfs(2)) */
    uint64_t
        device; /* which one that is: a partition's folder may lie on another (weir_file_stat) */
    struct weir_flush_entry *dirty_first;
    struct weir_flush_entry *dirty_last;
    struct weir_flush_entry *flight_first; /* what the worker has */
    size_t flight_count;
    bool is_in_flight;
    struct weir_flush_entry *lazy_first; /* flush.policy=os */
    struct weir_mono lazy_at;
    struct weir_mono began;
    struct weir_counter flushes;
    struct weir_histogram duration_us;
};

/** Borrows all three. */
void weir_flush_group_init(struct weir_flush_group *group, struct weir_serving *serving,
                           struct weir_actor *const *actor, const struct weir_flush_ops *ops);
/** Before anything is written. A shortage, WEIR_IO. */
int weir_flush_group_open(struct weir_flush_group *group, struct weir_error *error);
void weir_flush_group_close(struct weir_flush_group *group);
/** The entry's log has something above its durable offset; `is_lazy`: nobody waits for it. */
void weir_flush_group_add(struct weir_flush_group *group, struct weir_flush_entry *entry,
                          bool is_lazy);
/** The entry leaves (its log is to be closed, and not in flight). */
void weir_flush_group_remove(struct weir_flush_group *group, struct weir_flush_entry *entry);
/** At the end of a turn: start a flush if there is something to flush and none in flight. Returns
 * how many logs it took. */
int weir_flush_group_run(struct weir_flush_group *group, struct weir_mono now);
/** When `run` has something to do by itself. */
struct weir_mono weir_flush_group_deadline(const struct weir_flush_group *group);
/** Its invariants, those that cost nothing to look at. */
void weir_flush_group_check(const struct weir_flush_group *group);

#endif
