#include <stdlib.h>
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

static void fill(size_t tail_cache_bytes, int64_t segment_bytes, int count)
{
    test.options.tail_cache_bytes = tail_cache_bytes;
    test.options.config.segment_bytes = segment_bytes;
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, count);
}

static struct weir_log_read ask(int64_t offset, int64_t bound, size_t size_max, size_t range_min)
{
    return (struct weir_log_read){
        .offset = offset, .offset_max = bound, .size_max = size_max, .range_min = range_min};
}

static size_t batch_of(int64_t offset)
{
    size_t i = 0;
    while (test.batches[i].end_offset <= offset) {
        i++;
    }
    return i;
}

/* The range's bytes in the file are the model's batches from `first` on. Returns how many. */
static size_t expect_bytes(const struct weir_log_range *range, size_t first)
{
    uint8_t *bytes = malloc((size_t)range->size);
    ck_assert_ptr_nonnull(bytes);
    int64_t got = weir_file_read(weir_log_range_file(range), bytes, (size_t)range->size,
                                 range->position, &test.error);
    ck_assert_int_eq(got, range->size);
    size_t at = 0;
    size_t i = first;
    for (; at < (size_t)range->size; i++) {
        ck_assert_uint_lt(i, test.batch_count);
        ck_assert_uint_le(at + test.batches[i].size, (size_t)range->size);
        ck_assert_mem_eq(bytes + at, test.batches[i].bytes, test.batches[i].size);
        at += test.batches[i].size;
    }
    free(bytes);
    return i - first;
}

/* What may be given from `offset` on, in bytes: whole batches below the bound that fit. */
static size_t model_size(int64_t offset, int64_t bound, size_t size_max)
{
    size_t size = 0;
    for (size_t i = batch_of(offset); i < test.batch_count; i++) {
        if (test.batches[i].end_offset > bound) break;
        if (size > 0 && size + test.batches[i].size > size_max) break;
        size += test.batches[i].size;
    }
    return size;
}

static void expect_read(struct weir_log_read *read)
{
    size_t expected = model_size(read->offset, read->offset_bound, read->size_max);
    ck_assert_uint_le(read->size, expected);
    ck_assert_int_eq(read->size > 0, expected > 0);
    if (read->range.segment == NULL) return;
    ck_assert_uint_eq(read->batches.part_count, 0);
    ck_assert_uint_ge(read->size, read->range_min);
    ck_assert_int_eq((int64_t)read->size, read->range.size);
    size_t first = batch_of(read->offset);
    size_t count = expect_bytes(&read->range, first);
    ck_assert_int_le(test.batches[first + count - 1].end_offset, read->offset_bound);
}

/* Any offset, bound and size: whole batches from the one that holds the offset, below the bound,
 * within the size but for the first; over a log of many segments, some of it in memory. */
START_TEST(ranges_respect_bounds)
{
    fill(2000, 4096, 150);
    int64_t end = weir_partition_log_state(test.log).end_offset;
    int ranges = 0;
    for (int64_t offset = 0; offset < end; offset++) {
        for (int64_t bound = offset + 1; bound <= end; bound += 17) {
            for (size_t size_max = 0; size_max < 6000; size_max += 700) {
                struct weir_log_read read = ask(offset, bound, size_max, 400);
                ck_ok(test_log_read(&test, &read), &read.error);
                expect_read(&read);
                ranges += read.range.segment != NULL;
                weir_log_read_release(&read);
            }
        }
    }
    ck_assert_int_gt(ranges, 1000);
}
END_TEST

/* What leaves no more than an index interval behind is a full range: readers are not fed by crumbs.
 * */
START_TEST(ranges_are_as_long_as_they_may_be)
{
    fill(1, 1 << 20, 400);
    int64_t end = weir_partition_log_state(test.log).end_offset;
    for (int64_t offset = 0; offset < end - 100; offset += 7) {
        struct weir_log_read read = ask(offset, INT64_MAX, 5000, 400);
        ck_ok(test_log_read(&test, &read), &read.error);
        ck_assert_ptr_nonnull(read.range.segment);
        ck_assert_uint_eq(read.size, model_size(offset, end, 5000));
        weir_log_read_release(&read);
    }
}
END_TEST

