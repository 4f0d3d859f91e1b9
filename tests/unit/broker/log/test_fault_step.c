/* What is wrong with a log, by tables: each row is an event in a state, with all that has to come
 * of it. What is not named in a row must not be asked for. */
#include "broker/log/fault_step.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/broken.h"
#include "weir/error.h"

#define NONE WEIR_FAULT_NONE
#define DAMAGED WEIR_FAULT_DAMAGED
#define FAILED WEIR_FAULT_FAILED
#define BOTH WEIR_FAULT_FAILED_DAMAGED

/* Damage is known from 50 on, and the damage file has said that the log ended at 90. */
static struct weir_fault_state state_of(enum weir_fault fault)
{
    bool is_damaged = fault == DAMAGED || fault == BOTH;
    return (struct weir_fault_state){
        .fault = fault, .offline_from = is_damaged ? 50 : -1, .damage_end = is_damaged ? 90 : -1};
}

struct row {
    enum weir_fault from;
    struct weir_fault_event event;
    const char *comes; /* what is to be done, in order; "": nothing */
    enum weir_fault to;
    int64_t offline_from;
};

/* The update in words, in the order of its fields. */
static void tell(const struct weir_fault_update *update, char *text, size_t size)
{
    char writes[64];
    (void)snprintf(writes, sizeof writes, "write %lld..%lld ", (long long)update->from,
                   (long long)update->end);
    int used = snprintf(text, size, "%s%s%s%s%s", update->says_failure ? "say-failure " : "",
                        update->says_damage ? "say-damage " : "",
                        update->forgets_boot ? "forget-boot " : "",
                        update->gives_up ? "give-up " : "", update->writes ? writes : "");
    ck_assert_int_lt(used, (int)size);
    if (used > 0) text[used - 1] = '\0';
}

static void take(struct weir_fault_state *state, const struct row *row, size_t at)
{
    struct weir_fault_update update;
    char text[128];
    weir_fault_step(state, &row->event, &update);
    tell(&update, text, sizeof text);
    ck_assert_msg(strcmp(text, row->comes) == 0, "row %zu: '%s', not '%s'", at, text, row->comes);
    ck_assert_msg(state->fault == row->to, "row %zu: %s, not %s", at, weir_fault_name(state->fault),
                  weir_fault_name(row->to));
    ck_assert_msg(state->offline_from == row->offline_from, "row %zu: offline from %lld, not %lld",
                  at, (long long)state->offline_from, (long long)row->offline_from);
}

#define FAILS(code)                                                                                \
    {                                                                                              \
        .type = WEIR_FAULT_FAILS, .rc = code                                                       \
    }
#define UNREADABLE(at)                                                                             \
    {                                                                                              \
        .type = WEIR_FAULT_UNREADABLE, .offset = at                                                \
    }
#define DAMAGES(at, to)                                                                            \
    {                                                                                              \
        .type = WEIR_FAULT_DAMAGES, .offset = at, .end = to                                        \
    }
#define KNOWN(at, to)                                                                              \
    {                                                                                              \
        .type = WEIR_FAULT_KNOWN, .offset = at, .end = to                                          \
    }
#define NOTE(at, to)                                                                               \
    {                                                                                              \
        .type = WEIR_FAULT_NOTE, .offset = at, .end = to                                           \
    }
#define NOTED(code)                                                                                \
    {                                                                                              \
        .type = WEIR_FAULT_NOTED, .rc = code                                                       \
    }
#define SETTLE(to)                                                                                 \
    {                                                                                              \
        .type = WEIR_FAULT_SETTLE, .end = to                                                       \
    }

