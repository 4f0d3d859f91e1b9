#ifndef WEIR_BROKER_COORDINATOR_TXN_TXN_RECORD_H
#define WEIR_BROKER_COORDINATOR_TXN_TXN_RECORD_H

#include "base/arena.h"
#include "base/buffer.h"
#include "broker/coordinator/txn/txn.h"

/**
 * Records of `__transaction_state`: Kafka's TransactionLogKey and TransactionLogValue. Values are written in version 1 and
 * read in 0 too. docs/format/transactions.md.
 */

/** Append the key of an id; WEIR_NO_MEMORY, WEIR_INVALID_ARGUMENT (longer than a string may be). */
int weir_txn_key_encode(struct weir_slice transactional_id, struct weir_buffer *key);
/** Append the value; `scratch` is used for it and not reset. Errors as above. */
int weir_txn_value_encode(const struct weir_txn *txn, struct weir_arena *scratch,
                          struct weir_buffer *value);
/** Strings point into `key`. WEIR_CORRUPT, WEIR_NO_MEMORY, WEIR_UNSUPPORTED_VERSION (a key of another type). */
int weir_txn_key_decode(struct weir_slice key, struct weir_arena *arena, struct weir_slice *id_out,
                        struct weir_error *error);
/** Strings point into `value`, the rest is in the arena. WEIR_CORRUPT also for what does not fit together. */
int weir_txn_value_decode(struct weir_slice id, struct weir_slice value, struct weir_arena *arena,
                          struct weir_txn *txn_out, struct weir_error *error);

#endif
