#include "runtime/test_driver/test_driver.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/options.h"
#include "base/saturate.h"
#include "client/client_internal.h"
#include "runtime/state/sim/backend_model.h"

enum {
    TEST_MAGIC = 0x74657374,
    COMMIT_INTERVAL_MS = 100,
    REST_NS = 10 * 1000000, /* longer than any message or work of the simulator travels */
    LIMIT_NS_SECONDS = 600, /* of virtual time: a job that is busy for longer hangs */
    DEFAULT_SEED = 1,
};
static const int64_t default_wall_ms = 1704067200000; /* 2024-01-01 */

int weir_test_keep(struct weir_test *test, int rc, const struct weir_error *error)
{
    if (rc >= 0 || test->rc < 0) return rc;
    test->rc = rc;
    if (error != NULL && error->code == (enum weir_code)rc) {
        test->error = *error;
    } else {
        (void)weir_error_set(&test->error, (enum weir_code)rc, "%s", weir_code_text(rc));
    }
    return rc;
}

int weir_test_check(struct weir_test *test)
{
    if (test == NULL) return WEIR_INVALID_ARGUMENT;
    weir_assert(test->magic == TEST_MAGIC);
    if (test->rc < 0) return test->rc;
    if (test->streams == NULL) return weir_test_keep(test, WEIR_CLOSED, NULL);
    struct weir_error error = {0};
    int rc = weir_streams_error(test->streams, &error);
    return weir_test_keep(test, rc, &error);
}

/* ---- running until nothing is left ----------------------------------------------------------- */

static bool is_at_rest(void *context)
{
    const struct weir_test *test = context;
    enum weir_streams_state state = weir_streams_state(test->streams);
    return state == WEIR_STREAMS_ERROR || weir_streams_is_idle(test->streams);
}

static int64_t work_done(struct weir_test *test)
{
    struct weir_streams_metrics metrics;
    weir_streams_metrics(test->streams, &metrics);
    return metrics.records_in + metrics.records_out + metrics.records_failed +
           metrics.records_ahead;
}

