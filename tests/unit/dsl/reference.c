#include "tests/unit/dsl/reference_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "tests/support/support.h"

/* ---- declaring ------------------------------------------------------------------------------- */

void ref_init(struct reference *reference, bool caches)
{
    memset(reference, 0, sizeof *reference);
    reference->caches = caches;
}

void ref_close(struct reference *reference)
{
    for (int t = 0; t < reference->topic_count; t++) {
        for (int p = 0; p < REF_PARTITIONS; p++)
            free(reference->topics[t].logs[p].records);
    }
}

int ref_topic(struct reference *reference, const char *name, bool is_repartition,
              int partition_count)
{
    for (int t = 0; t < reference->topic_count; t++) {
        const struct ref_topic *topic = &reference->topics[t];
        if (topic->is_repartition == is_repartition && strcmp(topic->name, name) == 0) return t;
    }
    ck_assert_int_lt(reference->topic_count, REF_TOPICS);
    reference->topics[reference->topic_count] = (struct ref_topic){
        .name = name,
        .is_repartition = is_repartition,
        .partition_count = partition_count,
    };
    return reference->topic_count++;
}

void ref_connect(struct reference *reference, int parent, int child)
{
    struct ref_node *node = &reference->nodes[parent];
    for (int i = 0; i < node->child_count; i++) {
        if (node->children[i] == child) return;
    }
    ck_assert_int_lt(node->child_count, REF_CHILDREN);
    node->children[node->child_count++] = child;
}

int ref_add(struct reference *reference, struct ref_node node, int parent)
{
    ck_assert_int_lt(reference->node_count, REF_NODES);
    int id = reference->node_count++;
    reference->nodes[id] = node;
    if (parent >= 0) ref_connect(reference, parent, id);
    return id;
}

/* Everything that hangs together gets the number of its first node. */
static void find_components(struct reference *reference)
{
    for (int n = 0; n < reference->node_count; n++)
        reference->nodes[n].component = n;
    for (bool changed = true; changed;) {
        changed = false;
        for (int a = 0; a < reference->node_count; a++) {
            for (int b = 0; b < reference->node_count; b++) {
                struct ref_node *left = &reference->nodes[a];
                struct ref_node *right = &reference->nodes[b];
                bool together = left->store >= 0 && left->store == right->store;
                together |= left->join >= 0 && left->join == right->join;
                for (int c = 0; c < left->child_count; c++)
                    together |= left->children[c] == b;
                if (!together || left->component == right->component) continue;
                int first = left->component < right->component ? left->component : right->component;
                left->component = right->component = first;
                changed = true;
            }
        }
    }
}

/* Is there a left join further down, repartition topics included? */
static bool leads_to_left_join(const struct reference *reference, int id)
{
    const struct ref_node *node = &reference->nodes[id];
    if (node->kind == REF_JOIN && node->is_left) return true;
    if (node->kind == REF_VERSIONED_JOIN && node->is_left) return true;
    if (node->kind == REF_JOIN_WINDOW && node->is_left) return true;
    for (int c = 0; c < node->child_count; c++) {
        if (leads_to_left_join(reference, node->children[c])) return true;
    }
    if (node->kind != REF_SINK || !reference->topics[node->topic].is_repartition) return false;
    for (int n = 0; n < reference->node_count; n++) {
        const struct ref_node *source = &reference->nodes[n];
        if (source->kind != REF_SOURCE || source->topic != node->topic) continue;
        if (leads_to_left_join(reference, n)) return true;
    }
    return false;
}

void ref_finish(struct reference *reference)
{
    find_components(reference);
    for (int n = 0; n < reference->node_count; n++) {
        struct ref_node *node = &reference->nodes[n];
        if (node->kind == REF_FILTER_NULL_KEYS && leads_to_left_join(reference, n)) {
            node->kind = REF_PASS;
        }
        for (int p = 0; p < REF_PARTITIONS; p++) {
            reference->now.observed_ms[n][p] = -1;
            reference->now.stream_time_ms[n][p] = -1;
        }
    }
    for (int j = 0; j < REF_JOINS; j++) {
        for (int p = 0; p < REF_PARTITIONS; p++) {
            struct ref_join *join = &reference->now.joins[j][p];
            join->time_ms = join->sides[0].observed_ms = join->sides[1].observed_ms = -1;
            join->least_ms = INT64_MAX;
            reference->now.graces[j][p].observed_ms = -1;
        }
    }
    for (int v = 0; v < REF_VERSIONS; v++) {
        for (int p = 0; p < REF_PARTITIONS; p++)
            reference->now.versions[v][p].observed_ms = -1;
    }
    reference->committed = reference->now;
}

