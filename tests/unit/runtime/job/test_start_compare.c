/* The comparison of a start, without a log: facts in, differences and a verdict out. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "runtime/job/start_internal.h"
#include "tests/support/support.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_arena arena;
static struct weir_application records;
static struct weir_own_topic own[4];
static struct weir_start_topic topics[3];
static struct weir_start_partition partitions[3][2];
static struct weir_start_facts facts;
static struct weir_start_differences found;
static struct weir_error error;
static bool fed[1] = {true};

enum { INPUT, CHANGELOG, REPARTITION };

static struct weir_uuid id_of(uint8_t number)
{
    return (struct weir_uuid){.bytes = {number}};
}

static void make(size_t index, enum weir_start_role role, const char *name)
{
    topics[index] = (struct weir_start_topic){
        .role = role,
        .name = name,
        .of = name,
        .exists = true,
        .id = id_of((uint8_t)(index + 1)),
        .partition_count = 2,
        .wanted_count = role == WEIR_START_INPUT ? 0 : 2,
        .partitions = partitions[index],
        .keeps_for_ever = true,
        .has_progress = true,
        .read_by = fed,
        .feeds = fed,
        .has_state = true,
        .feeds_state = true,
        .entry_count = 2,
    };
    for (size_t p = 0; p < 2; p++) {
        partitions[index][p] = (struct weir_start_partition){
            .log_end = 10,
            .has_entry = true,
            .has_processed = true,
            .committed = 10,
            .committed_end = 10,
            .epoch_end = INT64_MAX,
            .foreign_at = -1,
        };
    }
    if (role == WEIR_START_INPUT) return;
    own[records.topic_count] = (struct weir_own_topic){
        .name = name,
        .of = name,
        .phase = WEIR_OWN_TOPIC_KEPT,
        .role = role == WEIR_START_CHANGELOG ? WEIR_OWN_CHANGELOG : WEIR_OWN_REPARTITION,
        .id = topics[index].id,
        .partition_count = 2,
    };
    topics[index].record = &own[records.topic_count++];
}

/* A job that has run and was stopped: an input, a changelog, a repartition topic, nothing
 * differs. */
static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    records = (struct weir_application){.arena = &arena, .has_committed = true, .topics = own};
    make(INPUT, WEIR_START_INPUT, "in");
    make(CHANGELOG, WEIR_START_CHANGELOG, "store");
    make(REPARTITION, WEIR_START_REPARTITION, "again");
    facts = (struct weir_start_facts){
        .application_id = "app",
        .records = &records,
        .has_topic = true,
        .has_commit = true,
        .topics = topics,
        .topic_count = 3,
    };
    found = (struct weir_start_differences){.arena = &arena};
}

static void tear_down(void)
{
    weir_arena_close(&arena);
}

static int decide(enum weir_on_mismatch choice)
{
    found = (struct weir_start_differences){.arena = &arena};
    ck_assert_int_eq(weir_start_compare(&facts, &found), 0);
    return weir_start_decide(&facts, &found, choice, &error);
}

static void expect_only(enum weir_start_what what)
{
    ck_assert_int_eq(weir_start_compare(&facts, &found), 0);
    ck_assert_uint_eq(found.count, 1);
    ck_assert_msg(found.items[0].what == what, "found '%s', not '%s'",
                  weir_start_what_name(found.items[0].what), weir_start_what_name(what));
}

START_TEST(a_job_that_was_stopped_does_not_differ)
{
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert_uint_eq(found.count, 0);
    ck_assert(!topics[CHANGELOG].is_emptied);
}
END_TEST

/* Of a reset that was killed the commit says where the inputs are to go on, and nothing of the state: whatever is
 * chosen, the reset is to come first. */
START_TEST(a_reset_that_was_begun_is_refused_whatever_is_chosen)
{
    facts.is_reset_begun = true;
    for (int choice = WEIR_ON_MISMATCH_REFUSE; choice <= WEIR_ON_MISMATCH_LOSSY_REBUILD; choice++) {
        ck_assert_int_eq(decide((enum weir_on_mismatch)choice), WEIR_MISMATCH);
        ck_assert_ptr_nonnull(strstr(error.text, "weir app reset app --data DIR"));
    }
}
END_TEST

/* Also where the application has committed before, and has given its group back since. */
START_TEST(a_foreign_group_is_refused_with_the_command_that_adopts_it)
{
    facts.has_commit = false;
    facts.foreign_entries = 2;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.text, "weir app adopt app --data DIR --dry-run"));
    ck_assert_ptr_nonnull(strstr(error.text, "WEIR_ON_MISMATCH_START_EMPTY"));
}
END_TEST

START_TEST(a_tail_of_this_job_does_not_differ)
{
    partitions[CHANGELOG][1].log_end = 15;
    partitions[REPARTITION][0].log_end = 15;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert_uint_eq(found.count, 0);
}
END_TEST

/* What each fact makes of a kept changelog. */
static void differ(int which)
{
    struct weir_start_partition *partition = &partitions[CHANGELOG][1];
    switch (which) {
    case WEIR_START_GONE:
        topics[CHANGELOG].exists = false;
        break;
    case WEIR_START_PARTITIONS:
        topics[CHANGELOG].wanted_count = 3;
        break;
    case WEIR_START_NO_ENTRY:
        partition->has_entry = false;
        break;
    case WEIR_START_ENTRY_FOREIGN:
        partition->is_foreign_entry = true;
        break;
    case WEIR_START_SHORTER:
        partition->log_end = 9;
        break;
    case WEIR_START_REWRITTEN:
        partition->epoch_end = 9;
        break;
    case WEIR_START_FOREIGN_TAIL:
        partition->log_end = 12;
        partition->foreign_at = 11;
        break;
    case WEIR_START_HEAD_GONE:
        partition->log_start = 1;
        break;
    default:
        ck_abort_msg("no such difference");
    }
}

static const int of_a_changelog[] = {
    WEIR_START_GONE,    WEIR_START_PARTITIONS, WEIR_START_NO_ENTRY,     WEIR_START_ENTRY_FOREIGN,
    WEIR_START_SHORTER, WEIR_START_REWRITTEN,  WEIR_START_FOREIGN_TAIL, WEIR_START_HEAD_GONE};
