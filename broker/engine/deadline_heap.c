#include "broker/engine/deadline_heap.h"

#include "base/assert.h"
#include "base/grow.h"

static void place(struct weir_deadline_heap *heap, size_t at, struct weir_deadline deadline)
{
    heap->entries[at] = deadline;
    *deadline.index = at + 1;
}

static void move_up(struct weir_deadline_heap *heap, size_t at)
{
    struct weir_deadline moving = heap->entries[at];
    while (at > 0 && heap->entries[(at - 1) / 2].at.ns > moving.at.ns) {
        place(heap, at, heap->entries[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(heap, at, moving);
}

static void move_down(struct weir_deadline_heap *heap, size_t at)
{
    struct weir_deadline moving = heap->entries[at];
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= heap->count) break;
        if (child + 1 < heap->count &&
            heap->entries[child + 1].at.ns < heap->entries[child].at.ns) {
            child++;
        }
        if (heap->entries[child].at.ns >= moving.at.ns) break;
        place(heap, at, heap->entries[child]);
        at = child;
    }
    place(heap, at, moving);
}

void weir_deadline_heap_init(struct weir_deadline_heap *heap, struct weir_budget *budget)
{
    *heap = (struct weir_deadline_heap){.budget = budget};
}

void weir_deadline_heap_close(struct weir_deadline_heap *heap)
{
    weir_assert(heap->count == 0);
    weir_free(heap->entries);
    heap->entries = NULL;
}

/* None is due before its parent, and each knows its place. */
static bool is_ordered(const struct weir_deadline_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++) {
        if (*heap->entries[i].index != i + 1) return false;
        if (i > 0 && heap->entries[(i - 1) / 2].at.ns > heap->entries[i].at.ns) return false;
    }
    return true;
}

void weir_deadline_heap_check(const struct weir_deadline_heap *heap)
{
    weir_assert(heap->count <= heap->capacity);
    weir_assert(heap->count == 0 || *heap->entries[0].index == 1);
    weir_assert_slow(is_ordered(heap));
}

int weir_deadline_heap_add(struct weir_deadline_heap *heap, struct weir_deadline deadline)
{
    if (heap->count == heap->capacity) {
        size_t capacity = weir_grown(heap->capacity, 16);
        struct weir_deadline *grown =
            weir_realloc(heap->budget, heap->entries, capacity * sizeof *grown);
        if (grown == NULL) return WEIR_NO_MEMORY;
        heap->entries = grown;
        heap->capacity = capacity;
    }
    heap->entries[heap->count++] = deadline;
    move_up(heap, heap->count - 1);
    weir_deadline_heap_check(heap);
    return 0;
}

void weir_deadline_heap_remove(struct weir_deadline_heap *heap, size_t *index)
{
    weir_assert(index != NULL);
    if (*index == 0) return;
    size_t at = *index - 1;
    weir_assert(at < heap->count && heap->entries[at].index == index);
    *index = 0;
    struct weir_deadline last = heap->entries[--heap->count];
    if (at == heap->count) return;
    place(heap, at, last);
    move_up(heap, at);
    move_down(heap, *last.index - 1);
    weir_deadline_heap_check(heap);
}

void *weir_deadline_heap_due(const struct weir_deadline_heap *heap, struct weir_mono now)
{
    return heap->count > 0 && heap->entries[0].at.ns <= now.ns ? heap->entries[0].item : NULL;
}

struct weir_mono weir_deadline_heap_first(const struct weir_deadline_heap *heap)
{
    return heap->count > 0 ? heap->entries[0].at : WEIR_MONO_NEVER;
}
