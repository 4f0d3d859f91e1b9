/* The stateless operations on streams. Each checks its arguments, takes a number for its name and
 * appends one node; a mistake gives a dead handle, on which every further call is harmless. */
#include <string.h>

#include "base/assert.h"
#include "dsl/logical.h"

#define NO_FUNCTION "the %s is NULL: pass a function"

struct weir_stream *weir_stream(struct weir_builder *builder, const char *topic,
                                const struct weir_serde *key, const struct weir_serde *value)
{
    if (!weir_builder_is_live(builder)) return NULL;
    const char *name = weir_builder_name(builder, "KSTREAM-SOURCE-");
    int rc = weir_name_check(builder, name, "topic", topic);
    if (rc == 0 && (key == NULL || value == NULL)) {
        rc =
            weir_builder_fail(builder, name, "topic '%s' has no %s serde: pass one, WEIR_BYTES say",
                              topic, key == NULL ? "key" : "value");
    }
    struct weir_logical_node *node = NULL;
    if (rc == 0) {
        node = weir_builder_add(builder, WEIR_LOGICAL_PLAIN, name, &weir_source_ops, NULL, 0, -1);
    }
    if (node == NULL) return weir_stream_dead(builder);
    node->topic = weir_arena_printf(&builder->arena, "%s", topic);
    node->key_serde = key;
    node->value_serde = value;
    return weir_stream_new(builder, node, key, value, false);
}

/* A node below `stream`; NULL for a mistake, which is kept. `is_given`: the function is there. */
static struct weir_logical_node *add_stateless(struct weir_stream *stream, const char *prefix,
                                               const struct weir_operator_ops *ops,
                                               const void *config, size_t config_size,
                                               const char *what, bool is_given)
{
    struct weir_builder *builder = stream->builder;
    weir_assert(stream->node >= 0); /* on a dead one nothing is declared */
    const char *name = weir_builder_name(builder, prefix);
    if (!is_given) {
        (void)weir_builder_fail(builder, name, NO_FUNCTION, what);
        return NULL;
    }
    return weir_builder_add(builder, WEIR_LOGICAL_PLAIN, name, ops, config, config_size,
                            stream->node);
}

/* What comes of a node that leaves the serdes as they are, or says which are new. */
static struct weir_stream *stream_below(const struct weir_stream *stream,
                                        struct weir_logical_node *node,
                                        const struct weir_serde *key,
                                        const struct weir_serde *value)
{
    if (node == NULL) return weir_stream_dead(stream->builder);
    node->key_serde = key;
    node->value_serde = value;
    const bool is_marked = stream->is_marked || node->ops->traits.is_key_changing;
    return weir_stream_new(stream->builder, node, key, value, is_marked);
}

static struct weir_stream *filter(struct weir_stream *stream, weir_predicate_fn predicate,
                                  void *context, bool is_negated)
{
    if (!weir_stream_is_live(stream)) return stream;
    const struct weir_filter_config config = {predicate, context, is_negated};
    struct weir_logical_node *node =
        add_stateless(stream, "KSTREAM-FILTER-", &weir_filter_ops, &config, sizeof config,
                      "predicate", predicate != NULL);
    return stream_below(stream, node, stream->key_serde, stream->value_serde);
}

struct weir_stream *weir_filter(struct weir_stream *stream, weir_predicate_fn predicate,
                                void *context)
{
    return filter(stream, predicate, context, false);
}

struct weir_stream *weir_filter_not(struct weir_stream *stream, weir_predicate_fn predicate,
                                    void *context)
{
    return filter(stream, predicate, context, true);
}

struct weir_stream *weir_map(struct weir_stream *stream, weir_map_fn map, void *context,
                             const struct weir_serde *key, const struct weir_serde *value)
{
    if (!weir_stream_is_live(stream)) return stream;
    const struct weir_map_config config = {map, context};
    struct weir_logical_node *node = add_stateless(stream, "KSTREAM-MAP-", &weir_map_ops, &config,
                                                   sizeof config, "mapper", map != NULL);
    return stream_below(stream, node, key, value);
}

struct weir_stream *weir_map_values(struct weir_stream *stream, weir_map_values_fn map,
                                    void *context, const struct weir_serde *value)
{
    if (!weir_stream_is_live(stream)) return stream;
    const struct weir_map_values_config config = {map, context};
    struct weir_logical_node *node =
        add_stateless(stream, "KSTREAM-MAPVALUES-", &weir_map_values_ops, &config, sizeof config,
                      "mapper", map != NULL);
    return stream_below(stream, node, stream->key_serde, value);
}

struct weir_stream *weir_select_key(struct weir_stream *stream, weir_select_key_fn select,
                                    void *context, const struct weir_serde *key)
{
    if (!weir_stream_is_live(stream)) return stream;
    const struct weir_select_key_config config = {select, context};
    struct weir_logical_node *node =
        add_stateless(stream, "KSTREAM-KEY-SELECT-", &weir_select_key_ops, &config, sizeof config,
                      "key selector", select != NULL);
    return stream_below(stream, node, key, stream->value_serde);
}

struct weir_stream *weir_flat_map(struct weir_stream *stream, weir_flat_map_fn map, void *context,
                                  const struct weir_serde *key, const struct weir_serde *value)
{
    if (!weir_stream_is_live(stream)) return stream;
    const struct weir_flat_map_config config = {map, context};
    struct weir_logical_node *node = add_stateless(stream, "KSTREAM-FLATMAP-", &weir_flat_map_ops,
                                                   &config, sizeof config, "mapper", map != NULL);
    return stream_below(stream, node, key, value);
}

