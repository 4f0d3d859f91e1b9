/**
 * The invariants of a connection and of its write queue, of a fetch session, of what it reads and
 * of a partition that it watches: each row breaks a field of one that is whole, and the check has
 * to end the program.
 */
#include "base/bytes.h"
#include "server/connection.h"
#include "server/handlers/fetch_part.h"
#include "server/handlers/fetch_poll.h"
#include "tests/support/broken.h"

static struct weir_connection whole; /* reading, with an answer that is being sent */
static struct weir_piece piece;
static struct weir_answer answer;
static struct weir_send sent;
static struct weir_head head;
static char socket_place, request_place;

static void set_up(void)
{
    piece = (struct weir_piece){.data_size = 10};
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

/* Two sessions of shard 1 of 4; the younger one reads a partition, which it watches with something
 * held. */
static struct weir_heap memory;
static struct weir_budget budget;
static struct weir_fetch_part part;
static struct weir_fetch_session older, session;
static struct weir_fetch_interest interest;
static struct weir_fetch_entry entry;
static struct weir_fetch_poll poll;

static void set_up_session(void)
{
    weir_heap_init(&memory, false);
    weir_budget_init(&budget, "checks", &memory, NULL, 0);
    part = (struct weir_fetch_part){.shard = 1, .shard_count = 4};
    weir_fetch_ring_init(&part.sessions_by_use);
    weir_fetch_ring_init(&part.interests);
    older = (struct weir_fetch_session){.used_at = {5}};
    session =
        (struct weir_fetch_session){.id = 9, .epoch = 1, .interest = &interest, .used_at = {7}};
    weir_store_u32(session.key, 9);
    weir_fetch_ring_insert(&part.sessions_by_use, &older.use);
    weir_fetch_ring_insert(&part.sessions_by_use, &session.use);
    interest = (struct weir_fetch_interest){
        .part = &part, .by_id = true, .size = 100, .out = 2, .returning = 1, .poll = &poll};
    poll = (struct weir_fetch_poll){.interest = &interest};
    weir_fetch_ring_insert(&part.interests, &interest.of_part);
    weir_fetch_ring_init(&interest.order);
    weir_fetch_ring_init(&interest.due);
    weir_fetch_ring_init(&interest.held);
    weir_fetch_ring_init(&interest.news);
    entry = (struct weir_fetch_entry){
        .interest = &interest,
        .state = WEIR_FETCH_WATCHED,
        .key = weir_text("0123456789abcdef0000"),
        .port.is_watch = true,
        .held = 10,
    };
    weir_map_init(&interest.entries, &budget);
    ck_assert_int_eq(weir_map_add(&interest.entries, entry.key, &entry), 0);
    weir_fetch_ring_insert(&interest.order, &entry.order);
    weir_fetch_ring_insert(&interest.held, &entry.line);
}

static void tear_down_session(void)
{
    weir_map_close(&interest.entries);
}

static void check_session(void)
{
    weir_fetch_session_check(&part, &session);
    weir_fetch_interest_check(&interest);
    weir_fetch_entry_check(&entry);
}

START_TEST(a_whole_session_passes)
{
    check_session();
    entry.state = WEIR_FETCH_DUE;
    entry.held = 0;
    entry.port.is_watch = false;
    check_session();
    weir_fetch_ring_remove(&entry.line);
    entry.state = WEIR_FETCH_GONE;
    entry.held = 10;
    entry.port.is_watch = true;
    check_session();
}
END_TEST

BREAKS(session_id, session.id = 0)
BREAKS(session_epoch, session.epoch = 0)
BREAKS(session_shard, part.shard = 2)
BREAKS(session_key, weir_store_u32(session.key, 13))
BREAKS(session_of_nothing, session.interest = NULL)
BREAKS(session_released, interest.is_released = true)
BREAKS(session_part, interest.part = NULL)
BREAKS(session_unlisted, weir_fetch_ring_remove(&session.use))
BREAKS(session_next, part.sessions_by_use.previous = &older.use)
BREAKS(session_previous, older.use.next = &older.use)
BREAKS(session_order, older.used_at.ns = 8)
BREAKS(interest_unlisted, weir_fetch_ring_remove(&interest.of_part))
BREAKS(interest_order, weir_fetch_ring_init(&interest.order))
BREAKS(interest_broken_order, interest.order.previous = &interest.due)
BREAKS(interest_due, interest.due.next = NULL)
BREAKS(interest_held, entry.line.previous = &entry.line)
BREAKS(interest_news, interest.news.previous = &interest.due)
BREAKS(interest_size, interest.size = 0)
BREAKS(interest_unnamed, interest.unnamed = 2)
BREAKS(interest_by_name, interest.by_id = false; interest.unnamed = 1)
BREAKS(interest_returning, interest.returning = 3)
BREAKS(interest_poll, poll.interest = NULL)
BREAKS(entry_interest, entry.interest = NULL)
BREAKS(entry_key, entry.key.size = 3)
BREAKS(entry_line, entry.line.next = &interest.due)
BREAKS(entry_due_nowhere, weir_fetch_ring_remove(&entry.line); entry.held = 0;
       entry.state = WEIR_FETCH_DUE)
BREAKS(entry_returning_in_line, entry.state = WEIR_FETCH_RETURNING)
BREAKS(entry_gone_in_line, entry.state = WEIR_FETCH_GONE)
BREAKS(entry_held_nowhere, weir_fetch_ring_remove(&entry.line))
BREAKS(entry_due_holds, entry.state = WEIR_FETCH_DUE)
BREAKS(entry_answered_holds, entry.state = WEIR_FETCH_ANSWERED)
BREAKS(entry_no_watch, entry.port.is_watch = false)
BREAKS(entry_stuck, entry.stuck_at = 1)
BREAKS(entry_not_out, interest.returning = interest.out = 0)
BREAKS(entry_asked_not_out, entry.state = WEIR_FETCH_ASKED; entry.held = 0;
       interest.returning = interest.out = 0)

static void (*const broken_session[])(void) = {
    session_id,           session_epoch,         session_shard,
    session_key,          session_of_nothing,    session_released,
    session_part,         session_unlisted,      session_next,
    session_previous,     session_order,         interest_unlisted,
    interest_order,       interest_broken_order, interest_due,
    interest_held,        interest_news,         interest_size,
    interest_unnamed,     interest_by_name,      interest_returning,
    interest_poll,        entry_interest,        entry_key,
    entry_line,           entry_due_nowhere,     entry_returning_in_line,
    entry_gone_in_line,   entry_held_nowhere,    entry_due_holds,
    entry_answered_holds, entry_no_watch,        entry_stuck,
    entry_not_out,        entry_asked_not_out,
};

START_TEST(a_broken_session_ends_the_program)
{
    broken_session[_i]();
    check_session();
}
END_TEST

static void add(Suite *suite)
{
    TCase *sessions = tcase_create("sessions");
    tcase_add_checked_fixture(sessions, set_up_session, tear_down_session);
    tcase_add_test(sessions, a_whole_session_passes);
    ADD_BROKEN(sessions, a_broken_session_ends_the_program, broken_session);
    suite_add_tcase(suite, sessions);
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
