#include <stdio.h>
#include <string.h>

#include "tests/support/broken.h"
#include "tests/unit/broker/coordinator/group/consumer_stage.h"

static struct stage stage;
static char text[512];

static void set_up(void)
{
    stage_open(&stage);
}

static void tear_down(void)
{
    stage_check_reload(&stage, NULL);
    stage_close(&stage);
}

static const char *assigned(void)
{
    return stage_assigned(&stage, text, sizeof text);
}

/* A heartbeat that says nothing. */
static int beat(const char *member, int epoch)
{
    return stage_says(&stage, (struct says){.member = member, .epoch = epoch});
}

/* Until nothing changes any more: each says what it was told, twice round. */
static void settle(const char *const *members, size_t count)
{
    for (size_t round = 0; round < 3 * count; round++) {
        const char *id = members[round % count];
        const struct weir_consumer_member *member =
            weir_consumer_group_member(&stage.group, weir_text(id));
        weir_arena_reset(&stage.arena);
        stage.request = (struct weir_consumer_heartbeat_request){
            .member = {.member_id = weir_text(id)},
            .member_epoch = member->epoch,
            .client_id = weir_text("client"),
            .client_host = weir_text("/127.0.0.1"),
            .rebalance_timeout_ms = -1,
            .has_owned = true,
        };
        stage.request.owned = weir_partition_set_topic_lists(&member->assigned, &stage.arena,
                                                             &stage.request.owned_count);
        ck_code(stage_ask(&stage), 0);
    }
}

/* One member alone is given everything at once, and a second heartbeat says nothing new. */
START_TEST(one_member_has_it_all)
{
    stage_topic(&stage, "orders", 3);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_assert_str_eq(stage_assigned(&stage, text, sizeof text), "orders:0,1,2");
    ck_assert_int_eq(stage.request.member_epoch_out, 1);
    ck_assert_int_eq(stage.request.heartbeat_interval_ms, 5000);
    ck_assert(stage.was_durable);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1}), 0);
    ck_assert_str_eq(stage_assigned(&stage, text, sizeof text), "same");
    ck_assert_uint_eq(stage.written, 0);
    ck_assert(!stage.was_durable);
    ck_assert_str_eq(weir_consumer_group_state(&stage.group), "Stable");
}
END_TEST

/* Two members: the first gives up what the second shall have, and only then the second is given it. */
START_TEST(a_partition_is_given_up_before_it_is_given)
{
    stage_topic(&stage, "orders", 4);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_join(&stage, "b", "orders"), 0);
    ck_assert_int_eq(stage.request.member_epoch_out, 2);
    ck_assert_str_eq(stage_assigned(&stage, text, sizeof text), "");
    ck_assert_str_eq(weir_consumer_group_state(&stage.group), "Reconciling");

    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1}), 0);
    ck_assert_int_eq(stage.request.member_epoch_out, 1);
    ck_assert_str_eq(stage_assigned(&stage, text, sizeof text), "orders:0,1");
    ck_code(stage_says(&stage, (struct says){.member = "b", .epoch = 2}), 0);
    ck_assert_str_eq(stage_assigned(&stage, text, sizeof text), "same");

    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1, .owned = "orders:0,1"}), 0);
    ck_assert_int_eq(stage.request.member_epoch_out, 2);
    ck_code(stage_says(&stage, (struct says){.member = "b", .epoch = 2}), 0);
    ck_assert_str_eq(stage_assigned(&stage, text, sizeof text), "orders:2,3");
    ck_assert_str_eq(weir_consumer_group_state(&stage.group), "Stable");
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------- */

/* Each mistake in a request is answered with Kafka's code and reason, and changes nothing. */
START_TEST(a_malformed_request_is_refused)
{
    static const struct {
        struct says says;
        int code;
        const char *why;
    } rows[] = {
        {{.member = "a", .topics = "t", .owned = ""},
         WEIR_INVALID_ARGUMENT,
         "RebalanceTimeoutMs must be provided in first request."},
        {{.member = "a", .topics = "t", .timeout_ms = 1},
         WEIR_INVALID_ARGUMENT,
         "TopicPartitions must be empty when (re-)joining."},
        {{.member = "a", .topics = "t", .timeout_ms = 1, .owned = "orders:1"},
         WEIR_INVALID_ARGUMENT,
         "TopicPartitions must be empty when (re-)joining."},
        {{.member = "a", .timeout_ms = 1, .owned = ""},
         WEIR_INVALID_ARGUMENT,
         "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null"},
        {{.member = "a", .epoch = -3}, WEIR_INVALID_ARGUMENT, "MemberEpoch is invalid."},
        {{.member = "", .epoch = 1}, WEIR_INVALID_ARGUMENT, "MemberId can't be empty."},
        {{.member = "", .epoch = -1}, WEIR_INVALID_ARGUMENT, "MemberId can't be empty."},
        {{.member = "a", .epoch = -2}, WEIR_INVALID_ARGUMENT, "InstanceId can't be null."},
        {{.member = "a", .epoch = 1, .instance = ""},
         WEIR_INVALID_ARGUMENT,
         "InstanceId can't be empty."},
        {{.member = "a", .epoch = 1, .rack = ""}, WEIR_INVALID_ARGUMENT, "RackId can't be empty."},
        {{.member = "a", .epoch = 1, .timeout_ms = -5},
         WEIR_INVALID_ARGUMENT,
         "RebalanceTimeoutMs is negative."},
        {{.member = "a", .epoch = 1, .owned = "orders:-4"},
         WEIR_INVALID_ARGUMENT,
         "negative partition"},
        {{.member = "a", .topics = "t", .timeout_ms = 1, .owned = "", .assignor = "mine"},
         WEIR_UNSUPPORTED_ASSIGNOR,
         "ServerAssignor mine is not supported. Supported assignors: uniform, range."},
        {{.member = "a", .regex = "(", .timeout_ms = 1, .owned = ""},
         WEIR_INVALID_REGULAR_EXPRESSION,
         "SubscribedTopicRegex `(` is not a valid regular expression"},
        {{.member = "a", .epoch = 4}, WEIR_GROUP_ID_NOT_FOUND, "Group readers not found."},
        {{.member = "a", .epoch = -1}, WEIR_GROUP_ID_NOT_FOUND, "Group readers not found."},
    };
    stage_topic(&stage, "orders", 2);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_code(stage_says(&stage, rows[i].says), rows[i].code);
        ck_assert_ptr_nonnull(strstr(stage.request.base.request.error.text, rows[i].why));
        ck_assert_int_eq(stage.group.epoch, 0);
        ck_assert(weir_consumer_group_is_empty(&stage.group));
    }
}
END_TEST

