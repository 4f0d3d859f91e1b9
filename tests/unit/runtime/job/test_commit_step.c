#include "runtime/job/commit_step.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/support.h"
#include "weir/error.h"

/**
 * The pure part of a commit, by tables of events: each row is an event, at a time, with all that has to
 * come of it. What is not named in a row must not be asked for.
 */
enum { INTERVAL_MS = 100 };

struct row {
    enum weir_commit_event_type type;
    int64_t at_ms;
    size_t count;
    int rc;
    const char *comes;            /* what is to be done, in order; "": nothing */
    int64_t wake_ms;              /* -1: never; 0: not said */
    enum weir_commit_phase phase; /* behind it */
};

static struct weir_mono at(int64_t ms)
{
    return (struct weir_mono){ms * 1000000};
}

/* The update in words, in the order of its fields. */
static void tell(const struct weir_commit_update *update, char *text, size_t size)
{
    const struct {
        bool is_set;
        const char *word;
    } words[] = {
        {update->seals && !update->is_last, "seal "},
        {update->seals && update->is_last, "seal-last "},
        {update->gathers, "gather "},
        {update->writes, "write "},
        {update->finishes, "finish "},
        {update->waits, "waits "},
        {update->wakes, "wake "},
        {update->rc < 0, "fail "},
    };
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!words[i].is_set) continue;
        used += (size_t)snprintf(text + used, size - used, "%s", words[i].word);
        ck_assert_uint_lt(used, size);
    }
    if (used > 0) text[used - 1] = '\0';
}

static void run(struct weir_commit_state *state, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        const struct weir_commit_event event = {row->type, at(row->at_ms), row->count, row->rc};
        struct weir_commit_update update;
        weir_commit_step(state, &event, &update);
        char text[128];
        tell(&update, text, sizeof text);
        ck_assert_msg(strcmp(text, row->comes) == 0, "row %zu: '%s', not '%s'", i, text,
                      row->comes);
        ck_assert_msg(state->phase == row->phase, "row %zu: %s, not %s", i,
                      weir_commit_phase_name(state->phase), weir_commit_phase_name(row->phase));
        if (update.rc < 0) ck_assert_int_eq(update.rc, row->rc);
        if (!update.wakes) continue;
        int64_t wake_ns = row->wake_ms < 0 ? WEIR_MONO_NEVER.ns : at(row->wake_ms).ns;
        ck_assert_msg(update.wake_at.ns == wake_ns, "row %zu: woken at %lld ns", i,
                      (long long)update.wake_at.ns);
    }
}

#define RUN(state, rows) run(state, rows, sizeof(rows) / sizeof(rows)[0])
#define IDLE WEIR_COMMIT_IDLE
#define SEALING WEIR_COMMIT_SEALING
#define WRITING WEIR_COMMIT_WRITING

/* Two threads: none before it is due, the record when both have handed in, the next one an interval
 * after the end of this one. */
START_TEST(a_commit_waits_for_all_threads)
{
    struct weir_commit_state state = {.interval_ms = INTERVAL_MS};
    const struct row rows[] = {
        {WEIR_COMMIT_TURN, 5, 0, 0, "", 0, IDLE},
        {WEIR_COMMIT_START, 10, 2, 0, "", 0, IDLE},
        {WEIR_COMMIT_TURN, 109, 0, 0, "wake", 110, IDLE},
        {WEIR_COMMIT_TURN, 110, 0, 0, "seal", 0, SEALING},
        {WEIR_COMMIT_TURN, 300, 0, 0, "", 0, SEALING},
        {WEIR_COMMIT_HANDED_IN, 301, 0, 0, "", 0, SEALING},
        {WEIR_COMMIT_HANDED_IN, 302, 0, 0, "gather", 0, SEALING},
        {WEIR_COMMIT_GATHERED, 302, 3, 0, "write", 0, WRITING},
        {WEIR_COMMIT_TURN, 500, 0, 0, "", 0, WRITING},
        {WEIR_COMMIT_ANSWERED, 510, 0, 0, "finish", 0, IDLE},
        {WEIR_COMMIT_TURN, 511, 0, 0, "wake", 610, IDLE},
    };
    RUN(&state, rows);
    ck_assert_int_eq(state.round, 1);
    ck_assert_int_eq(state.begun.ns, at(110).ns);
}
END_TEST

