/* The text of a topology, and with it names, numbers, inserted nodes, sub-topologies and topics,
 * compared to what Kafka Streams prints for the same calls (TopologyTest, KStreamImplTest and the
 * rules of InternalTopologyBuilder, version 4.0). */
#include "tests/support/support.h"
#include "tests/unit/dsl/user_functions.h"
#include "weir/stream.h"

static void expect(struct weir_builder *builder, const char *text)
{
    struct weir_error error = {0};
    struct weir_topology *topology = weir_build(builder, &error);
    ck_assert_msg(topology != NULL, "%s", error.text);
    weir_builder_free(builder); /* the topology needs nothing of it any more */
    ck_assert_str_eq(weir_topology_describe(topology), text);
    weir_topology_free(topology);
}

/* A stateless chain is one sub-topology, numbered in order of declaration. */
START_TEST(chain_is_numbered_in_order)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    stream = weir_filter(stream, any, NULL);
    stream = weir_map_values(stream, same_value, NULL, WEIR_STRING);
    stream = weir_filter_not(stream, any, NULL);
    stream = weir_peek(stream, any, NULL);
    weir_to(stream, "out");
    expect(builder, "Topologies:\n"
                    "   Sub-topology: 0\n"
                    "    Source: KSTREAM-SOURCE-0000000000 (topics: [in])\n"
                    "      --> KSTREAM-FILTER-0000000001\n"
                    "    Processor: KSTREAM-FILTER-0000000001 (stores: [])\n"
                    "      --> KSTREAM-MAPVALUES-0000000002\n"
                    "      <-- KSTREAM-SOURCE-0000000000\n"
                    "    Processor: KSTREAM-MAPVALUES-0000000002 (stores: [])\n"
                    "      --> KSTREAM-FILTER-0000000003\n"
                    "      <-- KSTREAM-FILTER-0000000001\n"
                    "    Processor: KSTREAM-FILTER-0000000003 (stores: [])\n"
                    "      --> KSTREAM-PEEK-0000000004\n"
                    "      <-- KSTREAM-MAPVALUES-0000000002\n"
                    "    Processor: KSTREAM-PEEK-0000000004 (stores: [])\n"
                    "      --> KSTREAM-SINK-0000000005\n"
                    "      <-- KSTREAM-FILTER-0000000003\n"
                    "    Sink: KSTREAM-SINK-0000000005 (topic: out)\n"
                    "      <-- KSTREAM-PEEK-0000000004\n\n");
}
END_TEST

/* groupByKey().count(): the store takes a number before the aggregate. */
START_TEST(count_without_options_names_its_store)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "input-topic", WEIR_STRING, WEIR_STRING);
    (void)weir_count(weir_group_by_key(stream), NULL);
    expect(builder, "Topologies:\n"
                    "   Sub-topology: 0\n"
                    "    Source: KSTREAM-SOURCE-0000000000 (topics: [input-topic])\n"
                    "      --> KSTREAM-AGGREGATE-0000000002\n"
                    "    Processor: KSTREAM-AGGREGATE-0000000002 (stores: "
                    "[KSTREAM-AGGREGATE-STATE-STORE-0000000001])\n"
                    "      --> none\n"
                    "      <-- KSTREAM-SOURCE-0000000000\n\n");
}
END_TEST

/* count(Materialized) without a name uses up one number more, as it always has. */
START_TEST(count_with_nameless_options_burns_a_number)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "input-topic", WEIR_STRING, WEIR_STRING);
    struct weir_windowed_stream *windowed =
        weir_windowed_by(weir_group_by_key(stream), (struct weir_tumbling){.size_ms = 1});
    (void)weir_windowed_count(windowed, WEIR_STORE(.store = WEIR_STORE_MEMORY));
    expect(builder, "Topologies:\n"
                    "   Sub-topology: 0\n"
                    "    Source: KSTREAM-SOURCE-0000000000 (topics: [input-topic])\n"
                    "      --> KSTREAM-AGGREGATE-0000000003\n"
                    "    Processor: KSTREAM-AGGREGATE-0000000003 (stores: "
                    "[KSTREAM-AGGREGATE-STATE-STORE-0000000002])\n"
                    "      --> none\n"
                    "      <-- KSTREAM-SOURCE-0000000000\n\n");
}
END_TEST

