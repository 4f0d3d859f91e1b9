/**
 * First the end of every log is laid out (offset -> value) from the final reads; then each event of
 * the history is held against it.
 */
#include "tests/sim/checker.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTHING = -1 };

struct log_end {
    int64_t *values; /* by offset; NOTHING where no final read was */
    int64_t count;
};

struct checker {
    const struct history *history;
    struct log_end *logs;
    struct checker_anomaly anomaly;
};

static void flag(struct checker *checker, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void flag(struct checker *checker, const char *name, const char *format, ...)
{
    if (checker->anomaly.name != NULL) return; /* the first is the news */
    checker->anomaly.name = name;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(checker->anomaly.text, sizeof checker->anomaly.text, format, args);
    va_end(args);
}

/* ---- how things are called -------------------------------------------------------------------- */

struct name {
    char text[64];
};

static struct name log_name(const struct checker *checker, int log)
{
    const struct history_log *named = &checker->history->logs[log];
    struct name name;
    (void)snprintf(name.text, sizeof name.text, "%s-%d", named->topic, named->partition);
    return name;
}

static struct name value_name(int64_t value)
{
    struct name name;
    if (value == NOTHING) {
        (void)snprintf(name.text, sizeof name.text, "nothing");
    } else {
        (void)snprintf(name.text, sizeof name.text, "producer %d's value %" PRId64,
                       history_value_process(value), history_value_counter(value));
    }
    return name;
}

/* ---- the end of every log --------------------------------------------------------------------- */

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL) abort();
    return memory;
}

static bool is_checked(const struct checker *checker, int log)
{
    return !checker->history->logs[log].is_gone;
}

static int64_t final_value(const struct checker *checker, int log, int64_t offset)
{
    const struct log_end *end = &checker->logs[log];
    return offset >= 0 && offset < end->count ? end->values[offset] : NOTHING;
}

static void size_logs(struct checker *checker)
{
    const struct history *history = checker->history;
    for (size_t i = 0; i < history->event_count; i++) {
        const struct history_event *event = &history->events[i];
        if (event->kind != HISTORY_FINAL) continue;
        struct log_end *end = &checker->logs[event->log];
        if (event->offset >= end->count) end->count = event->offset + 1;
    }
    for (size_t i = 0; i < history->log_count; i++) {
        struct log_end *end = &checker->logs[i];
        end->values = allocate((size_t)end->count, sizeof end->values[0]);
        for (int64_t j = 0; j < end->count; j++)
            end->values[j] = NOTHING;
    }
}

static void lay_out(struct checker *checker)
{
    const struct history *history = checker->history;
    size_logs(checker);
    for (size_t i = 0; i < history->event_count; i++) {
        const struct history_event *event = &history->events[i];
        if (event->kind != HISTORY_FINAL) continue;
        int64_t *place = &checker->logs[event->log].values[event->offset];
        if (*place != NOTHING) {
            flag(checker, "duplicate", "%s: offset %" PRId64 " was read twice by the last reader",
                 log_name(checker, event->log).text, event->offset);
        }
        *place = event->value;
    }
    for (size_t i = 0; i < history->log_count; i++) {
        if (!is_checked(checker, (int)i)) continue;
        for (int64_t at = 0; at < checker->logs[i].count; at++) {
            if (checker->logs[i].values[at] != NOTHING) continue;
            flag(checker, "gap", "%s: nothing is at offset %" PRId64 ", but the log goes on",
                 log_name(checker, (int)i).text, at);
        }
    }
}

/* ---- values: sent once, there once, in order -------------------------------------------------- */

struct sent { /* sorted by value */
    int64_t value;
    int64_t count;
    int log;
    size_t event;
};

static int by_value(const void *a, const void *b)
{
    const struct sent *left = a;
    const struct sent *right = b;
    return left->value < right->value ? -1 : left->value > right->value;
}

static const struct sent *find_sent(const struct sent *sent, size_t count, int64_t value)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sent[middle].value + sent[middle].count <= value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && sent[low].value <= value ? &sent[low] : NULL;
}

