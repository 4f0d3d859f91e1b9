/* What a connection may cost: limits, deadlines, memory. RELIABILITY.md 2.2, N1, N2, N8, N9. */
#include <stdio.h>
#include <string.h>

#include "server/server_internal.h"
#include "tests/unit/server/server_fixture.h"
#include "wire/error_codes.h"
#include "wire/generated/api_versions_request.h"
#include "wire/generated/api_versions_response.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/fetch_response.h"

static struct weir_env *client_env(struct server_stage *stage)
{
    return weir_sim_node(stage->engine.sim, 1);
}

static const char *address(const struct server_stage *stage)
{
    return weir_server_address(stage->server);
}

/* An ApiVersions request in version 0. */
static const uint8_t question[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff};

static void expect_service(struct raw_client *client)
{
    raw_send(client, question, sizeof question);
    ck_assert_ptr_nonnull(raw_frame(client).data);
}

/* The server closes it without a word. */
static void expect_refusal(struct server_stage *stage)
{
    struct raw_client client;
    raw_open(&client, client_env(stage), address(stage));
    ck_assert_uint_eq(raw_wait_end(&client), 0);
    raw_close(&client);
}

static bool is_gone(void *context)
{
    struct weir_server_metrics metrics;
    weir_server_metrics(context, &metrics);
    return metrics.connections == 0;
}

/* ---- limits ---------------------------------------------------------------------------------- */

/* Over max.connections a connection is closed at once; when one leaves there is room again. */
START_TEST(connections_over_the_limit_are_refused)
{
    struct server_stage stage;
    struct raw_client second;
    server_init(&stage, 1);
    server_config(&stage, "max.connections", "2");
    server_open(&stage);
    raw_open(&second, client_env(&stage), address(&stage));
    expect_service(&second);
    expect_refusal(&stage);
    expect_refusal(&stage);
    expect_service(&stage.client);
    ck_assert_int_eq(server_metrics(&stage).connections_refused, 2);
    ck_assert_int_eq(server_metrics(&stage).connections, 2);
    raw_close(&second);
    weir_sim_advance_ms(stage.engine.sim, 100);
    raw_open(&second, client_env(&stage), address(&stage));
    expect_service(&second);
    raw_close(&second);
    server_end(&stage);
}
END_TEST

/* The same for one host, over all shards; another host is let in. */
START_TEST(connections_of_one_host_are_limited)
{
    struct server_stage stage;
    struct raw_client other;
    server_init(&stage, 2);
    stage.engine.options.shard_count = 3;
    server_config(&stage, "max.connections.per.ip", "1");
    server_open(&stage);
    expect_service(&stage.client);
    expect_refusal(&stage);
    expect_refusal(&stage);
    raw_open(&other, weir_sim_node(stage.engine.sim, 2), address(&stage));
    expect_service(&other);
    ck_assert_int_eq(server_metrics(&stage).connections_refused, 2);
    raw_close(&other);
    raw_close(&stage.client);
    weir_sim_advance_ms(stage.engine.sim, 100);
    raw_open(&stage.client, client_env(&stage), address(&stage));
    expect_service(&stage.client);
    server_end(&stage);
}
END_TEST

/* A request of four million empty strings, which would be sixteen times as large decoded, ends its
 * connection instead of taking the memory; large requests that are large by records are served. */
START_TEST(a_request_of_nothing_but_structs_is_refused)
{
    enum { COUNT = 4000000 };
    static const uint8_t head[] = {0, 32, 0, 4,  0, 0, 0, 1, 0xff, 0xff, 0, /* DescribeConfigs 4 */
                                   2, 4,  2, '0'};
    static const uint8_t tail[] = {0, 0, 0, 0};
    struct server_stage stage;
    struct weir_buffer bytes;
    uint8_t varint[10];
    server_begin(&stage, 1);
    weir_buffer_init(&bytes, &stage.budget, 0);
    size_t varint_size = weir_varint_store(varint, COUNT + 1);
    weir_buffer_u32(&bytes, (uint32_t)(sizeof head + varint_size + COUNT + sizeof tail));
    weir_buffer_append(&bytes, head, sizeof head);
    weir_buffer_append(&bytes, varint, varint_size);
    memset(weir_buffer_extend(&bytes, COUNT), 1, COUNT);
    weir_buffer_append(&bytes, tail, sizeof tail);
    raw_send_and_leave(&stage.client, bytes.data, bytes.size);
    server_expect_end(&stage);
    ck_assert_uint_lt(stage.engine.env->budget->peak, 64 * 1024 * 1024);
    weir_buffer_close(&bytes);
    server_end(&stage);
}
END_TEST

