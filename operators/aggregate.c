/* count, reduce and aggregate, by key or by tumbling window and key.
 *
 * A batch is folded in three steps: the store's keys of all rows are made, their entries are found
 * together (one call, with prefetch), then row by row the entry at hand is read, changed and
 * written. A cached table holds its updates back until the flush before a commit and forwards each
 * changed key once, with the value it forwarded last as the old one; an uncached one forwards every
 * update.
 *
 * Windows (W1): [start, start + size) with start aligned to the epoch; a row updates its window
 * while its end is after (observed stream time - grace), otherwise it is dropped as late. The
 * observed time is this operator's own and includes the row at hand.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "operators/objects.h"
#include "operators/operators.h"
#include "operators/rows.h"
#include "operators/table_rows.h"
#include "runtime/state/key_schema.h"

/* ---- which rows take part, and under which key ----------------------------------------------- */

/* Timestamps are not negative here. Most rows are in the window of the row before them, which begins at
 * `last_ms`: they need no division. */
static int64_t window_start(int64_t timestamp_ms, int64_t size_ms, int64_t last_ms)
{
    weir_assert_slow(timestamp_ms >= 0 && size_ms > 0);
    bool is_same = timestamp_ms >= last_ms && timestamp_ms - last_ms < size_ms;
    return is_same ? last_ms : timestamp_ms - timestamp_ms % size_ms;
}

/* Rows that are not late, in order; the observed time moves on with each. */
static int select_in_time(struct weir_node *node, const struct weir_batch *batch,
                          struct weir_batch *batch_out)
{
    const struct weir_aggregate_config *config = node->plan->config;
    weir_assert(config->window_size_ms > 0 && config->grace_ms >= 0);
    uint32_t *selection = weir_rows_selection(node, batch);
    if (selection == NULL) return WEIR_NO_MEMORY;
    size_t kept = 0;
    int64_t start = 0;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        int64_t timestamp = batch->timestamps[row];
        if (timestamp > node->observed_ms) node->observed_ms = timestamp;
        start = window_start(timestamp, config->window_size_ms, start);
        int64_t close;
        if (__builtin_sub_overflow(node->observed_ms, config->grace_ms, &close)) close = INT64_MIN;
        if (weir_window_end(start, config->window_size_ms) > close) selection[kept++] = row;
    }
    if (kept < batch->count) {
        weir_node_dropped(node, WEIR_DROP_LATE, (int64_t)(batch->count - kept));
    }
    *batch_out = *batch;
    batch_out->rows = selection;
    batch_out->count = kept;
    return 0;
}

/* Key and window start of each selected row, all in one piece of memory. */
static int window_keys(struct weir_node *node, const struct weir_batch *batch,
                       struct weir_slice *keys)
{
    const struct weir_aggregate_config *config = node->plan->config;
    size_t size = 0;
    weir_assert(batch->key_bytes != NULL);
    for (size_t i = 0; i < batch->count; i++) {
        size += weir_window_key_size(batch->key_bytes[weir_batch_row(batch, i)]);
    }
    uint8_t *bytes = weir_arena_alloc(weir_node_arena(node), size);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    int64_t start = 0;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        struct weir_slice key = batch->key_bytes[row];
        start = window_start(batch->timestamps[row], config->window_size_ms, start);
        weir_window_key_write(bytes, key, start);
        keys[i] = weir_slice(bytes, weir_window_key_size(key));
        bytes += keys[i].size;
    }
    return 0;
}

/* The store's keys, in order of the selected rows: the record's key, or key and window start. */
static struct weir_slice *store_keys(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_aggregate_config *config = node->plan->config;
    struct weir_slice *keys = weir_arena_array(weir_node_arena(node), batch->count, sizeof *keys);
    if (keys == NULL) return NULL;
    if (config->window_size_ms > 0) return window_keys(node, batch, keys) < 0 ? NULL : keys;
    for (size_t i = 0; i < batch->count; i++) {
        keys[i] = batch->key_bytes[weir_batch_row(batch, i)];
    }
    return keys;
}

/* ---- one row's fold -------------------------------------------------------------------------- */

struct counted {
    int64_t object;
    uint8_t bytes[8];
};

/* What a row makes of an aggregate: the new value as object and bytes (both null: deleted). */
struct fold {
    const void *object;
    struct weir_slice bytes;
    bool is_forwarded; /* the object is read after the next row's fold */
    bool copies_bytes; /* of the store's serde: see operators/objects.h */
    bool makes_objects;
    struct counted counted;          /* a count that is not */
    struct weir_object_check *check; /* of a reducer's result */
};

/* The aggregate so far, of bytes that are the store's. */
static int read_old(struct weir_node *node, const struct fold *fold, struct weir_slice old,
                    const void **object_out)
{
    const struct weir_aggregate_config *config = node->plan->config;
    if (!fold->copies_bytes) {
        return weir_rows_object(node, config->value_serde, false, old, object_out);
    }
    return weir_node_deserialize(node, config->value_serde, false, &old, 1, object_out);
}

