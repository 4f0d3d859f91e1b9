/* What was produced is consumed: the same bytes, in order, from where it was asked for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/broker/log/compacted.h"
#include "tests/unit/client/stage.h"

static struct stage stage;
static struct weir_error error;

static void assert_names(const char *text)
{
    ck_assert_msg(strstr(error.text, text) != NULL, "'%s' is not in: %s", text, error.text);
}

/* ---- round trips ----------------------------------------------------------------------------- */

enum { SHAPES = 400 };

struct shape {
    uint8_t key[40], value[3000], header_key[8], header_value[20];
    struct weir_header headers[3];
    struct weir_record record;
};

static struct weir_slice some_bytes(struct weir_test_random *random, uint8_t *bytes, size_t bound)
{
    if (weir_test_random_below(random, 5) == 0) return weir_null();
    size_t size = weir_test_random_below(random, bound);
    weir_test_random_fill(random, bytes, size);
    return weir_slice(bytes, size);
}

/* Record `number`, made from its number alone: null, empty and full keys, values and
 * headers, of 2001 and of 1938. */
static void make_shape(struct shape *shape, uint64_t number)
{
    struct weir_test_random random = {number * 31 + 7};
    bool is_large = weir_test_random_below(&random, 10) == 0;
    shape->record = (struct weir_record){
        .key = some_bytes(&random, shape->key, sizeof shape->key),
        .value = some_bytes(&random, shape->value, is_large ? sizeof shape->value : 200),
        .timestamp_ms = (number % 5 == 0 ? -1000000000000 : 1000000000000) + (int64_t)number,
        .headers = shape->headers,
        .header_count = weir_test_random_below(&random, 4),
    };
    memcpy(shape->header_key, "h-key-x", 8);
    struct weir_slice value = some_bytes(&random, shape->header_value, sizeof shape->header_value);
    for (size_t i = 0; i < 3; i++) {
        shape->headers[i].key = weir_slice(shape->header_key, i * 3); /* empty, too */
        shape->headers[i].value = value;
    }
}

static void assert_same(const struct weir_record *got, const struct weir_record *expected)
{
    ck_assert(weir_slice_equal(got->key, expected->key));
    ck_assert(weir_slice_equal(got->value, expected->value));
    ck_assert_int_eq((long long)got->timestamp_ms, (long long)expected->timestamp_ms);
    ck_assert_uint_eq(got->header_count, expected->header_count);
    for (size_t i = 0; i < got->header_count; i++) {
        ck_assert(weir_slice_equal(got->headers[i].key, expected->headers[i].key));
        ck_assert(weir_slice_equal(got->headers[i].value, expected->headers[i].value));
    }
}

static void send_shapes(const char *codec)
{
    struct weir_producer *producer = stage_producer(
        &stage, (struct weir_producer_options){.compression_type = codec, .batch_size = 5000});
    struct weir_config configs[] = {{"retention.ms", "-1"}};
    ck_ok(weir_topic_create(stage.log, "shapes", 3, configs, 1, &error), &error);
    for (uint64_t i = 0; i < SHAPES; i++) {
        struct shape shape;
        make_shape(&shape, i);
        ck_ok(weir_producer_send(producer, "shapes", (int32_t)(i % 3), &shape.record, NULL, &error),
              &error);
        if (i % 50 == 49) ck_assert_int_ge(weir_producer_poll(producer), 0);
    }
    ck_ok(weir_producer_close(producer, &error), &error);
}

static void read_shapes(void)
{
    struct weir_consumer *consumer = stage_consumer(&stage, NULL);
    ck_ok(weir_consumer_assign_topic(consumer, "shapes", WEIR_POSITION_BEGINNING, &error), &error);
    uint64_t next[3] = {0, 1, 2};
    int64_t offsets[3] = {0};
    struct weir_batch_view batch;
    int rc;
    while ((rc = weir_consumer_poll(consumer, 0, &batch, &error)) == 0) {
        ck_assert_str_eq(batch.topic, "shapes");
        int32_t partition = batch.partition;
        for (size_t i = 0; i < batch.record_count; i++) {
            struct shape shape;
            make_shape(&shape, next[partition]);
            assert_same(&batch.records[i], &shape.record);
            ck_assert_int_eq((long long)batch.records[i].offset, (long long)offsets[partition]);
            next[partition] += 3;
            offsets[partition]++;
        }
        ck_assert_int_ge(batch.high_watermark, offsets[partition]);
    }
    ck_code(rc, WEIR_END);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_ge(next[i], SHAPES);
    }
    ck_ok(weir_consumer_close(consumer, &error), &error);
}

