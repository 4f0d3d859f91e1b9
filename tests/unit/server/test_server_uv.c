/* The server on real sockets and threads: what the simulator cannot show. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "server/server.h"
#include "tests/unit/server/raw_client.h"

enum { SHARDS = 3, CLIENTS = 6, QUESTIONS = 500 };

static const uint8_t question[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct world {
    char path[WEIR_TEST_PATH_SIZE];
    struct weir_env *env;
    struct weir_broker *broker;
    struct weir_server *server;
    struct weir_error error;
};

static void open_world(struct world *world)
{
    struct weir_env_uv_options env_options = {0};
    *world = (struct world){0};
    weir_test_directory(world->path);
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
}

static void close_world(struct world *world)
{
    weir_server_close(world->server);
    ck_ok(weir_broker_close(world->broker, &world->error), &world->error);
    weir_env_uv_free(world->env);
}

/* Pipelines of several clients over all shards are answered, each in its order. */
START_TEST(clients_on_all_shards_are_served)
{
    struct world world;
    struct raw_client clients[CLIENTS];
    static uint8_t questions[QUESTIONS * sizeof question];
    open_world(&world);
    for (uint32_t i = 0; i < QUESTIONS; i++) {
        memcpy(questions + i * sizeof question, question, sizeof question);
        weir_store_u32(questions + i * sizeof question + 8, i);
    }
    for (int i = 0; i < CLIENTS; i++) {
        raw_open(&clients[i], world.env, weir_server_address(world.server));
        raw_send_and_leave(&clients[i], questions, sizeof questions);
    }
    for (int i = 0; i < CLIENTS; i++) {
        for (uint32_t at = 0; at < QUESTIONS; at++) {
            struct weir_slice frame = raw_frame(&clients[i]);
            ck_assert_ptr_nonnull(frame.data);
            ck_assert_uint_eq(weir_load_u32(frame.data), at);
        }
    }
    struct weir_server_metrics metrics;
    weir_server_metrics(world.server, &metrics);
    ck_assert_int_eq(metrics.requests, CLIENTS * QUESTIONS);
    ck_assert_int_eq(metrics.connections, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        raw_close(&clients[i]);
    }
    close_world(&world);
}
END_TEST

/* A server that closes ends its connections, those in the middle of a frame too. */
START_TEST(a_close_ends_connections)
{
    struct world world;
    struct raw_client clients[CLIENTS];
    open_world(&world);
    for (int i = 0; i < CLIENTS; i++) {
        raw_open(&clients[i], world.env, weir_server_address(world.server));
        raw_send(&clients[i], question, sizeof question - (size_t)i);
    }
    weir_server_close(world.server);
    world.server = NULL;
    for (int i = 0; i < CLIENTS; i++) {
        (void)raw_wait_end(&clients[i]);
        raw_close(&clients[i]);
    }
    close_world(&world);
}
END_TEST

static void add(Suite *suite)
{
    TCase *real = tcase_create("real sockets");
    tcase_add_test(real, clients_on_all_shards_are_served);
    tcase_add_test(real, a_close_ends_connections);
    suite_add_tcase(suite, real);
}

int main(void)
{
    return weir_test_main("server on real sockets", add);
}
