#include "tests/unit/broker/coordinator/txn/txn_stage.h"

/*
 * How a transaction ends: each state, outcome and epoch of both versions, one row a claim. Id 1000 is at epoch 5: of
 * version 2 epoch 4 is what a producer asks with whose answer was lost.
 */
enum outcome { ABORT, COMMIT };
enum {
    REPEATED = 1, /* answered with what is there; nothing is written */
    PREPARED,     /* written */
};
#define FENCED WEIR_PRODUCER_FENCED
#define NOT_NOW WEIR_INVALID_TXN_STATE
#define ASK_AGAIN WEIR_CONCURRENT_TRANSACTIONS
#define STATE(name) WEIR_TRANSACTION_##name

struct row {
    bool is_version_2;
    enum weir_transaction_state state;
    enum outcome outcome;
    int16_t epoch;
    int expected;
};

static const struct row rows[] = {
    /* version 1: the epoch is the same from begin to end */
    {false, STATE(EMPTY), ABORT, 5, NOT_NOW},
    {false, STATE(EMPTY), COMMIT, 5, NOT_NOW},
    {false, STATE(ONGOING), ABORT, 5, PREPARED},
    {false, STATE(ONGOING), COMMIT, 5, PREPARED},
    {false, STATE(PREPARE_COMMIT), ABORT, 5, NOT_NOW},
    {false, STATE(PREPARE_COMMIT), COMMIT, 5, ASK_AGAIN},
    {false, STATE(PREPARE_ABORT), ABORT, 5, ASK_AGAIN},
    {false, STATE(PREPARE_ABORT), COMMIT, 5, NOT_NOW},
    {false, STATE(COMPLETE_COMMIT), ABORT, 5, NOT_NOW},
    {false, STATE(COMPLETE_COMMIT), COMMIT, 5, REPEATED},
    {false, STATE(COMPLETE_ABORT), ABORT, 5, REPEATED},
    {false, STATE(COMPLETE_ABORT), COMMIT, 5, NOT_NOW},
    /* version 2 */
    {true, STATE(EMPTY), ABORT, 4, FENCED},
    {true, STATE(EMPTY), ABORT, 5, PREPARED},
    {true, STATE(EMPTY), COMMIT, 4, FENCED},
    {true, STATE(EMPTY), COMMIT, 5, NOT_NOW},
    {true, STATE(ONGOING), ABORT, 4, FENCED},
    {true, STATE(ONGOING), ABORT, 5, PREPARED},
    {true, STATE(ONGOING), COMMIT, 4, FENCED},
    {true, STATE(ONGOING), COMMIT, 5, PREPARED},
    {true, STATE(PREPARE_COMMIT), ABORT, 4, NOT_NOW},
    {true, STATE(PREPARE_COMMIT), ABORT, 5, FENCED},
    {true, STATE(PREPARE_COMMIT), COMMIT, 4, ASK_AGAIN},
    {true, STATE(PREPARE_COMMIT), COMMIT, 5, FENCED},
    {true, STATE(PREPARE_ABORT), ABORT, 4, ASK_AGAIN},
    {true, STATE(PREPARE_ABORT), ABORT, 5, FENCED},
    {true, STATE(PREPARE_ABORT), COMMIT, 4, NOT_NOW},
    {true, STATE(PREPARE_ABORT), COMMIT, 5, FENCED},
    {true, STATE(COMPLETE_COMMIT), ABORT, 4, NOT_NOW},
    {true, STATE(COMPLETE_COMMIT), ABORT, 5, PREPARED},
    {true, STATE(COMPLETE_COMMIT), COMMIT, 4, REPEATED},
    {true, STATE(COMPLETE_COMMIT), COMMIT, 5, NOT_NOW},
    {true, STATE(COMPLETE_ABORT), ABORT, 4, REPEATED},
    {true, STATE(COMPLETE_ABORT), ABORT, 5, PREPARED},
    {true, STATE(COMPLETE_ABORT), COMMIT, 4, NOT_NOW},
    {true, STATE(COMPLETE_ABORT), COMMIT, 5, NOT_NOW},
};
enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

static struct weir_end_transaction_request end_of(int64_t id, int16_t epoch, bool is_version_2,
                                                  enum outcome outcome)
{
    return (struct weir_end_transaction_request){
        .base = {.producer_id = id, .producer_epoch = epoch, .is_version_2 = is_version_2},
        .is_commit = outcome == COMMIT,
    };
}

