/* Consumers that subscribe, on a log in memory whose coordinator does as it is told: who gets what, which callbacks
 * run, what is committed, and what becomes of a member that is forgotten, refused, or does not poll. */
#include <stdio.h>
#include <string.h>

#include "base/env/sim/sim.h"
#include "tests/support/support.h"
#include "tests/unit/client/memory_log.h"
#include "weir/log.h"

enum { PARTITIONS = 6, CONSUMERS = 3 };

static struct weir_sim *sim;
static struct weir_env *env;
static struct weir_log *weirlog;
static struct weir_error error;

/* A consumer with what its callbacks were told, and what it read. */
struct reader {
    struct weir_consumer *consumer;
    bool has[PARTITIONS];
    int assigned; /* callbacks */
    int revoked;
    int lost;
    int64_t next[PARTITIONS]; /* offset behind what was read */
    bool commits_when_revoked;
    int commit_rc;
    int refused; /* calls that a callback may not make, and that were refused */
};

static struct reader readers[CONSUMERS];

static void note(struct reader *reader, const struct weir_assigned_partition *partitions,
                 size_t count, bool has)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(partitions[i].topic, "u") == 0) continue;
        ck_assert_str_eq(partitions[i].topic, "t");
        ck_assert_msg(reader->has[partitions[i].partition] != has, "partition %d twice",
                      (int)partitions[i].partition);
        reader->has[partitions[i].partition] = has;
    }
}

static void on_assigned(void *context, struct weir_consumer *consumer,
                        const struct weir_assigned_partition *partitions, size_t count)
{
    struct reader *reader = context;
    struct weir_batch_view view;
    reader->assigned++;
    note(reader, partitions, count, true);
    reader->refused += weir_consumer_poll(consumer, 0, &view, NULL) == WEIR_INVALID_ARGUMENT;
    reader->refused += weir_consumer_unsubscribe(consumer, NULL) == WEIR_INVALID_ARGUMENT;
    reader->refused += weir_consumer_close(consumer, NULL) == WEIR_INVALID_ARGUMENT;
}

static void on_revoked(void *context, struct weir_consumer *consumer,
                       const struct weir_assigned_partition *partitions, size_t count)
{
    struct reader *reader = context;
    reader->revoked++;
    if (reader->commits_when_revoked) reader->commit_rc = weir_consumer_commit(consumer, NULL);
    note(reader, partitions, count, false);
}

static void on_lost(void *context, struct weir_consumer *consumer,
                    const struct weir_assigned_partition *partitions, size_t count)
{
    struct reader *reader = context;
    reader->lost++;
    reader->commit_rc = weir_consumer_commit(consumer, NULL);
    note(reader, partitions, count, false);
}

static struct weir_consumer_options options_of(struct reader *reader)
{
    return (struct weir_consumer_options){
        WEIR_CONSUMER_OPTIONS_INIT, .group = "g",       .on_assigned = on_assigned,
        .on_revoked = on_revoked,   .on_lost = on_lost, .rebalance_context = reader,
    };
}

static void open_with(struct reader *reader, const struct weir_consumer_options *options)
{
    reader->consumer = weir_consumer_new(weirlog, options, &error);
    ck_assert_msg(reader->consumer != NULL, "%s", error.text);
    const char *topic = "t";
    ck_ok(weir_consumer_subscribe(reader->consumer, &topic, 1, &error), &error);
}

static void open_reader(struct reader *reader)
{
    struct weir_consumer_options options = options_of(reader);
    open_with(reader, &options);
}

static void close_reader(struct reader *reader)
{
    ck_ok(weir_consumer_close(reader->consumer, &error), &error);
    reader->consumer = NULL;
}