static int by_number(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static void check_duplicates(struct checker *checker, int log)
{
    const struct log_end *end = &checker->logs[log];
    int64_t *sorted = allocate((size_t)end->count, sizeof sorted[0]);
    if (end->count > 0) memcpy(sorted, end->values, (size_t)end->count * sizeof sorted[0]);
    qsort(sorted, (size_t)end->count, sizeof sorted[0], by_number);
    for (int64_t i = 1; i < end->count; i++) {
        if (sorted[i] != sorted[i - 1] || sorted[i] == NOTHING) continue;
        flag(checker, "duplicate", "%s is in %s twice", value_name(sorted[i]).text,
             log_name(checker, log).text);
    }
    free(sorted);
}

/* Per producer: what it sent first comes first. */
static void check_order(struct checker *checker, int log)
{
    enum { PROCESSES_MAX = 1024 };
    const struct log_end *end = &checker->logs[log];
    int64_t last[PROCESSES_MAX] = {0};
    for (int64_t at = 0; at < end->count; at++) {
        int64_t value = end->values[at];
        if (value == NOTHING) continue;
        int process = history_value_process(value);
        if (process < 0 || process >= PROCESSES_MAX) continue;
        if (value < last[process]) {
            flag(checker, "out-of-order",
                 "%s: offset %" PRId64 " holds %s, after its value %" PRId64,
                 log_name(checker, log).text, at, value_name(value).text,
                 history_value_counter(last[process]));
        }
        last[process] = value;
    }
}

static void check_values(struct checker *checker)
{
    const struct history *history = checker->history;
    struct sent *sent = allocate(history->event_count, sizeof sent[0]);
    size_t count = 0;
    for (size_t i = 0; i < history->event_count; i++) {
        const struct history_event *event = &history->events[i];
        if (event->kind != HISTORY_APPEND) continue;
        sent[count++] = (struct sent){event->value, event->count, event->log, i};
    }
    qsort(sent, count, sizeof sent[0], by_value);
    for (size_t i = 0; i < history->log_count; i++) {
        if (!is_checked(checker, (int)i)) continue;
        for (int64_t at = 0; at < checker->logs[i].count; at++) {
            int64_t value = checker->logs[i].values[at];
            if (value == NOTHING) continue;
            const struct sent *from = find_sent(sent, count, value);
            if (from != NULL && from->log == (int)i) continue;
            flag(checker, "phantom", "%s: offset %" PRId64 " holds %s, which was never sent there",
                 log_name(checker, (int)i).text, at, value_name(value).text);
        }
        check_duplicates(checker, (int)i);
        check_order(checker, (int)i);
    }
    free(sent);
}

/* ---- answers and reads against the end -------------------------------------------------------- */

static bool may_be_lost(const struct history *history, const struct history_event *append)
{
    if (append->acks == HISTORY_ACKS_NONE) return true;
    if (append->acks == HISTORY_ACKS_ALL) return false;
    for (size_t i = 0; i < history->event_count; i++) {
        const struct history_event *event = &history->events[i];
        if (event->kind != HISTORY_RESTART || !event->is_lossy) continue;
        if (event->ended > append->began)
            return true; /* the answer may have been long on its way */
    }
    return false;
}

static bool is_in_log(const struct checker *checker, int log, int64_t value)
{
    const struct log_end *end = &checker->logs[log];
    for (int64_t at = 0; at < end->count; at++) {
        if (end->values[at] == value) return true;
    }
    return false;
}

static void check_append(struct checker *checker, const struct history_event *append)
{
    if (append->result != HISTORY_OK || append->acks == HISTORY_ACKS_NONE) return;
    const char *acks = append->acks == HISTORY_ACKS_ALL ? "all" : "1";
    bool is_kept = !may_be_lost(checker->history, append);
    for (int64_t i = 0; i < append->count && checker->anomaly.name == NULL; i++) {
        int64_t offset = append->offset + i;
        int64_t found = final_value(checker, append->log, offset);
        if (found == append->value + i) continue;
        if (is_in_log(checker, append->log, append->value + i)) {
            flag(checker, "value-changed-at-offset",
                 "%s was acknowledged at offset %" PRId64 " of %s and is at another one",
                 value_name(append->value + i).text, offset, log_name(checker, append->log).text);
        } else if (is_kept) {
            flag(checker, "lost-write",
                 "%s was acknowledged (acks=%s) at offset %" PRId64
                 " of %s; at the end that offset holds %s, and the log ends at %" PRId64,
                 value_name(append->value + i).text, acks, offset,
                 log_name(checker, append->log).text, value_name(found).text,
                 checker->logs[append->log].count);
        }
    }
}

static void check_read(struct checker *checker, const struct history_event *read)
{
    int64_t found = final_value(checker, read->log, read->offset);
    if (found == read->value) return;
    flag(checker, found == NOTHING ? "lost-read" : "value-changed-at-offset",
         "reader %d was given %s at offset %" PRId64 " of %s; at the end it holds %s",
         read->process, value_name(read->value).text, read->offset,
         log_name(checker, read->log).text, value_name(found).text);
}

static void check_against_end(struct checker *checker)
{
    const struct history *history = checker->history;
    for (size_t i = 0; i < history->event_count; i++) {
        const struct history_event *event = &history->events[i];
        if (event->log < 0 || !is_checked(checker, event->log)) continue;
        if (event->kind == HISTORY_APPEND) check_append(checker, event);
        if (event->kind == HISTORY_READ) check_read(checker, event);
    }
}

/* ---- each reader goes forward ----------------------------------------------------------------- */

static void check_polls(struct checker *checker)
{
    enum { READERS_MAX = 256 };
    const struct history *history = checker->history;
    int64_t next[READERS_MAX];
    for (int i = 0; i < READERS_MAX; i++)
        next[i] = NOTHING;
    for (size_t i = 0; i < history->event_count; i++) {
        const struct history_event *event = &history->events[i];
        if (event->kind != HISTORY_READ || event->process >= READERS_MAX) continue;
        int64_t *expected = &next[event->process];
        if (*expected != NOTHING && event->offset != *expected) {
            flag(checker, event->offset < *expected ? "nonmonotonic-poll" : "poll-skip",
                 "reader %d of %s was given offset %" PRId64 " where %" PRId64 " was next",
                 event->process, log_name(checker, event->log).text, event->offset, *expected);
        }
        *expected = event->offset + 1;
    }
}

/* ---- bounds ----------------------------------------------------------------------------------- */

/* The beginning or the end of a call that was told bounds. */
struct moment {
    int64_t at;
    const struct history_event *event;
};

static int by_time(const void *a, const void *b)
{
    const struct moment *left = a;
    const struct moment *right = b;
    return left->at < right->at ? -1 : left->at > right->at;
}

static size_t collect_moments(const struct checker *checker, struct moment *moments)
{
    const struct history *history = checker->history;
    size_t count = 0;
    for (size_t i = 0; i < history->event_count; i++) {
        const struct history_event *event = &history->events[i];
        if (event->kind != HISTORY_BOUNDS || event->result != HISTORY_OK) continue;
        if (!is_checked(checker, event->log)) continue;
        moments[count++] = (struct moment){event->began, event};
        moments[count++] = (struct moment){event->ended, event};
    }
    qsort(moments, count, sizeof moments[0], by_time);
    return count;
}

/* The mark that was known when the call began is the least it may be told: answers of others may
 * overtake it on their way. */
static void check_bounds(struct checker *checker)
{
    const struct history *history = checker->history;
    int64_t *known = allocate(history->log_count, sizeof known[0]);
    int64_t *least = allocate(history->event_count, sizeof least[0]);
    struct moment *moments = allocate(2 * history->event_count, sizeof moments[0]);
    size_t count = collect_moments(checker, moments);
    for (size_t i = 0; i < count; i++) {
        const struct history_event *event = moments[i].event;
        int64_t *known_mark = &known[event->log];
        int64_t *least_mark = &least[event - history->events];
        if (moments[i].at == event->began) {
            *least_mark = *known_mark;
            continue;
        }
        struct name log = log_name(checker, event->log);
        if (event->start > event->offset || event->offset > event->end || event->start < 0) {
            flag(checker, "bounds",
                 "%s: start %" PRId64 ", high watermark %" PRId64 ", end %" PRId64, log.text,
                 event->start, event->offset, event->end);
        }
        if (!event->is_hearsay && event->offset < *least_mark) {
            flag(checker, "bounds", "%s: the high watermark went back from %" PRId64 " to %" PRId64,
                 log.text, *least_mark, event->offset);
        }
        if (event->offset > *known_mark) *known_mark = event->offset;
        if (event->offset > checker->logs[event->log].count) {
            flag(checker, "lost-read",
                 "%s: readers were shown an end of %" PRId64 ", and it ends at %" PRId64, log.text,
                 event->offset, checker->logs[event->log].count);
        }
    }
    free(moments);
    free(least);
    free(known);
}

/* ---- committed offsets ------------------------------------------------------------------------ */

/* One group commits one partition, ever higher: what it is told later is never less than what was
 * acknowledged or told before, and always something it committed. */
static void check_committed(struct checker *checker, const struct history_event *told)
{
    const struct history *history = checker->history;
    int64_t least = NOTHING;
    bool is_known = told->offset == NOTHING;
    for (size_t i = 0; i < history->event_count; i++) {
        const struct history_event *event = &history->events[i];
        if (event->process != told->process || event->log != told->log) continue;
        bool is_commit = event->kind == HISTORY_COMMIT;
        if (!is_commit && event->kind != HISTORY_COMMITTED) continue;
        if (is_commit && event->offset == told->offset && event->began < told->ended) {
            is_known = true;
        }
        bool is_before = event->result == HISTORY_OK && event->ended < told->began;
        if (is_before && event->offset > least) least = event->offset;
    }
    struct name log = log_name(checker, told->log);
    if (told->offset < least) {
        flag(checker, "committed-offset-went-back",
             "group %d had committed offset %" PRId64 " of %s and is told %" PRId64, told->process,
             least, log.text, told->offset);
    }
    if (!is_known) {
        flag(checker, "committed-offset",
             "group %d is told offset %" PRId64 " of %s, which it never committed", told->process,
             told->offset, log.text);
    }
}

static void check_groups(struct checker *checker)
{
    const struct history *history = checker->history;
    for (size_t i = 0; i < history->event_count; i++) {
        const struct history_event *event = &history->events[i];
        if (event->kind == HISTORY_COMMITTED && event->result == HISTORY_OK) {
            check_committed(checker, event);
        }
    }
}

/* ---- topics ----------------------------------------------------------------------------------- */

struct topic_belief {
    bool may_exist;
    bool may_be_absent;
    int64_t partition_count;
};

static void believe(struct checker *checker, struct topic_belief *belief,
                    const struct history_event *event)
{
    const char *topic = checker->history->logs[event->log].topic;
    bool is_sure = event->result == HISTORY_OK;
    if (event->kind == HISTORY_CREATE) {
        belief->may_exist = true;
        belief->may_be_absent = belief->may_be_absent && !is_sure;
        belief->partition_count = event->count;
    } else if (event->kind == HISTORY_DELETE) {
        belief->may_be_absent = true;
        belief->may_exist = belief->may_exist && !is_sure;
    } else if (event->count == 0) {
        if (!belief->may_be_absent) {
            flag(checker, "topic-lost", "topic '%s' was created and is not there", topic);
        }
        belief->may_exist = false;
    } else {
        if (!belief->may_exist) {
            flag(checker, "topic-back", "topic '%s' was deleted and is there again", topic);
        } else if (belief->partition_count != event->count) {
            flag(checker, "topic-lost", "topic '%s' had %" PRId64 " partitions and has %" PRId64,
                 topic, belief->partition_count, event->count);
        }
        belief->may_be_absent = false;
    }
}

/* A topic's client does one thing after the other, so the order of the events is the order. A call
 * that nobody answered may have taken effect until the next look settles it. */
static void check_topics(struct checker *checker)
{
    const struct history *history = checker->history;
    struct topic_belief *beliefs = allocate(history->log_count, sizeof beliefs[0]);
    for (size_t i = 0; i < history->log_count; i++)
        beliefs[i].may_be_absent = true;
    for (size_t i = 0; i < history->event_count; i++) {
        const struct history_event *event = &history->events[i];
        bool is_topic = event->kind == HISTORY_CREATE || event->kind == HISTORY_DELETE ||
                        (event->kind == HISTORY_SEEN && event->result == HISTORY_OK);
        if (is_topic) believe(checker, &beliefs[event->log], event);
    }
    free(beliefs);
}

struct checker_anomaly checker_check(const struct history *history)
{
    struct checker checker = {.history = history};
    checker.logs = allocate(history->log_count, sizeof checker.logs[0]);
    lay_out(&checker);
    check_polls(&checker);
    check_against_end(&checker);
    check_values(&checker);
    check_bounds(&checker);
    check_groups(&checker);
    check_topics(&checker);
    for (size_t i = 0; i < history->log_count; i++)
        free(checker.logs[i].values);
    free(checker.logs);
    return checker.anomaly;
}

/* ---- tables ----------------------------------------------------------------------------------- */

static int by_cell(const void *a, const void *b)
{
    const struct checker_cell *left = a;
    const struct checker_cell *right = b;
    int order = strcmp(left->key, right->key);
    if (order != 0) return order;
    return left->value < right->value ? -1 : left->value > right->value;
}

/* An empty table has no memory. */
static void sort_cells(struct checker_cell *cells, size_t count)
{
    if (count > 1) qsort(cells, count, sizeof cells[0], by_cell);
}

struct checker_anomaly checker_compare(const char *name, const char *what,
                                       struct checker_cell *actual, size_t actual_count,
                                       struct checker_cell *expected, size_t expected_count)
{
    struct checker checker = {0};
    size_t i = 0;
    size_t j = 0;
    sort_cells(actual, actual_count);
    sort_cells(expected, expected_count);
    while (i < actual_count || j < expected_count) {
        int order = i == actual_count     ? 1
                    : j == expected_count ? -1
                                          : strcmp(actual[i].key, expected[j].key);
        if (order < 0) {
            flag(&checker, name, "%s: key '%s' is there with %" PRId64 ", and should not be", what,
                 actual[i].key, actual[i].value);
        } else if (order > 0) {
            flag(&checker, name, "%s: key '%s' is missing; it should have %" PRId64, what,
                 expected[j].key, expected[j].value);
        } else if (actual[i].value != expected[j].value) {
            flag(&checker, name, "%s: key '%s' has %" PRId64 " and should have %" PRId64, what,
                 actual[i].key, actual[i].value, expected[j].value);
        }
        i += order <= 0;
        j += order >= 0;
    }
    return checker.anomaly;
}

struct checker_anomaly checker_contains_all(const char *what, struct checker_cell *actual,
                                            size_t actual_count, struct checker_cell *expected,
                                            size_t expected_count)
{
    struct checker checker = {0};
    size_t i = 0;
    sort_cells(actual, actual_count);
    sort_cells(expected, expected_count);
    for (size_t j = 0; j < expected_count; j++) {
        while (i < actual_count && by_cell(&actual[i], &expected[j]) < 0) {
            flag(&checker, "output-too-many", "%s: '%s' with %" PRId64 " was never due", what,
                 actual[i].key, actual[i].value);
            i++;
        }
        bool is_there = i < actual_count && by_cell(&actual[i], &expected[j]) == 0;
        if (!is_there) {
            flag(&checker, "output-missing", "%s: '%s' with %" PRId64 " never came", what,
                 expected[j].key, expected[j].value);
        }
        while (i < actual_count && by_cell(&actual[i], &expected[j]) == 0)
            i++;
    }
    if (i < actual_count) {
        flag(&checker, "output-too-many", "%s: '%s' with %" PRId64 " was never due", what,
             actual[i].key, actual[i].value);
    }
    return checker.anomaly;
}
