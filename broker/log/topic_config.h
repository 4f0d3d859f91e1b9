#ifndef WEIR_BROKER_LOG_TOPIC_CONFIG_H
#define WEIR_BROKER_LOG_TOPIC_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/settings.h"
#include "weir/error.h"
#include "weir/types.h"
#include "wire/request/topic_config.h"

/**
 * A topic's configuration under Kafka's names. One table (topic_config.c) has a row per key, from
 * which base/settings.h does the rest.
 *
 * Beside them there are *texts* (weir.key.format, weir.value.format): what readers of the topic
 * may know of its records. The log has no use for them, so they are checked here and kept only where
 * they were set, in the metadata: a partition does not carry them.
 */

/** Kafka's defaults. */
struct weir_topic_config weir_topic_config_default(void);
/**
 * Set one key from text. Errors: WEIR_INVALID_CONFIG with the key, the value, and what would be
 * right (range and unit, or "did you mean 'retention.ms'?").
 */
int weir_topic_config_set(struct weir_topic_config *config, const char *key, const char *value,
                          struct weir_error *error);
enum weir_config_type weir_topic_config_type(const char *key);
/** One of the texts: its value is the topic's own, or there is none. */
bool weir_topic_config_is_text(const char *key);
/** Each key in order of the table, then the texts, all with the value "" of a topic that has none
 * of its own. */
void weir_topic_config_each(const struct weir_topic_config *config, weir_setting_fn each,
                            void *context);

/**
 * From when on retention.ms counts for records of which the newest is of `max_timestamp_ms` and the
 * last was appended at `last_append_ms`. By append it is the later of the two: records of old times
 * live as long as those of today. By record it is the first; records without a time (or from before
 * 1970) have only the second, for which Kafka takes the file's modification time.
 *
 * Units:   Unix time in ms; negative: none, in and out.
 */
int64_t weir_retention_counts_from(enum weir_retention_by by, int64_t max_timestamp_ms,
                                   int64_t last_append_ms);

#endif
