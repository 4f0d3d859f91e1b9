/* Stores whose rows have a time to live, against a model that goes record by record: counts, a table that is joined with, a
 * processor's store; with commits, restarts and crashes in between, in memory and on the disk. */
#include <stdio.h>
#include <string.h>

#include "tests/support/support.h"
#include "weir/test.h"

enum { TTL = 100, KEYS = 6, STEPS = 300, SEEDS = 60 };

static struct weir_error error;

/* ---- the model ------------------------------------------------------------------------------- */

struct model_row {
    bool exists;
    int64_t count;
    int64_t timestamp_ms;
};

struct model {
    int64_t stream_ms;
    struct model_row rows[KEYS];
};

static bool lives(const struct model *model, int key)
{
    const struct model_row *row = &model->rows[key];
    return row->exists && row->timestamp_ms > model->stream_ms - TTL;
}

static void observe(struct model *model, int64_t timestamp_ms)
{
    if (timestamp_ms > model->stream_ms) model->stream_ms = timestamp_ms;
}

static struct model_row count(struct model *model, int key, int64_t timestamp_ms)
{
    struct model_row *row = &model->rows[key];
    observe(model, timestamp_ms);
    const bool is_new = !lives(model, key);
    row->exists = true;
    row->count = is_new ? 1 : row->count + 1;
    if (is_new || timestamp_ms > row->timestamp_ms) row->timestamp_ms = timestamp_ms;
    return *row;
}

/* ---- the world ------------------------------------------------------------------------------- */

static struct weir_test *test_of(const struct weir_topology *topology, uint64_t seed)
{
    const struct weir_streams_options streams = {WEIR_STREAMS_OPTIONS_INIT,
                                                 .num_stream_threads = 1};
    struct weir_test *test = weir_test_new(
        topology,
        &(struct weir_test_options){WEIR_TEST_OPTIONS_INIT, .seed = seed, .streams = &streams},
        &error);
    ck_assert_msg(test != NULL, "%s", error.text);
    return test;
}

static void check_ok(struct weir_test *test, int rc)
{
    (void)weir_test_error(test, &error);
    ck_assert_msg(rc >= 0, "%s", error.text);
}

static const char *name_of(int key)
{
    static const char *const names[KEYS] = {"a", "b", "c", "d", "e", "f"};
    return names[key];
}

static void pipe_one(struct weir_test *test, const char *topic, int key, const char *value,
                     int64_t timestamp_ms)
{
    const struct weir_record record = {
        .key = weir_text(name_of(key)),
        .value = value != NULL ? weir_text(value) : weir_null(),
        .timestamp_ms = timestamp_ms,
    };
    check_ok(test, weir_test_pipe_bytes(test, topic, -1, &record, true));
}

/* Mostly on, sometimes far, sometimes back. */
static int64_t next_time(struct weir_test_random *random, int64_t *now_ms)
{
    *now_ms += (int64_t)weir_test_random_below(random, 12);
    if (weir_test_random_below(random, 40) == 0) *now_ms += 2 * TTL;
    const int64_t back_ms = (int64_t)weir_test_random_below(random, 60);
    const bool is_back = weir_test_random_below(random, 4) == 0 && back_ms < *now_ms;
    return is_back ? *now_ms - back_ms : *now_ms;
}

/* What happens between two records. A loss of power comes behind a commit: what it takes back is read again in the same
 * order then. */
static void disturb(struct weir_test *test, struct weir_test_random *random)
{
    switch (weir_test_random_below(random, 30)) {
    case 0:
        check_ok(test, weir_test_restart(test));
        break;
    case 1:
        check_ok(test, weir_test_commit(test));
        check_ok(test, weir_test_crash(test, true));
        break;
    case 2:
        check_ok(test, weir_test_commit(test));
        check_ok(test, weir_test_crash(test, false));
        break;
    case 3:
    case 4:
    case 5:
        check_ok(test, weir_test_commit(test));
        break;
    default:
        break;
    }
}

/* ---- counts ---------------------------------------------------------------------------------- */

static struct weir_topology *build_count(bool in_memory, bool is_cached)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_grouped *grouped =
        weir_group_by_key(weir_stream(builder, "in", WEIR_STRING, WEIR_STRING));
    const struct weir_materialized kept = {
        WEIR_MATERIALIZED_INIT,
        .name = "counts",
        .store = in_memory ? WEIR_STORE_MEMORY : WEIR_STORE_ROCKSDB,
        .cache = is_cached ? WEIR_CACHE_DEFAULT : WEIR_CACHE_OFF,
        .ttl_ms = TTL,
    };
    weir_to(weir_to_stream(weir_count(grouped, &kept)), "out");
    struct weir_topology *topology = weir_build(builder, &error);
    ck_assert_msg(topology != NULL, "%s", error.text);
    weir_builder_free(builder);
    return topology;
}

