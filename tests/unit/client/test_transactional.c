/* Transactions over the engine in this process, as a program writes them: commit, abort, fencing, a crash between,
 * offsets with outputs, and both kinds of readers. Nothing is waited for by time: a commit's markers come a little after
 * it, and readers wait for them. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/client/stage.h"

enum { PATIENCE_MS = 60000 };

static struct stage stage;

static void open_stage(int kind)
{
    stage_open(&stage, kind, 7);
    ck_ok(weir_topic_create(stage.log, "in", 1, NULL, 0, &stage.error), &stage.error);
    ck_ok(weir_topic_create(stage.log, "out", 1, NULL, 0, &stage.error), &stage.error);
}

/* ---- a producer ------------------------------------------------------------------------------ */

static struct weir_producer *copier(void)
{
    return stage_producer(&stage, (struct weir_producer_options){.transactional_id = "copier"});
}

static void begin(struct weir_producer *producer)
{
    ck_ok(weir_producer_begin(producer, &stage.error), &stage.error);
}

static void commit(struct weir_producer *producer)
{
    ck_ok(weir_producer_commit(producer, &stage.error), &stage.error);
}

static void give_up(struct weir_producer *producer)
{
    ck_ok(weir_producer_abort(producer, &stage.error), &stage.error);
}

static void flush(struct weir_producer *producer)
{
    ck_ok(weir_producer_flush(producer, &stage.error), &stage.error);
}

static void end(struct weir_producer *producer)
{
    ck_ok(weir_producer_close(producer, &stage.error), &stage.error);
}

static void send_offset(struct weir_producer *producer, int64_t offset)
{
    const struct weir_offset_to_commit to_commit = {"in", 0, offset, NULL};
    const struct weir_group_metadata group = {.group = "g"};
    ck_ok(weir_producer_send_offsets(producer, &to_commit, 1, &group, &stage.error), &stage.error);
}

/* ---- readers --------------------------------------------------------------------------------- */

static struct weir_consumer *reader(int isolation_level, int64_t position)
{
    struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT, .group = "r"};
    options.isolation_level = isolation_level;
    struct weir_consumer *consumer = weir_consumer_new(stage.log, &options, &stage.error);
    ck_assert_msg(consumer != NULL, "%s", stage.error.text);
    ck_ok(weir_consumer_assign(consumer, "out", 0, position, &stage.error), &stage.error);
    return consumer;
}

