/* Whether a partition is there, by tables: each row is an event in a state, with all that has to
 * come of it. What is not named in a row must not be asked for. */
#include "broker/engine/availability_step.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/broken.h"
#include "weir/error.h"

#define OPENING WEIR_AVAILABILITY_OPENING
#define ONLINE WEIR_AVAILABILITY_ONLINE
#define DAMAGED WEIR_AVAILABILITY_DAMAGED
#define OFFLINE WEIR_AVAILABILITY_OFFLINE
#define GONE WEIR_AVAILABILITY_GONE

#define OPENED(from)                                                                               \
    {                                                                                              \
        .type = WEIR_AVAILABILITY_OPENED, .offline_from = from                                     \
    }
#define NOT_OPENED(code)                                                                           \
    {                                                                                              \
        .type = WEIR_AVAILABILITY_NOT_OPENED, .rc = code                                           \
    }
#define LOOKED(from)                                                                               \
    {                                                                                              \
        .type = WEIR_AVAILABILITY_LOOKED, .offline_from = from                                     \
    }
#define TOLD(code)                                                                                 \
    {                                                                                              \
        .type = WEIR_AVAILABILITY_TOLD, .rc = code                                                 \
    }
#define SYNC(code)                                                                                 \
    {                                                                                              \
        .type = WEIR_AVAILABILITY_SYNC_FAILED, .rc = code                                          \
    }
#define WORK(code)                                                                                 \
    {                                                                                              \
        .type = WEIR_AVAILABILITY_WORK_FAILED, .rc = code                                          \
    }

struct row {
    enum weir_availability from;
    struct weir_availability_event event;
    const char *comes; /* what is to be done, in order; "": nothing */
    enum weir_availability to;
};

/* The update in words, in the order of its fields. */
static void tell(const struct weir_availability_update *update, char *text, size_t size)
{
    char offline[32];
    (void)snprintf(offline, sizeof offline, "offline %lld ", (long long)update->offline_from);
    int used =
        snprintf(text, size, "%s%s%s%s%s%s", update->adds_remedy ? "remedy " : "",
                 update->fails_directory ? "directory " : "", update->tells_offline ? offline : "",
                 update->tells_online ? "online " : "", update->answers_fetches ? "fetches " : "",
                 update->answers_acks ? "acks " : "");
    ck_assert_int_lt(used, (int)size);
    if (used > 0) text[used - 1] = '\0';
}

static void take(enum weir_availability *state, const struct row *row, size_t at)
{
    struct weir_availability_update update;
    char text[96];
    weir_availability_step(state, &row->event, &update);
    tell(&update, text, sizeof text);
    ck_assert_msg(strcmp(text, row->comes) == 0, "row %zu: '%s', not '%s'", at, text, row->comes);
    ck_assert_msg(*state == row->to, "row %zu: %s, not %s", at, weir_availability_name(*state),
                  weir_availability_name(row->to));
}

