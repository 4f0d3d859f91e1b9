#include "wire/error_codes.h"

#include <string.h>

#include "tests/support/support.h"

static const int all_codes[] = {
#define CODE(name, number, action, text) WEIR_##name,
    WEIR_CODES(CODE)
#undef CODE
};
enum { CODE_COUNT = sizeof all_codes / sizeof all_codes[0] };

static const int16_t all_numbers[] = {
#define NUMBER(name, number, code) number,
    WEIR_WIRE_ERRORS(NUMBER)
#undef NUMBER
};
enum { NUMBER_COUNT = sizeof all_numbers / sizeof all_numbers[0] };

/* Success is 0 on the wire, and only success is. */
START_TEST(no_failure_looks_like_success)
{
    ck_assert_int_eq(weir_wire_error_of(0), WEIR_WIRE_NONE);
    ck_assert_int_eq(weir_wire_error_of(WEIR_END), WEIR_WIRE_NONE);
    ck_assert_int_eq(weir_code_of_wire_error(0), 0);
    for (size_t i = 0; i < CODE_COUNT; i++) {
        ck_assert_int_ne(weir_wire_error_of(all_codes[i]), WEIR_WIRE_NONE);
    }
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        int code = weir_code_of_wire_error(all_numbers[i]);
        ck_assert(all_numbers[i] == 0 ? code == 0 : code < 0);
    }
}
END_TEST

