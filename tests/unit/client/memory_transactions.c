/** Transactions of the log in memory: of one transactional id, and version 2 of them. What is aborted stays where it is; it
 * tells nobody. */
#include "tests/unit/client/memory_log_internal.h"

#include <check.h>

/* A newer producer, or its own next epoch. */
static void raise_epoch(struct memory_log *memory, int64_t *id_out, int16_t *epoch_out)
{
    memory->transaction.is_open = false;
    memory->transaction.pending_count = 0;
    memory->transaction.epoch++;
    *id_out = MEMORY_PRODUCER_ID;
    *epoch_out = memory->transaction.epoch;
}

static int check_producer(const struct memory_log *memory, int64_t producer_id, int16_t epoch)
{
    if (producer_id != MEMORY_PRODUCER_ID) return WEIR_INVALID_PRODUCER_ID_MAPPING;
    return epoch == memory->transaction.epoch ? 0 : WEIR_PRODUCER_FENCED;
}

int memory_enter_transaction(struct memory_log *memory, int64_t producer_id, int16_t epoch)
{
    int rc = check_producer(memory, producer_id, epoch);
    if (rc == 0) memory->transaction.is_open = true;
    return rc;
}

void memory_handle_init_transactions(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_init_transactions_request *request = (struct weir_init_transactions_request *)asked;
    int rc = memory_fault_of(memory, MEMORY_INIT_TRANSACTIONS);
    ck_assert_int_gt(request->timeout_ms, 0);
    if (rc == 0 && memory->transaction.is_open) memory->transaction.ended[false]++;
    if (rc == 0) raise_epoch(memory, &request->producer_id, &request->producer_epoch);
    memory_reply(memory, MEMORY_INIT_TRANSACTIONS, asked, rc);
}

/* Whatever is written to within it. */
void memory_handle_add_partitions(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_add_partitions_request *request = (struct weir_add_partitions_request *)asked;
    int rc = memory_fault_of(memory, MEMORY_ADD);
    if (rc == 0) {
        rc = memory_enter_transaction(memory, request->base.producer_id,
                                      request->base.producer_epoch);
    }
    memory_reply(memory, MEMORY_ADD, asked, rc);
}

void memory_handle_end_transaction(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_end_transaction_request *request = (struct weir_end_transaction_request *)asked;
    int rc = memory_fault_of(memory, MEMORY_END);
    if (rc == 0) {
        rc = check_producer(memory, request->base.producer_id, request->base.producer_epoch);
    }
    if (rc == 0) {
        memory->transaction.ended[request->is_commit]++;
        if (request->is_commit) memory_keep_pending(memory);
        raise_epoch(memory, &request->next_producer_id, &request->next_producer_epoch);
    }
    memory_reply(memory, MEMORY_END, asked, rc);
}

/* For tools, which have a log that has them. */
void memory_handle_describe_transaction(struct memory_log *memory, struct weir_request *asked)
{
    memory_reply(memory, MEMORY_END, asked, WEIR_UNSUPPORTED);
}

void memory_handle_list_transactions(struct memory_log *memory, struct weir_request *asked)
{
    memory_reply(memory, MEMORY_END, asked, WEIR_UNSUPPORTED);
}

void memory_handle_describe_producers(struct memory_log *memory, struct weir_request *asked)
{
    memory_reply(memory, MEMORY_END, asked, WEIR_UNSUPPORTED);
}

void memory_handle_write_marker(struct memory_log *memory, struct weir_request *asked)
{
    memory_reply(memory, MEMORY_END, asked, WEIR_UNSUPPORTED);
}