/* Keys, values, headers, nulls and sizes of all kinds, through each codec, in three partitions,
 * before and after a reopen. */
START_TEST(records_come_back_as_they_were)
{
    static const char *const codecs[] = {NULL, "gzip", "snappy", "lz4", "zstd"};
    stage_open(&stage, _i % 2, 1);
    send_shapes(codecs[_i / 2]);
    read_shapes();
    stage_reopen(&stage);
    read_shapes();
    stage_close(&stage);
}
END_TEST

/* Records of 1 MB, each larger than a batch's usual size and at the fetch's bound. */
START_TEST(large_records_come_back)
{
    enum { SIZE = 1000000 };
    uint8_t *value = malloc(SIZE);
    struct weir_test_random random = {5};
    weir_test_random_fill(&random, value, SIZE);
    stage_open(&stage, _i, 2);
    struct weir_producer *producer = stage_producer(&stage, (struct weir_producer_options){0});
    for (int i = 0; i < 8; i++) {
        value[0] = (uint8_t)i;
        struct weir_record record = {.value = weir_slice(value, SIZE), .timestamp_ms = -1};
        ck_ok(weir_producer_send(producer, "large", 0, &record, NULL, &error), &error);
    }
    ck_ok(weir_producer_close(producer, &error), &error);
    struct weir_consumer *consumer = stage_consumer(&stage, NULL);
    ck_ok(weir_consumer_assign(consumer, "large", 0, WEIR_POSITION_BEGINNING, &error), &error);
    int next = 0;
    struct weir_batch_view batch;
    while (weir_consumer_poll(consumer, 0, &batch, &error) == 0) {
        for (size_t i = 0; i < batch.record_count; i++) {
            value[0] = (uint8_t)next++;
            ck_assert_uint_eq(batch.records[i].value.size, SIZE);
            ck_assert_int_eq(memcmp(batch.records[i].value.data, value, SIZE), 0);
        }
    }
    ck_assert_int_eq(next, 8);
    ck_ok(weir_consumer_close(consumer, &error), &error);
    stage_close(&stage);
    free(value);
}
END_TEST

/* One record, acknowledged on return. */
START_TEST(produce_stores_one_record)
{
    stage_open(&stage, _i, 3);
    ck_ok(weir_produce(stage.log, "one", weir_text("k"), weir_text("7"), &error), &error);
    struct weir_consumer *consumer = stage_consumer(&stage, NULL);
    ck_ok(weir_consumer_assign_topic(consumer, "one", WEIR_POSITION_BEGINNING, &error), &error);
    int number = 0;
    ck_assert_uint_eq(stage_read_all(&stage, consumer, &number, 1), 1);
    ck_assert_int_eq(number, 7);
    ck_ok(weir_consumer_close(consumer, &error), &error);
    stage_close(&stage);
}
END_TEST

/* ---- positions ------------------------------------------------------------------------------- */

/* 100 records in batches of ten, in partition 0 of "t". */
static void fill(int from, int to)
{
    struct weir_producer *producer = stage_producer(&stage, (struct weir_producer_options){0});
    for (int i = from; i < to; i++) {
        stage_send(&stage, producer, "t", 0, i);
        if (i % 10 == 9) ck_ok(weir_producer_flush(producer, &error), &error);
    }
    ck_ok(weir_producer_close(producer, &error), &error);
}

static void assert_reads(struct weir_consumer *consumer, int from, int to)
{
    int numbers[1000];
    size_t count = stage_read_all(&stage, consumer, numbers, 1000);
    ck_assert_uint_eq(count, (size_t)(to - from));
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(numbers[i], from + (int)i);
    }
    int64_t position = -1;
    ck_ok(weir_consumer_position(consumer, "t", 0, &position), NULL);
    ck_assert_int_eq((int)position, to);
}

