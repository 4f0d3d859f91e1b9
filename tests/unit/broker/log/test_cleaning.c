/* Compaction of a log as a whole: what a reader makes of it before and after. */
#include <stdlib.h>

#include "broker/log/log_internal.h"
#include "tests/unit/broker/log/keyed_log.h"

enum { DAY_MS = 24 * 60 * 60 * 1000, SEEDS = 40 };

static struct keyed_log *log_;

static void set_up(void)
{
    log_ = calloc(1, sizeof *log_);
    ck_assert_ptr_nonnull(log_);
    keyed_start(log_, 1);
    ck_ok(test_log_open(&log_->test), &log_->test.error);
}

static void tear_down(void)
{
    keyed_stop(log_);
    free(log_);
}

static void append(const int *keys, int count, uint32_t tombstones)
{
    struct keyed_batch batch = {.count = count, .keys = keys, .tombstones = tombstones};
    ck_ok(keyed_append(log_, &batch), &log_->test.error);
}

static void append_one(int key, bool is_tombstone)
{
    append(&key, 1, is_tombstone ? 1 : 0);
}

static void append_of(int producer, bool is_transactional, int key)
{
    struct keyed_batch batch = {
        .count = 1, .keys = &key, .producer = producer, .is_transactional = is_transactional};
    ck_ok(keyed_append(log_, &batch), &log_->test.error);
}

static void seal(void)
{
    ck_ok(keyed_roll(log_), &log_->test.error);
}

static struct weir_cleaning_counts clean_at(int64_t now_ms)
{
    struct weir_cleaning_counts counts = {0};
    ck_ok(keyed_clean(log_, &(struct keyed_pass){.now_ms = now_ms}, &counts), &log_->test.error);
    return counts;
}

static struct weir_cleaning_counts clean(void)
{
    return clean_at(0);
}

static void reopen(void)
{
    ck_ok(test_log_close(&log_->test), &log_->test.error);
    ck_ok(test_log_open(&log_->test), &log_->test.error);
    ck_assert(log_->test.recovery.was_clean);
    test_log_expect_verified(&log_->test);
}

/* ---- one thing at a time ---------------------------------------------------------------------- */

/* Of a key the last record stays, with its offset, and the active segment is left alone. */
START_TEST(the_last_record_of_a_key_stays)
{
    append((const int[]){1, 2, 1, 3}, 4, 0); /* 0..3 */
    append_one(2, false);                    /* 4 */
    seal();
    append_one(3, false); /* 5: not sealed, so it replaces nothing yet */
    struct weir_cleaning_counts counts = clean();
    ck_assert_int_eq(counts.records_before, 5);
    ck_assert_int_eq(counts.records_after, 3);
    ck_assert_int_eq(counts.keys, 3);
    ck_assert(!keyed_has(log_, 0) && !keyed_has(log_, 1));
    ck_assert(keyed_has(log_, 2) && keyed_has(log_, 3) && keyed_has(log_, 4) && keyed_has(log_, 5));
    keyed_expect_same(log_);
    reopen();
    keyed_expect_same(log_);
}
END_TEST

/* What has been compacted is not dirty: another pass finds nothing to do, and one that is forced neither. */
START_TEST(a_clean_log_is_left_alone)
{
    append((const int[]){1, 1, 2}, 3, 0);
    seal();
    ck_assert_int_gt(clean().bytes_written, 0);
    ck_assert_int_eq(clean().bytes_read, 0);
    reopen(); /* the mark says it */
    ck_assert_int_eq(clean().bytes_read, 0);
    append_one(1, false);
    seal();
    ck_assert_int_gt(clean().bytes_read, 0);
}
END_TEST

/* Where nothing goes no file is written anew. */
START_TEST(what_does_not_change_is_not_swapped)
{
    append((const int[]){1, 2, 3}, 3, 0);
    seal();
    struct weir_cleaning_counts counts = clean();
    ck_assert_int_eq(counts.segments_before, 0);
    ck_assert(!log_->test.log->segments[0]->facts.has_holes);
    ck_assert_int_eq(clean().bytes_read, 0);
    reopen();
    ck_assert_int_eq(clean().bytes_read, 0);
}
END_TEST

