#ifndef WEIR_RUNTIME_JOB_COMMIT_OFFSETS_H
#define WEIR_RUNTIME_JOB_COMMIT_OFFSETS_H

#include "runtime/job/commit_kind.h"
#include "wire/request/log_requests.h"

/**
 * The offsets of an application's group, read as its last commit: docs/format/commit.md. Pure; for the jobs, and
 * for who looks at an application from outside.
 */
struct weir_commit_offsets {
    const char *records_topic; /* the application's own: its entry says that the commit is ours */
    const struct weir_offset_entry *entries;
    size_t entry_count;
};

/** Entries lie in the call's arena; marks and producer ids, which live as long as a job, in `memory`. WEIR_NO_MEMORY;
 * WEIR_UNSUPPORTED_VERSION of what names the run. */
int weir_commit_offsets_read(const struct weir_commit_offsets *offsets, struct weir_arena *memory,
                             struct weir_commit_recover *recover, struct weir_error *error);

#endif