static int fold_count(struct weir_node *node, struct weir_slice old, struct fold *fold)
{
    struct counted *made = &fold->counted;
    if (fold->is_forwarded) made = weir_arena_alloc(weir_node_arena(node), sizeof *made);
    if (made == NULL) return WEIR_NO_MEMORY;
    uint64_t count = old.data != NULL && old.size == 8 ? weir_load_u64(old.data) : 0;
    made->object = (int64_t)(count + 1);
    weir_store_u64(made->bytes, count + 1);
    fold->object = &made->object;
    fold->bytes = weir_slice(made->bytes, sizeof made->bytes);
    return 0;
}

static int fold_reduce(struct weir_node *node, const struct weir_batch *batch, uint32_t row,
                       struct weir_slice old, struct fold *fold)
{
    const struct weir_aggregate_config *config = node->plan->config;
    fold->object = batch->values[row]; /* the first value is the seed */
    if (old.data != NULL) {
        const void *aggregate;
        int rc = read_old(node, fold, old, &aggregate);
        if (rc < 0) return rc;
        rc = config->reduce(&node->call, aggregate, batch->values[row], &fold->object);
        if (rc < 0) return rc;
        weir_object_check_row(fold->check, batch->keys[row], batch->values[row]);
        weir_object_check_also_row(fold->check, aggregate);
        rc = weir_object_check_value(fold->check, fold->object);
        if (rc < 0) return rc;
    }
    if (fold->object == NULL) return 0;
    return weir_node_serialize(node, config->value_serde, false, fold->object, &fold->bytes);
}

/* The aggregate that the user's function changes: an object of this call's own, for the store keeps its
 * bytes until it has succeeded. */
static int own_aggregate(struct weir_node *node, const struct fold *fold, struct weir_slice old,
                         void **aggregate_out)
{
    const struct weir_aggregate_config *config = node->plan->config;
    const void *stored = NULL;
    if (old.data != NULL) {
        int rc = read_old(node, fold, old, &stored);
        if (rc < 0) return rc;
        *aggregate_out = (void *)stored;
        if (fold->makes_objects) return 0;
    }
    const size_t size = config->value_serde->object_size;
    weir_assert_slow(size > 0);
    void *aggregate = weir_arena_alloc_zero(weir_node_arena(node), size);
    if (aggregate == NULL) return WEIR_NO_MEMORY;
    *aggregate_out = aggregate;
    if (stored != NULL) memcpy(aggregate, stored, size);
    bool is_new = old.data == NULL && config->initialize != NULL;
    return is_new ? config->initialize(&node->call, aggregate) : 0;
}

static int fold_aggregate(struct weir_node *node, const struct weir_batch *batch, uint32_t row,
                          struct weir_slice old, struct fold *fold)
{
    const struct weir_aggregate_config *config = node->plan->config;
    void *aggregate;
    int rc = own_aggregate(node, fold, old, &aggregate);
    if (rc < 0) return rc;
    rc = config->aggregate(&node->call, batch->keys[row], batch->values[row], aggregate);
    if (rc < 0 || rc == WEIR_DELETE) return rc < 0 ? rc : 0;
    fold->object = aggregate;
    return weir_node_serialize(node, config->value_serde, false, aggregate, &fold->bytes);
}

static int fold_row(struct weir_node *node, const struct weir_batch *batch, uint32_t row,
                    struct weir_slice old, struct fold *fold)
{
    const struct weir_aggregate_config *config = node->plan->config;
    fold->object = NULL;
    fold->bytes = weir_null();
    switch (config->kind) {
    case WEIR_AGGREGATE_COUNT:
        return fold_count(node, old, fold);
    case WEIR_AGGREGATE_REDUCE:
        return fold_reduce(node, batch, row, old, fold);
    case WEIR_AGGREGATE_FOLD:
        return fold_aggregate(node, batch, row, old, fold);
    }
    return WEIR_INVALID_ARGUMENT;
}

/* ---- forwarding each update ------------------------------------------------------------------ */

/* The key object of an output row: the record's, or the windowed one around it. */
static const void *output_key(struct weir_node *node, const void *key, struct weir_slice store_key)
{
    const struct weir_aggregate_config *config = node->plan->config;
    if (config->window_size_ms == 0) return key;
    struct weir_windowed_key *windowed = weir_arena_alloc(weir_node_arena(node), sizeof *windowed);
    if (windowed == NULL) return NULL;
    int64_t start = weir_key_schema_time(&weir_key_schema_window, store_key);
    *windowed = (struct weir_windowed_key){
        .key = key,
        .start_ms = start,
        .end_ms = weir_window_end(start, config->window_size_ms),
    };
    return windowed;
}

