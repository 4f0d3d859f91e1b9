/* Batches that are damaged, lie, or blow up: RELIABILITY.md 2.2, N6 and N7, and the first of N8. */
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "tests/hostile/healthy.h"
#include "wire/generated/produce_request.h"
#include "wire/generated/produce_response.h"
#include "wire/record_batch.h"

enum { MIB = 1024 * 1024, PARTITIONS = 3 };

/* Kafka's numbers. */
enum {
    CORRUPT = 2,
    TOO_LARGE = 10,
    INVALID_TIMESTAMP = 32,
    UNSUPPORTED_COMPRESSION = 76,
    INVALID_RECORD = 87,
};

static struct hostile_server server;
static struct healthy healthy;
static int64_t appended; /* to partitions 0 and 2 of the victim */

/* ---- the stage ------------------------------------------------------------------------------- */

static void begin(void)
{
    static const char *const settings[] = {"flush.policy=os", NULL};
    hostile_begin(&server, settings);
    healthy_create_topic(&server, "victim", PARTITIONS);
    int peer = peer_open(&server);
    for (int32_t i = 0; i < PARTITIONS; i++) { /* its files are open from now on */
        struct weir_slice batch =
            healthy_batch(&server, &(struct healthy_batch){.value = weir_text("first")});
        ck_assert_int_eq(healthy_produce(&server, peer, "victim", i, batch), 0);
    }
    peer_close(peer);
    appended = 1;
    healthy_begin(&healthy, &server);
}

static void end(void)
{
    healthy_expect_calm(&healthy, 64LL * MIB);
    ck_assert_int_eq(healthy_log_end(&server, "victim", 0), appended);
    ck_assert_int_eq(healthy_log_end(&server, "victim", 1), 1);
    ck_assert_int_eq(healthy_log_end(&server, "victim", 2), appended);
    healthy_end(&healthy);
    hostile_end(&server);
}

/* The bad batch goes to partition 1, between two good ones, which are appended all the same. */
static void expect_refusal(const char *name, struct weir_slice batch, int16_t expected)
{
    struct weir_wire_produce_request request;
    struct weir_wire_produce_response response;
    struct weir_slice good =
        healthy_batch(&server, &(struct healthy_batch){.value = weir_text("good")});
    struct weir_wire_produce_request_partition_produce_data data[PARTITIONS] = {
        {0, good}, {1, batch}, {2, good}};
    struct weir_wire_produce_request_topic_produce_data topic = {
        .name = weir_text("victim"), .partition_data = data, .partition_data_count = PARTITIONS};
    weir_wire_produce_request_init(&request);
    request.acks = -1;
    request.timeout_ms = 1000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    int peer = peer_open(&server);
    peer_call(&server, peer, PEER_EXCHANGE(produce, 9), &request, &response);
    peer_close(peer);
    const struct weir_wire_produce_response_partition_produce_response *answers =
        response.responses[0].partition_responses;
    ck_assert_uint_eq(response.responses[0].partition_responses_count, PARTITIONS);
    ck_assert_int_eq(answers[0].error_code, 0);
    ck_assert_msg(answers[1].error_code == expected, "%s: %d, not %d", name, answers[1].error_code,
                  expected);
    ck_assert_int_eq(answers[1].base_offset, -1);
    ck_assert_int_eq(answers[2].error_code, 0);
    ck_assert_int_eq(answers[0].base_offset, appended);
    appended++;
}

/* ---- N6: bent batches ------------------------------------------------------------------------ */

/* Where the fields of a batch of one record without a key are. */
enum {
    LENGTH_AT = 8,
    MAGIC_AT = 16,
    CRC_AT = 17,
    ATTRIBUTES_AT = 21,
    LAST_DELTA_AT = 23,
    BASE_TIME_AT = 27,
    MAX_TIME_AT = 35,
    PRODUCER_ID_AT = 43,
    COUNT_AT = 57,
    RECORD_SIZE_AT = 61,
    OFFSET_DELTA_AT = 64,
    KEY_SIZE_AT = 65,
    VALUE_SIZE_AT = 66,
};

