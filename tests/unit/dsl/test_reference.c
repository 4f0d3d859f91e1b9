/* The engine against the reference interpreter: random graphs, random records with null keys and
 * values, out of order and late, one partition and several, caches on and off, restarts and
 * crashes. Outputs are compared record by record where their order is defined, and as bags where
 * several tasks write to one partition; then the stores, and what was dropped.
 *
 * WEIR_SIM_SEEDS says how many seeds (300), WEIR_SIM_SEED runs one of them again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "tests/unit/dsl/twin.h"
#include "weir/test.h"

enum { SEEDS_DEFAULT = 300, STEPS_MAX = 12, TOGETHER_MAX = 30 };

struct run {
    uint64_t seed;
    struct weir_test_random random;
    struct reference *reference;
    struct twin twin;
    struct weir_topology *topology;
    struct weir_test *test;
    int compared[REF_TOPICS][REF_PARTITIONS]; /* outputs so far */
    int64_t clock_ms;
    int64_t grain_ms; /* timestamps are multiples: windows end, and close, on the dot */
    /* What the reference had dropped when this life of the engine began: an engine counts from there, and
     * what a crash has it process again it drops again. */
    int64_t past_null;
    int64_t past_late;
    int64_t past_failed;
    bool has_letters; /* failed records go to a topic */
    int64_t letters;
    int steps_compared;
};

/* Of the run at hand: a failed assertion of the engine is to name its seed too. */
static const struct run *current;

static void show_run(const char *message)
{
    fprintf(stderr, "%s\nseed %" PRIu64 ", %d partitions, caches %s\n%s", message, current->seed,
            current->twin.partition_count, current->reference->caches ? "on" : "off",
            weir_topology_describe(current->topology));
    fprintf(stderr, "again: WEIR_SIM_SEED=%" PRIu64 " CK_FORK=no test_dsl_reference\n",
            current->seed);
}

#define RUN_FAIL(...)                                                                              \
    do {                                                                                           \
        char message_[1024];                                                                       \
        (void)snprintf(message_, sizeof message_, __VA_ARGS__);                                    \
        show_run(message_);                                                                        \
        ck_abort_msg("%s", message_);                                                              \
    } while (0)

