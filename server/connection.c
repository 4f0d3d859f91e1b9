#include "server/connection.h"

#include "base/assert.h"
#include "base/state_table.h"
#include "server/server_internal.h"

/* ---- states ---------------------------------------------------------------------------------- */

#define TO(state) WEIR_STATE_BIT(WEIR_CONNECTION_##state)
static const struct weir_state_row rows[] = {
    [WEIR_CONNECTION_AWAITING] = {"awaiting", TO(READING) | TO(ENDING) | TO(CLOSED)},
    [WEIR_CONNECTION_READING] = {"reading",
                                 TO(READING) | TO(AWAITING) | TO(PAUSED) | TO(ENDING) | TO(CLOSED)},
    [WEIR_CONNECTION_PAUSED] = {"paused",
                                TO(PAUSED) | TO(READING) | TO(AWAITING) | TO(ENDING) | TO(CLOSED)},
    [WEIR_CONNECTION_ENDING] = {"ending", TO(CLOSED)},
    [WEIR_CONNECTION_CLOSED] = {"closed", 0},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("connection from", rows);

void weir_connection_set_state(struct weir_connection *connection, enum weir_connection_state state)
{
    connection->state =
        weir_state_move(&states, connection->socket->peer, connection->state, state);
}

/* ---- beginning and end ----------------------------------------------------------------------- */

struct weir_connection *weir_connection_new(struct weir_server_part *part,
                                            struct weir_socket *socket)
{
    struct weir_connection *connection = weir_alloc_zero(&part->budget, sizeof *connection);
    if (connection == NULL) return NULL;
    *connection = (struct weir_connection){
        .magic = WEIR_CONNECTION_MAGIC,
        .state = WEIR_CONNECTION_PAUSED, /* until its first turn */
        .part = part,
        .socket = socket,
        .id = ++part->last_connection_id,
        .next = part->connections,
        .last_active = weir_mono_now(part->env),
        .end_by = WEIR_MONO_NEVER,
        .trust = WEIR_TRUST_FIRST,
        .write_deadline = WEIR_MONO_NEVER,
    };
    if (weir_host_port_parse(socket->local, &connection->local, NULL) < 0) {
        connection->local = part->server->listening;
    }
    if (part->connections != NULL) part->connections->previous = connection;
    part->connections = connection;
    weir_counter_add(&part->metrics.open, 1);
    weir_log(&part->env->logger, WEIR_LOG_DEBUG, "server.connection_open", "id=%lld peer=%s",
             (long long)connection->id, socket->peer);
    weir_connection_make_ready(connection);
    return connection;
}

static void leave_part(struct weir_connection *connection)
{
    struct weir_server_part *part = connection->part;
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        part->connections = connection->next;
    }
    if (connection->next != NULL) connection->next->previous = connection->previous;
    weir_counter_add(&part->metrics.open, -1);
    atomic_fetch_sub(&part->server->connection_count, 1);
    if (part->config->max_connections_per_ip < INT32_MAX) {
        weir_peer_counts_leave(&part->server->peers, connection->socket->peer);
    }
}

/* It may stand in the list of those with something to do: the list frees it then. */
void weir_connection_close(struct weir_connection *connection)
{
    struct weir_server_part *part = connection->part;
    weir_connection_set_state(connection, WEIR_CONNECTION_CLOSED);
    weir_log(&part->env->logger, WEIR_LOG_DEBUG, "server.connection_closed", "id=%lld peer=%s",
             (long long)connection->id, connection->socket->peer);
    leave_part(connection);
    weir_socket_close(connection->socket);
    connection->socket = NULL;
    weir_connection_release_input(connection);
    weir_connection_abandon_line(connection);
    if (connection->keep.object != NULL) connection->keep.release(connection->keep.object);
    weir_write_queue_clear(&connection->output, &part->answers);
    weir_pool_give(&part->sends, connection->send);
    connection->send = NULL;
    if (!connection->is_ready) weir_free(connection);
}

void weir_connection_end(struct weir_connection *connection)
{
    struct weir_server_part *part = connection->part;
    if (connection->state == WEIR_CONNECTION_ENDING) return;
    bool is_reading = connection->state == WEIR_CONNECTION_READING;
    weir_connection_set_state(connection, WEIR_CONNECTION_ENDING);
    connection->end_by =
        weir_mono_after_ms(weir_mono_now(part->env), part->config->response_write_timeout_ms);
    if (!is_reading) weir_connection_release_input(connection); /* else it is lent to the read */
    weir_connection_cancel_parked(connection);
    weir_connection_make_ready(connection);
}

void weir_connection_refuse(struct weir_connection *connection, const char *reason)
{
    struct weir_server_part *part = connection->part;
    weir_counter_add(&part->metrics.killed, 1);
    weir_part_log(part, &part->kills, "server.connection_killed", connection->socket->peer, reason);
    weir_connection_end(connection);
}

