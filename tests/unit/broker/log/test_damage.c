#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "broker/log/damage_file.h"
#include "broker/log/durable_mark.h"
#include "broker/log/file_set.h"
#include "broker/log/segment_scan.h"
#include "tests/unit/broker/log/log_support.h"
#include "wire/record_batch.h"

static struct test_log test;

static void set_up(void)
{
    test_log_start(&test, 1);
}

static void tear_down(void)
{
    test_log_stop(&test);
}

/* A closed log of some segments, with producers and two epochs; `batches` of them. */
static void make_closed_log(int batches)
{
    ck_ok(test_log_open(&test), &test.error);
    for (int i = 0; i < batches; i++) {
        struct test_append what = {
            .record_count = 1 + i % 2,
            .value_size = 20 + i % 5 * 9,
            .has_producer = i % 3 == 0,
            .producer_id = 5,
            .sequence = 0,
            .producer_epoch = (int16_t)i,
        };
        if (i == batches / 2) ck_ok(weir_partition_log_set_epoch(test.log, 2, NULL), NULL);
        ck_ok(test_log_append(&test, &what, NULL), &test.error);
    }
    ck_ok(test_log_close(&test), &test.error);
}

static int64_t end_of_model(void)
{
    return test.batches[test.batch_count - 1].end_offset;
}

/* ---- one bit --------------------------------------------------------------------------------- */

/* Every whole batch that is served is right, or its own crc says that it is not. Returns where
 * serving ended and counts what a crc caught. */
static int64_t read_suspiciously(int *caught)
{
    int64_t offset = weir_partition_log_state(test.log).start_offset;
    for (;;) {
        struct weir_log_read read = {.offset = offset, .offset_max = INT64_MAX, .size_max = 300};
        int rc = test_log_read(&test, &read);
        if (rc < 0 || read.batches.part_count == 0) return offset;
        struct weir_slice rest =
            weir_slice(read.batches.parts[0].bytes->data + read.batches.parts[0].from,
                       read.batches.parts[0].size);
        while (rest.size > 0) {
            struct weir_batch_header header;
            ck_ok(weir_batch_peek(rest, INT32_MAX, &header, &test.error), &test.error);
            size_t size = weir_batch_size(&header);
            ck_assert_int_eq(header.base_offset, offset);
            const struct test_batch *model = NULL;
            for (size_t i = 0; i < test.batch_count; i++) {
                if (test.batches[i].base_offset == offset) model = &test.batches[i];
            }
            ck_assert_ptr_nonnull(model);
            bool is_right = size == model->size && memcmp(rest.data, model->bytes, size) == 0;
            if (!is_right) {
                /* Base offset and epoch lie outside the crc; the log itself checks those. */
                ck_code(weir_batch_check_crc(weir_slice(rest.data, size), NULL), WEIR_CORRUPT);
                struct weir_log_read check = {
                    .offset = offset, .offset_max = INT64_MAX, .checks_disk = true};
                ck_code(test_log_read(&test, &check), WEIR_CORRUPT); /* as readers have it done */
                ck_assert_int_eq(weir_partition_log_offline_from(test.log), offset);
                (*caught)++;
                weir_log_read_release(&read);
                return offset;
            }
            offset = weir_batch_last_offset(&header) + 1;
            rest = weir_slice(rest.data + size, rest.size - size);
        }
        weir_log_read_release(&read);
    }
}

/* Flip one bit of a closed log and open it: nothing is cut, nothing wrong is served unnoticed. */
static void flip_and_open(const char *name, int64_t position, int bit)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s", test_log_path(&test, name));
    ck_ok(weir_sim_disk_flip(test.sim, 0, path, position, bit), NULL);
    int64_t size = test_log_file_size(&test, name);
    bool is_log = strstr(name, ".log") != NULL;
    int rc = test_log_open(&test);
    if (rc < 0) {
        ck_assert_int_eq(rc, WEIR_CORRUPT); /* refused: it has been noticed */
        ck_assert_ptr_null(test.log);
    } else {
        int caught = 0;
        ck_assert_int_eq(test.recovery.cut_offset, -1);
        if (is_log) ck_assert_int_eq(test_log_file_size(&test, name), size);
        int64_t end = read_suspiciously(&caught);
        struct weir_partition_log_state state = weir_partition_log_state(test.log);
        if (is_log) {
            ck_assert_msg(caught > 0 || state.is_offline, "%s at %lld bit %d", name,
                          (long long)position, bit);
        } else {
            ck_assert_int_eq(caught, 0);
            ck_assert_int_eq(end, end_of_model());
        }
        ck_assert(state.is_offline || end == end_of_model());
        test_log_crash(&test, WEIR_SIM_KILL);
    }
}

static int bits_per_byte;

static void flip_all_of(struct test_log *unused, const char *name)
{
    (void)unused;
    int64_t size = test_log_file_size(&test, name);
    for (int64_t at = 0; at < size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            bool is_drawn = bits_per_byte == 8 || bit == (int)(weir_sim_random(test.sim) % 8);
            if (!is_drawn && !(bits_per_byte == 1 && bit == 7)) continue;
            weir_sim_disk_copy(test.sim, 1, 0);
            test.env = weir_sim_node(test.sim, 0);
            flip_and_open(name, at, bit);
            if (bits_per_byte == 1) break;
        }
    }
}

static void flip_everything(int batches, int bits)
{
    bits_per_byte = bits;
    test.options.config.segment_bytes = 600;
    make_closed_log(batches);
    (void)weir_sim_node(test.sim, 1);
    weir_sim_disk_copy(test.sim, 0, 1);
    test_log_each_file(&test, flip_all_of);
}

/* Every bit of every file of a small closed log. */
START_TEST(every_bit_of_a_small_log_is_guarded)
{
    flip_everything(8, 8);
}
END_TEST

/* One bit in every byte of a larger one. */
START_TEST(a_bit_in_every_byte_is_guarded)
{
    flip_everything(40, 1);
}
END_TEST

/* ---- pieces that are gone -------------------------------------------------------------------- */

/* A header that a reader finds damaged takes its range offline; below it the log is served. */
START_TEST(a_damaged_header_takes_its_range_offline)
{
    make_closed_log(12);
    const struct test_batch *victim = &test.batches[5];
    int64_t position = 0;
    for (int i = 0; i < 5; i++) {
        position += (int64_t)test.batches[i].size;
    }
    ck_ok(weir_sim_disk_flip(test.sim, 0, test_log_path(&test, "00000000000000000000.log"),
                             position + 3, 0),
          NULL);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert(test.recovery.was_clean);
    ck_assert_int_eq(test_log_expect_from(&test, 0, 100), victim->base_offset);
    struct weir_partition_log_state state = weir_partition_log_state(test.log);
    ck_assert_int_eq(state.offline_from, victim->base_offset);
    ck_code(test_log_append(&test, &(struct test_append){0}, NULL), WEIR_OFFLINE);
    struct weir_log_read read = {.offset = end_of_model() - 1, .offset_max = INT64_MAX};
    ck_code(test_log_read(&test, &read), WEIR_OFFLINE);
    ck_assert_int_eq(test_log_expect_from(&test, 0, 100), victim->base_offset);
}
END_TEST

