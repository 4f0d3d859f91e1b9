#include "wire/record_batch.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "tests/support/support.h"
#include "tests/unit/wire/batch_stage.h"
#include "tests/unit/wire/golden_batches.h"

#define SLICE(bytes) weir_slice(bytes, sizeof bytes)

static const struct weir_batch_header three_records = {
    .base_offset = 42,
    .leader_epoch = 7,
    .last_offset_delta = 2,
    .base_timestamp_ms = 1700000000000,
    .max_timestamp_ms = 1700000000005,
    .producer_id = WEIR_NO_PRODUCER_ID,
    .producer_epoch = WEIR_NO_PRODUCER_EPOCH,
    .base_sequence = WEIR_NO_SEQUENCE,
    .record_count = 3,
};

static struct weir_batch_check strict_check(struct batch_stage *stage)
{
    return (struct weir_batch_check){.walk_records = true, .budget = &stage->budget};
}

static int check_strictly(struct batch_stage *stage, struct weir_slice batch)
{
    struct weir_batch_check check = strict_check(stage);
    return weir_batch_check(batch, &check, &stage->error);
}

static void assert_text(struct weir_slice slice, const char *expected)
{
    if (expected == NULL) {
        ck_assert(weir_slice_is_null(slice));
    } else {
        ck_assert(weir_slice_equal(slice, weir_text(expected)));
    }
}

static void assert_record(const struct weir_record *record, int64_t offset, int64_t timestamp_ms,
                          const char *key, const char *value)
{
    ck_assert_int_eq(record->offset, offset);
    ck_assert_int_eq(record->timestamp_ms, timestamp_ms);
    assert_text(record->key, key);
    assert_text(record->value, value);
}

/* Expect the three records of golden_batch_plain. */
static void assert_three_records(struct batch_stage *stage, struct weir_slice batch)
{
    struct weir_batch_reader reader;
    ck_assert_int_eq(batch_stage_open(stage, &reader, batch), 0);
    struct weir_record record;
    ck_assert_int_eq(weir_batch_reader_record(&reader, &record, NULL), 0);
    assert_record(&record, 42, GOLDEN_TIME_MS, "k1", "v1");
    ck_assert_uint_eq(record.header_count, 2);
    assert_text(record.headers[0].key, "h");
    assert_text(record.headers[0].value, "x");
    assert_text(record.headers[1].key, "n");
    assert_text(record.headers[1].value, NULL);
    ck_assert_int_eq(weir_batch_reader_record(&reader, &record, NULL), 0);
    assert_record(&record, 43, GOLDEN_TIME_MS + 5, NULL, "");
    ck_assert_uint_eq(record.header_count, 0);
    ck_assert_int_eq(weir_batch_reader_record(&reader, &record, NULL), 0);
    assert_record(&record, 44, GOLDEN_TIME_MS - 3, "", NULL);
    ck_assert_int_eq(weir_batch_reader_record(&reader, &record, NULL), WEIR_END);
    ck_assert_int_eq(weir_batch_reader_record(&reader, &record, NULL), WEIR_END);
}

/* Every field of the header is read from its place. */
START_TEST(peek_reads_the_header)
{
    struct weir_batch_header header;
    ck_assert_int_eq(weir_batch_peek(SLICE(golden_batch_txn), 0, &header, NULL), 0);
    ck_assert_int_eq(header.base_offset, 100);
    ck_assert_uint_eq(weir_batch_size(&header), sizeof golden_batch_txn);
    ck_assert_int_eq(header.leader_epoch, 3);
    ck_assert_int_eq(header.magic, 2);
    ck_assert_uint_eq(header.crc, 0x7911713f);
    ck_assert_int_eq(header.attributes, WEIR_BATCH_TRANSACTIONAL);
    ck_assert_int_eq(header.last_offset_delta, 0);
    ck_assert_int_eq(header.base_timestamp_ms, GOLDEN_TIME_MS);
    ck_assert_int_eq(header.max_timestamp_ms, GOLDEN_TIME_MS);
    ck_assert_int_eq(header.producer_id, GOLDEN_PRODUCER_ID);
    ck_assert_int_eq(header.producer_epoch, 2);
    ck_assert_int_eq(header.base_sequence, 9);
    ck_assert_int_eq(header.record_count, 1);
    ck_assert_int_eq(weir_batch_last_offset(&header), 100);
}
END_TEST

