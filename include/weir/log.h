#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/error.h"
#include "weir/export.h"
#include "weir/log_callback.h"
#include "weir/record.h"
#include "weir/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A log: durable, partitioned topics in a directory, inside this process. No server, no port.
 *
 * Threads: a handle may be used from any thread; a producer or a consumer from one at a time. Calls
 * that wait are refused with WEIR_WRONG_THREAD inside an operator or a callback. The library starts
 * no thread before weir_open, installs no signal handler, and writes nowhere but its directory and
 * the log callback. Handles are unusable after fork.
 */
struct weir_log;
struct weir_producer;
struct weir_consumer;

struct weir_config {
    const char *key; /* Kafka's: "retention.ms" */
    const char *value;
};

struct weir_log_options {
    WEIR_SIZE(
        struct weir_log_options); /* set by WEIR_LOG_OPTIONS_INIT; weir/export.h has the rules */
    /** Create topics on first use (auto.create.topics.enable); WEIR_AUTO_CREATE_OFF forbids it. */
    int auto_create_topics;
    /** Partitions of a topic created without a number (num.partitions); 0: 1. */
    int32_t num_partitions;
    /** flush.policy: acknowledge after the write into the page cache, as Kafka does by default. */
    bool flush_policy_os;
    weir_log_fn log; /* NULL: to stderr; a function that does nothing is silence */
    void *log_context;
    enum weir_log_level log_level; /* 0: WEIR_LOG_INFO; WEIR_LOG_WARN where `log` is NULL */
    /** Threads that own partitions and, with weir_listen, connections; 0: 1. */
    int32_t shard_count;
    /** What topics have that do not say otherwise: {"retention.ms", "3600000"}, or by the names that
     * Kafka's brokers use ("log.retention.ms"). Holds until weir_close, for old topics too. Settings of
     * consumer groups go here as well: {"group.initial.rebalance.delay.ms", "0"},
     * {"offsets.retention.minutes", "1440"}.
     *
     * How long a topic keeps its records is decided when it is created. If neither the topic nor
     * these say so (retention.ms, or one of its other names), it keeps them for ever: retention.ms
     * is -1 among the topic's own settings from then on, also where `weir server` opens the
     * directory later, whose own topics have Kafka's seven days. */
    const struct weir_config *topic_configs;
    size_t topic_config_count;
    /** Segment files that may be open at the same time; those used longest ago are closed. 0: half of the
     * descriptors that the process may have when the log is opened. A library leaves that limit
     * (RLIMIT_NOFILE) alone: a program with many partitions or clients raises it first, as `weir server`
     * does. Running out of descriptors takes nothing offline; calls ask to be tried again meanwhile. */
    int32_t segment_files_max;
};
enum { WEIR_AUTO_CREATE_OFF = -1 };
/** `struct weir_log_options options = {WEIR_LOG_OPTIONS_INIT, .num_partitions = 4};` */
#define WEIR_LOG_OPTIONS_INIT .size = sizeof(struct weir_log_options)

/**
 * Open the log in `directory`, creating it if need be. `options` may be NULL.
 *
 * Errors: WEIR_LOCKED (another handle or process has it; the text names the pid),
 *         WEIR_UNSUPPORTED_VERSION (written by a newer Weir; or its options are of a newer one),
 *         WEIR_PERMISSION, WEIR_NO_SPACE, WEIR_INVALID_ARGUMENT, WEIR_INVALID_CONFIG (a default of
 *         topics, by name), WEIR_IO, WEIR_CORRUPT. NULL is returned and `error` says why.
 * Owns:   close with weir_close.
 * Thread: any but the library's own.
 */
WEIR_API struct weir_log *weir_open(const char *directory, const struct weir_log_options *options,
                                    struct weir_error *error);

/** Sync and close, its port first. Jobs, producers and consumers on it must be closed before. NULL is
 * fine. */
WEIR_API int weir_close(struct weir_log *log, struct weir_error *error);

/* ---- topics ---------------------------------------------------------------------------------- */

/**
 * Create a topic; durable on return. `partition_count` 0: num.partitions.
 * Errors: WEIR_EXISTS, WEIR_INVALID_TOPIC, WEIR_INVALID_PARTITIONS, WEIR_INVALID_CONFIG.
 */