/* A reader that finds a wrong crc says so, and the range goes offline. */
START_TEST(a_reported_crc_takes_its_range_offline)
{
    make_closed_log(6);
    ck_ok(test_log_open(&test), &test.error);
    weir_partition_log_damaged(test.log, test.batches[3].base_offset, "crc");
    ck_assert_int_eq(test_log_expect_from(&test, 0, 100), test.batches[3].base_offset);
}
END_TEST

/* A segment missing in the middle: what is below it is served, what is above is not, nothing is
 * removed, and when the file is back so is the log. */
START_TEST(a_missing_segment_takes_its_range_offline)
{
    test.options.config.segment_bytes = 600;
    make_closed_log(30);
    char name[64];
    int64_t base = -1;
    for (size_t i = 10; base < 0; i++) {
        (void)snprintf(name, sizeof name, "%020lld.log", (long long)test.batches[i].base_offset);
        if (test_log_exists(&test, name)) base = test.batches[i].base_offset;
    }
    char from[256];
    (void)snprintf(from, sizeof from, "%s", test_log_path(&test, name));
    ck_ok(weir_rename(test.env, from, test_log_path(&test, "kept"), &test.error), &test.error);
    uint64_t before = weir_sim_disk_hash(test.sim, 0, test.options.path);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.offline_from, base);
    ck_assert_ptr_nonnull(strstr(test.recovery.reason, "is missing"));
    ck_assert_int_eq(test_log_expect_from(&test, 0, 500), base);
    ck_code(test_log_append(&test, &(struct test_append){0}, NULL), WEIR_OFFLINE);
    ck_ok(test_log_close(&test), &test.error);
    ck_assert_uint_eq(weir_sim_disk_hash(test.sim, 0, test.options.path), before);

    char kept[256];
    (void)snprintf(kept, sizeof kept, "%s", test_log_path(&test, "kept"));
    ck_ok(weir_rename(test.env, kept, from, &test.error), &test.error);
    ck_ok(test_log_open(&test), &test.error);
    test_log_expect_all(&test);
}
END_TEST

/* Cut a file shorter than the mark says, at every byte: offline from the first batch that is gone.
 * */
START_TEST(a_short_segment_is_never_cut_further)
{
    make_closed_log(6);
    (void)weir_sim_node(test.sim, 1);
    weir_sim_disk_copy(test.sim, 0, 1);
    int64_t size = test_log_file_size(&test, "00000000000000000000.log");
    for (int64_t keep = 0; keep < size; keep++) {
        weir_sim_disk_copy(test.sim, 1, 0);
        test.env = weir_sim_node(test.sim, 0);
        struct weir_file *file = NULL;
        ck_ok(weir_file_open(test.env, test_log_path(&test, "00000000000000000000.log"),
                             WEIR_OPEN_WRITE, &file, &test.error),
              &test.error);
        ck_ok(weir_file_truncate(file, keep, &test.error), &test.error);
        weir_file_close(file);
        ck_ok(test_log_open(&test), &test.error);
        int64_t whole = 0;
        int64_t position = 0;
        for (size_t i = 0; i < test.batch_count; i++) {
            position += (int64_t)test.batches[i].size;
            if (position <= keep) whole = test.batches[i].end_offset;
        }
        ck_assert_int_eq(test.recovery.offline_from, whole);
        ck_assert_int_eq(test_log_expect_from(&test, 0, 100), whole);
        ck_assert_int_eq(test_log_file_size(&test, "00000000000000000000.log"), keep);
        test_log_crash(&test, WEIR_SIM_KILL);
    }
}
END_TEST

/* ---- above the mark -------------------------------------------------------------------------- */

static const char first_segment[] = "00000000000000000000.log";

/* Seven batches above the mark, all of them on the disk, and where each begins. */
enum { TAIL_BATCHES = 7 };
static int64_t tail_positions[TAIL_BATCHES + 1];

static void make_tail(enum weir_sim_crash_kind kind)
{
    test.options.mark_interval_bytes = 1 << 20;
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, TAIL_BATCHES);
    for (size_t i = 0; i < TAIL_BATCHES; i++) {
        tail_positions[i + 1] = tail_positions[i] + (int64_t)test.batches[i].size;
    }
    ck_ok(test_log_sync(&test), &test.error);
    test_log_crash(&test, kind);
    (void)weir_sim_node(test.sim, 1);
}

static void flip_in_tail(size_t batch, int64_t byte, int bit)
{
    ck_ok(weir_sim_disk_flip(test.sim, 0, test_log_path(&test, first_segment),
                             tail_positions[batch] + byte, bit),
          NULL);
}

/* The node's disk as `make_tail` left it, in the boot that wrote it. */
static void again(void)
{
    weir_sim_disk_copy(test.sim, 1, 0);
    test.env = weir_sim_node(test.sim, 0);
}

/* A kill cannot have done it: every bit of a batch with others behind it. A changed epoch is seen in
 * the batch that follows; nothing is cut, whatever it is. */
START_TEST(a_flipped_bit_after_a_kill_is_offline_and_never_cut)
{
    make_tail(WEIR_SIM_KILL);
    weir_sim_disk_copy(test.sim, 0, 1);
    int64_t size = test_log_file_size(&test, first_segment);
    for (int64_t byte = 0; byte < (int64_t)test.batches[2].size; byte++) {
        for (int bit = 0; bit < 8; bit++) {
            again();
            flip_in_tail(2, byte, bit);
            ck_ok(test_log_open(&test), &test.error);
            bool is_next =
                byte >= 12 && byte < 16 && test.recovery.offline_from > test.batches[2].base_offset;
            ck_assert_int_eq(test.recovery.offline_from, test.batches[is_next ? 3 : 2].base_offset);
            ck_assert_int_eq(test.recovery.cut_offset, -1);
            ck_assert_ptr_nonnull(strstr(test.recovery.reason, first_segment));
            ck_assert_int_eq(test_log_file_size(&test, first_segment), size);
            if (!is_next) {
                ck_assert_int_eq(test_log_expect_from(&test, 0, 300), test.batches[2].base_offset);
            }
            test_log_crash(&test, WEIR_SIM_KILL);
        }
        if (byte >= 70) break;
    }
}
END_TEST

/* The last batch has nothing behind it, but it is whole, and a kill leaves no wrong bytes. */
START_TEST(a_flipped_bit_in_the_last_batch_after_a_kill_is_offline)
{
    make_tail(WEIR_SIM_KILL);
    flip_in_tail(TAIL_BATCHES - 1, 80, 5);
    int64_t size = test_log_file_size(&test, first_segment);
    ck_ok(test_log_open(&test), &test.error);
    const int64_t last = test.batches[TAIL_BATCHES - 1].base_offset;
    ck_assert_int_eq(test.recovery.offline_from, last);
    ck_assert_int_eq(test_log_file_size(&test, first_segment), size);
    ck_assert_int_eq(weir_partition_log_state(test.log).durable_offset, last); /* and is served */
}
END_TEST

