#include "broker/coordinator/txn/txn_settings.h"

#include <stddef.h>
#include <string.h>

#define FIELD(name) offsetof(struct weir_txn_settings, name)

enum {
    SECOND_MS = 1000,
    MINUTE_MS = 60 * SECOND_MS,
    HOUR_MS = 60 * MINUTE_MS,
    WEEK_MS = 7 * 24 * HOUR_MS,
    PARTITIONS_MAX = 10000,
};

/* Kafka 4's names and defaults, but for the partitions of `__transaction_state`: a log in a program has one, and
 * `weir server` Kafka's 50. */
static const struct weir_setting rows[] = {
    {"transaction.abort.timed.out.transaction.cleanup.interval.ms", WEIR_SETTING_INT32,
     FIELD(abort_interval_ms), 1, INT32_MAX, 10 * SECOND_MS, "ms", NULL,
     "How often transactions whose time is over are looked for, and aborted."},
    {"transaction.max.timeout.ms", WEIR_SETTING_INT32, FIELD(timeout_max_ms), 1, INT32_MAX,
     15 * MINUTE_MS, "ms", NULL, "The longest that a producer may let its transactions be open."},
    {"transaction.remove.expired.transaction.cleanup.interval.ms", WEIR_SETTING_INT32,
     FIELD(expiry_interval_ms), 1, INT32_MAX, HOUR_MS, "ms", NULL,
     "How often transactional ids that nobody uses any more are looked for."},
    {"transaction.state.log.num.partitions", WEIR_SETTING_INT32, FIELD(log_num_partitions), 1,
     PARTITIONS_MAX, 1, "", NULL,
     "Partitions of __transaction_state, over which transactional ids are spread; taken when it is "
     "made."},
    {"transactional.id.expiration.ms", WEIR_SETTING_INT32, FIELD(id_expiration_ms), 1, INT32_MAX,
     WEEK_MS, "ms", NULL,
     "A transactional id that has had no transaction for this long is forgotten, and its producer "
     "with it."},
    {"transactions.max.bytes", WEIR_SETTING_INT64, FIELD(all_bytes_max), 1 << 20, INT64_MAX,
     128 << 20, "bytes", NULL,
     "Memory that all transactional ids may take together; above it no new one is let in, and a "
     "quarter more is the most for those that are. Weir's own."},
};

static const struct weir_settings_table table = {
    .rows = rows,
    .count = sizeof rows / sizeof rows[0],
    .noun = "setting of transactions",
};

struct weir_txn_settings weir_txn_settings_default(void)
{
    struct weir_txn_settings settings = {0};
    weir_settings_default(&table, &settings);
    return settings;
}

bool weir_txn_settings_is_known(const char *key)
{
    for (size_t i = 0; i < table.count; i++) {
        if (strcmp(rows[i].key, key) == 0) return true;
    }
    return false;
}

int weir_txn_settings_set(struct weir_txn_settings *settings, const char *key, const char *value,
                          struct weir_error *error)
{
    return weir_settings_set(&table, settings, key, value, error);
}

enum weir_config_type weir_txn_settings_type(const char *key)
{
    return weir_settings_type(&table, key);
}

void weir_txn_settings_each(const struct weir_txn_settings *settings, weir_setting_fn each,
                            void *context)
{
    weir_settings_each(&table, settings, each, context);
}

void weir_txn_settings_offer(struct weir_nearest *nearest)
{
    for (size_t i = 0; i < table.count; i++) {
        weir_nearest_offer(nearest, rows[i].key);
    }
}
