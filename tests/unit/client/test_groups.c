/* Consumers of one process that share a group of the engine's: they join, leave, fall silent, and die with their
 * node. Every record is read, none by two members that are both in the group, and commits are where others go on. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/unit/client/stage.h"

enum { PARTITIONS = 6, READERS = 3, NUMBERS_MAX = 400 };

struct reader {
    struct weir_consumer *consumer;
    bool has[PARTITIONS];
    int lost;
    int revoked;
};

static struct stage stage;
static struct reader readers[READERS];
static int times_read[NUMBERS_MAX];
static int produced;

static void note(struct reader *reader, const struct weir_assigned_partition *partitions,
                 size_t count, bool has)
{
    for (size_t i = 0; i < count; i++) {
        ck_assert(reader->has[partitions[i].partition] != has);
        reader->has[partitions[i].partition] = has;
    }
}

static void on_assigned(void *context, struct weir_consumer *consumer,
                        const struct weir_assigned_partition *partitions, size_t count)
{
    (void)consumer;
    note(context, partitions, count, true);
}

static void on_revoked(void *context, struct weir_consumer *consumer,
                       const struct weir_assigned_partition *partitions, size_t count)
{
    struct reader *reader = context;
    reader->revoked++;
    ck_ok(weir_consumer_commit(consumer, &stage.error), &stage.error);
    note(reader, partitions, count, false);
}

static void on_lost(void *context, struct weir_consumer *consumer,
                    const struct weir_assigned_partition *partitions, size_t count)
{
    struct reader *reader = context;
    (void)consumer;
    reader->lost++;
    note(reader, partitions, count, false);
}

static void open_reader(struct reader *reader, const struct weir_consumer_options *wanted)
{
    struct weir_consumer_options options = *wanted;
    const char *topic = "t";
    memset(reader, 0, sizeof *reader);
    options.group = "g";
    options.on_assigned = on_assigned;
    options.on_revoked = on_revoked;
    options.on_lost = on_lost;
    options.rebalance_context = reader;
    reader->consumer = weir_consumer_new(stage.log, &options, &stage.error);
    ck_assert_msg(reader->consumer != NULL, "%s", stage.error.text);
    ck_ok(weir_consumer_subscribe(reader->consumer, &topic, 1, &stage.error), &stage.error);
}

static const struct weir_consumer_options plain = {WEIR_CONSUMER_OPTIONS_INIT};

static void close_reader(struct reader *reader)
{
    ck_ok(weir_consumer_close(reader->consumer, &stage.error), &stage.error);
    reader->consumer = NULL;
}

static void poll_one(struct reader *reader, int64_t timeout_ms)
{
    struct weir_batch_view view;
    int rc = weir_consumer_poll(reader->consumer, timeout_ms, &view, &stage.error);
    ck_ok(rc, &stage.error);
    if (rc != 0) return;
    ck_assert(reader->has[view.partition]);
    for (size_t i = 0; i < view.record_count; i++) {
        times_read[stage_number(&view.records[i])]++;
    }
}

static int count_of(const struct reader *reader)
{
    int count = 0;
    for (int p = 0; p < PARTITIONS; p++) {
        count += reader->has[p];
    }
    return count;
}

/* Poll in turn until each has as many partitions as it should. */
static void settle(int first, int second, int third)
{
    const int wanted[READERS] = {first, second, third};
    for (int round = 0; round < 600; round++) {
        bool has_settled = true;
        for (int r = 0; r < READERS; r++) {
            if (readers[r].consumer != NULL) poll_one(&readers[r], 100);
            has_settled = has_settled && count_of(&readers[r]) == wanted[r];
        }
        if (has_settled) return;
    }
    ck_abort_msg("%d, %d and %d partitions", count_of(&readers[0]), count_of(&readers[1]),
                 count_of(&readers[2]));
}

