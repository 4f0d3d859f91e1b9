#include "operators/live_rows.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/grow.h"
#include "base/hash.h"

enum { SLOTS_MIN = 64, ROWS_MIN = 2, SWEEP_MIN = 1024 };

void weir_live_rows_init(struct weir_live_rows *live, struct weir_budget *budget, size_t bytes_max)
{
    *live = (struct weir_live_rows){.sweep_at = SWEEP_MIN};
    weir_budget_init(&live->budget, "live windows", budget->heap, budget,
                     bytes_max > 0 ? bytes_max : WEIR_LIVE_ROWS_BYTES_MAX);
    weir_slabs_init(&live->slabs, &live->budget);
}

/* Why `size` bytes were not there. A slab is the least that is asked for. */
static int no_memory(const struct weir_live_rows *live, size_t size)
{
    const size_t wanted = size > WEIR_SLAB_SIZE ? size : WEIR_SLAB_SIZE;
    const bool is_full = live->budget.used + wanted > live->budget.limit;
    return is_full ? WEIR_LIMIT : WEIR_NO_MEMORY;
}

int weir_live_rows_failed(const struct weir_live_rows *live, const struct weir_node *node, int rc,
                          struct weir_error *error)
{
    if (rc != WEIR_LIMIT) return rc;
    return weir_error_set(
        error, WEIR_LIMIT,
        "%s: where the windows of %zu keys lie that are not over takes %zu bytes of "
        "memory, and a task has %zu for it: have more partitions, or less grace and "
        "retention",
        node->plan->name, live->key_count, (size_t)live->budget.used, live->budget.limit);
}

static size_t rows_size(uint32_t capacity)
{
    return capacity * sizeof(struct weir_live_row);
}

static void free_key(struct weir_live_rows *live, struct weir_live_key *key)
{
    if (key->rows != NULL) {
        weir_slabs_free(&live->slabs, key->rows - key->first, rows_size(key->capacity), 0);
    }
    weir_slabs_free(&live->slabs, key, sizeof *key + key->key_size, 0);
}

void weir_live_rows_close(struct weir_live_rows *live)
{
    for (size_t i = 0; i < live->slot_count; i++) {
        if (live->slots[i].key != NULL) free_key(live, live->slots[i].key);
    }
    if (live->slots != NULL) weir_free(live->slots);
    if (live->slabs.budget != NULL) weir_slabs_close(&live->slabs);
    *live = (struct weir_live_rows){0};
}

/* ---- rows of a key --------------------------------------------------------------------------- */