static void poll_one(struct reader *reader, int64_t timeout_ms)
{
    struct weir_batch_view view;
    int rc = weir_consumer_poll(reader->consumer, timeout_ms, &view, &error);
    ck_ok(rc, &error);
    ck_assert_int_eq(error.code, WEIR_OK);
    if (rc != 0) return;
    ck_assert(reader->has[view.partition]);
    for (size_t i = 0; i < view.record_count; i++) {
        reader->next[view.partition] = view.records[i].offset + 1;
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

/* Let all poll until time has gone by for heartbeats to go and come. */
static void poll_all(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        for (int c = 0; c < CONSUMERS; c++) {
            if (readers[c].consumer != NULL) poll_one(&readers[c], 200);
        }
    }
}

static void assert_shared(void)
{
    for (int p = 0; p < PARTITIONS; p++) {
        int owners = 0;
        for (int c = 0; c < CONSUMERS; c++) {
            owners += readers[c].has[p];
        }
        ck_assert_msg(owners == 1, "partition %d has %d owners", p, owners);
    }
}

static void produce(int count)
{
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT};
    struct weir_producer *producer = weir_producer_new(weirlog, &options, &error);
    ck_assert_ptr_nonnull(producer);
    const struct weir_record record = {.value = weir_text("v"), .timestamp_ms = 1};
    for (int p = 0; p < PARTITIONS; p++) {
        for (int i = 0; i < count; i++) {
            ck_ok(weir_producer_send(producer, "t", p, &record, NULL, &error), &error);
        }
    }
    ck_ok(weir_producer_close(producer, &error), &error);
}

static int64_t committed(int partition)
{
    int64_t offset = -7;
    ck_ok(weir_committed(weirlog, "g", "t", partition, &offset, &error), &error);
    return offset;
}

static void set_up(void)
{
    memset(readers, 0, sizeof readers);
    sim = weir_sim_new(&(struct weir_sim_options){.seed = 5});
    env = weir_sim_node(sim, 0);
    weirlog = memory_log_open(env, "data");
    ck_ok(weir_topic_create(weirlog, "t", PARTITIONS, NULL, 0, &error), &error);
}

/* Whatever was made for a membership is given back: the simulator counts what a node holds. */
static void tear_down(void)
{
    for (int c = 0; c < CONSUMERS; c++) {
        if (readers[c].consumer != NULL) close_reader(&readers[c]);
    }
    ck_ok(weir_close(weirlog, &error), &error);
    ck_assert_uint_eq(env->budget->used, 0);
    weir_sim_free(sim);
}

/* One takes all; a second gets its half, a third its third; who leaves gives back. */
START_TEST(members_share_partitions_and_take_over)
{
    open_reader(&readers[0]);
    poll_all(10);
    ck_assert_int_eq(count_of(&readers[0]), 6);
    ck_assert_int_eq(readers[0].refused, 3);
    struct weir_assigned_partition assigned[PARTITIONS];
    ck_assert_int_eq(weir_consumer_assignment(readers[0].consumer, assigned, PARTITIONS), 6);
    ck_assert_str_eq(assigned[5].topic, "t");
    open_reader(&readers[1]);
    poll_all(40);
    assert_shared();
    ck_assert_int_eq(count_of(&readers[1]), 3);
    ck_assert_int_eq(readers[0].revoked, 1);
    open_reader(&readers[2]);
    poll_all(40);
    assert_shared();
    ck_assert_int_eq(count_of(&readers[2]), 2);
    close_reader(&readers[0]);
    ck_assert_int_eq(count_of(&readers[0]), 0);
    poll_all(40);
    assert_shared();
    ck_assert_int_eq(memory_log_members(weirlog), 2);
    ck_assert_int_eq(memory_log_left_epoch(weirlog), -1);
}
END_TEST

/* What is read and committed by hand is where the next member goes on. */
START_TEST(who_takes_over_goes_on_where_it_was_committed)
{
    produce(5);
    open_reader(&readers[0]);
    poll_all(20);
    for (int p = 0; p < PARTITIONS; p++) {
        ck_assert_int_eq(readers[0].next[p], 5);
    }
    ck_ok(weir_consumer_commit(readers[0].consumer, &error), &error);
    close_reader(&readers[0]);
    produce(2);
    open_reader(&readers[1]);
    poll_one(&readers[1], 1000);
    int64_t position = -1;
    ck_assert_int_eq(weir_consumer_position(readers[1].consumer, "t", 5, &position), 0);
    ck_assert_int_ge(position, 5);
    ck_ok(weir_consumer_committed(readers[1].consumer, "t", 5, &position, &error), &error);
    ck_assert_int_eq(position, 5);
    poll_all(20);
    ck_assert_int_eq(readers[1].next[0], 7);
}
END_TEST

