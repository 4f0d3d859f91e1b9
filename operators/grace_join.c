/* A stream-table join with grace (KIP-923): each row of the stream waits until stream time is a grace ahead of
 * it, so that what the table was at the row's time is known by then, however the two came.
 *
 *     grace 10    stream x 50    table a=1 45    stream y 61: x meets a=1, as of 50
 *
 * The rows that wait lie in store 1, the buffer, with Kafka Streams' bytes:
 *
 *     u8 0 · i64 time · record key · i32 number  ->  the row, as in buffer_value.h; held back by no time
 *
 * so in order of time, then key, then arrival; the number counts all rows that came in time, and is state. A row
 * that is late by more than the grace is joined at once, and so is one without a key, which nothing is found for.
 * What is in memory is the time of the first row that waits: a look begins there, and only when it is due.
 * Rows that are due are looked for by pieces; what they give is gathered until the batch is through, so a jump of
 * time takes memory for all that waited.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/saturate.h"
#include "operators/buffer_value.h"
#include "operators/objects.h"
#include "operators/operators.h"
#include "operators/rows.h"

enum { TIME_PREFIX = 0, LEAD_SIZE = 1 + 8, NUMBER_SIZE = 4, PIECE_ROWS = 1024 };

struct grace_state {
    int64_t least_ms; /* of the rows that wait; INT64_MAX: none does */
};

static struct weir_store *buffer_of(const struct weir_node *node)
{
    weir_assert_slow(node->plan->store_count == 2);
    return node->stores[1];
}

/* Rows of this time and before are due. */
static int64_t due_ms(const struct weir_node *node)
{
    const struct weir_join_config *config = node->plan->config;
    return weir_saturating_sub(node->observed_ms, config->grace_ms);
}

/* ---- one row is joined ----------------------------------------------------------------------- */

struct joining {
    struct weir_node *node;
    const struct weir_batch
        *batch; /* whose row `row` has moved time, the origin of what it gives; NULL: none has */
    uint32_t row;
    struct weir_object_check check;
    struct weir_rows rows;
};

/* A row of the stream, as it came or as it waited. */
struct stream_row {
    const void *key;
    const void *value;
    struct weir_slice key_bytes; /* null: it has none */
    int64_t timestamp_ms;
};

static void begin(struct joining *joining, struct weir_node *node)
{
    const struct weir_join_config *config = node->plan->config;
    joining->node = node;
    joining->batch = NULL;
    weir_object_check_init(&joining->check, node);
    weir_object_check_also(&joining->check, config->table_value_serde, "the table's value");
    weir_rows_init(&joining->rows, weir_node_arena(node), false, true);
}

/* What the table was then, or NULL. */
static int look_up(struct weir_node *node, const struct stream_row *row, const void **value_out)
{
    const struct weir_join_config *config = node->plan->config;
    struct weir_version version;
    *value_out = NULL;
    if (weir_slice_is_null(row->key_bytes)) return 0;
    int rc = weir_store_get_version(node->stores[0], row->key_bytes, row->timestamp_ms, &version,
                                    node->call.error);
    if (rc < 0) return rc;
    return weir_rows_object(node, config->table_value_serde, false, version.value, value_out);
}

/* 1: there is a result, `joined_out`; 0: there is none. Negative: the row has failed. */
static int join_one(struct joining *joining, const struct stream_row *row, const void **joined_out)
{
    struct weir_node *node = joining->node;
    const struct weir_join_config *config = node->plan->config;
    const void *table_value;
    *joined_out = NULL;
    int rc = look_up(node, row, &table_value);
    if (rc < 0) return rc;
    if (table_value == NULL && !config->is_left) return 0;
    node->call.context = config->context;
    rc = config->join(&node->call, row->key, row->value, table_value, joined_out);
    weir_object_check_row(&joining->check, row->key, row->value);
    weir_object_check_also_row(&joining->check, table_value);
    if (rc >= 0) rc = weir_object_check_value(&joining->check, *joined_out);
    return rc < 0 ? rc : 1;
}

static int64_t add_result(struct joining *joining, const struct stream_row *row, const void *joined)
{
    struct weir_rows *rows = &joining->rows;
    const int64_t added = weir_rows_add(rows);
    if (added < 0) return WEIR_NO_MEMORY;
    rows->keys[added] = row->key;
    rows->key_bytes[added] = row->key_bytes;
    rows->values[added] = joined;
    rows->timestamps[added] = row->timestamp_ms;
    return added;
}

