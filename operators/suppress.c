/* suppress: a table's updates, held back until a window closes, or for a time.
 *
 * Each key has one row in the buffer, the latest; it keeps the place that its first update since it
 * was last given on took, by a *time*: the window's end, or the update's timestamp. With each
 * update, of whatever key, rows go on whose time is at or before (observed stream time - delay), by
 * time and then by key (W5). The delay is the window's grace, or the limit.
 *
 *     delay 5    observed 14            observed 15: the window [0, 10) of a goes on
 *                a 0..10 = 3            b 10..20 = 1
 *                b 10..20 = 1
 *
 * Store 0 is the buffer (buffer_value.h), so values lie on the disk like those of any store; in
 * memory are its times and keys, in order, and are made of the store when the node is opened. A
 * bound that is passed has the first rows go on early, or stops the job. Until a window closes a
 * deleted one is nothing to be told.
 *
 * What a cached table above forwards at its flush comes in the order of first changes, each key
 * with its last value: time is only as far as the last of these rows says when all of them are
 * there. They are held back together, and what is due goes on at this node's own flush, right
 * behind.
 */
#include <inttypes.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "operators/buffer_value.h"
#include "operators/operators.h"
#include "operators/rows.h"
#include "runtime/state/skip_list.h"

struct suppress_state {
    struct weir_skip_list order; /* time · key; what each row counts for, i64 */
    bool is_open;
    int64_t bytes;       /* of all rows */
    int64_t span_max_ms; /* of the windows that have come, or lie in the buffer */
};

enum { TIME_SIZE = sizeof(int64_t) };

/* The key in `order`; times are not negative. */
static struct weir_slice order_key(struct weir_arena *arena, int64_t time_ms, struct weir_slice key)
{
    uint8_t *bytes = weir_arena_alloc(arena, TIME_SIZE + key.size);
    if (bytes == NULL) return weir_null();
    weir_store_u64(bytes, (uint64_t)time_ms);
    weir_copy(bytes + TIME_SIZE, key.data, key.size);
    return weir_slice(bytes, TIME_SIZE + key.size);
}

static int note_row(struct suppress_state *state, struct weir_arena *arena,
                    const struct weir_buffer_value *value, struct weir_slice key)
{
    uint8_t size[8];
    const struct weir_slice place = order_key(arena, value->time_ms, key);
    if (weir_slice_is_null(place)) return WEIR_NO_MEMORY;
    const struct weir_skip_node *before = weir_skip_list_seek(&state->order, place);
    int64_t counted = 0;
    if (before != NULL && weir_slice_equal(before->key, place)) {
        counted = (int64_t)weir_load_u64(before->value.data);
    }
    const int64_t counts = weir_buffer_value_size(value, key.size);
    weir_store_u64(size, (uint64_t)counts);
    int rc = weir_skip_list_put(&state->order, place, weir_slice(size, sizeof size));
    if (rc == 0) state->bytes += counts - counted;
    return rc;
}

/* ---- a row goes on --------------------------------------------------------------------------- */

static int add_row(struct weir_node *node, struct weir_rows *rows, struct weir_slice key,
                   const struct weir_buffer_value *value, const struct weir_batch *batch,
                   uint32_t from)
{
    const struct weir_suppress_config *config = node->plan->config;
    if (config->is_final && weir_slice_is_null(value->value)) return 0;
    int64_t row = weir_rows_add(rows);
    if (row < 0) return WEIR_NO_MEMORY;
    if (batch != NULL) weir_rows_set_origin(rows, row, batch, from);
    rows->headers[row] = value->headers;
    if (value->headers.count > 0) rows->has_headers = true;
    rows->timestamps[row] = value->timestamp_ms;
    rows->key_bytes[row] = key;
    int rc = weir_rows_object(node, node->plan->key_serde, true, key, &rows->keys[row]);
    if (rc < 0) return rc;
    return weir_rows_object(node, node->plan->value_serde, false, value->value, &rows->values[row]);
}

