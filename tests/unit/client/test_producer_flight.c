/* The producer against an engine that answers as the test wants: order, retries, bounds. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tests/unit/client/fake_engine.h"
#include "tests/support/support.h"

enum { RECORDS_MAX = 4000 };

/* What came back, by record. */
struct seen {
    int delivered[RECORDS_MAX];
    int rc[RECORDS_MAX];
    int64_t offset[RECORDS_MAX];
    int count;
    struct weir_producer *send_again; /* from inside the delivery */
    int nested_rc;
};

static void on_delivery(void *context, const struct weir_delivery *delivery)
{
    struct seen *seen = context;
    size_t number = (size_t)(uintptr_t)delivery->record_context;
    ck_assert_uint_lt(number, RECORDS_MAX);
    ck_assert_str_eq(delivery->topic, "t");
    seen->delivered[number]++;
    seen->rc[number] = delivery->rc;
    seen->offset[number] = delivery->offset;
    seen->count++;
    if (seen->send_again != NULL) {
        struct weir_producer *producer = seen->send_again;
        seen->send_again = NULL;
        struct weir_error error;
        seen->nested_rc = weir_producer_flush(producer, &error);
        struct weir_record record = {.value = weir_text("again"), .timestamp_ms = 1};
        ck_ok(weir_producer_send(producer, "t", 0, &record, (void *)(uintptr_t)(RECORDS_MAX - 1),
                                 &error),
              &error);
    }
}

static struct weir_producer *new_producer(struct fake_engine *engine, struct seen *seen,
                                          struct weir_producer_options options)
{
    struct weir_error error;
    options.size = sizeof options;
    options.on_delivery = seen != NULL ? on_delivery : NULL;
    options.context = seen;
    struct weir_producer *producer = weir_producer_new(engine->log, &options, &error);
    ck_assert_msg(producer != NULL, "%s", error.text);
    return producer;
}

/* Record `number` of 100 bytes, its first one being the number. */
static int send_one(struct weir_producer *producer, int number, int32_t partition,
                    struct weir_error *error)
{
    uint8_t value[100] = {(uint8_t)number};
    struct weir_record record = {.value = weir_slice(value, sizeof value), .timestamp_ms = -1};
    return weir_producer_send(producer, "t", partition, &record, (void *)(uintptr_t)number, error);
}

static void send_many(struct weir_producer *producer, int from, int to, int32_t partition)
{
    struct weir_error error;
    for (int i = from; i < to; i++) {
        ck_ok(send_one(producer, i, partition, &error), &error);
    }
}

/* Everything was delivered once, well, and in order. */
static void assert_all_stored(const struct seen *seen, int from, int to)
{
    int64_t last = -1;
    for (int i = from; i < to; i++) {
        ck_assert_int_eq(seen->delivered[i], 1);
        ck_assert_int_eq(seen->rc[i], 0);
        ck_assert_int_gt(seen->offset[i], last);
        last = seen->offset[i];
    }
}

static int fail_each_third(struct fake_engine *engine, int number, int32_t partition)
{
    (void)engine;
    (void)partition;
    return number % 3 == 0 ? WEIR_NO_SPACE : 0;
}

/* Each third request fails for a while: everything is stored all the same, once, in order. */
START_TEST(retries_store_each_record_once_in_order)
{
    struct fake_engine *engine = fake_engine_new();
    struct seen *seen = calloc(1, sizeof *seen);
    struct weir_error error;
    engine->fault = fail_each_third;
    struct weir_producer *producer =
        new_producer(engine, seen, (struct weir_producer_options){.batch_size = 1024});
    send_many(producer, 0, 1000, 2);
    ck_ok(weir_producer_flush(producer, &error), &error);
    assert_all_stored(seen, 0, 1000);
    ck_assert_int_eq((int)engine->ends[2], 1000);
    ck_assert_int_gt(engine->sent, engine->batch_count); /* it did fail */
    ck_ok(weir_producer_close(producer, &error), &error);
    fake_engine_free(engine);
    free(seen);
}
END_TEST

