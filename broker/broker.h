#ifndef WEIR_BROKER_BROKER_H
#define WEIR_BROKER_BROKER_H

#include "base/env/env.h"
#include "broker/coordinator/group/group_settings.h"
#include "broker/coordinator/txn/txn_settings.h"
#include "broker/log/cleaner_settings.h"
#include "broker/log/partition_log.h"
#include "weir/types.h"
#include "wire/request/log_requests.h"

/**
 * The engine behind both faces: a data directory, its metadata, its partitions, on shards.
 *
 * Everything is asked by a request: a struct of the caller's that travels to the shard that owns
 * the partition, is filled in and comes back. Nothing is copied: a batch is handed over by
 * reference, a fetch gives references. Calls never block, except open and close.
 *
 * A data directory: meta.properties (cluster id, directory id, format version), lock (flock, as
 * the directory itself; the pid inside is for the message), log/<topic>-<n>/, state/.
 */
struct weir_broker;

struct weir_broker_options {
    struct weir_env *env;
    const char *path;
    bool auto_create_topics;                 /* auto.create.topics.enable */
    int32_t num_partitions;                  /* num.partitions, of an auto-created topic; 0: 1 */
    int32_t shard_count;                     /* 0: 1, the embedded default */
    int64_t log_retention_check_interval_ms; /* 0: 5 min */
    struct weir_topic_config topic_defaults; /* start from weir_topic_config_default() */
    /* A topic that is created here without retention.ms keeps its records for ever: -1 is written
     * into its own settings, so that it holds whoever opens the directory later. */
    bool keeps_new_topics;
    int32_t offsets_topic_num_partitions;  /* 0: as `groups` says */
    struct weir_group_settings groups;     /* zeroed: the defaults, weir_group_settings_default() */
    struct weir_txn_settings transactions; /* zeroed: the defaults, weir_txn_settings_default() */
    struct weir_cleaner_settings
        cleaner;               /* zeroed: the defaults, weir_cleaner_settings_default() */
    int32_t segment_files_max; /* segments that are open at the same time; 0: half of the
                                  descriptors that the process may have */
};

/**
 * Open or create a data directory and start its shards.
 *
 * Errors: WEIR_LOCKED (names the pid that holds it), WEIR_UNSUPPORTED_VERSION (a newer format, both
 *         versions in the text), WEIR_PERMISSION, WEIR_NO_SPACE, WEIR_INVALID_ARGUMENT (empty path,
 *         NUL, not a directory), WEIR_CORRUPT, WEIR_IO.
 * Thread: one that may block (or, in the simulator, any: only files are touched).
 */
int weir_broker_open(const struct weir_broker_options *options, struct weir_broker **broker_out,
                     struct weir_error *error);
/**
 * Answer what is waiting with WEIR_CLOSED, sync and close every log, release the lock. All that
 * fetches gave has been released by then, and nobody sends any more. NULL is fine. The broker is
 * gone whatever is returned, except for WEIR_WRONG_THREAD.
 * Errors: WEIR_OFFLINE if a write or a sync has failed; WEIR_IO, WEIR_NO_SPACE (the next open is
 *         then an unclean one), WEIR_WRONG_THREAD.
 */
int weir_broker_close(struct weir_broker *broker, struct weir_error *error);

/** Cluster id, 22 characters and a NUL. */
const char *weir_broker_cluster_id(const struct weir_broker *broker);

/* ---- requests -------------------------------------------------------------------------------- */

/** What the Kafka port, which is on the shards itself, wants of a fetch besides. It stays where it is as
 * long as the fetch. */
struct weir_port_fetch {
    bool
        is_watch; /* wait as any fetch, but give no bytes: done when `size_min` bytes can be read at
                      `offset`, or the log's start has moved (or an error, or the deadline) */
    size_t range_min; /* answer with a file's range from this many bytes on; 0: never; 1: always */
    struct weir_log_range range; /* given, instead of batches */
};

