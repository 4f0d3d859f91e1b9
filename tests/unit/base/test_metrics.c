#include "base/metrics.h"

#include <stdlib.h>

#include "tests/support/support.h"

static struct weir_histogram histogram;

static void set_up(void)
{
    weir_histogram_reset(&histogram);
}

/* A counter adds, a gauge is set, and both are read back. */
START_TEST(counters_count)
{
    struct weir_counter counter = {0};
    weir_counter_add(&counter, 3);
    weir_counter_add(&counter, -1);
    ck_assert_int_eq(weir_counter_get(&counter), 2);
    weir_counter_set(&counter, 40);
    ck_assert_int_eq(weir_counter_get(&counter), 40);
}
END_TEST

/* An empty histogram has only zeros. */
START_TEST(an_empty_histogram_gives_zero)
{
    ck_assert_int_eq(weir_histogram_quantile(&histogram, 0), 0);
    ck_assert_int_eq(weir_histogram_quantile(&histogram, 1), 0);
}
END_TEST

/* Any single value comes back from every quantile: the largest added is the bound. */
START_TEST(one_value_is_every_quantile)
{
    struct weir_test_random random = {21};
    for (int i = 0; i < 2000; i++) {
        int64_t value =
            (int64_t)(weir_test_random_next(&random) >> (1 + weir_test_random_below(&random, 63)));
        weir_histogram_reset(&histogram);
        weir_histogram_add(&histogram, value);
        ck_assert_int_eq(weir_histogram_quantile(&histogram, 0.5), value);
        ck_assert_int_eq(histogram.sum, value);
    }
}
END_TEST

/* The ends of the range have a bucket; negative values count as zero. */
START_TEST(extremes_are_counted)
{
    weir_histogram_add(&histogram, INT64_MIN);
    ck_assert_int_eq(weir_histogram_quantile(&histogram, 1), 0);
    weir_histogram_add(&histogram, INT64_MAX);
    weir_histogram_add(&histogram, INT64_MAX);
    ck_assert_int_eq(weir_histogram_quantile(&histogram, 0), 0);
    ck_assert_int_eq(weir_histogram_quantile(&histogram, 1), INT64_MAX);
    ck_assert_int_eq(histogram.sum, INT64_MAX);
    ck_assert_uint_eq(histogram.count, 3);
}
END_TEST

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

/* Against the sorted values, no quantile is below the true one or more than 1/32 above it. */
START_TEST(quantiles_are_within_a_bucket)
{
    enum { COUNT = 10000 };
    static int64_t values[COUNT];
    struct weir_test_random random = {(uint64_t)_i};
    for (int i = 0; i < COUNT; i++) {
        values[i] =
            (int64_t)(weir_test_random_next(&random) >> (20 + weir_test_random_below(&random, 44)));
        weir_histogram_add(&histogram, values[i]);
    }
    qsort(values, COUNT, sizeof values[0], compare);
    for (int permille = 1; permille <= 1000; permille++) {
        int64_t exact = values[(size_t)(permille * (COUNT / 1000) - 1)];
        int64_t given = weir_histogram_quantile(&histogram, permille / 1000.0);
        ck_assert_int_ge(given, exact);
        ck_assert_int_le(given - exact, exact / 32);
    }
}
END_TEST

/* Merging two halves is the same as adding all to one. */
START_TEST(merging_is_adding)
{
    static struct weir_histogram even, odd;
    weir_histogram_reset(&even);
    weir_histogram_reset(&odd);
    for (int64_t value = 0; value < 100000; value += 7) {
        weir_histogram_add(&histogram, value);
        weir_histogram_add(value % 2 == 0 ? &even : &odd, value);
    }
    weir_histogram_merge(&even, &odd);
    ck_assert_uint_eq(even.count, histogram.count);
    ck_assert_int_eq(even.sum, histogram.sum);
    ck_assert_int_eq(even.max, histogram.max);
    for (int i = 0; i < WEIR_HISTOGRAM_BUCKETS; i++) {
        ck_assert_uint_eq(even.counts[i], histogram.counts[i]);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("metrics");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, counters_count);
    tcase_add_test(tests, an_empty_histogram_gives_zero);
    tcase_add_test(tests, one_value_is_every_quantile);
    tcase_add_test(tests, extremes_are_counted);
    tcase_add_loop_test(tests, quantiles_are_within_a_bucket, 0, 4);
    tcase_add_test(tests, merging_is_adding);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("base/metrics", add);
}
