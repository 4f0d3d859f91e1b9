/* A client's connection, against a server that says what a test wants. Loop 0 is the real environment,
 * loop 1 the simulated one. */
#include "wire/peer/remote.h"
#include "wire/peer/remote_session.h"
#include "tests/unit/base/env/socket_ends.h"
#include "tests/unit/wire/peer/fake_server.h"
#include "wire/generated/metadata_request.h"
#include "wire/generated/metadata_response.h"
#include "wire/generated/produce_request.h"
#include "wire/generated/request_header.h"

enum { CALLS = 5 };

struct client {
    struct weir_actor *actor;
    struct weir_remote *remote;
    struct weir_remote_options options;
    int rc;
    struct weir_error error;
    int changes;
    int change_rc;
    struct weir_error change_error;
    struct weir_remote_call calls[CALLS];
    struct weir_wire_metadata_request request;
    int order[CALLS]; /* of the calls that are done, with their codes and answers */
    int codes[CALLS];
    int32_t controllers[CALLS];
    int done_count;
    bool closes_when_done;
    _Atomic bool has_changed;
    _Atomic bool is_done;
};

static struct fake_server server;
static struct client client;

/* ---- the client's side ----------------------------------------------------------------------- */

static void changed(void *context, int rc, const struct weir_error *change_error)
{
    struct client *of = context;
    of->changes++;
    of->change_rc = rc;
    if (change_error != NULL) of->change_error = *change_error;
    set_and_signal(of->actor->env, &of->has_changed);
}

static void close_client(void *context)
{
    struct client *of = context;
    weir_remote_close(of->remote);
    of->remote = NULL;
}

static void call_done(struct weir_remote_call *call, int rc, const void *response)
{
    struct client *of = call->context;
    const struct weir_wire_metadata_response *metadata = response;
    of->order[of->done_count] = (int)(call - of->calls);
    of->codes[of->done_count] = rc;
    of->controllers[of->done_count] = metadata != NULL ? metadata->controller_id : -1;
    of->done_count++;
    if (of->closes_when_done) close_client(of);
    if (of->done_count == CALLS || of->closes_when_done) {
        set_and_signal(of->actor->env, &of->is_done);
    }
}

static void open_client(void *context)
{
    struct client *of = context;
    of->options.actor = of->actor;
    of->options.budget = of->actor->env->budget;
    of->options.address = server.address;
    of->options.changed = changed;
    of->options.context = of;
    of->rc = weir_remote_open(&of->options, &of->remote, &of->error);
}

/* All of them at once. */
static void call_all(void *context)
{
    struct client *of = context;
    weir_wire_metadata_request_init(&of->request);
    for (int i = 0; i < CALLS; i++) {
        of->calls[i] = (struct weir_remote_call){
            .request_type = &weir_wire_metadata_request_type,
            .response_type = &weir_wire_metadata_response_type,
            .version = i == 1 ? 1 : -1, /* one that is not flexible */
            .request = &of->request,
            .done = call_done,
            .context = of,
        };
        of->rc = weir_remote_call(of->remote, &of->calls[i], &of->error);
        if (of->rc < 0) return;
    }
}

static void get_version(void *context)
{
    struct client *of = context;
    of->rc = weir_remote_version(of->remote, &weir_wire_metadata_request_type);
}

/* ---- the server's side ----------------------------------------------------------------------- */

static void reply_with(struct fake_server *of, struct weir_slice frame, int32_t controller_id,
                       int32_t correlation_id)
{
    struct weir_wire_metadata_response response;
    weir_wire_metadata_response_init(&response);
    response.controller_id = controller_id;
    fake_server_reply(of, frame, &weir_wire_metadata_response_type, &response, correlation_id);
}

static void answer_with_number(struct fake_server *of, struct weir_slice frame)
{
    reply_with(of, frame, 100 + of->request_count, -1);
}