/* Texts are bounded: a topic's name by what a topic may have, ids by what a record's key may have. */
START_TEST(long_texts_are_refused)
{
    static char name[40000];
    memset(name, 'x', sizeof name - 1);
    ck_code(stage_join(&stage, "a", name + sizeof name - 251), WEIR_INVALID_ARGUMENT);
    ck_code(stage_join(&stage, "a", name + sizeof name - 250), 0);
    ck_code(stage_join(&stage, name, "t"), WEIR_INVALID_ARGUMENT);
    ck_code(stage_join(&stage, name + sizeof name - 1 - 32767, "t"), 0);
}
END_TEST

/* What is quoted in a message is UTF-8, whatever was sent. */
START_TEST(messages_quote_what_can_be_shown)
{
    stage_topic(&stage, "orders", 2);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(beat("caf\xc3\xa9\xff\x01x", 1), WEIR_UNKNOWN_MEMBER_ID);
    ck_assert_str_eq(stage.request.base.request.error.text,
                     "Member caf\xc3\xa9 is not a member of group readers.");
}
END_TEST

/* Version 0: who joins without an id is given one. */
START_TEST(an_empty_id_is_replaced)
{
    stage_topic(&stage, "orders", 2);
    ck_code(stage_join(&stage, "", "orders"), 0);
    ck_assert_uint_eq(stage.request.member_id_out.size, 22);
    ck_assert_ptr_nonnull(weir_consumer_group_member(&stage.group, stage.request.member_id_out));
    ck_code(stage_join(&stage, "", "orders"), 0);
    ck_assert_uint_eq(weir_consumer_group_member_count(&stage.group), 2);
}
END_TEST

/* The group takes as many members as it may, and those that it has go on. */
START_TEST(a_full_group_refuses_new_members)
{
    stage_topic(&stage, "orders", 2);
    stage.settings.consumer_members_max = 2;
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_join(&stage, "b", "orders"), 0);
    ck_code(stage_join(&stage, "c", "orders"), WEIR_GROUP_MAX_SIZE_REACHED);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(beat("b", 2), 0);
}
END_TEST

/* What members say and what they may be given is bounded together. */
START_TEST(a_group_holds_so_many_bytes)
{
    stage_topic(&stage, "orders", 64);
    stage_topic(&stage, "wide", 2000);
    stage.settings.bytes_max = 20000;
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_join(&stage, "b", "wide"), WEIR_GROUP_MAX_SIZE_REACHED);
    ck_code(stage_says(&stage,
                       (struct says){.member = "b", .regex = ".*", .timeout_ms = 1, .owned = ""}),
            WEIR_GROUP_MAX_SIZE_REACHED);
    int members = 0;
    char id[16];
    do {
        (void)snprintf(id, sizeof id, "m%d", members++);
    } while (stage_join(&stage, id, "orders") == 0 && members < 1000);
    ck_assert_int_eq(stage.request.base.request.rc, WEIR_GROUP_MAX_SIZE_REACHED);
    ck_assert_uint_le(weir_consumer_group_bytes(&stage.group), 20000);
    ck_code(beat("a", 1), 0);
}
END_TEST

/* ---- epochs ---------------------------------------------------------------------------------- */

/* A group that has had all epochs lets nobody in, and lets everybody out; it can be read again. */
START_TEST(epochs_come_to_an_end)
{
    struct weir_consumer_group again;
    struct weir_error error = {0};
    stage_topic(&stage, "orders", 4);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    stage.group.epoch = WEIR_CONSUMER_EPOCH_LAST - 1;
    ck_code(stage_join(&stage, "b", "orders"), 0);
    ck_code(stage_join(&stage, "c", "orders"), WEIR_INVALID_ARGUMENT);
    ck_code(stage_says(&stage, (struct says){.member = "b", .epoch = -1}), 0);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = -1}), 0);
    ck_ok(stage_load(&stage, &again, &error), &error);
    ck_assert_int_eq(again.epoch, WEIR_CONSUMER_EPOCH_LAST + 2);
    weir_consumer_group_close(&again);
}
END_TEST

/* An epoch that is ahead, or behind the one before, is fenced; the one before is a lost answer's if what the
 * member has is part of what it was given. */
START_TEST(epochs_are_fenced)
{
    stage_topic(&stage, "orders", 4);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    stage_topic(&stage, "clicks", 2);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1, .topics = "orders clicks"}),
            0);
    ck_assert_int_eq(stage.request.member_epoch_out, 2);
    ck_code(beat("a", 3), WEIR_FENCED_MEMBER_EPOCH);
    ck_assert_ptr_nonnull(strstr(stage.request.base.request.error.text, "greater"));
    ck_code(beat("a", 1), WEIR_FENCED_MEMBER_EPOCH);
    ck_assert_ptr_nonnull(strstr(stage.request.base.request.error.text, "smaller"));
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1, .owned = "orders:0,3"}), 0);
    ck_assert_int_eq(stage.request.member_epoch_out, 2);
    stage_topic(&stage, "other", 1);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1, .owned = "other:0"}),
            WEIR_FENCED_MEMBER_EPOCH);
    ck_code(beat("b", 2), WEIR_UNKNOWN_MEMBER_ID);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 2, .topics = "orders"}), 0);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1, .owned = ""}),
            WEIR_FENCED_MEMBER_EPOCH);
}
END_TEST