/* Who reads a log through looks into a segment's index once, and takes the rest in place. */
START_TEST(who_reads_on_does_not_ask_the_index_again)
{
    fill(1, 1 << 16, 1500);
    struct weir_partition_log_state state = weir_partition_log_state(test.log);
    int reads = 0;
    int asked = 0;
    for (int64_t offset = 0; offset < state.end_offset; reads++) {
        struct weir_log_read read = ask(offset, INT64_MAX, 3000, 400);
        int rc = weir_log_read_begin(test.log, &read);
        if (rc == WEIR_END) {
            asked += read.position < 0;
            weir_log_read_run(&read);
            rc = weir_log_read_end(&read);
        }
        ck_ok(rc, &read.error);
        expect_read(&read);
        for (size_t i = batch_of(offset), left = read.size; left > 0; i++) {
            left -= test.batches[i].size;
            offset = test.batches[i].end_offset;
        }
        weir_log_read_release(&read);
    }
    /* Once before a segment's first entry, and once behind it. */
    ck_assert_int_gt(state.segment_count, 2);
    ck_assert_int_gt(reads, 6 * state.segment_count);
    ck_assert_int_le(asked, 2 * state.segment_count);
}
END_TEST

/* A range never holds batches of two epochs, nor what lies above the bound that was asked. */
START_TEST(a_range_has_one_epoch)
{
    fill(1, 1 << 20, 40);
    int64_t border = weir_partition_log_state(test.log).end_offset;
    ck_ok(weir_partition_log_set_epoch(test.log, 7, &test.error), &test.error);
    test_log_fill(&test, 40);
    struct weir_log_read read = ask(0, INT64_MAX, 1 << 20, 1);
    ck_ok(test_log_read(&test, &read), &read.error);
    ck_assert_ptr_nonnull(read.range.segment);
    ck_assert_uint_eq(read.size, model_size(0, border, 1 << 20));
    weir_log_read_release(&read);
}
END_TEST

/* A first batch that is larger than what was asked is a range all the same (KIP-74). */
START_TEST(a_large_first_batch_is_given_whole)
{
    fill(1, 1 << 20, 3);
    ck_ok(test_log_append(&test, &(struct test_append){.value_size = 5000}, NULL), &test.error);
    struct weir_log_read read = ask(test.batches[3].base_offset, INT64_MAX, 100, 1000);
    ck_ok(test_log_read(&test, &read), &read.error);
    ck_assert_ptr_nonnull(read.range.segment);
    ck_assert_uint_eq(read.size, test.batches[3].size);
    weir_log_read_release(&read);
}
END_TEST

/* At the tail the owner answers by itself once the file is in the page cache, and with a number of
 * reads that does not grow with the number of batches between the ends. */
START_TEST(a_hot_range_costs_a_few_reads)
{
    fill(1, 1 << 20, 700);
    int answered = 0;
    for (int attempt = 0; attempt < 40; attempt++) {
        weir_sim_disk_count_reset(test.sim, 0);
        weir_sim_disk_plan(test.sim, 0,
                           (struct weir_sim_fault_plan){
                               .fault = WEIR_SIM_FAULT_READ_EIO, .at = 8, .is_sticky = true});
        struct weir_log_read read = ask(test.batches[500].base_offset, INT64_MAX, 1 << 20, 4000);
        int rc = weir_log_read_begin(test.log, &read);
        ck_assert_int_ge(rc, 0);
        weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
        if (rc == WEIR_END) {
            weir_log_read_run(&read); /* the simulator said that it is cold */
            ck_ok(weir_log_read_end(&read), &read.error);
        } else {
            answered++;
        }
        ck_assert_ptr_nonnull(read.range.segment);
        ck_assert_uint_eq(expect_bytes(&read.range, 500), 200);
        weir_log_read_release(&read);
    }
    ck_assert_int_gt(answered, 10);
}
END_TEST

/* Retention takes the segment away while a range of it is being sent: the reader reads on, and when
 * it is through everything is given back, even after the log's end. */
START_TEST(a_range_outlives_retention_and_the_log)
{
    fill(1, 4096, 100);
    ck_ok(test_log_sync(&test), &test.error);
    struct weir_log_read read = ask(0, INT64_MAX, 1 << 20, 400);
    ck_ok(test_log_read(&test, &read), &read.error);
    ck_assert_ptr_nonnull(read.range.segment);
    ck_ok(weir_partition_log_set_start(test.log, test.batches[90].base_offset, &test.error),
          &test.error);
    ck_assert(!test_log_exists(&test, "00000000000000000000.log"));
    ck_assert_uint_gt(expect_bytes(&read.range, 0), 10);
    ck_ok(test_log_close(&test), &test.error);
    ck_assert_uint_gt(expect_bytes(&read.range, 0), 10);
    ck_assert(!weir_log_range_was_cut(&read.range));
    weir_log_range_release(&read.range);
    weir_log_range_release(&read.range); /* empty by now */
}
END_TEST