/* The batch is stored but the answer says it is not: the retry is told apart by its sequence. */
START_TEST(lost_answers_store_nothing_twice)
{
    struct fake_engine *engine = fake_engine_new();
    struct seen *seen = calloc(1, sizeof *seen);
    struct weir_error error;
    engine->fault = fail_each_third;
    engine->fault_after = true;
    struct weir_producer *producer =
        new_producer(engine, seen, (struct weir_producer_options){.batch_size = 1024});
    send_many(producer, 0, 1000, 1);
    ck_ok(weir_producer_flush(producer, &error), &error);
    assert_all_stored(seen, 0, 1000);
    ck_assert_int_eq((int)engine->ends[1], 1000);
    ck_ok(weir_producer_close(producer, &error), &error);
    fake_engine_free(engine);
    free(seen);
}
END_TEST

static int fail_first(struct fake_engine *engine, int number, int32_t partition)
{
    (void)engine;
    (void)partition;
    return number == 1 ? WEIR_NO_SPACE : 0;
}

/* The very first batch fails for a while. A log that has never seen the producer would take the
 * second one for the first: it must not have been sent yet. */
START_TEST(nothing_overtakes_the_first_batch)
{
    struct fake_engine *engine = fake_engine_new();
    struct weir_error error;
    engine->fault = fail_first;
    struct weir_producer *producer =
        new_producer(engine, NULL, (struct weir_producer_options){.batch_size = 1024});
    send_many(producer, 0, 200, 0);
    ck_ok(weir_producer_flush(producer, &error), &error);
    ck_assert_int_eq((int)engine->ends[0], 200);
    ck_assert_int_eq(engine->batches[0].sequence, 0);
    ck_assert_int_eq(engine->batches[0].first_byte, 0);
    ck_ok(weir_producer_close(producer, &error), &error);
    fake_engine_free(engine);
}
END_TEST

static int refuse_fourth(struct fake_engine *engine, int number, int32_t partition)
{
    (void)engine;
    (void)partition;
    return number == 4 ? WEIR_INVALID_TIMESTAMP : 0;
}

/* One batch is refused for good: its records fail, flush says so once, and those behind it are
 * stored under a higher epoch from sequence 0. */
START_TEST(a_refused_batch_leaves_no_hole)
{
    struct fake_engine *engine = fake_engine_new();
    struct seen *seen = calloc(1, sizeof *seen);
    struct weir_error error;
    engine->fault = refuse_fourth;
    struct weir_producer *producer =
        new_producer(engine, seen, (struct weir_producer_options){.batch_size = 1024});
    send_many(producer, 0, 200, 3);
    ck_code(weir_producer_flush(producer, &error), WEIR_INVALID_TIMESTAMP);
    ck_assert_msg(strstr(error.text, "'t' partition 3") != NULL, "%s", error.text);
    ck_ok(weir_producer_flush(producer, &error), &error); /* reported once */
    int failed = 0;
    int64_t last = -1;
    for (int i = 0; i < 200; i++) {
        ck_assert_int_eq(seen->delivered[i], 1);
        if (seen->rc[i] < 0) {
            failed++;
            ck_assert_int_eq((int)seen->offset[i], -1);
            continue;
        }
        ck_assert_int_gt(seen->offset[i], last);
        last = seen->offset[i];
    }
    ck_assert_int_gt(failed, 0);
    ck_assert_int_lt(failed, 20); /* one batch */
    ck_assert_int_eq((int)engine->ends[3], 200 - failed);
    ck_assert_int_eq(engine->batches[engine->batch_count - 1].epoch, 1);
    ck_ok(weir_producer_close(producer, &error), &error);
    fake_engine_free(engine);
    free(seen);
}
END_TEST

static int fail_randomly(struct fake_engine *engine, int number, int32_t partition)
{
    (void)number;
    (void)partition;
    struct weir_test_random random = {(uint64_t)engine->fault_state};
    engine->fault_state = (int64_t)weir_test_random_next(&random);
    static const int codes[] = {WEIR_NO_SPACE, WEIR_NO_MEMORY, WEIR_LIMIT, WEIR_INVALID_RECORD};
    if (engine->fault_state % 4 != 0) return 0;
    return codes[(uint64_t)engine->fault_state / 7 % 4];
}

