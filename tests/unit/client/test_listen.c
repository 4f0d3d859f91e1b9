/* The Kafka port of an open log: who may open it, what it tells, how it ends. */
#include "weir/listen.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/peer/remote.h"
#include "wire/peer/remote_session.h"
#include "tests/unit/client/stage.h"
#include "wire/generated/metadata_request.h"
#include "wire/generated/metadata_response.h"

static struct stage stage;
static struct weir_error error;

static const struct weir_listen_options any_port = {
    WEIR_LISTEN_OPTIONS_INIT,
    .address = "127.0.0.1:0",
};

static void assert_names(const char *text)
{
    ck_assert_msg(strstr(error.text, text) != NULL, "'%s' is not in: %s", text, error.text);
}

static struct weir_remote_session *connect_to(const char *address)
{
    struct weir_remote_session *session = NULL;
    struct weir_remote_session_options options = {.address = address};
    ck_ok(weir_remote_session_open(&options, &session, &error), &error);
    return session;
}

static const struct weir_wire_metadata_response *ask_metadata(struct weir_remote_session *session,
                                                              struct weir_arena *arena)
{
    const void *response = NULL;
    struct weir_wire_metadata_request request;
    weir_wire_metadata_request_init(&request);
    request.topics = NULL; /* all of them */
    struct weir_remote_question question = {
        .request_type = &weir_wire_metadata_request_type,
        .response_type = &weir_wire_metadata_response_type,
        .request = &request,
        .arena = arena,
    };
    ck_ok(weir_remote_session_call(session, &question, &response, &error), &error);
    return response;
}

static bool is_text(struct weir_slice slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.data, text, slice.size) == 0;
}

static int port_of(const char *address)
{
    return atoi(strrchr(address, ':') + 1);
}

/* ---- talking --------------------------------------------------------------------------------- */

/* A client of the port sees the log's topics, and a broker at the address that it came in by. */
START_TEST(a_client_sees_the_logs_topics)
{
    struct weir_arena arena;
    stage_open(&stage, STAGE_UV, 1);
    ck_ok(weir_topic_create(stage.log, "orders", 3, NULL, 0, &error), &error);
    ck_ok(weir_listen(stage.log, &any_port, &error), &error);
    const char *address = weir_listen_address(stage.log);
    struct weir_remote_session *session = connect_to(address);
    weir_arena_init(&arena, weir_remote_session_budget(session), 0);
    const struct weir_wire_metadata_response *metadata = ask_metadata(session, &arena);
    ck_assert_uint_eq(metadata->topics_count, 1);
    ck_assert(is_text(metadata->topics[0].name, "orders"));
    ck_assert_uint_eq(metadata->topics[0].partitions_count, 3);
    ck_assert_uint_eq(metadata->brokers_count, 1);
    ck_assert(is_text(metadata->brokers[0].host, "127.0.0.1"));
    ck_assert_int_eq(metadata->brokers[0].port, port_of(address));
    weir_arena_close(&arena);
    weir_remote_session_close(session);
    stage_close(&stage);
}
END_TEST

/* Clients are told the advertised address where there is one. */
START_TEST(an_advertised_address_is_told)
{
    struct weir_arena arena;
    struct weir_listen_options options = any_port;
    options.advertised_address = "kafka.example:1234";
    stage_open(&stage, STAGE_UV, 1);
    ck_ok(weir_listen(stage.log, &options, &error), &error);
    struct weir_remote_session *session = connect_to(weir_listen_address(stage.log));
    weir_arena_init(&arena, weir_remote_session_budget(session), 0);
    const struct weir_wire_metadata_response *metadata = ask_metadata(session, &arena);
    ck_assert(is_text(metadata->brokers[0].host, "kafka.example"));
    ck_assert_int_eq(metadata->brokers[0].port, 1234);
    weir_arena_close(&arena);
    weir_remote_session_close(session);
    stage_close(&stage);
}
END_TEST

/* A log on several shards listens with all of them at one port. */
START_TEST(all_shards_listen_at_one_port)
{
    enum { CLIENTS = 12 };
    struct weir_remote_session *sessions[CLIENTS];
    stage.options.shard_count = 3;
    stage_open(&stage, STAGE_UV, 1);
    ck_ok(weir_listen(stage.log, &any_port, &error), &error);
    for (int i = 0; i < CLIENTS; i++) {
        sessions[i] = connect_to(weir_listen_address(stage.log));
    }
    for (int i = 0; i < CLIENTS; i++) {
        struct weir_arena arena;
        weir_arena_init(&arena, weir_remote_session_budget(sessions[i]), 0);
        ck_assert_uint_eq(ask_metadata(sessions[i], &arena)->brokers_count, 1);
        weir_arena_close(&arena);
        weir_remote_session_close(sessions[i]);
    }
    stage_close(&stage);
}
END_TEST

