#ifndef WEIR_TESTS_SIM_SIMULATION_H
#define WEIR_TESTS_SIM_SIMULATION_H

#include "base/env/sim/sim.h"
#include "broker/broker.h"
#include "client/client.h"
#include "tests/sim/history.h"
#include "tests/support/support.h"

/**
 * One seed's world: a node with its disk, the engine on it, the faults that befall it, and what its
 * clients saw. The clients are plain objects of the test, driven between events: they outlive every
 * crash of the node, as clients in other processes would.
 *
 * A test's loop: let the clients act, `simulation_turn` (a fault perhaps, then some events, then a
 * restart if the node needs one), until the work is done or the turns are; then `simulation_heal`.
 */

/** Which faults are on in this seed, and how likely each is per turn, in thousandths. */
struct swarm {
    int crash_per_mille;      /* at a random moment */
    int disk_crash_per_mille; /* at one of the next operations on the disk: before, after or torn */
    int full_disk_per_mille;
    int io_error_per_mille;
    int sync_error_per_mille;
    int read_error_per_mille;
    int clock_jump_per_mille;
    int no_memory_per_mille;    /* one of the next allocations of the node fails */
    int close_per_mille;        /* a clean close, and open again */
    int leap_per_mille;         /* minutes pass: retention, trimming */
    int recovery_fault_percent; /* each recovery meets one more of the above */
    bool may_lose_power;        /* else crashes are kill -9 */
    bool is_flush_policy_os;    /* flush.policy=os for the log, where the test draws it: what the
                                   engine itself needs, and topics that say `group`, lose nothing */
    int events_per_turn;
    int64_t turn_ns_max;
    int64_t work_ns_max;
    int32_t shard_count; /* these four of a bare engine */
    int32_t offsets_partition_count;
    int64_t internal_segment_bytes;
    struct weir_group_settings groups; /* zeroed: the defaults, as the next */
    struct weir_txn_settings transactions;
};

struct simulation;

/** Somebody with requests under way. */
struct client {
    struct client *next;
    struct simulation *simulation;
    void (*act)(struct client *client);    /* between events, while the engine is up */
    void (*forget)(struct client *client); /* the node is gone: no answer will come */
    bool (*is_done)(const struct client *client);
    void (*close)(struct client *client); /* free it */
};

/** What the test puts on top of the engine: a job, a server. */
struct simulation_hooks {
    /* the engine is open: so let it be open; a code as from the engine's own opening */
    int (*begin)(struct simulation *simulation, struct weir_error *error);
    bool (*end)(struct simulation *simulation);  /* before a clean close: stop; false: it cannot */
    void (*gone)(struct simulation *simulation); /* the node is, with all that was on it */
    void *context;
};

struct simulation {
    uint64_t seed;
    struct weir_test_random random; /* choices of the test; the simulator has its own */
    struct swarm swarm;
    struct weir_sim *sim;
    struct weir_env *env;
    struct weir_broker *broker; /* NULL while the node is down */
    struct weir_log *log;       /* around it; NULL if `is_bare` */
    bool is_bare;               /* set before the start: the engine alone, with shards and small
                                   internal segments as drawn */
    struct history history;
    struct simulation_hooks hooks;
    struct client *clients; /* linked by simulation_add */
    size_t restart_count;
    int64_t wall_offset_ms;
    bool is_full;        /* the disk, or the table of descriptors, for a while */
    bool is_lossy;       /* something unsynced may have been dropped since the last restart */
    bool may_turn_lossy; /* a planned fault would do so */
    bool is_armed;       /* a fault is planned */
    bool is_suspect;     /* one was, since the last restart: the engine may be offline unnoticed */
    bool needs_restart;  /* an answer said that the disk failed */
    bool is_calm;        /* no faults: before simulation_trouble and after simulation_heal */
    bool has_finished;
    /* The first thing that is wrong; empty if nothing is. */
    char anomaly[64];
    char text[600];
};

#define SIMULATION_PATH "/data"

void simulation_open(struct simulation *simulation, uint64_t seed, bool is_traced);
void simulation_close(struct simulation *simulation);

/** Before the start: flush.policy=os in a quarter of the seeds. */
void simulation_draw_flush_policy(struct simulation *simulation);

/** Something is wrong: the first call counts. Returns false, for `return simulation_fail(…)`. */
bool simulation_fail(struct simulation *simulation, const char *anomaly, const char *format, ...)
    WEIR_PRINTF(3, 4);
static inline bool simulation_has_failed(const struct simulation *simulation)
{
    return simulation->anomaly[0] != '\0';
}

/** Below `bound`, which is > 0. */
int64_t simulation_draw(struct simulation *simulation, int64_t bound);
/** True in `per_mille` of 1000 calls. */
bool simulation_chance(struct simulation *simulation, int per_mille);

/** The engine is there, and may be asked. */
bool simulation_is_up(const struct simulation *simulation);
/** Bytes of the node's memory for a request; a planned failure is taken by the first try. */
struct weir_shared *simulation_bytes(struct simulation *simulation, const void *bytes, size_t size);
/** A fault is about, and this code may come of it. */
bool simulation_excuses(const struct simulation *simulation, int rc);
/** A client was answered with this code: does the node have to go? CORRUPT is an anomaly at once. */
void simulation_note_code(struct simulation *simulation, const struct weir_request *request);
void simulation_note_error(struct simulation *simulation, int rc, const char *text);

/** Hand a client over; simulation_close closes it. */
void simulation_add(struct simulation *simulation, struct client *client);
/** Each client may do something. */
void simulation_act(struct simulation *simulation);
bool simulation_clients_are_done(const struct simulation *simulation);

/** Open for the first time, in peace; false if the node is wrong from the start. */
bool simulation_start(struct simulation *simulation);
/** The stage is set: from here on faults befall the node. */
void simulation_trouble(struct simulation *simulation);
/** A fault perhaps, some events, a restart if one is needed. */
void simulation_turn(struct simulation *simulation);
/** The node loses its power now, and comes back. */
void simulation_lose_power(struct simulation *simulation);
/** No more faults; the node is up and stays up. */
void simulation_heal(struct simulation *simulation);
/** So many turns with all clients acting. */
void simulation_play(struct simulation *simulation, int turns);
/** Run, clients included, until `is_done`; fails as stuck after a minute of virtual time. */
bool simulation_settle(struct simulation *simulation,
                       bool (*is_done)(struct simulation *simulation), const char *what);
/** Close, and see that opening and closing once more changes nothing on the disk (I24). */
void simulation_finish(struct simulation *simulation);

#endif
