#ifndef WEIR_TESTS_SIM_CLIENTS_H
#define WEIR_TESTS_SIM_CLIENTS_H

#include "tests/sim/simulation.h"

/**
 * The workload: each client sends the engine's own requests and writes down what it asked for and
 * what it was told. A value is eight bytes, big-endian, at the start of the record's value.
 */

/** Key and time of a value. */
struct value_shape {
    int64_t (*timestamp_ms)(int64_t value);                        /* NULL: now */
    size_t (*key)(int64_t value, int32_t partition, char key[16]); /* its size; NULL: null keys */
};

struct producer_options {
    int process;
    const char *topic;
    int32_t partition_count;
    const int *logs; /* of the history, by partition */
    enum history_acks acks;
    bool is_idempotent;  /* retried until it is stored; acks=all */
    int in_flight_max;   /* 1 to 5, per partition */
    int records_max;     /* per batch */
    int padding_max;     /* bytes behind a value */
    int64_t value_count; /* how many to send */
    struct value_shape shape;
};
/** Added to the simulation, which owns it. */
void producer_new(struct simulation *simulation, const struct producer_options *options);

struct reader_options {
    int process;
    const char *topic;
    int32_t partition;
    int log;
    const char *group; /* commits its position now and then; NULL: never */
    bool is_final;     /* from the start to the end of what is there, once */
};
void reader_new(struct simulation *simulation, const struct reader_options *options);

/** Creates topics, writes to them, deletes them, and looks whether they are as they should be. */
void admin_new(struct simulation *simulation, int process, int64_t rounds);

/** Eight bytes, big-endian; and back: -1 if there are fewer. */
void put_value(uint8_t *to, int64_t value);
int64_t record_value(const struct weir_record *record);

/** Over what a fetch gave: whole batches, each checked with its checksum. */
struct walk {
    void (*each)(void *context, const struct weir_record *record);
    void *context;
    int64_t from; /* records below it came with their batch only */
    int64_t next; /* behind the last record */
};
int walk_batches(struct walk *walk, struct weir_slice bytes, struct weir_error *error);

/**
 * Every record of a partition from its start to the high watermark, in order, between events. False
 * (and an anomaly) if it cannot be read.
 */
bool read_partition(struct simulation *simulation, const char *topic, int32_t partition,
                    void (*each)(void *context, const struct weir_record *record), void *context);
/** Create a topic and wait for it, with small segments; false (and an anomaly) if that fails. */
bool create_topic(struct simulation *simulation, const char *topic, int32_t partition_count,
                  int64_t segment_bytes);
/** The same, compacted all the time: as soon as there is anything to drop. */
bool create_compacted_topic(struct simulation *simulation, const char *topic,
                            int32_t partition_count, int64_t segment_bytes);
/** As create_topic, but it follows the log's flush.policy: with os a loss of power may take its tail. */
bool create_output_topic(struct simulation *simulation, const char *topic, int32_t partition_count,
                         int64_t segment_bytes);

#endif
