#include "wire/message.h"

#include <stdlib.h>

#include "tests/fuzz/message_round_trip.h"
#include "tests/support/support.h"
#include "tests/unit/wire/generated/every_type.h"
#include "tests/unit/wire/generated/nothing.h"
#include "tests/unit/wire/golden_every_type.h"
#include "wire/message_decode.h"
#include "wire/message_encode.h"
#include "wire/message_print.h"

enum { VERSION_COUNT = WEIR_EVERY_TYPE_VERSION_MAX + 1 };

#define SLICE(bytes) weir_slice(bytes, sizeof bytes)

static struct weir_slice golden(int version)
{
    const struct weir_slice all[VERSION_COUNT] = {
        SLICE(golden_every_type_0), SLICE(golden_every_type_1), SLICE(golden_every_type_2),
        SLICE(golden_every_type_3), SLICE(golden_every_type_4)};
    return all[version];
}

static int decode(struct message_stage *stage, struct weir_every_type *message_out, int version,
                  struct weir_slice bytes)
{
    return weir_message_decode_whole(&weir_every_type_type, message_out, (int16_t)version, bytes,
                                     &stage->arena, NULL);
}

static void assert_text(struct weir_slice actual, const char *expected)
{
    ck_assert(weir_slice_equal(actual, weir_text(expected)));
}

static void assert_point(const struct weir_every_type_point *point, int32_t x, const char *label,
                         int8_t weight)
{
    ck_assert_int_eq(point->x, x);
    assert_text(point->label, label);
    ck_assert_int_eq(point->weight, weight);
}

/* Every field of the newest golden bytes arrives with its value, nulls told from empties. */
START_TEST(decode_reads_every_type)
{
    struct message_stage stage;
    message_stage_init(&stage);
    struct weir_every_type message;
    ck_code(decode(&stage, &message, 4, golden(4)), 0);
    ck_assert(!message.flag);
    ck_assert_int_eq(message.tiny, -1);
    ck_assert_int_eq(message.shorty, -2);
    ck_assert_uint_eq(message.port, 65534);
    ck_assert_int_eq(message.number, -3);
    ck_assert_uint_eq(message.crc, 0xfffffffe);
    ck_assert_int_eq(message.big, -4);
    ck_assert_double_eq(message.ratio, 1.5);
    ck_assert_uint_eq(message.id.bytes[15], 15);
    assert_text(message.name, "name");
    assert_text(message.nickname, NULL);
    assert_text(message.client_id, "me");
    assert_text(message.blob, "\1\2");
    assert_text(message.maybe_blob, NULL);
    assert_text(message.batches, "");
    ck_assert_uint_eq(message.numbers_count, 2);
    ck_assert_int_eq(message.numbers[1], -1);
    ck_assert_ptr_null(message.maybe_numbers);
    ck_assert_uint_eq(message.names_count, 2);
    assert_text(message.names[1], "");
    ck_assert(message.flags[0] && !message.flags[1]);
    ck_assert_uint_eq(message.ids[0].bytes[1], 1);
    assert_point(&message.points[0], 1, "one", 1);
    assert_point(&message.points[1], 2, NULL, 5);
    assert_point(&message.place, 3, "three", 1);
    assert_point(message.maybe_place, 4, "four", 6);
    ck_assert_int_eq(message.only_in1, 11);
    assert_text(message.up_to1, "x");
    ck_assert_int_eq(message.from3, 33);
    ck_assert_int_eq(message.moves_to_tag, 44);
    ck_assert_int_eq(message.tag_number, 55);
    assert_text(message.tag_name, "tag");
    assert_point(&message.tag_place, 6, "six", 1);
    ck_assert_uint_eq(message.tag_points_count, 1);
    assert_point(message.tag_maybe, 8, "", 1);
    message_stage_close(&stage);
}
END_TEST

/* At each version the golden bytes decode and encode to themselves. */
START_TEST(golden_bytes_round_trip_at_every_version)
{
    struct message_stage stage;
    message_stage_init(&stage);
    for (int version = 0; version < VERSION_COUNT; version++) {
        ck_code(
            message_round_trip(&stage, &weir_every_type_type, (int16_t)version, golden(version)),
            0);
        ck_assert(weir_slice_equal(weir_buffer_slice(&stage.first), golden(version)));
    }
    message_stage_close(&stage);
}
END_TEST

