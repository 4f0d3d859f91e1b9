#include "client/producer_step.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/support.h"
#include "weir/error.h"

/**
 * The pure part of a producer's queue: by stories, each row an event with all that has to come of it, and by
 * a walk of random answers under which order and count must hold.
 */
enum { BATCHES = 12, RECORDS = 10 };

static struct weir_queued_batch batches[BATCHES];
static struct weir_producer_queue queue;

static struct weir_mono at(int64_t ms)
{
    return (struct weir_mono){ms * 1000000};
}

static int number_of(const struct weir_queued_batch *batch)
{
    return (int)(batch - batches);
}

static void begin(bool is_idempotent, bool is_answered)
{
    memset(batches, 0, sizeof batches);
    for (int i = 0; i < BATCHES; i++) {
        batches[i].record_count = RECORDS;
        weir_producer_batch_move(&batches[i], "t", WEIR_BATCH_OPEN);
    }
    queue = (struct weir_producer_queue){
        .topic = "t", .is_idempotent = is_idempotent, .is_answered = is_answered};
}

struct row {
    char event; /* s: seal, t: a turn, a: answer, f: failed, r: renewed, `batch` being the epoch */
    int batch;
    int64_t at_ms;
    int rc;
    const char
        *comes; /* batches by number: "renumber", "> 0 1": submitted, "= 0": over, with the rc */
};

static void say(char *text, size_t size, const char *word, int number)
{
    size_t used = strlen(text);
    int more = number < 0 ? snprintf(text + used, size - used, "%s", word)
                          : snprintf(text + used, size - used, "%s%d", word, number);
    ck_assert_uint_lt(used + (size_t)more, size);
}

static void step(const struct row *row, struct weir_producer_update *update)
{
    struct weir_producer_event event = {
        .now = at(row->at_ms), .batch = &batches[row->batch], .rc = row->rc};
    event.type = row->event == 's'   ? WEIR_PRODUCER_SEALED
                 : row->event == 't' ? WEIR_PRODUCER_TURN
                 : row->event == 'f' ? WEIR_PRODUCER_FAILED
                 : row->event == 'r' ? WEIR_PRODUCER_RENEWED
                                     : WEIR_PRODUCER_ANSWERED;
    event.epoch = (int16_t)row->batch;
    weir_producer_step(&queue, &event, update);
}

static void tell(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        struct weir_producer_update update;
        char text[128] = "";
        step(row, &update);
        if (update.renumbers) say(text, sizeof text, "renumber", -1);
        if (update.submit_count > 0) say(text, sizeof text, text[0] ? " >" : ">", -1);
        for (size_t b = 0; b < update.submit_count; b++) {
            say(text, sizeof text, " ", number_of(update.submits[b]));
            ck_assert_int_eq(update.submits[b]->state, WEIR_BATCH_IN_FLIGHT);
        }
        if (update.over != NULL) say(text, sizeof text, "=", -1);
        for (const struct weir_queued_batch *b = update.over; b != NULL; b = b->next) {
            say(text, sizeof text, " ", number_of(b));
            ck_assert_int_eq(b->state, WEIR_BATCH_DONE);
        }
        ck_assert_msg(strcmp(text, row->comes) == 0, "row %zu: '%s', not '%s'", i, text,
                      row->comes);
        if (row->event == 'a' && update.over != NULL) ck_assert_int_eq(update.rc, row->rc);
    }
}
#define TELL(rows) tell(rows, sizeof(rows) / sizeof(rows)[0])

/* ---- stories --------------------------------------------------------------------------------- */

/* One until the log knows the producer, then five; the sixth waits for the oldest, whichever else has
 * answered. */
START_TEST(five_are_on_their_way_once_the_first_was_accepted)
{
    begin(true, true);
    const struct row rows[] = {
        {'s', 0, 0, 0, ""},
        {'s', 1, 0, 0, ""},
        {'s', 2, 0, 0, ""},
        {'s', 3, 0, 0, ""},
        {'s', 4, 0, 0, ""},
        {'s', 5, 0, 0, ""},
        {'s', 6, 0, 0, ""},
        {'t', 0, 0, 0, "> 0"},
        {'t', 0, 1, 0, ""},
        {'a', 0, 2, 0, "= 0"},
        {'t', 0, 2, 0, "> 1 2 3 4 5"},
        {'a', 3, 3, 0, "= 3"},
        {'t', 0, 3, 0, ""},
        {'a', 1, 4, 0, "= 1"},
        {'t', 0, 4, 0, "> 6"},
    };
    TELL(rows);
    for (int i = 0; i < 7; i++) {
        ck_assert_int_eq(batches[i].sequence, i * RECORDS);
    }
    ck_assert_int_eq(queue.next_sequence, 7 * RECORDS);
    ck_assert_int_eq(queue.in_flight, 4);
}
END_TEST

