#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "tests/unit/runtime/task/stage.h"

/* ---- operators ------------------------------------------------------------------------------- */

static int forward_rows(struct weir_node *node, const struct weir_batch *batch)
{
    return weir_node_forward(node, batch);
}

static int send_rows(struct weir_node *node, const struct weir_batch *batch)
{
    return weir_node_send(node, batch);
}

static bool begins_with(const struct weir_batch *batch, uint32_t row, char character)
{
    struct weir_slice value = batch->value_bytes[row];
    return value.size > 0 && value.data[0] == (uint8_t)character;
}

static int keep_rows(struct weir_node *node, const struct weir_batch *batch)
{
    uint32_t *rows = weir_arena_array(weir_node_arena(node), batch->count, sizeof *rows);
    if (rows == NULL) return WEIR_NO_MEMORY;
    struct weir_batch out = *batch;
    out.rows = rows;
    out.count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        if (!begins_with(batch, row, 'x')) rows[out.count++] = row;
    }
    return weir_node_forward(node, &out);
}

static int refuse_rows(struct weir_node *node, const struct weir_batch *batch)
{
    uint32_t *rows = weir_arena_array(weir_node_arena(node), batch->count, sizeof *rows);
    if (rows == NULL) return WEIR_NO_MEMORY;
    struct weir_batch out = *batch;
    out.rows = rows;
    out.count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        if (!begins_with(batch, row, '!')) {
            rows[out.count++] = row;
            continue;
        }
        weir_node_call_row(node, batch, row);
        int rc = weir_call_fail(&node->call, "value %.*s", (int)batch->value_bytes[row].size,
                                batch->value_bytes[row].data);
        rc = weir_node_record_failed(node, batch, row, rc);
        if (rc < 0) return rc;
    }
    return weir_node_forward(node, &out);
}

static int forward_count(struct weir_node *node, struct weir_slice key, struct weir_slice value,
                         int64_t timestamp_ms)
{
    struct weir_arena *arena = weir_node_arena(node);
    struct weir_slice *slices = weir_arena_array(arena, 2, sizeof *slices);
    int64_t *timestamp = weir_arena_array(arena, 1, sizeof *timestamp);
    if (slices == NULL || timestamp == NULL) return WEIR_NO_MEMORY;
    slices[0] = weir_arena_copy(arena, key);
    slices[1] = weir_arena_copy(arena, value);
    *timestamp = timestamp_ms;
    return weir_node_forward(node, &(struct weir_batch){.count = 1,
                                                        .key_bytes = &slices[0],
                                                        .value_bytes = &slices[1],
                                                        .timestamps = timestamp});
}

static int count_rows(struct weir_node *node, const struct weir_batch *batch)
{
    struct weir_store *store = node->stores[0];
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        struct weir_store_entry *entry = NULL;
        int rc = weir_store_touch(store, &batch->key_bytes[row], 1, &entry, node->call.error);
        if (rc < 0) return rc;
        uint64_t count = entry->value != NULL ? weir_load_u64(entry->value) : 0;
        uint8_t bytes[8];
        weir_store_u64(bytes, count + 1);
        int64_t timestamp = batch->timestamps[row];
        if (entry->value != NULL && entry->timestamp_ms > timestamp)
            timestamp = entry->timestamp_ms;
        struct weir_slice value = weir_slice(bytes, sizeof bytes);
        rc = weir_store_set(store, entry, value, timestamp, node->call.error);
        if (rc >= 0 && !weir_node_caches(node)) {
            rc = forward_count(node, batch->key_bytes[row], value, timestamp);
        }
        if (rc < 0) return rc;
    }
    return 0;
}

static int flush_counts(struct weir_node *node)
{
    struct weir_store *store = node->stores[0];
    if (!weir_node_caches(node)) return 0;
    size_t at = 0;
    struct weir_store_entry *entry;
    while ((entry = weir_store_next_unforwarded(store, &at)) != NULL) {
        int rc = forward_count(node, entry->key, weir_slice(entry->value, entry->value_size),
                               entry->timestamp_ms);
        if (rc < 0) return rc;
    }
    weir_store_forwarded(store);
    return 0;
}

static int put_rows(struct weir_node *node, const struct weir_batch *batch)
{
    struct weir_store *store = node->stores[0];
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        struct weir_store_entry *entry = NULL;
        int rc = weir_store_touch(store, &batch->key_bytes[row], 1, &entry, node->call.error);
        if (rc >= 0) {
            rc = weir_store_set(store, entry, batch->value_bytes[row], batch->timestamps[row],
                                node->call.error);
        }
        if (rc < 0) return rc;
    }
    return 0;
}

static int trace_rows(struct weir_node *node, const struct weir_batch *batch)
{
    struct stage_log *log = (struct stage_log *)(uintptr_t)node->plan->config;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        log->size += (size_t)snprintf(log->text + log->size, sizeof log->text - log->size,
                                      "%.*s@%" PRId64 " ", (int)batch->key_bytes[row].size,
                                      batch->key_bytes[row].data, batch->timestamps[row]);
    }
    log->size += (size_t)snprintf(log->text + log->size, sizeof log->text - log->size, "| ");
    return weir_node_forward(node, batch);
}

const struct weir_operator_ops stage_source = {.name = "source", .process = forward_rows};
const struct weir_operator_ops stage_sink = {.name = "sink", .process = send_rows};
const struct weir_operator_ops stage_filter = {.name = "filter", .process = keep_rows};
const struct weir_operator_ops stage_refuse = {.name = "refuse", .process = refuse_rows};
const struct weir_operator_ops stage_trace = {.name = "trace", .process = trace_rows};
const struct weir_operator_ops stage_table = {.name = "table", .process = put_rows};
const struct weir_operator_ops stage_count = {
    .name = "count", .process = count_rows, .flush = flush_counts};

