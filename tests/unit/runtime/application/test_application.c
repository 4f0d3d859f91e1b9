/* An application from outside: what is seen of it, and that it can be reset, given back and taken over, with a kill
 * at every step. In the simulator. */
#include <stdio.h>
#include <string.h>

#include "runtime/application/release.h"
#include "runtime/application/reset.h"
#include "wire/record_batch.h"
#include "tests/unit/runtime/task/stage.h"

static struct stage stage;
static struct plan plan;
static struct weir_error why;
static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_arena arena;
static struct weir_app app;
static struct weir_app_hold hold;

static void open_stage(void)
{
    stage_open(&stage, 11);
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    hold = (struct weir_app_hold){0};
}

static void close_stage(void)
{
    weir_arena_close(&arena);
    stage_close(&stage);
}

static void produce(const char *keys)
{
    char key[2] = {0};
    for (; *keys != '\0'; keys++) {
        key[0] = *keys;
        stage_produce(&stage, "in", 0, key, "1", 1000);
    }
}

/* "in" through a repartition topic into a store that counts keys. */
static const struct weir_topology *counting(void)
{
    return plan_repartition(&plan, WEIR_STORE_ROCKSDB);
}

static void run(enum weir_on_mismatch choice)
{
    stage_start(&stage, counting(), STAGE_OPTIONS(.on_mismatch = choice));
    stage_drain(&stage);
}

/* The job has counted "aabca" and was stopped. */
static void run_before(void)
{
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "counts", 1);
    produce("aabca");
    run(WEIR_ON_MISMATCH_REFUSE);
    stage_stop(&stage);
}

static void look(const char *id)
{
    app = (struct weir_app){.source = weir_app_source_of(stage.log), .arena = &arena, .id = id};
    ck_ok(weir_app_look(&app, &why), &why);
}

static const struct weir_start_topic *topic_of(const char *name)
{
    for (size_t t = 0; t < app.facts.topic_count; t++) {
        if (strcmp(app.facts.topics[t].name, name) == 0) return &app.facts.topics[t];
    }
    ck_abort_msg("no topic '%s'", name);
    return NULL;
}

static void take_hold(void)
{
    ck_ok(weir_app_hold_take(&hold, stage.log, &arena, "app", NULL, &why), &why);
}

/* A reset to this offset of "in", or the rest of one: 0, or why it has not come to its end. */
static int reset_to(int64_t offset)
{
    const struct weir_app_position position = {{weir_text("in"), 0}, offset};
    struct weir_app_reset reset;
    why = (struct weir_error){0};
    int rc = weir_app_hold_take(&hold, stage.log, &arena, "app", NULL, &why);
    app = (struct weir_app){.source = weir_app_source_of(stage.log), .arena = &arena, .id = "app"};
    if (rc >= 0) rc = weir_app_look(&app, &why);
    if (rc >= 0) rc = weir_app_check_reset(&app, &why);
    if (rc >= 0) weir_app_reset_init(&reset, &hold, &app, &position, 1);
    while (rc >= 0 && (rc = weir_app_reset_run_once(&reset, &why)) > 0) {
    }
    return rc;
}

static void expect_counts(uint64_t a, uint64_t b, uint64_t c)
{
    ck_assert_uint_eq(stage_stored(&stage, 0, "a"), a);
    ck_assert_uint_eq(stage_stored(&stage, 0, "b"), b);
    ck_assert_uint_eq(stage_stored(&stage, 0, "c"), c);
}

static bool is_there(const char *path)
{
    char whole[256];
    struct weir_file_stat stat;
    (void)snprintf(whole, sizeof whole, "%s/%s", stage.log->directory, path);
    return weir_stat(stage.env, whole, &stat, NULL) >= 0;
}

static void commit(const char *group, const char *topic, int64_t offset, const char *metadata)
{
    const struct weir_offset_entry entry = {.partition = {weir_text(topic), 0},
                                            .offset = offset,
                                            .leader_epoch = -1,
                                            .metadata = weir_text(metadata)};
    struct weir_commit_request request = {
        .group = weir_text(group), .entries = &entry, .entry_count = 1};
    ck_ok(weir_request_wait_begin(stage.env, &request.request, &why), &why);
    weir_log_commit_offsets(stage.log, &request);
    ck_ok(weir_request_wait(stage.env, &request.request, &why), &why);
}

