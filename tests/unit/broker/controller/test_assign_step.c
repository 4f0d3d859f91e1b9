/* When partitions that have been made are written down, by tables: each row is an event, at a time,
 * with all that has to come of it. What is not named in a row must not be asked for. */
#include "broker/controller/assign_step.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/broken.h"

#define IDLE WEIR_ASSIGN_IDLE
#define GATHERING WEIR_ASSIGN_GATHERING
#define SUBMITTED WEIR_ASSIGN_SUBMITTED
#define WRITING WEIR_ASSIGN_WRITING

#define MS(at) .now = {(at)*INT64_C(1000000)}
#define ARRIVED(at)                                                                                \
    {                                                                                              \
        .type = WEIR_ASSIGN_ARRIVED, MS(at)                                                        \
    }
#define TURN(at)                                                                                   \
    {                                                                                              \
        .type = WEIR_ASSIGN_TURN, MS(at), .others_come = true                                      \
    }
#define TURN_ALONE(at)                                                                             \
    {                                                                                              \
        .type = WEIR_ASSIGN_TURN, MS(at)                                                           \
    }
#define TAKEN(n)                                                                                   \
    {                                                                                              \
        .type = WEIR_ASSIGN_TAKEN, .count = n                                                      \
    }
#define WRITTEN                                                                                    \
    {                                                                                              \
        .type = WEIR_ASSIGN_WRITTEN                                                                \
    }

struct row {
    struct weir_assign_event event;
    const char *comes; /* what is to be done; "": nothing */
    enum weir_assign_phase phase;
    size_t count;
};

/* The update in words, in the order of its fields. */
static void tell(const struct weir_assign_update *update, char *text, size_t size)
{
    char wakes[32];
    (void)snprintf(wakes, sizeof wakes, "wake %lld ", (long long)update->wake_at.ns / 1000000);
    int used =
        snprintf(text, size, "%s%s", update->submits ? "submit " : "", update->wakes ? wakes : "");
    ck_assert_int_lt(used, (int)size);
    if (used > 0) text[used - 1] = '\0';
}

static void run(struct weir_assign_state *state, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct weir_assign_update update;
        char text[64];
        weir_assign_step(state, &rows[i].event, &update);
        tell(&update, text, sizeof text);
        ck_assert_msg(strcmp(text, rows[i].comes) == 0, "row %zu: '%s', not '%s'", i, text,
                      rows[i].comes);
        ck_assert_msg(state->phase == rows[i].phase, "row %zu: %s, not %s", i,
                      weir_assign_phase_name(state->phase), weir_assign_phase_name(rows[i].phase));
        ck_assert_msg(state->count == rows[i].count, "row %zu: %zu in line, not %zu", i,
                      state->count, rows[i].count);
    }
}
#define RUN(state, rows) run(state, rows, sizeof(rows) / sizeof(rows)[0])

START_TEST(one_that_is_alone_waits_for_nobody)
{
    struct weir_assign_state state = {0};
    const struct row rows[] = {
        {TURN(0), "", IDLE, 0},
        {TURN_ALONE(0), "", IDLE, 0},
        {ARRIVED(5), "", GATHERING, 1},
        {TURN_ALONE(5), "submit", SUBMITTED, 1},
        {TURN_ALONE(6), "", SUBMITTED, 1},
        {TAKEN(1), "", WRITING, 0},
        {TURN_ALONE(7), "", WRITING, 0},
        {WRITTEN, "", IDLE, 0},
    };
    RUN(&state, rows);
}
END_TEST

/* The deadline is the first one's, and is the same for those that come behind it. */
START_TEST(while_others_come_the_first_waits_a_little)
{
    struct weir_assign_state state = {0};
    const struct row rows[] = {
        {ARRIVED(5), "", GATHERING, 1},      {TURN(5), "wake 205", GATHERING, 1},
        {ARRIVED(100), "", GATHERING, 2},    {TURN(204), "wake 205", GATHERING, 2},
        {TURN(205), "submit", SUBMITTED, 2}, {TURN(206), "", SUBMITTED, 2},
    };
    RUN(&state, rows);
}
END_TEST

START_TEST(as_soon_as_no_others_come_it_waits_no_more)
{
    struct weir_assign_state state = {0};
    const struct row rows[] = {
        {ARRIVED(5), "", GATHERING, 1},
        {TURN(6), "wake 205", GATHERING, 1},
        {TURN_ALONE(7), "submit", SUBMITTED, 1},
    };
    RUN(&state, rows);
}
END_TEST