WEIR_API int weir_topic_create(struct weir_log *log, const char *topic, int32_t partition_count,
                               const struct weir_config *configs, size_t config_count,
                               struct weir_error *error);
/** WEIR_UNKNOWN_TOPIC_OR_PARTITION if there is none. */
WEIR_API int weir_topic_delete(struct weir_log *log, const char *topic, struct weir_error *error);
/** Set configs (a NULL value goes back to the default); others stay. */
WEIR_API int weir_topic_configure(struct weir_log *log, const char *topic,
                                  const struct weir_config *configs, size_t config_count,
                                  struct weir_error *error);

struct weir_topic_description {
    char name[250];
    struct weir_uuid id;
    int32_t partition_count;
    bool is_internal;
};
WEIR_API int weir_topic_describe(struct weir_log *log, const char *topic,
                                 struct weir_topic_description *description_out,
                                 struct weir_error *error);
/** Each topic in order of name; a non-zero return of `each` ends the walk and is returned. */
WEIR_API int weir_topic_list(struct weir_log *log,
                             int (*each)(void *context,
                                         const struct weir_topic_description *description),
                             void *context, struct weir_error *error);
/** First and one past the last readable offset. */
WEIR_API int weir_topic_offsets(struct weir_log *log, const char *topic, int32_t partition,
                                int64_t *start_out, int64_t *end_out, struct weir_error *error);
/** First offset whose timestamp is >= `timestamp_ms`; -1 if there is none. */
WEIR_API int weir_topic_offset_at(struct weir_log *log, const char *topic, int32_t partition,
                                  int64_t timestamp_ms, int64_t *offset_out,
                                  struct weir_error *error);

/* ---- producer -------------------------------------------------------------------------------- */

struct weir_delivery {
    int rc; /* 0, or why the record's batch was not stored */
    const char *topic;
    int32_t partition;
    int64_t offset;       /* of the record, -1 on failure or acks 0 */
    void *record_context; /* as given with the record */
};

struct weir_producer_options {
    WEIR_SIZE(struct weir_producer_options);
    int acks; /* 0 (default): all; WEIR_PRODUCER_ACKS_NONE; 1: leader */
    /** How long a batch may fill up. 0: until it is full, until flush, or until a poll finds nothing
     * of its partition on the way. Looked at by send and poll: there is no thread that does. */
    int64_t linger_ms;
    size_t batch_size;    /* bytes; 0: 64 KiB */
    size_t buffer_memory; /* bytes of unacknowledged batches before produce waits; 0: 32 MiB */
    const char *compression_type; /* NULL: none; gzip, snappy, lz4, zstd */
    bool disable_idempotence;     /* enable.idempotence=false */
    /** Runs inside weir_producer_poll, _flush and _close, on their thread. */
    void (*on_delivery)(void *context, const struct weir_delivery *delivery);
    void *context;
    /** transactional.id: what it sends is in transactions (weir_producer_begin), and of the producers that are
     * opened with this id the last one is right: those before it are fenced, also in other processes. Stays the same
     * over restarts. Wants acks all and idempotence. NULL: no transactions. Copied. */
    const char *transactional_id;
    /** transaction.timeout.ms: one that is open for longer is aborted, and its producer fenced. 0: 60,000; at most
     * transaction.max.timeout.ms (15 minutes). */
    int64_t transaction_timeout_ms;
};
enum { WEIR_PRODUCER_ACKS_NONE = -2 };
/** `struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT, .linger_ms = 5};` */
#define WEIR_PRODUCER_OPTIONS_INIT .size = sizeof(struct weir_producer_options)

/**
 * A producer is for one thread at a time: a call while another thread is in one is WEIR_WRONG_THREAD,
 * also for close. on_delivery may call. The same holds for a consumer.
 *
 * With a transactional id it waits: a producer before it that has the id is fenced, and what that had open is aborted (a
 * commit that was decided is carried through). Errors then: WEIR_INVALID_TRANSACTION_TIMEOUT, WEIR_WRONG_THREAD,
 * WEIR_CONCURRENT_TRANSACTIONS (that is still being ended after a minute), those of any write.
 */
WEIR_API struct weir_producer *weir_producer_new(struct weir_log *log,
                                                 const struct weir_producer_options *options,
                                                 struct weir_error *error);
/** Flush and free; the first delivery error, if any. NULL is fine. Freed also after such an error,
 * but not when the call is refused (WEIR_WRONG_THREAD). A transaction that is open is aborted. */
