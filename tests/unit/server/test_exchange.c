/* Requests that wait for the engine: order, overlap, records from memory and from files, ends in
 * the middle. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/server/server_fixture.h"
#include "wire/error_codes.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/fetch_response.h"
#include "wire/generated/produce_request.h"
#include "wire/generated/produce_response.h"

enum { PRODUCE = 9, PRODUCE_BY_ID = 13, FETCH = 12, PARTITIONS = 3 };

static const uint8_t question[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 77, 0xff, 0xff};
enum { QUESTION_ID = 77 };

/* Append a Produce of one batch with this value to `bytes`. */
static void encode_produce(struct server_stage *stage, struct weir_buffer *bytes, int32_t id,
                           int32_t partition, const char *value, int16_t acks)
{
    struct weir_shared *batch = engine_batch(&stage->engine, value);
    struct weir_wire_produce_request_partition_produce_data data = {
        .index = partition, .records = weir_slice(batch->data, batch->size)};
    struct weir_wire_produce_request_topic_produce_data topic = {
        .name = weir_text("t"), .partition_data = &data, .partition_data_count = 1};
    struct weir_wire_produce_request request;
    weir_wire_produce_request_init(&request);
    request.acks = acks;
    request.timeout_ms = 1000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    server_encode(bytes, &weir_wire_produce_request_type, PRODUCE, id, &request);
    weir_shared_unref(batch);
}

static void send_all(struct server_stage *stage, struct weir_buffer *bytes)
{
    ck_assert(!bytes->failed);
    raw_send(&stage->client, bytes->data, bytes->size);
    weir_buffer_close(bytes);
}

static int64_t expect_produced(struct server_stage *stage, int32_t id)
{
    struct weir_wire_produce_response response;
    server_receive(stage, &weir_wire_produce_response_type, PRODUCE, id, &response);
    ck_assert_uint_eq(response.responses_count, 1);
    ck_assert_int_eq(response.responses[0].partition_responses[0].error_code, WEIR_WIRE_NONE);
    return response.responses[0].partition_responses[0].base_offset;
}

static void produce(struct server_stage *stage, int32_t partition, const char *value)
{
    struct weir_buffer bytes;
    weir_buffer_init(&bytes, &stage->budget, 0);
    encode_produce(stage, &bytes, 1, partition, value, -1);
    send_all(stage, &bytes);
    (void)expect_produced(stage, 1);
}

static void expect_answer_to_question(struct server_stage *stage)
{
    struct weir_slice frame = raw_frame(&stage->client);
    ck_assert_ptr_nonnull(frame.data);
    ck_assert_int_eq((int)weir_load_u32(frame.data), QUESTION_ID);
}

static void begin(struct server_stage *stage, uint64_t seed, int32_t shards)
{
    server_init(stage, seed);
    stage->engine.options.shard_count = shards;
    server_open(stage);
    ck_ok(engine_create(&stage->engine, "t", PARTITIONS), NULL);
}

/* A fetch of all partitions from their beginnings, answered at once. */
static int32_t send_fetch_all(struct server_stage *stage)
{
    struct weir_wire_fetch_request_fetch_partition partitions[PARTITIONS];
    struct weir_wire_fetch_request_fetch_topic topic = {
        .topic = weir_text("t"), .partitions = partitions, .partitions_count = PARTITIONS};
    struct weir_wire_fetch_request request;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        partitions[i] = (struct weir_wire_fetch_request_fetch_partition){
            .partition = i,
            .current_leader_epoch = -1,
            .last_fetched_epoch = -1,
            .log_start_offset = -1,
            .partition_max_bytes = 16 << 20,
            .high_watermark = INT64_MAX,
        };
    }
    weir_wire_fetch_request_init(&request);
    request.max_bytes = 48 << 20;
    request.session_epoch = -1;
    request.topics = &topic;
    request.topics_count = 1;
    return server_send(stage, &weir_wire_fetch_request_type, FETCH, &request);
}