enum { OF_A_CHANGELOG = sizeof of_a_changelog / sizeof of_a_changelog[0] };

START_TEST(what_differs_in_a_changelog_is_named_and_empties_it_alone)
{
    differ(of_a_changelog[_i]);
    expect_only((enum weir_start_what)of_a_changelog[_i]);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.text, "store"));
    ck_assert_ptr_nonnull(strstr(error.text, "WEIR_ON_MISMATCH_REBUILD"));
    ck_assert_ptr_nonnull(strstr(error.text, "WEIR_ON_MISMATCH_START_EMPTY"));
    ck_assert_ptr_null(strchr(error.text, '{'));
    ck_assert(!topics[CHANGELOG].is_emptied);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_START_EMPTY), WEIR_START_EMPTY);
    ck_assert(topics[CHANGELOG].is_emptied);
    ck_assert(!topics[REPARTITION].is_emptied);
}
END_TEST

START_TEST(a_rebuild_empties_all_and_needs_whole_inputs)
{
    differ(WEIR_START_GONE);
    partitions[INPUT][0].log_start = 1;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_ptr_null(strstr(error.text, "WEIR_ON_MISMATCH_REBUILD")); /* no choice, then */
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REBUILD), WEIR_MISMATCH);
    partitions[INPUT][0].log_start = 0;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REBUILD), WEIR_START_REBUILD);
    ck_assert(topics[CHANGELOG].is_emptied && topics[REPARTITION].is_emptied);
}
END_TEST

/* The choices may stay set: nothing is rebuilt or emptied that fits. */
START_TEST(a_choice_without_a_difference_changes_nothing)
{
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REBUILD), WEIR_START_GO_ON);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_START_EMPTY), WEIR_START_GO_ON);
    ck_assert(!topics[CHANGELOG].is_emptied);
}
END_TEST

START_TEST(a_choice_of_a_start_that_was_killed_holds)
{
    facts.has_commit = false; /* empties everything */
    records.is_emptying = true;
    own[0].phase = WEIR_OWN_TOPIC_EMPTYING;
    own[1].phase = WEIR_OWN_TOPIC_MADE; /* it has got further with this one */
    for (size_t p = 0; p < 2; p++)
        partitions[REPARTITION][p].log_end = partitions[REPARTITION][p].committed_end = 0;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_EMPTY);
    ck_assert(topics[CHANGELOG].is_emptied && topics[REPARTITION].is_emptied);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REBUILD), WEIR_START_REBUILD);
    differ(WEIR_START_GONE);
    records.is_rebuilding = true;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_REBUILD);
}
END_TEST

/* What was chosen then was to empty the repartition topic. */
START_TEST(a_difference_that_is_new_after_a_kill_is_not_chosen)
{
    records.is_emptying = true;
    own[1].phase = WEIR_OWN_TOPIC_EMPTYING;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert(topics[REPARTITION].is_emptied);
    differ(of_a_changelog[_i]);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.text, "store"));
    ck_assert(!topics[CHANGELOG].is_emptied);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_START_EMPTY), WEIR_START_EMPTY);
    ck_assert(topics[CHANGELOG].is_emptied);
}
END_TEST

START_TEST(a_topic_that_is_not_ours_cannot_be_chosen_away)
{
    topics[CHANGELOG].id = id_of(77);
    for (size_t p = 0; p < 2; p++)
        partitions[CHANGELOG][p].has_entry = false;
    for (int choice = WEIR_ON_MISMATCH_REFUSE; choice <= WEIR_ON_MISMATCH_START_EMPTY; choice++) {
        ck_assert_int_eq(decide((enum weir_on_mismatch)choice), WEIR_MISMATCH);
        ck_assert(!topics[CHANGELOG].is_emptied);
    }
    ck_assert_int_eq(found.items[0].what, WEIR_START_NOT_OURS);
    topics[CHANGELOG].owner = "other";
    (void)decide(WEIR_ON_MISMATCH_REBUILD);
    ck_assert_int_eq(found.items[0].what, WEIR_START_OWNED);
    ck_assert_ptr_nonnull(strstr(error.text, "'other'"));
}
END_TEST

/* An intent of ours and an empty topic: a kill came between. */
START_TEST(an_empty_topic_with_an_intent_is_ours)
{
    own[0].phase = WEIR_OWN_TOPIC_MAKING;
    own[0].id = id_of(0);
    for (size_t p = 0; p < 2; p++) {
        partitions[CHANGELOG][p].has_entry = false;
        partitions[CHANGELOG][p].log_end = 0;
    }
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert_uint_eq(found.count, 0);
    topics[CHANGELOG].wanted_count =
        3; /* the inputs have changed since, or it was not that start */
    expect_only(WEIR_START_PARTITIONS);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_START_EMPTY), WEIR_START_EMPTY);
    topics[CHANGELOG].wanted_count = 2;
    partitions[CHANGELOG][1].log_end = 1;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REBUILD), WEIR_MISMATCH);
}
END_TEST

/* Nobody's intent, for the records are gone: made anew by a start of ours, or by somebody. It can be chosen about as
 * long as nothing is in it. */
START_TEST(an_empty_topic_without_records_is_chosen_about)
{
    facts.is_records_cut = true;
    for (size_t t = 0; t < 3; t++)
        topics[t].record = NULL;
    topics[CHANGELOG].id = id_of(77);
    for (size_t p = 0; p < 2; p++) {
        partitions[CHANGELOG][p].has_entry = false;
        partitions[CHANGELOG][p].log_end = 0;
    }
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.text, "topic 'store' is empty and not the one"));
    ck_assert_ptr_nonnull(strstr(error.text, "WEIR_ON_MISMATCH_REBUILD"));
    ck_assert_ptr_nonnull(strstr(error.text, "WEIR_ON_MISMATCH_START_EMPTY"));
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_START_EMPTY), WEIR_START_EMPTY);
    ck_assert(topics[CHANGELOG].is_emptied && !topics[REPARTITION].is_emptied);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REBUILD), WEIR_START_REBUILD);
    partitions[CHANGELOG][1].log_end = 1;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REBUILD), WEIR_MISMATCH);
    partitions[CHANGELOG][1].log_end = 0;
    topics[CHANGELOG].owner = "other";
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REBUILD), WEIR_MISMATCH);
}
END_TEST