/* KAFKA-19233: a member that was fenced joins again under its id, and is given what it had. */
START_TEST(a_fenced_member_joins_again)
{
    stage_topic(&stage, "orders", 3);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(beat("a", 9), WEIR_FENCED_MEMBER_EPOCH);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_assert_int_eq(stage.request.member_epoch_out, 1);
    ck_assert_str_eq(assigned(), "orders:0,1,2");
    ck_assert_uint_eq(stage.written, 0);
}
END_TEST

/* What of a member changes without its topics is written, and starts no rebalance. */
START_TEST(a_rack_is_no_reason_to_rebalance)
{
    stage_topic(&stage, "orders", 3);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1, .rack = "r1"}), 0);
    ck_assert_int_eq(stage.group.epoch, 1);
    ck_assert_uint_eq(stage.written, 1);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1, .rack = "r1"}), 0);
    ck_assert_uint_eq(stage.written, 0);
}
END_TEST

/* A full request is told everything, one that says less only what is new. */
START_TEST(a_full_request_is_told_everything)
{
    stage_topic(&stage, "orders", 2);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_says(&stage, (struct says){.member = "a",
                                             .epoch = 1,
                                             .topics = "orders",
                                             .timeout_ms = 60000,
                                             .owned = "orders:0,1"}),
            0);
    ck_assert_str_eq(assigned(), "orders:0,1");
    ck_assert_uint_eq(stage.written, 0);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1, .owned = "orders:0,1"}), 0);
    ck_assert_str_eq(assigned(), "same");
}
END_TEST

/* A heartbeat that changes nothing allocates nothing, and writes nothing, with the partitions said or not. */
START_TEST(a_quiet_heartbeat_allocates_nothing)
{
    stage_topic(&stage, "orders", 64);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(beat("a", 1), 0);
    uint64_t before = atomic_load(&stage.heap.allocation_count);
    ck_code(beat("a", 1), 0);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1, .owned = "orders:0,1,2"}),
            0);
    ck_assert_uint_eq(atomic_load(&stage.heap.allocation_count), before);
    ck_assert_uint_eq(stage.written, 0);
}
END_TEST

/* A member that waits for another one's partitions costs no memory either. */
START_TEST(a_member_that_waits_allocates_nothing)
{
    stage_topic(&stage, "orders", 64);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_join(&stage, "b", "orders"), 0);
    ck_code(beat("a", 1), 0);
    ck_code(beat("b", 2), 0);
    uint64_t before = atomic_load(&stage.heap.allocation_count);
    for (int i = 0; i < 3; i++) {
        ck_code(beat("a", 1), 0); /* has to give up */
        ck_code(beat("b", 2), 0); /* waits for that */
    }
    ck_assert_uint_eq(atomic_load(&stage.heap.allocation_count), before);
}
END_TEST

/* ---- members that go ------------------------------------------------------------------------- */

/* Who leaves is gone at once, and the other is given its partitions with its next heartbeat. */
START_TEST(what_a_member_leaves_is_given_on)
{
    static const char *const both[] = {"a", "b"};
    stage_topic(&stage, "orders", 4);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_join(&stage, "b", "orders"), 0);
    settle(both, 2);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = -1}), 0);
    ck_assert_int_eq(stage.request.member_epoch_out, -1);
    ck_assert_str_eq(weir_consumer_group_state(&stage.group), "Assigning");
    ck_code(beat("b", 2), 0);
    ck_assert_str_eq(assigned(), "orders:0,1,2,3");
    ck_code(beat("a", 2), WEIR_UNKNOWN_MEMBER_ID);
    ck_code(stage_says(&stage, (struct says){.member = "b", .epoch = -1}), 0);
    ck_assert_str_eq(weir_consumer_group_state(&stage.group), "Empty");
    ck_assert_int_eq(stage.update.wake_at_ms < INT64_MAX, 1);
}
END_TEST

/* A session ends 45 s after the last heartbeat, at the tick that the group has asked for. */
START_TEST(a_silent_member_is_removed)
{
    stage_topic(&stage, "orders", 4);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_join(&stage, "b", "orders"), 0);
    int64_t joined_ms = stage.now_ms;
    ck_assert_int_eq(stage.update.wake_at_ms, joined_ms + 45000);
    stage.now_ms += 44999;
    ck_code(beat("a", 1), 0);
    ck_code(stage_tick(&stage), 0);
    ck_assert_uint_eq(weir_consumer_group_member_count(&stage.group), 2);
    stage.now_ms = joined_ms + 45000;
    ck_code(stage_tick(&stage), 0);
    ck_assert_uint_eq(weir_consumer_group_member_count(&stage.group), 1);
    ck_assert_uint_gt(stage.written, 0);
    ck_assert_uint_eq(stage.update.silent_count, 1);
    ck_assert(weir_slice_equal(stage.update.silent->member_id, weir_text("b")));
    ck_assert_str_eq(stage.update.silent->missed, "heartbeat");
    ck_code(beat("b", 2), WEIR_UNKNOWN_MEMBER_ID);
    ck_assert_uint_eq(stage.update.silent_count, 0);
    ck_assert_int_eq(stage.update.wake_at_ms, joined_ms + 44999 + 45000);
}
END_TEST

