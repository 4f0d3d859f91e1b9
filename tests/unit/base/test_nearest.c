#include <string.h>

#include "base/nearest.h"
#include "tests/support/support.h"

static const char *nearest_of(const char *word)
{
    static const char *const words[] = {"retention.ms", "retention.bytes", "segment.bytes"};
    struct weir_nearest nearest = weir_nearest_to(word);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        weir_nearest_offer(&nearest, words[i]);
    }
    return nearest.found;
}

/* Letters added, dropped or changed lead to the word that was meant. */
START_TEST(a_slip_of_the_pen_finds_its_word)
{
    ck_assert_str_eq(nearest_of("retention.ms"), "retention.ms");
    ck_assert_str_eq(nearest_of("retenton.ms"), "retention.ms");
    ck_assert_str_eq(nearest_of("rettention.byte"), "retention.bytes");
    ck_assert_str_eq(nearest_of("Segment_bytes"), "segment.bytes");
}
END_TEST

/* What is more than five letters away, or longer than any word here, is near to nothing. */
START_TEST(what_is_far_from_all_finds_none)
{
    char endless[200];
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    ck_assert_ptr_null(nearest_of("compression"));
    ck_assert_ptr_null(nearest_of(""));
    ck_assert_ptr_null(nearest_of(endless));
}
END_TEST

/* A word of which more than half the letters would change is another word, however short. */
START_TEST(what_is_another_word_is_not_meant)
{
    struct weir_nearest nearest = weir_nearest_to("nope");
    weir_nearest_offer(&nearest, "t");
    weir_nearest_offer(&nearest, "name");
    ck_assert_ptr_nonnull(nearest.found); /* two of four letters: just so */
    ck_assert_str_eq(nearest.found, "name");
    struct weir_nearest other = weir_nearest_to("t");
    weir_nearest_offer(&other, "u");
    ck_assert_ptr_null(other.found);
}
END_TEST

/* Of two words that are as near, the one offered first stays. */
START_TEST(the_first_of_equals_stays)
{
    struct weir_nearest nearest = weir_nearest_to("bat");
    weir_nearest_offer(&nearest, "hat");
    weir_nearest_offer(&nearest, "cat");
    ck_assert_str_eq(nearest.found, "hat");
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("nearest");
    tcase_add_test(tests, a_slip_of_the_pen_finds_its_word);
    tcase_add_test(tests, what_is_far_from_all_finds_none);
    tcase_add_test(tests, what_is_another_word_is_not_meant);
    tcase_add_test(tests, the_first_of_equals_stays);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("base/nearest", add);
}