/* Many who ask for all groups at once, and do not read the answers, have a bound together: those above it wait. Nobody else
 * notices, and who waits is served when there is room. */
START_TEST(large_answers_are_held_at_a_bound)
{
    enum { GROUPS = 1000, NAME_SIZE = 400, ASKERS = 150, MIB = 1024 * 1024 };
    static const uint8_t all_groups[] = {0, 0, 0, 10, 0, 16, 0, 0, 0, 0, 0, 1, 0xff, 0xff};
    static struct raw_client askers[ASKERS];
    struct server_stage stage;
    struct raw_client waiting;
    server_begin(&stage, 1);
    ck_ok(engine_create(&stage.engine, "orders", 1), &stage.engine.error);
    for (int i = 0; i < GROUPS; i++) {
        char name[NAME_SIZE + 1];
        (void)snprintf(name, sizeof name, "%0*d", NAME_SIZE, i);
        ck_ok(engine_commit(&stage.engine, name, "orders", 0, 0), &stage.engine.error);
    }
    for (int i = 0; i < ASKERS; i++)
        raw_open_deaf(&askers[i], client_env(&stage), address(&stage));
    raw_open(&waiting, client_env(&stage), address(&stage));
    struct weir_budget *all = stage.engine.env->budget;
    size_t before = all->used;
    all->peak = before;
    for (int i = 0; i < ASKERS; i++)
        raw_send_and_leave(&askers[i], all_groups, sizeof all_groups);
    weir_sim_advance_ms(stage.engine.sim, 1000);
    ck_assert_uint_gt(all->peak - before, 16 * MIB);
    ck_assert_uint_lt(all->peak - before, 40 * MIB);
    expect_service(&stage.client);
    raw_send(&waiting, all_groups, sizeof all_groups);
    weir_sim_advance_ms(stage.engine.sim, 1000);
    ck_assert_uint_eq(atomic_load(&waiting.received), 0);
    for (int i = 0; i < ASKERS; i++)
        raw_close(&askers[i]);
    ck_assert_uint_gt(raw_frame(&waiting).size, GROUPS * NAME_SIZE);
    ck_assert_uint_lt(all->peak - before, 40 * MIB);
    raw_close(&waiting);
    server_end(&stage);
}
END_TEST

/* Who asks for one while others wait stands behind them: a client that has its next one in line already does not keep out
 * who asks once. */
START_TEST(large_answers_are_begun_in_the_order_they_were_asked_for)
{
    enum { ALL = 4 }; /* that may be with their handlers */
    static struct weir_server_part part;
    struct weir_connection first = {.part = &part}, second = {.part = &part},
                           greedy = {.part = &part};
    part.large_count = ALL;
    ck_assert(!weir_connection_may_begin_large(&first));
    ck_assert(!weir_connection_may_begin_large(&second));
    part.large_count--;
    ck_assert(!weir_connection_may_begin_large(&greedy));
    ck_assert(weir_part_wake_large(&part));
    ck_assert(weir_connection_may_begin_large(&first));
    part.large_count++;
    ck_assert(!weir_part_wake_large(&part));
    part.large_count--;
    ck_assert(weir_part_wake_large(&part));
    part.large_count++; /* the room is gone again before the second one runs: it does not begin anew */
    ck_assert(!weir_connection_may_begin_large(&second));
    part.large_count--;
    ck_assert(!weir_connection_may_begin_large(&greedy));
    ck_assert(weir_connection_may_begin_large(&second));
    ck_assert(weir_connection_may_begin_large(&greedy));
    ck_assert(!weir_part_wake_large(&part));
}
END_TEST

/* ---- deadlines ------------------------------------------------------------------------------- */

