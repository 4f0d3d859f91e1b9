/**
 * Which threads commit together, and that those which do not hold up none: a function of the user's that stands still on
 * one thread, by a latch that the test holds, and another thread's commit, which is waited for before the latch is opened.
 * On libuv, where threads are threads.
 */
#include <pthread.h>

#include "base/hash.h"
#include "runtime/job/commit_groups.h"
#include "tests/unit/client/memory_log.h"
#include "tests/unit/runtime/task/stage.h"

/* ---- who is linked with whom ----------------------------------------------------------------- */

static struct plan plan;
static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_arena arena;

static void open_arena(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "groups", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
}

static void close_arena(void)
{
    weir_arena_close(&arena);
}

/* As digits, by thread. */
static const char *groups(const struct weir_topology *topology, const int32_t *task_counts,
                          size_t threads, bool reads_uncommitted)
{
    static char text[32];
    struct weir_commit_groups found;
    ck_assert_int_eq(
        weir_commit_groups_find(topology, task_counts, threads, reads_uncommitted, &arena, &found),
        0);
    for (size_t i = 0; i < threads; i++) {
        ck_assert_uint_lt(found.of_thread[i], found.count);
        text[i] = (char)('0' + (int)found.of_thread[i]);
    }
    text[threads] = '\0';
    return text;
}

START_TEST(without_a_repartition_topic_each_thread_is_a_group)
{
    const struct weir_topology *topology = plan_filter(&plan);
    ck_assert_str_eq(groups(topology, (int32_t[]){4}, 1, true), "0");
    ck_assert_str_eq(groups(topology, (int32_t[]){4}, 4, true), "0123");
    ck_assert_str_eq(groups(topology, (int32_t[]){4}, 4, false), "0123");
}
END_TEST

START_TEST(who_writes_a_topic_and_who_reads_it_uncommitted_are_one_group)
{
    const struct weir_topology *topology = plan_repartition(&plan, WEIR_STORE_ROCKSDB);
    ck_assert_str_eq(groups(topology, (int32_t[]){1, 1}, 2, true), "00");
    ck_assert_str_eq(groups(topology, (int32_t[]){1, 3}, 4, true), "0000");
    ck_assert_str_eq(groups(topology, (int32_t[]){1, 3}, 4, false), "0123");
}
END_TEST

/* Two pairs of tasks, each with a topic between them, and one alone. */
START_TEST(threads_of_different_topics_are_not_linked)
{
    plan = (struct plan){0};
    for (int32_t i = 0; i < 2; i++) {
        static const char *const ins[] = {"a", "b"};
        static const char *const agains[] = {"a-repartition", "b-repartition"};
        int32_t in = plan_topic(&plan, ins[i], false);
        int32_t again = plan_topic(&plan, agains[i], true);
        int32_t from = plan_node(&plan, i, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
        plan_node(&plan, i, WEIR_PLAN_SINK, &stage_sink, from, again, NULL);
        plan_node(&plan, 2 + i, WEIR_PLAN_SOURCE, &stage_source, -1, again, NULL);
    }
    const struct weir_topology *topology = plan_done(&plan);
    ck_assert_str_eq(groups(topology, (int32_t[]){1, 1, 1, 1}, 4, true), "0101");
    /* One thread that has tasks of both links all. */
    ck_assert_str_eq(groups(topology, (int32_t[]){1, 1, 1, 1}, 3, true), "000");
    ck_assert_str_eq(groups(topology, (int32_t[]){1, 1, 1, 1}, 3, false), "012");
}
END_TEST

/* ---- a function that stands still ------------------------------------------------------------ */

static struct stage stage;
static char text[1024];

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t opened;
    bool is_open;
    _Atomic bool is_inside;
} latch = {.mutex = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};

static void stand_still(void)
{
    pthread_mutex_lock(&latch.mutex);
    atomic_store(&latch.is_inside, true);
    weir_signal(stage.env);
    while (!latch.is_open) {
        pthread_cond_wait(&latch.opened, &latch.mutex);
    }
    pthread_mutex_unlock(&latch.mutex);
}

