/* A producer and a consumer on a log that is not the engine: they need the table of operations and no more.
 * It answers late, with errors, or not until it is told to; what it gave is theirs until they let go. */
#include <stdio.h>
#include <string.h>

#include "base/env/sim/sim.h"
#include "tests/support/support.h"
#include "tests/unit/client/memory_log.h"
#include "weir/listen.h"
#include "weir/log.h"

static struct weir_sim *sim;
static struct weir_env *env;
static struct weir_log *weirlog;
static struct weir_error error;

static void set_up(void)
{
    sim = weir_sim_new(&(struct weir_sim_options){.seed = 3});
    env = weir_sim_node(sim, 0);
    weirlog = memory_log_open(env, "data");
    ck_ok(weir_topic_create(weirlog, "t", 2, NULL, 0, &error), &error);
}

/* Whatever was fetched has been let go: the simulator counts what a node holds. */
static void tear_down(void)
{
    ck_ok(weir_close(weirlog, &error), &error);
    ck_assert_uint_eq(env->budget->used, 0);
    weir_sim_free(sim);
}

static void fail_with(enum memory_kind kind, int rc, int times)
{
    memory_log_faults(weirlog)->rc[kind] = rc;
    memory_log_faults(weirlog)->left[kind] = times;
}

static void produce(int32_t partition, int from, int count)
{
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT};
    struct weir_producer *producer = weir_producer_new(weirlog, &options, &error);
    ck_assert_msg(producer != NULL, "%s", error.text);
    for (int i = from; i < from + count; i++) {
        char value[16];
        (void)snprintf(value, sizeof value, "%d", i);
        const struct weir_record record = {.value = weir_text(value), .timestamp_ms = i};
        ck_ok(weir_producer_send(producer, "t", partition, &record, NULL, &error), &error);
    }
    ck_ok(weir_producer_close(producer, &error), &error);
}

static struct weir_consumer *consumer_of(int32_t partition)
{
    struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT, .group = "g"};
    struct weir_consumer *consumer = weir_consumer_new(weirlog, &options, &error);
    ck_assert_msg(consumer != NULL, "%s", error.text);
    ck_ok(weir_consumer_assign(consumer, "t", partition, WEIR_POSITION_BEGINNING, &error), &error);
    return consumer;
}

/* The next poll gives the records `from` to `from + count - 1`, whose values are their numbers. */
static void expect_records(const struct weir_batch_view *view, int from, int count)
{
    ck_assert_uint_eq(view->record_count, (size_t)count);
    for (int i = 0; i < count; i++) {
        char value[16];
        (void)snprintf(value, sizeof value, "%d", from + i);
        ck_assert_int_eq(view->records[i].offset, from + i);
        ck_assert(weir_slice_equal(view->records[i].value, weir_text(value)));
    }
}

static void expect_poll(struct weir_consumer *consumer, int64_t timeout_ms, int from, int count)
{
    struct weir_batch_view view;
    ck_ok(weir_consumer_poll(consumer, timeout_ms, &view, &error), &error);
    expect_records(&view, from, count);
}

static void close_consumer(struct weir_consumer *consumer)
{
    ck_ok(weir_consumer_close(consumer, &error), &error);
}

/* What was sent comes back, from where a group has committed. */
START_TEST(what_was_sent_is_read_from_where_it_was_committed)
{
    produce(0, 0, 5);
    struct weir_consumer *consumer = consumer_of(0);
    expect_poll(consumer, 0, 0, 5);
    ck_ok(weir_consumer_commit(consumer, &error), &error);
    close_consumer(consumer);
    int64_t offset = -1;
    ck_ok(weir_committed(weirlog, "g", "t", 0, &offset, &error), &error);
    ck_assert_int_eq(offset, 5);
    produce(0, 5, 2);
    struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT, .group = "g"};
    consumer = weir_consumer_new(weirlog, &options, &error);
    ck_ok(weir_consumer_assign(consumer, "t", 0, WEIR_POSITION_COMMITTED, &error), &error);
    expect_poll(consumer, 0, 5, 2);
    close_consumer(consumer);
}
END_TEST

/* A shortage is sent again until it passes, and the records are there once. */
START_TEST(a_producer_waits_out_a_shortage)
{
    fail_with(MEMORY_PRODUCE, WEIR_NO_SPACE, 3);
    produce(0, 0, 4);
    ck_assert_int_eq(memory_log_answered(weirlog, MEMORY_PRODUCE), 4);
    struct weir_consumer *consumer = consumer_of(0);
    expect_poll(consumer, 0, 0, 4);
    close_consumer(consumer);
}
END_TEST

