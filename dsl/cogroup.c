/* Several grouped streams into one table, each with an aggregator of its own (KIP-150).
 *
 *     clicks ──> aggregate ──┐
 *                            ├──> merge: the table
 *     orders ──> aggregate ──┘
 *        both over one store
 *
 * Numbers are taken in Kafka Streams' order: the store's, those of repartitions, the aggregates', the
 * merge's. */
#include "base/assert.h"
#include "dsl/logical.h"

enum { COGROUP_FIRST = 4 };

static bool is_cogrouped(const struct weir_cogrouped *cogrouped, const char *call)
{
    if (!weir_handle_is_given(cogrouped, call, "cogrouped stream")) return false;
    weir_assert(cogrouped->magic == WEIR_COGROUPED_MAGIC);
    return true;
}

static bool is_alive(const struct weir_cogrouped *cogrouped)
{
    return cogrouped->count > 0;
}

/* ---- what is put together -------------------------------------------------------------------- */

static int check_grouped(struct weir_builder *builder, const struct weir_cogrouped *cogrouped,
                         const struct weir_stream *stream, weir_aggregate_fn aggregate)
{
    const char *call = "weir_cogroup";
    if (aggregate == NULL) {
        return weir_builder_fail(builder, call, "the aggregator is NULL: pass a function");
    }
    if (stream->builder != builder) {
        return weir_builder_fail(builder, call,
                                 "the grouped stream belongs to another builder: declare both with "
                                 "one");
    }
    if (stream->key_serde == NULL) {
        return weir_builder_fail(builder, call,
                                 "the key has no serde, and the table needs one: pass it where the "
                                 "key is made");
    }
    if (!is_alive(cogrouped)) return 0;
    const struct weir_serde *key = cogrouped->parts[0].stream.key_serde;
    if (weir_serde_equal(key, stream->key_serde)) return 0;
    return weir_builder_fail(builder, call,
                             "the grouped streams have different key serdes, %s and %s: group by "
                             "keys of one kind",
                             key->name, stream->key_serde->name);
}

/* A mistake leaves a dead handle: without a part. */
static void add_part(struct weir_cogrouped *cogrouped, const struct weir_grouped *grouped,
                     weir_aggregate_fn aggregate, void *context)
{
    struct weir_builder *builder = cogrouped->builder;
    bool is_sound = weir_stream_is_live(&grouped->stream) &&
                    check_grouped(builder, cogrouped, &grouped->stream, aggregate) == 0;
    struct weir_cogroup_part *parts =
        is_sound ? weir_arena_grow(&builder->arena, cogrouped->parts, cogrouped->count,
                                   &cogrouped->capacity, COGROUP_FIRST, sizeof *parts)
                 : NULL;
    if (is_sound && parts == NULL) (void)weir_builder_no_memory(builder);
    if (parts == NULL) {
        cogrouped->is_dead = true;
        cogrouped->count = 0;
        return;
    }
    cogrouped->parts = parts;
    cogrouped->parts[cogrouped->count++] =
        (struct weir_cogroup_part){grouped->stream, aggregate, context};
}

struct weir_cogrouped *weir_cogroup(struct weir_grouped *grouped, weir_aggregate_fn aggregate,
                                    void *context)
{
    if (!weir_handle_is_given(grouped, "weir_cogroup", "grouped stream")) return NULL;
    weir_assert(grouped->magic == WEIR_GROUPED_MAGIC);
    struct weir_builder *builder = grouped->stream.builder;
    struct weir_cogrouped *cogrouped = weir_arena_alloc_zero(&builder->arena, sizeof *cogrouped);
    if (cogrouped == NULL) {
        (void)weir_builder_no_memory(builder);
        return NULL;
    }
    cogrouped->magic = WEIR_COGROUPED_MAGIC;
    cogrouped->builder = builder;
    add_part(cogrouped, grouped, aggregate, context);
    return cogrouped;
}

struct weir_cogrouped *weir_cogroup_add(struct weir_cogrouped *cogrouped,
                                        struct weir_grouped *grouped, weir_aggregate_fn aggregate,
                                        void *context)
{
    if (!is_cogrouped(cogrouped, "weir_cogroup_add")) return NULL;
    if (!weir_handle_is_given(grouped, "weir_cogroup_add", "grouped stream")) return NULL;
    weir_assert(grouped->magic == WEIR_GROUPED_MAGIC);
    if (!cogrouped->is_dead) add_part(cogrouped, grouped, aggregate, context);
    return cogrouped;
}

/* ---- the table ------------------------------------------------------------------------------- */

