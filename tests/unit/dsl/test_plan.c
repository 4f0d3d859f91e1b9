/* What a built topology tells the runtime beside its text: where rows go one by one, which topics
 * must have one partition count, how stores are kept, what survives the builder; and that each
 * allocation may fail. */
#include <string.h>

#include "base/bytes.h"
#include "dsl/logical.h"
#include "tests/support/support.h"
#include "tests/unit/dsl/user_functions.h"

static struct weir_topology *build(struct weir_builder *builder)
{
    struct weir_error error = {0};
    struct weir_topology *topology = weir_build(builder, &error);
    ck_assert_msg(topology != NULL, "%s", error.text);
    weir_builder_free(builder);
    return topology;
}

static const struct weir_plan_node *node_of(const struct weir_topology *topology, const char *name)
{
    for (size_t i = 0; i < topology->node_count; i++) {
        if (strcmp(topology->nodes[i].name, name) == 0) return &topology->nodes[i];
    }
    ck_abort_msg("no node %s in\n%s", name, topology->description);
}

static const struct weir_plan_store *store_of(const struct weir_topology *topology,
                                              const char *name)
{
    for (size_t i = 0; i < topology->store_count; i++) {
        if (strcmp(topology->stores[i].spec.name, name) == 0) return &topology->stores[i];
    }
    ck_abort_msg("no store %s in\n%s", name, topology->description);
}

/* ---- row by row ------------------------------------------------------------------------------ */

static void expect_marked(const struct weir_topology *topology, const char *name, bool plain,
                          bool cached)
{
    const struct weir_plan_node *node = node_of(topology, name);
    ck_assert_msg(node->is_record_by_record == plain &&
                      node->is_record_by_record_when_cached == cached,
                  "%s: %d, cached %d", name, node->is_record_by_record,
                  node->is_record_by_record_when_cached);
}

START_TEST(chains_and_forks_go_batch_by_batch)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    stream = weir_filter(stream, any, NULL);
    weir_to(weir_peek(stream, any, NULL), "a");
    weir_to(weir_peek(stream, any, NULL), "b");
    struct weir_topology *topology = build(builder);
    for (size_t i = 0; i < topology->node_count; i++) {
        expect_marked(topology, topology->nodes[i].name, false, false);
    }
    weir_topology_free(topology);
}
END_TEST

START_TEST(paths_meet_at_a_node)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_stream *filtered = weir_filter(stream, any, NULL);
    weir_to(weir_merge(filtered, stream), "out");
    struct weir_topology *topology = build(builder);
    expect_marked(topology, "KSTREAM-SOURCE-0000000000", true, true);
    expect_marked(topology, "KSTREAM-FILTER-0000000001", false, false);
    expect_marked(topology, "KSTREAM-MERGE-0000000002", false, false);
    weir_topology_free(topology);
}
END_TEST

static size_t gathering_count(const struct weir_topology *topology)
{
    size_t count = 0;
    for (size_t i = 0; i < topology->node_count; i++)
        count += topology->nodes[i].gathers;
    return count;
}

/* Batches stay whole, and the topic's sinks gather; others do not. */
START_TEST(paths_meet_at_a_topic)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_split *split = weir_split(stream);
    weir_to(weir_branch(split, any, NULL), "out");
    weir_to(weir_branch_default(split), "out");
    weir_to(stream, "elsewhere");
    struct weir_topology *topology = build(builder);
    for (size_t i = 0; i < topology->node_count; i++) {
        expect_marked(topology, topology->nodes[i].name, false, false);
    }
    ck_assert(!node_of(topology, "KSTREAM-SOURCE-0000000000")->meets_at_topics);
    ck_assert(node_of(topology, "KSTREAM-BRANCH-0000000001")->meets_at_topics);
    ck_assert_uint_eq(gathering_count(topology), 2);
    weir_topology_free(topology);
}
END_TEST

/* Several rows of one record could not be told apart: they go one by one. */
START_TEST(paths_below_a_maker_of_rows_meet_at_a_topic)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    stream = weir_flat_map(stream, none, NULL, WEIR_STRING, WEIR_STRING);
    stream = weir_peek(stream, any, NULL);
    weir_to(weir_filter(stream, any, NULL), "out");
    weir_to(weir_filter(stream, any, NULL), "out");
    struct weir_topology *topology = build(builder);
    expect_marked(topology, "KSTREAM-FLATMAP-0000000001", false, false);
    expect_marked(topology, "KSTREAM-PEEK-0000000002", true, true);
    ck_assert_uint_eq(gathering_count(topology), 0);
    weir_topology_free(topology);
}
END_TEST

