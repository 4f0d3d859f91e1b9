#ifndef WEIR_RUNTIME_STATE_SORTED_RUN_H
#define WEIR_RUNTIME_STATE_SORTED_RUN_H

#include "base/buffer.h"
#include "runtime/state/backend.h"

/**
 * A sorted run: rows in order of their keys, each key once, in one block of shared bytes that never
 * changes, and that is byte for byte the file it is kept in (docs/format/state.md, "rows"). Pure: nothing
 * here reads or writes a file.
 *
 * What changes is made anew: a run and a batch of writes give another run. So whoever holds a reference
 * reads on, in any thread, while the next one is made.
 */
struct weir_sorted_run_row {
    struct weir_slice key;
    struct weir_slice value; /* never null */
};

enum { WEIR_SORTED_RUN_HEADER_SIZE = 32 };
/** What a run without rows takes, and what a row takes beside its key and value. */
static const size_t weir_sorted_run_size_min = WEIR_SORTED_RUN_HEADER_SIZE;
static const size_t weir_sorted_run_row_overhead = 3 * sizeof(uint32_t);

/** Rows without a key in this range: `prefix`, and a segment of time below `segment`. 0: none. */
struct weir_sorted_run_dead {
    uint16_t prefix;
    uint64_t segment;
};

/**
 * The rows of `run` (NULL: none) without the dead ones, changed by `writes`: a null value deletes, and of two
 * writes of a key the later one stands. One reference to it.
 *
 * Errors:  WEIR_NO_MEMORY; WEIR_TOO_LARGE: it would be 4 GiB.
 * Owns:    borrows all of it until return.
 * Thread:  any.
 */
int weir_sorted_run_merge(struct weir_budget *budget, const struct weir_shared *run,
                          struct weir_sorted_run_dead dead, const struct weir_backend_write *writes,
                          size_t count, struct weir_shared **run_out, struct weir_error *error);
/**
 * What a merge would give is what `bytes` are: header, checksum, order and places of the rows.
 * WEIR_CORRUPT if not; nothing else here may be called with them then.
 */
int weir_sorted_run_check(const struct weir_shared *bytes, struct weir_error *error);

size_t weir_sorted_run_count(const struct weir_shared *run);
/** `index` is below the count; the slices live as long as the run. */
struct weir_sorted_run_row weir_sorted_run_at(const struct weir_shared *run, size_t index);
/** The first row at or after `key`, in order of bytes; the count if there is none. */
size_t weir_sorted_run_seek(const struct weir_shared *run, struct weir_slice key);

#endif