/* Kafka Streams has forgotten it for sliding windows. */
START_TEST(count_of_sliding_windows_burns_none)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "input-topic", WEIR_STRING, WEIR_STRING);
    const struct weir_sliding_windows windows = {WEIR_SLIDING_WINDOWS_INIT, .difference_ms = 1};
    struct weir_windowed_stream *windowed =
        weir_windowed_by_sliding(weir_group_by_key(stream), &windows);
    (void)weir_windowed_count(windowed, WEIR_STORE(.store = WEIR_STORE_MEMORY));
    expect(builder, "Topologies:\n"
                    "   Sub-topology: 0\n"
                    "    Source: KSTREAM-SOURCE-0000000000 (topics: [input-topic])\n"
                    "      --> KSTREAM-AGGREGATE-0000000002\n"
                    "    Processor: KSTREAM-AGGREGATE-0000000002 (stores: "
                    "[KSTREAM-AGGREGATE-STATE-STORE-0000000001])\n"
                    "      --> none\n"
                    "      <-- KSTREAM-SOURCE-0000000000\n\n");
}
END_TEST

/* A named store takes no number. */
START_TEST(named_store_takes_no_number)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "input-topic", WEIR_STRING, WEIR_STRING);
    (void)weir_count(weir_group_by_key(stream),
                     WEIR_STORE(.name = "count-store", .store = WEIR_STORE_MEMORY));
    expect(builder, "Topologies:\n"
                    "   Sub-topology: 0\n"
                    "    Source: KSTREAM-SOURCE-0000000000 (topics: [input-topic])\n"
                    "      --> KSTREAM-AGGREGATE-0000000001\n"
                    "    Processor: KSTREAM-AGGREGATE-0000000001 (stores: [count-store])\n"
                    "      --> none\n"
                    "      <-- KSTREAM-SOURCE-0000000000\n\n");
}
END_TEST

/* groupBy: filter, sink and source go in front of the aggregate, in a sub-topology of its own. */
START_TEST(group_by_repartitions_before_the_aggregate)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_table *counts =
        weir_count(weir_group_by(stream, value_as_key, NULL, WEIR_STRING), NULL);
    weir_to(weir_to_stream(counts), "out");
    expect(builder, "Topologies:\n"
                    "   Sub-topology: 0\n"
                    "    Source: KSTREAM-SOURCE-0000000000 (topics: [in])\n"
                    "      --> KSTREAM-KEY-SELECT-0000000001\n"
                    "    Processor: KSTREAM-KEY-SELECT-0000000001 (stores: [])\n"
                    "      --> KSTREAM-FILTER-0000000005\n"
                    "      <-- KSTREAM-SOURCE-0000000000\n"
                    "    Processor: KSTREAM-FILTER-0000000005 (stores: [])\n"
                    "      --> KSTREAM-SINK-0000000004\n"
                    "      <-- KSTREAM-KEY-SELECT-0000000001\n"
                    "    Sink: KSTREAM-SINK-0000000004 (topic: "
                    "KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition)\n"
                    "      <-- KSTREAM-FILTER-0000000005\n"
                    "\n"
                    "  Sub-topology: 1\n"
                    "    Source: KSTREAM-SOURCE-0000000006 (topics: "
                    "[KSTREAM-AGGREGATE-STATE-STORE-0000000002-repartition])\n"
                    "      --> KSTREAM-AGGREGATE-0000000003\n"
                    "    Processor: KSTREAM-AGGREGATE-0000000003 (stores: "
                    "[KSTREAM-AGGREGATE-STATE-STORE-0000000002])\n"
                    "      --> KTABLE-TOSTREAM-0000000007\n"
                    "      <-- KSTREAM-SOURCE-0000000006\n"
                    "    Processor: KTABLE-TOSTREAM-0000000007 (stores: [])\n"
                    "      --> KSTREAM-SINK-0000000008\n"
                    "      <-- KSTREAM-AGGREGATE-0000000003\n"
                    "    Sink: KSTREAM-SINK-0000000008 (topic: out)\n"
                    "      <-- KTABLE-TOSTREAM-0000000007\n\n");
}
END_TEST