/* Each answers the request of its name (wire/request/log_requests.h). Any thread. */
void weir_broker_produce(struct weir_broker *broker, struct weir_produce_request *request);
void weir_broker_fetch(struct weir_broker *broker, struct weir_fetch_request *request);
/** Have a waiting fetch answered now with WEIR_CLOSED; `done` still runs exactly once, also if the
 * answer is on its way already. At most once per fetch; any thread, while the struct lives. */
void weir_broker_cancel_fetch(struct weir_broker *broker, struct weir_fetch_request *request);
/** Let go of what a fetch gave, the port's range too. */
void weir_fetch_release(struct weir_fetch_request *request);
void weir_broker_report_damage(struct weir_broker *broker, struct weir_damage_report *report);
void weir_broker_list_offsets(struct weir_broker *broker,
                              struct weir_list_offsets_request *request);
void weir_broker_epoch_end(struct weir_broker *broker, struct weir_epoch_end_request *request);
void weir_broker_describe_partition(struct weir_broker *broker,
                                    struct weir_describe_partition_request *request);
void weir_broker_cut(struct weir_broker *broker, struct weir_cut_request *request);
void weir_broker_compact(struct weir_broker *broker, struct weir_compact_request *request);
/* Of transactions: wire/request/transaction_requests.h. */
void weir_broker_write_marker(struct weir_broker *broker,
                              struct weir_write_marker_request *request);
void weir_broker_describe_producers(struct weir_broker *broker,
                                    struct weir_describe_producers_request *request);
void weir_broker_topic(struct weir_broker *broker, struct weir_topic_request *request);
/** From a shard's own thread (`reply_to` is its actor) it is answered from what that shard knows, mostly
 * before this returns. */
void weir_broker_list_topics(struct weir_broker *broker, struct weir_list_topics_request *request);
/**
 * What the topic with this id is called; null if there is none now. It may be gone when it is asked for by this
 * name: the id goes along (weir_request.topic_id).
 * Thread: that of `actor`, a shard's. Borrowed until the next question of this or of a list there.
 */
struct weir_slice weir_broker_topic_name(const struct weir_broker *broker,
                                         const struct weir_actor *actor, struct weir_uuid id);
void weir_broker_group_config(struct weir_broker *broker,
                              struct weir_group_config_request *request);
/** What a group has been set to itself, copied into the arena; the settings that hold for it in `config_out`.
 * Thread: that of `actor`, a shard's. */
const struct weir_config_entry *
weir_broker_group_overrides(const struct weir_broker *broker, const struct weir_actor *actor,
                            struct weir_slice group, struct weir_arena *arena, size_t *count_out,
                            struct weir_group_config *config_out);
/** The groups that have been set to anything, in order of name, copied into the arena; NULL if that has failed.
 * Thread: as above. */
const struct weir_slice *weir_broker_configured_groups(const struct weir_broker *broker,
                                                       const struct weir_actor *actor,
                                                       struct weir_arena *arena, size_t *count_out);
void weir_broker_init_producer(struct weir_broker *broker,
                               struct weir_init_producer_request *request);
void weir_broker_commit_offsets(struct weir_broker *broker, struct weir_commit_request *request);
void weir_broker_committed(struct weir_broker *broker, struct weir_committed_request *request);
/* Groups: wire/request/group_requests.h. */
void weir_broker_group_join(struct weir_broker *broker, struct weir_join_group_request *request);
void weir_broker_group_sync(struct weir_broker *broker, struct weir_sync_group_request *request);
void weir_broker_group_heartbeat(struct weir_broker *broker,
                                 struct weir_group_heartbeat_request *request);
void weir_broker_group_leave(struct weir_broker *broker, struct weir_leave_group_request *request);
void weir_broker_group_consumer_heartbeat(struct weir_broker *broker,
                                          struct weir_consumer_heartbeat_request *request);
/** Of one that may wait: have it answered now, with WEIR_CLOSED unless it is decided already. `done` still runs
 * exactly once, also if the answer is on its way. At most once per request; any thread, while the struct
 * lives. */
