/**
 * Runs the vectors of Kafka Streams (README.md) on Weir, in the simulator.
 *
 * For each case: declare the topology; feed each `in` and compare what comes out of the topics of
 * sinks, in order; compare the count of dropped records, whether the job fails, and at the end the
 * last record of each key of the changelogs, which is all of the state, byte by byte. A case that
 * needs what is not built is counted by what is missing, never as passed.
 *
 * usage: vectors [--known FILE] [--only TEXT] [--missing] DIR|FILE...
 *
 * --known: cases where Weir answers otherwise, with the reason. --missing: what is not built, by count.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <weir/test.h>

#include "tests/vectors/declare.h"

enum { OUT_SIZE = 1 << 18, MISSING_MAX = 64, KNOWN_MAX = 256 };

struct run {
    struct vector_case *vector;
    struct graph graph;
    struct weir_topology *topology;
    struct weir_test *test;
    struct weir_streams_options options;
    int64_t dropped;
    bool is_optimized; /* by all that there is */
    size_t at;         /* line */
    char why[1 << 14];
    char got[OUT_SIZE];
};

static struct {
    int passed, failed, not_built, known;
    struct {
        char what[128];
        int count;
    } missing[MISSING_MAX];
    size_t missing_count;
} totals;

static bool differs(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool differs(struct run *run, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(run->why, sizeof run->why, format, arguments);
    va_end(arguments);
    return false;
}

/* How often a text has a line. */
static int lines_like(const char *text, const char *line, size_t size)
{
    int count = 0;
    for (const char *at = text; *at != '\0'; at += strcspn(at, "\n") + 1) {
        count += strcspn(at, "\n") == size && memcmp(at, line, size) == 0;
    }
    return count;
}

/* The lines that one has and the other has not so often; where there are none the order is another. */
static void add_lines(struct run *run, const char *title, const char *text, const char *other)
{
    size_t at_why = strlen(run->why);
    bool has_any = false;
    for (const char *at = text; *at != '\0'; at += strcspn(at, "\n") + 1) {
        const size_t size = strcspn(at, "\n");
        if (lines_like(text, at, size) <= lines_like(other, at, size)) continue;
        at_why += (size_t)snprintf(run->why + at_why, sizeof run->why - at_why, "  %s %.*s\n",
                                   title, (int)(size < 400 ? size : 400), at);
        has_any = true;
        if (at_why + 512 > sizeof run->why) return;
    }
    if (!has_any && strlen(text) == strlen(other))
        (void)snprintf(run->why + at_why, sizeof run->why - at_why, "%s, in this order:\n%.1500s",
                       title, text);
}

static bool differs_in(struct run *run, const char *where, const char *wanted)
{
    (void)snprintf(run->why, sizeof run->why, "%.500s\n", where);
    add_lines(run, "wanted", wanted, run->got);
    add_lines(run, "got", run->got, wanted);
    return false;
}

/* ---- configs --------------------------------------------------------------------------------- */

static void take_config(struct run *run, const struct line *line)
{
    static const struct {
        const char *text;
        bool is_built;
    } known[] = {{"cache=on", true},
                 {"processing=continue", true},
                 {"deserialization=continue", true},
                 {"describe=yes", true},
                 {"optimize=none", true},
                 {"optimize=single.store.self.join", true},
                 {"optimize=all", true}, /* without tables and repartitions: see declare */
                 {"emit.interval=", true}};
    struct weir_streams_options *options = &run->options;
    const char *text = line->words[1];
    bool is_known = false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        is_known |= strncmp(text, known[i].text, strlen(known[i].text)) == 0;
    }
    char what[64];
    (void)snprintf(what, sizeof what, "config %.*s", (int)strcspn(text, "=") & 31, text);
    if (!is_known) graph_miss(&run->graph, what);
    const char *interval = strncmp(text, "emit.interval=", 14) == 0 ? text + 14 : NULL;
    if (interval != NULL) {
        options->window_emit_interval_ms = atoll(interval);
        run->graph.emit_interval_ms = atoll(interval);
    }
    if (strncmp(text, "optimize=", 9) == 0) {
        run->graph.has_self_joins = strcmp(text + 9, "none") != 0;
        run->is_optimized = strcmp(text + 9, "all") == 0;
    }
    if (strcmp(text, "cache=on") == 0) options->cache_max_bytes = 0;
    if (strcmp(text, "processing=continue") == 0) options->on_processing_error = WEIR_ON_ERROR_SKIP;
    if (strcmp(text, "deserialization=continue") == 0) {
        options->on_deserialization_error = WEIR_ON_ERROR_SKIP;
    }
}

