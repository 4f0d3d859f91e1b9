/* count, reduce and aggregate over windows that are kept as slices: a row for each key and slice,
 * however many windows a record is in (aggregate.c keeps one for each window).
 *
 *     size 10, advance 4: slices of 2     a row at 9 changes the slice [8, 10); it is in the
 *     [0 ─────── 10)                      windows that begin at 0, 4 and 8, and they are merged
 *           [4 ─────── 14)                out of their slices when somebody is told of them
 *                 [8 ─────── 18)          (slice_windows.h)
 *
 * Told of, that is:
 *
 *   cached            at the flush, each window of a key that a slice has changed in, once
 *   not cached        with each row, all windows that it is in
 *   when they close   once, of the slices that are there by then
 *
 * The answers are those of rows. What takes care of that are records that come late for some of
 * their windows, and not for others: their slice takes them, and it is in windows that are over,
 * too. Of these nobody must be told what came too late. So before such a record is folded, the
 * windows of its key that are over, and of which the flush is still to tell, are *kept* with the
 * value they have; and those that wait to be told of because they have closed go on first. A window
 * that is over and told of is nobody's to see any more.
 *
 *     size 4, advance 2, no grace     slices        windows
 *     a row at 3, observed 3          [2,4) = 1     [0,4) [2,6) have changed
 *     one of another key at 4                       [0,4) is over
 *     a row at 2                      [2,4) = 2     [0,4) = 1 is kept; at the flush [2,6) = 2
 *
 * Deleting an aggregate is refused: what is left of a window then is not to be told from its
 * slices.
 */
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "operators/slice_close.h"
#include "operators/slice_told.h"

/* ---- late rows ------------------------------------------------------------------------------- */

static int64_t first_window(struct weir_slices_work *work, int64_t slice_start_ms)
{
    if (slice_start_ms != work->slice_start_ms) {
        work->slice_start_ms = slice_start_ms;
        work->first_start_ms = weir_first_window_start(work->config, slice_start_ms);
    }
    return work->first_start_ms;
}

/* W1: a window takes a row while its end is after (observed - grace). The first that does, of those
 * from `first_ms` on; it may be behind the last that the row is in. */
static int64_t first_open_window(const struct weir_slices_work *work, int64_t first_ms)
{
    const struct weir_aggregate_config *config = work->config;
    const int64_t advance_ms = config->window_advance_ms;
    const int64_t close_ms = weir_saturating_sub(work->node->observed_ms, config->grace_ms);
    const int64_t over_ms = weir_saturating_sub(close_ms, config->window_size_ms);
    if (weir_window_end(first_ms, config->window_size_ms) > close_ms) return first_ms;
    if (close_ms == INT64_MAX) return INT64_MAX; /* no end is after that */
    return over_ms - over_ms % advance_ms + advance_ms;
}

