/* The builder: nodes and stores in order of declaration, and the first mistake. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "dsl/logical.h"

enum { ARENA_BLOCK_SIZE = 16 << 10, NODES_FIRST = 32 };

/* ---- handles that are missing ---------------------------------------------------------------- */

/* A NULL handle does not say which builder it is of. Declaring is one thread's, from a builder's new to
 * its build: so the thread counts such calls, and a builder that was there when one was made does not
 * build. With two of them on one thread both are refused: neither can be known to be whole. */
static _Thread_local struct {
    uint64_t count;
    uint64_t told;    /* `count` at the last weir_builder_new: what comes next is a first one */
    const char *call; /* the first since then */
    const char *what;
} missing;

bool weir_handle_is_given(const void *handle, const char *call, const char *what)
{
    if (handle != NULL) return true;
    if (missing.count == missing.told) {
        missing.call = call;
        missing.what = what;
    }
    missing.count++;
    return false;
}

static void watch_missing(struct weir_builder *builder)
{
    missing.told = missing.count;
    builder->thread = &missing;
    builder->missing_before = missing.count;
}

void weir_builder_take_missing(struct weir_builder *builder)
{
    if (builder->thread != &missing || builder->missing_before == missing.count) return;
    (void)weir_builder_fail(builder, missing.call,
                            "the %s is NULL: pass what an earlier call on this builder returned",
                            missing.what);
}

/* ---- what holds ------------------------------------------------------------------------------ */

static bool is_node_sound(const struct weir_builder *builder, size_t number)
{
    const struct weir_logical_node *node = builder->nodes[number];
    bool is_sound = (size_t)node->id == number && node->ops != NULL;
    for (size_t p = 0; p < node->parent_count; p++) {
        is_sound = is_sound && node->parents[p] >= 0 && node->parents[p] < node->id;
    }
    for (size_t s = 0; s < node->store_count; s++) {
        is_sound =
            is_sound && node->stores[s] >= 0 && (size_t)node->stores[s] < builder->store_count;
    }
    return is_sound;
}

static bool is_store_sound(const struct weir_builder *builder, size_t number)
{
    const struct weir_logical_store *store = builder->stores[number];
    return store->name != NULL && store->table_node >= -1 &&
           store->table_node < (int32_t)builder->node_count;
}

static bool are_all_sound(const struct weir_builder *builder)
{
    bool are_sound = true;
    for (size_t i = 0; i < builder->node_count; i++) {
        are_sound = are_sound && is_node_sound(builder, i);
    }
    for (size_t i = 0; i < builder->store_count; i++) {
        are_sound = are_sound && is_store_sound(builder, i);
    }
    return are_sound;
}

void weir_builder_check(const struct weir_builder *builder)
{
    weir_assert(builder->magic == WEIR_BUILDER_MAGIC);
    weir_assert(builder->node_count <= builder->node_capacity);
    weir_assert(builder->store_count <= builder->store_capacity);
    weir_assert(builder->next_number >= 0);
    weir_assert(builder->has_failed == (builder->error.code != 0));
    weir_assert_slow(are_all_sound(builder));
}

/* ---- the builder and its handles ------------------------------------------------------------- */

struct weir_builder *weir_builder_new(void)
{
    /* A root: the heap that all else comes from lies in it. */
    struct weir_builder *builder = calloc(1, sizeof *builder);
    if (builder == NULL) return NULL;
    builder->magic = WEIR_BUILDER_MAGIC;
    watch_missing(builder);
    weir_heap_init(&builder->heap, false);
    weir_budget_init(&builder->budget, "builder", &builder->heap, NULL, 0);
    weir_arena_init(&builder->arena, &builder->budget, ARENA_BLOCK_SIZE);
    return builder;
}

void weir_builder_free(struct weir_builder *builder)
{
    if (builder == NULL) return;
    weir_assert(builder->magic == WEIR_BUILDER_MAGIC);
    weir_arena_close(&builder->arena);
    builder->magic = 0;
    free(builder);
}

bool weir_grouped_is_given(const struct weir_grouped *grouped, const char *call)
{
    if (!weir_handle_is_given(grouped, call, "grouped stream")) return false;
    weir_assert(grouped->magic == WEIR_GROUPED_MAGIC);
    return true;
}

bool weir_builder_is_live(const struct weir_builder *builder)
{
    if (!weir_handle_is_given(builder, "weir_stream, weir_table or weir_add_store", "builder")) {
        return false;
    }
    weir_assert(builder->magic == WEIR_BUILDER_MAGIC);
    return true;
}

bool weir_stream_is_live(const struct weir_stream *stream)
{
    if (!weir_handle_is_given(stream, "an operation on a stream", "stream")) return false;
    weir_assert(stream->magic == WEIR_STREAM_MAGIC);
    weir_assert(stream->node < (int32_t)stream->builder->node_count);
    return stream->node >= 0;
}

bool weir_table_is_live(const struct weir_table *table)
{
    if (!weir_handle_is_given(table, "an operation on a table", "table")) return false;
    weir_assert(table->magic == WEIR_TABLE_MAGIC);
    weir_assert((table->node >= 0) == (table->store >= 0)); /* it has both, or is dead */
    return table->node >= 0;
}

