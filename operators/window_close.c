#include "operators/window_close.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "operators/operators.h"
#include "operators/rows.h"
#include "operators/table_rows.h"

void weir_window_close_open(struct weir_window_close *close, struct weir_node *node)
{
    *close = (struct weir_window_close){.is_open = true};
    weir_arena_init(&close->arena, weir_node_budget(node), 0);
}

void weir_window_close_close(struct weir_window_close *close)
{
    if (close->is_open) weir_arena_close(&close->arena);
    *close = (struct weir_window_close){0};
}

/* ---- when ------------------------------------------------------------------------------------ */

bool weir_window_close_is_due(const struct weir_window_close *close, const struct weir_node *node)
{
    const int64_t now_ms = weir_node_wall_ms(node);
    if (weir_window_close_has_rest(close)) return false;
    /* Further ahead than an interval: the clock was set back. */
    return now_ms >= close->next_wall_ms ||
           close->next_wall_ms - now_ms > weir_node_emit_interval_ms(node);
}

void weir_window_close_looked(struct weir_window_close *close, const struct weir_node *node)
{
    close->next_wall_ms = weir_node_wall_ms(node) + weir_node_emit_interval_ms(node);
}

int64_t weir_window_close_holds_from(const struct weir_node *node)
{
    const struct weir_aggregate_config *config = node->plan->config;
    if (!config->emits_on_close || node->seen_ms < 0) return INT64_MAX;
    return node->emitted_ms < 0 ? -1 : node->emitted_ms - config->window_size_ms;
}

/* ---- what ------------------------------------------------------------------------------------ */

int weir_window_close_note(struct weir_window_close *close, struct weir_closed_window window)
{
    enum { FIRST = 64 };
    struct weir_closed_window *grown = weir_arena_grow(&close->arena, close->windows, close->count,
                                                       &close->capacity, FIRST, sizeof *grown);
    if (grown == NULL) return WEIR_NO_MEMORY;
    close->windows = grown;
    close->windows[close->count++] = window;
    return weir_arena_failed(&close->arena) ? WEIR_NO_MEMORY : 0;
}

struct look {
    struct weir_window_close *close;
    const struct weir_key_schema *schema;
};

static int note_row(void *context, struct weir_slice key, struct weir_slice value,
                    int64_t timestamp_ms)
{
    const struct look *look = context;
    const bool is_session = look->schema == &weir_key_schema_session;
    (void)value, (void)timestamp_ms;
    return weir_window_close_note(look->close,
                                  (struct weir_closed_window){
                                      .key = weir_arena_copy(&look->close->arena, key),
                                      .time_ms = weir_key_schema_time(look->schema, key),
                                      .other_ms = is_session ? weir_session_key_start(key) : 0,
                                  });
}

static int by_time(const void *a, const void *b)
{
    const struct weir_closed_window *left = a;
    const struct weir_closed_window *right = b;
    if (left->time_ms != right->time_ms) return left->time_ms < right->time_ms ? -1 : 1;
    if (left->other_ms != right->other_ms) return left->other_ms < right->other_ms ? -1 : 1;
    return weir_slice_compare(left->key, right->key);
}

static struct weir_headers copy_headers(struct weir_arena *arena, const struct weir_batch *batch,
                                        uint32_t row)
{
    const struct weir_headers none = {0};
    if (batch == NULL || batch->headers == NULL) return none;
    const struct weir_headers *from = &batch->headers[row];
    struct weir_header *copies = weir_arena_array(arena, from->count, sizeof *copies);
    if (copies == NULL) return none;
    for (size_t i = 0; i < from->count; i++) {
        copies[i] = (struct weir_header){weir_arena_copy(arena, from->headers[i].key),
                                         weir_arena_copy(arena, from->headers[i].value)};
    }
    return (struct weir_headers){copies, from->count};
}

int weir_window_close_begin(struct weir_window_close *close, struct weir_node *node,
                            int64_t close_ms, const struct weir_batch *batch, uint32_t row)
{
    weir_assert(close->given == 0);
    if (close->count == 0) {
        node->emitted_ms = close_ms;
        return 0;
    }
    if (close->count > 1) qsort(close->windows, close->count, sizeof *close->windows, by_time);
    close->close_ms = close_ms;
    close->headers = copy_headers(&close->arena, batch, row);
    return weir_arena_failed(&close->arena) ? WEIR_NO_MEMORY : 0;
}

/* ---- given on -------------------------------------------------------------------------------- */

/* Those behind the first come of no row, as what a flush forwards; but for the headers. */
static void set_origin(const struct weir_window_close *close, struct weir_rows *rows, int64_t row,
                       const struct weir_batch *batch, uint32_t from)
{
    if (batch != NULL) {
        weir_rows_set_origin(rows, row, batch, from);
    } else if (close->headers.count > 0) {
        rows->has_headers = true;
        rows->headers[row] = close->headers;
    }
}

