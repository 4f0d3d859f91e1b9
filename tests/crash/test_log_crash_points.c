#include <stdio.h>
#include <string.h>

#include "tests/unit/broker/log/log_support.h"

/**
 * A short life of a log, and the end of the world at each of its disk operations: killed, without
 * power, a full disk, an I/O error, a sync that fails, the last batches torn at every byte. Then it
 * is opened again and must hold what was acknowledged, byte for byte, and nothing that was never
 * appended; opening once more must change nothing.
 */
/* A kill keeps what was written whatever the seed, a power loss draws anew for each. */
enum { KILL_SEEDS = 2, POWER_SEEDS = 16, TORN_BATCHES = 3, APPENDS_MAX = 64 };

struct scene {
    struct test_log test;
    uint64_t seed;
    struct weir_sim_fault_plan plan;
    int64_t start_min; /* the log starts between these two */
    int64_t start_max;
    int64_t end_min; /* acknowledged, unless a cut was under way */
    int32_t next_sequence;
    /* the last batch of the producer that was acknowledged */
    bool has_acked;
    int32_t acked_sequence;
    int64_t acked_base;
    int32_t sent_sequence;
    int64_t sent_base;
    /* where appends wrote, when nothing fails */
    uint64_t append_at[APPENDS_MAX];
    size_t append_size[APPENDS_MAX];
    int append_count;
    bool is_over;
};

static void (*life)(void); /* what is lived */

static struct scene scene;

static void print_scene(const char *what)
{
    fprintf(stderr, "%s: replay: seed %llu, fault %d at %llu, sticky %d, crash %d, torn %zu\n",
            what, (unsigned long long)scene.seed, (int)scene.plan.fault,
            (unsigned long long)scene.plan.at, scene.plan.is_sticky, (int)scene.plan.crash,
            scene.plan.torn_bytes);
}

/* ---- the life -------------------------------------------------------------------------------- */

/* True if the scene goes on: the step worked, or was refused and left the log open. */
static bool goes_on(int rc)
{
    if (weir_sim_has_crashed(scene.test.sim, 0)) scene.is_over = true;
    if (rc < 0 && rc != WEIR_NO_SPACE) scene.is_over = true;
    if (scene.test.log == NULL) scene.is_over = true;
    return !scene.is_over && rc >= 0;
}

static void append(int value_size)
{
    if (scene.is_over) return;
    struct weir_append_result result;
    struct test_append what = {
        .record_count = 2,
        .value_size = value_size,
        .has_producer = true,
        .producer_id = 7,
        .sequence = scene.next_sequence,
    };
    uint64_t before = weir_sim_disk_count(scene.test.sim, 0);
    if (!goes_on(test_log_append(&scene.test, &what, &result))) return;
    if (weir_sim_disk_count(scene.test.sim, 0) == before + 1 && scene.append_count < APPENDS_MAX) {
        scene.append_at[scene.append_count] = before + 1;
        scene.append_size[scene.append_count] = scene.test.batches[scene.test.batch_count - 1].size;
        scene.append_count++;
    }
    scene.sent_sequence = scene.next_sequence;
    scene.sent_base = result.base_offset;
    scene.next_sequence += 2;
}

static void sync_log(void)
{
    if (scene.is_over) return;
    int64_t sent_end = weir_partition_log_state(scene.test.log).end_offset;
    if (!goes_on(test_log_sync(&scene.test))) return;
    ck_assert_int_eq(scene.test.acked_offset, sent_end);
    scene.end_min = scene.test.acked_offset;
    scene.has_acked = scene.sent_base >= 0;
    scene.acked_sequence = scene.sent_sequence;
    scene.acked_base = scene.sent_base;
}

/* A cut may have happened or not when it did not return; what lies above is not owed any more. */
static void cut(int64_t offset)
{
    if (scene.is_over) return;
    if (scene.end_min > offset) scene.end_min = offset;
    if (scene.test.acked_offset > offset) scene.test.acked_offset = offset;
    scene.has_acked = false; /* its producer's newest batches go */
    if (!goes_on(weir_partition_log_truncate(scene.test.log, offset, &scene.test.error))) return;
    ck_assert_int_eq(weir_partition_log_state(scene.test.log).end_offset, offset);
    test_log_forget(&scene.test, offset);
    scene.next_sequence = (int32_t)offset; /* one producer, one sequence per offset */
    scene.sent_base = -1;
    scene.end_min = offset;
}

