#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "broker/log/log_internal.h"
#include "broker/log/repair.h"
#include "broker/log/small_file.h"
#include "tests/unit/broker/log/compacted.h"
#include "wire/record_batch_reader.h"

/**
 * A log that compaction has been at: offsets are left out before, between and behind batches, batches
 * have fewer records than offsets, and some have none. Whatever reads, walks or checks the log takes
 * that as it is below the durable mark; above it, and in a segment that was not compacted, what does not
 * follow directly is torn or rotten as ever.
 */
static struct test_log test;

enum { BATCHES = 90, OLD_EPOCH = 1, NEW_EPOCH = 4 };

static struct weir_partition_log_state state(void)
{
    return weir_partition_log_state(test.log);
}

static void set_up(void)
{
    test_log_start(&test, 1);
    ck_ok(test_log_open(&test), &test.error);
}

static void tear_down(void)
{
    test_log_stop(&test);
}

/* ---- what compaction took -------------------------------------------------------------------- */

/* Every kind of hole: by the batch's first offset, so that files and model agree. Whole segments lose their
 * first batches, others their last. */
static enum test_keep keep_some(void *context, const struct weir_batch_header *header)
{
    static const enum test_keep kinds[] = {TEST_DROP,  TEST_KEEP, TEST_THIN, TEST_DROP, TEST_DROP,
                                           TEST_EMPTY, TEST_KEEP, TEST_DROP, TEST_THIN};
    (void)context;
    return kinds[(size_t)header->base_offset % (sizeof kinds / sizeof kinds[0])];
}

/* Nothing but the first batch of each hundred: segments are left empty. */
static enum test_keep keep_hardly_any(void *context, const struct weir_batch_header *header)
{
    (void)context;
    return header->base_offset / 100 == (header->base_offset - 3) / 100 ? TEST_DROP : TEST_KEEP;
}

static enum test_keep keep_none(void *context, const struct weir_batch_header *header)
{
    (void)context;
    (void)header;
    return TEST_DROP;
}

static enum test_keep keep_below(void *context, const struct weir_batch_header *header)
{
    const int64_t *offset = context;
    return header->base_offset < *offset ? TEST_KEEP : TEST_DROP;
}

static void reopen(void)
{
    ck_ok(test_log_open(&test), &test.error);
    weir_partition_log_check(test.log);
    ck_assert_int_eq(test.recovery.offline_from, -1);
    ck_assert_int_eq(test.recovery.cut_bytes, 0);
}

/* A log of several segments, an epoch that begins within one, and a compaction. */
static void make_compacted(test_keep_fn keep)
{
    test_log_fill(&test, BATCHES);
    ck_ok(weir_partition_log_set_epoch(test.log, NEW_EPOCH, &test.error), &test.error);
    test_log_fill(&test, BATCHES);
    ck_assert_int_ge(state().segment_count, 4);
    test_log_compact(&test, keep, NULL);
    test_log_expect_verified(&test);
    reopen();
    ck_assert(test.recovery.was_clean);
}

/* ---- reading --------------------------------------------------------------------------------- */

static const uint8_t *first_bytes(const struct weir_log_read *read)
{
    static uint8_t bytes[16384];
    if (read->range.segment == NULL) {
        return read->batches.parts[0].bytes->data + read->batches.parts[0].from;
    }
    ck_assert_int_le(read->range.size, (int64_t)sizeof bytes);
    int64_t got = weir_file_read(weir_log_range_file(&read->range), bytes, (size_t)read->range.size,
                                 read->range.position, NULL);
    ck_assert_int_eq(got, read->range.size);
    return bytes;
}

static int32_t epoch_of(const struct test_batch *batch)
{
    return (int32_t)weir_load_u32(batch->bytes + 12);
}

/* All that one read may take from there: batches of one segment and one epoch, of an epoch that begins
 * behind the hole only the first. */