/* Automatic commits cover what earlier polls gave: after a time, at a revocation, and at the end. */
START_TEST(commits_are_made_by_themselves)
{
    struct weir_consumer_options options = options_of(&readers[0]);
    options.enable_auto_commit = true;
    options.auto_commit_interval_ms = 60000;
    produce(3);
    open_with(&readers[0], &options);
    poll_all(20);
    ck_assert_int_eq(readers[0].next[0], 3);
    ck_assert_int_eq(committed(0), -1); /* not for a minute */
    weir_sim_advance_ms(sim, 60000);
    poll_one(&readers[0], 0);
    ck_assert_int_eq(committed(0), 3);
    int commits = memory_log_answered(weirlog, MEMORY_COMMIT);
    weir_sim_advance_ms(sim, 60000);
    poll_one(&readers[0], 0); /* nothing has moved, and nothing is written */
    ck_assert_int_eq(memory_log_answered(weirlog, MEMORY_COMMIT), commits);
    produce(2);
    poll_all(20);
    open_reader(&readers[1]);
    poll_all(40);
    int taken = -1;
    for (int p = 0; p < PARTITIONS; p++) {
        if (readers[1].has[p]) taken = p;
    }
    ck_assert_int_ge(taken, 0);
    ck_assert_int_eq(committed(taken), 5); /* as it was revoked */
    close_reader(&readers[0]);
    for (int p = 0; p < PARTITIONS; p++) {
        ck_assert_int_eq(committed(p), 5);
    }
}
END_TEST

/* A poll that waits for long commits what the one before gave, and stays in the group. */
START_TEST(a_poll_that_waits_commits_and_stays)
{
    struct weir_consumer_options options = options_of(&readers[0]);
    options.enable_auto_commit = true;
    options.max_poll_interval_ms = 10000;
    produce(3);
    open_with(&readers[0], &options);
    poll_all(20);
    poll_one(&readers[0], 60000);
    ck_assert_int_eq(committed(0), 3);
    ck_assert_int_eq(readers[0].lost, 0);
    ck_assert_int_eq(memory_log_members(weirlog), 1);
}
END_TEST

/* Where to begin is asked again with the epoch that a heartbeat brings, and not at all by one that was forgotten:
 * neither is an error of the reader's. */
START_TEST(a_position_that_is_asked_for_too_early_is_found)
{
    const int codes[] = {WEIR_STALE_MEMBER_EPOCH, WEIR_UNKNOWN_MEMBER_ID};
    produce(3);
    for (int c = 0; c < 2; c++) {
        memory_log_faults(weirlog)->rc[MEMORY_COMMITTED] = codes[c];
        memory_log_faults(weirlog)->left[MEMORY_COMMITTED] = 2;
        open_reader(&readers[c]);
        poll_all(20); /* each of them succeeds */
        ck_assert_int_eq(memory_log_faults(weirlog)->left[MEMORY_COMMITTED], 0);
        ck_assert_int_eq(count_of(&readers[c]), PARTITIONS);
        ck_assert_int_eq(readers[c].next[0], 3);
        close_reader(&readers[c]);
    }
}
END_TEST

/* What was read of a topic that was deleted is not committed for a new one of its name, which is read from its
 * beginning. */
