#include "runtime/task/task.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"

/**
 * What a task does for its nodes: all of node.h. Operators see that header and no task; a task has
 * nodes, so what a node asks for is the task's to answer.
 */

/* ---- forwarding ------------------------------------------------------------------------------ */

static int process_child(struct weir_node *child, const struct weir_batch *batch)
{
    return child->plan->ops->process(child, batch);
}

/* To the children [from, to): the whole batch to each, or each row through all of them. */
static int forward(struct weir_node *node, size_t from, size_t to, const struct weir_batch *batch)
{
    weir_assert(from <= to && to <= node->plan->child_count);
    if (batch->count == 0) return 0;
    node->task->is_dirty = true; /* the wall clock may have made the rows */
    if (batch->count == 1 || !weir_node_goes_by_row(node, batch)) {
        for (size_t i = from; i < to; i++) {
            int rc = process_child(node->children[i], batch);
            if (rc < 0) return rc;
        }
        return 0;
    }
    for (size_t r = 0; r < batch->count; r++) {
        uint32_t row = weir_batch_row(batch, r);
        struct weir_batch single = *batch;
        single.count = 1;
        single.rows = &row;
        for (size_t i = from; i < to; i++) {
            int rc = process_child(node->children[i], &single);
            if (rc < 0) return rc;
        }
    }
    return 0;
}

int weir_node_forward(struct weir_node *node, const struct weir_batch *batch)
{
    return forward(node, 0, node->plan->child_count, batch);
}

int weir_node_forward_to(struct weir_node *node, size_t child, const struct weir_batch *batch)
{
    weir_assert(child < node->plan->child_count);
    return forward(node, child, child + 1, batch);
}

struct weir_arena *weir_node_arena(struct weir_node *node)
{
    return node->task->arena;
}

struct weir_scope *weir_node_scope(struct weir_node *node)
{
    return &node->task->scope;
}

struct weir_budget *weir_node_budget(struct weir_node *node)
{
    return node->task->options.budget;
}

/* ---- failures and drops ---------------------------------------------------------------------- */

int weir_node_record_failed(struct weir_node *node, const struct weir_batch *batch, uint32_t row,
                            int rc)
{
    return weir_task_record_failed(node->task, node, batch, row, rc);
}

static void count_late(struct weir_node *node, int64_t count)
{
    struct weir_operator_counts *counts = node->task->options.operators;
    const struct weir_late *late = &node->late;
    node->late.count += count;
    if (counts == NULL) return;
    counts += node->plan->id;
    weir_counter_add(&counts->late, count);
    if (late->late_max_ms > weir_counter_get(&counts->late_max_ms)) {
        weir_counter_set(&counts->late_max_ms, late->late_max_ms);
    }
    if (late->grace_enough_ms > weir_counter_get(&counts->grace_enough_ms)) {
        weir_counter_set(&counts->grace_enough_ms, late->grace_enough_ms);
    }
}

static void say_late(const struct weir_node *node, int64_t count)
{
    char name[128];
    const struct weir_task *task = node->task;
    const struct weir_late *late = &node->late;
    weir_log(&task->options.env->logger, WEIR_LOG_WARN, "records.late",
             "task=%s operator=%s count=%" PRId64 " total=%" PRId64 " late_max_ms=%" PRId64
             " grace_enough_ms=%" PRId64,
             task->name, weir_log_quote(name, sizeof name, node->plan->name), count, late->count,
             late->late_max_ms, late->grace_enough_ms);
}

/* Every row counts, one line a second and kind is said. */
void weir_node_dropped(struct weir_node *node, enum weir_drop why, int64_t count)
{
    enum { LOG_EVERY_MS = 1000 };
    struct weir_task *task = node->task;
    struct weir_env *env = task->options.env;
    if (count <= 0) return;
    weir_counter_add(&task->options.metrics->dropped[why], count);
    if (why == WEIR_DROP_LATE) count_late(node, count);
    struct weir_mono now = weir_mono_now(env);
    if (now.ns < task->drop_log_at[why].ns) return;
    task->drop_log_at[why] = weir_mono_after_ms(now, LOG_EVERY_MS);
    if (why == WEIR_DROP_LATE) {
        say_late(node, count);
        return;
    }
    weir_log(&env->logger, WEIR_LOG_WARN, "task.dropped",
             "task=%s node=%s why=%s count=%" PRId64 " total=%" PRId64, task->name,
             node->plan->name, "null", count,
             weir_counter_get(&task->options.metrics->dropped[why]));
}

/* ---- bytes and objects ----------------------------------------------------------------------- */

static const char *serde_topic(const struct weir_node *node)
{
    if (node->plan->topic < 0) return node->plan->name;
    return node->task->options.config->topics[node->plan->topic].name;
}

static struct weir_serde_call serde_call(struct weir_node *node, bool is_key)
{
    return (struct weir_serde_call){
        .topic = serde_topic(node),
        .is_key = is_key,
        .scope = &node->task->scope,
        .error = node->call.error,
    };
}

static int serde_failure(struct weir_node *node)
{
    if (weir_arena_failed(node->task->arena)) return WEIR_NO_MEMORY;
    int rc = node->call.error->code;
    return rc < 0 ? rc : WEIR_SERDE;
}

/* What serialising a column needs: dense, then spread over row numbers. */
struct dense {
    const void **objects;
    struct weir_slice *bytes; /* of dense place i */
    uint32_t *rows;           /* that went through */
    struct weir_slice *column;
};

