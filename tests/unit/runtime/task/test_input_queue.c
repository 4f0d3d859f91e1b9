/* What was fetched of an input: whole batches are taken, anything else is refused and changes nothing. */
#include <string.h>

#include "base/bytes.h"
#include "base/env/sim/sim.h"
#include "base/hash.h"
#include "runtime/task/input_queue.h"
#include "tests/support/support.h"
#include "wire/record_batch.h"

static struct weir_sim *sim;
static struct weir_env *env;
static struct weir_input_pool pool;
static struct weir_input_queue queue;
static struct weir_error error;

static void set_up(void)
{
    sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    env = weir_sim_node(sim, 0);
    weir_input_pool_init(&pool, env->budget);
    weir_input_queue_init(&queue, &pool, 0);
}

static void tear_down(void)
{
    weir_input_queue_close(&queue);
    weir_input_pool_close(&pool);
    weir_sim_free(sim);
}

/* Two batches of two records each, offsets 0 to 3. */
static struct weir_shared *two_batches(size_t *first_size_out)
{
    struct weir_batch_builder builder;
    struct weir_shared *bytes = weir_shared_new(env->budget, 1024);
    ck_assert_ptr_nonnull(bytes);
    bytes->size = 0;
    weir_batch_builder_init(&builder, env->budget, WEIR_CODEC_NONE, 0);
    for (int64_t base = 0; base < 4; base += 2) {
        const struct weir_record record = {
            .key = weir_text("key"), .value = weir_text("value"), .timestamp_ms = 5};
        struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
        struct weir_slice batch;
        ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
        ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
        ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &batch), 0);
        memcpy(bytes->data + bytes->size, batch.data, batch.size);
        weir_batch_assign(bytes->data + bytes->size, base, 0);
        bytes->size += batch.size;
        if (base == 0) *first_size_out = batch.size;
        weir_batch_builder_reset(&builder);
    }
    weir_batch_builder_close(&builder);
    return bytes;
}

/* The first `size` bytes, as a fetch gives them. */
static int push(struct weir_shared *bytes, size_t size)
{
    const struct weir_log_batches batches = {.parts = {{bytes, 0, size}}, .part_count = 1};
    return weir_input_queue_push(&queue, &batches, &error);
}

static size_t taken_count(void)
{
    size_t count = 0;
    const struct weir_record *records;
    int found;
    while ((found = weir_input_queue_peek(&queue, &records, &error)) > 0) {
        for (int i = 0; i < found; i++)
            ck_assert_int_eq(records[i].offset, (int64_t)count + i);
        count += (size_t)found;
        weir_input_queue_advance(&queue, (size_t)found);
    }
    ck_ok(found, &error);
    weir_input_queue_release(&queue);
    return count;
}

/* The batches of `bytes` from offset `base` on. */
static void rebase(struct weir_shared *bytes, size_t first_size, int64_t base)
{
    weir_batch_assign(bytes->data, base, 0);
    weir_batch_assign(bytes->data + first_size, base + 2, 0);
}

static void expect_queue(int64_t position, int64_t fetch_offset, size_t records, size_t bytes)
{
    ck_assert_int_eq(queue.position, position);
    ck_assert_int_eq(queue.fetch_offset, fetch_offset);
    ck_assert_uint_eq(queue.buffered_records, records);
    ck_assert_uint_eq(queue.buffered_bytes, bytes);
    ck_assert(weir_input_queue_is_empty(&queue) == (records == 0));
}

static void expect_peek(int count, int64_t offset)
{
    const struct weir_record *records = NULL;
    ck_assert_int_eq(weir_input_queue_peek(&queue, &records, &error), count);
    if (count > 0) ck_assert_int_eq(records[0].offset, offset);
}

/* Over three rounds, whose chunks come from the pool after the first: at every step it is known where the
 * reader stands, what is fetched next and what is buffered, for what is buffered decides who fetches. What
 * is pushed twice is there once. */
