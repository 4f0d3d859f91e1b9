#include "wire/record_batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "tests/support/support.h"
#include "tests/unit/wire/batch_stage.h"
#include "tests/unit/wire/golden_batches.h"

enum { NOW_MS = 1000000 };

struct made {
    uint8_t bytes[8192];
    size_t size;
};

/* Five records with times that go up and down, the largest NOW_MS + 7. */
static void make(struct batch_stage *stage, enum weir_codec codec, struct made *made)
{
    static const int64_t times[] = {0, 7, 3, -20, 1};
    struct weir_batch_builder builder;
    struct weir_slice batch;
    struct weir_header header = {weir_text("trace"), weir_text("on")};
    weir_batch_builder_init(&builder, &stage->budget, codec, WEIR_CODEC_LEVEL_DEFAULT);
    for (int i = 0; i < 5; i++) {
        struct weir_record record = {
            .key = weir_text("key"),
            .value = i == 2 ? weir_null() : weir_text("value"),
            .headers = &header,
            .header_count = i == 3 ? 1 : 0,
            .timestamp_ms = NOW_MS + times[i],
        };
        ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
    }
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &batch), 0);
    memcpy(made->bytes, batch.data, batch.size);
    made->size = batch.size;
    weir_batch_builder_close(&builder);
}

static struct weir_batch_header header_of(const struct made *made)
{
    struct weir_batch_header header;
    ck_assert_int_eq(weir_batch_peek(weir_slice(made->bytes, made->size), 0, &header, NULL), 0);
    return header;
}

static int admit_with(struct batch_stage *stage, struct made *made, struct weir_batch_check check)
{
    check.budget = &stage->budget;
    return weir_batch_admit(made->bytes, made->size, &check, &stage->error);
}

static int admit(struct batch_stage *stage, struct made *made)
{
    return admit_with(stage, made, (struct weir_batch_check){0});
}

/* Change the header, with a crc that fits, and expect `code` and the bytes as they were. */
static void expect_refused(struct batch_stage *stage, struct weir_batch_header header, int code)
{
    struct made made;
    make(stage, WEIR_CODEC_NONE, &made);
    weir_batch_store_header(made.bytes, &header);
    struct made before = made;
    ck_assert_int_eq(admit(stage, &made), code);
    ck_assert_mem_eq(made.bytes, before.bytes, made.size);
}

/* What a producer sends is admitted and not changed, whatever the codec. */
START_TEST(admit_takes_a_good_batch)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    for (int codec = 0; codec < WEIR_CODEC_COUNT; codec++) {
        struct made made;
        make(&stage, (enum weir_codec)codec, &made);
        struct made before = made;
        ck_ok(admit(&stage, &made), &stage.error);
        ck_assert_mem_eq(made.bytes, before.bytes, made.size);
    }
    batch_stage_close(&stage);
}
END_TEST

/* A largest timestamp that is not the records' is put right, crc included: too late it would send
 * every search by time here, too early past it. */
START_TEST(admit_puts_the_largest_timestamp_right)
{
    static const int64_t wrong[] = {NOW_MS, INT64_MAX, -1, NOW_MS + 1};
    struct batch_stage stage;
    batch_stage_init(&stage);
    for (int codec = 0; codec < WEIR_CODEC_COUNT; codec++) {
        for (int i = 0; i < 4; i++) {
            struct made made;
            make(&stage, (enum weir_codec)codec, &made);
            struct made good = made;
            weir_batch_set_max_timestamp(made.bytes, made.size, wrong[i]);
            ck_ok(admit(&stage, &made), &stage.error);
            ck_assert_int_eq(header_of(&made).max_timestamp_ms, NOW_MS + 7);
            ck_assert_mem_eq(made.bytes, good.bytes, made.size);
        }
    }
    batch_stage_close(&stage);
}
END_TEST

