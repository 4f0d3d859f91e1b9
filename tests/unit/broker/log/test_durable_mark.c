#include <string.h>

#include "base/hash.h"
#include "broker/log/durable_mark.h"
#include "broker/log/recovery.h"
#include "tests/support/support.h"

/** The small formats (mark, snapshot, epochs) and what recovery decides from them. */
static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_arena arena;
static struct weir_error error;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
}

static void tear_down(void)
{
    weir_arena_close(&arena);
    ck_assert_uint_eq(budget.used, 0);
}

static const struct weir_segment_facts segments[] = {
    {.base_offset = 0,
     .end_offset = 8,
     .size = 100,
     .has_holes = true,
     .first_timestamp_ms = 5,
     .max_timestamp_ms = 9,
     .max_timestamp_offset = 3,
     .last_append_ms = 12},
    {.base_offset = 10,
     .end_offset = 14,
     .size = 50,
     .first_timestamp_ms = -1,
     .max_timestamp_ms = -1,
     .max_timestamp_offset = -1,
     .last_append_ms = 13},
};

static const struct weir_segment_facts *segment_at(const void *context, size_t index)
{
    (void)context;
    return &segments[index];
}

static struct weir_batch_header batch_of(int64_t producer_id, int32_t sequence, int64_t offset)
{
    return (struct weir_batch_header){
        .base_offset = offset,
        .last_offset_delta = 1,
        .record_count = 2,
        .producer_id = producer_id,
        .producer_epoch = 4,
        .base_sequence = sequence,
        .max_timestamp_ms = 77,
    };
}

static void add_batch(struct weir_producer_state *state, int64_t id, int32_t sequence,
                      int64_t offset, int64_t now_ns)
{
    struct weir_batch_header header = batch_of(id, sequence, offset);
    ck_ok(weir_producer_state_reserve(state, &header), NULL);
    weir_producer_state_add(state, &header, (struct weir_mono){now_ns});
}

static void add_transactional(struct weir_producer_state *state, int64_t id, int32_t sequence,
                              int64_t offset)
{
    struct weir_batch_header header = batch_of(id, sequence, offset);
    header.attributes = WEIR_BATCH_TRANSACTIONAL;
    ck_ok(weir_producer_state_reserve(state, &header), NULL);
    weir_producer_state_add(state, &header, (struct weir_mono){1000000000});
}

static void end_transaction(struct weir_producer_state *state, int64_t id, int16_t epoch,
                            int64_t offset)
{
    struct weir_batch_header header = batch_of(id, WEIR_NO_SEQUENCE, offset);
    header.attributes = WEIR_BATCH_TRANSACTIONAL | WEIR_BATCH_CONTROL;
    header.last_offset_delta = 0;
    header.record_count = 1;
    header.producer_epoch = epoch;
    weir_producer_state_add(state, &header, (struct weir_mono){1000000000});
}

/* One producer without a transaction, one with, and one whose epoch a marker has begun. `says`
 * has what is not everywhere the same: its kind, what was given up, the segments. */
static void encode_of(struct weir_durable_mark_view says, struct weir_buffer *to)
{
    struct weir_leader_epochs epochs;
    struct weir_producer_state producers;
    struct weir_lost_ranges lost;
    weir_leader_epochs_init(&epochs, &budget);
    weir_producer_state_init(&producers, &budget);
    ck_ok(weir_leader_epochs_reserve(&epochs), NULL);
    weir_leader_epochs_assign(&epochs, 2, 0);
    weir_leader_epochs_assign(&epochs, 5, 7);
    for (int32_t i = 0; i < 7; i++) {
        add_batch(&producers, 42, i * 2, i * 2, 1000000000);
    }
    add_transactional(&producers, 43, 0, 6);
    add_transactional(&producers, 43, 2, 10);
    add_transactional(&producers, 44, 0, 8);
    end_transaction(&producers, 44, 5, 12);
    weir_lost_ranges_init(&lost, &budget);
    ck_ok(weir_lost_ranges_add(&lost, (struct weir_lost_range){5, 7}), NULL);
    ck_ok(weir_lost_ranges_add(&lost, (struct weir_lost_range){9, 14}), NULL);
    ck_ok(weir_lost_ranges_add(&lost, (struct weir_lost_range){14, 20}), NULL); /* above the end */
    weir_buffer_init(to, &budget, 0);
    says.topic_id = (struct weir_uuid){{9, 8, 7}};
    says.partition = 77;
    says.start_offset = 4;
    says.end_offset = 14;
    says.leader_epoch = 6;
    says.epochs = &epochs;
    says.producers = &producers;
    if (says.lost == NULL) says.lost = &lost;
    says.sequence = 1LL << 40;
    says.now = (struct weir_mono){3000000000};
    says.segment_count = 2;
    if (says.segment == NULL) says.segment = segment_at;
    weir_durable_mark_encode(&says, to);
    ck_assert(!to->failed);
    weir_leader_epochs_close(&epochs);
    weir_producer_state_close(&producers);
    weir_lost_ranges_close(&lost);
}

