#ifndef WEIR_CLI_TOPIC_PARTITIONS_H
#define WEIR_CLI_TOPIC_PARTITIONS_H

#include <stdbool.h>

#include "base/arena.h"
#include "weir/error.h"

/**
 * `TOPIC` or `TOPIC:0,1,5`: a topic's partitions as a person writes them, as Kafka's tools take them.
 */
struct topic_partitions {
    const char *topic;
    int32_t *partitions; /* in the order they were written */
    size_t partition_count;
    bool is_all; /* no partition is named: all of the topic's */
};

/** WEIR_INVALID_ARGUMENT says what would be right. `partitions_out` is in the arena. */
int topic_partitions_parse(const char *text, struct weir_arena *arena,
                           struct topic_partitions *partitions_out, struct weir_error *error);
/** Is `partition` of this topic one of them? */
bool topic_partitions_have(const struct topic_partitions *partitions, const char *topic,
                           int32_t partition);

#endif
