/**
 * The batch answer: what the job's functions give over the input topics read from end to end, against
 * what stands in the output topics and in the changelogs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/checker.h"
#include "tests/sim/job.h"

struct table {
    struct checker_cell *cells;
    size_t count;
    size_t capacity;
};

/* One partition of one topic on its way into a table. */
struct reading {
    struct table *table;
    int32_t partition;
    bool is_partitioned; /* keys are told apart by partition */
    int64_t observed_ms; /* stream time */
    const struct table *rows;
    unsigned mode; /* of the key: a window follows, a sequence follows */
};

enum { KEY_IS_WINDOWED = 1, KEY_HAS_SEQUENCE = 2 };

/* ---- tables ----------------------------------------------------------------------------------- */

static struct checker_cell *push(struct table *table, const char *key, int64_t value)
{
    if (table->count == table->capacity) {
        table->capacity = table->capacity == 0 ? 64 : 2 * table->capacity;
        table->cells = realloc(table->cells, table->capacity * sizeof table->cells[0]);
        if (table->cells == NULL) abort();
    }
    struct checker_cell *cell = &table->cells[table->count++];
    (void)snprintf(cell->key, sizeof cell->key, "%s", key);
    cell->value = value;
    return cell;
}

static struct checker_cell *find(const struct table *table, const char *key)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->cells[i].key, key) == 0) return &table->cells[i];
    }
    return NULL;
}

static struct checker_cell *need(struct table *table, const char *key)
{
    struct checker_cell *cell = find(table, key);
    return cell != NULL ? cell : push(table, key, 0);
}

static void drop(struct table *table, const char *key)
{
    struct checker_cell *cell = find(table, key);
    if (cell != NULL) *cell = table->cells[--table->count];
}

/* ---- keys as text ----------------------------------------------------------------------------- */

struct text {
    char key[48];
};

static struct text record_key(const struct reading *reading, const struct weir_record *record)
{
    struct text text = {{0}};
    char prefix[16] = "";
    char window[24] = "";
    size_t size = record->key.size;
    if (reading->is_partitioned) {
        (void)snprintf(prefix, sizeof prefix, "%d/", (int)reading->partition);
    }
    if ((reading->mode & KEY_HAS_SEQUENCE) != 0 && size >= 4) size -= 4;
    if ((reading->mode & KEY_IS_WINDOWED) != 0 && size >= 8) {
        struct weir_record start = {.value = weir_slice(record->key.data + size - 8, 8)};
        (void)snprintf(window, sizeof window, "@%lld", (long long)record_value(&start));
        size -= 8;
    }
    (void)snprintf(text.key, sizeof text.key, "%s%.*s%s", prefix, (int)size,
                   (const char *)record->key.data, window);
    return text;
}

/* ---- the answer ------------------------------------------------------------------------------- */

static void answer_filtered(void *context, const struct weir_record *record)
{
    struct reading *reading = context;
    int64_t value = record_value(record);
    if (job_is_kept(value)) push(reading->table, record_key(reading, record).key, value);
}

static void answer_counts(void *context, const struct weir_record *record)
{
    struct reading *reading = context;
    struct text group;
    int64_t value = record_value(record);
    if (!job_is_kept(value)) return;
    (void)snprintf(group.key, sizeof group.key, "g%d", job_group(value));
    need(reading->table, group.key)->value++;
}

static void answer_windows(void *context, const struct weir_record *record)
{
    struct reading *reading = context;
    char key[96];
    int64_t timestamp_ms = record->timestamp_ms;
    if (timestamp_ms > reading->observed_ms) reading->observed_ms = timestamp_ms;
    int64_t start_ms = timestamp_ms - timestamp_ms % JOB_WINDOW_MS;
    if (start_ms + JOB_WINDOW_MS <= reading->observed_ms - JOB_GRACE_MS) return; /* late */
    (void)snprintf(key, sizeof key, "%s@%lld", record_key(reading, record).key,
                   (long long)start_ms);
    need(reading->table, key)->value++;
}

static void answer_folds(void *context, const struct weir_record *record)
{
    struct reading *reading = context;
    struct checker_cell *cell = need(reading->table, record_key(reading, record).key);
    cell->value = job_fold(cell->value, record_value(record));
}

/* Every step of every fold: an uncached table forwards them all. `rows` holds the folds so far. */
static void answer_fold_steps(void *context, const struct weir_record *record)
{
    struct reading *reading = context;
    struct text key = record_key(reading, record);
    struct checker_cell *cell = need((struct table *)reading->rows, key.key);
    cell->value = job_fold(cell->value, record_value(record));
    push(reading->table, key.key, cell->value);
}

static void answer_seen(void *context, const struct weir_record *record)
{
    struct reading *reading = context;
    need(reading->table, record_key(reading, record).key)->value++;
}

