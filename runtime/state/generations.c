#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/grow.h"
#include "runtime/state/state_internal.h"

/*
 * From the open generation to the gathering one.
 *
 *     table                      gathering generation                 write-down under way
 *    ┌──────────────┐ dirty     ┌───────────┬───────────────┐        ┌───────────┬──────────┐
 *    │ a  5         ├── seal ──>│ rows      │ writes        │  due   │ rows      │ writes   │
 *    │ b  7  (dirty)│<──────────┤ 0: b, ... │ b -> its bytes├───────>│ 0: a, ... │ a -> ... ├─> backend
 *    │ c  1         │   entry   │ 1: c, ... │ c -> its bytes│        │           │          │
 *    └──────────────┘           └───────────┴───────────────┘        └───────────┴──────────┘
 *          entry->slot ──────────────^  flag: EVEN                        flag: ODD
 *
 * 1. Every changed entry of a store is met once, in order of its first change.
 * 2. It goes to the changelog as a record, if the store is logged.
 * 3. Its row goes into the gathering generation as the backend's bytes: a new one at the end, or over
 *    the one at entry->slot where the entry has the generation's flag. The table stays what it is, and
 *    goes on to change. A row whose segment of time has died meanwhile goes nowhere.
 * 4. When all stores are through, the open generation is empty, and one more seal waits for its commit.
 *
 * Overwriting is what makes it cheap: a key that changes in a hundred commits is written down once, and
 * a memtable takes 3 to 5 us for a row, a hundred times what the change itself costs. An entry is pinned
 * in the table while it has a flag, because the backend could not give back what it holds. There are two
 * flags, since one generation gathers while another is written; an entry may be in both.
 *
 * A seal that fails half way has overwritten rows with what is not sealed. The generation is torn
 * then, and is not written down until a later seal, which meets all of those entries again, mends it.
 * Generations are recycled with their memory: a steady state allocates nothing.
 */
enum { CAPACITY_MIN = 16 };

/* What a row costs beside the bytes of its key and value. */
static const size_t row_overhead =
    sizeof(struct weir_backend_write) + sizeof(struct weir_gathered_row);

/* ---- generations --------------------------------------------------------------------------------- */

static void generation_free(struct weir_generation *generation)
{
    if (generation == NULL) return;
    weir_free(generation->writes);
    weir_free(generation->rows);
    weir_arena_close(&generation->bytes);
    weir_arena_close(&generation->position_bytes);
    weir_free(generation);
}

/* The sizes of position records never change, so that once built they can always be built again. */
static bool reserve_positions(const struct weir_state *state, struct weir_generation *generation)
{
    for (size_t i = 0; i < state->options.store_count; i++) {
        struct weir_backend_write write;
        const struct weir_store *store = &state->stores[i];
        weir_position_record_build(store, &store->position, &generation->position_bytes, &write);
    }
    bool is_reserved = !weir_arena_failed(&generation->position_bytes);
    weir_arena_reset(&generation->position_bytes);
    return is_reserved;
}

static struct weir_generation *generation_take(struct weir_state *state)
{
    struct weir_generation *generation = state->spare;
    state->spare = NULL;
    if (generation != NULL) return generation;
    generation = weir_alloc_zero(state->options.budget, sizeof *generation);
    if (generation == NULL) return NULL;
    weir_arena_init(&generation->bytes, state->options.budget, 0);
    weir_arena_init(&generation->position_bytes, state->options.budget, 4096);
    if (reserve_positions(state, generation)) return generation;
    generation_free(generation);
    return NULL;
}

void weir_generation_give_back(struct weir_state *state, struct weir_generation *generation)
{
    const size_t usual_max = state->options.write_down_bytes + state->options.open_bytes_max;
    if (state->spare != NULL || generation->size > usual_max) {
        generation_free(generation);
        return;
    }
    weir_arena_reset(&generation->bytes);
    weir_arena_reset(&generation->position_bytes);
    generation->row_count = 0;
    generation->size = 0;
    generation->sealed_size = 0;
    generation->changelog_bytes = 0;
    state->spare = generation;
}