struct sim_client {
    struct weir_actor *actor;
    struct weir_remote *remote;
    const char *address;
    int changes;
    int rc;
};

static void note_change(void *context, int rc, const struct weir_error *why)
{
    struct sim_client *client = context;
    (void)why;
    client->changes++;
    client->rc = rc;
}

struct open_errand {
    struct weir_message message;
    struct sim_client *client;
};

static void open_remote(struct weir_message *message)
{
    struct sim_client *client = ((struct open_errand *)message)->client;
    struct weir_remote_options options = {
        .actor = client->actor,
        .budget = client->actor->env->budget,
        .address = client->address,
        .changed = note_change,
        .context = client,
    };
    ck_ok(weir_remote_open(&options, &client->remote, &error), &error);
}

static void close_remote(struct weir_message *message)
{
    weir_remote_close(((struct open_errand *)message)->client->remote);
}

static int nothing_to_do(void *impl)
{
    (void)impl;
    return 0;
}

/* The port is the same in the simulator: a client there connects, learns the versions, and hears of
 * the port's end. */
START_TEST(the_port_works_in_the_simulator)
{
    stage_open(&stage, STAGE_SIM, 3);
    ck_ok(weir_listen(stage.log, &any_port, &error), &error);
    struct sim_client client = {.address = weir_listen_address(stage.log)};
    struct weir_actor_options options = {.name = "client", .run_once = nothing_to_do};
    ck_ok(weir_actor_start(weir_sim_node(stage.sim, 0), &options, &client.actor, &error), &error);
    struct open_errand errand = {{NULL, open_remote}, &client};
    weir_actor_post(client.actor, &errand.message);
    weir_sim_run(stage.sim, NULL, NULL, 1000000000);
    ck_assert_int_eq(client.changes, 1);
    ck_assert_int_eq(client.rc, 0);
    ck_assert_int_ge(weir_remote_version(client.remote, &weir_wire_metadata_request_type), 9);
    ck_ok(weir_unlisten(stage.log, &error), &error);
    weir_sim_run(stage.sim, NULL, NULL, 1000000000);
    ck_assert_int_eq(client.changes, 2);
    ck_assert_int_eq(client.rc, WEIR_DISCONNECTED);
    errand.message.handle = close_remote;
    weir_actor_post(client.actor, &errand.message);
    weir_sim_run(stage.sim, NULL, NULL, 1000000000);
    weir_actor_stop(client.actor);
    stage_close(&stage);
}
END_TEST

/* ---- opening --------------------------------------------------------------------------------- */

/* One port per log; the address is told while it is open and not before or after. */
START_TEST(a_log_has_one_port)
{
    stage_open(&stage, STAGE_UV, 1);
    ck_assert_ptr_null(weir_listen_address(stage.log));
    ck_ok(weir_listen(stage.log, &any_port, &error), &error);
    ck_assert_int_gt(port_of(weir_listen_address(stage.log)), 0);
    ck_code(weir_listen(stage.log, &any_port, &error), WEIR_EXISTS);
    assert_names(stage.directory);
    ck_ok(weir_unlisten(stage.log, &error), &error);
    ck_assert_ptr_null(weir_listen_address(stage.log));
    ck_ok(weir_unlisten(stage.log, &error), &error); /* again is fine */
    ck_ok(weir_listen(stage.log, &any_port, &error), &error);
    stage_close(&stage); /* with the port open */
}
END_TEST

static void expect_refusal(struct weir_listen_options options, enum weir_code code,
                           const char *text)
{
    ck_code(weir_listen(stage.log, &options, &error), code);
    assert_names(text);
    ck_assert_ptr_null(weir_listen_address(stage.log));
}