WEIR_API int weir_producer_close(struct weir_producer *producer, struct weir_error *error);

/**
 * Put one record into the batch of its partition. Copied once, into the bytes that are written.
 *
 * Shape:  `partition` -1: murmur2 of the key, or the sticky partition when there is no key.
 * Units:  `record->timestamp_ms` -1: now.
 * Errors: WEIR_UNKNOWN_TOPIC_OR_PARTITION, WEIR_TOO_LARGE (over max.message.bytes),
 *         WEIR_INVALID_TOPIC, WEIR_INVALID_RECORD (no key, in a compacted topic); WEIR_LIMIT if buffer_memory is full
 *         and this thread may not wait. With a transactional id also those of weir_producer_begin. A record that is
 *         refused here is not in the transaction, which stays as it was.
 * Thread: the producer's; waits only when buffer_memory is full.
 */
WEIR_API int weir_producer_send(struct weir_producer *producer, const char *topic,
                                int32_t partition, const struct weir_record *record,
                                void *record_context, struct weir_error *error);
/** Send what is batched (see linger_ms) and run deliveries that are due, without waiting; how many
 * records have been delivered since the last call. WEIR_WRONG_THREAD while another thread is in a call. */
WEIR_API int weir_producer_poll(struct weir_producer *producer);
/** Wait until everything sent so far is acknowledged; the first delivery error since the last flush. */
WEIR_API int weir_producer_flush(struct weir_producer *producer, struct weir_error *error);

/* ---- transactions ---------------------------------------------------------------------------- */

/**
 * All that a transactional producer sends between begin and commit, to any partitions, counts as one: readers that
 * read committed (isolation_level, the default of a consumer) see all of it once it is committed, and nothing of it
 * if it is aborted. Offsets of a consumer that are sent within it move together with the records: read, process,
 * write, exactly once (docs/guide/transactions.md).
 *
 *   begin ──> send, send_offsets, ... ──> commit     or, wherever something of it has failed, abort
 *
 * Failures are of two kinds, which weir_producer_status tells apart; nobody compares codes for that:
 *   MUST_ABORT   something of the transaction has failed: a record was not stored, offsets were refused by their
 *                group. weir_producer_abort, and the producer goes on. Until then each call is
 *                WEIR_TRANSACTION_ABORTABLE, and the text says what failed.
 *   LOST         for good: another producer has the transactional id, or the transaction was open for too long
 *                (WEIR_PRODUCER_FENCED), or the log has forgotten the id (WEIR_INVALID_PRODUCER_ID_MAPPING). Each
 *                call gives that code from then on: close it, and open another one where that is right.
 *
 * Version 2 of transactions (KIP-890): each has an epoch of its own, so that nothing that is late comes into another.
 */
enum weir_transaction_status {
    WEIR_PRODUCER_IDLE, /* no transaction is open; also of one without a transactional id */
    WEIR_PRODUCER_IN_TRANSACTION, /* it is open */
    WEIR_PRODUCER_MUST_ABORT,     /* only weir_producer_abort is left */
    WEIR_PRODUCER_ENDING,         /* its end is not known to be decided: the same call again */
    WEIR_PRODUCER_LOST,           /* only weir_producer_close is left */
};
/** Where it stands: an enum weir_transaction_status; WEIR_INVALID_ARGUMENT, WEIR_WRONG_THREAD. */
WEIR_API int weir_producer_status(const struct weir_producer *producer);

/** Begin a transaction. Does not wait. WEIR_INVALID_TXN_STATE: the producer has no transactional id, or has one open. */
WEIR_API int weir_producer_begin(struct weir_producer *producer, struct weir_error *error);
/**
 * Wait until all that was sent is stored, and commit: durable on return, and readers that read committed see it soon.
 * Errors: WEIR_TRANSACTION_ABORTABLE, WEIR_PRODUCER_FENCED and the like as above; WEIR_INVALID_TXN_STATE if none is open;
 *         WEIR_WRONG_THREAD. Any other code, after a minute of trying: it may be committed or not, and this call again
 *         finds out (weir_producer_status: ENDING). It is not aborted then.
 */
WEIR_API int weir_producer_commit(struct weir_producer *producer, struct weir_error *error);
/** Give up all that was sent since begin: records that are not stored yet are not (their deliveries say
 * WEIR_TRANSACTION_ABORTABLE), the others nobody sees who reads committed. Waits. Errors as of commit. */
