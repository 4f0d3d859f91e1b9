#include <string.h>

#include "broker/coordinator/group/group_regex.h"
#include "tests/support/support.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_error error;

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    error = (struct weir_error){0};
}

static void tear_down(void)
{
    ck_assert_uint_eq(atomic_load(&budget.used), 0);
}

static int matches(const char *pattern, const char *name)
{
    struct weir_group_regex *regex = NULL;
    int rc = weir_group_regex_new(&budget, weir_text(pattern), &regex, &error);
    if (rc == 0) rc = weir_group_regex_matches(regex, weir_text(name), &error);
    weir_group_regex_free(regex);
    return rc;
}

/* Examples of RE2's syntax; a name matches as a whole or not at all. */
START_TEST(a_name_matches_as_a_whole)
{
    static const struct {
        const char *pattern, *name;
        int expected;
    } rows[] = {
        {"ba.*", "bar", 1},
        {"ba.*", "a-bar", 0},
        {"orders", "orders", 1},
        {"orders", "orders-eu", 0},
        {"order", "orders", 0},
        {"a|ab", "ab", 1},
        {"^orders$", "orders", 1},
        {"(eu|us)-orders-[0-9]{2,3}", "us-orders-017", 1},
        {"(eu|us)-orders-[0-9]{2,3}", "us-orders-1", 0},
        {"(?i)ORDERS", "orders", 1},
        {"(?P<region>eu|us)\\..+", "eu.x", 1},
        {"(?:a|b)*?c", "ababc", 1},
        {"[[:alpha:]]+_\\d+", "topic_12", 1},
        {"[]a]+", "a]a", 1},
        {"[^]a]+", "bc", 1},
        {"\\Qa.b\\E.*", "a.bc", 1},
        {"\\Qa.b\\E.*", "axbc", 0},
        {"\\p{Ll}+", "abc", 1},
        {"x{,5}", "x{,5}", 1},
        {"a{0,1000}b{1}", "aab", 1},
        {"a\\z", "a", 1},
        {"", "a", 0},
        {".*", "__consumer_offsets", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int rc = matches(rows[i].pattern, rows[i].name);
        ck_assert_msg(rc == rows[i].expected, "'%s' of '%s': %d, %s", rows[i].pattern, rows[i].name,
                      rc, error.text);
    }
}
END_TEST

/* What RE2 does not take is refused with a reason, though PCRE2 would take most of it. */
START_TEST(what_re2_lacks_is_refused)
{
    static const char *const rows[] = {
        "(",
        "[a",
        "a**",
        "*a",
        "a++",
        "a*+",
        "a??+",
        "a{2}{3}",
        "(?=a)a",
        "(?!a)b",
        "(?<=a)b",
        "(?<!a)b",
        "(?>a)b",
        "(a)\\1",
        "\\k<x>",
        "(?R)",
        "(?1)",
        "(?#x)a",
        "(*ACCEPT)",
        "\\Ka",
        "\\Ra",
        "a\\",
        "(?x)a b",
        "(?|a|b)",
        "\\C",
        "\xff",
        "\\xZZ(",
        "(?P<n>a)(?P=n)",
        "a{1001}",
        "a{0,1001}",
        "a{1001,}",
        "a{2,1}",
        "a{99999999999999999999}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int rc = matches(rows[i], "a");
        ck_assert_msg(rc == WEIR_INVALID_REGULAR_EXPRESSION, "'%s' gives %d", rows[i], rc);
        ck_assert_ptr_nonnull(strstr(error.text, "is not a valid regular expression: "));
        ck_told(rc, &error);
    }
}
END_TEST

/* An expression that takes 2^n steps ends, and is the sender's mistake. */
START_TEST(one_that_takes_for_ever_is_given_up)
{
    static const char *const rows[] = {"(a|a)*[bc]", "(a+)+[bc]", "(a|aa)+$b",
                                       "(.*)*(.*)*(.*)*[bc]", "(x+x+)+y|(a?){200}a{200}"};
    char name[201];
    memset(name, 'a', 200);
    name[200] = '\0';
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int rc = matches(rows[i], name);
        ck_assert_msg(rc == WEIR_INVALID_REGULAR_EXPRESSION || rc == 0 || rc == 1, "%d", rc);
    }
    ck_code(matches("(a|a)*[bc]", name), WEIR_INVALID_REGULAR_EXPRESSION);
    ck_assert_ptr_nonnull(strstr(error.text, "too many steps"));
}
END_TEST

