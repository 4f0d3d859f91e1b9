/* Sockets. What both environments promise is tested on both: loop 0 is the real one, loop 1 simulated. */
#include "tests/unit/base/env/socket_ends.h"

/* ---- echo ------------------------------------------------------------------------------------ */

enum { ECHO_SIZE = 1 << 20, ECHO_CHUNK = 10000 };

static void echo_read(struct end *end);

static void echo_written(void *context, int64_t result)
{
    struct end *end = context;
    ck_assert_int_eq(result, end->read_result);
    echo_read(end);
}

static void echo_got(void *context, int64_t result)
{
    struct end *end = context;
    ck_assert_int_ge(result, 0);
    end->read_result = result;
    if (result == 0) {
        set_and_signal(end->actor->env, &end->has_ended);
        return;
    }
    end->parts[0] = (struct weir_iovec){end->bytes, (size_t)result};
    weir_socket_write(end->socket, end->parts, 1, (struct weir_socket_done){echo_written, end});
}

static void echo_read(struct end *end)
{
    weir_socket_read(end->socket, end->bytes, ECHO_CHUNK, (struct weir_socket_done){echo_got, end});
}

static void write_all_and_collect(void *context)
{
    struct end *end = context;
    struct weir_socket_done done = {note_write, end};
    collect(end);
    weir_socket_write(end->socket, end->parts, 64, done);
}

/* A megabyte in odd parts goes to an echo and comes back byte for byte, whatever the chunks. */
START_TEST(a_megabyte_comes_back_from_an_echo)
{
    struct weir_test_random random = {5};
    static uint8_t sent[ECHO_SIZE];
    static uint8_t found[ECHO_SIZE];
    static uint8_t scratch[ECHO_CHUNK];
    struct end server = {.on_open = echo_read, .bytes = scratch};
    struct end client = {.bytes = found, .size = sizeof found};
    open_env(_i);
    weir_test_random_fill(&random, sent, sizeof sent);
    memset(found, 0, sizeof found);
    size_t at = 0;
    for (size_t i = 0; i < 64; i++) {
        size_t size = i == 63 ? sizeof sent - at : i % 5 == 0 ? 0 : 20000 + i;
        client.parts[i] = (struct weir_iovec){sent + at, size};
        at += size;
    }
    open_pair(&server, &client);
    on_actor(client.actor, write_all_and_collect, &client);
    wait_for(env, &client.has_written);
    wait_for(env, &client.has_read);
    ck_assert_int_eq(client.write_result, ECHO_SIZE);
    ck_assert_mem_eq(found, sent, sizeof sent);
    on_actor(client.actor, end_close, &client);
    wait_for(env, &server.has_ended); /* the echo has seen the end of the stream */
    close_pair(&server, &client);
    close_env();
}
END_TEST

/* ---- sending a file -------------------------------------------------------------------------- */

static void send_range(void *context)
{
    struct end *end = context;
    struct weir_socket_done done = {note_write, end};
    weir_socket_send_file(end->socket, end->file, end->file_position, (int64_t)end->size, done);
}

/* A range of a file that is sent arrives as the file's bytes, not one more. */
START_TEST(a_sent_range_equals_the_files_bytes)
{
    enum { SIZE = 300000, FROM = 12345, RANGE = 200001 };
    struct weir_test_random random = {6};
    static uint8_t content[SIZE];
    static uint8_t found[RANGE];
    struct end server = {.size = RANGE, .file_position = FROM};
    struct end client = {.bytes = found, .size = RANGE};
    open_env(_i);
    weir_test_random_fill(&random, content, sizeof content);
    server.file = open_file_of(content, sizeof content);
    open_pair(&server, &client);
    on_actor(client.actor, collect_on_actor, &client);
    on_actor(server.actor, send_range, &server);
    wait_for(env, &server.has_written);
    wait_for(env, &client.has_read);
    ck_assert_int_eq(server.write_result, RANGE);
    ck_assert_mem_eq(found, content + FROM, RANGE);
    close_pair(&server, &client);
    weir_file_close(server.file);
    close_env();
}
END_TEST

/* A range beyond the end of the file is told as such after the bytes that are there. */
START_TEST(a_file_that_ends_early_is_told)
{
    static uint8_t found[3];
    struct end server = {.size = 10, .file_position = 7};
    struct end client = {.bytes = found, .size = sizeof found};
    open_env(_i);
    server.file = open_file_of((const uint8_t *)"0123456789", 10);
    open_pair(&server, &client);
    on_actor(client.actor, collect_on_actor, &client);
    on_actor(server.actor, send_range, &server);
    wait_for(env, &server.has_written);
    wait_for(env, &client.has_read);
    ck_assert_int_eq(server.write_result, WEIR_TRUNCATED);
    ck_assert_mem_eq(found, "789", 3);
    close_pair(&server, &client);
    weir_file_close(server.file);
    close_env();
}
END_TEST

