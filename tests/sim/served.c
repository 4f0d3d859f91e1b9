#include "tests/sim/served.h"

#include <stdio.h>

#include "tests/sim/checker.h"
#include "tests/sim/clients.h"
#include "tests/sim/remote.h"

enum { NODE = 0, LEAP_MS = 300000, SERVER_MEMORY_MAX = 8 << 20, LOOK_EVERY = 64 };

/* ---- choices ---------------------------------------------------------------------------------- */

struct served_topic *served_draw_topic(struct served *served)
{
    return &served->topics[simulation_draw(served->simulation, served->topic_count)];
}

int served_process(struct served *served)
{
    return ++served->process_count;
}

/* Off in half of the seeds, so that each is also met alone. */
static int draw_rate(struct served *served, int per_mille_max)
{
    if (simulation_chance(served->simulation, 500)) return 0;
    return 1 + (int)simulation_draw(served->simulation, per_mille_max);
}

/* ---- the server on top of the engine ---------------------------------------------------------- */

static struct served *served_of(struct simulation *simulation)
{
    return simulation->hooks.context;
}

static int begin(struct simulation *simulation, struct weir_error *error)
{
    static const struct weir_config_entry configs[] = {
        {.key = "request.read.timeout.ms", .value = "2000"},
        {.key = "response.write.timeout.ms", .value = "2000"},
        {.key = "max.incremental.fetch.session.cache.slots", .value = "3"},
    };
    struct weir_server_options options = {
        .broker = simulation->broker,
        .address = SERVED_ADDRESS,
        .allow_insecure = true,
        .configs = configs,
        .config_count = sizeof configs / sizeof configs[0],
    };
    return weir_server_open(&options, &served_of(simulation)->server, error);
}

static bool end(struct simulation *simulation)
{
    struct served *served = served_of(simulation);
    weir_server_close(served->server);
    served->server = NULL;
    return true;
}

static void gone(struct simulation *simulation)
{
    served_of(simulation)->server = NULL;
}

void served_init(struct served *served, struct simulation *simulation)
{
    *served = (struct served){.simulation = simulation, .calm_since_ns = 0};
    simulation->is_bare = true;
    simulation->hooks =
        (struct simulation_hooks){.begin = begin, .end = end, .gone = gone, .context = served};
    served->leap_per_mille = simulation->swarm.leap_per_mille;
    simulation->swarm.leap_per_mille = 0;
    served->weather = (struct served_weather){
        .reset_per_mille = draw_rate(served, 20),
        .cut_per_mille = draw_rate(served, 10),
        .mend_per_mille = 30 + (int)simulation_draw(simulation, 200),
        .slow_per_mille = draw_rate(served, 20),
    };
}

static bool make_topics(struct served *served)
{
    struct simulation *simulation = served->simulation;
    served->topic_count = 1 + (int)simulation_draw(simulation, SERVED_TOPICS_MAX);
    if (!create_topic(simulation, SERVED_JUNK, 1, 1000)) return false;
    for (int i = 0; i < served->topic_count; i++) {
        struct served_topic *topic = &served->topics[i];
        (void)snprintf(topic->name, sizeof topic->name, "topic-%d", i);
        topic->partition_count = 1 + (int32_t)simulation_draw(simulation, SERVED_PARTITIONS_MAX);
        /* From one batch per segment to all of them in one. */
        int64_t segment_bytes = (int64_t)100 << simulation_draw(simulation, 10);
        if (!create_topic(simulation, topic->name, topic->partition_count, segment_bytes)) {
            return false;
        }
        for (int j = 0; j < topic->partition_count; j++) {
            topic->logs[j] = history_log_add(&simulation->history, topic->name, j);
            topic->ends[j] = -1;
        }
    }
    return true;
}

bool served_start(struct served *served)
{
    return simulation_start(served->simulation) && make_topics(served);
}

/* ---- weather ---------------------------------------------------------------------------------- */

static void set_link(struct served *served, int node, bool is_to_server, struct weir_sim_link link)
{
    struct weir_sim *sim = served->simulation->sim;
    if (is_to_server) {
        weir_sim_set_link(sim, node, NODE, link);
    } else {
        weir_sim_set_link(sim, NODE, node, link);
    }
}

static struct weir_sim_link draw_slow_link(struct served *served)
{
    struct simulation *simulation = served->simulation;
    return (struct weir_sim_link){
        .delay_ns_max = 1000 * (1 + simulation_draw(simulation, 5000)),
        .chunk_max = (size_t)1 << simulation_draw(simulation, 10),
    };
}