/* What fails for a while holds back all behind it, and those on their way come back out of order: they are
 * sent again after it, with the sequences they had. */
START_TEST(a_retry_is_not_overtaken)
{
    begin(true, true);
    const struct row rows[] = {
        {'s', 0, 0, 0, ""},        {'t', 0, 0, 0, "> 0"},
        {'a', 0, 1, 0, "= 0"},     {'s', 1, 1, 0, ""},
        {'s', 2, 1, 0, ""},        {'s', 3, 1, 0, ""},
        {'t', 0, 1, 0, "> 1 2 3"}, {'a', 1, 10, WEIR_NO_MEMORY, ""},
        {'t', 0, 10, 0, ""},       {'a', 2, 11, WEIR_OUT_OF_ORDER_SEQUENCE, ""},
        {'t', 0, 11, 0, ""},       {'s', 4, 12, 0, ""},
        {'t', 0, 12, 0, ""},       {'a', 3, 13, WEIR_OUT_OF_ORDER_SEQUENCE, ""},
        {'t', 0, 109, 0, ""},      {'t', 0, 110, 0, "> 1 2 3 4"},
    };
    TELL(rows);
    for (int i = 1; i < 5; i++) {
        ck_assert_int_eq(batches[i].sequence, i * RECORDS);
    }
    ck_assert_int_eq(queue.epoch, 0);
}
END_TEST

/* With nothing on its way the queue says when the next turn is worth having. */
START_TEST(the_queue_says_when_a_retry_is_due)
{
    begin(true, true);
    ck_assert_int_eq(weir_producer_queue_due(&queue).ns, WEIR_MONO_NEVER.ns);
    const struct row rows[] = {{'s', 0, 5, 0, ""}, {'t', 0, 5, 0, "> 0"}};
    TELL(rows);
    ck_assert_int_eq(weir_producer_queue_due(&queue).ns, WEIR_MONO_NEVER.ns);
    const struct row fails[] = {{'a', 0, 7, WEIR_NO_MEMORY, ""}};
    TELL(fails);
    ck_assert_int_eq(weir_producer_queue_due(&queue).ns, at(107).ns);
}
END_TEST

/* A batch that failed for good: nothing is sent until the rest has answered, then the epoch rises, what
 * waits is numbered from 0, and the log has to accept a first one again. */
START_TEST(a_hole_is_closed_by_a_higher_epoch)
{
    begin(true, true);
    const struct row rows[] = {
        {'s', 0, 0, 0, ""},
        {'t', 0, 0, 0, "> 0"},
        {'a', 0, 1, 0, "= 0"},
        {'s', 1, 1, 0, ""},
        {'s', 2, 1, 0, ""},
        {'s', 3, 1, 0, ""},
        {'t', 0, 1, 0, "> 1 2 3"},
        {'a', 1, 2, WEIR_TOO_LARGE, "= 1"},
        {'t', 0, 2, 0, ""},
        {'a', 2, 3, WEIR_OUT_OF_ORDER_SEQUENCE, ""},
        {'t', 0, 3, 0, ""},
        {'a', 3, 4, WEIR_OUT_OF_ORDER_SEQUENCE, ""},
        {'t', 0, 4, 0, "renumber > 2"},
        {'s', 4, 5, 0, ""},
        {'t', 0, 5, 0, ""},
        {'a', 2, 6, 0, "= 2"},
        {'t', 0, 6, 0, "> 3 4"},
    };
    TELL(rows);
    ck_assert_int_eq(queue.epoch, 1);
    ck_assert_int_eq(batches[2].sequence, 0);
    ck_assert_int_eq(batches[3].sequence, RECORDS);
    ck_assert_int_eq(batches[4].sequence, 2 * RECORDS);
}
END_TEST

/* The hole is closed though nothing waits behind it. */
START_TEST(a_hole_at_the_end_is_closed_too)
{
    begin(true, true);
    const struct row rows[] = {
        {'s', 0, 0, 0, ""},         {'t', 0, 0, 0, "> 0"}, {'a', 0, 1, WEIR_TOO_LARGE, "= 0"},
        {'t', 0, 1, 0, "renumber"}, {'s', 1, 2, 0, ""},    {'t', 0, 2, 0, "> 1"},
    };
    TELL(rows);
    ck_assert_int_eq(batches[1].sequence, 0);
    ck_assert_int_eq(queue.epoch, 1);
}
END_TEST