/* A record behind the commit, of the job's last run, or of somebody else. */
static void append_uncommitted(const char *topic, bool is_ours)
{
    struct weir_batch_builder builder;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_slice batch;
    const struct weir_record record = {
        .key = weir_text("a"), .value = weir_text("12345678"), .timestamp_ms = 1};
    look("app");
    finish.producer_id = is_ours ? app.committed.producer_ids[0] : 4711;
    finish.producer_epoch = 1; /* begins anew, at sequence 0 */
    finish.base_sequence = 0;
    weir_batch_builder_init(&builder, &budget, WEIR_CODEC_NONE, 0);
    ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &batch), 0);
    struct weir_shared *bytes = weir_shared_new(&stage.log->budget, batch.size);
    memcpy(bytes->data, batch.data, batch.size);
    bytes->size = batch.size;
    struct weir_produce_request request = {
        .to = {weir_text(topic), 0}, .batches = bytes, .acks = WEIR_ACKS_ALL, .is_internal = true};
    ck_ok(weir_request_wait_begin(stage.env, &request.request, &why), &why);
    weir_log_produce(stage.log, &request);
    ck_ok(weir_request_wait(stage.env, &request.request, &why), &why);
    weir_shared_unref(bytes);
    weir_batch_builder_close(&builder);
}

/* ---- the look -------------------------------------------------------------------------------- */

/* Of a job that was stopped: its topics with their parts, positions and ends, and that it would go on. */
START_TEST(a_stopped_application_is_seen_whole)
{
    run_before();
    look("app");
    ck_assert(weir_app_exists(&app) && app.is_owned && app.facts.has_commit);
    ck_assert_int_ge(app.commit_time_ms, 0);
    ck_assert_uint_eq(app.facts.topic_count, 3);
    const struct weir_start_topic *in = topic_of("in");
    ck_assert_int_eq(in->role, WEIR_START_INPUT);
    ck_assert_int_eq(in->partitions[0].committed, 5);
    ck_assert_int_eq(in->partitions[0].log_end, 5);
    const struct weir_start_topic *changelog = topic_of("app-counts-changelog");
    ck_assert_int_eq(changelog->role, WEIR_START_CHANGELOG);
    ck_assert_str_eq(changelog->of, "counts");
    ck_assert_int_eq(changelog->partitions[0].committed_end + 1, /* and the marker */
                     changelog->partitions[0].log_end);
    ck_assert_int_eq(topic_of("app-again-repartition")->role, WEIR_START_REPARTITION);
    ck_assert_int_eq(weir_app_unprocessed(topic_of("app-again-repartition")), 0);
    ck_assert_uint_gt(app.committed.producer_count, 0);
    ck_assert_msg(app.start_rc == 0 && app.found.count == 0, "%s", app.start_error.text);

    produce("b");
    look("app");
    ck_assert_int_eq(topic_of("in")->partitions[0].log_end, 6);
    look("other");
    ck_assert(!weir_app_exists(&app) && app.start_rc == 0);
}
END_TEST

/* What a start would refuse is told in its words. */
START_TEST(what_a_start_would_say_is_said)
{
    char text[WEIR_ERROR_TEXT_SIZE];
    run_before();
    ck_ok(weir_topic_delete(stage.log, "app-counts-changelog", &why), &why);
    look("app");
    ck_assert_int_eq(app.start_rc, WEIR_MISMATCH);
    (void)snprintf(text, sizeof text, "%s", app.start_error.text);
    ck_assert_ptr_nonnull(strstr(text, "topic 'app-counts-changelog' is gone"));
    stage_start_refused(&stage, counting(), STAGE_OPTIONS(.on_mismatch = 0), WEIR_MISMATCH, text,
                        &why);
}
END_TEST

/* ---- the reset ------------------------------------------------------------------------------- */

