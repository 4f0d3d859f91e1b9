#include <stdio.h>
#include <string.h>

#include "broker/log/offset_index.h"
#include "tests/unit/broker/log/log_support.h"

/**
 * Indexes are hints (L6): deleted, cut, stale or random, every question has the same answer.
 */
static struct test_log test;

enum { BATCHES = 120, TIMES = 40 };

static int64_t first_ms;

static void set_up(void)
{
    test_log_start(&test, 1);
    test.options.config.index_interval_bytes = 200;
    test.options.config.message_timestamp_after_max_ms = INT64_MAX;
    ck_ok(test_log_open(&test), &test.error);
    first_ms = weir_wall_now(test.env).ms;
    for (int i = 0; i < BATCHES; i++) {
        /* Rising with a step back now and then, no two alike. */
        int64_t late = i % 10 == 7 ? -250 : 0;
        ck_ok(test_log_append(&test,
                              &(struct test_append){.record_count = 1 + i % 3,
                                                    .value_size = 10 + i % 4 * 30,
                                                    .timestamp_ms = first_ms + i * 100 + late},
                              NULL),
              &test.error);
    }
    ck_assert_int_gt(weir_partition_log_state(test.log).segment_count, 3);
    ck_ok(test_log_close(&test), &test.error);
}

static void tear_down(void)
{
    test_log_stop(&test);
}

/* The answer by the model: batches carry one timestamp each. */
static int64_t model_find(int64_t timestamp_ms)
{
    for (int i = 0; i < BATCHES; i++) {
        int64_t late = i % 10 == 7 ? -250 : 0;
        if (first_ms + i * 100 + late >= timestamp_ms) return test.batches[i].base_offset;
    }
    return -1;
}

static void expect_same_answers(void)
{
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(weir_partition_log_state(test.log).offline_from, -1);
    int64_t end = weir_partition_log_state(test.log).end_offset;
    for (size_t i = 0; i < test.batch_count; i++) {
        for (int64_t at = test.batches[i].base_offset; at < test.batches[i].end_offset; at++) {
            struct weir_log_read read = {.offset = at, .offset_max = INT64_MAX, .size_max = 1};
            ck_ok(test_log_read(&test, &read), &read.error);
            ck_assert_uint_eq(read.batches.part_count, 1);
            ck_assert_uint_eq(read.size, test.batches[i].size);
            ck_assert_mem_eq(read.batches.parts[0].bytes->data + read.batches.parts[0].from,
                             test.batches[i].bytes, test.batches[i].size);
            weir_log_read_release(&read);
        }
    }
    for (int i = -2; i < BATCHES * 2 + 4; i++) {
        int64_t offset;
        int64_t found_ms;
        int64_t wanted = first_ms + i * 50 - 1;
        ck_ok(weir_partition_log_find_time(test.log, wanted, &offset, &found_ms, &test.error),
              &test.error);
        ck_assert_int_eq(offset, model_find(wanted));
        if (offset >= 0) ck_assert_int_ge(found_ms, wanted);
    }
    ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, end);
    test_log_expect_all(&test);
    ck_ok(test_log_close(&test), &test.error);
}

static bool is_index(const char *name)
{
    return strstr(name, "index") != NULL;
}

static void remove_index(struct test_log *unused, const char *name)
{
    (void)unused;
    if (is_index(name)) ck_ok(weir_remove(test.env, test_log_path(&test, name), NULL), NULL);
}

static void scribble_index(struct test_log *unused, const char *name)
{
    (void)unused;
    if (!is_index(name)) return;
    uint8_t bytes[600];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)weir_sim_random(test.sim);
    }
    test_log_write_file(&test, name, bytes, (size_t)(weir_sim_random(test.sim) % sizeof bytes));
}

static void zero_index(struct test_log *unused, const char *name)
{
    (void)unused;
    static const uint8_t zeros[400];
    if (is_index(name)) test_log_write_file(&test, name, zeros, sizeof zeros);
}

static void cut_index(struct test_log *unused, const char *name)
{
    (void)unused;
    if (!is_index(name)) return;
    int64_t size = test_log_file_size(&test, name);
    struct weir_file *file = NULL;
    ck_ok(weir_file_open(test.env, test_log_path(&test, name), WEIR_OPEN_WRITE, &file, NULL), NULL);
    ck_ok(
        weir_file_truncate(file, (int64_t)(weir_sim_random(test.sim) % (uint64_t)(size + 1)), NULL),
        NULL);
    weir_file_close(file);
}

static void flip_index(struct test_log *unused, const char *name)
{
    (void)unused;
    if (!is_index(name)) return;
    int64_t size = test_log_file_size(&test, name);
    if (size == 0) return;
    char path[256];
    (void)snprintf(path, sizeof path, "%s", test_log_path(&test, name));
    ck_ok(weir_sim_disk_flip(test.sim, 0, path,
                             (int64_t)(weir_sim_random(test.sim) % (uint64_t)size),
                             (int)(weir_sim_random(test.sim) % 8)),
          NULL);
}

