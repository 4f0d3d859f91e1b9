/* Inputs that are read again, without a log: what was written down of them and what is there now in, differences
 * and what is to be written down out. */
#include <string.h>

#include "base/error.h"
#include "runtime/job/start_compare.h"
#include "tests/support/support.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_arena arena;
static struct weir_application records;
static struct weir_own_input_partition was[2];
static struct weir_own_input chosen;
static struct weir_own_topic own;
static struct weir_start_topic topics[2];
static struct weir_start_partition partitions[2][2];
static struct weir_start_facts facts;
static struct weir_start_differences found;
static struct weir_error error;
static bool fed[1] = {true};

enum { INPUT, CHANGELOG };

static const struct weir_uuid id = {.bytes = {1}};

/* A rebuild that has read two of ten records again, and has lost nothing. */
static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    memset(partitions, 0, sizeof partitions);
    for (size_t p = 0; p < 2; p++) {
        was[p] = (struct weir_own_input_partition){.from = 0, .end = 10, .leader_epoch = 3};
        partitions[INPUT][p] = (struct weir_start_partition){
            .log_end = 12,
            .leader_epoch = 3,
            .offline_from = -1,
            .has_entry = true,
            .has_processed = true,
            .committed = 2,
            .committed_epoch = 3,
            .epoch_end = INT64_MAX,
            .foreign_at = -1,
        };
        partitions[CHANGELOG][p] = (struct weir_start_partition){.log_end = 1,
                                                                 .has_entry = true,
                                                                 .committed = 1,
                                                                 .committed_end = 1,
                                                                 .epoch_end = INT64_MAX,
                                                                 .foreign_at = -1};
    }
    chosen =
        (struct weir_own_input){.name = "in", .id = id, .partitions = was, .partition_count = 2};
    own = (struct weir_own_topic){
        .name = "store", .of = "store", .phase = WEIR_OWN_TOPIC_KEPT, .role = WEIR_OWN_CHANGELOG};
    topics[INPUT] = (struct weir_start_topic){
        .role = WEIR_START_INPUT,
        .name = "in",
        .of = "in",
        .exists = true,
        .id = id,
        .partition_count = 2,
        .partitions = partitions[INPUT],
        .read_by = fed,
        .feeds = fed,
        .has_state = true,
        .feeds_state = true,
        .chosen = &chosen,
        .entry_count = 2,
    };
    topics[CHANGELOG] = (struct weir_start_topic){
        .role = WEIR_START_CHANGELOG,
        .name = "store",
        .of = "store",
        .exists = true,
        .partition_count = 2,
        .wanted_count = 2,
        .partitions = partitions[CHANGELOG],
        .keeps_for_ever = true,
        .record = &own,
        .entry_count = 2,
    };
    records = (struct weir_application){.arena = &arena, .has_committed = true};
    facts = (struct weir_start_facts){
        .application_id = "app",
        .records = &records,
        .has_topic = true,
        .has_commit = true,
        .topics = topics,
        .topic_count = 2,
    };
}

static void tear_down(void)
{
    weir_arena_close(&arena);
}

static int decide(enum weir_on_mismatch choice)
{
    found = (struct weir_start_differences){.arena = &arena};
    topics[CHANGELOG].is_emptied = false;
    ck_assert_int_eq(weir_start_compare_chosen(&facts, &found), 0);
    ck_assert_int_eq(weir_start_compare(&facts, &found), 0);
    return weir_start_decide(&facts, &found, choice, &error);
}

/* ---- what differs ---------------------------------------------------------------------------- */

/* What the second partition is like now, against `was` of 0 to 10 in epoch 3 with `knew` ranges that had been
 * given up, the last up to `knew_to`, and a commit at `committed`. */
