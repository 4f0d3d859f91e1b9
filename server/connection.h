#ifndef WEIR_SERVER_CONNECTION_H
#define WEIR_SERVER_CONNECTION_H

#include "base/address.h"
#include "server/write_queue.h"

/**
 * A client's connection: frames come in, requests stand in line, answers go out in the line's
 * order.
 *
 *   accepted ──> awaiting ──bytes are there──> reading ──┬─ whole frames: into the line ─┐
 *                 ^    ^                          ^       ├─ a part of one ──────────────┘
 *                 │    └──────────────────────────┼───────┘ (a large one: to its place)
 *                 └───────room again────────── paused <── a bound is reached (line, output, memory)
 *
 *   awaiting, reading, paused ──the peer's end, a bad frame, the server closes──> ending:
 *           nothing more is read, what is in the line is answered and sent
 *   all of them ──reset, a deadline, nothing left to say──> closed: the socket is gone
 *
 * Bounds, each with what happens when it is reached:
 *   line          max.in.flight.requests.per.connection   reading pauses
 *   output        WEIR_UNSENT_MAX bytes of memory, or          reading pauses, nothing begins
 *                 WEIR_UNSENT_ANSWERS_MAX answers
 *   frames        queued.max.request.bytes of the shard    reading pauses until others are done; when
 *                                                          that takes long, those that stand still
 *                                                          are closed, the oldest first
 *   records       queued.max.response.bytes of the shard   records are sent from files
 *   large answers four with their handlers, and 32 MiB     those who ask for more wait
 *                 unsent, of the shard
 *   a frame       socket.request.max.bytes                 the connection ends
 *   its arrival   less than 64 KiB a second over           the connection is closed
 *                 request.read.timeout.ms
 *   a send        response.write.timeout.ms                the connection is closed
 *   silence       connections.max.idle.ms                  the connection is closed
 *
 * Memory follows what has arrived: a frame gets room for all of its bytes at once only if it is
 * small, or not much larger than one that the connection has sent before; else room grows fourfold
 * as it fills (RELIABILITY.md N1, N2).
 *
 * Thread: its part's.
 */
enum weir_connection_state {
    WEIR_CONNECTION_AWAITING, /* an await is under way; no buffer is held */
    WEIR_CONNECTION_READING,  /* a read is under way, into the head or the frame */
    WEIR_CONNECTION_PAUSED,   /* nothing is under way */
    WEIR_CONNECTION_ENDING,
    WEIR_CONNECTION_CLOSED,
};

enum {
    WEIR_HEAD_SIZE = 64 * 1024,
    WEIR_TRUST_FIRST = 16 * 1024,  /* room that a frame gets at once: the first on a connection */
    WEIR_TRUST_SMALL = 128 * 1024, /* those after it */
    WEIR_UNSENT_MAX = 1024 * 1024,
    WEIR_UNSENT_ANSWERS_MAX = 64,
    WEIR_CONNECTION_MAGIC = 0x636f6e6e,
};

/* Where bytes arrive; lent to a connection while it has some. */
struct weir_head {
    size_t from;
    size_t size; /* of all that was read; from..size is still to be taken in */
    uint8_t bytes[WEIR_HEAD_SIZE];
};

/* The frame that is arriving. */
struct weir_incoming {
    uint8_t prefix[4];
    size_t prefix_size;
    size_t size;               /* what the prefix said; 0: it is not whole yet */
    struct weir_shared *frame; /* NULL: no room was given yet */
    /* What had arrived when; by then plus request.read.timeout.ms there must be much more, or all
     * of it. 0: nothing of it is there. */
    struct weir_mono seen_at;
    size_t seen_size;
};

/* Requests in order of arrival, up to the first that is not answered. */
struct weir_request_line {
    struct weir_request_context *first;
    struct weir_request_context *last;
    struct weir_request_context *next_to_begin; /* NULL: all have begun */
    int32_t count;
};

/* First in, first out; by `next_ready`, `next_waiting` or `next_large`. */
struct weir_connection_list {
    struct weir_connection *first;
    struct weir_connection *last;
};

