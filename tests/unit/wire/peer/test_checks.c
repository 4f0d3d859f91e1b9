/**
 * The invariants of a connection to another server: each row breaks a field of one that is whole, and the
 * check has to end the program.
 */
#include "tests/support/broken.h"
#include "wire/peer/remote_internal.h"

static struct weir_remote whole; /* open, with a write under way, and calls of each kind */
static struct weir_remote_call waits, is_going, goes_next;
static uint8_t bytes[8];
static char socket_place;

static void add(struct weir_remote_calls *calls, struct weir_remote_call *call)
{
    *calls = (struct weir_remote_calls){call, call};
}

static void set_up(void)
{
    whole = (struct weir_remote){
        .state = WEIR_REMOTE_OPEN,
        .socket = (struct weir_socket *)&socket_place,
        .pending = {.data = bytes, .size = 4, .capacity = sizeof bytes},
        .sending = {.data = bytes, .size = 4, .capacity = sizeof bytes},
        .is_writing = true,
    };
    add(&whole.waiting, &waits);
    add(&whole.unanswered, &goes_next);
    add(&whole.unanswered_going, &is_going);
}

static void negotiate(void)
{
    whole.state = WEIR_REMOTE_NEGOTIATING;
    add(&whole.waiting, &whole.negotiation);
}

static void lose(void)
{
    whole.state = WEIR_REMOTE_LOST;
    whole.socket = NULL;
}

START_TEST(a_whole_connection_passes)
{
    weir_remote_check(&whole);
    negotiate();
    weir_remote_check(&whole);
    lose();
    weir_remote_check(&whole);
}
END_TEST

BREAKS(entered, whole.depth++)
BREAKS(no_socket, whole.socket = NULL)
BREAKS(lost_with_socket, whole.state = WEIR_REMOTE_LOST)
BREAKS(closed_with_socket, whole.is_closed = true)
BREAKS(waiting_last, whole.waiting.last = NULL)
BREAKS(waiting_first, whole.waiting.first = NULL)
BREAKS(waiting_goes_on, waits.next = &waits)
BREAKS(unanswered_last, whole.unanswered.last = NULL)
BREAKS(going_first, whole.unanswered_going.first = NULL)
BREAKS(read_beyond, whole.in.size = 1)
BREAKS(writes_nothing, whole.sending.size = 0)
BREAKS(does_not_write, whole.is_writing = false)
BREAKS(stands_still, whole.is_writing = false; whole.sending.size = 0;
       whole.unanswered_going = (struct weir_remote_calls){0})
BREAKS(unanswered_of_nothing, whole.pending.size = 0)
BREAKS(asked_too_early, negotiate(); add(&whole.waiting, &waits))
BREAKS(asked_behind, negotiate(); whole.waiting.last = &waits)

static void (*const broken[])(void) = {
    entered,        no_socket,       lost_with_socket, closed_with_socket,    waiting_last,
    waiting_first,  waiting_goes_on, unanswered_last,  going_first,           read_beyond,
    writes_nothing, does_not_write,  stands_still,     unanswered_of_nothing, asked_too_early,
    asked_behind,
};

START_TEST(a_broken_field_ends_the_program)
{
    broken[_i]();
    weir_remote_check(&whole);
}
END_TEST

static void add_tests(Suite *suite)
{
    TCase *tests = tcase_create("checks");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, a_whole_connection_passes);
    ADD_BROKEN(tests, a_broken_field_ends_the_program, broken);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("peer checks", add_tests);
}