/* ---- logs and stores ------------------------------------------------------------------------- */

static void append(struct ref_log *log, const struct ref_record *record)
{
    if (log->count == log->capacity) {
        log->capacity = log->capacity == 0 ? 64 : log->capacity * 2;
        log->records = realloc(log->records, (size_t)log->capacity * sizeof *log->records);
        ck_assert_ptr_nonnull(log->records);
    }
    log->records[log->count++] = *record;
}

static struct ref_entry *find(struct ref_state *state, int store, int partition,
                              const struct text *key, int64_t start_ms)
{
    for (int i = 0; i < state->stores[store].counts[partition]; i++) {
        struct ref_entry *entry = &state->stores[store].entries[partition][i];
        if (text_equal(&entry->key, key) && entry->start_ms == start_ms) return entry;
    }
    return NULL;
}

const struct ref_entry *ref_find(const struct reference *reference, int store, int partition,
                                 const struct text *key, int64_t start_ms)
{
    struct ref_state *state = (struct ref_state *)(uintptr_t)&reference->now;
    return find(state, store, partition, key, start_ms);
}

static struct ref_entry *find_or_add(struct ref_state *state, int store, int partition,
                                     const struct text *key, int64_t start_ms)
{
    struct ref_entry *entry = find(state, store, partition, key, start_ms);
    if (entry != NULL) return entry;
    int *count = &state->stores[store].counts[partition];
    ck_assert_int_lt(*count, REF_ENTRIES);
    entry = &state->stores[store].entries[partition][(*count)++];
    *entry = (struct ref_entry){.key = *key, .start_ms = start_ms, .value = text_null()};
    return entry;
}

/* ---- one record, depth first ----------------------------------------------------------------- */

static void process(struct task *task, int id, struct ref_record record);

void ref_forward(struct task *task, const struct ref_node *node, struct ref_record record)
{
    for (int c = 0; c < node->child_count; c++)
        process(task, node->children[c], record);
}

static void send(struct task *task, const struct ref_node *node, struct ref_record record)
{
    struct reference *reference = task->reference;
    struct ref_topic *topic = &reference->topics[node->topic];
    int partition = task->partition % topic->partition_count;
    if (!record.key.is_null) {
        struct weir_slice key = weir_text(record.key.bytes);
        partition = weir_partition_of_key(key, topic->partition_count);
    }
    int writer = task->component * REF_PARTITIONS + task->partition + 1;
    record.writer = writer;
    append(&topic->logs[partition], &record);
    if (!topic->is_repartition) return;
    reference->now.written[node->topic][partition]++;
    int *before = &reference->writers[node->topic][partition];
    if (*before != 0 && *before != writer) reference->is_ambiguous = true;
    *before = writer;
}

/* A function that fails leaves no trace but a count. Aggregates and joins: see there. */
bool ref_fails(struct task *task, const struct ref_node *node, const struct ref_record *record)
{
    if (!node->may_fail || !fn_fails(node->salt, record->key, record->value)) return false;
    task->reference->failed++;
    return true;
}

static void branch(struct task *task, const struct ref_node *node, struct ref_record record)
{
    int chosen = 0;
    while (chosen < node->predicate_count &&
           !fn_predicate(node->salt + chosen, record.key, record.value)) {
        chosen++;
    }
    if (chosen < node->child_count) process(task, node->children[chosen], record);
}

