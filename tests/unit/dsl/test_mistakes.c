/* Every mistake in a graph is told with the node, what is wrong and what would be right; the calls
 * that follow it are harmless, and nothing is built. */
#include <stdio.h>

#include "tests/support/support.h"
#include "tests/unit/dsl/user_functions.h"
#include "weir/stream.h"

static void expect_error(struct weir_builder *builder, enum weir_code code, const char *text)
{
    struct weir_error error = {0};
    struct weir_topology *topology = weir_build(builder, &error);
    ck_assert_msg(topology == NULL, "built, though: %s", text);
    ck_assert_str_eq(error.text, text);
    ck_assert_int_eq(error.code, code);
    weir_builder_free(builder);
}

static void expect(struct weir_builder *builder, const char *text)
{
    expect_error(builder, WEIR_INVALID_TOPOLOGY, text);
}

static struct weir_stream *strings(struct weir_builder *builder)
{
    return weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
}

/* ---- the whole graph ------------------------------------------------------------------------- */

START_TEST(graph_is_empty)
{
    expect(weir_builder_new(), "the graph is empty: begin with weir_stream or weir_table");
}
END_TEST

START_TEST(builder_is_null)
{
    expect_error(NULL, WEIR_INVALID_ARGUMENT, "the builder is NULL: weir_builder_new gives one");
}
END_TEST

START_TEST(first_mistake_is_kept)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_filter(strings(builder), NULL, NULL);
    weir_to(weir_map(stream, NULL, NULL, NULL, NULL), "/");
    weir_foreach(stream, NULL, NULL);
    expect(builder, "KSTREAM-FILTER-0000000001: the predicate is NULL: pass a function");
}
END_TEST

static void expect_built(struct weir_builder *builder)
{
    struct weir_error error = {0};
    struct weir_topology *topology = weir_build(builder, &error);
    ck_assert_msg(topology != NULL, "%s", error.text);
    weir_topology_free(topology);
    weir_builder_free(builder);
}

#define STREAM_IS_NULL                                                                             \
    "an operation on a stream: the stream is NULL: pass what an earlier call on this builder "     \
    "returned"

START_TEST(a_null_handle_is_not_forgotten_for_a_later_builder)
{
    struct weir_builder *first = weir_builder_new();
    weir_to(strings(first), "out");
    weir_to(weir_filter(NULL, any, NULL), "elsewhere");
    struct weir_builder *second = weir_builder_new();
    weir_to(strings(second), "out");
    expect_built(second); /* was not there then */
    expect(first, STREAM_IS_NULL);
}
END_TEST

START_TEST(a_null_handle_is_of_each_builder_that_is_declared)
{
    struct weir_error error;
    struct weir_builder *first = weir_builder_new();
    struct weir_builder *second = weir_builder_new();
    weir_to(strings(first), "out");
    weir_to(strings(second), "out");
    (void)weir_filter(NULL, any, NULL);
    ck_assert_ptr_null(weir_build(first, &error)); /* and again: it stays */
    expect(first, STREAM_IS_NULL);
    expect(second, STREAM_IS_NULL);
}
END_TEST

START_TEST(two_nodes_of_one_name)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_named(weir_filter(strings(builder), any, NULL), "twin");
    (void)weir_named(weir_filter(stream, any, NULL), "twin");
    expect(builder, "twin: there are two nodes of this name: each has its own");
}
END_TEST

START_TEST(two_repartitions_of_one_name)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_repartition(strings(builder), "same", 0);
    (void)weir_repartition(strings(builder), "same", 0);
    expect(builder, "same-repartition-filter: there are two repartitions through "
                    "'same-repartition': each has a name of its own");
}
END_TEST

START_TEST(topic_read_with_two_serdes)
{
    struct weir_builder *builder = weir_builder_new();
    (void)strings(builder);
    (void)weir_table(builder, "in", WEIR_STRING, WEIR_INT64, NULL);
    expect(builder, "KSTREAM-SOURCE-0000000002: topic 'in' is read with another value serde by "
                    "KSTREAM-SOURCE-0000000000: read it once and map it");
}
END_TEST

/* "in" -> "between" with one pair of serdes, "between" -> "out" with another. */
static struct weir_builder *write_and_read(const struct weir_serde *key,
                                           const struct weir_serde *value,
                                           const struct weir_serde *read_key,
                                           const struct weir_serde *read_value)
{
    struct weir_builder *builder = weir_builder_new();
    weir_to(weir_stream(builder, "in", key, value), "between");
    weir_to(weir_stream(builder, "between", read_key, read_value), "out");
    return builder;
}

START_TEST(topic_is_written_and_read_with_two_serdes)
{
    expect(write_and_read(WEIR_STRING, WEIR_INT64, WEIR_STRING, WEIR_STRING),
           "KSTREAM-SINK-0000000001: topic 'between' is written with the value serde int64, and "
           "KSTREAM-SOURCE-0000000002 reads it with string: read it as it is written, or as bytes");
    expect(write_and_read(WEIR_DOUBLE, WEIR_INT64, WEIR_INT64, WEIR_INT64),
           "KSTREAM-SINK-0000000001: topic 'between' is written with the key serde double, and "
           "KSTREAM-SOURCE-0000000002 reads it with int64: read it as it is written, or as bytes");
    expect_built(write_and_read(WEIR_STRING, WEIR_INT64, WEIR_STRING, WEIR_INT64));
    expect_built(write_and_read(WEIR_STRING, WEIR_INT64, WEIR_BYTES, WEIR_BYTES));
    expect_built(write_and_read(WEIR_BYTES, WEIR_BYTES, WEIR_INT32, WEIR_DOUBLE));
}
END_TEST

static struct weir_builder *write_and_read_windowed(const struct weir_serde *key,
                                                    const struct weir_serde *read_key)
{
    struct weir_builder *builder = weir_builder_new();
    const struct weir_serde *windowed = weir_windowed_serde(builder, key, 10);
    weir_to(weir_stream(builder, "in", windowed, WEIR_BYTES), "between");
    (void)weir_table(builder, "between",
                     read_key != NULL ? weir_windowed_serde(builder, read_key, 20) : WEIR_STRING,
                     WEIR_BYTES, NULL);
    return builder;
}

