/*
 * A counting job is crashed again and again, at random operations of its disk, by kill and by power
 * loss, in logs whose default is to flush and in such whose default is not to (flush.policy=os;
 * only what the test itself counts is flushed there). Whatever happens: it starts; on every start
 * the store is the fold of its committed changelog, and once the job is drained the counts are
 * those of a batch computation over the input. Now and then somebody deletes the changelog, and the
 * state is made anew from the input: a rebuild is crashed like all else.
 *
 *     WEIR_SEED=123 test_job_crash      replays one seed
 *     WEIR_SEEDS=5000 test_job_crash    tries more of them
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "runtime/state/sim/backend_model.h"
#include "tests/unit/runtime/task/stage.h"

enum { SEEDS = 200, KEYS = 12, PARTITIONS_MAX = 3, ROUNDS_MAX = 6 };

struct world {
    uint64_t seed;
    struct weir_sim *sim;
    struct weir_env *env;
    struct weir_log *log;
    struct weir_streams *streams;
    struct plan plan;
    const struct weir_topology *topology;
    struct weir_streams_options options;
    int32_t partitions;
    bool flush_policy_os;
    bool is_to_choose; /* the changelog was deleted: a start may refuse until a rebuild is chosen */
    int64_t event_time_ms;
};

/* Counts per partition and key: of the input, of a changelog, of a store. */
struct counts {
    uint64_t of[PARTITIONS_MAX][KEYS];
};

static void say_seed(const struct world *world, const char *what)
{
    fprintf(stderr, "seed %" PRIu64 ": %s\nreplay: WEIR_SEED=%" PRIu64 " test_job_crash\n",
            world->seed, what, world->seed);
}

#define expect(world, condition, ...)                                                              \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            char expect_text[1024];                                                                \
            (void)snprintf(expect_text, sizeof expect_text, __VA_ARGS__);                          \
            say_seed(world, expect_text);                                                          \
            ck_abort_msg("seed %" PRIu64 ": %s", (world)->seed, expect_text);                      \
        }                                                                                          \
    } while (0)

static uint64_t below(struct world *world, uint64_t bound)
{
    return weir_sim_random(world->sim) % bound;
}

static bool has_crashed(const struct world *world)
{
    return weir_sim_has_crashed(world->sim, 0);
}

/* ---- the node -------------------------------------------------------------------------------- */

static void forget_node(struct world *world)
{
    world->log = NULL; /* its memory went with it */
    world->streams = NULL;
    world->env = weir_sim_node(world->sim, 0);
}

static void plan_crash(struct world *world)
{
    static const enum weir_sim_fault faults[] = {WEIR_SIM_FAULT_CRASH, WEIR_SIM_FAULT_CRASH_AFTER,
                                                 WEIR_SIM_FAULT_TORN};
    weir_sim_disk_count_reset(world->sim, 0);
    weir_sim_disk_plan(world->sim, 0,
                       (struct weir_sim_fault_plan){
                           .fault = faults[below(world, 3)],
                           .at = 1 + below(world, 120),
                           .crash = below(world, 2) == 0 ? WEIR_SIM_KILL : WEIR_SIM_POWER,
                           .torn_bytes = (size_t)below(world, 80),
                       });
}

static void plan_nothing(struct world *world)
{
    weir_sim_disk_plan(world->sim, 0, (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_NONE});
}

/* False: the node crashed on the way. */
static bool open_log(struct world *world)
{
    struct weir_error error = {0};
    struct weir_log_options options = {WEIR_LOG_OPTIONS_INIT,
                                       .flush_policy_os = world->flush_policy_os};
    int rc = weir_log_open_in(world->env, "data", &options, &world->log, &error);
    if (has_crashed(world)) return false;
    expect(world, rc >= 0, "open: %s", error.text);
    return true;
}

static bool make_topic(struct world *world, const char *name)
{
    const struct weir_config configs[] = {{"message.timestamp.after.max.ms", "9223372036854775807"},
                                          {"retention.ms", "-1"},
                                          {"flush.policy", "group"}};
    struct weir_error error = {0};
    int rc = weir_topic_create(world->log, name, world->partitions, configs, 3, &error);
    if (has_crashed(world)) return false;
    expect(world, rc >= 0 || rc == WEIR_EXISTS, "create '%s': %s", name, error.text);
    return true;
}

