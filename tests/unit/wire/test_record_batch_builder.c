#include "wire/record_batch.h"

#include <stdio.h>

#include "tests/support/support.h"
#include "tests/unit/wire/batch_stage.h"
#include "tests/unit/wire/golden_batches.h"

enum { RECORDS_MAX = 40, HEADERS_MAX = 3, PAYLOAD_SIZE = 4096 };

static const enum weir_codec codecs[] = {WEIR_CODEC_NONE, WEIR_CODEC_GZIP, WEIR_CODEC_SNAPPY,
                                         WEIR_CODEC_LZ4, WEIR_CODEC_ZSTD};

/* Records whose keys and values are cuts out of one random payload. */
struct records {
    uint8_t payload[PAYLOAD_SIZE];
    struct weir_record list[RECORDS_MAX];
    struct weir_header headers[RECORDS_MAX][HEADERS_MAX];
    size_t count;
};

static struct weir_slice random_bytes(struct weir_test_random *random,
                                      const struct records *records, bool is_nullable)
{
    uint64_t kind = weir_test_random_below(random, 8);
    if (kind == 0 && is_nullable) return weir_null();
    size_t size_max = kind == 1 ? 1 : kind < 6 ? 70 : 300; /* around one and two bytes of varint */
    size_t size = (size_t)weir_test_random_below(random, size_max);
    return weir_slice(records->payload + weir_test_random_below(random, PAYLOAD_SIZE - size), size);
}

static int64_t random_timestamp(struct weir_test_random *random, int64_t base)
{
    switch (weir_test_random_below(random, 4)) {
    case 0:
        return base;
    case 1:
        return base + (int64_t)weir_test_random_below(random, 100);
    case 2:
        return base - (int64_t)weir_test_random_below(random, 100000);
    default:
        return (int64_t)(weir_test_random_next(random) >> 1);
    }
}

static void random_records(struct weir_test_random *random, struct records *records)
{
    weir_test_random_fill(random, records->payload, PAYLOAD_SIZE);
    records->count = 1 + weir_test_random_below(random, RECORDS_MAX);
    for (size_t i = 0; i < records->count; i++) {
        struct weir_record *record = &records->list[i];
        *record = (struct weir_record){
            .key = random_bytes(random, records, true),
            .value = random_bytes(random, records, true),
            .timestamp_ms = random_timestamp(random, GOLDEN_TIME_MS),
            .headers = records->headers[i],
            .header_count = weir_test_random_below(random, 4) == 0
                                ? weir_test_random_below(random, HEADERS_MAX + 1)
                                : 0,
        };
        for (size_t j = 0; j < record->header_count; j++) {
            records->headers[i][j].key = random_bytes(random, records, false);
            records->headers[i][j].value = random_bytes(random, records, true);
        }
    }
}

static void add_all(struct weir_batch_builder *builder, const struct records *records)
{
    for (size_t i = 0; i < records->count; i++) {
        ck_code(weir_batch_builder_add(builder, &records->list[i]), 0);
    }
}

static void assert_same_record(const struct weir_record *actual, const struct weir_record *expected)
{
    ck_assert(weir_slice_equal(actual->key, expected->key));
    ck_assert(weir_slice_equal(actual->value, expected->value));
    ck_assert_int_eq(actual->timestamp_ms, expected->timestamp_ms);
    ck_assert_uint_eq(actual->header_count, expected->header_count);
    for (size_t i = 0; i < expected->header_count; i++) {
        ck_assert(weir_slice_equal(actual->headers[i].key, expected->headers[i].key));
        ck_assert(weir_slice_equal(actual->headers[i].value, expected->headers[i].value));
    }
}

