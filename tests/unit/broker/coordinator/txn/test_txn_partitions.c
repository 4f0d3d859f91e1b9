#include "tests/unit/broker/coordinator/txn/txn_stage.h"

/* Partitions of a transaction: added, asked about, bounded. */

static struct weir_add_partitions_request add_of(const struct weir_topic_partition *partitions,
                                                 size_t count)
{
    return (struct weir_add_partitions_request){
        .base = {.producer_id = 1000, .producer_epoch = 5},
        .partitions = partitions,
        .partition_count = count,
    };
}

static int ask(struct stage *stage, struct weir_add_partitions_request *add)
{
    struct weir_txn_event event = {.type = WEIR_TXN_ADD_PARTITIONS,
                                   .now_ms = stage->now_ms,
                                   .wall_ms = stage->wall_ms,
                                   .deadline_ms = stage->deadline_ms,
                                   .new_producer_id = -1,
                                   .settings = &stage->settings,
                                   .add = add};
    stage->error = (struct weir_error){0};
    weir_arena_reset(&stage->arena);
    stage->update.arena = &stage->arena;
    int rc =
        weir_txn_step(stage_txn(stage), weir_text(STAGE_ID), &event, &stage->update, &stage->error);
    if (stage->update.writes) {
        struct weir_txn next = stage->update.next;
        stage_put(stage, &next);
        stage->deadline_ms = stage->update.deadline_ms;
    }
    return rc;
}

/* The first partition begins the transaction, and its time; what is in already is written only once. */
START_TEST(partitions_are_added_each_once)
{
    static const enum weir_transaction_state states[] = {
        WEIR_TRANSACTION_EMPTY, WEIR_TRANSACTION_COMPLETE_COMMIT, WEIR_TRANSACTION_COMPLETE_ABORT};
    struct stage stage;
    stage_init(&stage);
    struct weir_txn txn = stage_make(&stage, states[_i]);
    stage_put(&stage, &txn);
    stage.wall_ms += 77;
    ck_ok(stage_add(&stage, 1000, 5, "views", 2), &stage.error);
    ck_assert_int_eq(stage_txn(&stage)->start_ms, stage.wall_ms);
    ck_assert_int_eq(stage.deadline_ms, stage.now_ms + STAGE_TIMEOUT_MS);
    stage.now_ms += 1000;
    ck_ok(stage_add(&stage, 1000, 5, "clicks", 1), &stage.error);
    ck_ok(stage_add(&stage, 1000, 5, "views", 0), &stage.error);
    ck_assert_int_eq(stage.deadline_ms, stage.now_ms - 1000 + STAGE_TIMEOUT_MS);
    ck_ok(stage_add(&stage, 1000, 5, "clicks", 1), &stage.error);
    ck_assert(!stage.update.writes);
    const struct weir_txn *open = stage_txn(&stage);
    ck_assert_int_eq(open->state, WEIR_TRANSACTION_ONGOING);
    ck_assert_uint_eq(open->partition_count, 3);
    ck_assert_mem_eq(open->partitions[0].topic.data, "clicks", 6);
    ck_assert_int_eq(open->partitions[1].partition, 0);
    ck_assert_int_eq(open->partitions[2].partition, 2);
    ck_assert_int_eq(open->client_version, WEIR_TXN_VERSION_2);
    stage_close(&stage);
}
END_TEST

/* By whom: the id's producer, with its epoch, and not while the transaction before is being ended. */
START_TEST(only_the_newest_producer_adds)
{
    struct stage stage;
    stage_init(&stage);
    ck_code(stage_add(&stage, 1000, 5, "clicks", 0), WEIR_INVALID_PRODUCER_ID_MAPPING);
    for (int state = WEIR_TRANSACTION_EMPTY; state <= WEIR_TRANSACTION_COMPLETE_ABORT; state++) {
        struct weir_txn txn = stage_make(&stage, (enum weir_transaction_state)state);
        bool is_ending = weir_txn_is_prepared(&txn);
        stage_put(&stage, &txn);
        ck_code(stage_add(&stage, 999, 5, "views", 0),
                is_ending ? WEIR_CONCURRENT_TRANSACTIONS : WEIR_INVALID_PRODUCER_ID_MAPPING);
        ck_code(stage_add(&stage, 1000, 4, "views", 0),
                is_ending ? WEIR_CONCURRENT_TRANSACTIONS : WEIR_PRODUCER_FENCED);
        ck_code(stage_add(&stage, 1000, 6, "views", 0),
                is_ending ? WEIR_CONCURRENT_TRANSACTIONS : WEIR_PRODUCER_FENCED);
        ck_assert(!stage.update.writes);
        ck_code(stage_add(&stage, 1000, 5, "views", 0),
                is_ending ? WEIR_CONCURRENT_TRANSACTIONS : 0);
    }
    stage_close(&stage);
}
END_TEST

