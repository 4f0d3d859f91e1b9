/* What writers say of their time reaches nobody but the tasks behind the repartition topic; tasks
 * that catch up stay together in event time. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "runtime/task/writer_times.h"
#include "tests/unit/runtime/task/stage.h"

enum { RECORDS = 40, PARTITIONS = 3 };

static struct stage stage;
static size_t seen_headers;
static size_t seen_nulls;
static size_t seen_rows;

/* ---- stage ----------------------------------------------------------------------------------- */

static int select_group(struct weir_call *call, const void *key, const void *value,
                        const void **key_out)
{
    (void)key;
    const struct weir_slice *text = value;
    *key_out = weir_call_printf(call, "g%c", text->data[0]);
    return *key_out != NULL ? 0 : WEIR_NO_MEMORY;
}

static int look(struct weir_call *call, const void *key, const void *value)
{
    seen_rows++;
    seen_nulls += key == NULL || value == NULL;
    for (size_t i = 0; i < call->header_count; i++) {
        ck_assert(!weir_is_time_header(&call->headers[i]) || i > 0);
        seen_headers++;
    }
    return 0;
}

/* in ─ by another key (repartition) ─ look ─┬─> out
 *                                           └─ windows ─> windows */
static struct weir_topology *topology_of(void)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_stream *again =
        weir_repartition(weir_select_key(in, select_group, NULL, WEIR_STRING), "again", 0);
    again = weir_peek(again, look, NULL);
    weir_to(again, "out");
    struct weir_windowed_stream *windowed = weir_windowed_by(
        weir_group_by_key(again), (struct weir_tumbling){.size_ms = 100, .grace_ms = 50});
    weir_to(weir_to_stream(weir_windowed_count(windowed, NULL)), "windows");
    struct weir_topology *topology = weir_build(builder, &stage.error);
    ck_assert_msg(topology != NULL, "%s", stage.error.text);
    weir_builder_free(builder);
    return topology;
}

static void produce(struct weir_producer *producer, int32_t partition, int number,
                    const struct weir_header *headers, size_t count)
{
    char value[16];
    (void)snprintf(value, sizeof value, "%c%d", 'a' + number % 5, number);
    const struct weir_record record = {.key = weir_text("k"),
                                       .value = weir_text(value),
                                       .timestamp_ms = 1000 * (partition + 1) + number * 100,
                                       .headers = headers,
                                       .header_count = count};
    ck_ok(weir_producer_send(producer, "in", partition, &record, NULL, &stage.error), &stage.error);
}

static void fill(int32_t partitions, const struct weir_header *headers, size_t count)
{
    struct weir_producer *producer = weir_producer_new(stage.log, NULL, &stage.error);
    ck_assert_msg(producer != NULL, "%s", stage.error.text);
    stage_topic(&stage, "in", partitions);
    stage_topic(&stage, "out", partitions);
    stage_topic(&stage, "windows", partitions);
    for (int32_t p = 0; p < partitions; p++) {
        for (int i = 0; i < RECORDS; i++) {
            produce(producer, p, i, headers, count);
        }
    }
    ck_ok(weir_producer_close(producer, &stage.error), &stage.error);
}

struct content {
    size_t records;
    size_t headers;
};

static struct content read_topic(const char *topic)
{
    struct content content = {0};
    struct weir_consumer *consumer = weir_consumer_new(stage.log, NULL, &stage.error);
    ck_assert_msg(consumer != NULL, "%s", stage.error.text);
    ck_ok(weir_consumer_assign_topic(consumer, topic, WEIR_POSITION_BEGINNING, &stage.error),
          &stage.error);
    struct weir_batch_view view;
    int rc;
    while ((rc = weir_consumer_poll(consumer, 0, &view, &stage.error)) == 0) {
        for (size_t i = 0; i < view.record_count; i++) {
            content.records++;
            content.headers += view.records[i].header_count;
        }
    }
    ck_ok(rc, &stage.error);
    ck_ok(weir_consumer_close(consumer, &stage.error), &stage.error);
    return content;
}

/* Trimmed or not, markers of commits too. */
static int64_t written_again(int32_t partitions)
{
    int64_t count = 0;
    for (int32_t p = 0; p < partitions; p++) {
        count += stage_log_end(&stage, "app-again-repartition", p);
    }
    return count;
}