static void answer_the_second_wrongly(struct fake_server *of, struct weir_slice frame)
{
    bool is_second = of->request_count == 2;
    reply_with(of, frame, 0, is_second ? frame_correlation_id(frame) + 7 : -1);
}

static void hang_up_at_the_last(struct fake_server *of, struct weir_slice frame)
{
    (void)frame;
    if (of->request_count < CALLS) return;
    weir_socket_close(of->socket);
    of->socket = NULL;
}

/* A frame of `size` bytes begins; it has no more than its correlation id. */
static void begin_frame(struct fake_server *of, struct weir_slice frame, uint32_t size)
{
    uint8_t head[8];
    weir_store_u32(head, size);
    weir_store_u32(head + 4, (uint32_t)frame_correlation_id(frame));
    weir_buffer_append(&of->out, head, sizeof head);
}

static void answer_endlessly(struct fake_server *of, struct weir_slice frame)
{
    begin_frame(of, frame, 1 << 30);
}

static void answer_as_long_as_can_be(struct fake_server *of, struct weir_slice frame)
{
    begin_frame(of, frame, INT32_MAX);
}

static void answer_longer_than_can_be(struct fake_server *of, struct weir_slice frame)
{
    begin_frame(of, frame, (uint32_t)INT32_MAX + 1);
}

static void answer_with_a_header_alone(struct fake_server *of, struct weir_slice frame)
{
    begin_frame(of, frame, 4);
}

static void answer_with_less_than_a_header(struct fake_server *of, struct weir_slice frame)
{
    begin_frame(of, frame, 3);
}

static void answer_nonsense(struct fake_server *of, struct weir_slice frame)
{
    uint8_t bytes[4 + 4 + 3] = {0, 0, 0, 7, 0, 0, 0, 0, 0xff, 0xff, 0xff};
    weir_store_u32(bytes + 4, (uint32_t)frame_correlation_id(frame));
    weir_buffer_append(&of->out, bytes, sizeof bytes);
}

static void answer_with_an_empty_frame(struct fake_server *of, struct weir_slice frame)
{
    (void)frame;
    static const uint8_t bytes[16] = {0};
    weir_buffer_append(&of->out, bytes, sizeof bytes);
}

static void say_nothing(struct fake_server *of, struct weir_slice frame)
{
    (void)of;
    (void)frame;
}

/* ---- the stage ------------------------------------------------------------------------------- */

static void open_stage(int kind)
{
    open_env(kind);
    server = (struct fake_server){
        .address = "127.0.0.1:0",
        .metadata_version_max = 9,
        .versions_version_max = 4,
        .answer = answer_with_number,
    };
    client = (struct client){.options = {.client_id = "test"}};
    server.actor = start(env, "server");
    client.actor = start(env, "client");
    on_actor(server.actor, fake_server_listen, &server);
    ck_ok(server.rc, &server.error);
}

static void connect_client(void)
{
    on_actor(client.actor, open_client, &client);
    ck_ok(client.rc, &client.error);
    wait_for(env, &client.has_changed);
}

static void call_and_wait(void)
{
    atomic_store(&client.has_changed, false);
    on_actor(client.actor, call_all, &client);
    ck_ok(client.rc, &client.error);
    wait_for(env, &client.is_done);
}

static void close_stage(void)
{
    on_actor(client.actor, close_client, &client);
    on_actor(server.actor, fake_server_close, &server);
    weir_actor_stop(client.actor);
    weir_actor_stop(server.actor);
    close_env();
}

/* The connection is lost with `code`: every call hears of it in order, then the owner, with a text that
 * names server and trouble. */
static void expect_loss(int first, int code, const char *trouble)
{
    wait_for(env, &client.has_changed);
    ck_assert_int_eq(client.done_count, CALLS);
    for (int i = 0; i < CALLS; i++) {
        ck_assert_int_eq(client.order[i], i);
        ck_assert_int_eq(client.codes[i], i < first ? 0 : code);
    }
    ck_assert_int_eq(client.changes, 2);
    ck_assert_int_eq(client.change_rc, code);
    ck_assert_ptr_nonnull(strstr(client.change_error.text, server.address));
    ck_assert_ptr_nonnull(strstr(client.change_error.text, trouble));
    on_actor(client.actor, call_all, &client);
    ck_assert_int_eq(client.rc, WEIR_CLOSED);
}

