/* What a server asks of sockets: to wait without a buffer, to share a port, to send a file behind a header.
 * Loop 0 is the real environment, loop 1 the simulated one. */
#include "tests/unit/base/env/socket_ends.h"

/* ---- waiting --------------------------------------------------------------------------------- */

static void await_on_actor(void *context)
{
    struct end *end = context;
    weir_socket_await(end->socket, (struct weir_socket_done){note_read, end});
}

static void await_and_wait(struct end *end)
{
    atomic_store(&end->has_read, false);
    end->read_result = -1;
    on_actor(end->actor, await_on_actor, end);
    wait_for(env, &end->has_read);
    ck_assert_int_eq(end->read_result, 1);
}

/* Waiting takes nothing away: asked twice it says the same, and the bytes are there to read. */
START_TEST(waiting_gives_no_bytes_away)
{
    uint8_t found[5];
    struct end server = {.bytes = found, .size = sizeof found};
    struct end client = {0};
    open_env(_i);
    open_pair(&server, &client);
    on_actor(server.actor, await_on_actor, &server); /* before there is anything */
    on_actor(client.actor, end_write_once, &client);
    wait_for(env, &server.has_read);
    ck_assert_int_eq(server.read_result, 1);
    await_and_wait(&server); /* and when there is */
    atomic_store(&server.has_read, false);
    on_actor(server.actor, collect_on_actor, &server);
    wait_for(env, &server.has_read);
    ck_assert_mem_eq(found, "hello", sizeof found);
    close_pair(&server, &client);
    close_env();
}
END_TEST

/* Who has waited, read all and waits again hears of the next bytes, however often. */
START_TEST(waiting_and_reading_take_turns)
{
    uint8_t found[5];
    struct end server = {.bytes = found};
    struct end client = {0};
    open_env(_i);
    open_pair(&server, &client);
    for (int i = 0; i < 50; i++) {
        bool writes_first = i % 2 == 0;
        atomic_store(&client.has_written, false);
        atomic_store(&server.has_read, false);
        if (!writes_first) on_actor(server.actor, await_on_actor, &server);
        on_actor(client.actor, end_write_once, &client);
        wait_for(env, &client.has_written);
        if (writes_first) on_actor(server.actor, await_on_actor, &server);
        wait_for(env, &server.has_read);
        ck_assert_int_eq(server.read_result, 1);
        atomic_store(&server.has_read, false);
        server.got = 0;
        server.size = sizeof found; /* exactly what there is: the read fills its buffer */
        on_actor(server.actor, collect_on_actor, &server);
        wait_for(env, &server.has_read);
        ck_assert_mem_eq(found, "hello", sizeof found);
    }
    close_pair(&server, &client);
    close_env();
}
END_TEST

/* The end of the stream ends the waiting; the read that follows says what it was. */
START_TEST(waiting_ends_at_the_end_of_the_stream)
{
    struct end server = {0};
    struct end client = {0};
    open_env(_i);
    open_pair(&server, &client);
    on_actor(server.actor, await_on_actor, &server);
    on_actor(client.actor, end_close, &client);
    wait_for(env, &server.has_read);
    ck_assert_int_eq(server.read_result, 1);
    await_and_wait(&server);
    atomic_store(&server.has_read, false);
    on_actor(server.actor, end_read_once, &server);
    wait_for(env, &server.has_read);
    ck_assert_int_eq(server.read_result, 0);
    close_pair(&server, &client);
    close_env();
}
END_TEST

/* A reset ends the waiting, too, and is met by the read. */
START_TEST(waiting_ends_at_a_reset)
{
    struct end server = {0};
    struct end client = {0};
    open_env(_i);
    open_pair(&server, &client);
    on_actor(client.actor, await_on_actor, &client);
    on_actor(client.actor, end_write_once, &client);
    wait_for(env, &client.has_written);
    await_and_wait(&server);
    on_actor(server.actor, end_close, &server); /* with five bytes unread: a reset */
    wait_for(env, &client.has_read);
    ck_assert_int_eq(client.read_result, 1);
    atomic_store(&client.has_read, false);
    on_actor(client.actor, end_read_once, &client);
    wait_for(env, &client.has_read);
    ck_assert_int_eq(client.read_result, WEIR_DISCONNECTED);
    close_pair(&server, &client);
    close_env();
}
END_TEST

static void write_part(void *context)
{
    struct end *end = context;
    weir_socket_write(end->socket, end->parts, 1, (struct weir_socket_done){note_write, end});
}

