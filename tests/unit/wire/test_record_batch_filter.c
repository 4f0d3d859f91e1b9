/* What a compaction leaves of one batch, in every codec. */
#include "wire/record_batch.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/support.h"
#include "wire/record_batch_reader.h"

enum { COUNT = 10, BASE_OFFSET = 1000, EPOCH = 7 };

static const enum weir_codec codecs[] = {WEIR_CODEC_NONE, WEIR_CODEC_GZIP, WEIR_CODEC_SNAPPY,
                                         WEIR_CODEC_LZ4, WEIR_CODEC_ZSTD};
static const int64_t base_ms = 1700000000000;

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_buffer plain;
static struct weir_buffer records;
static struct weir_buffer output;
static struct weir_buffer input;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_buffer_init(&plain, &budget, 0);
    weir_buffer_init(&records, &budget, 0);
    weir_buffer_init(&output, &budget, 0);
    weir_buffer_init(&input, &budget, 0);
}

static void tear_down(void)
{
    weir_buffer_close(&plain);
    weir_buffer_close(&records);
    weir_buffer_close(&output);
    weir_buffer_close(&input);
    ck_assert_uint_eq(budget.used, 0);
}

/* Ten records with a header each: the third and the seventh are tombstones, times go up and down. */
static int64_t time_of(int i)
{
    return base_ms + (i % 4) * 1000 - i;
}

static bool is_tombstone(int i)
{
    return i == 2 || i == 6;
}

static struct weir_slice build(enum weir_codec codec)
{
    struct weir_batch_builder builder;
    struct weir_slice batch;
    weir_batch_builder_init(&builder, &budget, codec, WEIR_CODEC_LEVEL_DEFAULT);
    for (int i = 0; i < COUNT; i++) {
        char key[16];
        struct weir_header header = {.key = weir_text("h"), .value = weir_text("a header's value")};
        (void)snprintf(key, sizeof key, "k%d", i);
        struct weir_record record = {
            .key = weir_text(key),
            .value = is_tombstone(i) ? weir_null() : weir_text("some value, some value"),
            .timestamp_ms = time_of(i),
            .headers = &header,
            .header_count = 1,
        };
        ck_ok(weir_batch_builder_add(&builder, &record), NULL);
    }
    struct weir_batch_finish finish = {.base_offset = BASE_OFFSET,
                                       .leader_epoch = EPOCH,
                                       .producer_id = 5,
                                       .producer_epoch = 2,
                                       .base_sequence = 40};
    ck_ok(weir_batch_builder_finish(&builder, &finish, &batch), NULL);
    weir_buffer_reset(&input);
    weir_buffer_append(&input, batch.data, batch.size);
    weir_batch_builder_close(&builder);
    return weir_buffer_slice(&input);
}

/* A bit per record. */
static bool keeps(void *context, const struct weir_record *record)
{
    unsigned kept = *(const unsigned *)context;
    return (kept >> (record->offset - BASE_OFFSET) & 1) != 0;
}

static struct weir_batch_filter filter_of(unsigned *kept)
{
    return (struct weir_batch_filter){
        .keeps = keeps,
        .context = kept,
        .horizon_ms = WEIR_NO_TIMESTAMP,
        .level = WEIR_CODEC_LEVEL_DEFAULT,
        .plain = &plain,
        .records = &records,
    };
}

static void apply(struct weir_slice batch, struct weir_batch_filter *filter)
{
    struct weir_error error = {0};
    weir_buffer_reset(&output);
    ck_ok(weir_batch_filter(batch, filter, &output, &error), &error);
}

/* The output has exactly these records, whole, and the header's other fields are as they were. */
static struct weir_batch_header expect(unsigned kept, enum weir_codec codec)
{
    struct weir_error error = {0};
    struct weir_arena arena;
    struct weir_record record;
    struct weir_batch_reader reader = {
        .rest = weir_buffer_slice(&output), .plain = &plain, .arena = &arena, .is_whole = true};
    int64_t largest_ms = WEIR_NO_TIMESTAMP;
    weir_arena_init(&arena, &budget, 0);
    ck_ok(weir_batch_reader_open_next(&reader, &error), &error);
    const struct weir_batch_header *header = &reader.header;
    ck_assert_int_eq(header->base_offset, BASE_OFFSET);
    ck_assert_int_eq(header->last_offset_delta, COUNT - 1);
    ck_assert_int_eq(header->leader_epoch, EPOCH);
    ck_assert_int_eq(header->producer_id, 5);
    ck_assert_int_eq(header->producer_epoch, 2);
    ck_assert_int_eq(header->base_sequence, 40);
    ck_assert_int_eq((int)weir_batch_codec(header), (int)codec);
    for (int i = 0; i < COUNT; i++) {
        char key[16];
        if ((kept >> i & 1) == 0) continue;
        (void)snprintf(key, sizeof key, "k%d", i);
        ck_ok(weir_batch_reader_record(&reader, &record, &error), &error);
        ck_assert_int_eq(record.offset, BASE_OFFSET + i);
        ck_assert_int_eq(record.timestamp_ms, time_of(i));
        ck_assert(weir_slice_equal(record.key, weir_text(key)));
        ck_assert(weir_slice_is_null(record.value) == is_tombstone(i));
        ck_assert_uint_eq(record.header_count, 1);
        ck_assert(weir_slice_equal(record.headers[0].value, weir_text("a header's value")));
        if (record.timestamp_ms > largest_ms) largest_ms = record.timestamp_ms;
    }
    ck_assert_int_eq(weir_batch_reader_record(&reader, &record, &error), WEIR_END);
    ck_assert_int_eq(header->max_timestamp_ms, largest_ms);
    weir_arena_close(&arena);
    return *header;
}

