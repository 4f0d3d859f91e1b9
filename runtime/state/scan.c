#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/grow.h"
#include "runtime/state/state_internal.h"

/*
 * Keys of a range in order, merged over what lies where.
 *
 * The table's side is the entries that the backend does not have yet (those of the open, the
 * gathering and the generation being written), sorted; they stand before the backend's rows of the same key. The backend's
 * side is one iterator, or where keys have a time one for each segment of time it holds, because there
 * the segment leads the key. A memory store has the table's side only, all of it, out of an index of
 * keys that is made by the first scan and kept from then on.
 *
 * A store that is scanned often has such an index as well, and one that keeps duplicates has the rows of
 * each key in order (key_rows.h): there the table's side is all entries, at no cost for those that are not
 * in the range, and where the table is complete the backend is not asked.
 */
enum {
    SOURCES_FIRST = 8,
    AWAITED_ROWS =
        4096, /* a scan goes over all gathered rows: beyond so many they are written soon */
};

/* One sorted run of rows with API keys. */
struct source {
    struct weir_backend_iterator iterator;
    uint64_t segment;
    bool is_open;
    bool has_row;
    struct weir_slice key; /* within the iterator's */
};

struct scan {
    struct weir_store *store;
    struct weir_slice from;
    struct weir_slice to;
    const struct weir_key_range *range; /* of the keys between the two, only these; NULL: all */
    bool is_unordered;
    weir_store_range_fn each;
    void *context;
    struct weir_error *error;
    struct weir_store_entry **entries; /* the table's side */
    size_t entry_count;
    size_t entry_at;
    const struct weir_skip_node
        *indexed; /* the table's side where it has an index; NULL: at its end */
    bool is_indexed;
    bool has_all_entries; /* on the table's side, not only those that are not written down */
    struct source *sources;
    size_t source_count;
    size_t source_capacity;
};

static bool is_in_range(const struct scan *scan, struct weir_slice key)
{
    if (!weir_slice_is_null(scan->from) && weir_slice_compare(key, scan->from) < 0) return false;
    return weir_slice_is_null(scan->to) || weir_slice_compare(key, scan->to) <= 0;
}

/* A key between the bounds is given: it is one of the range, and its time is not over. */
static bool is_given(const struct scan *scan, struct weir_slice key)
{
    if (weir_store_is_expired(scan->store, key)) return false;
    return scan->range == NULL || weir_key_range_has(scan->range, key);
}

/* ---- the table's side ---------------------------------------------------------------------------- */

static void collect(struct scan *scan, struct weir_store_entry *entry)
{
    if ((entry->flags & WEIR_ENTRY_SEEN) != 0 || !is_in_range(scan, entry->key)) return;
    entry->flags |= WEIR_ENTRY_SEEN;
    scan->entries[scan->entry_count++] = entry;
}

static void collect_rows(struct scan *scan, const struct weir_generation *generation)
{
    for (size_t i = 0; i < generation->row_count; i++) {
        const struct weir_gathered_row *row = &generation->rows[i];
        if (row->store == scan->store->index) collect(scan, row->entry);
    }
}

static int compare_entries(const void *a, const void *b)
{
    const struct weir_store_entry *left = *(struct weir_store_entry *const *)a;
    const struct weir_store_entry *right = *(struct weir_store_entry *const *)b;
    return weir_slice_compare(left->key, right->key);
}

