#include "broker/log/transaction_index.h"

#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "broker/log/small_file.h"
#include "tests/unit/broker/log/log_support.h"

/* What a reader is told of aborted transactions, whatever has become of the files that say so. */

static struct test_log test;

enum { ABORTS_MAX = 256, PRODUCERS = 4 };

static struct {
    struct weir_aborted_transaction list[ABORTS_MAX];
    size_t count;
} told; /* by the log, of all that is in it */

static void set_up(void)
{
    test_log_start(&test, 1);
    ck_ok(test_log_open(&test), &test.error);
}

static void tear_down(void)
{
    test_log_stop(&test);
}

static void write_record(int64_t id, int32_t sequence)
{
    ck_ok(test_log_append(&test,
                          &(struct test_append){.has_producer = true,
                                                .producer_id = id,
                                                .sequence = sequence,
                                                .is_transactional = true},
                          NULL),
          &test.error);
}

static void write_marker(int64_t id, bool is_commit)
{
    ck_ok(test_log_append(
              &test,
              &(struct test_append){.producer_id = id, .is_marker = true, .is_commit = is_commit},
              NULL),
          &test.error);
}

/* Transactions of several producers within one another, every third of which is committed: over several segments, of
 * which some have aborts of transactions that began in one before. */
static void write_transactions(int count)
{
    static int32_t sequences[PRODUCERS];
    memset(sequences, 0, sizeof sequences);
    for (int i = 0; i < count; i++) {
        int64_t id = i % PRODUCERS;
        write_record(id, sequences[id]++);
        write_record((id + 1) % PRODUCERS, sequences[(id + 1) % PRODUCERS]++);
        write_marker(id, i % 3 == 0);
    }
}

static void ask(int64_t from, int64_t to)
{
    struct weir_aborted_transaction *list;
    ck_ok(weir_partition_log_aborted(test.log, from, to, &list, &told.count), &test.error);
    ck_assert_uint_le(told.count, ABORTS_MAX);
    ck_assert_uint_eq(list != NULL, told.count > 0);
    if (list != NULL) memcpy(told.list, list, told.count * sizeof *list);
    weir_free(list);
}

static void ask_all(void)
{
    struct weir_partition_log_state state = weir_partition_log_state(test.log);
    ask(state.start_offset, state.end_offset);
}

/* As it was told before. */
static void expect_same(void)
{
    static struct weir_aborted_transaction before[ABORTS_MAX];
    size_t count = told.count;
    memcpy(before, told.list, sizeof before);
    ask_all();
    ck_assert_uint_eq(told.count, count);
    ck_assert_mem_eq(told.list, before, count * sizeof before[0]);
}

static void reopen(void)
{
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(test_log_open(&test), &test.error);
}

/* Byte for byte Kafka's (AbortedTxn). */
START_TEST(an_entry_has_kafkas_bytes)
{
    static const uint8_t expected[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0,
                                       0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1};
    struct weir_buffer bytes;
    write_record(7, 0);
    write_record(8, 0);
    write_marker(7, false);
    weir_buffer_init(&bytes, test.env->budget, 0);
    ck_ok(weir_small_file_read(test.env, test_log_path(&test, "00000000000000000000.txnindex"),
                               1000, &bytes, &test.error),
          &test.error);
    ck_assert_uint_eq(bytes.size, sizeof expected);
    ck_assert_mem_eq(bytes.data, expected, sizeof expected);
    weir_buffer_close(&bytes);
    write_marker(8, true); /* a commit is none */
    ck_assert_int_eq(test_log_file_size(&test, "00000000000000000000.txnindex"), 34);
}
END_TEST

/* Where nothing was aborted there is no file, and a transaction without records is none that was. */
START_TEST(without_aborts_there_is_no_file)
{
    write_record(7, 0);
    write_marker(7, true);
    write_marker(9, false);
    ask_all();
    ck_assert_uint_eq(told.count, 0);
    reopen();
    ck_assert(!test_log_exists(&test, "00000000000000000000.txnindex"));
}
END_TEST

