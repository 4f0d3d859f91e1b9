#ifndef WEIR_CLI_LOG_FOLDER_H
#define WEIR_CLI_LOG_FOLDER_H

#include "base/env/env.h"

/**
 * What `weir log` is pointed at: one partition's folder, or a data directory with many. Looked at
 * without a server, without a lock, without changing a byte.
 */
typedef int (*log_folder_fn)(void *context, const char *path, const char *name,
                             struct weir_error *error);

/**
 * Call `each` with the path and the name of every partition's folder; a negative return ends the walk
 * and is returned. WEIR_NOT_FOUND and WEIR_INVALID_ARGUMENT say what `path` is instead.
 */
int log_folder_each(struct weir_env *env, const char *path, log_folder_fn each, void *context,
                    struct weir_error *error);

#endif
