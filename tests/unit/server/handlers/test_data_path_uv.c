/* The data path on real threads: partitions on all shards, a connection on any of them. */
#include "base/bytes.h"
#include "server/server.h"
#include "tests/unit/server/raw_client.h"
#include "tests/unit/server/server_fixture.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/fetch_response.h"
#include "wire/generated/produce_request.h"
#include "wire/generated/produce_response.h"

enum { SHARDS = 3, PARTITIONS = 8, ROUNDS = 40, READERS = 3 };
enum { FETCH_VERSION = 12, PRODUCE_VERSION = 9 };

struct world {
    char path[WEIR_TEST_PATH_SIZE];
    struct weir_env *env;
    struct weir_broker *broker;
    struct weir_server *server;
    struct weir_error error;
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
};

struct reader {
    struct raw_client client;
    int32_t session_id;
    int32_t session_epoch;
    int32_t correlation_id;
    int64_t next[PARTITIONS]; /* offsets */
    bool has_moved[PARTITIONS];
    int64_t seen;
};

static void create_topic(struct world *world)
{
    struct weir_topic_request request = {
        .operation = WEIR_TOPIC_CREATE, .topic = weir_text("a"), .partition_count = PARTITIONS};
    ck_assert_int_eq(weir_broker_wait_begin(world->broker, &request.request, NULL), 0);
    weir_broker_topic(world->broker, &request);
    ck_ok(weir_broker_wait(world->broker, &request.request, &world->error), &world->error);
}

static void open_world(struct world *world)
{
    struct weir_env_uv_options env_options = {0};
    *world = (struct world){0};
    weir_test_directory(world->path);
    weir_heap_init(&world->heap, false);
    weir_budget_init(&world->budget, "test", &world->heap, NULL, 0);
    weir_arena_init(&world->arena, &world->budget, 0);
    ck_ok(weir_env_uv_new(&env_options, &world->env, &world->error), &world->error);
    struct weir_broker_options options = {
        .env = world->env,
        .path = world->path,
        .shard_count = SHARDS,
        .topic_defaults = weir_topic_config_default(),
    };
    ck_ok(weir_broker_open(&options, &world->broker, &world->error), &world->error);
    struct weir_server_options server_options = {.broker = world->broker, .address = "127.0.0.1:0"};
    ck_ok(weir_server_open(&server_options, &world->server, &world->error), &world->error);
    create_topic(world);
}

static void close_world(struct world *world)
{
    weir_server_close(world->server);
    ck_ok(weir_broker_close(world->broker, &world->error), &world->error);
    weir_env_uv_free(world->env);
    weir_arena_close(&world->arena);
}

static void send(struct world *world, struct raw_client *client,
                 const struct weir_message_type *type, int16_t version, int32_t correlation_id,
                 const void *request)
{
    struct weir_buffer bytes;
    weir_buffer_init(&bytes, &world->budget, 0);
    server_encode(&bytes, type, version, correlation_id, request);
    raw_send(client, bytes.data, bytes.size);
    weir_buffer_close(&bytes);
}

/* Behind a flexible header: the correlation id and no tags. */
static void receive(struct world *world, struct raw_client *client,
                    const struct weir_message_type *type, int16_t version, int32_t correlation_id,
                    void *response)
{
    struct weir_slice frame = raw_frame(client);
    ck_assert_uint_gt(frame.size, 5);
    ck_assert_int_eq((int32_t)weir_load_u32(frame.data), correlation_id);
    ck_ok(weir_message_decode_whole(type, response, version,
                                    weir_slice(frame.data + 5, frame.size - 5), &world->arena,
                                    &world->error),
          &world->error);
}

/* ---- a reader with a session ----------------------------------------------------------------- */

static void send_fetch(struct world *world, struct reader *reader)
{
    struct weir_wire_fetch_request request;
    struct weir_wire_fetch_request_fetch_partition partitions[PARTITIONS];
    struct weir_wire_fetch_request_fetch_topic topic = {.topic = weir_text("a"),
                                                        .partitions = partitions};
    weir_wire_fetch_request_init(&request);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        if (!reader->has_moved[i]) continue;
        reader->has_moved[i] = false;
        partitions[topic.partitions_count] = (struct weir_wire_fetch_request_fetch_partition){
            .partition = i,
            .current_leader_epoch = -1,
            .fetch_offset = reader->next[i],
            .last_fetched_epoch = -1,
            .log_start_offset = -1,
            .partition_max_bytes = 1 << 20,
            .high_watermark = INT64_MAX,
        };
        topic.partitions_count++;
    }
    request.max_wait_ms = 30000;
    request.min_bytes = 1;
    request.session_id = reader->session_id;
    request.session_epoch = reader->session_epoch;
    request.topics = &topic;
    request.topics_count = topic.partitions_count > 0 ? 1 : 0;
    reader->correlation_id++;
    send(world, &reader->client, &weir_wire_fetch_request_type, FETCH_VERSION,
         reader->correlation_id, &request);
}

