#include "base/assert.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/support.h"

/* A condition that holds costs nothing and is read once. */
START_TEST(a_true_condition_is_read_once)
{
    int count = 0;
    weir_assert(++count == 1);
    ck_assert_int_eq(count, 1);
}
END_TEST

/* A condition that does not hold ends the process by SIGABRT. */
START_TEST(a_false_condition_aborts)
{
    weir_assert(1 + 1 == 3);
}
END_TEST

static void exit_if_told_why(const char *message)
{
    bool is_told = strstr(message, "test_assert.c") != NULL && strstr(message, "0 > 1") != NULL;
    _exit(is_told ? 7 : 8);
}

/* The hook sees condition and place before the abort. */
START_TEST(the_hook_sees_the_message)
{
    weir_assert_set_hook(exit_if_told_why);
    weir_assert(0 > 1);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("assert");
    tcase_add_test(tests, a_true_condition_is_read_once);
    if (weir_test_forks()) {
        tcase_add_test_raise_signal(tests, a_false_condition_aborts, SIGABRT);
        tcase_add_exit_test(tests, the_hook_sees_the_message, 7);
    }
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("base/assert", add);
}