/* ---- what comes out -------------------------------------------------------------------------- */

static int64_t big_endian(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) {
        value = value << 8 | bytes[i];
    }
    return (int64_t)value;
}

static const char *show(struct type type, struct weir_slice bytes, char *to)
{
    if (type.window_ms > 0 && !weir_slice_is_null(bytes) && bytes.size >= 8) {
        int64_t start = big_endian(bytes.data + bytes.size - 8);
        struct type plain = {.letter = type.letter};
        (void)show(plain, weir_slice(bytes.data, bytes.size - 8), to);
        int64_t end = type.window_ms == INT64_MAX ? INT64_MAX : start + type.window_ms;
        (void)sprintf(to + strlen(to), "@%" PRId64 "/%" PRId64, start, end);
        return to;
    }
    if (type.window_ms == SESSION && !weir_slice_is_null(bytes) && bytes.size >= 16) {
        int64_t end = big_endian(bytes.data + bytes.size - 16);
        int64_t start = big_endian(bytes.data + bytes.size - 8);
        struct type plain = {.letter = type.letter};
        (void)show(plain, weir_slice(bytes.data, bytes.size - 16), to);
        (void)sprintf(to + strlen(to), "@%" PRId64 "/%" PRId64, start, end);
        return to;
    }
    if (type.letter == 'L' && !weir_slice_is_null(bytes) && bytes.size == 8) {
        (void)sprintf(to, "%" PRId64, big_endian(bytes.data));
        return to;
    }
    return text_encode(bytes, to);
}

static void put_line(struct run *run, const char *text)
{
    size_t size = strlen(run->got), more = strlen(text);
    if (size + more + 2 > sizeof run->got) abort();
    memcpy(run->got + size, text, more);
    memcpy(run->got + size + more, "\n", 2);
}

static void add_headers(char *line, size_t size, const struct weir_record *record)
{
    static char value[OUT_SIZE / 4];
    size_t at = strlen(line);
    for (size_t i = 0; i < record->header_count; i++) {
        const struct weir_header *header = &record->headers[i];
        at += (size_t)snprintf(line + at, size - at, " %.*s=%s", (int)header->key.size,
                               (const char *)header->key.data, text_encode(header->value, value));
    }
}

static void put_record(struct run *run, const struct topic_type *topic,
                       const struct weir_record *record)
{
    static char line[OUT_SIZE], key[OUT_SIZE / 4], value[OUT_SIZE / 4];
    (void)snprintf(line, sizeof line, "out %s %s %s %" PRId64, topic->name,
                   show(topic->key, record->key, key), show(topic->value, record->value, value),
                   record->timestamp_ms);
    add_headers(line, sizeof line, record);
    put_line(run, line);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct topic_type *)a)->name, ((const struct topic_type *)b)->name);
}