/* A seek goes to any offset, also into the middle of a batch, and to both ends. */
START_TEST(seek_goes_where_it_is_told)
{
    stage_open(&stage, _i, 4);
    fill(0, 100);
    struct weir_consumer *consumer = stage_consumer(&stage, NULL);
    ck_ok(weir_consumer_assign(consumer, "t", 0, 55, &error), &error);
    assert_reads(consumer, 55, 100);
    for (int64_t offset = 0; offset <= 100; offset += 7) {
        ck_ok(weir_consumer_seek(consumer, "t", 0, offset, &error), &error);
        assert_reads(consumer, (int)offset, 100);
    }
    ck_ok(weir_consumer_seek(consumer, "t", 0, WEIR_POSITION_END, &error), &error);
    assert_reads(consumer, 100, 100);
    fill(100, 105);
    assert_reads(consumer, 100, 105);
    ck_ok(weir_consumer_seek(consumer, "t", 0, WEIR_POSITION_BEGINNING, &error), &error);
    struct weir_batch_view batch;
    ck_ok(weir_consumer_poll(consumer, 100, &batch, &error), &error); /* a fetch is sent ahead */
    ck_ok(weir_consumer_seek(consumer, "t", 0, 90, &error), &error);
    assert_reads(consumer, 90, 105);
    ck_ok(weir_consumer_close(consumer, &error), &error);
    stage_close(&stage);
}
END_TEST

/* At the end a poll gives WEIR_END at once, or when its time is up; a fetch that was left waiting
 * by one is called back by the next. What comes later is found by both. */
START_TEST(poll_at_the_end_gives_end)
{
    stage_open(&stage, _i, 5);
    fill(0, 10);
    struct weir_consumer *consumer = stage_consumer(&stage, NULL);
    ck_ok(weir_consumer_assign(consumer, "t", 0, WEIR_POSITION_BEGINNING, &error), &error);
    assert_reads(consumer, 0, 10);
    struct weir_batch_view batch;
    for (int i = 0; i < 3; i++) {
        ck_code(weir_consumer_poll(consumer, 0, &batch, &error), WEIR_END);
        ck_code(weir_consumer_poll(consumer, 1, &batch, &error), WEIR_END);
    }
    fill(10, 20);
    assert_reads(consumer, 10, 20);
    ck_code(weir_consumer_poll(consumer, 1, &batch, &error), WEIR_END);
    fill(20, 30);
    ck_ok(weir_consumer_poll(consumer, -1, &batch, &error), &error);
    ck_assert_int_eq(stage_number(&batch.records[0]), 20);
    ck_ok(weir_consumer_close(consumer, &error), &error); /* with a fetch left waiting */
    stage_close(&stage);
}
END_TEST

/* An offset that is not there: the error names the one asked for and those there are; a seek mends
 * it, and other partitions are read all the same. */
START_TEST(out_of_range_names_the_range)
{
    stage_open(&stage, _i, 6);
    fill(0, 10);
    ck_ok(weir_produce(stage.log, "other", weir_null(), weir_text("1"), &error), &error);
    struct weir_consumer *consumer = stage_consumer(&stage, NULL);
    ck_ok(weir_consumer_assign(consumer, "t", 0, 11, &error), &error);
    ck_ok(weir_consumer_assign(consumer, "other", 0, 0, &error), &error);
    struct weir_batch_view batch;
    bool has_read = false;
    bool has_failed = false;
    for (int i = 0; i < 4; i++) {
        int rc = weir_consumer_poll(consumer, 0, &batch, &error);
        if (rc == 0) has_read = true;
        if (rc == WEIR_OFFSET_OUT_OF_RANGE) has_failed = true;
        if (rc == WEIR_OFFSET_OUT_OF_RANGE) assert_names("offset 11 of topic 't' partition 0");
        if (rc == WEIR_OFFSET_OUT_OF_RANGE) assert_names("0 to 10");
    }
    ck_assert(has_read);
    ck_assert(has_failed);
    ck_ok(weir_consumer_seek(consumer, "t", 0, 5, &error), &error);
    assert_reads(consumer, 5, 10);
    ck_ok(weir_consumer_close(consumer, &error), &error);
    stage_close(&stage);
}
END_TEST