static const struct now {
    int64_t log_start;
    int64_t log_end;
    int32_t leader_epoch;
    int64_t committed;
    struct weir_lost_range lost;
    size_t lost_count;
    uint32_t knew;
    int64_t knew_to;
    bool is_offline;
    enum weir_start_what what;
    int64_t a;
    int64_t b;
} nows[] = {
    {0, 12, 3, 2, {0, 0}, 0, 0, 0, false, WEIR_START_NOTHING, 0, 0},
    /* given up: read again already; not yet; partly; behind what was counted; over its end */
    {0, 12, 3, 5, {3, 5}, 1, 0, 0, false, WEIR_START_NOTHING, 0, 0},
    {0, 12, 3, 2, {3, 5}, 1, 0, 0, false, WEIR_START_CHOSEN_LOST, 3, 5},
    {0, 12, 3, 4, {3, 5}, 1, 0, 0, false, WEIR_START_CHOSEN_LOST, 4, 5},
    {0, 12, 3, 2, {10, 11}, 1, 0, 0, false, WEIR_START_NOTHING, 0, 0},
    {0, 12, 3, 2, {9, 11}, 1, 0, 0, false, WEIR_START_CHOSEN_LOST, 9, 10},
    {0, 12, 3, 10, {9, 11}, 1, 0, 0, false, WEIR_START_NOTHING, 0, 0},
    /* it was known */
    {0, 12, 3, 2, {3, 5}, 1, 1, 5, false, WEIR_START_NOTHING, 0, 0},
    /* one more, which is the last, or another; or two, of which one may be there */
    {0, 12, 3, 2, {6, 7}, 2, 1, 5, false, WEIR_START_CHOSEN_LOST, 6, 7},
    {0, 12, 3, 2, {3, 5}, 2, 1, 5, false, WEIR_START_CHOSEN_LOST, 3, 5},
    {0, 12, 3, 2, {10, 11}, 2, 0, 0, false, WEIR_START_CHOSEN_LOST, 2, 10},
    {0, 12, 3, 6, {3, 5}, 2, 1, 5, false, WEIR_START_NOTHING, 0, 0},
    /* the beginning is removed, and the one that was known is there still */
    {2, 12, 3, 2, {3, 5}, 1, 1, 5, false, WEIR_START_NOTHING, 0, 0},
    {2, 12, 3, 3, {5, 6}, 1, 1, 6, false, WEIR_START_NOTHING, 0, 0},
    /* the log may have forgotten one of two, and one of them is new, or the last is */
    {2, 12, 3, 2, {3, 5}, 2, 2, 5, false, WEIR_START_CHOSEN_LOST, 3, 5},
    {2, 12, 3, 2, {6, 7}, 1, 1, 5, false, WEIR_START_CHOSEN_LOST, 6, 7},
    {2, 12, 3, 5, {3, 5}, 1, 1, 5, false, WEIR_START_NOTHING, 0, 0},
    /* removed: read again already; not yet; all of it */
    {2, 12, 3, 2, {0, 0}, 0, 0, 0, false, WEIR_START_NOTHING, 0, 0},
    {4, 12, 3, 2, {0, 0}, 0, 0, 0, false, WEIR_START_CHOSEN_TRIMMED, 2, 4},
    {12, 12, 3, 2, {0, 0}, 0, 0, 0, false, WEIR_START_CHOSEN_TRIMMED, 2, 10},
    {12, 12, 3, 10, {0, 0}, 0, 0, 0, false, WEIR_START_NOTHING, 0, 0},
    /* an older copy; what power took */
    {0, 9, 3, 2, {0, 0}, 0, 0, 0, false, WEIR_START_CHOSEN_OLDER, 10, 9},
    {0, 12, 2, 2, {0, 0}, 0, 0, 0, false, WEIR_START_CHOSEN_OLDER, 10, 12},
    {0, 9, 4, 2, {0, 0}, 0, 0, 0, false, WEIR_START_CHOSEN_TAIL_LOST, 9, 10},
    /* damage is the job's to meet; and its end is none */
    {0, 9, 3, 2, {0, 0}, 0, 0, 0, true, WEIR_START_NOTHING, 0, 0},
};
enum { NOWS = sizeof nows / sizeof nows[0] };

