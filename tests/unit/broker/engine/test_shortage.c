#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "tests/unit/broker/engine/engine_fixture.h"

/**
 * The node of an engine runs out of descriptors or of room at every point, for a while. Each answer
 * meanwhile is a result or a code that says RETRY; nothing goes offline, and afterwards all works
 * without a restart, with everything there that was acknowledged.
 */
enum { PARTITIONS = 6 };

struct life {
    struct engine engine;
    int64_t acked[PARTITIONS]; /* one past the newest acknowledged offset of topic "old" */
    bool has_new_topic;
    int64_t committed;
};

static void expect_passing(const struct life *life, int64_t rc)
{
    bool passes = rc >= 0 || weir_code_action((int)rc) == WEIR_ACTION_RETRY;
    ck_assert_msg(passes, "%s: %s", weir_code_name((int)rc), life->engine.error.text);
}

static void expect_result(const struct life *life, int64_t rc)
{
    if (rc < 0) ck_abort_msg("%s: %s", weir_code_name((int)rc), life->engine.error.text);
}

typedef void (*expectation)(const struct life *life, int64_t rc);

static void produce_one(struct life *life, int32_t partition, expectation expect)
{
    static const char value[] = "a record that fills the segments of this test soon enough";
    int64_t offset = engine_produce(&life->engine, "old", partition, value, WEIR_ACKS_ALL);
    expect(life, offset);
    if (offset < 0) return;
    ck_assert_int_ge(offset, life->acked[partition]);
    life->acked[partition] = offset + 1;
}

static void use(struct life *life, expectation expect)
{
    struct engine *engine = &life->engine;
    char value[64];
    if (!life->has_new_topic) {
        int rc = engine_create(engine, "new", 2);
        expect(life, rc);
        life->has_new_topic = rc == 0;
    }
    for (int32_t i = 0; i < PARTITIONS; i++) { /* half of them are not open yet */
        produce_one(life, i, expect);
        produce_one(life, i, expect);
    }
    int rc = engine_fetch(engine, "old", 0, 0, value);
    expect(life, rc == WEIR_END ? 0 : rc);
    rc = engine_commit(engine, "group", "old", 0, life->acked[0]);
    expect(life, rc);
    if (rc == 0) life->committed = life->acked[0];
    int64_t committed = engine_committed(engine, "group", "old", 0);
    if (committed != -1) expect(life, committed);
    expect(life, engine_latest(engine, "old", 1));
    if (life->has_new_topic) expect(life, engine_produce(engine, "new", 1, "x", WEIR_ACKS_ALL));
}

static void expect_everything(struct life *life)
{
    char value[64];
    for (int32_t i = 0; i < PARTITIONS; i++) {
        ck_assert_int_ge(engine_latest(&life->engine, "old", i), life->acked[i]);
        for (int64_t offset = 0; offset < life->acked[i]; offset++) {
            expect_result(life, engine_fetch(&life->engine, "old", i, offset, value));
            ck_assert_int_eq(value[0], 'a');
        }
    }
    ck_assert_int_eq(engine_committed(&life->engine, "group", "old", 0), life->committed);
}

static uint64_t calls_of(const struct life *life, enum weir_sim_fault fault)
{
    return fault == WEIR_SIM_FAULT_NO_HANDLE ? weir_sim_open_count(life->engine.sim, 0)
                                             : weir_sim_disk_count(life->engine.sim, 0);
}

/* False: it was over before the shortage began. */
static bool live_through(enum weir_sim_fault fault, uint64_t at)
{
    struct life life = {0};
    struct engine *engine = &life.engine;
    engine_init(engine, at);
    engine->options.topic_defaults.segment_bytes = 1024;
    ck_ok(engine_open(engine), &engine->error);
    ck_ok(engine_create(engine, "old", PARTITIONS), &engine->error);
    for (int32_t i = 0; i < PARTITIONS / 2; i++)
        produce_one(&life, i, expect_result);
    weir_sim_disk_count_reset(engine->sim, 0);
    weir_sim_disk_plan(engine->sim, 0,
                       (struct weir_sim_fault_plan){.fault = fault, .at = at, .is_sticky = true});
    use(&life, expect_passing);
    bool began = calls_of(&life, fault) >= at;
    weir_sim_disk_plan(engine->sim, 0, (struct weir_sim_fault_plan){0});
    use(&life, expect_result);
    use(&life, expect_result);
    expect_everything(&life);
    if (at % 2 == 0) {
        ck_ok(engine_close(engine), &engine->error);
    } else {
        engine_crash(engine, WEIR_SIM_POWER);
    }
    ck_ok(engine_open(engine), &engine->error);
    expect_everything(&life);
    use(&life, expect_result);
    engine_end(engine);
    return began;
}

