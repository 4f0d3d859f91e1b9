/* Tables over topics, their updates as streams, and the stream-table join. */
#include <stdio.h>

#include "base/assert.h"
#include "base/options.h"
#include "dsl/logical.h"
#include "runtime/state/key_schema.h"

/* ---- table ----------------------------------------------------------------------------------- */

static int check_table(struct weir_builder *builder, const char *name, const char *topic,
                       const struct weir_serde *key, const struct weir_serde *value)
{
    int rc = weir_name_check(builder, name, "topic", topic);
    if (rc < 0 || (key != NULL && value != NULL)) return rc;
    return weir_builder_fail(builder, name,
                             "the table over '%s' has no %s serde: pass one, WEIR_BYTES say", topic,
                             key == NULL ? "key" : "value");
}

/* A source and the table behind it: two nodes. */
static struct weir_logical_node *add_table(struct weir_builder *builder, const char *source_name,
                                           const char *table_name, const char *topic,
                                           bool is_versioned, const struct weir_serde *key,
                                           const struct weir_serde *value)
{
    struct weir_logical_node *source =
        weir_builder_add(builder, WEIR_LOGICAL_PLAIN, source_name, &weir_source_ops, NULL, 0, -1);
    if (source == NULL) return NULL;
    source->topic = weir_arena_printf(&builder->arena, "%s", topic);
    source->key_serde = key;
    source->value_serde = value;
    const struct weir_table_config config = {key, value};
    struct weir_logical_node *node =
        weir_builder_add(builder, WEIR_LOGICAL_TABLE, table_name,
                         is_versioned ? &weir_versioned_table_ops : &weir_table_ops, &config,
                         sizeof config, source->id);
    if (node == NULL) return NULL;
    node->key_serde = key;
    node->value_serde = value;
    return node;
}

/* `<topic>-STATE-STORE-<number>`; the number is taken before those of the nodes. */
static const char *store_name_of(struct weir_builder *builder, const char *topic,
                                 const struct weir_materialized *materialized)
{
    if (materialized != NULL && materialized->name != NULL) return materialized->name;
    const char *prefix =
        weir_arena_printf(&builder->arena, "%s-STATE-STORE-", topic != NULL ? topic : "");
    return weir_builder_name(builder, prefix != NULL ? prefix : "");
}

struct weir_table *weir_table(struct weir_builder *builder, const char *topic,
                              const struct weir_serde *key, const struct weir_serde *value,
                              const struct weir_materialized *materialized)
{
    if (!weir_builder_is_live(builder)) return NULL;
    struct weir_table *table = weir_table_dead(builder);
    const char *store_name = store_name_of(builder, topic, materialized);
    const char *source_name = weir_builder_name(builder, "KSTREAM-SOURCE-");
    const char *name = weir_builder_name(builder, "KTABLE-SOURCE-");
    const struct weir_logical_window no_window = {0};
    struct weir_materialized read;
    int rc = check_table(builder, name, topic, key, value);
    if (rc == 0) rc = weir_materialized_read(builder, name, materialized, no_window, &read);
    if (rc == 0 && weir_builder_find_store(builder, store_name) >= 0) {
        rc = weir_builder_fail(builder, name,
                               "there is a store named '%s' already: each has a name of its own",
                               store_name);
    }
    if (rc < 0 || table == NULL) return table;

    struct weir_logical_node *node =
        add_table(builder, source_name, name, topic, read.is_versioned, key, value);
    if (node == NULL) return table;
    struct weir_logical_store store = weir_materialized_store(&read, store_name, no_window);
    store.key_serde = key;
    store.value_serde = value;
    /* Versions have a changelog of their own: the topic is compacted without regard to the history. */
    store.table_node = read.is_versioned ? -1 : node->id;
    int32_t index = weir_builder_add_store(builder, &store);
    if (index < 0 || weir_builder_set_stores(builder, node, &index, 1) < 0) return table;
    table->node = node->id;
    table->store = index;
    table->key_serde = key;
    table->value_serde = value;
    return table;
}