static void flat_map(struct task *task, const struct ref_node *node, struct ref_record record)
{
    int count = fn_fan(node->salt, record.key, record.value);
    for (int i = 0; i < count; i++) {
        struct ref_record made = record;
        made.key = fn_key(node->salt + i, record.key, record.value);
        made.value = fn_value(node->salt + i, record.key, record.value);
        ref_forward(task, node, made);
    }
}

/* A table's row has a new value: hold it back, or forward it. */
static void update(struct task *task, const struct ref_node *node, struct ref_entry *entry)
{
    struct reference *reference = task->reference;
    if (node->is_cached && reference->caches) {
        if (entry->changed == 0) entry->changed = ++reference->change_count;
        return;
    }
    struct ref_record row = {
        .key = entry->key,
        .value = entry->value,
        .timestamp_ms = entry->timestamp_ms,
    };
    if (node->window_ms > 0) {
        row.key = text_printf("%s@%lld", entry->key.bytes, (long long)entry->start_ms);
    }
    ref_forward(task, node, row);
}

static void table(struct task *task, const struct ref_node *node, struct ref_record record)
{
    if (record.key.is_null) {
        task->reference->dropped_null++;
        return;
    }
    if (node->store < 0) {
        ref_forward(task, node, record);
        return;
    }
    struct ref_entry *entry =
        find_or_add(&task->reference->now, node->store, task->partition, &record.key, 0);
    entry->value = record.value;
    entry->timestamp_ms = record.timestamp_ms;
    update(task, node, entry);
}

struct text ref_fold(const struct ref_node *node, struct text aggregate, struct text value)
{
    switch (node->fold) {
    case REF_COUNT:
        return text_printf("%lld", aggregate.is_null ? 1 : strtoll(aggregate.bytes, NULL, 10) + 1);
    case REF_REDUCE:
        return aggregate.is_null ? value : fn_fold(node->salt, aggregate, value);
    case REF_FOLD:
        return fn_fold(node->salt, aggregate.is_null ? text_of("init") : aggregate, value);
    }
    return text_null();
}

/* False: the function failed, and the record is skipped. */
static bool aggregate_into(struct task *task, const struct ref_node *node,
                           const struct ref_record *record, int64_t start_ms)
{
    struct reference *reference = task->reference;
    struct ref_entry *entry =
        find_or_add(&reference->now, node->store, task->partition, &record->key, start_ms);
    /* The first value of a reduce is the seed: no function is called. */
    bool is_called = node->fold == REF_FOLD || (node->fold == REF_REDUCE && !entry->value.is_null);
    struct ref_record seen = *record;
    if (node->fold == REF_REDUCE) seen.key = text_null(); /* it is not told the key */
    if (is_called && ref_fails(task, node, &seen)) return false;
    bool is_older = !entry->value.is_null && entry->timestamp_ms > record->timestamp_ms;
    entry->value = ref_fold(node, entry->value, record->value);
    bool is_told_later = node->is_cached && reference->caches && entry->value.is_null;
    if (!is_older || is_told_later) entry->timestamp_ms = record->timestamp_ms;
    update(task, node, entry);
    return true;
}

static void aggregate(struct task *task, int id, const struct ref_node *node,
                      struct ref_record record)
{
    struct reference *reference = task->reference;
    if (record.key.is_null || (node->window_ms == 0 && record.value.is_null)) {
        reference->dropped_null++;
        return;
    }
    if (node->window_ms == 0) {
        (void)aggregate_into(task, node, &record, 0);
        return;
    }
    int64_t *observed_ms = &reference->now.observed_ms[id][task->partition];
    if (record.timestamp_ms > *observed_ms) *observed_ms = record.timestamp_ms;
    const int64_t closed_ms = *observed_ms - node->grace_ms; /* it may change while forwarding */
    for (int64_t start_ms = 0; start_ms <= record.timestamp_ms; start_ms += node->advance_ms) {
        if (start_ms + node->window_ms <= record.timestamp_ms) continue;
        if (start_ms + node->window_ms <= closed_ms) {
            reference->dropped_late++;
            reference->went_by_time[task->component] = true;
        } else if (!aggregate_into(task, node, &record, start_ms)) {
            return;
        }
    }
}

