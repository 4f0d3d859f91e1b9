#ifndef WEIR_SERVER_SERVER_CONFIG_H
#define WEIR_SERVER_SERVER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/settings.h"
#include "weir/error.h"

/**
 * The server's settings under Kafka's names. One table (server_config.c) has a row per key, from
 * which base/settings.h does the rest.
 */
struct weir_server_config {
    int32_t socket_request_max_bytes;  /* socket.request.max.bytes, 104857600 */
    int64_t queued_max_request_bytes;  /* queued.max.request.bytes: frames of all connections of a
                                          shard; reading pauses above it. 268435456 */
    int64_t queued_max_response_bytes; /* queued.max.response.bytes (ours): records in memory that
                                          answers of a shard hold; above it they are sent from
                                          files. 268435456 */
    int32_t max_connections;           /* max.connections, 10000 */
    int32_t max_connections_per_ip;    /* max.connections.per.ip, INT32_MAX */
    int64_t connections_max_idle_ms;   /* connections.max.idle.ms, 600000 */
    int64_t request_read_timeout_ms; /* request.read.timeout.ms (ours): how long a frame may arrive
                                          at less than 64 KiB a second. 30000 */
    int64_t response_write_timeout_ms; /* response.write.timeout.ms (ours): no byte taken. 30000 */
    int32_t max_in_flight_requests;    /* max.in.flight.requests.per.connection (ours), 64 */
    int32_t fetch_max_bytes;           /* fetch.max.bytes, 57671680 */
    int32_t fetch_session_slots;       /* max.incremental.fetch.session.cache.slots, 1000 */
    int32_t fetch_max_wait_ms;         /* fetch.max.wait.ms (ours): the longest a fetch may park.
                                          300000 */
    bool auto_create_topics_enable;    /* shown; the engine's */
    int32_t num_partitions;            /* shown; the engine's */
};

struct weir_server_config weir_server_config_default(void);
/** WEIR_INVALID_CONFIG with the key, the value, what would be right, or "did you mean". */
int weir_server_config_set(struct weir_server_config *config, const char *key, const char *value,
                           struct weir_error *error);
enum weir_config_type weir_server_config_type(const char *key);
/** Each key in order of name. */
void weir_server_config_each(const struct weir_server_config *config, weir_setting_fn each,
                             void *context);

#endif