static void open_latch(void)
{
    pthread_mutex_lock(&latch.mutex);
    latch.is_open = true;
    pthread_cond_broadcast(&latch.opened);
    pthread_mutex_unlock(&latch.mutex);
}

static int stop_at_latch(struct weir_node *node, const struct weir_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct weir_slice value = batch->value_bytes[weir_batch_row(batch, i)];
        if (value.size > 0 && value.data[0] == '!') stand_still();
    }
    return weir_node_forward(node, batch);
}

static const struct weir_operator_ops latch_ops = {.name = "latch", .process = stop_at_latch};

static const struct weir_topology *plan_latch(void)
{
    plan = (struct plan){0};
    int32_t in = plan_topic(&plan, "in", false);
    int32_t out = plan_topic(&plan, "out", false);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    int32_t node = plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &latch_ops, source, -1, NULL);
    plan_node(&plan, 0, WEIR_PLAN_SINK, &stage_sink, node, out, NULL);
    return plan_done(&plan);
}

static bool is_inside(void *context)
{
    (void)context;
    return atomic_load(&latch.is_inside);
}

static void open_stage(void)
{
    latch.is_open = false;
    atomic_store(&latch.is_inside, false);
    stage_open_real(&stage);
    stage_topic(&stage, "in", 2);
    stage_topic(&stage, "out", 1);
}

static void close_stage(void)
{
    stage_close(&stage);
}

/* Thread 0 stands inside its function. */
static void stop_thread_0(void)
{
    stage_produce(&stage, "in", 0, "a", "!", 1000);
    ck_assert_int_eq(weir_wait(stage.env, is_inside, NULL, WEIR_MONO_NEVER), 0);
    ck_assert_int_eq(weir_counter_get(&stage.streams->commits), 0);
}

/* Others see a commit a little after the job does: asked until all of it is there. */
static void await_committed(int32_t partition, int64_t offset, int64_t records)
{
    while (stage_committed(&stage, "in", partition) < offset ||
           stage_count_records(&stage, "out", 0) < records) {
    }
}

START_TEST(a_function_that_stands_still_holds_up_no_other_thread)
{
    stage_start(&stage, plan_latch(), STAGE_OPTIONS(.num_stream_threads = 2));
    stop_thread_0();
    for (int64_t i = 1; i <= 3; i++) {
        stage_produce(&stage, "in", 1, "b", "1", 1000 + i);
        await_committed(1, i, i);
    }
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 0);
    ck_assert_str_eq(stage_read(&stage, "out", 0, text, sizeof text),
                     "b=1@1001 b=1@1002 b=1@1003 ");
    open_latch();
    stage_drain(&stage);
    ck_assert_str_eq(stage_read(&stage, "out", 0, text, sizeof text),
                     "b=1@1001 b=1@1002 b=1@1003 a=!@1000 ");
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 1);
}
END_TEST

/* The same with a hop in between, where each thread reads committed what it has repartitioned; of the other's partition, too.
 * Where it is read uncommitted the other one would wait for ever. */
START_TEST(a_function_that_stands_still_holds_up_no_hop)
{
    plan = (struct plan){0};
    int32_t in = plan_topic(&plan, "in", false);
    int32_t again = plan_topic(&plan, "again-repartition", true);
    int32_t out = plan_topic(&plan, "out", false);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    int32_t node = plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &latch_ops, source, -1, NULL);
    plan_node(&plan, 0, WEIR_PLAN_SINK, &stage_sink, node, again, NULL);
    source = plan_node(&plan, 1, WEIR_PLAN_SOURCE, &stage_source, -1, again, NULL);
    plan_node(&plan, 1, WEIR_PLAN_SINK, &stage_sink, source, out, NULL);
    stage_start(&stage, plan_done(&plan),
                STAGE_OPTIONS(.num_stream_threads = 2,
                              .repartition_isolation_level = WEIR_REPARTITION_READ_COMMITTED));
    stop_thread_0();
    /* Keys of which the hop goes to a partition whose reader does not stand still. */
    int64_t sent = 0;
    for (char key = 'a'; sent < 3; key++) {
        const char text_of[2] = {key, '\0'};
        if (weir_partition_of_key(weir_text(text_of), 2) == 0) continue;
        stage_produce(&stage, "in", 1, text_of, "1", 1000);
        sent++;
        await_committed(1, sent, sent);
    }
    ck_assert_int_eq(stage_committed(&stage, "in", 0), 0);
    open_latch();
    stage_drain(&stage);
    ck_assert_int_eq(stage_count_records(&stage, "out", 0), 4);
}
END_TEST

