#include "server/server.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "server/server_internal.h"

/* ---- where to listen ------------------------------------------------------------------------- */

static int refuse_insecure(const char *address, struct weir_error *error)
{
    return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                          "listen at '%s': there is no security yet, so that only this machine is "
                          "let in (127.0.0.1, [::1], localhost); to open the port to everybody who "
                          "can reach it say --insecure-listen (the option `insecure`)",
                          address);
}

/* The numeric address to listen at: of those that a name has the first. */
static int find_address(struct weir_env *env, const char *address, bool allow_insecure,
                        char found_out[WEIR_ADDRESS_SIZE], struct weir_error *error)
{
    struct weir_host_port named;
    struct weir_host_port numeric;
    struct weir_addresses found;
    int rc = weir_host_port_parse(address, &named, error);
    if (rc == 0) rc = weir_look_up(env, named.host, (uint16_t)named.port, &found, error);
    if (rc == 0) rc = weir_host_port_parse(found.texts[0], &numeric, error);
    if (rc < 0) return weir_error_wrap(error, rc, "listen at '%s'", address);
    if (!allow_insecure && !weir_host_is_loopback(numeric.host)) {
        return refuse_insecure(address, error);
    }
    memcpy(found_out, found.texts[0], WEIR_ADDRESS_SIZE);
    return 0;
}

int weir_server_may_listen(struct weir_env *env, const char *address, bool allow_insecure,
                           struct weir_error *error)
{
    char found[WEIR_ADDRESS_SIZE];
    int rc = find_address(env, address, allow_insecure, found, error);
    return rc < 0 ? rc : weir_socket_may_listen(env, found, error);
}

/* Connections leave room for the log: its segments have their share, and what is open for a moment (marks,
 * indexes, folders), the loops and the listeners are kept free. What is left is for them.
 *
 * What somebody has asked for and cannot have is said. The default is more than most want: a little less than it is
 * nobody's shortage, half of it is. */
static bool is_short(const struct weir_server *server, int64_t left)
{
    int64_t wanted = server->config.max_connections;
    bool is_default = wanted == weir_server_config_default().max_connections;
    return left < wanted && (!is_default || left < wanted / 2);
}

static void bound_connections(struct weir_server *server)
{
    enum { RESERVE = 16, PER_SHARD = 6, LEAST = 4 };
    int64_t limit = weir_descriptor_limit(server->env);
    int64_t left = limit - weir_broker_segment_files_max(server->broker) - RESERVE -
                   (int64_t)PER_SHARD * server->part_count;
    server->connections_max = server->config.max_connections;
    if (left < LEAST) left = LEAST;
    if (server->connections_max <= left) return;
    server->connections_max = left;
    if (!is_short(server, left)) return;
    weir_log(
        &server->env->logger, WEIR_LOG_WARN, "server.connections_bounded",
        "max.connections=%lld bound=%lld reason=\"the process may have %lld descriptors; raise "
        "the limit (ulimit -n)\"",
        (long long)server->config.max_connections, (long long)left, (long long)limit);
}

static int configure(struct weir_server *server, const struct weir_server_options *options,
                     struct weir_error *error)
{
    server->config = weir_server_config_default();
    for (size_t i = 0; i < options->config_count; i++) {
        const struct weir_config_entry *entry = &options->configs[i];
        int rc = weir_server_config_set(&server->config, entry->key, entry->value, error);
        if (rc < 0) return rc;
    }
    const struct weir_broker_options *engine = weir_broker_options_of(server->broker);
    server->config.auto_create_topics_enable = engine->auto_create_topics;
    server->config.num_partitions = engine->num_partitions;
    bound_connections(server);
    if (options->advertised_address == NULL) return 0;
    int rc = weir_host_port_parse(options->advertised_address, &server->advertised, error);
    return weir_error_wrap(error, rc, "advertised address");
}

/* ---- parts, all together --------------------------------------------------------------------- */

/* Has the part answered the message it was sent? Set-up leaves NEW, close reaches CLOSED. */
static bool is_set_up(void *context)
{
    return weir_part_state(context) != WEIR_PART_NEW;
}

static bool is_closed(void *context)
{
    return weir_part_state(context) == WEIR_PART_CLOSED;
}

