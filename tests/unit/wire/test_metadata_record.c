#include "wire/metadata_record.h"

#include "tests/fuzz/message_round_trip.h"
#include "tests/support/support.h"
#include "wire/generated/partition_change_record.h"
#include "wire/generated/partition_record.h"
#include "wire/generated/topic_record.h"

#define SLICE(bytes) weir_slice(bytes, sizeof bytes)

static const struct weir_uuid topic_id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

/* Values as Kafka's controller writes them: frame 1, api key, version, message. */
static const uint8_t golden_topic[] = {1, 2, 0, 7, 'o', 'r', 'd', 'e', 'r', 's', 1,  2,  3, 4,
                                       5, 6, 7, 8, 9,   10,  11,  12,  13,  14,  15, 16, 0};
static const uint8_t golden_partition[] = {
    1,  3, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7,  8,  9,  10, 11, 12, 13, 14, 15,
    16, 2, 0, 0, 0, 1, 2, 0, 0, 0, 1, 1, 1, 0,  0,  0,  1,  0,  0,  0,  0,  0,
    0,  0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0};
static const uint8_t golden_change[] = {1,  5,  0,  0, 0, 0, 3,    1,    2,    3,
                                        4,  5,  6,  7, 8, 9, 10,   11,   12,   13,
                                        14, 15, 16, 1, 1, 4, 0xff, 0xff, 0xff, 0xff};

/* Read, decode with the frame's own type, encode: the same bytes. */
static void assert_round_trip(struct message_stage *stage, struct weir_slice value,
                              const struct weir_message_type *type, void *message_out)
{
    struct weir_metadata_frame frame;
    struct weir_error error = {0};
    ck_ok(weir_metadata_frame_read(value, &frame, &error), &error);
    ck_assert_ptr_eq(weir_metadata_frame_type(frame.api_key), type);
    ck_ok(weir_metadata_frame_decode(&frame, message_out, &stage->arena, &error), &error);
    weir_buffer_reset(&stage->first);
    ck_code(weir_metadata_frame_encode(type, message_out, frame.version, &stage->first), 0);
    ck_assert(weir_slice_equal(weir_buffer_slice(&stage->first), value));
}

/* The records of a created topic read and write as Kafka's bytes. */
START_TEST(frames_hold_kafkas_bytes)
{
    struct message_stage stage;
    message_stage_init(&stage);
    struct weir_topic_record topic;
    assert_round_trip(&stage, SLICE(golden_topic), &weir_topic_record_type, &topic);
    ck_assert(weir_slice_equal(topic.name, weir_text("orders")));
    ck_assert_mem_eq(&topic.topic_id, &topic_id, sizeof topic_id);

    struct weir_partition_record partition;
    assert_round_trip(&stage, SLICE(golden_partition), &weir_partition_record_type, &partition);
    ck_assert_int_eq(partition.partition_id, 3);
    ck_assert_uint_eq(partition.isr_count, 1);
    ck_assert_int_eq(partition.leader, 1);
    ck_assert_uint_eq(partition.directories_count, 1);

    struct weir_partition_change_record change;
    assert_round_trip(&stage, SLICE(golden_change), &weir_partition_change_record_type, &change);
    ck_assert_int_eq(change.leader, -1);
    ck_assert_ptr_null(change.isr);
    ck_assert_int_eq(change.leader_recovery_state, -1);
    message_stage_close(&stage);
}
END_TEST

/* Cut anywhere, the value is corrupt. */
START_TEST(every_truncation_is_seen)
{
    struct message_stage stage;
    message_stage_init(&stage);
    for (size_t size = 0; size < sizeof golden_partition; size++) {
        struct weir_metadata_frame frame;
        struct weir_partition_record partition;
        int rc = weir_metadata_frame_read(weir_slice(golden_partition, size), &frame, NULL);
        if (rc == 0) rc = weir_metadata_frame_decode(&frame, &partition, &stage.arena, NULL);
        ck_code(rc, WEIR_CORRUPT);
    }
    message_stage_close(&stage);
}
END_TEST

/* Other frames, records and versions are told apart from damage. */
START_TEST(unknown_frames_are_named)
{
    static const uint8_t frame_2[] = {2, 2, 0};
    static const uint8_t fence_broker[] = {1, 7, 0, 0, 0};
    static const uint8_t huge_key[] = {1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0};
    static const uint8_t topic_version_9[] = {1, 2, 9, 0};
    static const uint8_t left_over[] = {1, 20, 0, 0, 0};
    struct message_stage stage;
    message_stage_init(&stage);
    struct weir_metadata_frame frame;
    struct weir_topic_record topic;
    ck_code(weir_metadata_frame_read(SLICE(frame_2), &frame, NULL), WEIR_UNSUPPORTED_VERSION);
    ck_code(weir_metadata_frame_read(SLICE(huge_key), &frame, NULL), WEIR_CORRUPT);
    ck_code(weir_metadata_frame_read(weir_null(), &frame, NULL), WEIR_CORRUPT);

    struct weir_error error = {0};
    ck_code(weir_metadata_frame_read(SLICE(fence_broker), &frame, NULL), 0);
    ck_code(weir_metadata_frame_decode(&frame, &topic, &stage.arena, &error),
            WEIR_UNSUPPORTED_VERSION);
    ck_assert_str_eq(error.text, "metadata record: type 7 is not known");
    ck_code(weir_metadata_frame_read(SLICE(topic_version_9), &frame, NULL), 0);
    ck_code(weir_metadata_frame_decode(&frame, &topic, &stage.arena, &error),
            WEIR_UNSUPPORTED_VERSION);
    ck_assert_str_eq(error.text, "TopicRecord: version 9, only 0 to 0 are known");
    ck_code(weir_metadata_frame_read(SLICE(left_over), &frame, NULL), 0);
    ck_code(weir_metadata_frame_decode(&frame, &topic, &stage.arena, NULL), WEIR_CORRUPT);
    ck_assert_ptr_null(weir_metadata_frame_type(-1));
    ck_assert_ptr_null(weir_metadata_frame_type(INT16_MAX));
    message_stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("frames");
    tcase_add_test(tests, frames_hold_kafkas_bytes);
    tcase_add_test(tests, every_truncation_is_seen);
    tcase_add_test(tests, unknown_frames_are_named);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("metadata_record", add);
}
