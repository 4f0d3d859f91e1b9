/* A job on an embedded log: records go through, state and progress are committed together. */
#include "tests/unit/runtime/task/stage.h"

static struct stage stage;
static struct plan plan;
static char text[8192];

/* Each test runs twice: in the simulator and on libuv. */
enum { SIMULATED, REAL, ENVIRONMENTS };

static void open_stage(int environment)
{
    if (environment == REAL) {
        stage_open_real(&stage);
    } else {
        stage_open(&stage, 7);
    }
}

static void close_stage(void)
{
    stage_close(&stage);
}

/* Source, filter, sink: what was there before the start and what comes later, in order, once. */
START_TEST(a_stateless_job_passes_records_on)
{
    open_stage(_i);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0));
    stage_produce(&stage, "in", 0, "b", "x", 1001);
    stage_produce(&stage, "in", 0, "c", "3", 1002);
    stage_drain(&stage);
    ck_assert_str_eq(stage_read(&stage, "out", 0, text, sizeof text), "a=1@1000 c=3@1002 ");
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 3);
}
END_TEST

/* Counts go to store, changelog and output; the commit names the changelog's end. */
START_TEST(a_counting_job_commits_store_and_offsets)
{
    open_stage(_i);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "counts", 1);
    stage_start(&stage, plan_count(&plan, WEIR_STORE_ROCKSDB), STAGE_OPTIONS(0));
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    stage_produce(&stage, "in", 0, "b", "1", 1001);
    stage_produce(&stage, "in", 0, "a", "1", 1002);
    stage_drain(&stage);
    stage_stop(&stage);
    const char *log = stage_read(&stage, "app-counts-changelog", 0, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(log, "a=2@1002 "));
    ck_assert_ptr_nonnull(strstr(log, "b=1@1001 "));
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 3);
    ck_assert_int_eq(stage_committed(&stage, "app-counts-changelog", 0),
                     stage_end(&stage, "app-counts-changelog", 0));
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("job");
    tcase_add_checked_fixture(tests, NULL, close_stage);
    tcase_add_loop_test(tests, a_stateless_job_passes_records_on, 0, ENVIRONMENTS);
    tcase_add_loop_test(tests, a_counting_job_commits_store_and_offsets, 0, ENVIRONMENTS);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("job", add);
}
