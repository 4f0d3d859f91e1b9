#include <stdio.h>
#include <string.h>

#include "broker/engine/flush_group.h"
#include "broker/log/repair.h"
#include "tests/unit/broker/engine/engine_fixture.h"

/*
 * A short life of an engine, as steps that are each acknowledged or not. It is run once without
 * faults, to note what the world looks like after each step; then once per disk operation, with a
 * fault at that operation. After a crash the world must look as it did after the last acknowledged
 * step, or after the one that was under way.
 */
struct world {
    int partition_count; /* of "clicks"; or the code why not */
    int64_t end;         /* of clicks-0 */
    char last[64];       /* the value of its last record */
    int64_t max_message_bytes;
    int64_t committed;
};

static int step_open(struct engine *engine)
{
    return engine_open(engine);
}

static int step_create(struct engine *engine)
{
    return engine_create(engine, "clicks", 2);
}

static int step_produce(struct engine *engine)
{
    int64_t offset = engine_produce(engine, "clicks", 0, "a", WEIR_ACKS_ALL);
    return offset < 0 ? (int)offset : 0;
}

static int step_produce_more(struct engine *engine)
{
    int64_t offset = engine_produce(engine, "clicks", 0, "b", WEIR_ACKS_ALL);
    return offset < 0 ? (int)offset : 0;
}

static int step_alter(struct engine *engine)
{
    struct weir_config_entry config = {.key = "max.message.bytes", .value = "5000"};
    struct weir_topic_request alter = {.operation = WEIR_TOPIC_ALTER_CONFIG,
                                       .topic = weir_text("clicks"),
                                       .configs = &config,
                                       .config_count = 1};
    return engine_topic(engine, &alter);
}

static int step_commit(struct engine *engine)
{
    return engine_commit(engine, "job", "clicks", 0, 1);
}

static int step_commit_more(struct engine *engine)
{
    return engine_commit(engine, "job", "clicks", 0, 2);
}

static int step_cut(struct engine *engine)
{
    struct weir_cut_request request = {
        .partition = {weir_text("clicks"), 0}, .what = WEIR_CUT_TAIL, .offset = 1};
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request.request, NULL), 0);
    weir_broker_cut(engine->broker, &request);
    return weir_broker_wait(engine->broker, &request.request, &engine->error);
}

static int step_delete(struct engine *engine)
{
    return engine_delete(engine, "clicks");
}

static int step_reopen(struct engine *engine)
{
    int rc = engine_close(engine);
    return rc < 0 ? rc : engine_open(engine);
}

/* How the engine is set up. */
struct variant {
    int32_t shard_count;
    int64_t segment_bytes; /* 0: the default, so that nothing rolls */
};

static void init(struct engine *engine, uint64_t seed, struct variant variant)
{
    engine_init(engine, seed);
    engine->options.shard_count = variant.shard_count;
    if (variant.segment_bytes > 0) {
        engine->options.topic_defaults.segment_bytes = variant.segment_bytes;
    }
}

typedef int (*step_fn)(struct engine *engine);

static const step_fn steps[] = {
    step_open,    step_create, step_produce,      step_produce_more, step_alter,  step_commit,
    step_cut,     step_reopen, step_produce_more, step_commit_more,  step_delete, step_create,
    step_produce, step_reopen, step_delete,       step_reopen,
};
enum { STEP_COUNT = sizeof steps / sizeof steps[0] };

static struct world look(struct engine *engine)
{
    struct world world = {.end = -1, .max_message_bytes = -1};
    struct weir_topic_request describe = {.operation = WEIR_TOPIC_DESCRIBE,
                                          .topic = weir_text("clicks")};
    int rc = engine_topic(engine, &describe);
    world.partition_count = rc < 0 ? rc : describe.partition_count;
    world.committed = engine_committed(engine, "job", "clicks", 0);
    if (rc < 0) return world;
    world.max_message_bytes = describe.config.max_message_bytes;
    world.end = engine_latest(engine, "clicks", 0);
    if (world.end > 0) {
        ck_assert_int_eq(engine_fetch(engine, "clicks", 0, world.end - 1, world.last), 0);
    }
    return world;
}