static size_t expected_size(int64_t offset, size_t size_max)
{
    const struct test_batch *first = test_log_batch_at(&test, offset);
    const struct test_batch *end = test.batches + test.batch_count;
    size_t segment = weir_log_find_segment(test.log, first->base_offset);
    size_t size = first->size;
    int32_t epoch = weir_partition_log_epoch_at(test.log, offset);
    for (const struct test_batch *next = first + 1; next < end; next++) {
        bool goes_on = weir_log_find_segment(test.log, next->base_offset) == segment &&
                       epoch_of(next) == epoch && size + next->size <= size_max;
        if (!goes_on) break;
        size += next->size;
    }
    return size;
}

/* At each offset the batch that holds it, or else the next one; with or without a file range. */
static void expect_each_offset(size_t range_min, size_t size_max)
{
    for (int64_t offset = state().start_offset; offset < state().end_offset; offset++) {
        struct weir_log_read read = {.offset = offset,
                                     .offset_max = INT64_MAX,
                                     .size_max = size_max,
                                     .range_min = range_min};
        ck_ok(test_log_read(&test, &read), &read.error);
        const struct test_batch *batch = test_log_batch_at(&test, offset);
        ck_assert_uint_gt(read.size, 0);
        if (batch != NULL) {
            if (test.options.tail_cache_bytes == 1) { /* the cache's pieces are others */
                ck_assert_uint_eq(read.size, expected_size(offset, size_max));
            }
            ck_assert_mem_eq(first_bytes(&read), batch->bytes, batch->size);
        }
        weir_log_read_release(&read);
    }
}

static void expect_all_reads(void)
{
    expect_each_offset(0, 1);
    expect_each_offset(0, 900);
    expect_each_offset(1, 1);
    expect_each_offset(1, 3000);
    test_log_expect_all(&test);
}

/* Each offset can be asked for, with indexes and without, from the files and as a range of them, and what
 * comes is the batch that holds it or the next one, into the next segment and across epochs. */
START_TEST(each_offset_gives_the_batch_behind_the_hole)
{
    static const test_keep_fn kinds[] = {keep_some, keep_hardly_any, keep_none};
    make_compacted(kinds[_i]);
    expect_all_reads(); /* makes the indexes anew */
    expect_all_reads(); /* has them */
    ck_ok(test_log_close(&test), &test.error);
    test_log_expect_verified(&test); /* indexes as well */
    reopen();
    expect_all_reads();
}
END_TEST

/* Reads stop at a bound within a hole: what lies up to it is passed by as an empty batch, and not a byte
 * from behind it is given. */
START_TEST(a_bound_within_a_hole_is_reached)
{
    make_compacted(keep_some);
    for (int64_t bound = 1; bound <= state().end_offset; bound += 7) {
        int64_t offset = 0;
        while (offset < bound) {
            struct weir_log_read read = {.offset = offset, .offset_max = bound, .size_max = 500};
            ck_ok(test_log_read(&test, &read), &read.error);
            if (read.batches.part_count == 0) break; /* the bound lies within a batch */
            const struct weir_log_part *part = &read.batches.parts[0];
            for (size_t at = 0; at < part->size;) {
                struct weir_batch_header header;
                struct weir_slice rest =
                    weir_slice(part->bytes->data + part->from + at, part->size - at);
                ck_ok(weir_batch_peek(rest, 0, &header, NULL), NULL);
                ck_ok(weir_batch_check_crc(weir_slice(rest.data, weir_batch_size(&header)), NULL),
                      NULL);
                offset = weir_batch_last_offset(&header) + 1;
                at += weir_batch_size(&header);
            }
            ck_assert_int_le(offset, bound);
            weir_log_read_release(&read);
        }
        const struct test_batch *batch = test_log_batch_at(&test, offset);
        if (offset < bound) ck_assert_int_lt(batch->base_offset, bound);
    }
}
END_TEST

/* A hole that reaches to the log's end, with nothing in the active segment: a reader gets there, and what is
 * appended next follows it. The newest batches in memory begin behind the hole. */