/* Each state and each event; those of damage below, at and above what is known. */
static const struct row rows[] = {
    /* A shortage passes, in whatever state it comes. */
    {NONE, FAILS(WEIR_NO_SPACE), "", NONE, -1},
    {NONE, FAILS(WEIR_NO_MEMORY), "", NONE, -1},
    {NONE, FAILS(WEIR_LIMIT), "", NONE, -1},
    {DAMAGED, FAILS(WEIR_NO_SPACE), "", DAMAGED, 50},
    {FAILED, FAILS(WEIR_NO_SPACE), "", FAILED, -1},
    {BOTH, FAILS(WEIR_NO_SPACE), "", BOTH, 50},
    /* Anything else is final; the first word stands, and no sync of the file is believed again. */
    {NONE, FAILS(WEIR_IO), "say-failure forget-boot give-up", FAILED, -1},
    {NONE, FAILS(WEIR_NOT_FOUND), "say-failure forget-boot give-up", FAILED, -1},
    {NONE, FAILS(WEIR_OFFLINE), "say-failure forget-boot give-up", FAILED, -1},
    {DAMAGED, FAILS(WEIR_IO), "forget-boot give-up", BOTH, 50},
    {FAILED, FAILS(WEIR_IO), "give-up", FAILED, -1},
    {BOTH, FAILS(WEIR_IO), "give-up", BOTH, 50},
    /* What cannot be read now is not written down: the next open may read it. */
    {NONE, UNREADABLE(40), "say-damage", DAMAGED, 40},
    {NONE, UNREADABLE(0), "say-damage", DAMAGED, 0},
    {DAMAGED, UNREADABLE(40), "say-damage", DAMAGED, 40},
    {DAMAGED, UNREADABLE(50), "", DAMAGED, 50},
    {DAMAGED, UNREADABLE(60), "", DAMAGED, 50},
    {FAILED, UNREADABLE(40), "say-damage", BOTH, 40},
    {BOTH, UNREADABLE(40), "say-damage", BOTH, 40},
    {BOTH, UNREADABLE(60), "", BOTH, 50},
    /* Other bytes than were written are: the lowest offset, and the highest end that was ever said.
     * */
    {NONE, DAMAGES(40, 80), "say-damage write 40..80", DAMAGED, 40},
    {DAMAGED, DAMAGES(40, 80), "say-damage write 40..90", DAMAGED, 40},
    {DAMAGED, DAMAGES(40, 95), "say-damage write 40..95", DAMAGED, 40},
    {DAMAGED, DAMAGES(50, 95), "", DAMAGED, 50},
    {DAMAGED, DAMAGES(60, 95), "", DAMAGED, 50},
    {FAILED, DAMAGES(40, 80), "say-damage write 40..80", BOTH, 40},
    {BOTH, DAMAGES(40, 80), "say-damage write 40..90", BOTH, 40},
    {BOTH, DAMAGES(60, 80), "", BOTH, 50},
    /* What the damage file says holds though the open has found nothing; it is not written again.
     * */
    {NONE, KNOWN(40, 80), "say-damage", DAMAGED, 40},
    {NONE, KNOWN(40, -1), "say-damage", DAMAGED, 40},
    {DAMAGED, KNOWN(40, 80), "say-damage", DAMAGED, 40},
    {DAMAGED, KNOWN(60, 95), "", DAMAGED, 50},
    {FAILED, KNOWN(40, 80), "say-damage", BOTH, 40},
    {BOTH, KNOWN(60, 95), "", BOTH, 50},
    /* An open that has found some has it written, whatever else it knows. */
    {NONE, NOTE(40, -1), "write 40..-1", NONE, -1},
    {DAMAGED, NOTE(50, -1), "write 50..90", DAMAGED, 50},
    {DAMAGED, NOTE(60, 95), "write 60..95", DAMAGED, 50},
    {FAILED, NOTE(40, -1), "write 40..-1", FAILED, -1},
    {BOTH, NOTE(50, 80), "write 50..90", BOTH, 50},
    /* Whether it could be. */
    {NONE, NOTED(0), "", NONE, -1},
    {DAMAGED, NOTED(0), "", DAMAGED, 50},
    {DAMAGED, NOTED(WEIR_NO_SPACE), "", DAMAGED, 50},
    {FAILED, NOTED(0), "", FAILED, -1},
    {BOTH, NOTED(WEIR_IO), "", BOTH, 50},
    /* Nothing is owed. */
    {NONE, SETTLE(80), "", NONE, -1},
    {DAMAGED, SETTLE(80), "", DAMAGED, 50},
    {FAILED, SETTLE(80), "", FAILED, -1},
    {BOTH, SETTLE(80), "", BOTH, 50},
};

START_TEST(each_event_in_each_state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct weir_fault_state state = state_of(rows[i].from);
        take(&state, &rows[i], i);
    }
}
END_TEST

static void run(struct weir_fault_state *state, const struct row *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(state->fault, steps[i].from);
        take(state, &steps[i], i);
    }
}
#define RUN(state, steps) run(state, steps, sizeof(steps) / sizeof(steps)[0])