/* ---- versions -------------------------------------------------------------------------------- */

/* The version of a request is the highest both sides have, and none if the server lacks it. */
START_TEST(both_sides_agree_on_a_version)
{
    static const int16_t theirs[] = {9, 1, -1, 99};
    for (size_t i = 0; i < sizeof theirs / sizeof theirs[0]; i++) {
        open_stage(_i);
        server.metadata_version_max = theirs[i];
        connect_client();
        ck_ok(client.change_rc, &client.change_error);
        on_actor(client.actor, get_version, &client);
        int16_t ours = weir_wire_metadata_request_type.version_max;
        ck_assert_int_eq(client.rc, theirs[i] < ours ? theirs[i] : ours);
        on_actor(client.actor, call_all, &client);
        ck_assert_int_eq(client.rc, theirs[i] < 0 ? WEIR_UNSUPPORTED_VERSION : 0);
        close_stage();
    }
}
END_TEST

/* A server too old for our ApiVersions is asked again in version 0. */
START_TEST(an_old_server_is_asked_in_version_0)
{
    open_stage(_i);
    server.versions_version_max = 2;
    connect_client();
    ck_ok(client.change_rc, &client.change_error);
    ck_assert_int_eq(server.versions_asked_count, 2);
    ck_assert_int_eq(server.versions_asked[1], 0);
    call_and_wait();
    ck_assert_int_eq(client.codes[0], 0);
    close_stage();
}
END_TEST

/* Who skips the negotiation is open at once and asks nothing. */
START_TEST(skipping_versions_asks_for_none)
{
    open_stage(_i);
    client.options.skips_versions = true;
    connect_client();
    ck_ok(client.change_rc, &client.change_error);
    call_and_wait();
    ck_assert_int_eq(server.versions_asked_count, 0);
    ck_assert_int_eq(client.codes[CALLS - 1], 0);
    close_stage();
}
END_TEST

/* ---- calls ----------------------------------------------------------------------------------- */

/* Several calls at once, of flexible and other versions, are answered in order, each with its own
 * answer. */
START_TEST(pipelined_calls_are_answered_in_order)
{
    open_stage(_i);
    if (_i == SIMULATED) { /* a byte at a time, so that frames come in every kind of piece */
        weir_sim_set_link(sim, 0, 0, (struct weir_sim_link){.chunk_max = 1});
    }
    connect_client();
    call_and_wait();
    for (int i = 0; i < CALLS; i++) {
        ck_assert_int_eq(client.order[i], i);
        ck_assert_int_eq(client.codes[i], 0);
        ck_assert_int_eq(client.controllers[i], 101 + i);
    }
    ck_assert_int_eq(client.changes, 1);
    close_stage();
}
END_TEST

static void answer_and_check_header(struct fake_server *of, struct weir_slice frame)
{
    struct weir_request_header header;
    struct weir_arena arena;
    struct weir_reader reader = weir_reader(frame);
    struct weir_wire_metadata_request request;
    int16_t version = frame_version(frame);
    weir_arena_init(&arena, of->actor->env->budget, 0);
    ck_assert_int_eq(weir_request_header_decode(&header, version >= 9 ? 2 : 1, &reader, &arena), 0);
    ck_assert_int_eq((int)header.client_id.size, 4);
    ck_assert_mem_eq(header.client_id.data, "test", 4);
    ck_assert_int_eq(weir_wire_metadata_request_decode(&request, version, &reader, &arena), 0);
    ck_assert_uint_eq(weir_reader_left(&reader), 0);
    weir_arena_close(&arena);
    answer_with_number(of, frame);
}

