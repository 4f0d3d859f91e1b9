#ifndef WEIR_TESTS_SUPPORT_H
#define WEIR_TESTS_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <check.h>

#include "weir/error.h"

/**
 * What every test program shares: its main, directories that go away, a seeded generator, and
 * assertions that print the error's text.
 *
 *     static void add(Suite *suite)
 *     {
 *         TCase *tests = tcase_create("append");
 *         tcase_add_test(tests, append_refuses_a_sequence_gap);
 *         suite_add_tcase(suite, tests);
 *     }
 *
 *     int main(void)
 *     {
 *         return weir_test_main("log", add);
 *     }
 */

/**
 * Run one suite: each test in a process of its own (in this one under the thread sanitizer, and
 * with CK_FORK=no), with a minute's limit. Returns what main returns.
 */
int weir_test_main(const char *suite_name, void (*add)(Suite *suite));

/** False where tests share one process: those that end by a signal cannot run there. */
bool weir_test_forks(void);

enum { WEIR_TEST_PATH_SIZE = 128 };

/** A fresh, empty directory; removed with all in it when the program ends, even after a crash. */
void weir_test_directory(char path_out[WEIR_TEST_PATH_SIZE]);

/** The same seed gives the same numbers (splitmix64): `struct weir_test_random random = {seed}`. */
struct weir_test_random {
    uint64_t state;
};

uint64_t weir_test_random_next(struct weir_test_random *random);
/** Even over [0, bound); `bound > 0`. */
uint64_t weir_test_random_below(struct weir_test_random *random, uint64_t bound);
void weir_test_random_fill(struct weir_test_random *random, void *bytes, size_t size);

/** The call succeeded (0 or a count); otherwise its code and the error's text. */
#define ck_ok(call, error_pointer)                                                                 \
    do {                                                                                           \
        int ck_rc = (call);                                                                        \
        const struct weir_error *ck_error = (error_pointer);                                       \
        ck_assert_msg(ck_rc >= 0, "%s: %s: %s", #call, weir_code_name(ck_rc),                      \
                      ck_error != NULL ? ck_error->text : weir_code_text(ck_rc));                  \
    } while (0)

/** The call returned exactly this code. */
#define ck_code(call, expected)                                                                    \
    do {                                                                                           \
        int ck_rc = (call);                                                                        \
        ck_assert_msg(ck_rc == (expected), "%s: %s (%d), not %s", #call, weir_code_name(ck_rc),    \
                      ck_rc, weir_code_name(expected));                                            \
    } while (0)

#endif
