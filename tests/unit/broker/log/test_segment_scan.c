/**
 * The walk over a segment's batches that recovery, repair, cuts and verification share, and the
 * search for the next batch behind one that is none: on a file that is laid out batch by batch.
 */
#include "broker/log/segment_scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/env/sim/sim.h"
#include "tests/support/support.h"

enum { BATCHES_MAX = 40 };

static struct weir_sim *sim;
static struct weir_env *env;
static struct weir_file *file;
static struct weir_error error;
static struct weir_segment_scan scan;

static struct placed {
    int64_t position, base_offset;
    size_t size;
    int count;
    int32_t epoch;
} placed[BATCHES_MAX];
static size_t placed_count;
static int64_t end_position, end_offset;
static size_t used_before; /* of memory */

static void set_up(void)
{
    sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    env = weir_sim_node(sim, 0);
    ck_ok(weir_file_open(env, "/segment", WEIR_OPEN_READ | WEIR_OPEN_WRITE | WEIR_OPEN_CREATE,
                         &file, &error),
          &error);
    placed_count = 0;
    end_position = 0;
    end_offset = 100;
    used_before = env->budget->used;
}

static void tear_down(void)
{
    weir_file_close(file);
    weir_sim_free(sim);
}

static void write_at(int64_t position, const void *bytes, size_t size)
{
    struct weir_iovec part = {bytes, size};
    ck_ok(weir_file_write(file, &part, 1, position, &error), &error);
}

/* A batch of `count` records at the end, its last one with `value_size` bytes. */
static struct placed *place(int count, size_t value_size, int32_t epoch)
{
    struct weir_batch_builder builder;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_slice batch;
    uint8_t *value = calloc(1, value_size + 1);
    ck_assert_uint_lt(placed_count, BATCHES_MAX);
    weir_batch_builder_init(&builder, env->budget, WEIR_CODEC_NONE, 0);
    for (int i = 0; i < count; i++) {
        const struct weir_record record = {
            .value = weir_slice(value, i + 1 < count ? 1 : value_size), .timestamp_ms = 5 + i};
        ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
    }
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &batch), 0);
    uint8_t *bytes = malloc(batch.size);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, batch.data, batch.size);
    weir_batch_assign(bytes, end_offset, epoch);
    write_at(end_position, bytes, batch.size);
    struct placed *one = &placed[placed_count++];
    *one = (struct placed){end_position, end_offset, batch.size, count, epoch};
    end_position += (int64_t)batch.size;
    end_offset += count;
    free(bytes);
    free(value);
    weir_batch_builder_close(&builder);
    return one;
}

/* Small ones, one that is larger than a window of headers, and one larger than any. */
static void place_some(void)
{
    static const size_t sizes[] = {1, 40, 5000, 3, 300000, 2, 8, 8};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        (void)place(1 + (int)i % 3, sizes[i], 2 + (int32_t)i / 3);
    }
}

static struct weir_segment_scan_options options_of(bool is_headers_only)
{
    return (struct weir_segment_scan_options){
        .file = file,
        .budget = env->budget,
        .limit = end_position,
        .expected_offset = 100,
        .epoch = WEIR_NO_LEADER_EPOCH,
        .is_headers_only = is_headers_only,
    };
}

/* How many batches are given before `rc_out`; each is the one that was placed, from number
 * `first` on. */