uint32_t weir_live_key_at(const struct weir_live_key *key, int64_t time_ms)
{
    uint32_t from = 0;
    uint32_t to = key->count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (key->rows[middle].time_ms < time_ms) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

/* Back to the beginning of their memory. */
static void move_to_front(struct weir_live_key *key)
{
    struct weir_live_row *front = key->rows - key->first;
    memmove(front, key->rows, rows_size(key->count));
    key->rows = front;
    key->first = 0;
}

/* Behind the rows there is room for `count`: rows come at the end, as a rule. What went at the
 * front is taken again once it is as much as what is left, so that a row is moved once for each
 * that went. */
int weir_live_key_reserve(struct weir_live_rows *live, struct weir_live_key *key, uint32_t count)
{
    weir_assert(key->first + key->count <= key->capacity);
    if (count <= key->capacity - key->first - key->count) return 0;
    const uint32_t needed = key->count + count;
    if (needed <= key->capacity && key->first >= key->count) {
        move_to_front(key);
        return 0;
    }
    const uint32_t capacity = (uint32_t)weir_grown_to(key->capacity, needed, ROWS_MIN);
    struct weir_live_row *grown = weir_slabs_alloc(&live->slabs, rows_size(capacity), NULL);
    if (grown == NULL) return no_memory(live, rows_size(capacity));
    weir_copy(grown, key->rows, rows_size(key->count));
    if (key->rows != NULL) {
        weir_slabs_free(&live->slabs, key->rows - key->first, rows_size(key->capacity), 0);
    }
    key->rows = grown;
    key->first = 0;
    key->capacity = capacity;
    return 0;
}

void weir_live_key_put(struct weir_live_key *key, struct weir_live_row row)
{
    const uint32_t at = weir_live_key_at(key, row.time_ms);
    const bool is_there = at < key->count && key->rows[at].time_ms == row.time_ms;
    if (!is_there) {
        weir_assert(key->first + key->count < key->capacity);
        memmove(key->rows + at + 1, key->rows + at, rows_size(key->count - at));
        key->count++;
    }
    key->rows[at] = row;
}

void weir_live_key_remove(struct weir_live_key *key, uint32_t at, uint32_t count)
{
    weir_assert(at + count <= key->count);
    if (count == 0) return;
    key->count -= count;
    if (at == 0) {
        key->rows += count;
        key->first += count;
    } else {
        memmove(key->rows + at, key->rows + at + count, rows_size(key->count - at));
    }
}

static void drop_expired(struct weir_live_key *key, int64_t expired_ms)
{
    uint32_t over = 0;
    while (over < key->count && key->rows[over].time_ms <= expired_ms) {
        over++;
    }
    weir_live_key_remove(key, 0, over);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void place(struct weir_live_slot *slots, size_t mask, struct weir_live_slot slot)
{
    size_t at = (size_t)slot.hash & mask;
    while (slots[at].key != NULL) {
        at = (at + 1) & mask;
    }
    slots[at] = slot;
}

/* Into a table of another size, without the keys that have no row any more. */
static int rebuild(struct weir_live_rows *live, size_t slot_count, int64_t expired_ms)
{
    struct weir_live_slot *slots = weir_alloc_zero(live->slabs.budget, slot_count * sizeof *slots);
    if (slots == NULL) return no_memory(live, slot_count * sizeof *slots);
    size_t kept = 0;
    for (size_t i = 0; i < live->slot_count; i++) {
        struct weir_live_key *key = live->slots[i].key;
        if (key == NULL) continue;
        drop_expired(key, expired_ms);
        if (key->count == 0) {
            free_key(live, key);
            continue;
        }
        place(slots, slot_count - 1, live->slots[i]);
        kept++;
    }
    weir_free(live->slots);
    live->slots = slots;
    live->slot_count = slot_count;
    live->key_count = kept;
    return 0;
}

/* Before a key comes: swept if the keys have doubled since the last time, and at most half full. */
static int make_room(struct weir_live_rows *live, int64_t expired_ms)
{
    int rc = 0;
    if (live->key_count >= live->sweep_at) {
        rc = rebuild(live, live->slot_count, expired_ms);
        live->sweep_at = live->key_count * 2 > SWEEP_MIN ? live->key_count * 2 : SWEEP_MIN;
    }
    if (rc == 0 && live->key_count + 1 > live->slot_count / 2) {
        size_t slot_count = live->slot_count > 0 ? live->slot_count * 2 : SLOTS_MIN;
        rc = rebuild(live, slot_count, expired_ms);
    }
    return rc;
}

static struct weir_live_key *find(const struct weir_live_rows *live, struct weir_slice key,
                                  uint64_t hash)
{
    if (live->slot_count == 0) return NULL;
    const size_t mask = live->slot_count - 1;
    for (size_t at = (size_t)hash & mask; live->slots[at].key != NULL; at = (at + 1) & mask) {
        struct weir_live_key *found = live->slots[at].key;
        if (live->slots[at].hash != hash) continue;
        if (weir_slice_equal(weir_slice(found->key, found->key_size), key)) return found;
    }
    return NULL;
}

uint64_t weir_live_rows_hash(const struct weir_live_rows *live, struct weir_slice key)
{
    return weir_hash_seeded(key, live->slabs.budget->heap->hash_seed);
}

int weir_live_rows_find(struct weir_live_rows *live, struct weir_slice key, uint64_t hash,
                        int64_t expired_ms, struct weir_live_key **key_out)
{
    weir_assert(key.size <= UINT32_MAX);
    struct weir_live_key *found = find(live, key, hash);
    if (found == NULL) {
        const size_t size = sizeof *found + key.size;
        int rc = make_room(live, expired_ms);
        if (rc < 0) return rc;
        found = weir_slabs_alloc(&live->slabs, size, NULL);
        if (found == NULL) return no_memory(live, size);
        *found = (struct weir_live_key){.key_size = (uint32_t)key.size};
        weir_copy(found->key, key.data, key.size);
        place(live->slots, live->slot_count - 1, (struct weir_live_slot){hash, found});
        live->key_count++;
    }
    drop_expired(found, expired_ms);
    *key_out = found;
    return 0;
}

/* ---- from the store -------------------------------------------------------------------------- */

struct load {
    struct weir_live_rows *live;
    const struct weir_key_schema *schema;
    weir_live_row_fn row_of;
};

static int load_row(void *context, struct weir_slice key, struct weir_slice value,
                    int64_t timestamp_ms)
{
    const struct load *load = context;
    struct weir_live_key *live_key;
    (void)value;
    const struct weir_slice record_key = weir_key_schema_record_key(load->schema, key);
    int rc = weir_live_rows_find(load->live, record_key,
                                 weir_live_rows_hash(load->live, record_key), INT64_MIN, &live_key);
    if (rc == 0) rc = weir_live_key_reserve(load->live, live_key, 1);
    if (rc == 0) weir_live_key_put(live_key, load->row_of(key, timestamp_ms));
    return rc;
}

int weir_live_rows_load(struct weir_live_rows *live, struct weir_node *node, int64_t expired_ms,
                        weir_live_row_fn row_of, struct weir_error *error)
{
    struct weir_store *store = node->stores[0];
    struct load load = {live, weir_store_spec_schema(weir_store_spec(store)), row_of};
    struct weir_key_range range;
    const int64_t from_ms = expired_ms < 0            ? 0
                            : expired_ms == INT64_MAX ? INT64_MAX
                                                      : expired_ms + 1;
    int rc = weir_key_range_init(&range, load.schema, weir_node_arena(node), weir_null(), from_ms,
                                 INT64_MAX);
    if (rc == 0) rc = weir_store_visit_range(store, &range, load_row, &load, error);
    if (rc == WEIR_NO_MEMORY) (void)weir_error_set(error, rc, "no memory for the live windows");
    return weir_live_rows_failed(live, node, rc, error);
}
