#include "wire/record_batch_reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "tests/support/support.h"
#include "tests/unit/wire/batch_stage.h"
#include "tests/unit/wire/golden_batches.h"

#define SLICE(bytes) weir_slice(bytes, sizeof bytes)

enum { RECORDS = 5, BATCHES = WEIR_CODEC_COUNT, RUN_MAX = 4096, BOMB_SIZE = 8 << 20 };

/* One batch in each codec, one behind the other; each takes ten offsets. */
struct run {
    uint8_t bytes[RUN_MAX];
    size_t size;
    size_t ends[BATCHES]; /* of each batch */
};

static void add_batch(struct batch_stage *stage, struct run *run, enum weir_codec codec)
{
    struct weir_batch_builder builder;
    struct weir_slice batch;
    struct weir_header header = {weir_text("trace"), weir_text("on")};
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    finish.base_offset = 10 * (int64_t)codec;
    finish.leader_epoch = 3;
    weir_batch_builder_init(&builder, &stage->budget, codec, WEIR_CODEC_LEVEL_DEFAULT);
    for (int i = 0; i < RECORDS; i++) {
        struct weir_record record = {
            .key = weir_text("key"),
            .value = i == 2 ? weir_null() : weir_text("value"),
            .headers = &header,
            .header_count = i == 3 ? 1 : 0,
            .timestamp_ms = GOLDEN_TIME_MS + i,
        };
        ck_code(weir_batch_builder_add(&builder, &record), 0);
    }
    ck_code(weir_batch_builder_finish(&builder, &finish, &batch), 0);
    ck_assert_uint_le(run->size + batch.size, RUN_MAX);
    memcpy(run->bytes + run->size, batch.data, batch.size);
    run->size += batch.size;
    run->ends[codec] = run->size;
    weir_batch_builder_close(&builder);
}

static void make(struct batch_stage *stage, struct run *run)
{
    *run = (struct run){0};
    for (int codec = 0; codec < BATCHES; codec++) {
        add_batch(stage, run, (enum weir_codec)codec);
    }
}

static struct weir_batch_reader reader_of(struct batch_stage *stage, struct weir_slice bytes)
{
    return (struct weir_batch_reader){
        .rest = bytes, .plain = &stage->plain, .arena = &stage->arena};
}

/* The records of the batch at hand, to the end. */
static void assert_records(struct weir_batch_reader *reader)
{
    struct weir_record record;
    for (int i = 0; i < RECORDS; i++) {
        ck_code(weir_batch_reader_record(reader, &record, NULL), 0);
        ck_assert_int_eq(record.offset, reader->header.base_offset + i);
        ck_assert_int_eq(record.timestamp_ms, GOLDEN_TIME_MS + i);
        ck_assert(weir_slice_equal(record.key, weir_text("key")));
        ck_assert_int_eq(weir_slice_is_null(record.value), i == 2);
        ck_assert_uint_eq(record.header_count, i == 3 ? 1 : 0);
        if (i == 3) ck_assert(weir_slice_equal(record.headers[0].value, weir_text("on")));
    }
    ck_code(weir_batch_reader_record(reader, &record, NULL), WEIR_END);
}

/* A run is read batch by batch, whatever the codec of each, and ends. */
START_TEST(a_run_is_read_batch_by_batch)
{
    struct batch_stage stage;
    struct run run;
    batch_stage_init(&stage);
    make(&stage, &run);
    struct weir_batch_reader reader = reader_of(&stage, weir_slice(run.bytes, run.size));
    for (int codec = 0; codec < BATCHES; codec++) {
        ck_ok(weir_batch_reader_open_next(&reader, &stage.error), &stage.error);
        ck_assert_int_eq(weir_batch_codec(&reader.header), codec);
        ck_assert_int_eq(reader.header.leader_epoch, 3);
        ck_assert_ptr_eq(reader.batch.data + reader.batch.size, run.bytes + run.ends[codec]);
        assert_records(&reader);
    }
    ck_code(weir_batch_reader_next(&reader, &stage.error), WEIR_END);
    ck_code(weir_batch_reader_next(&reader, &stage.error), WEIR_END);
    batch_stage_close(&stage);
}
END_TEST