static void run(int32_t partitions, const struct weir_header *headers, size_t count)
{
    stage_open(&stage, 1);
    fill(partitions, headers, count);
    struct weir_topology *topology = topology_of();
    seen_headers = seen_nulls = seen_rows = 0;
    stage_start(&stage, topology, STAGE_OPTIONS(.num_stream_threads = 2));
    stage_drain(&stage);
    struct weir_streams_metrics metrics;
    weir_streams_metrics(stage.streams, &metrics);
    ck_assert_int_eq(metrics.records_dropped_late, 0);
    ck_assert_int_eq(metrics.records_in, 2 * partitions * RECORDS);
    stage_stop(&stage);
    weir_topology_free(topology);
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* Three writers a thousand records apart: they say so in the repartition topic, and there alone. */
START_TEST(what_writers_say_stays_in_the_repartition_topic)
{
    run(PARTITIONS, NULL, 0);
    ck_assert_int_gt(written_again(PARTITIONS), PARTITIONS * RECORDS); /* notes are among them */
    ck_assert_uint_eq(seen_rows, (size_t)PARTITIONS * RECORDS);
    ck_assert_uint_eq(seen_nulls, 0);
    ck_assert_uint_eq(seen_headers, 0);
    ck_assert_uint_eq(read_topic("out").records, (size_t)PARTITIONS * RECORDS);
    ck_assert_uint_eq(read_topic("out").headers, 0);
    ck_assert_uint_eq(read_topic("windows").headers, 0);
    stage_close(&stage);
}
END_TEST

/* Headers of the user's come through, also those with the reserved name, where they are not the
 * first. */
START_TEST(headers_of_the_users_come_through)
{
    const struct weir_header headers[] = {
        {weir_text("trace"), weir_text("1")},
        {weir_text(WEIR_TIME_HEADER_KEY), weir_text("mine")},
    };
    run(PARTITIONS, headers, 2);
    ck_assert_uint_eq(seen_headers, (size_t)2 * PARTITIONS * RECORDS);
    ck_assert_uint_eq(read_topic("out").headers, (size_t)2 * PARTITIONS * RECORDS);
    stage_close(&stage);
}
END_TEST

/* With one writer the repartition topic is as Kafka Streams writes it. */
START_TEST(one_writer_says_nothing)
{
    run(1, NULL, 0);
    ck_assert_int_ge(written_again(1), RECORDS);
    ck_assert_int_lt(written_again(1), RECORDS + 10); /* a marker for each commit */
    stage_close(&stage);
}
END_TEST

/* ---- what waits for time alone ---------------------------------------------------------------- */

enum { FAR_AHEAD = 2000 };

static int pair(struct weir_call *call, const void *key, const void *left, const void *right,
                const void **value_out)
{
    (void)key;
    *value_out = weir_call_printf(call, "%s|%s", left != NULL ? "left" : "none",
                                  right != NULL ? "right" : "none");
    return *value_out != NULL ? 0 : WEIR_NO_MEMORY;
}

/* left ─ by another key (repartition) ─┐
 * right ─ by another key (repartition) ─┴─ join ─> out */
static struct weir_topology *join_of(enum weir_join_kind kind)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *left = weir_stream(builder, "left", WEIR_STRING, WEIR_STRING);
    struct weir_stream *right = weir_stream(builder, "right", WEIR_STRING, WEIR_STRING);
    left = weir_select_key(left, select_group, NULL, WEIR_STRING);
    right = weir_select_key(right, select_group, NULL, WEIR_STRING);
    weir_to(weir_stream_join(left, right, pair, NULL, WEIR_STRING,
                             WEIR_WITHIN(.kind = kind, .before_ms = 10, .after_ms = 10)),
            "out");
    struct weir_topology *topology = weir_build(builder, &stage.error);
    ck_assert_msg(topology != NULL, "%s", stage.error.text);
    weir_builder_free(builder);
    return topology;
}

/* The first letters, of those from a on, that make keys of the partition, two of them. */
static char letter_of(int32_t partition)
{
    char key[] = "ga";
    while (weir_partition_of_key(weir_text(key), 2) != partition) {
        key[1]++;
    }
    return key[1];
}

