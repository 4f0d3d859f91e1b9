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
    weir_log_fn log; /* NULL: silent */
    void *log_context;
    enum weir_log_level log_level; /* 0: WEIR_LOG_INFO */
    /** Threads that own partitions and, with weir_listen, connections; 0: 1. */
    int32_t shard_count;
    /** What topics have that do not say otherwise: {"retention.ms", "3600000"}, or by the names that
     * Kafka's brokers use ("log.retention.ms"). Holds until weir_close, for old topics too.
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
};
enum { WEIR_PRODUCER_ACKS_NONE = -2 };
/** `struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT, .linger_ms = 5};` */
#define WEIR_PRODUCER_OPTIONS_INIT .size = sizeof(struct weir_producer_options)

/** A producer is for one thread at a time: a call while another thread is in one is WEIR_WRONG_THREAD,
 * also for close. on_delivery may call. The same holds for a consumer. */
WEIR_API struct weir_producer *weir_producer_new(struct weir_log *log,
                                                 const struct weir_producer_options *options,
                                                 struct weir_error *error);
/** Flush and free; the first delivery error, if any. NULL is fine. Freed also after such an error,
 * but not when the call is refused (WEIR_WRONG_THREAD). */
WEIR_API int weir_producer_close(struct weir_producer *producer, struct weir_error *error);

/**
 * Put one record into the batch of its partition. Copied once, into the bytes that are written.
 *
 * Shape:  `partition` -1: murmur2 of the key, or the sticky partition when there is no key.
 * Units:  `record->timestamp_ms` -1: now.
 * Errors: WEIR_UNKNOWN_TOPIC_OR_PARTITION, WEIR_TOO_LARGE (over max.message.bytes),
 *         WEIR_INVALID_TOPIC; WEIR_LIMIT if buffer_memory is full and this thread may not wait.
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

/** The partition that a key goes to: Kafka's default partitioner, murmur2. `partition_count` > 0. */
WEIR_API int32_t weir_partition_for_key(struct weir_slice key, int32_t partition_count);

/** One record, acknowledged on return: for tools and examples, not for speed. */
WEIR_API int weir_produce(struct weir_log *log, const char *topic, struct weir_slice key,
                          struct weir_slice value, struct weir_error *error);

/* ---- consumer -------------------------------------------------------------------------------- */

struct weir_consumer_options {
    WEIR_SIZE(struct weir_consumer_options);
    const char *group;      /* for committed offsets; NULL: none */
    size_t fetch_max_bytes; /* per poll and partition; 0: 1 MiB */
};
/** `struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT, .group = "readers"};` */
#define WEIR_CONSUMER_OPTIONS_INIT .size = sizeof(struct weir_consumer_options)

enum {
    WEIR_POSITION_BEGINNING = -2, /* earliest */
    WEIR_POSITION_END = -1,       /* latest */
    /** The group's, else the beginning. Where the log has lost what the group had read (a loss of power
     * with flush.policy=os), it is where the two part, and a line in the log names what is gone. */
    WEIR_POSITION_COMMITTED = -3,
};

WEIR_API struct weir_consumer *weir_consumer_new(struct weir_log *log,
                                                 const struct weir_consumer_options *options,
                                                 struct weir_error *error);
WEIR_API int weir_consumer_close(struct weir_consumer *consumer, struct weir_error *error);

/** Read this partition from `position` (an offset or one of the above). Again: a seek. */
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
 * Up to `timeout_ms` for the next batch of any assigned partition, in turn; -1 waits for ever.
 * 0: `batch_out` is filled; WEIR_END: nothing came in time (or all partitions are at their end and
 * `timeout_ms` is 0). Crc is always checked: WEIR_CORRUPT names topic, partition and offset.
 */
WEIR_API int weir_consumer_poll(struct weir_consumer *consumer, int64_t timeout_ms,
                                struct weir_batch_view *batch_out, struct weir_error *error);
/** Commit the positions of all assigned partitions to the group; durable on return. WEIR_GROUP_OWNED:
 * the group is a stream application's, whose jobs alone move it. */
WEIR_API int weir_consumer_commit(struct weir_consumer *consumer, struct weir_error *error);
/** What a group has committed; -1 if nothing. */
WEIR_API int weir_committed(struct weir_log *log, const char *group, const char *topic,
                            int32_t partition, int64_t *offset_out, struct weir_error *error);

#ifdef __cplusplus
}
#endif

#endif
