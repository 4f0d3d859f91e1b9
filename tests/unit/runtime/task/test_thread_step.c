#include "runtime/task/stream_thread.h"
#include "runtime/task/thread_step.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/support.h"

/**
 * The pure part of a stream thread: every event in every state, by tables of what has to come of it. A
 * state is reached by the events that lead there, never set. What a cell does not name must not be asked
 * for; "!" is a wrong order, which ends the program.
 */

#define EVENT(name, ...) ((struct weir_thread_event){.type = WEIR_THREAD_##name, ##__VA_ARGS__})

/* ---- words for what comes -------------------------------------------------------------------- */

static void add_word(char *text, size_t size, bool is_set, const char *word)
{
    size_t used = strlen(text);
    if (!is_set) return;
    int more = snprintf(text + used, size - used, "%s%s", used > 0 ? " " : "", word);
    ck_assert_uint_lt(used + (size_t)more, size);
}

/* Moves first, then the update in the order of its fields; "": nothing. */
static void take(struct weir_thread_state *state, const struct weir_thread_event *event, char *text,
                 size_t size)
{
    const struct weir_thread_state before = *state;
    struct weir_thread_update update;
    weir_thread_step(state, event, &update);
    text[0] = '\0';
    add_word(text, size, state->phase != before.phase, weir_thread_phase_name(state->phase));
    add_word(text, size, state->seal != before.seal, weir_seal_phase_name(state->seal));
    add_word(text, size, state->is_open && !before.is_open, "begun");
    add_word(text, size, update.opens, "open");
    add_word(text, size, update.says_opened, "say-opened");
    add_word(text, size, update.restores, "restore");
    add_word(text, size, update.says_restored, "say-restored");
    add_word(text, size, update.seals, "seal");
    add_word(text, size, update.processes, "process");
    add_word(text, size, update.sends, "send");
    add_word(text, size, update.hands_in, "hand-in");
    add_word(text, size, update.writes_down, "write-down");
    add_word(text, size, update.wants_transaction, "want-transaction");
    add_word(text, size, update.wants_commit, "want");
    add_word(text, size, update.cancels, "cancel");
    add_word(text, size, update.closes, "close");
    add_word(text, size, update.says_failed, "say-failed");
}

static void pass(struct weir_thread_state *state, struct weir_thread_event event)
{
    char text[128];
    take(state, &event, text, sizeof text);
}

/* ---- every event in every state -------------------------------------------------------------- */

enum place {
    CREATED,
    OPENING,
    READY,   /* nothing is restored yet; it is from here on */
    RUNNING, /* no seal at hand, no transaction open */
    OPEN,    /* one is */
    ASKED,
    SENDING,
    HANDED_IN,
    STOPPING,
    STOPPED,
    PLACES
};

static const char *const place_names[PLACES] = {"created",  "opening", "ready",   "running",
                                                "open",     "asked",   "sending", "handed in",
                                                "stopping", "stopped"};

/* The events that lead from one place to the next. */
static struct weir_thread_state reach(enum place place)
{
    const struct weir_thread_event road[] = {
        [OPENING] = EVENT(OPEN),
        [READY] = EVENT(OPENED),
        [RUNNING] = EVENT(RUN),
        [OPEN] = EVENT(BEGUN),
        [ASKED] = EVENT(SEAL),
        [SENDING] = EVENT(SEALED),
        [HANDED_IN] = EVENT(SENT, .is_quiet = true),
    };
    struct weir_thread_state state = {.name = "of a test"};
    enum place last = place >= STOPPING ? RUNNING : place;
    for (int i = OPENING; i <= (int)last; i++) {
        pass(&state, road[i]);
        if (i == RUNNING) pass(&state, EVENT(RESTORED));
    }
    if (place < STOPPING) return state;
    pass(&state, EVENT(STOP));
    pass(&state, EVENT(TURN));
    ck_assert_int_eq(state.phase, WEIR_THREAD_STOPPING);
    if (place == STOPPED) pass(&state, EVENT(TURN, .is_quiet = true));
    return state;
}

