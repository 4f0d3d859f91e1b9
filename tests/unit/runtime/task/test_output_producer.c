/* Sequences of partitions that several threads write to: in the order of sending, anew with each epoch, and without a
 * gap behind what is given up. */
#include "runtime/task/output_producer.h"

#include "tests/support/support.h"
#include "wire/record_batch.h"

enum { COUNT = 10 };

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_output_producer producer;
static struct weir_job_topic topics[1] = {{.name = "out", .partition_count = 2}};
static struct weir_log log_in_test;
static struct weir_batch_header sent; /* what the log was given last */

static void produce(void *impl, struct weir_produce_request *request)
{
    (void)impl;
    const struct weir_shared *bytes = request->batches;
    ck_assert_int_eq(weir_batch_peek(weir_slice(bytes->data, bytes->size), 0, &sent, NULL), 0);
    ck_assert_int_eq(weir_batch_check_crc(weir_slice(bytes->data, bytes->size), NULL), 0);
    ck_assert(weir_batch_is_transactional(&sent) == !weir_slice_is_null(request->transactional_id));
}

static const struct weir_log_ops ops = {.produce = produce};

/* One batch of ten records; which sequence it has been sent with. */
static int32_t send(struct weir_output_place *place)
{
    struct weir_batch_builder builder;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_slice batch;
    weir_batch_builder_init(&builder, &budget, WEIR_CODEC_NONE, 0);
    const struct weir_record record = {.key = weir_text("k"), .value = weir_text("v")};
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
    }
    finish.leaves_crc = true;
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &batch), 0);
    struct weir_shared *bytes = weir_shared_new(&budget, batch.size);
    memcpy(bytes->data, batch.data, batch.size);
    bytes->size = batch.size;
    struct weir_produce_request request = {.to = {weir_text("out"), 0}, .batches = bytes};
    weir_output_producer_send(&producer, &log_in_test, 0, COUNT, place, &request);
    weir_output_producer_answered(&producer, 0, 0);
    weir_shared_unref(bytes);
    weir_batch_builder_close(&builder);
    return sent.base_sequence;
}

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    log_in_test.ops = &ops;
    producer = (struct weir_output_producer){0};
    ck_assert_int_eq(weir_output_producer_open(&producer, &budget, "app-0", topics, 1), 0);
    weir_output_producer_begin(&producer, 7, 3);
}

static void tear_down(void)
{
    weir_output_producer_close(&producer);
    ck_assert_uint_eq(budget.used, 0);
}

START_TEST(each_epoch_begins_anew)
{
    for (int16_t epoch = 3; epoch < 6; epoch++) {
        struct weir_output_place places[2] = {0};
        if (epoch > 3) weir_output_producer_begin(&producer, 7, epoch);
        ck_assert_uint_eq(weir_output_producer_partitions(&producer, NULL), 0);
        ck_assert_int_eq(send(&places[0]), 0);
        ck_assert_int_eq(send(&places[1]), COUNT);
        ck_assert_int_eq(sent.producer_epoch, epoch);
        ck_assert_uint_eq(weir_output_producer_partitions(&producer, NULL), 1);
        weir_output_producer_stored(&producer, 0, 0);
        weir_output_producer_stored(&producer, 0, 0);
    }
}
END_TEST

/* The second and the third of five are refused; those behind them move up, and what is sent next comes last. */
START_TEST(those_behind_what_is_given_up_move_up)
{
    struct weir_output_place places[6] = {0};
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(send(&places[i]), i * COUNT);
    }
    weir_output_producer_stored(&producer, 0, 0);
    ck_assert_int_eq(weir_output_producer_given_up(&producer, 0, 0, COUNT, &places[1]), 0);
    ck_assert_int_eq(weir_output_producer_given_up(&producer, 0, 0, COUNT, &places[2]), 0);
    ck_assert_int_eq(send(&places[5]), 3 * COUNT);
    ck_assert_int_eq(send(&places[3]), COUNT);
    ck_assert_int_eq(send(&places[4]), 2 * COUNT);
    ck_assert_int_eq(send(&places[5]), 3 * COUNT); /* again, as it was */
    for (int i = 0; i < 3; i++) {
        weir_output_producer_stored(&producer, 0, 0);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("output_producer");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, each_epoch_begins_anew);
    tcase_add_test(tests, those_behind_what_is_given_up_move_up);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("output_producer", add);
}