START_TEST(an_engine_goes_on_after_descriptors_ran_out_anywhere)
{
    for (uint64_t at = 1; live_through(WEIR_SIM_FAULT_NO_HANDLE, at); at++)
        ck_assert_uint_lt(at, 2000);
}
END_TEST

START_TEST(an_engine_goes_on_after_room_ran_out_anywhere)
{
    for (uint64_t at = 1; live_through(WEIR_SIM_FAULT_ENOSPC, at); at += 1 + at / 40)
        ck_assert_uint_lt(at, 2000);
}
END_TEST

/* An engine that could not be opened for a shortage has hurt nothing and opens afterwards. */
START_TEST(an_open_in_a_shortage_is_repeated)
{
    struct life life = {0};
    struct engine *engine = &life.engine;
    engine_init(engine, 1);
    ck_ok(engine_open(engine), &engine->error);
    ck_ok(engine_create(engine, "old", PARTITIONS), &engine->error);
    ck_ok(engine_create(engine, "gone", 1), &engine->error);
    produce_one(&life, 0, expect_result);
    ck_ok(engine_commit(engine, "group", "old", 0, 1), &engine->error);
    life.committed = 1;
    ck_ok(engine_delete(engine, "gone"), &engine->error);
    bool began = true;
    for (uint64_t at = 1; began; at++) {
        engine_crash(engine, at % 2 == 0 ? WEIR_SIM_KILL : WEIR_SIM_POWER);
        weir_sim_disk_count_reset(engine->sim, 0);
        weir_sim_disk_plan(engine->sim, 0,
                           (struct weir_sim_fault_plan){
                               .fault = WEIR_SIM_FAULT_NO_HANDLE, .at = at, .is_sticky = true});
        int rc = engine_open(engine);
        began = weir_sim_open_count(engine->sim, 0) >= at;
        weir_sim_disk_plan(engine->sim, 0, (struct weir_sim_fault_plan){0});
        if (rc < 0) {
            ck_code(rc, WEIR_LIMIT);
            ck_ok(engine_open(engine), &engine->error);
        }
        expect_everything(&life);
    }
    engine_end(engine);
}
END_TEST

/* ---- a topic goes ---------------------------------------------------------------------------- */

static void note_done(struct weir_request *request)
{
    *(bool *)request->context = true;
}

static bool is_set(void *context)
{
    return *(bool *)context;
}

/* A topic is deleted while no folder can be listed or synced: the answer waits, the folders go when the
 * shortage is over, and a topic of that name can be made again. */
START_TEST(a_removal_waits_for_the_end_of_the_shortage)
{
    struct life life = {0};
    struct engine *engine = &life.engine;
    struct weir_file_stat stat;
    bool is_done = false;
    engine_init(engine, 1);
    ck_ok(engine_open(engine), &engine->error);
    ck_ok(engine_create(engine, "old", PARTITIONS), &engine->error);
    produce_one(&life, 0, expect_result);
    weir_sim_disk_plan(engine->sim, 0,
                       (struct weir_sim_fault_plan){
                           .fault = WEIR_SIM_FAULT_NO_HANDLE, .at = 1, .is_sticky = true});
    struct weir_topic_request request = {
        .operation = WEIR_TOPIC_DELETE,
        .topic = weir_text("old"),
        .request = {.done = note_done, .context = &is_done},
    };
    weir_broker_topic(engine->broker, &request);
    (void)weir_sim_run(engine->sim, is_set, &is_done, 1000000000);
    ck_assert(!is_done);
    weir_sim_disk_plan(engine->sim, 0, (struct weir_sim_fault_plan){0});
    (void)weir_sim_run(engine->sim, is_set, &is_done, 1000000000);
    ck_assert(is_done);
    ck_ok(request.request.rc, &request.request.error);
    ck_assert_int_eq(weir_stat(engine->env, ENGINE_PATH "/log/old-0", &stat, NULL), WEIR_NOT_FOUND);
    ck_ok(engine_create(engine, "old", 1), &engine->error);
    life.acked[0] = 0;
    produce_one(&life, 0, expect_result);
    engine_end(engine);
}
END_TEST

