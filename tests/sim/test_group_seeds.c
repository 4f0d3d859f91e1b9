/**
 * Consumer groups behind the Kafka port under random seeds: up to fifty members, of the classic protocol (eager and
 * cooperative) and of the consumer protocol, static and dynamic, on nodes of their own, share topics that grow. Members
 * crash, pause for longer than their session, leave, come back, hang up, and commit under what they once were; the node
 * is killed, loses power, runs out of disk and memory. Nobody reads what another one reads, no commit that was
 * acknowledged is lost, and once all is calm everything is assigned in time, read and committed.
 */
#include "tests/sim/group_world.h"
#include "tests/sim/seeds.h"

enum { TURNS_MIN = 500, TURNS_MAX = 2500 };

static void run(struct simulation *simulation)
{
    struct group_world world;
    group_world_init(&world, simulation);
    if (group_world_start(&world)) {
        served_trouble(&world.served);
        group_world_play(&world, TURNS_MIN + (int)simulation_draw(simulation, TURNS_MAX));
        group_world_end(&world);
    }
    group_world_close(&world);
}

int main(int argument_count, char **arguments)
{
    return seeds_main(argument_count, arguments, &(struct seeds_scenario){"groups", 40, run});
}
