/** Transactions of the log in memory: version 2 of them. What is aborted stays where it is; it tells nobody. */
#include "tests/unit/client/memory_log_internal.h"

#include <check.h>
#include <string.h>

/* Of the id, or the first that has none yet. */
static struct memory_transaction *transaction_of(struct memory_log *memory, struct weir_slice id)
{
    struct memory_transaction *transaction = memory->transactions;
    ck_assert_uint_gt(id.size, 0);
    ck_assert_uint_lt(id.size, sizeof transaction->id);
    for (size_t i = 0; i < MEMORY_TRANSACTIONS_MAX; i++, transaction++) {
        if (transaction->id[0] != '\0' && !weir_slice_equal(weir_text(transaction->id), id))
            continue;
        if (transaction->id[0] == '\0') transaction->epoch = -1;
        memcpy(transaction->id, id.data, id.size);
        return transaction;
    }
    ck_abort_msg("more than %d transactional ids", (int)MEMORY_TRANSACTIONS_MAX);
}

/* A newer producer, or its own next epoch. */
static void raise_epoch(struct memory_log *memory, struct memory_transaction *transaction,
                        int64_t *id_out, int16_t *epoch_out)
{
    transaction->is_open = false;
    transaction->pending_count = 0;
    transaction->epoch++;
    *id_out = MEMORY_PRODUCER_ID + (transaction - memory->transactions);
    *epoch_out = transaction->epoch;
}

static struct memory_transaction *find(struct memory_log *memory, int64_t producer_id,
                                       int16_t epoch, int *rc_out)
{
    const int64_t place = producer_id - MEMORY_PRODUCER_ID;
    bool is_known =
        place >= 0 && place < MEMORY_TRANSACTIONS_MAX && memory->transactions[place].id[0] != '\0';
    *rc_out = is_known ? 0 : WEIR_INVALID_PRODUCER_ID_MAPPING;
    if (!is_known) return NULL;
    if (epoch != memory->transactions[place].epoch) *rc_out = WEIR_PRODUCER_FENCED;
    return *rc_out == 0 ? &memory->transactions[place] : NULL;
}

struct memory_transaction *memory_enter_transaction(struct memory_log *memory, int64_t producer_id,
                                                    int16_t epoch, int *rc_out)
{
    struct memory_transaction *transaction = find(memory, producer_id, epoch, rc_out);
    if (transaction != NULL) transaction->is_open = true;
    return transaction;
}

void memory_handle_init_transactions(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_init_transactions_request *request = (struct weir_init_transactions_request *)asked;
    int rc = memory_fault_of(memory, MEMORY_INIT_TRANSACTIONS);
    ck_assert_int_gt(request->timeout_ms, 0);
    if (rc == 0) {
        struct memory_transaction *transaction =
            transaction_of(memory, request->base.transactional_id);
        if (transaction->is_open) memory->ended[false]++;
        raise_epoch(memory, transaction, &request->producer_id, &request->producer_epoch);
    }
    memory_reply(memory, MEMORY_INIT_TRANSACTIONS, asked, rc);
}

/* Whatever is written to within it. */
void memory_handle_add_partitions(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_add_partitions_request *request = (struct weir_add_partitions_request *)asked;
    int rc = memory_fault_of(memory, MEMORY_ADD);
    if (rc == 0) {
        (void)memory_enter_transaction(memory, request->base.producer_id,
                                       request->base.producer_epoch, &rc);
    }
    memory_reply(memory, MEMORY_ADD, asked, rc);
}

void memory_handle_end_transaction(struct memory_log *memory, struct weir_request *asked)
{
    struct weir_end_transaction_request *request = (struct weir_end_transaction_request *)asked;
    struct memory_transaction *transaction = NULL;
    int rc = memory_fault_of(memory, MEMORY_END);
    if (rc == 0) {
        transaction = find(memory, request->base.producer_id, request->base.producer_epoch, &rc);
    }
    if (transaction != NULL) {
        memory->ended[request->is_commit]++;
        if (request->is_commit) memory_keep_pending(memory, transaction);
        raise_epoch(memory, transaction, &request->next_producer_id, &request->next_producer_epoch);
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