/* A member that does not give up what it has to within its rebalance timeout is removed, heartbeats or not. */
START_TEST(a_member_that_does_not_revoke_is_removed)
{
    stage_topic(&stage, "orders", 4);
    ck_code(stage_says(
                &stage,
                (struct says){.member = "a", .topics = "orders", .timeout_ms = 8000, .owned = ""}),
            0);
    ck_code(stage_join(&stage, "b", "orders"), 0);
    ck_code(beat("a", 1), 0);
    for (int i = 0; i < 7; i++) {
        stage.now_ms += 1000;
        ck_code(stage_tick(&stage), 0);
        ck_code(
            stage_says(&stage, (struct says){.member = "a", .epoch = 1, .owned = "orders:0,1,2"}),
            0);
    }
    stage.now_ms += 1000;
    ck_assert_int_eq(stage.update.wake_at_ms, stage.now_ms);
    ck_code(stage_tick(&stage), 0);
    ck_assert_uint_eq(stage.update.silent_count, 1);
    ck_assert_str_eq(stage.update.silent->missed, "revocation");
    ck_code(beat("a", 1), WEIR_UNKNOWN_MEMBER_ID);
    ck_code(beat("b", 2), 0);
    ck_assert_str_eq(assigned(), "orders:0,1,2,3");
}
END_TEST

/* ---- static members -------------------------------------------------------------------------- */

/* One that leaves for a while keeps its partitions, and the next of its name has them under a new id, without a
 * rebalance. */
START_TEST(a_static_member_comes_back)
{
    static const char *const both[] = {"a1", "b"};
    stage_topic(&stage, "orders", 4);
    ck_code(stage_says(&stage, (struct says){.member = "a1",
                                             .instance = "a",
                                             .topics = "orders",
                                             .timeout_ms = 60000,
                                             .owned = ""}),
            0);
    ck_code(stage_join(&stage, "b", "orders"), 0);
    settle(both, 2);
    ck_code(stage_says(&stage, (struct says){.member = "a1", .instance = "a", .epoch = -2}), 0);
    ck_assert_int_eq(stage.request.member_epoch_out, -2);
    ck_code(beat("b", 2), 0);
    ck_assert_str_eq(assigned(), "same");
    ck_code(stage_says(&stage, (struct says){.member = "a2",
                                             .instance = "a",
                                             .topics = "orders",
                                             .timeout_ms = 60000,
                                             .owned = ""}),
            0);
    ck_assert_str_eq(assigned(), "orders:0,1");
    ck_assert_int_eq(stage.request.member_epoch_out, 2);
    ck_assert_int_eq(stage.group.epoch, 2);
    ck_assert_uint_eq(weir_consumer_group_member_count(&stage.group), 2);
    ck_code(stage_says(&stage, (struct says){.member = "a1", .instance = "a", .epoch = 2}),
            WEIR_FENCED_INSTANCE_ID);
}
END_TEST

/* While it has not left, its name is its own; a name that nobody has is unknown. */
START_TEST(an_instance_id_is_held)
{
    stage_topic(&stage, "orders", 4);
    struct says says = {
        .member = "a1", .instance = "a", .topics = "orders", .timeout_ms = 9, .owned = ""};
    ck_code(stage_says(&stage, says), 0);
    says.member = "a2";
    ck_code(stage_says(&stage, says), WEIR_UNRELEASED_INSTANCE_ID);
    says.member = "a1"; /* itself, fenced */
    ck_code(stage_says(&stage, says), 0);
    ck_code(stage_says(&stage, (struct says){.member = "a2", .instance = "a", .epoch = 1}),
            WEIR_FENCED_INSTANCE_ID);
    ck_code(stage_says(&stage, (struct says){.member = "a2", .instance = "a", .epoch = -1}),
            WEIR_FENCED_INSTANCE_ID);
    ck_code(stage_says(&stage, (struct says){.member = "z", .instance = "z", .epoch = 1}),
            WEIR_UNKNOWN_MEMBER_ID);
    ck_code(stage_says(&stage, (struct says){.member = "a1", .instance = "a", .epoch = -1}), 0);
    ck_assert(weir_consumer_group_is_empty(&stage.group));
}
END_TEST

/* One that leaves for a while while it has to give something up has given it up by that. */
START_TEST(a_static_member_that_leaves_gives_up)
{
    stage_topic(&stage, "orders", 4);
    struct says says = {
        .member = "a1", .instance = "a", .topics = "orders", .timeout_ms = 9, .owned = ""};
    ck_code(stage_says(&stage, says), 0);
    ck_code(stage_join(&stage, "b", "orders"), 0);
    ck_code(beat("a1", 1), 0);
    ck_code(stage_says(&stage, (struct says){.member = "a1", .instance = "a", .epoch = -2}), 0);
    ck_code(beat("b", 2), 0);
    ck_assert_str_eq(assigned(), "orders:2,3");
    stage.now_ms += 45000;
    ck_code(stage_tick(&stage), 0);
    ck_assert(weir_consumer_group_is_empty(&stage.group));
}
END_TEST

/* An administrator takes static members out by their names; each is answered for itself. */
START_TEST(an_administrator_removes_static_members)
{
    stage_topic(&stage, "orders", 4);
    struct says says = {
        .member = "a1", .instance = "a", .topics = "orders", .timeout_ms = 9, .owned = ""};
    ck_code(stage_says(&stage, says), 0);
    says.member = "b1";
    says.instance = "b";
    ck_code(stage_says(&stage, says), 0);
    struct weir_leaving_member leaving[] = {
        {.id = {.instance_id = weir_text("a")}},
        {.id = {.instance_id = weir_text("z")}},
        {.id = {.member_id = weir_text("x"), .instance_id = weir_text("b")}},
        {.id = {.member_id = weir_text("b1")}},
    };
    struct weir_leave_group_request request = {.members = leaving, .member_count = 4};
    ck_code(stage_step(&stage, (struct weir_consumer_event){.type = WEIR_CONSUMER_LEAVE,
                                                            .leave = &request}),
            0);
    ck_assert_ptr_eq(stage.update.durable.first, &request.base);
    ck_assert_int_eq(leaving[0].rc, 0);
    ck_assert_int_eq(leaving[1].rc, WEIR_UNKNOWN_MEMBER_ID);
    ck_assert_int_eq(leaving[2].rc, WEIR_FENCED_INSTANCE_ID);
    ck_assert_int_eq(leaving[3].rc, WEIR_UNKNOWN_MEMBER_ID);
    ck_assert_uint_eq(weir_consumer_group_member_count(&stage.group), 1);
    ck_assert_int_eq(stage.group.epoch, 3);
}
END_TEST

