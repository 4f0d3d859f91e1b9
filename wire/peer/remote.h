#ifndef WEIR_WIRE_PEER_REMOTE_H
#define WEIR_WIRE_PEER_REMOTE_H

#include "base/env/socket.h"
#include "wire/error_codes.h"
#include "wire/message.h"

/**
 * A client's connection to one Kafka server, on an actor: requests go out in order, answers come back
 * in order. For the command line, the benchmarks and the simulator's clients.
 *
 *   connecting ──> negotiating (ApiVersions) ──> open ──┐
 *       │ └────────────skips_versions────────────^      │
 *       └───────────────────error───────────────────────┴──> lost
 *
 * Negotiating comes twice where the server refuses the version of the question. A close may come in any
 * state and ends it.
 * Thread: the actor's; callbacks come there, never from within the call that asked for them.
 */
struct weir_remote;

struct weir_remote_options {
    struct weir_actor *actor;
    struct weir_budget *budget;
    const char *address;
    const char *client_id;
    bool skips_versions;      /* no ApiVersions: each request says its version */
    size_t response_size_max; /* 0: 128 MiB */
    /** Open (0), or refused or lost (a code, with its text): then never again, and every request under
     * way has been answered with that code before. */
    void (*changed)(void *context, int rc, const struct weir_error *error);
    void *context;
};

int weir_remote_open(const struct weir_remote_options *options, struct weir_remote **remote_out,
                     struct weir_error *error);
/** At once; nothing is called any more. NULL is fine. */
void weir_remote_close(struct weir_remote *remote);

/** The highest version both sides have; -1 if there is none. Once open. */
int16_t weir_remote_version(const struct weir_remote *remote,
                            const struct weir_message_type *request);

/** A request on its way; the caller's memory until `done`. */
struct weir_remote_call {
    const struct weir_message_type *request_type;
    const struct weir_message_type
        *response_type;  /* NULL: no answer comes (acks=0), `done` at once */
    int16_t version;     /* -1: the highest both have */
    const void *request; /* encoded by the call */
    /* Where the answer's bytes and its struct are kept; NULL: in the connection's memory, until `done`
     * returns. Touched on the actor's thread while the call is under way. */
    struct weir_arena *arena;
    /** `response` is the struct of response_type; NULL with a negative `rc`, or if there is none. */
    void (*done)(struct weir_remote_call *call, int rc, const void *response);
    void *context;
    /* the connection's */
    struct weir_remote_call *next;
    int32_t correlation_id;
};
/** Errors: WEIR_UNSUPPORTED_VERSION, WEIR_INVALID_ARGUMENT (cannot be encoded), WEIR_CLOSED; then `done`
 * is not called. */
int weir_remote_call(struct weir_remote *remote, struct weir_remote_call *call,
                     struct weir_error *error);

#endif
