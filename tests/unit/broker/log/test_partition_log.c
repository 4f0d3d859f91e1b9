#include <string.h>

#include "tests/unit/broker/log/log_support.h"

static struct test_log test;

static void set_up(void)
{
    test_log_start(&test, 1);
}

static void tear_down(void)
{
    test_log_stop(&test);
}

/* What was appended is read back byte for byte, before and after a close. */
START_TEST(what_is_appended_is_read)
{
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 60);
    test_log_expect_all(&test);
    ck_ok(test_log_sync(&test), &test.error);
    ck_ok(test_log_close(&test), &test.error);
    test_log_expect_verified(&test);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert(test.recovery.was_clean);
    ck_assert_int_eq(test.recovery.scanned_bytes, 0);
    test_log_expect_all(&test);
    ck_assert_int_gt(weir_partition_log_state(test.log).segment_count, 1);
}
END_TEST

/* After a kill the tail above the mark is scanned and kept. */
START_TEST(a_killed_log_keeps_its_tail)
{
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 70);
    int64_t end = weir_partition_log_state(test.log).end_offset;
    test_log_crash(&test, WEIR_SIM_KILL);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert(!test.recovery.was_clean);
    ck_assert_int_gt(test.recovery.scanned_bytes, 0);
    ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, end);
    test_log_expect_all(&test);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("log");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_is_appended_is_read);
    tcase_add_test(tests, a_killed_log_keeps_its_tail);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("partition log", add);
}
