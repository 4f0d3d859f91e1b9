#ifndef WEIR_TESTS_SOCKET_ENDS_H
#define WEIR_TESTS_SOCKET_ENDS_H

/** Two ends of a connection on two actors, for the tests of sockets: each does what a test tells it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env/sim/sim.h"
#include "base/env/socket.h"
#include "tests/support/support.h"

enum { REAL, SIMULATED, ENVIRONMENTS };

static struct weir_error error;
static struct weir_env *env;
static struct weir_sim *sim;

static inline void open_env(int kind)
{
    if (kind == REAL) {
        ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &env, &error), &error);
        return;
    }
    sim = weir_sim_new(&(struct weir_sim_options){.seed = 11});
    env = weir_sim_node(sim, 0);
}

static inline void close_env(void)
{
    if (sim == NULL) weir_env_uv_free(env);
    weir_sim_free(sim);
    sim = NULL;
    env = NULL;
}

static inline int nothing_to_do(void *impl)
{
    (void)impl;
    return 0;
}

static inline struct weir_actor *start(struct weir_env *where, const char *name)
{
    struct weir_actor *actor = NULL;
    struct weir_actor_options options = {.name = name, .run_once = nothing_to_do};
    ck_ok(weir_actor_start(where, &options, &actor, &error), &error);
    return actor;
}

static inline bool is_set(void *context)
{
    return atomic_load((_Atomic bool *)context);
}

static inline void wait_for(struct weir_env *where, _Atomic bool *flag)
{
    ck_ok(weir_wait(where, is_set, flag, WEIR_MONO_NEVER), NULL);
}

static inline void set_and_signal(struct weir_env *where, _Atomic bool *flag)
{
    atomic_store(flag, true);
    weir_signal(where);
}

/* ---- something done on an actor's thread ----------------------------------------------------- */

struct errand {
    struct weir_message message;
    struct weir_env *env;
    void (*run)(void *context);
    void *context;
    _Atomic bool done;
};

static inline void run_errand(struct weir_message *message)
{
    struct errand *errand = (struct errand *)message;
    errand->run(errand->context);
    set_and_signal(errand->env, &errand->done);
}

static inline void on_actor(struct weir_actor *actor, void (*run)(void *context), void *context)
{
    struct errand errand = {{NULL, run_errand}, actor->env, run, context, false};
    weir_actor_post(actor, &errand.message);
    wait_for(actor->env, &errand.done);
}

/* ---- an end of a connection ------------------------------------------------------------------ */

/* Listens or connects, then does what a test tells it. All but `finished` is the actor's. */
struct end {
    struct weir_actor *actor;
    struct weir_listener *listener;
    struct weir_socket *socket;
    char address[WEIR_ADDRESS_SIZE];
    bool is_shared;
    bool is_first;
    void (*on_open)(struct end *end);
    uint8_t *bytes;
    size_t size;
    size_t got;
    struct weir_iovec parts[64];
    struct weir_file *file;
    int64_t file_position;
    int64_t connect_result;
    int64_t read_result;
    int64_t write_result;
    int call_count;
    int rc;
    _Atomic bool has_read;
    _Atomic bool has_written;
    _Atomic bool has_opened;
    _Atomic bool has_ended;
};

static inline void end_accepted(void *context, struct weir_socket *socket)
{
    struct end *end = context;
    end->socket = socket;
    if (end->on_open != NULL) end->on_open(end);
    set_and_signal(end->actor->env, &end->has_opened);
}

static inline void end_connected(void *context, int64_t result)
{
    struct end *end = context;
    end->connect_result = result;
    if (result == 0 && end->on_open != NULL) end->on_open(end);
    set_and_signal(end->actor->env, &end->has_opened);
}

static inline void end_listen(void *context)
{
    struct end *end = context;
    struct weir_listen_at at = {
        .address = end->address, .is_shared = end->is_shared, .is_first = end->is_first};
    end->rc = weir_socket_listen(end->actor, &at, end_accepted, end, &end->listener, &error);
}

static inline void end_connect(void *context)
{
    struct end *end = context;
    struct weir_socket_done done = {end_connected, end};
    end->rc = weir_socket_connect(end->actor, end->address, done, &end->socket, &error);
}

static inline void end_close(void *context)
{
    struct end *end = context;
    weir_socket_close(end->socket);
    weir_listener_close(end->listener);
    end->socket = NULL;
    end->listener = NULL;
}

static inline void note_read(void *context, int64_t result)
{
    struct end *end = context;
    end->read_result = result;
    end->call_count++;
    set_and_signal(end->actor->env, &end->has_read);
}

static inline void note_write(void *context, int64_t result)
{
    struct end *end = context;
    end->write_result = result;
    end->call_count++;
    set_and_signal(end->actor->env, &end->has_written);
}

static inline void end_read_once(void *context)
{
    static uint8_t scrap[4096];
    struct end *end = context;
    struct weir_socket_done done = {note_read, end};
    weir_socket_read(end->socket, scrap, sizeof scrap, done);
}

static inline void end_write_once(void *context)
{
    static const struct weir_iovec part = {"hello", 5};
    struct end *end = context;
    struct weir_socket_done done = {note_write, end};
    weir_socket_write(end->socket, &part, 1, done);
}

static inline void open_pair(struct end *server, struct end *client)
{
    snprintf(server->address, sizeof server->address, "127.0.0.1:0");
    server->actor = start(env, "server");
    client->actor = start(env, "client");
    on_actor(server->actor, end_listen, server);
    ck_ok(server->rc, &error);
    memcpy(client->address, server->listener->address, sizeof client->address);
    on_actor(client->actor, end_connect, client);
    ck_ok(client->rc, &error);
    wait_for(env, &client->has_opened);
    ck_assert_int_eq(client->connect_result, 0);
    wait_for(env, &server->has_opened);
}

static inline void close_pair(struct end *server, struct end *client)
{
    on_actor(client->actor, end_close, client);
    on_actor(server->actor, end_close, server);
    weir_actor_stop(client->actor);
    weir_actor_stop(server->actor);
}

/* ---- reading until there is enough ----------------------------------------------------------- */

static inline void collect(struct end *end);

static inline void collected(void *context, int64_t result)
{
    struct end *end = context;
    ck_assert_int_gt(result, 0);
    end->got += (size_t)result;
    if (end->got < end->size) {
        collect(end);
    } else {
        set_and_signal(end->actor->env, &end->has_read);
    }
}

static inline void collect(struct end *end)
{
    weir_socket_read(end->socket, end->bytes + end->got, end->size - end->got,
                     (struct weir_socket_done){collected, end});
}

static inline void collect_on_actor(void *context)
{
    collect(context);
}

static inline struct weir_file *open_file_of(const uint8_t *bytes, size_t size)
{
    char directory[WEIR_TEST_PATH_SIZE] = "";
    char path[WEIR_TEST_PATH_SIZE + 8];
    struct weir_file *file = NULL;
    struct weir_iovec part = {bytes, size};
    if (sim == NULL) weir_test_directory(directory);
    snprintf(path, sizeof path, "%s/file", directory);
    ck_ok(weir_file_open(env, path, WEIR_OPEN_READ | WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &file,
                         &error),
          &error);
    ck_ok(weir_file_write(file, &part, 1, 0, &error), &error);
    return file;
}

#endif