/* Two joins that read one table don't disturb each other; a processor that changes a store does. */
START_TEST(paths_meet_at_a_store_that_one_changes)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_table *table = weir_table(builder, "t", WEIR_STRING, WEIR_STRING, NULL);
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    weir_to(weir_join(stream, table, left_value, NULL, WEIR_STRING), "a");
    weir_to(weir_left_join(stream, table, left_value, NULL, WEIR_STRING), "b");
    weir_add_store(builder, "s", WEIR_STRING, WEIR_STRING, NULL);
    static const char *const stores[] = {"s", NULL};
    const struct weir_processor processor = {.process = swallow, .stores = stores};
    struct weir_stream *other = weir_stream(builder, "other", WEIR_STRING, WEIR_STRING);
    (void)weir_process(other, &processor, NULL, NULL);
    (void)weir_process(other, &processor, NULL, NULL);
    struct weir_topology *topology = build(builder);
    expect_marked(topology, "KSTREAM-SOURCE-0000000003", false, false); /* in */
    expect_marked(topology, "KSTREAM-SOURCE-0000000008", true, true);   /* other */
    weir_topology_free(topology);
}
END_TEST

/* A processor below itself: it forwards at once, and its parent gives it one row at a time. */
START_TEST(path_comes_back_to_a_store)
{
    struct weir_builder *builder = weir_builder_new();
    weir_add_store(builder, "s", WEIR_STRING, WEIR_STRING, NULL);
    static const char *const stores[] = {"s", NULL};
    const struct weir_processor processor = {.process = swallow, .stores = stores};
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    stream = weir_process_values(stream, &processor, NULL);
    stream = weir_process_values(weir_peek(stream, any, NULL), &processor, NULL);
    weir_to(stream, "out");
    struct weir_topology *topology = build(builder);
    expect_marked(topology, "KSTREAM-SOURCE-0000000000", true, true);
    expect_marked(topology, "KSTREAM-PROCESSVALUES-0000000001", true, true);
    expect_marked(topology, "KSTREAM-PEEK-0000000002", false, false);
    expect_marked(topology, "KSTREAM-PROCESSVALUES-0000000003", false, false);
    weir_topology_free(topology);
}
END_TEST

/* With caches on, a cached table forwards at the flush: paths above it end there. */
START_TEST(cached_tables_end_paths)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_stream *latest =
        weir_to_stream(weir_reduce(weir_group_by_key(stream), last, NULL, NULL));
    weir_to(weir_merge(latest, weir_filter(stream, any, NULL)), "out");
    struct weir_topology *topology = build(builder);
    expect_marked(topology, "KSTREAM-SOURCE-0000000000", true, false);
    weir_topology_free(topology);
}
END_TEST

/* ---- co-partitioning ------------------------------------------------------------------------- */

static const char *topic_name(const struct weir_topology *topology, int32_t topic)
{
    return topology->topics[topic].name;
}

START_TEST(join_needs_equal_partition_counts)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_table *table = weir_table(builder, "t", WEIR_STRING, WEIR_STRING, NULL);
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    stream = weir_select_key(stream, value_as_key, NULL, WEIR_STRING);
    weir_to(weir_join(stream, table, left_value, NULL, WEIR_STRING), "out");
    struct weir_topology *topology = build(builder);
    ck_assert_uint_eq(topology->subtopology_count, 2);
    const int32_t *group = topology->subtopologies[0].copartitioned;
    ck_assert_str_eq(topic_name(topology, group[0]), "t");
    ck_assert_str_eq(topic_name(topology, group[1]), "KSTREAM-KEY-SELECT-0000000004-repartition");
    ck_assert_int_eq(group[2], -1);
    ck_assert_int_eq(group[3], -2);
    ck_assert_int_eq(topology->subtopologies[1].copartitioned[0], -2);
    weir_topology_free(topology);
}
END_TEST

