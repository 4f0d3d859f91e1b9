#ifndef WEIR_BASE_BUFFER_H
#define WEIR_BASE_BUFFER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "weir/types.h"

/**
 * A growable run of bytes with a bound. The first failure (memory, bound) sticks; after it appends
 * do nothing, and the builder checks `failed` once at the end.
 */
struct weir_buffer {
    struct weir_budget *budget;
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t size_max; /* 0: no bound of its own */
    bool failed;
};

void weir_buffer_init(struct weir_buffer *buffer, struct weir_budget *budget, size_t size_max);
void weir_buffer_close(struct weir_buffer *buffer);
/** Size back to 0, memory kept, failure cleared. */
void weir_buffer_reset(struct weir_buffer *buffer);
/** Room for `size` more bytes; false (and failed) if there is none. */
bool weir_buffer_reserve(struct weir_buffer *buffer, size_t size);
/** Inline, for the encoders: the append of a few bytes is a comparison and a store. */
static inline void weir_buffer_append(struct weir_buffer *buffer, const void *data, size_t size)
{
    if (size == 0 || buffer->failed) return;
    if (size > buffer->capacity - buffer->size && !weir_buffer_reserve(buffer, size)) return;
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}
/** `size` bytes at the end, for the caller to fill; NULL after a failure. */
uint8_t *weir_buffer_extend(struct weir_buffer *buffer, size_t size);

/** What is in it, until the next append. Never the null slice: an empty buffer is an empty
 * value. */
static inline struct weir_slice weir_buffer_slice(const struct weir_buffer *buffer)
{
    return weir_slice(buffer->data != NULL ? (const void *)buffer->data : "", buffer->size);
}

/**
 * Bytes shared by reference: a fetched range, a batch on its way to the log. Immutable from the
 * moment it has a second holder. `ref`/`unref` from any thread; the last one out frees.
 */
struct weir_shared {
    _Atomic uint32_t references;
    size_t capacity;
    size_t size;
    uint8_t *data; /* behind the struct, 16-aligned */
};

/** One reference, size 0, room for `capacity` bytes; NULL when memory is out. */
struct weir_shared *weir_shared_new(struct weir_budget *budget, size_t capacity);
struct weir_shared *weir_shared_ref(struct weir_shared *shared);
void weir_shared_unref(struct weir_shared *shared); /* NULL is fine */

#endif
