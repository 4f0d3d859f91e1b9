#include "base/error.h"
#include "broker/log/file_set.h"
#include "tests/unit/broker/log/log_support.h"

/**
 * Descriptors, room and memory run out at every point of a log's life, and come back. What was asked
 * for meanwhile works or is refused with a code that says RETRY; nothing goes offline, nothing that
 * was acknowledged is lost, and all works as soon as the shortage is over.
 */
static struct test_log test;

static int64_t next_producer;
static struct weir_file_set files; /* room for two: segments are opened all the time */

static void start(uint64_t seed)
{
    test_log_start(&test, seed);
    test.options.config.segment_bytes = 600;
    test.options.mark_interval_bytes = 500;
    weir_file_set_init(&files, 2);
    test.options.files = &files;
}

static void set_up(void)
{
    start(1);
}

/* What is open is gone with the node's memory. */
static void crash(enum weir_sim_crash_kind kind)
{
    test_log_crash(&test, kind);
    weir_file_set_init(&files, 2);
}

static void tear_down(void)
{
    test_log_stop(&test);
}

static struct weir_partition_log_state state(void)
{
    return weir_partition_log_state(test.log);
}

/* From the `at`-th call on, until it is over. */
static void begin_shortage(enum weir_sim_fault fault, uint64_t at)
{
    weir_sim_disk_count_reset(test.sim, 0);
    weir_sim_disk_plan(test.sim, 0,
                       (struct weir_sim_fault_plan){.fault = fault, .at = at, .is_sticky = true});
}

static void end_shortage(void)
{
    weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
}

static uint64_t calls_of(enum weir_sim_fault fault)
{
    return fault == WEIR_SIM_FAULT_NO_HANDLE ? weir_sim_open_count(test.sim, 0)
                                             : weir_sim_disk_count(test.sim, 0);
}

static bool is_failed_disk; /* what fails fails for good */

static void expect_told(int rc, bool must_work, const struct weir_error *error)
{
    if (must_work) ck_ok(rc, error);
    ck_told(rc, error);
    if (is_failed_disk) return;
    ck_assert_msg(rc >= 0 || weir_code_is_shortage(rc), "%s: %s", weir_code_name(rc), error->text);
    ck_assert(!state().is_offline);
}

static void append_some(int count, bool must_work)
{
    for (int i = 0; i < count; i++) {
        struct test_append what = {.has_producer = true, .value_size = 150};
        what.producer_id = next_producer++;
        test.error = (struct weir_error){0};
        expect_told(test_log_append(&test, &what, NULL), must_work, &test.error);
    }
}

static void cut(int64_t offset, bool must_work)
{
    test.error = (struct weir_error){0};
    int rc = weir_partition_log_truncate(test.log, offset, &test.error);
    expect_told(rc, must_work, &test.error);
    if (rc == 0) test_log_forget(&test, offset);
}

static void give_up_head(int64_t offset, bool must_work)
{
    test.error = (struct weir_error){0};
    int rc = weir_partition_log_set_start(test.log, offset, &test.error);
    expect_told(rc, must_work, &test.error);
}

static void sync_all(bool must_work)
{
    test.error = (struct weir_error){0};
    expect_told(test_log_sync(&test), must_work, &test.error);
}

static void read_one(int64_t offset, size_t range_min, bool must_work)
{
    struct weir_log_read read = {
        .offset = offset, .offset_max = INT64_MAX, .size_max = 400, .range_min = range_min};
    int rc = test_log_read(&test, &read);
    expect_told(rc, must_work, &read.error);
    if (rc == 0) ck_assert_uint_gt(read.size, 0);
    weir_log_read_release(&read);
}

static void look_up_time(bool must_work)
{
    int64_t offset;
    int64_t timestamp_ms;
    test.error = (struct weir_error){0};
    int rc = weir_partition_log_find_time(test.log, 1, &offset, &timestamp_ms, &test.error);
    expect_told(rc, must_work, &test.error);
}

/* Rolls, marks, side files, a look into sealed segments, both cuts. */
static void live(bool must_work)
{
    append_some(6, must_work);
    sync_all(must_work);
    read_one(state().start_offset, 0, must_work);
    read_one(state().start_offset, 1, must_work);
    look_up_time(must_work);
    append_some(3, must_work);
    cut(state().end_offset - 1, must_work);
    append_some(2, must_work);
    give_up_head(state().start_offset + 1, must_work);
    sync_all(must_work);
}