START_TEST(topic_of_windowed_keys_is_read_with_another_serde)
{
    expect(write_and_read_windowed(WEIR_STRING, WEIR_INT64),
           "KSTREAM-SINK-0000000001: topic 'between' is written with the key serde windowed "
           "string, and "
           "KSTREAM-SOURCE-0000000003 reads it with windowed int64: read it as it is written, or "
           "as bytes");
    expect(write_and_read_windowed(WEIR_STRING, NULL),
           "KSTREAM-SINK-0000000001: topic 'between' is written with the key serde windowed "
           "string, and "
           "KSTREAM-SOURCE-0000000003 reads it with string: read it as it is written, or as bytes");
    expect_built(write_and_read_windowed(WEIR_STRING, WEIR_BYTES));
}
END_TEST

START_TEST(joined_partition_counts_differ)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *left = weir_repartition(strings(builder), "left", 3);
    struct weir_stream *right = weir_repartition(strings(builder), "right", 4);
    struct weir_table *counts = weir_count(weir_group_by_key(right), NULL);
    (void)weir_join(left, counts, left_value, NULL, WEIR_STRING);
    expect(builder, "KSTREAM-JOIN-0000000010: 'left-repartition' has 3 partitions and "
                    "'right-repartition' has 4: records of one key meet here, so give both the "
                    "same number");
}
END_TEST

START_TEST(merged_partition_counts_differ)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *left = weir_repartition(strings(builder), "left", 3);
    struct weir_stream *right = weir_repartition(strings(builder), "right", 4);
    (void)weir_count(weir_group_by_key(weir_merge(left, right)), NULL);
    expect(builder, "KSTREAM-AGGREGATE-0000000010: 'left-repartition' has 3 partitions and "
                    "'right-repartition' has 4: records of one key meet here, so give both the "
                    "same number");
}
END_TEST

/* ---- serdes ---------------------------------------------------------------------------------- */

START_TEST(source_without_key_serde)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_stream(builder, "in", NULL, WEIR_STRING);
    expect(builder, "KSTREAM-SOURCE-0000000000: topic 'in' has no key serde: pass one, WEIR_BYTES "
                    "say");
}
END_TEST

START_TEST(table_without_key_serde)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_table(builder, "in", NULL, WEIR_STRING, NULL);
    expect(builder, "KTABLE-SOURCE-0000000002: the table over 'in' has no key serde: pass one, "
                    "WEIR_BYTES say");
}
END_TEST

START_TEST(sink_without_value_serde)
{
    struct weir_builder *builder = weir_builder_new();
    weir_to(weir_map_values(strings(builder), same_value, NULL, NULL), "out");
    expect(builder, "KSTREAM-SINK-0000000002: the value has no serde, and topic 'out' needs one: "
                    "pass it where the value is made");
}
END_TEST

START_TEST(repartition_without_key_serde)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_select_key(strings(builder), value_as_key, NULL, NULL);
    weir_foreach(weir_repartition(stream, "r", 0), any, NULL);
    expect(builder, "r-repartition-sink: the key has no serde, and topic 'r-repartition' needs "
                    "one: pass it where the key is made");
}
END_TEST

START_TEST(aggregate_without_key_serde)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_count(weir_group_by(strings(builder), value_as_key, NULL, NULL), NULL);
    expect(builder, "KSTREAM-AGGREGATE-0000000003: the key has no serde, and the table needs one: "
                    "pass it where the key is made");
}
END_TEST

START_TEST(aggregate_without_value_serde)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_aggregate(weir_group_by_key(strings(builder)), NULL, keep, NULL, NULL, NULL);
    expect(builder, "KSTREAM-AGGREGATE-0000000002: the aggregate has no serde, and the table needs "
                    "one: pass it");
}
END_TEST

START_TEST(join_without_key_serde)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_table *table = weir_table(builder, "t", WEIR_STRING, WEIR_STRING, NULL);
    struct weir_stream *stream = weir_select_key(strings(builder), value_as_key, NULL, NULL);
    (void)weir_join(stream, table, left_value, NULL, WEIR_STRING);
    expect(builder, "weir_join: the stream's key has no serde, and the join needs one: pass it "
                    "where the key is made");
}
END_TEST

START_TEST(join_sides_have_different_key_serdes)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_table *table = weir_table(builder, "t", WEIR_INT64, WEIR_STRING, NULL);
    (void)weir_left_join(strings(builder), table, left_value, NULL, WEIR_STRING);
    expect(builder, "weir_left_join: stream and table have different key serdes, string and int64: "
                    "select a key of the table's kind first");
}
END_TEST

START_TEST(merged_streams_have_different_serdes)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *other = weir_map_values(strings(builder), same_value, NULL, WEIR_INT64);
    (void)weir_merge(strings(builder), other);
    expect(builder, "KSTREAM-MERGE-0000000003: the streams have different value serdes: map one to "
                    "the other's first");
}
END_TEST

START_TEST(windowed_serde_without_key)
{
    struct weir_builder *builder = weir_builder_new();
    ck_assert_ptr_null(weir_windowed_serde(builder, NULL, 1));
    expect(builder, "weir_windowed_serde: the key's serde is NULL: pass the serde of the plain key "
                    "and the window's size");
}
END_TEST

/* ---- names ----------------------------------------------------------------------------------- */

START_TEST(topic_is_null)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_stream(builder, NULL, WEIR_STRING, WEIR_STRING);
    expect(builder, "KSTREAM-SOURCE-0000000000: the topic is NULL: give it a name");
}
END_TEST

START_TEST(topic_is_empty)
{
    struct weir_builder *builder = weir_builder_new();
    weir_to(strings(builder), "");
    expect(builder, "KSTREAM-SINK-0000000001: the topic is empty: give it a name");
}
END_TEST

START_TEST(topic_has_a_slash)
{
    struct weir_builder *builder = weir_builder_new();
    weir_to(strings(builder), "a/b");
    expect(builder,
           "KSTREAM-SINK-0000000001: the topic 'a' is followed by byte 0x2f: use a-z, A-Z, "
           "0-9, '.', '_' and '-'");
}
END_TEST

