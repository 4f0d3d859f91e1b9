#include <stdio.h>
#include <string.h>

#include "broker/broker_internal.h"
#include "broker/engine/engine.h"
#include "broker/engine/request.h"
#include "tests/unit/broker/engine/engine_fixture.h"
#include "wire/record_batch_reader.h"

/**
 * Compaction in the engine: by itself where it is due, now where it is asked for, never of what may be cut, and out of
 * the way of closing and deleting.
 */
enum { KEYS = 4, LINES_MAX = 64, LINE_SIZE = 512 };

static struct lines {
    char text[LINES_MAX][LINE_SIZE];
    int count;
} compacted;
static int chores_failed;

static struct engine engine;

static void note_compacted(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)context;
    (void)level;
    (void)size;
    chores_failed += strstr(line, "event=log.chore_failed") != NULL;
    if (strstr(line, "event=log.compacted") == NULL) return;
    ck_assert_int_lt(compacted.count, LINES_MAX);
    (void)snprintf(compacted.text[compacted.count++], LINE_SIZE, "%s", line);
}

static void set_up(void)
{
    compacted.count = 0;
    chores_failed = 0;
    engine_init(&engine, 1);
    weir_sim_free(engine.sim);
    engine.sim = weir_sim_new(
        &(struct weir_sim_options){.seed = 1, .logger = {note_compacted, NULL, WEIR_LOG_INFO}});
    engine.options.cleaner = weir_cleaner_settings_default();
    engine.options.cleaner.backoff_ms = 1000;
}

static void tear_down(void)
{
    engine_end(&engine);
}

static void create(const char *topic, const char *policy)
{
    struct weir_config_entry configs[] = {{.key = "cleanup.policy", .value = policy},
                                          {.key = "segment.bytes", .value = "400"}};
    struct weir_topic_request request = {.operation = WEIR_TOPIC_CREATE,
                                         .topic = weir_text(topic),
                                         .partition_count = 1,
                                         .configs = configs,
                                         .config_count = 2};
    ck_ok(engine_topic(&engine, &request), &engine.error);
}

static void start(void)
{
    ck_ok(engine_open(&engine), &engine.error);
    create("states", "compact");
}

/* Records from `number` on, in one batch. Keys go round by `keys`; the value is the record's number. Producer -1: of none,
 * and in no transaction. */
static int64_t produce_as(const char *topic, int number, int count, int keys, int64_t producer_id)
{
    struct weir_batch_builder builder;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    bool is_transactional = producer_id >= 0;
    if (is_transactional) {
        finish.producer_id = producer_id;
        finish.producer_epoch = 0;
        finish.base_sequence = 0;
        finish.is_transactional = true;
    }
    struct weir_slice bytes;
    weir_batch_builder_init(&builder, engine.env->budget, WEIR_CODEC_NONE, 0);
    for (int i = number; i < number + count; i++) {
        char key[16];
        char value[16];
        (void)snprintf(key, sizeof key, "%d", i % keys);
        (void)snprintf(value, sizeof value, "%d", i);
        struct weir_record record = {.key = weir_text(key),
                                     .value = weir_text(value),
                                     .timestamp_ms = weir_wall_now(engine.env).ms};
        ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
    }
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &bytes), 0);
    struct weir_produce_request request = {
        .to = {weir_text(topic), 0},
        .batches = weir_shared_new(engine.env->budget, bytes.size),
        .acks = WEIR_ACKS_ALL,
        .transactional_id = is_transactional ? weir_text("payments") : weir_null(),
    };
    memcpy(request.batches->data, bytes.data, bytes.size);
    request.batches->size = bytes.size;
    weir_batch_builder_close(&builder);
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request.request, NULL), 0);
    weir_broker_produce(engine.broker, &request);
    int rc = weir_broker_wait(engine.broker, &request.request, &engine.error);
    weir_shared_unref(request.batches);
    ck_ok(rc, &engine.error);
    return request.base_offset;
}

static int64_t produce(const char *topic, int number)
{
    return produce_as(topic, number, 1, KEYS, -1);
}