/* ---- refusals, resets, closing --------------------------------------------------------------- */

/* Where nobody listens any more, a connection is refused; the socket can be closed. */
START_TEST(connecting_to_nobody_is_refused)
{
    struct end server = {.address = "127.0.0.1:0"};
    struct end client = {0};
    open_env(_i);
    server.actor = start(env, "server");
    client.actor = start(env, "client");
    on_actor(server.actor, end_listen, &server);
    memcpy(client.address, server.listener->address, sizeof client.address);
    on_actor(server.actor, end_close, &server);
    on_actor(client.actor, end_connect, &client);
    ck_ok(client.rc, &error);
    wait_for(env, &client.has_opened);
    ck_assert_int_eq(client.connect_result, WEIR_DISCONNECTED);
    close_pair(&server, &client);
    close_env();
}
END_TEST

/* A port that is taken and what is no address are refused with their codes; the text names both. */
START_TEST(bad_addresses_are_refused)
{
    struct end first = {.address = "127.0.0.1:0"};
    struct end second = {0};
    open_env(_i);
    first.actor = second.actor = start(env, "server");
    on_actor(first.actor, end_listen, &first);
    ck_ok(first.rc, &error);
    ck_assert_str_ne(first.listener->address, "127.0.0.1:0");
    memcpy(second.address, first.listener->address, sizeof second.address);
    on_actor(second.actor, end_listen, &second);
    ck_assert_int_eq(second.rc, WEIR_LOCKED);
    ck_assert_ptr_nonnull(strstr(error.text, second.address));
    static const char *const bad[] = {"nonsense", "127.0.0.1", "host.example:1", "127.0.0.1:99999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(second.address, sizeof second.address, "%s", bad[i]);
        on_actor(second.actor, end_listen, &second);
        ck_assert_int_eq(second.rc, WEIR_INVALID_ARGUMENT);
        on_actor(second.actor, end_connect, &second);
        ck_assert_int_eq(second.rc, WEIR_INVALID_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(error.text, bad[i]));
    }
    on_actor(first.actor, end_close, &first);
    weir_actor_stop(first.actor);
    close_env();
}
END_TEST

/* An address is its own, a name has numeric ones that can be listened at, and what is no host is said. */
START_TEST(names_are_looked_up)
{
    struct weir_addresses found;
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    open_env(_i);
    for (size_t i = 0; i < 2; i++) {
        ck_ok(weir_look_up(env, hosts[i], 0, &found, &error), &error);
        ck_assert_uint_ge(found.count, 1);
        ck_ok(weir_socket_may_listen(env, found.texts[0], &error), &error);
    }
    found.count = 77;
    ck_assert_int_eq(weir_look_up(env, "no-such-host.invalid", 1, &found, &error), WEIR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(error.text, "'no-such-host.invalid'"));
    ck_assert_uint_eq(found.count, 77);
    close_env();
}
END_TEST

/* Whether an address is free can be asked without taking it. */
START_TEST(a_port_can_be_asked_for_without_taking_it)
{
    struct end server = {.address = "127.0.0.1:0"};
    open_env(_i);
    ck_ok(weir_socket_may_listen(env, server.address, &error), &error);
    server.actor = start(env, "server");
    on_actor(server.actor, end_listen, &server);
    ck_ok(server.rc, &error);
    char taken[WEIR_ADDRESS_SIZE];
    memcpy(taken, server.listener->address, sizeof taken);
    ck_assert_int_eq(weir_socket_may_listen(env, taken, &error), WEIR_LOCKED);
    ck_assert_ptr_nonnull(strstr(error.text, taken));
    on_actor(server.actor, end_close, &server);
    ck_ok(weir_socket_may_listen(env, taken, &error), &error);
    ck_assert_int_eq(weir_socket_may_listen(env, "nonsense", &error), WEIR_INVALID_ARGUMENT);
    weir_actor_stop(server.actor);
    close_env();
}
END_TEST

/* Closing takes the callbacks along: the read that was under way is never heard of. */
START_TEST(closing_silences_what_is_under_way)
{
    struct end server = {0};
    struct end client = {0};
    open_env(_i);
    open_pair(&server, &client);
    on_actor(client.actor, end_read_once, &client);
    on_actor(server.actor, end_read_once, &server);
    on_actor(client.actor, end_close, &client);
    wait_for(env, &server.has_read);
    ck_assert_int_eq(server.read_result, 0);
    ck_assert_int_eq(client.call_count, 0);
    close_pair(&server, &client);
    ck_assert_int_eq(client.call_count, 0);
    close_env();
}
END_TEST

