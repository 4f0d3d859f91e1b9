#include <string.h>

#include "broker/log/log_internal.h"
#include "tests/unit/broker/log/log_support.h"

static struct test_log test;

static void set_up(void)
{
    test_log_start(&test, 1);
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

static int send(int32_t sequence, int16_t epoch, struct weir_append_result *result)
{
    return test_log_append(&test,
                           &(struct test_append){.record_count = 2,
                                                 .has_producer = true,
                                                 .producer_id = 9,
                                                 .producer_epoch = epoch,
                                                 .sequence = sequence},
                           result);
}

/* Offsets are dense over batches of several records, and nothing is durable before a sync. */
START_TEST(append_assigns_dense_offsets)
{
    struct weir_append_result result;
    for (int64_t i = 0; i < 5; i++) {
        ck_ok(test_log_append(&test, &(struct test_append){.record_count = 3}, &result),
              &test.error);
        ck_assert_int_eq(result.base_offset, i * 3);
        ck_assert_int_eq(result.last_offset, i * 3 + 2);
    }
    ck_assert_int_eq(state().durable_offset, 0);
    ck_assert(weir_partition_log_is_dirty(test.log));
    ck_ok(test_log_sync(&test), &test.error);
    ck_assert_int_eq(state().durable_offset, 15);
    ck_assert(!weir_partition_log_is_dirty(test.log));
}
END_TEST

/* Each of a producer's last five batches is known again and gets its first offset; the sixth is
 * not. */
START_TEST(append_knows_the_last_five_batches)
{
    struct weir_append_result result;
    for (int32_t i = 0; i < 6; i++) {
        ck_ok(send(i * 2, 0, NULL), &test.error);
    }
    int64_t end = state().end_offset;
    for (int32_t i = 1; i < 6; i++) {
        ck_ok(send(i * 2, 0, &result), &test.error);
        ck_assert(result.is_duplicate);
        ck_assert_int_eq(result.base_offset, i * 2);
        ck_assert_int_eq(result.last_offset, i * 2 + 1);
    }
    ck_code(send(0, 0, &result), WEIR_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(state().end_offset, end);
}
END_TEST

/* A batch whose sequence skips ahead is refused and the log keeps its end. */
START_TEST(append_refuses_a_sequence_gap)
{
    ck_ok(send(0, 0, NULL), &test.error);
    ck_code(send(4, 0, NULL), WEIR_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(state().end_offset, 2);
    ck_ok(send(2, 0, NULL), &test.error);
    ck_assert_int_eq(state().end_offset, 4);
}
END_TEST

/* A newer epoch begins at sequence 0 and fences the older one. */
START_TEST(append_follows_the_producers_epoch)
{
    ck_ok(send(0, 3, NULL), &test.error);
    ck_code(send(2, 4, NULL), WEIR_OUT_OF_ORDER_SEQUENCE);
    ck_ok(send(0, 4, NULL), &test.error);
    ck_code(send(2, 3, NULL), WEIR_PRODUCER_FENCED);
    ck_assert_int_eq(state().end_offset, 4);
}
END_TEST

/* Sequences wrap from the largest int32 to 0. */
START_TEST(append_lets_sequences_wrap)
{
    struct weir_append_result result;
    ck_ok(send(INT32_MAX - 2, 0, NULL), &test.error); /* takes INT32_MAX - 2 and INT32_MAX - 1 */
    ck_ok(send(INT32_MAX, 0, NULL), &test.error);     /* takes INT32_MAX and 0 */
    ck_ok(send(1, 0, NULL), &test.error);
    ck_ok(send(INT32_MAX, 0, &result), &test.error);
    ck_assert(result.is_duplicate);
    ck_assert_int_eq(result.base_offset, 2);
}
END_TEST

/* The window of five survives a clean restart, a kill, and a roll of segments. */
START_TEST(producers_survive_restarts)
{
    struct weir_append_result result;
    for (int32_t i = 0; i < 5; i++) {
        ck_ok(send(i * 2, 0, NULL), &test.error);
    }
    test_log_fill(&test, 80);
    ck_assert_int_gt(state().segment_count, 1);
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(test_log_open(&test), &test.error);
    ck_ok(send(0, 0, &result), &test.error);
    ck_assert(result.is_duplicate);
    ck_ok(send(10, 0, NULL), &test.error);
    test_log_crash(&test, WEIR_SIM_KILL);
    ck_ok(test_log_open(&test), &test.error);
    for (int32_t i = 1; i < 6; i++) {
        ck_ok(send(i * 2, 0, &result), &test.error);
        ck_assert(result.is_duplicate);
    }
    ck_code(send(14, 0, NULL), WEIR_OUT_OF_ORDER_SEQUENCE);
}
END_TEST

/* A producer is forgotten after a day without a batch, on the clock that never jumps. */
START_TEST(producers_expire_by_idle_time_only)
{
    ck_ok(send(0, 0, NULL), &test.error);
    weir_sim_jump_wall(test.sim, 0, 10LL * 365 * 86400 * 1000);
    ck_ok(weir_partition_log_retain(test.log, weir_wall_now(test.env), &test.error), &test.error);
    ck_code(send(8, 0, NULL), WEIR_OUT_OF_ORDER_SEQUENCE);
    weir_sim_advance_ms(test.sim, 86400 * 1000 + 1);
    ck_ok(weir_partition_log_retain(test.log, weir_wall_now(test.env), &test.error), &test.error);
    ck_ok(send(8, 0, NULL), &test.error);
}
END_TEST

/* Timestamps too far from the clock are refused, but for the log's own; LogAppendTime does not care and says its own. */
START_TEST(append_checks_timestamps)
{
    struct weir_append_result result;
    test.options.config.message_timestamp_before_max_ms = 1000;
    test.options.config.message_timestamp_after_max_ms = 1000;
    weir_partition_log_configure(test.log, &test.options.config);
    struct test_append late = {.timestamp_ms = 1001, .now_ms = 2002};
    struct test_append early = {.timestamp_ms = 3004, .now_ms = 2002};
    ck_code(test_log_append(&test, &late, NULL), WEIR_INVALID_TIMESTAMP);
    ck_code(test_log_append(&test, &early, NULL), WEIR_INVALID_TIMESTAMP);
    ck_assert_int_eq(state().end_offset, 0);
    struct test_append latest = {.timestamp_ms = 1002, .now_ms = 2002}; /* just at the bounds */
    struct test_append earliest = {.timestamp_ms = 3002, .now_ms = 2002};
    struct test_append too_early = {.timestamp_ms = 3003, .now_ms = 2002};
    ck_ok(test_log_append(&test, &latest, &result), &test.error);
    ck_ok(test_log_append(&test, &earliest, &result), &test.error);
    ck_code(test_log_append(&test, &too_early, NULL), WEIR_INVALID_TIMESTAMP);
    ck_assert_int_eq(state().max_timestamp_ms, 3002);
    struct test_append own = {.timestamp_ms = 5000, .now_ms = 2002, .is_internal = true};
    ck_ok(test_log_append(&test, &own, &result), &test.error);

    test.options.config.message_timestamp_type = WEIR_LOG_APPEND_TIME;
    weir_partition_log_configure(test.log, &test.options.config);
    ck_ok(test_log_append(&test, &late, &result), &test.error);
    ck_assert_int_eq(result.append_time_ms, 2002);
    test_log_expect_all(&test);
}
END_TEST

/* A batch over max.message.bytes is refused before anything is written. */
START_TEST(append_refuses_a_batch_that_is_too_large)
{
    test.options.config.max_message_bytes = 200;
    weir_partition_log_configure(test.log, &test.options.config);
    ck_code(test_log_append(&test, &(struct test_append){.value_size = 200}, NULL), WEIR_TOO_LARGE);
    ck_assert_int_eq(state().size_bytes, 0);
}
END_TEST

/* Segments end by bytes and by the span of their timestamps. */
START_TEST(segments_roll_by_size_and_time)
{
    ck_ok(test_log_append(&test, &(struct test_append){.value_size = 3000}, NULL), &test.error);
    ck_ok(test_log_append(&test, &(struct test_append){.value_size = 3000}, NULL), &test.error);
    ck_assert_int_eq(state().segment_count, 2);
    int64_t now = weir_wall_now(test.env).ms;
    test.options.config.segment_ms = 1000;
    test.options.config.message_timestamp_after_max_ms = INT64_MAX;
    weir_partition_log_configure(test.log, &test.options.config);
    ck_ok(test_log_append(&test, &(struct test_append){.timestamp_ms = now + 1000}, NULL),
          &test.error);
    ck_assert_int_eq(state().segment_count, 2);
    ck_ok(test_log_append(&test, &(struct test_append){.timestamp_ms = now + 1001}, NULL),
          &test.error);
    ck_assert_int_eq(state().segment_count, 3);
    ck_assert(test_log_exists(&test, "00000000000000000001.log"));
    ck_assert(test_log_exists(&test, "00000000000000000003.snapshot"));
    test_log_expect_all(&test);
}
END_TEST

/* While a worker syncs, segments stay; the roll is made up for at the next sync. */
START_TEST(a_roll_waits_for_the_sync)
{
    struct weir_log_sync sync = {0};
    ck_ok(test_log_append(&test, &(struct test_append){.value_size = 3000}, NULL), &test.error);
    ck_ok(weir_log_sync_begin(test.log, &sync), &sync.error);
    ck_ok(test_log_append(&test, &(struct test_append){.value_size = 3000}, NULL), &test.error);
    ck_assert_int_eq(state().segment_count, 1);
    weir_log_sync_run(&sync, false);
    ck_ok(weir_log_sync_end(test.log, &sync), &sync.error);
    ck_assert_int_eq(state().durable_offset, 1);
    ck_ok(test_log_sync(&test), &test.error);
    ck_assert_int_eq(state().segment_count, 2);
    ck_assert_int_eq(state().durable_offset, 2);
    test_log_expect_all(&test);
}
END_TEST

/* A disk without room for a batch, or for some of its bytes only, refuses it and has none of them; with
 * room again the log goes on. */
START_TEST(append_resumes_after_a_full_disk)
{
    enum { SIZE = 500 };
    int64_t limit = 1;
    int refused = 0;
    test_log_fill(&test, 5);
    for (;; limit += SIZE / 10) {
        int64_t size = state().size_bytes;
        weir_sim_disk_limit(test.sim, 0, limit);
        int rc = test_log_append(&test, &(struct test_append){.value_size = SIZE}, NULL);
        if (rc == 0) break;
        ck_code(rc, WEIR_NO_SPACE);
        ck_assert_int_eq(test_log_file_size(&test, "00000000000000000000.log"), size);
        ck_assert(!state().is_offline);
        refused++;
    }
    ck_assert_int_gt(refused, 10);
    test_log_expect_all(&test);
    weir_sim_disk_limit(test.sim, 0, 0);
    test_log_fill(&test, 5);
    test_log_expect_all(&test);
}
END_TEST

/* A roll into a folder that is not there any more: this log is offline, and says so as such. */
START_TEST(a_roll_in_a_missing_folder_takes_the_log_offline)
{
    test_log_fill(&test, 3);
    ck_ok(test_log_sync(&test), &test.error);
    int64_t durable = state().durable_offset;
    ck_ok(weir_rename(test.env, test.options.path, "/elsewhere", &test.error), &test.error);
    ck_code(test_log_append(&test, &(struct test_append){.value_size = 5000}, NULL), WEIR_OFFLINE);
    ck_assert_int_eq(test.error.code, WEIR_OFFLINE);
    ck_assert(state().is_offline);
    ck_assert_int_eq(test_log_expect_from(&test, 0, 10000), durable);
}
END_TEST

/* After a failed sync nothing more is taken or acknowledged; what was durable can be read. */
START_TEST(a_failed_sync_takes_the_log_offline)
{
    test_log_fill(&test, 3);
    ck_ok(test_log_sync(&test), &test.error);
    int64_t durable = state().durable_offset;
    test_log_fill(&test, 3);
    weir_sim_disk_count_reset(test.sim, 0);
    weir_sim_disk_plan(test.sim, 0,
                       (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_SYNC, .at = 1});
    ck_code(test_log_sync(&test), WEIR_IO);
    ck_assert(state().is_offline);
    ck_assert_int_eq(state().offline_from, durable);
    ck_code(test_log_append(&test, &(struct test_append){0}, NULL), WEIR_OFFLINE);
    ck_assert_int_eq(test_log_expect_from(&test, 0, 10000), durable);
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(state().end_offset, durable); /* the disk never had the rest */
}
END_TEST

/* Batches of one append go in whole; a producer's must follow one another. */
START_TEST(append_takes_several_batches)
{
    struct weir_append_result result;
    ck_ok(test_log_append(&test, &(struct test_append){.record_count = 2}, NULL), &test.error);
    struct weir_shared *two = weir_shared_new(test.env->budget, test.batches[0].size * 2);
    ck_assert_ptr_nonnull(two);
    memcpy(two->data, test.batches[0].bytes, test.batches[0].size);
    memcpy(two->data + test.batches[0].size, test.batches[0].bytes, test.batches[0].size);
    two->size = test.batches[0].size * 2;
    ck_ok(weir_partition_log_append(
              test.log, &(struct weir_append){.batches = two, .now = weir_wall_now(test.env)},
              &result, &test.error),
          &test.error);
    ck_assert_int_eq(result.base_offset, 2);
    ck_assert_int_eq(result.last_offset, 5);
    ck_assert_int_eq(state().end_offset, 6);
    weir_shared_unref(two);
    weir_partition_log_check(test.log);
    test_log_forget(&test, 0);
    test.log = (weir_partition_log_close(test.log, NULL), NULL);
    test_log_expect_verified(&test);
}
END_TEST

/* Two of the model's batches in one append, as a producer sends them. */
static int append_both(size_t first, size_t second, struct weir_append_result *result)
{
    const size_t which[] = {first, second};
    struct weir_shared *both =
        weir_shared_new(test.env->budget, test.batches[first].size + test.batches[second].size);
    ck_assert_ptr_nonnull(both);
    for (size_t i = 0; i < 2; i++) {
        memcpy(both->data + both->size, test.batches[which[i]].bytes, test.batches[which[i]].size);
        both->size += test.batches[which[i]].size;
    }
    struct weir_append append = {.batches = both, .now = weir_wall_now(test.env)};
    int rc = weir_partition_log_append(test.log, &append, result, &test.error);
    weir_shared_unref(both);
    return rc;
}

/* An append of several batches that is repeated as a whole is there, from the first to the last of them;
 * half of it, or in another order, is nothing that a producer sends. */
START_TEST(several_batches_are_repeated_as_one)
{
    struct weir_append_result result;
    for (int32_t i = 0; i < 4; i++) {
        struct test_append batch = {
            .has_producer = true, .producer_id = 9, .sequence = 2 * i, .record_count = 2};
        ck_ok(test_log_append(&test, &batch, NULL), &test.error);
    }
    ck_ok(weir_partition_log_truncate(test.log, 6, &test.error), &test.error);
    for (int i = 0; i < 2; i++) {
        ck_ok(append_both(0, 1, &result), &test.error);
        ck_assert(result.is_duplicate);
        ck_assert_int_eq(result.base_offset, 0);
        ck_assert_int_eq(result.last_offset, 3);
    }
    ck_ok(append_both(1, 2, &result), &test.error);
    ck_assert(result.is_duplicate);
    ck_assert_int_eq(result.base_offset, 2);
    ck_assert_int_eq(result.last_offset, 5);
    ck_code(append_both(2, 3, &result), WEIR_OUT_OF_ORDER_SEQUENCE);
    ck_code(append_both(3, 2, &result), WEIR_OUT_OF_ORDER_SEQUENCE);
    ck_assert_int_eq(state().end_offset, 6);
}
END_TEST

/* A log may be cut between the batches of one append: what is left is read and appended to. */
START_TEST(a_cut_within_an_append_leaves_a_log)
{
    ck_ok(test_log_close(&test), &test.error);
    test.options.tail_cache_bytes = 4096;
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 1);
    size_t size = test.batches[0].size;
    struct weir_shared *two = weir_shared_new(test.env->budget, size * 2);
    ck_assert_ptr_nonnull(two);
    memcpy(two->data, test.batches[0].bytes, size);
    memcpy(two->data + size, test.batches[0].bytes, size);
    two->size = size * 2;
    struct weir_append append = {.batches = two, .now = weir_wall_now(test.env)};
    struct weir_append_result result;
    ck_ok(weir_partition_log_append(test.log, &append, &result, &test.error), &test.error);
    weir_shared_unref(two);
    ck_ok(weir_partition_log_truncate(test.log, 2, &test.error), &test.error);
    struct weir_log_read read = {.offset = 1, .offset_max = INT64_MAX, .size_max = 10000};
    ck_ok(test_log_read(&test, &read), &read.error);
    ck_assert_uint_eq(read.size, size);
    weir_log_read_release(&read);
    test_log_fill(&test, 1);
    ck_assert_int_eq(state().end_offset, 3);
    weir_partition_log_check(test.log);
}
END_TEST

/* A slice of a larger buffer is appended as if it were alone, and its neighbours stay as they are;
 * with memory for a tail and without. A slice that is a small part of its buffer does not pin it. */
START_TEST(append_takes_a_slice)
{
    enum { BEFORE = 7, AFTER = 5000 };
    struct weir_append_result result;
    ck_ok(
        test_log_append(&test, &(struct test_append){.record_count = 2, .value_size = 1500}, NULL),
        &test.error);
    ck_ok(test_log_close(&test), &test.error);
    test.options.tail_cache_bytes = 4096;
    ck_ok(test_log_open(&test), &test.error);
    size_t size = test.batches[0].size;
    for (int small = 0; small < 2; small++) {
        size_t after = small ? AFTER : 0;
        struct weir_shared *frame = weir_shared_new(test.env->budget, BEFORE + size + after);
        ck_assert_ptr_nonnull(frame);
        memset(frame->data, 0xee, frame->capacity);
        memcpy(frame->data + BEFORE, test.batches[0].bytes, size);
        frame->size = frame->capacity;
        struct weir_append append = {
            .batches = frame, .from = BEFORE, .size = size, .now = weir_wall_now(test.env)};
        ck_ok(weir_partition_log_append(test.log, &append, &result, &test.error), &test.error);
        ck_assert_int_eq(result.base_offset, 2 + 2 * small);
        ck_assert_int_eq(frame->data[BEFORE - 1], 0xee);
        if (after > 0) ck_assert_int_eq(frame->data[BEFORE + size], 0xee);
        ck_assert_uint_eq(atomic_load(&frame->references), small ? 1 : 2);

        struct weir_log_read read = {
            .offset = result.base_offset, .offset_max = INT64_MAX, .size_max = 10000};
        ck_assert_int_eq(weir_log_read_begin(test.log, &read), 0); /* from memory */
        ck_assert_uint_eq(read.size, size);
        ck_assert_mem_eq(read.batches.parts[0].bytes->data + read.batches.parts[0].from,
                         frame->data + BEFORE, size);
        weir_log_read_release(&read);
        weir_shared_unref(frame);
    }
    ck_ok(test_log_close(&test), &test.error);
    test_log_expect_verified(&test);
}
END_TEST

/* With as many producers as a log remembers at most, a new one is to come later; nothing is written
 * for it, and those that are known go on. */
START_TEST(a_producer_too_many_is_told_to_come_later)
{
    test.log->producers.count_limit = 3;
    struct test_append append = {.has_producer = true};
    for (append.producer_id = 0; append.producer_id < 3; append.producer_id++) {
        ck_ok(test_log_append(&test, &append, NULL), &test.error);
    }
    int64_t end = state().end_offset;
    struct weir_append_result result;
    ck_code(test_log_append(&test, &append, &result), WEIR_LIMIT);
    ck_assert(!result.needed_files); /* it is no lack of descriptors */
    ck_assert_int_eq(state().end_offset, end);
    append = (struct test_append){.has_producer = true, .producer_id = 1, .sequence = 1};
    ck_ok(test_log_append(&test, &append, NULL), &test.error);
    test_log_fill(&test, 1); /* one without an id needs no place */
    weir_sim_advance_ms(test.sim, WEIR_PRODUCER_KEEP_MS + 1000);
    append = (struct test_append){.has_producer = true, .producer_id = 3};
    ck_ok(test_log_append(&test, &append, NULL), &test.error);
    test_log_expect_all(&test);
}
END_TEST

/* What an append says is what it did: the offsets, the bytes that the segment has grown by, and whether a file
 * was opened for it. A batch that was there already stores nothing and opens nothing. */
START_TEST(an_append_says_what_it_stored)
{
    struct weir_append_result result;
    const char *segment = "00000000000000000000.log";
    int64_t before = test_log_file_size(&test, segment);
    for (int32_t i = 0; i < 3; i++) {
        ck_ok(send(2 * i, 0, &result), &test.error);
        int64_t size = test_log_file_size(&test, segment);
        ck_assert_int_gt(size, before);
        ck_assert_int_eq(result.stored_bytes, size - before);
        ck_assert(!result.is_duplicate);
        ck_assert_int_eq(result.append_time_ms, WEIR_NO_TIMESTAMP);
        before = size;
    }
    ck_ok(send(2, 0, &result), &test.error);
    ck_assert(result.is_duplicate);
    ck_assert(!result.needed_files);
    ck_assert_int_eq(result.stored_bytes, 0);
    ck_assert_int_eq(result.base_offset, 2);
    ck_assert_int_eq(result.last_offset, 3);
    ck_assert_int_eq(test_log_file_size(&test, segment), before);
    int rolls = 0;
    for (int i = 0; i < 100; i++) { /* a roll makes files, all other appends make none */
        int32_t count = state().segment_count;
        ck_ok(test_log_append(&test, &(struct test_append){.value_size = 100}, &result),
              &test.error);
        ck_assert_int_eq(result.needed_files, state().segment_count > count);
        rolls += state().segment_count > count;
    }
    ck_assert_int_gt(rolls, 1);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("append");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, append_assigns_dense_offsets);
    tcase_add_test(tests, append_knows_the_last_five_batches);
    tcase_add_test(tests, append_refuses_a_sequence_gap);
    tcase_add_test(tests, append_follows_the_producers_epoch);
    tcase_add_test(tests, append_lets_sequences_wrap);
    tcase_add_test(tests, producers_survive_restarts);
    tcase_add_test(tests, producers_expire_by_idle_time_only);
    tcase_add_test(tests, append_checks_timestamps);
    tcase_add_test(tests, append_refuses_a_batch_that_is_too_large);
    tcase_add_test(tests, segments_roll_by_size_and_time);
    tcase_add_test(tests, a_roll_waits_for_the_sync);
    tcase_add_test(tests, append_resumes_after_a_full_disk);
    tcase_add_test(tests, a_roll_in_a_missing_folder_takes_the_log_offline);
    tcase_add_test(tests, a_failed_sync_takes_the_log_offline);
    tcase_add_test(tests, append_takes_several_batches);
    tcase_add_test(tests, a_producer_too_many_is_told_to_come_later);
    tcase_add_test(tests, several_batches_are_repeated_as_one);
    tcase_add_test(tests, a_cut_within_an_append_leaves_a_log);
    tcase_add_test(tests, append_takes_a_slice);
    tcase_add_test(tests, an_append_says_what_it_stored);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log append", add);
}
