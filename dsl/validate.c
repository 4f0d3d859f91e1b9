/* What only shows when the whole graph is there: doubled names, missing serdes, stores that nobody
 * uses, topics read in two ways, or written in one and read in another. What is wrong with one call was said by that call. */
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "dsl/logical.h"
#include "runtime/state/key_schema.h"

#define FAIL(error, ...) weir_error_set((error), WEIR_INVALID_TOPOLOGY, __VA_ARGS__)

static int check_not_empty(const struct weir_builder *builder, struct weir_error *error)
{
    if (builder->node_count > 0) return 0;
    return FAIL(error, "the graph is empty: begin with weir_stream or weir_table");
}

static int check_names(const struct weir_builder *builder, struct weir_error *error)
{
    for (size_t i = 0; i < builder->node_count; i++) {
        const struct weir_logical_node *node = builder->nodes[i];
        weir_assert(node->name != NULL); /* weir_optimize comes first */
        for (size_t j = 0; j < i; j++) {
            const struct weir_logical_node *earlier = builder->nodes[j];
            if (strcmp(node->name, earlier->name) != 0) continue;
            if (node->repartition != NULL) {
                return FAIL(error,
                            "%s: there are two repartitions through '%s': each has a name of its "
                            "own",
                            node->name, node->repartition->topic);
            }
            return FAIL(error, "%s: there are two nodes of this name: each has its own",
                        node->name);
        }
    }
    return 0;
}

static int check_sinks(const struct weir_builder *builder, struct weir_error *error)
{
    for (size_t i = 0; i < builder->node_count; i++) {
        const struct weir_logical_node *node = builder->nodes[i];
        if (node->ops->kind != WEIR_PLAN_SINK) continue;
        if (node->key_serde != NULL && node->value_serde != NULL) continue;
        const char *side = node->key_serde == NULL ? "key" : "value";
        const char *topic = node->repartition != NULL ? node->repartition->topic : node->topic;
        return FAIL(error,
                    "%s: the %s has no serde, and topic '%s' needs one: pass it where the %s is "
                    "made",
                    node->name, side, topic, side);
    }
    return 0;
}

static int check_merged_sources(const struct weir_builder *builder, struct weir_error *error)
{
    for (size_t i = 0; i < builder->node_count; i++) {
        const struct weir_logical_node *node = builder->nodes[i];
        if (node->merged_into == node->id) continue;
        weir_assert(node->merged_into >= 0 && node->merged_into < node->id);
        const struct weir_logical_node *first = builder->nodes[node->merged_into];
        bool keys_equal = weir_serde_equal(node->key_serde, first->key_serde);
        if (keys_equal && weir_serde_equal(node->value_serde, first->value_serde)) continue;
        return FAIL(error,
                    "%s: topic '%s' is read with another %s serde by %s: read it once and map it",
                    node->name, node->topic, keys_equal ? "value" : "key", first->name);
    }
    return 0;
}

static int check_written_and_read(const struct weir_logical_node *sink,
                                  const struct weir_logical_node *source, struct weir_error *error)
{
    bool is_key = !weir_serde_may_read(source->key_serde, sink->key_serde);
    if (!is_key && weir_serde_may_read(source->value_serde, sink->value_serde)) return 0;
    const struct weir_serde *writer = is_key ? sink->key_serde : sink->value_serde;
    const struct weir_serde *reader = is_key ? source->key_serde : source->value_serde;
    const struct weir_serde *written = weir_windowed_serde_key(writer);
    const struct weir_serde *read = weir_windowed_serde_key(reader);
    return FAIL(error,
                "%s: topic '%s' is written with the %s serde %s%s%s, and %s reads it with %s%s%s: "
                "read it as it is written, or as bytes",
                sink->name, sink->topic, is_key ? "key" : "value", writer->name,
                written != NULL ? " " : "", written != NULL ? written->name : "", source->name,
                reader->name, read != NULL ? " " : "", read != NULL ? read->name : "");
}

