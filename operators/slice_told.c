#include "operators/slice_told.h"

#include <stdlib.h>

#include "base/saturate.h"

enum { WINDOWS_AT_ONCE = 1024, FORWARDED_ROWS = 1024 };

/* ---- windows that are told of ---------------------------------------------------------------- */

/* `row` < 0: it comes of no row. */
int weir_slices_tell(struct weir_slices_work *work, const struct weir_told_window *told,
                     int64_t row)
{
    struct weir_node *node = work->node;
    struct weir_rows *rows = &work->rows;
    struct weir_arena *arena = weir_node_arena(node);
    const size_t key_size = weir_window_key_size(told->record_key);
    struct weir_windowed_key *windowed = weir_arena_alloc(arena, sizeof *windowed);
    uint8_t *key_bytes = weir_arena_alloc(arena, key_size);
    int64_t at = weir_rows_add(rows);
    if (at < 0 || weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    *windowed = (struct weir_windowed_key){
        .key = told->key,
        .start_ms = told->start_ms,
        .end_ms = weir_window_end(told->start_ms, work->config->window_size_ms),
    };
    weir_window_key_write(key_bytes, told->record_key, told->start_ms);
    if (row >= 0) weir_rows_set_origin(rows, at, work->batch, (uint32_t)row);
    rows->keys[at] = windowed;
    rows->key_bytes[at] = weir_slice(key_bytes, key_size);
    rows->timestamps[at] = told->value.timestamp_ms;
    const struct weir_serde *serde = work->config->value_serde;
    int rc = weir_rows_object(node, serde, false, told->value.bytes, &rows->values[at]);
    if (rc < 0 || !rows->has_olds) return rc;
    if (told->has_initial_old && weir_slice_is_null(told->old.bytes)) {
        return weir_fold_initial(&work->fold, &rows->olds[at]);
    }
    return weir_rows_object(node, serde, false, told->old.bytes, &rows->olds[at]);
}

/* ---- windows that are kept ------------------------------------------------------------------- */

static int keep(struct weir_slices_work *work, const struct weir_told_window *told)
{
    struct weir_slices *state = work->state;
    struct weir_arena *arena = &state->changes.arena;
    struct weir_kept_window *grown = weir_arena_grow(arena, state->kept, state->kept_count,
                                                     &state->kept_capacity, 64, sizeof *grown);
    if (grown == NULL) return WEIR_NO_MEMORY;
    state->kept = grown;
    state->kept[state->kept_count++] = (struct weir_kept_window){
        .key = weir_arena_copy(arena, told->record_key),
        .start_ms = told->start_ms,
        .timestamp_ms = told->value.timestamp_ms,
        .value = weir_arena_copy(arena, told->value.bytes),
        .old = weir_arena_copy(arena, told->old.bytes),
    };
    return weir_arena_failed(arena) ? WEIR_NO_MEMORY : 0;
}

typedef int (*told_fn)(struct weir_slices_work *work, const struct weir_told_window *told);

static int tell_of_flush(struct weir_slices_work *work, const struct weir_told_window *told)
{
    int rc = weir_slices_tell(work, told, -1);
    if (rc < 0 || work->rows.count < FORWARDED_ROWS) return rc;
    return weir_rows_forward(&work->rows, work->node);
}

/* The windows of a key from `first_ms` to `last_ms`: each that has a value. */
static int visit_windows(struct weir_slices_work *work, struct weir_slice record_key,
                         const void *key, int64_t first_ms, int64_t last_ms, told_fn each)
{
    const int64_t advance_ms = work->config->window_advance_ms;
    struct weir_arena *arena = weir_node_arena(work->node);
    size_t left = first_ms <= last_ms ? (size_t)((last_ms - first_ms) / advance_ms) + 1 : 0;
    /* As many at once as a window has slices, so that those which several share are not merged
     * anew. */
    size_t at_once = work->state->windows.slices_per_window;
    if (at_once < WINDOWS_AT_ONCE) at_once = WINDOWS_AT_ONCE;
    int rc = 0;
    while (left > 0 && rc >= 0) {
        const size_t count = left < at_once ? left : at_once;
        const struct weir_windows_of_key asked = {record_key, key, first_ms, count};
        struct weir_window_value *values = weir_arena_array(arena, count, sizeof *values);
        struct weir_window_value *olds = NULL;
        if (work->rows.has_olds) olds = weir_arena_array(arena, count, sizeof *olds);
        if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
        rc = weir_slice_windows_find(&work->state->windows, &work->fold, &asked, values, olds);
        for (size_t i = 0; i < count && rc >= 0; i++) {
            struct weir_told_window told = {
                .record_key = record_key, .key = key, .value = values[i]};
            told.start_ms = first_ms + (int64_t)i * advance_ms;
            if (olds != NULL) told.old = olds[i];
            if (!weir_slice_is_null(told.value.bytes)) rc = each(work, &told);
        }
        left -= count;
        if (left > 0) first_ms += (int64_t)count * advance_ms;
    }
    return rc;
}

static int by_start(const void *a, const void *b)
{
    const struct weir_changed_slice *left = *(struct weir_changed_slice *const *)a;
    const struct weir_changed_slice *right = *(struct weir_changed_slice *const *)b;
    return left->start_ms < right->start_ms ? -1 : left->start_ms > right->start_ms;
}

static bool has_changed_windows(const struct weir_slices_work *work,
                                const struct weir_changed_slice *slice)
{
    return slice->from_ms <= weir_slices_last_window(work, slice->start_ms);
}

/* A key's slices that have changed windows, in order of time. */
static struct weir_changed_slice **sort_slices(struct weir_slices_work *work,
                                               const struct weir_changed_key *changed,
                                               size_t *count_out)
{
    const struct weir_slice_changes *changes = &work->state->changes;
    struct weir_changed_slice *slice = weir_changed_slice_at(changes, changed->first);
    size_t count = 0;
    for (; slice != NULL; slice = weir_changed_slice_at(changes, slice->next)) {
        count++;
    }
    struct weir_changed_slice **sorted =
        weir_arena_array(weir_node_arena(work->node), count, sizeof(void *));
    if (sorted == NULL) return NULL;
    *count_out = 0;
    slice = weir_changed_slice_at(changes, changed->first);
    for (; slice != NULL; slice = weir_changed_slice_at(changes, slice->next)) {
        if (has_changed_windows(work, slice)) sorted[(*count_out)++] = slice;
    }
    if (*count_out > 1) qsort(sorted, *count_out, sizeof(void *), by_start);
    return sorted;
}

/* All windows of a key that have changed and begin before `to_ms`, each once. Slices whose windows
 * follow each other without a gap are gone through together. */
static int visit_changed(struct weir_slices_work *work, const struct weir_changed_key *changed,
                         const void *key, int64_t to_ms, told_fn each)
{
    const int64_t advance_ms = work->config->window_advance_ms;
    size_t count;
    struct weir_changed_slice **slices = sort_slices(work, changed, &count);
    if (slices == NULL) return WEIR_NO_MEMORY;
    int rc = 0;
    int64_t next_ms = 0; /* those before are through */
    for (size_t i = 0; i < count && rc >= 0;) {
        int64_t from_ms = slices[i]->from_ms;
        int64_t last_ms = weir_slices_last_window(work, slices[i]->start_ms);
        int64_t behind_ms = weir_saturating_add(last_ms, advance_ms);
        for (i++; i < count && slices[i]->from_ms <= behind_ms; i++) {
            if (slices[i]->from_ms < from_ms) from_ms = slices[i]->from_ms;
            last_ms = weir_slices_last_window(work, slices[i]->start_ms);
            behind_ms = weir_saturating_add(last_ms, advance_ms);
        }
        if (from_ms < next_ms) from_ms = next_ms;
        if (last_ms >= to_ms) last_ms = to_ms - 1;
        rc = visit_windows(work, changed->key, key, from_ms, last_ms, each);
        next_ms = behind_ms;
    }
    return rc;
}

/* Before a record of the key that is late for the windows before `open_ms`. */
int weir_slices_keep_over(struct weir_slices_work *work, struct weir_slice record_key,
                          const void *key, int64_t open_ms)
{
    struct weir_slice_changes *changes = &work->state->changes;
    const struct weir_changed_key *changed = weir_slice_changes_find(changes, record_key);
    bool has_any = false;
    if (changed == NULL) return 0;
    for (const struct weir_changed_slice *slice = weir_changed_slice_at(changes, changed->first);
         slice != NULL && !has_any; slice = weir_changed_slice_at(changes, slice->next)) {
        has_any = slice->from_ms < open_ms && has_changed_windows(work, slice);
    }
    if (!has_any) return 0;
    int rc = visit_changed(work, changed, key, open_ms, keep);
    struct weir_changed_slice *slice = weir_changed_slice_at(changes, changed->first);
    for (; slice != NULL && rc >= 0; slice = weir_changed_slice_at(changes, slice->next)) {
        if (slice->from_ms < open_ms) slice->from_ms = open_ms;
    }
    return rc;
}

/* ---- the flush ------------------------------------------------------------------------------- */

static int tell_kept(struct weir_slices_work *work)
{
    const struct weir_slices *state = work->state;
    int rc = 0;
    for (size_t i = 0; i < state->kept_count && rc >= 0; i++) {
        const struct weir_kept_window *kept = &state->kept[i];
        struct weir_told_window told = {
            .record_key = kept->key,
            .start_ms = kept->start_ms,
            .value = {kept->value, kept->timestamp_ms},
            .old = {.bytes = kept->old},
        };
        rc = weir_rows_object(work->node, work->config->key_serde, true, kept->key, &told.key);
        if (rc >= 0) rc = tell_of_flush(work, &told);
    }
    return rc;
}

static int tell_changed(struct weir_slices_work *work)
{
    const struct weir_slice_changes *changes = &work->state->changes;
    int rc = 0;
    for (size_t i = 0; i < changes->key_count && rc >= 0; i++) {
        const struct weir_changed_key *changed = &changes->keys[i];
        const void *key;
        rc = weir_rows_object(work->node, work->config->key_serde, true, changed->key, &key);
        if (rc >= 0) rc = visit_changed(work, changed, key, INT64_MAX, tell_of_flush);
    }
    return rc;
}

/* The store's own list is gone through for what is noted with it. */
static void settle(struct weir_store *store)
{
    size_t at = 0;
    while (weir_store_next_unforwarded(store, &at) != NULL) {
    }
    weir_store_forwarded(store);
}

int weir_slices_flush(struct weir_node *node)
{
    struct weir_slices *state = node->state;
    struct weir_slices_work work;
    int rc = weir_slices_work_init(&work, node, NULL);
    if (rc < 0 || !work.is_cached) return rc;
    weir_node_call_no_row(node, node->observed_ms);
    if (node->plan->child_count > 0) {
        rc = tell_kept(&work);
        if (rc >= 0) rc = tell_changed(&work);
        if (rc >= 0) rc = weir_rows_forward(&work.rows, node);
    }
    if (rc < 0) return rc;
    settle(node->stores[0]);
    weir_slice_changes_forget(&state->changes);
    state->kept = NULL;
    state->kept_count = state->kept_capacity = 0;
    weir_slices_advance(node);
    return 0;
}
