/* count, reduce and aggregate over sessions: records of a key that are no further apart than a gap.
 *
 * A session is [first, last], both inclusive. Each record begins one, [ts, ts], which takes up all
 * that it touches: those that overlap [ts - gap, ts + gap], in order of time (W3):
 *
 *     gap 5       10─────15      20──22          a record at 17 joins the two
 *     becomes     10─────────────────22          out: tombstones of [10, 15] and [20, 22], then this
 *
 * Their aggregates are merged into a new one and the record is folded into it; they are removed and
 * given on as deleted, unless nothing has changed but the value ([ts, ts] once more). It is late,
 * and nothing happens, when what it would become ends before (observed stream time - grace - gap).
 * The observed time is this operator's own, the record included; sessions are found as they were
 * before it.
 *
 * Which sessions a key has is in `live` (live_rows.h): a row of the store's key for a record, its
 * end and start. Results carry the session's end as their timestamp; the changelog has the
 * record's.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/saturate.h"
#include "operators/row_fold.h"
#include "operators/rows.h"
#include "operators/shared_rows.h"
#include "operators/table_rows.h"
#include "operators/window_close.h"

struct session_state {
    struct weir_shared_rows *shared; /* `own`, or that of all inputs of a cogroup */
    struct weir_shared_rows own;
    struct weir_window_close close;
};

/* What a record does: the sessions [at, at + count) of its key become one. */
struct merge {
    struct weir_live_key *key;
    uint32_t at;
    uint32_t count;
    int64_t start_ms;
    int64_t end_ms;
    bool is_in_place;        /* the one session stays, with another value */
    struct weir_slice *keys; /* of the store: those of the sessions, then the new one's */
    struct weir_store_entry **entries;
};

/* ---- which sessions become one --------------------------------------------------------------- */

static void find_merge(const struct weir_aggregate_config *config, struct weir_live_key *key,
                       int64_t timestamp_ms, struct merge *merge)
{
    const int64_t from_ms = weir_saturating_sub(timestamp_ms, config->session_gap_ms);
    const int64_t to_ms = weir_saturating_add(timestamp_ms, config->session_gap_ms);
    *merge = (struct merge){
        .key = key,
        .at = weir_live_key_at(key, from_ms),
        .start_ms = timestamp_ms,
        .end_ms = timestamp_ms,
    };
    /* Sessions of a key do not overlap, so their starts are in order as their ends are. */
    for (uint32_t i = merge->at; i < key->count && key->rows[i].other_ms <= to_ms; i++) {
        const struct weir_live_row *session = &key->rows[i];
        if (session->other_ms < merge->start_ms) merge->start_ms = session->other_ms;
        if (session->time_ms > merge->end_ms) merge->end_ms = session->time_ms;
        merge->count++;
    }
    merge->is_in_place = merge->start_ms == timestamp_ms && merge->end_ms == timestamp_ms;
}

/* The entries of all that are concerned, found together. */
static int touch(struct weir_node *node, struct weir_slice record_key, struct merge *merge)
{
    struct weir_arena *arena = weir_node_arena(node);
    const size_t count = (size_t)merge->count + 1;
    const size_t size = weir_session_key_size(record_key);
    uint8_t *bytes = weir_arena_alloc(arena, count * size);
    merge->keys = weir_arena_array(arena, count, sizeof *merge->keys);
    merge->entries = weir_arena_array(arena, count, sizeof(void *));
    if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const bool is_new = i == merge->count;
        const struct weir_live_row *row = &merge->key->rows[merge->at + i];
        weir_session_key_write(bytes + i * size, record_key,
                               is_new ? merge->start_ms : row->other_ms,
                               is_new ? merge->end_ms : row->time_ms);
        merge->keys[i] = weir_slice(bytes + i * size, size);
    }
    return weir_store_touch(node->stores[0], merge->keys, count, merge->entries, node->call.error);
}

/* ---- a record -------------------------------------------------------------------------------- */