/* A tombstone stays for delete.retention.ms from the pass that met it first, however old its record is, and the value
 * that it deletes never comes back. */
START_TEST(a_tombstone_has_its_time)
{
    int64_t now = weir_wall_now(log_->test.env).ms;
    append_one(1, false); /* 0 */
    seal();
    append_one(1, true); /* 1 */
    seal();
    (void)clean_at(now + 5 * (int64_t)DAY_MS); /* sets its horizon: a day from here */
    ck_assert(!keyed_has(log_, 0));
    ck_assert(keyed_has(log_, 1));
    append_one(2, false);
    seal();
    struct weir_cleaning_counts counts = clean_at(now + 6 * (int64_t)DAY_MS - 1);
    ck_assert_int_eq(counts.tombstones_removed, 0);
    ck_assert(keyed_has(log_, 1));
    append_one(2, false);
    seal();
    counts = clean_at(now + 6 * (int64_t)DAY_MS);
    ck_assert_int_eq(counts.tombstones_removed, 1);
    ck_assert(!keyed_has(log_, 1));
    keyed_expect_same(log_);
    reopen();
    keyed_expect_same(log_);
}
END_TEST

/* Where the owner says so tombstones stay, and no batch is given a time for them to go. */
START_TEST(tombstones_can_stay_for_ever)
{
    struct weir_cleaning_counts counts = {0};
    int64_t now = weir_wall_now(log_->test.env).ms;
    append_one(1, false); /* 0 */
    append_one(1, true);  /* 1 */
    seal();
    for (int64_t day = 0; day < 10; day++) {
        struct keyed_pass pass = {.keeps_tombstones = true, .now_ms = now + day * DAY_MS};
        ck_ok(keyed_clean(log_, &pass, &counts), &log_->test.error);
        ck_assert_int_eq(counts.tombstones_removed, 0);
        append_one(2, false);
        seal();
    }
    ck_assert(!keyed_has(log_, 0));
    ck_assert(keyed_has(log_, 1));
    (void)clean_at(now + 20 * (int64_t)DAY_MS); /* only now its time begins */
    ck_assert(keyed_has(log_, 1));
}
END_TEST

/* Aborted data goes, and replaces nothing; its marker stays as long as a pass has met data of it, and then until its
 * horizon. */
START_TEST(aborted_data_goes_and_its_marker_later)
{
    int64_t now = weir_wall_now(log_->test.env).ms;
    append_one(1, false);                    /* 0 */
    append_of(5, true, 1);                   /* 1: the producer's last one, so its header stays */
    append_of(6, true, 1);                   /* 2 */
    ck_ok(keyed_mark(log_, 5, false), NULL); /* 3 */
    ck_ok(keyed_mark(log_, 6, false), NULL); /* 4 */
    append_of(6, true, 2);                   /* 5 */
    ck_ok(keyed_mark(log_, 6, true), NULL);  /* 6 */
    append_one(3, false);                    /* 7 */
    seal();
    (void)clean_at(now);
    ck_assert(keyed_has(log_, 0));
    ck_assert(!keyed_has(log_, 1) && !keyed_has(log_, 2));
    ck_assert(keyed_has(log_, 3) && keyed_has(log_, 4) && keyed_has(log_, 6));
    keyed_expect_same(log_);
    append_one(3, false);
    seal();
    (void)clean_at(
        now + 1); /* nothing is left of the first transaction of 6: its marker gets a horizon */
    ck_assert(keyed_has(log_, 4));
    append_one(3, false);
    seal();
    (void)clean_at(now + DAY_MS);
    ck_assert(keyed_has(log_, 4)); /* set a millisecond later */
    append_one(3, false);
    seal();
    (void)clean_at(now + DAY_MS + 1);
    ck_assert(!keyed_has(log_, 4));
    ck_assert(keyed_has(log_, 3)); /* the empty batch before it is a batch of its transaction */
    ck_assert(keyed_has(log_, 6));
    keyed_expect_same(log_);
    reopen();
}
END_TEST

