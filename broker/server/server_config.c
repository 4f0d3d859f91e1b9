#include "broker/server/server_config.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/nearest.h"
#include "broker/log/topic_defaults.h"

enum config_kind { CONFIG_INT32, CONFIG_INT64, CONFIG_BOOLEAN };

struct config_row {
    const char *key;
    enum config_kind kind;
    size_t field; /* offset in struct weir_server_config */
    int64_t min;
    int64_t max;
    int64_t preset; /* the default */
    const char *unit;
    const char *text;
};

#define FIELD(name) offsetof(struct weir_server_config, name)

enum { HOUR_MS = 3600000, MIB = 1048576 };

/* Kafka 4's names and defaults where Kafka has the setting; the rows that say "Weir's own" are not
 * known to it. A bound of 0 would mean a server that serves nobody, and is refused. */
static const struct config_row rows[] = {
    {"auto.create.topics.enable", CONFIG_BOOLEAN, FIELD(auto_create_topics_enable), 0, 1, 1, "",
     "Whether a topic is made when a client that allows it asks for metadata of one that is not "
     "there."},
    {"connections.max.idle.ms", CONFIG_INT64, FIELD(connections_max_idle_ms), 1000, INT64_MAX,
     600000, "ms", "A connection on which nothing was asked for this long is closed."},
    {"fetch.max.bytes", CONFIG_INT32, FIELD(fetch_max_bytes), 1024, INT32_MAX, 55 * MIB, "bytes",
     "The largest answer to a fetch, whatever the client allows; its first batch is given even if "
     "it is larger."},
    {"fetch.max.wait.ms", CONFIG_INT32, FIELD(fetch_max_wait_ms), 1, HOUR_MS, 300000, "ms",
     "The longest a fetch may wait for data, whatever the client allows. Weir's own."},
    {"max.connections", CONFIG_INT32, FIELD(max_connections), 1, INT32_MAX, 10000, "",
     "Connections open at the same time; one more is closed as soon as it is accepted."},
    {"max.connections.per.ip", CONFIG_INT32, FIELD(max_connections_per_ip), 1, INT32_MAX, INT32_MAX,
     "", "Connections open at the same time from one address."},
    {"max.in.flight.requests.per.connection", CONFIG_INT32, FIELD(max_in_flight_requests), 1, 4096,
     64, "", "Requests that are read from a connection before the first is answered. Weir's own."},
    {"max.incremental.fetch.session.cache.slots", CONFIG_INT32, FIELD(fetch_session_slots), 0,
     1000000, 1000, "", "Fetch sessions kept; a client without one sends all it wants each time."},
    {"num.partitions", CONFIG_INT32, FIELD(num_partitions), 1, 10000, 1, "",
     "Partitions of a topic whose maker does not say how many."},
    {"queued.max.request.bytes", CONFIG_INT64, FIELD(queued_max_request_bytes), MIB, INT64_MAX,
     256 * MIB, "bytes",
     "Requests of all connections of a core together; above it the core stops reading until some "
     "are answered."},
    {"queued.max.response.bytes", CONFIG_INT64, FIELD(queued_max_response_bytes), 0, INT64_MAX,
     256 * MIB, "bytes",
     "Records in memory that wait, on all connections of a core together, to be taken by clients; "
     "above it records are sent from their files. Weir's own."},
    {"request.read.timeout.ms", CONFIG_INT64, FIELD(request_read_timeout_ms), 100, HOUR_MS, 30000,
     "ms",
     "For this long a request may arrive at less than 64 KiB a second; a sender that is still "
     "slower then is cut off. Weir's own."},
    {"response.write.timeout.ms", CONFIG_INT64, FIELD(response_write_timeout_ms), 100, HOUR_MS,
     30000, "ms", "A client that takes no byte of its answers for this long is cut. Weir's own."},
    {"socket.request.max.bytes", CONFIG_INT32, FIELD(socket_request_max_bytes), 1024, INT32_MAX,
     100 * MIB, "bytes", "The largest request; a larger one ends its connection."},
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0], VALUE_TEXT_SIZE = 32 };

/* ---- values ---------------------------------------------------------------------------------- */