/* Names, partitions and positions that can't be. */
START_TEST(bad_arguments_are_refused)
{
    stage_open(&stage, _i, 7);
    fill(0, 10);
    struct weir_consumer *consumer = stage_consumer(&stage, NULL);
    struct weir_batch_view batch;
    int64_t offset = 0;
    ck_code(weir_consumer_poll(consumer, 0, &batch, &error), WEIR_INVALID_ARGUMENT);
    assert_names("weir_consumer_assign");
    ck_code(weir_consumer_assign(consumer, "none", 0, 0, &error), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_names("'none'");
    ck_code(weir_consumer_assign(consumer, "t", 1, 0, &error), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_code(weir_consumer_assign(consumer, "t", -1, 0, &error), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_code(weir_consumer_assign(consumer, "t", 0, -4, &error), WEIR_INVALID_ARGUMENT);
    ck_code(weir_consumer_assign(consumer, "t", 0, WEIR_POSITION_COMMITTED, &error),
            WEIR_INVALID_ARGUMENT);
    assert_names("group");
    ck_code(weir_consumer_assign(consumer, NULL, 0, 0, &error), WEIR_INVALID_TOPIC);
    ck_code(weir_consumer_seek(consumer, "t", 0, 0, &error), WEIR_NOT_FOUND);
    ck_code(weir_consumer_position(consumer, "t", 0, &offset), WEIR_NOT_FOUND);
    ck_code(weir_consumer_commit(consumer, &error), WEIR_INVALID_ARGUMENT);
    ck_code(weir_committed(stage.log, "", "t", 0, &offset, &error), WEIR_INVALID_ARGUMENT);
    ck_ok(weir_consumer_close(consumer, &error), &error);
    struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT};
    options.group = "";
    ck_assert_ptr_null(weir_consumer_new(stage.log, &options, &error));
    stage_close(&stage);
}
END_TEST

/* ---- committed offsets ----------------------------------------------------------------------- */

/* A group goes on where it committed, after a reopen too; another group begins at the beginning; a
 * topic made anew under the same name has nothing committed. */
START_TEST(committed_offsets_survive)
{
    stage_open(&stage, _i, 8);
    fill(0, 10);
    int64_t offset = 0;
    ck_ok(weir_committed(stage.log, "g", "t", 0, &offset, &error), &error);
    ck_assert_int_eq((int)offset, -1);
    struct weir_consumer *consumer = stage_consumer(&stage, "g");
    ck_ok(weir_consumer_assign_topic(consumer, "t", WEIR_POSITION_COMMITTED, &error), &error);
    assert_reads(consumer, 0, 10);
    ck_ok(weir_consumer_commit(consumer, &error), &error);
    ck_ok(weir_consumer_close(consumer, &error), &error);
    fill(10, 20);
    stage_reopen(&stage);
    ck_ok(weir_committed(stage.log, "g", "t", 0, &offset, &error), &error);
    ck_assert_int_eq((int)offset, 10);
    consumer = stage_consumer(&stage, "g");
    ck_ok(weir_consumer_assign_topic(consumer, "t", WEIR_POSITION_COMMITTED, &error), &error);
    assert_reads(consumer, 10, 20);
    ck_ok(weir_consumer_close(consumer, &error), &error);
    consumer = stage_consumer(&stage, "h");
    ck_ok(weir_consumer_assign_topic(consumer, "t", WEIR_POSITION_COMMITTED, &error), &error);
    assert_reads(consumer, 0, 20);
    ck_ok(weir_consumer_close(consumer, &error), &error);
    ck_ok(weir_topic_delete(stage.log, "t", &error), &error);
    fill(0, 5);
    consumer = stage_consumer(&stage, "g");
    ck_ok(weir_consumer_assign_topic(consumer, "t", WEIR_POSITION_COMMITTED, &error), &error);
    assert_reads(consumer, 0, 5);
    ck_ok(weir_consumer_close(consumer, &error), &error);
    stage_close(&stage);
}
END_TEST

/* ---- a log that has lost a tail -------------------------------------------------------------- */

static char lost_line[2048];

static void keep_lost_line(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)context;
    if (level != WEIR_LOG_WARN || strstr(line, "consumer.records_lost") == NULL) return;
    ck_assert_msg(lost_line[0] == '\0', "a second line: %s", line);
    ck_assert_uint_lt(size, sizeof lost_line);
    memcpy(lost_line, line, size + 1);
}

static void read_and_commit(int from, int to)
{
    struct weir_consumer *consumer = stage_consumer(&stage, "g");
    ck_ok(weir_consumer_assign_topic(consumer, "t", WEIR_POSITION_COMMITTED, &error), &error);
    assert_reads(consumer, from, to);
    ck_ok(weir_consumer_commit(consumer, &error), &error);
    ck_ok(weir_consumer_close(consumer, &error), &error);
}

/* Records that were read, committed and lost with the power: whether the log is shorter now or has
 * other records in their place, the group goes on where its history parts from the log's, says which
 * are gone, and skips none of the new ones. */
START_TEST(a_group_behind_a_lost_tail_goes_back_to_where_it_begins)
{
    int written = 5 * (_i % 3); /* none, fewer than what is lost, more than it */
    lost_line[0] = '\0';
    stage.options.log = keep_lost_line;
    stage_open(&stage, STAGE_SIM, 40 + (uint64_t)_i);
    struct weir_config os = {"flush.policy", "os"};
    ck_ok(weir_topic_create(stage.log, "t", 1, &os, 1, &error), &error);
    fill(0, 3);
    stage_reopen(&stage); /* these three are on the disk */
    fill(3, 10);
    read_and_commit(0, 10);
    stage_crash(&stage, WEIR_SIM_POWER);
    int64_t start = 0;
    int64_t end = 0;
    ck_ok(weir_topic_offsets(stage.log, "t", 0, &start, &end, &error), &error);
    ck_assert_int_ge(end, 3);
    if (written > 0) fill((int)end, (int)end + written);
    read_and_commit((int)end, (int)end + written);
    char lost[64];
    (void)snprintf(lost, sizeof lost, "group=g topic=t partition=0 lost=%lld..9 ", (long long)end);
    if (end < 10) ck_assert_msg(strstr(lost_line, lost) != NULL, "%s: %s", lost, lost_line);
    if (end == 10) ck_assert_str_eq(lost_line, "");
    lost_line[0] = '\0';
    read_and_commit((int)end + written, (int)end + written); /* said once */
    ck_assert_str_eq(lost_line, "");
    stage_close(&stage);
}
END_TEST

/* A kill without a loss of power, a clean close, retention: nobody is sent back. */
START_TEST(a_group_is_sent_back_by_lost_records_alone)
{
    lost_line[0] = '\0';
    stage.options.log = keep_lost_line;
    stage_open(&stage, STAGE_SIM, 60);
    struct weir_config os = {"flush.policy", "os"};
    ck_ok(weir_topic_create(stage.log, "t", 1, &os, 1, &error), &error);
    fill(0, 7);
    read_and_commit(0, 7);
    stage_crash(&stage, WEIR_SIM_KILL);
    fill(7, 8);
    read_and_commit(7, 8);
    stage_reopen(&stage);
    read_and_commit(8, 8);
    stage_crash(&stage, WEIR_SIM_KILL);
    fill(8, 12);
    read_and_commit(8, 12);
    ck_assert_str_eq(lost_line, "");
    stage_close(&stage);
}
END_TEST

/* More records than one poll gives, compressed and not, in batches larger than that. */
START_TEST(large_batches_come_in_pieces)
{
    enum { COUNT = 30000 };
    stage_open(&stage, _i % 2, 9);
    struct weir_producer *producer = stage_producer(
        &stage, (struct weir_producer_options){.batch_size = 1 << 20,
                                               .compression_type = _i / 2 ? "zstd" : NULL});
    for (int i = 0; i < COUNT; i++) {
        stage_send(&stage, producer, "t", 0, i);
    }
    ck_ok(weir_producer_close(producer, &error), &error);
    struct weir_consumer *consumer = stage_consumer(&stage, NULL);
    ck_ok(weir_consumer_assign(consumer, "t", 0, WEIR_POSITION_BEGINNING, &error), &error);
    int *numbers = malloc(COUNT * sizeof *numbers);
    ck_assert_uint_eq(stage_read_all(&stage, consumer, numbers, COUNT), COUNT);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(numbers[i], i);
    }
    ck_ok(weir_consumer_seek(consumer, "t", 0, 5001, &error), &error);
    ck_assert_uint_eq(stage_read_all(&stage, consumer, numbers, COUNT), COUNT - 5001);
    ck_assert_int_eq(numbers[0], 5001);
    ck_ok(weir_consumer_close(consumer, &error), &error);
    free(numbers);
    stage_close(&stage);
}
END_TEST

