#include "runtime/task/task.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"

/* ---- choice ---------------------------------------------------------------------------------- */

struct choice {
    struct weir_task_input *input;
    int64_t timestamp_ms; /* of its head */
    int64_t bound_ms;     /* rows up to this timestamp would be chosen again */
};

/* What stops the task, with as much of a place as is known. */
static int stopped(struct weir_task *task, int rc)
{
    if (task->error.code != (enum weir_code)rc) {
        bool is_told = task->record_error.code == (enum weir_code)rc;
        (void)weir_error_set(&task->error, (enum weir_code)rc, "task %s: %s", task->name,
                             is_told ? task->record_error.text : weir_code_text(rc));
    }
    return rc;
}

/* The largest timestamp that a record of the input may have. What the job itself wrote to a repartition topic has been
 * let through. */
static int64_t latest_of(const struct weir_task *task, const struct weir_task_input *input)
{
    const int64_t max_ms = task->options.config->timestamp_after_max_ms;
    if (max_ms == 0 || input->is_repartition) return INT64_MAX;
    return weir_saturating_add(task->wall_now_ms, max_ms);
}

static bool is_clamping(const struct weir_task *task)
{
    return task->options.config->on_timestamp_after_max == WEIR_TIMESTAMP_CLAMP;
}

static bool is_stopping(const struct weir_task *task)
{
    return task->options.config->on_deserialization_error == WEIR_ON_ERROR_FAIL;
}

/* The record at the head cannot be used: its time is negative (T1), or too far ahead. */
static int drop_head(struct weir_task *task, struct weir_task_input *input,
                     const struct weir_record *record)
{
    weir_assert(task->raw == NULL);
    struct weir_headers headers = {record->headers, record->header_count};
    const struct weir_batch batch = {
        .count = 1,
        .key_bytes = &record->key,
        .value_bytes = &record->value,
        .timestamps = &record->timestamp_ms,
        .headers = &headers,
        .offsets = &record->offset,
        .source = &input->source,
    };
    static const char remedy[] =
        "; on_deserialization_error WEIR_ON_ERROR_SKIP goes on without it, "
        "WEIR_ON_ERROR_DEAD_LETTER sends it to dead_letter_topic";
    int rc;
    task->raw = &batch;
    task->is_dirty = true;
    if (record->timestamp_ms < 0) {
        rc = weir_error_set(&task->record_error, WEIR_INVALID_TIMESTAMP,
                            "the record's timestamp %" PRId64 " is negative%s",
                            record->timestamp_ms, is_stopping(task) ? remedy : "");
        rc = weir_task_record_failed(task, input->node, &batch, 0, rc);
    } else {
        rc = weir_task_record_ahead(task, &batch);
    }
    task->raw = NULL;
    weir_arena_reset(task->arena);
    if (rc < 0) return rc;
    weir_input_queue_advance(&input->queue, 1);
    weir_input_queue_release(&input->queue);
    return 0;
}

/* What a writer says between two batches is heard at once, whatever other inputs hold. */
static void hear_note(struct weir_task *task, struct weir_task_input *input,
                      const struct weir_record *note)
{
    struct weir_record heard = *note;
    bool is_taken = weir_task_time_take(task, input, &heard, true);
    input->has_notes = true;
    weir_assert(is_taken && task->raw == NULL);
    weir_input_queue_advance(&input->queue, 1);
    weir_input_queue_release(&input->queue);
}

/* The timestamp of the head record: 1, or 0 when nothing is buffered. */
static int head_of(struct weir_task *task, struct weir_task_input *input, int64_t *timestamp_out)
{
    for (;;) {
        const struct weir_record *records = NULL;
        int count = weir_input_queue_peek(&input->queue, &records, &task->error);
        if (count < 0) {
            const struct weir_topic_partition of = {weir_text(input->source.topic),
                                                    input->source.partition};
            if (count == WEIR_CORRUPT) weir_input_say_repair(&of, &task->error);
            return weir_error_wrap(&task->error, count, "read '%s' partition %" PRId32,
                                   input->source.topic, input->source.partition);
        }
        if (count == 0) return 0;
        if (input->is_repartition && weir_is_time_note(&records[0])) {
            hear_note(task, input, &records[0]);
            continue;
        }
        int64_t timestamp_ms = records[0].timestamp_ms;
        const int64_t latest_ms = latest_of(task, input);
        if (timestamp_ms > latest_ms && is_clamping(task)) timestamp_ms = latest_ms;
        *timestamp_out = timestamp_ms;
        if (timestamp_ms >= 0 && timestamp_ms <= latest_ms) return 1;
        int rc = drop_head(task, input, &records[0]);
        if (rc < 0) return rc;
    }
}

