#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "runtime/task/task.h"
#include "runtime/task/timed_topics.h"

enum {
    ROWS_PER_SAYING_MIN = WEIR_TASK_ROWS_MAX,
    /* A saying costs each partition a header or a note: at most one in so many rows. */
    ROWS_PER_PARTITION = 16,
    SAYINGS_PER_NOTES = 4, /* where neither a commit nor the end of the inputs comes before */
};

/* ---- making the task's part ------------------------------------------------------------------ */

static int init_writers(struct weir_task *task, struct weir_task_input *input)
{
    const struct weir_task_config *config = task->options.config;
    const struct weir_topology *topology = config->topology;
    struct weir_arena *memory = &task->memory;
    bool *are_writers = weir_arena_array(memory, topology->subtopology_count, sizeof *are_writers);
    input->writers = weir_arena_alloc_zero(memory, sizeof *input->writers);
    if (are_writers == NULL || input->writers == NULL) return WEIR_NO_MEMORY;
    for (size_t s = 0; s < topology->subtopology_count; s++) {
        are_writers[s] = weir_writes_topic(topology, s, input->topic);
    }
    if (config->topics[input->topic].bounds_time) {
        task->time.is_bounded = true;
        task->time.bound_ms = -1;
    }
    return weir_writer_times_init(input->writers, memory, are_writers, config->task_counts,
                                  topology->subtopology_count, 0);
}

static int init_telling(struct weir_task *task, struct weir_told *told, size_t topic)
{
    const int32_t count = task->options.config->topics[topic].partition_count;
    *told = (struct weir_told){
        .topic = topic,
        .partition_count = count,
        .versions = weir_arena_alloc_zero(&task->memory, (size_t)count * sizeof *told->versions),
        .at_end = weir_arena_alloc_zero(&task->memory, (size_t)count * sizeof *told->at_end),
    };
    task->time.rows_per_saying += (size_t)count * ROWS_PER_PARTITION;
    task->time.told[topic] = told;
    return told->versions != NULL && told->at_end != NULL ? 0 : WEIR_NO_MEMORY;
}

static bool is_timed_sink(const struct weir_task *task, size_t topic)
{
    const struct weir_task_config *config = task->options.config;
    return config->topics[topic].is_timed &&
           weir_writes_topic(config->topology, (size_t)task->options.subtopology, topic);
}

static int init_tellings(struct weir_task *task)
{
    struct weir_task_time *time = &task->time;
    const size_t topic_count = task->options.config->topology->topic_count;
    size_t count = 0;
    for (size_t t = 0; t < topic_count; t++) {
        count += is_timed_sink(task, t);
    }
    if (count == 0) return 0;
    time->told = weir_arena_alloc_zero(&task->memory, topic_count * sizeof(struct weir_told *));
    time->tellings = weir_arena_array(&task->memory, count, sizeof *time->tellings);
    if (time->told == NULL || time->tellings == NULL) return WEIR_NO_MEMORY;
    for (size_t t = 0; t < topic_count; t++) {
        if (!is_timed_sink(task, t)) continue;
        if (init_telling(task, &time->tellings[time->telling_count], t) < 0) return WEIR_NO_MEMORY;
        time->telling_count++;
    }
    if (time->rows_per_saying < ROWS_PER_SAYING_MIN) time->rows_per_saying = ROWS_PER_SAYING_MIN;
    return 0;
}

/* What is said from here on. */
static void set_saying(struct weir_task *task, int64_t time_ms, bool is_at_end)
{
    struct weir_task_time *time = &task->time;
    time->saying = (struct weir_writer_time){
        .subtopology = task->options.subtopology,
        .partition = task->options.partition,
        .time_ms = time_ms,
        .is_at_end = is_at_end,
        .is_idle = is_at_end && time->is_idle,
    };
    time->version++;
    if (time->version == 0) time->version = 1; /* 0 is nothing yet */
    time->rows_since = 0;
    weir_writer_time_encode(&time->saying, time->saying_bytes);
}

int weir_task_time_init(struct weir_task *task)
{
    struct weir_task_time *time = &task->time;
    *time = (struct weir_task_time){
        .seen_ms = -1,
        .bound_ms = INT64_MAX,
        .idle_since_ms = -1,
        .saying_header = {weir_text(WEIR_TIME_HEADER_KEY),
                          weir_slice(time->saying_bytes, sizeof time->saying_bytes)},
    };
    set_saying(task, -1, false);
    for (size_t i = 0; i < task->input_count; i++) {
        struct weir_task_input *input = &task->inputs[i];
        if (!task->options.config->topics[input->topic].is_timed) continue;
        if (init_writers(task, input) < 0) return WEIR_NO_MEMORY;
    }
    return init_tellings(task);
}