/* Length and crc fit whatever the batch has become. */
static void make_fit(uint8_t *batch, size_t size)
{
    weir_store_u32(batch + LENGTH_AT, (uint32_t)(size - WEIR_BATCH_OVERHEAD));
    weir_store_u32(batch + CRC_AT,
                   weir_crc32c(0, batch + WEIR_BATCH_CRC_FROM, size - WEIR_BATCH_CRC_FROM));
}

/* Bytes that are put into a batch of one record, which fits afterwards but where it is not to. */
struct bent {
    const char *name;
    size_t at; /* SIZE_MAX: its last byte */
    uint64_t value;
    size_t width; /* bytes of it */
    bool keeps_crc;
    int16_t expected;
};

static const struct bent bents[] = {
    {"another crc", CRC_AT, 0x12345678, 4, true, CORRUPT},
    {"a changed value", 70, 'X', 1, true, CORRUPT},
    {"magic 0", MAGIC_AT, 0, 1, false, INVALID_RECORD},
    {"magic 1", MAGIC_AT, 1, 1, false, INVALID_RECORD},
    {"magic 3", MAGIC_AT, 3, 1, false, INVALID_RECORD},
    {"a length under its header's", LENGTH_AT, 48, 4, true, CORRUPT},
    {"a negative length", LENGTH_AT, 0x80000000, 4, true, CORRUPT},
    {"a length beyond the request", LENGTH_AT, 100000, 4, true, INVALID_RECORD},
    {"more records than there are", COUNT_AT, 7, 4, false, INVALID_RECORD},
    {"no record", COUNT_AT, 0, 4, false, INVALID_RECORD},
    {"a negative count", COUNT_AT, 0xffffffff, 4, false, CORRUPT},
    {"two thousand million records", COUNT_AT, 0x7fffffff, 4, false, INVALID_RECORD},
    {"another last offset delta", LAST_DELTA_AT, 5, 4, false, INVALID_RECORD},
    {"a negative last offset delta", LAST_DELTA_AT, 0xfffffff0, 4, false, CORRUPT},
    {"a time before all times", BASE_TIME_AT, (uint64_t)INT64_MIN, 8, false, INVALID_TIMESTAMP},
    {"a time in the far future", BASE_TIME_AT, INT64_MAX / 2, 8, false, INVALID_TIMESTAMP},
    {"an offset that is not dense", OFFSET_DELTA_AT, 2, 1, false, INVALID_RECORD},
    {"a key beyond the end", KEY_SIZE_AT, 0x7e, 1, false, CORRUPT},
    {"a key of -2", KEY_SIZE_AT, 3, 1, false, CORRUPT},
    {"a value beyond the end", VALUE_SIZE_AT, 0x7e, 1, false, CORRUPT},
    {"a record beyond the end", RECORD_SIZE_AT, 0x7e, 1, false, CORRUPT},
    {"a record shorter than it is", RECORD_SIZE_AT, 4, 1, false, CORRUPT},
    {"headers beyond the end", SIZE_MAX, 0x7e, 1, false, CORRUPT},
    {"-1 headers", SIZE_MAX, 1, 1, false, CORRUPT},
    {"a control batch", ATTRIBUTES_AT, 0x0020, 2, false, INVALID_RECORD},
    {"a producer without an epoch", PRODUCER_ID_AT, 5, 8, false, INVALID_RECORD},
    {"codec 5", ATTRIBUTES_AT, 5, 2, false, UNSUPPORTED_COMPRESSION},
    {"codec 7", ATTRIBUTES_AT, 7, 2, false, UNSUPPORTED_COMPRESSION},
    {"gzip that is none", ATTRIBUTES_AT, 1, 2, false, CORRUPT},
    {"snappy that is none", ATTRIBUTES_AT, 2, 2, false, CORRUPT},
    {"lz4 that is none", ATTRIBUTES_AT, 3, 2, false, CORRUPT},
    {"zstd that is none", ATTRIBUTES_AT, 4, 2, false, CORRUPT},
};

