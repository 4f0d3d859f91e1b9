#ifndef WEIR_RUNTIME_TASK_SCOPE_H
#define WEIR_RUNTIME_TASK_SCOPE_H

#include "base/arena.h"
#include "weir/serde.h"

/** An object of a kind (enum weir_field_kind; 0: a type without a serde of its own). */
struct weir_made {
    const void *object;
    size_t size;
    int kind;
};

/**
 * What user functions and serdes know of a batch's arena: somewhere to put results that live as long
 * as the batch. Opaque outside; inside it is the arena, and a note of what weir_scope_new made last.
 */
enum { WEIR_SCOPE_MADE = 8 }; /* a power of two; a function makes one object or two, as a rule */
struct weir_scope {
    struct weir_arena *arena;
    uint64_t resets; /* the arena's, when the notes were taken: after a reset they are void */
    size_t count;    /* of objects since then */
    struct weir_made made[WEIR_SCOPE_MADE]; /* the last ones, by their number */
};

/** Memory for bytes that are all written, so not zeroed; NULL when memory is out. */
static inline void *weir_scope_bytes(struct weir_scope *scope, size_t size)
{
    return scope != NULL ? weir_arena_alloc(scope->arena, size) : NULL;
}

/** The note of an object made lately, `back` objects ago; NULL: there is none. */
static inline const struct weir_made *weir_scope_made(const struct weir_scope *scope, size_t back)
{
    if (scope->resets != scope->arena->resets || back >= scope->count) return NULL;
    if (back >= WEIR_SCOPE_MADE) return NULL;
    return &scope->made[(scope->count - 1 - back) % WEIR_SCOPE_MADE];
}

#endif