START_TEST(a_lost_tail_of_an_input_is_noted_and_passed)
{
    partitions[INPUT][1].leader_epoch = 1; /* it has risen since */
    partitions[INPUT][1].epoch_end = 7;
    partitions[INPUT][1].log_end = 30;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert_int_eq(found.items[0].what, WEIR_START_INPUT_TAIL_LOST);
    ck_assert_int_eq(weir_start_input_position(&partitions[INPUT][1]), 7);
    char text[WEIR_ERROR_TEXT_SIZE];
    weir_start_difference_text(&found.items[0], text, sizeof text);
    ck_assert_str_eq(text, "input topic 'in' partition 1 has lost its records 7 to 10, which were "
                           "processed; the job goes on at 7");
}
END_TEST

/* What the log says now, against a commit of offset 10 in epoch 3, and where the job may go on. */
static const struct {
    int32_t leader_epoch;
    int64_t log_end;
    int64_t position;
    bool is_older;
} copies[] = {
    {3, 10, 10, false}, {3, 30, 10, false}, {3, 9, 9, true},  {3, 0, 0, true},
    {2, 9, 9, true},    {2, 30, 10, true},  {4, 9, 9, false},
};
enum { COPIES = sizeof copies / sizeof copies[0] };

/* The epoch rises with whatever may cut a log, so one that has not risen tells of an older copy. */
/* The epoch has risen: a kill or a loss of power has been, and takes nothing that was on the disk. */
START_TEST(records_of_an_input_that_were_on_the_disk_are_not_lost_with_the_power)
{
    partitions[INPUT][1].leader_epoch = 1;
    partitions[INPUT][1].log_end = 12; /* others have taken the offsets */
    partitions[INPUT][1].epoch_end = 7;
    partitions[INPUT][1].read = (struct weir_read_batch){
        .base_offset = 6, .last_offset_delta = 1, .record_count = 2, .is_durable = true};
    expect_only(WEIR_START_INPUT_CUT);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_START_EMPTY), WEIR_START_EMPTY);
    ck_assert(topics[CHANGELOG].is_emptied);
    topics[CHANGELOG].is_emptied = false;

    topics[INPUT].may_be_cut = true; /* by whoever writes it */
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert_int_eq(found.items[0].what, WEIR_START_INPUT_TAIL_LOST);
    topics[INPUT].may_be_cut = false;
    partitions[INPUT][1].epoch_end = 8; /* nothing that was read is gone */
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    partitions[INPUT][1].epoch_end = 7;
    partitions[INPUT][1].read.is_durable = false;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    partitions[INPUT][1].read.is_durable = true;
    topics[INPUT].feeds_state = false; /* nobody has counted them */
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert(!topics[CHANGELOG].is_emptied);
}
END_TEST

START_TEST(an_older_copy_of_an_input_is_refused)
{
    struct weir_start_partition *partition = &partitions[INPUT][1];
    partition->committed_epoch = 3;
    partition->leader_epoch = copies[_i].leader_epoch;
    partition->log_end = copies[_i].log_end;
    ck_assert_int_eq(weir_start_input_position(partition), copies[_i].position);
    int rc = decide(WEIR_ON_MISMATCH_REFUSE);
    ck_assert_int_eq(rc, copies[_i].is_older ? WEIR_MISMATCH : WEIR_START_GO_ON);
    if (!copies[_i].is_older) return;
    char text[WEIR_ERROR_TEXT_SIZE];
    (void)snprintf(
        text, sizeof text,
        "input topic 'in' partition 1 ends at %d in leader epoch %d, and the last commit "
        "is at 10 in leader epoch 3",
        (int)copies[_i].log_end, (int)copies[_i].leader_epoch);
    ck_assert_msg(strstr(error.text, text) != NULL, "%s", error.text);
    ck_assert_ptr_nonnull(strstr(error.text, "WEIR_ON_MISMATCH_REBUILD"));
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_START_EMPTY), WEIR_START_EMPTY);
    ck_assert(topics[CHANGELOG].is_emptied);
}
END_TEST

/* Without a store behind it there is nothing to choose. */
START_TEST(an_older_copy_of_an_input_without_state_is_noted_and_passed)
{
    struct weir_start_partition *partition = &partitions[INPUT][1];
    topics[INPUT].feeds_state = false;
    partition->committed_epoch = 3;
    partition->leader_epoch = copies[_i].leader_epoch;
    partition->log_end = copies[_i].log_end;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert_int_eq(weir_start_input_position(partition), copies[_i].position);
    if (!copies[_i].is_older) return;
    char text[WEIR_ERROR_TEXT_SIZE];
    ck_assert_uint_eq(found.count, 1);
    ck_assert(weir_start_is_noted(found.items[0].what));
    ck_assert_str_eq(weir_start_what_name(found.items[0].what), "input-older");
    weir_start_difference_text(&found.items[0], text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "the job goes on at the lower of the two"));
}
END_TEST

/* What was read last below offset 10, and what lies there now. */
static const struct weir_read_batch was_read = {
    .base_offset = 8, .last_offset_delta = 1, .record_count = 2, .crc = 5};
static const struct {
    struct weir_read_batch found_there;
    bool is_other;
} there[] = {
    {{8, 1, 2, 5, false}, false}, {{0}, false},
    {{8, 1, 2, 6, false}, true},  {{8, 1, 1, 5, false}, true},
    {{7, 2, 2, 5, false}, true},  {{8, 2, 2, 5, false}, true},
};
enum { THERE = sizeof there / sizeof there[0] };

/* Leader epoch and end fit, and another batch lies where one was read: a copy that has grown. What does
 * not lie there any more, or cannot be believed, says nothing. */
START_TEST(another_batch_where_one_was_read_is_refused)
{
    struct weir_start_partition *partition = &partitions[INPUT][1];
    partition->read = was_read;
    partition->found_there = there[_i].found_there;
    ck_assert(weir_start_is_other_log(partition) == there[_i].is_other);
    for (int state = 0; state < 2; state++) {
        topics[INPUT].feeds_state = state == 1;
        int rc = decide(WEIR_ON_MISMATCH_REFUSE);
        ck_assert_int_eq(rc, there[_i].is_other ? WEIR_MISMATCH : WEIR_START_GO_ON);
    }
    if (!there[_i].is_other) return;
    ck_assert_msg(strstr(error.text,
                         "input topic 'in' partition 1 has another record at 9 than the "
                         "one that was read there, and the last commit is at 10") != NULL,
                  "%s", error.text);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_START_EMPTY), WEIR_START_EMPTY);
    ck_assert(topics[CHANGELOG].is_emptied);
    ck_assert_int_eq(weir_start_input_position(partition), 10);
}
END_TEST

