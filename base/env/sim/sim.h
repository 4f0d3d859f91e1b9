#ifndef WEIR_BASE_ENV_SIM_SIM_H
#define WEIR_BASE_ENV_SIM_SIM_H

#include "base/env/env.h"

/**
 * The deterministic world: one thread, one event heap ordered by (time, seeded tie-break), virtual
 * clocks, a disk that forgets what was not synced. Any number of nodes; each is a `struct weir_env`
 * with its own memory, its own disk and its own actors. The same seed gives the same run.
 *
 * Sources: RELIABILITY.md 3.3; Pillai et al., OSDI'14 (what a crash may keep of unsynced writes).
 */
struct weir_sim;

struct weir_sim_options {
    uint64_t seed;
    /* Virtual durations, drawn evenly from [min, max]; 0 gives the default in brackets. */
    int64_t turn_ns_max;       /* from wake-up to an actor's turn [20 us] */
    int64_t work_ns_max;       /* from submit to run, and from run to done [2 ms] */
    int64_t time_limit_ns;     /* virtual; weir_sim_run ends there [1 h] */
    struct weir_logger logger; /* what the nodes' engines say */
    void (*trace)(void *context, const char *line); /* `[  12] node 1 > …`; NULL: none */
    void *trace_context;
};

/** NULL when memory is out. */
struct weir_sim *weir_sim_new(const struct weir_sim_options *options);
void weir_sim_free(struct weir_sim *sim);

/** The environment of node `node` (0, 1, …), made on first use. Valid until its next crash. */
struct weir_env *weir_sim_node(struct weir_sim *sim, int node);

/**
 * Run events until none is due, `is_done` holds (NULL: never), or `limit_ns` of virtual time have
 * passed (0: the simulation's time limit); or a planned crash has happened. Virtual time jumps from
 * event to event. Returns the number of events.
 */
uint64_t weir_sim_run(struct weir_sim *sim, bool (*is_done)(void *context), void *context,
                      int64_t limit_ns);
/** One event; false when there is none. */
bool weir_sim_step(struct weir_sim *sim);
/** Turn the clocks forward (monotonic and wall), running what falls due. */
void weir_sim_advance_ms(struct weir_sim *sim, int64_t ms);
/** Jump one node's wall clock by `ms` (may be negative); monotonic time is not touched. */
void weir_sim_jump_wall(struct weir_sim *sim, int node, int64_t ms);
int64_t weir_sim_now_ns(const struct weir_sim *sim);
/** For the test's choices; drawing from it does not disturb the run. */
uint64_t weir_sim_random(struct weir_sim *sim);
/** Hash over all events so far: equal for equal seeds (the replay guard). */
uint64_t weir_sim_trace_hash(const struct weir_sim *sim);

/* ---- crashes --------------------------------------------------------------------------------- */

enum weir_sim_crash_kind {
    WEIR_SIM_KILL,  /* kill -9: the page cache survives, all written bytes are there */
    WEIR_SIM_POWER, /* power loss: what was not synced is kept, lost or torn, sector by sector */
};

/**
 * End a node at once: no actor runs again, its messages and its memory are dropped (tracked heap),
 * locks are released, open files are closed. What the disk keeps is decided by `kind` and the seed.
 * After it weir_sim_node gives a fresh environment over the same disk. Pointers into the old node's
 * memory are dead. Not from inside one of its events (use weir_sim_crash_at).
 */
void weir_sim_crash(struct weir_sim *sim, int node, enum weir_sim_crash_kind kind);

/* ---- faults, counted ------------------------------------------------------------------------- */

/**
 * Every file operation that changes something has a number: 1 is the first after
 * weir_sim_disk_count_reset. A plan fires once, at operation `at`; one that does not fit the operation
 * it meets (TORN a sync, SYNC a write) does nothing.
 *
 * A planned crash happens deep in the engine's code, which C cannot abandon there. So the operation
 * returns WEIR_CRASHED, as does every later call on that environment; what does not fail does
 * nothing: clocks stand still, random bytes are zero, messages are not handled. The disk is settled
 * at the moment of the crash; nothing the corpse does reaches it. Its memory is dropped by the next
 * weir_sim_run (which returns at once), weir_sim_node, weir_sim_crash or weir_sim_free, when its
 * code has left the stack. A torn write keeps its prefix for certain with WEIR_SIM_KILL; with
 * WEIR_SIM_POWER the prefix is unsynced like everything else.
 */
enum weir_sim_fault {
    WEIR_SIM_FAULT_NONE,
    WEIR_SIM_FAULT_EIO,         /* the operation fails, nothing is changed */
    WEIR_SIM_FAULT_ENOSPC,      /* writes and creations fail; some leading bytes may be written */
    WEIR_SIM_FAULT_SYNC,        /* a sync fails: unsynced data is dropped, pages count as clean */
    WEIR_SIM_FAULT_CRASH,       /* the node ends before the operation (kind in `crash`) */
    WEIR_SIM_FAULT_CRASH_AFTER, /* the node ends after it */
    WEIR_SIM_FAULT_TORN,        /* a write keeps `torn_bytes` of its bytes, then the node ends */
    WEIR_SIM_FAULT_READ_EIO,    /* a read fails; `at` counts reads */
    WEIR_SIM_FAULT_NO_HANDLE,   /* a descriptor is refused (WEIR_LIMIT); `at` counts opens */
};

