/**
 * Sockets of the simulator: the two ends of a connection. A writer's bytes set out as far as the
 * reader has room for them (its window), in chunks of random sizes; what was read makes room for
 * more. Results are reported by an event of their own, as the real environment reports them in the
 * actor's next turn.
 */
#include "base/env/sim/sim_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"

enum { WINDOW = 64 * 1024, FIRST_FREE_PORT = 40000 };

static struct weir_sim_socket *sim_socket(struct weir_socket *socket)
{
    return (struct weir_sim_socket *)socket;
}

/* ---- results --------------------------------------------------------------------------------- */

static void attempt_begin(struct weir_sim_attempt *attempt, struct weir_socket_done done)
{
    weir_assert(!attempt->is_under_way);
    weir_assert(!attempt->is_done);
    weir_assert(done.call != NULL);
    *attempt = (struct weir_sim_attempt){.is_under_way = true, .done = done};
}

void weir_sim_socket_finish(struct weir_sim_socket *socket, struct weir_sim_attempt *attempt,
                            int64_t result)
{
    struct weir_sim *sim = socket->life->sim;
    if (!attempt->is_under_way) return;
    attempt->is_under_way = false;
    attempt->is_done = true;
    attempt->result = result;
    if (socket->result.place != 0) return;
    int64_t delay_ns = weir_sim_duration(sim, sim->options.turn_ns_max);
    weir_sim_event_add(sim, &socket->result, sim->now_ns + delay_ns);
}