static int add_row(const struct weir_window_close *close, struct weir_node *node,
                   struct weir_rows *rows, const struct weir_closed_window *window,
                   struct weir_slice value, int64_t timestamp_ms, const struct weir_batch *batch,
                   uint32_t from)
{
    const struct weir_aggregate_config *config = node->plan->config;
    const bool is_session =
        weir_store_spec_schema(weir_store_spec(node->stores[0])) == &weir_key_schema_session;
    const struct weir_key_schema *schema =
        is_session ? &weir_key_schema_session : &weir_key_schema_window;
    struct weir_windowed_key *windowed = weir_arena_alloc(weir_node_arena(node), sizeof *windowed);
    int64_t row = weir_rows_add(rows);
    if (row < 0 || windowed == NULL) return WEIR_NO_MEMORY;
    /* Sinks may gather rows until the batch is through, and the close's arena goes before. */
    const struct weir_slice key = weir_arena_copy(weir_node_arena(node), window->key);
    if (key.data == NULL) return WEIR_NO_MEMORY;
    *windowed = weir_windowed_key_of(schema, key, config->window_size_ms);
    set_origin(close, rows, row, batch, from);
    rows->key_bytes[row] = key;
    rows->keys[row] = windowed;
    rows->timestamps[row] = is_session ? window->time_ms : timestamp_ms;
    if (rows->has_olds) rows->olds[row] = NULL;
    int rc = weir_rows_object(node, config->key_serde, true,
                              weir_key_schema_record_key(schema, key), &windowed->key);
    if (rc < 0) return rc;
    return weir_rows_object(node, config->value_serde, false, value, &rows->values[row]);
}

/* A session may be gone: a record that was in time has made it part of another. */
static int stored_values(struct weir_node *node, const struct weir_closed_window *windows,
                         size_t count, struct weir_slice *values_out, int64_t *timestamps_out)
{
    struct weir_slice *keys = weir_arena_array(weir_node_arena(node), count, sizeof *keys);
    if (keys == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        keys[i] = windows[i].key;
    }
    return weir_store_get_many(node->stores[0], keys, count, values_out, timestamps_out,
                               node->call.error);
}

static int give_some(struct weir_window_close *close, struct weir_node *node,
                     weir_closed_values_fn values_of, const struct weir_batch *batch, uint32_t row)
{
    struct weir_arena *arena = weir_node_arena(node);
    const struct weir_closed_window *windows = close->windows + close->given;
    const size_t left = close->count - close->given;
    const size_t count = left < WEIR_WINDOW_CLOSE_ROWS ? left : WEIR_WINDOW_CLOSE_ROWS;
    struct weir_slice *values = weir_arena_array(arena, count, sizeof *values);
    int64_t *timestamps = weir_arena_array(arena, count, sizeof *timestamps);
    struct weir_rows rows;
    if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    int rc = values_of(node, windows, count, values, timestamps);
    weir_rows_init(&rows, arena, weir_store_spec(node->stores[0])->keeps_old, true);
    for (size_t i = 0; i < count && rc >= 0; i++) {
        if (weir_slice_is_null(values[i])) continue;
        rc = add_row(close, node, &rows, &windows[i], values[i], timestamps[i], batch, row);
    }
    if (rc < 0) return rc;
    close->given += count;
    return weir_rows_forward(&rows, node);
}

static void forget(struct weir_window_close *close)
{
    enum { KEPT = 1 << 20 };
    const struct weir_headers none = {0};
    struct weir_budget *budget = close->arena.budget;
    if (close->arena.used > KEPT) {
        weir_arena_close(&close->arena);
        weir_arena_init(&close->arena, budget, 0);
    } else {
        weir_arena_reset(&close->arena);
    }
    close->windows = NULL;
    close->count = 0;
    close->capacity = 0;
    close->given = 0;
    close->headers = none;
}

int weir_window_close_give(struct weir_window_close *close, struct weir_node *node,
                           weir_closed_values_fn values_of, const struct weir_batch *batch,
                           uint32_t row, bool is_all)
{
    if (!weir_window_close_has_rest(close)) return 0;
    int rc = 0;
    do {
        rc = give_some(close, node, values_of, batch, row);
    } while (rc >= 0 && is_all && weir_window_close_has_rest(close));
    if (rc < 0 || weir_window_close_has_rest(close)) return rc;
    node->emitted_ms = close->close_ms;
    forget(close);
    return 0;
}

/* ---- rows of the store ----------------------------------------------------------------------- */

int weir_window_close_emit(struct weir_window_close *close, struct weir_node *node,
                           const struct weir_closed_range *range, const struct weir_batch *batch,
                           uint32_t row)
{
    struct weir_store *store = node->stores[0];
    struct look look = {close, weir_store_spec(store)->schema};
    struct weir_key_range times;
    weir_assert(range->from_ms >= 0);
    weir_assert(!weir_window_close_has_rest(close));
    if (range->to_ms < range->from_ms) return 0;
    int rc = weir_key_range_init(&times, look.schema, weir_node_arena(node), weir_null(),
                                 range->from_ms, range->to_ms);
    if (rc == 0) rc = weir_store_visit_range(store, &times, note_row, &look, node->call.error);
    if (rc == 0) rc = weir_window_close_begin(close, node, range->close_ms, batch, row);
    return rc < 0 ? rc : weir_window_close_give(close, node, stored_values, batch, row, false);
}

int weir_window_close_go_on(struct weir_window_close *close, struct weir_node *node)
{
    return weir_window_close_give(close, node, stored_values, NULL, 0, false);
}

int weir_window_close_finish(struct weir_window_close *close, struct weir_node *node)
{
    return weir_window_close_give(close, node, stored_values, NULL, 0, true);
}
