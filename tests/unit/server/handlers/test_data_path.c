#include "tests/unit/server/server_fixture.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/fetch_response.h"
#include "wire/generated/produce_request.h"
#include "wire/generated/produce_response.h"

/* Produce and fetch through the port: what only shows with frames, queues and files in between. */

static struct server_stage stage;

static void set_up(void)
{
    server_begin(&stage, 7);
    ck_ok(engine_create(&stage.engine, "a", 2), &stage.engine.error);
}

static void tear_down(void)
{
    if (stage.server != NULL) server_end(&stage);
}

static struct weir_wire_fetch_request_fetch_partition partition;
static struct weir_wire_fetch_request_fetch_topic topic;

static struct weir_wire_fetch_request ask(int64_t offset, int32_t wait_ms)
{
    struct weir_wire_fetch_request request;
    weir_wire_fetch_request_init(&request);
    partition = (struct weir_wire_fetch_request_fetch_partition){
        .current_leader_epoch = -1,
        .last_fetched_epoch = -1,
        .log_start_offset = -1,
        .fetch_offset = offset,
        .partition_max_bytes = 1 << 20,
        .high_watermark = INT64_MAX,
    };
    topic = (struct weir_wire_fetch_request_fetch_topic){
        .topic = weir_text("a"), .partitions = &partition, .partitions_count = 1};
    request.max_wait_ms = wait_ms;
    request.min_bytes = 1;
    request.topics = &topic;
    request.topics_count = 1;
    return request;
}

static struct weir_slice records_of(const struct weir_wire_fetch_response *response)
{
    ck_assert_uint_eq(response->responses_count, 1);
    ck_assert_int_eq(response->responses[0].partitions[0].error_code, 0);
    return response->responses[0].partitions[0].records;
}

/* A batch comes back as it was sent, but for what the log assigns. */
START_TEST(a_batch_goes_through_the_port)
{
    struct weir_shared *batch = engine_batch(&stage.engine, "value");
    struct weir_wire_produce_request produce;
    struct weir_wire_produce_response produced;
    struct weir_wire_fetch_response fetched;
    struct weir_wire_produce_request_partition_produce_data data = {
        .records = weir_slice(batch->data, batch->size)};
    struct weir_wire_produce_request_topic_produce_data to = {
        .name = weir_text("a"), .partition_data = &data, .partition_data_count = 1};
    weir_wire_produce_request_init(&produce);
    produce.acks = -1;
    produce.topic_data = &to;
    produce.topic_data_count = 1;
    server_call(&stage, &weir_wire_produce_request_type, 9, &produce,
                &weir_wire_produce_response_type, &produced);
    ck_assert_int_eq(produced.responses[0].partition_responses[0].error_code, 0);
    struct weir_wire_fetch_request request = ask(0, 1000);
    server_call(&stage, &weir_wire_fetch_request_type, 12, &request, &weir_wire_fetch_response_type,
                &fetched);
    struct weir_slice records = records_of(&fetched);
    ck_assert_uint_eq(records.size, batch->size);
    ck_assert_mem_eq(records.data + 16, batch->data + 16, batch->size - 16);
    weir_shared_unref(batch);
}
END_TEST

/* What has just been written is in memory, and sent from there: no read of a file is needed. */
START_TEST(the_tail_is_sent_from_memory)
{
    for (int i = 0; i < 20; i++) {
        struct weir_wire_fetch_response fetched;
        struct weir_wire_fetch_request request = ask(i, 1000);
        ck_assert_int_eq(engine_produce(&stage.engine, "a", 0, "value", WEIR_ACKS_ALL), i);
        weir_sim_disk_count_reset(stage.engine.sim, 0);
        weir_sim_disk_plan(stage.engine.sim, 0,
                           (struct weir_sim_fault_plan){
                               .fault = WEIR_SIM_FAULT_READ_EIO, .at = 1, .is_sticky = true});
        server_call(&stage, &weir_wire_fetch_request_type, 12, &request,
                    &weir_wire_fetch_response_type, &fetched);
        weir_sim_disk_plan(stage.engine.sim, 0, (struct weir_sim_fault_plan){0});
        ck_assert_uint_gt(records_of(&fetched).size, 0);
    }
}
END_TEST

/* A fetch that waits is answered with what another writes meanwhile. */
START_TEST(a_parked_fetch_is_woken)
{
    struct weir_wire_fetch_response fetched;
    struct weir_wire_fetch_request request = ask(0, 60000);
    int32_t id = server_send(&stage, &weir_wire_fetch_request_type, 12, &request);
    weir_sim_advance_ms(stage.engine.sim, 500);
    ck_assert_int_eq(server_metrics(&stage).fetches_parked, 1);
    ck_assert_int_eq(engine_produce(&stage.engine, "a", 0, "value", WEIR_ACKS_ALL), 0);
    server_receive(&stage, &weir_wire_fetch_response_type, 12, id, &fetched);
    ck_assert_uint_gt(records_of(&fetched).size, 0);
    ck_assert_int_eq(server_metrics(&stage).fetches_parked, 0);
    ck_assert_int_eq(server_metrics(&stage).fetch_sessions, 0);
}
END_TEST