/* An error of a fetch is the poll's, once, with its code and the partition; the next one goes on. */
START_TEST(an_error_is_reported_once)
{
    struct weir_batch_view view;
    produce(0, 0, 1);
    struct weir_consumer *consumer = consumer_of(0);
    fail_with(MEMORY_FETCH, WEIR_OFFLINE, 1);
    ck_assert_int_eq(weir_consumer_poll(consumer, 0, &view, &error), WEIR_OFFLINE);
    ck_assert_ptr_nonnull(strstr(error.text, "fetch from topic 't' partition 0"));
    expect_poll(consumer, 0, 0, 1);
    close_consumer(consumer);
}
END_TEST

static void let_go(struct weir_message *message)
{
    (void)message;
    memory_log_let_go(weirlog);
}

static int rest(void *impl)
{
    (void)impl;
    return 0;
}

/* A poll whose deadline passes before the answer comes has nothing, and the answer is the next one's. */
START_TEST(a_late_answer_is_for_the_next_poll)
{
    struct weir_batch_view view;
    produce(0, 0, 3);
    struct weir_consumer *consumer = consumer_of(0);
    memory_log_faults(weirlog)->is_held = true;
    ck_assert_int_eq(weir_consumer_poll(consumer, 20, &view, &error), WEIR_END);
    ck_assert_int_eq(memory_log_waiting(weirlog), 1);
    struct weir_actor *other = NULL;
    const struct weir_actor_options options = {.name = "other", .run_once = rest};
    ck_ok(weir_actor_start(env, &options, &other, &error), &error);
    struct weir_message message = {.handle = let_go};
    weir_actor_post(other, &message);
    expect_poll(consumer, 1000, 0, 3);
    close_consumer(consumer);
    weir_actor_stop(other);
}
END_TEST

/* A fetch that waits is called back when its partition is no longer wanted: answered, and given nothing. */
START_TEST(a_waiting_fetch_is_called_back)
{
    struct weir_batch_view view;
    struct weir_consumer *consumer = consumer_of(0);
    ck_assert_int_eq(weir_consumer_poll(consumer, 20, &view, &error), WEIR_END);
    ck_assert_int_eq(memory_log_waiting(weirlog), 1);
    ck_ok(weir_consumer_seek(consumer, "t", 0, 0, &error), &error);
    ck_assert_int_eq(memory_log_waiting(weirlog), 0);
    produce(0, 0, 1);
    expect_poll(consumer, 0, 0, 1);
    ck_assert_int_eq(weir_consumer_poll(consumer, 20, &view, &error), WEIR_END);
    close_consumer(consumer);
    ck_assert_int_eq(memory_log_waiting(weirlog), 0);
}
END_TEST

/* An answer with batches that nobody has looked at goes with the consumer, and so do its references. */
START_TEST(an_answer_that_nobody_wants_is_let_go)
{
    struct weir_batch_view view;
    produce(0, 0, 3);
    struct weir_consumer *consumer = consumer_of(0);
    expect_poll(consumer, 1000, 0, 3);
    ck_assert_int_eq(weir_consumer_poll(consumer, 20, &view, &error), WEIR_END);
    produce(0, 3, 3); /* wakes the fetch that waits; nobody polls */
    close_consumer(consumer);
}
END_TEST

/* What a poll gave stays as it was until the next one, whatever becomes of its topic meanwhile. */
START_TEST(records_outlive_their_topic_until_the_next_poll)
{
    struct weir_batch_view view;
    produce(0, 0, 100);
    struct weir_consumer *consumer = consumer_of(0);
    ck_ok(weir_consumer_poll(consumer, 0, &view, &error), &error);
    ck_ok(weir_topic_delete(weirlog, "t", &error), &error);
    ck_ok(weir_topic_create(weirlog, "t", 2, NULL, 0, &error), &error);
    produce(0, 1000, 100);
    expect_records(&view, 0, 100);
    close_consumer(consumer);
}
END_TEST

/* What the log in this process alone can do is refused, not tried. */
START_TEST(a_log_without_an_engine_has_no_port)
{
    ck_assert_int_eq(weir_listen(weirlog, NULL, &error), WEIR_UNSUPPORTED);
    ck_assert_ptr_null(weir_listen_address(weirlog));
    ck_assert_int_eq(weir_unlisten(weirlog, &error), WEIR_UNSUPPORTED);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("log_ops");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_was_sent_is_read_from_where_it_was_committed);
    tcase_add_test(tests, a_producer_waits_out_a_shortage);
    tcase_add_test(tests, an_error_is_reported_once);
    tcase_add_test(tests, a_late_answer_is_for_the_next_poll);
    tcase_add_test(tests, a_waiting_fetch_is_called_back);
    tcase_add_test(tests, an_answer_that_nobody_wants_is_let_go);
    tcase_add_test(tests, records_outlive_their_topic_until_the_next_poll);
    tcase_add_test(tests, a_log_without_an_engine_has_no_port);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log_ops", add);
}
