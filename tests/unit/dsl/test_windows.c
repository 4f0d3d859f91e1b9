/* Windowed jobs against the model (tests/unit/operators/window_model.h): each kind of window, kept as rows or as
 * slices, on update, on close, or suppressed until it closes; one partition and several, caches on and off, restarts and crashes.
 * At the end a record of a far time comes to each partition: what came out by then, the last of each
 * window, is the model's answer, and a window that is given on once has had one value only.
 *
 * WEIR_SIM_SEEDS says how many seeds (200), WEIR_SIM_SEED runs one of them again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "tests/support/support.h"
#include "tests/unit/operators/window_model.h"
#include "weir/stream.h"
#include "weir/test.h"

enum { SEEDS_DEFAULT = 200, STEPS = 12, TOGETHER_MAX = 6, KEYS = 6, PARTITIONS_MAX = 3 };
enum { FAR_MS = 1000000, OUT_MAX = 4096 };
enum mode { ON_UPDATE, ON_CLOSE, SUPPRESSED, MODES };

struct run {
    uint64_t seed;
    struct weir_test_random random;
    enum mode mode;
    bool caches;
    int partition_count;
    struct window_model models[PARTITIONS_MAX];
    struct model_row out[OUT_MAX];
    int out_count;
    struct weir_topology *topology;
    struct weir_test *test;
    int64_t clock_ms;
};

#define RUN_FAIL(run, ...)                                                                         \
    do {                                                                                           \
        char message_[1024];                                                                       \
        (void)snprintf(message_, sizeof message_, __VA_ARGS__);                                    \
        ck_abort_msg("seed %" PRIu64 " (kind %d, mode %d, %d partitions, caches %d): %s",          \
                     (run)->seed, (int)(run)->models[0].shape.kind, (int)(run)->mode,              \
                     (run)->partition_count, (int)(run)->caches, message_);                        \
    } while (0)

#define RUN_OK(run, call)                                                                          \
    do {                                                                                           \
        int rc_ = (call);                                                                          \
        struct weir_error error_ = {0};                                                            \
        if (rc_ < 0) (void)weir_test_error((run)->test, &error_);                                  \
        if (rc_ < 0) RUN_FAIL(run, "%s: %s: %s", #call, weir_code_name(rc_), error_.text);         \
    } while (0)

static int below(struct run *run, int bound)
{
    return (int)weir_test_random_below(&run->random, (uint64_t)bound);
}

/* ---- the topology ---------------------------------------------------------------------------- */

static struct window_shape random_shape(struct run *run)
{
    static const int64_t sizes[] = {5, 10, 30};
    static const int64_t graces[] = {0, 7, 40};
    struct window_shape shape = {
        .kind = (enum window_kind)below(run, 3),
        .size_ms = sizes[below(run, 3)],
        .grace_ms = graces[below(run, 3)],
    };
    shape.advance_ms = 1 + below(run, (int)shape.size_ms);
    /* Without grace such a window is given on with the record that ends it, and again with another of its
     * time: as in Kafka Streams (W5). */
    if (shape.kind == WINDOW_SLIDING && shape.grace_ms == 0) shape.grace_ms = 1;
    return shape;
}

static struct weir_windowed_stream *windowed_by(const struct run *run, struct weir_grouped *grouped)
{
    const struct window_shape *shape = &run->models[0].shape;
    const enum weir_emit emit =
        run->mode == ON_CLOSE ? WEIR_EMIT_ON_WINDOW_CLOSE : WEIR_EMIT_ON_WINDOW_UPDATE;
    const struct weir_time_windows time = {WEIR_TIME_WINDOWS_INIT, .size_ms = shape->size_ms,
                                           .advance_ms = shape->advance_ms,
                                           .grace_ms = shape->grace_ms, .emit = emit};
    const struct weir_session_windows session = {WEIR_SESSION_WINDOWS_INIT,
                                                 .gap_ms = shape->size_ms,
                                                 .grace_ms = shape->grace_ms, .emit = emit};
    const struct weir_sliding_windows sliding = {WEIR_SLIDING_WINDOWS_INIT,
                                                 .difference_ms = shape->size_ms,
                                                 .grace_ms = shape->grace_ms, .emit = emit};
    switch (shape->kind) {
    case WINDOW_TIME:
        return weir_windowed_by_time(grouped, &time);
    case WINDOW_SESSION:
        return weir_windowed_by_session(grouped, &session);
    case WINDOW_SLIDING:
        return weir_windowed_by_sliding(grouped, &sliding);
    }
    return NULL;
}

