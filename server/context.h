#ifndef WEIR_SERVER_CONTEXT_H
#define WEIR_SERVER_CONTEXT_H

#include "base/arena.h"
#include "base/metrics.h"
#include "broker/broker.h"
#include "wire/error_codes.h"
#include "wire/message.h"

/**
 * One request from its frame to its answer: what a handler is given. Made by the connection,
 * recycled when the answer has been queued. Everything here is touched on the connection's shard
 * only; answers of the engine come back there (set `request.reply_to = context->actor`).
 *
 *   reading ──frame whole──> waiting in line ──its turn──> handling ──reply──> answered
 *                                                             └─connection gone─> abandoned (the
 *                                                  handler ends as ever, its reply is dropped)
 */
struct weir_server_part;
struct weir_connection;
struct weir_answer;
struct weir_records_source;
struct weir_request_context;

enum weir_throttle_class { WEIR_THROTTLE_REQUEST, WEIR_THROTTLE_PRODUCE, WEIR_THROTTLE_FETCH };

/* What a request asks for, as ACLs will name it. */
enum weir_acl_operation {
    WEIR_ACL_NONE, /* anybody: ApiVersions */
    WEIR_ACL_READ,
    WEIR_ACL_WRITE,
    WEIR_ACL_CREATE,
    WEIR_ACL_DELETE,
    WEIR_ACL_ALTER,
    WEIR_ACL_DESCRIBE,
    WEIR_ACL_DESCRIBE_CONFIGS,
    WEIR_ACL_ALTER_CONFIGS,
    WEIR_ACL_CLUSTER_ACTION,
    WEIR_ACL_IDEMPOTENT_WRITE,
};
enum weir_acl_resource {
    WEIR_ACL_CLUSTER,
    WEIR_ACL_TOPIC,
    WEIR_ACL_GROUP,
    WEIR_ACL_TRANSACTIONAL_ID,
};

/* Where a response tells errors, for the metrics: in its own field, in a list's elements, or in the
 * lists of a list's elements, and once more. Sizes of 0: not there. */
struct weir_api_error_list {
    size_t data; /* offsets of pointer and count */
    size_t count;
    size_t item_size;
};
enum { WEIR_API_ERROR_LISTS = 3 };
struct weir_api_errors {
    struct weir_api_error_list
        lists[WEIR_API_ERROR_LISTS]; /* each within an element of the one before */
    size_t error_code;               /* in the innermost */
};

/** A row of the table (api_table.c): everything the server knows of a kind of request. */
struct weir_api {
    const struct weir_message_type *request;
    const struct weir_message_type *response;
    int16_t announced_min; /* Produce says 0 though it takes 3 (CLIENTS.md b) */
    enum weir_throttle_class throttle;
    bool is_large;    /* its answer is as large as what the server has (large_answers.c) */
    bool may_overlap; /* may begin while others of its kind before it are under way: Produce */
    void (*handle)(struct weir_request_context *context);
    struct weir_api_errors errors;
};
enum { WEIR_API_VERSIONS_KEY = 18 };
/** NULL: there is no such request here. */
const struct weir_api *weir_api_find(int16_t api_key);
/** All of them, in order of key. */
const struct weir_api *weir_api_at(size_t index, size_t *count_out);
size_t weir_api_index(const struct weir_api *api);
/** Is the version among those that are answered (not only announced)? */
bool weir_api_takes(const struct weir_api *api, int16_t version);
/** The first error that a response tells, for the metrics; 0: none. */
int16_t weir_api_error_of(const struct weir_api *api, const void *response);

struct weir_principal {
    struct weir_slice type; /* "User" */
    struct weir_slice name; /* "ANONYMOUS" */
};

struct weir_request_context {
    /* who and what */
    struct weir_server_part *part;
    struct weir_connection *connection; /* NULL once it is gone */
    struct weir_broker *broker;
    struct weir_actor
        *actor; /* of the connection's shard: reply_to of what is asked of the engine */
    const struct weir_api *api;
    int16_t version;
    int32_t correlation_id;
    struct weir_slice client_id; /* null: none */
    struct weir_principal principal;
    int32_t replica_id;       /* -1: a client (the only kind there is now) */
    struct weir_mono arrived; /* when the frame was whole */
    struct weir_mono deadline;
    /* memory: all of it until the answer is queued */
    struct weir_shared *frame; /* the request's bytes; decoded slices point into it */
    struct weir_arena arena;
    const void *request;    /* decoded: struct weir_<name>_request */
    struct weir_slice body; /* what it was decoded from */
    /* the handler's */
    void *state;
    /** The connection is gone or the server closes: cancel what is parked. The handler
     * still replies once. NULL: it is not worth it. */
    void (*abandon)(struct weir_request_context *context);
    /* the connection's */
    struct weir_request_context *next;
    struct weir_answer *answer; /* encoded, waiting for those before it; NULL: none (yet) */
    struct weir_budget budget;  /* of the arena */
    struct weir_records_source *sources;
    struct weir_mono parked_since;
    int64_t parked_ns;
    bool is_begun; /* its handler has been called */
    bool is_parked;
    bool is_answered;
    bool ends_connection; /* instead of an answer */
    bool is_too_new;      /* ApiVersions of a version that is not known here: not decoded */
};

