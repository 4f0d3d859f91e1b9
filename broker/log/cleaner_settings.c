#include "broker/log/cleaner_settings.h"

#include <stddef.h>
#include <string.h>

#define FIELD(name) offsetof(struct weir_cleaner_settings, name)

enum { TABLE_MIN = 64 * 1024, RATE_MIN = 1024, HOUR_MS = 60 * 60 * 1000 };

/* Kafka 4's names and defaults. Its log.cleaner.threads and buffers are one per shard here, and as large as a batch. */
static const struct weir_setting rows[] = {
    {"log.cleaner.backoff.ms", WEIR_SETTING_INT64, FIELD(backoff_ms), 1, HOUR_MS, 15000, "ms", NULL,
     "How often it is looked for logs that are due for compaction."},
    {"log.cleaner.dedupe.buffer.size", WEIR_SETTING_INT64, FIELD(table_bytes), TABLE_MIN, INT64_MAX,
     128 << 20, "bytes", NULL,
     "Memory for the keys of what is compacted, 24 bytes each, of all cores together; a log with "
     "more keys takes several passes."},
    {"log.cleaner.enable", WEIR_SETTING_BOOLEAN, FIELD(is_on), 0, 1, 1, "", "false|true",
     "Whether compacted topics are compacted by themselves, and not only when 'weir topic compact' "
     "asks for it."},
    {"log.cleaner.io.max.bytes.per.second", WEIR_SETTING_INT64, FIELD(bytes_per_second), RATE_MIN,
     INT64_MAX, INT64_MAX, "bytes", NULL,
     "What compaction reads and writes in a second at most, on all cores together."},
};

static const struct weir_settings_table table = {
    .rows = rows,
    .count = sizeof rows / sizeof rows[0],
    .noun = "setting of compaction",
};

struct weir_cleaner_settings weir_cleaner_settings_default(void)
{
    struct weir_cleaner_settings settings = {0};
    weir_settings_default(&table, &settings);
    return settings;
}

bool weir_cleaner_settings_is_known(const char *key)
{
    for (size_t i = 0; i < table.count; i++) {
        if (strcmp(rows[i].key, key) == 0) return true;
    }
    return false;
}

int weir_cleaner_settings_set(struct weir_cleaner_settings *settings, const char *key,
                              const char *value, struct weir_error *error)
{
    return weir_settings_set(&table, settings, key, value, error);
}

enum weir_config_type weir_cleaner_settings_type(const char *key)
{
    return weir_settings_type(&table, key);
}

void weir_cleaner_settings_each(const struct weir_cleaner_settings *settings, weir_setting_fn each,
                                void *context)
{
    weir_settings_each(&table, settings, each, context);
}

void weir_cleaner_settings_offer(struct weir_nearest *nearest)
{
    for (size_t i = 0; i < table.count; i++) {
        weir_nearest_offer(nearest, rows[i].key);
    }
}
