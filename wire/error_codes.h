#ifndef WEIR_WIRE_ERROR_CODES_H
#define WEIR_WIRE_ERROR_CODES_H

#include <stdint.h>

#include "weir/error.h"

/**
 * Kafka's error numbers, which live on the wire only, and the one table where they meet our codes.
 * Name, number, and our code for a client that is told so. What Kafka's clients ask again by themselves
 * is a code that says RETRY (weir_code_action) but for a damaged batch, an unknown topic, a failed disk
 * and a fetch session that is gone: there a caller of ours has something to do first.
 * Source: Kafka protocol guide, Error Codes.
 */
#define WEIR_WIRE_ERRORS(X)                                                                        \
    X(UNKNOWN_SERVER_ERROR, -1, IO)                                                                \
    X(NONE, 0, OK)                                                                                 \
    X(OFFSET_OUT_OF_RANGE, 1, OFFSET_OUT_OF_RANGE)                                                 \
    X(CORRUPT_MESSAGE, 2, CORRUPT)                                                                 \
    X(UNKNOWN_TOPIC_OR_PARTITION, 3, UNKNOWN_TOPIC_OR_PARTITION)                                   \
    X(INVALID_FETCH_SIZE, 4, INVALID_ARGUMENT)                                                     \
    X(LEADER_NOT_AVAILABLE, 5, DISCONNECTED)                                                       \
    X(NOT_LEADER_OR_FOLLOWER, 6, DISCONNECTED)                                                     \
    X(REQUEST_TIMED_OUT, 7, TIMED_OUT)                                                             \
    X(MESSAGE_TOO_LARGE, 10, TOO_LARGE)                                                            \
    X(OFFSET_METADATA_TOO_LARGE, 12, TOO_LARGE)                                                    \
    X(COORDINATOR_LOAD_IN_PROGRESS, 14, DISCONNECTED)                                              \
    X(COORDINATOR_NOT_AVAILABLE, 15, DISCONNECTED)                                                 \
    X(NOT_COORDINATOR, 16, DISCONNECTED)                                                           \
    X(INVALID_TOPIC_EXCEPTION, 17, INVALID_TOPIC)                                                  \
    X(RECORD_LIST_TOO_LARGE, 18, TOO_LARGE)                                                        \
    X(NOT_ENOUGH_REPLICAS, 19, NOT_ENOUGH_REPLICAS)                                                \
    X(NOT_ENOUGH_REPLICAS_AFTER_APPEND, 20, NOT_ENOUGH_REPLICAS)                                   \
    X(INVALID_REQUIRED_ACKS, 21, INVALID_ARGUMENT)                                                 \
    X(ILLEGAL_GENERATION, 22, ILLEGAL_GENERATION)                                                  \
    X(INCONSISTENT_GROUP_PROTOCOL, 23, INCONSISTENT_GROUP_PROTOCOL)                                \
    X(INVALID_GROUP_ID, 24, INVALID_ARGUMENT)                                                      \
    X(UNKNOWN_MEMBER_ID, 25, UNKNOWN_MEMBER_ID)                                                    \
    X(INVALID_SESSION_TIMEOUT, 26, INVALID_SESSION_TIMEOUT)                                        \
    X(REBALANCE_IN_PROGRESS, 27, REBALANCE_IN_PROGRESS)                                            \
    X(INVALID_COMMIT_OFFSET_SIZE, 28, TOO_LARGE)                                                   \
    X(TOPIC_AUTHORIZATION_FAILED, 29, PERMISSION)                                                  \
    X(GROUP_AUTHORIZATION_FAILED, 30, PERMISSION)                                                  \
    X(CLUSTER_AUTHORIZATION_FAILED, 31, PERMISSION)                                                \
    X(INVALID_TIMESTAMP, 32, INVALID_TIMESTAMP)                                                    \
    X(UNSUPPORTED_VERSION, 35, UNSUPPORTED_VERSION)                                                \
    X(TOPIC_ALREADY_EXISTS, 36, EXISTS)                                                            \
    X(INVALID_PARTITIONS, 37, INVALID_PARTITIONS)                                                  \
    X(INVALID_REPLICATION_FACTOR, 38, INVALID_ARGUMENT)                                            \
    X(INVALID_REPLICA_ASSIGNMENT, 39, INVALID_ARGUMENT)                                            \
    X(INVALID_CONFIG, 40, INVALID_CONFIG)                                                          \
    X(NOT_CONTROLLER, 41, DISCONNECTED)                                                            \
    X(INVALID_REQUEST, 42, INVALID_ARGUMENT)                                                       \
    X(UNSUPPORTED_FOR_MESSAGE_FORMAT, 43, UNSUPPORTED)                                             \
    X(POLICY_VIOLATION, 44, PERMISSION)                                                            \
    X(OUT_OF_ORDER_SEQUENCE_NUMBER, 45, OUT_OF_ORDER_SEQUENCE)                                     \
    X(DUPLICATE_SEQUENCE_NUMBER, 46, EXISTS)                                                       \
    X(INVALID_PRODUCER_EPOCH, 47, PRODUCER_FENCED)                                                 \
    X(INVALID_TXN_STATE, 48, INVALID_TXN_STATE)                                                    \
    X(INVALID_PRODUCER_ID_MAPPING, 49, INVALID_PRODUCER_ID_MAPPING)                                \
    X(INVALID_TRANSACTION_TIMEOUT, 50, INVALID_TRANSACTION_TIMEOUT)                                \
    X(CONCURRENT_TRANSACTIONS, 51, CONCURRENT_TRANSACTIONS)                                        \
    X(TRANSACTION_COORDINATOR_FENCED, 52, TRANSACTION_COORDINATOR_FENCED)                          \
    X(TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 53, PERMISSION)                                       \
    X(SECURITY_DISABLED, 54, UNSUPPORTED)                                                          \
    X(OPERATION_NOT_ATTEMPTED, 55, OPERATION_NOT_ATTEMPTED)                                        \
    X(KAFKA_STORAGE_ERROR, 56, OFFLINE)                                                            \
    X(LOG_DIR_NOT_FOUND, 57, NOT_FOUND)                                                            \
    X(NON_EMPTY_GROUP, 68, NON_EMPTY_GROUP)                                                        \
    X(GROUP_ID_NOT_FOUND, 69, GROUP_ID_NOT_FOUND)                                                  \
    X(FETCH_SESSION_ID_NOT_FOUND, 70, NOT_FOUND)                                                   \
    X(INVALID_FETCH_SESSION_EPOCH, 71, INVALID_ARGUMENT)                                           \
    X(FENCED_LEADER_EPOCH, 74, FENCED_LEADER_EPOCH)                                                \
    X(UNKNOWN_LEADER_EPOCH, 75, UNKNOWN_LEADER_EPOCH)                                              \
    X(UNSUPPORTED_COMPRESSION_TYPE, 76, UNSUPPORTED_CODEC)                                         \
    X(OFFSET_NOT_AVAILABLE, 78, TIMED_OUT)                                                         \
    X(MEMBER_ID_REQUIRED, 79, MEMBER_ID_REQUIRED)                                                  \
    X(GROUP_MAX_SIZE_REACHED, 81, GROUP_MAX_SIZE_REACHED)                                          \
    X(FENCED_INSTANCE_ID, 82, FENCED_INSTANCE_ID)                                                  \
    X(ELECTION_NOT_NEEDED, 84, EXISTS)                                                             \
    X(NO_REASSIGNMENT_IN_PROGRESS, 85, NOT_FOUND)                                                  \
    X(GROUP_SUBSCRIBED_TO_TOPIC, 86, GROUP_SUBSCRIBED_TO_TOPIC)                                    \
    X(INVALID_RECORD, 87, INVALID_RECORD)                                                          \
    X(UNSTABLE_OFFSET_COMMIT, 88, UNSTABLE_OFFSET_COMMIT)                                          \
    X(THROTTLING_QUOTA_EXCEEDED, 89, LIMIT)                                                        \
    X(PRODUCER_FENCED, 90, PRODUCER_FENCED)                                                        \
    X(UNKNOWN_TOPIC_ID, 100, UNKNOWN_TOPIC_ID)                                                     \
    X(INCONSISTENT_TOPIC_ID, 103, UNKNOWN_TOPIC_ID)                                                \
    X(TRANSACTIONAL_ID_NOT_FOUND, 105, TRANSACTIONAL_ID_NOT_FOUND)                                 \
    X(FETCH_SESSION_TOPIC_ID_ERROR, 106, UNKNOWN_TOPIC_ID)                                         \
    X(FENCED_MEMBER_EPOCH, 110, FENCED_MEMBER_EPOCH)                                               \
    X(UNRELEASED_INSTANCE_ID, 111, UNRELEASED_INSTANCE_ID)                                         \
    X(UNSUPPORTED_ASSIGNOR, 112, UNSUPPORTED_ASSIGNOR)                                             \
    X(STALE_MEMBER_EPOCH, 113, STALE_MEMBER_EPOCH)                                                 \
    X(MISMATCHED_ENDPOINT_TYPE, 114, UNSUPPORTED)                                                  \
    X(UNSUPPORTED_ENDPOINT_TYPE, 115, UNSUPPORTED)                                                 \
    X(TRANSACTION_ABORTABLE, 120, TRANSACTION_ABORTABLE)                                           \
    X(INVALID_REGULAR_EXPRESSION, 128, INVALID_REGULAR_EXPRESSION)

enum weir_wire_error {
#define WEIR_WIRE_ERROR_ENUM(name, number, code) WEIR_WIRE_##name = (number),
    WEIR_WIRE_ERRORS(WEIR_WIRE_ERROR_ENUM)
#undef WEIR_WIRE_ERROR_ENUM
};

/**
 * Kafka's number for one of our codes (0 for 0 and WEIR_END); UNKNOWN_SERVER_ERROR if there is none.
 * What passes by itself becomes NOT_LEADER_OR_FOLLOWER: every client waits a little and asks again,
 * in each request that names partitions, while other retriable numbers end a consumer of Kafka's own.
 */
int16_t weir_wire_error_of(int code);
/** Our code for Kafka's number, for clients; WEIR_UNSUPPORTED for one that is not in the table. */
int weir_code_of_wire_error(int16_t number);
/** "TOPIC_ALREADY_EXISTS", or "UNKNOWN" for a number that is not in the table. */
const char *weir_wire_error_name(int16_t number);

#endif
