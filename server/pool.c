#include "server/pool.h"

#include "base/assert.h"

void weir_pool_init(struct weir_pool *pool, struct weir_budget *budget, size_t object_size,
                    size_t keep_max)
{
    weir_assert(object_size >= sizeof(struct weir_pool_node));
    *pool = (struct weir_pool){
        .budget = budget,
        .object_size = object_size,
        .keep_max = keep_max,
    };
}

void weir_pool_close(struct weir_pool *pool)
{
    while (pool->free != NULL) {
        struct weir_pool_node *node = pool->free;
        pool->free = node->next;
        weir_free(node);
    }
    pool->kept = 0;
}

void *weir_pool_take(struct weir_pool *pool)
{
    struct weir_pool_node *node = pool->free;
    if (node == NULL) return weir_alloc(pool->budget, pool->object_size);
    pool->free = node->next;
    pool->kept--;
    return node;
}

void weir_pool_give(struct weir_pool *pool, void *object)
{
    struct weir_pool_node *node = object;
    if (node == NULL) return;
    if (pool->kept == pool->keep_max) {
        weir_free(node);
        return;
    }
    node->next = pool->free;
    pool->free = node;
    pool->kept++;
}