static bool dense_init(struct weir_arena *arena, const struct weir_batch *batch,
                       struct dense *dense)
{
    *dense = (struct dense){
        .objects = weir_arena_array(arena, batch->count, sizeof *dense->objects),
        .bytes = weir_arena_array(arena, batch->count, sizeof *dense->bytes),
        .rows = weir_arena_array(arena, batch->count, sizeof *dense->rows),
        .column = weir_arena_array(arena, weir_batch_row_bound(batch), sizeof *dense->column),
    };
    return !weir_arena_failed(arena);
}

/* Serialise all selected rows; those that fail are reported and left out. The rows' count. */
static int serialize_rows(struct weir_node *node, const struct weir_batch *batch,
                          const struct weir_serde *serde, bool is_key, struct dense *dense)
{
    struct weir_serde_call call = serde_call(node, is_key);
    const void *const *objects = is_key ? batch->keys : batch->values;
    for (size_t i = 0; i < batch->count; i++) {
        dense->objects[i] = objects[weir_batch_row(batch, i)];
    }

    size_t done = 0;
    size_t kept = 0;
    while (done < batch->count) {
        weir_error_clear(node->call.error);
        size_t count = serde->serialize(serde, &call, dense->objects + done, batch->count - done,
                                        dense->bytes + done);
        weir_assert(count <= batch->count - done);
        for (size_t i = done; i < done + count; i++) {
            uint32_t row = weir_batch_row(batch, i);
            dense->rows[kept++] = row;
            dense->column[row] = dense->bytes[i];
        }
        done += count;
        if (done == batch->count) break;
        uint32_t failed = weir_batch_row(batch, done);
        int rc = weir_node_record_failed(node, batch, failed, serde_failure(node));
        if (rc < 0) return rc;
        done++;
    }
    return (int)kept;
}

static int column_bytes(struct weir_node *node, const struct weir_batch *batch,
                        const struct weir_serde *serde, bool is_key, struct weir_batch *batch_out)
{
    const struct weir_slice *present = is_key ? batch->key_bytes : batch->value_bytes;
    if (present != NULL || batch->count == 0) {
        *batch_out = *batch;
        return 0;
    }
    struct dense dense;
    if (!dense_init(weir_node_arena(node), batch, &dense)) return WEIR_NO_MEMORY;
    int kept = serialize_rows(node, batch, serde, is_key, &dense);
    if (kept < 0) return kept;

    struct weir_batch result = *batch;
    if ((size_t)kept < batch->count) {
        result.count = (size_t)kept;
        result.rows = dense.rows;
    }
    if (is_key) {
        result.key_bytes = dense.column;
    } else {
        result.value_bytes = dense.column;
    }
    *batch_out = result;
    return 0;
}

int weir_node_key_bytes(struct weir_node *node, const struct weir_batch *batch,
                        const struct weir_serde *serde, struct weir_batch *batch_out)
{
    return column_bytes(node, batch, serde, true, batch_out);
}

int weir_node_value_bytes(struct weir_node *node, const struct weir_batch *batch,
                          const struct weir_serde *serde, struct weir_batch *batch_out)
{
    return column_bytes(node, batch, serde, false, batch_out);
}

int weir_node_deserialize(struct weir_node *node, const struct weir_serde *serde, bool is_key,
                          const struct weir_slice *bytes, size_t count, const void **objects_out)
{
    struct weir_serde_call call = serde_call(node, is_key);
    weir_error_clear(node->call.error);
    size_t done = serde->deserialize(serde, &call, bytes, count, objects_out);
    weir_assert(done <= count);
    return done == count ? 0 : serde_failure(node);
}

int weir_node_serialize(struct weir_node *node, const struct weir_serde *serde, bool is_key,
                        const void *object, struct weir_slice *bytes_out)
{
    struct weir_serde_call call = serde_call(node, is_key);
    weir_error_clear(node->call.error);
    size_t done = serde->serialize(serde, &call, &object, 1, bytes_out);
    return done == 1 ? 0 : serde_failure(node);
}

/* ---- time ------------------------------------------------------------------------------------ */

/* The task's own moves on behind a batch. Within one, the rows of the input up to the one that the
 * record at hand came from have passed, whether or not they got this far. */
int64_t weir_node_stream_time(const struct weir_node *node)
{
    const struct weir_task *task = node->task;
    const struct weir_batch *raw = task->raw;
    int64_t time_ms = task->time.seen_ms;
    for (size_t i = 0; raw != NULL && i < raw->count; i++) {
        if (raw->offsets[i] > node->call.offset) break;
        if (raw->timestamps[i] > time_ms) time_ms = raw->timestamps[i];
    }
    if (time_ms > task->time.bound_ms) time_ms = task->time.bound_ms;
    return time_ms > task->stream_time_ms ? time_ms : task->stream_time_ms;
}

int64_t weir_node_wall_ms(const struct weir_node *node)
{
    return node->task->wall_now_ms;
}

int64_t weir_node_emit_interval_ms(const struct weir_node *node)
{
    return node->task->options.config->emit_interval_ms;
}

bool weir_node_caches(const struct weir_node *node)
{
    return node->task->options.config->caches;
}

int weir_node_schedule(struct weir_node *node, enum weir_punctuation type, int64_t interval_ms,
                       weir_timer_fn fire, void *context)
{
    struct weir_task *task = node->task;
    const struct weir_timer timer = {
        .node = node, .type = type, .interval_ms = interval_ms, .fire = fire, .context = context};
    return weir_timers_add(&task->timers, timer, task->wall_now_ms);
}
