#include "tests/sim/seeds.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* A seed takes milliseconds; one that computes for a minute computes for ever. Its own time is counted,
 * for a busy machine may give it little; one that waits instead never ends, and gets ten minutes. */
enum { CHUNK = 25, REPLAY_EVERY = 100, TEXT_SIZE = 700, HANGS_AFTER_S = 60, WAITS_AFTER_S = 600 };

/* What a child tells its parent, in memory that both see. */
struct report {
    uint64_t seed; /* at hand */
    bool has_failed;
    char text[TEXT_SIZE];
    uint64_t restarts; /* of all seeds, to see that something happened */
    uint64_t calls;
};

struct hashes {
    uint64_t trace;
    uint64_t history;
};

struct seeds {
    const struct seeds_scenario *scenario;
    const char *program;
    struct report *report;
    bool prints_hashes; /* WEIR_SIM_HASHES: two builds that say the same did the same */
};

/* ---- one seed --------------------------------------------------------------------------------- */

static struct hashes run_once(const struct seeds *seeds, uint64_t seed, bool is_traced)
{
    struct simulation simulation;
    struct report *report = seeds->report;
    simulation_open(&simulation, seed, is_traced);
    seeds->scenario->run(&simulation);
    struct hashes hashes = {weir_sim_trace_hash(simulation.sim), history_hash(&simulation.history)};
    report->restarts += simulation.restart_count;
    report->calls += simulation.history.event_count;
    if (simulation_has_failed(&simulation)) {
        report->has_failed = true;
        (void)snprintf(report->text, sizeof report->text, "%s: %s", simulation.anomaly,
                       simulation.text);
    }
    simulation_close(&simulation);
    return hashes;
}

static void run_seed(const struct seeds *seeds, uint64_t seed, bool is_traced)
{
    struct report *report = seeds->report;
    report->seed = seed;
    struct hashes first = run_once(seeds, seed, is_traced);
    if (seeds->prints_hashes) {
        printf("seed %" PRIu64 " trace %016" PRIx64 " history %016" PRIx64 "\n", seed, first.trace,
               first.history);
        (void)fflush(stdout);
    }
    if (report->has_failed || seed % REPLAY_EVERY != 0) return;
    struct hashes second = run_once(seeds, seed, false);
    if (report->has_failed) return;
    if (first.trace == second.trace && first.history == second.history) return;
    report->has_failed = true;
    (void)snprintf(report->text, sizeof report->text,
                   "not-deterministic: the same seed ran twice and did not do the same");
}

/* ---- many ------------------------------------------------------------------------------------- */

static void print_failure(const struct seeds *seeds)
{
    const struct report *report = seeds->report;
    printf("%s: seed %" PRIu64 " fails\n  %s\n  replay: WEIR_SIM_SEED=%" PRIu64 " %s\n",
           seeds->scenario->name, report->seed, report->text, report->seed, seeds->program);
}

static void run_chunk(const struct seeds *seeds, uint64_t from, uint64_t count)
{
    for (uint64_t seed = from; seed < from + count && !seeds->report->has_failed; seed++) {
        struct itimerval bound = {.it_value = {.tv_sec = HANGS_AFTER_S}};
        (void)setitimer(ITIMER_VIRTUAL, &bound, NULL);
        (void)alarm(WAITS_AFTER_S);
        run_seed(seeds, seed, false);
    }
}

/* False if a seed failed, or took the child with it. */
static bool run_child(const struct seeds *seeds, uint64_t from, uint64_t count)
{
    (void)fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        exit(EXIT_FAILURE);
    }
    if (child == 0) {
        run_chunk(seeds, from, count);
        _exit(EXIT_SUCCESS);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    struct report *report = seeds->report;
    if (!report->has_failed && status != 0) {
        report->has_failed = true;
        bool hangs =
            WIFSIGNALED(status) && (WTERMSIG(status) == SIGALRM || WTERMSIG(status) == SIGVTALRM);
        (void)snprintf(report->text, sizeof report->text,
                       hangs ? "hangs: it runs for ever (%s %d)"
                             : "the engine's code ended the process (%s %d)",
                       WIFSIGNALED(status) ? "signal" : "status",
                       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    return !report->has_failed;
}

static bool run_many(const struct seeds *seeds, uint64_t from, uint64_t count)
{
    for (uint64_t done = 0; done < count; done += CHUNK) {
        uint64_t chunk = count - done < CHUNK ? count - done : CHUNK;
        if (!run_child(seeds, from + done, chunk)) return false;
    }
    return true;
}

/* ---- the door --------------------------------------------------------------------------------- */

static uint64_t from_environment(const char *name, uint64_t preset)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : preset;
}

/* A build with a planted bug: it is the test's duty to fail. */
static int find_bug(const struct seeds *seeds, uint64_t from, uint64_t bound)
{
    if (run_many(seeds, from, bound)) {
        printf("%s: the planted bug was not found within %" PRIu64 " seeds\n",
               seeds->scenario->name, bound);
        return EXIT_FAILURE;
    }
    printf("%s: the planted bug was found after %" PRIu64 " seeds\n  %s\n", seeds->scenario->name,
           seeds->report->seed - from + 1, seeds->report->text);
    return EXIT_SUCCESS;
}

static int run_all(const struct seeds *seeds, uint64_t from, uint64_t count)
{
    if (!run_many(seeds, from, count)) {
        print_failure(seeds);
        return EXIT_FAILURE;
    }
    printf("%s: %" PRIu64 " seeds from %" PRIu64 ": %" PRIu64 " restarts, %" PRIu64
           " calls and reads checked\n",
           seeds->scenario->name, count, from, seeds->report->restarts, seeds->report->calls);
    return EXIT_SUCCESS;
}

/* The number behind `name` among the arguments; 0 if it is not there. */
static uint64_t from_arguments(int count, char **arguments, const char *name)
{
    for (int i = 1; i < count; i++) {
        size_t size = strlen(name);
        if (strncmp(arguments[i], name, size) == 0) return strtoull(arguments[i] + size, NULL, 10);
    }
    return 0;
}

int seeds_main(int argument_count, char **arguments, const struct seeds_scenario *scenario)
{
    struct seeds seeds = {.scenario = scenario,
                          .program = arguments[0],
                          .prints_hashes = from_environment("WEIR_SIM_HASHES", 0) != 0};
    seeds.report =
        mmap(NULL, sizeof *seeds.report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (seeds.report == MAP_FAILED) {
        perror("mmap");
        return EXIT_FAILURE;
    }
    uint64_t from = from_environment("WEIR_SIM_SEED_FROM", 1);
    uint64_t one = from_environment("WEIR_SIM_SEED", 0);
    uint64_t bound = from_arguments(argument_count, arguments, "--finds-bug=");
    if (one != 0) {
        run_seed(&seeds, one, true);
        if (seeds.report->has_failed) print_failure(&seeds);
        return seeds.report->has_failed ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    if (bound != 0) return find_bug(&seeds, from, bound);
    uint64_t count = from_arguments(argument_count, arguments, "--seeds=");
    if (count == 0) count = scenario->seed_count;
    return run_all(&seeds, from, from_environment("WEIR_SIM_SEEDS", count));
}
