/* Grouping and aggregates, plain and windowed. Numbers are taken in Kafka Streams' order: the
 * store's (if it has no name of its own), the aggregate's, then those of a repartition. */
#include "base/assert.h"
#include "dsl/logical.h"

static bool is_windowed(const struct weir_windowed_stream *windowed, const char *call)
{
    if (!weir_handle_is_given(windowed, call, "windowed stream")) return false;
    weir_assert(windowed->magic == WEIR_WINDOWED_MAGIC);
    return true;
}

/* ---- grouping -------------------------------------------------------------------------------- */

static struct weir_grouped *grouped_new(struct weir_builder *builder,
                                        const struct weir_stream *stream)
{
    struct weir_grouped *grouped = weir_arena_alloc_zero(&builder->arena, sizeof *grouped);
    if (grouped == NULL) {
        (void)weir_builder_no_memory(builder);
        return NULL;
    }
    grouped->magic = WEIR_GROUPED_MAGIC;
    grouped->stream = *stream;
    return grouped;
}

struct weir_grouped *weir_group_by_key(struct weir_stream *stream)
{
    if (!weir_handle_is_given(stream, "weir_group_by_key", "stream")) return NULL;
    return grouped_new(stream->builder, stream);
}

struct weir_grouped *weir_group_by(struct weir_stream *stream, weir_select_key_fn select,
                                   void *context, const struct weir_serde *key)
{
    if (!weir_handle_is_given(stream, "weir_group_by", "stream")) return NULL;
    const struct weir_stream *selected = weir_select_key(stream, select, context, key);
    return selected != NULL ? grouped_new(stream->builder, selected) : NULL;
}

/* ---- aggregates ------------------------------------------------------------------------------ */

/* What count, reduce and aggregate differ in. */
struct aggregate {
    struct weir_aggregate_config config;
    const char *call;         /* weir_count, where there is no name yet */
    const char *prefix;       /* KSTREAM-AGGREGATE- */
    const char *store_prefix; /* KSTREAM-AGGREGATE-STATE-STORE- */
    bool has_function;
};

static int check_aggregate(struct weir_builder *builder, const char *name,
                           const struct aggregate *aggregate, bool is_session)
{
    const bool needs_merge = is_session && aggregate->config.kind == WEIR_AGGREGATE_FOLD;
    if (!aggregate->has_function) {
        return weir_builder_fail(builder, name, "the %s is NULL: pass a function",
                                 aggregate->config.kind == WEIR_AGGREGATE_REDUCE ? "reducer"
                                                                                 : "aggregator");
    }
    if (needs_merge && aggregate->config.merge == NULL) {
        return weir_builder_fail(builder, name,
                                 "sessions become one, and there is no merger: pass one to "
                                 "weir_windowed_aggregate_merging");
    }
    if (aggregate->config.slice_ms > 0 && aggregate->config.kind == WEIR_AGGREGATE_FOLD &&
        aggregate->config.merge == NULL) {
        return weir_builder_fail(builder, name,
                                 "windows are merged out of slices, and there is no merger: pass "
                                 "one to weir_windowed_aggregate_merging");
    }
    if (aggregate->config.key_serde == NULL) {
        return weir_builder_fail(builder, name,
                                 "the key has no serde, and the table needs one: pass it where the "
                                 "key is made");
    }
    if (aggregate->config.value_serde == NULL) {
        return weir_builder_fail(builder, name,
                                 "the aggregate has no serde, and the table needs one: pass it");
    }
    return 0;
}

/* The node whose rows are folded: the stream's own, or the source behind a repartition. */
static int32_t partitioned_node(const struct weir_stream *stream,
                                const struct weir_logical_store *store)
{
    if (!stream->is_marked) return stream->node;
    const struct weir_logical_node *source =
        weir_builder_repartition(stream->builder, stream, store->name, 0);
    return source != NULL ? source->id : -1;
}

static struct weir_table *add_aggregate(const struct weir_stream *stream, const char *name,
                                        const struct aggregate *aggregate,
                                        const struct weir_operator_ops *ops,
                                        const struct weir_logical_store *described)
{
    struct weir_builder *builder = stream->builder;
    struct weir_table *table = weir_table_dead(builder);
    int32_t store = weir_builder_add_store(builder, described);
    if (table == NULL || store < 0) return table;
    int32_t parent = partitioned_node(stream, builder->stores[store]);
    if (parent < 0) return table;
    struct weir_logical_node *node =
        weir_builder_add(builder, WEIR_LOGICAL_AGGREGATE, name, ops, &aggregate->config,
                         sizeof aggregate->config, parent);
    if (node == NULL || weir_builder_set_stores(builder, node, &store, 1) < 0) return table;
    node->key_serde = described->key_serde;
    node->value_serde = described->value_serde;
    table->node = node->id;
    table->store = store;
    table->key_serde = node->key_serde;
    table->value_serde = node->value_serde;
    return table;
}