static void set_start(int64_t offset)
{
    if (scene.is_over) return;
    scene.start_max = offset;
    if (!goes_on(weir_partition_log_set_start(scene.test.log, offset, &scene.test.error))) return;
    scene.start_min = offset;
}

static void open_log(void)
{
    if (scene.is_over) return;
    if (test_log_open(&scene.test) < 0) scene.is_over = true;
}

static void close_log(void)
{
    if (scene.is_over) return;
    int64_t end = weir_partition_log_state(scene.test.log).end_offset;
    if (test_log_close(&scene.test) < 0) {
        scene.is_over = true;
        return;
    }
    scene.end_min = end;
    if (scene.sent_base >= 0) {
        scene.has_acked = true;
        scene.acked_sequence = scene.sent_sequence;
        scene.acked_base = scene.sent_base;
    }
}

static void live(void)
{
    open_log();
    for (int i = 0; i < 4; i++) {
        append(20 + i * 10);
    }
    sync_log();
    for (int i = 0; i < 4; i++) {
        append(60);
    }
    sync_log(); /* with the rolls before it, several segments */
    append(30);
    cut(12);
    append(50);
    append(40);
    sync_log();
    set_start(6);
    close_log();
    open_log();
    append(25);
    append(35);
    sync_log();
    append(45);
    append(15);
    append(10);
    close_log();
}

/* Of a producer: a batch of its transaction, or the marker that ends it. */
static void append_transactional(int64_t producer_id, bool is_marker, bool is_commit)
{
    if (scene.is_over) return;
    struct test_append what = {
        .has_producer = true,
        .producer_id = producer_id,
        .sequence = WEIR_NO_SEQUENCE,
        .is_transactional = true,
        .is_marker = is_marker,
        .is_commit = is_commit,
    };
    (void)goes_on(test_log_append(&scene.test, &what, NULL));
}

static void write_in(int64_t producer_id)
{
    append_transactional(producer_id, false, false);
}

static void end_transaction(int64_t producer_id, bool is_commit)
{
    append_transactional(producer_id, true, is_commit);
}

/* Transactions that lie in one another and over segments; aborts in each, a cut that takes some of them back, and one that
 * is open over a close. */
static void live_transactions(void)
{
    open_log();
    write_in(11);
    write_in(12);
    end_transaction(12, false);
    write_in(12);
    sync_log();
    for (int i = 0; i < 4; i++) {
        write_in(13);
        end_transaction(13, i % 2 == 0);
    }
    end_transaction(11, false);
    sync_log();
    cut(7);
    write_in(13);
    end_transaction(13, false);
    end_transaction(12, true);
    sync_log();
    write_in(12);
    write_in(11);
    close_log();
    open_log();
    end_transaction(11, false);
    set_start(5);
    write_in(14);
    end_transaction(12, false);
    sync_log();
    end_transaction(14, false);
    close_log();
}

/* ---- what must hold afterwards --------------------------------------------------------------- */

static void expect_retry_is_known(void)
{
    if (!scene.has_acked) return;
    struct weir_append_result result;
    struct test_append retry = {
        .record_count = 2,
        .has_producer = true,
        .producer_id = 7,
        .sequence = scene.acked_sequence,
    };
    int64_t end = weir_partition_log_state(scene.test.log).end_offset;
    int rc = test_log_append(&scene.test, &retry, &result);
    ck_ok(rc, &scene.test.error);
    ck_assert(result.is_duplicate);
    ck_assert_int_eq(result.base_offset, scene.acked_base);
    ck_assert_int_eq(weir_partition_log_state(scene.test.log).end_offset, end);
}

