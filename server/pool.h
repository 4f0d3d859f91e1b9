#ifndef WEIR_SERVER_POOL_H
#define WEIR_SERVER_POOL_H

#include "base/alloc.h"

/**
 * Objects of one size that are taken and given back all the time: some of those given back are
 * kept, so that a steady state allocates nothing. What is in them is not zeroed.
 *
 * Thread: the owner's.
 */
struct weir_pool_node {
    struct weir_pool_node *next;
};

struct weir_pool {
    struct weir_budget *budget;
    size_t object_size;
    size_t keep_max;
    size_t kept;
    struct weir_pool_node *free;
};

void weir_pool_init(struct weir_pool *pool, struct weir_budget *budget, size_t object_size,
                    size_t keep_max);
void weir_pool_close(struct weir_pool *pool);
/** NULL when memory is out. */
void *weir_pool_take(struct weir_pool *pool);
void weir_pool_give(struct weir_pool *pool, void *object); /* NULL is fine */

#endif
