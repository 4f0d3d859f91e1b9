/* The checker is trusted because each history that is wrong in one way is flagged for it. */
#include <string.h>

#include "tests/sim/checker.h"
#include "tests/support/support.h"

/* One log; producer 1 has written values 1 to 4, two by two, and reader 20 has read them. */
static struct history history;

static void note(struct history_event event)
{
    history_note(&history, &event);
}

static void append(int64_t counter, int64_t count, int64_t offset, enum history_acks acks)
{
    note((struct history_event){.kind = HISTORY_APPEND,
                                .acks = acks,
                                .process = 1,
                                .value = history_value(1, counter),
                                .count = count,
                                .offset = offset});
}

static void read_at(int64_t offset, int64_t counter)
{
    note((struct history_event){
        .kind = HISTORY_READ, .process = 20, .value = history_value(1, counter), .offset = offset});
}

static void last_read_at(int64_t offset, int64_t counter)
{
    note((struct history_event){.kind = HISTORY_FINAL,
                                .process = 50,
                                .value = history_value(1, counter),
                                .offset = offset});
}

static void last_reads(int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        last_read_at(i, i + 1);
}

static void restart(bool is_lossy)
{
    note((struct history_event){.kind = HISTORY_RESTART, .log = -1, .is_lossy = is_lossy});
}

static void commit(enum history_kind kind, int64_t offset)
{
    note((struct history_event){.kind = kind, .process = 30, .offset = offset});
}

static void topic(enum history_kind kind, int64_t count)
{
    note((struct history_event){.kind = kind, .process = 40, .count = count});
}

static void bounds(int64_t start, int64_t high_watermark, int64_t end)
{
    note((struct history_event){
        .kind = HISTORY_BOUNDS, .start = start, .offset = high_watermark, .end = end});
}

static void set_up(void)
{
    (void)history_log_add(&history, "clicks", 0);
}

static void tear_down(void)
{
    history_close(&history);
}

static void assert_flagged(const char *name)
{
    struct checker_anomaly anomaly = checker_check(&history);
    ck_assert_msg(anomaly.name != NULL, "nothing was flagged, and it is %s", name);
    ck_assert_msg(strcmp(anomaly.name, name) == 0, "%s was flagged, not %s: %s", anomaly.name, name,
                  anomaly.text);
    ck_assert_uint_gt(strlen(anomaly.text), 10);
}

static void assert_good(void)
{
    struct checker_anomaly anomaly = checker_check(&history);
    ck_assert_msg(anomaly.name == NULL, "%s: %s", anomaly.name, anomaly.text);
}

/* ---- good ones -------------------------------------------------------------------------------- */

/* What may happen is not flagged: an answer that never came, acks=1 lost with the power. */
START_TEST(a_good_history_passes)
{
    append(1, 2, 0, HISTORY_ACKS_ALL);
    (void)history_begin(&history, &(struct history_event){.kind = HISTORY_APPEND,
                                                          .acks = HISTORY_ACKS_ALL,
                                                          .process = 1,
                                                          .value = history_value(1, 3),
                                                          .count = 2});
    bounds(0, 2, 4);
    read_at(0, 1);
    read_at(1, 2);
    commit(HISTORY_COMMIT, 2);
    append(5, 1, 4, HISTORY_ACKS_LEADER);
    restart(true);
    commit(HISTORY_COMMITTED, 2);
    bounds(0, 4, 4);
    last_reads(4);
    assert_good();
}
END_TEST

START_TEST(topics_may_come_and_go)
{
    topic(HISTORY_SEEN, 0);
    topic(HISTORY_CREATE, 3);
    topic(HISTORY_SEEN, 3);
    topic(HISTORY_DELETE, 0);
    topic(HISTORY_SEEN, 0);
    assert_good();
}
END_TEST

/* ---- one anomaly each ------------------------------------------------------------------------- */

START_TEST(a_lost_write_is_flagged)
{
    append(1, 3, 0, HISTORY_ACKS_ALL);
    restart(true);
    last_reads(2);
    assert_flagged("lost-write");
}
END_TEST

START_TEST(a_write_lost_by_a_kill_is_flagged_with_acks_1)
{
    append(1, 3, 0, HISTORY_ACKS_LEADER);
    restart(false);
    last_reads(2);
    assert_flagged("lost-write");
}
END_TEST

/* The answer was on its way when the power went. */
START_TEST(a_late_answer_is_excused_with_acks_1)
{
    struct history_event event = {.kind = HISTORY_APPEND,
                                  .acks = HISTORY_ACKS_LEADER,
                                  .process = 1,
                                  .value = history_value(1, 1),
                                  .count = 1};
    int64_t began = history_now(&history);
    restart(true);
    history_note_since(&history, &event, began);
    assert_good();
}
END_TEST

START_TEST(a_write_after_the_power_came_back_is_not_excused)
{
    restart(true);
    append(1, 3, 0, HISTORY_ACKS_LEADER);
    last_reads(2);
    assert_flagged("lost-write");
}
END_TEST