/* Only what has records in the range, whether its marker lies in it or behind. */
START_TEST(only_those_of_the_range_are_told)
{
    write_record(1, 0);     /* 0 */
    write_marker(1, false); /* 1 */
    write_record(2, 0);     /* 2 */
    write_record(3, 0);     /* 3 */
    write_marker(3, false); /* 4 */
    write_marker(2, false); /* 5 */
    write_record(1, 1);     /* 6 */
    write_marker(1, false); /* 7 */
    ask(0, 8);
    ck_assert_uint_eq(told.count, 4);
    ask(0, 1);
    ck_assert_uint_eq(told.count, 1);
    ck_assert_int_eq(told.list[0].producer_id, 1);
    ask(2, 3);
    ck_assert_uint_eq(told.count, 1);
    ck_assert_int_eq(told.list[0].producer_id, 2);
    ask(3, 6);
    ck_assert_uint_eq(told.count, 2);
    ck_assert_int_eq(told.list[0].producer_id, 3); /* in the order of their ends */
    ck_assert_int_eq(told.list[1].producer_id, 2);
    ask(8, 8);
    ck_assert_uint_eq(told.count, 0);
}
END_TEST

/* What a close, a kill and a loss of power leave is read, or made anew. */
START_TEST(aborts_outlive_every_end)
{
    write_transactions(40);
    ck_ok(test_log_sync(&test), &test.error);
    ask_all();
    ck_assert_uint_gt(told.count, 20);
    ck_assert_int_gt(weir_partition_log_state(test.log).segment_count, 2);
    reopen();
    expect_same();
    for (int kind = 0; kind < 2; kind++) {
        test_log_crash(&test, kind == 0 ? WEIR_SIM_KILL : WEIR_SIM_POWER);
        ck_ok(test_log_open(&test), &test.error);
        expect_same();
    }
    test_log_expect_verified(&test);
}
END_TEST

/* Ways in which a file can be wrong. */
enum harm { GONE, EMPTY, TORN, FLIPPED, LONGER, SHORTER, HARMS };

static int harm_;
static int harmed_count;

static void harm(struct test_log *log, const char *name)
{
    struct weir_buffer bytes;
    uint8_t last[WEIR_TRANSACTION_INDEX_ENTRY_SIZE];
    if (weir_log_name_offset(name, ".txnindex") < 0) return;
    harmed_count++;
    const char *path = test_log_path(log, name);
    weir_buffer_init(&bytes, log->env->budget, 0);
    ck_ok(weir_small_file_read(log->env, path, 1 << 20, &bytes, &log->error), &log->error);
    switch ((enum harm)harm_) {
    case GONE:
        ck_ok(weir_remove(log->env, path, &log->error), &log->error);
        break;
    case EMPTY:
        test_log_write_file(log, name, "", 0);
        break;
    case TORN:
        test_log_write_file(log, name, bytes.data, bytes.size - 5);
        break;
    case FLIPPED:
        bytes.data[9] ^= 1; /* another producer: nothing but the crc tells */
        test_log_write_file(log, name, bytes.data, bytes.size);
        break;
    case LONGER:
        memcpy(last, bytes.data + bytes.size - sizeof last, sizeof last);
        weir_buffer_append(&bytes, last, sizeof last);
        test_log_write_file(log, name, bytes.data, bytes.size);
        break;
    case SHORTER:
        test_log_write_file(log, name, bytes.data, bytes.size - 34);
        break;
    case HARMS:
        break;
    }
    weir_buffer_close(&bytes);
}

static void lose_snapshot(struct test_log *log, const char *name)
{
    if (weir_log_name_offset(name, ".snapshot") < 0) return;
    ck_ok(weir_remove(log->env, test_log_path(log, name), &log->error), &log->error);
}

/* A file that is not what the mark says is made anew from the log, with and without the snapshots of the segments'
 * beginnings, and is then what it was. */
