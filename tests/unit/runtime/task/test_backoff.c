/* A shortage is waited out, attempt by attempt, until it has taken too long. */
#include "runtime/task/backoff.h"
#include "tests/support/support.h"
#include "weir/error.h"

static struct weir_mono at_ms(int64_t ms)
{
    return (struct weir_mono){.ns = 5000000000 + ms * 1000000};
}

/* The next attempt is due after the wait and not before; what succeeds ends it, and says how long it took
 * from the first failure on. */
START_TEST(an_attempt_is_due_after_the_wait)
{
    struct weir_backoff backoff = {0};
    ck_assert(!weir_backoff_is_due(&backoff, at_ms(0)));
    ck_assert_int_eq(weir_backoff_over(&backoff, at_ms(0)), -1);
    ck_assert(weir_backoff_failed(&backoff, WEIR_NO_SPACE, at_ms(0)));
    ck_assert_int_eq(backoff.due.ns, at_ms(WEIR_RETRY_BACKOFF_MS).ns);
    ck_assert(!weir_backoff_is_due(&backoff, at_ms(WEIR_RETRY_BACKOFF_MS - 1)));
    ck_assert(weir_backoff_is_due(&backoff, at_ms(WEIR_RETRY_BACKOFF_MS)));
    ck_assert(weir_backoff_failed(&backoff, WEIR_NO_SPACE, at_ms(150)));
    ck_assert_int_eq(backoff.due.ns, at_ms(150 + WEIR_RETRY_BACKOFF_MS).ns);
    ck_assert_int_eq(weir_backoff_over(&backoff, at_ms(251)), 251);
    ck_assert(!weir_backoff_is_due(&backoff, at_ms(1000000)));
    ck_assert_int_eq(weir_backoff_over(&backoff, at_ms(1000000)), -1);
}
END_TEST

/* What is no shortage is not waited out, and changes nothing. */
START_TEST(other_failures_are_not_waited_out)
{
    struct weir_backoff backoff = {0};
    ck_assert(!weir_backoff_failed(&backoff, WEIR_IO, at_ms(0)));
    ck_assert(!backoff.is_waiting);
    ck_assert(weir_backoff_failed(&backoff, WEIR_NO_MEMORY, at_ms(10)));
    ck_assert(!weir_backoff_failed(&backoff, WEIR_CORRUPT, at_ms(20)));
    ck_assert_int_eq(backoff.due.ns, at_ms(10 + WEIR_RETRY_BACKOFF_MS).ns);
}
END_TEST

/* It is given up by the time since the first failure; a success in between begins anew. */
START_TEST(a_shortage_that_stays_is_given_up)
{
    struct weir_backoff backoff = {0};
    ck_assert(weir_backoff_failed(&backoff, WEIR_NO_SPACE, at_ms(0)));
    ck_assert(weir_backoff_failed(&backoff, WEIR_NO_SPACE, at_ms(WEIR_DELIVERY_TIMEOUT_MS - 1)));
    ck_assert(!weir_backoff_failed(&backoff, WEIR_NO_SPACE, at_ms(WEIR_DELIVERY_TIMEOUT_MS)));
    ck_assert_int_eq(weir_backoff_over(&backoff, at_ms(WEIR_DELIVERY_TIMEOUT_MS)),
                     WEIR_DELIVERY_TIMEOUT_MS);
    ck_assert(weir_backoff_failed(&backoff, WEIR_NO_SPACE, at_ms(WEIR_DELIVERY_TIMEOUT_MS + 1)));
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("backoff");
    tcase_add_test(tests, an_attempt_is_due_after_the_wait);
    tcase_add_test(tests, other_failures_are_not_waited_out);
    tcase_add_test(tests, a_shortage_that_stays_is_given_up);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("backoff", add);
}