static size_t walk(const struct weir_segment_scan_options *options, size_t first, int *rc_out)
{
    struct weir_batch_header header;
    int64_t position;
    size_t count = 0;
    error = (struct weir_error){0};
    weir_segment_scan_init(&scan, options);
    while ((*rc_out = weir_segment_scan_next(&scan, &header, &position, &error)) == 0) {
        const struct placed *one = &placed[first + count++];
        ck_assert_int_eq(position, one->position);
        ck_assert_int_eq(header.base_offset, one->base_offset);
        ck_assert_uint_eq(weir_batch_size(&header), one->size);
        ck_assert_int_eq(header.record_count, one->count);
        ck_assert_int_eq(scan.position, one->position + (int64_t)one->size);
        ck_assert_int_eq(scan.expected_offset, one->base_offset + one->count);
    }
    if (*rc_out < 0) ck_told(*rc_out, &error);
    weir_segment_scan_close(&scan);
    ck_assert_uint_eq(env->budget->used, used_before);
    return count;
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* From the first batch or from any other, to the limit, with crc and by headers alone. */
START_TEST(batches_are_given_in_order)
{
    place_some();
    for (size_t first = 0; first < placed_count; first++) {
        struct weir_segment_scan_options options = options_of(_i == 1);
        int rc;
        options.position = placed[first].position;
        options.expected_offset = placed[first].base_offset;
        options.epoch = placed[first].epoch;
        ck_assert_uint_eq(walk(&options, first, &rc), placed_count - first);
        ck_assert_int_eq(rc, WEIR_END);
        ck_assert(!scan.met_hole);
        options.limit = placed[first].position;
        ck_assert_uint_eq(walk(&options, first, &rc), 0);
        ck_assert_int_eq(rc, WEIR_END);
    }
}
END_TEST

/* A batch that the limit cuts, or the file's end, is what a write left of it; another one that
 * does not fit is not. */
START_TEST(a_batch_that_is_cut_short_is_told_from_another)
{
    place_some();
    const struct placed last = placed[placed_count - 1];
    for (size_t size = 1; size <= last.size; size++) {
        struct weir_segment_scan_options options = options_of(_i == 1);
        int rc;
        options.limit = last.position + (int64_t)size;
        size_t count = walk(&options, 0, &rc);
        bool is_whole = size == last.size;
        ck_assert_uint_eq(count, placed_count - !is_whole);
        ck_assert_int_eq(rc, is_whole ? WEIR_END : WEIR_CORRUPT);
        ck_assert(scan.is_cut_short == !is_whole);
        ck_assert(!scan.was_whole);
        if (is_whole) continue;
        ck_assert_int_eq(scan.position, last.position);
        ck_assert_int_eq(scan.expected_offset, last.base_offset);
    }
    struct weir_segment_scan_options options = options_of(_i == 1);
    int rc;
    options.limit = end_position - 1; /* short, and of another offset */
    write_at(last.position + 7, "\1", 1);
    ck_assert_uint_eq(walk(&options, 0, &rc), placed_count - 1);
    ck_assert_int_eq(rc, WEIR_CORRUPT);
    ck_assert(!scan.is_cut_short);
}
END_TEST

/* A length lies outside the crc: where the crc fits what the file has left, the batch is whole and its length is
 * rot, also of a batch that is larger than any window. What else the length may be, nobody knows. */
START_TEST(a_batch_that_only_its_length_cuts_short_is_whole)
{
    static const size_t sizes[] = {1, 40, 700000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        (void)place(2, sizes[i], 2);
        const struct placed last = placed[placed_count - 1];
        struct weir_segment_scan_options options = options_of(false);
        uint8_t length[4];
        int rc;
        weir_store_u32(length, (uint32_t)(last.size - WEIR_BATCH_OVERHEAD) + 4096);
        write_at(last.position + 8, length, sizeof length);
        ck_assert_uint_eq(walk(&options, 0, &rc), placed_count - 1);
        ck_assert_int_eq(rc, WEIR_CORRUPT);
        ck_assert(!scan.is_cut_short && scan.was_whole);
        ck_assert_int_eq(scan.position, last.position);

        options.limit = end_position - 1; /* and it may be both: then it looks torn */
        ck_assert_uint_eq(walk(&options, 0, &rc), placed_count - 1);
        ck_assert(scan.is_cut_short && !scan.was_whole);
        weir_store_u32(length, (uint32_t)(last.size - WEIR_BATCH_OVERHEAD));
        write_at(last.position + 8, length, sizeof length);
    }
}
END_TEST

/* The file may end before its limit, within a batch. */
START_TEST(a_file_that_ends_early_is_corrupt)
{
    place_some();
    const struct placed last = placed[placed_count - 1];
    for (int64_t by = 1; by <= (int64_t)last.size; by++) {
        struct weir_segment_scan_options options = options_of(_i == 1);
        int rc;
        options.limit = end_position;
        ck_ok(weir_file_truncate(file, end_position - by, &error), &error);
        size_t count = walk(&options, 0, &rc);
        bool has_header = (int64_t)last.size - by >= WEIR_BATCH_HEADER_SIZE;
        bool is_taken = _i == 1 && has_header; /* only headers are looked at */
        ck_assert_uint_eq(count, placed_count - !is_taken);
        ck_assert_int_eq(rc, is_taken ? WEIR_END : WEIR_CORRUPT);
    }
}
END_TEST

/* A bit in the records is seen by the crc, where that is asked for: the batch was whole but for
 * it. */
START_TEST(a_crc_that_does_not_fit_is_told)
{
    place_some();
    const struct placed bad = placed[3];
    struct weir_segment_scan_options options = options_of(_i == 1);
    int rc;
    write_at(bad.position + (int64_t)bad.size - 1, "\x55", 1);
    size_t count = walk(&options, 0, &rc);
    ck_assert_uint_eq(count, _i == 1 ? placed_count : 3);
    ck_assert_int_eq(rc, _i == 1 ? WEIR_END : WEIR_CORRUPT);
    ck_assert(scan.was_whole == (_i == 0));
    ck_assert(!scan.is_cut_short);
    if (_i == 0) ck_assert_int_eq(scan.position, bad.position);
}
END_TEST

/* Offsets may be left out where the segment has holes, and are never taken back. */
START_TEST(offsets_may_be_left_out_in_holes)
{
    (void)place(2, 1, 1);
    end_offset += _i == 2 ? -1 : 3;
    (void)place(2, 1, 1);
    struct weir_segment_scan_options options = options_of(false);
    int rc;
    options.has_holes = _i > 0;
    ck_assert_uint_eq(walk(&options, 0, &rc), _i == 1 ? 2 : 1);
    ck_assert_int_eq(rc, _i == 1 ? WEIR_END : WEIR_CORRUPT);
    ck_assert(scan.met_hole == (_i == 1));
}
END_TEST

/* No batch reaches where the segment is known to end. */
START_TEST(a_batch_ends_before_the_segment_does)
{
    (void)place(2, 1, 1);
    (void)place(3, 1, 1);
    for (int64_t end = 101; end <= 107; end++) {
        struct weir_segment_scan_options options = options_of(true);
        int rc;
        options.end_offset = end;
        ck_assert_uint_eq(walk(&options, 0, &rc), (size_t)(end >= 102) + (end >= 105));
        ck_assert_int_eq(rc, end >= 105 ? WEIR_END : WEIR_CORRUPT);
    }
}
END_TEST

/* An epoch never falls. Where the table of epochs is known a batch has the one that it says, and
 * is refused with another, or given with the right one; above what the table covers it has its
 * own. */
START_TEST(a_batch_has_its_epoch)
{
    struct weir_leader_epochs epochs;
    int rc;
    (void)place(2, 1, 3);
    (void)place(2, 1, 2);
    struct weir_segment_scan_options options = options_of(true);
    ck_assert_uint_eq(walk(&options, 0, &rc), 1);
    ck_assert_int_eq(rc, WEIR_CORRUPT);
    options.epoch = 4;
    ck_assert_uint_eq(walk(&options, 0, &rc), 0);
    options.epoch = WEIR_NO_LEADER_EPOCH;
    weir_leader_epochs_init(&epochs, env->budget);
    ck_ok(weir_leader_epochs_reserve(&epochs), NULL);
    size_t used = env->budget->used; /* with the table */
    weir_leader_epochs_assign(&epochs, 3, 100);
    options.epochs = &epochs;
    for (int64_t covered = 100; covered <= 103; covered++) {
        for (int corrects = 0; corrects < 2; corrects++) {
            struct weir_batch_header header;
            int64_t position;
            options.epochs_end = covered;
            options.corrects_epochs = corrects == 1;
            weir_segment_scan_init(&scan, &options);
            ck_assert_int_eq(weir_segment_scan_next(&scan, &header, &position, &error), 0);
            ck_assert_int_eq(header.leader_epoch, 3);
            ck_assert(!scan.is_epoch_wrong);
            bool is_given = covered > 102 && corrects == 1;
            rc = weir_segment_scan_next(&scan, &header, &position, &error);
            ck_assert_int_eq(rc, is_given ? 0 : WEIR_CORRUPT);
            if (is_given) {
                ck_assert_int_eq(header.leader_epoch, 3);
                ck_assert(scan.is_epoch_wrong);
                ck_assert_int_eq(scan.epoch, 3);
            }
            ck_assert(!scan.is_cut_short);
            weir_segment_scan_close(&scan);
            ck_assert_uint_eq(env->budget->used, used);
        }
    }
    weir_leader_epochs_close(&epochs);
}
END_TEST

/* Without memory, or where a read fails, the walk says that, and not that something does not
 * fit. */
START_TEST(what_cannot_be_read_is_not_corrupt)
{
    struct weir_test_failures failures = {0};
    place_some();
    int rc;
    while (weir_test_failures_next(&failures)) {
        struct weir_segment_scan_options options = options_of(_i == 1);
        weir_test_failures_arm(&failures, env->heap);
        size_t count = walk(&options, 0, &rc);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : WEIR_END);
        if (!was_hit) ck_assert_uint_eq(count, placed_count);
    }
    for (uint64_t at = 1; at < 3; at++) {
        struct weir_segment_scan_options options = options_of(_i == 1);
        weir_sim_disk_count_reset(sim, 0);
        weir_sim_disk_plan(
            sim, 0, (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_READ_EIO, .at = at});
        (void)walk(&options, 0, &rc);
        ck_assert_int_eq(rc, WEIR_IO);
    }
}
END_TEST