static void join(struct task *task, const struct ref_node *node, struct ref_record record)
{
    struct reference *reference = task->reference;
    if (record.value.is_null || (record.key.is_null && !node->is_left)) {
        reference->dropped_null++;
        return;
    }
    struct text found = text_null();
    if (!record.key.is_null) {
        const struct ref_entry *entry =
            find(&reference->now, node->store, task->partition, &record.key, 0);
        if (entry != NULL) found = entry->value;
    }
    if (found.is_null && !node->is_left) return;
    if (ref_fails(task, node, &record)) return;
    record.value = fn_join(node->salt, record.key, record.value, found);
    ref_forward(task, node, record);
}

static void run_processor(struct task *task, const struct ref_node *node, struct ref_record record)
{
    struct reference *reference = task->reference;
    struct text key = record.key.is_null ? text_of("null") : record.key;
    struct ref_entry *entry = find_or_add(&reference->now, node->store, task->partition, &key, 0);
    int64_t stream_time_ms = reference->now.stream_time_ms[task->component][task->partition];
    reference->went_by_time[task->component] = true;
    struct processed done =
        fn_process(node->salt, record.key, record.value, entry->value, stream_time_ms);
    entry->value = done.stored;
    entry->timestamp_ms = record.timestamp_ms;
    if (!done.forwards) return;
    if (!node->keeps_key) record.key = done.key;
    record.value = done.value;
    ref_forward(task, node, record);
}

static void process(struct task *task, int id, struct ref_record record)
{
    const struct ref_node *node = &task->reference->nodes[id];
    struct text key = record.key;
    bool is_asked_later = node->kind == REF_AGGREGATE || node->kind == REF_JOIN ||
                          node->kind == REF_JOIN_WINDOW || node->kind == REF_STREAM_JOIN ||
                          node->kind == REF_VERSIONED_AGGREGATE || node->kind == REF_VERSIONED_JOIN;
    if (!is_asked_later && ref_fails(task, node, &record)) return;
    switch (node->kind) {
    case REF_SOURCE:
    case REF_PASS:
        ref_forward(task, node, record);
        break;
    case REF_SINK:
        send(task, node, record);
        break;
    case REF_FILTER:
        if (fn_predicate(node->salt, key, record.value)) ref_forward(task, node, record);
        break;
    case REF_FILTER_NOT:
        if (!fn_predicate(node->salt, key, record.value)) ref_forward(task, node, record);
        break;
    case REF_MAP:
        record.key = fn_key(node->salt, key, record.value);
        record.value = fn_value(node->salt, key, record.value);
        ref_forward(task, node, record);
        break;
    case REF_MAP_VALUES:
        record.value = fn_value(node->salt, key, record.value);
        ref_forward(task, node, record);
        break;
    case REF_SELECT_KEY:
        record.key = fn_key(node->salt, key, record.value);
        ref_forward(task, node, record);
        break;
    case REF_FLAT_MAP:
        flat_map(task, node, record);
        break;
    case REF_BRANCH:
        branch(task, node, record);
        break;
    case REF_FILTER_NULL_KEYS:
        if (!key.is_null) ref_forward(task, node, record);
        break;
    case REF_TABLE:
        table(task, node, record);
        break;
    case REF_AGGREGATE:
        aggregate(task, id, node, record);
        break;
    case REF_JOIN:
        join(task, node, record);
        break;
    case REF_JOIN_WINDOW:
        ref_join_window(task, node, record);
        break;
    case REF_STREAM_JOIN:
        ref_stream_join(task, node, record);
        break;
    case REF_PROCESS:
        run_processor(task, node, record);
        break;
    case REF_VERSIONED_TABLE:
        ref_versioned_table(task, node, record);
        break;
    case REF_VERSIONED_AGGREGATE:
        ref_versioned_aggregate(task, node, record);
        break;
    case REF_VERSIONED_JOIN:
        ref_versioned_join(task, node, record);
        break;
    }
}

/* ---- timers: at once when stream time reaches them, missed ticks are skipped ----------------- */

