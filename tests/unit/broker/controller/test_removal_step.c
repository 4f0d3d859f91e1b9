/* The pure part of a topic's removal, by tables of events: each row is an event, at a time, with all that has to
 * come of it. What is not named in a row must not be asked for. */
#include "broker/controller/removal_step.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/support.h"

struct row {
    enum weir_removal_event_type type;
    int64_t at_ms;
    int rc;
    const char *comes; /* what is to be done, in order; "": nothing */
    enum weir_removal_phase phase;
};

static struct weir_removal_event event_of(const struct row *row, bool is_closing)
{
    return (struct weir_removal_event){row->type, {row->at_ms * 1000000}, is_closing, row->rc};
}

/* The update in words, in the order of its fields. */
static void tell(const struct weir_removal_update *update, char *text, size_t size)
{
    const struct {
        bool is_set;
        const char *word;
    } words[] = {{update->tells, "tell "},     {update->works, "work "},
                 {update->says_waits, "say "}, {update->lets_go, "let-go "},
                 {update->answers, "answer "}, {update->ends, "end "}};
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!words[i].is_set) continue;
        used += (size_t)snprintf(text + used, size - used, "%s", words[i].word);
        ck_assert_uint_lt(used, size);
    }
    if (used > 0) text[used - 1] = '\0';
}

static void run(struct weir_removal_state *state, const struct row *rows, size_t count,
                bool is_closing)
{
    for (size_t i = 0; i < count; i++) {
        const struct weir_removal_event event = event_of(&rows[i], is_closing);
        struct weir_removal_update update;
        char text[64];
        weir_removal_step(state, &event, &update);
        tell(&update, text, sizeof text);
        ck_assert_msg(strcmp(text, rows[i].comes) == 0, "row %zu: '%s', not '%s'", i, text,
                      rows[i].comes);
        ck_assert_msg(state->phase == rows[i].phase, "row %zu: %s, not %s", i,
                      weir_removal_phase_name(state->phase),
                      weir_removal_phase_name(rows[i].phase));
    }
}

#define RUN(state, rows) run(state, rows, sizeof(rows) / sizeof(rows)[0], false)
#define BEGIN WEIR_REMOVAL_BEGIN
#define TOLD WEIR_REMOVAL_TOLD
#define CLOSED WEIR_REMOVAL_CLOSED
#define WORKED WEIR_REMOVAL_WORKED
#define TURN WEIR_REMOVAL_TURN
#define TELLING WEIR_REMOVAL_TELLING
#define CLOSING WEIR_REMOVAL_CLOSING
#define REMOVING WEIR_REMOVAL_REMOVING
#define WAITING WEIR_REMOVAL_WAITING
#define OVER WEIR_REMOVAL_OVER

static const struct row to_work[] = {
    {BEGIN, 0, 0, "tell", TELLING},
    {TOLD, 0, 0, "", CLOSING},
    {CLOSED, 0, 0, "work", REMOVING},
};

START_TEST(a_removal_goes_straight_through)
{
    struct weir_removal_state state = {0};
    const struct row rows[] = {
        {TURN, 1, 0, "", REMOVING},
        {WORKED, 2, 0, "let-go end", OVER},
        {TURN, 3, 0, "", OVER},
    };
    RUN(&state, to_work);
    RUN(&state, rows);
    ck_assert(!state.is_long);
}
END_TEST

/* Each turn tries, however many there are, and nothing else happens. */
START_TEST(without_memory_shards_are_told_a_turn_later)
{
    struct weir_removal_state state = {0};
    const struct row rows[] = {
        {BEGIN, 0, 0, "tell", TELLING}, {TOLD, 0, WEIR_NO_MEMORY, "", TELLING},
        {TURN, 10, 0, "tell", TELLING}, {TOLD, 10, WEIR_NO_MEMORY, "", TELLING},
        {TURN, 20, 0, "tell", TELLING}, {TOLD, 20, 0, "", CLOSING},
        {TURN, 30, 0, "", CLOSING},     {CLOSED, 30, 0, "work", REMOVING},
    };
    RUN(&state, rows);
}
END_TEST

