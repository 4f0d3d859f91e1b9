#ifndef WEIR_RUNTIME_APPLICATION_RESET_H
#define WEIR_RUNTIME_APPLICATION_RESET_H

#include "runtime/application/plan.h"

/**
 * A reset: the inputs go on elsewhere, and the application begins there without state, as one that has never run.
 * Its group stays its own.
 *
 *     positions ──> topics ──> state ──> records ──> end
 *        │                                            │
 *        └ one commit: new positions of all inputs,   └ one commit: the run says so no more
 *          nothing of internal topics, and a run that
 *          says that a reset has begun
 *
 * Each step is durable before the next one. Up to the first commit nothing has changed. From then on a start is
 * refused whatever it chooses, until a reset has come to its end; one that finds the mark goes on behind it, with
 * the positions that are committed, for which positions the first one has chosen is not known elsewhere. So no job
 * ever counts on from state of before, nor state of before into new positions.
 */
struct weir_app_reset {
    struct weir_app_hold *hold;
    struct weir_app *app;
    const struct weir_app_position *positions; /* not looked at where a reset goes on */
    size_t position_count;
    /* given */
    size_t step;
    size_t topic; /* the next one to delete */
    int64_t records_end;
    bool
        has_kept_files; /* the state folder has something that is not the application's, and stays */
};

/** Set up one of an application that weir_app_check_reset lets pass, and that is held. */
void weir_app_reset_init(struct weir_app_reset *reset, struct weir_app_hold *hold,
                         struct weir_app *app, const struct weir_app_position *positions,
                         size_t position_count);
/** The next step: 1, there are more; 0, it is done. After an error the next reset goes on. */
int weir_app_reset_run_once(struct weir_app_reset *reset, struct weir_error *error);

#endif