START_TEST(merged_streams_of_an_aggregate_need_equal_partition_counts)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *left = weir_stream(builder, "a", WEIR_STRING, WEIR_STRING);
    struct weir_stream *right = weir_stream(builder, "b", WEIR_STRING, WEIR_STRING);
    (void)weir_count(weir_group_by_key(weir_merge(left, right)), NULL);
    struct weir_topology *topology = build(builder);
    const int32_t *group = topology->subtopologies[0].copartitioned;
    ck_assert_str_eq(topic_name(topology, group[0]), "a");
    ck_assert_str_eq(topic_name(topology, group[1]), "b");
    ck_assert_int_eq(group[2], -1);
    ck_assert_int_eq(group[3], -2);
    weir_topology_free(topology);
}
END_TEST

/* ---- stores ---------------------------------------------------------------------------------- */

START_TEST(stores_are_kept_as_asked)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_grouped *grouped = weir_group_by_key(stream);
    const struct weir_tumbling window = {.size_ms = 100, .grace_ms = 20};
    (void)weir_count(grouped, WEIR_STORE(.name = "plain"));
    (void)weir_count(grouped, WEIR_STORE(.name = "asked", .store = WEIR_STORE_MEMORY,
                                         .cache = WEIR_CACHE_OFF, .is_logging_disabled = true));
    (void)weir_windowed_count(weir_windowed_by(grouped, window), WEIR_STORE(.name = "short"));
    (void)weir_windowed_count(weir_windowed_by(grouped, window),
                              WEIR_STORE(.name = "long", .retention_ms = 5000));
    struct weir_topology *topology = build(builder);
    const struct weir_store_spec *plain = &store_of(topology, "plain")->spec;
    ck_assert(plain->kind == WEIR_STORE_ROCKSDB && plain->is_cached && plain->is_logged);
    ck_assert(plain->is_timestamped && !plain->keeps_old);
    ck_assert_int_eq(store_of(topology, "plain")->source_topic, -1);
    ck_assert_int_eq(store_of(topology, "plain")->changelog_retention_ms, 0);
    const struct weir_store_spec *asked = &store_of(topology, "asked")->spec;
    ck_assert(asked->kind == WEIR_STORE_MEMORY && !asked->is_cached && !asked->is_logged);
    const struct weir_plan_store *narrow = store_of(topology, "short");
    ck_assert_int_eq(narrow->spec.window_size_ms, 100);
    ck_assert_int_eq(narrow->spec.retention_ms, 120);
    ck_assert_int_eq(narrow->changelog_retention_ms, 120 + 86400000);
    ck_assert_int_eq(store_of(topology, "long")->spec.retention_ms, 5000);
    ck_assert_int_eq(store_of(topology, "long")->changelog_retention_ms, 5000 + 86400000);
    weir_topology_free(topology);
}
END_TEST

/* A table's topic is its changelog; two tables over one topic have one source and two stores. */
START_TEST(topic_serves_as_changelog)
{
    struct weir_builder *builder = weir_builder_new();
    (void)weir_table(builder, "t", WEIR_STRING, WEIR_STRING, WEIR_STORE(.name = "one"));
    (void)weir_table(builder, "t", WEIR_STRING, WEIR_STRING, WEIR_STORE(.name = "two"));
    struct weir_topology *topology = build(builder);
    ck_assert_uint_eq(topology->topic_count, 1);
    ck_assert_uint_eq(topology->subtopologies[0].source_count, 1);
    ck_assert_int_eq(store_of(topology, "one")->source_topic, 0);
    ck_assert_int_eq(store_of(topology, "two")->source_topic, 0);
    weir_topology_free(topology);
}
END_TEST

/* ---- null keys ------------------------------------------------------------------------------- */

START_TEST(repartition_keeps_null_keys_for_a_left_join)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_table *table = weir_table(builder, "t", WEIR_STRING, WEIR_STRING, NULL);
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    weir_foreach(weir_repartition(stream, "plain", 0), any, NULL);
    struct weir_stream *first = weir_repartition(stream, "first", 0);
    struct weir_stream *second = weir_repartition(first, "second", 0);
    weir_to(weir_left_join(second, table, left_value, NULL, WEIR_STRING), "out");
    struct weir_topology *topology = build(builder);
    ck_assert_ptr_eq(node_of(topology, "plain-repartition-filter")->ops,
                     &weir_filter_null_keys_ops);
    ck_assert_ptr_eq(node_of(topology, "first-repartition-filter")->ops, &weir_pass_ops);
    ck_assert_ptr_eq(node_of(topology, "second-repartition-filter")->ops, &weir_pass_ops);
    weir_topology_free(topology);
}
END_TEST

