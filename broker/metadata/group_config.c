#include "broker/metadata/group_config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

#define FIELD(name) offsetof(struct weir_group_config, name)

/* Bounds are the server's (weir_group_config_bounds). */
static const struct weir_setting rows[] = {
    {"consumer.assignment.interval.ms", WEIR_SETTING_INT32, FIELD(consumer_assignment_interval_ms),
     0, INT32_MAX, 1000, "ms", NULL,
     "The least time from one assignment of the group to the next, by the consumer protocol: who "
     "comes and goes meanwhile is in the next one."},
    {"consumer.assignor.offload.enable", WEIR_SETTING_BOOLEAN, FIELD(consumer_assignor_offload), 0,
     1, 1, "", NULL,
     "Kafka's choice of a thread for the assignor of the group. It changes nothing here."},
    {"consumer.heartbeat.interval.ms", WEIR_SETTING_INT32, FIELD(consumer_heartbeat_interval_ms), 1,
     INT32_MAX, 5000, "ms", NULL,
     "How often members of the group say that they are there, by the consumer protocol."},
    {"consumer.session.timeout.ms", WEIR_SETTING_INT32, FIELD(consumer_session_timeout_ms), 1,
     INT32_MAX, 45000, "ms", NULL,
     "A member of the group that is silent for this long is out, by the consumer protocol."},
};

/* In the same order. */
static const char *const server_names[] = {
    "group.consumer.assignment.interval.ms",
    "group.consumer.assignor.offload.enable",
    "group.consumer.heartbeat.interval.ms",
    "group.consumer.session.timeout.ms",
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };
_Static_assert(ROW_COUNT == sizeof server_names / sizeof server_names[0], "each has one");

static const struct weir_settings_table table = {rows, ROW_COUNT, "setting of a group", NULL};

/* ROW_COUNT: there is none. */
static size_t row_of(const char *key)
{
    size_t i = 0;
    while (i < ROW_COUNT && strcmp(rows[i].key, key) != 0)
        i++;
    return i;
}

static bool is_number(size_t row)
{
    return rows[row].kind == WEIR_SETTING_INT32;
}

static int32_t get(const struct weir_group_config *config, size_t row)
{
    return *(const int32_t *)((const char *)config + rows[row].field);
}

static void put(struct weir_group_config *config, size_t row, int32_t value)
{
    *(int32_t *)((char *)config + rows[row].field) = value;
}

bool weir_group_config_is_known(const char *key)
{
    return row_of(key) < ROW_COUNT;
}

int weir_group_config_unknown(const char *key, struct weir_error *error)
{
    return weir_settings_unknown(&table, key, "", error);
}

enum weir_config_type weir_group_config_type(const char *key)
{
    return weir_settings_type(&table, key);
}

const char *weir_group_config_server_name(const char *key)
{
    size_t row = row_of(key);
    weir_assert(row < ROW_COUNT);
    return server_names[row];
}

void weir_group_config_each(const struct weir_group_config *config, weir_setting_fn each,
                            void *context)
{
    weir_settings_each(&table, config, each, context);
}

int weir_group_config_set(struct weir_group_config *config,
                          const struct weir_group_config_bounds *bounds, const char *key,
                          const char *value, struct weir_error *error)
{
    struct weir_group_config changed = *config;
    int rc = weir_settings_set(&table, &changed, key, value, error);
    if (rc < 0) return rc;
    size_t row = row_of(key);
    if (!is_number(row)) {
        *config = changed;
        return 0;
    }
    int32_t min = get(&bounds->min, row);
    int32_t max = get(&bounds->max, row);
    if (get(&changed, row) < min || get(&changed, row) > max) {
        return weir_error_set(error, WEIR_INVALID_CONFIG,
                              "%s is '%s'; this server allows %d to %d ms "
                              "(group.consumer.min.%s, group.consumer.max.%s)",
                              key, value, min, max, key + strlen("consumer."),
                              key + strlen("consumer."));
    }
    *config = changed;
    return 0;
}

int weir_group_config_check(const struct weir_group_config *config, struct weir_error *error)
{
    if (config->consumer_session_timeout_ms > config->consumer_heartbeat_interval_ms) return 0;
    return weir_error_set(error, WEIR_INVALID_CONFIG,
                          "consumer.session.timeout.ms would be %d and "
                          "consumer.heartbeat.interval.ms %d: a session has to be longer than the "
                          "interval of heartbeats",
                          config->consumer_session_timeout_ms,
                          config->consumer_heartbeat_interval_ms);
}

struct weir_group_config weir_group_config_with(const struct weir_group_config *server,
                                                const struct weir_group_config_bounds *bounds,
                                                const struct weir_config_overrides *own)
{
    struct weir_group_config config = *server;
    for (size_t i = 0; i < own->count; i++) {
        size_t row = row_of(own->rows[i].key);
        struct weir_group_config asked = config;
        /* It was checked when it was set; a later version's key says nothing to this one. */
        bool is_read = row < ROW_COUNT && weir_settings_set(&table, &asked, own->rows[i].key,
                                                            own->rows[i].value, NULL) == 0;
        if (!is_read) continue;
        if (!is_number(row)) {
            config = asked;
            continue;
        }
        int32_t value = get(&asked, row);
        if (value < get(&bounds->min, row)) value = get(&bounds->min, row);
        if (value > get(&bounds->max, row)) value = get(&bounds->max, row);
        put(&config, row, value);
    }
    return config;
}