struct weir_sim_fault_plan {
    enum weir_sim_fault fault;
    uint64_t at;    /* operation number */
    bool is_sticky; /* every later operation that fits fails too (EIO, ENOSPC, NO_HANDLE) */
    enum weir_sim_crash_kind crash;
    size_t torn_bytes;
};

/** Operations that change the disk: write, truncate, sync, create, rename, remove, mkdir, syncs. */
/** Replaces the node's plan. */
void weir_sim_disk_plan(struct weir_sim *sim, int node, struct weir_sim_fault_plan plan);
uint64_t weir_sim_disk_count(const struct weir_sim *sim, int node);
void weir_sim_disk_count_reset(struct weir_sim *sim, int node);
/** True once the node has crashed, planned or not, until weir_sim_node revives it. weir_sim_run
 * returns at a planned crash. */
bool weir_sim_has_crashed(const struct weir_sim *sim, int node);
/** Bytes the disk may hold; 0: no bound. Over it writes fail with WEIR_NO_SPACE. */
void weir_sim_disk_limit(struct weir_sim *sim, int node, int64_t bytes);
/** Descriptors that the node may hold, for files, directories and lists; 0: no bound. Over it what needs
 * one fails with WEIR_LIMIT. */
void weir_sim_descriptor_limit(struct weir_sim *sim, int node, size_t count);
/** How many are held now, and how often one was asked for since weir_sim_disk_count_reset. */
size_t weir_sim_descriptors(struct weir_sim *sim, int node);
uint64_t weir_sim_open_count(const struct weir_sim *sim, int node);

/* ---- the disk, seen from a test -------------------------------------------------------------- */

/** Flip one bit of what is stored (both of the cached and the durable image). */
int weir_sim_disk_flip(struct weir_sim *sim, int node, const char *path, int64_t position, int bit);
/** Put something that is neither a file nor a directory at `path`, durably: a fifo, say. */
int weir_sim_disk_put_other(struct weir_sim *sim, int node, const char *path);
/** Make a directory at `path`, durably, that is a file system of its own (it, or a link to another one). It cannot
 * be renamed or removed. */
int weir_sim_disk_mount(struct weir_sim *sim, int node, const char *path);
/** All paths below `path` with their bytes hashed: equal for equal trees (recover twice == once). */
uint64_t weir_sim_disk_hash(struct weir_sim *sim, int node, const char *path);
/** Copy a node's disk, as after a clean sync, to another node (replacing it). */
void weir_sim_disk_copy(struct weir_sim *sim, int from_node, int to_node);

/* ---- the network ----------------------------------------------------------------------------- */

/**
 * The way from one node to another (a node to itself included); the way back is another link. Bytes
 * arrive in order, in chunks of random sizes, each after a random delay.
 */
struct weir_sim_link {
    int64_t delay_ns_max; /* 0: 200 us */
    size_t chunk_max;     /* 0: 4096 bytes */
    bool is_cut;          /* what is sent waits until the link is healed */
};

void weir_sim_set_link(struct weir_sim *sim, int from_node, int to_node, struct weir_sim_link link);
/** Reset every connection between two nodes: both sides see WEIR_DISCONNECTED. */
void weir_sim_reset_connections(struct weir_sim *sim, int node, int other_node);

/* ---- a place for models of foreign stores ---------------------------------------------------- */

/**
 * A named object that lives with the node's disk and outlives its crashes, for the model of RocksDB.
 * `size` zeroed bytes on first use; `crash` is called at each crash of the node.
 */
void *weir_sim_attachment(struct weir_env *env, const char *name, size_t size,
                          void (*crash)(void *object, enum weir_sim_crash_kind kind,
                                        struct weir_sim *sim),
                          void (*free_object)(void *object));
/**
 * One step of such a store, counted and failed like a change of the disk: `perform` is called unless a
 * plan refuses the step or ends the node before it. `what` names it in traces and errors.
 */
int weir_sim_operation(struct weir_env *env, const char *what, int (*perform)(void *context),
                       void *context, struct weir_error *error);
/** A line for the trace callback, if there is one: `[  12] node 1 > …`. */
void weir_sim_say(struct weir_sim *sim, int node, const char *format, ...) WEIR_PRINTF(3, 4);
/** The simulator behind an environment; NULL if it is a real one. For assertions of what belongs to a
 * simulated node: what runs on both does not ask, but is given what differs. */
struct weir_sim *weir_sim_of(struct weir_env *env);

#endif
