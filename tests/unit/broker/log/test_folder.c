#include "broker/log/small_file.h"
#include "tests/unit/broker/log/log_support.h"

/**
 * A log's folder is made where it was not: its entry is on the disk before anything is acknowledged,
 * whatever failed in between.
 */
static struct test_log test;

static void tear_down(void)
{
    test_log_stop(&test);
}

static void fail_call(enum weir_sim_fault fault, uint64_t at)
{
    weir_sim_disk_count_reset(test.sim, 0);
    weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){.fault = fault, .at = at});
}

static void nothing_fails(void)
{
    weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
}

/* One open after another fails in one of its calls: among them the sync of the folder's entry, which no later
 * sync makes good, and the removal of the folder that was left. */
START_TEST(a_folder_is_there_after_power_loss_whatever_failed_while_it_was_made)
{
    int refused_twice = 0;
    for (uint64_t first = 1; first < 8; first++) {
        for (uint64_t second = 1; second < 10; second++) {
            test_log_stop(&test);
            test_log_start(&test, 1);
            fail_call(WEIR_SIM_FAULT_SYNC, first);
            bool is_open = test_log_open(&test) == 0;
            if (!is_open) {
                fail_call(WEIR_SIM_FAULT_EIO, second);
                is_open = test_log_open(&test) == 0;
                refused_twice += !is_open;
            }
            nothing_fails();
            if (!is_open) ck_ok(test_log_open(&test), &test.error);
            ck_ok(test_log_append(&test, &(struct test_append){.value_size = 10}, NULL),
                  &test.error);
            if (test_log_sync(&test) < 0) continue; /* the first call that failed was a write's */
            test_log_crash(&test, WEIR_SIM_POWER);
            test.options.must_exist = true;
            ck_ok(test_log_open(&test), &test.error);
            ck_assert_int_ge(test_log_expect_from(&test, 0, 1000), test.acked_offset);
        }
    }
    ck_assert_int_gt(refused_twice, 5);
}
END_TEST

/* What is no file hides no segment, wherever its name stands among theirs, and is left alone. */
START_TEST(what_is_no_file_hides_nothing)
{
    static const char *const names[] = {".snapshot", "0", "00000000000000009000.log", "~"};
    test.options.config.segment_bytes = 600;
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 40);
    struct weir_partition_log_state before = weir_partition_log_state(test.log);
    ck_assert_int_gt(before.segment_count, 2);
    ck_ok(test_log_close(&test), &test.error);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *path = test_log_path(&test, names[i]);
        if (i % 2 == 0) ck_ok(weir_make_directory(test.env, path, NULL), NULL);
        if (i % 2 == 1) ck_ok(weir_sim_disk_put_other(test.sim, 0, path), NULL);
    }
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.offline_from, -1);
    ck_assert_int_eq(weir_partition_log_state(test.log).segment_count, before.segment_count);
    test_log_expect_all(&test);
    ck_ok(test_log_close(&test), &test.error);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert(test_log_exists(&test, names[i]));
    }
    test_log_expect_verified(&test);
}
END_TEST

START_TEST(a_partitions_folder_is_told_by_its_name)
{
    static const char *const others[] = {"", "a", "a-", "a-1x", "a-1-x", "1", "a_1", "a-1 "};
    struct weir_slice topic = {0};
    struct weir_log_path path = weir_log_partition_path("", weir_text("or-ders-7"), 12);
    ck_assert(weir_log_is_partition_name(path.text + 1, &topic));
    ck_assert_msg(weir_slice_equal(topic, weir_text("or-ders-7")), "'%.*s'", (int)topic.size,
                  (const char *)topic.data);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ck_assert_msg(!weir_log_is_partition_name(others[i], &topic), "'%s'", others[i]);
    }
}
END_TEST

static void set_up(void)
{
    test_log_start(&test, 1);
}

static void add(Suite *suite)
{
    TCase *tests = tcase_create("log folder");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_folder_is_there_after_power_loss_whatever_failed_while_it_was_made);
    tcase_add_test(tests, what_is_no_file_hides_nothing);
    tcase_add_test(tests, a_partitions_folder_is_told_by_its_name);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log folder", add);
}
