#include <stdio.h>

#include <string.h>

#include "broker/log/boot_file.h"
#include "broker/log/producer_state.h"
#include "tests/unit/broker/log/log_support.h"

static struct test_log test;

static void set_up(void)
{
    test_log_start(&test, 1);
}

static void tear_down(void)
{
    test_log_stop(&test);
}

/* What was appended is read back byte for byte, before and after a close. */
START_TEST(what_is_appended_is_read)
{
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 60);
    test_log_expect_all(&test);
    ck_ok(test_log_sync(&test), &test.error);
    ck_ok(test_log_close(&test), &test.error);
    test_log_expect_verified(&test);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert(test.recovery.was_clean);
    ck_assert_int_eq(test.recovery.scanned_bytes, 0);
    test_log_expect_all(&test);
    ck_assert_int_gt(weir_partition_log_state(test.log).segment_count, 1);
}
END_TEST

/* After a kill the tail above the mark is scanned and kept. */
START_TEST(a_killed_log_keeps_its_tail)
{
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 70);
    int64_t end = weir_partition_log_state(test.log).end_offset;
    test_log_crash(&test, WEIR_SIM_KILL);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert(!test.recovery.was_clean);
    ck_assert_int_gt(test.recovery.scanned_bytes, 0);
    ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, end);
    test_log_expect_all(&test);
}
END_TEST

/* Kafka's tools read where epochs begin from a file that nobody here believes; so only reading it back
 * shows that it is there. */
START_TEST(the_epoch_checkpoint_says_what_the_log_knows)
{
    char text[128] = {0};
    struct weir_file *file = NULL;
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, 3);
    int64_t second = weir_partition_log_state(test.log).end_offset;
    ck_ok(weir_partition_log_set_epoch(test.log, 5, &test.error), &test.error);
    test_log_fill(&test, 2);
    ck_ok(test_log_close(&test), &test.error);
    ck_ok(weir_file_open(test.env, test_log_path(&test, "leader-epoch-checkpoint"), WEIR_OPEN_READ,
                         &file, &test.error),
          &test.error);
    ck_assert_int_gt(weir_file_read(file, text, sizeof text - 1, 0, &test.error), 0);
    weir_file_close(file);
    char wanted[128];
    (void)snprintf(wanted, sizeof wanted, "0\n2\n1 0\n5 %lld\n", (long long)second);
    ck_assert_str_eq(text, wanted);
}
END_TEST

/* So with the producers' snapshots, one for each segment that begins and one at the close: it knows who
 * has written below its offset, what last, and nobody else. */
static void check_snapshot(int64_t offset, int64_t producers, int64_t producers_max)
{
    char name[64];
    uint8_t bytes[4096];
    struct weir_file *file = NULL;
    struct weir_producer_state read;
    (void)snprintf(name, sizeof name, "%020lld.snapshot", (long long)offset);
    ck_ok(weir_file_open(test.env, test_log_path(&test, name), WEIR_OPEN_READ, &file, &test.error),
          &test.error);
    int64_t size = weir_file_read(file, bytes, sizeof bytes, 0, &test.error);
    weir_file_close(file);
    ck_assert_int_gt(size, 0);
    weir_producer_state_init(&read, test.env->budget);
    ck_ok(weir_producer_snapshot_read(&read, weir_slice(bytes, (size_t)size), (struct weir_mono){0},
                                      &test.error),
          &test.error);
    for (int64_t id = 0; id < producers_max; id++) {
        struct weir_producer_batch last = {0};
        struct weir_batch_header header = {.record_count = 1, .producer_id = id};
        int rc = weir_producer_state_admit(&read, &header, NULL, &last, NULL);
        ck_assert_int_eq(rc, id < producers ? WEIR_END : 0); /* a repetition, or unknown */
        if (rc == WEIR_END) ck_assert_int_eq(last.base_offset, id);
    }
    weir_producer_state_close(&read);
}

