#include <stdio.h>
#include <string.h>

#include "tests/unit/broker/log/log_support.h"

/**
 * What retention by time counts from. Records of the data's own, old times were written today and
 * stay for as long as today's do, through everything that can happen to the log in between.
 */
static struct test_log test;

static const int64_t TEN_YEARS = 10LL * 365 * 86400 * 1000;
enum { RETENTION_MS = 1000 };

static void retain_by(enum weir_retention_by by, int64_t retention_ms)
{
    test.options.config.retention_ms = retention_ms;
    test.options.config.retention_by = by;
    weir_partition_log_configure(test.log, &test.options.config);
}

static void set_up(void)
{
    test_log_start(&test, 1);
    test.options.config.segment_bytes = 600;
    test.options.config.segment_ms = INT64_MAX;
    test.options.config.message_timestamp_after_max_ms = INT64_MAX;
    ck_ok(test_log_open(&test), &test.error);
    retain_by(WEIR_RETENTION_BY_APPEND, RETENTION_MS);
}

static void tear_down(void)
{
    test_log_stop(&test);
}

static int64_t now_ms(void)
{
    return weir_wall_now(test.env).ms;
}

static int retain_at(int64_t at_ms)
{
    int rc = weir_partition_log_retain(test.log, (struct weir_wall){at_ms}, &test.error);
    weir_partition_log_check(test.log);
    return rc;
}

/* Records as old as history, in several segments. */
static void append_history(int count)
{
    for (int i = 0; i < count; i++) {
        struct test_append old = {.timestamp_ms = now_ms() - TEN_YEARS + i, .value_size = 60};
        ck_ok(test_log_append(&test, &old, NULL), &test.error);
    }
}

/* All is there until `last_ms` is more than the retention ago, and then all goes. */
static void expect_kept_since(int64_t last_ms)
{
    int32_t count = weir_partition_log_state(test.log).segment_count;
    ck_assert_int_eq(retain_at(last_ms + RETENTION_MS), 0);
    test_log_expect_all(&test);
    ck_assert_int_eq(retain_at(last_ms + RETENTION_MS + 1), count);
    ck_assert_int_eq(weir_partition_log_state(test.log).size_bytes, 0);
}

/* A week's retention is a week from the append for records of ten years ago. */
START_TEST(records_of_old_times_live_from_their_append)
{
    append_history(20);
    ck_assert_int_gt(weir_partition_log_state(test.log).segment_count, 1);
    expect_kept_since(now_ms());
}
END_TEST

/* Each segment counts from its own last append. */
START_TEST(an_older_append_goes_before_a_newer_one)
{
    append_history(20);
    struct weir_partition_log_state old = weir_partition_log_state(test.log);
    int64_t first_ms = now_ms();
    weir_sim_advance_ms(test.sim, 700);
    append_history(20);
    ck_assert_int_ge(retain_at(first_ms + RETENTION_MS + 1), old.segment_count - 1);
    ck_assert_int_le(weir_partition_log_state(test.log).start_offset, old.end_offset);
    ck_assert_int_eq(retain_at(now_ms() + RETENTION_MS), 0);
}
END_TEST

/* A record that is dated ahead of its append stays until it is old by its own date. */
START_TEST(a_record_dated_ahead_counts_from_its_own_time)
{
    struct test_append ahead = {.timestamp_ms = now_ms() + 5000};
    ck_ok(test_log_append(&test, &ahead, NULL), &test.error);
    expect_kept_since(ahead.timestamp_ms);
}
END_TEST

/* weir.retention.by=record is Kafka's rule: old records go at once. */
START_TEST(by_record_is_kafkas_rule)
{
    append_history(20);
    int32_t count = weir_partition_log_state(test.log).segment_count;
    retain_by(WEIR_RETENTION_BY_RECORD, 2 * TEN_YEARS);
    ck_assert_int_eq(retain_at(now_ms()), 0);
    retain_by(WEIR_RETENTION_BY_RECORD, RETENTION_MS);
    ck_assert_int_eq(retain_at(now_ms()), count);
}
END_TEST

/* Where records have no time, or one before 1970, the append is all there is, by either rule. */
START_TEST(records_without_a_time_live_from_their_append)
{
    for (int i = 0; i < 4; i++) {
        struct test_append none = {.timestamp_ms = i % 2 == 0 ? -1 : -TEN_YEARS};
        ck_ok(test_log_append(&test, &none, NULL), &test.error);
        retain_by(i < 2 ? WEIR_RETENTION_BY_APPEND : WEIR_RETENTION_BY_RECORD, RETENTION_MS);
        expect_kept_since(now_ms());
    }
}
END_TEST

