/* The grammar of --offset: what each form means, and that nothing else is taken. */
#include "cli/offset_range.h"

#include <string.h>

#include "tests/support/support.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
#define NOW INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

static struct weir_error error;

static struct offset_range parse(const char *text)
{
    struct offset_range range = {0};
    error = (struct weir_error){0};
    ck_ok(offset_range_parse(text, NOW, &range, &error), &error);
    return range;
}

static void assert_from(const char *text, enum offset_kind kind, int64_t value)
{
    struct offset_range range = parse(text);
    ck_assert_msg(range.from.kind == kind && range.from.value == value && !range.has_to,
                  "%s: kind %d, value %lld, has_to %d", text, (int)range.from.kind,
                  (long long)range.from.value, range.has_to);
}

static void assert_both(const char *text, struct offset_point from, struct offset_point to)
{
    struct offset_range range = parse(text);
    ck_assert_msg(range.has_to, "%s has no end", text);
    ck_assert_msg(range.from.kind == from.kind && range.from.value == from.value,
                  "%s: from kind %d, value %lld", text, (int)range.from.kind,
                  (long long)range.from.value);
    ck_assert_msg(range.to.kind == to.kind && range.to.value == to.value,
                  "%s: to kind %d, value %lld", text, (int)range.to.kind,
                  (long long)range.to.value);
}

/* Words and numbers, each with its meaning. */
START_TEST(one_point_says_where_to_begin)
{
    assert_from("start", OFFSET_START, 0);
    assert_from("oldest", OFFSET_START, 0);
    assert_from("beginning", OFFSET_START, 0);
    assert_from("end", OFFSET_END, 0);
    assert_from("newest", OFFSET_END, 0);
    assert_from("47", OFFSET_EXACT, 47);
    assert_from("47:", OFFSET_EXACT, 47);
    assert_from("+3", OFFSET_FROM_START, 3);
    assert_from("-3", OFFSET_FROM_END, 3);
    assert_from("9223372036854775807", OFFSET_EXACT, INT64_MAX);
}
END_TEST

/* Two points say where to stop, too. */
START_TEST(two_points_make_a_range)
{
    struct offset_point start = {OFFSET_START, 0};
    struct offset_point end = {OFFSET_END, 0};
    assert_both(":end", start, end);
    assert_both(":10", start, (struct offset_point){OFFSET_EXACT, 10});
    assert_both("5:9", (struct offset_point){OFFSET_EXACT, 5},
                (struct offset_point){OFFSET_EXACT, 9});
    assert_both("5-9", (struct offset_point){OFFSET_EXACT, 5},
                (struct offset_point){OFFSET_EXACT, 9});
    assert_both("5:end", (struct offset_point){OFFSET_EXACT, 5}, end);
    assert_both("-10:end", (struct offset_point){OFFSET_FROM_END, 10}, end);
}
END_TEST

/* Digits, dates and times of day, with and without a fraction, all UTC. */
START_TEST(times_are_read_in_each_form)
{
    assert_from("@1767225600000", OFFSET_TIME, NOW);
    assert_from("@1767225600", OFFSET_TIME, NOW);
    assert_from("@2026-01-01", OFFSET_TIME, NOW);
    assert_from("@2026-01-01:", OFFSET_TIME, NOW);
    assert_from("@2026-01-01T00:00:01Z", OFFSET_TIME, NOW + SECOND);
    assert_from("@2026-01-01T01:02:03.5Z", OFFSET_TIME, NOW + HOUR + 2 * MINUTE + 3 * SECOND + 500);
    assert_from("@2024-02-29", OFFSET_TIME, INT64_C(1709164800000));
}
END_TEST

/* Durations count from now, and as the second of two from a time that is none itself. */
START_TEST(durations_count_from_the_right_place)
{
    struct offset_point start = {OFFSET_START, 0};
    assert_from("@-1h", OFFSET_TIME, NOW - HOUR);
    assert_from("@-1h30m5s20ms", OFFSET_TIME, NOW - HOUR - 30 * MINUTE - 5 * SECOND - 20);
    assert_from("@-1.5s", OFFSET_TIME, NOW - 1500);
    assert_both("@:-1hr", start, (struct offset_point){OFFSET_TIME, NOW - HOUR});
    assert_both("@-2h:-1h", (struct offset_point){OFFSET_TIME, NOW - 2 * HOUR},
                (struct offset_point){OFFSET_TIME, NOW - HOUR});
    assert_both("@2025-12-31:1h", (struct offset_point){OFFSET_TIME, NOW - 24 * HOUR},
                (struct offset_point){OFFSET_TIME, NOW - 23 * HOUR});
    assert_both("@2025-12-31T00:00:00Z:2025-12-31T01:00:00Z",
                (struct offset_point){OFFSET_TIME, NOW - 24 * HOUR},
                (struct offset_point){OFFSET_TIME, NOW - 23 * HOUR});
    assert_both("@-1m:end", (struct offset_point){OFFSET_TIME, NOW - MINUTE},
                (struct offset_point){OFFSET_END, 0});
}
END_TEST

