/**
 * The simulator's network: links, and the packets on them. What one socket sends another stays in order:
 * each packet arrives after the one before it. A packet belongs to the socket it is for (a request to
 * connect: to the socket that asks), so that closing that socket takes its packets along.
 */
#include "base/env/sim/sim_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"

#define DELAY_NS_DEFAULT ((int64_t)200 * 1000)
#define CHUNK_DEFAULT ((size_t)4096)

/* ---- links ----------------------------------------------------------------------------------- */

struct weir_sim_link *weir_sim_link_between(struct weir_sim *sim, int from, int to)
{
    for (size_t i = 0; i < sim->route_count; i++) {
        struct weir_sim_route *route = &sim->routes[i];
        if (route->from == from && route->to == to) return &route->link;
    }
    sim->routes = weir_sim_realloc(sim->routes, (sim->route_count + 1) * sizeof *sim->routes);
    struct weir_sim_route *route = &sim->routes[sim->route_count++];
    *route = (struct weir_sim_route){
        .from = from,
        .to = to,
        .link = {.delay_ns_max = DELAY_NS_DEFAULT, .chunk_max = CHUNK_DEFAULT},
    };
    return &route->link;
}

static void schedule(struct weir_sim *sim, struct weir_sim_packet *packet)
{
    struct weir_sim_link *link = weir_sim_link_between(sim, packet->from_node, packet->to_node);
    struct weir_sim_socket *to = packet->to;
    int64_t at_ns = sim->now_ns + weir_sim_duration(sim, link->delay_ns_max);
    if (at_ns <= to->last_arrival_ns) at_ns = to->last_arrival_ns + 1;
    to->last_arrival_ns = at_ns;
    weir_sim_event_add(sim, &packet->event, at_ns);
}

/* What waited for the link sets out, in the order in which it was sent. */
static void release_held(struct weir_sim *sim, int from, int to)
{
    for (int i = 0; i < sim->node_count; i++) {
        struct weir_sim_life *life = sim->nodes[i] != NULL ? sim->nodes[i]->life : NULL;
        for (struct weir_sim_socket *at = life != NULL ? life->sockets : NULL; at != NULL;
             at = at->next) {
            for (struct weir_sim_packet *packet = at->first; packet != NULL;
                 packet = packet->next) {
                bool is_held = packet->event.place == 0;
                if (is_held && packet->from_node == from && packet->to_node == to) {
                    schedule(sim, packet);
                }
            }
        }
    }
}

void weir_sim_set_link(struct weir_sim *sim, int from_node, int to_node, struct weir_sim_link link)
{
    struct weir_sim_link *known = weir_sim_link_between(sim, from_node, to_node);
    if (link.delay_ns_max == 0) link.delay_ns_max = DELAY_NS_DEFAULT;
    if (link.chunk_max == 0) link.chunk_max = CHUNK_DEFAULT;
    bool is_healed = known->is_cut && !link.is_cut;
    *known = link;
    weir_sim_say(sim, from_node, "link to node %d: %s", to_node, link.is_cut ? "cut" : "open");
    if (is_healed) release_held(sim, from_node, to_node);
}

void weir_sim_reset_connections(struct weir_sim *sim, int node, int other_node)
{
    weir_sim_say(sim, node, "connections to node %d reset", other_node);
    for (int i = 0; i < sim->node_count; i++) {
        struct weir_sim_life *life = sim->nodes[i] != NULL ? sim->nodes[i]->life : NULL;
        for (struct weir_sim_socket *at = life != NULL ? life->sockets : NULL; at != NULL;
             at = at->next) {
            bool is_meant = (i == node && at->peer_node == other_node) ||
                            (i == other_node && at->peer_node == node);
            if (is_meant && at->is_connected) weir_sim_socket_break(at);
        }
    }
}

/* ---- packets --------------------------------------------------------------------------------- */

void weir_sim_packet_send(struct weir_sim *sim, struct weir_sim_socket *to,
                          enum weir_sim_packet_kind kind, int from_node, int to_node,
                          const uint8_t *bytes, size_t size)
{
    struct weir_sim_packet *packet = weir_sim_calloc(1, sizeof *packet + size);
    packet->to = to;
    packet->kind = kind;
    packet->from_node = from_node;
    packet->to_node = to_node;
    packet->event.kind = WEIR_SIM_EVENT_PACKET;
    packet->event.object = packet;
    packet->size = size;
    weir_copy(packet->bytes, bytes, size);
    to->in_flight += size;
    *(to->last != NULL ? &to->last->next : &to->first) = packet;
    to->last = packet;
    if (!weir_sim_link_between(sim, from_node, to_node)->is_cut) schedule(sim, packet);
}

