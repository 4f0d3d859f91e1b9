/* count, reduce and aggregate, by key, or by time or unlimited window and key.
 *
 * A batch is folded in three steps: the store's keys of all rows are made, their entries are found
 * together (one call, with prefetch), then row by row the entry at hand is read, changed and
 * written. A cached table holds its updates back until the flush before a commit and forwards each
 * changed key once, with the value it forwarded last as the old one; an uncached one forwards every
 * update.
 *
 * Windows (W1): [start, start + size) with starts at the multiples of the advance; a row updates
 * each of its windows while that one's end is after (observed stream time - grace), else it is
 * dropped from it as late. The observed time is this operator's own and includes the row at hand
 * (weir_node_observe). So a row becomes one *change* per window, in order of their starts:
 *
 *        size 10, advance 5          a row at 12:   [5, 15)  [10, 20)
 *      0    5   10   15   20
 *      ├─────────┤                   and where the observed time is 30 and grace is 12:
 *           ├─────────┤                             end 15 <= 18: late    end 20 > 18: updated
 *                ├─────────┤
 *
 * A batch of many windows is taken in pieces, so that its changes have a bound. Windows that emit
 * when they close forward no update (window_close.h).
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/saturate.h"
#include "operators/row_fold.h"
#include "operators/rows.h"
#include "operators/table_rows.h"
#include "operators/time_windows.h"
#include "operators/versioned.h"
#include "runtime/state/key_schema.h"

/* ---- which rows take part, and in which windows ---------------------------------------------- */

enum { CHANGES_MAX = 4096 }; /* of a piece, unless one row alone has more */

/* A piece of a batch: each change is a row and, where there are windows, one's start. */
struct changes {
    size_t count;
    uint32_t *rows;
    int64_t *starts;
    struct weir_slice *keys; /* of the store */
};

static bool is_windowed(const struct weir_aggregate_config *config)
{
    return config->window_size_ms > 0;
}

static int init_changes(struct weir_node *node, struct changes *changes, size_t capacity)
{
    struct weir_arena *arena = weir_node_arena(node);
    *changes = (struct changes){
        .rows = weir_arena_array(arena, capacity, sizeof *changes->rows),
        .starts = weir_arena_array(arena, capacity, sizeof *changes->starts),
        .keys = weir_arena_array(arena, capacity, sizeof *changes->keys),
    };
    return weir_arena_failed(arena) ? WEIR_NO_MEMORY : 0;
}

/* Timestamps are not negative here. Most rows are in the window of the row before them, which
 * begins at `last_ms`: they need no division. */
static int64_t tumbling_start(int64_t timestamp_ms, int64_t size_ms, int64_t last_ms)
{
    weir_assert_slow(timestamp_ms >= 0 && size_ms > 0);
    bool is_same = timestamp_ms >= last_ms && timestamp_ms - last_ms < size_ms;
    return is_same ? last_ms : timestamp_ms - timestamp_ms % size_ms;
}

static int64_t close_time(struct weir_node *node, int64_t timestamp_ms)
{
    const struct weir_aggregate_config *config = node->plan->config;
    weir_node_observe(node, timestamp_ms);
    return weir_saturating_sub(node->observed_ms, config->grace_ms);
}

/* A row in one window: side by side, or without an end. Late: how many it was dropped from. */
static size_t select_single(struct weir_node *node, int64_t timestamp_ms, uint32_t row,
                            struct changes *changes)
{
    const struct weir_aggregate_config *config = node->plan->config;
    const int64_t close_ms = close_time(node, timestamp_ms);
    int64_t start = config->window_start_ms;
    if (config->window_size_ms == INT64_MAX) {
        if (timestamp_ms < start) return 0; /* before all windows: of none */
    } else {
        int64_t last = changes->count > 0 ? changes->starts[changes->count - 1] : 0;
        start = tumbling_start(timestamp_ms, config->window_size_ms, last);
    }
    const int64_t end_ms = weir_window_end(start, config->window_size_ms);
    if (end_ms <= close_ms) {
        weir_node_note_late(node, timestamp_ms, node->observed_ms - end_ms + 1);
        return 1;
    }
    changes->rows[changes->count] = row;
    changes->starts[changes->count++] = start;
    return 0;
}

