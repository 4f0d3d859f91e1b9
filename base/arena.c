#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/grow.h"

/* With the address sanitizer what was not handed out is poisoned, and each allocation is followed by a
 * red zone: a write past its end is found though the block goes on. */
#if defined(__has_feature) /* clang's way to say it */
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
enum { RED_ZONE = 16 };
#define POISON(bytes, size) ASAN_POISON_MEMORY_REGION(bytes, size)
#define UNPOISON(bytes, size) ASAN_UNPOISON_MEMORY_REGION(bytes, size)
#else
enum { RED_ZONE = 0 };
#define POISON(bytes, size) ((void)(bytes), (void)(size))
#define UNPOISON(bytes, size) ((void)(bytes), (void)(size))
#endif

/*
 * Blocks stand in a chain in the order they were filled. Those up to `current` are in use, those
 * behind it are left from before the last reset and are taken again before any new one is made. A
 * run of requests that repeats therefore finds each block where it left it: it allocates nothing.
 * A size that grows from one reset to the next leaves no trail of blocks that are too small for it: each
 * larger one takes the place of a smaller one.
 */
struct weir_arena_block {
    struct weir_arena_block *next;
    size_t capacity; /* bytes behind this header */
    size_t used;
    size_t padding; /* keeps what follows 16-aligned */
};

_Static_assert(sizeof(struct weir_arena_block) % 16 == 0, "bytes behind it are 16-aligned");

enum { ARENA_ALIGNMENT = 16, ARENA_BLOCK_SIZE_DEFAULT = 64 * 1024 };

void weir_arena_init(struct weir_arena *arena, struct weir_budget *budget, size_t block_size)
{
    *arena = (struct weir_arena){
        .budget = budget,
        .block_size = block_size != 0 ? block_size : ARENA_BLOCK_SIZE_DEFAULT,
    };
}

void weir_arena_close(struct weir_arena *arena)
{
    while (arena->first != NULL) {
        struct weir_arena_block *block = arena->first;
        arena->first = block->next;
        UNPOISON(block + 1, block->capacity);
        weir_free(block);
    }
    arena->current = NULL;
    arena->used = 0;
}

void weir_arena_reset(struct weir_arena *arena)
{
    arena->current = arena->first;
    if (arena->current != NULL) arena->current->used = 0;
    for (struct weir_arena_block *block = arena->first; RED_ZONE > 0 && block != NULL;
         block = block->next) {
        POISON(block + 1, block->capacity);
    }
    arena->used = 0;
    arena->resets++;
    arena->failed = false;
}

/* Where the chain continues behind `current`, or starts. */
static struct weir_arena_block **arena_next(struct weir_arena *arena)
{
    return arena->current != NULL ? &arena->current->next : &arena->first;
}

/* Take the first idle block with room for `size` out of the chain; NULL if there is none. */
static struct weir_arena_block *arena_take_idle(struct weir_arena *arena, size_t size)
{
    for (struct weir_arena_block **at = arena_next(arena); *at != NULL; at = &(*at)->next) {
        struct weir_arena_block *block = *at;
        if (block->capacity >= size) {
            *at = block->next;
            return block;
        }
    }
    return NULL;
}

/* What is larger than a block gets one of its own size. */
static struct weir_arena_block *arena_new_block(struct weir_arena *arena, size_t size)
{
    size_t capacity = size > arena->block_size ? size : arena->block_size;
    struct weir_arena_block *block = weir_alloc(arena->budget, sizeof *block + capacity);
    if (block == NULL) return NULL;
    block->capacity = capacity;
    POISON(block + 1, capacity);
    return block;
}

/* A larger block comes: one of the idle ones that had a size of their own, which was too small, is given back. */
static void arena_give_way(struct weir_arena *arena)
{
    for (struct weir_arena_block **at = arena_next(arena); *at != NULL; at = &(*at)->next) {
        struct weir_arena_block *block = *at;
        if (block->capacity <= arena->block_size) continue;
        *at = block->next;
        UNPOISON(block + 1, block->capacity);
        weir_free(block);
        return;
    }
}

/* Make a block with room for `size` the current one. */
static bool arena_advance(struct weir_arena *arena, size_t size)
{
    struct weir_arena_block *block = arena_take_idle(arena, size);
    if (block == NULL) {
        if (size > arena->block_size) arena_give_way(arena);
        block = arena_new_block(arena, size);
    }
    if (block == NULL) return false;

    struct weir_arena_block **next = arena_next(arena);
    block->used = 0;
    block->next = *next;
    *next = block;
    arena->current = block;
    return true;
}

static bool arena_has_room(const struct weir_arena *arena, size_t size)
{
    const struct weir_arena_block *block = arena->current;
    return block != NULL && size <= block->capacity - block->used;
}

void *weir_arena_alloc(struct weir_arena *arena, size_t size)
{
    if (arena->failed) return NULL;
    if (size > PTRDIFF_MAX / 2) {
        arena->failed = true;
        return NULL;
    }
    const size_t asked = size;
    /* Zero bytes get an address too, so that NULL always means failure. */
    size = (size + (size == 0) + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);

    if (!arena_has_room(arena, size + RED_ZONE) && !arena_advance(arena, size + RED_ZONE)) {
        arena->failed = true;
        return NULL;
    }
    struct weir_arena_block *block = arena->current;
    uint8_t *bytes = (uint8_t *)(block + 1) + block->used;
    block->used += size + RED_ZONE;
    arena->used += size;
    weir_assert(block->used <= block->capacity);
    UNPOISON(bytes, asked);
    return bytes;
}

void *weir_arena_alloc_zero(struct weir_arena *arena, size_t size)
{
    void *bytes = weir_arena_alloc(arena, size);
    if (bytes != NULL) memset(bytes, 0, size);
    return bytes;
}

void *weir_arena_array(struct weir_arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        arena->failed = true;
        return NULL;
    }
    return weir_arena_alloc(arena, total);
}

void *weir_arena_grow(struct weir_arena *arena, void *array, size_t count, size_t *capacity,
                      size_t first, size_t size)
{
    weir_assert(count <= *capacity && first > 0);
    if (count < *capacity) return array;
    size_t larger = weir_grown(*capacity, first);
    void *grown = weir_arena_array(arena, larger, size);
    if (grown == NULL) return NULL;
    weir_copy(grown, array, count * size);
    *capacity = larger;
    return grown;
}

struct weir_slice weir_arena_copy(struct weir_arena *arena, struct weir_slice slice)
{
    if (weir_slice_is_null(slice)) return weir_null();
    uint8_t *bytes = weir_arena_alloc(arena, slice.size);
    if (bytes == NULL) return weir_null();
    memcpy(bytes, slice.data, slice.size);
    return weir_slice(bytes, slice.size);
}

char *weir_arena_printf(struct weir_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0) {
        arena->failed = true;
        return NULL;
    }

    char *text = weir_arena_alloc(arena, (size_t)size + 1);
    if (text == NULL) return NULL;
    va_start(args, format);
    (void)vsnprintf(text, (size_t)size + 1, format, args); /* measured above */
    va_end(args);
    return text;
}