START_TEST(the_producer_snapshots_say_who_has_written)
{
    enum { PRODUCERS = 9 };
    int64_t begins[PRODUCERS] = {0};
    size_t count = 0;
    ck_ok(test_log_open(&test), &test.error);
    for (int64_t id = 0; id < PRODUCERS; id++) {
        int segments = (int)weir_partition_log_state(test.log).segment_count;
        struct test_append what = {.has_producer = true, .producer_id = id, .value_size = 1500};
        ck_ok(test_log_append(&test, &what, NULL), &test.error);
        bool has_rolled = (int)weir_partition_log_state(test.log).segment_count > segments;
        if (has_rolled) begins[count++] = id;
    }
    ck_assert_uint_gt(count, 2);
    for (size_t i = 0; i < count; i++) {
        check_snapshot(begins[i], begins[i], PRODUCERS);
    }
    ck_ok(test_log_close(&test), &test.error);
    check_snapshot(PRODUCERS, PRODUCERS, PRODUCERS);
}
END_TEST

/* Something in the way of the next segment that is no file of ours: the roll fails with its reason,
 * and what was appended stays. */
START_TEST(a_leftover_that_cannot_be_opened_stops_the_roll)
{
    char name[64];
    ck_ok(test_log_open(&test), &test.error);
    int rc = 0;
    for (int i = 0; rc == 0 && i < 200; i++) {
        int64_t end = weir_partition_log_state(test.log).end_offset;
        (void)snprintf(name, sizeof name, "%020lld.log", (long long)end);
        if (end > 0) {
            ck_ok(weir_make_directory(test.env, test_log_path(&test, name), &test.error),
                  &test.error);
        }
        rc = test_log_append(&test, &(struct test_append){.value_size = 200}, NULL);
        if (end > 0) (void)weir_remove(test.env, test_log_path(&test, name), NULL);
    }
    ck_assert_int_lt(rc, 0);
    ck_assert_ptr_nonnull(strstr(test.error.text, name));
    test_log_crash(&test, WEIR_SIM_KILL);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_gt(weir_partition_log_state(test.log).end_offset, 0);
}
END_TEST

/* What an open keeps of a life that did not end properly is on the disk when it is served: a loss of power right
 * behind takes nothing of it; of many segments as of one, with the mark and without. */
START_TEST(what_an_open_keeps_it_has_synced)
{
    ck_ok(test_log_open(&test), &test.error);
    test_log_fill(&test, _i < 2 ? 60 : 5);
    int64_t end = weir_partition_log_state(test.log).end_offset;
    test_log_crash(&test, WEIR_SIM_KILL);
    if (_i % 2 == 1) {
        test_log_lose_marks(&test);
    }
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, end);
    ck_assert_int_eq(weir_partition_log_state(test.log).durable_offset, end);
    test_log_crash(&test, WEIR_SIM_POWER);
    ck_ok(test_log_open(&test), &test.error);
    ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, end);
    ck_assert(!weir_partition_log_state(test.log).is_offline);
    test_log_expect_all(&test);
}
END_TEST

/* A mark that is laid before the sync of the file system needs none of its own: the next one makes its name durable.
 * Until then a loss of power may bring back the one before it, by which as much is found. */
