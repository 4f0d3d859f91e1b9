
#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "runtime/state/state_internal.h"

/*
 * Who may leave the table. An entry is *settled* when its last change is written down and nobody has
 * still to be told of it; until then it is pinned, because the backend could not give it back. The
 * bytes of settled entries are counted (clean_bytes), and beyond the state's bound a clock's hand goes
 * round the slots and lets those go that were not met since it last passed.
 *
 * A memory store has nothing below: its entries stay, but for those that hold nothing (an absent or
 * expired key), which are remembered as *loose* and looked at again before the next touch.
 */

int weir_entry_list_reserve(struct weir_entry_list *list, struct weir_budget *budget, size_t count)
{
    if (count <= list->capacity - list->count) return WEIR_OK;
    size_t capacity = list->capacity < 32 ? 64 : list->capacity * 2;
    while (capacity - list->count < count) {
        capacity *= 2;
    }
    struct weir_store_entry **grown = weir_realloc(budget, list->entries, capacity * sizeof *grown);
    if (grown == NULL) return WEIR_NO_MEMORY;
    list->entries = grown;
    list->capacity = capacity;
    return WEIR_OK;
}

/* What an entry costs while it is in the table: itself, its key, its value, its share of slots. */
static size_t entry_cost(const struct weir_store_entry *entry)
{
    enum { SLOT_SHARE = 14 };
    size_t cost = weir_slabs_block_size(sizeof *entry + entry->key.size) + SLOT_SHARE;
    return entry->value != NULL ? cost + weir_slabs_block_size(entry->value_size) : cost;
}

/* An entry of a memory store that holds nothing and waits for nothing. */
static bool is_garbage(const struct weir_store *store, const struct weir_store_entry *entry)
{
    if (!weir_entry_is_settled(entry)) return false;
    return entry->value == NULL || weir_store_is_expired(store, entry->key);
}

/* Without memory for the list the entry stays until it is met again: harmless. */
static void loosen(struct weir_store *store, struct weir_store_entry *entry)
{
    if ((entry->flags & WEIR_ENTRY_LOOSE) != 0 || !is_garbage(store, entry)) return;
    if (weir_entry_list_reserve(&store->loose, &store->state->table_budget, 1) < 0) return;
    entry->flags |= WEIR_ENTRY_LOOSE;
    weir_entry_list_add(&store->loose, entry);
}

void weir_store_settle(struct weir_store *store, struct weir_store_entry *entry)
{
    if (store->is_resident) {
        loosen(store, entry);
    } else if (weir_entry_is_settled(entry)) {
        size_t cost = entry_cost(entry);
        store->clean_bytes += cost;
        store->state->clean_bytes += cost;
    }
}

void weir_store_unsettle(struct weir_store *store, const struct weir_store_entry *entry)
{
    if (store->is_resident || !weir_entry_is_settled(entry)) return;
    size_t cost = entry_cost(entry);
    weir_assert(store->clean_bytes >= cost);
    weir_assert(store->state->clean_bytes >= store->clean_bytes);
    store->clean_bytes -= cost;
    store->state->clean_bytes -= cost;
}

/* ---- values ------------------------------------------------------------------------------------- */

int weir_store_load_value(struct weir_store *store, struct weir_store_entry *entry,
                          struct weir_slice value, int64_t timestamp_ms)
{
    weir_assert(entry->value == NULL);
    if (weir_slice_is_null(value)) return WEIR_OK;
    if (value.size > UINT32_MAX) return WEIR_TOO_LARGE;
    uint8_t *bytes = weir_slabs_alloc(&store->state->value_slabs, value.size, NULL);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    weir_copy(bytes, value.data, value.size);
    entry->value = bytes;
    entry->value_size = (uint32_t)value.size;
    entry->timestamp_ms = timestamp_ms;
    return WEIR_OK;
}

void weir_store_free_value(struct weir_store *store, uint8_t *value, size_t size)
{
    weir_slabs_free(&store->state->value_slabs, value, size, 0);
}