struct weir_stream *weir_to_stream(struct weir_table *table)
{
    if (!weir_handle_is_given(table, "weir_to_stream", "table")) return NULL;
    struct weir_builder *builder = table->builder;
    if (!weir_table_is_live(table)) return weir_stream_dead(builder);
    const char *name = weir_builder_name(builder, "KTABLE-TOSTREAM-");
    struct weir_logical_node *node =
        weir_builder_add(builder, WEIR_LOGICAL_PLAIN, name, &weir_pass_ops, NULL, 0, table->node);
    if (node != NULL) {
        node->key_serde = table->key_serde;
        node->value_serde = table->value_serde;
    }
    return weir_stream_new(builder, node, table->key_serde, table->value_serde, false);
}

/* ---- join ------------------------------------------------------------------------------------ */

static int check_join(const struct weir_stream *stream, const struct weir_table *table,
                      weir_join_fn join, const char *name)
{
    struct weir_builder *builder = stream->builder;
    if (join == NULL) {
        return weir_builder_fail(builder, name, "the joiner is NULL: pass a function");
    }
    if (table == NULL) return weir_builder_fail(builder, name, "the table is NULL: pass a table");
    if (table->builder != builder) {
        return weir_builder_fail(builder, name,
                                 "the table belongs to another builder: declare both with one");
    }
    if (!weir_table_is_live(table)) return WEIR_INVALID_TOPOLOGY; /* said where it died */
    if (table->is_suppressed) {
        return weir_builder_fail(builder, name,
                                 "the table is suppressed, and what is held back cannot be looked "
                                 "up: join before weir_suppress");
    }
    if (stream->key_serde == NULL) {
        return weir_builder_fail(builder, name,
                                 "the stream's key has no serde, and the join needs one: pass it "
                                 "where the key is made");
    }
    if (!weir_serde_equal(stream->key_serde, table->key_serde)) {
        return weir_builder_fail(builder, name,
                                 "stream and table have different key serdes, %s and %s: select a "
                                 "key of the table's kind first",
                                 stream->key_serde->name, table->key_serde->name);
    }
    return 0;
}

static const struct weir_store_spec *spec_of(const struct weir_table *table)
{
    return &table->builder->stores[table->store]->spec;
}

static int check_grace(const struct weir_stream *stream, const struct weir_table *table,
                       const struct weir_joined *joined, const char *call)
{
    struct weir_builder *builder = stream->builder;
    const struct weir_store_spec *spec = spec_of(table);
    if (joined->grace_ms == 0) return 0;
    if (joined->grace_ms < 0) {
        return weir_builder_fail(builder, call, "grace_ms is %lld: 0 or more",
                                 (long long)joined->grace_ms);
    }
    if (spec->schema != &weir_key_schema_versioned) {
        return weir_builder_fail(builder, call,
                                 "a join with grace asks what the table was, and this one does not "
                                 "know: say is_versioned where it is made");
    }
    if (joined->grace_ms >= spec->retention_ms) {
        return weir_builder_fail(builder, call,
                                 "grace_ms is %lld, more than the table's history of %lld: at most "
                                 "that",
                                 (long long)joined->grace_ms, (long long)spec->retention_ms - 1);
    }
    if (stream->value_serde != NULL) return 0;
    return weir_builder_fail(builder, call,
                             "the stream's value has no serde, and what waits is kept: pass it "
                             "where the value is made");
}

/* What waits, beside the node's table. */
static int32_t add_buffer(struct weir_builder *builder, const struct weir_stream *stream,
                          const struct weir_table *table, const char *node)
{
    const char *name = weir_arena_printf(&builder->arena, "%s-Buffer", node);
    if (name == NULL) return weir_builder_no_memory(builder);
    int rc = weir_builder_check_new_store(builder, node, name);
    if (rc < 0) return rc;
    const struct weir_logical_store store = {
        .name = name,
        .spec = {.kind = spec_of(table)->kind, .is_logged = true, .is_scanned_often = true},
        .key_serde = stream->key_serde,
        .table_node = -1,
    };
    return weir_builder_add_store(builder, &store);
}