static bool is_equal(const struct world *a, const struct world *b)
{
    return a->partition_count == b->partition_count && a->end == b->end &&
           strcmp(a->last, b->last) == 0 && a->max_message_bytes == b->max_message_bytes &&
           a->committed == b->committed;
}

static void run_clean(struct world worlds[STEP_COUNT + 1], uint64_t *operations_out,
                      struct variant variant)
{
    struct engine engine;
    init(&engine, 1, variant);
    worlds[0] = (struct world){.partition_count = WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                               .end = -1,
                               .max_message_bytes = -1,
                               .committed = -1};
    for (int i = 0; i < STEP_COUNT; i++) {
        ck_ok(steps[i](&engine), &engine.error);
        worlds[i + 1] = look(&engine);
    }
    *operations_out = weir_sim_disk_count(engine.sim, 0);
    engine_end(&engine);
}

/* Steps until one is not acknowledged; how many were. */
static int run_until_fault(struct engine *engine, int *rc_out)
{
    int rc = 0;
    int count = 0;
    while (count < STEP_COUNT && (rc = steps[count](engine)) >= 0) {
        if (weir_sim_has_crashed(engine->sim, 0)) break;
        count++;
    }
    *rc_out = rc;
    return count;
}

static void check_world(struct engine *engine, const struct world worlds[STEP_COUNT + 1], int count,
                        const char *what)
{
    struct world world = look(engine);
    const struct world *old = &worlds[count];
    const struct world *new = &worlds[count < STEP_COUNT ? count + 1 : count];
    ck_assert_msg(is_equal(&world, old) || is_equal(&world, new),
                  "%s, after %d steps: %d partitions, end %lld, last '%s', max %lld, committed "
                  "%lld; wanted end %lld or %lld",
                  what, count, world.partition_count, (long long)world.end, world.last,
                  (long long)world.max_message_bytes, (long long)world.committed,
                  (long long)old->end, (long long)new->end);
}

static int count_leftover(void *context, const char *name, enum weir_file_kind kind)
{
    (void)kind;
    size_t size = strlen(name);
    bool is_deleted = size > 7 && strcmp(name + size - 7, "-delete") == 0;
    if (is_deleted || strncmp(name, "clicks-", 7) == 0) ++*(int *)context;
    return 0;
}

/* A topic that is gone has left no folder, and its name can be used again. */
static void check_deleted(struct engine *engine, const char *what)
{
    int count = 0;
    if (engine_describe(engine, "clicks") >= 0) return;
    ck_assert_int_eq(weir_list(engine->env, ENGINE_PATH "/log", count_leftover, &count, NULL), 0);
    ck_assert_msg(count == 0, "%s: %d folders are left of a deleted topic", what, count);
    ck_ok(engine_create(engine, "clicks", 1), &engine->error);
    ck_assert_int_eq(engine_produce(engine, "clicks", 0, "new", WEIR_ACKS_ALL), 0);
}

