#include <stdio.h>
#include <string.h>

#include "broker/log/log_internal.h"
#include "tests/unit/broker/log/log_support.h"

static struct test_log test;

static void set_up(void)
{
    test_log_start(&test, 1);
    test.options.config.segment_bytes = 600;
    test.options.config.message_timestamp_after_max_ms = INT64_MAX;
    ck_ok(test_log_open(&test), &test.error);
}

static void tear_down(void)
{
    test_log_stop(&test);
}

static struct weir_partition_log_state state(void)
{
    return weir_partition_log_state(test.log);
}

static int retain_at(int64_t now_ms)
{
    int rc = weir_partition_log_retain(test.log, (struct weir_wall){now_ms}, &test.error);
    weir_partition_log_check(test.log);
    return rc;
}

static void reopen(void)
{
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(test_log_open(&test), &test.error);
}

/* Segments whose newest record is too old go, oldest first; the active one stays for one young record
 * in it. */
START_TEST(retention_by_time_spares_the_active_segment)
{
    test_log_fill(&test, 60);
    int64_t now = weir_wall_now(test.env).ms;
    int32_t count = state().segment_count;
    struct test_append young = {.timestamp_ms = now + 1};
    ck_ok(test_log_append(&test, &young, NULL), &test.error);
    ck_assert_int_eq(state().segment_count, count);
    test.options.config.retention_ms = 1000;
    weir_partition_log_configure(test.log, &test.options.config);
    ck_assert_int_eq(retain_at(now + 1000), 0);
    ck_assert_int_eq(retain_at(now + 1001), count - 1);
    ck_assert_int_eq(state().segment_count, 1);
    ck_assert_int_gt(state().start_offset, 0);
    ck_assert_int_lt(state().start_offset, state().end_offset);
    test_log_expect_all(&test);
    int64_t start = state().start_offset;
    reopen();
    ck_assert_int_eq(state().start_offset, start);
    test_log_expect_all(&test);
    ck_assert(!test_log_exists(&test, "00000000000000000000.log"));
    ck_assert(!test_log_exists(&test, "00000000000000000000.index"));
    struct weir_log_read read = {.offset = 0, .offset_max = INT64_MAX, .size_max = 100};
    ck_code(test_log_read(&test, &read), WEIR_OFFSET_OUT_OF_RANGE);
}
END_TEST

/* When all of the active segment is too old it goes like the others, and an empty one, which begins at
 * the end, is written on. A second look finds nothing more to do. */
START_TEST(an_expired_active_segment_is_replaced_by_an_empty_one)
{
    test_log_fill(&test, 3);
    int64_t now = weir_wall_now(test.env).ms;
    int64_t end = state().end_offset;
    test.options.config.retention_ms = 1000;
    weir_partition_log_configure(test.log, &test.options.config);
    ck_assert(!weir_partition_log_may_retain(test.log, (struct weir_wall){now + 1000}));
    ck_assert(weir_partition_log_may_retain(test.log, (struct weir_wall){now + 1001}));
    ck_assert_int_eq(retain_at(now + 1001), 1);
    ck_assert_int_eq(state().start_offset, end);
    ck_assert_int_eq(state().end_offset, end);
    ck_assert_int_eq(state().durable_offset, end);
    ck_assert_int_eq(state().size_bytes, 0);
    ck_assert(!weir_partition_log_may_retain(test.log, (struct weir_wall){now + 5000}));
    ck_assert_int_eq(retain_at(now + 5000), 0);
    test_log_crash(&test, WEIR_SIM_POWER);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(state().start_offset, end);
    ck_assert_int_eq(state().end_offset, end);
    test_log_fill(&test, 3);
    ck_assert_int_eq(test_log_expect_from(&test, end, 500), state().end_offset);
    ck_assert(!test_log_exists(&test, "00000000000000000000.log"));
}
END_TEST