static void take_now(const struct now *now)
{
    struct weir_start_partition *partition = &partitions[INPUT][1];
    partition->log_start = now->log_start;
    partition->log_end = now->log_end;
    partition->leader_epoch = now->leader_epoch;
    partition->committed = now->committed;
    partition->committed_epoch = -1; /* the commit's own comparison is not asked here */
    partition->lost = now->lost;
    partition->lost_count = now->lost_count;
    partition->is_offline = now->is_offline;
    partition->offline_from = now->is_offline ? now->log_end : -1;
    was[1].lost_count = now->knew;
    was[1].lost_to = now->knew_to;
}

static void expect_now(const struct now *now)
{
    found = (struct weir_start_differences){.arena = &arena};
    ck_assert_int_eq(weir_start_compare_chosen(&facts, &found), 0);
    if (now->what == WEIR_START_NOTHING) {
        ck_assert_uint_eq(found.count, 0);
        return;
    }
    ck_assert_uint_eq(found.count, 1);
    ck_assert_int_eq(found.items[0].what, now->what);
    ck_assert_int_eq(found.items[0].partition, 1);
    ck_assert_int_eq(found.items[0].a, now->a);
    ck_assert_int_eq(found.items[0].b, now->b);
    char text[WEIR_ERROR_TEXT_SIZE];
    weir_start_difference_text(&found.items[0], text, sizeof text);
    ck_assert_ptr_null(strchr(text, '{'));
    ck_assert_ptr_nonnull(strstr(text, "'in' partition 1"));
}

START_TEST(what_is_lost_of_what_is_not_read_again_differs)
{
    take_now(&nows[_i]);
    expect_now(&nows[_i]);
}
END_TEST

/* Nothing of it matters where no state is behind the input, or where nothing is read again. */
START_TEST(an_input_without_state_or_that_is_not_read_again_loses_what_it_loses)
{
    const struct now none = {.what = WEIR_START_NOTHING};
    take_now(&nows[_i]);
    topics[INPUT].feeds_state = false;
    expect_now(&none);
    topics[INPUT].feeds_state = true;
    topics[INPUT].chosen = NULL;
    expect_now(&none);
}
END_TEST

/* Before the first commit of the rebuild the one that is there is of the state that was dropped. */
START_TEST(before_the_first_commit_nothing_is_read_again)
{
    records.is_rebuilding = true;
    partitions[INPUT][1].committed = 10;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_REBUILD);
    ck_assert_uint_eq(found.count, 0);
    partitions[INPUT][1].lost = (struct weir_lost_range){3, 5};
    partitions[INPUT][1].lost_count = 1;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_int_eq(found.items[0].what, WEIR_START_CHOSEN_LOST);
    ck_assert_ptr_nonnull(strstr(error.text, "WEIR_ON_MISMATCH_LOSSY_REBUILD"));
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REBUILD), WEIR_MISMATCH);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_LOSSY_REBUILD), WEIR_START_REBUILD);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_START_EMPTY), WEIR_START_EMPTY);
    ck_assert(topics[CHANGELOG].is_emptied);
    /* Accepted, it goes on whatever is said. */
    was[1].lost_count = 1;
    was[1].lost_to = 5;
    for (int choice = WEIR_ON_MISMATCH_REFUSE; choice <= WEIR_ON_MISMATCH_LOSSY_REBUILD; choice++)
        ck_assert_int_eq(decide((enum weir_on_mismatch)choice), WEIR_START_REBUILD);
}
END_TEST

/* The version before did not write inputs down, and rebuilt from whole ones only. */
START_TEST(a_rebuild_of_before_needs_whole_inputs_still)
{
    records.is_rebuilding = true;
    topics[INPUT].chosen = NULL;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_REBUILD);
    partitions[INPUT][0].log_start = 1;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_int_eq(found.items[0].what, WEIR_START_CHOSEN_TRIMMED);
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_LOSSY_REBUILD), WEIR_START_REBUILD);
}
END_TEST

