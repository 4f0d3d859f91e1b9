/* Topologies in the test driver: what needs a job to be seen. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "tests/support/support.h"
#include "tests/unit/dsl/user_functions.h"
#include "weir/stream.h"
#include "weir/test.h"

static struct weir_error error;

static struct weir_test *start(struct weir_builder *builder, struct weir_topology **topology,
                               int32_t partition_count)
{
    *topology = weir_build(builder, &error);
    ck_assert_msg(*topology != NULL, "%s", error.text);
    weir_builder_free(builder);
    const struct weir_test_options options = {
        WEIR_TEST_OPTIONS_INIT,
        .partition_count = partition_count,
    };
    struct weir_test *test = weir_test_new(*topology, &options, &error);
    ck_assert_msg(test != NULL, "%s", error.text);
    return test;
}

static void pipe(struct weir_test *test, const char *topic, const char *key, const char *value,
                 int64_t timestamp_ms)
{
    const struct weir_slice key_object = weir_text(key);
    const struct weir_slice value_object = weir_text(value);
    int rc = weir_test_pipe(test, topic, -1, WEIR_STRING, &key_object, WEIR_STRING, &value_object,
                            timestamp_ms);
    if (rc < 0) (void)weir_test_error(test, &error);
    ck_ok(rc, &error);
}

/* More tasks than a thread visits in a turn: the last one is found all the same. */
START_TEST(every_task_gets_its_turn)
{
    enum { TOPICS = 40 };
    char name[16];
    struct weir_builder *builder = weir_builder_new();
    for (int i = 0; i < TOPICS; i++) {
        (void)snprintf(name, sizeof name, "in-%d", i);
        weir_to(weir_stream(builder, name, WEIR_STRING, WEIR_STRING), "out");
    }
    struct weir_topology *topology;
    struct weir_test *test = start(builder, &topology, 1);
    for (int i = 0; i < TOPICS; i++) {
        struct weir_record record;
        (void)snprintf(name, sizeof name, "in-%d", i);
        pipe(test, name, "k", name, 5);
        ck_assert_int_eq(weir_test_read(test, "out", &record, NULL), 0);
        ck_assert(weir_slice_equal(record.value, weir_text(name)));
    }
    weir_test_free(test);
    weir_topology_free(topology);
}
END_TEST

/* Windows of one key lie in one partition: that of the key, whatever their starts. */
START_TEST(windowed_keys_are_partitioned_by_the_inner_key)
{
    enum { PARTITIONS = 3, WINDOWS = 20 };
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_windowed_stream *windowed =
        weir_windowed_by(weir_group_by_key(stream), (struct weir_tumbling){.size_ms = 10});
    weir_to(weir_to_stream(weir_windowed_count(windowed, NULL)), "out");
    struct weir_topology *topology;
    struct weir_test *test = start(builder, &topology, PARTITIONS);
    for (int i = 0; i < WINDOWS; i++)
        pipe(test, "in", "key", "v", 10 * i);
    ck_ok(weir_test_commit(test), NULL);
    for (int i = 0; i < WINDOWS; i++) {
        struct weir_record record;
        int32_t partition = -1;
        ck_assert_int_eq(weir_test_read(test, "out", &record, &partition), 0);
        ck_assert_int_eq(partition, weir_partition_of_key(weir_text("key"), PARTITIONS));
        ck_assert_uint_eq(record.key.size, 3 + 8);
        ck_assert_mem_eq(record.key.data, "key", 3);
        ck_assert_uint_eq(weir_load_u64(record.key.data + 3), (uint64_t)(10 * i));
        ck_assert_uint_eq(weir_load_u64(record.value.data), 1);
    }
    weir_test_free(test);
    weir_topology_free(topology);
}
END_TEST

/* What a cache holds back comes at the commit, each key once with its last count, however many batches
 * that makes (one has 1,024 rows at most); a second commit gives nothing more. */
