#include "runtime/task/task.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"

enum { TASK_MAGIC = 0x7461736b, ARENA_BLOCK_SIZE = 256 << 10 };

/* ---- making one -------------------------------------------------------------------------------- */

static struct weir_node *node_of(struct weir_task *task, int32_t id)
{
    for (size_t i = 0; i < task->plan->node_count; i++) {
        if (task->plan->nodes[i] == id) return &task->nodes[i];
    }
    weir_assert(false && "a child in another sub-topology");
    return NULL;
}

static size_t local_store(const struct weir_task *task, int32_t store)
{
    size_t i = 0;
    while (i < task->plan->store_count && task->plan->stores[i] != store)
        i++;
    weir_assert(i < task->plan->store_count);
    return i;
}

static void node_init(struct weir_task *task, struct weir_node *node,
                      const struct weir_plan_node *plan)
{
    struct weir_arena *memory = &task->memory;
    size_t state_size = plan->ops->state_size;
    *node = (struct weir_node){
        .plan = plan,
        .task = task,
        .children = weir_arena_array(memory, plan->child_count, sizeof(struct weir_node *)),
        .stores = weir_arena_array(memory, plan->store_count, sizeof(struct weir_store *)),
        .state = state_size > 0 ? weir_arena_alloc_zero(memory, state_size) : NULL,
        .observed_ms = -1,
        .call = {.partition = -1,
                 .offset = -1,
                 .scope = &task->scope,
                 .error = &task->record_error},
    };
    if (weir_arena_failed(memory)) return;
    for (size_t i = 0; i < plan->child_count; i++) {
        node->children[i] = node_of(task, plan->children[i]);
    }
    for (size_t i = 0; i < plan->store_count; i++)
        node->stores[i] = NULL;
}

static void input_init(struct weir_task *task, struct weir_task_input *input, int32_t source)
{
    const struct weir_task_config *config = task->options.config;
    const struct weir_plan_node *plan = &config->topology->nodes[source];
    *input = (struct weir_task_input){
        .plan = plan,
        .node = node_of(task, source),
        .topic = (size_t)plan->topic,
        .source = {config->topics[plan->topic].name, task->options.partition},
        .partition_time_ms = -1,
        .log_end = -1,
    };
    weir_input_queue_init(&input->queue, task->options.budget, 0);
}

/* A source whose topic has fewer partitions than the task's number has no part in this task. */
static bool has_partition(const struct weir_task *task, int32_t source)
{
    const struct weir_task_config *config = task->options.config;
    int32_t topic = config->topology->nodes[source].topic;
    return task->options.partition < config->topics[topic].partition_count;
}

static int task_build(struct weir_task *task)
{
    const struct weir_plan_subtopology *plan = task->plan;
    const struct weir_topology *topology = task->options.config->topology;
    task->nodes = weir_arena_array(&task->memory, plan->node_count, sizeof *task->nodes);
    task->inputs = weir_arena_array(&task->memory, plan->source_count, sizeof *task->inputs);
    task->sticky_partitions = weir_arena_array(
        &task->memory, topology->topic_count + topology->store_count + 1, sizeof(int32_t));
    if (weir_arena_failed(&task->memory)) return WEIR_NO_MEMORY;
    memset(task->nodes, 0, plan->node_count * sizeof *task->nodes);
    for (size_t i = 0; i < plan->node_count; i++) {
        node_init(task, &task->nodes[i], &topology->nodes[plan->nodes[i]]);
    }
    if (weir_arena_failed(&task->memory)) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < plan->source_count; i++) {
        if (!has_partition(task, plan->sources[i])) continue;
        input_init(task, &task->inputs[task->input_count++], plan->sources[i]);
    }
    for (size_t i = 0; i < topology->topic_count + topology->store_count + 1; i++) {
        task->sticky_partitions[i] = -1;
    }
    return 0;
}