static void take_records(struct reader *reader,
                         const struct weir_wire_fetch_response_partition_data *partition)
{
    struct weir_slice rest = partition->records;
    ck_assert_int_eq(partition->error_code, 0);
    while (rest.size > 0) {
        struct weir_batch_header header;
        ck_code(weir_batch_peek(rest, 0, &header, NULL), 0);
        ck_assert_int_eq(header.base_offset, reader->next[partition->partition_index]);
        reader->next[partition->partition_index]++;
        reader->has_moved[partition->partition_index] = true;
        reader->seen++;
        size_t size = weir_batch_size(&header);
        rest = weir_slice(rest.data + size, rest.size - size);
    }
}

static void receive_fetch(struct world *world, struct reader *reader)
{
    struct weir_wire_fetch_response response;
    receive(world, &reader->client, &weir_wire_fetch_response_type, FETCH_VERSION,
            reader->correlation_id, &response);
    ck_assert_int_eq(response.error_code, 0);
    ck_assert_int_gt(response.session_id, 0);
    reader->session_id = response.session_id;
    reader->session_epoch++;
    for (size_t i = 0; i < response.responses_count; i++) {
        for (size_t at = 0; at < response.responses[i].partitions_count; at++) {
            take_records(reader, &response.responses[i].partitions[at]);
        }
    }
}

static void open_reader(struct world *world, struct reader *reader)
{
    *reader = (struct reader){0};
    for (int i = 0; i < PARTITIONS; i++) {
        reader->has_moved[i] = true;
    }
    raw_open(&reader->client, world->env, weir_server_address(world->server));
    send_fetch(world, reader);
}

/* ---- a writer -------------------------------------------------------------------------------- */

static struct weir_slice one_batch(struct world *world)
{
    struct weir_batch_builder builder;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_record record = {.value = weir_text("value"), .timestamp_ms = 1};
    struct weir_slice bytes;
    weir_batch_builder_init(&builder, &world->budget, WEIR_CODEC_NONE, 0);
    ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &bytes), 0);
    bytes = weir_arena_copy(&world->arena, bytes);
    weir_batch_builder_close(&builder);
    return bytes;
}

static void write_round(struct world *world, struct raw_client *client, int32_t round)
{
    struct weir_wire_produce_request request;
    struct weir_wire_produce_response response;
    struct weir_wire_produce_request_partition_produce_data data[PARTITIONS];
    struct weir_wire_produce_request_topic_produce_data to = {
        .name = weir_text("a"), .partition_data = data, .partition_data_count = PARTITIONS};
    weir_wire_produce_request_init(&request);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        data[i].index = i;
        data[i].records = one_batch(world);
    }
    request.acks = round % 2 == 0 ? -1 : 1;
    request.topic_data = &to;
    request.topic_data_count = 1;
    send(world, client, &weir_wire_produce_request_type, PRODUCE_VERSION, round, &request);
    receive(world, client, &weir_wire_produce_response_type, PRODUCE_VERSION, round, &response);
    for (size_t i = 0; i < PARTITIONS; i++) {
        const struct weir_wire_produce_response_partition_produce_response *partition =
            &response.responses[0].partition_responses[i];
        ck_assert_int_eq(partition->error_code, 0);
        ck_assert_int_eq(partition->base_offset, round);
    }
}

/* Readers with sessions follow a writer over partitions of all shards: each sees every batch once,
 * in order. One more is parked when the server closes. */
START_TEST(readers_follow_a_writer_across_shards)
{
    struct world world;
    struct raw_client writer;
    static struct reader readers[READERS];
    open_world(&world);
    raw_open(&writer, world.env, weir_server_address(world.server));
    for (int i = 0; i < READERS; i++) {
        open_reader(&world, &readers[i]);
    }
    for (int32_t round = 0; round < ROUNDS; round++) {
        write_round(&world, &writer, round);
        for (int i = 0; i < READERS; i++) {
            receive_fetch(&world, &readers[i]);
            send_fetch(&world, &readers[i]);
        }
    }
    for (int i = 0; i < READERS; i++) {
        while (readers[i].seen < ROUNDS * PARTITIONS) {
            receive_fetch(&world, &readers[i]);
            send_fetch(&world, &readers[i]);
        }
    }
    raw_close(&readers[0].client); /* with its fetch parked */
    raw_close(&writer);
    weir_server_close(world.server);
    world.server = NULL;
    raw_close(&readers[1].client);
    raw_close(&readers[2].client);
    close_world(&world);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("data path on threads");
    tcase_add_test(tests, readers_follow_a_writer_across_shards);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("data path on threads", add);
}