/* Positions are moved, everything else is gone, and the job counts from there; the group stays its own. */
START_TEST(a_reset_application_begins_where_it_was_put)
{
    run_before();
    ck_assert(is_there("state/app/1_0"));
    ck_ok(reset_to(1), &why);
    weir_app_hold_drop(&hold);
    ck_assert(!is_there("state/app"));
    look("app");
    ck_assert(app.is_owned && app.facts.has_commit && !app.facts.is_reset_begun);
    ck_assert_uint_eq(app.facts.topic_count, 1);
    ck_assert_int_eq(topic_of("in")->partitions[0].committed, 1);
    ck_assert_int_eq(app.start_rc, 0);
    run(WEIR_ON_MISMATCH_REFUSE);
    expect_counts(2, 1, 1);
    produce("c");
    stage_drain(&stage);
    expect_counts(2, 1, 2);
}
END_TEST

/* "in" counted in a store that has no changelog, and no folder where a reset looks for it. */
static const struct weir_topology *counting_alone(void)
{
    plan_count(&plan, WEIR_STORE_ROCKSDB);
    plan.stores[0].spec.is_logged = false;
    return &plan.topology;
}

static void run_alone(void)
{
    stage_start(&stage, counting_alone(), STAGE_OPTIONS(.state_dir = "elsewhere"));
    stage_drain(&stage);
}

/* What nothing in the log speaks of is cleared by the next start, wherever it lies. */
START_TEST(a_store_without_a_changelog_is_reset_too)
{
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "counts", 1);
    produce("aabca");
    run_alone();
    expect_counts(3, 1, 1);
    stage_stop(&stage);
    ck_ok(reset_to(3), &why);
    weir_app_hold_drop(&hold);
    run_alone();
    expect_counts(1, 0, 1);
}
END_TEST

/* The program that ran last has given the store up: a start would note it, and a reset takes its changelog along. */
START_TEST(what_no_program_names_any_more_goes_with_a_reset)
{
    run_before();
    stage_topic(&stage, "out", 1);
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(0));
    stage_drain(&stage);
    stage_stop(&stage);
    look("app");
    ck_assert_uint_eq(app.facts.left_count, 1);
    ck_assert_msg(app.start_rc == 0, "%s", app.start_error.text);
    ck_assert_uint_eq(app.found.count, 1);
    ck_assert_int_eq(app.found.items[0].what, WEIR_START_STORE_LEFT);
    ck_ok(reset_to(0), &why);
    weir_app_hold_drop(&hold);
    look("app");
    ck_assert_uint_eq(app.records.topic_count, 0);
    ck_assert_int_lt(weir_topic_delete(stage.log, "app-counts-changelog", &why),
                     0); /* it has gone */
}
END_TEST

/* Whoever has put files there keeps them. */
START_TEST(a_reset_leaves_what_is_not_the_applications)
{
    char path[256];
    struct weir_file *file = NULL;
    run_before();
    (void)snprintf(path, sizeof path, "%s/state/app/notes", stage.log->directory);
    ck_ok(weir_file_open(stage.env, path, WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &file, &why), &why);
    weir_file_close(file);
    ck_ok(reset_to(0), &why);
    weir_app_hold_drop(&hold);
    ck_assert(is_there("state/app/notes"));
    ck_assert(!is_there("state/app/1_0"));
}
END_TEST

START_TEST(nothing_is_reset_while_a_job_runs)
{
    run_before();
    run(WEIR_ON_MISMATCH_REFUSE);
    ck_assert_int_eq(reset_to(0), WEIR_LOCKED);
    ck_assert_ptr_nonnull(strstr(why.text, "is running"));
    ck_assert_ptr_null(hold.log);
    stage_stop(&stage);
    ck_ok(reset_to(0), &why);
    weir_app_hold_drop(&hold);
}
END_TEST

/* Whoever has the folder of the state, a job on another log that has the same .state_dir, keeps a reset away, also
 * where its file 'lock' has been removed. */
START_TEST(nothing_is_reset_whose_state_is_in_use)
{
    char path[256];
    char lock[300];
    struct weir_file *held = NULL;
    run_before();
    (void)snprintf(path, sizeof path, "%s/state/app", stage.log->directory);
    (void)snprintf(lock, sizeof lock, "%s/lock", path);
    ck_ok(weir_directory_lock(stage.env, path, &held, &why), &why);
    ck_ok(weir_remove(stage.env, lock, &why), &why);
    ck_assert_int_eq(reset_to(0), WEIR_LOCKED);
    ck_assert_ptr_nonnull(strstr(why.text, "in use by a job"));
    ck_assert(is_there("state/app"));
    weir_file_close(held);
    ck_ok(reset_to(0), &why);
    weir_app_hold_drop(&hold);
    ck_assert(!is_there("state/app"));
}
END_TEST