/* The golden batch gives its keys, values, headers, offsets and times, nulls told from empties. */
START_TEST(reader_gives_the_golden_records)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    assert_three_records(&stage, SLICE(golden_batch_plain));
    ck_assert_int_eq(check_strictly(&stage, SLICE(golden_batch_plain)), 0);
    batch_stage_close(&stage);
}
END_TEST

/* Each codec's bytes, made by other programs, unpack to the same three records. */
START_TEST(reader_unpacks_every_codec)
{
    const struct {
        enum weir_codec codec;
        struct weir_slice records;
    } cases[] = {
        {WEIR_CODEC_GZIP, SLICE(golden_records_gzip)},
        {WEIR_CODEC_SNAPPY, SLICE(golden_records_snappy_raw)},
        {WEIR_CODEC_SNAPPY, SLICE(golden_records_snappy_xerial)},
        {WEIR_CODEC_LZ4, SLICE(golden_records_lz4)},
        {WEIR_CODEC_ZSTD, SLICE(golden_records_zstd)},
    };
    struct batch_stage stage;
    batch_stage_init(&stage);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_batch_header header = three_records;
        header.attributes = (int16_t)cases[i].codec;
        struct weir_slice batch = batch_stage_build(&stage, header, cases[i].records);
        assert_three_records(&stage, batch);
        ck_assert_int_eq(check_strictly(&stage, batch), 0);
    }
    batch_stage_close(&stage);
}
END_TEST

/* With LogAppendTime every record has the batch's maximum as its time. */
START_TEST(append_time_replaces_the_records_own)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct weir_batch_reader reader;
    struct weir_record records[2];
    ck_assert_int_eq(batch_stage_open(&stage, &reader, SLICE(golden_batch_append_time)), 0);
    ck_assert_int_eq(weir_batch_reader_records(&reader, records, 2, NULL), 2);
    assert_record(&records[0], 0, GOLDEN_TIME_MS + 1000, "a", "b");
    assert_record(&records[1], 1, GOLDEN_TIME_MS + 1000, "c", "d");
    batch_stage_close(&stage);
}
END_TEST

/* Stamping a batch sets bit and maximum, leaves it valid and touches no other field. */
START_TEST(set_append_time_keeps_the_batch_valid)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    uint8_t batch[sizeof golden_batch_plain];
    memcpy(batch, golden_batch_plain, sizeof batch);
    weir_batch_set_append_time(batch, sizeof batch, GOLDEN_TIME_MS + 77);

    ck_assert_int_eq(check_strictly(&stage, SLICE(batch)), 0);
    struct weir_batch_header before;
    struct weir_batch_header after;
    ck_assert_int_eq(weir_batch_peek(SLICE(golden_batch_plain), 0, &before, NULL), 0);
    ck_assert_int_eq(weir_batch_peek(SLICE(batch), 0, &after, NULL), 0);
    ck_assert_int_eq(after.attributes, before.attributes | WEIR_BATCH_LOG_APPEND_TIME);
    ck_assert_int_eq(after.max_timestamp_ms, GOLDEN_TIME_MS + 77);
    ck_assert_int_eq(after.base_timestamp_ms, before.base_timestamp_ms);
    ck_assert_mem_eq(batch, golden_batch_plain, WEIR_BATCH_CRC_FROM - 4);
    batch_stage_close(&stage);
}
END_TEST

/* Assigning offset and epoch leaves the crc right, since both lie outside it. */
START_TEST(assign_needs_no_new_crc)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    uint8_t batch[sizeof golden_batch_plain];
    memcpy(batch, golden_batch_plain, sizeof batch);
    weir_batch_assign(batch, 9000000000, 12);
    ck_assert_int_eq(check_strictly(&stage, SLICE(batch)), 0);
    struct weir_batch_header header;
    ck_assert_int_eq(weir_batch_peek(SLICE(batch), 0, &header, NULL), 0);
    ck_assert_int_eq(header.base_offset, 9000000000);
    ck_assert_int_eq(header.leader_epoch, 12);
    batch_stage_close(&stage);
}
END_TEST

