#include "tests/unit/server/server_fixture.h"

#include <string.h>

enum { CLIENT_NODE = 1, API_VERSIONS = 18 };

void server_init(struct server_stage *stage, uint64_t seed)
{
    *stage = (struct server_stage){0};
    engine_init(&stage->engine, seed);
    stage->options = (struct weir_server_options){
        .address = "node-0:9092",
        .allow_insecure = true,
        .configs = stage->configs,
    };
    weir_heap_init(&stage->heap, false);
    weir_budget_init(&stage->budget, "test", &stage->heap, NULL, 0);
    weir_arena_init(&stage->arena, &stage->budget, 0);
}

void server_config(struct server_stage *stage, const char *key, const char *value)
{
    ck_assert_uint_lt(stage->options.config_count, SERVER_CONFIGS_MAX);
    stage->configs[stage->options.config_count++] =
        (struct weir_config_entry){.key = key, .value = value};
}

void server_open(struct server_stage *stage)
{
    struct weir_error *error = &stage->engine.error;
    ck_ok(engine_open(&stage->engine), error);
    stage->options.broker = stage->engine.broker;
    ck_ok(weir_server_open(&stage->options, &stage->server, error), error);
    raw_open(&stage->client, weir_sim_node(stage->engine.sim, CLIENT_NODE),
             weir_server_address(stage->server));
}

void server_begin(struct server_stage *stage, uint64_t seed)
{
    server_init(stage, seed);
    server_open(stage);
}

void server_end(struct server_stage *stage)
{
    raw_close(&stage->client);
    weir_server_close(stage->server);
    weir_arena_close(&stage->arena);
    engine_end(&stage->engine);
}

void server_encode(struct weir_buffer *bytes, const struct weir_message_type *type, int16_t version,
                   int32_t correlation_id, const void *request)
{
    size_t from = bytes->size;
    uint8_t header[14];
    const char client[] = "test";
    weir_store_u16(header + 4, (uint16_t)type->api_key);
    weir_store_u16(header + 6, (uint16_t)version);
    weir_store_u32(header + 8, (uint32_t)correlation_id);
    weir_store_u16(header + 12, sizeof client - 1);
    weir_buffer_append(bytes, header, sizeof header);
    weir_buffer_append(bytes, client, sizeof client - 1);
    if (version >= type->flexible_from) weir_buffer_append(bytes, "", 1);
    ck_ok(weir_message_encode(type, request, version, bytes), NULL);
    ck_assert(!bytes->failed);
    weir_store_u32(bytes->data + from, (uint32_t)(bytes->size - from - 4));
}

int32_t server_send(struct server_stage *stage, const struct weir_message_type *type,
                    int16_t version, const void *request)
{
    struct weir_buffer bytes;
    weir_buffer_init(&bytes, &stage->budget, 0);
    server_encode(&bytes, type, version, ++stage->correlation_id, request);
    raw_send(&stage->client, bytes.data, bytes.size);
    weir_buffer_close(&bytes);
    return stage->correlation_id;
}

void server_decode(struct server_stage *stage, const struct weir_message_type *type,
                   int16_t version, struct weir_slice frame, int32_t correlation_id,
                   void *response_out)
{
    struct weir_error error = {0};
    bool has_tags = version >= type->flexible_from && type->api_key != API_VERSIONS;
    size_t header_size = has_tags ? 5 : 4;
    ck_assert_ptr_nonnull(frame.data);
    ck_assert_uint_ge(frame.size, header_size);
    ck_assert_int_eq((int32_t)weir_load_u32(frame.data), correlation_id);
    frame = weir_slice(frame.data + header_size, frame.size - header_size);
    ck_ok(weir_message_decode_whole(type, response_out, version, frame, &stage->arena, &error),
          &error);
}

void server_receive(struct server_stage *stage, const struct weir_message_type *type,
                    int16_t version, int32_t correlation_id, void *response_out)
{
    struct weir_slice frame = raw_frame(&stage->client);
    ck_assert_msg(frame.data != NULL, "%s: the server has closed the connection", type->name);
    server_decode(stage, type, version, frame, correlation_id, response_out);
}

void server_call(struct server_stage *stage, const struct weir_message_type *request_type,
                 int16_t version, const void *request,
                 const struct weir_message_type *response_type, void *response_out)
{
    int32_t correlation_id = server_send(stage, request_type, version, request);
    server_receive(stage, response_type, version, correlation_id, response_out);
}

void server_expect_end(struct server_stage *stage)
{
    ck_assert_uint_eq(raw_wait_end(&stage->client), 0);
}

struct weir_server_metrics server_metrics(const struct server_stage *stage)
{
    struct weir_server_metrics metrics;
    weir_server_metrics(stage->server, &metrics);
    return metrics;
}
