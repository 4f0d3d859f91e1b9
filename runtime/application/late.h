#ifndef WEIR_RUNTIME_APPLICATION_LATE_H
#define WEIR_RUNTIME_APPLICATION_LATE_H

#include "runtime/application/app.h"

/** What an operator has dropped as late, by what its tasks have committed of it. */
struct weir_app_late {
    const char *operator_name; /* as commits call it, docs/format/commit.md: "store:hours" */
    int64_t records;
    int64_t late_max_ms;
    int64_t grace_enough_ms;
};

/** Those that have dropped some, each once, in the order of the commit's entries; in the application's arena.
 * WEIR_NO_MEMORY. */
int weir_app_find_late(const struct weir_app *app, struct weir_app_late **late_out,
                       size_t *count_out, struct weir_error *error);

#endif