/* Its deadline is the fetch's, though nothing else happens on the shard. */
START_TEST(a_parked_fetch_ends_in_time)
{
    struct weir_wire_fetch_response fetched;
    int64_t begun = weir_sim_now_ns(stage.engine.sim);
    for (int i = 0; i < 2; i++) { /* the second one is parked without asking the engine again */
        struct weir_wire_fetch_request request = ask(0, 700);
        server_call(&stage, &weir_wire_fetch_request_type, 12, &request,
                    &weir_wire_fetch_response_type, &fetched);
        ck_assert_uint_eq(records_of(&fetched).size, 0);
    }
    int64_t passed_ms = (weir_sim_now_ns(stage.engine.sim) - begun) / 1000000;
    ck_assert_int_ge(passed_ms, 1400);
    ck_assert_int_lt(passed_ms, 1500);
}
END_TEST

/* Many megabytes, from files and from memory, arrive whole and in order. */
START_TEST(a_log_is_read_to_its_end)
{
    static char value[9000];
    memset(value, 'v', sizeof value - 1);
    for (int i = 0; i < 400; i++) {
        ck_assert_int_eq(engine_produce(&stage.engine, "a", 0, value, WEIR_ACKS_LEADER), i);
    }
    int64_t next = 0;
    while (next < 400) {
        struct weir_wire_fetch_response fetched;
        struct weir_wire_fetch_request request = ask(next, 1000);
        server_call(&stage, &weir_wire_fetch_request_type, 11, &request,
                    &weir_wire_fetch_response_type, &fetched);
        struct weir_slice rest = records_of(&fetched);
        while (rest.size > 0) {
            struct weir_batch_header header;
            ck_code(weir_batch_peek(rest, 0, &header, NULL), 0);
            struct weir_slice batch = weir_slice(rest.data, weir_batch_size(&header));
            ck_code(weir_batch_check_crc(batch, NULL), 0);
            ck_assert_int_eq(header.base_offset, next);
            next++;
            rest = weir_slice(rest.data + batch.size, rest.size - batch.size);
        }
    }
}
END_TEST

static void cut_tail(int64_t offset)
{
    struct weir_cut_request cut = {
        .partition = {weir_text("a"), 0}, .what = WEIR_CUT_TAIL, .offset = offset};
    ck_assert_int_eq(weir_broker_wait_begin(stage.engine.broker, &cut.request, NULL), 0);
    weir_broker_cut(stage.engine.broker, &cut);
    ck_ok(weir_broker_wait(stage.engine.broker, &cut.request, &stage.engine.error),
          &stage.engine.error);
}

/* A log is cut while a range of its file is on its way: the reader is not given other bytes for it. */
START_TEST(an_answer_whose_log_is_cut_is_broken_off)
{
    static char value[9000];
    memset(value, 'v', sizeof value - 1);
    for (int i = 0; i < 200; i++) {
        ck_assert_int_eq(engine_produce(&stage.engine, "a", 0, value, WEIR_ACKS_LEADER), i);
    }
    weir_sim_advance_ms(stage.engine.sim, 100); /* all of them are durable, and may be read */
    weir_sim_set_link(stage.engine.sim, 0, 1, (struct weir_sim_link){.is_cut = true});
    struct weir_wire_fetch_request request = ask(0, 1000);
    (void)server_send(&stage, &weir_wire_fetch_request_type, 11, &request);
    weir_sim_advance_ms(stage.engine.sim, 500);
    cut_tail(50);
    weir_sim_set_link(stage.engine.sim, 0, 1, (struct weir_sim_link){0});
    ck_assert_uint_lt(raw_wait_end(&stage.client), 1 << 20);
    ck_assert_int_eq(server_metrics(&stage).connections_killed, 1);
}
END_TEST

/* A server that closes does not wait for what is parked, with sessions and without. */
START_TEST(closing_ends_what_is_parked)
{
    struct weir_wire_fetch_request request = ask(0, 60000);
    request.session_epoch = _i - 1;
    (void)server_send(&stage, &weir_wire_fetch_request_type, 12, &request);
    weir_sim_advance_ms(stage.engine.sim, 500);
    int64_t begun = weir_sim_now_ns(stage.engine.sim);
    weir_server_close(stage.server);
    stage.server = NULL;
    ck_assert_int_lt(weir_sim_now_ns(stage.engine.sim) - begun, 10 * 1000000000LL);
    server_end(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("data path");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_batch_goes_through_the_port);
    tcase_add_test(tests, the_tail_is_sent_from_memory);
    tcase_add_test(tests, a_parked_fetch_is_woken);
    tcase_add_test(tests, a_parked_fetch_ends_in_time);
    tcase_add_test(tests, a_log_is_read_to_its_end);
    tcase_add_test(tests, an_answer_whose_log_is_cut_is_broken_off);
    tcase_add_loop_test(tests, closing_ends_what_is_parked, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("data path", add);
}
