#include "broker/log/repair.h"

#include <stdio.h>
#include <string.h>

#include "broker/log/durable_mark.h"
#include "broker/log/log_internal.h"
#include "tests/unit/broker/log/log_support.h"
#include "wire/record_batch.h"

/* Records that are given up: the others stay where they were, and nothing else changes. */

enum { BATCHES = 24 };

static struct test_log test;
static struct weir_repair repair;

static void set_up(void)
{
    test_log_start(&test, 1);
}

static void tear_down(void)
{
    test_log_stop(&test);
}

/* Closed; with producers, whose state the repair has to make anew. */
static void make_log_of(int32_t segment_bytes)
{
    test.options.config.segment_bytes = segment_bytes;
    ck_ok(test_log_open(&test), &test.error);
    int32_t sequence = 0;
    for (int i = 0; i < BATCHES; i++) {
        struct test_append what = {.record_count = 1 + i % 3,
                                   .value_size = 20 + i % 4 * 15,
                                   .has_producer = true,
                                   .producer_id = 9,
                                   .sequence = sequence};
        sequence += what.record_count;
        ck_ok(test_log_append(&test, &what, NULL), &test.error);
    }
    ck_ok(test_log_close(&test), &test.error);
    (void)weir_sim_node(test.sim, 1);
    weir_sim_disk_copy(test.sim, 0, 1);
}

/* Several segments. */
static void make_log(void)
{
    make_log_of(900);
}

static void again(void)
{
    weir_sim_disk_copy(test.sim, 1, 0);
    test.env = weir_sim_node(test.sim, 0);
}

static int64_t end_of_model(void)
{
    return test.batches[test.batch_count - 1].end_offset;
}

/* Written to without a change: its time is now. */
static void touch(const char *name)
{
    uint8_t byte;
    struct weir_file *file = NULL;
    struct weir_iovec part = {&byte, 1};
    ck_ok(weir_file_open(test.env, test_log_path(&test, name), WEIR_OPEN_READ | WEIR_OPEN_WRITE,
                         &file, &test.error),
          &test.error);
    ck_assert_int_eq(weir_file_read(file, &byte, 1, 0, &test.error), 1);
    ck_ok(weir_file_write(file, &part, 1, 0, &test.error), &test.error);
    weir_file_close(file);
}

/* The segment that holds a batch, and where in it the batch lies. */
static int64_t find_batch(size_t batch, char name[64])
{
    int64_t position = 0;
    for (size_t i = 0; i <= batch; i++) {
        char file[64];
        (void)snprintf(file, sizeof file, "%020lld.log", (long long)test.batches[i].base_offset);
        if (test_log_exists(&test, file)) {
            memcpy(name, file, sizeof file);
            position = 0;
        }
        if (i < batch) position += (int64_t)test.batches[i].size;
    }
    return position;
}

static void flip(size_t batch, int64_t byte)
{
    char name[64];
    int64_t position = find_batch(batch, name);
    ck_ok(weir_sim_disk_flip(test.sim, 0, test_log_path(&test, name), position + byte, 3), NULL);
}

static int open_repair(void)
{
    return weir_repair_open(&repair, test.env, test.options.path, test.options.partition,
                            &test.error);
}

static void survey(void)
{
    ck_ok(open_repair(), &test.error);
}

/* Everything that is damaged is given up; how many ranges that took. */
static int give_all_up(void)
{
    int count = 0;
    for (survey(); repair.range_count > 0; survey(), count++) {
        char kept[WEIR_CUT_NAME_SIZE];
        struct weir_damage_range range = repair.ranges[0];
        ck_ok(weir_repair_give_up(&repair, &range, kept, &test.error), &test.error);
        ck_assert((kept[0] != '\0') == (range.size > 0));
        if (range.size > 0) ck_assert_int_eq(test_log_file_size(&test, kept), range.size);
        weir_repair_close(&repair);
    }
    ck_ok(weir_repair_finish(&repair, &test.error), &test.error);
    weir_repair_close(&repair);
    return count;
}

/* Read all of it: each batch is the model's, at its place, or holds no records. Returns how many of
 * the model's are there. */
