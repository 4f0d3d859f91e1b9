/* The checker of groups is trusted because each history that is wrong in one way is flagged for it. */
#include <string.h>

#include "tests/sim/group_checker.h"
#include "tests/support/support.h"

/* Group 0 is classic, group 1 a consumer group; three slots, four partitions. */
static struct group_history history;
static const struct group_shape shapes[] = {{.partition_count = 4},
                                            {.is_consumer = true, .partition_count = 4}};

enum { CLASSIC = 0, CONSUMER = 1, MS = 1000 * 1000 };

static void tear_down(void)
{
    group_history_close(&history);
}

static void note(enum group_event_kind kind, int group, int slot, int32_t generation)
{
    group_history_note(&history,
                       &(struct group_event){
                           .kind = kind, .group = group, .slot = slot, .generation = generation});
}

static void told(int slot, int32_t generation)
{
    note(GROUP_TOLD, CLASSIC, slot, generation);
}

static void given(int group, int slot, int32_t generation, int64_t at_ms)
{
    group_history_note(&history, &(struct group_event){.kind = GROUP_GIVEN,
                                                       .group = group,
                                                       .slot = slot,
                                                       .generation = generation,
                                                       .at_ns = at_ms * MS});
}

static void lease(int slot, int64_t until_ms)
{
    group_history_note(&history, &(struct group_event){.kind = GROUP_LEASE,
                                                       .group = CONSUMER,
                                                       .slot = slot,
                                                       .until_ns = until_ms * MS});
}

static void read_from(int64_t from, int64_t to)
{
    for (int group = CLASSIC; group <= CONSUMER; group++) {
        group_history_note(
            &history,
            &(struct group_event){.kind = GROUP_READ, .group = group, .from = from, .offset = to});
    }
}

static size_t commit_asked(int group, int slot, int32_t generation, int64_t offset)
{
    return group_history_begin(&history, &(struct group_event){.kind = GROUP_COMMIT,
                                                               .group = group,
                                                               .slot = slot,
                                                               .generation = generation,
                                                               .offset = offset});
}

static void commit(int group, int slot, int32_t generation, int64_t offset)
{
    group_history_end(&history, commit_asked(group, slot, generation, offset), GROUP_OK);
}

static size_t fetch_asked(int group)
{
    return group_history_begin(&history,
                               &(struct group_event){.kind = GROUP_FETCHED, .group = group});
}

static void fetch_told(size_t fetch, int64_t offset)
{
    history.events[fetch].offset = offset;
    group_history_end(&history, fetch, GROUP_OK);
}

static void fetched(int group, int64_t offset)
{
    fetch_told(fetch_asked(group), offset);
}

static void assert_flagged(const char *name)
{
    struct checker_anomaly anomaly = group_checker_check(&history, shapes, 2);
    ck_assert_msg(anomaly.name != NULL, "nothing was flagged, and it is %s", name);
    ck_assert_msg(strcmp(anomaly.name, name) == 0, "%s was flagged, not %s: %s", anomaly.name, name,
                  anomaly.text);
    ck_assert_uint_gt(strlen(anomaly.text), 10);
}

static void assert_good(void)
{
    struct checker_anomaly anomaly = group_checker_check(&history, shapes, 2);
    ck_assert_msg(anomaly.name == NULL, "%s: %s", anomaly.name, anomaly.text);
}

START_TEST(a_good_history_passes)
{
    note(GROUP_LISTED, CLASSIC, 1, 1);
    told(1, 1);
    given(CLASSIC, 1, 1, 0);
    fetched(CLASSIC, -1);
    read_from(0, 5);
    commit(CLASSIC, 1, 1, 5);
    fetched(CLASSIC, 5);
    told(2, 2);
    given(CLASSIC, 2, 2, 0);
    fetched(CLASSIC, 5);
    read_from(3, 8);
    commit(CLASSIC, 2, 2, 8);
    fetched(CLASSIC, 8);
    assert_good();
}
END_TEST

START_TEST(an_empty_history_passes)
{
    assert_good();
}
END_TEST

/* ---- owners ---------------------------------------------------------------------------------- */

START_TEST(two_owners_in_one_generation_are_flagged)
{
    given(CLASSIC, 1, 3, 0);
    given(CLASSIC, 2, 3, 0);
    assert_flagged("two-owners");
}
END_TEST

START_TEST(a_static_member_that_is_back_in_its_generation_is_the_same_owner)
{
    given(CLASSIC, 1, 3, 0);
    given(CLASSIC, 1, 3, 0);
    assert_good();
}
END_TEST

