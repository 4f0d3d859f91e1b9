#ifndef WEIR_BROKER_CONTROLLER_OFFLINE_STEP_H
#define WEIR_BROKER_CONTROLLER_OFFLINE_STEP_H

#include <stdbool.h>

/**
 * Which partitions are offline: the pure part of how the controller keeps what shards tell it of
 * one. It does no I/O and reads no clock: an event goes in, and the update says what is to be done.
 * offline_partitions.c does it.
 *
 *             told that it is offline,
 *           ┌──────── and kept ──────────> offline ─┐
 *           │                                 ^     │ told that it is online; its topic is gone
 *   online ─┤                      it is kept │     │
 *      ^    └─told, and there is no memory─> unkept │
 *      └───────told that it is online; its topic is gone
 *
 * A partition goes offline once and comes back once, in the log and in the count, however often
 * that is told. What could not be kept is neither said nor counted yet: its shard has told and will
 * not again, so the news waits here until there is memory, the newest of each partition. News of a
 * topic that is gone is none.
 */
enum weir_offline {
    WEIR_OFFLINE_ONLINE,
    WEIR_OFFLINE_UNKEPT,
    WEIR_OFFLINE_KEPT,
};

enum weir_offline_event_type {
    WEIR_OFFLINE_IS_TOLD,      /* a shard says that it is offline */
    WEIR_OFFLINE_OVER_IS_TOLD, /* a shard has opened it, whole */
    WEIR_OFFLINE_TURN,         /* there may be memory; only while it is unkept */
    WEIR_OFFLINE_WAS_KEPT,     /* it is in the set; or `rc`: there was no memory */
    WEIR_OFFLINE_TOPIC_GONE,   /* deleted */
};

struct weir_offline_event {
    enum weir_offline_event_type type;
    bool is_stale; /* the topic of the news is gone */
    int rc;
};

/** What is to be done, from top to bottom. */
struct weir_offline_update {
    bool drops_older;  /* the news of it that waits */
    bool keeps;        /* put it into the set, for WEIR_OFFLINE_WAS_KEPT */
    bool lets_go;      /* take it out of the set */
    bool says_offline; /* a line in the log */
    bool says_online;  /* a line in the log */
    bool waits;        /* the news waits for memory; else it is over */
};

/**
 * Take an event.
 *
 * Errors:  none of its own; a move that the drawing does not have ends the program.
 * Owns:    `update` is written whole.
 * Thread:  shard 0's.
 */
void weir_offline_step(enum weir_offline *state, const struct weir_offline_event *event,
                       struct weir_offline_update *update);
/** "online", "unkept", "offline". */
const char *weir_offline_name(enum weir_offline state);

#endif