/* A commit marker is refused from a producer and taken from the coordinator. */
START_TEST(control_batches_need_permission)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct weir_slice batch = SLICE(golden_batch_control);
    ck_assert_int_eq(check_strictly(&stage, batch), WEIR_INVALID_RECORD);
    struct weir_batch_check check = strict_check(&stage);
    check.allow_control = true;
    ck_assert_int_eq(weir_batch_check(batch, &check, NULL), 0);

    struct weir_batch_reader reader;
    struct weir_record record;
    ck_assert_int_eq(batch_stage_open(&stage, &reader, batch), 0);
    ck_assert_int_eq(weir_batch_reader_record(&reader, &record, NULL), 0);
    ck_assert_uint_eq(weir_load_u16(record.key.data + 2), WEIR_CONTROL_COMMIT);
    ck_assert_uint_eq(weir_load_u32(record.value.data + 2), 12);
    batch_stage_close(&stage);
}
END_TEST

/* What compaction leaves reads with its holes, though no producer may send it. */
START_TEST(compacted_batches_keep_their_holes)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct weir_batch_reader reader;
    struct weir_record records[4];
    ck_assert_int_eq(batch_stage_open(&stage, &reader, SLICE(golden_batch_holes)), 0);
    ck_assert_int_eq(weir_batch_last_offset(&reader.header), 1500);
    ck_assert_int_eq(weir_batch_reader_records(&reader, records, 4, NULL), 2);
    assert_record(&records[0], 1003, GOLDEN_TIME_MS, "a", "b");
    assert_record(&records[1], 1300, GOLDEN_TIME_MS + 9, "c", "d");
    ck_assert_int_eq(weir_batch_reader_records(&reader, records, 4, NULL), 0);
    ck_assert_int_eq(check_strictly(&stage, SLICE(golden_batch_holes)), WEIR_INVALID_RECORD);
    batch_stage_close(&stage);
}
END_TEST

/* A batch emptied by compaction is a header without records. */
START_TEST(an_emptied_batch_has_no_records)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct weir_batch_header header = three_records;
    header.record_count = 0;
    header.attributes = WEIR_CODEC_ZSTD;
    struct weir_slice batch = batch_stage_build(&stage, header, weir_null());
    ck_assert_int_eq(batch_stage_walk(&stage, batch), WEIR_END);
    ck_assert_int_eq(check_strictly(&stage, batch), WEIR_INVALID_RECORD);
    batch_stage_close(&stage);
}
END_TEST

/* Cut anywhere, the batch is truncated to a reader of logs and corrupt to a broker. */
START_TEST(every_truncation_is_seen)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    for (size_t size = 0; size < sizeof golden_batch_plain; size++) {
        /* A copy of just that size, so that a sanitizer sees a read past its end. */
        uint8_t *copy = malloc(size + 1);
        memcpy(copy + 1, golden_batch_plain, size);
        struct weir_slice cut = weir_slice(copy + 1, size);
        struct weir_batch_header header = {.base_offset = -5};
        ck_assert_int_eq(weir_batch_peek(cut, 0, &header, NULL), WEIR_TRUNCATED);
        ck_assert_int_eq(header.base_offset, size < WEIR_BATCH_HEADER_SIZE ? -5 : 42);
        ck_assert_int_eq(check_strictly(&stage, cut), WEIR_CORRUPT);
        ck_assert_int_eq(batch_stage_walk(&stage, cut), size == 0 ? WEIR_END : WEIR_TRUNCATED);
        free(copy);
    }
    batch_stage_close(&stage);
}
END_TEST

enum { SIGN_OF_BASE_OFFSET = 7, MAGIC_2_TO_0 = 8 * 16 + 1 };

static bool lies_outside_the_crc(size_t byte)
{
    return byte < 8 || (byte >= 12 && byte < 16);
}

/* One flipped bit is always seen, but in the base offset and the leader epoch. */
START_TEST(every_flipped_bit_is_seen)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    for (size_t bit = 0; bit < 8 * sizeof golden_batch_plain; bit++) {
        uint8_t *copy = malloc(sizeof golden_batch_plain);
        memcpy(copy, golden_batch_plain, sizeof golden_batch_plain);
        copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        struct weir_slice flipped = weir_slice(copy, sizeof golden_batch_plain);
        int rc = check_strictly(&stage, flipped);
        if (lies_outside_the_crc(bit / 8)) {
            ck_assert_msg(rc == 0 || bit == SIGN_OF_BASE_OFFSET, "bit %zu: %d", bit, rc);
        } else {
            int expected = bit == MAGIC_2_TO_0 ? WEIR_UNSUPPORTED_VERSION : WEIR_CORRUPT;
            ck_assert_msg(rc == expected, "bit %zu: %d", bit, rc);
        }
        (void)batch_stage_walk(&stage, flipped); /* whatever it says, it stays inside */
        free(copy);
    }
    batch_stage_close(&stage);
}
END_TEST