/* Bytes that come while nobody reads keep: a reader that stays away finds all of them in order. */
START_TEST(bytes_that_nobody_waits_for_are_kept)
{
    static uint8_t sent[50000];
    static uint8_t found[sizeof sent];
    struct weir_test_random random = {8};
    struct end server = {.bytes = found, .size = sizeof found};
    struct end client = {.parts = {{sent, 1000}}};
    open_env(_i);
    weir_test_random_fill(&random, sent, sizeof sent);
    open_pair(&server, &client);
    on_actor(server.actor, await_on_actor, &server); /* arms the poll, and nobody follows it up */
    for (size_t at = 0; at < sizeof sent; at += 1000) {
        client.parts[0].base = sent + at;
        atomic_store(&client.has_written, false);
        on_actor(client.actor, write_part, &client);
        wait_for(env, &client.has_written);
    }
    wait_for(env, &server.has_read);
    atomic_store(&server.has_read, false);
    on_actor(server.actor, collect_on_actor, &server);
    wait_for(env, &server.has_read);
    ck_assert_mem_eq(found, sent, sizeof sent);
    close_pair(&server, &client);
    close_env();
}
END_TEST

/* ---- a file behind a header ------------------------------------------------------------------ */

static void send_header_and_range(void *context)
{
    struct end *end = context;
    struct weir_socket_output output = {
        .parts = end->parts,
        .part_count = 3,
        .file = end->file,
        .position = end->file_position,
        .size = (int64_t)end->size,
    };
    weir_socket_send(end->socket, &output, (struct weir_socket_done){note_write, end});
}

/* Parts and a range larger than any socket's buffer arrive in order, though the reader starts late and
 * the send has to be taken up again and again; the result counts all of it. */
START_TEST(a_range_follows_its_header)
{
    enum { SIZE = 9 << 20, FROM = 4097, RANGE = SIZE - FROM - 5, HEADER = 7 };
    struct weir_test_random random = {6};
    static uint8_t content[SIZE];
    static uint8_t found[HEADER + RANGE];
    struct end server = {.size = RANGE, .file_position = FROM};
    struct end client = {.bytes = found, .size = sizeof found};
    open_env(_i);
    weir_test_random_fill(&random, content, sizeof content);
    server.file = open_file_of(content, sizeof content);
    server.parts[0] = (struct weir_iovec){"HEA", 3};
    server.parts[1] = (struct weir_iovec){NULL, 0};
    server.parts[2] = (struct weir_iovec){"DERS", 4};
    open_pair(&server, &client);
    on_actor(server.actor, send_header_and_range, &server);
    on_actor(client.actor, collect_on_actor, &client);
    wait_for(env, &server.has_written);
    wait_for(env, &client.has_read);
    ck_assert_int_eq(server.write_result, HEADER + RANGE);
    ck_assert_mem_eq(found, "HEADERS", HEADER);
    ck_assert_mem_eq(found + HEADER, content + FROM, RANGE);
    close_pair(&server, &client);
    weir_file_close(server.file);
    close_env();
}
END_TEST

/* ---- sharing a port -------------------------------------------------------------------------- */

enum { SHARERS = 3, CALLERS = 30 };

static struct end sharer(const char *address, bool is_first)
{
    struct end made = {.is_shared = true, .is_first = is_first};
    snprintf(made.address, sizeof made.address, "%s", address);
    return made;
}

static void count_call(struct end *end)
{
    end->call_count++;
    weir_socket_close(end->socket);
    end->socket = NULL;
}

static void connect_and_await_end(struct end *client, const char *address)
{
    snprintf(client->address, sizeof client->address, "%s", address);
    on_actor(client->actor, end_connect, client);
    ck_ok(client->rc, &error);
    wait_for(env, &client->has_opened);
    ck_assert_int_eq(client->connect_result, 0);
    on_actor(client->actor, end_read_once, client);
    wait_for(env, &client->has_read);
    ck_assert_int_eq(client->read_result, 0);
}

/* Listeners of several actors at one port: each connection comes to exactly one of them; the simulator
 * deals them out in turn. */
START_TEST(sharers_of_a_port_divide_the_connections)
{
    struct end servers[SHARERS];
    struct end clients[CALLERS] = {{0}};
    open_env(_i);
    struct weir_actor *caller = start(env, "client");
    for (int i = 0; i < SHARERS; i++) {
        servers[i] = sharer(i == 0 ? "127.0.0.1:0" : servers[0].listener->address, i == 0);
        servers[i].on_open = count_call;
        servers[i].actor = start(env, "server");
        on_actor(servers[i].actor, end_listen, &servers[i]);
        ck_ok(servers[i].rc, &error);
        ck_assert_str_eq(servers[i].listener->address, servers[0].listener->address);
    }
    for (int i = 0; i < CALLERS; i++) {
        clients[i].actor = caller;
        connect_and_await_end(&clients[i], servers[0].listener->address);
        on_actor(caller, end_close, &clients[i]);
    }
    int total = 0;
    for (int i = 0; i < SHARERS; i++) {
        on_actor(servers[i].actor, end_close, &servers[i]);
        total += servers[i].call_count;
        if (_i == SIMULATED) ck_assert_int_eq(servers[i].call_count, CALLERS / SHARERS);
        weir_actor_stop(servers[i].actor);
    }
    ck_assert_int_eq(total, CALLERS);
    weir_actor_stop(caller);
    close_env();
}
END_TEST

