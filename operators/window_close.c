#include "operators/window_close.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/grow.h"
#include "operators/operators.h"
#include "operators/rows.h"
#include "operators/table_rows.h"
#include "runtime/state/key_schema.h"

/* ---- when -------------------------------------------------------------------------------------- */

bool weir_window_close_is_due(const struct weir_window_close *close, const struct weir_node *node)
{
    const int64_t now_ms = weir_node_wall_ms(node);
    /* Further ahead than an interval: the clock was set back. */
    return now_ms >= close->next_wall_ms ||
           close->next_wall_ms - now_ms > weir_node_emit_interval_ms(node);
}

void weir_window_close_looked(struct weir_window_close *close, const struct weir_node *node)
{
    close->next_wall_ms = weir_node_wall_ms(node) + weir_node_emit_interval_ms(node);
}

/* ---- what -------------------------------------------------------------------------------------- */

struct closed {
    struct weir_slice key;
    struct weir_slice value;
    int64_t time_ms;
    int64_t other_ms; /* a session's start */
    int64_t timestamp_ms;
};

struct collected {
    const struct weir_key_schema *schema;
    struct weir_arena *arena;
    struct closed *rows;
    size_t count;
    size_t capacity;
};

/* The store's bytes may go while rows are forwarded: they are copied. */
static int collect(void *context, struct weir_slice key, struct weir_slice value,
                   int64_t timestamp_ms)
{
    enum { FIRST = 64 };
    struct collected *all = context;
    if (all->count == all->capacity) {
        const size_t capacity = weir_grown(all->capacity, FIRST);
        struct closed *grown = weir_arena_array(all->arena, capacity, sizeof *grown);
        if (grown == NULL) return WEIR_NO_MEMORY;
        weir_copy(grown, all->rows, all->count * sizeof *grown);
        all->rows = grown;
        all->capacity = capacity;
    }
    const bool is_session = all->schema == &weir_key_schema_session;
    struct closed *row = &all->rows[all->count++];
    *row = (struct closed){
        .key = weir_arena_copy(all->arena, key),
        .value = weir_arena_copy(all->arena, value),
        .time_ms = weir_key_schema_time(all->schema, key),
        .other_ms = is_session ? weir_session_key_start(key) : 0,
        .timestamp_ms = is_session ? weir_key_schema_time(all->schema, key) : timestamp_ms,
    };
    return weir_arena_failed(all->arena) ? WEIR_NO_MEMORY : 0;
}

static int by_time(const void *a, const void *b)
{
    const struct closed *left = a;
    const struct closed *right = b;
    if (left->time_ms != right->time_ms) return left->time_ms < right->time_ms ? -1 : 1;
    if (left->other_ms != right->other_ms) return left->other_ms < right->other_ms ? -1 : 1;
    return weir_slice_compare(left->key, right->key);
}

static int add_row(struct weir_node *node, struct weir_rows *rows, const struct closed *closed,
                   const struct weir_key_schema *schema, const struct weir_batch *batch,
                   uint32_t from)
{
    const struct weir_aggregate_config *config = node->plan->config;
    const struct weir_slice record_key = weir_key_schema_record_key(schema, closed->key);
    struct weir_windowed_key *windowed = weir_arena_alloc(weir_node_arena(node), sizeof *windowed);
    int64_t row = weir_rows_add(rows);
    if (row < 0 || windowed == NULL) return WEIR_NO_MEMORY;
    *windowed = weir_windowed_key_of(schema, closed->key, config->window_size_ms);
    if (batch != NULL) weir_rows_set_origin(rows, row, batch, from);
    rows->keys[row] = windowed;
    rows->key_bytes[row] = closed->key;
    rows->timestamps[row] = closed->timestamp_ms;
    if (rows->has_olds) rows->olds[row] = NULL;
    int rc = weir_rows_object(node, config->key_serde, true, record_key, &windowed->key);
    if (rc < 0) return rc;
    return weir_rows_object(node, config->value_serde, false, closed->value, &rows->values[row]);
}

int64_t weir_window_close_holds_from(const struct weir_node *node)
{
    const struct weir_aggregate_config *config = node->plan->config;
    if (!config->emits_on_close || node->seen_ms < 0) return INT64_MAX;
    return node->emitted_ms < 0 ? -1 : node->emitted_ms - config->window_size_ms;
}

int weir_window_close_emit(struct weir_node *node, const struct weir_closed_range *range,
                           const struct weir_batch *batch, uint32_t row)
{
    struct weir_store *store = node->stores[0];
    const struct weir_store_spec *spec = weir_store_spec(store);
    struct collected all = {.schema = spec->schema, .arena = weir_node_arena(node)};
    struct weir_key_range times;
    struct weir_rows rows;
    weir_assert(range->from_ms >= 0);
    if (range->to_ms < range->from_ms) return 0;
    int rc = weir_key_range_init(&times, all.schema, all.arena, weir_null(), range->from_ms,
                                 range->to_ms);
    if (rc == 0) rc = weir_store_visit_range(store, &times, collect, &all, node->call.error);
    if (rc < 0) return rc;
    if (all.count > 1) qsort(all.rows, all.count, sizeof *all.rows, by_time);
    node->emitted_ms = range->close_ms;
    weir_rows_init(&rows, all.arena, spec->keeps_old, true);
    for (size_t i = 0; i < all.count && rc >= 0; i++) {
        rc = add_row(node, &rows, &all.rows[i], all.schema, batch, row);
    }
    return rc < 0 ? rc : weir_rows_forward(&rows, node);
}
