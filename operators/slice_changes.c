#include "operators/slice_changes.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "weir/error.h"

enum { SLOTS_MIN = 256, FIRST = 64, KEPT_BYTES = 4 << 20 };

void weir_slice_changes_init(struct weir_slice_changes *changes, struct weir_budget *budget)
{
    *changes = (struct weir_slice_changes){
        .hash_seed = budget->heap->hash_seed,
        .from_ms = INT64_MAX,
    };
    weir_arena_init(&changes->arena, budget, 0);
}

void weir_slice_changes_close(struct weir_slice_changes *changes)
{
    if (changes->arena.budget != NULL) weir_arena_close(&changes->arena);
    *changes = (struct weir_slice_changes){0};
}

void weir_slice_changes_forget(struct weir_slice_changes *changes)
{
    struct weir_arena *arena = &changes->arena;
    struct weir_budget *budget = arena->budget;
    const uint64_t hash_seed = changes->hash_seed;
    if (arena->used > KEPT_BYTES) {
        weir_slice_changes_close(changes);
        weir_slice_changes_init(changes, budget);
        return;
    }
    weir_arena_reset(arena);
    *changes = (struct weir_slice_changes){
        .arena = *arena,
        .hash_seed = hash_seed,
        .from_ms = INT64_MAX,
    };
}

/* ---- keys ------------------------------------------------------------------------------------ */

static uint32_t *find_slot(const struct weir_slice_changes *changes, struct weir_slice key,
                           uint64_t hash)
{
    const size_t mask = changes->slot_count - 1;
    size_t at = (size_t)hash & mask;
    for (; changes->slots[at] != 0; at = (at + 1) & mask) {
        const struct weir_changed_key *found = &changes->keys[changes->slots[at] - 1];
        if (found->hash == hash && weir_slice_equal(found->key, key)) break;
    }
    return &changes->slots[at];
}

/* At most half of the slots are taken, with one key more. */
static int make_room(struct weir_slice_changes *changes)
{
    if (changes->key_count + 1 <= changes->slot_count / 2) return 0;
    const size_t slot_count = changes->slot_count > 0 ? changes->slot_count * 2 : SLOTS_MIN;
    const size_t mask = slot_count - 1;
    uint32_t *slots = weir_arena_alloc_zero(&changes->arena, slot_count * sizeof *slots);
    if (slots == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < changes->key_count; i++) {
        size_t at = (size_t)changes->keys[i].hash & mask;
        while (slots[at] != 0) {
            at = (at + 1) & mask;
        }
        slots[at] = (uint32_t)i + 1;
    }
    changes->slots = slots;
    changes->slot_count = slot_count;
    return 0;
}

static struct weir_changed_key *find_or_make(struct weir_slice_changes *changes,
                                             struct weir_slice key)
{
    const uint64_t hash = weir_hash_seeded(key, changes->hash_seed);
    if (make_room(changes) < 0) return NULL;
    uint32_t *slot = find_slot(changes, key, hash);
    if (*slot != 0) return &changes->keys[*slot - 1];
    struct weir_changed_key *grown =
        weir_arena_grow(&changes->arena, changes->keys, changes->key_count, &changes->key_capacity,
                        FIRST, sizeof *grown);
    const struct weir_slice copy = weir_arena_copy(&changes->arena, key);
    if (grown == NULL || weir_arena_failed(&changes->arena)) return NULL;
    changes->keys = grown;
    changes->keys[changes->key_count++] = (struct weir_changed_key){.hash = hash, .key = copy};
    *slot = (uint32_t)changes->key_count;
    return &changes->keys[changes->key_count - 1];
}

const struct weir_changed_key *weir_slice_changes_find(const struct weir_slice_changes *changes,
                                                       struct weir_slice key)
{
    if (changes->slot_count == 0) return NULL;
    const uint32_t number = *find_slot(changes, key, weir_hash_seeded(key, changes->hash_seed));
    return number > 0 ? &changes->keys[number - 1] : NULL;
}

/* ---- slices ---------------------------------------------------------------------------------- */

int weir_slice_changes_note(struct weir_slice_changes *changes, struct weir_slice key,
                            int64_t start_ms, int64_t from_ms)
{
    weir_assert(changes->slice_count < UINT32_MAX);
    weir_assert(from_ms <= start_ms);
    struct weir_changed_key *changed = find_or_make(changes, key);
    if (changed == NULL) return WEIR_NO_MEMORY;
    struct weir_changed_slice *grown =
        weir_arena_grow(&changes->arena, changes->slices, changes->slice_count,
                        &changes->slice_capacity, FIRST, sizeof *grown);
    if (grown == NULL) return WEIR_NO_MEMORY;
    changes->slices = grown;
    changes->slices[changes->slice_count++] = (struct weir_changed_slice){
        .start_ms = start_ms,
        .from_ms = from_ms,
        .next = changed->first,
    };
    changed->first = (uint32_t)changes->slice_count;
    if (from_ms < changes->from_ms) changes->from_ms = from_ms;
    return 0;
}
