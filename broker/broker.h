#ifndef WEIR_BROKER_BROKER_H
#define WEIR_BROKER_BROKER_H

#include "base/env/env.h"
#include "broker/log/partition_log.h"
#include "weir/types.h"

/**
 * The engine behind both faces: a data directory, its metadata, its partitions, on shards.
 *
 * Everything is asked by a request: a struct of the caller's that travels to the shard that owns
 * the partition, is filled in and comes back. Nothing is copied: a batch is handed over by
 * reference, a fetch gives references. Calls never block, except open and close.
 *
 * A data directory: meta.properties (cluster id, directory id, format version), lock (flock; the
 * pid inside is for the message), log/<topic>-<n>/, state/.
 */
struct weir_broker;
struct weir_shard;
struct weir_partition;
struct weir_commit_work;
struct weir_group_claims;

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
    int32_t offsets_topic_num_partitions; /* offsets.topic.num.partitions; 0: 1 */
    int32_t segment_files_max;            /* segments that are open at the same time; 0: half of the
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

/**
 * What every request begins with. `done` runs once, on `reply_to`'s thread (NULL: on the shard's,
 * must be short and must not block), and from then on the struct is the caller's again.
 */
struct weir_request {
    struct weir_message message; /* first: it is posted there and back */
    struct weir_actor *reply_to;
    void (*done)(struct weir_request *request);
    void *context; /* the caller's */
    int rc;
    struct weir_error error;
    struct weir_uuid
        topic_id; /* asked: WEIR_UNKNOWN_TOPIC_ID unless it is the topic's; zero: any */
    /* the engine's, while it is on its way */
    struct weir_shard *shard;
    struct weir_slice topic;
    int32_t partition;
    bool may_create;
    void (*stage)(struct weir_partition *partition, struct weir_request *request);
    bool (*before_reply)(struct weir_request *request); /* true: not yet, somebody else will */
    _Atomic bool is_done;                               /* for weir_broker_wait */
};

struct weir_topic_partition {
    struct weir_slice topic;
    int32_t partition;
};

enum weir_acks {
    WEIR_ACKS_NONE = 0,   /* done when it is queued on the shard, errors are dropped */
    WEIR_ACKS_LEADER = 1, /* done after the write into the page cache */
    WEIR_ACKS_ALL = -1,   /* done when it is on the disk */
};

/** Append batches to one partition. Auto-creates the topic if that is on and the writer is in this
 * process; clients of the port have a topic created by asking for its metadata. */
struct weir_produce_request {
    struct weir_request request;
    struct weir_topic_partition to;
    struct weir_shared *batches; /* the caller keeps its reference */
    size_t from;                 /* where in them, and how many bytes; size 0: all of it. A small
                                    part of a large buffer is copied, so as not to keep it all */
    size_t size;
    enum weir_acks acks;
    bool is_internal;  /* the engine's and the runtime's: control bit, names with "__" */
    bool walk_records; /* from outside the process: one batch, and each record is looked at too */
    /* given; with WEIR_ACKS_NONE rc is 0, and `request.error.code` says if it was refused */
    int64_t base_offset;
    int64_t last_offset;
    int64_t append_time_ms;
    int64_t log_start_offset;
    bool is_duplicate;
    bool keys_required; /* the topic is compacted: what an invalid record may have been one for */
    size_t plain_size_max; /* what its records were unfolded to at most */
    /* the shard's, while it waits for the flush */
    struct weir_produce_request *next;
};
void weir_broker_produce(struct weir_broker *broker, struct weir_produce_request *request);

/** What a reader knows of a partition's leader epochs (KIP-320); zeroed: nothing is checked. */
struct weir_epoch_check {
    bool has_current;
    int32_t current; /* WEIR_FENCED_LEADER_EPOCH below the partition's, WEIR_UNKNOWN_… above */
    bool has_fetched;
    int32_t fetched; /* of the last record it read: a fetch is answered with where they diverge */
};