static void answer_joined(void *context, const struct weir_record *record)
{
    struct reading *reading = context;
    struct text key = record_key(reading, record);
    const struct checker_cell *row = find(reading->rows, key.key);
    if (row != NULL) push(reading->table, key.key, job_join(record_value(record), row->value));
}

/* A row for each version: its key, and its time. */
static void answer_versions(void *context, const struct weir_record *record)
{
    struct reading *reading = context;
    char key[96];
    (void)snprintf(key, sizeof key, "%s@%lld", record_key(reading, record).key,
                   (long long)record->timestamp_ms);
    push(reading->table, key, record_value(record));
}

static void answer_time(void *context, const struct weir_record *record)
{
    struct reading *reading = context;
    if (record->timestamp_ms > reading->observed_ms) reading->observed_ms = record->timestamp_ms;
}

/* The version of the largest time up to the click's, of those the last; none: there is no result. And a click is
 * joined once time, `observed_ms` in the end, is a grace ahead of it. */
static void answer_graced(void *context, const struct weir_record *record)
{
    struct reading *reading = context;
    const struct text key = record_key(reading, record);
    const size_t size = strlen(key.key);
    const struct checker_cell *version = NULL;
    int64_t version_ms = -1;
    if (record->timestamp_ms > reading->observed_ms - JOB_JOIN_GRACE_MS) return;
    for (size_t i = 0; i < reading->rows->count; i++) {
        const struct checker_cell *cell = &reading->rows->cells[i];
        if (strncmp(cell->key, key.key, size) != 0 || cell->key[size] != '@') continue;
        const int64_t time_ms = strtoll(cell->key + size + 1, NULL, 10);
        if (time_ms > record->timestamp_ms || time_ms < version_ms) continue;
        version = cell;
        version_ms = time_ms;
    }
    if (version == NULL) return;
    push(reading->table, key.key, job_join(record_value(record), version->value));
}

/* ---- what is there ---------------------------------------------------------------------------- */

/* The latest value per key: the state of a changelog, or what a reader of the output ends with. */
static void take_latest(void *context, const struct weir_record *record)
{
    struct reading *reading = context;
    struct text key = record_key(reading, record);
    if (weir_slice_is_null(record->value)) {
        drop(reading->table, key.key);
    } else {
        need(reading->table, key.key)->value = record_value(record);
    }
}

static void take_each(void *context, const struct weir_record *record)
{
    struct reading *reading = context;
    push(reading->table, record_key(reading, record).key, record_value(record));
}

struct check {
    struct simulation *simulation;
    const struct job_shape *shape;
    struct table rows;
    bool may_lack; /* outputs: flush.policy=os, and power was lost */
};

static struct table read_topic(struct check *check, const char *topic,
                               void (*each)(void *context, const struct weir_record *record),
                               unsigned mode, const struct table *rows)
{
    struct table table = {0};
    for (int32_t i = 0; i < check->shape->partition_count; i++) {
        struct reading reading = {
            .table = &table,
            .partition = i,
            .observed_ms = -1,
            .rows = rows,
            .mode = mode,
        };
        if (!read_partition(check->simulation, topic, i, each, &reading)) break;
    }
    return table;
}

static void free_table(struct table *table)
{
    free(table->cells);
    *table = (struct table){0};
}

static void judge(struct check *check, struct checker_anomaly anomaly)
{
    if (anomaly.name != NULL) {
        simulation_fail(check->simulation, anomaly.name, "%s", anomaly.text);
    }
}

static void compare(struct check *check, const char *what, struct table actual,
                    const struct table *expected)
{
    struct table copy = {0};
    for (size_t i = 0; i < expected->count; i++)
        push(&copy, expected->cells[i].key, expected->cells[i].value);
    if (!simulation_has_failed(check->simulation)) {
        judge(check, checker_compare("state-is-not-the-batch-answer", what, actual.cells,
                                     actual.count, copy.cells, copy.count));
    }
    free_table(&actual);
    free_table(&copy);
}

static bool has_cell(const struct table *table, const struct checker_cell *cell)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct checker_cell *other = &table->cells[i];
        if (other->value == cell->value && strcmp(other->key, cell->key) == 0) return true;
    }
    return false;
}

/* What power took with it is not missed; what is there must have been due all the same. */
static void forgive_missing(const struct table *actual, struct table *expected)
{
    size_t kept = 0;
    for (size_t i = 0; i < expected->count; i++) {
        if (has_cell(actual, &expected->cells[i])) expected->cells[kept++] = expected->cells[i];
    }
    expected->count = kept;
}

