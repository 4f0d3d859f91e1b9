#ifndef WEIR_WIRE_TOPIC_NAMES_H
#define WEIR_WIRE_TOPIC_NAMES_H

#include <stdbool.h>

#include "base/bytes.h"
#include "weir/error.h"
#include "weir/types.h"

/** What a topic may be called, and which names are the engine's own. */
enum { WEIR_TOPIC_NAME_SIZE_MAX = 249, WEIR_TOPIC_PARTITIONS_MAX = 10000 };

#define WEIR_CLUSTER_METADATA_TOPIC "__cluster_metadata"
#define WEIR_CONSUMER_OFFSETS_TOPIC "__consumer_offsets"
#define WEIR_TRANSACTION_STATE_TOPIC "__transaction_state"

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

/** What a partition is found by in a table: its topic and its number. Written to `to`, which has room for
 * the topic's size and WEIR_PARTITION_KEY_EXTRA bytes; the slice is of it. */
enum { WEIR_PARTITION_KEY_EXTRA = 4 };
enum { WEIR_PARTITION_KEY_MAX = WEIR_TOPIC_NAME_SIZE_MAX + WEIR_PARTITION_KEY_EXTRA };
static inline struct weir_slice weir_partition_key(uint8_t *to, struct weir_slice topic,
                                                   int32_t partition)
{
    weir_copy(to, topic.data, topic.size);
    weir_store_u32(to + topic.size, (uint32_t)partition);
    return weir_slice(to, topic.size + WEIR_PARTITION_KEY_EXTRA);
}

/** The name with each '.' as '_': of names that collide it is the same. `to` has room for its size. */
void weir_topic_name_fold(struct weir_slice name, char *to);

/** Names that begin with "__" belong to the engine and to Kafka. */
bool weir_topic_name_is_internal(struct weir_slice name);

#endif