/* It is not lost, but what its producer was told is wrong. */
START_TEST(a_write_at_another_offset_than_acknowledged_is_flagged)
{
    append(1, 1, 1, HISTORY_ACKS_ALL);
    append(2, 1, 0, HISTORY_ACKS_ALL);
    last_reads(2);
    assert_flagged("value-changed-at-offset");
}
END_TEST

START_TEST(a_lost_read_is_flagged)
{
    append(1, 2, 0, HISTORY_ACKS_NONE);
    read_at(0, 1);
    read_at(1, 2);
    restart(true);
    last_reads(1);
    assert_flagged("lost-read");
}
END_TEST

START_TEST(a_changed_value_is_flagged)
{
    append(1, 2, 0, HISTORY_ACKS_NONE);
    read_at(0, 2);
    last_reads(2);
    assert_flagged("value-changed-at-offset");
}
END_TEST

START_TEST(a_duplicate_is_flagged)
{
    append(1, 1, 0, HISTORY_ACKS_ALL);
    last_read_at(0, 1);
    last_read_at(1, 1);
    assert_flagged("duplicate");
}
END_TEST

START_TEST(a_phantom_is_flagged)
{
    append(1, 1, 0, HISTORY_ACKS_ALL);
    last_reads(2);
    assert_flagged("phantom");
}
END_TEST

START_TEST(a_value_of_another_log_is_a_phantom)
{
    int other = history_log_add(&history, "clicks", 1);
    append(1, 1, 0, HISTORY_ACKS_NONE);
    note((struct history_event){
        .kind = HISTORY_FINAL, .process = 50, .log = other, .value = history_value(1, 1)});
    assert_flagged("phantom");
}
END_TEST

START_TEST(another_order_is_flagged)
{
    append(1, 1, 0, HISTORY_ACKS_NONE);
    append(2, 1, 0, HISTORY_ACKS_NONE);
    last_read_at(0, 2);
    last_read_at(1, 1);
    assert_flagged("out-of-order");
}
END_TEST

START_TEST(a_gap_is_flagged)
{
    append(1, 4, 0, HISTORY_ACKS_NONE);
    last_read_at(0, 1);
    last_read_at(2, 3);
    assert_flagged("gap");
}
END_TEST

START_TEST(a_poll_that_goes_back_is_flagged)
{
    append(1, 2, 0, HISTORY_ACKS_ALL);
    read_at(0, 1);
    read_at(1, 2);
    read_at(1, 2);
    last_reads(2);
    assert_flagged("nonmonotonic-poll");
}
END_TEST

START_TEST(a_poll_that_skips_is_flagged)
{
    append(1, 3, 0, HISTORY_ACKS_ALL);
    read_at(0, 1);
    read_at(2, 3);
    last_reads(3);
    assert_flagged("poll-skip");
}
END_TEST

START_TEST(wrong_bounds_are_flagged)
{
    append(1, 3, 0, HISTORY_ACKS_ALL);
    bounds(0, 3, 2);
    last_reads(3);
    assert_flagged("bounds");
}
END_TEST

START_TEST(a_high_watermark_that_goes_back_is_flagged)
{
    append(1, 3, 0, HISTORY_ACKS_ALL);
    bounds(0, 3, 3);
    bounds(0, 2, 3);
    last_reads(3);
    assert_flagged("bounds");
}
END_TEST

START_TEST(a_mark_told_before_the_call_began_is_the_least)
{
    append(1, 2, 0, HISTORY_ACKS_ALL);
    last_reads(2);
    int64_t began = history_now(&history);
    bounds(0, 2, 2);
    history_note_since(&history,
                       &(struct history_event){.kind = HISTORY_BOUNDS, .offset = 1, .end = 1},
                       began); /* was overtaken on its way */
    note((struct history_event){.kind = HISTORY_BOUNDS, .is_hearsay = true, .offset = 1, .end = 1});
    assert_good();
    history_note_since(&history,
                       &(struct history_event){.kind = HISTORY_BOUNDS, .offset = 1, .end = 1},
                       history_now(&history));
    assert_flagged("bounds");
}
END_TEST

START_TEST(a_committed_offset_that_goes_back_is_flagged)
{
    commit(HISTORY_COMMIT, 1);
    commit(HISTORY_COMMIT, 2);
    commit(HISTORY_COMMITTED, 1);
    assert_flagged("committed-offset-went-back");
}
END_TEST

START_TEST(a_committed_offset_of_nobody_is_flagged)
{
    commit(HISTORY_COMMIT, 2);
    commit(HISTORY_COMMITTED, 3);
    assert_flagged("committed-offset");
}
END_TEST

START_TEST(a_lost_topic_is_flagged)
{
    topic(HISTORY_CREATE, 3);
    topic(HISTORY_SEEN, 0);
    assert_flagged("topic-lost");
}
END_TEST

