/* From a builder to a topology, through the steps of logical.h. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "dsl/logical.h"

enum { ARENA_BLOCK_SIZE = 16 << 10 };

static struct weir_topology *topology_new(void)
{
    struct weir_topology *topology = calloc(1, sizeof *topology); /* a root, as a builder is */
    if (topology == NULL) return NULL;
    topology->magic = WEIR_TOPOLOGY_MAGIC;
    weir_heap_init(&topology->heap, false);
    weir_budget_init(&topology->budget, "topology", &topology->heap, NULL, 0);
    weir_arena_init(&topology->arena, &topology->budget, ARENA_BLOCK_SIZE);
    return topology;
}

void weir_topology_free(struct weir_topology *topology)
{
    if (topology == NULL) return;
    weir_assert(topology->magic == WEIR_TOPOLOGY_MAGIC);
    weir_arena_close(&topology->arena);
    topology->magic = 0;
    free(topology);
}

const char *weir_topology_describe(const struct weir_topology *topology)
{
    if (topology == NULL) return "";
    weir_assert(topology->magic == WEIR_TOPOLOGY_MAGIC && topology->description != NULL);
    return topology->description;
}

const char *weir_topology_dump(const struct weir_topology *topology)
{
    if (topology == NULL) return "";
    weir_assert(topology->magic == WEIR_TOPOLOGY_MAGIC && topology->dump != NULL);
    return topology->dump;
}

struct weir_topology *weir_build(struct weir_builder *builder, struct weir_error *error)
{
    weir_error_clear(error);
    if (builder == NULL) {
        (void)weir_error_set(error, WEIR_INVALID_ARGUMENT,
                             "the builder is NULL: weir_builder_new gives one");
        return NULL;
    }
    weir_builder_check(builder);
    weir_builder_take_missing(builder);
    if (builder->has_failed) {
        if (error != NULL) *error = builder->error;
        return NULL;
    }
    struct weir_topology *topology = topology_new();
    int rc = topology != NULL ? 0 : weir_error_set(error, WEIR_NO_MEMORY, "no memory to build");
    if (rc == 0) rc = weir_optimize(builder, error);
    if (rc == 0) rc = weir_validate(builder, error);
    if (rc == 0) rc = weir_lower(builder, topology, error);
    if (rc == 0) {
        weir_topology_check(topology);
        return topology;
    }
    weir_topology_free(topology);
    return NULL;
}