/* ---- holes ----------------------------------------------------------------------------------- */

enum { HOLES_RECORDS = 300 };

/* Which offsets have a record after a compaction that has been at every kind of batch. */
static enum test_keep keep_some(void *context, const struct weir_batch_header *header)
{
    static const enum test_keep kinds[] = {TEST_DROP, TEST_THIN, TEST_EMPTY, TEST_KEEP, TEST_DROP};
    enum test_keep keep = kinds[(header->base_offset / 3) % 5];
    bool *is_there = context;
    for (int32_t delta = 0; delta <= header->last_offset_delta; delta++) {
        bool stays = keep == TEST_KEEP || (keep == TEST_THIN && delta % 2 == 1);
        is_there[header->base_offset + delta] = stays;
    }
    return keep;
}

static void expect_next(struct weir_consumer *consumer, const bool *is_there, int64_t *offset)
{
    struct weir_batch_view batch;
    ck_ok(weir_consumer_poll(consumer, 0, &batch, &error), &error);
    for (size_t i = 0; i < batch.record_count; i++) {
        while (!is_there[*offset]) {
            ++*offset;
        }
        ck_assert_int_eq((long long)batch.records[i].offset, (long long)*offset);
        ck_assert_int_eq(stage_number(&batch.records[i]), (int)*offset);
        ++*offset;
    }
}