/* One that begins late has taken since it was due; one that is wanted, since it began. */
START_TEST(a_late_commit_counts_from_when_it_was_due)
{
    struct weir_commit_state state = {.interval_ms = INTERVAL_MS};
    const struct row rows[] = {
        {WEIR_COMMIT_START, 0, 1, 0, "", 0, IDLE},
        {WEIR_COMMIT_TURN, 140, 0, 0, "seal", 0, SEALING},
    };
    RUN(&state, rows);
    ck_assert_int_eq(state.begun.ns, at(100).ns);
    struct weir_commit_state early = {.interval_ms = INTERVAL_MS};
    const struct row wanted[] = {
        {WEIR_COMMIT_START, 0, 1, 0, "", 0, IDLE},
        {WEIR_COMMIT_WANT, 30, 0, 0, "", 0, IDLE},
        {WEIR_COMMIT_TURN, 40, 0, 0, "seal", 0, SEALING},
    };
    RUN(&early, wanted);
    ck_assert_int_eq(early.begun.ns, at(40).ns);
}
END_TEST

/* A record without entries is not written, and counts as a round; without threads nobody is waited
 * for. */
START_TEST(an_empty_record_is_not_written)
{
    struct weir_commit_state state = {.interval_ms = INTERVAL_MS};
    const struct row rows[] = {
        {WEIR_COMMIT_START, 0, 0, 0, "", 0, IDLE},
        {WEIR_COMMIT_TURN, 100, 0, 0, "seal gather", 0, SEALING},
        {WEIR_COMMIT_GATHERED, 100, 0, 0, "finish", 0, IDLE},
        {WEIR_COMMIT_TURN, 101, 0, 0, "wake", 200, IDLE},
    };
    RUN(&state, rows);
    ck_assert_int_eq(state.round, 1);
}
END_TEST

/* One that is wanted begins at once; one that is wanted while another is under way begins behind it,
 * once. Of a manual job none is due by itself. */
START_TEST(a_wanted_commit_begins_before_it_is_due)
{
    struct weir_commit_state state = {.interval_ms = INTERVAL_MS, .is_manual = true};
    const struct row rows[] = {
        {WEIR_COMMIT_START, 0, 1, 0, "", 0, IDLE},
        {WEIR_COMMIT_TURN, 100000, 0, 0, "wake", -1, IDLE},
        {WEIR_COMMIT_WANT, 100001, 0, 0, "", 0, IDLE},
        {WEIR_COMMIT_TURN, 100001, 0, 0, "seal", 0, SEALING},
        {WEIR_COMMIT_WANT, 100002, 0, 0, "", 0, SEALING},
        {WEIR_COMMIT_HANDED_IN, 100003, 0, 0, "gather", 0, SEALING},
        {WEIR_COMMIT_GATHERED, 100003, 1, 0, "write", 0, WRITING},
        {WEIR_COMMIT_ANSWERED, 100004, 0, 0, "finish", 0, IDLE},
        {WEIR_COMMIT_TURN, 100004, 0, 0, "seal", 0, SEALING},
        {WEIR_COMMIT_HANDED_IN, 100005, 0, 0, "gather", 0, SEALING},
        {WEIR_COMMIT_GATHERED, 100005, 0, 0, "finish", 0, IDLE},
        {WEIR_COMMIT_TURN, 100006, 0, 0, "wake", -1, IDLE},
    };
    RUN(&state, rows);
    ck_assert_int_eq(state.round, 2);
}
END_TEST

