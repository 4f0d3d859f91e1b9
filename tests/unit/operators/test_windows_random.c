/* Windows of all kinds against the model (window_model.h): random shapes and records, out of order and
 * late, on update, cached and on close, with restarts in between. What comes out is applied to a table,
 * which has to be the model's after each batch (or flush); on close each window comes once, with its last
 * count, as soon as it has closed.
 *
 * WEIR_SIM_SEEDS says how many seeds (10,000), WEIR_SIM_SEED runs one of them again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "tests/unit/operators/stand.h"
#include "tests/unit/operators/window_model.h"

enum { SEEDS_DEFAULT = 10000, BATCHES = 8, BATCH_ROWS = 8, KEYS = 3, OUT_MAX = 2048 };
enum mode { ON_UPDATE, CACHED, ON_CLOSE, MODES };

struct run {
    uint64_t seed;
    struct weir_test_random random;
    enum mode mode;
    struct stand stand;
    struct weir_aggregate_config config;
    struct window_model model;
    struct model_row out[OUT_MAX]; /* what came out: the last of each window */
    int out_count;
    bool is_in_order;
    bool is_sliced; /* windows that overlap are kept as slices: the answers are the same */
    int64_t clock_ms;
};

#define RUN_FAIL(run, ...)                                                                         \
    do {                                                                                           \
        char message_[256];                                                                        \
        (void)snprintf(message_, sizeof message_, __VA_ARGS__);                                    \
        ck_abort_msg("seed %" PRIu64 " (kind %d size %" PRId64 " advance %" PRId64                 \
                     " grace %" PRId64 " mode %d%s): %s",                                          \
                     (run)->seed, (int)(run)->model.shape.kind, (run)->model.shape.size_ms,        \
                     (run)->model.shape.advance_ms, (run)->model.shape.grace_ms, (int)(run)->mode, \
                     (run)->is_sliced ? " slices" : "", message_);                                 \
    } while (0)

static int below(struct run *run, int bound)
{
    return (int)weir_test_random_below(&run->random, (uint64_t)bound);
}

/* ---- what comes out -------------------------------------------------------------------------- */

static struct model_row *out_row(struct run *run, int key, const struct weir_windowed_key *window)
{
    for (int i = 0; i < run->out_count; i++) {
        struct model_row *row = &run->out[i];
        if (row->key == key && row->start_ms == window->start_ms && row->end_ms == window->end_ms) {
            return row;
        }
    }
    ck_assert_int_lt(run->out_count, OUT_MAX);
    struct model_row *row = &run->out[run->out_count++];
    *row = (struct model_row){.key = key, .start_ms = window->start_ms, .end_ms = window->end_ms};
    return row;
}

static int take_rows(struct weir_node *child, const struct weir_batch *batch)
{
    struct run *run = child->state;
    for (size_t i = 0; i < batch->count; i++) {
        const uint32_t row = weir_batch_row(batch, i);
        const struct weir_windowed_key *window = batch->keys[row];
        const struct weir_slice *key = window->key;
        const int64_t *count = batch->values[row];
        struct model_row *out = out_row(run, key->data[0] - 'a', window);
        if (run->mode == ON_CLOSE && out->count != 0) {
            RUN_FAIL(run, "window %" PRId64 " came twice", out->start_ms);
        }
        if (run->model.shape.kind == WINDOW_TIME && batch->olds != NULL && run->mode != ON_CLOSE) {
            const int64_t *old = batch->olds[row];
            if ((old != NULL ? *old : 0) != out->count) {
                RUN_FAIL(run, "%c %" PRId64 ": old value %" PRId64 ", %" PRId64 " came before",
                         'a' + out->key, out->start_ms, old != NULL ? *old : 0, out->count);
            }
        }
        out->count = count != NULL ? *count : 0;
    }
    return 0;
}

static const struct weir_operator_ops taker_ops = {.name = "taker", .process = take_rows};
static const struct weir_plan_node taker_plan = {.name = "taker", .ops = &taker_ops};

/* ---- setting up ------------------------------------------------------------------------------ */

static struct window_shape random_shape(struct run *run)
{
    static const int64_t sizes[] = {1, 5, 10, 30};
    static const int64_t graces[] = {0, 7, 40};
    struct window_shape shape = {
        .kind = (enum window_kind)below(run, 3),
        .size_ms = sizes[below(run, 4)],
        .grace_ms = graces[below(run, 3)],
    };
    shape.advance_ms = 1 + below(run, (int)shape.size_ms);
    if (below(run, 2) == 0) shape.advance_ms = shape.size_ms;
    return shape;
}

static const struct weir_operator_ops *ops_of(const struct run *run)
{
    const struct window_shape *shape = &run->model.shape;
    if (shape->kind == WINDOW_SESSION) return &weir_session_ops;
    if (shape->kind == WINDOW_SLIDING) return &weir_sliding_ops;
    if (run->is_sliced) return &weir_slices_ops;
    return shape->advance_ms < shape->size_ms || run->mode == ON_CLOSE ? &weir_hopping_ops
                                                                       : &weir_aggregate_ops;
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    return b == 0 ? a : common_divisor(b, a % b);
}

