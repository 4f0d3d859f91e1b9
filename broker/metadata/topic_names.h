#ifndef WEIR_BROKER_METADATA_TOPIC_NAMES_H
#define WEIR_BROKER_METADATA_TOPIC_NAMES_H

#include <stdbool.h>

#include "weir/error.h"
#include "weir/types.h"

/** What a topic may be called, and which names are the engine's own. */
enum { WEIR_TOPIC_NAME_SIZE_MAX = 249, WEIR_TOPIC_PARTITIONS_MAX = 10000 };

#define WEIR_CLUSTER_METADATA_TOPIC "__cluster_metadata"
#define WEIR_CONSUMER_OFFSETS_TOPIC "__consumer_offsets"

/**
 * 1 to 249 characters of a-z, A-Z, 0-9, '.', '_' and '-', but not "." or "..": a name becomes the
 * name of a folder, followed by "-<partition>".
 *
 * Errors: WEIR_INVALID_TOPIC, naming the value (printable, cut short) and what would be right.
 */
int weir_topic_name_check(struct weir_slice name, struct weir_error *error);

/** Two names that differ at most by '.' against '_': as metrics' names they would be one, so Kafka
 * lets only one of them be. */
bool weir_topic_name_collides(struct weir_slice name, struct weir_slice other);

/** Names that begin with "__" belong to the engine and to Kafka. */
bool weir_topic_name_is_internal(struct weir_slice name);

#endif