/* What the writers have committed last is said, too: an end that is too low would let a program that has given the topic up
 * pass over what nobody has processed. */
START_TEST(a_job_that_is_closed_says_how_far_its_writers_are)
{
    stage_open(&stage, 29);
    stage_topic(&stage, "in", 2);
    stage_topic(&stage, "counts", 2);
    stage_start(&stage, plan_repartition(&plan, WEIR_STORE_ROCKSDB),
                STAGE_OPTIONS(.num_stream_threads = 2, .commit_interval_ms = 3600000,
                              .repartition_isolation_level = WEIR_REPARTITION_READ_COMMITTED));
    for (char key = 'a'; key <= 'h'; key++) {
        const char text_of[2] = {key, '\0'};
        stage_produce(&stage, "in", 0, text_of, "1", 1000);
    }
    weir_sim_advance_ms(stage.sim, 1000);
    stage_stop(&stage);
    int64_t left = 0;
    for (int32_t p = 0; p < 2; p++) {
        left += stage_count_records(&stage, "app-again-repartition", p);
    }
    ck_assert_int_eq(left, 8);
    struct weir_error why = {0};
    stage_start_refused(&stage, plan_count(&plan, WEIR_STORE_ROCKSDB), STAGE_OPTIONS(0),
                        WEIR_MISMATCH, "has 8 records that are not processed", &why);
    stage_close(&stage);
}
END_TEST

/* ---- its time --------------------------------------------------------------------------------- */

/* However long a commit does not come: a job that lives loses no transaction. One that is not renewed the log aborts, as
 * the next test has it. */
START_TEST(a_transaction_stays_open_as_long_as_its_job_lives)
{
    stage_open(&stage, 31);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    stage_start(&stage, plan_filter(&plan),
                STAGE_OPTIONS(.num_stream_threads = 1, .commit_interval_ms = 3600000,
                              .transaction_timeout_ms = 1000));
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    weir_sim_advance_ms(stage.sim, 600000);
    const struct weir_commit_group *group = &stage.streams->commit.groups[0];
    ck_assert_int_eq(group->transaction, WEIR_TRANSACTION_OPEN);
    ck_assert_int_eq(stage_count_records(&stage, "out", 0), 0);
    weir_streams_commit_begin(stage.streams);
    stage_drain(&stage);
    ck_assert_str_eq(stage_read(&stage, "out", 0, text, sizeof text), "a=1@1000 ");
    stage_close(&stage);
}
END_TEST

/* Nor where a commit that is due waits for what is to be sealed: the alarm for it is not the last one of the job. */
START_TEST(a_transaction_is_renewed_while_a_commit_waits)
{
    stage_open_memory(&stage, 33);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    struct memory_log_faults *faults = memory_log_faults(stage.log);
    stage_start(&stage, plan_filter(&plan),
                STAGE_OPTIONS(.num_stream_threads = 1, .commit_interval_ms = 5000,
                              .transaction_timeout_ms = 10000));
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    faults->rc[MEMORY_PRODUCE] = WEIR_NO_SPACE;
    faults->left[MEMORY_PRODUCE] = INT32_MAX;
    const struct weir_commit_group *group = &stage.streams->commit.groups[0];
    while (group->state.phase != WEIR_COMMIT_SEALING) {
        ck_assert(weir_sim_step(stage.sim));
    }
    ck_assert_int_eq(group->transaction, WEIR_TRANSACTION_OPEN);
    int before = memory_log_answered(stage.log, MEMORY_ADD);
    weir_sim_advance_ms(stage.sim, 60000);
    ck_assert_int_ge(memory_log_answered(stage.log, MEMORY_ADD) - before, 6);
    faults->left[MEMORY_PRODUCE] = 0;
    stage_drain(&stage);
    ck_assert_str_eq(stage_read(&stage, "out", 0, text, sizeof text), "a=1@1000 ");
    stage_stop(&stage);
    ck_ok(weir_close(stage.log, &stage.error), &stage.error);
    weir_sim_free(stage.sim);
}
END_TEST