/* Cut at any byte, a run gives the batches that are whole, and then says that it is cut off: to who
 * knows that it should not be, as damage. What was at hand stays at hand. */
START_TEST(a_run_may_be_cut_at_any_byte)
{
    struct batch_stage stage;
    struct run run;
    batch_stage_init(&stage);
    make(&stage, &run);
    for (size_t size = 0; size < run.size; size++) {
        uint8_t *copy = malloc(size + 1); /* a sanitizer sees a read past its end */
        memcpy(copy + 1, run.bytes, size);
        struct weir_batch_reader reader = reader_of(&stage, weir_slice(copy + 1, size));
        int whole = 0;
        int rc;
        while ((rc = weir_batch_reader_open_next(&reader, NULL)) == 0) {
            assert_records(&reader);
            whole++;
        }
        size_t end = whole > 0 ? run.ends[whole - 1] : 0;
        ck_assert(whole == BATCHES || size < run.ends[whole]);
        ck_code(rc, end == size ? WEIR_END : WEIR_TRUNCATED);
        ck_assert_uint_eq(reader.rest.size, size - end);
        ck_assert_uint_eq(reader.batch.size, whole == 0   ? 0
                                             : whole == 1 ? run.ends[0]
                                                          : end - run.ends[whole - 2]);
        reader.is_whole = true;
        ck_code(weir_batch_reader_next(&reader, &stage.error), end == size ? 1 : WEIR_CORRUPT);
        if (end < size) ck_assert_int_eq(stage.error.code, WEIR_CORRUPT);
        free(copy);
        weir_arena_reset(&stage.arena);
    }
    batch_stage_close(&stage);
}
END_TEST

/* Records that were cut at any byte before the batch was made of them, so that its crc fits. */
START_TEST(cut_records_are_damage_in_every_codec)
{
    struct batch_stage stage;
    struct run run;
    batch_stage_init(&stage);
    make(&stage, &run);
    for (int codec = 0; codec < BATCHES; codec++) {
        size_t begin = codec == 0 ? 0 : run.ends[codec - 1];
        struct weir_batch_header header;
        struct weir_slice whole = weir_slice(run.bytes + begin, run.ends[codec] - begin);
        ck_code(weir_batch_peek(whole, 0, &header, NULL), 0);
        for (size_t size = 0; size < whole.size - WEIR_BATCH_HEADER_SIZE; size++) {
            struct weir_slice records = weir_slice(whole.data + WEIR_BATCH_HEADER_SIZE, size);
            struct weir_slice batch = batch_stage_build(&stage, header, records);
            ck_assert_msg(batch_stage_walk(&stage, batch) == WEIR_CORRUPT, "%s, %zu bytes",
                          weir_codec_name(codec), size);
            weir_arena_reset(&stage.arena);
        }
    }
    batch_stage_close(&stage);
}
END_TEST

/* A batch without records, as compaction leaves one, has nothing to decompress, whichever codec its
 * attributes name; one byte is not nothing, and is not taken for records as they are. */
START_TEST(no_records_need_no_codec)
{
    struct batch_stage stage;
    struct run run;
    batch_stage_init(&stage);
    make(&stage, &run);
    for (int codec = 0; codec < BATCHES; codec++) {
        struct weir_record record;
        struct weir_slice records;
        uint8_t bytes[WEIR_BATCH_HEADER_SIZE + 1] = {0};
        memcpy(bytes, run.bytes + (codec == 0 ? 0 : run.ends[codec - 1]), WEIR_BATCH_HEADER_SIZE);
        weir_store_u32(bytes + 8, WEIR_BATCH_HEADER_SIZE - WEIR_BATCH_OVERHEAD);
        weir_store_u32(bytes + 57, 0);
        weir_store_u32(bytes + 17, weir_crc32c(0, bytes + 21, WEIR_BATCH_HEADER_SIZE - 21));
        struct weir_batch_reader reader =
            reader_of(&stage, weir_slice(bytes, WEIR_BATCH_HEADER_SIZE));
        ck_code(weir_batch_reader_open_next(&reader, NULL), 0);
        ck_assert_int_eq(weir_batch_codec(&reader.header), codec);
        ck_code(weir_batch_reader_record(&reader, &record, NULL), WEIR_END);

        bytes[WEIR_BATCH_HEADER_SIZE] = 0xff;
        reader.header.length++;
        int rc =
            weir_batch_open_records(&reader.header, SLICE(bytes), &stage.plain, 0, &records, NULL);
        ck_assert_int_eq(rc == 0, codec == WEIR_CODEC_NONE);
    }
    batch_stage_close(&stage);
}
END_TEST