void weir_broker_cancel_group(struct weir_broker *broker, struct weir_group_request *request);
void weir_broker_group_describe(struct weir_broker *broker,
                                struct weir_describe_group_request *request);
void weir_broker_group_list(struct weir_broker *broker, struct weir_list_groups_request *request);
void weir_broker_group_delete(struct weir_broker *broker,
                              struct weir_delete_group_request *request);
void weir_broker_group_delete_offsets(struct weir_broker *broker,
                                      struct weir_delete_offsets_request *request);
/* Transactions: wire/request/transaction_requests.h. */
void weir_broker_init_transactions(struct weir_broker *broker,
                                   struct weir_init_transactions_request *request);
void weir_broker_add_partitions(struct weir_broker *broker,
                                struct weir_add_partitions_request *request);
void weir_broker_add_offsets(struct weir_broker *broker, struct weir_add_offsets_request *request);
void weir_broker_end_transaction(struct weir_broker *broker,
                                 struct weir_end_transaction_request *request);
void weir_broker_describe_transaction(struct weir_broker *broker,
                                      struct weir_describe_transaction_request *request);
void weir_broker_list_transactions(struct weir_broker *broker,
                                   struct weir_list_transactions_request *request);
/** Both only take a short lock. Errors: WEIR_LOCKED. */
int weir_broker_claim_group(struct weir_broker *broker, struct weir_slice group,
                            struct weir_group_claim *claim, struct weir_error *error);
void weir_broker_release_group(struct weir_group_claim *claim);

/** What one partition's log looks like inside, for people and tests. */
struct weir_partition_state_request {
    struct weir_request request;
    struct weir_topic_partition of;
    struct weir_partition_log_state state; /* given, as the next */
    int64_t high_watermark;
    int64_t clean_bytes; /* of a compacted topic: as of weir_describe_partition_request */
    int64_t dirty_bytes;
};
void weir_broker_partition_state(struct weir_broker *broker,
                                 struct weir_partition_state_request *request);

/** Ask and wait, as weir_request_wait does it in this broker's environment. */
int weir_broker_wait_begin(struct weir_broker *broker, struct weir_request *request,
                           struct weir_error *error);
int weir_broker_wait(struct weir_broker *broker, struct weir_request *request,
                     struct weir_error *error);

/* ---- who is served by the shards too --------------------------------------------------------- */

/**
 * A service on a shard beside its partitions, as the Kafka port is: run at the end of each of its turns. Returns how much it did; lowers
 * `wake_at` to when it wants a turn at the latest.
 */
struct weir_shard_service {
    int (*run_once)(void *impl, struct weir_mono now, struct weir_mono *wake_at);
    void *impl;
};
int32_t weir_broker_shard_count(const struct weir_broker *broker);
struct weir_actor *weir_broker_shard_actor(const struct weir_broker *broker, int32_t shard);
/** On that shard's own thread. `run_once` NULL: nobody. */
void weir_broker_set_service(struct weir_broker *broker, int32_t shard,
                             struct weir_shard_service service);
struct weir_env *weir_broker_env(const struct weir_broker *broker);
/** The bound on open segments, of those given or derived. */
int64_t weir_broker_segment_files_max(const struct weir_broker *broker);
const struct weir_broker_options *weir_broker_options_of(const struct weir_broker *broker);
/** A directory's id, for DescribeLogDirs, and its path. */
const char *weir_broker_path(const struct weir_broker *broker);

struct weir_broker_metrics {
    int64_t bytes_in, bytes_out, batches_in, flushes, open_partitions, offline_partitions;
    int64_t flush_p50_us, flush_p99_us;
    int64_t memory_bytes;
    int64_t live_groups, groups_memory_bytes;
    int64_t live_transactions, transactions_memory_bytes;
};
void weir_broker_metrics(const struct weir_broker *broker, struct weir_broker_metrics *metrics_out);

#endif