/* A code has the number that Kafka's clients know for it. */
START_TEST(codes_have_kafkas_numbers)
{
    static const struct {
        int code;
        int16_t number;
    } cases[] = {
        {WEIR_OFFSET_OUT_OF_RANGE, 1},
        {WEIR_CORRUPT, 2},
        {WEIR_TRUNCATED, 2},
        {WEIR_UNKNOWN_TOPIC_OR_PARTITION, 3},
        {WEIR_CLOSED, 6},
        {WEIR_LIMIT, 6},
        {WEIR_NO_MEMORY, 6},
        {WEIR_TIMED_OUT, 7},
        {WEIR_TOO_LARGE, 10},
        {WEIR_INVALID_TOPIC, 17},
        {WEIR_NOT_ENOUGH_REPLICAS, 19},
        {WEIR_GROUP_OWNED, 23},
        {WEIR_ILLEGAL_GENERATION, 22},
        {WEIR_UNKNOWN_MEMBER_ID, 25},
        {WEIR_REBALANCE_IN_PROGRESS, 27},
        {WEIR_INVALID_TXN_STATE, 48},
        {WEIR_INVALID_PRODUCER_ID_MAPPING, 49},
        {WEIR_INVALID_TRANSACTION_TIMEOUT, 50},
        {WEIR_CONCURRENT_TRANSACTIONS, 51},
        {WEIR_TRANSACTION_COORDINATOR_FENCED, 52},
        {WEIR_OPERATION_NOT_ATTEMPTED, 55},
        {WEIR_NON_EMPTY_GROUP, 68},
        {WEIR_UNSTABLE_OFFSET_COMMIT, 88},
        {WEIR_TRANSACTIONAL_ID_NOT_FOUND, 105},
        {WEIR_TRANSACTION_ABORTABLE, 120},
        {WEIR_GROUP_ID_NOT_FOUND, 69},
        {WEIR_MEMBER_ID_REQUIRED, 79},
        {WEIR_FENCED_MEMBER_EPOCH, 110},
        {WEIR_INVALID_TIMESTAMP, 32},
        {WEIR_UNSUPPORTED_VERSION, 35},
        {WEIR_EXISTS, 36},
        {WEIR_INVALID_PARTITIONS, 37},
        {WEIR_INVALID_CONFIG, 40},
        {WEIR_INVALID_ARGUMENT, 42},
        {WEIR_OUT_OF_ORDER_SEQUENCE, 45},
        {WEIR_PRODUCER_FENCED, 47},
        {WEIR_OFFLINE, 56},
        {WEIR_IO, 56},
        {WEIR_NO_SPACE, 56},
        {WEIR_FENCED_LEADER_EPOCH, 74},
        {WEIR_UNKNOWN_LEADER_EPOCH, 75},
        {WEIR_UNSUPPORTED_CODEC, 76},
        {WEIR_INVALID_RECORD, 87},
        {WEIR_UNKNOWN_TOPIC_ID, 100},
        {WEIR_USER_FUNCTION, -1},
        {WEIR_WRONG_THREAD, -1},
        {12345, -1},
        {-12345, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_msg(weir_wire_error_of(cases[i].code) == cases[i].number, "%s: %d",
                      weir_code_name(cases[i].code), weir_wire_error_of(cases[i].code));
    }
}
END_TEST

/* What a client of ours is told of a refusal is what the server meant: the code comes back, or one
 * that asks for the same action where several share a number. */
START_TEST(codes_survive_the_wire)
{
    static const int exact[] = {
        WEIR_OFFSET_OUT_OF_RANGE,
        WEIR_CORRUPT,
        WEIR_UNKNOWN_TOPIC_OR_PARTITION,
        WEIR_TIMED_OUT,
        WEIR_TOO_LARGE,
        WEIR_INVALID_TOPIC,
        WEIR_NOT_ENOUGH_REPLICAS,
        WEIR_MEMBER_ID_REQUIRED,
        WEIR_UNKNOWN_MEMBER_ID,
        WEIR_ILLEGAL_GENERATION,
        WEIR_REBALANCE_IN_PROGRESS,
        WEIR_INCONSISTENT_GROUP_PROTOCOL,
        WEIR_INVALID_SESSION_TIMEOUT,
        WEIR_GROUP_MAX_SIZE_REACHED,
        WEIR_FENCED_INSTANCE_ID,
        WEIR_NON_EMPTY_GROUP,
        WEIR_GROUP_ID_NOT_FOUND,
        WEIR_GROUP_SUBSCRIBED_TO_TOPIC,
        WEIR_FENCED_MEMBER_EPOCH,
        WEIR_STALE_MEMBER_EPOCH,
        WEIR_UNRELEASED_INSTANCE_ID,
        WEIR_UNSUPPORTED_ASSIGNOR,
        WEIR_INVALID_REGULAR_EXPRESSION,
        WEIR_INVALID_TIMESTAMP,
        WEIR_UNSUPPORTED_VERSION,
        WEIR_EXISTS,
        WEIR_INVALID_CONFIG,
        WEIR_INVALID_PARTITIONS,
        WEIR_INVALID_ARGUMENT,
        WEIR_OFFLINE,
        WEIR_OUT_OF_ORDER_SEQUENCE,
        WEIR_PRODUCER_FENCED,
        WEIR_INVALID_RECORD,
        WEIR_UNSUPPORTED_CODEC,
        WEIR_FENCED_LEADER_EPOCH,
        WEIR_UNKNOWN_TOPIC_ID,
        WEIR_UNKNOWN_LEADER_EPOCH,
        WEIR_PERMISSION,
    };
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
        ck_assert_int_eq(weir_code_of_wire_error(weir_wire_error_of(exact[i])), exact[i]);
    }
    static const int retried[] = {WEIR_NO_MEMORY, WEIR_LIMIT, WEIR_LOCKED};
    for (size_t i = 0; i < sizeof retried / sizeof retried[0]; i++) {
        int code = weir_code_of_wire_error(weir_wire_error_of(retried[i]));
        ck_assert_int_eq(weir_code_action(code), WEIR_ACTION_RETRY);
    }
}
END_TEST

/* Numbers are told by name, and those that are not ours are not taken for something else. */
START_TEST(numbers_have_names)
{
    ck_assert_str_eq(weir_wire_error_name(36), "TOPIC_ALREADY_EXISTS");
    ck_assert_str_eq(weir_wire_error_name(0), "NONE");
    ck_assert_str_eq(weir_wire_error_name(-1), "UNKNOWN_SERVER_ERROR");
    ck_assert_str_eq(weir_wire_error_name(999), "UNKNOWN");
    ck_assert_int_eq(weir_code_of_wire_error(999), WEIR_UNSUPPORTED);
    ck_assert_int_eq(weir_code_of_wire_error(INT16_MIN), WEIR_UNSUPPORTED);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("error codes");
    tcase_add_test(tests, no_failure_looks_like_success);
    tcase_add_test(tests, codes_have_kafkas_numbers);
    tcase_add_test(tests, codes_survive_the_wire);
    tcase_add_test(tests, numbers_have_names);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("error_codes", add);
}