START_TEST(what_is_buffered_is_known_at_every_step)
{
    size_t first_size = 0;
    struct weir_shared *bytes = two_batches(&first_size);
    size_t size = bytes->size;
    for (int64_t base = 0; base < 12; base += 4) {
        rebase(bytes, first_size, base);
        ck_ok(push(bytes, first_size), &error);
        expect_queue(base, base + 2, 2, first_size);
        ck_ok(push(bytes, size), &error);
        expect_queue(base, base + 4, 4, size);
        expect_peek(2, base);
        weir_input_queue_advance(&queue, 1);
        expect_queue(base + 1, base + 4, 3, size);
        expect_peek(1, base + 1);
        weir_input_queue_advance(&queue, 1);
        expect_queue(base + 2, base + 4, 2, size - first_size);
        expect_peek(2, base + 2);
        weir_input_queue_advance(&queue, 2);
        expect_queue(base + 4, base + 4, 0, 0);
        expect_peek(0, 0);
        weir_input_queue_release(&queue);
    }
    weir_shared_unref(bytes);
}
END_TEST

/* Who begins inside a batch is given the rest of it; what lies below is not counted. */
START_TEST(records_below_the_position_are_skipped)
{
    size_t first_size = 0;
    struct weir_shared *bytes = two_batches(&first_size);
    weir_input_queue_init(&queue, &pool, 1);
    ck_ok(push(bytes, bytes->size), &error);
    expect_peek(1, 1);
    expect_queue(1, 4, 3, bytes->size);
    weir_input_queue_close(&queue);
    expect_queue(1, 4, 0, 0);

    /* From the second batch on the first is not even taken. */
    weir_input_queue_init(&queue, &pool, 2);
    ck_ok(push(bytes, bytes->size), &error);
    expect_queue(2, 4, 2, bytes->size - first_size);
    expect_peek(2, 2);
    weir_shared_unref(bytes);
}
END_TEST

/* A control batch is no record, but it is behind whoever has read up to it. */
START_TEST(a_control_batch_is_passed)
{
    enum { ATTRIBUTES_LOW_AT = 22 };
    size_t first_size = 0;
    struct weir_shared *bytes = two_batches(&first_size);
    bytes->data[first_size + ATTRIBUTES_LOW_AT] |= WEIR_BATCH_CONTROL;
    ck_ok(push(bytes, bytes->size), &error);
    expect_queue(0, 4, 2, first_size);
    expect_peek(2, 0);
    weir_input_queue_advance(&queue, 2);
    expect_queue(2, 4, 0, 0);
    expect_peek(0, 0);
    expect_queue(4, 4, 0, 0);
    weir_shared_unref(bytes);
}
END_TEST

/* Offsets that compaction has emptied at the end of a batch are behind whoever has read its records. */
START_TEST(a_hole_at_the_end_of_a_batch_is_passed)
{
    enum { CRC_AT = 17, CRC_FROM = 21, LAST_OFFSET_DELTA_AT = 23 };
    size_t first_size = 0;
    struct weir_shared *bytes = two_batches(&first_size);
    weir_store_u32(bytes->data + LAST_OFFSET_DELTA_AT, 4);
    weir_store_u32(bytes->data + CRC_AT,
                   weir_crc32c(0, bytes->data + CRC_FROM, first_size - CRC_FROM));
    weir_batch_assign(bytes->data + first_size, 5, 0);
    ck_ok(push(bytes, bytes->size), &error);
    expect_peek(2, 0);
    weir_input_queue_advance(&queue, 2);
    expect_queue(5, 7, 2, bytes->size - first_size);
    expect_peek(2, 5);
    weir_shared_unref(bytes);
}
END_TEST

/* Cut at every byte: the whole batches before the cut are taken, the cut one is an error and never read
 * as a header. */