START_TEST(enough_of_them_wait_for_no_others)
{
    struct weir_assign_state state = {0};
    for (size_t i = 1; i < WEIR_ASSIGN_ENOUGH; i++) {
        const struct row rows[] = {{ARRIVED(5), "", GATHERING, i},
                                   {TURN(5), "wake 205", GATHERING, i}};
        RUN(&state, rows);
    }
    const struct row rows[] = {
        {ARRIVED(6), "", GATHERING, WEIR_ASSIGN_ENOUGH},
        {TURN(6), "submit", SUBMITTED, WEIR_ASSIGN_ENOUGH},
    };
    RUN(&state, rows);
}
END_TEST

/* Submitted is not written yet: who comes by then goes along; who comes later is first in the next
 * line. */
START_TEST(who_comes_before_its_turn_goes_with_the_batch)
{
    struct weir_assign_state state = {0};
    const struct row rows[] = {
        {ARRIVED(5), "", GATHERING, 1},       {TURN_ALONE(5), "submit", SUBMITTED, 1},
        {ARRIVED(6), "", SUBMITTED, 2},       {TAKEN(2), "", WRITING, 0},
        {ARRIVED(10), "", WRITING, 1},        {ARRIVED(11), "", WRITING, 2},
        {TURN_ALONE(12), "", WRITING, 2},     {WRITTEN, "", GATHERING, 2},
        {TURN(13), "wake 210", GATHERING, 2}, {TURN(210), "submit", SUBMITTED, 2},
        {TAKEN(2), "", WRITING, 0},           {WRITTEN, "", IDLE, 0},
    };
    RUN(&state, rows);
}
END_TEST

/* Those for whom there was no memory are in line still, and as late as they were. */
START_TEST(who_found_no_memory_is_in_the_next)
{
    struct weir_assign_state state = {0};
    const struct row rows[] = {
        {ARRIVED(5), "", GATHERING, 1},      {ARRIVED(6), "", GATHERING, 2},
        {ARRIVED(7), "", GATHERING, 3},      {TURN_ALONE(8), "submit", SUBMITTED, 3},
        {TAKEN(1), "", WRITING, 2},          {WRITTEN, "", GATHERING, 2},
        {TURN(9), "wake 205", GATHERING, 2}, {TURN(205), "submit", SUBMITTED, 2},
    };
    RUN(&state, rows);
}
END_TEST

/* Events that the drawing does not have, of two in line. */
static const struct {
    enum weir_assign_phase phase;
    struct weir_assign_event event;
} wrong[] = {
    {IDLE, TAKEN(1)},     {IDLE, WRITTEN},       {GATHERING, TAKEN(1)}, {GATHERING, WRITTEN},
    {SUBMITTED, WRITTEN}, {SUBMITTED, TAKEN(0)}, {SUBMITTED, TAKEN(3)}, {WRITING, TAKEN(1)},
};

START_TEST(a_wrong_order_ends_the_program)
{
    enum weir_assign_phase phase = wrong[_i].phase;
    struct weir_assign_state state = {.phase = phase, .count = phase == IDLE ? 0 : 2};
    struct weir_assign_update update;
    weir_assign_step(&state, &wrong[_i].event, &update);
}
END_TEST

static struct weir_assign_state whole;
BREAKS(idle_with_line, whole.phase = IDLE)
BREAKS(gathering_none, whole.count = 0)
BREAKS(submitted_none, whole.phase = SUBMITTED; whole.count = 0)

static void (*const broken[])(void) = {idle_with_line, gathering_none, submitted_none};

START_TEST(a_broken_field_ends_the_program)
{
    whole = (struct weir_assign_state){.phase = GATHERING, .count = 1};
    weir_assign_check(&whole);
    broken[_i]();
    weir_assign_check(&whole);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("assign step");
    tcase_add_test(tests, one_that_is_alone_waits_for_nobody);
    tcase_add_test(tests, while_others_come_the_first_waits_a_little);
    tcase_add_test(tests, as_soon_as_no_others_come_it_waits_no_more);
    tcase_add_test(tests, enough_of_them_wait_for_no_others);
    tcase_add_test(tests, who_comes_before_its_turn_goes_with_the_batch);
    tcase_add_test(tests, who_found_no_memory_is_in_the_next);
    ADD_BROKEN(tests, a_wrong_order_ends_the_program, wrong);
    ADD_BROKEN(tests, a_broken_field_ends_the_program, broken);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("assign step", add);
}
