#include "tests/sim/simulation.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "client/embedded/embedded.h"

#define WALL_OFFSET_MAX_MS ((int64_t)20 * 365 * 86400 * 1000)

enum { NODE = 0, OPEN_ATTEMPTS_MAX = 20, IDLE_NS = 2 * 1000 * 1000, LEAP_MS = 300000 };
enum { CLEANER_BACKOFF_MS = 20 };
enum { SEGMENT_FILES_MAX = 4 }; /* so few that they come and go all the time */

/* ---- choices ---------------------------------------------------------------------------------- */

int64_t simulation_draw(struct simulation *simulation, int64_t bound)
{
    return (int64_t)weir_test_random_below(&simulation->random, (uint64_t)bound);
}

bool simulation_chance(struct simulation *simulation, int per_mille)
{
    return simulation_draw(simulation, 1000) < per_mille;
}

/* Off in half of the seeds, so that each fault is also met alone. */
static int draw_rate(struct simulation *simulation, int per_mille_max)
{
    if (simulation_chance(simulation, 500)) return 0;
    return 1 + (int)simulation_draw(simulation, per_mille_max);
}

static void draw_swarm(struct simulation *simulation)
{
    struct swarm *swarm = &simulation->swarm;
    swarm->crash_per_mille = draw_rate(simulation, 20);
    swarm->disk_crash_per_mille = draw_rate(simulation, 30);
    swarm->full_disk_per_mille = draw_rate(simulation, 10);
    swarm->io_error_per_mille = draw_rate(simulation, 8);
    swarm->sync_error_per_mille = draw_rate(simulation, 8);
    swarm->read_error_per_mille = simulation_chance(simulation, 200) ? 4 : 0;
    swarm->clock_jump_per_mille = draw_rate(simulation, 10);
    swarm->no_memory_per_mille = draw_rate(simulation, 10);
    swarm->close_per_mille = draw_rate(simulation, 8);
    swarm->leap_per_mille = draw_rate(simulation, 4);
    swarm->recovery_fault_percent = draw_rate(simulation, 50);
    swarm->may_lose_power = simulation_chance(simulation, 800);
    swarm->events_per_turn = 1 + (int)simulation_draw(simulation, 60);
    swarm->turn_ns_max = 1000 * (1 + simulation_draw(simulation, 100));
    swarm->work_ns_max = 1000 * (1 + simulation_draw(simulation, 4000));
    swarm->shard_count = 1 + (int32_t)simulation_draw(simulation, 3);
    swarm->offsets_partition_count = 1 + (int32_t)simulation_draw(simulation, 3);
    swarm->internal_segment_bytes = (int64_t)200 << simulation_draw(simulation, 12);
}

/* From numbers of its own, so that what the other draws give stays as it is. */
void simulation_draw_flush_policy(struct simulation *simulation)
{
    struct weir_test_random random = {simulation->seed ^ 0x6f73};
    simulation->swarm.is_flush_policy_os = weir_test_random_below(&random, 4) == 0;
}

/* ---- what is wrong ---------------------------------------------------------------------------- */

bool simulation_fail(struct simulation *simulation, const char *anomaly, const char *format, ...)
{
    if (simulation_has_failed(simulation)) return false;
    (void)snprintf(simulation->anomaly, sizeof simulation->anomaly, "%s", anomaly);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(simulation->text, sizeof simulation->text, format, args);
    va_end(args);
    return false;
}

bool simulation_is_up(const struct simulation *simulation)
{
    return simulation->broker != NULL && !weir_sim_has_crashed(simulation->sim, NODE);
}

void simulation_note_error(struct simulation *simulation, int rc, const char *text)
{
    if (rc == WEIR_CORRUPT) {
        simulation_fail(simulation, "corrupt-without-damage",
                        "no bit was flipped, and the engine says: %s", text);
    }
    bool is_broken = rc == WEIR_IO || rc == WEIR_OFFLINE;
    if (is_broken && simulation->is_calm) {
        simulation_fail(simulation, "offline-without-fault",
                        "no fault is left, and the engine says: %s", text);
    }
    simulation->needs_restart |= is_broken;
}

