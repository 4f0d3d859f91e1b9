#ifndef WEIR_SERVER_SERVER_INTERNAL_H
#define WEIR_SERVER_SERVER_INTERNAL_H

#include "base/env/socket.h"
#include "base/metrics.h"
#include "server/answer.h"
#include "server/connection.h"
#include "server/context.h"
#include "server/peer_counts.h"
#include "server/server.h"
#include "server/server_config.h"

/** What the files of this folder share: the server and its parts. */

enum {
    WEIR_API_COUNT_MAX = 64, /* rows of the table of requests, at most */
    WEIR_POOL_KEEP = 64,     /* free objects of a kind that a part keeps */
};

/* Says a thing once a second at most, and how often it was not said. */
struct weir_log_gate {
    struct weir_mono open_at;
    int64_t unsaid;
};

/* Contexts are used again with the arenas they have, unless those are large. */
struct weir_context_pool {
    struct weir_budget *budget;
    struct weir_request_context *free;
    size_t kept;
};

/* Of one kind of request, on one part. */
struct weir_api_meter {
    struct weir_counter requests;
    struct weir_counter errors;
    struct weir_histogram latency_us; /* from the last byte to the answer, without parked time */
};

/* One writer, the part; anyone reads. */
struct weir_part_metrics {
    struct weir_counter accepted;
    struct weir_counter refused;
    struct weir_counter killed;
    struct weir_counter open;
    struct weir_counter requests;
    struct weir_counter request_bytes;
    struct weir_counter response_bytes;
    struct weir_counter in_flight;
    struct weir_counter parked;
    struct weir_counter frame_bytes; /* of requests that are under way or arriving */
    struct weir_api_meter apis[WEIR_API_COUNT_MAX];
};

/**
 * What a shard does for the server: its listener, its connections, and what they share. Set up,
 * run and closed on the shard's thread.
 *
 *   new ──set up──> open ──told to close──> closing ──last request answered──> closed
 *    └───cannot listen────────────────────────────────────────────────────────────^
 */
enum weir_part_state { WEIR_PART_NEW, WEIR_PART_OPEN, WEIR_PART_CLOSING, WEIR_PART_CLOSED };

struct weir_server_part {
    struct weir_server *server;
    struct weir_broker *broker;
    struct weir_env *env;
    struct weir_actor *actor;
    const struct weir_server_config *config;
    int32_t shard;
    _Atomic int state; /* enum weir_part_state; the part's thread writes */
    struct weir_message message;
    int rc; /* of the set-up, and why */
    struct weir_error error;

    struct weir_listener *listener;
    struct weir_connection *connections;
    struct weir_connection_list ready;         /* have something to do at the end of the turn */
    struct weir_connection_list waiting;       /* for room for a frame, in the order they came */
    struct weir_connection_list waiting_large; /* to begin what has a large answer */
    int32_t large_count;                       /* of these, with a handler */
    int64_t last_connection_id;
    struct weir_mono sweep_at; /* no deadline of a connection passes before */
    struct weir_mono close_at; /* closing: what is still open then is cut off */
    int64_t contexts_out;      /* with a handler */
    int64_t reports_out;       /* of files that have ended too early, with the partitions */

    struct weir_budget budget; /* contexts, answers, heads; frames are the environment's, for the
                                  log may keep them when the server is gone */
    struct weir_context_pool contexts;
    struct weir_answer_pool answers;
    struct weir_pool heads;
    struct weir_pool sends;
    struct weir_part_sessions sessions;
    struct weir_log_gate refusals;
    struct weir_log_gate kills;
    struct weir_log_gate refused_requests;
    struct weir_part_metrics metrics;
};

struct weir_server {
    struct weir_broker *broker;
    struct weir_env *env;
    struct weir_server_config config;
    char address[WEIR_ADDRESS_SIZE];
    struct weir_host_port listening;
    struct weir_host_port advertised; /* host empty: none */
    struct weir_server_part *parts;
    int32_t part_count;
    int32_t parts_set_up; /* those that must be closed */
    _Atomic int64_t connection_count;
    int64_t connections_max; /* max.connections, or what the log leaves of the descriptors */
    struct weir_peer_counts peers;
};

/** Of a zeroed part, which is large (histograms) and mostly untouched. */
void weir_part_init(struct weir_server_part *part, struct weir_server *server, int32_t shard);
/** Handles the message that has a part listen, and the one that has it close. */
void weir_part_set_up(struct weir_message *message);
void weir_part_close(struct weir_message *message);
/** When its state is closed, by anyone: free what it kept. */
void weir_part_free(struct weir_server_part *part);
static inline enum weir_part_state weir_part_state(const struct weir_server_part *part)
{
    return (enum weir_part_state)atomic_load_explicit(&part->state, memory_order_acquire);
}

/** Log that a connection was refused or killed, unless that was said within the last second. */
void weir_part_log(struct weir_server_part *part, struct weir_log_gate *gate, const char *event,
                   const char *peer, const char *reason);
/** Not later than `deadline` the part looks at all deadlines. */
static inline void weir_part_sweep_by(struct weir_server_part *part, struct weir_mono deadline)
{
    if (deadline.ns < part->sweep_at.ns) part->sweep_at = deadline;
}

/** The file of a range has ended before the range: its partition looks for what is missing (short_range.c). */
void weir_part_report_short(struct weir_server_part *part, const struct weir_log_range *range);

/** A frame's bytes are no longer held for a request: whoever waits for room has another look. */
void weir_part_return_frame(struct weir_server_part *part, struct weir_shared *frame);
/** If somebody has waited for room for long: close who holds some and stands still. */
void weir_part_relieve(struct weir_server_part *part, struct weir_mono now);

/** May the next in its line, whose answer may be large, begin? Else the connection stands in line for it. */
bool weir_connection_may_begin_large(struct weir_connection *connection);
/** It is not in that line any more, if it was. */
void weir_connection_leave_large(struct weir_connection *connection);
/** Where there is room, make the first in line ready; false: nobody waits, or there is none. */
bool weir_part_wake_large(struct weir_server_part *part);

/** Contexts, taken and given back. NULL when memory is out. */
void weir_context_pool_init(struct weir_context_pool *pool, struct weir_budget *budget);
void weir_context_pool_close(struct weir_context_pool *pool);
struct weir_request_context *weir_context_take(struct weir_server_part *part);
void weir_context_give(struct weir_request_context *context);

#endif
