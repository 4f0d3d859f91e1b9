/*
 * A new segment takes four syncs. A worker makes them while the partition's requests wait in line, and not its
 * shard, whose other partitions would wait as well.
 */
#include "base/error.h"
#include "broker/broker_internal.h"
#include "broker/engine/partition.h"
#include "broker/engine/shard.h"
#include "tests/unit/broker/engine/engine_fixture.h"

/* A record of one byte is a batch of 69. */
enum { RECORDS = 6 };

static void begin_with(struct engine *engine, const char *flush_policy, const char *cleanup_policy,
                       uint64_t seed)
{
    struct weir_config_entry configs[] = {{.key = "segment.bytes", .value = "150"},
                                          {.key = "flush.policy", .value = flush_policy},
                                          {.key = "cleanup.policy", .value = cleanup_policy}};
    struct weir_topic_request create = {.operation = WEIR_TOPIC_CREATE,
                                        .topic = weir_text("clicks"),
                                        .partition_count = 1,
                                        .configs = configs,
                                        .config_count = 3};
    engine_init(engine, seed);
    ck_ok(engine_open(engine), &engine->error);
    ck_ok(engine_topic(engine, &create), &engine->error);
}

static void begin(struct engine *engine, const char *flush_policy)
{
    begin_with(engine, flush_policy, "delete", 1);
}

static void end(struct engine *engine)
{
    ck_ok(engine_close(engine), &engine->error);
    engine_end(engine);
}

static struct weir_partition *clicks(struct engine *engine)
{
    return weir_shard_find(&engine->broker->engine.shards[0], weir_text("clicks"), 0);
}

static bool is_working(struct engine *engine)
{
    struct weir_partition *partition = clicks(engine);
    return partition != NULL && partition->state == WEIR_PARTITION_WORKING;
}

static void send(struct engine *engine, struct weir_produce_request *produce, const char *value,
                 enum weir_acks acks)
{
    *produce = (struct weir_produce_request){
        .to = {weir_text("clicks"), 0}, .batches = engine_batch(engine, value), .acks = acks};
    ck_ok(weir_broker_wait_begin(engine->broker, &produce->request, NULL), NULL);
    weir_broker_produce(engine->broker, produce);
}

static bool is_answered(const struct weir_produce_request *produce)
{
    return atomic_load(&produce->request.is_done);
}

static void finish(struct engine *engine, struct weir_produce_request *produce, int64_t offset)
{
    ck_ok(weir_broker_wait(engine->broker, &produce->request, NULL), &produce->request.error);
    ck_assert_int_eq(produce->base_offset, offset);
    weir_shared_unref(produce->batches);
}

/* All that was written, in its order. */
static void check_records(struct engine *engine, int64_t count, int32_t segment_count)
{
    struct weir_partition_state_request seen = engine_describe_partition(engine, "clicks", 0);
    ck_assert_int_eq(seen.state.end_offset, count);
    ck_assert_int_eq(seen.state.segment_count, segment_count);
    for (int64_t i = 0; i < count; i++) {
        char value[64];
        ck_ok(engine_fetch(engine, "clicks", 0, i, value), &engine->error);
        ck_assert_int_eq(value[0], 'a' + i);
    }
}

START_TEST(a_worker_begins_it)
{
    static const char *const policies[] = {"group", "os"};
    struct engine engine;
    int rolls = 0;
    begin(&engine, policies[_i]);
    for (int64_t i = 0; i < RECORDS; i++) {
        const char value[] = {(char)('a' + i), '\0'};
        struct weir_produce_request produce;
        send(&engine, &produce, value, WEIR_ACKS_ALL);
        bool was_working = false;
        while (!is_answered(&produce)) {
            ck_assert(weir_sim_step(engine.sim));
            was_working |= is_working(&engine);
        }
        finish(&engine, &produce, i);
        ck_assert_int_eq(was_working, i > 0 && i % 2 == 0);
        rolls += was_working;
    }
    ck_assert_int_eq(rolls, RECORDS / 2 - 1);
    check_records(&engine, RECORDS, RECORDS / 2);
    end(&engine);
}
END_TEST

/* For a marker as for records: it waits in line, and is written once. */
START_TEST(a_worker_begins_it_for_a_marker)
{
    struct engine engine;
    begin(&engine, "group");
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_ALL), 1);
    struct weir_write_marker_request marker = {
        .to = {weir_text("clicks"), 0}, .producer_id = 7, .is_commit = true};
    ck_ok(weir_broker_wait_begin(engine.broker, &marker.request, NULL), NULL);
    weir_broker_write_marker(engine.broker, &marker);
    bool was_working = false;
    while (!atomic_load(&marker.request.is_done)) {
        ck_assert(weir_sim_step(engine.sim));
        was_working |= is_working(&engine);
    }
    ck_ok(weir_broker_wait(engine.broker, &marker.request, NULL), &marker.request.error);
    ck_assert(was_working);
    ck_assert_int_eq(marker.offset, 2);
    struct weir_partition_state_request seen = engine_describe_partition(&engine, "clicks", 0);
    ck_assert_int_eq(seen.state.end_offset, 3);
    ck_assert_int_eq(seen.state.segment_count, 2);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "d", WEIR_ACKS_ALL), 3);
    end(&engine);
}
END_TEST

