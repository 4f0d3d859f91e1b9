/* What an open of the metadata writes first, by tables: each row is an event, with all that has to
 * come of it. What is not named in a row must not be asked for. */
#include "broker/controller/incarnation_step.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/broken.h"
#include "weir/error.h"

#define RESTORED WEIR_INCARNATION_RESTORED
#define WRITING WEIR_INCARNATION_WRITING
#define SERVING WEIR_INCARNATION_SERVING
#define REFUSED WEIR_INCARNATION_REFUSED

#define OPEN(has, were, clean)                                                                     \
    {                                                                                              \
        .type = WEIR_INCARNATION_OPEN, .has_records = has, .were_some = were, .was_clean = clean   \
    }
#define WRITTEN(code)                                                                              \
    {                                                                                              \
        .type = WEIR_INCARNATION_WRITTEN, .rc = code                                               \
    }

struct row {
    enum weir_incarnation from;
    struct weir_incarnation_event event;
    const char *comes; /* what is to be done, in order; "": nothing */
    enum weir_incarnation to;
};

/* The update in words, in the order of its fields. */
static void tell(const struct weir_incarnation_update *update, char *text, size_t size)
{
    int used =
        snprintf(text, size, "%s%s%s%s", update->refuses ? "refuse " : "",
                 update->writes_feature ? "feature " : "", update->raises_own ? "raise-own " : "",
                 update->writes_incarnation ? "incarnation " : "");
    ck_assert_int_lt(used, (int)size);
    if (used > 0) text[used - 1] = '\0';
}

static const struct row rows[] = {
    /* A clean close left everything as it was read: no epoch goes up. */
    {RESTORED, OPEN(true, true, true), "", SERVING},
    /* An unclean one raises all of them, the metadata's own too. */
    {RESTORED, OPEN(true, true, false), "raise-own incarnation", WRITING},
    /* So does one that came before the directory could say that there are records. */
    {RESTORED, OPEN(true, false, false), "raise-own incarnation", WRITING},
    /* A fresh directory says first what reads it; there is no epoch yet. */
    {RESTORED, OPEN(false, false, false), "feature incarnation", WRITING},
    /* What is missing is not new. */
    {RESTORED, OPEN(false, true, true), "refuse", REFUSED},
    {RESTORED, OPEN(false, true, false), "refuse", REFUSED},
    /* Nothing is served before it is durable. */
    {WRITING, WRITTEN(0), "", SERVING},
    {WRITING, WRITTEN(WEIR_IO), "", REFUSED},
    {WRITING, WRITTEN(WEIR_NO_SPACE), "", REFUSED},
};

START_TEST(each_event_in_each_state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum weir_incarnation state = rows[i].from;
        struct weir_incarnation_update update;
        char text[64];
        weir_incarnation_step(&state, &rows[i].event, &update);
        tell(&update, text, sizeof text);
        ck_assert_msg(strcmp(text, rows[i].comes) == 0, "row %zu: '%s', not '%s'", i, text,
                      rows[i].comes);
        ck_assert_msg(state == rows[i].to, "row %zu: %s, not %s", i, weir_incarnation_name(state),
                      weir_incarnation_name(rows[i].to));
    }
}
END_TEST

static const struct {
    enum weir_incarnation from;
    struct weir_incarnation_event event;
} wrong[] = {
    {WRITING, OPEN(true, true, true)},
    {SERVING, OPEN(true, true, true)},
    {REFUSED, OPEN(true, true, true)},
    {RESTORED, WRITTEN(0)},
    {SERVING, WRITTEN(0)},
    {REFUSED, WRITTEN(0)},
};

START_TEST(a_wrong_event_ends_the_program)
{
    enum weir_incarnation state = wrong[_i].from;
    struct weir_incarnation_update update;
    weir_incarnation_step(&state, &wrong[_i].event, &update);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("incarnation step");
    tcase_add_test(tests, each_event_in_each_state);
    ADD_BROKEN(tests, a_wrong_event_ends_the_program, wrong);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("incarnation step", add);
}
