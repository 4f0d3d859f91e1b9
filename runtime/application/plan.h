#ifndef WEIR_RUNTIME_APPLICATION_PLAN_H
#define WEIR_RUNTIME_APPLICATION_PLAN_H

#include "runtime/application/change.h"

/**
 * What may be done with an application that was looked at, and the commit that does it. Pure.
 *
 * Nothing is done while it is not clear what belongs to whom: an offset that somebody else has committed, a topic
 * that nothing of this application's names, a commit of a version that this Weir does not read.
 */

/** Where an input is to go on. */
struct weir_app_position {
    struct weir_topic_partition of;
    int64_t offset;
};

/** 0, or why not. WEIR_GROUP_ID_NOT_FOUND: there is no such application; WEIR_MISMATCH: first something else has to be done,
 * which the text names. One whose reset was begun may be reset: it goes on. */
int weir_app_check_reset(const struct weir_app *app, struct weir_error *error);
int weir_app_check_release(const struct weir_app *app, struct weir_error *error);
/** WEIR_EXISTS: the group is the application's own already. One whose adoption was begun may be adopted: it goes on. */
int weir_app_check_adopt(const struct weir_app *app, struct weir_error *error);

/**
 * The commits. Entries and their texts are in the application's arena. WEIR_NO_MEMORY.
 *
 * Of a reset, which is to name every partition of every input that is there: WEIR_INVALID_ARGUMENT. Its run says that
 * it has begun; weir_app_end_reset makes the commit of the one entry that says it has come to its end.
 */
int weir_app_plan_reset(const struct weir_app *app, const struct weir_app_position *positions,
                        size_t position_count, struct weir_app_commit *commit_out,
                        struct weir_error *error);
int weir_app_end_reset(const struct weir_app *app, int64_t records_end,
                       struct weir_app_commit *commit_out, struct weir_error *error);
/** The inputs' offsets as anybody would commit them, nothing of what is the application's own. */
int weir_app_plan_release(const struct weir_app *app, struct weir_app_commit *commit_out,
                          struct weir_error *error);
/** The inputs' offsets as the application's own: records below them are processed, in a time that Kafka Streams may
 * have written down. Nothing of repartition topics and of topics that are gone. */
int weir_app_plan_adopt(const struct weir_app *app, int64_t records_end,
                        struct weir_app_commit *commit_out, struct weir_error *error);

/** Records of a repartition topic that are not processed, in all its partitions. */
int64_t weir_app_unprocessed(const struct weir_start_topic *topic);

#endif
