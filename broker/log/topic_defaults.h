#ifndef WEIR_BROKER_LOG_TOPIC_DEFAULTS_H
#define WEIR_BROKER_LOG_TOPIC_DEFAULTS_H

#include "base/nearest.h"
#include "broker/log/topic_config.h"

/**
 * What holds for topics that do not say otherwise. Kafka's brokers have names of their own for
 * these settings (log.retention.ms for retention.ms); one table here has both, and either is taken.
 */

/** The broker's name of a topic's setting: a static text. */
const char *weir_topic_default_name(const char *topic_key);

/** Does one of the names, or of those in minutes and hours, stand for a topic's setting? */
bool weir_topic_default_is_known(const char *key);

/** Set a default under any of its names; log.retention.minutes and the like are turned into ms.
 * Errors: WEIR_INVALID_CONFIG as weir_topic_config_set, with the name that was given. */
int weir_topic_default_set(struct weir_topic_config *config, const char *key, const char *value,
                           struct weir_error *error);

/** Does `key`, under any of the names, set the topic's setting `topic_key`? */
bool weir_topic_default_sets(const char *key, const char *topic_key);

/** All names, for "did you mean". */
void weir_topic_default_offer(struct weir_nearest *nearest);

#endif
