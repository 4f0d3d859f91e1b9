#ifndef WEIR_BROKER_ENGINE_SERVING_H
#define WEIR_BROKER_ENGINE_SERVING_H

#include "base/env/env.h"
#include "weir/error.h"

/**
 * Whether the log directory is served, and what a close has to wait for.
 *
 *     serving ──a write or a sync has failed──> offline ──┐
 *        └─────────────────────close──────────────────────┴──> closing ──nothing in flight──> closed
 *
 * Both moves are final. They are flags and not one state, for an offline directory is closed too, and
 * its close has to know. This is a leaf: partitions, the flush group and the controller all tell it of a
 * failed disk, and it knows none of them. Who has to act hears of a move by a message of its own, which
 * it listened with (Kafka: LogDirFailureChannel).
 */
struct weir_serving_listener {
    struct weir_serving_listener *next;
    struct weir_actor *const
        *actor;                  /* where it is kept: it starts after the listener has been added */
    struct weir_message closing; /* each is posted once, holds, and is released by its handler */
    struct weir_message offline;
};

struct weir_serving {
    struct weir_env *env;
    const char *path;          /* the data directory's, for messages; the engine's memory */
    const char *log_path;      /* the log directory's */
    _Atomic int64_t in_flight; /* requests, and work that is out: what a close waits for */
    _Atomic bool is_closing;
    _Atomic bool is_offline; /* a sync has failed: nothing is served any more */
    struct weir_serving_listener *first;
    struct weir_serving_listener *last;
};

/** Borrows both paths for as long as it lives. Nothing is in flight. */
void weir_serving_init(struct weir_serving *serving, struct weir_env *env, const char *path,
                       const char *log_path);
/** Before any actor runs. The handlers of both messages are set; they release. */
void weir_serving_listen(struct weir_serving *serving, struct weir_serving_listener *listener);

/* The rest: any thread. */

/** Something is on its way; a close waits until it is released. */
void weir_serving_hold(struct weir_serving *serving);
/** It has arrived. The engine may be gone on return, if it was the last and a close waits. */
void weir_serving_release(struct weir_serving *serving);
/** Hold for something that nobody has asked for. False once a close has seen everything end: then
 * it must not begin. (A close is told to each shard by a message that holds; so a shard that has
 * not heard of it yet may still begin things.) */
bool weir_serving_try_hold(struct weir_serving *serving);
/** The reason why nothing is served now: WEIR_CLOSED, WEIR_OFFLINE or 0. */
int weir_serving_check(const struct weir_serving *serving, struct weir_error *error);
/** A disk has failed: say so once, and have every listener hear of it. */
void weir_serving_go_offline(struct weir_serving *serving, const struct weir_error *reason);
/** Let nothing new in, have every listener hear of it, and wait until nothing is in flight. Blocks.
 * Errors: those of weir_wait; then it may be called again, and waits for the same. */
int weir_serving_drain(struct weir_serving *serving, struct weir_error *error);

#endif
