#include "base/state_table.h"

#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "tests/support/support.h"

enum door_state { DOOR_OPEN, DOOR_CLOSED, DOOR_LOCKED };

static const struct weir_state_row rows[] = {
    [DOOR_OPEN] = {"open", WEIR_STATE_BIT(DOOR_CLOSED)},
    [DOOR_CLOSED] = {"closed", WEIR_STATE_BIT(DOOR_OPEN) | WEIR_STATE_BIT(DOOR_LOCKED)},
    [DOOR_LOCKED] = {"locked", 0},
};
static const struct weir_state_table doors = WEIR_STATE_TABLE("door", rows);

/* Every pair of states: exactly those of the table may follow, and a move gives the new one. */
START_TEST(a_table_says_what_may_follow_what)
{
    static const bool may[3][3] = {
        {false, true, false}, {true, false, true}, {false, false, false}};
    for (unsigned from = 0; from < 3; from++) {
        for (unsigned to = 0; to < 3; to++) {
            ck_assert_int_eq(weir_state_may_follow(&doors, from, to), may[from][to]);
            if (may[from][to]) ck_assert_uint_eq(weir_state_move(&doors, "front", from, to), to);
        }
    }
}
END_TEST

/* States that the table does not have follow nothing and have no name. */
START_TEST(states_outside_of_the_table_are_refused)
{
    ck_assert(!weir_state_may_follow(&doors, DOOR_OPEN, 3));
    ck_assert(!weir_state_may_follow(&doors, 3, DOOR_OPEN));
    ck_assert(!weir_state_may_follow(&doors, 33, DOOR_CLOSED));
    ck_assert_str_eq(weir_state_name(&doors, DOOR_LOCKED), "locked");
    ck_assert_str_eq(weir_state_name(&doors, 3), "?");
}
END_TEST

static void exit_if_told(const char *message)
{
    bool is_told = strstr(message, "door 'front'") != NULL &&
                   strstr(message, "'open' (0)") != NULL && strstr(message, "'locked' (2)") != NULL;
    _exit(is_told ? 7 : 8);
}

/* A move outside of the table ends the program and names the object and both states. */
START_TEST(a_wrong_move_names_the_object_and_both_states)
{
    weir_assert_set_hook(exit_if_told);
    (void)weir_state_move(&doors, "front", DOOR_OPEN, DOOR_LOCKED);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("state table");
    tcase_add_test(tests, a_table_says_what_may_follow_what);
    tcase_add_test(tests, states_outside_of_the_table_are_refused);
    if (weir_test_forks()) {
        tcase_add_exit_test(tests, a_wrong_move_names_the_object_and_both_states, 7);
    }
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("base/state_table", add);
}