static void check_output(struct weir_test *test, int key, struct model_row expected)
{
    struct weir_record record;
    int64_t value = 0;
    check_ok(test, weir_test_read(test, "out", &record, NULL));
    ck_assert_msg(weir_slice_equal(record.key, weir_text(name_of(key))), "another key");
    ck_assert_int_eq(weir_deserialize(WEIR_INT64, record.value, &value, NULL), 0);
    ck_assert_int_eq(value, expected.count);
    ck_assert_int_eq(record.timestamp_ms, expected.timestamp_ms);
}

static void check_store(struct weir_test *test, const char *store, const struct model *model)
{
    for (int key = 0; key < KEYS; key++) {
        struct weir_slice bytes;
        int64_t value = 0;
        int rc = weir_test_store_get(test, store, weir_text(name_of(key)), &bytes);
        ck_assert_int_eq(rc, lives(model, key) ? 0 : WEIR_END);
        if (rc != 0) continue;
        ck_assert_int_eq(weir_deserialize(WEIR_INT64, bytes, &value, NULL), 0);
        ck_assert_int_eq(value, model->rows[key].count);
    }
}

/* Each count is what the records alone make of it, whenever rows are removed and however often the job starts again.
 * Whole batches too: what is piped without running arrives together. */
START_TEST(counts_are_those_of_the_model)
{
    struct weir_test_random random = {(uint64_t)_i + 1};
    struct weir_topology *topology = build_count(_i % 2 == 0, false);
    struct weir_test *test = test_of(topology, (uint64_t)_i + 1);
    struct model model = {.stream_ms = -1};
    struct model_row expected[STEPS];
    int keys[STEPS];
    int64_t now_ms = 0;
    for (int i = 0; i < STEPS; i++) {
        keys[i] = (int)weir_test_random_below(&random, KEYS);
        const int64_t timestamp_ms = next_time(&random, &now_ms);
        const struct weir_record record = {
            .key = weir_text(name_of(keys[i])),
            .value = weir_text("v"),
            .timestamp_ms = timestamp_ms,
        };
        const bool runs = weir_test_random_below(&random, 5) == 0;
        expected[i] = count(&model, keys[i], timestamp_ms);
        check_ok(test, weir_test_pipe_bytes(test, "in", -1, &record, runs));
        if (runs) disturb(test, &random);
    }
    check_ok(test, weir_test_run(test));
    check_ok(test, weir_test_commit(test));
    for (int i = 0; i < STEPS; i++) {
        check_output(test, keys[i], expected[i]);
    }
    check_store(test, "counts", &model);
    check_ok(test, weir_test_restart(test));
    check_store(test, "counts", &model);
    weir_test_free(test);
    weir_topology_free(topology);
}
END_TEST

/* With a cache in front: the last value before each commit is forwarded, and what is there at the end is the same. */
START_TEST(cached_counts_end_as_the_model)
{
    struct weir_test_random random = {(uint64_t)_i + 1000};
    struct weir_topology *topology = build_count(_i % 2 == 0, true);
    struct weir_test *test = test_of(topology, (uint64_t)_i + 1);
    struct model model = {.stream_ms = -1};
    int64_t now_ms = 0;
    for (int i = 0; i < STEPS; i++) {
        const int key = (int)weir_test_random_below(&random, KEYS);
        const int64_t timestamp_ms = next_time(&random, &now_ms);
        (void)count(&model, key, timestamp_ms);
        pipe_one(test, "in", key, "v", timestamp_ms);
        disturb(test, &random);
    }
    check_store(test, "counts", &model);
    weir_test_free(test);
    weir_topology_free(topology);
}
END_TEST

/* ---- a table that is joined with ------------------------------------------------------------- */

static int join(struct weir_call *call, const void *key, const void *stream_value,
                const void *table_value, const void **joined)
{
    const struct weir_slice none = weir_text("none");
    const struct weir_slice *left = stream_value;
    const struct weir_slice *right = table_value != NULL ? table_value : &none;
    (void)key;
    *joined = weir_call_printf(call, "%.*s+%.*s", (int)left->size, (const char *)left->data,
                               (int)right->size, (const char *)right->data);
    return *joined != NULL ? 0 : WEIR_NO_MEMORY;
}