/* Behind a crc made right again, every flipped bit of the records is walked without harm. */
START_TEST(flips_behind_a_right_crc_do_no_harm)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    for (size_t bit = 0; bit < 8 * sizeof golden_records_plain; bit++) {
        uint8_t records[sizeof golden_records_plain];
        memcpy(records, golden_records_plain, sizeof records);
        records[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        struct weir_slice batch = batch_stage_build(&stage, three_records, SLICE(records));
        int rc = batch_stage_walk(&stage, batch);
        ck_assert(rc == WEIR_END || rc == WEIR_CORRUPT);
        weir_arena_reset(&stage.arena);
    }
    batch_stage_close(&stage);
}
END_TEST

/* Header fields that contradict each other or the records are refused, by name. */
START_TEST(check_refuses_a_wrong_header)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct weir_batch_header cases[8];
    int expected[8];
    for (size_t i = 0; i < 8; i++) {
        cases[i] = three_records;
        expected[i] = WEIR_INVALID_RECORD;
    }
    cases[0].record_count = 2;
    cases[1].last_offset_delta = 3;
    cases[2].record_count = 4, cases[2].last_offset_delta = 3, expected[2] = WEIR_CORRUPT;
    cases[3].record_count = 2, cases[3].last_offset_delta = 1, expected[3] = WEIR_CORRUPT;
    cases[4].producer_id = 5;
    cases[5].attributes = WEIR_BATCH_TRANSACTIONAL;
    cases[6].attributes = 0x80;
    cases[7].attributes = 5, expected[7] = WEIR_UNSUPPORTED_CODEC;
    for (size_t i = 0; i < 8; i++) {
        struct weir_slice batch = batch_stage_build(&stage, cases[i], SLICE(golden_records_plain));
        ck_assert_msg(check_strictly(&stage, batch) == expected[i], "case %zu: %s", i,
                      stage.error.text);
    }
    batch_stage_close(&stage);
}
END_TEST

/* A count that the bytes cannot hold is refused before anything is done for it. */
START_TEST(a_huge_count_is_refused_at_once)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct weir_batch_header header = three_records;
    header.record_count = INT32_MAX;
    header.last_offset_delta = INT32_MAX - 1;
    struct weir_slice batch = batch_stage_build(&stage, header, SLICE(golden_records_plain));
    struct weir_batch_reader reader;
    ck_assert_int_eq(batch_stage_open(&stage, &reader, batch), WEIR_CORRUPT);
    batch_stage_close(&stage);
}
END_TEST

/* Records that are malformed in one place each, behind a right crc. */
START_TEST(malformed_records_are_corrupt)
{
    static const struct {
        const char *what;
        uint8_t bytes[16];
        size_t size;
    } cases[] = {
        {"length 0", {0x00, 0, 0, 0, 1, 1, 0}, 7},
        {"length -1", {0x01, 0, 0, 0, 1, 1, 0}, 7},
        {"length past the end", {0x0e, 0, 0, 0, 1, 1, 0}, 7},
        {"length short of the record", {0x0c, 0, 0, 0, 1, 2, 'v', 0}, 8},
        {"length behind the record", {0x0e, 0, 0, 0, 1, 1, 0, 0}, 8},
        {"key size -2", {0x0c, 0, 0, 0, 3, 1, 0}, 7},
        {"value size -2", {0x0c, 0, 0, 0, 1, 3, 0}, 7},
        {"key past the end", {0x0c, 0, 0, 0, 8, 1, 0}, 7},
        {"value past the end", {0x0c, 0, 0, 0, 1, 8, 0}, 7},
        {"header count -1", {0x0c, 0, 0, 0, 1, 1, 1}, 7},
        {"more headers than bytes", {0x0c, 0, 0, 0, 1, 1, 8}, 7},
        {"null header key", {0x10, 0, 0, 0, 1, 1, 2, 1, 1}, 9},
        {"header value past the end", {0x10, 0, 0, 0, 1, 1, 2, 0, 4}, 9},
        {"varint of six bytes", {0x16, 0, 0, 0, 0x81, 0x80, 0x80, 0x80, 0x80, 0, 1, 0}, 12},
        {"offset delta -1", {0x0c, 0, 0, 1, 1, 1, 0}, 7},
        {"offset delta past the last", {0x0c, 0, 0, 2, 1, 1, 0}, 7},
        {"bytes behind the last record", {0x0c, 0, 0, 0, 1, 1, 0, 0}, 8},
    };
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct weir_batch_header header = three_records;
    header.record_count = 1;
    header.last_offset_delta = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_slice records = weir_slice(cases[i].bytes, cases[i].size);
        struct weir_slice batch = batch_stage_build(&stage, header, records);
        ck_assert_msg(batch_stage_walk(&stage, batch) == WEIR_CORRUPT, "%s", cases[i].what);
        struct weir_batch_reader reader;
        struct weir_record out[2];
        ck_assert_int_eq(batch_stage_open(&stage, &reader, batch), 0);
        ck_assert_int_eq(weir_batch_reader_records(&reader, out, 2, NULL), WEIR_CORRUPT);
        ck_assert_int_eq(reader.left, header.record_count);
        ck_assert_ptr_eq(reader.at, reader.batch.data + WEIR_BATCH_HEADER_SIZE);
    }
    batch_stage_close(&stage);
}
END_TEST

