#ifndef WEIR_BROKER_LOG_PARTITION_METADATA_H
#define WEIR_BROKER_LOG_PARTITION_METADATA_H

#include "base/env/env.h"
#include "weir/types.h"

/**
 * `partition.metadata`: which topic a folder belongs to, in Kafka's text.
 *
 *   version: 0
 *   topic_id: <22 characters of URL-safe base64>
 *
 * The durable mark says the same under a crc and is believed first.
 */
/** WEIR_NOT_FOUND, WEIR_CORRUPT, WEIR_NO_MEMORY, WEIR_IO. */
int weir_partition_metadata_read(struct weir_env *env, struct weir_budget *budget,
                                 const char *directory, struct weir_uuid *topic_id_out,
                                 struct weir_error *error);
int weir_partition_metadata_write(struct weir_env *env, const char *directory,
                                  const struct weir_uuid *topic_id, struct weir_error *error);

#endif
