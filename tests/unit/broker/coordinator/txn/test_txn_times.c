#include "tests/unit/broker/coordinator/txn/txn_stage.h"

/* What time does: transactions that are open for too long, ids that nobody uses, what a start finds. */

/* What may follow what, against the drawing in txn.h. */
START_TEST(states_follow_as_they_are_drawn)
{
    static const char *const successors[WEIR_TRANSACTION_STATES] = {
        /* to: Empty Ongoing PrepareCommit PrepareAbort CompleteCommit CompleteAbort Dead PrepareEpochFence */
        [WEIR_TRANSACTION_EMPTY] = "yynynnyn",
        [WEIR_TRANSACTION_ONGOING] = "nyyynnny",
        [WEIR_TRANSACTION_PREPARE_COMMIT] = "nnnnynnn",
        [WEIR_TRANSACTION_PREPARE_ABORT] = "nnnnnynn",
        [WEIR_TRANSACTION_COMPLETE_COMMIT] = "yynynnyn",
        [WEIR_TRANSACTION_COMPLETE_ABORT] = "yynynnyn",
        [WEIR_TRANSACTION_DEAD] = "nnnnnnnn",
        [WEIR_TRANSACTION_PREPARE_EPOCH_FENCE] = "nnnynnnn",
    };
    for (int from = 0; from < WEIR_TRANSACTION_STATES; from++) {
        for (int to = 0; to < WEIR_TRANSACTION_STATES; to++) {
            bool may = weir_txn_may_follow((enum weir_transaction_state)from,
                                           (enum weir_transaction_state)to);
            ck_assert_msg(may == (successors[from][to] == 'y'), "%d to %d", from, to);
        }
    }
}
END_TEST

/* At its deadline, and not before, an open transaction is aborted with the next epoch. */
START_TEST(a_transaction_that_takes_too_long_is_aborted)
{
    struct stage stage;
    stage_init(&stage);
    struct weir_txn txn = stage_make(&stage, WEIR_TRANSACTION_EMPTY);
    stage_put(&stage, &txn);
    ck_ok(stage_add(&stage, 1000, 5, "clicks", 0), &stage.error);
    stage.now_ms += STAGE_TIMEOUT_MS - 1;
    stage.wall_ms += INT32_MAX; /* a clock that jumps ends nothing */
    ck_ok(stage_event(&stage, WEIR_TXN_TIMEOUT), &stage.error);
    ck_assert(!stage.update.writes);
    stage.now_ms++;
    ck_ok(stage_event(&stage, WEIR_TXN_TIMEOUT), &stage.error);
    ck_assert_int_eq(stage_txn(&stage)->state, WEIR_TRANSACTION_PREPARE_ABORT);
    ck_assert_int_eq(stage_txn(&stage)->producer_epoch, 6);
    ck_assert(stage.update.marks);
    ck_assert_int_eq(stage.deadline_ms, WEIR_TXN_NEVER_MS);
    ck_ok(stage_event(&stage, WEIR_TXN_TIMEOUT), &stage.error);
    ck_assert(!stage.update.writes);
    stage_complete(&stage);
    /* Its producer is shut out. */
    ck_code(stage_add(&stage, 1000, 5, "clicks", 0), WEIR_PRODUCER_FENCED);
    struct weir_end_transaction_request end = {.base = {.producer_id = 1000, .producer_epoch = 5},
                                               .is_commit = true};
    ck_code(stage_end(&stage, &end), WEIR_PRODUCER_FENCED);
    end.base.is_version_2 = true;
    ck_code(stage_end(&stage, &end), WEIR_INVALID_TXN_STATE);
    stage_close(&stage);
}
END_TEST

/* An id that nobody has used for that long is taken back; not one with a transaction. */
START_TEST(an_id_that_nobody_uses_goes)
{
    struct stage stage;
    stage_init(&stage);
    for (int state = WEIR_TRANSACTION_EMPTY; state <= WEIR_TRANSACTION_COMPLETE_ABORT; state++) {
        struct weir_txn txn = stage_make(&stage, (enum weir_transaction_state)state);
        stage_put(&stage, &txn);
        stage.wall_ms = txn.update_ms + stage.settings.id_expiration_ms - 1;
        ck_ok(stage_event(&stage, WEIR_TXN_EXPIRE), &stage.error);
        ck_assert(!stage.update.writes);
        stage.wall_ms++;
        ck_ok(stage_event(&stage, WEIR_TXN_EXPIRE), &stage.error);
        ck_assert(stage.update.is_gone == weir_txn_is_idle(&txn));
        ck_assert((stage_txn(&stage) == NULL) == weir_txn_is_idle(&txn));
    }
    stage_close(&stage);
}
END_TEST

/* Who comes after that gets a new id: the old one's late batches are nobody's. */
START_TEST(a_forgotten_id_begins_anew)
{
    struct stage stage;
    int64_t id;
    int16_t epoch;
    stage_init(&stage);
    struct weir_txn txn = stage_make(&stage, WEIR_TRANSACTION_COMPLETE_COMMIT);
    stage_put(&stage, &txn);
    stage.wall_ms += stage.settings.id_expiration_ms;
    ck_ok(stage_event(&stage, WEIR_TXN_EXPIRE), &stage.error);
    ck_code(stage_add(&stage, 1000, 5, "clicks", 0), WEIR_INVALID_PRODUCER_ID_MAPPING);
    ck_ok(stage_begin(&stage, &id, &epoch), &stage.error);
    ck_assert_int_eq(id, 1001);
    ck_assert_int_eq(epoch, 0);
    stage_close(&stage);
}
END_TEST

/* After a start an open transaction has its time once more, and one that was decided is marked again. */
START_TEST(a_start_goes_on_with_what_it_finds)
{
    struct stage stage;
    stage_init(&stage);
    for (int state = WEIR_TRANSACTION_EMPTY; state <= WEIR_TRANSACTION_COMPLETE_ABORT; state++) {
        struct weir_txn txn = stage_make(&stage, (enum weir_transaction_state)state);
        bool is_open = state == WEIR_TRANSACTION_ONGOING;
        stage_put(&stage, &txn);
        stage.deadline_ms = WEIR_TXN_NEVER_MS;
        ck_ok(stage_event(&stage, WEIR_TXN_LOAD), &stage.error);
        ck_assert(!stage.update.writes);
        ck_assert(stage.update.marks == weir_txn_is_prepared(&txn));
        ck_assert_int_eq(stage.deadline_ms,
                         is_open ? stage.now_ms + STAGE_TIMEOUT_MS : WEIR_TXN_NEVER_MS);
    }
    stage_close(&stage);
}
END_TEST

/* Of an id of which nothing is there no time does anything. */
START_TEST(nothing_comes_of_nothing)
{
    static const enum weir_txn_event_type types[] = {WEIR_TXN_TIMEOUT, WEIR_TXN_EXPIRE,
                                                     WEIR_TXN_LOAD};
    struct stage stage;
    stage_init(&stage);
    for (size_t i = 0; i < 3; i++) {
        ck_ok(stage_event(&stage, types[i]), &stage.error);
        ck_assert(!stage.update.writes && !stage.update.marks);
    }
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("times");
    tcase_add_test(tests, states_follow_as_they_are_drawn);
    tcase_add_test(tests, a_transaction_that_takes_too_long_is_aborted);
    tcase_add_test(tests, an_id_that_nobody_uses_goes);
    tcase_add_test(tests, a_forgotten_id_begins_anew);
    tcase_add_test(tests, a_start_goes_on_with_what_it_finds);
    tcase_add_test(tests, nothing_comes_of_nothing);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("txn_times", add);
}