START_TEST(topic_is_too_long)
{
    char name[251];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct weir_builder *builder = weir_builder_new();
    weir_to(strings(builder), name);
    expect(builder, "KSTREAM-SINK-0000000001: the topic 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…' is too "
                    "long: at most 249 characters");
}
END_TEST

START_TEST(topic_is_dots)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_table(builder, "..", WEIR_STRING, WEIR_STRING, NULL);
    expect(builder, "KTABLE-SOURCE-0000000002: the topic cannot be '..': it names a folder");
}
END_TEST

START_TEST(repartition_is_named_already)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_named(weir_repartition(strings(builder), "r", 0), "other");
    expect(builder,
           "KSTREAM-SOURCE-0000000003: a repartition has its name already: pass 'other' to "
           "weir_repartition");
}
END_TEST

START_TEST(repartition_count_is_negative)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_repartition(strings(builder), "r", -1);
    expect(builder,
           "r: partition_count is -1: from 1 to 10000, or 0 for as many as the source has");
}
END_TEST

/* ---- functions ------------------------------------------------------------------------------- */

/* Each call that takes a function, with NULL in its place. */
static void call_without_function(struct weir_builder *builder, int which)
{
    struct weir_stream *stream = strings(builder);
    switch (which) {
    case 0:
        (void)weir_filter_not(stream, NULL, NULL);
        return;
    case 1:
        (void)weir_map(stream, NULL, NULL, WEIR_STRING, WEIR_STRING);
        return;
    case 2:
        (void)weir_map_values(stream, NULL, NULL, WEIR_STRING);
        return;
    case 3:
        (void)weir_select_key(stream, NULL, NULL, WEIR_STRING);
        return;
    case 4:
        (void)weir_flat_map(stream, NULL, NULL, WEIR_STRING, WEIR_STRING);
        return;
    case 5:
        (void)weir_peek(stream, NULL, NULL);
        return;
    case 6:
        weir_foreach(stream, NULL, NULL);
        return;
    case 7:
        (void)weir_branch(weir_split(stream), NULL, NULL);
        return;
    case 8:
        (void)weir_count(weir_group_by(stream, NULL, NULL, WEIR_STRING), NULL);
        return;
    case 9:
        (void)weir_reduce(weir_group_by_key(stream), NULL, NULL, NULL);
        return;
    case 10:
        (void)weir_aggregate(weir_group_by_key(stream), NULL, NULL, NULL, WEIR_INT64, NULL);
        return;
    case 11:
        (void)weir_process(stream, &(struct weir_processor){0}, NULL, NULL);
        return;
    case 12:
        (void)weir_process_values(stream, NULL, NULL);
        return;
    default:
        (void)weir_join(stream, weir_table(builder, "t", WEIR_STRING, WEIR_STRING, NULL), NULL,
                        NULL, WEIR_STRING);
    }
}

static const char *const without_function[] = {
    "KSTREAM-FILTER-0000000001: the predicate is NULL: pass a function",
    "KSTREAM-MAP-0000000001: the mapper is NULL: pass a function",
    "KSTREAM-MAPVALUES-0000000001: the mapper is NULL: pass a function",
    "KSTREAM-KEY-SELECT-0000000001: the key selector is NULL: pass a function",
    "KSTREAM-FLATMAP-0000000001: the mapper is NULL: pass a function",
    "KSTREAM-PEEK-0000000001: the visitor is NULL: pass a function",
    "KSTREAM-FOREACH-0000000001: the visitor is NULL: pass a function",
    ("KSTREAM-BRANCH-0000000001: the predicate of branch 1 is NULL: pass a function, or use "
     "weir_branch_default"),
    "KSTREAM-KEY-SELECT-0000000001: the key selector is NULL: pass a function",
    "KSTREAM-REDUCE-0000000002: the reducer is NULL: pass a function",
    "KSTREAM-AGGREGATE-0000000002: the aggregator is NULL: pass a function",
    "KSTREAM-PROCESSOR-0000000001: the processor's process function is NULL: pass one",
    "KSTREAM-PROCESSVALUES-0000000001: the processor is NULL: pass one",
    "weir_join: the joiner is NULL: pass a function",
};

START_TEST(function_is_null)
{
    struct weir_builder *builder = weir_builder_new();
    call_without_function(builder, _i);
    expect(builder, without_function[_i]);
}
END_TEST

/* ---- stores ---------------------------------------------------------------------------------- */

static void process_with(struct weir_builder *builder, const char *const *stores)
{
    const struct weir_processor processor = {.process = swallow, .stores = stores};
    (void)weir_process(strings(builder), &processor, NULL, NULL);
}

START_TEST(store_is_unknown)
{
    struct weir_builder *builder = weir_builder_new();
    process_with(builder, (const char *const[]){"typo", NULL});
    expect(builder, "KSTREAM-PROCESSOR-0000000001: there is no store 'typo': declare it with "
                    "weir_add_store, before the processor");
}
END_TEST

START_TEST(store_is_connected_twice)
{
    struct weir_builder *builder = weir_builder_new();
    weir_add_store(builder, "s", WEIR_STRING, WEIR_STRING, NULL);
    process_with(builder, (const char *const[]){"s", "s", NULL});
    expect(builder, "KSTREAM-PROCESSOR-0000000001: the store 's' is named twice: once is enough");
}
END_TEST

START_TEST(store_is_not_connected)
{
    struct weir_builder *builder = weir_builder_new();
    weir_foreach(strings(builder), any, NULL);
    weir_add_store(builder, "s", WEIR_STRING, WEIR_STRING, NULL);
    expect(builder, "s: no processor is connected to this store: name it in weir_processor.stores "
                    "or leave it out");
}
END_TEST

START_TEST(two_stores_of_one_name)
{
    struct weir_builder *builder = weir_builder_new();
    weir_add_store(builder, "s", WEIR_STRING, WEIR_STRING, NULL);
    weir_add_store(builder, "s", WEIR_STRING, WEIR_STRING, NULL);
    expect(builder, "s: there is a store of this name already: each has its own");
}
END_TEST

START_TEST(two_tables_in_one_store)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_count(weir_group_by_key(strings(builder)), WEIR_STORE(.name = "s"));
    (void)weir_table(builder, "t", WEIR_STRING, WEIR_STRING, WEIR_STORE(.name = "s"));
    expect(builder, "KTABLE-SOURCE-0000000003: there is a store named 's' already: each has a name "
                    "of its own");
}
END_TEST

