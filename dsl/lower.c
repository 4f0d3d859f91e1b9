/* From the logical plan to the physical one: all that a job needs, in the topology's arena. */
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "dsl/logical.h"
#include "runtime/task/topology_dump.h"
#include "runtime/state/key_schema.h"

#define CHANGELOG_EXTRA_RETENTION_MS (INT64_C(24) * 60 * 60 * 1000)

struct lowering {
    const struct weir_builder *builder;
    struct weir_topology *topology;
    struct weir_arena *arena;
    struct weir_plan_node *nodes;
    struct weir_plan_topic *topics;
    struct weir_plan_store *stores;
    int32_t *node_ids;  /* by logical node; of a merged source: of what it went into */
    int32_t *store_ids; /* by logical store; -1: not needed */
};

static const char *copy_text(struct lowering *lowering, const char *text)
{
    return weir_arena_printf(lowering->arena, "%s", text);
}

/* ---- topics ---------------------------------------------------------------------------------- */

static int32_t topic_of(struct lowering *lowering, const struct weir_logical_node *node)
{
    struct weir_topology *topology = lowering->topology;
    const struct weir_logical_repartition *repartition = node->repartition;
    const char *name = repartition != NULL ? repartition->topic : node->topic;
    if (name == NULL || weir_arena_failed(lowering->arena)) return -1;
    for (size_t i = 0; i < topology->topic_count; i++) {
        const struct weir_plan_topic *topic = &lowering->topics[i];
        if (topic->is_repartition != (repartition != NULL)) continue;
        if (strcmp(topic->name, name) == 0) return (int32_t)i;
    }
    const char *copy = copy_text(lowering, name);
    if (copy == NULL) return -1;
    weir_assert(topology->topic_count < lowering->builder->node_count); /* of which each has one */
    lowering->topics[topology->topic_count] = (struct weir_plan_topic){
        .name = copy,
        .is_repartition = repartition != NULL,
        .partition_count = repartition != NULL ? repartition->partition_count : 0,
    };
    return (int32_t)topology->topic_count++;
}

static struct weir_plan_format format_of(struct lowering *lowering, const struct weir_serde *serde,
                                         bool is_changelog)
{
    return (struct weir_plan_format){weir_serde_format(lowering->arena, serde, is_changelog),
                                     weir_serde_version(serde)};
}

/* What a node's serdes make of its topic. Several nodes may share one, and then have to agree; who writes bytes of
 * an unknown kind agrees with nobody, who reads them as such says nothing. */
static void note_format(struct weir_plan_format *known, struct weir_plan_format format,
                        bool is_written)
{
    if (format.text == NULL && !is_written) return;
    if (format.text == NULL) format.text = "";
    if (known->text == NULL) known->text = format.text;
    if (strcmp(known->text, format.text) != 0) known->text = "";
    if (format.version > known->version) known->version = format.version;
}

static void note_formats(struct lowering *lowering, const struct weir_plan_node *node)
{
    bool is_written = node->kind == WEIR_PLAN_SINK;
    weir_assert(node->topic < (int32_t)lowering->topology->topic_count);
    if (node->topic < 0 || weir_arena_failed(lowering->arena)) return;
    struct weir_plan_topic *topic = &lowering->topics[node->topic];
    topic->is_written |= is_written;
    note_format(&topic->formats.key, format_of(lowering, node->key_serde, false), is_written);
    note_format(&topic->formats.value, format_of(lowering, node->value_serde, false), is_written);
}

/* ---- stores ---------------------------------------------------------------------------------- */