void simulation_note_code(struct simulation *simulation, const struct weir_request *request)
{
    if (request->rc < 0) simulation_note_error(simulation, request->rc, request->error.text);
}

bool simulation_excuses(const struct simulation *simulation, int rc)
{
    if (rc == WEIR_CRASHED) return true;
    if (simulation->is_calm) return false;
    return rc == WEIR_IO || rc == WEIR_OFFLINE || rc == WEIR_CLOSED || weir_code_is_shortage(rc);
}

struct weir_shared *simulation_bytes(struct simulation *simulation, const void *bytes, size_t size)
{
    struct weir_budget *budget = simulation->env->budget;
    struct weir_shared *shared = weir_shared_new(budget, size);
    if (shared == NULL) shared = weir_shared_new(budget, size);
    if (shared == NULL) abort();
    memcpy(shared->data, bytes, size);
    shared->size = size;
    return shared;
}

/* ---- clients ---------------------------------------------------------------------------------- */

void simulation_add(struct simulation *simulation, struct client *client)
{
    client->simulation = simulation;
    client->next = simulation->clients;
    simulation->clients = client;
}

void simulation_act(struct simulation *simulation)
{
    for (struct client *client = simulation->clients; client != NULL; client = client->next) {
        if (simulation_is_up(simulation)) client->act(client);
    }
}

bool simulation_clients_are_done(const struct simulation *simulation)
{
    for (const struct client *client = simulation->clients; client != NULL; client = client->next) {
        if (!client->is_done(client)) return false;
    }
    return true;
}

/* ---- the node goes ---------------------------------------------------------------------------- */

static enum weir_sim_crash_kind draw_crash(struct simulation *simulation)
{
    bool is_power = simulation->swarm.may_lose_power && simulation_chance(simulation, 600);
    return is_power ? WEIR_SIM_POWER : WEIR_SIM_KILL;
}

/* The node is dead: its log and all that was under way with it. */
static void forget(struct simulation *simulation)
{
    simulation->log = NULL;
    simulation->broker = NULL;
    if (simulation->hooks.gone != NULL) simulation->hooks.gone(simulation);
    for (struct client *client = simulation->clients; client != NULL; client = client->next)
        client->forget(client);
}

static void disarm(struct simulation *simulation)
{
    simulation->is_lossy |= simulation->may_turn_lossy;
    simulation->may_turn_lossy = false;
    simulation->is_armed = false;
    bool is_alive = simulation->env != NULL && !weir_sim_has_crashed(simulation->sim, NODE);
    if (is_alive) atomic_store(&simulation->env->heap->fail_at, 0);
    weir_sim_disk_plan(simulation->sim, NODE, (struct weir_sim_fault_plan){0});
}

static void crash(struct simulation *simulation, enum weir_sim_crash_kind kind)
{
    simulation->is_lossy |= kind == WEIR_SIM_POWER;
    weir_sim_crash(simulation->sim, NODE, kind);
    forget(simulation);
}

/* ---- planned faults --------------------------------------------------------------------------- */

static void plan(struct simulation *simulation, enum weir_sim_fault fault, uint64_t within)
{
    struct weir_sim_fault_plan planned = {
        .fault = fault,
        .at = 1 + (uint64_t)simulation_draw(simulation, (int64_t)within),
        .crash = draw_crash(simulation),
        .torn_bytes = (size_t)simulation_draw(simulation, 400),
        .is_sticky = fault == WEIR_SIM_FAULT_SYNC || simulation_chance(simulation, 300),
    };
    bool is_crash = fault == WEIR_SIM_FAULT_CRASH || fault == WEIR_SIM_FAULT_CRASH_AFTER ||
                    fault == WEIR_SIM_FAULT_TORN;
    if (is_crash) planned.is_sticky = true; /* at the next operation that fits */
    bool loses = fault == WEIR_SIM_FAULT_SYNC || (is_crash && planned.crash == WEIR_SIM_POWER);
    simulation->may_turn_lossy |= loses;
    simulation->is_armed = true;
    simulation->is_suspect = true;
    weir_sim_disk_count_reset(simulation->sim, NODE);
    weir_sim_disk_plan(simulation->sim, NODE, planned);
}