int weir_task_new(const struct weir_task_options *options, struct weir_task **task_out,
                  struct weir_error *error)
{
    struct weir_task *task = weir_alloc_zero(options->budget, sizeof *task);
    if (task == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a task");
    task->magic = TASK_MAGIC;
    task->options = *options;
    task->plan = &options->config->topology->subtopologies[options->subtopology];
    task->stream_time_ms = -1;
    (void)snprintf(task->name, sizeof task->name, "%" PRId32 "_%" PRId32, options->subtopology,
                   options->partition); /* two int32 fit */
    weir_arena_init(&task->memory, options->budget, 4096);
    weir_arena_init(&task->arena, options->budget, ARENA_BLOCK_SIZE);
    task->scope.arena = &task->arena;
    weir_timers_init(&task->timers, options->budget);
    if (task_build(task) < 0) {
        weir_task_free(task);
        return weir_error_set(error, WEIR_NO_MEMORY, "no memory for task %d_%d",
                              (int)options->subtopology, (int)options->partition);
    }
    *task_out = task;
    return 0;
}

void weir_task_free(struct weir_task *task)
{
    if (task == NULL) return;
    weir_assert(task->magic == TASK_MAGIC && task->state == NULL);
    while (task->open_count > 0) {
        struct weir_node *node = &task->nodes[--task->open_count];
        if (node->plan->ops->close != NULL) node->plan->ops->close(node);
    }
    for (size_t i = 0; i < task->input_count; i++)
        weir_input_queue_close(&task->inputs[i].queue);
    weir_timers_close(&task->timers);
    weir_arena_close(&task->arena);
    weir_arena_close(&task->memory);
    weir_free(task);
}

void weir_task_set_input(struct weir_task *task, size_t index, int64_t position,
                         int64_t partition_time_ms)
{
    weir_assert(index < task->input_count);
    struct weir_task_input *input = &task->inputs[index];
    weir_input_queue_init(&input->queue, task->options.budget, position);
    input->partition_time_ms = partition_time_ms;
    if (partition_time_ms > task->stream_time_ms) task->stream_time_ms = partition_time_ms;
}

int weir_task_open_state(struct weir_task *task, const char *state_path,
                         struct weir_actor *reply_to,
                         void (*on_written)(void *context, int rc, const struct weir_error *error),
                         void *context, struct weir_error *error)
{
    size_t count = task->plan->store_count;
    if (count == 0) return 0;
    const struct weir_topology *topology = task->options.config->topology;
    const struct weir_store_spec **specs = weir_arena_array(&task->memory, count, sizeof *specs);
    if (specs == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory for stores");
    for (size_t i = 0; i < count; i++)
        specs[i] = &topology->stores[task->plan->stores[i]].spec;

    bool wiped = false;
    int rc = weir_state_open(
        &(struct weir_state_options){
            .env = task->options.env,
            .budget = task->options.budget,
            .path = state_path,
            .specs = specs,
            .store_count = count,
            .cache_bytes_max = task->options.config->cache_bytes_max,
            .reply_to = reply_to,
            .on_written = on_written,
            .context = context,
        },
        &task->state, &wiped, error);
    if (rc < 0) return weir_error_wrap(error, rc, "open the state of task %s", task->name);
    if (wiped) {
        weir_log(&task->options.env->logger, WEIR_LOG_WARN, "state.wiped", "task=%s", task->name);
    }
    for (size_t i = 0; i < task->plan->node_count; i++) {
        struct weir_node *node = &task->nodes[i];
        for (size_t s = 0; s < node->plan->store_count; s++) {
            node->stores[s] =
                weir_state_store(task->state, local_store(task, node->plan->stores[s]));
        }
    }
    return 0;
}

int weir_task_close_state(struct weir_task *task, bool is_clean, struct weir_error *error)
{
    struct weir_state *state = task->state;
    task->state = NULL;
    return weir_state_close(state, is_clean, error);
}

static void give_back_observed(struct weir_task *task, const struct weir_node_mark *marks,
                               size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (marks[i].id != WEIR_MARK_OBSERVED) continue;
        for (size_t n = 0; n < task->plan->node_count; n++) {
            if (task->plan->nodes[n] == marks[i].node) {
                task->nodes[n].observed_ms = marks[i].time_ms;
            }
        }
    }
}

int weir_task_open(struct weir_task *task, const struct weir_node_mark *marks, size_t mark_count,
                   int64_t wall_now_ms, struct weir_error *error)
{
    task->timers.marks = marks;
    task->timers.mark_count = mark_count;
    give_back_observed(task, marks, mark_count);
    task->wall_now_ms = wall_now_ms;
    int rc = 0;
    for (size_t i = 0; i < task->plan->node_count && rc >= 0; i++) {
        struct weir_node *node = &task->nodes[i];
        task->open_count = i + 1;
        if (node->plan->ops->open == NULL) continue;
        rc = node->plan->ops->open(node, error);
        (void)weir_error_wrap(error, rc, "open node '%s' of task %s", node->plan->name, task->name);
    }
    task->timers.marks = NULL;
    task->timers.mark_count = 0;
    weir_arena_reset(&task->arena);
    return rc < 0 ? rc : 0;
}

/* ---- choice -------------------------------------------------------------------------------------- */

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

/* The record at the head cannot be used: its time is negative (T1). */
static int fail_head(struct weir_task *task, struct weir_task_input *input,
                     const struct weir_record *record)
{
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
    int rc = weir_error_set(&task->record_error, WEIR_INVALID_TIMESTAMP,
                            "the record's timestamp %" PRId64 " is negative", record->timestamp_ms);
    task->raw = &batch;
    task->is_dirty = true;
    rc = weir_task_record_failed(task, input->node, &batch, 0, rc);
    task->raw = NULL;
    weir_arena_reset(&task->arena);
    if (rc < 0) return rc;
    weir_input_queue_advance(&input->queue, 1);
    weir_input_queue_release(&input->queue);
    return 0;
}

/* The timestamp of the head record: 1, or 0 when nothing is buffered. */
static int head_of(struct weir_task *task, struct weir_task_input *input, int64_t *timestamp_out)
{
    for (;;) {
        const struct weir_record *records = NULL;
        int count = weir_input_queue_peek(&input->queue, &records, &task->error);
        if (count < 0) {
            return weir_error_wrap(&task->error, count, "read '%s' partition %" PRId32,
                                   input->source.topic, input->source.partition);
        }
        if (count == 0) return 0;
        *timestamp_out = records[0].timestamp_ms;
        if (records[0].timestamp_ms >= 0) return 1;
        int rc = fail_head(task, input, &records[0]);
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
    struct choice choice = {.bound_ms = INT64_MAX};
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
            choice.bound_ms = choice.timestamp_ms - 1 < choice.bound_ms ? choice.timestamp_ms - 1
                                                                        : choice.bound_ms;
            choice.input = input;
            choice.timestamp_ms = timestamp;
        } else if (timestamp < choice.bound_ms) {
            choice.bound_ms = timestamp;
        }
    }
    *choice_out = choice;
    return choice.input != NULL;
}