static void encode_segments(struct weir_buffer *to,
                            const struct weir_segment_facts *(*segment)(const void *, size_t))
{
    encode_of((struct weir_durable_mark_view){.is_clean = true, .segment = segment}, to);
}

static void encode(struct weir_buffer *to)
{
    encode_segments(to, segment_at);
}

static int decode(struct weir_slice bytes, struct weir_durable_mark *mark)
{
    return weir_durable_mark_decode(bytes, &budget, &arena, (struct weir_mono){10000000000}, mark,
                                    &error);
}

static void expect_segment(const struct weir_segment_facts *got,
                           const struct weir_segment_facts *expected)
{
    ck_assert_int_eq(got->base_offset, expected->base_offset);
    ck_assert_int_eq(got->end_offset, expected->end_offset);
    ck_assert_int_eq(got->size, expected->size);
    ck_assert_int_eq(got->first_timestamp_ms, expected->first_timestamp_ms);
    ck_assert_int_eq(got->max_timestamp_ms, expected->max_timestamp_ms);
    ck_assert_int_eq(got->max_timestamp_offset, expected->max_timestamp_offset);
    ck_assert_int_eq(got->last_append_ms, expected->last_append_ms);
    ck_assert_int_eq(got->has_holes, expected->has_holes);
}

/* All that is put in comes out again. */
START_TEST(a_mark_comes_back_whole)
{
    struct weir_buffer bytes;
    struct weir_durable_mark mark;
    encode(&bytes);
    ck_ok(decode(weir_buffer_slice(&bytes), &mark), &error);
    ck_assert(mark.is_clean && !mark.is_truncating);
    ck_assert_int_eq(mark.topic_id.bytes[1], 8);
    ck_assert_int_eq(mark.partition, 77);
    ck_assert_int_eq(mark.start_offset, 4);
    ck_assert_int_eq(mark.end_offset, 14);
    ck_assert_int_eq(mark.leader_epoch, 6);
    ck_assert_uint_eq(mark.segment_count, 2);
    for (size_t i = 0; i < 2; i++) {
        expect_segment(&mark.segments[i], &segments[i]);
    }
    int64_t end;
    ck_assert_int_eq(weir_leader_epochs_at(&mark.epochs, 6, &end), 2);
    ck_assert_int_eq(end, 7);
    const struct weir_producer *producer = mark.producers.oldest;
    ck_assert_int_eq(producer->id, 42);
    ck_assert_int_eq(producer->batch_count, WEIR_PRODUCER_BATCHES);
    ck_assert_int_eq(producer->batches[0].first_sequence, 4);
    ck_assert_int_eq(producer->batches[4].last_offset, 13);
    ck_assert_int_eq(producer->used.ns, 8000000000); /* idle for two seconds, still */
    ck_assert_int_eq(producer->transaction_first_offset, -1);
    producer = producer->newer;
    ck_assert_int_eq(producer->id, 43);
    ck_assert_int_eq(producer->transaction_first_offset, 6);
    ck_assert_int_eq(producer->coordinator_epoch, -1);
    producer = producer->newer;
    ck_assert_int_eq(producer->id, 44);
    ck_assert_int_eq(producer->epoch, 5);
    ck_assert_int_eq(producer->batch_count, 0);
    ck_assert_int_eq(producer->transaction_first_offset, -1);
    ck_assert_int_eq(weir_producer_state_first_unstable(&mark.producers), 6);
    ck_assert_uint_eq(weir_lost_ranges_count(&mark.lost), 2);
    ck_assert_int_eq(weir_lost_ranges_at(&mark.lost, 0).to, 7);
    ck_assert_int_eq(weir_lost_ranges_last(&mark.lost).from, 9);
    ck_assert_int_eq(mark.sequence, 1LL << 40);
    weir_durable_mark_close(&mark);
    weir_buffer_close(&bytes);
}
END_TEST

/* A segment that holds nothing knows of no time: 0 would be one, and the oldest there is. */
START_TEST(an_empty_segment_knows_of_no_time)
{
    struct weir_segment_facts facts = weir_segment_facts_at(7);
    ck_assert_int_eq(facts.base_offset, 7);
    ck_assert_int_eq(facts.end_offset, 7);
    ck_assert_int_eq(facts.size, 0);
    ck_assert(!facts.has_holes);
    ck_assert_int_eq(facts.first_timestamp_ms, -1);
    ck_assert_int_eq(facts.max_timestamp_ms, -1);
    ck_assert_int_eq(facts.max_timestamp_offset, -1);
    ck_assert_int_eq(facts.last_append_ms, -1);
}
END_TEST

/* Every flipped bit and every shorter length is noticed. */
START_TEST(a_damaged_mark_is_never_believed)
{
    struct weir_buffer bytes;
    struct weir_durable_mark mark;
    encode(&bytes);
    for (size_t bit = 0; bit < bytes.size * 8; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_code(decode(weir_buffer_slice(&bytes), &mark), WEIR_CORRUPT);
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t size = 0; size < bytes.size; size++) {
        ck_code(decode(weir_slice(bytes.data, size), &mark), WEIR_CORRUPT);
    }
    weir_buffer_close(&bytes);
}
END_TEST

