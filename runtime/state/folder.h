#ifndef WEIR_RUNTIME_STATE_FOLDER_H
#define WEIR_RUNTIME_STATE_FOLDER_H

#include "base/env/env.h"

/* Folders of a state. Threads: ones that may block on a disk. */

/** `path`, in a folder that is there; durable when it was made, so that a loss of power does not take away what was
 * synced in it. What is there stays. */
int weir_folder_add(struct weir_env *env, const char *path, struct weir_error *error);
/** `path` and every folder above it; what is there stays. */
int weir_folder_make(struct weir_env *env, const char *path, struct weir_error *error);
/** With all that is in it; fine if there is none. */
int weir_folder_remove(struct weir_env *env, const char *path, struct weir_error *error);
/** `path`/`name`, freed with weir_free; NULL when memory is out. */
char *weir_folder_join(struct weir_budget *budget, const char *path, const char *name);

#endif