static int note_late(struct weir_slices_work *work, uint32_t row, int64_t first_ms, int64_t open_ms,
                     int64_t last_ms)
{
    struct weir_node *node = work->node;
    const int64_t advance_ms = work->config->window_advance_ms;
    const int64_t end_ms = weir_window_end(first_ms, work->config->window_size_ms);
    const int64_t until_ms = open_ms <= last_ms ? open_ms - advance_ms : last_ms;
    const int64_t windows = (until_ms - first_ms) / advance_ms + 1;
    weir_node_note_late(node, work->batch->timestamps[row], node->observed_ms - end_ms + 1);
    work->late += windows;
    return weir_node_send_late(node, work->batch, row, windows);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* The next rows of the batch, from its `*at` on, as changes. One that is late for some of its
 * windows is alone: it is told by `*is_late_out`. */
static int select_rows(struct weir_slices_work *work, size_t *at, size_t capacity,
                       bool *is_late_out)
{
    const int64_t slice_ms = work->config->slice_ms;
    struct weir_slices_piece *changes = &work->piece;
    changes->count = 0;
    *is_late_out = false;
    for (; *at < work->batch->count && changes->count < capacity && !*is_late_out; (*at)++) {
        const uint32_t row = weir_batch_row(work->batch, *at);
        const int64_t timestamp_ms = work->batch->timestamps[row];
        int64_t start_ms = work->slice_start_ms;
        if (timestamp_ms < start_ms || timestamp_ms - start_ms >= slice_ms) {
            start_ms = timestamp_ms - timestamp_ms % slice_ms;
        }
        weir_node_observe(work->node, timestamp_ms);
        const int64_t first_ms = first_window(work, start_ms);
        const int64_t open_ms = first_open_window(work, first_ms);
        if (open_ms > first_ms) {
            const int64_t last_ms = weir_slices_last_window(work, start_ms);
            if (open_ms <= last_ms && changes->count > 0) return 0; /* its turn comes */
            int rc = note_late(work, row, first_ms, open_ms, last_ms);
            if (rc < 0) return rc;
            if (open_ms > last_ms) continue;
            *is_late_out = true;
        }
        changes->rows[changes->count] = row;
        changes->firsts[changes->count] = open_ms;
        changes->starts[changes->count++] = start_ms;
    }
    return 0;
}

static int write_keys(struct weir_slices_work *work)
{
    struct weir_slices_piece *changes = &work->piece;
    const struct weir_slice *record_keys = work->batch->key_bytes;
    size_t size = 0;
    for (size_t i = 0; i < changes->count; i++) {
        size += weir_window_key_size(record_keys[changes->rows[i]]);
    }
    uint8_t *bytes = weir_arena_alloc(weir_node_arena(work->node), size);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < changes->count; i++) {
        const struct weir_slice key = record_keys[changes->rows[i]];
        weir_window_key_write(bytes, key, changes->starts[i]);
        changes->keys[i] = weir_slice(bytes, weir_window_key_size(key));
        bytes += changes->keys[i].size;
    }
    return 0;
}

/* The slice's new value. A null value that begins one is none; what deletes one cannot be told. */
static int fold_slice(struct weir_slices_work *work, uint32_t row, struct weir_slice old)
{
    struct weir_node *node = work->node;
    int rc = weir_fold_row(&work->fold, work->batch, row, old);
    if (rc < 0 || !weir_slice_is_null(work->fold.bytes)) return rc;
    if (work->config->kind == WEIR_AGGREGATE_REDUCE && weir_slice_is_null(old)) return WEIR_END;
    return weir_error_set(node->call.error, WEIR_USER_FUNCTION,
                          "the aggregate is deleted, and slices cannot tell what is left of their "
                          "windows: keep rows (WEIR_LAYOUT_ROWS)");
}

/* WEIR_END: nothing has changed. */
static int change(struct weir_slices_work *work, size_t i)
{
    struct weir_node *node = work->node;
    const struct weir_slices_piece *changes = &work->piece;
    const uint32_t row = changes->rows[i];
    struct weir_store_entry *entry = changes->entries[i];
    int64_t timestamp_ms = work->batch->timestamps[row];
    weir_node_call_row(node, work->batch, row);
    int rc = fold_slice(work, row, weir_slice(entry->value, entry->value_size));
    if (rc == 0) {
        rc = weir_store_check_change(node->stores[0], changes->keys[i], work->fold.bytes,
                                     node->call.error);
    }
    if (rc < 0) {
        rc = weir_node_record_failed(node, work->batch, row, rc);
        return rc < 0 ? rc : WEIR_END;
    }
    if (rc == WEIR_END) return rc;
    if (entry->value != NULL && entry->timestamp_ms > timestamp_ms) {
        timestamp_ms = entry->timestamp_ms;
    }
    if (work->is_noted && !weir_store_is_unforwarded(entry)) {
        rc = weir_slice_changes_note(&work->state->changes, work->batch->key_bytes[row],
                                     changes->starts[i], changes->firsts[i]);
        if (rc < 0) return rc;
    }
    return weir_store_set(node->stores[0], entry, work->fold.bytes, timestamp_ms, node->call.error);
}