/* No higher epoch is left: what waits fails, and what comes. */
START_TEST(behind_the_last_epoch_all_fails)
{
    begin(true, true);
    queue.epoch = INT16_MAX;
    const struct row rows[] = {
        {'s', 0, 0, 0, ""},
        {'s', 1, 0, 0, ""},
        {'s', 2, 0, 0, ""},
        {'t', 0, 0, 0, "> 0"},
        {'a', 0, 1, WEIR_TOO_LARGE, "= 0"},
        {'t', 0, 1, 0, "= 1 2"},
        {'s', 3, 2, 0, ""},
        {'t', 0, 2, 0, "= 3"},
    };
    TELL(rows);
    struct weir_producer_update update;
    step(&(struct row){'s', 4, 3, 0, ""}, &update);
    step(&(struct row){'t', 0, 3, 0, ""}, &update);
    ck_assert_int_eq(update.rc, WEIR_PRODUCER_FENCED);
}
END_TEST

/* Two minutes after the seal it is not tried again. */
START_TEST(a_retry_ends_with_the_delivery_timeout)
{
    begin(true, true);
    const struct row rows[] = {
        {'s', 0, 0, 0, ""},
        {'t', 0, 0, 0, "> 0"},
        {'a', 0, 119999, WEIR_NO_MEMORY, ""},
        {'t', 0, 120099, 0, "> 0"},
        {'a', 0, 120100, WEIR_NO_MEMORY, "= 0"},
    };
    TELL(rows);
    ck_assert(queue.has_hole);
}
END_TEST

/* Out of order at the front, with no hole before it: the log has other records there than we know of. */
START_TEST(out_of_order_at_the_front_is_final)
{
    begin(true, true);
    const struct row rows[] = {
        {'s', 0, 0, 0, ""},
        {'t', 0, 0, 0, "> 0"},
        {'a', 0, 1, WEIR_OUT_OF_ORDER_SEQUENCE, "= 0"},
    };
    TELL(rows);
}
END_TEST

/* Without sequences one at a time, and a failure is that batch's alone. */
START_TEST(without_idempotence_one_is_on_its_way)
{
    begin(false, true);
    const struct row rows[] = {
        {'s', 0, 0, 0, ""},
        {'s', 1, 0, 0, ""},
        {'t', 0, 0, 0, "> 0"},
        {'a', 0, 1, 0, "= 0"},
        {'s', 2, 1, 0, ""},
        {'t', 0, 1, 0, "> 1"},
        {'a', 1, 2, WEIR_NO_MEMORY, ""},
        {'t', 0, 50, 0, ""},
        {'t', 0, 102, 0, "> 1"},
        {'a', 1, 103, WEIR_TOO_LARGE, "= 1"},
        {'t', 0, 103, 0, "> 2"},
    };
    TELL(rows);
    ck_assert_int_eq(queue.epoch, 0);
}
END_TEST

/* With acks=none nothing is waited for and nothing is sent twice. */
START_TEST(without_acks_nothing_is_tried_again)
{
    begin(false, false);
    const struct row rows[] = {
        {'s', 0, 0, 0, ""},      {'s', 1, 0, 0, ""},
        {'t', 0, 0, 0, "> 0 1"}, {'a', 0, 1, WEIR_NO_MEMORY, "= 0"},
        {'t', 0, 1, 0, ""},      {'a', 1, 1, 0, "= 1"},
    };
    TELL(rows);
}
END_TEST

static void begin_transaction(void)
{
    begin(true, true);
    queue.is_transactional = true;
    const struct row rows[] = {{'r', 3, 0, 0, ""}};
    TELL(rows);
}

/* What failed for good takes with it all that waits, once what is on its way has answered, however that may go; no epoch is
 * raised. With the next transaction the queue begins anew. */