/* The nodes of a repartition are called after a store that has a name. */
START_TEST(named_store_names_its_repartition)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    stream = weir_map(stream, same, NULL, WEIR_STRING, WEIR_STRING);
    (void)weir_reduce(weir_group_by_key(stream), last, NULL, WEIR_STORE(.name = "latest"));
    expect(builder, "Topologies:\n"
                    "   Sub-topology: 0\n"
                    "    Source: KSTREAM-SOURCE-0000000000 (topics: [in])\n"
                    "      --> KSTREAM-MAP-0000000001\n"
                    "    Processor: KSTREAM-MAP-0000000001 (stores: [])\n"
                    "      --> latest-repartition-filter\n"
                    "      <-- KSTREAM-SOURCE-0000000000\n"
                    "    Processor: latest-repartition-filter (stores: [])\n"
                    "      --> latest-repartition-sink\n"
                    "      <-- KSTREAM-MAP-0000000001\n"
                    "    Sink: latest-repartition-sink (topic: latest-repartition)\n"
                    "      <-- latest-repartition-filter\n"
                    "\n"
                    "  Sub-topology: 1\n"
                    "    Source: latest-repartition-source (topics: [latest-repartition])\n"
                    "      --> KSTREAM-REDUCE-0000000002\n"
                    "    Processor: KSTREAM-REDUCE-0000000002 (stores: [latest])\n"
                    "      --> none\n"
                    "      <-- latest-repartition-source\n\n");
}
END_TEST

/* A table is stored because a join looks into it; both sides are one sub-topology. */
START_TEST(joined_table_is_stored)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "clicks", WEIR_STRING, WEIR_STRING);
    struct weir_table *users = weir_table(builder, "users", WEIR_STRING, WEIR_STRING, NULL);
    weir_to(weir_join(stream, users, left_value, NULL, WEIR_STRING), "out");
    expect(builder,
           "Topologies:\n"
           "   Sub-topology: 0\n"
           "    Source: KSTREAM-SOURCE-0000000000 (topics: [clicks])\n"
           "      --> KSTREAM-JOIN-0000000004\n"
           "    Processor: KSTREAM-JOIN-0000000004 (stores: [users-STATE-STORE-0000000001])\n"
           "      --> KSTREAM-SINK-0000000005\n"
           "      <-- KSTREAM-SOURCE-0000000000\n"
           "    Source: KSTREAM-SOURCE-0000000002 (topics: [users])\n"
           "      --> KTABLE-SOURCE-0000000003\n"
           "    Sink: KSTREAM-SINK-0000000005 (topic: out)\n"
           "      <-- KSTREAM-JOIN-0000000004\n"
           "    Processor: KTABLE-SOURCE-0000000003 (stores: [users-STATE-STORE-0000000001])\n"
           "      --> none\n"
           "      <-- KSTREAM-SOURCE-0000000002\n\n");
}
END_TEST

/* A table that nobody looks into has no store. */
START_TEST(table_as_stream_has_no_store)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_table *table = weir_table(builder, "input-topic", WEIR_STRING, WEIR_STRING, NULL);
    weir_to(weir_to_stream(table), "out");
    expect(builder, "Topologies:\n"
                    "   Sub-topology: 0\n"
                    "    Source: KSTREAM-SOURCE-0000000001 (topics: [input-topic])\n"
                    "      --> KTABLE-SOURCE-0000000002\n"
                    "    Processor: KTABLE-SOURCE-0000000002 (stores: [])\n"
                    "      --> KTABLE-TOSTREAM-0000000003\n"
                    "      <-- KSTREAM-SOURCE-0000000001\n"
                    "    Processor: KTABLE-TOSTREAM-0000000003 (stores: [])\n"
                    "      --> KSTREAM-SINK-0000000004\n"
                    "      <-- KTABLE-SOURCE-0000000002\n"
                    "    Sink: KSTREAM-SINK-0000000004 (topic: out)\n"
                    "      <-- KTABLE-TOSTREAM-0000000003\n\n");
}
END_TEST