/**
 * Where a response's records come from: memory, or a range of a segment's file. It lives in the
 * context's arena and is given to the context as soon as it holds references: they go out with the
 * answer, or are dropped with it, whatever happens.
 */
struct weir_records_source {
    const struct weir_log_part *parts;
    size_t part_count;
    struct weir_log_range range; /* `segment == NULL`: parts */
    size_t size;
    struct weir_records_source *next; /* the context's */
};
void weir_context_give_source(struct weir_request_context *context,
                              struct weir_records_source *source);

/**
 * Answer. `response` is the struct of context->api->response; it is encoded at once and not needed
 * afterwards. The context is gone on return.
 *
 * In the response's fields of type `records`, `.data` points to a struct weir_records_source (with
 * `.size` its size) if it is answered by `reply_records`; its bytes are sent from where they lie.
 * NULL data and size 0 are empty records.
 * An answer that cannot be encoded (out of memory) ends the connection.
 */
void weir_context_reply(struct weir_request_context *context, const void *response);
void weir_context_reply_records(struct weir_request_context *context, const void *response);
/** No answer at all (acks=0). */
void weir_context_reply_nothing(struct weir_request_context *context);
/** The request's sender has made a mistake that has no answer: log it and close the connection. */
void weir_context_reply_close(struct weir_request_context *context, const char *reason);

/**
 * It waits on purpose from now on, until it is answered or unparked: a fetch for data. Counted,
 * and left out of the request's time.
 */
void weir_context_park(struct weir_request_context *context);
void weir_context_unpark(struct weir_request_context *context);

/** May `principal` do this? Permits everything until there are ACLs; every handler asks. */
bool weir_authorize(const struct weir_request_context *context, enum weir_acl_operation operation,
                    enum weir_acl_resource resource, struct weir_slice name);

/** Who the client is, as Kafka writes a member's host: "/127.0.0.1". In the arena, null when that has failed. */
struct weir_slice weir_context_client_host(struct weir_request_context *context);
/** Say in the log why a request was refused, where its answer has a number alone: at most once a second. */
void weir_context_log_refusal(struct weir_request_context *context, const char *reason);

/** The address to put into answers: advertised, or what the client came in by. */
void weir_context_address(const struct weir_request_context *context, struct weir_slice *host_out,
                          int32_t *port_out);
/**
 * What fetches keep on a shard from one request to the next: their sessions. All NULL at first,
 * set by the first fetch, called by the part: `run_once` in each of its turns (as a shard's
 * service); when the server closes and no context is left `stop`, turns until `is_idle`, then
 * `free`. `count` is the metric of it.
 */
struct weir_part_sessions {
    void *object;
    int (*run_once)(void *object, struct weir_mono now, struct weir_mono *wake_at);
    void (*stop)(void *object);
    bool (*is_idle)(const void *object);
    void (*free)(void *object);
    struct weir_counter count;
    /* Records in memory that the part's answers hold until they are sent, and their bound, beyond
     * which fetches are given ranges of files. NULL: there is none. */
    const size_t *unsent_size;
    size_t unsent_size_max;
};
struct weir_part_sessions *weir_context_sessions(const struct weir_request_context *context);
/**
 * What a handler keeps for its connection: what it fetches outside of a session. NULL at first;
 * `release` runs once when the connection is gone, after its contexts were abandoned.
 */
struct weir_connection_keep {
    void *object;
    void (*release)(void *object);
};
/** Only while context->connection is not NULL, as in a handler's first call. */
struct weir_connection_keep *weir_context_keep(const struct weir_request_context *context);
/** Of the part: what outlives a request is charged to it. */
struct weir_budget *weir_context_budget(const struct weir_request_context *context);
/** This server's settings (server_config.h). */
const struct weir_server_config *weir_context_config(const struct weir_request_context *context);
enum { WEIR_NODE_ID = 0 }; /* of a single server; its rack and epoch are none */

#endif