/* A consumer goes over the holes of a compacted topic, wherever it begins, gives each record that is left
 * with its own offset, and stands at the end when it is through. */
START_TEST(holes_are_stepped_over)
{
    static bool is_there[HOLES_RECORDS + 1];
    int64_t position = -1;
    stage_open(&stage, STAGE_SIM, 7);
    /* The holes are made below: the log's own cleaner is to keep off. */
    const struct weir_config configs[] = {{"segment.bytes", "900"},
                                          {"cleanup.policy", "compact"},
                                          {"min.compaction.lag.ms", "9000000000"}};
    ck_ok(weir_topic_create(stage.log, "thin", 1, configs, 3, &error), &error);
    struct weir_producer *producer = stage_producer(&stage, (struct weir_producer_options){0});
    for (int i = 0; i < HOLES_RECORDS; i++) {
        char text[16];
        int size = snprintf(text, sizeof text, "%d", i);
        struct weir_record record = {
            .key = weir_text("k"), .value = weir_slice(text, (size_t)size), .timestamp_ms = -1};
        ck_ok(weir_producer_send(producer, "thin", 0, &record, NULL, &error), &error);
        if (i % 3 == 2) ck_ok(weir_producer_flush(producer, &error), &error);
        is_there[i] = true;
    }
    is_there[HOLES_RECORDS] = true;
    ck_ok(weir_producer_close(producer, &error), &error);
    ck_ok(weir_close(stage.log, &error), &error);
    test_compact_folder(weir_sim_node(stage.sim, 0), "/data/log/thin-0", keep_some, is_there);
    ck_assert(!is_there[0]);
    stage_crash(&stage, WEIR_SIM_POWER);
    struct weir_consumer *consumer = stage_consumer(&stage, NULL);
    ck_ok(weir_consumer_assign(consumer, "thin", 0, WEIR_POSITION_BEGINNING, &error), &error);
    for (int64_t from = 0; from < HOLES_RECORDS; from += 4) {
        int64_t offset = from;
        ck_ok(weir_consumer_seek(consumer, "thin", 0, from, &error), &error);
        expect_next(consumer, is_there, &offset);
    }
    int64_t offset = 0;
    ck_ok(weir_consumer_seek(consumer, "thin", 0, 0, &error), &error);
    while (offset < HOLES_RECORDS) {
        expect_next(consumer, is_there, &offset);
    }
    struct weir_batch_view batch;
    ck_code(weir_consumer_poll(consumer, 0, &batch, &error), WEIR_END);
    ck_ok(weir_consumer_position(consumer, "thin", 0, &position), NULL);
    ck_assert_int_eq(position, HOLES_RECORDS);
    ck_ok(weir_consumer_close(consumer, &error), &error);
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("round trip");
    tcase_add_loop_test(tests, records_come_back_as_they_were, 0, 10);
    tcase_add_loop_test(tests, large_records_come_back, 0, STAGE_COUNT);
    tcase_add_loop_test(tests, large_batches_come_in_pieces, 0, 4);
    tcase_add_loop_test(tests, produce_stores_one_record, 0, STAGE_COUNT);
    suite_add_tcase(suite, tests);

    TCase *positions = tcase_create("positions");
    tcase_add_loop_test(positions, seek_goes_where_it_is_told, 0, STAGE_COUNT);
    tcase_add_test(positions, holes_are_stepped_over);
    tcase_add_loop_test(positions, poll_at_the_end_gives_end, 0, STAGE_COUNT);
    tcase_add_loop_test(positions, out_of_range_names_the_range, 0, STAGE_COUNT);
    tcase_add_loop_test(positions, bad_arguments_are_refused, 0, STAGE_COUNT);
    tcase_add_loop_test(positions, committed_offsets_survive, 0, STAGE_COUNT);
    tcase_add_loop_test(positions, a_group_behind_a_lost_tail_goes_back_to_where_it_begins, 0, 12);
    tcase_add_test(positions, a_group_is_sent_back_by_lost_records_alone);
    suite_add_tcase(suite, positions);
}

int main(void)
{
    return weir_test_main("client_consumer", add);
}
