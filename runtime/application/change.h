#ifndef WEIR_RUNTIME_APPLICATION_CHANGE_H
#define WEIR_RUNTIME_APPLICATION_CHANGE_H

#include "runtime/application/look.h"

/**
 * What a reset, a release and an adoption are made of: a hold on the application, and writes that are durable when
 * they return. Thread: one that may block.
 */

/** No job of the application runs, and none begins, while this is held. Zeroed: nothing is. */
struct weir_app_hold {
    struct weir_log *log;
    struct weir_group_claim claim;
    const char *state_path; /* DIR/state/<application> */
    bool has_state;         /* that folder is there */
    struct weir_file *held; /* itself, locked, if so; NULL: it cannot be */
    struct weir_file *lock; /* its file 'lock', as well */
};

/**
 * `state_dir` NULL: the log's own, DIR/state. Texts are in `arena`, which lives as long as the hold.
 * Errors: WEIR_LOCKED, and says by what; WEIR_NO_MEMORY; those of files.
 */
int weir_app_hold_take(struct weir_app_hold *hold, struct weir_log *log, struct weir_arena *arena,
                       const char *id, const char *state_dir, struct weir_error *error);
void weir_app_hold_drop(struct weir_app_hold *hold);

/** One batch in the group of the application, which is its own behind it; or is given back, if `releases`. */
struct weir_app_commit {
    const struct weir_offset_entry *entries;
    size_t entry_count;
    bool releases;
};
int weir_app_commit(struct weir_app_hold *hold, const struct weir_app *app,
                    const struct weir_app_commit *commit, struct weir_error *error);

/** The topic of the application's records, if there is none yet. */
int weir_app_make_records_topic(struct weir_app_hold *hold, const struct weir_app *app,
                                struct weir_error *error);
/** One batch of records: the application has committed, and has chosen nothing; `forgets`: and has no internal topic
 * and reads nothing again. `end_out`: where their topic ends then. */
int weir_app_write_records(struct weir_app_hold *hold, const struct weir_app *app, bool forgets,
                           int64_t *end_out, struct weir_error *error);
/** A topic of this id; fine if it is gone. */
int weir_app_delete_topic(struct weir_app_hold *hold, const char *name, struct weir_uuid id,
                          struct weir_error *error);

#endif
