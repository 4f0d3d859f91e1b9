#include "base/logger.h"

#include <string.h>

#include "tests/support/support.h"

struct heard {
    char line[4096];
    size_t size;
    enum weir_log_level level;
    int count;
};

static void hear(void *context, enum weir_log_level level, const char *line, size_t size)
{
    struct heard *heard = context;
    memcpy(heard->line, line, size);
    heard->line[size] = '\0';
    heard->size = size;
    heard->level = level;
    heard->count++;
}

static struct heard heard;
static struct weir_logger logger;

static void set_up(void)
{
    heard = (struct heard){0};
    logger = (struct weir_logger){.write = hear, .context = &heard, .level = WEIR_LOG_INFO};
}

/* One event is one logfmt line without its newline. */
START_TEST(an_event_is_one_line)
{
    weir_log(&logger, WEIR_LOG_WARN, "log.recovered", "topic=%s partition=%d", "t", 3);
    ck_assert_str_eq(heard.line, "level=warn event=log.recovered topic=t partition=3");
    ck_assert_int_eq(heard.level, WEIR_LOG_WARN);
    weir_log(&logger, WEIR_LOG_ERROR, "stopped", NULL);
    ck_assert_str_eq(heard.line, "level=error event=stopped");
    ck_assert_int_eq(heard.count, 2);
}
END_TEST

/* What is less severe than the level, or has no one to hear it, is silent. */
START_TEST(what_is_not_wanted_is_silent)
{
    weir_log(&logger, WEIR_LOG_DEBUG, "detail", "x=1");
    weir_log(NULL, WEIR_LOG_ERROR, "unheard", "x=1");
    struct weir_logger mute = {.level = WEIR_LOG_DEBUG};
    weir_log(&mute, WEIR_LOG_ERROR, "unheard", "x=1");
    ck_assert_int_eq(heard.count, 0);
}
END_TEST

/* A value from outside cannot begin a second line. */
START_TEST(control_bytes_become_blanks)
{
    weir_log(&logger, WEIR_LOG_INFO, "seen", "topic=%s", "a\nlevel=error\x1b[2J");
    ck_assert_str_eq(heard.line, "level=info event=seen topic=a level=error [2J");
}
END_TEST

/* At every length around the bound the line ends within it, and says if it was cut. */
START_TEST(long_lines_are_cut_and_say_so)
{
    static char words[4000];
    memset(words, 'w', sizeof words - 1);
    for (size_t size = 1990; size < 2060; size++) {
        weir_log(&logger, WEIR_LOG_INFO, "long", "%.*s", (int)size, words);
        bool is_cut = strlen("level=info event=long ") + size > 2047;
        ck_assert_uint_le(heard.size, 2047);
        ck_assert_int_eq(strcmp(heard.line + heard.size - 3, "...") == 0, is_cut);
    }
    weir_log(&logger, WEIR_LOG_INFO, words, "x=1");
    ck_assert_uint_eq(heard.size, 2047);
}
END_TEST

/* Plain values stay plain; others are quoted and escaped. */
START_TEST(values_are_quoted_where_needed)
{
    static const char *const rows[][2] = {
        {"plain-1.2_3", "plain-1.2_3"},
        {"", "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"say \"x\"", "\"say \\\"x\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"line\nbreak\ttab\r", "\"line\\nbreak\\ttab\\r\""},
        {"bell\a", "\"bell\\u0007\""},
        {"Wehr \xc3\xbc", "\"Wehr \xc3\xbc\""},
    };
    char to[64];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_str_eq(weir_log_quote(to, sizeof to, rows[i][0]), rows[i][1]);
    }
    ck_assert_str_eq(weir_log_quote(to, sizeof to, NULL), "\"\"");
}
END_TEST

/* Whatever the room, the value fits, keeps both quotes, and no escape is cut in two. */
START_TEST(quotes_fit_in_any_room)
{
    static const char text[] = "a \"b\" \n\a end";
    char to[64];
    for (size_t size = 1; size < sizeof to; size++) {
        memset(to, '#', sizeof to);
        weir_log_quote(to, size, text);
        size_t used = strlen(to);
        ck_assert_uint_lt(used, size);
        ck_assert_int_eq(to[size], '#');
        ck_assert(used == 0 || (used >= 2 && to[0] == '"' && to[used - 1] == '"'));
        ck_assert(used < 3 || to[used - 2] != '\\');
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("logger");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, an_event_is_one_line);
    tcase_add_test(tests, what_is_not_wanted_is_silent);
    tcase_add_test(tests, control_bytes_become_blanks);
    tcase_add_test(tests, long_lines_are_cut_and_say_so);
    tcase_add_test(tests, values_are_quoted_where_needed);
    tcase_add_test(tests, quotes_fit_in_any_room);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("base/logger", add);
}