/* An open transaction, and all behind it, is left alone; also where its marker may be lost with the power. Once that is
 * durable it decides, in the active segment as well. */
START_TEST(nothing_passes_an_open_transaction)
{
    append_one(1, false); /* 0 */
    append_one(1, false); /* 1 */
    seal();
    append_of(5, true, 1); /* 2 */
    append_one(2, false);
    append_one(2, false); /* 4 */
    seal();
    append_one(2, false);
    seal();
    (void)clean();
    ck_assert(!keyed_has(log_, 0));
    ck_assert(keyed_has(log_, 1) && keyed_has(log_, 2) && keyed_has(log_, 3));
    ck_ok(keyed_mark(log_, 5, true), NULL);
    (void)clean();
    ck_assert(keyed_has(log_, 1) && keyed_has(log_, 3));
    ck_ok(test_log_sync(&log_->test), &log_->test.error);
    (void)clean();
    ck_assert(!keyed_has(log_, 1) && !keyed_has(log_, 3));
    keyed_expect_same(log_);
    reopen();
}
END_TEST

/* The active segment says what was aborted, too, and an owner's bound holds for what its markers say: one above it may be
 * cut, and its transaction be open again. */
START_TEST(a_marker_in_the_active_segment_decides)
{
    append_one(1, false);  /* 0 */
    append_of(5, true, 1); /* 1 */
    append_of(6, true, 2); /* 2 */
    append_one(3, false);
    append_one(3, false); /* 4 */
    seal();
    ck_ok(keyed_mark(log_, 5, false), NULL); /* 5 */
    ck_ok(keyed_mark(log_, 6, true), NULL);  /* 6 */
    append_of(5, true, 4);                   /* 7: the next one of the producer, open */
    ck_ok(test_log_sync(&log_->test), &log_->test.error);
    ck_ok(keyed_clean(log_, &(struct keyed_pass){.bound_offset = 6}, NULL), &log_->test.error);
    ck_assert(keyed_has(log_, 3));
    (void)clean();
    ck_assert(keyed_has(log_, 0) && keyed_has(log_, 2) && keyed_has(log_, 4));
    ck_assert(!keyed_has(log_, 1) && !keyed_has(log_, 3));
    keyed_expect_same(log_);
    reopen();
}
END_TEST

/* Where the owner of the log says so nothing is replaced by what lies above its bound. */
START_TEST(nothing_passes_the_bound)
{
    append_one(1, false);
    seal();
    append_one(1, false);
    seal();
    append_one(1, false); /* 2 */
    seal();
    append_one(1, false);
    ck_ok(keyed_clean(log_, &(struct keyed_pass){.bound_offset = 2}, NULL), &log_->test.error);
    ck_assert(!keyed_has(log_, 0));
    ck_assert(keyed_has(log_, 1));
    ck_ok(weir_partition_log_truncate(log_->test.log, 2, &log_->test.error), &log_->test.error);
    log_->count = 2;
    test_log_forget(&log_->test, 2);
    keyed_expect_same(log_);
}
END_TEST

