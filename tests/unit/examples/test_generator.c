/* The fraud example's generator: what a source that goes on after a crash relies on. */
#include <string.h>

#include "generator.h"
#include "tests/support/support.h"

/* A payment is a function of seed and number: asked for in any order, it is the same. */
START_TEST(a_payment_depends_on_seed_and_number_alone)
{
    struct payment first, again, other;
    for (int64_t number = 1; number < 5000; number += 7) {
        generate_payment(1, number, &first);
        generate_payment(1, 5000 - number, &other);
        generate_payment(1, number, &again);
        ck_assert_int_eq(first.position, number);
        ck_assert_str_eq(first.card, again.card);
        ck_assert_str_eq(first.merchant, again.merchant);
        ck_assert_double_eq(first.amount, again.amount);
    }
    generate_payment(2, 1, &other);
    generate_payment(1, 1, &first);
    ck_assert_str_ne(first.card, other.card);
}
END_TEST

/* Time never goes back, cards have 19 digits, and every 2,000 payments hold 15 labelled frauds. */
START_TEST(payments_are_in_order_and_labelled)
{
    struct payment payment;
    int64_t last_ms = 0;
    int frauds = 0;
    for (int64_t number = 2000; number < 22000; number++) {
        generate_payment(1, number, &payment);
        ck_assert_int_gt(payment.time_ms, last_ms);
        ck_assert_uint_eq(strlen(payment.card), 19);
        ck_assert_double_gt(payment.amount, 0);
        last_ms = payment.time_ms;
        frauds += payment.is_fraud;
    }
    ck_assert_int_eq(frauds, 10 * 15);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("generator");
    tcase_add_test(tests, a_payment_depends_on_seed_and_number_alone);
    tcase_add_test(tests, payments_are_in_order_and_labelled);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("examples_generator", add);
}