/* Crash at one operation; recover; a second recovery finds the same. */
static void crash_at(const struct world worlds[STEP_COUNT + 1], uint64_t at,
                     enum weir_sim_fault fault, enum weir_sim_crash_kind kind,
                     struct variant variant)
{
    struct engine engine;
    char what[96];
    int rc;
    init(&engine, at, variant);
    weir_sim_disk_plan(engine.sim, 0,
                       (struct weir_sim_fault_plan){.fault = fault, .at = at, .crash = kind});
    int count = run_until_fault(&engine, &rc);
    (void)snprintf(what, sizeof what, "fault %d at %llu, crash %d", fault, (unsigned long long)at,
                   kind);
    if (!weir_sim_has_crashed(engine.sim, 0)) { /* the life was over before */
        ck_assert_int_eq(count, STEP_COUNT);
        weir_sim_disk_plan(engine.sim, 0, (struct weir_sim_fault_plan){0});
        engine_end(&engine);
        return;
    }
    engine_forget(&engine);
    rc = engine_open(&engine);
    ck_assert_msg(rc == 0, "%s: %s", what, engine.error.text);
    check_world(&engine, worlds, count, what);
    struct world first = look(&engine);
    engine_crash(&engine, kind);
    rc = engine_open(&engine);
    ck_assert_msg(rc == 0, "%s, again: %s", what, engine.error.text);
    struct world second = look(&engine);
    ck_assert_msg(is_equal(&first, &second), "%s: the second recovery differs", what);
    check_deleted(&engine, what);
    engine_end(&engine);
}

static void crash_everywhere(enum weir_sim_fault fault, enum weir_sim_crash_kind kind,
                             struct variant variant)
{
    struct world worlds[STEP_COUNT + 1];
    uint64_t operations;
    run_clean(worlds, &operations, variant);
    ck_assert_uint_gt(operations, 100);
    for (uint64_t at = 1; at <= operations + 10; at++) {
        crash_at(worlds, at, fault, kind, variant);
    }
}

/* Killed before any disk operation: nothing acknowledged is lost, nothing half done is left. */
START_TEST(a_kill_before_each_disk_operation_loses_nothing)
{
    crash_everywhere(WEIR_SIM_FAULT_CRASH, WEIR_SIM_KILL, (struct variant){1, 0});
}
END_TEST

/* Killed right after each of them. */
START_TEST(a_kill_after_each_disk_operation_loses_nothing)
{
    crash_everywhere(WEIR_SIM_FAULT_CRASH_AFTER, WEIR_SIM_KILL, (struct variant){1, 0});
}
END_TEST

/* The same with the power gone: what was not synced may be lost or torn. */
START_TEST(a_power_cut_before_each_disk_operation_loses_nothing)
{
    crash_everywhere(WEIR_SIM_FAULT_CRASH, WEIR_SIM_POWER, (struct variant){1, 0});
}
END_TEST

START_TEST(a_power_cut_after_each_disk_operation_loses_nothing)
{
    crash_everywhere(WEIR_SIM_FAULT_CRASH_AFTER, WEIR_SIM_POWER, (struct variant){1, 0});
}
END_TEST

/* The same with partitions and controller on different shards. */
START_TEST(several_shards_lose_nothing_either)
{
    crash_everywhere(WEIR_SIM_FAULT_CRASH, WEIR_SIM_POWER, (struct variant){3, 0});
}
END_TEST

/* The same with a roll at each batch: the next segment comes after the last one is on the disk. */
START_TEST(rolling_segments_lose_nothing_either)
{
    struct engine engine;
    init(&engine, 1, (struct variant){1, 80});
    ck_ok(step_open(&engine), &engine.error);
    ck_ok(step_create(&engine), &engine.error);
    for (int i = 0; i < 3; i++)
        ck_ok(step_produce(&engine), &engine.error);
    ck_assert_int_ge(engine_describe_partition(&engine, "clicks", 0).state.segment_count, 3);
    engine_end(&engine);
    crash_everywhere(WEIR_SIM_FAULT_CRASH, WEIR_SIM_KILL, (struct variant){1, 80});
    crash_everywhere(WEIR_SIM_FAULT_CRASH, WEIR_SIM_POWER, (struct variant){1, 80});
}
END_TEST

/* ---- faults that are no crash ---------------------------------------------------------------- */