/* ---- windowed keys --------------------------------------------------------------------------- */

/* Bytes of a windowed key: the inner ones, then the start; sinks partition by the inner key. The
 * serde in the topology is its own. */
START_TEST(windowed_keys_are_written_and_read)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_windowed_stream *windowed =
        weir_windowed_by(weir_group_by_key(stream), (struct weir_tumbling){.size_ms = 10});
    weir_to(weir_to_stream(weir_windowed_count(windowed, NULL)), "out");
    const struct weir_serde *reader = weir_windowed_serde(builder, WEIR_STRING, 10);
    (void)weir_stream(builder, "windows", reader, WEIR_INT64);
    struct weir_topology *topology = build(builder);
    const struct weir_plan_node *sink = node_of(topology, "KSTREAM-SINK-0000000004");
    ck_assert_uint_eq(sink->unhashed_key_suffix, 8);

    const struct weir_serde *serde = node_of(topology, "KSTREAM-SOURCE-0000000005")->key_serde;
    const struct weir_slice inner = weir_text("ab");
    const struct weir_windowed_key key = {.key = &inner, .start_ms = 30, .end_ms = 40};
    uint8_t bytes[32];
    struct weir_error error;
    ck_assert_int_eq(weir_serialize(sink->key_serde, &key, bytes, sizeof bytes, &error), 10);
    ck_assert_mem_eq(bytes, "ab\0\0\0\0\0\0\0\x1e", 10);
    struct weir_windowed_key back;
    ck_ok(weir_deserialize(serde, weir_slice(bytes, 10), &back, &error), &error);
    ck_assert_int_eq(back.start_ms, 30);
    ck_assert_int_eq(back.end_ms, 40);
    for (size_t size = 0; size < 8; size++) {
        ck_code(weir_deserialize(serde, weir_slice(bytes, size), &back, &error), WEIR_SERDE);
    }
    ck_assert_str_eq(error.text,
                     "windowed of windowed: 7 bytes, at least 8 for the window's start");
    weir_topology_free(topology);
}
END_TEST

/* ---- without memory -------------------------------------------------------------------------- */

/* A bit of everything. */
static void declare_all(struct weir_builder *builder)
{
    static const char *const stores[] = {"s", NULL};
    const struct weir_processor processor = {.process = swallow, .stores = stores};
    weir_add_store(builder, "s", WEIR_STRING, WEIR_STRING, NULL);
    struct weir_table *table = weir_table(builder, "t", WEIR_STRING, WEIR_STRING, NULL);
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    stream = weir_named(weir_map(stream, same, NULL, WEIR_STRING, WEIR_STRING), "mapped");
    struct weir_split *split = weir_split(stream);
    struct weir_stream *branch = weir_branch(split, any, NULL);
    branch = weir_process(branch, &processor, NULL, NULL);
    stream = weir_merge(branch, weir_branch_default(split));
    stream = weir_left_join(stream, table, left_value, NULL, WEIR_STRING);
    stream = weir_stream_join(
        stream, weir_select_key(stream, value_as_key, NULL, WEIR_STRING), left_value, NULL,
        WEIR_STRING,
        WEIR_WITHIN(.kind = WEIR_JOIN_OUTER, .after_ms = 9, .name = "meet", .store_name = "kept"));
    struct weir_windowed_stream *windowed = weir_windowed_by(
        weir_group_by(stream, value_as_key, NULL, WEIR_STRING), (struct weir_tumbling){10, 0});
    weir_to(weir_to_stream(weir_windowed_count(windowed, NULL)), "out");
    weir_foreach(weir_repartition(stream, "r", 2), any, NULL);
}

