#ifndef WEIR_BROKER_COORDINATOR_TXN_TXN_SETTINGS_H
#define WEIR_BROKER_COORDINATOR_TXN_TXN_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/settings.h"

/** What holds for transactions, by Kafka's names; times in milliseconds. */
struct weir_txn_settings {
    int32_t timeout_max_ms;   /* transaction.max.timeout.ms: 900,000 */
    int32_t id_expiration_ms; /* transactional.id.expiration.ms: 7 days */
    int32_t
        abort_interval_ms; /* transaction.abort.timed.out.transaction.cleanup.interval.ms: 10,000 */
    int32_t
        expiry_interval_ms; /* transaction.remove.expired.transaction.cleanup.interval.ms: 1 h */
    int32_t log_num_partitions; /* transaction.state.log.num.partitions: 1 */
    int64_t all_bytes_max;      /* transactions.max.bytes, Weir's own: 128 MiB */
};

/** Kafka 4's defaults, and one partition of `__transaction_state`, of which `weir server` has 50. */
struct weir_txn_settings weir_txn_settings_default(void);
/** Is there a setting of this name? */
bool weir_txn_settings_is_known(const char *key);
/** WEIR_INVALID_CONFIG with the key, the value, what would be right, or "did you mean". */
int weir_txn_settings_set(struct weir_txn_settings *settings, const char *key, const char *value,
                          struct weir_error *error);
enum weir_config_type weir_txn_settings_type(const char *key);
/** Each in order of name. */
void weir_txn_settings_each(const struct weir_txn_settings *settings, weir_setting_fn each,
                            void *context);
/** Its names, for who looks for one that may be meant. */
void weir_txn_settings_offer(struct weir_nearest *nearest);

#endif