/* What goes out is a header of the kind that goes with the request's version, and a whole request. */
START_TEST(requests_are_well_formed)
{
    open_stage(_i);
    server.answer = answer_and_check_header;
    connect_client();
    call_and_wait();
    ck_assert_int_eq(client.codes[0], 0);
    ck_assert_int_eq(client.codes[1], 0);
    close_stage();
}
END_TEST

static void answer_metadata_only(struct fake_server *of, struct weir_slice frame)
{
    if (frame_api_key(frame) == weir_wire_metadata_request_type.api_key) {
        answer_with_number(of, frame);
    }
}

static void produce_without_acks(void *context)
{
    static struct weir_wire_produce_request request;
    struct client *of = context;
    weir_wire_produce_request_init(&request);
    for (int i = 0; i < CALLS; i++) {
        of->calls[i] = (struct weir_remote_call){
            .request_type = &weir_wire_produce_request_type,
            .version = 9,
            .request = &request,
            .done = call_done,
            .context = of,
        };
        of->rc = weir_remote_call(of->remote, &of->calls[i], &of->error);
        if (of->rc < 0) return;
    }
    ck_assert_int_eq(of->done_count, 0); /* never from within the call */
}

/* A request that has no answer is done when it is sent, and does not disturb those that have. */
START_TEST(a_call_without_an_answer_is_done)
{
    open_stage(_i);
    server.answer = answer_metadata_only;
    client.options.skips_versions = true;
    connect_client();
    on_actor(client.actor, produce_without_acks, &client);
    ck_ok(client.rc, &client.error);
    wait_for(env, &client.is_done);
    for (int i = 0; i < CALLS; i++) {
        ck_assert_int_eq(client.order[i], i);
        ck_assert_int_eq(client.codes[i], 0);
    }
    client.done_count = 0;
    atomic_store(&client.is_done, false);
    call_and_wait();
    ck_assert_int_eq(client.codes[0], 0);
    ck_assert_int_eq(client.controllers[CALLS - 1], 100 + 2 * CALLS);
    close_stage();
}
END_TEST

/* ---- losses ---------------------------------------------------------------------------------- */

/* Whatever a server does wrong ends the connection: each call hears of it once and in order. */
static const struct {
    void (*answer)(struct fake_server *server, struct weir_slice frame);
    int answered; /* calls before it */
    int code;
    const char *trouble;
} losses[] = {
    {answer_the_second_wrongly, 1, WEIR_CORRUPT, "MetadataRequest"},
    {hang_up_at_the_last, 0, WEIR_DISCONNECTED, ""},
    {answer_endlessly, 0, WEIR_TOO_LARGE, "1073741824 bytes"},
    {answer_as_long_as_can_be, 0, WEIR_TOO_LARGE, "2147483647 bytes"},
    {answer_longer_than_can_be, 0, WEIR_CORRUPT, "2147483648 bytes"},
    {answer_nonsense, 0, WEIR_CORRUPT, "MetadataResponse"},
    {answer_with_a_header_alone, 0, WEIR_CORRUPT, "MetadataResponse"},
    {answer_with_less_than_a_header, 0, WEIR_CORRUPT, "3 bytes"},
    {answer_with_an_empty_frame, 0, WEIR_CORRUPT, "0 bytes"},
};
enum { LOSSES = sizeof losses / sizeof losses[0] };

START_TEST(a_wrong_answer_ends_the_connection)
{
    open_stage(_i / LOSSES);
    server.answer = losses[_i % LOSSES].answer;
    connect_client();
    call_and_wait();
    expect_loss(losses[_i % LOSSES].answered, losses[_i % LOSSES].code,
                losses[_i % LOSSES].trouble);
    close_stage();
}
END_TEST

