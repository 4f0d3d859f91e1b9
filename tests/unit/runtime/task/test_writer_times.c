/* How far the writers of a repartition partition are: the header, the least of them, and which topics have it. */
#include <stdio.h>
#include <string.h>

#include "runtime/task/timed_topics.h"
#include "runtime/task/writer_times.h"
#include "tests/unit/runtime/task/stage.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_arena arena;
static struct weir_writer_times times;

static void open_arena(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
}

static void close_arena(void)
{
    weir_arena_close(&arena);
}

/* Two tasks of sub-topology 0 and three of 2 write; offsets count from 100. */
static void open_times(void)
{
    static const bool writes[] = {true, false, true};
    static const int32_t counts[] = {2, 9, 3};
    open_arena();
    ck_code(weir_writer_times_init(&times, &arena, writes, counts, 3, 100), 0);
}

static void say_at(int64_t offset, int32_t subtopology, int32_t partition, int64_t time_ms,
                   bool is_at_end)
{
    const struct weir_writer_time time = {.subtopology = subtopology,
                                          .partition = partition,
                                          .time_ms = time_ms,
                                          .is_at_end = is_at_end};
    weir_writer_times_take(&times, offset, &time);
}

static void say(int32_t subtopology, int32_t partition, int64_t time_ms)
{
    say_at(100, subtopology, partition, time_ms, false);
}

static struct weir_header header_of(const uint8_t *bytes, size_t size)
{
    return (struct weir_header){weir_text(WEIR_TIME_HEADER_KEY), weir_slice(bytes, size)};
}

/* What is encoded is decoded, at the ends of its ranges too. */
START_TEST(a_header_says_what_was_put_into_it)
{
    static const struct weir_writer_time said[] = {
        {.time_ms = -1},
        {INT32_MAX, INT32_MAX, INT64_MAX, true, true, true},
        {3, 7, 1546300818000, .is_at_end = true},
        {3, 7, 0, .is_time_note = true},
        {3, 7, 0, .is_at_end = true, .is_idle = true},
    };
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        uint8_t bytes[WEIR_TIME_HEADER_SIZE];
        struct weir_writer_time back;
        weir_writer_time_encode(&said[i], bytes);
        const struct weir_header header = header_of(bytes, sizeof bytes);
        ck_assert(weir_writer_time_decode(&header, &back));
        ck_assert_int_eq(back.subtopology, said[i].subtopology);
        ck_assert_int_eq(back.partition, said[i].partition);
        ck_assert_int_eq(back.time_ms, said[i].time_ms);
        ck_assert_int_eq(back.is_at_end, said[i].is_at_end);
        ck_assert_int_eq(back.is_idle, said[i].is_idle);
        ck_assert_int_eq(back.is_time_note, said[i].is_time_note);
    }
}
END_TEST

/* Other sizes, versions, numbers below zero, no value: known by its name, and it says nothing. */
START_TEST(a_header_that_is_not_understood_says_nothing)
{
    uint8_t bytes[WEIR_TIME_HEADER_SIZE + 1] = {0};
    struct weir_writer_time back = {.time_ms = 77};
    weir_writer_time_encode(&(struct weir_writer_time){.time_ms = 5}, bytes);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        const struct weir_header header = header_of(bytes, size);
        ck_assert(weir_is_time_header(&header));
        ck_assert_int_eq(weir_writer_time_decode(&header, &back), size == WEIR_TIME_HEADER_SIZE);
    }
    static const size_t places[] = {0, 2, 6,
                                    10}; /* the version, and the first byte of each number */
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        uint8_t broken[WEIR_TIME_HEADER_SIZE];
        memcpy(broken, bytes, sizeof broken);
        broken[places[i]] = 0x80;
        const struct weir_header header = header_of(broken, sizeof broken);
        ck_assert(!weir_writer_time_decode(&header, &back));
    }
    const struct weir_header null = {weir_text(WEIR_TIME_HEADER_KEY), weir_null()};
    const struct weir_header other = {weir_text("weir.times"), weir_slice(bytes, 18)};
    ck_assert(weir_is_time_header(&null) && !weir_writer_time_decode(&null, &back));
    ck_assert(!weir_is_time_header(&other) && !weir_writer_time_decode(&other, &back));
}
END_TEST

/* Until all writers have said something there is no least; then it is the smallest of what was said last. */
START_TEST(the_least_is_that_of_the_slowest_writer)
{
    say(0, 0, 50), say(0, 1, 20), say(2, 0, 90), say(2, 1, 40);
    ck_assert_int_eq(times.least_ms, -1);
    say(2, 2, 30);
    ck_assert_int_eq(times.least_ms, 20);
    say(0, 1, 60);
    ck_assert_int_eq(times.least_ms, 30);
    say(2, 2, 31);
    ck_assert_int_eq(times.least_ms, 31);
    say(2, 0, 10); /* one that goes back */
    ck_assert_int_eq(times.least_ms, 10);
}
END_TEST

