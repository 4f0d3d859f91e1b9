#include "base/assert.h"
#include "base/state_table.h"
#include "server/server_internal.h"

/* What a shard does for the server. Its states are drawn in server_internal.h. */
#define TO(state) WEIR_STATE_BIT(WEIR_PART_##state)
static const struct weir_state_row rows[] = {
    [WEIR_PART_NEW] = {"new", TO(OPEN) | TO(CLOSED)}, /* closed: it cannot listen */
    [WEIR_PART_OPEN] = {"open", TO(CLOSING)},
    [WEIR_PART_CLOSING] = {"closing", TO(CLOSED)},
    [WEIR_PART_CLOSED] = {"closed", 0},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("part of the server at", rows);

enum {
    SWEEP_INTERVAL_MS = 100, /* deadlines are looked at no more often */
    LOG_INTERVAL_MS = 1000,
    CLOSE_GRACE_MS = 5000, /* for answers on their way when the server closes */
    HEADS_KEEP = 16,       /* a megabyte of them */
};

/* ---- what is said ---------------------------------------------------------------------------- */

void weir_part_log(struct weir_server_part *part, struct weir_log_gate *gate, const char *event,
                   const char *peer, const char *reason)
{
    char quoted[WEIR_ERROR_TEXT_SIZE * 2];
    struct weir_mono now = weir_mono_now(part->env);
    if (now.ns < gate->open_at.ns) {
        gate->unsaid++;
        return;
    }
    weir_log(&part->env->logger, WEIR_LOG_WARN, event, "peer=%s reason=%s unsaid=%lld", peer,
             weir_log_quote(quoted, sizeof quoted, reason), (long long)gate->unsaid);
    gate->open_at = weir_mono_after_ms(now, LOG_INTERVAL_MS);
    gate->unsaid = 0;
}

/* ---- accepting ------------------------------------------------------------------------------- */

static void refuse(struct weir_server_part *part, struct weir_socket *socket, const char *reason)
{
    weir_counter_add(&part->metrics.refused, 1);
    weir_part_log(part, &part->refusals, "server.connection_refused", socket->peer, reason);
    weir_socket_close(socket);
}

/* NULL, or the bound that it is over; counted in if NULL. */
static const char *enter(struct weir_server_part *part, const struct weir_socket *socket)
{
    struct weir_server *server = part->server;
    const struct weir_server_config *config = part->config;
    if (atomic_fetch_add(&server->connection_count, 1) >= server->connections_max) {
        atomic_fetch_sub(&server->connection_count, 1);
        return server->connections_max == config->max_connections
                   ? "max.connections is reached"
                   : "the limit of descriptors leaves room for no more connections";
    }
    if (config->max_connections_per_ip < INT32_MAX &&
        !weir_peer_counts_enter(&server->peers, socket->peer, config->max_connections_per_ip)) {
        atomic_fetch_sub(&server->connection_count, 1);
        return "max.connections.per.ip is reached";
    }
    return NULL;
}

static void leave(struct weir_server_part *part, const struct weir_socket *socket)
{
    atomic_fetch_sub(&part->server->connection_count, 1);
    if (part->config->max_connections_per_ip < INT32_MAX) {
        weir_peer_counts_leave(&part->server->peers, socket->peer);
    }
}

static void accepted(void *context, struct weir_socket *socket)
{
    struct weir_server_part *part = context;
    const char *over = enter(part, socket);
    if (over != NULL) {
        refuse(part, socket, over);
        return;
    }
    if (weir_connection_new(part, socket) == NULL) {
        leave(part, socket);
        refuse(part, socket, "out of memory");
        return;
    }
    weir_counter_add(&part->metrics.accepted, 1);
}

/* ---- turns ----------------------------------------------------------------------------------- */

/* Each connection that was ready at the beginning has its turn; what gets ready meanwhile waits for
 * the next, so that a turn ends. */
static int run_ready(struct weir_server_part *part)
{
    int count = 0;
    struct weir_connection *connection = part->ready.first;
    part->ready = (struct weir_connection_list){0};
    while (connection != NULL) {
        struct weir_connection *next = connection->next_ready;
        if (connection->state != WEIR_CONNECTION_CLOSED) weir_connection_run(connection);
        connection->is_ready = false;
        if (connection->state == WEIR_CONNECTION_CLOSED) weir_free(connection);
        connection = next;
        count++;
    }
    return count;
}

static void sweep(struct weir_server_part *part, struct weir_mono now)
{
    struct weir_mono soonest = weir_mono_after_ms(now, SWEEP_INTERVAL_MS);
    bool is_over = weir_part_state(part) == WEIR_PART_CLOSING && now.ns >= part->close_at.ns;
    struct weir_connection *connection = part->connections;
    part->sweep_at = WEIR_MONO_NEVER;
    while (connection != NULL) {
        struct weir_connection *next = connection->next;
        if (is_over) {
            weir_connection_close(connection);
        } else if (weir_connection_deadline(connection).ns > now.ns ||
                   !weir_connection_expire(connection, now)) {
            weir_part_sweep_by(part, weir_connection_deadline(connection));
        }
        connection = next;
    }
    weir_part_relieve(part, now);
    if (weir_part_state(part) == WEIR_PART_CLOSING) weir_part_sweep_by(part, part->close_at);
    if (part->sweep_at.ns < soonest.ns) part->sweep_at = soonest;
}

/* The only assignment of the state. */
static void move(struct weir_server_part *part, enum weir_part_state to)
{
    unsigned state = weir_state_move(&states, part->server->address, weir_part_state(part), to);
    atomic_store_explicit(&part->state, (int)state, memory_order_release);
}

/* To a state that somebody waits for. */
static void move_and_tell(struct weir_server_part *part, enum weir_part_state to)
{
    struct weir_env *env = part->env;
    move(part, to);
    weir_signal(env); /* a closed part may be freed by now */
}

/* What fetches keep may still be out with the engine. */
static bool has_stopped_sessions(struct weir_server_part *part)
{
    struct weir_part_sessions *sessions = &part->sessions;
    if (sessions->object == NULL) return true;
    if (sessions->stop != NULL) sessions->stop(sessions->object);
    sessions->stop = NULL;
    return sessions->is_idle(sessions->object);
}

/* The last connection is closed and every handler has replied: nothing of the server is left here.
 * After this the part is its freer's. */
static void settle(struct weir_server_part *part)
{
    bool is_empty = part->connections == NULL && part->ready.first == NULL &&
                    part->contexts_out == 0 && part->reports_out == 0;
    if (weir_part_state(part) != WEIR_PART_CLOSING || !is_empty) return;
    if (!has_stopped_sessions(part)) return;
    weir_broker_set_service(part->broker, part->shard, (struct weir_shard_service){0});
    move_and_tell(part, WEIR_PART_CLOSED);
}

static int run_once(void *impl, struct weir_mono now, struct weir_mono *wake_at)
{
    struct weir_server_part *part = impl;
    if (now.ns >= part->sweep_at.ns) sweep(part, now);
    int count = run_ready(part);
    while (weir_part_wake_large(part))
        count += run_ready(part);
    struct weir_part_sessions *sessions = &part->sessions;
    if (sessions->object != NULL) {
        count += sessions->run_once(sessions->object, now, wake_at);
    }
    if (part->sweep_at.ns < wake_at->ns) *wake_at = part->sweep_at;
    settle(part);
    return count;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

void weir_part_init(struct weir_server_part *part, struct weir_server *server, int32_t shard)
{
    part->server = server;
    part->broker = server->broker;
    part->env = server->env;
    part->actor = weir_broker_shard_actor(server->broker, shard);
    part->config = &server->config;
    part->shard = shard;
    part->sweep_at = WEIR_MONO_NEVER;
    part->close_at = WEIR_MONO_NEVER;
    weir_budget_init(&part->budget, "server", server->env->heap, server->env->budget, 0);
    weir_context_pool_init(&part->contexts, &part->budget);
    weir_answer_pool_init(&part->answers, &part->budget);
    part->sessions.unsent_size = &part->answers.records_size;
    weir_pool_init(&part->heads, &part->budget, sizeof(struct weir_head), HEADS_KEEP);
    weir_pool_init(&part->sends, &part->budget, sizeof(struct weir_send), WEIR_POOL_KEEP);
}

static struct weir_server_part *part_of(struct weir_message *message)
{
    return (struct weir_server_part *)((char *)message -
                                       offsetof(struct weir_server_part, message));
}

void weir_part_set_up(struct weir_message *message)
{
    struct weir_server_part *part = part_of(message);
    struct weir_listen_at at = {.address = part->server->address,
                                .is_shared = part->server->part_count > 1,
                                .is_first = part->shard == 0};
    /* Not before: the settings are read when the parts are there already. */
    part->sessions.unsent_size_max = (size_t)part->config->queued_max_response_bytes;
    part->rc = weir_socket_listen(part->actor, &at, accepted, part, &part->listener, &part->error);
    if (part->rc < 0) {
        move_and_tell(part, WEIR_PART_CLOSED);
        return;
    }
    weir_broker_set_service(part->broker, part->shard, (struct weir_shard_service){run_once, part});
    move_and_tell(part, WEIR_PART_OPEN);
}

void weir_part_close(struct weir_message *message)
{
    struct weir_server_part *part = part_of(message);
    weir_listener_close(part->listener);
    part->listener = NULL;
    part->close_at = weir_mono_after_ms(weir_mono_now(part->env), CLOSE_GRACE_MS);
    weir_part_sweep_by(part, part->close_at);
    struct weir_connection *connection = part->connections;
    while (connection != NULL) {
        struct weir_connection *next = connection->next;
        weir_connection_end(connection);
        connection = next;
    }
    move(part, WEIR_PART_CLOSING);
    /* The turn that follows this message settles it, if nothing is under way. */
}

void weir_part_free(struct weir_server_part *part)
{
    weir_assert(part->connections == NULL && part->contexts_out == 0);
    weir_assert(part->reports_out == 0);
    weir_assert(part->answers.records_size == 0);
    weir_assert(part->answers.large_size == 0 && part->large_count == 0);
    weir_assert(part->waiting_large.first == NULL);
    if (part->sessions.object != NULL) part->sessions.free(part->sessions.object);
    weir_pool_close(&part->sends);
    weir_pool_close(&part->heads);
    weir_answer_pool_close(&part->answers);
    weir_context_pool_close(&part->contexts);
    weir_assert(part->budget.used == 0);
}