/* A row of the table is found by records that are less than its time to live ahead of it, whichever side moves the time. */
START_TEST(a_join_finds_what_lives)
{
    struct weir_test_random random = {(uint64_t)_i + 2000};
    struct weir_builder *builder = weir_builder_new();
    const struct weir_materialized kept = {
        WEIR_MATERIALIZED_INIT,
        .name = "users",
        .store = _i % 2 == 0 ? WEIR_STORE_MEMORY : WEIR_STORE_ROCKSDB,
        .ttl_ms = TTL,
    };
    struct weir_table *users = weir_table(builder, "users", WEIR_STRING, WEIR_STRING, &kept);
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    weir_to(weir_left_join(in, users, join, NULL, WEIR_STRING), "out");
    struct weir_topology *topology = weir_build(builder, &error);
    ck_assert_msg(topology != NULL, "%s", error.text);
    weir_builder_free(builder);
    struct weir_test *test = test_of(topology, (uint64_t)_i + 1);
    struct model model = {.stream_ms = -1};
    int64_t now_ms = 0;
    for (int i = 0; i < STEPS; i++) {
        const int key = (int)weir_test_random_below(&random, KEYS);
        const int64_t timestamp_ms = next_time(&random, &now_ms);
        char value[16];
        (void)snprintf(value, sizeof value, "u%d", i);
        observe(&model, timestamp_ms);
        if (weir_test_random_below(&random, 3) == 0) {
            model.rows[key] = (struct model_row){true, i, timestamp_ms};
            pipe_one(test, "users", key, value, timestamp_ms);
        } else {
            char expected[40];
            struct weir_record record;
            pipe_one(test, "in", key, "s", timestamp_ms);
            check_ok(test, weir_test_commit(test));
            check_ok(test, weir_test_read(test, "out", &record, NULL));
            (void)snprintf(expected, sizeof expected, "s+u%d", (int)model.rows[key].count);
            const char *is = lives(&model, key) ? expected : "s+none";
            ck_assert_msg(weir_slice_equal(record.value, weir_text(is)),
                          "step %d: '%.*s', not '%s'", i, (int)record.value.size,
                          (const char *)record.value.data, is);
        }
        check_ok(test, weir_test_commit(test));
        disturb(test, &random);
    }
    weir_test_free(test);
    weir_topology_free(topology);
}
END_TEST

/* ---- a processor's --------------------------------------------------------------------------- */

static int count_one(void *context, const void *key, const void *value)
{
    (void)key, (void)value;
    ++*(int *)context;
    return 0;
}

/* Says what it finds under the key, and how many there are; then puts the value. */
static int look_and_put(struct weir_process *process, void *state, struct weir_call *call,
                        const void *key, const void *value)
{
    (void)state;
    struct weir_store *store = weir_process_store(process, "kept");
    const struct weir_slice none = weir_text("none");
    const void *found = NULL;
    int others = 0;
    int rc = weir_store_get(process, store, key, &found);
    if (rc >= 0) rc = weir_store_range(process, store, NULL, NULL, count_one, &others);
    if (rc >= 0) rc = weir_store_put(process, store, key, value);
    if (rc < 0) return rc;
    const struct weir_slice *before = found != NULL ? found : &none;
    const void *said =
        weir_call_printf(call, "%.*s of %d", (int)before->size, (const char *)before->data, others);
    return said != NULL ? weir_process_forward(process, key, said, -1) : WEIR_NO_MEMORY;
}

START_TEST(a_processor_finds_what_lives)
{
    static const char *const stores[] = {"kept", NULL};
    const struct weir_processor processor = {.process = look_and_put, .stores = stores};
    struct weir_builder *builder = weir_builder_new();
    weir_add_store(builder, "kept", WEIR_STRING, WEIR_STRING, WEIR_STORE(.ttl_ms = TTL));
    struct weir_stream *in = weir_stream(builder, "in", WEIR_STRING, WEIR_STRING);
    weir_to(weir_process(in, &processor, NULL, NULL), "out");
    struct weir_topology *topology = weir_build(builder, &error);
    ck_assert_msg(topology != NULL, "%s", error.text);
    weir_builder_free(builder);
    struct weir_test *test = test_of(topology, 1);
    static const struct {
        int key;
        int64_t timestamp_ms;
        const char *says;
    } rows[] = {
        {0, 0, "none of 0"},   {0, 99, "v of 1"},     {1, 150, "none of 1"}, {0, 198, "v of 2"},
        {1, 250, "none of 1"}, {0, 249, "v of 2"},    {0, 100, "v of 2"},    {0, 250, "none of 1"},
        {2, 400, "none of 0"}, {1, 400, "none of 1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct weir_record record;
        pipe_one(test, "in", rows[i].key, "v", rows[i].timestamp_ms);
        check_ok(test, weir_test_commit(test));
        check_ok(test, weir_test_read(test, "out", &record, NULL));
        ck_assert_msg(weir_slice_equal(record.value, weir_text(rows[i].says)),
                      "row %zu: '%.*s', not '%s'", i, (int)record.value.size,
                      (const char *)record.value.data, rows[i].says);
        if (i == 4) check_ok(test, weir_test_crash(test, true));
    }
    weir_test_free(test);
    weir_topology_free(topology);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("ttl");
    tcase_add_loop_test(tests, counts_are_those_of_the_model, 0, SEEDS);
    tcase_add_loop_test(tests, cached_counts_end_as_the_model, 0, SEEDS / 2);
    tcase_add_loop_test(tests, a_join_finds_what_lives, 0, SEEDS / 2);
    tcase_add_test(tests, a_processor_finds_what_lives);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("ttl", add);
}
