#ifndef WEIR_TESTS_ENGINE_FIXTURE_H
#define WEIR_TESTS_ENGINE_FIXTURE_H

#include "base/env/sim/sim.h"
#include "broker/broker.h"
#include "tests/support/support.h"

/** An engine in the simulator, asked and waited for. */
struct engine {
    struct weir_sim *sim;
    struct weir_env *env;
    struct weir_broker *broker;
    struct weir_broker_options options;
    struct weir_error error;
    int64_t timestamp_ms; /* of the records that are produced; 0: now */
};

#define ENGINE_PATH "/data"

/** A fresh simulator; nothing is opened. */
void engine_init(struct engine *engine, uint64_t seed);
void engine_end(struct engine *engine);
/** The engine's rc. */
int engine_open(struct engine *engine);
int engine_close(struct engine *engine);
/** Crash the node and forget the broker; engine_open opens it again. */
void engine_crash(struct engine *engine, enum weir_sim_crash_kind kind);
/** After a planned crash has happened: forget the broker. */
void engine_forget(struct engine *engine);

/** One batch of one record with this value. */
struct weir_shared *engine_batch(struct engine *engine, const char *value);
/** A batch of a producer: sequence of its one record. */
struct weir_shared *engine_producer_batch(struct engine *engine, const char *value, int64_t id,
                                          int32_t sequence);
/** The offset, or a negative code. */
int64_t engine_produce(struct engine *engine, const char *topic, int32_t partition,
                       const char *value, enum weir_acks acks);
/** The value of the record at `offset` into `value` (64 bytes); rc, or WEIR_END if none is there.
 */
int engine_fetch(struct engine *engine, const char *topic, int32_t partition, int64_t offset,
                 char value[64]);
/** The first record's value of what a fetch gave. */
void engine_first_value(const struct weir_fetch_request *fetch, char value[64]);

int engine_topic(struct engine *engine, struct weir_topic_request *request);
int engine_create(struct engine *engine, const char *topic, int32_t partition_count);
int engine_delete(struct engine *engine, const char *topic);
/** Partition count, or a negative code. */
int engine_describe(struct engine *engine, const char *topic);
struct weir_partition_state_request engine_describe_partition(struct engine *engine,
                                                              const char *topic, int32_t partition);
/** The end that readers see, or a negative code. */
int64_t engine_latest(struct engine *engine, const char *topic, int32_t partition);
int engine_commit(struct engine *engine, const char *group, const char *topic, int32_t partition,
                  int64_t offset);
/** The committed offset, -1 if there is none, or another negative code. */
int64_t engine_committed(struct engine *engine, const char *group, const char *topic,
                         int32_t partition);
int64_t engine_producer_id(struct engine *engine);

#endif
