/* Joins of two streams: five nodes, named and numbered as Kafka Streams does.
 *
 *     left  ──> windowed (keeps left rows)  ──> join, reads right rows ──┐
 *                                                                       ├──> merge
 *     right ──> windowed (keeps right rows) ──> join, reads left rows  ──┘
 *
 * A left or outer join has a buffer beside, which both joins use. A join of a stream with itself over one
 * store has two nodes: windowed, and a join in the merge's place. */
#include <string.h>

#include "base/assert.h"
#include "base/options.h"
#include "dsl/logical.h"
#include "runtime/state/key_schema.h"

struct declaration {
    struct weir_builder *builder;
    struct weir_stream *left;
    struct weir_stream *right;
    struct weir_stream_join_options options;
    struct weir_stream_join_config config;
    const char *call; /* where nodes have no names yet */
    /* By side: left, right. */
    int32_t parents[2];
    const char *windowed[2];
    const char *generated[2];
    const char *joins[2];
    const char *merge;
    int32_t stores[2];
    int32_t buffer; /* -1: none */
    struct weir_logical_node *window_nodes[2];
};

/* ---- what is refused ------------------------------------------------------------------------- */

static int check_streams(const struct declaration *declaration)
{
    struct weir_builder *builder = declaration->builder;
    const struct weir_stream *left = declaration->left;
    const struct weir_stream *right = declaration->right;
    const char *call = declaration->call;
    if (declaration->config.join == NULL) {
        return weir_builder_fail(builder, call, "the joiner is NULL: pass a function");
    }
    if (right == NULL) {
        return weir_builder_fail(builder, call, "the right stream is NULL: pass a stream");
    }
    if (right->builder != builder) {
        return weir_builder_fail(builder, call,
                                 "the right stream belongs to another builder: declare both with "
                                 "one");
    }
    if (!weir_stream_is_live(right)) return WEIR_INVALID_TOPOLOGY; /* said where it died */
    const struct weir_serde *serdes[] = {left->key_serde, left->value_serde, right->key_serde,
                                         right->value_serde};
    static const char *const what[] = {"left stream's key", "left stream's value",
                                       "right stream's key", "right stream's value"};
    for (size_t i = 0; i < 4; i++) {
        if (serdes[i] != NULL) continue;
        return weir_builder_fail(builder, call,
                                 "the %s has no serde, and the join needs one: pass it where the "
                                 "%s is made",
                                 what[i], i % 2 == 0 ? "key" : "value");
    }
    if (weir_serde_equal(left->key_serde, right->key_serde)) return 0;
    return weir_builder_fail(builder, call,
                             "the streams have different key serdes, %s and %s: select a key of "
                             "one kind for both first",
                             left->key_serde->name, right->key_serde->name);
}

/* Times and retentions are added up in the operators: none may come near the end of what is counted. */
static bool is_too_long(int64_t time_ms)
{
    return time_ms > INT64_MAX / 8 || time_ms < -(INT64_MAX / 8);
}

static int check_times(const struct declaration *declaration)
{
    const struct weir_stream_join_options *options = &declaration->options;
    struct weir_builder *builder = declaration->builder;
    const char *call = declaration->call;
    if (is_too_long(options->before_ms) || is_too_long(options->after_ms) ||
        is_too_long(options->grace_ms)) {
        return weir_builder_fail(builder, call,
                                 "before_ms, after_ms and grace_ms, %lld, %lld and %lld ms, are "
                                 "longer than time: choose less",
                                 (long long)options->before_ms, (long long)options->after_ms,
                                 (long long)options->grace_ms);
    }
    if (options->before_ms + options->after_ms < 0) {
        return weir_builder_fail(builder, call,
                                 "before_ms and after_ms, %lld and %lld, leave no time between "
                                 "them: together at least 0",
                                 (long long)options->before_ms, (long long)options->after_ms);
    }
    if (options->grace_ms < 0) {
        return weir_builder_fail(builder, call, "grace_ms is %lld: at least 0",
                                 (long long)options->grace_ms);
    }
    if (options->emit_interval_ms < 0 || is_too_long(options->emit_interval_ms)) {
        return weir_builder_fail(builder, call,
                                 "emit_interval_ms is %lld: at least 0, which is at once",
                                 (long long)options->emit_interval_ms);
    }
    return 0;
}

/* One node, or two sources of one topic, which become one. */
static bool is_one_stream(const struct weir_stream *left, const struct weir_stream *right)
{
    if (left->node == right->node) return true;
    const struct weir_logical_node *one = left->builder->nodes[left->node];
    const struct weir_logical_node *other = left->builder->nodes[right->node];
    if (one->ops->kind != WEIR_PLAN_SOURCE || other->ops->kind != WEIR_PLAN_SOURCE) return false;
    return one->topic != NULL && other->topic != NULL && strcmp(one->topic, other->topic) == 0;
}