static void run_seed(uint64_t seed)
{
    struct fake_engine *engine = fake_engine_new();
    struct seen *seen = calloc(1, sizeof *seen);
    struct weir_test_random random = {seed};
    engine->fault_state = (int64_t)(seed * 77 + 1);
    engine->fault = fail_randomly;
    struct weir_producer *producer =
        new_producer(engine, seen, (struct weir_producer_options){.batch_size = 1024});
    int next = 0;
    for (int step = 0; step < 60; step++) {
        uint64_t choice = weir_test_random_below(&random, 10);
        if (choice < 6) {
            int count = (int)weir_test_random_below(&random, 60);
            for (int i = 0; i < count; i++, next++) {
                send_many(producer, next, next + 1, next % 4);
            }
        } else if (choice < 8) {
            ck_assert_int_ge(weir_producer_poll(producer), 0);
        } else if (choice < 9) {
            (void)fake_engine_run(engine);
        } else {
            (void)weir_producer_flush(producer, NULL);
        }
    }
    (void)weir_producer_close(producer, NULL);
    ck_assert_int_eq(seen->count, next);
    int64_t last[FAKE_PARTITIONS] = {-1, -1, -1, -1};
    int64_t stored[FAKE_PARTITIONS] = {0};
    for (int i = 0; i < next; i++) {
        ck_assert_int_eq(seen->delivered[i], 1);
        if (seen->rc[i] < 0) continue;
        ck_assert_msg(seen->offset[i] > last[i % 4], "seed %llu: record %d out of order",
                      (unsigned long long)seed, i);
        last[i % 4] = seen->offset[i];
        stored[i % 4]++;
    }
    for (int i = 0; i < FAKE_PARTITIONS; i++) {
        ck_assert_msg(engine->ends[i] == stored[i], "seed %llu: partition %d holds %lld, not %lld",
                      (unsigned long long)seed, i, (long long)engine->ends[i],
                      (long long)stored[i]);
    }
    fake_engine_free(engine);
    free(seen);
}

/* Random sends, polls, flushes and faults over four partitions: each record has one delivery; those
 * that were stored are in the log once, in order, and nothing else is. */
START_TEST(random_faults_keep_order_and_count)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        run_seed(seed);
    }
}
END_TEST

/* At most five unanswered, and the bytes of all of them within buffer_memory. */
START_TEST(bounds_are_kept)
{
    struct fake_engine *engine = fake_engine_new();
    struct weir_error error;
    struct weir_producer *producer = new_producer(
        engine, NULL,
        (struct weir_producer_options){.batch_size = 1024, .buffer_memory = 3 * 1024 + 100});
    send_many(producer, 0, 500, 0);
    ck_assert_uint_le(engine->bytes_in_flight_most, 3 * 1024 + 100);
    ck_ok(weir_producer_close(producer, &error), &error);

    producer = new_producer(engine, NULL, (struct weir_producer_options){.batch_size = 1024});
    send_many(producer, 0, 50, 1);
    ck_ok(weir_producer_flush(producer, &error), &error);
    engine->in_flight_most = 0;
    send_many(producer, 50, 500, 1);
    ck_ok(weir_producer_flush(producer, &error), &error);
    ck_assert_int_eq(engine->in_flight_most, 5);
    ck_ok(weir_producer_close(producer, &error), &error);
    fake_engine_free(engine);
}
END_TEST

/* Four partitions share a full buffer: their batches go on filling while answers are waited for. */
START_TEST(a_full_buffer_does_not_cut_batches_short)
{
    struct fake_engine *engine = fake_engine_new();
    struct weir_error error;
    struct weir_producer *producer =
        new_producer(engine, NULL,
                     (struct weir_producer_options){.batch_size = 1024, .buffer_memory = 8 * 1024});
    for (int i = 0; i < 2000; i++) {
        send_many(producer, i, i + 1, i % FAKE_PARTITIONS);
    }
    ck_ok(weir_producer_close(producer, &error), &error);
    ck_assert_int_le(engine->batch_count, 2000 / 8 + 2 * FAKE_PARTITIONS); /* 8 make a batch full */
    fake_engine_free(engine);
}
END_TEST

