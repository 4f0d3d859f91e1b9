#include "broker/log/verify.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "broker/log/damage_file.h"
#include "broker/log/log_internal.h"
#include "tests/unit/broker/log/log_support.h"

/**
 * What a verification says of a folder that nobody has open: of a whole one how much is in it,
 * of another one which file is wrong, from which offset on, and how bad that is. What an open
 * makes of the same folder is test_damage.c's.
 */
static struct test_log test;
static struct weir_verify_summary summary;

enum { FINDINGS_MAX = 16 };
static struct found {
    enum weir_verify_kind kind;
    char file[64];
    int64_t offset;
    char text[128];
} found[FINDINGS_MAX];
static int found_count;

static void set_up(void)
{
    test_log_start(&test, 1);
    test.options.config.segment_bytes = 600;
    test.options.config.message_timestamp_after_max_ms = INT64_MAX;
}

static void tear_down(void)
{
    test_log_stop(&test);
}

static void note(void *context, const struct weir_verify_finding *finding)
{
    (void)context;
    ck_assert_int_lt(found_count, FINDINGS_MAX);
    struct found *one = &found[found_count++];
    one->kind = finding->kind;
    one->offset = finding->offset;
    (void)snprintf(one->file, sizeof one->file, "%s", finding->file);
    (void)snprintf(one->text, sizeof one->text, "%s", finding->text);
}

static int verify(void)
{
    found_count = 0;
    test.error = (struct weir_error){0};
    return weir_partition_log_verify(test.env, test.options.path, note, NULL, &summary,
                                     &test.error);
}

/* One thing is wrong, and that is what is said. */
static void expect_one(enum weir_verify_kind kind, const char *file, int64_t offset,
                       const char *words)
{
    ck_ok(verify(), &test.error);
    ck_assert_msg(found_count == 1, "%d findings, the last: %s: %s", found_count,
                  found_count > 0 ? found[found_count - 1].file : "",
                  found_count > 0 ? found[found_count - 1].text : "");
    ck_assert_int_eq(found[0].kind, kind);
    ck_assert_str_eq(found[0].file, file);
    ck_assert_int_eq(found[0].offset, offset);
    ck_assert_msg(strstr(found[0].text, words) != NULL, "%s", found[0].text);
    ck_assert_int_eq(summary.damage_count, kind == WEIR_VERIFY_DAMAGE);
    ck_assert_int_eq(summary.hint_count, kind == WEIR_VERIFY_HINT);
    ck_assert_int_eq(summary.tail_count, 0);
    ck_assert_int_eq(summary.rot_count, 0);
}

/* Several segments, two epochs, producers; `shift_ms` is added to the timestamps. */
static void make_log(int64_t shift_ms)
{
    const int64_t begin_ms = weir_wall_now(test.env).ms + shift_ms;
    ck_ok(test_log_open(&test), &test.error);
    for (int i = 0; i < 30; i++) {
        if (i == 15) ck_ok(weir_partition_log_set_epoch(test.log, 4, &test.error), &test.error);
        struct test_append what = {.record_count = 1 + i % 3,
                                   .value_size = 20 + i % 4 * 15,
                                   .has_producer = true,
                                   .producer_id = i,
                                   .timestamp_ms = begin_ms + i};
        ck_ok(test_log_append(&test, &what, NULL), &test.error);
    }
    ck_assert_int_gt(weir_partition_log_state(test.log).segment_count, 3);
    ck_ok(test_log_close(&test), &test.error);
}

/* The first offset of the segment number `index`, and its name with `suffix`. */
static int64_t base_of(int index, const char *suffix, char name_out[64])
{
    for (size_t i = 0; i < test.batch_count; i++) {
        (void)snprintf(name_out, 64, "%020lld.log", (long long)test.batches[i].base_offset);
        if (!test_log_exists(&test, name_out) || index-- > 0) continue;
        (void)snprintf(name_out, 64, "%020lld%s", (long long)test.batches[i].base_offset, suffix);
        return test.batches[i].base_offset;
    }
    ck_abort_msg("there are not so many segments");
    return -1;
}