static int check_single_store(const struct declaration *declaration)
{
    struct weir_builder *builder = declaration->builder;
    if (!declaration->options.is_single_store) return 0;
    if (declaration->options.kind != WEIR_JOIN_INNER) {
        return weir_builder_fail(builder, declaration->call,
                                 "is_single_store is for inner joins: leave it out");
    }
    if (is_one_stream(declaration->left, declaration->right)) return 0;
    return weir_builder_fail(builder, declaration->call,
                             "is_single_store is for a stream that is joined with itself: pass "
                             "the same stream twice, or leave it out");
}

static int check_options(const struct declaration *declaration)
{
    const struct weir_stream_join_options *options = &declaration->options;
    struct weir_builder *builder = declaration->builder;
    const char *call = declaration->call;
    int rc = 0;
    if (options->kind != WEIR_JOIN_INNER && options->kind != WEIR_JOIN_LEFT &&
        options->kind != WEIR_JOIN_OUTER) {
        rc = weir_builder_fail(builder, call,
                               "there is no join of kind %d: WEIR_JOIN_INNER, WEIR_JOIN_LEFT or "
                               "WEIR_JOIN_OUTER",
                               (int)options->kind);
    }
    if (rc == 0) rc = weir_builder_check_store_kind(builder, call, options->store);
    if (rc == 0 && options->name != NULL) {
        rc = weir_name_check(builder, call, "join's name", options->name);
    }
    if (rc == 0 && options->store_name != NULL) {
        rc = weir_name_check(builder, call, "stores' name", options->store_name);
    }
    if (rc == 0) rc = check_times(declaration);
    return rc == 0 ? check_single_store(declaration) : rc;
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool is_left_outer(const struct declaration *declaration)
{
    return declaration->options.kind != WEIR_JOIN_INNER;
}

static bool is_right_outer(const struct declaration *declaration)
{
    return declaration->options.kind == WEIR_JOIN_OUTER;
}

/* A name of the join's own, or the next number, which is taken in either case. */
static const char *node_name(const struct declaration *declaration, const char *prefix,
                             const char *suffix)
{
    struct weir_builder *builder = declaration->builder;
    const char *generated = weir_builder_name(builder, prefix);
    if (declaration->options.name == NULL) return generated;
    const char *name =
        weir_arena_printf(&builder->arena, "%s%s", declaration->options.name, suffix);
    return name != NULL ? name : generated;
}

static const char *join_suffix(const struct declaration *declaration, bool is_right)
{
    if (is_right) return is_left_outer(declaration) ? "-outer-other-join" : "-other-join";
    return is_right_outer(declaration) ? "-outer-this-join" : "-this-join";
}

static void take_names(struct declaration *declaration)
{
    struct weir_builder *builder = declaration->builder;
    struct weir_arena *arena = &builder->arena;
    declaration->windowed[0] = node_name(declaration, "KSTREAM-WINDOWED-", "-this-windowed");
    declaration->windowed[1] = node_name(declaration, "KSTREAM-WINDOWED-", "-other-windowed");
    declaration->generated[0] = weir_builder_name(
        builder, is_right_outer(declaration) ? "KSTREAM-OUTERTHIS-" : "KSTREAM-JOINTHIS-");
    declaration->generated[1] = weir_builder_name(
        builder, is_left_outer(declaration) ? "KSTREAM-OUTEROTHER-" : "KSTREAM-JOINOTHER-");
    for (int side = 0; side < 2; side++) {
        declaration->joins[side] = declaration->generated[side];
        if (declaration->options.name == NULL) continue;
        declaration->joins[side] = weir_arena_printf(arena, "%s%s", declaration->options.name,
                                                     join_suffix(declaration, side == 1));
    }
    declaration->merge = node_name(declaration, "KSTREAM-MERGE-", "-merge");
}

static const char *store_name(const struct declaration *declaration, bool is_right)
{
    struct weir_arena *arena = &declaration->builder->arena;
    const char *base = declaration->options.store_name;
    if (base == NULL) {
        return weir_arena_printf(arena, "%s-store", declaration->generated[is_right]);
    }
    return weir_arena_printf(arena, "%s%s-store", base, join_suffix(declaration, is_right));
}

/* The number of the left join's name, behind a prefix of its own. */
static const char *buffer_name(const struct declaration *declaration)
{
    struct weir_arena *arena = &declaration->builder->arena;
    const char *base = declaration->options.store_name;
    if (base != NULL) {
        return weir_arena_printf(arena, "%s%s-store", base,
                                 is_right_outer(declaration) ? "-outer-shared-join"
                                                             : "-left-shared-join");
    }
    const char *number = strrchr(declaration->generated[0], '-');
    return weir_arena_printf(arena, "KSTREAM-OUTERSHARED%s-store", number != NULL ? number : "");
}

/* ---- stores ---------------------------------------------------------------------------------- */

static int32_t add_store(const struct declaration *declaration,
                         const struct weir_logical_store *store)
{
    if (store->name == NULL) return weir_builder_no_memory(declaration->builder);
    int rc = weir_builder_check_new_store(declaration->builder, declaration->call, store->name);
    return rc < 0 ? rc : weir_builder_add_store(declaration->builder, store);
}

static int32_t add_window_store(const struct declaration *declaration, bool is_right)
{
    const struct weir_stream_join_options *options = &declaration->options;
    const struct weir_stream *stream = is_right ? declaration->right : declaration->left;
    const int64_t size_ms = options->before_ms + options->after_ms;
    const int64_t retention_ms = size_ms + options->grace_ms;
    const struct weir_logical_store store = {
        .name = store_name(declaration, is_right),
        .spec =
            {
                .kind = options->store,
                .is_logged = !options->is_logging_disabled,
                .schema = &weir_key_schema_duplicates,
                /* A row of this very moment can be met by another one of it. */
                .retention_ms = retention_ms > 0 ? retention_ms : 1,
                .window_size_ms = size_ms,
            },
        .key_serde = weir_windowed_serde_make(&declaration->builder->arena, stream->key_serde,
                                              size_ms > 0 ? size_ms : 1),
        .value_serde = stream->value_serde,
        .table_node = -1,
    };
    return add_store(declaration, &store);
}

static int32_t add_buffer(const struct declaration *declaration)
{
    const struct weir_logical_store store = {
        .name = buffer_name(declaration),
        .spec =
            {
                .kind = declaration->options.store,
                .is_logged = !declaration->options.is_logging_disabled,
                .schema = &weir_key_schema_plain,
                .is_scanned_often = true,
            },
        .table_node = -1,
    };
    return add_store(declaration, &store);
}

static int add_stores(struct declaration *declaration)
{
    const int store_count = declaration->options.is_single_store ? 1 : 2;
    declaration->buffer = -1;
    for (int side = 0; side < store_count; side++) {
        declaration->stores[side] = add_window_store(declaration, side == 1);
        if (declaration->stores[side] < 0) return declaration->stores[side];
    }
    if (declaration->options.kind == WEIR_JOIN_INNER || declaration->options.is_eager) return 0;
    declaration->buffer = add_buffer(declaration);
    return declaration->buffer < 0 ? declaration->buffer : 0;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static int add_window(struct declaration *declaration, int side)
{
    struct weir_builder *builder = declaration->builder;
    const struct weir_stream *stream = side == 1 ? declaration->right : declaration->left;
    const struct weir_join_window_config config = {
        .key_serde = stream->key_serde,
        .value_serde = stream->value_serde,
        .span_ms = declaration->options.before_ms + declaration->options.after_ms,
    };
    struct weir_logical_node *node =
        weir_builder_add(builder, WEIR_LOGICAL_JOIN_WINDOW, declaration->windowed[side],
                         &weir_join_window_ops, &config, sizeof config, declaration->parents[side]);
    if (node == NULL) return WEIR_NO_MEMORY;
    node->key_serde = stream->key_serde;
    node->value_serde = stream->value_serde;
    node->is_left_join = declaration->options.kind != WEIR_JOIN_INNER;
    declaration->window_nodes[side] = node;
    return weir_builder_set_stores(builder, node, &declaration->stores[side], 1);
}

static struct weir_logical_node *add_join(const struct declaration *declaration, int side,
                                          const struct weir_serde *value)
{
    struct weir_builder *builder = declaration->builder;
    struct weir_stream_join_config config = declaration->config;
    config.is_right = side == 1;
    config.is_outer = side == 1 ? is_right_outer(declaration) : is_left_outer(declaration);
    const bool has_buffer = declaration->buffer >= 0;
    struct weir_logical_node *node =
        weir_builder_add(builder, WEIR_LOGICAL_STREAM_JOIN, declaration->joins[side],
                         has_buffer ? &weir_outer_join_ops : &weir_stream_join_ops, &config,
                         sizeof config, declaration->window_nodes[side]->id);
    if (node == NULL) return NULL;
    node->key_serde = declaration->left->key_serde;
    node->value_serde = value;
    const int32_t stores[] = {declaration->stores[1 - side], declaration->buffer};
    int rc = weir_builder_set_stores(builder, node, stores, has_buffer ? 2 : 1);
    return rc < 0 ? NULL : node;
}

static struct weir_logical_node *add_self_join(struct declaration *declaration)
{
    struct weir_builder *builder = declaration->builder;
    if (add_window(declaration, 0) < 0) return NULL;
    struct weir_logical_node *node = weir_builder_add(
        builder, WEIR_LOGICAL_STREAM_JOIN, declaration->merge, &weir_self_join_ops,
        &declaration->config, sizeof declaration->config, declaration->window_nodes[0]->id);
    if (node == NULL) return NULL;
    return weir_builder_set_stores(builder, node, declaration->stores, 1) < 0 ? NULL : node;
}

static struct weir_logical_node *add_nodes(struct declaration *declaration,
                                           const struct weir_serde *value)
{
    struct weir_builder *builder = declaration->builder;
    if (declaration->options.is_single_store) return add_self_join(declaration);
    for (int side = 0; side < 2; side++) {
        if (add_window(declaration, side) < 0) return NULL;
    }
    const struct weir_logical_node *left = add_join(declaration, 0, value);
    const struct weir_logical_node *right = left != NULL ? add_join(declaration, 1, value) : NULL;
    if (right == NULL) return NULL;
    struct weir_logical_node *merge = weir_builder_add(
        builder, WEIR_LOGICAL_PLAIN, declaration->merge, &weir_join_merge_ops, NULL, 0, left->id);
    if (merge == NULL || weir_builder_add_parent(builder, merge, right->id) < 0) return NULL;
    return merge;
}

/* Whoever names the join names its repartitions, and shares them with no other join. */
static int32_t repartition(const struct declaration *declaration, struct weir_stream *stream,
                           const char *side)
{
    struct weir_builder *builder = declaration->builder;
    if (!stream->is_marked || declaration->options.name == NULL) {
        return weir_builder_join_parent(stream);
    }
    const char *prefix =
        weir_arena_printf(&builder->arena, "%s-%s", declaration->options.name, side);
    const struct weir_logical_node *source =
        prefix != NULL ? weir_builder_repartition(builder, stream, prefix, 0) : NULL;
    return source != NULL ? source->id : -1;
}

/* ---- the door -------------------------------------------------------------------------------- */

static int read_options(struct declaration *declaration,
                        const struct weir_stream_join_options *options)
{
    struct weir_error why = {0};
    int rc = weir_options_take(&declaration->options, sizeof declaration->options, options,
                               "WEIR_STREAM_JOIN_OPTIONS_INIT, or use WEIR_WITHIN(…)", &why);
    if (rc < 0) {
        return weir_builder_fail(declaration->builder, declaration->call, "the join's %s",
                                 why.text);
    }
    rc = check_options(declaration);
    if (rc < 0) return rc;
    declaration->config.key_serde = declaration->left->key_serde;
    declaration->config.left_serde = declaration->left->value_serde;
    declaration->config.right_serde = declaration->right->value_serde;
    declaration->config.before_ms = declaration->options.before_ms;
    declaration->config.after_ms = declaration->options.after_ms;
    declaration->config.grace_ms = declaration->options.grace_ms;
    declaration->config.emit_interval_ms = declaration->options.emit_interval_ms;
    return 0;
}

struct weir_stream *weir_stream_join(struct weir_stream *left, struct weir_stream *right,
                                     weir_join_fn join, void *context,
                                     const struct weir_serde *value,
                                     const struct weir_stream_join_options *options)
{
    if (!weir_stream_is_live(left)) return left;
    struct weir_builder *builder = left->builder;
    struct declaration declaration = {
        .builder = builder,
        .left = left,
        .right = right,
        .config = {.join = join, .context = context},
        .call = "weir_stream_join",
    };
    if (check_streams(&declaration) < 0 || read_options(&declaration, options) < 0) {
        return weir_stream_dead(builder);
    }
    declaration.parents[0] = repartition(&declaration, left, "left");
    declaration.parents[1] = repartition(&declaration, right, "right");
    if (declaration.parents[0] < 0 || declaration.parents[1] < 0) return weir_stream_dead(builder);
    take_names(&declaration);
    struct weir_logical_node *node = NULL;
    if (add_stores(&declaration) >= 0) node = add_nodes(&declaration, value);
    if (node == NULL) return weir_stream_dead(builder);
    node->key_serde = left->key_serde;
    node->value_serde = value;
    return weir_stream_new(builder, node, left->key_serde, value, false);
}
