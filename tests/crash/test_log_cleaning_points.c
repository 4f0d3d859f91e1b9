#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/broker/log/keyed_log.h"

/**
 * A short life of a compacted log, with transactions, tombstones and passes that merge segments and take several
 * swaps, and the end of the world at each of its disk operations. Then it is opened again: what a reader of
 * committed records makes of it is what was appended, whichever steps of a swap had reached the disk; nothing is
 * revived, nothing that was acknowledged is missing, nothing is left over, and opening once more changes nothing.
 */
enum { KILL_SEEDS = 1, POWER_SEEDS = 3, DAY_MS = 24 * 60 * 60 * 1000 };

struct scene {
    struct keyed_log log;
    struct weir_sim_fault_plan plan;
    uint64_t seed;
    int64_t end_min; /* acknowledged */
    int swaps;
    bool is_over;
};

static struct scene *scene;

static void print_scene(const char *what)
{
    fprintf(stderr, "%s: replay: seed %llu, fault %d at %llu, sticky %d, crash %d\n", what,
            (unsigned long long)scene->seed, (int)scene->plan.fault,
            (unsigned long long)scene->plan.at, scene->plan.is_sticky, (int)scene->plan.crash);
}

/* ---- the life -------------------------------------------------------------------------------- */

static struct test_log *test_of(void)
{
    return &scene->log.test;
}

static void look(int rc)
{
    if (weir_sim_has_crashed(test_of()->sim, 0)) scene->is_over = true;
    if (rc < 0 && rc != WEIR_NO_SPACE) scene->is_over = true;
    if (test_of()->log == NULL) scene->is_over = true;
}

static void fill(uint64_t seed, int count)
{
    struct weir_test_random random = {seed};
    for (int i = 0; i < count && !scene->is_over; i++) {
        look(keyed_fill(&scene->log, &random, 1));
    }
}

static void mark(int producer, bool is_commit)
{
    if (!scene->is_over) look(keyed_mark(&scene->log, producer, is_commit));
}

static void seal(void)
{
    if (!scene->is_over) look(keyed_roll(&scene->log));
}

static void sync_log(void)
{
    if (scene->is_over) return;
    int64_t end = weir_partition_log_offsets(test_of()->log).end_offset;
    int rc = test_log_sync(test_of());
    look(rc);
    if (rc == 0) scene->end_min = end;
}

static void clean(int64_t after_ms, size_t keys)
{
    struct weir_cleaning_counts counts = {0};
    if (scene->is_over) return;
    struct keyed_pass pass = {
        .now_ms = weir_wall_now(test_of()->env).ms + after_ms,
        .table_bytes = keys * WEIR_CLEANER_ENTRY_SIZE,
    };
    look(keyed_clean(&scene->log, &pass, &counts));
    scene->swaps += (int)counts.segments_after;
}

static void close_log(void)
{
    if (scene->is_over) return;
    int64_t end = weir_partition_log_offsets(test_of()->log).end_offset;
    int rc = test_log_close(test_of());
    if (rc < 0) {
        scene->is_over = true;
        return;
    }
    scene->end_min = end;
}

static void open_log(void)
{
    if (!scene->is_over && test_log_open(test_of()) < 0) scene->is_over = true;
}

static void live(void)
{
    open_log();
    fill(11, 22);
    mark(5, true);
    seal();
    sync_log();
    clean(0, 400);
    fill(12, 16);
    mark(4, false);
    sync_log();
    seal();
    clean(DAY_MS, 24); /* the table is full before the end, tombstones of the first pass go */
    fill(13, 4);
    close_log();
    open_log();
    clean(2 * (int64_t)DAY_MS, 400);
    fill(14, 2);
    sync_log();
    close_log();
}

/* ---- what must hold afterwards ---------------------------------------------------------------- */

static void expect_no_leftover(struct test_log *test, const char *name)
{
    (void)test;
    if (strstr(name, ".cleaned") == NULL && strstr(name, ".swap") == NULL) return;
    print_scene(name);
    ck_abort_msg("'%s' is left over", name);
}

/* What was never acknowledged and did not survive is not part of the story any more. */
static void forget_above(int64_t end)
{
    struct keyed_log *log = &scene->log;
    while (log->count > 0 && log->records[log->count - 1].offset >= end) {
        log->count--;
    }
}

static void expect_whole(void)
{
    struct test_log *test = test_of();
    struct weir_partition_log_state state = weir_partition_log_state(test->log);
    if (state.is_offline || state.end_offset < scene->end_min) print_scene(test->recovery.reason);
    ck_assert(!state.is_offline);
    ck_assert_int_ge(state.end_offset, scene->end_min);
    weir_partition_log_check(test->log);
    keyed_expect_same(&scene->log);
    test_log_expect_verified(test);
    test_log_each_file(test, expect_no_leftover);
}