static bool is_started(void *context)
{
    const struct world *world = context;
    enum weir_streams_state state = weir_streams_state(world->streams);
    return state == WEIR_STREAMS_RUNNING || state == WEIR_STREAMS_ERROR;
}

/* The job's state; false: the node crashed on the way. */
static bool begin_start(struct world *world, enum weir_on_mismatch choice,
                        enum weir_streams_state *state_out)
{
    struct weir_error error = {0};
    const struct weir_streams_hooks hooks = {.backend = &weir_backend_model,
                                             .commit = &weir_commit_transaction};
    world->options.on_mismatch = choice;
    int rc = weir_streams_start_begin(world->log, world->topology, &world->options, &hooks,
                                      &world->streams, &error);
    if (has_crashed(world)) return false;
    expect(world, rc >= 0, "start: %s", error.text);
    weir_streams_pause(world->streams, true);
    (void)weir_sim_run(world->sim, is_started, world, INT64_MAX);
    if (has_crashed(world)) return false;
    *state_out = weir_streams_state(world->streams);
    return true;
}

/* Up to the point where it would process; it is paused. */
static bool start_job(struct world *world)
{
    struct weir_error error = {0};
    enum weir_streams_state state;
    if (!begin_start(world, WEIR_ON_MISMATCH_REFUSE, &state)) return false;
    bool is_refused = weir_streams_error(world->streams, &error) == WEIR_MISMATCH;
    if (is_refused && world->is_to_choose) {
        (void)weir_streams_close(world->streams, NULL); /* as its error says */
        if (has_crashed(world)) return false;
        if (!begin_start(world, WEIR_ON_MISMATCH_REBUILD, &state)) return false;
        (void)weir_streams_error(world->streams, &error);
    }
    expect(world, state == WEIR_STREAMS_RUNNING, "start: %s", error.text);
    world->is_to_choose = false;
    return true;
}

static bool lose_changelog(struct world *world)
{
    struct weir_error error = {0};
    if (below(world, 4) > 0) return true;
    world->is_to_choose = true;
    int rc = weir_topic_delete(world->log, "app-counts-changelog", &error);
    if (has_crashed(world)) return false;
    expect(world, rc >= 0 || rc == WEIR_UNKNOWN_TOPIC_OR_PARTITION, "delete: %s", error.text);
    return true;
}

static bool produce_some(struct world *world)
{
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT};
    struct weir_error error = {0};
    struct weir_producer *producer = weir_producer_new(world->log, &options, &error);
    if (has_crashed(world)) return false;
    expect(world, producer != NULL, "producer: %s", error.text);
    uint64_t count = below(world, 12);
    for (uint64_t i = 0; i < count; i++) {
        uint8_t key = (uint8_t)('a' + below(world, KEYS));
        const struct weir_record record = {
            .key = weir_slice(&key, 1),
            .value = weir_text("1"),
            .timestamp_ms = world->event_time_ms + (int64_t)below(world, 50),
        };
        world->event_time_ms += 10;
        int rc =
            weir_producer_send(producer, "in", (int32_t)below(world, (uint64_t)world->partitions),
                               &record, NULL, &error);
        if (has_crashed(world)) return false;
        expect(world, rc >= 0, "send: %s: %s", weir_code_name(rc), error.text);
    }
    int rc = weir_producer_close(producer, &error);
    if (has_crashed(world)) return false;
    expect(world, rc >= 0, "flush: %s", error.text);
    return true;
}

/* ---- what is counted ------------------------------------------------------------------------- */

static bool each_record(struct world *world, const char *topic,
                        void (*take)(struct counts *counts, int32_t partition,
                                     const struct weir_record *record),
                        struct counts *counts)
{
    struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT};
    struct weir_error error = {0};
    struct weir_consumer *consumer = weir_consumer_new(world->log, &options, &error);
    expect(world, consumer != NULL, "consumer: %s", error.text);
    int rc = weir_consumer_assign_topic(consumer, topic, WEIR_POSITION_BEGINNING, &error);
    struct weir_batch_view view;
    while (rc >= 0 && (rc = weir_consumer_poll(consumer, 0, &view, &error)) == 0) {
        for (size_t i = 0; i < view.record_count; i++) {
            take(counts, view.partition, &view.records[i]);
        }
    }
    if (has_crashed(world)) return false;
    expect(world, rc >= 0, "read '%s': %s", topic, error.text);
    (void)weir_consumer_close(consumer, NULL); /* it only read */
    return !has_crashed(world);
}