/* ---- mistakes -------------------------------------------------------------------------------- */

int weir_builder_fail(struct weir_builder *builder, const char *node, const char *format, ...)
{
    if (builder->has_failed) return WEIR_INVALID_TOPOLOGY;
    char text[WEIR_ERROR_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* cut to fit */
    va_end(arguments);
    builder->has_failed = true;
    return weir_error_set(&builder->error, WEIR_INVALID_TOPOLOGY, "%s: %s", node, text);
}

int weir_builder_no_memory(struct weir_builder *builder)
{
    if (!builder->has_failed) {
        builder->has_failed = true;
        (void)weir_error_set(&builder->error, WEIR_NO_MEMORY, "no memory for the topology");
    }
    return WEIR_NO_MEMORY;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

const char *weir_builder_name(struct weir_builder *builder, const char *prefix)
{
    const char *name =
        weir_arena_printf(&builder->arena, "%s%010d", prefix, (int)builder->next_number++);
    if (name != NULL) return name;
    (void)weir_builder_no_memory(builder);
    return "";
}

/* Room for one more pointer. */
static void *grow(struct weir_builder *builder, void *array, size_t count, size_t *capacity)
{
    return weir_arena_grow(&builder->arena, array, count, capacity, NODES_FIRST, sizeof(void *));
}

struct weir_logical_node *weir_builder_add(struct weir_builder *builder,
                                           enum weir_logical_kind kind, const char *name,
                                           const struct weir_operator_ops *ops, const void *config,
                                           size_t config_size, int32_t parent)
{
    struct weir_arena *arena = &builder->arena;
    struct weir_logical_node **nodes =
        grow(builder, builder->nodes, builder->node_count, &builder->node_capacity);
    struct weir_logical_node *node = weir_arena_alloc(arena, sizeof *node);
    int32_t *parents = weir_arena_array(arena, 2, sizeof *parents);
    void *copy = config_size > 0 ? weir_arena_alloc(arena, config_size) : NULL;
    if (nodes == NULL || weir_arena_failed(arena)) {
        (void)weir_builder_no_memory(builder);
        return NULL;
    }
    weir_copy(copy, config, config_size);
    parents[0] = parent;
    *node = (struct weir_logical_node){
        .id = (int32_t)builder->node_count,
        .kind = kind,
        .auto_name = name,
        .ops = ops,
        .config = copy,
        .config_size = config_size,
        .parents = parents,
        .parent_count = parent >= 0 ? 1 : 0,
    };
    weir_assert(parent < node->id); /* which is why there are no cycles */
    builder->nodes = nodes;
    builder->nodes[builder->node_count++] = node;
    weir_builder_check(builder);
    return node;
}

struct weir_logical_node *weir_builder_repartition(struct weir_builder *builder,
                                                   const struct weir_stream *stream,
                                                   const char *prefix, int32_t partition_count)
{
    /* In Kafka Streams' order: the sink takes the first number, the filter in front of it the
     * second. */
    weir_assert(stream->node >= 0 && partition_count >= 0);
    const char *sink_name = weir_builder_name(builder, "KSTREAM-SINK-");
    const char *filter_name = weir_builder_name(builder, "KSTREAM-FILTER-");
    const char *source_name = weir_builder_name(builder, "KSTREAM-SOURCE-");
    struct weir_logical_repartition *repartition =
        weir_arena_alloc_zero(&builder->arena, sizeof *repartition);
    if (repartition == NULL) {
        (void)weir_builder_no_memory(builder);
        return NULL;
    }
    repartition->prefix = prefix;
    repartition->prefix_node = stream->node;
    repartition->partition_count = partition_count;

    struct weir_logical_node *nodes[3] = {0};
    nodes[0] = weir_builder_add(builder, WEIR_LOGICAL_PLAIN, filter_name,
                                &weir_filter_null_keys_ops, NULL, 0, stream->node);
    if (nodes[0] == NULL) return NULL;
    nodes[1] = weir_builder_add(builder, WEIR_LOGICAL_PLAIN, sink_name, &weir_sink_ops, NULL, 0,
                                nodes[0]->id);
    nodes[2] =
        weir_builder_add(builder, WEIR_LOGICAL_PLAIN, source_name, &weir_source_ops, NULL, 0, -1);
    if (nodes[1] == NULL || nodes[2] == NULL) return NULL;
    for (size_t i = 0; i < 3; i++) {
        nodes[i]->repartition = repartition;
        nodes[i]->key_serde = stream->key_serde;
        nodes[i]->value_serde = stream->value_serde;
    }
    return nodes[2];
}

int32_t weir_builder_join_parent(struct weir_stream *stream)
{
    enum { REPARTITION_NUMBERS = 3 };
    weir_assert(stream->node >= 0);
    if (!stream->is_marked) return stream->node;
    if (stream->join_repartition >= 0) {
        stream->builder->next_number += REPARTITION_NUMBERS;
        return stream->join_repartition;
    }
    const struct weir_logical_node *source =
        weir_builder_repartition(stream->builder, stream, NULL, 0);
    stream->join_repartition = source != NULL ? source->id : -1;
    return stream->join_repartition;
}

int weir_builder_add_parent(struct weir_builder *builder, struct weir_logical_node *node,
                            int32_t parent)
{
    const size_t count = node->parent_count;
    weir_assert(count > 0 && parent >= 0 && parent < node->id);
    int32_t *parents = weir_arena_array(&builder->arena, count + 1, sizeof *parents);
    if (parents == NULL) return weir_builder_no_memory(builder);
    weir_copy(parents, node->parents, count * sizeof *parents);
    parents[count] = parent;
    node->parents = parents;
    node->parent_count = count + 1;
    return 0;
}

/* ---- stores ---------------------------------------------------------------------------------- */

int32_t weir_builder_find_store(const struct weir_builder *builder, const char *name)
{
    for (size_t i = 0; i < builder->store_count; i++) {
        if (strcmp(builder->stores[i]->name, name) == 0) return (int32_t)i;
    }
    return -1;
}

int weir_builder_check_new_store(struct weir_builder *builder, const char *node, const char *store)
{
    if (weir_builder_find_store(builder, store) < 0) return 0;
    return weir_builder_fail(
        builder, node, "there is a store named '%s' already: each has a name of its own", store);
}

int weir_builder_check_store_kind(struct weir_builder *builder, const char *node,
                                  enum weir_store_kind kind)
{
    if (kind == WEIR_STORE_ROCKSDB || kind == WEIR_STORE_MEMORY) return 0;
    return weir_builder_fail(builder, node,
                             "there is no store of kind %d: WEIR_STORE_ROCKSDB or "
                             "WEIR_STORE_MEMORY",
                             (int)kind);
}

int weir_builder_check_declared_store(struct weir_builder *builder, const char *name,
                                      const struct weir_serde *key, const struct weir_serde *value)
{
    if (key == NULL || value == NULL) {
        return weir_builder_fail(builder, name, "the store has no %s serde: pass one",
                                 key == NULL ? "key" : "value");
    }
    if (weir_builder_find_store(builder, name) < 0) return 0;
    return weir_builder_fail(builder, name,
                             "there is a store of this name already: each has its own");
}

int32_t weir_builder_add_store(struct weir_builder *builder, const struct weir_logical_store *store)
{
    struct weir_arena *arena = &builder->arena;
    weir_assert(weir_builder_find_store(builder, store->name) < 0); /* who declares it has looked */
    struct weir_logical_store **stores =
        grow(builder, builder->stores, builder->store_count, &builder->store_capacity);
    struct weir_logical_store *copy = weir_arena_alloc(arena, sizeof *copy);
    char *name = weir_arena_printf(arena, "%s", store->name);
    if (stores == NULL || weir_arena_failed(arena)) return weir_builder_no_memory(builder);
    *copy = *store;
    copy->name = name;
    copy->spec.name = name;
    builder->stores = stores;
    builder->stores[builder->store_count++] = copy;
    weir_builder_check(builder);
    return (int32_t)builder->store_count - 1;
}

int weir_builder_set_stores(struct weir_builder *builder, struct weir_logical_node *node,
                            const int32_t *stores, size_t count)
{
    weir_assert(node->store_count == 0 && builder->nodes[node->id] == node);
    int32_t *copy = weir_arena_array(&builder->arena, count, sizeof *copy);
    if (copy == NULL) return weir_builder_no_memory(builder);
    weir_copy(copy, stores, count * sizeof *copy);
    node->stores = copy;
    node->store_count = count;
    weir_builder_check(builder);
    return 0;
}

/* ---- handles --------------------------------------------------------------------------------- */

struct weir_stream *weir_stream_new(struct weir_builder *builder,
                                    const struct weir_logical_node *node,
                                    const struct weir_serde *key_serde,
                                    const struct weir_serde *value_serde, bool is_marked)
{
    struct weir_stream *stream = weir_arena_alloc(&builder->arena, sizeof *stream);
    if (stream == NULL) {
        (void)weir_builder_no_memory(builder);
        return NULL;
    }
    *stream = (struct weir_stream){
        .magic = WEIR_STREAM_MAGIC,
        .builder = builder,
        .node = node != NULL ? node->id : -1,
        .key_serde = key_serde,
        .value_serde = value_serde,
        .is_marked = is_marked,
        .join_repartition = -1,
    };
    return stream;
}

struct weir_stream *weir_stream_dead(struct weir_builder *builder)
{
    return weir_stream_new(builder, NULL, NULL, NULL, false);
}

struct weir_table *weir_table_dead(struct weir_builder *builder)
{
    struct weir_table *table = weir_arena_alloc_zero(&builder->arena, sizeof *table);
    if (table == NULL) {
        (void)weir_builder_no_memory(builder);
        return NULL;
    }
    table->magic = WEIR_TABLE_MAGIC;
    table->builder = builder;
    table->node = -1;
    table->store = -1;
    return table;
}