/* A second family, and a listener that shares with nobody, are refused at a port that is shared; a
 * sharer does not join one that is not. */
START_TEST(a_second_family_is_refused)
{
    open_env(_i);
    struct weir_actor *actor = start(env, "server");
    for (int first_shares = 0; first_shares < 2; first_shares++) {
        struct end first = sharer("127.0.0.1:0", true);
        first.is_shared = first_shares != 0;
        first.actor = actor;
        on_actor(actor, end_listen, &first);
        ck_ok(first.rc, &error);
        for (int kind = 0; kind < 3; kind++) {
            struct end second = sharer(first.listener->address, kind == 1);
            second.actor = actor;
            second.is_shared = kind != 0;
            on_actor(actor, end_listen, &second);
            bool may_join = first_shares != 0 && kind == 2;
            ck_assert_int_eq(second.rc, may_join ? 0 : WEIR_LOCKED);
            on_actor(actor, end_close, &second);
        }
        on_actor(actor, end_close, &first);
    }
    weir_actor_stop(actor);
    close_env();
}
END_TEST

/* ---- addresses, keepalive -------------------------------------------------------------------- */

/* Both ends know their own address; the accepted one's is what the peer connected to. */
START_TEST(a_connection_knows_its_own_address)
{
    struct end server = {0};
    struct end client = {0};
    open_env(_i);
    open_pair(&server, &client);
    ck_assert_str_eq(server.socket->local, client.address);
    ck_assert_str_ne(client.socket->local, "");
    if (_i == REAL) ck_assert_str_eq(client.socket->local, server.socket->peer);
    close_pair(&server, &client);
    close_env();
}
END_TEST

/* Who comes by IPv4 to a listener at [::] is shown by his IPv4 address. */
START_TEST(an_ipv4_caller_is_shown_as_such)
{
    struct end server = sharer("[::]:0", true);
    struct end client = {0};
    open_env(REAL);
    server.actor = start(env, "server");
    client.actor = start(env, "client");
    on_actor(server.actor, end_listen, &server);
    if (server.rc == 0) { /* where there is IPv6 at all */
        const char *port = strrchr(server.listener->address, ':');
        snprintf(client.address, sizeof client.address, "127.0.0.1%s", port);
        on_actor(client.actor, end_connect, &client);
        wait_for(env, &client.has_opened);
        wait_for(env, &server.has_opened);
        ck_assert_str_eq(server.socket->local, client.address);
        ck_assert_int_eq(strncmp(server.socket->peer, "127.0.0.1:", 10), 0);
    }
    close_pair(&server, &client);
    close_env();
}
END_TEST

/* The line of /proc/net/tcp about the connection from `local_port` to `peer_port`; its timer. */
static unsigned timer_of(unsigned local_port, unsigned peer_port)
{
    char line[512];
    unsigned timer = 0;
    FILE *table = fopen("/proc/net/tcp", "r");
    while (table != NULL && fgets(line, sizeof line, table) != NULL) {
        unsigned local;
        unsigned peer;
        unsigned kind;
        if (sscanf(line, "%*d: %*x:%x %*x:%x %*x %*x:%*x %x", &local, &peer, &kind) != 3) continue;
        if (local == local_port && peer == peer_port) timer = kind;
    }
    if (table != NULL) fclose(table);
    return timer;
}

static unsigned port_of(const char *address)
{
    return (unsigned)atoi(strrchr(address, ':') + 1);
}

/* The system asks after an accepted connection that is silent: what it inherited from its listener. */
START_TEST(an_accepted_connection_is_kept_alive)
{
    enum { KEEPALIVE_TIMER = 2 };
    struct end server = {0};
    struct end client = {0};
    open_env(REAL);
    open_pair(&server, &client);
    unsigned server_port = port_of(server.socket->local);
    unsigned client_port = port_of(server.socket->peer);
    ck_assert_uint_eq(timer_of(server_port, client_port), KEEPALIVE_TIMER);
    close_pair(&server, &client);
    close_env();
}
END_TEST

static void add(Suite *suite)
{
    TCase *both = tcase_create("both environments");
    tcase_add_loop_test(both, waiting_gives_no_bytes_away, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, waiting_and_reading_take_turns, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, waiting_ends_at_the_end_of_the_stream, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, waiting_ends_at_a_reset, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, bytes_that_nobody_waits_for_are_kept, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, a_range_follows_its_header, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, sharers_of_a_port_divide_the_connections, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, a_second_family_is_refused, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, a_connection_knows_its_own_address, 0, ENVIRONMENTS);
    suite_add_tcase(suite, both);

    TCase *one = tcase_create("one environment");
    tcase_add_test(one, an_ipv4_caller_is_shown_as_such);
    tcase_add_test(one, an_accepted_connection_is_kept_alive);
    suite_add_tcase(suite, one);
}

int main(void)
{
    return weir_test_main("env_socket_server", add);
}