START_TEST(a_hole_at_the_end_is_passed_by)
{
    test.options.tail_cache_bytes = 65536;
    ck_ok(test_log_close(&test), &test.error);
    reopen();
    test_log_fill(&test, BATCHES);
    ck_ok(weir_log_roll(test.log, &test.error), &test.error);
    int64_t below = test.batches[BATCHES / 2].base_offset; /* whole segments behind it are empty */
    test_log_compact(&test, keep_below, &below);
    reopen();
    int64_t end = state().end_offset;
    int64_t last = test.batches[test.batch_count - 1].end_offset;
    ck_assert_int_lt(last, end);
    ck_assert_int_eq(test_log_expect_from(&test, last, 500), end);
    test_log_fill(&test, 3);
    ck_assert_int_eq(test.batches[test.batch_count - 3].base_offset, end);
    ck_assert_int_eq(test_log_expect_from(&test, last, 500), state().end_offset);
    expect_all_reads();
}
END_TEST

/* ---- opening --------------------------------------------------------------------------------- */

/* After a loss of power what was appended above the mark is taken in batch by batch, and the holes below
 * are as they were. */
START_TEST(a_crash_leaves_the_holes_as_they_are)
{
    make_compacted(keep_some);
    test_log_fill(&test, 2);
    ck_ok(test_log_sync(&test), &test.error);
    int64_t acked = test.acked_offset;
    test_log_fill(&test, 2);
    test_log_crash(&test, _i == 0 ? WEIR_SIM_POWER : WEIR_SIM_KILL);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_ge(state().end_offset, acked);
    ck_assert_int_eq(test.recovery.offline_from, -1);
    test_log_forget(&test, state().end_offset);
    expect_all_reads();
    ck_ok(test_log_close(&test), &test.error);
    test_log_expect_verified(&test);
}
END_TEST

static void add_to_file(const char *name, const uint8_t *bytes, size_t size)
{
    int64_t position = test_log_file_size(&test, name);
    struct weir_file *file = NULL;
    struct weir_iovec part = {bytes, size};
    ck_ok(weir_file_open(test.env, test_log_path(&test, name), WEIR_OPEN_WRITE, &file, NULL), NULL);
    ck_ok(weir_file_write(file, &part, 1, position, NULL), NULL);
    ck_ok(weir_file_sync(file, NULL), NULL);
    weir_file_close(file);
}

static void name_active(char name[48])
{
    int64_t base = weir_log_active(test.log)->facts.base_offset;
    (void)snprintf(name, 48, "%020lld.log", (long long)base);
}

/* Above the mark a hole is none that compaction has left: the batch behind it is cut, also in a segment
 * that has holes below. (A cut into a hole makes such a segment the active one.) */
START_TEST(a_hole_above_the_mark_is_torn)
{
    make_compacted(keep_some);
    size_t middle = test.batch_count / 3;
    while (test.batches[middle].base_offset == test.batches[middle - 1].end_offset) {
        middle++;
    }
    int64_t cut = test.batches[middle - 1].end_offset; /* a hole begins */
    ck_ok(weir_partition_log_truncate(test.log, cut, &test.error), &test.error);
    test_log_forget(&test, cut);
    ck_assert(weir_log_active(test.log)->facts.has_holes);
    char name[48];
    name_active(name);
    uint8_t bytes[WEIR_BATCH_HEADER_SIZE];
    ck_ok(test_log_close(&test), &test.error);
    int64_t size = test_log_file_size(&test, name);
    weir_batch_store_empty(bytes, cut + 5, 0, NEW_EPOCH);
    add_to_file(name, bytes, sizeof bytes);
    struct weir_verify_summary summary;
    ck_ok(weir_partition_log_verify(test.env, test.options.path, NULL, NULL, &summary, NULL), NULL);
    ck_assert_int_eq(summary.damage_count + summary.tail_count, 1);
    test_log_crash(&test, WEIR_SIM_POWER);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.cut_offset, cut);
    ck_assert_int_eq(test_log_file_size(&test, name), size);
    ck_assert_int_eq(state().end_offset, cut);
    expect_all_reads();
}
END_TEST

/* The base offset of a batch is not under its crc. In a segment that was not compacted a changed one is
 * found where it is, before a record is given with an offset that is not its own. */