START_TEST(each_allocation_of_a_builder_may_fail)
{
    uint64_t fail_at = 1;
    for (bool has_failed = true; has_failed; fail_at++) {
        struct weir_builder *builder = weir_builder_new();
        struct weir_error error = {0};
        builder->arena.block_size = 1; /* each allocation is one of the heap's */
        atomic_store(&builder->heap.fail_at, fail_at);
        declare_all(builder);
        struct weir_topology *topology = weir_build(builder, &error);
        has_failed = topology == NULL;
        if (has_failed) ck_assert_int_eq(error.code, WEIR_NO_MEMORY);
        weir_topology_free(topology);
        weir_builder_free(builder);
    }
    ck_assert_uint_gt(fail_at, 100);
}
END_TEST

START_TEST(each_allocation_of_a_topology_may_fail)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_error error = {0};
    declare_all(builder);
    ck_ok(weir_optimize(builder, &error), &error);
    ck_ok(weir_validate(builder, &error), &error);
    int rc = WEIR_NO_MEMORY;
    for (uint64_t fail_at = 1; rc < 0; fail_at++) {
        struct weir_topology topology = {.magic = WEIR_TOPOLOGY_MAGIC};
        weir_heap_init(&topology.heap, false);
        weir_budget_init(&topology.budget, "topology", &topology.heap, NULL, 0);
        weir_arena_init(&topology.arena, &topology.budget, 1);
        atomic_store(&topology.heap.fail_at, fail_at);
        rc = weir_lower(builder, &topology, &error);
        if (rc < 0) ck_assert_int_eq(rc, WEIR_NO_MEMORY);
        weir_arena_close(&topology.arena);
        ck_assert_uint_eq(atomic_load(&topology.budget.used), 0);
        ck_assert_uint_lt(fail_at, 10000);
    }
    weir_builder_free(builder);
}
END_TEST

/* A repartition topic is called after its store, with one suffix, also where the store has it. */
START_TEST(a_repartition_topic_has_its_suffix_once)
{
    static const char *const stores[] = {"counts", "counts-repartition"};
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_grouped *grouped = weir_group_by(stream, value_as_key, NULL, WEIR_STRING);
    (void)weir_count(grouped, WEIR_STORE(.name = stores[_i]));
    struct weir_topology *topology = build(builder);
    size_t found = 0;
    for (size_t i = 0; i < topology->topic_count; i++) {
        if (!topology->topics[i].is_repartition) continue;
        ck_assert_str_eq(topology->topics[i].name, "counts-repartition");
        found++;
    }
    ck_assert_uint_eq(found, 1);
    weir_topology_free(topology);
}
END_TEST

/* A builder can be built twice: what was declared did not change. */
START_TEST(builder_is_built_twice)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_error error;
    declare_all(builder);
    struct weir_topology *first = weir_build(builder, &error);
    struct weir_topology *second = weir_build(builder, &error);
    weir_builder_free(builder);
    ck_assert_str_eq(weir_topology_describe(first), weir_topology_describe(second));
    weir_topology_free(first);
    weir_topology_free(second);
}
END_TEST

/* ---- what topics say of their records --------------------------------------------------------- */

struct inner {
    double ratio;
};
struct outer {
    bool is_new;
    int32_t small;
    int64_t large;
    char name[8];
    struct weir_slice note;
    struct inner inner;
};
static const struct weir_field inner_fields[] = {WEIR_FIELD_DOUBLE(struct inner, ratio)};
static const struct weir_struct_type inner_type = {"inner", sizeof(struct inner), 1, inner_fields,
                                                   1};
static const struct weir_field outer_fields[] = {
    WEIR_FIELD_BOOL(struct outer, is_new),
    WEIR_FIELD_INT32(struct outer, small),
    WEIR_FIELD_INT64(struct outer, large),
    WEIR_FIELD_TEXT(struct outer, name),
    {"note", WEIR_FIELD_KIND_SLICE, offsetof(struct outer, note), sizeof(struct weir_slice), 2,
     NULL},
    WEIR_FIELD_STRUCT(struct outer, inner, &inner_type),
};
static const struct weir_struct_type outer_type = {"outer", sizeof(struct outer), 2, outer_fields,
                                                   6};
static const struct weir_serde outer_serde = WEIR_STRUCT_SERDE(&outer_type, struct outer);
static const struct weir_field odd_fields[] = {
    {"a]", WEIR_FIELD_KIND_BOOL, 0, sizeof(bool), 0, NULL}};
static const struct weir_struct_type odd_type = {"odd", sizeof(struct outer), 1, odd_fields, 1};
static const struct weir_serde odd_serde = WEIR_STRUCT_SERDE(&odd_type, struct outer);