static int64_t produce_batch(const char *topic, int number, int count, int keys)
{
    return produce_as(topic, number, count, keys, -1);
}

static void fill(const char *topic, int count)
{
    for (int i = 0; i < count; i++) {
        ck_assert_int_ge(produce(topic, i), 0);
    }
}

/* Records from the log's begin to its end, by their offsets: how many are there. */
static int count_records(const char *topic)
{
    int count = 0;
    int64_t end = engine_latest(&engine, topic, 0);
    int64_t offset = 0;
    while (offset < end) {
        struct weir_fetch_request fetch = {
            .from = {weir_text(topic), 0}, .offset = offset, .size_max = 1 << 20};
        ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &fetch.request, NULL), 0);
        weir_broker_fetch(engine.broker, &fetch);
        ck_ok(weir_broker_wait(engine.broker, &fetch.request, &engine.error), &engine.error);
        ck_assert_uint_gt(fetch.batches.part_count, 0);
        for (size_t i = 0; i < fetch.batches.part_count; i++) {
            struct weir_batch_reader reader = {.rest =
                                                   weir_log_part_bytes(&fetch.batches.parts[i])};
            while (weir_batch_reader_next(&reader, NULL) == 0) {
                if (reader.header.base_offset >= offset) count += reader.header.record_count;
                offset = weir_batch_last_offset(&reader.header) + 1;
            }
        }
        weir_fetch_release(&fetch);
    }
    return count;
}

static int compact(const char *topic, struct weir_compact_request *request)
{
    *request = (struct weir_compact_request){.of = {weir_text(topic), 0}};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request->request, NULL), 0);
    weir_broker_compact(engine.broker, request);
    int rc = weir_broker_wait(engine.broker, &request->request, &engine.error);
    if (rc < 0) engine.error = request->request.error;
    return rc;
}

static struct weir_describe_partition_request describe(const char *topic)
{
    struct weir_describe_partition_request request = {.of = {weir_text(topic), 0}};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request.request, NULL), 0);
    weir_broker_describe_partition(engine.broker, &request);
    ck_ok(weir_broker_wait(engine.broker, &request.request, &engine.error), &engine.error);
    return request;
}

/* Asked for it is done at once, all of it, and the answer says what came of it. */
START_TEST(it_comes_when_it_is_asked_for)
{
    struct weir_compact_request request;
    engine.options.cleaner.is_on = false;
    start();
    fill("states", 40);
    ck_assert_int_eq(count_records("states"), 40);
    ck_assert_int_gt(describe("states").dirty_bytes, 0);
    ck_ok(compact("states", &request), &engine.error);
    ck_assert_int_eq(request.records_before, 40);
    ck_assert_int_eq(request.records_after, KEYS);
    ck_assert_int_lt(request.bytes_after, request.bytes_before);
    ck_assert_int_eq(count_records("states"), KEYS);
    ck_assert_int_eq(describe("states").dirty_bytes, 0);
    ck_assert_int_eq(compacted.count, 1);
    ck_assert_ptr_nonnull(strstr(compacted.text[0], "topic=states partition=0 "));
    ck_assert_ptr_nonnull(strstr(compacted.text[0], "records=40..4 "));
    ck_ok(compact("states", &request), &engine.error); /* nothing is left to do */
    ck_assert_int_eq(request.records_before, 0);
    ck_assert_int_eq(produce("states", 1), 40);
    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(count_records("states"), KEYS + 1);
}
END_TEST