/* The first of the buffer. What is read of the store is copied: the entry goes. */
static int give_first(struct weir_node *node, struct weir_rows *rows,
                      const struct weir_batch *batch, uint32_t from)
{
    struct suppress_state *state = node->state;
    struct weir_arena *arena = weir_node_arena(node);
    const struct weir_skip_node *first = weir_skip_list_seek(&state->order, weir_text(""));
    weir_assert(first != NULL);
    const struct weir_slice place = weir_arena_copy(arena, first->key);
    const int64_t counted = (int64_t)weir_load_u64(first->value.data);
    struct weir_store_entry *entry;
    struct weir_buffer_value value;
    if (place.data == NULL) return WEIR_NO_MEMORY;
    const struct weir_slice key = weir_slice(place.data + TIME_SIZE, place.size - TIME_SIZE);
    int rc = weir_store_touch(node->stores[0], &key, 1, &entry, node->call.error);
    if (rc < 0) return rc;
    const struct weir_slice bytes =
        weir_arena_copy(arena, weir_slice(entry->value, entry->value_size));
    if (bytes.data == NULL) return WEIR_NO_MEMORY;
    rc = weir_buffer_value_read(bytes, arena, &value);
    if (rc < 0) return weir_error_set(node->call.error, rc, "a row of the buffer cannot be read");
    if (node->plan->child_count > 0) rc = add_row(node, rows, key, &value, batch, from);
    if (rc >= 0) {
        rc = weir_store_set(node->stores[0], entry, weir_null(), value.timestamp_ms,
                            node->call.error);
    }
    if (rc < 0) return rc;
    (void)weir_skip_list_remove(&state->order, place);
    state->bytes -= counted;
    return 0;
}

static bool is_due(const struct weir_node *node)
{
    const struct weir_suppress_config *config = node->plan->config;
    const struct suppress_state *state = node->state;
    const struct weir_skip_node *first = weir_skip_list_seek(&state->order, weir_text(""));
    int64_t expiry_ms;
    if (first == NULL) return false;
    if (__builtin_sub_overflow(node->observed_ms, config->delay_ms, &expiry_ms)) return false;
    return (int64_t)weir_load_u64(first->key.data) <= expiry_ms;
}

static bool is_full(const struct weir_node *node)
{
    const struct weir_suppress_config *config = node->plan->config;
    const struct suppress_state *state = node->state;
    if (config->records_max > 0 && (int64_t)state->order.count > config->records_max) return true;
    return config->bytes_max > 0 && state->bytes > config->bytes_max;
}

static int give_due(struct weir_node *node, struct weir_rows *rows, const struct weir_batch *batch,
                    uint32_t from)
{
    const struct weir_suppress_config *config = node->plan->config;
    const struct suppress_state *state = node->state;
    int rc = 0;
    while (rc >= 0 && is_due(node)) {
        rc = give_first(node, rows, batch, from);
    }
    if (rc >= 0 && is_full(node) && config->stops_when_full) {
        return weir_error_set(node->call.error, WEIR_LIMIT,
                              "%s: the buffer is full: %zu rows of %" PRId64
                              " bytes; records_max is "
                              "%" PRId64 ", bytes_max %" PRId64,
                              node->plan->name, state->order.count, state->bytes,
                              config->records_max, config->bytes_max);
    }
    while (rc >= 0 && is_full(node)) {
        rc = give_first(node, rows, batch, from);
    }
    return rc;
}

/* ---- a row comes ----------------------------------------------------------------------------- */

static int old_bytes(struct weir_node *node, const struct weir_batch *batch, uint32_t row,
                     struct weir_slice *bytes_out)
{
    *bytes_out = weir_null();
    if (batch->olds == NULL || batch->olds[row] == NULL) return 0;
    return weir_node_serialize(node, node->plan->value_serde, false, batch->olds[row], bytes_out);
}

