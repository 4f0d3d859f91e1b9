#include <stdio.h>
#include <string.h>

#include "tests/unit/broker/engine/engine_fixture.h"

/*
 * Closing an engine with many written partitions: their marks are made durable in step. A fault at
 * each operation of the close must not cost what was acknowledged before it.
 */
enum { PARTITIONS = 6, VALUES = 2, DRAWS = 8 /* of what a power loss keeps */ };

static const char *const values[VALUES] = {"a", "b"};
static int32_t partition_count = PARTITIONS;

/* The first value of each partition is durable; the second may be in the page cache alone when the
 * close begins. */
static void write_all(struct engine *engine)
{
    struct weir_config_entry config = {.key = "flush.policy", .value = "os"};
    struct weir_topic_request alter = {.operation = WEIR_TOPIC_ALTER_CONFIG,
                                       .topic = weir_text("clicks"),
                                       .configs = &config,
                                       .config_count = 1};
    ck_ok(engine_open(engine), &engine->error);
    ck_ok(engine_create(engine, "clicks", partition_count), &engine->error);
    for (int32_t i = 0; i < partition_count; i++)
        ck_assert_int_eq(engine_produce(engine, "clicks", i, "a", WEIR_ACKS_ALL), 0);
    ck_ok(engine_topic(engine, &alter), &engine->error);
    for (int32_t i = 0; i < partition_count; i++)
        ck_assert_int_eq(engine_produce(engine, "clicks", i, "b", WEIR_ACKS_ALL), 1);
}

/* What was acknowledged as durable is there; of the rest a prefix. `is_whole`: all of it. */
static void check_all(struct engine *engine, bool is_whole, const char *what)
{
    char value[64];
    for (int32_t i = 0; i < partition_count; i++) {
        int64_t end = engine_latest(engine, "clicks", i);
        ck_assert_msg(end >= (is_whole ? VALUES : 1) && end <= VALUES,
                      "%s: partition %d ends at %d", what, i, (int)end);
        for (int64_t offset = 0; offset < end; offset++) {
            ck_assert_msg(engine_fetch(engine, "clicks", i, offset, value) == 0, "%s", what);
            ck_assert_str_eq(value, values[offset]);
        }
    }
}

static void count_sync(void *context, const char *line)
{
    if (strstr(line, ": sync ") != NULL) ++*(uint64_t *)context;
}

/* Syncs that a close of `count` written partitions needs. */
static uint64_t close_cost(int32_t count)
{
    struct engine engine;
    uint64_t syncs = 0;
    engine_init(&engine, 1);
    weir_sim_free(engine.sim);
    engine.sim = weir_sim_new(
        &(struct weir_sim_options){.seed = 1, .trace = count_sync, .trace_context = &syncs});
    ck_assert_ptr_nonnull(engine.sim);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", count), &engine.error);
    for (int32_t i = 0; i < count; i++)
        ck_assert_int_eq(engine_produce(&engine, "clicks", i, "a", WEIR_ACKS_LEADER), 0);
    syncs = 0;
    ck_ok(engine_close(&engine), &engine.error);
    uint64_t cost = syncs;
    weir_sim_free(engine.sim);
    return cost;
}

/* The number of syncs does not grow with the number of partitions. */
START_TEST(a_close_shares_its_syncs)
{
    uint64_t few = close_cost(10);
    ck_assert_uint_gt(few, 2);
    ck_assert_uint_le(close_cost(100), few + 4); /* a flush may be on its way */
}
END_TEST

static void count_recovery(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)level;
    (void)size;
    if (strstr(line, "event=log.recovered") != NULL) ++*(int *)context;
}

/* A closed log owes nothing to the page cache: after a power cut all of it is there, and its
 * partitions open as they were closed, without a scan. */
START_TEST(what_was_closed_in_step_opens_clean)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct engine engine;
        int recoveries = 0;
        engine_init(&engine, seed);
        weir_sim_free(engine.sim);
        engine.sim = weir_sim_new(&(struct weir_sim_options){
            .seed = seed, .logger = {count_recovery, &recoveries, WEIR_LOG_DEBUG}});
        write_all(&engine);
        int32_t epoch = engine_describe_partition(&engine, "clicks", 0).state.leader_epoch;
        ck_ok(engine_close(&engine), &engine.error);
        engine_crash(&engine, WEIR_SIM_POWER);
        ck_ok(engine_open(&engine), &engine.error);
        check_all(&engine, true, "after a close");
        ck_assert_int_eq(recoveries, 0);
        ck_assert_int_eq(engine_describe_partition(&engine, "clicks", 0).state.leader_epoch, epoch);
        engine_end(&engine);
    }
}
END_TEST

