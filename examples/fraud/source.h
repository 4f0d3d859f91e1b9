#ifndef FRAUD_SOURCE_H
#define FRAUD_SOURCE_H

#include "csv.h"
#include "identity.h"
#include "payment.h"

enum { SOURCE_PARTITIONS_MAX = 64 };

struct source_options {
    const char *csv_path; /* NULL: the generator with … */
    uint64_t seed;        /* … this seed */
    int64_t latest_ms;    /* a payment of the file dated later is none; Unix time */
};

/**
 * Brings payments, from a file or from the generator, into the topic `payments`, each exactly once.
 *
 * A payment's position in its source travels in the record, so the log itself says how far each
 * partition got: after a crash the source goes on behind the least of them and skips what the others
 * already have. Lines that are no payments go to `payments-rejected` with number and reason, the head of
 * one that is too long for a record with its size; none of them ends the import.
 *
 * What the file was is kept in `payments-source`. One that has grown is gone on with; one whose content is
 * another is a new import, whose positions begin behind those of the one before. So is a pipe, always.
 */
struct source {
    struct weir_log *log;
    struct weir_producer *producer;
    struct csv csv; /* file == NULL: the generator */
    uint64_t seed;
    int64_t next; /* position of the next payment (generator) */
    int64_t end;  /* stop before this one (generator); INT64_MAX for a file */
    int64_t base; /* of a file's positions: they are its lines behind this one */
    int32_t partition_count;
    int64_t last[SOURCE_PARTITIONS_MAX]; /* position in each partition; 0: none yet */
    int64_t last_rejected;
    char notice[256]; /* what opening it came upon, for a person; mostly empty */
    int64_t read;     /* payments of the source seen by this run, those that were there included */
    int64_t produced; /* by this run */
    int64_t rejected;
    char first_reason[256]; /* of what was rejected first */
    void (*on_rejected)(int64_t line, const char *reason);
};

/**
 * Make the topics if need be and find the position. A directory belongs to one source: another one is
 * refused.
 */
int source_open(struct source *source, struct weir_log *log, const struct source_options *options,
                struct weir_error *error);
/** After the end of a file: is there anything in it that could be read? Else why not. */
int source_check_read(const struct source *source, struct weir_error *error);
/** Produce up to `count` payments. How many; 0 at the end. */
int64_t source_step(struct source *source, int64_t count, struct weir_error *error);
int source_close(struct source *source, struct weir_error *error);

#endif