static size_t select_hopping(struct weir_node *node, int64_t timestamp_ms, uint32_t row,
                             struct changes *changes)
{
    const struct weir_aggregate_config *config = node->plan->config;
    const int64_t close_ms = close_time(node, timestamp_ms);
    int64_t start = weir_first_window_start(config, timestamp_ms);
    size_t late = 0;
    bool is_last = false;
    while (!is_last && start <= timestamp_ms) {
        const int64_t end_ms = weir_window_end(start, config->window_size_ms);
        if (end_ms > close_ms) {
            changes->rows[changes->count] = row;
            changes->starts[changes->count++] = start;
        } else {
            weir_node_note_late(node, timestamp_ms, node->observed_ms - end_ms + 1);
            late++;
        }
        is_last = __builtin_add_overflow(start, config->window_advance_ms, &start);
    }
    return late;
}

/* The changes of the next rows of the batch, from its `*at` on. */
static int select_windows(struct weir_node *node, const struct weir_batch *batch, size_t *at,
                          size_t capacity, struct changes *changes)
{
    const size_t per_row = weir_windows_per_row(node->plan->config);
    size_t late = 0;
    int rc = 0;
    changes->count = 0;
    for (; *at < batch->count && changes->count + per_row <= capacity && rc >= 0; (*at)++) {
        uint32_t row = weir_batch_row(batch, *at);
        int64_t timestamp_ms = batch->timestamps[row];
        const size_t windows = per_row == 1 ? select_single(node, timestamp_ms, row, changes)
                                            : select_hopping(node, timestamp_ms, row, changes);
        late += windows;
        if (windows > 0) rc = weir_node_send_late(node, batch, row, (int64_t)windows);
    }
    if (late > 0) weir_node_dropped(node, WEIR_DROP_LATE, (int64_t)late);
    return rc;
}

static void select_all(const struct weir_batch *batch, size_t *at, struct changes *changes)
{
    for (; *at < batch->count; (*at)++) {
        uint32_t row = weir_batch_row(batch, *at);
        changes->rows[changes->count] = row;
        changes->keys[changes->count++] = batch->key_bytes[row];
    }
}

/* Key and window start of each change, all in one piece of memory. */
static int write_window_keys(struct weir_node *node, const struct weir_batch *batch,
                             struct changes *changes)
{
    size_t size = 0;
    weir_assert(batch->key_bytes != NULL);
    for (size_t i = 0; i < changes->count; i++) {
        size += weir_window_key_size(batch->key_bytes[changes->rows[i]]);
    }
    uint8_t *bytes = weir_arena_alloc(weir_node_arena(node), size);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < changes->count; i++) {
        struct weir_slice key = batch->key_bytes[changes->rows[i]];
        weir_window_key_write(bytes, key, changes->starts[i]);
        changes->keys[i] = weir_slice(bytes, weir_window_key_size(key));
        bytes += changes->keys[i].size;
    }
    return 0;
}

/* ---- forwarding each update ------------------------------------------------------------------ */

/* The key object of an output row: the record's, or the windowed one around it. */
static const void *output_key(struct weir_node *node, const void *key, struct weir_slice store_key)
{
    const struct weir_aggregate_config *config = node->plan->config;
    if (!is_windowed(config)) return key;
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
                      struct weir_slice old, struct weir_row_fold *fold, int64_t timestamp_ms)
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
    if (weir_slice_is_null(old)) return weir_fold_initial(fold, &rows->olds[row]);
    return weir_rows_object(node, config->value_serde, false, old, &rows->olds[row]);
}

/* ---- the batch ------------------------------------------------------------------------------- */

/* What the row finds under its key, now that its own time has come. */
static struct weir_slice value_before(struct weir_node *node, const struct weir_batch *batch,
                                      uint32_t row, const struct weir_store_entry *entry,
                                      bool has_lives)
{
    const struct weir_slice value = weir_slice(entry->value, entry->value_size);
    if (!has_lives) return value;
    weir_node_observe(node, batch->timestamps[row]);
    weir_node_advance_lives(node);
    return weir_store_is_row_over(node->stores[0], entry->timestamp_ms) ? weir_null() : value;
}

