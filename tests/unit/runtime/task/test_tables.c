/* Tables over topics: whether they have a changelog of their own, and what they still know when local
 * state and the head of their topic are gone. */
#include <stdio.h>
#include <string.h>

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

enum { RETENTION_MS = 100 * 1000, CLEANER_MS = 20 * 1000 };

/* "in" -> table; in memory it is restored whole by each start */
static const struct weir_topology *plan_table_in(enum weir_store_kind kind)
{
    plan = (struct plan){0};
    int32_t in = plan_topic(&plan, "in", false);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    int32_t table = plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &stage_table, source, -1, NULL);
    int32_t store = plan_store(&plan, 0, table, "table", kind);
    plan.stores[store].source_topic = in;
    return plan_done(&plan);
}

static const struct weir_topology *plan_table(void)
{
    return plan_table_in(WEIR_STORE_MEMORY);
}

/* Compacted wherever a segment has ended, and a record or two end it; tombstones stay for 100 s. */
static void make_topic(const char *policy)
{
    const struct weir_config configs[] = {{"message.timestamp.after.max.ms", "9223372036854775807"},
                                          {"retention.ms", "-1"},
                                          {"segment.bytes", "100"},
                                          {"min.cleanable.dirty.ratio", "0"},
                                          {"delete.retention.ms", "100000"},
                                          {"cleanup.policy", policy}};
    ck_ok(weir_topic_create(stage.log, "in", 1, configs, 6, &stage.error), &stage.error);
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

/* Goal: what a restore reads is what the table took. A record that was refused for its timestamp is not in the table
 * when local state is gone, whatever its topic keeps and the clock says by then. */
START_TEST(a_record_that_was_refused_for_its_time_does_not_come_back)
{
    enum { LIMIT_MS = 1000, AHEAD_MS = 600000 };
    const int64_t now_ms = weir_wall_now(stage.env).ms;
    make_topic("compact");
    stage_produce(&stage, "in", 0, "a", "1", now_ms);
    stage_produce(&stage, "in", 0, "far", "1", now_ms + AHEAD_MS);
    for (int life = 0; life < 2; life++) {
        stage_start(
            &stage, plan_table(),
            STAGE_OPTIONS(.timestamp_after_max_ms = LIMIT_MS, .reuse_source_topics = _i == 1));
        stage_drain(&stage);
        ck_assert(knows("a"));
        ck_assert(!knows("far"));
        stage_stop(&stage);
    }
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

/* A durable table is brought up to the topic's end, and its job is closed. */
static void live_durably(void)
{
    stage_start(&stage, plan_table_in(WEIR_STORE_ROCKSDB), STAGE_OPTIONS(0));
    stage_drain(&stage);
    stage_stop(&stage);
}

static void put(const char *key)
{
    stage_produce(&stage, "in", 0, key, "1", 1000);
}

static void put_many(const char *key, int count)
{
    for (int i = 0; i < count; i++) {
        put(key);
    }
}

/* A producer's last batch stays, emptied, so the tombstone is another's than what comes behind it. */
static void put_null(const char *key)
{
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT};
    struct weir_producer *producer = weir_producer_new(stage.log, &options, &stage.error);
    ck_assert_ptr_nonnull(producer);
    const struct weir_record record = {
        .key = weir_text(key), .value = weir_null(), .timestamp_ms = 1000};
    ck_ok(weir_producer_send(producer, "in", 0, &record, NULL, &stage.error), &stage.error);
    ck_ok(weir_producer_close(producer, &stage.error), &stage.error);
}

static bool log_has(const char *key)
{
    char text[4096], wanted[32];
    (void)snprintf(wanted, sizeof wanted, "%s=", key);
    (void)stage_read(&stage, "in", 0, text, sizeof text);
    return strstr(text, wanted) != NULL;
}

static int64_t start_and_count_restored(void)
{
    stage_start(&stage, plan_table_in(WEIR_STORE_ROCKSDB), STAGE_OPTIONS(0));
    stage_drain(&stage);
    return weir_counter_get(&stage.streams->threads[0]->metrics.restored_records);
}

/* Goal: nobody who was away for longer than tombstones stay keeps a row that was deleted meanwhile: "a" is deleted
 * while no job runs, and compaction has taken both. */
START_TEST(a_row_whose_tombstone_is_gone_does_not_come_back)
{
    make_topic("compact");
    put("a");
    put("b");
    live_durably();
    put_null("a");
    put_many("c", 3);
    weir_sim_advance_ms(stage.sim, CLEANER_MS);
    ck_assert(log_has("a"));
    weir_sim_advance_ms(stage.sim, RETENTION_MS);
    put_many("c", 3);
    weir_sim_advance_ms(stage.sim, CLEANER_MS);
    ck_assert(!log_has("a"));
    ck_assert_int_gt(start_and_count_restored(), 0);
    ck_assert(!knows("a") && knows("b") && knows("c"));
    stage_stop(&stage);
    /* It has seen all there is: the next start reads nothing anew. */
    ck_assert_int_eq(start_and_count_restored(), 0);
    ck_assert(!knows("a") && knows("b") && knows("c"));
}
END_TEST

/* Goal: what can have missed nothing is not read anew: the topic has not moved, or nothing of what is new was
 * compacted, or no tombstone is old enough. */
START_TEST(a_table_that_can_have_missed_nothing_goes_on)
{
    make_topic("compact");
    put("a");
    put("b");
    put_many("c", 3);
    weir_sim_advance_ms(stage.sim, CLEANER_MS);
    live_durably();
    if (_i == 0) weir_sim_advance_ms(stage.sim, 2 * RETENTION_MS);
    if (_i == 1) {
        weir_sim_advance_ms(stage.sim, 2 * RETENTION_MS);
        put_null("a"); /* in the segment that is appended to */
    }
    if (_i == 2) {
        put_null("a");
        put_many("c", 3);
        weir_sim_advance_ms(stage.sim, RETENTION_MS / 2);
        ck_assert(log_has("a"));
    }
    ck_assert_int_eq(start_and_count_restored(), 0);
    ck_assert_int_eq(knows("a"), _i == 0);
    ck_assert(knows("b") && knows("c"));
}
END_TEST

/* Who cannot say when it had seen all, or says that it will have, may have missed something; and a log that does not
 * say where compaction has been was compacted everywhere. */
START_TEST(what_may_lack_tombstones)
{
    const struct weir_restore_source source = {
        .log_end = 100, .compacted_end = 50, .delete_retention_ms = 1000};
    const struct weir_changelog_position position = {.offset = 10, .caught_up_ms = 5000};
    const struct {
        int64_t offset, caught_up_ms, compacted_end, now_ms;
        bool keeps_tombstones, expected;
    } cases[] = {
        {10, 5000, 50, 5999, false, false},      {10, 5000, 50, 6000, false, true},
        {10, 5000, 50, 6000, true, false},       {10, 0, 50, 500, false, true},
        {10, 5000, 50, 4999, false, true},       {10, 5000, 50, 5000, false, false},
        {50, 5000, 50, 9000, false, false},      {49, 5000, 50, 9000, false, true},
        {0, 0, 50, 9000, false, false},          {99, 5000, INT64_MAX, 9000, false, true},
        {100, 0, INT64_MAX, 9000, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_changelog_position at = position;
        struct weir_restore_source from = source;
        at.offset = cases[i].offset;
        at.caught_up_ms = cases[i].caught_up_ms;
        from.compacted_end = cases[i].compacted_end;
        from.keeps_tombstones = cases[i].keeps_tombstones;
        struct weir_wall now = {.ms = cases[i].now_ms};
        ck_assert_msg(weir_restore_may_lack_tombstones(&at, &from, now) == cases[i].expected,
                      "case %zu", i);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("tables");
    tcase_add_checked_fixture(tests, open_stage, close_stage);
    tcase_add_loop_test(tests, a_table_has_a_changelog_unless_its_topic_serves, 0, 4);
    tcase_add_loop_test(tests, a_record_that_was_refused_for_its_time_does_not_come_back, 0, 2);
    tcase_add_loop_test(tests, rows_outlive_the_retention_of_their_topic, 0, 2);
    tcase_add_loop_test(tests, a_policy_that_changes_later_loses_no_row, 0, 2);
    tcase_add_test(tests, a_row_whose_tombstone_is_gone_does_not_come_back);
    tcase_add_loop_test(tests, a_table_that_can_have_missed_nothing_goes_on, 0, 3);
    tcase_add_test(tests, what_may_lack_tombstones);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("tables", add);
}