static int process_changes(struct weir_slices_work *work)
{
    struct weir_slices_piece *changes = &work->piece;
    struct weir_node *node = work->node;
    if (changes->count == 0) return 0;
    int rc = write_keys(work);
    if (rc < 0) return rc;
    rc = weir_store_touch(node->stores[0], changes->keys, changes->count, changes->entries,
                          node->call.error);
    for (size_t i = 0; i < changes->count && rc >= 0; i++) {
        rc = change(work, i);
    }
    return rc < 0 ? rc : 0;
}

/* One row whose windows are told of at once. */
static int process_forwarded(struct weir_slices_work *work)
{
    const struct weir_slices_piece *changes = &work->piece;
    struct weir_node *node = work->node;
    struct weir_arena *arena = weir_node_arena(node);
    const uint32_t row = changes->rows[0];
    const int64_t first_ms = changes->firsts[0];
    const int64_t advance_ms = work->config->window_advance_ms;
    const size_t count =
        (size_t)((weir_slices_last_window(work, changes->starts[0]) - first_ms) / advance_ms) + 1;
    const struct weir_windows_of_key asked = {work->batch->key_bytes[row], work->batch->keys[row],
                                              first_ms, count};
    struct weir_slice_windows *windows = &work->state->windows;
    struct weir_window_value *olds = weir_arena_array(arena, count, sizeof *olds);
    struct weir_window_value *values = weir_arena_array(arena, count, sizeof *values);
    if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    weir_node_call_row(node, work->batch, row);
    int rc = 0;
    if (work->rows.has_olds) {
        rc = weir_slice_windows_find(windows, &work->fold, &asked, olds, NULL);
        for (size_t i = 0; i < count && rc >= 0; i++) { /* the store's bytes are about to change */
            olds[i].bytes = weir_arena_copy(arena, olds[i].bytes);
        }
    }
    if (rc >= 0) rc = write_keys(work);
    if (rc >= 0) {
        rc =
            weir_store_touch(node->stores[0], changes->keys, 1, changes->entries, node->call.error);
    }
    if (rc >= 0) rc = change(work, 0);
    if (rc != 0) return rc < 0 ? rc : 0;
    rc = weir_slice_windows_find(windows, &work->fold, &asked, values, NULL);
    for (size_t i = 0; i < count && rc >= 0; i++) {
        struct weir_told_window told = {
            .record_key = asked.record_key,
            .key = asked.key,
            .start_ms = first_ms + (int64_t)i * advance_ms,
            .value = values[i],
            .has_initial_old = true,
        };
        if (work->rows.has_olds) told.old = olds[i];
        rc = weir_slices_tell(work, &told, row);
    }
    return rc;
}

/* The only row of the piece is late for the windows before its first. */
static int make_way(struct weir_slices_work *work)
{
    const struct weir_slices_piece *changes = &work->piece;
    const uint32_t row = changes->rows[0];
    if (work->config->emits_on_close) return weir_slices_emit_before(work, row);
    if (!work->is_noted) return 0;
    weir_node_call_row(work->node, work->batch, row);
    return weir_slices_keep_over(work, work->batch->key_bytes[row], work->batch->keys[row],
                                 changes->firsts[0]);
}

static int process_rows(struct weir_slices_work *work)
{
    const size_t capacity = work->is_forwarded                            ? 1
                            : work->batch->count < WEIR_SLICES_PIECE_ROWS ? work->batch->count
                                                                          : WEIR_SLICES_PIECE_ROWS;
    int rc = 0;
    for (size_t at = 0; rc >= 0 && at < work->batch->count;) {
        bool is_late;
        rc = select_rows(work, &at, capacity, &is_late);
        if (rc >= 0 && is_late) rc = make_way(work);
        if (rc < 0 || work->piece.count == 0) continue;
        rc = work->is_forwarded ? process_forwarded(work) : process_changes(work);
    }
    return rc;
}

