#ifndef WEIR_SERVER_SERVER_H
#define WEIR_SERVER_SERVER_H

#include "broker/broker.h"

/**
 * The engine's Kafka port: a listener and connections on every shard, in front of one broker.
 *
 *   socket ──frames──> connection ──context──> handler ──requests──> partitions' shards
 *          <──in order── write queue <──reply──┘  (on the connection's shard throughout)
 *
 * Each shard has a part of its own (weir_server_part, server_internal.h): its listener, which
 * shares the address with the others', its connections, its pool of contexts. Nothing is shared
 * between parts but counters.
 */
struct weir_server;

struct weir_server_options {
    struct weir_broker *broker;
    /* "127.0.0.1:9092", "[::]:9092", "localhost"; port 0: the system's choice. A name is looked up. */
    const char *address;
    const char *advertised_address; /* NULL: the one a client came in by */
    bool allow_insecure;            /* another address than loopback, without security */
    /* Kafka's broker settings, as text (server_config.h has the table); NULL-terminated by key. */
    const struct weir_config_entry *configs;
    size_t config_count;
};

/**
 * Listen. Ready for clients on return.
 *
 * Errors: WEIR_INVALID_ARGUMENT (the address; another than loopback without allow_insecure: the
 *         text names the flag), WEIR_NOT_FOUND (no such host), WEIR_LOCKED (in use), WEIR_PERMISSION,
 *         WEIR_INVALID_CONFIG, WEIR_LIMIT.
 * Owns:   the broker stays the caller's and is closed after weir_server_close.
 * Thread: one that may block.
 */
int weir_server_open(const struct weir_server_options *options, struct weir_server **server_out,
                     struct weir_error *error);
/**
 * Would weir_server_open get `address`? For a program that wants to know before it opens a directory.
 * Errors as there. Thread: one that may block.
 */
int weir_server_may_listen(struct weir_env *env, const char *address, bool allow_insecure,
                           struct weir_error *error);
/** Stop listening, answer what is under way (parked fetches at once), close the connections.
 * Blocks. NULL is fine. */
void weir_server_close(struct weir_server *server);
/** With the port it got. */
const char *weir_server_address(const struct weir_server *server);

struct weir_server_metrics {
    int64_t connections;          /* open now */
    int64_t connections_accepted; /* ever */
    int64_t connections_refused;  /* over max.connections */
    int64_t connections_killed;   /* for bad input, a deadline or a bound */
    int64_t requests;             /* answered */
    int64_t request_bytes;
    int64_t response_bytes;
    int64_t requests_in_flight;
    int64_t fetches_parked;
    int64_t fetch_sessions;
    int64_t memory_bytes;   /* of frames, contexts, responses */
    int64_t request_p50_us; /* from the frame's last byte to the answer, without parked time */
    int64_t request_p99_us;
};
/** Any thread. */
void weir_server_metrics(const struct weir_server *server, struct weir_server_metrics *metrics_out);
/** One line per API that was asked: key, count, errors, p50 and p99 in microseconds. Any thread. */
struct weir_server_api_metrics {
    const char *name;
    int64_t requests;
    int64_t errors; /* answers whose top-level or first error is not 0 */
    int64_t p50_us;
    int64_t p99_us;
};
size_t weir_server_api_metrics(const struct weir_server *server,
                               struct weir_server_api_metrics *metrics_out, size_t capacity);

#endif