WEIR_API int weir_producer_abort(struct weir_producer *producer, struct weir_error *error);

/** Who reads on behalf of a group: what weir_producer_send_offsets tells of a consumer (KIP-447). */
struct weir_group_metadata {
    const char *group;
    /* A member's, so that one that its group has lost meanwhile moves nothing; NULL: of no member, as those are that
     * assign partitions by hand. `generation` counts with a member only. */
    const char *member_id;
    int32_t generation;
    const char *group_instance_id;
};
struct weir_offset_to_commit;
/**
 * Commit these offsets of a group with the transaction: they move when it is committed, and stay when it is aborted (then
 * weir_consumer_seek to WEIR_POSITION_COMMITTED goes back to them). All or none. Waits until they are durable.
 * Errors: a group that refuses them breaks the transaction: WEIR_ILLEGAL_GENERATION, WEIR_UNKNOWN_MEMBER_ID,
 *         WEIR_FENCED_INSTANCE_ID, WEIR_GROUP_OWNED, WEIR_UNKNOWN_TOPIC_OR_PARTITION; WEIR_INVALID_ARGUMENT; those of
 *         weir_producer_begin and commit.
 */
WEIR_API int weir_producer_send_offsets(struct weir_producer *producer,
                                        const struct weir_offset_to_commit *offsets,
                                        size_t offset_count,
                                        const struct weir_group_metadata *group,
                                        struct weir_error *error);

/** The partition that a key goes to: Kafka's default partitioner, murmur2. `partition_count` > 0. */
WEIR_API int32_t weir_partition_for_key(struct weir_slice key, int32_t partition_count);

/** One record, acknowledged on return: for tools and examples, not for speed. */
WEIR_API int weir_produce(struct weir_log *log, const char *topic, struct weir_slice key,
                          struct weir_slice value, struct weir_error *error);

/* ---- consumer -------------------------------------------------------------------------------- */

/** One partition that a group has given to a consumer, or takes from it. */
struct weir_assigned_partition {
    const char
        *topic; /* until the callback returns; of weir_consumer_assignment until the next poll */
    int32_t partition;
};

/**
 * What a group does with a consumer's partitions: runs inside weir_consumer_poll, on its thread (also in unsubscribe
 * and close, and in a subscribe behind a membership that has ended). It may commit, seek, pause and ask for positions;
 * not poll, subscribe, unsubscribe or close (WEIR_INVALID_ARGUMENT). The group waits for it, up to max_poll_interval_ms.
 */
typedef void (*weir_rebalance_fn)(void *context, struct weir_consumer *consumer,
                                  const struct weir_assigned_partition *partitions, size_t count);

struct weir_consumer_options {
    WEIR_SIZE(struct weir_consumer_options);
    const char *group;      /* group.id: for committed offsets and for subscribe; NULL: none */
    size_t fetch_max_bytes; /* per poll and partition; 0: 1 MiB */

    /* ---- of a consumer that subscribes ---- */

    /** group.instance.id: a static member. Closing keeps its partitions for it until its session ends
     * (group.consumer.session.timeout.ms, 45 s), so that a restart moves none. NULL: a dynamic one. */
    const char *group_instance_id;
    /** Partitions have come. They are assigned, and stand where the group has committed, else where
     * auto_offset_reset says. */
    weir_rebalance_fn on_assigned;
    /** Partitions are about to go, after a last commit if commits are automatic: finish what was read of
     * them, and commit. They are somebody else's only after this has returned. Also on unsubscribe and close. */
    weir_rebalance_fn on_revoked;
    /** Partitions are gone already: the group took this member for dead. Nothing can be committed for them,
     * and somebody else may be reading them. It joins again by itself. NULL: on_revoked runs in its place. */
    weir_rebalance_fn on_lost;
    void *rebalance_context;
    /** enable.auto.commit: each poll that comes at least auto_commit_interval_ms after the last commit first
     * commits what the polls before it have given, and waits until that is durable. So do a revocation,
     * unsubscribe and close. What fails for a while is tried again and is a line in the log. */
    bool enable_auto_commit;
    int64_t auto_commit_interval_ms; /* 0: 5,000 */
    /** auto.offset.reset, for a partition for which nothing is committed, or whose committed offset the log
     * does not hold any more: "earliest" (NULL is the same), "latest", or "none": poll gives
     * WEIR_OFFSET_OUT_OF_RANGE until a seek. */
    const char *auto_offset_reset;
    /** group.remote.assignor: "uniform" or "range". NULL: the group's. */
    const char *assignor;
    /** max.poll.interval.ms: heartbeats go out from a thread of the consumer's own, whatever the user's
     * thread does; but who does not poll for this long leaves the group, so that others get the partitions.
     * The next poll is told that all is lost, and joins again. 0: 300,000. */
    int64_t max_poll_interval_ms;

