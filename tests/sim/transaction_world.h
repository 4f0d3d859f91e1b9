#ifndef WEIR_TESTS_SIM_TRANSACTION_WORLD_H
#define WEIR_TESTS_SIM_TRANSACTION_WORLD_H

#include "tests/sim/clients.h"

/**
 * Producers with transactions on a bare engine. Each transactional id has two writers, which shut one another out: whoever
 * is fenced goes on for a while as the zombie that it is, and begins anew. A transaction writes some values to partitions of
 * one topic, and may commit its own number as an offset of its id's group.
 *
 *   begin ──> values, offsets ──> commit or abort ──> next
 *     ^              │ refused, lost       │ lost: asked again, or begun anew
 *     └──────────────┴─────────────────────┘
 *
 * The ledger has what each writer was told. It is held against the log as it is at the end, where a marker says what counts;
 * and while transactions go on against the group's offset whenever somebody looks, and against what readers of
 * committed records are given.
 */
enum {
    LEDGER_MAX = 6000,
    TRANSACTION_IDS_MAX = 3,
    TRANSACTION_PARTITIONS_MAX = 4,
    TRANSACTION_VALUES_MAX = 64, /* of one transaction */
};

enum ledger_outcome {
    LEDGER_OPEN,      /* nobody has asked for its end */
    LEDGER_COMMITTED, /* so the writer was told, as the next */
    LEDGER_ABORTED,
    LEDGER_UNKNOWN, /* a commit was asked for, and no answer came */
};

struct ledger_entry {
    int id;
    enum ledger_outcome outcome;
    bool asked_commit;
    bool is_lost;                                  /* an answer about its end */
    int value_count;                               /* that were acknowledged */
    int sent_count;                                /* values are numbered from 0 */
    bool has_offset;                               /* the group's was acknowledged */
    uint64_t partition_of[TRANSACTION_VALUES_MAX]; /* where each value went */
    uint64_t read; /* a bit for each that a reader of committed records was given */
};

struct transaction_world {
    struct simulation *simulation;
    int32_t partition_count;
    int id_count;
    char ids[TRANSACTION_IDS_MAX][16];
    char groups[TRANSACTION_IDS_MAX][16];
    struct ledger_entry ledger[LEDGER_MAX];
    int ledger_count;
    int64_t positions[TRANSACTION_PARTITIONS_MAX]; /* of the readers */
    int64_t
        offset_seen[TRANSACTION_IDS_MAX]; /* of the group, when somebody looked last; -1: none */
    bool is_last;                         /* writers end what they have, and begin nothing */
};

#define TRANSACTION_TOPIC "out"

/** Draws what this seed is like. The engine is not open yet. */
void transaction_world_init(struct transaction_world *world, struct simulation *simulation);
/** The engine, the topic, the writers and who looks; false (and an anomaly) if that fails. */
bool transaction_world_start(struct transaction_world *world);
/** All heals; every transaction ends, the last stable offset arrives at the end, and the ledger is as the log is. */
void transaction_world_end(struct transaction_world *world);

/** A new transaction of this id; its number. */
int ledger_begin(struct transaction_world *world, int id);
/** What was told of its end; a contradiction is an anomaly. */
void ledger_end(struct transaction_world *world, int number, enum ledger_outcome outcome);

/** transaction_reader.c: reads committed records of a partition, from its beginning, as long as the seed lasts. */
void transaction_reader_new(struct transaction_world *world, int32_t partition);
/** transaction_writer.c: one writer of an id, for the simulation. */
void transaction_writer_new(struct transaction_world *world, int id, int process);

#endif