/* Positions for some inputs, or for topics that are none, are no reset. */
START_TEST(a_reset_names_every_input)
{
    struct weir_app_commit planned;
    const struct weir_app_position other = {{weir_text("counts"), 0}, 0};
    run_before();
    look("app");
    ck_assert_int_eq(weir_app_plan_reset(&app, NULL, 0, &planned, &why), WEIR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(why.text, "input 'in' partition 0"));
    ck_assert_int_eq(weir_app_plan_reset(&app, &other, 1, &planned, &why), WEIR_INVALID_ARGUMENT);
}
END_TEST

/* An entry that somebody else has committed, before the group was owned: whose it is, nobody knows. */
START_TEST(nothing_is_reset_while_a_group_is_somebody_elses)
{
    stage_topic(&stage, "in", 1);
    produce("aab");
    commit("app", "in", 2, "");
    ck_assert_int_eq(reset_to(0), WEIR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(why.text, "weir app adopt app --data DIR --dry-run"));
    weir_app_hold_drop(&hold);
    look("nobody");
    ck_assert_int_eq(weir_app_check_reset(&app, &why), WEIR_GROUP_ID_NOT_FOUND);
}
END_TEST

/* An act with a crash at its disk operation `at`: a kill or a loss of power, before or after it (`kind`, 0 to 3). True:
 * it has crashed, and the log is open again. */
static bool crashing(int (*act)(void), uint64_t at, int kind)
{
    weir_sim_disk_count_reset(stage.sim, 0);
    weir_sim_disk_plan(stage.sim, 0,
                       (struct weir_sim_fault_plan){
                           .fault = kind & 1 ? WEIR_SIM_FAULT_CRASH_AFTER : WEIR_SIM_FAULT_CRASH,
                           .at = at,
                           .crash = kind & 2 ? WEIR_SIM_POWER : WEIR_SIM_KILL});
    int rc = act();
    bool has_crashed = weir_sim_has_crashed(stage.sim, 0);
    ck_assert_msg(has_crashed || rc == 0, "at %d: %s", (int)at, why.text);
    if (has_crashed) {
        hold = (struct weir_app_hold){0}; /* it went with the node */
        stage_revive(&stage);
    } else {
        weir_app_hold_drop(&hold);
        weir_sim_disk_plan(stage.sim, 0,
                           (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_NONE});
    }
    return has_crashed;
}

static int reset_to_third(void)
{
    return reset_to(2);
}

/* Behind the crash a start either is refused for the reset, or counts as before it, or as behind it; and a second reset
 * comes to its end whatever the first had done. */
static bool crash_in_reset(uint64_t at, int kind, bool starts_between, bool *is_begun_out)
{
    open_stage();
    run_before();
    bool has_crashed = crashing(reset_to_third, at, kind);
    look("app");
    bool is_begun = app.facts.is_reset_begun;
    bool is_done = !is_begun && app.facts.topic_count == 1;
    *is_begun_out |= is_begun;
    if (starts_between && is_begun) {
        stage_start_refused(&stage, counting(),
                            STAGE_OPTIONS(.on_mismatch = WEIR_ON_MISMATCH_REBUILD), WEIR_MISMATCH,
                            "weir app reset app", &why);
    } else if (starts_between) {
        run(WEIR_ON_MISMATCH_REFUSE);
        expect_counts(is_done ? 1 : 3, 1, 1);
        stage_stop(&stage);
    }
    ck_ok(reset_to(2), &why);
    weir_app_hold_drop(&hold);
    run(WEIR_ON_MISMATCH_REFUSE);
    expect_counts(1, 1, 1);
    close_stage();
    return has_crashed;
}

START_TEST(a_reset_that_is_killed_anywhere_goes_on)
{
    const int kind = _i / 2;
    uint64_t at = 1;
    bool was_begun = false;
    while (crash_in_reset(at, kind, _i % 2 == 1, &was_begun)) {
        at++;
    }
    ck_assert(was_begun && at > 10); /* it was killed in its midst, too */
}
END_TEST

/* ---- release and adoption -------------------------------------------------------------------- */

