#include <stdlib.h>
#include <string.h>

#include "tests/unit/broker/log/log_support.h"
#include "wire/record_batch_reader.h"

enum { RECORDS = 6, FIRST_MS = 900000 };

static struct test_log test;

static void set_up(void)
{
    test_log_start(&test, 1);
    test.options.config.segment_bytes = 1 << 20;
}

static void tear_down(void)
{
    test_log_stop(&test);
}

static void open_with(const char *key, const char *value)
{
    ck_ok(weir_topic_config_set(&test.options.config, key, value, &test.error), &test.error);
    ck_ok(test_log_open(&test), &test.error);
}

/* Six records with a null key, a null value, headers, and times that go up and down. */
static struct weir_shared *make(enum weir_codec codec, int32_t sequence)
{
    static const int64_t times[RECORDS] = {0, 5, 2, 9, 1, 3};
    struct weir_header headers[] = {{weir_text("trace"), weir_text("on")},
                                    {weir_text("none"), weir_null()}};
    struct weir_batch_builder builder;
    struct weir_slice batch;
    weir_batch_builder_init(&builder, test.env->budget, codec, WEIR_CODEC_LEVEL_DEFAULT);
    for (int i = 0; i < RECORDS; i++) {
        struct weir_record record = {
            .key = i == 1 ? weir_null() : weir_text("a key that comes again and again"),
            .value = i == 2 ? weir_null() : weir_text("a value, a value, a value, a value"),
            .headers = headers,
            .header_count = i == 3 ? 2 : 0,
            .timestamp_ms = FIRST_MS + times[i],
        };
        ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
    }
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    finish.producer_id = 77;
    finish.producer_epoch = 3;
    finish.base_sequence = sequence;
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &batch), 0);
    struct weir_shared *shared = weir_shared_new(test.env->budget, batch.size);
    ck_assert_ptr_nonnull(shared);
    memcpy(shared->data, batch.data, batch.size);
    shared->size = batch.size;
    weir_batch_builder_close(&builder);
    return shared;
}

static int append(struct weir_shared *batch, struct weir_append_result *result_out)
{
    struct weir_append append = {.batches = batch, .now = {.ms = FIRST_MS + 1000}};
    return weir_partition_log_append(test.log, &append, result_out, &test.error);
}

/* The stored batch at `offset`: `codec`, a crc that fits, and the records that were made. */
static struct weir_batch_header expect_batch(int64_t offset, enum weir_codec codec,
                                             int64_t log_time_ms)
{
    static const int64_t times[RECORDS] = {0, 5, 2, 9, 1, 3};
    struct weir_log_read read = {.offset = offset, .offset_max = INT64_MAX, .size_max = 1};
    ck_ok(test_log_read(&test, &read), &read.error);
    ck_assert_uint_eq(read.batches.part_count, 1);
    struct weir_slice batch = weir_slice(
        read.batches.parts[0].bytes->data + read.batches.parts[0].from, read.batches.parts[0].size);
    struct weir_buffer plain;
    struct weir_arena arena;
    struct weir_batch_reader reader = {.rest = batch, .plain = &plain, .arena = &arena};
    weir_buffer_init(&plain, test.env->budget, 0);
    weir_arena_init(&arena, test.env->budget, 0);
    ck_ok(weir_batch_reader_open_next(&reader, &test.error), &test.error);
    ck_assert_int_eq(weir_batch_codec(&reader.header), codec);
    ck_assert_int_eq(reader.header.base_offset, offset);
    ck_assert_int_eq(reader.header.producer_id, 77);
    ck_assert_int_eq(reader.header.producer_epoch, 3);
    for (int i = 0; i < RECORDS; i++) {
        struct weir_record record;
        ck_assert_int_eq(weir_batch_reader_record(&reader, &record, &test.error), 0);
        ck_assert_int_eq(record.offset, offset + i);
        ck_assert_int_eq(record.timestamp_ms, log_time_ms >= 0 ? log_time_ms : FIRST_MS + times[i]);
        ck_assert_int_eq(weir_slice_is_null(record.key), i == 1);
        ck_assert_int_eq(weir_slice_is_null(record.value), i == 2);
        ck_assert_uint_eq(record.header_count, i == 3 ? 2 : 0);
        if (i == 3) ck_assert(weir_slice_is_null(record.headers[1].value));
    }
    struct weir_batch_header header = reader.header;
    weir_arena_close(&arena);
    weir_buffer_close(&plain);
    weir_log_read_release(&read);
    return header;
}

