#ifndef WEIR_BROKER_METADATA_GROUP_CONFIG_H
#define WEIR_BROKER_METADATA_GROUP_CONFIG_H

#include "base/settings.h"
#include "broker/metadata/config_overrides.h"

/**
 * The settings that a consumer group may have of its own (KIP-848), each under the name that Kafka has for it.
 * What a group does not say is the server's. Times in ms.
 */
struct weir_group_config {
    int32_t consumer_session_timeout_ms;     /* consumer.session.timeout.ms */
    int32_t consumer_heartbeat_interval_ms;  /* consumer.heartbeat.interval.ms */
    int32_t consumer_assignment_interval_ms; /* consumer.assignment.interval.ms */
    /* consumer.assignor.offload.enable: taken, kept and shown. It changes nothing: the assignor runs on the thread that
     * the group is on, as it does in Kafka where this is false. */
    bool consumer_assignor_offload;
};

/** What a group may ask for, where that is a number. */
struct weir_group_config_bounds {
    struct weir_group_config min;
    struct weir_group_config max;
};

/**
 * Set one, from text. What it has been before does not matter.
 * Errors: WEIR_INVALID_CONFIG with the key, the value, and what would be right (range and unit, or "did you mean").
 */
int weir_group_config_set(struct weir_group_config *config,
                          const struct weir_group_config_bounds *bounds, const char *key,
                          const char *value, struct weir_error *error);
/** May they stand together? WEIR_INVALID_CONFIG: a session has to be longer than the interval of heartbeats. */
int weir_group_config_check(const struct weir_group_config *config, struct weir_error *error);
/** Is there a setting of this name? */
bool weir_group_config_is_known(const char *key);
/** WEIR_INVALID_CONFIG, with the name that may be meant. */
int weir_group_config_unknown(const char *key, struct weir_error *error);
enum weir_config_type weir_group_config_type(const char *key);
/** What the server's own setting behind it is called. */
const char *weir_group_config_server_name(const char *key);
/** Each in order of name. */
void weir_group_config_each(const struct weir_group_config *config, weir_setting_fn each,
                            void *context);

/** The server's and the group's own together. The bounds may have become narrower since these were set: what is
 * outside is brought to the nearest that is within. */
struct weir_group_config weir_group_config_with(const struct weir_group_config *server,
                                                const struct weir_group_config_bounds *bounds,
                                                const struct weir_config_overrides *own);

#endif