/* The latest values of an output: of one that may lack its tail they say nothing. */
static void compare_output(struct check *check, const char *what, struct table actual,
                           const struct table *expected)
{
    if (check->may_lack) {
        free_table(&actual);
    } else {
        compare(check, what, actual, expected);
    }
}

/* Each record that was due is there, exactly once where that is the guarantee: a log that power takes records from loses
 * markers, too, and with them what is void. */
static void contain(struct check *check, const char *what, struct table actual,
                    struct table expected)
{
    if (check->may_lack) forgive_missing(&actual, &expected);
    if (!check->shape->is_at_least_once && !check->may_lack) {
        compare(check, what, actual, &expected);
        free_table(&expected);
        return;
    }
    if (!simulation_has_failed(check->simulation)) {
        judge(check, checker_contains_all(what, actual.cells, actual.count, expected.cells,
                                          expected.count));
    }
    free_table(&actual);
    free_table(&expected);
}

/* ---- part by part ----------------------------------------------------------------------------- */

static void check_counts(struct check *check)
{
    contain(check, "topic 'filtered'", read_topic(check, "filtered", take_each, 0, NULL),
            read_topic(check, "events", answer_filtered, 0, NULL));
    struct table answer = read_topic(check, "events", answer_counts, 0, NULL);
    compare(check, "store 'counts', from its changelog",
            read_topic(check, JOB_APPLICATION "-counts-changelog", take_latest, 0, NULL), &answer);
    compare_output(check, "topic 'counts', its latest values",
                   read_topic(check, "counts", take_latest, 0, NULL), &answer);
    free_table(&answer);
}

/* The clock has jumped far, and what was long over went: behind it there is at least a marker, whose time is today. */
static bool has_expired(const struct check *check, const char *topic)
{
    bool has = false;
    for (int32_t i = 0; i < check->shape->partition_count; i++) {
        int64_t start = 0;
        int64_t end = 0;
        (void)weir_topic_offsets(check->simulation->log, topic, i, &start, &end, NULL);
        has |= start > 0;
    }
    return has;
}

static void check_windows(struct check *check)
{
    const char *changelog = JOB_APPLICATION "-windows-changelog";
    struct table answer = read_topic(check, "events", answer_windows, 0, NULL);
    struct table rows =
        read_topic(check, changelog, take_latest, KEY_IS_WINDOWED | KEY_HAS_SEQUENCE, NULL);
    struct table due = read_topic(check, "events", answer_windows, 0, NULL);
    if (has_expired(check, changelog)) forgive_missing(&rows, &due);
    compare(check, "store 'windows', from its changelog", rows, &due);
    free_table(&due);
    compare_output(check, "topic 'windows', its latest values",
                   read_topic(check, "windows", take_latest, KEY_IS_WINDOWED, NULL), &answer);
    free_table(&answer);
}

static void check_folds(struct check *check)
{
    struct table folds = {0};
    contain(check, "topic 'folds'", read_topic(check, "folds", take_each, 0, NULL),
            read_topic(check, "events", answer_fold_steps, 0, &folds));
    free_table(&folds);
    struct table answer = read_topic(check, "events", answer_folds, 0, NULL);
    compare(check, "store 'folds', from its changelog",
            read_topic(check, JOB_APPLICATION "-folds-changelog", take_latest, 0, NULL), &answer);
    compare_output(check, "topic 'folds', its latest values",
                   read_topic(check, "folds", take_latest, 0, NULL), &answer);
    free_table(&answer);
}

/* Keys are counted, and each tick of the timer is there once. */
static void check_seen(struct check *check)
{
    struct table answer = read_topic(check, "events", answer_seen, 0, NULL);
    struct table seen = {0};
    struct table all = {0};
    for (int32_t i = 0; i < check->shape->partition_count; i++) {
        struct reading reading = {.table = &all, .partition = i, .is_partitioned = true};
        (void)read_partition(check->simulation, JOB_APPLICATION "-seen-changelog", i, take_latest,
                             &reading);
    }
    for (size_t i = 0; i < all.count; i++) {
        const char *key = strchr(all.cells[i].key, '/') + 1;
        if (key[0] != '@') {
            push(&seen, key, all.cells[i].value);
        } else if (all.cells[i].value != 1) {
            simulation_fail(check->simulation, "timer-fired-twice",
                            "partition/time %s: the timer has fired %lld times at it",
                            all.cells[i].key, (long long)all.cells[i].value);
        }
    }
    free_table(&all);
    compare(check, "store 'seen', from its changelog", seen, &answer);
    free_table(&answer);
}

static void check_joined(struct check *check)
{
    struct table rows = read_topic(check, "rows", take_latest, 0, NULL);
    contain(check, "topic 'joined'", read_topic(check, "joined", take_each, 0, NULL),
            read_topic(check, "clicks", answer_joined, 0, &rows));
    free_table(&rows);
}