static int64_t time_of(const struct weir_node *node, const struct weir_batch *batch, uint32_t row)
{
    const struct weir_suppress_config *config = node->plan->config;
    if (!config->is_final) return batch->timestamps[row];
    return ((const struct weir_windowed_key *)batch->keys[row])->end_ms;
}

/* What the row is in the buffer, where `stored` is what its key has there. */
static int make_value(struct weir_node *node, const struct weir_batch *batch, uint32_t row,
                      struct weir_slice stored, struct weir_buffer_value *value)
{
    const bool has_origin = batch->source != NULL && batch->offsets != NULL;
    *value = (struct weir_buffer_value){
        .time_ms = time_of(node, batch, row),
        .timestamp_ms = batch->timestamps[row],
        .offset = has_origin ? batch->offsets[row] : -1,
        .topic = has_origin ? weir_text(batch->source->topic) : weir_null(),
        .partition = has_origin ? batch->source->partition : -1,
        .value = batch->value_bytes[row],
    };
    if (batch->headers != NULL) value->headers = batch->headers[row];
    int rc = old_bytes(node, batch, row, &value->old);
    if (rc < 0) return rc;
    value->prior = value->old;
    if (weir_slice_is_null(stored)) return 0;
    struct weir_buffer_value before;
    rc = weir_buffer_value_read(stored, weir_node_arena(node), &before);
    if (rc < 0) return weir_error_set(node->call.error, rc, "a row of the buffer cannot be read");
    value->time_ms = before.time_ms;
    value->prior = before.prior;
    return 0;
}

static int hold_back(struct weir_node *node, const struct weir_batch *batch, uint32_t row)
{
    struct suppress_state *state = node->state;
    struct weir_arena *arena = weir_node_arena(node);
    const struct weir_slice key = batch->key_bytes[row];
    struct weir_store_entry *entry;
    struct weir_buffer_value value;
    int rc = weir_store_touch(node->stores[0], &key, 1, &entry, node->call.error);
    if (rc < 0) return rc;
    weir_node_call_row(node, batch, row);
    rc = make_value(node, batch, row, weir_slice(entry->value, entry->value_size), &value);
    struct weir_slice bytes = weir_null();
    if (rc >= 0) {
        bytes = weir_buffer_value_write(&value, arena);
        if (bytes.data == NULL) return WEIR_NO_MEMORY;
        rc = weir_store_check_change(node->stores[0], key, bytes, node->call.error);
    }
    if (rc < 0) return weir_node_record_failed(node, batch, row, rc);
    rc = note_row(state, arena, &value, key);
    if (rc < 0) return rc;
    return weir_store_set(node->stores[0], entry, bytes, value.timestamp_ms, node->call.error);
}

static void note_span(struct suppress_state *state, const void *key)
{
    const struct weir_windowed_key *windowed = key;
    const int64_t span_ms = windowed->end_ms - windowed->start_ms;
    if (span_ms > state->span_max_ms) state->span_max_ms = span_ms;
}

/* Not to be told by a row: one of a timer has no offset either. */
static bool comes_by_flush(const struct weir_node *node)
{
    const struct weir_suppress_config *config = node->plan->config;
    return config->comes_by_flush && weir_node_caches(node);
}