/* What an owner left open is closed with the actor: the peer sees the end of the stream. */
START_TEST(a_stopped_actor_closes_its_sockets)
{
    struct end server = {0};
    struct end client = {0};
    open_env(_i);
    open_pair(&server, &client);
    on_actor(server.actor, end_read_once, &server);
    weir_actor_stop(client.actor);
    wait_for(env, &server.has_read);
    ck_assert_int_eq(server.read_result, 0);
    weir_actor_stop(server.actor); /* with its listener and its socket */
    close_env();
}
END_TEST

static void read_one_byte(void *context)
{
    static uint8_t byte;
    struct end *end = context;
    weir_socket_read(end->socket, &byte, 1, (struct weir_socket_done){note_read, end});
}

/* A peer that closes with bytes unread resets the connection: the other side's read says so. */
START_TEST(a_real_reset_is_seen_by_the_peer)
{
    struct end server = {0};
    struct end client = {0};
    open_env(REAL);
    open_pair(&server, &client);
    on_actor(client.actor, end_write_once, &client);
    wait_for(env, &client.has_written);
    on_actor(server.actor, read_one_byte, &server);
    wait_for(env, &server.has_read);
    on_actor(server.actor, end_close, &server);
    on_actor(client.actor, end_read_once, &client);
    wait_for(env, &client.has_read);
    ck_assert_int_eq(client.read_result, WEIR_DISCONNECTED);
    close_pair(&server, &client);
    close_env();
}
END_TEST

/* ---- the simulated network ------------------------------------------------------------------- */

/* A pair on two nodes: the server on node 0, the client on node 1. */
static void open_far_pair(struct end *server, struct end *client)
{
    struct weir_env *far = weir_sim_node(sim, 1);
    snprintf(server->address, sizeof server->address, "node-0:9092");
    snprintf(client->address, sizeof client->address, "node-0:9092");
    server->actor = start(env, "server");
    client->actor = start(far, "client");
    on_actor(server->actor, end_listen, server);
    ck_ok(server->rc, &error);
    on_actor(client->actor, end_connect, client);
    ck_ok(client->rc, &error);
    wait_for(far, &client->has_opened);
    ck_assert_int_eq(client->connect_result, 0);
}

/* A reset of the connections between two nodes is seen on both sides. */
START_TEST(a_reset_link_is_seen_on_both_sides)
{
    struct end server = {0};
    struct end client = {0};
    open_env(SIMULATED);
    open_far_pair(&server, &client);
    on_actor(server.actor, end_read_once, &server);
    on_actor(client.actor, end_read_once, &client);
    weir_sim_reset_connections(sim, 0, 1);
    weir_sim_run(sim, NULL, NULL, 0);
    ck_assert_int_eq(server.read_result, WEIR_DISCONNECTED);
    ck_assert_int_eq(client.read_result, WEIR_DISCONNECTED);
    on_actor(client.actor, end_write_once, &client);
    weir_sim_run(sim, NULL, NULL, 0);
    ck_assert_int_eq(client.write_result, WEIR_DISCONNECTED);
    close_env();
}
END_TEST

/* A link that is cut one way holds what is sent that way, and only that, until it is healed. */
START_TEST(a_one_way_cut_holds_one_direction)
{
    struct end server = {0};
    struct end client = {0};
    open_env(SIMULATED);
    open_far_pair(&server, &client);
    weir_sim_set_link(sim, 1, 0, (struct weir_sim_link){.is_cut = true});
    on_actor(server.actor, end_read_once, &server);
    on_actor(client.actor, end_read_once, &client);
    on_actor(server.actor, end_write_once, &server);
    on_actor(client.actor, end_write_once, &client);
    weir_sim_advance_ms(sim, 10000);
    ck_assert(atomic_load(&client.has_read));
    ck_assert(!atomic_load(&server.has_read));
    weir_sim_set_link(sim, 1, 0, (struct weir_sim_link){.is_cut = false});
    weir_sim_run(sim, NULL, NULL, 0);
    ck_assert(atomic_load(&server.has_read));
    ck_assert_int_gt(server.read_result, 0);
    close_env();
}
END_TEST

/* A connection to a node that is cut off is neither made nor refused, until the link is healed. */
START_TEST(connecting_over_a_cut_link_waits)
{
    struct end server = {.address = "node-0:9092"};
    struct end client = {.address = "node-0:9092"};
    open_env(SIMULATED);
    weir_sim_set_link(sim, 1, 0, (struct weir_sim_link){.is_cut = true});
    server.actor = start(env, "server");
    client.actor = start(weir_sim_node(sim, 1), "client");
    on_actor(server.actor, end_listen, &server);
    on_actor(client.actor, end_connect, &client);
    weir_sim_run(sim, NULL, NULL, 0);
    ck_assert(!atomic_load(&client.has_opened));
    weir_sim_set_link(sim, 1, 0, (struct weir_sim_link){.is_cut = false});
    weir_sim_run(sim, NULL, NULL, 0);
    ck_assert(atomic_load(&client.has_opened));
    ck_assert_int_eq(client.connect_result, 0);
    close_env();
}
END_TEST

