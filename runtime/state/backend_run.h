#ifndef WEIR_RUNTIME_STATE_BACKEND_RUN_H
#define WEIR_RUNTIME_STATE_BACKEND_RUN_H

#include "runtime/state/backend.h"

/**
 * The backend of a state while it is small: a sorted run in memory, kept in one file, `rows`; and from when
 * it has outgrown that on, the database of the kind below. A job over a thousand partitions of few
 * keys each opens no database at all: one of RocksDB's takes some 200 KB resident, 10 ms of CPU and 50 ms of
 * syncs to make, and 7 ms for each flush.
 *
 *            write: more than rows_bytes_max
 *   rows ─────────────────────────────────────> database
 *        <─────────────────────────────────────
 *            open: at most half as many
 *
 * What a crash keeps is what any backend keeps: a prefix of the write batches, at least those before the
 * last flush that was waited for.
 */
struct weir_run_backend_options {
    const struct weir_backend_kind *database;
    const char *folder;    /* has `rows` in it; is there, and outlives the backend */
    size_t rows_bytes_max; /* a larger run goes to the database */
};

/**
 * Open what is there: `rows`, or the database that `options` are about, or nothing. Errors: as
 * weir_backend_kind.open. Borrows both until the close, texts included.
 *
 * Thread:  one that may block on a disk. The backend's calls: as backend.h has it, and what changes rows
 *          may block on a disk too.
 */
int weir_run_backend_open(const struct weir_run_backend_options *run,
                          const struct weir_backend_options *options,
                          struct weir_backend *backend_out, struct weir_error *error);
/** Remove what a closed one has kept; fine if there is nothing. */
int weir_run_backend_wipe(const struct weir_backend_kind *database, struct weir_env *env,
                          const char *folder, const char *database_path, struct weir_error *error);

#endif