/* ---- topics ---------------------------------------------------------------------------------- */

/* A topic that is made, grows and goes: the next heartbeat notices, by itself or after the event. */
START_TEST(topics_come_grow_and_go)
{
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_assert_str_eq(assigned(), "");
    stage_topic(&stage, "orders", 2);
    ck_code(beat("a", 1), 0);
    ck_assert_str_eq(assigned(), "orders:0,1");
    stage_grow(&stage, "orders", 3);
    ck_code(stage_metadata(&stage), 0);
    ck_assert_int_eq(stage.group.epoch, 3);
    ck_assert_str_eq(weir_consumer_group_state(&stage.group), "Assigning");
    ck_code(beat("a", 2), 0);
    ck_assert_str_eq(assigned(), "orders:0,1,2");
    stage_topic(&stage, "elsewhere", 5);
    ck_code(beat("a", 3), 0);
    ck_assert_int_eq(stage.group.epoch, 3);
    stage_remove_topic(&stage, "orders");
    ck_code(beat("a", 3), 0);
    ck_assert_str_eq(assigned(), "");
    stage_topic(&stage, "orders", 1); /* another one of the name */
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 3, .owned = ""}), 0);
    ck_assert_str_eq(assigned(), "orders:0");
}
END_TEST

/* An expression that matches everything means the users' topics: offsets that are read would be committed, and read
 * again. By its name an internal topic can be had. */
START_TEST(an_expression_finds_no_internal_topics)
{
    stage_topic(&stage, "orders", 1);
    stage_topic(&stage, "__consumer_offsets", 1);
    struct says says = {.member = "a", .regex = ".*", .timeout_ms = 9, .owned = ""};
    ck_code(stage_says(&stage, says), 0);
    ck_assert_str_eq(assigned(), "orders:0");
    ck_code(stage_says(&stage,
                       (struct says){.member = "a", .epoch = 1, .topics = "__consumer_offsets"}),
            0);
    ck_assert_str_eq(assigned(), "__consumer_offsets:0 orders:0");
}
END_TEST

/* By an expression; new names count once in 10 s, so many that are made make one rebalance. */
START_TEST(an_expression_finds_new_topics)
{
    stage_topic(&stage, "eu.orders", 1);
    stage_topic(&stage, "us.orders", 1);
    ck_code(
        stage_says(&stage,
                   (struct says){.member = "a", .regex = "eu[.].*", .timeout_ms = 9, .owned = ""}),
        0);
    ck_assert_str_eq(assigned(), "eu.orders:0");
    ck_assert(weir_consumer_group_subscribes(&stage.group, weir_text("eu.orders")));
    ck_assert(!weir_consumer_group_subscribes(&stage.group, weir_text("us.orders")));
    stage_topic(&stage, "eu.clicks", 1);
    ck_code(beat("a", 1), 0);
    ck_assert_str_eq(assigned(), "same");
    ck_assert_int_eq(stage.update.wake_at_ms, stage.now_ms + 10000);
    stage.now_ms += 10000;
    ck_code(stage_tick(&stage), 0);
    ck_code(beat("a", 1), 0);
    ck_assert_str_eq(assigned(), "eu.clicks:0 eu.orders:0");
    /* names and an expression together, and the expression goes with the last one that has it */
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 2, .topics = "us.orders"}), 0);
    ck_assert_str_eq(assigned(), "eu.clicks:0 eu.orders:0 us.orders:0");
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 3, .regex = ""}), 0);
    ck_assert_str_eq(assigned(), "us.orders:0");
    ck_assert_uint_eq(weir_map_count(&stage.group.topics.regexes), 0);
}
END_TEST

/* An expression that takes too long is refused when it is brought, and kept as it was when names come later. */
START_TEST(a_costly_expression_is_refused)
{
    char name[250];
    memset(name, 'a', 249);
    name[249] = '\0';
    struct says says = {.member = "a", .regex = "(a|a)*[bc]", .timeout_ms = 9, .owned = ""};
    stage_topic(&stage, "b", 1);
    ck_code(stage_says(&stage, says), 0);
    ck_assert_str_eq(assigned(), "b:0");
    stage_topic(&stage, name, 1);
    stage.now_ms += 10000;
    ck_code(beat("a", 1), 0);
    ck_assert_str_eq(assigned(), "same");
    says.member = "b";
    says.regex = "(a|a)*[bcd]";
    ck_code(stage_says(&stage, says), WEIR_INVALID_REGULAR_EXPRESSION);
    ck_assert_uint_eq(weir_consumer_group_member_count(&stage.group), 1);
}
END_TEST

/* The assignor that most ask for; uniform where as many ask for each. */
START_TEST(members_vote_for_the_assignor)
{
    struct weir_describe_group_request request = {.base.arena = &stage.arena};
    stage_topic(&stage, "orders", 4);
    struct says says = {
        .member = "a", .topics = "orders", .timeout_ms = 9, .owned = "", .assignor = "range"};
    ck_code(stage_says(&stage, says), 0);
    ck_assert_int_eq(weir_consumer_group_describe(&stage.group, &request), 0);
    ck_assert(weir_slice_equal(request.protocol, weir_text("range")));
    says.member = "b";
    says.assignor = "uniform";
    ck_code(stage_says(&stage, says), 0);
    ck_assert_int_eq(weir_consumer_group_describe(&stage.group, &request), 0);
    ck_assert(weir_slice_equal(request.protocol, weir_text("uniform")));
}
END_TEST

