#ifndef WEIR_SERVER_HANDLERS_CONFIG_ENTRIES_H
#define WEIR_SERVER_HANDLERS_CONFIG_ENTRIES_H

#include "server/handlers/outcome.h"

/** Settings as requests name them and answers show them. Everything is in the context's arena. */

/* Kafka's ConfigResource.Type, as far as there is something to say to it. */
enum {
    WEIR_RESOURCE_TYPE_TOPIC = 2,
    WEIR_RESOURCE_TYPE_BROKER = 4,
    WEIR_RESOURCE_TYPE_BROKER_LOGGER = 8,
    WEIR_RESOURCE_TYPE_CLIENT_METRICS = 16,
    WEIR_RESOURCE_TYPE_GROUP = 32,
};

/* Whose value it is: Kafka's DescribeConfigsResponse.ConfigSource. */
enum weir_config_source {
    WEIR_CONFIG_OF_TOPIC = 1,
    WEIR_CONFIG_OF_BROKER = 4, /* given when the server was started */
    WEIR_CONFIG_OF_KAFKA = 5,  /* the default */
    WEIR_CONFIG_OF_GROUP = 8,
};

/** A broker as a resource: this one by its id, or "" for all. INVALID_REQUEST otherwise. */
struct weir_outcome weir_broker_resource_check(struct weir_request_context *context,
                                               struct weir_slice name);

/** A group as a resource: any but "", which Kafka keeps for a default of all. INVALID_REQUEST. */
struct weir_outcome weir_group_resource_check(struct weir_request_context *context,
                                              struct weir_slice name);

/** One of the request's settings as the engine takes it. False: a NUL within the key or value. */
bool weir_config_entry(struct weir_arena *arena, struct weir_slice key, struct weir_slice value,
                       enum weir_config_op op, struct weir_config_entry *entry_out);

/** What a topic's or a group's setting is where it does not say itself: one row per key, in order of the table.
 * Made once per request. */
struct weir_config_level {
    struct weir_slice name;
    struct weir_slice text;
    enum weir_config_type type;
    struct weir_slice broker_name;  /* what the server's setting behind it is called */
    struct weir_slice broker_value; /* null: the server was not given one */
    struct weir_slice default_value;
};
struct weir_config_levels {
    const struct weir_config_level *rows;
    size_t count;
};
struct weir_config_levels weir_config_levels(struct weir_request_context *context);
struct weir_config_levels weir_group_config_levels(struct weir_request_context *context);

/** The value in force, beside the level of the same index. */
struct weir_config_value {
    struct weir_slice value;
    enum weir_config_source source;
};
/** `overrides` are the topic's own. NULL if the arena has failed. */
const struct weir_config_value *weir_config_values(struct weir_request_context *context,
                                                   const struct weir_config_levels *levels,
                                                   const struct weir_topic_config *config,
                                                   const struct weir_config_entry *overrides,
                                                   size_t override_count);
/** The same of a group. */
const struct weir_config_value *weir_group_config_values(struct weir_request_context *context,
                                                         const struct weir_config_levels *levels,
                                                         struct weir_slice group);

#endif