/* Any choice of records, in any codec, leaves these records and nothing else changed. */
START_TEST(what_stays_stays_as_it_was)
{
    struct weir_test_random random = {4};
    for (int round = 0; round < 200; round++) {
        enum weir_codec codec = codecs[round % 5];
        unsigned kept = 1 + (unsigned)weir_test_random_below(&random, (1 << COUNT) - 1);
        struct weir_batch_filter filter = filter_of(&kept);
        apply(build(codec), &filter);
        (void)expect(kept, codec);
        ck_assert_int_eq(filter.kept_count, __builtin_popcount(kept));
        ck_assert_int_eq(filter.kept_tombstones, (int)(kept >> 2 & 1) + (int)(kept >> 6 & 1));
        ck_assert(filter.is_changed == (filter.kept_count < COUNT));
    }
}
END_TEST

/* Who loses nothing keeps its bytes, compressed ones too. */
START_TEST(nothing_lost_nothing_written_anew)
{
    unsigned all = (1 << COUNT) - 1;
    for (size_t i = 0; i < 5; i++) {
        struct weir_batch_filter filter = filter_of(&all);
        struct weir_slice batch = build(codecs[i]);
        apply(batch, &filter);
        ck_assert(weir_slice_equal(weir_buffer_slice(&output), batch));
        ck_assert(!filter.is_changed);
    }
}
END_TEST

/* Without a record the header stays, if it is asked for, with no time and no codec; else nothing does. */
START_TEST(an_empty_batch_is_a_header_or_nothing)
{
    unsigned none = 0;
    struct weir_batch_header header;
    struct weir_batch_filter filter = filter_of(&none);
    apply(build(WEIR_CODEC_ZSTD), &filter);
    ck_assert_uint_eq(output.size, 0);
    filter.keeps_empty = true;
    apply(build(WEIR_CODEC_ZSTD), &filter);
    ck_assert_uint_eq(output.size, WEIR_BATCH_HEADER_SIZE);
    ck_ok(weir_batch_peek(weir_buffer_slice(&output), 0, &header, NULL), NULL);
    ck_ok(weir_batch_check_crc(weir_buffer_slice(&output), NULL), NULL);
    ck_assert_int_eq(header.record_count, 0);
    ck_assert_int_eq(header.attributes, 0);
    ck_assert_int_eq(header.max_timestamp_ms, WEIR_NO_TIMESTAMP);
    ck_assert_int_eq(weir_batch_last_offset(&header), BASE_OFFSET + COUNT - 1);
    ck_assert_int_eq(header.base_sequence, 40);
    struct weir_buffer again;
    weir_buffer_init(&again, &budget, 0);
    ck_ok(weir_batch_filter(weir_buffer_slice(&output), &filter, &again, NULL), NULL);
    ck_assert(weir_slice_equal(weir_buffer_slice(&again), weir_buffer_slice(&output)));
    ck_assert(!filter.is_changed);
    weir_buffer_close(&again);
}
END_TEST

