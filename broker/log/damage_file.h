#ifndef WEIR_BROKER_LOG_DAMAGE_FILE_H
#define WEIR_BROKER_LOG_DAMAGE_FILE_H

#include "base/env/env.h"

/**
 * `damage`: what is known to be wrong with a partition, in its folder, so that neither a proper stop
 * nor a loss of power makes anybody forget it. While the file is there the log is offline from `from`
 * on and nothing of it is cut; `weir log repair` takes it away. Text, docs/format/log.md.
 *
 * Written for what lies in a file and was read wrong; not for files that are missing, which are seen
 * again at each open and may be put back.
 */
#define WEIR_DAMAGE_FILE_NAME "damage"

enum { WEIR_DAMAGE_REASON_SIZE = 192 };

struct weir_damage {
    int64_t from;          /* the first offset that is not served */
    int64_t end;           /* the log's end when it was found; -1: not known */
    struct weir_wall time; /* when it was found */
    char reason[WEIR_DAMAGE_REASON_SIZE];
};

/** Errors: WEIR_NOT_FOUND (nothing is known), WEIR_CORRUPT, WEIR_UNSUPPORTED_VERSION, WEIR_IO,
 * WEIR_NO_MEMORY. */
int weir_damage_file_read(struct weir_env *env, struct weir_budget *budget, const char *directory,
                          struct weir_damage *damage_out, struct weir_error *error);
/** Durable on return. */
int weir_damage_file_write(struct weir_env *env, const char *directory,
                           const struct weir_damage *damage, struct weir_error *error);
/** Durable on return; fine if it is not there. */
int weir_damage_file_remove(struct weir_env *env, const char *directory, struct weir_error *error);

#endif