/* All that is new in the topics of sinks, by topic. */
static bool read_outputs(struct run *run)
{
    struct topic_type topics[TOPICS_MAX];
    memcpy(topics, run->graph.topics, sizeof topics);
    qsort(topics, run->graph.topic_count, sizeof topics[0], by_name);
    run->got[0] = '\0';
    for (size_t i = 0; i < run->graph.topic_count; i++) {
        struct weir_record record;
        int rc = topics[i].is_output ? 0 : WEIR_END;
        while (rc == 0 && (rc = weir_test_read(run->test, topics[i].name, &record, NULL)) == 0) {
            put_record(run, &topics[i], &record);
        }
        if (rc < 0) return false;
    }
    return true;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static bool is_step(const struct line *line)
{
    return line_is(line, "in") || line_is(line, "wall") || line_is(line, "get");
}

static bool feed(struct run *run, const struct line *line)
{
    static uint8_t key[LINE_SIZE_MAX], value[LINE_SIZE_MAX], headers[WORDS_MAX][256];
    struct weir_header list[WORDS_MAX];
    const struct topic_type *topic = graph_topic(&run->graph, line->words[1]);
    if (topic == NULL) return differs(run, "no declaration types topic %s", line->words[1]);
    struct weir_record record = {
        .key = text_decode(line->words[2], key),
        .value = text_decode(line->words[3], value),
        .timestamp_ms = strtoll(line->words[4], NULL, 10),
    };
    struct type types[2] = {topic->key, topic->value};
    struct weir_slice *sides[2] = {&record.key, &record.value};
    for (int i = 0; i < 2; i++) {
        bool is_raw = line->words[2 + i][0] == '!';
        if (types[i].letter != 'L' || is_raw || weir_slice_is_null(*sides[i])) continue;
        uint64_t number = (uint64_t)strtoll(line->words[2 + i], NULL, 10);
        uint8_t *to = i == 0 ? key : value;
        for (int b = 0; b < 8; b++) {
            to[b] = (uint8_t)(number >> (56 - 8 * b));
        }
        *sides[i] = weir_slice(to, 8);
    }
    for (size_t i = 5; i < line->count; i++) {
        char *equals = strchr(line->words[i], '=');
        size_t size = (size_t)(equals - line->words[i]);
        list[record.header_count++] =
            (struct weir_header){.key = weir_slice((const uint8_t *)line->words[i], size),
                                 .value = text_decode(equals + 1, headers[i])};
    }
    record.headers = list;
    return weir_test_pipe_bytes(run->test, line->words[1], 0, &record, true) >= 0;
}

/* Feed or turn the clock; then a commit, as after each step of the vectors. */
static bool perform(struct run *run, const struct line *line)
{
    bool goes = true;
    if (line_is(line, "in")) goes = feed(run, line);
    if (line_is(line, "wall")) goes = weir_test_advance_ms(run->test, atoll(line->words[1])) >= 0;
    return goes && weir_test_commit(run->test) >= 0;
}

static int64_t dropped_now(struct run *run)
{
    struct weir_streams_metrics metrics;
    weir_test_metrics(run->test, &metrics);
    return metrics.records_dropped_late + metrics.records_dropped_null + metrics.records_failed;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines of a text in order; for what may come in any order. */
static void sort_lines(char *text)
{
    static char copy[OUT_SIZE];
    char *lines[1024], *rest = NULL;
    size_t count = 0;
    (void)snprintf(copy, sizeof copy, "%s", text);
    for (char *line = strtok_r(copy, "\n", &rest); line != NULL && count < 1024;
         line = strtok_r(NULL, "\n", &rest)) {
        lines[count++] = line;
    }
    qsort(lines, count, sizeof lines[0], by_text);
    text[0] = '\0';
    for (size_t i = 0, at = 0; i < count; i++) {
        at += (size_t)sprintf(text + at, "%s\n", lines[i]);
    }
}

/* `get STORE KEY [TIME]` of a versioned store against `got VALUE TIME`, or `got ~`; of others nothing is asked. */
static bool compare_get(struct run *run, const struct line *step, const struct line *answer)
{
    static uint8_t key[LINE_SIZE_MAX];
    static char value[OUT_SIZE / 4], got[OUT_SIZE / 2];
    if (!line_is(step, "get") || !graph_is_versioned(&run->graph, step->words[1])) return true;
    struct weir_slice bytes = weir_null();
    int64_t from_ms = 0;
    int rc = weir_test_store_get_as_of(
        run->test, step->words[1], text_decode(step->words[2], key),
        step->count > 3 ? strtoll(step->words[3], NULL, 10) : INT64_MAX, &bytes, &from_ms);
    if (rc < 0) return differs(run, "'%s': the store cannot be read", step->text);
    if (rc == WEIR_END) {
        (void)snprintf(got, sizeof got, "got ~");
    } else {
        (void)snprintf(got, sizeof got, "got %s %" PRId64, text_encode(bytes, value), from_ms);
    }
    if (strcmp(got, answer->text) == 0) return true;
    return differs(run, "'%s': wanted %.200s, %.200s", step->text, answer->text, got);
}

static bool compare_step(struct run *run, const struct line *step, bool goes, size_t *next)
{
    static char wanted[OUT_SIZE];
    bool is_unordered = run->options.cache_max_bytes == 0, is_failure = false;
    wanted[0] = '\0';
    size_t i = run->at + 1;
    for (; i < run->vector->count; i++) {
        const struct line *line = &run->vector->lines[i];
        if (is_step(line) || line_is(line, "store") || line_is(line, "changelog")) break;
        if (line_is(line, "out")) strcat(strcat(wanted, line->text), "\n");
        if (line_is(line, "dropped")) run->dropped = atoll(line->words[1]);
        is_unordered |= line_is(line, "unordered");
        is_failure |= line_is(line, "fail");
        if (line_is(line, "got") && !compare_get(run, step, line)) return false;
    }
    *next = i;
    if (is_failure && !goes) return true;
    if (is_failure != !goes) return differs(run, "'%s': %s", step->text, goes ? "went" : "failed");
    if (!read_outputs(run)) return differs(run, "'%s': the outputs cannot be read", step->text);
    if (is_unordered) sort_lines(wanted), sort_lines(run->got);
    if (strcmp(wanted, run->got) != 0) {
        return differs_in(run, step->text, wanted);
    }
    if (dropped_now(run) != run->dropped) {
        return differs(run, "'%s': %" PRId64 " dropped so far, wanted %" PRId64, step->text,
                       dropped_now(run), run->dropped);
    }
    return true;
}

/* ---- state ----------------------------------------------------------------------------------- */

enum { HEX_SIZE = 1 << 13 };
struct entry {
    char key[HEX_SIZE];
    char text[2 * HEX_SIZE + 512];
    bool is_tombstone;
};

static struct entry *entry_of(struct entry *entries, size_t *count, const char *key)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(entries[i].key, key) == 0) return &entries[i];
    }
    (void)snprintf(entries[*count].key, sizeof entries[*count].key, "%s", key);
    return &entries[(*count)++];
}

