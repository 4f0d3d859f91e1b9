#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/grow.h"
#include "base/hash.h"
#include "runtime/state/state_internal.h"

/*
 * What operators call: keys are touched together, then entries are read and set one by one.
 *
 * A batch of keys is looked up in groups, each in three passes, so that the cache misses of a group
 * overlap: hash and fetch the slots, fetch the entries the slots name, compare and fetch the values.
 * Keys that are not in the table become entries at once, and the backend is asked for all of them
 * together at the end.
 */
enum { GROUP = 32, KEYS_PER_READ = 256 };

const struct weir_store_spec *weir_store_spec(const struct weir_store *store)
{
    return store->spec;
}

/* ---- touch -------------------------------------------------------------------------------------- */

/* A key without an entry gets one. If there may be more below, it waits for it in `missing`. */
static struct weir_store_entry *make_entry(struct weir_store *store, struct weir_slice key,
                                           uint32_t hash)
{
    struct weir_state *state = store->state;
    if (weir_entry_list_reserve(&state->missing, &state->table_budget, 1) < 0) return NULL;
    struct weir_store_entry *entry = weir_store_add_entry(store, key, hash);
    if (entry == NULL) return NULL;
    if (store->is_complete || weir_store_has_duplicates(store)) { /* whose numbers are new ones */
        weir_store_settle(store, entry);
    } else {
        entry->flags |= WEIR_ENTRY_LOADING;
        weir_entry_list_add(&state->missing, entry);
    }
    return entry;
}

static struct weir_store_entry *find_or_make(struct weir_store *store, struct weir_slice key,
                                             uint32_t hash)
{
    if (weir_store_refuses(store, key)) {
        store->outside.value = NULL;
        return &store->outside;
    }
    struct weir_store_entry *entry = weir_table_find(&store->table, key, hash);
    if (entry == NULL) return make_entry(store, key, hash);
    __builtin_prefetch(entry->value);
    return entry;
}