START_TEST(offsets_of_a_deleted_topic_are_not_those_of_a_new_one)
{
    struct weir_consumer_options options = options_of(&readers[0]);
    options.enable_auto_commit = true;
    options.auto_commit_interval_ms = 60000;
    produce(3);
    open_with(&readers[0], &options);
    poll_all(20);
    ck_assert_int_eq(readers[0].next[0], 3);
    ck_ok(weir_topic_delete(weirlog, "t", &error), &error);
    ck_ok(weir_topic_create(weirlog, "t", PARTITIONS, NULL, 0, &error), &error);
    produce(5);
    ck_code(weir_consumer_commit(readers[0].consumer, &error), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(committed(0), -1);
    memset(readers[0].next, 0, sizeof readers[0].next);
    memory_log_expel(weirlog); /* it assigns when a member comes */
    poll_all(40);
    ck_assert_int_eq(readers[0].next[0], 5);
    ck_ok(weir_consumer_commit(readers[0].consumer, &error), &error);
    ck_assert_int_eq(committed(0), 5);
}
END_TEST

/* The group has forgotten it: all is lost, a commit is refused, and it is in again by itself. */
START_TEST(a_forgotten_member_is_told_and_comes_back)
{
    open_reader(&readers[0]);
    poll_all(10);
    memory_log_expel(weirlog);
    poll_all(20);
    ck_assert_int_eq(readers[0].lost, 1);
    ck_assert_int_eq(readers[0].commit_rc, WEIR_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(readers[0].revoked, 0);
    ck_assert_int_eq(count_of(&readers[0]), 6);
    ck_assert_int_eq(readers[0].assigned, 2);
}
END_TEST

/* Without on_lost the other callback runs: nobody is left believing that it owns what it lost. */
START_TEST(without_a_callback_for_losses_revoked_runs)
{
    struct weir_consumer_options options = options_of(&readers[0]);
    options.on_lost = NULL;
    open_with(&readers[0], &options);
    poll_all(10);
    memory_log_expel(weirlog);
    poll_all(20);
    ck_assert_int_eq(readers[0].revoked, 1);
    ck_assert_int_eq(count_of(&readers[0]), 6);
}
END_TEST

/* Heartbeats go out while the user is busy; past max.poll.interval.ms the group is left, and joined again later. */
START_TEST(who_does_not_poll_leaves_after_a_while)
{
    struct weir_consumer_options options = options_of(&readers[0]);
    options.max_poll_interval_ms = 10000;
    open_with(&readers[0], &options);
    poll_all(10);
    weir_sim_advance_ms(sim, 9000);
    ck_assert_int_eq(memory_log_members(weirlog), 1);
    weir_sim_advance_ms(sim, 2000);
    ck_assert_int_eq(memory_log_members(weirlog), 0);
    ck_assert_int_eq(readers[0].lost, 0); /* callbacks run in poll and nowhere else */
    poll_all(10);
    ck_assert_int_eq(readers[0].lost, 1);
    ck_assert_int_eq(memory_log_members(weirlog), 1);
    ck_assert_int_eq(count_of(&readers[0]), 6);
}
END_TEST

/* An interval that no clock comes to the end of is one. */
START_TEST(the_longest_interval_between_polls_is_endless)
{
    struct weir_consumer_options options = options_of(&readers[0]);
    options.max_poll_interval_ms = INT64_MAX / 2;
    open_with(&readers[0], &options);
    poll_all(10);
    ck_assert_int_eq(count_of(&readers[0]), PARTITIONS);
    weir_sim_advance_ms(sim, 400000);
    poll_all(10);
    ck_assert_int_eq(readers[0].lost, 0);
    ck_assert_int_eq(memory_log_members(weirlog), 1);
}
END_TEST

/* What was on offer when it left is not taken any more: others have it. */
START_TEST(an_old_offer_is_not_taken_after_leaving)
{
    struct weir_consumer_options options = options_of(&readers[0]);
    options.max_poll_interval_ms = 10000;
    open_with(&readers[0], &options);
    weir_sim_advance_ms(sim, 12000);
    ck_assert_int_eq(memory_log_members(weirlog), 0);
    poll_one(&readers[0], 0);
    ck_assert_int_eq(readers[0].assigned, 0);
    poll_all(10);
    ck_assert_int_eq(readers[0].assigned, 1);
    ck_assert_int_eq(count_of(&readers[0]), 6);
}
END_TEST

/* What no wait mends is said by each poll, until it subscribes again. */
START_TEST(a_refusal_is_said_until_it_subscribes_again)
{
    struct weir_batch_view view;
    const char *topic = "t";
    memory_log_faults(weirlog)->rc[MEMORY_HEARTBEAT] = WEIR_GROUP_MAX_SIZE_REACHED;
    memory_log_faults(weirlog)->left[MEMORY_HEARTBEAT] = 1;
    open_reader(&readers[0]);
    for (int i = 0; i < 2; i++) {
        ck_code(weir_consumer_poll(readers[0].consumer, 100, &view, &error),
                WEIR_GROUP_MAX_SIZE_REACHED);
        ck_assert_ptr_nonnull(strstr(error.text, "group 'g'"));
    }
    ck_ok(weir_consumer_subscribe(readers[0].consumer, &topic, 1, &error), &error);
    poll_all(10);
    ck_assert_int_eq(count_of(&readers[0]), 6);
}
END_TEST

/* Also one that no poll has said yet: the new subscription has nothing to do with it. */
START_TEST(a_refusal_of_before_is_not_the_new_subscriptions)
{
    const char *topic = "t";
    memory_log_faults(weirlog)->rc[MEMORY_HEARTBEAT] = WEIR_INVALID_REGULAR_EXPRESSION;
    memory_log_faults(weirlog)->left[MEMORY_HEARTBEAT] = 1;
    open_reader(&readers[0]);
    weir_sim_advance_ms(sim, 100);
    ck_assert_int_eq(memory_log_faults(weirlog)->left[MEMORY_HEARTBEAT], 0);
    ck_ok(weir_consumer_subscribe(readers[0].consumer, &topic, 1, &error), &error);
    poll_all(10);
    ck_assert_int_eq(count_of(&readers[0]), PARTITIONS);
}
END_TEST

/* A member whose new pattern is refused reads on as soon as it has subscribed to something else: it leaves the
 * group that has refused it, which would keep its partitions for it until its session ends. */
START_TEST(a_refused_member_leaves_its_partitions)
{
    const char *topic = "t";
    struct weir_batch_view view;
    open_reader(&readers[0]);
    poll_all(10);
    memory_log_faults(weirlog)->rc[MEMORY_HEARTBEAT] = WEIR_INVALID_REGULAR_EXPRESSION;
    memory_log_faults(weirlog)->left[MEMORY_HEARTBEAT] = 1;
    ck_ok(weir_consumer_subscribe_pattern(readers[0].consumer, "t(", &error), &error);
    ck_code(weir_consumer_poll(readers[0].consumer, 1000, &view, &error),
            WEIR_INVALID_REGULAR_EXPRESSION);
    ck_assert_int_eq(readers[0].lost, 1);
    ck_ok(weir_consumer_subscribe(readers[0].consumer, &topic, 1, &error), &error);
    poll_all(10);
    ck_assert_int_eq(memory_log_members(weirlog), 1);
    ck_assert_int_eq(count_of(&readers[0]), PARTITIONS);
}
END_TEST

/* A coordinator that is not there for a while is asked again, and nothing is lost. */
START_TEST(a_coordinator_that_is_away_is_waited_for)
{
    open_reader(&readers[0]);
    poll_all(10);
    memory_log_faults(weirlog)->rc[MEMORY_HEARTBEAT] = WEIR_DISCONNECTED;
    memory_log_faults(weirlog)->left[MEMORY_HEARTBEAT] = 5;
    poll_all(30);
    ck_assert_int_eq(memory_log_faults(weirlog)->left[MEMORY_HEARTBEAT], 0);
    ck_assert_int_eq(readers[0].lost + readers[0].revoked, 0);
    ck_assert_int_eq(count_of(&readers[0]), 6);
}
END_TEST

/* A paused partition gives nothing and keeps its place. */
START_TEST(a_paused_partition_gives_nothing)
{
    produce(4);
    open_reader(&readers[0]);
    poll_one(&readers[0], 100);
    int first = 0;
    while (readers[0].next[first] == 0 && first < PARTITIONS - 1) {
        first++;
    }
    int other = (first + 1) % PARTITIONS;
    ck_ok(weir_consumer_pause(readers[0].consumer, "t", other, &error), &error);
    poll_all(20);
    ck_assert_int_eq(readers[0].next[other], 0);
    ck_ok(weir_consumer_resume(readers[0].consumer, "t", other, &error), &error);
    poll_all(20);
    for (int p = 0; p < PARTITIONS; p++) {
        ck_assert_int_eq(readers[0].next[p], 4);
    }
    ck_code(weir_consumer_pause(readers[0].consumer, "t", 99, &error), WEIR_NOT_FOUND);
}
END_TEST

/* Where nothing is committed the options decide; with "none" it is an error until a seek. */
START_TEST(a_beginning_is_found_as_the_options_say)
{
    struct weir_batch_view view;
    struct weir_consumer_options options = options_of(&readers[0]);
    produce(3);
    options.auto_offset_reset = "latest";
    open_with(&readers[0], &options);
    poll_all(5);
    int64_t position = -1;
    ck_assert_int_eq(weir_consumer_position(readers[0].consumer, "t", 0, &position), 0);
    ck_assert_int_eq(position, 3);
    close_reader(&readers[0]);
    options.auto_offset_reset = "none";
    open_with(&readers[0], &options);
    int rc = WEIR_END;
    for (int i = 0; i < 5 && rc == WEIR_END; i++) {
        rc = weir_consumer_poll(readers[0].consumer, 100, &view, &error);
    }
    ck_assert_int_eq(rc, WEIR_OFFSET_OUT_OF_RANGE);
    ck_assert_ptr_nonnull(strstr(error.text, "weir_consumer_seek"));
    for (int p = 0; p < PARTITIONS; p++) {
        ck_ok(weir_consumer_seek(readers[0].consumer, "t", p, 1, &error), &error);
    }
    poll_all(20);
    ck_assert_int_eq(readers[0].next[3], 3);
}
END_TEST

/* Explicit offsets, with their metadata; those that cannot be are named. */
START_TEST(offsets_are_committed_one_by_one)
{
    open_reader(&readers[0]);
    poll_all(10);
    struct weir_offset_to_commit offsets[] = {{"t", 1, 40, "note"}, {"t", 2, 0, NULL}};
    ck_ok(weir_consumer_commit_offsets(readers[0].consumer, offsets, 2, &error), &error);
    ck_assert_int_eq(committed(1), 40);
    ck_assert_int_eq(committed(2), 0);
    offsets[0].offset = -1;
    ck_code(weir_consumer_commit_offsets(readers[0].consumer, offsets, 2, &error),
            WEIR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.text, "offset -1 of topic 't' partition 1"));
}
END_TEST

/* A static member leaves to come back. */
START_TEST(a_static_member_leaves_for_a_while)
{
    struct weir_consumer_options options = options_of(&readers[0]);
    options.group_instance_id = "one";
    open_with(&readers[0], &options);
    poll_all(10);
    close_reader(&readers[0]);
    ck_assert_int_eq(memory_log_left_epoch(weirlog), -2);
}
END_TEST

/* Another subscription replaces the first; a pattern takes topics that are made later. */
START_TEST(a_subscription_is_replaced)
{
    const char *other = "none-yet";
    open_reader(&readers[0]);
    poll_all(10);
    ck_ok(weir_consumer_subscribe(readers[0].consumer, &other, 1, &error), &error);
    poll_all(20);
    ck_assert_int_eq(count_of(&readers[0]), 0);
    ck_assert_int_eq(readers[0].revoked, 1);
    ck_ok(weir_consumer_subscribe_pattern(readers[0].consumer, "t.*", &error), &error);
    poll_all(20);
    ck_assert_int_eq(count_of(&readers[0]), 6);
    ck_ok(weir_consumer_unsubscribe(readers[0].consumer, &error), &error);
    ck_assert_int_eq(count_of(&readers[0]), 0);
    ck_assert_int_eq(memory_log_members(weirlog), 0);
    ck_assert_int_eq(weir_consumer_assignment(readers[0].consumer, NULL, 0), 0);
}
END_TEST

/* One poll takes what is on offer and what is offered behind it: the group waits for no second one. */
START_TEST(one_poll_goes_all_the_way)
{
    const char *other = "u";
    ck_ok(weir_topic_create(weirlog, "u", 2, NULL, 0, &error), &error);
    open_reader(&readers[0]);
    poll_all(10);
    ck_ok(weir_consumer_subscribe(readers[0].consumer, &other, 1, &error), &error);
    weir_sim_advance_ms(sim, 3000);
    poll_one(&readers[0], 0);
    ck_assert_int_eq(readers[0].revoked, 1);
    ck_assert_int_eq(readers[0].assigned, 2);
    ck_assert_int_eq(weir_consumer_assignment(readers[0].consumer, NULL, 0), 2);
}
END_TEST

/* What is wrong with a call is said by it, with what would be right. */
START_TEST(wrong_calls_are_refused)
{
    const char *topic = "t";
    const char *bad = "a b";
    struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT};
    struct weir_consumer *consumer = weir_consumer_new(weirlog, &options, &error);
    ck_code(weir_consumer_subscribe(consumer, &topic, 1, &error), WEIR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.text, "no group"));
    ck_ok(weir_consumer_close(consumer, &error), &error);
    options.group = "g";
    options.auto_offset_reset = "newest";
    ck_assert_ptr_null(weir_consumer_new(weirlog, &options, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "'newest': earliest, latest or none"));
    options.auto_offset_reset = NULL;
    options.max_poll_interval_ms = -1;
    ck_assert_ptr_null(weir_consumer_new(weirlog, &options, &error));
    options.max_poll_interval_ms = 0;
    consumer = weir_consumer_new(weirlog, &options, &error);
    ck_code(weir_consumer_subscribe(consumer, NULL, 0, &error), WEIR_INVALID_ARGUMENT);
    ck_code(weir_consumer_subscribe(consumer, &bad, 1, &error), WEIR_INVALID_TOPIC);
    ck_code(weir_consumer_subscribe_pattern(consumer, "", &error), WEIR_INVALID_ARGUMENT);
    ck_ok(weir_consumer_assign(consumer, "t", 0, 0, &error), &error);
    ck_code(weir_consumer_subscribe(consumer, &topic, 1, &error), WEIR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.text, "weir_consumer_unsubscribe"));
    ck_ok(weir_consumer_unsubscribe(consumer, &error), &error);
    ck_ok(weir_consumer_subscribe(consumer, &topic, 1, &error), &error);
    ck_code(weir_consumer_assign(consumer, "t", 0, 0, &error), WEIR_INVALID_ARGUMENT);
    ck_code(weir_consumer_assign_topic(consumer, "t", 0, &error), WEIR_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.text, "group 'g' assigns"));
    ck_ok(weir_consumer_close(consumer, &error), &error);
}
END_TEST

