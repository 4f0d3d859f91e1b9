#ifndef WEIR_TESTS_SUPPORT_H
#define WEIR_TESTS_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <check.h>

#include "base/alloc.h"
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

/**
 * Memory that runs out: each allocation of an act fails once, the Nth in round N, until a round has
 * none left to fail. A heap's countdown only says afterwards whether it came to its allocation, and a
 * loop that does not ask can pass without one failure; this one asks, and fails if none was met.
 *
 *     struct weir_test_failures failures = {0};
 *     while (weir_test_failures_next(&failures)) {
 *         ...                                         the stage
 *         weir_test_failures_arm(&failures, heap);
 *         int rc = act();
 *         bool was_hit = weir_test_failures_disarm(&failures);
 *         ck_assert(was_hit || rc == 0);
 *         ...                                         what must hold nevertheless
 *     }
 *     ck_assert_uint_gt(failures.hits, 10);
 */
struct weir_test_failures {
    uint64_t round;         /* the allocation that fails, counted from the arming; 1 is the first */
    uint64_t hits;          /* rounds that came to theirs */
    struct weir_heap *heap; /* armed */
    bool is_over;
};

/** Another round? False after one without a failure; at least one round has had one then. */
bool weir_test_failures_next(struct weir_test_failures *failures);
/** From here on `heap` counts down. Once per round. */
void weir_test_failures_arm(struct weir_test_failures *failures, struct weir_heap *heap);
/** No more failures; true if this round's allocation was asked for and refused. */
bool weir_test_failures_disarm(struct weir_test_failures *failures);

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

/** A call that failed with `rc` has filled its error, which was {0} before: with the same code, and a
 * sentence that has its end. */
#define ck_told(rc, error_pointer)                                                                 \
    do {                                                                                           \
        int ck_rc = (rc);                                                                          \
        const struct weir_error *ck_error = (error_pointer);                                       \
        size_t ck_size = strlen(ck_error->text);                                                   \
        bool ck_ends = ck_size > 0 && ck_error->text[ck_size - 1] != ' ';                          \
        ck_assert_msg(ck_rc >= 0 || (ck_error->code == ck_rc && ck_ends), "%s is told as %d '%s'", \
                      weir_code_name(ck_rc), ck_error->code, ck_error->text);                      \
    } while (0)

#endif