static void shorten(int64_t size)
{
    struct weir_file *file = NULL;
    ck_ok(weir_file_open(test.env, test_log_path(&test, first_segment), WEIR_OPEN_WRITE, &file,
                         &test.error),
          &test.error);
    ck_ok(weir_file_truncate(file, size, &test.error), &test.error);
    weir_file_close(file);
}

/* What the end of the file cuts short is torn, at every byte of the last batch, and only that goes. */
START_TEST(a_last_batch_cut_short_by_a_kill_is_cut)
{
    make_tail(WEIR_SIM_KILL);
    weir_sim_disk_copy(test.sim, 0, 1);
    int64_t last = tail_positions[TAIL_BATCHES - 1];
    for (int64_t size = last; size < tail_positions[TAIL_BATCHES]; size++) {
        again();
        shorten(size);
        ck_ok(test_log_open(&test), &test.error);
        ck_assert_int_eq(test.recovery.offline_from, -1);
        ck_assert_int_eq(test.recovery.cut_bytes, size - last);
        ck_assert(!test.recovery.cut_may_be_rot);
        ck_assert_str_eq(test.recovery.cut_kept, "");
        ck_assert_int_eq(weir_partition_log_state(test.log).end_offset,
                         test.batches[TAIL_BATCHES - 1].base_offset);
        test_log_crash(&test, WEIR_SIM_KILL);
    }
}
END_TEST

/* A last batch cut short whose header is not the one that belongs there is no torn one. */
START_TEST(a_short_tail_of_another_offset_is_offline)
{
    make_tail(WEIR_SIM_KILL);
    shorten(tail_positions[TAIL_BATCHES] - 1);
    flip_in_tail(TAIL_BATCHES - 1, 7, 0);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.offline_from, test.batches[TAIL_BATCHES - 1].base_offset);
}
END_TEST

/* What a loss of power may have done is cut, said to be perhaps more than that, and kept. */
START_TEST(rot_above_the_mark_after_power_loss_is_cut_reported_and_kept)
{
    make_tail(WEIR_SIM_POWER);
    flip_in_tail(2, 70, 2);
    int64_t cut = tail_positions[TAIL_BATCHES] - tail_positions[2];
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.cut_offset, test.batches[2].base_offset);
    ck_assert_int_eq(test.recovery.cut_bytes, cut);
    ck_assert(test.recovery.cut_may_be_rot);
    ck_assert_int_eq(test_log_file_size(&test, test.recovery.cut_kept), cut);
    ck_assert_ptr_nonnull(strstr(test.recovery.reason, "may be rot"));
    char kept[64];
    (void)snprintf(kept, sizeof kept, "%s", test.recovery.cut_kept);
    test_log_expect_all(&test);

    /* The kept bytes are those that were cut, but for the bit, and no segment to anyone. */
    static uint8_t bytes[4096];
    struct weir_file *file = NULL;
    ck_ok(weir_file_open(test.env, test_log_path(&test, kept), WEIR_OPEN_READ, &file, NULL), NULL);
    ck_assert_int_eq(weir_file_read(file, bytes, sizeof bytes, 0, NULL), cut);
    weir_file_close(file);
    ck_assert_mem_eq(bytes + test.batches[2].size, test.batches[3].bytes, test.batches[3].size);
    ck_ok(test_log_close(&test), &test.error);
    test_log_expect_verified(&test);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test_log_file_size(&test, kept), cut);
}
END_TEST

/* The length decides where the next batch is looked for; whole ones behind it are found all the
 * same, and where there are none its crc fits what the file has left. */
START_TEST(a_flipped_length_after_power_loss_is_told_from_a_torn_tail)
{
    make_tail(WEIR_SIM_POWER);
    weir_sim_disk_copy(test.sim, 0, 1);
    flip_in_tail(3, 9, 3); /* half a MiB more than there is */
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.cut_offset, test.batches[3].base_offset);
    ck_assert(test.recovery.cut_may_be_rot);
    ck_assert_str_ne(test.recovery.cut_kept, "");
    test_log_crash(&test, WEIR_SIM_POWER);

    again();
    flip_in_tail(TAIL_BATCHES - 1, 9, 3);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.cut_offset, test.batches[TAIL_BATCHES - 1].base_offset);
    ck_assert(test.recovery.cut_may_be_rot);
    ck_assert_str_ne(test.recovery.cut_kept, "");
    ck_assert_ptr_nonnull(strstr(test.recovery.reason, "rot"));
}
END_TEST

/* The bytes of a file from `from` to its end; nothing, if there is no such file. */
static size_t bytes_of(const char *name, int64_t from, uint8_t *to, size_t size)
{
    struct weir_file *file = NULL;
    if (!test_log_exists(&test, name)) return 0;
    ck_ok(weir_file_open(test.env, test_log_path(&test, name), WEIR_OPEN_READ, &file, &test.error),
          &test.error);
    int64_t got = weir_file_read(file, to, size, from, &test.error);
    weir_file_close(file);
    ck_ok((int)got, &test.error);
    return (size_t)got;
}

/* A tail that may be rot is cut only when its bytes lie beside the segment, all of them. */
static void check_kept(const uint8_t *tail, size_t size)
{
    static const char *const endings[] = {".cut", ".1.cut", ".2.cut"};
    uint8_t found[4096];
    bool is_kept = false;
    if (bytes_of(first_segment, tail_positions[3], found, sizeof found) == size) {
        ck_assert_mem_eq(found, tail, size);
        return; /* it is still there */
    }
    for (size_t i = 0; i < 3; i++) {
        char name[96];
        (void)snprintf(name, sizeof name, "%s.%lld%s", first_segment, (long long)tail_positions[3],
                       endings[i]);
        is_kept = is_kept || (bytes_of(name, 0, found, sizeof found) == size &&
                              memcmp(found, tail, size) == 0);
    }
    ck_assert_msg(is_kept, "bytes were cut and not kept");
}

/* An open that cuts a tail fails at each place, of the disk or of memory: what it finds is not decided
 * without having looked, and nothing is cut that has not been kept. Then it opens as it would have. */