/* Any bit under the crc that is not what it was keeps the batch shut, and no others. */
START_TEST(nothing_is_believed_before_the_crc)
{
    struct batch_stage stage;
    struct run run;
    batch_stage_init(&stage);
    make(&stage, &run);
    size_t first = run.ends[0];
    for (size_t bit = 8 * (size_t)WEIR_BATCH_HEADER_SIZE; bit < 8 * first; bit++) {
        run.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        struct weir_batch_reader reader = reader_of(&stage, weir_slice(run.bytes, run.size));
        ck_code(weir_batch_reader_next(&reader, NULL), 0);
        ck_code(weir_batch_reader_open(&reader, &stage.error), WEIR_CORRUPT);
        ck_assert_ptr_nonnull(strstr(stage.error.text, "crc"));
        ck_code(weir_batch_reader_open(&reader, NULL), WEIR_CORRUPT);
        ck_code(weir_batch_reader_open_next(&reader, NULL), 0);
        assert_records(&reader);
        run.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        weir_arena_reset(&stage.arena);
    }
    batch_stage_close(&stage);
}
END_TEST

/* Offsets skip where compaction took records out: within a batch, at its end, and a whole batch. */
START_TEST(holes_in_offsets_are_taken_as_they_are)
{
    struct batch_stage stage;
    uint8_t bytes[sizeof golden_batch_holes + WEIR_BATCH_HEADER_SIZE + sizeof golden_batch_plain];
    uint8_t plain[sizeof golden_batch_plain];
    batch_stage_init(&stage);
    memcpy(plain, golden_batch_plain, sizeof plain);
    weir_batch_assign(plain, 5000, 7);
    memcpy(bytes, golden_batch_holes, sizeof golden_batch_holes);
    weir_batch_store_empty(bytes + sizeof golden_batch_holes, 1501, 99, 7);
    memcpy(bytes + sizeof golden_batch_holes + WEIR_BATCH_HEADER_SIZE, plain, sizeof plain);

    static const int64_t expected[] = {1003, 1300, 5000, 5001, 5002};
    static const int64_t lasts[] = {1500, 1600, 5002};
    struct weir_batch_reader reader = reader_of(&stage, SLICE(bytes));
    struct weir_record record;
    size_t count = 0;
    size_t batches = 0;
    while (weir_batch_reader_open_next(&reader, NULL) == 0) {
        ck_assert_int_eq(weir_batch_last_offset(&reader.header), lasts[batches++]);
        while (weir_batch_reader_record(&reader, &record, NULL) == 0) {
            ck_assert_uint_lt(count, 5);
            ck_assert_int_eq(record.offset, expected[count++]);
        }
    }
    ck_assert_uint_eq(batches, 3);
    ck_assert_uint_eq(count, 5);
    batch_stage_close(&stage);
}
END_TEST

