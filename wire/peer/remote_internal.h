#ifndef WEIR_WIRE_PEER_REMOTE_INTERNAL_H
#define WEIR_WIRE_PEER_REMOTE_INTERNAL_H

#include "wire/peer/remote.h"

/**
 * What the parts of a connection share: remote_life.c says when it ends, remote_send.c what goes out,
 * remote_answer.c takes in what comes back, and remote.c is the door.
 *
 * Every callback may close the remote. So whoever calls one is between enter and leave, and the memory
 * goes when the last of them has left.
 */
enum weir_remote_state {
    WEIR_REMOTE_CONNECTING,
    WEIR_REMOTE_NEGOTIATING,
    WEIR_REMOTE_OPEN,
    WEIR_REMOTE_LOST,
};

enum { WEIR_REMOTE_API_KEYS = 128 }; /* of which versions are remembered */

struct weir_version_range {
    int16_t min;
    int16_t max; /* below min: the server does not know the request */
};

struct weir_remote_calls {
    struct weir_remote_call *first;
    struct weir_remote_call *last;
};

struct weir_remote {
    struct weir_remote_options options; /* `address` and `client_id` are copies */
    enum weir_remote_state state;
    int depth; /* callbacks of ours that are running */
    bool is_closed;
    struct weir_socket *socket;
    struct weir_arena arena; /* of the answer at hand */
    struct weir_remote_call negotiation;
    struct weir_version_range versions[WEIR_REMOTE_API_KEYS];

    uint32_t next_correlation_id;              /* any number will do that no call under way has */
    struct weir_remote_calls waiting;          /* for their answers, oldest first */
    struct weir_remote_calls unanswered;       /* no answer comes; their bytes are pending */
    struct weir_remote_calls unanswered_going; /* their bytes are being sent */
    struct weir_buffer pending;
    struct weir_buffer sending;
    struct weir_iovec part; /* what is being written of `sending` */
    bool is_writing;

    struct weir_buffer in; /* read and not yet answered */
};

/* ---- remote_life.c --------------------------------------------------------------------------- */

/** To another state: one that the table allows. */
void weir_remote_move(struct weir_remote *remote, enum weir_remote_state to);
void weir_remote_add(struct weir_remote_calls *calls, struct weir_remote_call *call);
/** The oldest of the calls, NULL if there is none. */
struct weir_remote_call *weir_remote_take(struct weir_remote_calls *calls);
/** They are over, with `rc`. Entered. */
void weir_remote_fail_calls(struct weir_remote *remote, struct weir_remote_calls *calls, int rc);
void weir_remote_enter(struct weir_remote *remote);
void weir_remote_leave(struct weir_remote *remote);
/** False once it is lost or closed. */
bool weir_remote_is_alive(const struct weir_remote *remote);
/** The connection is over: calls under way hear of it, then the owner. */
void weir_remote_lose(struct weir_remote *remote, int rc, const struct weir_error *error);
/** What holds between the fields while nobody is inside. */
void weir_remote_check(const struct weir_remote *remote);
/** Its memory goes; nobody is inside, and it has no socket. */
void weir_remote_free(struct weir_remote *remote);

/* ---- remote_send.c --------------------------------------------------------------------------- */

/** The versions of a request that both sides know. */
struct weir_version_range weir_remote_range(const struct weir_remote *remote,
                                            const struct weir_message_type *request);
/** Encode a call and send it; on failure nothing of it is sent. */
int weir_remote_send(struct weir_remote *remote, struct weir_remote_call *call, int16_t version,
                     struct weir_error *error);
int weir_remote_ask_versions(struct weir_remote *remote, int16_t version, struct weir_error *error);
/** Requests may be sent, and the owner hears of it. */
void weir_remote_set_open(struct weir_remote *remote);

/* ---- remote_answer.c ------------------------------------------------------------------------- */

/** Wait for more of a frame of `needed` bytes, or for the next ones. */
int weir_remote_read(struct weir_remote *remote, size_t needed, struct weir_error *error);

#endif
