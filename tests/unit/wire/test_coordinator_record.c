#include "wire/coordinator_record.h"

#include "tests/fuzz/message_round_trip.h"
#include "tests/support/support.h"
#include "wire/generated/group_metadata_key.h"
#include "wire/generated/group_metadata_value.h"
#include "wire/generated/offset_commit_key.h"
#include "wire/generated/offset_commit_value.h"

#define SLICE(bytes) weir_slice(bytes, sizeof bytes)

/* As Kafka's group coordinator writes them. */
static const uint8_t golden_key[] = {0, 1, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 5};
static const uint8_t golden_value_1[] = {0, 1, 0, 0, 0, 0, 0,    0, 0, 42, 0, 2, 'm', 'd', 0,
                                         0, 0, 0, 0, 0, 3, 0xe8, 0, 0, 0,  0, 0, 0,   7,   0xd0};
static const uint8_t golden_value_3[] = {0, 3, 0, 0, 0, 0, 0, 0, 0, 42, 0,    0,
                                         0, 7, 0, 0, 0, 0, 0, 0, 0, 0,  0x03, 0xe8};
static const uint8_t golden_value_4[] = {0, 4, 0, 0, 0, 0, 0, 0,  0,    42, 0,  0,  0,  7,
                                         1, 0, 0, 0, 0, 0, 0, 3,  0xe8, 1,  0,  16, 1,  2,
                                         3, 4, 5, 6, 7, 8, 9, 10, 11,   12, 13, 14, 15, 16};

/* A commit's key and its values of three versions read and write as Kafka's bytes. */
START_TEST(commits_hold_kafkas_bytes)
{
    struct message_stage stage;
    message_stage_init(&stage);
    struct weir_offset_commit_key key;
    int16_t type = -1;
    ck_code(weir_coordinator_key_type(SLICE(golden_key), &type, NULL), 0);
    ck_assert_int_eq(type, WEIR_OFFSET_COMMIT_KEY_API_KEY);
    ck_code(weir_coordinator_key_decode(SLICE(golden_key), &weir_offset_commit_key_type, &key,
                                        &stage.arena, NULL),
            0);
    ck_assert(weir_slice_equal(key.group, weir_text("g")));
    ck_assert(weir_slice_equal(key.topic, weir_text("t")));
    ck_assert_int_eq(key.partition, 5);
    ck_code(weir_coordinator_key_encode(&weir_offset_commit_key_type, &key, &stage.first), 0);
    ck_assert(weir_slice_equal(weir_buffer_slice(&stage.first), SLICE(golden_key)));

    const struct weir_slice values[] = {SLICE(golden_value_1), SLICE(golden_value_3),
                                        SLICE(golden_value_4)};
    for (size_t i = 0; i < 3; i++) {
        struct weir_offset_commit_value value;
        ck_code(weir_coordinator_value_decode(values[i], &weir_offset_commit_value_type, &value,
                                              &stage.arena, NULL),
                0);
        ck_assert_int_eq(value.offset, 42);
        ck_assert_int_eq(value.commit_timestamp, 1000);
        ck_assert_int_eq(value.leader_epoch, i == 0 ? -1 : 7);
        ck_assert_int_eq(value.expire_timestamp, i == 0 ? 2000 : -1);
        weir_buffer_reset(&stage.first);
        ck_code(weir_coordinator_value_encode(&weir_offset_commit_value_type, &value,
                                              values[i].data[1], &stage.first),
                0);
        ck_assert(weir_slice_equal(weir_buffer_slice(&stage.first), values[i]));
    }
    message_stage_close(&stage);
}
END_TEST

