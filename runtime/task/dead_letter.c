#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/saturate.h"
#include "runtime/task/task.h"

/**
 * Records that cannot be read, processed or written: stop, skip, or send the record as it came from
 * its input to the dead-letter topic, with the reason in headers of Kafka Streams' names
 * (KIP-1034). Records that come too late go to a topic of theirs in the same way.
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

enum { REASON_HEADERS = 6, CHANGE_HEADERS = 4 }; /* at most */

/* A letter under way: its headers are the record's own, the reason, what was changed to make it fit. */
struct letter {
    struct weir_record record;
    struct weir_header *headers;
    size_t own_count;
};

static void say(struct letter *letter, const char *key, const char *value)
{
    add_header(letter->headers, &letter->record.header_count, key, value);
}

/* The record's own headers, with room behind them. */
static int take_headers(struct weir_task *task, struct letter *letter)
{
    struct weir_record *record = &letter->record;
    const size_t count = record->header_count;
    struct weir_header *headers =
        weir_arena_array(task->arena, count + REASON_HEADERS + CHANGE_HEADERS, sizeof *headers);
    if (headers == NULL) return WEIR_NO_MEMORY;
    weir_copy(headers, record->headers, count * sizeof *headers);
    record->headers = letter->headers = headers;
    letter->own_count = count;
    return 0;
}

/* Then the reason. What has no place (a timer, a flush) is at -1 of no topic, as in Kafka Streams. */
static int add_reason(struct weir_task *task, const struct weir_source_position *source, int rc,
                      struct letter *letter)
{
    struct weir_arena *arena = task->arena;
    const struct weir_record *record = &letter->record;
    if (take_headers(task, letter) < 0) return WEIR_NO_MEMORY;
    say(letter, "__streams.errors.exception", weir_code_name(rc));
    say(letter, "__streams.errors.message",
        weir_arena_printf(arena, "%s", task->record_error.text));
    say(letter, "__streams.errors.topic", source != NULL ? source->topic : NULL);
    say(letter, "__streams.errors.partition",
        weir_arena_printf(arena, "%" PRId32, source != NULL ? source->partition : -1));
    say(letter, "__streams.errors.offset",
        weir_arena_printf(arena, "%" PRId64, source != NULL ? record->offset : -1));
    return weir_arena_failed(arena) ? WEIR_NO_MEMORY : 0;
}

/* Often the very reason for the letter, and no reason to stop a job that is to go on: the letter is
 * dated now, and a header has the record's own time. */
static void make_timely(struct weir_task *task, struct letter *letter)
{
    const int64_t now_ms = task->options.collector->wall_now_ms;
    say(letter, "__streams.errors.timestamp",
        weir_arena_printf(task->arena, "%" PRId64, letter->record.timestamp_ms));
    letter->record.timestamp_ms = now_ms > 0 ? now_ms : 0;
}

static size_t headers_size(const struct letter *letter)
{
    size_t size = 0;
    for (size_t i = 0; i < letter->record.header_count; i++) {
        const struct weir_header *header = &letter->headers[i];
        size += WEIR_HEADER_OVERHEAD_MAX + header->key.size + header->value.size;
    }
    return size;
}

/* The record's own headers go, all of them: half of a header helps nobody. */
static void drop_own_headers(struct letter *letter)
{
    letter->headers += letter->own_count;
    letter->record.headers = letter->headers;
    letter->record.header_count -= letter->own_count;
    letter->own_count = 0;
}

static void cut_to(struct weir_slice *bytes, size_t size)
{
    if (bytes->size > size) bytes->size = size;
}

enum {
    MESSAGE = 1
}; /* the message's place behind the record's own headers; a late record has none to cut */

/* Cut to what the topic takes: value first, then headers, then key, last the message; headers say how
 * large key and value were. */
static void make_fit(struct weir_task *task, size_t topic, struct letter *letter)
{
    struct weir_arena *arena = task->arena;
    struct weir_record *record = &letter->record;
    const size_t max = weir_collector_payload_max(&task->options.config->topics[topic]);
    say(letter, "__streams.errors.key.size", weir_arena_printf(arena, "%zu", record->key.size));
    say(letter, "__streams.errors.value.size", weir_arena_printf(arena, "%zu", record->value.size));
    if (headers_size(letter) + record->key.size > max) {
        size_t own_count = letter->own_count;
        drop_own_headers(letter);
        say(letter, "__streams.errors.headers.dropped", weir_arena_printf(arena, "%zu", own_count));
    }
    size_t taken = headers_size(letter);
    if (taken > max) {
        struct weir_slice *message = &letter->headers[letter->own_count + MESSAGE].value;
        cut_to(message, message->size > taken - max ? message->size - (taken - max) : 0);
        taken = headers_size(letter);
    }
    const size_t room = max > taken ? max - taken : 0;
    cut_to(&record->key, room);
    cut_to(&record->value, room - record->key.size);
}

/* What its topic would refuse of it is changed, and said in headers: a letter is for others to look at, and no reason to
 * stop a job that is to go on. */
static int send_letter(struct weir_task *task, size_t topic, struct letter *letter)
{
    struct weir_collector *collector = task->options.collector;
    const int32_t partition = weir_task_partition(task, topic, letter->record.key);
    int rc = weir_collector_check(collector, topic, &letter->record, NULL);
    if (rc == WEIR_TOO_LARGE) make_fit(task, topic, letter);
    if (rc == WEIR_TOO_LARGE) rc = weir_collector_check(collector, topic, &letter->record, NULL);
    if (rc == WEIR_INVALID_TIMESTAMP) make_timely(task, letter);
    weir_assert(letter->record.header_count <= letter->own_count + REASON_HEADERS + CHANGE_HEADERS);
    if (weir_arena_failed(task->arena)) return WEIR_NO_MEMORY;
    struct weir_error why = {0};
    rc = weir_collector_add(collector, topic, partition, &letter->record, &why);
    if (rc < 0) task->error = why;
    return rc;
}

