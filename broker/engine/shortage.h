#ifndef WEIR_BROKER_ENGINE_SHORTAGE_H
#define WEIR_BROKER_ENGINE_SHORTAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct weir_env;
struct weir_error;

/**
 * A full disk, and descriptors that are out, as a person hears of them: a line when it begins and a
 * line when it is over, not one per request that fails. It is over when something succeeds that
 * needs what was short, and nothing has failed for a second.
 */
struct weir_shortage {
    _Atomic bool is_on;
    _Atomic int64_t failed_at_ns;
};

enum { WEIR_SHORTAGE_SPACE, WEIR_SHORTAGE_DESCRIPTORS, WEIR_SHORTAGES };

struct weir_shortages {
    struct weir_env *env;
    const char *path; /* the data directory's, for messages */
    struct weir_shortage kinds[WEIR_SHORTAGES];
};

/** Borrows `path` for as long as it lives. */
void weir_shortages_init(struct weir_shortages *shortages, struct weir_env *env, const char *path);
/** How an append, an open or a removal went. Only what `needed_files` speaks of descriptors: without,
 * WEIR_LIMIT is a limit of the log's own, and a success shows nothing. Any thread; cheap if all is
 * well. */
void weir_shortages_note(struct weir_shortages *shortages, int rc, bool needed_files,
                         const struct weir_error *error);

#endif