/* A group's record reads and writes as Kafka's bytes: one with a member, and an empty one. */
START_TEST(groups_hold_kafkas_bytes)
{
    static const uint8_t golden_group[] = {0, 2, 0, 1, 'g'};
    static const uint8_t golden_member[] = {
        0, 3,   0, 8, 'c', 'o', 'n', 's',  'u',  'm', 'e', 'r', 0,    0, 0,   9, 0,
        1, 'r', 0, 1, 'm', 0,   0,   0,    0,    0,   0,   3,   0xe8,         /* since */
        0, 0,   0, 1, 0,   1,   'm', 0xff, 0xff, 0,   1,   'c', 0,    1, 'h', /* one member */
        0, 0,   0, 7, 0,   0,   0,   8,    0,    0,   0,   1,   's',  0, 0,   0, 0};
    static const uint8_t golden_empty[] = {0, 3, 0, 1, 'p', 0, 0, 0,    0, 0xff, 0xff, 0xff, 0xff,
                                           0, 0, 0, 0, 0,   0, 3, 0xe8, 0, 0,    0,    0};
    struct message_stage stage;
    message_stage_init(&stage);
    struct weir_group_metadata_key key;
    ck_code(weir_coordinator_key_decode(SLICE(golden_group), &weir_group_metadata_key_type, &key,
                                        &stage.arena, NULL),
            0);
    ck_assert(weir_slice_equal(key.group, weir_text("g")));
    ck_code(weir_coordinator_key_encode(&weir_group_metadata_key_type, &key, &stage.first), 0);
    ck_assert(weir_slice_equal(weir_buffer_slice(&stage.first), SLICE(golden_group)));
    const struct weir_slice values[] = {SLICE(golden_member), SLICE(golden_empty)};
    for (size_t i = 0; i < 2; i++) {
        struct weir_group_metadata_value value;
        ck_code(weir_coordinator_value_decode(values[i], &weir_group_metadata_value_type, &value,
                                              &stage.arena, NULL),
                0);
        ck_assert_int_eq(value.current_state_timestamp, 1000);
        ck_assert_int_eq(value.generation, i == 0 ? 9 : 0);
        ck_assert_uint_eq(value.members_count, i == 0 ? 1 : 0);
        weir_buffer_reset(&stage.first);
        ck_code(
            weir_coordinator_value_encode(&weir_group_metadata_value_type, &value, 3, &stage.first),
            0);
        ck_assert(weir_slice_equal(weir_buffer_slice(&stage.first), values[i]));
    }
    message_stage_close(&stage);
}
END_TEST

/* Cut anywhere, or with a byte too many, key and value are corrupt. */
START_TEST(every_truncation_is_seen)
{
    struct message_stage stage;
    message_stage_init(&stage);
    struct weir_offset_commit_key key;
    struct weir_offset_commit_value value;
    for (size_t size = 0; size < sizeof golden_key; size++) {
        ck_code(weir_coordinator_key_decode(weir_slice(golden_key, size),
                                            &weir_offset_commit_key_type, &key, &stage.arena, NULL),
                WEIR_CORRUPT);
    }
    for (size_t size = 0; size < sizeof golden_value_4; size++) {
        ck_code(weir_coordinator_value_decode(weir_slice(golden_value_4, size),
                                              &weir_offset_commit_value_type, &value, &stage.arena,
                                              NULL),
                WEIR_CORRUPT);
    }
    weir_buffer_append(&stage.first, golden_value_3, sizeof golden_value_3);
    weir_buffer_u8(&stage.first, 0);
    ck_code(weir_coordinator_value_decode(weir_buffer_slice(&stage.first),
                                          &weir_offset_commit_value_type, &value, &stage.arena,
                                          NULL),
            WEIR_CORRUPT);
    message_stage_close(&stage);
}
END_TEST

/* Keys of other record types and values of newer versions are named, not called damaged. */
START_TEST(unknown_records_are_named)
{
    static const uint8_t group_metadata_key[] = {0, 2, 0, 1, 'g'};
    static const uint8_t value_9[] = {0, 9};
    struct message_stage stage;
    message_stage_init(&stage);
    struct weir_error error = {0};
    struct weir_offset_commit_key key;
    struct weir_offset_commit_value value;
    ck_code(weir_coordinator_key_decode(SLICE(group_metadata_key), &weir_offset_commit_key_type,
                                        &key, &stage.arena, &error),
            WEIR_UNSUPPORTED_VERSION);
    ck_assert_str_eq(error.text, "coordinator record: key of type 2, expected 1 (OffsetCommitKey)");
    ck_code(weir_coordinator_value_decode(SLICE(value_9), &weir_offset_commit_value_type, &value,
                                          &stage.arena, NULL),
            WEIR_UNSUPPORTED_VERSION);
    ck_code(weir_coordinator_value_encode(&weir_offset_commit_value_type, &value, 9, &stage.first),
            WEIR_UNSUPPORTED_VERSION);
    ck_assert_uint_eq(stage.first.size, 0);
    message_stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("commits");
    tcase_add_test(tests, commits_hold_kafkas_bytes);
    tcase_add_test(tests, groups_hold_kafkas_bytes);
    tcase_add_test(tests, every_truncation_is_seen);
    tcase_add_test(tests, unknown_records_are_named);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("coordinator_record", add);
}
