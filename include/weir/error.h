#ifndef WEIR_ERROR_H
#define WEIR_ERROR_H

#include <stdbool.h>

#include "weir/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What a caller should do about a code. Nobody decides that by comparing codes.
 *
 * RETRY: the same call may succeed later. REFUSE: the call was wrong; change it. STOP: what the
 * object stands on is broken (a disk, a corrupt file); close it.
 */
enum weir_action {
    WEIR_ACTION_NONE,
    WEIR_ACTION_RETRY,
    WEIR_ACTION_REFUSE,
    WEIR_ACTION_STOP,
};

/* One list: name, number, action, text. Numbers are ours and stay; Kafka's live on the wire only. */
#define WEIR_CODES(X)                                                                              \
    X(INVALID_ARGUMENT, -1, REFUSE, "invalid argument")                                            \
    X(NO_MEMORY, -2, RETRY, "out of memory")                                                       \
    X(IO, -3, STOP, "input/output error")                                                          \
    X(NO_SPACE, -4, RETRY, "no space left on the disk")                                            \
    X(NOT_FOUND, -5, REFUSE, "not found")                                                          \
    X(EXISTS, -6, REFUSE, "already exists")                                                        \
    X(PERMISSION, -7, REFUSE, "permission denied")                                                 \
    X(LOCKED, -8, RETRY, "in use by another process")                                              \
    X(CORRUPT, -9, STOP, "corrupt data")                                                           \
    X(UNSUPPORTED_VERSION, -10, REFUSE, "unsupported version")                                     \
    X(OFFLINE, -11, STOP, "log directory or partition is offline")                                 \
    X(CLOSED, -12, REFUSE, "closed")                                                               \
    X(WRONG_THREAD, -13, REFUSE, "blocking call from a thread that must not block")                \
    X(TIMED_OUT, -14, RETRY, "timed out")                                                          \
    X(LIMIT, -15, RETRY, "limit reached")                                                          \
    X(TRUNCATED, -16, REFUSE, "data ends too early")                                               \
    X(TOO_LARGE, -17, REFUSE, "too large")                                                         \
    X(UNSUPPORTED_CODEC, -18, REFUSE, "unsupported compression codec")                             \
    X(INVALID_RECORD, -19, REFUSE, "invalid record")                                               \
    X(INVALID_TIMESTAMP, -20, REFUSE, "timestamp out of range")                                    \
    X(INVALID_TOPIC, -21, REFUSE, "invalid topic name")                                            \
    X(UNKNOWN_TOPIC_OR_PARTITION, -22, REFUSE, "unknown topic or partition")                       \
    X(INVALID_CONFIG, -23, REFUSE, "invalid configuration")                                        \
    X(INVALID_PARTITIONS, -24, REFUSE, "invalid partition count")                                  \
    X(OFFSET_OUT_OF_RANGE, -25, REFUSE, "offset out of range")                                     \
    X(OUT_OF_ORDER_SEQUENCE, -26, REFUSE, "out of order sequence number")                          \
    X(PRODUCER_FENCED, -27, STOP, "producer fenced by a newer epoch")                              \
    X(INVALID_TOPOLOGY, -28, REFUSE, "invalid topology")                                           \
    X(SERDE, -29, REFUSE, "cannot serialize or deserialize")                                       \
    X(USER_FUNCTION, -30, REFUSE, "a user function failed")                                        \
    X(UNSUPPORTED, -31, REFUSE, "not supported here")                                              \
    X(CRASHED, -32, STOP, "the simulated node has crashed")                                        \
    X(DISCONNECTED, -33, RETRY, "connection refused or lost")                                      \
    X(FENCED_LEADER_EPOCH, -34, RETRY, "the leader epoch is older than the partition's")           \
    X(UNKNOWN_LEADER_EPOCH, -35, RETRY, "the leader epoch is newer than the partition's")          \
    X(UNKNOWN_TOPIC_ID, -36, RETRY, "no topic has this id")                                        \
    X(NOT_ENOUGH_REPLICAS, -37, RETRY, "fewer replicas than min.insync.replicas asks for")         \
    X(GROUP_OWNED, -38, REFUSE, "the group belongs to a stream application")                       \
    X(MISMATCH, -39, REFUSE, "what is there does not fit what was committed")                      \
    X(MEMBER_ID_REQUIRED, -40, RETRY, "the group gives this member an id to join with")            \
    X(UNKNOWN_MEMBER_ID, -41, REFUSE, "the group has no such member")                              \
    X(ILLEGAL_GENERATION, -42, REFUSE, "the generation is not the group's")                        \
    X(REBALANCE_IN_PROGRESS, -43, RETRY, "the group is rebalancing")                               \
    X(INCONSISTENT_GROUP_PROTOCOL, -44, REFUSE, "the group uses another protocol")                 \
    X(INVALID_SESSION_TIMEOUT, -45, REFUSE, "session timeout out of range")                        \
    X(GROUP_MAX_SIZE_REACHED, -46, REFUSE, "the group has as many members as it may")              \
    X(FENCED_INSTANCE_ID, -47, STOP, "another member has this group.instance.id now")              \
    X(NON_EMPTY_GROUP, -48, REFUSE, "the group has members")                                       \
    X(GROUP_ID_NOT_FOUND, -49, REFUSE, "no such group")                                            \
    X(GROUP_SUBSCRIBED_TO_TOPIC, -50, REFUSE, "the group is subscribed to the topic")              \
    X(FENCED_MEMBER_EPOCH, -51, REFUSE, "the member epoch is not the member's any more")           \
    X(STALE_MEMBER_EPOCH, -52, RETRY, "the member epoch is older than the member's")               \
    X(UNRELEASED_INSTANCE_ID, -53, RETRY, "another member still has this group.instance.id")       \
    X(UNSUPPORTED_ASSIGNOR, -54, REFUSE, "no such assignor")                                       \
    X(INVALID_REGULAR_EXPRESSION, -55, REFUSE, "invalid regular expression")                       \
    X(INVALID_PRODUCER_ID_MAPPING, -56, REFUSE, "the transactional id has another producer id")    \
    X(CONCURRENT_TRANSACTIONS, -57, RETRY, "the transaction before is still being ended")          \
    X(INVALID_TXN_STATE, -58, REFUSE, "not in this state of the transaction")                      \
    X(INVALID_TRANSACTION_TIMEOUT, -59, REFUSE, "transaction timeout out of range")                \
    X(TRANSACTION_COORDINATOR_FENCED, -60, STOP, "a newer coordinator has written its marker")     \
    X(TRANSACTIONAL_ID_NOT_FOUND, -61, REFUSE, "no such transactional id")                         \
    X(UNSTABLE_OFFSET_COMMIT, -62, RETRY, "an open transaction has committed offsets of these")    \
    X(TRANSACTION_ABORTABLE, -63, REFUSE, "the transaction can only be aborted")                   \
    X(OPERATION_NOT_ATTEMPTED, -64, REFUSE, "not attempted, for another of the request failed")

enum weir_code {
    WEIR_OK = 0,
    /** Positive: an iterator has nothing more to give. Not an error. */
    WEIR_END = 1,
#define WEIR_CODE_ENUM(name, number, action, text) WEIR_##name = (number),
    WEIR_CODES(WEIR_CODE_ENUM)
#undef WEIR_CODE_ENUM
};

enum { WEIR_ERROR_TEXT_SIZE = 512 };

/**
 * Why a call failed, for a person. Caller-owned, fixed size; pass NULL where nobody reads it. Each
 * layer puts the noun it knows in front: `restore store 'clicks': open segment '…': short read`.
 *
 * A call that succeeds leaves code 0 and an empty text. One that closes or frees touches it only when
 * it fails itself, so that the error for which things are taken down is still there afterwards.
 */
struct weir_error {
    enum weir_code code;
    char text[WEIR_ERROR_TEXT_SIZE];
};

/** The name of a code (`"NOT_FOUND"`), its sentence, and what to do about it. Any thread. */
WEIR_API const char *weir_code_name(int code);
WEIR_API const char *weir_code_text(int code);
WEIR_API enum weir_action weir_code_action(int code);

#ifdef __cplusplus
}
#endif

#endif