START_TEST(nothing_is_cut_that_could_not_be_kept)
{
    static const enum weir_sim_fault faults[] = {WEIR_SIM_FAULT_NONE,   WEIR_SIM_FAULT_EIO,
                                                 WEIR_SIM_FAULT_ENOSPC, WEIR_SIM_FAULT_READ_EIO,
                                                 WEIR_SIM_FAULT_SYNC,   WEIR_SIM_FAULT_NO_HANDLE};
    uint8_t tail[4096];
    make_tail(WEIR_SIM_POWER);
    bool is_whole =
        _i % 2 == 0; /* else its length is another, and only the search finds the others */
    flip_in_tail(3, is_whole ? 70 : 9, is_whole ? 2 : 3);
    size_t size = bytes_of(first_segment, tail_positions[3], tail, sizeof tail);
    ck_assert_uint_gt(size, 0);
    weir_sim_disk_copy(test.sim, 0, 1);
    struct weir_test_failures failures = {0};
    int failed = 0;
    for (uint64_t at = 1; at < 60; at++) {
        again();
        bool is_memory = faults[_i / 2] == WEIR_SIM_FAULT_NONE;
        if (is_memory && !weir_test_failures_next(&failures)) break;
        weir_sim_disk_count_reset(test.sim, 0);
        weir_sim_disk_plan(test.sim, 0,
                           (struct weir_sim_fault_plan){.fault = faults[_i / 2], .at = at});
        if (is_memory) weir_test_failures_arm(&failures, test.env->heap);
        int rc = test_log_open(&test);
        if (is_memory) (void)weir_test_failures_disarm(&failures);
        weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
        check_kept(tail, size);
        if (rc < 0) {
            failed++;
            ck_ok(test_log_open(&test), &test.error);
            check_kept(tail, size);
        }
        struct weir_partition_log_state state = weir_partition_log_state(test.log);
        ck_assert_int_eq(state.end_offset, test.batches[3].base_offset);
        ck_assert(!state.is_offline);
        ck_assert_int_eq(test_log_file_size(&test, first_segment), tail_positions[3]);
        /* The open that cut it says what it may have been, and where it lies. */
        bool has_cut = test.recovery.cut_bytes > 0;
        ck_assert(!has_cut || test.recovery.cut_may_be_rot);
        ck_assert(!has_cut || strcmp(test.recovery.cut_kept, "") != 0);
        test_log_crash(&test, WEIR_SIM_KILL);
    }
    ck_assert_int_gt(failed, 2);
}
END_TEST

/* What is cut is copied piece by piece; all of it is kept, however many pieces that are. */
START_TEST(a_large_tail_is_kept_whole)
{
    static const size_t sizes[] = {(1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 7};
    make_tail(WEIR_SIM_POWER);
    flip_in_tail(3, 70, 2);
    weir_sim_disk_copy(test.sim, 0, 1);
    uint8_t *tail = malloc(4 << 20);
    uint8_t *found = malloc(4 << 20);
    ck_assert_ptr_nonnull(tail);
    ck_assert_ptr_nonnull(found);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        again();
        size_t size = bytes_of(first_segment, tail_positions[3], tail, 4 << 20);
        struct weir_file *file = NULL;
        for (size_t at = size; at < sizes[i]; at++) {
            tail[at] = (uint8_t)(at >> 10);
        }
        ck_ok(weir_file_open(test.env, test_log_path(&test, first_segment), WEIR_OPEN_WRITE, &file,
                             &test.error),
              &test.error);
        struct weir_iovec part = {tail, sizes[i]};
        ck_ok(weir_file_write(file, &part, 1, tail_positions[3], &test.error), &test.error);
        weir_file_close(file);
        ck_ok(test_log_open(&test), &test.error);
        ck_assert_int_eq(test.recovery.cut_bytes, (int64_t)sizes[i]);
        ck_assert_uint_eq(bytes_of(test.recovery.cut_kept, 0, found, 4 << 20), sizes[i]);
        ck_assert_mem_eq(found, tail, sizes[i]);
        test_log_crash(&test, WEIR_SIM_POWER);
    }
    free(tail);
    free(found);
}
END_TEST

/* After a loss of power a last batch that does not fit is cut where the mark is whole, or was never
 * there; where it is damaged nobody knows how far the log was durable, and nothing is cut. */
START_TEST(behind_a_damaged_mark_nothing_is_cut)
{
    enum { WHOLE, MISSING, DAMAGED };
    make_tail(WEIR_SIM_POWER);
    weir_sim_disk_copy(test.sim, 0, 1);
    int64_t size = test_log_file_size(&test, first_segment);
    for (int mark = WHOLE; mark <= DAMAGED; mark++) {
        again();
        if (mark == MISSING) test_log_lose_marks(&test);
        const char *path = test_log_path(&test, WEIR_DURABLE_MARK_NAME);
        if (mark == DAMAGED) ck_ok(weir_sim_disk_flip(test.sim, 0, path, 20, 1), NULL);
        flip_in_tail(TAIL_BATCHES - 1, WEIR_BATCH_HEADER_SIZE, 1);
        ck_ok(test_log_open(&test), &test.error);
        int64_t last = test.batches[TAIL_BATCHES - 1].base_offset;
        ck_assert_int_eq(test.recovery.offline_from, mark == DAMAGED ? last : -1);
        ck_assert_int_eq(test.recovery.cut_offset, mark == DAMAGED ? -1 : last);
        ck_assert(mark == DAMAGED ? test.recovery.cut_bytes == 0 : test.recovery.cut_bytes > 0);
        ck_assert(test_log_file_size(&test, first_segment) == size || mark != DAMAGED);
        test_log_crash(&test, WEIR_SIM_POWER);
    }
}
END_TEST

/* A batch that lies behind a hole larger than any window of the search. */
START_TEST(a_batch_far_behind_a_hole_is_found)
{
    static uint8_t value[8192];
    memset(value, 'x', sizeof value);
    make_tail(WEIR_SIM_KILL);
    struct weir_file *file = NULL;
    ck_ok(weir_file_open(test.env, test_log_path(&test, first_segment),
                         WEIR_OPEN_READ | WEIR_OPEN_WRITE, &file, &test.error),
          &test.error);
    int64_t at = tail_positions[3];
    int64_t far = at + (2 << 20) + 17;
    for (; at < far; at += (int64_t)sizeof value) {
        struct weir_iovec part = {value, sizeof value};
        ck_ok(weir_file_write(file, &part, 1, at, &test.error), &test.error);
    }
    struct weir_iovec part = {test.batches[5].bytes, test.batches[5].size};
    ck_ok(weir_file_write(file, &part, 1, at, &test.error), &test.error);
    struct weir_batch_search search = {
        .file = file,
        .budget = test.env->budget,
        .position = tail_positions[3],
        .limit = at + (int64_t)test.batches[5].size,
        .offset_min = test.batches[3].base_offset,
        .epoch_min = WEIR_NO_LEADER_EPOCH,
    };
    struct weir_batch_header header;
    int64_t found;
    ck_ok(weir_segment_find_batch(&search, &header, &found, &test.error), &test.error);
    ck_assert_int_eq(found, at);
    ck_assert_int_eq(header.base_offset, test.batches[5].base_offset);
    search.offset_min = header.base_offset + 1;
    ck_assert_int_eq(weir_segment_find_batch(&search, &header, &found, &test.error), WEIR_END);
    search.offset_min = 0;
    search.limit--;
    ck_assert_int_eq(weir_segment_find_batch(&search, &header, &found, &test.error), WEIR_END);
    weir_file_close(file);
}
END_TEST

/* The search goes window by window: a batch that begins in one and ends in the next, at any place of its
 * own, is found as any other. */