/* Who says nothing for connections.max.idle.ms is closed, who asks now and then is not. */
START_TEST(an_idle_connection_is_closed)
{
    struct server_stage stage;
    struct raw_client busy;
    server_init(&stage, 3);
    server_config(&stage, "connections.max.idle.ms", "10000");
    server_open(&stage);
    raw_open(&busy, client_env(&stage), address(&stage));
    for (int i = 0; i < 4; i++) {
        weir_sim_advance_ms(stage.engine.sim, 5000);
        expect_service(&busy);
    }
    ck_assert(raw_has_ended(&stage.client));
    ck_assert_int_eq(server_metrics(&stage).connections, 1);
    ck_assert_int_eq(server_metrics(&stage).connections_killed, 0);
    raw_close(&busy);
    server_end(&stage);
}
END_TEST

/* A frame that stands still is cut off at its deadline, wherever it stands. */
START_TEST(a_frame_that_stands_still_is_cut_off)
{
    static const size_t stops[] = {1, 4, 5, 13};
    struct server_stage stage;
    server_init(&stage, 4);
    server_config(&stage, "request.read.timeout.ms", "2000");
    server_open(&stage);
    int64_t killed = 0;
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        struct raw_client slow;
        raw_open(&slow, client_env(&stage), address(&stage));
        expect_service(&slow);
        raw_send(&slow, question, stops[i]);
        weir_sim_advance_ms(stage.engine.sim, 1900);
        ck_assert(!raw_has_ended(&slow));
        weir_sim_advance_ms(stage.engine.sim, 400);
        ck_assert(raw_has_ended(&slow));
        ck_assert_int_eq(server_metrics(&stage).connections_killed, ++killed);
        raw_close(&slow);
    }
    expect_service(&stage.client);
    server_end(&stage);
}
END_TEST

/* ---- many bad ones --------------------------------------------------------------------------- */

enum { MANY = 1000 };

/* A thousand that have promised 50 MB each and send a byte now and then cost what they sent, and
 * somebody else is served meanwhile. */
START_TEST(slow_senders_cost_what_they_send)
{
    static struct raw_client slow[MANY];
    static uint8_t start[1000] = {3, 0, 0, 0, 0, 0, 0, 8}; /* 50331648 bytes of a Produce 8 */
    struct server_stage stage;
    server_begin(&stage, 5);
    for (int i = 0; i < MANY; i++) {
        raw_open_deaf(&slow[i], client_env(&stage), address(&stage));
        raw_send(&slow[i], start, sizeof start);
    }
    expect_service(&stage.client);
    struct weir_server_metrics metrics = server_metrics(&stage);
    ck_assert_int_eq(metrics.connections, MANY + 1);
    ck_assert_int_lt(metrics.memory_bytes, 24LL * 1024 * MANY);
    weir_sim_advance_ms(stage.engine.sim, 20000);
    expect_service(&stage.client);
    weir_sim_advance_ms(stage.engine.sim, 12000);
    metrics = server_metrics(&stage);
    ck_assert_int_eq(metrics.connections_killed, MANY);
    for (int i = 0; i < MANY; i++) {
        raw_close(&slow[i]);
    }
    server_end(&stage);
}
END_TEST

/* Clients that ask and never read are held at a bound, and cut off when nothing moves. */
START_TEST(clients_that_never_read_are_held_at_a_bound)
{
    enum { DEAF = 200, QUESTIONS = 20000 };
    static struct raw_client deaf[DEAF];
    static uint8_t questions[QUESTIONS * sizeof question];
    struct server_stage stage;
    for (size_t i = 0; i < QUESTIONS; i++) {
        memcpy(questions + i * sizeof question, question, sizeof question);
    }
    server_begin(&stage, 6);
    for (int i = 0; i < DEAF; i++) {
        raw_open_deaf(&deaf[i], client_env(&stage), address(&stage));
        raw_send_and_leave(&deaf[i], questions, sizeof questions);
    }
    weir_sim_advance_ms(stage.engine.sim, 20000);
    expect_service(&stage.client);
    struct weir_server_metrics metrics = server_metrics(&stage);
    ck_assert_int_eq(metrics.connections, DEAF + 1);
    /* What was read last, and as much again of requests and answers. */
    ck_assert_int_lt(metrics.memory_bytes, (64LL + 80) * 1024 * DEAF);
    ck_assert_int_lt(metrics.requests, QUESTIONS * (int64_t)DEAF);
    weir_sim_advance_ms(stage.engine.sim, 40000);
    metrics = server_metrics(&stage);
    ck_assert_int_eq(metrics.connections_killed, DEAF);
    for (int i = 0; i < DEAF; i++) {
        raw_close(&deaf[i]);
    }
    expect_service(&stage.client);
    server_end(&stage);
}
END_TEST