/* Nothing is acknowledged late, or twice, or out of order, because a segment ends in between. */
START_TEST(many_wait_for_it)
{
    struct engine engine;
    struct weir_produce_request produces[RECORDS];
    begin(&engine, "group");
    for (int64_t i = 0; i < RECORDS; i++) {
        const char value[] = {(char)('a' + i), '\0'};
        send(&engine, &produces[i], value, WEIR_ACKS_ALL);
    }
    for (int64_t i = 0; i < RECORDS; i++) {
        while (!is_answered(&produces[i])) {
            for (int64_t later = i + 1; later < RECORDS; later++)
                ck_assert(!is_answered(&produces[later]));
            ck_assert(weir_sim_step(engine.sim));
        }
        finish(&engine, &produces[i], i);
    }
    check_records(&engine, RECORDS, RECORDS / 2);
    end(&engine);
}
END_TEST

/* What waits for it was found sound before, and is not looked at again: a byte that changes meanwhile is not noticed. */
START_TEST(what_waits_for_it_is_checked_once)
{
    struct engine engine;
    struct weir_produce_request produce;
    begin(&engine, _i == 0 ? "group" : "os");
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_ALL), 1);
    send(&engine, &produce, "c", WEIR_ACKS_ALL);
    while (!is_working(&engine))
        ck_assert(weir_sim_step(engine.sim));
    ck_assert_int_eq(produce.batch_count, 1);
    produce.batches->data[produce.batches->size - 1] ^= 1;
    finish(&engine, &produce, 2);
    end(&engine);
}
END_TEST

/* Of a topic that has been made a compacted one meanwhile it is asked whether there are keys. */
START_TEST(what_waits_for_it_is_checked_by_the_settings_there_are)
{
    struct engine engine;
    struct weir_produce_request produce;
    begin(&engine, "group");
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_ALL), 1);
    send(&engine, &produce, "c", WEIR_ACKS_ALL);
    while (!is_working(&engine))
        ck_assert(weir_sim_step(engine.sim));
    produce.batches->data[produce.batches->size - 1] ^= 1;
    clicks(&engine)->config.cleanup_compact = true;
    ck_assert_int_eq(weir_broker_wait(engine.broker, &produce.request, NULL), WEIR_CORRUPT);
    weir_shared_unref(produce.batches);
    end(&engine);
}
END_TEST

/* While a sync is on its way the segment grows beyond its size, and the next one follows the sync by itself. */
START_TEST(a_flush_holds_it_back)
{
    struct engine engine;
    struct weir_produce_request first;
    struct weir_produce_request second;
    begin(&engine, "group");
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    send(&engine, &first, "b", WEIR_ACKS_ALL);
    while (!clicks(&engine)->flush.is_in_flight)
        ck_assert(weir_sim_step(engine.sim));
    send(&engine, &second, "c", WEIR_ACKS_LEADER);
    while (!is_answered(&second))
        ck_assert(weir_sim_step(engine.sim));
    ck_assert(!is_answered(&first));
    while (!is_working(&engine))
        ck_assert(weir_sim_step(engine.sim));
    ck_assert(is_answered(&first));
    finish(&engine, &first, 1);
    finish(&engine, &second, 2);
    check_records(&engine, 3, 2);
    end(&engine);
}
END_TEST

/* Without room the producer hears of it, nothing is lost, and the next one gets through. */
START_TEST(a_full_disk_keeps_it_from_beginning)
{
    struct engine engine;
    begin(&engine, "group");
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_ALL), 1);
    weir_sim_disk_limit(engine.sim, 0, 1);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "c", WEIR_ACKS_ALL), WEIR_NO_SPACE);
    weir_sim_disk_limit(engine.sim, 0, 0);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "c", WEIR_ACKS_ALL), 2);
    check_records(&engine, 3, 2);
    end(&engine);
}
END_TEST

/* ---- beside a sync of the file system that fails --------------------------------------------- */

enum { BUSY = WEIR_FLUSH_FILE_SYSTEM_FROM, SEEDS = 12, OPERATIONS = 3 };