/* A message on its way shows nowhere: after rest has set in, give it time to arrive. */
static int run_until_rest(struct weir_test *test)
{
    const int64_t limit_ns = (int64_t)LIMIT_NS_SECONDS * 1000000000;
    for (;;) {
        (void)weir_sim_run(test->sim, is_at_rest, test, limit_ns);
        int rc = weir_test_check(test);
        if (rc < 0) return rc;
        if (!is_at_rest(test)) {
            struct weir_error error;
            rc = weir_error_set(&error, WEIR_TIMED_OUT, "the job does not come to rest");
            return weir_test_keep(test, rc, &error);
        }
        int64_t before = work_done(test);
        (void)weir_sim_run(test->sim, NULL, NULL, REST_NS);
        if (is_at_rest(test) && work_done(test) == before) return weir_test_check(test);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

static int make_topic(struct weir_test *test, const char *topic, struct weir_error *error)
{
    const struct weir_config configs[] = {
        {"retention.ms", "-1"}, /* event times of a test may be old, or far ahead */
        {"message.timestamp.after.max.ms", "9223372036854775807"},
    };
    int rc = weir_topic_create(test->log, topic, test->partition_count, configs, 2, error);
    return rc == WEIR_EXISTS ? 0 : rc;
}

static int make_topics(struct weir_test *test, struct weir_error *error)
{
    for (size_t i = 0; i < test->topology->topic_count; i++) {
        const struct weir_plan_topic *topic = &test->topology->topics[i];
        if (topic->is_repartition) continue;
        int rc = make_topic(test, topic->name, error);
        if (rc < 0) return rc;
    }
    const char *letters = test->options.dead_letter_topic;
    const char *late = test->options.late_topic;
    int rc = letters != NULL ? make_topic(test, letters, error) : 0;
    return rc >= 0 && late != NULL ? make_topic(test, late, error) : rc;
}

static bool has_started(void *context)
{
    enum weir_streams_state state = weir_streams_state(context);
    return state == WEIR_STREAMS_RUNNING || state == WEIR_STREAMS_ERROR;
}

static int start_job(struct weir_test *test, struct weir_error *error)
{
    const struct weir_streams_hooks hooks = {
        .backend = &weir_backend_model,
        .commit = &weir_commit_transaction,
        .is_manual = true,
        .wall_ms = test->wall_ms,
    };
    int rc = weir_streams_start_begin(test->log, test->topology, &test->options, &hooks,
                                      &test->streams, error);
    if (rc < 0) return rc;
    (void)weir_sim_run(test->sim, has_started, test->streams, INT64_MAX);
    return weir_streams_error(test->streams, error);
}

/* The node's log, its topics and the job, from whatever is on its disk. */
static int open_node(struct weir_test *test, struct weir_error *error)
{
    struct weir_log_options log = {WEIR_LOG_OPTIONS_INIT};
    struct weir_producer_options producer = {WEIR_PRODUCER_OPTIONS_INIT};
    test->env = weir_sim_node(test->sim, 0);
    int64_t ahead_ms = test->wall_ms - weir_wall_now(test->env).ms;
    if (ahead_ms != 0) weir_sim_jump_wall(test->sim, 0, ahead_ms);
    int rc = weir_log_open_in(test->env, "data", &log, &test->log, error);
    if (rc >= 0) rc = make_topics(test, error);
    if (rc >= 0) {
        test->producer = weir_producer_new(test->log, &producer, error);
        if (test->producer == NULL) rc = WEIR_NO_MEMORY;
    }
    if (rc >= 0) rc = start_job(test, error);
    return rc < 0 ? rc : run_until_rest(test);
}

static bool has_finished(void *context)
{
    return weir_streams_is_finished(context);
}

static int close_node(struct weir_test *test, struct weir_error *error)
{
    int rc = 0;
    if (test->streams != NULL) {
        weir_streams_close_begin(test->streams);
        (void)weir_sim_run(test->sim, has_finished, test->streams, INT64_MAX);
        rc = weir_streams_error(test->streams, error);
        weir_streams_free(test->streams);
        test->streams = NULL;
    }
    if (test->producer != NULL) {
        int closed = weir_producer_close(test->producer, rc < 0 ? NULL : error);
        if (rc >= 0) rc = closed;
        test->producer = NULL;
    }
    if (test->log != NULL) {
        int closed = weir_close(test->log, rc < 0 ? NULL : error);
        if (rc >= 0) rc = closed;
        test->log = NULL;
    }
    return rc;
}

static int copy_options(struct weir_test *test, const struct weir_test_options *options,
                        struct weir_error *error)
{
    struct weir_test_options given;
    int rc = weir_options_take(&given, sizeof given, options, "WEIR_TEST_OPTIONS_INIT", error);
    if (rc >= 0) {
        rc = weir_options_take(&test->options, sizeof test->options, given.streams,
                               "WEIR_STREAMS_OPTIONS_INIT", error);
    }
    if (rc < 0) return weir_error_wrap(error, rc, "weir_test_new");
    if (test->options.application_id == NULL) test->options.application_id = "test";
    if (test->options.commit_interval_ms == 0) {
        test->options.commit_interval_ms = COMMIT_INTERVAL_MS;
    }
    /* Nothing is committed before the test says so, and what is repartitioned is to come through all the same. */
    test->options.repartition_isolation_level = WEIR_REPARTITION_READ_UNCOMMITTED;
    test->partition_count = given.partition_count > 0 ? given.partition_count : 1;
    test->wall_ms = given.wall_ms != 0 ? given.wall_ms : default_wall_ms;
    test->commit_due_ms = weir_saturating_add(test->wall_ms, test->options.commit_interval_ms);
    const struct weir_sim_options sim = {
        .seed = given.seed != 0 ? given.seed : DEFAULT_SEED,
        .time_limit_ns = INT64_MAX,
    };
    test->sim = weir_sim_new(&sim);
    if (test->sim == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a test");
    return 0;
}

struct weir_test *weir_test_new(const struct weir_topology *topology,
                                const struct weir_test_options *options, struct weir_error *error)
{
    weir_error_clear(error);
    if (topology == NULL) {
        (void)weir_error_set(error, WEIR_INVALID_ARGUMENT,
                             "weir_test_new: the topology is NULL: weir_build gives one");
        return NULL;
    }
    struct weir_test *test = calloc(1, sizeof *test); /* outlives the node and its memory */
    if (test == NULL) {
        (void)weir_error_set(error, WEIR_NO_MEMORY, "no memory for a test");
        return NULL;
    }
    test->magic = TEST_MAGIC;
    test->topology = topology;
    weir_heap_init(&test->heap, false);
    weir_budget_init(&test->budget, "test", &test->heap, NULL, 0);
    weir_arena_init(&test->view, &test->budget, 4096);
    struct weir_error why = {0};
    int rc = copy_options(test, options, &why);
    if (rc >= 0) rc = open_node(test, &why);
    if (rc >= 0) return test;
    if (test->rc < 0) why = test->error;
    weir_test_free(test);
    if (error != NULL) *error = why;
    return NULL;
}

void weir_test_free(struct weir_test *test)
{
    if (test == NULL) return;
    weir_assert(test->magic == TEST_MAGIC);
    (void)close_node(test, NULL); /* what failed is in weir_test_error; this is the end */
    weir_sim_free(test->sim);
    while (test->readers != NULL) {
        struct weir_test_reader *next = test->readers->next;
        weir_free(test->readers->topic);
        weir_free(test->readers->positions);
        weir_free(test->readers);
        test->readers = next;
    }
    weir_arena_close(&test->view);
    test->magic = 0;
    free(test);
}

int weir_test_error(const struct weir_test *test, struct weir_error *error_out)
{
    weir_error_clear(error_out);
    if (test == NULL) {
        return weir_error_set(error_out, WEIR_INVALID_ARGUMENT,
                              "weir_test_error: the test is NULL");
    }
    if (test->rc < 0 && error_out != NULL) *error_out = test->error;
    return test->rc;
}

int weir_test_restart(struct weir_test *test)
{
    int rc = weir_test_check(test);
    if (rc < 0) return rc;
    struct weir_error error = {0};
    rc = close_node(test, &error);
    if (rc >= 0) rc = open_node(test, &error);
    return weir_test_keep(test, rc, &error);
}

int weir_test_crash(struct weir_test *test, bool power_loss)
{
    int rc = weir_test_check(test);
    if (rc < 0) return rc;
    weir_sim_crash(test->sim, 0, power_loss ? WEIR_SIM_POWER : WEIR_SIM_KILL);
    test->streams = NULL; /* all of them were in the node's memory */
    test->producer = NULL;
    test->log = NULL;
    struct weir_error error = {0};
    rc = open_node(test, &error);
    return weir_test_keep(test, rc, &error);
}

/* ---- running --------------------------------------------------------------------------------- */

int weir_test_run(struct weir_test *test)
{
    int rc = weir_test_check(test);
    if (rc < 0) return rc;
    /* What was produced in the meantime has to be here before anything of it is chosen. */
    if (test->streams->drive.is_paused) {
        rc = run_until_rest(test);
        if (rc < 0) return rc;
        weir_streams_pause(test->streams, false);
    }
    return run_until_rest(test);
}

struct commit_wait {
    struct weir_test *test;
    int64_t round;
};

static bool is_committed(void *context)
{
    const struct commit_wait *wait = context;
    const struct weir_streams *streams = wait->test->streams;
    return weir_streams_state(streams) == WEIR_STREAMS_ERROR ||
           weir_streams_commit_round(streams) > wait->round;
}

static int commit_once(struct weir_test *test)
{
    struct commit_wait wait = {test, weir_streams_commit_round(test->streams)};
    weir_streams_commit_begin(test->streams);
    (void)weir_sim_run(test->sim, is_committed, &wait, INT64_MAX);
    return run_until_rest(test);
}

int weir_test_commit(struct weir_test *test)
{
    int rc = weir_test_run(test);
    if (rc < 0) return rc;
    rc = commit_once(test);
    /* What caches forward through a repartition topic is processed after it: one step at a time. */
    for (size_t i = 0; i < test->topology->subtopology_count; i++) {
        if (rc < 0 || !weir_streams_is_dirty(test->streams)) break;
        rc = commit_once(test);
    }
    test->commit_due_ms = test->wall_ms + test->options.commit_interval_ms;
    return rc;
}

/* To the next thing that is due, at most to `end_ms`. */
static int advance_step(struct weir_test *test, int64_t end_ms)
{
    int64_t next_ms = end_ms;
    int64_t timer_ms = weir_streams_next_timer(test->streams);
    bool is_dirty = weir_streams_is_dirty(test->streams);
    if (timer_ms < next_ms) next_ms = timer_ms;
    if (is_dirty && test->commit_due_ms < next_ms) next_ms = test->commit_due_ms;
    if (next_ms > test->wall_ms) {
        weir_sim_advance_ms(test->sim, next_ms - test->wall_ms);
        test->wall_ms = next_ms;
    }
    weir_streams_set_wall(test->streams, test->wall_ms);
    int rc = run_until_rest(test);
    if (rc >= 0 && test->wall_ms >= test->commit_due_ms) rc = weir_test_commit(test);
    return rc;
}

int weir_test_advance_ms(struct weir_test *test, int64_t ms)
{
    int rc = weir_test_run(test);
    if (rc < 0) return rc;
    int64_t end_ms = test->wall_ms + (ms > 0 ? ms : 0);
    while (rc >= 0 && test->wall_ms < end_ms) {
        rc = advance_step(test, end_ms);
    }
    return rc;
}

void weir_test_metrics(struct weir_test *test, struct weir_streams_metrics *metrics_out)
{
    if (metrics_out == NULL) return;
    *metrics_out = (struct weir_streams_metrics){0};
    if (test != NULL && test->streams != NULL) weir_streams_metrics(test->streams, metrics_out);
}