/* With queued.max.request.bytes taken by frames that stand still, a small request is served at once;
 * a large one waits for a while, then the frames that have stood still for longest make room for it,
 * and no more of them than that takes. */
START_TEST(room_for_frames_is_waited_for)
{
    enum { HOGS = 9 };
    struct server_stage stage;
    struct raw_client hogs[HOGS];
    static uint8_t start[100000] = {0, 1, 0xff, 0xf0, 0, 0, 0, 8}; /* of 131056 bytes */
    static uint8_t large[4 + 90000] = {0, 1, 0x5f, 0x90, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff};
    server_init(&stage, 7);
    server_config(&stage, "socket.request.max.bytes", "1000000");
    server_config(&stage, "queued.max.request.bytes", "1048576");
    server_open(&stage);
    for (int i = 0; i < HOGS; i++) {
        raw_open(&hogs[i], client_env(&stage), address(&stage));
        expect_service(&hogs[i]); /* trusted with 128 KiB after it */
        raw_send_and_leave(&hogs[i], start, sizeof start);
    }
    weir_sim_advance_ms(stage.engine.sim, 100);
    ck_assert_int_le(server_metrics(&stage).memory_bytes, 1048576 + 512 * 1024);
    int64_t before = weir_sim_now_ns(stage.engine.sim);
    expect_service(&stage.client); /* though the ninth waits for room */
    ck_assert_int_eq(server_metrics(&stage).connections_killed, 0);
    raw_send(&stage.client, large, sizeof large); /* behind the ninth */
    ck_assert_ptr_nonnull(raw_frame(&stage.client).data);
    ck_assert_int_lt(weir_sim_now_ns(stage.engine.sim) - before, 5000000000);
    ck_assert(raw_has_ended(&hogs[0]));
    ck_assert(!raw_has_ended(&hogs[4]));
    ck_assert_int_eq(server_metrics(&stage).connections_killed, 2);
    for (int i = 0; i < HOGS; i++) {
        raw_close(&hogs[i]);
    }
    server_end(&stage);
}
END_TEST

/* ---- parked ---------------------------------------------------------------------------------- */

static struct weir_wire_fetch_request_fetch_partition partition;
static struct weir_wire_fetch_request_fetch_topic topic;

/* Fetch 11 from the end of "t", which waits for `wait_ms`. */
static struct weir_wire_fetch_request waiting_fetch(int32_t wait_ms)
{
    struct weir_wire_fetch_request request;
    weir_wire_fetch_request_init(&request);
    partition = (struct weir_wire_fetch_request_fetch_partition){
        .current_leader_epoch = -1,
        .last_fetched_epoch = -1,
        .log_start_offset = -1,
        .partition_max_bytes = 1000,
    };
    topic = (struct weir_wire_fetch_request_fetch_topic){
        .topic = weir_text("t"), .partitions = &partition, .partitions_count = 1};
    request.max_wait_ms = wait_ms;
    request.min_bytes = 1;
    request.max_bytes = 1000;
    request.session_epoch = -1;
    request.topics = &topic;
    request.topics_count = 1;
    return request;
}

/* A parked fetch parks what is behind it on its connection, and nobody else. */
START_TEST(a_parked_fetch_keeps_the_order)
{
    struct server_stage stage;
    struct raw_client other;
    struct weir_wire_fetch_response response;
    struct weir_wire_fetch_request request = waiting_fetch(5000);
    server_begin(&stage, 8);
    ck_ok(engine_create(&stage.engine, "t", 1), NULL);
    int32_t id = server_send(&stage, &weir_wire_fetch_request_type, 11, &request);
    raw_send(&stage.client, question, sizeof question);
    weir_sim_advance_ms(stage.engine.sim, 1000);
    ck_assert_uint_eq(atomic_load(&stage.client.received), 0);
    ck_assert_int_eq(server_metrics(&stage).fetches_parked, 1);
    ck_assert_int_eq(server_metrics(&stage).requests_in_flight, 2);
    raw_open(&other, client_env(&stage), address(&stage));
    expect_service(&other);
    raw_close(&other);
    server_receive(&stage, &weir_wire_fetch_response_type, 11, id, &response);
    ck_assert_int_eq(response.error_code, WEIR_WIRE_NONE);
    ck_assert_uint_eq(raw_frame(&stage.client).size, 6 + 4 + 42 * 6);
    ck_assert_int_eq(server_metrics(&stage).fetches_parked, 0);
    server_end(&stage);
}
END_TEST