static int join_now(struct joining *joining, const struct weir_batch *batch, uint32_t row)
{
    struct weir_node *node = joining->node;
    const struct stream_row one = {batch->keys[row], batch->values[row], batch->key_bytes[row],
                                   batch->timestamps[row]};
    const void *joined;
    weir_node_call_row(node, batch, row);
    int rc = join_one(joining, &one, &joined);
    if (rc < 0) return weir_node_record_failed(node, batch, row, rc);
    if (rc == 0) return 0;
    const int64_t added = add_result(joining, &one, joined);
    if (added < 0) return (int)added;
    weir_rows_set_origin(&joining->rows, added, batch, row);
    return 0;
}

/* ---- a row waits ----------------------------------------------------------------------------- */

static void write_lead(uint8_t *to, int64_t time_ms)
{
    to[0] = TIME_PREFIX;
    weir_store_u64(to + 1, (uint64_t)time_ms);
}

static int64_t read_time(struct weir_slice buffer_key)
{
    return (int64_t)weir_load_u64(buffer_key.data + 1);
}

static struct weir_slice buffer_key(struct weir_arena *arena, int64_t time_ms,
                                    struct weir_slice key, int64_t number)
{
    const size_t size = LEAD_SIZE + key.size + NUMBER_SIZE;
    uint8_t *bytes = weir_arena_alloc(arena, size);
    if (bytes == NULL) return weir_null();
    write_lead(bytes, time_ms);
    weir_copy(bytes + LEAD_SIZE, key.data, key.size);
    weir_store_u32(bytes + LEAD_SIZE + key.size, (uint32_t)number);
    return weir_slice(bytes, size);
}

static struct weir_buffer_value buffer_value(const struct weir_batch *batch, uint32_t row)
{
    const bool has_origin = batch->source != NULL && batch->offsets != NULL;
    struct weir_buffer_value value = {
        .timestamp_ms = batch->timestamps[row],
        .offset = has_origin ? batch->offsets[row] : -1,
        .topic = has_origin ? weir_text(batch->source->topic) : weir_null(),
        .partition = has_origin ? batch->source->partition : -1,
        .value = batch->value_bytes[row],
    };
    if (batch->headers != NULL) value.headers = batch->headers[row];
    return value;
}

static int wait(struct weir_node *node, const struct weir_batch *batch, uint32_t row)
{
    struct grace_state *state = node->state;
    struct weir_arena *arena = weir_node_arena(node);
    struct weir_store *buffer = buffer_of(node);
    const int64_t time_ms = batch->timestamps[row];
    const struct weir_buffer_value value = buffer_value(batch, row);
    const struct weir_slice key = buffer_key(arena, time_ms, batch->key_bytes[row], node->number);
    const struct weir_slice bytes = weir_buffer_value_write(&value, arena);
    if (weir_slice_is_null(key) || weir_slice_is_null(bytes)) return WEIR_NO_MEMORY;
    weir_node_call_row(node, batch, row);
    int rc = weir_store_check_change(buffer, key, bytes, node->call.error);
    if (rc < 0) return weir_node_record_failed(node, batch, row, rc);
    struct weir_store_entry *entry;
    rc = weir_store_touch(buffer, &key, 1, &entry, node->call.error);
    if (rc >= 0) rc = weir_store_set(buffer, entry, bytes, time_ms, node->call.error);
    if (rc >= 0 && time_ms < state->least_ms) state->least_ms = time_ms;
    return rc;
}

/* ---- rows that are due ----------------------------------------------------------------------- */

struct waiting {
    struct weir_slice key; /* the buffer's */
    struct weir_slice bytes;
};

struct look {
    struct weir_arena *arena;
    int64_t due_ms;
    int64_t next_ms; /* of the first row that was not taken */
    struct waiting *rows;
    size_t count;
};