static void fault_in_close(uint64_t seed, uint64_t at, enum weir_sim_fault fault,
                           enum weir_sim_crash_kind kind)
{
    struct engine engine;
    char what[96];
    (void)snprintf(what, sizeof what, "fault %d at %llu of the close", fault,
                   (unsigned long long)at);
    engine_init(&engine, seed);
    write_all(&engine);
    weir_sim_disk_count_reset(engine.sim, 0);
    weir_sim_disk_plan(engine.sim, 0,
                       (struct weir_sim_fault_plan){.fault = fault, .at = at, .crash = kind});
    engine.error = (struct weir_error){0};
    int closed = engine_close(&engine);
    bool names_file = strstr(engine.error.text, "'" ENGINE_PATH) != NULL;
    ck_assert_msg(engine.error.code == closed && names_file == (closed < 0),
                  "%s: %d is told as '%s'", what, closed, engine.error.text);
    bool is_whole = closed == 0 && !weir_sim_has_crashed(engine.sim, 0);
    engine_crash(&engine, kind);
    weir_sim_disk_plan(engine.sim, 0, (struct weir_sim_fault_plan){0});
    int rc = engine_open(&engine);
    ck_assert_msg(rc == 0, "%s: %s", what, engine.error.text);
    check_all(&engine, is_whole || kind == WEIR_SIM_KILL, what);
    engine_crash(&engine, kind);
    rc = engine_open(&engine);
    ck_assert_msg(rc == 0, "%s, again: %s", what, engine.error.text);
    check_all(&engine, is_whole || kind == WEIR_SIM_KILL, what);
    engine_end(&engine);
}

static uint64_t operations_of_close(void)
{
    struct engine engine;
    engine_init(&engine, 1);
    write_all(&engine);
    weir_sim_disk_count_reset(engine.sim, 0);
    ck_ok(engine_close(&engine), &engine.error);
    uint64_t count = weir_sim_disk_count(engine.sim, 0);
    weir_sim_free(engine.sim);
    return count;
}

static void fault_everywhere(enum weir_sim_fault fault, enum weir_sim_crash_kind kind)
{
    uint64_t count = operations_of_close();
    ck_assert_uint_gt(count, (uint64_t)partition_count * 3);
    uint64_t draws = kind == WEIR_SIM_POWER ? DRAWS : 1;
    for (uint64_t at = 1; at <= count; at++) {
        for (uint64_t draw = 0; draw < draws; draw++)
            fault_in_close(at * DRAWS + draw, at, fault, kind);
    }
}

/* Crashes at each operation of the close. */
START_TEST(a_crash_in_a_close_loses_nothing)
{
    fault_everywhere(WEIR_SIM_FAULT_CRASH, WEIR_SIM_KILL);
    fault_everywhere(WEIR_SIM_FAULT_CRASH, WEIR_SIM_POWER);
    fault_everywhere(WEIR_SIM_FAULT_CRASH_AFTER, WEIR_SIM_POWER);
}
END_TEST

/* Errors at each operation of the close, and the power lost behind it: a close that said it went
 * well has everything on the disk, one that did not says of which file. */
START_TEST(an_error_in_a_close_is_told_and_loses_nothing)
{
    fault_everywhere(WEIR_SIM_FAULT_EIO, WEIR_SIM_POWER);
    fault_everywhere(WEIR_SIM_FAULT_SYNC, WEIR_SIM_POWER);
    fault_everywhere(WEIR_SIM_FAULT_ENOSPC, WEIR_SIM_POWER);
}
END_TEST

/* A few logs share no syncs: each is closed by itself, and what it says is said. */
START_TEST(an_error_in_a_close_of_few_logs_is_told_and_loses_nothing)
{
    partition_count = 1;
    fault_everywhere(WEIR_SIM_FAULT_EIO, WEIR_SIM_POWER);
    fault_everywhere(WEIR_SIM_FAULT_SYNC, WEIR_SIM_POWER);
    fault_everywhere(WEIR_SIM_FAULT_ENOSPC, WEIR_SIM_POWER);
    partition_count = PARTITIONS;
}
END_TEST

/* ---- a log that has failed by itself ---------------------------------------------------------- */

/* Its folder is not where it was, so that no segment can follow: offline, and no other is. The close
 * leaves it as it is, so what readers have seen of it may go with the power: the epoch has to tell. */
