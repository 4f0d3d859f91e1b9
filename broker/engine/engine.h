#ifndef WEIR_BROKER_ENGINE_ENGINE_H
#define WEIR_BROKER_ENGINE_ENGINE_H

#include "base/map.h"
#include "base/metrics.h"
#include "broker/broker.h"
#include "broker/engine/data_directory.h"
#include "broker/engine/deadline_heap.h"
#include "broker/engine/flush_group.h"
#include "broker/engine/metadata_owner.h"
#include "broker/engine/metadata_view.h"
#include "broker/engine/serving.h"
#include "broker/engine/shard_cleaner.h"
#include "broker/engine/shortage.h"
#include "broker/engine/state_machine.h"
#include "broker/engine/transaction_owner.h"
#include "broker/log/file_set.h"
#include "broker/log/tail_cache.h"
#include "wire/topic_names.h"

/** What the engine's files share: the engine, and the shards that it consists of. */

/**
 * A shard: an actor that owns its partitions. A request for one of them is a message to it.
 * Everything here is touched by its thread only, but for the counters.
 */
struct weir_shard {
    struct weir_engine *engine;
    struct weir_env *env;
    struct weir_budget *budget;
    struct weir_actor *actor;
    struct weir_metadata_view metadata;
    struct weir_map partitions;
    struct weir_flush_group flush;
    struct weir_tail_pool tails;         /* of its logs, while no worker has them */
    struct weir_partition *gathering;    /* what has come in this turn to be appended */
    struct weir_deadline_heap deadlines; /* of waiting fetches */
    struct weir_deadline_heap retries;   /* of questions to the owner of transactions */
    struct weir_deadline_heap turns;     /* of partitions that have a state machine */
    struct weir_mono retention_at;
    struct weir_shard_cleaner cleaner;
    struct weir_shard_service service; /* run at the end of each turn */
    struct weir_serving_listener listener;
    struct weir_counter bytes_in;
    struct weir_counter bytes_out;
    struct weir_counter batches_in;
    struct weir_counter open_partitions;
};

struct weir_engine {
    struct weir_env *env;
    struct weir_budget budget;
    struct weir_broker_options options;
    struct weir_data_directory directory;
    struct weir_file_set files; /* of all logs, from all shards and workers */
    struct weir_metadata_owner metadata;
    struct weir_transaction_owner transactions; /* written before any actor runs */
    struct weir_state_machines state_machines;
    struct weir_shard *shards;
    int32_t shard_count;
    _Atomic int32_t first_openings; /* partitions whose folders are being made */
    struct weir_serving serving;
    struct weir_shortages shortages;
    bool closes_unclean; /* a log is closed that has failed. Thread: the one that closes */
};

/** The shard that owns this partition: always the same one. Any thread. */
struct weir_shard *weir_engine_shard(struct weir_engine *engine, struct weir_slice topic,
                                     int32_t partition);

/** The shard of this actor, or NULL. Any thread. */
struct weir_shard *weir_engine_shard_of(const struct weir_engine *engine,
                                        const struct weir_actor *actor);
/** NULL: nobody has used it yet. Thread: the shard's. */
struct weir_partition *weir_shard_find(struct weir_shard *shard, struct weir_slice topic,
                                       int32_t partition);
/** Its invariants, those that cost nothing to look at; at each of its turns. */
void weir_shard_check(const struct weir_shard *shard);
/** The invariants that hold from open to close. */
void weir_engine_check(const struct weir_engine *engine);

#endif