static void expect_whole(void)
{
    struct test_log *test = &scene.test;
    struct weir_partition_log_state state = weir_partition_log_state(test->log);
    if (state.is_offline || state.end_offset < scene.end_min) print_scene(test->recovery.reason);
    ck_assert(!state.is_offline);
    ck_assert_int_eq(test->recovery.offline_from, -1);
    ck_assert_int_ge(state.end_offset, scene.end_min);
    ck_assert_int_eq(state.durable_offset, state.end_offset);
    ck_assert(state.start_offset == scene.start_min || state.start_offset == scene.start_max);
    test_log_expect_all(test);
    test_log_expect_transactions(test);
    test_log_expect_verified(test);
}

static void end_the_world(enum weir_sim_crash_kind kind)
{
    struct test_log *test = &scene.test;
    if (!weir_sim_has_crashed(test->sim, 0) && test->log != NULL && kind == WEIR_SIM_KILL) {
        /* Without a crash first the way of a proper program: it closes, which may fail. */
        (void)test_log_close(test);
    }
    test_log_crash(test, kind);
    weir_sim_disk_plan(test->sim, 0, (struct weir_sim_fault_plan){0});
}

static void judge(void)
{
    struct test_log *test = &scene.test;
    end_the_world(scene.plan.crash);
    int rc = test_log_open(test);
    if (rc < 0) print_scene(test->error.text);
    ck_ok(rc, &test->error);
    expect_whole();
    uint64_t once = weir_sim_disk_hash(test->sim, 0, test->options.path);
    int64_t end = weir_partition_log_state(test->log).end_offset;

    test_log_crash(test, WEIR_SIM_KILL);
    ck_ok(test_log_open(test), &test->error);
    ck_assert_int_eq(test->recovery.scanned_bytes, 0);
    ck_assert_int_eq(weir_partition_log_state(test->log).end_offset, end);
    ck_assert_msg(weir_sim_disk_hash(test->sim, 0, test->options.path) == once,
                  "opening twice is not opening once");

    test_log_crash(test, WEIR_SIM_POWER); /* what open returned with is on the disk */
    ck_ok(test_log_open(test), &test->error);
    ck_assert_int_eq(weir_partition_log_state(test->log).end_offset, end);
    expect_whole();
    expect_retry_is_known();
    test_log_forget(test, end);
    ck_ok(test_log_append(test, &(struct test_append){.record_count = 3}, NULL), &test->error);
    ck_ok(test_log_sync(test), &test->error);
    test_log_expect_all(test);

    test_log_crash(test, WEIR_SIM_POWER); /* and what was acknowledged since as well */
    ck_ok(test_log_open(test), &test->error);
    ck_assert_int_eq(weir_partition_log_state(test->log).end_offset, end + 3);
    expect_whole();
}

static uint64_t play(uint64_t seed, struct weir_sim_fault_plan plan)
{
    memset(&scene, 0, sizeof scene);
    test_log_start(&scene.test, seed);
    scene.test.options.config.segment_bytes = 800;
    scene.test.options.mark_interval_bytes = 400;
    scene.seed = seed;
    scene.plan = plan;
    scene.sent_base = -1;
    weir_sim_disk_count_reset(scene.test.sim, 0);
    weir_sim_disk_plan(scene.test.sim, 0, plan);
    life();
    uint64_t count = weir_sim_disk_count(scene.test.sim, 0);
    judge();
    test_log_stop(&scene.test);
    return count;
}

static void play_everywhere(struct weir_sim_fault_plan plan)
{
    uint64_t count = play(1, (struct weir_sim_fault_plan){0});
    ck_assert_uint_gt(count, 60);
    uint64_t seeds = plan.crash == WEIR_SIM_POWER ? POWER_SEEDS : KILL_SEEDS;
    for (plan.at = 1; plan.at <= count; plan.at++) {
        for (uint64_t seed = 1; seed <= seeds; seed++) {
            (void)play(seed, plan);
        }
    }
}

static void set_up(void)
{
    life = live;
}

/* ---- the faults ------------------------------------------------------------------------------ */

