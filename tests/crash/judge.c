/**
 * Reads what the workload's processes wrote down and lets the simulator's checker judge it.
 *
 * One line per step:   TIME PROCESS TYPE F LOG VALUE OFFSET
 *   TIME     monotonic, in ns, of the whole machine
 *   PROCESS  producer or reader
 *   TYPE     invoke, ok, fail (did not happen), info (nobody knows)
 *   F        send, poll, final; create, delete, seen: a topic; commit, committed: the group that
 *            PROCESS is a member of commits OFFSET, or is told it (-1: nothing is committed); kill,
 *            power: the server went, and came back
 *   LOG      topic-partition, of a topic its partition 0; - with kill and power
 *   VALUE    process << 40 | counter; create, seen: how many partitions, 0: it is not there
 *
 * usage: judge [--expect ANOMALY] [--at-least COUNT] [--commits COUNT] FILE ...
 * Exit 0: no anomaly, or just that one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/checker.h"

enum { READERS_MAX = 256 };

enum type { TYPE_INVOKE, TYPE_OK, TYPE_FAIL, TYPE_INFO };

struct line {
    int64_t time;
    int process;
    enum type type;
    char f[12];
    char log[48];
    int64_t value;
    int64_t offset;
    size_t number; /* of lines of one time, the first read is first */
};

struct judge {
    struct history history;
    struct line *lines;
    size_t line_count;
    size_t line_capacity;
    char readers[READERS_MAX][64]; /* the checker's reader reads one log */
    int64_t sent;
    int64_t acknowledged;
    int64_t polled;
    int64_t commits; /* acknowledged */
    int64_t crashes;
};

static void *need(void *memory)
{
    if (memory == NULL) abort(); /* a test without memory has nothing to say */
    return memory;
}

__attribute__((noreturn)) static void refuse(const char *path, const char *line)
{
    (void)fprintf(stderr, "judge: %s: not a line of a history: %s\n", path, line);
    exit(2);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static struct line parse(const char *path, const char *text)
{
    static const char *const types[] = {"invoke", "ok", "fail", "info"};
    struct line line = {0};
    char type[8];
    int read = sscanf(text, "%" SCNd64 " %d %7s %11s %47s %" SCNd64 " %" SCNd64, &line.time,
                      &line.process, type, line.f, line.log, &line.value, &line.offset);
    if (read != 7) refuse(path, text);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(type, types[i]) != 0) continue;
        line.type = (enum type)i;
        return line;
    }
    refuse(path, text);
}

static void read_lines(struct judge *judge, const char *path)
{
    char text[256];
    FILE *file = fopen(path, "re");
    if (file == NULL) refuse(path, "cannot be opened");
    while (fgets(text, sizeof text, file) != NULL) {
        if (text[0] == '#' || text[0] == '\n') continue;
        if (judge->line_count == judge->line_capacity) {
            judge->line_capacity = judge->line_capacity == 0 ? 4096 : 2 * judge->line_capacity;
            judge->lines =
                need(realloc(judge->lines, judge->line_capacity * sizeof judge->lines[0]));
        }
        struct line *line = &judge->lines[judge->line_count];
        *line = parse(path, text);
        line->number = judge->line_count++;
    }
    (void)fclose(file);
}

static int by_time(const void *a, const void *b)
{
    const struct line *left = a;
    const struct line *right = b;
    if (left->time != right->time) return left->time < right->time ? -1 : 1;
    return left->number < right->number ? -1 : left->number > right->number;
}

/* ---- the history ----------------------------------------------------------------------------- */

static int log_of(struct judge *judge, const char *name)
{
    const char *dash = strrchr(name, '-');
    if (dash == NULL || dash == name) refuse("log", name);
    int partition = (int)strtol(dash + 1, NULL, 10);
    char topic[48];
    (void)snprintf(topic, sizeof topic, "%.*s", (int)(dash - name), name);
    for (size_t i = 0; i < judge->history.log_count; i++) {
        const struct history_log *log = &judge->history.logs[i];
        if (log->partition == partition && strcmp(log->topic, topic) == 0) return (int)i;
    }
    return history_log_add(&judge->history, topic, partition);
}

static int reader_of(struct judge *judge, const struct line *line)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%d %s", line->process, line->log);
    for (int i = 0; i < READERS_MAX; i++) {
        if (judge->readers[i][0] == '\0') memcpy(judge->readers[i], name, sizeof name);
        if (strcmp(judge->readers[i], name) == 0) return i;
    }
    refuse("too many readers", name);
}

/* The call that is answered: values are unique, a client does one thing at a time with a topic or
 * the offset of a partition, and few calls are open at once, so the newest come first. */
static size_t call_of(struct judge *judge, enum history_kind kind, const struct line *answer)
{
    const struct history *history = &judge->history;
    int log = log_of(judge, answer->log);
    for (size_t i = history->event_count; i-- > 0;) {
        const struct history_event *event = &history->events[i];
        bool is_same = kind == HISTORY_APPEND
                           ? event->value == answer->value
                           : event->log == log && event->process == answer->process;
        if (event->kind == kind && is_same) return i;
    }
    refuse("an answer without its call", answer->log);
}