/* A commit that names no batch, as older versions wrote it, proves nothing. */
START_TEST(a_commit_without_a_batch_does_not_tell_of_another_log)
{
    partitions[INPUT][1].found_there = was_read;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert_uint_eq(found.count, 0);
}
END_TEST

/* What can be read of it ends below the commit, in whatever epoch: no copy, and no tail that is lost. No
 * choice goes on from there, with a store or without. */
START_TEST(a_damaged_input_is_refused_whatever_is_chosen)
{
    struct weir_start_partition *partition = &partitions[INPUT][1];
    topics[INPUT].feeds_state = _i % 2 == 0;
    partition->committed_epoch = 3;
    partition->leader_epoch = _i < 2 ? 3 : 4;
    partition->epoch_end = 7;
    partition->log_end = 7;
    partition->is_offline = true;
    partition->offline_from = 7;
    for (int choice = WEIR_ON_MISMATCH_REFUSE; choice <= WEIR_ON_MISMATCH_START_EMPTY; choice++) {
        ck_assert_int_eq(decide((enum weir_on_mismatch)choice), WEIR_MISMATCH);
        ck_assert(!topics[CHANGELOG].is_emptied);
        ck_assert_uint_eq(found.count, 1);
        ck_assert_int_eq(found.items[0].what, WEIR_START_INPUT_DAMAGED);
    }
    ck_assert_ptr_nonnull(strstr(error.text, "input topic 'in' partition 1 is damaged from offset "
                                             "7 on, and the last commit is at 10"));
    ck_assert_ptr_nonnull(strstr(error.text, "weir log repair DIR in/1"));
    ck_assert_ptr_null(strstr(error.text, "WEIR_ON_MISMATCH"));
}
END_TEST

/* The commit is below the damage: that its records can be read is all that a start has to know. */
START_TEST(damage_behind_the_commit_does_not_differ)
{
    partitions[INPUT][1].log_end = 30;
    partitions[INPUT][1].is_offline = true;
    partitions[INPUT][1].offline_from = 10;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert_uint_eq(found.count, 0);
    ck_assert_int_eq(weir_start_refuse_unserved(&facts, &error), 0);
}
END_TEST

/* The log's mark still knows its end, so that nothing differs; but nothing is served at the commit. What a failed
 * read took offline may be whole: not a mismatch. */
START_TEST(an_input_that_is_offline_below_the_commit_is_told_as_offline)
{
    partitions[INPUT][1].log_end = 30;
    partitions[INPUT][1].log_start = 4;
    partitions[INPUT][1].offline_from = 9;
    ck_assert_int_eq(weir_start_refuse_unserved(&facts, &error), 0);
    partitions[INPUT][1].is_offline = true;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert_int_eq(weir_start_refuse_unserved(&facts, &error), WEIR_OFFLINE);
    ck_assert_ptr_nonnull(strstr(error.text,
                                 "input topic 'in' partition 1 is offline from offset 9 "
                                 "on, below the last commit at 10"));
    ck_assert_ptr_nonnull(strstr(error.text, "'weir log repair DIR in/1'"));
    partitions[INPUT][1].offline_from = -1; /* nobody knows from where */
    ck_assert_int_eq(weir_start_refuse_unserved(&facts, &error), WEIR_OFFLINE);
    ck_assert_ptr_nonnull(strstr(error.text, "offline from offset 4 on"));
    partitions[INPUT][1].committed = -1; /* it has no position there */
    ck_assert_int_eq(weir_start_refuse_unserved(&facts, &error), 0);
}
END_TEST

/* A commit without an epoch, as older clients write it, proves nothing. */
START_TEST(a_commit_without_an_epoch_does_not_tell_of_an_older_copy)
{
    partitions[INPUT][1].committed_epoch = -1;
    partitions[INPUT][1].log_end = 9;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert_int_eq(found.items[0].what, WEIR_START_INPUT_TAIL_LOST);
}
END_TEST

/* All that the commit names is a partition that only a topic of this name before it had. */
START_TEST(an_input_of_which_only_another_is_named_is_made_anew)
{
    topics[INPUT].partition_count = 1;
    partitions[INPUT][0].has_entry = false;
    topics[INPUT].entry_count = 0;
    topics[INPUT].is_other_named = true;
    expect_only(WEIR_START_INPUT_REPLACED);
    topics[INPUT].is_other_named = false;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert_uint_eq(found.count, 0);
    topics[INPUT].entry_count = 1; /* and this one, too */
    topics[INPUT].is_other_named = true;
    partitions[INPUT][0].has_entry = true;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert_uint_eq(found.count, 0);
}
END_TEST

START_TEST(fewer_partitions_of_an_input_are_refused_where_there_is_state)
{
    topics[INPUT].partition_count = 1;
    expect_only(WEIR_START_INPUT_FEWER);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.text, "'in' had 2 partitions and has 1 now"));
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_START_EMPTY), WEIR_START_EMPTY);
    ck_assert(topics[CHANGELOG].is_emptied);
}
END_TEST

START_TEST(what_retention_removed_is_noted_and_passed)
{
    partitions[INPUT][0].log_start = 12;
    partitions[INPUT][0].log_end = 20;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert_int_eq(found.items[0].what, WEIR_START_INPUT_TRIMMED);
    ck_assert_int_eq(weir_start_input_position(&partitions[INPUT][0]), 12);
}
END_TEST

START_TEST(a_repartition_topic_that_is_left_with_records_is_refused)
{
    const struct weir_own_topic left = {
        .name = "app-old",
        .of = "old",
        .phase = WEIR_OWN_TOPIC_KEPT,
        .role = WEIR_OWN_REPARTITION,
    };
    struct weir_start_left lefts[] = {{.record = &left, .unprocessed = 0}};
    facts.left = lefts;
    facts.left_count = 1;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    lefts[0].unprocessed = 3;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.text, "3 records that are not processed"));
}
END_TEST