/* That one names what it had counted: an input which it does not name has come into the program since. */
START_TEST(an_input_that_is_new_in_a_rebuild_has_lost_nothing_that_was_counted)
{
    static struct weir_own_input others[1] = {{.name = "other"}};
    records.is_rebuilding = true;
    records.inputs = others;
    records.input_count = 1;
    topics[INPUT].chosen = NULL;
    topics[INPUT].entry_count = 0;
    for (size_t p = 0; p < 2; p++) {
        partitions[INPUT][p].has_entry = partitions[INPUT][p].has_processed = false;
        partitions[INPUT][p].log_start = 11;
    }
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_REBUILD);
    ck_assert_uint_eq(found.count, 0);
    partitions[INPUT][0].is_offline = true;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.text, "'in' partition 0 is damaged from offset 11 on"));
}
END_TEST

START_TEST(another_input_is_told_before_the_first_commit)
{
    records.is_rebuilding = true;
    topics[INPUT].id = (struct weir_uuid){.bytes = {2}};
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_int_eq(found.items[0].what, WEIR_START_CHOSEN_REPLACED);
    topics[INPUT].exists = false;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_int_eq(found.items[0].what, WEIR_START_CHOSEN_GONE);
    records.is_rebuilding = false; /* from then on the commit tells */
    topics[INPUT].exists = true;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_START_GO_ON);
}
END_TEST

/* Known damage is one to repair; emptying does not read what is below the commit. */
START_TEST(damage_before_the_first_commit_leaves_emptying)
{
    records.is_rebuilding = true;
    partitions[INPUT][0].is_offline = true;
    partitions[INPUT][0].offline_from = 4;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_int_eq(found.items[0].what, WEIR_START_CHOSEN_DAMAGED);
    ck_assert_ptr_nonnull(strstr(error.text, "damaged from offset 4 on"));
    ck_assert_ptr_null(strstr(error.text, "REBUILD"));
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_START_EMPTY), WEIR_START_EMPTY);
    ck_assert_int_eq(weir_start_refuse_damaged(&facts, &error), WEIR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.text, "damaged from offset 4 on"));
    ck_assert_ptr_nonnull(strstr(error.text, "WEIR_ON_MISMATCH_START_EMPTY"));
    facts.has_commit = false; /* then it reads them, too */
    ck_assert_int_eq(weir_start_refuse_damaged(&facts, &error), WEIR_MISMATCH);
    ck_assert_ptr_null(strstr(error.text, "WEIR_ON_MISMATCH"));
}
END_TEST

/* Emptying has nothing to go on from then, and reads the inputs as a rebuild does: it is not told otherwise. */
START_TEST(without_a_commit_emptying_is_offered_as_what_it_is)
{
    facts.has_commit = false;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_int_eq(found.items[0].what, WEIR_START_COMMIT_GONE);
    ck_assert_ptr_nonnull(strstr(error.text, "WEIR_ON_MISMATCH_REBUILD drops all state"));
    ck_assert_ptr_nonnull(strstr(error.text, "WEIR_ON_MISMATCH_START_EMPTY does the same"));
    ck_assert_ptr_null(strstr(error.text, "goes on and starts empty"));
    partitions[INPUT][0].lost = (struct weir_lost_range){3, 5};
    partitions[INPUT][0].lost_count = 1;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REBUILD), WEIR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.text, "WEIR_ON_MISMATCH_START_EMPTY does the same"));
    ck_assert_ptr_null(strstr(error.text, "goes on and starts empty"));
    static char name[250];
    memset(name, 'n', sizeof name - 1);
    topics[INPUT].name = name;
    partitions[INPUT][0].log_start = partitions[INPUT][0].lost.to = INT64_MAX;
    ck_assert_int_eq(weir_start_refuse_cut(&facts, &error), WEIR_MISMATCH);
    ck_assert_uint_lt(strlen(error.text), WEIR_ERROR_TEXT_SIZE - sizeof "start job: ");
    ck_assert_ptr_nonnull(strstr(error.text, "for want of a commit to go on from"));
    partitions[INPUT][0].is_offline = true;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.text, "a rebuild once 'weir log repair'"));
    ck_assert_ptr_null(strstr(error.text, "WEIR_ON_MISMATCH"));
    topics[INPUT].chosen = NULL;
    facts.foreign_entries = 1; /* somebody else's say where: below what cannot be read, or not */
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_ptr_nonnull(
        strstr(error.text, "WEIR_ON_MISMATCH_START_EMPTY, once 'weir log repair'"));
    ck_assert_ptr_null(strstr(error.text, "goes on and starts empty"));
    partitions[INPUT][0].offline_from = INT64_MAX;
    ck_assert_int_eq(decide(WEIR_ON_MISMATCH_REFUSE), WEIR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.text, "goes on and starts empty"));
}
END_TEST

