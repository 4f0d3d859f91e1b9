#include "base/assert.h"
#include "runtime/task/task.h"

/*
 * Rows that leave a task by its sinks.
 *
 * Where paths of a sub-topology meet at a topic (dsl/order.c), record-at-a-time processing would write
 * what came of the first record by all paths, then what came of the second. A batch takes one path after
 * the other, so the sinks of such topics gather their rows, each in a list of the input's row that it
 * came from:
 *
 *     input rows     0        1        2        3
 *     by path A      a0                a2
 *     by path B      b0       b1                b3        sent: a0 b0 b1 a2 b3
 *
 * Within a list rows stand as they came, which is in order of paths. When the batch is through, list after
 * list is sent. Rows that come of no input (a flush, a timer) are sent at once; they went row by row.
 */
struct weir_gathered_output {
    struct weir_gathered_output *next; /* of the same input row */
    struct weir_node *node;
    const struct weir_batch *batch;
    uint32_t row;
};

/* The partitioner leaves the end of some keys out. */
static int32_t partition_of(struct weir_node *node, struct weir_slice key)
{
    size_t suffix = node->plan->unhashed_key_suffix;
    if (!weir_slice_is_null(key) && key.size >= suffix) key.size -= suffix;
    return weir_task_partition(node->task, (size_t)node->plan->topic, key);
}

/* With the record its partition may be told how far the task is. A record that has no room for that goes alone, but
 * for one whose own first header would be taken for it. */
static int add_saying(struct weir_task *task, size_t topic, int32_t partition,
                      const struct weir_record *record, struct weir_error *error)
{
    struct weir_collector *collector = task->options.collector;
    struct weir_record saying = *record;
    bool says = weir_task_time_say(task, topic, partition, &saying);
    if (says && !weir_task_time_is_reserved(task, topic, record)) {
        says = weir_collector_check(collector, topic, &saying, NULL) != WEIR_TOO_LARGE;
    }
    if (!says) return weir_collector_add(collector, topic, partition, record, error);
    int rc = weir_collector_add(collector, topic, partition, &saying, error);
    if (rc >= 0) weir_task_time_said(task, topic, partition);
    return rc;
}

/* How many: 1, or 0 for a row that failed and was dealt with. */
static int send_row(struct weir_node *node, const struct weir_batch *batch, uint32_t row)
{
    struct weir_task *task = node->task;
    struct weir_record record = {
        .key = batch->key_bytes[row],
        .value = batch->value_bytes[row],
        .timestamp_ms = batch->timestamps[row],
    };
    if (batch->headers != NULL) {
        record.headers = batch->headers[row].headers;
        record.header_count = batch->headers[row].count;
    }
    const size_t topic = (size_t)node->plan->topic;
    const int32_t partition = partition_of(node, record.key);
    const bool says = task->time.told != NULL || weir_task_time_is_reserved(task, topic, &record);
    int rc = says ? add_saying(task, topic, partition, &record, node->call.error)
                  : weir_collector_add(task->options.collector, topic, partition, &record,
                                       node->call.error);
    return rc < 0 ? weir_node_record_failed(node, batch, row, rc) : 1;
}

/* ---- gathering ------------------------------------------------------------------------------- */

/* The row of the input with this offset; offsets ascend, and a row that goes on has one of them. */
static size_t input_row(const struct weir_batch *input, int64_t offset)
{
    size_t from = 0;
    size_t to = input->count;
    while (to - from > 1) {
        size_t middle = from + (to - from) / 2;
        if (input->offsets[middle] <= offset) {
            from = middle;
        } else {
            to = middle;
        }
    }
    weir_assert(input->offsets[from] == offset);
    return from;
}

static void add_last(struct weir_gathered_list *list, struct weir_gathered_output *output)
{
    if (list->last != NULL) {
        list->last->next = output;
    } else {
        list->first = output;
    }
    list->last = output;
}

static int gather(struct weir_node *node, const struct weir_batch *batch)
{
    struct weir_task *task = node->task;
    struct weir_arena *arena = task->arena;
    if (task->gathered == NULL) {
        task->gathered = weir_arena_alloc_zero(arena, task->raw->count * sizeof *task->gathered);
    }
    struct weir_batch *kept = weir_arena_alloc(arena, sizeof *kept);
    struct weir_gathered_output *outputs = weir_arena_array(arena, batch->count, sizeof *outputs);
    if (task->gathered == NULL || kept == NULL || outputs == NULL) return WEIR_NO_MEMORY;
    *kept = *batch; /* its columns live as long as the arena does, its selection perhaps not */
    kept->rows = NULL;
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t row = weir_batch_row(batch, i);
        outputs[i] = (struct weir_gathered_output){.node = node, .batch = kept, .row = row};
        add_last(&task->gathered[input_row(task->raw, batch->offsets[row])], &outputs[i]);
    }
    return 0;
}

int weir_task_send_gathered(struct weir_task *task)
{
    const struct weir_gathered_list *lists = task->gathered;
    if (lists == NULL) return 0;
    int64_t sent = 0;
    for (size_t i = 0; i < task->raw->count; i++) {
        const struct weir_gathered_output *output = lists[i].first;
        for (; output != NULL; output = output->next) {
            int rc = send_row(output->node, output->batch, output->row);
            if (rc < 0) return rc;
            sent += rc;
        }
    }
    weir_counter_add(&task->options.metrics->records_out, sent);
    return 0;
}

/* ---- the sink's door ------------------------------------------------------------------------- */

int weir_node_send(struct weir_node *node, const struct weir_batch *batch)
{
    weir_assert(node->plan->topic >= 0);
    weir_assert(batch->key_bytes != NULL);
    weir_assert(batch->value_bytes != NULL);
    if (node->plan->gathers && batch->offsets != NULL) return gather(node, batch);
    int64_t sent = 0;
    for (size_t i = 0; i < batch->count; i++) {
        int rc = send_row(node, batch, weir_batch_row(batch, i));
        if (rc < 0) return rc;
        sent += rc;
    }
    weir_counter_add(&node->task->options.metrics->records_out, sent);
    return 0;
}
