#include "tests/unit/broker/engine/engine_fixture.h"
#include "wire/record_batch.h"

/* Where epochs end of which the log has no record: not yet, or not any more. */

static struct engine engine;

static void ends_at(int32_t epoch, int64_t end)
{
    struct weir_epoch_end_request request = {.of = {weir_text("clicks"), 0}, .epoch = epoch};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request.request, NULL), 0);
    weir_broker_epoch_end(engine.broker, &request);
    ck_ok(weir_broker_wait(engine.broker, &request.request, &engine.error), &engine.error);
    ck_assert_int_eq(request.epoch_found, end < 0 ? -1 : epoch);
    ck_assert_int_eq(request.end_offset, end);
}

static void cut(enum weir_cut what, int64_t offset)
{
    struct weir_cut_request request = {
        .partition = {weir_text("clicks"), 0}, .what = what, .offset = offset};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &request.request, NULL), 0);
    weir_broker_cut(engine.broker, &request);
    ck_ok(weir_broker_wait(engine.broker, &request.request, &engine.error), &engine.error);
}

static void lose_power(void)
{
    engine_crash(&engine, WEIR_SIM_POWER);
    ck_ok(engine_open(&engine), &engine.error);
}

/* An empty log's own epoch ends at its end, and there is none behind it. */
START_TEST(the_epoch_of_an_empty_log_ends_at_its_start)
{
    engine_init(&engine, 1);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    ends_at(0, 0);
    ends_at(1, -1);
    ends_at(-1, -1);
    engine_end(&engine);
}
END_TEST

/* Records under the epochs 0 and 1, none under 2. Epochs whose records have all been given up ended at the
 * log's start, those that have some left where they ended before; after a reopen as well. */
START_TEST(given_up_epochs_end_at_the_logs_start)
{
    engine_init(&engine, 2);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    for (int64_t epoch = 0; epoch < 2; epoch++) {
        for (int64_t i = 0; i < 3; i++) {
            ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL),
                             3 * epoch + i);
        }
        lose_power();
    }
    cut(WEIR_CUT_HEAD, 2);
    ends_at(0, 3);
    ends_at(1, 6);
    cut(WEIR_CUT_HEAD, 4);
    ends_at(0, 4);
    ends_at(1, 6);
    ends_at(2, 6);
    cut(WEIR_CUT_HEAD, 6);
    for (int round = 0; round < 2; round++) {
        ends_at(0, 6);
        ends_at(1, 6);
        ends_at(2, 6);
        ends_at(3, -1);
        ck_ok(engine_close(&engine), &engine.error);
        ck_ok(engine_open(&engine), &engine.error);
    }
    engine_end(&engine);
}
END_TEST

static void has_epoch(int64_t offset, int32_t epoch)
{
    struct weir_fetch_request fetch = {
        .from = {weir_text("clicks"), 0}, .offset = offset, .size_max = 1};
    ck_assert_int_eq(weir_broker_wait_begin(engine.broker, &fetch.request, NULL), 0);
    weir_broker_fetch(engine.broker, &fetch);
    ck_ok(weir_broker_wait(engine.broker, &fetch.request, &engine.error), &engine.error);
    struct weir_batch_header header;
    ck_assert_uint_gt(fetch.batches.part_count, 0);
    struct weir_slice bytes = weir_log_part_bytes(&fetch.batches.parts[0]);
    ck_ok(weir_batch_peek(bytes, INT32_MAX, &header, NULL), NULL);
    ck_assert_int_eq(header.base_offset, offset);
    ck_assert_int_eq(header.leader_epoch, epoch);
    weir_fetch_release(&fetch);
}

/* A cut of the tail ends the epoch there; what is written next stands under the new one, and what was
 * written before under its own. */
START_TEST(a_cut_of_the_tail_begins_an_epoch)
{
    engine_init(&engine, 3);
    ck_ok(engine_open(&engine), &engine.error);
    ck_ok(engine_create(&engine, "clicks", 1), &engine.error);
    for (int64_t i = 0; i < 3; i++) {
        ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "a", WEIR_ACKS_ALL), i);
    }
    cut(WEIR_CUT_TAIL, 2);
    ends_at(0, 2);
    ends_at(1, 2);
    ck_assert_int_eq(engine_produce(&engine, "clicks", 0, "b", WEIR_ACKS_ALL), 2);
    for (int round = 0; round < 2; round++) {
        has_epoch(1, 0);
        has_epoch(2, 1);
        ends_at(0, 2);
        ends_at(1, 3);
        lose_power();
    }
    engine_end(&engine);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("ends");
    tcase_add_test(tests, the_epoch_of_an_empty_log_ends_at_its_start);
    tcase_add_test(tests, given_up_epochs_end_at_the_logs_start);
    tcase_add_test(tests, a_cut_of_the_tail_begins_an_epoch);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("epoch ends", add);
}