/* Behind what was counted, in a partition that had nothing then or is new since, and where no state is behind
 * the input: the rebuild reads that through, too, and without emptying nothing would end it. */
START_TEST(damage_that_the_dropped_state_never_saw_leaves_emptying_too)
{
    static const struct weir_own_input_partition had_nothing = {.leader_epoch = 3};
    records.is_rebuilding = true;
    partitions[INPUT][1].is_offline = true;
    partitions[INPUT][1].offline_from = 11;
    if (_i == 0) was[1] = had_nothing;
    if (_i == 1) chosen.partition_count = 1;
    if (_i == 2) topics[INPUT].chosen = NULL;
    if (_i == 2) topics[INPUT].feeds_state = topics[INPUT].has_state = false;
    for (int choice = WEIR_ON_MISMATCH_REFUSE; choice <= WEIR_ON_MISMATCH_LOSSY_REBUILD; choice++) {
        int verdict = decide((enum weir_on_mismatch)choice);
        if (choice == WEIR_ON_MISMATCH_START_EMPTY) {
            ck_assert_int_eq(verdict, WEIR_START_EMPTY);
            continue;
        }
        if (verdict == WEIR_START_REBUILD) verdict = weir_start_refuse_damaged(&facts, &error);
        ck_assert_int_eq(verdict, WEIR_MISMATCH);
        ck_assert_ptr_nonnull(strstr(error.text, "'in' partition 1 is damaged from offset 11 on"));
        ck_assert_ptr_nonnull(strstr(error.text, "WEIR_ON_MISMATCH_START_EMPTY"));
    }
}
END_TEST

/* And not the first partition that lacks something, which may have been accepted long ago. */
START_TEST(what_retention_takes_while_it_is_read_is_told_of_that_partition)
{
    partitions[INPUT][0].log_start = 5;
    partitions[INPUT][1].log_start = 9;
    ck_assert_int_eq(weir_start_refuse_overtaken(&facts, &topics[INPUT], 1, 7, &error),
                     WEIR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(error.text, "'in' partition 1 has removed its records 7 to 9"));
    ck_assert_ptr_nonnull(strstr(error.text, "WEIR_ON_MISMATCH_LOSSY_REBUILD"));
    ck_assert_ptr_null(strstr(error.text, "needs whole inputs"));
}
END_TEST