static size_t read_all(void)
{
    int64_t offset = 0;
    size_t found = 0;
    while (offset < weir_partition_log_state(test.log).end_offset) {
        struct weir_log_read read = {.offset = offset, .offset_max = INT64_MAX, .size_max = 1};
        struct weir_batch_header header;
        ck_ok(test_log_read(&test, &read), &read.error);
        ck_assert_uint_eq(read.batches.part_count, 1);
        struct weir_slice bytes =
            weir_slice(read.batches.parts[0].bytes->data + read.batches.parts[0].from,
                       read.batches.parts[0].size);
        ck_ok(weir_batch_peek(bytes, 0, &header, NULL), NULL);
        ck_assert_int_eq(header.base_offset, offset);
        for (size_t i = 0; i < test.batch_count && header.record_count > 0; i++) {
            if (test.batches[i].base_offset != offset) continue;
            ck_assert_mem_eq(bytes.data, test.batches[i].bytes, test.batches[i].size);
            found++;
        }
        offset = weir_batch_last_offset(&header) + 1;
        weir_log_read_release(&read);
    }
    return found;
}

/* In service again, `lost` batches poorer, and going on behind the old end. */
static void expect_in_service(size_t lost)
{
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.offline_from, -1);
    ck_assert_int_eq(test.recovery.cut_offset, -1);
    ck_assert_int_ge(weir_partition_log_state(test.log).end_offset, end_of_model());
    ck_assert_uint_eq(read_all(), test.batch_count - lost);
    struct weir_append_result result;
    int64_t end = weir_partition_log_state(test.log).end_offset;
    ck_ok(test_log_append(&test, &(struct test_append){0}, &result), &test.error);
    ck_assert_int_eq(result.base_offset, end);
    test_log_forget(&test, end); /* the next disk does not have it */
    ck_ok(test_log_close(&test), &test.error);
    test_log_expect_verified(&test);
}

static void take_first_damage(void *context, const struct weir_verify_finding *finding)
{
    int64_t *offset = context;
    if (finding->kind == WEIR_VERIFY_DAMAGE && *offset < 0) *offset = finding->offset;
}

/* `log verify` lays it to that batch. */
static void expect_found_at(int64_t offset)
{
    struct weir_verify_summary summary;
    int64_t found = -1;
    ck_ok(weir_partition_log_verify(test.env, test.options.path, take_first_damage, &found,
                                    &summary, &test.error),
          &test.error);
    ck_assert_int_eq(found, offset);
}

/* ---- claims ---------------------------------------------------------------------------------- */

/* Every batch in turn: its payload, its length, its offset, its magic. */
START_TEST(one_bad_batch_costs_its_own_records_and_no_others)
{
    static const int64_t bytes[] = {70, 9, 6, 16};
    make_log();
    for (size_t batch = 0; batch < BATCHES; batch++) {
        for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
            again();
            flip(batch, bytes[i]);
            survey();
            ck_assert_uint_eq(repair.range_count, 1);
            ck_assert_int_eq(repair.ranges[0].from, test.batches[batch].base_offset);
            ck_assert_int_ge(repair.ranges[0].to, test.batches[batch].end_offset);
            ck_assert_int_eq(repair.end_offset,
                             repair.ranges[0].is_at_end ? repair.ranges[0].to : end_of_model());
            weir_repair_close(&repair);
            ck_assert_int_eq(give_all_up(), 1);
            expect_in_service(1);
        }
    }
}
END_TEST

/* Several places, in one segment and in others, are given up one by one. */
START_TEST(each_bad_range_is_named_by_itself)
{
    make_log();
    flip(2, 70);
    flip(5, 70);
    flip(15, 70);
    flip(16, 70); /* neighbours are one range */
    survey();
    ck_assert_uint_eq(repair.range_count, 3);
    ck_assert_int_eq(repair.ranges[2].from, test.batches[15].base_offset);
    ck_assert_int_eq(repair.ranges[2].to, test.batches[16].end_offset);
    weir_repair_close(&repair);
    ck_assert_int_eq(give_all_up(), 3);
    expect_in_service(4);
}
END_TEST