static void configure(struct run *run)
{
    const struct window_shape *shape = &run->model.shape;
    run->config = (struct weir_aggregate_config){
        .kind = WEIR_AGGREGATE_COUNT,
        .key_serde = WEIR_STRING,
        .value_serde = WEIR_INT64,
        .grace_ms = shape->grace_ms,
        .emits_on_close = run->mode == ON_CLOSE,
    };
    switch (shape->kind) {
    case WINDOW_TIME:
        run->config.window_advance_ms = shape->advance_ms;
        run->config.window_size_ms = shape->size_ms;
        run->config.retention_ms = shape->size_ms + shape->grace_ms;
        if (run->is_sliced) {
            run->config.slice_ms = common_divisor(shape->size_ms, shape->advance_ms);
        }
        break;
    case WINDOW_SESSION:
        run->config.session_gap_ms = shape->size_ms;
        run->config.retention_ms = shape->size_ms + shape->grace_ms;
        break;
    case WINDOW_SLIDING:
        run->config.window_size_ms = shape->size_ms;
        /* More than the default: as in Kafka Streams a store that keeps just as long no longer finds the
         * window of a record's predecessor, when another key's windows have begun meanwhile. */
        run->config.retention_ms = 4 * shape->size_ms + shape->grace_ms + 1;
        break;
    }
}

static void run_init(struct run *run, uint64_t seed)
{
    memset(run, 0, sizeof *run);
    run->seed = seed;
    run->random = (struct weir_test_random){seed};
    run->clock_ms = below(run, 60);
    run->mode = (enum mode)below(run, MODES);
    struct window_shape shape = random_shape(run);
    run->is_in_order = shape.kind == WINDOW_SLIDING && run->mode == ON_CLOSE;
    if (shape.kind == WINDOW_SLIDING && !run->is_in_order) shape.grace_ms = 1000000;
    run->is_sliced = shape.kind == WINDOW_TIME && below(run, 2) == 0;
    model_init(&run->model, &shape);
    configure(run);
    stand_init(&run->stand, ops_of(run), &run->config);
    struct weir_store_spec *spec = &run->stand.specs[0];
    spec->schema =
        shape.kind == WINDOW_SESSION ? &weir_key_schema_session : &weir_key_schema_window;
    spec->window_size_ms = run->config.window_size_ms;
    spec->retention_ms = run->config.retention_ms;
    spec->is_timestamped = shape.kind != WINDOW_SESSION;
    spec->is_cached = run->mode == CACHED;
    spec->keeps_old = shape.kind == WINDOW_SESSION ? run->mode == CACHED : below(run, 2) == 0;
    if (run->is_sliced) spec->schema = &weir_key_schema_slice;
    run->stand.caches = run->mode == CACHED;
    run->stand.children[0].plan = &taker_plan;
    run->stand.children[0].state = run;
    stand_open(&run->stand, 1);
}

/* ---- a batch --------------------------------------------------------------------------------- */

static void feed(struct run *run)
{
    static const char *const names[KEYS] = {"a", "b", "c"};
    struct row rows[BATCH_ROWS];
    size_t count = 1 + (size_t)below(run, BATCH_ROWS);
    for (size_t i = 0; i < count; i++) {
        int key = below(run, KEYS);
        run->clock_ms += below(run, 30) == 0 ? 100 + below(run, 2000) : below(run, 6);
        int64_t timestamp_ms = run->clock_ms;
        if (!run->is_in_order && below(run, 3) == 0) timestamp_ms -= below(run, 40);
        if (timestamp_ms < 0) timestamp_ms = 0;
        rows[i] = (struct row){names[key], "x", timestamp_ms};
        model_feed(&run->model, key, timestamp_ms);
    }
    ck_ok(stand_feed(&run->stand, rows, count), &run->stand.record_error);
}

static int64_t expected_of(const struct run *run, const struct model_row *row)
{
    if (run->mode != ON_CLOSE) return row->count;
    return model_has_closed(&run->model, row) ? row->count : 0;
}

static void compare(struct run *run)
{
    for (int i = 0; i < run->model.row_count; i++) {
        const struct model_row *row = &run->model.rows[i];
        const struct weir_windowed_key window = {.start_ms = row->start_ms, .end_ms = row->end_ms};
        const int64_t found = out_row(run, row->key, &window)->count;
        if (found == expected_of(run, row)) continue;
        RUN_FAIL(run, "%c %" PRId64 "..%" PRId64 ": %" PRId64 " expected, %" PRId64 " found",
                 'a' + row->key, row->start_ms, row->end_ms, expected_of(run, row), found);
    }
    for (int i = 0; i < run->out_count; i++) {
        const struct model_row *out = &run->out[i];
        if (out->count == 0) continue;
        if (model_find(&run->model, out->key, out->start_ms, out->end_ms) != NULL) continue;
        RUN_FAIL(run, "%c %" PRId64 "..%" PRId64 " is no window", 'a' + out->key, out->start_ms,
                 out->end_ms);
    }
    if (run->stand.dropped[WEIR_DROP_LATE] != run->model.late) {
        RUN_FAIL(run, "%" PRId64 " late expected, %" PRId64 " found", run->model.late,
                 run->stand.dropped[WEIR_DROP_LATE]);
    }
}

static void run_seed(uint64_t seed)
{
    static struct run run;
    run_init(&run, seed);
    for (int i = 0; i < BATCHES; i++) {
        feed(&run);
        if (run.mode == CACHED) ck_ok(stand_flush(&run.stand), NULL);
        compare(&run);
        if (below(&run, 4) == 0) stand_reopen(&run.stand);
    }
    stand_close(&run.stand);
}

START_TEST(windows_are_the_models)
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
    TCase *tests = tcase_create("windows_random");
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, windows_are_the_models);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("windows against the model", add);
}