static void check_prepared(const struct stage *stage, const struct row *row)
{
    const struct weir_txn *txn = stage_txn(stage);
    ck_assert_int_eq(txn->state, row->outcome == COMMIT ? WEIR_TRANSACTION_PREPARE_COMMIT
                                                        : WEIR_TRANSACTION_PREPARE_ABORT);
    ck_assert_int_eq(txn->producer_id, 1000);
    ck_assert_int_eq(txn->producer_epoch, row->is_version_2 ? 6 : 5);
    ck_assert_int_eq(txn->client_version, row->is_version_2 ? WEIR_TXN_VERSION_2 : 0);
    ck_assert_int_ge(txn->start_ms, 0);
    ck_assert(stage->update.marks);
    ck_assert_int_eq(stage->deadline_ms, WEIR_TXN_NEVER_MS);
    /* What is committed must be on the disk before it is. */
    ck_assert_uint_eq(stage->sync_count, row->outcome == COMMIT ? 1 : 0);
}

START_TEST(each_state_has_its_answer)
{
    const struct row *row = &rows[_i];
    struct stage stage;
    stage_init(&stage);
    struct weir_txn txn = stage_make(&stage, row->state);
    stage_put(&stage, &txn);
    struct weir_end_transaction_request end =
        end_of(1000, row->epoch, row->is_version_2, row->outcome);
    ck_code(stage_end(&stage, &end), row->expected > 0 ? 0 : row->expected);
    ck_assert(stage.update.writes == (row->expected == PREPARED));
    if (row->expected == PREPARED) {
        check_prepared(&stage, row);
        ck_assert_int_eq(end.next_producer_epoch, row->is_version_2 ? 6 : 5);
        stage_complete(&stage);
        ck_assert_int_eq(stage_txn(&stage)->producer_epoch, end.next_producer_epoch);
        ck_assert_uint_eq(stage_txn(&stage)->partition_count, 0);
    } else {
        ck_assert_int_eq(stage_txn(&stage)->state, row->state);
    }
    if (row->expected == REPEATED) ck_assert_int_eq(end.next_producer_epoch, 5);
    stage_close(&stage);
}
END_TEST

/* Where the epoch was not raised by the end, the one below it is that of a producer that another one has shut out: it is not
 * given the other's epoch, whatever it asks for. */
START_TEST(a_predecessor_is_no_retry)
{
    static const enum weir_transaction_state states[] = {
        STATE(PREPARE_COMMIT), STATE(PREPARE_ABORT), STATE(COMPLETE_COMMIT), STATE(COMPLETE_ABORT)};
    for (int outcome = ABORT; outcome <= COMMIT; outcome++) {
        struct stage stage;
        stage_init(&stage);
        struct weir_txn txn = stage_make(&stage, states[_i]);
        txn.client_version = 0;
        stage_put(&stage, &txn);
        struct weir_end_transaction_request end = end_of(1000, 4, true, (enum outcome)outcome);
        ck_code(stage_end(&stage, &end), WEIR_PRODUCER_FENCED);
        ck_assert_int_eq(end.next_producer_epoch, -1);
        stage_close(&stage);
    }
}
END_TEST

/* Whatever the state: another producer id is not this one's, and an epoch that is neither is fenced. */
START_TEST(strangers_end_nothing)
{
    bool is_version_2 = _i == 1;
    struct stage stage;
    stage_init(&stage);
    struct weir_end_transaction_request end = end_of(1000, 5, is_version_2, COMMIT);
    ck_code(stage_end(&stage, &end), WEIR_INVALID_PRODUCER_ID_MAPPING);
    for (int state = STATE(EMPTY); state <= STATE(COMPLETE_ABORT); state++) {
        struct weir_txn txn = stage_make(&stage, (enum weir_transaction_state)state);
        stage_put(&stage, &txn);
        end = end_of(999, 5, is_version_2, ABORT);
        ck_code(stage_end(&stage, &end), WEIR_INVALID_PRODUCER_ID_MAPPING);
        end = end_of(1000, 3, is_version_2, ABORT);
        ck_code(stage_end(&stage, &end), WEIR_PRODUCER_FENCED);
        end = end_of(1000, 6, is_version_2, ABORT);
        ck_code(stage_end(&stage, &end), WEIR_PRODUCER_FENCED);
        ck_assert(!stage.update.writes);
    }
    stage_close(&stage);
}
END_TEST

/* Behind the last epoch of version 2: markers with the old id and the epoch that nobody has, a new id from then on; and the
 * same answer to who asks again with what it had. */