START_TEST(a_wrong_file_is_made_anew)
{
    harm_ = _i % HARMS;
    write_transactions(40);
    ask_all();
    ck_ok(test_log_close(&test), &test.error);
    test_log_expect_verified(&test);
    int64_t size = test_log_file_size(&test, "00000000000000000000.txnindex");
    test_log_each_file(&test, harm);
    ck_assert_int_gt(harmed_count, 2);
    struct weir_verify_summary summary;
    ck_ok(weir_partition_log_verify(test.env, test.options.path, NULL, NULL, &summary, &test.error),
          &test.error);
    ck_assert_int_eq(summary.hint_count, harmed_count); /* one for each, and no damage */
    ck_assert_int_eq(summary.damage_count, 0);
    if (_i >= HARMS) test_log_each_file(&test, lose_snapshot);
    ck_ok(test_log_open(&test), &test.error);
    expect_same();
    ck_assert_int_eq(test_log_file_size(&test, "00000000000000000000.txnindex"), size);
    write_record(77, 0);
    write_marker(77, false);
    ask_all();
    reopen();
    expect_same();
    test_log_expect_verified(&test);
}
END_TEST

/* Where the file is gone and the log that it should be made from is damaged, nobody knows what was aborted behind the damage:
 * nothing of it is served. */
START_TEST(what_cannot_be_walked_is_not_served)
{
    const struct test_batch *batch;
    harm_ = GONE;
    write_transactions(40);
    ck_ok(test_log_close(&test), &test.error);
    test_log_each_file(&test, harm);
    batch = test_log_batch_at(&test, 4);
    int64_t position = 0;
    for (const struct test_batch *at = test.batches; at < batch; at++)
        position += (int64_t)at->size;
    ck_ok(weir_sim_disk_flip(test.sim, 0, test_log_path(&test, "00000000000000000000.log"),
                             position + 16, 0),
          &test.error); /* the magic */
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(test.recovery.offline_from, 4);
    ck_assert_int_eq(test_log_expect_from(&test, 0, 700), 4);
    ck_code(test.error.code, WEIR_OFFLINE);
}
END_TEST

/* Without a mark all is scanned, and so are the markers. */
START_TEST(without_a_mark_aborts_are_found)
{
    write_transactions(40);
    ask_all();
    ck_ok(test_log_close(&test), &test.error);
    test_log_lose_marks(&test);
    if (_i == 1) {
        harm_ = FLIPPED;
        test_log_each_file(&test, harm);
    }
    ck_ok(test_log_open(&test), &test.error);
    expect_same();
    reopen();
    expect_same();
}
END_TEST

/* A cut takes the markers behind it, and what they have ended is open again. */
START_TEST(a_cut_takes_aborts_back)
{
    write_transactions(30);
    int64_t end = weir_partition_log_state(test.log).end_offset;
    while (end > 0) {
        int64_t cut = end - 7 > 0 ? end - 7 : 0;
        ask(0, end);
        ck_ok(weir_partition_log_truncate(test.log, cut, &test.error), &test.error);
        test_log_forget(&test, cut);
        end = weir_partition_log_state(test.log).end_offset;
        ask_all();
        for (size_t i = 0; i < told.count; i++)
            ck_assert_int_lt(told.list[i].first_offset, end);
        if (end % 2 == 0) {
            ck_ok(test_log_sync(&test), &test.error);
            test_log_crash(&test, WEIR_SIM_POWER);
            ck_ok(test_log_open(&test), &test.error);
            expect_same();
        }
    }
    ck_assert_uint_eq(told.count, 0);
    ck_assert(!test_log_exists(&test, "00000000000000000000.txnindex"));
}
END_TEST

/* A cut that goes through the batch which opens a transaction takes the batch, and the transaction with it: nothing is
 * open that no marker would end. */
START_TEST(a_cut_through_the_first_batch_takes_its_transaction)
{
    struct test_append plain = {.record_count = 1};
    ck_ok(test_log_append(&test, &plain, NULL), &test.error);
    ck_ok(test_log_append(&test,
                          &(struct test_append){.record_count = 3,
                                                .has_producer = true,
                                                .producer_id = 7,
                                                .is_transactional = true},
                          NULL),
          &test.error);
    ck_assert_int_eq(weir_partition_log_state(test.log).last_stable_offset, 1);
    ck_ok(weir_partition_log_truncate(test.log, 2, &test.error), &test.error);
    test_log_forget(&test, 1);
    ck_ok(test_log_append(&test, &plain, NULL), &test.error);
    ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, 2);
    ck_assert_int_eq(weir_partition_log_state(test.log).last_stable_offset, 2);
}
END_TEST

