#ifndef WEIR_WIRE_REQUEST_LOG_REQUESTS_H
#define WEIR_WIRE_REQUEST_LOG_REQUESTS_H

#include "base/arena.h"
#include "wire/request/batches.h"
#include "wire/request/group_requests.h"
#include "wire/request/lost_range.h"
#include "wire/request/request.h"
#include "wire/request/topic_config.h"
#include "wire/request/transaction_requests.h"

/**
 * What can be asked of a log, one struct per kind, in Kafka's terms: what each is asked and given, whoever
 * answers. The engine in this process answers them from memory and disk; a client of a cluster will turn
 * each into the messages of the same names. client/log_ops.h is the table of who answers.
 *
 * Fields that are "given" are filled in by the answer; others are the asker's and stay as they are. What
 * is of whoever answers the asker does not look at: zeroed it is right for everyone.
 */
struct weir_port_fetch;   /* broker/broker.h */
struct weir_group_claims; /* the engine's */
struct weir_group_claim;  /* below */

/* ---- records --------------------------------------------------------------------------------- */

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
    /* Of transactional batches: whose transaction they are in. The first of it in a partition is told to the
     * coordinator before it is appended (version 2), or asked about (version 1: WEIR_TRANSACTION_ABORTABLE where
     * it was not added). Null: no batch is transactional. */
    struct weir_slice transactional_id;
    bool is_transaction_version_2;
    /* given; with WEIR_ACKS_NONE rc is 0, and `request.error.code` says if it was refused */
    int64_t base_offset;
    int64_t last_offset;
    int64_t append_time_ms;
    int64_t log_start_offset;
    bool is_duplicate;
    bool keys_required; /* the topic is compacted: what an invalid record may have been one for */
    size_t plain_size_max; /* what its records were unfolded to at most */
    int64_t batch_count;   /* of which all were found sound by these two; 0: not looked at yet */
    struct weir_produce_request *next; /* of whoever answers, while it waits for the flush */
};

/** What a reader knows of a partition's leader epochs (KIP-320); zeroed: nothing is checked. */
struct weir_epoch_check {
    bool has_current;
    int32_t current; /* WEIR_FENCED_LEADER_EPOCH below the partition's, WEIR_UNKNOWN_… above */
    bool has_fetched;
    int32_t fetched; /* of the last record it read: a fetch is answered with where they diverge */
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
    bool
        read_committed; /* up to the last stable offset, and told which transactions were aborted */
    struct weir_port_fetch *port; /* what only the Kafka port asks for; NULL: nothing */
    struct weir_message cancel;
    /* given */
    struct weir_log_batches batches;
    size_t size; /* of all that is given */
    int32_t leader_epoch;
    int32_t diverging_epoch; /* -1: none; else no bytes are given, and its end: */
    int64_t diverging_end_offset;
    int64_t high_watermark;
    int64_t
        last_stable_offset; /* below it every transaction is decided; at most the high watermark */
    /* read_committed: those that were aborted and have records among what is given, in order of their ends: for
     * weir_committed_filter. The answer's, until weir_fetch_release. */
    struct weir_aborted_transaction *aborted;
    size_t aborted_count;
    int64_t log_start_offset;
    int64_t log_end_offset;
    int64_t durable_offset; /* what lies below it is on the disk; 0: nothing is known */
    /* of whoever answers, while it waits */
    struct weir_fetch_request *next;
    struct weir_fetch_request *previous;
    struct weir_partition *waits_on; /* the engine's, as the rest */
    int64_t seen_bytes;              /* what the partition had taken in when it looked */
    int64_t wake_at_bytes; /* worth another look once the partition has taken in this much */
    int64_t seen_start_offset;
    size_t deadline_index; /* in the shard's heap of deadlines */
    _Atomic int cancel_state;
};

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
};

enum { WEIR_OFFSET_LATEST = -1, WEIR_OFFSET_EARLIEST = -2, WEIR_OFFSET_MAX_TIMESTAMP = -3 };