static int64_t get(const struct weir_server_config *config, const struct config_row *row)
{
    const char *at = (const char *)config + row->field;
    switch (row->kind) {
    case CONFIG_INT32: {
        int32_t value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    case CONFIG_INT64: {
        int64_t value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    case CONFIG_BOOLEAN: {
        bool value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    }
    weir_assert(false);
    return 0;
}

static void put(struct weir_server_config *config, const struct config_row *row, int64_t value)
{
    char *at = (char *)config + row->field;
    weir_assert(value >= row->min && value <= row->max);
    switch (row->kind) {
    case CONFIG_INT32: {
        int32_t narrow = (int32_t)value;
        memcpy(at, &narrow, sizeof narrow);
        break;
    }
    case CONFIG_INT64:
        memcpy(at, &value, sizeof value);
        break;
    case CONFIG_BOOLEAN: {
        bool is_on = value != 0;
        memcpy(at, &is_on, sizeof is_on);
        break;
    }
    }
}

static void print_value(const struct config_row *row, int64_t value, char text[VALUE_TEXT_SIZE])
{
    if (row->kind == CONFIG_BOOLEAN) {
        (void)snprintf(text, VALUE_TEXT_SIZE, "%s", value != 0 ? "true" : "false");
    } else {
        (void)snprintf(text, VALUE_TEXT_SIZE, "%" PRId64, value);
    }
}

static bool parse_value(const struct config_row *row, const char *text, int64_t *value_out)
{
    if (row->kind == CONFIG_BOOLEAN) {
        *value_out = strcmp(text, "true") == 0;
        return *value_out != 0 || strcmp(text, "false") == 0;
    }
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    bool is_number = (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')) && *end == '\0';
    if (!is_number || errno != 0 || value < row->min || value > row->max) return false;
    *value_out = value;
    return true;
}

/* ---- refusals -------------------------------------------------------------------------------- */

static int unknown_key(const char *key, const char *value, struct weir_error *error)
{
    if (weir_topic_default_is_known(key)) {
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              "'%s' = '%s' is a default of topics: it belongs to the log's options",
                              key, value);
    }
    struct weir_nearest nearest = weir_nearest_to(key);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        weir_nearest_offer(&nearest, rows[i].key);
    }
    weir_topic_default_offer(&nearest);
    if (nearest.found == NULL) {
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              "unknown server setting '%s' (value '%s')", key, value);
    }
    return weir_error_set(error, WEIR_INVALID_CONFIG,
                          "unknown server setting '%s' (value '%s'): did you mean '%s'?", key,
                          value, nearest.found);
}

static int bad_value(const struct config_row *row, const char *value, struct weir_error *error)
{
    if (row->kind == CONFIG_BOOLEAN) {
        return weir_error_set(error, WEIR_INVALID_CONFIG, "'%s' = '%s': it takes true or false. %s",
                              row->key, value, row->text);
    }
    return weir_error_set(
        error, WEIR_INVALID_CONFIG,
        "'%s' = '%s': it takes a whole number from %" PRId64 " to %" PRId64 "%s%s. %s", row->key,
        value, row->min, row->max, row->unit[0] != '\0' ? ", in " : "", row->unit, row->text);
}

/* ---- the door -------------------------------------------------------------------------------- */

struct weir_server_config weir_server_config_default(void)
{
    struct weir_server_config config;
    memset(&config, 0, sizeof config);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        put(&config, &rows[i], rows[i].preset);
    }
    return config;
}

int weir_server_config_set(struct weir_server_config *config, const char *key, const char *value,
                           struct weir_error *error)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strcmp(rows[i].key, key) != 0) continue;
        int64_t parsed;
        if (!parse_value(&rows[i], value, &parsed)) return bad_value(&rows[i], value, error);
        put(config, &rows[i], parsed);
        return 0;
    }
    return unknown_key(key, value, error);
}

enum weir_config_type weir_server_config_type(const char *key)
{
    static const enum weir_config_type types[] = {
        [CONFIG_INT32] = WEIR_CONFIG_TYPE_INT,
        [CONFIG_INT64] = WEIR_CONFIG_TYPE_LONG,
        [CONFIG_BOOLEAN] = WEIR_CONFIG_TYPE_BOOLEAN,
    };
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strcmp(rows[i].key, key) == 0) return types[rows[i].kind];
    }
    return WEIR_CONFIG_TYPE_UNKNOWN;
}

void weir_server_config_each(const struct weir_server_config *config, weir_server_config_fn each,
                             void *context)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char text[VALUE_TEXT_SIZE];
        int64_t value = get(config, &rows[i]);
        print_value(&rows[i], value, text);
        each(context, rows[i].key, text, value == rows[i].preset, rows[i].text);
    }
}
