#ifndef WEIR_TESTS_SIM_LEDGER_H
#define WEIR_TESTS_SIM_LEDGER_H

#include "tests/sim/simulation.h"

/**
 * What transactional writers have decided and been told, against which readers are held as they read. A value
 * is its number in the ledger: eight bytes at the start of a record.
 *
 *   undecided-read      a reader that reads committed is given what nobody has decided yet
 *   aborted-read        … or what was aborted (I9)
 *   read-beyond         … or what lies at or behind the last stable offset that it was told (I11)
 *   bounds              start <= last stable offset <= high watermark does not hold (I6)
 *   stable-too-far      the last stable offset lies behind a record of a transaction that is open there
 *   duplicate, out-of-order, value-changed-at-offset   as in checker.h (I8)
 *   torn-transaction    at the end a record of a committed transaction is not there (I10), or one that was not committed is;
 *                       in a compacted topic it need not be there if a later committed one has its key
 *   stable-too-short    at the end, when all is decided, the last stable offset is not the end
 */
enum {
    LEDGER_PARTITIONS = 3,
    LEDGER_VALUES_MAX = 20000,
    LEDGER_TRANSACTIONS_MAX = 4000,
    LEDGER_KEYS = 7, /* a value's key is the rest of its number */
};

enum ledger_fate { LEDGER_UNDECIDED, LEDGER_COMMITTED, LEDGER_ABORTED };

struct ledger_transaction {
    int process;
    enum ledger_fate fate;
    bool is_plain; /* of no transaction: what is acknowledged is there */
    struct {
        bool is_in;           /* something was sent there */
        bool is_marking;      /* its marker was sent */
        int64_t first_offset; /* that was acknowledged; -1: none was */
    } at[LEDGER_PARTITIONS];
};

struct ledger_value {
    int transaction;
    int32_t partition;
    int64_t offset; /* where it was acknowledged, or read; -1: neither */
    bool is_at_end; /* a final reader was given it */
};

struct ledger {
    struct simulation *simulation;
    const char *topic;
    bool is_compacted;
    struct ledger_value values[LEDGER_VALUES_MAX];
    int value_count;
    struct ledger_transaction transactions[LEDGER_TRANSACTIONS_MAX];
    int transaction_count;
};

/** The number of a new transaction; -1: the ledger is full. */
int ledger_begin(struct ledger *ledger, int process, bool is_plain);
/** The number of a new value of it. */
int64_t ledger_add(struct ledger *ledger, int transaction, int32_t partition);
static inline bool ledger_is_full(const struct ledger *ledger)
{
    return ledger->value_count + 1000 > LEDGER_VALUES_MAX ||
           ledger->transaction_count + 10 > LEDGER_TRANSACTIONS_MAX;
}
/** It was acknowledged, or read, at this offset; false, and an anomaly, if it is known at another. */
bool ledger_place(struct ledger *ledger, int64_t value, int32_t partition, int64_t offset);

/** Who reads a partition. */
struct ledger_reading {
    struct ledger *ledger;
    int process;
    int32_t partition;
    bool reads_committed;
    bool is_final;
    int64_t position;
    int64_t last_of[64]; /* by process: the last value that was given, plus one */
};
/** What a fetch gave: held against the ledger; the position moves. False after an anomaly. */
bool ledger_read(struct ledger_reading *reading, struct weir_fetch_request *fetch);

/* ---- clients --------------------------------------------------------------------------------- */

/** The coordinator's stub for an engine that is open now; `writers` are asked. */
void ledger_register_owner(struct ledger *ledger);

struct writer_options {
    int process;
    bool is_plain;
    bool is_version_2;
    int transaction_count;
    int records_max; /* of a transaction */
    int in_flight_max;
};
void writer_new(struct ledger *ledger, const struct writer_options *options);
/** What the coordinator says of the transaction of this producer: 0, or why not. */
int writer_verify(const struct simulation *simulation, int64_t producer_id, int16_t epoch);

/** A reader of a partition; `is_final`: once to the end, which has to be decided. */
void ledger_reader_new(struct ledger *ledger, int process, int32_t partition, bool reads_committed,
                       bool is_final);
/** At the end, when all final readers are through: is everything there that should be, and nothing else? */
void ledger_check(struct ledger *ledger);

#endif