/* Offsets that repeat are damage; offsets that skip are a hole, which only the check refuses. */
START_TEST(offset_deltas_ascend)
{
    static const uint8_t twice[] = {0x0c, 0, 0, 0, 1, 1, 0, 0x0c, 0, 0, 0, 1, 1, 0};
    static const uint8_t skips[] = {0x0c, 0, 0, 0,    1, 1, 0, 0x0c, 0, 0, 4,
                                    1,    1, 0, 0x0c, 0, 0, 6, 1,    1, 0};
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct weir_batch_header header = three_records;
    header.record_count = 2;
    header.last_offset_delta = 1;
    struct weir_slice batch = batch_stage_build(&stage, header, SLICE(twice));
    ck_assert_int_eq(batch_stage_walk(&stage, batch), WEIR_CORRUPT);

    header.record_count = 3;
    header.last_offset_delta = 3;
    batch = batch_stage_build(&stage, header, SLICE(skips));
    ck_assert_int_eq(batch_stage_walk(&stage, batch), WEIR_END);
    ck_assert_int_eq(check_strictly(&stage, batch), WEIR_INVALID_RECORD);
    batch_stage_close(&stage);
}
END_TEST

/* A time that leaves 64 bits is damage; one before 1970 is a time. */
START_TEST(timestamps_do_not_wrap)
{
    static const uint8_t late[] = {0x0c, 0, 2, 0, 1, 1, 0};
    static const uint8_t early[] = {0x0c, 0, 3, 0, 1, 1, 0};
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct weir_batch_header header = three_records;
    header.record_count = 1;
    header.last_offset_delta = 0;
    header.base_timestamp_ms = INT64_MAX;
    struct weir_slice batch = batch_stage_build(&stage, header, SLICE(late));
    ck_assert_int_eq(batch_stage_walk(&stage, batch), WEIR_CORRUPT);

    header.base_timestamp_ms = 0;
    batch = batch_stage_build(&stage, header, SLICE(early));
    ck_assert_int_eq(batch_stage_walk(&stage, batch), WEIR_END);
    ck_ok(check_strictly(&stage, batch), &stage.error); /* -2 is read as it stands */
    batch_stage_close(&stage);
}
END_TEST

/* The last offset may not leave 64 bits either. */
START_TEST(offsets_do_not_wrap)
{
    uint8_t batch[sizeof golden_batch_plain];
    memcpy(batch, golden_batch_plain, sizeof batch);
    struct weir_batch_header header;
    weir_batch_assign(batch, INT64_MAX - 2, 0);
    ck_assert_int_eq(weir_batch_peek(SLICE(batch), 0, &header, NULL), 0);
    weir_batch_assign(batch, INT64_MAX - 1, 0);
    ck_assert_int_eq(weir_batch_peek(SLICE(batch), 0, &header, NULL), WEIR_CORRUPT);
}
END_TEST

