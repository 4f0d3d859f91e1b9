/* How the controller keeps which partitions are offline, by tables: each row is an event in a
 * state, with all that has to come of it. What is not named in a row must not be asked for. */
#include "broker/controller/offline_step.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/broken.h"
#include "weir/error.h"

#define ONLINE WEIR_OFFLINE_ONLINE
#define UNKEPT WEIR_OFFLINE_UNKEPT
#define KEPT WEIR_OFFLINE_KEPT

#define TOLD                                                                                       \
    {                                                                                              \
        .type = WEIR_OFFLINE_IS_TOLD                                                               \
    }
#define TOLD_STALE                                                                                 \
    {                                                                                              \
        .type = WEIR_OFFLINE_IS_TOLD, .is_stale = true                                             \
    }
#define OVER                                                                                       \
    {                                                                                              \
        .type = WEIR_OFFLINE_OVER_IS_TOLD                                                          \
    }
#define OVER_STALE                                                                                 \
    {                                                                                              \
        .type = WEIR_OFFLINE_OVER_IS_TOLD, .is_stale = true                                        \
    }
#define TURN                                                                                       \
    {                                                                                              \
        .type = WEIR_OFFLINE_TURN                                                                  \
    }
#define TURN_STALE                                                                                 \
    {                                                                                              \
        .type = WEIR_OFFLINE_TURN, .is_stale = true                                                \
    }
#define WAS_KEPT(code)                                                                             \
    {                                                                                              \
        .type = WEIR_OFFLINE_WAS_KEPT, .rc = code                                                  \
    }
#define GONE                                                                                       \
    {                                                                                              \
        .type = WEIR_OFFLINE_TOPIC_GONE                                                            \
    }

struct row {
    enum weir_offline from;
    struct weir_offline_event event;
    const char *comes; /* what is to be done, in order; "": nothing */
    enum weir_offline to;
};

/* The update in words, in the order of its fields. */
static void tell(const struct weir_offline_update *update, char *text, size_t size)
{
    int used = snprintf(text, size, "%s%s%s%s%s%s", update->drops_older ? "drop " : "",
                        update->keeps ? "keep " : "", update->lets_go ? "let-go " : "",
                        update->says_offline ? "say-offline " : "",
                        update->says_online ? "say-online " : "", update->waits ? "wait " : "");
    ck_assert_int_lt(used, (int)size);
    if (used > 0) text[used - 1] = '\0';
}

static void take(enum weir_offline *state, const struct row *row, size_t at)
{
    struct weir_offline_update update;
    char text[64];
    weir_offline_step(state, &row->event, &update);
    tell(&update, text, sizeof text);
    ck_assert_msg(strcmp(text, row->comes) == 0, "row %zu: '%s', not '%s'", at, text, row->comes);
    ck_assert_msg(*state == row->to, "row %zu: %s, not %s", at, weir_offline_name(*state),
                  weir_offline_name(row->to));
}

static const struct row rows[] = {
    /* It goes offline once, however often that is told. */
    {ONLINE, TOLD, "keep", ONLINE},
    {ONLINE, WAS_KEPT(0), "say-offline", KEPT},
    {KEPT, TOLD, "", KEPT},
    /* It comes back once. */
    {KEPT, OVER, "let-go say-online", ONLINE},
    {ONLINE, OVER, "", ONLINE},
    /* What there is no memory for waits, unsaid; the newest of a partition counts. */
    {ONLINE, WAS_KEPT(WEIR_NO_MEMORY), "wait", UNKEPT},
    {UNKEPT, TOLD, "drop keep", ONLINE},
    {UNKEPT, OVER, "drop", ONLINE},
    {UNKEPT, TURN, "keep", UNKEPT},
    {UNKEPT, WAS_KEPT(0), "say-offline", KEPT},
    {UNKEPT, WAS_KEPT(WEIR_NO_MEMORY), "wait", UNKEPT},
    /* News of a topic that is gone is none. */
    {ONLINE, TOLD_STALE, "", ONLINE},
    {ONLINE, OVER_STALE, "", ONLINE},
    {UNKEPT, TOLD_STALE, "drop", ONLINE},
    {UNKEPT, OVER_STALE, "drop", ONLINE},
    {UNKEPT, TURN_STALE, "", ONLINE},
    {KEPT, TOLD_STALE, "", KEPT},
    {KEPT, OVER_STALE, "", KEPT},
    /* With its topic it goes without a word. */
    {ONLINE, GONE, "", ONLINE},
    {UNKEPT, GONE, "", UNKEPT},
    {KEPT, GONE, "let-go", ONLINE},
};

START_TEST(each_event_in_each_state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum weir_offline state = rows[i].from;
        take(&state, &rows[i], i);
    }
}
END_TEST

/* Everything else is a mistake of ours. */
static const struct {
    enum weir_offline from;
    struct weir_offline_event event;
} wrong[] = {
    {ONLINE, TURN},        {ONLINE, TURN_STALE}, {KEPT, TURN},
    {KEPT, TURN_STALE},    {KEPT, WAS_KEPT(0)},  {KEPT, WAS_KEPT(WEIR_NO_MEMORY)},
    {ONLINE, WAS_KEPT(1)},
};

START_TEST(a_wrong_event_ends_the_program)
{
    enum weir_offline state = wrong[_i].from;
    struct weir_offline_update update;
    weir_offline_step(&state, &wrong[_i].event, &update);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("offline step");
    tcase_add_test(tests, each_event_in_each_state);
    ADD_BROKEN(tests, a_wrong_event_ends_the_program, wrong);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("offline step", add);
}