/* ---- a place for a batch --------------------------------------------------------------------- */

/* Each bound, from both sides. */
START_TEST(a_batch_fits_its_place)
{
    const struct weir_batch_header header = {
        .base_offset = 50, .length = 100, .last_offset_delta = 9, .leader_epoch = 4};
    const int64_t size = (int64_t)weir_batch_size(&header);
    const struct weir_batch_place whole = {
        .position = 7, .left = size, .expected_offset = 50, .end_offset = 60, .epoch = 4};
    struct weir_batch_place place_of = whole;
    ck_ok(weir_batch_check_place(&header, &place_of, &error), &error);
    place_of.left = size - 1;
    ck_code(weir_batch_check_place(&header, &place_of, &error), WEIR_CORRUPT);
    place_of = whole;
    place_of.expected_offset = 49;
    ck_code(weir_batch_check_place(&header, &place_of, &error), WEIR_CORRUPT);
    place_of.has_holes = true;
    ck_ok(weir_batch_check_place(&header, &place_of, &error), &error);
    place_of.expected_offset = 50;
    ck_ok(weir_batch_check_place(&header, &place_of, &error), &error);
    place_of.expected_offset = 51;
    ck_code(weir_batch_check_place(&header, &place_of, &error), WEIR_CORRUPT);
    place_of = whole;
    place_of.end_offset = 59;
    ck_code(weir_batch_check_place(&header, &place_of, &error), WEIR_CORRUPT);
    place_of.end_offset = INT64_MAX;
    ck_ok(weir_batch_check_place(&header, &place_of, &error), &error);
    place_of.epoch = 5;
    ck_code(weir_batch_check_place(&header, &place_of, &error), WEIR_CORRUPT);
    place_of.epoch = 3;
    ck_ok(weir_batch_check_place(&header, &place_of, &error), &error);
}
END_TEST

