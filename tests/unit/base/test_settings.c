#include <stdio.h>
#include <string.h>

#include "base/settings.h"
#include "tests/support/support.h"

enum colour { RED, GREEN, BLUE };

struct paint {
    int64_t area;
    int64_t batch;
    int32_t coats;
    int32_t gloss_millionths;
    enum colour colour;
    int8_t thinner; /* from -1 */
    bool is_quick;
    bool indoors;
    bool outdoors;
    bool underwater;
    int untold; /* no row */
};

#define FIELD(name) offsetof(struct paint, name)

static const struct weir_setting rows[] = {
    {"area", WEIR_SETTING_INT64, FIELD(area), -1, INT64_MAX, 12, "square metres", NULL,
     "What is painted."},
    {"batch", WEIR_SETTING_WIDE_INT32, FIELD(batch), 0, INT32_MAX, 7, "", NULL, "Its number."},
    {"coats", WEIR_SETTING_INT32, FIELD(coats), 1, 5, 2, "", NULL, "How often."},
    {"colour", WEIR_SETTING_CHOICE, FIELD(colour), 0, 2, GREEN, "", "red|green|blue", "Which."},
    {"gloss", WEIR_SETTING_RATIO, FIELD(gloss_millionths), 0, WEIR_SETTING_RATIO_ONE,
     WEIR_SETTING_RATIO_ONE / 2, "", NULL, "How it shines."},
    {"places", WEIR_SETTING_LIST, FIELD(indoors), 0, 7, 5, "", "indoors|outdoors|underwater",
     "Where it is painted."},
    {"quick", WEIR_SETTING_BOOLEAN, FIELD(is_quick), 0, 1, 1, "", NULL, "Whether it dries fast."},
    {"thinner", WEIR_SETTING_SMALL_CHOICE, FIELD(thinner), -1, 1, -1, "", "any|water|oil",
     "What it is mixed with."},
};

static void offer_lacquer(struct weir_nearest *nearest)
{
    weir_nearest_offer(nearest, "lacquer.kind");
}

static const struct weir_settings_table table = {
    .rows = rows,
    .count = sizeof rows / sizeof rows[0],
    .noun = "paint setting",
    .offer = offer_lacquer,
};

static struct paint paint;
static struct weir_error error;

static void set_up(void)
{
    memset(&paint, 0, sizeof paint);
    paint.untold = 77;
    weir_settings_default(&table, &paint);
    error = (struct weir_error){0};
}

static void set(const char *key, const char *value)
{
    ck_ok(weir_settings_set(&table, &paint, key, value, &error), &error);
}

static void refused(const char *key, const char *value, const char *text)
{
    const struct paint before = paint;
    ck_code(weir_settings_set(&table, &paint, key, value, &error), WEIR_INVALID_CONFIG);
    ck_assert_str_eq(error.text, text);
    ck_assert_mem_eq(&before, &paint, sizeof paint);
}

/* Each field gets its row's default, whatever its kind; a field without a row is left alone. */
START_TEST(the_defaults_are_the_rows)
{
    ck_assert_int_eq(paint.area, 12);
    ck_assert_int_eq(paint.batch, 7);
    ck_assert_int_eq(paint.coats, 2);
    ck_assert_int_eq(paint.colour, GREEN);
    ck_assert_int_eq(paint.gloss_millionths, 500000);
    ck_assert_int_eq(paint.thinner, -1);
    ck_assert(paint.is_quick);
    ck_assert(paint.indoors && !paint.outdoors && paint.underwater);
    ck_assert_int_eq(paint.untold, 77);
}
END_TEST

/* Both ends of a range are in it, what is beyond is refused with the range and the unit, and so is
 * what is no whole number to its last letter. */
START_TEST(numbers_keep_to_their_range)
{
    static const char *const no_numbers[] = {"", " 1", "+1", "1e3", "2 ", "0x2", "two", "-"};
    set("coats", "1");
    set("coats", "5");
    set("area", "-1");
    set("area", "9223372036854775807");
    ck_assert_int_eq(paint.coats, 5);
    ck_assert_int_eq(paint.area, INT64_MAX);
    refused("coats", "0", "'coats' = '0': it takes a whole number from 1 to 5. How often.");
    refused("coats", "6", "'coats' = '6': it takes a whole number from 1 to 5. How often.");
    refused("area", "9223372036854775808",
            "'area' = '9223372036854775808': it takes a whole number from -1 to "
            "9223372036854775807, in square metres. What is painted.");
    for (size_t i = 0; i < sizeof no_numbers / sizeof no_numbers[0]; i++) {
        ck_code(weir_settings_set(&table, &paint, "coats", no_numbers[i], &error),
                WEIR_INVALID_CONFIG);
    }
    ck_code(weir_settings_set(&table, &paint, "batch", "2147483648", &error), WEIR_INVALID_CONFIG);
    ck_assert_int_eq(paint.coats, 5);
    ck_assert_int_eq(paint.batch, 7);
}
END_TEST

/* A ratio is 0 to 1 with a point; what follows the sixth digit is dropped. */
START_TEST(ratios_are_kept_in_millionths)
{
    set("gloss", "0.0123459");
    ck_assert_int_eq(paint.gloss_millionths, 12345);
    set("gloss", "1");
    ck_assert_int_eq(paint.gloss_millionths, WEIR_SETTING_RATIO_ONE);
    refused("gloss", "1.000001",
            "'gloss' = '1.000001': it takes a number from 0 to 1. How it shines.");
    refused("gloss", "0,5", "'gloss' = '0,5': it takes a number from 0 to 1. How it shines.");
    refused("gloss", "-0.5", "'gloss' = '-0.5': it takes a number from 0 to 1. How it shines.");
    refused("gloss", ".", "'gloss' = '.': it takes a number from 0 to 1. How it shines.");
}
END_TEST