/* The moment doubles up to a second; then nobody waits for it any more, which is said once. */
START_TEST(in_a_shortage_it_waits_longer_each_time)
{
    struct weir_removal_state state = {0};
    const struct row rows[] = {
        {WORKED, 0, WEIR_NO_SPACE, "say", WAITING},
        {TURN, 9, 0, "", WAITING},
        {TURN, 10, 0, "work", REMOVING},
        {WORKED, 10, WEIR_LIMIT, "", WAITING},
        {TURN, 29, 0, "", WAITING},
        {TURN, 30, 0, "work", REMOVING},
    };
    RUN(&state, to_work);
    RUN(&state, rows);
    ck_assert_int_eq(state.short_of, WEIR_LIMIT);
    int64_t at_ms = 30;
    for (int64_t wait_ms = 40; wait_ms <= 640; wait_ms *= 2) {
        const struct row again[] = {
            {WORKED, at_ms, WEIR_NO_SPACE, "", WAITING},
            {TURN, at_ms + wait_ms - 1, 0, "", WAITING},
            {TURN, at_ms + wait_ms, 0, "work", REMOVING},
        };
        RUN(&state, again);
        ck_assert(!state.is_long);
        at_ms += wait_ms;
    }
    const struct row last[] = {
        {WORKED, at_ms, WEIR_NO_MEMORY, "let-go answer", WAITING},
        {TURN, at_ms + 999, 0, "", WAITING},
        {TURN, at_ms + 1000, 0, "work", REMOVING},
        {WORKED, at_ms + 1000, WEIR_NO_SPACE, "", WAITING},
        {TURN, at_ms + 2000, 0, "work", REMOVING},
        {WORKED, at_ms + 2000, 0, "let-go end", OVER},
    };
    RUN(&state, last);
    ck_assert(state.is_long);
}
END_TEST

/* What is no shortage does not pass: it is over with the first. */
START_TEST(a_failure_is_not_tried_again)
{
    static const int codes[] = {WEIR_IO, WEIR_PERMISSION, WEIR_NOT_FOUND};
    struct weir_removal_state state = {0};
    const struct row rows[] = {{WORKED, 0, codes[_i], "let-go end", OVER}};
    RUN(&state, to_work);
    RUN(&state, rows);
}
END_TEST

/* Only who waits for a shortage is let go by a close; a worker that has the folders comes back first. */
START_TEST(a_close_waits_for_no_shortage)
{
    struct weir_removal_state state = {0};
    const struct row rows[] = {
        {TURN, 0, 0, "", REMOVING},
        {WORKED, 0, WEIR_NO_SPACE, "say", WAITING},
        {TURN, 1, 0, "let-go end", OVER},
    };
    RUN(&state, to_work);
    run(&state, rows, sizeof rows / sizeof rows[0], true);
}
END_TEST

/* Events that the drawing does not have, each behind a way to where it is wrong. */
static const struct {
    size_t way; /* rows of to_work */
    struct row wrong;
} wrong[] = {
    {0, {.type = TOLD}},   {0, {.type = CLOSED}}, {0, {.type = WORKED}}, {1, {.type = BEGIN}},
    {1, {.type = CLOSED}}, {1, {.type = WORKED}}, {2, {.type = BEGIN}},  {2, {.type = TOLD}},
    {2, {.type = WORKED}}, {3, {.type = BEGIN}},  {3, {.type = TOLD}},   {3, {.type = CLOSED}},
};

START_TEST(a_wrong_order_ends_the_program)
{
    struct weir_removal_state state = {0};
    struct weir_removal_update update;
    run(&state, to_work, wrong[_i].way, false);
    const struct weir_removal_event event = event_of(&wrong[_i].wrong, false);
    weir_removal_step(&state, &event, &update);
}
END_TEST

static const struct weir_removal_state broken[] = {
    {.phase = WAITING},                                            /* for nothing */
    {.phase = REMOVING, .retry_ms = -10, .short_of = WEIR_LIMIT},  /* back in time */
    {.phase = REMOVING, .retry_ms = 1001, .short_of = WEIR_LIMIT}, /* beyond the most */
    {.phase = REMOVING, .retry_ms = 10},                           /* nothing was short */
    {.phase = REMOVING, .retry_ms = 10, .short_of = WEIR_IO},      /* that does not pass */
    {.phase = CLOSING, .retry_ms = 10, .short_of = WEIR_LIMIT},    /* before any work */
    {.phase = WAITING, .retry_ms = 10, .short_of = WEIR_LIMIT, .is_long = true},
    {.phase = WAITING, .retry_ms = 1000, .short_of = WEIR_LIMIT}, /* and is not long */
};

START_TEST(a_broken_state_ends_the_program)
{
    weir_removal_check(&broken[_i]);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("removal step");
    tcase_add_test(tests, a_removal_goes_straight_through);
    tcase_add_test(tests, without_memory_shards_are_told_a_turn_later);
    tcase_add_test(tests, in_a_shortage_it_waits_longer_each_time);
    tcase_add_loop_test(tests, a_failure_is_not_tried_again, 0, 3);
    tcase_add_test(tests, a_close_waits_for_no_shortage);
    if (weir_test_forks()) {
        tcase_add_loop_test_raise_signal(tests, a_wrong_order_ends_the_program, SIGABRT, 0,
                                         (int)(sizeof wrong / sizeof wrong[0]));
        tcase_add_loop_test_raise_signal(tests, a_broken_state_ends_the_program, SIGABRT, 0,
                                         (int)(sizeof broken / sizeof broken[0]));
    }
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("removal step", add);
}