/* `init` sets the defaults of the schema, which no tag is spent on. */
START_TEST(init_sets_the_defaults)
{
    struct message_stage stage;
    message_stage_init(&stage);
    struct weir_every_type message;
    weir_every_type_init(&message);
    ck_assert(message.flag);
    ck_assert_int_eq(message.tiny, -128);
    ck_assert_uint_eq(message.port, 0xffff);
    ck_assert_int_eq(message.big, INT64_MIN);
    ck_assert_double_eq(message.ratio, 0.5);
    assert_text(message.name, "none");
    assert_text(message.nickname, "");
    assert_text(message.client_id, NULL);
    ck_assert_ptr_nonnull(message.maybe_numbers);
    ck_assert_int_eq(message.place.weight, 1);
    ck_assert_int_eq(message.tag_number, 9);

    ck_code(weir_every_type_encode(&message, 4, &stage.first), 0);
    ck_assert_uint_eq(stage.first.data[stage.first.size - 1], 0); /* no tagged fields */
    struct weir_every_type again;
    ck_code(decode(&stage, &again, 4, weir_buffer_slice(&stage.first)), 0);
    ck_assert_int_eq(again.big, INT64_MIN);
    ck_assert_uint_eq(again.maybe_numbers_count, 0);
    ck_assert_ptr_nonnull(again.maybe_numbers);
    message_stage_close(&stage);
}
END_TEST

/* Cut anywhere, at every version, a message is corrupt, and nothing past the cut is read. */
START_TEST(every_truncation_is_seen)
{
    struct message_stage stage;
    message_stage_init(&stage);
    for (int version = 0; version < VERSION_COUNT; version++) {
        for (size_t size = 0; size < golden(version).size; size++) {
            uint8_t *copy = malloc(size + 1);
            memcpy(copy, golden(version).data, size);
            struct weir_every_type message = {.number = 77};
            ck_code(decode(&stage, &message, version, weir_slice(copy, size)), WEIR_CORRUPT);
            ck_assert_int_eq(message.number, 77);
            free(copy);
        }
    }
    message_stage_close(&stage);
}
END_TEST

/* Whatever a flipped bit makes of a message, it is refused or is one that encodes to itself. */
START_TEST(every_flipped_bit_is_harmless)
{
    struct message_stage stage;
    message_stage_init(&stage);
    for (int version = 0; version < VERSION_COUNT; version++) {
        struct weir_slice bytes = golden(version);
        for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
            uint8_t *copy = malloc(bytes.size);
            memcpy(copy, bytes.data, bytes.size);
            copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            int rc = message_round_trip(&stage, &weir_every_type_type, (int16_t)version,
                                        weir_slice(copy, bytes.size));
            ck_assert(rc == 0 || rc == WEIR_CORRUPT);
            free(copy);
        }
    }
    message_stage_close(&stage);
}
END_TEST

/* A count of two thousand million is refused without an allocation for it, in either form. */
START_TEST(huge_counts_allocate_nothing)
{
    static const uint8_t plain[] = {0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4};
    static const uint8_t compact[] = {0xff, 0xff, 0xff, 0xff, 0x07, 1, 2, 3};
    static const uint8_t negative[] = {0xff, 0xff, 0xff, 0xfe};
    struct message_stage stage;
    message_stage_init(&stage);
    const struct weir_slice cases[] = {SLICE(plain), SLICE(compact), SLICE(negative)};
    for (size_t i = 0; i < 3; i++) {
        struct weir_reader reader = weir_reader(cases[i]);
        struct weir_decoder decoder = {
            .reader = &reader, .arena = &stage.arena, .is_flexible = i == 1};
        size_t count = 5;
        ck_assert_ptr_null(weir_decode_array(&decoder, true, 1, 64, &count));
        ck_assert_uint_eq(count, 0);
        ck_assert(reader.failed);
    }
    ck_assert_uint_eq(stage.heap.allocation_count, 0);
    message_stage_close(&stage);
}
END_TEST