bool weir_task_has_work(struct weir_task *task)
{
    bool has_records = false;
    for (size_t i = 0; i < task->input_count; i++) {
        const struct weir_task_input *input = &task->inputs[i];
        bool is_empty = weir_input_queue_is_empty(&input->queue);
        if (is_empty && is_behind(input)) return false;
        has_records |= !is_empty;
    }
    return has_records;
}

/* ---- a batch of rows ------------------------------------------------------------------------------ */

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
    struct weir_arena *arena = &task->arena;
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
    if (columns->headers == NULL) {
        size_t size = columns->capacity * sizeof *columns->headers;
        columns->headers = weir_arena_alloc_zero(&task->arena, size);
        if (columns->headers == NULL) return WEIR_NO_MEMORY;
    }
    columns->headers[columns->count] = (struct weir_headers){record->headers, record->header_count};
    return 0;
}

/* The rows of one chunk that go into this batch. `is_last_out`: the batch ends with them. */
static int take_rows(struct weir_task *task, struct columns *columns,
                     const struct weir_record *records, size_t count, int64_t bound_ms,
                     bool *is_last_out)
{
    size_t before = columns->count;
    size_t room = columns->capacity - before;
    int64_t timer_ms = task->timers.next_stream_ms;
    bool is_last = false;
    size_t i = 0;
    for (; i < count && i < room && !is_last; i++) {
        const struct weir_record *record = &records[i];
        int64_t timestamp = record->timestamp_ms;
        if (timestamp < 0 || timestamp > bound_ms) {
            is_last = true;
            break;
        }
        columns->keys[columns->count] = record->key;
        columns->values[columns->count] = record->value;
        columns->timestamps[columns->count] = timestamp;
        columns->offsets[columns->count] = record->offset;
        if (record->header_count > 0 && add_headers(task, columns, record) < 0) {
            return WEIR_NO_MEMORY;
        }
        columns->count++;
        if (timestamp > columns->max_timestamp_ms) columns->max_timestamp_ms = timestamp;
        is_last = timestamp >= timer_ms; /* the timer fires right behind this row */
    }
    *is_last_out = is_last || columns->count == columns->capacity;
    return (int)(columns->count - before);
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
        rc = take_rows(task, columns, records, (size_t)count, choice->bound_ms, &is_last);
        if (rc > 0) weir_input_queue_advance(queue, (size_t)rc);
    }
    return rc < 0 ? rc : 0;
}

