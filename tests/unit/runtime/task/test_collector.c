/* Where a thread's records become batches: their bounds, their order, their sequences. */
#include "runtime/task/collector.h"

#include <string.h>

#include "tests/support/support.h"
#include "wire/record_batch_reader.h"

enum { USER, INTERNAL, COMPACTED, TOPICS, PARTITIONS = 3 };
enum { BATCH_SIZE = 64 << 10, FRAMING = 40, HEADER_FRAMING = 10 };

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_collector collector;
static struct weir_job_topic topics[TOPICS];
static struct weir_error error;
static char letters[BATCH_SIZE];

static void open_collector(void)
{
    weir_collector_init(&collector, &budget, &budget, topics, TOPICS);
}

static void set_up(void)
{
    static const char *const names[] = {"out", "app-again-repartition", "table"};
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    for (size_t i = 0; i < TOPICS; i++) {
        topics[i] = (struct weir_job_topic){.name = names[i],
                                            .partition_count = PARTITIONS,
                                            .is_internal = i == INTERNAL,
                                            .keys_required = i == COMPACTED,
                                            .max_message_bytes = 1 << 20};
    }
    memset(letters, 'x', sizeof letters);
    open_collector();
}

static void tear_down(void)
{
    weir_collector_close(&collector);
    ck_assert_uint_eq(budget.used, 0);
}

static struct weir_record record_of(size_t value_size)
{
    return (struct weir_record){
        .key = weir_text("k"), .value = weir_slice(letters, value_size), .timestamp_ms = 5};
}

static int add(size_t topic, int32_t partition, size_t value_size)
{
    const struct weir_record record = record_of(value_size);
    error = (struct weir_error){0};
    return weir_collector_add(&collector, topic, partition, &record, &error);
}

/* As its producer does, when it is sent. */
static void fill_in(struct weir_slice batch)
{
    const struct weir_batch_producer nobody = {-1, -1, -1, false};
    weir_batch_set_producer((uint8_t *)batch.data, batch.size, &nobody);
}

/* The next batch is this partition's, with this many records. */
static struct weir_output *expect_next(size_t topic, int32_t partition, int64_t record_count)
{
    struct weir_output *output = weir_collector_take(&collector, true);
    ck_assert_ptr_nonnull(output);
    ck_assert_ptr_null(output->next);
    ck_assert_uint_eq(output->topic, topic);
    ck_assert_int_eq(output->produce.to.partition, partition);
    ck_assert(weir_slice_equal(output->produce.to.topic, weir_text(topics[topic].name)));
    ck_assert(output->produce.is_internal == topics[topic].is_internal);
    ck_assert_int_eq(output->produce.acks, WEIR_ACKS_LEADER);
    ck_assert_ptr_eq(output->collector, &collector);
    ck_assert_int_eq(output->record_count, record_count);
    return output;
}

static void finish(void)
{
    ck_ok(weir_collector_finish(&collector, &error), &error);
}

/* ---- batches --------------------------------------------------------------------------------- */

/* Records of a partition stand in one batch, in the order in which they came; nothing is sent
 * before it is finished, and what was finished first is sent first. */
