/**
 * The engine alone under random seeds: producers with acks of 0, 1 and all, idempotent or not,
 * readers that commit, administrators that create and delete; crashes, full and failing disks, jumps
 * of the clock. At the end everything acknowledged is there, once, in order, and nothing else.
 */
#include <stdio.h>

#include "tests/sim/checker.h"
#include "tests/sim/clients.h"
#include "tests/sim/seeds.h"

enum {
    TOPICS_MAX = 3,
    PARTITIONS_MAX = 3,
    PRODUCERS_MAX = 4,
    TURNS_MAX = 1500,
    FIRST_READER = 20,
    FIRST_GROUP = 30,
    FIRST_ADMIN = 40,
    LAST_READER = 50,
};

struct topic {
    char name[16];
    int32_t partition_count;
    int logs[PARTITIONS_MAX];
};

struct workload {
    struct topic topics[TOPICS_MAX];
    int topic_count;
    char groups[8][24];
};

static void make_topics(struct simulation *simulation, struct workload *workload)
{
    workload->topic_count = 1 + (int)simulation_draw(simulation, TOPICS_MAX);
    for (int i = 0; i < workload->topic_count; i++) {
        struct topic *topic = &workload->topics[i];
        (void)snprintf(topic->name, sizeof topic->name, "topic-%d", i);
        topic->partition_count = 1 + (int32_t)simulation_draw(simulation, PARTITIONS_MAX);
        /* From one batch per segment to all of them in one. */
        int64_t segment_bytes = (int64_t)100 << simulation_draw(simulation, 10);
        if (!create_topic(simulation, topic->name, topic->partition_count, segment_bytes)) return;
        for (int j = 0; j < topic->partition_count; j++)
            topic->logs[j] = history_log_add(&simulation->history, topic->name, j);
    }
}

static struct topic *draw_topic(struct simulation *simulation, struct workload *workload)
{
    return &workload->topics[simulation_draw(simulation, workload->topic_count)];
}

static void add_producer(struct simulation *simulation, struct workload *workload, int number)
{
    struct topic *topic = draw_topic(simulation, workload);
    bool is_idempotent = simulation_chance(simulation, 600);
    struct producer_options options = {
        .process = 1 + number,
        .topic = topic->name,
        .partition_count = topic->partition_count,
        .logs = topic->logs,
        .acks =
            is_idempotent ? HISTORY_ACKS_ALL : (enum history_acks)simulation_draw(simulation, 3),
        .is_idempotent = is_idempotent,
        .in_flight_max = 1 + (int)simulation_draw(simulation, 5),
        .records_max = 1 + (int)simulation_draw(simulation, 10),
        .padding_max = (int)simulation_draw(simulation, 100),
        .value_count = 20 + simulation_draw(simulation, 500),
    };
    producer_new(simulation, &options);
}

static void add_readers(struct simulation *simulation, struct workload *workload)
{
    int count = (int)simulation_draw(simulation, 5);
    for (int i = 0; i < count; i++) {
        struct topic *topic = draw_topic(simulation, workload);
        int32_t partition = (int32_t)simulation_draw(simulation, topic->partition_count);
        bool has_group = simulation_chance(simulation, 700);
        (void)snprintf(workload->groups[i], sizeof workload->groups[i], "group-%d", i);
        reader_new(simulation, &(struct reader_options){
                                   .process = (has_group ? FIRST_GROUP : FIRST_READER) + i,
                                   .topic = topic->name,
                                   .partition = partition,
                                   .log = topic->logs[partition],
                                   .group = has_group ? workload->groups[i] : NULL,
                               });
    }
}

static bool all_are_done(struct simulation *simulation)
{
    return simulation_clients_are_done(simulation);
}

/* A fresh reader for every log that is still there. */
static void read_all(struct simulation *simulation)
{
    const struct history *history = &simulation->history;
    for (size_t i = 0; i < history->log_count; i++) {
        const struct history_log *log = &history->logs[i];
        if (log->is_gone) continue;
        reader_new(simulation, &(struct reader_options){.process = LAST_READER,
                                                        .topic = log->topic,
                                                        .partition = log->partition,
                                                        .log = (int)i,
                                                        .is_final = true});
    }
    (void)simulation_settle(simulation, all_are_done, "the last readers have not read all");
}

static void check(struct simulation *simulation)
{
    if (simulation_has_failed(simulation)) return;
    struct checker_anomaly anomaly = checker_check(&simulation->history);
    if (anomaly.name != NULL) simulation_fail(simulation, anomaly.name, "%s", anomaly.text);
}

static void run(struct simulation *simulation)
{
    struct workload workload = {0};
    simulation->is_bare = true;
    simulation_draw_flush_policy(simulation);
    if (!simulation_start(simulation)) return;
    make_topics(simulation, &workload);
    if (simulation_has_failed(simulation)) return;

    int producer_count = 1 + (int)simulation_draw(simulation, PRODUCERS_MAX);
    for (int i = 0; i < producer_count; i++)
        add_producer(simulation, &workload, i);
    add_readers(simulation, &workload);
    int admin_count = (int)simulation_draw(simulation, 3);
    for (int i = 0; i < admin_count; i++)
        admin_new(simulation, FIRST_ADMIN + i, 1 + simulation_draw(simulation, 4));

    simulation_trouble(simulation);
    simulation_play(simulation, 200 + (int)simulation_draw(simulation, TURNS_MAX));
    simulation_heal(simulation);
    (void)simulation_settle(simulation, all_are_done, "the clients are not done");
    read_all(simulation);
    simulation_finish(simulation);
    check(simulation);
}

int main(int argument_count, char **arguments)
{
    return seeds_main(argument_count, arguments, &(struct seeds_scenario){"engine", 1000, run});
}