static int look_at(void *context, struct weir_slice key, struct weir_slice value,
                   int64_t timestamp_ms)
{
    struct look *look = context;
    (void)timestamp_ms;
    if (key.size < LEAD_SIZE + NUMBER_SIZE) return WEIR_CORRUPT;
    const int64_t time_ms = read_time(key);
    if (time_ms > look->due_ms || look->count == PIECE_ROWS) {
        look->next_ms = time_ms;
        return WEIR_END;
    }
    key = weir_arena_copy(look->arena, key);
    value = weir_arena_copy(look->arena, value);
    if (weir_arena_failed(look->arena)) return WEIR_NO_MEMORY;
    look->rows[look->count++] = (struct waiting){key, value};
    return 0;
}

static int damaged(struct weir_node *node)
{
    return weir_error_set(node->call.error, WEIR_CORRUPT, "store '%s': a row is damaged",
                          weir_store_spec(buffer_of(node))->name);
}

/* From `state->least_ms` on; where the look ended is the next least time. */
static int look_for_due(struct weir_node *node, struct look *look)
{
    struct grace_state *state = node->state;
    uint8_t from[LEAD_SIZE];
    *look = (struct look){.arena = weir_node_arena(node), .due_ms = due_ms(node)};
    look->next_ms = INT64_MAX;
    look->rows = weir_arena_array(look->arena, PIECE_ROWS, sizeof *look->rows);
    if (look->rows == NULL) return WEIR_NO_MEMORY;
    write_lead(from, state->least_ms);
    int rc = weir_store_scan(buffer_of(node), weir_slice(from, sizeof from), weir_null(), look_at,
                             look, node->call.error);
    if (rc == WEIR_CORRUPT) return damaged(node);
    return rc < 0 ? rc : 0;
}

/* The joiner sees what it would have seen when the row came. */
static void call_waited(struct weir_node *node, const struct weir_buffer_value *value,
                        const char *topic)
{
    struct weir_call *call = &node->call;
    weir_node_call_no_row(node, value->timestamp_ms);
    call->headers = value->headers.headers;
    call->header_count = value->headers.count;
    call->offset = value->offset;
    call->topic = value->topic.size > 0 ? topic : NULL;
    call->partition = value->partition;
}

static int join_waited(struct joining *joining, const struct waiting *waiting)
{
    struct weir_node *node = joining->node;
    const struct weir_join_config *config = node->plan->config;
    struct weir_arena *arena = weir_node_arena(node);
    const struct weir_slice key =
        weir_slice(waiting->key.data + LEAD_SIZE, waiting->key.size - LEAD_SIZE - NUMBER_SIZE);
    struct weir_buffer_value value;
    struct stream_row row = {.key_bytes = key};
    int rc = weir_buffer_value_read(waiting->bytes, arena, &value);
    if (rc < 0) return rc == WEIR_CORRUPT ? damaged(node) : rc;
    const char *topic =
        weir_arena_printf(arena, "%.*s", (int)value.topic.size, (const char *)value.topic.data);
    if (topic == NULL) return WEIR_NO_MEMORY;
    row.timestamp_ms = value.timestamp_ms;
    rc = weir_rows_object(node, config->key_serde, true, key, &row.key);
    if (rc >= 0) rc = weir_rows_object(node, config->value_serde, false, value.value, &row.value);
    if (rc < 0) return rc;
    const void *joined;
    call_waited(node, &value, topic);
    rc = join_one(joining, &row, &joined);
    if (rc < 0) { /* it is this row that has failed, not the one that came */
        const struct weir_batch failed = {.count = 1,
                                          .key_bytes = &key,
                                          .value_bytes = &value.value,
                                          .timestamps = &row.timestamp_ms};
        return weir_node_record_failed(node, &failed, 0, rc);
    }
    if (rc == 0) return 0;
    const int64_t added = add_result(joining, &row, joined);
    if (added < 0) return (int)added;
    if (joining->batch != NULL) {
        weir_rows_set_origin(&joining->rows, added, joining->batch, joining->row);
    }
    joining->rows.headers[added] = value.headers; /* its own, as its time is */
    if (value.headers.count > 0) joining->rows.has_headers = true;
    return 0;
}

static int join_piece(struct joining *joining)
{
    struct weir_node *node = joining->node;
    struct grace_state *state = node->state;
    struct look look;
    int rc = look_for_due(node, &look);
    for (size_t i = 0; i < look.count && rc >= 0; i++) {
        rc = join_waited(joining, &look.rows[i]);
        if (rc < 0) break;
        rc = weir_store_delete(buffer_of(node), look.rows[i].key, node->observed_ms,
                               node->call.error);
    }
    if (rc >= 0) state->least_ms = look.next_ms;
    return rc < 0 ? rc : 0;
}