/* Records are in the log, or may be, that are not here yet. */
static bool is_behind(const struct weir_task_input *input)
{
    return input->log_end < 0 || input->queue.fetch_offset < input->log_end;
}

static int choose(struct weir_task *task, struct choice *choice_out)
{
    struct choice choice = {.bound_ms = task->time_limit_ms};
    task->is_held = false;
    for (size_t i = 0; i < task->input_count; i++) {
        struct weir_task_input *input = &task->inputs[i];
        int64_t timestamp = 0;
        int rc = head_of(task, input, &timestamp);
        if (rc < 0) return rc;
        if (rc == 0 && is_behind(input)) return 0;
        if (rc == 0) continue;
        if (choice.input == NULL) {
            choice.input = input;
            choice.timestamp_ms = timestamp;
        } else if (timestamp < choice.timestamp_ms) {
            /* The former choice is an earlier sibling now: it wins at a tie. */
            int64_t before_ms = choice.timestamp_ms - 1;
            if (before_ms < choice.bound_ms) choice.bound_ms = before_ms;
            choice.input = input;
            choice.timestamp_ms = timestamp;
        } else if (timestamp < choice.bound_ms) {
            choice.bound_ms = timestamp;
        }
    }
    if (choice.input == NULL) return 0;
    task->next_ms = choice.timestamp_ms;
    task->is_held = choice.timestamp_ms > task->time_limit_ms;
    *choice_out = choice;
    return !task->is_held;
}

/* ---- a batch of rows ------------------------------------------------------------------------- */

struct columns {
    struct weir_slice *keys;
    struct weir_slice *values;
    int64_t *timestamps;
    int64_t *offsets;
    struct weir_headers *headers; /* NULL until a row has some */
    size_t capacity;
    size_t count;
    int64_t max_timestamp_ms;
};

static int columns_init(struct weir_task *task, struct columns *columns, size_t capacity)
{
    struct weir_arena *arena = task->arena;
    weir_assert(capacity > 0 && capacity <= WEIR_TASK_ROWS_MAX);
    *columns = (struct columns){
        .keys = weir_arena_array(arena, capacity, sizeof *columns->keys),
        .values = weir_arena_array(arena, capacity, sizeof *columns->values),
        .timestamps = weir_arena_array(arena, capacity, sizeof *columns->timestamps),
        .offsets = weir_arena_array(arena, capacity, sizeof *columns->offsets),
        .capacity = capacity,
        .max_timestamp_ms = -1,
    };
    return weir_arena_failed(arena) ? WEIR_NO_MEMORY : 0;
}

static int add_headers(struct weir_task *task, struct columns *columns,
                       const struct weir_record *record)
{
    weir_assert_slow(columns->count < columns->capacity);
    if (record->header_count == 0) return 0;
    if (columns->headers == NULL) {
        size_t size = columns->capacity * sizeof *columns->headers;
        columns->headers = weir_arena_alloc_zero(task->arena, size);
        if (columns->headers == NULL) return WEIR_NO_MEMORY;
    }
    columns->headers[columns->count] = (struct weir_headers){record->headers, record->header_count};
    return 0;
}

/* When the next stream-time timer falls due, if its time comes within what writers have reached. */
static int64_t timer_due(const struct weir_task *task)
{
    int64_t timer_ms = task->timers.next_stream_ms;
    return timer_ms > task->time.bound_ms ? INT64_MAX : timer_ms;
}

enum taking { TAKEN, IS_NOTE, ENDS_BATCH, HAS_FAILED };

