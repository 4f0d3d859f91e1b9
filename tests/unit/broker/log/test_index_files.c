#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "broker/log/small_file.h"
#include "tests/unit/broker/log/log_support.h"
#include "wire/record_batch.h"

/**
 * What stands in the index files, byte by byte, against the batches: Kafka's own tools read them, and a reader
 * that finds less in them only walks further, which no answer shows.
 */
static struct test_log test;
static struct {
    uint8_t data[1 << 16];
    size_t size;
} bytes; /* of the file that is looked at */

enum { INTERVAL = 200, BATCH_SIZE_MAX = 200, OFFSET_ENTRY = 8, TIME_ENTRY = 12 };

static void set_up(void)
{
    test_log_start(&test, 1);
    test.options.config.index_interval_bytes = INTERVAL;
    test.options.config.message_timestamp_after_max_ms = INT64_MAX;
    ck_ok(test_log_open(&test), &test.error);
}

static void tear_down(void)
{
    test_log_stop(&test);
}

/* `step_ms` between a batch and the next; the records of a batch have one time. */
static void fill(int count, int64_t step_ms)
{
    int64_t first_ms = weir_wall_now(test.env).ms;
    for (int i = 0; i < count; i++) {
        struct test_append append = {.record_count = 1 + i % 3,
                                     .value_size = 10 + i % 4 * 10,
                                     .timestamp_ms = first_ms + i * step_ms};
        ck_ok(test_log_append(&test, &append, NULL), &test.error);
    }
}

static void read_file(int64_t base_offset, const char *suffix)
{
    struct weir_log_path path = weir_log_offset_path(test.options.path, base_offset, suffix);
    struct weir_buffer file;
    weir_buffer_init(&file, test.env->budget, 0);
    int rc = weir_small_file_read(test.env, path.text, sizeof bytes.data, &file, &test.error);
    ck_assert(rc == 0 || rc == WEIR_NOT_FOUND); /* a short segment may have no entry */
    bytes.size = rc == 0 ? file.size : 0;
    weir_copy(bytes.data, file.data, bytes.size);
    weir_buffer_close(&file);
}

static struct weir_batch_header header_of(size_t i)
{
    struct weir_batch_header header;
    struct weir_slice batch = weir_slice(test.batches[i].bytes, test.batches[i].size);
    ck_ok(weir_batch_peek(batch, INT32_MAX, &header, NULL), NULL);
    return header;
}

/* One entry a stretch of INTERVAL bytes, each of a batch: its last offset, and where it begins. */
static void expect_offsets(size_t first, size_t end)
{
    int64_t base_offset = test.batches[first].base_offset;
    int64_t position = 0, indexed = 0;
    size_t at = 0;
    read_file(base_offset, ".index");
    ck_assert_uint_eq(bytes.size % OFFSET_ENTRY, 0);
    for (size_t i = first; i < end; i++) {
        bool is_entry = at < bytes.size && weir_load_u32(bytes.data + at + 4) == position;
        if (is_entry) {
            ck_assert_int_eq(weir_load_u32(bytes.data + at),
                             test.batches[i].end_offset - 1 - base_offset);
            ck_assert_int_ge(position - indexed, INTERVAL);
            indexed = position;
            at += OFFSET_ENTRY;
        }
        position += (int64_t)test.batches[i].size;
        ck_assert_int_le(position - indexed, INTERVAL + 2 * BATCH_SIZE_MAX);
    }
    ck_assert_uint_eq(at, bytes.size);
}

/* Rising times, each the largest so far and with the batch that has it; in a sealed segment up to its
 * largest. */
