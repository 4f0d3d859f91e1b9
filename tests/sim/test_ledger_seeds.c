/**
 * The engine alone with transactions under random seeds: writers of both versions and such without, markers written by
 * the simulation, readers that read committed and that do not; crashes, full and failing disks, jumps of the clock. In half
 * of them the topic is compacted meanwhile, with few keys. What they are given is held against the ledger as they read, and
 * all of it at the end.
 */
#include "tests/sim/clients.h"
#include "tests/sim/ledger.h"
#include "tests/sim/seeds.h"

#include <stdlib.h>

enum { WRITERS_MAX = 5, READERS_MAX = 5, TURNS_MAX = 1200, FIRST_READER = 20, LAST_READER = 40 };

static int begin(struct simulation *simulation, struct weir_error *error)
{
    (void)error;
    ledger_register_owner(simulation->hooks.context);
    return 0;
}

static bool all_are_done(struct simulation *simulation)
{
    return simulation_clients_are_done(simulation);
}

static void add_clients(struct ledger *ledger)
{
    struct simulation *simulation = ledger->simulation;
    int writer_count = 1 + (int)simulation_draw(simulation, WRITERS_MAX);
    for (int i = 0; i < writer_count; i++) {
        writer_new(ledger, &(struct writer_options){
                               .process = 1 + i,
                               .is_plain = simulation_chance(simulation, 150),
                               .is_version_2 = simulation_chance(simulation, 500),
                               .transaction_count = 1 + (int)simulation_draw(simulation, 40),
                               .records_max = 1 + (int)simulation_draw(simulation, 8),
                               .in_flight_max = 1 + (int)simulation_draw(simulation, 3),
                           });
    }
    int reader_count = 1 + (int)simulation_draw(simulation, READERS_MAX);
    for (int i = 0; i < reader_count; i++) {
        int32_t partition = (int32_t)simulation_draw(simulation, LEDGER_PARTITIONS);
        ledger_reader_new(ledger, FIRST_READER + i, partition, simulation_chance(simulation, 800),
                          false);
    }
}

static void run(struct simulation *simulation)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);
    if (ledger == NULL) abort();
    ledger->simulation = simulation;
    ledger->topic = "payments";
    simulation->is_bare = true;
    simulation->hooks = (struct simulation_hooks){.begin = begin, .context = ledger};
    int64_t segment_bytes = (int64_t)100 << simulation_draw(simulation, 10);
    ledger->is_compacted = simulation_chance(simulation, 500);
    bool is_ready =
        simulation_start(simulation) &&
        (ledger->is_compacted
             ? create_compacted_topic(simulation, ledger->topic, LEDGER_PARTITIONS, segment_bytes)
             : create_topic(simulation, ledger->topic, LEDGER_PARTITIONS, segment_bytes));
    if (is_ready) {
        add_clients(ledger);
        simulation_trouble(simulation);
        simulation_play(simulation, 100 + (int)simulation_draw(simulation, TURNS_MAX));
        simulation_heal(simulation);
        (void)simulation_settle(simulation, all_are_done, "the clients are not done");
        for (int32_t i = 0; i < LEDGER_PARTITIONS; i++)
            ledger_reader_new(ledger, LAST_READER + i, i, true, true);
        (void)simulation_settle(simulation, all_are_done, "the last readers have not read all");
        simulation_finish(simulation);
        ledger_check(ledger);
    }
    simulation->hooks = (struct simulation_hooks){0};
    free(ledger);
}

int main(int argument_count, char **arguments)
{
    return seeds_main(argument_count, arguments, &(struct seeds_scenario){"ledger", 1000, run});
}
