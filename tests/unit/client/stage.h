#ifndef WEIR_TESTS_CLIENT_STAGE_H
#define WEIR_TESTS_CLIENT_STAGE_H

#include "base/env/sim/sim.h"
#include "client/client.h"
#include "tests/support/support.h"

/** A log to test on: in a fresh directory of the real world, or on the simulator's disk. */
struct stage {
    struct weir_sim *sim; /* NULL in the real world */
    char directory[WEIR_TEST_PATH_SIZE + 8];
    struct weir_log_options options;
    struct weir_log *log;
    struct weir_error error;
};

enum { STAGE_UV, STAGE_SIM, STAGE_COUNT };

void stage_open(struct stage *stage, int kind, uint64_t seed);
void stage_close(struct stage *stage);
/** Close the log and open it again. */
void stage_reopen(struct stage *stage);
/** Simulator only: the node dies as it stands, and is opened again. Handles on it are gone. */
void stage_crash(struct stage *stage, enum weir_sim_crash_kind kind);

struct weir_producer *stage_producer(struct stage *stage, struct weir_producer_options options);
struct weir_consumer *stage_consumer(struct stage *stage, const char *group);
/** A record whose value is `number` in text, without a key. */
void stage_send(struct stage *stage, struct weir_producer *producer, const char *topic,
                int32_t partition, int number);
/** The number in a record's value. */
int stage_number(const struct weir_record *record);
/** Poll without waiting until the end; numbers in the order they came. */
size_t stage_read_all(struct stage *stage, struct weir_consumer *consumer, int *numbers,
                      size_t capacity);

#endif
