#ifndef WEIR_TESTS_SIM_SEEDS_H
#define WEIR_TESTS_SIM_SEEDS_H

#include "tests/sim/simulation.h"

/**
 * Run one scenario under many seeds, in child processes, so that a crash of the engine's code is laid
 * to its seed too. On a failure the seed, what is wrong, and the line that replays it are printed.
 *
 *   WEIR_SIM_SEEDS=n      how many [--seeds=n, else the scenario's own number]
 *   WEIR_SIM_SEED_FROM=n  the first [1]
 *   WEIR_SIM_SEED=n       this one only, in this process, with its trace on stderr
 *   WEIR_SIM_HASHES=1     print what each seed did, as hashes of its trace and its history
 *   --finds-bug=n         succeed if one of the first n seeds fails: for builds with a planted bug
 */
struct seeds_scenario {
    const char *name;
    uint64_t seed_count;
    void (*run)(struct simulation *simulation); /* opened; simulation_fail says what is wrong */
};

int seeds_main(int argument_count, char **arguments, const struct seeds_scenario *scenario);

#endif
