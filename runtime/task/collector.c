#include "runtime/task/collector.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"

/* A batch is finished at this size: large enough that its cost per record is small, small enough
 * that a reader gets it soon. */
enum { BATCH_SIZE = 64 << 10 };
/* A record's own framing, at most (lengths, deltas), and that of a header. */
enum { RECORD_OVERHEAD_MAX = 40 };

struct weir_output_slot {
    struct weir_batch_builder builder;
    struct weir_output_slot *next; /* in the list of active ones */
    struct weir_output_slot *next_moved;
    bool is_active;
    bool has_moved;
    size_t topic;
    int32_t partition;
    int64_t end_offset;
    int64_t given_end; /* as next_end gave it last; -1: never */
};

void weir_collector_init(struct weir_collector *collector, struct weir_budget *budget,
                         struct weir_budget *batch_budget, const struct weir_job_topic *topics,
                         size_t topic_count)
{
    *collector = (struct weir_collector){.budget = budget,
                                         .batch_budget = batch_budget,
                                         .topics = topics,
                                         .topic_count = topic_count};
}

static void slots_free(struct weir_output_slot **slots, int32_t count)
{
    for (int32_t i = 0; slots != NULL && i < count; i++) {
        if (slots[i] != NULL) weir_batch_builder_close(&slots[i]->builder);
        weir_free(slots[i]);
    }
    weir_free(slots);
}

static void outputs_free(struct weir_output *output)
{
    while (output != NULL) {
        struct weir_output *next = output->next;
        weir_shared_unref(output->produce.batches);
        weir_free(output);
        output = next;
    }
}

void weir_collector_close(struct weir_collector *collector)
{
    for (size_t i = 0; collector->slots != NULL && i < collector->topic_count; i++) {
        slots_free(collector->slots[i], collector->topics[i].partition_count);
    }
    weir_free(collector->slots);
    outputs_free(collector->pending[false].first);
    outputs_free(collector->pending[true].first);
    outputs_free(collector->pool);
    *collector = (struct weir_collector){0};
}

static struct weir_output_slot *slot_new(struct weir_collector *collector, size_t topic,
                                         int32_t partition)
{
    struct weir_output_slot *slot = weir_alloc_zero(collector->budget, sizeof *slot);
    if (slot == NULL) return NULL;
    weir_batch_builder_init(&slot->builder, collector->budget, WEIR_CODEC_NONE, 0);
    slot->topic = topic;
    slot->partition = partition;
    slot->end_offset = -1;
    slot->given_end = -1;
    return slot;
}

static struct weir_output_slot *slot_of(struct weir_collector *collector, size_t topic,
                                        int32_t partition)
{
    weir_assert(topic < collector->topic_count);
    size_t count = (size_t)collector->topics[topic].partition_count;
    weir_assert(partition >= 0 && (size_t)partition < count);
    if (collector->slots == NULL) {
        size_t size = collector->topic_count * sizeof *collector->slots;
        collector->slots = weir_alloc_zero(collector->budget, size);
        if (collector->slots == NULL) return NULL;
    }
    struct weir_output_slot ***slots = &collector->slots[topic];
    if (*slots == NULL) *slots = weir_alloc_zero(collector->budget, count * sizeof **slots);
    if (*slots == NULL) return NULL;
    struct weir_output_slot **slot = &(*slots)[partition];
    if (*slot == NULL) *slot = slot_new(collector, topic, partition);
    return *slot;
}

static struct weir_output *output_from_pool(struct weir_collector *collector)
{
    struct weir_output *output = collector->pool;
    if (output == NULL) return weir_alloc_zero(collector->budget, sizeof *output);
    collector->pool = output->next;
    return output;
}

static bool is_in_transaction(const struct weir_collector *collector, size_t topic)
{
    return collector->topics[topic].is_internal || !collector->sends_outputs_at_once;
}

/* In a transaction it is on the disk before that is committed: nobody waits for it before. */
static void output_fill(struct weir_output *output, struct weir_collector *collector,
                        const struct weir_output_slot *slot, struct weir_shared *bytes)
{
    const struct weir_job_topic *topic = &collector->topics[slot->topic];
    const bool in_transaction = is_in_transaction(collector, slot->topic);
    *output = (struct weir_output){
        .produce = {.to = {weir_text(topic->name), slot->partition},
                    .batches = bytes,
                    .acks = in_transaction ? WEIR_ACKS_LEADER : WEIR_ACKS_ALL,
                    .is_internal = topic->is_internal},
        .collector = collector,
        .topic = slot->topic,
        .record_count = slot->builder.record_count,
        .is_in_transaction = in_transaction,
    };
}