/* Bits that are not a client's to set, counts that do not fit, a producer without a sequence. */
START_TEST(admit_refuses_a_wrong_header)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct made made;
    make(&stage, WEIR_CODEC_NONE, &made);
    struct weir_batch_header good = header_of(&made);
    struct weir_batch_header bad = good;
    bad.attributes = WEIR_BATCH_CONTROL;
    expect_refused(&stage, bad, WEIR_INVALID_RECORD);
    bad.attributes = WEIR_BATCH_LOG_APPEND_TIME;
    expect_refused(&stage, bad, WEIR_INVALID_TIMESTAMP);
    bad.attributes = 5;
    expect_refused(&stage, bad, WEIR_UNSUPPORTED_CODEC);
    bad = good;
    bad.producer_id = 1;
    bad.producer_epoch = 0;
    bad.base_sequence = -1;
    expect_refused(&stage, bad, WEIR_INVALID_RECORD);
    bad.attributes = WEIR_BATCH_TRANSACTIONAL;
    expect_refused(&stage, bad, WEIR_INVALID_RECORD); /* a client's has a sequence */
    bad = good;
    bad.attributes = WEIR_BATCH_TRANSACTIONAL;
    expect_refused(&stage, bad, WEIR_INVALID_RECORD); /* of no producer */
    bad = good;
    bad.record_count = 6;
    expect_refused(&stage, bad, WEIR_INVALID_RECORD);
    bad.last_offset_delta = 5;
    expect_refused(&stage, bad, WEIR_CORRUPT); /* a sixth record is not there */
    bad.record_count = 4;
    bad.last_offset_delta = 3;
    expect_refused(&stage, bad, WEIR_CORRUPT); /* a fifth is left over */
    batch_stage_close(&stage);
}
END_TEST

/* A flipped bit anywhere behind the crc is refused for it. */
START_TEST(admit_checks_the_crc)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct made made;
    make(&stage, WEIR_CODEC_NONE, &made);
    for (size_t at = WEIR_BATCH_CRC_FROM - 4; at < made.size; at++) {
        made.bytes[at] ^= 4;
        ck_assert_int_eq(admit(&stage, &made), WEIR_CORRUPT);
        made.bytes[at] ^= 4;
    }
    ck_ok(admit(&stage, &made), &stage.error);
    batch_stage_close(&stage);
}
END_TEST

/* Records older than allowed, or without a key where keys are needed. */
START_TEST(admit_looks_at_times_and_keys)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct made made;
    make(&stage, WEIR_CODEC_LZ4, &made);
    struct weir_batch_check check = {.has_oldest = true, .oldest_ms = NOW_MS - 19};
    ck_assert_int_eq(admit_with(&stage, &made, check), WEIR_INVALID_TIMESTAMP);
    check.oldest_ms = NOW_MS - 20;
    check.keys_required = true;
    ck_ok(admit_with(&stage, &made, check), &stage.error);

    memcpy(made.bytes, golden_batch_plain, sizeof golden_batch_plain);
    made.size = sizeof golden_batch_plain;
    ck_ok(admit(&stage, &made), &stage.error);
    ck_assert_int_eq(admit_with(&stage, &made, check), WEIR_INVALID_RECORD);
    batch_stage_close(&stage);
}
END_TEST

/* Times before 1970 are times like others, but none of them is a largest one: that of a batch which has
 * nothing else is -1. A bound on old times holds for them; a record without a time has no age. */
START_TEST(admit_takes_times_before_1970)
{
    static const struct {
        int64_t base_ms; /* the fourth record is 20 below, the second 7 above */
        int64_t max_ms;
    } cases[] = {{18, 25}, {-3, 4}, {-8, -1}, {-86400000, -1}, {INT64_MIN + 20, -1}};
    struct batch_stage stage;
    batch_stage_init(&stage);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct made made;
        make(&stage, i % 2 == 0 ? WEIR_CODEC_NONE : WEIR_CODEC_LZ4, &made);
        struct weir_batch_header header = header_of(&made);
        header.base_timestamp_ms = cases[i].base_ms;
        weir_batch_store_header(made.bytes, &header);
        struct weir_batch_check check = {.has_oldest = true, .oldest_ms = cases[i].base_ms - 19};
        ck_assert_int_eq(admit_with(&stage, &made, check), WEIR_INVALID_TIMESTAMP);
        check.oldest_ms--;
        ck_ok(admit_with(&stage, &made, check), &stage.error);
        ck_assert_int_eq(header_of(&made).max_timestamp_ms, cases[i].max_ms);
    }
    batch_stage_close(&stage);
}
END_TEST

