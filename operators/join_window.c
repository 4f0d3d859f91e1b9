/* A side of a stream-stream join keeps its rows for those of the other: each one on its own, under
 * key · time · number, for as long as a row of the other side may meet it (retention: before + after +
 * grace). The number is the order of arrival, and state: a restart goes on with it, so that no row comes
 * to lie over another.
 *
 * The rows go on first and are kept afterwards. A join of two streams does not care, for it looks into the
 * other side's store; one of a stream with itself finds only what came before.
 */
#include "base/assert.h"
#include "operators/operators.h"
#include "operators/rows.h"
#include "runtime/state/key_schema.h"

enum { NUMBER_MASK = 0x7fffffff };

/* Rows that the store can keep, or need not: what its changelog could not take has failed. */
static int select_keepable(struct weir_node *node, const struct weir_batch *batch,
                           struct weir_batch *batch_out)
{
    uint32_t *selection = weir_rows_selection(node, batch);
    if (selection == NULL) return WEIR_NO_MEMORY;
    size_t kept = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const uint32_t row = weir_batch_row(batch, i);
        const struct weir_slice key = batch->key_bytes[row];
        int rc = 0;
        if (!weir_slice_is_null(key)) {
            const struct weir_slice kept_key = weir_slice(key.data, weir_duplicate_key_size(key));
            rc = weir_store_check_change(node->stores[0], kept_key, batch->value_bytes[row],
                                         node->call.error);
        }
        if (rc == 0) {
            selection[kept++] = row;
            continue;
        }
        weir_node_call_row(node, batch, row);
        rc = weir_node_record_failed(node, batch, row, rc);
        if (rc < 0) return rc;
    }
    *batch_out = *batch;
    batch_out->rows = selection;
    batch_out->count = kept;
    return 0;
}

/* What is to be written, in order. */
struct kept {
    struct weir_slice *keys;
    struct weir_slice *record_keys;
    struct weir_slice *values;
    int64_t *timestamps;
    uint32_t *rows;
    size_t count;
};

static int kept_init(struct kept *kept, struct weir_arena *arena, size_t count)
{
    *kept = (struct kept){
        .keys = weir_arena_array(arena, count, sizeof *kept->keys),
        .record_keys = weir_arena_array(arena, count, sizeof *kept->record_keys),
        .values = weir_arena_array(arena, count, sizeof *kept->values),
        .timestamps = weir_arena_array(arena, count, sizeof *kept->timestamps),
        .rows = weir_arena_array(arena, count, sizeof *kept->rows),
    };
    return weir_arena_failed(arena) ? WEIR_NO_MEMORY : 0;
}

static int add_kept(struct kept *kept, struct weir_arena *arena, const struct weir_batch *batch,
                    uint32_t row, uint32_t number)
{
    const struct weir_slice key = batch->key_bytes[row];
    const int64_t timestamp_ms = batch->timestamps[row];
    const size_t size = weir_duplicate_key_size(key);
    uint8_t *bytes = weir_arena_alloc(arena, size);
    if (bytes == NULL) return WEIR_NO_MEMORY;
    weir_duplicate_key_write(bytes, key, timestamp_ms, number);
    kept->keys[kept->count] = weir_slice(bytes, size);
    kept->record_keys[kept->count] = key;
    kept->values[kept->count] = batch->value_bytes[row];
    kept->timestamps[kept->count] = timestamp_ms;
    kept->rows[kept->count++] = row;
    return 0;
}

/* A row without a key meets nobody. One without a value meets nobody either, but takes a number, and moves
 * the time of a store in memory; both as in Kafka Streams. What comes too late is counted, and written all
 * the same: the store lets nobody read it. */
static int choose_kept(struct weir_node *node, const struct weir_batch *batch, struct kept *kept)
{
    struct weir_arena *arena = weir_node_arena(node);
    const struct weir_join_window_config *config = node->plan->config;
    const bool is_resident = weir_store_spec(node->stores[0])->kind == WEIR_STORE_MEMORY;
    int64_t late = 0;
    int rc = kept_init(kept, arena, batch->count);
    for (size_t i = 0; i < batch->count && rc >= 0; i++) {
        const uint32_t row = weir_batch_row(batch, i);
        const bool has_value = !weir_slice_is_null(batch->value_bytes[row]);
        const int64_t timestamp_ms = batch->timestamps[row];
        if (weir_slice_is_null(batch->key_bytes[row])) continue;
        node->number = (node->number + 1) & NUMBER_MASK;
        if (!has_value && !is_resident) continue;
        weir_node_observe(node, timestamp_ms);
        if (weir_store_is_late(node->stores[0], timestamp_ms, node->observed_ms)) {
            weir_node_note_late(node, timestamp_ms,
                                node->observed_ms - timestamp_ms - config->span_ms + 1);
            late++;
            rc = weir_node_send_late(node, batch, row, 1);
            if (rc < 0) break;
        }
        if (has_value) rc = add_kept(kept, arena, batch, row, (uint32_t)node->number);
    }
    weir_node_dropped(node, WEIR_DROP_LATE, late);
    return rc;
}

static int keep_rows(struct weir_node *node, const struct weir_batch *batch)
{
    struct weir_store *store = node->stores[0];
    struct kept kept;
    int rc = choose_kept(node, batch, &kept);
    if (rc < 0) return rc;
    struct weir_store_entry **entries =
        weir_arena_array(weir_node_arena(node), kept.count, sizeof *entries);
    if (entries == NULL) return WEIR_NO_MEMORY;
    weir_store_prefetch_rows(store, kept.record_keys, kept.count);
    if (kept.count > 0)
        rc = weir_store_touch(store, kept.keys, kept.count, entries, node->call.error);
    for (size_t i = 0; i < kept.count && rc == 0; i++) {
        rc =
            weir_store_set(store, entries[i], kept.values[i], kept.timestamps[i], node->call.error);
        if (rc < 0 || batch->headers == NULL) continue;
        const struct weir_headers *headers = &batch->headers[kept.rows[i]];
        rc = weir_store_set_headers(store, entries[i], headers->headers, headers->count);
    }
    weir_store_advance(store, node->observed_ms);
    return rc;
}

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_join_window_config *config = node->plan->config;
    struct weir_batch with_bytes;
    struct weir_batch rows = {0};
    weir_assert(node->plan->store_count == 1);
    int rc = weir_rows_bytes(node, batch, config->key_serde, config->value_serde, &with_bytes);
    if (rc < 0 || with_bytes.count == 0) return rc;
    rc = select_keepable(node, &with_bytes, &rows);
    if (rc < 0 || rows.count == 0) return rc;
    rc = weir_node_forward(node, &rows);
    return rc < 0 ? rc : keep_rows(node, &rows);
}

/* What the last commit knew of stream time holds for the store too, before the first record comes. */
static int open_window(struct weir_node *node, struct weir_error *error)
{
    (void)error;
    weir_store_advance(node->stores[0], node->observed_ms);
    return 0;
}

/* Rows may go, though none has come. */
static int time_advanced(struct weir_node *node)
{
    weir_store_advance(node->stores[0], node->observed_ms);
    return 0;
}

const struct weir_operator_ops weir_join_window_ops = {
    .name = "join-window",
    .traits = {.store_use = WEIR_CHANGES_STORES},
    .open = open_window,
    .process = process,
    .time_advanced = time_advanced,
};
