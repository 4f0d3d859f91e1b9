/**
 * The invariants of what is declared and of what comes of it: each row breaks a field of something whole,
 * and the check has to end the program. What costs O(n) to see is asked for only where assertions may be slow.
 */
#include "dsl/logical.h"
#include "tests/support/broken.h"
#include "tests/unit/dsl/user_functions.h"

/* ---- a builder: a table over a topic -------------------------------------------------------------- */

static struct weir_builder *builder;

static void set_up_builder(void)
{
    builder = weir_builder_new();
    (void)weir_table(builder, "in", WEIR_STRING, WEIR_STRING, WEIR_STORE(.name = "rows"));
    ck_assert_uint_eq(builder->node_count, 2);
    ck_assert_uint_eq(builder->store_count, 1);
}

static void tear_down_builder(void)
{
    weir_builder_free(builder);
}

START_TEST(a_whole_builder_passes)
{
    weir_builder_check(builder);
    (void)weir_builder_fail(builder, "x", "a mistake");
    weir_builder_check(builder);
}
END_TEST

BREAKS(builder_magic, builder->magic++)
BREAKS(node_capacity, builder->node_capacity = 1)
BREAKS(store_capacity, builder->store_capacity = 0)
BREAKS(negative_number, builder->next_number = -1)
BREAKS(failed_for_nothing, builder->has_failed = true)
BREAKS(mistake_is_lost, builder->error.code = WEIR_INVALID_TOPOLOGY)
#ifdef WEIR_SLOW_ASSERTIONS
BREAKS(other_id, builder->nodes[1]->id = 0)
BREAKS(no_ops, builder->nodes[0]->ops = NULL)
BREAKS(three_parents, builder->nodes[1]->parent_count = 3)
BREAKS(parent_of_itself, ((int32_t *)builder->nodes[1]->parents)[0] = 1)
BREAKS(unknown_store, ((int32_t *)builder->nodes[1]->stores)[0] = 1)
BREAKS(store_without_name, builder->stores[0]->name = NULL)
BREAKS(unknown_table, builder->stores[0]->table_node = 2)
#endif

static void (*const broken_builders[])(void) = {
    builder_magic,      node_capacity, store_capacity, negative_number,  failed_for_nothing,
    mistake_is_lost,
#ifdef WEIR_SLOW_ASSERTIONS
    other_id,           no_ops,        three_parents,  parent_of_itself, unknown_store,
    store_without_name, unknown_table,
#endif
};

START_TEST(a_broken_builder_ends_the_program)
{
    broken_builders[_i]();
    weir_builder_check(builder);
}
END_TEST

/* ---- a split with two branches -------------------------------------------------------------------- */

static struct weir_split *split;

static void set_up_split(void)
{
    builder = weir_builder_new();
    split = weir_split(weir_stream(builder, "in", WEIR_STRING, WEIR_STRING));
    (void)weir_branch(split, any, NULL);
    (void)weir_branch(split, any, NULL);
    ck_assert_int_eq(split->branch_count, 2);
}

static void be_dead(void)
{
    split->node = NULL;
    split->config = NULL;
}

START_TEST(a_whole_split_passes)
{
    weir_split_check(split);
    be_dead();
    weir_split_check(split);
}
END_TEST

BREAKS(split_magic, split->magic++)
BREAKS(half_dead, split->node = NULL)
BREAKS(config_of_another, split->node->config = NULL)
BREAKS(of_a_dead_stream, split->stream.node = -1)
BREAKS(branch_count, split->branch_count++)
BREAKS(negative_branches, be_dead(); split->branch_count = -1)
BREAKS(branch_capacity, split->capacity = 1)
BREAKS(other_predicates, split->predicates = NULL)
BREAKS(other_contexts, split->contexts = NULL)

static void (*const broken_splits[])(void) = {
    split_magic,       half_dead,       config_of_another, of_a_dead_stream, branch_count,
    negative_branches, branch_capacity, other_predicates,  other_contexts,
};

START_TEST(a_broken_split_ends_the_program)
{
    broken_splits[_i]();
    weir_split_check(split);
}
END_TEST

/* ---- a topology: a source, a count, a sink --------------------------------------------------------- */