/* A send, a commit, or a topic made or removed. Without an answer, or with info, it stays unknown. */
static void note_call(struct judge *judge, enum history_kind kind, const struct line *line)
{
    struct history *history = &judge->history;
    bool is_send = kind == HISTORY_APPEND;
    if (line->type == TYPE_INVOKE) {
        judge->sent += is_send;
        (void)history_begin(history, &(struct history_event){.kind = kind,
                                                             .acks = HISTORY_ACKS_ALL,
                                                             .process = line->process,
                                                             .log = log_of(judge, line->log),
                                                             .offset = line->offset,
                                                             .value = is_send ? line->value : 0,
                                                             .count = is_send ? 1 : line->value});
    } else if (line->type == TYPE_OK) {
        size_t call = call_of(judge, kind, line);
        history->events[call].offset = line->offset;
        history_end(history, call);
        judge->acknowledged += is_send;
        judge->commits += kind == HISTORY_COMMIT;
    }
}

static void note_crash(struct judge *judge, const struct line *line)
{
    history_note(&judge->history,
                 &(struct history_event){.kind = HISTORY_RESTART,
                                         .log = -1,
                                         .is_lossy = strcmp(line->f, "power") == 0});
    judge->crashes++;
}

static void note_told(struct judge *judge, enum history_kind kind, const struct line *line)
{
    bool is_poll = kind == HISTORY_READ;
    history_note(&judge->history, &(struct history_event){
                                      .kind = kind,
                                      .process = is_poll ? reader_of(judge, line) : line->process,
                                      .log = log_of(judge, line->log),
                                      .value = line->value,
                                      .count = kind == HISTORY_SEEN ? line->value : 1,
                                      .offset = line->offset});
    judge->polled += is_poll;
}

static void note_line(struct judge *judge, const struct line *line)
{
    static const struct {
        const char *f;
        void (*note)(struct judge *judge, enum history_kind kind, const struct line *line);
        enum history_kind kind;
    } steps[] = {
        {"send", note_call, HISTORY_APPEND},   {"create", note_call, HISTORY_CREATE},
        {"delete", note_call, HISTORY_DELETE}, {"poll", note_told, HISTORY_READ},
        {"final", note_told, HISTORY_FINAL},   {"seen", note_told, HISTORY_SEEN},
        {"commit", note_call, HISTORY_COMMIT}, {"committed", note_told, HISTORY_COMMITTED},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (strcmp(line->f, steps[i].f) != 0) continue;
        steps[i].note(judge, steps[i].kind, line);
        return;
    }
    if (strcmp(line->f, "kill") != 0 && strcmp(line->f, "power") != 0) {
        refuse("unknown step", line->f);
    }
    note_crash(judge, line);
}

/* ---- the verdict ----------------------------------------------------------------------------- */

/* The names of Jepsen's Kafka checker, where the simulator's say it in other words. */
static const char *known_name(const char *name)
{
    if (name != NULL && strcmp(name, "value-changed-at-offset") == 0) return "inconsistent-offsets";
    return name;
}

struct demand {
    const char *expected; /* an anomaly; NULL: none */
    int64_t at_least;     /* values acknowledged, and polled */
    int64_t commits;
};

static int verdict(struct judge *judge, const struct demand *demand)
{
    struct checker_anomaly anomaly = checker_check(&judge->history);
    const char *name = known_name(anomaly.name);
    (void)printf("%" PRId64 " values sent, %" PRId64 " acknowledged, %" PRId64 " polled, %" PRId64
                 " commits, %" PRId64 " crashes\n",
                 judge->sent, judge->acknowledged, judge->polled, judge->commits, judge->crashes);
    if (name != NULL) (void)printf("%s: %s\n", name, anomaly.text);
    if (demand->expected != NULL) {
        if (name != NULL && strcmp(name, demand->expected) == 0) return 0;
        (void)printf("expected %s, found %s\n", demand->expected,
                     name != NULL ? name : "no anomaly");
        return 1;
    }
    if (name != NULL) return 1;
    if (judge->acknowledged < demand->at_least || judge->polled < demand->at_least ||
        judge->commits < demand->commits) {
        (void)printf("too little happened to say anything: at least %" PRId64 " values and %" PRId64
                     " commits were asked for\n",
                     demand->at_least, demand->commits);
        return 1;
    }
    (void)printf("no anomaly\n");
    return 0;
}

int main(int argc, char **argv)
{
    struct judge judge = {0};
    struct demand demand = {0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--expect") == 0 && i + 1 < argc) {
            demand.expected = argv[++i];
        } else if (strcmp(argv[i], "--at-least") == 0 && i + 1 < argc) {
            demand.at_least = strtoll(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--commits") == 0 && i + 1 < argc) {
            demand.commits = strtoll(argv[++i], NULL, 10);
        } else {
            read_lines(&judge, argv[i]);
        }
    }
    qsort(judge.lines, judge.line_count, sizeof judge.lines[0], by_time);
    for (size_t i = 0; i < judge.line_count; i++)
        note_line(&judge, &judge.lines[i]);
    int status = verdict(&judge, &demand);
    history_close(&judge.history);
    free(judge.lines);
    return status;
}