/* ---- offsets, descriptions ------------------------------------------------------------------- */

static int may_commit(const char *member, int epoch, const char *topic, int partition)
{
    const struct weir_group_member_id id = {.member_id = weir_text(member)};
    const struct weir_topic_image *image = stage_find_topic(&stage, topic);
    struct weir_consumer_commit commit = {.topic_id = image->id, .partition = partition};
    struct weir_error error = {0};
    int rc = weir_consumer_group_check_commit(&stage.group, &id, epoch, &commit, 1, &error);
    ck_told(rc, &error);
    return rc;
}

/* KIP-1251: an older epoch commits what the member has had since then, and nothing else. */
START_TEST(old_epochs_commit_what_they_had)
{
    stage_topic(&stage, "orders", 2);
    stage_topic(&stage, "clicks", 1);
    ck_code(may_commit("", -1, "orders", 0), 0);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1, .topics = "orders clicks"}),
            0);
    ck_assert_int_eq(stage.request.member_epoch_out, 2);
    ck_code(may_commit("a", 2, "orders", 0), 0);
    ck_code(may_commit("a", 2, "orders", 77), 0);
    ck_code(may_commit("a", 1, "orders", 1), 0);
    ck_code(may_commit("a", 1, "clicks", 0), WEIR_STALE_MEMBER_EPOCH);
    ck_code(may_commit("a", 1, "orders", 2), WEIR_STALE_MEMBER_EPOCH);
    ck_code(may_commit("a", 3, "orders", 0), WEIR_STALE_MEMBER_EPOCH);
    ck_code(may_commit("b", 2, "orders", 0), WEIR_UNKNOWN_MEMBER_ID);
    ck_code(may_commit("", -1, "orders", 0), WEIR_UNKNOWN_MEMBER_ID);
    ck_code(weir_consumer_group_check_version(&stage.group, weir_text("a"), NULL),
            WEIR_UNSUPPORTED_VERSION);
    ck_code(weir_consumer_group_check_version(&stage.group, weir_text("b"), NULL), 0);
}
END_TEST

START_TEST(a_fetch_is_checked_by_the_epoch)
{
    struct weir_error error = {0};
    stage_topic(&stage, "orders", 2);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    const struct weir_consumer_group *group = &stage.group;
    ck_code(weir_consumer_group_check_fetch(group, weir_text("a"), 1, &error), 0);
    ck_code(weir_consumer_group_check_fetch(group, weir_text("a"), 0, &error),
            WEIR_STALE_MEMBER_EPOCH);
    ck_code(weir_consumer_group_check_fetch(group, weir_text("b"), 1, &error),
            WEIR_UNKNOWN_MEMBER_ID);
    ck_code(weir_consumer_group_check_fetch(group, weir_null(), -1, &error), 0);
}
END_TEST

/* All that there is to know of a group and its members. */
START_TEST(a_group_is_described)
{
    struct weir_describe_group_request request = {.base.arena = &stage.arena};
    stage_topic(&stage, "orders", 4);
    ck_code(stage_says(&stage, (struct says){.member = "a",
                                             .instance = "i",
                                             .rack = "r",
                                             .topics = "orders",
                                             .regex = "o.*",
                                             .timeout_ms = 9,
                                             .owned = ""}),
            0);
    ck_code(stage_join(&stage, "b", "orders"), 0);
    ck_code(beat("a", 1), 0);
    ck_assert_int_eq(weir_consumer_group_describe(&stage.group, &request), 0);
    ck_assert_int_eq(request.type, WEIR_GROUP_CONSUMER);
    ck_assert(weir_slice_equal(request.state, weir_text("Reconciling")));
    ck_assert(weir_slice_equal(request.protocol_type, weir_text("consumer")));
    ck_assert(weir_slice_equal(request.protocol, weir_text("uniform")));
    ck_assert_int_eq(request.group_epoch, 2);
    ck_assert_int_eq(request.assignment_epoch, 2);
    ck_assert_uint_eq(request.member_count, 2);
    const struct weir_described_member *a = &request.members[0];
    ck_assert(weir_slice_equal(a->id.member_id, weir_text("a")));
    ck_assert(weir_slice_equal(a->id.instance_id, weir_text("i")));
    ck_assert(weir_slice_equal(a->rack_id, weir_text("r")));
    ck_assert(weir_slice_equal(a->client_id, weir_text("client")));
    ck_assert(weir_slice_equal(a->client_host, weir_text("/127.0.0.1")));
    ck_assert(weir_slice_equal(a->topic_regex, weir_text("o.*")));
    ck_assert(weir_slice_equal(a->topic_names[0], weir_text("orders")));
    ck_assert_int_eq(a->member_epoch, 1);
    ck_assert_uint_eq(a->assigned[0].partition_count, 2);
    ck_assert_uint_eq(a->target[0].partition_count, 2);
    ck_assert(weir_slice_is_null(request.members[1].id.instance_id));
    ck_assert_uint_eq(request.members[1].assigned_count, 0);
    ck_assert_uint_eq(request.members[1].target[0].partition_count, 2);
}
END_TEST