static int add_update(struct weir_node *node, struct weir_rows *rows,
                      const struct weir_batch *batch, uint32_t from, struct weir_slice store_key,
                      struct weir_slice old, const void *object)
{
    const struct weir_aggregate_config *config = node->plan->config;
    if (rows == NULL) return 0;
    struct weir_windowed_key *windowed = weir_arena_alloc(weir_node_arena(node), sizeof *windowed);
    int64_t row = weir_rows_add(rows);
    if (row < 0 || windowed == NULL) return WEIR_NO_MEMORY;
    *windowed = weir_windowed_key_of(&weir_key_schema_session, store_key, 0);
    windowed->key = batch->keys[from];
    weir_rows_set_origin(rows, row, batch, from);
    rows->headers[row] = (struct weir_headers){0}; /* it is of all records of the session */
    rows->keys[row] = windowed;
    rows->key_bytes[row] = store_key;
    rows->values[row] = object;
    rows->timestamps[row] = windowed->end_ms;
    if (!rows->has_olds) return 0;
    return weir_rows_object(node, config->value_serde, false, old, &rows->olds[row]);
}

/* Those that are taken up go, then the new one is there. Room is reserved: the store alone can
 * fail, and that stops the task. */
static int apply(struct weir_row_fold *fold, const struct weir_batch *batch, uint32_t row,
                 struct merge *merge, struct weir_rows *updates)
{
    struct weir_node *node = fold->node;
    struct weir_store *store = node->stores[0];
    const int64_t timestamp_ms = batch->timestamps[row];
    int rc = 0;
    for (uint32_t i = 0; i < merge->count && !merge->is_in_place && rc >= 0; i++) {
        const struct weir_store_entry *entry = merge->entries[i];
        struct weir_slice old = weir_slice(entry->value, entry->value_size);
        rc = add_update(node, updates, batch, row, merge->keys[i], old, NULL);
        if (rc >= 0) {
            rc = weir_store_set(store, merge->entries[i], weir_null(), timestamp_ms,
                                node->call.error);
        }
    }
    if (rc < 0) return rc;
    /* As in Kafka Streams, whose update of a session never has an old value. */
    rc =
        add_update(node, updates, batch, row, merge->keys[merge->count], weir_null(), fold->object);
    if (rc < 0) return rc;
    weir_live_key_remove(merge->key, merge->at, merge->count);
    if (!weir_slice_is_null(fold->bytes)) {
        weir_live_key_put(merge->key, (struct weir_live_row){merge->end_ms, merge->start_ms});
    }
    return weir_store_set(store, merge->entries[merge->count], fold->bytes, timestamp_ms,
                          node->call.error);
}

static int fold_merged(struct weir_row_fold *fold, const struct weir_batch *batch, uint32_t row,
                       const struct merge *merge)
{
    struct weir_node *node = fold->node;
    struct weir_slice *olds = weir_arena_array(weir_node_arena(node), merge->count, sizeof *olds);
    if (olds == NULL) return WEIR_NO_MEMORY;
    for (uint32_t i = 0; i < merge->count; i++) {
        olds[i] = weir_slice(merge->entries[i]->value, merge->entries[i]->value_size);
    }
    int rc = weir_fold_merged(fold, batch, row, olds, merge->count);
    if (rc < 0) return rc;
    return weir_store_check_change(node->stores[0], merge->keys[merge->count], fold->bytes,
                                   node->call.error);
}

/* A session that has closed may still become part of another, when this record is in time though
 * alone it would not be: it is given on before, as it would have been at once. */
static int give_before(struct weir_node *node, const struct merge *merge)
{
    struct session_state *state = node->state;
    struct weir_window_close *close = &state->close;
    if (!weir_window_close_has_rest(close) || merge->count == 0) return 0;
    if (merge->key->rows[merge->at].time_ms >= close->close_ms) return 0;
    return weir_window_close_finish(close, node);
}