/* `old` is a view into the entry: it is read before the entry changes. */
static int add_update(struct weir_node *node, struct weir_rows *rows,
                      const struct weir_batch *batch, uint32_t from, struct weir_slice store_key,
                      struct weir_slice old, const struct fold *fold, int64_t timestamp_ms)
{
    const struct weir_aggregate_config *config = node->plan->config;
    int64_t row = weir_rows_add(rows);
    if (row < 0) return WEIR_NO_MEMORY;
    weir_rows_set_origin(rows, row, batch, from);
    rows->keys[row] = output_key(node, batch->keys[from], store_key);
    rows->key_bytes[row] = store_key;
    rows->values[row] = fold->object;
    rows->timestamps[row] = timestamp_ms;
    if (rows->keys[row] == NULL) return WEIR_NO_MEMORY;
    if (!rows->has_olds) return 0;
    return weir_rows_object(node, config->value_serde, false, old, &rows->olds[row]);
}

/* What the last commit knew of stream time holds for the store too, before the first record comes. */
static int open_windows(struct weir_node *node, struct weir_error *error)
{
    (void)error;
    const struct weir_aggregate_config *config = node->plan->config;
    if (config->window_size_ms > 0) weir_store_advance(node->stores[0], node->observed_ms);
    return 0;
}

/* ---- the batch ------------------------------------------------------------------------------- */

static int fold_rows(struct weir_node *node, const struct weir_batch *batch,
                     const struct weir_slice *keys, struct weir_store_entry **entries,
                     struct weir_rows *updates)
{
    const struct weir_aggregate_config *config = node->plan->config;
    struct weir_object_check check;
    weir_object_check_init(&check, node);
    weir_object_check_also(&check, config->value_serde, "the aggregate");
    node->call.context = config->context;
    struct fold fold = {
        .is_forwarded = updates != NULL,
        .copies_bytes = weir_serde_copies_bytes(config->value_serde),
        .makes_objects = weir_serde_makes_objects(config->value_serde),
        .check = &check,
    };
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        struct weir_store_entry *entry = entries[i];
        struct weir_slice old = weir_slice(entry->value, entry->value_size);
        weir_node_call_row(node, batch, row);
        int rc = fold_row(node, batch, row, old, &fold);
        if (rc == 0) {
            rc = weir_store_check_change(node->stores[0], keys[i], fold.bytes, node->call.error);
        }
        if (rc < 0) { /* the aggregate keeps its old value */
            rc = weir_node_record_failed(node, batch, row, rc);
            if (rc < 0) return rc;
            continue;
        }
        int64_t timestamp = batch->timestamps[row];
        if (entry->value != NULL && entry->timestamp_ms > timestamp)
            timestamp = entry->timestamp_ms;
        if (updates != NULL) {
            rc = add_update(node, updates, batch, row, keys[i], old, &fold, timestamp);
            if (rc < 0) return rc;
        }
        rc = weir_store_set(node->stores[0], entry, fold.bytes, timestamp, node->call.error);
        if (rc < 0) return rc;
    }
    return 0;
}

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_aggregate_config *config = node->plan->config;
    const struct weir_store_spec *spec = weir_store_spec(node->stores[0]);
    bool is_windowed = config->window_size_ms > 0;
    weir_assert(node->plan->store_count == 1);
    struct weir_batch keyed = {0};
    struct weir_batch rows = {0};
    int rc = weir_rows_without_nulls(node, batch, !is_windowed, true, &keyed);
    if (rc < 0 || keyed.count == 0) return rc;
    rc = weir_node_key_bytes(node, &keyed, config->key_serde, &rows);
    if (rc < 0 || rows.count == 0) return rc;
    if (is_windowed) {
        struct weir_batch with_bytes = rows;
        rc = select_in_time(node, &with_bytes, &rows);
        if (rc < 0 || rows.count == 0) return rc;
    }

    struct weir_arena *arena = weir_node_arena(node);
    struct weir_slice *keys = store_keys(node, &rows);
    struct weir_store_entry **entries = weir_arena_array(arena, rows.count, sizeof *entries);
    if (keys == NULL || entries == NULL) return WEIR_NO_MEMORY;
    rc = weir_store_touch(node->stores[0], keys, rows.count, entries, node->call.error);
    if (rc < 0) return rc;
    bool is_held_back = spec->is_cached && weir_node_caches(node);
    bool forwards = node->plan->child_count > 0 && !is_held_back;
    struct weir_rows updates;
    weir_rows_init(&updates, arena, spec->keeps_old, true);
    rc = fold_rows(node, &rows, keys, entries, forwards ? &updates : NULL);
    /* Not before: the batch's first rows may still want what its last ones make expire. */
    if (is_windowed) weir_store_advance(node->stores[0], node->observed_ms);
    return rc < 0 ? rc : weir_rows_forward(&updates, node);
}

static int flush(struct weir_node *node)
{
    const struct weir_aggregate_config *config = node->plan->config;
    const struct weir_table_rows table = {
        .key_serde = config->key_serde,
        .value_serde = config->value_serde,
        .window_size_ms = config->window_size_ms,
    };
    return weir_table_rows_flush(node, &table);
}

const struct weir_operator_ops weir_aggregate_ops = {
    .name = "aggregate",
    .traits =
        {
            .is_value_changing = true,
            .store_use = WEIR_CHANGES_STORES,
            .fills_table = true,
            .forwards_on_flush = true,
            .meets_by_key = true,
        },
    .open = open_windows,
    .process = process,
    .flush = flush,
};