static void produce(int count)
{
    struct weir_producer *producer =
        stage_producer(&stage, (struct weir_producer_options){WEIR_PRODUCER_OPTIONS_INIT});
    for (int i = 0; i < count; i++, produced++) {
        stage_send(&stage, producer, "t", produced % PARTITIONS, produced);
    }
    ck_ok(weir_producer_close(producer, &stage.error), &stage.error);
}

static void read_to_end(void)
{
    for (int round = 0; round < 60; round++) {
        for (int r = 0; r < READERS; r++) {
            if (readers[r].consumer != NULL) poll_one(&readers[r], 50);
        }
    }
}

static void assert_each_once(void)
{
    for (int i = 0; i < produced; i++) {
        ck_assert_msg(times_read[i] == 1, "%d was read %d times", i, times_read[i]);
    }
}

static void begin(int kind)
{
    memset(readers, 0, sizeof readers);
    memset(times_read, 0, sizeof times_read);
    produced = 0;
    stage_open(&stage, kind, 11);
    ck_ok(weir_topic_create(stage.log, "t", PARTITIONS, NULL, 0, &stage.error), &stage.error);
}

static void end(void)
{
    for (int r = 0; r < READERS; r++) {
        if (readers[r].consumer != NULL) close_reader(&readers[r]);
    }
    stage_close(&stage);
}

/* In the real world and in the simulator: joined, read, left, and the next goes on behind it. */
START_TEST(the_next_member_goes_on_where_the_last_committed)
{
    begin(_i);
    produce(30);
    open_reader(&readers[0], &plain);
    settle(6, 0, 0);
    read_to_end();
    assert_each_once();
    close_reader(&readers[0]);
    ck_assert_int_eq(readers[0].revoked, 1);
    produce(30);
    open_reader(&readers[1], &plain);
    settle(0, 6, 0);
    read_to_end();
    assert_each_once();
    end();
}
END_TEST

/* Three come one after another and go again while records flow: each is read by one of them. */
START_TEST(three_members_share_and_take_over)
{
    begin(STAGE_SIM);
    open_reader(&readers[0], &plain);
    settle(6, 0, 0);
    produce(60);
    open_reader(&readers[1], &plain);
    settle(3, 3, 0);
    produce(60);
    open_reader(&readers[2], &plain);
    settle(2, 2, 2);
    produce(60);
    read_to_end();
    close_reader(&readers[0]);
    produce(60);
    settle(0, 3, 3);
    close_reader(&readers[2]);
    settle(0, 6, 0);
    produce(60);
    read_to_end();
    assert_each_once();
    end();
}
END_TEST

/* One falls silent: the others take over after max.poll.interval.ms, and it comes back. */
START_TEST(a_silent_member_is_replaced_and_comes_back)
{
    struct weir_consumer_options options = plain;
    options.max_poll_interval_ms = 20000;
    begin(STAGE_SIM);
    open_reader(&readers[0], &options);
    open_reader(&readers[1], &plain);
    settle(3, 3, 0);
    struct weir_consumer *silent = readers[0].consumer;
    readers[0].consumer = NULL;
    memset(readers[0].has, 0, sizeof readers[0].has); /* as it will be told */
    settle(0, 6, 0);
    memset(readers[0].has, true, 3); /* which three does not matter here */
    readers[0].consumer = silent;
    for (int p = 0; p < PARTITIONS; p++) {
        int64_t position;
        readers[0].has[p] = weir_consumer_position(silent, "t", p, &position) == 0;
    }
    ck_assert_int_eq(readers[0].lost, 0);
    settle(3, 3, 0);
    ck_assert_int_eq(readers[0].lost, 1);
    end();
}
END_TEST