#define RUN_OK(run, call)                                                                          \
    do {                                                                                           \
        int rc_ = (call);                                                                          \
        struct weir_error error_ = {0};                                                            \
        if (rc_ < 0) (void)weir_test_error((run)->test, &error_);                                  \
        if (rc_ < 0) RUN_FAIL("%s: %s: %s", #call, weir_code_name(rc_), error_.text);              \
    } while (0)

/* ---- setting up ------------------------------------------------------------------------------ */

static int below(struct run *run, int bound)
{
    return (int)weir_test_random_below(&run->random, (uint64_t)bound);
}

/* `engine` false: only the reference, to see how much can be compared. */
static void run_init(struct run *run, uint64_t seed, bool engine)
{
    memset(run, 0, sizeof *run);
    run->seed = seed;
    run->random = (struct weir_test_random){seed * 2 + 1};
    run->clock_ms = 100;
    run->grain_ms = below(run, 2) == 0 ? 10 : 1;
    run->reference = malloc(sizeof *run->reference);
    ck_assert_ptr_nonnull(run->reference);
    ref_init(run->reference, below(run, 2) == 0);
    twin_init(&run->twin, run->reference, seed, 1 + below(run, REF_PARTITIONS));
    twin_grow(&run->twin);
    ref_finish(run->reference);

    struct weir_error error;
    run->topology = weir_build(run->twin.builder, &error);
    weir_builder_free(run->twin.builder);
    ck_assert_msg(run->topology != NULL, "seed %" PRIu64 ": %s", seed, error.text);
    current = run;
    weir_assert_set_hook(show_run);
    if (!engine) return;
    enum weir_on_error on_error = WEIR_ON_ERROR_FAIL;
    if (run->twin.may_fail) {
        on_error = below(run, 2) == 0 ? WEIR_ON_ERROR_SKIP : WEIR_ON_ERROR_DEAD_LETTER;
    }
    const struct weir_streams_options streams = {
        WEIR_STREAMS_OPTIONS_INIT,
        .application_id = "reference",
        .num_stream_threads = 1 + below(run, 3),
        .cache_max_bytes = run->reference->caches ? 0 : WEIR_CACHE_OFF,
        .on_processing_error = on_error,
        .dead_letter_topic = on_error == WEIR_ON_ERROR_DEAD_LETTER ? "letters" : NULL,
    };
    const struct weir_test_options options = {
        WEIR_TEST_OPTIONS_INIT,
        .seed = seed,
        .partition_count = run->twin.partition_count,
        .streams = &streams,
    };
    run->has_letters = on_error == WEIR_ON_ERROR_DEAD_LETTER;
    run->test = weir_test_new(run->topology, &options, &error);
    if (run->test == NULL) RUN_FAIL("weir_test_new: %s", error.text);
}

static void run_close(struct run *run)
{
    weir_test_free(run->test);
    weir_topology_free(run->topology);
    ref_close(run->reference);
    free(run->reference);
    weir_assert_set_hook(NULL);
}

/* ---- input ----------------------------------------------------------------------------------- */

static struct ref_record random_record(struct run *run)
{
    run->clock_ms += below(run, 40) == 0 ? 500 : below(run, 8);
    int64_t timestamp_ms = run->clock_ms - (below(run, 3) == 0 ? below(run, 150) : 0);
    timestamp_ms -= timestamp_ms % run->grain_ms;
    return (struct ref_record){
        .key = below(run, 12) == 0 ? text_null() : text_printf("k%d", below(run, 6)),
        .value = below(run, 10) == 0 ? text_null() : text_printf("v%d", below(run, 10)),
        .timestamp_ms = timestamp_ms > 0 ? timestamp_ms : 0,
    };
}

static struct weir_slice slice_of(const struct text *text)
{
    return text->is_null ? weir_null() : weir_text(text->bytes);
}

/* An input topic that somebody reads. */
static int random_input(struct run *run)
{
    const struct reference *reference = run->reference;
    for (;;) {
        const struct ref_node *node = &reference->nodes[below(run, reference->node_count)];
        if (node->kind != REF_SOURCE || reference->topics[node->topic].is_repartition) continue;
        return node->topic;
    }
}

static void pipe_one(struct run *run)
{
    struct ref_record record = random_record(run);
    int topic = random_input(run);
    int32_t partition = below(run, run->twin.partition_count);
    if (!record.key.is_null && below(run, 8) != 0) {
        partition = weir_partition_of_key(slice_of(&record.key), run->twin.partition_count);
    }
    ref_pipe(run->reference, topic, partition, &record);
    if (run->test == NULL) return;
    const struct weir_record bytes = {
        .key = slice_of(&record.key),
        .value = slice_of(&record.value),
        .timestamp_ms = record.timestamp_ms,
    };
    RUN_OK(run, weir_test_pipe_bytes(run->test, run->reference->topics[topic].name, partition,
                                     &bytes, false));
}

/* ---- outputs --------------------------------------------------------------------------------- */

static void show(char *to, size_t size, const struct ref_record *record)
{
    (void)snprintf(to, size, "%s=%s@%" PRId64, record->key.is_null ? "-" : record->key.bytes,
                   record->value.is_null ? "-" : record->value.bytes, record->timestamp_ms);
}

static int compare_records(const void *a, const void *b)
{
    char left[128];
    char right[128];
    show(left, sizeof left, a);
    show(right, sizeof right, b);
    return strcmp(left, right);
}

static struct text text_from(struct weir_slice slice)
{
    if (weir_slice_is_null(slice)) return text_null();
    return text_printf("%.*s", (int)slice.size, (const char *)slice.data);
}

struct outputs {
    struct ref_record *records[REF_PARTITIONS];
    int counts[REF_PARTITIONS];
};

static void read_outputs(struct run *run, const char *topic, struct outputs *outputs)
{
    struct weir_record record;
    int32_t partition = 0;
    int rc;
    *outputs = (struct outputs){0};
    while ((rc = weir_test_read(run->test, topic, &record, &partition)) == 0) {
        int *count = &outputs->counts[partition];
        struct ref_record **records = &outputs->records[partition];
        *records = realloc(*records, (size_t)(*count + 1) * sizeof **records);
        ck_assert_ptr_nonnull(*records);
        (*records)[(*count)++] = (struct ref_record){
            .key = text_from(record.key),
            .value = text_from(record.value),
            .timestamp_ms = record.timestamp_ms,
        };
    }
    RUN_OK(run, rc);
}

/* Records of one writer are in order; of several they come in any, each writer's in its own. */
static void compare_outputs(struct run *run, const char *topic, int partition,
                            struct ref_record *expected, int expected_count,
                            struct ref_record *actual, int actual_count)
{
    bool has_one_writer = true;
    for (int i = 1; i < expected_count; i++) {
        has_one_writer &= expected[i].writer == expected[0].writer;
    }
    if (!has_one_writer) {
        qsort(expected, (size_t)expected_count, sizeof *expected, compare_records);
        if (actual_count > 0) {
            qsort(actual, (size_t)actual_count, sizeof *actual, compare_records);
        }
    }
    int count = expected_count > actual_count ? expected_count : actual_count;
    for (int i = 0; i < count; i++) {
        char left[128] = "nothing";
        char right[128] = "nothing";
        if (i < expected_count) show(left, sizeof left, &expected[i]);
        if (i < actual_count) show(right, sizeof right, &actual[i]);
        if (strcmp(left, right) == 0) continue;
        RUN_FAIL("step %d: %s-%d, record %d of %d: %s expected, %s found", run->steps_compared,
                 topic, partition, i, expected_count, left, right);
    }
}

static void compare_topic(struct run *run, int topic)
{
    struct ref_topic *expected = &run->reference->topics[topic];
    struct outputs outputs;
    read_outputs(run, expected->name, &outputs);
    for (int p = 0; p < expected->partition_count; p++) {
        int from = run->compared[topic][p];
        struct ref_record *records =
            expected->logs[p].count > from ? expected->logs[p].records + from : NULL;
        compare_outputs(run, expected->name, p, records, expected->logs[p].count - from,
                        outputs.records[p], outputs.counts[p]);
        run->compared[topic][p] = expected->logs[p].count;
        free(outputs.records[p]);
    }
}

static bool is_written(const struct run *run, int topic)
{
    for (int n = 0; n < run->reference->node_count; n++) {
        const struct ref_node *node = &run->reference->nodes[n];
        if (node->kind == REF_SINK && node->topic == topic) return true;
    }
    return false;
}

static void compare_all_outputs(struct run *run)
{
    for (int i = 0; i < run->twin.output_count; i++) {
        if (is_written(run, run->twin.outputs[i])) compare_topic(run, run->twin.outputs[i]);
    }
}

/* ---- stores ---------------------------------------------------------------------------------- */

static int store_partitions(const struct run *run, int store)
{
    int component = -1;
    int count = 0;
    for (int n = 0; n < run->reference->node_count; n++) {
        if (run->reference->nodes[n].store == store) component = run->reference->nodes[n].component;
    }
    for (int n = 0; n < run->reference->node_count; n++) {
        const struct ref_node *node = &run->reference->nodes[n];
        if (node->kind != REF_SOURCE || node->component != component) continue;
        int partitions = run->reference->topics[node->topic].partition_count;
        if (partitions > count) count = partitions;
    }
    return count;
}

static void compare_value(struct run *run, int store, const struct text *key, int64_t start_ms,
                          const struct text *expected)
{
    const struct twin_store *twin = &run->twin.stores[store];
    uint8_t bytes[64];
    struct weir_slice value = weir_null();
    size_t size = strlen(key->bytes);
    memcpy(bytes, key->bytes, size);
    if (twin->window_ms > 0) {
        weir_store_u64(bytes + size, (uint64_t)start_ms);
        size += 8;
    }
    int rc = weir_test_store_get(run->test, twin->name, weir_slice(bytes, size), &value);
    RUN_OK(run, rc);
    struct text found = text_null();
    if (rc == 0 && twin->is_count) {
        found = text_printf("%" PRId64, (int64_t)weir_load_u64(value.data));
    } else if (rc == 0) {
        found = text_from(value);
    }
    if (text_equal(&found, expected)) return;
    RUN_FAIL("step %d: store %s, key %s@%" PRId64 ": %s expected, %s found", run->steps_compared,
             twin->name, key->bytes, start_ms, expected->is_null ? "-" : expected->bytes,
             found.is_null ? "-" : found.bytes);
}

/* Windows that the store may have forgotten are not looked at. */
static bool is_retained(const struct run *run, int store, int partition, int64_t start_ms)
{
    for (int n = 0; n < run->reference->node_count; n++) {
        const struct ref_node *node = &run->reference->nodes[n];
        if (node->kind != REF_AGGREGATE || node->store != store || node->window_ms == 0) continue;
        int64_t observed_ms = run->reference->now.observed_ms[n][partition];
        return start_ms > observed_ms - node->window_ms - node->grace_ms;
    }
    return true;
}

static void compare_store(struct run *run, int store)
{
    const struct ref_state *state = &run->reference->now;
    int partitions = store_partitions(run, store);
    for (int p = 0; p < partitions; p++) {
        for (int i = 0; i < state->stores[store].counts[p]; i++) {
            const struct ref_entry *entry = &state->stores[store].entries[p][i];
            struct weir_slice key = slice_of(&entry->key);
            if (weir_partition_of_key(key, partitions) != p) continue; /* the driver looks there */
            if (!is_retained(run, store, p, entry->start_ms)) continue;
            compare_value(run, store, &entry->key, entry->start_ms, &entry->value);
        }
    }
}

/* As of now, and of some time behind. */
static void compare_version(struct run *run, int store, int partition, const struct text *key,
                            int64_t as_of_ms)
{
    const struct twin_store *twin = &run->twin.stores[store];
    const struct ref_versions *versions = &run->reference->now.versions[twin->versions][partition];
    const struct text expected = ref_as_of(versions, twin->history_ms, key, as_of_ms);
    struct weir_slice value = weir_null();
    int rc =
        weir_test_store_get_as_of(run->test, twin->name, slice_of(key), as_of_ms, &value, NULL);
    RUN_OK(run, rc);
    struct text found = text_null();
    if (rc == 0 && twin->is_count) {
        found = text_printf("%" PRId64, (int64_t)weir_load_u64(value.data));
    } else if (rc == 0) {
        found = text_from(value);
    }
    if (text_equal(&found, &expected)) return;
    RUN_FAIL("step %d: store %s, key %s as of %" PRId64 ": %s expected, %s found",
             run->steps_compared, twin->name, key->bytes, as_of_ms,
             expected.is_null ? "-" : expected.bytes, found.is_null ? "-" : found.bytes);
}

static void compare_versions(struct run *run, int store)
{
    const struct twin_store *twin = &run->twin.stores[store];
    const int partitions = store_partitions(run, store);
    for (int p = 0; p < partitions; p++) {
        const struct ref_versions *versions = &run->reference->now.versions[twin->versions][p];
        for (int i = 0; i < versions->count; i++) {
            const struct ref_kept *row = &versions->rows[i];
            if (weir_partition_of_key(slice_of(&row->key), partitions) != p) continue;
            /* Behind the history it is a matter of the engine's time. */
            const int64_t as_of_ms = row->time_ms - below(run, 2);
            bool is_over = as_of_ms < versions->observed_ms - twin->history_ms;
            if (!is_over) compare_version(run, store, p, &row->key, as_of_ms);
            if (i % 8 == 0) compare_version(run, store, p, &row->key, INT64_MAX);
        }
    }
}

static void compare_stores(struct run *run)
{
    for (int s = 0; s < run->reference->store_count; s++) {
        if (run->twin.stores[s].is_versioned) {
            compare_versions(run, s);
        } else {
            compare_store(run, s);
        }
    }
}

/* With the reason among their headers. */
static void read_letters(struct run *run)
{
    struct weir_record record;
    int rc;
    while ((rc = weir_test_read(run->test, "letters", &record, NULL)) == 0) {
        if (record.header_count < 2) RUN_FAIL("a dead letter without a reason");
        run->letters++;
    }
    RUN_OK(run, rc);
}

/* Each failed record is there. */
static void compare_letters(struct run *run)
{
    read_letters(run);
    if (run->letters == run->reference->failed) return;
    RUN_FAIL("%" PRId64 " dead letters, %" PRId64 " failed", run->letters, run->reference->failed);
}

static void compare_drops(struct run *run)
{
    struct weir_streams_metrics metrics;
    int64_t null = run->reference->dropped_null - run->past_null;
    int64_t late = run->reference->dropped_late - run->past_late;
    int64_t failed = run->reference->failed - run->past_failed;
    if (run->has_letters) compare_letters(run);
    weir_test_metrics(run->test, &metrics);
    if (metrics.records_dropped_null == null && metrics.records_dropped_late == late &&
        metrics.records_failed == failed) {
        return;
    }
    RUN_FAIL("dropped: %" PRId64 " null, %" PRId64 " late, %" PRId64 " failed expected; %" PRId64
             ", %" PRId64 ", %" PRId64 " found",
             null, late, failed, metrics.records_dropped_null, metrics.records_dropped_late,
             metrics.records_failed);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void commit(struct run *run)
{
    if (run->test != NULL) RUN_OK(run, weir_test_commit(run->test));
    ref_commit(run->reference);
}

static void begin_counting(struct run *run)
{
    run->past_null = run->reference->dropped_null;
    run->past_late = run->reference->dropped_late;
    run->past_failed = run->reference->failed;
}

/* Close in order and open again, with or without a commit before; or lose power after a commit; or
 * be killed without one. */
static void restart(struct run *run)
{
    int how = below(run, 3);
    /* A close commits; what that makes caches forward is processed after the opening. */
    if (how == 0 || run->reference->caches) commit(run);
    if (run->test != NULL && run->has_letters) read_letters(run); /* a crash undoes some */
    begin_counting(run);
    switch (how) {
    case 0:
        if (run->test != NULL) RUN_OK(run, weir_test_crash(run->test, true));
        break;
    case 1:
        if (run->test != NULL) RUN_OK(run, weir_test_crash(run->test, false));
        ref_crash(run->reference);
        break;
    default:
        if (run->test != NULL) RUN_OK(run, weir_test_restart(run->test));
        run->reference->committed = run->reference->now;
        break;
    }
}

/* False when nothing can be compared any more. */
static bool step(struct run *run)
{
    int count = below(run, 2) == 0 ? 1 : 1 + below(run, TOGETHER_MAX);
    for (int i = 0; i < count; i++)
        pipe_one(run);
    if (run->test != NULL) RUN_OK(run, weir_test_run(run->test));
    ref_run(run->reference);
    if (!run->reference->is_ambiguous && below(run, 3) == 0) commit(run);
    if (run->reference->is_ambiguous) return false;
    if (run->test != NULL) compare_all_outputs(run);
    if (below(run, 5) == 0) restart(run);
    if (run->reference->is_ambiguous) return false;
    if (run->test != NULL) {
        compare_all_outputs(run);
        compare_stores(run);
        compare_drops(run);
    }
    run->steps_compared++;
    return true;
}

static int run_seed(uint64_t seed, bool engine)
{
    struct run *run = malloc(sizeof *run);
    ck_assert_ptr_nonnull(run);
    run_init(run, seed, engine);
    int steps = 0;
    while (steps < STEPS_MAX && step(run))
        steps++;
    run_close(run);
    free(run);
    return steps;
}

/* ---- the tests ------------------------------------------------------------------------------- */

static uint64_t seed_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

START_TEST(engine_equals_the_reference)
{
    uint64_t seed = seed_from("WEIR_SIM_SEED", (uint64_t)_i + 1);
    (void)run_seed(seed, true);
}
END_TEST

/* A run ends early where its order is not defined: most steps are nevertheless compared. */
START_TEST(most_steps_can_be_compared)
{
    int steps = 0;
    for (uint64_t seed = 1; seed <= 200; seed++)
        steps += run_seed(seed, false);
    ck_assert_int_ge(steps, 200 * STEPS_MAX * 55 / 100);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("reference");
    int count = (int)seed_from("WEIR_SIM_SEEDS", SEEDS_DEFAULT);
    if (getenv("WEIR_SIM_SEED") != NULL) count = 1;
    tcase_add_loop_test(tests, engine_equals_the_reference, 0, count);
    tcase_add_test(tests, most_steps_can_be_compared);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("reference", add);
}