/* Nobody is there: the owner is told so, by name. */
START_TEST(a_refused_connection_is_told)
{
    open_stage(_i);
    on_actor(server.actor, fake_server_close, &server);
    connect_client();
    ck_assert_int_eq(client.change_rc, WEIR_DISCONNECTED);
    ck_assert_ptr_nonnull(strstr(client.change_error.text, server.address));
    snprintf(server.address, sizeof server.address, "nonsense");
    on_actor(client.actor, close_client, &client);
    on_actor(client.actor, open_client, &client);
    ck_assert_int_eq(client.rc, WEIR_INVALID_ARGUMENT);
    close_stage();
}
END_TEST

/* Closing from within a callback silences the rest, whether an answer or a loss called it. */
START_TEST(closing_within_a_callback_silences_the_rest)
{
    open_stage(_i / 2);
    bool is_lost = _i % 2 == 1;
    server.answer = is_lost ? hang_up_at_the_last : answer_with_number;
    client.closes_when_done = true;
    connect_client();
    call_and_wait();
    ck_assert_int_eq(client.codes[0], is_lost ? WEIR_DISCONNECTED : 0);
    on_actor(client.actor, close_client, &client); /* is closed already */
    ck_assert_int_eq(client.done_count, 1);
    ck_assert_int_eq(client.changes, 1);
    close_stage();
}
END_TEST

/* Memory runs out at each of the client's allocations in turn, until there are no more: the opening, a
 * call or the connection fails with that code, what was under way hears of it, and nothing leaks. */
START_TEST(running_out_of_memory_is_told)
{
    bool went_well = false;
    uint64_t nth = 0;
    while (!went_well) {
        nth++;
        ck_assert_uint_lt(nth, 200);
        open_stage(SIMULATED);
        on_actor(server.actor, fake_server_close, &server);
        weir_actor_stop(server.actor);
        server.actor = start(weir_sim_node(sim, 1), "server"); /* has a memory of its own */
        snprintf(server.address, sizeof server.address, "node-1:9092");
        on_actor(server.actor, fake_server_listen, &server);

        size_t before = atomic_load(&env->budget->used);
        atomic_store(&env->heap->fail_at, nth);
        on_actor(client.actor, open_client, &client);
        if (client.rc == 0) wait_for(env, &client.has_changed);
        if (client.changes > 0 && client.change_rc == 0) {
            on_actor(client.actor, call_all, &client);
            weir_sim_run(sim, NULL, NULL, 0);
        }
        went_well = client.done_count == CALLS && client.codes[CALLS - 1] == 0;
        int told = client.rc < 0 ? client.rc : client.change_rc;
        ck_assert_int_eq(told, went_well ? 0 : WEIR_NO_MEMORY);
        atomic_store(&env->heap->fail_at, 0);
        on_actor(client.actor, close_client, &client);
        ck_assert_uint_eq(atomic_load(&env->budget->used), before);
        close_stage();
    }
    ck_assert_uint_gt(nth, 5); /* there was something to fail */
}
END_TEST

/* ---- sessions -------------------------------------------------------------------------------- */

static int ask_session(struct weir_remote_session *session, struct weir_arena *arena,
                       const struct weir_wire_metadata_response **response_out)
{
    const void *response = NULL;
    struct weir_wire_metadata_request request;
    weir_wire_metadata_request_init(&request);
    struct weir_remote_question question = {
        .request_type = &weir_wire_metadata_request_type,
        .response_type = &weir_wire_metadata_response_type,
        .request = &request,
        .arena = arena,
    };
    int rc = weir_remote_session_call(session, &question, &response, &error);
    if (rc == 0) *response_out = response;
    return rc;
}

static void answer_with_a_name(struct fake_server *of, struct weir_slice frame)
{
    struct weir_wire_metadata_response response;
    weir_wire_metadata_response_init(&response);
    response.cluster_id = weir_text(of->request_count == 1 ? "first" : "second");
    fake_server_reply(of, frame, &weir_wire_metadata_response_type, &response, -1);
}

