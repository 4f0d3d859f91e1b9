/**
 * The engine behind its Kafka port under random seeds: producers, readers and administrators on
 * nodes of their own speak the wire protocol over links that are slow, cut and reset, to a node
 * that is killed, loses power, runs out of disk and memory. At the end everything acknowledged is
 * there, once, in order, and nothing else; everybody has got on; and nothing is left in memory.
 */
#include "tests/sim/remote.h"
#include "tests/sim/seeds.h"

enum { PRODUCERS_MAX = 4, READERS_MAX = 4, ADMINS_MAX = 2, ROGUES_MAX = 3, TURNS_MAX = 1500 };

static void add_producer(struct served *served)
{
    struct simulation *simulation = served->simulation;
    bool is_idempotent = simulation_chance(simulation, 600);
    struct remote_producer_options options = {
        .acks =
            is_idempotent ? HISTORY_ACKS_ALL : (enum history_acks)simulation_draw(simulation, 3),
        .is_idempotent = is_idempotent,
        .in_flight_max = 1 + (int)simulation_draw(simulation, 5),
        .records_max = 1 + (int)simulation_draw(simulation, 10),
        .value_count = 20 + simulation_draw(simulation, 500),
    };
    remote_producer_new(served, served_draw_topic(served), &options);
}

static void add_clients(struct served *served)
{
    struct simulation *simulation = served->simulation;
    int producer_count = 1 + (int)simulation_draw(simulation, PRODUCERS_MAX);
    for (int i = 0; i < producer_count; i++)
        add_producer(served);
    int admin_count = (int)simulation_draw(simulation, ADMINS_MAX + 1);
    for (int i = 0; i < admin_count; i++)
        remote_admin_new(served, 1 + simulation_draw(simulation, 4));
    int reader_count = (int)simulation_draw(simulation, READERS_MAX + 1);
    for (int i = 0; i < reader_count; i++) {
        struct remote_reader_options options = {.has_session = simulation_chance(simulation, 500)};
        remote_reader_new(served, served_draw_topic(served), &options);
    }
}

static void add_rogues(struct served *served)
{
    struct simulation *simulation = served->simulation;
    for (int i = 0; i < ROGUES_MAX; i++) {
        if (simulation_chance(simulation, 500)) continue;
        remote_rogue_new(served, (enum rogue_kind)simulation_draw(simulation, 3));
    }
}

static void run(struct simulation *simulation)
{
    struct served served;
    served_init(&served, simulation);
    if (!served_start(&served)) return;
    add_clients(&served);
    add_rogues(&served);
    served_trouble(&served);
    served_play(&served, 200 + (int)simulation_draw(simulation, TURNS_MAX));
    served_end(&served);
}

int main(int argument_count, char **arguments)
{
    return seeds_main(argument_count, arguments, &(struct seeds_scenario){"server", 250, run});
}