START_TEST(a_batch_across_two_windows_is_found)
{
    enum { WINDOW = 1024 * 1024 };
    make_tail(WEIR_SIM_KILL);
    struct weir_file *file = NULL;
    ck_ok(weir_file_open(test.env, test_log_path(&test, first_segment),
                         WEIR_OPEN_READ | WEIR_OPEN_WRITE, &file, &test.error),
          &test.error);
    const struct test_batch *batch = &test.batches[5];
    uint8_t *bytes = malloc(2 * WINDOW);
    ck_assert_ptr_nonnull(bytes);
    for (size_t before = 0; before <= batch->size + 1; before += before < 70 ? 1 : 13) {
        size_t at = WINDOW - before;
        memset(bytes, 'x', 2 * WINDOW);
        memcpy(bytes + at, batch->bytes, batch->size);
        struct weir_iovec part = {bytes, at + batch->size + 100};
        ck_ok(weir_file_write(file, &part, 1, 0, &test.error), &test.error);
        struct weir_batch_search search = {
            .file = file,
            .budget = test.env->budget,
            .limit = (int64_t)part.size,
            .epoch_min = WEIR_NO_LEADER_EPOCH,
        };
        struct weir_batch_header header;
        int64_t found = -1;
        ck_ok(weir_segment_find_batch(&search, &header, &found, &test.error), &test.error);
        ck_assert_int_eq(found, (int64_t)at);
        ck_assert_int_eq(header.base_offset, batch->base_offset);
    }
    free(bytes);
    weir_file_close(file);
}
END_TEST

/* The crc does not cover a batch's length. One whose length no batch can have is no batch, although all
 * that its crc covers is whole, and although a batch of its size was looked at just before it. */
START_TEST(a_batch_with_a_senseless_length_is_none)
{
    static const uint32_t lengths[] = {0, 48, UINT32_MAX, INT32_MAX};
    make_tail(WEIR_SIM_KILL);
    struct weir_file *file = NULL;
    ck_ok(weir_file_open(test.env, test_log_path(&test, first_segment),
                         WEIR_OPEN_READ | WEIR_OPEN_WRITE, &file, &test.error),
          &test.error);
    const struct test_batch *batch =
        &test.batches[6]; /* of one record: no header seems to lie in it */
    size_t size = batch->size;
    uint8_t *both = malloc(2 * size);
    ck_assert_ptr_nonnull(both);
    for (size_t i = 0; i <= sizeof lengths / sizeof lengths[0]; i++) {
        bool is_whole = i == sizeof lengths / sizeof lengths[0];
        memcpy(both, batch->bytes, size);
        memcpy(both + size, batch->bytes, size);
        both[size - 1] ^= 1;
        if (!is_whole) weir_store_u32(both + size + 8, lengths[i]);
        struct weir_iovec part = {both, 2 * size};
        ck_ok(weir_file_write(file, &part, 1, tail_positions[3], &test.error), &test.error);
        struct weir_batch_search search = {
            .file = file,
            .budget = test.env->budget,
            .position = tail_positions[3],
            .limit = tail_positions[3] + (int64_t)(2 * size),
            .offset_min = 0,
            .epoch_min = WEIR_NO_LEADER_EPOCH,
        };
        struct weir_batch_header header;
        int64_t found;
        ck_assert_int_eq(weir_segment_find_batch(&search, &header, &found, &test.error),
                         is_whole ? 0 : WEIR_END);
    }
    free(both);
    weir_file_close(file);
}
END_TEST

/* Power was lost, and before this log was opened again its process was killed in the new boot: that
 * says nothing of the bytes that the old boot wrote. */
START_TEST(a_kill_in_the_next_boot_proves_nothing_of_an_unopened_log)
{
    make_tail(WEIR_SIM_POWER);
    flip_in_tail(2, 70, 2);
    test_log_crash(&test, WEIR_SIM_KILL);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.offline_from, -1);
    ck_assert_int_eq(test.recovery.cut_offset, test.batches[2].base_offset);
}
END_TEST

/* A sync of this log's file failed while another made room for its own, and the kill came before
 * the log had heard of it: what is gone from the page cache is no rot. */
START_TEST(a_sync_that_failed_for_room_proves_no_rot)
{
    struct weir_file_set files;
    weir_file_set_init(&files, 1);
    test.options.files = &files;
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 3);
    struct weir_kept_file *other = weir_kept_file_new(test.env->budget, &files);
    weir_sim_disk_count_reset(test.sim, 0);
    weir_sim_disk_plan(
        test.sim, 0,
        (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_SYNC, .at = 1, .is_sticky = true});
    ck_ok(weir_kept_file_hold(other, test.env, test_log_path(&test, "other"),
                              WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &test.error),
          &test.error);
    weir_kept_file_release(other);
    weir_kept_file_unref(other);
    ck_assert(!weir_partition_log_state(test.log).is_offline);
    test_log_crash(&test, WEIR_SIM_KILL);
    weir_file_set_init(&files, 1);
    weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.offline_from, -1);
    ck_assert_int_eq(test.recovery.cut_offset, 0);
    ck_ok(test_log_close(&test), &test.error);
    test.options.files = NULL;
}
END_TEST

/* Without a descriptor nobody knows whether it is rot: neither an open nor a verification takes it
 * for a torn tail. */
START_TEST(a_shortage_does_not_make_rot_a_torn_tail)
{
    struct weir_verify_summary summary;
    make_tail(WEIR_SIM_KILL);
    flip_in_tail(2, 70, 2);
    weir_sim_disk_copy(test.sim, 0, 1);
    int64_t size = test_log_file_size(&test, first_segment);
    bool is_over = false;
    for (uint64_t at = 1; !is_over; at++) {
        struct weir_sim_fault_plan plan = {.fault = WEIR_SIM_FAULT_NO_HANDLE, .at = at};
        again();
        weir_sim_disk_count_reset(test.sim, 0);
        weir_sim_disk_plan(test.sim, 0, plan);
        int rc = weir_partition_log_verify(test.env, test.options.path, NULL, NULL, &summary, NULL);
        ck_assert(weir_code_is_shortage(rc) || (rc == 0 && summary.tail_count == 0));
        weir_sim_disk_count_reset(test.sim, 0);
        weir_sim_disk_plan(test.sim, 0, plan);
        rc = test_log_open(&test);
        is_over = weir_sim_open_count(test.sim, 0) < at;
        weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
        ck_assert_int_eq(test_log_file_size(&test, first_segment), size);
        if (weir_code_is_shortage(rc)) continue;
        ck_ok(rc, &test.error);
        ck_assert_int_eq(test.recovery.offline_from, test.batches[2].base_offset);
        test_log_crash(&test, WEIR_SIM_KILL);
    }
}
END_TEST

/* Verification says before an open what the open will do: rot after a kill is damage, after a loss of
 * power a tail, and what an open has written down is damage until it is repaired. */
