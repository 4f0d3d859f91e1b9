/**
 * The invariants of a connection and of its write queue: each row breaks a field of one that is whole, and
 * the check has to end the program.
 */
#include "server/connection.h"
#include "tests/support/broken.h"

static struct weir_connection whole; /* reading, with an answer that is being sent */
static struct weir_piece piece;
static struct weir_answer answer;
static struct weir_send sent;
static struct weir_head head;
static char socket_place, request_place;

static void set_up(void)
{
    piece = (struct weir_piece){.size = 10};
    answer =
        (struct weir_answer){.pieces = &piece, .piece_count = 1, .size = 10, .memory_size = 10};
    whole = (struct weir_connection){
        .magic = WEIR_CONNECTION_MAGIC,
        .state = WEIR_CONNECTION_READING,
        .socket = (struct weir_socket *)&socket_place,
        .end_by = WEIR_MONO_NEVER,
        .head = &head,
        .send = &sent,
    };
    weir_write_queue_add(&whole.output, &answer);
}

START_TEST(a_whole_connection_passes)
{
    weir_connection_check(&whole);
    whole.state = WEIR_CONNECTION_ENDING;
    whole.end_by = (struct weir_mono){1};
    weir_connection_check(&whole);
}
END_TEST

#define REQUEST (struct weir_request_context *)&request_place
BREAKS(magic, whole.magic++)
BREAKS(closed, whole.state = WEIR_CONNECTION_CLOSED)
BREAKS(no_socket, whole.socket = NULL)
BREAKS(awaiting_with_head, whole.state = WEIR_CONNECTION_AWAITING)
BREAKS(ending_for_ever, whole.state = WEIR_CONNECTION_ENDING)
BREAKS(end_of_none, whole.end_by = (struct weir_mono){1})
BREAKS(send_for_ever, whole.write_deadline = WEIR_MONO_NEVER)
BREAKS(deadline_of_none, whole.send = NULL)
BREAKS(send_of_nothing, whole.output = (struct weir_write_queue){0})
BREAKS(line_last, whole.line.first = REQUEST; whole.line.count = 1)
BREAKS(line_first, whole.line.last = REQUEST)
BREAKS(line_count, whole.line.count = 1)
BREAKS(line_begin, whole.line.next_to_begin = REQUEST)
BREAKS(queue_last, whole.output.last = NULL)
BREAKS(queue_count, whole.output.count = 0)
BREAKS(queue_next, answer.next = &answer)
BREAKS(queue_one, static struct weir_answer other; whole.output.last = &other)
BREAKS(queue_empty, whole.send = NULL; whole.write_deadline = WEIR_MONO_NEVER;
       whole.output = (struct weir_write_queue){.memory_bytes = 1})
#ifdef WEIR_SLOW_ASSERTIONS
BREAKS(queue_bytes, whole.output.memory_bytes++)
BREAKS(queue_sent, answer.piece_at = 1)
#endif

static void (*const broken[])(void) = {
    magic,       closed,        no_socket,        awaiting_with_head, ending_for_ever,
    end_of_none, send_for_ever, deadline_of_none, send_of_nothing,    line_last,
    line_first,  line_count,    line_begin,       queue_last,         queue_count,
    queue_next,  queue_one,     queue_empty,
#ifdef WEIR_SLOW_ASSERTIONS
    queue_bytes, queue_sent,
#endif
};

START_TEST(a_broken_field_ends_the_program)
{
    broken[_i]();
    weir_connection_check(&whole);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("checks");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, a_whole_connection_passes);
    ADD_BROKEN(tests, a_broken_field_ends_the_program, broken);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("server checks", add);
}