/* What a read error leaves unread is not gone on from as if it had been read. */
START_TEST(an_index_that_cannot_be_read_is_not_taken_for_read)
{
    struct weir_index_builder builder;
    struct weir_index_entry last;
    struct weir_index_files nowhere = {test.env, test.options.path, 987654};
    ck_assert_int_lt(weir_index_files_find_time(&nowhere, first_ms, &last), 0);
    int failed = 0;
    for (uint64_t at = 1; at <= 2; at++) {
        weir_index_builder_init(&builder, test.env, test.env->budget, test.options.path);
        weir_index_builder_begin(&builder, 0);
        weir_sim_disk_count_reset(test.sim, 0);
        weir_sim_disk_plan(
            test.sim, 0, (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_READ_EIO, .at = at});
        int rc =
            weir_index_builder_resume(&builder, 4096, test.batches[BATCHES - 1].end_offset, &last);
        weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
        if (at == 1) ck_assert_int_eq(builder.time_file_count, 0);
        if (at == 1) ck_ok(rc, NULL);
        if (rc < 0) ck_assert_int_eq(builder.file_count, 0);
        failed += rc < 0;
        weir_index_builder_close(&builder);
    }
    ck_assert_int_eq(failed, 1);
}
END_TEST

/* The last time entry says another time: the question it would have answered has the same answer. */
START_TEST(a_wrong_last_time_entry_changes_no_answer)
{
    for (int64_t back = 1; back <= 12; back++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s",
                       test_log_path(&test, "00000000000000000000.timeindex"));
        int64_t size = test_log_file_size(&test, "00000000000000000000.timeindex");
        ck_assert_int_ge(size, 12);
        ck_ok(weir_sim_disk_flip(test.sim, 0, path, size - back, 1), NULL);
        expect_same_answers();
        ck_ok(test_log_close(&test), &test.error);
    }
}
END_TEST

/* As they were written. */
START_TEST(whole_indexes_answer_right)
{
    expect_same_answers();
}
END_TEST

/* Deleted: rebuilt from the log, and there again. */
START_TEST(deleted_indexes_come_back)
{
    test_log_each_file(&test, remove_index);
    expect_same_answers();
    ck_assert(test_log_exists(&test, "00000000000000000000.index"));
    ck_assert(test_log_exists(&test, "00000000000000000000.timeindex"));
    expect_same_answers();
}
END_TEST

/* Random bytes of random length, many times over. */
START_TEST(random_indexes_change_no_answer)
{
    for (int i = 0; i < TIMES; i++) {
        test_log_each_file(&test, scribble_index);
        expect_same_answers();
    }
}
END_TEST

/* Zeros, as a power loss may leave them. */
START_TEST(zeroed_indexes_change_no_answer)
{
    test_log_each_file(&test, zero_index);
    expect_same_answers();
}
END_TEST

/* Cut at any length, also in the middle of an entry. */
START_TEST(cut_indexes_change_no_answer)
{
    for (int i = 0; i < TIMES; i++) {
        test_log_each_file(&test, cut_index);
        expect_same_answers();
    }
}
END_TEST

/* One flipped bit in each. */
START_TEST(flipped_indexes_change_no_answer)
{
    for (int i = 0; i < TIMES; i++) {
        test_log_each_file(&test, flip_index);
        expect_same_answers();
    }
}
END_TEST

/* Stale: what belonged to a longer log that was cut back and written anew. */
START_TEST(stale_indexes_change_no_answer)
{
    (void)weir_sim_node(test.sim, 1);
    ck_ok(test_log_open(&test), &test.error);
    ck_ok(weir_partition_log_truncate(test.log, test.batches[20].base_offset, &test.error),
          &test.error);
    test_log_forget(&test, test.batches[20].base_offset);
    test_log_expect_all(&test);
    test_log_fill(&test, 60);
    test_log_expect_all(&test);
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(test_log_open(&test), &test.error);
    test_log_expect_all(&test);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("index");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, whole_indexes_answer_right);
    tcase_add_test(tests, an_index_that_cannot_be_read_is_not_taken_for_read);
    tcase_add_test(tests, a_wrong_last_time_entry_changes_no_answer);
    tcase_add_test(tests, deleted_indexes_come_back);
    tcase_add_test(tests, random_indexes_change_no_answer);
    tcase_add_test(tests, zeroed_indexes_change_no_answer);
    tcase_add_test(tests, cut_indexes_change_no_answer);
    tcase_add_test(tests, flipped_indexes_change_no_answer);
    tcase_add_test(tests, stale_indexes_change_no_answer);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log index", add);
}