/* What waits in a store was read and is in no output yet. */
START_TEST(a_buffer_that_is_left_with_rows_is_refused)
{
    static const char *const buffers[] = {
        "priced-Buffer", "held-store", "KTABLE-SUPPRESS-STATE-STORE-0000000003",
        "KSTREAM-OUTERSHARED-0000000004-store", "pairs-left-shared-join-store"};
    struct weir_own_topic left = {
        .name = "app-old-changelog",
        .phase = WEIR_OWN_TOPIC_KEPT,
        .role = WEIR_OWN_CHANGELOG,
    };
    struct weir_start_left lefts[] = {{.record = &left}};
    facts.left = lefts;
    facts.left_count = 1;
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        left.of = buffers[i];
        lefts[0].has_rows = false;
        ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
        lefts[0].has_rows = true;
        ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
        ck_assert_ptr_nonnull(strstr(error.text, buffers[i]));
        ck_assert_ptr_nonnull(strstr(error.text, ".on_mismatch"));
        ck_assert_int_eq(decide(WEIR_ON_MISMATCH_START_EMPTY), WEIR_START_EMPTY);
    }
    left.of = "counts-store";
    left.formats.value.text = "i64";
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    left.of = "counts";
    left.formats.value.text = NULL;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
}
END_TEST

/* Processed records of a repartition topic are removed from its head; others must not be. */
START_TEST(a_repartition_topic_may_lose_what_was_processed)
{
    partitions[REPARTITION][0].log_start = 10;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    partitions[REPARTITION][0].committed = 8;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_int_eq(found.items[0].what, WEIR_START_HEAD_GONE);
}
END_TEST

/* However long the names are, each text fits, tells them apart by their ends, and leaves room for what can
 * be chosen. */
START_TEST(long_names_give_way_to_the_choices)
{
    static char names[2][250];
    for (int i = 0; i < 2; i++) {
        memset(names[i], 'x', sizeof names[i] - 1);
        names[i][sizeof names[i] - 2] = (char)('1' + i);
    }
    topics[CHANGELOG].name = names[0];
    found.items = &(struct weir_start_difference){.what = (enum weir_start_what)_i,
                                                  .topic = &topics[CHANGELOG],
                                                  .topic_name = names[0],
                                                  .of = names[1],
                                                  .other = names[1],
                                                  .written = names[0],
                                                  .wanted = names[1],
                                                  .field = names[1],
                                                  .partition = INT32_MAX,
                                                  .a = INT64_MAX,
                                                  .b = INT64_MAX,
                                                  .a_epoch = INT32_MAX,
                                                  .b_epoch = INT32_MAX};
    found.count = 1;
    int rc = weir_start_decide(&facts, &found, WEIR_ON_MISMATCH_REFUSE, &error);
    if (rc == WEIR_START_GO_ON) return; /* a difference that is noted */
    ck_assert_int_eq(rc, WEIR_MISMATCH);
    (void)weir_error_wrap(&error, rc, "start job");
    ck_assert_uint_lt(strlen(error.text), WEIR_ERROR_TEXT_SIZE);
    ck_assert_msg(strstr(error.text, "1'") != NULL || strstr(error.text, "2'") != NULL, "%s",
                  error.text);
    const char *choices = "starts empty what does not fit";
    size_t size = strlen(error.text);
    bool is_final =
        _i == WEIR_START_NOT_OURS || _i == WEIR_START_OWNED || _i == WEIR_START_INPUT_DAMAGED;
    ck_assert_msg(is_final || strcmp(error.text + size - strlen(choices), choices) == 0, "%s",
                  error.text);
}
END_TEST

/* Where even that is too much, the text ends early. */
START_TEST(a_text_never_runs_over)
{
    differ(WEIR_START_GONE);
    ck_assert_int_eq(weir_start_compare(&facts, &found), 0);
    char small[16];
    weir_start_difference_text(&found.items[0], small, sizeof small);
    ck_assert_str_eq(small, "topic 'store' i");
}
END_TEST

/* ---- what the bytes are ---------------------------------------------------------------------- */

#define MEAN_1 "struct[count:i64,mean:f64]"
#define MEAN_2 "struct[count:i64,mean:f64,last:i64@2]"

/* The changelog, or the repartition topic, was written as the one and is asked for as the other. */
static void write_as(size_t topic, bool is_key, struct weir_plan_format written,
                     struct weir_plan_format wanted)
{
    struct weir_plan_formats *was = &own[topic == CHANGELOG ? 0 : 1].formats;
    struct weir_plan_formats *now = &topics[topic].formats;
    *(is_key ? &was->key : &was->value) = written;
    *(is_key ? &now->key : &now->value) = wanted;
}

static const struct format_case {
    struct weir_plan_format written;
    struct weir_plan_format wanted;
    const char *says_of_key; /* NULL: it does not differ */
    const char *says_of_value;
} format_cases[] = {
    {{"i64", 0}, {"i64", 0}, NULL, NULL},
    {{"i64", 0},
     {"text", 0},
     "as i64, and the program takes them for text",
     "as i64, and the program takes them for text"},
    {{"i64", 0}, {"f64", 0}, "for f64", "for f64"},
    {{"windowed-changelog[i64]", 0},
     {"windowed-changelog[text]", 0},
     "for windowed",
     "for windowed"},
    /* Of a later version: another key, and a value that is read. */
    {{MEAN_1, 1}, {MEAN_2, 2}, "of version 2", NULL},
    {{MEAN_1, 1}, {MEAN_1, 2}, "of version 2", NULL},
    {{MEAN_2, 2}, {MEAN_1, 1}, "of version 1", "of version 1"},
    {{MEAN_1, 2}, {MEAN_1, 1}, "of version 1", "of version 1"},
    {{MEAN_1, 1}, {"struct[count:i64,sum:f64]", 1}, "(field 'mean')", "(field 'mean')"},
    /* Not known, then or now; and what this version has no type for. */
    {{NULL, 0}, {"i64", 0}, NULL, NULL},
    {{"", 0}, {"i64", 0}, NULL, NULL},
    {{"i64", 0}, {NULL, 0}, NULL, NULL},
    {{"decimal", 0}, {"decimal", 0}, NULL, NULL},
    {{"decimal", 0}, {"i64", 0}, "as decimal", "as decimal"},
};
enum { FORMAT_CASES = sizeof format_cases / sizeof format_cases[0] };

