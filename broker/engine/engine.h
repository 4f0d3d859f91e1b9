#ifndef WEIR_BROKER_ENGINE_ENGINE_H
#define WEIR_BROKER_ENGINE_ENGINE_H

#include "base/map.h"
#include "base/metrics.h"
#include "broker/broker.h"
#include "broker/engine/data_directory.h"
#include "broker/engine/deadline_heap.h"
#include "broker/engine/flush_group.h"
#include "broker/log/file_set.h"
#include "broker/metadata/topic_names.h"
#include "broker/engine/partition.h"
#include "broker/engine/serving.h"
#include "broker/engine/shortage.h"
#include "broker/engine/tenant.h"

/** What the files of this folder share: the engine and its shards. */

/**
 * A shard: an actor that owns its partitions. A request for one of them is a message to it.
 * Everything here is touched by its thread only, but for the counters.
 */
struct weir_shard {
    struct weir_engine *engine;
    struct weir_env *env;
    struct weir_budget *budget;
    struct weir_actor *actor;
    struct weir_map partitions;
    struct weir_flush_group flush;
    struct weir_deadline_heap deadlines; /* of waiting fetches */
    struct weir_mono retention_at;
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
    struct weir_tenants tenants;
    struct weir_shard *shards;
    int32_t shard_count;
    _Atomic int32_t first_openings; /* partitions whose folders are being made */
    struct weir_serving serving;
    struct weir_shortages shortages;
};

/* ---- requests (request.c) -------------------------------------------------------------------- */

/** Count a request in, and make it ready for weir_request_forward. */
void weir_request_set_out(struct weir_engine *engine, struct weir_request *request);
/** Set a request out to the shard of its topic and partition, to run `stage` there. */
void weir_request_send(struct weir_engine *engine, struct weir_request *request,
                       struct weir_topic_partition to,
                       void (*stage)(struct weir_partition *partition,
                                     struct weir_request *request));
/** Set a request out to the controller, to be handled there by `handle`. */
void weir_request_send_controller(struct weir_engine *engine, struct weir_request *request,
                                  void (*handle)(struct weir_message *message));
/** Send a request on, that has been set out before, to a partition. */
void weir_request_forward(struct weir_engine *engine, struct weir_request *request,
                          struct weir_topic_partition to,
                          void (*stage)(struct weir_partition *partition,
                                        struct weir_request *request));
/** It asks for a topic by its id too. Such a request never creates one. */
static inline bool weir_request_has_id(const struct weir_request *request)
{
    return !weir_uuid_equal(request->topic_id, (struct weir_uuid){{0}});
}
/** Answer; the request is the caller's again. `request->error` says why if `rc` is negative. */
void weir_request_reply(struct weir_request *request, int rc);
/** Answer with an error of this text. */
void weir_request_refuse(struct weir_request *request, int rc, const char *text);

/* ---- the shard (shard.c) --------------------------------------------------------------------- */

struct weir_shard *weir_engine_shard(struct weir_engine *engine, struct weir_slice topic,
                                     int32_t partition);

/** Key of a partition: its topic and its number. */
enum { WEIR_PARTITION_KEY_MAX = WEIR_TOPIC_NAME_SIZE_MAX + 4 };
struct weir_partition *weir_shard_find(struct weir_shard *shard, struct weir_slice topic,
                                       int32_t partition);

/* ---- the doors, as broker.h says it; any thread ---------------------------------------------- */

void weir_engine_produce(struct weir_engine *engine, struct weir_produce_request *request);
void weir_engine_fetch(struct weir_engine *engine, struct weir_fetch_request *request);
void weir_engine_cancel_fetch(struct weir_engine *engine, struct weir_fetch_request *request);
void weir_engine_report_damage(struct weir_engine *engine, struct weir_damage_report *report);
void weir_engine_list_offsets(struct weir_engine *engine,
                              struct weir_list_offsets_request *request);
void weir_engine_epoch_end(struct weir_engine *engine, struct weir_epoch_end_request *request);
void weir_engine_describe_partition(struct weir_engine *engine,
                                    struct weir_describe_partition_request *request);
void weir_engine_cut(struct weir_engine *engine, struct weir_cut_request *request);

#endif