static void shorten(const char *name, int64_t by)
{
    struct weir_file *file = NULL;
    int64_t size = test_log_file_size(&test, name);
    ck_ok(weir_file_open(test.env, test_log_path(&test, name), WEIR_OPEN_WRITE, &file, NULL), NULL);
    ck_ok(weir_file_truncate(file, size - by, NULL), NULL);
    weir_file_close(file);
}

static void take_away(const char *name)
{
    ck_ok(weir_remove(test.env, test_log_path(&test, name), &test.error), &test.error);
}

/* ---- what is whole --------------------------------------------------------------------------- */

/* All of it is counted, also below a start that lies within a segment. */
START_TEST(a_whole_log_is_summed_up)
{
    make_log(0);
    ck_ok(test_log_open(&test), &test.error);
    if (_i == 1) {
        int64_t start = test.batches[1].base_offset + 1;
        ck_ok(weir_partition_log_set_start(test.log, start, &test.error), &test.error);
    }
    const struct weir_partition_log_state state = weir_partition_log_state(test.log);
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(verify(), &test.error);
    ck_assert_int_eq(found_count, 0);
    ck_assert(summary.had_mark);
    ck_assert_int_eq(summary.start_offset, state.start_offset);
    ck_assert_int_eq(summary.end_offset, state.end_offset);
    ck_assert_int_eq(summary.batch_count, 30);
    ck_assert_int_eq(summary.record_count, 60);
    ck_assert_int_eq(summary.size_bytes, state.size_bytes);
    ck_assert_int_eq(summary.segment_count, state.segment_count);
    ck_assert_int_eq(summary.damage_count, 0);
    ck_assert_int_eq(summary.tail_count, 0);
    ck_assert_int_eq(summary.rot_count, 0);
    ck_assert_int_eq(summary.hint_count, 0);
    ck_ok(weir_partition_log_verify(test.env, test.options.path, NULL, NULL, &summary, NULL), NULL);
    ck_assert_int_eq(summary.record_count, 60);
}
END_TEST

/* Where there are bytes there was a mark: that it is gone is the first of `count` findings. */
static void expect_mark_missed(int count)
{
    ck_assert_int_eq(found_count, count);
    ck_assert_str_eq(found[0].file, WEIR_DURABLE_MARK_NAME);
    ck_assert_ptr_nonnull(strstr(found[0].text, "is missing, and so is its copy"));
    ck_assert_int_eq(summary.damage_count, count);
}

/* Without a mark the segments say what the log is: where it begins and ends, and that none is
 * missing. */
START_TEST(a_whole_log_without_a_mark_is_summed_up)
{
    char name[64];
    make_log(0);
    ck_ok(verify(), &test.error);
    const struct weir_verify_summary before = summary;
    test_log_lose_marks(&test);
    ck_ok(verify(), &test.error);
    expect_mark_missed(1);
    ck_assert(!summary.had_mark);
    ck_assert_int_eq(summary.start_offset, 0);
    ck_assert_int_eq(summary.end_offset, before.end_offset);
    ck_assert_int_eq(summary.record_count, before.record_count);
    ck_assert_int_eq(summary.size_bytes, before.size_bytes);
    ck_assert_int_eq(summary.segment_count, before.segment_count);
    int64_t second = base_of(1, ".log", name);
    (void)base_of(0, ".log", name);
    take_away(name);
    ck_ok(verify(), &test.error);
    expect_mark_missed(1);
    ck_assert_int_eq(summary.start_offset, second);
    int64_t missing = base_of(1, ".log", name); /* the third there was */
    int64_t next = base_of(2, ".log", name);
    (void)base_of(1, ".log", name);
    take_away(name);
    (void)snprintf(name, sizeof name, "%020lld.log", (long long)next);
    ck_ok(verify(), &test.error);
    expect_mark_missed(2);
    ck_assert_str_eq(found[1].file, name);
    ck_assert_int_eq(found[1].offset, missing);
    ck_assert_ptr_nonnull(strstr(found[1].text, "does not begin where the one before ends"));
}
END_TEST

