/* Where a reset puts a partition: the words, the times, the file, and that nothing leaves the log. */
#include "cli/reset_plan.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/support.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
#define NOW INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_arena arena;
static struct weir_error error;

static void set_up(void)
{
    weir_heap_init(&heap, true);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    error = (struct weir_error){0};
}

static void tear_down(void)
{
    weir_arena_close(&arena);
}

static struct reset_words nothing(void)
{
    return (struct reset_words){.to_offset = RESET_NUMBER_NOT_SET,
                                .shift_by = RESET_NUMBER_NOT_SET};
}

static void assert_target(struct reset_words words, enum reset_kind kind, int64_t value)
{
    struct reset_target target = {0};
    ck_ok(reset_target_choose(&words, NOW, &target, &error), &error);
    ck_assert_int_eq(target.kind, kind);
    ck_assert_int_eq(target.value, value);
}

static void assert_refused(struct reset_words words, const char *text)
{
    struct reset_target target = {.value = 123};
    ck_assert_int_eq(reset_target_choose(&words, NOW, &target, &error), WEIR_INVALID_ARGUMENT);
    ck_assert_msg(strstr(error.text, text) != NULL, "'%s' does not say '%s'", error.text, text);
    ck_assert_int_eq(target.value, 123);
}

/* Each word alone is a target, with its number or its time. */
START_TEST(one_word_says_where_to)
{
    struct reset_words words = nothing();
    words.to_earliest = true;
    assert_target(words, RESET_EARLIEST, 0);
    words = nothing();
    words.to_offset = 0;
    assert_target(words, RESET_OFFSET, 0);
    words = nothing();
    words.shift_by = -7;
    assert_target(words, RESET_SHIFT, -7);
    words = nothing();
    words.to_datetime = "2026-01-01T12:00:00.500";
    assert_target(words, RESET_TIME, NOW + 12 * HOUR + 500);
    words.to_datetime = "2026-01-01T12:00:00Z";
    assert_target(words, RESET_TIME, NOW + 12 * HOUR);
    words.to_datetime = "2025-12-31";
    assert_target(words, RESET_TIME, NOW - DAY);
    words.to_datetime = "1767225600000";
    assert_target(words, RESET_TIME, NOW);
    words = nothing();
    words.by_duration = "PT1H30M";
    assert_target(words, RESET_TIME, NOW - 90 * MINUTE);
    words.by_duration = "P20000D"; /* longer ago than 1970: as far as times go */
    assert_target(words, RESET_TIME, NOW - 20000 * (int64_t)DAY);
    words.by_duration = "P30000D";
    assert_target(words, RESET_TIME, 0);
}
END_TEST

/* None, two, or one that means nothing: what is wrong is named, with what would be right. */
START_TEST(what_says_nothing_or_two_things_is_refused)
{
    struct reset_words words = nothing();
    assert_refused(words, "--to-earliest, --to-latest");
    words.to_latest = true;
    words.shift_by = 0;
    assert_refused(words, "--to-latest and --shift-by");
    words = nothing();
    words.to_offset = -3;
    assert_refused(words, "--to-offset -3");
    static const char *const no_times[] = {"", "tomorrow", "2026-02-31", "2026-01-01:2026-01-02",
                                           "2026-01-01T25:00:00"};
    for (size_t i = 0; i < sizeof no_times / sizeof no_times[0]; i++) {
        words = nothing();
        words.to_datetime = no_times[i];
        assert_refused(words, "is no time");
    }
}
END_TEST

/* ISO 8601, in descending units, and the short form of `--offset @`. */
START_TEST(durations_are_read_in_both_forms)
{
    static const struct {
        const char *text;
        int64_t ms;
    } right[] = {
        {"PT5S", 5 * SECOND},   {"PT0.5S", 500},
        {"P1D", DAY},           {"P1DT2H3M4S", DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND},
        {"PT90M", 90 * MINUTE}, {"1h30m", 90 * MINUTE},
        {"5s", 5 * SECOND},     {"PT0S", 0},
    };
    static const char *const wrong[] = {"",    "P",     "PT",     "5",         "PT5",  "PT1S1H",
                                        "P1H", "T5S",   "PTT5S",  "-1h",       "P1DT", "PT5S ",
                                        "P1Y", "1h:2h", "PTnanS", "PT1e99999H"};
    int64_t ms = -1;
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        ck_ok(reset_duration_parse(right[i].text, &ms, &error), &error);
        ck_assert_msg(ms == right[i].ms, "%s is %lld", right[i].text, (long long)ms);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_msg(reset_duration_parse(wrong[i], &ms, &error) == WEIR_INVALID_ARGUMENT,
                      "'%s' was taken", wrong[i]);
    }
}
END_TEST

static void assert_goes(struct reset_target target, struct reset_facts facts, int64_t offset,
                        enum reset_bend bend)
{
    int64_t to = -1;
    enum reset_bend got = RESET_AS_ASKED;
    ck_ok(reset_decide(&target, &facts, &to, &got, &error), &error);
    ck_assert_int_eq(to, offset);
    ck_assert_int_eq(got, bend);
}