/* Many names that each take many steps are too many: an expression has so many of them, and no more. */
START_TEST(dear_names_are_counted)
{
    struct weir_group_regex *regex = NULL;
    ck_assert_int_eq(weir_group_regex_new(&budget, weir_text("(a|a)*[bc]"), &regex, &error), 0);
    int rc = 0, count = 0;
    while (rc >= 0 && count < 1000) {
        rc = weir_group_regex_matches(regex, weir_text("aaaaaaaaaaaaa"), &error);
        count++;
    }
    ck_assert_int_eq(rc, WEIR_INVALID_REGULAR_EXPRESSION);
    ck_assert_int_gt(count, 10);
    weir_group_regex_free(regex);
}
END_TEST

/* 4,096 bytes and no more; the text about a long one stays readable. */
START_TEST(a_long_one_is_refused)
{
    char pattern[WEIR_GROUP_REGEX_SIZE_MAX + 2];
    memset(pattern, 'a', sizeof pattern);
    pattern[WEIR_GROUP_REGEX_SIZE_MAX] = '\0';
    ck_code(matches(pattern, "a"), 0);
    pattern[WEIR_GROUP_REGEX_SIZE_MAX] = 'a';
    pattern[WEIR_GROUP_REGEX_SIZE_MAX + 1] = '\0';
    ck_code(matches(pattern, "a"), WEIR_INVALID_REGULAR_EXPRESSION);
    ck_assert_ptr_nonnull(strstr(error.text, "4096"));
    memset(pattern, '(', 1000);
    pattern[1000] = '\0';
    ck_code(matches(pattern, "a"), WEIR_INVALID_REGULAR_EXPRESSION);
}
END_TEST

/* Random bytes as an expression: it is taken or refused, nothing else. */
START_TEST(any_bytes_end)
{
    static const char alphabet[] = "ab()[]{}*+?|\\^$.,-0129:<>=!PQEdwi#";
    struct weir_test_random random = {42};
    for (int i = 0; i < 20000; i++) {
        char pattern[24];
        size_t size = weir_test_random_below(&random, sizeof pattern - 1);
        for (size_t j = 0; j < size; j++) {
            pattern[j] = alphabet[weir_test_random_below(&random, sizeof alphabet - 1)];
        }
        pattern[size] = '\0';
        int rc = matches(pattern, "aabbaabbab012");
        ck_assert_msg(rc == 0 || rc == 1 || rc == WEIR_INVALID_REGULAR_EXPRESSION, "'%s': %d",
                      pattern, rc);
    }
}
END_TEST

/* Memory that runs out is said, and all is given back. */
START_TEST(a_shortage_is_said)
{
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        weir_test_failures_arm(&failures, &heap);
        int rc = matches("(eu|us)-[a-z]+", "us-orders");
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 1);
        ck_assert_uint_eq(atomic_load(&budget.used), 0);
    }
    ck_assert_uint_gt(failures.hits, 3);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("group regex");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_name_matches_as_a_whole);
    tcase_add_test(tests, what_re2_lacks_is_refused);
    tcase_add_test(tests, one_that_takes_for_ever_is_given_up);
    tcase_add_test(tests, dear_names_are_counted);
    tcase_add_test(tests, a_long_one_is_refused);
    tcase_add_test(tests, any_bytes_end);
    tcase_add_test(tests, a_shortage_is_said);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("group_regex", add);
}