static void create_busy(struct engine *engine)
{
    ck_ok(engine_create(engine, "busy", BUSY), &engine->error);
    for (int32_t i = 0; i < BUSY; i++)
        ck_assert_int_eq(engine_produce(engine, "busy", i, "a", WEIR_ACKS_ALL), 0);
}

static void send_to_busy(struct engine *engine, struct weir_produce_request *produces)
{
    for (int32_t i = 0; i < BUSY; i++) {
        produces[i] = (struct weir_produce_request){.to = {weir_text("busy"), i},
                                                    .batches = engine_batch(engine, "b"),
                                                    .acks = WEIR_ACKS_ALL};
        ck_ok(weir_broker_wait_begin(engine->broker, &produces[i].request, NULL), NULL);
        weir_broker_produce(engine->broker, &produces[i]);
    }
}

/* Record 2 wants a new segment while the records of many other partitions are synced together, and that fails: it has
 * thrown away what of record 1 was not on the disk yet. Returns how many records were acknowledged. */
static int64_t fail_beside_it(struct engine *engine, uint64_t at)
{
    struct weir_produce_request busy[BUSY];
    struct weir_produce_request produces[2];
    const struct weir_flush_group *flush = &engine->broker->engine.shards[0].flush;
    send_to_busy(engine, busy);
    while (flush->flight_count < BUSY)
        ck_assert(weir_sim_step(engine->sim));
    send(engine, &produces[0], "b", WEIR_ACKS_ALL);
    send(engine, &produces[1], "c", WEIR_ACKS_ALL);
    weir_sim_disk_count_reset(engine->sim, 0);
    weir_sim_disk_plan(engine->sim, 0,
                       (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_SYNC, .at = at});
    for (int i = 0; i < BUSY; i++) {
        (void)weir_broker_wait(engine->broker, &busy[i].request, NULL);
        weir_shared_unref(busy[i].batches);
    }
    int64_t acknowledged = 1;
    for (int i = 0; i < 2; i++) {
        int rc = weir_broker_wait(engine->broker, &produces[i].request, NULL);
        if (rc == 0) acknowledged = i + 2;
        weir_shared_unref(produces[i].batches);
    }
    weir_sim_disk_plan(engine->sim, 0, (struct weir_sim_fault_plan){0});
    return acknowledged;
}

/* What was acknowledged is there, and no mark vouches for what is not: nothing is offline. */
START_TEST(a_sync_that_fails_beside_it_is_not_missed)
{
    struct engine engine;
    begin_with(&engine, "group", "delete", (uint64_t)_i % SEEDS + 1);
    create_busy(&engine);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    int64_t acknowledged = fail_beside_it(&engine, (uint64_t)_i / SEEDS + 1);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    struct weir_partition_state_request seen = engine_describe_partition(&engine, "clicks", 0);
    ck_assert(!seen.state.is_offline);
    ck_assert_int_ge(seen.state.end_offset, acknowledged);
    end(&engine);
}
END_TEST

/* Compaction that is asked for ends the segment first. The log is with the worker for that when another's sync of the whole
 * file system fails: neither the segment's end nor any other work with a log syncs anything behind it. */
START_TEST(nothing_works_behind_a_sync_that_failed)
{
    struct engine engine;
    struct weir_error why = {0};
    struct weir_compact_request compact = {.of = {weir_text("clicks"), 0}};
    begin_with(&engine, "group", "compact", 1);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    ck_ok(weir_broker_wait_begin(engine.broker, &compact.request, NULL), NULL);
    weir_broker_compact(engine.broker, &compact);
    while (!is_working(&engine))
        ck_assert(weir_sim_step(engine.sim));
    (void)weir_error_set(&why, WEIR_IO, "a sync of the file system");
    weir_serving_go_offline(&engine.broker->engine.serving, &why);
    ck_assert_int_eq(weir_broker_wait(engine.broker, &compact.request, NULL), WEIR_OFFLINE);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    check_records(&engine, 1, 1);
    end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("new segment");
    tcase_add_loop_test(tests, a_worker_begins_it, 0, 2);
    tcase_add_test(tests, a_worker_begins_it_for_a_marker);
    tcase_add_test(tests, many_wait_for_it);
    tcase_add_loop_test(tests, what_waits_for_it_is_checked_once, 0, 2);
    tcase_add_test(tests, what_waits_for_it_is_checked_by_the_settings_there_are);
    tcase_add_test(tests, a_flush_holds_it_back);
    tcase_add_test(tests, a_full_disk_keeps_it_from_beginning);
    tcase_add_loop_test(tests, a_sync_that_fails_beside_it_is_not_missed, 0, SEEDS * OPERATIONS);
    tcase_add_test(tests, nothing_works_behind_a_sync_that_failed);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("new segment", add);
}
