/* Several threads at once on one log, in the real world: for the thread sanitizer above all. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

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

static void add(Suite *suite)
{
    TCase *tests = tcase_create("threads");
    tcase_add_test(tests, producers_and_a_consumer_run_at_once);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("client_threads", add);
}
