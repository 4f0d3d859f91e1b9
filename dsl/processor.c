/* Processors with state and timers of their own, and the stores they name. */
#include <string.h>

#include "base/assert.h"
#include "dsl/logical.h"

void weir_add_store(struct weir_builder *builder, const char *name, const struct weir_serde *key,
                    const struct weir_serde *value, const struct weir_materialized *materialized)
{
    if (!weir_builder_is_live(builder)) return;
    if (weir_name_check(builder, "weir_add_store", "store's name", name) < 0) return;
    const struct weir_logical_window no_window = {0};
    struct weir_materialized read;
    if (weir_materialized_read(builder, name, materialized, no_window, &read) < 0) return;
    if (weir_builder_check_declared_store(builder, name, key, value) < 0) return;
    struct weir_logical_store store = weir_materialized_store(&read, name, no_window);
    store.name = name;
    store.key_serde = key;
    store.value_serde = value;
    store.is_declared = true;
    store.spec.is_cached = false; /* nothing is forwarded from it */
    store.spec.is_timestamped = read.is_versioned || store.spec.ttl_ms > 0;
    (void)weir_builder_add_store(builder, &store); /* a failure is kept */
}

/* ---- what a processor names ------------------------------------------------------------------ */

static size_t count_names(const char *const *names)
{
    size_t count = 0;
    while (names != NULL && names[count] != NULL)
        count++;
    return count;
}

static int find_stores(struct weir_builder *builder, const char *node, const char *const *names,
                       size_t count, int32_t *stores)
{
    for (size_t i = 0; i < count; i++) {
        stores[i] = weir_builder_find_store(builder, names[i]);
        if (stores[i] < 0) {
            return weir_builder_fail(builder, node,
                                     "there is no store '%s': declare it with weir_add_store, "
                                     "before the processor",
                                     names[i]);
        }
        for (size_t j = 0; j < i; j++) {
            if (stores[j] != stores[i]) continue;
            return weir_builder_fail(builder, node, "the store '%s' is named twice: once is enough",
                                     names[i]);
        }
    }
    return 0;
}

/* The operator's struct: names and serdes in the order in which the processor names its stores. */
static int fill_config(struct weir_builder *builder, const struct weir_processor *processor,
                       const int32_t *stores, size_t count, struct weir_process_config *config)
{
    struct weir_arena *arena = &builder->arena;
    const char **names = weir_arena_array(arena, count + 1, sizeof *names);
    const struct weir_serde **keys = weir_arena_array(arena, count, sizeof *keys);
    const struct weir_serde **values = weir_arena_array(arena, count, sizeof *values);
    const struct weir_serde **records = weir_arena_array(arena, count, sizeof *records);
    bool *is_declared = weir_arena_array(arena, count, sizeof *is_declared);
    if (weir_arena_failed(arena)) return weir_builder_no_memory(builder);
    for (size_t i = 0; i < count; i++) {
        weir_assert(stores[i] >= 0 && (size_t)stores[i] < builder->store_count);
        const struct weir_logical_store *store = builder->stores[stores[i]];
        names[i] = store->name;
        keys[i] = store->key_serde;
        values[i] = store->value_serde;
        records[i] = weir_windowed_serde_key(store->key_serde);
        is_declared[i] = store->is_declared;
    }
    names[count] = NULL;
    config->processor = *processor;
    config->processor.stores = names;
    config->store_names = names;
    config->store_keys = keys;
    config->store_values = values;
    config->store_records = records;
    config->store_is_declared = is_declared;
    config->store_count = count;
    return 0;
}

static struct weir_logical_node *add_processor(const struct weir_stream *stream, const char *name,
                                               const struct weir_processor *processor,
                                               const struct weir_operator_ops *ops)
{
    struct weir_builder *builder = stream->builder;
    if (processor == NULL || processor->process == NULL) {
        (void)weir_builder_fail(builder, name, "the processor%s is NULL: pass one",
                                processor == NULL ? "" : "'s process function");
        return NULL;
    }
    size_t count = count_names(processor->stores);
    int32_t *stores = weir_arena_array(&builder->arena, count, sizeof *stores);
    if (stores == NULL) {
        (void)weir_builder_no_memory(builder);
        return NULL;
    }
    struct weir_process_config config = {.store_count = 0};
    if (find_stores(builder, name, processor->stores, count, stores) < 0 ||
        fill_config(builder, processor, stores, count, &config) < 0) {
        return NULL;
    }
    struct weir_logical_node *node = weir_builder_add(builder, WEIR_LOGICAL_PROCESS, name, ops,
                                                      &config, sizeof config, stream->node);
    if (node == NULL || weir_builder_set_stores(builder, node, stores, count) < 0) return NULL;
    return node;
}

static struct weir_stream *process(struct weir_stream *stream,
                                   const struct weir_processor *processor,
                                   const struct weir_operator_ops *ops,
                                   const struct weir_serde *key, const struct weir_serde *value)
{
    if (!weir_stream_is_live(stream)) return stream;
    const bool is_key_changing = ops->traits.is_key_changing;
    const char *name = weir_builder_name(
        stream->builder, is_key_changing ? "KSTREAM-PROCESSOR-" : "KSTREAM-PROCESSVALUES-");
    struct weir_logical_node *node = add_processor(stream, name, processor, ops);
    if (key == NULL) key = stream->key_serde;
    if (value == NULL) value = stream->value_serde;
    if (node != NULL) {
        node->key_serde = key;
        node->value_serde = value;
    }
    return weir_stream_new(stream->builder, node, key, value, stream->is_marked || is_key_changing);
}

struct weir_stream *weir_process(struct weir_stream *stream, const struct weir_processor *processor,
                                 const struct weir_serde *key, const struct weir_serde *value)
{
    return process(stream, processor, &weir_process_ops, key, value);
}

struct weir_stream *weir_process_values(struct weir_stream *stream,
                                        const struct weir_processor *processor,
                                        const struct weir_serde *value)
{
    return process(stream, processor, &weir_process_values_ops, NULL, value);
}