START_TEST(another_owner_in_the_next_generation_is_good)
{
    given(CLASSIC, 1, 3, 0);
    given(CLASSIC, 2, 4, 0);
    assert_good();
}
END_TEST

START_TEST(two_that_read_at_once_in_a_consumer_group_are_flagged)
{
    lease(1, 100);
    given(CONSUMER, 1, 3, 0);
    lease(2, 140);
    given(CONSUMER, 2, 4, 50);
    assert_flagged("two-owners");
}
END_TEST

START_TEST(who_has_given_it_up_is_no_owner)
{
    lease(1, 100);
    given(CONSUMER, 1, 3, 0);
    note(GROUP_RELEASED, CONSUMER, 1, 3);
    lease(2, 140);
    given(CONSUMER, 2, 4, 50);
    assert_good();
}
END_TEST

START_TEST(who_was_silent_for_too_long_is_no_owner)
{
    lease(1, 100);
    given(CONSUMER, 1, 3, 0);
    lease(2, 240);
    given(CONSUMER, 2, 4, 101);
    assert_good();
}
END_TEST

START_TEST(a_gift_that_was_on_its_way_for_too_long_makes_no_owner)
{
    lease(2, 240);
    given(CONSUMER, 2, 4, 50);
    lease(1, 40);
    given(CONSUMER, 1, 3, 60);
    assert_good();
}
END_TEST

/* ---- members --------------------------------------------------------------------------------- */

START_TEST(one_that_the_leader_was_not_told_of_is_flagged)
{
    note(GROUP_LISTED, CLASSIC, 1, 3);
    told(1, 3);
    told(2, 3);
    assert_flagged("forgotten-member");
}
END_TEST

START_TEST(a_generation_whose_leader_nobody_heard_says_nothing)
{
    note(GROUP_LISTED, CLASSIC, 1, 3);
    told(2, 4);
    assert_good();
}
END_TEST

START_TEST(an_older_generation_than_before_is_flagged)
{
    told(1, 4);
    told(1, 3);
    assert_flagged("generation-back");
}
END_TEST

/* ---- commits --------------------------------------------------------------------------------- */

START_TEST(a_commit_of_an_old_generation_is_flagged)
{
    read_from(0, 5);
    told(1, 3);
    told(2, 4);
    commit(CLASSIC, 1, 3, 5);
    assert_flagged("stale-commit");
}
END_TEST

START_TEST(a_commit_that_was_asked_in_its_generation_is_good)
{
    read_from(0, 5);
    told(1, 3);
    size_t asked = commit_asked(CLASSIC, 1, 3, 5);
    told(2, 4);
    group_history_end(&history, asked, GROUP_OK);
    assert_good();
}
END_TEST

START_TEST(a_commit_of_an_old_generation_that_is_refused_is_good)
{
    read_from(0, 5);
    told(1, 3);
    told(2, 4);
    group_history_end(&history, commit_asked(CLASSIC, 1, 3, 5), GROUP_REFUSED);
    assert_good();
}
END_TEST

START_TEST(a_commit_of_what_another_one_was_given_since_is_flagged)
{
    read_from(0, 5);
    given(CONSUMER, 2, 4, 0);
    commit(CONSUMER, 1, 3, 5);
    assert_flagged("stale-commit");
}
END_TEST

START_TEST(a_commit_of_its_own_in_an_older_epoch_is_good)
{
    read_from(0, 5);
    given(CONSUMER, 1, 4, 0);
    commit(CONSUMER, 1, 3, 5);
    assert_good();
}
END_TEST

START_TEST(a_commit_of_what_nobody_has_read_is_flagged)
{
    read_from(0, 5);
    commit(CLASSIC, 1, 3, 6);
    assert_flagged("unread-commit");
}
END_TEST

/* ---- what is shown --------------------------------------------------------------------------- */

START_TEST(less_than_was_acknowledged_is_flagged)
{
    read_from(0, 5);
    commit(CLASSIC, 1, 3, 4);
    commit(CLASSIC, 1, 3, 5);
    fetched(CLASSIC, 4);
    assert_flagged("committed-lost");
}
END_TEST

START_TEST(nothing_after_an_acknowledged_commit_is_flagged)
{
    read_from(0, 5);
    commit(CONSUMER, 1, 3, 5);
    fetched(CONSUMER, -1);
    assert_flagged("committed-lost");
}
END_TEST

START_TEST(a_fetch_that_was_asked_before_the_answer_may_show_less)
{
    read_from(0, 5);
    commit(CLASSIC, 1, 3, 4);
    size_t fetch = fetch_asked(CLASSIC);
    commit(CLASSIC, 1, 3, 5);
    fetch_told(fetch, 4);
    assert_good();
}
END_TEST