/* The newest values of a compacted log stay, however old: the active segment has them. */
START_TEST(an_expired_active_segment_of_a_compacted_topic_stays)
{
    test_log_fill(&test, 3);
    test.options.config.retention_ms = 1000;
    test.options.config.cleanup_compact = true;
    weir_partition_log_configure(test.log, &test.options.config);
    ck_assert_int_eq(retain_at(weir_wall_now(test.env).ms + 5000), 0);
    ck_assert_int_eq(state().start_offset, 0);
    test_log_expect_all(&test);
}
END_TEST

/* -1 keeps everything for ever, however far the clock jumps; a clock in the past removes nothing.
 * */
START_TEST(clock_jumps_do_no_harm)
{
    const int64_t ten_years = 10LL * 365 * 86400 * 1000;
    test_log_fill(&test, 60);
    int64_t now = weir_wall_now(test.env).ms;
    ck_assert_int_eq(retain_at(now - ten_years), 0);
    ck_assert_int_eq(retain_at(INT64_MIN), 0);
    test.options.config.retention_ms = -1;
    weir_partition_log_configure(test.log, &test.options.config);
    ck_assert_int_eq(retain_at(now + ten_years), 0);
    ck_assert_int_eq(retain_at(INT64_MAX), 0);
    test_log_expect_all(&test);
    test.options.config.retention_ms = 1000;
    weir_partition_log_configure(test.log, &test.options.config);
    int64_t end = state().end_offset;
    ck_assert_int_gt(retain_at(now + ten_years), 0);
    ck_assert_int_eq(state().end_offset, end);
    ck_assert_int_eq(state().segment_count, 1);
    weir_sim_jump_wall(test.sim, 0, -ten_years);
    test_log_fill(&test, 20);
    test_log_expect_all(&test);
    reopen();
    test_log_expect_all(&test);
}
END_TEST

/* The oldest segments go while what is left is still enough. */
START_TEST(retention_by_bytes_keeps_at_least_that_much)
{
    test_log_fill(&test, 80);
    test.options.config.retention_bytes = 2000;
    weir_partition_log_configure(test.log, &test.options.config);
    ck_assert_int_gt(retain_at(weir_wall_now(test.env).ms), 0);
    ck_assert_int_ge(state().size_bytes, 2000);
    ck_assert_int_lt(state().size_bytes, 2000 + 600 + 200);
    test_log_expect_all(&test);
    test.options.config.retention_bytes = 0;
    weir_partition_log_configure(test.log, &test.options.config);
    ck_assert_int_gt(retain_at(weir_wall_now(test.env).ms), 0);
    ck_assert_int_eq(state().segment_count, 1);
    test_log_expect_all(&test);
}
END_TEST

/* A compacted topic keeps its old segments. */
START_TEST(retention_needs_the_delete_policy)
{
    test_log_fill(&test, 60);
    test.options.config.retention_bytes = 0;
    test.options.config.cleanup_delete = false;
    test.options.config.cleanup_compact = true;
    weir_partition_log_configure(test.log, &test.options.config);
    ck_assert_int_eq(retain_at(weir_wall_now(test.env).ms), 0);
    ck_assert_int_eq(state().start_offset, 0);
}
END_TEST

/* The log start moves to any offset, takes whole segments with it and survives. */
START_TEST(set_start_gives_up_the_head)
{
    test_log_fill(&test, 60);
    int64_t offset = test.batches[40].base_offset;
    ck_ok(weir_partition_log_set_start(test.log, offset, &test.error), &test.error);
    ck_assert_int_eq(state().start_offset, offset);
    ck_assert_int_eq(test_log_expect_from(&test, offset, 500), state().end_offset);
    ck_code(weir_partition_log_set_start(test.log, state().end_offset + 1, &test.error),
            WEIR_OFFSET_OUT_OF_RANGE);
    ck_ok(weir_partition_log_set_start(test.log, 3, &test.error), &test.error); /* not backwards */
    ck_assert_int_eq(state().start_offset, offset);
    test_log_crash(&test, WEIR_SIM_POWER);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(state().start_offset, offset);
    ck_ok(weir_partition_log_set_start(test.log, state().end_offset, &test.error), &test.error);
    ck_assert_int_eq(state().segment_count, 1);
    test_log_fill(&test, 3);
    test_log_expect_all(&test);
}
END_TEST