/* A client that leaves takes its parked fetch along. */
START_TEST(a_client_that_leaves_unparks_its_fetch)
{
    struct server_stage stage;
    struct weir_wire_fetch_request request = waiting_fetch(100000);
    server_begin(&stage, 9);
    ck_ok(engine_create(&stage.engine, "t", 1), NULL);
    (void)server_send(&stage, &weir_wire_fetch_request_type, 11, &request);
    weir_sim_advance_ms(stage.engine.sim, 100);
    ck_assert_int_eq(server_metrics(&stage).fetches_parked, 1);
    raw_close(&stage.client);
    weir_sim_advance_ms(stage.engine.sim, 100);
    ck_assert_int_eq(server_metrics(&stage).fetches_parked, 0);
    ck_assert_int_eq(server_metrics(&stage).requests_in_flight, 0);
    ck_assert(is_gone(stage.server));
    server_end(&stage);
}
END_TEST

/* Closing answers what is parked and does not wait for its time. */
START_TEST(a_close_does_not_wait_for_parked_fetches)
{
    struct server_stage stage;
    struct weir_wire_fetch_request request = waiting_fetch(100000);
    server_begin(&stage, 10);
    ck_ok(engine_create(&stage.engine, "t", 1), NULL);
    (void)server_send(&stage, &weir_wire_fetch_request_type, 11, &request);
    weir_sim_advance_ms(stage.engine.sim, 100);
    int64_t before = weir_sim_now_ns(stage.engine.sim);
    weir_server_close(stage.server);
    stage.server = NULL;
    ck_assert_int_lt(weir_sim_now_ns(stage.engine.sim) - before, 1000000000);
    (void)raw_wait_end(&stage.client);
    server_end(&stage);
}
END_TEST

/* A client that has filled its line behind a parked fetch is not read from, so its leaving is not
 * seen: then all of it goes when the fetch's time is over. */
START_TEST(what_a_paused_client_leaves_behind_goes_with_its_fetch)
{
    struct server_stage stage;
    struct weir_wire_fetch_request request = waiting_fetch(3600000);
    server_init(&stage, 13);
    server_config(&stage, "fetch.max.wait.ms", "5000");
    server_config(&stage, "max.in.flight.requests.per.connection", "4");
    server_open(&stage);
    ck_ok(engine_create(&stage.engine, "t", 1), NULL);
    (void)server_send(&stage, &weir_wire_fetch_request_type, 11, &request);
    for (int i = 0; i < 10; i++) {
        raw_send(&stage.client, question, sizeof question);
    }
    weir_sim_advance_ms(stage.engine.sim, 100);
    raw_close(&stage.client);
    weir_sim_advance_ms(stage.engine.sim, 6000);
    ck_assert(is_gone(stage.server));
    ck_assert_int_eq(server_metrics(&stage).fetches_parked, 0);
    ck_assert_int_eq(server_metrics(&stage).requests_in_flight, 0);
    server_end(&stage);
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

/* A round that has been done before takes no more memory. */
START_TEST(memory_returns_to_what_it_was)
{
    struct server_stage stage;
    int64_t after[10];
    server_begin(&stage, 11);
    for (int round = 0; round < 10; round++) {
        static struct raw_client clients[50];
        for (int i = 0; i < 50; i++) {
            raw_open(&clients[i], client_env(&stage), address(&stage));
            expect_service(&clients[i]);
        }
        for (int i = 0; i < 50; i++) {
            raw_close(&clients[i]);
        }
        weir_sim_advance_ms(stage.engine.sim, 1000);
        after[round] = server_metrics(&stage).memory_bytes;
    }
    ck_assert_int_le(after[9], after[0] + 256 * 1024); /* what pools keep varies a little */
    server_end(&stage);
}
END_TEST

/* Whichever allocation fails while a client comes, asks and leaves: it is served or closed, the
 * next one is served, and nothing leaks (closing the server checks its budget). */
START_TEST(any_allocation_may_fail)
{
    struct server_stage stage;
    bool has_failed = true;
    server_begin(&stage, 12);
    raw_close(&stage.client);
    for (uint64_t nth = 1; has_failed; nth++) {
        struct raw_client client;
        struct weir_heap *heap = stage.engine.env->heap;
        ck_assert_uint_lt(nth, 200);
        raw_open(&client, client_env(&stage), address(&stage));
        weir_sim_advance_ms(stage.engine.sim, 10);
        heap->fail_at = nth;
        raw_send(&client, question, sizeof question);
        (void)raw_frame(&client);
        weir_sim_advance_ms(stage.engine.sim, 10);
        has_failed = heap->fail_at == 0;
        heap->fail_at = 0;
        raw_close(&client);
        raw_open(&client, client_env(&stage), address(&stage));
        expect_service(&client);
        raw_close(&client);
        weir_sim_advance_ms(stage.engine.sim, 10);
    }
    ck_assert_int_eq(server_metrics(&stage).connections, 0);
    raw_open(&stage.client, client_env(&stage), address(&stage));
    server_end(&stage);
}
END_TEST

static void count_bounded(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)level;
    (void)size;
    if (strstr(line, "server.connections_bounded") != NULL) ++*(int *)context;
}