static void enqueue(struct weir_output_queue *queue, struct weir_output *output)
{
    if (queue->last != NULL) {
        queue->last->next = output;
    } else {
        queue->first = output;
    }
    queue->last = output;
}

/* The slot's batch goes to the end of its queue. Its producer fills the rest in when it is sent. */
static int slot_finish(struct weir_collector *collector, struct weir_output_slot *slot)
{
    struct weir_slice batch;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    finish.leaves_crc = true;
    int rc = weir_batch_builder_finish(&slot->builder, &finish, &batch);
    if (rc < 0) return rc;
    struct weir_output *output = output_from_pool(collector);
    if (output == NULL) return WEIR_NO_MEMORY;
    struct weir_shared *bytes = weir_shared_new(collector->batch_budget, batch.size);
    if (bytes == NULL) {
        output->next = collector->pool;
        collector->pool = output;
        return WEIR_NO_MEMORY;
    }
    memcpy(bytes->data, batch.data, batch.size);
    bytes->size = batch.size;
    output_fill(output, collector, slot, bytes);
    enqueue(&collector->pending[output->is_in_transaction], output);
    collector->pending_bytes += batch.size;
    weir_batch_builder_reset(&slot->builder);
    return 0;
}

static size_t record_size_max(const struct weir_record *record)
{
    size_t size = RECORD_OVERHEAD_MAX + record->key.size + record->value.size;
    for (size_t i = 0; i < record->header_count; i++) {
        size +=
            WEIR_HEADER_OVERHEAD_MAX + record->headers[i].key.size + record->headers[i].value.size;
    }
    return size;
}

/* The log would refuse the whole batch for one such record. */
static bool is_too_far(const struct weir_job_topic *topic, int64_t timestamp_ms, int64_t now_ms)
{
    if (now_ms == 0) return false;
    bool is_early = topic->before_max_ms > 0 && now_ms - timestamp_ms > topic->before_max_ms;
    bool is_late = topic->after_max_ms > 0 && timestamp_ms - now_ms > topic->after_max_ms;
    return is_early || is_late;
}

static int check_record(const struct weir_job_topic *topic, const struct weir_record *record,
                        size_t size, int64_t wall_now_ms, struct weir_error *error)
{
    if (size + WEIR_BATCH_HEADER_SIZE > (size_t)topic->max_message_bytes) {
        return weir_error_set(error, WEIR_TOO_LARGE,
                              "a record of %zu bytes is over max.message.bytes %" PRId64
                              " of topic '%s'",
                              size, topic->max_message_bytes, topic->name);
    }
    if (topic->keys_required && weir_slice_is_null(record->key)) {
        return weir_error_set(error, WEIR_INVALID_RECORD,
                              "a record without a key in compacted topic '%s'", topic->name);
    }
    if (record->timestamp_ms < 0) {
        return weir_error_set(error, WEIR_INVALID_TIMESTAMP,
                              "timestamp %" PRId64 " for topic '%s' is negative",
                              record->timestamp_ms, topic->name);
    }
    if (is_too_far(topic, record->timestamp_ms, wall_now_ms)) {
        return weir_error_set(error, WEIR_INVALID_TIMESTAMP,
                              "timestamp %" PRId64 " is further from today than topic '%s' takes",
                              record->timestamp_ms, topic->name);
    }
    return 0;
}

int weir_collector_check(const struct weir_collector *collector, size_t topic,
                         const struct weir_record *record, struct weir_error *error)
{
    weir_assert(topic < collector->topic_count);
    return check_record(&collector->topics[topic], record, record_size_max(record),
                        collector->wall_now_ms, error);
}

size_t weir_collector_payload_max(const struct weir_job_topic *topic)
{
    const int64_t framing = WEIR_BATCH_HEADER_SIZE + RECORD_OVERHEAD_MAX;
    return topic->max_message_bytes > framing ? (size_t)(topic->max_message_bytes - framing) : 1;
}

/* Whether the batch that is there is better closed before `size` more bytes. */
static bool is_full(const struct weir_collector *collector, const struct weir_output_slot *slot,
                    size_t size)
{
    if (slot->builder.record_count == 0) return false;
    size_t limit = BATCH_SIZE;
    int64_t message_max = collector->topics[slot->topic].max_message_bytes;
    if (message_max < (int64_t)limit) limit = (size_t)message_max;
    return weir_batch_builder_size(&slot->builder) + size > limit;
}