/* ---- the search ------------------------------------------------------------------------------ */

static int find(struct weir_batch_search search, struct weir_batch_header *header,
                int64_t *position)
{
    search.file = file;
    search.budget = env->budget;
    if (search.limit == 0) search.limit = end_position;
    int rc = weir_segment_find_batch(&search, header, position, &error);
    ck_assert_uint_eq(env->budget->used, used_before);
    return rc;
}

/* From any byte on it is the first batch that begins there or later, and behind the last one
 * there is none. */
START_TEST(the_next_batch_is_found_from_anywhere)
{
    struct weir_batch_header header;
    int64_t position;
    for (int i = 0; i < 5; i++) {
        (void)place(1 + i, 20, 1 + i);
    }
    for (int64_t from = 0; from <= end_position; from++) {
        size_t next = 0;
        while (next < placed_count && placed[next].position < from) {
            next++;
        }
        int rc = find((struct weir_batch_search){.position = from}, &header, &position);
        ck_assert_int_eq(rc, next < placed_count ? 0 : WEIR_END);
        if (rc != 0) continue;
        ck_assert_int_eq(position, placed[next].position);
        ck_assert_int_eq(header.base_offset, placed[next].base_offset);
    }
}
END_TEST

/* It is whole, crc and all, below the limit, of an offset and an epoch that may come, and the
 * offset is not so far off that it makes no sense. */