/* The last record of each key. */
static bool fold_changelog(struct run *run, const char *topic, bool has_times, char *to)
{
    enum { ENTRIES_MAX = 1024 };
    static struct entry entries[ENTRIES_MAX];
    size_t count = 0;
    struct weir_record record;
    static char key[HEX_SIZE], value[HEX_SIZE];
    int rc;
    memset(entries, 0, sizeof entries);
    while ((rc = weir_test_read(run->test, topic, &record, NULL)) == 0 && count < ENTRIES_MAX) {
        if (2 * record.key.size >= HEX_SIZE || 2 * record.value.size >= HEX_SIZE) abort();
        struct entry *entry = entry_of(entries, &count, hex_encode(record.key, key));
        entry->is_tombstone = weir_slice_is_null(record.value);
        int size = snprintf(entry->text, sizeof entry->text, "changelog %s %s %s ", topic, key,
                            hex_encode(record.value, value));
        (void)snprintf(entry->text + size, sizeof entry->text - (size_t)size,
                       has_times ? "%" PRId64 : "null", record.timestamp_ms);
        add_headers(entry->text, sizeof entry->text - 1, &record);
        strcat(entry->text, "\n");
    }
    for (size_t i = 0; i < count; i++) {
        if (!entries[i].is_tombstone) strcat(to, entries[i].text);
    }
    return rc == WEIR_END;
}

/* A suppressed row is kept with where its record was, of which an offset in a repartition topic is another: the
 * markers of transactions take some there. In a line of the changelog it is the second number of the value. */
static void hide_offsets(char *text)
{
    static const char topic[] = "2d7265706172746974696f6e"; /* "-repartition" */
    char *end;
    for (char *line = text; *line != '\0'; line = end + 1) {
        end = line + strcspn(line, "\n");
        char *value = line;
        for (int words = 0; words < 3; words++) {
            value += strcspn(value, " ") + 1;
        }
        const char *found = strstr(value, topic);
        const bool is_buffer = strstr(line, "KTABLE-SUPPRESS-") != NULL;
        if (is_buffer && found != NULL && found < end) memset(value + 16, '.', 16);
        if (*end == '\0') return;
    }
}

static bool compare_changelogs(struct run *run)
{
    static char wanted[OUT_SIZE];
    const char *topic = "";
    wanted[0] = run->got[0] = '\0';
    for (size_t i = 0; i < run->vector->count; i++) {
        const struct line *line = &run->vector->lines[i];
        if (!line_is(line, "changelog")) continue;
        strcat(strcat(wanted, line->text), "\n");
        if (strcmp(topic, line->words[1]) == 0) continue;
        topic = line->words[1];
        const bool has_times =
            strcmp(line->words[4], "null") != 0; /* a buffer's are sent without */
        if (!fold_changelog(run, topic, has_times, run->got))
            return differs(run, "no changelog %s in\n%.8000s", topic,
                           weir_topology_describe(run->topology));
    }
    hide_offsets(wanted), hide_offsets(run->got);
    sort_lines(wanted), sort_lines(run->got);
    if (strcmp(wanted, run->got) == 0) return true;
    return differs_in(run, "state", wanted);
}