static struct weir_wire_fetch_response fetch_all(struct server_stage *stage)
{
    struct weir_wire_fetch_response response;
    int32_t id = send_fetch_all(stage);
    server_receive(stage, &weir_wire_fetch_response_type, FETCH, id, &response);
    ck_assert_int_eq(response.error_code, WEIR_WIRE_NONE);
    return response;
}

/* By ids: partition 0 of each topic is given the same batch. */
static void encode_produce_by_id(struct server_stage *stage, struct weir_buffer *bytes, int32_t id,
                                 const char *const *names, size_t count)
{
    struct weir_shared *batch = engine_batch(&stage->engine, "value");
    struct weir_wire_produce_request_partition_produce_data data = {
        .records = weir_slice(batch->data, batch->size)};
    struct weir_wire_produce_request_topic_produce_data topics[2];
    struct weir_wire_produce_request request;
    for (size_t i = 0; i < count; i++) {
        struct weir_topic_request describe = {.operation = WEIR_TOPIC_DESCRIBE,
                                              .topic = weir_text(names[i])};
        ck_ok(engine_topic(&stage->engine, &describe), &stage->engine.error);
        topics[i] = (struct weir_wire_produce_request_topic_produce_data){
            .topic_id = describe.topic_id, .partition_data = &data, .partition_data_count = 1};
    }
    weir_wire_produce_request_init(&request);
    request.acks = -1;
    request.topic_data = topics;
    request.topic_data_count = count;
    server_encode(bytes, &weir_wire_produce_request_type, PRODUCE_BY_ID, id, &request);
    weir_shared_unref(batch);
}

static int64_t expect_produced_by_id(struct server_stage *stage, int32_t id)
{
    struct weir_wire_produce_response response;
    server_receive(stage, &weir_wire_produce_response_type, PRODUCE_BY_ID, id, &response);
    for (size_t i = 0; i < response.responses_count; i++) {
        ck_assert_int_eq(response.responses[i].partition_responses[0].error_code, WEIR_WIRE_NONE);
    }
    return response.responses[0].partition_responses[0].base_offset;
}

/* ---- order ----------------------------------------------------------------------------------- */

/* Produces in one segment share flushes, and are answered in their order; what is behind them
 * waits. */
START_TEST(produces_overlap_and_are_answered_in_order)
{
    enum { COUNT = 40 };
    struct server_stage stage;
    struct weir_buffer bytes;
    struct weir_broker_metrics before;
    struct weir_broker_metrics after;
    begin(&stage, 1, 3);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        produce(&stage, i, "first");
    }
    weir_broker_metrics(stage.engine.broker, &before);
    weir_buffer_init(&bytes, &stage.budget, 0);
    for (int32_t i = 0; i < COUNT; i++) {
        encode_produce(&stage, &bytes, i, i % PARTITIONS, "value", -1);
    }
    weir_buffer_append(&bytes, question, sizeof question);
    send_all(&stage, &bytes);
    for (int32_t i = 0; i < COUNT; i++) {
        ck_assert_int_eq(expect_produced(&stage, i), 1 + i / PARTITIONS);
    }
    expect_answer_to_question(&stage);
    weir_broker_metrics(stage.engine.broker, &after);
    ck_assert_int_lt(after.flushes - before.flushes, COUNT / 2);
    server_end(&stage);
}
END_TEST

/* A produce whose topics' names must be asked for first is not overtaken by one whose are known. */
START_TEST(an_unknown_id_keeps_its_place)
{
    static const char *const names[] = {"t", "u"};
    for (int32_t shards = 1; shards <= 4; shards++) {
        struct server_stage stage;
        struct weir_buffer bytes;
        begin(&stage, 7, shards);
        ck_ok(engine_create(&stage.engine, "u", 1), NULL);
        weir_buffer_init(&bytes, &stage.budget, 0);
        encode_produce_by_id(&stage, &bytes, 1, names, 1);
        send_all(&stage, &bytes);
        ck_assert_int_eq(expect_produced_by_id(&stage, 1), 0);
        weir_buffer_init(&bytes, &stage.budget, 0);
        encode_produce_by_id(&stage, &bytes, 2, names, 2);
        encode_produce_by_id(&stage, &bytes, 3, names, 1);
        send_all(&stage, &bytes);
        ck_assert_int_eq(expect_produced_by_id(&stage, 2), 1);
        ck_assert_int_eq(expect_produced_by_id(&stage, 3), 2);
        server_end(&stage);
    }
}
END_TEST