static enum weir_sim_fault draw_disk_crash(struct simulation *simulation)
{
    static const enum weir_sim_fault faults[] = {WEIR_SIM_FAULT_CRASH, WEIR_SIM_FAULT_CRASH_AFTER,
                                                 WEIR_SIM_FAULT_TORN};
    return faults[simulation_draw(simulation, 3)];
}

/* The disk is full, or no descriptor is left but some, or none. */
static void fill_disk(struct simulation *simulation)
{
    int64_t limit = 1 + simulation_draw(simulation, 20000);
    simulation->is_full = true;
    if (limit % 3 == 0) {
        size_t held = weir_sim_descriptors(simulation->sim, NODE);
        weir_sim_descriptor_limit(simulation->sim, NODE, held + 1 - (size_t)(limit % 2));
    } else {
        weir_sim_disk_limit(simulation->sim, NODE, limit);
    }
}

static void empty_disk(struct simulation *simulation)
{
    simulation->is_full = false;
    weir_sim_disk_limit(simulation->sim, NODE, 0);
    weir_sim_descriptor_limit(simulation->sim, NODE, 0);
}

/* Hours and tens of years, there and back, but never far from where the simulation's clock begins. */
static void jump_clock(struct simulation *simulation)
{
    static const int64_t jumps_ms[] = {-3600000, 3600000, -315360000000, 315360000000, -1000, 1000};
    int64_t jump_ms = jumps_ms[simulation_draw(simulation, 6)];
    if (llabs(simulation->wall_offset_ms + jump_ms) > WALL_OFFSET_MAX_MS) return;
    simulation->wall_offset_ms += jump_ms;
    weir_sim_jump_wall(simulation->sim, NODE, jump_ms);
}

static void starve(struct simulation *simulation)
{
    uint64_t at = 1 + (uint64_t)simulation_draw(simulation, 300);
    atomic_store(&simulation->env->heap->fail_at, at);
}

static void befall(struct simulation *simulation)
{
    const struct swarm *swarm = &simulation->swarm;
    if (simulation_chance(simulation, swarm->crash_per_mille)) {
        crash(simulation, draw_crash(simulation));
        return;
    }
    if (simulation_chance(simulation, swarm->disk_crash_per_mille)) {
        plan(simulation, draw_disk_crash(simulation), 30);
    } else if (simulation_chance(simulation, swarm->io_error_per_mille)) {
        plan(simulation, WEIR_SIM_FAULT_EIO, 30);
    } else if (simulation_chance(simulation, swarm->sync_error_per_mille)) {
        plan(simulation, WEIR_SIM_FAULT_SYNC, 30);
    } else if (simulation_chance(simulation, swarm->read_error_per_mille)) {
        plan(simulation, WEIR_SIM_FAULT_READ_EIO, 10);
    }
    if (simulation->is_full ? simulation_chance(simulation, 100)
                            : simulation_chance(simulation, swarm->full_disk_per_mille)) {
        simulation->is_full ? empty_disk(simulation) : fill_disk(simulation);
    }
    if (simulation_chance(simulation, swarm->clock_jump_per_mille)) jump_clock(simulation);
    if (simulation_is_up(simulation) && simulation_chance(simulation, swarm->no_memory_per_mille)) {
        starve(simulation);
    }
}

static void befall_recovery(struct simulation *simulation, int attempt)
{
    disarm(simulation);
    if (attempt >= 6 || simulation->is_calm) return;
    if (!simulation_chance(simulation, 10 * simulation->swarm.recovery_fault_percent)) return;
    switch (simulation_draw(simulation, 6)) {
    case 0:
        plan(simulation, WEIR_SIM_FAULT_EIO, 40);
        break;
    case 1:
        plan(simulation, WEIR_SIM_FAULT_SYNC, 20);
        break;
    case 2:
        plan(simulation, WEIR_SIM_FAULT_READ_EIO, 40);
        break;
    default:
        plan(simulation, draw_disk_crash(simulation), 40);
    }
}