/* A shortage is said once and waited out: the same record every retry.backoff.ms, until it is in. The
 * next shortage is a new one. */
START_TEST(a_shortage_is_waited_out)
{
    struct weir_commit_state state = {.interval_ms = INTERVAL_MS};
    const struct row rows[] = {
        {WEIR_COMMIT_START, 0, 1, 0, "", 0, IDLE},
        {WEIR_COMMIT_TURN, 100, 0, 0, "seal", 0, SEALING},
        {WEIR_COMMIT_HANDED_IN, 101, 0, 0, "gather", 0, SEALING},
        {WEIR_COMMIT_GATHERED, 101, 1, 0, "write", 0, WRITING},
        {WEIR_COMMIT_ANSWERED, 110, 0, WEIR_NO_MEMORY, "waits wake", 210, WRITING},
        {WEIR_COMMIT_TURN, 209, 0, 0, "", 0, WRITING},
        {WEIR_COMMIT_TURN, 210, 0, 0, "write", 0, WRITING},
        {WEIR_COMMIT_TURN, 400, 0, 0, "", 0, WRITING},
        {WEIR_COMMIT_ANSWERED, 410, 0, WEIR_NO_MEMORY, "wake", 510, WRITING},
        {WEIR_COMMIT_TURN, 510, 0, 0, "write", 0, WRITING},
        {WEIR_COMMIT_ANSWERED, 520, 0, 0, "finish", 0, IDLE},
        {WEIR_COMMIT_TURN, 620, 0, 0, "seal", 0, SEALING},
        {WEIR_COMMIT_HANDED_IN, 621, 0, 0, "gather", 0, SEALING},
        {WEIR_COMMIT_GATHERED, 621, 1, 0, "write", 0, WRITING},
        {WEIR_COMMIT_ANSWERED, 630, 0, WEIR_NO_MEMORY, "waits wake", 730, WRITING},
    };
    RUN(&state, rows);
    ck_assert_int_eq(state.round, 1);
}
END_TEST

/* Two minutes of a shortage, any other failure, and a record that could not be made fail the job; from
 * then on nothing is asked for, whatever still comes. */
START_TEST(a_failure_ends_it)
{
    const struct row before[] = {
        {WEIR_COMMIT_START, 0, 1, 0, "", 0, IDLE},
        {WEIR_COMMIT_TURN, 100, 0, 0, "seal", 0, SEALING},
        {WEIR_COMMIT_HANDED_IN, 101, 0, 0, "gather", 0, SEALING},
    };
    const struct row ends[][4] = {
        {{WEIR_COMMIT_GATHERED, 101, 0, WEIR_NO_MEMORY, "fail", 0, SEALING},
         {WEIR_COMMIT_FAILED, 101, 0, 0, "", 0, SEALING},
         {WEIR_COMMIT_TURN, 900000, 0, 0, "", 0, SEALING},
         {WEIR_COMMIT_TURN, 900001, 0, 0, "", 0, SEALING}},
        {{WEIR_COMMIT_GATHERED, 101, 1, 0, "write", 0, WRITING},
         {WEIR_COMMIT_ANSWERED, 110, 0, WEIR_IO, "fail", 0, WRITING},
         {WEIR_COMMIT_FAILED, 110, 0, 0, "", 0, WRITING},
         {WEIR_COMMIT_TURN, 900000, 0, 0, "", 0, WRITING}},
        {{WEIR_COMMIT_GATHERED, 101, 1, 0, "write", 0, WRITING},
         {WEIR_COMMIT_ANSWERED, 110, 0, WEIR_NO_MEMORY, "waits wake", 210, WRITING},
         {WEIR_COMMIT_TURN, 120000, 0, 0, "write", 0, WRITING},
         {WEIR_COMMIT_ANSWERED, 120110, 0, WEIR_NO_MEMORY, "fail", 0, WRITING}},
        {{WEIR_COMMIT_GATHERED, 101, 1, 0, "write", 0, WRITING},
         {WEIR_COMMIT_FAILED, 105, 0, 0, "", 0, WRITING},
         {WEIR_COMMIT_ANSWERED, 110, 0, 0, "", 0, WRITING},
         {WEIR_COMMIT_WANT, 111, 0, 0, "", 0, WRITING}},
    };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct weir_commit_state state = {.interval_ms = INTERVAL_MS};
        RUN(&state, before);
        RUN(&state, ends[i]);
        ck_assert_int_eq(state.round, 0);
    }
}
END_TEST

