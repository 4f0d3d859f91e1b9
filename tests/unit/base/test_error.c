#include "base/error.h"

#include <errno.h>
#include <string.h>

#include "tests/support/support.h"

/* Every code has a name, a sentence and an action; names are the constants' own. */
START_TEST(each_code_has_a_row)
{
#define CHECK_ROW(name, number, action_name, sentence)                                             \
    ck_assert_str_eq(weir_code_name(WEIR_##name), #name);                                          \
    ck_assert_str_eq(weir_code_text(number), sentence);                                            \
    ck_assert_int_eq(weir_code_action(WEIR_##name), WEIR_ACTION_##action_name);
    WEIR_CODES(CHECK_ROW)
#undef CHECK_ROW
    ck_assert_str_eq(weir_code_name(WEIR_OK), "OK");
    ck_assert_str_eq(weir_code_name(WEIR_END), "END");
    ck_assert_int_eq(weir_code_action(WEIR_OK), WEIR_ACTION_NONE);
}
END_TEST

/* Numbers that are no code of ours are answered, not read past the table. */
START_TEST(unknown_codes_are_answered)
{
#define COUNT_ROW(name, number, action, text) +1
    enum { CODES = 0 WEIR_CODES(COUNT_ROW) }; /* numbered without a gap from -1 down */
#undef COUNT_ROW
    const int strangers[] = {2, 1000, -CODES - 1, -1000, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        ck_assert_str_eq(weir_code_name(strangers[i]), "UNKNOWN");
        ck_assert_int_eq(weir_code_action(strangers[i]), WEIR_ACTION_STOP);
    }
}
END_TEST

/* Setting returns the code and replaces what was there; a NULL error still gives the code. */
START_TEST(set_writes_code_and_text)
{
    struct weir_error error = {.code = WEIR_IO, .text = "old"};
    ck_code(weir_error_set(&error, WEIR_NOT_FOUND, "topic '%s' is gone", "t"), WEIR_NOT_FOUND);
    ck_assert_int_eq(error.code, WEIR_NOT_FOUND);
    ck_assert_str_eq(error.text, "topic 't' is gone");
    ck_code(weir_error_set(NULL, WEIR_IO, "unheard"), WEIR_IO);
}
END_TEST

/* The old message may be an argument of the new one. */
START_TEST(set_may_quote_the_old_text)
{
    struct weir_error error;
    weir_error_set(&error, WEIR_IO, "inner");
    weir_error_set(&error, WEIR_CORRUPT, "outer (%s)", error.text);
    ck_assert_str_eq(error.text, "outer (inner)");
}
END_TEST

/* Each layer stands in front of the last; the code stays. */
START_TEST(wrap_puts_the_noun_in_front)
{
    struct weir_error error;
    int rc = weir_error_set(&error, WEIR_IO, "short read, %d of %d bytes", 12, 61);
    rc = weir_error_wrap(&error, rc, "open segment '%s'", "4096.log");
    rc = weir_error_wrap(&error, rc, "restore store 'clicks'");
    ck_assert_int_eq(rc, WEIR_IO);
    ck_assert_int_eq(error.code, WEIR_IO);
    ck_assert_str_eq(error.text, "restore store 'clicks': open segment '4096.log': "
                                 "short read, 12 of 61 bytes");
}
END_TEST

/* Success passes through a wrap and leaves the error alone. */
START_TEST(wrap_leaves_success_alone)
{
    struct weir_error error = {.code = WEIR_OK, .text = "untouched"};
    ck_assert_int_eq(weir_error_wrap(&error, 0, "noun"), 0);
    ck_assert_int_eq(weir_error_wrap(&error, 7, "noun"), 7);
    ck_assert_str_eq(error.text, "untouched");
    ck_assert_int_eq(weir_error_wrap(NULL, WEIR_IO, "noun"), WEIR_IO);
}
END_TEST

/* At every length around the room there is, the text ends within it and says if it was cut. */
START_TEST(long_texts_are_cut_and_say_so)
{
    char words[2 * WEIR_ERROR_TEXT_SIZE];
    for (int size = WEIR_ERROR_TEXT_SIZE - 8; size < WEIR_ERROR_TEXT_SIZE + 8; size++) {
        memset(words, 'w', sizeof words);
        words[size] = '\0';
        struct weir_error error;
        weir_error_set(&error, WEIR_IO, "%s", words);
        bool is_cut = size >= WEIR_ERROR_TEXT_SIZE;
        ck_assert_uint_eq(strlen(error.text), is_cut ? WEIR_ERROR_TEXT_SIZE - 1 : (size_t)size);
        ck_assert_int_eq(strstr(error.text, "...") != NULL, is_cut);

        weir_error_set(&error, WEIR_IO, "cause");
        weir_error_wrap(&error, WEIR_IO, "%s", words);
        is_cut = size + 7 >= WEIR_ERROR_TEXT_SIZE;
        ck_assert_uint_eq(strlen(error.text), is_cut ? WEIR_ERROR_TEXT_SIZE - 1 : (size_t)size + 7);
        ck_assert_int_eq(strstr(error.text, "...") != NULL, is_cut);
    }
}
END_TEST

/* The operating system's reasons become ours; unknown ones are WEIR_IO. */
START_TEST(errno_becomes_a_code)
{
    struct weir_error error;
    ck_code(weir_error_errno(&error, ENOENT, "open", "/x/y"), WEIR_NOT_FOUND);
    ck_assert_str_eq(error.text, "open '/x/y': No such file or directory");
    ck_code(weir_error_errno(&error, ENOSPC, "sync", NULL), WEIR_NO_SPACE);
    ck_assert_str_eq(error.text, "sync: No space left on device");
    ck_code(weir_error_errno(&error, EIO, "read", "f"), WEIR_IO);
    ck_code(weir_error_errno(NULL, EEXIST, "create", "f"), WEIR_EXISTS);
    ck_code(weir_error_errno(NULL, 123456, "create", "f"), WEIR_IO);
}
END_TEST

/* What is short comes back; each such code says so to its caller too. */
START_TEST(shortages_are_retriable)
{
    static const int short_of[] = {WEIR_NO_MEMORY, WEIR_NO_SPACE, WEIR_LIMIT};
    static const int errnos[] = {ENOMEM, ENOSPC, EDQUOT, EMFILE, ENFILE};
    for (size_t i = 0; i < sizeof short_of / sizeof short_of[0]; i++) {
        ck_assert(weir_code_is_shortage(short_of[i]));
        ck_assert_int_eq(weir_code_action(short_of[i]), WEIR_ACTION_RETRY);
        ck_code(weir_error_storage(NULL, short_of[i]), short_of[i]);
    }
    for (size_t i = 0; i < sizeof errnos / sizeof errnos[0]; i++)
        ck_assert(weir_code_is_shortage(weir_error_errno(NULL, errnos[i], "open", "/x")));
    static const int others[] = {WEIR_OK,      WEIR_END,       WEIR_IO,      WEIR_LOCKED,
                                 WEIR_OFFLINE, WEIR_NOT_FOUND, WEIR_CRASHED, WEIR_TIMED_OUT};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ck_assert(!weir_code_is_shortage(others[i]));
}
END_TEST

/* A file that must be there and cannot be used is storage that is offline; the text says why. */
START_TEST(storage_that_cannot_be_used_is_offline)
{
    static const int reasons[] = {ENOENT, EACCES, EPERM, EISDIR, ENOTDIR, EINVAL};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        struct weir_error error;
        int rc = weir_error_storage(&error, weir_error_errno(&error, reasons[i], "open", "/x"));
        ck_assert(rc == WEIR_OFFLINE || rc == WEIR_IO);
        ck_assert_int_eq(error.code, rc);
        ck_assert_ptr_nonnull(strstr(error.text, strerror(reasons[i])));
    }
    ck_code(weir_error_errno(NULL, EROFS, "write", "/x"), WEIR_IO);
    ck_code(weir_error_storage(NULL, WEIR_IO), WEIR_IO);
    ck_code(weir_error_storage(NULL, WEIR_CRASHED), WEIR_CRASHED);
    ck_code(weir_error_storage(NULL, 7), 7);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("error");
    tcase_add_test(tests, each_code_has_a_row);
    tcase_add_test(tests, unknown_codes_are_answered);
    tcase_add_test(tests, set_writes_code_and_text);
    tcase_add_test(tests, set_may_quote_the_old_text);
    tcase_add_test(tests, wrap_puts_the_noun_in_front);
    tcase_add_test(tests, wrap_leaves_success_alone);
    tcase_add_test(tests, long_texts_are_cut_and_say_so);
    tcase_add_test(tests, errno_becomes_a_code);
    tcase_add_test(tests, shortages_are_retriable);
    tcase_add_test(tests, storage_that_cannot_be_used_is_offline);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("base/error", add);
}
