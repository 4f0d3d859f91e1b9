/**
 * A server that loses its power again and again under concurrent producers: a hundred rounds in one
 * life, each of some turns, a loss of everything that was not synced, and a recovery. What was
 * acknowledged is there at the end, once, at the offset that was told, and no reader has seen an
 * offset twice: the history is checked for lost-write, duplicate, value-changed-at-offset and
 * nonmonotonic-poll, and all else that the checker knows.
 */
#include "tests/sim/remote.h"
#include "tests/sim/seeds.h"

enum { ROUNDS = 100, TURNS_MAX = 60, PRODUCERS = 4, READERS = 2, VALUES = 2000 };

static void add_clients(struct served *served)
{
    struct simulation *simulation = served->simulation;
    for (int i = 0; i < PRODUCERS; i++) {
        bool is_idempotent = i % 2 == 0;
        bool is_sure = is_idempotent || simulation_chance(simulation, 500);
        struct remote_producer_options options = {
            .acks = is_sure ? HISTORY_ACKS_ALL : HISTORY_ACKS_LEADER,
            .is_idempotent = is_idempotent,
            .in_flight_max = 5,
            .records_max = 10,
            .value_count = VALUES,
        };
        remote_producer_new(served, served_draw_topic(served), &options);
    }
    for (int i = 0; i < READERS; i++) {
        struct remote_reader_options options = {.has_session = i % 2 == 0};
        remote_reader_new(served, served_draw_topic(served), &options);
    }
}

/* Nothing befalls the node but the loss of its power, at a random moment or at an operation of its
 * disk. */
static void choose_faults(struct served *served)
{
    struct swarm *swarm = &served->simulation->swarm;
    *swarm = (struct swarm){
        .may_lose_power = true,
        .disk_crash_per_mille = simulation_chance(served->simulation, 500) ? 20 : 0,
        .events_per_turn = swarm->events_per_turn,
        .turn_ns_max = swarm->turn_ns_max,
        .work_ns_max = swarm->work_ns_max,
        .shard_count = swarm->shard_count,
        .offsets_partition_count = 1,
        .internal_segment_bytes = swarm->internal_segment_bytes,
    };
    served->weather = (struct served_weather){0};
    served->leap_per_mille = 0;
}

static void run(struct simulation *simulation)
{
    struct served served;
    served_init(&served, simulation);
    choose_faults(&served);
    if (!served_start(&served)) return;
    add_clients(&served);
    served_trouble(&served);
    for (int i = 0; i < ROUNDS; i++) {
        served_play(&served, 1 + (int)simulation_draw(simulation, TURNS_MAX));
        simulation_lose_power(simulation);
    }
    served_end(&served);
}

int main(int argument_count, char **arguments)
{
    return seeds_main(argument_count, arguments, &(struct seeds_scenario){"power", 20, run});
}