/* One writer is done with two records that are far apart, both for one task; the other one has a long way to go, and
 * nothing for that task but what it says at its end. So the first of the two records has waited long enough when a time
 * comes, and no record comes any more. Loop: a row of the left side; of the right. */
START_TEST(rows_without_a_match_go_on_when_time_does)
{
    char text[256] = "";
    char wanted[64];
    static const char *const topics[] = {"left", "right", "out"};
    const char *side = _i == 0 ? "left" : "right";
    stage_open(&stage, 1);
    for (size_t t = 0; t < sizeof topics / sizeof *topics; t++) {
        stage_topic(&stage, topics[t], 2);
    }
    const char here[] = {letter_of(0), '\0'};
    const char there[] = {letter_of(1), '\0'};
    stage_produce(&stage, side, 0, "k", here, 100);
    stage_produce(&stage, side, 0, "k", here, FAR_AHEAD);
    struct weir_producer *producer = weir_producer_new(stage.log, NULL, &stage.error);
    ck_assert_msg(producer != NULL, "%s", stage.error.text);
    for (int i = 0; i < FAR_AHEAD; i++) {
        const struct weir_record record = {
            .key = weir_text("k"), .value = weir_text(there), .timestamp_ms = i};
        ck_ok(weir_producer_send(producer, side, 1, &record, NULL, &stage.error), &stage.error);
    }
    ck_ok(weir_producer_close(producer, &stage.error), &stage.error);
    struct weir_topology *topology = join_of(WEIR_JOIN_OUTER);
    stage_start(&stage, topology, STAGE_OPTIONS(.num_stream_threads = 1));
    stage_drain(&stage);
    stage_read(&stage, "out", 0, text, sizeof text);
    (void)snprintf(wanted, sizeof wanted, "g%s=%s@100 ", here,
                   _i == 0 ? "left|none" : "none|right");
    ck_assert_str_eq(text, wanted);
    stage_close(&stage);
    weir_topology_free(topology);
}
END_TEST

/* ---- circles ---------------------------------------------------------------------------------- */

static int left_value(struct weir_call *call, const void *key, const void *stream_value,
                      const void *table_value, const void **value_out)
{
    (void)call, (void)key, (void)table_value;
    *value_out = stream_value;
    return 0;
}

/* in ─┬─ users ─> out
 *     └─ by another key (repartition) ─ users ─ windows ─> windows
 * One sub-topology, by its table: it reads what it writes. */
static struct weir_topology *circle(void)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_table *users = weir_table(builder, "users", WEIR_STRING, WEIR_STRING, NULL);
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    weir_to(weir_left_join(in, users, left_value, NULL, WEIR_STRING), "out");
    struct weir_stream *again =
        weir_repartition(weir_select_key(in, select_group, NULL, WEIR_STRING), "again", 0);
    again = weir_left_join(again, users, left_value, NULL, WEIR_STRING);
    struct weir_windowed_stream *windowed = weir_windowed_by(
        weir_group_by_key(again), (struct weir_tumbling){.size_ms = 100, .grace_ms = 50});
    weir_to(weir_to_stream(weir_windowed_count(windowed, NULL)), "windows");
    struct weir_topology *topology = weir_build(builder, &stage.error);
    ck_assert_msg(topology != NULL, "%s", stage.error.text);
    ck_assert_ptr_null(strstr(weir_topology_describe(topology), "Sub-topology: 1"));
    weir_builder_free(builder);
    return topology;
}

/* A task that waited for what it says itself would wait for ever: no window would close, no timer tick. */
START_TEST(time_goes_on_where_tasks_read_what_they_write)
{
    static const char *const topics[] = {"users", "in", "out", "windows"};
    struct weir_streams_metrics metrics;
    stage_open(&stage, 1);
    for (size_t t = 0; t < sizeof topics / sizeof *topics; t++) {
        stage_topic(&stage, topics[t], 2);
    }
    struct weir_topology *topology = circle();
    stage_produce(&stage, "in", 0, "k", "a1", 3000);
    stage_produce(&stage, "in", 0, "k", "a2", 1000);
    stage_start(&stage, topology, STAGE_OPTIONS(.num_stream_threads = 2));
    stage_drain(&stage);
    weir_streams_metrics(stage.streams, &metrics);
    ck_assert_int_eq(metrics.records_dropped_late, 1);
    ck_assert_uint_eq(read_topic("out").records, 2);
    ck_assert_uint_eq(read_topic("windows").records, 1);
    ck_assert_int_eq(written_again(2), 2 + 1); /* the marker of their commit, and no note */
    stage_close(&stage);
    weir_topology_free(topology);
}
END_TEST

