/* split().branch()…: a node that chooses, and one node per branch that passes on. */
#include <string.h>

#include "base/assert.h"
#include "base/grow.h"
#include "dsl/logical.h"

enum { BRANCHES_FIRST = 8 };

void weir_split_check(const struct weir_split *split)
{
    weir_assert(split->magic == WEIR_SPLIT_MAGIC);
    weir_assert((split->node != NULL) == (split->config != NULL)); /* a dead one has neither */
    weir_assert(split->branch_count >= 0);
    if (split->config == NULL) return;
    weir_assert(split->node->config == split->config && split->stream.node >= 0);
    weir_assert(split->config->count == (size_t)split->branch_count);
    weir_assert(split->config->count <= split->capacity);
    weir_assert(split->config->predicates == split->predicates);
    weir_assert(split->config->contexts == split->contexts);
}

static struct weir_split *split_new(struct weir_builder *builder)
{
    struct weir_split *split = weir_arena_alloc_zero(&builder->arena, sizeof *split);
    if (split == NULL) {
        (void)weir_builder_no_memory(builder);
        return NULL;
    }
    split->magic = WEIR_SPLIT_MAGIC;
    split->stream.builder = builder;
    return split; /* dead until it has a node */
}

struct weir_split *weir_split(struct weir_stream *stream)
{
    if (!weir_handle_is_given(stream, "weir_split", "stream")) return NULL;
    struct weir_builder *builder = stream->builder;
    struct weir_split *split = split_new(builder);
    if (split == NULL || !weir_stream_is_live(stream)) return split;
    const char *name = weir_builder_name(builder, "KSTREAM-BRANCH-");
    const struct weir_branch_config config = {0};
    struct weir_logical_node *node = weir_builder_add(
        builder, WEIR_LOGICAL_BRANCH, name, &weir_branch_ops, &config, sizeof config, stream->node);
    struct weir_branch_config *own = weir_arena_alloc_zero(&builder->arena, sizeof *own);
    if (node == NULL || own == NULL) {
        (void)weir_builder_no_memory(builder);
        return split;
    }
    node->config = own;
    node->key_serde = stream->key_serde;
    node->value_serde = stream->value_serde;
    split->stream = *stream;
    split->node = node;
    split->config = own;
    weir_split_check(split);
    return split;
}

static bool grow_branches(struct weir_split *split)
{
    struct weir_branch_config *config = split->config;
    if (config->count < split->capacity) return true;
    struct weir_arena *arena = &split->stream.builder->arena;
    size_t larger = weir_grown(split->capacity, BRANCHES_FIRST);
    weir_predicate_fn *predicates = weir_arena_array(arena, larger, sizeof *predicates);
    void **contexts = weir_arena_array(arena, larger, sizeof *contexts);
    if (weir_arena_failed(arena)) return false;
    if (config->count > 0) {
        memcpy(predicates, split->predicates, config->count * sizeof *predicates);
        memcpy(contexts, split->contexts, config->count * sizeof *contexts);
    }
    split->predicates = predicates;
    split->contexts = contexts;
    split->capacity = larger;
    config->predicates = predicates;
    config->contexts = contexts;
    return true;
}

/* Branches are called after their splitter: …-00000000011 is the first of …-0000000001, and the
 * default is number 0. */
static struct weir_stream *add_branch(struct weir_split *split, int32_t number)
{
    struct weir_builder *builder = split->stream.builder;
    weir_assert(split->node != NULL); /* it is not dead */
    const char *name =
        weir_arena_printf(&builder->arena, "%s%d", split->node->auto_name, (int)number);
    builder->next_number++; /* a number is used up all the same */
    if (name == NULL) {
        (void)weir_builder_no_memory(builder);
        return NULL;
    }
    struct weir_logical_node *node = weir_builder_add(builder, WEIR_LOGICAL_PLAIN, name,
                                                      &weir_pass_ops, NULL, 0, split->node->id);
    if (node == NULL) return NULL;
    node->key_serde = split->stream.key_serde;
    node->value_serde = split->stream.value_serde;
    return weir_stream_new(builder, node, node->key_serde, node->value_serde,
                           split->stream.is_marked);
}

struct weir_stream *weir_branch(struct weir_split *split, weir_predicate_fn predicate,
                                void *context)
{
    if (!weir_handle_is_given(split, "weir_branch", "split")) return NULL;
    weir_split_check(split);
    struct weir_builder *builder = split->stream.builder;
    if (split->node == NULL) return weir_stream_dead(builder);
    int rc = 0;
    if (predicate == NULL) {
        rc = weir_builder_fail(builder, split->node->auto_name,
                               "the predicate of branch %d is NULL: pass a function, or use "
                               "weir_branch_default",
                               (int)split->branch_count + 1);
    } else if (split->has_default) {
        rc = weir_builder_fail(builder, split->node->auto_name,
                               "a branch behind the default branch takes nothing: declare it "
                               "before");
    } else if (!grow_branches(split)) {
        rc = weir_builder_no_memory(builder);
    }
    if (rc < 0) return weir_stream_dead(builder);
    struct weir_branch_config *config = split->config;
    split->predicates[config->count] = predicate;
    split->contexts[config->count] = context;
    config->count++;
    split->branch_count++;
    weir_split_check(split);
    return add_branch(split, split->branch_count);
}

struct weir_stream *weir_branch_default(struct weir_split *split)
{
    if (!weir_handle_is_given(split, "weir_branch_default", "split")) return NULL;
    weir_split_check(split);
    struct weir_builder *builder = split->stream.builder;
    if (split->node == NULL) return weir_stream_dead(builder);
    if (split->has_default) {
        (void)weir_builder_fail(builder, split->node->auto_name,
                                "there is a default branch already: keep the stream it gave");
        return weir_stream_dead(builder);
    }
    split->has_default = true;
    return add_branch(split, 0);
}