static int process_rows(struct weir_task *task, struct weir_task_input *input,
                        const struct columns *columns)
{
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
    task->raw = NULL;
    return rc < 0 ? rc : 0;
}

static void advance_time(struct weir_task *task, struct weir_task_input *input, int64_t time_ms)
{
    if (time_ms > input->partition_time_ms) input->partition_time_ms = time_ms;
    if (time_ms > task->stream_time_ms) task->stream_time_ms = time_ms;
}

int weir_task_process(struct weir_task *task)
{
    struct choice choice;
    int rc = choose(task, &choice);
    if (rc < 0) return stopped(task, rc);
    if (rc == 0) return 0;

    struct columns columns;
    rc = fill_batch(task, &choice, &columns);
    if (rc >= 0) {
        weir_assert(columns.count > 0);
        task->is_dirty = true;
        weir_counter_add(&task->options.metrics->records_in, (int64_t)columns.count);
        rc = process_rows(task, choice.input, &columns);
    }
    if (rc >= 0) {
        advance_time(task, choice.input, columns.max_timestamp_ms);
        weir_arena_reset(&task->arena);
        rc = weir_timers_run(&task->timers, WEIR_PUNCTUATE_STREAM_TIME, task->stream_time_ms);
    }
    weir_arena_reset(&task->arena);
    weir_input_queue_release(&choice.input->queue);
    return rc < 0 ? stopped(task, rc) : (int)columns.count;
}

int weir_task_run_timers(struct weir_task *task, int64_t wall_now_ms)
{
    task->wall_now_ms = wall_now_ms;
    if (task->timers.next_wall_ms > wall_now_ms) return 0;
    int rc = weir_timers_run(&task->timers, WEIR_PUNCTUATE_WALL_CLOCK, wall_now_ms);
    weir_arena_reset(&task->arena);
    if (rc > 0) task->is_dirty = true;
    return rc < 0 ? stopped(task, rc) : rc;
}

/* ---- before a commit ------------------------------------------------------------------------------ */

int weir_task_flush(struct weir_task *task)
{
    for (size_t i = 0; i < task->plan->node_count; i++) {
        struct weir_node *node = &task->nodes[i];
        if (node->plan->ops->flush == NULL) continue;
        int rc = node->plan->ops->flush(node);
        weir_arena_reset(&task->arena);
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
    while (weir_state_store(task->state, local) != store)
        local++;
    int32_t index = task->plan->stores[local];
    const struct weir_plan_store *plan = &topology->stores[index];
    if (!plan->spec.is_logged || plan->source_topic >= 0) return 0;
    return weir_collector_add(task->options.collector,
                              weir_changelog_topic(topology, (size_t)index),
                              task->options.partition, record, &task->error);
}

int weir_task_seal(struct weir_task *task)
{
    if (task->state == NULL) return 0;
    int rc = weir_state_seal(task->state, append_changelog, task, &task->error);
    return rc < 0 ? stopped(task, rc) : 0;
}