/* What a job that was killed and does not come back has left open holds up readers for so long: another producer's record
 * behind it comes through when the time is over. */
START_TEST(what_a_killed_job_has_left_open_is_aborted_when_its_time_is_over)
{
    stage_open(&stage, 37);
    stage_topic(&stage, "in", 1);
    stage_topic(&stage, "out", 1);
    stage_start(&stage, plan_filter(&plan),
                STAGE_OPTIONS(.num_stream_threads = 1, .commit_interval_ms = 3600000,
                              .transaction_timeout_ms = 30000));
    stage_produce(&stage, "in", 0, "a", "1", 1000);
    weir_sim_advance_ms(stage.sim, 1000);
    stage_crash(&stage, WEIR_SIM_KILL);
    stage_produce(&stage, "out", 0, "b", "1", 1001);
    weir_sim_advance_ms(stage.sim, 25000);
    ck_assert_int_eq(stage_count_records(&stage, "out", 0), 0);
    weir_sim_advance_ms(stage.sim, 30000); /* and the interval in which the log looks */
    ck_assert_str_eq(stage_read(&stage, "out", 0, text, sizeof text), "b=1@1001 ");
    stage_close(&stage);
}
END_TEST

/* ---- a start after a life with more threads -------------------------------------------------- */

/* Three threads have one transaction each open, and the next life has one thread: what the other two have left open would
 * hold up whoever reads committed until its time is over. */
START_TEST(a_start_ends_what_all_threads_of_the_last_run_have_open)
{
    stage_open(&stage, 23);
    stage_topic(&stage, "in", 3);
    stage_topic(&stage, "out", 1);
    stage_start(&stage, plan_filter(&plan),
                STAGE_OPTIONS(.num_stream_threads = 3, .commit_interval_ms = 3600000));
    for (int32_t p = 0; p < 3; p++) {
        stage_produce(&stage, "in", p, "a", "1", 1000 + p);
    }
    weir_sim_advance_ms(stage.sim, 1000);
    ck_assert_uint_eq(stage.streams->commit.group_count, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(stage.streams->commit.groups[i].transaction, WEIR_TRANSACTION_OPEN);
    }
    stage_crash(&stage, WEIR_SIM_KILL);
    stage_start(&stage, plan_filter(&plan), STAGE_OPTIONS(.num_stream_threads = 1));
    stage_drain(&stage);
    ck_assert_int_eq(stage_count_records(&stage, "out", 0), 3);
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("commit_groups");
    tcase_add_checked_fixture(tests, open_arena, close_arena);
    tcase_add_test(tests, without_a_repartition_topic_each_thread_is_a_group);
    tcase_add_test(tests, who_writes_a_topic_and_who_reads_it_uncommitted_are_one_group);
    tcase_add_test(tests, threads_of_different_topics_are_not_linked);
    suite_add_tcase(suite, tests);
    tests = tcase_create("lives");
    tcase_add_test(tests, a_job_that_is_closed_says_how_far_its_writers_are);
    tcase_add_test(tests, a_transaction_stays_open_as_long_as_its_job_lives);
    tcase_add_test(tests, a_transaction_is_renewed_while_a_commit_waits);
    tcase_add_test(tests, what_a_killed_job_has_left_open_is_aborted_when_its_time_is_over);
    tcase_add_test(tests, a_start_ends_what_all_threads_of_the_last_run_have_open);
    suite_add_tcase(suite, tests);
    tests = tcase_create("latch");
    tcase_add_checked_fixture(tests, open_stage, close_stage);
    tcase_add_test(tests, a_function_that_stands_still_holds_up_no_other_thread);
    tcase_add_test(tests, a_function_that_stands_still_holds_up_no_hop);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("commit_groups", add);
}