static void prefetch_group(const struct weir_store *store, const struct weir_slice *keys,
                           size_t count, uint32_t *hashes)
{
    for (size_t i = 0; i < count; i++) {
        hashes[i] = weir_table_hash_key(&store->table, keys[i]);
        weir_table_prefetch_slot(&store->table, hashes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        weir_table_prefetch_entry(&store->table, hashes[i]);
    }
}

static int touch_group(struct weir_store *store, const struct weir_slice *keys, size_t count,
                       struct weir_store_entry **entries_out)
{
    uint32_t hashes[GROUP];
    int rc = weir_table_reserve(&store->table, count);
    if (rc < 0) return rc;
    prefetch_group(store, keys, count, hashes);
    for (size_t i = 0; i < count; i++) {
        struct weir_store_entry *entry = find_or_make(store, keys[i], hashes[i]);
        if (entry == NULL) return WEIR_NO_MEMORY;
        if ((entry->flags & WEIR_ENTRY_REFERENCED) == 0) entry->flags |= WEIR_ENTRY_REFERENCED;
        entries_out[i] = entry;
    }
    return WEIR_OK;
}

static int check_keys(const struct weir_store *store, const struct weir_slice *keys, size_t count,
                      struct weir_error *error)
{
    for (size_t i = 0; i < count; i++) {
        int rc = weir_store_check_key(store, keys[i], error);
        if (rc < 0) return rc;
    }
    return WEIR_OK;
}

/* ---- what the backend has ------------------------------------------------------------------------ */

struct load {
    struct weir_store *store;
    struct weir_store_entry **entries;
    struct weir_error *error;
};

static int load_one(void *context, size_t index, struct weir_slice stored)
{
    struct load *load = context;
    struct weir_slice value;
    int64_t timestamp_ms;
    int rc = weir_store_parse_value(load->store, stored, &value, &timestamp_ms, load->error);
    if (rc < 0) return rc;
    rc = weir_store_load_value(load->store, load->entries[index], value, timestamp_ms);
    return rc < 0 ? weir_error_set(load->error, rc, "load a value of %zu bytes", value.size) : rc;
}

/* One read of the backend, for at most KEYS_PER_READ entries. */
static int load_some(struct load *load, size_t count)
{
    struct weir_state *state = load->store->state;
    struct weir_slice keys[KEYS_PER_READ];
    weir_assert(count <= KEYS_PER_READ && state->backend.ops != NULL);
    weir_arena_reset(&state->scratch);
    for (size_t i = 0; i < count; i++) {
        keys[i] = weir_store_backend_key(load->store, &state->scratch, load->entries[i]->key);
    }
    if (weir_arena_failed(&state->scratch)) {
        return weir_error_set(load->error, WEIR_NO_MEMORY, "read %zu keys", count);
    }
    return state->backend.ops->get_many(state->backend.impl, keys, count, load_one, load,
                                        load->error);
}

static int load_missing(struct weir_store *store, struct weir_error *error)
{
    struct weir_entry_list *missing = &store->state->missing;
    for (size_t at = 0; at < missing->count; at += KEYS_PER_READ) {
        size_t left = missing->count - at;
        struct load load = {store, missing->entries + at, error};
        int rc = load_some(&load, left < KEYS_PER_READ ? left : KEYS_PER_READ);
        if (rc < 0) return rc;
    }
    for (size_t i = 0; i < missing->count; i++) {
        missing->entries[i]->flags &= ~(uint32_t)WEIR_ENTRY_LOADING;
        weir_store_settle(store, missing->entries[i]);
    }
    return WEIR_OK;
}

/* An entry whose key was not asked for must not read as absent. */
static void forget_missing(struct weir_store *store)
{
    struct weir_entry_list *missing = &store->state->missing;
    for (size_t i = 0; i < missing->count; i++) {
        weir_store_remove_entry(store, missing->entries[i]);
    }
}

/* A processor that gets a key and puts it touches it twice, one behind the other. Where keys have a time it
 * may be over meanwhile. */
static bool is_last_met(const struct weir_store *store, struct weir_slice key)
{
    const struct weir_store_entry *last = store->last_met;
    return last != NULL && !weir_store_is_segmented(store) && !weir_slice_is_null(key) &&
           weir_slice_equal(last->key, key);
}

int weir_store_touch(struct weir_store *store, const struct weir_slice *keys, size_t count,
                     struct weir_store_entry **entries_out, struct weir_error *error)
{
    if (count == 1 && is_last_met(store, keys[0])) {
        entries_out[0] = store->last_met;
        entries_out[0]->flags |= WEIR_ENTRY_REFERENCED;
        return WEIR_OK;
    }
    int rc = check_keys(store, keys, count, error);
    if (rc < 0) return rc;

    weir_store_make_room(store);
    store->state->missing.count = 0;
    for (size_t at = 0; at < count && rc >= 0; at += GROUP) {
        size_t left = count - at;
        rc = touch_group(store, keys + at, left < GROUP ? left : GROUP, entries_out + at);
    }
    if (rc < 0) (void)weir_error_set(error, rc, "no memory for more keys");
    if (rc >= 0 && store->state->missing.count > 0) rc = load_missing(store, error);
    if (rc < 0) forget_missing(store);
    if (rc >= 0 && count == 1) store->last_met = entries_out[0];
    return weir_error_wrap(error, rc, "store '%s'", store->spec->name);
}

/* ---- set ---------------------------------------------------------------------------------------- */

/* Somebody may still read the current value as the one before the change, or as the one that was
 * given to be forwarded. */
static bool must_keep_value(const struct weir_store *store, const struct weir_store_entry *entry)
{
    if ((entry->flags & WEIR_ENTRY_GIVEN) != 0) return true;
    if (!store->spec->keeps_old) return false;
    return !store->spec->is_cached || (entry->flags & WEIR_ENTRY_UNFORWARDED) == 0;
}

static int reserve_retired(struct weir_store *store)
{
    if (store->retired_count < store->retired_capacity) return WEIR_OK;
    size_t capacity = weir_grown(store->retired_capacity, 16);
    struct weir_retired_value *grown =
        weir_realloc(&store->state->table_budget, store->retired, capacity * sizeof *grown);
    if (grown == NULL) return WEIR_NO_MEMORY;
    store->retired = grown;
    store->retired_capacity = capacity;
    return WEIR_OK;
}

/* All the memory that a change can take, so that nothing fails half way. */
static int reserve_change(struct weir_store *store)
{
    struct weir_budget *budget = &store->state->table_budget;
    int rc = weir_entry_list_reserve(&store->dirty, budget, 1);
    if (rc >= 0) rc = weir_entry_list_reserve(&store->unforwarded, budget, 1);
    return rc >= 0 ? reserve_retired(store) : rc;
}

/* The current value becomes the old one. What was old before that goes, unless it was given to be
 * forwarded and is perhaps still being read. */
static void keep_value(struct weir_store *store, struct weir_store_entry *entry)
{
    if ((entry->flags & WEIR_ENTRY_GIVEN) != 0 && entry->old_value != NULL) {
        weir_assert_slow(store->retired_count < store->retired_capacity);
        store->retired[store->retired_count++] =
            (struct weir_retired_value){entry->old_value, entry->old_size};
    } else {
        weir_store_free_value(store, entry->old_value, entry->old_size);
    }
    entry->old_value = entry->value;
    entry->old_size = entry->value_size;
    entry->old_timestamp_ms = entry->timestamp_ms;
    entry->value = NULL;
    entry->value_size = 0;
}

/* Count the change once per generation, and the entry once per forwarding. */
static void note_change(struct weir_store *store, struct weir_store_entry *entry, size_t new_size)
{
    enum { RECORD_OVERHEAD = 32 };
    struct weir_state *state = store->state;
    weir_assert_slow((entry->flags & WEIR_ENTRY_LOADING) == 0); /* its value is known */
    weir_store_unsettle(store, entry);
    if ((entry->flags & WEIR_ENTRY_DIRTY) == 0) {
        weir_entry_list_add(&store->dirty, entry);
        entry->flags |= WEIR_ENTRY_DIRTY;
        state->open_bytes += entry->key.size + RECORD_OVERHEAD;
    } else {
        weir_assert_slow(state->open_bytes >= entry->value_size);
        state->open_bytes -= entry->value_size;
    }
    state->open_bytes += new_size;
}

static void note_unforwarded(struct weir_store *store, struct weir_store_entry *entry,
                             bool was_there)
{
    if (!store->spec->is_cached || (entry->flags & WEIR_ENTRY_UNFORWARDED) != 0) return;
    entry->flags &= ~(uint32_t)(WEIR_ENTRY_GIVEN | WEIR_ENTRY_WAS_THERE);
    entry->flags |= WEIR_ENTRY_UNFORWARDED;
    if (was_there) entry->flags |= WEIR_ENTRY_WAS_THERE;
    weir_entry_list_add(&store->unforwarded, entry);
}

static bool fits_in_place(const struct weir_store_entry *entry, struct weir_slice value)
{
    return entry->value != NULL &&
           weir_slabs_block_size(value.size) == weir_slabs_block_size(entry->value_size);
}

int weir_store_check_change(const struct weir_store *store, struct weir_slice key,
                            struct weir_slice value, struct weir_error *error)
{
    const size_t max = store->spec->change_bytes_max;
    const size_t key_size = weir_key_schema_logged_size(store->schema, key.size);
    if (value.size > INT32_MAX) {
        return weir_error_set(error, WEIR_TOO_LARGE, "store '%s': value of %zu bytes",
                              store->spec->name, value.size);
    }
    if (max == 0 || key_size + value.size <= max) return WEIR_OK;
    return weir_error_set(
        error, WEIR_TOO_LARGE,
        "store '%s': a key of %zu bytes and a value of %zu are more than the %zu "
        "that its changelog takes: raise max.message.bytes of that topic, or keep "
        "less under a key",
        store->spec->name, key.size, value.size, max);
}

int weir_store_set(struct weir_store *store, struct weir_store_entry *entry,
                   struct weir_slice value, int64_t timestamp_ms, struct weir_error *error)
{
    if (entry == &store->outside || weir_store_refuses(store, entry->key)) {
        store->dropped_count++;
        return WEIR_OK;
    }
    int rc = weir_store_check_change(store, entry->key, value, error);
    if (rc < 0) return rc;
    const bool keeps = must_keep_value(store, entry);
    const bool in_place = !keeps && fits_in_place(entry, value);
    uint8_t *bytes = NULL;
    if (reserve_change(store) < 0) goto no_memory;
    if (in_place) {
        bytes = entry->value;
    } else if (!weir_slice_is_null(value)) {
        bytes = weir_slabs_alloc(&store->state->value_slabs, value.size, NULL);
        if (bytes == NULL) goto no_memory;
    }

    const bool was_there = entry->value != NULL;
    note_change(store, entry, value.size);
    if (keeps) {
        keep_value(store, entry);
    } else if (!in_place || weir_slice_is_null(value)) {
        weir_store_free_value(store, entry->value, entry->value_size);
    }
    note_unforwarded(store, entry, was_there);
    weir_copy(bytes, value.data, value.size);
    entry->value = weir_slice_is_null(value) ? NULL : bytes;
    entry->value_size = (uint32_t)value.size;
    entry->timestamp_ms = timestamp_ms;
    return WEIR_OK;

no_memory:
    return weir_error_set(error, WEIR_NO_MEMORY, "store '%s': set", store->spec->name);
}

int weir_store_expire(struct weir_store *store, struct weir_store_entry *entry)
{
    weir_assert((entry->flags & (WEIR_ENTRY_UNFORWARDED | WEIR_ENTRY_GIVEN)) == 0);
    weir_assert(entry->old_value == NULL && entry->value != NULL);
    if (reserve_change(store) < 0) return WEIR_NO_MEMORY;
    note_change(store, entry, 0);
    weir_store_free_value(store, entry->value, entry->value_size);
    entry->value = NULL;
    entry->value_size = 0;
    return WEIR_OK;
}

int weir_store_append(struct weir_store *store, struct weir_store_entry *entry,
                      struct weir_slice head, struct weir_slice tail, int64_t timestamp_ms,
                      struct weir_error *error)
{
    const size_t size = entry->value_size + tail.size;
    const struct weir_slice grown = weir_slice(entry->value, size); /* for its size alone */
    weir_assert(entry->value != NULL && head.size <= entry->value_size);
    weir_assert(!must_keep_value(store, entry) && !store->spec->is_cached);
    weir_assert(!weir_store_refuses(store, entry->key));
    int rc = weir_store_check_change(store, entry->key, grown, error);
    if (rc < 0) return rc;
    uint8_t *bytes = entry->value;
    rc = reserve_change(store);
    if (rc >= 0 && !fits_in_place(entry, grown)) {
        bytes = weir_slabs_alloc(&store->state->value_slabs, size, NULL);
        if (bytes == NULL) rc = WEIR_NO_MEMORY;
    }
    if (rc < 0) return weir_error_set(error, WEIR_NO_MEMORY, "store '%s': set", store->spec->name);
    note_change(store, entry, size);
    if (bytes != entry->value) {
        memcpy(bytes, entry->value, entry->value_size);
        weir_store_free_value(store, entry->value, entry->value_size);
    }
    weir_copy(bytes + entry->value_size, tail.data, tail.size);
    weir_copy(bytes, head.data, head.size);
    entry->value = bytes;
    entry->value_size = (uint32_t)size;
    entry->timestamp_ms = timestamp_ms;
    return WEIR_OK;
}

/* ---- get ---------------------------------------------------------------------------------------- */

int weir_store_get_many(struct weir_store *store, const struct weir_slice *keys, size_t count,
                        struct weir_slice *values_out, int64_t *timestamps_out,
                        struct weir_error *error)
{
    struct weir_arena *arena = &store->state->lookup;
    struct weir_store_entry *single[1];
    struct weir_store_entry **entries = single;
    if (count > 1) {
        weir_arena_reset(arena);
        entries = weir_arena_array(arena, count, sizeof(void *));
    }
    if (entries == NULL) {
        return weir_error_set(error, WEIR_NO_MEMORY, "store '%s': get", store->spec->name);
    }
    int rc = weir_store_touch(store, keys, count, entries, error);
    if (rc < 0) return rc;
    for (size_t i = 0; i < count; i++) {
        const struct weir_store_entry *entry = entries[i];
        values_out[i] = weir_slice(entry->value, entry->value != NULL ? entry->value_size : 0);
        if (timestamps_out != NULL) timestamps_out[i] = entry->timestamp_ms;
    }
    return WEIR_OK;
}

int weir_store_delete(struct weir_store *store, struct weir_slice key, int64_t timestamp_ms,
                      struct weir_error *error)
{
    if (store->is_complete) {
        uint32_t hash = weir_table_hash_key(&store->table, key);
        const struct weir_store_entry *found = weir_table_find(&store->table, key, hash);
        if (found == NULL || found->value == NULL) return 0;
    }
    struct weir_store_entry *entry;
    int rc = weir_store_touch(store, &key, 1, &entry, error);
    if (rc < 0 || entry->value == NULL) return rc;
    rc = weir_store_set(store, entry, weir_null(), timestamp_ms, error);
    return rc < 0 ? rc : 1;
}

/* ---- forwarding --------------------------------------------------------------------------------- */

struct weir_store_entry *weir_store_next_unforwarded(struct weir_store *store, size_t *at)
{
    /* What changes while walking is for the next walk: the end is where the list ended at first. */
    if (*at == 0) store->given_end = store->unforwarded.count;
    if (*at >= store->given_end) return NULL;
    struct weir_store_entry *entry = store->unforwarded.entries[(*at)++];
    entry->flags &= ~(uint32_t)WEIR_ENTRY_UNFORWARDED;
    entry->flags |= WEIR_ENTRY_GIVEN;
    if (*at > store->given_count) store->given_count = *at;
    return entry;
}

bool weir_store_is_unforwarded(const struct weir_store_entry *entry)
{
    return (entry->flags & WEIR_ENTRY_UNFORWARDED) != 0;
}

bool weir_store_came_and_went(const struct weir_store_entry *entry)
{
    return entry->value == NULL && (entry->flags & WEIR_ENTRY_WAS_THERE) == 0;
}

static void forget_old_value(struct weir_store *store, struct weir_store_entry *entry)
{
    weir_store_free_value(store, entry->old_value, entry->old_size);
    entry->old_value = NULL;
    entry->old_size = 0;
    entry->old_timestamp_ms = 0;
}

void weir_store_forwarded(struct weir_store *store)
{
    struct weir_entry_list *list = &store->unforwarded;
    weir_assert(store->given_count <= list->count);
    for (size_t i = 0; i < store->given_count; i++) {
        struct weir_store_entry *entry = list->entries[i];
        if ((entry->flags & WEIR_ENTRY_GIVEN) == 0) continue; /* changed again: its turn comes */
        entry->flags &= ~(uint32_t)WEIR_ENTRY_GIVEN;
        forget_old_value(store, entry);
        weir_store_settle(store, entry);
    }
    list->count -= store->given_count;
    weir_copy(list->entries, list->entries + store->given_count,
              list->count * sizeof *list->entries);
    store->given_count = 0;
    store->given_end = 0;

    while (store->retired_count > 0) {
        struct weir_retired_value *retired = &store->retired[--store->retired_count];
        weir_store_free_value(store, retired->value, retired->size);
    }
}