START_TEST(a_failure_within_a_transaction_takes_all_with_it)
{
    begin_transaction();
    const struct row rows[] = {
        {'s', 0, 0, 0, ""},
        {'t', 0, 0, 0, "> 0"},
        {'a', 0, 1, 0, "= 0"},
        {'s', 1, 1, 0, ""},
        {'s', 2, 1, 0, ""},
        {'s', 3, 1, 0, ""},
        {'t', 0, 1, 0, "> 1 2 3"},
        {'s', 4, 1, 0, ""},
        {'a', 1, 2, WEIR_TOO_LARGE, "= 1"},
        {'t', 0, 2, 0, ""},
        {'a', 2, 3, WEIR_OUT_OF_ORDER_SEQUENCE, "= 2"},
        {'a', 3, 4, WEIR_NO_MEMORY, "= 3"},
        {'t', 0, 4, 0, "= 4"},
        {'s', 5, 5, 0, ""},
        {'t', 0, 5, 0, "= 5"},
        {'r', 4, 6, 0, ""},
        {'s', 6, 7, 0, ""},
        {'t', 0, 7, 0, "> 6"},
    };
    TELL(rows);
    ck_assert_int_eq(queue.epoch, 4);
    ck_assert_int_eq(batches[6].sequence, 0);
}
END_TEST

/* An abort: what has not been sent is not, and what is on its way is waited for. */
START_TEST(what_is_aborted_is_not_sent)
{
    begin_transaction();
    const struct row rows[] = {
        {'s', 0, 0, 0, ""},    {'s', 1, 0, 0, ""},
        {'t', 0, 0, 0, "> 0"}, {'f', 0, 1, WEIR_TRANSACTION_ABORTABLE, ""},
        {'t', 0, 1, 0, ""},    {'a', 0, 2, 0, "= 0"},
    };
    TELL(rows);
    struct weir_producer_update update;
    step(&(struct row){'t', 0, 3, 0, ""}, &update);
    ck_assert_ptr_eq(update.over, &batches[1]);
    ck_assert_int_eq(update.rc, WEIR_TRANSACTION_ABORTABLE);
}
END_TEST

/* ---- moves and wrong orders ------------------------------------------------------------------ */

static const enum weir_producer_batch_state road[5][4] = {
    [WEIR_BATCH_OPEN] = {WEIR_BATCH_OPEN},
    [WEIR_BATCH_READY] = {WEIR_BATCH_OPEN, WEIR_BATCH_READY},
    [WEIR_BATCH_IN_FLIGHT] = {WEIR_BATCH_OPEN, WEIR_BATCH_READY, WEIR_BATCH_IN_FLIGHT},
    [WEIR_BATCH_DONE] = {WEIR_BATCH_OPEN, WEIR_BATCH_DONE},
};

static struct weir_queued_batch batch_in(int state)
{
    struct weir_queued_batch batch = {.record_count = RECORDS};
    for (int i = 0; batch.state != (enum weir_producer_batch_state)state; i++) {
        weir_producer_batch_move(&batch, "t", road[state][i]);
    }
    return batch;
}

/* By state (rows) and the next one: free, open, ready, in flight, done. */
static const char *const moves[] = {".x...", "x.x.x", "...xx", "..x.x", "x...."};

START_TEST(the_moves_of_the_drawing_are_taken)
{
    for (int cell = 0; cell < 25; cell++) {
        struct weir_queued_batch batch = batch_in(cell / 5);
        if (moves[cell / 5][cell % 5] != 'x') continue;
        weir_producer_batch_move(&batch, "t", (enum weir_producer_batch_state)(cell % 5));
        ck_assert_int_eq(batch.state, cell % 5);
    }
}
END_TEST

/* 16 moves that the drawing does not have, then a seal and an answer of a batch in each state that they are
 * not for. */
enum { WRONG_MOVES = 16, WRONG = WRONG_MOVES + 4 + 4 };

START_TEST(a_wrong_order_ends_the_program)
{
    int left = _i;
    for (int cell = 0; _i < WRONG_MOVES; cell++) {
        ck_assert_int_lt(cell, 25);
        if (moves[cell / 5][cell % 5] == 'x' || left-- > 0) continue;
        struct weir_queued_batch batch = batch_in(cell / 5);
        weir_producer_batch_move(&batch, "t", (enum weir_producer_batch_state)(cell % 5));
        return;
    }
    bool is_seal = _i - WRONG_MOVES < 4;
    int right = is_seal ? WEIR_BATCH_OPEN : WEIR_BATCH_IN_FLIGHT;
    int state = (_i - WRONG_MOVES) % 4;
    if (state >= right) state++;
    begin(true, true);
    const struct row rows[] = {{'s', 0, 0, 0, ""}, {'t', 0, 0, 0, "> 0"}};
    TELL(rows); /* one is in flight, but not that one */
    batches[1] = batch_in(state);
    struct weir_producer_update update;
    step(&(struct row){is_seal ? 's' : 'a', 1, 0, 0, ""}, &update);
}
END_TEST

