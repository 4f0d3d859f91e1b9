#ifndef WEIR_TESTS_LOG_KEYED_LOG_H
#define WEIR_TESTS_LOG_KEYED_LOG_H

#include "broker/log/cleaning.h"
#include "tests/unit/broker/log/log_support.h"

/**
 * A compacted log of small keys and values beside a model of all that was ever appended to it: with
 * transactions, their markers, tombstones and codecs. What a reader of committed records makes of the log, key by key,
 * must be what it makes of the model, whatever compaction has done.
 */
enum {
    KEYED_MAX = 8192,
    KEYED_KEYS = 24,
    KEYED_TOMBSTONE = -1,
    KEYED_MARKER = -2,
    KEYED_NONE = -3
};

struct keyed_record {
    int64_t offset;
    int64_t timestamp_ms;
    int64_t producer_id; /* -1: none */
    bool is_transactional;
    bool is_commit; /* of a marker */
    int key;
    int value; /* or KEYED_TOMBSTONE, KEYED_MARKER */
};

/** A value of each key, or KEYED_TOMBSTONE where the last was one, or KEYED_NONE. */
struct keyed_fold {
    int values[KEYED_KEYS];
};

struct keyed_log {
    struct test_log test;
    struct keyed_record records[KEYED_MAX]; /* in order of offsets */
    size_t count;
    int next_value;
    int32_t sequences[8]; /* of producer ids 100 to 107 */
};

/** Small segments, in a simulated world; nothing is opened. */
void keyed_start(struct keyed_log *log, uint64_t seed);
void keyed_stop(struct keyed_log *log);

struct keyed_batch {
    int count; /* of records */
    const int *keys;
    uint32_t tombstones; /* a bit each */
    int producer;        /* 0: none, else producer id 99 + this */
    bool is_transactional;
    enum weir_codec codec;
    int64_t timestamp_ms; /* 0: the environment's */
};
int keyed_append(struct keyed_log *log, const struct keyed_batch *batch);
int keyed_mark(struct keyed_log *log, int producer, bool is_commit);
/** `count` random batches, markers among them. The first error. */
int keyed_fill(struct keyed_log *log, struct weir_test_random *random, int count);
/** Begin a segment. */
int keyed_roll(struct keyed_log *log);

/** A whole pass in slices of `slice` bytes. 0: over, or nothing was to be done. */
struct keyed_pass {
    int64_t bound_offset; /* 0: none */
    bool is_lazy;         /* only if it is due */
    bool keeps_tombstones;
    size_t table_bytes; /* 0: 64 KiB */
    int64_t slice;      /* 0: 1 MiB */
    int64_t now_ms;     /* 0: the environment's */
};
int keyed_clean(struct keyed_log *log, const struct keyed_pass *pass,
                struct weir_cleaning_counts *counts_out);

/** What the log has, record by record, by reads of `size_max`; aborts if it has a record that was not appended, or was
 * appended differently. Into `records`; how many. */
size_t keyed_read(struct keyed_log *log, int64_t from, size_t size_max,
                  struct keyed_record *records);
/** What a reader of committed records makes of them; of the same in reverse order of commits the result would differ. */
struct keyed_fold keyed_fold_of(const struct keyed_record *records, size_t count,
                                int64_t end_offset);
/** The log's fold is the model's (a tombstone that has gone is no value), nothing of an open transaction is missing. */
void keyed_expect_same(struct keyed_log *log);
/** Is there a record at `offset`? */
bool keyed_has(struct keyed_log *log, int64_t offset);

#endif