/* Cut at every batch of a log of several segments, then append again: what is below stays, what was
 * above is gone for good. */
START_TEST(truncate_cuts_at_every_batch)
{
    test_log_fill(&test, 40);
    while (test.batch_count > 0) {
        int64_t offset = test.batches[test.batch_count - 1].base_offset;
        ck_ok(weir_partition_log_truncate(test.log, offset, &test.error), &test.error);
        test_log_forget(&test, offset);
        weir_partition_log_check(test.log);
        ck_assert_int_eq(state().end_offset, offset);
        ck_assert_int_eq(state().durable_offset, offset);
        test_log_expect_all(&test);
        if (offset % 4 != 0) continue;
        test_log_crash(&test, WEIR_SIM_POWER);
        ck_ok(test_log_open(&test), &test.error);
        ck_assert_int_eq(state().end_offset, offset);
        test_log_expect_all(&test);
    }
    test_log_fill(&test, 40);
    test_log_expect_all(&test);
    reopen();
    test_log_expect_all(&test);
}
END_TEST

/* An offset inside a batch takes the whole batch away. */
START_TEST(truncate_inside_a_batch_takes_it_whole)
{
    ck_ok(test_log_append(&test, &(struct test_append){.record_count = 3}, NULL), &test.error);
    ck_ok(test_log_append(&test, &(struct test_append){.record_count = 3}, NULL), &test.error);
    ck_ok(weir_partition_log_truncate(test.log, 4, &test.error), &test.error);
    ck_assert_int_eq(state().end_offset, 3);
    test_log_forget(&test, 3);
    test_log_expect_all(&test);
}
END_TEST

/* After a cut a producer goes on where the log does: what was cut may come again, what stayed is
 * known. */
START_TEST(truncate_takes_producers_back)
{
    struct weir_append_result result;
    struct test_append what = {.has_producer = true, .producer_id = 3, .value_size = 60};
    for (what.sequence = 0; what.sequence < 20; what.sequence++) {
        ck_ok(test_log_append(&test, &what, NULL), &test.error);
    }
    ck_assert_int_gt(state().segment_count, 2);
    for (int32_t end = 18; end > 0; end -= 5) { /* beyond the window of five, too */
        ck_ok(weir_partition_log_truncate(test.log, end, &test.error), &test.error);
        test_log_forget(&test, end);
        what.sequence = end + 1;
        ck_code(test_log_append(&test, &what, NULL), WEIR_OUT_OF_ORDER_SEQUENCE);
        what.sequence = end - 1;
        ck_ok(test_log_append(&test, &what, &result), &test.error);
        ck_assert(result.is_duplicate);
        ck_assert_int_eq(result.base_offset, end - 1);
        what.sequence = end;
        ck_ok(test_log_append(&test, &what, &result), &test.error);
        ck_assert(!result.is_duplicate);
        reopen();
    }
    test_log_expect_all(&test);
}
END_TEST