/* Given back, the group is anybody's at the inputs' positions; taken over again, a program with a store has to choose,
 * and goes on from where the other one has come. */
START_TEST(a_group_goes_back_and_forth)
{
    run_before();
    look("app");
    ck_ok(weir_app_check_release(&app, &why), &why);
    take_hold();
    ck_ok(weir_app_release(&hold, &app, &why), &why);
    weir_app_hold_drop(&hold);
    look("app");
    ck_assert(!app.is_owned && !app.facts.has_commit);
    ck_assert_uint_eq(app.committed.entry_count, 1);
    ck_assert_int_eq(app.committed.entries[0].offset, 5);
    ck_assert_int_eq(weir_app_check_reset(&app, &why), WEIR_MISMATCH);
    stage_start_refused(&stage, counting(), STAGE_OPTIONS(.on_mismatch = 0), WEIR_MISMATCH,
                        "weir app adopt app", &why);

    produce("bb");
    commit("app", "in", 6, "");
    look("app");
    ck_ok(weir_app_check_adopt(&app, &why), &why);
    take_hold();
    ck_ok(weir_app_adopt(&hold, &app, &(struct weir_app_adoption){0}, &why), &why);
    weir_app_hold_drop(&hold);
    look("app");
    ck_assert(app.is_owned && app.facts.has_commit);
    ck_assert_int_eq(weir_app_check_adopt(&app, &why), WEIR_EXISTS);
    ck_assert_int_eq(app.start_rc, WEIR_MISMATCH);
    stage_start_refused(&stage, counting(), STAGE_OPTIONS(.on_mismatch = 0), WEIR_MISMATCH,
                        "WEIR_ON_MISMATCH_START_EMPTY", &why);
    run(WEIR_ON_MISMATCH_START_EMPTY);
    expect_counts(0, 1, 0);
}
END_TEST

/* Who reads the changelog whole sees what was committed, of a run without transactions, too; what somebody else has written there is looked into first. */
START_TEST(nothing_that_is_uncommitted_is_given_away)
{
    stage.commits = &stage_commits_before;
    run_before();
    stage.commits = NULL;
    int64_t end = stage_log_end(&stage, "app-counts-changelog", 0);
    append_uncommitted("app-counts-changelog", _i == 0);
    look("app");
    int rc = weir_app_check_release(&app, &why);
    ck_assert_int_eq(rc, _i == 0 ? 0 : WEIR_MISMATCH);
    if (rc < 0) return;
    take_hold();
    ck_ok(weir_app_release(&hold, &app, &why), &why);
    weir_app_hold_drop(&hold);
    ck_assert_int_eq(stage_log_end(&stage, "app-counts-changelog", 0), end);
}
END_TEST

/* The other choice. */
START_TEST(an_adopted_application_is_filled_from_its_inputs)
{
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "counts", 1);
    produce("aabca");
    commit("app", "in", 4, "AgAAAAAAAAPoAAAAAA=="); /* Kafka Streams': version 2, time 1000 */
    look("app");
    ck_assert_int_eq(app.committed.entries[0].streams_time_ms, 1000);
    take_hold();
    ck_ok(weir_app_adopt(&hold, &app, &(struct weir_app_adoption){0}, &why), &why);
    weir_app_hold_drop(&hold);
    look("app");
    ck_assert_int_eq(topic_of("in")->partitions[0].partition_time_ms, 1000);
    stage_start_refused(&stage, counting(), STAGE_OPTIONS(.on_mismatch = 0), WEIR_MISMATCH,
                        "store 'counts' is new", &why);
    run(WEIR_ON_MISMATCH_REBUILD);
    expect_counts(3, 1, 1);
}
END_TEST

/* What Kafka Streams has left in the way of the program's own topics goes where that is asked for, and what is of
 * another application stays. */
START_TEST(an_adoption_deletes_what_is_in_the_way)
{
    const char *const names[] = {"in", "app-counts-changelog", "app-x-changelog", "applause"};
    const struct weir_start_topic **strangers;
    size_t count;
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "counts", 1);
    stage_topic(&stage, "app-counts-changelog", 1);
    stage_produce(&stage, "app-counts-changelog", 0, "a", "7", 1000);
    produce("aab");
    commit("app", "in", 1, "");
    look("app");
    ck_ok(weir_app_find_strangers(&app, names, 4, &strangers, &count, &why), &why);
    ck_assert_uint_eq(count, 1);
    ck_assert_str_eq(strangers[0]->name, "app-counts-changelog");
    take_hold();
    const struct weir_app_adoption adoption = {strangers, count};
    ck_ok(weir_app_adopt(&hold, &app, &adoption, &why), &why);
    weir_app_hold_drop(&hold);
    run(WEIR_ON_MISMATCH_START_EMPTY);
    expect_counts(1, 1, 0);
}
END_TEST