/* Returns false when the life was over before the shortage began. */
static bool live_through(enum weir_sim_fault fault, uint64_t at, uint64_t seed)
{
    start(seed);
    ck_ok(test_log_open(&test), &test.error);
    append_some(8, true);
    sync_all(true);
    begin_shortage(fault, at);
    live(false);
    bool began = calls_of(fault) >= at;
    end_shortage();
    sync_all(true); /* without which nothing is acknowledged */
    live(true);
    test_log_expect_all(&test);
    int64_t end_offset = state().end_offset;
    if (at % 2 == 0) {
        ck_ok(test_log_close(&test), &test.error);
    } else {
        crash(WEIR_SIM_POWER);
    }
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(state().end_offset, end_offset);
    ck_assert(!state().is_offline);
    test_log_expect_all(&test);
    ck_ok(test_log_close(&test), &test.error);
    return began;
}

START_TEST(a_life_goes_on_after_descriptors_ran_out_anywhere)
{
    test_log_stop(&test);
    for (uint64_t at = 1; live_through(WEIR_SIM_FAULT_NO_HANDLE, at, at); at++) {
        test_log_stop(&test);
        ck_assert_uint_lt(at, 1000);
    }
}
END_TEST

START_TEST(a_life_goes_on_after_room_ran_out_anywhere)
{
    test_log_stop(&test);
    for (uint64_t at = 1; live_through(WEIR_SIM_FAULT_ENOSPC, at, at); at++) {
        test_log_stop(&test);
        ck_assert_uint_lt(at, 1000);
    }
}
END_TEST

/* ---- one failure while another is handled ---------------------------------------------------- */

/* Returns false when no allocation was left to fail. */
static bool live_through_both(enum weir_sim_fault fault, uint64_t at,
                              struct weir_test_failures *failures)
{
    start(at);
    ck_ok(test_log_open(&test), &test.error);
    append_some(8, true);
    sync_all(true);
    begin_shortage(fault, at);
    weir_test_failures_arm(failures, test.env->heap);
    live(false);
    bool was_hit = weir_test_failures_disarm(failures);
    end_shortage();
    sync_all(true);
    live(true);
    test_log_expect_all(&test);
    int64_t end_offset = state().end_offset;
    crash(WEIR_SIM_POWER);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(state().end_offset, end_offset);
    ck_assert(!state().is_offline);
    test_log_expect_all(&test);
    ck_ok(test_log_close(&test), &test.error);
    return was_hit;
}

/* Room or descriptors run out from each place on, and while that is handled each allocation fails: both
 * pass, and nothing that was acknowledged is gone. */
START_TEST(memory_runs_out_while_a_shortage_is_handled)
{
    enum weir_sim_fault fault = _i == 0 ? WEIR_SIM_FAULT_NO_HANDLE : WEIR_SIM_FAULT_ENOSPC;
    for (uint64_t at = 1; at < 20; at += 5) {
        struct weir_test_failures failures = {0};
        while (weir_test_failures_next(&failures)) {
            test_log_stop(&test);
            (void)live_through_both(fault, at, &failures);
        }
        ck_assert_uint_gt(failures.hits, 10);
    }
}
END_TEST

/* What a disk answers for good ends the log, whatever memory does meanwhile; what was acknowledged
 * before is there when it is opened again. */