/* buffer_memory is full and the call comes from a delivery, which may not wait: WEIR_LIMIT; and a
 * flush in there is refused. What was sent in there is delivered later. */
START_TEST(a_delivery_may_send_but_not_wait)
{
    struct fake_engine *engine = fake_engine_new();
    struct seen *seen = calloc(1, sizeof *seen);
    struct weir_error error;
    struct weir_producer *producer = new_producer(engine, seen, (struct weir_producer_options){0});
    seen->send_again = producer;
    send_many(producer, 0, 3, 0);
    ck_ok(weir_producer_flush(producer, &error), &error);
    ck_code(seen->nested_rc, WEIR_WRONG_THREAD);
    ck_assert_int_eq(seen->count, 3);
    ck_ok(weir_producer_close(producer, &error), &error);
    ck_assert_int_eq(seen->count, 4);
    ck_assert_int_eq(seen->delivered[RECORDS_MAX - 1], 1);
    fake_engine_free(engine);
    free(seen);
}
END_TEST

/* Without a flush: poll sends what an idle partition has, and keeps filling where one is on its
 * way. With linger nothing is sent before its time, and then by the next call. */
START_TEST(poll_and_linger_decide_when_to_send)
{
    struct fake_engine *engine = fake_engine_new();
    struct seen *seen = calloc(1, sizeof *seen);
    struct weir_error error;
    struct weir_producer *producer = new_producer(engine, seen, (struct weir_producer_options){0});
    send_many(producer, 0, 1, 0);
    ck_assert_int_eq(engine->sent, 0);
    ck_assert_int_eq(weir_producer_poll(producer), 0);
    ck_assert_int_eq(engine->sent, 1);
    send_many(producer, 1, 3, 0);
    ck_assert_int_eq(weir_producer_poll(producer), 0);
    ck_assert_int_eq(engine->sent, 1);
    (void)fake_engine_run(engine);
    ck_assert_int_eq(weir_producer_poll(producer), 1);
    ck_assert_int_eq(engine->sent, 2);
    ck_ok(weir_producer_close(producer, &error), &error);

    producer = new_producer(engine, NULL, (struct weir_producer_options){.linger_ms = 5});
    int before = engine->sent;
    send_many(producer, 0, 10, 0);
    ck_assert_int_eq(weir_producer_poll(producer), 0);
    ck_assert_int_eq(engine->sent, before);
    engine->now_ns += 6000000;
    send_many(producer, 10, 11, 0);
    ck_assert_int_eq(engine->sent, before + 1);
    ck_ok(weir_producer_close(producer, &error), &error);
    fake_engine_free(engine);
    free(seen);
}
END_TEST

/* Full batches of a steady stream take no memory: buffers and requests go round. */
START_TEST(a_steady_stream_allocates_nothing)
{
    struct fake_engine *engine = fake_engine_new();
    struct seen *seen = calloc(1, sizeof *seen);
    struct weir_error error;
    struct weir_producer *producer =
        new_producer(engine, seen, (struct weir_producer_options){.batch_size = 4096});
    for (int round = 0; round < 20; round++) {
        if (round == 10) engine->heap.allocation_count = 0;
        seen->count = 0;
        for (int i = 0; i < 36; i++) {
            send_many(producer, i, i + 1, 0); /* 36: one batch, nearly full */
        }
        ck_ok(weir_producer_flush(producer, &error), &error);
        ck_assert_int_eq(seen->count, 36);
    }
    ck_assert_uint_eq(engine->heap.allocation_count, 0);
    ck_ok(weir_producer_close(producer, &error), &error);
    fake_engine_free(engine);
    free(seen);
}
END_TEST

