#include <string.h>

#include "base/env/sim/sim.h"
#include "broker/metadata/topic_names.h"
#include "broker/metadata/uuid.h"
#include "tests/support/support.h"

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

/* An id survives its text, as Kafka prints it. */
START_TEST(ids_survive_their_text)
{
    struct weir_sim *sim = weir_sim_new(&(struct weir_sim_options){.seed = 5});
    struct weir_env *env = weir_sim_node(sim, 0);
    char text[WEIR_UUID_TEXT_SIZE];
    struct weir_uuid back;
    for (int i = 0; i < 1000; i++) {
        struct weir_uuid id = weir_uuid_random(env);
        ck_assert_str_ne(weir_uuid_print(id, text), "");
        ck_assert_uint_eq(strlen(text), 22);
        ck_assert_int_ne(text[0], '-');
        ck_assert(weir_uuid_parse(weir_text(text), &back));
        ck_assert(weir_uuid_equal(id, back));
    }
    struct weir_uuid one = {.bytes = {[15] = 1}};
    ck_assert_str_eq(weir_uuid_print(one, text), "AAAAAAAAAAAAAAAAAAAAAQ");
    ck_assert(!weir_uuid_parse(weir_text("AAAAAAAAAAAAAAAAAAAAA"), &back));
    ck_assert(!weir_uuid_parse(weir_text("AAAAAAAAAAAAAAAAAAAA=="), &back));
    weir_sim_free(sim);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("names");
    tcase_add_test(tests, legal_names_are_taken);
    tcase_add_test(tests, illegal_names_are_refused_by_what_is_wrong);
    tcase_add_test(tests, ids_survive_their_text);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("topic names", add);
}