/* ---- the node comes back ---------------------------------------------------------------------- */

static int open_bare(struct simulation *simulation, struct weir_error *error)
{
    struct weir_broker_options options = {
        .env = simulation->env,
        .path = SIMULATION_PATH,
        .shard_count = simulation->swarm.shard_count,
        .offsets_topic_num_partitions = simulation->swarm.offsets_partition_count,
        .segment_files_max = SEGMENT_FILES_MAX,
        .topic_defaults = weir_topic_config_default(),
        .groups = simulation->swarm.groups,
        .transactions = simulation->swarm.transactions,
        .cleaner = weir_cleaner_settings_default(),
    };
    options.cleaner.backoff_ms =
        CLEANER_BACKOFF_MS; /* the engine's own topics are compacted all the time */
    options.topic_defaults.segment_bytes = simulation->swarm.internal_segment_bytes;
    options.topic_defaults.retention_ms = -1;
    /* Its clock jumps by tens of years: what expires by it is not lost. */
    if (options.groups.session_timeout_max_ms == 0) options.groups = weir_group_settings_default();
    options.groups.offsets_retention_minutes = INT32_MAX;
    if (simulation->swarm.is_flush_policy_os) options.topic_defaults.flush_policy = WEIR_FLUSH_OS;
    return weir_broker_open(&options, &simulation->broker, error);
}

static int open_log(struct simulation *simulation, struct weir_error *error)
{
    simulation->env = weir_sim_node(simulation->sim, NODE);
    if (simulation->is_bare) return open_bare(simulation, error);
    /* Changelogs are compacted all the time, too. */
    static const struct weir_config configs[] = {{"log.cleaner.backoff.ms", "20"},
                                                 {"log.cleaner.min.cleanable.ratio", "0.1"},
                                                 {"log.segment.bytes", "4000"}};
    struct weir_log_options options = {WEIR_LOG_OPTIONS_INIT};
    options.topic_configs = configs;
    options.topic_config_count = sizeof configs / sizeof configs[0];
    options.auto_create_topics = WEIR_AUTO_CREATE_OFF;
    options.num_partitions = 1;
    options.flush_policy_os = simulation->swarm.is_flush_policy_os;
    options.segment_files_max = SEGMENT_FILES_MAX;
    int rc = weir_log_open_in(simulation->env, SIMULATION_PATH, &options, &simulation->log, error);
    if (rc == 0) simulation->broker = weir_embedded_broker(simulation->log->embedded);
    return rc;
}

/* The handles are gone afterwards, whatever the code. */
static int close_handles(struct simulation *simulation, struct weir_error *error)
{
    struct weir_log *log = simulation->log;
    struct weir_broker *broker = simulation->broker;
    return simulation->is_bare ? weir_broker_close(broker, error) : weir_close(log, error);
}

/* ---- a clean close ---------------------------------------------------------------------------- */

static bool close_log(struct simulation *simulation)
{
    struct weir_error error = {0};
    if (simulation->hooks.end != NULL && !simulation->hooks.end(simulation)) {
        if (!simulation_has_failed(simulation)) crash(simulation, WEIR_SIM_KILL);
        return false;
    }
    int rc = simulation_is_up(simulation) ? close_handles(simulation, &error) : WEIR_CRASHED;
    bool is_excused = rc == 0 || rc == WEIR_CRASHED || !simulation->is_calm;
    if (!is_excused) {
        return simulation_fail(simulation, "does-not-close", "no fault is left: %s", error.text);
    }
    if (rc != 0 && rc != WEIR_CRASHED) crash(simulation, WEIR_SIM_KILL);
    forget(simulation);
    return rc == 0;
}

/* After a clean close: what the next open still tidies up it tidies once; opening and closing again
 * leaves the same bytes (I24). */