/* Answers of a session live as long as the caller's arena, and further calls do not touch them. */
START_TEST(a_sessions_answers_are_the_callers)
{
    struct weir_remote_session *session = NULL;
    struct weir_arena arena;
    const struct weir_wire_metadata_response *first = NULL;
    const struct weir_wire_metadata_response *second = NULL;
    open_stage(REAL);
    server.answer = answer_with_a_name;
    struct weir_remote_session_options options = {.address = server.address};
    ck_ok(weir_remote_session_open(&options, &session, &error), &error);
    ck_assert_int_eq(weir_remote_session_version(session, &weir_wire_metadata_request_type), 9);
    weir_arena_init(&arena, weir_remote_session_budget(session), 0);
    ck_ok(ask_session(session, &arena, &first), &error);
    ck_ok(ask_session(session, &arena, &second), &error);
    ck_assert_mem_eq(first->cluster_id.data, "first", 5);
    ck_assert_mem_eq(second->cluster_id.data, "second", 6);
    weir_arena_close(&arena);
    weir_remote_session_close(session);
    close_stage();
}
END_TEST

/* A session whose deadline is missed is over: its text says so, and every call after it the same. */
START_TEST(a_missed_deadline_ends_a_session)
{
    struct weir_remote_session *session = NULL;
    struct weir_arena arena;
    const struct weir_wire_metadata_response *response = NULL;
    open_stage(REAL);
    server.answer = say_nothing;
    struct weir_remote_session_options options = {.address = server.address, .timeout_ms = 30};
    ck_ok(weir_remote_session_open(&options, &session, &error), &error);
    weir_arena_init(&arena, weir_remote_session_budget(session), 0);
    for (int i = 0; i < 2; i++) {
        ck_code(ask_session(session, &arena, &response), WEIR_TIMED_OUT);
        ck_assert_ptr_nonnull(strstr(error.text, server.address));
    }
    ck_assert_ptr_null(response);
    weir_arena_close(&arena);
    weir_remote_session_close(session);
    close_stage();
}
END_TEST

/* A session's loss comes with its text, at the call that meets it and at those that follow. */
START_TEST(a_lost_session_says_why)
{
    struct weir_remote_session *session = NULL;
    struct weir_arena arena;
    const struct weir_wire_metadata_response *response = NULL;
    open_stage(REAL);
    server.answer = answer_nonsense;
    struct weir_remote_session_options options = {.address = server.address};
    ck_ok(weir_remote_session_open(&options, &session, &error), &error);
    weir_arena_init(&arena, weir_remote_session_budget(session), 0);
    for (int i = 0; i < 2; i++) {
        ck_code(ask_session(session, &arena, &response), WEIR_CORRUPT);
        ck_assert_ptr_nonnull(strstr(error.text, "MetadataResponse"));
    }
    weir_arena_close(&arena);
    weir_remote_session_close(session);
    on_actor(server.actor, fake_server_close, &server);
    ck_code(weir_remote_session_open(&options, &session, &error), WEIR_DISCONNECTED);
    close_stage();
}
END_TEST

static void answer_with_the_client(struct fake_server *of, struct weir_slice frame)
{
    struct weir_request_header header;
    struct weir_wire_metadata_response response;
    struct weir_arena arena;
    struct weir_reader reader = weir_reader(frame);
    weir_arena_init(&arena, of->actor->env->budget, 0);
    ck_assert_int_eq(weir_request_header_decode(&header, 2, &reader, &arena), 0);
    weir_wire_metadata_response_init(&response);
    response.cluster_id = header.client_id;
    fake_server_reply(of, frame, &weir_wire_metadata_response_type, &response, -1);
    weir_arena_close(&arena);
}