START_TEST(a_store_that_would_be_misread_is_refused)
{
    const struct format_case *is = &format_cases[_i];
    for (int is_key = 0; is_key <= 1; is_key++) {
        const char *says = is_key ? is->says_of_key : is->says_of_value;
        const struct weir_plan_format none = {NULL, 0};
        write_as(CHANGELOG, !is_key, none, none);
        write_as(CHANGELOG, is_key, is->written, is->wanted);
        ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), says != NULL ? WEIR_MISMATCH : 0);
        if (says == NULL) continue;
        ck_assert_uint_eq(found.count, 1);
        ck_assert_int_eq(found.items[0].what, WEIR_START_FORMAT);
        ck_assert_msg(strstr(error.text, says) != NULL, "%s", error.text);
        ck_assert_ptr_nonnull(
            strstr(error.text, is_key ? "keys of store 'store'" : "values of store 'store'"));
        ck_assert_int_eq(decide(WEIR_ON_MISMATCH_START_EMPTY), WEIR_START_EMPTY);
        ck_assert(topics[CHANGELOG].is_emptied && !topics[REPARTITION].is_emptied);
    }
}
END_TEST

START_TEST(windows_of_another_size_are_refused)
{
    static const struct {
        int64_t written;
        int64_t wanted;
        const char *says;
    } cases[] = {
        {10, 10, NULL},
        {10, 20,
         "were written as keys of windows of 10 ms, and the program takes them for keys of "
         "windows of 20 ms (rows of WEIR_LAYOUT_SLICES go by slices"},
        {20, 5, "windows of 5 ms (rows of WEIR_LAYOUT_SLICES"},
        {10, 15, "windows of 15 ms."},
        {0, 10, "as keys without a window,"},
        {10, 0, "for keys without a window."},
        {WEIR_OWN_WINDOW_UNKNOWN, 10, NULL},
    };
    own[0].window_size_ms = cases[_i].written;
    topics[CHANGELOG].window_size_ms = cases[_i].wanted;
    bool is_refused = cases[_i].says != NULL;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), is_refused ? WEIR_MISMATCH : 0);
    if (is_refused) ck_assert_msg(strstr(error.text, cases[_i].says) != NULL, "%s", error.text);
}
END_TEST

/* Where nothing lies that could be misread: nothing was written, or no commit covers it. */
START_TEST(an_empty_store_may_become_another)
{
    write_as(CHANGELOG, true, (struct weir_plan_format){"i64", 0},
             (struct weir_plan_format){"text", 0});
    if (_i == 0) own[0].phase = WEIR_OWN_TOPIC_MADE;
    for (size_t p = 0; p < 2; p++) {
        if (_i == 1) partitions[CHANGELOG][p].committed_end = 0;
    }
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert_uint_eq(found.count, 0);
}
END_TEST

START_TEST(records_between_that_would_be_misread_are_refused)
{
    write_as(REPARTITION, false, (struct weir_plan_format){"i64", 0},
             (struct weir_plan_format){"f64", 0});
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON); /* all is processed */
    partitions[REPARTITION][1].committed = 7;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_int_eq(found.items[0].what, WEIR_START_FORMAT_BETWEEN);
    ck_assert_msg(strstr(error.text, "'again' has 3 records that are not processed yet, their "
                                     "values were written as i64") != NULL,
                  "%s", error.text);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_START_EMPTY), WEIR_START_EMPTY);
    ck_assert(topics[REPARTITION].is_emptied && !topics[CHANGELOG].is_emptied);
}
END_TEST

/* Of what a repair gave up in one partition the state on the disk may make up: that says nothing of the others. */
START_TEST(lost_records_hide_nothing_else)
{
    for (size_t p = 0; p < 2; p++) {
        partitions[CHANGELOG][p].lost = (struct weir_lost_range){3, 5};
        partitions[CHANGELOG][p].lost_count = 1;
    }
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert_uint_eq(found.count, 1);
    partitions[CHANGELOG][1].log_end = 8;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_uint_eq(found.count, 2);
    ck_assert_int_eq(found.items[1].what, WEIR_START_SHORTER);
    ck_assert_int_eq(found.items[1].partition, 1);
    partitions[CHANGELOG][1].log_end = 12;
    partitions[CHANGELOG][1].foreign_at = 11;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_int_eq(found.items[1].what, WEIR_START_FOREIGN_TAIL);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_START_EMPTY), WEIR_START_EMPTY);
    ck_assert(topics[CHANGELOG].is_emptied);
    topics[CHANGELOG].is_emptied = false;
    partitions[CHANGELOG][1].log_end = 10;
    partitions[CHANGELOG][1].foreign_at = -1;
    write_as(CHANGELOG, false, (struct weir_plan_format){"i64", 0},
             (struct weir_plan_format){"text", 0});
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_int_eq(found.items[1].what, WEIR_START_FORMAT);
}
END_TEST

/* A changelog that has lost records is for the restore to judge; of records between, nobody else would. */
START_TEST(records_that_a_repair_gave_up_are_held_against_their_topic)
{
    partitions[CHANGELOG][1].lost = (struct weir_lost_range){3, 5};
    partitions[CHANGELOG][1].lost_count = 1;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
    ck_assert_int_eq(found.items[0].what, WEIR_START_LOST);
    ck_assert(!topics[CHANGELOG].is_emptied);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_START_EMPTY), WEIR_START_EMPTY);
    ck_assert(topics[CHANGELOG].is_emptied && !topics[REPARTITION].is_emptied);
    topics[CHANGELOG].is_emptied = false;
    /* Behind the commit, it is cut. */
    partitions[CHANGELOG][1].lost = (struct weir_lost_range){10, 12};
    partitions[CHANGELOG][1].log_end = 12;
    ck_assert_int_eq(weir_start_lost_end(&partitions[CHANGELOG][1]), 0);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_START_EMPTY), WEIR_START_GO_ON);
    partitions[CHANGELOG][1].lost_count = 2;
    ck_assert_int_eq(weir_start_lost_end(&partitions[CHANGELOG][1]), 10);
    partitions[CHANGELOG][1].lost_count = 0;
    partitions[CHANGELOG][1].lost = (struct weir_lost_range){0, 0};
    partitions[REPARTITION][0].lost = (struct weir_lost_range){3, 5};
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON); /* they were processed */
    partitions[REPARTITION][0].committed = 4;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_int_eq(found.items[0].what, WEIR_START_LOST_BETWEEN);
}
END_TEST