static const struct line {
    const char *name;
    struct weir_thread_event event;
    const char *comes[PLACES];
} lines[] = {
#define LINE(name, ...)                                                                            \
    name,                                                                                          \
    {                                                                                              \
        .type = __VA_ARGS__                                                                        \
    }
    /*                 created    opening    ready     running    open       asked
                       sending    handed in  stopping   stopped */
    {LINE("open", WEIR_THREAD_OPEN), {"opening", "", "", "", "", "", "", "", "", ""}},
    {LINE("run", WEIR_THREAD_RUN), {"", "", "running", "", "", "", "", "", "", ""}},
    {LINE("seal", WEIR_THREAD_SEAL),
     {"!", "!", "!", "asked", "asked", "!", "!", "!", "asked", "asked"}},
    {LINE("begun", WEIR_THREAD_BEGUN), {"", "", "", "begun", "", "", "", "", "", ""}},
    {LINE("committed", WEIR_THREAD_COMMITTED),
     {"", "", "", "!", "!", "!", "!", "none write-down", "", ""}},
    {LINE("stop", WEIR_THREAD_STOP), {"", "", "", "", "", "", "", "", "", ""}},
    {LINE("opened", WEIR_THREAD_OPENED),
     {"!", "ready say-opened", "!", "!", "!", "!", "!", "!", "!", "!"}},
    {LINE("restored", WEIR_THREAD_RESTORED),
     {"!", "!", "say-restored", "!", "!", "!", "!", "!", "!", "!"}},
    {LINE("sealed", WEIR_THREAD_SEALED),
     {"!", "!", "!", "!", "!", "sending process send", "!", "!", "!", "!"}},
    {LINE("sent", WEIR_THREAD_SENT), {"!", "!", "!", "", "", "", "", "", "!", "!"}},
    {LINE("sent, and more waits", WEIR_THREAD_SENT, .needs_transaction = true),
     {"!", "!", "!", "want-transaction", "", "", "", "", "!", "!"}},
    {LINE("sent and acknowledged", WEIR_THREAD_SENT, .is_quiet = true),
     {"!", "!", "!", "", "", "", "handed in hand-in", "", "!", "!"}},
    {LINE("cancelled", WEIR_THREAD_CANCELLED), {"!", "!", "!", "!", "!", "!", "!", "!", "", "!"}},
    {LINE("cancelled and quiet", WEIR_THREAD_CANCELLED, .is_quiet = true),
     {"!", "!", "!", "!", "!", "!", "!", "!", "stopped close", "!"}},
    {LINE("a turn", WEIR_THREAD_TURN),
     {"", "open", "restore", "process send", "process send", "seal", "process send", "process send",
      "", ""}},
    {LINE("a turn when sending again", WEIR_THREAD_TURN, .is_resending = true),
     {"", "open", "restore", "process send", "process send", "process send", "process send",
      "process send", "", ""}},
    {LINE("a turn with something to send", WEIR_THREAD_TURN, .needs_transaction = true),
     {"", "open", "restore", "process send want-transaction", "process send", "seal",
      "process send", "process send", "", ""}},
    {LINE("a quiet turn", WEIR_THREAD_TURN, .is_quiet = true),
     {"", "open", "restore", "process send", "process send", "seal", "process send", "process send",
      "stopped close", ""}},
    {LINE("a full store", WEIR_THREAD_WANTS_COMMIT),
     {"!", "!", "!", "want", "want", "want", "want", "want", "!", "!"}},
    {LINE("a failure", WEIR_THREAD_FAILED),
     {"say-failed", "say-failed", "say-failed", "say-failed", "say-failed", "say-failed",
      "say-failed", "say-failed", "say-failed", "say-failed"}},
#undef LINE
};
enum { LINES = sizeof lines / sizeof lines[0] };

static bool is_wrong(int cell)
{
    return strcmp(lines[cell / PLACES].comes[cell % PLACES], "!") == 0;
}

/* All that the tables say of a right order. */
START_TEST(every_event_does_in_every_state_what_it_should)
{
    for (int cell = 0; cell < LINES * PLACES; cell++) {
        const struct line *line = &lines[cell / PLACES];
        const char *expected = line->comes[cell % PLACES];
        struct weir_thread_state state = reach((enum place)(cell % PLACES));
        char text[128];
        ck_assert_ptr_nonnull(expected);
        if (is_wrong(cell)) continue;
        take(&state, &line->event, text, sizeof text);
        ck_assert_msg(strcmp(text, expected) == 0, "%s, %s: '%s', not '%s'",
                      place_names[cell % PLACES], line->name, text, expected);
    }
}
END_TEST