static struct weir_topology *topology;
static struct weir_plan_node *nodes;
static struct weir_plan_store *stores;
static struct weir_plan_subtopology *subtopologies;

static void set_up_topology(void)
{
    builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_table *counts = weir_count(weir_group_by_key(stream), WEIR_STORE(.name = "counts"));
    weir_to(weir_to_stream(counts), "out");
    topology = weir_build(builder, NULL);
    ck_assert_ptr_nonnull(topology);
    /* Constant for everybody else. */
    nodes = (struct weir_plan_node *)topology->nodes;
    stores = (struct weir_plan_store *)topology->stores;
    subtopologies = (struct weir_plan_subtopology *)topology->subtopologies;
}

static void tear_down_topology(void)
{
    weir_topology_free(topology);
    weir_builder_free(builder);
}

START_TEST(a_whole_topology_passes)
{
    weir_topology_check(topology);
}
END_TEST

BREAKS(topology_magic, topology->magic++)
BREAKS(plan_id, nodes[1].id = 0)
BREAKS(plan_name, nodes[1].name = NULL)
BREAKS(plan_ops, nodes[1].ops = NULL)
BREAKS(plan_subtopology, nodes[1].subtopology = 1)
BREAKS(source_of_nothing, nodes[0].topic = 2)
BREAKS(operator_at_a_topic, nodes[1].topic = 0)
BREAKS(source_with_parents, nodes[0].parent_count = 1)
BREAKS(orphan, nodes[1].parent_count = 0)
BREAKS(sink_goes_on, nodes[topology->node_count - 1].child_count = 1)
BREAKS(own_parent, ((int32_t *)nodes[1].parents)[0] = 1)
BREAKS(own_child, ((int32_t *)nodes[1].children)[0] = 1)
BREAKS(no_such_child, ((int32_t *)nodes[1].children)[0] = 100)
BREAKS(no_such_store, ((int32_t *)nodes[1].stores)[0] = 1)
BREAKS(nameless_store, stores[0].spec.name = NULL)
BREAKS(store_elsewhere, stores[0].subtopology = 1)
BREAKS(store_of_no_topic, stores[0].source_topic = 2)
BREAKS(negative_retention, stores[0].changelog_retention_ms = -1)
BREAKS(no_sources, subtopologies[0].source_count = 0)
BREAKS(node_of_none, ((int32_t *)subtopologies[0].nodes)[0] = 100)
BREAKS(source_is_none, ((int32_t *)subtopologies[0].sources)[0] = 1)
BREAKS(store_of_none, ((int32_t *)subtopologies[0].stores)[0] = 1)

static void (*const broken_topologies[])(void) = {
    topology_magic,
    plan_id,
    plan_name,
    plan_ops,
    plan_subtopology,
    source_of_nothing,
    operator_at_a_topic,
    source_with_parents,
    orphan,
    sink_goes_on,
    own_parent,
    own_child,
    no_such_child,
    no_such_store,
    nameless_store,
    store_elsewhere,
    store_of_no_topic,
    negative_retention,
    no_sources,
    node_of_none,
    source_is_none,
    store_of_none,
};

START_TEST(a_broken_topology_ends_the_program)
{
    broken_topologies[_i]();
    weir_topology_check(topology);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("builder");
    tcase_add_checked_fixture(tests, set_up_builder, tear_down_builder);
    tcase_add_test(tests, a_whole_builder_passes);
    ADD_BROKEN(tests, a_broken_builder_ends_the_program, broken_builders);
    suite_add_tcase(suite, tests);
    tests = tcase_create("split");
    tcase_add_checked_fixture(tests, set_up_split, tear_down_builder);
    tcase_add_test(tests, a_whole_split_passes);
    ADD_BROKEN(tests, a_broken_split_ends_the_program, broken_splits);
    suite_add_tcase(suite, tests);
    tests = tcase_create("topology");
    tcase_add_checked_fixture(tests, set_up_topology, tear_down_topology);
    tcase_add_test(tests, a_whole_topology_passes);
    ADD_BROKEN(tests, a_broken_topology_ends_the_program, broken_topologies);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("dsl checks", add);
}