static void build(struct run *run)
{

    /* test_windows_random.c says why. */
    const int64_t retention_ms = run->models[0].shape.kind == WINDOW_SLIDING ? 10000000 : 0;
    const struct window_shape *shape = &run->models[0].shape;
    const bool overlaps = shape->kind == WINDOW_TIME && shape->advance_ms < shape->size_ms;
    struct weir_error error;
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    struct weir_table *counts = weir_windowed_count(
        windowed_by(run, weir_group_by_key(stream)),
        WEIR_STORE(.name = "counts", .retention_ms = retention_ms,
                   .layout = overlaps && below(run, 2) == 0 ? WEIR_LAYOUT_SLICES : WEIR_LAYOUT_ROWS,
                   .store = below(run, 2) == 0 ? WEIR_STORE_MEMORY : WEIR_STORE_ROCKSDB));

    if (run->mode == SUPPRESSED) counts = weir_suppress(counts, NULL);
    weir_to(weir_to_stream(counts), "out");
    run->topology = weir_build(builder, &error);
    weir_builder_free(builder);
    ck_assert_msg(run->topology != NULL, "%s", error.text);
}

static void run_init(struct run *run, uint64_t seed)
{
    memset(run, 0, sizeof *run);
    run->seed = seed;
    run->random = (struct weir_test_random){seed};
    run->clock_ms = 100;
    run->mode = (enum mode)below(run, MODES);
    run->caches = below(run, 2) == 0;
    run->partition_count = 1 + below(run, PARTITIONS_MAX);
    struct window_shape shape = random_shape(run);
    for (int p = 0; p < run->partition_count; p++) {
        model_init(&run->models[p], &shape);
    }
    build(run);
    const struct weir_streams_options streams = {
        WEIR_STREAMS_OPTIONS_INIT,
        .application_id = "windows",
        .num_stream_threads = 1 + below(run, 2),
        .cache_max_bytes = run->caches ? 0 : WEIR_CACHE_OFF,
        .window_emit_interval_ms = WEIR_EMIT_AT_ONCE,
    };
    const struct weir_test_options options = {
        WEIR_TEST_OPTIONS_INIT,
        .seed = seed,
        .partition_count = run->partition_count,
        .streams = &streams,
    };
    struct weir_error error;
    run->test = weir_test_new(run->topology, &options, &error);
    ck_assert_msg(run->test != NULL, "%s", error.text);
}

/* ---- records --------------------------------------------------------------------------------- */

static void pipe(struct run *run, int key, int partition, int64_t timestamp_ms)
{
    char name[16];
    (void)snprintf(name, sizeof name, "k%d", key);
    const struct weir_record record = {
        .key = weir_text(name), .value = weir_text("x"), .timestamp_ms = timestamp_ms};
    RUN_OK(run, weir_test_pipe_bytes(run->test, "in", partition, &record, false));
    model_feed(&run->models[partition], key, timestamp_ms);
}

/* Sliding windows: in order, for their model knows nothing of late ones. */
static void pipe_some(struct run *run)
{
    const bool is_in_order = run->models[0].shape.kind == WINDOW_SLIDING;
    int count = 1 + below(run, TOGETHER_MAX);
    for (int i = 0; i < count; i++) {
        char name[16];
        int key = below(run, KEYS);
        (void)snprintf(name, sizeof name, "k%d", key);
        run->clock_ms += below(run, 25) == 0 ? below(run, 3000) : below(run, 6);
        int64_t timestamp_ms =
            run->clock_ms - (is_in_order || below(run, 3) > 0 ? 0 : below(run, 40));
        pipe(run, key, weir_partition_of_key(weir_text(name), run->partition_count), timestamp_ms);
    }
}

/* Moves the time of each partition behind all windows; its own windows stay open. */
static void pipe_far(struct run *run)
{
    for (int p = 0; p < run->partition_count; p++) {
        pipe(run, KEYS + p, p, run->clock_ms + FAR_MS);
    }
}

/* ---- what comes out -------------------------------------------------------------------------- */