/* The life without a fault ends as it should, and rolls, cuts and moves its start on the way. */
START_TEST(a_quiet_life_ends_well)
{
    ck_assert_uint_gt(play(1, (struct weir_sim_fault_plan){0}), 60);
    ck_assert_int_ge(scene.append_count, 6);
}
END_TEST

/* kill -9 before and after every disk operation. */
START_TEST(killed_at_every_operation)
{
    play_everywhere((struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_CRASH});
    play_everywhere((struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_CRASH_AFTER});
}
END_TEST

/* Power lost before and after every disk operation: unsynced sectors kept, lost, torn or garbage.
 * */
START_TEST(power_lost_at_every_operation)
{
    play_everywhere(
        (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_CRASH, .crash = WEIR_SIM_POWER});
    play_everywhere(
        (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_CRASH_AFTER, .crash = WEIR_SIM_POWER});
}
END_TEST

/* An I/O error at every operation, once and for good; then the program ends, or the power. */
START_TEST(io_error_at_every_operation)
{
    struct weir_sim_fault_plan plan = {.fault = WEIR_SIM_FAULT_EIO};
    for (int i = 0; i < 4; i++) {
        plan.is_sticky = (i & 1) != 0;
        plan.crash = (i & 2) != 0 ? WEIR_SIM_POWER : WEIR_SIM_KILL;
        play_everywhere(plan);
    }
}
END_TEST

/* The disk is full at every operation, once and for good. */
START_TEST(disk_full_at_every_operation)
{
    struct weir_sim_fault_plan plan = {.fault = WEIR_SIM_FAULT_ENOSPC};
    for (int i = 0; i < 4; i++) {
        plan.is_sticky = (i & 1) != 0;
        plan.crash = (i & 2) != 0 ? WEIR_SIM_POWER : WEIR_SIM_KILL;
        play_everywhere(plan);
    }
}
END_TEST

/* Each sync fails, and the pages that it lost count as clean afterwards. */
START_TEST(failed_sync_at_every_operation)
{
    play_everywhere((struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_SYNC});
    play_everywhere(
        (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_SYNC, .crash = WEIR_SIM_POWER});
}
END_TEST

/* The last three appends torn at every byte. */
START_TEST(torn_at_every_byte)
{
    (void)play(1, (struct weir_sim_fault_plan){0});
    struct scene quiet = scene;
    ck_assert_int_ge(quiet.append_count, TORN_BATCHES);
    for (int i = quiet.append_count - TORN_BATCHES; i < quiet.append_count; i++) {
        for (size_t torn = 0; torn <= quiet.append_size[i]; torn++) {
            struct weir_sim_fault_plan plan = {
                .fault = WEIR_SIM_FAULT_TORN,
                .at = quiet.append_at[i],
                .torn_bytes = torn,
            };
            (void)play(torn + 1, plan);
            plan.crash = WEIR_SIM_POWER;
            (void)play(torn + 1, plan);
        }
    }
}
END_TEST

/* What becomes of transactions: killed, without power, on a full disk, and with an I/O error. */
START_TEST(transactions_at_every_operation)
{
    static const struct weir_sim_fault_plan plans[] = {
        {.fault = WEIR_SIM_FAULT_CRASH},
        {.fault = WEIR_SIM_FAULT_CRASH_AFTER},
        {.fault = WEIR_SIM_FAULT_CRASH, .crash = WEIR_SIM_POWER},
        {.fault = WEIR_SIM_FAULT_ENOSPC},
        {.fault = WEIR_SIM_FAULT_EIO, .crash = WEIR_SIM_POWER},
    };
    life = live_transactions;
    play_everywhere(plans[_i]);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("crash points");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, a_quiet_life_ends_well);
    tcase_add_test(tests, killed_at_every_operation);
    tcase_add_test(tests, power_lost_at_every_operation);
    tcase_add_test(tests, io_error_at_every_operation);
    tcase_add_test(tests, disk_full_at_every_operation);
    tcase_add_test(tests, failed_sync_at_every_operation);
    tcase_add_test(tests, torn_at_every_byte);
    tcase_add_loop_test(tests, transactions_at_every_operation, 0, 5);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log crash points", add);
}