/* What may not be null is refused as null, when read and when written. */
START_TEST(nulls_are_refused_where_none_may_be)
{
    struct message_stage stage;
    message_stage_init(&stage);
    static const uint8_t null_string[] = {0xff, 0xff};
    struct weir_reader reader = weir_reader(SLICE(null_string));
    struct weir_decoder decoder = {.reader = &reader, .arena = &stage.arena};
    ck_assert(weir_slice_is_null(weir_decode_string(&decoder, false)));
    ck_assert(reader.failed);

    struct weir_every_type message;
    weir_every_type_init(&message);
    message.nickname = weir_null();
    ck_code(weir_every_type_encode(&message, 0, &stage.first), WEIR_INVALID_ARGUMENT);
    ck_assert_uint_eq(stage.first.size, 0);
    ck_assert_uint_eq(weir_every_type_size(&message, 0), 0);
    ck_code(weir_every_type_encode(&message, 1, &stage.first), 0);
    message_stage_close(&stage);
}
END_TEST

/* A value that the version cannot say is refused, unless the schema lets it be dropped. */
START_TEST(values_are_not_lost_in_old_versions)
{
    struct message_stage stage;
    message_stage_init(&stage);
    struct weir_every_type message;
    weir_every_type_init(&message);
    message.from3 = 1;
    ck_code(weir_every_type_encode(&message, 2, &stage.first), WEIR_INVALID_ARGUMENT);
    ck_code(weir_every_type_encode(&message, 3, &stage.first), 0);
    weir_every_type_init(&message);
    message.tag_number = 1;
    ck_code(weir_every_type_encode(&message, 1, &stage.first), WEIR_INVALID_ARGUMENT);
    weir_every_type_init(&message);
    message.only_in1 = 99; /* ignorable */
    ck_code(weir_every_type_encode(&message, 4, &stage.first), 0);
    weir_every_type_init(&message);
    message.name = weir_slice("", (size_t)INT16_MAX + 1);
    ck_code(weir_every_type_encode(&message, 0, &stage.first), WEIR_INVALID_ARGUMENT);
    message_stage_close(&stage);
}
END_TEST

/* A string has at most 32767 bytes in the compact form too: Kafka's clients refuse longer ones. */
START_TEST(strings_are_as_long_as_in_the_old_form)
{
    static const uint8_t zeros[INT16_MAX + 1];
    struct message_stage stage;
    message_stage_init(&stage);
    struct weir_every_type message;
    weir_every_type_init(&message);
    message.name = weir_slice(zeros, INT16_MAX);
    ck_code(weir_every_type_encode(&message, 4, &stage.first), 0);
    message.name = weir_slice(zeros, INT16_MAX + 1);
    ck_code(weir_every_type_encode(&message, 4, &stage.first), WEIR_INVALID_ARGUMENT);

    for (size_t size = INT16_MAX; size <= INT16_MAX + 1; size++) {
        weir_buffer_reset(&stage.first);
        weir_buffer_uvarint(&stage.first, size + 1);
        weir_buffer_append(&stage.first, zeros, size);
        struct weir_reader reader = weir_reader(weir_buffer_slice(&stage.first));
        struct weir_decoder decoder = {.reader = &reader, .is_flexible = true};
        struct weir_slice text = weir_decode_string(&decoder, true);
        ck_assert_uint_eq(text.size, size <= INT16_MAX ? size : 0);
        ck_assert(reader.failed == (size > INT16_MAX));
    }
    message_stage_close(&stage);
}
END_TEST

/* Versions outside the range are named as such and change nothing. */
START_TEST(unknown_versions_are_refused)
{
    struct message_stage stage;
    message_stage_init(&stage);
    struct weir_every_type message;
    weir_every_type_init(&message);
    ck_code(weir_every_type_encode(&message, 5, &stage.first), WEIR_UNSUPPORTED_VERSION);
    ck_code(weir_every_type_encode(&message, -1, &stage.first), WEIR_UNSUPPORTED_VERSION);
    ck_code(decode(&stage, &message, 5, golden(4)), WEIR_UNSUPPORTED_VERSION);
    ck_assert_uint_eq(stage.first.size, 0);
    message_stage_close(&stage);
}
END_TEST