/* Who closes the log while a removal waits is not made to wait with it. */
START_TEST(a_close_ends_a_removal_that_waits)
{
    struct engine engine;
    bool is_done = false;
    engine_init(&engine, 1);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "old", 1), &engine.error);
    weir_sim_disk_plan(engine.sim, 0,
                       (struct weir_sim_fault_plan){
                           .fault = WEIR_SIM_FAULT_NO_HANDLE, .at = 1, .is_sticky = true});
    struct weir_topic_request request = {
        .operation = WEIR_TOPIC_DELETE,
        .topic = weir_text("old"),
        .request = {.done = note_done, .context = &is_done},
    };
    weir_broker_topic(engine.broker, &request);
    (void)weir_sim_run(engine.sim, is_set, &is_done, 1000000000);
    ck_assert(!is_done);
    ck_code(engine_close(&engine), WEIR_LIMIT); /* no clean mark could be written */
    ck_assert(is_done);
    weir_sim_disk_plan(engine.sim, 0, (struct weir_sim_fault_plan){0});
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "old", 1), &engine.error);
    engine_end(&engine);
}
END_TEST

/* ---- what a person hears --------------------------------------------------------------------- */

struct lines {
    int out;
    int back;
    int removal_waits;
};

static void count_line(void *context, enum weir_log_level level, const char *line, size_t size)
{
    struct lines *lines = context;
    (void)level, (void)size;
    lines->out += strstr(line, "event=descriptors.out") != NULL;
    lines->back += strstr(line, "event=descriptors.back") != NULL;
    lines->removal_waits += strstr(line, "event=topic.removal_waits") != NULL;
}

static void begin_heard(struct life *life, struct lines *lines)
{
    struct engine *engine = &life->engine;
    engine_init(engine, 1);
    engine->env->logger = (struct weir_logger){count_line, lines, WEIR_LOG_INFO};
    ck_ok(engine_open(engine), &engine->error);
    ck_ok(engine_create(engine, "old", PARTITIONS), &engine->error);
    produce_one(life, 0, expect_result);
    weir_sim_disk_plan(engine->sim, 0,
                       (struct weir_sim_fault_plan){
                           .fault = WEIR_SIM_FAULT_NO_HANDLE, .at = 1, .is_sticky = true});
}

/* What is open is written to all the time: that says nothing of descriptors. */
START_TEST(descriptors_are_back_when_something_was_opened)
{
    struct life life = {0};
    struct lines lines = {0};
    begin_heard(&life, &lines);
    produce_one(&life, 1, expect_passing);
    ck_assert_int_eq(lines.out, 1);
    weir_sim_advance_ms(life.engine.sim, 5000);
    produce_one(&life, 0, expect_result);
    ck_assert_int_eq(lines.back, 0);
    weir_sim_disk_plan(life.engine.sim, 0, (struct weir_sim_fault_plan){0});
    produce_one(&life, 2, expect_result);
    ck_assert_int_eq(lines.back, 1);
    engine_end(&life.engine);
}
END_TEST

/* Each try lists and syncs: they become rarer, and a person hears of it once. Who has asked for it is told
 * after a moment that the topic is gone, and its name is free when the folders are. */
START_TEST(a_removal_that_waits_is_said_once_and_tried_ever_less)
{
    struct life life = {0};
    struct lines lines = {0};
    struct engine *engine = &life.engine;
    bool is_done = false;
    begin_heard(&life, &lines);
    struct weir_topic_request request = {
        .operation = WEIR_TOPIC_DELETE,
        .topic = weir_text("old"),
        .request = {.done = note_done, .context = &is_done},
    };
    uint64_t before = weir_sim_open_count(engine->sim, 0);
    weir_broker_topic(engine->broker, &request);
    weir_sim_advance_ms(engine->sim, 60000);
    ck_assert(is_done);
    ck_ok(request.request.rc, &request.request.error);
    ck_code(engine_create(engine, "old", 1), WEIR_LIMIT);
    uint64_t tries = weir_sim_open_count(engine->sim, 0) - before;
    ck_assert_uint_ge(tries, 30);
    ck_assert_uint_le(tries, 200); /* one a second, some opens each */
    ck_assert_int_eq(lines.removal_waits, 1);
    ck_assert_int_eq(lines.out, 1);
    weir_sim_disk_plan(engine->sim, 0, (struct weir_sim_fault_plan){0});
    weir_sim_advance_ms(engine->sim, 2000);
    ck_ok(engine_create(engine, "old", 1), &engine->error);
    engine_end(engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("shortage");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, an_engine_goes_on_after_descriptors_ran_out_anywhere);
    tcase_add_test(tests, an_engine_goes_on_after_room_ran_out_anywhere);
    tcase_add_test(tests, an_open_in_a_shortage_is_repeated);
    tcase_add_test(tests, a_removal_waits_for_the_end_of_the_shortage);
    tcase_add_test(tests, a_close_ends_a_removal_that_waits);
    tcase_add_test(tests, descriptors_are_back_when_something_was_opened);
    tcase_add_test(tests, a_removal_that_waits_is_said_once_and_tried_ever_less);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("broker shortage", add);
}
