#ifndef WEIR_TESTS_FAKE_ENGINE_H
#define WEIR_TESTS_FAKE_ENGINE_H

#include "client/client.h"

/**
 * An engine of a hundred lines in place of the real one, for what the real one does rarely: answers
 * that fail, late, in a chosen order. It has one topic, "t", of FAKE_PARTITIONS partitions; keeps
 * Kafka's rules for producers (epochs, sequences, duplicates, an unknown producer begins anywhere);
 * and stands still until somebody waits: then it handles what was sent, or lets time pass.
 */
enum { FAKE_PARTITIONS = 4, FAKE_BATCHES_MAX = 1024 };

struct fake_batch {
    int64_t producer_id;
    int32_t partition;
    int16_t epoch;
    int32_t sequence;
    int32_t record_count;
    int64_t base_offset;
    uint8_t first_byte; /* of the first record's value */
};

struct fake_engine {
    struct weir_env env; /* first */
    struct weir_heap heap;
    struct weir_budget budget;
    int64_t now_ns;
    int64_t random;
    int64_t producer_count;
    struct weir_log *log;
    bool auto_create_only; /* "t" does not exist until it is created */

    struct weir_message *queue; /* produce requests that were sent, oldest first */
    struct weir_message **queue_end;
    int sent; /* produce requests so far */
    int in_flight;
    int in_flight_most;
    size_t bytes_in_flight;
    size_t bytes_in_flight_most;

    int (*fault)(struct fake_engine *engine, int number, int32_t partition); /* rc; 0: none */
    bool fault_after; /* the batch is stored, and the fault answered all the same */
    int64_t fault_state;

    struct fake_batch batches[FAKE_BATCHES_MAX];
    int batch_count;
    int64_t ends[FAKE_PARTITIONS];
};

/** One per test program and process. */
struct fake_engine *fake_engine_new(void);
/** Handle everything that was sent; how many answers were given. */
int fake_engine_run(struct fake_engine *engine);
void fake_engine_free(struct fake_engine *engine);

#endif
