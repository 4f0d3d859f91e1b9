/* Windows that overlap, kept as rows and as slices, and sessions, beside tumbling ones of the same size: counts by
 * key over memory stores, and the same written to a topic. What each job leaves there and in its changelog must be
 * the batch answer: arrays of counts by second and key, of which a hopping window is a sum; sessions by going
 * through each key's records in order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "bench/bench.h"
#include "bench/bench_job.h"

enum { SECOND_MS = 1000, SIZE_S = 10, GAP_MS = 3000, CACHE = 512 << 20 };

static struct bench_input inputs(const char *topic, int64_t keys)
{
    return (struct bench_input){
        .topic = topic,
        .count = bench_scaled(3000000),
        .records_per_ms = 17,
        .key = bench_uniform_key,
        .value = bench_cents,
        .keys = (uint64_t)keys,
    };
}

static int64_t time_of(const struct bench_input *input, int64_t index)
{
    return BENCH_START_MS + index / input->records_per_ms;
}

/* One job. */
struct cell {
    const char *name;
    const char *application;
    int64_t advance_s; /* 0: sessions */
    enum weir_window_layout layout;
    const char *output; /* the windows are written to it; NULL: they stay in the store */
    double goal;
};

static struct weir_topology *count_topology(const char *topic, const struct cell *cell)
{
    struct weir_builder *builder = weir_builder_new();
    const struct weir_time_windows time = {WEIR_TIME_WINDOWS_INIT, .size_ms = SIZE_S * SECOND_MS,
                                           .advance_ms = cell->advance_s * SECOND_MS};
    const struct weir_session_windows session = {WEIR_SESSION_WINDOWS_INIT, .gap_ms = GAP_MS,
                                                 .grace_ms = SECOND_MS};
    struct weir_grouped *grouped =
        weir_group_by_key(weir_stream(builder, topic, WEIR_BYTES, WEIR_BYTES));
    struct weir_windowed_stream *windowed = cell->advance_s == 0
                                                ? weir_windowed_by_session(grouped, &session)
                                                : weir_windowed_by_time(grouped, &time);
    struct weir_table *counts = weir_windowed_count(
        windowed, WEIR_STORE(.name = "counts", .store = WEIR_STORE_MEMORY, .layout = cell->layout));
    if (cell->output != NULL) weir_to(weir_to_stream(counts), cell->output);
    return bench_build(builder);
}

static double run(struct weir_log *log, const struct bench_input *input, const struct cell *cell)
{
    struct weir_topology *topology = count_topology(input->topic, cell);
    double ns = bench_run_job(log, topology,
                              &(struct bench_job){.name = cell->name,
                                                  .application = cell->application,
                                                  .count = input->count,
                                                  .cache_bytes = CACHE,
                                                  .goal = cell->goal});
    weir_topology_free(topology);
    return ns;
}

/* ---- by time --------------------------------------------------------------------------------- */

/* Counts by second and key, from SIZE_S seconds before the first record on. */
struct seconds {
    uint64_t keys;
    size_t count;
    int64_t *wanted;
    int64_t *found; /* of the window that begins with the second */
};

static size_t second_at(const struct seconds *seconds, int64_t time_ms, uint64_t key)
{
    const int64_t second = (time_ms - BENCH_START_MS) / SECOND_MS + SIZE_S;
    return (size_t)second * seconds->keys + key;
}

static void keep_window(void *context, const struct weir_record *record)
{
    struct seconds *seconds = context;
    const int64_t start_ms = (int64_t)weir_load_u64(record->key.data + BENCH_KEY_SIZE);
    const size_t at = second_at(seconds, start_ms, bench_key_read(record->key));
    if (at >= seconds->count) bench_fail("a window that was never there", WEIR_CORRUPT, NULL);
    seconds->found[at] = (int64_t)weir_load_u64(record->value.data);
}

/* The last count of each window of `size_s` that begins at a multiple of `advance_s`. */
static void check_windows(struct weir_log *log, struct seconds *seconds, const char *topic,
                          int64_t size_s, int64_t advance_s)
{
    memset(seconds->found, 0, seconds->count * sizeof *seconds->found);
    bench_read_topic(log, topic, keep_window, seconds);
    const int64_t begin_s = BENCH_START_MS / SECOND_MS - SIZE_S;
    for (size_t i = 0; i < seconds->count; i++) {
        const int64_t start_s = begin_s + (int64_t)(i / seconds->keys);
        int64_t wanted = 0;
        for (size_t s = 0; s < (size_t)size_s && start_s % advance_s == 0; s++) {
            const size_t at = i + s * seconds->keys;
            if (at < seconds->count) wanted += seconds->wanted[at];
        }
        if (wanted != seconds->found[i]) {
            bench_fail("it is not the batch answer", WEIR_CORRUPT, NULL);
        }
    }
}

/* The changelog of slices has a second's count in each row. */
static double run_time(struct weir_log *log, const struct bench_input *input,
                       struct seconds *seconds, const struct cell *cell)
{
    char changelog[64];
    const bool is_sliced = cell->layout == WEIR_LAYOUT_SLICES;
    (void)snprintf(changelog, sizeof changelog, "%s-counts-changelog", cell->application);
    const double ns = run(log, input, cell);
    check_windows(log, seconds, changelog, is_sliced ? 1 : SIZE_S, cell->advance_s);
    if (cell->output != NULL) check_windows(log, seconds, cell->output, SIZE_S, cell->advance_s);
    return ns;
}