static void lower_stores(struct lowering *lowering)
{
    const struct weir_builder *builder = lowering->builder;
    struct weir_topology *topology = lowering->topology;
    for (size_t i = 0; i < builder->store_count; i++) {
        const struct weir_logical_store *store = builder->stores[i];
        lowering->store_ids[i] = -1;
        if (!store->is_needed) continue;
        lowering->store_ids[i] = (int32_t)topology->store_count;
        struct weir_plan_store *plan = &lowering->stores[topology->store_count++];
        *plan = (struct weir_plan_store){.spec = store->spec, .source_topic = -1};
        plan->spec.name = copy_text(lowering, store->name);
        const bool is_versioned = store->spec.schema == &weir_key_schema_versioned;
        const bool has_time =
            weir_key_schema_has_time(weir_store_spec_schema(&store->spec)) && !is_versioned;
        plan->formats = (struct weir_plan_formats){
            .key = format_of(lowering, store->key_serde, has_time),
            .value = format_of(lowering, store->value_serde, false),
        };
        if (store->spec.schema == &weir_key_schema_slice) {
            plan->formats.key.text = weir_slice_format(lowering->arena, store->key_serde,
                                                       weir_windowed_serde_size(store->key_serde));
        }
        if (has_time) {
            const bool ends = store->spec.retention_ms < INT64_MAX - CHANGELOG_EXTRA_RETENTION_MS;
            plan->changelog_retention_ms =
                ends ? store->spec.retention_ms + CHANGELOG_EXTRA_RETENTION_MS : INT64_MAX;
            plan->is_changelog_uncompacted = store->spec.schema->number_size > 0;
        }
        if (is_versioned) {
            plan->formats.value.text = weir_versioned_format(lowering->arena, store->value_serde);
            /* what is put late stands behind what is newer */
            plan->changelog_compaction_lag_ms =
                weir_saturating_add(store->spec.retention_ms - 1, CHANGELOG_EXTRA_RETENTION_MS);
        }
        if (store->table_node >= 0) { /* the topic it is made from serves as its changelog */
            const struct weir_logical_node *table = builder->nodes[store->table_node];
            weir_assert(table->parent_count == 1);
            plan->source_topic = topic_of(lowering, builder->nodes[table->parents[0]]);
        }
    }
}

/* ---- the operators' own structs -------------------------------------------------------------- */

static void *copy_array(struct lowering *lowering, const void *from, size_t count, size_t size)
{
    void *to = weir_arena_array(lowering->arena, count, size);
    if (to != NULL && count > 0) memcpy(to, from, count * size);
    return to;
}

static void lower_branch(struct lowering *lowering, struct weir_branch_config *config)
{
    config->predicates =
        copy_array(lowering, config->predicates, config->count, sizeof *config->predicates);
    config->contexts =
        copy_array(lowering, config->contexts, config->count, sizeof *config->contexts);
}

static const struct weir_serde **move_serdes(struct lowering *lowering,
                                             const struct weir_serde *const *serdes, size_t count)
{
    const struct weir_serde **moved = copy_array(lowering, serdes, count, sizeof(void *));
    for (size_t i = 0; moved != NULL && i < count; i++) {
        moved[i] = weir_serde_move(lowering->arena, serdes[i]);
    }
    return moved;
}

static void lower_process(struct lowering *lowering, struct weir_process_config *config)
{
    size_t count = config->store_count;
    const char **names = weir_arena_array(lowering->arena, count + 1, sizeof *names);
    if (names == NULL) return;
    for (size_t i = 0; i < count; i++)
        names[i] = copy_text(lowering, config->store_names[i]);
    names[count] = NULL;
    config->store_names = names;
    config->processor.stores = names;
    config->store_keys = move_serdes(lowering, config->store_keys, count);
    config->store_values = move_serdes(lowering, config->store_values, count);
    config->store_records = move_serdes(lowering, config->store_records, count);
    config->store_is_declared =
        copy_array(lowering, config->store_is_declared, count, sizeof *config->store_is_declared);
}