static const struct {
    const char *name;
    enum weir_codec codec;
} topic_codecs[] = {{"uncompressed", WEIR_CODEC_NONE},
                    {"gzip", WEIR_CODEC_GZIP},
                    {"snappy", WEIR_CODEC_SNAPPY},
                    {"lz4", WEIR_CODEC_LZ4},
                    {"zstd", WEIR_CODEC_ZSTD}};

/* Whatever the producer's codec, the log holds the topic's, and the records are the same to the
 * last null; from memory and, after a restart, from the disk. */
START_TEST(a_topics_codec_is_what_the_log_holds)
{
    enum weir_codec codec = topic_codecs[_i].codec;
    struct weir_append_result result;
    test.options.tail_cache_bytes = 1 << 20;
    open_with("compression.type", topic_codecs[_i].name);
    for (int from = 0; from < WEIR_CODEC_COUNT; from++) {
        struct weir_shared *batch = make((enum weir_codec)from, from * RECORDS);
        ck_ok(append(batch, &result), &test.error);
        ck_assert_int_eq(result.base_offset, from * RECORDS);
        ck_assert_int_eq(result.last_offset, from * RECORDS + RECORDS - 1);
        weir_shared_unref(batch);
    }
    for (int round = 0; round < 2; round++) {
        for (int from = 0; from < WEIR_CODEC_COUNT; from++) {
            struct weir_batch_header header = expect_batch(from * RECORDS, codec, -1);
            ck_assert_int_eq(header.base_sequence, from * RECORDS);
            ck_assert_int_eq(header.max_timestamp_ms, FIRST_MS + 9);
        }
        ck_ok(test_log_close(&test), &test.error);
        ck_ok(test_log_open(&test), &test.error);
    }
}
END_TEST

/* A batch that has the topic's codec, and any in a topic without one, is stored byte by byte. */
START_TEST(a_fitting_batch_is_not_touched)
{
    struct weir_append_result result;
    test.options.tail_cache_bytes = 1 << 20;
    open_with("compression.type", _i == 0 ? "producer" : "zstd");
    struct weir_shared *batch = make(WEIR_CODEC_ZSTD, 0);
    /* The log fills in base offset and leader epoch, in the buffer that it is given: what was made is
     * kept beside it. */
    struct weir_shared *made = weir_shared_new(test.env->budget, batch->size);
    ck_assert_ptr_nonnull(made);
    memcpy(made->data, batch->data, batch->size);
    made->size = batch->size;
    ck_ok(append(batch, &result), &test.error);
    weir_batch_assign(made->data, 0, weir_partition_log_state(test.log).leader_epoch);
    struct weir_log_read read = {.offset = 0, .offset_max = INT64_MAX, .size_max = 1};
    ck_ok(test_log_read(&test, &read), &read.error);
    ck_assert_uint_eq(read.size, made->size);
    ck_assert_mem_eq(read.batches.parts[0].bytes->data + read.batches.parts[0].from, made->data,
                     made->size);
    int64_t file_size = test_log_file_size(&test, "00000000000000000000.log");
    ck_assert_int_eq(file_size, (int64_t)made->size);
    weir_log_read_release(&read);
    weir_shared_unref(batch);
    weir_shared_unref(made);
}
END_TEST

/* A repeated batch is told by its sequence, not by its bytes: nothing is compressed or written. */
START_TEST(a_repeated_batch_is_known_under_another_codec)
{
    struct weir_append_result result;
    open_with("compression.type", "lz4");
    for (int round = 0; round < 2; round++) {
        struct weir_shared *batch = make(WEIR_CODEC_GZIP, 0);
        ck_ok(append(batch, &result), &test.error);
        ck_assert_int_eq(result.is_duplicate, round == 1);
        ck_assert_int_eq(result.base_offset, 0);
        weir_shared_unref(batch);
    }
    ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, RECORDS);
}
END_TEST

