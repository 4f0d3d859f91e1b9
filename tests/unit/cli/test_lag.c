/* How far behind a group is: rates, outlook, and times for people. */
#include "cli/lag.h"

#include "tests/support/support.h"

static struct lag_trend trend_of(struct lag_sample first, struct lag_sample now)
{
    return lag_trend_of(&first, &now);
}

/* 1,000 records behind; 300 a second are read and 100 written: gone in five seconds. */
START_TEST(a_faster_reader_catches_up)
{
    struct lag_trend trend =
        trend_of((struct lag_sample){0, 1000, 6000}, (struct lag_sample){20000, 7000, 8000});
    ck_assert(trend.read_rate > 299 && trend.read_rate < 301);
    ck_assert(trend.write_rate > 99 && trend.write_rate < 101);
    ck_assert_int_eq(trend.outlook, LAG_CATCHES_UP);
    ck_assert_int_eq(trend.catch_up_ms, 5000);
}
END_TEST

START_TEST(other_outlooks_are_told_apart)
{
    struct lag_sample first = {0, 10, 100};
    ck_assert_int_eq(trend_of(first, (struct lag_sample){1000, 200, 200}).outlook, LAG_CAUGHT_UP);
    ck_assert_int_eq(trend_of(first, (struct lag_sample){1000, 300, 200}).outlook, LAG_CAUGHT_UP);
    ck_assert_int_eq(trend_of(first, (struct lag_sample){1000, 20, 200}).outlook, LAG_FALLS_BEHIND);
    ck_assert_int_eq(trend_of(first, (struct lag_sample){1000, 20, 110}).outlook, LAG_STANDS);
    ck_assert_int_eq(trend_of(first, first).outlook, LAG_NOT_KNOWN_YET);
    /* a reset took it back: it reads at less than nothing */
    ck_assert_int_eq(trend_of(first, (struct lag_sample){1000, 0, 100}).outlook, LAG_FALLS_BEHIND);
    /* what would take a thousand years is not a date */
    ck_assert_int_eq(trend_of((struct lag_sample){0, 0, INT64_MAX / 2},
                              (struct lag_sample){1000, 1, INT64_MAX / 2})
                         .outlook,
                     LAG_STANDS);
}
END_TEST

START_TEST(times_are_written_with_two_units)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {-1, "-"},
        {0, "0 s"},
        {999, "999 ms"},
        {1000, "1.0 s"},
        {59999, "59.9 s"},
        {60000, "1m 0s"},
        {312000, "5m 12s"},
        {7380000, "2h 3m"},
        {349200000, "4d 1h"},
        {INT64_MAX, "106751991167d 7h"},
    };
    char text[LAG_TEXT_SIZE];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_str_eq(lag_time_text(text, rows[i].ms), rows[i].text);
    }
    struct lag_trend trend = {.outlook = LAG_CATCHES_UP, .catch_up_ms = 312000};
    ck_assert_str_eq(lag_outlook_text(text, &trend), "in 5m 12s");
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("lag");
    tcase_add_test(tests, a_faster_reader_catches_up);
    tcase_add_test(tests, other_outlooks_are_told_apart);
    tcase_add_test(tests, times_are_written_with_two_units);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("lag", add);
}