/* A batch that keeps a tombstone is given the horizon, once, and its records keep their times; one without is not. */
START_TEST(a_horizon_is_set_once)
{
    for (size_t i = 0; i < 5; i++) {
        unsigned kept = 1 << 1 | 1 << 2 | 1 << 9;
        struct weir_batch_filter filter = filter_of(&kept);
        filter.horizon_ms = base_ms + 86400000;
        apply(build(codecs[i]), &filter);
        struct weir_batch_header header = expect(kept, codecs[i]);
        ck_assert((header.attributes & WEIR_BATCH_DELETE_HORIZON) != 0);
        ck_assert_int_eq(header.base_timestamp_ms, base_ms + 86400000);

        struct weir_buffer first;
        weir_buffer_init(&first, &budget, 0);
        weir_buffer_append(&first, output.data, output.size);
        filter.horizon_ms += 1000;
        apply(weir_buffer_slice(&first), &filter);
        ck_assert(weir_slice_equal(weir_buffer_slice(&output), weir_buffer_slice(&first)));
        unsigned fewer = 1 << 2;
        filter.context = &fewer;
        apply(weir_buffer_slice(&first), &filter);
        header = expect(fewer, codecs[i]);
        ck_assert_int_eq(header.base_timestamp_ms, base_ms + 86400000);
        weir_buffer_close(&first);

        unsigned values = 1 << 0 | 1 << 3;
        filter.context = &values;
        apply(build(codecs[i]), &filter);
        ck_assert((expect(values, codecs[i]).attributes & WEIR_BATCH_DELETE_HORIZON) == 0);
        filter.is_dated = true;
        apply(build(codecs[i]), &filter);
        ck_assert((expect(values, codecs[i]).attributes & WEIR_BATCH_DELETE_HORIZON) != 0);
    }
}
END_TEST

/* A time so far from the horizon that no delta says it leaves the batch without one: its tombstones stay. */
START_TEST(a_horizon_out_of_reach_is_none)
{
    struct weir_batch_builder builder;
    struct weir_slice batch;
    unsigned all = 1;
    weir_batch_builder_init(&builder, &budget, WEIR_CODEC_NONE, 0);
    ck_ok(weir_batch_builder_add(&builder, &(struct weir_record){.key = weir_text("k"),
                                                                 .value = weir_null(),
                                                                 .timestamp_ms = INT64_MIN + 5}),
          NULL);
    ck_ok(weir_batch_builder_finish(&builder, &WEIR_BATCH_FINISH_NONE, &batch), NULL);
    weir_batch_assign((uint8_t *)(uintptr_t)batch.data, BASE_OFFSET, EPOCH);
    struct weir_batch_filter filter = filter_of(&all);
    filter.horizon_ms = base_ms;
    apply(batch, &filter);
    ck_assert(weir_slice_equal(weir_buffer_slice(&output), batch));
    weir_batch_builder_close(&builder);
}
END_TEST

/* A batch in log-append time keeps that time, whatever is left of it. */
START_TEST(append_time_stays)
{
    unsigned kept = 1 << 2;
    struct weir_batch_header header;
    struct weir_batch_filter filter = filter_of(&kept);
    struct weir_slice batch = build(WEIR_CODEC_NONE);
    weir_batch_set_append_time(input.data, batch.size, base_ms + 77);
    filter.horizon_ms = base_ms + 1;
    apply(batch, &filter);
    ck_ok(weir_batch_peek(weir_buffer_slice(&output), 0, &header, NULL), NULL);
    ck_assert_int_eq(header.max_timestamp_ms, base_ms + 77);
    ck_assert_int_eq(header.base_timestamp_ms, base_ms + 1);
}
END_TEST

/* Damage is told and nothing is written, wherever the byte is that is wrong; so is the want of memory. */
START_TEST(damage_and_shortage_write_nothing)
{
    unsigned kept = 5;
    struct weir_error error = {0};
    struct weir_batch_filter filter = filter_of(&kept);
    struct weir_slice batch = build(WEIR_CODEC_LZ4);
    weir_buffer_reset(&output);
    weir_buffer_append(&output, "before", 6);
    for (size_t at = WEIR_BATCH_CRC_FROM; at < batch.size; at++) {
        input.data[at] ^= 1;
        ck_code(weir_batch_filter(batch, &filter, &output, &error), WEIR_CORRUPT);
        ck_assert_uint_eq(output.size, 6);
        input.data[at] ^= 1;
    }
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        weir_buffer_close(&plain);
        weir_buffer_close(&records);
        weir_buffer_close(&output);
        weir_buffer_init(&plain, &budget, 0);
        weir_buffer_init(&records, &budget, 0);
        weir_buffer_init(&output, &budget, 0);
        filter.horizon_ms = base_ms;
        weir_test_failures_arm(&failures, &heap);
        int rc = weir_batch_filter(batch, &filter, &output, &error);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert(was_hit ? rc == WEIR_NO_MEMORY || rc == 0 : rc == 0);
        ck_assert(rc == 0 || output.size == 0);
    }
    ck_assert_uint_gt(failures.hits, 2);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("record batch filter");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_stays_stays_as_it_was);
    tcase_add_test(tests, nothing_lost_nothing_written_anew);
    tcase_add_test(tests, an_empty_batch_is_a_header_or_nothing);
    tcase_add_test(tests, a_horizon_is_set_once);
    tcase_add_test(tests, a_horizon_out_of_reach_is_none);
    tcase_add_test(tests, append_time_stays);
    tcase_add_test(tests, damage_and_shortage_write_nothing);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("record batch filter", add);
}