static struct weir_slice bend(const struct bent *bent)
{
    struct weir_slice batch =
        healthy_batch(&server, &(struct healthy_batch){.value = weir_text("twenty bytes of it")});
    uint8_t *bytes = (uint8_t *)(uintptr_t)batch.data; /* the arena's */
    size_t at = bent->at == SIZE_MAX ? batch.size - 1 : bent->at;
    for (size_t i = 0; i < bent->width; i++) {
        bytes[at + i] = (uint8_t)(bent->value >> 8 * (bent->width - 1 - i));
    }
    if (!bent->keeps_crc) make_fit(bytes, batch.size);
    return batch;
}

/* Each kind of bad batch has its error, is not appended, and leaves the request's other partitions
 * alone; so do no batch at all, half a header, and two batches. */
START_TEST(a_bad_batch_is_refused_alone)
{
    begin();
    for (size_t i = 0; i < sizeof bents / sizeof bents[0]; i++) {
        expect_refusal(bents[i].name, bend(&bents[i]), bents[i].expected);
    }
    struct weir_slice good =
        healthy_batch(&server, &(struct healthy_batch){.value = weir_text("good")});
    uint8_t *two = weir_arena_alloc(&server.arena, 2 * good.size);
    memcpy(two, good.data, good.size);
    memcpy(two + good.size, good.data, good.size);
    expect_refusal("null", weir_null(), INVALID_RECORD);
    expect_refusal("nothing", weir_slice("", 0), INVALID_RECORD);
    expect_refusal("one byte", weir_slice(good.data, 1), INVALID_RECORD);
    expect_refusal("half a header", weir_slice(good.data, 30), INVALID_RECORD);
    expect_refusal("all but a byte", weir_slice(good.data, good.size - 1), INVALID_RECORD);
    expect_refusal("two batches", weir_slice(two, 2 * good.size), INVALID_RECORD);
    expect_refusal("half of a second one", weir_slice(two, good.size + 40), INVALID_RECORD);
    end();
}
END_TEST

/* ---- N7: compressed ones --------------------------------------------------------------------- */

/* A batch that says that it has one record, and these bytes for it. */
static struct weir_slice wrap(enum weir_codec codec, struct weir_slice records)
{
    struct weir_slice head =
        healthy_batch(&server, &(struct healthy_batch){.value = weir_text("x")});
    size_t size = WEIR_BATCH_HEADER_SIZE + records.size;
    uint8_t *bytes = weir_arena_alloc(&server.arena, size);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, head.data, WEIR_BATCH_HEADER_SIZE);
    memcpy(bytes + WEIR_BATCH_HEADER_SIZE, records.data, records.size);
    weir_store_u16(bytes + ATTRIBUTES_AT, (uint16_t)codec);
    make_fit(bytes, size);
    return weir_slice(bytes, size);
}

static struct weir_slice zeros(size_t size)
{
    uint8_t *bytes = weir_arena_alloc_zero(&server.arena, size);
    ck_assert_ptr_nonnull(bytes);
    return weir_slice(bytes, size);
}

static struct weir_slice compress(enum weir_codec codec, struct weir_slice plain)
{
    struct weir_buffer buffer;
    weir_buffer_init(&buffer, &server.budget, 0);
    ck_ok(weir_compress(codec, WEIR_CODEC_LEVEL_DEFAULT, plain, &buffer), NULL);
    struct weir_slice bytes = weir_arena_copy(&server.arena, weir_buffer_slice(&buffer));
    weir_buffer_close(&buffer);
    return bytes;
}

/* Zeros, some sixty times as many as a batch may have, in a few hundred KiB: twenty of them at once
 * cost no more than the cap, and none is appended. */