START_TEST(records_of_a_partition_share_a_batch)
{
    ck_assert(weir_collector_is_empty(&collector));
    for (int i = 0; i < 4; i++) {
        ck_ok(add(USER, 1, 10 + (size_t)i), &error);
    }
    ck_assert(!weir_collector_is_empty(&collector));
    ck_assert_ptr_null(weir_collector_take(&collector, true));
    finish();
    ck_assert(!weir_collector_is_empty(&collector));
    ck_ok(add(USER, 2, 1), &error);
    finish();
    ck_ok(add(INTERNAL, 1, 1), &error);
    finish();
    finish(); /* nothing to do */
    size_t left = collector.pending_bytes;
    struct weir_output *output = expect_next(USER, 1, 4);
    ck_assert_uint_eq(collector.pending_bytes, left - output->produce.batches->size);
    const struct weir_shared *bytes = output->produce.batches;
    struct weir_batch_reader reader = {.rest = weir_slice(bytes->data, bytes->size)};
    struct weir_record record;
    fill_in(reader.rest);
    ck_ok(weir_batch_reader_open_next(&reader, &error), &error);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(weir_batch_reader_record(&reader, &record, &error), 0);
        ck_assert_uint_eq(record.value.size, 10 + i);
        ck_assert_int_eq(record.timestamp_ms, 5);
    }
    ck_assert_int_eq(weir_batch_reader_record(&reader, &record, &error), WEIR_END);
    weir_collector_recycle(&collector, output);
    weir_collector_recycle(&collector, expect_next(USER, 2, 1));
    weir_collector_recycle(&collector, expect_next(INTERNAL, 1, 1));
    ck_assert_ptr_null(weir_collector_take(&collector, true));
    ck_assert_uint_eq(collector.pending_bytes, 0);
    ck_assert(weir_collector_is_empty(&collector));
    ck_ok(add(USER, 0, 1), &error); /* and again */
    finish();
    weir_collector_recycle(&collector, expect_next(USER, 0, 1));
}
END_TEST

/* A batch is closed before a record that would make it larger than 64 KiB, or than its topic
 * takes if that is less: none is larger, none is needlessly small, and no record is lost. */
START_TEST(a_batch_has_a_bound)
{
    const size_t bound = _i == 0 ? BATCH_SIZE : 1000;
    const size_t value_size = bound / 20;
    topics[USER].max_message_bytes = _i == 0 ? 1 << 20 : 1000;
    for (int i = 0; i < 100; i++) {
        ck_ok(add(USER, 0, value_size), &error);
    }
    finish();
    int64_t records = 0;
    struct weir_output *output;
    while ((output = weir_collector_take(&collector, true)) != NULL) {
        size_t size = output->produce.batches->size;
        ck_assert_uint_le(size, bound);
        records += output->record_count;
        if (records < 100) ck_assert_uint_gt(size + value_size + FRAMING + 1, bound);
        weir_collector_recycle(&collector, output);
    }
    ck_assert_int_eq(records, 100);
}
END_TEST

/* A record that is as large as its topic takes is a batch of its own, and one byte more is the
 * record's own failure: the batch that is there stays as it is. Headers count. */
START_TEST(a_record_has_a_bound)
{
    const struct weir_header headers[2] = {{weir_text("a"), weir_text("bc")},
                                           {weir_text("d"), weir_text("")}};
    const size_t framing = WEIR_BATCH_HEADER_SIZE + FRAMING + 1;
    topics[USER].max_message_bytes = 1000;
    ck_ok(add(USER, 0, 10), &error);
    ck_ok(add(USER, 0, 1000 - framing), &error);
    ck_code(add(USER, 0, 1000 - framing + 1), WEIR_TOO_LARGE);
    ck_told(WEIR_TOO_LARGE, &error);
    struct weir_record record = record_of(1000 - framing - 2 * HEADER_FRAMING - 4);
    record.headers = headers;
    record.header_count = 2;
    ck_ok(weir_collector_check(&collector, USER, &record, &error), &error);
    record.value.size++;
    ck_code(weir_collector_check(&collector, USER, &record, &error), WEIR_TOO_LARGE);
    record.header_count = 1;
    ck_ok(weir_collector_check(&collector, USER, &record, &error), &error);
    finish();
    weir_collector_recycle(&collector, expect_next(USER, 0, 1));
    weir_collector_recycle(&collector, expect_next(USER, 0, 1));
    ck_assert(weir_collector_is_empty(&collector));
}
END_TEST