static int process_row(struct weir_row_fold *fold, const struct weir_batch *batch, uint32_t row,
                       uint64_t hash, struct weir_rows *updates, int64_t *late)
{
    struct weir_node *node = fold->node;
    const struct weir_aggregate_config *config = node->plan->config;
    struct session_state *state = node->state;
    const int64_t timestamp_ms = batch->timestamps[row];
    const struct weir_slice record_key = batch->key_bytes[row];
    struct weir_live_key *key;
    struct merge merge;
    weir_shared_rows_observe(state->shared, node);
    const int64_t expired_ms =
        weir_saturating_sub(state->shared->observed_ms, config->retention_ms);
    weir_node_observe(node, timestamp_ms);
    weir_shared_rows_observe(state->shared, node);
    int rc = weir_live_rows_find(&state->shared->live, record_key, hash, expired_ms, &key);
    if (rc == 0) rc = weir_live_key_reserve(&state->shared->live, key, 1);
    if (rc < 0) return weir_live_rows_failed(&state->shared->live, node, rc, node->call.error);
    find_merge(config, key, timestamp_ms, &merge);
    if (merge.end_ms < weir_saturating_sub(weir_saturating_sub(node->observed_ms, config->grace_ms),
                                           config->session_gap_ms)) {
        weir_node_note_late(
            node, timestamp_ms,
            weir_saturating_sub(weir_saturating_sub(node->observed_ms, config->session_gap_ms),
                                merge.end_ms));
        (*late)++;
        return 0;
    }
    rc = give_before(node, &merge);
    if (rc >= 0) rc = touch(node, record_key, &merge);
    if (rc < 0) return rc;
    weir_node_call_row(node, batch, row);
    rc = fold_merged(fold, batch, row, &merge);
    if (rc < 0) return weir_node_record_failed(node, batch, row, rc); /* all stay as they are */
    return apply(fold, batch, row, &merge, updates);
}

/* W4: those that end before the close time and have not been emitted. `batch` NULL: no row has
 * moved the time. */
static int emit_closed(struct weir_node *node, const struct weir_batch *batch, uint32_t row)
{
    const struct weir_aggregate_config *config = node->plan->config;
    struct session_state *state = node->state;
    if (!config->emits_on_close || !weir_window_close_is_due(&state->close, node)) return 0;
    const int64_t close_ms = node->observed_ms - config->grace_ms - config->session_gap_ms;
    const struct weir_closed_range range = {
        .from_ms = node->emitted_ms < 0 ? 0 : node->emitted_ms,
        .to_ms = close_ms - 1,
        .close_ms = close_ms,
    };
    weir_window_close_looked(&state->close, node);
    return weir_window_close_emit(&state->close, node, &range, batch, row);
}

/* One short of the observed time: the session that ends as far back as is not late yet is kept.
 * What has not been emitted does not expire, however far time jumps. */
static void advance_store(struct weir_node *node)
{
    const struct weir_aggregate_config *config = node->plan->config;
    int64_t time_ms = node->observed_ms - 1;
    if (config->emits_on_close) {
        const int64_t next_ms = node->emitted_ms < 0 ? 0 : node->emitted_ms;
        const int64_t held_ms = weir_saturating_add(next_ms, config->retention_ms - 1);
        if (held_ms < time_ms) time_ms = held_ms;
    }
    if (time_ms > 0) weir_store_advance(node->stores[0], time_ms);
}

/* ---- the batch ------------------------------------------------------------------------------- */