/* acks=0 is not answered, what follows is; and it counts even if the client leaves right behind
 * it. */
START_TEST(unacknowledged_produces_are_taken)
{
    struct server_stage stage;
    struct weir_buffer bytes;
    begin(&stage, 2, 1);
    weir_buffer_init(&bytes, &stage.budget, 0);
    encode_produce(&stage, &bytes, 1, 0, "a", 0);
    weir_buffer_append(&bytes, question, sizeof question);
    encode_produce(&stage, &bytes, 2, 0, "b", 0);
    encode_produce(&stage, &bytes, 3, 0, "c", 0);
    send_all(&stage, &bytes);
    expect_answer_to_question(&stage);
    raw_close(&stage.client);
    weir_sim_advance_ms(stage.engine.sim, 1000);
    ck_assert_int_eq(engine_latest(&stage.engine, "t", 0), 3);
    server_end(&stage);
}
END_TEST

/* ---- records --------------------------------------------------------------------------------- */

static size_t count_batches(struct weir_slice records, const char *value)
{
    size_t count = 0;
    while (records.size > 0) {
        struct weir_batch_header header;
        ck_assert_int_eq(weir_batch_peek(records, records.size, &header, NULL), 0);
        size_t size = weir_batch_size(&header);
        ck_assert_uint_le(size, records.size);
        ck_assert_int_eq(header.base_offset, (int64_t)count);
        ck_assert_ptr_nonnull(memmem(records.data, size, value, strlen(value)));
        records = weir_slice(records.data + size, records.size - size);
        count++;
    }
    return count;
}

/* What was produced is fetched, little of it from memory and much of it from files, with fields in
 * between; and nothing is held afterwards. */
START_TEST(records_come_from_memory_and_from_files)
{
    enum { LARGE = 20, SMALL = 3 };
    struct server_stage stage;
    char *value = malloc(200000);
    ck_assert_ptr_nonnull(value);
    begin(&stage, 3, 2);
    memset(value, 'x', 199999);
    value[199999] = '\0';
    for (int i = 0; i < LARGE; i++) {
        produce(&stage, 1, value);
    }
    for (int i = 0; i < SMALL; i++) {
        produce(&stage, 0, "small");
        produce(&stage, 2, "other");
    }
    for (int round = 0; round < 2; round++) {
        struct weir_wire_fetch_response response = fetch_all(&stage);
        ck_assert_uint_eq(response.responses_count, 1);
        ck_assert_uint_eq(response.responses[0].partitions_count, PARTITIONS);
        for (size_t i = 0; i < PARTITIONS; i++) {
            const struct weir_wire_fetch_response_partition_data *data =
                &response.responses[0].partitions[i];
            ck_assert_int_eq(data->error_code, WEIR_WIRE_NONE);
            size_t expected = data->partition_index == 1 ? LARGE : SMALL;
            const char *held = data->partition_index == 0   ? "small"
                               : data->partition_index == 1 ? value
                                                            : "other";
            ck_assert_uint_eq(count_batches(data->records, held), expected);
        }
    }
    free(value);
    server_end(&stage);
}
END_TEST

/* ---- ends in the middle ---------------------------------------------------------------------- */

/* A server that closes amid produces answers those it has taken in; each answer is true. */
START_TEST(a_close_answers_what_was_taken_in)
{
    enum { COUNT = 60 };
    struct server_stage stage;
    struct weir_buffer bytes;
    begin(&stage, 4, 2);
    weir_buffer_init(&bytes, &stage.budget, 0);
    for (int32_t i = 0; i < COUNT; i++) {
        encode_produce(&stage, &bytes, i, 0, "value", -1);
    }
    raw_send_and_leave(&stage.client, bytes.data, bytes.size);
    weir_sim_advance_ms(stage.engine.sim, 2);
    weir_server_close(stage.server);
    stage.server = NULL;
    (void)raw_wait_end(&stage.client);
    int64_t answered = 0;
    for (; raw_frame(&stage.client).data != NULL; answered++) {
    }
    ck_assert_int_ge(engine_latest(&stage.engine, "t", 0), answered);
    weir_buffer_close(&bytes);
    server_end(&stage);
}
END_TEST