static const void *lower_config(struct lowering *lowering, const struct weir_logical_node *node)
{
    struct weir_arena *arena = lowering->arena;
    if (node->config == NULL) return NULL;
    void *copy = copy_array(lowering, node->config, 1, node->config_size);
    if (copy == NULL) return NULL;
    switch (node->kind) {
    case WEIR_LOGICAL_PLAIN:
        break;
    case WEIR_LOGICAL_BRANCH:
        lower_branch(lowering, copy);
        break;
    case WEIR_LOGICAL_TABLE: {
        struct weir_table_config *config = copy;
        config->key_serde = weir_serde_move(arena, config->key_serde);
        config->value_serde = weir_serde_move(arena, config->value_serde);
        break;
    }
    case WEIR_LOGICAL_AGGREGATE: {
        struct weir_aggregate_config *config = copy;
        config->key_serde = weir_serde_move(arena, config->key_serde);
        config->value_serde = weir_serde_move(arena, config->value_serde);
        break;
    }
    case WEIR_LOGICAL_JOIN: {
        struct weir_join_config *config = copy;
        config->key_serde = weir_serde_move(arena, config->key_serde);
        config->value_serde = weir_serde_move(arena, config->value_serde);
        config->table_value_serde = weir_serde_move(arena, config->table_value_serde);
        break;
    }
    case WEIR_LOGICAL_JOIN_WINDOW: {
        struct weir_join_window_config *config = copy;
        config->key_serde = weir_serde_move(arena, config->key_serde);
        config->value_serde = weir_serde_move(arena, config->value_serde);
        break;
    }
    case WEIR_LOGICAL_STREAM_JOIN: {
        struct weir_stream_join_config *config = copy;
        config->key_serde = weir_serde_move(arena, config->key_serde);
        config->left_serde = weir_serde_move(arena, config->left_serde);
        config->right_serde = weir_serde_move(arena, config->right_serde);
        break;
    }
    case WEIR_LOGICAL_PROCESS:
        lower_process(lowering, copy);
        break;
    }
    return copy;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static const struct weir_operator_ops *plan_ops(const struct weir_logical_node *node)
{
    const bool keeps_null_keys = node->repartition != NULL && node->repartition->keeps_null_keys;
    return node->ops->traits.drops_null_keys && keeps_null_keys ? &weir_pass_ops : node->ops;
}

/* Stores that are needed, by their index in the plan. */
static void lower_node_stores(struct lowering *lowering, const struct weir_logical_node *node,
                              struct weir_plan_node *plan)
{
    int32_t *stores = weir_arena_array(lowering->arena, node->store_count, sizeof *stores);
    if (stores == NULL) return;
    for (size_t i = 0; i < node->store_count; i++) {
        weir_assert((size_t)node->stores[i] < lowering->builder->store_count);
        int32_t store = lowering->store_ids[node->stores[i]];
        if (store >= 0) stores[plan->store_count++] = store;
    }
    plan->stores = stores;
}

static void lower_parents(struct lowering *lowering, const struct weir_logical_node *node,
                          struct weir_plan_node *plan)
{
    int32_t *parents = weir_arena_array(lowering->arena, node->parent_count, sizeof *parents);
    if (parents == NULL) return;
    for (size_t i = 0; i < node->parent_count; i++) {
        int32_t parent = lowering->node_ids[node->parents[i]];
        weir_assert(parent >= 0 && parent < plan->id);
        /* Two streams of one topic became one source: merged with itself it arrives once. */
        if (plan->parent_count == 1 && parents[0] == parent) continue;
        parents[plan->parent_count++] = parent;
    }
    plan->parents = parents;
}

/* A windowed one is the builder's own, and ends with it. */
static const char *serde_name(const struct weir_serde *serde)
{
    return serde == NULL || weir_serde_is_windowed(serde) ? NULL : serde->name;
}

/* What comes in is what the parent forwards; two parents, of a merge, have equal serdes. */
static struct weir_plan_layouts layouts_of(const struct weir_builder *builder,
                                           const struct weir_logical_node *node)
{
    struct weir_plan_layouts layouts = {
        .key = weir_serde_object_layout(node->key_serde),
        .value = weir_serde_object_layout(node->value_serde),
        .key_serde = serde_name(node->key_serde),
        .value_serde = serde_name(node->value_serde),
    };
    if (node->parent_count > 0) {
        const struct weir_logical_node *parent = builder->nodes[node->parents[0]];
        layouts.key_in = weir_serde_object_layout(parent->key_serde);
        layouts.value_in = weir_serde_object_layout(parent->value_serde);
        if (node->kind == WEIR_LOGICAL_JOIN) {
            const struct weir_join_config *config = node->config;
            layouts.other_in = weir_serde_object_layout(config->table_value_serde);
        }
        if (node->kind == WEIR_LOGICAL_STREAM_JOIN) { /* the joiner is given left and right */
            const struct weir_stream_join_config *config = node->config;
            layouts.value_in = weir_serde_object_layout(config->left_serde);
            layouts.other_in = weir_serde_object_layout(config->right_serde);
        }
        layouts.window_in = weir_serde_object_layout(weir_windowed_serde_key(parent->key_serde));
    }
    return layouts;
}

static void lower_node(struct lowering *lowering, const struct weir_logical_node *node)
{
    struct weir_topology *topology = lowering->topology;
    weir_assert(node->merged_into <= node->id); /* the first of its topic */
    weir_assert(node->name != NULL);            /* weir_optimize gave it one */
    if (node->merged_into != node->id) {
        lowering->node_ids[node->id] = lowering->node_ids[node->merged_into];
        return;
    }
    int32_t id = (int32_t)topology->node_count++;
    lowering->node_ids[node->id] = id;
    struct weir_plan_node *plan = &lowering->nodes[id];
    *plan = (struct weir_plan_node){
        .id = id,
        .name = copy_text(lowering, node->name),
        .kind = node->ops->kind,
        .ops = plan_ops(node),
        .config = lower_config(lowering, node),
        .topic = topic_of(lowering, node),
        .key_serde = weir_serde_move(lowering->arena, node->key_serde),
        .value_serde = weir_serde_move(lowering->arena, node->value_serde),
        .layouts = layouts_of(lowering->builder, node),
    };
    /* A repartition goes by the whole key, as it does in Kafka Streams. */
    if (node->ops->kind == WEIR_PLAN_SINK && node->repartition == NULL) {
        plan->unhashed_key_suffix = weir_serde_times_size(node->key_serde);
    }
    if (plan->kind == WEIR_PLAN_OPERATOR) plan->topic = -1;
    note_formats(lowering, plan);
    lower_node_stores(lowering, node, plan);
    lower_parents(lowering, node, plan);
}

/* In order of declaration, which is the order in which records visit them. */
static void connect_children(struct lowering *lowering)
{
    size_t count = lowering->topology->node_count;
    for (size_t i = 0; i < count; i++) {
        struct weir_plan_node *node = &lowering->nodes[i];
        int32_t *children = weir_arena_array(lowering->arena, count, sizeof *children);
        if (children == NULL) return;
        for (size_t j = i + 1; j < count; j++) {
            const struct weir_plan_node *other = &lowering->nodes[j];
            for (size_t p = 0; p < other->parent_count; p++) {
                if (other->parents[p] == node->id) children[node->child_count++] = other->id;
            }
        }
        node->children = children;
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int lowering_init(struct lowering *lowering, const struct weir_builder *builder,
                         struct weir_topology *topology)
{
    struct weir_arena *arena = &topology->arena;
    *lowering = (struct lowering){
        .builder = builder,
        .topology = topology,
        .arena = arena,
        .nodes = weir_arena_array(arena, builder->node_count, sizeof *lowering->nodes),
        .topics = weir_arena_array(arena, builder->node_count, sizeof *lowering->topics),
        .stores = weir_arena_array(arena, builder->store_count, sizeof *lowering->stores),
        .node_ids = weir_arena_array(arena, builder->node_count, sizeof(int32_t)),
        .store_ids = weir_arena_array(arena, builder->store_count, sizeof(int32_t)),
    };
    return weir_arena_failed(arena) ? WEIR_NO_MEMORY : 0;
}

int weir_lower(const struct weir_builder *builder, struct weir_topology *topology,
               struct weir_error *error)
{
    struct lowering lowering;
    int rc = lowering_init(&lowering, builder, topology);
    if (rc < 0) return weir_error_set(error, WEIR_NO_MEMORY, "no memory to build");
    topology->nodes = lowering.nodes;
    topology->topics = lowering.topics;
    topology->stores = lowering.stores;
    /* Topics are numbered as nodes name them. */
    for (size_t i = 0; i < builder->node_count; i++)
        (void)topic_of(&lowering, builder->nodes[i]);
    lower_stores(&lowering);
    for (size_t i = 0; i < builder->node_count; i++)
        lower_node(&lowering, builder->nodes[i]);
    connect_children(&lowering);
    if (weir_arena_failed(&topology->arena)) {
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory to build");
    }
    rc = weir_order_mark(topology, lowering.nodes, error);
    if (rc == 0) rc = weir_partition(topology, lowering.nodes, lowering.stores, error);
    if (rc < 0) return rc;
    topology->description = weir_describe(topology);
    topology->dump = weir_topology_dump_text(topology);
    return topology->description != NULL
               ? 0
               : weir_error_set(error, WEIR_NO_MEMORY, "no memory to build");
}