int weir_state_init_generations(struct weir_state *state)
{
    const size_t count = state->options.store_count;
    struct weir_budget *budget = state->options.budget;
    struct weir_write_down *down = &state->write_down;
    state->flush_deadline =
        weir_mono_after_ms(weir_mono_now(state->options.env), state->options.flush_interval_ms);
    state->committed_positions =
        weir_alloc_zero(budget, (count + 1) * sizeof *state->committed_positions);
    down->positions = weir_alloc_zero(budget, (count + 1) * sizeof *down->positions);
    down->live_segments = weir_alloc_zero(budget, (count + 1) * sizeof *down->live_segments);
    bool is_made = state->committed_positions != NULL && down->positions != NULL &&
                   down->live_segments != NULL;
    return is_made ? WEIR_OK : WEIR_NO_MEMORY;
}

void weir_state_close_generations(struct weir_state *state)
{
    generation_free(state->gathering);
    generation_free(state->write_down.generation);
    generation_free(state->spare);
    state->gathering = state->write_down.generation = state->spare = NULL;
    weir_free(state->committed_positions);
    weir_free(state->write_down.positions);
    weir_sort_memory_close(&state->write_down.sort);
    weir_free(state->write_down.live_segments);
}

/* ---- rows ---------------------------------------------------------------------------------------- */

/* Room for `count` more rows, and for the positions at the end. */
static int reserve_rows(struct weir_state *state, struct weir_generation *generation, size_t count)
{
    struct weir_budget *budget = state->options.budget;
    size_t wanted = generation->row_count + count + state->options.store_count;
    if (wanted <= generation->capacity) return WEIR_OK;
    size_t capacity = weir_grown_to(generation->capacity, wanted, 64);
    struct weir_backend_write *writes =
        weir_realloc(budget, generation->writes, capacity * sizeof *writes);
    if (writes == NULL) return WEIR_NO_MEMORY;
    generation->writes = writes;
    struct weir_gathered_row *rows =
        weir_realloc(budget, generation->rows, capacity * sizeof *rows);
    if (rows == NULL) return WEIR_NO_MEMORY;
    generation->rows = rows;
    generation->capacity = capacity;
    return WEIR_OK;
}

/* The entry's row, without a value. */
static int add_row(struct weir_generation *generation, const struct weir_store *store,
                   struct weir_store_entry *entry)
{
    weir_assert((entry->flags & generation->flag) == 0);
    weir_assert(generation->row_count < generation->capacity);
    struct weir_slice key = weir_store_backend_key(store, &generation->bytes, entry->key);
    if (weir_slice_is_null(key)) return WEIR_NO_MEMORY;
    weir_assert(generation->row_count < UINT32_MAX);
    entry->slot = (uint32_t)generation->row_count++;
    entry->flags |= generation->flag;
    generation->rows[entry->slot] =
        (struct weir_gathered_row){.entry = entry, .store = (uint32_t)store->index};
    generation->writes[entry->slot] = (struct weir_backend_write){.key = key};
    generation->size += key.size + row_overhead;
    return WEIR_OK;
}

/* What a value leaves behind in the arena when it outgrows its memory is never more than what it has
 * then, because that doubles. */
static int grow_value(struct weir_generation *generation, struct weir_gathered_row *row,
                      size_t size)
{
    size_t capacity = weir_grown(row->capacity, CAPACITY_MIN);
    if (capacity < size) capacity = size;
    uint8_t *value = weir_arena_alloc(&generation->bytes, capacity);
    if (value == NULL) return WEIR_NO_MEMORY;
    generation->size += capacity;
    row->value = value;
    row->capacity = (uint32_t)(capacity < UINT32_MAX ? capacity : UINT32_MAX);
    return WEIR_OK;
}

static int put_value(struct weir_generation *generation, const struct weir_store *store,
                     const struct weir_store_entry *entry, struct weir_slice value)
{
    struct weir_backend_write *write = &generation->writes[entry->slot];
    weir_assert(entry->slot < generation->row_count);
    weir_assert_slow(generation->rows[entry->slot].entry == entry);
    if (weir_slice_is_null(value)) {
        write->value = weir_null();
        return WEIR_OK;
    }
    const size_t size = weir_store_backend_value_size(store, value);
    struct weir_gathered_row *row = &generation->rows[entry->slot];
    if (size > row->capacity || row->value == NULL) {
        int rc = grow_value(generation, row, size);
        if (rc < 0) return rc;
    }
    weir_store_write_backend_value(store, row->value, value, entry->timestamp_ms);
    write->value = weir_slice(row->value, size);
    return WEIR_OK;
}