static int release(void)
{
    why = (struct weir_error){0};
    int rc = weir_app_hold_take(&hold, stage.log, &arena, "app", NULL, &why);
    app = (struct weir_app){.source = weir_app_source_of(stage.log), .arena = &arena, .id = "app"};
    if (rc >= 0) rc = weir_app_look(&app, &why);
    if (rc >= 0) rc = weir_app_check_release(&app, &why);
    return rc < 0 ? rc : weir_app_release(&hold, &app, &why);
}

static int adopt(void)
{
    const char *const names[] = {"app-counts-changelog"};
    struct weir_app_adoption adoption = {0};
    const struct weir_start_topic **strangers = NULL;
    why = (struct weir_error){0};
    int rc = weir_app_hold_take(&hold, stage.log, &arena, "app", NULL, &why);
    app = (struct weir_app){.source = weir_app_source_of(stage.log), .arena = &arena, .id = "app"};
    if (rc >= 0) rc = weir_app_look(&app, &why);
    if (rc >= 0) rc = weir_app_check_adopt(&app, &why);
    if (rc >= 0) {
        rc = weir_app_find_strangers(&app, names, 1, &strangers, &adoption.delete_count, &why);
    }
    adoption.deletes = strangers;
    return rc < 0 ? rc : weir_app_adopt(&hold, &app, &adoption, &why);
}

/* Of a job that wrote without transactions, killed before its tail was cut or behind it: the group is the application's
 * with all that it has counted, or it is anybody's at the inputs' positions. */
static bool crash_in_release(uint64_t at, int kind)
{
    open_stage();
    stage.commits = &stage_commits_before;
    run_before();
    stage.commits = NULL;
    append_uncommitted("app-counts-changelog", true);
    append_uncommitted("app-again-repartition", true);
    bool has_crashed = crashing(release, at, kind);
    look("app");
    ck_assert_int_eq(app.facts.has_commit, app.is_owned);
    if (app.is_owned) {
        run(WEIR_ON_MISMATCH_REFUSE);
        expect_counts(3, 1, 1);
        stage_stop(&stage);
        ck_ok(release(), &why);
        weir_app_hold_drop(&hold);
        look("app");
    }
    ck_assert(!app.is_owned);
    ck_assert_uint_eq(app.committed.entry_count, 1);
    ck_assert_int_eq(app.committed.entries[0].offset, 5);
    close_stage();
    return has_crashed;
}

START_TEST(a_release_that_is_killed_anywhere_is_whole_or_none)
{
    uint64_t at = 1;
    while (crash_in_release(at, _i)) {
        at++;
    }
    ck_assert_uint_gt(at, 2);
}
END_TEST

/* Until the offsets are its own a start says whose they are; then it says that its store is new. */
static bool crash_in_adoption(uint64_t at, int kind)
{
    open_stage();
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "counts", 1);
    stage_topic(&stage, "app-counts-changelog", 1);
    stage_produce(&stage, "app-counts-changelog", 0, "a", "7", 1000);
    produce("aabca");
    commit("app", "in", 2, "");
    bool has_crashed = crashing(adopt, at, kind);
    look("app");
    if (!app.facts.has_commit) {
        bool is_first = stage_try_start(&stage, counting(), STAGE_OPTIONS(.on_mismatch = 0), &why);
        ck_assert_msg(!is_first && why.code == WEIR_MISMATCH, "%s", why.text);
        ck_ok(adopt(), &why);
        weir_app_hold_drop(&hold);
    }
    ck_assert_int_eq(adopt(), WEIR_EXISTS);
    weir_app_hold_drop(&hold);
    stage_start_refused(&stage, counting(), STAGE_OPTIONS(.on_mismatch = 0), WEIR_MISMATCH,
                        "store 'counts' is new", &why);
    run(WEIR_ON_MISMATCH_START_EMPTY);
    expect_counts(1, 1, 1);
    close_stage();
    return has_crashed;
}