/* Epochs begin where they began, end where the next one does, and follow both cuts. */
START_TEST(epochs_follow_the_cuts)
{
    int32_t epoch;
    int64_t end;
    for (int32_t at = 1; at <= 4; at++) {
        ck_ok(weir_partition_log_set_epoch(test.log, at, &test.error), &test.error);
        for (int i = 0; i < 10; i++) {
            ck_ok(test_log_append(&test, &(struct test_append){.value_size = 50}, NULL),
                  &test.error);
        }
    }
    ck_code(weir_partition_log_set_epoch(test.log, 3, &test.error), WEIR_INVALID_ARGUMENT);
    weir_partition_log_epoch_end(test.log, 2, &epoch, &end);
    ck_assert_int_eq(epoch, 2);
    ck_assert_int_eq(end, 20);
    weir_partition_log_epoch_end(test.log, 9, &epoch, &end);
    ck_assert_int_eq(epoch, 4);
    ck_assert_int_eq(end, 40);
    ck_ok(weir_partition_log_truncate(test.log, 25, &test.error), &test.error);
    test_log_forget(&test, 25);
    weir_partition_log_epoch_end(test.log, 4, &epoch, &end);
    ck_assert_int_eq(epoch, 3);
    ck_assert_int_eq(end, 25);
    ck_ok(weir_partition_log_set_start(test.log, 12, &test.error), &test.error);
    weir_partition_log_epoch_end(test.log, 1, &epoch, &end);
    ck_assert_int_eq(epoch, -1);
    ck_assert_int_eq(end, -1);
    reopen();
    weir_partition_log_epoch_end(test.log, 2, &epoch, &end);
    ck_assert_int_eq(epoch, 2);
    ck_assert_int_eq(end, 20);
    test_log_fill(&test, 3);
    test_log_expect_all(&test);
}
END_TEST

/* A head cut up to the end leaves an epoch without batches; the next one takes its place. */
START_TEST(an_epoch_without_batches_makes_room)
{
    int32_t epoch;
    int64_t end;
    test_log_fill(&test, 5);
    int64_t old_end = state().end_offset;
    ck_ok(weir_partition_log_set_start(test.log, old_end, &test.error), &test.error);
    ck_ok(weir_partition_log_set_epoch(test.log, 7, &test.error), &test.error);
    test_log_fill(&test, 2);
    reopen();
    weir_partition_log_epoch_end(test.log, 7, &epoch, &end);
    ck_assert_int_eq(epoch, 7);
    weir_partition_log_epoch_end(test.log, 6, &epoch, &end);
    ck_assert_int_eq(epoch, -1);
    test_log_expect_all(&test);
}
END_TEST

/* A reader that began before a cut gets nothing, not a mixture, and asks again. */
START_TEST(a_read_over_a_cut_begins_again)
{
    test_log_fill(&test, 20);
    struct weir_log_read read = {.offset = 0, .offset_max = INT64_MAX, .size_max = 4000};
    ck_code(weir_log_read_begin(test.log, &read), WEIR_END);
    ck_ok(weir_partition_log_truncate(test.log, test.batches[2].base_offset, &test.error),
          &test.error);
    test_log_forget(&test, test.batches[2].base_offset);
    test_log_fill(&test, 4);
    weir_log_read_run(&read);
    ck_ok(weir_log_read_end(&read), &read.error);
    ck_assert_uint_eq(read.batches.part_count, 0);
    ck_assert(!state().is_offline);
    test_log_expect_all(&test);
}
END_TEST

/* A reader holds the segment that retention removes under it. */
START_TEST(a_read_outlives_its_segment)
{
    test_log_fill(&test, 40);
    struct weir_log_read read = {.offset = 0, .offset_max = INT64_MAX, .size_max = 300};
    ck_code(weir_log_read_begin(test.log, &read), WEIR_END);
    ck_ok(weir_partition_log_set_start(test.log, state().end_offset, &test.error), &test.error);
    ck_assert(!test_log_exists(&test, "00000000000000000000.log"));
    weir_log_read_run(&read);
    ck_ok(weir_log_read_end(&read), &read.error);
    ck_assert_uint_eq(read.batches.part_count, 1);
    ck_assert_mem_eq(read.batches.parts[0].bytes->data, test.batches[0].bytes,
                     test.batches[0].size);
    weir_log_read_release(&read);
}
END_TEST

static uint64_t disk(void)
{
    return weir_sim_disk_hash(test.sim, 0, test.options.path);
}

/* A log that is offline keeps all that it has, and the answer says so: to whom it is told to
 * give up nothing, too. */
