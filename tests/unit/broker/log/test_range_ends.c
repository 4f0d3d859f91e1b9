#include "broker/log/range_ends.h"

#include <stdlib.h>

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

/* ---- the ends themselves --------------------------------------------------------------------- */

static void note(struct weir_range_ends *ends, int64_t from, int64_t to, int64_t position)
{
    struct weir_range_end end = {.segment_base = 0, .offset = to, .position = position};
    weir_range_ends_note(ends, from, &end);
}

/* A reader has one end however often it reads on; the others' stay. */
START_TEST(an_end_follows_its_reader)
{
    struct weir_range_ends ends = {0};
    note(&ends, 500, 600, 60);
    for (int64_t offset = 0; offset < 100; offset++) {
        note(&ends, offset, offset + 1, offset + 1);
        ck_assert_int_eq(weir_range_ends_find(&ends, 0, offset + 1), offset + 1);
        ck_assert_int_eq(weir_range_ends_find(&ends, 0, offset), -1);
    }
    ck_assert_int_eq(weir_range_ends_find(&ends, 0, 600), 60);
    ck_assert_int_eq(weir_range_ends_find(&ends, 7, 600), -1);
    weir_range_ends_drop_all(&ends);
    ck_assert_int_eq(weir_range_ends_find(&ends, 0, 600), -1);
}
END_TEST

/* With more readers than places the oldest end goes, and no other. */
START_TEST(the_oldest_end_makes_room)
{
    struct weir_range_ends ends = {0};
    for (int64_t reader = 0; reader <= WEIR_RANGE_ENDS_MAX; reader++) {
        note(&ends, reader * 100, reader * 100 + 10, reader + 1);
    }
    ck_assert_int_eq(weir_range_ends_find(&ends, 0, 10), -1);
    for (int64_t reader = 1; reader <= WEIR_RANGE_ENDS_MAX; reader++) {
        ck_assert_int_eq(weir_range_ends_find(&ends, 0, reader * 100 + 10), reader + 1);
    }
}
END_TEST

/* ---- of a log -------------------------------------------------------------------------------- */

static void fill(int count)
{
    test.options.tail_cache_bytes = 1;
    test.options.config.segment_bytes = 1 << 20;
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, count);
}

static struct weir_log_read ask(size_t batch, size_t size_max)
{
    return (struct weir_log_read){.offset = test.batches[batch].base_offset,
                                  .offset_max = INT64_MAX,
                                  .size_max = size_max,
                                  .range_min = 1};
}

/* The range's bytes are the model's, from batch `first` on. Returns the batch that follows. */
static size_t expect_range(const struct weir_log_read *read, size_t first)
{
    size_t i = first;
    uint8_t *bytes = malloc(read->size);
    ck_assert_ptr_nonnull(read->range.segment);
    ck_assert_int_eq(weir_file_read(weir_log_range_file(&read->range), bytes, read->size,
                                    read->range.position, &test.error),
                     (int64_t)read->size);
    for (size_t at = 0; at < read->size; at += test.batches[i].size, i++) {
        ck_assert_uint_lt(i, test.batch_count);
        ck_assert_mem_eq(bytes + at, test.batches[i].bytes, test.batches[i].size);
    }
    free(bytes);
    return i;
}

/* What the owner answers by itself, with all reads but the first `allowed` ones failing; else false. */
static bool read_in_place(struct weir_log_read *read, uint64_t allowed)
{
    weir_sim_disk_count_reset(test.sim, 0);
    weir_sim_disk_plan(test.sim, 0,
                       (struct weir_sim_fault_plan){
                           .fault = WEIR_SIM_FAULT_READ_EIO, .at = allowed + 1, .is_sticky = true});
    int rc = weir_log_read_begin(test.log, read);
    weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
    if (rc != WEIR_END) return rc == 0;
    weir_log_read_run(read);
    ck_ok(weir_log_read_end(read), &read->error);
    return false;
}

/* Whoever reads on batch by batch has one header read for each, and gets all of them; only where the
 * simulator says that it is cold does a worker read. */
START_TEST(who_reads_on_has_one_header_read)
{
    fill(300);
    int in_place = 0;
    for (size_t batch = 0; batch < 300;) {
        struct weir_log_read read = ask(batch, 1);
        in_place += read_in_place(&read, 1);
        batch = expect_range(&read, batch);
        weir_log_read_release(&read);
    }
    ck_assert_int_gt(in_place, 100);
}
END_TEST