START_TEST(store_without_value_serde)
{
    struct weir_builder *builder = weir_builder_new();
    weir_add_store(builder, "s", WEIR_STRING, NULL, NULL);
    expect(builder, "s: the store has no value serde: pass one");
}
END_TEST

START_TEST(options_without_size)
{
    struct weir_builder *builder = weir_builder_new();
    const struct weir_materialized options = {.name = "s"};
    (void)weir_count(weir_group_by_key(strings(builder)), &options);
    expect(builder, "weir_count: the store's options have size 0: begin them with "
                    "WEIR_MATERIALIZED_INIT, or use WEIR_STORE(…)");
}
END_TEST

START_TEST(options_with_unknown_kind)
{
    struct weir_builder *builder = weir_builder_new();
    weir_add_store(builder, "s", WEIR_STRING, WEIR_STRING,
                   WEIR_STORE(.store = (enum weir_store_kind)7));
    expect(builder, "s: there is no store of kind 7: WEIR_STORE_ROCKSDB or WEIR_STORE_MEMORY");
}
END_TEST

START_TEST(options_with_unknown_cache)
{
    struct weir_builder *builder = weir_builder_new();
    weir_add_store(builder, "s", WEIR_STRING, WEIR_STRING, WEIR_STORE(.cache = (enum weir_cache)5));
    expect(builder, "s: cache is 5: WEIR_CACHE_DEFAULT or WEIR_CACHE_OFF");
}
END_TEST

/* ---- windows --------------------------------------------------------------------------------- */

static void count_window(struct weir_builder *builder, struct weir_tumbling window,
                         int64_t retention_ms)
{
    struct weir_windowed_stream *windowed =
        weir_windowed_by(weir_group_by_key(strings(builder)), window);
    (void)weir_windowed_count(windowed, WEIR_STORE(.retention_ms = retention_ms));
}

START_TEST(window_has_no_size)
{
    struct weir_builder *builder = weir_builder_new();
    count_window(builder, (struct weir_tumbling){0}, 0);
    expect(builder, "weir_windowed_by: the window's size is 0 ms: at least 1");
}
END_TEST

START_TEST(window_has_negative_grace)
{
    struct weir_builder *builder = weir_builder_new();
    count_window(builder, (struct weir_tumbling){.size_ms = 5, .grace_ms = -1}, 0);
    expect(builder, "weir_windowed_by: the window's grace is -1 ms: at least 0");
}
END_TEST

START_TEST(window_is_longer_than_time)
{
    struct weir_builder *builder = weir_builder_new();
    count_window(builder, (struct weir_tumbling){.size_ms = INT64_MAX, .grace_ms = 1}, 0);
    expect(builder, "weir_windowed_by: the window's size and grace, 9223372036854775807 and 1 ms, "
                    "are longer than time: choose less");
}
END_TEST

START_TEST(retention_is_less_than_size_and_grace)
{
    struct weir_builder *builder = weir_builder_new();
    count_window(builder, (struct weir_tumbling){.size_ms = 10, .grace_ms = 5}, 14);
    expect(builder, "weir_count: retention_ms is 14, less than the time in which a window changes: "
                    "at least 15, or 0 for just that");
}
END_TEST

static void windows_are_refused(struct weir_time_windows windows, const char *why)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_grouped *grouped = weir_group_by_key(strings(builder));
    (void)weir_windowed_count(weir_windowed_by_time(grouped, &windows), NULL);
    char text[256];
    (void)snprintf(text, sizeof text, "weir_windowed_by_time: %s", why);
    expect(builder, text);
}

START_TEST(windows_that_leave_gaps_or_stand_still)
{
    windows_are_refused((struct weir_time_windows){WEIR_TIME_WINDOWS_INIT},
                        "the window's size is 0 ms: at least 1");
    windows_are_refused(
        (struct weir_time_windows){WEIR_TIME_WINDOWS_INIT, .size_ms = 10, .advance_ms = 11},
        "the windows advance by 11 ms: at least 1, and at most their size of 10, or records would "
        "fall between them");
    windows_are_refused(
        (struct weir_time_windows){WEIR_TIME_WINDOWS_INIT, .size_ms = 10, .advance_ms = -1},
        "the windows advance by -1 ms: at least 1, and at most their size of 10, or records would "
        "fall between them");
    windows_are_refused(
        (struct weir_time_windows){WEIR_TIME_WINDOWS_INIT, .size_ms = 10, .grace_ms = -1},
        "the window's grace is -1 ms: at least 0");
    windows_are_refused((struct weir_time_windows){WEIR_TIME_WINDOWS_INIT, .size_ms = 10,
                                                   .emit = (enum weir_emit)7},
                        "emit is 7: WEIR_EMIT_ON_WINDOW_UPDATE or WEIR_EMIT_ON_WINDOW_CLOSE");
}
END_TEST

START_TEST(record_in_too_many_windows)
{
    windows_are_refused(
        (struct weir_time_windows){WEIR_TIME_WINDOWS_INIT, .size_ms = 100001, .advance_ms = 1},
        "a record would be in 100001 windows: at most 100000, advance by more");
}
END_TEST

START_TEST(windows_are_null_or_without_their_size)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_windowed_by_time(weir_group_by_key(strings(builder)), NULL);
    expect(builder, "weir_windowed_by_time: the windows are NULL: pass them");
    windows_are_refused((struct weir_time_windows){.size_ms = 10},
                        "the windows' options have size 0: begin them with "
                        "WEIR_TIME_WINDOWS_INIT");
}
END_TEST

START_TEST(unlimited_windows_start_before_time)
{
    struct weir_builder *builder = weir_builder_new();
    const struct weir_unlimited_windows windows = {WEIR_UNLIMITED_WINDOWS_INIT, .start_ms = -1};
    (void)weir_windowed_by_unlimited(weir_group_by_key(strings(builder)), &windows);
    expect(builder, "weir_windowed_by_unlimited: the windows start at -1 ms: at least 0");
}
END_TEST

static void sessions_are_refused(struct weir_session_windows windows, const char *why)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_windowed_by_session(weir_group_by_key(strings(builder)), &windows);
    expect(builder, why);
}