static void take_out(struct run *run, const struct weir_record *record)
{
    const bool is_session = run->models[0].shape.kind == WINDOW_SESSION;
    const size_t times = is_session ? 16 : 8;
    ck_assert_uint_ge(record->key.size, times + 2);
    const uint8_t *behind = record->key.data + record->key.size - times;
    const int64_t first_ms = (int64_t)weir_load_u64(behind);
    const int64_t start_ms = is_session ? (int64_t)weir_load_u64(behind + 8) : first_ms;
    const int64_t end_ms = is_session ? first_ms : first_ms + run->models[0].shape.size_ms;
    const int key = record->key.data[1] - '0';
    const int64_t count =
        weir_slice_is_null(record->value) ? 0 : (int64_t)weir_load_u64(record->value.data);
    for (int i = 0; i < run->out_count; i++) {
        struct model_row *row = &run->out[i];
        if (row->key != key || row->start_ms != start_ms || row->end_ms != end_ms) continue;
        if (run->mode != ON_UPDATE && row->count != count) {
            RUN_FAIL(run, "k%d %" PRId64 " was given on with %" PRId64 ", then with %" PRId64, key,
                     start_ms, row->count, count);
        }
        row->count = count;
        return;
    }
    ck_assert_int_lt(run->out_count, OUT_MAX);
    run->out[run->out_count++] =
        (struct model_row){.key = key, .start_ms = start_ms, .end_ms = end_ms, .count = count};
}

static int64_t found(const struct run *run, const struct model_row *wanted)
{
    for (int i = 0; i < run->out_count; i++) {
        const struct model_row *row = &run->out[i];
        if (row->key == wanted->key && row->start_ms == wanted->start_ms &&
            row->end_ms == wanted->end_ms) {
            return row->count;
        }
    }
    return 0;
}

static void compare(struct run *run)
{
    struct weir_record record;
    int rc;
    while ((rc = weir_test_read(run->test, "out", &record, NULL)) == 0) {
        take_out(run, &record);
    }
    ck_assert_int_eq(rc, WEIR_END);
    for (int p = 0; p < run->partition_count; p++) {
        struct window_model *model = &run->models[p];
        for (int i = 0; i < model->row_count; i++) {
            const struct model_row *row = &model->rows[i];
            if (row->key >= KEYS || found(run, row) == row->count) continue; /* the far one's */
            RUN_FAIL(run, "k%d %" PRId64 "..%" PRId64 ": %" PRId64 " expected, %" PRId64 " found",
                     row->key, row->start_ms, row->end_ms, row->count, found(run, row));
        }
    }
    for (int i = 0; i < run->out_count; i++) {
        const struct model_row *out = &run->out[i];
        bool is_known = out->count == 0;
        for (int p = 0; p < run->partition_count && !is_known; p++) {
            is_known = model_find(&run->models[p], out->key, out->start_ms, out->end_ms) != NULL;
        }
        if (!is_known) RUN_FAIL(run, "k%d %" PRId64 " is no window", out->key, out->start_ms);
    }
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void step(struct run *run)
{
    pipe_some(run);
    if (below(run, 3) > 0) RUN_OK(run, weir_test_run(run->test));
    switch (below(run, 8)) {
    case 0:
        RUN_OK(run, weir_test_restart(run->test));
        break;
    case 1:
        RUN_OK(run, weir_test_commit(run->test));
        RUN_OK(run, weir_test_crash(run->test, true));
        break;
    case 2:
        RUN_OK(run, weir_test_crash(run->test, false));
        break;
    case 3:
    case 4:
        RUN_OK(run, weir_test_commit(run->test));
        break;
    default:
        break;
    }
}

static void run_seed(uint64_t seed)
{
    static struct run run;
    run_init(&run, seed);
    for (int i = 0; i < STEPS; i++) {
        step(&run);
    }
    RUN_OK(&run, weir_test_commit(run.test));
    pipe_far(&run);
    RUN_OK(&run, weir_test_commit(run.test));
    compare(&run);
    weir_test_free(run.test);
    weir_topology_free(run.topology);
}

START_TEST(windowed_jobs_are_the_models)
{
    const char *one = getenv("WEIR_SIM_SEED");
    const char *many = getenv("WEIR_SIM_SEEDS");
    if (one != NULL) {
        run_seed(strtoull(one, NULL, 10));
        return;
    }
    const uint64_t count = many != NULL ? strtoull(many, NULL, 10) : SEEDS_DEFAULT;
    for (uint64_t seed = 1; seed <= count; seed++) {
        run_seed(seed);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("windows");
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, windowed_jobs_are_the_models);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("windowed jobs", add);
}