static size_t key_of(const struct weir_record *record)
{
    return (size_t)(record->key.data[0] - 'a');
}

static void take_latest(struct counts *counts, int32_t partition, const struct weir_record *record)
{
    counts->of[partition][key_of(record)] =
        record->value.size == 8 ? weir_load_u64(record->value.data) : 0;
}

static void take_one(struct counts *counts, int32_t partition, const struct weir_record *record)
{
    counts->of[partition][key_of(record)]++;
}

static bool is_repartitioned(const struct world *world)
{
    return world->topology->subtopology_count > 1;
}

/* A repartitioned key is counted where its hash says, whichever partition it came in by. */
static struct counts gathered(const struct world *world, const struct counts *counts)
{
    if (!is_repartitioned(world)) return *counts;
    struct counts result = {0};
    for (size_t k = 0; k < KEYS; k++) {
        uint8_t key = (uint8_t)('a' + k);
        int32_t to = weir_partition_of_key(weir_slice(&key, 1), world->partitions);
        for (int32_t p = 0; p < world->partitions; p++) {
            result.of[to][k] += counts->of[p][k];
        }
    }
    return result;
}

static struct weir_store *store_of(const struct world *world, int32_t partition)
{
    int32_t subtopology = world->topology->stores[0].subtopology;
    for (size_t i = 0; i < world->streams->thread_count; i++) {
        const struct weir_stream_thread *thread = world->streams->threads[i];
        for (size_t t = 0; t < thread->task_count; t++) {
            struct weir_task *task = thread->tasks[t].task;
            if (task->options.subtopology == subtopology && task->options.partition == partition) {
                return weir_state_store(task->state, 0);
            }
        }
    }
    return NULL;
}

static void read_stores(struct world *world, struct counts *counts)
{
    for (int32_t p = 0; p < world->partitions; p++) {
        struct weir_store *store = store_of(world, p);
        expect(world, store != NULL, "no store of partition %d", (int)p);
        for (size_t k = 0; k < KEYS; k++) {
            uint8_t byte = (uint8_t)('a' + k);
            struct weir_slice key = weir_slice(&byte, 1);
            struct weir_slice value;
            struct weir_error error = {0};
            int rc = weir_store_get_many(store, &key, 1, &value, NULL, &error);
            expect(world, rc >= 0, "store: %s", error.text);
            counts->of[p][k] = value.size == 8 ? weir_load_u64(value.data) : 0;
        }
    }
}

static void expect_equal(struct world *world, const struct counts *a, const struct counts *b,
                         const char *what)
{
    for (int32_t p = 0; p < world->partitions; p++) {
        for (size_t k = 0; k < KEYS; k++) {
            expect(world, a->of[p][k] == b->of[p][k],
                   "%s: partition %d key %c: %" PRIu64 " and %" PRIu64, what, (int)p,
                   (int)('a' + k), a->of[p][k], b->of[p][k]);
        }
    }
}

/* I17: the store is the fold of its changelog, which was cut back to the last commit. */
static bool check_store(struct world *world)
{
    struct counts fold = {0};
    struct counts stores = {0};
    if (!each_record(world, "app-counts-changelog", take_latest, &fold)) return false;
    read_stores(world, &stores);
    expect_equal(world, &stores, &fold, "store and changelog");
    return true;
}

/* ---- a life ---------------------------------------------------------------------------------- */

static bool begin_life(struct world *world)
{
    return open_log(world) && make_topic(world, "in") && make_topic(world, "counts") &&
           produce_some(world) && lose_changelog(world) && start_job(world) && check_store(world);
}

static void live_until_crash(struct world *world)
{
    plan_crash(world);
    bool is_alive = begin_life(world);
    if (is_alive) weir_streams_pause(world->streams, false);
    for (uint64_t i = below(world, 6); is_alive && i > 0; i--) {
        is_alive = produce_some(world);
        (void)weir_sim_run(world->sim, NULL, NULL, (1 + (int64_t)below(world, 60)) * 1000000);
        is_alive = is_alive && !has_crashed(world);
        if (!is_alive) break;
        struct weir_error error = {0};
        int rc = weir_streams_error(world->streams, &error);
        expect(world, rc == 0, "running: %s", error.text);
    }
    if (is_alive) {
        weir_sim_crash(world->sim, 0, below(world, 2) == 0 ? WEIR_SIM_KILL : WEIR_SIM_POWER);
    }
    forget_node(world);
}