/* The kernel of a killed process resets its connections; a node without power says nothing, and its
 * next life resets whoever still writes to the old one. */
START_TEST(a_kill_resets_and_a_power_loss_is_silent)
{
    for (int kind = WEIR_SIM_KILL; kind <= WEIR_SIM_POWER; kind++) {
        struct end server = {0};
        struct end client = {0};
        open_env(SIMULATED);
        open_far_pair(&server, &client);
        on_actor(client.actor, end_read_once, &client);
        weir_sim_crash(sim, 0, (enum weir_sim_crash_kind)kind);
        weir_sim_run(sim, NULL, NULL, 0);
        ck_assert_int_eq(atomic_load(&client.has_read), kind == WEIR_SIM_KILL);
        if (kind == WEIR_SIM_POWER) {
            (void)weir_sim_node(sim, 0);
            weir_sim_run(sim, NULL, NULL, 0);
            ck_assert(!atomic_load(&client.has_read));
            on_actor(client.actor, end_write_once, &client);
            weir_sim_run(sim, NULL, NULL, 0);
        }
        ck_assert_int_eq(client.read_result, WEIR_DISCONNECTED);
        close_env();
    }
}
END_TEST

/* Loopback is the node's own: another node does not reach a listener there. */
START_TEST(loopback_is_not_reached_from_another_node)
{
    struct end server = {.address = "127.0.0.1:9092"};
    struct end client = {.address = "node-0:9092"};
    open_env(SIMULATED);
    server.actor = start(env, "server");
    client.actor = start(weir_sim_node(sim, 1), "client");
    on_actor(server.actor, end_listen, &server);
    on_actor(client.actor, end_connect, &client);
    weir_sim_run(sim, NULL, NULL, 0);
    ck_assert_int_eq(client.connect_result, WEIR_DISCONNECTED);
    ck_assert(!atomic_load(&server.has_opened));
    close_env();
}
END_TEST

/* Chunks, delays and their order come from the seed. */
START_TEST(the_same_seed_gives_the_same_traffic)
{
    uint64_t hashes[2];
    int64_t times[2];
    for (int i = 0; i < 2; i++) {
        static uint8_t bytes[50000];
        struct end server = {.bytes = bytes, .size = sizeof bytes};
        struct end client = {.parts = {{bytes, sizeof bytes}}, .bytes = bytes, .size = 1};
        open_env(SIMULATED);
        open_far_pair(&server, &client);
        on_actor(client.actor, write_all_and_collect, &client);
        on_actor(server.actor, collect_on_actor, &server);
        weir_sim_run(sim, NULL, NULL, 0);
        ck_assert(atomic_load(&server.has_read));
        hashes[i] = weir_sim_trace_hash(sim);
        times[i] = weir_sim_now_ns(sim);
        close_env();
    }
    ck_assert_uint_eq(hashes[0], hashes[1]);
    ck_assert_int_eq(times[0], times[1]);
}
END_TEST

static void add(Suite *suite)
{
    TCase *both = tcase_create("both environments");
    tcase_add_loop_test(both, a_megabyte_comes_back_from_an_echo, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, a_sent_range_equals_the_files_bytes, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, a_file_that_ends_early_is_told, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, connecting_to_nobody_is_refused, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, bad_addresses_are_refused, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, names_are_looked_up, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, a_port_can_be_asked_for_without_taking_it, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, closing_silences_what_is_under_way, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, a_stopped_actor_closes_its_sockets, 0, ENVIRONMENTS);
    suite_add_tcase(suite, both);

    TCase *one = tcase_create("one environment");
    tcase_add_test(one, a_real_reset_is_seen_by_the_peer);
    tcase_add_test(one, a_reset_link_is_seen_on_both_sides);
    tcase_add_test(one, a_one_way_cut_holds_one_direction);
    tcase_add_test(one, connecting_over_a_cut_link_waits);
    tcase_add_test(one, a_kill_resets_and_a_power_loss_is_silent);
    tcase_add_test(one, the_same_seed_gives_the_same_traffic);
    tcase_add_test(one, loopback_is_not_reached_from_another_node);
    suite_add_tcase(suite, one);
}

int main(void)
{
    return weir_test_main("env_socket", add);
}