START_TEST(the_last_epoch_ends_with_a_new_id)
{
    enum outcome outcome = _i == 0 ? ABORT : COMMIT;
    struct stage stage;
    stage_init(&stage);
    struct weir_txn txn = stage_make(&stage, WEIR_TRANSACTION_ONGOING);
    txn.producer_epoch = WEIR_TXN_EPOCH_LAST;
    stage_put(&stage, &txn);
    struct weir_end_transaction_request end = end_of(1000, WEIR_TXN_EPOCH_LAST, true, outcome);
    ck_ok(stage_end(&stage, &end), &stage.error);
    ck_assert_int_eq(stage_txn(&stage)->producer_id, 1000);
    ck_assert_int_eq(stage_txn(&stage)->producer_epoch, INT16_MAX);
    ck_assert_int_eq(end.next_producer_id, 1001);
    ck_assert_int_eq(end.next_producer_epoch, 0);
    ck_code(stage_end(&stage, &end), WEIR_CONCURRENT_TRANSACTIONS);
    /* The client has its answer and goes on: it is asked to wait, not fenced. */
    ck_code(stage_add(&stage, 1001, 0, "clicks", 0), WEIR_CONCURRENT_TRANSACTIONS);
    stage_complete(&stage);
    ck_ok(stage_end(&stage, &end), &stage.error);
    ck_assert(!stage.update.writes);
    ck_assert_int_eq(end.next_producer_id, 1001);
    ck_assert_int_eq(end.next_producer_epoch, 0);
    ck_ok(stage_add(&stage, 1001, 0, "clicks", 0), &stage.error);
    ck_assert_uint_eq(stage.id_count, 1);
    stage_close(&stage);
}
END_TEST

/* A producer of version 2 through its transactions: each has an epoch of its own. */
START_TEST(each_transaction_of_version_2_has_its_epoch)
{
    struct stage stage;
    int64_t id;
    int16_t epoch;
    stage_init(&stage);
    ck_ok(stage_begin(&stage, &id, &epoch), &stage.error);
    for (int i = 0; i < 10; i++) {
        ck_ok(stage_add(&stage, id, epoch, "clicks", i), &stage.error);
        struct weir_end_transaction_request end = end_of(id, epoch, true, i % 2);
        ck_ok(stage_end(&stage, &end), &stage.error);
        ck_assert_uint_eq(stage_txn(&stage)->partition_count, 1);
        stage_complete(&stage);
        ck_assert_int_eq(end.next_producer_epoch, epoch + 1);
        /* What is late of the transaction before is in none. */
        ck_code(stage_add(&stage, id, epoch, "clicks", 0), WEIR_PRODUCER_FENCED);
        epoch = end.next_producer_epoch;
    }
    stage_close(&stage);
}
END_TEST

/* Nothing leads from one outcome to the other, by any event. */
START_TEST(an_outcome_stays)
{
    bool is_commit = _i == 0;
    struct stage stage;
    stage_init(&stage);
    struct weir_txn txn =
        stage_make(&stage, is_commit ? STATE(PREPARE_COMMIT) : STATE(PREPARE_ABORT));
    stage_put(&stage, &txn);
    stage.deadline_ms = 0;
    stage.wall_ms += INT32_MAX;
    for (int version = 1; version <= 2; version++) {
        for (int16_t epoch = 3; epoch <= 7; epoch++) {
            struct weir_end_transaction_request end =
                end_of(1000, epoch, version == 2, is_commit ? ABORT : COMMIT);
            ck_assert_int_lt(stage_end(&stage, &end), 0);
            ck_assert(!stage.update.writes);
        }
    }
    int64_t id;
    int16_t epoch;
    ck_assert_int_lt(stage_begin(&stage, &id, &epoch), 0);
    ck_ok(stage_event(&stage, WEIR_TXN_TIMEOUT), &stage.error);
    ck_ok(stage_event(&stage, WEIR_TXN_EXPIRE), &stage.error);
    ck_assert(!stage.update.writes);
    ck_ok(stage_event(&stage, WEIR_TXN_LOAD), &stage.error);
    ck_assert(!stage.update.writes && stage.update.marks);
    stage_complete(&stage);
    ck_assert_int_eq(stage_txn(&stage)->state,
                     is_commit ? STATE(COMPLETE_COMMIT) : STATE(COMPLETE_ABORT));
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("end");
    tcase_add_loop_test(tests, each_state_has_its_answer, 0, ROW_COUNT);
    tcase_add_loop_test(tests, a_predecessor_is_no_retry, 0, 4);
    tcase_add_loop_test(tests, strangers_end_nothing, 0, 2);
    tcase_add_loop_test(tests, the_last_epoch_ends_with_a_new_id, 0, 2);
    tcase_add_test(tests, each_transaction_of_version_2_has_its_epoch);
    tcase_add_loop_test(tests, an_outcome_stays, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("txn_end", add);
}