START_TEST(what_was_shown_once_is_not_taken_back)
{
    read_from(0, 5);
    (void)commit_asked(CLASSIC, 1, 3, 5); /* never answered */
    fetched(CLASSIC, 5);
    fetched(CLASSIC, -1);
    assert_flagged("committed-lost");
}
END_TEST

START_TEST(a_commit_without_an_answer_may_come_late_in_its_generation)
{
    read_from(0, 5);
    (void)commit_asked(CLASSIC, 1, 3, 4); /* never answered */
    commit(CLASSIC, 1, 3, 5);
    fetched(CLASSIC, 4);
    fetched(CLASSIC, 4);
    assert_good();
}
END_TEST

START_TEST(a_commit_without_an_answer_may_not_come_after_its_generation)
{
    read_from(0, 5);
    (void)commit_asked(CLASSIC, 1, 3, 4); /* never answered */
    commit(CLASSIC, 2, 4, 5);
    fetched(CLASSIC, 4);
    assert_flagged("committed-lost");
}
END_TEST

START_TEST(what_nobody_committed_is_flagged)
{
    read_from(0, 5);
    commit(CLASSIC, 1, 3, 4);
    fetched(CLASSIC, 5);
    assert_flagged("phantom-commit");
}
END_TEST

START_TEST(what_was_refused_and_is_shown_is_flagged)
{
    read_from(0, 5);
    group_history_end(&history, commit_asked(CLASSIC, 1, 3, 5), GROUP_REFUSED);
    fetched(CLASSIC, 5);
    assert_flagged("phantom-commit");
}
END_TEST

/* ---- reads ----------------------------------------------------------------------------------- */

START_TEST(records_that_nobody_has_read_are_flagged)
{
    read_from(0, 5);
    read_from(6, 8);
    assert_flagged("skip");
}
END_TEST

START_TEST(reading_again_is_good)
{
    read_from(0, 5);
    read_from(2, 8);
    assert_good();
}
END_TEST

START_TEST(an_event_of_no_known_place_is_flagged)
{
    note(GROUP_READ, 2, 1, 1);
    assert_flagged("unknown-place");
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("histories");
    tcase_add_checked_fixture(tests, NULL, tear_down);
    tcase_add_test(tests, a_good_history_passes);
    tcase_add_test(tests, an_empty_history_passes);
    tcase_add_test(tests, two_owners_in_one_generation_are_flagged);
    tcase_add_test(tests, a_static_member_that_is_back_in_its_generation_is_the_same_owner);
    tcase_add_test(tests, another_owner_in_the_next_generation_is_good);
    tcase_add_test(tests, two_that_read_at_once_in_a_consumer_group_are_flagged);
    tcase_add_test(tests, who_has_given_it_up_is_no_owner);
    tcase_add_test(tests, who_was_silent_for_too_long_is_no_owner);
    tcase_add_test(tests, a_gift_that_was_on_its_way_for_too_long_makes_no_owner);
    tcase_add_test(tests, one_that_the_leader_was_not_told_of_is_flagged);
    tcase_add_test(tests, a_generation_whose_leader_nobody_heard_says_nothing);
    tcase_add_test(tests, an_older_generation_than_before_is_flagged);
    tcase_add_test(tests, a_commit_of_an_old_generation_is_flagged);
    tcase_add_test(tests, a_commit_that_was_asked_in_its_generation_is_good);
    tcase_add_test(tests, a_commit_of_an_old_generation_that_is_refused_is_good);
    tcase_add_test(tests, a_commit_of_what_another_one_was_given_since_is_flagged);
    tcase_add_test(tests, a_commit_of_its_own_in_an_older_epoch_is_good);
    tcase_add_test(tests, a_commit_of_what_nobody_has_read_is_flagged);
    tcase_add_test(tests, less_than_was_acknowledged_is_flagged);
    tcase_add_test(tests, nothing_after_an_acknowledged_commit_is_flagged);
    tcase_add_test(tests, a_fetch_that_was_asked_before_the_answer_may_show_less);
    tcase_add_test(tests, what_was_shown_once_is_not_taken_back);
    tcase_add_test(tests, a_commit_without_an_answer_may_come_late_in_its_generation);
    tcase_add_test(tests, a_commit_without_an_answer_may_not_come_after_its_generation);
    tcase_add_test(tests, what_nobody_committed_is_flagged);
    tcase_add_test(tests, what_was_refused_and_is_shown_is_flagged);
    tcase_add_test(tests, records_that_nobody_has_read_are_flagged);
    tcase_add_test(tests, reading_again_is_good);
    tcase_add_test(tests, an_event_of_no_known_place_is_flagged);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("group_checker", add);
}
