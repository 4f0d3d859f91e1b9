#ifndef WEIR_BROKER_ENGINE_METADATA_OWNER_H
#define WEIR_BROKER_ENGINE_METADATA_OWNER_H

#include "base/env/env.h"
#include "weir/error.h"

struct weir_partition;

/**
 * What the engine asks of who owns the metadata, where it is to change: once per topic, opening, cut or
 * damage and never per record. (What it only wants to know it looks up: metadata_view.h.) The
 * controller answers; the engine does not know it. A question is asked on the partition's own shard, travels
 * to shard 0 in memory that is the partition's or the owner's, and its answer arrives on the partition's
 * shard again, behind the version that shows the change. While one is out the partition stays: in a state
 * that only the answer ends.
 *
 *     partition's shard ──create, assign, raise_epoch──> shard 0: image, log ──answer──> partition's shard
 */

/** A topic that is to be made, for somebody writes to this partition of it. */
struct weir_auto_create {
    struct weir_message message; /* the owner's, while the question is out */
    struct weir_partition *partition;
    int rc;
    struct weir_error error;
};

/** News that a partition's folder has been made. */
struct weir_assign {
    struct weir_message message; /* the owner's, while the news is out */
    struct weir_assign *next;    /* likewise */
    struct weir_partition *partition;
    int rc;
    struct weir_error error;
};

/** What has become of weir_metadata_owner_ops.raise_epoch; `error` says why if `rc` is negative. */
struct weir_epoch_raised {
    int rc;
    int32_t leader_epoch;
    const struct weir_error *error;
};
typedef void (*weir_epoch_raised_fn)(struct weir_partition *partition,
                                     const struct weir_epoch_raised *raised);

struct weir_metadata_owner_ops {
    /** Answered by weir_auto_create_answer: the topic is there, or has been; or why it cannot be. */
    void (*create)(void *impl, struct weir_auto_create *create);
    /** Answered by weir_assign_answer, once the metadata says durably that the partition is there. */
    void (*assign)(void *impl, struct weir_assign *assign);
    /** Raise the partition's leader epoch, durably; then `raised` runs. WEIR_NO_MEMORY: it will not. */
    int (*raise_epoch)(void *impl, struct weir_partition *partition, weir_epoch_raised_fn raised);
    /** The partition is offline from an offset on (-1: all of it). `reason`: for a person.
     * WEIR_NO_MEMORY: it has not been told. */
    int (*tell_offline)(void *impl, struct weir_partition *partition, int64_t from_offset,
                        const char *reason);
    /** It is open and whole. */
    void (*tell_online)(void *impl, struct weir_partition *partition);
    /** The owner's part of a turn of shard 0; how much it did. Lowers `wake_at` to when what it holds
     * back now is due. The shard's part comes after it and may leave the owner more to do: so `deadline`
     * is asked too, at the end. */
    int (*run_once)(void *impl, struct weir_mono now, struct weir_mono *wake_at);
    /** When it wants a turn, as things are at the end of one. */
    struct weir_mono (*deadline)(void *impl, struct weir_mono now);
};

struct weir_metadata_owner {
    const struct weir_metadata_owner_ops *ops;
    void *impl;
};

#endif
