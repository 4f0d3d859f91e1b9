/* Several threads at once on one log, in the real world: for the thread sanitizer above all. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/client/stage.h"

enum { RECORDS = 20000, PRODUCERS = 2 };

static struct stage stage;

struct role {
    int number;
    pthread_t thread;
    int failures;
};

static int send_number(struct weir_producer *producer, int32_t partition, int number,
                       struct weir_error *error)
{
    char text[16];
    int size = snprintf(text, sizeof text, "%d", number);
    struct weir_record record = {.value = weir_slice(text, (size_t)size), .timestamp_ms = -1};
    return weir_producer_send(producer, "t", partition, &record, NULL, error);
}

/* Assertions of check are not for other threads: failures are counted. */
static void *produce(void *context)
{
    struct role *role = context;
    struct weir_error error;
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT};
    options.batch_size = 4096;
    options.buffer_memory = 64 << 10;
    struct weir_producer *producer = weir_producer_new(stage.log, &options, &error);
    if (producer == NULL) role->failures++;
    for (int i = 0; i < RECORDS && producer != NULL; i++) {
        if (send_number(producer, role->number, i, &error) < 0) role->failures++;
        if (i % 1000 == 0 && weir_producer_poll(producer) < 0) role->failures++;
    }
    if (weir_producer_close(producer, &error) < 0) role->failures++;
    return NULL;
}

static void *consume(void *context)
{
    struct role *role = context;
    struct weir_error error;
    struct weir_consumer *consumer = weir_consumer_new(stage.log, NULL, &error);
    int next[PRODUCERS] = {0};
    int total = 0;
    if (consumer == NULL ||
        weir_consumer_assign_topic(consumer, "t", WEIR_POSITION_BEGINNING, &error) < 0) {
        role->failures++;
        return NULL;
    }
    while (total < RECORDS * PRODUCERS) {
        struct weir_batch_view batch;
        int rc = weir_consumer_poll(consumer, 30000, &batch, &error);
        if (rc != 0) {
            role->failures++;
            break;
        }
        for (size_t i = 0; i < batch.record_count; i++) {
            if (stage_number(&batch.records[i]) != next[batch.partition]++) role->failures++;
        }
        total += (int)batch.record_count;
    }
    if (weir_consumer_close(consumer, &error) < 0) role->failures++;
    return NULL;
}

/* Two producers and a consumer, each on its thread: the consumer sees all records, in order. */
START_TEST(producers_and_a_consumer_run_at_once)
{
    stage_open(&stage, STAGE_UV, 0);
    ck_ok(weir_topic_create(stage.log, "t", PRODUCERS, NULL, 0, &stage.error), &stage.error);
    struct role roles[PRODUCERS + 1] = {0};
    for (int i = 0; i <= PRODUCERS; i++) {
        roles[i].number = i;
        ck_assert_int_eq(
            pthread_create(&roles[i].thread, NULL, i < PRODUCERS ? produce : consume, &roles[i]),
            0);
    }
    for (int i = 0; i <= PRODUCERS; i++) {
        pthread_join(roles[i].thread, NULL);
        ck_assert_int_eq(roles[i].failures, 0);
    }
    stage_close(&stage);
}
END_TEST

/* ---- one object, many threads ---------------------------------------------------------------- */

enum { CALLS = 3000, CROWD = 4 };

struct crowd {
    struct weir_producer *producer;
    struct weir_consumer *consumer;
    pthread_t threads[CROWD];
    _Atomic int sent, refused, failures;
};

static void count(struct crowd *crowd, int rc, const struct weir_error *error)
{
    if (rc >= 0) return;
    bool is_refusal = rc == WEIR_WRONG_THREAD && strstr(error->text, "another thread") != NULL;
    atomic_fetch_add(is_refusal ? &crowd->refused : &crowd->failures, 1);
}

static void *crowd_producer(void *context)
{
    struct crowd *crowd = context;
    struct weir_error error = {0};
    for (int i = 0; i < CALLS; i++) {
        int rc = send_number(crowd->producer, 0, i, &error);
        if (rc == 0) atomic_fetch_add(&crowd->sent, 1);
        count(crowd, rc, &error);
        if (i % 100 == 0) count(crowd, weir_producer_flush(crowd->producer, &error), &error);
    }
    return NULL;
}

static void *crowd_consumer(void *context)
{
    struct crowd *crowd = context;
    struct weir_error error = {0};
    struct weir_batch_view batch;
    int64_t offset;
    for (int i = 0; i < CALLS; i++) {
        count(crowd, weir_consumer_poll(crowd->consumer, 0, &batch, &error), &error);
        int rc = weir_consumer_position(crowd->consumer, "t", 0, &offset);
        if (rc < 0 && rc != WEIR_WRONG_THREAD) atomic_fetch_add(&crowd->failures, 1);
        if (i % 100 == 0) {
            rc = weir_consumer_seek(crowd->consumer, "t", 0, WEIR_POSITION_BEGINNING, &error);
            count(crowd, rc, &error);
        }
    }
    return NULL;
}