/* One operation fails; the engine says so, or copes; after a restart the world is old or new. */
static void fail_everywhere(enum weir_sim_fault fault, struct variant variant)
{
    struct world worlds[STEP_COUNT + 1];
    uint64_t operations;
    run_clean(worlds, &operations, variant);
    for (uint64_t at = 1; at <= operations; at++) {
        struct engine engine;
        char what[96];
        int rc;
        init(&engine, at, variant);
        weir_sim_disk_plan(engine.sim, 0, (struct weir_sim_fault_plan){.fault = fault, .at = at});
        int count = run_until_fault(&engine, &rc);
        (void)snprintf(what, sizeof what, "fault %d at %llu", fault, (unsigned long long)at);
        if (engine.broker != NULL) (void)engine_close(&engine); /* may fail too: it was told */
        engine_crash(&engine, WEIR_SIM_POWER);
        weir_sim_disk_plan(engine.sim, 0, (struct weir_sim_fault_plan){0}); /* the life was over */
        rc = engine_open(&engine);
        ck_assert_msg(rc == 0, "%s: %s", what, engine.error.text);
        check_world(&engine, worlds, count, what);
        engine_end(&engine);
    }
}

/* An input/output error at each operation. */
START_TEST(an_io_error_at_each_operation_is_told_and_loses_nothing)
{
    fail_everywhere(WEIR_SIM_FAULT_EIO, (struct variant){1, 0});
    fail_everywhere(WEIR_SIM_FAULT_EIO, (struct variant){1, 80});
}
END_TEST

/* A sync that fails, at each operation that is one: never believed later. */
START_TEST(a_failed_sync_is_told_and_never_believed)
{
    fail_everywhere(WEIR_SIM_FAULT_SYNC, (struct variant){1, 0});
    fail_everywhere(WEIR_SIM_FAULT_SYNC, (struct variant){1, 80});
}
END_TEST

/* A full disk at each operation. */
START_TEST(a_full_disk_at_each_operation_is_told_and_loses_nothing)
{
    fail_everywhere(WEIR_SIM_FAULT_ENOSPC, (struct variant){1, 0});
    fail_everywhere(WEIR_SIM_FAULT_ENOSPC, (struct variant){1, 80});
}
END_TEST

/* After a failed sync nothing is served any more, until the directory is opened again. */
START_TEST(a_failed_sync_takes_the_directory_offline)
{
    struct engine engine;
    char value[64];
    engine_init(&engine, 1);
    engine.options.log_retention_check_interval_ms = 1000;
    engine.options.topic_defaults.retention_ms = 10000;
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 2), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 1, "a", WEIR_ACKS_ALL), 0);
    weir_sim_disk_count_reset(engine.sim, 0);
    weir_sim_disk_plan(engine.sim, 0,
                       (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_SYNC, .at = 2});
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_ALL), WEIR_OFFLINE);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 1, "b", WEIR_ACKS_ALL), WEIR_OFFLINE);
    ck_assert_int_eq(engine_fetch(&engine, "clicks", 1, 0, value), WEIR_OFFLINE);
    ck_assert_int_eq(engine_create(&engine, "more", 1), WEIR_OFFLINE);
    /* Nor is anything written or removed, though everything in it expires (L9). */
    weir_sim_disk_count_reset(engine.sim, 0);
    weir_sim_advance_ms(engine.sim, 15000);
    ck_assert_uint_eq(weir_sim_disk_count(engine.sim, 0), 0);
    ck_assert_int_eq(engine_close(&engine), WEIR_OFFLINE);

    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_fetch(&engine, "clicks", 0, 0, value), 0);
    ck_assert_str_eq(value, "a");
    engine_end(&engine);
}
END_TEST

static void create_lazy(struct engine *engine)
{
    struct weir_config_entry config = {.key = "flush.policy", .value = "os"};
    struct weir_topic_request create = {.operation = WEIR_TOPIC_CREATE,
                                        .topic = weir_text("lazy"),
                                        .partition_count = 1,
                                        .configs = &config,
                                        .config_count = 1};
    ck_ok(engine_topic(engine, &create), &engine->error);
}