/* A group is deleted when it is empty, and its records are gone with it. */
START_TEST(an_empty_group_is_deleted)
{
    struct weir_error error = {0};
    stage_topic(&stage, "orders", 4);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    weir_group_update_init(&stage.update, &stage.update_arena);
    ck_code(weir_consumer_group_delete(&stage.group, &stage.update, &error), WEIR_NON_EMPTY_GROUP);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = -1}), 0);
    weir_group_update_init(&stage.update, &stage.update_arena);
    ck_code(weir_consumer_group_delete(&stage.group, &stage.update, &error), 0);
    ck_assert(stage.update.is_gone);
    ck_assert_uint_eq(stage.update.record_count, 2);
    ck_assert(weir_slice_is_null(stage.update.records[0].value));
    ck_assert(weir_slice_is_null(stage.update.records[1].value));
}
END_TEST

/* ---- a group that goes on after a restart ---------------------------------------------------- */

/* Sessions begin anew, and what was on its way goes on. */
START_TEST(a_loaded_group_goes_on)
{
    stage_topic(&stage, "orders", 4);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_join(&stage, "b", "orders"), 0);
    ck_code(beat("a", 1), 0);
    stage.now_ms += 100000;
    stage_reload(&stage);
    ck_code(stage_tick(&stage), 0);
    ck_assert_uint_eq(weir_consumer_group_member_count(&stage.group), 2);
    ck_assert_int_eq(stage.update.wake_at_ms, stage.now_ms + 45000);
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = 1, .owned = "orders:0,1"}), 0);
    ck_assert_int_eq(stage.request.member_epoch_out, 2);
    ck_code(beat("b", 2), 0);
    ck_assert_str_eq(assigned(), "orders:2,3");
    ck_assert_int_eq(stage.group.epoch, 2);
}
END_TEST

/* Topics that have changed while nobody looked are noticed with the first heartbeat. */
START_TEST(a_loaded_group_notices_topics)
{
    stage_topic(&stage, "orders", 1);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    stage_grow(&stage, "orders", 2);
    stage_reload(&stage);
    ck_code(beat("a", 1), 0);
    ck_assert_str_eq(assigned(), "orders:0,1");
}
END_TEST

/* The hash of topics is written down: it is what docs/format/consumer-groups.md says. */
START_TEST(the_hash_is_as_documented)
{
    stage_topic(&stage, "orders", 3);
    stage_topic(&stage, "clicks", 2);
    stage_topic(&stage, "other", 2);
    ck_code(stage_join(&stage, "a", "orders clicks absent"), 0);
    ck_assert_int_eq(stage.group.topics_hash, INT64_C(-7008901652637041194));
    ck_code(stage_says(&stage, (struct says){.member = "a", .epoch = -1}), 0);
    ck_assert_int_eq(stage.group.topics_hash, 0);
}
END_TEST

/* Stored bytes are not trusted: a damaged record is refused, or makes a group whose invariants hold. */
START_TEST(damaged_records_make_no_broken_group)
{
    struct weir_test_random random = {11};
    stage_topic(&stage, "orders", 4);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_says(
                &stage,
                (struct says){
                    .member = "b", .instance = "i", .regex = "o.*", .timeout_ms = 9, .owned = ""}),
            0);
    ck_code(beat("a", 1), 0);
    int refused = 0;
    for (int i = 0; i < 20000; i++) {
        struct weir_consumer_group group = {0};
        struct stage_record *record =
            &stage.records[weir_test_random_below(&random, stage.record_count)];
        struct weir_buffer *buffer =
            weir_test_random_below(&random, 3) == 0 ? &record->key : &record->value;
        uint8_t *byte = buffer->data + weir_test_random_below(&random, buffer->size);
        const uint8_t before = *byte;
        *byte = (uint8_t)weir_test_random_next(&random);
        int rc = stage_load(&stage, &group, NULL);
        if (rc == 0) weir_consumer_group_check(&group);
        if (rc < 0) refused++;
        if (rc < 0 && rc != WEIR_CORRUPT && rc != WEIR_UNSUPPORTED_VERSION) {
            ck_abort_msg("record %d: %s", (int)(record - stage.records), weir_code_name(rc));
        }
        weir_consumer_group_close(&group);
        *byte = before;
    }
    ck_assert_int_gt(refused, 1000);
}
END_TEST

/* Records of types that are not a consumer group's are not taken, and those of old Kafkas are skipped. */
START_TEST(types_of_records)
{
    static const uint8_t old[] = {0, 4, 0, 1, 'g'}, other[] = {0, 2, 0, 1, 'g'};
    struct weir_error error = {0};
    for (int16_t type = -1; type < 30; type++) {
        bool expected = (type >= 3 && type <= 8) || type == 16;
        ck_assert_int_eq(weir_consumer_group_has_record(type), expected);
    }
    struct weir_consumer_group *group = &stage.group;
    ck_code(weir_consumer_group_apply(group, weir_slice(old, 5), weir_text("?"), &error), 0);
    ck_code(weir_consumer_group_apply(group, weir_slice(other, 5), weir_text("?"), &error),
            WEIR_UNSUPPORTED_VERSION);
    ck_code(weir_consumer_group_apply(group, weir_slice(old, 1), weir_text("?"), &error),
            WEIR_CORRUPT);
}
END_TEST

/* ---- shortages, invariants ------------------------------------------------------------------- */

/* A little of everything, in one go; the first step that fails ends it. */
static int live(void)
{
    int rc = stage_join(&stage, "a", "orders clicks");
    if (rc == 0)
        rc = stage_says(
            &stage,
            (struct says){
                .member = "b", .instance = "i", .regex = "o.*", .timeout_ms = 9, .owned = ""});
    if (rc == 0) rc = stage_says(&stage, (struct says){.member = "a", .epoch = 1, .owned = ""});
    if (rc == 0) rc = beat("b", 2);
    if (rc == 0)
        rc = stage_says(&stage, (struct says){.member = "b", .instance = "i", .epoch = -2});
    if (rc == 0)
        rc = stage_says(
            &stage,
            (struct says){
                .member = "c", .instance = "i", .regex = "c.*", .timeout_ms = 9, .owned = ""});
    if (rc == 0) rc = stage_says(&stage, (struct says){.member = "a", .epoch = -1});
    stage.now_ms += 45000;
    if (rc == 0) rc = stage_tick(&stage);
    return rc;
}