/* ---- a case ---------------------------------------------------------------------------------- */

/* Declarations and configs; true if all of them are built. `is_refused`: a topology that must not be. */
static bool declare(struct run *run, bool *is_refused)
{
    run->graph.builder = weir_builder_new();
    for (size_t i = 0; i < run->vector->count; i++) {
        const struct line *line = &run->vector->lines[i];
        *is_refused |= line_is(line, "builderror");
        run->graph.names_count |= line_is(line, "builderror") || line_is(line, "describe");
        if (line_is(line, "inner") && run->options.cache_max_bytes == 0) {
            graph_miss(&run->graph, "caches behind repartition topics, flushed at each record");
        }
        if (line_is(line, "config")) take_config(run, line);
        bool is_moved = line_is(line, "inner") || line_is(line, "table");
        if (run->is_optimized && is_moved) graph_miss(&run->graph, "config optimize");
    }
    bool has_begun = false; /* behind the first step `store` is an answer */
    for (size_t i = 0; i < run->vector->count; i++) {
        const struct line *line = &run->vector->lines[i];
        has_begun |= is_step(line);
        const char *timers = line_option(line, "timers");
        if (timers != NULL && strchr(timers, 'w') != NULL) {
            graph_miss(&run->graph, "wall clock timers: the driver's clock does not jump");
        }
        if (line_is(line, "in") && strcmp(line->words[4], "-1") == 0) {
            graph_miss(&run->graph, "records without a time");
        }
        if (!has_begun) (void)graph_declare(&run->graph, line);
    }
    return run->graph.missing[0] == '\0';
}

static bool run_steps(struct run *run)
{
    struct weir_error error = {0};
    const struct weir_test_options options = {WEIR_TEST_OPTIONS_INIT, .wall_ms = WALL_MS,
                                              .streams = &run->options};
    run->test = weir_test_new(run->topology, &options, &error);
    if (run->test == NULL) return differs(run, "start: %s", error.text);
    run->at = 0;
    while (run->at < run->vector->count) {
        const struct line *line = &run->vector->lines[run->at];
        size_t next = run->at + 1;
        if (is_step(line) && !compare_step(run, line, perform(run, line), &next)) return false;
        if (weir_test_error(run->test, NULL) < 0)
            return true; /* it was to fail, and the case ends */
        run->at = next;
    }
    return compare_changelogs(run);
}

static bool run_built(struct run *run, bool is_refused)
{
    struct weir_error error = {0};
    run->topology = weir_build(run->graph.builder, &error);
    if (is_refused) return run->topology == NULL || differs(run, "the topology was not refused");
    if (run->topology == NULL) return differs(run, "build: %s", error.text);
    return run_steps(run);
}

static void count_missing(const char *what)
{
    size_t i = 0;
    while (i < totals.missing_count && strcmp(totals.missing[i].what, what) != 0) {
        i++;
    }
    if (i == MISSING_MAX) return;
    if (i == totals.missing_count) {
        (void)snprintf(totals.missing[i].what, sizeof totals.missing[i].what, "%s", what);
        totals.missing_count++;
    }
    totals.missing[i].count++;
}

/* Where Weir answers otherwise and it is known: case and reason, a line each (known.txt). */
static struct known {
    char name[128];
    char reason[256];
} known[KNOWN_MAX];

static void read_known(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[512];
    for (size_t i = 0; file != NULL && i < KNOWN_MAX && fgets(line, sizeof line, file) != NULL;) {
        if (line[0] == '#') continue;
        i += sscanf(line, "%127s %255[^\n]", known[i].name, known[i].reason) == 2;
    }
    if (file != NULL) (void)fclose(file);
}

/* By its name, or by that behind the number of its family: "03:random-3". */
static const char *known_reason(const char *file, const char *name)
{
    char full[160];
    (void)snprintf(full, sizeof full, "%.2s:%s", file, name);
    for (size_t i = 0; i < KNOWN_MAX; i++) {
        if (strcmp(known[i].name, name) == 0 || strcmp(known[i].name, full) == 0) {
            return known[i].reason;
        }
    }
    return NULL;
}