/* ---- what its writers say -------------------------------------------------------------------- */

bool weir_is_time_note(const struct weir_record *record)
{
    struct weir_writer_time said;
    if (record->header_count == 0 || !weir_slice_is_null(record->key)) return false;
    if (!weir_slice_is_null(record->value)) return false;
    return weir_writer_time_decode(&record->headers[0], &said) && said.is_time_note;
}

static void find_bound(struct weir_task *task)
{
    int64_t bound_ms = INT64_MAX;
    for (size_t i = 0; i < task->input_count; i++) {
        const struct weir_task_input *input = &task->inputs[i];
        if (!task->options.config->topics[input->topic].bounds_time) continue;
        if (input->writers->least_ms < bound_ms) bound_ms = input->writers->least_ms;
    }
    if (bound_ms == task->time.bound_ms) return;
    task->time.bound_ms = bound_ms;
    task->time.has_bound_moved = true;
}

bool weir_task_time_take(struct weir_task *task, struct weir_task_input *input,
                         struct weir_record *record, bool may_move)
{
    struct weir_writer_time said;
    weir_assert(input->is_repartition);
    if (record->header_count == 0 || !weir_is_time_header(&record->headers[0])) return true;
    struct weir_writer_times *writers = input->writers;
    if (writers != NULL && weir_writer_time_decode(&record->headers[0], &said)) {
        bool moves =
            weir_writer_times_least_with(writers, record->offset, &said) != writers->least_ms;
        if (moves && !may_move) return false;
        weir_writer_times_take(writers, record->offset, &said);
        if (moves) find_bound(task);
    }
    record->headers++;
    record->header_count--;
    return true;
}

/* ---- stream time ----------------------------------------------------------------------------- */

static void move_stream_time(struct weir_task *task)
{
    const struct weir_task_time *time = &task->time;
    const int64_t time_ms = time->seen_ms < time->bound_ms ? time->seen_ms : time->bound_ms;
    if (time_ms > task->stream_time_ms) task->stream_time_ms = time_ms;
}

void weir_task_time_advance(struct weir_task *task, int64_t time_ms)
{
    if (time_ms > task->time.seen_ms) task->time.seen_ms = time_ms;
    move_stream_time(task);
}

int weir_task_time_follow(struct weir_task *task)
{
    int rc = 0;
    if (!task->time.has_bound_moved) return 0;
    task->time.has_bound_moved = false;
    move_stream_time(task);
    for (size_t i = 0; i < task->plan->node_count && rc >= 0; i++) {
        struct weir_node *node = &task->nodes[i];
        const int64_t before_ms = node->observed_ms;
        weir_node_follow_bound(node);
        if (node->observed_ms == before_ms || node->plan->ops->time_advanced == NULL) continue;
        task->is_dirty = true;
        rc = node->plan->ops->time_advanced(node);
    }
    if (rc >= 0) {
        rc = weir_timers_run(&task->timers, WEIR_PUNCTUATE_STREAM_TIME, task->stream_time_ms);
        task->is_dirty |= rc > 0;
    }
    return rc < 0 ? rc : 0;
}

/* ---- what the task says ---------------------------------------------------------------------- */

/* The task's stream time, but for rows that operators hold back until later. */
static int64_t time_to_say(const struct weir_task *task)
{
    int64_t time_ms = task->stream_time_ms;
    for (size_t i = 0; i < task->plan->node_count; i++) {
        const struct weir_node *node = &task->nodes[i];
        if (node->plan->ops->holds_from_ms == NULL) continue;
        const int64_t from_ms = node->plan->ops->holds_from_ms(node);
        if (from_ms < time_ms) time_ms = from_ms < -1 ? -1 : from_ms;
    }
    return time_ms;
}

/* Nothing is left of what its inputs hold, as far as it knows, and their writers are at their end,
 * too. */
static bool is_at_end(const struct weir_task *task)
{
    for (size_t i = 0; i < task->input_count; i++) {
        const struct weir_task_input *input = &task->inputs[i];
        if (input->writers != NULL && input->writers->least_ms < INT64_MAX) return false;
        if (!weir_input_queue_is_empty(&input->queue)) return false;
        if (input->log_end < 0 || input->queue.fetch_offset < input->log_end) return false;
    }
    return true;
}

