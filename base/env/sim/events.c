/**
 * The simulator's event heap: a binary heap by (time, seeded tie-break, order of queueing), whose
 * events know their place, so that a deadline can be moved and a crash can take a node's events out.
 * With it the trace, and the memory and random numbers of the simulator itself.
 */
#include "base/env/sim/sim_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/grow.h"

/* ---- memory and numbers ---------------------------------------------------------------------- */

void *weir_sim_calloc(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    weir_assert(memory != NULL);
    return memory;
}

void *weir_sim_realloc(void *memory, size_t size)
{
    memory = realloc(memory, size);
    weir_assert(memory != NULL);
    return memory;
}

char *weir_sim_text(const char *text, size_t size)
{
    return memcpy(weir_sim_calloc(1, size + 1), text, size);
}

uint64_t weir_sim_random_next(struct weir_sim_random *random)
{
    uint64_t mixed = random->state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

uint64_t weir_sim_random_below(struct weir_sim_random *random, uint64_t bound)
{
    weir_assert(bound > 0);
    return (uint64_t)(((__uint128_t)weir_sim_random_next(random) * bound) >> 64);
}

int64_t weir_sim_duration(struct weir_sim *sim, int64_t max_ns)
{
    return 1 + (int64_t)weir_sim_random_below(&sim->schedule, (uint64_t)max_ns);
}

/* ---- the heap -------------------------------------------------------------------------------- */

static bool comes_before(const struct weir_sim_queued *a, const struct weir_sim_queued *b)
{
    if (a->at_ns != b->at_ns) return a->at_ns < b->at_ns;
    if (a->tie != b->tie) return a->tie < b->tie;
    return a->event->sequence < b->event->sequence;
}

static void put_at(struct weir_sim *sim, size_t index, struct weir_sim_queued queued)
{
    sim->queue[index] = queued;
    queued.event->place = index + 1;
}

static void sift_up(struct weir_sim *sim, size_t index, struct weir_sim_queued queued)
{
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (!comes_before(&queued, &sim->queue[parent])) break;
        put_at(sim, index, sim->queue[parent]);
        index = parent;
    }
    put_at(sim, index, queued);
}

static void sift_down(struct weir_sim *sim, size_t index, struct weir_sim_queued queued)
{
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= sim->queue_count) break;
        if (child + 1 < sim->queue_count &&
            comes_before(&sim->queue[child + 1], &sim->queue[child])) {
            child++;
        }
        if (!comes_before(&sim->queue[child], &queued)) break;
        put_at(sim, index, sim->queue[child]);
        index = child;
    }
    put_at(sim, index, queued);
}

void weir_sim_event_add(struct weir_sim *sim, struct weir_sim_event *event, int64_t at_ns)
{
    weir_assert(event->place == 0);
    if (sim->queue_count == sim->queue_capacity) {
        sim->queue_capacity = weir_grown(sim->queue_capacity, 64);
        sim->queue = weir_sim_realloc(sim->queue, sim->queue_capacity * sizeof *sim->queue);
    }
    event->at_ns = at_ns > sim->now_ns ? at_ns : sim->now_ns;
    event->sequence = ++sim->sequence;
    struct weir_sim_queued queued = {
        .at_ns = event->at_ns,
        .tie = weir_sim_random_next(&sim->schedule),
        .event = event,
    };
    sift_up(sim, sim->queue_count++, queued);
}

void weir_sim_event_remove(struct weir_sim *sim, struct weir_sim_event *event)
{
    if (event->place == 0) return;
    size_t index = event->place - 1;
    weir_assert(sim->queue[index].event == event);
    event->place = 0;
    sim->queue_count--;
    if (index == sim->queue_count) return;
    struct weir_sim_queued moved = sim->queue[sim->queue_count];
    if (index > 0 && comes_before(&moved, &sim->queue[(index - 1) / 2])) {
        sift_up(sim, index, moved);
    } else {
        sift_down(sim, index, moved);
    }
}

struct weir_sim_event *weir_sim_event_first(struct weir_sim *sim)
{
    return sim->queue_count > 0 ? sim->queue[0].event : NULL;
}

/* ---- the trace ------------------------------------------------------------------------------- */

void weir_sim_trace(struct weir_sim *sim, uint64_t word)
{
    uint64_t mixed = (sim->trace_hash ^ word) * 0x9fb21c651e98df25u;
    sim->trace_hash = mixed ^ (mixed >> 29);
}

uint64_t weir_sim_hash_text(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text != 0; text++) {
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3u;
    }
    return hash;
}

void weir_sim_say(struct weir_sim *sim, int node, const char *format, ...)
{
    if (sim->options.trace == NULL) return;
    char line[512];
    int head =
        snprintf(line, sizeof line, "[%6lld] node %d > ", (long long)(sim->now_ns / 1000000), node);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line + head, sizeof line - (size_t)head, format, args);
    va_end(args);
    sim->options.trace(sim->options.trace_context, line);
}
