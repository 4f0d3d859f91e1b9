/* Versioned tables and the joins with them (STREAMS.md K6; KIP-889, 914, 923): a table is the list of all that
 * was put, and what waits for its grace is a list, too. */
#include <stdlib.h>
#include <string.h>

#include "tests/support/support.h"
#include "tests/unit/dsl/reference_internal.h"

static struct ref_versions *versions_of(struct task *task, const struct ref_node *node)
{
    return &task->reference->now.versions[node->versions][task->partition];
}

/* The last that was put of the latest time up to `as_of_ms`; NULL: none. */
static const struct ref_kept *last_by(const struct ref_versions *versions, const struct text *key,
                                      int64_t as_of_ms)
{
    const struct ref_kept *found = NULL;
    for (int i = 0; i < versions->count; i++) {
        const struct ref_kept *row = &versions->rows[i];
        if (!text_equal(&row->key, key) || row->time_ms > as_of_ms) continue;
        if (found == NULL || row->time_ms >= found->time_ms) found = row;
    }
    return found;
}

struct text ref_as_of(const struct ref_versions *versions, int64_t history_ms,
                      const struct text *key, int64_t as_of_ms)
{
    const struct ref_kept *found = last_by(versions, key, as_of_ms);
    /* Behind the history there is only what still is. */
    bool is_over = as_of_ms < versions->observed_ms - history_ms;
    if (is_over && found != last_by(versions, key, INT64_MAX)) return text_null();
    return found != NULL ? found->value : text_null();
}

/* False: it lies behind the history. */
static bool put(struct task *task, const struct ref_node *node, const struct ref_record *record)
{
    struct ref_versions *versions = versions_of(task, node);
    if (record->timestamp_ms > versions->observed_ms) versions->observed_ms = record->timestamp_ms;
    if (record->timestamp_ms < versions->observed_ms - node->history_ms) {
        task->reference->went_by_time[task->component] = true;
        task->reference->dropped_late++;
        return false;
    }
    ck_assert_int_lt(versions->count, REF_VERSIONS_KEPT);
    versions->rows[versions->count++] = (struct ref_kept){
        .key = record->key, .value = record->value, .time_ms = record->timestamp_ms};
    return true;
}

void ref_versioned_table(struct task *task, const struct ref_node *node, struct ref_record record)
{
    if (record.key.is_null) {
        task->reference->dropped_null++;
    } else if (put(task, node, &record)) {
        ref_forward(task, node, record);
    }
}

void ref_versioned_aggregate(struct task *task, const struct ref_node *node,
                             struct ref_record record)
{
    if (record.key.is_null || record.value.is_null) {
        task->reference->dropped_null++;
        return;
    }
    const struct ref_kept *latest = last_by(versions_of(task, node), &record.key, INT64_MAX);
    const bool is_there = latest != NULL && !latest->value.is_null;
    /* The first value of a reduce is the seed: no function is called. */
    bool is_called = node->fold == REF_FOLD || (node->fold == REF_REDUCE && is_there);
    struct ref_record seen = record;
    if (node->fold == REF_REDUCE) seen.key = text_null(); /* it is not told the key */
    if (is_called && ref_fails(task, node, &seen)) return;
    if (is_there && latest->time_ms > record.timestamp_ms) record.timestamp_ms = latest->time_ms;
    record.value = ref_fold(node, is_there ? latest->value : text_null(), record.value);
    if (put(task, node, &record)) ref_forward(task, node, record);
}

/* ---- joins ----------------------------------------------------------------------------------- */

static void join_one(struct task *task, const struct ref_node *node, struct ref_record record)
{
    struct text found = text_null();
    if (!record.key.is_null) {
        const struct ref_versions *versions = versions_of(task, node);
        bool is_over = record.timestamp_ms < versions->observed_ms - node->history_ms;
        if (is_over) task->reference->went_by_time[task->component] = true;
        found = ref_as_of(versions, node->history_ms, &record.key, record.timestamp_ms);
    }
    if (found.is_null && !node->is_left) return;
    if (ref_fails(task, node, &record)) return;
    record.value = fn_join(node->salt, record.key, record.value, found);
    ref_forward(task, node, record);
}

static int compare_waiting(const void *a, const void *b)
{
    const struct ref_waiting *left = a;
    const struct ref_waiting *right = b;
    if (left->time_ms != right->time_ms) return left->time_ms < right->time_ms ? -1 : 1;
    int order = strcmp(left->key.bytes, right->key.bytes);
    return order != 0 ? order : left->number - right->number;
}

static void join_due(struct task *task, const struct ref_node *node, struct ref_graces *graces)
{
    struct ref_waiting *due = malloc(sizeof *due * REF_KEPT);
    int count = 0;
    int kept = 0;
    ck_assert_ptr_nonnull(due);
    for (int i = 0; i < graces->count; i++) {
        const struct ref_waiting row = graces->waiting[i];
        if (row.time_ms <= graces->observed_ms - node->grace_ms) {
            due[count++] = row;
        } else {
            graces->waiting[kept++] = row;
        }
    }
    graces->count = kept;
    qsort(due, (size_t)count, sizeof *due, compare_waiting);
    for (int i = 0; i < count; i++) {
        const struct ref_record record = {
            .key = due[i].key, .value = due[i].value, .timestamp_ms = due[i].time_ms};
        join_one(task, node, record);
    }
    free(due);
}

void ref_versioned_join(struct task *task, const struct ref_node *node, struct ref_record record)
{
    struct ref_graces *graces = &task->reference->now.graces[node->graces][task->partition];
    if (record.value.is_null || (record.key.is_null && !node->is_left)) {
        task->reference->dropped_null++;
        return;
    }
    if (node->grace_ms == 0 || record.key.is_null) {
        join_one(task, node, record);
        return;
    }
    task->reference->went_by_time[task->component] = true;
    if (record.timestamp_ms > graces->observed_ms) graces->observed_ms = record.timestamp_ms;
    if (record.timestamp_ms < graces->observed_ms - node->grace_ms) {
        join_one(task, node, record);
        return;
    }
    ck_assert_int_lt(graces->count, REF_KEPT);
    graces->waiting[graces->count++] = (struct ref_waiting){.key = record.key,
                                                            .value = record.value,
                                                            .time_ms = record.timestamp_ms,
                                                            .number = graces->next_number++};
    join_due(task, node, graces);
}