/* Of a topic that is not compacted, or not there, it is refused by name. */
START_TEST(what_is_not_compacted_is_told)
{
    struct weir_compact_request request;
    start();
    create("orders", "delete");
    fill("orders", 1);
    ck_code(compact("orders", &request), WEIR_INVALID_CONFIG);
    ck_assert_ptr_nonnull(strstr(engine.error.text, "'orders'"));
    ck_code(compact("nothing", &request), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
}
END_TEST

/* It comes by itself, as often as more than half of the log is dirty, and also where a policy has changed. */
START_TEST(it_comes_by_itself)
{
    start();
    fill("states", 40);
    weir_sim_advance_ms(engine.sim, 3000);
    int left = count_records("states");
    ck_assert_int_lt(left, 20); /* the active segment's are left, too */
    int passes = compacted.count;
    ck_assert_int_ge(passes, 1);
    weir_sim_advance_ms(engine.sim, 60000);
    ck_assert_int_eq(compacted.count, passes); /* nobody looks at what has not changed */
    create("orders", "delete");
    fill("orders", 40);
    weir_sim_advance_ms(engine.sim, 3000);
    ck_assert_int_eq(count_records("orders"), 40);
    struct weir_config_entry policy = {.key = "cleanup.policy", .value = "compact"};
    struct weir_topic_request alter = {.operation = WEIR_TOPIC_ALTER_CONFIG,
                                       .topic = weir_text("orders"),
                                       .configs = &policy,
                                       .config_count = 1};
    ck_ok(engine_topic(&engine, &alter), &engine.error);
    weir_sim_advance_ms(engine.sim, 3000);
    ck_assert_int_lt(count_records("orders"), 20);
}
END_TEST

/* With a bound on what it reads and writes a pass takes its time. */
START_TEST(it_is_throttled)
{
    engine.options.cleaner.bytes_per_second = 500;
    start();
    fill("states", 40);
    weir_sim_advance_ms(engine.sim, 2000);
    ck_assert_int_eq(compacted.count, 0);
    weir_sim_advance_ms(engine.sim, 60000);
    ck_assert_int_ge(compacted.count, 1);
    ck_assert_int_lt(count_records("states"), 20);
}
END_TEST

/* A topic that is deleted, and an engine that is closed, do not wait for the end of a pass, whatever it is at. */
START_TEST(it_is_given_up)
{
    engine.options.cleaner.bytes_per_second = 500;
    start();
    for (int64_t wait_ms = 0; wait_ms < 4000; wait_ms += 350) {
        fill("states", 40);
        weir_sim_advance_ms(engine.sim, 1000 + wait_ms);
        if (wait_ms % 700 == 0) {
            ck_ok(engine_close(&engine), &engine.error);
            ck_ok(engine_open(&engine), &engine.error);
            ck_assert_int_gt(count_records("states"), 0);
        }
        ck_ok(engine_delete(&engine, "states"), &engine.error);
        create("states", "compact");
    }
}
END_TEST

/* Who waits for a pass that he asked for is answered when topic or engine go. */
START_TEST(who_waits_is_answered)
{
    struct weir_compact_request requests[2];
    engine.options.cleaner.bytes_per_second = 500;
    engine.options.cleaner.is_on = false;
    start();
    fill("states", 40);
    for (int i = 0; i < 2; i++) {
        requests[i] = (struct weir_compact_request){.of = {weir_text("states"), 0}};
        ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &requests[i].request, NULL), 0);
        weir_broker_compact(engine.broker, &requests[i]);
    }
    weir_sim_advance_ms(engine.sim, 300);
    ck_ok(engine_delete(&engine, "states"), &engine.error);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_lt(weir_broker_wait(engine.broker, &requests[i].request, NULL), 0);
    }
    create("states", "compact");
    fill("states", 40);
    requests[0] = (struct weir_compact_request){.of = {weir_text("states"), 0}};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &requests[0].request, NULL), 0);
    weir_broker_compact(engine.broker, &requests[0]);
    weir_sim_advance_ms(engine.sim, 300);
    ck_ok(engine_close(&engine), &engine.error);
    ck_assert(requests[0].request.rc == WEIR_CLOSED);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(count_records("states"), 40);
}
END_TEST

static void never_below(const char *topic, int64_t offset)
{
    struct weir_cut_request cut = {
        .partition = {weir_text(topic), 0}, .what = WEIR_CUT_NEVER_BELOW, .offset = offset};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &cut.request, NULL), 0);
    weir_broker_cut(engine.broker, &cut);
    ck_ok(weir_broker_wait(engine.broker, &cut.request, &engine.error), &engine.error);
}