/* ---- plans ----------------------------------------------------------------------------------- */

static struct weir_plan_subtopology *sub_of(struct plan *plan, int32_t number)
{
    ck_assert_int_lt(number, PLAN_SUBTOPOLOGIES);
    struct weir_plan_subtopology *sub = &plan->subtopologies[number];
    sub->nodes = plan->sub_nodes[number];
    sub->sources = plan->sub_sources[number];
    sub->stores = plan->sub_stores[number];
    if ((size_t)number >= plan->topology.subtopology_count) {
        plan->topology.subtopology_count = (size_t)number + 1;
    }
    return sub;
}

int32_t plan_topic(struct plan *plan, const char *name, bool is_repartition)
{
    int32_t index = (int32_t)plan->topology.topic_count++;
    ck_assert_int_lt(index, PLAN_TOPICS);
    plan->topics[index] = (struct weir_plan_topic){.name = name, .is_repartition = is_repartition};
    return index;
}

int32_t plan_node(struct plan *plan, int32_t subtopology, enum weir_plan_node_kind kind,
                  const struct weir_operator_ops *ops, int32_t parent, int32_t topic,
                  const void *config)
{
    static const char *const names[PLAN_NODES] = {"N0",  "N1",  "N2",  "N3", "N4",  "N5",
                                                  "N6",  "N7",  "N8",  "N9", "N10", "N11",
                                                  "N12", "N13", "N14", "N15"};
    int32_t id = (int32_t)plan->topology.node_count++;
    ck_assert_int_lt(id, PLAN_NODES);
    struct weir_plan_node *node = &plan->nodes[id];
    *node = (struct weir_plan_node){
        .id = id,
        .name = names[id],
        .kind = kind,
        .ops = ops,
        .config = config,
        .subtopology = subtopology,
        .children = plan->children[id],
        .parents = plan->parents[id],
        .stores = plan->node_stores[id],
        .topic = topic,
    };
    if (parent >= 0) {
        plan->parents[id][node->parent_count++] = parent;
        plan->children[parent][plan->nodes[parent].child_count++] = id;
    }
    struct weir_plan_subtopology *sub = sub_of(plan, subtopology);
    plan->sub_nodes[subtopology][sub->node_count++] = id;
    if (kind == WEIR_PLAN_SOURCE) plan->sub_sources[subtopology][sub->source_count++] = id;
    return id;
}

int32_t plan_store(struct plan *plan, int32_t subtopology, int32_t node, const char *name,
                   enum weir_store_kind kind)
{
    int32_t index = (int32_t)plan->topology.store_count++;
    ck_assert_int_lt(index, PLAN_STORES);
    plan->stores[index] = (struct weir_plan_store){
        .spec = {.name = name,
                 .kind = kind,
                 .is_cached = true,
                 .is_logged = true,
                 .is_timestamped = true},
        .subtopology = subtopology,
        .source_topic = -1,
    };
    plan->node_stores[node][plan->nodes[node].store_count++] = index;
    struct weir_plan_subtopology *sub = sub_of(plan, subtopology);
    plan->sub_stores[subtopology][sub->store_count++] = index;
    return index;
}

const struct weir_topology *plan_done(struct plan *plan)
{
    plan->topology.magic = WEIR_TOPOLOGY_MAGIC;
    plan->topology.nodes = plan->nodes;
    plan->topology.topics = plan->topics;
    plan->topology.stores = plan->stores;
    plan->topology.subtopologies = plan->subtopologies;
    return &plan->topology;
}

const struct weir_topology *plan_filter(struct plan *plan)
{
    *plan = (struct plan){0};
    int32_t in = plan_topic(plan, "in", false);
    int32_t out = plan_topic(plan, "out", false);
    int32_t source = plan_node(plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    int32_t filter = plan_node(plan, 0, WEIR_PLAN_OPERATOR, &stage_filter, source, -1, NULL);
    plan_node(plan, 0, WEIR_PLAN_SINK, &stage_sink, filter, out, NULL);
    return plan_done(plan);
}

const struct weir_topology *plan_count(struct plan *plan, enum weir_store_kind kind)
{
    *plan = (struct plan){0};
    int32_t in = plan_topic(plan, "in", false);
    int32_t out = plan_topic(plan, "counts", false);
    int32_t source = plan_node(plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    int32_t count = plan_node(plan, 0, WEIR_PLAN_OPERATOR, &stage_count, source, -1, NULL);
    plan_store(plan, 0, count, "counts", kind);
    plan_node(plan, 0, WEIR_PLAN_SINK, &stage_sink, count, out, NULL);
    return plan_done(plan);
}

const struct weir_topology *plan_repartition(struct plan *plan, enum weir_store_kind kind)
{
    *plan = (struct plan){0};
    int32_t in = plan_topic(plan, "in", false);
    int32_t again = plan_topic(plan, "again-repartition", true);
    int32_t out = plan_topic(plan, "counts", false);
    int32_t source = plan_node(plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    plan_node(plan, 0, WEIR_PLAN_SINK, &stage_sink, source, again, NULL);
    int32_t second = plan_node(plan, 1, WEIR_PLAN_SOURCE, &stage_source, -1, again, NULL);
    int32_t count = plan_node(plan, 1, WEIR_PLAN_OPERATOR, &stage_count, second, -1, NULL);
    plan_store(plan, 1, count, "counts", kind);
    plan_node(plan, 1, WEIR_PLAN_SINK, &stage_sink, count, out, NULL);
    return plan_done(plan);
}