START_TEST(verify_says_what_an_open_will_do)
{
    static const int64_t bytes[] = {70, 10, 16}; /* of a record, of the length, the magic */
    struct weir_verify_summary summary;
    for (int i = 0; i < 6; i++) {
        int kind = i % 2;
        test_log_stop(&test);
        test_log_start(&test, 1);
        make_tail(kind == 0 ? WEIR_SIM_KILL : WEIR_SIM_POWER);
        flip_in_tail(2, bytes[i / 2], 2);
        ck_ok(weir_partition_log_verify(test.env, test.options.path, NULL, NULL, &summary, NULL),
              NULL);
        ck_assert_int_eq(summary.damage_count, kind == 0 ? 1 : 0);
        ck_assert_int_eq(summary.tail_count, kind == 0 ? 0 : 1);
        ck_assert_int_eq(summary.rot_count, summary.tail_count);
        ck_ok(test_log_open(&test), &test.error);
        ck_assert((test.recovery.offline_from >= 0) == (kind == 0));
        ck_assert_int_eq(test.recovery.cut_may_be_rot, summary.rot_count);
        ck_ok(test_log_close(&test), &test.error);
        ck_ok(weir_partition_log_verify(test.env, test.options.path, NULL, NULL, &summary, NULL),
              NULL);
        ck_assert((summary.damage_count > 0) == (kind == 0));
        ck_assert_int_eq(summary.tail_count, 0);
    }
}
END_TEST

/* One bad batch is one finding, wherever it is: what follows in other segments is sound, and not measured by
 * what could not be read. */
START_TEST(verify_lays_damage_to_one_place)
{
    struct weir_verify_summary summary;
    const char *name = "00000000000000000000.log";
    test.options.config.segment_bytes = 600;
    make_closed_log(30);
    (void)weir_sim_node(test.sim, 1);
    weir_sim_disk_copy(test.sim, 0, 1);
    int64_t size = test_log_file_size(&test, name);
    for (int64_t at = 0; at < size; at += 7) {
        weir_sim_disk_copy(test.sim, 1, 0);
        test.env = weir_sim_node(test.sim, 0);
        ck_ok(weir_sim_disk_flip(test.sim, 0, test_log_path(&test, name), at, 4), NULL);
        ck_ok(weir_partition_log_verify(test.env, test.options.path, NULL, NULL, &summary, NULL),
              NULL);
        ck_assert_int_eq(summary.damage_count, 1);
    }
}
END_TEST

/* A tail that a write has left is one, and not called rot. */
START_TEST(verify_calls_a_short_tail_a_tail)
{
    struct weir_verify_summary summary;
    make_tail(WEIR_SIM_POWER);
    shorten(tail_positions[TAIL_BATCHES] - 7);
    ck_ok(weir_partition_log_verify(test.env, test.options.path, NULL, NULL, &summary, NULL), NULL);
    ck_assert_int_eq(summary.damage_count, 0);
    ck_assert_int_eq(summary.tail_count, 1);
    ck_assert_int_eq(summary.rot_count, 0);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert(test.recovery.cut_bytes > 0 && !test.recovery.cut_may_be_rot);
}
END_TEST

/* A segment behind those that the mark knows takes the log offline; verification says so, too. */
START_TEST(verify_finds_a_segment_that_the_mark_does_not_know)
{
    struct weir_verify_summary summary;
    make_closed_log(30);
    test_log_write_file(&test, "00000000000000001000.log", "bytes", 5);
    ck_ok(weir_partition_log_verify(test.env, test.options.path, NULL, NULL, &summary, NULL), NULL);
    ck_assert_int_eq(summary.damage_count, 1);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_ge(test.recovery.offline_from, 0);
}
END_TEST

/* One batch of `value_size` at the start of an empty log, closed. */
static void make_log_of_one(int value_size)
{
    struct test_append append = {
        .record_count = 1, .value_size = value_size, .timestamp_ms = 1000, .now_ms = 1000};
    test_log_stop(&test);
    test_log_start(&test, 1);
    ck_ok(test_log_open(&test), &test.error);
    ck_ok(test_log_append(&test, &append, NULL), &test.error);
    ck_ok(test_log_close(&test), &test.error);
}

/* Another log's last segment, longer and whole, whose batch goes on past where the mark ends. */
START_TEST(verify_finds_a_batch_across_the_end_of_the_mark)
{
    struct weir_verify_summary summary;
    uint8_t mark[4096];
    make_log_of_one(20);
    int64_t size_sure = test_log_file_size(&test, first_segment);
    size_t size = bytes_of("durable-mark", 0, mark, sizeof mark);
    make_log_of_one(200);
    ck_assert_int_gt(test_log_file_size(&test, first_segment), size_sure);
    test_log_lose_marks(&test);
    test_log_write_file(&test, "durable-mark", mark, size);
    ck_ok(weir_partition_log_verify(test.env, test.options.path, NULL, NULL, &summary, NULL), NULL);
    ck_assert_int_eq(summary.damage_count, 1);
    ck_assert_int_eq(summary.tail_count, 0);
}
END_TEST

/* ---- what is known stays known --------------------------------------------------------------- */

/* However it ended and whatever was lost since, the damage that a reader found is known, and above
 * the mark nothing of it is cut. */
START_TEST(damage_found_by_a_reader_is_known_after_any_end)
{
    for (int end = 0; end < 3; end++) {
        test_log_stop(&test);
        test_log_start(&test, 1);
        test.options.mark_interval_bytes = 1 << 20;
        ck_ok(test_log_open(&test), &test.error);
        test_log_fill(&test, 6);
        ck_ok(test_log_sync(&test), &test.error);
        int64_t size = test_log_file_size(&test, first_segment);
        int64_t from = test.batches[3].base_offset;
        weir_partition_log_damaged(test.log, from, "a reader's crc");
        if (end == 0) ck_ok(test_log_close(&test), &test.error);
        if (end == 1) test_log_crash(&test, WEIR_SIM_KILL);
        if (end == 2) test_log_crash(&test, WEIR_SIM_POWER);
        for (int i = 0; i < 2; i++) {
            ck_ok(test_log_open(&test), &test.error);
            ck_assert_int_eq(test.recovery.offline_from, from);
            ck_assert_ptr_nonnull(strstr(test.recovery.reason, "a reader's crc"));
            ck_assert_int_eq(test_log_expect_from(&test, 0, 100), from);
            ck_code(test_log_append(&test, &(struct test_append){0}, NULL), WEIR_OFFLINE);
            ck_assert_int_eq(test_log_file_size(&test, first_segment), size);
            ck_ok(test_log_close(&test), &test.error);
        }
    }
}
END_TEST

/* The log's end as an earlier finding wrote it down stays, though the log that is there now ends below
 * it: a repair is not to give an offset twice. */
START_TEST(new_damage_does_not_take_the_known_end_back)
{
    struct weir_damage damage = {.from = 12, .end = 1000, .reason = "a reader's crc"};
    make_closed_log(30);
    ck_ok(weir_damage_file_write(test.env, test.options.path, &damage, &test.error), NULL);
    ck_ok(test_log_open(&test), &test.error);
    weir_partition_log_damaged(test.log, 3, "another");
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(weir_damage_file_read(test.env, test.env->budget, test.options.path, &damage, NULL),
          NULL);
    ck_assert_int_eq(damage.from, 3);
    ck_assert_int_eq(damage.end, 1000);
}
END_TEST

static int retain(void)
{
    return weir_partition_log_retain(test.log, weir_wall_now(test.env), &test.error);
}

/* Without room for it the damage cannot be written down; the next sync that ends does, or the next
 * turn of retention, and a kill behind it makes nobody forget. */