/* Records younger than min.compaction.lag.ms stay, and the ratio decides when a pass is due. */
START_TEST(lag_and_ratio_decide)
{
    struct weir_cleaning_counts counts;
    struct weir_topic_config *config = &log_->test.log->config;
    int64_t now = weir_wall_now(log_->test.env).ms;
    config->min_compaction_lag_ms = 1000;
    append((const int[]){1, 1}, 2, 0);
    seal();
    struct keyed_pass pass = {.now_ms = now + 1000, .is_lazy = true};
    ck_ok(keyed_clean(log_, &pass, &counts), NULL);
    ck_assert_int_eq(counts.bytes_read, 0);
    pass.now_ms = now + 1002; /* its second record is a millisecond later */
    ck_ok(keyed_clean(log_, &pass, &counts), NULL);
    ck_assert_int_gt(counts.bytes_written, 0);
    config->min_compaction_lag_ms = 0;
    for (int i = 0; i < 10; i++) {
        append((const int[]){2, 3, 4, 5, 6, 7, 8, 9}, 8, 0);
    }
    seal();
    ck_ok(keyed_clean(log_, &pass, NULL), NULL);
    append_one(1, false);
    seal();
    ck_ok(keyed_clean(log_, &pass, &counts), NULL); /* a small part is dirty */
    ck_assert_int_eq(counts.bytes_read, 0);
    config->max_compaction_lag_ms = 500;
    ck_ok(keyed_clean(log_, &pass, &counts), NULL); /* it has waited for too long */
    ck_assert_int_gt(counts.bytes_read, 0);
}
END_TEST

/* A table that holds few keys takes several passes, each as far as it gets. */
START_TEST(a_small_table_takes_several_passes)
{
    struct weir_test_random random = {3};
    struct weir_cleaning_counts counts = {0};
    int64_t clean_offset = 0;
    int passes = 0;
    ck_ok(keyed_fill(log_, &random, 200), &log_->test.error);
    for (int producer = 4; producer <= 6; producer++) {
        ck_ok(keyed_mark(log_, producer, true), NULL);
    }
    seal();
    do {
        struct keyed_pass pass = {.table_bytes = 20 * WEIR_CLEANER_ENTRY_SIZE};
        ck_ok(keyed_clean(log_, &pass, &counts), &log_->test.error);
        keyed_expect_same(log_);
        ck_assert(log_->test.log->clean_offset > clean_offset || counts.bytes_read == 0);
        clean_offset = log_->test.log->clean_offset;
    } while (counts.bytes_read > 0 && ++passes < 200);
    ck_assert_int_gt(passes, 3);
    ck_assert_int_lt(passes, 200);
    ck_assert_int_eq(clean_offset, weir_log_active(log_->test.log)->facts.base_offset);
}
END_TEST

/* A batch that no table of that size holds is said, not passed by. */
START_TEST(a_table_that_is_too_small_is_told)
{
    int keys[20];
    for (int i = 0; i < 20; i++) {
        keys[i] = i;
    }
    append(keys, 20, 0);
    seal();
    struct keyed_pass pass = {.table_bytes = 10 * WEIR_CLEANER_ENTRY_SIZE};
    ck_code(keyed_clean(log_, &pass, NULL), WEIR_LIMIT);
    ck_assert_ptr_nonnull(strstr(log_->test.error.text, "log.cleaner.dedupe.buffer.size"));
    ck_assert_int_eq(weir_partition_log_check_online(log_->test.log, NULL), 0);
    keyed_expect_same(log_);
}
END_TEST

/* The allocation with this number fails in a pass over three segments. False: it has fewer. */
static bool clean_without_memory(uint64_t number)
{
    for (int i = 0; i < 3; i++) {
        append((const int[]){1, 2, 1}, 3, 0);
        seal();
    }
    log_->test.env->heap->fail_at = number; /* counts down to 0 */
    int rc = keyed_clean(log_, &(struct keyed_pass){0}, NULL);
    bool was_hit = log_->test.env->heap->fail_at == 0;
    log_->test.env->heap->fail_at = 0;
    if (rc < 0) ck_code(rc, WEIR_NO_MEMORY);
    if (!was_hit) ck_ok(rc, &log_->test.error);
    ck_assert_int_eq(weir_partition_log_check_online(log_->test.log, NULL), 0);
    keyed_expect_same(log_);
    append_one(3, false);
    seal();
    (void)clean();
    keyed_expect_same(log_);
    reopen();
    return was_hit;
}