START_TEST(an_adoption_that_is_killed_anywhere_goes_on)
{
    uint64_t at = 1;
    while (crash_in_adoption(at, _i)) {
        at++;
    }
    ck_assert_uint_gt(at, 5);
}
END_TEST

/* ---- shortages ------------------------------------------------------------------------------- */

/* Each allocation of a look fails once: it says so, holds nothing, and the next one sees all. */
START_TEST(a_look_survives_want_of_memory)
{
    struct weir_test_failures failures = {0};
    run_before();
    while (weir_test_failures_next(&failures)) {
        app = (struct weir_app){
            .source = weir_app_source_of(stage.log), .arena = &arena, .id = "app"};
        weir_arena_close(&arena);
        weir_arena_init(&arena, &budget, 256);
        weir_test_failures_arm(&failures, &heap);
        int rc = weir_app_look(&app, &why);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_msg(rc == (was_hit ? WEIR_NO_MEMORY : 0), "%d: %s", rc, why.text);
    }
    ck_assert_uint_gt(failures.hits, 3);
    ck_assert_uint_eq(app.facts.topic_count, 3);
}
END_TEST

/* Each allocation of a reset fails once: what was begun, the next one ends. */
START_TEST(a_reset_survives_want_of_memory)
{
    struct weir_test_failures failures = {0};
    close_stage();
    while (weir_test_failures_next(&failures)) {
        open_stage();
        run_before();
        weir_arena_close(&arena);
        weir_arena_init(&arena, &budget, 256);
        weir_test_failures_arm(&failures, &heap);
        int rc = reset_to(2);
        bool was_hit = weir_test_failures_disarm(&failures);
        weir_app_hold_drop(&hold);
        ck_assert_msg(rc == (was_hit ? WEIR_NO_MEMORY : 0), "%d: %s", rc, why.text);
        weir_arena_reset(&arena);
        ck_ok(reset_to(2), &why);
        weir_app_hold_drop(&hold);
        run(WEIR_ON_MISMATCH_REFUSE);
        expect_counts(1, 1, 1);
        close_stage();
    }
    ck_assert_uint_gt(failures.hits, 10);
    open_stage();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("application");
    tcase_add_checked_fixture(tests, open_stage, close_stage);
    tcase_add_test(tests, a_stopped_application_is_seen_whole);
    tcase_add_test(tests, what_a_start_would_say_is_said);
    tcase_add_test(tests, a_reset_application_begins_where_it_was_put);
    tcase_add_test(tests, a_store_without_a_changelog_is_reset_too);
    tcase_add_test(tests, what_no_program_names_any_more_goes_with_a_reset);
    tcase_add_test(tests, a_reset_leaves_what_is_not_the_applications);
    tcase_add_test(tests, nothing_is_reset_while_a_job_runs);
    tcase_add_test(tests, nothing_is_reset_whose_state_is_in_use);
    tcase_add_test(tests, a_reset_names_every_input);
    tcase_add_test(tests, nothing_is_reset_while_a_group_is_somebody_elses);
    tcase_add_test(tests, a_group_goes_back_and_forth);
    tcase_add_loop_test(tests, nothing_that_is_uncommitted_is_given_away, 0, 2);
    tcase_add_test(tests, an_adopted_application_is_filled_from_its_inputs);
    tcase_add_test(tests, an_adoption_deletes_what_is_in_the_way);
    tcase_add_test(tests, a_look_survives_want_of_memory);
    tcase_add_test(tests, a_reset_survives_want_of_memory);
    suite_add_tcase(suite, tests);

    TCase *crashes = tcase_create("crashes");
    tcase_set_timeout(crashes, 240);
    tcase_add_loop_test(crashes, a_reset_that_is_killed_anywhere_goes_on, 0, 8);
    tcase_add_loop_test(crashes, a_release_that_is_killed_anywhere_is_whole_or_none, 0, 4);
    tcase_add_loop_test(crashes, an_adoption_that_is_killed_anywhere_goes_on, 0, 4);
    suite_add_tcase(suite, crashes);
}

int main(void)
{
    return weir_test_main("application", add);
}
