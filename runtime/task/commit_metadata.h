#ifndef WEIR_RUNTIME_TASK_COMMIT_METADATA_H
#define WEIR_RUNTIME_TASK_COMMIT_METADATA_H

#include "base/arena.h"
#include "runtime/task/timers.h"
#include "weir/error.h"

/**
 * What a commit says of an input partition besides its offset; base64 of
 *
 *   0 version u8 = 1     1 partition time i64     9 end offset i64     17 timers u32
 *   then for each stream-time timer: node i32, id i32, next tick i64
 *
 * The end offset is that of a repartition partition, which the job both reads and writes (-1 for
 * others): one entry of the group is there for each partition, so both marks travel in it. Timers
 * are those of the task and stand with its first input. Source: docs/format/commit.md.
 */
struct weir_commit_metadata {
    int64_t partition_time_ms; /* -1: none */
    int64_t end_offset;        /* -1: not ours to write */
    const struct weir_timer_progress *timers;
    size_t timer_count;
};

/** Text in `arena`; null (and a failed arena) when memory is out. */
struct weir_slice weir_commit_metadata_encode(const struct weir_commit_metadata *metadata,
                                              struct weir_arena *arena);
/** WEIR_CORRUPT, WEIR_UNSUPPORTED_VERSION, WEIR_NO_MEMORY. An empty text is {-1, -1}. */
int weir_commit_metadata_decode(struct weir_slice text, struct weir_arena *arena,
                                struct weir_commit_metadata *metadata_out,
                                struct weir_error *error);

#endif