/* Exactly these come, up to where the reader reads to. */
static void expect(struct weir_consumer *consumer, const int *numbers, size_t count)
{
    size_t at = 0;
    while (at < count) {
        struct weir_batch_view view;
        ck_ok(weir_consumer_poll(consumer, PATIENCE_MS, &view, &stage.error), &stage.error);
        for (size_t i = 0; i < view.record_count; i++) {
            ck_assert_uint_lt(at, count);
            ck_assert_int_eq(stage_number(&view.records[i]), numbers[at]);
            at++;
        }
    }
    int more[4];
    ck_assert_uint_eq(stage_read_all(&stage, consumer, more, 4), 0);
}
#define EXPECT(consumer, ...)                                                                      \
    expect(consumer, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void close_reader(struct weir_consumer *consumer)
{
    ck_ok(weir_consumer_close(consumer, &stage.error), &stage.error);
}

/* Where group g goes on, once no transaction is open that moves it. */
static int64_t goes_on_at(void)
{
    int64_t offset = -1;
    struct weir_consumer *consumer = stage_consumer(&stage, "g");
    ck_ok(weir_consumer_assign(consumer, "in", 0, WEIR_POSITION_COMMITTED, &stage.error),
          &stage.error);
    ck_ok(weir_consumer_position(consumer, "in", 0, &offset), NULL);
    close_reader(consumer);
    return offset;
}

static int64_t end_of_out(void)
{
    int64_t end_offset = -1;
    ck_ok(weir_topic_offsets(stage.log, "out", 0, NULL, &end_offset, &stage.error), &stage.error);
    return end_offset;
}

/* ---- stories --------------------------------------------------------------------------------- */

/* Who reads committed sees nothing of what is open, all of what is committed, nothing of what is aborted; who does not
 * sees it all as it comes. Both end at the end of the log, behind markers too. */
START_TEST(readers_see_what_they_asked_for)
{
    open_stage(_i);
    struct weir_producer *producer = copier();
    struct weir_consumer *careful = reader(WEIR_READ_COMMITTED, 0);
    struct weir_consumer *hasty = reader(WEIR_READ_UNCOMMITTED, 0);
    begin(producer);
    stage_send(&stage, producer, "out", 0, 1);
    stage_send(&stage, producer, "out", 0, 2);
    flush(producer);
    EXPECT(hasty, 1, 2);
    int none[1];
    ck_assert_uint_eq(stage_read_all(&stage, careful, none, 1), 0);
    commit(producer);
    EXPECT(careful, 1, 2);

    begin(producer);
    stage_send(&stage, producer, "out", 0, 3);
    flush(producer);
    give_up(producer);
    begin(producer);
    stage_send(&stage, producer, "out", 0, 4);
    commit(producer);
    EXPECT(careful, 4);
    EXPECT(hasty, 3, 4);
    struct weir_consumer *late = reader(WEIR_READ_COMMITTED, WEIR_POSITION_BEGINNING);
    EXPECT(late, 1, 2, 4);
    struct weir_consumer *readers[] = {careful, hasty, late};
    for (size_t i = 0; i < 3; i++) {
        int64_t position = -1;
        ck_ok(weir_consumer_position(readers[i], "out", 0, &position), NULL);
        ck_assert_int_eq(position, end_of_out());
        close_reader(readers[i]);
    }
    end(producer);
    stage_close(&stage);
}
END_TEST

/* The end of who reads committed lies before what is open. */
START_TEST(the_end_is_before_what_is_open)
{
    open_stage(_i);
    struct weir_producer *producer = copier();
    begin(producer);
    stage_send(&stage, producer, "out", 0, 1);
    flush(producer);
    for (int level = 0; level < 2; level++) {
        struct weir_consumer *consumer = reader(level, WEIR_POSITION_END);
        int64_t position = -1;
        ck_ok(weir_consumer_position(consumer, "out", 0, &position), NULL);
        ck_assert_int_eq(position, level == WEIR_READ_COMMITTED ? 0 : 1);
        close_reader(consumer);
    }
    end(producer);
    stage_close(&stage);
}
END_TEST

/* Offsets move with the outputs that they stand for, or stay with them. */
START_TEST(offsets_move_with_outputs)
{
    open_stage(_i);
    struct weir_producer *producer = copier();
    begin(producer);
    stage_send(&stage, producer, "out", 0, 1);
    send_offset(producer, 10);
    int64_t offset = 0;
    ck_ok(weir_committed(stage.log, "g", "in", 0, &offset, &stage.error), &stage.error);
    ck_assert_int_eq(offset, -1);
    give_up(producer);
    ck_assert_int_eq(goes_on_at(), 0);
    begin(producer);
    send_offset(producer, 20);
    commit(producer);
    ck_assert_int_eq(goes_on_at(), 20);
    end(producer);
    stage_reopen(&stage);
    ck_assert_int_eq(goes_on_at(), 20);
    stage_close(&stage);
}
END_TEST

/* The producer that was opened last is right: what the first had open is aborted, and all it tries is refused. */
START_TEST(a_second_producer_fences_the_first)
{
    open_stage(_i);
    struct weir_producer *first = copier();
    begin(first);
    stage_send(&stage, first, "out", 0, 1);
    send_offset(first, 10);
    flush(first);
    struct weir_producer *second = copier();
    begin(second);
    stage_send(&stage, second, "out", 0, 2);
    commit(second);
    ck_assert_int_eq(weir_producer_commit(first, &stage.error), WEIR_PRODUCER_FENCED);
    ck_assert_int_eq(weir_producer_status(first), WEIR_PRODUCER_LOST);
    ck_assert_int_eq(weir_producer_begin(first, &stage.error), WEIR_PRODUCER_FENCED);
    end(first);
    struct weir_consumer *consumer = reader(WEIR_READ_COMMITTED, 0);
    EXPECT(consumer, 2);
    close_reader(consumer);
    ck_assert_int_eq(goes_on_at(), 0);
    end(second);
    stage_close(&stage);
}
END_TEST

/* A crash within a transaction: whoever comes next with the id aborts it, and goes on; one that was committed stays. */
START_TEST(a_crash_leaves_whole_transactions)
{
    stage_open(&stage, STAGE_SIM, (uint64_t)_i + 1);
    ck_ok(weir_topic_create(stage.log, "in", 1, NULL, 0, &stage.error), &stage.error);
    ck_ok(weir_topic_create(stage.log, "out", 1, NULL, 0, &stage.error), &stage.error);
    struct weir_producer *producer = copier();
    begin(producer);
    stage_send(&stage, producer, "out", 0, 1);
    send_offset(producer, 10);
    commit(producer);
    begin(producer);
    stage_send(&stage, producer, "out", 0, 2);
    send_offset(producer, 20);
    flush(producer);
    stage_crash(&stage, _i % 2 == 0 ? WEIR_SIM_POWER : WEIR_SIM_KILL);

    producer = copier();
    begin(producer);
    stage_send(&stage, producer, "out", 0, 3);
    commit(producer);
    struct weir_consumer *consumer = reader(WEIR_READ_COMMITTED, 0);
    EXPECT(consumer, 1, 3);
    close_reader(consumer);
    ck_assert_int_eq(goes_on_at(), 10);
    end(producer);
    stage_close(&stage);
}
END_TEST

/* A transaction's consumer as a member: what it reads moves with what it writes, also when its group has moved on. */
START_TEST(a_members_offsets_are_checked)
{
    open_stage(_i);
    struct weir_producer *input = stage_producer(&stage, (struct weir_producer_options){0});
    for (int i = 0; i < 3; i++) {
        stage_send(&stage, input, "in", 0, i);
    }
    end(input);
    const char *topics[] = {"in"};
    struct weir_consumer *consumer = stage_consumer(&stage, "g");
    struct weir_group_metadata group;
    ck_ok(weir_consumer_subscribe(consumer, topics, 1, &stage.error), &stage.error);
    ck_assert_int_eq(weir_consumer_group_metadata(consumer, &group, &stage.error),
                     WEIR_UNKNOWN_MEMBER_ID);
    struct weir_batch_view view;
    ck_ok(weir_consumer_poll(consumer, PATIENCE_MS, &view, &stage.error), &stage.error);
    ck_ok(weir_consumer_group_metadata(consumer, &group, &stage.error), &stage.error);
    ck_assert_str_eq(group.group, "g");
    ck_assert_int_gt(group.generation, 0);

    struct weir_producer *producer = copier();
    const struct weir_offset_to_commit offset = {"in", 0, 2, NULL};
    begin(producer);
    ck_ok(weir_producer_send_offsets(producer, &offset, 1, &group, &stage.error), &stage.error);
    commit(producer);
    begin(producer);
    struct weir_group_metadata before = group;
    before.generation += 5;
    ck_assert_int_eq(weir_producer_send_offsets(producer, &offset, 1, &before, &stage.error),
                     WEIR_ILLEGAL_GENERATION);
    ck_assert_int_eq(weir_producer_status(producer), WEIR_PRODUCER_MUST_ABORT);
    give_up(producer);
    close_reader(consumer);
    ck_assert_int_eq(goes_on_at(), 2);
    end(producer);
    stage_close(&stage);
}
END_TEST

/* Many in a row, of both ends: each is seen whole or not at all, in order. */
START_TEST(many_transactions_follow_one_another)
{
    enum { TRANSACTIONS = 60 };
    int expected[3 * TRANSACTIONS];
    size_t count = 0;
    open_stage(_i);
    struct weir_producer *producer = copier();
    for (int t = 0; t < TRANSACTIONS; t++) {
        begin(producer);
        for (int i = 0; i < 3; i++) {
            stage_send(&stage, producer, "out", 0, 10 * t + i);
            if (t % 3 != 1) expected[count++] = 10 * t + i;
        }
        if (t % 2 == 0) flush(producer);
        if (t % 3 == 1) {
            give_up(producer);
        } else {
            commit(producer);
        }
    }
    struct weir_consumer *consumer = reader(WEIR_READ_COMMITTED, 0);
    expect(consumer, expected, count);
    close_reader(consumer);
    end(producer);
    stage_close(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("transactional");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, readers_see_what_they_asked_for, 0, STAGE_COUNT);
    tcase_add_loop_test(tests, the_end_is_before_what_is_open, 0, STAGE_COUNT);
    tcase_add_loop_test(tests, offsets_move_with_outputs, 0, STAGE_COUNT);
    tcase_add_loop_test(tests, a_second_producer_fences_the_first, 0, STAGE_COUNT);
    tcase_add_loop_test(tests, a_crash_leaves_whole_transactions, 0, 6);
    tcase_add_loop_test(tests, a_members_offsets_are_checked, 0, STAGE_COUNT);
    tcase_add_loop_test(tests, many_transactions_follow_one_another, 0, STAGE_COUNT);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("transactional", add);
}