static void judge(void)
{
    struct test_log *test = test_of();
    if (!weir_sim_has_crashed(test->sim, 0) && test->log != NULL &&
        scene->plan.crash == WEIR_SIM_KILL) {
        (void)test_log_close(test);
    }
    test_log_crash(test, scene->plan.crash);
    weir_sim_disk_plan(test->sim, 0, (struct weir_sim_fault_plan){0});
    int rc = test_log_open(test);
    if (rc < 0) print_scene(test->error.text);
    ck_ok(rc, &test->error);
    forget_above(weir_partition_log_offsets(test->log).end_offset);
    expect_whole();
    uint64_t once = weir_sim_disk_hash(test->sim, 0, test->options.path);

    test_log_crash(test, WEIR_SIM_KILL);
    ck_ok(test_log_open(test), &test->error);
    ck_assert_msg(weir_sim_disk_hash(test->sim, 0, test->options.path) == once,
                  "opening twice is not opening once");

    test_log_crash(test, WEIR_SIM_POWER);
    ck_ok(test_log_open(test), &test->error);
    expect_whole();

    /* And it goes on as if nothing had been. */
    for (int i = 0; i < 8; i++) {
        scene->log.sequences[i] = 1000 + 100 * i;
    }
    for (int producer = 4; producer <= 6; producer++) {
        ck_ok(keyed_mark(&scene->log, producer, true), &test->error);
    }
    int keys[] = {1, 2, 3, 4, 5};
    struct keyed_batch batch = {.count = 5, .keys = keys};
    ck_ok(keyed_append(&scene->log, &batch), &test->error);
    ck_ok(keyed_roll(&scene->log), &test->error);
    ck_ok(keyed_clean(&scene->log, &(struct keyed_pass){0}, NULL), &test->error);
    expect_whole();
}

static uint64_t play(uint64_t seed, struct weir_sim_fault_plan plan)
{
    scene = calloc(1, sizeof *scene);
    ck_assert_ptr_nonnull(scene);
    keyed_start(&scene->log, seed);
    scene->log.test.options.config.segment_bytes = 900;
    scene->seed = seed;
    scene->plan = plan;
    weir_sim_disk_count_reset(test_of()->sim, 0);
    weir_sim_disk_plan(test_of()->sim, 0, plan);
    live();
    uint64_t count = weir_sim_disk_count(test_of()->sim, 0);
    if (plan.fault == 0) ck_assert_int_gt(scene->swaps, 4);
    judge();
    keyed_stop(&scene->log);
    free(scene);
    return count;
}

/* Under a sanitizer a life takes many times as long: there each sixth operation, others for each kind of fault. */
#ifdef __SANITIZE_ADDRESS__
enum { STRIDE = 6 };
#else
enum { STRIDE = 1 };
#endif

static void play_everywhere(struct weir_sim_fault_plan plan)
{
    uint64_t count = play(1, (struct weir_sim_fault_plan){0});
    ck_assert_uint_gt(count, 150);
    uint64_t seeds = plan.crash == WEIR_SIM_POWER ? POWER_SEEDS : KILL_SEEDS;
    for (plan.at = 1 + (uint64_t)plan.fault % STRIDE; plan.at <= count; plan.at += STRIDE) {
        for (uint64_t seed = 1; seed <= seeds; seed++) {
            (void)play(seed, plan);
        }
    }
}

/* ---- the faults ------------------------------------------------------------------------------ */

/* Without a fault it ends as it should, with several swaps on the way. */
START_TEST(a_quiet_life_ends_well)
{
    ck_assert_uint_gt(play(1, (struct weir_sim_fault_plan){0}), 150);
}
END_TEST

/* kill -9 before and after every disk operation. */
START_TEST(killed_at_every_operation)
{
    play_everywhere((struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_CRASH});
    play_everywhere((struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_CRASH_AFTER});
}
END_TEST

/* Power lost before and after every disk operation. */
START_TEST(power_lost_at_every_operation)
{
    play_everywhere(
        (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_CRASH, .crash = WEIR_SIM_POWER});
    play_everywhere(
        (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_CRASH_AFTER, .crash = WEIR_SIM_POWER});
}
END_TEST

static void fail_everywhere(enum weir_sim_fault fault)
{
    struct weir_sim_fault_plan plan = {.fault = fault};
    for (int i = 0; i < 4; i++) {
        plan.is_sticky = (i & 1) != 0;
        plan.crash = (i & 2) != 0 ? WEIR_SIM_POWER : WEIR_SIM_KILL;
        play_everywhere(plan);
    }
}

/* An I/O error at every operation, once and for good. */
START_TEST(io_error_at_every_operation)
{
    fail_everywhere(WEIR_SIM_FAULT_EIO);
}
END_TEST

/* The disk is full at every operation, once and for good. */
START_TEST(disk_full_at_every_operation)
{
    fail_everywhere(WEIR_SIM_FAULT_ENOSPC);
}
END_TEST

/* Each sync fails, and the pages that it lost count as clean afterwards. */
START_TEST(failed_sync_at_every_operation)
{
    play_everywhere((struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_SYNC});
    play_everywhere(
        (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_SYNC, .crash = WEIR_SIM_POWER});
}
END_TEST

/* Each write is torn: half of it is there. */
START_TEST(torn_at_every_operation)
{
    struct weir_sim_fault_plan plan = {.fault = WEIR_SIM_FAULT_TORN, .torn_bytes = 40};
    play_everywhere(plan);
    plan.crash = WEIR_SIM_POWER;
    play_everywhere(plan);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("cleaning crash points");
    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, a_quiet_life_ends_well);
    tcase_add_test(tests, killed_at_every_operation);
    tcase_add_test(tests, power_lost_at_every_operation);
    tcase_add_test(tests, io_error_at_every_operation);
    tcase_add_test(tests, disk_full_at_every_operation);
    tcase_add_test(tests, failed_sync_at_every_operation);
    tcase_add_test(tests, torn_at_every_operation);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("cleaning crash points", add);
}