/* Read in runs of `run_size`, and one by one where it is 0. */
static void assert_batch_holds(struct batch_stage *stage, struct weir_slice batch,
                               const struct records *records, size_t run_size)
{
    struct weir_batch_reader reader;
    struct weir_record read[RECORDS_MAX + 1];
    ck_ok(batch_stage_open(stage, &reader, batch), &stage->error);
    size_t count = 0;
    for (;;) {
        int rc = run_size == 0 ? weir_batch_reader_record(&reader, &read[count], &stage->error)
                               : weir_batch_reader_records(&reader, &read[count], run_size, NULL);
        if (rc == (run_size == 0 ? WEIR_END : 0)) break;
        ck_ok(rc, &stage->error);
        count += run_size == 0 ? 1 : (size_t)rc;
        ck_assert_uint_le(count, records->count);
    }
    ck_assert_uint_eq(count, records->count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(read[i].offset, reader.header.base_offset + (int64_t)i);
        assert_same_record(&read[i], &records->list[i]);
    }
    weir_arena_reset(&stage->arena);
}

/* The builder's bytes are those that were written from the definition of the format. */
START_TEST(builder_makes_the_golden_bytes)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    const struct weir_header headers[] = {{weir_text("h"), weir_text("x")},
                                          {weir_text("n"), weir_null()}};
    const struct weir_record records[] = {
        {.key = weir_text("k1"),
         .value = weir_text("v1"),
         .timestamp_ms = GOLDEN_TIME_MS,
         .headers = headers,
         .header_count = 2},
        {.value = weir_text(""), .timestamp_ms = GOLDEN_TIME_MS + 5},
        {.key = weir_text(""), .timestamp_ms = GOLDEN_TIME_MS - 3},
    };
    struct weir_batch_builder builder;
    weir_batch_builder_init(&builder, &stage.budget, WEIR_CODEC_NONE, WEIR_CODEC_LEVEL_DEFAULT);
    for (size_t i = 0; i < 3; i++) {
        ck_code(weir_batch_builder_add(&builder, &records[i]), 0);
    }
    ck_assert_uint_eq(weir_batch_builder_size(&builder), sizeof golden_batch_plain);
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    finish.base_offset = 42;
    finish.leader_epoch = 7;
    struct weir_slice batch;
    ck_code(weir_batch_builder_finish(&builder, &finish, &batch), 0);
    ck_assert_uint_eq(batch.size, sizeof golden_batch_plain);
    ck_assert_mem_eq(batch.data, golden_batch_plain, sizeof golden_batch_plain);
    weir_batch_builder_close(&builder);
    batch_stage_close(&stage);
}
END_TEST

/* Producer fields, transactional and control bits stand where a client put them. */
START_TEST(builder_writes_the_producers_fields)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct weir_batch_builder builder;
    struct weir_batch_finish finish = {.base_offset = 100,
                                       .leader_epoch = 3,
                                       .producer_id = GOLDEN_PRODUCER_ID,
                                       .producer_epoch = 2,
                                       .base_sequence = 9,
                                       .is_transactional = true};
    struct weir_slice batch;
    weir_batch_builder_init(&builder, &stage.budget, WEIR_CODEC_NONE, WEIR_CODEC_LEVEL_DEFAULT);
    struct weir_record record = {
        .key = weir_text("a"), .value = weir_text("b"), .timestamp_ms = GOLDEN_TIME_MS};
    ck_code(weir_batch_builder_add(&builder, &record), 0);
    ck_code(weir_batch_builder_finish(&builder, &finish, &batch), 0);
    ck_assert_uint_eq(batch.size, sizeof golden_batch_txn);
    ck_assert_mem_eq(batch.data, golden_batch_txn, sizeof golden_batch_txn);

    static const uint8_t key[] = {0, 0, 0, WEIR_CONTROL_COMMIT};
    static const uint8_t value[] = {0, 0, 0, 0, 0, 12};
    record.key = weir_slice(key, sizeof key);
    record.value = weir_slice(value, sizeof value);
    finish.base_offset = 101;
    finish.base_sequence = WEIR_NO_SEQUENCE;
    finish.is_control = true;
    weir_batch_builder_reset(&builder);
    ck_code(weir_batch_builder_add(&builder, &record), 0);
    ck_code(weir_batch_builder_finish(&builder, &finish, &batch), 0);
    ck_assert_uint_eq(batch.size, sizeof golden_batch_control);
    ck_assert_mem_eq(batch.data, golden_batch_control, sizeof golden_batch_control);
    weir_batch_builder_close(&builder);
    batch_stage_close(&stage);
}
END_TEST