/* A closed log, a killed process and a power cut keep the time of the append: what lies above the
 * mark takes it from its file. */
START_TEST(the_time_of_an_append_outlives_its_process)
{
    for (int how = 0; how < 3; how++) {
        append_history(20);
        ck_ok(test_log_sync(&test), &test.error);
        int64_t appended_ms = now_ms();
        weir_sim_advance_ms(test.sim, 100 * RETENTION_MS);
        if (how == 0) ck_ok(test_log_close(&test), &test.error);
        if (how == 1) test_log_crash(&test, WEIR_SIM_KILL);
        if (how == 2) test_log_crash(&test, WEIR_SIM_POWER);
        ck_ok(test_log_open(&test), &test.error);
        expect_kept_since(appended_ms);
    }
}
END_TEST

/* Without a mark the files' own times say when they were written, each for itself. */
START_TEST(a_lost_mark_leaves_the_files_times)
{
    append_history(20);
    int64_t appended_ms = now_ms();
    ck_ok(test_log_close(&test), &test.error);
    weir_sim_advance_ms(test.sim, 100 * RETENTION_MS);
    test_log_lose_marks(&test);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert(!test.recovery.had_mark);
    expect_kept_since(appended_ms);
}
END_TEST

/* A cut of the tail does not make older what stays. */
START_TEST(a_cut_tail_keeps_the_time_of_what_stays)
{
    append_history(20);
    int64_t appended_ms = now_ms();
    int64_t offset = test.batches[17].base_offset;
    weir_sim_advance_ms(test.sim, 10 * RETENTION_MS);
    ck_ok(weir_partition_log_truncate(test.log, offset, &test.error), &test.error);
    test_log_forget(&test, offset);
    expect_kept_since(appended_ms);
}
END_TEST

/* A head that was cut leaves the segments behind it as they were. */
START_TEST(a_cut_head_keeps_the_time_of_what_stays)
{
    append_history(20);
    int64_t appended_ms = now_ms();
    weir_sim_advance_ms(test.sim, 10 * RETENTION_MS);
    ck_ok(weir_partition_log_set_start(test.log, test.batches[11].base_offset, &test.error),
          &test.error);
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(test_log_open(&test), &test.error);
    expect_kept_since(appended_ms);
}
END_TEST

/* A clock that is set back does not make what is written then older than what was written before,
 * also after the log was opened anew. */
START_TEST(a_clock_that_goes_back_shortens_nothing)
{
    append_history(3);
    int64_t appended_ms = now_ms();
    weir_sim_jump_wall(test.sim, 0, -TEN_YEARS);
    append_history(20);
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(test_log_open(&test), &test.error);
    append_history(20);
    weir_sim_jump_wall(test.sim, 0, TEN_YEARS);
    expect_kept_since(appended_ms);
}
END_TEST

static struct weir_log_removal take(void)
{
    return weir_partition_log_take_removal(test.log);
}

/* What went is told once, with the reason. */
START_TEST(what_went_is_told_with_its_reason)
{
    append_history(40);
    struct weir_partition_log_state before = weir_partition_log_state(test.log);
    ck_assert_int_eq(take().segment_count, 0);
    retain_by(WEIR_RETENTION_BY_APPEND, -1);
    int64_t start = test.batches[13].base_offset;
    ck_ok(weir_partition_log_set_start(test.log, start, &test.error), &test.error);
    struct weir_log_removal by_start = take();
    ck_assert_uint_eq(by_start.reasons, WEIR_REMOVED_BY_START_OFFSET);
    ck_assert_int_eq(by_start.from_offset, 0);
    ck_assert_int_eq(by_start.to_offset, start);

    test.options.config.retention_bytes = 700;
    weir_partition_log_configure(test.log, &test.options.config);
    ck_assert_int_gt(retain_at(now_ms()), 0);
    struct weir_log_removal by_size = take();
    ck_assert_uint_eq(by_size.reasons, WEIR_REMOVED_BY_SIZE);
    ck_assert_int_eq(by_size.from_offset, start);
    ck_assert_int_eq(by_size.to_offset, weir_partition_log_state(test.log).start_offset);

    test.options.config.retention_bytes = -1;
    retain_by(WEIR_RETENTION_BY_APPEND, RETENTION_MS);
    ck_assert_int_gt(retain_at(now_ms() + RETENTION_MS + 1), 0);
    struct weir_log_removal by_time = take();
    ck_assert_uint_eq(by_time.reasons, WEIR_REMOVED_BY_TIME);
    ck_assert_int_eq(by_time.from_offset, by_size.to_offset);
    ck_assert_int_eq(by_time.to_offset, before.end_offset);
    ck_assert_int_eq(by_start.size_bytes + by_size.size_bytes + by_time.size_bytes,
                     before.size_bytes);
    ck_assert_int_eq(by_start.segment_count + by_size.segment_count + by_time.segment_count,
                     before.segment_count);
    ck_assert_int_eq(take().segment_count, 0);
}
END_TEST