START_TEST(bombs_are_refused_and_cost_the_cap)
{
    static const size_t sizes[WEIR_CODEC_COUNT] = {0, 64 * MIB, 18 * MIB, 64 * MIB, 64 * MIB};
    begin();
    int64_t most = hostile_memory_bound(healthy.memory + 160LL * MIB);
    for (int codec = WEIR_CODEC_GZIP; codec < WEIR_CODEC_COUNT; codec++) {
        struct weir_slice bomb =
            wrap((enum weir_codec)codec, compress((enum weir_codec)codec, zeros(sizes[codec])));
        ck_assert_uint_lt(bomb.size, MIB);
        for (int i = 0; i < 5; i++) {
            expect_refusal(weir_codec_name(codec), bomb, TOO_LARGE);
            healthy_work(&healthy, 1);
            ck_assert_int_le(hostile_memory(&server), most);
        }
    }
    end();
}
END_TEST

/* A window of 2 GiB, sizes that are declared and do not come, and garbage behind what is whole. */
START_TEST(compressed_lies_are_refused)
{
    static const uint8_t wide[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x21,
                                   0,    0,    'a',  'b',  'c',  'd'};
    static const uint8_t promising[] = {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0,  0,
                                        0,    1,    0,    0,    0x21, 0, 0, 'a'};
    static const uint8_t snappy[] = {0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 'a'};
    begin();
    expect_refusal("a zstd window of 2 GiB", wrap(WEIR_CODEC_ZSTD, weir_slice(wide, sizeof wide)),
                   TOO_LARGE);
    expect_refusal("a zstd frame of 1 TiB",
                   wrap(WEIR_CODEC_ZSTD, weir_slice(promising, sizeof promising)), TOO_LARGE);
    expect_refusal("snappy of 4 GiB", wrap(WEIR_CODEC_SNAPPY, weir_slice(snappy, sizeof snappy)),
                   CORRUPT);
    struct weir_slice plain =
        healthy_batch(&server, &(struct healthy_batch){.value = weir_text("a value")});
    plain = weir_slice(plain.data + WEIR_BATCH_HEADER_SIZE, plain.size - WEIR_BATCH_HEADER_SIZE);
    for (int codec = WEIR_CODEC_GZIP; codec < WEIR_CODEC_COUNT; codec++) {
        struct weir_slice whole = compress((enum weir_codec)codec, plain);
        uint8_t *longer = weir_arena_alloc_zero(&server.arena, whole.size + 3);
        memcpy(longer, whole.data, whole.size);
        memcpy(longer + whole.size, "\x77\x13\x99", 3);
        expect_refusal("garbage behind it",
                       wrap((enum weir_codec)codec, weir_slice(longer, whole.size + 3)), CORRUPT);
        expect_refusal("cut short",
                       wrap((enum weir_codec)codec, weir_slice(whole.data, whole.size - 1)),
                       CORRUPT);
    }
    end();
}
END_TEST

/* A batch over max.message.bytes, as it is or as its topic says, is MESSAGE_TOO_LARGE. */
START_TEST(an_oversized_batch_is_refused)
{
    struct weir_test_random random = {7};
    begin();
    uint8_t *bytes = weir_arena_alloc(&server.arena, 20 * MIB);
    weir_test_random_fill(&random, bytes, 20 * MIB);
    for (size_t size = 2 * MIB; size <= 20 * MIB; size *= 3) {
        struct healthy_batch batch = {.value = weir_slice(bytes, size)};
        expect_refusal("too large", healthy_batch(&server, &batch), TOO_LARGE);
        batch.codec = WEIR_CODEC_ZSTD;
        expect_refusal("too large, zstd", healthy_batch(&server, &batch), TOO_LARGE);
    }
    end();
}
END_TEST

static void add(Suite *suite)
{
    TCase *bent = tcase_create("bent");
    tcase_add_test(bent, a_bad_batch_is_refused_alone);
    suite_add_tcase(suite, bent);
    TCase *packed = tcase_create("packed");
    tcase_add_test(packed, bombs_are_refused_and_cost_the_cap);
    tcase_add_test(packed, compressed_lies_are_refused);
    tcase_add_test(packed, an_oversized_batch_is_refused);
    suite_add_tcase(suite, packed);
}

int main(void)
{
    return weir_test_main("hostile batches", add);
}
