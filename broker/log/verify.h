#ifndef WEIR_BROKER_LOG_VERIFY_H
#define WEIR_BROKER_LOG_VERIFY_H

#include "base/env/env.h"

/**
 * Read a whole partition and check it, without a lock and without changing a byte: every header and
 * crc, dense offsets, epochs that do not fall, what the durable mark says, and each index entry
 * against the batch that it names.
 */
enum weir_verify_kind {
    WEIR_VERIFY_DAMAGE, /* data is wrong or gone, or known to have been: the log is offline */
    WEIR_VERIFY_TAIL,   /* bytes above the mark that are no whole batch: the next open cuts them, if
                           the machine does not start anew before it */
    WEIR_VERIFY_TAIL_OR_ROT, /* the same, and a whole batch but for its crc, or with whole ones behind it:
                                the next open says so, and keeps the bytes that it cuts */
    WEIR_VERIFY_HINT,        /* an index, snapshot or text file is wrong: it comes back by itself */
};

struct weir_verify_finding {
    enum weir_verify_kind kind;
    const char *file;
    int64_t offset; /* of the first record concerned; -1: none in particular */
    const char *text;
};
typedef void (*weir_verify_fn)(void *context, const struct weir_verify_finding *finding);

struct weir_verify_summary {
    int64_t start_offset;
    int64_t end_offset; /* behind the last whole batch */
    int64_t batch_count;
    int64_t record_count;
    int64_t size_bytes;
    int32_t segment_count;
    int32_t damage_count;
    int32_t tail_count; /* those that may be rot with them */
    int32_t rot_count;
    int32_t hint_count;
    bool had_mark;
};

/** Findings are results, not errors. Errors: WEIR_NOT_FOUND, WEIR_NO_MEMORY, WEIR_IO. `each` may be
 * NULL. Any thread. */
int weir_partition_log_verify(struct weir_env *env, const char *path, weir_verify_fn each,
                              void *context, struct weir_verify_summary *summary_out,
                              struct weir_error *error);

#endif
