#include <stdlib.h>
#include <string.h>

#include "tests/unit/broker/log/log_support.h"

enum { BATCHES = 90, RECORDS = 5, TOTAL = BATCHES * RECORDS, FIRST_MS = 1000 };

static struct test_log test;
static int64_t times[TOTAL]; /* of each record, by offset */

static void set_up(void)
{
    test_log_start(&test, 1);
}

static void tear_down(void)
{
    test_log_stop(&test);
}

static void append_batch(int number)
{
    struct weir_batch_builder builder;
    struct weir_slice batch;
    struct weir_append_result result;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    weir_batch_builder_init(&builder, test.env->budget,
                            (enum weir_codec)(number % WEIR_CODEC_COUNT), WEIR_CODEC_LEVEL_DEFAULT);
    for (int i = 0; i < RECORDS; i++) {
        struct weir_record record = {
            .value = weir_text("a value of some length, so that a segment fills up"),
            .timestamp_ms = times[number * RECORDS + i],
        };
        ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
    }
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &batch), 0);
    struct weir_shared *shared = weir_shared_new(test.env->budget, batch.size);
    ck_assert_ptr_nonnull(shared);
    memcpy(shared->data, batch.data, batch.size);
    shared->size = batch.size;
    weir_batch_builder_close(&builder);
    struct weir_append append = {.batches = shared, .now = {.ms = FIRST_MS + number * 7}};
    ck_ok(weir_partition_log_append(test.log, &append, &result, &test.error), &test.error);
    weir_shared_unref(shared);
}

/* Times that rise, but not one by one: late records, equal ones, such from before 1970, one batch of
 * nothing else, and none at all. */
static void fill(void)
{
    ck_ok(test_log_open(&test), &test.error);
    for (int i = 0; i < TOTAL; i++) {
        int64_t late = (int64_t)(weir_sim_random(test.sim) % 60);
        times[i] = i % 41 == 0 ? -1 : FIRST_MS + 3 * i - late;
        if (i % 37 == 0 || i / RECORDS == 13) times[i] = -FIRST_MS - i;
        if (test.options.config.message_timestamp_type == WEIR_LOG_APPEND_TIME) {
            times[i] = FIRST_MS + i / RECORDS * RECORDS;
        }
    }
    for (int i = 0; i < BATCHES; i++) {
        append_batch(i);
    }
    ck_assert_int_gt(weir_partition_log_state(test.log).segment_count, 2);
}

static void expect_found(int64_t wanted, int64_t start)
{
    int64_t expected = start;
    while (expected < TOTAL && times[expected] < wanted) {
        expected++;
    }
    int64_t offset = 0;
    int64_t found_ms = 0;
    ck_ok(weir_partition_log_find_time(test.log, wanted, &offset, &found_ms, &test.error),
          &test.error);
    ck_assert_int_eq(offset, expected < TOTAL ? expected : -1);
    ck_assert_int_eq(found_ms, expected < TOTAL ? times[expected] : -1);
}

static void expect_all(int64_t start)
{
    for (int64_t wanted = FIRST_MS - 70; wanted < FIRST_MS + 3 * TOTAL + 3; wanted++) {
        expect_found(wanted, start);
    }
}

/* Every time of the log gives its first record, with that record's own time, whatever the codec and
 * however late some come; from memory, after a restart, and without indexes. */
START_TEST(the_first_record_of_a_time_is_found_exactly)
{
    fill();
    expect_all(0);
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(test_log_open(&test), &test.error);
    expect_all(0);
}
END_TEST

/* What was given up is not found: a record below the log's start is skipped, within a batch too. */
START_TEST(nothing_below_the_start_is_found)
{
    fill();
    ck_ok(test_log_sync(&test), &test.error);
    static const int64_t starts[] = {2, 111, 203, 447};
    for (int i = 0; i < 4; i++) {
        ck_ok(weir_partition_log_set_start(test.log, starts[i], &test.error), &test.error);
        expect_all(starts[i]);
    }
}
END_TEST

/* The largest time is found with the offset of the first record that has it. */
START_TEST(the_largest_time_has_an_offset)
{
    fill();
    int64_t largest = 0;
    for (int i = 1; i < TOTAL; i++) {
        if (times[i] > times[largest]) largest = i;
    }
    ck_assert_int_eq(weir_partition_log_state(test.log).max_timestamp_ms, times[largest]);
    expect_found(times[largest], 0);
    expect_found(times[largest] + 1, 0);
}
END_TEST

static void expect_largest(int64_t start, int64_t bound)
{
    int64_t largest = -1;
    for (int64_t i = start; i < bound; i++) {
        if (times[i] >= 0 && (largest < 0 || times[i] > times[largest])) largest = i;
    }
    struct weir_log_time find = {.offset_max = bound};
    int rc = weir_log_time_begin_largest(test.log, &find);
    while (rc == WEIR_END) {
        weir_log_time_run(&find);
        rc = weir_log_time_end(&find);
    }
    ck_ok(rc, &find.error);
    ck_assert_int_eq(find.offset, largest);
    ck_assert_int_eq(find.found_ms, largest < 0 ? -1 : times[largest]);
}

/* The largest is that of what can be read: what lies above the bound or below the start has no say,
 * wherever in a segment they are. */