/* A changelog of a job of Weir's is left alone until its job says where it will not be cut below, and above that. */
START_TEST(a_changelog_is_compacted_below_its_commit)
{
    struct weir_compact_request request;
    start();
    create("my-app-application", "compact");
    create("my-app-counts-changelog", "compact");
    create("other-counts-changelog",
           "compact"); /* of another program: there is no such application */
    fill("my-app-counts-changelog", 40);
    fill("other-counts-changelog", 40);
    weir_sim_advance_ms(engine.sim, 5000);
    ck_assert_int_lt(count_records("other-counts-changelog"), 20);
    ck_assert_int_eq(count_records("my-app-counts-changelog"), 40);
    ck_ok(compact("my-app-counts-changelog", &request), &engine.error);
    ck_assert_int_eq(count_records("my-app-counts-changelog"), 40);
    never_below("my-app-counts-changelog", 20);
    weir_sim_advance_ms(engine.sim, 5000);
    ck_assert_int_ge(count_records("my-app-counts-changelog"), 20 + KEYS);
    ck_assert_int_lt(count_records("my-app-counts-changelog"), 40);
    /* The crash of its job: what lies above is cut, and what is left is what it had committed. */
    struct weir_cut_request cut = {.partition = {weir_text("my-app-counts-changelog"), 0},
                                   .what = WEIR_CUT_TAIL,
                                   .offset = 20};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &cut.request, NULL), 0);
    weir_broker_cut(engine.broker, &cut);
    ck_ok(weir_broker_wait(engine.broker, &cut.request, &engine.error), &engine.error);
    char value[64];
    for (int64_t offset = 20 - KEYS; offset < 20; offset++) {
        char expected[16];
        (void)snprintf(expected, sizeof expected, "%d", (int)offset);
        ck_ok(engine_fetch(&engine, "my-app-counts-changelog", 0, offset, value), NULL);
        ck_assert_str_eq(value, expected);
    }
}
END_TEST

/* Commits to __consumer_offsets are compacted like everything else, and what is committed stays so. */
START_TEST(internal_topics_are_compacted)
{
    struct weir_compact_request request;
    engine.options.offsets_topic_num_partitions = 1;
    start();
    for (int i = 1; i <= 60; i++) {
        ck_assert_int_eq(engine_commit(&engine, "readers", "states", 0, i), 0);
    }
    ck_ok(compact("__consumer_offsets", &request), &engine.error);
    ck_assert_int_ge(request.records_before, 60);
    ck_assert_int_lt(request.records_after, 5);
    ck_assert_int_eq(engine_committed(&engine, "readers", "states", 0), 60);
    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_committed(&engine, "readers", "states", 0), 60);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(engine_committed(&engine, "readers", "states", 0), 60);
}
END_TEST

/* On a full disk an open cannot write the mark: compaction that is due waits for it, and the thread does not spin. */
START_TEST(what_cannot_begin_is_looked_at_later)
{
    engine.options.cleaner.is_on = false;
    start();
    fill("states", 40);
    engine_crash(&engine, WEIR_SIM_KILL);
    engine.options.cleaner.is_on = true;
    int rc = WEIR_NO_SPACE;
    for (uint64_t at = 1; at < 100 && rc < 0; at++) { /* what the open needs is written, no more */
        struct weir_sim_fault_plan full = {
            .fault = WEIR_SIM_FAULT_ENOSPC, .at = at, .is_sticky = true};
        weir_sim_disk_count_reset(engine.sim, 0);
        weir_sim_disk_plan(engine.sim, 0, full);
        rc = engine_open(&engine);
    }
    ck_ok(rc, &engine.error);
    ck_assert_int_gt(describe("states").dirty_bytes, 0);
    weir_sim_advance_ms(engine.sim, 60000);
    ck_assert_int_eq(compacted.count, 0);
    weir_sim_disk_plan(engine.sim, 0, (struct weir_sim_fault_plan){0});
    ck_assert_int_eq(produce("states", 0), 40);
    weir_sim_advance_ms(engine.sim, 3000);
    ck_assert_int_lt(count_records("states"), 20);
}
END_TEST

/* ---- transactions ---------------------------------------------------------------------------- */

enum { WRITER = 40 };

