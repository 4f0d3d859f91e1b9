#include <stdio.h>
#include <string.h>

#include "tests/unit/broker/log/log_support.h"

/* Something other than the log cuts a segment's file while the log is open. */
static struct test_log test;

static const char first[] = "00000000000000000000.log";

static void set_up(void)
{
    test_log_start(&test, 1);
}

static void tear_down(void)
{
    test_log_stop(&test);
}

static struct weir_partition_log_state state(void)
{
    return weir_partition_log_state(test.log);
}

static void cut(const char *name, int64_t size)
{
    struct weir_file *file = NULL;
    ck_ok(weir_file_open(test.env, test_log_path(&test, name), WEIR_OPEN_READ | WEIR_OPEN_WRITE,
                         &file, &test.error),
          &test.error);
    ck_ok(weir_file_truncate(file, size, &test.error), &test.error);
    weir_file_close(file);
}

/* A log of one segment, all of it on the disk. */
static void begin(int batches)
{
    test.options.config.segment_bytes = 1 << 20;
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, batches);
    ck_ok(test_log_sync(&test), &test.error);
}

static int64_t position_of(size_t batch)
{
    int64_t position = 0;
    for (size_t i = 0; i < batch; i++) {
        position += (int64_t)test.batches[i].size;
    }
    return position;
}

/* Damage from there on, with the cause; below it the log is served, and the next open knows. */
static void expect_damaged(size_t batch)
{
    int64_t offset = test.batches[batch].base_offset;
    ck_assert_int_eq(weir_partition_log_offline_from(test.log), offset);
    struct weir_error error;
    ck_code(weir_partition_log_check_online(test.log, &error), WEIR_OFFLINE);
    ck_assert_msg(strstr(error.text, "has cut it") != NULL, "%s", error.text);
    ck_code(test_log_append(&test, &(struct test_append){0}, NULL), WEIR_OFFLINE);
    ck_assert_int_eq(test_log_expect_from(&test, 0, 100), offset);
    (void)weir_partition_log_close(test.log, NULL);
    test.log = NULL;
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.offline_from, offset);
    ck_assert_int_eq(test.recovery.cut_offset, -1);
}

/* Where a read meets what is missing: in memory, through a worker, as a range of each kind. */
static void read_to_the_end(size_t range_min)
{
    int64_t offset = 0;
    for (;;) {
        struct weir_log_read read = {
            .offset = offset, .offset_max = INT64_MAX, .size_max = 400, .range_min = range_min};
        int rc = test_log_read(&test, &read);
        if (rc < 0) {
            ck_code(rc, WEIR_OFFLINE);
            return;
        }
        ck_assert_uint_gt(read.size, 0);
        int64_t left = (int64_t)read.size;
        for (size_t i = 0; left > 0; i++) {
            if (test.batches[i].base_offset < offset) continue;
            left -= (int64_t)test.batches[i].size;
            if (left == 0) offset = test.batches[i].end_offset;
        }
        if (read.range.segment != NULL) {
            struct weir_file_stat stat;
            ck_ok(weir_file_stat(weir_log_range_file(&read.range), &stat, NULL), NULL);
            ck_assert_int_le(read.range.position + read.range.size, stat.size);
        }
        weir_log_read_release(&read);
    }
}

START_TEST(a_read_finds_what_is_missing)
{
    static const size_t range_min[] = {0, 1, 300};
    for (int back = 0; back < 90; back += 11) {
        for (size_t i = 0; i < 3; i++) {
            begin(40);
            cut(first, position_of(25) - back);
            read_to_the_end(range_min[i]);
            size_t batch = 25;
            while (position_of(batch) > position_of(25) - back)
                batch--;
            expect_damaged(batch);
            tear_down();
            set_up();
        }
    }
}
END_TEST

/* In the middle of the log, of a segment that is never written to again. */
START_TEST(a_sealed_segment_is_looked_at_as_well)
{
    test.options.config.segment_bytes = 600;
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 30);
    ck_ok(test_log_sync(&test), &test.error);
    ck_assert_int_gt(state().segment_count, 3);
    cut(first, position_of(2) + 5);
    read_to_the_end(1);
    expect_damaged(2);
}
END_TEST

/* It is not written behind the hole, whatever of the file is left, nothing included. */
START_TEST(an_append_finds_what_is_missing)
{
    for (size_t batch = 0; batch < 40; batch += 13) {
        begin(40);
        int64_t size = position_of(batch) + (batch > 0 ? 7 : 0);
        cut(first, size);
        ck_code(test_log_append(&test, &(struct test_append){0}, NULL), WEIR_OFFLINE);
        ck_assert_int_eq(test_log_file_size(&test, first), size);
        expect_damaged(batch);
        tear_down();
        set_up();
    }
}
END_TEST