struct cogroup {
    const struct weir_cogrouped *from;
    struct weir_aggregate_config config;
    struct weir_logical_window window;
    int32_t store;
};

/* Each part's own, or behind a repartition. The first takes the store's name, as in Kafka Streams, where a
 * second one would clash with it; here it has a number. */
static int find_parents(const struct cogroup *cogroup, int32_t *parents)
{
    struct weir_builder *builder = cogroup->from->builder;
    const char *store = builder->stores[cogroup->store]->name;
    int repartition_count = 0;
    for (size_t i = 0; i < cogroup->from->count; i++) {
        const struct weir_stream *stream = &cogroup->from->parts[i].stream;
        parents[i] = stream->node;
        if (!stream->is_marked) continue;
        const char *prefix = store;
        if (repartition_count > 0) {
            prefix = weir_arena_printf(&builder->arena, "%s-%d", store, repartition_count);
        }
        repartition_count++;
        const struct weir_logical_node *source =
            prefix != NULL ? weir_builder_repartition(builder, stream, prefix, 0) : NULL;
        if (source == NULL) return weir_builder_no_memory(builder);
        parents[i] = source->id;
    }
    return 0;
}

static struct weir_logical_node *add_aggregate(const struct cogroup *cogroup, size_t part,
                                               int32_t parent)
{
    struct weir_builder *builder = cogroup->from->builder;
    const struct weir_logical_store *store = builder->stores[cogroup->store];
    struct weir_aggregate_config config = cogroup->config;
    config.aggregate = cogroup->from->parts[part].aggregate;
    config.context = cogroup->from->parts[part].context;
    const char *name = weir_builder_name(builder, "COGROUPKSTREAM-AGGREGATE-");
    struct weir_logical_node *node = weir_builder_add(
        builder, WEIR_LOGICAL_AGGREGATE, name, weir_window_ops(&cogroup->window, WEIR_LAYOUT_ROWS),
        &config, sizeof config, parent);
    if (node == NULL) return NULL;
    node->key_serde = store->key_serde;
    node->value_serde = store->value_serde;
    return weir_builder_set_stores(builder, node, &cogroup->store, 1) < 0 ? NULL : node;
}

static struct weir_logical_node *add_nodes(const struct cogroup *cogroup)
{
    struct weir_builder *builder = cogroup->from->builder;
    const size_t count = cogroup->from->count;
    int32_t *parents = weir_arena_array(&builder->arena, count, sizeof *parents);
    if (parents == NULL) {
        (void)weir_builder_no_memory(builder);
        return NULL;
    }
    if (find_parents(cogroup, parents) < 0) return NULL;
    for (size_t i = 0; i < count; i++) {
        const struct weir_logical_node *node = add_aggregate(cogroup, i, parents[i]);
        if (node == NULL) return NULL;
        parents[i] = node->id;
    }
    const char *name = weir_builder_name(builder, "COGROUPKSTREAM-MERGE-");
    struct weir_logical_node *merge = weir_builder_add(
        builder, WEIR_LOGICAL_PLAIN, name, &weir_cogroup_merge_ops, NULL, 0, parents[0]);
    for (size_t i = 1; merge != NULL && i < count; i++) {
        if (weir_builder_add_parent(builder, merge, parents[i]) < 0) return NULL;
    }
    return merge;
}

static int add_store(struct cogroup *cogroup, const struct weir_materialized *materialized)
{
    struct weir_builder *builder = cogroup->from->builder;
    const struct weir_serde *key = cogroup->from->parts[0].stream.key_serde;
    const char *call = "weir_cogrouped_aggregate";
    struct weir_materialized read;
    int rc = weir_materialized_read(builder, call, materialized, cogroup->window, &read);
    if (rc < 0) return rc;
    if (read.layout != WEIR_LAYOUT_ROWS) {
        return weir_builder_fail(builder, call, "a cogroup has no merger for slices: keep rows");
    }
    const char *name = read.name;
    if (name == NULL) name = weir_builder_name(builder, "COGROUPKSTREAM-AGGREGATE-STATE-STORE-");
    rc = weir_builder_check_new_store(builder, call, name);
    if (rc < 0) return rc;
    weir_window_configure(&cogroup->config, &cogroup->window, &read);
    struct weir_logical_store store = weir_materialized_store(&read, name, cogroup->window);
    store.key_serde = weir_window_key_serde(builder, key, &cogroup->window);
    store.value_serde = cogroup->config.value_serde;
    cogroup->store = weir_builder_add_store(builder, &store);
    return cogroup->store < 0 ? cogroup->store : 0;
}