static bool open_changes_nothing(struct simulation *simulation)
{
    struct weir_error error = {0};
    uint64_t hashes[2];
    for (int i = 0; i < 2; i++) {
        int rc = open_log(simulation, &error);
        if (rc == 0) rc = close_handles(simulation, &error);
        forget(simulation);
        if (rc < 0) {
            return simulation_fail(simulation, "does-not-open", "after a clean close: %s",
                                   error.text);
        }
        hashes[i] = weir_sim_disk_hash(simulation->sim, NODE, SIMULATION_PATH);
    }
    if (hashes[0] == hashes[1]) return true;
    return simulation_fail(simulation, "open-is-not-idempotent",
                           "opening and closing once more changed what is on the disk");
}

/* ---- a restart ------------------------------------------------------------------------------- */

/* Now and then what a recovery leaves is held against a second one; not while a fault is planned. */
static bool recovers_twice(struct simulation *simulation)
{
    return !simulation->is_armed && !simulation->is_full && simulation_chance(simulation, 200);
}

/* One try. True when the engine is up. */
static bool try_open(struct simulation *simulation, int attempt)
{
    struct weir_error error = {0};
    befall_recovery(simulation, attempt);
    if (attempt >= 4 && simulation->is_full) empty_disk(simulation);
    int rc = open_log(simulation, &error);
    if (rc == 0 && recovers_twice(simulation)) {
        if (!close_log(simulation) || !open_changes_nothing(simulation)) return false;
        rc = open_log(simulation, &error);
    }
    if (rc == 0 && simulation->hooks.begin != NULL)
        rc = simulation->hooks.begin(simulation, &error);
    if (rc == 0) return true;
    if (!simulation_excuses(simulation, rc)) {
        return simulation_fail(simulation, "does-not-open", "restart %zu, attempt %d: %s (%s)",
                               simulation->restart_count, attempt, error.text, weir_code_name(rc));
    }
    crash(simulation, WEIR_SIM_KILL); /* the process gives up */
    return false;
}

static void note_restart(struct simulation *simulation)
{
    simulation->needs_restart = false;
    simulation->is_suspect = simulation->is_armed;
    simulation->restart_count++;
    bool is_lossy = simulation->is_lossy || simulation->may_turn_lossy;
    history_note(&simulation->history,
                 &(struct history_event){.kind = HISTORY_RESTART, .log = -1, .is_lossy = is_lossy});
    simulation->is_lossy = false;
}

static void restart(struct simulation *simulation)
{
    for (int attempt = 0; attempt < OPEN_ATTEMPTS_MAX; attempt++) {
        bool is_up = try_open(simulation, attempt);
        if (simulation_has_failed(simulation)) return;
        if (!is_up) continue;
        note_restart(simulation);
        return;
    }
    simulation_fail(simulation, "does-not-open", "restart %zu: %d attempts in vain",
                    simulation->restart_count, OPEN_ATTEMPTS_MAX);
}

bool simulation_start(struct simulation *simulation)
{
    simulation->is_calm = true;
    restart(simulation);
    return !simulation_has_failed(simulation);
}

void simulation_trouble(struct simulation *simulation)
{
    simulation->is_calm = false;
}

/* ---- a turn ----------------------------------------------------------------------------------- */

static bool count_down(void *context)
{
    int *left = context;
    return (*left)-- <= 0;
}

static void run_events(struct simulation *simulation)
{
    int left = 1 + (int)simulation_draw(simulation, simulation->swarm.events_per_turn);
    int64_t limit_ns = 1 + simulation_draw(simulation, IDLE_NS);
    if (!simulation->is_calm && simulation_chance(simulation, simulation->swarm.leap_per_mille)) {
        weir_sim_advance_ms(simulation->sim, 31000 + simulation_draw(simulation, LEAP_MS));
        return;
    }
    if (weir_sim_run(simulation->sim, count_down, &left, limit_ns) == 0) {
        weir_sim_advance_ms(simulation->sim, 1);
    }
}

