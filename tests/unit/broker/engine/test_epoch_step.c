/* A partition's leader epoch, by tables: each row is an event in a phase, with all that has to come
 * of it. What is not named in a row must not be asked for. */
#include "broker/engine/epoch_step.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/broken.h"
#include "weir/error.h"

#define UNKNOWN WEIR_EPOCH_UNKNOWN
#define KNOWN WEIR_EPOCH_KNOWN
#define RAISING WEIR_EPOCH_RAISING
#define CUTTING WEIR_EPOCH_CUTTING

#define RESOLVED(at)                                                                               \
    {                                                                                              \
        .type = WEIR_EPOCH_RESOLVED, .epoch = at                                                   \
    }
#define CUT_TAIL                                                                                   \
    {                                                                                              \
        .type = WEIR_EPOCH_CUT_TAIL                                                                \
    }
#define CUT_HEAD                                                                                   \
    {                                                                                              \
        .type = WEIR_EPOCH_CUT_HEAD                                                                \
    }
#define RAISED(to)                                                                                 \
    {                                                                                              \
        .type = WEIR_EPOCH_RAISED, .epoch = to                                                     \
    }
#define NOT_RAISED(code)                                                                           \
    {                                                                                              \
        .type = WEIR_EPOCH_RAISED, .rc = code                                                      \
    }
#define WORKED(code)                                                                               \
    {                                                                                              \
        .type = WEIR_EPOCH_WORKED, .rc = code                                                      \
    }

struct row {
    enum weir_epoch_phase from;
    int32_t epoch;
    struct weir_epoch_event event;
    const char *comes; /* what is to be done, in order; "": nothing */
    enum weir_epoch_phase to;
    int32_t current;
};

/* The update in words, in the order of its fields. */
static void tell(const struct weir_epoch_update *update, char *text, size_t size)
{
    int used = snprintf(text, size, "%s%s%s", update->raises ? "raise " : "",
                        update->cuts ? "cut " : "", update->fails ? "fail " : "");
    ck_assert_int_lt(used, (int)size);
    if (used > 0) text[used - 1] = '\0';
}

static const struct row rows[] = {
    {UNKNOWN, 0, RESOLVED(0), "", KNOWN, 0},
    {UNKNOWN, 0, RESOLVED(7), "", KNOWN, 7},
    /* A tail is not cut before the raise is durable. */
    {KNOWN, 7, CUT_TAIL, "raise", RAISING, 7},
    {RAISING, 7, RAISED(8), "cut", CUTTING, 8},
    {RAISING, 7, RAISED(12), "cut", CUTTING, 12},
    /* Where it cannot be raised nothing is cut. */
    {RAISING, 7, NOT_RAISED(WEIR_NO_MEMORY), "fail", KNOWN, 7},
    {RAISING, 7, NOT_RAISED(WEIR_OFFLINE), "fail", KNOWN, 7},
    {RAISING, 7, NOT_RAISED(WEIR_UNKNOWN_TOPIC_OR_PARTITION), "fail", KNOWN, 7},
    /* A head leaves the epoch as it is. */
    {KNOWN, 7, CUT_HEAD, "cut", CUTTING, 7},
    /* What was raised stays so, whatever becomes of the cut. */
    {CUTTING, 8, WORKED(0), "", KNOWN, 8},
    {CUTTING, 8, WORKED(WEIR_IO), "", KNOWN, 8},
    {CUTTING, 8, WORKED(WEIR_NO_SPACE), "", KNOWN, 8},
};

START_TEST(each_event_in_each_phase)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct weir_epoch_state state = {.phase = row->from, .current = row->epoch};
        struct weir_epoch_update update;
        char text[32];
        weir_epoch_step(&state, &row->event, &update);
        tell(&update, text, sizeof text);
        ck_assert_msg(strcmp(text, row->comes) == 0, "row %zu: '%s', not '%s'", i, text,
                      row->comes);
        ck_assert_msg(state.phase == row->to, "row %zu: %s, not %s", i,
                      weir_epoch_phase_name(state.phase), weir_epoch_phase_name(row->to));
        ck_assert_msg(state.current == row->current, "row %zu: epoch %d, not %d", i, state.current,
                      row->current);
    }
}
END_TEST

/* Everything else is a mistake of ours; the epoch of each is 7. */
static const struct {
    enum weir_epoch_phase from;
    struct weir_epoch_event event;
} wrong[] = {
    {UNKNOWN, RESOLVED(-1)}, {KNOWN, RESOLVED(8)}, {RAISING, RESOLVED(8)}, {CUTTING, RESOLVED(8)},
    {UNKNOWN, CUT_TAIL},     {RAISING, CUT_TAIL},  {CUTTING, CUT_TAIL},    {UNKNOWN, CUT_HEAD},
    {RAISING, CUT_HEAD},     {CUTTING, CUT_HEAD},  {UNKNOWN, RAISED(8)},   {KNOWN, RAISED(8)},
    {CUTTING, RAISED(8)},    {RAISING, RAISED(7)}, {RAISING, RAISED(6)},   {UNKNOWN, WORKED(0)},
    {KNOWN, WORKED(0)},      {RAISING, WORKED(0)},
};

START_TEST(a_wrong_event_ends_the_program)
{
    struct weir_epoch_state state = {.phase = wrong[_i].from, .current = 7};
    struct weir_epoch_update update;
    weir_epoch_step(&state, &wrong[_i].event, &update);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("epoch step");
    tcase_add_test(tests, each_event_in_each_phase);
    ADD_BROKEN(tests, a_wrong_event_ends_the_program, wrong);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("epoch step", add);
}