int weir_collector_add(struct weir_collector *collector, size_t topic, int32_t partition,
                       const struct weir_record *record, struct weir_error *error)
{
    size_t size = record_size_max(record);
    int rc = check_record(&collector->topics[topic], record, size, collector->wall_now_ms, error);
    if (rc < 0) return rc;
    struct weir_output_slot *slot = slot_of(collector, topic, partition);
    if (slot == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory for outputs");

    if (is_full(collector, slot, size)) rc = slot_finish(collector, slot);
    if (rc >= 0) rc = weir_batch_builder_add(&slot->builder, record);
    if (rc == WEIR_INVALID_TIMESTAMP && slot->builder.record_count > 0) {
        rc = slot_finish(collector, slot); /* too far from the batch's first: begin another */
        if (rc >= 0) rc = weir_batch_builder_add(&slot->builder, record);
    }
    if (rc < 0)
        return weir_error_set(error, (enum weir_code)rc, "output to '%s': %s",
                              collector->topics[topic].name, weir_code_text(rc));
    if (!slot->is_active) {
        slot->is_active = true;
        slot->next = collector->active;
        collector->active = slot;
    }
    return 0;
}

int weir_collector_finish(struct weir_collector *collector, struct weir_error *error)
{
    while (collector->active != NULL) {
        struct weir_output_slot *slot = collector->active;
        if (slot->builder.record_count > 0 && slot_finish(collector, slot) < 0) {
            return weir_error_set(error, WEIR_NO_MEMORY, "no memory for outputs");
        }
        collector->active = slot->next;
        slot->is_active = false;
    }
    return 0;
}

struct weir_output *weir_collector_take(struct weir_collector *collector, bool is_in_transaction)
{
    struct weir_output_queue *queue = &collector->pending[is_in_transaction];
    struct weir_output *output = queue->first;
    if (output == NULL) return NULL;
    queue->first = output->next;
    if (queue->first == NULL) queue->last = NULL;
    collector->pending_bytes -= output->produce.batches->size;
    output->next = NULL;
    return output;
}

static struct weir_output_slot *slot_from(const struct weir_collector *collector,
                                          const struct weir_output *output)
{
    return collector->slots[output->topic][output->produce.to.partition];
}

void weir_collector_stored(struct weir_collector *collector, struct weir_output *output)
{
    struct weir_output_slot *slot = slot_from(collector, output);
    int64_t end = output->produce.last_offset + 1;
    if (end > slot->end_offset) slot->end_offset = end;
    if (slot->has_moved || !collector->topics[output->topic].is_internal) return;
    slot->has_moved = true;
    slot->next_moved = collector->moved;
    collector->moved = slot;
}

void weir_collector_recycle(struct weir_collector *collector, struct weir_output *output)
{
    weir_shared_unref(output->produce.batches);
    output->produce.batches = NULL;
    output->next = collector->pool;
    collector->pool = output;
}

bool weir_collector_next_end(struct weir_collector *collector, struct weir_output_end *end_out)
{
    struct weir_output_slot *slot = collector->moved;
    if (slot == NULL) return false;
    collector->moved = slot->next_moved;
    slot->has_moved = false;
    slot->given_end = slot->end_offset;
    *end_out = (struct weir_output_end){slot->topic, slot->partition, slot->end_offset};
    return true;
}

int64_t weir_collector_given_end(const struct weir_collector *collector, size_t topic,
                                 int32_t partition)
{
    weir_assert(topic < collector->topic_count);
    weir_assert(partition >= 0 && partition < collector->topics[topic].partition_count);
    if (collector->slots == NULL || collector->slots[topic] == NULL) return -1;
    const struct weir_output_slot *slot = collector->slots[topic][partition];
    return slot != NULL ? slot->given_end : -1;
}

bool weir_collector_is_empty(const struct weir_collector *collector)
{
    return collector->active == NULL && collector->pending[false].first == NULL &&
           collector->pending[true].first == NULL;
}

bool weir_collector_needs_transaction(const struct weir_collector *collector)
{
    const struct weir_output_slot *slot = collector->active;
    if (collector->pending[true].first != NULL) return true;
    while (slot != NULL &&
           (slot->builder.record_count == 0 || !is_in_transaction(collector, slot->topic))) {
        slot = slot->next;
    }
    return slot != NULL;
}
