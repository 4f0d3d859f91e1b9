#include <string.h>

#include "broker/broker_internal.h"
#include "tests/unit/broker/coordinator/transaction_fixture.h"

/*
 * A node that ends anywhere on the way of a transaction: what the producer was told holds, the outcome is one and the same
 * for all partitions and for ever, and what was under way goes on by itself.
 */
static struct transactions world;

static void plan_crash(uint64_t nth, enum weir_sim_crash_kind kind)
{
    struct weir_sim *sim = world.engine.sim;
    weir_sim_disk_plan(sim, 0,
                       (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_CRASH,
                                                    .at = nth + weir_sim_disk_count(sim, 0),
                                                    .crash = kind});
}

/* True: it has crashed, and is open again. */
static bool come_back(void)
{
    bool has_crashed = weir_sim_has_crashed(world.engine.sim, 0);
    weir_sim_disk_plan(world.engine.sim, 0, (struct weir_sim_fault_plan){0});
    if (!has_crashed) return false;
    engine_forget(&world.engine);
    transactions_reopen(&world);
    return true;
}

/* All markers that were ever asked for are of one outcome; each partition has been asked. */
static void check_markers(bool is_commit)
{
    bool has_clicks = false;
    bool has_views = false;
    for (size_t i = 0; i < world.marker_count; i++) {
        const struct marker *marker = &world.markers[i];
        ck_assert(marker->is_commit == is_commit);
        ck_assert_int_eq(marker->producer_epoch, world.markers[0].producer_epoch);
        has_clicks = has_clicks || strcmp(marker->topic, "clicks") == 0;
        has_views = has_views || strcmp(marker->topic, "views") == 0;
    }
    ck_assert(has_clicks && has_views);
}

/* An end that was answered with 0 is final. One that was not is either there or not at all, and can be asked for again. */
START_TEST(an_end_is_final_wherever_the_node_ends)
{
    enum weir_sim_crash_kind kind = _i % 2 == 0 ? WEIR_SIM_POWER : WEIR_SIM_KILL;
    bool is_version_2 = _i / 2 % 2 == 1;
    bool is_commit = _i / 4 == 0;
    bool has_crashed = true;
    int crashes = 0;
    for (uint64_t nth = 1; has_crashed; nth++) {
        struct producer producer = {.id = "copies", .is_version_2 = is_version_2};
        transactions_open(&world, 100 + nth);
        ck_ok(producer_begin(&world, &producer), &world.engine.error);
        ck_ok(producer_add(&world, &producer, "clicks", 0), &world.engine.error);
        ck_ok(producer_add(&world, &producer, "views", 1), &world.engine.error);
        plan_crash(nth, kind);
        struct producer ended = producer;
        int rc = producer_end(&world, &ended, is_commit);
        if (rc == 0) transactions_pass(&world, 100); /* markers, Complete */
        has_crashed = come_back();
        crashes += has_crashed;
        if (rc != 0) {
            ck_assert(has_crashed);
            ended = producer;
            ck_ok(producer_end_patiently(&world, &ended, is_commit), &world.engine.error);
        }
        ck_assert(transaction_becomes(&world, "copies",
                                      is_commit ? WEIR_TRANSACTION_COMPLETE_COMMIT
                                                : WEIR_TRANSACTION_COMPLETE_ABORT));
        check_markers(is_commit);
        /* The producer goes on with what it was told. */
        ck_ok(producer_add(&world, &ended, "clicks", 1), &world.engine.error);
        transactions_end(&world);
    }
    ck_assert_int_ge(crashes, 3);
}
END_TEST

/* Partitions that were answered for are in it, and an epoch that was given out is never given to another. */
START_TEST(what_was_answered_is_there)
{
    enum weir_sim_crash_kind kind = _i == 0 ? WEIR_SIM_POWER : WEIR_SIM_KILL;
    bool has_crashed = true;
    int crashes = 0;
    for (uint64_t nth = 1; has_crashed; nth++) {
        struct producer first = {.id = "copies", .is_version_2 = true};
        struct producer second = {.id = "copies", .is_version_2 = true};
        struct weir_transaction_info info;
        transactions_open(&world, 300 + nth);
        plan_crash(nth, kind);
        int begun = producer_begin(&world, &first);
        int added = begun == 0 ? producer_add(&world, &first, "clicks", 0) : WEIR_CRASHED;
        has_crashed = come_back();
        crashes += has_crashed;
        if (added == 0) {
            ck_assert_int_eq(transaction_state(&world, "copies", &info), WEIR_TRANSACTION_ONGOING);
            ck_assert_uint_eq(info.partition_count, 1);
            ck_ok(producer_verify(&world, &first, "clicks", 0), &world.engine.error);
        }
        int rc = WEIR_CONCURRENT_TRANSACTIONS;
        for (int i = 0; i < 100 && rc == WEIR_CONCURRENT_TRANSACTIONS; i++) {
            rc = producer_begin(&world, &second);
            transactions_pass(&world, 20);
        }
        ck_ok(rc, &world.engine.error);
        if (begun == 0) {
            bool is_same = first.producer_id == second.producer_id &&
                           first.producer_epoch == second.producer_epoch;
            ck_assert(!is_same);
            int refused = producer_add(&world, &first, "clicks", 0);
            ck_assert(refused == WEIR_PRODUCER_FENCED ||
                      refused == WEIR_INVALID_PRODUCER_ID_MAPPING);
        }
        transactions_end(&world);
    }
    ck_assert_int_ge(crashes, 5);
}
END_TEST

