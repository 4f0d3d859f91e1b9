#include "tests/unit/broker/coordinator/txn/txn_stage.h"

/* A producer begins: who gets which id and epoch, and who is shut out. */

static struct weir_init_transactions_request init_of(int64_t id, int16_t epoch)
{
    return (struct weir_init_transactions_request){
        .base = {.producer_id = id, .producer_epoch = epoch},
        .timeout_ms = STAGE_TIMEOUT_MS,
    };
}

/* The first producer gets an id that nobody has had; the next one the epoch behind it, and the timeout is its own. */
START_TEST(each_producer_has_the_next_epoch)
{
    struct stage stage;
    int64_t id;
    int16_t epoch;
    stage_init(&stage);
    ck_ok(stage_begin(&stage, &id, &epoch), &stage.error);
    ck_assert_int_eq(id, 1001);
    ck_assert_int_eq(epoch, 0);
    struct weir_init_transactions_request init = init_of(-1, -1);
    init.timeout_ms = 7;
    ck_ok(stage_init_with(&stage, &init), &stage.error);
    ck_assert_int_eq(init.producer_id, 1001);
    ck_assert_int_eq(init.producer_epoch, 1);
    ck_assert_int_eq(stage_txn(&stage)->timeout_ms, 7);
    ck_assert_int_eq(stage_txn(&stage)->state, WEIR_TRANSACTION_EMPTY);
    ck_assert_uint_eq(stage.id_count, 1);
    stage_close(&stage);
}
END_TEST

START_TEST(a_timeout_out_of_range_is_refused)
{
    static const int32_t timeouts[] = {0, -1, INT32_MIN, 900001, INT32_MAX};
    struct stage stage;
    stage_init(&stage);
    struct weir_init_transactions_request init = init_of(-1, -1);
    init.timeout_ms = timeouts[_i];
    ck_code(stage_init_with(&stage, &init), WEIR_INVALID_TRANSACTION_TIMEOUT);
    ck_assert_ptr_null(stage_txn(&stage));
    ck_assert_uint_eq(stage.id_count, 0);
    stage_close(&stage);
}
END_TEST

/* What a producer says that it has, against id 1000 at epoch 5, given to one that had `last`. */
struct expectation {
    int64_t id;
    int16_t epoch;
    int16_t last;
    int rc;
    int16_t epoch_given;
};

static const struct expectation expectations[] = {
    {1000, 5, -1, 0, 6},                    /* the newest: raised */
    {1000, 4, 4, 0, 5},                     /* its answer was lost: the same once more */
    {1000, 4, -1, WEIR_PRODUCER_FENCED, 0}, /* a newer producer has begun since */
    {1000, 3, 4, WEIR_PRODUCER_FENCED, 0},
    {1000, 6, 4, WEIR_PRODUCER_FENCED, 0}, /* an epoch that nobody was given */
    {999, 5, -1, WEIR_PRODUCER_FENCED, 0}, /* another id */
};
enum { EXPECTATION_COUNT = sizeof expectations / sizeof expectations[0] };

START_TEST(a_producer_that_says_what_it_has_must_be_the_newest)
{
    static const enum weir_transaction_state states[] = {
        WEIR_TRANSACTION_EMPTY, WEIR_TRANSACTION_COMPLETE_COMMIT, WEIR_TRANSACTION_COMPLETE_ABORT};
    const struct expectation *expected = &expectations[_i];
    for (size_t i = 0; i < 3; i++) {
        struct stage stage;
        stage_init(&stage);
        struct weir_txn txn = stage_make(&stage, states[i]);
        txn.last_producer_epoch = expected->last;
        stage_put(&stage, &txn);
        struct weir_init_transactions_request init = init_of(expected->id, expected->epoch);
        ck_code(stage_init_with(&stage, &init), expected->rc);
        ck_assert(stage.update.writes == (expected->rc == 0));
        if (expected->rc == 0) {
            ck_assert_int_eq(init.producer_id, 1000);
            ck_assert_int_eq(init.producer_epoch, expected->epoch_given);
            ck_assert_int_eq(stage_txn(&stage)->producer_epoch, expected->epoch_given);
        }
        stage_close(&stage);
    }
}
END_TEST

/* Raised, and asked for again since the answer was lost: the same epoch, not one more. */
START_TEST(an_answer_that_was_lost_is_given_again)
{
    struct stage stage;
    stage_init(&stage);
    struct weir_txn txn = stage_make(&stage, WEIR_TRANSACTION_EMPTY);
    stage_put(&stage, &txn);
    for (int i = 0; i < 3; i++) {
        struct weir_init_transactions_request init = init_of(1000, 5);
        ck_ok(stage_init_with(&stage, &init), &stage.error);
        ck_assert_int_eq(init.producer_epoch, 6);
    }
    /* A producer that begins anew shuts it out. */
    int64_t id;
    int16_t epoch;
    ck_ok(stage_begin(&stage, &id, &epoch), &stage.error);
    ck_assert_int_eq(epoch, 7);
    struct weir_init_transactions_request late = init_of(1000, 6);
    ck_code(stage_init_with(&stage, &late), WEIR_PRODUCER_FENCED);
    stage_close(&stage);
}
END_TEST