/* A file that is gone from the middle, and one that lost its end. */
START_TEST(missing_bytes_are_given_up_like_bad_ones)
{
    char name[64];
    make_log();
    (void)find_batch(12, name);
    ck_ok(weir_remove(test.env, test_log_path(&test, name), &test.error), &test.error);
    survey();
    ck_assert_uint_eq(repair.range_count, 1);
    ck_assert(repair.ranges[0].is_file_missing);
    weir_repair_close(&repair);
    ck_assert_int_eq(give_all_up(), 1);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.offline_from, -1);
    ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, end_of_model());
    ck_assert_uint_gt(read_all(), BATCHES / 2);
    ck_ok(test_log_close(&test), &test.error);

    again();
    int64_t position = find_batch(BATCHES - 1, name);
    struct weir_file *file = NULL;
    ck_ok(weir_file_open(test.env, test_log_path(&test, name), WEIR_OPEN_WRITE, &file, NULL), NULL);
    ck_ok(weir_file_truncate(file, position + 30, NULL), NULL);
    weir_file_close(file);
    survey();
    ck_assert_uint_eq(repair.range_count, 1);
    ck_assert_int_eq(repair.ranges[0].record_count, -1); /* half a header says nothing */
    weir_repair_close(&repair);
    ck_assert_int_eq(give_all_up(), 1);
    expect_in_service(1);
}
END_TEST

/* The last segment's file is gone, in which there was more than the mark says: what was in it is given up, or there
 * would be no way back. */
START_TEST(a_last_segment_that_is_gone_is_given_up)
{
    char name[64];
    make_log();
    ck_ok(test_log_open(&test), &test.error);
    ck_ok(weir_log_roll(test.log, &test.error), &test.error);
    test_log_fill(&test, 2); /* less than asks for a mark */
    ck_ok(test_log_sync(&test), &test.error);
    test_log_crash(&test, WEIR_SIM_KILL);
    (void)find_batch(test.batch_count - 1, name);
    ck_ok(weir_remove(test.env, test_log_path(&test, name), &test.error), &test.error);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.offline_from, test.batches[test.batch_count - 2].base_offset);
    ck_ok(test_log_close(&test), &test.error);
    survey();
    ck_assert_uint_eq(repair.range_count, 1);
    ck_assert(repair.ranges[0].is_file_missing && repair.ranges[0].is_at_end);
    ck_assert_int_eq(repair.ranges[0].from, test.batches[test.batch_count - 2].base_offset);
    weir_repair_close(&repair);
    ck_assert_int_eq(give_all_up(), 1);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.offline_from, -1);
    ck_assert_uint_eq(read_all(), test.batch_count - 2);
    ck_ok(test_log_close(&test), &test.error);
    test_log_expect_verified(&test);
}
END_TEST

/* Both marks are of a time before the last segments: all records are there, and none is given up. */
START_TEST(an_older_mark_is_written_anew_and_costs_nothing)
{
    static const char *const names[] = {WEIR_DURABLE_MARK_NAME, WEIR_DURABLE_MARK_COPY_NAME};
    static uint8_t older[2][8192];
    int64_t size[2];
    make_log();
    for (int i = 0; i < 2; i++) {
        struct weir_file *file = NULL;
        ck_ok(weir_file_open(test.env, test_log_path(&test, names[i]), WEIR_OPEN_READ, &file, NULL),
              NULL);
        size[i] = weir_file_read(file, older[i], sizeof older[i], 0, NULL);
        ck_assert_int_gt(size[i], 0);
        weir_file_close(file);
    }
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 30); /* the segment of before goes on, and others come */
    ck_ok(test_log_sync(&test), &test.error);
    test_log_crash(&test, WEIR_SIM_KILL);
    for (int i = 0; i < 2; i++) {
        ck_ok(weir_remove(test.env, test_log_path(&test, names[i]), NULL), NULL);
        test_log_write_file(&test, names[i], older[i], (size_t)size[i]);
    }
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_ge(test.recovery.offline_from, 0);
    ck_ok(test_log_close(&test), &test.error);
    survey();
    ck_assert_uint_eq(repair.range_count, 0);
    ck_assert(repair.is_mark_older);
    ck_assert_int_eq(repair.end_offset, end_of_model());
    weir_repair_close(&repair);
    ck_assert_int_eq(give_all_up(), 0);
    survey();
    ck_assert(!repair.is_mark_older);
    weir_repair_close(&repair);
    expect_in_service(0);
}
END_TEST