/* Records go round; what is not ours is told apart. */
START_TEST(records_of_an_application_go_round)
{
    struct weir_buffer key;
    struct weir_buffer value;
    weir_buffer_init(&key, &budget, 0);
    weir_buffer_init(&value, &budget, 0);
    struct weir_application folded = {.arena = &arena};
    own[0].window_size_ms = 60000;
    own[0].formats =
        (struct weir_plan_formats){.key = {"windowed-changelog[text]", 0}, .value = {MEAN_2, 2}};
    weir_application_encode_topic(&own[0], &key, &value);
    struct weir_record record = {.key = weir_buffer_slice(&key),
                                 .value = weir_buffer_slice(&value)};
    ck_assert_int_eq(weir_application_apply(&folded, &record, &error), 0);
    const struct weir_own_topic *topic = weir_application_find(&folded, "store");
    ck_assert_ptr_nonnull(topic);
    ck_assert_int_eq(topic->phase, WEIR_OWN_TOPIC_KEPT);
    ck_assert_mem_eq(topic->id.bytes, own[0].id.bytes, sizeof topic->id.bytes);
    ck_assert_int_eq(topic->partition_count, 2);
    ck_assert_int_eq(topic->window_size_ms, 60000);
    ck_assert_str_eq(topic->formats.key.text, "windowed-changelog[text]");
    ck_assert_str_eq(topic->formats.value.text, MEAN_2);
    ck_assert_uint_eq(topic->formats.value.version, 2);
    for (size_t size = 0; size < record.value.size; size++) {
        struct weir_record cut = record;
        cut.value.size = size;
        ck_code(weir_application_apply(&folded, &cut, &error), WEIR_CORRUPT);
    }
    value.data[0] = 9;
    ck_code(weir_application_apply(&folded, &record, &error), WEIR_UNSUPPORTED_VERSION);
    record.value = weir_null();
    ck_assert_int_eq(weir_application_apply(&folded, &record, &error), 0);
    ck_assert_ptr_null(weir_application_find(&folded, "store"));
    record.key = weir_text("user");
    ck_code(weir_application_apply(&folded, &record, &error), WEIR_CORRUPT);
    weir_buffer_close(&key);
    weir_buffer_close(&value);
}
END_TEST

START_TEST(the_life_of_a_store_goes_round)
{
    struct weir_buffer key;
    struct weir_buffer value;
    weir_buffer_init(&key, &budget, 0);
    weir_buffer_init(&value, &budget, 0);
    struct weir_application folded = {.arena = &arena};
    const struct weir_own_store store = {
        .name = "alone", .phase = WEIR_OWN_STORE_EMPTYING, .life = id_of(5)};
    weir_application_encode_store(&store, &key, &value);
    struct weir_record record = {.key = weir_buffer_slice(&key),
                                 .value = weir_buffer_slice(&value)};
    for (size_t size = 0; size < record.value.size; size++) {
        struct weir_record cut = record;
        cut.value.size = size;
        ck_code(weir_application_apply(&folded, &cut, &error), WEIR_CORRUPT);
    }
    for (int again = 0; again < 2; again++)
        ck_assert_int_eq(weir_application_apply(&folded, &record, &error), 0);
    ck_assert_uint_eq(folded.store_count, 1);
    const struct weir_own_store *found_store = weir_application_find_store(&folded, "alone");
    ck_assert_ptr_nonnull(found_store);
    ck_assert_int_eq(found_store->phase, WEIR_OWN_STORE_EMPTYING);
    ck_assert_mem_eq(found_store->life.bytes, store.life.bytes, sizeof store.life.bytes);
    value.data[1] = 1; /* a phase that only topics have */
    ck_code(weir_application_apply(&folded, &record, &error), WEIR_CORRUPT);
    record.value = weir_null();
    ck_assert_int_eq(weir_application_apply(&folded, &record, &error), 0);
    ck_assert_uint_eq(folded.store_count, 0);
    weir_buffer_close(&key);
    weir_buffer_close(&value);
}
END_TEST

/* A record of version 1 ends behind the store's name. */
START_TEST(a_record_that_does_not_say_what_its_bytes_are_is_read)
{
    static const uint8_t key[] = {0, 2, 's', 't', 'o', 'r', 'e'};
    static const uint8_t value[] = {1, 3, 1, 7, 0, 0, 0, 0, 0, 0, 0,   0,   0,   0,   0,
                                    0, 0, 0, 0, 0, 0, 0, 2, 0, 5, 's', 't', 'o', 'r', 'e'};
    struct weir_application folded = {.arena = &arena};
    struct weir_record record = {.key = weir_slice(key, sizeof key),
                                 .value = weir_slice(value, sizeof value)};
    ck_assert_int_eq(weir_application_apply(&folded, &record, &error), 0);
    const struct weir_own_topic *topic = weir_application_find(&folded, "store");
    ck_assert_ptr_nonnull(topic);
    ck_assert_str_eq(topic->of, "store");
    ck_assert_int_eq(topic->phase, WEIR_OWN_TOPIC_KEPT);
    ck_assert_int_eq(topic->window_size_ms, WEIR_OWN_WINDOW_UNKNOWN);
    ck_assert(!weir_plan_format_is_known(topic->formats.key));
    ck_assert(!weir_plan_format_is_known(topic->formats.value));
}
END_TEST

/* ---- the records ----------------------------------------------------------------------------- */

START_TEST(records_that_cannot_be_read_are_not_the_end_of_them)
{
    static struct weir_streams streams;
    static struct weir_start start = {.streams = &streams};
    struct weir_records_reader reader = {
        .start = &start,
        .topic = "app-application",
        .into = &records,
        .has_begun = true,
        .has_ends = true,
        .exists = true,
        .is_fetching = true, /* with an answer that holds nothing */
        .position = 3,
        .log_end = 5,
    };
    ck_code(weir_records_read(&reader, &error), WEIR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(error.text, "nothing can be read at offset 3"));
}
END_TEST

