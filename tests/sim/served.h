#ifndef WEIR_TESTS_SIM_SERVED_H
#define WEIR_TESTS_SIM_SERVED_H

#include "server/server.h"
#include "tests/sim/simulation.h"

/**
 * A seed's world with a server in it: node 0 runs the engine and its Kafka port, each client is a
 * node of its own (1, 2, …) that reaches it over links of the simulator. The clients live on while
 * node 0 is down; what they know of it comes over the wire.
 *
 *   node 1 ──link──> node 0 "node-0:9092": server, engine, disk
 *   node 2 ──link──>
 */
enum { SERVED_TOPICS_MAX = 3, SERVED_PARTITIONS_MAX = 3 };

#define SERVED_ADDRESS "node-0:9092"
#define SERVED_JUNK "junk" /* a topic that nobody looks into */

struct served_topic {
    char name[16];
    int32_t partition_count;
    int logs[SERVED_PARTITIONS_MAX];     /* of the history */
    int64_t ends[SERVED_PARTITIONS_MAX]; /* as the last reader found them; -1 before */
};

/** What befalls the network in this seed, per turn, in thousandths. */
struct served_weather {
    int reset_per_mille; /* one client's connections are reset */
    int cut_per_mille;   /* one direction of one client's link is cut */
    int mend_per_mille;  /* of the links that are cut or slow, one becomes whole */
    int slow_per_mille;  /* slow, in small pieces */
};

struct served {
    struct simulation *simulation;
    struct weir_server *server; /* NULL while it is down */
    struct served_weather weather;
    struct served_topic topics[SERVED_TOPICS_MAX];
    int topic_count;
    int node_count;     /* clients' nodes are 1 to node_count */
    int process_count;  /* names given to clients of the history */
    int leap_per_mille; /* minutes pass, in which the clients sleep */
    int64_t asleep_until_ns;
    int64_t calm_since_ns; /* no fault since; INT64_MAX while there are some */
};

/**
 * `simulation` is opened and not started. `served` is used until its last event, not by its close.
 */
void served_init(struct served *served, struct simulation *simulation);
/** Start node 0 and make its topics; false (and an anomaly) if that fails. */
bool served_start(struct served *served);
/** From here on faults befall node 0 and the network. */
void served_trouble(struct served *served);
/** So many turns. */
void served_play(struct served *served, int turns);
/**
 * The end of a scenario. The network is whole, node 0 is up and stays up: every client gets done,
 * the last readers read all there is and every other reader has the same; clients, server and
 * engine are closed and keep no memory; and the checker finds nothing in the history.
 */
void served_end(struct served *served);
/** Its parts, for scenarios that end in their own way: the network is whole, node 0 is up and stays up; … */
void served_heal(struct served *served);
/** … and clients, server and engine are closed and keep no memory. */
void served_finish(struct served *served);

struct served_topic *served_draw_topic(struct served *served);
/** A fresh name for somebody in the history. */
int served_process(struct served *served);

#endif