/* Size bounds, old formats and null keys each have their own answer. */
START_TEST(check_names_what_is_wrong)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct weir_slice batch = SLICE(golden_batch_plain);
    struct weir_batch_check check = strict_check(&stage);
    check.size_max = batch.size - 1;
    ck_assert_int_eq(weir_batch_check(batch, &check, NULL), WEIR_TOO_LARGE);
    check.size_max = batch.size;
    ck_assert_int_eq(weir_batch_check(batch, &check, NULL), 0);
    check.keys_required = true;
    check.walk_records = false;
    ck_assert_int_eq(weir_batch_check(batch, &check, NULL), WEIR_INVALID_RECORD);

    uint8_t old[sizeof golden_batch_plain];
    memcpy(old, golden_batch_plain, sizeof old);
    old[16] = 1;
    ck_assert_int_eq(check_strictly(&stage, SLICE(old)), WEIR_UNSUPPORTED_VERSION);
    struct weir_batch_header header;
    ck_assert_int_eq(weir_batch_peek(batch, batch.size - 1, &header, NULL), WEIR_CORRUPT);
    batch_stage_close(&stage);
}
END_TEST

/* A second batch, or a single byte, behind the batch is not part of it. */
START_TEST(check_takes_exactly_one_batch)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    weir_buffer_append(&stage.batch, golden_batch_txn, sizeof golden_batch_txn);
    weir_buffer_append(&stage.batch, golden_batch_txn, sizeof golden_batch_txn);
    ck_assert_int_eq(check_strictly(&stage, weir_buffer_slice(&stage.batch)), WEIR_CORRUPT);
    struct weir_slice one_more = weir_slice(stage.batch.data, sizeof golden_batch_txn + 1);
    ck_assert_int_eq(check_strictly(&stage, one_more), WEIR_CORRUPT);
    ck_assert_int_eq(batch_stage_walk(&stage, one_more), WEIR_END);
    batch_stage_close(&stage);
}
END_TEST

/* Sequences run to INT32_MAX and then from 0. */
START_TEST(sequences_wrap_to_zero)
{
    ck_assert_int_eq(weir_sequence_add(5, 3), 8);
    ck_assert_int_eq(weir_sequence_add(INT32_MAX - 1, 1), INT32_MAX);
    ck_assert_int_eq(weir_sequence_add(INT32_MAX, 1), 0);
    ck_assert_int_eq(weir_sequence_add(INT32_MAX - 1, 4), 2);
    ck_assert_int_eq(weir_sequence_add(INT32_MAX, INT32_MAX), INT32_MAX - 1);
}
END_TEST

/* ---- under another codec --------------------------------------------------------------------- */

static int recompress(struct batch_stage *stage, struct weir_slice batch, enum weir_codec codec,
                      size_t plain_size_max, struct weir_buffer *to)
{
    const struct weir_batch_recompress options = {.codec = codec, .plain_size_max = plain_size_max};
    stage->error = (struct weir_error){0};
    return weir_batch_recompress(batch, &options, to, &stage->error);
}

/* From each codec to each other: the same records, behind what is in the buffer already, with a
 * crc that fits. */
START_TEST(records_survive_another_codec)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    for (int from = WEIR_CODEC_NONE; from < WEIR_CODEC_COUNT; from++) {
        for (int codec = WEIR_CODEC_NONE; codec < WEIR_CODEC_COUNT; codec++) {
            struct weir_buffer first, second;
            weir_buffer_init(&first, &stage.budget, 0);
            weir_buffer_init(&second, &stage.budget, 0);
            ck_ok(recompress(&stage, SLICE(golden_batch_plain), (enum weir_codec)from, 0, &first),
                  &stage.error);
            weir_buffer_append(&second, "before", 6);
            ck_ok(recompress(&stage, weir_buffer_slice(&first), (enum weir_codec)codec, 0, &second),
                  &stage.error);
            ck_assert_mem_eq(second.data, "before", 6);
            struct weir_slice batch = weir_slice(second.data + 6, second.size - 6);
            struct weir_batch_header header;
            ck_ok(weir_batch_peek(batch, 0, &header, &stage.error), &stage.error);
            ck_assert_int_eq(header.attributes & WEIR_BATCH_CODEC_MASK, codec);
            ck_assert_int_eq(header.base_offset, three_records.base_offset);
            ck_assert_int_eq(header.leader_epoch, three_records.leader_epoch);
            ck_assert_uint_eq(weir_batch_size(&header), batch.size);
            ck_ok(weir_batch_check_crc(batch, &stage.error), &stage.error);
            assert_three_records(&stage, batch);
            weir_buffer_close(&first);
            weir_buffer_close(&second);
        }
    }
    batch_stage_close(&stage);
}
END_TEST

/* Whatever fails (memory, a plain form that is too large, records that do not unpack), what was
 * in the buffer is there, nothing is behind it, and the buffer can be used. */