/* One stored batch with the record of the topic 'store', as a fetch gives it. */
static struct weir_shared *stored_topic(void)
{
    struct weir_buffer key;
    struct weir_buffer value;
    struct weir_batch_builder builder;
    struct weir_slice batch;
    weir_buffer_init(&key, &budget, 0);
    weir_buffer_init(&value, &budget, 0);
    weir_batch_builder_init(&builder, &budget, WEIR_CODEC_NONE, 0);
    weir_application_encode_topic(&own[0], &key, &value);
    struct weir_record record = {.key = weir_buffer_slice(&key),
                                 .value = weir_buffer_slice(&value)};
    ck_code(weir_batch_builder_add(&builder, &record), 0);
    ck_code(weir_batch_builder_finish(&builder, &WEIR_BATCH_FINISH_NONE, &batch), 0);
    struct weir_shared *bytes = weir_shared_new(&budget, batch.size);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes->data, batch.data, batch.size);
    bytes->size = batch.size;
    weir_batch_builder_close(&builder);
    weir_buffer_close(&value);
    weir_buffer_close(&key);
    return bytes;
}

/* A bit of a topic's id that has rotted since would make the topic somebody else's: it is damage, and
 * nothing of it is taken. */
START_TEST(a_rotten_record_is_not_compared_with)
{
    static struct weir_streams streams;
    static struct weir_start start = {.streams = &streams};
    for (int is_rotten = 0; is_rotten < 2; is_rotten++) {
        struct weir_application folded = {.arena = &arena};
        struct weir_shared *bytes = stored_topic();
        struct weir_records_reader reader = {
            .start = &start,
            .topic = "app-application",
            .into = &folded,
            .has_begun = true,
            .has_ends = true,
            .exists = true,
            .is_fetching = true,
            .log_end = 1,
            .fetch.batches = {.parts = {{.bytes = bytes, .size = bytes->size}}, .part_count = 1},
        };
        uint8_t *id = memmem(bytes->data, bytes->size, own[0].id.bytes, sizeof own[0].id.bytes);
        ck_assert_ptr_nonnull(id);
        if (is_rotten) *id ^= 1;
        ck_code(weir_records_read(&reader, &error), is_rotten ? WEIR_CORRUPT : 0);
        ck_assert_int_eq(weir_application_find(&folded, "store") != NULL, !is_rotten);
    }
    ck_assert_ptr_nonnull(strstr(error.text, "topic 'app-application': record batch: crc"));
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("start_compare");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_job_that_was_stopped_does_not_differ);
    tcase_add_test(tests, a_reset_that_was_begun_is_refused_whatever_is_chosen);
    tcase_add_test(tests, a_foreign_group_is_refused_with_the_command_that_adopts_it);
    tcase_add_test(tests, a_tail_of_this_job_does_not_differ);
    tcase_add_loop_test(tests, what_differs_in_a_changelog_is_named_and_empties_it_alone, 0,
                        OF_A_CHANGELOG);
    tcase_add_test(tests, a_rebuild_empties_all_and_needs_whole_inputs);
    tcase_add_test(tests, a_choice_without_a_difference_changes_nothing);
    tcase_add_test(tests, a_choice_of_a_start_that_was_killed_holds);
    tcase_add_test(tests, records_that_cannot_be_read_are_not_the_end_of_them);
    tcase_add_test(tests, a_rotten_record_is_not_compared_with);
    tcase_add_loop_test(tests, a_difference_that_is_new_after_a_kill_is_not_chosen, 0,
                        OF_A_CHANGELOG);
    tcase_add_test(tests, a_topic_that_is_not_ours_cannot_be_chosen_away);
    tcase_add_test(tests, an_empty_topic_with_an_intent_is_ours);
    tcase_add_test(tests, an_empty_topic_without_records_is_chosen_about);
    tcase_add_test(tests, a_lost_tail_of_an_input_is_noted_and_passed);
    tcase_add_test(tests, records_of_an_input_that_were_on_the_disk_are_not_lost_with_the_power);
    tcase_add_loop_test(tests, an_older_copy_of_an_input_is_refused, 0, COPIES);
    tcase_add_loop_test(tests, an_older_copy_of_an_input_without_state_is_noted_and_passed, 0,
                        COPIES);
    tcase_add_loop_test(tests, a_damaged_input_is_refused_whatever_is_chosen, 0, 4);
    tcase_add_test(tests, damage_behind_the_commit_does_not_differ);
    tcase_add_test(tests, an_input_that_is_offline_below_the_commit_is_told_as_offline);
    tcase_add_test(tests, a_commit_without_an_epoch_does_not_tell_of_an_older_copy);
    tcase_add_loop_test(tests, another_batch_where_one_was_read_is_refused, 0, THERE);
    tcase_add_test(tests, a_commit_without_a_batch_does_not_tell_of_another_log);
    tcase_add_test(tests, an_input_of_which_only_another_is_named_is_made_anew);
    tcase_add_test(tests, fewer_partitions_of_an_input_are_refused_where_there_is_state);
    tcase_add_test(tests, what_retention_removed_is_noted_and_passed);
    tcase_add_test(tests, a_repartition_topic_that_is_left_with_records_is_refused);
    tcase_add_test(tests, a_buffer_that_is_left_with_rows_is_refused);
    tcase_add_test(tests, a_repartition_topic_may_lose_what_was_processed);
    tcase_add_loop_test(tests, long_names_give_way_to_the_choices, WEIR_START_COMMIT_GONE,
                        WEIR_START_INPUT_TRIMMED + 1);
    tcase_add_test(tests, a_text_never_runs_over);
    tcase_add_loop_test(tests, a_store_that_would_be_misread_is_refused, 0, FORMAT_CASES);
    tcase_add_loop_test(tests, windows_of_another_size_are_refused, 0, 7);
    tcase_add_loop_test(tests, an_empty_store_may_become_another, 0, 2);
    tcase_add_test(tests, records_between_that_would_be_misread_are_refused);
    tcase_add_test(tests, records_that_a_repair_gave_up_are_held_against_their_topic);
    tcase_add_test(tests, lost_records_hide_nothing_else);
    tcase_add_test(tests, records_of_an_application_go_round);
    tcase_add_test(tests, the_life_of_a_store_goes_round);
    tcase_add_test(tests, a_record_that_does_not_say_what_its_bytes_are_is_read);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("start_compare", add);
}
