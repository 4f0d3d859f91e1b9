#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "runtime/task/task.h"

/**
 * Records that cannot be read, processed or written: stop, skip, or send the record as it came from
 * its input to the dead-letter topic, with the reason in headers of Kafka Streams' names
 * (KIP-1034).
 */

static enum weir_on_error policy_of(const struct weir_task *task, const struct weir_node *node)
{
    const struct weir_task_config *config = task->options.config;
    switch (node->plan->kind) {
    case WEIR_PLAN_SOURCE:
        return config->on_deserialization_error;
    case WEIR_PLAN_OPERATOR:
        return config->on_processing_error;
    case WEIR_PLAN_SINK:
        return config->on_production_error;
    }
    return WEIR_ON_ERROR_FAIL;
}

int32_t weir_task_partition(struct weir_task *task, size_t topic, struct weir_slice key)
{
    int32_t count = task->options.config->topics[topic].partition_count;
    if (!weir_slice_is_null(key)) return weir_partition_of_key(key, count);
    /* Sticky from the start by task: tasks spread over the partitions, and a run is repeatable. */
    int32_t *sticky = &task->sticky_partitions[topic];
    if (*sticky < 0) *sticky = task->options.partition % count;
    return *sticky;
}

/* The record as it came from the input: rows lose their bytes on the way, offsets stay. */
static void find_raw(const struct weir_task *task, const struct weir_batch *batch, uint32_t row,
                     struct weir_record *record)
{
    const struct weir_batch *raw = task->raw;
    *record = (struct weir_record){.timestamp_ms = batch->timestamps[row], .offset = -1};
    if (batch->key_bytes != NULL) record->key = batch->key_bytes[row];
    if (batch->value_bytes != NULL) record->value = batch->value_bytes[row];
    if (batch->headers != NULL) {
        record->headers = batch->headers[row].headers;
        record->header_count = batch->headers[row].count;
    }
    if (batch->offsets == NULL || raw == NULL) return;
    record->offset = batch->offsets[row];
    size_t low = 0;
    size_t high = raw->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (raw->offsets[middle] < record->offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == raw->count || raw->offsets[low] != record->offset) return;
    record->key = raw->key_bytes[low];
    record->value = raw->value_bytes[low];
}

static void add_header(struct weir_header *headers, size_t *count, const char *key,
                       const char *value)
{
    headers[(*count)++] = (struct weir_header){weir_text(key), weir_text(value)};
}

enum { REASON_HEADERS = 5 };

/* The record's own headers, then the reason. */
static int add_reason(struct weir_task *task, const struct weir_source_position *source, int rc,
                      struct weir_record *record)
{
    struct weir_arena *arena = &task->arena;
    size_t count = record->header_count;
    struct weir_header *headers = weir_arena_array(arena, count + REASON_HEADERS, sizeof *headers);
    if (headers == NULL) return WEIR_NO_MEMORY;
    if (count > 0) memcpy(headers, record->headers, count * sizeof *headers);
    add_header(headers, &count, "__streams.errors.exception", weir_code_name(rc));
    add_header(headers, &count, "__streams.errors.message", task->record_error.text);
    if (source != NULL) {
        add_header(headers, &count, "__streams.errors.topic", source->topic);
        add_header(headers, &count, "__streams.errors.partition",
                   weir_arena_printf(arena, "%" PRId32, source->partition));
        add_header(headers, &count, "__streams.errors.offset",
                   weir_arena_printf(arena, "%" PRId64, record->offset));
    }
    record->headers = headers;
    record->header_count = count;
    return weir_arena_failed(arena) ? WEIR_NO_MEMORY : 0;
}

static int send_dead_letter(struct weir_task *task, const struct weir_batch *batch, uint32_t row,
                            int rc)
{
    size_t topic = task->options.config->dead_letter_topic;
    struct weir_record record;
    find_raw(task, batch, row, &record);
    if (add_reason(task, batch->source, rc, &record) < 0) {
        return weir_error_set(&task->error, WEIR_NO_MEMORY, "no memory for a dead letter");
    }
    if (record.timestamp_ms < 0) record.timestamp_ms = 0;
    struct weir_collector *collector = task->options.collector;
    int32_t partition = weir_task_partition(task, topic, record.key);
    struct weir_error why = {0};
    rc = weir_collector_add(collector, topic, partition, &record, &why);
    if (rc == WEIR_INVALID_TIMESTAMP) {
        /* Often the very reason for the letter, and no reason to stop a job that is to go on. */
        record.timestamp_ms = collector->wall_now_ms;
        rc = weir_collector_add(collector, topic, partition, &record, &why);
    }
    if (rc < 0) task->error = why;
    return weir_error_wrap(&task->error, rc, "write a dead letter");
}

static int stop(struct weir_task *task, const struct weir_node *node,
                const struct weir_batch *batch, uint32_t row, int rc)
{
    const char *reason =
        task->record_error.text[0] != '\0' ? task->record_error.text : weir_code_text(rc);
    if (batch->source == NULL || batch->offsets == NULL) {
        return weir_error_set(&task->error, (enum weir_code)rc, "node '%s': %s", node->plan->name,
                              reason);
    }
    return weir_error_set(&task->error, (enum weir_code)rc,
                          "node '%s': topic '%s' partition %" PRId32 " offset %" PRId64 ": %s",
                          node->plan->name, batch->source->topic, batch->source->partition,
                          batch->offsets[row], reason);
}

int weir_task_record_failed(struct weir_task *task, const struct weir_node *node,
                            const struct weir_batch *batch, uint32_t row, int rc)
{
    weir_assert(rc < 0);
    enum weir_on_error policy = policy_of(task, node);
    /* Memory and disks are not the record's fault. */
    bool is_records_own = weir_code_action(rc) == WEIR_ACTION_REFUSE;
    if (!is_records_own || policy == WEIR_ON_ERROR_FAIL) return stop(task, node, batch, row, rc);

    weir_counter_add(&task->options.metrics->records_failed, 1);
    if (policy == WEIR_ON_ERROR_DEAD_LETTER) rc = send_dead_letter(task, batch, row, rc);
    task->record_error = (struct weir_error){0};
    return rc < 0 && policy == WEIR_ON_ERROR_DEAD_LETTER ? rc : 0;
}