/* A batch to each partition of "busy" at once, so that one sync of the file system covers them. */
static void produce_to_all(struct engine *engine, int expected)
{
    struct weir_produce_request requests[WEIR_FLUSH_FILE_SYSTEM_FROM];
    for (int i = 0; i < WEIR_FLUSH_FILE_SYSTEM_FROM; i++) {
        requests[i] = (struct weir_produce_request){
            .to = {weir_text("busy"), i},
            .batches = engine_batch(engine, "a"),
            .acks = WEIR_ACKS_ALL,
        };
        ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &requests[i].request, NULL), 0);
        weir_broker_produce(engine->broker, &requests[i]);
    }
    for (int i = 0; i < WEIR_FLUSH_FILE_SYSTEM_FROM; i++) {
        int rc = weir_broker_wait(engine->broker, &requests[i].request, &engine->error);
        ck_assert_int_eq(rc, expected);
        weir_shared_unref(requests[i].batches);
    }
}

/* A life leaves a log's bytes in the page cache alone. The next does not open that log, and has a
 * sync of the whole file system fail, which drops them, in a flush or as it closes: the third finds
 * zeros, and they are no rot. */
START_TEST(a_failed_sync_of_the_file_system_proves_no_rot_in_a_log_that_was_not_open)
{
    struct engine engine;
    char value[64];
    engine_init(&engine, 1);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "busy", WEIR_FLUSH_FILE_SYSTEM_FROM), &engine.error);
    create_lazy(&engine);
    produce_to_all(&engine, 0);
    ck_assert_int_eq(engine_produce(&engine, "lazy", 0, "a", WEIR_ACKS_ALL), 0);
    weir_sim_advance_ms(engine.sim, 5000); /* this one is synced */
    for (int i = 1; i < 3; i++)
        ck_assert_int_eq(engine_produce(&engine, "lazy", 0, "b", WEIR_ACKS_ALL), i);
    engine_crash(&engine, WEIR_SIM_KILL);

    ck_ok(engine_open(&engine), &engine.error);
    produce_to_all(&engine, 0);
    weir_sim_disk_count_reset(engine.sim, 0);
    weir_sim_disk_plan(
        engine.sim, 0,
        (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_SYNC, .at = 1, .is_sticky = true});
    if (_i == 0) {
        produce_to_all(&engine, WEIR_OFFLINE);
    } else {
        ck_assert_int_eq(engine_close(&engine), WEIR_IO);
    }
    weir_sim_disk_plan(engine.sim, 0, (struct weir_sim_fault_plan){0});
    engine_crash(&engine, WEIR_SIM_KILL);

    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_fetch(&engine, "lazy", 0, 0, value), 0);
    ck_assert_int_eq(engine_latest(&engine, "lazy", 0), 1);
    ck_assert_int_eq(engine_produce(&engine, "lazy", 0, "c", WEIR_ACKS_ALL), 1);
    engine_end(&engine);
}
END_TEST

/* ---- rot ------------------------------------------------------------------------------------- */

static const char *const topic_names[] = {"alpha", "beta", "gamma"};

#define METADATA_FOLDER ENGINE_PATH "/log/__cluster_metadata-0"
#define METADATA_SEGMENT METADATA_FOLDER "/00000000000000000000.log"

/* Three topics, each with a record, and an end that was not a proper one. */
static void make_topics(struct engine *engine, enum weir_sim_crash_kind kind)
{
    engine_init(engine, 1);
    ck_ok(engine_open(engine), &engine->error);
    for (int i = 0; i < 3; i++) {
        ck_ok(engine_create(engine, topic_names[i], 1), &engine->error);
        ck_assert_int_eq(engine_produce(engine, topic_names[i], 0, "a", WEIR_ACKS_ALL), 0);
    }
    engine_crash(engine, kind);
}

static int64_t size_of(struct engine *engine, const char *path)
{
    struct weir_file_stat stat;
    ck_ok(weir_stat(engine->env, path, &stat, NULL), NULL);
    return stat.size;
}

