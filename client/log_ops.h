#ifndef WEIR_CLIENT_LOG_OPS_H
#define WEIR_CLIENT_LOG_OPS_H

#include "wire/request/log_requests.h"

/**
 * A log as those who ask it see it: one table of operations, whoever answers.
 *
 *   producers, consumers, jobs ──request──> struct weir_log_ops ──┬─> client/embedded: the engine here
 *                              <──done───                         └─> a Kafka cluster, later
 *
 * An asynchronous operation takes a request of its asker's (wire/request/log_requests.h), never blocks and
 * cannot fail to be sent: whatever goes wrong is the request's answer, `rc` and `error`. It is answered
 * exactly once, on the actor that the request names, and until then request and what it points to belong
 * to the backend. Any thread may ask; requests of one asker for one partition are taken up in the order
 * in which they were sent. Closing is for when nothing is on its way and nothing that was fetched is held.
 *
 * Every pointer of a table is set. What a backend cannot do it answers with WEIR_UNSUPPORTED: the asker
 * needs no second way of knowing. Where an answer does not say what is there because the backend cannot
 * know it, its field's comment in log_requests.h says what stands there instead.
 *
 * Any of them may be answered with
 *   WEIR_UNKNOWN_TOPIC_OR_PARTITION, WEIR_UNKNOWN_TOPIC_ID (a topic of the name, but not of the id)
 *   WEIR_OFFLINE      there is nobody to ask: its log is damaged or has failed, it has no leader
 *   WEIR_CLOSED       the log is being closed, or the fetch was cancelled
 *   WEIR_NO_SPACE, WEIR_NO_MEMORY, WEIR_LIMIT, WEIR_IO: a shortage, which passes, or a failure that does
 *                     not; weir_code_action tells them apart
 * and those that its own line names. (In a cluster: also WEIR_TIMED_OUT, when a deadline has passed without
 * anybody who knows.)
 *
 *                          embedded                            a Kafka cluster
 *   produce                append, wait for the flush          Produce to the leader
 *   fetch                  tail cache or disk, by reference    Fetch; the answer's frame, by reference
 *   cancel_fetch           a message to the partition          answered now, what comes later is dropped
 *   report_damage          reads the disk again                WEIR_UNSUPPORTED: its disks are its own
 *   list_offsets, epoch_end, describe_partition                ListOffsets, OffsetForLeaderEpoch
 *   cut                    both ends                           DeleteRecords; the tail: WEIR_UNSUPPORTED
 *   topic, list_topics     records of __cluster_metadata       CreateTopics, Metadata, DescribeConfigs, ...
 *   init_producer          a block of ids                      InitProducerId
 *   init_transactions, end_transaction                         InitProducerId, EndTxn
 *   add_partitions         all of them at once                 AddPartitionsToTxn, AddOffsetsToTxn
 *   describe_transaction, list_transactions, describe_producers   DescribeTransactions, ListTransactions, ...
 *   write_marker           at the partition                    WriteTxnMarkers
 *   commit_offsets, committed                                  OffsetCommit, OffsetFetch
 *   consumer_heartbeat     the group's coordinator             ConsumerGroupHeartbeat
 *   list_groups, describe_group, delete_group, delete_offsets  ListGroups, ConsumerGroupDescribe, ...
 *   claim_group            in this process                     WEIR_UNSUPPORTED, until jobs are members
 */
struct weir_topic_defaults {
    int32_t partition_count;         /* at least 1 */
    struct weir_topic_config config; /* of a topic that sets nothing itself */
};

struct weir_log_ops {
    const char *name; /* "embedded" */

    /** Append. WEIR_TOO_LARGE, WEIR_INVALID_RECORD, WEIR_INVALID_TIMESTAMP, WEIR_CORRUPT, and for a
     * producer with an id WEIR_OUT_OF_ORDER_SEQUENCE, WEIR_PRODUCER_FENCED. The bytes are read until it is
     * answered, and may be kept by reference after a success: who asks does not write to them again then. */
    void (*produce)(void *impl, struct weir_produce_request *request);
    /** WEIR_OFFSET_OUT_OF_RANGE, and what epochs are checked for. The batches are the asker's to let go
     * (wire/request/batches.h), also those of an answer that nobody wants any more. */
    void (*fetch)(void *impl, struct weir_fetch_request *request);
    /** Have a waiting fetch answered now with WEIR_CLOSED; `done` still runs exactly once, and the answer may
     * be another that is on its way already. At most once per fetch; any thread, while the struct lives. */
    void (*cancel_fetch)(void *impl, struct weir_fetch_request *request);
    void (*report_damage)(void *impl, struct weir_damage_report *report);

    void (*list_offsets)(void *impl, struct weir_list_offsets_request *request);
    void (*epoch_end)(void *impl, struct weir_epoch_end_request *request);
    void (*describe_partition)(void *impl, struct weir_describe_partition_request *request);
    /** WEIR_OFFSET_OUT_OF_RANGE, WEIR_UNSUPPORTED. */
    void (*cut)(void *impl, struct weir_cut_request *request);

    /** WEIR_EXISTS, WEIR_INVALID_TOPIC, WEIR_INVALID_CONFIG, WEIR_INVALID_PARTITIONS. */
    void (*topic)(void *impl, struct weir_topic_request *request);
    void (*list_topics)(void *impl, struct weir_list_topics_request *request);
    /** What a topic gets that is created without saying. Known since the log was opened; any thread. */
    const struct weir_topic_defaults *(*topic_defaults)(void *impl);

    void (*init_producer)(void *impl, struct weir_init_producer_request *request);
    /** Transactions: wire/request/transaction_requests.h says what they ask, and their errors. */
    void (*init_transactions)(void *impl, struct weir_init_transactions_request *request);
    void (*add_partitions)(void *impl, struct weir_add_partitions_request *request);
    void (*end_transaction)(void *impl, struct weir_end_transaction_request *request);
    void (*describe_transaction)(void *impl, struct weir_describe_transaction_request *request);
    void (*list_transactions)(void *impl, struct weir_list_transactions_request *request);
    void (*describe_producers)(void *impl, struct weir_describe_producers_request *request);
    /** An administrator's: what its coordinator has forgotten nobody else ends. */
    void (*write_marker)(void *impl, struct weir_write_marker_request *request);
    /** WEIR_GROUP_OWNED. */
    void (*commit_offsets)(void *impl, struct weir_commit_request *request);
    void (*committed)(void *impl, struct weir_committed_request *request);
    /** A member of a consumer group says that it is there. Errors: wire/request/group_requests.h. */
    void (*consumer_heartbeat)(void *impl, struct weir_consumer_heartbeat_request *request);
    /** Administration of groups. */
    void (*list_groups)(void *impl, struct weir_list_groups_request *request);
    void (*describe_group)(void *impl, struct weir_describe_group_request *request);
    void (*delete_group)(void *impl, struct weir_delete_group_request *request);
    void (*delete_offsets)(void *impl, struct weir_delete_offsets_request *request);
    /** Not a request: it never waits. WEIR_LOCKED, WEIR_UNSUPPORTED. */
    int (*claim_group)(void *impl, struct weir_slice group, struct weir_group_claim *claim,
                       struct weir_error *error);
    void (*release_group)(void *impl, struct weir_group_claim *claim);

    /** Blocks; `impl` is gone whatever is returned, except for WEIR_WRONG_THREAD. */
    int (*close)(void *impl, struct weir_error *error);
};

#endif
