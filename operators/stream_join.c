/* Joins of two streams (KIP-633, J1 and J2): a row meets the rows of the other side with its key whose
 * time is near its own.
 *
 *         left:   t=100 ───────────●
 *                           before │ after
 *         right:  ●    [──●────────┼─────●──]   ●          two of four meet it
 *
 * Whoever comes later finds the other, so each pair is joined once, and the result has the larger of both
 * times. A row that finds nobody, of a side that is outer, is not decided yet: it waits in the buffer
 * (join_buffer.c), unless its window lies behind already, or there is no buffer.
 */
#include "base/assert.h"
#include "operators/joining.h"

/* ---- one row --------------------------------------------------------------------------------- */

/* The row beside `other`, the other side's (NULL: nobody), on whichever sides they are. */
static int add_result(struct weir_joining *joining, uint32_t row, const void *other,
                      int64_t timestamp_ms)
{
    const struct weir_batch *batch = joining->batch;
    const void *value = batch->values[row];
    const bool is_right = joining->config->is_right;
    const struct weir_join_pair pair = {
        .key = batch->keys[row],
        .key_bytes = batch->key_bytes[row],
        .left = is_right ? other : value,
        .right = is_right ? value : other,
        .timestamp_ms = timestamp_ms,
    };
    return weir_joining_add(joining, row, &pair);
}

static bool has_buffer(const struct weir_joining *joining)
{
    return joining->node->plan->store_count > 1;
}

/* The largest time of both sides, this row's included. */
static int64_t observe(struct weir_joining *joining, int64_t timestamp_ms)
{
    struct weir_node *tracking = has_buffer(joining) ? joining->node->children[0] : joining->node;
    weir_node_observe(tracking, timestamp_ms);
    return tracking->observed_ms;
}

static int join_matches(struct weir_joining *joining, uint32_t row,
                        const struct weir_kept_row *matches, size_t count)
{
    const int64_t timestamp_ms = joining->batch->timestamps[row];
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        const int64_t other_ms = matches[i].timestamp_ms;
        if (has_buffer(joining)) rc = weir_join_buffer_remove(joining, row, other_ms);
        if (rc < 0) return rc;
        rc = add_result(joining, row, matches[i].value,
                        other_ms > timestamp_ms ? other_ms : timestamp_ms);
    }
    return rc;
}

/* Negative: the row failed, or the task has to stop; weir_node_record_failed knows which. */
static int join_row(struct weir_joining *joining, uint32_t row, int64_t observed_ms)
{
    const struct weir_stream_join_config *config = joining->config;
    const int64_t timestamp_ms = joining->batch->timestamps[row];
    const int64_t before_ms = config->is_right ? config->after_ms : config->before_ms;
    const int64_t after_ms = config->is_right ? config->before_ms : config->after_ms;
    const int64_t to_ms = weir_time_after(timestamp_ms, after_ms);
    struct weir_kept_row *matches = NULL;
    size_t count;
    int rc = weir_joining_fetch(joining, row, weir_time_before(timestamp_ms, before_ms), to_ms,
                                config->is_right ? config->left_serde : config->right_serde,
                                &matches, &count);
    if (rc < 0) return rc;
    if (count > 0) return join_matches(joining, row, matches, count);
    if (!config->is_outer) return 0;
    const bool waits = has_buffer(joining) && to_ms >= observed_ms;
    return waits ? weir_join_buffer_add(joining, row)
                 : add_result(joining, row, NULL, timestamp_ms);
}

static int process_row(struct weir_joining *joining, uint32_t row, int64_t *dropped)
{
    const struct weir_batch *batch = joining->batch;
    const int64_t timestamp_ms = batch->timestamps[row];
    const int64_t observed_ms = observe(joining, timestamp_ms);
    const bool has_key = batch->keys[row] != NULL;
    const bool has_value = batch->values[row] != NULL;
    int rc = 0;
    weir_node_call_row(joining->node, batch, row);
    if (!has_key && has_value && joining->config->is_outer) { /* KIP-962 */
        rc = add_result(joining, row, NULL, timestamp_ms);
    } else if (!has_key || !has_value) {
        *dropped += 1;
    } else {
        if (has_buffer(joining) && timestamp_ms >= observed_ms) {
            rc = weir_join_buffer_emit(joining, row);
            if (rc < 0) return rc;
            weir_node_call_row(joining->node, batch, row);
        }
        rc = join_row(joining, row, observed_ms);
    }
    return rc < 0 ? weir_node_record_failed(joining->node, batch, row, rc) : 0;
}