START_TEST(a_mark_is_laid_for_the_sync_of_the_file_system)
{
    struct weir_log_sync sync = {0};
    struct weir_file *folder = NULL;
    test_log_stop(&test);
    test_log_start(&test, (uint64_t)_i + 1);
    ck_ok(test_log_open(&test), &test.error);
    ck_ok(test_log_append(&test, &(struct test_append){.value_size = 3500}, NULL), &test.error);
    ck_ok(weir_directory_open(test.env, test.options.path, &folder, NULL), NULL);
    ck_ok(weir_log_sync_begin(test.log, &sync), &sync.error);
    ck_assert(sync.has_mark);
    weir_log_sync_prepare(&sync);
    ck_ok(weir_sync_file_system(folder, NULL), NULL);
    weir_sim_disk_count_reset(test.sim, 0);
    weir_log_sync_run(&sync, true);
    ck_assert_uint_eq(weir_sim_disk_count(test.sim, 0), 2); /* mark and copy take their names */
    ck_ok(weir_log_sync_end(test.log, &sync), &sync.error);
    test.acked_offset = weir_partition_log_state(test.log).durable_offset;
    ck_assert_int_eq(test.acked_offset, 1);

    bool is_synced = _i % 2 == 1;
    if (is_synced) ck_ok(weir_sync_file_system(folder, NULL), NULL);
    weir_file_close(folder);
    test_log_crash(&test, WEIR_SIM_POWER);
    ck_ok(test_log_open(&test), &test.error);
    test_log_expect_all(&test);
    ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, 1);
    if (is_synced) ck_assert_int_eq(test.recovery.scanned_bytes, 0);
}
END_TEST

/* A mark is written when that many bytes are not in one yet, and not again before as many have come. */
START_TEST(a_mark_is_written_once_it_is_due)
{
    enum { BATCH = 100, ROUNDS = 60 };
    int marks = 0;
    int64_t bytes = 0;
    ck_ok(test_log_open(&test), &test.error);
    uint64_t before = weir_sim_disk_hash(test.sim, 0, test_log_path(&test, "durable-mark"));
    for (int i = 0; i < ROUNDS; i++) {
        int64_t size = weir_partition_log_state(test.log).size_bytes;
        ck_ok(test_log_append(&test, &(struct test_append){.value_size = BATCH}, NULL),
              &test.error);
        ck_ok(test_log_sync(&test), &test.error);
        bytes += weir_partition_log_state(test.log).size_bytes - size;
        uint64_t after = weir_sim_disk_hash(test.sim, 0, test_log_path(&test, "durable-mark"));
        if (after == before) continue;
        before = after;
        marks++;
    }
    ck_assert_int_ge(marks, 2);
    ck_assert_int_le(marks, bytes / test.options.mark_interval_bytes + 2); /* two rolls */
}
END_TEST

/* Whatever an open finds, a new log, one that was closed, killed or lost its power, in this boot or before
 * it: from then on the folder says that this boot has written here, and rot is not taken for a torn tail. */
START_TEST(an_open_log_is_this_boots)
{
    for (int before = 0; before < 5; before++) {
        bool is_current = false;
        if (before == 1 || before == 2) ck_ok(test_log_close(&test), &test.error);
        if (before >= 2) test_log_crash(&test, before == 3 ? WEIR_SIM_KILL : WEIR_SIM_POWER);
        ck_ok(test_log_open(&test), &test.error);
        ck_assert_int_eq(test.recovery.was_clean, before == 1 || before == 2);
        ck_ok(weir_boot_file_is_current(test.env, test.options.path, &is_current, &test.error),
              &test.error);
        ck_assert_msg(is_current, "after open no. %d it is not", before);
        test_log_fill(&test, 3);
        ck_ok(test_log_sync(&test), &test.error);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("log");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_is_appended_is_read);
    tcase_add_test(tests, a_killed_log_keeps_its_tail);
    tcase_add_loop_test(tests, a_mark_is_laid_for_the_sync_of_the_file_system, 0, 8);
    tcase_add_test(tests, a_mark_is_written_once_it_is_due);
    tcase_add_test(tests, an_open_log_is_this_boots);
    tcase_add_test(tests, the_epoch_checkpoint_says_what_the_log_knows);
    tcase_add_test(tests, the_producer_snapshots_say_who_has_written);
    tcase_add_test(tests, a_leftover_that_cannot_be_opened_stops_the_roll);
    tcase_add_loop_test(tests, what_an_open_keeps_it_has_synced, 0, 4);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("partition log", add);
}