START_TEST(the_largest_time_is_of_what_can_be_read)
{
    fill();
    times[7 * RECORDS + 1] += 900; /* the rest of the log is younger only much later */
    ck_ok(weir_partition_log_truncate(test.log, 7 * RECORDS, &test.error), &test.error);
    for (int i = 7; i < BATCHES; i++) {
        append_batch(i);
    }
    ck_ok(test_log_sync(&test), &test.error);
    static const int64_t starts[] = {0, 2, 7 * RECORDS + 1, 7 * RECORDS + 2, 203, 447};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        ck_ok(weir_partition_log_set_start(test.log, starts[i], &test.error), &test.error);
        int64_t from = (starts[i] + RECORDS - 1) / RECORDS * RECORDS;
        for (int64_t bound = from; bound <= TOTAL; bound += RECORDS) {
            expect_largest(starts[i], bound);
        }
    }
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(test_log_open(&test), &test.error);
    expect_largest(447, TOTAL);
    expect_largest(447, TOTAL - RECORDS);
}
END_TEST

/* In log-append time each batch has one time, the log's, and is found by its first record. */
START_TEST(log_append_time_is_searched_too)
{
    test.options.config.message_timestamp_type = WEIR_LOG_APPEND_TIME;
    fill();
    for (int i = 0; i < TOTAL; i++) {
        times[i] = FIRST_MS + i / RECORDS * 7; /* as append said */
    }
    expect_all(0);
}
END_TEST

/* A cut between begin and end starts the search anew on what is left. */
START_TEST(a_cut_restarts_the_search)
{
    fill();
    struct weir_log_time find = {.timestamp_ms = times[TOTAL - 1]};
    ck_assert_int_eq(weir_log_time_begin(test.log, &find), WEIR_END);
    weir_log_time_run(&find);
    ck_ok(weir_partition_log_truncate(test.log, 40 * RECORDS, &test.error), &test.error);
    int rc = weir_log_time_end(&find);
    while (rc == WEIR_END) {
        weir_log_time_run(&find);
        rc = weir_log_time_end(&find);
    }
    ck_ok(rc, &find.error);
    ck_assert_int_eq(find.offset, -1);
}
END_TEST

/* Retention between begin and end: what was held is read to its end, and no reference stays. */
START_TEST(a_segment_may_go_under_the_search)
{
    fill();
    ck_ok(test_log_sync(&test), &test.error);
    struct weir_log_time find = {.timestamp_ms = FIRST_MS};
    ck_assert_int_eq(weir_log_time_begin(test.log, &find), WEIR_END);
    ck_ok(weir_partition_log_set_start(test.log, TOTAL - 2, &test.error), &test.error);
    weir_log_time_run(&find);
    ck_ok(weir_log_time_end(&find), &find.error);
    ck_assert_int_ge(find.offset, 0);
}
END_TEST

/* Damage below what is offline already takes more of the log offline, as a read's does. */
START_TEST(a_search_finds_deeper_damage)
{
    fill();
    ck_ok(test_log_sync(&test), &test.error);
    int64_t offset = -1;
    int64_t found_ms = -1;
    const int64_t last = times[RECORDS - 1];
    ck_ok(weir_sim_disk_flip(test.sim, 0, test_log_path(&test, "00000000000000000000.log"),
                             WEIR_BATCH_HEADER_SIZE + 10, 0),
          &test.error);
    weir_partition_log_damaged(test.log, TOTAL - RECORDS, "a reader said so");
    ck_code(weir_partition_log_find_time(test.log, last, &offset, &found_ms, NULL), WEIR_CORRUPT);
    ck_assert_int_eq(weir_partition_log_state(test.log).offline_from, 0);
    ck_assert_int_eq(offset, -1);
}
END_TEST

/* The Nth read fails, or the Nth allocation: an error or the right answer, and no memory is kept.
 * */
START_TEST(searches_survive_every_fault)
{
    fill();
    expect_all(0); /* opens every file */
    int reads_failed = 0;
    int allocations_failed = 0;
    for (uint64_t number = 1; number < 25; number++) {
        int64_t wanted = FIRST_MS + (int64_t)number * 50;
        size_t used = atomic_load(&test.env->budget->used);
        int64_t offset = -1;
        int64_t found_ms = -1;
        weir_sim_disk_count_reset(test.sim, 0);
        weir_sim_disk_plan(
            test.sim, 0,
            (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_READ_EIO, .at = number});
        int rc = weir_partition_log_find_time(test.log, wanted, &offset, &found_ms, NULL);
        weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
        ck_assert(rc == 0 || rc == WEIR_IO);
        reads_failed += rc == WEIR_IO;
        if (rc == 0) ck_assert_int_ge(found_ms, wanted);
        test.env->heap->fail_at = number;
        rc = weir_partition_log_find_time(test.log, wanted, &offset, &found_ms, NULL);
        test.env->heap->fail_at = 0;
        ck_assert(rc == 0 || rc == WEIR_NO_MEMORY);
        allocations_failed += rc == WEIR_NO_MEMORY;
        if (rc == 0) ck_assert_int_ge(found_ms, wanted);
        ck_assert_uint_eq(atomic_load(&test.env->budget->used), used);
        ck_assert(!weir_partition_log_state(test.log).is_offline);
        expect_found(wanted, 0);
    }
    ck_assert_int_ge(reads_failed, 1); /* the faults were met */
    ck_assert_int_ge(allocations_failed, 1);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("time");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, the_first_record_of_a_time_is_found_exactly);
    tcase_add_test(tests, nothing_below_the_start_is_found);
    tcase_add_test(tests, the_largest_time_has_an_offset);
    tcase_add_test(tests, the_largest_time_is_of_what_can_be_read);
    tcase_add_test(tests, log_append_time_is_searched_too);
    tcase_add_test(tests, a_cut_restarts_the_search);
    tcase_add_test(tests, a_segment_may_go_under_the_search);
    tcase_add_test(tests, a_search_finds_deeper_damage);
    tcase_add_test(tests, searches_survive_every_fault);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log time", add);
}