void simulation_turn(struct simulation *simulation)
{
    if (simulation_has_failed(simulation)) return;
    if (!simulation->is_calm) befall(simulation);
    if (simulation_is_up(simulation)) run_events(simulation);
    if (weir_sim_has_crashed(simulation->sim, NODE)) {
        forget(simulation);
    } else if (simulation->needs_restart && simulation_chance(simulation, 200)) {
        disarm(simulation);
        crash(simulation, draw_crash(simulation));
    } else if (!simulation->is_calm && simulation->broker != NULL &&
               simulation_chance(simulation, simulation->swarm.close_per_mille)) {
        (void)close_log(simulation);
    }
    if (simulation->broker == NULL) restart(simulation);
}

void simulation_lose_power(struct simulation *simulation)
{
    if (simulation_has_failed(simulation)) return;
    disarm(simulation);
    crash(simulation, WEIR_SIM_POWER);
    restart(simulation);
}

void simulation_heal(struct simulation *simulation)
{
    if (simulation_has_failed(simulation)) return;
    disarm(simulation);
    empty_disk(simulation);
    for (int i = 0; i < 2; i++) { /* late news of faults that were */
        if (simulation_is_up(simulation)) weir_sim_advance_ms(simulation->sim, 100);
        simulation_act(simulation);
    }
    if (simulation->needs_restart || simulation->is_suspect) {
        crash(simulation, draw_crash(simulation));
    }
    simulation->is_calm = true;
    simulation->needs_restart = false;
    if (!simulation_is_up(simulation)) {
        forget(simulation);
        restart(simulation);
    }
}

void simulation_play(struct simulation *simulation, int turns)
{
    for (int turn = 0; turn < turns && !simulation_has_failed(simulation); turn++) {
        simulation_act(simulation);
        simulation_turn(simulation);
    }
}

bool simulation_settle(struct simulation *simulation,
                       bool (*is_done)(struct simulation *simulation), const char *what)
{
    int64_t end_ns = weir_sim_now_ns(simulation->sim) + (int64_t)60 * 1000 * 1000 * 1000;
    while (!simulation_has_failed(simulation) && !is_done(simulation)) {
        if (weir_sim_now_ns(simulation->sim) > end_ns) {
            return simulation_fail(simulation, "stuck", "no fault is left, and after a minute %s",
                                   what);
        }
        simulation_act(simulation);
        simulation_turn(simulation);
    }
    return !simulation_has_failed(simulation);
}

/* ---- the end ---------------------------------------------------------------------------------- */

void simulation_finish(struct simulation *simulation)
{
    if (simulation_has_failed(simulation) || !close_log(simulation)) return;
    simulation->has_finished = open_changes_nothing(simulation);
}

/* ---- the world -------------------------------------------------------------------------------- */

static void print_trace(void *context, const char *line)
{
    (void)context;
    (void)fprintf(stderr, "%s\n", line);
}

static void print_log(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)context, (void)level, (void)size;
    (void)fprintf(stderr, "         log > %s\n", line);
}

void simulation_open(struct simulation *simulation, uint64_t seed, bool is_traced)
{
    *simulation = (struct simulation){.seed = seed, .random = {seed}};
    simulation->history.is_printed = is_traced;
    draw_swarm(simulation);
    simulation->sim = weir_sim_new(&(struct weir_sim_options){
        .seed = seed,
        .turn_ns_max = simulation->swarm.turn_ns_max,
        .work_ns_max = simulation->swarm.work_ns_max,
        .trace = is_traced ? print_trace : NULL,
        .logger = {.write = is_traced ? print_log : NULL, .level = WEIR_LOG_DEBUG},
    });
    if (simulation->sim == NULL) abort();
}

void simulation_close(struct simulation *simulation)
{
    weir_sim_free(simulation->sim);
    while (simulation->clients != NULL) {
        struct client *client = simulation->clients;
        simulation->clients = client->next;
        client->close(client);
    }
    history_close(&simulation->history);
}