START_TEST(a_commit_forwards_all_that_a_cache_holds)
{
    static const int counts[] = {1023, 1024, 1025, 2048, 3000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct weir_builder *builder = weir_builder_new();
        struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
        weir_to(weir_to_stream(weir_count(weir_group_by_key(stream), NULL)), "out");
        struct weir_topology *topology;
        struct weir_test *test = start(builder, &topology, 1);
        for (int at = 0; at < 2 * counts[i]; at++) {
            char key[16];
            int size = snprintf(key, sizeof key, "%d", at % counts[i]);
            const struct weir_record record = {
                .key = weir_slice(key, (size_t)size), .value = weir_text("v"), .timestamp_ms = at};
            ck_ok(weir_test_pipe_bytes(test, "in", 0, &record, false), NULL);
        }
        ck_ok(weir_test_run(test), NULL);
        struct weir_record record;
        ck_code(weir_test_read(test, "out", &record, NULL), WEIR_END);
        ck_ok(weir_test_commit(test), NULL);
        for (int at = 0; at < counts[i]; at++) {
            char key[16];
            int size = snprintf(key, sizeof key, "%d", at);
            ck_code(weir_test_read(test, "out", &record, NULL), 0);
            ck_assert(weir_slice_equal(record.key, weir_slice(key, (size_t)size)));
            ck_assert_uint_eq(weir_load_u64(record.value.data), 2);
        }
        ck_code(weir_test_read(test, "out", &record, NULL), WEIR_END);
        ck_ok(weir_test_commit(test), NULL);
        ck_code(weir_test_read(test, "out", &record, NULL), WEIR_END);
        weir_test_free(test);
        weir_topology_free(topology);
    }
}
END_TEST

/* A table read from the topic it is made of, skipped records and all, is the same after a crash. */
START_TEST(table_is_restored_from_its_topic_without_what_was_skipped)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_table *table =
        weir_table(builder, "t", WEIR_STRING, WEIR_INT64, WEIR_STORE(.name = "table"));
    weir_to(weir_to_stream(table), "out");
    struct weir_topology *topology = weir_build(builder, &error);
    ck_assert_msg(topology != NULL, "%s", error.text);
    weir_builder_free(builder);
    const struct weir_streams_options streams = {
        WEIR_STREAMS_OPTIONS_INIT,
        .application_id = "restore",
        .on_deserialization_error = WEIR_ON_ERROR_SKIP,
    };
    const struct weir_test_options options = {WEIR_TEST_OPTIONS_INIT, .streams = &streams};
    struct weir_test *test = weir_test_new(topology, &options, &error);
    ck_assert_msg(test != NULL, "%s", error.text);
    const struct weir_record good = {
        weir_text("k"), weir_slice("\0\0\0\0\0\0\0\7", 8), 5, 0, NULL, 0};
    const struct weir_record bad = {weir_text("k"), weir_text("no integer"), 6, 0, NULL, 0};
    const struct weir_record keyless = {weir_null(), good.value, 7, 0, NULL, 0};
    ck_ok(weir_test_pipe_bytes(test, "t", 0, &good, true), NULL);
    ck_ok(weir_test_pipe_bytes(test, "t", 0, &bad, true), NULL);
    ck_ok(weir_test_pipe_bytes(test, "t", 0, &keyless, true), NULL);
    ck_ok(weir_test_commit(test), NULL);
    ck_ok(weir_test_crash(test, true), NULL);
    struct weir_slice value;
    ck_assert_int_eq(weir_test_store_get(test, "table", weir_text("k"), &value), 0);
    ck_assert(weir_slice_equal(value, good.value));
    weir_test_free(test);
    weir_topology_free(topology);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("topologies");
    tcase_add_test(tests, every_task_gets_its_turn);
    tcase_add_test(tests, windowed_keys_are_partitioned_by_the_inner_key);
    tcase_add_test(tests, a_commit_forwards_all_that_a_cache_holds);
    tcase_add_test(tests, table_is_restored_from_its_topic_without_what_was_skipped);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("topologies", add);
}