    /* ---- of every consumer ---- */

    /** isolation.level. WEIR_READ_COMMITTED (0, as librdkafka has it; Kafka's Java consumer reads uncommitted by
     * default): records of aborted transactions are passed over, and it reads up to the first transaction that is still
     * open. WEIR_READ_UNCOMMITTED: everything, as it comes. Where nobody uses transactions they are the same. */
    int isolation_level;
};
enum { WEIR_READ_COMMITTED = 0, WEIR_READ_UNCOMMITTED = 1 };
/** `struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT, .group = "readers"};` */
#define WEIR_CONSUMER_OPTIONS_INIT .size = sizeof(struct weir_consumer_options)

enum {
    WEIR_POSITION_BEGINNING = -2, /* earliest */
    WEIR_POSITION_END = -1, /* latest; of who reads committed, before the first open transaction */
    /** The group's, else the beginning. Where the log has lost what the group had read (a loss of power
     * with flush.policy=os), it is where the two part, and a line in the log names what is gone. */
    WEIR_POSITION_COMMITTED = -3,
};

WEIR_API struct weir_consumer *weir_consumer_new(struct weir_log *log,
                                                 const struct weir_consumer_options *options,
                                                 struct weir_error *error);
/** Leave the group as weir_consumer_unsubscribe does, and free; the error of its last commit, if any. Freed also
 * after such an error, but not when the call is refused (WEIR_WRONG_THREAD, from a callback WEIR_INVALID_ARGUMENT). */
WEIR_API int weir_consumer_close(struct weir_consumer *consumer, struct weir_error *error);

/** Read this partition from `position` (an offset or one of the above). Again: a seek. Not while it is
 * subscribed: the group assigns then. */
WEIR_API int weir_consumer_assign(struct weir_consumer *consumer, const char *topic,
                                  int32_t partition, int64_t position, struct weir_error *error);
/** All partitions of a topic. */
WEIR_API int weir_consumer_assign_topic(struct weir_consumer *consumer, const char *topic,
                                        int64_t position, struct weir_error *error);
WEIR_API int weir_consumer_seek(struct weir_consumer *consumer, const char *topic,
                                int32_t partition, int64_t position, struct weir_error *error);
/** Next offset to be read; WEIR_NOT_FOUND if it is not assigned, WEIR_WRONG_THREAD while another thread is
 * in a call. */
WEIR_API int weir_consumer_position(const struct weir_consumer *consumer, const char *topic,
                                    int32_t partition, int64_t *offset_out);

/** Records of one partition, in order; views last until the next poll, seek or close. */
struct weir_batch_view {
    const char *topic;
    int32_t partition;
    const struct weir_record *records;
    size_t record_count;
    int64_t high_watermark;
};

/**
 * Share the topics of a group with its other members (subscribe), on this log and on its port: each partition
 * is read by one of them. By the consumer protocol (KIP-848): the group assigns, and moves only what has to move.
 *
 * Shape:   names that there are no topics of yet are fine: their partitions come once there are. Again: instead of
 *          what was subscribed before.
 * Errors:  WEIR_INVALID_ARGUMENT (no group, no topic, partitions assigned by hand), WEIR_INVALID_TOPIC,
 *          WEIR_NO_MEMORY. What the group refuses (WEIR_GROUP_MAX_SIZE_REACHED, WEIR_UNSUPPORTED_ASSIGNOR,
 *          WEIR_INVALID_REGULAR_EXPRESSION, WEIR_GROUP_OWNED, WEIR_FENCED_INSTANCE_ID, ...) each poll says, until
 *          the consumer subscribes again.
 * Owns:    names are copied.
 * Thread:  the consumer's. Does not wait: the partitions come in weir_consumer_poll.
 * Source:  KIP-848.
 */
