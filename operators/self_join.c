/* A join of a stream with itself over one store (`single.store.self.join`). The results, and their order,
 * are those of a join of two streams that are the same one: first the row as a left one beside what it
 * finds, then as a right one, with itself where its own time stands among the others'.
 *
 *     kept: x@100 y@110     in: z@105     z|x  z|y  x|z  z|z  y|z
 *
 * The node above keeps the row after it has been here.
 */
#include "base/assert.h"
#include "operators/joining.h"

static int add(struct weir_joining *joining, uint32_t row, const void *left, const void *right,
               int64_t other_ms)
{
    const struct weir_batch *batch = joining->batch;
    const int64_t timestamp_ms = batch->timestamps[row];
    const struct weir_join_pair pair = {
        .key = batch->keys[row],
        .key_bytes = batch->key_bytes[row],
        .left = left,
        .right = right,
        .timestamp_ms = other_ms > timestamp_ms ? other_ms : timestamp_ms,
    };
    return weir_joining_add(joining, row, &pair);
}

static int join_as_left(struct weir_joining *joining, uint32_t row)
{
    const struct weir_stream_join_config *config = joining->config;
    const int64_t timestamp_ms = joining->batch->timestamps[row];
    struct weir_kept_row *kept = NULL;
    size_t count;
    int rc = weir_joining_fetch(joining, row, weir_time_before(timestamp_ms, config->before_ms),
                                weir_time_after(timestamp_ms, config->after_ms),
                                config->right_serde, &kept, &count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = add(joining, row, joining->batch->values[row], kept[i].value, kept[i].timestamp_ms);
    }
    return rc;
}

static int join_as_right(struct weir_joining *joining, uint32_t row, bool has_itself)
{
    const struct weir_stream_join_config *config = joining->config;
    const void *value = joining->batch->values[row];
    const int64_t timestamp_ms = joining->batch->timestamps[row];
    struct weir_kept_row *kept = NULL;
    size_t count;
    int rc = weir_joining_fetch(joining, row, weir_time_before(timestamp_ms, config->after_ms),
                                weir_time_after(timestamp_ms, config->before_ms),
                                config->left_serde, &kept, &count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        if (has_itself && kept[i].timestamp_ms > timestamp_ms) {
            has_itself = false;
            rc = add(joining, row, value, value, timestamp_ms);
        }
        if (rc == 0) rc = add(joining, row, kept[i].value, value, kept[i].timestamp_ms);
    }
    return rc == 0 && has_itself ? add(joining, row, value, value, timestamp_ms) : rc;
}

/* Two sides would find it: its own time is within the window, and not over. A row without a value has moved
 * the time of a store in memory, and has not come here. By the time of what came here a row stops to meet
 * itself a millisecond before the store forgets it, as in Kafka Streams; other rows still meet it then. */
static bool meets_itself(const struct weir_joining *joining, int64_t timestamp_ms)
{
    const struct weir_stream_join_config *config = joining->config;
    const struct weir_node *node = joining->node;
    if (config->before_ms < 0 || config->after_ms < 0) return false;
    if (weir_store_is_over(node->stores[0], timestamp_ms)) return false;
    const int64_t expired_ms = node->observed_ms - weir_store_spec(node->stores[0])->retention_ms;
    return timestamp_ms > expired_ms + 1;
}

static int process_row(struct weir_joining *joining, uint32_t row)
{
    struct weir_node *node = joining->node;
    const int64_t timestamp_ms = joining->batch->timestamps[row];
    weir_node_observe(node, timestamp_ms);
    weir_node_call_row(node, joining->batch, row);
    int rc = join_as_left(joining, row);
    if (rc == 0) rc = join_as_right(joining, row, meets_itself(joining, timestamp_ms));
    return rc < 0 ? weir_node_record_failed(node, joining->batch, row, rc) : 0;
}

static int process(struct weir_node *node, const struct weir_batch *batch)
{
    const struct weir_stream_join_config *config = node->plan->config;
    struct weir_joining joining;
    struct weir_batch joinable = {0};
    struct weir_batch rows = {0};
    int rc = weir_rows_without_nulls(node, batch, true, true, &joinable);
    if (rc < 0 || joinable.count == 0) return rc;
    rc = weir_node_key_bytes(node, &joinable, config->key_serde, &rows);
    if (rc < 0 || rows.count == 0) return rc;
    weir_joining_begin(&joining, node, &rows);
    for (size_t i = 0; i < rows.count && rc >= 0; i++) {
        rc = process_row(&joining, weir_batch_row(&rows, i));
    }
    return rc < 0 ? rc : weir_rows_forward(&joining.rows, node);
}

const struct weir_operator_ops weir_self_join_ops = {
    .name = "self-join",
    .traits =
        {
            .is_value_changing = true,
            .makes_rows = true,
            .store_use = WEIR_READS_STORES,
            .meets_by_key = true,
        },
    .process = process,
};