/* ---- the batch ------------------------------------------------------------------------------- */

/* A batch's look-ups are one behind the other, and each would wait for the memory. */
static int prefetch(struct weir_node *node, const struct weir_batch *batch)
{
    struct weir_slice *keys = weir_arena_array(weir_node_arena(node), batch->count, sizeof *keys);
    size_t count = 0;
    if (keys == NULL) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < batch->count; i++) {
        const struct weir_slice key = batch->key_bytes[weir_batch_row(batch, i)];
        if (!weir_slice_is_null(key)) keys[count++] = key;
    }
    weir_store_prefetch_rows(node->stores[0], keys, count);
    return 0;
}

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_stream_join_config *config = node->plan->config;
    struct weir_joining joining;
    struct weir_batch rows = {0};
    int64_t dropped = 0;
    int rc = weir_node_key_bytes(node, batch, config->key_serde, &rows);
    if (rc < 0 || rows.count == 0) return rc;
    rc = prefetch(node, &rows);
    if (rc < 0) return rc;
    weir_joining_begin(&joining, node, &rows);
    for (size_t i = 0; i < rows.count && rc >= 0; i++) {
        rc = process_row(&joining, weir_batch_row(&rows, i), &dropped);
    }
    weir_node_dropped(node, WEIR_DROP_NULL, dropped);
    return rc < 0 ? rc : weir_rows_forward(&joining.rows, node);
}

const struct weir_operator_ops weir_stream_join_ops = {
    .name = "stream-join",
    .traits = {.is_value_changing = true, .makes_rows = true, .store_use = WEIR_READS_STORES},
    .process = process,
};

static int open_outer(struct weir_node *node, struct weir_error *error)
{
    const struct weir_stream_join_config *config = node->plan->config;
    struct weir_join_tracker *tracker = node->children[0]->state;
    tracker->sides[config->is_right] = node;
    return weir_join_buffer_open(node, error);
}

const struct weir_operator_ops weir_outer_join_ops = {
    .name = "outer-join",
    .traits = {.is_value_changing = true, .makes_rows = true, .store_use = WEIR_CHANGES_STORES},
    .open = open_outer,
    .process = process,
};

static int merge(struct weir_node *node, const struct weir_batch *batch)
{
    return weir_node_forward(node, batch);
}

/* Rows may have waited long enough, though none has come. Either side looks through all of the buffer: whose is due. */
static int time_advanced(struct weir_node *node)
{
    const struct weir_join_tracker *tracker = node->state;
    int rc = 0;
    for (size_t i = 0; i < 2 && rc >= 0; i++) {
        struct weir_joining joining;
        struct weir_joining_none none;
        if (tracker->sides[i] == NULL) continue;
        weir_joining_begin_none(&joining, tracker->sides[i], node->observed_ms, &none);
        rc = weir_join_buffer_emit(&joining, 0);
        if (rc >= 0) rc = weir_rows_forward(&joining.rows, tracker->sides[i]);
    }
    return rc;
}

/* What waits for a match goes on with its own time. */
static int64_t holds_from(const struct weir_node *node)
{
    const struct weir_join_tracker *tracker = node->state;
    const bool has_buffer = tracker->sides[0] != NULL || tracker->sides[1] != NULL;
    return has_buffer ? tracker->first_ms : INT64_MAX;
}

const struct weir_operator_ops weir_join_merge_ops = {
    .name = "join-merge",
    .traits = {.meets_by_key = true, .is_named_by_parent = true, .observes_time = true},
    .state_size = sizeof(struct weir_join_tracker),
    .process = merge,
    .time_advanced = time_advanced,
    .holds_from_ms = holds_from,
};