/* Entries that are not written down yet, each once. */
static int collect_unwritten(struct scan *scan)
{
    struct weir_store *store = scan->store;
    struct weir_state *state = store->state;
    const struct weir_generation *generations[] = {state->gathering, state->write_down.generation};
    size_t count = store->dirty.count;
    for (size_t i = 0; i < 2; i++) {
        if (generations[i] != NULL) count += generations[i]->row_count;
    }
    if (count - store->dirty.count > AWAITED_ROWS) state->is_awaited = true;
    scan->entries = weir_arena_array(&state->walked, count, sizeof(void *));
    if (scan->entries == NULL) return WEIR_NO_MEMORY;

    for (size_t i = 0; i < store->dirty.count; i++) {
        collect(scan, store->dirty.entries[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        if (generations[i] != NULL) collect_rows(scan, generations[i]);
    }
    for (size_t i = 0; i < scan->entry_count; i++) {
        scan->entries[i]->flags &= ~(uint32_t)WEIR_ENTRY_SEEN;
    }
    if (scan->entry_count > 1) {
        qsort(scan->entries, scan->entry_count, sizeof(void *), compare_entries);
    }
    return WEIR_OK;
}

/* ---- where the table has an order ----------------------------------------------------------------- */

static int make_index(struct weir_store *store)
{
    weir_skip_list_init(&store->index_by_key, &store->state->table_budget);
    for (size_t slot = 0; slot < store->table.slot_count; slot++) {
        struct weir_store_entry *entry = weir_table_at(&store->table, slot);
        if (entry == NULL) continue;
        struct weir_slice address = weir_slice(&entry, sizeof entry);
        if (weir_skip_list_put(&store->index_by_key, entry->key, address) < 0) {
            weir_skip_list_close(&store->index_by_key);
            return WEIR_NO_MEMORY;
        }
    }
    store->has_index = true;
    return WEIR_OK;
}

static struct weir_store_entry *entry_of(const struct weir_skip_node *node)
{
    struct weir_store_entry *entry;
    memcpy(&entry, node->value.data, sizeof entry);
    return entry;
}

/* The first node of the range; NULL if there is none. */
static int seek_index(const struct scan *scan, const struct weir_skip_node **node_out)
{
    struct weir_store *store = scan->store;
    if (!store->has_index && make_index(store) < 0) {
        return weir_error_set(scan->error, WEIR_NO_MEMORY, "index of keys: out of memory");
    }
    struct weir_slice from = weir_slice_is_null(scan->from) ? weir_text("") : scan->from;
    *node_out = weir_skip_list_seek(&store->index_by_key, from);
    return WEIR_OK;
}

static int give_entry(const struct scan *scan, const struct weir_store_entry *entry)
{
    if (entry->value == NULL || !is_given(scan, entry->key)) return WEIR_OK;
    return scan->each(scan->context, entry->key, weir_slice(entry->value, entry->value_size),
                      entry->timestamp_ms);
}

static int visit_resident(struct scan *scan)
{
    const struct weir_table *table = &scan->store->table;
    for (size_t slot = 0; slot < table->slot_count; slot++) {
        const struct weir_store_entry *entry = weir_table_at(table, slot);
        if (entry == NULL || !is_in_range(scan, entry->key)) continue;
        int rc = give_entry(scan, entry);
        if (rc != 0) return rc;
    }
    return WEIR_OK;
}

static int scan_resident(struct scan *scan)
{
    const struct weir_skip_node *node;
    int rc = seek_index(scan, &node);
    if (rc < 0) return rc;
    for (; node != NULL && is_in_range(scan, node->key); node = node->next[0]) {
        rc = give_entry(scan, entry_of(node));
        if (rc != 0) return rc;
    }
    return WEIR_OK;
}

/* The rows of one record key. */
static void take_key_rows(struct scan *scan)
{
    const struct weir_key_range *range = scan->range;
    scan->entries = (struct weir_store_entry **)weir_key_rows_find(
        &scan->store->rows_by_key, range->record_key, range->from_ms, range->to_ms,
        &scan->entry_count); /* not written to */
    scan->has_all_entries = true;
}

/* The table's side: what it has in order, or else what is to be sorted. */
static int open_table(struct scan *scan)
{
    const struct weir_store *store = scan->store;
    if (scan->range != NULL && weir_store_has_key_rows(store) &&
        !weir_slice_is_null(scan->range->record_key)) {
        take_key_rows(scan);
        return WEIR_OK;
    }
    if (!store->spec->is_scanned_often) return collect_unwritten(scan);
    scan->is_indexed = scan->has_all_entries = true;
    return seek_index(scan, &scan->indexed);
}

/* Its next entry; NULL: there is none. */
static const struct weir_store_entry *table_entry(const struct scan *scan)
{
    if (!scan->is_indexed) {
        return scan->entry_at < scan->entry_count ? scan->entries[scan->entry_at] : NULL;
    }
    if (scan->indexed == NULL || !is_in_range(scan, scan->indexed->key)) return NULL;
    return entry_of(scan->indexed);
}

static void table_next(struct scan *scan)
{
    if (scan->is_indexed) {
        scan->indexed = scan->indexed->next[0];
    } else {
        scan->entry_at++;
    }
}

/* ---- the backend's side -------------------------------------------------------------------------- */

/* Take what the iterator shows as the source's row, if it is still the store's and the segment's and
 * in the range. `rc` is what the iterator's move returned. */
static int source_show(const struct scan *scan, struct source *source, int rc)
{
    source->has_row = false;
    if (rc != WEIR_OK) return rc < 0 ? rc : WEIR_OK;
    struct weir_slice stored = source->iterator.key;
    size_t lead = weir_store_lead_size(scan->store);
    if (stored.size < lead || weir_load_u16(stored.data) != scan->store->prefix) return WEIR_OK;
    if (lead > WEIR_KEY_PREFIX_SIZE &&
        weir_load_u64(stored.data + WEIR_KEY_PREFIX_SIZE) != source->segment) {
        return WEIR_OK;
    }
    struct weir_slice key = weir_slice(stored.data + lead, stored.size - lead);
    if (!weir_key_schema_fits(scan->store->schema, key)) {
        return weir_error_set(scan->error, WEIR_CORRUPT, "row without a %s",
                              scan->store->schema->name);
    }
    source->has_row = is_in_range(scan, key);
    source->key = key;
    return WEIR_OK;
}

static int source_next(const struct scan *scan, struct source *source)
{
    const struct weir_backend_ops *ops = scan->store->state->backend.ops;
    return source_show(scan, source, ops->iterator_next(&source->iterator, scan->error));
}

static int source_open(const struct scan *scan, struct source *source, uint64_t segment)
{
    struct weir_state *state = scan->store->state;
    struct weir_arena *arena = &state->walked;
    struct weir_slice start = weir_store_backend_start(scan->store, arena, segment);
    uint8_t *from = weir_arena_alloc(arena, start.size + scan->from.size);
    if (from == NULL) return weir_error_set(scan->error, WEIR_NO_MEMORY, "out of memory");
    memcpy(from, start.data, start.size);
    weir_copy(from + start.size, scan->from.data, scan->from.size);

    source->segment = segment;
    int rc = state->backend.ops->iterator_open(state->backend.impl, &source->iterator, scan->error);
    if (rc < 0) return rc;
    source->is_open = true;
    rc = state->backend.ops->iterator_seek(
        &source->iterator, weir_slice(from, start.size + scan->from.size), scan->error);
    return source_show(scan, source, rc);
}

/* The next segment at or after `*segment` that holds rows, by one seek; WEIR_END if there is none. */
static int find_segment(const struct scan *scan, struct weir_backend_iterator *iterator,
                        uint64_t *segment)
{
    struct weir_state *state = scan->store->state;
    struct weir_slice start = weir_store_backend_start(scan->store, &state->walked, *segment);
    if (weir_slice_is_null(start)) {
        return weir_error_set(scan->error, WEIR_NO_MEMORY, "out of memory");
    }
    int rc = state->backend.ops->iterator_seek(iterator, start, scan->error);
    if (rc != WEIR_OK) return rc;
    if (iterator->key.size < start.size) return WEIR_END;
    if (weir_load_u16(iterator->key.data) != scan->store->prefix) return WEIR_END;
    *segment = weir_load_u64(iterator->key.data + WEIR_KEY_PREFIX_SIZE);
    return WEIR_OK;
}

/* One more, closed. A store knows no stream time after a restore from the beginning, and holds all
 * segments of its changelog then: their number has no bound of ours. */
static struct source *add_source(struct scan *scan)
{
    struct weir_arena *arena = &scan->store->state->walked;
    if (scan->source_count == scan->source_capacity) {
        size_t capacity = weir_grown(scan->source_capacity, SOURCES_FIRST);
        struct source *grown = weir_arena_array(arena, capacity, sizeof *grown);
        if (grown == NULL) return NULL;
        weir_copy(grown, scan->sources, scan->source_count * sizeof *grown);
        scan->sources = grown;
        scan->source_capacity = capacity;
    }
    struct source *source = &scan->sources[scan->source_count++];
    *source = (struct source){0};
    return source;
}

static int open_source(struct scan *scan, uint64_t segment)
{
    struct source *source = add_source(scan);
    if (source == NULL) return weir_error_set(scan->error, WEIR_NO_MEMORY, "out of memory");
    return source_open(scan, source, segment);
}

static int open_segments(struct scan *scan)
{
    struct weir_state *state = scan->store->state;
    struct weir_backend_iterator iterator = {0};
    int rc = state->backend.ops->iterator_open(state->backend.impl, &iterator, scan->error);
    if (rc < 0) return rc;
    uint64_t segment = scan->store->live_segment;
    uint64_t last = UINT64_MAX;
    if (scan->range != NULL) {
        uint64_t first = weir_store_segment_at(scan->store, scan->range->from_ms);
        if (first > segment) segment = first;
        last = weir_store_segment_at(scan->store, scan->range->to_ms);
    }
    while ((rc = find_segment(scan, &iterator, &segment)) == WEIR_OK && segment <= last) {
        rc = open_source(scan, segment);
        if (rc < 0 || segment == UINT64_MAX) break;
        segment++;
    }
    state->backend.ops->iterator_close(&iterator);
    return rc < 0 ? rc : WEIR_OK;
}

static int open_sources(struct scan *scan)
{
    return weir_store_is_segmented(scan->store) ? open_segments(scan) : open_source(scan, 0);
}

static void close_sources(struct scan *scan)
{
    const struct weir_backend_ops *ops = scan->store->state->backend.ops;
    for (size_t i = 0; i < scan->source_count; i++) {
        if (scan->sources[i].is_open) ops->iterator_close(&scan->sources[i].iterator);
    }
}

/* ---- the merge ----------------------------------------------------------------------------------- */

/* The source with the smallest key. No two have the same: a key's time lies in one segment. */
static struct source *first_source(const struct scan *scan)
{
    struct source *first = NULL;
    for (size_t i = 0; i < scan->source_count; i++) {
        struct source *source = &scan->sources[i];
        if (!source->has_row) continue;
        if (first == NULL || weir_slice_compare(source->key, first->key) < 0) first = source;
    }
    return first;
}

static int give_row(const struct scan *scan, const struct source *source)
{
    struct weir_slice value;
    int64_t timestamp_ms;
    if (!is_given(scan, source->key)) return WEIR_OK;
    int rc = weir_store_parse_value(scan->store, source->iterator.value, &value, &timestamp_ms,
                                    scan->error);
    return rc < 0 ? rc : scan->each(scan->context, source->key, value, timestamp_ms);
}

/* One row, from the side where the smaller key is; equal keys: the table's, and the backend moves on
 * too. What `each` returned, if it was not 0. */
static int merge_one(struct scan *scan, bool *has_ended_out)
{
    struct source *source = first_source(scan);
    const struct weir_store_entry *entry = table_entry(scan);
    *has_ended_out = entry == NULL && source == NULL;
    if (*has_ended_out) return WEIR_OK;

    int order = entry == NULL    ? 1
                : source == NULL ? -1
                                 : weir_slice_compare(entry->key, source->key);
    int rc = order <= 0 ? give_entry(scan, entry) : give_row(scan, source);
    if (rc != 0) return rc;
    if (order <= 0) table_next(scan);
    return order >= 0 ? source_next(scan, source) : WEIR_OK;
}

/* Who is given a row may read stores meanwhile, also by walks of his own: what this one stands on stays until
 * the outermost is over. */
static int scan_merged(struct scan *scan)
{
    struct weir_state *state = scan->store->state;
    if (state->walk_count == 0) weir_arena_reset(&state->walked);
    state->walk_count++;
    int rc = open_table(scan);
    if (rc < 0) (void)weir_error_set(scan->error, (enum weir_code)rc, "out of memory");
    const bool is_whole = scan->has_all_entries && scan->store->is_complete;
    if (rc >= 0 && !is_whole) rc = open_sources(scan);
    bool has_ended = false;
    while (rc == WEIR_OK && !has_ended) {
        rc = merge_one(scan, &has_ended);
    }
    close_sources(scan);
    state->walk_count--;
    return rc;
}

static int run(struct scan *scan)
{
    struct weir_store *store = scan->store;
    const bool is_visited = scan->is_unordered && !store->has_index;
    int rc = !store->is_resident ? scan_merged(scan)
             : is_visited        ? visit_resident(scan)
                                 : scan_resident(scan);
    return weir_error_wrap(scan->error, rc, "scan store '%s'", store->spec->name);
}

int weir_store_scan(struct weir_store *store, struct weir_slice from, struct weir_slice to,
                    weir_store_range_fn each, void *context, struct weir_error *error)
{
    struct scan scan = {
        .store = store,
        .from = from,
        .to = to,
        .each = each,
        .context = context,
        .error = error,
    };
    return run(&scan);
}

static int scan_range(struct weir_store *store, const struct weir_key_range *range,
                      bool is_unordered, weir_store_range_fn each, void *context,
                      struct weir_error *error)
{
    weir_assert(weir_store_is_segmented(store));
    weir_assert(range->schema == store->schema);
    struct scan scan = {
        .store = store,
        .from = range->from,
        .to = range->to,
        .range = range,
        .is_unordered = is_unordered,
        .each = each,
        .context = context,
        .error = error,
    };
    return run(&scan);
}

int weir_store_scan_range(struct weir_store *store, const struct weir_key_range *range,
                          weir_store_range_fn each, void *context, struct weir_error *error)
{
    return scan_range(store, range, false, each, context, error);
}

int weir_store_visit_range(struct weir_store *store, const struct weir_key_range *range,
                           weir_store_range_fn each, void *context, struct weir_error *error)
{
    return scan_range(store, range, true, each, context, error);
}