/* The end that was known is never gone below, whatever the bytes there say. */
START_TEST(no_offset_is_given_twice)
{
    make_log();
    ck_ok(test_log_open(&test), &test.error);
    weir_partition_log_damaged(test.log, test.batches[BATCHES - 1].base_offset, "crc");
    ck_ok(test_log_close(&test), &test.error);
    flip(BATCHES - 1, 25); /* its last offset */
    ck_assert_int_eq(give_all_up(), 1);
    expect_in_service(1);
}
END_TEST

/* The end is written down with the damage: an older, shorter copy that is put back, with its own
 * mark, does not bring it down. */
START_TEST(an_older_copy_does_not_take_the_end_back)
{
    make_log();
    int64_t old_end = end_of_model();
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 3);
    ck_ok(test_log_sync(&test), &test.error);
    weir_partition_log_damaged(test.log, test.batches[4].base_offset, "crc");
    ck_ok(test_log_close(&test), &test.error);
    struct weir_damage known;
    ck_ok(weir_damage_file_read(test.env, test.env->budget, test.options.path, &known, NULL), NULL);
    ck_assert_int_eq(known.end, end_of_model());
    again();
    ck_ok(weir_damage_file_write(test.env, test.options.path, &known, &test.error), &test.error);
    survey();
    ck_assert_uint_eq(repair.range_count, 1);
    ck_assert_int_eq(repair.ranges[0].from, old_end);
    ck_assert_int_eq(repair.ranges[0].to, known.end);
    ck_assert(repair.ranges[0].is_at_end);
    weir_repair_close(&repair);
    ck_assert_int_eq(give_all_up(), 1);
    expect_in_service(3);
}
END_TEST

/* Bytes behind the last offset that a segment can have: of its records none is lost. Without a mark
 * nothing says where the file ended. */
START_TEST(what_lies_behind_a_full_segment_is_no_loss)
{
    static const uint8_t junk[100] = {1, 2, 3};
    static const size_t sizes[] = {1, 61, sizeof junk};
    make_log();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        again();
        struct weir_iovec part = {(void *)(uintptr_t)junk, sizes[i]};
        struct weir_file *file = NULL;
        const char *path = test_log_path(&test, "00000000000000000000.log");
        ck_ok(weir_file_open(test.env, path, WEIR_OPEN_WRITE, &file, NULL), NULL);
        int64_t size = test_log_file_size(&test, "00000000000000000000.log");
        ck_ok(weir_file_write(file, &part, 1, size, NULL), NULL);
        weir_file_close(file);
        test_log_lose_marks(&test);
        ck_ok(test_log_open(&test), &test.error); /* and writes down what is wrong */
        ck_assert_int_ge(test.recovery.offline_from, 0);
        ck_ok(test_log_close(&test), &test.error);
        ck_assert_int_eq(give_all_up(), 0);
        expect_in_service(0);
    }
}
END_TEST

/* A leader epoch lies outside the crc. The mark has those of all offsets, so the batch is named whose number
 * is not its own (not the good ones behind it), nothing is given up, and the number is as it was. */
START_TEST(a_wrong_epoch_is_put_right_and_costs_nothing)
{
    make_log();
    for (size_t batch = 0; batch < BATCHES; batch++) {
        for (int64_t byte = 12; byte < 16; byte++) {
            again();
            flip(batch, byte);
            expect_found_at(test.batches[batch].base_offset);
            survey();
            ck_assert_uint_eq(repair.range_count, 0);
            ck_assert_uint_eq(repair.wrong_epochs.size, sizeof(struct weir_wrong_epoch));
            const struct weir_wrong_epoch *wrong = (const void *)repair.wrong_epochs.data;
            ck_assert_int_eq(wrong->offset, test.batches[batch].base_offset);
            weir_repair_close(&repair);
            ck_assert_int_eq(give_all_up(), 0);
            expect_in_service(0);
        }
    }
}
END_TEST

/* Beside a batch that is lost: that one is given up, and no other. */
START_TEST(a_wrong_epoch_beside_a_bad_batch_costs_nothing)
{
    make_log();
    for (size_t batch = 1; batch + 1 < BATCHES; batch++) {
        again();
        flip(batch - 1, 12);
        flip(batch, 70);
        flip(batch + 1, 15);
        ck_assert_int_eq(give_all_up(), 1);
        expect_in_service(1);
    }
}
END_TEST

