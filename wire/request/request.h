#ifndef WEIR_WIRE_REQUEST_REQUEST_H
#define WEIR_WIRE_REQUEST_REQUEST_H

#include "base/env/env.h"
#include "weir/error.h"
#include "weir/types.h"

struct weir_shard;
struct weir_partition;

/**
 * What every request to a log begins with: a struct of the asker's that travels to whoever answers, is
 * filled in and comes back. Nothing is copied and nothing allocated for it. From the call that sends it
 * until `done` runs it is the answerer's; so is what its slices and pointers lead to.
 *
 * `done` runs exactly once, on `reply_to`'s thread (NULL: on whichever thread answers; it must be short and
 * must not block there), and from then on the struct is the asker's again.
 */
struct weir_request {
    struct weir_message message; /* first: it is posted there and back */
    struct weir_actor *reply_to;
    void (*done)(struct weir_request *request);
    void *context; /* the asker's */
    int rc;
    struct weir_error error; /* says why if `rc` is negative */
    struct weir_uuid
        topic_id;         /* asked: WEIR_UNKNOWN_TOPIC_ID unless it is the topic's; zero: any */
    _Atomic bool is_done; /* for weir_request_wait */
    /* Of whoever answers, while it is on its way; nobody else's. */
    union {
        struct weir_shard *shard; /* the engine's */
        void *answerer;           /* anyone else's */
    };
    struct weir_slice topic; /* the engine's, as the rest */
    int32_t partition;
    bool may_create;
    bool may_gather; /* it may wait for the end of its turn, with others like it */
    void (*stage)(struct weir_partition *partition, struct weir_request *request);
    /* Instead of it where the partition's folder has never been made, and is not for this; NULL: it is made. */
    void (*unmade)(struct weir_partition *partition, struct weir_request *request);
    void (*arrive)(struct weir_message *message);
    bool (*before_reply)(struct weir_request *request); /* true: not yet, somebody else will */
};

struct weir_topic_partition {
    struct weir_slice topic;
    int32_t partition;
};

/**
 * Ask and wait, for threads that may block: `begin` before the request is sent, `wait` after it. The two
 * take `reply_to`, `done` and `context`.
 * Errors: WEIR_WRONG_THREAD on an actor's thread: then the request must not be sent. Wait returns the
 *         request's rc and copies its error; WEIR_CRASHED in the simulator: the request is gone.
 */
int weir_request_wait_begin(struct weir_env *env, struct weir_request *request,
                            struct weir_error *error);
int weir_request_wait(struct weir_env *env, struct weir_request *request, struct weir_error *error);

#endif