/* The `_i`th of the wrong orders is noticed where it happens. */
START_TEST(a_wrong_order_ends_the_program)
{
    int cell = 0;
    for (int wrong = -1;; cell++) {
        ck_assert_int_lt(cell, LINES * PLACES);
        wrong += is_wrong(cell);
        if (wrong == _i) break;
    }
    struct weir_thread_state state = reach((enum place)(cell % PLACES));
    pass(&state, lines[cell / PLACES].event);
}
END_TEST

/* ---- stories --------------------------------------------------------------------------------- */

struct row {
    struct weir_thread_event event;
    const char *comes;
};

static void tell(struct weir_thread_state *state, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[128];
        take(state, &rows[i].event, text, sizeof text);
        ck_assert_msg(strcmp(text, rows[i].comes) == 0, "row %zu: '%s', not '%s'", i, text,
                      rows[i].comes);
    }
}
#define TELL(state, rows) tell(state, rows, sizeof(rows) / sizeof(rows)[0])

/* What is lacking is restored beside all that a thread does, seals included, until it is said once that nothing is. */
START_TEST(a_thread_restores_beside_what_it_does)
{
    struct weir_thread_state state = reach(READY);
    const struct row rows[] = {
        {EVENT(TURN), "restore"},
        {EVENT(RUN), "running"},
        {EVENT(TURN), "restore process send"},
        {EVENT(SEAL), "asked"},
        {EVENT(TURN), "restore seal"},
        {EVENT(SEALED), "sending process send"},
        {EVENT(TURN), "restore process send"},
        {EVENT(SENT, .is_quiet = true), "handed in hand-in"},
        {EVENT(COMMITTED), "none write-down"},
        {EVENT(RESTORED), "say-restored"},
        {EVENT(TURN), "process send"},
    };
    TELL(&state, rows);
    state = reach(READY);
    const struct row stopped[] = {
        {EVENT(RUN), "running"},
        {EVENT(STOP), ""},
        {EVENT(TURN), "stopping cancel"},
        {EVENT(TURN), ""},
    };
    TELL(&state, stopped);
}
END_TEST

/* Behind the last seal nothing is processed, not before it; what waits is still sent. */
START_TEST(behind_the_last_seal_nothing_is_processed)
{
    struct weir_thread_state state = reach(RUNNING);
    const struct row rows[] = {
        {EVENT(SEAL, .is_last = true), "asked"},
        {EVENT(TURN, .is_resending = true), "process send"},
        {EVENT(TURN), "seal"},
        {EVENT(SEALED), "sending send"},
        {EVENT(TURN), "send"},
        {EVENT(SENT, .is_quiet = true), "handed in hand-in"},
        {EVENT(TURN), "send"},
        {EVENT(COMMITTED), "none write-down"},
        {EVENT(TURN), "send"},
    };
    TELL(&state, rows);
}
END_TEST

/* Outputs that wait want a transaction, once; a seal that would put something out waits for it. One that was begun for
 * others takes in nothing of a thread that has sealed. */
START_TEST(what_is_put_out_waits_for_a_transaction)
{
    struct weir_thread_state state = reach(RUNNING);
    const struct row rows[] = {
        {EVENT(SENT, .needs_transaction = true), "want-transaction"},
        {EVENT(SENT, .needs_transaction = true), ""},
        {EVENT(SEAL), "asked"},
        {EVENT(TURN, .needs_transaction = true), "process send"},
        {EVENT(BEGUN), "begun"},
        {EVENT(TURN, .needs_transaction = true), "seal"},
        {EVENT(SEALED), "sending process send"},
        {EVENT(SENT, .needs_transaction = true), ""},
        {EVENT(BEGUN), ""},
        {EVENT(SENT, .is_quiet = true, .needs_transaction = true), "handed in hand-in"},
        {EVENT(BEGUN), ""},
        {EVENT(COMMITTED), "none write-down"},
        {EVENT(TURN, .needs_transaction = true), "process send want-transaction"},
        {EVENT(BEGUN), "begun"},
    };
    TELL(&state, rows);
}
END_TEST

/* One commit after the other; a full store asks for one once, until the next seal. */
START_TEST(commits_follow_one_another)
{
    struct weir_thread_state state = reach(RUNNING);
    const struct row rows[] = {
        {EVENT(WANTS_COMMIT), "want"},
        {EVENT(WANTS_COMMIT), ""},
        {EVENT(SEAL), "asked"},
        {EVENT(WANTS_COMMIT), ""},
        {EVENT(SEALED), "sending process send"},
        {EVENT(WANTS_COMMIT), "want"},
        {EVENT(SENT), ""},
        {EVENT(SENT, .is_quiet = true), "handed in hand-in"},
        {EVENT(COMMITTED), "none write-down"},
        {EVENT(WANTS_COMMIT), ""},
        {EVENT(SEAL), "asked"},
        {EVENT(SEALED), "sending process send"},
    };
    TELL(&state, rows);
}
END_TEST