START_TEST(a_failed_recompression_leaves_the_buffer)
{
    struct weir_test_failures failures = {0};
    struct batch_stage stage;
    batch_stage_init(&stage);
    struct weir_buffer packed;
    weir_buffer_init(&packed, &stage.budget, 0);
    ck_ok(recompress(&stage, SLICE(golden_batch_plain), WEIR_CODEC_ZSTD, 0, &packed), &stage.error);
    while (weir_test_failures_next(&failures)) {
        struct weir_buffer to;
        weir_buffer_init(&to, &stage.budget, 0);
        weir_buffer_append(&to, "before", 6);
        weir_test_failures_arm(&failures, &stage.heap);
        int rc = recompress(&stage, weir_buffer_slice(&packed),
                            _i == 0 ? WEIR_CODEC_GZIP : WEIR_CODEC_NONE, 0, &to);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_code(rc, was_hit ? WEIR_NO_MEMORY : 0);
        ck_assert(!to.failed);
        if (rc < 0) ck_assert_uint_eq(to.size, 6);
        ck_assert_mem_eq(to.data, "before", 6);
        weir_buffer_append(&to, "behind", 6);
        ck_assert_mem_eq(to.data + to.size - 6, "behind", 6);
        weir_buffer_close(&to);
    }
    ck_assert_uint_gt(failures.hits, 0);
    struct weir_buffer to;
    weir_buffer_init(&to, &stage.budget, 0);
    weir_buffer_append(&to, "before", 6);
    ck_code(recompress(&stage, weir_buffer_slice(&packed), WEIR_CODEC_LZ4, 1, &to), WEIR_TOO_LARGE);
    ck_assert_uint_eq(to.size, 6);
    packed.data[packed.size - 2] ^= 0x55;
    packed.data[WEIR_BATCH_HEADER_SIZE] ^= 0x55;
    ck_code(recompress(&stage, weir_buffer_slice(&packed), WEIR_CODEC_NONE, 0, &to), WEIR_CORRUPT);
    ck_assert_uint_eq(to.size, 6);
    ck_assert(!to.failed);
    weir_buffer_close(&to);
    weir_buffer_close(&packed);
    batch_stage_close(&stage);
}
END_TEST

/* A buffer with a bound that the batch does not fit into keeps what it has. */
START_TEST(a_recompression_may_find_no_room)
{
    struct batch_stage stage;
    batch_stage_init(&stage);
    for (size_t max = 6; max < 6 + sizeof golden_batch_plain; max++) {
        struct weir_buffer to;
        weir_buffer_init(&to, &stage.budget, max);
        weir_buffer_append(&to, "before", 6);
        ck_assert_int_lt(recompress(&stage, SLICE(golden_batch_plain), WEIR_CODEC_NONE, 0, &to), 0);
        ck_assert_uint_eq(to.size, 6);
        ck_assert(!to.failed);
        weir_buffer_close(&to);
    }
    batch_stage_close(&stage);
}
END_TEST

/* Byte for byte what a Kafka broker writes (MemoryRecords.withEndTransactionMarker), and read back. */
START_TEST(a_marker_is_written_as_kafka_does)
{
    static const uint8_t record[] = {0x20, 0, 0, 0, 0x08, 0, 0, 0, 1, 0x0c, 0, 0, 0, 0, 0, 5, 0};
    uint8_t batch[WEIR_BATCH_MARKER_SIZE];
    struct weir_batch_header header;
    struct weir_error error = {0};
    struct weir_transaction_marker read;
    const struct weir_transaction_marker marker = {
        .producer_id = 4000,
        .producer_epoch = 7,
        .coordinator_epoch = 5,
        .is_commit = true,
        .timestamp_ms = 1700000000000,
    };
    weir_batch_store_marker(batch, &marker);
    weir_batch_assign(batch, 17, 3);
    struct weir_slice bytes = weir_slice(batch, sizeof batch);
    ck_ok(weir_batch_peek(bytes, 0, &header, &error), &error);
    ck_ok(weir_batch_check_crc(bytes, &error), &error);
    ck_assert_uint_eq(weir_batch_size(&header), 78);
    ck_assert_int_eq(header.attributes, 0x30);
    ck_assert_int_eq(header.base_sequence, -1);
    ck_assert_int_eq(header.record_count, 1);
    ck_assert_mem_eq(batch + WEIR_BATCH_HEADER_SIZE, record, sizeof record);
    ck_code(weir_batch_read_marker(bytes, &header, &read, &error), 0);
    ck_assert_int_eq(read.producer_id, 4000);
    ck_assert_int_eq(read.producer_epoch, 7);
    ck_assert_int_eq(read.coordinator_epoch, 5);
    ck_assert(read.is_commit);
    ck_assert_int_eq(read.timestamp_ms, marker.timestamp_ms);
}
END_TEST