static int process_rows(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_suppress_config *config = node->plan->config;
    struct suppress_state *state = node->state;
    struct weir_rows rows;
    int rc = 0;
    const bool is_of_flush = comes_by_flush(node);
    weir_rows_init(&rows, weir_node_arena(node), false, true);
    for (size_t i = 0; i < batch->count && rc >= 0; i++) {
        const uint32_t row = weir_batch_row(batch, i);
        weir_node_observe(node, batch->timestamps[row]);
        if (config->is_final) note_span(state, batch->keys[row]);
        rc = hold_back(node, batch, row);
        if (rc >= 0 && !is_of_flush) rc = give_due(node, &rows, batch, row);
    }
    return rc < 0 ? rc : weir_rows_forward(&rows, node);
}

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    struct weir_batch keyed = {0};
    const struct weir_plan_node *plan = node->plan;
    struct weir_batch rows;
    weir_assert(plan->store_count == 1);
    int rc = weir_rows_without_nulls(node, batch, false, true, &keyed);
    if (rc < 0 || keyed.count == 0) return rc;
    rc = weir_rows_bytes(node, &keyed, plan->key_serde, plan->value_serde, &rows);
    return rc < 0 || rows.count == 0 ? rc : process_rows(node, &rows);
}

static int flush(struct weir_node *node)
{
    struct weir_rows rows;
    weir_rows_init(&rows, weir_node_arena(node), false, true);
    int rc = give_due(node, &rows, NULL, 0);
    return rc < 0 ? rc : weir_rows_forward(&rows, node);
}

/* ---- life ------------------------------------------------------------------------------------ */

struct load {
    struct weir_node *node;
    struct weir_error *error;
};

static int load_span(struct weir_node *node, struct weir_slice key)
{
    const struct weir_suppress_config *config = node->plan->config;
    const void *windowed = NULL;
    if (!config->is_final) return 0;
    int rc = weir_rows_object(node, node->plan->key_serde, true, key, &windowed);
    if (rc >= 0 && windowed != NULL) note_span(node->state, windowed);
    return rc;
}

static int load_row(void *context, struct weir_slice key, struct weir_slice stored,
                    int64_t timestamp_ms)
{
    const struct load *load = context;
    struct weir_arena *arena = weir_node_arena(load->node);
    struct weir_buffer_value value;
    (void)timestamp_ms;
    int rc = weir_buffer_value_read(stored, arena, &value);
    if (rc == WEIR_CORRUPT) {
        return weir_error_set(load->error, rc, "a row of the buffer cannot be read");
    }
    if (rc < 0) return rc;
    rc = load_span(load->node, key);
    return rc < 0 ? rc : note_row(load->node->state, arena, &value, key);
}

static int open_buffer(struct weir_node *node, struct weir_error *error)
{
    struct suppress_state *state = node->state;
    struct load load = {node, error};
    weir_skip_list_init(&state->order, weir_node_budget(node));
    state->is_open = true;
    int rc = weir_store_scan(node->stores[0], weir_null(), weir_null(), load_row, &load, error);
    if (rc == WEIR_NO_MEMORY) (void)weir_error_set(error, rc, "no memory for the buffer's order");
    return rc;
}

static void close_buffer(struct weir_node *node)
{
    struct suppress_state *state = node->state;
    if (state->is_open) weir_skip_list_close(&state->order);
    state->is_open = false;
}

/* Rows that are due may go, though none has come. What a cache above holds of them comes with the
 * flush, and they with it. */
static int time_advanced(struct weir_node *node)
{
    return comes_by_flush(node) ? 0 : flush(node);
}

/* Its order is by the ends of windows, which began up to a span before. */
static int64_t holds_from(const struct weir_node *node)
{
    const struct suppress_state *state = node->state;
    const struct weir_skip_node *first = weir_skip_list_seek(&state->order, weir_text(""));
    if (first == NULL) return INT64_MAX;
    return (int64_t)weir_load_u64(first->key.data) - state->span_max_ms;
}

const struct weir_operator_ops weir_suppress_ops = {
    .name = "suppress",
    .traits =
        {
            .makes_rows = true,
            .store_use = WEIR_CHANGES_STORES,
            .observes_time = true,
        },
    .state_size = sizeof(struct suppress_state),
    .open = open_buffer,
    .process = process,
    .flush = flush,
    .time_advanced = time_advanced,
    .holds_from_ms = holds_from,
    .close = close_buffer,
};
