/* Tables over topics: whether they have a changelog of their own, and what they still know when local
 * state and the head of their topic are gone. */
#include "tests/unit/runtime/task/stage.h"

static struct stage stage;
static struct plan plan;

static void open_stage(void)
{
    stage_open(&stage, 7);
}

static void close_stage(void)
{
    stage_close(&stage);
}

/* "in" -> table, kept in memory: each start restores it whole */
static const struct weir_topology *plan_table(void)
{
    plan = (struct plan){0};
    int32_t in = plan_topic(&plan, "in", false);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    int32_t table = plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_table, source, -1, NULL);
    int32_t store = plan_store(&plan, 0, table, "table", WEIR_STORE_MEMORY);
    plan.stores[store].source_topic = in;
    return plan_done(&plan);
}

static void make_topic(const char *policy)
{
    const struct weir_config configs[] = {{"message.timestamp.after.max.ms", "9223372036854775807"},
                                          {"retention.ms", "-1"},
                                          {"cleanup.policy", policy}};
    ck_ok(weir_topic_create(stage.log, "in", 1, configs, 3, &stage.error), &stage.error);
}

static void set_policy(const char *policy)
{
    const struct weir_config config = {"cleanup.policy", policy};
    ck_ok(weir_topic_configure(stage.log, "in", &config, 1, &stage.error), &stage.error);
}

static void cut_head(int64_t offset)
{
    struct weir_cut_request request = {
        .partition = {weir_text("in"), 0}, .what = WEIR_CUT_HEAD, .offset = offset};
    ck_ok(weir_request_wait_begin(stage.log->env, &request.request, &stage.error), &stage.error);
    weir_log_cut(stage.log, &request);
    ck_ok(weir_request_wait(stage.log->env, &request.request, &stage.error), &stage.error);
}

static bool has_changelog(void)
{
    int64_t start, end;
    int rc = weir_topic_offsets(stage.log, "app-table-changelog", 0, &start, &end, &stage.error);
    ck_assert_msg(rc == 0 || rc == WEIR_UNKNOWN_TOPIC_OR_PARTITION, "%s", stage.error.text);
    return rc == 0;
}

/* One life of the job: the record goes in, everything is committed. */
static void live(bool reuses, const char *key, int64_t timestamp_ms)
{
    stage_produce(&stage, "in", 0, key, "1", timestamp_ms);
    stage_start(&stage, plan_table(), STAGE_OPTIONS(.reuse_source_topics = reuses));
    stage_drain(&stage);
    stage_stop(&stage);
}

static bool knows(const char *key)
{
    return stage_stored(&stage, 0, key) != 0;
}

/* Goal: a changelog of its own unless the topic keeps every key for ever, or the optimisation was asked
 * for (STREAMS.md N5); and it stays as it was decided. */
START_TEST(a_table_has_a_changelog_unless_its_topic_serves)
{
    static const struct {
        const char *policy;
        bool reuses;
        bool has_own;
    } cases[] = {
        {"delete", false, true},
        {"compact", false, false},
        {"compact,delete", false, true},
        {"delete", true, false},
    };
    make_topic(cases[_i].policy);
    for (int life = 0; life < 2; life++) {
        live(cases[_i].reuses, life == 0 ? "a" : "b", 1000 + life);
        ck_assert_int_eq(has_changelog(), cases[_i].has_own);
    }
    stage_start(&stage, plan_table(), STAGE_OPTIONS(.reuse_source_topics = cases[_i].reuses));
    ck_assert(knows("a") && knows("b"));
}
END_TEST

/* Goal: retention took the head of the topic and local state is gone: the rows are there all the same,
 * after a crash too. */
START_TEST(rows_outlive_the_retention_of_their_topic)
{
    make_topic("delete");
    live(false, "a", 1000);
    live(false, "b", 1001);
    cut_head(2);
    if (_i == 1) stage_crash(&stage, WEIR_SIM_POWER);
    stage_start(&stage, plan_table(), STAGE_OPTIONS(0));
    stage_produce(&stage, "in", 0, "c", "1", 1002);
    stage_drain(&stage);
    ck_assert(knows("a") && knows("b") && knows("c"));
    ck_assert(!knows("d"));
}
END_TEST

/* Goal: a policy that changes later loses no row: what was decided at the first start stands. */
START_TEST(a_policy_that_changes_later_loses_no_row)
{
    static const char *const policies[][2] = {{"compact", "delete"}, {"delete", "compact"}};
    make_topic(policies[_i][0]);
    live(false, "a", 1000);
    bool had_changelog = has_changelog();
    set_policy(policies[_i][1]);
    live(false, "b", 1001);
    ck_assert_int_eq(has_changelog(), had_changelog);
    stage_start(&stage, plan_table(), STAGE_OPTIONS(0));
    ck_assert(knows("a") && knows("b"));
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("tables");
    tcase_add_checked_fixture(tests, open_stage, close_stage);
    tcase_add_loop_test(tests, a_table_has_a_changelog_unless_its_topic_serves, 0, 4);
    tcase_add_loop_test(tests, rows_outlive_the_retention_of_their_topic, 0, 2);
    tcase_add_loop_test(tests, a_policy_that_changes_later_loses_no_row, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("tables", add);
}
