#ifndef WEIR_RUNTIME_TASK_SCOPE_H
#define WEIR_RUNTIME_TASK_SCOPE_H

#include "base/arena.h"
#include "weir/serde.h"

/**
 * What user functions and serdes know of a batch's arena: somewhere to put results that live as long
 * as the batch. Opaque outside; inside it is the arena.
 */
struct weir_scope {
    struct weir_arena *arena;
};

#endif