/* Damage that is not there any more costs nothing but the asking. */
START_TEST(damage_that_was_put_right_gives_nothing_up)
{
    make_log();
    ck_ok(test_log_open(&test), &test.error);
    weir_partition_log_damaged(test.log, test.batches[4].base_offset, "crc");
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.offline_from, test.batches[4].base_offset);
    ck_ok(test_log_close(&test), &test.error);
    ck_assert_int_eq(give_all_up(), 0);
    expect_in_service(0);
    ck_assert(!test_log_exists(&test, "damage"));
}
END_TEST

/* A repaired log is the same partition's as before, with a mark that says so and without one; a
 * folder that is another's is not touched. */
START_TEST(a_partition_keeps_its_number)
{
    test.options.partition = 3;
    make_log();
    for (int i = 0; i < 2; i++) {
        again();
        flip(7, 70);
        if (i == 1) test_log_lose_marks(&test);
        ck_assert_int_eq(give_all_up(), 1);
        expect_in_service(1);
    }
    uint64_t before = weir_sim_disk_hash(test.sim, 0, test.options.path);
    test.options.partition = 2;
    ck_code(open_repair(), WEIR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(test.error.text, "partition 3, not 2"));
    ck_assert_uint_eq(weir_sim_disk_hash(test.sim, 0, test.options.path), before);
}
END_TEST

/* A producer whose last batch was given up is known by the one before: its next is out of order,
 * and it hears of the loss. */
START_TEST(producers_are_as_the_log_has_them)
{
    make_log();
    flip(BATCHES - 1, 70);
    ck_assert_int_eq(give_all_up(), 1);
    ck_ok(test_log_open(&test), &test.error);
    struct test_append next = {
        .has_producer = true, .producer_id = 9, .sequence = (int32_t)end_of_model()};
    ck_code(test_log_append(&test, &next, NULL), WEIR_OUT_OF_ORDER_SEQUENCE);
}
END_TEST

/* What was given up stays known: by the mark, without one by the batches, until it is cut off at either end. */
START_TEST(what_was_given_up_is_known)
{
    make_log();
    again();
    flip(2, 70);
    flip(7, 70);
    ck_assert_int_eq(give_all_up(), 2);
    for (int has_mark = 1; has_mark >= 0; has_mark--) {
        if (!has_mark) test_log_lose_marks(&test);
        ck_ok(test_log_open(&test), &test.error);
        struct weir_partition_log_state state = weir_partition_log_state(test.log);
        ck_assert_uint_eq(state.lost_count, 2);
        ck_assert_int_eq(state.lost.from, test.batches[7].base_offset);
        ck_assert_int_eq(state.lost.to, test.batches[8].base_offset);
        ck_ok(test_log_close(&test), &test.error);
    }
    ck_ok(test_log_open(&test), &test.error);
    ck_ok(weir_partition_log_truncate(test.log, test.batches[7].base_offset, &test.error),
          &test.error);
    ck_assert_int_eq(weir_partition_log_state(test.log).lost.from, test.batches[2].base_offset);
    ck_ok(weir_partition_log_set_start(test.log, test.batches[3].base_offset, &test.error),
          &test.error);
    ck_assert_uint_eq(weir_partition_log_state(test.log).lost_count, 0);
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_uint_eq(weir_partition_log_state(test.log).lost_count, 0);
    ck_ok(test_log_close(&test), &test.error);
}
END_TEST

/* A repair that is not finished leaves the log offline from the first of what it found on, and for that
 * one's reason: the one that is given up first here is another one, and of another kind. */
START_TEST(a_repair_that_was_begun_says_what_it_found)
{
    char kept[WEIR_CUT_NAME_SIZE];
    struct weir_damage damage;
    make_log();
    flip(2, 70);
    flip(7, 0);
    survey();
    ck_assert_uint_eq(repair.range_count, 2);
    const struct weir_damage_range first = repair.ranges[0];
    ck_assert_str_ne(first.reason, repair.ranges[1].reason);
    ck_ok(weir_repair_give_up(&repair, &repair.ranges[1], kept, &test.error), &test.error);
    ck_ok(
        weir_damage_file_read(test.env, test.env->budget, test.options.path, &damage, &test.error),
        &test.error);
    ck_assert_int_eq(damage.from, first.from);
    ck_assert_int_eq(damage.end, repair.end_offset);
    ck_assert_int_eq(damage.end, end_of_model());
    ck_assert_str_eq(damage.reason, first.reason);
    weir_repair_close(&repair);
}
END_TEST