/* A start that finds a decision writes its markers, though nobody asks. */
START_TEST(a_start_writes_the_markers_again)
{
    bool is_commit = _i == 0;
    struct producer producer = {.id = "copies", .is_version_2 = true};
    transactions_open(&world, 500);
    ck_ok(producer_begin(&world, &producer), &world.engine.error);
    ck_ok(producer_add(&world, &producer, "clicks", 0), &world.engine.error);
    ck_ok(producer_add(&world, &producer, "views", 1), &world.engine.error);
    world.holds_markers = true;
    ck_ok(producer_end(&world, &producer, is_commit), &world.engine.error);
    transactions_pass(&world, 100);
    ck_assert_uint_eq(world.marker_count, 2);
    for (int i = 0; i < 2; i++) {
        engine_crash(&world.engine, WEIR_SIM_POWER);
        world.marker_count = 0;
        world.holds_markers = i == 0;
        transactions_reopen(&world);
        transactions_pass(&world, 1000);
        ck_assert_uint_eq(world.marker_count, 2);
        check_markers(is_commit);
    }
    ck_assert_int_eq(transaction_state(&world, "copies", NULL),
                     is_commit ? WEIR_TRANSACTION_COMPLETE_COMMIT
                               : WEIR_TRANSACTION_COMPLETE_ABORT);
    world.marker_count = 0;
    engine_crash(&world.engine, WEIR_SIM_POWER);
    transactions_reopen(&world);
    transactions_pass(&world, 1000);
    ck_assert_uint_eq(world.marker_count, 0); /* it is complete */
    transactions_end(&world);
}
END_TEST

/* Data that no one has waited for is on the disk before the commit is: after a loss of power it is all there. */
START_TEST(a_commit_is_durable_after_its_data)
{
    struct producer producer = {.id = "copies", .is_version_2 = true};
    for (uint64_t seed = 600; seed < 620; seed++) {
        transactions_open(&world, seed);
        ck_ok(producer_begin(&world, &producer), &world.engine.error);
        ck_ok(producer_add(&world, &producer, "clicks", 0), &world.engine.error);
        ck_ok(producer_add(&world, &producer, "views", 1), &world.engine.error);
        int64_t last = 0;
        for (int i = 0; i < 5; i++) {
            last = engine_produce(&world.engine, "clicks", 0, "a", WEIR_ACKS_LEADER);
            ck_assert_int_eq(last, i);
        }
        world.holds_markers = true;
        ck_ok(producer_end(&world, &producer, true), &world.engine.error);
        engine_crash(&world.engine, WEIR_SIM_POWER);
        world.holds_markers = false;
        transactions_reopen(&world);
        char value[64];
        ck_assert_int_eq(
            transaction_state(&world, "copies", NULL) >= WEIR_TRANSACTION_PREPARE_COMMIT, 1);
        ck_ok(engine_fetch(&world.engine, "clicks", 0, last, value), &world.engine.error);
        transactions_end(&world);
    }
}
END_TEST

/* A disk that fails while a commit is on its way: nobody is told that it is there. */
START_TEST(a_failed_disk_commits_nothing)
{
    struct producer producer = {.id = "copies", .is_version_2 = true};
    transactions_open(&world, 700);
    ck_assert_int_eq(engine_produce(&world.engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    ck_ok(producer_begin(&world, &producer), &world.engine.error);
    ck_ok(producer_add(&world, &producer, "clicks", 0), &world.engine.error);
    weir_sim_disk_plan(world.engine.sim, 0,
                       (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_EIO,
                                                    .at = weir_sim_disk_count(world.engine.sim, 0) +
                                                          1 + (uint64_t)_i});
    struct producer ended = producer;
    int rc = producer_end(&world, &ended, true);
    ck_assert(rc == WEIR_OFFLINE || rc == WEIR_IO);
    ck_assert_int_lt(producer_add(&world, &producer, "clicks", 1), 0);
    ck_assert_int_lt(engine_close(&world.engine), 0);
    transactions_reopen(&world);
    ck_ok(producer_end_patiently(&world, &producer, true), &world.engine.error);
    ck_assert(transaction_becomes(&world, "copies", WEIR_TRANSACTION_COMPLETE_COMMIT));
    transactions_end(&world);
}
END_TEST

/* A close waits for what is on its way, and begins nothing new. */
START_TEST(a_close_ends_in_the_middle)
{
    struct producer producer = {.id = "copies", .is_version_2 = true};
    transactions_open(&world, 800);
    ck_ok(producer_begin(&world, &producer), &world.engine.error);
    ck_ok(producer_add(&world, &producer, "clicks", 0), &world.engine.error);
    if (_i == 1) {
        world.marker_rc = WEIR_OFFLINE; /* it would be tried again */
    }
    ck_ok(producer_end(&world, &producer, true), &world.engine.error);
    ck_ok(engine_close(&world.engine), &world.engine.error);
    world.marker_rc = 0;
    transactions_reopen(&world);
    transactions_pass(&world, 1000);
    ck_assert_int_eq(transaction_state(&world, "copies", NULL), WEIR_TRANSACTION_COMPLETE_COMMIT);
    transactions_end(&world);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("crash");
    tcase_add_loop_test(tests, an_end_is_final_wherever_the_node_ends, 0, 8);
    tcase_add_loop_test(tests, what_was_answered_is_there, 0, 2);
    tcase_add_loop_test(tests, a_start_writes_the_markers_again, 0, 2);
    tcase_add_test(tests, a_commit_is_durable_after_its_data);
    tcase_add_loop_test(tests, a_failed_disk_commits_nothing, 0, 2);
    tcase_add_loop_test(tests, a_close_ends_in_the_middle, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("transaction_crash", add);
}