/* Whoever holds a range is told when the log was cut below its end, and only then. */
START_TEST(a_cut_is_seen_by_who_holds_a_range)
{
    fill(1, 1 << 20, 60);
    struct weir_log_read low = ask(0, test.batches[20].base_offset, 1 << 20, 400);
    struct weir_log_read high = ask(0, INT64_MAX, 1 << 20, 400);
    ck_ok(test_log_read(&test, &low), &low.error);
    ck_ok(test_log_read(&test, &high), &high.error);
    ck_assert(!weir_log_range_was_cut(&high.range));
    ck_ok(weir_partition_log_truncate(test.log, test.batches[40].base_offset, &test.error),
          &test.error);
    ck_assert(weir_log_range_was_cut(&high.range));
    ck_assert(!weir_log_range_was_cut(&low.range));
    ck_assert_uint_eq(expect_bytes(&low.range, 0), 20);
    weir_log_read_release(&low);
    weir_log_read_release(&high);
}
END_TEST

/* What was cut once and has grown again is read as ever; the next cut is seen though it is not as deep.
 */
START_TEST(a_range_given_after_a_cut_is_whole)
{
    fill(1, 1 << 20, 60);
    ck_ok(weir_partition_log_truncate(test.log, test.batches[20].base_offset, &test.error),
          &test.error);
    test_log_forget(&test, test.batches[20].base_offset);
    test_log_fill(&test, 60);
    struct weir_log_read read = ask(0, INT64_MAX, 1 << 20, 400);
    ck_ok(test_log_read(&test, &read), &read.error);
    ck_assert_uint_gt(expect_bytes(&read.range, 0), 20);
    ck_assert(!weir_log_range_was_cut(&read.range));
    ck_ok(weir_partition_log_truncate(test.log, test.batches[40].base_offset, &test.error),
          &test.error);
    ck_assert(weir_log_range_was_cut(&read.range));
    weir_log_read_release(&read);
}
END_TEST

/* A cut between begin and end of a cold read gives nothing, and keeps no reference. */
START_TEST(a_cut_under_a_cold_read_gives_nothing)
{
    fill(1, 1 << 20, 60);
    struct weir_log_read read = ask(0, INT64_MAX, 1 << 20, 400);
    ck_assert_int_eq(weir_log_read_begin(test.log, &read), WEIR_END);
    weir_log_read_run(&read);
    ck_assert_ptr_nonnull(read.range.segment);
    ck_ok(weir_partition_log_truncate(test.log, test.batches[40].base_offset, &test.error),
          &test.error);
    ck_ok(weir_log_read_end(&read), &read.error);
    ck_assert_ptr_null(read.range.segment);
    ck_assert_uint_eq(read.size, 0);
}
END_TEST

/* Without indexes, or with ones that lie, the range may be shorter but never wrong. */
START_TEST(a_range_needs_no_index)
{
    static const uint8_t lies[64] = {0, 0, 0, 3, 0, 0, 0, 200, 0, 0, 0, 9, 0, 0, 1, 0};
    fill(1, 4096, 200);
    ck_ok(test_log_close(&test), &test.error);
    for (int round = 0; round < 2; round++) {
        if (round == 0) {
            ck_ok(weir_remove(test.env, test_log_path(&test, "00000000000000000000.index"),
                              &test.error),
                  &test.error);
        } else {
            test_log_write_file(&test, "00000000000000000000.index", lies, sizeof lies);
        }
        ck_ok(test_log_open(&test), &test.error);
        for (int64_t offset = 0; offset < 60; offset++) {
            struct weir_log_read read = ask(offset, INT64_MAX, 3000, 200);
            ck_ok(test_log_read(&test, &read), &read.error);
            expect_read(&read);
            weir_log_read_release(&read);
        }
        ck_ok(test_log_close(&test), &test.error);
    }
}
END_TEST

/* Damage at the first batch is an error and takes the rest offline; damage further up ends a range
 * at or before it once its header is looked at, or is left to the reader's crc. */