START_TEST(a_topic_with_fewer_partitions_is_flagged)
{
    topic(HISTORY_CREATE, 3);
    topic(HISTORY_SEEN, 2);
    assert_flagged("topic-lost");
}
END_TEST

START_TEST(a_topic_that_comes_back_is_flagged)
{
    topic(HISTORY_CREATE, 3);
    topic(HISTORY_DELETE, 0);
    topic(HISTORY_SEEN, 3);
    assert_flagged("topic-back");
}
END_TEST

/* ---- tables ----------------------------------------------------------------------------------- */

static const struct checker_cell expected_cells[] = {{"a", 1}, {"b", 2}};

static const char *compare(const struct checker_cell *cells, size_t count)
{
    struct checker_cell actual[4];
    struct checker_cell expected[2];
    memcpy(actual, cells, count * sizeof cells[0]);
    memcpy(expected, expected_cells, sizeof expected);
    struct checker_anomaly anomaly =
        checker_compare("state-is-wrong", "counts", actual, count, expected, 2);
    return anomaly.name != NULL ? anomaly.name : "good";
}

/* A state equals its batch answer: no key more, none less, every value the same. */
START_TEST(a_state_is_compared_key_by_key)
{
    ck_assert_str_eq(compare((struct checker_cell[]){{"b", 2}, {"a", 1}}, 2), "good");
    ck_assert_str_eq(compare((struct checker_cell[]){{"a", 1}, {"b", 3}}, 2), "state-is-wrong");
    ck_assert_str_eq(compare((struct checker_cell[]){{"a", 1}}, 1), "state-is-wrong");
    ck_assert_str_eq(compare((struct checker_cell[]){{"a", 1}, {"b", 2}, {"c", 1}}, 3),
                     "state-is-wrong");
}
END_TEST

static const char *contains(const struct checker_cell *cells, size_t count)
{
    struct checker_cell actual[4];
    struct checker_cell expected[2];
    memcpy(actual, cells, count * sizeof cells[0]);
    memcpy(expected, expected_cells, sizeof expected);
    struct checker_anomaly anomaly = checker_contains_all("alerts", actual, count, expected, 2);
    return anomaly.name != NULL ? anomaly.name : "good";
}

/* Outputs may repeat; none may be missing, and none may be there that was never due. */
START_TEST(outputs_may_repeat_but_not_be_missing)
{
    ck_assert_str_eq(contains((struct checker_cell[]){{"b", 2}, {"a", 1}, {"b", 2}}, 3), "good");
    ck_assert_str_eq(contains((struct checker_cell[]){{"b", 2}}, 1), "output-missing");
    ck_assert_str_eq(contains((struct checker_cell[]){{"a", 1}, {"b", 2}, {"b", 7}}, 3),
                     "output-too-many");
    ck_assert_str_eq(contains((struct checker_cell[]){{"a", 0}, {"a", 1}, {"b", 2}}, 3),
                     "output-too-many");
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("histories");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_good_history_passes);
    tcase_add_test(tests, topics_may_come_and_go);
    tcase_add_test(tests, a_lost_write_is_flagged);
    tcase_add_test(tests, a_write_lost_by_a_kill_is_flagged_with_acks_1);
    tcase_add_test(tests, a_late_answer_is_excused_with_acks_1);
    tcase_add_test(tests, a_write_after_the_power_came_back_is_not_excused);
    tcase_add_test(tests, a_write_at_another_offset_than_acknowledged_is_flagged);
    tcase_add_test(tests, a_lost_read_is_flagged);
    tcase_add_test(tests, a_changed_value_is_flagged);
    tcase_add_test(tests, a_duplicate_is_flagged);
    tcase_add_test(tests, a_phantom_is_flagged);
    tcase_add_test(tests, a_value_of_another_log_is_a_phantom);
    tcase_add_test(tests, another_order_is_flagged);
    tcase_add_test(tests, a_gap_is_flagged);
    tcase_add_test(tests, a_poll_that_goes_back_is_flagged);
    tcase_add_test(tests, a_poll_that_skips_is_flagged);
    tcase_add_test(tests, wrong_bounds_are_flagged);
    tcase_add_test(tests, a_high_watermark_that_goes_back_is_flagged);
    tcase_add_test(tests, a_mark_told_before_the_call_began_is_the_least);
    tcase_add_test(tests, a_committed_offset_that_goes_back_is_flagged);
    tcase_add_test(tests, a_committed_offset_of_nobody_is_flagged);
    tcase_add_test(tests, a_lost_topic_is_flagged);
    tcase_add_test(tests, a_topic_with_fewer_partitions_is_flagged);
    tcase_add_test(tests, a_topic_that_comes_back_is_flagged);
    suite_add_tcase(suite, tests);

    TCase *tables = tcase_create("tables");
    tcase_add_test(tables, a_state_is_compared_key_by_key);
    tcase_add_test(tables, outputs_may_repeat_but_not_be_missing);
    suite_add_tcase(suite, tables);
}

int main(void)
{
    return weir_test_main("checker", add);
}