static struct weir_logical_node *add_join(struct weir_builder *builder, const char *name,
                                          const struct weir_join_config *config, int32_t parent,
                                          const struct weir_stream *stream,
                                          const struct weir_table *table)
{
    const bool has_buffer = config->grace_ms > 0;
    int32_t stores[] = {table->store, -1};
    if (has_buffer) stores[1] = add_buffer(builder, stream, table, name);
    if (has_buffer && stores[1] < 0) return NULL;
    struct weir_logical_node *node = weir_builder_add(
        builder, WEIR_LOGICAL_JOIN, name, has_buffer ? &weir_grace_join_ops : &weir_join_ops,
        config, sizeof *config, parent);
    if (node == NULL) return NULL;
    return weir_builder_set_stores(builder, node, stores, has_buffer ? 2 : 1) < 0 ? NULL : node;
}

/* Whoever names the join names its repartition, and shares it with no other join. */
static int32_t parent_of(struct weir_stream *stream, const char *name)
{
    if (!stream->is_marked || name == NULL) return weir_builder_join_parent(stream);
    const struct weir_logical_node *source =
        weir_builder_repartition(stream->builder, stream, name, 0);
    return source != NULL ? source->id : -1;
}

static struct weir_stream *join_table(struct weir_stream *stream, struct weir_table *table,
                                      weir_join_fn join, void *context,
                                      const struct weir_serde *value,
                                      const struct weir_joined *joined, const char *call)
{
    struct weir_builder *builder = stream->builder;
    if (check_join(stream, table, join, call) < 0 || check_grace(stream, table, joined, call) < 0) {
        return weir_stream_dead(builder);
    }
    int32_t parent = parent_of(stream, joined->name);
    const char *name =
        joined->name != NULL
            ? weir_arena_printf(&builder->arena, "%s", joined->name)
            : weir_builder_name(builder, joined->is_left ? "KSTREAM-LEFTJOIN-" : "KSTREAM-JOIN-");
    if (joined->name != NULL) builder->next_number++; /* a given name uses one up */
    const struct weir_join_config config = {
        .join = join,
        .context = context,
        .key_serde = stream->key_serde,
        .value_serde = stream->value_serde,
        .table_value_serde = table->value_serde,
        .is_left = joined->is_left,
        .grace_ms = joined->grace_ms,
    };
    struct weir_logical_node *node = NULL;
    if (parent >= 0 && name != NULL) node = add_join(builder, name, &config, parent, stream, table);
    if (node == NULL) return weir_stream_dead(builder);
    node->is_left_join = joined->is_left;
    node->key_serde = stream->key_serde;
    node->value_serde = value;
    return weir_stream_new(builder, node, stream->key_serde, value, false);
}

struct weir_stream *weir_join(struct weir_stream *stream, struct weir_table *table,
                              weir_join_fn join, void *context, const struct weir_serde *value)
{
    if (!weir_stream_is_live(stream)) return stream;
    const struct weir_joined joined = {WEIR_JOINED_INIT};
    return join_table(stream, table, join, context, value, &joined, "weir_join");
}

struct weir_stream *weir_left_join(struct weir_stream *stream, struct weir_table *table,
                                   weir_join_fn join, void *context, const struct weir_serde *value)
{
    if (!weir_stream_is_live(stream)) return stream;
    const struct weir_joined joined = {WEIR_JOINED_INIT, .is_left = true};
    return join_table(stream, table, join, context, value, &joined, "weir_left_join");
}

struct weir_stream *weir_join_table(struct weir_stream *stream, struct weir_table *table,
                                    weir_join_fn join, void *context,
                                    const struct weir_serde *value,
                                    const struct weir_joined *joined)
{
    static const char call[] = "weir_join_table";
    if (!weir_stream_is_live(stream)) return stream;
    struct weir_builder *builder = stream->builder;
    struct weir_joined read;
    struct weir_error why = {0};
    int rc = weir_options_take(&read, sizeof read, joined,
                               "WEIR_JOINED_INIT, or use WEIR_JOINED(…)", &why);
    if (rc < 0) (void)weir_builder_fail(builder, call, "the join's %s", why.text);
    if (rc == 0 && read.name != NULL) rc = weir_name_check(builder, call, "node", read.name);
    if (rc < 0) return weir_stream_dead(builder);
    return join_table(stream, table, join, context, value, &read, call);
}