static void fire(struct task *task, const struct ref_node *node, int64_t now_ms)
{
    const struct ref_state *state = &task->reference->now;
    int64_t count = 0;
    for (int i = 0; i < state->stores[node->store].counts[task->partition]; i++) {
        count += !state->stores[node->store].entries[task->partition][i].value.is_null;
    }
    struct ref_record tick = {
        .key = text_printf("tick%d", node->salt),
        .value = text_printf("%lld", (long long)count),
        .timestamp_ms = now_ms,
    };
    ref_forward(task, node, tick);
}

/* Of those that are due, the one that has been so for the longest; -1: none is. */
static int first_due(const struct task *task, int64_t now_ms)
{
    const struct ref_state *state = &task->reference->now;
    int first = -1;
    for (int n = 0; n < task->reference->node_count; n++) {
        const struct ref_node *node = &task->reference->nodes[n];
        if (node->component != task->component || node->timer_ms == 0) continue;
        int64_t due_ms = state->next_timer_ms[n][task->partition];
        if (due_ms > now_ms) continue;
        if (first < 0 || due_ms < state->next_timer_ms[first][task->partition]) first = n;
    }
    return first;
}

static void run_timers(struct task *task)
{
    struct ref_state *state = &task->reference->now;
    int64_t now_ms = state->stream_time_ms[task->component][task->partition];
    for (int n; (n = first_due(task, now_ms)) >= 0;) {
        const struct ref_node *node = &task->reference->nodes[n];
        state->next_timer_ms[n][task->partition] = (now_ms / node->timer_ms + 1) * node->timer_ms;
        task->reference->went_by_time[task->component] = true;
        fire(task, node, now_ms);
    }
}

/* ---- tasks ----------------------------------------------------------------------------------- */

static const struct ref_record *head_of(const struct reference *reference, int source,
                                        int partition)
{
    const struct ref_topic *topic = &reference->topics[reference->nodes[source].topic];
    if (partition >= topic->partition_count) return NULL;
    int at = reference->now.read[source][partition];
    int end = topic->is_repartition
                  ? reference->now.written[reference->nodes[source].topic][partition]
                  : topic->logs[partition].count;
    return at < end ? &topic->logs[partition].records[at] : NULL;
}

/* The source whose head has the smallest timestamp; -1: none has a record. */
static int choose(const struct task *task)
{
    const struct reference *reference = task->reference;
    int chosen = -1;
    int64_t smallest = 0;
    for (int n = 0; n < reference->node_count; n++) {
        const struct ref_node *node = &reference->nodes[n];
        if (node->kind != REF_SOURCE || node->component != task->component) continue;
        const struct ref_record *head = head_of(reference, n, task->partition);
        if (head == NULL || (chosen >= 0 && head->timestamp_ms >= smallest)) continue;
        chosen = n;
        smallest = head->timestamp_ms;
    }
    return chosen;
}

static bool run_task(struct reference *reference, int component, int partition,
                     bool used[REF_NODES][REF_PARTITIONS])
{
    struct task task = {reference, component, partition};
    bool has_run = false;
    for (int source; (source = choose(&task)) >= 0;) {
        struct ref_record record = *head_of(reference, source, partition);
        int64_t *stream_time_ms = &reference->now.stream_time_ms[component][partition];
        reference->now.read[source][partition]++;
        if (record.timestamp_ms > *stream_time_ms) *stream_time_ms = record.timestamp_ms;
        process(&task, source, record);
        run_timers(&task);
        used[source][partition] = true;
        has_run = true;
    }
    return has_run;
}

/* A task that got records over a repartition topic and by another way: who came first is open. */
static void find_races(struct reference *reference, bool used[REF_NODES][REF_PARTITIONS])
{
    for (int a = 0; a < reference->node_count; a++) {
        for (int b = 0; b < reference->node_count; b++) {
            const struct ref_node *left = &reference->nodes[a];
            const struct ref_node *right = &reference->nodes[b];
            if (a == b || left->kind != REF_SOURCE || right->kind != REF_SOURCE) continue;
            if (left->component != right->component) continue;
            if (!reference->topics[left->topic].is_repartition) continue;
            for (int p = 0; p < REF_PARTITIONS; p++) {
                if (used[a][p] && used[b][p]) reference->is_ambiguous = true;
            }
        }
    }
}