void weir_sim_packet_take(struct weir_sim_packet *packet)
{
    struct weir_sim_socket *to = packet->to;
    struct weir_sim_packet *before = NULL;
    struct weir_sim_packet **link = &to->first;
    while (*link != packet) {
        before = *link;
        link = &before->next;
    }
    *link = packet->next;
    if (to->last == packet) to->last = before;
    to->in_flight -= packet->size;
}

void weir_sim_packets_drop(struct weir_sim_socket *to)
{
    while (to->first != NULL) {
        struct weir_sim_packet *packet = to->first;
        weir_sim_event_remove(to->life->sim, &packet->event);
        weir_sim_packet_take(packet);
        free(packet);
    }
}

/* ---- arrival --------------------------------------------------------------------------------- */

/* Those that share a port take turns. */
static struct weir_sim_listener *find_listener(struct weir_sim *sim,
                                               const struct weir_sim_socket *from)
{
    int node = from->peer_node;
    struct weir_sim_life *life =
        node < sim->node_count && sim->nodes[node] != NULL ? sim->nodes[node]->life : NULL;
    if (life == NULL || life->is_dead) return NULL;
    struct weir_sim_listener *next = NULL;
    for (struct weir_sim_listener *at = life->listeners; at != NULL; at = at->next) {
        bool is_reachable = !at->is_loopback || from->life->node->number == node;
        if (at->port != from->port || !is_reachable) continue;
        if (next == NULL || at->turn < next->turn) next = at;
    }
    if (next != NULL) next->turn = ++life->connections_dealt;
    return next;
}

/* At the listener's node. The answer travels back on the other link. */
static void arrive_connect(struct weir_sim *sim, struct weir_sim_socket *from)
{
    int here = from->peer_node;
    int there = from->life->node->number;
    struct weir_sim_listener *listener = find_listener(sim, from);
    struct weir_sim_socket *made =
        listener != NULL ? weir_sim_socket_new(listener->life, listener->base.actor) : NULL;
    if (made == NULL) {
        weir_sim_packet_send(sim, from, WEIR_SIM_PACKET_RESET, here, there, NULL, 0);
        return;
    }
    made->peer = from;
    made->peer_node = there;
    made->is_connected = true;
    (void)snprintf(made->base.peer, sizeof made->base.peer, "node-%d:0", there);
    memcpy(made->base.local, listener->base.address, sizeof made->base.local);
    from->peer = made;
    weir_sim_packet_send(sim, from, WEIR_SIM_PACKET_CONNECTED, here, there, NULL, 0);
    weir_sim_actor_queue_turn((struct weir_sim_actor *)made->base.actor);
    listener->accepted(listener->context, &made->base);
}

static void arrive_data(struct weir_sim_socket *to, const struct weir_sim_packet *packet)
{
    size_t needed = to->inbox_size + packet->size;
    if (needed > to->inbox_capacity) {
        to->inbox_capacity = needed > 2 * to->inbox_capacity ? needed : 2 * to->inbox_capacity;
        to->inbox = weir_sim_realloc(to->inbox, to->inbox_capacity);
    }
    memcpy(to->inbox + to->inbox_size, packet->bytes, packet->size);
    to->inbox_size = needed;
    weir_sim_socket_deliver(to);
}

void weir_sim_packet_arrive(struct weir_sim *sim, struct weir_sim_packet *packet)
{
    struct weir_sim_socket *to = packet->to;
    weir_sim_packet_take(packet);
    switch (packet->kind) {
    case WEIR_SIM_PACKET_CONNECT:
        arrive_connect(sim, to);
        break;
    case WEIR_SIM_PACKET_CONNECTED:
        to->is_connected = true;
        (void)snprintf(to->base.local, sizeof to->base.local, "node-%d:0", to->life->node->number);
        weir_sim_socket_finish(to, &to->connect, 0);
        break;
    case WEIR_SIM_PACKET_DATA:
        arrive_data(to, packet);
        break;
    case WEIR_SIM_PACKET_END:
        to->has_ended = true;
        weir_sim_socket_deliver(to);
        break;
    case WEIR_SIM_PACKET_RESET:
        weir_sim_socket_break(to);
        break;
    }
    free(packet);
}