/* One result per event: its callback may close the socket, or crash the node. */
void weir_sim_socket_report(struct weir_sim_socket *socket)
{
    struct weir_sim *sim = socket->life->sim;
    struct weir_sim_attempt *all[] = {&socket->connect, &socket->read, &socket->write};
    struct weir_sim_attempt *first = NULL;
    for (size_t i = 0; i < 3; i++) {
        if (!all[i]->is_done) continue;
        if (first == NULL) {
            first = all[i];
        } else {
            weir_sim_event_add(sim, &socket->result, sim->now_ns + 1);
            break;
        }
    }
    weir_assert(first != NULL);
    first->is_done = false;
    weir_sim_actor_queue_turn((struct weir_sim_actor *)socket->base.actor);
    first->done.call(first->done.context, first->result);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void end_write(struct weir_sim_socket *socket, int64_t result)
{
    free(socket->to_send);
    socket->to_send = NULL;
    weir_sim_socket_finish(socket, &socket->write, result);
}

/* Who only waits is told that there is something, and meets the failure in its read. */
static void end_read_of_reset(struct weir_sim_socket *socket)
{
    weir_sim_socket_finish(socket, &socket->read, socket->read_to != NULL ? WEIR_DISCONNECTED : 1);
}

void weir_sim_socket_break(struct weir_sim_socket *socket)
{
    weir_sim_packets_drop(socket);
    socket->is_reset = true;
    socket->inbox_size = 0;
    if (socket->peer != NULL) socket->peer->peer = NULL;
    socket->peer = NULL;
    weir_sim_socket_finish(socket, &socket->connect, WEIR_DISCONNECTED);
    end_read_of_reset(socket);
    if (socket->write.is_under_way) end_write(socket, WEIR_DISCONNECTED);
}

/* Nobody is there to take it: the write is accepted, and answered by a reset if the node is up. */
static void write_to_nobody(struct weir_sim_socket *socket)
{
    struct weir_sim *sim = socket->life->sim;
    const struct weir_sim_node *node = sim->nodes[socket->peer_node];
    bool is_up = node->life != NULL && !node->life->is_dead;
    size_t size = socket->to_send_size;
    if (is_up || !socket->is_abandoned) {
        weir_sim_packet_send(sim, socket, WEIR_SIM_PACKET_RESET, socket->peer_node,
                             socket->life->node->number, NULL, 0);
    }
    end_write(socket, (int64_t)size);
}

void weir_sim_socket_pump(struct weir_sim_socket *socket)
{
    struct weir_sim *sim = socket->life->sim;
    struct weir_sim_socket *peer = socket->peer;
    int here = socket->life->node->number;
    if (!socket->write.is_under_way || !socket->is_connected) return;
    if (peer == NULL) {
        write_to_nobody(socket);
        return;
    }
    const struct weir_sim_link *link = weir_sim_link_between(sim, here, socket->peer_node);
    while (socket->sent < socket->to_send_size && peer->in_flight + peer->inbox_size < WINDOW) {
        size_t size = socket->to_send_size - socket->sent;
        size_t room = WINDOW - peer->in_flight - peer->inbox_size;
        if (size > room) size = room;
        if (size > link->chunk_max) size = link->chunk_max;
        size = 1 + weir_sim_random_below(&sim->schedule, size);
        weir_sim_packet_send(sim, peer, WEIR_SIM_PACKET_DATA, here, socket->peer_node,
                             socket->to_send + socket->sent, size);
        socket->sent += size;
    }
    if (socket->sent < socket->to_send_size) return;
    int64_t result = socket->write_failure < 0 ? socket->write_failure : (int64_t)socket->sent;
    end_write(socket, result);
}

/* Give a waiting reader what has arrived, and the writer the room that this makes. */
void weir_sim_socket_deliver(struct weir_sim_socket *socket)
{
    if (!socket->read.is_under_way) return;
    if (socket->inbox_size == 0) {
        int64_t result = socket->read_to != NULL ? 0 : 1;
        if (socket->has_ended) weir_sim_socket_finish(socket, &socket->read, result);
        return;
    }
    if (socket->read_to == NULL) {
        weir_sim_socket_finish(socket, &socket->read, 1);
        return;
    }
    size_t size = socket->inbox_size < socket->read_size ? socket->inbox_size : socket->read_size;
    memcpy(socket->read_to, socket->inbox, size);
    socket->inbox_size -= size;
    memmove(socket->inbox, socket->inbox + size, socket->inbox_size);
    weir_sim_socket_finish(socket, &socket->read, (int64_t)size);
    if (socket->peer != NULL) weir_sim_socket_pump(socket->peer);
}

/* `to == NULL`: wait only. */
static void begin_read(struct weir_sim_socket *socket, void *to, size_t size,
                       struct weir_socket_done done)
{
    if (socket->life->is_dead) return;
    attempt_begin(&socket->read, done);
    socket->read_to = to;
    socket->read_size = size;
    if (socket->is_reset) {
        end_read_of_reset(socket);
    } else {
        weir_sim_socket_deliver(socket);
    }
}

static void socket_read(struct weir_socket *base, void *to, size_t size,
                        struct weir_socket_done done)
{
    weir_assert(to != NULL);
    weir_assert(size > 0);
    begin_read(sim_socket(base), to, size, done);
}

static void socket_await(struct weir_socket *base, struct weir_socket_done done)
{
    begin_read(sim_socket(base), NULL, 0, done);
}

/* A copy of all that is to go out, with the file as it is now. */
static void fill_to_send(struct weir_sim_socket *socket, const struct weir_socket_output *output)
{
    size_t size = (size_t)output->size;
    for (size_t i = 0; i < output->part_count; i++) {
        size += output->parts[i].size;
    }
    uint8_t *copy = weir_sim_calloc(1, size + 1);
    size_t filled = 0;
    for (size_t i = 0; i < output->part_count; i++) {
        const struct weir_iovec *part = &output->parts[i];
        weir_copy(copy + filled, part->base, part->size);
        filled += part->size;
    }
    int64_t got = 0;
    if (output->size > 0) {
        got = weir_file_read(output->file, copy + filled, (size_t)output->size, output->position,
                             NULL);
    }
    socket->to_send = copy;
    socket->to_send_size = filled + (got > 0 ? (size_t)got : 0);
    socket->write_failure = got < 0 ? got : got < output->size ? WEIR_TRUNCATED : 0;
}

static void socket_send(struct weir_socket *base, const struct weir_socket_output *output,
                        struct weir_socket_done done)
{
    struct weir_sim_socket *socket = sim_socket(base);
    weir_assert(output->position >= 0 && output->size >= 0);
    weir_assert(output->file != NULL || output->size == 0);
    if (socket->life->is_dead) return;
    attempt_begin(&socket->write, done);
    fill_to_send(socket, output);
    socket->sent = 0;
    if (socket->is_reset) {
        end_write(socket, WEIR_DISCONNECTED);
    } else {
        weir_sim_socket_pump(socket);
    }
}

/* ---- life of a socket ------------------------------------------------------------------------ */

/* Off the network and out of the life's list; the memory stays. */
static void socket_let_go(struct weir_sim_socket *socket)
{
    struct weir_sim *sim = socket->life->sim;
    weir_sim_packets_drop(socket);
    weir_sim_event_remove(sim, &socket->result);
    if (socket->peer != NULL) socket->peer->peer = NULL;
    socket->peer = NULL;
    free(socket->to_send);
    free(socket->inbox);
    socket->to_send = NULL;
    socket->inbox = NULL;
    *(socket->previous != NULL ? &socket->previous->next : &socket->life->sockets) = socket->next;
    if (socket->next != NULL) socket->next->previous = socket->previous;
}

/* As TCP has it: who closes with bytes unread resets, else the peer reads to the end. */
static void socket_close(struct weir_socket *base)
{
    struct weir_sim_socket *socket = sim_socket(base);
    struct weir_sim_socket *peer = socket->peer;
    struct weir_sim_life *life = socket->life;
    if (!life->is_dead) {
        bool is_clean = socket->inbox_size == 0 && !socket->write.is_under_way;
        socket_let_go(socket);
        if (peer != NULL) {
            weir_sim_packet_send(life->sim, peer,
                                 is_clean ? WEIR_SIM_PACKET_END : WEIR_SIM_PACKET_RESET,
                                 life->node->number, socket->peer_node, NULL, 0);
        }
    }
    weir_free(socket);
}

static void listener_close(struct weir_listener *base)
{
    struct weir_sim_listener *listener = (struct weir_sim_listener *)base;
    if (!listener->life->is_dead) {
        *(listener->previous != NULL ? &listener->previous->next : &listener->life->listeners) =
            listener->next;
        if (listener->next != NULL) listener->next->previous = listener->previous;
    }
    weir_free(listener);
}

static const struct weir_socket_ops socket_ops = {
    .read = socket_read,
    .await = socket_await,
    .send = socket_send,
    .close = socket_close,
};

static const struct weir_listener_ops listener_ops = {
    .close = listener_close,
};

struct weir_sim_socket *weir_sim_socket_new(struct weir_sim_life *life, struct weir_actor *actor)
{
    struct weir_sim_socket *socket = weir_alloc_zero(&life->budget, sizeof *socket);
    if (socket == NULL) return NULL;
    socket->base.ops = &socket_ops;
    socket->base.actor = actor;
    socket->life = life;
    socket->result = (struct weir_sim_event){.kind = WEIR_SIM_EVENT_RESULT, .object = socket};
    socket->next = life->sockets;
    if (life->sockets != NULL) life->sockets->previous = socket;
    life->sockets = socket;
    return socket;
}

void weir_sim_sockets_of_actor_close(struct weir_sim_actor *actor)
{
    struct weir_sim_life *life = actor->life;
    for (struct weir_sim_socket *at = life->sockets, *next; at != NULL; at = next) {
        next = at->next;
        if (at->base.actor == &actor->base) socket_close(&at->base);
    }
    for (struct weir_sim_listener *at = life->listeners, *next; at != NULL; at = next) {
        next = at->next;
        if (at->base.actor == &actor->base) listener_close(&at->base);
    }
}

void weir_sim_sockets_end(struct weir_sim_life *life, bool is_silent)
{
    while (life->sockets != NULL) {
        struct weir_sim_socket *socket = life->sockets;
        struct weir_sim_socket *peer = socket->peer;
        socket_let_go(socket);
        if (peer == NULL || peer->life == life) continue;
        peer->is_abandoned = is_silent;
        if (is_silent) continue;
        weir_sim_packet_send(life->sim, peer, WEIR_SIM_PACKET_RESET, life->node->number,
                             socket->peer_node, NULL, 0);
    }
    life->listeners = NULL;
}

/* ---- addresses ------------------------------------------------------------------------------- */

struct address {
    int node;
    uint16_t port;
    bool is_loopback;
};

static int parse_address(const struct weir_sim_life *life, const char *text, struct address *out)
{
    char host[WEIR_ADDRESS_SIZE];
    unsigned port = 0;
    int end = 0;
    int node = life->node->number;
    if (sscanf(text, "%63[^:]:%5u%n", host, &port, &end) != 2) return WEIR_INVALID_ARGUMENT;
    if (text[end] != 0 || port > UINT16_MAX) return WEIR_INVALID_ARGUMENT;
    bool is_loopback = strcmp(host, "127.0.0.1") == 0 || strcmp(host, "localhost") == 0;
    bool is_named = sscanf(host, "node-%d%n", &node, &end) == 1 && host[end] == 0 && node >= 0;
    if (!is_loopback && !is_named && strcmp(host, "0.0.0.0") != 0) return WEIR_INVALID_ARGUMENT;
    *out = (struct address){.node = node, .port = (uint16_t)port, .is_loopback = is_loopback};
    return WEIR_OK;
}

/* Who joins a family of sharers finds only such at the port. */
static bool is_taken(const struct weir_sim_life *life, uint16_t port, bool joins)
{
    for (const struct weir_sim_listener *at = life->listeners; at != NULL; at = at->next) {
        if (at->port == port && !(joins && at->is_shared)) return true;
    }
    return false;
}

static uint16_t free_port(struct weir_sim_life *life)
{
    struct weir_sim *sim = life->sim;
    do {
        if (sim->next_port < FIRST_FREE_PORT) sim->next_port = FIRST_FREE_PORT;
        sim->next_port++;
    } while (sim->next_port < FIRST_FREE_PORT || is_taken(life, sim->next_port, false));
    return sim->next_port;
}

static void print_address(const struct address *at, char text[WEIR_ADDRESS_SIZE])
{
    if (at->is_loopback) {
        (void)snprintf(text, WEIR_ADDRESS_SIZE, "127.0.0.1:%u", at->port);
    } else {
        (void)snprintf(text, WEIR_ADDRESS_SIZE, "node-%d:%u", at->node, at->port);
    }
}

/* Where this node may listen: the port is chosen, and free. */
static int find_place(struct weir_sim_life *life, const struct weir_listen_at *at,
                      struct address *place, struct weir_error *error)
{
    bool joins = at->is_shared && !at->is_first;
    int rc = parse_address(life, at->address, place);
    if (rc == WEIR_OK && place->node != life->node->number) rc = WEIR_INVALID_ARGUMENT;
    if (rc < 0) return weir_error_set(error, WEIR_INVALID_ARGUMENT, "listen at '%s'", at->address);
    if (place->port == 0) place->port = free_port(life);
    if (is_taken(life, place->port, joins)) {
        return weir_error_set(error, WEIR_LOCKED, "listen at '%s': the port is in use",
                              at->address);
    }
    return WEIR_OK;
}

/* Every node knows every node, by name. */
static int socket_look_up(struct weir_env *env, const char *host, uint16_t port,
                          struct weir_addresses *found_out, struct weir_error *error)
{
    struct address found;
    struct weir_addresses addresses = {.count = 1};
    int size = snprintf(addresses.texts[0], WEIR_ADDRESS_SIZE, "%s:%u", host, port);
    bool fits = size > 0 && size < WEIR_ADDRESS_SIZE;
    if (!fits || parse_address((struct weir_sim_life *)env, addresses.texts[0], &found) < 0) {
        return weir_error_set(error, WEIR_NOT_FOUND, "there is no host '%s'", host);
    }
    *found_out = addresses;
    return WEIR_OK;
}

static int socket_may_listen(struct weir_env *env, const char *address, struct weir_error *error)
{
    struct address place;
    struct weir_listen_at at = {.address = address};
    return find_place((struct weir_sim_life *)env, &at, &place, error);
}

static int socket_listen(struct weir_actor *actor, const struct weir_listen_at *at,
                         weir_accept_fn accepted, void *context,
                         struct weir_listener **listener_out, struct weir_error *error)
{
    struct weir_sim_life *life = (struct weir_sim_life *)actor->env;
    struct address place;
    if (life->is_dead) return weir_error_set(error, WEIR_CRASHED, "listen at '%s'", at->address);
    int rc = find_place(life, at, &place, error);
    if (rc < 0) return rc;
    struct weir_sim_listener *made = weir_alloc_zero(&life->budget, sizeof *made);
    if (made == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "listen at '%s'", at->address);
    *made = (struct weir_sim_listener){
        .base = {.ops = &listener_ops, .actor = actor},
        .life = life,
        .next = life->listeners,
        .port = place.port,
        .is_loopback = place.is_loopback,
        .is_shared = at->is_shared,
        .accepted = accepted,
        .context = context,
    };
    if (life->listeners != NULL) life->listeners->previous = made;
    life->listeners = made;
    print_address(&place, made->base.address);
    *listener_out = &made->base;
    return WEIR_OK;
}

static int socket_connect(struct weir_actor *actor, const char *text, struct weir_socket_done done,
                          struct weir_socket **socket_out, struct weir_error *error)
{
    struct weir_sim_life *life = (struct weir_sim_life *)actor->env;
    struct address to;
    if (life->is_dead) return weir_error_set(error, WEIR_CRASHED, "connect to '%s'", text);
    if (parse_address(life, text, &to) < 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "connect to '%s': not an address",
                              text);
    }
    struct weir_sim_socket *made = weir_sim_socket_new(life, actor);
    if (made == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "connect to '%s'", text);
    made->peer_node = to.node;
    made->port = to.port;
    (void)snprintf(made->base.peer, WEIR_ADDRESS_SIZE, "%s", text);
    attempt_begin(&made->connect, done);
    weir_sim_packet_send(life->sim, made, WEIR_SIM_PACKET_CONNECT, life->node->number, to.node,
                         NULL, 0);
    *socket_out = &made->base;
    return WEIR_OK;
}

const struct weir_network_ops weir_sim_network_ops = {
    .look_up = socket_look_up,
    .may_listen = socket_may_listen,
    .listen = socket_listen,
    .connect = socket_connect,
};