/* ---- seal ---------------------------------------------------------------------------------------- */

struct seal {
    struct weir_state *state;
    struct weir_generation *generation; /* NULL: memory stores only */
    weir_changelog_fn append;
    void *context;
    struct weir_error *error;
};

static int append_change(const struct seal *seal, struct weir_store *store,
                         const struct weir_store_entry *entry, struct weir_slice value)
{
    struct weir_record record = {
        .key = entry->key,
        .value = value,
        .timestamp_ms = entry->timestamp_ms,
        .headers = store->spec->log_headers,
        .header_count = store->spec->log_header_count,
    };
    if (store->schema->sequence_size > 0) {
        weir_arena_reset(&seal->state->scratch);
        record.key = weir_key_schema_log(store->schema, &seal->state->scratch, entry->key);
        if (weir_arena_failed(&seal->state->scratch)) return WEIR_NO_MEMORY;
    }
    if (weir_store_has_duplicates(store) && entry->old_value != NULL) {
        weir_arena_reset(&seal->state->scratch);
        int rc = weir_entry_headers(entry, &seal->state->scratch, &record);
        if (rc < 0) return rc;
    }
    return seal->append(seal->context, store, &record);
}

/* Its segment is dead at this seal, so with the position that the backend will have nobody reads it. */
static bool is_dead(const struct weir_store *store, const struct weir_store_entry *entry)
{
    return weir_store_is_expired(store, entry->key) &&
           weir_store_key_segment(store, entry->key) < store->live_segment;
}

static int put_row(struct weir_generation *generation, const struct weir_store *store,
                   struct weir_store_entry *entry, struct weir_slice value)
{
    int rc = WEIR_OK;
    if ((entry->flags & generation->flag) == 0) rc = add_row(generation, store, entry);
    return rc < 0 ? rc : put_value(generation, store, entry, value);
}

static int seal_entry(const struct seal *seal, struct weir_store *store,
                      struct weir_store_entry *entry)
{
    struct weir_slice value = weir_slice(entry->value, entry->value_size);
    int rc = WEIR_OK;
    const bool is_logged = store->spec->is_logged && !weir_store_is_versioned(store);
    if (is_logged) rc = append_change(seal, store, entry, value);
    if (rc < 0) return rc;
    if (!store->is_resident && !is_dead(store, entry)) {
        rc = put_row(seal->generation, store, entry, value);
        if (rc < 0) return rc;
    }
    entry->flags &= ~(uint32_t)WEIR_ENTRY_DIRTY;
    weir_store_settle(store, entry);
    return WEIR_OK;
}

/* What the entries further on will need comes to the cache meanwhile: the entry and the key behind it,
 * what it points to, what its row points to. To GCC a function that only prefetches has no effect: a call
 * of it is left out, unless it was inlined before that is found. */
__attribute__((always_inline)) static inline void
prefetch_entries(const struct seal *seal, const struct weir_entry_list *dirty, size_t i)
{
    enum { STEP = 4 };
    const struct weir_generation *generation = seal->generation;
    if (i + 3 * STEP < dirty->count) {
        __builtin_prefetch(dirty->entries[i + 3 * STEP]);
        __builtin_prefetch(dirty->entries[i + 3 * STEP] + 1);
    }
    if (i + 2 * STEP < dirty->count) {
        const struct weir_store_entry *entry = dirty->entries[i + 2 * STEP];
        __builtin_prefetch(entry->value);
        if (generation != NULL && (entry->flags & generation->flag) != 0) {
            __builtin_prefetch(&generation->rows[entry->slot]);
            __builtin_prefetch(&generation->writes[entry->slot], 1);
        }
    }
    if (generation == NULL || i + STEP >= dirty->count) return;
    const struct weir_store_entry *entry = dirty->entries[i + STEP];
    if ((entry->flags & generation->flag) != 0) {
        __builtin_prefetch(generation->rows[entry->slot].value, 1);
    }
}