/* The node dies with its members; the next one waits for their sessions to end, and reads what was not committed. */
START_TEST(members_that_died_are_replaced_when_their_sessions_end)
{
    begin(STAGE_SIM);
    produce(60);
    open_reader(&readers[0], &plain);
    open_reader(&readers[1], &plain);
    settle(3, 3, 0);
    read_to_end();
    ck_ok(weir_consumer_commit(readers[0].consumer, &stage.error), &stage.error);
    ck_ok(weir_consumer_commit(readers[1].consumer, &stage.error), &stage.error);
    produce(60);
    read_to_end(); /* these are not committed */
    stage_crash(&stage, _i == 0 ? WEIR_SIM_KILL : WEIR_SIM_POWER);
    memset(readers, 0, sizeof readers);
    open_reader(&readers[2], &plain);
    settle(0, 0, 6);
    read_to_end();
    for (int i = 0; i < produced; i++) {
        ck_assert_int_eq(times_read[i], i < 60 ? 1 : 2);
    }
    end();
}
END_TEST

/* ---- two threads ----------------------------------------------------------------------------- */

static _Atomic int settled_threads;

/* Poll until it has half of the partitions, and then until both have. */
static void *poll_in_thread(void *of_reader)
{
    struct reader *reader = of_reader;
    struct weir_error error = {0};
    struct weir_batch_view view;
    bool has_settled = false;
    while (atomic_load(&settled_threads) < 2) {
        int rc = weir_consumer_poll(reader->consumer, 100, &view, &error);
        if (rc < 0) return "poll failed";
        bool is_half = count_of(reader) == 3;
        if (is_half != has_settled) atomic_fetch_add(&settled_threads, is_half ? 1 : -1);
        has_settled = is_half;
    }
    return NULL;
}

/* Each with a consumer of its own, in the real world, records flowing meanwhile. */
START_TEST(two_threads_share_a_group)
{
    pthread_t threads[2];
    begin(STAGE_UV);
    for (int i = 0; i < 2; i++) {
        open_reader(&readers[i], &plain);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, poll_in_thread, &readers[i]), 0);
    }
    produce(60);
    for (int i = 0; i < 2; i++) {
        void *failure = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &failure), 0);
        ck_assert_msg(failure == NULL, "%s", (const char *)failure);
    }
    end();
}
END_TEST

/* A group that has members takes commits of nobody else. */
START_TEST(a_stranger_cannot_commit)
{
    begin(STAGE_SIM);
    produce(6);
    open_reader(&readers[0], &plain);
    settle(6, 0, 0);
    struct weir_consumer *stranger = stage_consumer(&stage, "g");
    ck_ok(weir_consumer_assign(stranger, "t", 0, 0, &stage.error), &stage.error);
    ck_code(weir_consumer_commit(stranger, &stage.error), WEIR_UNKNOWN_MEMBER_ID);
    ck_ok(weir_consumer_close(stranger, &stage.error), &stage.error);
    end();
}
END_TEST

/* What was read of a topic that was deleted is not committed for another one that has its name now: records of that
 * would be passed over. */
START_TEST(a_topic_made_anew_takes_no_older_offset)
{
    begin(STAGE_SIM);
    struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT, .group = "g"};
    struct weir_consumer *consumer = weir_consumer_new(stage.log, &options, &stage.error);
    const char *topic = "t";
    int64_t offset = 0;
    produce(PARTITIONS);
    ck_ok(weir_consumer_subscribe(consumer, &topic, 1, &stage.error), &stage.error);
    for (int i = 0; i < 100; i++) {
        struct weir_batch_view view;
        ck_ok(weir_consumer_poll(consumer, 100, &view, &stage.error), &stage.error);
    }
    ck_ok(weir_topic_delete(stage.log, "t", &stage.error), &stage.error);
    ck_ok(weir_topic_create(stage.log, "t", PARTITIONS, NULL, 0, &stage.error), &stage.error);
    ck_code(weir_consumer_commit(consumer, &stage.error), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_ptr_nonnull(strstr(stage.error.text, "another topic"));
    ck_ok(weir_committed(stage.log, "g", "t", 0, &offset, &stage.error), &stage.error);
    ck_assert_int_eq(offset, -1);
    ck_ok(weir_consumer_close(consumer, &stage.error), &stage.error);
    end();
}
END_TEST

