#ifndef WEIR_BENCH_JOB_H
#define WEIR_BENCH_JOB_H

#include "weir/weir.h"

/* What the benchmarks of jobs share: a log, a job over all that is in it, and what it left there. */

/** A number that looks drawn, from one that counts (splitmix64's finaliser). */
uint64_t bench_mix(uint64_t number);

/** Zeroed, or the benchmark fails; freed with free. */
void *bench_array(size_t count, size_t size);

/** The log `name` below the benchmark's directory. */
struct weir_log *bench_open_log(const char *name);
/** What the builder says; frees the builder. */
struct weir_topology *bench_build(struct weir_builder *builder);

/** 100 B records: a key of 16 B that holds a number, and a value of 84 B. */
enum { BENCH_KEY_SIZE = 16, BENCH_VALUE_SIZE = 84 };
void bench_key_write(char *to, uint64_t number);
uint64_t bench_key_read(struct weir_slice key);

struct bench_input {
    const char *topic;
    int64_t count;
    int64_t records_per_ms; /* of their timestamps, which begin at BENCH_START_MS */
    /** The key's number, and the value's first eight bytes, of record `index`. */
    uint64_t (*key)(const struct bench_input *input, int64_t index);
    uint64_t (*value)(const struct bench_input *input, int64_t index);
    uint64_t keys;
    int32_t partitions; /* a key's records are in partition `key % partitions`; 0: one */
};
/** A `key`: out of `keys`, each as often as any other; or by Zipf's law with exponent 1. */
uint64_t bench_uniform_key(const struct bench_input *input, int64_t index);
uint64_t bench_skewed_key(const struct bench_input *input, int64_t index);
/** A `value`: a price in cents. */
uint64_t bench_cents(const struct bench_input *input, int64_t index);
static const int64_t BENCH_START_MS = 1700000000000;
/** Make the topic and fill it. */
void bench_fill(struct weir_log *log, const struct bench_input *input);

/** Records of any other kind: `make` is called for each in turn and fills in record and partition, whose
 * bytes are read before the next call. */
struct bench_records {
    const char *topic;
    int64_t count;
    int32_t partitions;
    void (*make)(void *context, int64_t index, struct weir_record *record, int32_t *partition);
    void *context;
    size_t batch_size; /* of the producer, in bytes */
};
void bench_fill_records(struct weir_log *log, const struct bench_records *records);

struct bench_job {
    const char *name;
    const char *application; /* of the job */
    int64_t count;           /* records that it reads */
    int64_t cache_bytes;     /* 0: as a job has it that says nothing */
    double goal;             /* millions of records per second and core; 0: none */
    double floor;            /* the same computation over arrays; 0: not made */
    bool is_quiet;           /* no row and no notes: the caller has more to say */
};
/** Start, drain, close, over what is there: the CPU of all threads of the process, and what is resident of
 * it when all is read. Returns nanoseconds a record. */
double bench_run_job(struct weir_log *log, const struct weir_topology *topology,
                     const struct bench_job *job);

/** Give every record of a topic to `each`, in order within a partition. */
void bench_read_topic(struct weir_log *log, const char *topic,
                      void (*each)(void *context, const struct weir_record *record), void *context);

#endif
