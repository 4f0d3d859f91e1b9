#include "server/server_config.h"

#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "broker/coordinator/group/group_settings.h"
#include "broker/coordinator/txn/txn_settings.h"
#include "broker/log/cleaner_settings.h"
#include "broker/log/topic_defaults.h"

#define FIELD(name) offsetof(struct weir_server_config, name)

enum { HOUR_MS = 3600000, MIB = 1048576 };

/* Kafka 4's names and defaults where Kafka has the setting; the rows that say "Weir's own" are not
 * known to it. A bound of 0 would mean a server that serves nobody, and is refused. */
static const struct weir_setting rows[] = {
    {"auto.create.topics.enable", WEIR_SETTING_BOOLEAN, FIELD(auto_create_topics_enable), 0, 1, 1,
     "", NULL,
     "Whether a topic is made when a client that allows it asks for metadata of one that is not "
     "there."},
    {"connections.max.idle.ms", WEIR_SETTING_INT64, FIELD(connections_max_idle_ms), 1000, INT64_MAX,
     600000, "ms", NULL, "A connection on which nothing was asked for this long is closed."},
    {"fetch.max.bytes", WEIR_SETTING_INT32, FIELD(fetch_max_bytes), 1024, INT32_MAX, 55 * MIB,
     "bytes", NULL,
     "The largest answer to a fetch, whatever the client allows; its first batch is given even if "
     "it is larger."},
    {"fetch.max.wait.ms", WEIR_SETTING_INT32, FIELD(fetch_max_wait_ms), 1, HOUR_MS, 300000, "ms",
     NULL, "The longest a fetch may wait for data, whatever the client allows. Weir's own."},
    {"max.connections", WEIR_SETTING_INT32, FIELD(max_connections), 1, INT32_MAX, 10000, "", NULL,
     "Connections open at the same time; one more is closed as soon as it is accepted. Fewer where "
     "the "
     "process may not have that many descriptors beside those that the log needs."},
    {"max.connections.per.ip", WEIR_SETTING_INT32, FIELD(max_connections_per_ip), 1, INT32_MAX,
     INT32_MAX, "", NULL, "Connections open at the same time from one address."},
    {"max.in.flight.requests.per.connection", WEIR_SETTING_INT32, FIELD(max_in_flight_requests), 1,
     4096, 64, "", NULL,
     "Requests that are read from a connection before the first is answered. Weir's own."},
    {"max.incremental.fetch.session.cache.slots", WEIR_SETTING_INT32, FIELD(fetch_session_slots), 0,
     1000000, 1000, "", NULL,
     "Fetch sessions kept; a client without one sends all it wants each time."},
    {"num.partitions", WEIR_SETTING_INT32, FIELD(num_partitions), 1, 10000, 1, "", NULL,
     "Partitions of a topic whose maker does not say how many."},
    {"queued.max.request.bytes", WEIR_SETTING_INT64, FIELD(queued_max_request_bytes), MIB,
     INT64_MAX, 256 * MIB, "bytes", NULL,
     "Requests of all connections of a core together; above it the core stops reading until some "
     "are answered."},
    {"queued.max.response.bytes", WEIR_SETTING_INT64, FIELD(queued_max_response_bytes), 0,
     INT64_MAX, 256 * MIB, "bytes", NULL,
     "Records in memory that wait, on all connections of a core together, to be taken by clients; "
     "above it records are sent from their files. Weir's own."},
    {"request.read.timeout.ms", WEIR_SETTING_INT64, FIELD(request_read_timeout_ms), 100, HOUR_MS,
     30000, "ms", NULL,
     "For this long a request may arrive at less than 64 KiB a second; a sender that is still "
     "slower then is cut off. Weir's own."},
    {"response.write.timeout.ms", WEIR_SETTING_INT64, FIELD(response_write_timeout_ms), 100,
     HOUR_MS, 30000, "ms", NULL,
     "A client that takes no byte of its answers for this long is cut. Weir's own."},
    {"socket.request.max.bytes", WEIR_SETTING_INT32, FIELD(socket_request_max_bytes), 1024,
     INT32_MAX, 100 * MIB, "bytes", NULL, "The largest request; a larger one ends its connection."},
};

static void offer(struct weir_nearest *nearest)
{
    weir_topic_default_offer(nearest);
    weir_group_settings_offer(nearest);
    weir_txn_settings_offer(nearest);
    weir_cleaner_settings_offer(nearest);
}

static const struct weir_settings_table table = {
    .rows = rows,
    .count = sizeof rows / sizeof rows[0],
    .noun = "server setting",
    .offer = offer,
};

struct weir_server_config weir_server_config_default(void)
{
    struct weir_server_config config;
    memset(&config, 0, sizeof config);
    weir_settings_default(&table, &config);
    return config;
}

int weir_server_config_set(struct weir_server_config *config, const char *key, const char *value,
                           struct weir_error *error)
{
    if (weir_topic_default_is_known(key)) {
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              "'%s' = '%s' is a default of topics: it belongs to the log's options",
                              key, value);
    }
    if (weir_group_settings_is_known(key)) {
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              "'%s' = '%s' is a setting of groups: it belongs to the log's options",
                              key, value);
    }
    if (weir_txn_settings_is_known(key)) {
        return weir_error_set(
            error, WEIR_INVALID_CONFIG,
            "'%s' = '%s' is a setting of transactions: it belongs to the log's options", key,
            value);
    }
    if (weir_cleaner_settings_is_known(key)) {
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              "'%s' = '%s' is a setting of compaction: it belongs to the log's "
                              "options",
                              key, value);
    }
    return weir_settings_set(&table, config, key, value, error);
}

enum weir_config_type weir_server_config_type(const char *key)
{
    return weir_settings_type(&table, key);
}

void weir_server_config_each(const struct weir_server_config *config, weir_setting_fn each,
                             void *context)
{
    weir_settings_each(&table, config, each, context);
}