void weir_task_time_begin_batch(struct weir_task *task, size_t row_count)
{
    struct weir_task_time *time = &task->time;
    if (time->told == NULL) return;
    time->rows_since += row_count;
    time->rows_since_notes += row_count;
    /* Cached rows of before may still be older; and a few rows on the way to the next end change
     * nothing. */
    if (time->holds_back || is_at_end(task)) return;
    if (time->saying.is_at_end || time->rows_since >= time->rows_per_saying) {
        set_saying(task, time_to_say(task), false);
    }
}

bool weir_task_time_is_due(const struct weir_task *task)
{
    const struct weir_task_time *time = &task->time;
    return time->told != NULL && !time->holds_back &&
           time->rows_since_notes >= SAYINGS_PER_NOTES * time->rows_per_saying;
}

bool weir_task_time_is_reserved(const struct weir_task *task, size_t topic,
                                const struct weir_record *record)
{
    return record->header_count > 0 && task->options.config->topics[topic].is_internal &&
           weir_is_time_header(&record->headers[0]);
}

bool weir_task_time_say(struct weir_task *task, size_t topic, int32_t partition,
                        struct weir_record *record)
{
    struct weir_task_time *time = &task->time;
    const struct weir_told *told = time->told != NULL ? time->told[topic] : NULL;
    const bool is_told = told == NULL || told->versions[partition] == time->version;
    if (is_told && !weir_task_time_is_reserved(task, topic, record)) return false;
    const size_t count = record->header_count;
    if (count == 0) {
        record->headers = &time->saying_header;
        record->header_count = 1;
        return true;
    }
    struct weir_header *headers = weir_arena_array(task->arena, count + 1, sizeof *headers);
    if (headers == NULL) return false; /* the arena remembers */
    headers[0] = time->saying_header;
    memcpy(headers + 1, record->headers, count * sizeof *headers);
    record->headers = headers;
    record->header_count = count + 1;
    return true;
}

void weir_task_time_said(struct weir_task *task, size_t topic, int32_t partition)
{
    struct weir_told *told = task->time.told != NULL ? task->time.told[topic] : NULL;
    if (told == NULL) return; /* nobody listens there */
    weir_assert(partition < told->partition_count);
    told->versions[partition] = task->time.version;
    told->at_end[partition] = task->time.saying.is_at_end;
}

static int add_note(struct weir_task *task, const struct weir_told *told, int32_t partition)
{
    const struct weir_task_time *time = &task->time;
    struct weir_writer_time said = time->saying;
    uint8_t bytes[WEIR_TIME_HEADER_SIZE];
    said.is_time_note = true;
    weir_writer_time_encode(&said, bytes);
    const struct weir_header header = {time->saying_header.key, weir_slice(bytes, sizeof bytes)};
    const struct weir_record note = {
        .timestamp_ms = said.time_ms > 0 ? said.time_ms : 0,
        .headers = &header,
        .header_count = 1,
    };
    int rc =
        weir_collector_add(task->options.collector, told->topic, partition, &note, &task->error);
    if (rc >= 0) weir_task_time_said(task, told->topic, partition);
    return rc;
}

/* To all partitions that have not heard it; of its end, to those that think otherwise. */
static int add_notes(struct weir_task *task)
{
    const struct weir_task_time *time = &task->time;
    for (size_t t = 0; t < time->telling_count; t++) {
        const struct weir_told *told = &time->tellings[t];
        for (int32_t p = 0; p < told->partition_count; p++) {
            bool knows = told->versions[p] == time->version;
            knows |= time->saying.is_at_end && !time->saying.is_idle && told->versions[p] != 0 &&
                     told->at_end[p];
            if (knows) continue;
            task->is_dirty = true;
            int rc = add_note(task, told, p);
            if (rc < 0) return rc;
        }
    }
    return 0;
}

int weir_task_time_tell(struct weir_task *task, bool is_flushed)
{
    struct weir_task_time *time = &task->time;
    if (time->told == NULL) return 0;
    if (time->holds_back && !is_flushed && task->is_dirty) return 0;
    bool ends = is_at_end(task);
    if (ends == time->saying.is_at_end && !(ends && time->has_idled)) {
        if (ends || time->rows_since_notes < time->rows_per_saying) return 0;
    }
    set_saying(task, time_to_say(task), ends);
    time->rows_since_notes = 0;
    time->has_idled = false;
    return add_notes(task);
}