START_TEST(memory_runs_out_while_a_failed_disk_is_handled)
{
    static const enum weir_sim_fault faults[] = {WEIR_SIM_FAULT_EIO, WEIR_SIM_FAULT_SYNC,
                                                 WEIR_SIM_FAULT_READ_EIO};
    for (uint64_t at = 1; at < 16; at += 4) {
        struct weir_test_failures failures = {0};
        while (weir_test_failures_next(&failures)) {
            test_log_stop(&test);
            start(at);
            ck_ok(test_log_open(&test), &test.error);
            append_some(8, true);
            sync_all(true);
            weir_sim_disk_count_reset(test.sim, 0);
            weir_sim_disk_plan(test.sim, 0,
                               (struct weir_sim_fault_plan){.fault = faults[_i], .at = at});
            weir_test_failures_arm(&failures, test.env->heap);
            for (int round = 0; round < 3; round++) {
                struct test_append what = {.value_size = 150};
                struct weir_log_read read = {.offset = 0, .offset_max = INT64_MAX, .size_max = 400};
                for (int i = 0; i < 3; i++) {
                    (void)test_log_append(&test, &what, NULL);
                }
                (void)test_log_sync(&test); /* says how far it is acknowledged */
                (void)test_log_read(&test, &read);
                weir_log_read_release(&read);
            }
            (void)weir_test_failures_disarm(&failures);
            end_shortage();
            crash(WEIR_SIM_POWER);
            ck_ok(test_log_open(&test), &test.error);
            ck_assert_int_ge(test_log_expect_from(&test, 0, 700), test.acked_offset);
        }
        ck_assert_uint_gt(failures.hits, 5);
    }
}
END_TEST

/* Whatever the disk refuses for good, and wherever in a life: each call that fails says what it was, the
 * close as well. */
START_TEST(what_a_failed_disk_refuses_is_told)
{
    static const enum weir_sim_fault faults[] = {WEIR_SIM_FAULT_EIO, WEIR_SIM_FAULT_SYNC};
    bool began = true;
    for (uint64_t at = 1; began; at++) {
        test_log_stop(&test);
        start(at);
        ck_ok(test_log_open(&test), &test.error);
        append_some(8, true);
        is_failed_disk = true;
        begin_shortage(faults[_i], at);
        live(false);
        append_some(1, false);
        test.error = (struct weir_error){0};
        expect_told(test_log_close(&test), false, &test.error);
        is_failed_disk = false;
        began = calls_of(faults[_i]) >= at;
        end_shortage();
        ck_assert_uint_lt(at, 1000);
    }
}
END_TEST

/* Refused, and then it opens as if nothing had been. What is on the disk is not touched by an open that
 * could not look. */
static void open_through(enum weir_sim_fault fault, enum weir_sim_crash_kind kind)
{
    ck_ok(test_log_open(&test), &test.error);
    append_some(10, true);
    sync_all(true);
    append_some(1, true);
    crash(kind);
    (void)weir_sim_node(test.sim, 1);
    weir_sim_disk_copy(test.sim, 0, 1);
    bool began = true;
    for (uint64_t at = 1; began; at++) {
        weir_sim_disk_copy(test.sim, 1, 0);
        test.env = weir_sim_node(test.sim, 0);
        weir_file_set_init(&files, 2);
        size_t before = test.env->budget->used;
        begin_shortage(fault, at);
        int rc = test_log_open(&test);
        began = calls_of(fault) >= at;
        end_shortage();
        ck_assert_msg(rc == 0 || weir_code_is_shortage(rc), "%s", test.error.text);
        if (rc < 0) {
            ck_assert_uint_eq(test.env->budget->used, before);
            ck_assert_uint_eq(weir_sim_descriptors(test.sim, 0), 0);
            ck_ok(test_log_open(&test), &test.error);
        }
        ck_assert(!state().is_offline);
        ck_assert_int_ge(state().end_offset, 10);
        test_log_forget(&test, state().end_offset);
        append_some(1, true);
        sync_all(true);
        ck_ok(test_log_close(&test), &test.error);
        ck_assert_uint_eq(weir_sim_descriptors(test.sim, 0), 0);
    }
}

START_TEST(an_open_that_got_no_descriptor_is_repeated)
{
    open_through(WEIR_SIM_FAULT_NO_HANDLE, _i == 0 ? WEIR_SIM_KILL : WEIR_SIM_POWER);
}
END_TEST

/* A log whose segment lost its end below the mark is readable up to there: a shortage while that is
 * found out must not make it less. */