static int decode_nothing(struct message_stage *stage, const void *bytes, size_t size)
{
    struct weir_nothing message;
    return weir_message_decode_whole(&weir_nothing_type, &message, 1, weir_slice(bytes, size),
                                     &stage->arena, NULL);
}

/* Tags we do not know are stepped over; out of order, twice, too many or too long they are not. */
START_TEST(tags_are_bounded)
{
    struct message_stage stage;
    message_stage_init(&stage);
    static const uint8_t none[] = {0};
    static const uint8_t two[] = {2, 0, 1, 'a', 7, 0};
    static const uint8_t twice[] = {2, 7, 0, 7, 0};
    static const uint8_t falling[] = {2, 7, 0, 3, 0};
    static const uint8_t past_the_end[] = {1, 0, 2, 'a'};
    static const uint8_t fewer_than_said[] = {2, 0, 0};
    static const uint8_t left_over[] = {1, 0, 0, 9};
    ck_code(decode_nothing(&stage, none, sizeof none), 0);
    ck_code(decode_nothing(&stage, two, sizeof two), 0);
    ck_code(decode_nothing(&stage, twice, sizeof twice), WEIR_CORRUPT);
    ck_code(decode_nothing(&stage, falling, sizeof falling), WEIR_CORRUPT);
    ck_code(decode_nothing(&stage, past_the_end, sizeof past_the_end), WEIR_CORRUPT);
    ck_code(decode_nothing(&stage, fewer_than_said, sizeof fewer_than_said), WEIR_CORRUPT);
    ck_code(decode_nothing(&stage, left_over, sizeof left_over), WEIR_CORRUPT);

    uint8_t many[1 + 2 * (WEIR_TAGS_MAX + 1)] = {0};
    for (uint8_t tag = 0; tag <= WEIR_TAGS_MAX; tag++) {
        many[1 + 2 * tag] = tag;
    }
    many[0] = WEIR_TAGS_MAX;
    ck_code(decode_nothing(&stage, many, sizeof many - 2), 0);
    many[0] = WEIR_TAGS_MAX + 1;
    ck_code(decode_nothing(&stage, many, sizeof many), WEIR_CORRUPT);
    message_stage_close(&stage);
}
END_TEST

/* A tagged field that we know must end where it says. */
START_TEST(a_known_tag_must_fill_its_size)
{
    struct message_stage stage;
    message_stage_init(&stage);
    struct weir_every_type message;
    weir_every_type_init(&message);
    message.tag_number = 1; /* the last bytes: count 1, tag 0, size 4, four bytes */
    ck_code(weir_every_type_encode(&message, 4, &stage.first), 0);
    uint8_t *size = stage.first.data + stage.first.size - 5;
    ck_assert_uint_eq(*size, 4);
    ck_code(decode(&stage, &message, 4, weir_buffer_slice(&stage.first)), 0);
    *size = 3;
    ck_code(decode(&stage, &message, 4, weir_buffer_slice(&stage.first)), WEIR_CORRUPT);
    *size = 5;
    weir_buffer_u8(&stage.first, 0);
    ck_code(decode(&stage, &message, 4, weir_buffer_slice(&stage.first)), WEIR_CORRUPT);
    message_stage_close(&stage);
}
END_TEST

/* Every allocation of a decoder fails in turn: no memory, nothing leaked, nothing written. */
START_TEST(decoding_survives_every_failed_allocation)
{
    struct message_stage stage;
    message_stage_init(&stage);
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        weir_arena_close(&stage.arena);
        weir_arena_init(&stage.arena, &stage.budget, 1); /* each is an allocation of the heap's */
        struct weir_every_type message = {.number = 77};
        weir_test_failures_arm(&failures, &stage.heap);
        int rc = decode(&stage, &message, 4, golden(4));
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 0);
        ck_assert_int_eq(message.number, rc == 0 ? -3 : 77);
    }
    ck_assert_uint_gt(failures.hits, 5);
    message_stage_close(&stage);
}
END_TEST