static int check_aggregate(struct weir_builder *builder, const struct weir_logical_window *window,
                           weir_merge_fn merge, const struct weir_serde *value)
{
    const char *call = "weir_cogrouped_aggregate";
    if (value == NULL) {
        return weir_builder_fail(builder, call,
                                 "the aggregate has no serde, and the table needs one: pass it");
    }
    if (window->kind == WEIR_WINDOW_SESSION && merge == NULL) {
        return weir_builder_fail(builder, call,
                                 "sessions become one, and there is no merger: pass one to "
                                 "weir_cogrouped_windowed_aggregate_merging");
    }
    return 0;
}

static struct weir_table *aggregate(const struct weir_cogrouped *cogrouped,
                                    const struct weir_logical_window *window,
                                    weir_initialize_fn initialize, weir_merge_fn merge,
                                    void *context, const struct weir_serde *value,
                                    const struct weir_materialized *materialized)
{
    struct weir_builder *builder = cogrouped->builder;
    struct weir_table *table = weir_table_dead(builder);
    if (!is_alive(cogrouped) || table == NULL) return table;
    if (check_aggregate(builder, window, merge, value) < 0) return table;
    struct cogroup cogroup = {
        .from = cogrouped,
        .config =
            {
                .kind = WEIR_AGGREGATE_FOLD,
                .initialize = initialize,
                .initialize_context = context,
                .merge = merge,
                .is_cogrouped = true,
                .key_serde = cogrouped->parts[0].stream.key_serde,
                .value_serde = value,
            },
        .window = *window,
    };
    if (add_store(&cogroup, materialized) < 0) return table;
    struct weir_logical_node *merge_node = add_nodes(&cogroup);
    if (merge_node == NULL) return table;
    const struct weir_logical_store *store = builder->stores[cogroup.store];
    merge_node->key_serde = store->key_serde;
    merge_node->value_serde = store->value_serde;
    table->node = merge_node->id;
    table->store = cogroup.store;
    table->key_serde = store->key_serde;
    table->value_serde = store->value_serde;
    return table;
}

struct weir_table *weir_cogrouped_aggregate(struct weir_cogrouped *cogrouped,
                                            weir_initialize_fn initialize, void *context,
                                            const struct weir_serde *value,
                                            const struct weir_materialized *materialized)
{
    if (!is_cogrouped(cogrouped, "weir_cogrouped_aggregate")) return NULL;
    const struct weir_logical_window no_window = {.kind = WEIR_WINDOW_NONE};
    return aggregate(cogrouped, &no_window, initialize, NULL, context, value, materialized);
}

static struct weir_table *windowed(struct weir_cogrouped *cogrouped, const char *call,
                                   const struct weir_windowed_stream *windows,
                                   weir_initialize_fn initialize, weir_merge_fn merge,
                                   void *context, const struct weir_serde *value,
                                   const struct weir_materialized *materialized)
{
    if (!is_cogrouped(cogrouped, call)) return NULL;
    if (!weir_handle_is_given(windows, call, "windowed stream")) return NULL;
    weir_assert(windows->magic == WEIR_WINDOWED_MAGIC);
    struct weir_builder *builder = cogrouped->builder;
    if (windows->stream.builder != builder) {
        (void)weir_builder_fail(builder, call,
                                "the windowed stream belongs to another builder: window one of the "
                                "grouped streams");
        return weir_table_dead(builder);
    }
    if (windows->stream.node < 0) return weir_table_dead(builder); /* said where it died */
    return aggregate(cogrouped, &windows->window, initialize, merge, context, value, materialized);
}

struct weir_table *weir_cogrouped_windowed_aggregate(struct weir_cogrouped *cogrouped,
                                                     const struct weir_windowed_stream *windows,
                                                     weir_initialize_fn initialize, void *context,
                                                     const struct weir_serde *value,
                                                     const struct weir_materialized *materialized)
{
    return windowed(cogrouped, "weir_cogrouped_windowed_aggregate", windows, initialize, NULL,
                    context, value, materialized);
}

struct weir_table *weir_cogrouped_windowed_aggregate_merging(
    struct weir_cogrouped *cogrouped, const struct weir_windowed_stream *windows,
    weir_initialize_fn initialize, weir_merge_fn merge, void *context,
    const struct weir_serde *value, const struct weir_materialized *materialized)
{
    return windowed(cogrouped, "weir_cogrouped_windowed_aggregate_merging", windows, initialize,
                    merge, context, value, materialized);
}
