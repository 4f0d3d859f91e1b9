#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "broker/log/log_internal.h"
#include "tests/unit/broker/log/log_support.h"

/**
 * What a log remembers of its segments' indexes: it is bounded, it is a hint, and it goes when the
 * files are not what they were.
 */
static struct test_log test;

static void set_up(void)
{
    test_log_start(&test, 1);
    ck_ok(test_log_open(&test), &test.error);
}

static void tear_down(void)
{
    test_log_stop(&test);
}

static size_t count_windows(void)
{
    size_t count = 0;
    for (size_t i = 0; i < WEIR_INDEX_WINDOWS_MAX; i++) {
        count += test.log->windows.kept[i] != NULL;
    }
    return count;
}

static struct weir_log_read ask(int64_t offset)
{
    return (struct weir_log_read){.offset = offset, .offset_max = INT64_MAX, .size_max = 1};
}

/* Returns where the read began to walk, as far as memory or the index told. */
static int64_t read_at(int64_t offset)
{
    struct weir_log_read read = ask(offset);
    ck_ok(test_log_read(&test, &read), &read.error);
    ck_assert_uint_eq(read.batches.part_count, 1);
    weir_log_read_release(&read);
    return read.position;
}

static void store_entry(uint8_t *to, int32_t delta, int32_t position)
{
    weir_store_u32(to, (uint32_t)delta);
    weir_store_u32(to + 4, (uint32_t)position);
}

static struct weir_index_files write_index(int64_t base_offset, const int32_t (*entries)[2],
                                           size_t count)
{
    char name[64];
    uint8_t bytes[128];
    ck_assert_uint_le(count * WEIR_INDEX_OFFSET_ENTRY, sizeof bytes);
    for (size_t i = 0; i < count; i++) {
        store_entry(bytes + i * WEIR_INDEX_OFFSET_ENTRY, entries[i][0], entries[i][1]);
    }
    (void)snprintf(name, sizeof name, "%020lld.index", (long long)base_offset);
    test_log_write_file(&test, name, bytes, count * WEIR_INDEX_OFFSET_ENTRY);
    return (struct weir_index_files){test.env, test.log->path, base_offset};
}

/* An offset, a position or a time before the first entry has none, and nothing is filled. */
START_TEST(before_the_first_entry_there_is_none)
{
    static const int32_t entries[][2] = {{10, 100}, {20, 200}};
    static const uint8_t time_entry[WEIR_INDEX_TIME_ENTRY] = {0, 0, 0, 0, 0, 0, 0, 50, 0, 0, 0, 1};
    struct weir_index_files files = write_index(7000, entries, 2);
    test_log_write_file(&test, "00000000000000007000.timeindex", time_entry, sizeof time_entry);
    struct weir_index_entry entry = {.last_offset = -5, .position = -6};
    ck_assert_int_eq(weir_index_files_find_offset(&files, 7009, &entry), WEIR_END);
    ck_assert_int_eq(weir_index_files_find_position(&files, 99, &entry), WEIR_END);
    ck_assert_int_eq(weir_index_files_find_time(&files, 50, &entry), WEIR_END);
    struct weir_index_window *window = NULL;
    ck_assert_int_eq(weir_index_window_read(&files, 7009, true, test.env->budget, &window),
                     WEIR_END);
    ck_assert_ptr_null(window);
    ck_assert_int_eq(entry.last_offset, -5);
    ck_assert_int_eq(entry.position, -6);
    ck_assert_int_eq(weir_index_files_find_offset(&files, 7010, &entry), 0);
    ck_assert_int_eq(entry.position, 100);
}
END_TEST

/* No place lies before its segment: such an entry is refused, in the file and in a window. */
START_TEST(an_entry_before_its_segment_is_refused)
{
    static const int32_t no_position[][2] = {{10, -100}, {20, 200}};
    static const int32_t no_offset[][2] = {{-10, 100}};
    struct weir_index_entry entry;
    struct weir_index_window *window = NULL;
    struct weir_index_files files = write_index(7000, no_position, 1);
    ck_assert_int_eq(weir_index_files_find_offset(&files, 7010, &entry), WEIR_CORRUPT);
    ck_assert_int_eq(weir_index_window_read(&files, 7010, true, test.env->budget, &window),
                     WEIR_CORRUPT);
    files = write_index(8000, no_offset, 1);
    ck_assert_int_eq(weir_index_files_find_position(&files, 200, &entry), WEIR_CORRUPT);
    ck_assert_int_eq(weir_index_window_read(&files, 8000, true, test.env->budget, &window),
                     WEIR_CORRUPT);
    ck_assert_ptr_null(window);
}
END_TEST