/* Thousands of random batches, every codec: built, checked, and read back the same, one by one and
 * in runs of any length. */
START_TEST(random_batches_round_trip)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct weir_test_random random = {20};
    struct weir_batch_check check = {.walk_records = true, .budget = &stage.budget};
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct records *records = weir_alloc(&stage.budget, sizeof *records);
    for (size_t codec = 0; codec < sizeof codecs / sizeof codecs[0]; codec++) {
        struct weir_batch_builder builder;
        weir_batch_builder_init(&builder, &stage.budget, codecs[codec], WEIR_CODEC_LEVEL_DEFAULT);
        for (int round = 0; round < 600; round++) {
            random_records(&random, records);
            weir_batch_builder_reset(&builder);
            add_all(&builder, records);
            struct weir_slice batch;
            ck_code(weir_batch_builder_finish(&builder, &finish, &batch), 0);
            ck_ok(weir_batch_check(batch, &check, &stage.error), &stage.error);
            assert_batch_holds(&stage, batch, records, (size_t)round % 50);
        }
        weir_batch_builder_close(&builder);
    }
    weir_free(records);
    batch_stage_close(&stage);
}
END_TEST

/* The maximum is the largest time among the records, and the base the first one's. */
START_TEST(builder_keeps_base_and_maximum_time)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct weir_batch_builder builder;
    weir_batch_builder_init(&builder, &stage.budget, WEIR_CODEC_NONE, WEIR_CODEC_LEVEL_DEFAULT);
    const int64_t times[] = {50, 70, -1, 60};
    for (size_t i = 0; i < 4; i++) {
        struct weir_record record = {.value = weir_text("v"), .timestamp_ms = times[i]};
        ck_code(weir_batch_builder_add(&builder, &record), 0);
    }
    struct weir_slice batch;
    struct weir_batch_header header;
    ck_code(weir_batch_builder_finish(&builder, &WEIR_BATCH_FINISH_NONE, &batch), 0);
    ck_code(weir_batch_peek(batch, 0, &header, NULL), 0);
    ck_assert_int_eq(header.base_timestamp_ms, 50);
    ck_assert_int_eq(header.max_timestamp_ms, 70);
    weir_batch_builder_close(&builder);
    batch_stage_close(&stage);
}
END_TEST

/* A record that cannot be in the batch is refused and the batch is as before. */
START_TEST(refused_records_leave_the_batch_alone)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct weir_batch_builder builder;
    weir_batch_builder_init(&builder, &stage.budget, WEIR_CODEC_NONE, WEIR_CODEC_LEVEL_DEFAULT);
    struct weir_record good = {.key = weir_text("k"), .timestamp_ms = -2};
    ck_code(weir_batch_builder_add(&builder, &good), 0);
    size_t size = weir_batch_builder_size(&builder);

    struct weir_record late = {.timestamp_ms = INT64_MAX};
    ck_code(weir_batch_builder_add(&builder, &late), WEIR_INVALID_TIMESTAMP);
    struct weir_record huge = {.value = weir_slice("x", (size_t)INT32_MAX + 1)};
    ck_code(weir_batch_builder_add(&builder, &huge), WEIR_TOO_LARGE);
    struct weir_header header = {weir_text("h"), weir_slice("x", INT32_MAX)};
    struct weir_record heavy = {.headers = &header, .header_count = 1};
    ck_code(weir_batch_builder_add(&builder, &heavy), WEIR_TOO_LARGE);

    ck_assert_int_eq(builder.record_count, 1);
    ck_assert_uint_eq(weir_batch_builder_size(&builder), size);
    weir_batch_builder_close(&builder);
    batch_stage_close(&stage);
}
END_TEST