static void count_result(const struct run *run, const char *file, bool is_same)
{
    const char *name = run->vector->name;
    const char *reason = known_reason(file, name);
    if (is_same && reason == NULL) {
        totals.passed++;
    } else if (!is_same && reason != NULL) {
        totals.known++;
        printf("differs %s %s: %s\n", file, name, reason);
    } else {
        totals.failed++;
        printf("FAILED %s %s: %s\n", file, name,
               is_same ? "it is in the list of known differences, but does not differ" : run->why);
    }
}

static void run_case(struct vector_case *vector, const char *file, bool keeps_default)
{
    static struct run run;
    bool is_refused = false;
    memset(&run, 0, sizeof run);
    run.vector = vector;
    run.graph.keeps_default = keeps_default;
    run.options = (struct weir_streams_options){WEIR_STREAMS_OPTIONS_INIT, .application_id = "app",
                                                .cache_max_bytes = WEIR_CACHE_OFF,
                                                .window_emit_interval_ms = WEIR_EMIT_AT_ONCE};
    if (!declare(&run, &is_refused)) {
        totals.not_built++;
        count_missing(run.graph.missing);
    } else {
        count_result(&run, file, run_built(&run, is_refused));
    }
    weir_test_free(run.test);
    weir_topology_free(run.topology);
    weir_builder_free(run.graph.builder);
}

/* ---- the door -------------------------------------------------------------------------------- */

static bool has_time_windows(const struct vector_case *vector)
{
    for (size_t i = 0; i < vector->count; i++) {
        const char *kind = line_word(&vector->lines[i], 3);
        if (line_is(&vector->lines[i], "window")) return strcmp(kind, "time") == 0;
    }
    return false;
}

static int run_file(const char *path, const char *only)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "vectors: cannot open '%s'\n", path);
        return -1;
    }
    const char *slash = strrchr(path, '/');
    int before[3] = {totals.passed, totals.failed, totals.not_built};
    struct vector_case vector;
    while (case_read(file, &vector)) {
        const char *name = slash != NULL ? slash + 1 : path;
        const size_t size = strlen(vector.name);
        const bool is_long = size > 5 && strcmp(vector.name + size - 5, "-long") == 0;
        const bool is_wanted = strstr(vector.name, only) != NULL;
        if (is_wanted) run_case(&vector, name, false);
        /* What Kafka Streams emits with a long retention (and loses without: `odd
         * expired-before-emitted`) Weir emits in any case. Of other windows retention decides more. */
        if (is_wanted && is_long && has_time_windows(&vector)) run_case(&vector, name, true);
        case_close(&vector);
    }
    (void)fclose(file);
    printf("%-40s %4d passed %4d failed %4d not built\n", slash != NULL ? slash + 1 : path,
           totals.passed - before[0], totals.failed - before[1], totals.not_built - before[2]);
    return 0;
}

static int run_path(const char *path, const char *only)
{
    struct stat found;
    if (stat(path, &found) != 0 || !S_ISDIR(found.st_mode)) return run_file(path, only);
    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort);
    int rc = count < 0 ? -1 : 0;
    for (int i = 0; i < count; i++) {
        char file[4096];
        size_t size = strlen(names[i]->d_name);
        (void)snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        bool is_vectors = size > 4 && strcmp(names[i]->d_name + size - 4, ".txt") == 0;
        if (is_vectors && run_file(file, only) < 0) rc = -1;
        free(names[i]);
    }
    if (count >= 0) free(names);
    return rc;
}

int main(int argc, char **argv)
{
    const char *only = "";
    bool shows_missing = false;
    int rc = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            only = argv[++i];
        } else if (strcmp(argv[i], "--known") == 0 && i + 1 < argc) {
            read_known(argv[++i]);
        } else if (strcmp(argv[i], "--missing") == 0) {
            shows_missing = true;
        } else if (run_path(argv[i], only) < 0) {
            rc = 2;
        }
    }
    for (size_t i = 0; shows_missing && i < totals.missing_count; i++) {
        printf("not built: %s (%d)\n", totals.missing[i].what, totals.missing[i].count);
    }
    printf("%d cases need what is not built, %d differ as known\n", totals.not_built, totals.known);
    printf("%d passed, %d failed\n", totals.passed, totals.failed);
    return rc != 0 ? rc : totals.failed > 0 || totals.passed == 0;
}