static void run_crowd(struct crowd *crowd, void *(*run)(void *context))
{
    for (int i = 0; i < CROWD; i++)
        ck_assert_int_eq(pthread_create(&crowd->threads[i], NULL, run, crowd), 0);
    for (int i = 0; i < CROWD; i++)
        pthread_join(crowd->threads[i], NULL);
    ck_assert_int_eq(atomic_load(&crowd->failures), 0);
}

/* Threads that share a producer, and then a consumer: a call gets through or is refused, what got
 * through is there once, and afterwards one thread has it for itself again. */
START_TEST(a_second_thread_on_one_object_is_refused)
{
    stage_open(&stage, STAGE_UV, 0);
    struct weir_error *error = &stage.error;
    struct crowd crowd = {.producer = stage_producer(&stage, (struct weir_producer_options){0}),
                          .consumer = stage_consumer(&stage, NULL)};
    ck_ok(weir_topic_create(stage.log, "t", 1, NULL, 0, error), error);
    run_crowd(&crowd, crowd_producer);
    ck_ok(weir_producer_flush(crowd.producer, error), error);
    int64_t start = 0;
    int64_t end = 0;
    ck_ok(weir_topic_offsets(stage.log, "t", 0, &start, &end, error), error);
    ck_assert_int_eq(end, atomic_load(&crowd.sent));
    ck_ok(weir_consumer_assign(crowd.consumer, "t", 0, WEIR_POSITION_BEGINNING, error), error);
    run_crowd(&crowd, crowd_consumer);
    ck_ok(weir_consumer_close(crowd.consumer, error), error);
    ck_ok(weir_producer_close(crowd.producer, error), error);
    stage_close(&stage);
}
END_TEST

struct held {
    struct weir_producer *producer;
    int rc;
    struct weir_error error;
};

static void *send_to_held(void *context)
{
    struct held *held = context;
    held->rc = send_number(held->producer, 0, 2, &held->error);
    return NULL;
}

/* Inside the first thread's call: a thread of its own tries to send, and is done before this is. */
static void try_from_elsewhere(void *context, const struct weir_delivery *delivery)
{
    struct held *held = context;
    pthread_t thread;
    if (delivery->offset != 0) return;
    ck_assert_int_eq(pthread_create(&thread, NULL, send_to_held, held), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(send_number(held->producer, 0, 3, NULL), 0); /* its own may */
}

START_TEST(a_call_within_a_call_is_for_the_same_thread)
{
    stage_open(&stage, STAGE_UV, 0);
    struct weir_error *error = &stage.error;
    struct held held = {0};
    held.producer =
        stage_producer(&stage, (struct weir_producer_options){.on_delivery = try_from_elsewhere,
                                                              .context = &held});
    ck_ok(weir_topic_create(stage.log, "t", 1, NULL, 0, error), error);
    ck_assert_int_eq(send_number(held.producer, 0, 1, error), 0);
    ck_ok(weir_producer_flush(held.producer, error), error);
    ck_assert_int_eq(held.rc, WEIR_WRONG_THREAD);
    ck_assert_ptr_nonnull(strstr(held.error.text, "weir_producer_send: another thread"));
    ck_ok(weir_producer_close(held.producer, error), error);
    stage_close(&stage);
}
END_TEST

/* ---- settings while partitions open ---------------------------------------------------------- */

enum { OPENING = 200 };

static void *configure(void *context)
{
    struct role *role = context;
    struct weir_error error;
    for (int i = 0; i < OPENING; i++) {
        char value[24];
        (void)snprintf(value, sizeof value, "%d", 1000000 + i);
        const struct weir_config config = {"segment.bytes", value};
        if (weir_topic_configure(stage.log, "t", &config, 1, &error) < 0) role->failures++;
    }
    return NULL;
}

/* Settings are told to every partition while it is being opened by a worker: each ends with one of
 * the sets, whole. */
START_TEST(settings_may_change_while_partitions_open)
{
    stage.options.shard_count = 2;
    stage_open(&stage, STAGE_UV, 0);
    struct weir_error *error = &stage.error;
    struct role role = {0};
    ck_ok(weir_topic_create(stage.log, "t", OPENING, NULL, 0, error), error);
    ck_assert_int_eq(pthread_create(&role.thread, NULL, configure, &role), 0);
    for (int32_t i = 0; i < OPENING; i++) {
        int64_t start, end;
        ck_ok(weir_topic_offsets(stage.log, "t", i, &start, &end, error), error);
    }
    pthread_join(role.thread, NULL);
    ck_assert_int_eq(role.failures, 0);
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("threads");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, producers_and_a_consumer_run_at_once);
    tcase_add_test(tests, a_second_thread_on_one_object_is_refused);
    tcase_add_test(tests, a_call_within_a_call_is_for_the_same_thread);
    tcase_add_test(tests, settings_may_change_while_partitions_open);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("client_threads", add);
}