/* ---- skew ------------------------------------------------------------------------------------ */

enum { SKEW_MS = 1500, HISTORY = 3000, STEP_MS = 100 };

static size_t passed[PARTITIONS]; /* records, in order, each 100 ms behind the one before */
static int64_t skew_seen_ms;

/* How far a record is ahead of the one that is the next of any other partition. */
static void measure_skew(struct weir_call *call)
{
    for (int32_t p = 0; p < PARTITIONS; p++) {
        if (passed[p] == HISTORY || p == call->partition) continue;
        int64_t ahead_ms = call->timestamp_ms - (int64_t)(STEP_MS * passed[p]);
        if (ahead_ms > skew_seen_ms) skew_seen_ms = ahead_ms;
    }
    passed[call->partition]++;
}

static int measure(struct weir_call *call, const void *key, const void *value)
{
    (void)key, (void)value;
    measure_skew(call);
    return 0;
}

static void fill_history(void)
{
    struct weir_producer *producer = weir_producer_new(stage.log, NULL, &stage.error);
    ck_assert_msg(producer != NULL, "%s", stage.error.text);
    stage_topic(&stage, "in", PARTITIONS);
    for (int32_t p = 0; p < PARTITIONS; p++) {
        for (int i = 0; i < HISTORY; i++) {
            const struct weir_record record = {.key = weir_text("k"),
                                               .value = weir_text("v"),
                                               .timestamp_ms = (int64_t)STEP_MS * i};
            ck_ok(weir_producer_send(producer, "in", p, &record, NULL, &stage.error), &stage.error);
        }
    }
    ck_ok(weir_producer_close(producer, &stage.error), &stage.error);
}

static int64_t skew_of(int32_t threads, int64_t skew_ms)
{
    struct weir_builder *builder = weir_builder_new();
    weir_foreach(weir_stream(builder, "in", WEIR_STRING, WEIR_STRING), measure, NULL);
    struct weir_topology *topology = weir_build(builder, &stage.error);
    ck_assert_msg(topology != NULL, "%s", stage.error.text);
    weir_builder_free(builder);
    memset(passed, 0, sizeof passed);
    skew_seen_ms = 0;
    stage_open(&stage, 1);
    fill_history();
    stage_start(&stage, topology,
                STAGE_OPTIONS(.num_stream_threads = threads, .task_max_time_skew_ms = skew_ms));
    stage_drain(&stage);
    stage_close(&stage);
    weir_topology_free(topology);
    for (int32_t p = 0; p < PARTITIONS; p++) {
        ck_assert_uint_eq(passed[p], HISTORY);
    }
    return skew_seen_ms;
}

/* Whatever the threads: no task takes a record that is further ahead of another's next one. */
START_TEST(tasks_that_catch_up_stay_together)
{
    ck_assert_int_le(skew_of(_i, SKEW_MS), SKEW_MS);
    ck_assert_int_gt(skew_seen_ms, 0);
}
END_TEST

/* A skew below the distance of two records: one by one, and to the end all the same. */
START_TEST(the_smallest_skew_goes_on_too)
{
    ck_assert_int_le(skew_of(_i, 1), 1);
}
END_TEST

START_TEST(without_a_limit_tasks_go_their_way)
{
    ck_assert_int_gt(skew_of(2, WEIR_TIME_SKEW_OFF), 10 * SKEW_MS);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("replay");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, what_writers_say_stays_in_the_repartition_topic);
    tcase_add_test(tests, headers_of_the_users_come_through);
    tcase_add_test(tests, one_writer_says_nothing);
    tcase_add_loop_test(tests, rows_without_a_match_go_on_when_time_does, 0, 2);
    tcase_add_test(tests, time_goes_on_where_tasks_read_what_they_write);
    tcase_add_loop_test(tests, tasks_that_catch_up_stay_together, 1, 4);
    tcase_add_loop_test(tests, the_smallest_skew_goes_on_too, 1, 4);
    tcase_add_test(tests, without_a_limit_tasks_go_their_way);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("replay", add);
}
