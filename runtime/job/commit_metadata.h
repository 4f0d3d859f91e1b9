#ifndef WEIR_RUNTIME_JOB_COMMIT_METADATA_H
#define WEIR_RUNTIME_JOB_COMMIT_METADATA_H

#include "base/arena.h"
#include "runtime/task/read_batch.h"
#include "runtime/task/timers.h"
#include "weir/error.h"

/**
 * What a commit says of an input partition besides its offset; base64 of
 *
 *   0 0x57               1 version u8 = 3         2 partition time i64    10 end offset i64
 *  18 of the batch that was read last: base offset i64, last offset delta i32, count of records i32,
 *     crc u32; all 0: none is known
 *  38 count of marks u32, then for each: id i32, time i64, size of the name u16, name of the node
 *
 * Version 2, which an older Weir wrote, has no batch: its marks begin at 18.
 *
 * The end offset is that of a repartition partition, which the job both reads and writes (-1 for
 * others): one entry of the group is there for each partition, so both travel in it. Marks are
 * those of the task's nodes and stand with its first input. The first byte is there because other
 * systems put base64 into the metadata of their commits, too.
 *
 * The entry of the application's own topic names the run instead: the producer ids with which it
 * writes to internal topics; base64 of
 *
 *   0 0x57               1 version u8 = 2         2 count u32             6 producer ids i64
 *
 * Version 3 has the same bytes, and is of a reset that has come no further than its positions: until it is
 * gone on with the commit says nothing of the application's state, and no job begins from it. Version 4 is of a run whose
 * commits are transactions, 5 of one with several transactional ids; behind the producer ids, which it has written its
 * changelogs and repartition topics with,
 *
 *   count of its transactional ids u32
 *
 * Version 2 with producer ids is of a run of before: what it has not committed lies behind the committed ends, and
 * no marker makes it void.
 */
struct weir_commit_metadata {
    int64_t partition_time_ms; /* -1: none */
    int64_t end_offset;        /* -1: not ours to write */
    struct weir_read_batch read;
    const struct weir_node_mark *marks;
    size_t mark_count;
};

/** Text in `arena`; null (and a failed arena) when memory is out. */
struct weir_slice weir_commit_metadata_encode(const struct weir_commit_metadata *metadata,
                                              struct weir_arena *arena);
/** WEIR_CORRUPT (also: not ours), WEIR_UNSUPPORTED_VERSION, WEIR_NO_MEMORY. */
int weir_commit_metadata_decode(struct weir_slice text, struct weir_arena *arena,
                                struct weir_commit_metadata *metadata_out,
                                struct weir_error *error);

/**
 * The partition time that Kafka Streams commits: base64 of version u8 (1 or 2), time i64, and from version 2 on what
 * processors have committed. -1: there is none, or it is of something else.
 * Source: TopicPartitionMetadata of Kafka Streams.
 */
int64_t weir_commit_metadata_streams_time(struct weir_slice text, struct weir_arena *arena);

struct weir_commit_run {
    const int64_t *producer_ids;
    size_t count;
    size_t transaction_count; /* 0: it has none */
    bool is_reset_begun;
};
struct weir_slice weir_commit_run_encode(const struct weir_commit_run *run,
                                         struct weir_arena *arena);
/** As above. */
int weir_commit_run_decode(struct weir_slice text, struct weir_arena *arena,
                           struct weir_commit_run *run_out, struct weir_error *error);

#endif