/* From anywhere, after a failure too: what is on its way is cancelled, and it is over when that is quiet,
 * now or later. */
START_TEST(a_stop_waits_until_all_is_quiet)
{
    const struct row later[] = {
        {EVENT(STOP), ""},
        {EVENT(TURN, .is_quiet = true), "stopping cancel"},
        {EVENT(CANCELLED), ""},
        {EVENT(TURN), ""},
        {EVENT(TURN, .is_quiet = true), "stopped close"},
        {EVENT(TURN, .is_quiet = true), ""},
    };
    const struct row at_once[] = {
        {EVENT(STOP), ""},
        {EVENT(TURN), "stopping cancel"},
        {EVENT(CANCELLED, .is_quiet = true), "stopped close"},
    };
    for (int place = CREATED; place < STOPPING; place++) {
        struct weir_thread_state state = reach((enum place)place);
        TELL(&state, later);
        state = reach((enum place)place);
        pass(&state, EVENT(FAILED));
        TELL(&state, at_once);
    }
}
END_TEST

/* The first is said, and no turn does anything until the stop; a seal that was on its way is noted. */
START_TEST(after_a_failure_nothing_is_done)
{
    for (int place = CREATED; place <= HANDED_IN; place++) {
        struct weir_thread_state state = reach((enum place)place);
        const struct row rows[] = {
            {EVENT(FAILED), "say-failed"},
            {EVENT(TURN), ""},
            {EVENT(FAILED), ""},
            {EVENT(TURN, .is_quiet = true), ""},
        };
        TELL(&state, rows);
        if (place == RUNNING) pass(&state, EVENT(SEAL));
        pass(&state, EVENT(TURN));
        ck_assert(state.seal != WEIR_SEAL_SENDING || place == SENDING);
    }
}
END_TEST

/* A last seal has no other behind it. */
START_TEST(nothing_is_prepared_behind_the_last)
{
    struct weir_thread_state state = reach(RUNNING);
    pass(&state, EVENT(SEAL, .is_last = true));
    pass(&state, EVENT(SEALED));
    pass(&state, EVENT(SENT, .is_quiet = true));
    pass(&state, EVENT(COMMITTED));
    pass(&state, EVENT(SEAL));
}
END_TEST

/* Of few inputs each asks for as much as is good for one; of many for so much less that what waits for all of
 * them, one fetch of each and one under way, stays within 64 MiB, down to 16 KiB. */
START_TEST(many_inputs_ask_for_less)
{
    ck_assert_uint_eq(weir_thread_fetch_size(1), 1 << 20);
    ck_assert_uint_eq(weir_thread_fetch_size(12), 1 << 20);
    ck_assert_uint_eq(weir_thread_fetch_size(1024), 32 << 10);
    for (size_t inputs = 1; inputs <= 2048; inputs++) {
        ck_assert_uint_le(inputs * 2 * weir_thread_fetch_size(inputs), 64 << 20);
    }
    ck_assert_uint_eq(weir_thread_fetch_size(10000), 16 << 10);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("thread_step");
    tcase_add_test(tests, many_inputs_ask_for_less);
    tcase_add_test(tests, every_event_does_in_every_state_what_it_should);
    tcase_add_test(tests, a_thread_restores_beside_what_it_does);
    tcase_add_test(tests, behind_the_last_seal_nothing_is_processed);
    tcase_add_test(tests, commits_follow_one_another);
    tcase_add_test(tests, what_is_put_out_waits_for_a_transaction);
    tcase_add_test(tests, a_stop_waits_until_all_is_quiet);
    tcase_add_test(tests, after_a_failure_nothing_is_done);
    int wrong = 0;
    for (int cell = 0; cell < LINES * PLACES; cell++) {
        wrong += is_wrong(cell);
    }
    if (weir_test_forks()) {
        tcase_add_loop_test_raise_signal(tests, a_wrong_order_ends_the_program, SIGABRT, 0, wrong);
        tcase_add_test_raise_signal(tests, nothing_is_prepared_behind_the_last, SIGABRT);
    }
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("thread_step", add);
}
