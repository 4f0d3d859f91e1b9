/* When a consumer's partition is fetched, by tables: each row is an event in a state, with all that
 * has to come of it. What is not named in a row must not be asked for. */
#include "client/consumer_step.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/broken.h"
#include "weir/error.h"

/* As a partition can stand. All have been asked in round 3. */
enum stand { IDLE, FAILED, SHORT, LONG, CANCELED, READY };

static const struct weir_consumer_turn stands[] = {
    [IDLE] = {.state = WEIR_CONSUMER_IDLE, .asked_round = 3},
    [FAILED] = {.state = WEIR_CONSUMER_IDLE, .has_failed = true, .asked_round = 3},
    [SHORT] = {.state = WEIR_CONSUMER_FETCHING, .asked_round = 3},
    [LONG] = {.state = WEIR_CONSUMER_FETCHING, .is_long = true, .asked_round = 3},
    [CANCELED] = {.state = WEIR_CONSUMER_FETCHING,
                  .is_long = true,
                  .is_canceled = true,
                  .asked_round = 3},
    [READY] = {.state = WEIR_CONSUMER_READY, .asked_round = 3},
};

static const char *const names[] = {"idle", "failed", "short", "long", "canceled", "ready"};

static enum stand stand_of(const struct weir_consumer_turn *turn)
{
    if (turn->state == WEIR_CONSUMER_READY) return READY;
    if (turn->state == WEIR_CONSUMER_IDLE) return turn->has_failed ? FAILED : IDLE;
    if (!turn->is_long) return SHORT;
    return turn->is_canceled ? CANCELED : LONG;
}

#define WAIT(in)                                                                                   \
    {                                                                                              \
        .type = WEIR_CONSUMER_ASK, .is_waiting = true, .round = in                                 \
    }
#define LOOK(in)                                                                                   \
    {                                                                                              \
        .type = WEIR_CONSUMER_ASK, .round = in                                                     \
    }
#define USED_UP(in)                                                                                \
    {                                                                                              \
        .type = WEIR_CONSUMER_USED_UP, .is_waiting = true, .round = in                             \
    }
#define USED_UP_LOOK(in)                                                                           \
    {                                                                                              \
        .type = WEIR_CONSUMER_USED_UP, .round = in                                                 \
    }
#define BATCHES                                                                                    \
    {                                                                                              \
        .type = WEIR_CONSUMER_ANSWERED, .has_batches = true                                        \
    }
#define NOTHING                                                                                    \
    {                                                                                              \
        .type = WEIR_CONSUMER_ANSWERED                                                             \
    }
#define FAILS(code)                                                                                \
    {                                                                                              \
        .type = WEIR_CONSUMER_ANSWERED, .rc = code                                                 \
    }
#define TAKEN                                                                                      \
    {                                                                                              \
        .type = WEIR_CONSUMER_TAKEN                                                                \
    }
#define REPORTED                                                                                   \
    {                                                                                              \
        .type = WEIR_CONSUMER_REPORTED                                                             \
    }
#define RECALL                                                                                     \
    {                                                                                              \
        .type = WEIR_CONSUMER_RECALL                                                               \
    }
#define STOP                                                                                       \
    {                                                                                              \
        .type = WEIR_CONSUMER_STOP                                                                 \
    }
#define EMPTY                                                                                      \
    {                                                                                              \
        .type = WEIR_CONSUMER_EMPTY                                                                \
    }
#define SOUGHT                                                                                     \
    {                                                                                              \
        .type = WEIR_CONSUMER_SOUGHT                                                               \
    }

static const struct row {
    enum stand from;
    struct weir_consumer_event event;
    const char *comes; /* what is to be done, in order; "": nothing */
    enum stand to;
} rows[] = {
    /* A poll that waits leaves a fetch with the log, and asks again in the same round. */
    {IDLE, WAIT(3), "send-long", LONG},
    {IDLE, WAIT(4), "send-long", LONG},
    {SHORT, WAIT(4), "", SHORT},
    {LONG, WAIT(4), "", LONG},
    {CANCELED, WAIT(4), "", CANCELED},
    /* One that does not asks once, and calls back what an earlier one has left. */
    {IDLE, LOOK(3), "", IDLE},
    {IDLE, LOOK(4), "send", SHORT},
    {SHORT, LOOK(4), "", SHORT},
    {LONG, LOOK(4), "cancel", CANCELED},
    {CANCELED, LOOK(4), "", CANCELED},
    /* What it has, records or an error, it gives first. */
    {READY, WAIT(4), "", READY},
    {READY, LOOK(4), "", READY},
    {FAILED, WAIT(4), "", FAILED},
    {FAILED, LOOK(4), "", FAILED},
    /* The next fetch runs while the user has the last records, whatever round has asked. */
    {IDLE, USED_UP(3), "send-long", LONG},
    {IDLE, USED_UP_LOOK(3), "send", SHORT},
    {FAILED, USED_UP(3), "send-long", LONG},
    /* Answers. */
    {SHORT, BATCHES, "", READY},
    {LONG, BATCHES, "", READY},
    {CANCELED, BATCHES, "", READY},
    {SHORT, NOTHING, "", IDLE},
    {LONG, NOTHING, "", IDLE},
    {CANCELED, NOTHING, "", IDLE},
    {SHORT, FAILS(WEIR_OFFLINE), "", FAILED},
    {LONG, FAILS(WEIR_OFFLINE), "", FAILED},
    {CANCELED, FAILS(WEIR_OFFLINE), "", FAILED},
    /* That it is closed is an error, but for one that was called back. */
    {SHORT, FAILS(WEIR_CLOSED), "", FAILED},
    {LONG, FAILS(WEIR_CLOSED), "", FAILED},
    {CANCELED, FAILS(WEIR_CLOSED), "", IDLE},
    /* Given to the user. */
    {READY, TAKEN, "", IDLE},
    {FAILED, REPORTED, "", IDLE},
    /* Called back, once, where something would wait. */
    {IDLE, RECALL, "", IDLE},
    {FAILED, RECALL, "", FAILED},
    {SHORT, RECALL, "", SHORT},
    {LONG, RECALL, "cancel", CANCELED},
    {CANCELED, RECALL, "", CANCELED},
    {READY, RECALL, "", READY},
    /* Stopped: what is under way has to come back first, what has come is not wanted. */
    {IDLE, STOP, "", IDLE},
    {FAILED, STOP, "", IDLE},
    {SHORT, STOP, "wait", SHORT},
    {LONG, STOP, "cancel wait", CANCELED},
    {CANCELED, STOP, "wait", CANCELED},
    {READY, STOP, "release", IDLE},
    {IDLE, EMPTY, "", IDLE},
    {SHORT, EMPTY, "", SHORT},
    {IDLE, SOUGHT, "", IDLE},
};