/* A repartition topic has as many writers as its inputs have partitions, whether they write or not. */
static bool has_several_writers(const struct reference *reference)
{
    for (int i = 0; i < reference->topic_count; i++) {
        if (reference->topics[i].partition_count > 1) return true;
    }
    return false;
}

/* A component behind several writers that went by time: how far each was, and when that was heard, is open. */
static void find_time_races(struct reference *reference)
{
    if (!has_several_writers(reference)) return;
    for (int n = 0; n < reference->node_count; n++) {
        const struct ref_node *node = &reference->nodes[n];
        bool is_behind = node->kind == REF_SOURCE && reference->topics[node->topic].is_repartition;
        reference->is_ambiguous |= is_behind && reference->went_by_time[node->component];
    }
}

void ref_pipe(struct reference *reference, int topic, int partition,
              const struct ref_record *record)
{
    append(&reference->topics[topic].logs[partition], record);
}

static void run_until_idle(struct reference *reference, bool used[REF_NODES][REF_PARTITIONS])
{
    for (bool has_run = true; has_run;) {
        has_run = false;
        for (int c = 0; c < reference->node_count; c++) {
            for (int p = 0; p < REF_PARTITIONS; p++)
                has_run |= run_task(reference, c, p, used);
        }
    }
}

void ref_run(struct reference *reference)
{
    bool used[REF_NODES][REF_PARTITIONS] = {0};
    memset(reference->writers, 0, sizeof reference->writers);
    memset(reference->went_by_time, 0, sizeof reference->went_by_time);
    run_until_idle(reference, used);
    find_races(reference, used);
    find_time_races(reference);
}

/* ---- commits --------------------------------------------------------------------------------- */

static struct ref_entry *first_changed(struct ref_state *state, int store, int partition,
                                       int before)
{
    struct ref_entry *first = NULL;
    for (int i = 0; i < state->stores[store].counts[partition]; i++) {
        struct ref_entry *entry = &state->stores[store].entries[partition][i];
        if (entry->changed == 0 || entry->changed > before) continue;
        if (first == NULL || entry->changed < first->changed) first = entry;
    }
    return first;
}

/* In order of first change; what changes meanwhile is for the next time. */
static bool flush_node(struct reference *reference, int id, int partition)
{
    struct ref_node node = reference->nodes[id];
    struct task task = {reference, node.component, partition};
    int before = reference->change_count;
    bool has_flushed = false;
    struct ref_entry *entry;
    if (!node.is_cached || node.store < 0) return false;
    node.is_cached = false; /* update() is to forward */
    while ((entry = first_changed(&reference->now, node.store, partition, before)) != NULL) {
        const bool came_and_went = entry->value.is_null && !entry->is_told;
        entry->changed = 0;
        entry->is_told = !entry->value.is_null;
        if (!came_and_went) update(&task, &node, entry);
        has_flushed = true;
    }
    return has_flushed;
}

void ref_commit(struct reference *reference)
{
    for (bool has_flushed = true; has_flushed;) {
        has_flushed = false;
        memset(reference->writers, 0, sizeof reference->writers);
        memset(reference->went_by_time, 0, sizeof reference->went_by_time);
        for (int n = 0; n < reference->node_count; n++) {
            for (int p = 0; p < REF_PARTITIONS; p++) {
                has_flushed |= flush_node(reference, n, p);
            }
        }
        bool used[REF_NODES][REF_PARTITIONS] = {0};
        run_until_idle(reference, used);
        find_races(reference, used);
        find_time_races(reference);
    }
    reference->committed = reference->now;
}

void ref_crash(struct reference *reference)
{
    reference->now = reference->committed;
    for (int t = 0; t < reference->topic_count; t++) {
        struct ref_topic *topic = &reference->topics[t];
        if (!topic->is_repartition) continue;
        for (int p = 0; p < REF_PARTITIONS; p++) {
            topic->logs[p].count = reference->now.written[t][p];
        }
    }
    ref_run(reference);
}