/* Joins of one marked stream share a repartition, called after the stream's node. */
START_TEST(joins_of_a_stream_share_a_repartition)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_table *users = weir_table(builder, "users", WEIR_STRING, WEIR_STRING, NULL);
    struct weir_stream *stream = weir_stream(builder, "clicks", WEIR_STRING, WEIR_STRING);
    stream = weir_named(weir_select_key(stream, value_as_key, NULL, WEIR_STRING), "by-user");
    weir_to(weir_join(stream, users, left_value, NULL, WEIR_STRING), "inner");
    weir_to(weir_left_join(stream, users, left_value, NULL, WEIR_STRING), "left");
    expect(builder,
           "Topologies:\n"
           "   Sub-topology: 0\n"
           "    Source: by-user-repartition-source (topics: [by-user-repartition])\n"
           "      --> KSTREAM-JOIN-0000000008, KSTREAM-LEFTJOIN-0000000013\n"
           "    Processor: KSTREAM-JOIN-0000000008 (stores: [users-STATE-STORE-0000000000])\n"
           "      --> KSTREAM-SINK-0000000009\n"
           "      <-- by-user-repartition-source\n"
           "    Processor: KSTREAM-LEFTJOIN-0000000013 (stores: [users-STATE-STORE-0000000000])\n"
           "      --> KSTREAM-SINK-0000000014\n"
           "      <-- by-user-repartition-source\n"
           "    Source: KSTREAM-SOURCE-0000000001 (topics: [users])\n"
           "      --> KTABLE-SOURCE-0000000002\n"
           "    Sink: KSTREAM-SINK-0000000009 (topic: inner)\n"
           "      <-- KSTREAM-JOIN-0000000008\n"
           "    Sink: KSTREAM-SINK-0000000014 (topic: left)\n"
           "      <-- KSTREAM-LEFTJOIN-0000000013\n"
           "    Processor: KTABLE-SOURCE-0000000002 (stores: [users-STATE-STORE-0000000000])\n"
           "      --> none\n"
           "      <-- KSTREAM-SOURCE-0000000001\n"
           "\n"
           "  Sub-topology: 1\n"
           "    Source: KSTREAM-SOURCE-0000000003 (topics: [clicks])\n"
           "      --> by-user\n"
           "    Processor: by-user (stores: [])\n"
           "      --> by-user-repartition-filter\n"
           "      <-- KSTREAM-SOURCE-0000000003\n"
           "    Processor: by-user-repartition-filter (stores: [])\n"
           "      --> by-user-repartition-sink\n"
           "      <-- by-user\n"
           "    Sink: by-user-repartition-sink (topic: by-user-repartition)\n"
           "      <-- by-user-repartition-filter\n\n");
}
END_TEST

/* Branches are called after their splitter and their number, the default has number 0. */
START_TEST(branches_are_called_after_their_splitter)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_split *split = weir_split(stream);
    struct weir_stream *first = weir_branch(split, any, NULL);
    struct weir_stream *rest = weir_branch_default(split);
    weir_to(weir_merge(first, rest), "out");
    expect(builder, "Topologies:\n"
                    "   Sub-topology: 0\n"
                    "    Source: KSTREAM-SOURCE-0000000000 (topics: [in])\n"
                    "      --> KSTREAM-BRANCH-0000000001\n"
                    "    Processor: KSTREAM-BRANCH-0000000001 (stores: [])\n"
                    "      --> KSTREAM-BRANCH-00000000010, KSTREAM-BRANCH-00000000011\n"
                    "      <-- KSTREAM-SOURCE-0000000000\n"
                    "    Processor: KSTREAM-BRANCH-00000000010 (stores: [])\n"
                    "      --> KSTREAM-MERGE-0000000004\n"
                    "      <-- KSTREAM-BRANCH-0000000001\n"
                    "    Processor: KSTREAM-BRANCH-00000000011 (stores: [])\n"
                    "      --> KSTREAM-MERGE-0000000004\n"
                    "      <-- KSTREAM-BRANCH-0000000001\n"
                    "    Processor: KSTREAM-MERGE-0000000004 (stores: [])\n"
                    "      --> KSTREAM-SINK-0000000005\n"
                    "      <-- KSTREAM-BRANCH-00000000010, KSTREAM-BRANCH-00000000011\n"
                    "    Sink: KSTREAM-SINK-0000000005 (topic: out)\n"
                    "      <-- KSTREAM-MERGE-0000000004\n\n");
}
END_TEST

/* Processors that share a store are one sub-topology, though no edge joins them. */
START_TEST(shared_store_joins_sub_topologies)
{
    struct weir_builder *builder = weir_builder_new();
    weir_add_store(builder, "seen", WEIR_STRING, WEIR_STRING, NULL);
    weir_add_store(builder, "alone", WEIR_STRING, WEIR_STRING, NULL);
    static const char *const both[] = {"seen", "alone", NULL};
    static const char *const one[] = {"seen", NULL};
    struct weir_stream *left = weir_stream(builder, "left", WEIR_STRING, WEIR_STRING);
    (void)weir_process(left, &(struct weir_processor){.process = swallow, .stores = both}, NULL,
                       NULL);
    struct weir_stream *right = weir_stream(builder, "right", WEIR_STRING, WEIR_STRING);
    (void)weir_process_values(right, &(struct weir_processor){.process = swallow, .stores = one},
                              NULL);
    weir_foreach(weir_stream(builder, "third", WEIR_BYTES, WEIR_BYTES), any, NULL);
    expect(builder, "Topologies:\n"
                    "   Sub-topology: 0\n"
                    "    Source: KSTREAM-SOURCE-0000000000 (topics: [left])\n"
                    "      --> KSTREAM-PROCESSOR-0000000001\n"
                    "    Source: KSTREAM-SOURCE-0000000002 (topics: [right])\n"
                    "      --> KSTREAM-PROCESSVALUES-0000000003\n"
                    "    Processor: KSTREAM-PROCESSOR-0000000001 (stores: [alone, seen])\n"
                    "      --> none\n"
                    "      <-- KSTREAM-SOURCE-0000000000\n"
                    "    Processor: KSTREAM-PROCESSVALUES-0000000003 (stores: [seen])\n"
                    "      --> none\n"
                    "      <-- KSTREAM-SOURCE-0000000002\n"
                    "\n"
                    "  Sub-topology: 1\n"
                    "    Source: KSTREAM-SOURCE-0000000004 (topics: [third])\n"
                    "      --> KSTREAM-FOREACH-0000000005\n"
                    "    Processor: KSTREAM-FOREACH-0000000005 (stores: [])\n"
                    "      --> none\n"
                    "      <-- KSTREAM-SOURCE-0000000004\n\n");
}
END_TEST