/* A marker is told from data, a commit from an abort, and data of a transaction from other data. */
START_TEST(markers_and_transactions_are_told_apart)
{
    struct batch_stage stage;
    struct weir_record record;
    batch_stage_init(&stage);
    struct weir_batch_reader reader = reader_of(&stage, SLICE(golden_batch_control));
    ck_code(weir_batch_reader_open_next(&reader, NULL), 0);
    ck_assert(weir_batch_is_control(&reader.header));
    ck_code(weir_batch_reader_record(&reader, &record, NULL), 0);
    ck_assert_int_eq(weir_control_type(record.key), WEIR_CONTROL_COMMIT);
    uint8_t key[4] = {0, 0, 0, WEIR_CONTROL_ABORT};
    ck_assert_int_eq(weir_control_type(SLICE(key)), WEIR_CONTROL_ABORT);
    ck_assert_int_eq(weir_control_type(weir_slice(key, 3)), WEIR_CORRUPT);
    ck_assert_int_eq(weir_control_type(weir_null()), WEIR_CORRUPT);

    reader = reader_of(&stage, SLICE(golden_batch_txn));
    ck_code(weir_batch_reader_next(&reader, NULL), 0);
    ck_assert(weir_batch_is_transactional(&reader.header));
    ck_assert(!weir_batch_is_control(&reader.header));
    ck_assert_int_eq(reader.header.producer_id, GOLDEN_PRODUCER_ID);

    reader = reader_of(&stage, SLICE(golden_batch_plain));
    ck_code(weir_batch_reader_next(&reader, NULL), 0);
    ck_assert(!weir_batch_is_transactional(&reader.header));
    ck_assert(!weir_batch_is_control(&reader.header));
    batch_stage_close(&stage);
}
END_TEST

/* A bomb stops at the bound, in the memory of the bound; with room enough the same batch is read. */
START_TEST(a_bomb_stops_at_the_bound)
{
    enum { BOUND = 64 << 10, STATE = 12 << 20 };
    struct batch_stage stage;
    batch_stage_init(&stage);
    uint8_t *zeros = weir_alloc_zero(&stage.budget, BOMB_SIZE);
    for (int codec = WEIR_CODEC_GZIP; codec < WEIR_CODEC_COUNT; codec++) {
        struct weir_batch_builder builder;
        struct weir_record record = {.value = weir_slice(zeros, BOMB_SIZE)};
        struct weir_slice batch;
        struct weir_budget budget;
        struct weir_buffer plain;
        weir_batch_builder_init(&builder, &stage.budget, (enum weir_codec)codec, 1);
        ck_code(weir_batch_builder_add(&builder, &record), 0);
        ck_code(weir_batch_builder_finish(&builder, &WEIR_BATCH_FINISH_NONE, &batch), 0);
        weir_budget_init(&budget, "bomb", &stage.heap, NULL, BOUND + STATE);
        weir_buffer_init(&plain, &budget, 0);

        struct weir_batch_reader reader = {.rest = batch, .plain = &plain, .plain_size_max = BOUND};
        ck_code(weir_batch_reader_open_next(&reader, &stage.error), WEIR_TOO_LARGE);
        ck_code(weir_batch_reader_open(&reader, &stage.error), WEIR_TOO_LARGE);
        weir_buffer_close(&plain);
        ck_assert_uint_eq(budget.used, 0);

        reader.plain = &stage.plain;
        reader.plain_size_max = 0;
        ck_ok(weir_batch_reader_open(&reader, &stage.error), &stage.error);
        ck_code(weir_batch_reader_record(&reader, &record, NULL), 0);
        ck_assert_uint_eq(record.value.size, BOMB_SIZE);
        ck_code(weir_batch_reader_record(&reader, &record, NULL), WEIR_END);
        weir_batch_builder_close(&builder);
    }
    weir_free(zeros);
    batch_stage_close(&stage);
}
END_TEST

/* What the port takes in is a multiple of what a topic takes, never nothing and never over the format. */
START_TEST(what_may_come_in_follows_the_topic)
{
    ck_assert_uint_eq(weir_batch_plain_size_max(1048588), 16 * 1048588);
    ck_assert_uint_eq(weir_batch_plain_size_max(0), 1);
    ck_assert_uint_eq(weir_batch_plain_size_max(134217727), 2147483632);
    ck_assert_uint_eq(weir_batch_plain_size_max(134217728), WEIR_BATCH_PLAIN_SIZE_MAX);
    ck_assert_uint_eq(weir_batch_plain_size_max(INT32_MAX), WEIR_BATCH_PLAIN_SIZE_MAX);
}
END_TEST