/* Behind the last epoch comes a new id, also for who says that it had the last one; and again where the answer was lost. */
START_TEST(behind_the_last_epoch_comes_a_new_id)
{
    struct stage stage;
    stage_init(&stage);
    struct weir_txn txn = stage_make(&stage, WEIR_TRANSACTION_COMPLETE_COMMIT);
    txn.producer_epoch = WEIR_TXN_EPOCH_LAST;
    stage_put(&stage, &txn);
    bool says = _i == 1;
    for (int i = 0; i < (says ? 2 : 1); i++) {
        struct weir_init_transactions_request init =
            says ? init_of(1000, WEIR_TXN_EPOCH_LAST) : init_of(-1, -1);
        ck_ok(stage_init_with(&stage, &init), &stage.error);
        ck_assert_int_eq(init.producer_id, 1001);
        ck_assert_int_eq(init.producer_epoch, 0);
    }
    ck_assert_uint_eq(stage.id_count, 1);
    ck_assert_int_eq(stage_txn(&stage)->previous_producer_id, says ? 1001 : 1000);
    stage_close(&stage);
}
END_TEST

/* What the producer before has open is aborted with the next epoch, and the new one asks until that is done. */
START_TEST(an_open_transaction_is_aborted_first)
{
    struct stage stage;
    stage_init(&stage);
    struct weir_txn txn = stage_make(&stage, WEIR_TRANSACTION_ONGOING);
    txn.client_version = 0; /* of whichever version */
    stage_put(&stage, &txn);
    int64_t id;
    int16_t epoch;
    ck_code(stage_begin(&stage, &id, &epoch), WEIR_CONCURRENT_TRANSACTIONS);
    ck_assert_int_eq(stage_txn(&stage)->state, WEIR_TRANSACTION_PREPARE_ABORT);
    ck_assert_int_eq(stage_txn(&stage)->producer_epoch, 6);
    ck_assert_int_eq(stage_txn(&stage)->client_version, WEIR_TXN_VERSION_2);
    ck_assert_uint_eq(stage_txn(&stage)->partition_count, 1);
    ck_assert(stage.update.marks);
    ck_code(stage_begin(&stage, &id, &epoch), WEIR_CONCURRENT_TRANSACTIONS);
    ck_assert(!stage.update.writes);
    stage_complete(&stage);
    ck_ok(stage_begin(&stage, &id, &epoch), &stage.error);
    ck_assert_int_eq(id, 1000);
    ck_assert_int_eq(epoch, 7);
    stage_close(&stage);
}
END_TEST

/* One that is not the newest does not abort the newest's transaction. */
START_TEST(a_fenced_producer_aborts_nothing)
{
    struct stage stage;
    stage_init(&stage);
    struct weir_txn txn = stage_make(&stage, WEIR_TRANSACTION_ONGOING);
    stage_put(&stage, &txn);
    struct weir_init_transactions_request init = init_of(1000, 4);
    ck_code(stage_init_with(&stage, &init), WEIR_PRODUCER_FENCED);
    ck_assert_int_eq(stage_txn(&stage)->state, WEIR_TRANSACTION_ONGOING);
    stage_close(&stage);
}
END_TEST

/* An open transaction at the last epoch: its markers carry the one behind it, and the id is new from then on. */
START_TEST(fencing_the_last_epoch_needs_a_new_id)
{
    struct stage stage;
    stage_init(&stage);
    struct weir_txn txn = stage_make(&stage, WEIR_TRANSACTION_ONGOING);
    txn.producer_epoch = WEIR_TXN_EPOCH_LAST;
    stage_put(&stage, &txn);
    int64_t id;
    int16_t epoch;
    ck_code(stage_begin(&stage, &id, &epoch), WEIR_CONCURRENT_TRANSACTIONS);
    ck_assert_int_eq(stage_txn(&stage)->producer_id, 1000);
    ck_assert_int_eq(stage_txn(&stage)->producer_epoch, INT16_MAX);
    ck_assert_int_eq(stage_txn(&stage)->next_producer_id, 1001);
    stage_complete(&stage);
    ck_assert_int_eq(stage_txn(&stage)->producer_id, 1001);
    ck_assert_int_eq(stage_txn(&stage)->producer_epoch, 0);
    ck_ok(stage_begin(&stage, &id, &epoch), &stage.error);
    ck_assert_int_eq(epoch, 1);
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("init");
    tcase_add_test(tests, each_producer_has_the_next_epoch);
    tcase_add_loop_test(tests, a_timeout_out_of_range_is_refused, 0, 5);
    tcase_add_loop_test(tests, a_producer_that_says_what_it_has_must_be_the_newest, 0,
                        EXPECTATION_COUNT);
    tcase_add_test(tests, an_answer_that_was_lost_is_given_again);
    tcase_add_loop_test(tests, behind_the_last_epoch_comes_a_new_id, 0, 2);
    tcase_add_test(tests, an_open_transaction_is_aborted_first);
    tcase_add_test(tests, a_fenced_producer_aborts_nothing);
    tcase_add_test(tests, fencing_the_last_epoch_needs_a_new_id);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("txn_init", add);
}