/* A batch that unfolds beyond the bound is refused within the bound's memory. */
START_TEST(admit_refuses_a_bomb_in_bounded_memory)
{
    enum { PLAIN = 64 * 1024 * 1024, BOUND = 1024 * 1024, STATE = 12 * 1024 * 1024 };
    struct batch_stage stage;
    batch_stage_init(&stage);
    char *value = calloc(1, PLAIN);
    ck_assert_ptr_nonnull(value);
    for (int codec = WEIR_CODEC_GZIP; codec < WEIR_CODEC_COUNT; codec++) {
        struct weir_batch_builder builder;
        struct weir_slice batch;
        struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
        struct weir_record record = {.key = weir_text("k"), .value = weir_slice(value, PLAIN)};
        weir_batch_builder_init(&builder, &stage.budget, (enum weir_codec)codec, 1);
        ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
        ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &batch), 0);
        uint8_t *bytes = malloc(batch.size);
        ck_assert_ptr_nonnull(bytes);
        memcpy(bytes, batch.data, batch.size);

        struct weir_budget budget;
        weir_budget_init(&budget, "bomb", &stage.heap, NULL, BOUND + STATE);
        struct weir_batch_check check = {.plain_size_max = BOUND, .budget = &budget};
        ck_assert_int_eq(weir_batch_admit(bytes, batch.size, &check, NULL), WEIR_TOO_LARGE);
        ck_assert_uint_eq(budget.used, 0);
        free(bytes);
        weir_batch_builder_close(&builder);
    }
    free(value);
    batch_stage_close(&stage);
}
END_TEST

/* The walk that gives nothing and the reader that gives records are two roads: for any change of
 * a byte they say the same. */
START_TEST(the_walk_agrees_with_the_reader)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct made good;
    make(&stage, WEIR_CODEC_NONE, &good);
    int admitted = 0;
    for (size_t at = WEIR_BATCH_HEADER_SIZE; at < good.size; at++) {
        for (int value = 0; value < 256; value++) {
            struct made made = good;
            made.bytes[at] = (uint8_t)value;
            struct weir_batch_header header = header_of(&made);
            weir_batch_store_header(made.bytes, &header); /* with a crc that fits */
            int rc = admit(&stage, &made);
            struct weir_batch_reader reader;
            struct weir_record record;
            int64_t largest = WEIR_NO_TIMESTAMP;
            bool is_good =
                batch_stage_open(&stage, &reader, weir_slice(made.bytes, made.size)) == 0;
            for (int32_t i = 0; is_good && i <= 5; i++) {
                int next = weir_batch_reader_record(&reader, &record, NULL);
                if (next == WEIR_END) break;
                is_good = next == 0 && record.offset == i;
                if (is_good && record.timestamp_ms > largest) largest = record.timestamp_ms;
            }
            ck_assert_int_eq(rc == 0, is_good);
            if (rc < 0) continue;
            admitted++;
            ck_assert_int_eq(header_of(&made).max_timestamp_ms, largest);
        }
    }
    ck_assert_int_gt(admitted, 100);
    batch_stage_close(&stage);
}
END_TEST

/* Sizes of keys and values around the borders of one, two and three bytes of a varint, null among them, and
 * any of the bytes before the key changed: the same two roads, the same answer. */
START_TEST(the_walk_agrees_at_the_borders_of_sizes)
{
    static const int sizes[] = {-1, 0, 1, 62, 63, 64, 65, 126, 127, 128, 8190, 8191, 8192, 8193};
    enum { COUNT = sizeof sizes / sizeof sizes[0], NUMBERS = 12 };
    static uint8_t text[8193];
    for (int pair = 0; pair < COUNT * COUNT; pair++) {
        int key = sizes[pair / COUNT], value = sizes[pair % COUNT];
        struct batch_stage stage;
        struct weir_batch_builder builder;
        struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
        struct weir_slice batch;
        struct weir_record record = {
            .key = key < 0 ? weir_null() : weir_slice(text, (size_t)key),
            .value = value < 0 ? weir_null() : weir_slice(text, (size_t)value),
            .timestamp_ms = NOW_MS,
        };
        batch_stage_init(&stage);
        weir_batch_builder_init(&builder, &stage.budget, WEIR_CODEC_NONE, 0);
        ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
        ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &batch), 0);
        uint8_t *bytes = (uint8_t *)(uintptr_t)batch.data;
        struct weir_batch_check check = {.budget = &stage.budget};
        ck_assert_int_eq(weir_batch_admit(bytes, batch.size, &check, NULL), 0);
        check.keys_required = true;
        ck_assert_int_eq(weir_batch_admit(bytes, batch.size, &check, NULL),
                         key < 0 ? WEIR_INVALID_RECORD : 0);
        check.keys_required = false;
        for (size_t at = WEIR_BATCH_HEADER_SIZE;
             at < batch.size && at < WEIR_BATCH_HEADER_SIZE + NUMBERS; at++) {
            const uint8_t before = bytes[at];
            for (int changed = 0; changed < 256; changed++) {
                struct weir_batch_header header;
                struct weir_batch_reader reader;
                ck_assert_int_eq(weir_batch_peek(batch, 0, &header, NULL), 0);
                bytes[at] = (uint8_t)changed;
                weir_batch_store_header(bytes, &header);
                int rc = weir_batch_admit(bytes, batch.size, &check, NULL);
                bool is_good = batch_stage_open(&stage, &reader, batch) == 0 &&
                               weir_batch_reader_record(&reader, &record, NULL) == 0 &&
                               record.offset == 0 &&
                               weir_batch_reader_record(&reader, &record, NULL) == WEIR_END;
                ck_assert_int_eq(rc == 0, is_good);
            }
            bytes[at] = before;
        }
        weir_batch_builder_close(&builder);
        batch_stage_close(&stage);
    }
}
END_TEST

