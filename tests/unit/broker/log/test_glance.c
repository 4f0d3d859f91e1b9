#include "broker/log/log_glance.h"

#include "tests/unit/broker/log/log_support.h"

/* What is seen of a log that nobody has open: sizes by the files, times by the durable mark. */
static struct test_log test;
static struct weir_log_glance seen;

static void set_up(void)
{
    test_log_start(&test, 1);
    test.options.config.segment_bytes = 600;
    test.options.config.message_timestamp_after_max_ms = INT64_MAX;
    ck_ok(test_log_open(&test), &test.error);
}

static void tear_down(void)
{
    test_log_stop(&test);
}

static void look(void)
{
    seen = (struct weir_log_glance){0};
    ck_ok(weir_log_glance_newest(test.env, test.env->budget, test.options.path, &seen, &test.error),
          &test.error);
}

static void append(int64_t timestamp_ms, int64_t now_ms)
{
    struct test_append what = {.timestamp_ms = timestamp_ms, .now_ms = now_ms, .value_size = 200};
    ck_ok(test_log_append(&test, &what, NULL), &test.error);
}

/* Without records there is no time, and 0 would be one; nor is there one that is known without a mark. */
START_TEST(no_time_is_none)
{
    ck_ok(test_log_close(&test), &test.error);
    for (int has_mark = 1; has_mark >= 0; has_mark--) {
        look();
        ck_assert_int_eq(seen.segment_count, 1);
        ck_assert_int_eq(seen.size_bytes, 0);
        ck_assert(seen.is_empty);
        ck_assert_int_eq(seen.max_timestamp_ms, -1);
        ck_assert_int_eq(seen.last_append_ms, -1);
        if (has_mark) test_log_lose_marks(&test);
    }
}
END_TEST

/* The newest of all segments, whichever has it; files that are no records' count for nothing. */
START_TEST(the_newest_of_all_segments_is_seen)
{
    const int64_t begin_ms = weir_wall_now(test.env).ms;
    append(begin_ms + 5, begin_ms + 1);
    append(begin_ms + 9, begin_ms + 2);
    for (int64_t i = 0; i < 6; i++) {
        append(begin_ms + 3, begin_ms + 10 + i);
    }
    struct weir_partition_log_state state = weir_partition_log_state(test.log);
    ck_assert_int_gt(state.segment_count, 2);
    ck_ok(test_log_close(&test), &test.error);
    test_log_write_file(&test, "notes.txt", "x", 1);
    look();
    ck_assert_int_eq(seen.segment_count, state.segment_count);
    ck_assert_int_eq(seen.size_bytes, state.size_bytes);
    ck_assert(!seen.is_empty);
    ck_assert_int_eq(seen.max_timestamp_ms, begin_ms + 9);
    ck_assert_int_eq(seen.last_append_ms, begin_ms + 15);
    test_log_lose_marks(&test);
    look();
    ck_assert(!seen.is_empty);
    ck_assert_int_eq(seen.size_bytes, state.size_bytes);
    ck_assert_int_eq(seen.max_timestamp_ms, -1);
    ck_assert_int_eq(seen.last_append_ms, -1);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("glance");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, no_time_is_none);
    tcase_add_test(tests, the_newest_of_all_segments_is_seen);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("glance", add);
}