/* Asking adds nothing: each partition is in it, or the transaction can only be aborted. */
START_TEST(asking_says_which_are_in_it)
{
    const struct weir_topic_partition asked[] = {{weir_text("clicks"), 0},
                                                 {weir_text("clicks"), 1}};
    struct stage stage;
    stage_init(&stage);
    for (int state = WEIR_TRANSACTION_EMPTY; state <= WEIR_TRANSACTION_COMPLETE_ABORT; state++) {
        struct weir_txn txn = stage_make(&stage, (enum weir_transaction_state)state);
        bool is_open = state == WEIR_TRANSACTION_ONGOING;
        int rcs[2] = {1, 1};
        stage_put(&stage, &txn);
        struct weir_add_partitions_request add = add_of(asked, 2);
        add.is_verify = true;
        add.rcs = rcs;
        if (weir_txn_is_prepared(&txn)) {
            ck_code(ask(&stage, &add), WEIR_CONCURRENT_TRANSACTIONS);
            continue;
        }
        ck_ok(ask(&stage, &add), &stage.error);
        ck_assert(!stage.update.writes);
        ck_assert_int_eq(rcs[0], is_open ? 0 : WEIR_TRANSACTION_ABORTABLE);
        ck_assert_int_eq(rcs[1], WEIR_TRANSACTION_ABORTABLE);
        add.rcs = NULL; /* one answer for all */
        ck_code(ask(&stage, &add), WEIR_TRANSACTION_ABORTABLE);
        add.partition_count = 1;
        ck_code(ask(&stage, &add), is_open ? 0 : WEIR_TRANSACTION_ABORTABLE);
        add.base.producer_epoch = 4;
        ck_code(ask(&stage, &add), WEIR_PRODUCER_FENCED);
        add.base.producer_id = 7;
        ck_code(ask(&stage, &add), WEIR_INVALID_PRODUCER_ID_MAPPING);
    }
    stage_close(&stage);
}
END_TEST

/* It adds nothing, begins nothing and costs no record: only the time of what is open begins anew, for its producer. */
START_TEST(a_renewal_has_the_time_begin_anew)
{
    struct stage stage;
    stage_init(&stage);
    for (int state = WEIR_TRANSACTION_EMPTY; state <= WEIR_TRANSACTION_COMPLETE_ABORT; state++) {
        struct weir_txn txn = stage_make(&stage, (enum weir_transaction_state)state);
        bool is_open = state == WEIR_TRANSACTION_ONGOING;
        struct weir_add_partitions_request add = add_of(NULL, 0);
        add.is_renewal = true;
        stage_put(&stage, &txn);
        stage.deadline_ms = is_open ? stage.now_ms + 1 : WEIR_TXN_NEVER_MS;
        if (weir_txn_is_prepared(&txn)) {
            ck_code(ask(&stage, &add), WEIR_CONCURRENT_TRANSACTIONS);
            continue;
        }
        ck_ok(ask(&stage, &add), &stage.error);
        ck_assert(!stage.update.writes);
        ck_assert_int_eq(stage.update.deadline_ms,
                         is_open ? stage.now_ms + STAGE_TIMEOUT_MS : WEIR_TXN_NEVER_MS);
        add.base.producer_epoch = 4;
        ck_code(ask(&stage, &add), WEIR_PRODUCER_FENCED);
        ck_assert_int_eq(stage.update.deadline_ms, stage.deadline_ms);
    }
    stage_close(&stage);
}
END_TEST

/* One more than are allowed is refused with the bound, and none of them is added. */
START_TEST(partitions_have_a_bound)
{
    struct stage stage;
    static struct weir_topic_partition many[WEIR_TXN_PARTITIONS_MAX];
    stage_init(&stage);
    for (int32_t i = 0; i < WEIR_TXN_PARTITIONS_MAX; i++) {
        many[i] = (struct weir_topic_partition){weir_text("views"), i};
    }
    struct weir_txn txn = stage_make(&stage, WEIR_TRANSACTION_ONGOING);
    stage_put(&stage, &txn);
    struct weir_add_partitions_request add = add_of(many, WEIR_TXN_PARTITIONS_MAX);
    ck_code(ask(&stage, &add), WEIR_LIMIT);
    ck_assert_ptr_nonnull(strstr(stage.error.text, "100000"));
    ck_assert_uint_eq(stage_txn(&stage)->partition_count, 1);
    add.partition_count--;
    ck_ok(ask(&stage, &add), &stage.error);
    ck_assert_uint_eq(stage_txn(&stage)->partition_count, WEIR_TXN_PARTITIONS_MAX);
    stage_close(&stage);
}
END_TEST

START_TEST(without_memory_nothing_is_added)
{
    struct weir_test_failures failures = {0};
    const struct weir_topic_partition asked[] = {{weir_text("views"), 0}};
    while (weir_test_failures_next(&failures)) {
        struct stage stage;
        stage_init(&stage);
        struct weir_txn txn = stage_make(&stage, WEIR_TRANSACTION_ONGOING);
        stage_put(&stage, &txn);
        weir_arena_close(&stage.arena); /* its blocks are asked for anew */
        struct weir_add_partitions_request add = add_of(asked, 1);
        struct weir_txn_event event = {
            .type = WEIR_TXN_ADD_PARTITIONS, .settings = &stage.settings, .add = &add};
        stage.update.arena = &stage.arena;
        weir_test_failures_arm(&failures, &stage.heap);
        int rc = weir_txn_step(stage_txn(&stage), weir_text(STAGE_ID), &event, &stage.update,
                               &stage.error);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 0);
        ck_assert(stage.update.writes == !was_hit);
        stage_close(&stage);
    }
    ck_assert_uint_ge(failures.hits, 1);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("partitions");
    tcase_add_loop_test(tests, partitions_are_added_each_once, 0, 3);
    tcase_add_test(tests, only_the_newest_producer_adds);
    tcase_add_test(tests, asking_says_which_are_in_it);
    tcase_add_test(tests, a_renewal_has_the_time_begin_anew);
    tcase_add_test(tests, partitions_have_a_bound);
    tcase_add_test(tests, without_memory_nothing_is_added);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("txn_partitions", add);
}