START_TEST(sessions_of_negative_times)
{
    sessions_are_refused((struct weir_session_windows){WEIR_SESSION_WINDOWS_INIT, .gap_ms = -1},
                         "weir_windowed_by_session: the sessions' gap is -1 ms: at least 0");
    sessions_are_refused(
        (struct weir_session_windows){WEIR_SESSION_WINDOWS_INIT, .gap_ms = 5, .grace_ms = -1},
        "weir_windowed_by_session: the window's grace is -1 ms: at least 0");
    sessions_are_refused(
        (struct weir_session_windows){WEIR_SESSION_WINDOWS_INIT, .gap_ms = INT64_MAX,
                                      .grace_ms = 1},
        "weir_windowed_by_session: the window's gap and grace, 9223372036854775807 and 1 ms, are "
        "longer than time: choose less");
}
END_TEST

START_TEST(sliding_windows_of_no_difference)
{
    static const struct {
        struct weir_sliding_windows windows;
        const char *why;
    } cases[] = {
        {{WEIR_SLIDING_WINDOWS_INIT},
         "weir_windowed_by_sliding: the windows' difference is 0 ms: at least 1"},
        {{WEIR_SLIDING_WINDOWS_INIT, .difference_ms = 5, .grace_ms = -2},
         "weir_windowed_by_sliding: the window's grace is -2 ms: at least 0"},
        {{WEIR_SLIDING_WINDOWS_INIT, .difference_ms = INT64_MAX, .grace_ms = 1},
         "weir_windowed_by_sliding: the window's difference and grace, 9223372036854775807 and 1 "
         "ms, are longer than time: choose less"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_builder *builder = weir_builder_new();
        (void)weir_windowed_by_sliding(weir_group_by_key(strings(builder)), &cases[i].windows);
        expect(builder, cases[i].why);
    }
}
END_TEST

static void slices_are_refused(const struct weir_time_windows *windows, const char *why)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_windowed_count(weir_windowed_by_time(weir_group_by_key(strings(builder)), windows),
                              WEIR_STORE(.name = "counts", .layout = WEIR_LAYOUT_SLICES));
    expect(builder, why);
}

START_TEST(slices_that_cannot_be)
{
    static const char *const counts[] = {"counts", NULL};
    static const struct weir_processor reader = {.process = swallow, .stores = counts};
    const struct weir_time_windows hopping = {WEIR_TIME_WINDOWS_INIT, .size_ms = 10,
                                              .advance_ms = 2};
    slices_are_refused(&(struct weir_time_windows){WEIR_TIME_WINDOWS_INIT, .size_ms = 10},
                       "weir_count: slices are for time windows that overlap: keep rows");
    slices_are_refused(
        &(struct weir_time_windows){WEIR_TIME_WINDOWS_INIT, .size_ms = 86400001,
                                    .advance_ms = 1000},
        "weir_count: a window of 86400001 ms would be of slices of 1: at most 100000 of them, "
        "choose a size and an advance that have more in common");
    struct weir_builder *builder = weir_builder_new();
    (void)weir_count(weir_group_by_key(strings(builder)), WEIR_STORE(.layout = WEIR_LAYOUT_SLICES));
    expect(builder, "weir_count: slices are for time windows that overlap: keep rows");
    builder = weir_builder_new();
    (void)weir_count(weir_group_by_key(strings(builder)),
                     WEIR_STORE(.layout = (enum weir_window_layout)7));
    expect(builder, "weir_count: layout is 7: WEIR_LAYOUT_ROWS or WEIR_LAYOUT_SLICES");
    builder = weir_builder_new();
    (void)weir_windowed_aggregate(
        weir_windowed_by_time(weir_group_by_key(strings(builder)), &hopping), NULL, keep, NULL,
        WEIR_STRING, WEIR_STORE(.name = "all", .layout = WEIR_LAYOUT_SLICES));
    expect(builder,
           "KSTREAM-AGGREGATE-0000000001: windows are merged out of slices, and there is no "
           "merger: pass one to weir_windowed_aggregate_merging");
    builder = weir_builder_new();
    struct weir_stream *stream = strings(builder);
    (void)weir_windowed_count(weir_windowed_by_time(weir_group_by_key(stream), &hopping),
                              WEIR_STORE(.name = "counts", .layout = WEIR_LAYOUT_SLICES));
    (void)weir_process(stream, &reader, NULL, NULL);
    expect(builder, "KSTREAM-PROCESSOR-0000000002: the store 'counts' holds slices, of which no "
                    "window can be read: keep rows (WEIR_LAYOUT_ROWS)");
    builder = weir_builder_new();
    (void)weir_cogrouped_aggregate(weir_cogroup(weir_group_by_key(strings(builder)), keep, NULL),
                                   NULL, NULL, WEIR_STRING,
                                   WEIR_STORE(.layout = WEIR_LAYOUT_SLICES));
    expect(builder,
           "weir_cogrouped_aggregate: slices are for time windows that overlap: keep rows");
    builder = weir_builder_new();
    struct weir_grouped *grouped = weir_group_by_key(strings(builder));
    (void)weir_cogrouped_windowed_aggregate(weir_cogroup(grouped, keep, NULL),
                                            weir_windowed_by_time(grouped, &hopping), NULL, NULL,
                                            WEIR_STRING, WEIR_STORE(.layout = WEIR_LAYOUT_SLICES));
    expect(builder, "weir_cogrouped_aggregate: a cogroup has no merger for slices: keep rows");
}
END_TEST

static void suppression_is_refused(bool is_windowed, struct weir_suppress_options options,
                                   const char *why)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_grouped *grouped = weir_group_by_key(strings(builder));
    const struct weir_tumbling window = {.size_ms = 10};
    struct weir_table *table = is_windowed
                                   ? weir_windowed_count(weir_windowed_by(grouped, window), NULL)
                                   : weir_count(grouped, NULL);
    (void)weir_suppress(table, &options);
    char text[256];
    (void)snprintf(text, sizeof text, "weir_suppress: %s", why);
    expect(builder, text);
}