/* Keys go to murmur2's partition; no key sticks to one until its batch is sealed. */
START_TEST(partitions_are_kafkas)
{
    struct fake_engine *engine = fake_engine_new();
    struct weir_error error;
    struct weir_producer *producer =
        new_producer(engine, NULL, (struct weir_producer_options){.batch_size = 1024});
    /* murmur2("21") is -973932308: & 0x7fffffff is 1173551340, mod 4 is 0. */
    struct weir_record record = {
        .key = weir_text("21"), .value = weir_text("v"), .timestamp_ms = 1};
    ck_ok(weir_producer_send(producer, "t", -1, &record, NULL, &error), &error);
    ck_ok(weir_producer_flush(producer, &error), &error);
    ck_assert_int_eq((int)engine->ends[0], 1);

    int before = engine->batch_count;
    send_many(producer, 0, 400, -1);
    ck_ok(weir_producer_flush(producer, &error), &error);
    int64_t total = engine->ends[0] + engine->ends[1] + engine->ends[2] + engine->ends[3];
    ck_assert_int_eq((int)total, 401);
    for (int i = 0; i < FAKE_PARTITIONS; i++) {
        ck_assert_int_gt(engine->ends[i], 0);
    }
    for (int i = before; i + 1 < engine->batch_count; i++) {
        if (i + FAKE_PARTITIONS >= engine->batch_count) break;
        ck_assert_int_gt(engine->batches[i].record_count, 5); /* they filled up */
    }
    ck_ok(weir_producer_close(producer, &error), &error);
    fake_engine_free(engine);
}
END_TEST

/* acks 0: nothing is promised, nothing retried, no producer id is spent. */
START_TEST(acks_none_asks_for_nothing)
{
    struct fake_engine *engine = fake_engine_new();
    struct seen *seen = calloc(1, sizeof *seen);
    struct weir_error error;
    struct weir_producer *producer =
        new_producer(engine, seen, (struct weir_producer_options){.acks = WEIR_PRODUCER_ACKS_NONE});
    send_many(producer, 0, 10, 0);
    ck_ok(weir_producer_flush(producer, &error), &error);
    ck_assert_int_eq(seen->count, 10);
    ck_assert_int_eq((int)seen->offset[0], -1);
    ck_assert_int_eq((int)engine->batches[0].producer_id, -1);
    ck_ok(weir_producer_close(producer, &error), &error);
    fake_engine_free(engine);
    free(seen);
}
END_TEST

/* Every record that can't be is refused with its reason, and the batch it would have gone into
 * stays as it was. */