/** What the Kafka port, which is on the shards itself, wants of a fetch besides. It stays where it is as
 * long as the fetch. */
struct weir_port_fetch {
    bool
        is_watch; /* wait as any fetch, but give no bytes: done when `size_min` bytes can be read at
                      `offset`, or the log's start has moved (or an error, or the deadline) */
    size_t range_min; /* answer with a file's range from this many bytes on; 0: never; 1: always */
    struct weir_log_range range; /* given, instead of batches */
};

/** Read one partition, waiting on it (not on a timer) until `min_bytes` are there. */
struct weir_fetch_request {
    struct weir_request request;
    struct weir_topic_partition from;
    int64_t offset;
    size_t size_max;
    size_t size_min;           /* 0: answer at once, even with nothing */
    struct weir_mono deadline; /* then answer with what there is */
    bool read_uncommitted_end; /* up to the log end instead of the high watermark: a task reading a
                                  repartition topic of its own job */
    struct weir_epoch_check epochs;
    struct weir_port_fetch *port; /* what only the Kafka port asks for; NULL: nothing */
    struct weir_message cancel;
    /* given */
    struct weir_log_batches batches;
    size_t size; /* of all that is given */
    int32_t leader_epoch;
    int32_t diverging_epoch; /* -1: none; else no bytes are given, and its end: */
    int64_t diverging_end_offset;
    int64_t high_watermark;
    int64_t log_start_offset;
    int64_t log_end_offset;
    /* the shard's, while it waits */
    struct weir_fetch_request *next;
    struct weir_fetch_request *previous;
    struct weir_partition *waits_on;
    int64_t seen_bytes;    /* what the partition had taken in when it looked */
    int64_t wake_at_bytes; /* worth another look once the partition has taken in this much */
    int64_t seen_start_offset;
    size_t deadline_index; /* in the shard's heap of deadlines */
    _Atomic int cancel_state;
};
void weir_broker_fetch(struct weir_broker *broker, struct weir_fetch_request *request);
/** Have a waiting fetch answered now with WEIR_CLOSED; `done` still runs exactly once, also if the
 * answer is on its way already. At most once per fetch; any thread, while the struct lives. */
void weir_broker_cancel_fetch(struct weir_broker *broker, struct weir_fetch_request *request);
/** Let go of what a fetch gave, the port's range too. */
void weir_fetch_release(struct weir_fetch_request *request);

/**
 * What a reader in this process says when the crc of a batch that it was given is wrong: the shard reads
 * that batch again, from the disk itself, and believes only what it finds there. If it is damaged, what
 * lies from there on is offline from now on and noted in the log's folder (RELIABILITY L5); if it is whole,
 * the bit was wrong in memory only, and what memory has of it is forgotten.
 * Answer: 0, it is whole (or has been given up since); WEIR_CORRUPT, it is damaged; WEIR_OFFLINE, that was
 *         known; WEIR_IO, WEIR_NO_MEMORY, WEIR_OFFSET_OUT_OF_RANGE.
 */
struct weir_damage_report {
    struct weir_request request;
    struct weir_topic_partition of;
    int64_t offset; /* any of the batch's */
    /* the shard's */
    struct weir_partition *on;
    struct weir_work work;
    struct weir_log_read read;
};
void weir_broker_report_damage(struct weir_broker *broker, struct weir_damage_report *report);

enum { WEIR_OFFSET_LATEST = -1, WEIR_OFFSET_EARLIEST = -2, WEIR_OFFSET_MAX_TIMESTAMP = -3 };

struct weir_list_offsets_request {
    struct weir_request request;
    struct weir_topic_partition of;
    int64_t timestamp_ms; /* or one of the above */
    struct weir_epoch_check epochs;
    int64_t offset; /* given; -1: none */
    int64_t timestamp_found_ms;
    int32_t leader_epoch;
    int64_t log_end_offset; /* beyond the high watermark, not yet durable */
};
void weir_broker_list_offsets(struct weir_broker *broker,
                              struct weir_list_offsets_request *request);