/* What cannot be listened at is refused with a text that says why, and the log can listen after it. */
START_TEST(bad_addresses_and_settings_are_refused)
{
    static const struct weir_config unknown = {"max.conections", "5"};
    static const struct weir_config no_value = {"max.connections", NULL};
    stage_open(&stage, STAGE_UV, 1);
    struct weir_listen_options options = any_port;
    options.address = "nonsense:";
    expect_refusal(options, WEIR_INVALID_ARGUMENT, "nonsense");
    options.address = "127.evil.invalid"; /* what a name means is asked, not read off it */
    expect_refusal(options, WEIR_NOT_FOUND, "127.evil.invalid");
    options.address = "[::]:0";
    expect_refusal(options, WEIR_INVALID_ARGUMENT, "insecure");
    options.address = "0.0.0.0:0";
    expect_refusal(options, WEIR_INVALID_ARGUMENT, "insecure");
    options = any_port;
    options.configs = &unknown;
    options.config_count = 1;
    expect_refusal(options, WEIR_INVALID_CONFIG, "max.conections");
    options.configs = &no_value;
    expect_refusal(options, WEIR_INVALID_CONFIG, "no value");
    expect_refusal((struct weir_listen_options){.address = "127.0.0.1:0"}, WEIR_INVALID_ARGUMENT,
                   "WEIR_LISTEN_OPTIONS_INIT");
    ck_code(weir_listen(NULL, &any_port, &error), WEIR_INVALID_ARGUMENT);
    ck_ok(weir_listen(stage.log, &any_port, &error), &error);
    stage_close(&stage);
}
END_TEST

/* Whoever says that he wants it may listen at another address than loopback. */
START_TEST(insecure_is_a_choice)
{
    struct weir_listen_options options = any_port;
    options.address = "0.0.0.0:0";
    options.insecure = true;
    stage_open(&stage, STAGE_UV, 1);
    ck_ok(weir_listen(stage.log, &options, &error), &error);
    ck_ok(weir_unlisten(stage.log, &error), &error);
    stage_close(&stage);
}
END_TEST

/* A second log is refused at the first one's port, and does not share its clients by mistake. */
START_TEST(a_port_in_use_is_refused)
{
    char directory[WEIR_TEST_PATH_SIZE];
    stage_open(&stage, STAGE_UV, 1);
    weir_test_directory(directory);
    struct weir_log *other = weir_open(directory, NULL, &error);
    ck_assert_ptr_nonnull(other);
    ck_ok(weir_listen(stage.log, &any_port, &error), &error);
    struct weir_listen_options options = any_port;
    options.address = weir_listen_address(stage.log);
    ck_code(weir_listen(other, &options, &error), WEIR_LOCKED);
    assert_names(options.address);
    ck_ok(weir_close(other, &error), &error);
    stage_close(&stage);
}
END_TEST

/* Memory runs out at each allocation of opening the port in turn: it says so and leaves nothing, or
 * the port is open; and the log can listen after it. */
START_TEST(opening_survives_every_failed_allocation)
{
    static const struct weir_config limit = {"max.connections", "5"};
    struct weir_listen_options options = any_port;
    options.configs = &limit;
    options.config_count = 1;
    bool was_hit = true;
    uint64_t nth = 0;
    while (was_hit) {
        nth++;
        ck_assert_uint_lt(nth, 2000);
        stage_open(&stage, STAGE_SIM, 3);
        struct weir_env *env = stage.log->env;
        size_t before = atomic_load(&env->budget->used);
        atomic_store(&env->heap->fail_at, nth);
        int rc = weir_listen(stage.log, &options, &error);
        was_hit = atomic_load(&env->heap->fail_at) == 0;
        atomic_store(&env->heap->fail_at, 0);
        ck_assert(rc == 0 || (rc == WEIR_NO_MEMORY && was_hit));
        ck_assert_int_eq(weir_listen_address(stage.log) != NULL, rc == 0);
        if (rc < 0) {
            ck_assert_uint_eq(atomic_load(&env->budget->used), before);
            ck_ok(weir_listen(stage.log, &options, &error), &error);
        }
        ck_ok(weir_topic_create(stage.log, "orders", 1, NULL, 0, &error), &error);
        stage_close(&stage);
    }
    ck_assert_uint_gt(nth, 3); /* there was something to fail */
}
END_TEST

/* ---- ending ---------------------------------------------------------------------------------- */

/* Closing the port ends the connections and refuses new ones; the log goes on, and may listen again. */
START_TEST(unlisten_ends_connections_and_leaves_the_log)
{
    char address[64];
    const void *response = NULL;
    struct weir_remote_session *late = NULL;
    struct weir_arena arena;
    stage_open(&stage, STAGE_UV, 1);
    ck_ok(weir_listen(stage.log, &any_port, &error), &error);
    snprintf(address, sizeof address, "%s", weir_listen_address(stage.log));
    struct weir_remote_session *session = connect_to(address);
    ck_ok(weir_unlisten(stage.log, &error), &error);

    struct weir_wire_metadata_request request;
    weir_wire_metadata_request_init(&request);
    request.topics = NULL; /* all of them */
    weir_arena_init(&arena, weir_remote_session_budget(session), 0);
    struct weir_remote_question question = {
        .request_type = &weir_wire_metadata_request_type,
        .response_type = &weir_wire_metadata_response_type,
        .request = &request,
        .arena = &arena,
    };
    ck_code(weir_remote_session_call(session, &question, &response, &error), WEIR_DISCONNECTED);
    weir_arena_close(&arena);
    weir_remote_session_close(session);
    struct weir_remote_session_options options = {.address = address};
    ck_code(weir_remote_session_open(&options, &late, &error), WEIR_DISCONNECTED);
    ck_ok(weir_topic_create(stage.log, "still-here", 1, NULL, 0, &error), &error);
    stage_close(&stage);
}
END_TEST