/* What always fits is told; a topic that takes nothing at all takes a byte. */
START_TEST(what_fits_a_topic_is_told)
{
    for (int64_t max = 1; max < 400; max++) {
        topics[USER].max_message_bytes = max;
        size_t size = weir_collector_payload_max(&topics[USER]);
        ck_assert_uint_ge(size, 1);
        if (max <= WEIR_BATCH_HEADER_SIZE + FRAMING) {
            ck_assert_uint_eq(size, 1);
            continue;
        }
        ck_ok(add(USER, 0, size - 1), &error); /* the key has one */
        ck_code(add(USER, 0, size), WEIR_TOO_LARGE);
    }
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------- */

START_TEST(a_compacted_topic_wants_keys)
{
    struct weir_record record = record_of(1);
    record.key = weir_null();
    for (size_t topic = 0; topic < TOPICS; topic++) {
        ck_code(weir_collector_check(&collector, topic, &record, &error),
                topic == COMPACTED ? WEIR_INVALID_RECORD : 0);
    }
    record.key = weir_text("");
    ck_ok(weir_collector_check(&collector, COMPACTED, &record, &error), &error);
}
END_TEST

/* Both bounds of a topic's time are inclusive; 0 is no bound, and without today's date there is
 * none. */
START_TEST(a_topic_bounds_its_times)
{
    static const struct {
        int64_t now, before, after, timestamp;
        int rc;
    } cases[] = {
        {1000, 0, 0, 0, 0},
        {1000, 0, 0, INT64_MAX, 0},
        {1000, 0, 0, -1, WEIR_INVALID_TIMESTAMP},
        {0, 10, 10, 0, 0},
        {0, 10, 10, 5000, 0},
        {1000, 10, 0, 990, 0},
        {1000, 10, 0, 989, WEIR_INVALID_TIMESTAMP},
        {1000, 10, 0, 5000, 0},
        {1000, 0, 10, 1010, 0},
        {1000, 0, 10, 1011, WEIR_INVALID_TIMESTAMP},
        {1000, 0, 10, 0, 0},
        {1000, 1, 1, 1001, 0},
        {1000, 1, 1, 999, 0},
        {1000, 1, 1, 1002, WEIR_INVALID_TIMESTAMP},
        {1000, 1, 1, 998, WEIR_INVALID_TIMESTAMP},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_record record = record_of(1);
        record.timestamp_ms = cases[i].timestamp;
        topics[USER].before_max_ms = cases[i].before;
        topics[USER].after_max_ms = cases[i].after;
        collector.wall_now_ms = cases[i].now;
        int rc = weir_collector_check(&collector, USER, &record, &error);
        ck_assert_msg(rc == cases[i].rc, "case %zu: %d", i, rc);
        ck_assert_int_eq(weir_collector_add(&collector, USER, 0, &record, &error), rc);
    }
}
END_TEST

/* ---- ends ------------------------------------------------------------------------------------ */

static void store_at(size_t topic, int32_t partition, int64_t last_offset)
{
    ck_ok(add(topic, partition, 1), &error);
    finish();
    struct weir_output *output = expect_next(topic, partition, 1);
    output->produce.last_offset = last_offset;
    weir_collector_stored(&collector, output);
    weir_collector_recycle(&collector, output);
}

/* Where an internal partition ends is given once after each time that it has moved, as far as it
 * is known then; of a user's topic it is nobody's business. */
START_TEST(the_end_of_an_internal_partition_is_given_once)
{
    struct weir_output_end end;
    ck_assert(!weir_collector_next_end(&collector, &end));
    ck_assert_int_eq(weir_collector_given_end(&collector, INTERNAL, 2), -1);
    store_at(USER, 2, 40);
    ck_assert(!weir_collector_next_end(&collector, &end));
    ck_assert_int_eq(weir_collector_given_end(&collector, INTERNAL, 2), -1);
    store_at(INTERNAL, 2, 7);
    store_at(INTERNAL, 2, 9);
    store_at(INTERNAL, 2, 8); /* answered later */
    ck_assert_int_eq(weir_collector_given_end(&collector, INTERNAL, 2), -1);
    ck_assert_int_eq(weir_collector_given_end(&collector, INTERNAL, 0), -1);
    store_at(INTERNAL, 0, 0);
    ck_assert(weir_collector_next_end(&collector, &end));
    ck_assert_uint_eq(end.topic, INTERNAL);
    ck_assert_int_eq(end.partition, 0);
    ck_assert_int_eq(end.end_offset, 1);
    ck_assert(weir_collector_next_end(&collector, &end));
    ck_assert_int_eq(end.partition, 2);
    ck_assert_int_eq(end.end_offset, 10);
    ck_assert(!weir_collector_next_end(&collector, &end));
    ck_assert_int_eq(weir_collector_given_end(&collector, INTERNAL, 2), 10);
    ck_assert_int_eq(weir_collector_given_end(&collector, INTERNAL, 0), 1);
    ck_assert_int_eq(weir_collector_given_end(&collector, INTERNAL, 1), -1);
    store_at(INTERNAL, 2, 10);
    ck_assert_int_eq(weir_collector_given_end(&collector, INTERNAL, 2), 10);
    ck_assert(weir_collector_next_end(&collector, &end));
    ck_assert_int_eq(end.end_offset, 11);
    ck_assert(!weir_collector_next_end(&collector, &end));
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

/* Whichever allocation fails: that record, or that finish, is repeated, and nothing is lost or
 * sent twice. */
START_TEST(what_failed_for_memory_is_repeated)
{
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        tear_down();
        set_up();
        weir_test_failures_arm(&failures, &heap);
        for (int i = 0; i < 6; i++) {
            size_t size = i < 4 ? 30000 : 10; /* one batch is closed on the way */
            int rc = add(USER, i / 4, size);
            ck_assert(rc == 0 || rc == WEIR_NO_MEMORY);
            ck_told(rc, &error);
            if (rc < 0) ck_ok(add(USER, i / 4, size), &error);
        }
        int rc = weir_collector_finish(&collector, &error);
        ck_assert(rc == 0 || rc == WEIR_NO_MEMORY);
        (void)weir_test_failures_disarm(&failures);
        if (rc < 0) finish();
        int64_t counts[2] = {0};
        struct weir_output *output;
        while ((output = weir_collector_take(&collector, true)) != NULL) {
            counts[output->produce.to.partition] += output->record_count;
            weir_collector_recycle(&collector, output);
        }
        ck_assert_int_eq(counts[0], 4);
        ck_assert_int_eq(counts[1], 2);
    }
    ck_assert_uint_gt(failures.hits, 6);
}
END_TEST

/* What was recycled is used again: in a steady state requests cost no memory, and what waits is
 * freed with the rest. */
START_TEST(requests_are_used_again)
{
    ck_ok(add(USER, 0, 1), &error);
    finish();
    struct weir_output *first = expect_next(USER, 0, 1);
    weir_collector_recycle(&collector, first);
    ck_ok(add(USER, 1, 1), &error);
    finish();
    struct weir_output *next = expect_next(USER, 1, 1);
    ck_assert_ptr_eq(next, first);
    weir_collector_recycle(&collector, next);
    ck_ok(add(USER, 1, 1), &error);
    finish();
    ck_ok(add(USER, 2, 1), &error);
}
END_TEST

static void add_tests(Suite *suite)
{
    TCase *tests = tcase_create("collector");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, records_of_a_partition_share_a_batch);
    tcase_add_loop_test(tests, a_batch_has_a_bound, 0, 2);
    tcase_add_test(tests, a_record_has_a_bound);
    tcase_add_test(tests, what_fits_a_topic_is_told);
    tcase_add_test(tests, a_compacted_topic_wants_keys);
    tcase_add_test(tests, a_topic_bounds_its_times);
    tcase_add_test(tests, the_end_of_an_internal_partition_is_given_once);
    tcase_add_test(tests, what_failed_for_memory_is_repeated);
    tcase_add_test(tests, requests_are_used_again);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("collector", add_tests);
}