START_TEST(a_changed_offset_is_no_hole_in_a_segment_without)
{
    test_log_fill(&test, BATCHES);
    size_t at = 5;
    int64_t position = 0;
    for (size_t i = 0; i < at; i++) {
        position += (int64_t)test.batches[i].size;
    }
    ck_ok(test_log_close(&test), &test.error);
    struct weir_file *file = NULL;
    uint8_t offset[8];
    weir_store_u64(offset, (uint64_t)test.batches[at].base_offset + 1);
    struct weir_iovec part = {offset, sizeof offset};
    ck_ok(weir_file_open(test.env, test_log_path(&test, "00000000000000000000.log"),
                         WEIR_OPEN_WRITE, &file, NULL),
          NULL);
    ck_ok(weir_file_write(file, &part, 1, position, NULL), NULL);
    weir_file_close(file);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test_log_expect_from(&test, 0, 100), test.batches[at].base_offset);
    ck_assert_int_eq(state().offline_from, test.batches[at].base_offset);
}
END_TEST

/* Without a mark the files of a compacted topic speak for themselves, as those of another Kafka do; those of
 * a topic that nobody compacts have lost something. */
START_TEST(without_a_mark_only_a_compacted_topic_has_holes)
{
    make_compacted(keep_some);
    int64_t end = state().end_offset;
    int64_t first = test.batches[0].base_offset > 0 ? 0 : test.batches[0].end_offset;
    ck_ok(test_log_close(&test), &test.error);
    test_log_lose_marks(&test);
    test.options.config.cleanup_compact = false;
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.offline_from, first);
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(weir_remove(test.env, test_log_path(&test, "damage"), NULL), NULL);
    test.options.config.cleanup_compact = true;
    reopen();
    ck_assert_int_eq(state().end_offset, end);
    expect_all_reads();
    ck_ok(test_log_close(&test), &test.error);
    test_log_expect_verified(&test);
    reopen();
    expect_all_reads();
}
END_TEST

/* One of the two marks is enough to tell a hole from a loss. */
START_TEST(each_of_the_marks_knows_of_holes)
{
    make_compacted(keep_some);
    int64_t end = state().end_offset;
    ck_ok(test_log_close(&test), &test.error);
    const char *name = _i == 0 ? WEIR_DURABLE_MARK_NAME : WEIR_DURABLE_MARK_COPY_NAME;
    ck_ok(weir_remove(test.env, test_log_path(&test, name), &test.error), &test.error);
    test.options.config.cleanup_compact = false;
    reopen();
    ck_assert_int_eq(test.recovery.scanned_bytes, 0);
    ck_assert_int_eq(state().end_offset, end);
    expect_all_reads();
}
END_TEST

/* A repair does not know the policy: without a mark it sends to an open, which does. Where that has found
 * damage, what is left out can be given up, and not one batch goes with it. */
START_TEST(a_repair_without_a_mark_loses_no_batch_behind_a_hole)
{
    static struct weir_repair repair;
    char kept[WEIR_CUT_NAME_SIZE] = "";
    make_compacted(keep_some);
    int64_t records = 0;
    for (size_t i = 0; i < test.batch_count; i++)
        records += (int32_t)weir_load_u32(test.batches[i].bytes + 57);
    ck_ok(test_log_close(&test), &test.error);
    test_log_lose_marks(&test);
    int rc =
        weir_repair_open(&repair, test.env, test.options.path, test.options.partition, &test.error);
    ck_code(rc, WEIR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(test.error.text, "open the log first: weir consume"));
    ck_assert(!test_log_exists(&test, "damage"));
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_ge(test.recovery.offline_from, 0);
    ck_ok(test_log_close(&test), &test.error);
    for (;;) {
        ck_ok(weir_repair_open(&repair, test.env, test.options.path, test.options.partition,
                               &test.error),
              &test.error);
        if (repair.range_count == 0) break;
        struct weir_damage_range range = repair.ranges[0];
        ck_assert_int_eq(range.size, 0);
        ck_ok(weir_repair_give_up(&repair, &range, kept, &test.error), &test.error);
        weir_repair_close(&repair);
    }
    ck_assert_int_eq(repair.record_count, records);
    ck_ok(weir_repair_finish(&repair, &test.error), &test.error);
    weir_repair_close(&repair);
    reopen();
}
END_TEST

