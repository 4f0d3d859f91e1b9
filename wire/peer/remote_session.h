#ifndef WEIR_WIRE_PEER_REMOTE_SESSION_H
#define WEIR_WIRE_PEER_REMOTE_SESSION_H

#include "base/arena.h"
#include "wire/message.h"

/**
 * A client's connection for a program's own thread: every call waits for its answer. It has an
 * environment, an actor and a weir_remote of its own.
 *
 *   open ──call, call, ...──> close        after a lost connection or a missed deadline every call is
 *                                          refused with the same code and text; open another
 *
 * Thread: one at a time, any but the library's own.
 */
struct weir_remote_session;

struct weir_remote_session_options {
    const char *address;      /* "127.0.0.1:9092", "[::1]:9092", "myhost"; a name is looked up */
    const char *client_id;    /* NULL: "weir" */
    int64_t timeout_ms;       /* of the opening and of each call; 0: 30 s */
    size_t response_size_max; /* 0: 128 MiB */
};

/**
 * Connect and ask for the versions. Of a host with several addresses the first that answers is taken.
 *
 * Errors: WEIR_INVALID_ARGUMENT (the address), WEIR_NOT_FOUND (no such host), WEIR_DISCONNECTED (refused, or closed before it
 *         answered), WEIR_TIMED_OUT, WEIR_CORRUPT (no Kafka server), WEIR_UNSUPPORTED_VERSION.
 */
int weir_remote_session_open(const struct weir_remote_session_options *options,
                             struct weir_remote_session **session_out, struct weir_error *error);
void weir_remote_session_close(struct weir_remote_session *session); /* NULL is fine */

/** For the arenas that answers are kept in. */
struct weir_budget *weir_remote_session_budget(struct weir_remote_session *session);
/** The numeric address that it is connected to: "127.0.0.1:9092". */
const char *weir_remote_session_address(const struct weir_remote_session *session);
/** The highest version both sides have; -1 if there is none. */
int16_t weir_remote_session_version(struct weir_remote_session *session,
                                    const struct weir_message_type *request);

struct weir_remote_question {
    const struct weir_message_type *request_type;
    const struct weir_message_type *response_type; /* NULL: no answer comes (acks=0) */
    const void *request;
    int16_t version_max;      /* 0: the highest both have */
    int64_t timeout_ms;       /* 0: the session's */
    struct weir_arena *arena; /* the answer's memory, its bytes included */
};

/**
 * Ask and wait. `response_out` is the struct of `response_type` in the question's arena, NULL if there
 * is none; what it says about errors is the caller's to read.
 *
 * Errors: WEIR_UNSUPPORTED_VERSION (not a version both have), WEIR_DISCONNECTED, WEIR_TIMED_OUT,
 *         WEIR_CORRUPT, WEIR_TOO_LARGE, WEIR_NO_MEMORY, WEIR_INVALID_ARGUMENT (cannot be encoded).
 */
int weir_remote_session_call(struct weir_remote_session *session,
                             const struct weir_remote_question *question, const void **response_out,
                             struct weir_error *error);

#endif