static int process_closing(struct weir_slices_work *work)
{
    const struct weir_batch *all = work->batch;
    const struct weir_window_close *close = &work->state->close;
    int rc = weir_slices_give_closed(work->node, NULL, 0, false);
    for (size_t i = 0; i < all->count && rc >= 0;) {
        const bool is_looked = weir_window_close_is_due(close, work->node);
        const size_t count = is_looked ? 1 : all->count - i;
        const uint32_t row = weir_batch_row(all, i);
        struct weir_batch part;
        rc = weir_rows_part(work->node, all, i, count, &part);
        work->batch = &part;
        if (rc >= 0) rc = process_rows(work);
        work->batch = all;
        i += count;
        if (rc >= 0 && is_looked) rc = weir_slices_emit_closed(work, all, row);
    }
    return rc;
}

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_aggregate_config *config = node->plan->config;
    struct weir_batch keyed = {0};
    struct weir_batch rows = {0};
    struct weir_slices_work work;
    weir_assert(node->plan->store_count == 1);
    int rc = weir_rows_without_nulls(node, batch, false, true, &keyed);
    if (rc < 0 || keyed.count == 0) return rc;
    rc = weir_node_key_bytes(node, &keyed, config->key_serde, &rows);
    if (rc < 0 || rows.count == 0) return rc;
    rc = weir_slices_work_init(&work, node, &rows);
    if (rc >= 0) rc = config->emits_on_close ? process_closing(&work) : process_rows(&work);
    if (work.late > 0) weir_node_dropped(node, WEIR_DROP_LATE, work.late);
    weir_slices_advance(node);
    return rc < 0 ? rc : weir_rows_forward(&work.rows, node);
}

static int flush(struct weir_node *node)
{
    int rc = weir_slices_give_closed(node, NULL, 0, true);
    return rc < 0 ? rc : weir_slices_flush(node);
}

/* ---- life ------------------------------------------------------------------------------------ */

static int time_advanced(struct weir_node *node)
{
    const struct weir_aggregate_config *config = node->plan->config;
    const struct weir_slices *state = node->state;
    int rc = weir_slices_give_closed(node, NULL, 0, false);
    if (rc >= 0 && config->emits_on_close && weir_window_close_is_due(&state->close, node)) {
        struct weir_slices_work work;
        rc = weir_slices_work_init(&work, node, NULL);
        if (rc >= 0) rc = weir_slices_emit_closed(&work, NULL, 0);
    }
    weir_slices_advance(node);
    return rc;
}

static int open_slices(struct weir_node *node, struct weir_error *error)
{
    struct weir_slices *state = node->state;
    (void)error;
    weir_window_close_open(&state->close, node);
    weir_slice_windows_init(&state->windows, node);
    weir_slice_changes_init(&state->changes, weir_node_budget(node));
    weir_slices_advance(node);
    return 0;
}

static void close_slices(struct weir_node *node)
{
    struct weir_slices *state = node->state;
    weir_window_close_close(&state->close);
    weir_slice_windows_close(&state->windows);
    weir_slice_changes_close(&state->changes);
}

const struct weir_operator_ops weir_slices_ops = {
    .name = "slices",
    .traits =
        {
            .is_value_changing = true,
            .makes_rows = true,
            .store_use = WEIR_CHANGES_STORES,
            .fills_table = true,
            .forwards_on_flush = true,
            .meets_by_key = true,
        },
    .state_size = sizeof(struct weir_slices),
    .open = open_slices,
    .process = process,
    .flush = flush,
    .time_advanced = time_advanced,
    .holds_from_ms = weir_window_close_holds_from,
    .close = close_slices,
};