/* Whatever is asked for, it lies within the log, and what was bent is told. */
START_TEST(an_offset_stays_within_the_log)
{
    struct reset_facts facts = {
        .committed = 30, .start = 10, .end = 50, .at_time = 20, .in_file = 40};
    assert_goes((struct reset_target){RESET_EARLIEST, 0}, facts, 10, RESET_AS_ASKED);
    assert_goes((struct reset_target){RESET_LATEST, 0}, facts, 50, RESET_AS_ASKED);
    assert_goes((struct reset_target){RESET_CURRENT, 0}, facts, 30, RESET_AS_ASKED);
    assert_goes((struct reset_target){RESET_OFFSET, 35}, facts, 35, RESET_AS_ASKED);
    assert_goes((struct reset_target){RESET_OFFSET, 5}, facts, 10, RESET_RAISED);
    assert_goes((struct reset_target){RESET_OFFSET, 51}, facts, 50, RESET_LOWERED);
    assert_goes((struct reset_target){RESET_SHIFT, -5}, facts, 25, RESET_AS_ASKED);
    assert_goes((struct reset_target){RESET_SHIFT, INT64_MIN}, facts, 10, RESET_RAISED);
    assert_goes((struct reset_target){RESET_SHIFT, INT64_MAX}, facts, 50, RESET_LOWERED);
    assert_goes((struct reset_target){RESET_TIME, NOW}, facts, 20, RESET_AS_ASKED);
    assert_goes((struct reset_target){RESET_FILE, 0}, facts, 40, RESET_AS_ASKED);
    facts.at_time = -1;
    assert_goes((struct reset_target){RESET_TIME, NOW}, facts, 50, RESET_NO_TIME);
    facts.committed = -1;
    assert_goes((struct reset_target){RESET_CURRENT, 0}, facts, 50, RESET_AS_ASKED);
    facts.committed = 5; /* the log has gone on without it */
    assert_goes((struct reset_target){RESET_CURRENT, 0}, facts, 10, RESET_RAISED);
}
END_TEST

START_TEST(nothing_shifts_from_nowhere)
{
    struct reset_target target = {RESET_SHIFT, 5};
    struct reset_facts facts = {.committed = -1, .end = 50};
    int64_t to = -7;
    enum reset_bend bend;
    ck_assert_int_eq(reset_decide(&target, &facts, &to, &bend, &error), WEIR_INVALID_ARGUMENT);
    ck_assert_int_eq(to, -7);
}
END_TEST

/* What Kafka's tool exports is read: quotes, blank lines, either kind of line end. */
START_TEST(a_file_is_read_line_by_line)
{
    struct reset_line *lines = NULL;
    size_t count = 0;
    ck_ok(reset_file_parse(weir_text("\"orders\",0,3\r\n\norders,1,9223372036854775807"), &arena,
                           &lines, &count, &error),
          &error);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(lines[0].topic, "orders");
    ck_assert_int_eq(lines[0].offset, 3);
    ck_assert_int_eq(lines[1].partition, 1);
    ck_assert_int_eq(lines[1].offset, INT64_MAX);
    ck_assert_uint_eq(lines[0].number, 1);
    ck_assert_uint_eq(lines[1].number, 3);
}
END_TEST

/* A file that names nothing is one that was not written, and no wish to reset nothing. */
START_TEST(a_file_without_lines_is_refused)
{
    static const char *const empty[] = {"", "\n", "\r\n\n"};
    struct reset_line *lines = NULL;
    size_t count = 0;
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        ck_code(reset_file_parse(weir_text(empty[i]), &arena, &lines, &count, &error),
                WEIR_INVALID_ARGUMENT);
        ck_assert_msg(strstr(error.text, "no lines") != NULL, "%s", error.text);
    }
}
END_TEST

START_TEST(a_line_that_says_nothing_is_named)
{
    static const char *const wrong[] = {
        "orders",      "orders,1", "orders,1,", "orders,x,1",   "orders,1,x",         "orders,-1,1",
        "orders,1,-1", ",1,1",     "\"\",1,1",  "orders,1,1,2", "orders,2147483648,1"};
    struct reset_line *lines = NULL;
    size_t count = 0;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "good,0,0\n%s\n", wrong[i]);
        ck_assert_msg(reset_file_parse(weir_text(text), &arena, &lines, &count, &error) ==
                          WEIR_INVALID_ARGUMENT,
                      "'%s' was taken", wrong[i]);
        ck_assert_msg(strstr(error.text, "line 2 '") != NULL, "%s", error.text);
    }
    ck_assert_uint_eq(count, 0);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("reset_plan");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, one_word_says_where_to);
    tcase_add_test(tests, what_says_nothing_or_two_things_is_refused);
    tcase_add_test(tests, durations_are_read_in_both_forms);
    tcase_add_test(tests, an_offset_stays_within_the_log);
    tcase_add_test(tests, nothing_shifts_from_nowhere);
    tcase_add_test(tests, a_file_is_read_line_by_line);
    tcase_add_test(tests, a_file_without_lines_is_refused);
    tcase_add_test(tests, a_line_that_says_nothing_is_named);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("reset_plan", add);
}
