#include "operators/slice_close.h"

#include <stdlib.h>

/* ---- when they close ------------------------------------------------------------------------- */

struct look {
    struct weir_slices_work *work;
    const struct weir_closed_range *range;
    struct weir_slice *keys; /* of the slices */
    size_t count;
    size_t capacity;
};

static int note_slice(void *context, struct weir_slice key, struct weir_slice value,
                      int64_t timestamp_ms)
{
    struct look *look = context;
    struct weir_arena *arena = weir_node_arena(look->work->node);
    (void)value, (void)timestamp_ms;
    struct weir_slice *grown =
        weir_arena_grow(arena, look->keys, look->count, &look->capacity, 64, sizeof *grown);
    if (grown == NULL) return WEIR_NO_MEMORY;
    look->keys = grown;
    look->keys[look->count++] = weir_arena_copy(arena, key);
    return weir_arena_failed(arena) ? WEIR_NO_MEMORY : 0;
}

static int by_key_and_time(const void *a, const void *b)
{
    const struct weir_slice left = *(const struct weir_slice *)a;
    const struct weir_slice right = *(const struct weir_slice *)b;
    const struct weir_key_schema *schema = &weir_key_schema_slice;
    int order = weir_slice_compare(weir_key_schema_record_key(schema, left),
                                   weir_key_schema_record_key(schema, right));
    return order != 0 ? order : weir_slice_compare(left, right);
}

/* The windows that have closed of which `slice` is the first that is there: those behind `last_ms`,
 * the last that was noted of its key. */
static int note_windows(const struct look *look, struct weir_slice slice, int64_t *last_ms)
{
    struct weir_slices_work *work = look->work;
    struct weir_window_close *close = &work->state->close;
    const int64_t advance_ms = work->config->window_advance_ms;
    const int64_t slice_ms = weir_key_schema_time(&weir_key_schema_slice, slice);
    const struct weir_slice record_key = weir_key_schema_record_key(&weir_key_schema_slice, slice);
    const int64_t from_ms = (look->range->from_ms + advance_ms - 1) / advance_ms * advance_ms;
    int64_t start_ms = weir_first_window_start(work->config, slice_ms);
    int64_t end_ms = weir_slices_last_window(work, slice_ms);
    if (start_ms < from_ms) start_ms = from_ms;
    if (start_ms <= *last_ms) start_ms = *last_ms + advance_ms;
    if (end_ms > look->range->to_ms) end_ms = look->range->to_ms;
    for (; start_ms <= end_ms; start_ms += advance_ms) {
        uint8_t *bytes = weir_arena_alloc(&close->arena, weir_window_key_size(record_key));
        if (bytes == NULL) return WEIR_NO_MEMORY;
        weir_window_key_write(bytes, record_key, start_ms);
        const struct weir_slice key = weir_slice(bytes, weir_window_key_size(record_key));
        int rc = weir_window_close_note(
            close, (struct weir_closed_window){.key = key, .time_ms = start_ms});
        if (rc < 0) return rc;
        *last_ms = start_ms;
    }
    return 0;
}

static int note_closed(struct weir_slices_work *work, const struct weir_closed_range *range)
{
    const struct weir_key_schema *schema = &weir_key_schema_slice;
    struct weir_node *node = work->node;
    struct look look = {.work = work, .range = range};
    struct weir_key_range times;
    const int64_t to_ms = range->to_ms + work->config->window_size_ms - 1;
    int rc = weir_key_range_init(&times, schema, weir_node_arena(node), weir_null(), range->from_ms,
                                 to_ms);
    if (rc == 0) {
        rc = weir_store_visit_range(node->stores[0], &times, note_slice, &look, node->call.error);
    }
    if (rc < 0) return rc;
    if (look.count > 1) qsort(look.keys, look.count, sizeof *look.keys, by_key_and_time);
    int64_t last_ms = -1;
    for (size_t i = 0; i < look.count && rc >= 0; i++) {
        const bool is_new =
            i == 0 || !weir_slice_equal(weir_key_schema_record_key(schema, look.keys[i - 1]),
                                        weir_key_schema_record_key(schema, look.keys[i]));
        if (is_new) last_ms = INT64_MIN / 2;
        rc = note_windows(&look, look.keys[i], &last_ms);
    }
    return rc;
}

static int closed_values(struct weir_node *node, const struct weir_closed_window *windows,
                         size_t count, struct weir_slice *values_out, int64_t *timestamps_out)
{
    struct weir_arena *arena = weir_node_arena(node);
    struct weir_slices_work work;
    int rc = weir_slices_work_init(&work, node, NULL);
    weir_node_call_no_row(node, node->observed_ms);
    for (size_t i = 0; i < count && rc >= 0; i++) {
        struct weir_windows_of_key asked = {.first_ms = windows[i].time_ms, .count = 1};
        struct weir_window_value value;
        asked.record_key = weir_key_schema_record_key(&weir_key_schema_window, windows[i].key);
        rc = weir_rows_object(node, work.config->key_serde, true, asked.record_key, &asked.key);
        if (rc >= 0) {
            rc = weir_slice_windows_find(&work.state->windows, &work.fold, &asked, &value, NULL);
        }
        if (rc < 0) return rc;
        values_out[i] = weir_arena_copy(arena, value.bytes);
        timestamps_out[i] = value.timestamp_ms;
    }
    if (rc >= 0 && weir_arena_failed(arena)) rc = WEIR_NO_MEMORY;
    return rc;
}

int weir_slices_give_closed(struct weir_node *node, const struct weir_batch *batch, uint32_t row,
                            bool is_all)
{
    struct weir_slices *state = node->state;
    return weir_window_close_give(&state->close, node, closed_values, batch, row, is_all);
}

/* `batch` NULL: no row has moved the time. */
int weir_slices_emit_closed(struct weir_slices_work *work, const struct weir_batch *batch,
                            uint32_t row)
{
    struct weir_node *node = work->node;
    struct weir_window_close *close = &work->state->close;
    struct weir_closed_range range;
    weir_window_close_looked(close, node);
    if (!weir_time_windows_closed(node, &range)) return 0;
    int rc = note_closed(work, &range);
    if (rc >= 0) rc = weir_window_close_begin(close, node, range.close_ms, batch, row);
    return rc < 0 ? rc : weir_slices_give_closed(node, batch, row, false);
}

/* Before a record that is late for some of its windows: what has closed goes on without it. */
int weir_slices_emit_before(struct weir_slices_work *work, uint32_t row)
{
    struct weir_closed_range range;
    int rc = weir_slices_give_closed(work->node, NULL, 0, true);
    if (rc < 0 || !weir_time_windows_closed(work->node, &range)) return rc;
    rc = weir_slices_emit_closed(work, work->batch, row);
    return rc < 0 ? rc : weir_slices_give_closed(work->node, NULL, 0, true);
}
