#ifndef WEIR_TESTS_UNIT_CLIENT_MEMORY_LOG_H
#define WEIR_TESTS_UNIT_CLIENT_MEMORY_LOG_H

#include "client/client.h"

/**
 * A log in memory that is not the engine: it answers through the table of operations alone, on an actor
 * of its own in the simulator, so that producers, consumers and jobs can be seen to need no more. A test
 * has it answer late, or with an error.
 *
 * Topics hold their batches by reference, as they were produced; a fetch gives references. What is cut or
 * deleted is let go at once: who has fetched it reads on. Opening and closing are weir_close's and
 * memory_log_open's; nothing is on a disk, and it lives as long as it is open.
 */
enum memory_kind {
    MEMORY_PRODUCE,
    MEMORY_FETCH,
    MEMORY_LIST_OFFSETS,
    MEMORY_EPOCH_END,
    MEMORY_DESCRIBE,
    MEMORY_CUT,
    MEMORY_TOPIC,
    MEMORY_INIT_PRODUCER,
    MEMORY_COMMIT,
    MEMORY_COMMITTED,
    MEMORY_HEARTBEAT,
    MEMORY_INIT_TRANSACTIONS,
    MEMORY_ADD,
    MEMORY_END,
    MEMORY_KINDS
};

struct memory_log_faults {
    int rc[MEMORY_KINDS];      /* negative: what requests of the kind are answered with … */
    int skipped[MEMORY_KINDS]; /* … after so many that are not … */
    int left[MEMORY_KINDS];    /* … so many times */
    bool is_held;              /* fetches are taken up when memory_log_let_go is called */
    const char *held_topic;    /* only those of this partition; NULL: all */
    int32_t held_partition;
};

/** `directory` is where a job on it keeps its stores. */
struct weir_log *memory_log_open(struct weir_env *env, const char *directory);
struct memory_log_faults *memory_log_faults(struct weir_log *log);
/** How many requests of a kind were answered, errors included. */
int memory_log_answered(const struct weir_log *log, enum memory_kind kind);
/** How many transactions were committed, or aborted. */
int memory_log_ended(const struct weir_log *log, bool is_commit);
/** Fetches that wait for records, or are held. */
int memory_log_waiting(const struct weir_log *log);
/** Take up what was held, and hold no more. */
void memory_log_let_go(struct weir_log *log);
/** The group forgets all its members, as if their sessions had ended. */
void memory_log_expel(struct weir_log *log);
int memory_log_members(const struct weir_log *log);
/** With which epoch the last member left: -1, or -2 to come back; 0: nobody has. */
int32_t memory_log_left_epoch(const struct weir_log *log);

#endif