/* A writer at its end holds nobody back, until it says a time again; with all at their end nothing does. */
START_TEST(a_writer_at_its_end_does_not_count)
{
    say(0, 0, 50), say(0, 1, 60), say(2, 0, 70), say(2, 1, 80), say(2, 2, 90);
    say_at(101, 0, 0, 50, true);
    ck_assert_int_eq(times.least_ms, 60);
    say_at(102, 0, 1, 61, true), say_at(103, 2, 0, 70, true), say_at(104, 2, 1, 80, true);
    ck_assert_int_eq(times.least_ms, 90);
    say_at(105, 2, 2, 91, true);
    ck_assert_int_eq(times.least_ms, INT64_MAX);
    say(0, 1, 62);
    ck_assert_int_eq(times.least_ms, 62);
}
END_TEST

static void say_idle(int32_t subtopology, int32_t partition, int64_t time_ms)
{
    const struct weir_writer_time said = {.subtopology = subtopology,
                                          .partition = partition,
                                          .time_ms = time_ms,
                                          .is_at_end = true,
                                          .is_idle = true};
    weir_writer_times_take(&times, 200, &said);
}

/* The clock moves time once all writers say that it does, and as far as the least of them says. */
START_TEST(time_goes_by_the_clock_where_all_writers_stand_idle)
{
    say_idle(0, 0, 50), say_idle(0, 1, 20), say_idle(2, 0, 90), say_idle(2, 1, 40);
    ck_assert_int_eq(weir_writer_times_idle_ms(&times), -1);
    say_at(201, 2, 2, 30, true); /* at its end, and not idle */
    ck_assert_int_eq(weir_writer_times_idle_ms(&times), -1);
    say_idle(2, 2, 35);
    ck_assert_int_eq(weir_writer_times_idle_ms(&times), 20);
    say_idle(0, 1, 60);
    ck_assert_int_eq(weir_writer_times_idle_ms(&times), 35);
    say(2, 0, 91);
    ck_assert_int_eq(weir_writer_times_idle_ms(&times), -1);
}
END_TEST

/* What an earlier run has written, and writers that this one does not have. */
START_TEST(nobody_else_counts)
{
    for (int32_t p = 0; p < 9; p++) {
        say_at(99, 0, p, 1000, true), say_at(99, 2, p, 1000, true);
    }
    ck_assert_int_eq(times.least_ms, -1);
    say(0, 0, 5), say(0, 1, 6), say(2, 0, 7), say(2, 1, 8), say(2, 2, 9);
    say(0, 2, 1), say(1, 0, 1), say(2, 3, 1), say(3, 0, 1), say(INT32_MAX, INT32_MAX, 1);
    ck_assert_int_eq(times.least_ms, 5);
}
END_TEST

/* Whatever is said in whatever order, and what would come of it is known before. */
START_TEST(the_least_is_what_a_walk_over_all_gives)
{
    struct weir_test_random random = {(uint64_t)_i + 1};
    int64_t model[5] = {-1, -1, -1, -1, -1};
    static const int32_t writers[5][2] = {{0, 0}, {0, 1}, {2, 0}, {2, 1}, {2, 2}};
    for (int round = 0; round < 200; round++) {
        size_t i = (size_t)weir_test_random_below(&random, 5);
        const struct weir_writer_time time = {
            .subtopology = writers[i][0],
            .partition = writers[i][1],
            .time_ms = (int64_t)weir_test_random_below(&random, 20),
            .is_at_end = weir_test_random_below(&random, 4) == 0,
        };
        int64_t foreseen = weir_writer_times_least_with(&times, 100, &time);
        weir_writer_times_take(&times, 100, &time);
        model[i] = time.is_at_end ? INT64_MAX : time.time_ms;
        int64_t least = INT64_MAX;
        for (size_t w = 0; w < 5; w++) {
            if (model[w] < least) least = model[w];
        }
        ck_assert_int_eq(times.least_ms, least);
        ck_assert_int_eq(foreseen, least);
    }
}
END_TEST

/* ---- which topics are timed ------------------------------------------------------------------ */

static const struct weir_operator_ops windows = {.name = "windows",
                                                 .traits = {.observes_time = true}};
static const struct weir_operator_ops timeless = {.name = "timeless"};