START_TEST(suppression_that_cannot_be)
{
    suppression_is_refused(false, (struct weir_suppress_options){WEIR_SUPPRESS_OPTIONS_INIT},
                           "the table has no windows that close: suppress it until a time limit, "
                           "WEIR_SUPPRESS_UNTIL_TIME_LIMIT");
    suppression_is_refused(
        true,
        (struct weir_suppress_options){WEIR_SUPPRESS_OPTIONS_INIT,
                                       .full = WEIR_SUPPRESS_FULL_EMIT_EARLY},
        "a window that is emitted early is not its last result: have a full buffer stop, or leave "
        "it without a bound");
    suppression_is_refused(
        true, (struct weir_suppress_options){WEIR_SUPPRESS_OPTIONS_INIT, .time_limit_ms = 5},
        "time_limit_ms is 5, but windows are waited for: leave it 0, or say "
        "WEIR_SUPPRESS_UNTIL_TIME_LIMIT");
    suppression_is_refused(
        true, (struct weir_suppress_options){WEIR_SUPPRESS_OPTIONS_INIT, .records_max = -1},
        "records_max is -1 and bytes_max 0: 0 for no bound, or more");
    suppression_is_refused(false,
                           (struct weir_suppress_options){WEIR_SUPPRESS_OPTIONS_INIT,
                                                          .until = WEIR_SUPPRESS_UNTIL_TIME_LIMIT,
                                                          .time_limit_ms = -1},
                           "the time limit is -1 ms: at least 0");
}
END_TEST

START_TEST(joined_table_is_suppressed)
{
    struct weir_builder *builder = weir_builder_new();
    const struct weir_suppress_options options = {
        WEIR_SUPPRESS_OPTIONS_INIT, .until = WEIR_SUPPRESS_UNTIL_TIME_LIMIT, .time_limit_ms = 5};
    struct weir_table *table =
        weir_suppress(weir_table(builder, "t", WEIR_STRING, WEIR_STRING, NULL), &options);
    (void)weir_join(strings(builder), table, left_value, NULL, WEIR_STRING);
    expect(builder, "weir_join: the table is suppressed, and what is held back cannot be looked "
                    "up: join before weir_suppress");
}
END_TEST

START_TEST(sessions_without_a_merger)
{
    struct weir_builder *builder = weir_builder_new();
    const struct weir_session_windows windows = {WEIR_SESSION_WINDOWS_INIT, .gap_ms = 5};
    struct weir_windowed_stream *windowed =
        weir_windowed_by_session(weir_group_by_key(strings(builder)), &windows);
    (void)weir_windowed_aggregate(windowed, NULL, keep, NULL, WEIR_INT64, NULL);
    expect(builder, "KSTREAM-AGGREGATE-0000000002: sessions become one, and there is no merger: "
                    "pass one to weir_windowed_aggregate_merging");
}
END_TEST

START_TEST(topic_of_sessions_is_read_as_windows)
{
    struct weir_builder *builder = weir_builder_new();
    weir_to(weir_stream(builder, "in", weir_session_serde(builder, WEIR_STRING), WEIR_BYTES),
            "between");
    weir_foreach(
        weir_stream(builder, "between", weir_windowed_serde(builder, WEIR_STRING, 10), WEIR_BYTES),
        any, NULL);
    expect(builder,
           "KSTREAM-SINK-0000000001: topic 'between' is written with the key serde session "
           "string, and KSTREAM-SOURCE-0000000002 reads it with windowed string: read it "
           "as it is written, or as bytes");
}
END_TEST

START_TEST(time_to_live_is_negative)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_count(weir_group_by_key(strings(builder)), WEIR_STORE(.ttl_ms = -1));
    expect(builder, "weir_count: ttl_ms is -1: more than 0, or 0 for rows that stay");
}
END_TEST

START_TEST(time_to_live_of_windows)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_windowed_stream *windowed = weir_windowed_by(weir_group_by_key(strings(builder)),
                                                             (struct weir_tumbling){.size_ms = 10});
    (void)weir_windowed_count(windowed, WEIR_STORE(.ttl_ms = 100));
    expect(builder, "weir_count: ttl_ms is 100, but the table is windowed: retention_ms says how "
                    "long its windows are kept");
}
END_TEST

/* Suppress tells what was before each change. */
START_TEST(time_to_live_below_who_needs_old_values)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_table *counts = weir_count(weir_group_by_key(strings(builder)),
                                           WEIR_STORE(.name = "counts", .ttl_ms = 100));
    const struct weir_suppress_options options = {
        WEIR_SUPPRESS_OPTIONS_INIT, .until = WEIR_SUPPRESS_UNTIL_TIME_LIMIT, .time_limit_ms = 5};
    weir_to(weir_to_stream(weir_suppress(counts, &options)), "out");
    expect(builder, "counts: its rows have a time to live, and what is built on it needs the value "
                    "before each change: leave ttl_ms 0");
}
END_TEST

START_TEST(retention_without_windows)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_count(weir_group_by_key(strings(builder)), WEIR_STORE(.retention_ms = 1));
    expect(builder, "weir_count: retention_ms is 1, but the table is not windowed: leave it 0");
}
END_TEST

/* ---- versions -------------------------------------------------------------------------------- */

static struct weir_table *versioned(struct weir_builder *builder, int64_t history_ms)
{
    return weir_table(builder, "table", WEIR_STRING, WEIR_STRING,
                      WEIR_STORE(.name = "v", .is_versioned = true, .history_ms = history_ms));
}

static int join_as(struct weir_call *call, const void *key, const void *left, const void *right,
                   const void **value_out)
{
    (void)call, (void)key, (void)right;
    *value_out = left;
    return 0;
}

START_TEST(history_without_versions)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_count(weir_group_by_key(strings(builder)), WEIR_STORE(.history_ms = 5));
    expect(builder,
           "weir_count: history_ms is 5, but the store is not versioned: say is_versioned");
}
END_TEST

START_TEST(history_is_negative)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_count(weir_group_by_key(strings(builder)),
                     WEIR_STORE(.is_versioned = true, .history_ms = -1));
    expect(builder, "weir_count: history_ms is -1: 0 or more");
}
END_TEST

START_TEST(versions_of_windows)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_windowed_stream *windowed = weir_windowed_by(weir_group_by_key(strings(builder)),
                                                             (struct weir_tumbling){.size_ms = 10});
    (void)weir_windowed_count(windowed, WEIR_STORE(.is_versioned = true, .history_ms = 5));
    expect(builder, "weir_count: the table is windowed, and keeps each window's last value only: "
                    "leave is_versioned out");
}
END_TEST

