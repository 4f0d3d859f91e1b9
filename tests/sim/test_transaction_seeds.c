/**
 * Transactions on the engine alone under random seeds: producers of both versions of the protocol, two for each
 * transactional id, commit, abort, fall silent and are zombies; the node is killed, loses power, runs out of disk and memory
 * at any step. At the end each transaction is visible as a whole or not at all, with its offsets, as its producer was told, and
 * none is open.
 */
#include <stdlib.h>

#include "tests/sim/seeds.h"
#include "tests/sim/transaction_world.h"

static void run(struct simulation *simulation)
{
    struct transaction_world *world = malloc(sizeof *world);
    if (world == NULL) abort();
    simulation->is_bare = true;
    transaction_world_init(world, simulation);
    if (transaction_world_start(world)) {
        simulation_trouble(simulation);
        simulation_play(simulation, 300 + (int)simulation_draw(simulation, 2000));
        transaction_world_end(world);
    }
    free(world);
}

int main(int argument_count, char **arguments)
{
    return seeds_main(argument_count, arguments,
                      &(struct seeds_scenario){"transactions", 200, run});
}