static void bench_time(struct weir_log *log)
{
    static const struct cell cells[] = {
        {"tumbling 10 s, 1,000 keys", "tumbling", SIZE_S, WEIR_LAYOUT_ROWS, NULL, 0},
        {"hopping 10 s by 1 s, rows", "hopping", 1, WEIR_LAYOUT_ROWS, NULL, 0},
        {"hopping 10 s by 1 s, slices", "slices", 1, WEIR_LAYOUT_SLICES, NULL, 0},
        {"tumbling, to a topic", "tumbling-to", SIZE_S, WEIR_LAYOUT_ROWS, "tumbling-out", 0},
        {"hopping rows, to a topic", "hopping-to", 1, WEIR_LAYOUT_ROWS, "hopping-out", 0},
        {"hopping slices, to a topic", "slices-to", 1, WEIR_LAYOUT_SLICES, "slices-out", 0},
    };
    enum { CELLS = sizeof cells / sizeof cells[0] };
    const struct bench_input input = inputs("few", 1000);
    struct seconds seconds = {.keys = input.keys};
    const int64_t last_s = input.count / input.records_per_ms / SECOND_MS + 1;
    double ns[CELLS];
    seconds.count = (size_t)(last_s + SIZE_S) * seconds.keys;
    seconds.wanted = bench_array(seconds.count, sizeof(int64_t));
    seconds.found = bench_array(seconds.count, sizeof(int64_t));
    for (int64_t i = 0; i < input.count; i++) {
        seconds.wanted[second_at(&seconds, time_of(&input, i), input.key(&input, i))]++;
    }
    bench_fill(log, &input);
    for (size_t i = 0; i < CELLS; i++) {
        ns[i] = run_time(log, &input, &seconds, &cells[i]);
    }
    bench_note(
        "hopping takes %.2f times tumbling with rows, %.2f with slices (goal 1.5); written to "
        "a topic, %.2f and %.2f",
        ns[1] / ns[0], ns[2] / ns[0], ns[4] / ns[3], ns[5] / ns[3]);
    free(seconds.wanted);
    free(seconds.found);
}

/* ---- sessions -------------------------------------------------------------------------------- */

/* Sessions as a sum that does not depend on their order. */
struct sessions {
    uint64_t sum;
    int64_t count;
};

static void add_session(struct sessions *sessions, uint64_t key, int64_t start_ms, int64_t end_ms,
                        int64_t count)
{
    sessions->sum += bench_mix(key * 31 + bench_mix((uint64_t)start_ms) * 17 +
                               bench_mix((uint64_t)end_ms) + (uint64_t)count);
    sessions->count++;
}

struct last {
    int64_t start_ms, end_ms, count;
};

static struct sessions wanted_sessions(const struct bench_input *input)
{
    struct sessions sessions = {0};
    struct last *lasts = bench_array(input->keys, sizeof *lasts);
    for (int64_t i = 0; i < input->count; i++) {
        const uint64_t key = input->key(input, i);
        struct last *last = &lasts[key];
        const int64_t time_ms = time_of(input, i);
        if (last->count > 0 && time_ms - last->end_ms > GAP_MS) {
            add_session(&sessions, key, last->start_ms, last->end_ms, last->count);
            last->count = 0;
        }
        if (last->count == 0) last->start_ms = time_ms;
        last->end_ms = time_ms;
        last->count++;
    }
    for (uint64_t key = 0; key < input->keys; key++) {
        if (lasts[key].count == 0) continue;
        add_session(&sessions, key, lasts[key].start_ms, lasts[key].end_ms, lasts[key].count);
    }
    free(lasts);
    return sessions;
}

/* Of a key, one session is open at a time, in the log as in its records: one that begins anew ends the one
 * before, one that has grown is deleted first. */
struct found {
    struct sessions sessions;
    struct last *lasts;
};

static void keep_session(void *context, const struct weir_record *record)
{
    struct found *found = context;
    const uint8_t *behind = record->key.data + BENCH_KEY_SIZE;
    const int64_t end_ms = (int64_t)weir_load_u64(behind);
    const int64_t start_ms = (int64_t)weir_load_u64(behind + sizeof(int64_t));
    const uint64_t key = bench_key_read(record->key);
    struct last *last = &found->lasts[key];
    if (weir_slice_is_null(record->value)) {
        if (last->start_ms == start_ms && last->end_ms == end_ms) last->count = 0;
        return;
    }
    if (last->count > 0 && last->start_ms != start_ms) {
        add_session(&found->sessions, key, last->start_ms, last->end_ms, last->count);
    }
    *last = (struct last){start_ms, end_ms, (int64_t)weir_load_u64(record->value.data)};
}

static void bench_sessions(struct weir_log *log)
{
    const struct bench_input input = inputs("many", 100000);
    const struct sessions wanted = wanted_sessions(&input);
    struct found found = {.lasts = bench_array(input.keys, sizeof(struct last))};
    bench_fill(log, &input);
    const struct cell cell = {.name = "sessions, gap 3 s, 100 k keys",
                              .application = "sessions",
                              .layout = WEIR_LAYOUT_ROWS,
                              .goal = 1};
    (void)run(log, &input, &cell);
    bench_read_topic(log, "sessions-counts-changelog", keep_session, &found);
    for (uint64_t key = 0; key < input.keys; key++) {
        const struct last *last = &found.lasts[key];
        if (last->count == 0) continue;
        add_session(&found.sessions, key, last->start_ms, last->end_ms, last->count);
    }
    if (wanted.sum != found.sessions.sum || wanted.count != found.sessions.count) {
        bench_fail("sessions are not the batch answer", WEIR_CORRUPT, NULL);
    }
    free(found.lasts);
}

void bench_windows(void)
{
    struct weir_log *log = bench_open_log("data");
    bench_time(log);
    bench_sessions(log);
    (void)weir_close(log, NULL);
}