/* The update in words, in the order of its fields. */
static void tell(const struct weir_consumer_update *update, char *text, size_t size)
{
    int used = snprintf(text, size, "%s%s%s%s%s", update->cancels ? "cancel " : "",
                        update->sends && !update->is_long ? "send " : "",
                        update->sends && update->is_long ? "send-long " : "",
                        update->releases ? "release " : "", update->waits ? "wait " : "");
    ck_assert_int_lt(used, (int)size);
    if (used > 0) text[used - 1] = '\0';
}

START_TEST(each_event_in_each_state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct weir_consumer_turn turn = stands[rows[i].from];
        struct weir_consumer_update update;
        char text[64];
        weir_consumer_step(&turn, &rows[i].event, &update);
        tell(&update, text, sizeof text);
        ck_assert_msg(strcmp(text, rows[i].comes) == 0, "row %zu: '%s', not '%s'", i, text,
                      rows[i].comes);
        ck_assert_msg(stand_of(&turn) == rows[i].to, "row %zu: %s, not %s", i,
                      names[stand_of(&turn)], names[rows[i].to]);
        ck_assert_uint_eq(turn.asked_round, update.sends ? rows[i].event.round
                                            : rows[i].event.type == WEIR_CONSUMER_SOUGHT ||
                                                    rows[i].event.type == WEIR_CONSUMER_EMPTY
                                                ? 0
                                                : 3);
    }
}
END_TEST

/* Read from elsewhere it is asked in the same poll once more; so it is where what came had no records. */
START_TEST(a_partition_that_was_sought_is_asked_again)
{
    static const struct weir_consumer_event again[] = {SOUGHT, EMPTY};
    struct weir_consumer_turn turn = stands[IDLE];
    struct weir_consumer_update update;
    weir_consumer_step(&turn, &(struct weir_consumer_event)LOOK(3), &update);
    ck_assert(!update.sends);
    weir_consumer_step(&turn, &again[_i], &update);
    weir_consumer_step(&turn, &(struct weir_consumer_event)LOOK(3), &update);
    ck_assert(update.sends && !update.is_long);
}
END_TEST

START_TEST(records_and_errors_are_something_to_give)
{
    for (size_t i = 0; i < sizeof stands / sizeof stands[0]; i++) {
        ck_assert_int_eq(weir_consumer_has_something(&stands[i]), i == READY || i == FAILED);
    }
}
END_TEST

/* Everything else is a mistake of ours. */
static const struct {
    enum stand from;
    struct weir_consumer_event event;
} wrong[] = {
    {SHORT, USED_UP(3)},
    {LONG, USED_UP(3)},
    {READY, USED_UP(3)},
    {IDLE, BATCHES},
    {READY, BATCHES},
    {IDLE, NOTHING},
    {READY, NOTHING},
    {IDLE, TAKEN},
    {FAILED, TAKEN},
    {SHORT, TAKEN},
    {IDLE, REPORTED},
    {SHORT, REPORTED},
    {READY, REPORTED},
    {FAILED, SOUGHT},
    {LONG, SOUGHT},
    {READY, SOUGHT},
    {SHORT, {.type = WEIR_CONSUMER_ANSWERED, .has_batches = true, .rc = WEIR_OFFLINE}},
};

START_TEST(a_wrong_event_ends_the_program)
{
    struct weir_consumer_turn turn = stands[wrong[_i].from];
    struct weir_consumer_update update;
    turn.topic = "clicks";
    weir_consumer_step(&turn, &wrong[_i].event, &update);
}
END_TEST

static struct weir_consumer_turn whole;
BREAKS(canceled_short, whole.is_canceled = true)
BREAKS(failed_fetching, whole.has_failed = true)
BREAKS(failed_ready, whole.state = WEIR_CONSUMER_READY; whole.has_failed = true)

static void (*const broken[])(void) = {canceled_short, failed_fetching, failed_ready};

START_TEST(a_broken_field_ends_the_program)
{
    whole = stands[SHORT];
    weir_consumer_turn_check(&whole);
    broken[_i]();
    weir_consumer_turn_check(&whole);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("consumer step");
    tcase_add_test(tests, each_event_in_each_state);
    tcase_add_loop_test(tests, a_partition_that_was_sought_is_asked_again, 0, 2);
    tcase_add_test(tests, records_and_errors_are_something_to_give);
    ADD_BROKEN(tests, a_wrong_event_ends_the_program, wrong);
    ADD_BROKEN(tests, a_broken_field_ends_the_program, broken);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("consumer step", add);
}
