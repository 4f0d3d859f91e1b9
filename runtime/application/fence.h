#ifndef WEIR_RUNTIME_APPLICATION_FENCE_H
#define WEIR_RUNTIME_APPLICATION_FENCE_H

#include "base/arena.h"
#include "weir/error.h"

struct weir_log;

/**
 * What the application's last job has left open is aborted, and what it was committing is committed: nothing of its
 * transactions changes any more. For who holds the application. Thread: one that may block.
 */
int weir_app_end_transactions(struct weir_log *log, struct weir_arena *arena, const char *id,
                              struct weir_error *error);

#endif