/* Offsets within a batch take one, two and three bytes: all are in line, and one that is not is found. */
START_TEST(offsets_of_every_length_are_in_line)
{
    enum { RECORDS = 20000 };
    struct batch_stage stage;
    struct weir_batch_builder builder;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_batch_header header;
    struct weir_slice batch;
    batch_stage_init(&stage);
    weir_batch_builder_init(&builder, &stage.budget, WEIR_CODEC_NONE, 0);
    for (int i = 0; i < RECORDS; i++) {
        struct weir_record record = {.value = weir_text("v"), .timestamp_ms = NOW_MS + i};
        ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
    }
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &batch), 0);
    uint8_t *bytes = (uint8_t *)(uintptr_t)batch.data;
    struct weir_batch_check check = {.budget = &stage.budget};
    ck_assert_int_eq(weir_batch_admit(bytes, batch.size, &check, NULL), 0);
    ck_assert_int_eq(weir_batch_peek(batch, 0, &header, NULL), 0);
    for (size_t at = WEIR_BATCH_HEADER_SIZE + 3; at < batch.size; at += 997) {
        const uint8_t before = bytes[at];
        bytes[at] = (uint8_t)(before ^ 2);
        weir_batch_store_header(bytes, &header);
        int rc = weir_batch_admit(bytes, batch.size, &check, NULL);
        struct weir_batch_reader reader;
        struct weir_record record;
        bool is_good = batch_stage_open(&stage, &reader, batch) == 0;
        int64_t count = 0;
        while (is_good && weir_batch_reader_record(&reader, &record, NULL) == 0) {
            is_good = record.offset == count++;
        }
        ck_assert_int_eq(rc == 0, is_good && count == RECORDS);
        bytes[at] = before;
    }
    weir_batch_builder_close(&builder);
    batch_stage_close(&stage);
}
END_TEST

/* A failed allocation is that and nothing else. */
START_TEST(admit_survives_every_failed_allocation)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    for (int codec = WEIR_CODEC_GZIP; codec < WEIR_CODEC_COUNT; codec++) {
        struct made made;
        make(&stage, (enum weir_codec)codec, &made);
        for (uint64_t number = 1;; number++) {
            stage.heap.fail_at = number; /* counts down to 0 */
            int rc = admit(&stage, &made);
            bool was_hit = stage.heap.fail_at == 0;
            stage.heap.fail_at = 0;
            ck_assert(rc == 0 || rc == WEIR_NO_MEMORY);
            ck_assert_uint_eq(stage.budget.used, 0);
            if (!was_hit) break;
        }
    }
    batch_stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("admit");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, admit_takes_a_good_batch);
    tcase_add_test(tests, admit_puts_the_largest_timestamp_right);
    tcase_add_test(tests, admit_refuses_a_wrong_header);
    tcase_add_test(tests, admit_checks_the_crc);
    tcase_add_test(tests, admit_looks_at_times_and_keys);
    tcase_add_test(tests, admit_takes_times_before_1970);
    tcase_add_test(tests, admit_refuses_a_bomb_in_bounded_memory);
    tcase_add_test(tests, the_walk_agrees_with_the_reader);
    tcase_add_test(tests, the_walk_agrees_at_the_borders_of_sizes);
    tcase_add_test(tests, offsets_of_every_length_are_in_line);
    tcase_add_test(tests, admit_survives_every_failed_allocation);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("record batch check", add);
}
