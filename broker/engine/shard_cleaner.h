#ifndef WEIR_BROKER_ENGINE_SHARD_CLEANER_H
#define WEIR_BROKER_ENGINE_SHARD_CLEANER_H

#include "broker/log/cleaning.h"
#include "wire/request/log_requests.h"

/**
 * A shard's compaction: one pass at a time. What it does is in partition_cleaning.c; this is what it has, for the
 * shard's struct.
 */
struct weir_partition;

enum weir_cleaner_state {
    WEIR_CLEANER_IDLE,
    WEIR_CLEANER_ROLLS, /* asked for: the active segment is ended, the log is with a worker */
    WEIR_CLEANER_RUNS,  /* a slice is with a worker */
    WEIR_CLEANER_RESTS, /* until the next slice may be read, or the partition is free for a swap */
    WEIR_CLEANER_SWAPS, /* wanted, or the log is with a worker */
};

struct weir_shard_cleaner {
    enum weir_cleaner_state state;
    struct weir_partition *partition; /* whose pass it is; NULL: idle */
    struct weir_log_cleaning cleaning;
    bool has_begun; /* there is something in `cleaning` */
    bool gives_up;  /* when the slice is back, or the swap */
    struct weir_work work;
    struct weir_mono slice_began;
    int64_t slice_bytes; /* read and written before it */
    struct weir_mono rests_until;
    struct weir_mono look_at;             /* for who is due */
    struct weir_partition *listed;        /* those that have changed since they were looked at */
    struct weir_compact_request *request; /* whose pass it is; NULL: nobody's */
    struct weir_compact_request *waiting_first; /* linked by message.next */
    struct weir_compact_request *waiting_last;
    bool is_stopped; /* nothing begins any more */
    /** The partition is to be closed: whatever is here of it goes, or is given up with its slice. */
    void (*leave)(struct weir_partition *partition);
};

#endif