/* What a repair puts in service is on the disk, in every segment: also what a kill had left in the page cache,
 * which a loss of power behind the repair takes nothing of. */
START_TEST(a_repair_has_all_of_it_on_the_disk)
{
    enum { DRAWS = 8 };
    make_log();
    const int64_t end = end_of_model();
    for (int draw = 0; draw < DRAWS; draw++) {
        test_log_forget(&test, end);
        again();
        ck_ok(test_log_open(&test), &test.error);
        ck_assert_int_gt(weir_partition_log_state(test.log).segment_count, 1);
        for (int i = 0; i < 3; i++)
            ck_ok(test_log_append(&test, &(struct test_append){.value_size = 30}, NULL),
                  &test.error);
        test_log_crash(&test, WEIR_SIM_KILL);
        flip(2, 70);
        ck_assert_int_eq(give_all_up(), 1);
        test_log_crash(&test, WEIR_SIM_POWER);
        expect_in_service(1);
    }
}
END_TEST

/* A log of one segment is repaired as any other; without any there is nothing to repair. */
START_TEST(a_log_of_one_segment_is_repaired)
{
    static const char segment[] = "00000000000000000000.log";
    make_log_of(1 << 20);
    flip(BATCHES / 2, 70);
    ck_assert_int_eq(give_all_up(), 1);
    expect_in_service(1);
    ck_ok(weir_remove(test.env, test_log_path(&test, segment), NULL), NULL);
    test_log_lose_marks(&test);
    ck_code(open_repair(), WEIR_NOT_FOUND);
}
END_TEST

/* A repair leaves the log's start where the mark has it, within a segment; without a mark, where the segments
 * begin. */
START_TEST(a_repair_keeps_the_start)
{
    make_log();
    const int64_t start = test.batches[1].base_offset;
    ck_ok(test_log_open(&test), &test.error);
    ck_ok(weir_partition_log_set_start(test.log, start, &test.error), &test.error);
    ck_ok(test_log_close(&test), &test.error);
    for (int has_mark = 1; has_mark >= 0; has_mark--) {
        if (!has_mark) test_log_lose_marks(&test);
        flip(has_mark ? 7 : 8, 70);
        survey();
        ck_assert_int_eq(repair.start_offset, has_mark ? start : 0);
        weir_repair_close(&repair);
        ck_assert_int_eq(give_all_up(), 1);
        ck_ok(test_log_open(&test), &test.error);
        ck_assert_int_eq(weir_partition_log_state(test.log).start_offset, has_mark ? start : 0);
        ck_ok(test_log_close(&test), &test.error);
    }
}
END_TEST

/* A repair that ends at any of its operations, killed or without power, leaves the log as it was, or
 * offline; asked again it goes on to the same end. */
static void end_at(uint64_t at, enum weir_sim_crash_kind kind, bool *has_ended)
{
    again();
    flip(7, 70);
    survey();
    struct weir_damage_range range = repair.ranges[0];
    weir_sim_disk_count_reset(test.sim, 0);
    weir_sim_disk_plan(
        test.sim, 0,
        (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_CRASH, .at = at, .crash = kind});
    char kept[WEIR_CUT_NAME_SIZE];
    int rc = weir_repair_give_up(&repair, &range, kept, &test.error);
    weir_repair_close(&repair);
    if (rc == 0) rc = open_repair();
    if (rc == 0) {
        rc = weir_repair_finish(&repair, &test.error);
        weir_repair_close(&repair);
    }
    *has_ended = rc == 0;
    test_log_crash(&test, kind);
    weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.cut_offset, -1);
    (void)test_log_close(&test);
    (void)give_all_up();
    expect_in_service(1);
}

START_TEST(a_repair_that_is_cut_short_can_be_repeated)
{
    make_log();
    for (int kind = 0; kind < 2; kind++) {
        bool has_ended = false;
        for (uint64_t at = 1; !has_ended; at++) {
            ck_assert_uint_lt(at, 200);
            end_at(at, kind == 0 ? WEIR_SIM_KILL : WEIR_SIM_POWER, &has_ended);
        }
    }
}
END_TEST

/* How many records a bad batch had is told if its header can be believed in all that it says of itself, and
 * not otherwise: a bit in its base offset, in its last offset delta or in its count of records. */