/* Behind damage within a batch the reader stands where it stood; opened anew it begins anew. */
START_TEST(after_an_error_it_stands_where_it_stood)
{
    /* the second of three has a key past its end */
    static const uint8_t bytes[] = {0x0c, 0, 0, 0,    1, 1, 0, 0x0c, 0, 0, 2,
                                    8,    1, 0, 0x0c, 0, 0, 4, 1,    1, 0};
    struct batch_stage stage;
    struct weir_record record = {.offset = -1};
    struct weir_record run[3];
    struct weir_batch_header header = {.record_count = 3, .last_offset_delta = 2};
    batch_stage_init(&stage);
    struct weir_slice batch = batch_stage_build(&stage, header, SLICE(bytes));
    struct weir_batch_reader reader = reader_of(&stage, batch);
    ck_code(weir_batch_reader_open_next(&reader, NULL), 0);
    for (int again = 0; again < 2; again++) {
        ck_code(weir_batch_reader_record(&reader, &record, NULL), 0);
        ck_assert_int_eq(record.offset, 0);
        for (int i = 0; i < 2; i++) {
            ck_code(weir_batch_reader_record(&reader, &record, &stage.error), WEIR_CORRUPT);
            ck_assert_str_eq(stage.error.text,
                             "record batch at offset 0: record 1 of 3 is damaged");
            ck_code(weir_batch_reader_records(&reader, run, 3, NULL), WEIR_CORRUPT);
            ck_assert_int_eq(reader.left, 2);
        }
        ck_assert_int_eq(record.offset, 0); /* nothing was written to it */
        ck_code(weir_batch_reader_open(&reader, NULL), 0);
    }
    batch_stage_close(&stage);
}
END_TEST

/* A failed allocation is that and nothing else, and the next try succeeds. */
START_TEST(every_failed_allocation_is_survived)
{
    struct batch_stage stage;
    struct run run;
    uint64_t failures = 0;
    batch_stage_init(&stage);
    make(&stage, &run);
    for (uint64_t number = 1;; number++) {
        struct weir_batch_reader reader = reader_of(&stage, weir_slice(run.bytes, run.size));
        struct weir_record records[RECORDS];
        int count = 0;
        weir_buffer_close(&stage.plain);
        weir_arena_close(&stage.arena);
        batch_stage_init_buffers(&stage);
        stage.heap.fail_at = number; /* counts down to 0 */
        int rc = 0;
        while (rc == 0 && (rc = weir_batch_reader_open_next(&reader, NULL)) == 0) {
            count = weir_batch_reader_records(&reader, records, RECORDS, NULL);
            if (count < 0) rc = count;
        }
        bool has_failed = stage.heap.fail_at == 0;
        stage.heap.fail_at = 0;
        ck_code(rc, has_failed ? WEIR_NO_MEMORY : WEIR_END);
        if (!has_failed) break;
        failures++;
    }
    ck_assert_uint_gt(failures, BATCHES);
    batch_stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("reading");
    tcase_add_test(tests, a_run_is_read_batch_by_batch);
    tcase_add_test(tests, a_run_may_be_cut_at_any_byte);
    tcase_add_test(tests, cut_records_are_damage_in_every_codec);
    tcase_add_test(tests, no_records_need_no_codec);
    tcase_add_test(tests, nothing_is_believed_before_the_crc);
    tcase_add_test(tests, holes_in_offsets_are_taken_as_they_are);
    tcase_add_test(tests, markers_and_transactions_are_told_apart);
    tcase_add_test(tests, a_bomb_stops_at_the_bound);
    tcase_add_test(tests, what_may_come_in_follows_the_topic);
    tcase_add_test(tests, after_an_error_it_stands_where_it_stood);
    tcase_add_test(tests, every_failed_allocation_is_survived);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("record_batch_reader", add);
}