/* Wherever memory is short the log goes on, whole, and a later pass does what that one has not. */
START_TEST(memory_may_be_short_anywhere)
{
    uint64_t number = 1;
    while (clean_without_memory(number)) {
        tear_down();
        set_up();
        number++;
    }
    ck_assert_uint_gt(number, 20);
}
END_TEST

/* Small segments become one, with one mark for it. */
START_TEST(small_segments_become_one)
{
    for (int i = 0; i < 10; i++) {
        append((const int[]){i, i + 1}, 2, 0);
        seal();
    }
    size_t before = log_->test.log->segment_count;
    struct weir_cleaning_counts counts = clean();
    ck_assert_int_eq(counts.segments_before, 10);
    ck_assert_int_eq(counts.segments_after, 1);
    ck_assert_uint_eq(log_->test.log->segment_count, before - 9);
    ck_assert(!test_log_exists(&log_->test, "00000000000000000002.log"));
    keyed_expect_same(log_);
    reopen();
    keyed_expect_same(log_);
}
END_TEST

/* Who had an idempotent producer's sequence has it still, when mark and memory are lost and the log alone is left. */
START_TEST(the_last_batch_of_a_producer_stays)
{
    append_of(2, false, 1);
    append_of(2, false, 1);
    append_one(1, false);
    seal();
    append_one(1, false);
    seal();
    (void)clean();
    ck_assert(!keyed_has(log_, 1));
    ck_ok(test_log_close(&log_->test), &log_->test.error);
    test_log_lose_marks(&log_->test);
    ck_ok(test_log_open(&log_->test), &log_->test.error);
    append_of(2, false, 2); /* of the sequence that follows: another would be refused */
    keyed_expect_same(log_);
}
END_TEST

/* ---- beside others ---------------------------------------------------------------------------- */

static struct weir_log_cleaning begun(void)
{
    struct weir_log_cleaning cleaning = {0};
    struct weir_cleaning_options options = {
        .bound_offset = INT64_MAX,
        .is_forced = true,
        .table_bytes_max = 64 * 1024,
        .now = weir_wall_now(log_->test.env),
    };
    ck_assert_int_eq(
        weir_log_cleaning_begin(log_->test.log, &options, &cleaning, &log_->test.error), WEIR_END);
    return cleaning;
}

/* Appends, rolls and syncs between its steps; what they add is not touched. */
START_TEST(appends_go_on_beside_it)
{
    struct weir_test_random random = {5};
    ck_ok(keyed_fill(log_, &random, 60), &log_->test.error);
    seal();
    struct weir_log_cleaning cleaning = begun();
    int rc;
    int turns = 0;
    do {
        while (weir_log_cleaning_run(&cleaning, 100) == WEIR_END) {
            ck_ok(keyed_fill(log_, &random, 1), &log_->test.error);
            if (++turns % 3 == 0) ck_ok(test_log_sync(&log_->test), &log_->test.error);
        }
        rc = weir_log_cleaning_end(&cleaning, &log_->test.error);
        keyed_expect_same(log_);
    } while (rc == WEIR_END);
    ck_ok(rc, &log_->test.error);
    ck_assert_int_gt(turns, 10);
    ck_assert(!cleaning.was_cut_off);
    weir_log_cleaning_close(&cleaning);
    reopen();
    keyed_expect_same(log_);
}
END_TEST