START_TEST(a_lost_batch_says_its_records_or_nothing)
{
    static const struct {
        int64_t byte;
        bool is_told;
    } cases[] = {{70, true}, {7, false}, {26, false}, {60, false}, {57, false}};
    make_log();
    for (size_t batch = 0; batch + 1 < BATCHES; batch++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            again();
            flip(batch, cases[i].byte);
            survey();
            ck_assert_uint_eq(repair.range_count, 1);
            const struct weir_damage_range *range = &repair.ranges[0];
            ck_assert_int_eq(range->record_count, cases[i].is_told ? range->to - range->from : -1);
            weir_repair_close(&repair);
        }
    }
}
END_TEST

/* A mark that cannot be read for want of memory, or that a later version has written, is no missing mark: the
 * repair is refused, and nothing is touched. */
START_TEST(a_mark_that_is_there_is_not_passed_over)
{
    struct weir_test_failures failures = {0};
    make_log();
    flip(7, 70);
    uint64_t before = weir_sim_disk_hash(test.sim, 0, test.options.path);
    while (weir_test_failures_next(&failures)) {
        test.error = (struct weir_error){0};
        weir_test_failures_arm(&failures, test.env->heap);
        int rc = open_repair();
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 0);
        ck_told(rc, &test.error);
        if (rc == 0) ck_assert(repair.has_mark);
        if (rc == 0) weir_repair_close(&repair);
    }
    ck_assert_uint_gt(failures.hits, 3);
    weir_sim_disk_count_reset(test.sim, 0);
    for (uint64_t at = 1;; at++) {
        weir_sim_disk_count_reset(test.sim, 0);
        weir_sim_disk_plan(
            test.sim, 0, (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_READ_EIO, .at = at});
        test.error = (struct weir_error){0};
        int rc = open_repair();
        ck_told(rc, &test.error);
        weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
        if (rc == 0) ck_assert(repair.has_mark);
        if (rc == 0) weir_repair_close(&repair);
        if (rc == 0 && at > 20) break;
    }
    ck_assert_uint_eq(weir_sim_disk_hash(test.sim, 0, test.options.path), before);
}
END_TEST

/* A repair makes durable what it builds on: of a log that a kill has left in the page cache, without its mark,
 * a loss of power behind the repair takes nothing. */
START_TEST(what_was_repaired_is_on_the_disk)
{
    test.options.config.segment_bytes = 900;
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, BATCHES);
    ck_assert_int_gt(weir_partition_log_state(test.log).segment_count, 2);
    test_log_crash(&test, WEIR_SIM_KILL);
    test_log_lose_marks(&test);
    flip(3, 70);
    ck_assert_int_eq(give_all_up(), 1);
    test_log_crash(&test, WEIR_SIM_POWER);
    expect_in_service(1);
}
END_TEST

/* When segment number `index` was last appended to, as the repair has it; its file's time of
 * change. */
static int64_t last_append_of(size_t index, int64_t *modified_out)
{
    char name[64];
    struct weir_file_stat stat;
    survey();
    ck_assert_uint_lt(index, repair.segments.size / sizeof(struct weir_segment_facts));
    const struct weir_segment_facts *facts =
        (const struct weir_segment_facts *)(const void *)repair.segments.data + index;
    int64_t last_append_ms = facts->last_append_ms;
    (void)snprintf(name, sizeof name, "%020lld.log", (long long)facts->base_offset);
    ck_ok(weir_stat(test.env, test_log_path(&test, name), &stat, &test.error), &test.error);
    *modified_out = stat.modified.ms;
    weir_repair_close(&repair);
    return last_append_ms;
}

/* The mark knows it of a segment that is full. Of the last one it knows a time, after which more
 * may have come, and the file knows another, which a clock may have set back: the later one
 * counts. Without a mark there are the files' times, and a segment without records has none. */
