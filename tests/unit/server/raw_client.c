#include "tests/unit/server/raw_client.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* ---- on the actor ---------------------------------------------------------------------------- */

static int turn(void *impl)
{
    (void)impl;
    return 0;
}

static struct raw_client *client_of(struct weir_message *message)
{
    return (struct raw_client *)((char *)message - offsetof(struct raw_client, message));
}

static void finish(void *context, int64_t result)
{
    struct raw_client *client = context;
    atomic_store(&client->result, result);
    weir_signal(client->env);
}

static void read_on(struct raw_client *client);

static void got(void *context, int64_t result)
{
    struct raw_client *client = context;
    if (result > 0) {
        atomic_fetch_add(&client->received, (size_t)result);
        read_on(client);
    } else {
        atomic_store(&client->end, result == 0 ? 1 : (int)result);
    }
    weir_signal(client->env);
}

static void read_on(struct raw_client *client)
{
    size_t received = atomic_load(&client->received);
    ck_assert_uint_lt(received, RAW_BYTES_MAX);
    weir_socket_read(client->socket, client->bytes + received, RAW_BYTES_MAX - received,
                     (struct weir_socket_done){got, client});
}

static void connected(void *context, int64_t result)
{
    struct raw_client *client = context;
    if (result >= 0 && client->reads) read_on(client);
    finish(client, result);
}

static void do_connect(struct weir_message *message)
{
    struct raw_client *client = client_of(message);
    int rc =
        weir_socket_connect(client->actor, client->address,
                            (struct weir_socket_done){connected, client}, &client->socket, NULL);
    if (rc < 0) finish(client, rc);
}

static void do_send(struct weir_message *message)
{
    struct raw_client *client = client_of(message);
    weir_socket_write(client->socket, &client->out, 1, (struct weir_socket_done){finish, client});
}

static void do_close(struct weir_message *message)
{
    struct raw_client *client = client_of(message);
    weir_socket_close(client->socket);
    client->socket = NULL;
    finish(client, 0);
}

/* ---- the test's thread ----------------------------------------------------------------------- */

static bool has_result(void *context)
{
    const struct raw_client *client = context;
    return atomic_load(&client->result) != INT64_MAX;
}

static void wait_for(struct raw_client *client, bool (*is_done)(void *))
{
    ck_assert_int_eq(weir_wait(client->env, is_done, client, WEIR_MONO_NEVER), 0);
}

static void ask(struct raw_client *client, void (*handle)(struct weir_message *))
{
    atomic_store(&client->result, INT64_MAX);
    client->message.handle = handle;
    weir_actor_post(client->actor, &client->message);
}

static int64_t call(struct raw_client *client, void (*handle)(struct weir_message *))
{
    ask(client, handle);
    wait_for(client, has_result);
    return atomic_load(&client->result);
}

static void open_client(struct raw_client *client, struct weir_env *env, const char *address,
                        bool reads)
{
    struct weir_error error = {0};
    struct weir_actor_options options = {.name = "client", .run_once = turn, .impl = client};
    *client = (struct raw_client){.env = env, .address = address, .reads = reads};
    client->bytes = malloc(RAW_BYTES_MAX);
    ck_assert_ptr_nonnull(client->bytes);
    ck_ok(weir_actor_start(env, &options, &client->actor, &error), &error);
    ck_assert_int_ge(call(client, do_connect), 0);
}

void raw_open(struct raw_client *client, struct weir_env *env, const char *address)
{
    open_client(client, env, address, true);
}

void raw_open_deaf(struct raw_client *client, struct weir_env *env, const char *address)
{
    open_client(client, env, address, false);
}

void raw_send(struct raw_client *client, const void *bytes, size_t size)
{
    client->out = (struct weir_iovec){bytes, size};
    (void)call(client, do_send); /* it may have been closed meanwhile: the test sees that */
}

void raw_send_and_leave(struct raw_client *client, const void *bytes, size_t size)
{
    client->out = (struct weir_iovec){bytes, size};
    ask(client, do_send);
}

bool raw_has_ended(const struct raw_client *client)
{
    return atomic_load(&client->end) != 0;
}

static bool has_frame(void *context)
{
    const struct raw_client *client = context;
    size_t there = atomic_load(&client->received) - client->taken;
    if (raw_has_ended(client)) return true;
    return there >= 4 && there - 4 >= weir_load_u32(client->bytes + client->taken);
}

struct weir_slice raw_frame(struct raw_client *client)
{
    wait_for(client, has_frame);
    size_t there = atomic_load(&client->received) - client->taken;
    const uint8_t *at = client->bytes + client->taken;
    if (there < 4 || there - 4 < weir_load_u32(at)) return weir_null();
    client->taken += 4 + weir_load_u32(at);
    return weir_slice(at + 4, weir_load_u32(at));
}

static bool has_end(void *context)
{
    return raw_has_ended(context);
}

size_t raw_wait_end(struct raw_client *client)
{
    wait_for(client, has_end);
    return atomic_load(&client->received) - client->taken;
}

void raw_close(struct raw_client *client)
{
    if (client->actor == NULL) return;
    (void)call(client, do_close);
    weir_actor_stop(client->actor);
    free(client->bytes);
    *client = (struct raw_client){0};
}
