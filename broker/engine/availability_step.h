#ifndef WEIR_BROKER_ENGINE_AVAILABILITY_STEP_H
#define WEIR_BROKER_ENGINE_AVAILABILITY_STEP_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Whether a partition is there, and who is told: the pure part of what its shard does when
 * something fails. It does no I/O and reads no clock: an event goes in, and the update says what is
 * to be done. What is wrong with a log the log decides (broker/log/fault_step.h); which partitions
 * are offline the controller keeps (broker/controller/offline_step.h).
 *
 *   opening ──opened whole──> online ──damage is read──> damaged ──told──> offline
 *      │ │                                               ^    │
 *      │ └──opened, damaged from some offset on──────────┤    │ no memory: whoever looks
 *      │                                                 └────┘ next has it told
 *      └──cannot be opened──> gone
 *
 * Offline or damaged, what lies below the damage is served. A partition that cannot be opened is
 * gone from its shard, and the next request that wants it tries again: so a missing folder that was
 * put back comes back by itself, and the open that finds it whole is what lifts it. Damage is
 * lifted by nothing but an open.
 *
 * A shortage makes nothing offline. A sync that failed takes the whole log directory offline, for
 * it may have dropped pages of any file; that of a log whose folder is gone speaks of this log
 * alone, which is damaged from then on where it is durable.
 */
enum weir_availability {
    WEIR_AVAILABILITY_OPENING,
    WEIR_AVAILABILITY_ONLINE,
    WEIR_AVAILABILITY_DAMAGED, /* and the controller does not know */
    WEIR_AVAILABILITY_OFFLINE, /* damaged, and the controller knows */
    WEIR_AVAILABILITY_GONE,
};

enum weir_availability_event_type {
    WEIR_AVAILABILITY_OPENED,     /* it is to be served; damaged from `offline_from` on, if >= 0 */
    WEIR_AVAILABILITY_NOT_OPENED, /* `rc` */
    WEIR_AVAILABILITY_LOOKED, /* something was read of the log, or has failed: `offline_from` now */
    WEIR_AVAILABILITY_TOLD,   /* the controller will hear that it is offline; or `rc` */
    WEIR_AVAILABILITY_SYNC_FAILED, /* `rc`: could not begin, or has failed */
    WEIR_AVAILABILITY_WORK_FAILED, /* a cut, a trim or retention: `rc` */
};

struct weir_availability_event {
    enum weir_availability_event_type type;
    int64_t offline_from;
    int rc;
};

/** What is to be done, from top to bottom. */
struct weir_availability_update {
    bool adds_remedy; /* to the error: what was there is not, and what a person can do about it */
    bool fails_directory; /* nothing of the whole log directory is served any more */
    bool tells_offline;   /* the controller, for WEIR_AVAILABILITY_TOLD */
    int64_t offline_from; /* from here on; -1: all of it */
    bool tells_online;    /* the controller */
    bool answers_fetches; /* those that wait for data: nothing more comes */
    bool answers_acks;    /* those that wait for the flush: it will not be */
};

/**
 * Take an event.
 *
 * Errors:  none of its own; a move that the drawing does not have ends the program.
 * Owns:    `update` is written whole.
 * Thread:  the partition's shard's.
 */
void weir_availability_step(enum weir_availability *state,
                            const struct weir_availability_event *event,
                            struct weir_availability_update *update);
/** "opening", "online", … */
const char *weir_availability_name(enum weir_availability state);

#endif