/* A window ends before an entry that is none, and does not say what comes behind it. */
START_TEST(a_window_ends_before_what_is_no_entry)
{
    static const int32_t entries[][2] = {{10, 100}, {20, 200}, {30, -1}};
    struct weir_index_files files = write_index(7000, entries, 3);
    struct weir_index_window *window = NULL;
    struct weir_index_entry first;
    struct weir_index_entry last;
    struct weir_index_reach reach = {.bound = INT64_MAX, .size_max = INT64_MAX};
    ck_assert_int_eq(weir_index_window_read(&files, 7012, true, test.env->budget, &window), 0);
    ck_assert_uint_eq(window->count, 2);
    ck_assert(!window->is_to_end);
    ck_assert(weir_index_window_find(window, 7012, &reach, &first, &last));
    ck_assert_int_eq(first.position, 100);
    ck_assert_int_eq(last.position, 200);
    ck_assert(!weir_index_window_find(window, 7025, &reach, &first, &last));
    weir_free(window);
}
END_TEST

/* However many segments are read, a log holds windows of two of them. */
START_TEST(windows_of_a_log_are_bounded)
{
    test_log_fill(&test, 600);
    struct weir_partition_log_state state = weir_partition_log_state(test.log);
    ck_assert_int_gt(state.segment_count, 8);
    size_t used = 0;
    for (size_t i = 0; i + 1 < test.log->segment_count; i++) {
        ck_ok(weir_segment_hold(test.log->segments[i], &test.error), &test.error);
        weir_segment_release(test.log->segments[i]);
    }
    used = test.env->budget->used;
    for (size_t i = 0; i + 1 < test.log->segment_count; i++) {
        (void)read_at(test.log->segments[i + 1]->facts.base_offset - 1);
        ck_assert_uint_eq(count_windows(), i < 1 ? i + 1 : 2);
    }
    size_t size_max = 2 * (WEIR_INDEX_WINDOW_MAX * WEIR_INDEX_OFFSET_ENTRY + 256);
    ck_assert_uint_le(test.env->budget->used - used, size_max);
    ck_ok(test_log_close(&test), &test.error);
}
END_TEST

/* A cut makes other bytes of the file: what was known of it goes, and is not brought back by a read
 * that began before. */
START_TEST(a_cut_takes_the_windows_along)
{
    test_log_fill(&test, 200);
    int64_t cut = test.log->segments[1]->facts.base_offset - 1;
    (void)read_at(cut);
    ck_assert_uint_eq(count_windows(), 1);
    size_t used = test.env->budget->used;
    struct weir_log_read read = ask(test.log->segments[2]->facts.base_offset - 1);
    ck_assert_int_eq(weir_log_read_begin(test.log, &read), WEIR_END);
    weir_log_read_run(&read);
    ck_assert_ptr_nonnull(read.window);
    ck_ok(weir_partition_log_truncate(test.log, cut, &test.error), &test.error);
    test_log_forget(&test, cut);
    ck_assert_uint_eq(count_windows(), 0);
    ck_ok(weir_log_read_end(&read), &read.error);
    ck_assert_uint_eq(count_windows(), 0);
    ck_assert_ptr_null(read.window);
    ck_assert_uint_lt(test.env->budget->used, used);
    test_log_fill(&test, 100);
    test_log_expect_all(&test);
}
END_TEST

/* Who read an index that another worker had half made anew walks far, once: then it is read again.
 */
START_TEST(a_window_that_lacks_entries_is_read_again)
{
    enum { BATCHES = 150, VALUE_SIZE = 8000 };
    test.options.config.segment_bytes = 8 << 20;
    test.options.config.index_interval_bytes = 4096;
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(test_log_open(&test), &test.error);
    for (int i = 0; i < BATCHES; i++) {
        ck_ok(test_log_append(
                  &test, &(struct test_append){.record_count = 7, .value_size = VALUE_SIZE}, NULL),
              &test.error);
    }
    ck_assert_int_gt(weir_partition_log_state(test.log).segment_count, 1);
    int64_t last = test.log->segments[1]->facts.base_offset - 1;
    static const int32_t first_entry[][2] = {{0, 0}};
    (void)write_index(0, first_entry, 1);
    struct weir_file *file = NULL;
    const char *path = test_log_path(&test, "00000000000000000000.index");
    ck_ok(weir_file_open(test.env, path, WEIR_OPEN_WRITE, &file, NULL), NULL);
    ck_ok(weir_file_truncate(file, WEIR_INDEX_OFFSET_ENTRY, NULL), NULL);
    weir_file_close(file);
    ck_assert_int_eq(read_at(last), 0);
    ck_assert_uint_eq(count_windows(), 0);
    ck_assert_int_gt(read_at(last), 7 << 20);
    ck_assert_uint_eq(count_windows(), 1);
    ck_assert_int_gt(read_at(last), 7 << 20);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("index window");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, before_the_first_entry_there_is_none);
    tcase_add_test(tests, an_entry_before_its_segment_is_refused);
    tcase_add_test(tests, a_window_ends_before_what_is_no_entry);
    tcase_add_test(tests, windows_of_a_log_are_bounded);
    tcase_add_test(tests, a_cut_takes_the_windows_along);
    tcase_add_test(tests, a_window_that_lacks_entries_is_read_again);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log index window", add);
}