/* Who asks is said to the server: the caller's name, or ours. */
START_TEST(a_session_says_who_asks)
{
    static const char *const names[][2] = {{NULL, "weir"}, {"fraud", "fraud"}};
    open_stage(REAL);
    server.answer = answer_with_the_client;
    for (size_t i = 0; i < 2; i++) {
        struct weir_remote_session *session = NULL;
        struct weir_arena arena;
        const struct weir_wire_metadata_response *response = NULL;
        struct weir_remote_session_options options = {.address = server.address,
                                                      .client_id = names[i][0]};
        ck_ok(weir_remote_session_open(&options, &session, &error), &error);
        weir_arena_init(&arena, weir_remote_session_budget(session), 0);
        ck_ok(ask_session(session, &arena, &response), &error);
        ck_assert_uint_eq(response->cluster_id.size, strlen(names[i][1]));
        ck_assert_mem_eq(response->cluster_id.data, names[i][1], strlen(names[i][1]));
        weir_arena_close(&arena);
        weir_remote_session_close(session);
        wait_for(env, &server.has_hung_up);
    }
    close_stage();
}
END_TEST

static void answer_at_length(struct fake_server *of, struct weir_slice frame)
{
    static const uint8_t letters[1000];
    struct weir_wire_metadata_response response;
    weir_wire_metadata_response_init(&response);
    response.cluster_id = weir_slice(letters, sizeof letters);
    fake_server_reply(of, frame, &weir_wire_metadata_response_type, &response, -1);
}

/* What a session that allows `size_max` makes of the answer. */
static int ask_with_bound(size_t size_max)
{
    struct weir_remote_session *session = NULL;
    struct weir_arena arena;
    const struct weir_wire_metadata_response *response = NULL;
    struct weir_remote_session_options options = {.address = server.address,
                                                  .response_size_max = size_max};
    ck_ok(weir_remote_session_open(&options, &session, &error), &error);
    weir_arena_init(&arena, weir_remote_session_budget(session), 0);
    int rc = ask_session(session, &arena, &response);
    weir_arena_close(&arena);
    weir_remote_session_close(session);
    wait_for(env, &server.has_hung_up);
    return rc;
}

/* An answer that is larger than the caller allows ends the session, one that is not does not: by
 * a byte. */
START_TEST(a_sessions_answers_have_a_bound)
{
    size_t size = 0;
    open_stage(REAL);
    server.answer = answer_at_length;
    ck_code(ask_with_bound(0), 0);
    ck_code(ask_with_bound(2000), 0);
    ck_code(ask_with_bound(900), WEIR_TOO_LARGE);
    const char *told = strstr(error.text, "an answer of ");
    ck_assert_msg(told != NULL && sscanf(told, "an answer of %zu bytes", &size) == 1, "%s",
                  error.text);
    ck_assert_uint_gt(size, 1000);
    ck_code(ask_with_bound(size), 0);
    ck_code(ask_with_bound(size - 1), WEIR_TOO_LARGE);
    close_stage();
}
END_TEST

static void add(Suite *suite)
{
    TCase *both = tcase_create("both environments");
    tcase_add_loop_test(both, both_sides_agree_on_a_version, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, an_old_server_is_asked_in_version_0, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, skipping_versions_asks_for_none, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, pipelined_calls_are_answered_in_order, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, requests_are_well_formed, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, a_call_without_an_answer_is_done, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, a_wrong_answer_ends_the_connection, 0, ENVIRONMENTS * LOSSES);
    tcase_add_loop_test(both, a_refused_connection_is_told, 0, ENVIRONMENTS);
    tcase_add_loop_test(both, closing_within_a_callback_silences_the_rest, 0, ENVIRONMENTS * 2);
    tcase_add_test(both, running_out_of_memory_is_told);
    suite_add_tcase(suite, both);

    TCase *sessions = tcase_create("sessions");
    tcase_add_test(sessions, a_sessions_answers_are_the_callers);
    tcase_add_test(sessions, a_missed_deadline_ends_a_session);
    tcase_add_test(sessions, a_lost_session_says_why);
    tcase_add_test(sessions, a_session_says_who_asks);
    tcase_add_test(sessions, a_sessions_answers_have_a_bound);
    suite_add_tcase(suite, sessions);
}

int main(void)
{
    return weir_test_main("remote", add);
}
