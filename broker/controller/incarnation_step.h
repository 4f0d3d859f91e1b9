#ifndef WEIR_BROKER_CONTROLLER_INCARNATION_STEP_H
#define WEIR_BROKER_CONTROLLER_INCARNATION_STEP_H

#include <stdbool.h>

/**
 * What an open of the metadata writes before anything is served: the pure part. It does no I/O and
 * reads no clock: an event goes in, and the update says what is to be done. controller.c does it.
 *
 *               no records, and there never were,
 *            ┌──or there are, of an unclean stop───> writing ──durable──> serving
 *   restored ┼──there are, of a clean close───────────────────────────────^
 *            └──no records, and there were──> refused <──could not be written── (writing)
 *
 * A new incarnation (RegisterBroker) raises the leader epoch of every partition there is, by one
 * record: after an unclean stop, for tails may have been lost that somebody has read. The
 * metadata's own log is a partition too, whose epoch no record says: its log is told one more than
 * it had. Only once the record is durable is any partition opened, so no log hands out an epoch
 * that a crash could take back.
 */
enum weir_incarnation {
    WEIR_INCARNATION_RESTORED,
    WEIR_INCARNATION_WRITING,
    WEIR_INCARNATION_SERVING,
    WEIR_INCARNATION_REFUSED,
};

enum weir_incarnation_event_type {
    WEIR_INCARNATION_OPEN,    /* the image is what the log says */
    WEIR_INCARNATION_WRITTEN, /* durable and applied; or `rc` */
};

struct weir_incarnation_event {
    enum weir_incarnation_event_type type;
    bool has_records; /* the image has a feature level, which is the first of all records */
    bool were_some;   /* the directory says that there are */
    bool was_clean;   /* the last stop */
    int rc;
};

/** What is to be done, from top to bottom. */
struct weir_incarnation_update {
    bool refuses;            /* records are missing that were there */
    bool writes_feature;     /* the feature level, first */
    bool raises_own;         /* the metadata log's epoch, before anything is written under it */
    bool writes_incarnation; /* a new one; for WEIR_INCARNATION_WRITTEN */
};

/**
 * Take an event.
 *
 * Errors:  none of its own; a move that the drawing does not have ends the program.
 * Owns:    `update` is written whole.
 * Thread:  the one that opens, before the actors run.
 */
void weir_incarnation_step(enum weir_incarnation *state, const struct weir_incarnation_event *event,
                           struct weir_incarnation_update *update);
/** "restored", "writing", … */
const char *weir_incarnation_name(enum weir_incarnation state);

#endif
