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

static void fill(size_t tail_cache_bytes, int count)
{
    test.options.tail_cache_bytes = tail_cache_bytes;
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, count);
}

/* Sum of the sizes of whole batches from `first` that end by `bound` and fit. */
static size_t model_size(size_t first, int64_t bound, size_t size_max)
{
    size_t size = 0;
    for (size_t i = first; i < test.batch_count; i++) {
        if (test.batches[i].end_offset > bound) break;
        if (size > 0 && size + test.batches[i].size > size_max) break;
        size += test.batches[i].size;
    }
    return size;
}

static void expect_every_read_of(size_t first)
{
    for (size_t i = first; i < test.batch_count; i++) {
        int64_t base = test.batches[i].base_offset;
        for (int64_t bound = base; bound < base + 12; bound++) {
            for (size_t size_max = 0; size_max < 500; size_max += 100) {
                struct weir_log_read read = {
                    .offset = base, .offset_max = bound, .size_max = size_max};
                ck_ok(test_log_read(&test, &read), &read.error);
                size_t size = 0;
                for (size_t part = 0; part < read.batches.part_count; part++) {
                    size += read.batches.parts[part].size;
                }
                ck_assert_uint_eq(size, read.size);
                size_t expected = model_size(i, bound, size_max);
                /* Segments and parts may end a read early, but never before its first batch. */
                ck_assert_uint_le(read.size, expected);
                ck_assert_int_eq(read.size > 0, expected > 0);
                weir_log_read_release(&read);
            }
        }
    }
}

static void expect_every_read(void)
{
    expect_every_read_of(0);
}

/* No batch that reaches the bound, no more than asked but for the first: from the disk. */
START_TEST(reads_from_disk_respect_bounds)
{
    fill(1, 60);
    expect_every_read();
}
END_TEST

/* A thousand batches of one record are few parts: a reader at the tail gets them at once, byte for
 * byte. It used to get as many as a read has parts. */
START_TEST(small_batches_are_read_together)
{
    fill(1 << 20, 1000);
    struct weir_log_read read = {.offset = 0, .offset_max = INT64_MAX, .size_max = 1 << 20};
    ck_ok(test_log_read(&test, &read), &read.error);
    ck_assert_uint_eq(read.size, model_size(0, INT64_MAX, 1 << 20));
    size_t batch = 0;
    for (size_t i = 0; i < read.batches.part_count; i++) {
        const struct weir_log_part *part = &read.batches.parts[i];
        for (size_t at = 0; at < part->size; at += test.batches[batch++].size) {
            ck_assert_mem_eq(part->bytes->data + part->from + at, test.batches[batch].bytes,
                             test.batches[batch].size);
        }
    }
    ck_assert_uint_eq(batch, 1000);
    weir_log_read_release(&read);
    expect_every_read_of(990);
}
END_TEST

/* So are those of a log that never had smaller ones than a kilobyte. */
START_TEST(batches_of_a_kilobyte_are_read_together)
{
    fill(1 << 20, 0);
    for (int i = 0; i < 200; i++) {
        ck_ok(test_log_append(&test, &(struct test_append){.value_size = 900}, NULL), &test.error);
    }
    struct weir_log_read read = {.offset = 0, .offset_max = INT64_MAX, .size_max = 1 << 20};
    ck_ok(test_log_read(&test, &read), &read.error);
    ck_assert_uint_eq(read.size, model_size(0, INT64_MAX, 1 << 20));
    weir_log_read_release(&read);
    expect_every_read_of(190);
}
END_TEST

/* What a reader holds stays as it is while the log is cut below it and written on. */
START_TEST(a_cut_leaves_a_readers_small_batches_alone)
{
    fill(1 << 20, 12);
    struct weir_log_read read = {.offset = 0, .offset_max = INT64_MAX, .size_max = 1 << 20};
    ck_ok(test_log_read(&test, &read), &read.error);
    uint8_t before[4096];
    size_t size = 0;
    for (size_t i = 0; i < read.batches.part_count; i++) {
        memcpy(before + size, read.batches.parts[i].bytes->data + read.batches.parts[i].from,
               read.batches.parts[i].size);
        size += read.batches.parts[i].size;
    }
    int64_t offset = test.batches[5].base_offset;
    ck_ok(weir_partition_log_truncate(test.log, offset, &test.error), &test.error);
    test_log_forget(&test, offset);
    test_log_fill(&test, 9);
    size = 0;
    for (size_t i = 0; i < read.batches.part_count; i++) {
        ck_assert_mem_eq(before + size,
                         read.batches.parts[i].bytes->data + read.batches.parts[i].from,
                         read.batches.parts[i].size);
        size += read.batches.parts[i].size;
    }
    weir_log_read_release(&read);
    test_log_expect_all(&test);
}
END_TEST

/* How many of small reads from one end to the other were for a worker. */
static int count_cold(size_t size_max, int *count_out)
{
    int cold = 0;
    int64_t offset = 0;
    *count_out = 0;
    for (size_t i = 0; i < test.batch_count; i++) {
        struct weir_log_read read = {
            .offset = offset, .offset_max = INT64_MAX, .size_max = size_max};
        int rc = weir_partition_log_state(test.log).end_offset > offset
                     ? weir_log_read_begin(test.log, &read)
                     : 0;
        if (rc == WEIR_END) {
            cold++;
            weir_log_read_run(&read);
            rc = weir_log_read_end(&read);
        }
        ck_ok(rc, &read.error);
        if (read.size == 0) break;
        offset = read.range_end_offset;
        (*count_out)++;
        weir_log_read_release(&read);
    }
    ck_assert_int_eq(offset, weir_partition_log_state(test.log).end_offset);
    return cold;
}