START_TEST(a_cut_batch_is_refused)
{
    size_t first_size = 0;
    struct weir_shared *bytes = two_batches(&first_size);
    for (size_t size = 1; size <= bytes->size; size++) {
        /* Of the cut's size exactly, so that a read past it is found by the sanitizer. */
        struct weir_shared *cut = weir_shared_new(env->budget, size);
        ck_assert_ptr_nonnull(cut);
        memcpy(cut->data, bytes->data, size);
        cut->size = size;
        bool is_whole = size == first_size || size == bytes->size;
        size_t whole = (size_t)(size >= first_size) + (size_t)(size == bytes->size);
        ck_code(push(cut, size), is_whole ? 0 : WEIR_CORRUPT);
        ck_assert_int_eq(queue.fetch_offset, (int64_t)whole * 2);
        ck_assert_uint_eq(taken_count(), whole * 2);
        weir_shared_unref(cut);
        weir_input_queue_close(&queue);
        weir_input_queue_init(&queue, &pool, 0);
    }
    weir_shared_unref(bytes);
}
END_TEST

/* One bit of the first batch's records is another: what was fetched is refused as a whole, whichever
 * bit it is, and no record of it is handed out. */
START_TEST(a_batch_with_a_wrong_crc_is_refused)
{
    size_t first_size = 0;
    struct weir_shared *bytes = two_batches(&first_size);
    for (size_t at = WEIR_BATCH_HEADER_SIZE; at < first_size; at++) {
        const struct weir_record *records = NULL;
        bytes->data[at] ^= 1;
        ck_ok(push(bytes, bytes->size), &error);
        ck_code(weir_input_queue_peek(&queue, &records, &error), WEIR_CORRUPT);
        ck_assert_ptr_null(records);
        bytes->data[at] ^= 1;
        weir_input_queue_close(&queue);
        weir_input_queue_init(&queue, &pool, 0);
    }
    weir_shared_unref(bytes);
}
END_TEST

/* Each allocation fails once: the push or the peek says so, and the same bytes are taken the next time. */
START_TEST(each_allocation_may_fail)
{
    size_t first_size = 0;
    struct weir_shared *bytes = two_batches(&first_size);
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        const struct weir_record *records;
        weir_test_failures_arm(&failures, env->heap);
        int rc = push(bytes, bytes->size);
        if (rc >= 0) rc = weir_input_queue_peek(&queue, &records, &error);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert(was_hit ? rc == WEIR_NO_MEMORY : rc > 0);
        ck_ok(push(bytes, bytes->size), &error);
        ck_assert_uint_eq(taken_count(), 4);
        weir_input_queue_close(&queue);
        weir_input_pool_close(&pool);
        weir_input_pool_init(&pool, env->budget);
        weir_input_queue_init(&queue, &pool, 0);
    }
    ck_assert_uint_ge(failures.hits, 4);
    weir_shared_unref(bytes);
}
END_TEST

/* A queue that is read when another has been needs no memory of its own: a thousand inputs take what few do. */
START_TEST(queues_share_what_they_decode_into)
{
    size_t first_size = 0;
    struct weir_shared *bytes = two_batches(&first_size);
    ck_ok(push(bytes, bytes->size), &error);
    ck_assert_uint_eq(taken_count(), 4);
    const size_t used = env->budget->used;
    const uint64_t allocations = atomic_load(&env->heap->allocation_count);
    for (int i = 0; i < 10; i++) {
        struct weir_input_queue before = queue; /* stays open, and empty */
        weir_input_queue_init(&queue, &pool, 0);
        ck_ok(push(bytes, bytes->size), &error);
        ck_assert_uint_eq(taken_count(), 4);
        weir_input_queue_close(&before);
    }
    ck_assert_uint_eq(atomic_load(&env->heap->allocation_count), allocations);
    ck_assert_uint_eq(env->budget->used, used);
    weir_shared_unref(bytes);
}
END_TEST