START_TEST(versioned_table_is_suppressed)
{
    struct weir_builder *builder = weir_builder_new();
    const struct weir_suppress_options options = {
        WEIR_SUPPRESS_OPTIONS_INIT, .until = WEIR_SUPPRESS_UNTIL_TIME_LIMIT, .time_limit_ms = 5};
    (void)weir_suppress(versioned(builder, 5), &options);
    expect(builder, "weir_suppress: the table is versioned, and its updates come in any order of "
                    "time: suppress one that is not");
}
END_TEST

START_TEST(grace_with_a_table_that_is_not_versioned)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_table *table = weir_table(builder, "table", WEIR_STRING, WEIR_STRING, NULL);
    (void)weir_join_table(strings(builder), table, join_as, NULL, WEIR_STRING,
                          WEIR_JOINED(.grace_ms = 5));
    expect(builder, "weir_join_table: a join with grace asks what the table was, and this one does "
                    "not know: say is_versioned where it is made");
}
END_TEST

START_TEST(grace_beyond_the_history)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_join_table(strings(builder), versioned(builder, 99), join_as, NULL, WEIR_STRING,
                          WEIR_JOINED(.grace_ms = 100));
    expect(builder, "weir_join_table: grace_ms is 100, more than the table's history of 99: at "
                    "most that");
}
END_TEST

START_TEST(grace_is_negative)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_join_table(strings(builder), versioned(builder, 99), join_as, NULL, WEIR_STRING,
                          WEIR_JOINED(.grace_ms = -1));
    expect(builder, "weir_join_table: grace_ms is -1: 0 or more");
}
END_TEST

START_TEST(grace_of_the_whole_history)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *joined = weir_join_table(strings(builder), versioned(builder, 99), join_as,
                                                 NULL, WEIR_STRING, WEIR_JOINED(.grace_ms = 99));
    weir_to(joined, "out");
    expect_built(builder);
}
END_TEST

/* ---- handles --------------------------------------------------------------------------------- */

START_TEST(merged_stream_is_of_another_builder)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_builder *other = weir_builder_new();
    (void)weir_merge(strings(builder), strings(other));
    expect(builder,
           "KSTREAM-MERGE-0000000001: the other stream belongs to another builder: declare "
           "both with one");
    weir_builder_free(other);
}
END_TEST

START_TEST(joined_table_is_of_another_builder)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_builder *other = weir_builder_new();
    struct weir_table *table = weir_table(other, "t", WEIR_STRING, WEIR_STRING, NULL);
    (void)weir_join(strings(builder), table, left_value, NULL, WEIR_STRING);
    expect(builder, "weir_join: the table belongs to another builder: declare both with one");
    weir_builder_free(other);
}
END_TEST

START_TEST(split_has_no_branch)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_split(strings(builder));
    expect(builder,
           "KSTREAM-BRANCH-0000000001: a split without a branch: add one with weir_branch");
}
END_TEST

START_TEST(branch_follows_the_default)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_split *split = weir_split(strings(builder));
    (void)weir_branch_default(split);
    (void)weir_branch(split, any, NULL);
    expect(builder, "KSTREAM-BRANCH-0000000001: a branch behind the default branch takes nothing: "
                    "declare it before");
}
END_TEST

START_TEST(two_default_branches)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_split *split = weir_split(strings(builder));
    (void)weir_branch_default(split);
    (void)weir_branch_default(split);
    expect(builder, "KSTREAM-BRANCH-0000000001: there is a default branch already: keep the stream "
                    "it gave");
}
END_TEST

/* Every call on NULL, and on what a mistake left, does nothing. */
static void call_all(struct weir_stream *stream, struct weir_table *table)
{
    const struct weir_tumbling window = {.size_ms = 1};
    const struct weir_processor processor = {.process = swallow};
    struct weir_grouped *grouped = weir_group_by_key(stream);
    const struct weir_time_windows time = {WEIR_TIME_WINDOWS_INIT, .size_ms = 1};
    const struct weir_unlimited_windows unlimited = {WEIR_UNLIMITED_WINDOWS_INIT};
    struct weir_windowed_stream *windowed = weir_windowed_by(grouped, window);
    struct weir_split *split = weir_split(stream);
    (void)weir_windowed_by_time(grouped, &time);
    (void)weir_windowed_by_unlimited(grouped, &unlimited);
    const struct weir_session_windows sessions = {WEIR_SESSION_WINDOWS_INIT};
    const struct weir_sliding_windows sliding = {WEIR_SLIDING_WINDOWS_INIT, .difference_ms = 1};
    (void)weir_windowed_by_sliding(grouped, &sliding);
    (void)weir_windowed_by_session(grouped, &sessions);
    (void)weir_filter(stream, any, NULL);
    (void)weir_filter_not(stream, any, NULL);
    (void)weir_map(stream, same, NULL, WEIR_STRING, WEIR_STRING);
    (void)weir_map_values(stream, same_value, NULL, WEIR_STRING);
    (void)weir_select_key(stream, value_as_key, NULL, WEIR_STRING);
    (void)weir_flat_map(stream, none, NULL, WEIR_STRING, WEIR_STRING);
    (void)weir_peek(stream, any, NULL);
    weir_foreach(stream, any, NULL);
    (void)weir_merge(stream, stream);
    (void)weir_branch(split, any, NULL);
    (void)weir_branch_default(split);
    (void)weir_repartition(stream, "r", 0);
    weir_to(stream, "out");
    (void)weir_named(stream, "name");
    (void)weir_count(weir_group_by(stream, value_as_key, NULL, WEIR_STRING), NULL);
    (void)weir_count(grouped, NULL);
    (void)weir_reduce(grouped, last, NULL, NULL);
    (void)weir_aggregate(grouped, NULL, keep, NULL, WEIR_INT64, NULL);
    (void)weir_windowed_count(windowed, NULL);
    (void)weir_windowed_reduce(windowed, last, NULL, NULL);
    (void)weir_windowed_aggregate(windowed, NULL, keep, NULL, WEIR_INT64, NULL);
    (void)weir_windowed_aggregate_merging(windowed, NULL, keep, NULL, NULL, WEIR_INT64, NULL);
    (void)weir_suppress(table, NULL);
    (void)weir_to_stream(table);
    (void)weir_join(stream, table, left_value, NULL, WEIR_STRING);
    (void)weir_left_join(stream, table, left_value, NULL, WEIR_STRING);
    (void)weir_stream_join(stream, stream, left_value, NULL, WEIR_STRING, NULL);
    (void)weir_process(stream, &processor, NULL, NULL);
    (void)weir_process_values(stream, &processor, NULL);
}