START_TEST(bad_records_are_refused)
{
    struct fake_engine *engine = fake_engine_new();
    struct weir_error error;
    struct weir_producer *producer = new_producer(engine, NULL, (struct weir_producer_options){0});
    send_many(producer, 0, 1, 0);
    struct weir_record record = {.value = weir_text("v"), .timestamp_ms = 1};
    ck_code(weir_producer_send(producer, "t", 0, NULL, NULL, &error), WEIR_INVALID_ARGUMENT);
    ck_code(weir_producer_send(producer, "t", -2, &record, NULL, &error),
            WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_code(weir_producer_send(producer, "t", 4, &record, NULL, &error),
            WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_msg(strstr(error.text, "0 to 3") != NULL, "%s", error.text);
    ck_code(weir_producer_send(producer, NULL, 0, &record, NULL, &error), WEIR_INVALID_TOPIC);
    ck_code(weir_producer_send(producer, "", 0, &record, NULL, &error), WEIR_INVALID_TOPIC);
    ck_code(weir_producer_send(producer, "a/b", 0, &record, NULL, &error), WEIR_INVALID_TOPIC);
    record.value = weir_slice(NULL, 7);
    ck_code(weir_producer_send(producer, "t", 0, &record, NULL, &error), WEIR_INVALID_RECORD);
    record.value = weir_null();
    record.header_count = 1;
    ck_code(weir_producer_send(producer, "t", 0, &record, NULL, &error), WEIR_INVALID_RECORD);
    struct weir_header no_key = {0};
    record.headers = &no_key;
    ck_code(weir_producer_send(producer, "t", 0, &record, NULL, &error), WEIR_INVALID_RECORD);
    uint8_t *large = calloc(1, 2 << 20);
    record = (struct weir_record){.value = weir_slice(large, 2 << 20), .timestamp_ms = 1};
    ck_code(weir_producer_send(producer, "t", 0, &record, NULL, &error), WEIR_TOO_LARGE);
    ck_assert_msg(strstr(error.text, "max.message.bytes=1048576") != NULL, "%s", error.text);
    record.value.size = (1 << 20) - 60; /* with its batch it is over: known once it is encoded */
    ck_code(weir_producer_send(producer, "t", 1, &record, NULL, &error), WEIR_TOO_LARGE);
    record.value.size = (1 << 20) - 80; /* just fits */
    ck_ok(weir_producer_send(producer, "t", 1, &record, NULL, &error), &error);
    free(large);
    ck_ok(weir_producer_close(producer, &error), &error);
    ck_assert_int_eq((int)engine->ends[0], 1);
    ck_assert_int_eq((int)engine->ends[1], 1);
    fake_engine_free(engine);
}
END_TEST

static int try_all(struct fake_engine *engine, struct seen *seen)
{
    struct weir_error error;
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT};
    options.batch_size = 1024;
    options.compression_type = "lz4";
    options.on_delivery = on_delivery;
    options.context = seen;
    struct weir_producer *producer = weir_producer_new(engine->log, &options, &error);
    if (producer == NULL) return WEIR_NO_MEMORY;
    int accepted = 0;
    for (int i = 0; i < 100; i++) {
        if (send_one(producer, i, i % 2, &error) == 0) accepted++;
    }
    int rc = weir_producer_flush(producer, &error);
    int closed = weir_producer_close(producer, &error);
    ck_assert_int_eq(seen->count, accepted); /* also after a failure: each exactly once */
    return rc < 0 ? rc : closed;
}

/* Fail the Nth allocation, until none is left to fail: an error or none, no crash, no leak, a
 * delivery for each record that was accepted. */
START_TEST(every_allocation_may_fail)
{
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        struct fake_engine *engine = fake_engine_new();
        struct seen *seen = calloc(1, sizeof *seen);
        weir_test_failures_arm(&failures, &engine->heap);
        int rc = try_all(engine, seen);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert(was_hit || rc == 0);
        fake_engine_free(engine);
        free(seen);
    }
    ck_assert_uint_gt(failures.hits, 20);
}
END_TEST

/* The topic is made on first use, with the log's number of partitions. */
START_TEST(an_unknown_topic_is_created)
{
    struct fake_engine *engine = fake_engine_new();
    struct weir_error error;
    engine->auto_create_only = true;
    engine->log->auto_create_topics = false;
    struct weir_producer *producer = new_producer(engine, NULL, (struct weir_producer_options){0});
    ck_code(send_one(producer, 0, 0, &error), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_msg(strstr(error.text, "weir_topic_create") != NULL, "%s", error.text);
    engine->log->auto_create_topics = true;
    ck_ok(send_one(producer, 0, 3, &error), &error);
    ck_ok(weir_producer_close(producer, &error), &error);
    ck_assert_int_eq((int)engine->ends[3], 1);
    fake_engine_free(engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("flight");
    tcase_add_test(tests, retries_store_each_record_once_in_order);
    tcase_add_test(tests, lost_answers_store_nothing_twice);
    tcase_add_test(tests, nothing_overtakes_the_first_batch);
    tcase_add_test(tests, a_refused_batch_leaves_no_hole);
    tcase_add_test(tests, random_faults_keep_order_and_count);
    tcase_add_test(tests, bounds_are_kept);
    tcase_add_test(tests, a_full_buffer_does_not_cut_batches_short);
    tcase_add_test(tests, a_delivery_may_send_but_not_wait);
    tcase_add_test(tests, poll_and_linger_decide_when_to_send);
    tcase_add_test(tests, a_steady_stream_allocates_nothing);
    tcase_add_test(tests, partitions_are_kafkas);
    tcase_add_test(tests, acks_none_asks_for_nothing);
    tcase_add_test(tests, bad_records_are_refused);
    tcase_add_test(tests, every_allocation_may_fail);
    tcase_add_test(tests, an_unknown_topic_is_created);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("producer_flight", add);
}