START_TEST(an_offline_log_is_not_trimmed)
{
    test_log_fill(&test, 40);
    ck_ok(test_log_sync(&test), &test.error);
    int64_t offset = test.batches[20].base_offset;
    ck_ok(weir_partition_log_set_start(test.log, test.batches[3].base_offset, &test.error),
          &test.error);
    const struct weir_partition_log_state before = state();
    weir_log_take_offline(test.log, test.batches[30].base_offset, "a test");
    uint64_t bytes = disk();
    ck_code(weir_partition_log_truncate(test.log, offset, &test.error), WEIR_OFFLINE);
    ck_code(weir_partition_log_truncate(test.log, before.end_offset, &test.error), WEIR_OFFLINE);
    ck_code(weir_partition_log_set_start(test.log, offset, &test.error), WEIR_OFFLINE);
    ck_code(weir_partition_log_set_start(test.log, before.start_offset, &test.error), WEIR_OFFLINE);
    ck_code(weir_partition_log_set_start(test.log, 0, &test.error), WEIR_OFFLINE);
    ck_assert_int_eq(retain_at(INT64_MAX), 0);
    ck_assert(!weir_partition_log_may_retain(test.log, (struct weir_wall){INT64_MAX}));
    ck_assert_int_eq(state().start_offset, before.start_offset);
    ck_assert_int_eq(state().end_offset, before.end_offset);
    ck_assert_uint_eq(disk(), bytes);
}
END_TEST

/* Nor does a log lose anything of what is being synced: whoever wants that asks again. */
START_TEST(a_log_being_synced_is_not_trimmed)
{
    struct weir_log_sync sync = {0};
    test_log_fill(&test, 40);
    test.options.config.retention_ms = 1000;
    weir_partition_log_configure(test.log, &test.options.config);
    int64_t offset = test.batches[20].base_offset;
    int64_t end = state().end_offset;
    ck_ok(weir_log_sync_begin(test.log, &sync), &sync.error);
    ck_code(weir_partition_log_truncate(test.log, offset, &test.error), WEIR_LIMIT);
    ck_code(weir_partition_log_set_start(test.log, offset, &test.error), WEIR_LIMIT);
    ck_assert_int_eq(retain_at(INT64_MAX), 0);
    ck_assert_int_eq(state().start_offset, 0);
    ck_assert_int_eq(state().end_offset, end);
    weir_log_sync_run(&sync, false);
    ck_ok(weir_log_sync_end(test.log, &sync), &sync.error);
    ck_ok(weir_partition_log_set_start(test.log, offset, &test.error), &test.error);
    ck_ok(weir_partition_log_truncate(test.log, offset, &test.error), &test.error);
    ck_assert_int_eq(state().start_offset, offset);
    ck_assert_int_eq(state().end_offset, offset);
}
END_TEST

/* A log is cut from its start to its end, and nowhere else. */
START_TEST(a_cut_lies_within_the_log)
{
    test_log_fill(&test, 40);
    int64_t start = test.batches[10].base_offset;
    ck_ok(weir_partition_log_set_start(test.log, start, &test.error), &test.error);
    ck_code(weir_partition_log_truncate(test.log, state().end_offset + 1, &test.error),
            WEIR_OFFSET_OUT_OF_RANGE);
    ck_code(weir_partition_log_truncate(test.log, start - 1, &test.error),
            WEIR_OFFSET_OUT_OF_RANGE);
    ck_code(weir_partition_log_truncate(test.log, -1, &test.error), WEIR_OFFSET_OUT_OF_RANGE);
    test_log_expect_all(&test);
    ck_ok(weir_partition_log_truncate(test.log, start, &test.error), &test.error);
    ck_assert_int_eq(state().start_offset, start);
    ck_assert_int_eq(state().end_offset, start);
}
END_TEST

/* A cut at the end, and a start that is the start already, leave the files and who reads them
 * alone. */
