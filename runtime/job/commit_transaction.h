#ifndef WEIR_RUNTIME_JOB_COMMIT_TRANSACTION_H
#define WEIR_RUNTIME_JOB_COMMIT_TRANSACTION_H

#include "runtime/job/commit_kind.h"

/** The transactional id of an application's job, of its transaction `index`; docs/format/commit.md. NULL: no memory. */
const char *weir_commit_transactional_id(struct weir_arena *memory, const char *application_id,
                                         size_t index);

#endif