/* After a kill a wrong bit in the metadata is rot: topics do not vanish, the directory says what is
 * wrong, where, and what can be done. Put right, all is there. */
START_TEST(a_flipped_bit_in_the_metadata_after_a_kill_is_refused)
{
    struct engine engine;
    make_topics(&engine, WEIR_SIM_KILL);
    int64_t size = size_of(&engine, METADATA_SEGMENT);
    ck_ok(weir_sim_disk_flip(engine.sim, 0, METADATA_SEGMENT, size * 2 / 5, 4), NULL);
    ck_code(engine_open(&engine), WEIR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(engine.error.text, "__cluster_metadata-0"));
    ck_assert_ptr_nonnull(strstr(engine.error.text, "from offset "));
    ck_assert_ptr_nonnull(strstr(engine.error.text, "weir log repair " ENGINE_PATH));
    ck_assert_int_eq(size_of(&engine, METADATA_SEGMENT), size);
    ck_ok(weir_sim_disk_flip(engine.sim, 0, METADATA_SEGMENT, size * 2 / 5, 4), NULL);
    ck_code(engine_open(&engine), WEIR_CORRUPT); /* it is written down */
    struct weir_repair repair;
    ck_ok(weir_repair_open(&repair, engine.env, METADATA_FOLDER, 0, &engine.error), &engine.error);
    ck_assert_uint_eq(repair.range_count, 0);
    ck_ok(weir_repair_finish(&repair, &engine.error), &engine.error);
    weir_repair_close(&repair);
    ck_ok(engine_open(&engine), &engine.error);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(engine_latest(&engine, topic_names[i], 0), 1);
    engine_end(&engine);
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

/* A whole life with one allocation that fails; the steps that were acknowledged. */
struct short_life {
    struct weir_shared *batches[2]; /* made before memory runs short */
    bool was_created;
    int64_t produced; /* records acknowledged */
    bool was_committed;
    bool was_deleted;
};

static int step_fetch(struct engine *engine)
{
    char value[64];
    int rc = engine_fetch(engine, "clicks", 0, 0, value);
    if (rc == 0) ck_assert_str_eq(value, "a");
    return rc;
}

static int step_send(struct engine *engine, struct weir_shared *batch)
{
    struct weir_produce_request request = {
        .to = {weir_text("clicks"), 0}, .batches = batch, .acks = WEIR_ACKS_ALL};
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request.request, NULL), 0);
    weir_broker_produce(engine->broker, &request);
    return weir_broker_wait(engine->broker, &request.request, &engine->error);
}

static int live(struct engine *engine, struct short_life *life)
{
    int rc = step_create(engine);
    life->was_created = rc == 0;
    for (int i = 0; rc == 0 && i < 2; i++) {
        rc = step_send(engine, life->batches[i]);
        if (rc == 0) life->produced++;
    }
    if (rc == 0) rc = step_fetch(engine);
    if (rc == 0) rc = step_reopen(engine);
    if (rc == 0) rc = step_fetch(engine); /* from the disk */
    if (rc == 0) rc = step_commit(engine);
    life->was_committed = rc == 0;
    if (rc == 0 && (rc = step_cut(engine)) == 0) life->produced = 1;
    if (rc == 0) rc = step_delete(engine);
    life->was_deleted = rc == 0;
    return rc;
}

