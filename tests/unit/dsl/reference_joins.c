/* Joins of two streams, as STREAMS.md has them (J1 to J3): each side is a list, and so is the buffer. */
#include <stdlib.h>
#include <string.h>

#include "tests/support/support.h"
#include "tests/unit/dsl/reference_internal.h"

static struct ref_join *join_of(struct task *task, const struct ref_node *node)
{
    return &task->reference->now.joins[node->join][task->partition];
}

static int64_t retention_of(const struct ref_node *node)
{
    int64_t retention_ms = node->before_ms + node->after_ms + node->grace_ms;
    return retention_ms > 0 ? retention_ms : 1;
}

static bool is_over(const struct ref_side *side, const struct ref_node *node, int64_t time_ms)
{
    return time_ms <= side->observed_ms - retention_of(node);
}

/* ---- the sides ------------------------------------------------------------------------------- */

static void prune(struct ref_side *side, const struct ref_node *node)
{
    int kept = 0;
    for (int i = 0; i < side->count; i++) {
        if (!is_over(side, node, side->rows[i].time_ms)) side->rows[kept++] = side->rows[i];
    }
    side->count = kept;
}

/* A row goes on first, and is kept for the other side afterwards. */
void ref_join_window(struct task *task, const struct ref_node *node, struct ref_record record)
{
    ref_forward(task, node, record);
    struct ref_join *join = join_of(task, node);
    struct ref_side *side = &join->sides[node->is_right];
    if (record.key.is_null || (record.value.is_null && !node->is_memory)) return;
    int64_t observed_ms = side->observed_ms;
    if (record.timestamp_ms > observed_ms) observed_ms = record.timestamp_ms;
    bool is_late = record.timestamp_ms <= observed_ms - retention_of(node);
    /* On a disk what is late counts by segments of a minute, and no run is as long. */
    bool is_second = node->is_single && node->is_right;
    if (is_late) task->reference->went_by_time[task->component] = true;
    if (is_late && node->is_memory && !is_second) task->reference->dropped_late++;
    if (is_second) join->sides[0].observed_ms = observed_ms;
    if (is_second || !node->is_single) side->observed_ms = observed_ms;
    prune(side, node);
    if (is_late) task->reference->went_by_time[task->component] = true;
    if (record.value.is_null || is_late) return;
    ck_assert_int_lt(side->count, REF_KEPT);
    side->rows[side->count++] =
        (struct ref_kept){.key = record.key, .value = record.value, .time_ms = record.timestamp_ms};
}

/* Over a single store a row stops to meet itself a millisecond before the store forgets it. It is the last
 * one that the left side has kept, and the time is that of the rows that came to the join. */
static bool is_itself_over(const struct ref_join *join, const struct ref_node *node,
                           const struct ref_record *record)
{
    return node->is_single && node->is_right &&
           record->timestamp_ms <= join->time_ms - retention_of(node) + 1;
}

/* Places of the rows that a record meets, in order of time, then of arrival. */
static int find_matches(const struct ref_side *side, const struct ref_node *node,
                        const struct ref_record *record, int matches[REF_KEPT])
{
    int64_t before_ms = node->is_right ? node->after_ms : node->before_ms;
    int64_t after_ms = node->is_right ? node->before_ms : node->after_ms;
    int64_t from_ms = record->timestamp_ms - before_ms;
    int64_t to_ms = record->timestamp_ms + after_ms;
    int count = 0;
    for (int i = 0; i < side->count; i++) {
        const struct ref_kept *row = &side->rows[i];
        if (!text_equal(&row->key, &record->key) || is_over(side, node, row->time_ms)) continue;
        if (row->time_ms < from_ms || row->time_ms > to_ms) continue;
        int at = count++;
        while (at > 0 && side->rows[matches[at - 1]].time_ms > row->time_ms) {
            matches[at] = matches[at - 1];
            at--;
        }
        matches[at] = i;
    }
    return count;
}

/* ---- results --------------------------------------------------------------------------------- */

/* False: the joiner has failed. */
static bool emit(struct task *task, const struct ref_node *node, struct text key, struct text left,
                 struct text right, int64_t time_ms)
{
    struct ref_record asked = {.key = key, .value = left};
    if (ref_fails(task, node, &asked)) return false;
    struct ref_record made = {
        .key = key,
        .value = fn_join(node->salt, key, left, right),
        .timestamp_ms = time_ms,
    };
    ref_forward(task, node, made);
    return true;
}

static bool emit_pair(struct task *task, const struct ref_node *node,
                      const struct ref_record *record, struct text other, int64_t time_ms)
{
    return node->is_right ? emit(task, node, record->key, other, record->value, time_ms)
                          : emit(task, node, record->key, record->value, other, time_ms);
}

/* ---- the buffer ------------------------------------------------------------------------------ */

static int compare_waiting(const void *a, const void *b)
{
    const struct ref_waiting *left = a;
    const struct ref_waiting *right = b;
    if (left->time_ms != right->time_ms) return left->time_ms < right->time_ms ? -1 : 1;
    if (left->is_right != right->is_right) return left->is_right ? -1 : 1;
    int order = strcmp(left->key.bytes, right->key.bytes);
    return order != 0 ? order : left->number - right->number;
}

