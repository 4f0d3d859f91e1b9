#ifndef WEIR_RUNTIME_APPLICATION_RELEASE_H
#define WEIR_RUNTIME_APPLICATION_RELEASE_H

#include "runtime/application/plan.h"

/**
 * A release: the application gives its group back, and a Kafka Streams application of the same id, or any
 * consumer, goes on from the inputs' positions.
 *
 * First what lies in the internal topics beyond the commit is cut, and of repartition topics what is processed, so
 * that whoever reads them whole sees what the commit says and nothing twice. Then one batch gives the group back.
 * Killed before that batch, all is as it was: the next start, or the next release, finds the same commit.
 */
int weir_app_release(struct weir_app_hold *hold, const struct weir_app *app,
                     struct weir_error *error);

/**
 * An adoption: a group that somebody else has committed to becomes the application's own, at the same positions.
 * State is not taken over: the next start of a program with stores says that they are new, and is told by
 * .on_mismatch whether they are filled from the inputs or begin empty.
 *
 * First the group is taken as it is, which is refused while it has members. Then the topics that `deletes` names go:
 * those of a Kafka Streams application that lie where the program's own would be. The topic of the application's
 * records is made and says that the application has committed, and one batch makes the offsets its own. Until then a
 * start says that they are somebody else's, and the next adoption goes on.
 */
struct weir_app_adoption {
    const struct weir_start_topic *const *deletes;
    size_t delete_count;
};
int weir_app_adopt(struct weir_app_hold *hold, const struct weir_app *app,
                   const struct weir_app_adoption *adoption, struct weir_error *error);

#endif