struct weir_list_offsets_request {
    struct weir_request request;
    struct weir_topic_partition of;
    int64_t timestamp_ms; /* or one of the above */
    bool
        read_committed; /* the latest is the last stable offset, and nothing from there on is found */
    struct weir_epoch_check epochs;
    int64_t offset; /* given; -1: none */
    int64_t timestamp_found_ms;
    int32_t leader_epoch;
    int64_t log_end_offset; /* beyond the high watermark, not yet durable */
};

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

/** One partition: where it begins and ends, under which epoch. */
struct weir_describe_partition_request {
    struct weir_request request;
    struct weir_topic_partition of;
    int64_t log_start_offset; /* given, as the rest */
    int64_t log_end_offset;   /* where only what is durable can be seen, the high watermark */
    int64_t high_watermark;
    int32_t leader_epoch;
    int64_t clean_bytes; /* of a compacted topic: each key has one record at most in them … */
    int64_t dirty_bytes; /* … and those that the next compaction reads keys from */
    /* No record at or above it has been taken out by compaction. INT64_MAX: that is not known */
    int64_t compacted_end_offset;
    bool is_offline;
    int64_t offline_from;        /* -1: none; what lies below can be read */
    struct weir_lost_range lost; /* the last one that a repair has given up; both 0: none known */
    size_t lost_count;
};

/** Compact one partition now, whatever its topic's min.cleanable.dirty.ratio says: the segment that is appended to is
 * ended first. WEIR_INVALID_CONFIG: the topic is not compacted. */
struct weir_compact_request {
    struct weir_request request;
    struct weir_topic_partition of;
    /* given */
    int64_t bytes_before; /* of the segments that were written anew, and what they have come to */
    int64_t bytes_after;
    int64_t records_before; /* that were looked at, and are left */
    int64_t records_after;
};

/**
 * Cut a partition of an internal stream topic back to `offset`, or drop what lies below it. Cutting
 * raises the leader epoch, so that who holds a position can tell a rewritten tail. Durable when
 * done.
 */
enum weir_cut {
    WEIR_CUT_TAIL,
    WEIR_CUT_HEAD,
    WEIR_CUT_NEVER_BELOW, /* nothing is cut now, and the tail never will be below `offset`: what lies there may be
                             compacted. Forgotten when the log is closed */
};
struct weir_cut_request {
    struct weir_request request;
    struct weir_topic_partition partition;
    enum weir_cut what;
    int64_t offset;     /* of the head: -1 is the high watermark */
    int64_t end_offset; /* given; also with WEIR_OFFSET_OUT_OF_RANGE */
    int64_t start_offset;
    int32_t leader_epoch;
};

/* ---- topics ---------------------------------------------------------------------------------- */

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

/**
 * Change settings of a group, which need not be there: each is checked, and all are taken or none; durable when
 * it is done. A running group has them from its next step on.
 *
 * Errors: WEIR_INVALID_CONFIG (an unknown setting, a value out of the server's bounds, a session no longer than the
 *         interval of heartbeats), WEIR_INVALID_ARGUMENT (an empty or too long id), WEIR_LIMIT.
 */
struct weir_group_config_request {
    struct weir_request request;
    struct weir_slice group;
    const struct weir_config_entry *configs; /* `key` is not NULL, and each is named once */
    size_t config_count;
    bool validate_only;
    bool replaces_all; /* what `configs` does not name goes back to the server's */
};

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

/* ---- producers and groups -------------------------------------------------------------------- */

/** A never-used producer id, epoch 0. */
struct weir_init_producer_request {
    struct weir_request request;
    int64_t producer_id;
    int16_t producer_epoch;
};

/**
 * Commit offsets of a group: one batch of OffsetCommit records in `__consumer_offsets`, all or
 * nothing, durable when it is done.
 *
 * The first commit of a stream application's run (`is_application`; it may have no entries) also writes
 * down that the group is the application's, with the run's member id and a generation of its own. From then on, and
 * while a job holds the group's claim, anybody else's commit to it, tombstones included, is WEIR_GROUP_OWNED; one
 * of that member id with another generation is WEIR_ILLEGAL_GENERATION.
 *
 * An application gives its group back with a commit that `releases` it, which only the holder of the group's
 * claim may: the same batch takes the ownership away, and what it commits is anybody's from then on.
 * WEIR_GROUP_OWNED: the claim is not held, or is another group's.
 */
