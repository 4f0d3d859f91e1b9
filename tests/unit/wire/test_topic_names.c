#include <string.h>

#include "tests/support/support.h"
#include "wire/topic_names.h"

/* What Kafka takes as a name is taken. */
START_TEST(legal_names_are_taken)
{
    static const char *const names[] = {"a",   "clicks", "a.b_c-D9",
                                        "...", "-",      "__consumer_offsets"};
    char longest[WEIR_TOPIC_NAME_SIZE_MAX + 1];
    memset(longest, 'x', sizeof longest);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_int_eq(weir_topic_name_check(weir_text(names[i]), NULL), 0);
    }
    ck_assert_int_eq(weir_topic_name_check(weir_slice(longest, WEIR_TOPIC_NAME_SIZE_MAX), NULL), 0);
}
END_TEST

static void refused(struct weir_slice name, const char *wanted)
{
    struct weir_error error = {0};
    ck_assert_int_eq(weir_topic_name_check(name, &error), WEIR_INVALID_TOPIC);
    ck_assert_msg(strstr(error.text, wanted) != NULL, "'%s' lacks '%s'", error.text, wanted);
}

/* Others are refused with an error that names the value and what would be right. */
START_TEST(illegal_names_are_refused_by_what_is_wrong)
{
    char long_name[WEIR_TOPIC_NAME_SIZE_MAX + 1];
    memset(long_name, 'x', sizeof long_name);
    refused(weir_null(), "empty");
    refused(weir_text(""), "empty");
    refused(weir_text("."), "'.'");
    refused(weir_text(".."), "'..'");
    refused(weir_text("a/b"), "'/' at position 1");
    refused(weir_slice("a\0b", 3), "\\x00");
    refused(weir_text("caf\xc3\xa9"), "\\xc3");
    refused(weir_text("a b"), "letters, digits");
    refused(weir_slice(long_name, sizeof long_name), "at most 249");
}
END_TEST

/* The name is shown as it is: what cannot be printed by its number, to the last and from the first that can,
 * and a long one up to a place where it is clear that more follows. */
START_TEST(a_refused_name_is_shown)
{
#define TEN_A "aaaaaaaaaa"
#define SIXTY_A TEN_A TEN_A TEN_A TEN_A TEN_A TEN_A
#define TEN_ZEROS "\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00"
    static const char zeros[20] = {0};
    refused(weir_text("a b"), "topic name 'a b' has ' ' at position 1;");
    refused(weir_text("a\x1f!~\x7f"), "topic name 'a\\x1f!~\\x7f' has '\\x1f' at position 1;");
    refused(weir_text("~"), "topic name '~' has '~' at position 0;");
    refused(weir_text(SIXTY_A "/"), "topic name '" SIXTY_A "/' has '/' at position 60;");
    refused(weir_text(SIXTY_A "/b"), "topic name '" SIXTY_A "/...' has '/' at position 60;");
    refused(weir_text(SIXTY_A "bb/"), "topic name '" SIXTY_A "b...' has '/' at position 62;");
    refused(weir_slice(zeros, 16),
            "topic name '" TEN_ZEROS "\\x00\\x00\\x00\\x00\\x00\\x00' has '\\x00' at position 0;");
    refused(weir_slice(zeros, 17), "topic name '" TEN_ZEROS
                                   "\\x00\\x00\\x00\\x00\\x00\\x00...' has '\\x00' at position 0;");
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("names");
    tcase_add_test(tests, legal_names_are_taken);
    tcase_add_test(tests, illegal_names_are_refused_by_what_is_wrong);
    tcase_add_test(tests, a_refused_name_is_shown);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("topic names", add);
}
