#ifndef WEIR_BASE_ASSERT_H
#define WEIR_BASE_ASSERT_H

/**
 * Assertions speak of our own mistakes and stay on in release builds: better a restart than a wrong
 * log. Bytes from a disk or a socket are checked and answered with an error instead.
 *
 * A failed one gives `weir: file:line: function: assertion '…' failed` to the hook, or to standard
 * error when there is none, and then aborts.
 *
 * `weir_assert_slow` is for checks that cost O(n); on in debug and sanitizer builds.
 */
#define weir_assert(condition)                                                                     \
    ((condition) ? (void)0 : weir_assert_failed(#condition, __FILE__, __LINE__, __func__))

#ifdef WEIR_SLOW_ASSERTIONS
#define weir_assert_slow(condition) weir_assert(condition)
#else
#define weir_assert_slow(condition) ((void)sizeof(!(condition)))
#endif

_Noreturn void weir_assert_failed(const char *condition, const char *file, int line,
                                  const char *function);

/**
 * A hook that sees the message before the abort, for an embedding program that wants it in its own
 * log. The only state at file scope in the library: an assertion has no object to reach it through.
 */
void weir_assert_set_hook(void (*hook)(const char *message));

#endif