static int process_rows(struct weir_node *node, const struct weir_batch *batch)
{
    struct session_state *state = node->state;
    const struct weir_store_spec *spec = weir_store_spec(node->stores[0]);
    const bool forwards = weir_row_fold_forwards(node);
    struct weir_rows updates;
    struct weir_row_fold fold;
    int64_t late = 0;
    int rc = weir_window_close_go_on(&state->close, node);
    weir_rows_init(&updates, weir_node_arena(node), spec->keeps_old, true);
    weir_row_fold_init(&fold, node, forwards);
    uint64_t *hashes = weir_arena_array(weir_node_arena(node), batch->count, sizeof *hashes);
    if (hashes == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < batch->count; i++) {
        hashes[i] =
            weir_live_rows_hash(&state->shared->live, batch->key_bytes[weir_batch_row(batch, i)]);
    }
    for (size_t i = 0; i < batch->count && rc >= 0; i++) {
        const uint32_t row = weir_batch_row(batch, i);
        weir_live_rows_prefetch(&state->shared->live, hashes, i, batch->count);
        const int64_t late_before = late;
        const int64_t refused = weir_row_fold_refused(node);
        rc = process_row(&fold, batch, row, hashes[i], forwards ? &updates : NULL, &late);
        if (weir_row_fold_refused(node) > refused) late = late_before + 1;
        if (rc >= 0 && late > late_before) rc = weir_node_send_late(node, batch, row, 1);
        if (rc >= 0) rc = emit_closed(node, batch, row);
    }
    if (late > 0) weir_node_dropped(node, WEIR_DROP_LATE, late);
    advance_store(node);
    return rc < 0 ? rc : weir_rows_forward(&updates, node);
}

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_aggregate_config *config = node->plan->config;
    struct weir_batch keyed = {0};
    struct weir_batch rows = {0};
    weir_assert(node->plan->store_count == 1);
    int rc = weir_rows_without_nulls(node, batch, false, true, &keyed);
    if (rc < 0 || keyed.count == 0) return rc;
    rc = weir_node_key_bytes(node, &keyed, config->key_serde, &rows);
    return rc < 0 || rows.count == 0 ? rc : process_rows(node, &rows);
}

/* Sessions may close, and those that are over may go, though no row has come. */
static int time_advanced(struct weir_node *node)
{
    struct session_state *state = node->state;
    int rc = weir_window_close_go_on(&state->close, node);
    if (rc >= 0) rc = emit_closed(node, NULL, 0);
    advance_store(node);
    return rc;
}

static struct weir_live_row live_row(struct weir_slice key, int64_t timestamp_ms)
{
    (void)timestamp_ms;
    return (struct weir_live_row){weir_key_schema_time(&weir_key_schema_session, key),
                                  weir_session_key_start(key)};
}

/* What the last commit knew of stream time holds for the store too, before the first record
 * comes. */
static int open_sessions(struct weir_node *node, struct weir_error *error)
{
    const struct weir_aggregate_config *config = node->plan->config;
    struct session_state *state = node->state;
    state->shared = weir_shared_rows_of(node, &state->own);
    const bool is_first = weir_shared_rows_open(state->shared, node);
    weir_window_close_open(&state->close, node);
    advance_store(node);
    if (!is_first) return 0;
    return weir_live_rows_load(&state->shared->live, node,
                               weir_saturating_sub(node->observed_ms, config->retention_ms),
                               live_row, error);
}

static void close_sessions(struct weir_node *node)
{
    struct session_state *state = node->state;
    weir_shared_rows_close(&state->own);
    weir_window_close_close(&state->close);
}

static int flush(struct weir_node *node)
{
    struct session_state *state = node->state;
    int rc = weir_window_close_finish(&state->close, node);
    return rc < 0 ? rc : weir_row_fold_flush(node);
}

const struct weir_operator_ops weir_session_ops = {
    .name = "session",
    .traits =
        {
            .is_value_changing = true,
            .makes_rows = true,
            .store_use = WEIR_CHANGES_STORES,
            .fills_table = true,
            .forwards_on_flush = true,
            .meets_by_key = true,
        },
    .state_size = sizeof(struct session_state),
    .open = open_sessions,
    .process = process,
    .flush = flush,
    .time_advanced = time_advanced,
    .holds_from_ms = weir_window_close_holds_from,
    .close = close_sessions,
};