START_TEST(what_cuts_nothing_changes_nothing)
{
    test_log_fill(&test, 20);
    ck_ok(weir_partition_log_set_start(test.log, test.batches[8].base_offset, &test.error),
          &test.error);
    uint64_t bytes = disk();
    struct weir_log_read read = {
        .offset = state().start_offset, .offset_max = INT64_MAX, .size_max = 4000};
    ck_code(weir_log_read_begin(test.log, &read), WEIR_END);
    ck_assert_int_eq(weir_partition_log_truncate(test.log, state().end_offset, &test.error), 0);
    ck_assert_int_eq(weir_partition_log_set_start(test.log, state().start_offset, &test.error), 0);
    weir_log_read_run(&read);
    ck_ok(weir_log_read_end(&read), &read.error);
    ck_assert_uint_eq(read.batches.part_count, 1);
    weir_log_read_release(&read);
    ck_assert_uint_eq(disk(), bytes);
}
END_TEST

/* What has not been synced before a cut, at either end, is synced first; where that fails
 * nothing is cut. */
START_TEST(a_cut_that_cannot_sync_cuts_nothing)
{
    test_log_fill(&test, 20);
    int64_t end = state().end_offset;
    int64_t offset = _i % 2 == 0 ? test.batches[5].base_offset : end;
    weir_sim_disk_count_reset(test.sim, 0);
    weir_sim_disk_plan(test.sim, 0,
                       (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_SYNC, .at = 1});
    int rc = _i < 2 ? weir_partition_log_truncate(test.log, offset, &test.error)
                    : weir_partition_log_set_start(test.log, offset, &test.error);
    ck_code(rc, WEIR_IO);
    ck_assert_int_eq(state().start_offset, 0);
    ck_assert_int_eq(state().end_offset, end);
    ck_assert(state().is_offline);
    ck_assert(test_log_exists(&test, "00000000000000000000.log"));
}
END_TEST

/* A start that the mark cannot say is none, and takes nothing along. */
START_TEST(a_start_that_cannot_be_written_down_is_none)
{
    test_log_fill(&test, 20);
    ck_ok(test_log_sync(&test), &test.error);
    struct weir_partition_log_state before = state();
    weir_sim_disk_count_reset(test.sim, 0);
    weir_sim_disk_plan(
        test.sim, 0,
        (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_ENOSPC, .at = 1, .is_sticky = true});
    ck_code(weir_partition_log_set_start(test.log, test.batches[10].base_offset, &test.error),
            WEIR_NO_SPACE);
    weir_sim_disk_plan(test.sim, 0, (struct weir_sim_fault_plan){0});
    ck_assert_int_eq(state().start_offset, before.start_offset);
    ck_assert_int_eq(state().segment_count, before.segment_count);
    ck_assert_int_eq(weir_partition_log_take_removal(test.log).segment_count, 0);
    test_log_expect_all(&test);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("trim");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, retention_by_time_spares_the_active_segment);
    tcase_add_test(tests, an_expired_active_segment_is_replaced_by_an_empty_one);
    tcase_add_test(tests, an_expired_active_segment_of_a_compacted_topic_stays);
    tcase_add_test(tests, clock_jumps_do_no_harm);
    tcase_add_test(tests, retention_by_bytes_keeps_at_least_that_much);
    tcase_add_test(tests, retention_needs_the_delete_policy);
    tcase_add_test(tests, set_start_gives_up_the_head);
    tcase_add_test(tests, truncate_cuts_at_every_batch);
    tcase_add_test(tests, truncate_inside_a_batch_takes_it_whole);
    tcase_add_test(tests, truncate_takes_producers_back);
    tcase_add_test(tests, epochs_follow_the_cuts);
    tcase_add_test(tests, an_epoch_without_batches_makes_room);
    tcase_add_test(tests, a_read_over_a_cut_begins_again);
    tcase_add_test(tests, a_read_outlives_its_segment);
    tcase_add_test(tests, an_offline_log_is_not_trimmed);
    tcase_add_test(tests, a_log_being_synced_is_not_trimmed);
    tcase_add_test(tests, a_cut_lies_within_the_log);
    tcase_add_test(tests, what_cuts_nothing_changes_nothing);
    tcase_add_loop_test(tests, a_cut_that_cannot_sync_cuts_nothing, 0, 4);
    tcase_add_test(tests, a_start_that_cannot_be_written_down_is_none);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log trim", add);
}
