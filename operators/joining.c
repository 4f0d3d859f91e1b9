#include "operators/joining.h"

#include "base/assert.h"
#include "runtime/state/key_schema.h"

void weir_joining_begin(struct weir_joining *joining, struct weir_node *node,
                        const struct weir_batch *batch)
{
    const struct weir_stream_join_config *config = node->plan->config;
    weir_assert(batch->key_bytes != NULL);
    joining->node = node;
    joining->config = config;
    joining->batch = batch;
    weir_object_check_init(&joining->check, node);
    weir_object_check_also(&joining->check, config->right_serde, "the right value");
    weir_rows_init(&joining->rows, weir_node_arena(node), false, true);
    node->call.context = config->context;
}

void weir_joining_begin_none(struct weir_joining *joining, struct weir_node *node, int64_t time_ms,
                             struct weir_joining_none *none)
{
    *none = (struct weir_joining_none){.key = weir_null(), .time_ms = time_ms};
    none->batch =
        (struct weir_batch){.count = 1, .key_bytes = &none->key, .timestamps = &none->time_ms};
    weir_joining_begin(joining, node, &none->batch);
    weir_node_call_no_row(node, time_ms);
}

/* Objects of what the store gave: its bytes are read before the next call on it. */
static int read_kept(struct weir_joining *joining, const struct weir_fetched_rows *fetched,
                     const struct weir_serde *serde, struct weir_kept_row *kept, size_t *count_out)
{
    struct weir_node *node = joining->node;
    const bool copies_bytes = weir_serde_copies_bytes(serde);
    size_t count = 0;
    int rc = 0;
    for (size_t i = 0; i < fetched->count && rc == 0; i++) {
        const struct weir_store_entry *entry = fetched->entries[i];
        const struct weir_slice bytes = weir_slice(entry->value, entry->value_size);
        if (entry->value == NULL) continue;
        struct weir_kept_row *row = &kept[count++];
        row->timestamp_ms = weir_key_schema_time(&weir_key_schema_duplicates, entry->key);
        rc = copies_bytes ? weir_node_deserialize(node, serde, false, &bytes, 1, &row->value)
                          : weir_rows_object(node, serde, false, bytes, &row->value);
    }
    *count_out = count;
    return rc;
}

int weir_joining_fetch(struct weir_joining *joining, uint32_t row, int64_t from_ms, int64_t to_ms,
                       const struct weir_serde *serde, struct weir_kept_row **kept_out,
                       size_t *count_out)
{
    struct weir_node *node = joining->node;
    struct weir_fetched_rows fetched;
    *count_out = 0;
    int rc = weir_store_fetch(node->stores[0], joining->batch->key_bytes[row], from_ms, to_ms,
                              &fetched, node->call.error);
    if (rc < 0 || fetched.count == 0) return rc;
    *kept_out = weir_arena_array(weir_node_arena(node), fetched.count, sizeof **kept_out);
    if (*kept_out == NULL) return WEIR_NO_MEMORY;
    return read_kept(joining, &fetched, serde, *kept_out, count_out);
}

int weir_joining_add(struct weir_joining *joining, uint32_t row, const struct weir_join_pair *pair)
{
    const struct weir_stream_join_config *config = joining->config;
    struct weir_node *node = joining->node;
    struct weir_rows *rows = &joining->rows;
    const void *joined = NULL;
    weir_assert_slow(pair->left != NULL || pair->right != NULL);
    int rc = config->join(&node->call, pair->key, pair->left, pair->right, &joined);
    if (rc < 0) return rc;
    weir_object_check_row(&joining->check, pair->key, pair->left);
    weir_object_check_also_row(&joining->check, pair->right);
    rc = weir_object_check_value(&joining->check, joined);
    if (rc < 0) return rc;
    const int64_t added = weir_rows_add(rows);
    if (added < 0) return WEIR_NO_MEMORY;
    rows->keys[added] = pair->key;
    rows->key_bytes[added] = pair->key_bytes;
    rows->values[added] = joined;
    rows->timestamps[added] = pair->timestamp_ms;
    weir_rows_set_origin(rows, added, joining->batch, row);
    return 0;
}