START_TEST(calls_on_null_and_dead_handles_are_harmless)
{
    call_all(NULL, NULL);
    ck_assert_ptr_null(weir_stream(NULL, "in", WEIR_STRING, WEIR_STRING));
    ck_assert_ptr_null(weir_table(NULL, "in", WEIR_STRING, WEIR_STRING, NULL));
    ck_assert_ptr_null(weir_windowed_serde(NULL, WEIR_STRING, 1));
    weir_add_store(NULL, "s", WEIR_STRING, WEIR_STRING, NULL);
    weir_builder_free(NULL);
    weir_topology_free(NULL);

    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *dead = weir_stream(builder, "", WEIR_STRING, WEIR_STRING);
    struct weir_table *dead_table = weir_table(builder, "", WEIR_STRING, WEIR_STRING, NULL);
    ck_assert_ptr_nonnull(dead);
    ck_assert_ptr_nonnull(dead_table);
    call_all(dead, dead_table);
    expect(builder, "KSTREAM-SOURCE-0000000000: the topic is empty: give it a name");
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("mistakes");
    tcase_add_test(tests, graph_is_empty);
    tcase_add_test(tests, builder_is_null);
    tcase_add_test(tests, first_mistake_is_kept);
    tcase_add_test(tests, a_null_handle_is_not_forgotten_for_a_later_builder);
    tcase_add_test(tests, a_null_handle_is_of_each_builder_that_is_declared);
    tcase_add_test(tests, two_nodes_of_one_name);
    tcase_add_test(tests, two_repartitions_of_one_name);
    tcase_add_test(tests, topic_read_with_two_serdes);
    tcase_add_test(tests, topic_is_written_and_read_with_two_serdes);
    tcase_add_test(tests, topic_of_windowed_keys_is_read_with_another_serde);
    tcase_add_test(tests, joined_partition_counts_differ);
    tcase_add_test(tests, merged_partition_counts_differ);
    tcase_add_test(tests, source_without_key_serde);
    tcase_add_test(tests, table_without_key_serde);
    tcase_add_test(tests, sink_without_value_serde);
    tcase_add_test(tests, repartition_without_key_serde);
    tcase_add_test(tests, aggregate_without_key_serde);
    tcase_add_test(tests, aggregate_without_value_serde);
    tcase_add_test(tests, join_without_key_serde);
    tcase_add_test(tests, join_sides_have_different_key_serdes);
    tcase_add_test(tests, merged_streams_have_different_serdes);
    tcase_add_test(tests, windowed_serde_without_key);
    tcase_add_test(tests, topic_is_null);
    tcase_add_test(tests, topic_is_empty);
    tcase_add_test(tests, topic_has_a_slash);
    tcase_add_test(tests, topic_is_too_long);
    tcase_add_test(tests, topic_is_dots);
    tcase_add_test(tests, repartition_is_named_already);
    tcase_add_test(tests, repartition_count_is_negative);
    tcase_add_loop_test(tests, function_is_null, 0,
                        (int)(sizeof without_function / sizeof *without_function));
    tcase_add_test(tests, store_is_unknown);
    tcase_add_test(tests, store_is_connected_twice);
    tcase_add_test(tests, store_is_not_connected);
    tcase_add_test(tests, two_stores_of_one_name);
    tcase_add_test(tests, two_tables_in_one_store);
    tcase_add_test(tests, store_without_value_serde);
    tcase_add_test(tests, options_without_size);
    tcase_add_test(tests, options_with_unknown_kind);
    tcase_add_test(tests, options_with_unknown_cache);
    tcase_add_test(tests, window_has_no_size);
    tcase_add_test(tests, window_has_negative_grace);
    tcase_add_test(tests, window_is_longer_than_time);
    tcase_add_test(tests, retention_is_less_than_size_and_grace);
    tcase_add_test(tests, windows_that_leave_gaps_or_stand_still);
    tcase_add_test(tests, record_in_too_many_windows);
    tcase_add_test(tests, windows_are_null_or_without_their_size);
    tcase_add_test(tests, unlimited_windows_start_before_time);
    tcase_add_test(tests, sessions_of_negative_times);
    tcase_add_test(tests, sliding_windows_of_no_difference);
    tcase_add_test(tests, slices_that_cannot_be);
    tcase_add_test(tests, suppression_that_cannot_be);
    tcase_add_test(tests, joined_table_is_suppressed);
    tcase_add_test(tests, sessions_without_a_merger);
    tcase_add_test(tests, topic_of_sessions_is_read_as_windows);
    tcase_add_test(tests, retention_without_windows);
    tcase_add_test(tests, history_without_versions);
    tcase_add_test(tests, history_is_negative);
    tcase_add_test(tests, versions_of_windows);
    tcase_add_test(tests, versioned_table_is_suppressed);
    tcase_add_test(tests, grace_with_a_table_that_is_not_versioned);
    tcase_add_test(tests, grace_beyond_the_history);
    tcase_add_test(tests, grace_is_negative);
    tcase_add_test(tests, grace_of_the_whole_history);
    tcase_add_test(tests, time_to_live_is_negative);
    tcase_add_test(tests, time_to_live_of_windows);
    tcase_add_test(tests, time_to_live_below_who_needs_old_values);
    tcase_add_test(tests, merged_stream_is_of_another_builder);
    tcase_add_test(tests, joined_table_is_of_another_builder);
    tcase_add_test(tests, split_has_no_branch);
    tcase_add_test(tests, branch_follows_the_default);
    tcase_add_test(tests, two_default_branches);
    tcase_add_test(tests, calls_on_null_and_dead_handles_are_harmless);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("mistakes", add);
}