/* Keys are of one partition each, so the versions of all may stand together. */
static void check_graced(struct check *check)
{
    struct table versions = read_topic(check, "rows", answer_versions, 0, NULL);
    struct table answer = {0};
    for (int32_t i = 0; i < check->shape->partition_count; i++) {
        struct reading reading = {
            .table = &answer, .partition = i, .observed_ms = -1, .rows = &versions};
        if (!read_partition(check->simulation, "clicks", i, answer_time, &reading)) break;
        if (!read_partition(check->simulation, "clicks", i, answer_graced, &reading)) break;
    }
    contain(check, "topic 'graced'", read_topic(check, "graced", take_each, 0, NULL), answer);
    free_table(&versions);
}

/* A record in each of its windows that is not over. */
static void answer_hopping(void *context, const struct weir_record *record)
{
    struct reading *reading = context;
    const int64_t timestamp_ms = record->timestamp_ms;
    if (timestamp_ms > reading->observed_ms) reading->observed_ms = timestamp_ms;
    int64_t start_ms = timestamp_ms - timestamp_ms % JOB_ADVANCE_MS;
    for (; start_ms + JOB_WINDOW_MS > timestamp_ms; start_ms -= JOB_ADVANCE_MS) {
        char key[96];
        if (start_ms + JOB_WINDOW_MS <= reading->observed_ms - JOB_GRACE_MS) return;
        (void)snprintf(key, sizeof key, "%s@%lld", record_key(reading, record).key,
                       (long long)start_ms);
        need(reading->table, key)->value++;
    }
}

/* Each window that is over has come out once, with its last count. */
static void check_closed(struct check *check)
{
    struct table due = {0};
    if (check->may_lack) return; /* time has moved by records that power took */
    for (int32_t i = 0; i < check->shape->partition_count; i++) {
        struct table windows = {0};
        struct reading reading = {.table = &windows, .partition = i, .observed_ms = -1};
        if (!read_partition(check->simulation, "events", i, answer_hopping, &reading)) break;
        for (size_t w = 0; w < windows.count; w++) {
            const int64_t end_ms = atoll(strchr(windows.cells[w].key, '@') + 1) + JOB_WINDOW_MS;
            if (end_ms > reading.observed_ms - JOB_GRACE_MS) continue;
            push(&due, windows.cells[w].key, windows.cells[w].value);
        }
        free_table(&windows);
    }
    contain(check, "topic 'closed'", read_topic(check, "closed", take_each, KEY_IS_WINDOWED, NULL),
            due);
}

/* Each pair within the window, once. The keys of partitions differ, and a value tells its time. */
static void check_met(struct check *check)
{
    struct table events = read_topic(check, "events", take_each, 0, NULL);
    struct table clicks = read_topic(check, "clicks", take_each, 0, NULL);
    struct table due = {0};
    for (size_t e = 0; e < events.count; e++) {
        const int64_t event = events.cells[e].value;
        for (size_t c = 0; c < clicks.count; c++) {
            const int64_t click = clicks.cells[c].value;
            const int64_t apart_ms = job_timestamp_ms(event) - job_timestamp_ms(click);
            if (apart_ms < -JOB_WITHIN_MS || apart_ms > JOB_WITHIN_MS) continue;
            if (strcmp(events.cells[e].key, clicks.cells[c].key) != 0) continue;
            push(&due, events.cells[e].key, job_join(event, click));
        }
    }
    free_table(&events);
    free_table(&clicks);
    contain(check, "topic 'met'", read_topic(check, "met", take_each, 0, NULL), due);
}

static bool has_lost_power(const struct history *history)
{
    for (size_t i = 0; i < history->event_count; i++) {
        const struct history_event *event = &history->events[i];
        if (event->kind == HISTORY_RESTART && event->is_lossy) return true;
    }
    return false;
}

void job_check(struct simulation *simulation, const struct job_shape *shape)
{
    struct check check = {.simulation = simulation,
                          .shape = shape,
                          .may_lack = simulation->swarm.is_flush_policy_os &&
                                      has_lost_power(&simulation->history)};
    if (simulation_has_failed(simulation)) return;
    if (shape->parts & JOB_COUNTS) check_counts(&check);
    if (shape->parts & JOB_WINDOWS) check_windows(&check);
    if (shape->parts & JOB_FOLDS) check_folds(&check);
    if (shape->parts & JOB_SEEN) check_seen(&check);
    if (shape->parts & JOB_JOINED) check_joined(&check);
    if (shape->parts & JOB_GRACED) check_graced(&check);
    if (shape->parts & JOB_CLOSED) check_closed(&check);
    if (shape->parts & JOB_MET) check_met(&check);
}