static int join_due(struct joining *joining)
{
    const struct grace_state *state = joining->node->state;
    int rc = 0;
    while (rc >= 0 && state->least_ms <= due_ms(joining->node)) {
        rc = join_piece(joining);
    }
    return rc;
}

/* ---- the batch ------------------------------------------------------------------------------- */

static int process_row(struct joining *joining, const struct weir_batch *batch, uint32_t row)
{
    struct weir_node *node = joining->node;
    const int64_t time_ms = batch->timestamps[row];
    if (batch->keys[row] == NULL) return join_now(joining, batch, row);
    weir_node_observe(node, time_ms);
    if (time_ms < due_ms(node)) return join_now(joining, batch, row);
    node->number = (node->number + 1) & INT32_MAX;
    joining->batch = batch;
    joining->row = row;
    int rc = join_due(joining);
    if (rc < 0) return rc;
    return time_ms <= due_ms(node) ? join_now(joining, batch, row) : wait(node, batch, row);
}

/* Rows that can be joined at all. */
static int select_joinable(struct weir_node *node, const struct weir_batch *batch,
                           struct weir_batch *batch_out)
{
    const struct weir_join_config *config = node->plan->config;
    struct weir_batch joinable = {0};
    uint32_t *selection = weir_rows_selection(node, batch);
    if (selection == NULL) return WEIR_NO_MEMORY;
    size_t kept = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const uint32_t row = weir_batch_row(batch, i);
        const bool is_joinable =
            batch->values[row] != NULL && (batch->keys[row] != NULL || config->is_left);
        if (is_joinable) selection[kept++] = row;
    }
    if (kept < batch->count) {
        weir_node_dropped(node, WEIR_DROP_NULL, (int64_t)(batch->count - kept));
    }
    if (kept == 0) return 0;
    joinable = *batch;
    joinable.rows = selection;
    joinable.count = kept;
    return weir_rows_bytes(node, &joinable, config->key_serde, config->value_serde, batch_out);
}

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    struct weir_batch rows = {0};
    struct joining joining;
    int rc = select_joinable(node, batch, &rows);
    if (rc < 0 || rows.count == 0) return rc;
    begin(&joining, node);
    for (size_t i = 0; i < rows.count && rc >= 0; i++) {
        rc = process_row(&joining, &rows, weir_batch_row(&rows, i));
    }
    return rc < 0 ? rc : weir_rows_forward(&joining.rows, node);
}

/* ---- life ------------------------------------------------------------------------------------ */

static int find_least(void *context, struct weir_slice key, struct weir_slice value,
                      int64_t timestamp_ms)
{
    struct grace_state *state = context;
    (void)value, (void)timestamp_ms;
    if (key.size < LEAD_SIZE + NUMBER_SIZE) return WEIR_CORRUPT;
    state->least_ms = read_time(key);
    return WEIR_END;
}

static int open_buffer(struct weir_node *node, struct weir_error *error)
{
    struct grace_state *state = node->state;
    state->least_ms = INT64_MAX;
    int rc = weir_store_scan(buffer_of(node), weir_null(), weir_null(), find_least, state, error);
    return rc < 0 ? rc : 0;
}

/* Rows may be due, though none has come. */
static int time_advanced(struct weir_node *node)
{
    struct joining joining;
    begin(&joining, node);
    int rc = join_due(&joining);
    return rc < 0 ? rc : weir_rows_forward(&joining.rows, node);
}

static int64_t holds_from(const struct weir_node *node)
{
    return ((const struct grace_state *)node->state)->least_ms;
}

const struct weir_operator_ops weir_grace_join_ops = {
    .name = "grace-join",
    .traits = {.is_value_changing = true,
               .makes_rows = true,
               .store_use = WEIR_CHANGES_STORES,
               .meets_by_key = true,
               .observes_time = true},
    .state_size = sizeof(struct grace_state),
    .open = open_buffer,
    .process = process,
    .time_advanced = time_advanced,
    .holds_from_ms = holds_from,
};