/* One line of JSON, with the fields of the version only. */
START_TEST(print_shows_the_fields_of_the_version)
{
    struct message_stage stage;
    message_stage_init(&stage);
    struct weir_every_type message;
    ck_code(decode(&stage, &message, 4, golden(4)), 0);
    weir_every_type_print(&message, 4, &stage.text);
    weir_buffer_u8(&stage.text, 0);
    ck_assert_str_eq(
        (const char *)stage.text.data,
        "{\"Flag\": false, \"Tiny\": -1, \"Shorty\": -2, \"Port\": 65534, \"Number\": -3, "
        "\"Crc\": 4294967294, \"Big\": -4, \"Ratio\": 1.5, \"Id\": \"AAECAwQFBgcICQoLDA0ODw\", "
        "\"Name\": \"name\", \"Nickname\": null, \"ClientId\": \"me\", \"Blob\": \"0102\", "
        "\"MaybeBlob\": null, \"Batches\": \"\", \"Numbers\": [1, -1], \"MaybeNumbers\": null, "
        "\"Names\": [\"a\", \"\"], \"Flags\": [true, false], "
        "\"Ids\": [\"AAECAwQFBgcICQoLDA0ODw\"], "
        "\"Points\": [{\"X\": 1, \"Label\": \"one\", \"Weight\": 1}, "
        "{\"X\": 2, \"Label\": null, \"Weight\": 5}], "
        "\"Place\": {\"X\": 3, \"Label\": \"three\", \"Weight\": 1}, "
        "\"MaybePlace\": {\"X\": 4, \"Label\": \"four\", \"Weight\": 6}, \"From3\": 33, "
        "\"MovesToTag\": 44, \"TagNumber\": 55, "
        "\"TagPlace\": {\"X\": 6, \"Label\": \"six\", \"Weight\": 1}, \"TagName\": \"tag\", "
        "\"TagPoints\": [{\"X\": 7, \"Label\": null, \"Weight\": 7}], "
        "\"TagMaybe\": {\"X\": 8, \"Label\": \"\", \"Weight\": 1}}");
    message_stage_close(&stage);
}
END_TEST

/* Quotes, control characters and long bytes stay readable. */
START_TEST(print_escapes_text)
{
    struct message_stage stage;
    message_stage_init(&stage);
    uint8_t bytes[65] = {0xff};
    weir_print_string(&stage.text, weir_text("a\"b\\c\n"));
    weir_print_bytes(&stage.text, SLICE(bytes));
    weir_print_float(&stage.text, 1e300 * 1e300);
    weir_buffer_u8(&stage.text, 0);
    const char *text = (const char *)stage.text.data;
    ck_assert_ptr_nonnull(strstr(text, "\"a\\\"b\\\\c\\u000a\"\"ff00"));
    ck_assert_ptr_nonnull(strstr(text, "00... 65 bytes\"\"Infinity\""));
    message_stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("messages");
    tcase_add_test(tests, decode_reads_every_type);
    tcase_add_test(tests, golden_bytes_round_trip_at_every_version);
    tcase_add_test(tests, init_sets_the_defaults);
    tcase_add_test(tests, values_are_not_lost_in_old_versions);
    tcase_add_test(tests, strings_are_as_long_as_in_the_old_form);
    tcase_add_test(tests, unknown_versions_are_refused);
    tcase_add_test(tests, print_shows_the_fields_of_the_version);
    tcase_add_test(tests, print_escapes_text);
    suite_add_tcase(suite, tests);
    TCase *damage = tcase_create("damage");
    tcase_add_test(damage, every_truncation_is_seen);
    tcase_add_test(damage, every_flipped_bit_is_harmless);
    tcase_add_test(damage, huge_counts_allocate_nothing);
    tcase_add_test(damage, nulls_are_refused_where_none_may_be);
    tcase_add_test(damage, tags_are_bounded);
    tcase_add_test(damage, a_known_tag_must_fill_its_size);
    tcase_add_test(damage, decoding_survives_every_failed_allocation);
    suite_add_tcase(suite, damage);
}

int main(void)
{
    return weir_test_main("message", add);
}