START_TEST(what_is_found_may_come_next)
{
    struct weir_batch_header header;
    int64_t position;
    for (int i = 0; i < 4; i++) {
        (void)place(2, 20, 1 + i); /* offsets 100, 102, 104, 106 */
    }
    for (int64_t offset = 99; offset < 109; offset++) {
        int rc = find((struct weir_batch_search){.offset_min = offset}, &header, &position);
        size_t next = offset <= 100 ? 0 : (size_t)(offset - 99) / 2;
        ck_assert_int_eq(rc, next < 4 ? 0 : WEIR_END);
        if (rc == 0) ck_assert_int_eq(position, placed[next].position);
    }
    for (int32_t epoch = 0; epoch < 6; epoch++) {
        int rc = find((struct weir_batch_search){.epoch_min = epoch}, &header, &position);
        size_t next = epoch <= 1 ? 0 : (size_t)epoch - 1;
        ck_assert_int_eq(rc, next < 4 ? 0 : WEIR_END);
        if (rc == 0) ck_assert_int_eq(position, placed[next].position);
    }
    struct weir_batch_search search = {.position = placed[3].position, .limit = end_position};
    ck_assert_int_eq(find(search, &header, &position), 0);
    search.limit--;
    ck_assert_int_eq(find(search, &header, &position), WEIR_END);
    search.position = 0;
    ck_assert_int_eq(find(search, &header, &position), 0);
    write_at(placed[0].position + 65, "\x55", 1); /* its crc fits no more */
    ck_assert_int_eq(find(search, &header, &position), 0);
    ck_assert_int_eq(position, placed[1].position);

    uint8_t far[8];
    weir_store_u64(far, 1 + (uint64_t)INT32_MAX);
    write_at(placed[1].position, far, sizeof far);
    search.offset_min = 1;
    ck_assert_int_eq(find(search, &header, &position), 0);
    ck_assert_int_eq(position, placed[1].position);
    search.offset_min = 0;
    ck_assert_int_eq(find(search, &header, &position), 0);
    ck_assert_int_eq(position, placed[2].position);
}
END_TEST

/* Without memory, or where a read fails, it is not said that there is none. */
START_TEST(a_search_that_fails_finds_nothing_and_says_so)
{
    struct weir_test_failures failures = {0};
    struct weir_batch_header header;
    int64_t position;
    (void)place(1, 5, 1);
    while (weir_test_failures_next(&failures)) {
        weir_test_failures_arm(&failures, env->heap);
        int rc = find((struct weir_batch_search){0}, &header, &position);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 0);
    }
    weir_sim_disk_count_reset(sim, 0);
    weir_sim_disk_plan(sim, 0,
                       (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_READ_EIO, .at = 1});
    ck_code(find((struct weir_batch_search){0}, &header, &position), WEIR_IO);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("scan");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, batches_are_given_in_order, 0, 2);
    tcase_add_loop_test(tests, a_batch_that_is_cut_short_is_told_from_another, 0, 2);
    tcase_add_test(tests, a_batch_that_only_its_length_cuts_short_is_whole);
    tcase_add_loop_test(tests, a_file_that_ends_early_is_corrupt, 0, 2);
    tcase_add_loop_test(tests, a_crc_that_does_not_fit_is_told, 0, 2);
    tcase_add_loop_test(tests, offsets_may_be_left_out_in_holes, 0, 3);
    tcase_add_test(tests, a_batch_ends_before_the_segment_does);
    tcase_add_test(tests, a_batch_has_its_epoch);
    tcase_add_loop_test(tests, what_cannot_be_read_is_not_corrupt, 0, 2);
    tcase_add_test(tests, a_batch_fits_its_place);
    tcase_add_test(tests, the_next_batch_is_found_from_anywhere);
    tcase_add_test(tests, what_is_found_may_come_next);
    tcase_add_test(tests, a_search_that_fails_finds_nothing_and_says_so);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log segment scan", add);
}