struct weir_stream *weir_peek(struct weir_stream *stream, weir_visit_fn visit, void *context)
{
    if (!weir_stream_is_live(stream)) return stream;
    const struct weir_peek_config config = {visit, context};
    struct weir_logical_node *node = add_stateless(stream, "KSTREAM-PEEK-", &weir_peek_ops, &config,
                                                   sizeof config, "visitor", visit != NULL);
    return stream_below(stream, node, stream->key_serde, stream->value_serde);
}

void weir_foreach(struct weir_stream *stream, weir_visit_fn visit, void *context)
{
    if (!weir_stream_is_live(stream)) return;
    const struct weir_peek_config config = {visit, context};
    (void)add_stateless(stream, "KSTREAM-FOREACH-", &weir_peek_ops, &config, sizeof config,
                        "visitor", visit != NULL); /* a failure is kept */
}

/* ---- merge ----------------------------------------------------------------------------------- */

static int check_merge(const struct weir_stream *stream, const struct weir_stream *other,
                       const char *name)
{
    struct weir_builder *builder = stream->builder;
    if (other == NULL) {
        return weir_builder_fail(builder, name, "the other stream is NULL: pass a stream");
    }
    if (other->builder != builder) {
        return weir_builder_fail(builder, name,
                                 "the other stream belongs to another builder: declare both with "
                                 "one");
    }
    if (!weir_stream_is_live(other)) return WEIR_INVALID_TOPOLOGY; /* said where it died */
    bool keys_equal = weir_serde_equal(stream->key_serde, other->key_serde);
    if (keys_equal && weir_serde_equal(stream->value_serde, other->value_serde)) return 0;
    return weir_builder_fail(builder, name,
                             "the streams have different %s serdes: map one to the other's first",
                             keys_equal ? "value" : "key");
}

struct weir_stream *weir_merge(struct weir_stream *stream, struct weir_stream *other)
{
    if (!weir_stream_is_live(stream)) return stream;
    struct weir_builder *builder = stream->builder;
    const char *name = weir_builder_name(builder, "KSTREAM-MERGE-");
    struct weir_logical_node *node = NULL;
    if (check_merge(stream, other, name) == 0) {
        node = weir_builder_add(builder, WEIR_LOGICAL_PLAIN, name, &weir_pass_ops, NULL, 0,
                                stream->node);
    }
    if (node == NULL) return weir_stream_dead(builder);
    /* A stream merged with itself arrives once. */
    if (other->node != stream->node && weir_builder_add_parent(builder, node, other->node) < 0) {
        return weir_stream_dead(builder);
    }
    struct weir_stream *merged = stream_below(stream, node, stream->key_serde, stream->value_serde);
    if (merged != NULL) merged->is_marked |= other->is_marked;
    return merged;
}

/* ---- repartition, to, names ------------------------------------------------------------------ */

struct weir_stream *weir_repartition(struct weir_stream *stream, const char *name,
                                     int32_t partition_count)
{
    enum { PARTITIONS_MAX = 10000 };
    if (!weir_stream_is_live(stream)) return stream;
    struct weir_builder *builder = stream->builder;
    int rc = 0;
    if (name == NULL) {
        name = weir_builder_name(builder, "KSTREAM-REPARTITION-");
    } else {
        rc = weir_name_check(builder, "weir_repartition", "name", name);
    }
    if (rc == 0 && (partition_count < 0 || partition_count > PARTITIONS_MAX)) {
        rc = weir_builder_fail(builder, name,
                               "partition_count is %d: from 1 to %d, or 0 for as many as the "
                               "source has",
                               (int)partition_count, PARTITIONS_MAX);
    }
    if (rc < 0) return weir_stream_dead(builder);
    const char *prefix = weir_arena_printf(&builder->arena, "%s", name);
    const struct weir_logical_node *source =
        weir_builder_repartition(builder, stream, prefix, partition_count);
    return weir_stream_new(builder, source, stream->key_serde, stream->value_serde, false);
}

void weir_to(struct weir_stream *stream, const char *topic)
{
    if (!weir_stream_is_live(stream)) return;
    struct weir_builder *builder = stream->builder;
    const char *name = weir_builder_name(builder, "KSTREAM-SINK-");
    if (weir_name_check(builder, name, "topic", topic) < 0) return;
    struct weir_logical_node *node =
        weir_builder_add(builder, WEIR_LOGICAL_PLAIN, name, &weir_sink_ops, NULL, 0, stream->node);
    if (node == NULL) return;
    node->topic = weir_arena_printf(&builder->arena, "%s", topic);
    node->key_serde = stream->key_serde;
    node->value_serde = stream->value_serde;
}

struct weir_stream *weir_named(struct weir_stream *stream, const char *name)
{
    if (!weir_stream_is_live(stream)) return stream;
    struct weir_builder *builder = stream->builder;
    struct weir_logical_node *node = builder->nodes[stream->node];
    if (weir_name_check(builder, node->auto_name, "node's name", name) < 0) {
        return weir_stream_dead(builder);
    }
    if (node->repartition != NULL) {
        (void)weir_builder_fail(builder, node->auto_name,
                                "a repartition has its name already: pass '%s' to weir_repartition",
                                name);
        return weir_stream_dead(builder);
    }
    node->given_name = weir_arena_printf(&builder->arena, "%s", name);
    return stream;
}