/** Where an epoch ended: the largest epoch <= `epoch` and one past its last offset (an epoch whose
 * records have been given up ended at the log's start); -1, -1: the leader's epoch is lower. */
struct weir_epoch_end_request {
    struct weir_request request;
    struct weir_topic_partition of;
    struct weir_epoch_check epochs; /* `current` only */
    int32_t epoch;
    int32_t epoch_found; /* given */
    int64_t end_offset;
};
void weir_broker_epoch_end(struct weir_broker *broker, struct weir_epoch_end_request *request);

enum weir_config_op { WEIR_CONFIG_SET, WEIR_CONFIG_APPEND, WEIR_CONFIG_SUBTRACT };
enum { WEIR_TOPIC_CONFIGS_MAX = 1000 }; /* in one request */

struct weir_config_entry {
    const char *key;
    const char *value;      /* NULL: back to the default (alter) */
    enum weir_config_op op; /* append and subtract: words of a list, as cleanup.policy is one */
};

enum weir_topic_operation {
    WEIR_TOPIC_CREATE,
    WEIR_TOPIC_DELETE,
    WEIR_TOPIC_DESCRIBE,
    WEIR_TOPIC_ALTER_CONFIG,
    WEIR_TOPIC_ADD_PARTITIONS, /* `partition_count` is the new total */
};

/** Administration of one topic; durable when it is done. */
struct weir_topic_request {
    struct weir_request request;
    enum weir_topic_operation operation;
    struct weir_slice topic;
    int32_t partition_count; /* create: -1 the default; describe: given */
    const struct weir_config_entry *configs;
    size_t config_count;
    bool is_internal; /* may touch names that begin with "__" */
    bool validate_only;
    bool replaces_all; /* alter: what `configs` does not name goes back to its default */
    bool keeps_own;    /* alter: what the topic has of its own stays as it is */
    /* describe: where the two texts go; untouched by others until done. NULL: they are not wanted */
    struct weir_arena *arena;
    /* given */
    struct weir_uuid topic_id;
    struct weir_topic_config config;
    const char
        *key_format; /* a weir.key.format of its own, which may be empty; NULL: it has none */
    const char *value_format;
};
void weir_broker_topic(struct weir_broker *broker, struct weir_topic_request *request);

/**
 * Topics as the metadata shows them, copied into `arena`: those asked for, in the order they were
 * asked (each with a code of its own), or all, in order of name.
 */
struct weir_topic_info {
    int rc; /* 0, WEIR_UNKNOWN_TOPIC_OR_PARTITION, WEIR_UNKNOWN_TOPIC_ID, WEIR_INVALID_TOPIC */
    struct weir_slice name; /* null: unknown id */
    struct weir_uuid id;
    int32_t partition_count;
    bool is_internal;
    const int32_t *leader_epochs;              /* by partition; NULL unless asked for */
    const bool *are_offline;                   /* by partition; NULL: none is, or not asked for */
    const struct weir_config_entry *overrides; /* what was set for it; NULL unless asked for */
    size_t override_count;
    struct weir_topic_config config; /* defaults and overrides together */
};
struct weir_list_topics_request {
    struct weir_request request;
    struct weir_arena *arena;       /* the caller's, untouched by others until done */
    const struct weir_slice *names; /* asked by name; null: by the id of the same index */
    const struct weir_uuid *ids;
    size_t asked_count;
    bool is_selection; /* only those asked for, which may be none; false: all */
    bool with_epochs;
    bool with_configs;
    struct weir_topic_info *topics; /* given */
    size_t topic_count;
};
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

/** A never-used producer id, epoch 0. */
struct weir_init_producer_request {
    struct weir_request request;
    int64_t producer_id;
    int16_t producer_epoch;
};
void weir_broker_init_producer(struct weir_broker *broker,
                               struct weir_init_producer_request *request);