/* Data, a control batch of another type and one that compaction has emptied are no markers; one whose key or value
 * is too short is damage, and says nothing. */
START_TEST(what_is_no_marker_is_told_from_a_damaged_one)
{
    uint8_t batch[WEIR_BATCH_MARKER_SIZE];
    struct weir_batch_header header;
    struct weir_transaction_marker read = {.producer_id = -5};
    struct weir_slice bytes = weir_slice(batch, sizeof batch);
    weir_batch_store_marker(batch, &(struct weir_transaction_marker){.producer_id = 1});
    ck_code(weir_batch_peek(bytes, 0, &header, NULL), 0);
    struct weir_batch_header data = header;
    data.attributes = WEIR_BATCH_TRANSACTIONAL;
    ck_code(weir_batch_read_marker(bytes, &data, &read, NULL), WEIR_END);
    struct weir_batch_header empty = header;
    empty.record_count = 0;
    ck_code(weir_batch_read_marker(bytes, &empty, &read, NULL), WEIR_END);
    batch[WEIR_BATCH_HEADER_SIZE + 8] = 4;
    ck_code(weir_batch_read_marker(bytes, &header, &read, NULL), WEIR_END);
    batch[WEIR_BATCH_HEADER_SIZE + 8] = 0;
    batch[WEIR_BATCH_HEADER_SIZE + 9] = 2 * 5; /* the value is a byte too short */
    ck_code(weir_batch_read_marker(bytes, &header, &read, NULL), WEIR_CORRUPT);
    batch[WEIR_BATCH_HEADER_SIZE + 9] = 2 * 8; /* and reaches behind the record */
    ck_code(weir_batch_read_marker(bytes, &header, &read, NULL), WEIR_CORRUPT);
    ck_assert_int_eq(read.producer_id, -5);
}
END_TEST

static void add(Suite *suite)
{
    TCase *reading = tcase_create("reading");
    tcase_add_test(reading, peek_reads_the_header);
    tcase_add_test(reading, reader_gives_the_golden_records);
    tcase_add_test(reading, reader_unpacks_every_codec);
    tcase_add_test(reading, append_time_replaces_the_records_own);
    tcase_add_test(reading, control_batches_need_permission);
    tcase_add_test(reading, compacted_batches_keep_their_holes);
    tcase_add_test(reading, an_emptied_batch_has_no_records);
    suite_add_tcase(suite, reading);
    TCase *patching = tcase_create("patching");
    tcase_add_test(patching, set_append_time_keeps_the_batch_valid);
    tcase_add_test(patching, assign_needs_no_new_crc);
    tcase_add_test(patching, sequences_wrap_to_zero);
    suite_add_tcase(suite, patching);
    TCase *damage = tcase_create("damage");
    tcase_add_test(damage, every_truncation_is_seen);
    tcase_add_test(damage, every_flipped_bit_is_seen);
    tcase_add_test(damage, flips_behind_a_right_crc_do_no_harm);
    tcase_add_test(damage, check_refuses_a_wrong_header);
    tcase_add_test(damage, a_huge_count_is_refused_at_once);
    tcase_add_test(damage, malformed_records_are_corrupt);
    tcase_add_test(damage, offset_deltas_ascend);
    tcase_add_test(damage, timestamps_do_not_wrap);
    tcase_add_test(damage, offsets_do_not_wrap);
    tcase_add_test(damage, check_names_what_is_wrong);
    tcase_add_test(damage, check_takes_exactly_one_batch);
    suite_add_tcase(suite, damage);
    TCase *packing = tcase_create("packing");
    tcase_add_test(packing, records_survive_another_codec);
    tcase_add_loop_test(packing, a_failed_recompression_leaves_the_buffer, 0, 2);
    tcase_add_test(packing, a_recompression_may_find_no_room);
    tcase_add_test(packing, a_marker_is_written_as_kafka_does);
    tcase_add_test(packing, what_is_no_marker_is_told_from_a_damaged_one);
    suite_add_tcase(suite, packing);
}

int main(void)
{
    return weir_test_main("record_batch", add);
}