START_TEST(a_segment_keeps_the_time_of_its_last_append)
{
    int64_t known[2];
    int64_t modified;
    test.options.config.segment_bytes = 900;
    ck_ok(test_log_open(&test), &test.error);
    while (weir_partition_log_state(test.log).segment_count < 2) {
        weir_sim_jump_wall(test.sim, 0, 1000);
        test_log_fill(&test, 1);
    }
    for (size_t i = 0; i < 2; i++) {
        known[i] = test.log->segments[i]->facts.last_append_ms;
    }
    ck_ok(test_log_close(&test), &test.error);
    ck_assert_int_lt(known[0], known[1]);
    (void)weir_sim_node(test.sim, 1);
    weir_sim_disk_copy(test.sim, 0, 1);
    for (int days = -1; days <= 1; days++) {
        again();
        weir_sim_jump_wall(test.sim, 0, (days < 0 ? -1 : 1) * 86400000LL); /* from then on */
        char name[64];
        (void)find_batch(0, name);
        touch(name);
        ck_assert_int_eq(last_append_of(0, &modified), known[0]);
        (void)find_batch(test.batch_count - 1, name);
        touch(name);
        int64_t last = last_append_of(1, &modified);
        ck_assert(days < 0 ? modified < known[1] : modified >= known[1]);
        ck_assert_int_eq(last, (days < 0 ? known[1] : modified));
        test_log_lose_marks(&test);
        for (size_t i = 0; i < 2; i++) {
            last = last_append_of(i, &modified);
            ck_assert_int_eq(last, modified);
        }
    }
}
END_TEST

/* Whichever allocation fails, a repair says so, has lost nothing, and can be done again. */
START_TEST(a_repair_without_memory_can_be_repeated)
{
    struct weir_test_failures failures = {0};
    make_log();
    flip(7, 70);
    weir_sim_disk_copy(test.sim, 0, 1);
    while (weir_test_failures_next(&failures)) {
        char kept[WEIR_CUT_NAME_SIZE];
        again();
        size_t used = test.env->budget->used;
        survey();
        struct weir_damage_range range = repair.ranges[0];
        test.error = (struct weir_error){0};
        weir_test_failures_arm(&failures, test.env->heap);
        int rc = weir_repair_give_up(&repair, &range, kept, &test.error);
        weir_repair_close(&repair);
        if (rc == 0) rc = open_repair();
        if (rc == 0) {
            ck_assert_uint_eq(repair.range_count, 0);
            rc = weir_repair_finish(&repair, &test.error);
            weir_repair_close(&repair);
        }
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert(rc == 0 || (was_hit && rc == WEIR_NO_MEMORY));
        ck_told(rc, &test.error);
        ck_assert_uint_eq(test.env->budget->used, used);
        if (rc < 0) (void)give_all_up();
        expect_in_service(1);
    }
    ck_assert_uint_gt(failures.hits, 10);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("repair");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, one_bad_batch_costs_its_own_records_and_no_others);
    tcase_add_test(tests, each_bad_range_is_named_by_itself);
    tcase_add_test(tests, missing_bytes_are_given_up_like_bad_ones);
    tcase_add_test(tests, a_last_segment_that_is_gone_is_given_up);
    tcase_add_test(tests, an_older_mark_is_written_anew_and_costs_nothing);
    tcase_add_test(tests, no_offset_is_given_twice);
    tcase_add_test(tests, an_older_copy_does_not_take_the_end_back);
    tcase_add_test(tests, what_lies_behind_a_full_segment_is_no_loss);
    tcase_add_test(tests, a_wrong_epoch_is_put_right_and_costs_nothing);
    tcase_add_test(tests, a_wrong_epoch_beside_a_bad_batch_costs_nothing);
    tcase_add_test(tests, damage_that_was_put_right_gives_nothing_up);
    tcase_add_test(tests, a_partition_keeps_its_number);
    tcase_add_test(tests, producers_are_as_the_log_has_them);
    tcase_add_test(tests, a_repair_keeps_the_start);
    tcase_add_test(tests, a_repair_has_all_of_it_on_the_disk);
    tcase_add_test(tests, a_log_of_one_segment_is_repaired);
    tcase_add_test(tests, a_repair_that_was_begun_says_what_it_found);
    tcase_add_test(tests, what_was_given_up_is_known);
    tcase_add_test(tests, a_repair_that_is_cut_short_can_be_repeated);
    tcase_add_test(tests, a_lost_batch_says_its_records_or_nothing);
    tcase_add_test(tests, a_mark_that_is_there_is_not_passed_over);
    tcase_add_test(tests, what_was_repaired_is_on_the_disk);
    tcase_add_test(tests, a_segment_keeps_the_time_of_its_last_append);
    tcase_add_test(tests, a_repair_without_memory_can_be_repeated);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log repair", add);
}