static void say_yes(void *impl, struct weir_add_partitions_request *request)
{
    struct weir_engine *inner = impl;
    weir_request_set_out(inner, &request->base.request);
    request->base.request.shard = &inner->shards[0];
    request->rcs[0] = 0;
    weir_request_reply(&request->base.request, 0);
}

static const struct weir_transaction_owner_ops yes_ops = {.add_partitions = say_yes};

static void mark(const char *topic)
{
    struct weir_write_marker_request marker = {
        .to = {weir_text(topic), 0}, .producer_id = WRITER, .is_commit = true};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &marker.request, NULL), 0);
    weir_broker_write_marker(engine.broker, &marker);
    ck_ok(weir_broker_wait(engine.broker, &marker.request, &engine.error), &engine.error);
}

/* A transaction from the begin of the log whose marker is in the active segment: of nothing behind its begin a pass knows
 * what has become of it. It tries, and waits for the marker's segment to end. */
START_TEST(a_pass_that_comes_no_further_is_not_repeated)
{
    start();
    struct weir_engine *inner = &engine.broker->engine;
    inner->transactions = (struct weir_transaction_owner){&yes_ops, inner};
    (void)produce_as("states", 0, 1, KEYS, WRITER);
    fill("states", 40);
    weir_sim_advance_ms(engine.sim, 3000);
    ck_assert_int_eq(count_records("states"), 41);
    mark("states");
    weir_sim_advance_ms(engine.sim, 60000);
    ck_assert_int_le(compacted.count, 1);
    fill("states", 40);
    weir_sim_advance_ms(engine.sim, 3000);
    ck_assert_int_lt(count_records("states"), 20);
}
END_TEST

/* What cannot be read takes its partition offline, as with any reader, and not the directory. */
START_TEST(what_cannot_be_read_is_one_partitions)
{
    struct weir_compact_request request;
    engine.options.cleaner.is_on = false;
    start();
    create("orders", "delete");
    fill("states", 40);
    weir_sim_disk_count_reset(engine.sim, 0);
    weir_sim_disk_plan(engine.sim, 0,
                       (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_READ_EIO, .at = 1});
    ck_code(compact("states", &request), WEIR_OFFLINE);
    ck_assert(engine_describe_partition(&engine, "states", 0).state.is_offline);
    ck_assert_int_eq(engine_produce(&engine, "orders", 0, "a", WEIR_ACKS_ALL), 0);
    weir_sim_disk_plan(engine.sim, 0, (struct weir_sim_fault_plan){0});
}
END_TEST

/* A log that no pass gets anywhere with, for its batches have more keys than the table has room for, is tried again once in
 * a while, and the others have their turn all the same. */
START_TEST(what_gets_nowhere_waits)
{
    enum { SECONDS = 10, BATCH_KEYS = 30 };
    engine.options.cleaner.table_bytes = 1; /* the least there is: nine keys */
    start();
    create("wide", "compact");
    for (int i = 0; i < 5; i++)
        ck_assert_int_ge(produce_batch("wide", 0, BATCH_KEYS, BATCH_KEYS), 0);
    fill("states", 20);
    weir_sim_advance_ms(engine.sim, SECONDS * 1000);
    ck_assert_int_gt(chores_failed, 0);
    ck_assert_int_le(chores_failed, SECONDS + 1);
    ck_assert_int_lt(count_records("states"), 20);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("compaction");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, it_comes_when_it_is_asked_for);
    tcase_add_test(tests, what_is_not_compacted_is_told);
    tcase_add_test(tests, it_comes_by_itself);
    tcase_add_test(tests, what_cannot_be_read_is_one_partitions);
    tcase_add_test(tests, what_gets_nowhere_waits);
    tcase_add_test(tests, it_is_throttled);
    tcase_add_test(tests, it_is_given_up);
    tcase_add_test(tests, who_waits_is_answered);
    tcase_add_test(tests, a_changelog_is_compacted_below_its_commit);
    tcase_add_test(tests, internal_topics_are_compacted);
    tcase_add_test(tests, what_cannot_begin_is_looked_at_later);
    tcase_add_test(tests, a_pass_that_comes_no_further_is_not_repeated);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("compaction", add);
}