static int change_one(struct weir_row_fold *fold, const struct weir_batch *batch, uint32_t row,
                      struct weir_slice key, struct weir_store_entry *entry, struct weir_slice old,
                      struct weir_rows *updates)
{
    struct weir_node *node = fold->node;
    int64_t timestamp = batch->timestamps[row];
    if (!weir_slice_is_null(old) && entry->timestamp_ms > timestamp)
        timestamp = entry->timestamp_ms;
    if (updates != NULL) {
        int rc = add_update(node, updates, batch, row, key, old, fold, timestamp);
        if (rc < 0) return rc;
    }
    /* What is deleted has the time of what deleted it, at the flush of a cache: as in Kafka Streams. */
    if (weir_slice_is_null(fold->bytes)) timestamp = batch->timestamps[row];
    return weir_store_set(node->stores[0], entry, fold->bytes, timestamp, node->call.error);
}

static int fold_changes(struct weir_node *node, const struct weir_batch *batch,
                        const struct changes *changes, struct weir_store_entry **entries,
                        struct weir_rows *updates)
{
    struct weir_row_fold fold;
    const bool has_lives = weir_node_has_lives(node);
    int64_t refused = weir_row_fold_refused(node);
    weir_row_fold_init(&fold, node, updates != NULL);
    for (size_t i = 0; i < changes->count; i++) {
        uint32_t row = changes->rows[i];
        struct weir_store_entry *entry = entries[i];
        weir_node_call_row(node, batch, row);
        const struct weir_slice old = value_before(node, batch, row, entry, has_lives);
        int rc = weir_fold_row(&fold, batch, row, old);
        if (rc == 0) {
            rc = weir_store_check_change(node->stores[0], changes->keys[i], fold.bytes,
                                         node->call.error);
        }
        if (rc == 0) {
            const int64_t refused_before = refused;
            rc = change_one(&fold, batch, row, changes->keys[i], entry, old, updates);
            refused = weir_row_fold_refused(node);
            if (rc >= 0 && refused > refused_before) rc = weir_node_send_late(node, batch, row, 1);
            if (rc < 0) return rc;
            continue;
        }
        rc = weir_node_record_failed(node, batch, row, rc); /* the aggregate keeps its old value */
        if (rc < 0) return rc;
        while (i + 1 < changes->count && changes->rows[i + 1] == row) {
            i++; /* the windows behind it are not asked any more: the record has failed */
        }
    }
    return 0;
}

static int process_changes(struct weir_node *node, const struct weir_batch *batch,
                           struct changes *changes)
{
    const struct weir_aggregate_config *config = node->plan->config;
    struct weir_arena *arena = weir_node_arena(node);
    if (changes->count == 0) return 0;
    int rc = is_windowed(config) ? write_window_keys(node, batch, changes) : 0;
    struct weir_store_entry **entries = weir_arena_array(arena, changes->count, sizeof *entries);
    if (rc < 0 || entries == NULL) return WEIR_NO_MEMORY;
    rc =
        weir_store_touch(node->stores[0], changes->keys, changes->count, entries, node->call.error);
    if (rc < 0) return rc;
    struct weir_rows updates;
    weir_rows_init(&updates, arena, weir_store_spec(node->stores[0])->keeps_old, true);
    rc =
        fold_changes(node, batch, changes, entries, weir_row_fold_forwards(node) ? &updates : NULL);
    return rc < 0 ? rc : weir_rows_forward(&updates, node);
}

static int process_keyed(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_aggregate_config *config = node->plan->config;
    const size_t per_row = weir_windows_per_row(config);
    size_t capacity = batch->count;
    if (per_row >= CHANGES_MAX) {
        capacity = per_row;
    } else if (per_row > 1) {
        capacity = batch->count < CHANGES_MAX / per_row ? batch->count * per_row : CHANGES_MAX;
    }
    const int64_t refused = weir_row_fold_refused(node);
    struct changes changes;
    int rc = init_changes(node, &changes, capacity);
    for (size_t at = 0; rc >= 0 && at < batch->count;) {
        if (is_windowed(config)) {
            rc = select_windows(node, batch, &at, capacity, &changes);
        } else {
            select_all(batch, &at, &changes);
        }
        if (rc >= 0) rc = process_changes(node, batch, &changes);
    }
    weir_node_dropped(node, WEIR_DROP_LATE, weir_row_fold_refused(node) - refused);
    return rc;
}

/* ---- windows that emit when they close ------------------------------------------------------- */