START_TEST(a_close_with_a_failed_log_is_not_a_clean_one)
{
    static const char folder[] = ENGINE_PATH "/log/clicks-0";
    struct engine engine;
    engine_init(&engine, 1);
    engine.options.topic_defaults.segment_bytes = 80;
    engine.options.topic_defaults.flush_policy = WEIR_FLUSH_OS;
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 2), &engine.error);
    for (int32_t i = 0; i < 2; i++)
        ck_assert_int_eq(engine_produce(&engine, "clicks", i, "a", WEIR_ACKS_ALL), 0);
    int32_t epoch = engine_describe_partition(&engine, "clicks", 0).state.leader_epoch;
    ck_ok(weir_rename(engine.env, folder, "/saved", &engine.error), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_ALL), WEIR_OFFLINE);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 1, "b", WEIR_ACKS_ALL), 1);
    ck_ok(weir_rename(engine.env, "/saved", folder, &engine.error), &engine.error);
    ck_ok(engine_close(&engine), &engine.error);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    for (int32_t i = 0; i < 2; i++) {
        struct weir_partition_state_request described =
            engine_describe_partition(&engine, "clicks", i);
        ck_ok(described.request.rc, &described.request.error);
        ck_assert_int_eq(described.state.leader_epoch, epoch + 1);
    }
    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_describe_partition(&engine, "clicks", 0).state.leader_epoch, epoch + 1);
    engine_end(&engine);
}
END_TEST

/* ---- a folder on another file system --------------------------------------------------------- */

enum { APART_PARTITIONS = 6, APART_SEEDS = 12 };

/* "clicks" with six partitions: so many that they are synced together. Two lie on file systems of their
 * own, as behind links. */
static void open_with_two_apart(struct engine *engine, uint64_t seed, enum weir_flush_policy policy)
{
    engine_init(engine, seed);
    engine->options.topic_defaults.flush_policy = policy;
    ck_ok(engine_open(engine), &engine->error);
    ck_ok(weir_sim_disk_mount(engine->sim, 0, ENGINE_PATH "/log/clicks-1"), NULL);
    ck_ok(weir_sim_disk_mount(engine->sim, 0, ENGINE_PATH "/log/clicks-4"), NULL);
    ck_ok(engine_create(engine, "clicks", APART_PARTITIONS), &engine->error);
}

/* One record to each at the same time, acknowledged. */
static void produce_to_all(struct engine *engine, const char *value)
{
    struct weir_produce_request requests[APART_PARTITIONS] = {0};
    for (int32_t i = 0; i < APART_PARTITIONS; i++) {
        requests[i].to = (struct weir_topic_partition){weir_text("clicks"), i};
        requests[i].batches = engine_batch(engine, value);
        requests[i].acks = WEIR_ACKS_ALL;
        ck_ok(weir_broker_wait_begin(engine->broker, &requests[i].request, NULL), NULL);
        weir_broker_produce(engine->broker, &requests[i]);
    }
    for (int32_t i = 0; i < APART_PARTITIONS; i++) {
        ck_ok(weir_broker_wait(engine->broker, &requests[i].request, &engine->error),
              &engine->error);
        weir_shared_unref(requests[i].batches);
    }
}

static void check_values(struct engine *engine, int64_t offset, const char *expected)
{
    for (int32_t i = 0; i < APART_PARTITIONS; i++) {
        char value[64];
        ck_ok(engine_fetch(engine, "clicks", i, offset, value), &engine->error);
        ck_assert_str_eq(value, expected);
    }
}

/* What a group commit acknowledges is on the disk on whichever file system it lies. */
START_TEST(what_lies_on_another_file_system_is_synced_too)
{
    struct engine engine;
    open_with_two_apart(&engine, (uint64_t)_i + 1, WEIR_FLUSH_GROUP);
    produce_to_all(&engine, "a");
    produce_to_all(&engine, "b");
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    check_values(&engine, 0, "a");
    check_values(&engine, 1, "b");
    engine_end(&engine);
}
END_TEST

/* And so is what a close has written, which nobody has waited for before. */
START_TEST(a_close_syncs_what_lies_on_another_file_system)
{
    struct engine engine;
    open_with_two_apart(&engine, (uint64_t)_i + 1, WEIR_FLUSH_OS);
    produce_to_all(&engine, "a");
    ck_ok(engine_close(&engine), &engine.error);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    check_values(&engine, 0, "a");
    engine_end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("close");
    tcase_set_timeout(tests, 100);
    tcase_add_test(tests, a_close_shares_its_syncs);
    tcase_add_test(tests, what_was_closed_in_step_opens_clean);
    tcase_add_test(tests, a_crash_in_a_close_loses_nothing);
    tcase_add_test(tests, an_error_in_a_close_is_told_and_loses_nothing);
    tcase_add_test(tests, an_error_in_a_close_of_few_logs_is_told_and_loses_nothing);
    tcase_add_test(tests, a_close_with_a_failed_log_is_not_a_clean_one);
    tcase_add_loop_test(tests, what_lies_on_another_file_system_is_synced_too, 0, APART_SEEDS);
    tcase_add_loop_test(tests, a_close_syncs_what_lies_on_another_file_system, 0, APART_SEEDS);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("engine close", add);
}