static void wait(struct ref_join *join, const struct ref_node *node,
                 const struct ref_record *record)
{
    ck_assert_int_lt(join->waiting_count, REF_KEPT);
    join->waiting[join->waiting_count++] = (struct ref_waiting){
        .key = record->key,
        .value = record->value,
        .time_ms = record->timestamp_ms,
        .is_right = node->is_right,
        .number = join->next_number++,
    };
    if (record->timestamp_ms < join->least_ms) join->least_ms = record->timestamp_ms;
}

static void stop_waiting(struct ref_join *join, bool is_right, const struct text *key,
                         int64_t time_ms)
{
    int kept = 0;
    for (int i = 0; i < join->waiting_count; i++) {
        const struct ref_waiting *row = &join->waiting[i];
        bool has_met =
            row->is_right == is_right && row->time_ms == time_ms && text_equal(&row->key, key);
        if (!has_met) join->waiting[kept++] = *row;
    }
    join->waiting_count = kept;
}

static void emit_closed(struct task *task, const struct ref_node *node, struct ref_join *join)
{
    int64_t after_ms = node->is_right ? node->before_ms : node->after_ms;
    if (join->least_ms == INT64_MAX) return;
    task->reference->went_by_time[task->component] = true;
    if (join->least_ms + after_ms + node->grace_ms >= join->time_ms) return;
    struct ref_waiting *closed = malloc(sizeof *closed * REF_KEPT);
    ck_assert_ptr_nonnull(closed);
    int closed_count = 0;
    bool is_open[2] = {false, false};
    join->least_ms = INT64_MAX;
    qsort(join->waiting, (size_t)join->waiting_count, sizeof *join->waiting, compare_waiting);
    for (int i = 0; i < join->waiting_count; i++) {
        const struct ref_waiting *row = &join->waiting[i];
        int64_t span_ms = (row->is_right ? node->before_ms : node->after_ms) + node->grace_ms;
        join->least_ms = row->time_ms;
        if (is_open[0] && is_open[1]) break;
        if (row->time_ms + span_ms >= join->time_ms) {
            is_open[row->is_right] = true;
        } else {
            closed[closed_count++] = *row;
        }
    }
    for (int i = 0; i < closed_count; i++) {
        struct ref_waiting row = closed[i];
        stop_waiting(join, row.is_right, &row.key, row.time_ms);
        struct text none = text_null();
        (void)emit(task, node, row.key, row.is_right ? none : row.value,
                   row.is_right ? row.value : none, row.time_ms);
    }
    free(closed);
}

/* ---- one record ------------------------------------------------------------------------------ */

static void join_record(struct task *task, const struct ref_node *node, struct ref_join *join,
                        const struct ref_record *record)
{
    const struct ref_side *other = &join->sides[!node->is_right];
    int matches[REF_KEPT];
    int found = find_matches(other, node, record, matches);
    struct ref_kept met[REF_KEPT];
    const bool is_alone = is_itself_over(join, node, record);
    int count = 0;
    if (is_alone) task->reference->went_by_time[task->component] = true;
    for (int i = 0; i < found; i++) {
        bool is_itself = matches[i] == other->count - 1 &&
                         other->rows[matches[i]].time_ms == record->timestamp_ms;
        if (!is_alone || !is_itself) met[count++] = other->rows[matches[i]];
    }
    for (int i = 0; i < count; i++) {
        int64_t time_ms =
            met[i].time_ms > record->timestamp_ms ? met[i].time_ms : record->timestamp_ms;
        if (node->waits) stop_waiting(join, !node->is_right, &record->key, met[i].time_ms);
        if (!emit_pair(task, node, record, met[i].value, time_ms)) {
            join->has_failed = true;
            return;
        }
    }
    if (count > 0 || !node->is_outer) return;
    int64_t after_ms = node->is_right ? node->before_ms : node->after_ms;
    int64_t to_ms = record->timestamp_ms + after_ms;
    task->reference->went_by_time[task->component] = true;
    if (node->waits && to_ms >= join->time_ms) {
        wait(join, node, record);
    } else {
        (void)emit_pair(task, node, record, text_null(), record->timestamp_ms);
    }
}

void ref_stream_join(struct task *task, const struct ref_node *node, struct ref_record record)
{
    struct ref_join *join = join_of(task, node);
    /* Over a single store the time is that of the rows that have all to be joined. */
    bool is_joinable = !record.key.is_null && !record.value.is_null;
    if ((is_joinable || !node->is_single) && record.timestamp_ms > join->time_ms) {
        join->time_ms = record.timestamp_ms;
    }
    if (node->waits) task->reference->went_by_time[task->component] = true;
    if (node->is_outer && record.key.is_null && !record.value.is_null) {
        (void)emit_pair(task, node, &record, text_null(), record.timestamp_ms);
        return;
    }
    if (record.key.is_null || record.value.is_null) {
        if (!node->is_single || !node->is_right) task->reference->dropped_null++;
        return;
    }
    /* Over a single store both sides are one operator, for which a record fails once. */
    if (node->is_single && node->is_right && join->has_failed) return;
    join->has_failed = false;
    if (node->waits && record.timestamp_ms == join->time_ms) emit_closed(task, node, join);
    join_record(task, node, join, &record);
}