/* ---- by the wall clock ----------------------------------------------------------------------- */

/* What an idle task does costs a commit, and a note to each partition behind it: not more often. */
static int64_t idle_step_ms(const struct weir_task *task)
{
    enum { STEPS = 10, STEP_MIN_MS = 1000 };
    const int64_t step_ms = task->options.config->idle_close_ms / STEPS;
    return step_ms > STEP_MIN_MS ? step_ms : STEP_MIN_MS;
}

/* As far as idle inputs let time go; -1: not all of them are, or not for long enough. What a repartition topic's writers
 * do not say nobody knows. */
static int64_t idle_time_ms(const struct weir_task *task)
{
    const int64_t idle_ms = task->options.config->idle_close_ms;
    const int64_t since_ms = task->time.idle_since_ms;
    int64_t time_ms = INT64_MAX;
    for (size_t i = 0; i < task->input_count; i++) {
        const struct weir_task_input *input = &task->inputs[i];
        int64_t reached_ms = -1;
        if (input->writers != NULL) {
            reached_ms = weir_writer_times_idle_ms(input->writers);
        } else if (!input->is_repartition && task->wall_now_ms - since_ms >= idle_ms) {
            reached_ms = task->wall_now_ms - idle_ms;
        }
        if (reached_ms < time_ms) time_ms = reached_ms;
    }
    return task->input_count > 0 ? time_ms : -1;
}

/* Rows that a cache above holds of what may close go with the flush before a commit. */
static bool waits_for_flush(const struct weir_task *task, const struct weir_node *node)
{
    const struct weir_operator_ops *ops = node->plan->ops;
    return task->options.config->caches && ops->holds_from_ms != NULL &&
           ops->holds_from_ms(node) < INT64_MAX;
}

/* A node that has seen nothing has nothing to close: the first record of a history is not late. */
static int go_to(struct weir_task *task, int64_t time_ms)
{
    int rc = 0;
    if (time_ms > task->stream_time_ms) task->stream_time_ms = time_ms;
    for (size_t i = 0; i < task->plan->node_count && rc >= 0; i++) {
        struct weir_node *node = &task->nodes[i];
        if (node->seen_ms < 0 || node->observed_ms >= time_ms) continue;
        node->observed_ms = time_ms;
        if (node->plan->ops->time_advanced == NULL) continue;
        task->is_dirty |= waits_for_flush(task, node);
        rc = node->plan->ops->time_advanced(node); /* what it forwards makes the task dirty */
    }
    if (rc >= 0) {
        rc = weir_timers_run(&task->timers, WEIR_PUNCTUATE_STREAM_TIME, task->stream_time_ms);
        task->is_dirty |= rc > 0;
    }
    weir_arena_reset(task->arena);
    return rc < 0 ? rc : 0;
}

int weir_task_time_idle(struct weir_task *task)
{
    struct weir_task_time *time = &task->time;
    const int64_t now_ms = task->wall_now_ms;
    if (task->options.config->idle_close_ms == 0) return 0;
    if (!is_at_end(task)) {
        time->idle_since_ms = -1;
        time->is_idle = false;
        return 0;
    }
    /* A clock that is put back counts anew. */
    if (time->idle_since_ms < 0 || now_ms < time->idle_since_ms) time->idle_since_ms = now_ms;
    if (now_ms < time->idle_next_ms && time->idle_next_ms - now_ms <= idle_step_ms(task)) return 0;
    const int64_t time_ms = idle_time_ms(task);
    if (time_ms < 0) return 0;
    time->idle_next_ms = now_ms + idle_step_ms(task);
    time->is_idle = true;
    time->has_idled = time->told != NULL;
    return time_ms > task->stream_time_ms ? go_to(task, time_ms) : 0;
}

int64_t weir_task_time_idle_due(const struct weir_task *task)
{
    const struct weir_task_time *time = &task->time;
    const int64_t idle_ms = task->options.config->idle_close_ms;
    if (idle_ms == 0 || time->idle_since_ms < 0) return INT64_MAX;
    if (time->is_idle) return time->idle_next_ms;
    for (size_t i = 0; i < task->input_count; i++) {
        if (task->inputs[i].is_repartition) continue;
        return weir_saturating_add(time->idle_since_ms, idle_ms);
    }
    return INT64_MAX; /* a note wakes it */
}