static void free_values(struct weir_store *store, struct weir_store_entry *entry)
{
    weir_store_free_value(store, entry->value, entry->value_size);
    weir_store_free_value(store, entry->old_value, entry->old_size);
}

/* ---- coming and going ---------------------------------------------------------------------------- */

struct weir_store_entry *weir_store_add_entry(struct weir_store *store, struct weir_slice key,
                                              uint32_t hash)
{
    struct weir_store_entry *entry = weir_table_add(&store->table, key, hash);
    if (entry == NULL || !store->has_index) return entry;
    struct weir_slice address = weir_slice(&entry, sizeof entry);
    if (weir_skip_list_put(&store->index_by_key, entry->key, address) < 0) {
        weir_table_remove(&store->table, entry, hash);
        return NULL;
    }
    return entry;
}

void weir_store_remove_entry(struct weir_store *store, struct weir_store_entry *entry)
{
    uint32_t hash = weir_table_hash_key(&store->table, entry->key);
    free_values(store, entry);
    if (store->has_index) weir_skip_list_remove(&store->index_by_key, entry->key);
    weir_table_remove(&store->table, entry, hash);
}

/* A settled entry of a store with a backend leaves. */
static void evict_at(struct weir_store *store, size_t slot)
{
    struct weir_store_entry *entry = weir_table_at(&store->table, slot);
    weir_store_unsettle(store, entry);
    bool is_missed = entry->value != NULL && !weir_store_is_expired(store, entry->key);
    if (is_missed) store->is_complete = false;
    free_values(store, entry);
    weir_table_remove_at(&store->table, slot);
}

static void remove_garbage(struct weir_store *store)
{
    for (size_t i = 0; i < store->loose.count; i++) {
        struct weir_store_entry *entry = store->loose.entries[i];
        entry->flags &= ~(uint32_t)WEIR_ENTRY_LOOSE;
        if (is_garbage(store, entry)) weir_store_remove_entry(store, entry);
    }
    store->loose.count = 0;
}

/* Segments have died: their settled entries go, the others when they are settled. */
static void sweep(struct weir_store *store)
{
    for (size_t slot = 0; slot < store->table.slot_count;) {
        struct weir_store_entry *entry = weir_table_at(&store->table, slot);
        bool goes = entry != NULL && weir_entry_is_settled(entry) &&
                    weir_store_is_expired(store, entry->key);
        if (goes && !store->is_resident) {
            evict_at(store, slot);
            continue;
        }
        if (goes) loosen(store, entry);
        slot++;
    }
    store->swept_segment = store->live_segment;
}

/* The hand moves on by one slot, from the last of a store to the first of the next. */
static void clock_advance(struct weir_state *state, struct weir_store *store)
{
    store->clock_slot++;
    if (store->clock_slot < store->table.slot_count && store->clean_bytes > 0) return;
    store->clock_slot = 0;
    state->clock_store = (state->clock_store + 1) % state->options.store_count;
}

static void clock_prefetch(const struct weir_store *store)
{
    enum { AHEAD = 8 };
    size_t slot = store->clock_slot + AHEAD;
    if (slot >= store->table.slot_count) return;
    const struct weir_store_entry *entry = weir_table_at(&store->table, slot);
    if (entry != NULL) __builtin_prefetch(entry);
}

/* Ends, because clean_bytes counts exactly the entries that the hand can take: the first round takes
 * from each its mark, the second takes the entry. */