const struct weir_operator_ops *weir_window_ops(const struct weir_logical_window *window,
                                                enum weir_window_layout layout)
{
    if (layout == WEIR_LAYOUT_SLICES) return &weir_slices_ops;
    switch (window->kind) {
    case WEIR_WINDOW_NONE:
    case WEIR_WINDOW_UNLIMITED:
        return &weir_aggregate_ops;
    case WEIR_WINDOW_TIME:
        return window->advance_ms < window->size_ms || window->emits_on_close ? &weir_hopping_ops
                                                                              : &weir_aggregate_ops;
    case WEIR_WINDOW_SESSION:
        return &weir_session_ops;
    case WEIR_WINDOW_SLIDING:
        return &weir_sliding_ops;
    }
    return &weir_aggregate_ops;
}

void weir_window_configure(struct weir_aggregate_config *config,
                           const struct weir_logical_window *window,
                           const struct weir_materialized *read)
{
    config->window_size_ms = window->size_ms;
    config->window_advance_ms = window->advance_ms;
    config->window_start_ms = window->start_ms;
    config->session_gap_ms = window->gap_ms;
    config->grace_ms = window->grace_ms;
    config->emits_on_close = window->emits_on_close;
    config->slice_ms = read->layout == WEIR_LAYOUT_SLICES ? weir_window_slice(window) : 0;
    config->retention_ms =
        read->retention_ms > 0 ? read->retention_ms : weir_window_retention(window);
}

const struct weir_serde *weir_window_key_serde(struct weir_builder *builder,
                                               const struct weir_serde *key,
                                               const struct weir_logical_window *window)
{
    if (window->kind == WEIR_WINDOW_NONE) return key;
    return window->kind == WEIR_WINDOW_SESSION
               ? weir_session_serde_make(&builder->arena, key)
               : weir_windowed_serde_make(&builder->arena, key, window->size_ms);
}

static struct weir_table *aggregate_stream(const struct weir_stream *stream,
                                           struct aggregate *aggregate,
                                           struct weir_logical_window window,
                                           const struct weir_materialized *materialized)
{
    struct weir_builder *builder = stream->builder;
    if (!weir_stream_is_live(stream)) return weir_table_dead(builder);
    struct weir_materialized read;
    int rc = weir_materialized_read(builder, aggregate->call, materialized, window, &read);
    if (rc < 0) return weir_table_dead(builder);

    const char *store_name = read.name;
    if (store_name == NULL) store_name = weir_builder_name(builder, aggregate->store_prefix);
    const char *name = weir_builder_name(builder, aggregate->prefix);
    aggregate->config.key_serde = stream->key_serde;
    weir_window_configure(&aggregate->config, &window, &read);
    rc = check_aggregate(builder, name, aggregate, window.kind == WEIR_WINDOW_SESSION);
    if (rc == 0) rc = weir_builder_check_new_store(builder, name, store_name);
    if (rc < 0) return weir_table_dead(builder);
    struct weir_logical_store store = weir_materialized_store(&read, store_name, window);
    store.key_serde = weir_window_key_serde(builder, stream->key_serde, &window);
    store.value_serde = aggregate->config.value_serde;
    struct weir_table *table =
        add_aggregate(stream, name, aggregate, weir_window_ops(&window, read.layout), &store);
    if (table != NULL) table->window = window;
    return table;
}

static struct weir_table *count(const struct weir_stream *stream, struct weir_logical_window window,
                                const struct weir_materialized *materialized)
{
    struct aggregate aggregate = {
        .config = {.kind = WEIR_AGGREGATE_COUNT, .value_serde = WEIR_INT64},
        .call = "weir_count",
        .prefix = "KSTREAM-AGGREGATE-",
        .store_prefix = "KSTREAM-AGGREGATE-STATE-STORE-",
        .has_function = true,
    };
    /* Kafka Streams uses a number up here, not for sliding windows, and topologies keep their names by it. */
    if (weir_stream_is_live(stream) && materialized != NULL && materialized->name == NULL &&
        window.kind != WEIR_WINDOW_SLIDING) {
        stream->builder->next_number++;
    }
    return aggregate_stream(stream, &aggregate, window, materialized);
}