WEIR_API int weir_consumer_subscribe(struct weir_consumer *consumer, const char *const *topics,
                                     size_t topic_count, struct weir_error *error);
/** The same for all topics whose names match a regular expression as a whole, those that are made later too.
 * RE2's syntax, as the group checks it. Internal topics are not found, by '.*' neither (they are in Kafka): what a
 * member commits lies in one of them, and would be read by it in turn. */
WEIR_API int weir_consumer_subscribe_pattern(struct weir_consumer *consumer, const char *pattern,
                                             struct weir_error *error);
/** Commit if commits are automatic, run on_revoked, and leave the group; waits for that. Nothing is assigned then.
 * Without a subscription: lets go of the partitions that were assigned by hand. */
WEIR_API int weir_consumer_unsubscribe(struct weir_consumer *consumer, struct weir_error *error);

/** The partitions that it reads, by hand or from the group: up to `capacity` are written; gives how many there
 * are. Errors as weir_consumer_position. */
WEIR_API int weir_consumer_assignment(struct weir_consumer *consumer,
                                      struct weir_assigned_partition *partitions_out,
                                      size_t capacity);
/** Give no records of it until weir_consumer_resume; it stays assigned, at its position. WEIR_NOT_FOUND: it is not
 * assigned. Waits for a fetch of it to end. */
WEIR_API int weir_consumer_pause(struct weir_consumer *consumer, const char *topic,
                                 int32_t partition, struct weir_error *error);
WEIR_API int weir_consumer_resume(struct weir_consumer *consumer, const char *topic,
                                  int32_t partition, struct weir_error *error);

/**
 * Up to `timeout_ms` for the next batch of any assigned partition, in turn; -1 waits for ever.
 * 0: `batch_out` is filled; WEIR_END: nothing came in time (or all partitions are at their end and
 * `timeout_ms` is 0). Crc is always checked: WEIR_CORRUPT names topic, partition and offset.
 */
WEIR_API int weir_consumer_poll(struct weir_consumer *consumer, int64_t timeout_ms,
                                struct weir_batch_view *batch_out, struct weir_error *error);
/** Commit the positions of all assigned partitions to the group; durable on return. WEIR_GROUP_OWNED:
 * the group is a stream application's, whose jobs alone move it. A subscribed consumer commits as a member:
 * WEIR_UNKNOWN_MEMBER_ID or WEIR_FENCED_MEMBER_EPOCH if it is none (any more), which the next poll mends and on_lost
 * tells; WEIR_STALE_MEMBER_EPOCH while the group moves on, which passes. */
WEIR_API int weir_consumer_commit(struct weir_consumer *consumer, struct weir_error *error);
/** An offset to commit: the next one to be read. */
struct weir_offset_to_commit {
    const char *topic;
    int32_t partition;
    int64_t offset;
    const char *metadata; /* kept with it, up to 4,096 bytes; NULL: none */
};
/** Commit these offsets, of assigned partitions or others; all or none, durable on return. Errors as above, and
 * WEIR_INVALID_ARGUMENT, WEIR_TOO_LARGE (metadata), WEIR_UNKNOWN_TOPIC_OR_PARTITION. */
WEIR_API int weir_consumer_commit_offsets(struct weir_consumer *consumer,
                                          const struct weir_offset_to_commit *offsets,
                                          size_t offset_count, struct weir_error *error);
/** What weir_producer_send_offsets is to know of this consumer. Its texts are the consumer's, until it subscribes anew,
 * unsubscribes or is closed. Errors: WEIR_INVALID_ARGUMENT (no group), WEIR_UNKNOWN_MEMBER_ID (it has subscribed, and is
 * no member now: weir_consumer_poll joins). */
WEIR_API int weir_consumer_group_metadata(struct weir_consumer *consumer,
                                          struct weir_group_metadata *metadata_out,
                                          struct weir_error *error);
/** What the consumer's group has committed; -1 if nothing. */
WEIR_API int weir_consumer_committed(struct weir_consumer *consumer, const char *topic,
                                     int32_t partition, int64_t *offset_out,
                                     struct weir_error *error);
/** What a group has committed; -1 if nothing. */
WEIR_API int weir_committed(struct weir_log *log, const char *group, const char *topic,
                            int32_t partition, int64_t *offset_out, struct weir_error *error);

#ifdef __cplusplus
}
#endif

#endif