/* A log that holds nothing, and a folder that is no log's and none at all. */
START_TEST(nothing_is_summed_up_as_nothing)
{
    ck_code(verify(), WEIR_NOT_FOUND);
    ck_ok(test_log_open(&test), &test.error);
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(verify(), &test.error);
    ck_assert_int_eq(found_count, 0);
    ck_assert_int_eq(summary.start_offset, 0);
    ck_assert_int_eq(summary.end_offset, 0);
    ck_assert_int_eq(summary.batch_count, 0);
    ck_assert_int_eq(summary.size_bytes, 0);
    ck_assert_int_eq(summary.segment_count, 1);
    test_log_lose_marks(&test);
    take_away("00000000000000000000.log");
    ck_ok(verify(), &test.error);
    ck_assert_int_eq(found_count, 0);
    ck_assert_int_eq(summary.segment_count, 0);
    ck_assert_int_eq(summary.start_offset, 0);
}
END_TEST

/* ---- small files ----------------------------------------------------------------------------- */

static const char *const small_names[] = {
    "leader-epoch-checkpoint",
    "partition.metadata",
    "snapshot",
    WEIR_DURABLE_MARK_COPY_NAME,
};

/* What comes back by itself is a hint when it makes no sense; where something is no file at all
 * a start stumbles over it. */
START_TEST(a_small_file_that_makes_no_sense_is_a_hint)
{
    char name[64];
    make_log(0);
    (void)base_of(2, ".snapshot", name);
    if (_i != 2) (void)snprintf(name, sizeof name, "%s", small_names[_i]);
    ck_assert(test_log_exists(&test, name));
    take_away(name);
    ck_ok(verify(), &test.error);
    ck_assert_int_eq(found_count, 0);
    test_log_write_file(&test, name, "no sense", 8);
    expect_one(WEIR_VERIFY_HINT, name, -1, "");
    take_away(name);
    if (_i >= 2)
        return; /* a snapshot is a file by its name; of the copy there is a test of its own */
    ck_ok(weir_sim_disk_put_other(test.sim, 0, test_log_path(&test, name)), NULL);
    expect_one(WEIR_VERIFY_DAMAGE, name, -1, "");
}
END_TEST

/* A snapshot of another version is as little use as one that is damaged. */
START_TEST(a_snapshot_of_another_version_is_a_hint)
{
    char name[64];
    uint8_t bytes[2] = {0, 9};
    struct weir_file *file = NULL;
    struct weir_iovec part = {bytes, sizeof bytes};
    make_log(0);
    (void)base_of(2, ".snapshot", name);
    ck_ok(weir_file_open(test.env, test_log_path(&test, name), WEIR_OPEN_WRITE, &file, NULL), NULL);
    ck_ok(weir_file_write(file, &part, 1, 0, NULL), NULL);
    weir_file_close(file);
    expect_one(WEIR_VERIFY_HINT, name, -1, "");
}
END_TEST

/* An index that names a place where no batch is, one whose entries do not ascend, and one that
 * is cut. */
START_TEST(an_index_that_lies_is_a_hint)
{
    char name[64];
    uint8_t entry[8];
    make_log(0);
    int64_t base = base_of(1, ".index", name);
    ck_assert_int_ge(test_log_file_size(&test, name), 8);
    weir_store_u32(entry, 1);
    weir_store_u32(entry + 4, 3); /* within the first batch */
    test_log_write_file(&test, name, entry, sizeof entry);
    expect_one(WEIR_VERIFY_HINT, name, base + 1, "an index entry does not fit its batch");
    take_away(name);
    ck_ok(verify(), &test.error);
    ck_assert_int_eq(found_count, 0);
}
END_TEST

/* ---- marks ----------------------------------------------------------------------------------- */