/* No batch is larger than its length can say: a record that would make it so is refused before anything of it is
 * looked at, as the first of a batch as well as behind others. */
START_TEST(a_record_larger_than_any_batch_is_refused)
{
    struct batch_stage stage;
    struct weir_batch_builder builder;
    batch_stage_init(&stage);
    stage.budget.limit = 1 << 20;
    weir_batch_builder_init(&builder, &stage.budget, WEIR_CODEC_NONE, WEIR_CODEC_LEVEL_DEFAULT);
    for (int round = 0; round < 2; round++) {
        for (size_t less = 0; less < 90; less += 3) {
            struct weir_record record = {.value = weir_slice("x", (size_t)INT32_MAX - less)};
            ck_code(weir_batch_builder_add(&builder, &record), WEIR_TOO_LARGE);
        }
        struct weir_record good = {.key = weir_text("k")};
        ck_code(weir_batch_builder_add(&builder, &good), 0);
    }
    weir_batch_builder_close(&builder);
    batch_stage_close(&stage);
}
END_TEST

/* The Nth allocation fails, N = 1, 2, ...: each time an error, nothing leaked, and the records that
 * were added before still make a batch. */
START_TEST(building_survives_every_failed_allocation)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct weir_test_random random = {3};
    struct records *records = weir_alloc(&stage.budget, sizeof *records);
    random_records(&random, records);
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        struct weir_batch_builder builder;
        weir_batch_builder_init(&builder, &stage.budget, WEIR_CODEC_LZ4, WEIR_CODEC_LEVEL_DEFAULT);
        weir_test_failures_arm(&failures, &stage.heap);
        int rc = 0;
        int32_t added = 0;
        for (size_t i = 0; i < records->count && rc == 0; i++) {
            rc = weir_batch_builder_add(&builder, &records->list[i]);
            added += rc == 0;
        }
        ck_assert_int_eq(builder.record_count, added);
        struct weir_slice batch;
        if (rc == 0) rc = weir_batch_builder_finish(&builder, &WEIR_BATCH_FINISH_NONE, &batch);
        if (rc == 0) rc = batch_stage_walk(&stage, batch) == WEIR_END ? 0 : WEIR_NO_MEMORY;
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 0);
        weir_batch_builder_close(&builder);
        weir_buffer_close(&stage.plain);
        weir_arena_close(&stage.arena);
        batch_stage_init_buffers(&stage);
    }
    ck_assert_uint_gt(failures.hits, 3);
    weir_free(records);
    batch_stage_close(&stage);
}
END_TEST

/* After the first rounds, building and reading a batch takes nothing from the heap. */
START_TEST(steady_state_allocates_nothing)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct weir_test_random random = {8};
    struct records *records = weir_alloc(&stage.budget, sizeof *records);
    random_records(&random, records);
    struct weir_batch_builder builder;
    weir_batch_builder_init(&builder, &stage.budget, WEIR_CODEC_NONE, WEIR_CODEC_LEVEL_DEFAULT);
    uint64_t allocations = 0;
    for (int round = 0; round < 100; round++) {
        if (round == 2) allocations = stage.heap.allocation_count;
        weir_batch_builder_reset(&builder);
        add_all(&builder, records);
        struct weir_slice batch;
        ck_code(weir_batch_builder_finish(&builder, &WEIR_BATCH_FINISH_NONE, &batch), 0);
        assert_batch_holds(&stage, batch, records, 7);
    }
    ck_assert_uint_eq(stage.heap.allocation_count, allocations);
    weir_batch_builder_close(&builder);
    weir_free(records);
    batch_stage_close(&stage);
}
END_TEST