/* A connection that is reset amid produces and fetches leaves nothing behind. */
START_TEST(a_reset_leaves_nothing_behind)
{
    for (uint64_t seed = 10; seed < 30; seed++) {
        struct server_stage stage;
        struct weir_buffer bytes;
        begin(&stage, seed, 2);
        weir_buffer_init(&bytes, &stage.budget, 0);
        for (int32_t i = 0; i < 20; i++) {
            encode_produce(&stage, &bytes, i, i % PARTITIONS, "value", i % 4 == 0 ? 1 : -1);
        }
        raw_send_and_leave(&stage.client, bytes.data, bytes.size);
        weir_sim_advance_ms(stage.engine.sim, (int64_t)seed % 5);
        weir_sim_reset_connections(stage.engine.sim, 0, 1);
        weir_sim_advance_ms(stage.engine.sim, 1000);
        struct weir_server_metrics metrics = server_metrics(&stage);
        ck_assert_int_eq(metrics.connections, 0);
        ck_assert_int_eq(metrics.requests_in_flight, 0);
        weir_buffer_close(&bytes);
        server_end(&stage);
    }
}
END_TEST

/* Whichever allocation fails while a produce and a fetch are served: both are answered (errors
 * included) or the connection closes; the next client is served; nothing leaks. */
START_TEST(any_allocation_may_fail)
{
    struct server_stage stage;
    begin(&stage, 5, 1);
    produce(&stage, 0, "first");
    bool has_failed = true;
    for (uint64_t nth = 1; has_failed; nth++) {
        struct weir_buffer bytes;
        struct weir_heap *heap = stage.engine.env->heap;
        ck_assert_uint_lt(nth, 300);
        weir_buffer_init(&bytes, &stage.budget, 0);
        encode_produce(&stage, &bytes, 1, 0, "value", -1);
        weir_buffer_append(&bytes, question, sizeof question);
        heap->fail_at = nth;
        send_all(&stage, &bytes);
        bool is_open = raw_frame(&stage.client).data != NULL;
        if (is_open) is_open = raw_frame(&stage.client).data != NULL;
        has_failed = heap->fail_at == 0;
        heap->fail_at = 0;
        raw_close(&stage.client);
        raw_open(&stage.client, weir_sim_node(stage.engine.sim, 1),
                 weir_server_address(stage.server));
        ck_assert(is_open || has_failed);
        (void)fetch_all(&stage);
    }
    server_end(&stage);
}
END_TEST

struct lines {
    int killed;
    int offline;
};

static void count_line(void *context, enum weir_log_level level, const char *line, size_t size)
{
    struct lines *lines = context;
    (void)level;
    (void)size;
    lines->killed += strstr(line, "ended before the records that were sent from it") != NULL;
    lines->offline += strstr(line, "event=partition.offline") != NULL;
}

static void cut_segment(struct server_stage *stage, const char *path, int64_t size)
{
    struct weir_file *file = NULL;
    struct weir_env *env = stage->engine.env;
    ck_ok(weir_file_open(env, path, WEIR_OPEN_READ | WEIR_OPEN_WRITE, &file, NULL), NULL);
    ck_ok(weir_file_truncate(file, size, NULL), NULL);
    weir_file_close(file);
}

static int16_t error_of(const struct weir_wire_fetch_response *response, int32_t partition)
{
    for (size_t i = 0; i < response->responses[0].partitions_count; i++) {
        const struct weir_wire_fetch_response_partition_data *data =
            &response->responses[0].partitions[i];
        if (data->partition_index == partition) return data->error_code;
    }
    ck_abort_msg("partition %d is not in the answer", partition);
}