START_TEST(a_shortage_takes_nothing_from_what_damage_left)
{
    static const char name[] = "00000000000000000000.log";
    struct weir_file *file = NULL;
    test.options.config.segment_bytes = 100000;
    ck_ok(test_log_open(&test), &test.error);
    append_some(6, true);
    ck_ok(test_log_close(&test), &test.error);
    int64_t size = test_log_file_size(&test, name);
    ck_ok(weir_file_open(test.env, test_log_path(&test, name), WEIR_OPEN_WRITE, &file, &test.error),
          &test.error);
    ck_ok(weir_file_truncate(file, size / 2, &test.error), &test.error);
    weir_file_close(file);
    ck_ok(test_log_open(&test), &test.error);
    int64_t readable = state().offline_from;
    ck_assert_int_gt(readable, 0);
    ck_ok(test_log_close(&test), &test.error);
    uint64_t at = 1;
    bool began = true;
    for (; began; at++) {
        begin_shortage(WEIR_SIM_FAULT_NO_HANDLE, at);
        int rc = test_log_open(&test);
        began = calls_of(WEIR_SIM_FAULT_NO_HANDLE) >= at;
        end_shortage();
        ck_assert_msg(rc == 0 || weir_code_is_shortage(rc), "%s", test.error.text);
        if (rc < 0) continue;
        ck_assert_int_eq(state().offline_from, readable);
        ck_ok(test_log_close(&test), &test.error);
    }
    ck_assert_uint_gt(at, 3);
}
END_TEST

/* Of nobody, so that a mark stays small and is due at each flush. */
static void append_plain(int count)
{
    const struct test_append what = {.value_size = 150};
    for (int i = 0; i < count; i++) {
        ck_ok(test_log_append(&test, &what, NULL), &test.error);
    }
}

/* Without memory for a mark, and without a descriptor for its file, the data is durable all the same, and
 * the first flush that has both writes the mark. */
START_TEST(a_flush_in_a_shortage_is_a_flush)
{
    ck_ok(test_log_open(&test), &test.error);
    test.options.config.segment_bytes = 100000;
    weir_partition_log_configure(test.log, &test.options.config);
    append_plain(10);
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        append_plain(10);
        weir_test_failures_arm(&failures, test.env->heap);
        int rc = test_log_sync(&test);
        (void)weir_test_failures_disarm(&failures); /* the data is durable without a mark too */
        ck_ok(rc, &test.error);
        ck_assert_int_eq(state().durable_offset, state().end_offset);
        begin_shortage(WEIR_SIM_FAULT_NO_HANDLE, 1);
        append_plain(10);
        rc = test_log_sync(&test);
        end_shortage();
        ck_ok(rc, &test.error);
        ck_assert_int_eq(state().durable_offset, state().end_offset);
    }
    append_plain(10);
    sync_all(true);
    crash(WEIR_SIM_POWER);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_lt(test.recovery.scanned_bytes, 500); /* the mark is young */
    test_log_expect_all(&test);
}
END_TEST

/* A full index beside a sealed segment outlives a reader who could not open it. */
START_TEST(an_index_that_could_not_be_opened_is_not_made_anew)
{
    ck_ok(test_log_open(&test), &test.error);
    append_some(20, true);
    sync_all(true);
    uint64_t before = weir_sim_disk_hash(test.sim, 0, test.options.path);
    begin_shortage(WEIR_SIM_FAULT_NO_HANDLE, 2); /* the segment's is the first */
    struct weir_log_read read = {.offset = 0, .offset_max = INT64_MAX, .size_max = 400};
    ck_code(test_log_read(&test, &read), WEIR_LIMIT);
    end_shortage();
    weir_log_read_release(&read);
    ck_assert(weir_sim_disk_hash(test.sim, 0, test.options.path) == before);
    ck_assert(!state().is_offline);
    test_log_expect_all(&test);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("shortage");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, memory_runs_out_while_a_shortage_is_handled, 0, 2);
    tcase_add_loop_test(tests, memory_runs_out_while_a_failed_disk_is_handled, 0, 3);
    tcase_add_loop_test(tests, what_a_failed_disk_refuses_is_told, 0, 2);
    tcase_add_test(tests, a_life_goes_on_after_descriptors_ran_out_anywhere);
    tcase_add_test(tests, a_life_goes_on_after_room_ran_out_anywhere);
    tcase_add_loop_test(tests, an_open_that_got_no_descriptor_is_repeated, 0, 2);
    tcase_add_test(tests, a_shortage_takes_nothing_from_what_damage_left);
    tcase_add_test(tests, a_flush_in_a_shortage_is_a_flush);
    tcase_add_test(tests, an_index_that_could_not_be_opened_is_not_made_anew);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log shortage", add);
}