static int send_dead_letter(struct weir_task *task, const struct weir_batch *batch, uint32_t row,
                            int rc)
{
    struct letter letter = {0};
    find_raw(task, batch, row, &letter.record);
    rc = add_reason(task, batch->source, rc, &letter);
    if (rc >= 0) rc = send_letter(task, task->options.config->dead_letter_topic, &letter);
    if (rc == WEIR_NO_MEMORY) {
        return weir_error_set(&task->error, WEIR_NO_MEMORY, "no memory for a dead letter");
    }
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

/* ---- records too far ahead of the wall clock ------------------------------------------------- */

static const char *ahead_policy(const struct weir_task *task)
{
    switch (task->options.config->on_timestamp_after_max) {
    case WEIR_TIMESTAMP_SKIP:
        return "skip";
    case WEIR_TIMESTAMP_CLAMP:
        return "clamp";
    case WEIR_TIMESTAMP_DEAD_LETTER:
        return "dead-letter";
    }
    return "";
}

/* Every record counts, one line a second is said. */
static void count_ahead(struct weir_task *task, const struct weir_source_position *source,
                        int64_t offset, int64_t timestamp_ms)
{
    enum { LOG_EVERY_MS = 1000 };
    struct weir_env *env = task->options.env;
    struct weir_counter *count = &task->options.metrics->records_ahead;
    weir_counter_add(count, 1);
    struct weir_mono now = weir_mono_now(env);
    if (now.ns < task->ahead_log_at.ns) return;
    task->ahead_log_at = weir_mono_after_ms(now, LOG_EVERY_MS);
    weir_log(&env->logger, WEIR_LOG_WARN, "records.ahead",
             "task=%s topic=%s partition=%" PRId32 " offset=%" PRId64 " ahead_ms=%" PRId64
             " timestamp_after_max_ms=%" PRId64 " policy=%s total=%" PRId64,
             task->name, source->topic, source->partition, offset,
             weir_saturating_sub(timestamp_ms, task->wall_now_ms),
             task->options.config->timestamp_after_max_ms, ahead_policy(task),
             weir_counter_get(count));
}

int weir_task_record_ahead(struct weir_task *task, const struct weir_batch *batch)
{
    const struct weir_task_config *config = task->options.config;
    weir_assert(batch->count == 1 && batch->source != NULL);
    count_ahead(task, batch->source, batch->offsets[0], batch->timestamps[0]);
    if (config->on_timestamp_after_max != WEIR_TIMESTAMP_DEAD_LETTER) return 0;
    int rc = weir_error_set(&task->record_error, WEIR_INVALID_TIMESTAMP,
                            "the record's timestamp %" PRId64 " is %" PRId64
                            " ms ahead of the wall clock; timestamp_after_max_ms is %" PRId64,
                            batch->timestamps[0],
                            weir_saturating_sub(batch->timestamps[0], task->wall_now_ms),
                            config->timestamp_after_max_ms);
    rc = send_dead_letter(task, batch, 0, rc);
    task->record_error = (struct weir_error){0};
    return rc < 0 ? rc : 0;
}

void weir_task_note_ahead(struct weir_task *task, const struct weir_task_input *input,
                          const struct weir_record *record)
{
    count_ahead(task, &input->source, record->offset, record->timestamp_ms);
}

/* ---- records that come too late -------------------------------------------------------------- */

static void add_lateness(struct weir_node *node, const struct weir_batch *batch, uint32_t row,
                         int64_t windows, struct letter *letter)
{
    struct weir_arena *arena = node->task->arena;
    const struct weir_source_position *source = batch->source;
    const int64_t late_ms = weir_saturating_sub(node->observed_ms, batch->timestamps[row]);
    say(letter, "__streams.late.operator", node->plan->name);
    say(letter, "__streams.late.ms", weir_arena_printf(arena, "%" PRId64, late_ms));
    say(letter, "__streams.late.windows", weir_arena_printf(arena, "%" PRId64, windows));
    say(letter, "__streams.late.topic", source != NULL ? source->topic : NULL);
    say(letter, "__streams.late.partition",
        weir_arena_printf(arena, "%" PRId32, source != NULL ? source->partition : -1));
    say(letter, "__streams.late.offset",
        weir_arena_printf(arena, "%" PRId64, letter->record.offset));
}

int weir_node_send_late(struct weir_node *node, const struct weir_batch *batch, uint32_t row,
                        int64_t windows)
{
    struct weir_task *task = node->task;
    const size_t topic = task->options.config->late_topic;
    struct letter letter = {0};
    if (topic == SIZE_MAX) return 0;
    find_raw(task, batch, row, &letter.record);
    int rc = take_headers(task, &letter);
    if (rc >= 0) {
        add_lateness(node, batch, row, windows, &letter);
        rc = send_letter(task, topic, &letter);
    }
    if (rc == WEIR_NO_MEMORY) {
        return weir_error_set(&task->error, WEIR_NO_MEMORY, "no memory for a late record");
    }
    return rc < 0 ? weir_error_wrap(&task->error, rc, "write a late record") : 0;
}