/* Returns how many entries are not dirty any more, in `done_out` after a failure too. */
static int seal_store(const struct seal *seal, struct weir_store *store, size_t *done_out)
{
    const struct weir_entry_list *dirty = &store->dirty;
    int rc = WEIR_OK;
    size_t i = 0;
    if (!store->is_resident) rc = reserve_rows(seal->state, seal->generation, dirty->count);
    for (; i < dirty->count && rc >= 0; i += rc >= 0) {
        prefetch_entries(seal, dirty, i);
        rc = seal_entry(seal, store, dirty->entries[i]);
    }
    if (rc >= 0) rc = weir_versions_append(store, seal->append, seal->context);
    *done_out = i;
    if (rc == WEIR_NO_MEMORY) (void)weir_error_set(seal->error, rc, "out of memory");
    return weir_error_wrap(seal->error, rc, "seal store '%s'", store->spec->name);
}

static void unseal_store(struct weir_store *store, size_t done)
{
    for (size_t i = 0; i < done; i++) {
        struct weir_store_entry *entry = store->dirty.entries[i];
        weir_store_unsettle(store, entry);
        entry->flags |= WEIR_ENTRY_DIRTY;
    }
}

/* Each row knows its entry, and in the gathering generation its entry knows the row. */
static bool rows_and_entries_agree(const struct weir_generation *generation)
{
    for (size_t i = 0; i < generation->row_count; i++) {
        const struct weir_store_entry *entry = generation->rows[i].entry;
        if ((entry->flags & generation->flag) == 0 || entry->slot != i) return false;
        if (weir_slice_is_null(generation->writes[i].key)) return false;
    }
    return true;
}

static void note_sealed(struct weir_state *state, struct weir_generation *generation)
{
    for (size_t i = 0; i < state->options.store_count; i++) {
        struct weir_store *store = &state->stores[i];
        store->dirty.count = 0;
        weir_version_log_clear(&store->log);
        store->sealed_segment = store->live_segment;
    }
    state->sealed_count++;
    state->is_torn = false;
    if (generation != NULL) {
        generation->sealed_size = generation->size;
        generation->changelog_bytes += state->open_bytes;
        weir_assert_slow(rows_and_entries_agree(generation));
    }
    state->open_bytes = 0;
    weir_state_check(state);
}

/* The generation that this seal adds to, with room for the positions at its end; one that is being written
 * has the other flag. */
static struct weir_generation *gathering_generation(struct weir_state *state)
{
    if (state->gathering != NULL) return state->gathering;
    struct weir_generation *generation = generation_take(state);
    if (generation == NULL) return NULL;
    if (reserve_rows(state, generation, 0) < 0) {
        weir_generation_give_back(state, generation);
        return NULL;
    }
    const struct weir_generation *writing = state->write_down.generation;
    bool is_even_taken = writing != NULL && writing->flag == WEIR_ENTRY_GATHERED_EVEN;
    generation->flag = is_even_taken ? WEIR_ENTRY_GATHERED_ODD : WEIR_ENTRY_GATHERED_EVEN;
    generation->begun = weir_mono_now(state->options.env);
    state->gathering = generation;
    return generation;
}

int weir_state_seal(struct weir_state *state, weir_changelog_fn append, void *context,
                    struct weir_error *error)
{
    weir_assert(state->magic == WEIR_STATE_MAGIC);
    struct weir_generation *generation = NULL;
    for (size_t i = 0; i < state->options.store_count; i++) {
        int rc = weir_store_sweep(&state->stores[i], error);
        if (rc < 0) return rc;
    }
    if (state->backend.ops != NULL) {
        generation = gathering_generation(state);
        if (generation == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "seal: out of memory");
    }
    const struct seal seal = {state, generation, append, context, error};
    for (size_t i = 0; i < state->options.store_count; i++) {
        size_t done = 0;
        int rc = seal_store(&seal, &state->stores[i], &done);
        if (rc >= 0) continue;
        unseal_store(&state->stores[i], done);
        while (i-- > 0) {
            unseal_store(&state->stores[i], state->stores[i].dirty.count);
        }
        state->is_torn = true;
        if (generation != NULL) generation->bytes.failed = false; /* what is there is whole */
        return rc;
    }
    note_sealed(state, generation);
    return WEIR_OK;
}
