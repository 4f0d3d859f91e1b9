#ifndef WEIR_TESTS_BROKEN_H
#define WEIR_TESTS_BROKEN_H

#include <signal.h>

#include "tests/support/support.h"

/**
 * Tests of invariants: each row breaks a field of something whole, and its check has to end the program.
 *
 *     BREAKS(no_segment, whole->segment_count = 0)
 *
 *     static void (*const broken[])(void) = {no_segment};
 *
 *     START_TEST(a_broken_field_ends_the_program)
 *     {
 *         broken[_i]();
 *         weir_partition_log_check(whole);
 *     }
 *     END_TEST
 *
 *     ADD_BROKEN(tests, a_broken_field_ends_the_program, broken);     in the suite
 */
#define BREAKS(name, change)                                                                       \
    static void name(void)                                                                         \
    {                                                                                              \
        change;                                                                                    \
    }

/** The test once for each row of the table; none where tests share one process. */
#define ADD_BROKEN(tests, test, rows)                                                              \
    do {                                                                                           \
        if (!weir_test_forks()) break;                                                             \
        tcase_add_loop_test_raise_signal(tests, test, SIGABRT, 0,                                  \
                                         (int)(sizeof(rows) / sizeof(rows)[0]));                   \
    } while (0)

#endif