struct weir_connection {
    uint32_t magic;
    enum weir_connection_state state;
    struct weir_server_part *part;
    struct weir_socket *socket;
    struct weir_host_port local; /* what the client came in by */
    int64_t id;
    struct weir_connection *next; /* of the part's */
    struct weir_connection *previous;
    struct weir_connection *next_ready; /* in the part's list of those with something to do */
    struct weir_connection *next_waiting;
    struct weir_connection *next_large;
    bool is_ready;
    bool is_waiting;     /* for room for a frame */
    bool waits_large;    /* for others' large answers */
    bool has_large_turn; /* it has been let out of that line, and has not begun yet */
    struct weir_mono waits_since;
    struct weir_mono last_active;
    struct weir_mono end_by; /* ending: then it is closed, whatever is left */

    struct weir_head *head;
    struct weir_incoming incoming;
    size_t trust;     /* bytes of a frame that get room before they are there */
    size_t last_size; /* of the last whole frame */
    struct weir_request_line line;
    struct weir_connection_keep keep; /* a handler's */

    struct weir_write_queue output;
    struct weir_send *send; /* under way; NULL: none */
    struct weir_mono write_deadline;
};

/** Take the socket over; NULL when memory is out (the socket is the caller's then). */
struct weir_connection *weir_connection_new(struct weir_server_part *part,
                                            struct weir_socket *socket);
/** Cut it off: everything it holds is released, handlers hear that it is gone. The pointer is
 * dead. */
void weir_connection_close(struct weir_connection *connection);
/** The peer has sent what cannot be answered: logged, counted, and it ends. */
void weir_connection_refuse(struct weir_connection *connection, const char *reason);
/** Read nothing more; answer what is in the line, send it, then close. */
void weir_connection_end(struct weir_connection *connection);
/** The invariants of one that is not closed, those that cost nothing to look at; at each of its turns. */
void weir_connection_check(const struct weir_connection *connection);
/** It has something to do at the end of this turn. */
void weir_connection_make_ready(struct weir_connection *connection);
/** Begin, answer, send, read on: what can be done now. The connection may be gone afterwards. */
void weir_connection_run(struct weir_connection *connection);
/** A move to another state; one that is not in the drawing is our mistake. */
void weir_connection_set_state(struct weir_connection *connection,
                               enum weir_connection_state state);
/** Its earliest deadline. */
struct weir_mono weir_connection_deadline(const struct weir_connection *connection);
/** Close it if a deadline has passed; true: it is gone. */
bool weir_connection_expire(struct weir_connection *connection, struct weir_mono now);

/* ---- taking in (take_in.c) ------------------------------------------------------------------- */

/** Take frames out of what has arrived, then wait for more, or pause. True if a request came of
 * it. */
bool weir_connection_take_in(struct weir_connection *connection);
/** Give back head and frame; nothing is being read. */
void weir_connection_release_input(struct weir_connection *connection);
/** When the frame that is arriving is looked at. */
struct weir_mono weir_connection_frame_deadline(const struct weir_connection *connection);
/** Look: has enough of it come since the last time? */
bool weir_connection_frame_moves(struct weir_connection *connection, struct weir_mono now);
/** Too much that is not sent: nothing more is taken in or begun. */
static inline bool weir_connection_is_clogged(const struct weir_connection *connection)
{
    return connection->output.memory_bytes > WEIR_UNSENT_MAX ||
           connection->output.count >= WEIR_UNSENT_ANSWERS_MAX;
}

/* ---- room for frames (frame_room.c) ---------------------------------------------------------- */

/** `size` more bytes for its frame. False: there is no room, and it waits for some. */
bool weir_connection_charge(struct weir_connection *connection, size_t size);
/** It has got its room, or is going. */
void weir_connection_leave_waiting(struct weir_connection *connection);

/* ---- the line (request_line.c) --------------------------------------------------------------- */

/** A whole frame (taken): it stands in line from now on. False: it cannot be one of ours, and the
 * connection ends. */
bool weir_connection_add_request(struct weir_connection *connection, struct weir_shared *frame);
/** Begin what may begin and queue what is answered, in order. */
void weir_connection_run_line(struct weir_connection *connection);
/** All of them leave the line: handlers hear that nobody waits any more, what has not begun never
 * will. */
void weir_connection_abandon_line(struct weir_connection *connection);
/** Nobody waits for long: what is parked is to be answered now. */
void weir_connection_cancel_parked(struct weir_connection *connection);

#endif