/* What is closed holds nothing, may be closed again, and is filled anew. */
START_TEST(a_queue_that_was_closed_is_empty)
{
    size_t first_size;
    struct weir_shared *bytes = two_batches(&first_size);
    size_t used = env->budget->used;
    for (int round = 0; round < 3; round++) {
        ck_ok(push(bytes, bytes->size), &error);
        if (round == 1) ck_assert_uint_eq(taken_count(), 4);
        if (round == 1) ck_ok(push(bytes, bytes->size), &error); /* below the position: passed by */
        weir_input_queue_close(&queue);
        weir_input_queue_close(&queue);
        ck_assert_uint_eq(queue.buffered_records, 0);
        ck_assert_uint_eq(queue.buffered_bytes, 0);
        weir_input_pool_close(&pool);
        ck_assert_uint_eq(env->budget->used, used);
        weir_input_pool_init(&pool, env->budget);
        weir_input_queue_init(&queue, &pool, 0);
    }
    ck_ok(push(bytes, bytes->size), &error);
    ck_assert_uint_eq(taken_count(), 4);
    weir_shared_unref(bytes);
}
END_TEST

/* A batch of one record of producer 7's transaction, or its abort marker, behind what is there. */
static void add_transactional(struct weir_shared *bytes, int64_t offset, bool is_marker)
{
    uint8_t *to = bytes->data + bytes->size;
    if (is_marker) {
        weir_batch_store_marker(to, &(struct weir_transaction_marker){.producer_id = 7});
        weir_batch_assign(to, offset, 0);
        bytes->size += WEIR_BATCH_MARKER_SIZE;
        return;
    }
    struct weir_batch_builder builder;
    struct weir_slice batch;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    finish.producer_id = 7;
    finish.producer_epoch = 0;
    finish.base_sequence = (int32_t)offset;
    finish.is_transactional = true;
    weir_batch_builder_init(&builder, env->budget, WEIR_CODEC_NONE, 0);
    ck_assert_int_eq(
        weir_batch_builder_add(&builder, &(struct weir_record){.value = weir_text("value")}), 0);
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &batch), 0);
    memcpy(to, batch.data, batch.size);
    weir_batch_assign(to, offset, 0);
    bytes->size += batch.size;
    weir_batch_builder_close(&builder);
}

/* What the fetch says was aborted is passed, with its marker, and the queue goes on behind it. */
START_TEST(an_aborted_transaction_is_passed)
{
    size_t first_size;
    struct weir_shared *bytes = two_batches(&first_size);
    struct weir_aborted_transaction aborted[] = {{.producer_id = 7, .first_offset = 4}};
    add_transactional(bytes, 4, false);
    add_transactional(bytes, 5, true);
    add_transactional(bytes, 6, false); /* of the next one */
    const struct weir_log_batches batches = {.parts = {{bytes, 0, bytes->size}}, .part_count = 1};
    ck_ok(weir_input_queue_push_committed(&queue, &batches, aborted, 1, &error), &error);
    ck_assert_int_eq(queue.fetch_offset, 7);
    static const int64_t expected[] = {0, 1, 2, 3, 6};
    const struct weir_record *records;
    size_t count = 0;
    int found;
    while ((found = weir_input_queue_peek(&queue, &records, &error)) > 0) {
        for (int i = 0; i < found; i++)
            ck_assert_int_eq(records[i].offset, expected[count++]);
        weir_input_queue_advance(&queue, (size_t)found);
    }
    ck_ok(found, &error);
    ck_assert_uint_eq(count, 5);
    weir_input_queue_release(&queue);
    weir_shared_unref(bytes);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("input queue");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_is_buffered_is_known_at_every_step);
    tcase_add_test(tests, records_below_the_position_are_skipped);
    tcase_add_test(tests, a_control_batch_is_passed);
    tcase_add_test(tests, an_aborted_transaction_is_passed);
    tcase_add_test(tests, a_hole_at_the_end_of_a_batch_is_passed);
    tcase_add_test(tests, a_cut_batch_is_refused);
    tcase_add_test(tests, a_batch_with_a_wrong_crc_is_refused);
    tcase_add_test(tests, each_allocation_may_fail);
    tcase_add_test(tests, a_queue_that_was_closed_is_empty);
    tcase_add_test(tests, queues_share_what_they_decode_into);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("input queue", add);
}