/* The last one begins though it is not due, is retried as any other, and none follows it. */
START_TEST(nothing_follows_the_last_commit)
{
    struct weir_commit_state state = {.interval_ms = INTERVAL_MS};
    const struct row rows[] = {
        {WEIR_COMMIT_START, 0, 1, 0, "", 0, IDLE},
        {WEIR_COMMIT_LAST, 10, 0, 0, "seal-last", 0, SEALING},
        {WEIR_COMMIT_HANDED_IN, 11, 0, 0, "gather", 0, SEALING},
        {WEIR_COMMIT_GATHERED, 11, 1, 0, "write", 0, WRITING},
        {WEIR_COMMIT_ANSWERED, 20, 0, WEIR_NO_MEMORY, "waits wake", 120, WRITING},
        {WEIR_COMMIT_TURN, 120, 0, 0, "write", 0, WRITING},
        {WEIR_COMMIT_ANSWERED, 130, 0, 0, "finish", 0, IDLE},
        {WEIR_COMMIT_WANT, 131, 0, 0, "", 0, IDLE},
        {WEIR_COMMIT_TURN, 10000, 0, 0, "", 0, IDLE},
    };
    RUN(&state, rows);
    ck_assert_int_eq(state.round, 1);
}
END_TEST

/* Behind the last one nothing is asked of threads any more: what is left is gathered without them, and once. */
START_TEST(what_is_left_behind_the_last_commit_is_said_without_threads)
{
    struct weir_commit_state state = {.interval_ms = INTERVAL_MS};
    const struct row rows[] = {
        {WEIR_COMMIT_START, 0, 2, 0, "", 0, IDLE},
        {WEIR_COMMIT_LAST, 10, 0, 0, "seal-last", 0, SEALING},
        {WEIR_COMMIT_HANDED_IN, 11, 0, 0, "", 0, SEALING},
        {WEIR_COMMIT_HANDED_IN, 12, 0, 0, "gather", 0, SEALING},
        {WEIR_COMMIT_GATHERED, 12, 1, 0, "write", 0, WRITING},
        {WEIR_COMMIT_ANSWERED, 20, 0, 0, "finish", 0, IDLE},
        {WEIR_COMMIT_REST, 30, 0, 0, "gather", 0, SEALING},
        {WEIR_COMMIT_GATHERED, 30, 1, 0, "write", 0, WRITING},
        {WEIR_COMMIT_ANSWERED, 40, 0, 0, "finish", 0, IDLE},
        {WEIR_COMMIT_TURN, 10000, 0, 0, "", 0, IDLE},
    };
    RUN(&state, rows);
    ck_assert_int_eq(state.round, 2);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("commit step");
    tcase_add_test(tests, a_commit_waits_for_all_threads);
    tcase_add_test(tests, a_late_commit_counts_from_when_it_was_due);
    tcase_add_test(tests, an_empty_record_is_not_written);
    tcase_add_test(tests, a_wanted_commit_begins_before_it_is_due);
    tcase_add_test(tests, a_shortage_is_waited_out);
    tcase_add_test(tests, a_failure_ends_it);
    tcase_add_test(tests, nothing_follows_the_last_commit);
    tcase_add_test(tests, what_is_left_behind_the_last_commit_is_said_without_threads);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("runtime/commit_step", add);
}