/**
 * Commit offsets of a group: one batch of OffsetCommit records in `__consumer_offsets`, all or
 * nothing, durable when it is done.
 *
 * The first commit of a stream application (`is_application`; it may have no entries) also writes
 * down that the group is the application's. From then on, and while a job holds the group's claim,
 * anybody else's commit to it, tombstones included, is WEIR_GROUP_OWNED.
 */
struct weir_offset_entry {
    struct weir_topic_partition partition;
    int64_t offset;       /* fetched: -1 if there is none */
    int32_t leader_epoch; /* -1: unknown */
    struct weir_slice metadata;
    struct weir_uuid topic_id; /* fetched: of the topic when it was committed */
    bool is_tombstone;         /* commit: forget this partition */
};
struct weir_commit_request {
    struct weir_request request;
    struct weir_slice group;
    const struct weir_offset_entry *entries;
    size_t entry_count;
    size_t metadata_size_max; /* 0: 4096, offset.metadata.max.bytes; the runtime sets its own */
    bool is_application;      /* of a stream application, whose group is its own */
    struct weir_commit_work *work; /* the engine's */
};
void weir_broker_commit_offsets(struct weir_broker *broker, struct weir_commit_request *request);

/** The committed offsets of a group: those asked for (offset filled in), or all (into `arena`). */
struct weir_committed_request {
    struct weir_request request;
    struct weir_slice group;
    struct weir_arena *arena;
    struct weir_offset_entry *entries; /* NULL asks for all */
    size_t entry_count;
    bool is_application; /* given: a stream application owns the group */
};
void weir_broker_committed(struct weir_broker *broker, struct weir_committed_request *request);

/**
 * A job's hold on the application's group for as long as it runs: one job per application and log.
 * The claim is the caller's memory, zeroed, and stays in place until it is released; `group` lives
 * as long. Release accepts a zeroed claim. Any thread; both only take a short lock.
 * Errors: WEIR_LOCKED.
 */
struct weir_group_claim {
    struct weir_group_claim *next;
    struct weir_group_claims *claims; /* NULL: nothing is claimed */
    struct weir_slice group;
};
int weir_broker_claim_group(struct weir_broker *broker, struct weir_slice group,
                            struct weir_group_claim *claim, struct weir_error *error);
void weir_broker_release_group(struct weir_group_claim *claim);

/**
 * Cut a partition of an internal stream topic back to `offset`, or drop what lies below it. Cutting
 * raises the leader epoch, so that who holds a position can tell a rewritten tail. Durable when
 * done.
 */
enum weir_cut { WEIR_CUT_TAIL, WEIR_CUT_HEAD };
struct weir_cut_request {
    struct weir_request request;
    struct weir_topic_partition partition;
    enum weir_cut what;
    int64_t offset;     /* of the head: -1 is the high watermark */
    int64_t end_offset; /* given; also with WEIR_OFFSET_OUT_OF_RANGE */
    int64_t start_offset;
    int32_t leader_epoch;
};
void weir_broker_cut(struct weir_broker *broker, struct weir_cut_request *request);

/** What one partition looks like, for people and tests. */
struct weir_describe_partition_request {
    struct weir_request request;
    struct weir_topic_partition of;
    struct weir_partition_log_state state;
    int64_t high_watermark;
};
void weir_broker_describe_partition(struct weir_broker *broker,
                                    struct weir_describe_partition_request *request);

/**
 * Ask and wait, for threads that may block: `weir_broker_wait_begin` before the request is sent,
 * `weir_broker_wait` after it. WEIR_WRONG_THREAD on an actor's thread (then the request must not be
 * sent). Wait returns the request's rc and copies its error.
 */
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
};
void weir_broker_metrics(const struct weir_broker *broker, struct weir_broker_metrics *metrics_out);

#endif