static void expect_formats(const struct weir_topology *topology, const char *topic, const char *key,
                           const char *value)
{
    for (size_t i = 0; i < topology->topic_count; i++) {
        const struct weir_plan_topic *plan = &topology->topics[i];
        if (strcmp(plan->name, topic) != 0) continue;
        ck_assert_pstr_eq(plan->formats.key.text, key);
        ck_assert_pstr_eq(plan->formats.value.text, value);
        return;
    }
    ck_abort_msg("no topic %s", topic);
}

/* The library's serdes have texts, those of others have none; nodes that share a topic have to agree. */
START_TEST(topics_and_changelogs_say_what_they_hold)
{
    static const struct weir_serde own = {.name = "own", .object_size = 1};
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *numbers = weir_stream(builder, "numbers", WEIR_INT32, WEIR_DOUBLE);
    (void)weir_stream(builder, "structs", WEIR_BYTES, &outer_serde);
    (void)weir_stream(builder, "odd", &own, &odd_serde);
    weir_to(numbers, "mixed");
    weir_to(weir_map_values(numbers, same_value, NULL, WEIR_STRING), "mixed");
    weir_to(numbers, "half");
    weir_to(weir_map_values(numbers, same_value, NULL, WEIR_BYTES), "half");
    struct weir_grouped *grouped = weir_group_by_key(
        weir_repartition(weir_select_key(numbers, value_as_key, NULL, WEIR_INT64), "again", 0));
    (void)weir_count(grouped, WEIR_STORE(.name = "counts"));
    struct weir_tumbling window = {.size_ms = 10};
    weir_to(weir_to_stream(weir_windowed_count(weir_windowed_by(grouped, window),
                                               WEIR_STORE(.name = "windows"))),
            "windows");
    struct weir_topology *topology = build(builder);
    expect_formats(topology, "numbers", "i32", "f64");
    expect_formats(topology, "structs", NULL,
                   "struct[is_new:bool,small:i32,large:i64,name:text,note:slice@2,"
                   "inner:struct[ratio:f64]]");
    expect_formats(topology, "odd", NULL, NULL);
    expect_formats(topology, "mixed", "i32", "");
    expect_formats(topology, "half", "i32", "");
    expect_formats(topology, "again-repartition", "i64", "f64");
    expect_formats(topology, "windows", "windowed[i64]", "i64");
    ck_assert_str_eq(store_of(topology, "counts")->formats.key.text, "i64");
    ck_assert_str_eq(store_of(topology, "counts")->formats.value.text, "i64");
    ck_assert_str_eq(store_of(topology, "windows")->formats.key.text, "windowed-changelog[i64]");
    ck_assert(topology->topics[node_of(topology, "KSTREAM-SOURCE-0000000000")->topic].is_written ==
              false);
    weir_topology_free(topology);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("plan");
    tcase_add_test(tests, chains_and_forks_go_batch_by_batch);
    tcase_add_test(tests, paths_meet_at_a_node);
    tcase_add_test(tests, paths_meet_at_a_topic);
    tcase_add_test(tests, paths_below_a_maker_of_rows_meet_at_a_topic);
    tcase_add_test(tests, paths_meet_at_a_store_that_one_changes);
    tcase_add_test(tests, path_comes_back_to_a_store);
    tcase_add_test(tests, cached_tables_end_paths);
    tcase_add_test(tests, join_needs_equal_partition_counts);
    tcase_add_test(tests, merged_streams_of_an_aggregate_need_equal_partition_counts);
    tcase_add_test(tests, stores_are_kept_as_asked);
    tcase_add_test(tests, topic_serves_as_changelog);
    tcase_add_test(tests, repartition_keeps_null_keys_for_a_left_join);
    tcase_add_test(tests, windowed_keys_are_written_and_read);
    tcase_add_test(tests, each_allocation_of_a_builder_may_fail);
    tcase_add_test(tests, each_allocation_of_a_topology_may_fail);
    tcase_add_loop_test(tests, a_repartition_topic_has_its_suffix_once, 0, 2);
    tcase_add_test(tests, builder_is_built_twice);
    tcase_add_test(tests, topics_and_changelogs_say_what_they_hold);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("plan", add);
}