/* A record with headers. What writers say goes no further; where it moves the bound of stream time a batch begins. */
static enum taking take_headers(struct weir_task *task, struct weir_task_input *input,
                                struct columns *columns, const struct weir_record *record)
{
    struct weir_record heard = *record;
    if (!input->is_repartition) return add_headers(task, columns, record) < 0 ? HAS_FAILED : TAKEN;
    if (!weir_task_time_take(task, input, &heard, columns->count == 0)) return ENDS_BATCH;
    if (heard.header_count < record->header_count && weir_is_time_note(record)) {
        input->has_notes = true;
        return IS_NOTE;
    }
    return add_headers(task, columns, &heard) < 0 ? HAS_FAILED : TAKEN;
}

/* How many records of one chunk go into this batch. `is_last_out`: the batch ends with them. */
static int take_rows(struct weir_task *task, struct weir_task_input *input, struct columns *columns,
                     const struct weir_record *records, size_t count, int64_t bound_ms,
                     bool *is_last_out)
{
    int64_t timer_ms = timer_due(task);
    const int64_t latest_ms = latest_of(task, input);
    bool is_last = false;
    size_t i = 0;
    for (; i < count && columns->count < columns->capacity && !is_last; i++) {
        const struct weir_record *record = &records[i];
        int64_t timestamp = record->timestamp_ms;
        if (record->header_count > 0) {
            enum taking taking = take_headers(task, input, columns, record);
            if (taking == HAS_FAILED) return WEIR_NO_MEMORY;
            if (taking == IS_NOTE) continue;
            is_last = taking == ENDS_BATCH;
            timer_ms = timer_due(task);
        }
        const bool is_clamped = timestamp > latest_ms && is_clamping(task);
        if (is_clamped) timestamp = latest_ms;
        if (is_last || timestamp < 0 || timestamp > bound_ms || timestamp > latest_ms) {
            is_last = true;
            break;
        }
        if (is_clamped) weir_task_note_ahead(task, input, record);
        columns->keys[columns->count] = record->key;
        columns->values[columns->count] = record->value;
        columns->timestamps[columns->count] = timestamp;
        columns->offsets[columns->count] = record->offset;
        columns->count++;
        if (timestamp > columns->max_timestamp_ms) columns->max_timestamp_ms = timestamp;
        is_last = timestamp >= timer_ms; /* the timer fires right behind this row */
    }
    *is_last_out = is_last || columns->count == columns->capacity;
    return (int)i;
}

static int fill_batch(struct weir_task *task, const struct choice *choice, struct columns *columns)
{
    struct weir_input_queue *queue = &choice->input->queue;
    size_t capacity = queue->buffered_records;
    if (capacity > WEIR_TASK_ROWS_MAX) capacity = WEIR_TASK_ROWS_MAX;
    int rc = columns_init(task, columns, capacity);
    bool is_last = false;
    while (rc >= 0 && !is_last) {
        const struct weir_record *records = NULL;
        int count = weir_input_queue_peek(queue, &records, &task->error);
        if (count <= 0) return count;
        rc = take_rows(task, choice->input, columns, records, (size_t)count, choice->bound_ms,
                       &is_last);
        if (rc > 0) weir_input_queue_advance(queue, (size_t)rc);
    }
    return rc < 0 ? rc : 0;
}

static int process_rows(struct weir_task *task, struct weir_task_input *input,
                        const struct columns *columns)
{
    weir_assert(task->raw == NULL && task->gathered == NULL);
    const struct weir_batch batch = {
        .count = columns->count,
        .key_bytes = columns->keys,
        .value_bytes = columns->values,
        .timestamps = columns->timestamps,
        .headers = columns->headers,
        .offsets = columns->offsets,
        .source = &input->source,
    };
    struct weir_node *node = input->node;
    task->raw = &batch;
    int rc = node->plan->ops->process(node, &batch);
    if (rc >= 0) rc = weir_task_send_gathered(task);
    task->gathered = NULL;
    task->raw = NULL;
    return rc < 0 ? rc : 0;
}

/* Time may have moved on all the same, and those behind the sinks may wait to hear of it. */
static int process_nothing(struct weir_task *task)
{
    int rc = weir_task_time_follow(task);
    weir_arena_reset(task->arena);
    if (rc >= 0) rc = weir_task_time_tell(task, false);
    return rc < 0 ? stopped(task, rc) : 0;
}

