#include "broker/log/cleaner_plan.h"

#include "tests/support/support.h"

/* Segments of ten offsets and a hundred bytes; the last one is active. */
enum { SEGMENTS = 8, OFFSETS = 10, SIZE = 100 };

static struct weir_segment_facts segments[SEGMENTS];
static struct weir_topic_config config;
static struct weir_cleaner_facts facts;

static const struct weir_segment_facts *segment(const void *context, size_t index)
{
    (void)context;
    return &segments[index];
}

static void set_up(void)
{
    config = weir_topic_config_default();
    for (int i = 0; i < SEGMENTS; i++) {
        segments[i] = (struct weir_segment_facts){
            .base_offset = i * OFFSETS,
            .end_offset = (i + 1) * OFFSETS,
            .size = SIZE,
            .first_timestamp_ms = 1000 * i,
            .max_timestamp_ms = 1000 * i + 500,
            .last_append_ms = 50000,
        };
    }
    facts = (struct weir_cleaner_facts){
        .segment_count = SEGMENTS,
        .segment = segment,
        .bound_offset = INT64_MAX,
        .config = &config,
        .now = {100000},
    };
}

static struct weir_cleaner_plan make(void)
{
    struct weir_cleaner_plan plan;
    weir_cleaner_plan_make(&facts, &plan);
    return plan;
}

/* All but the active one is dirty at first. */
START_TEST(the_active_segment_is_never_taken)
{
    struct weir_cleaner_plan plan = make();
    ck_assert_uint_eq(plan.dirty_from, 0);
    ck_assert_uint_eq(plan.end, SEGMENTS - 1);
    ck_assert_int_eq(plan.limit_offset, (SEGMENTS - 1) * OFFSETS);
    ck_assert_int_eq(plan.dirty_bytes, (SEGMENTS - 1) * SIZE);
    ck_assert_int_eq(plan.clean_bytes, 0);
    ck_assert(plan.is_due);
    facts.segment_count = 1;
    plan = make();
    ck_assert_uint_eq(plan.end, 0);
    ck_assert(!plan.is_due);
}
END_TEST

/* Of a segment that the bound, wherever it comes from, is within nothing is taken. */
START_TEST(only_whole_segments_below_the_bound)
{
    static const struct {
        int64_t bound;
        size_t end;
    } rows[] = {{0, 0}, {9, 0}, {10, 1}, {39, 3}, {40, 4}, {70, 7}, {1000, 7}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        facts.bound_offset = rows[i].bound;
        ck_assert_uint_eq(make().end, rows[i].end);
    }
}
END_TEST

/* A log is due when more than half of it is dirty, or what its topic says; not when it is just that. */
START_TEST(the_ratio_decides)
{
    facts.segment_count = 7; /* six sealed */
    facts.clean_offset = 3 * OFFSETS;
    struct weir_cleaner_plan plan = make();
    ck_assert_uint_eq(plan.dirty_from, 3);
    ck_assert_int_eq(plan.clean_bytes, 3 * SIZE);
    ck_assert_int_eq(plan.dirty_bytes, 3 * SIZE);
    ck_assert(!plan.is_due);
    facts.clean_offset--;
    plan = make();
    ck_assert_uint_eq(plan.dirty_from, 2);
    ck_assert_int_eq(plan.dirty_offset, 3 * OFFSETS - 1);
    ck_assert(plan.is_due);
    config.min_cleanable_dirty_millionths = 999999;
    ck_assert(!make().is_due);
    config.min_cleanable_dirty_millionths = 0;
    facts.clean_offset = 5 * OFFSETS;
    ck_assert(make().is_due);
    facts.clean_offset = 6 * OFFSETS;
    ck_assert(!make().is_due);
}
END_TEST

/* A young segment stays, and all that lies behind it, older or not; without times the append counts. */
START_TEST(the_smallest_lag_bounds)
{
    config.min_compaction_lag_ms = 100000 - 3500; /* that old is segment 3 */
    ck_assert_uint_eq(make().end, 4);
    config.min_compaction_lag_ms++;
    ck_assert_uint_eq(make().end, 3);
    segments[1].max_timestamp_ms = WEIR_NO_TIMESTAMP;
    ck_assert_uint_eq(make().end, 1);
    segments[1].last_append_ms = 3000;
    ck_assert_uint_eq(make().end, 3);
}
END_TEST

/* What has waited for too long is due, however little it is. */
START_TEST(the_largest_lag_is_due)
{
    facts.clean_offset = 6 * OFFSETS;
    ck_assert(!make().is_due);
    config.max_compaction_lag_ms = 100000 - 6000;
    ck_assert(!make().is_due);
    config.max_compaction_lag_ms--;
    ck_assert(make().is_due);
}
END_TEST

/* The log's start may lie above what was clean; what is below it is no part of what is dirty. */
START_TEST(the_start_counts_as_clean)
{
    facts.clean_offset = 5;
    facts.start_offset = 25;
    struct weir_cleaner_plan plan = make();
    ck_assert_int_eq(plan.dirty_offset, 25);
    ck_assert_uint_eq(plan.dirty_from, 2);
}
END_TEST

/* Segments become one up to segment.bytes, and as far as an offset is told by 31 bits. */
START_TEST(groups_are_bounded)
{
    config.segment_bytes = 3 * SIZE;
    ck_assert_uint_eq(weir_cleaner_plan_group(&facts, 0, 7), 3);
    ck_assert_uint_eq(weir_cleaner_plan_group(&facts, 5, 7), 7);
    config.segment_bytes = SIZE - 1;
    ck_assert_uint_eq(weir_cleaner_plan_group(&facts, 2, 7), 3);
    config.segment_bytes = INT32_MAX;
    ck_assert_uint_eq(weir_cleaner_plan_group(&facts, 0, 7), 7);
    segments[7].base_offset = (int64_t)INT32_MAX + 2;
    ck_assert_uint_eq(weir_cleaner_plan_group(&facts, 0, 7), 6);
    segments[7].base_offset--;
    ck_assert_uint_eq(weir_cleaner_plan_group(&facts, 0, 7), 7);
    segments[2].size = INT32_MAX - 50;
    ck_assert_uint_eq(weir_cleaner_plan_group(&facts, 0, 7), 2);
    ck_assert_uint_eq(weir_cleaner_plan_group(&facts, 2, 7), 3);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("cleaner plan");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, the_active_segment_is_never_taken);
    tcase_add_test(tests, only_whole_segments_below_the_bound);
    tcase_add_test(tests, the_ratio_decides);
    tcase_add_test(tests, the_smallest_lag_bounds);
    tcase_add_test(tests, the_largest_lag_is_due);
    tcase_add_test(tests, the_start_counts_as_clean);
    tcase_add_test(tests, groups_are_bounded);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("cleaner plan", add);
}