START_TEST(damage_that_could_not_be_written_down_is_as_soon_as_it_can)
{
    for (int turn = 0; turn < 2; turn++) {
        test_log_stop(&test);
        test_log_start(&test, 1);
        ck_ok(test_log_open(&test), &test.error);
        test_log_fill(&test, 6);
        int64_t from = test.batches[3].base_offset;
        weir_sim_disk_count_reset(test.sim, 0);
        weir_sim_disk_plan(test.sim, 0,
                           (struct weir_sim_fault_plan){
                               .fault = WEIR_SIM_FAULT_ENOSPC, .at = 1, .is_sticky = true});
        weir_partition_log_damaged(test.log, from, "a reader's crc");
        ck_assert(!test_log_exists(&test, "damage"));
        ck_assert(weir_partition_log_owes_damage(test.log));
        ck_assert_int_eq(retain(), 0);
        ck_assert(weir_partition_log_owes_damage(test.log)); /* there is no room yet */
        weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
        if (turn == 0) ck_ok(test_log_sync(&test), &test.error);
        if (turn == 1) ck_assert_int_eq(retain(), 0);
        ck_assert(!weir_partition_log_owes_damage(test.log));
        test_log_crash(&test, WEIR_SIM_KILL);
        ck_ok(test_log_open(&test), &test.error);
        ck_assert_int_eq(test.recovery.offline_from, from);
        ck_assert_ptr_nonnull(strstr(test.recovery.reason, "a reader's crc"));
        ck_ok(test_log_close(&test), &test.error);
    }
}
END_TEST

/* Damage that is written down and a segment, or the end of one, that is gone as well: the lower of
 * the two is where serving ends. */
START_TEST(of_two_damages_the_lower_counts)
{
    test.options.config.segment_bytes = 600;
    make_closed_log(30);
    char name[64];
    size_t gone = 10;
    do {
        gone++;
        (void)snprintf(name, sizeof name, "%020lld.log", (long long)test.batches[gone].base_offset);
    } while (!test_log_exists(&test, name));
    static const char *const reasons[] = {"a reader's crc", "is shorter", "a reader's crc",
                                          "is missing"};
    for (int i = 0; i < 4; i++) {
        size_t known_batch = i % 2 == 0 ? gone - 5 : gone + 5;
        struct weir_damage known = {.from = test.batches[known_batch].base_offset,
                                    .end = end_of_model(),
                                    .reason = "a reader's crc"};
        ck_ok(weir_damage_file_write(test.env, test.options.path, &known, &test.error), NULL);
        if (i < 2) test_log_write_file(&test, name, "", 0);
        if (i == 2) ck_ok(weir_remove(test.env, test_log_path(&test, name), NULL), NULL);
        int64_t from = i % 2 == 0 ? known.from : test.batches[gone].base_offset;
        ck_ok(test_log_open(&test), &test.error);
        ck_assert_int_eq(test.recovery.offline_from, from);
        ck_assert_int_eq(weir_partition_log_offline_from(test.log), from);
        ck_assert_ptr_nonnull(strstr(test.recovery.reason, reasons[i]));
        ck_assert_int_eq(test_log_expect_from(&test, 0, 500), from);
        ck_ok(test_log_close(&test), &test.error);
    }
}
END_TEST

/* Rot that opening found after a kill is not cut when the power has gone since: the file is there. */
START_TEST(rot_found_by_an_open_is_known_in_the_next_boot)
{
    make_tail(WEIR_SIM_KILL);
    flip_in_tail(2, 70, 2);
    int64_t size = test_log_file_size(&test, first_segment);
    for (int i = 0; i < 2; i++) {
        ck_ok(test_log_open(&test), &test.error);
        ck_assert_int_eq(test.recovery.offline_from, test.batches[2].base_offset);
        ck_assert_int_eq(test_log_file_size(&test, first_segment), size);
        test_log_crash(&test, WEIR_SIM_POWER);
    }
}
END_TEST

#define RANGE(from, end) "version=1\nfrom=" from "\nend=" end "\ntime=0\nreason=x\n"

/* A file that says damage and not which, or a range that no log can have: everything is offline. A newer
 * one is refused. */
START_TEST(an_unreadable_damage_file_takes_all_offline)
{
    static const char *const texts[] = {"",
                                        "version=1\n",
                                        "from=3\n",
                                        "version=1\nfrom=3\nend=5\ntime=0\nreason=x",
                                        "version=1\nfrom=-3\nend=5\ntime=0\nreason=x\n",
                                        "version=1\nfrom=3x\nend=5\ntime=0\nreason=x\n",
                                        RANGE("3", "2"),
                                        RANGE("3", "9223372036854775807"),
                                        RANGE("4611686018427387904", "-1")};
    make_closed_log(6);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        test_log_write_file(&test, "damage", texts[i], strlen(texts[i]));
        ck_ok(test_log_open(&test), &test.error);
        ck_assert_int_eq(test.recovery.offline_from, 0);
        ck_assert_ptr_nonnull(strstr(test.recovery.reason, "damage"));
        ck_ok(test_log_close(&test), &test.error);
    }
    const char *range = RANGE("3", "9223372036854775807");
    struct weir_damage damage;
    test_log_write_file(&test, "damage", range, strlen(range));
    ck_code(
        weir_damage_file_read(test.env, test.env->budget, test.options.path, &damage, &test.error),
        WEIR_CORRUPT);
    ck_assert_msg(strstr(test.error.text, "from 3 to 9223372036854775807 is no range") != NULL,
                  "%s", test.error.text);
    test_log_write_file(&test, "damage", "version=2\nall=new\n", 18);
    ck_code(test_log_open(&test), WEIR_UNSUPPORTED_VERSION);
    ck_ok(weir_remove(test.env, test_log_path(&test, "damage"), &test.error), &test.error);
    ck_ok(test_log_open(&test), &test.error);
    test_log_expect_all(&test);
}
END_TEST

static void expect_written_as_read(const struct weir_damage *damage)
{
    struct weir_damage read = {0};
    const char *path = test.options.path;
    ck_ok(weir_damage_file_write(test.env, path, damage, &test.error), &test.error);
    ck_ok(weir_damage_file_read(test.env, test.env->budget, path, &read, &test.error), &test.error);
    ck_assert_int_eq(read.from, damage->from);
    ck_assert_int_eq(read.end, damage->end);
    ck_assert_int_eq(read.time.ms, damage->time.ms);
    ck_assert_str_eq(read.reason, damage->reason);
}

/* Each range that a log can have is read as it was written, the first and the last offset and an end that
 * is not known included, and so is the longest reason. */
START_TEST(a_damage_file_is_read_as_it_was_written)
{
    static const int64_t last = INT64_MAX / 2;
    static const int64_t ranges[][2] = {{0, 0},     {0, -1},   {0, 1},      {3, 3},
                                        {last, -1}, {0, last}, {last, last}};
    make_closed_log(6);
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        struct weir_damage damage = {
            .from = ranges[i][0], .end = ranges[i][1], .time = {(int64_t)i * 1000}, .reason = "x"};
        expect_written_as_read(&damage);
        memset(damage.reason, 'r', sizeof damage.reason - 1);
        expect_written_as_read(&damage);
    }
}
END_TEST

