#include "wire/error_codes.h"

#include <stddef.h>

struct error_row {
    int16_t number;
    enum weir_code code;
    const char *name;
};

static const struct error_row error_rows[] = {
#define ERROR_ROW(name, number, code) {number, WEIR_##code, #name},
    WEIR_WIRE_ERRORS(ERROR_ROW)
#undef ERROR_ROW
};

static const struct error_row *find_row(int16_t number)
{
    for (size_t i = 0; i < sizeof error_rows / sizeof error_rows[0]; i++) {
        if (error_rows[i].number == number) return &error_rows[i];
    }
    return NULL;
}

/* No default: a new code must say what a client is told. */
static enum weir_wire_error error_of(enum weir_code code)
{
    switch (code) {
    case WEIR_OK:
    case WEIR_END:
        return WEIR_WIRE_NONE;
    case WEIR_INVALID_ARGUMENT:
        return WEIR_WIRE_INVALID_REQUEST;
    case WEIR_NO_MEMORY:
    case WEIR_LIMIT:
    case WEIR_LOCKED:
    case WEIR_CLOSED: /* the partition, while it stops or moves */
        return WEIR_WIRE_NOT_LEADER_OR_FOLLOWER;
    case WEIR_IO:
    case WEIR_NO_SPACE:
    case WEIR_OFFLINE:
    case WEIR_CRASHED:
        return WEIR_WIRE_KAFKA_STORAGE_ERROR;
    case WEIR_CORRUPT:
    case WEIR_TRUNCATED:
        return WEIR_WIRE_CORRUPT_MESSAGE;
    case WEIR_EXISTS:
        return WEIR_WIRE_TOPIC_ALREADY_EXISTS;
    case WEIR_PERMISSION:
        return WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED;
    case WEIR_UNSUPPORTED_VERSION:
    case WEIR_UNSUPPORTED:
        return WEIR_WIRE_UNSUPPORTED_VERSION;
    case WEIR_TIMED_OUT:
        return WEIR_WIRE_REQUEST_TIMED_OUT;
    case WEIR_TOO_LARGE:
        return WEIR_WIRE_MESSAGE_TOO_LARGE;
    case WEIR_UNSUPPORTED_CODEC:
        return WEIR_WIRE_UNSUPPORTED_COMPRESSION_TYPE;
    case WEIR_INVALID_RECORD:
        return WEIR_WIRE_INVALID_RECORD;
    case WEIR_INVALID_TIMESTAMP:
        return WEIR_WIRE_INVALID_TIMESTAMP;
    case WEIR_INVALID_TOPIC:
        return WEIR_WIRE_INVALID_TOPIC_EXCEPTION;
    case WEIR_UNKNOWN_TOPIC_OR_PARTITION:
        return WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION;
    case WEIR_INVALID_CONFIG:
        return WEIR_WIRE_INVALID_CONFIG;
    case WEIR_INVALID_PARTITIONS:
        return WEIR_WIRE_INVALID_PARTITIONS;
    case WEIR_OFFSET_OUT_OF_RANGE:
        return WEIR_WIRE_OFFSET_OUT_OF_RANGE;
    case WEIR_OUT_OF_ORDER_SEQUENCE:
        return WEIR_WIRE_OUT_OF_ORDER_SEQUENCE_NUMBER;
    case WEIR_PRODUCER_FENCED: /* in Produce; the coordinator's requests have a number of their own */
        return WEIR_WIRE_INVALID_PRODUCER_EPOCH;
    case WEIR_FENCED_LEADER_EPOCH:
        return WEIR_WIRE_FENCED_LEADER_EPOCH;
    case WEIR_UNKNOWN_LEADER_EPOCH:
        return WEIR_WIRE_UNKNOWN_LEADER_EPOCH;
    case WEIR_UNKNOWN_TOPIC_ID:
        return WEIR_WIRE_UNKNOWN_TOPIC_ID;
    case WEIR_NOT_ENOUGH_REPLICAS:
        return WEIR_WIRE_NOT_ENOUGH_REPLICAS;
    case WEIR_GROUP_OWNED: /* its protocol type is another than the committer's */
        return WEIR_WIRE_INCONSISTENT_GROUP_PROTOCOL;
    case WEIR_MEMBER_ID_REQUIRED:
        return WEIR_WIRE_MEMBER_ID_REQUIRED;
    case WEIR_UNKNOWN_MEMBER_ID:
        return WEIR_WIRE_UNKNOWN_MEMBER_ID;
    case WEIR_ILLEGAL_GENERATION:
        return WEIR_WIRE_ILLEGAL_GENERATION;
    case WEIR_REBALANCE_IN_PROGRESS:
        return WEIR_WIRE_REBALANCE_IN_PROGRESS;
    case WEIR_INCONSISTENT_GROUP_PROTOCOL:
        return WEIR_WIRE_INCONSISTENT_GROUP_PROTOCOL;
    case WEIR_INVALID_SESSION_TIMEOUT:
        return WEIR_WIRE_INVALID_SESSION_TIMEOUT;
    case WEIR_GROUP_MAX_SIZE_REACHED:
        return WEIR_WIRE_GROUP_MAX_SIZE_REACHED;
    case WEIR_FENCED_INSTANCE_ID:
        return WEIR_WIRE_FENCED_INSTANCE_ID;
    case WEIR_NON_EMPTY_GROUP:
        return WEIR_WIRE_NON_EMPTY_GROUP;
    case WEIR_GROUP_ID_NOT_FOUND:
        return WEIR_WIRE_GROUP_ID_NOT_FOUND;
    case WEIR_GROUP_SUBSCRIBED_TO_TOPIC:
        return WEIR_WIRE_GROUP_SUBSCRIBED_TO_TOPIC;
    case WEIR_FENCED_MEMBER_EPOCH:
        return WEIR_WIRE_FENCED_MEMBER_EPOCH;
    case WEIR_STALE_MEMBER_EPOCH:
        return WEIR_WIRE_STALE_MEMBER_EPOCH;
    case WEIR_UNRELEASED_INSTANCE_ID:
        return WEIR_WIRE_UNRELEASED_INSTANCE_ID;
    case WEIR_UNSUPPORTED_ASSIGNOR:
        return WEIR_WIRE_UNSUPPORTED_ASSIGNOR;
    case WEIR_INVALID_REGULAR_EXPRESSION:
        return WEIR_WIRE_INVALID_REGULAR_EXPRESSION;
    case WEIR_INVALID_PRODUCER_ID_MAPPING:
        return WEIR_WIRE_INVALID_PRODUCER_ID_MAPPING;
    case WEIR_CONCURRENT_TRANSACTIONS:
        return WEIR_WIRE_CONCURRENT_TRANSACTIONS;
    case WEIR_INVALID_TXN_STATE:
        return WEIR_WIRE_INVALID_TXN_STATE;
    case WEIR_INVALID_TRANSACTION_TIMEOUT:
        return WEIR_WIRE_INVALID_TRANSACTION_TIMEOUT;
    case WEIR_TRANSACTION_COORDINATOR_FENCED:
        return WEIR_WIRE_TRANSACTION_COORDINATOR_FENCED;
    case WEIR_TRANSACTIONAL_ID_NOT_FOUND:
        return WEIR_WIRE_TRANSACTIONAL_ID_NOT_FOUND;
    case WEIR_UNSTABLE_OFFSET_COMMIT:
        return WEIR_WIRE_UNSTABLE_OFFSET_COMMIT;
    case WEIR_TRANSACTION_ABORTABLE:
        return WEIR_WIRE_TRANSACTION_ABORTABLE;
    case WEIR_OPERATION_NOT_ATTEMPTED:
        return WEIR_WIRE_OPERATION_NOT_ATTEMPTED;
    case WEIR_NOT_FOUND: /* from here on: no client can cause them */
    case WEIR_WRONG_THREAD:
    case WEIR_INVALID_TOPOLOGY:
    case WEIR_SERDE:
    case WEIR_USER_FUNCTION:
    case WEIR_DISCONNECTED:
    case WEIR_MISMATCH:
        break;
    }
    return WEIR_WIRE_UNKNOWN_SERVER_ERROR;
}

int16_t weir_wire_error_of(int code)
{
    return (int16_t)error_of((enum weir_code)code);
}

int weir_code_of_wire_error(int16_t number)
{
    const struct error_row *row = find_row(number);
    return row != NULL ? (int)row->code : WEIR_UNSUPPORTED;
}

const char *weir_wire_error_name(int16_t number)
{
    const struct error_row *row = find_row(number);
    return row != NULL ? row->name : "UNKNOWN";
}