/* No more faults: everything is processed, and the answer is that of a batch computation. */
static void live_to_the_end(struct world *world)
{
    plan_nothing(world);
    struct weir_error error = {0};
    expect(world, begin_life(world), "crashed without a plan");
    weir_streams_pause(world->streams, false);
    int rc = weir_streams_drain(world->streams, 600000, &error);
    expect(world, rc >= 0, "drain: %s", error.text);
    struct counts input = {0};
    struct counts stores = {0};
    struct counts outputs = {0};
    expect(world, each_record(world, "in", take_one, &input), "crashed without a plan");
    expect(world, each_record(world, "counts", take_latest, &outputs), "crashed without a plan");
    struct counts batch = gathered(world, &input);
    read_stores(world, &stores);
    expect_equal(world, &stores, &batch, "store and batch answer");
    expect(world, check_store(world), "crashed without a plan");
    if (is_repartitioned(world)) expect_equal(world, &outputs, &batch, "output and batch answer");
    rc = weir_streams_close(world->streams, &error);
    expect(world, rc >= 0, "close: %s", error.text);
    rc = weir_close(world->log, &error);
    expect(world, rc >= 0, "close: %s", error.text);
}

static void print_line(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)context;
    (void)level;
    fprintf(stderr, "%.*s\n", (int)size, line);
}

static void print_trace(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "%s\n", line);
}

static uint64_t seed_at_hand;

/* A broken invariant of the engine is a failing seed, too. */
static void on_assertion(const char *message)
{
    fprintf(stderr, "seed %" PRIu64 ": %s\nreplay: WEIR_SEED=%" PRIu64 " test_job_crash\n",
            seed_at_hand, message, seed_at_hand);
}

static void run_seed(uint64_t seed)
{
    seed_at_hand = seed;
    struct world *world = calloc(1, sizeof *world);
    ck_assert_ptr_nonnull(world);
    world->seed = seed;
    bool is_told = getenv("WEIR_SEED") != NULL; /* a replay says what the engine says */
    world->sim = weir_sim_new(&(struct weir_sim_options){
        .seed = seed,
        .logger = {.write = is_told ? print_line : NULL, .level = WEIR_LOG_INFO},
        .trace = getenv("WEIR_TRACE") != NULL ? print_trace : NULL,
    });
    world->env = weir_sim_node(world->sim, 0);
    world->partitions = 1 + (int32_t)below(world, PARTITIONS_MAX);
    world->event_time_ms = 1000;
    enum weir_store_kind kind = below(world, 2) == 0 ? WEIR_STORE_ROCKSDB : WEIR_STORE_MEMORY;
    world->topology = below(world, 2) == 0 ? plan_count(&world->plan, kind)
                                           : plan_repartition(&world->plan, kind);
    world->options = (struct weir_streams_options){
        WEIR_STREAMS_OPTIONS_INIT,
        .application_id = "app",
        .num_stream_threads = 1 + (int32_t)below(world, 3),
        .commit_interval_ms = 1 + (int64_t)below(world, 30),
        .cache_max_bytes = below(world, 2) == 0 ? WEIR_CACHE_OFF : 0,
    };
    world->flush_policy_os = below(world, 2) == 0;
    uint64_t rounds = 1 + below(world, ROUNDS_MAX);
    for (uint64_t i = 0; i < rounds; i++) {
        live_until_crash(world);
    }
    live_to_the_end(world);
    weir_sim_free(world->sim);
    free(world);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

/* Crashes at random places leave state that is exactly that of the last commit. */
START_TEST(state_is_that_of_the_last_commit)
{
    weir_assert_set_hook(on_assertion);
    uint64_t seed = number_from("WEIR_SEED", 0);
    if (seed != 0) {
        run_seed(seed);
        return;
    }
    uint64_t seeds = number_from("WEIR_SEEDS", SEEDS);
    for (seed = 1; seed <= seeds; seed++) {
        run_seed(seed);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("job_crash");
    tcase_add_test(tests, state_is_that_of_the_last_commit);
    tcase_set_timeout(tests, 240);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("job_crash", add);
}