/* A small batch that unpacks to more than the cap is refused, in each codec, with little memory. */
START_TEST(bombs_stop_at_the_cap)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    enum { BOMB_SIZE = 8 << 20, CAP = 64 << 10 };
    uint8_t *zeros = weir_alloc_zero(&stage.budget, BOMB_SIZE);
    for (size_t codec = 1; codec < sizeof codecs / sizeof codecs[0]; codec++) {
        struct weir_batch_builder builder;
        weir_batch_builder_init(&builder, &stage.budget, codecs[codec], WEIR_CODEC_LEVEL_DEFAULT);
        struct weir_record record = {.value = weir_slice(zeros, BOMB_SIZE)};
        struct weir_slice batch;
        ck_code(weir_batch_builder_add(&builder, &record), 0);
        ck_code(weir_batch_builder_finish(&builder, &WEIR_BATCH_FINISH_NONE, &batch), 0);
        ck_assert_uint_lt(batch.size, BOMB_SIZE / 10);

        struct weir_batch_check check = {
            .walk_records = true, .plain_size_max = CAP, .budget = &stage.budget};
        size_t used = stage.budget.used;
        stage.budget.peak = used;
        ck_code(weir_batch_check(batch, &check, &stage.error), WEIR_TOO_LARGE);
        ck_assert_uint_lt(stage.budget.peak - used, BOMB_SIZE / 2);
        ck_assert_uint_eq(stage.budget.used, used);
        check.plain_size_max = 0;
        ck_ok(weir_batch_check(batch, &check, &stage.error), &stage.error);
        weir_batch_builder_close(&builder);
    }
    weir_free(zeros);
    batch_stage_close(&stage);
}
END_TEST

static size_t size_at_level(struct batch_stage *stage, enum weir_codec codec, int level,
                            struct weir_slice text)
{
    struct weir_batch_builder builder;
    struct weir_record record = {.value = text};
    struct weir_slice batch;
    weir_batch_builder_init(&builder, &stage->budget, codec, level);
    ck_code(weir_batch_builder_add(&builder, &record), 0);
    ck_code(weir_batch_builder_finish(&builder, &WEIR_BATCH_FINISH_NONE, &batch), 0);
    size_t size = batch.size;
    weir_batch_builder_close(&builder);
    return size;
}

/* The level goes to the codec: more work makes less of a text of words. */
START_TEST(a_higher_level_makes_a_smaller_batch)
{
    static const struct {
        enum weir_codec codec;
        int low, high;
    } cases[] = {{WEIR_CODEC_GZIP, 1, 9}, {WEIR_CODEC_LZ4, 1, 12}, {WEIR_CODEC_ZSTD, 1, 19}};
    enum { TEXT_SIZE = 64 << 10 };
    struct batch_stage stage;
    struct weir_test_random random = {5};
    batch_stage_init(&stage);
    uint8_t *text = weir_alloc(&stage.budget, TEXT_SIZE);
    for (size_t at = 0; at < TEXT_SIZE; at += 8) {
        (void)snprintf((char *)text + at, 8, "%07d", (int)weir_test_random_below(&random, 500));
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_slice value = weir_slice(text, TEXT_SIZE);
        size_t low = size_at_level(&stage, cases[i].codec, cases[i].low, value);
        ck_assert_uint_lt(size_at_level(&stage, cases[i].codec, cases[i].high, value), low);
    }
    weir_free(text);
    batch_stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("building");
    tcase_add_test(tests, builder_makes_the_golden_bytes);
    tcase_add_test(tests, builder_writes_the_producers_fields);
    tcase_add_test(tests, builder_keeps_base_and_maximum_time);
    tcase_add_test(tests, random_batches_round_trip);
    tcase_add_test(tests, refused_records_leave_the_batch_alone);
    tcase_add_test(tests, building_survives_every_failed_allocation);
    tcase_add_test(tests, steady_state_allocates_nothing);
    tcase_add_test(tests, bombs_stop_at_the_cap);
    tcase_add_test(tests, a_higher_level_makes_a_smaller_batch);
    tcase_add_test(tests, a_record_larger_than_any_batch_is_refused);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("record_batch_builder", add);
}
