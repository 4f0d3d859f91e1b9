/* A job on a log that is not the engine: shortages, answers that never come, and what such a log cannot do. */
#include <string.h>

#include "base/error.h"
#include "tests/unit/client/memory_log.h"
#include "tests/unit/runtime/task/stage.h"

static struct stage stage;
static struct plan plan;
static char text[8192];

static void set_up(void)
{
    stage_open_memory(&stage, 11);
    stage_topic(&stage, "in", 1);
}

/* Whatever the job has fetched and sent is let go: the simulator counts what its node holds. */
static void tear_down(void)
{
    stage_stop(&stage);
    ck_ok(weir_close(stage.log, &stage.error), &stage.error);
    ck_assert_uint_eq(stage.env->budget->used, 0);
    weir_sim_free(stage.sim);
}

/* The `skipped` + 1st request of the kind and the `times` - 1 behind it are answered with `rc`. */
static void fail_with(enum memory_kind kind, int rc, int skipped, int times)
{
    struct memory_log_faults *faults = memory_log_faults(stage.log);
    faults->rc[kind] = rc;
    faults->skipped[kind] = skipped;
    faults->left[kind] = times;
}

static void start_filter(void)
{
    stage_topic(&stage, "out", 1);
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0));
}

static const enum memory_kind short_kinds[] = {MEMORY_FETCH, MEMORY_PRODUCE, MEMORY_COMMIT};
enum { SHORT_KINDS = sizeof short_kinds / sizeof short_kinds[0] };

/* Whichever of its requests meets a shortage is sent again until it passes: each record comes out once, and
 * the commit covers them. */
START_TEST(a_job_waits_out_a_shortage)
{
    enum memory_kind kind = short_kinds[_i];
    start_filter();
    int before = memory_log_answered(stage.log, kind);
    if (kind != MEMORY_PRODUCE) fail_with(kind, WEIR_NO_MEMORY, 0, 3);
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    if (kind == MEMORY_PRODUCE) fail_with(kind, WEIR_NO_SPACE, 0, 3);
    stage_drain(&stage);
    ck_assert_int_gt(memory_log_answered(stage.log, kind), before + 3);
    ck_assert_int_eq(memory_log_faults(stage.log)->left[kind], 0);
    ck_assert_str_eq(stage_read(&stage, "out", 0, text, sizeof text), "a=1@1000 ");
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 1);
}
END_TEST

/* An error that does not pass stops the job, which says what it was asking for. */
START_TEST(a_failure_of_the_log_stops_the_job)
{
    start_filter();
    fail_with(MEMORY_FETCH, WEIR_OFFLINE, 0, 1);
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    ck_assert_int_eq(weir_streams_drain(stage.streams, 600000, &stage.error), WEIR_OFFLINE);
    ck_assert_int_eq(weir_streams_close(stage.streams, &stage.error), WEIR_OFFLINE);
    ck_assert_msg(strstr(stage.error.text, "fetch 'in' partition 0") != NULL, "%s",
                  stage.error.text);
    stage.streams = NULL;
}
END_TEST

/* Fetches that the log keeps for itself are called back when the job closes: it does not wait for ever. */
START_TEST(a_job_calls_back_what_is_never_answered)
{
    start_filter();
    memory_log_faults(stage.log)->is_held = true;
    stage_produce(&stage, "in", 0, "a", "1",
                  1000); /* answers the fetch that waits, and the next is held */
    weir_sim_advance_ms(stage.sim, 1000);
    ck_assert_int_eq(memory_log_waiting(stage.log), 1);
    stage_stop(&stage);
    ck_assert_int_eq(memory_log_waiting(stage.log), 0);
}
END_TEST

/* What was fetched is processed to its end, though its topic is gone from the log since. */
START_TEST(batches_that_were_fetched_outlive_their_topic)
{
    for (int i = 0; i < WEIR_LOG_PARTS_MAX; i++) { /* one fetch gives them all */
        stage_produce(&stage, "in", 0, "a", "1", 1000 + i);
    }
    start_filter();
    int before = memory_log_answered(stage.log, MEMORY_FETCH);
    while (memory_log_answered(stage.log, MEMORY_FETCH) == before) {
        ck_assert(weir_sim_step(stage.sim));
    }
    memory_log_faults(stage.log)->is_held = true; /* so that the job does not hear of it */
    ck_ok(weir_topic_delete(stage.log, "in", &stage.error), &stage.error);
    weir_sim_advance_ms(stage.sim, 1000);
    memory_log_faults(stage.log)->is_held = false;
    ck_assert_int_eq(stage_end(&stage, "out", 0), WEIR_LOG_PARTS_MAX);
    stage_stop(&stage);
}
END_TEST

/* What no commit covers is aborted by who takes the transactional id over: a log that cannot cut is no worse. */
START_TEST(a_log_that_cuts_no_tail_goes_on)
{
    stage_topic(&stage, "counts", 1);
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    fail_with(MEMORY_COMMIT, WEIR_OFFLINE, 1, 1); /* the start's own is the first */
    stage_start(&stage, plan_count(&plan, WEIR_STORE_ROCKSDB), STAGE_OPTIONS(0));
    ck_assert_int_lt(weir_streams_drain(stage.streams, 600000, &stage.error), 0);
    ck_assert_int_eq(weir_streams_close(stage.streams, &stage.error), WEIR_OFFLINE);
    stage.streams = NULL;
    ck_assert_int_gt(stage_log_end(&stage, "app-counts-changelog", 0), 0);
    stage_start(&stage, plan_count(&plan, WEIR_STORE_ROCKSDB), STAGE_OPTIONS(0));
    stage_drain(&stage);
    ck_assert_uint_eq(stage_stored(&stage, 0, "a"), 1);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("other_log");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_job_waits_out_a_shortage, 0, SHORT_KINDS);
    tcase_add_test(tests, a_failure_of_the_log_stops_the_job);
    tcase_add_test(tests, a_job_calls_back_what_is_never_answered);
    tcase_add_test(tests, batches_that_were_fetched_outlive_their_topic);
    tcase_add_test(tests, a_log_that_cuts_no_tail_goes_on);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("other_log", add);
}
