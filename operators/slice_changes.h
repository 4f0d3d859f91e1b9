#ifndef WEIR_OPERATORS_SLICE_CHANGES_H
#define WEIR_OPERATORS_SLICE_CHANGES_H

#include "base/arena.h"

/**
 * Which slices of which keys have changed since the last flush, and from which window on each has
 * changed them: what a cached table over slices has to give on (slices.c).
 *
 *     "a"  ──>  [slice 11, from window 2]  [slice 14, from window 5]
 *
 * A slice is noted with its first change, so the map is not asked per record. Keys come in the
 * order of their first changes. All of it goes at once, with the flush.
 */
struct weir_changed_slice {
    int64_t start_ms;
    int64_t from_ms; /* the first window that it has changed, and that was not kept */
    uint32_t next;   /* of its key; its number plus one, 0: none */
};

struct weir_changed_key {
    uint64_t hash;
    struct weir_slice key; /* of the records */
    uint32_t first;        /* a slice; its number plus one */
};

struct weir_slice_changes {
    struct weir_arena arena;
    uint64_t hash_seed;
    struct weir_changed_key *keys;
    size_t key_count;
    size_t key_capacity;
    struct weir_changed_slice *slices;
    size_t slice_count;
    size_t slice_capacity;
    uint32_t *slots; /* open addressing; a key's number plus one, 0: free */
    size_t slot_count;
    int64_t from_ms; /* the first window that it has changed, and that was not kept */
};

void weir_slice_changes_init(struct weir_slice_changes *changes, struct weir_budget *budget);
/** Frees; zeroed is fine. */
void weir_slice_changes_close(struct weir_slice_changes *changes);
/** Note the first change of a slice since the last flush; the key is copied. WEIR_NO_MEMORY. */
int weir_slice_changes_note(struct weir_slice_changes *changes, struct weir_slice key,
                            int64_t start_ms, int64_t from_ms);
/** The key's changes; NULL: there are none. Good until the next note. */
const struct weir_changed_key *weir_slice_changes_find(const struct weir_slice_changes *changes,
                                                       struct weir_slice key);
/** The slice behind a number plus one; NULL for 0. */
static inline struct weir_changed_slice *
weir_changed_slice_at(const struct weir_slice_changes *changes, uint32_t number)
{
    return number > 0 ? &changes->slices[number - 1] : NULL;
}
/** All is forgotten: it was given on. */
void weir_slice_changes_forget(struct weir_slice_changes *changes);

#endif