/* A tail of zeros, as a file system leaves it when the size was written and the data was not (L2).
 * */
START_TEST(a_tail_of_zeros_is_cut)
{
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 4);
    ck_ok(test_log_sync(&test), &test.error);
    int64_t end = weir_partition_log_state(test.log).end_offset;
    test_log_crash(&test, WEIR_SIM_POWER);
    struct weir_file *file = NULL;
    ck_ok(weir_file_open(test.env, test_log_path(&test, "00000000000000000000.log"),
                         WEIR_OPEN_WRITE, &file, &test.error),
          &test.error);
    int64_t size = test_log_file_size(&test, "00000000000000000000.log");
    ck_ok(weir_file_truncate(file, size + 5000, &test.error), &test.error);
    weir_file_close(file);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.cut_bytes, 5000);
    ck_assert(!test.recovery.cut_may_be_rot);
    ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, end);
    test_log_expect_all(&test);
}
END_TEST

/* A whole batch in the wrong place above the mark is not taken (L15). */
START_TEST(a_misdirected_batch_is_not_taken)
{
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 4);
    int64_t end = weir_partition_log_state(test.log).end_offset;
    int64_t size = weir_partition_log_state(test.log).size_bytes;
    test_log_crash(&test, WEIR_SIM_KILL);
    struct weir_file *file = NULL;
    struct weir_iovec part = {test.batches[1].bytes, test.batches[1].size};
    ck_ok(weir_file_open(test.env, test_log_path(&test, "00000000000000000000.log"),
                         WEIR_OPEN_WRITE, &file, &test.error),
          &test.error);
    ck_ok(weir_file_write(file, &part, 1, size, &test.error), &test.error);
    weir_file_close(file);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, end);
    test_log_expect_all(&test);
}
END_TEST

/* ---- without a mark -------------------------------------------------------------------------- */

/* A mark that was deleted comes back from the log, with producers and epochs. */
START_TEST(a_missing_mark_is_made_anew)
{
    test.options.config.segment_bytes = 600;
    make_closed_log(30);
    test_log_lose_marks(&test);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert(!test.recovery.had_mark);
    ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, end_of_model());
    test_log_expect_all(&test);
    int32_t epoch;
    int64_t end;
    weir_partition_log_epoch_end(test.log, 1, &epoch, &end);
    ck_assert_int_eq(epoch, 1);
    ck_assert_int_gt(end, 0);
    ck_assert_int_lt(end, end_of_model());
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert(test.recovery.was_clean);
}
END_TEST

/* A folder of another topic is refused, with and without a mark, and not touched. */
START_TEST(a_folder_of_another_topic_is_refused)
{
    make_closed_log(3);
    test.options.topic_id.bytes[0] ^= 1;
    uint64_t before = weir_sim_disk_hash(test.sim, 0, test.options.path);
    ck_code(test_log_open(&test), WEIR_CORRUPT);
    ck_assert_uint_eq(weir_sim_disk_hash(test.sim, 0, test.options.path), before);
    test_log_lose_marks(&test);
    ck_code(test_log_open(&test), WEIR_CORRUPT);
}
END_TEST

/* Files that are not the log's stay where they are, whatever they are called. */
START_TEST(foreign_files_are_left_alone)
{
    static const char *const names[] = {"notes.txt", "00000000000000000001.log.bak",
                                        "1.log",     "0000000000000000000x.log",
                                        ".hidden",   "12.index"};
    make_closed_log(5);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        test_log_write_file(&test, names[i], "mine", 4);
    }
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 90);
    ck_ok(weir_partition_log_set_start(test.log, 40, &test.error), &test.error);
    ck_ok(test_log_close(&test), &test.error);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_int_eq(test_log_file_size(&test, names[i]), 4);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("damage");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, every_bit_of_a_small_log_is_guarded);
    tcase_add_test(tests, a_bit_in_every_byte_is_guarded);
    tcase_add_test(tests, a_damaged_header_takes_its_range_offline);
    tcase_add_test(tests, a_reported_crc_takes_its_range_offline);
    tcase_add_test(tests, a_missing_segment_takes_its_range_offline);
    tcase_add_test(tests, a_short_segment_is_never_cut_further);
    tcase_add_test(tests, verify_says_what_an_open_will_do);
    tcase_add_test(tests, verify_calls_a_short_tail_a_tail);
    tcase_add_test(tests, verify_lays_damage_to_one_place);
    tcase_add_test(tests, verify_finds_a_segment_that_the_mark_does_not_know);
    tcase_add_test(tests, verify_finds_a_batch_across_the_end_of_the_mark);
    tcase_add_test(tests, damage_found_by_a_reader_is_known_after_any_end);
    tcase_add_test(tests, damage_that_could_not_be_written_down_is_as_soon_as_it_can);
    tcase_add_test(tests, new_damage_does_not_take_the_known_end_back);
    tcase_add_test(tests, of_two_damages_the_lower_counts);
    tcase_add_test(tests, rot_found_by_an_open_is_known_in_the_next_boot);
    tcase_add_test(tests, an_unreadable_damage_file_takes_all_offline);
    tcase_add_test(tests, a_damage_file_is_read_as_it_was_written);
    tcase_add_test(tests, a_flipped_bit_after_a_kill_is_offline_and_never_cut);
    tcase_add_test(tests, a_flipped_bit_in_the_last_batch_after_a_kill_is_offline);
    tcase_add_test(tests, a_last_batch_cut_short_by_a_kill_is_cut);
    tcase_add_test(tests, a_short_tail_of_another_offset_is_offline);
    tcase_add_test(tests, rot_above_the_mark_after_power_loss_is_cut_reported_and_kept);
    tcase_add_test(tests, a_flipped_length_after_power_loss_is_told_from_a_torn_tail);
    tcase_add_test(tests, behind_a_damaged_mark_nothing_is_cut);
    tcase_add_test(tests, a_large_tail_is_kept_whole);
    tcase_add_loop_test(tests, nothing_is_cut_that_could_not_be_kept, 0, 12);
    tcase_add_test(tests, a_batch_far_behind_a_hole_is_found);
    tcase_add_test(tests, a_batch_across_two_windows_is_found);
    tcase_add_test(tests, a_batch_with_a_senseless_length_is_none);
    tcase_add_test(tests, a_kill_in_the_next_boot_proves_nothing_of_an_unopened_log);
    tcase_add_test(tests, a_sync_that_failed_for_room_proves_no_rot);
    tcase_add_test(tests, a_shortage_does_not_make_rot_a_torn_tail);
    tcase_add_test(tests, a_tail_of_zeros_is_cut);
    tcase_add_test(tests, a_misdirected_batch_is_not_taken);
    tcase_add_test(tests, a_missing_mark_is_made_anew);
    tcase_add_test(tests, a_folder_of_another_topic_is_refused);
    tcase_add_test(tests, foreign_files_are_left_alone);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log damage", add);
}