/* A topic of the user's that goes out of the topology and comes in again. */
static int check_written_sources(const struct weir_builder *builder, struct weir_error *error)
{
    for (size_t i = 0; i < builder->node_count; i++) {
        const struct weir_logical_node *sink = builder->nodes[i];
        if (sink->ops->kind != WEIR_PLAN_SINK || sink->topic == NULL) continue;
        for (size_t j = 0; j < builder->node_count; j++) {
            const struct weir_logical_node *source = builder->nodes[j];
            if (source->ops->kind != WEIR_PLAN_SOURCE || source->topic == NULL) continue;
            if (strcmp(source->topic, sink->topic) != 0) continue;
            int rc = check_written_and_read(sink, source, error);
            if (rc < 0) return rc;
        }
    }
    return 0;
}

static size_t count_users(const struct weir_builder *builder, int32_t store)
{
    size_t count = 0;
    for (size_t i = 0; i < builder->node_count; i++) {
        const struct weir_logical_node *node = builder->nodes[i];
        for (size_t j = 0; j < node->store_count; j++) {
            if (node->stores[j] == store) count++;
        }
    }
    return count;
}

static int check_stores(const struct weir_builder *builder, struct weir_error *error)
{
    for (size_t i = 0; i < builder->store_count; i++) {
        const struct weir_logical_store *store = builder->stores[i];
        if (!store->is_declared) continue;
        const size_t count = count_users(builder, (int32_t)i);
        const bool has_duplicates = weir_store_spec_schema(&store->spec)->number_size > 0;
        if (count > 1 && has_duplicates) {
            return FAIL(error,
                        "%s: %zu processors are connected to this store, which keeps duplicates: "
                        "each numbers its rows, so it is one processor's",
                        store->name, count);
        }
        if (count > 0) continue;
        return FAIL(error,
                    "%s: no processor is connected to this store: name it in weir_processor.stores "
                    "or leave it out",
                    store->name);
    }
    return 0;
}

/* Whoever needs the value before a change would be told that there was none, of a row that was over. */
static int check_lives(const struct weir_builder *builder, struct weir_error *error)
{
    for (size_t i = 0; i < builder->store_count; i++) {
        const struct weir_logical_store *store = builder->stores[i];
        if (store->spec.ttl_ms == 0 || !store->spec.keeps_old) continue;
        return FAIL(
            error,
            "%s: its rows have a time to live, and what is built on it needs the value before "
            "each change: leave ttl_ms 0",
            store->name);
    }
    return 0;
}

/* Slices are no windows: what is in them is told by the operator that fills them alone. */
static int check_slices(const struct weir_builder *builder, struct weir_error *error)
{
    for (size_t i = 0; i < builder->node_count; i++) {
        const struct weir_logical_node *node = builder->nodes[i];
        if (node->ops->traits.fills_table) continue;
        for (size_t j = 0; j < node->store_count; j++) {
            const struct weir_logical_store *store = builder->stores[node->stores[j]];
            if (store->spec.schema != &weir_key_schema_slice) continue;
            return FAIL(error,
                        "%s: the store '%s' holds slices, of which no window can be read: keep "
                        "rows (WEIR_LAYOUT_ROWS)",
                        node->name, store->name);
        }
    }
    return 0;
}

static int check_splits(const struct weir_builder *builder, struct weir_error *error)
{
    for (size_t i = 0; i < builder->node_count; i++) {
        const struct weir_logical_node *node = builder->nodes[i];
        if (node->kind != WEIR_LOGICAL_BRANCH) continue;
        const struct weir_branch_config *config = node->config;
        if (config->count > 0) continue;
        return FAIL(error, "%s: a split without a branch: add one with weir_branch", node->name);
    }
    return 0;
}

int weir_validate(struct weir_builder *builder, struct weir_error *error)
{
    int rc = check_not_empty(builder, error);
    if (rc == 0) rc = check_names(builder, error);
    if (rc == 0) rc = check_sinks(builder, error);
    if (rc == 0) rc = check_merged_sources(builder, error);
    if (rc == 0) rc = check_written_sources(builder, error);
    if (rc == 0) rc = check_stores(builder, error);
    if (rc == 0) rc = check_lives(builder, error);
    if (rc == 0) rc = check_slices(builder, error);
    if (rc == 0) rc = check_splits(builder, error);
    return rc;
}
