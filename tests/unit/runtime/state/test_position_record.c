#include <string.h>

#include "base/bytes.h"
#include "base/env/sim/sim.h"
#include "runtime/state/state_internal.h"
#include "tests/support/support.h"

/* A store's position record is believed as it was written, and where a field makes no sense not at all. */
enum {
    SIZE = 60,
    SIZE_2 = 52,
    SEGMENT_INTERVAL_AT = 4,
    SEGMENT_AT = 12,
    OFFSET_AT = 40,
    PARTITION_AT = 48,
    CAUGHT_UP_AT = 52
};

static struct weir_sim *sim;
static struct weir_arena arena;
static struct weir_backend_write written;
static const struct weir_changelog_position position = {
    .topic_id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
    .leader_epoch = 7,
    .offset = 1LL << 40,
    .partition = 77,
    .caught_up_ms = 1700000000000,
};

static void build(bool is_timestamped, int64_t segment_interval_ms, uint64_t segment)
{
    struct weir_store_spec spec = {.name = "counts", .is_timestamped = is_timestamped};
    struct weir_store store = {.spec = &spec,
                               .prefix = 0x0102,
                               .segment_interval_ms = segment_interval_ms,
                               .sealed_segment = segment};
    weir_position_record_build(&store, &position, &arena, &written);
    ck_assert_uint_eq(written.value.size, SIZE);
}

static void set_up(void)
{
    sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    weir_arena_init(&arena, weir_sim_node(sim, 0)->budget, 0);
}

static void tear_down(void)
{
    weir_arena_close(&arena);
    weir_sim_free(sim);
}

static int parse(struct weir_position_record *record)
{
    return weir_position_record_parse(written.key, written.value, record, NULL);
}

static void parses(int expected)
{
    struct weir_position_record record;
    ck_code(parse(&record), expected);
}

static uint8_t *value(void)
{
    return (uint8_t *)written.value.data;
}

/* Whatever the store is, its record says so. */
START_TEST(a_position_record_comes_back_whole)
{
    static const struct {
        bool is_timestamped;
        int64_t segment_interval_ms;
        uint64_t segment;
    } cases[] = {{false, 0, 0}, {true, 0, 0}, {false, 60000, 0}, {true, 60000, 28000000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_position_record record;
        build(cases[i].is_timestamped, cases[i].segment_interval_ms, cases[i].segment);
        ck_code(parse(&record), 0);
        ck_assert_uint_eq(record.name.size, 6);
        ck_assert_mem_eq(record.name.data, "counts", 6);
        ck_assert_uint_eq(record.prefix, 0x0102);
        ck_assert_int_eq(record.is_timestamped, cases[i].is_timestamped);
        ck_assert_int_eq(record.segment_interval_ms, cases[i].segment_interval_ms);
        ck_assert_uint_eq(record.live_segment, cases[i].segment);
        ck_assert_mem_eq(record.position.topic_id.bytes, position.topic_id.bytes, 16);
        ck_assert_int_eq(record.position.leader_epoch, position.leader_epoch);
        ck_assert_int_eq(record.position.offset, position.offset);
        ck_assert_int_eq(record.position.partition, position.partition);
        ck_assert_int_eq(record.position.caught_up_ms, position.caught_up_ms);
    }
}
END_TEST

/* One of the version before says nothing of when the store had caught up, and all else. */
START_TEST(a_record_of_version_2_is_read)
{
    struct weir_position_record record;
    build(true, 60000, 28000000);
    value()[0] = 2;
    parses(WEIR_CORRUPT); /* its size is another */
    written.value.size = SIZE_2;
    ck_code(parse(&record), 0);
    ck_assert_int_eq(record.position.offset, position.offset);
    ck_assert_int_eq(record.position.partition, position.partition);
    ck_assert_uint_eq(record.live_segment, 28000000);
    ck_assert_int_eq(record.position.caught_up_ms, 0);
}
END_TEST

/* Of another size or version it is not ours. */
START_TEST(another_size_or_version_is_refused)
{
    build(false, 0, 0);
    for (size_t size = 1; size < SIZE; size++) {
        written.value.size = size;
        parses(WEIR_CORRUPT);
    }
    uint8_t *longer = weir_arena_alloc_zero(&arena, SIZE + 1);
    memcpy(longer, written.value.data, SIZE);
    written.value = weir_slice(longer, SIZE + 1);
    parses(WEIR_CORRUPT);
    written.value.size = SIZE;
    parses(0);
    for (int version = 0; version < 256; version++) {
        value()[0] = (uint8_t)version;
        parses(version == 3 ? 0 : WEIR_CORRUPT);
    }
}
END_TEST

/* Each field up to the last value that makes sense, and behind it. */
START_TEST(fields_out_of_range_are_refused)
{
    build(false, 0, 0);
    weir_store_u16(value() + 1, 0);
    parses(WEIR_CORRUPT); /* the prefix of the position records themselves */
    weir_store_u16(value() + 1, UINT16_MAX);
    parses(0);

    weir_store_u64(value() + OFFSET_AT, 0);
    parses(0);
    weir_store_u64(value() + OFFSET_AT, UINT64_MAX);
    parses(WEIR_CORRUPT);
    weir_store_u64(value() + OFFSET_AT, 5);
    weir_store_u32(value() + PARTITION_AT, UINT32_MAX);
    parses(WEIR_CORRUPT);
    weir_store_u32(value() + PARTITION_AT, 0);
    parses(0);
    weir_store_u64(value() + CAUGHT_UP_AT, UINT64_MAX);
    parses(WEIR_CORRUPT);
    weir_store_u64(value() + CAUGHT_UP_AT, 0);
    parses(0);

    weir_store_u64(value() + SEGMENT_AT, 1); /* a segment, and no segments */
    parses(WEIR_CORRUPT);
    weir_store_u64(value() + SEGMENT_INTERVAL_AT, UINT64_MAX);
    parses(WEIR_CORRUPT);
    weir_store_u64(value() + SEGMENT_AT, 0);
    parses(WEIR_CORRUPT);
    weir_store_u64(value() + SEGMENT_INTERVAL_AT, 1000);
    weir_store_u64(value() + SEGMENT_AT, INT64_MAX / 1000);
    parses(0);
    weir_store_u64(value() + SEGMENT_AT,
                   INT64_MAX / 1000 + 1); /* it would begin after the last time */
    parses(WEIR_CORRUPT);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("position record");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_position_record_comes_back_whole);
    tcase_add_test(tests, a_record_of_version_2_is_read);
    tcase_add_test(tests, another_size_or_version_is_refused);
    tcase_add_test(tests, fields_out_of_range_are_refused);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("position record", add);
}