/* What is nearly right is refused by name, and nothing is written. */
START_TEST(what_is_no_offset_is_refused)
{
    static const char *const wrong[] = {
        "",
        ":",
        "x",
        "5:x",
        "9:5",
        "5:5",
        "--1",
        "+",
        "-",
        "1e3",
        " 1",
        "@",
        "@x",
        "@1h:x",
        "@end",
        "@2026-02-30",
        "@2026-13-01",
        "@2026-1-1",
        "@-1h:-2h",
        "@12",
        "@-1",
        "@1w",
        "5:end:",
        "99999999999999999999",
        "@2026-01-01T25:00:00Z",
        "@2026-01-01T00:00:00",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct offset_range range = {.from = {OFFSET_EXACT, 123}};
        error = (struct weir_error){0};
        int rc = offset_range_parse(wrong[i], NOW, &range, &error);
        ck_assert_msg(rc == WEIR_INVALID_ARGUMENT, "'%s' was taken: kind %d, value %lld", wrong[i],
                      (int)range.from.kind, (long long)range.from.value);
        ck_assert_int_eq(range.from.value, 123);
        ck_assert_ptr_nonnull(strstr(error.text, "offset '"));
    }
}
END_TEST

/* Points behind an edge stay at the edge, and nothing overflows. */
START_TEST(points_are_resolved_within_the_log)
{
    ck_assert_int_eq(offset_point_resolve(&(struct offset_point){OFFSET_START, 0}, 10, 50), 10);
    ck_assert_int_eq(offset_point_resolve(&(struct offset_point){OFFSET_END, 0}, 10, 50), 50);
    ck_assert_int_eq(offset_point_resolve(&(struct offset_point){OFFSET_EXACT, 5}, 10, 50), 10);
    ck_assert_int_eq(offset_point_resolve(&(struct offset_point){OFFSET_EXACT, 30}, 10, 50), 30);
    ck_assert_int_eq(offset_point_resolve(&(struct offset_point){OFFSET_FROM_START, 3}, 10, 50),
                     13);
    ck_assert_int_eq(offset_point_resolve(&(struct offset_point){OFFSET_FROM_END, 3}, 10, 50), 47);
    ck_assert_int_eq(offset_point_resolve(&(struct offset_point){OFFSET_FROM_END, 99}, 10, 50), 10);
    ck_assert_int_eq(
        offset_point_resolve(&(struct offset_point){OFFSET_FROM_START, INT64_MAX}, 10, 50), 50);
}
END_TEST

/* What will be there is not missed, nor is what begins or ends elsewhere than at an offset that is named. */
START_TEST(a_range_that_nothing_will_be_in_is_missed)
{
    struct offset_range range;
    static const struct {
        const char *text;
        bool misses; /* a partition of 10 to 49 */
    } cases[] = {
        {"50", false},  {"51", true},   {"99:120", true}, {"0", false},           {"0:10", true},
        {":10", true},  {":11", false}, {"5:10", true},   {"5:11", false},        {"end", false},
        {"+99", false}, {"-99", false}, {"50:60", false}, {"@2099-01-01", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_ok(offset_range_parse(cases[i].text, NOW, &range, &error), &error);
        ck_assert_msg(offset_range_misses(&range, 10, 50) == cases[i].misses, "%s", cases[i].text);
    }
    ck_ok(offset_range_parse(":0", NOW, &range, &error), &error);
    ck_assert(!offset_range_misses(&range, 0, 50)); /* it asks for nothing, and gets it */
    ck_ok(offset_range_parse("51", NOW, &range, &error), &error);
    ck_assert(!offset_range_misses(&range, 0, INT64_MAX)); /* where nobody knows the end */
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("offset_range");
    tcase_add_test(tests, one_point_says_where_to_begin);
    tcase_add_test(tests, two_points_make_a_range);
    tcase_add_test(tests, times_are_read_in_each_form);
    tcase_add_test(tests, durations_count_from_the_right_place);
    tcase_add_test(tests, what_is_no_offset_is_refused);
    tcase_add_test(tests, points_are_resolved_within_the_log);
    tcase_add_test(tests, a_range_that_nothing_will_be_in_is_missed);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("offset_range", add);
}