/* However long the names: what can be chosen stands at the end. */
START_TEST(refusals_end_with_the_choices)
{
    static const char ending[] = "starts empty what does not fit";
    static char name[250];
    memset(name, 'n', sizeof name - 1);
    topics[INPUT].name = topics[INPUT].of = name;
    for (size_t i = 0; i < NOWS; i++) {
        take_now(&nows[i]);
        for (int choice = WEIR_ON_MISMATCH_REFUSE; choice <= WEIR_ON_MISMATCH_REBUILD; choice++) {
            int rc = decide((enum weir_on_mismatch)choice);
            if (rc != WEIR_MISMATCH) continue;
            size_t size = strlen(error.text);
            ck_assert_uint_lt(size, WEIR_ERROR_TEXT_SIZE - sizeof "start job: ");
            ck_assert_str_eq(error.text + size - (sizeof ending - 1), ending);
        }
    }
    take_now(&nows[0]);
    partitions[INPUT][0].is_offline = partitions[INPUT][1].is_offline = true;
    partitions[INPUT][0].offline_from = partitions[INPUT][1].offline_from = INT64_MAX;
    ck_assert_int_eq(weir_start_refuse_damaged(&facts, &error), WEIR_MISMATCH);
    size_t size = strlen(error.text);
    ck_assert_uint_lt(size, WEIR_ERROR_TEXT_SIZE - sizeof "start job: ");
    ck_assert_str_eq(error.text + size - (sizeof ending - 1), ending);
    ck_assert_ptr_nonnull(strstr(error.text, "(and 1 more)"));
    partitions[INPUT][0].log_start = partitions[INPUT][0].lost.to = INT64_MAX;
    ck_assert_int_eq(weir_start_refuse_cut(&facts, &error), WEIR_MISMATCH);
    size = strlen(error.text);
    ck_assert_uint_lt(size, WEIR_ERROR_TEXT_SIZE - sizeof "start job: ");
    ck_assert_str_eq(error.text + size - (sizeof ending - 1), ending);
}
END_TEST

/* ---- what is written down -------------------------------------------------------------------- */

START_TEST(it_is_over_when_all_that_was_counted_is_read_again)
{
    ck_assert(!weir_start_is_read_again(&facts, &topics[INPUT]));
    partitions[INPUT][0].committed = 10;
    ck_assert(!weir_start_is_read_again(&facts, &topics[INPUT]));
    partitions[INPUT][1].committed = 11;
    ck_assert(weir_start_is_read_again(&facts, &topics[INPUT]));
    partitions[INPUT][1].epoch_end = 9; /* it goes back */
    ck_assert(!weir_start_is_read_again(&facts, &topics[INPUT]));
    partitions[INPUT][1].epoch_end = INT64_MAX;
    records.is_rebuilding = true; /* the commit is of the state before */
    ck_assert(!weir_start_is_read_again(&facts, &topics[INPUT]));
}
END_TEST

static enum weir_start_chosen_work work(bool reads_again, bool is_given_up,
                                        struct weir_own_input *input_out)
{
    *input_out = (struct weir_own_input){0};
    return weir_start_chosen_work(&topics[INPUT], reads_again, is_given_up, &arena, input_out);
}

START_TEST(what_is_written_down_says_how_far_was_counted)
{
    struct weir_own_input input;
    ck_assert_int_eq(work(false, false, &input), WEIR_START_CHOSEN_STAYS);
    ck_assert_int_eq(work(false, true, &input), WEIR_START_CHOSEN_IS_OVER);
    /* What it has lost is accepted; how far it is to come stays. */
    partitions[INPUT][0].lost = (struct weir_lost_range){3, 5};
    partitions[INPUT][0].lost_count = 1;
    ck_assert_int_eq(work(false, false, &input), WEIR_START_CHOSEN_IS_WRITTEN);
    ck_assert_int_eq(input.partitions[0].end, 10);
    ck_assert_int_eq(input.partitions[0].lost_to, 5);
    ck_assert_uint_eq(input.partitions[0].lost_count, 1);
    /* A rebuild of one that has come to two of ten: the state before them had counted ten. */
    partitions[INPUT][1].committed = 11;
    ck_assert_int_eq(work(true, false, &input), WEIR_START_CHOSEN_IS_WRITTEN);
    ck_assert_int_eq(input.partitions[0].end, 10);
    ck_assert_int_eq(input.partitions[1].end, 11);
    /* Without one before: what was committed, or all where that is not known to be its own. */
    topics[INPUT].chosen = NULL;
    partitions[INPUT][1].is_foreign_entry = true;
    ck_assert_int_eq(work(true, false, &input), WEIR_START_CHOSEN_IS_WRITTEN);
    ck_assert_int_eq(input.partitions[0].end, 2);
    ck_assert_int_eq(input.partitions[1].end, 12);
    ck_assert_int_eq(work(false, false, &input), WEIR_START_CHOSEN_STAYS);
    topics[INPUT].feeds_state = false;
    ck_assert_int_eq(work(true, false, &input), WEIR_START_CHOSEN_STAYS);
}
END_TEST