/* repartition(name): named after it, and no second one for the aggregate. */
START_TEST(explicit_repartition_serves_the_aggregate)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    stream = weir_flat_map(stream, none, NULL, WEIR_STRING, WEIR_STRING);
    stream = weir_repartition(stream, "words", 4);
    (void)weir_aggregate(weir_group_by_key(stream), NULL, keep, NULL, WEIR_INT64, NULL);
    expect(builder, "Topologies:\n"
                    "   Sub-topology: 0\n"
                    "    Source: KSTREAM-SOURCE-0000000000 (topics: [in])\n"
                    "      --> KSTREAM-FLATMAP-0000000001\n"
                    "    Processor: KSTREAM-FLATMAP-0000000001 (stores: [])\n"
                    "      --> words-repartition-filter\n"
                    "      <-- KSTREAM-SOURCE-0000000000\n"
                    "    Processor: words-repartition-filter (stores: [])\n"
                    "      --> words-repartition-sink\n"
                    "      <-- KSTREAM-FLATMAP-0000000001\n"
                    "    Sink: words-repartition-sink (topic: words-repartition)\n"
                    "      <-- words-repartition-filter\n"
                    "\n"
                    "  Sub-topology: 1\n"
                    "    Source: words-repartition-source (topics: [words-repartition])\n"
                    "      --> KSTREAM-AGGREGATE-0000000006\n"
                    "    Processor: KSTREAM-AGGREGATE-0000000006 (stores: "
                    "[KSTREAM-AGGREGATE-STATE-STORE-0000000005])\n"
                    "      --> none\n"
                    "      <-- words-repartition-source\n\n");
}
END_TEST

/* A topic that is read twice has one source; numbers are taken all the same. */
START_TEST(sources_of_one_topic_are_merged)
{
    struct weir_builder *builder = weir_builder_new();
    weir_to(weir_stream(builder, "in", WEIR_STRING, WEIR_STRING), "a");
    weir_to(weir_stream(builder, "in", WEIR_STRING, WEIR_STRING), "b");
    expect(builder, "Topologies:\n"
                    "   Sub-topology: 0\n"
                    "    Source: KSTREAM-SOURCE-0000000000 (topics: [in])\n"
                    "      --> KSTREAM-SINK-0000000001, KSTREAM-SINK-0000000003\n"
                    "    Sink: KSTREAM-SINK-0000000001 (topic: a)\n"
                    "      <-- KSTREAM-SOURCE-0000000000\n"
                    "    Sink: KSTREAM-SINK-0000000003 (topic: b)\n"
                    "      <-- KSTREAM-SOURCE-0000000000\n\n");
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("describe");
    tcase_add_test(tests, chain_is_numbered_in_order);
    tcase_add_test(tests, count_without_options_names_its_store);
    tcase_add_test(tests, count_with_nameless_options_burns_a_number);
    tcase_add_test(tests, count_of_sliding_windows_burns_none);
    tcase_add_test(tests, named_store_takes_no_number);
    tcase_add_test(tests, group_by_repartitions_before_the_aggregate);
    tcase_add_test(tests, named_store_names_its_repartition);
    tcase_add_test(tests, joined_table_is_stored);
    tcase_add_test(tests, table_as_stream_has_no_store);
    tcase_add_test(tests, joins_of_a_stream_share_a_repartition);
    tcase_add_test(tests, branches_are_called_after_their_splitter);
    tcase_add_test(tests, shared_store_joins_sub_topologies);
    tcase_add_test(tests, explicit_repartition_serves_the_aggregate);
    tcase_add_test(tests, sources_of_one_topic_are_merged);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("describe", add);
}