/* The same of a topic that was assigned by hand; to seek is to begin in the one that there is now. */
START_TEST(a_topic_made_anew_takes_no_older_offset_by_hand)
{
    begin(STAGE_SIM);
    struct weir_consumer *consumer = stage_consumer(&stage, "g");
    struct weir_batch_view view;
    int64_t offset = 0;
    produce(PARTITIONS);
    ck_ok(weir_consumer_assign(consumer, "t", 0, 0, &stage.error), &stage.error);
    ck_assert_int_eq(weir_consumer_poll(consumer, 1000, &view, &stage.error), 0);
    ck_ok(weir_topic_delete(stage.log, "t", &stage.error), &stage.error);
    ck_ok(weir_topic_create(stage.log, "t", PARTITIONS, NULL, 0, &stage.error), &stage.error);
    ck_code(weir_consumer_commit(consumer, &stage.error), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_ptr_nonnull(strstr(stage.error.text, "another topic"));
    const struct weir_offset_to_commit one = {.topic = "t", .partition = 0, .offset = 1};
    ck_code(weir_consumer_commit_offsets(consumer, &one, 1, &stage.error),
            WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_ok(weir_committed(stage.log, "g", "t", 0, &offset, &stage.error), &stage.error);
    ck_assert_int_eq(offset, -1);
    ck_ok(weir_consumer_seek(consumer, "t", 0, 0, &stage.error), &stage.error);
    ck_ok(weir_consumer_commit(consumer, &stage.error), &stage.error);
    ck_ok(weir_consumer_close(consumer, &stage.error), &stage.error);
    end();
}
END_TEST

static int first_error(struct weir_consumer *consumer)
{
    struct weir_batch_view view;
    int rc = WEIR_END;
    for (int i = 0; i < 20 && rc == WEIR_END; i++) {
        rc = weir_consumer_poll(consumer, 500, &view, &stage.error);
    }
    return rc;
}

/* What the coordinator refuses is what poll says. */
START_TEST(what_the_group_refuses_is_said)
{
    begin(STAGE_SIM);
    struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT, .group = "g",
                                            .assignor = "fairest"};
    const char *topic = "t";
    struct weir_consumer *consumer = weir_consumer_new(stage.log, &options, &stage.error);
    ck_ok(weir_consumer_subscribe(consumer, &topic, 1, &stage.error), &stage.error);
    ck_assert_int_eq(first_error(consumer), WEIR_UNSUPPORTED_ASSIGNOR);
    ck_ok(weir_consumer_close(consumer, &stage.error), &stage.error);
    options.assignor = NULL;
    consumer = weir_consumer_new(stage.log, &options, &stage.error);
    ck_ok(weir_consumer_subscribe_pattern(consumer, "t(", &stage.error), &stage.error);
    ck_assert_int_eq(first_error(consumer), WEIR_INVALID_REGULAR_EXPRESSION);
    ck_ok(weir_consumer_close(consumer, &stage.error), &stage.error);
    end();
}
END_TEST

/* Who has no partition because its group gave it none is not told to assign it by hand, which would be refused. */
START_TEST(what_the_group_has_not_given_is_named_so)
{
    begin(STAGE_SIM);
    struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT, .group = "g"};
    struct weir_consumer *consumer = weir_consumer_new(stage.log, &options, &stage.error);
    const char *topic = "t";
    ck_code(weir_consumer_pause(consumer, "t", 0, &stage.error), WEIR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(stage.error.text, "weir_consumer_assign does it"));
    ck_ok(weir_consumer_subscribe(consumer, &topic, 1, &stage.error), &stage.error);
    ck_code(weir_consumer_pause(consumer, "t", 0, &stage.error), WEIR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(stage.error.text, "member of group 'g'"));
    ck_code(weir_consumer_seek(consumer, "t", PARTITIONS, 0, &stage.error), WEIR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(stage.error.text, "weir_consumer_poll takes it up"));
    ck_ok(weir_consumer_close(consumer, &stage.error), &stage.error);
    end();
}
END_TEST