static const struct row rows[] = {
    /* An open that finds it whole lifts whatever was told before. */
    {OPENING, OPENED(-1), "online", ONLINE},
    /* One that finds damage has it told, and what lies below is served. */
    {OPENING, OPENED(0), "offline 0 fetches", DAMAGED},
    {OPENING, OPENED(40), "offline 40 fetches", DAMAGED},
    /* What is missing, another log's, damaged beyond its start or unreadable is offline, all of it.
     * A person can do something about what was there and is not. */
    {OPENING, NOT_OPENED(WEIR_OFFLINE), "remedy offline -1", GONE},
    {OPENING, NOT_OPENED(WEIR_CORRUPT), "offline -1", GONE},
    {OPENING, NOT_OPENED(WEIR_IO), "offline -1", GONE},
    {OPENING, NOT_OPENED(WEIR_PERMISSION), "offline -1", GONE},
    {OPENING, NOT_OPENED(WEIR_UNSUPPORTED_VERSION), "offline -1", GONE},
    /* A shortage passes, and so does the end of the process. */
    {OPENING, NOT_OPENED(WEIR_NO_SPACE), "", GONE},
    {OPENING, NOT_OPENED(WEIR_NO_MEMORY), "", GONE},
    {OPENING, NOT_OPENED(WEIR_LIMIT), "", GONE},
    {OPENING, NOT_OPENED(WEIR_CRASHED), "", GONE},
    /* Damage that a read finds is told once, however many run into it and however far down it
     * reaches later. */
    {ONLINE, LOOKED(-1), "", ONLINE},
    {ONLINE, LOOKED(40), "offline 40 fetches", DAMAGED},
    {DAMAGED, LOOKED(40), "offline 40 fetches", DAMAGED},
    {OFFLINE, LOOKED(40), "", OFFLINE},
    {OFFLINE, LOOKED(20), "", OFFLINE},
    /* Without memory it was not told: whoever looks next tells. */
    {DAMAGED, TOLD(0), "", OFFLINE},
    {DAMAGED, TOLD(WEIR_NO_MEMORY), "", DAMAGED},
    {GONE, TOLD(0), "", GONE},
    {GONE, TOLD(WEIR_NO_MEMORY), "", GONE},
    /* A failed sync takes the directory, but for that of a log that alone cannot be kept. */
    {ONLINE, SYNC(WEIR_IO), "directory acks", ONLINE},
    {DAMAGED, SYNC(WEIR_IO), "directory acks", DAMAGED},
    {OFFLINE, SYNC(WEIR_IO), "directory acks", OFFLINE},
    {ONLINE, SYNC(WEIR_OFFLINE), "acks", ONLINE},
    {DAMAGED, SYNC(WEIR_OFFLINE), "acks", DAMAGED},
    {OFFLINE, SYNC(WEIR_OFFLINE), "acks", OFFLINE},
    /* So does work that could not be written; one that found no room, or a log that is offline,
     * does not. */
    {ONLINE, WORK(WEIR_IO), "directory", ONLINE},
    {DAMAGED, WORK(WEIR_IO), "directory", DAMAGED},
    {OFFLINE, WORK(WEIR_IO), "directory", OFFLINE},
    {ONLINE, WORK(WEIR_NO_SPACE), "", ONLINE},
    {ONLINE, WORK(WEIR_OFFLINE), "", ONLINE},
    {DAMAGED, WORK(WEIR_OFFLINE), "", DAMAGED},
    {OFFLINE, WORK(WEIR_OFFLINE), "", OFFLINE},
};

START_TEST(each_event_in_each_state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum weir_availability state = rows[i].from;
        take(&state, &rows[i], i);
    }
}
END_TEST

/* Everything else is a mistake of ours. */
static const struct {
    enum weir_availability from;
    struct weir_availability_event event;
} wrong[] = {
    {ONLINE, OPENED(-1)},
    {DAMAGED, OPENED(40)},
    {OFFLINE, OPENED(-1)},
    {GONE, OPENED(-1)},
    {ONLINE, NOT_OPENED(WEIR_IO)},
    {DAMAGED, NOT_OPENED(WEIR_IO)},
    {OFFLINE, NOT_OPENED(WEIR_IO)},
    {GONE, NOT_OPENED(WEIR_IO)},
    {OPENING, NOT_OPENED(0)},
    {OPENING, LOOKED(40)},
    {GONE, LOOKED(40)},
    {OPENING, TOLD(0)},
    {ONLINE, TOLD(0)},
    {OFFLINE, TOLD(0)},
    {OPENING, SYNC(WEIR_IO)},
    {GONE, SYNC(WEIR_IO)},
    {ONLINE, SYNC(0)},
    {OPENING, WORK(WEIR_IO)},
    {GONE, WORK(WEIR_IO)},
    {ONLINE, WORK(0)},
};

START_TEST(a_wrong_event_ends_the_program)
{
    enum weir_availability state = wrong[_i].from;
    struct weir_availability_update update;
    weir_availability_step(&state, &wrong[_i].event, &update);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("availability step");
    tcase_add_test(tests, each_event_in_each_state);
    ADD_BROKEN(tests, a_wrong_event_ends_the_program, wrong);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("availability step", add);
}