static int txnindex_count;

static void count_file(struct test_log *log, const char *name)
{
    (void)log;
    txnindex_count += weir_log_name_offset(name, ".txnindex") >= 0;
}

/* With a segment goes its index, and what is left says what it did of the rest. */
START_TEST(a_segment_takes_its_index_along)
{
    write_transactions(40);
    struct weir_partition_log_state state = weir_partition_log_state(test.log);
    ask(state.end_offset - 10, state.end_offset);
    size_t count = told.count;
    ck_ok(weir_partition_log_set_start(test.log, state.end_offset - 10, &test.error), &test.error);
    ask_all();
    ck_assert_uint_eq(told.count, count);
    test_log_each_file(&test, count_file);
    ck_assert_int_le(txnindex_count, weir_partition_log_state(test.log).segment_count);
    reopen();
    expect_same();
}
END_TEST

/* A mark of before version 6 says nothing of them: the files do, if they make sense. */
START_TEST(an_older_directory_says_it_by_its_files)
{
    struct weir_buffer mark;
    write_transactions(40);
    ask_all();
    ck_ok(test_log_close(&test), &test.error);
    weir_buffer_init(&mark, test.env->budget, 0);
    ck_ok(weir_small_file_read(test.env, test_log_path(&test, "durable-mark"), 1 << 20, &mark,
                               &test.error),
          &test.error);
    for (size_t left = weir_load_u32(mark.data + 60); left > 0; left--) {
        size_t at = 64 + (left - 1) * 68 + 60;
        memmove(mark.data + at, mark.data + at + 8, mark.size - at - 8);
        mark.size -= 8;
    }
    mark.size -= 8; /* the clean offset */
    mark.data[9] = 5;
    weir_store_u32(mark.data + 12, (uint32_t)mark.size);
    uint32_t crc = weir_crc32c(0, mark.data, 16);
    weir_store_u32(mark.data + 16, weir_crc32c(crc, mark.data + 20, mark.size - 20));
    test_log_lose_marks(&test);
    test_log_write_file(&test, "durable-mark", mark.data, mark.size);
    weir_buffer_close(&mark);
    if (_i == 1) { /* and one that does not is made anew */
        harm_ = TORN;
        test_log_each_file(&test, harm);
    }
    ck_ok(test_log_open(&test), &test.error);
    ck_assert(test.recovery.was_clean);
    expect_same();
    write_record(77, 0);
    write_marker(77, false);
    ask_all();
    reopen();
    expect_same();
}
END_TEST

/* Memory that runs out while an abort is written, or while the files are read, is an error, and the next try says the
 * same. */
START_TEST(memory_may_run_out)
{
    struct weir_test_failures failures = {0};
    write_transactions(12);
    ask_all();
    while (weir_test_failures_next(&failures)) {
        ck_ok(test_log_close(&test), &test.error);
        weir_test_failures_arm(&failures, test.env->heap);
        int rc = test_log_open(&test);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert(was_hit || rc == 0);
        if (rc < 0) ck_ok(test_log_open(&test), &test.error);
        expect_same();
    }
    ck_assert_uint_gt(failures.hits, 5);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("transaction index");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, an_entry_has_kafkas_bytes);
    tcase_add_test(tests, without_aborts_there_is_no_file);
    tcase_add_test(tests, only_those_of_the_range_are_told);
    tcase_add_test(tests, aborts_outlive_every_end);
    tcase_add_loop_test(tests, a_wrong_file_is_made_anew, 0, 2 * HARMS);
    tcase_add_test(tests, what_cannot_be_walked_is_not_served);
    tcase_add_loop_test(tests, without_a_mark_aborts_are_found, 0, 2);
    tcase_add_test(tests, a_cut_takes_aborts_back);
    tcase_add_test(tests, a_cut_through_the_first_batch_takes_its_transaction);
    tcase_add_test(tests, a_segment_takes_its_index_along);
    tcase_add_loop_test(tests, an_older_directory_says_it_by_its_files, 0, 2);
    tcase_add_test(tests, memory_may_run_out);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("transaction index", add);
}