/* A reader that has begun in the old file reads on there; a later one gets the new one. */
START_TEST(a_reader_in_mid_log_reads_on)
{
    static struct keyed_record before[KEYED_MAX];
    for (int i = 0; i < 6; i++) {
        append((const int[]){1, 2, 3, 4}, 4, 0);
        seal();
    }
    weir_tail_cache_cut(&log_->test.log->tail, 0);
    struct weir_log_read read = {
        .offset = 4, .offset_max = INT64_MAX, .size_max = 4096, .range_min = 1};
    int rc = weir_log_read_begin(log_->test.log, &read);
    if (rc == WEIR_END) {
        weir_log_read_run(&read);
        rc = weir_log_read_end(&read);
    }
    ck_ok(rc, &read.error);
    ck_assert_ptr_nonnull(read.range.segment);
    struct weir_slice old = weir_slice(malloc((size_t)read.range.size), (size_t)read.range.size);
    (void)clean();
    ck_assert_uint_eq(log_->test.log->segment_count, 2);
    ck_assert_int_eq(weir_file_read(weir_log_range_file(&read.range), (void *)(uintptr_t)old.data,
                                    old.size, read.range.position, NULL),
                     (int64_t)old.size);
    ck_assert(!weir_log_range_was_cut(&read.range));
    struct weir_batch_header header;
    ck_ok(weir_batch_peek(old, 0, &header, &log_->test.error), &log_->test.error);
    ck_assert_int_eq(header.base_offset, 4);
    ck_assert_int_eq(header.record_count, 4);
    ck_ok(weir_batch_check_crc(weir_slice(old.data, weir_batch_size(&header)), NULL), NULL);
    weir_log_read_release(&read);
    ck_assert_uint_eq(keyed_read(log_, 4, 4096, before), 4);
    ck_assert_int_eq(before[0].offset, 20);
    free((void *)(uintptr_t)old.data);
}
END_TEST

/* What was trimmed or cut under it is not put back, and the next pass does what is left to do. */
START_TEST(a_log_that_changes_is_not_swapped)
{
    for (int kind = 0; kind < 2; kind++) {
        for (int i = 0; i < 4; i++) {
            append((const int[]){1, 2}, 2, 0);
            seal();
        }
        append_one(3, false);
        struct weir_log_cleaning cleaning = begun();
        while (weir_log_cleaning_run(&cleaning, 1000) == WEIR_END) {
        }
        ck_assert_int_eq(cleaning.phase, WEIR_CLEANING_SWAP);
        struct weir_log_offsets offsets = weir_partition_log_offsets(log_->test.log);
        if (kind == 0) {
            int64_t start = offsets.start_offset + 3;
            ck_ok(weir_partition_log_set_start(log_->test.log, start, NULL), NULL);
        } else {
            int64_t end = offsets.end_offset - 4; /* into a segment that was read */
            ck_ok(weir_partition_log_truncate(log_->test.log, end, NULL), NULL);
            while (log_->records[log_->count - 1].offset >= end) {
                log_->count--;
            }
        }
        ck_ok(weir_log_cleaning_end(&cleaning, &log_->test.error), &log_->test.error);
        ck_assert(cleaning.was_cut_off);
        weir_log_cleaning_close(&cleaning);
        keyed_expect_same(log_);
        (void)clean();
        keyed_expect_same(log_);
        reopen();
        keyed_expect_same(log_);
    }
}
END_TEST

static void expect_no_leftover(struct test_log *test, const char *name)
{
    (void)test;
    ck_assert_msg(strstr(name, ".cleaned") == NULL && strstr(name, ".swap") == NULL,
                  "'%s' is left over", name);
}

/* Given up at any of its points it leaves nothing, and the log as it was. */
START_TEST(it_can_be_given_up_anywhere)
{
    struct weir_test_random random = {8};
    ck_ok(keyed_fill(log_, &random, 60), &log_->test.error);
    seal();
    for (int slices = 0; slices < 200; slices += 7) {
        struct weir_log_cleaning cleaning = begun();
        int rc = WEIR_END;
        for (int i = 0; i < slices && rc == WEIR_END; i++) {
            rc = weir_log_cleaning_run(&cleaning, 100);
        }
        weir_log_cleaning_give_up(&cleaning);
        weir_log_cleaning_close(&cleaning);
        test_log_each_file(&log_->test, expect_no_leftover);
        keyed_expect_same(log_);
    }
}
END_TEST