/* And a segment that is missing, which would leave a hole as well, is damage where nobody compacts. */
START_TEST(without_a_mark_a_missing_segment_is_none_that_was_taken)
{
    char name[48];
    test_log_fill(&test, BATCHES);
    int64_t base = test.log->segments[1]->facts.base_offset;
    ck_ok(test_log_close(&test), &test.error);
    (void)snprintf(name, sizeof name, "%020lld.log", (long long)base);
    ck_ok(weir_remove(test.env, test_log_path(&test, name), NULL), NULL);
    test_log_lose_marks(&test);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.offline_from, base);
}
END_TEST

/* ---- looking up, cutting, mending ------------------------------------------------------------ */

/* By the model: the first record of a time or later, through a walk over all batches. */
static int64_t find_by_model(int64_t timestamp_ms)
{
    for (size_t i = 0; i < test.batch_count; i++) {
        struct weir_record record;
        struct weir_batch_reader reader = {
            .rest = weir_slice(test.batches[i].bytes, test.batches[i].size)};
        ck_ok(weir_batch_reader_open_next(&reader, NULL), NULL);
        while (weir_batch_reader_record(&reader, &record, NULL) == 0) {
            if (record.timestamp_ms >= timestamp_ms) return record.offset;
        }
    }
    return -1;
}

/* Times find the first record that is left, in whatever segment; the largest one is found as well. */
START_TEST(times_find_records_behind_holes)
{
    int64_t begin = weir_wall_now(test.env).ms;
    for (int i = 0; i < 2 * BATCHES; i++) {
        struct test_append append = {.record_count = 1 + i % 4, .timestamp_ms = begin + i * 10};
        ck_ok(test_log_append(&test, &append, NULL), &test.error);
    }
    test_log_compact(&test, keep_some, NULL);
    reopen();
    for (int round = 0; round < 2; round++) {
        for (int64_t ms = begin - 5; ms < begin + 2 * BATCHES * 10 + 5; ms += 5) {
            int64_t offset;
            int64_t found_ms;
            ck_ok(weir_partition_log_find_time(test.log, ms, &offset, &found_ms, &test.error),
                  &test.error);
            ck_assert_int_eq(offset, find_by_model(ms));
        }
        expect_each_offset(0, 1); /* makes indexes */
    }
    struct weir_log_time largest = {.offset_max = test.batches[test.batch_count / 2].base_offset};
    int rc = weir_log_time_begin_largest(test.log, &largest);
    while (rc == WEIR_END) {
        weir_log_time_run(&largest);
        rc = weir_log_time_end(&largest);
    }
    ck_ok(rc, &largest.error);
    ck_assert_int_lt(largest.offset, largest.offset_max);
    ck_assert_int_eq(largest.offset, find_by_model(largest.found_ms));
}
END_TEST

/* A cut into a hole ends the log there, one into a batch ends it before the batch; what is appended has these
 * offsets and no others, and after a crash all of it is still so. */
START_TEST(a_cut_ends_within_a_hole)
{
    make_compacted(keep_some);
    for (int64_t cut = state().end_offset - 1; cut > 2; cut -= 11) {
        const struct test_batch *batch = test_log_batch_at(&test, cut);
        int64_t end = batch != NULL && batch->base_offset < cut ? batch->base_offset : cut;
        ck_ok(weir_partition_log_truncate(test.log, cut, &test.error), &test.error);
        weir_partition_log_check(test.log);
        test_log_forget(&test, cut);
        ck_assert_int_eq(state().end_offset, end);
        test_log_expect_all(&test);
        if (cut % 2 == 0) test_log_fill(&test, 1);
        test_log_crash(&test, cut % 3 == 0 ? WEIR_SIM_POWER : WEIR_SIM_KILL);
        ck_ok(test_log_open(&test), &test.error);
        weir_partition_log_check(test.log);
        ck_assert_int_ge(state().end_offset, end);
        test_log_forget(&test, state().end_offset);
        test_log_expect_all(&test);
    }
}
END_TEST