START_TEST(an_input_goes_round)
{
    struct weir_buffer key;
    struct weir_buffer value;
    weir_buffer_init(&key, &budget, 0);
    weir_buffer_init(&value, &budget, 0);
    struct weir_application folded = {.arena = &arena};
    was[1] = (struct weir_own_input_partition){
        .from = 7, .end = INT64_MAX, .leader_epoch = -1, .lost_to = 9, .lost_count = 2};
    weir_application_encode_input(&chosen, &key, &value);
    struct weir_record record = {.key = weir_buffer_slice(&key),
                                 .value = weir_buffer_slice(&value)};
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(weir_application_apply(&folded, &record, &error), 0);
        ck_assert_uint_eq(folded.input_count, 1);
    }
    const struct weir_own_input *input = weir_application_find_input(&folded, "in");
    ck_assert_ptr_nonnull(input);
    ck_assert_mem_eq(input->id.bytes, id.bytes, sizeof id.bytes);
    ck_assert_int_eq(input->partition_count, 2);
    ck_assert_int_eq(input->partitions[0].end, 10);
    ck_assert_int_eq(input->partitions[0].leader_epoch, 3);
    ck_assert_int_eq(input->partitions[1].from, 7);
    ck_assert_int_eq(input->partitions[1].end, INT64_MAX);
    ck_assert_int_eq(input->partitions[1].leader_epoch, -1);
    ck_assert_int_eq(input->partitions[1].lost_to, 9);
    ck_assert_uint_eq(input->partitions[1].lost_count, 2);
    for (size_t size = 0; size < record.value.size; size++) {
        struct weir_record cut = record;
        cut.value.size = size;
        ck_code(weir_application_apply(&folded, &cut, &error), WEIR_CORRUPT);
    }
    weir_buffer_reset(&key);
    weir_application_forget_input("in", &key);
    record = (struct weir_record){.key = weir_buffer_slice(&key), .value = weir_null()};
    ck_assert_int_eq(weir_application_apply(&folded, &record, &error), 0);
    ck_assert_ptr_null(weir_application_find_input(&folded, "in"));
    weir_buffer_close(&key);
    weir_buffer_close(&value);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("start_rebuild");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, what_is_lost_of_what_is_not_read_again_differs, 0, NOWS);
    tcase_add_loop_test(tests, an_input_without_state_or_that_is_not_read_again_loses_what_it_loses,
                        0, NOWS);
    tcase_add_test(tests, before_the_first_commit_nothing_is_read_again);
    tcase_add_test(tests, a_rebuild_of_before_needs_whole_inputs_still);
    tcase_add_test(tests, an_input_that_is_new_in_a_rebuild_has_lost_nothing_that_was_counted);
    tcase_add_test(tests, another_input_is_told_before_the_first_commit);
    tcase_add_test(tests, damage_before_the_first_commit_leaves_emptying);
    tcase_add_loop_test(tests, damage_that_the_dropped_state_never_saw_leaves_emptying_too, 0, 3);
    tcase_add_test(tests, without_a_commit_emptying_is_offered_as_what_it_is);
    tcase_add_test(tests, what_retention_takes_while_it_is_read_is_told_of_that_partition);
    tcase_add_test(tests, refusals_end_with_the_choices);
    tcase_add_test(tests, it_is_over_when_all_that_was_counted_is_read_again);
    tcase_add_test(tests, what_is_written_down_says_how_far_was_counted);
    tcase_add_test(tests, an_input_goes_round);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("start_rebuild", add);
}