static int set_up_part(struct weir_server *server, struct weir_server_part *part,
                       struct weir_error *error)
{
    struct weir_mono never = WEIR_MONO_NEVER;
    part->message.handle = weir_part_set_up;
    weir_actor_post(part->actor, &part->message);
    int rc = weir_wait(server->env, is_set_up, part, never);
    if (rc < 0) return weir_error_set(error, (enum weir_code)rc, "wait for the listener");
    if (part->rc < 0 && error != NULL) *error = part->error;
    return part->rc;
}

/* The first part finds the port; the others share it. */
static int set_up_parts(struct weir_server *server, struct weir_error *error)
{
    for (int32_t i = 0; i < server->part_count; i++) {
        struct weir_server_part *part = &server->parts[i];
        int rc = set_up_part(server, part, error);
        if (rc < 0) return rc;
        server->parts_set_up++;
        if (i > 0) continue;
        (void)snprintf(server->address, sizeof server->address, "%s", part->listener->address);
        rc = weir_host_port_parse(server->address, &server->listening, error);
        if (rc < 0) return rc;
    }
    return 0;
}

/* False: the simulated node has crashed, and its memory is not ours any more. */
static bool close_parts(struct weir_server *server)
{
    for (int32_t i = 0; i < server->parts_set_up; i++) {
        struct weir_server_part *part = &server->parts[i];
        part->message.handle = weir_part_close;
        weir_actor_post(part->actor, &part->message);
    }
    for (int32_t i = 0; i < server->parts_set_up; i++) {
        int rc = weir_wait(server->env, is_closed, &server->parts[i], WEIR_MONO_NEVER);
        weir_assert(rc != WEIR_WRONG_THREAD);
        if (rc < 0) return false;
    }
    return true;
}

static void free_server(struct weir_server *server)
{
    for (int32_t i = 0; i < server->part_count; i++) {
        weir_part_free(&server->parts[i]);
    }
    weir_peer_counts_close(&server->peers);
    weir_free(server->parts);
    weir_free(server);
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static struct weir_server *new_server(const struct weir_server_options *options)
{
    struct weir_env *env = weir_broker_env(options->broker);
    struct weir_server *server = weir_alloc_zero(env->budget, sizeof *server);
    if (server == NULL) return NULL;
    server->broker = options->broker;
    server->env = env;
    weir_peer_counts_init(&server->peers, env->budget);
    int32_t count = weir_broker_shard_count(options->broker);
    server->parts = weir_alloc_zero(env->budget, (size_t)count * sizeof *server->parts);
    if (server->parts == NULL) {
        weir_free(server);
        return NULL;
    }
    for (; server->part_count < count; server->part_count++) {
        weir_part_init(&server->parts[server->part_count], server, server->part_count);
    }
    return server;
}

int weir_server_open(const struct weir_server_options *options, struct weir_server **server_out,
                     struct weir_error *error)
{
    char address[WEIR_ADDRESS_SIZE];
    struct weir_env *env = weir_broker_env(options->broker);
    if (!weir_may_block(env)) {
        return weir_error_set(error, WEIR_WRONG_THREAD,
                              "a server is opened by a thread that may "
                              "block");
    }
    int rc = find_address(env, options->address, options->allow_insecure, address, error);
    if (rc < 0) return rc;
    struct weir_server *server = new_server(options);
    if (server == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a server");
    (void)snprintf(server->address, sizeof server->address, "%s", address);
    rc = configure(server, options, error);
    if (rc == 0) rc = set_up_parts(server, error);
    if (rc < 0) {
        if (close_parts(server)) free_server(server);
        return rc;
    }
    weir_log(&env->logger, WEIR_LOG_INFO, "server.open", "address=%s shards=%d", server->address,
             (int)server->part_count);
    *server_out = server;
    return 0;
}

void weir_server_close(struct weir_server *server)
{
    if (server == NULL) return;
    struct weir_env *env = server->env;
    if (!close_parts(server)) return;
    weir_log(&env->logger, WEIR_LOG_INFO, "server.closed", "address=%s", server->address);
    free_server(server);
}

const char *weir_server_address(const struct weir_server *server)
{
    return server->address;
}