/* `batch` NULL: no row has moved the time. */
static int emit_closed(struct weir_node *node, const struct weir_batch *batch, uint32_t row)
{
    struct weir_closed_range range;
    weir_window_close_looked(node->state, node);
    if (!weir_time_windows_closed(node, &range)) return 0;
    return weir_window_close_emit(node->state, node, &range, batch, row);
}

static int process_closing(struct weir_node *node, const struct weir_batch *batch)
{
    struct weir_window_close *close = node->state;
    int rc = weir_window_close_go_on(close, node);
    for (size_t i = 0; i < batch->count && rc >= 0;) {
        const bool is_looked = weir_window_close_is_due(close, node);
        const size_t count = is_looked ? 1 : batch->count - i;
        const uint32_t row = weir_batch_row(batch, i);
        struct weir_batch part;
        rc = weir_rows_part(node, batch, i, count, &part);
        if (rc >= 0) rc = process_keyed(node, &part);
        i += count;
        if (rc >= 0 && is_looked) rc = emit_closed(node, batch, row);
    }
    return rc;
}

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_aggregate_config *config = node->plan->config;
    weir_assert(node->plan->store_count == 1);
    struct weir_batch keyed = {0};
    struct weir_batch rows = {0};
    int rc = weir_rows_without_nulls(node, batch, !is_windowed(config), true, &keyed);
    if (rc < 0 || keyed.count == 0) return rc;
    rc = weir_node_key_bytes(node, &keyed, config->key_serde, &rows);
    if (rc < 0 || rows.count == 0) return rc;
    if (weir_store_keeps_versions(node->stores[0])) return weir_versions_fold(node, &rows);
    rc = config->emits_on_close ? process_closing(node, &rows) : process_keyed(node, &rows);
    /* Not before: the batch's first rows may still want what its last ones make expire. */
    if (is_windowed(config)) weir_time_windows_advance(node, INT64_MAX);
    return rc;
}

static void advance(struct weir_node *node)
{
    if (is_windowed(node->plan->config)) weir_time_windows_advance(node, INT64_MAX);
    if (weir_store_keeps_versions(node->stores[0])) weir_versions_advance(node, node->stores[0]);
}

/* What the last commit knew of stream time holds for the store too, before the first record comes. */
static int open_windows(struct weir_node *node, struct weir_error *error)
{
    (void)error;
    advance(node);
    return 0;
}

static int open_closing(struct weir_node *node, struct weir_error *error)
{
    weir_window_close_open(node->state, node);
    return open_windows(node, error);
}

static void close_closing(struct weir_node *node)
{
    weir_window_close_close(node->state);
}

static int flush_closing(struct weir_node *node)
{
    int rc = weir_window_close_finish(node->state, node);
    return rc < 0 ? rc : weir_row_fold_flush(node);
}

/* Rows of windows that are over may go, though no row has come; and windows may close. */
static int time_advanced(struct weir_node *node)
{
    advance(node);
    return 0;
}

static int time_advanced_closing(struct weir_node *node)
{
    const struct weir_aggregate_config *config = node->plan->config;
    int rc = weir_window_close_go_on(node->state, node);
    if (rc >= 0 && config->emits_on_close && weir_window_close_is_due(node->state, node)) {
        rc = emit_closed(node, NULL, 0);
    }
    return rc < 0 ? rc : time_advanced(node);
}

#define TRAITS(makes_rows_)                                                                        \
    {                                                                                              \
        .is_value_changing = true, .makes_rows = (makes_rows_), .store_use = WEIR_CHANGES_STORES,  \
        .fills_table = true, .forwards_on_flush = true, .meets_by_key = true                       \
    }

const struct weir_operator_ops weir_aggregate_ops = {
    .name = "aggregate",
    .traits = TRAITS(false),
    .open = open_windows,
    .process = process,
    .flush = weir_row_fold_flush,
    .time_advanced = time_advanced,
    .holds_from_ms = weir_window_close_holds_from,
};

const struct weir_operator_ops weir_hopping_ops = {
    .name = "aggregate",
    .traits = TRAITS(true),
    .state_size = sizeof(struct weir_window_close),
    .open = open_closing,
    .process = process,
    .flush = flush_closing,
    .time_advanced = time_advanced_closing,
    .holds_from_ms = weir_window_close_holds_from,
    .close = close_closing,
};