/* Where one of the two is lost an open goes by the other. */
START_TEST(a_mark_that_is_lost_is_told)
{
    uint8_t bytes[4096];
    make_log(0);
    take_away(WEIR_DURABLE_MARK_COPY_NAME);
    ck_ok(verify(), &test.error);
    ck_assert_int_eq(found_count, 0);
    ck_ok(test_log_open(&test), &test.error);
    ck_ok(test_log_close(&test), &test.error);
    struct weir_file *file = NULL;
    ck_ok(weir_file_open(test.env, test_log_path(&test, WEIR_DURABLE_MARK_NAME), WEIR_OPEN_READ,
                         &file, NULL),
          NULL);
    int64_t size = weir_file_read(file, bytes, sizeof bytes, 0, NULL);
    weir_file_close(file);
    take_away(WEIR_DURABLE_MARK_NAME);
    expect_one(WEIR_VERIFY_DAMAGE, WEIR_DURABLE_MARK_NAME, -1,
               "is missing: an open takes its copy");
    test_log_write_file(&test, WEIR_DURABLE_MARK_NAME, "no sense", 8);
    expect_one(WEIR_VERIFY_DAMAGE, WEIR_DURABLE_MARK_NAME, -1, "damaged");
    take_away(WEIR_DURABLE_MARK_COPY_NAME);
    expect_one(WEIR_VERIFY_DAMAGE, WEIR_DURABLE_MARK_NAME, -1, "");
    ck_assert(!summary.had_mark);
    test_log_write_file(&test, WEIR_DURABLE_MARK_NAME, bytes, (size_t)size);
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 1);
    ck_ok(test_log_close(&test), &test.error); /* both are newer than what was kept */
    take_away(WEIR_DURABLE_MARK_NAME);
    test_log_write_file(&test, WEIR_DURABLE_MARK_NAME, bytes, (size_t)size);
    expect_one(WEIR_VERIFY_DAMAGE, WEIR_DURABLE_MARK_NAME, -1, "is older than its copy");
}
END_TEST

/* ---- segments -------------------------------------------------------------------------------- */

/* What an earlier run has found is told with the place it has found. */
START_TEST(known_damage_is_told)
{
    make_log(0);
    struct weir_damage damage = {.from = 7, .end = 60, .reason = "seen before"};
    ck_ok(weir_damage_file_write(test.env, test.options.path, &damage, NULL), NULL);
    expect_one(WEIR_VERIFY_DAMAGE, WEIR_DAMAGE_FILE_NAME, 7, "seen before");
    take_away(WEIR_DAMAGE_FILE_NAME);
    test_log_write_file(&test, WEIR_DAMAGE_FILE_NAME, "no sense", 8);
    expect_one(WEIR_VERIFY_DAMAGE, WEIR_DAMAGE_FILE_NAME, -1, "");
}
END_TEST

/* A segment that is missing is missed at its first offset, and what lies around it is sound. */
START_TEST(a_missing_segment_is_one_finding)
{
    char name[64];
    make_log(0);
    ck_ok(verify(), &test.error);
    const struct weir_verify_summary before = summary;
    int64_t base = base_of(_i, ".log", name);
    int64_t size = test_log_file_size(&test, name);
    take_away(name);
    expect_one(WEIR_VERIFY_DAMAGE, name, base, "is missing");
    ck_assert_int_eq(summary.segment_count, before.segment_count - 1);
    ck_assert_int_eq(summary.size_bytes, before.size_bytes - size);
    ck_assert_int_eq(summary.start_offset, before.start_offset);
    ck_assert_int_eq(summary.end_offset, before.end_offset);
}
END_TEST

/* One that ends before the mark says: between two batches, and within one. */
START_TEST(a_short_segment_is_one_finding)
{
    char name[64];
    make_log(0);
    int64_t end = base_of(2, ".log", name);
    (void)base_of(1, ".log", name);
    size_t last = 0;
    while (test.batches[last].end_offset < end) {
        last++;
    }
    int64_t by = _i == 0 ? (int64_t)test.batches[last].size : 7;
    shorten(name, by);
    expect_one(WEIR_VERIFY_DAMAGE, name, test.batches[last].base_offset,
               _i == 0 ? "the end is missing" : "");
    ck_assert_int_eq(summary.batch_count, 29);
}
END_TEST

/* The segment of the same name of a log with other timestamps: whole, and not the mark's. */
static void take_segment_of_another(int index, int64_t shift_ms, char name[64])
{
    static uint8_t bytes[2048];
    struct weir_file *file = NULL;
    make_log(shift_ms);
    (void)base_of(index, ".log", name);
    ck_ok(weir_file_open(test.env, test_log_path(&test, name), WEIR_OPEN_READ, &file, NULL), NULL);
    int64_t size = weir_file_read(file, bytes, sizeof bytes, 0, NULL);
    weir_file_close(file);
    tear_down();
    set_up();
    make_log(0);
    ck_assert_int_eq(test_log_file_size(&test, name), size);
    take_away(name);
    test_log_write_file(&test, name, bytes, (size_t)size);
}