/* ---- any order of answers -------------------------------------------------------------------- */

/* A log with Kafka's rules: the next sequence of an epoch, or 0 of a higher one. */
struct log {
    int16_t epoch;
    int32_t next;
    bool is_known;
    int last; /* stored */
};

static uint32_t draw(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % below;
}

static int append(struct log *log, const struct weir_queued_batch *batch, uint32_t *seed)
{
    static const int faults[] = {WEIR_NO_MEMORY, WEIR_NO_SPACE, WEIR_TOO_LARGE};
    uint32_t fault = draw(seed, 10);
    if (fault < 3) return faults[fault];
    bool is_next = log->is_known && queue.epoch == log->epoch && batch->sequence == log->next;
    bool is_first = !log->is_known || (queue.epoch > log->epoch && batch->sequence == 0);
    if (!is_next && !is_first) return WEIR_OUT_OF_ORDER_SEQUENCE;
    ck_assert_int_gt(number_of(batch), log->last); /* once, and in order */
    *log = (struct log){.is_known = true,
                        .epoch = queue.epoch,
                        .next = batch->sequence + batch->record_count,
                        .last = number_of(batch)};
    return 0;
}

/* What is on its way is answered in the order it was sent (a log answers a partition in order), between
 * seals and turns at random: every batch is over once, those that were stored in their order. */
START_TEST(order_and_count_hold_under_any_answers)
{
    for (uint32_t round = 1; round <= 500; round++) {
        uint32_t seed = round;
        struct log log = {.last = -1};
        struct weir_queued_batch *sent[BATCHES * 64];
        int rcs[BATCHES * 64];
        size_t sent_count = 0;
        size_t answered = 0;
        int sealed = 0;
        int over = 0;
        begin(true, true);
        for (int64_t ms = 0; over < BATCHES; ms += 20) {
            struct weir_producer_update update;
            ck_assert_int_lt(ms, 100000);
            if (sealed < BATCHES && draw(&seed, 2) == 0) {
                step(&(struct row){'s', sealed++, ms, 0, ""}, &update);
            }
            step(&(struct row){'t', 0, ms, 0, ""}, &update);
            for (size_t i = 0; i < update.submit_count; i++) {
                ck_assert_uint_lt(sent_count, sizeof sent / sizeof sent[0]);
                ck_assert_uint_lt(update.submits[i]->number - queue.first->number,
                                  WEIR_PRODUCER_IN_FLIGHT_MAX);
                sent[sent_count] = update.submits[i];
                rcs[sent_count++] = append(&log, update.submits[i], &seed);
            }
            while (answered < sent_count && draw(&seed, 3) > 0) {
                int number = number_of(sent[answered]);
                step(&(struct row){'a', number, ms, rcs[answered], ""}, &update);
                answered++;
                over += update.over != NULL;
            }
        }
        ck_assert_ptr_null(queue.first);
        ck_assert_int_eq(queue.in_flight, 0);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("producer_step");
    tcase_add_test(tests, five_are_on_their_way_once_the_first_was_accepted);
    tcase_add_test(tests, a_retry_is_not_overtaken);
    tcase_add_test(tests, the_queue_says_when_a_retry_is_due);
    tcase_add_test(tests, a_hole_is_closed_by_a_higher_epoch);
    tcase_add_test(tests, a_hole_at_the_end_is_closed_too);
    tcase_add_test(tests, behind_the_last_epoch_all_fails);
    tcase_add_test(tests, a_retry_ends_with_the_delivery_timeout);
    tcase_add_test(tests, out_of_order_at_the_front_is_final);
    tcase_add_test(tests, without_idempotence_one_is_on_its_way);
    tcase_add_test(tests, without_acks_nothing_is_tried_again);
    tcase_add_test(tests, a_failure_within_a_transaction_takes_all_with_it);
    tcase_add_test(tests, what_is_aborted_is_not_sent);
    tcase_add_test(tests, the_moves_of_the_drawing_are_taken);
    tcase_add_test(tests, order_and_count_hold_under_any_answers);
    if (weir_test_forks()) {
        tcase_add_loop_test_raise_signal(tests, a_wrong_order_ends_the_program, SIGABRT, 0, WRONG);
    }
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("producer_step", add);
}