/* Cut after the append and before its sync: what was appended is not durable. */
START_TEST(a_sync_finds_what_is_missing)
{
    begin(40);
    int64_t durable = state().durable_offset;
    struct weir_log_sync sync = {0};
    test_log_fill(&test, 2);
    ck_ok(weir_log_sync_begin(test.log, &sync), &sync.error);
    cut(first, position_of(30));
    weir_log_sync_run(&sync, false);
    ck_code(weir_log_sync_end(test.log, &sync), WEIR_OFFLINE);
    ck_assert_int_eq(state().durable_offset, durable);
    expect_damaged(30);
}
END_TEST

/* A roll would seal the hole. It is due, and comes with the next sync. */
START_TEST(a_roll_finds_what_is_missing)
{
    struct weir_log_sync sync = {0};
    test.options.config.segment_bytes = 300;
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 2);
    ck_ok(weir_log_sync_begin(test.log, &sync), &sync.error);
    test_log_fill(&test, 2); /* beyond segment.bytes */
    weir_log_sync_run(&sync, false);
    ck_ok(weir_log_sync_end(test.log, &sync), &sync.error);
    ck_assert_int_eq(state().segment_count, 1);
    cut(first, position_of(1));
    ck_code(test_log_sync(&test), WEIR_OFFLINE);
    ck_assert_int_eq(state().segment_count, 1);
    expect_damaged(1);
}
END_TEST

/* A cut above the hole would fill it with zeros. */
START_TEST(a_cut_finds_what_is_missing)
{
    begin(40);
    cut(first, position_of(20) + 3);
    ck_code(weir_partition_log_truncate(test.log, test.batches[30].base_offset, &test.error),
            WEIR_OFFLINE);
    ck_assert_int_eq(test_log_file_size(&test, first), position_of(20) + 3);
    ck_assert_int_eq(weir_partition_log_offline_from(test.log), test.batches[20].base_offset);
}
END_TEST

/* One below it loses nothing by it. */
START_TEST(a_cut_below_what_is_missing_is_done)
{
    begin(40);
    cut(first, position_of(20) + 3);
    ck_ok(weir_partition_log_truncate(test.log, test.batches[10].base_offset, &test.error),
          &test.error);
    test_log_forget(&test, test.batches[10].base_offset);
    test_log_fill(&test, 3);
    ck_ok(test_log_sync(&test), &test.error);
    test_log_expect_all(&test);
}
END_TEST

START_TEST(a_search_by_time_finds_what_is_missing)
{
    begin(0);
    for (int i = 0; i < 40; i++) {
        struct test_append what = {.timestamp_ms = 1000 + i, .now_ms = 5000};
        ck_ok(test_log_append(&test, &what, NULL), &test.error);
    }
    cut(first, position_of(20) + 3);
    int64_t offset;
    int64_t time;
    ck_code(weir_partition_log_find_time(test.log, 1030, &offset, &time, &test.error),
            WEIR_CORRUPT);
    ck_assert_int_eq(weir_partition_log_offline_from(test.log), test.batches[20].base_offset);
    ck_ok(weir_partition_log_find_time(test.log, 1010, &offset, &time, &test.error), &test.error);
    ck_assert_int_eq(time, 1010);
}
END_TEST

/* What the file has besides is none of this: bytes of a write for which there was no room. */
START_TEST(a_file_that_is_longer_is_not_short)
{
    begin(5);
    int64_t size = test_log_file_size(&test, first);
    cut(first, size + 100);
    test_log_fill(&test, 5);
    ck_ok(test_log_sync(&test), &test.error);
    test_log_expect_all(&test);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("short");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_read_finds_what_is_missing);
    tcase_add_test(tests, a_sealed_segment_is_looked_at_as_well);
    tcase_add_test(tests, an_append_finds_what_is_missing);
    tcase_add_test(tests, a_sync_finds_what_is_missing);
    tcase_add_test(tests, a_roll_finds_what_is_missing);
    tcase_add_test(tests, a_cut_finds_what_is_missing);
    tcase_add_test(tests, a_cut_below_what_is_missing_is_done);
    tcase_add_test(tests, a_search_by_time_finds_what_is_missing);
    tcase_add_test(tests, a_file_that_is_longer_is_not_short);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log short", add);
}