/* A choice is one of its words, whole and in its case, counted from the row's smallest value. */
START_TEST(choices_are_whole_words)
{
    set("colour", "blue");
    set("thinner", "oil");
    set("quick", "false");
    ck_assert_int_eq(paint.colour, BLUE);
    ck_assert_int_eq(paint.thinner, 1);
    ck_assert(!paint.is_quick);
    refused("colour", "Red", "'colour' = 'Red': it takes red|green|blue. Which.");
    refused("colour", "re", "'colour' = 're': it takes red|green|blue. Which.");
    refused("colour", "red|green", "'colour' = 'red|green': it takes red|green|blue. Which.");
    refused("thinner", "", "'thinner' = '': it takes any|water|oil. What it is mixed with.");
    refused("quick", "1", "'quick' = '1': it takes true or false. Whether it dries fast.");
}
END_TEST

/* A list has any of its words in any order, or none; its fields beside the list stay. */
START_TEST(lists_are_sets_of_words)
{
    set("quick", "false");
    set("places", "underwater, outdoors");
    ck_assert(!paint.indoors && paint.outdoors && paint.underwater);
    refused("places", "outdoors,",
            "'places' = 'outdoors,': it takes indoors|outdoors|underwater. Where it is painted.");
    refused("places", "outdoors;indoors",
            "'places' = 'outdoors;indoors': it takes indoors|outdoors|underwater. Where it is "
            "painted.");
    set("places", "");
    ck_assert(!paint.indoors && !paint.outdoors && !paint.underwater);
    ck_assert(!paint.is_quick);
    ck_assert_int_eq(paint.untold, 77);
}
END_TEST

struct seen {
    struct paint copy;
    char line[256];
};

static void note(void *context, const char *key, const char *value, bool is_default,
                 const char *text)
{
    struct seen *seen = context;
    size_t end = strlen(seen->line);
    (void)snprintf(seen->line + end, sizeof seen->line - end, "%s%s=%s ", is_default ? "" : "*",
                   key, value);
    ck_assert_uint_gt(strlen(text), 0);
    ck_ok(weir_settings_set(&table, &seen->copy, key, value, &error), &error);
}

/* Each row is told in order, as text that sets the same value again. */
START_TEST(what_is_printed_can_be_set_again)
{
    struct seen seen = {.line = ""};
    weir_settings_each(&table, &paint, note, &seen);
    ck_assert_str_eq(seen.line, "area=12 batch=7 coats=2 colour=green gloss=0.5 "
                                "places=indoors,underwater quick=true thinner=any ");
    set("area", "-1");
    set("gloss", "1.0");
    set("places", "underwater,outdoors,indoors");
    set("quick", "false");
    set("thinner", "water");
    memset(&seen, 0, sizeof seen);
    seen.copy.untold = 77;
    weir_settings_each(&table, &paint, note, &seen);
    ck_assert_str_eq(seen.line, "*area=-1 batch=7 coats=2 colour=green *gloss=1.0 "
                                "*places=indoors,outdoors,underwater *quick=false *thinner=water ");
    ck_assert_mem_eq(&seen.copy, &paint, sizeof paint);
}
END_TEST

/* A misspelt key is answered with the row or other name that is meant, a strange one without. */
START_TEST(an_unknown_key_says_which_was_meant)
{
    refused("colur", "red", "unknown paint setting 'colur' (value 'red'): did you mean 'colour'?");
    refused("laquer.kind", "x",
            "unknown paint setting 'laquer.kind' (value 'x'): did you mean 'lacquer.kind'?");
    refused("zookeeper.connect", "x", "unknown paint setting 'zookeeper.connect' (value 'x')");
    ck_code(weir_settings_set(&table, &paint, "colur", "red", NULL), WEIR_INVALID_CONFIG);
}
END_TEST

/* What a row's values are follows from its kind: an int32_t's values are INT in whatever field. */
START_TEST(types_are_kafkas)
{
    ck_assert_int_eq(weir_settings_type(&table, "area"), WEIR_CONFIG_TYPE_LONG);
    ck_assert_int_eq(weir_settings_type(&table, "batch"), WEIR_CONFIG_TYPE_INT);
    ck_assert_int_eq(weir_settings_type(&table, "coats"), WEIR_CONFIG_TYPE_INT);
    ck_assert_int_eq(weir_settings_type(&table, "colour"), WEIR_CONFIG_TYPE_STRING);
    ck_assert_int_eq(weir_settings_type(&table, "gloss"), WEIR_CONFIG_TYPE_DOUBLE);
    ck_assert_int_eq(weir_settings_type(&table, "places"), WEIR_CONFIG_TYPE_LIST);
    ck_assert_int_eq(weir_settings_type(&table, "quick"), WEIR_CONFIG_TYPE_BOOLEAN);
    ck_assert_int_eq(weir_settings_type(&table, "thinner"), WEIR_CONFIG_TYPE_STRING);
    ck_assert_int_eq(weir_settings_type(&table, "lacquer.kind"), WEIR_CONFIG_TYPE_UNKNOWN);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("settings");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, the_defaults_are_the_rows);
    tcase_add_test(tests, numbers_keep_to_their_range);
    tcase_add_test(tests, ratios_are_kept_in_millionths);
    tcase_add_test(tests, choices_are_whole_words);
    tcase_add_test(tests, lists_are_sets_of_words);
    tcase_add_test(tests, what_is_printed_can_be_set_again);
    tcase_add_test(tests, an_unknown_key_says_which_was_meant);
    tcase_add_test(tests, types_are_kafkas);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("base/settings", add);
}