START_TEST(damage_at_the_ends_is_seen)
{
    fill(1, 1 << 20, 100);
    int64_t position = 0;
    for (size_t i = 0; i < 60; i++) {
        position += (int64_t)test.batches[i].size;
    }
    ck_ok(weir_sim_disk_flip(test.sim, 0, test_log_path(&test, "00000000000000000000.log"),
                             position + 7, 0),
          &test.error);
    struct weir_log_read read =
        ask(test.batches[50].base_offset, test.batches[62].base_offset, 1 << 20, 1);
    ck_ok(test_log_read(&test, &read), &read.error);
    if (read.range.segment != NULL) ck_assert_uint_eq(expect_bytes(&read.range, 50), 10);
    weir_log_read_release(&read);
    read = ask(test.batches[60].base_offset, INT64_MAX, 1 << 20, 1);
    ck_code(test_log_read(&test, &read), WEIR_CORRUPT);
    ck_assert_ptr_null(read.range.segment);
    ck_assert_int_eq(weir_partition_log_state(test.log).offline_from, test.batches[60].base_offset);
}
END_TEST

/* The Nth read fails, wherever that is: the answer is right, or an error; nothing is kept. */
START_TEST(ranges_survive_every_failed_read)
{
    fill(1, 4096, 120);
    test_log_expect_all(&test); /* opens every file */
    size_t used = atomic_load(&test.env->budget->used);
    int failed = 0;
    for (uint64_t number = 1; number < 40; number++) {
        for (size_t first = 5; first < 120; first += 23) {
            struct weir_log_read read = ask(test.batches[first].base_offset, INT64_MAX, 2500, 300);
            weir_sim_disk_count_reset(test.sim, 0);
            weir_sim_disk_plan(
                test.sim, 0,
                (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_READ_EIO, .at = number});
            int rc = test_log_read(&test, &read);
            weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
            if (rc == 0) {
                expect_read(&read);
            } else {
                failed++;
                ck_assert_int_eq(rc, WEIR_IO);
                ck_assert_ptr_null(read.range.segment);
                ck_assert_int_le(weir_partition_log_state(test.log).offline_from,
                                 test.batches[first].base_offset);
            }
            weir_log_read_release(&read);
            if (rc < 0) {
                ck_ok(test_log_close(&test), &test.error);
                ck_ok(test_log_open(&test), &test.error);
                test_log_expect_all(&test);
                used = atomic_load(&test.env->budget->used);
            }
        }
    }
    ck_assert_int_gt(failed, 0); /* most fail where another way is tried */
    ck_assert_uint_eq(atomic_load(&test.env->budget->used), used);
}
END_TEST

/* A shortage is no damage: whatever allocation fails in a read from the disk, as a range, as bytes or past
 * the page cache, the read says so or is right, and the log is online as before. */
START_TEST(memory_that_runs_out_damages_nothing)
{
    static const size_t range_mins[] = {1, 300, 0, 0};
    struct weir_test_failures failures = {0};
    fill(1, 4096, 120);
    while (weir_test_failures_next(&failures)) {
        ck_ok(test_log_close(&test), &test.error);
        ck_ok(test_log_open(&test), &test.error);
        struct weir_log_read read =
            ask(test.batches[20].base_offset, INT64_MAX, 2500, range_mins[_i]);
        read.checks_disk = _i == 3;
        weir_test_failures_arm(&failures, test.env->heap);
        int rc = test_log_read(&test, &read);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert(rc == 0 || (was_hit && rc == WEIR_NO_MEMORY));
        if (rc == 0 && !read.checks_disk) expect_read(&read);
        weir_log_read_release(&read);
        ck_assert(!weir_partition_log_state(test.log).is_offline);
        test_log_expect_all(&test);
    }
    ck_assert_uint_gt(failures.hits, 0);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("range");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, ranges_respect_bounds);
    tcase_add_test(tests, ranges_are_as_long_as_they_may_be);
    tcase_add_test(tests, who_reads_on_does_not_ask_the_index_again);
    tcase_add_test(tests, a_range_has_one_epoch);
    tcase_add_test(tests, a_large_first_batch_is_given_whole);
    tcase_add_test(tests, a_hot_range_costs_a_few_reads);
    tcase_add_test(tests, a_range_outlives_retention_and_the_log);
    tcase_add_test(tests, a_cut_is_seen_by_who_holds_a_range);
    tcase_add_test(tests, a_range_given_after_a_cut_is_whole);
    tcase_add_test(tests, a_cut_under_a_cold_read_gives_nothing);
    tcase_add_test(tests, a_range_needs_no_index);
    tcase_add_test(tests, damage_at_the_ends_is_seen);
    tcase_add_test(tests, ranges_survive_every_failed_read);
    tcase_add_loop_test(tests, memory_that_runs_out_damages_nothing, 0, 4);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log range", add);
}