void weir_connection_make_ready(struct weir_connection *connection)
{
    struct weir_connection_list *ready = &connection->part->ready;
    if (connection->is_ready) return;
    connection->is_ready = true;
    connection->next_ready = NULL;
    if (ready->last != NULL) {
        ready->last->next_ready = connection;
    } else {
        ready->first = connection;
    }
    ready->last = connection;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* The answer is on its way already and cannot be made whole. */
static void break_off(struct weir_connection *connection, const char *reason)
{
    weir_connection_refuse(connection, reason);
    weir_connection_close(connection);
}

/* The file has ended before the records that were to come from it. */
static void has_come_short(struct weir_connection *connection)
{
    const struct weir_log_range *range = weir_write_queue_range(&connection->output);
    weir_assert(range != NULL);
    if (weir_log_range_was_cut(range)) {
        break_off(connection, "the log was cut while records of it were sent");
        return;
    }
    weir_part_report_short(connection->part, range);
    break_off(connection, "a segment's file ended before the records that were sent from it");
}

static void has_sent(void *context, int64_t result)
{
    struct weir_connection *connection = context;
    weir_assert(connection->magic == WEIR_CONNECTION_MAGIC && connection->send != NULL);
    struct weir_server_part *part = connection->part;
    if (result == WEIR_TRUNCATED) {
        has_come_short(connection);
        return;
    }
    if (result < 0) {
        weir_connection_close(connection);
        return;
    }
    weir_pool_give(&part->sends, connection->send);
    connection->send = NULL;
    connection->write_deadline = WEIR_MONO_NEVER;
    weir_counter_add(&part->metrics.response_bytes, result);
    if (!weir_write_queue_advance(&connection->output, &part->answers, (size_t)result)) {
        break_off(connection, "the log was cut while records of it were sent");
        return;
    }
    weir_connection_make_ready(connection);
}

/* All that was answered in this turn goes out together. False: memory is out, and it is closed. */
static bool send_more(struct weir_connection *connection)
{
    struct weir_server_part *part = connection->part;
    if (connection->send != NULL || weir_write_queue_is_empty(&connection->output)) return true;
    connection->send = weir_pool_take(&part->sends);
    if (connection->send == NULL) {
        weir_connection_close(connection);
        return false;
    }
    connection->last_active = weir_mono_now(part->env);
    connection->write_deadline =
        weir_mono_after_ms(connection->last_active, part->config->response_write_timeout_ms);
    struct weir_socket_output output =
        weir_write_queue_gather(&connection->output, connection->send);
    weir_socket_send(connection->socket, &output, (struct weir_socket_done){has_sent, connection});
    return true;
}

/* ---- turns ----------------------------------------------------------------------------------- */

static bool has_nothing_left(const struct weir_connection *connection)
{
    return connection->line.first == NULL && weir_write_queue_is_empty(&connection->output);
}

void weir_connection_check(const struct weir_connection *connection)
{
    const struct weir_request_line *line = &connection->line;
    weir_assert(connection->magic == WEIR_CONNECTION_MAGIC);
    weir_assert(connection->state != WEIR_CONNECTION_CLOSED);
    weir_assert(connection->socket != NULL);
    weir_assert(connection->state != WEIR_CONNECTION_AWAITING || connection->head == NULL);
    weir_assert((connection->state == WEIR_CONNECTION_ENDING) ==
                (connection->end_by.ns != WEIR_MONO_NEVER.ns));
    weir_assert((connection->send == NULL) ==
                (connection->write_deadline.ns == WEIR_MONO_NEVER.ns));
    weir_assert(connection->send == NULL || !weir_write_queue_is_empty(&connection->output));
    weir_assert((line->first == NULL) == (line->last == NULL));
    weir_assert((line->first == NULL) == (line->count == 0));
    weir_assert(line->first != NULL || line->next_to_begin == NULL);
    weir_write_queue_check(&connection->output);
}

void weir_connection_run(struct weir_connection *connection)
{
    weir_connection_check(connection);
    do {
        weir_connection_run_line(connection);
    } while (connection->state == WEIR_CONNECTION_PAUSED && weir_connection_take_in(connection));
    if (!send_more(connection)) return;
    if (connection->state == WEIR_CONNECTION_ENDING && has_nothing_left(connection)) {
        weir_connection_close(connection);
        return;
    }
    weir_part_sweep_by(connection->part, weir_connection_deadline(connection));
}

static struct weir_mono earlier(struct weir_mono a, struct weir_mono b)
{
    return a.ns < b.ns ? a : b;
}

static struct weir_mono idle_deadline(const struct weir_connection *connection)
{
    if (!has_nothing_left(connection)) return WEIR_MONO_NEVER;
    return weir_mono_after_ms(connection->last_active,
                              connection->part->config->connections_max_idle_ms);
}

struct weir_mono weir_connection_deadline(const struct weir_connection *connection)
{
    struct weir_mono first = earlier(connection->end_by, connection->write_deadline);
    first = earlier(first, weir_connection_frame_deadline(connection));
    return earlier(first, idle_deadline(connection));
}

bool weir_connection_expire(struct weir_connection *connection, struct weir_mono now)
{
    const char *reason = NULL;
    if (connection->write_deadline.ns <= now.ns) {
        reason = "it does not read its answers";
    } else if (weir_connection_frame_deadline(connection).ns <= now.ns &&
               !weir_connection_frame_moves(connection, now)) {
        reason = "its request does not arrive";
    } else if (connection->end_by.ns <= now.ns) {
        reason = "its requests are not answered in time";
    }
    if (reason == NULL && idle_deadline(connection).ns > now.ns) return false;
    if (reason != NULL) weir_connection_refuse(connection, reason);
    weir_connection_close(connection);
    return true;
}