/* Where several batches fit, two or three more at the other end, however many lie between. */
START_TEST(who_reads_on_walks_the_other_end_only)
{
    fill(700);
    int in_place = 0;
    for (size_t batch = 0; batch < 600;) {
        struct weir_log_read read = ask(batch, 20000);
        in_place += read_in_place(&read, 4);
        batch = expect_range(&read, batch);
        weir_log_read_release(&read);
    }
    ck_assert_int_gt(in_place, 3);
}
END_TEST

/* More readers than places, at different places in turns: each gets what it asks for. */
START_TEST(readers_do_not_get_in_each_others_way)
{
    enum { READERS = WEIR_RANGE_ENDS_MAX + 3 };
    fill(400);
    size_t at[READERS];
    for (size_t reader = 0; reader < READERS; reader++) {
        at[reader] = reader * 10;
    }
    for (int round = 0; round < 60; round++) {
        for (size_t reader = 0; reader < READERS; reader++) {
            struct weir_log_read read = ask(at[reader], 1500);
            ck_ok(test_log_read(&test, &read), &read.error);
            size_t next = expect_range(&read, at[reader]);
            at[reader] = next < 350 ? next : reader;
            weir_log_read_release(&read);
        }
    }
}
END_TEST

/* After a cut other batches lie where the range had ended: the end is forgotten with it. */
START_TEST(an_end_does_not_outlive_a_cut)
{
    fill(60);
    struct weir_log_read read = ask(0, 4000);
    ck_ok(test_log_read(&test, &read), &read.error);
    size_t next = expect_range(&read, 0);
    weir_log_read_release(&read);
    ck_ok(weir_partition_log_truncate(test.log, test.batches[next - 1].base_offset, &test.error),
          &test.error);
    test_log_forget(&test, test.batches[next - 1].base_offset);
    for (int i = 0; i < 30; i++) {
        struct test_append one = {.value_size = 77};
        ck_ok(test_log_append(&test, &one, NULL), &test.error);
    }
    for (size_t batch = next - 2; batch < next + 5; batch++) {
        read = ask(batch, 2000);
        ck_ok(test_log_read(&test, &read), &read.error);
        (void)expect_range(&read, batch);
        weir_log_read_release(&read);
    }
}
END_TEST

/* The header that lies at an end is believed no more than any: changed, it takes the rest offline. */
START_TEST(damage_at_an_end_is_seen)
{
    fill(60);
    struct weir_log_read read = ask(0, 4000);
    ck_ok(test_log_read(&test, &read), &read.error);
    size_t next = expect_range(&read, 0);
    int64_t end = read.range.position + read.range.size;
    weir_log_read_release(&read);
    ck_ok(weir_sim_disk_flip(test.sim, 0, test_log_path(&test, "00000000000000000000.log"), end + 7,
                             0),
          &test.error);
    read = ask(next, 4000);
    ck_code(test_log_read(&test, &read), WEIR_CORRUPT);
    ck_assert_ptr_null(read.range.segment);
    ck_assert_int_eq(weir_partition_log_state(test.log).offline_from,
                     test.batches[next].base_offset);
}
END_TEST

/* A small read of what is in no memory of the log's is a range too, and of what is in memory it is not. */
START_TEST(a_small_range_is_given_of_what_is_in_no_memory)
{
    test.options.tail_cache_bytes = 2000;
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 200);
    struct weir_log_read read = ask(3, 500);
    read.range_min = 1 << 20;
    ck_ok(test_log_read(&test, &read), &read.error);
    (void)expect_range(&read, 3);
    weir_log_read_release(&read);
    read = ask(199, 500);
    read.range_min = 1 << 20;
    ck_ok(test_log_read(&test, &read), &read.error);
    ck_assert_ptr_null(read.range.segment);
    ck_assert_uint_eq(read.size, test.batches[199].size);
    weir_log_read_release(&read);
}
END_TEST

static void add(Suite *suite)
{
    TCase *ends = tcase_create("ends");
    tcase_add_test(ends, an_end_follows_its_reader);
    tcase_add_test(ends, the_oldest_end_makes_room);
    suite_add_tcase(suite, ends);
    TCase *log = tcase_create("of a log");
    tcase_set_timeout(log, 60);
    tcase_add_checked_fixture(log, set_up, tear_down);
    tcase_add_test(log, who_reads_on_has_one_header_read);
    tcase_add_test(log, who_reads_on_walks_the_other_end_only);
    tcase_add_test(log, readers_do_not_get_in_each_others_way);
    tcase_add_test(log, an_end_does_not_outlive_a_cut);
    tcase_add_test(log, damage_at_an_end_is_seen);
    tcase_add_test(log, a_small_range_is_given_of_what_is_in_no_memory);
    suite_add_tcase(suite, log);
}

int main(void)
{
    return weir_test_main("log range ends", add);
}