static void seal(struct weir_buffer *bytes)
{
    weir_store_u32(bytes->data + 12, (uint32_t)bytes->size);
    uint32_t crc = weir_crc32c(0, bytes->data, 16);
    weir_store_u32(bytes->data + 16, weir_crc32c(crc, bytes->data + 20, bytes->size - 20));
}

static const enum { PLAIN, CLEAN, TRUNCATING } kinds[] = {PLAIN, CLEAN, TRUNCATING};

/* Whether the log was closed, or is being cut, comes back as it was said: neither is what most
 * marks say. */
START_TEST(a_mark_of_each_kind_comes_back)
{
    struct weir_buffer bytes;
    struct weir_durable_mark mark;
    encode_of((struct weir_durable_mark_view){.is_clean = kinds[_i] == CLEAN,
                                              .is_truncating = kinds[_i] == TRUNCATING},
              &bytes);
    ck_ok(decode(weir_buffer_slice(&bytes), &mark), &error);
    ck_assert(mark.is_clean == (kinds[_i] == CLEAN));
    ck_assert(mark.is_truncating == (kinds[_i] == TRUNCATING));
    weir_durable_mark_close(&mark);
    weir_buffer_close(&bytes);
}
END_TEST

/* What was given up at or behind the end is not the mark's, also where that is all that was. */
START_TEST(a_mark_says_what_was_given_up_below_its_end)
{
    static const struct {
        struct weir_lost_range range;
        size_t count;
    } cases[] = {{{13, 14}, 1}, {{14, 15}, 0}, {{15, 20}, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_lost_ranges lost;
        struct weir_buffer bytes;
        struct weir_durable_mark mark;
        weir_lost_ranges_init(&lost, &budget);
        ck_ok(weir_lost_ranges_add(&lost, cases[i].range), NULL);
        encode_of((struct weir_durable_mark_view){.lost = &lost}, &bytes);
        ck_ok(decode(weir_buffer_slice(&bytes), &mark), &error);
        ck_assert_uint_eq(weir_lost_ranges_count(&mark.lost), cases[i].count);
        weir_durable_mark_close(&mark);
        weir_buffer_close(&bytes);
        weir_lost_ranges_close(&lost);
    }
}
END_TEST

static void store(uint8_t *to, size_t width, int64_t value)
{
    for (size_t i = width; i > 0; i--) {
        to[i - 1] = (uint8_t)value;
        value >>= 8;
    }
}

/* A crc that fits says that the bytes are those that were written, not that they are a log's:
 * each number is checked against the others, and the last one that may be is taken. Places from
 * the end are negative. */
START_TEST(a_mark_that_makes_no_sense_is_damaged)
{
    static const struct {
        int at;
        size_t width;
        int64_t value;
        bool is_good;
    } cases[] = {
        {36, 4, 0, true},                      /* partition */
        {36, 4, -1, false},  {40, 8, 0, true}, /* log start offset */
        {40, 8, -1, false},  {40, 8, 14, true},
        {40, 8, 15, false},  {48, 8, 13, false}, /* log end offset */
        {48, 8, 15, false},  {56, 4, 5, true},  /* leader epoch; the last one that has begun is 5 */
        {56, 4, 4, false},   {60, 4, 0, false}, /* segments */
        {60, 4, 1, false},   {60, 4, 3, false},
        {60, 4, -1, false},  {64, 8, -1, false},  /* base offset */
        {72, 8, 0, false},                        /* size */
        {72, 8, -1, false},  {112, 8, -1, false}, /* end offset */
        {120, 4, 2, false},                       /* flags */
        {120, 4, 3, true},   {120, 4, 4, false},
        {132, 8, 0, false}, /* base offset of the second */
        {132, 8, -1, false}, {188, 4, 2, false},
        {200, 4, 3, false},                     /* leader epochs */
        {200, 4, -1, false}, {204, 4, 0, true}, /* epoch */
        {204, 4, -1, false}, {204, 4, 4, true},
        {204, 4, 5, false},  {208, 8, 0, true}, /* start offset */
        {208, 8, -1, false}, {208, 8, 6, true},
        {208, 8, 7, false},  {216, 4, 6, true},  /* epoch of the second */
        {216, 4, 7, false},  {-52, 4, 3, false}, /* ranges that were given up */
        {-52, 4, 1, false},  {-52, 4, -1, false},
        {-48, 8, 0, true}, /* from */
        {-48, 8, -1, false}, {-48, 8, 6, true},
        {-48, 8, 7, false},  {-40, 8, 9, true}, /* to */
        {-40, 8, 10, false}, {-24, 8, 10, true},
        {-24, 8, 9, false},  {-24, 8, 15, false},
        {-16, 8, 0, true},   {-16, 8, 14, true}, /* clean offset */
        {-16, 8, 15, false}, {-16, 8, -1, false},
        {-8, 8, 0, true}, /* sequence */
        {-8, 8, -1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_buffer bytes;
        struct weir_durable_mark mark;
        encode(&bytes);
        size_t at = cases[i].at < 0 ? bytes.size - (size_t)-cases[i].at : (size_t)cases[i].at;
        store(bytes.data + at, cases[i].width, cases[i].value);
        seal(&bytes);
        int rc = decode(weir_buffer_slice(&bytes), &mark);
        ck_assert_msg(rc == (cases[i].is_good ? 0 : WEIR_CORRUPT), "%lld at %d: %d",
                      (long long)cases[i].value, cases[i].at, rc);
        if (rc == 0) weir_durable_mark_close(&mark);
        weir_buffer_close(&bytes);
    }
}
END_TEST

static struct weir_segment_facts odd_segments[2];

static const struct weir_segment_facts *odd_segment_at(const void *context, size_t index)
{
    (void)context;
    return &odd_segments[index];
}

/* Two segments never begin at the same offset, not even if the first holds nothing. */
START_TEST(a_mark_with_a_segment_twice_is_damaged)
{
    struct weir_buffer bytes;
    struct weir_durable_mark mark;
    memcpy(odd_segments, segments, sizeof segments);
    odd_segments[0] = weir_segment_facts_at(10);
    encode_segments(&bytes, odd_segment_at);
    store(bytes.data + 40, 8, 10);
    seal(&bytes);
    ck_code(decode(weir_buffer_slice(&bytes), &mark), WEIR_CORRUPT);
    weir_buffer_close(&bytes);
}
END_TEST

/* The size is the file's, whatever the crc says; nothing follows the last field. */
START_TEST(a_mark_of_another_size_is_damaged)
{
    struct weir_buffer bytes;
    struct weir_durable_mark mark;
    for (uint32_t more = 0; more < 2; more++) {
        encode(&bytes);
        if (more == 1) weir_buffer_u8(&bytes, 0);
        seal(&bytes);
        if (more == 0) weir_store_u32(bytes.data + 12, (uint32_t)bytes.size + 1);
        uint32_t crc = weir_crc32c(0, bytes.data, 16);
        weir_store_u32(bytes.data + 16, weir_crc32c(crc, bytes.data + 20, bytes.size - 20));
        ck_code(decode(weir_buffer_slice(&bytes), &mark), WEIR_CORRUPT);
        weir_buffer_close(&bytes);
    }
}
END_TEST

/* Without memory for one of its parts a mark is not damaged, and nothing of it is left. */
START_TEST(a_mark_for_which_memory_is_out_is_not_damaged)
{
    struct weir_test_failures failures = {0};
    struct weir_buffer bytes;
    encode(&bytes);
    size_t used = budget.used;
    while (weir_test_failures_next(&failures)) {
        struct weir_durable_mark mark;
        weir_test_failures_arm(&failures, &heap);
        int rc = decode(weir_buffer_slice(&bytes), &mark);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_code(rc, was_hit ? WEIR_NO_MEMORY : 0);
        if (rc == 0) weir_durable_mark_close(&mark);
        weir_arena_close(&arena);
        weir_arena_init(&arena, &budget, 0);
        ck_assert_uint_eq(budget.used, used);
    }
    ck_assert_uint_gt(failures.hits, 3);
    weir_buffer_close(&bytes);
}
END_TEST

/* A mark of version 2, byte by byte as docs/format/durable-mark.md had it, is read as what it was: each
 * segment ends where the next begins, and there are no holes and no transactions. */
START_TEST(a_mark_of_the_version_before_is_read)
{
    struct weir_buffer bytes;
    struct weir_durable_mark mark;
    weir_buffer_init(&bytes, &budget, 0);
    weir_buffer_append(&bytes, "WeirMark", 8);
    weir_buffer_u16(&bytes, 2);
    weir_buffer_u16(&bytes, 1);
    weir_buffer_u64(&bytes, 0);
    weir_buffer_append(&bytes, (uint8_t[16]){9, 8, 7}, 16);
    weir_buffer_u32(&bytes, 77);
    weir_buffer_u64(&bytes, 4);
    weir_buffer_u64(&bytes, 14);
    weir_buffer_u32(&bytes, 6);
    weir_buffer_u32(&bytes, 2);
    for (size_t i = 0; i < 2; i++) {
        weir_buffer_u64(&bytes, (uint64_t)segments[i].base_offset);
        weir_buffer_u64(&bytes, (uint64_t)segments[i].size);
        weir_buffer_u64(&bytes, (uint64_t)segments[i].first_timestamp_ms);
        weir_buffer_u64(&bytes, (uint64_t)segments[i].max_timestamp_ms);
        weir_buffer_u64(&bytes, (uint64_t)segments[i].max_timestamp_offset);
        weir_buffer_u64(&bytes, (uint64_t)segments[i].last_append_ms);
    }
    weir_buffer_u32(&bytes, 1); /* epochs */
    weir_buffer_u32(&bytes, 2);
    weir_buffer_u64(&bytes, 0);
    weir_buffer_u32(&bytes, 1); /* producers */
    weir_buffer_u64(&bytes, 42);
    weir_buffer_u16(&bytes, 4);
    weir_buffer_u64(&bytes, 2000);
    weir_buffer_u8(&bytes, 1);
    weir_buffer_u32(&bytes, 8);
    weir_buffer_u32(&bytes, 9);
    weir_buffer_u64(&bytes, 12);
    weir_buffer_u64(&bytes, 13);
    weir_buffer_u64(&bytes, 77);
    seal(&bytes);
    ck_ok(decode(weir_buffer_slice(&bytes), &mark), &error);
    ck_assert(mark.is_clean);
    ck_assert_int_eq(mark.end_offset, 14);
    struct weir_segment_facts first = segments[0];
    first.end_offset = 10;
    first.has_holes = false;
    expect_segment(&mark.segments[0], &first);
    expect_segment(&mark.segments[1], &segments[1]);
    const struct weir_producer *producer = mark.producers.oldest;
    ck_assert_int_eq(producer->epoch, 4);
    ck_assert_int_eq(producer->batches[0].last_offset, 13);
    ck_assert_int_eq(producer->coordinator_epoch, -1);
    ck_assert_int_eq(producer->transaction_first_offset, -1);
    ck_assert_int_eq(weir_producer_state_first_unstable(&mark.producers), -1);
    weir_durable_mark_close(&mark);
    weir_buffer_close(&bytes);
}
END_TEST

/* One whose table of segments is nearly all there is: the count is measured by that version's
 * entries. */
START_TEST(a_mark_of_the_version_before_may_be_little_more_than_its_segments)
{
    struct weir_buffer bytes;
    struct weir_durable_mark mark;
    weir_buffer_init(&bytes, &budget, 0);
    weir_buffer_append(&bytes, "WeirMark", 8);
    weir_buffer_u16(&bytes, 2);
    weir_buffer_u16(&bytes, 0);
    weir_buffer_u64(&bytes, 0);
    weir_buffer_append(&bytes, (uint8_t[16]){9, 8, 7}, 16);
    weir_buffer_u32(&bytes, 77);
    weir_buffer_u64(&bytes, 4);
    weir_buffer_u64(&bytes, 4);
    weir_buffer_u32(&bytes, 2);
    weir_buffer_u32(&bytes, 1);
    weir_buffer_u64(&bytes, 4);
    weir_buffer_u64(&bytes, 0);
    for (int i = 0; i < 4; i++) {
        weir_buffer_u64(&bytes, (uint64_t)-1);
    }
    weir_buffer_u32(&bytes, (uint32_t)_i); /* epochs */
    if (_i == 1) weir_buffer_u32(&bytes, 2);
    if (_i == 1) weir_buffer_u64(&bytes, 0);
    weir_buffer_u32(&bytes, 0); /* producers */
    seal(&bytes);
    ck_ok(decode(weir_buffer_slice(&bytes), &mark), &error);
    expect_segment(&mark.segments[0], &(struct weir_segment_facts){.base_offset = 4,
                                                                   .end_offset = 4,
                                                                   .first_timestamp_ms = -1,
                                                                   .max_timestamp_ms = -1,
                                                                   .max_timestamp_offset = -1,
                                                                   .last_append_ms = -1});
    ck_assert_uint_eq(mark.epochs.count, (size_t)_i);
    weir_durable_mark_close(&mark);
    weir_buffer_close(&bytes);
}
END_TEST

/* As one of before version 6: without what it says of each segment's transaction index. */
static void take_out_indexes(struct weir_buffer *bytes)
{
    enum { TABLE_AT = 64, ENTRY_SIZE = 68, ENTRY_SIZE_5 = 60 };
    for (size_t i = 2; i > 0; i--) {
        size_t at = TABLE_AT + (i - 1) * ENTRY_SIZE + ENTRY_SIZE_5;
        memmove(bytes->data + at, bytes->data + at + 8, bytes->size - at - 8);
        bytes->size -= 8;
    }
}

static void take_out_clean_offset(struct weir_buffer *bytes)
{
    memmove(bytes->data + bytes->size - 16, bytes->data + bytes->size - 8, 8);
    bytes->size -= 8;
}

/* One of version 5 does not say what is in the transaction indexes: their files do. */
START_TEST(a_mark_that_says_nothing_of_aborts_is_read)
{
    struct weir_buffer bytes;
    struct weir_durable_mark mark;
    encode(&bytes);
    take_out_indexes(&bytes);
    take_out_clean_offset(&bytes);
    bytes.data[9] = 5;
    seal(&bytes);
    ck_ok(decode(weir_buffer_slice(&bytes), &mark), &error);
    for (size_t i = 0; i < 2; i++) {
        expect_segment(&mark.segments[i], &segments[i]);
        ck_assert_uint_eq(mark.segments[i].aborted_count, WEIR_ABORTED_AS_FILED);
    }
    ck_assert_int_eq(mark.sequence, 1LL << 40);
    weir_durable_mark_close(&mark);
    weir_buffer_close(&bytes);
}
END_TEST

/* What is in them comes back as it was said. */
START_TEST(a_mark_knows_the_transaction_indexes)
{
    struct weir_buffer bytes;
    struct weir_durable_mark mark;
    memcpy(odd_segments, segments, sizeof segments);
    odd_segments[0].aborted_count = 7;
    odd_segments[0].aborted_crc = 0xdeadbeef;
    odd_segments[1].aborted_count = WEIR_ABORTED_UNKNOWN;
    encode_segments(&bytes, odd_segment_at);
    ck_ok(decode(weir_buffer_slice(&bytes), &mark), &error);
    ck_assert_uint_eq(mark.segments[0].aborted_count, 7);
    ck_assert_uint_eq(mark.segments[0].aborted_crc, 0xdeadbeef);
    ck_assert_uint_eq(mark.segments[1].aborted_count, WEIR_ABORTED_UNKNOWN);
    weir_durable_mark_close(&mark);
    weir_buffer_close(&bytes);
}
END_TEST

/* A mark of version 3 ends behind its producers. */
START_TEST(a_mark_that_does_not_say_what_was_given_up_is_read)
{
    struct weir_buffer bytes;
    struct weir_durable_mark mark;
    encode(&bytes);
    take_out_indexes(&bytes);
    bytes.size -= 4 + 2 * 16 + 16; /* the table, the clean offset and the sequence at its end */
    bytes.data[9] = 3;
    seal(&bytes);
    ck_ok(decode(weir_buffer_slice(&bytes), &mark), &error);
    expect_segment(&mark.segments[0], &segments[0]);
    ck_assert_uint_eq(weir_lost_ranges_count(&mark.lost), 0);
    weir_durable_mark_close(&mark);
    weir_buffer_close(&bytes);
}
END_TEST

/* One of version 4 ends behind what was given up. */
START_TEST(a_mark_without_a_sequence_is_read)
{
    struct weir_buffer bytes;
    struct weir_durable_mark mark;
    encode(&bytes);
    take_out_indexes(&bytes);
    bytes.size -= 16;
    bytes.data[9] = 4;
    seal(&bytes);
    ck_ok(decode(weir_buffer_slice(&bytes), &mark), &error);
    ck_assert_uint_eq(weir_lost_ranges_count(&mark.lost), 2);
    ck_assert_int_eq(mark.sequence, 0);
    weir_durable_mark_close(&mark);
    weir_buffer_close(&bytes);
}
END_TEST

/* One of version 5 has its sequence behind what was given up, and nothing in it was compacted: a segment that is
 * swapping it cannot have. */
START_TEST(a_mark_without_a_clean_offset_is_read)
{
    struct weir_buffer bytes;
    struct weir_durable_mark mark;
    encode(&bytes);
    take_out_indexes(&bytes);
    take_out_clean_offset(&bytes);
    bytes.data[9] = 5;
    seal(&bytes);
    ck_ok(decode(weir_buffer_slice(&bytes), &mark), &error);
    ck_assert_uint_eq(weir_lost_ranges_count(&mark.lost), 2);
    ck_assert_int_eq(mark.clean_offset, 0);
    ck_assert_int_gt(mark.sequence, 0);
    weir_durable_mark_close(&mark);
    weir_store_u32(bytes.data + 120, 3); /* the first segment's flags */
    seal(&bytes);
    ck_code(decode(weir_buffer_slice(&bytes), &mark), WEIR_CORRUPT);
    weir_buffer_close(&bytes);
}
END_TEST

/* Only a segment with holes may end before the next one begins, none behind it, and one without bytes
 * has no batches. */
START_TEST(a_mark_whose_segments_do_not_fit_is_damaged)
{
    static const struct {
        size_t at;
        struct weir_segment_facts facts;
        bool is_good;
    } cases[] = {
        {0, {.base_offset = 0, .end_offset = 10, .size = 100}, true},
        {0, {.base_offset = 0, .end_offset = 9, .size = 100}, false},
        {0, {.base_offset = 0, .end_offset = 9, .size = 100, .has_holes = true}, true},
        {0, {.base_offset = 0, .end_offset = 11, .size = 100, .has_holes = true}, false},
        {0, {.base_offset = 0, .end_offset = 0, .size = 0, .has_holes = true}, true},
        {0, {.base_offset = 0, .end_offset = 0, .size = 1, .has_holes = true}, false},
        {0, {.base_offset = 0, .end_offset = 4, .size = 0, .has_holes = true}, false},
        {1, {.base_offset = 10, .end_offset = 13, .size = 9}, false},
        {1, {.base_offset = 10, .end_offset = 13, .size = 9, .has_holes = true}, true},
        {1, {.base_offset = 10, .end_offset = 15, .size = 9, .has_holes = true}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_buffer bytes;
        struct weir_durable_mark mark;
        memcpy(odd_segments, segments, sizeof segments);
        odd_segments[cases[i].at] = cases[i].facts;
        encode_segments(&bytes, odd_segment_at);
        int rc = decode(weir_buffer_slice(&bytes), &mark);
        ck_assert_msg(rc == (cases[i].is_good ? 0 : WEIR_CORRUPT), "case %zu: %d", i, rc);
        if (rc == 0) weir_durable_mark_close(&mark);
        weir_buffer_close(&bytes);
    }
}
END_TEST

/* A mark of a newer or older version is told from a damaged one, and both versions are named. */
START_TEST(a_mark_of_another_version_is_refused_by_name)
{
    static const char *const texts[] = {
        "version 1, this program knows 2 to 6", NULL, NULL, NULL, NULL, NULL,
        "version 7, this program knows 2 to 6"};
    for (uint8_t version = 1; version <= 7; version++) {
        struct weir_buffer bytes;
        struct weir_durable_mark mark;
        if (texts[version - 1] == NULL) continue;
        encode(&bytes);
        bytes.data[9] = version;
        seal(&bytes);
        ck_code(decode(weir_buffer_slice(&bytes), &mark), WEIR_UNSUPPORTED_VERSION);
        ck_assert_ptr_nonnull(strstr(error.text, texts[version - 1]));
        weir_buffer_close(&bytes);
    }
}
END_TEST

/* Kafka's bytes: a snapshot of one producer, written out by hand from the format. */
START_TEST(a_snapshot_has_kafkas_bytes)
{
    static const uint8_t entry[] = {
        0,    0,    0,    1,                            /* count */
        0,    0,    0,    0,    0,    0,    0,    42,   /* producer id */
        0,    4,                                        /* epoch */
        0,    0,    0,    11,                           /* last sequence */
        0,    0,    0,    0,    0,    0,    0,    21,   /* last offset */
        0,    0,    0,    1,                            /* offset delta */
        0,    0,    0,    0,    0,    0,    0,    77,   /* timestamp */
        0xff, 0xff, 0xff, 0xff,                         /* coordinator epoch */
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* no transaction */
    };
    struct weir_producer_state state;
    struct weir_buffer bytes;
    weir_producer_state_init(&state, &budget);
    weir_buffer_init(&bytes, &budget, 0);
    add_batch(&state, 42, 8, 18, 0);
    add_batch(&state, 42, 10, 20, 0);
    weir_producer_snapshot_write(&state, &bytes);
    ck_assert_uint_eq(bytes.size, 6 + sizeof entry);
    ck_assert_int_eq(weir_load_u16(bytes.data), 1);
    ck_assert_uint_eq(weir_load_u32(bytes.data + 2), weir_crc32c(0, entry, sizeof entry));
    ck_assert_mem_eq(bytes.data + 6, entry, sizeof entry);

    struct weir_producer_state read;
    struct weir_mono now = {0};
    weir_producer_state_init(&read, &budget);
    ck_ok(weir_producer_snapshot_read(&read, weir_buffer_slice(&bytes), now, &error), &error);
    struct weir_batch_header retry = batch_of(42, 10, 0);
    struct weir_producer_batch first;
    ck_code(weir_producer_state_admit(&read, &retry, NULL, &first, NULL), WEIR_END);
    ck_assert_int_eq(first.base_offset, 20);
    weir_producer_state_close(&read);
    weir_producer_state_init(&read, &budget);
    for (size_t at = 2; at < bytes.size; at++) {
        bytes.data[at] ^= 1;
        ck_code(weir_producer_snapshot_read(&read, weir_buffer_slice(&bytes), now, NULL),
                WEIR_CORRUPT);
        bytes.data[at] ^= 1;
    }
    weir_producer_state_close(&read);
    weir_producer_state_close(&state);
    weir_buffer_close(&bytes);
}
END_TEST

/* Kafka's text, and nothing but it. */
START_TEST(epochs_have_kafkas_text)
{
    static const char *const bad[] = {"",
                                      "0\n",
                                      "0\n1\n",
                                      "1\n0\n",
                                      "0\n1\n5\n",
                                      "0\n1\n5 6",
                                      "0\n0\nmore\n",
                                      "0\n2\n5 6\n5 7\n",
                                      "0\n2\n5 6\n6 6\n",
                                      "0\n1\n-5 6\n",
                                      "0\n99999999999\n",
                                      "0\n1\n5 99999999999999999999\n"};
    struct weir_leader_epochs epochs;
    struct weir_buffer text;
    weir_leader_epochs_init(&epochs, &budget);
    weir_buffer_init(&text, &budget, 0);
    ck_ok(weir_leader_epochs_decode(&epochs, weir_text("0\n2\n1 0\n3 24\n"), &error), &error);
    weir_leader_epochs_encode(&epochs, &text);
    ck_assert(weir_slice_equal(weir_buffer_slice(&text), weir_text("0\n2\n1 0\n3 24\n")));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_code(weir_leader_epochs_decode(&epochs, weir_text(bad[i]), NULL), WEIR_CORRUPT);
        ck_assert_uint_eq(epochs.count, 2); /* what was there stays */
    }
    weir_buffer_close(&text);
    weir_leader_epochs_close(&epochs);
}
END_TEST

/* ---- what recovery decides ------------------------------------------------------------------- */

static struct weir_recovery_plan plan_of(bool is_truncating, struct weir_recovery_file *files,
                                         size_t count)
{
    static const struct weir_segment_facts table[] = {
        {.base_offset = 10, .size = 100},
        {.base_offset = 20, .size = 100},
        {.base_offset = 30, .size = 40},
    };
    struct weir_durable_mark mark = {
        .is_truncating = is_truncating,
        .start_offset = 12,
        .end_offset = 35,
        .segments = table,
        .segment_count = 3,
    };
    struct weir_recovery_plan plan;
    weir_recovery_plan_files(&mark, files, count, &plan);
    return plan;
}

/* The table is the log: what is below it and what is empty behind it goes, the rest stays. */
START_TEST(recovery_keeps_the_table_and_removes_leftovers)
{
    struct weir_recovery_file files[] = {
        {.base_offset = 0, .size = 9},   {.base_offset = 10, .size = 100},
        {.base_offset = 15, .size = 7},  {.base_offset = 20, .size = 170},
        {.base_offset = 30, .size = 90}, {.base_offset = 44, .size = 0}};
    struct weir_recovery_plan plan = plan_of(false, files, 6);
    ck_assert_int_eq(plan.offline_from, -1);
    ck_assert_int_eq(files[0].verdict, WEIR_RECOVERY_LEFTOVER);
    ck_assert_int_eq(files[1].verdict, WEIR_RECOVERY_KEEP);
    ck_assert_int_eq(files[2].verdict, WEIR_RECOVERY_FOREIGN);
    ck_assert_int_eq(files[3].verdict, WEIR_RECOVERY_KEEP);
    ck_assert_int_eq(files[4].verdict, WEIR_RECOVERY_KEEP);
    ck_assert_int_eq(files[5].verdict, WEIR_RECOVERY_LEFTOVER);
}
END_TEST

/* Missing and short files are damage from their first lost offset; unknown data behind the end too.
 * */
START_TEST(recovery_never_cuts_below_the_mark)
{
    struct weir_recovery_file missing[] = {{.base_offset = 10, .size = 100},
                                           {.base_offset = 30, .size = 40}};
    ck_assert_int_eq(plan_of(false, missing, 2).offline_from, 20);
    ck_assert_int_eq(plan_of(false, missing + 1, 1).offline_from, 12); /* not below the start */
    struct weir_recovery_file brief[] = {{.base_offset = 10, .size = 100},
                                         {.base_offset = 20, .size = 99},
                                         {.base_offset = 30, .size = 40}};
    struct weir_recovery_plan plan = plan_of(false, brief, 3);
    ck_assert_int_eq(plan.offline_from, 20);
    ck_assert_uint_eq(plan.short_segment, 1);
    struct weir_recovery_file strange[] = {{.base_offset = 10, .size = 100},
                                           {.base_offset = 20, .size = 100},
                                           {.base_offset = 30, .size = 40},
                                           {.base_offset = 36, .size = 5}};
    ck_assert_int_eq(plan_of(false, strange, 4).offline_from, 35);
    ck_assert_int_eq(plan_of(true, strange, 4).offline_from, -1);
    ck_assert_int_eq(strange[3].verdict, WEIR_RECOVERY_LEFTOVER);
}
END_TEST

/* Only the last segment can be torn, and not when the mark was there and is damaged. */
START_TEST(recovery_cuts_only_what_can_be_torn)
{
    struct weir_recovery_tail_facts facts = {.is_last_segment = true};
    ck_assert_int_eq(weir_recovery_judge_tail(&facts), WEIR_TAIL_CUT);
    facts.mark_is_damaged = true;
    ck_assert_int_eq(weir_recovery_judge_tail(&facts), WEIR_TAIL_OFFLINE);
    facts = (struct weir_recovery_tail_facts){0};
    ck_assert_int_eq(weir_recovery_judge_tail(&facts), WEIR_TAIL_OFFLINE);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("mark and recovery");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_mark_comes_back_whole);
    tcase_add_test(tests, an_empty_segment_knows_of_no_time);
    tcase_add_test(tests, a_damaged_mark_is_never_believed);
    tcase_add_loop_test(tests, a_mark_of_each_kind_comes_back, 0, 3);
    tcase_add_test(tests, a_mark_says_what_was_given_up_below_its_end);
    tcase_add_test(tests, a_mark_that_makes_no_sense_is_damaged);
    tcase_add_test(tests, a_mark_with_a_segment_twice_is_damaged);
    tcase_add_test(tests, a_mark_of_another_size_is_damaged);
    tcase_add_test(tests, a_mark_for_which_memory_is_out_is_not_damaged);
    tcase_add_test(tests, a_mark_of_the_version_before_is_read);
    tcase_add_loop_test(tests, a_mark_of_the_version_before_may_be_little_more_than_its_segments, 0,
                        2);
    tcase_add_test(tests, a_mark_whose_segments_do_not_fit_is_damaged);
    tcase_add_test(tests, a_mark_that_does_not_say_what_was_given_up_is_read);
    tcase_add_test(tests, a_mark_without_a_sequence_is_read);
    tcase_add_test(tests, a_mark_that_says_nothing_of_aborts_is_read);
    tcase_add_test(tests, a_mark_knows_the_transaction_indexes);
    tcase_add_test(tests, a_mark_without_a_clean_offset_is_read);
    tcase_add_test(tests, a_mark_of_another_version_is_refused_by_name);
    tcase_add_test(tests, a_snapshot_has_kafkas_bytes);
    tcase_add_test(tests, epochs_have_kafkas_text);
    tcase_add_test(tests, recovery_keeps_the_table_and_removes_leftovers);
    tcase_add_test(tests, recovery_never_cuts_below_the_mark);
    tcase_add_test(tests, recovery_cuts_only_what_can_be_torn);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("durable mark", add);
}