static void expect_times(size_t first, size_t end, bool is_sealed)
{
    int64_t base_offset = test.batches[first].base_offset;
    int64_t max_ms = INT64_MIN, max_offset = -1, last_ms = INT64_MIN;
    size_t at = 0;
    read_file(base_offset, ".timeindex");
    ck_assert_uint_eq(bytes.size % TIME_ENTRY, 0);
    for (size_t i = first; i < end; i++) {
        struct weir_batch_header header = header_of(i);
        if (header.max_timestamp_ms <= max_ms) continue;
        max_ms = header.max_timestamp_ms;
        max_offset = test.batches[i].end_offset - 1 - base_offset;
        bool is_entry = at < bytes.size && weir_load_u32(bytes.data + at + 8) == max_offset;
        if (!is_entry) continue;
        ck_assert_int_eq((int64_t)weir_load_u64(bytes.data + at), max_ms);
        last_ms = max_ms;
        at += TIME_ENTRY;
    }
    ck_assert_uint_eq(at, bytes.size);
    if (is_sealed) ck_assert_int_eq(last_ms, max_ms);
}

static int note_segment(void *context, const char *name, enum weir_file_kind kind)
{
    (void)kind;
    if (weir_log_name_offset(name, ".log") >= 0) ++*(int *)context;
    return 0;
}

/* Each segment of the closed log. */
static void expect_indexes(void)
{
    size_t first = 0;
    int segments = 0, seen = 0;
    ck_ok(weir_list(test.env, test.options.path, note_segment, &segments, &test.error),
          &test.error);
    while (first < test.batch_count) {
        struct weir_log_path path =
            weir_log_offset_path(test.options.path, test.batches[first].base_offset, ".log");
        struct weir_file_stat stat;
        ck_ok(weir_stat(test.env, path.text, &stat, &test.error), &test.error);
        size_t end = first;
        for (int64_t size = 0; size < stat.size; end++) {
            size += (int64_t)test.batches[end].size;
        }
        seen++;
        expect_offsets(first, end);
        expect_times(first, end, seen < segments);
        first = end;
    }
    ck_assert_int_eq(seen, segments);
    ck_assert_int_gt(seen, 3);
}

/* Times that rise, that stand still and that fall: with falling ones a segment's largest is its first, of
 * one record in the first segment. */
START_TEST(indexes_hold_what_the_batches_say)
{
    static const int64_t steps_ms[] = {100, 0, -100};
    fill(200, steps_ms[_i]);
    ck_ok(test_log_close(&test), &test.error);
    expect_indexes();
}
END_TEST

/* What a former life has left beside the segment, longer than anything that is written now: none of it
 * stands behind the new entries. */
START_TEST(a_stale_index_ends_where_the_new_one_does)
{
    memset(bytes.data, 0x55, sizeof bytes.data);
    test_log_write_file(&test, "00000000000000000000.index", bytes.data, 1500 * OFFSET_ENTRY);
    test_log_write_file(&test, "00000000000000000000.timeindex", bytes.data, 1500 * TIME_ENTRY);
    fill(200, 100);
    ck_ok(test_log_close(&test), &test.error);
    expect_indexes();
}
END_TEST

static void remove_index(struct test_log *log, const char *name)
{
    if (strstr(name, "index") == NULL) return;
    ck_ok(weir_remove(log->env, test_log_path(log, name), NULL), NULL);
}

/* A log that goes on after a close, a kill, or without its indexes, goes on with them. (After a loss of power
 * those of sealed segments are what the disk has left of them, and stay so: test_index.c.) */
START_TEST(indexes_go_on_with_their_log)
{
    fill(120, 100);
    ck_ok(test_log_sync(&test), &test.error);
    if (_i % 3 == 1) test_log_crash(&test, WEIR_SIM_KILL);
    if (_i % 3 != 1) ck_ok(test_log_close(&test), &test.error);
    if (_i % 3 == 2) test_log_each_file(&test, remove_index);
    ck_ok(test_log_open(&test), &test.error);
    test_log_expect_all(&test); /* what is missing is made when it is asked for */
    fill(120, _i < 3 ? 100 : -100);
    ck_ok(test_log_close(&test), &test.error);
    expect_indexes();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("files");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, indexes_hold_what_the_batches_say, 0, 3);
    tcase_add_test(tests, a_stale_index_ends_where_the_new_one_does);
    tcase_add_loop_test(tests, indexes_go_on_with_their_log, 0, 6);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("index files", add);
}