static int refusals_said;

static void count_refusals(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)context;
    (void)size;
    bool is_one = strstr(line, "event=consumer.heartbeat_refused") != NULL &&
                  strstr(line, "code=UNRELEASED_INSTANCE_ID") != NULL;
    if (is_one) ck_assert_int_eq(level, WEIR_LOG_WARN);
    refusals_said += is_one;
}

/* A second member with an instance id waits for the first, and says so: once, and not with every heartbeat. */
START_TEST(a_member_that_is_kept_out_says_so_once)
{
    refusals_said = 0;
    stage.options.log = count_refusals;
    begin(STAGE_SIM);
    struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT,
                                            .group_instance_id = "only"};
    open_reader(&readers[0], &options);
    settle(6, 0, 0);
    ck_assert_int_eq(refusals_said, 0);
    open_reader(&readers[1], &options);
    for (int i = 0; i < 100; i++) {
        poll_one(&readers[0], 100);
        poll_one(&readers[1], 100);
    }
    ck_assert_int_eq(refusals_said, 1);
    ck_assert_int_eq(count_of(&readers[1]), 0);
    close_reader(&readers[0]);
    settle(0, 6, 0);
    ck_assert_int_eq(refusals_said, 1);
    end();
}
END_TEST

/* A pattern takes topics that are made later, and lets go of those that are deleted. */
START_TEST(a_pattern_follows_the_topics)
{
    begin(STAGE_SIM);
    struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT, .group = "g"};
    struct weir_consumer *consumer = weir_consumer_new(stage.log, &options, &stage.error);
    ck_ok(weir_consumer_subscribe_pattern(consumer, "t.*", &stage.error), &stage.error);
    int counts[3] = {0};
    for (int step = 0; step < 3; step++) {
        if (step == 1) {
            ck_ok(weir_topic_create(stage.log, "tu", 2, NULL, 0, &stage.error), &stage.error);
            ck_ok(weir_topic_create(stage.log, "u", 2, NULL, 0, &stage.error), &stage.error);
        }
        if (step == 2) ck_ok(weir_topic_delete(stage.log, "t", &stage.error), &stage.error);
        for (int i = 0; i < 200; i++) {
            struct weir_batch_view view;
            int rc = weir_consumer_poll(consumer, 100, &view, &stage.error);
            ck_ok(rc, &stage.error); /* that a topic is gone is the group's to deal with */
        }
        counts[step] = weir_consumer_assignment(consumer, NULL, 0);
    }
    ck_assert_int_eq(counts[0], 6);
    ck_assert_int_eq(counts[1], 8);
    ck_assert_int_eq(counts[2], 2);
    ck_ok(weir_consumer_close(consumer, &stage.error), &stage.error);
    end();
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("groups");
    tcase_add_loop_test(tests, the_next_member_goes_on_where_the_last_committed, 0, STAGE_COUNT);
    tcase_add_test(tests, three_members_share_and_take_over);
    tcase_add_test(tests, a_silent_member_is_replaced_and_comes_back);
    tcase_add_loop_test(tests, members_that_died_are_replaced_when_their_sessions_end, 0, 2);
    tcase_add_test(tests, two_threads_share_a_group);
    tcase_add_test(tests, a_stranger_cannot_commit);
    tcase_add_test(tests, a_member_that_is_kept_out_says_so_once);
    tcase_add_test(tests, what_the_group_has_not_given_is_named_so);
    tcase_add_test(tests, a_topic_made_anew_takes_no_older_offset_by_hand);
    tcase_add_test(tests, a_topic_made_anew_takes_no_older_offset);
    tcase_add_test(tests, what_the_group_refuses_is_said);
    tcase_add_test(tests, a_pattern_follows_the_topics);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("groups", add);
}