/* Rot is no record that may be left out: the log is offline from there, and nothing is written anew. */
START_TEST(rot_is_found_and_not_copied)
{
    append((const int[]){1, 1}, 2, 0);
    seal();
    append((const int[]){1, 1}, 2, 0); /* 2, 3 */
    seal();
    struct weir_file *file = NULL;
    const char *path = test_log_path(&log_->test, "00000000000000000002.log");
    ck_ok(weir_file_open(log_->test.env, path, WEIR_OPEN_WRITE, &file, NULL), NULL);
    ck_ok(weir_file_write(file, &(struct weir_iovec){"?", 1}, 1, 70, NULL), NULL);
    weir_file_close(file);
    ck_code(keyed_clean(log_, &(struct keyed_pass){0}, NULL), WEIR_CORRUPT);
    ck_assert_int_eq(weir_partition_log_offline_from(log_->test.log), 2);
    ck_assert_uint_eq(log_->test.log->segment_count, 3);
    test_log_each_file(&log_->test, expect_no_leftover);
}
END_TEST

/* ---- at random -------------------------------------------------------------------------------- */

static void live_at_random(uint64_t seed)
{
    struct weir_test_random random = {seed};
    int64_t now = weir_wall_now(log_->test.env).ms;
    for (int round = 0; round < 12; round++) {
        ck_ok(keyed_fill(log_, &random, 10 + (int)weir_test_random_below(&random, 60)),
              &log_->test.error);
        if (weir_test_random_below(&random, 2) == 0) seal();
        now += (int64_t)weir_test_random_below(&random, DAY_MS);
        struct keyed_pass pass = {
            .now_ms = now,
            .is_lazy = weir_test_random_below(&random, 4) == 0,
            .slice = 1 + (int64_t)weir_test_random_below(&random, 3000),
            .table_bytes = (12 + weir_test_random_below(&random, 30)) * WEIR_CLEANER_ENTRY_SIZE,
        };
        ck_ok(keyed_clean(log_, &pass, NULL), &log_->test.error);
        weir_partition_log_check(log_->test.log);
        keyed_expect_same(log_);
        if (weir_test_random_below(&random, 3) > 0) continue;
        if (weir_test_random_below(&random, 2) == 0) {
            reopen();
        } else {
            ck_ok(test_log_sync(&log_->test), &log_->test.error);
            test_log_crash(&log_->test, WEIR_SIM_POWER);
            ck_ok(test_log_open(&log_->test), &log_->test.error);
            test_log_expect_verified(&log_->test);
        }
        keyed_expect_same(log_);
    }
}

/* Logs at random, passes at random: the fold of what is left is the fold of all that was appended. */
START_TEST(the_fold_stays)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        live_at_random(seed);
        tear_down();
        set_up();
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("cleaning");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, the_last_record_of_a_key_stays);
    tcase_add_test(tests, a_clean_log_is_left_alone);
    tcase_add_test(tests, what_does_not_change_is_not_swapped);
    tcase_add_test(tests, a_tombstone_has_its_time);
    tcase_add_test(tests, tombstones_can_stay_for_ever);
    tcase_add_test(tests, aborted_data_goes_and_its_marker_later);
    tcase_add_test(tests, nothing_passes_an_open_transaction);
    tcase_add_test(tests, a_marker_in_the_active_segment_decides);
    tcase_add_test(tests, nothing_passes_the_bound);
    tcase_add_test(tests, lag_and_ratio_decide);
    tcase_add_test(tests, a_small_table_takes_several_passes);
    tcase_add_test(tests, a_table_that_is_too_small_is_told);
    tcase_add_test(tests, memory_may_be_short_anywhere);
    tcase_add_test(tests, small_segments_become_one);
    tcase_add_test(tests, the_last_batch_of_a_producer_stays);
    tcase_add_test(tests, appends_go_on_beside_it);
    tcase_add_test(tests, a_reader_in_mid_log_reads_on);
    tcase_add_test(tests, a_log_that_changes_is_not_swapped);
    tcase_add_test(tests, it_can_be_given_up_anywhere);
    tcase_add_test(tests, rot_is_found_and_not_copied);
    tcase_add_test(tests, the_fold_stays);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("cleaning", add);
}