/* What unfolds too far, or is too large in the topic's codec, is refused and leaves no trace. */
START_TEST(what_unfolds_too_far_is_refused)
{
    enum { SIZE = 100000 };
    struct weir_append_result result;
    char *value = calloc(1, SIZE);
    ck_assert_ptr_nonnull(value);
    struct weir_batch_builder builder;
    struct weir_slice batch;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_record record = {.value = weir_slice(value, SIZE)};
    weir_batch_builder_init(&builder, test.env->budget, WEIR_CODEC_ZSTD, 1);
    ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &batch), 0);
    struct weir_shared *shared = weir_shared_new(test.env->budget, batch.size);
    ck_assert_ptr_nonnull(shared);
    memcpy(shared->data, batch.data, batch.size);
    shared->size = batch.size;
    weir_batch_builder_close(&builder);
    free(value);

    test.options.config.max_message_bytes = _i == 0 ? 500 : 50000;
    open_with("compression.type", _i == 0 ? "gzip" : "uncompressed");
    ck_code(append(shared, &result), WEIR_TOO_LARGE);
    ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, 0);
    ck_assert_int_eq(weir_partition_log_state(test.log).size_bytes, 0);
    weir_shared_unref(shared);
}
END_TEST

/* The Nth allocation fails: an append that found no memory changed nothing. */
START_TEST(recompression_survives_every_failed_allocation)
{
    struct weir_append_result result;
    open_with("compression.type", topic_codecs[_i].name);
    int32_t sequence = 0;
    bool has_failed = true;
    for (uint64_t number = 1; has_failed; number++) {
        struct weir_shared *batch = make(WEIR_CODEC_SNAPPY, sequence);
        test.env->heap->fail_at = number;
        int rc = append(batch, &result);
        has_failed = test.env->heap->fail_at == 0;
        test.env->heap->fail_at = 0;
        ck_assert(rc == 0 || rc == WEIR_NO_MEMORY);
        ck_assert(has_failed || rc == 0);
        bool is_recompressed = topic_codecs[_i].codec != WEIR_CODEC_SNAPPY;
        ck_assert(has_failed || !is_recompressed || number > 2); /* some were met */
        if (rc < 0) ck_assert_int_eq(weir_partition_log_state(test.log).end_offset, sequence);
        if (rc < 0) ck_ok(append(batch, &result), &test.error);
        expect_batch(sequence, topic_codecs[_i].codec, -1);
        sequence += RECORDS;
        weir_shared_unref(batch);
    }
}
END_TEST

/* The log's own time stands in the header, with its bit and a crc that fits, and is answered; the
 * records' own, also of compressed ones, no longer count. */
START_TEST(log_append_time_replaces_the_producers)
{
    struct weir_append_result result;
    open_with("message.timestamp.type", "LogAppendTime");
    for (int codec = 0; codec < WEIR_CODEC_COUNT; codec++) {
        struct weir_shared *batch = make((enum weir_codec)codec, codec * RECORDS);
        ck_ok(append(batch, &result), &test.error);
        ck_assert_int_eq(result.append_time_ms, FIRST_MS + 1000);
        weir_shared_unref(batch);
        struct weir_batch_header header =
            expect_batch(codec * RECORDS, (enum weir_codec)codec, FIRST_MS + 1000);
        ck_assert_int_eq(header.max_timestamp_ms, FIRST_MS + 1000);
        ck_assert_int_ne(header.attributes & WEIR_BATCH_LOG_APPEND_TIME, 0);
    }
    ck_ok(test_log_close(&test), &test.error);
    test_log_expect_verified(&test);
    ck_ok(test_log_open(&test), &test.error);
    expect_batch(2 * RECORDS, WEIR_CODEC_SNAPPY, FIRST_MS + 1000);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("codec");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_topics_codec_is_what_the_log_holds, 0, WEIR_CODEC_COUNT);
    tcase_add_loop_test(tests, a_fitting_batch_is_not_touched, 0, 2);
    tcase_add_test(tests, a_repeated_batch_is_known_under_another_codec);
    tcase_add_loop_test(tests, what_unfolds_too_far_is_refused, 0, 2);
    tcase_add_loop_test(tests, recompression_survives_every_failed_allocation, 0, WEIR_CODEC_COUNT);
    tcase_add_test(tests, log_append_time_replaces_the_producers);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("log codec", add);
}