/* True if the segment was cut while the fetch was answered, after so many steps. */
static bool cut_while_sending(int steps)
{
    static char value[60000];
    struct server_stage stage;
    struct lines lines = {0};
    begin(&stage, 7, 2);
    stage.engine.env->logger = (struct weir_logger){count_line, &lines, WEIR_LOG_INFO};
    memset(value, 'x', sizeof value - 1);
    for (int i = 0; i < 40; i++) {
        produce(&stage, 1, value);
    }
    struct weir_partition_state_request before = engine_describe_partition(&stage.engine, "t", 1);
    (void)send_fetch_all(&stage);
    for (int i = 0; i < steps; i++) {
        (void)weir_sim_step(stage.engine.sim);
    }
    cut_segment(&stage, ENGINE_PATH "/log/t-1/00000000000000000000.log",
                before.state.size_bytes / 2);
    bool is_broken_off = raw_frame(&stage.client).data == NULL;
    ck_assert_int_eq(lines.killed, is_broken_off);
    if (is_broken_off) {
        weir_sim_advance_ms(stage.engine.sim, 1000);
        ck_assert_int_eq(lines.offline, 1); /* nobody had to ask again */
        raw_close(&stage.client);
        raw_open(&stage.client, weir_sim_node(stage.engine.sim, 1),
                 weir_server_address(stage.server));
        struct weir_wire_fetch_response response = fetch_all(&stage); /* what is left */
        ck_assert_int_eq(error_of(&response, 1), WEIR_WIRE_NONE);
    }
    server_end(&stage);
    return is_broken_off;
}

/* Something cuts a file while records are sent from it: the answer has begun and can only be broken off, which is
 * said, and the partition finds out by itself what is missing. */
START_TEST(a_file_that_ends_too_early_is_told)
{
    int broken_off = 0;
    for (int steps = 0; steps < 40; steps++) {
        broken_off += cut_while_sending(steps);
    }
    ck_assert_int_gt(broken_off, 0);
}
END_TEST

/* When a sync fails, produces are answered with the storage's error, and the server still closes. */
START_TEST(a_failed_disk_is_told)
{
    struct server_stage stage;
    struct weir_buffer bytes;
    struct weir_wire_produce_response response;
    begin(&stage, 6, 2);
    produce(&stage, 0, "first");
    int16_t told = 0;
    for (uint64_t i = 0; i < 20 && told == 0; i++) { /* until the plan meets a sync */
        struct weir_sim_fault_plan plan = {.fault = WEIR_SIM_FAULT_SYNC};
        plan.at = 1 + i % 5 + weir_sim_disk_count(stage.engine.sim, 0);
        weir_sim_disk_plan(stage.engine.sim, 0, plan);
        weir_buffer_init(&bytes, &stage.budget, 0);
        encode_produce(&stage, &bytes, 2, 0, "second", -1);
        send_all(&stage, &bytes);
        server_receive(&stage, &weir_wire_produce_response_type, PRODUCE, 2, &response);
        told = response.responses[0].partition_responses[0].error_code;
    }
    ck_assert_int_eq(told, WEIR_WIRE_KAFKA_STORAGE_ERROR);
    weir_server_close(stage.server);
    stage.server = NULL;
    ck_code(engine_close(&stage.engine), WEIR_OFFLINE);
    server_end(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *order = tcase_create("order");
    tcase_add_test(order, produces_overlap_and_are_answered_in_order);
    tcase_add_test(order, an_unknown_id_keeps_its_place);
    tcase_add_test(order, unacknowledged_produces_are_taken);
    suite_add_tcase(suite, order);
    TCase *records = tcase_create("records");
    tcase_add_test(records, records_come_from_memory_and_from_files);
    suite_add_tcase(suite, records);
    TCase *ends = tcase_create("ends");
    tcase_add_test(ends, a_close_answers_what_was_taken_in);
    tcase_add_test(ends, a_failed_disk_is_told);
    tcase_add_test(ends, a_file_that_ends_too_early_is_told);
    tcase_add_test(ends, a_reset_leaves_nothing_behind);
    tcase_add_test(ends, any_allocation_may_fail);
    suite_add_tcase(suite, ends);
}

int main(void)
{
    return weir_test_main("server exchange", add);
}