/* Each allocation of a life fails once: it is an error of a call, or passes, and nothing stays behind. */
START_TEST(a_life_with_each_allocation_failing)
{
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        memset(readers, 0, sizeof readers);
        const char *topic = "t";
        struct weir_consumer_options options = options_of(&readers[0]);
        options.enable_auto_commit = true;
        options.assignor = "uniform";
        weir_test_failures_arm(&failures, env->heap);
        struct weir_consumer *consumer = weir_consumer_new(weirlog, &options, &error);
        int rc = consumer != NULL ? weir_consumer_subscribe(consumer, &topic, 1, &error) : -1;
        bool has_some = false;
        for (int i = 0; rc == 0 && i < 40 && !has_some; i++) {
            struct weir_batch_view view;
            int polled = weir_consumer_poll(consumer, 500, &view, &error);
            ck_assert(polled >= 0 || polled == WEIR_NO_MEMORY);
            has_some = count_of(&readers[0]) == PARTITIONS;
        }
        ck_assert(rc < 0 || has_some);
        int closed = weir_consumer_close(consumer, &error);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert(was_hit || (rc == 0 && closed == 0));
        ck_assert(closed == 0 || closed == WEIR_NO_MEMORY); /* of its last commit */
        weir_sim_advance_ms(sim, 100);
        ck_assert_int_eq(memory_log_members(weirlog), 0);
    }
    ck_assert_uint_gt(failures.hits, 20);
    memset(readers, 0, sizeof readers);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("subscription");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, members_share_partitions_and_take_over);
    tcase_add_test(tests, who_takes_over_goes_on_where_it_was_committed);
    tcase_add_test(tests, commits_are_made_by_themselves);
    tcase_add_test(tests, a_poll_that_waits_commits_and_stays);
    tcase_add_test(tests, a_position_that_is_asked_for_too_early_is_found);
    tcase_add_test(tests, offsets_of_a_deleted_topic_are_not_those_of_a_new_one);
    tcase_add_test(tests, a_forgotten_member_is_told_and_comes_back);
    tcase_add_test(tests, without_a_callback_for_losses_revoked_runs);
    tcase_add_test(tests, who_does_not_poll_leaves_after_a_while);
    tcase_add_test(tests, the_longest_interval_between_polls_is_endless);
    tcase_add_test(tests, an_old_offer_is_not_taken_after_leaving);
    tcase_add_test(tests, a_refusal_is_said_until_it_subscribes_again);
    tcase_add_test(tests, a_refusal_of_before_is_not_the_new_subscriptions);
    tcase_add_test(tests, a_refused_member_leaves_its_partitions);
    tcase_add_test(tests, a_coordinator_that_is_away_is_waited_for);
    tcase_add_test(tests, a_paused_partition_gives_nothing);
    tcase_add_test(tests, a_beginning_is_found_as_the_options_say);
    tcase_add_test(tests, offsets_are_committed_one_by_one);
    tcase_add_test(tests, a_static_member_leaves_for_a_while);
    tcase_add_test(tests, a_subscription_is_replaced);
    tcase_add_test(tests, one_poll_goes_all_the_way);
    tcase_add_test(tests, wrong_calls_are_refused);
    tcase_add_test(tests, a_life_with_each_allocation_failing);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("subscription", add);
}