/* in ─ 0 ─> first ─ 1 ─> second ─ 2 ─ an operator. "is_timed bounds_time" of first, then of second. */
static void expect_timed(const int32_t *task_counts, const struct weir_operator_ops *first,
                         const struct weir_operator_ops *second, const char *text)
{
    static struct plan plan;
    struct weir_job_topic topics[PLAN_TOPICS] = {{0}};
    char found[8] = "";
    plan = (struct plan){0};
    int32_t in = plan_topic(&plan, "in", false);
    int32_t one = plan_topic(&plan, "first-repartition", true);
    int32_t two = plan_topic(&plan, "second-repartition", true);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    plan_node(&plan, 0, WEIR_PLAN_SINK, &stage_sink, source, one, NULL);
    int32_t middle = plan_node(&plan, 1, WEIR_PLAN_SOURCE, &stage_source, -1, one, NULL);
    plan_node(&plan, 1, WEIR_PLAN_OPERATOR, first, middle, -1, NULL);
    plan_node(&plan, 1, WEIR_PLAN_SINK, &stage_sink, middle, two, NULL);
    int32_t last = plan_node(&plan, 2, WEIR_PLAN_SOURCE, &stage_source, -1, two, NULL);
    plan_node(&plan, 2, WEIR_PLAN_OPERATOR, second, last, -1, NULL);
    ck_code(weir_find_timed_topics(plan_done(&plan), task_counts, &arena, topics), 0);
    ck_assert(!topics[in].is_timed && !topics[in].bounds_time);
    (void)snprintf(found, sizeof found, "%d%d %d%d", topics[one].is_timed, topics[one].bounds_time,
                   topics[two].is_timed, topics[two].bounds_time);
    ck_assert_str_eq(found, text);
}

/* Where there is one writer all the way, or nobody asks for the time, nothing is said. */
START_TEST(a_topic_is_timed_where_writers_may_be_apart_and_time_decides)
{
    static const int32_t one[] = {1, 1, 1};
    static const int32_t several[] = {4, 4, 4};
    static const int32_t spread[] = {1, 4, 4};
    static const int32_t gathered[] = {4, 1, 1};
    expect_timed(one, &windows, &windows, "00 00");
    expect_timed(several, &timeless, &timeless, "00 00");
    expect_timed(several, &windows, &timeless, "11 00");
    expect_timed(several, &timeless, &windows, "11 11");
    /* Its one writer holds nobody back, but without its end nobody behind knows theirs. */
    expect_timed(spread, &timeless, &windows, "10 11");
    /* One task that reads what several wrote is not further than they are. */
    expect_timed(gathered, &timeless, &windows, "11 11");
}
END_TEST

/* A stream that is joined with a table of its own: in, and the topic, are read by one sub-topology, which also writes the
 * topic. Its tasks would wait for each other's times for good. */
START_TEST(a_topic_that_leads_to_itself_is_not_timed)
{
    static struct plan plan;
    static const int32_t several[] = {4, 4, 4};
    struct weir_job_topic topics[PLAN_TOPICS] = {{0}};
    plan = (struct plan){0};
    int32_t in = plan_topic(&plan, "in", false);
    int32_t own = plan_topic(&plan, "own-repartition", true);
    int32_t next = plan_topic(&plan, "next-repartition", true);
    int32_t source = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, in, NULL);
    plan_node(&plan, 0, WEIR_PLAN_SINK, &stage_sink, source, own, NULL);
    int32_t back = plan_node(&plan, 0, WEIR_PLAN_SOURCE, &stage_source, -1, own, NULL);
    plan_node(&plan, 0, WEIR_PLAN_OPERATOR, &windows, back, -1, NULL);
    plan_node(&plan, 0, WEIR_PLAN_SINK, &stage_sink, back, next, NULL);
    int32_t last = plan_node(&plan, 1, WEIR_PLAN_SOURCE, &stage_source, -1, next, NULL);
    plan_node(&plan, 1, WEIR_PLAN_OPERATOR, &windows, last, -1, NULL);
    ck_code(weir_find_timed_topics(plan_done(&plan), several, &arena, topics), 0);
    ck_assert(!topics[own].is_timed && !topics[own].bounds_time);
    ck_assert(topics[next].is_timed && topics[next].bounds_time);
}
END_TEST

static void add(Suite *suite)
{
    TCase *bytes = tcase_create("header");
    tcase_add_test(bytes, a_header_says_what_was_put_into_it);
    tcase_add_test(bytes, a_header_that_is_not_understood_says_nothing);
    suite_add_tcase(suite, bytes);
    TCase *writers = tcase_create("writers");
    tcase_add_checked_fixture(writers, open_times, close_arena);
    tcase_add_test(writers, the_least_is_that_of_the_slowest_writer);
    tcase_add_test(writers, a_writer_at_its_end_does_not_count);
    tcase_add_test(writers, time_goes_by_the_clock_where_all_writers_stand_idle);
    tcase_add_test(writers, nobody_else_counts);
    tcase_add_loop_test(writers, the_least_is_what_a_walk_over_all_gives, 0, 20);
    suite_add_tcase(suite, writers);
    TCase *timed = tcase_create("timed");
    tcase_add_checked_fixture(timed, open_arena, close_arena);
    tcase_add_test(timed, a_topic_is_timed_where_writers_may_be_apart_and_time_decides);
    tcase_add_test(timed, a_topic_that_leads_to_itself_is_not_timed);
    suite_add_tcase(suite, timed);
}

int main(void)
{
    return weir_test_main("writer times", add);
}