static void evict(struct weir_state *state)
{
    while (state->clean_bytes > state->options.cache_bytes_max) {
        struct weir_store *store = &state->stores[state->clock_store];
        size_t slot = store->clock_slot;
        if (slot >= store->table.slot_count || store->clean_bytes == 0) {
            store->clock_slot = store->table.slot_count;
            clock_advance(state, store);
            continue;
        }
        clock_prefetch(store);
        struct weir_store_entry *entry = weir_table_at(&store->table, slot);
        if (entry == NULL || !weir_entry_is_settled(entry)) {
            clock_advance(state, store);
        } else if ((entry->flags & WEIR_ENTRY_REFERENCED) != 0) {
            entry->flags &= ~(uint32_t)WEIR_ENTRY_REFERENCED;
            clock_advance(state, store);
        } else {
            evict_at(store, slot);
        }
    }
}

void weir_store_make_room(struct weir_store *store)
{
    if (store->swept_segment < store->live_segment) sweep(store);
    if (store->loose.count > 0) remove_garbage(store);
    evict(store->state);
    weir_store_check(store);
}

/* ---- what holds --------------------------------------------------------------------------------- */

void weir_store_check(const struct weir_store *store)
{
    weir_assert(store->schema != NULL);
    weir_assert(weir_store_is_segmented(store) == (store->segment_interval_ms > 0));
    weir_assert(store->given_count <= store->given_end);
    weir_assert(store->given_end <= store->unforwarded.count);
    weir_assert(store->retired_count <= store->retired_capacity);
    weir_assert(store->clean_bytes <= store->state->clean_bytes);
    weir_assert(!store->is_resident || store->clean_bytes == 0);
    /* The first live segment comes to be known here before it is known below. */
    weir_assert(store->expired_segment <= store->stored_segment);
    weir_assert(store->stored_segment <= store->sealed_segment);
    weir_assert(store->sealed_segment <= store->live_segment);
    weir_assert(store->swept_segment <= store->live_segment);
    weir_table_check(&store->table);
}

bool weir_store_counts_agree(const struct weir_store *store)
{
    size_t clean_bytes = 0;
    for (size_t slot = 0; slot < store->table.slot_count; slot++) {
        const struct weir_store_entry *entry = weir_table_at(&store->table, slot);
        if (entry == NULL || !weir_entry_is_settled(entry)) continue;
        clean_bytes += entry_cost(entry);
    }
    return store->is_resident ? store->clean_bytes == 0 : store->clean_bytes == clean_bytes;
}

/* ---- a store's life ------------------------------------------------------------------------------ */

void weir_store_init(struct weir_store *store, struct weir_state *state, size_t index)
{
    weir_assert(index < state->options.store_count);
    const struct weir_store_spec *spec = state->options.specs[index];
    *store = (struct weir_store){
        .state = state,
        .spec = spec,
        .schema = weir_store_spec_schema(spec),
        .index = index,
        .is_resident = spec->kind == WEIR_STORE_MEMORY,
        .is_complete = true,
    };
    weir_table_init(&store->table, &state->entry_slabs);
    weir_store_init_segments(store);
}

static void empty_table(struct weir_store *store)
{
    for (size_t slot = 0; slot < store->table.slot_count; slot++) {
        struct weir_store_entry *entry = weir_table_at(&store->table, slot);
        if (entry == NULL) continue;
        weir_store_unsettle(store, entry);
        free_values(store, entry);
    }
    weir_table_close(&store->table);
    if (store->has_index) weir_skip_list_close(&store->index_by_key);
    weir_assert(store->clean_bytes == 0);
}

void weir_store_close(struct weir_store *store)
{
    empty_table(store);
    weir_free(store->dirty.entries);
    weir_free(store->unforwarded.entries);
    weir_free(store->loose.entries);
    for (size_t i = 0; i < store->retired_count; i++) {
        weir_store_free_value(store, store->retired[i].value, store->retired[i].size);
    }
    weir_free(store->retired);
}

/* Made anew rather than field by field: what a store comes to know later is forgotten here too. */
void weir_store_forget(struct weir_store *store)
{
    weir_assert(store->dirty.count == 0 && store->unforwarded.count == 0);
    const uint16_t prefix = store->prefix;
    weir_store_close(store);
    weir_store_init(store, store->state, store->index);
    store->prefix = prefix;
}
