#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "runtime/task/task.h"

/** How a task is put together from the plan, opened and taken apart. */

enum { TASK_MAGIC = 0x7461736b };

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
    while (i < task->plan->store_count && task->plan->stores[i] != store) {
        i++;
    }
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
        .seen_ms = -1,
        .time_bound_ms = &task->time.bound_ms,
        .emitted_ms = -1,
        .call = {.scope = &task->scope, .error = &task->record_error, .layouts = &plan->layouts},
    };
    if (weir_arena_failed(memory)) return;
    for (size_t i = 0; i < plan->child_count; i++) {
        node->children[i] = node_of(task, plan->children[i]);
    }
    for (size_t i = 0; i < plan->store_count; i++) {
        node->stores[i] = NULL;
    }
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
        .is_repartition = config->topics[plan->topic].is_internal,
    };
    weir_input_queue_init(&input->queue, task->options.input_pool, 0);
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
    const size_t topic_count =
        topology->topic_count + topology->store_count + WEIR_JOB_TOPICS_BEHIND;
    task->sticky_partitions = weir_arena_array(&task->memory, topic_count, sizeof(int32_t));
    if (weir_arena_failed(&task->memory)) return WEIR_NO_MEMORY;
    memset(task->nodes, 0, plan->node_count * sizeof *task->nodes);
    for (size_t i = 0; i < plan->node_count; i++) {
        node_init(task, &task->nodes[i], &topology->nodes[plan->nodes[i]]);
    }
    if (weir_arena_failed(&task->memory) || weir_task_name_nodes(task) < 0) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < plan->source_count; i++) {
        if (!has_partition(task, plan->sources[i])) continue;
        input_init(task, &task->inputs[task->input_count++], plan->sources[i]);
    }
    for (size_t i = 0; i < topic_count; i++) {
        task->sticky_partitions[i] = -1;
    }
    return weir_task_time_init(task);
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
    task->time_limit_ms = INT64_MAX;
    task->next_ms = -1;
    task->is_catching_up = true;
    (void)snprintf(task->name, sizeof task->name, "%" PRId32 "_%" PRId32, options->subtopology,
                   options->partition); /* two int32 fit */
    weir_arena_init(&task->memory, options->budget, 4096);
    task->arena = options->arena;
    task->scope.arena = task->arena;
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
    for (size_t i = 0; i < task->input_count; i++) {
        weir_input_queue_close(&task->inputs[i].queue);
    }
    weir_timers_close(&task->timers);
    weir_arena_close(&task->memory);
    weir_free(task);
}

void weir_task_set_input(struct weir_task *task, size_t index, int64_t position,
                         int64_t partition_time_ms)
{
    weir_assert(index < task->input_count);
    struct weir_task_input *input = &task->inputs[index];
    weir_input_queue_init(&input->queue, task->options.input_pool, position);
    input->partition_time_ms = partition_time_ms;
    if (partition_time_ms > task->time.seen_ms) task->time.seen_ms = partition_time_ms;
    /* Of a timed input it is not known how much of that counts; a mark says what did. */
    bool is_counted = !task->options.config->topics[input->topic].bounds_time;
    if (is_counted && partition_time_ms > task->stream_time_ms) {
        task->stream_time_ms = partition_time_ms;
    }
}

/* Updates are held back only where the job has caches and somebody hears of them at the flush: a
 * store that counted its changes for a flush that never comes would keep them all in memory. */
static bool is_held_back(const struct weir_task *task, int32_t store)
{
    if (!task->options.config->caches) return false;
    for (size_t i = 0; i < task->plan->node_count; i++) {
        const struct weir_plan_node *plan = task->nodes[i].plan;
        bool is_flushed = plan->ops->flush != NULL && plan->store_count > 0;
        if (is_flushed && plan->stores[0] == store && plan->child_count > 0) return true;
    }
    return false;
}

/* A change that its changelog could not take is refused when it is made, not when it is sealed. */
static size_t change_bytes_max(const struct weir_task *task, int32_t store)
{
    const struct weir_topology *topology = task->options.config->topology;
    const struct weir_plan_store *plan = &topology->stores[store];
    if (!plan->spec.is_logged) return 0;
    if (weir_task_source_topic(task->options.config, (size_t)store) >= 0) return 0;
    size_t changelog = weir_changelog_topic(topology, (size_t)store);
    return weir_collector_payload_max(&task->options.config->topics[changelog]);
}