/* ---- metrics --------------------------------------------------------------------------------- */

struct found {
    int count;
    int unnamed;
    double connections;
    double metadata_requests;
    double batches_in;
    bool has_connections;
};

static void find(void *context, const char *name, const char *labels, double value,
                 const char *help)
{
    struct found *found = context;
    found->count++;
    if (strncmp(name, "weir_", 5) != 0 || help[0] == '\0' || !(value >= 0)) found->unnamed++;
    if (strcmp(name, "weir_log_batches_in_total") == 0) found->batches_in = value;
    if (strcmp(name, "weir_server_connections") == 0) {
        found->has_connections = true;
        found->connections = value;
    }
    if (strcmp(name, "weir_requests_total") == 0 && strcmp(labels, "api=\"Metadata\"") == 0) {
        found->metadata_requests = value;
    }
}

/* The figures tell of the log, and of the port while there is one. */
START_TEST(figures_tell_of_log_and_port)
{
    struct weir_arena arena;
    struct found before = {0};
    struct found with_port = {0};
    struct found after = {0};
    stage_open(&stage, STAGE_UV, 1);
    ck_ok(weir_produce(stage.log, "orders", weir_text("key"), weir_text("value"), &error), &error);
    weir_metrics(stage.log, find, &before);
    ck_assert(!before.has_connections);
    ck_assert(before.batches_in >= 1);

    ck_ok(weir_listen(stage.log, &any_port, &error), &error);
    struct weir_remote_session *session = connect_to(weir_listen_address(stage.log));
    weir_arena_init(&arena, weir_remote_session_budget(session), 0);
    (void)ask_metadata(session, &arena);
    (void)ask_metadata(session, &arena);
    weir_metrics(stage.log, find, &with_port);
    ck_assert(with_port.connections == 1);
    ck_assert(with_port.metadata_requests == 2);
    ck_assert_int_gt(with_port.count, before.count);
    weir_arena_close(&arena);
    weir_remote_session_close(session);

    ck_ok(weir_unlisten(stage.log, &error), &error);
    weir_metrics(stage.log, find, &after);
    ck_assert_int_eq(after.count, before.count);
    ck_assert_int_eq(before.unnamed + with_port.unnamed + after.unnamed, 0);
    stage_close(&stage);
}
END_TEST

static _Atomic bool is_over;

static void *look_again_and_again(void *context)
{
    while (!atomic_load(&is_over)) {
        struct found found = {0};
        weir_metrics(context, find, &found);
    }
    return NULL;
}

/* Figures may be asked for while the port is opened and closed: nothing is looked at that is gone. */
START_TEST(figures_and_a_closing_port_get_on)
{
    pthread_t thread;
    stage_open(&stage, STAGE_UV, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, look_again_and_again, stage.log), 0);
    for (int i = 0; i < 20; i++) {
        ck_ok(weir_listen(stage.log, &any_port, &error), &error);
        ck_ok(weir_unlisten(stage.log, &error), &error);
    }
    atomic_store(&is_over, true);
    pthread_join(thread, NULL);
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("listen");
    tcase_add_test(tests, a_client_sees_the_logs_topics);
    tcase_add_test(tests, an_advertised_address_is_told);
    tcase_add_test(tests, all_shards_listen_at_one_port);
    tcase_add_test(tests, the_port_works_in_the_simulator);
    tcase_add_test(tests, a_log_has_one_port);
    tcase_add_test(tests, bad_addresses_and_settings_are_refused);
    tcase_add_test(tests, insecure_is_a_choice);
    tcase_add_test(tests, a_port_in_use_is_refused);
    tcase_add_test(tests, opening_survives_every_failed_allocation);
    tcase_add_test(tests, unlisten_ends_connections_and_leaves_the_log);
    tcase_add_test(tests, figures_tell_of_log_and_port);
    tcase_add_test(tests, figures_and_a_closing_port_get_on);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("listen", add);
}
