#include <stdio.h>
#include <string.h>

#include "tests/unit/broker/engine/engine_fixture.h"

/**
 * Retention in the engine: what counts is when a record was written, whoever looks for it, and
 * nothing goes without a line in the log.
 */
enum { LINES_MAX = 32, LINE_SIZE = 512, RETENTION_MS = 100000 };

static struct lines {
    char text[LINES_MAX][LINE_SIZE];
    int count;
} removed;

static void note_removed(void *context, enum weir_log_level level, const char *line, size_t size)
{
    struct lines *lines = context;
    (void)level;
    (void)size;
    if (strstr(line, "event=log.removed") == NULL) return;
    ck_assert_int_lt(lines->count, LINES_MAX);
    (void)snprintf(lines->text[lines->count++], LINE_SIZE, "%s", line);
}

static void start(struct engine *engine, uint64_t seed)
{
    removed.count = 0;
    engine_init(engine, seed);
    weir_sim_free(engine->sim);
    engine->sim = weir_sim_new(&(struct weir_sim_options){
        .seed = seed, .logger = {note_removed, &removed, WEIR_LOG_INFO}});
    engine->options.log_retention_check_interval_ms = 1000;
    ck_ok(engine_open(engine), &engine->error);
}

static void create(struct engine *engine, struct weir_config_entry *configs, size_t count)
{
    struct weir_topic_request request = {.operation = WEIR_TOPIC_CREATE,
                                         .topic = weir_text("clicks"),
                                         .partition_count = 1,
                                         .configs = configs,
                                         .config_count = count};
    ck_ok(engine_topic(engine, &request), &engine->error);
}

static int64_t start_offset(struct engine *engine)
{
    return engine_describe_partition(engine, "clicks", 0).state.start_offset;
}

/* A first program reads what happened years ago: it is there for as long as retention.ms says, from
 * when it was written, whether its partition is used or was not opened since the start. */
START_TEST(history_is_kept_from_when_it_was_written)
{
    struct engine engine;
    struct weir_config_entry retention = {.key = "retention.ms", .value = "100000"};
    start(&engine, 1);
    create(&engine, &retention, 1);
    engine.timestamp_ms = 1371816865000; /* June 2013 */
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    weir_sim_advance_ms(engine.sim, RETENTION_MS / 2);
    ck_assert_int_eq(start_offset(&engine), 0);
    ck_ok(engine_close(&engine), &engine.error);

    ck_ok(engine_open(&engine), &engine.error);
    weir_sim_advance_ms(engine.sim, RETENTION_MS / 4);
    ck_assert_int_eq(start_offset(&engine), 0);
    ck_assert_int_eq(removed.count, 0);
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
    weir_sim_advance_ms(engine.sim, RETENTION_MS / 4 + 10000);
    ck_assert_int_eq(start_offset(&engine), 1);
    ck_assert_int_eq(removed.count, 1);
    engine_end(&engine);
}
END_TEST

/* With weir.retention.by=record it is Kafka's rule: what is old when it is written goes at the next
 * look. */
START_TEST(by_record_history_goes_at_once)
{
    struct engine engine;
    struct weir_config_entry by = {.key = "weir.retention.by", .value = "record"};
    start(&engine, 2);
    create(&engine, &by, 1);
    engine.timestamp_ms = 1371816865000;
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), 0);
    weir_sim_advance_ms(engine.sim, 5000);
    ck_assert_int_eq(start_offset(&engine), 1);
    engine_end(&engine);
}
END_TEST

/* One line for a look at a partition, with topic, partition, offsets and reason. */
START_TEST(what_goes_is_logged)
{
    struct engine engine;
    struct weir_config_entry configs[] = {{.key = "segment.bytes", .value = "80"},
                                          {.key = "retention.ms", .value = "10000"}};
    start(&engine, 3);
    create(&engine, configs, 2);
    for (int64_t i = 0; i < 5; i++) {
        ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), i);
    }
    weir_sim_advance_ms(engine.sim, 12000);
    ck_assert_int_eq(start_offset(&engine), 5);
    ck_assert_int_eq(removed.count, 1);
    ck_assert_ptr_nonnull(
        strstr(removed.text[0], "topic=clicks partition=0 offsets=0..4 segments=5 "));
    ck_assert_ptr_nonnull(strstr(removed.text[0], "reason=retention.ms"));
    engine_end(&engine);
}
END_TEST

static int64_t retention_of(struct engine *engine, const char *topic)
{
    struct weir_topic_request request = {.operation = WEIR_TOPIC_DESCRIBE,
                                         .topic = weir_text(topic)};
    ck_ok(engine_topic(engine, &request), &engine->error);
    return request.config.retention_ms;
}

/* A program's own directory keeps what it has, and its topics remember that where a server opens it,
 * those that were made on first use too; what was told its own end has that. */
START_TEST(a_topic_remembers_that_it_keeps_for_ever)
{
    struct engine engine;
    struct weir_config_entry configs[] = {{.key = "retention.ms", .value = "10000"}};
    engine_init(&engine, 4);
    engine.options.keeps_new_topics = true;
    engine.options.auto_create_topics = true;
    ck_ok(engine_open(&engine), &engine.error);
    create(&engine, configs, 1);
    ck_ok(engine_create(&engine, "orders", 1), &engine.error);
    ck_assert_int_eq(engine_produce(&engine, "visits", 0, "a", WEIR_ACKS_ALL), 0);
    ck_ok(engine_close(&engine), &engine.error);

    engine.options.keeps_new_topics = false;
    ck_ok(engine_open(&engine), &engine.error);
    ck_assert_int_eq(retention_of(&engine, "clicks"), 10000);
    ck_assert_int_eq(retention_of(&engine, "orders"), -1);
    ck_assert_int_eq(retention_of(&engine, "visits"), -1);
    ck_ok(engine_create(&engine, "served", 1), &engine.error);
    ck_assert_int_eq(retention_of(&engine, "served"), 7LL * 86400 * 1000);
    engine_end(&engine);
}
END_TEST

/* None is kept where none is wanted: a limit of 0 is a limit, and its partition is looked for like any
 * other, though nobody has opened it since the start. */
START_TEST(a_limit_of_nothing_is_a_limit)
{
    struct engine engine;
    struct weir_config_entry configs[] = {
        {.key = _i == 0 ? "retention.ms" : "retention.bytes", .value = "0"},
        {.key = _i == 0 ? "retention.bytes" : "retention.ms", .value = "-1"},
        {.key = "segment.bytes", .value = "80"}};
    start(&engine, 5);
    engine.options.log_retention_check_interval_ms = 1000000;
    ck_ok(engine_close(&engine), &engine.error);
    ck_ok(engine_open(&engine), &engine.error);
    create(&engine, configs, 3);
    for (int64_t i = 0; i < 3; i++) {
        ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), i);
    }
    ck_ok(engine_close(&engine), &engine.error);
    ck_assert_int_eq(removed.count, 0);

    engine.options.log_retention_check_interval_ms = 1000;
    ck_ok(engine_open(&engine), &engine.error);
    weir_sim_advance_ms(engine.sim, 5000);
    ck_assert_int_eq(removed.count, 1);
    ck_assert_int_ge(start_offset(&engine), 2);
    engine_end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("retention");
    tcase_add_test(tests, history_is_kept_from_when_it_was_written);
    tcase_add_test(tests, by_record_history_goes_at_once);
    tcase_add_test(tests, what_goes_is_logged);
    tcase_add_test(tests, a_topic_remembers_that_it_keeps_for_ever);
    tcase_add_loop_test(tests, a_limit_of_nothing_is_a_limit, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("broker retention", add);
}