/* The task's stores as this job uses them; NULL when memory is out. */
static const struct weir_store_spec **store_specs(struct weir_task *task)
{
    const struct weir_topology *topology = task->options.config->topology;
    size_t count = task->plan->store_count;
    struct weir_store_spec *copies = weir_arena_array(&task->memory, count, sizeof *copies);
    const struct weir_store_spec **specs = weir_arena_array(&task->memory, count, sizeof *specs);
    if (copies == NULL || specs == NULL) return NULL;
    for (size_t i = 0; i < count; i++) {
        copies[i] = topology->stores[task->plan->stores[i]].spec;
        copies[i].is_cached = copies[i].is_cached && is_held_back(task, task->plan->stores[i]);
        copies[i].change_bytes_max = change_bytes_max(task, task->plan->stores[i]);
        task->time.holds_back |= copies[i].is_cached;
        specs[i] = &copies[i];
    }
    return specs;
}

int weir_task_open_state(struct weir_task *task, const char *state_path,
                         struct weir_actor *reply_to,
                         void (*on_written)(void *context, int rc, const struct weir_error *error),
                         void *context, struct weir_error *error)
{
    size_t count = task->plan->store_count;
    weir_task_move(task, WEIR_TASK_RESTORING);
    if (count == 0) return 0;
    const struct weir_store_spec **specs = store_specs(task);
    if (specs == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory for stores");

    const struct weir_state_shares *shares = &task->options.config->shares;
    bool wiped = false;
    int rc = weir_state_open(
        &(struct weir_state_options){
            .backend = task->options.config->backend,
            .env = task->options.env,
            .budget = task->options.budget,
            .path = state_path,
            .specs = specs,
            .store_count = count,
            .cache_bytes_max = task->options.config->cache_bytes_max,
            .share_count = task->options.config->task_count,
            .open_bytes_max = shares->open_bytes_max,
            .sealed_bytes_max = shares->sealed_bytes_max,
            .write_down_bytes = shares->write_down_bytes,
            .write_buffer_bytes = shares->write_buffer_bytes,
            .cache = task->options.config->cache,
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

static void give_back_mark(struct weir_node *node, const struct weir_node_mark *mark)
{
    switch (mark->id) {
    case WEIR_MARK_OBSERVED:
        node->observed_ms = mark->time_ms;
        if (mark->time_ms > node->seen_ms) node->seen_ms = mark->time_ms;
        break;
    case WEIR_MARK_SEEN:
        if (mark->time_ms > node->seen_ms) node->seen_ms = mark->time_ms;
        break;
    case WEIR_MARK_EMITTED:
        node->emitted_ms = mark->time_ms;
        break;
    case WEIR_MARK_NUMBER:
        node->number = mark->time_ms;
        break;
    case WEIR_MARK_LATE:
        node->late.count = mark->time_ms;
        break;
    case WEIR_MARK_LATE_MAX:
        node->late.late_max_ms = mark->time_ms;
        break;
    case WEIR_MARK_GRACE_ENOUGH:
        node->late.grace_enough_ms = mark->time_ms;
        break;
    default: /* timers ask for theirs themselves */
        break;
    }
}

static void give_back_marks(struct weir_task *task, const struct weir_node_mark *marks,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t n = 0; n < task->plan->node_count; n++) {
            struct weir_node *node = &task->nodes[n];
            if (strcmp(node->mark_name, marks[i].node) == 0) give_back_mark(node, &marks[i]);
        }
    }
}

static void give_back_stream_time(struct weir_task *task, const struct weir_node_mark *marks,
                                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_its = marks[i].id == WEIR_MARK_STREAM && strcmp(marks[i].node, WEIR_MARK_TASK) == 0;
        if (is_its && marks[i].time_ms > task->stream_time_ms) {
            task->stream_time_ms = marks[i].time_ms;
        }
    }
}

int weir_task_open(struct weir_task *task, const struct weir_node_mark *marks, size_t mark_count,
                   int64_t wall_now_ms, struct weir_error *error)
{
    weir_assert(task->phase == WEIR_TASK_RESTORING);
    task->timers.marks = marks;
    task->timers.mark_count = mark_count;
    give_back_marks(task, marks, mark_count);
    give_back_stream_time(task, marks, mark_count);
    task->wall_now_ms = wall_now_ms;
    int rc = 0;
    for (size_t i = 0; i < task->plan->node_count && rc >= 0; i++) {
        struct weir_node *node = &task->nodes[i];
        task->open_count = i + 1;
        weir_node_advance_lives(node);
        if (node->plan->ops->open == NULL) continue;
        rc = node->plan->ops->open(node, error);
        (void)weir_error_wrap(error, rc, "open node '%s' of task %s", node->plan->name, task->name);
    }
    task->timers.marks = NULL;
    task->timers.mark_count = 0;
    weir_arena_reset(task->arena);
    if (rc >= 0) weir_task_move(task, WEIR_TASK_RUNNING);
    return rc < 0 ? rc : 0;
}
