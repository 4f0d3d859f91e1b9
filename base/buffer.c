#include "base/buffer.h"

#include <string.h>

#include "base/assert.h"

enum { BUFFER_CAPACITY_MIN = 256 };

void weir_buffer_init(struct weir_buffer *buffer, struct weir_budget *budget, size_t size_max)
{
    *buffer = (struct weir_buffer){.budget = budget, .size_max = size_max};
}

void weir_buffer_close(struct weir_buffer *buffer)
{
    weir_free(buffer->data);
    buffer->data = NULL;
    buffer->size = 0;
    buffer->capacity = 0;
}

void weir_buffer_reset(struct weir_buffer *buffer)
{
    buffer->size = 0;
    buffer->failed = false;
}

/* Twice what there was, so that n appends copy O(n) bytes; never past the bound. */
static size_t grown_capacity(const struct weir_buffer *buffer, size_t needed, size_t bound)
{
    size_t capacity = buffer->capacity < bound / 2 ? buffer->capacity * 2 : bound;
    if (capacity < BUFFER_CAPACITY_MIN) capacity = BUFFER_CAPACITY_MIN;
    if (capacity < needed) capacity = needed;
    return capacity < bound ? capacity : bound;
}

static bool buffer_grow(struct weir_buffer *buffer, size_t size)
{
    const size_t bound = buffer->size_max != 0 ? buffer->size_max : PTRDIFF_MAX / 2;
    if (buffer->size > bound || size > bound - buffer->size) return false;

    size_t capacity = grown_capacity(buffer, buffer->size + size, bound);
    uint8_t *data = weir_realloc(buffer->budget, buffer->data, capacity);
    if (data == NULL) return false;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

bool weir_buffer_reserve(struct weir_buffer *buffer, size_t size)
{
    weir_assert(buffer->size <= buffer->capacity);
    if (buffer->failed) return false;
    if (size <= buffer->capacity - buffer->size) return true;
    buffer->failed = !buffer_grow(buffer, size);
    return !buffer->failed;
}

uint8_t *weir_buffer_extend(struct weir_buffer *buffer, size_t size)
{
    /* An empty extension of an empty buffer needs an address, too: NULL means failure. */
    size_t room = size == 0 && buffer->data == NULL ? 1 : size;
    if (!weir_buffer_reserve(buffer, room)) return NULL;
    uint8_t *bytes = buffer->data + buffer->size;
    buffer->size += size;
    return bytes;
}

struct weir_shared *weir_shared_new(struct weir_budget *budget, size_t capacity)
{
    _Static_assert(sizeof(struct weir_shared) % 16 == 0, "bytes behind it are 16-aligned");
    if (capacity > PTRDIFF_MAX / 2) return NULL;

    struct weir_shared *shared = weir_alloc(budget, sizeof *shared + capacity);
    if (shared == NULL) return NULL;
    atomic_init(&shared->references, 1);
    shared->capacity = capacity;
    shared->size = 0;
    shared->data = (uint8_t *)(shared + 1);
    return shared;
}

struct weir_shared *weir_shared_ref(struct weir_shared *shared)
{
    uint32_t before = atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
    weir_assert(before > 0);
    weir_assert(before < UINT32_MAX);
    return shared;
}

/* Release on the way down and acquire at zero: the last holder sees what all others wrote. */
void weir_shared_unref(struct weir_shared *shared)
{
    if (shared == NULL) return;
    uint32_t before = atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel);
    weir_assert(before > 0);
    if (before == 1) weir_free(shared);
}