int weir_task_process(struct weir_task *task)
{
    struct choice choice;
    weir_assert(weir_task_is_running(task));
    int rc = choose(task, &choice);
    if (rc < 0) return stopped(task, rc);
    if (rc == 0) return process_nothing(task);

    struct columns columns;
    rc = fill_batch(task, &choice, &columns);
    if (rc >= 0) rc = weir_task_time_follow(task);
    if (rc >= 0) {
        weir_assert(columns.count > 0);
        weir_task_time_begin_batch(task, columns.count);
        task->is_dirty = true;
        weir_counter_add(&task->options.metrics->records_in, (int64_t)columns.count);
        rc = process_rows(task, choice.input, &columns);
    }
    if (rc >= 0) {
        int64_t time_ms = columns.max_timestamp_ms;
        if (time_ms > choice.input->partition_time_ms) choice.input->partition_time_ms = time_ms;
        weir_task_time_advance(task, time_ms);
        weir_arena_reset(task->arena);
        rc = weir_timers_run(&task->timers, WEIR_PUNCTUATE_STREAM_TIME, task->stream_time_ms);
    }
    if (rc >= 0 && weir_task_time_is_due(task)) rc = weir_task_time_tell(task, false);
    weir_arena_reset(task->arena);
    weir_input_queue_release(&choice.input->queue);
    return rc < 0 ? stopped(task, rc) : (int)columns.count;
}

void weir_task_note_catching_up(struct weir_task *task, int rows)
{
    int64_t lag = 0;
    bool is_at_end = true;
    if (task->is_held || (task->is_catching_up && rows > 0)) return;
    for (size_t i = 0; i < task->input_count; i++) {
        const struct weir_task_input *input = &task->inputs[i];
        is_at_end &= weir_input_queue_is_empty(&input->queue) && !is_behind(input);
        if (input->log_end > input->queue.position) lag += input->log_end - input->queue.position;
    }
    if (task->is_catching_up) {
        task->is_catching_up = !is_at_end;
    } else {
        task->is_catching_up = lag > WEIR_TASK_FALLS_BEHIND;
    }
}

int weir_task_run_timers(struct weir_task *task, int64_t wall_now_ms)
{
    task->wall_now_ms = wall_now_ms;
    int idle = weir_task_time_idle(task);
    if (idle < 0) return stopped(task, idle);
    if (task->timers.next_wall_ms > wall_now_ms) return 0;
    int rc = weir_timers_run(&task->timers, WEIR_PUNCTUATE_WALL_CLOCK, wall_now_ms);
    weir_arena_reset(task->arena);
    if (rc > 0) task->is_dirty = true;
    return rc < 0 ? stopped(task, rc) : rc;
}

/* ---- before a commit ------------------------------------------------------------------------- */

int weir_task_flush(struct weir_task *task)
{
    for (size_t i = 0; i < task->plan->node_count; i++) {
        struct weir_node *node = &task->nodes[i];
        if (node->plan->ops->flush == NULL) continue;
        int rc = node->plan->ops->flush(node);
        weir_arena_reset(task->arena);
        if (rc < 0) return stopped(task, rc);
    }
    return 0;
}

static int append_changelog(void *context, struct weir_store *store,
                            const struct weir_record *record)
{
    struct weir_task *task = context;
    const struct weir_topology *topology = task->options.config->topology;
    size_t local = 0;
    while (weir_state_store(task->state, local) != store) {
        local++;
    }
    int32_t index = task->plan->stores[local];
    const struct weir_plan_store *plan = &topology->stores[index];
    if (!plan->spec.is_logged) return 0;
    if (weir_task_source_topic(task->options.config, (size_t)index) >= 0) return 0;
    return weir_collector_add(task->options.collector,
                              weir_changelog_topic(topology, (size_t)index),
                              task->options.partition, record, &task->error);
}

int weir_task_seal(struct weir_task *task)
{
    weir_assert(weir_task_is_running(task)); /* a store that lacks rows is part of no commit */
    if (task->state == NULL) return 0;
    int rc = weir_state_seal(task->state, append_changelog, task, &task->error);
    return rc < 0 ? stopped(task, rc) : 0;
}