static struct weir_table *reduce(const struct weir_stream *stream,
                                 struct weir_logical_window window, weir_reduce_fn function,
                                 void *context, const struct weir_materialized *materialized)
{
    struct aggregate aggregate = {
        .config = {.kind = WEIR_AGGREGATE_REDUCE,
                   .reduce = function,
                   .context = context,
                   .value_serde = stream->value_serde},
        .call = "weir_reduce",
        .prefix = "KSTREAM-REDUCE-",
        .store_prefix = "KSTREAM-REDUCE-STATE-STORE-",
        .has_function = function != NULL,
    };
    return aggregate_stream(stream, &aggregate, window, materialized);
}

static struct weir_table *fold(const struct weir_stream *stream, struct weir_logical_window window,
                               weir_initialize_fn initialize, weir_aggregate_fn function,
                               weir_merge_fn merge, void *context, const struct weir_serde *value,
                               const struct weir_materialized *materialized)
{
    struct aggregate aggregate = {
        .config = {.kind = WEIR_AGGREGATE_FOLD,
                   .initialize = initialize,
                   .aggregate = function,
                   .merge = merge,
                   .context = context,
                   .initialize_context = context,
                   .value_serde = value},
        .call = "weir_aggregate",
        .prefix = "KSTREAM-AGGREGATE-",
        .store_prefix = "KSTREAM-AGGREGATE-STATE-STORE-",
        .has_function = function != NULL,
    };
    return aggregate_stream(stream, &aggregate, window, materialized);
}

static const struct weir_logical_window no_window = {0};

struct weir_table *weir_count(struct weir_grouped *grouped,
                              const struct weir_materialized *materialized)
{
    if (!weir_grouped_is_given(grouped, "weir_count")) return NULL;
    return count(&grouped->stream, no_window, materialized);
}

struct weir_table *weir_reduce(struct weir_grouped *grouped, weir_reduce_fn function, void *context,
                               const struct weir_materialized *materialized)
{
    if (!weir_grouped_is_given(grouped, "weir_reduce")) return NULL;
    return reduce(&grouped->stream, no_window, function, context, materialized);
}

struct weir_table *weir_aggregate(struct weir_grouped *grouped, weir_initialize_fn initialize,
                                  weir_aggregate_fn aggregate, void *context,
                                  const struct weir_serde *value,
                                  const struct weir_materialized *materialized)
{
    if (!weir_grouped_is_given(grouped, "weir_aggregate")) return NULL;
    return fold(&grouped->stream, no_window, initialize, aggregate, NULL, context, value,
                materialized);
}

struct weir_table *weir_windowed_count(struct weir_windowed_stream *windowed,
                                       const struct weir_materialized *materialized)
{
    if (!is_windowed(windowed, "weir_windowed_count")) return NULL;
    return count(&windowed->stream, windowed->window, materialized);
}

struct weir_table *weir_windowed_reduce(struct weir_windowed_stream *windowed,
                                        weir_reduce_fn function, void *context,
                                        const struct weir_materialized *materialized)
{
    if (!is_windowed(windowed, "weir_windowed_reduce")) return NULL;
    return reduce(&windowed->stream, windowed->window, function, context, materialized);
}

struct weir_table *weir_windowed_aggregate(struct weir_windowed_stream *windowed,
                                           weir_initialize_fn initialize,
                                           weir_aggregate_fn aggregate, void *context,
                                           const struct weir_serde *value,
                                           const struct weir_materialized *materialized)
{
    if (!is_windowed(windowed, "weir_windowed_aggregate")) return NULL;
    return fold(&windowed->stream, windowed->window, initialize, aggregate, NULL, context, value,
                materialized);
}

struct weir_table *weir_windowed_aggregate_merging(struct weir_windowed_stream *windowed,
                                                   weir_initialize_fn initialize,
                                                   weir_aggregate_fn aggregate, weir_merge_fn merge,
                                                   void *context, const struct weir_serde *value,
                                                   const struct weir_materialized *materialized)
{
    if (!is_windowed(windowed, "weir_windowed_aggregate_merging")) return NULL;
    return fold(&windowed->stream, windowed->window, initialize, aggregate, merge, context, value,
                materialized);
}
