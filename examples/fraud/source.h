#ifndef FRAUD_SOURCE_H
#define FRAUD_SOURCE_H

#include "csv.h"
#include "payment.h"

enum { SOURCE_PARTITIONS_MAX = 64 };

/**
 * Brings payments, from a file or from the generator, into the topic `payments`, each exactly once.
 *
 * A payment's position in its source travels in the record, so the log itself says how far each
 * partition got: after a crash the source goes on behind the least of them and skips what the others
 * already have. Lines that are no payments go to `payments-rejected` with number and reason.
 */
struct source {
    struct weir_log *log;
    struct weir_producer *producer;
    struct csv csv; /* file == NULL: the generator */
    uint64_t seed;
    int64_t next; /* position of the next payment (generator) */
    int64_t end;  /* stop before this one (generator); INT64_MAX for a file */
    int32_t partition_count;
    int64_t last[SOURCE_PARTITIONS_MAX]; /* position in each partition; 0: none yet */
    int64_t last_rejected;
    int64_t produced; /* by this run */
    int64_t rejected;
    void (*on_rejected)(int64_t line, const char *reason);
};

/**
 * Make the topics if need be and find the position. `csv_path` NULL: the generator with `seed`.
 * A directory belongs to one source: another one is refused.
 */
int source_open(struct source *source, struct weir_log *log, const char *csv_path, uint64_t seed,
                struct weir_error *error);
/** Produce up to `count` payments. How many; 0 at the end. */
int64_t source_step(struct source *source, int64_t count, struct weir_error *error);
int source_close(struct source *source, struct weir_error *error);

#endif
