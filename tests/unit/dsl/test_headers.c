/* A record's headers are its user's, whatever they are called: behind a repartition topic, too, where one name is the
 * runtime's own. */
#include <string.h>

#include "runtime/task/writer_times.h"
#include "tests/unit/runtime/task/stage.h"

static struct stage stage;
static struct weir_topology *topology;

/* ---- stage ----------------------------------------------------------------------------------- */

static int regroup(struct weir_call *call, const void *key, const void *value, const void **key_out)
{
    (void)call, (void)value;
    *key_out = key;
    return 0;
}

/* Through a repartition topic; with windows behind it where its writers say how far they are. */
static void build(bool is_timed)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_stream *behind =
        weir_repartition(weir_select_key(in, regroup, NULL, WEIR_STRING), NULL, 0);
    weir_to(behind, "out");
    if (is_timed) {
        (void)weir_windowed_count(
            weir_windowed_by(weir_group_by_key(behind), (struct weir_tumbling){.size_ms = 10}),
            NULL);
    }
    topology = weir_build(builder, &stage.error);
    ck_assert_msg(topology != NULL, "%s", stage.error.text);
    weir_builder_free(builder);
}

static void produce(const char *key, const struct weir_header *headers, size_t count)
{
    const struct weir_record record = {.key = key != NULL ? weir_text(key) : weir_null(),
                                       .value = key != NULL ? weir_text("v") : weir_null(),
                                       .timestamp_ms = 100,
                                       .headers = headers,
                                       .header_count = count};
    stage_produce_record(&stage, "in", 0, &record);
}

static struct weir_header header(const char *key, const char *value)
{
    return (struct weir_header){weir_text(key), weir_text(value)};
}

static const char *run(int partitions, bool is_timed)
{
    static char text[1024];
    build(is_timed);
    stage_start(&stage, topology, STAGE_OPTIONS(.num_stream_threads = 1));
    stage_drain(&stage);
    ck_assert_int_eq(stage.streams->topics[1].is_timed || stage.streams->topics[0].is_timed,
                     is_timed && partitions > 1);
    stage_read_headers(&stage, "out", 0, text, sizeof text);
    if (partitions > 1) {
        const size_t size = strlen(text);
        stage_read_headers(&stage, "out", 1, text + size, sizeof text - size);
    }
    stage_close(&stage);
    weir_topology_free(topology);
    return text;
}

/* Loop: in a topic whose writers say nothing, and in a timed one; and where one writer needs to say nothing. */
START_TEST(a_header_of_the_reserved_name_is_its_users)
{
    const int partitions = _i == 0 ? 1 : 2;
    const struct weir_header own = header(WEIR_TIME_HEADER_KEY, "noon");
    const struct weir_header two[] = {header("a", "b"), own};
    stage_open(&stage, 1);
    stage_topic(&stage, "in", partitions);
    stage_topic(&stage, "out", partitions);
    produce("k", &own, 1);
    produce("k", &own, 1);
    produce("k", two, 2);
    produce("k", NULL, 0);
    ck_assert_str_eq(run(partitions, _i == 2), "k=v@100 weir.time:noon k=v@100 weir.time:noon "
                                               "k=v@100 a:b weir.time:noon k=v@100 ");
}
END_TEST

/* The very bytes of a time note, from a user, are a record like any other. */
START_TEST(what_looks_like_a_time_note_is_a_record)
{
    static struct plan plan;
    char text[256];
    uint8_t bytes[WEIR_TIME_HEADER_SIZE];
    weir_writer_time_encode(&(struct weir_writer_time){.time_ms = 7, .is_time_note = true}, bytes);
    const struct weir_header own = {weir_text(WEIR_TIME_HEADER_KEY),
                                    weir_slice(bytes, sizeof bytes)};
    const int32_t in = plan_topic(&plan, "in", false);
    const int32_t again = plan_topic(&plan, "again-repartition", true);
    const int32_t out = plan_topic(&plan, "out", false);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    (void)plan_node(&plan, 0, WEIR_PLAN_SINK, &stage_sink, source, again, NULL);
    source = plan_node(&plan, 1, WEIR_PLAN_SOURCE, &stage_source, -1, again, NULL);
    (void)plan_node(&plan, 1, WEIR_PLAN_SINK, &stage_sink, source, out, NULL);
    stage_open(&stage, 1);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    produce(NULL, &own, 1);
    stage_start(&stage, plan_done(&plan), STAGE_OPTIONS(.num_stream_threads = 1));
    stage_drain(&stage);
    stage_read_headers(&stage, "out", 0, text, sizeof text);
    ck_assert_msg(strncmp(text, "=@100 weir.time:", 16) == 0, "%s", text);
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("headers");
    tcase_add_loop_test(tests, a_header_of_the_reserved_name_is_its_users, 0, 3);
    tcase_add_test(tests, what_looks_like_a_time_note_is_a_record);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("headers", add);
}