/* The end of an epoch and the epoch at an offset do not depend on which records are left. */
START_TEST(epochs_end_where_they_ended)
{
    test_log_fill(&test, BATCHES);
    int64_t border = state().end_offset;
    ck_ok(weir_partition_log_set_epoch(test.log, NEW_EPOCH, &test.error), &test.error);
    test_log_fill(&test, BATCHES);
    test_log_compact(&test, keep_some, NULL);
    reopen();
    int32_t epoch;
    int64_t end;
    weir_partition_log_epoch_end(test.log, OLD_EPOCH, &epoch, &end);
    ck_assert_int_eq(epoch, OLD_EPOCH);
    ck_assert_int_eq(end, border);
    ck_assert_int_eq(weir_partition_log_epoch_at(test.log, border - 1), OLD_EPOCH);
    ck_assert_int_eq(weir_partition_log_epoch_at(test.log, border), NEW_EPOCH);
}
END_TEST

/* Damage between holes costs the offsets up to the next whole batch, and a repair keeps the rest with its
 * holes. */
START_TEST(a_repair_keeps_the_holes)
{
    make_compacted(keep_some);
    struct weir_repair repair;
    char kept[WEIR_CUT_NAME_SIZE];
    const struct test_batch *lost = &test.batches[1];
    int64_t position = (int64_t)test.batches[0].size + (int64_t)lost->size - 1;
    int64_t from = test.batches[0].end_offset;
    int64_t to = test.batches[2].base_offset;
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(
        weir_repair_open(&repair, test.env, test.options.path, test.options.partition, &test.error),
        &test.error);
    ck_assert_uint_eq(repair.range_count, 0);
    weir_repair_close(&repair);
    struct weir_file *file = NULL;
    struct weir_iovec part = {"\xff\xff", 1};
    ck_ok(weir_file_open(test.env, test_log_path(&test, "00000000000000000000.log"),
                         WEIR_OPEN_WRITE, &file, NULL),
          NULL);
    ck_ok(weir_file_write(file, &part, 1, position, NULL), NULL);
    weir_file_close(file);
    ck_ok(
        weir_repair_open(&repair, test.env, test.options.path, test.options.partition, &test.error),
        &test.error);
    ck_assert_uint_eq(repair.range_count, 1);
    ck_assert_int_eq(repair.ranges[0].from, from);
    ck_assert_int_eq(repair.ranges[0].to, to);
    ck_ok(weir_repair_give_up(&repair, &repair.ranges[0], kept, &test.error), &test.error);
    weir_repair_close(&repair);
    ck_ok(
        weir_repair_open(&repair, test.env, test.options.path, test.options.partition, &test.error),
        &test.error);
    ck_assert_uint_eq(repair.range_count, 0);
    ck_ok(weir_repair_finish(&repair, &test.error), &test.error);
    weir_repair_close(&repair);
    test_log_expect_verified(&test);
    reopen();
    ck_assert_int_eq(test_log_expect_from(&test, to, 700), state().end_offset);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("holes");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, each_offset_gives_the_batch_behind_the_hole, 0, 3);
    tcase_add_test(tests, a_bound_within_a_hole_is_reached);
    tcase_add_test(tests, a_hole_at_the_end_is_passed_by);
    tcase_add_loop_test(tests, a_crash_leaves_the_holes_as_they_are, 0, 2);
    tcase_add_test(tests, a_hole_above_the_mark_is_torn);
    tcase_add_test(tests, a_changed_offset_is_no_hole_in_a_segment_without);
    tcase_add_test(tests, without_a_mark_only_a_compacted_topic_has_holes);
    tcase_add_loop_test(tests, each_of_the_marks_knows_of_holes, 0, 2);
    tcase_add_test(tests, a_repair_without_a_mark_loses_no_batch_behind_a_hole);
    tcase_add_test(tests, without_a_mark_a_missing_segment_is_none_that_was_taken);
    tcase_add_test(tests, times_find_records_behind_holes);
    tcase_add_test(tests, a_cut_ends_within_a_hole);
    tcase_add_test(tests, epochs_end_where_they_ended);
    tcase_add_test(tests, a_repair_keeps_the_holes);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("holes", add);
}