/* It is written again until it could be, also once nothing else is written, and then no more. The
 * end is said where the damage is below it. */
START_TEST(what_could_not_be_written_is_owed)
{
    struct weir_fault_state state = WEIR_FAULT_STATE_NONE;
    const struct row steps[] = {
        {NONE, DAMAGES(40, 80), "say-damage write 40..80", DAMAGED, 40},
        {DAMAGED, NOTED(WEIR_NO_SPACE), "", DAMAGED, 40},
        {DAMAGED, SETTLE(81), "write 40..81", DAMAGED, 40},
        {DAMAGED, NOTED(WEIR_IO), "", DAMAGED, 40},
        {DAMAGED, FAILS(WEIR_IO), "forget-boot give-up", BOTH, 40},
        {BOTH, SETTLE(40), "write 40..81", BOTH, 40},
        {BOTH, NOTED(0), "", BOTH, 40},
        {BOTH, SETTLE(40), "", BOTH, 40},
    };
    RUN(&state, steps);
    ck_assert(!state.is_owed);
}
END_TEST

/* Damage at the log's end has nothing behind it whose end could be said. */
START_TEST(damage_at_the_end_has_no_end)
{
    struct weir_fault_state state = WEIR_FAULT_STATE_NONE;
    const struct row steps[] = {
        {NONE, UNREADABLE(80), "say-damage", DAMAGED, 80},
        {DAMAGED, NOTE(80, -1), "write 80..-1", DAMAGED, 80},
        {DAMAGED, NOTED(WEIR_NO_MEMORY), "", DAMAGED, 80},
        {DAMAGED, SETTLE(80), "write 80..-1", DAMAGED, 80},
        {DAMAGED, NOTED(0), "", DAMAGED, 80},
    };
    RUN(&state, steps);
}
END_TEST

START_TEST(what_is_offline_and_what_has_failed)
{
    static const struct {
        enum weir_fault fault;
        bool is_offline;
        bool has_failed;
    } claims[] = {
        {NONE, false, false}, {DAMAGED, true, false}, {FAILED, true, true}, {BOTH, true, true}};
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        struct weir_fault_state state = state_of(claims[i].fault);
        ck_assert_int_eq(weir_fault_is_offline(&state), claims[i].is_offline);
        ck_assert_int_eq(weir_fault_has_failed(&state), claims[i].has_failed);
    }
}
END_TEST

static const struct {
    enum weir_fault from;
    struct weir_fault_event event;
} wrong[] = {
    {NONE, FAILS(0)},      {NONE, UNREADABLE(-1)},       {NONE, DAMAGES(-1, 80)},
    {NONE, KNOWN(-1, 80)}, {NONE, NOTED(WEIR_NO_SPACE)}, {FAILED, NOTED(WEIR_NO_SPACE)},
    {NONE, NOTE(-1, 80)},
};

START_TEST(a_wrong_event_ends_the_program)
{
    struct weir_fault_state state = state_of(wrong[_i].from);
    struct weir_fault_update update;
    weir_fault_step(&state, &wrong[_i].event, &update);
}
END_TEST

static struct weir_fault_state whole;
BREAKS(damaged_nowhere, whole.offline_from = -1)
BREAKS(sound_from, whole.fault = NONE)
BREAKS(failed_from, whole.fault = FAILED)
BREAKS(both_nowhere, whole.fault = BOTH; whole.offline_from = -1)
BREAKS(from_below, whole.fault = NONE; whole.offline_from = -2)
BREAKS(end_below, whole.damage_end = -2)

static void (*const broken[])(void) = {damaged_nowhere, sound_from, failed_from,
                                       both_nowhere,    from_below, end_below};

START_TEST(a_broken_field_ends_the_program)
{
    whole = state_of(DAMAGED);
    weir_fault_check(&whole);
    broken[_i]();
    weir_fault_check(&whole);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("fault step");
    tcase_add_test(tests, each_event_in_each_state);
    tcase_add_test(tests, what_could_not_be_written_is_owed);
    tcase_add_test(tests, damage_at_the_end_has_no_end);
    tcase_add_test(tests, what_is_offline_and_what_has_failed);
    ADD_BROKEN(tests, a_wrong_event_ends_the_program, wrong);
    ADD_BROKEN(tests, a_broken_field_ends_the_program, broken);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("fault step", add);
}