struct weir_offset_entry {
    struct weir_topic_partition partition;
    int64_t offset;       /* fetched: -1 if there is none */
    int32_t leader_epoch; /* -1: unknown */
    struct weir_slice metadata;
    /* Fetched: of the topic when it was committed. Commit: of the topic that was read, so that no offset of it goes to
     * a new one of its name (WEIR_UNKNOWN_TOPIC_OR_PARTITION); zero: whichever there is. */
    struct weir_uuid topic_id;
    int64_t commit_time_ms; /* fetched: when it was; -1: not known */
    bool is_unstable;       /* fetched: an open transaction has committed another */
    bool is_tombstone;      /* commit: forget this partition */
};
struct weir_commit_request {
    struct weir_request request;
    struct weir_slice group;
    const struct weir_offset_entry *entries;
    size_t entry_count;
    size_t metadata_size_max; /* 0: offset.metadata.max.bytes; the runtime sets its own */
    /* A member's commit: as the group checks it, WEIR_UNKNOWN_MEMBER_ID, WEIR_FENCED_INSTANCE_ID,
     * WEIR_ILLEGAL_GENERATION, WEIR_STALE_MEMBER_EPOCH, WEIR_REBALANCE_IN_PROGRESS. Without (the member id empty, no
     * instance id, a generation below 0) it is for groups that nobody is a member of. */
    struct weir_group_member_id member;
    int32_t generation; /* or the member's epoch */
    bool has_member;
    bool
        has_no_epochs; /* of a version that knows generations only. WEIR_UNSUPPORTED_VERSION: the member has epochs */
    bool
        has_retention; /* offsets go `retention_ms` after the commit, if nobody reads their topics then */
    int64_t retention_ms;
    /* Within a transaction (TxnOffsetCommit): the offsets are the group's when it is committed, and nobody's
     * when it is aborted. Null: at once. */
    struct weir_slice transactional_id;
    int64_t producer_id;
    int16_t producer_epoch;
    bool is_transaction_version_2; /* the coordinator is told of it, as by an append */
    bool is_application;           /* of a stream application, whose group is its own */
    struct weir_group_claim
        *claim; /* whose run commits; NULL: of an application, none that is known */
    const struct weir_group_claim *releases; /* NULL: the group stays whose it is */
};

/** The committed offsets of a group: those asked for (offset filled in), or all (into `arena`). */
struct weir_committed_request {
    struct weir_request request;
    struct weir_slice group;
    struct weir_arena *arena;
    struct weir_offset_entry *entries; /* NULL asks for all */
    size_t entry_count;
    struct weir_slice member_id; /* of a consumer group's member that asks; null: nobody's */
    bool
        require_stable; /* an entry that an open transaction has committed too `is_unstable`, without its offset */
    int32_t member_epoch; /* -1: not said. WEIR_UNKNOWN_MEMBER_ID, WEIR_STALE_MEMBER_EPOCH */
    bool is_application;  /* given: a stream application owns the group */
};

/**
 * A job's hold on the application's group for as long as it runs: one job per application and log.
 * The claim is the caller's memory, zeroed, and stays in place until it is released; `group` lives
 * as long. Release accepts a zeroed claim. Any thread; both only take a short lock.
 * Errors: WEIR_LOCKED.
 */
enum { WEIR_CLAIM_MEMBER_ID_SIZE = 32 };
struct weir_group_claim {
    struct weir_group_claim *next;
    struct weir_group_claims *claims; /* NULL: nothing is claimed */
    struct weir_slice group;
    char member_id[WEIR_CLAIM_MEMBER_ID_SIZE]; /* of this run, as the group's owner */
    int32_t generation;                        /* given by the first commit of the run; -1 before */
};

#endif