static void blow(struct served *served)
{
    struct simulation *simulation = served->simulation;
    const struct served_weather *weather = &served->weather;
    int node = 1 + (int)simulation_draw(simulation, served->node_count);
    bool is_to_server = simulation_chance(simulation, 500);
    if (simulation_chance(simulation, weather->reset_per_mille)) {
        weir_sim_reset_connections(simulation->sim, node, NODE);
    }
    if (simulation_chance(simulation, weather->cut_per_mille)) {
        set_link(served, node, is_to_server, (struct weir_sim_link){.is_cut = true});
    } else if (simulation_chance(simulation, weather->slow_per_mille)) {
        set_link(served, node, is_to_server, draw_slow_link(served));
    } else if (simulation_chance(simulation, weather->mend_per_mille)) {
        set_link(served, node, is_to_server, (struct weir_sim_link){0});
    }
}

static void leap(struct served *served)
{
    struct simulation *simulation = served->simulation;
    int64_t ms = 31000 + simulation_draw(simulation, LEAP_MS);
    served->asleep_until_ns = weir_sim_now_ns(simulation->sim) + ms * 1000 * 1000;
    weir_sim_advance_ms(simulation->sim, ms); /* or less, if the node crashes meanwhile */
    served->asleep_until_ns = 0;
}

void served_trouble(struct served *served)
{
    served->calm_since_ns = INT64_MAX;
    simulation_trouble(served->simulation);
}

/* Whatever clients send, and whatever they do not read. */
static void check_memory(struct served *served)
{
    struct weir_server_metrics metrics;
    if (served->server == NULL || !simulation_is_up(served->simulation)) return;
    weir_server_metrics(served->server, &metrics);
    if (metrics.memory_bytes <= SERVER_MEMORY_MAX) return;
    simulation_fail(served->simulation, "memory-unbounded", "the server holds %lld bytes",
                    (long long)metrics.memory_bytes);
}

void served_play(struct served *served, int turns)
{
    for (int turn = 0; turn < turns && !simulation_has_failed(served->simulation); turn++) {
        blow(served);
        if (turn % LOOK_EVERY == 0) check_memory(served); /* looking takes memory, too */
        if (simulation_chance(served->simulation, served->leap_per_mille)) leap(served);
        simulation_turn(served->simulation);
    }
}

void served_heal(struct served *served)
{
    struct simulation *simulation = served->simulation;
    if (simulation_has_failed(simulation)) return;
    for (int node = 1; node <= served->node_count; node++) {
        set_link(served, node, true, (struct weir_sim_link){0});
        set_link(served, node, false, (struct weir_sim_link){0});
    }
    simulation_heal(simulation);
    served->calm_since_ns = weir_sim_now_ns(simulation->sim);
}

/* ---- the end ---------------------------------------------------------------------------------- */

static bool server_is_idle(struct simulation *simulation)
{
    struct weir_server_metrics metrics;
    weir_server_metrics(served_of(simulation)->server, &metrics);
    return metrics.connections == 0 && metrics.requests_in_flight == 0 &&
           metrics.fetches_parked == 0;
}

void served_finish(struct served *served)
{
    struct simulation *simulation = served->simulation;
    if (simulation_has_failed(simulation)) return;
    for (struct client *client = simulation->clients; client != NULL; client = client->next)
        remote_stop((struct remote *)client);
    if (!simulation_settle(simulation, server_is_idle, "the server still has connections")) return;
    simulation_finish(simulation);
    if (simulation_has_failed(simulation) || simulation->env == NULL) return;
    size_t left = atomic_load(&simulation->env->budget->used);
    if (left == 0) return;
    simulation_fail(simulation, "memory-kept",
                    "server and engine are closed, and %zu bytes are still theirs", left);
}

static bool all_are_done(struct simulation *simulation)
{
    return simulation_clients_are_done(simulation);
}

/* What was sent without asking for an answer is on its way to the disk; the last reader is to find it there. */
static void land(struct served *served)
{
    enum { LANDING_MS = 1000 };
    if (simulation_has_failed(served->simulation)) return;
    weir_sim_advance_ms(served->simulation->sim, LANDING_MS);
}

/* A fresh reader for every topic. */
static void read_all(struct served *served)
{
    if (simulation_has_failed(served->simulation)) return;
    for (int i = 0; i < served->topic_count; i++) {
        remote_reader_new(served, &served->topics[i],
                          &(struct remote_reader_options){.is_final = true});
    }
    (void)simulation_settle(served->simulation, all_are_done,
                            "the readers have not read all there is");
}

static void check(struct simulation *simulation)
{
    if (simulation_has_failed(simulation)) return;
    struct checker_anomaly anomaly = checker_check(&simulation->history);
    if (anomaly.name != NULL) simulation_fail(simulation, anomaly.name, "%s", anomaly.text);
}

void served_end(struct served *served)
{
    struct simulation *simulation = served->simulation;
    served_heal(served);
    (void)simulation_settle(simulation, all_are_done, "the clients are not done");
    land(served);
    read_all(served);
    served_finish(served);
    check(simulation);
}