START_TEST(a_segment_of_another_log_is_told)
{
    char name[64];
    take_segment_of_another(1, 1000, name);
    int64_t base = base_of(1, ".log", name);
    ck_ok(verify(), &test.error);
    ck_assert_int_eq(summary.damage_count, 2);
    ck_assert_int_eq(found_count, 2);
    ck_assert_str_eq(found[0].file, name);
    ck_assert_int_eq(found[0].offset, base);
    ck_assert_ptr_nonnull(strstr(found[0].text, "another's"));
    ck_assert_str_eq(found[1].file, name);
    ck_assert_int_eq(found[1].offset, -1);
    ck_assert_ptr_nonnull(strstr(found[1].text, "largest timestamp"));
}
END_TEST

/* A segment that another may have put there, behind the last one; one without bytes is a
 * leftover. */
START_TEST(a_segment_that_the_mark_does_not_know_is_told)
{
    make_log(0);
    int64_t end = test.batches[test.batch_count - 1].end_offset;
    test_log_write_file(&test, "00000000000000001000.log", "", 0);
    ck_ok(verify(), &test.error);
    ck_assert_int_eq(found_count, 0);
    test_log_write_file(&test, "00000000000000001000.log", "x", 1);
    expect_one(WEIR_VERIFY_DAMAGE, WEIR_DURABLE_MARK_NAME, end,
               "holds data that the durable mark does not know");
    ck_assert_int_eq(summary.end_offset, end);
}
END_TEST

/* ---- what runs out --------------------------------------------------------------------------- */

/* Without memory a verification fails and says so: nothing is laid to the files, and nothing is
 * left behind. */
START_TEST(memory_that_runs_out_is_no_finding)
{
    struct weir_test_failures failures = {0};
    make_log(0);
    size_t used = test.env->budget->used;
    while (weir_test_failures_next(&failures)) {
        weir_test_failures_arm(&failures, test.env->heap);
        int rc = verify();
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert(rc == 0 || (was_hit && rc == WEIR_NO_MEMORY));
        ck_assert_int_eq(summary.damage_count, 0);
        ck_assert_uint_eq(test.env->budget->used, used);
    }
    ck_assert_uint_gt(failures.hits, 20);
}
END_TEST

/* What cannot be read is an error, or that one file's: never that all is well. An index may as
 * well not be there. */
START_TEST(a_failed_read_is_not_passed_over)
{
    make_log(0);
    ck_ok(verify(), &test.error);
    const struct weir_verify_summary whole = summary;
    int errors = 0;
    for (uint64_t at = 1; at < 60; at++) {
        weir_sim_disk_count_reset(test.sim, 0);
        weir_sim_disk_plan(
            test.sim, 0, (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_READ_EIO, .at = at});
        size_t used = test.env->budget->used;
        int rc = verify();
        weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
        ck_assert_uint_eq(test.env->budget->used, used);
        if (rc < 0) {
            ck_assert_int_eq(rc, WEIR_IO);
            errors++;
            continue;
        }
        bool is_all_read = summary.batch_count == whole.batch_count;
        ck_assert(is_all_read || summary.damage_count > 0);
    }
    ck_assert_int_gt(errors, 5);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("verify");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_whole_log_is_summed_up, 0, 2);
    tcase_add_test(tests, a_whole_log_without_a_mark_is_summed_up);
    tcase_add_test(tests, nothing_is_summed_up_as_nothing);
    tcase_add_loop_test(tests, a_small_file_that_makes_no_sense_is_a_hint, 0, 4);
    tcase_add_test(tests, a_snapshot_of_another_version_is_a_hint);
    tcase_add_test(tests, an_index_that_lies_is_a_hint);
    tcase_add_test(tests, a_mark_that_is_lost_is_told);
    tcase_add_test(tests, known_damage_is_told);
    tcase_add_loop_test(tests, a_missing_segment_is_one_finding, 0, 3);
    tcase_add_loop_test(tests, a_short_segment_is_one_finding, 0, 2);
    tcase_add_test(tests, a_segment_of_another_log_is_told);
    tcase_add_test(tests, a_segment_that_the_mark_does_not_know_is_told);
    tcase_add_test(tests, memory_that_runs_out_is_no_finding);
    tcase_add_test(tests, a_failed_read_is_not_passed_over);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log verify", add);
}
