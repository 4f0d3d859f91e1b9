#include "broker/coordinator/txn/txn_record.h"

#include "base/assert.h"
#include "base/error.h"
#include "broker/coordinator/txn/txn_internal.h"
#include "wire/coordinator_record.h"
#include "wire/generated/transaction_log_key.h"
#include "wire/generated/transaction_log_value.h"

enum { VALUE_VERSION = 1 };

typedef struct weir_transaction_log_value_partitions_schema topic_row;

/* ---- written --------------------------------------------------------------------------------- */

int weir_txn_key_encode(struct weir_slice transactional_id, struct weir_buffer *key)
{
    struct weir_transaction_log_key message = {.transactional_id = transactional_id};
    return weir_coordinator_key_encode(&weir_transaction_log_key_type, &message, key);
}

/* Each topic once: the partitions are in order of topic. */
static int group_by_topic(const struct weir_txn *txn, struct weir_arena *arena,
                          struct weir_transaction_log_value *value)
{
    size_t count = txn->partition_count;
    topic_row *rows = weir_arena_array(arena, count + 1, sizeof *rows);
    int32_t *numbers = weir_arena_array(arena, count + 1, sizeof *numbers);
    size_t row_count = 0;
    if (rows == NULL || numbers == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const struct weir_topic_partition *partition = &txn->partitions[i];
        numbers[i] = partition->partition;
        bool is_same =
            row_count > 0 && weir_slice_equal(rows[row_count - 1].topic, partition->topic);
        if (!is_same) {
            rows[row_count++] =
                (topic_row){.topic = partition->topic, .partition_ids = &numbers[i]};
        }
        rows[row_count - 1].partition_ids_count++;
    }
    value->transaction_partitions = rows;
    value->transaction_partitions_count = row_count;
    return 0;
}

int weir_txn_value_encode(const struct weir_txn *txn, struct weir_arena *scratch,
                          struct weir_buffer *buffer)
{
    struct weir_transaction_log_value value;
    weir_txn_check(txn);
    weir_transaction_log_value_init(&value);
    value.producer_id = txn->producer_id;
    value.previous_producer_id = txn->previous_producer_id;
    value.next_producer_id = txn->next_producer_id;
    value.producer_epoch = txn->producer_epoch;
    value.next_producer_epoch = txn->next_producer_id >= 0 ? 0 : -1;
    value.transaction_timeout_ms = txn->timeout_ms;
    value.transaction_status = (int8_t)txn->state;
    value.transaction_last_update_timestamp_ms = txn->update_ms;
    value.transaction_start_timestamp_ms = txn->start_ms;
    value.client_transaction_version = txn->client_version;
    value.transaction_partitions = NULL;
    value.transaction_partitions_count = 0;
    int rc = txn->state != WEIR_TRANSACTION_EMPTY ? group_by_topic(txn, scratch, &value) : 0;
    if (rc < 0) return rc;
    return weir_coordinator_value_encode(&weir_transaction_log_value_type, &value, VALUE_VERSION,
                                         buffer);
}

/* ---- read ------------------------------------------------------------------------------------ */

int weir_txn_key_decode(struct weir_slice key, struct weir_arena *arena, struct weir_slice *id_out,
                        struct weir_error *error)
{
    struct weir_transaction_log_key message;
    int rc =
        weir_coordinator_key_decode(key, &weir_transaction_log_key_type, &message, arena, error);
    if (rc == 0) *id_out = message.transactional_id;
    return rc;
}

static size_t count_partitions(const struct weir_transaction_log_value *value)
{
    size_t count = 0;
    for (size_t i = 0; i < value->transaction_partitions_count; i++) {
        count += value->transaction_partitions[i].partition_ids_count;
    }
    return count;
}

static int read_partitions(const struct weir_transaction_log_value *value, struct weir_arena *arena,
                           struct weir_txn *txn)
{
    size_t count = count_partitions(value);
    struct weir_topic_partition *partitions =
        weir_arena_array(arena, count + 1, sizeof *partitions);
    size_t at = 0;
    if (partitions == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < value->transaction_partitions_count; i++) {
        const topic_row *row = &value->transaction_partitions[i];
        for (size_t j = 0; j < row->partition_ids_count; j++) {
            partitions[at++] = (struct weir_topic_partition){row->topic, row->partition_ids[j]};
        }
    }
    weir_assert(at == count);
    txn->partitions = partitions;
    txn->partition_count = weir_txn_sort_partitions(partitions, count);
    return 0;
}

static int check_read(const struct weir_txn *txn, struct weir_error *error)
{
    const char *fault = weir_txn_fault(txn);
    if (txn->partition_count > WEIR_TXN_PARTITIONS_MAX) fault = "it has too many partitions";
    if (fault == NULL) return 0;
    return weir_error_set(error, WEIR_CORRUPT,
                          "transactional id '%.*s', state %d, producer %lld epoch %d: %s",
                          WEIR_TXN_SHOWN(txn->transactional_id), (int)txn->state,
                          (long long)txn->producer_id, txn->producer_epoch, fault);
}

int weir_txn_value_decode(struct weir_slice id, struct weir_slice value, struct weir_arena *arena,
                          struct weir_txn *txn_out, struct weir_error *error)
{
    struct weir_transaction_log_value read;
    int rc =
        weir_coordinator_value_decode(value, &weir_transaction_log_value_type, &read, arena, error);
    if (rc < 0) return rc;
    struct weir_txn txn = {
        .transactional_id = id,
        .state = (enum weir_transaction_state)read.transaction_status,
        .producer_id = read.producer_id,
        .previous_producer_id = read.previous_producer_id < 0 ? -1 : read.previous_producer_id,
        .next_producer_id = read.next_producer_id < 0 ? -1 : read.next_producer_id,
        .producer_epoch = read.producer_epoch,
        .last_producer_epoch = -1,
        .client_version = read.client_transaction_version,
        .timeout_ms = read.transaction_timeout_ms,
        .start_ms = read.transaction_start_timestamp_ms,
        .update_ms = read.transaction_last_update_timestamp_ms,
    };
    rc = read_partitions(&read, arena, &txn);
    if (rc < 0) return weir_error_set(error, (enum weir_code)rc, "read a transaction");
    rc = check_read(&txn, error);
    if (rc == 0) *txn_out = txn;
    return rc;
}