/* What was acknowledged is there, and what the failure hit works when memory is back. */
static void check_life(struct engine *engine, const struct short_life *life, const char *what)
{
    char value[64];
    int described = engine_describe(engine, "clicks");
    ck_assert_msg(described == 2 || described == WEIR_UNKNOWN_TOPIC_OR_PARTITION, "%s", what);
    if (life->was_deleted) ck_assert_msg(described < 0, "%s: still there", what);
    if (described < 0) {
        ck_assert_msg(!life->was_created || life->was_committed, "%s: the topic is gone", what);
        ck_ok(step_create(engine), &engine->error);
    } else if (life->was_committed) {
        ck_assert_int_eq(engine_committed(engine, "job", "clicks", 0), 1);
    }
    int64_t end = engine_latest(engine, "clicks", 0);
    if (described == 2 && !life->was_committed) { /* not cut yet */
        ck_assert_msg(end >= life->produced, "%s: ends at %d", what, (int)end);
    }
    ck_assert_int_eq(engine_produce(engine, "clicks", 0, "z", WEIR_ACKS_ALL), end);
    ck_assert_int_eq(engine_fetch(engine, "clicks", 0, end, value), 0);
    ck_assert_str_eq(value, "z");
}

/* The Nth allocation fails: the call says so or copes, nothing crashes, what was acknowledged stays
 * and everything works again. Once with one segment, and once with a roll at each batch. */
START_TEST(the_nth_failed_allocation_loses_nothing)
{
    int finished = 0;
    for (uint64_t at = 1; finished < 3; at++) {
        struct engine engine;
        struct short_life life = {0};
        char what[96];
        engine_init(&engine, at);
        life.batches[0] = engine_batch(&engine, "a");
        life.batches[1] = engine_batch(&engine, "b");
        engine.options.topic_defaults.segment_bytes = _i == 1 ? 80 : 1 << 30;
        atomic_store(&engine.env->heap->fail_at, at);
        int rc = engine_open(&engine);
        if (rc == 0) rc = live(&engine, &life);
        if (rc == 0 && atomic_load(&engine.env->heap->fail_at) > 0) finished++;
        atomic_store(&engine.env->heap->fail_at, 0);
        (void)snprintf(what, sizeof what, "allocation %llu", (unsigned long long)at);
        ck_assert_msg(rc == 0 || rc == WEIR_NO_MEMORY, "%s: %d %s", what, rc, engine.error.text);
        if (engine.broker == NULL) ck_ok(engine_open(&engine), &engine.error);
        check_life(&engine, &life, what);
        ck_ok(engine_close(&engine), &engine.error);
        ck_ok(engine_open(&engine), &engine.error);
        weir_shared_unref(life.batches[0]);
        weir_shared_unref(life.batches[1]);
        engine_end(&engine);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *crashes = tcase_create("crashes");
    tcase_set_timeout(crashes, 100);
    tcase_add_test(crashes, a_kill_before_each_disk_operation_loses_nothing);
    tcase_add_test(crashes, a_kill_after_each_disk_operation_loses_nothing);
    tcase_add_test(crashes, a_power_cut_before_each_disk_operation_loses_nothing);
    tcase_add_test(crashes, a_power_cut_after_each_disk_operation_loses_nothing);
    tcase_add_test(crashes, several_shards_lose_nothing_either);
    tcase_add_test(crashes, rolling_segments_lose_nothing_either);
    suite_add_tcase(suite, crashes);
    TCase *faults = tcase_create("faults");
    tcase_set_timeout(faults, 100);
    tcase_add_test(faults, an_io_error_at_each_operation_is_told_and_loses_nothing);
    tcase_add_test(faults, a_failed_sync_is_told_and_never_believed);
    tcase_add_test(faults, a_full_disk_at_each_operation_is_told_and_loses_nothing);
    tcase_add_test(faults, a_failed_sync_takes_the_directory_offline);
    tcase_add_loop_test(
        faults, a_failed_sync_of_the_file_system_proves_no_rot_in_a_log_that_was_not_open, 0, 2);
    tcase_add_test(faults, a_flipped_bit_in_the_metadata_after_a_kill_is_refused);
    tcase_add_loop_test(faults, the_nth_failed_allocation_loses_nothing, 0, 2);
    suite_add_tcase(suite, faults);
}

int main(void)
{
    return weir_test_main("engine crash", add);
}