/* Descriptors that do not do for what was asked for are said at the start; a little less than the default is not. */
START_TEST(a_shortage_of_descriptors_is_said)
{
    static const struct {
        int left;                /* descriptors, beside those of segments */
        const char *connections; /* NULL: the default of 10,000 */
        int said;
    } rows[] = {
        {20000, NULL, 0}, {9000, NULL, 0}, {4000, NULL, 1}, {9000, "9500", 1}, {9000, "8000", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct server_stage stage;
        int said = 0;
        server_init(&stage, 1);
        struct weir_env *env = weir_sim_node(stage.engine.sim, 0);
        env->logger = (struct weir_logger){count_bounded, &said, WEIR_LOG_INFO};
        stage.engine.options.segment_files_max =
            (int32_t)(weir_descriptor_limit(env) - rows[i].left);
        if (rows[i].connections != NULL) {
            server_config(&stage, "max.connections", rows[i].connections);
        }
        server_open(&stage);
        ck_assert_msg(said == rows[i].said, "%zu: %d", i, said);
        server_end(&stage);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *limits = tcase_create("limits");
    tcase_add_test(limits, connections_over_the_limit_are_refused);
    tcase_add_test(limits, connections_of_one_host_are_limited);
    tcase_add_test(limits, a_shortage_of_descriptors_is_said);
    tcase_add_test(limits, a_request_of_nothing_but_structs_is_refused);
    suite_add_tcase(suite, limits);
    TCase *deadlines = tcase_create("deadlines");
    tcase_add_test(deadlines, an_idle_connection_is_closed);
    tcase_add_test(deadlines, a_frame_that_stands_still_is_cut_off);
    suite_add_tcase(suite, deadlines);
    TCase *many = tcase_create("many");
    tcase_add_test(many, slow_senders_cost_what_they_send);
    tcase_add_test(many, clients_that_never_read_are_held_at_a_bound);
    tcase_add_test(many, room_for_frames_is_waited_for);
    tcase_add_test(many, large_answers_are_held_at_a_bound);
    tcase_add_test(many, large_answers_are_begun_in_the_order_they_were_asked_for);
    suite_add_tcase(suite, many);
    TCase *parked = tcase_create("parked");
    tcase_add_test(parked, a_parked_fetch_keeps_the_order);
    tcase_add_test(parked, a_client_that_leaves_unparks_its_fetch);
    tcase_add_test(parked, what_a_paused_client_leaves_behind_goes_with_its_fetch);
    tcase_add_test(parked, a_close_does_not_wait_for_parked_fetches);
    suite_add_tcase(suite, parked);
    TCase *memory = tcase_create("memory");
    tcase_add_test(memory, memory_returns_to_what_it_was);
    tcase_add_test(memory, any_allocation_may_fail);
    suite_add_tcase(suite, memory);
}

int main(void)
{
    return weir_test_main("server bounds", add);
}