/* Each allocation of a life fails once: the step says so, the records until then make a group that goes on. */
START_TEST(a_shortage_drops_the_group_and_loses_nothing)
{
    struct weir_test_failures failures = {0};
    stage_topic(&stage, "orders", 3);
    stage_topic(&stage, "clicks", 2);
    while (weir_test_failures_next(&failures)) {
        weir_arena_close(&stage.update_arena);
        weir_arena_init(&stage.update_arena, &stage.budget, 512);
        stage_forget(&stage);
        weir_test_failures_arm(&failures, &stage.heap);
        int rc = live();
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 0);
        stage_reload(&stage);
        ck_code(stage_join(&stage, "z", "orders"), 0);
    }
    ck_assert_uint_gt(failures.hits, 80);
}
END_TEST

/* Memory that is short while a group is loaded is said, and the group can be closed. */
START_TEST(a_group_is_not_loaded_without_memory)
{
    struct weir_test_failures failures = {0};
    stage_topic(&stage, "orders", 3);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_says(
                &stage,
                (struct says){
                    .member = "b", .instance = "i", .regex = "o.*", .timeout_ms = 9, .owned = ""}),
            0);
    while (weir_test_failures_next(&failures)) {
        struct weir_consumer_group group = {0};
        struct weir_error error = {0};
        weir_test_failures_arm(&failures, &stage.heap);
        int rc = stage_load(&stage, &group, &error);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 0);
        weir_consumer_group_close(&group);
    }
    ck_assert_uint_gt(failures.hits, 20);
}
END_TEST

static struct weir_consumer_member *member(const char *id)
{
    return weir_consumer_group_member(&stage.group, weir_text(id));
}

BREAKS(target_ahead, stage.group.assignment_epoch++)
BREAKS(member_ahead, member("a")->epoch++)
BREAKS(not_stable, member("a")->state = WEIR_MEMBER_UNREVOKED_PARTITIONS)
BREAKS(has_less, member("a")->assigned.count--)
BREAKS(two_have_one, member("b")->assigned = member("a")->assigned)
BREAKS(out_of_order, member("a")->assigned.items[0].partition = 99)
BREAKS(bytes_lost, stage.group.words_bytes--)
BREAKS(deadline_forgotten, member("a")->session_deadline_ms = 0)
BREAKS(target_differs, member("a")->target.count--)

static void (*const broken[])(void) = {target_ahead, member_ahead,       not_stable,
                                       has_less,     two_have_one,       out_of_order,
                                       bytes_lost,   deadline_forgotten, target_differs};

/* Whatever of a group is broken ends the program. */
START_TEST(a_broken_field_ends_the_program)
{
    stage_topic(&stage, "orders", 4);
    ck_code(stage_join(&stage, "a", "orders"), 0);
    ck_code(stage_join(&stage, "b", ""), 0);
    ck_code(beat("a", 1), 0);
    broken[_i]();
    weir_consumer_group_check(&stage.group);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("consumer group");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, one_member_has_it_all);
    tcase_add_test(tests, a_partition_is_given_up_before_it_is_given);
    tcase_add_test(tests, a_malformed_request_is_refused);
    tcase_add_test(tests, long_texts_are_refused);
    tcase_add_test(tests, messages_quote_what_can_be_shown);
    tcase_add_test(tests, an_empty_id_is_replaced);
    tcase_add_test(tests, a_full_group_refuses_new_members);
    tcase_add_test(tests, a_group_holds_so_many_bytes);
    tcase_add_test(tests, epochs_come_to_an_end);
    tcase_add_test(tests, epochs_are_fenced);
    tcase_add_test(tests, a_fenced_member_joins_again);
    tcase_add_test(tests, a_rack_is_no_reason_to_rebalance);
    tcase_add_test(tests, a_full_request_is_told_everything);
    tcase_add_test(tests, a_quiet_heartbeat_allocates_nothing);
    tcase_add_test(tests, a_member_that_waits_allocates_nothing);
    tcase_add_test(tests, what_a_member_leaves_is_given_on);
    tcase_add_test(tests, a_silent_member_is_removed);
    tcase_add_test(tests, a_member_that_does_not_revoke_is_removed);
    tcase_add_test(tests, a_static_member_comes_back);
    tcase_add_test(tests, an_instance_id_is_held);
    tcase_add_test(tests, a_static_member_that_leaves_gives_up);
    tcase_add_test(tests, an_administrator_removes_static_members);
    tcase_add_test(tests, topics_come_grow_and_go);
    tcase_add_test(tests, an_expression_finds_new_topics);
    tcase_add_test(tests, an_expression_finds_no_internal_topics);
    tcase_add_test(tests, a_costly_expression_is_refused);
    tcase_add_test(tests, members_vote_for_the_assignor);
    tcase_add_test(tests, old_epochs_commit_what_they_had);
    tcase_add_test(tests, a_fetch_is_checked_by_the_epoch);
    tcase_add_test(tests, a_group_is_described);
    tcase_add_test(tests, an_empty_group_is_deleted);
    tcase_add_test(tests, a_loaded_group_goes_on);
    tcase_add_test(tests, a_loaded_group_notices_topics);
    tcase_add_test(tests, the_hash_is_as_documented);
    tcase_add_test(tests, damaged_records_make_no_broken_group);
    tcase_add_test(tests, types_of_records);
    tcase_add_test(tests, a_shortage_drops_the_group_and_loses_nothing);
    tcase_add_test(tests, a_group_is_not_loaded_without_memory);
    ADD_BROKEN(tests, a_broken_field_ends_the_program, broken);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("consumer_group", add);
}