/* What is small and in the page cache is copied where it is asked for: here all but what the simulator says is cold.
 * What is large would hold up the shard. */
START_TEST(small_reads_of_the_page_cache_need_no_worker)
{
    int count;
    fill(1, 200);
    int cold = count_cold(400, &count);
    ck_assert_int_gt(count, 50);
    ck_assert_int_lt(cold, count);
    cold = count_cold(1 << 20, &count);
    ck_assert_int_eq(cold, count);
    test_log_expect_all(&test);
}
END_TEST

/* A batch is given whole however little was asked for, so a large one is for a worker, too. */
START_TEST(a_large_batch_is_for_a_worker_however_little_is_asked_for)
{
    int count;
    test.options.config.segment_bytes = 16 << 20;
    fill(1, 0);
    for (int i = 0; i < 20; i++) {
        struct test_append append = {.record_count = 20, .value_size = 8000};
        ck_ok(test_log_append(&test, &append, NULL), &test.error);
    }
    int cold = count_cold(400, &count);
    ck_assert_int_eq(count, 20);
    ck_assert_int_eq(cold, count);
}
END_TEST

/* The same from memory, without a look at the disk. */
START_TEST(reads_at_the_tail_cost_no_disk)
{
    fill(1 << 20, 60);
    expect_every_read();
    weir_sim_disk_plan(
        test.sim, 0,
        (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_READ_EIO, .at = 1, .is_sticky = true});
    test_log_expect_all(&test);
}
END_TEST

/* A cache that holds only the newest runs answers with the disk as if it held all. */
START_TEST(cache_and_disk_answer_alike)
{
    fill(2000, 100);
    expect_every_read();
    test_log_expect_all(&test);
}
END_TEST

/* Outside of the log, at its end, and inside a batch. */
START_TEST(reads_know_their_place)
{
    fill(1, 10);
    int64_t end = weir_partition_log_state(test.log).end_offset;
    struct weir_log_read read = {.offset = end, .offset_max = INT64_MAX, .size_max = 100};
    ck_ok(test_log_read(&test, &read), &read.error);
    ck_assert_uint_eq(read.batches.part_count, 0);
    read.offset = end + 1;
    ck_code(test_log_read(&test, &read), WEIR_OFFSET_OUT_OF_RANGE);
    read.offset = -1;
    ck_code(test_log_read(&test, &read), WEIR_OFFSET_OUT_OF_RANGE);
    read.offset = test.batches[1].base_offset + 1;
    ck_ok(test_log_read(&test, &read), &read.error);
    ck_assert_mem_eq(read.batches.parts[0].bytes->data, test.batches[1].bytes,
                     test.batches[1].size);
    weir_log_read_release(&read);
}
END_TEST

/* A read error takes the range offline like any damage, and what was read stays readable. */
START_TEST(a_read_error_takes_the_range_offline)
{
    fill(1, 10);
    struct weir_log_read read = {.offset = 5, .offset_max = INT64_MAX, .size_max = 100};
    weir_sim_disk_plan(
        test.sim, 0,
        (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_READ_EIO, .at = 1, .is_sticky = true});
    ck_code(test_log_read(&test, &read), WEIR_IO);
    ck_assert(weir_partition_log_state(test.log).is_offline);
    ck_code(test_log_append(&test, &(struct test_append){0}, NULL), WEIR_OFFLINE);
}
END_TEST

/* The same log on a real disk. */
START_TEST(the_real_disk_holds_a_log_too)
{
    char path[WEIR_TEST_PATH_SIZE];
    struct weir_env *env = NULL;
    weir_test_directory(path);
    ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &env, &test.error), &test.error);
    test.env = env;
    test.options.path = path;
    fill(1, 100);
    ck_ok(test_log_sync(&test), &test.error);
    ck_ok(weir_partition_log_truncate(test.log, test.batches[70].base_offset, &test.error),
          &test.error);
    test_log_forget(&test, test.batches[70].base_offset);
    test_log_expect_all(&test);
    ck_ok(weir_partition_log_set_start(test.log, test.batches[30].base_offset, &test.error),
          &test.error);
    test_log_expect_all(&test);
    ck_ok(test_log_close(&test), &test.error);
    test_log_expect_verified(&test);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert(test.recovery.was_clean);
    test_log_expect_all(&test);
    ck_ok(test_log_close(&test), &test.error);
    weir_env_uv_free(env);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("read");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, reads_from_disk_respect_bounds);
    tcase_add_test(tests, small_reads_of_the_page_cache_need_no_worker);
    tcase_add_test(tests, a_large_batch_is_for_a_worker_however_little_is_asked_for);
    tcase_add_test(tests, reads_at_the_tail_cost_no_disk);
    tcase_add_test(tests, small_batches_are_read_together);
    tcase_add_test(tests, batches_of_a_kilobyte_are_read_together);
    tcase_add_test(tests, a_cut_leaves_a_readers_small_batches_alone);
    tcase_add_test(tests, cache_and_disk_answer_alike);
    tcase_add_test(tests, reads_know_their_place);
    tcase_add_test(tests, a_read_error_takes_the_range_offline);
    tcase_add_test(tests, the_real_disk_holds_a_log_too);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log read", add);
}
