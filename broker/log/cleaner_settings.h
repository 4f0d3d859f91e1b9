#ifndef WEIR_BROKER_LOG_CLEANER_SETTINGS_H
#define WEIR_BROKER_LOG_CLEANER_SETTINGS_H

#include "base/nearest.h"
#include "base/settings.h"

/** What holds for compaction of all logs together, by Kafka's names. */
struct weir_cleaner_settings {
    bool is_on; /* log.cleaner.enable: true; else it runs when somebody asks for it only */
    int64_t
        table_bytes; /* log.cleaner.dedupe.buffer.size: 128 MiB, of which a pass takes what it needs */
    int64_t bytes_per_second; /* log.cleaner.io.max.bytes.per.second, read and written: no bound */
    int64_t backoff_ms; /* log.cleaner.backoff.ms: 15,000; how often it is looked for what is due */
};

/** Kafka 4's defaults. */
struct weir_cleaner_settings weir_cleaner_settings_default(void);
/** Is there a setting of this name? */
bool weir_cleaner_settings_is_known(const char *key);
/** WEIR_INVALID_CONFIG with the key, the value, what would be right, or "did you mean". */
int weir_cleaner_settings_set(struct weir_cleaner_settings *settings, const char *key,
                              const char *value, struct weir_error *error);
enum weir_config_type weir_cleaner_settings_type(const char *key);
/** Each in order of name. */
void weir_cleaner_settings_each(const struct weir_cleaner_settings *settings, weir_setting_fn each,
                                void *context);
/** Its names, for who looks for one that may be meant. */
void weir_cleaner_settings_offer(struct weir_nearest *nearest);

#endif