/* What went at several times, for several reasons, is told together; a start that moved within a
 * segment took none, and is no reason. */
START_TEST(what_went_since_the_last_time_is_told_together)
{
    append_history(40);
    retain_by(WEIR_RETENTION_BY_APPEND, -1);
    ck_ok(weir_partition_log_set_start(test.log, 1, &test.error), &test.error);
    struct weir_partition_log_state before = weir_partition_log_state(test.log);
    for (int64_t bytes = 2100; bytes >= 700; bytes -= 700) {
        test.options.config.retention_bytes = bytes;
        weir_partition_log_configure(test.log, &test.options.config);
        ck_assert_int_gt(retain_at(now_ms()), 0);
    }
    struct weir_partition_log_state after = weir_partition_log_state(test.log);
    struct weir_log_removal all = take();
    ck_assert_uint_eq(all.reasons, WEIR_REMOVED_BY_SIZE);
    ck_assert_int_eq(all.from_offset, before.start_offset);
    ck_assert_int_eq(all.to_offset, after.start_offset);
    ck_assert_int_eq(all.size_bytes, before.size_bytes - after.size_bytes);
    ck_assert_int_eq(all.segment_count, before.segment_count - after.segment_count);
    append_history(20);
    test.options.config.retention_bytes = 1400;
    weir_partition_log_configure(test.log, &test.options.config);
    ck_assert_int_gt(retain_at(now_ms()), 0);
    ck_ok(weir_partition_log_set_start(test.log, weir_partition_log_state(test.log).end_offset,
                                       &test.error),
          &test.error);
    ck_assert_uint_eq(take().reasons, WEIR_REMOVED_BY_SIZE | WEIR_REMOVED_BY_START_OFFSET);
}
END_TEST

/* A segment that holds nothing has nothing too old, however long ago something was appended to
 * it. */
START_TEST(a_log_that_was_cut_to_nothing_has_nothing_to_lose)
{
    append_history(3);
    ck_ok(weir_partition_log_truncate(test.log, 0, &test.error), &test.error);
    test_log_forget(&test, 0);
    uint64_t before = weir_sim_disk_hash(test.sim, 0, test.options.path);
    struct weir_wall late = {now_ms() + TEN_YEARS};
    ck_assert(!weir_partition_log_may_retain(test.log, late));
    ck_assert_int_eq(retain_at(late.ms), 0);
    ck_assert_uint_eq(weir_sim_disk_hash(test.sim, 0, test.options.path), before);
    append_history(3);
    test_log_expect_all(&test);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("retention");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, records_of_old_times_live_from_their_append);
    tcase_add_test(tests, an_older_append_goes_before_a_newer_one);
    tcase_add_test(tests, a_record_dated_ahead_counts_from_its_own_time);
    tcase_add_test(tests, by_record_is_kafkas_rule);
    tcase_add_test(tests, records_without_a_time_live_from_their_append);
    tcase_add_test(tests, the_time_of_an_append_outlives_its_process);
    tcase_add_test(tests, a_lost_mark_leaves_the_files_times);
    tcase_add_test(tests, a_cut_tail_keeps_the_time_of_what_stays);
    tcase_add_test(tests, a_cut_head_keeps_the_time_of_what_stays);
    tcase_add_test(tests, a_clock_that_goes_back_shortens_nothing);
    tcase_add_test(tests, what_went_is_told_with_its_reason);
    tcase_add_test(tests, what_went_since_the_last_time_is_told_together);
    tcase_add_test(tests, a_log_that_was_cut_to_nothing_has_nothing_to_lose);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log retention", add);
}
