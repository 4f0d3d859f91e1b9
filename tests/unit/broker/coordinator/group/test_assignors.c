#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "broker/coordinator/group/assignor.h"
#include "broker/coordinator/group/assignor_uniform.h"
#include "tests/support/support.h"

/*
 * Random problems, and what must hold of every answer. A second problem that differs from the first by one member
 * or some partitions takes the first one's answer as what was before.
 */
enum { MEMBERS_MAX = 40, TOPICS_MAX = 12, PARTITIONS_MAX = TOPICS_MAX * 30, SEEDS = 300 };

struct problem {
    struct weir_assignor_problem of;
    struct weir_assignor_topic topics[TOPICS_MAX];
    struct weir_assignor_member members[MEMBERS_MAX];
    uint32_t wanted[MEMBERS_MAX][TOPICS_MAX];
    char names[MEMBERS_MAX][16];
    uint32_t previous[PARTITIONS_MAX];
    uint32_t owners[PARTITIONS_MAX];
};

struct stage {
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_arena arena;
    struct weir_test_random random;
};

static struct stage stage;
static struct problem before, after;

static void set_up(void)
{
    weir_heap_init(&stage.heap, false);
    weir_budget_init(&stage.budget, "test", &stage.heap, NULL, 0);
    weir_arena_init(&stage.arena, &stage.budget, 0);
}

static void tear_down(void)
{
    weir_arena_close(&stage.arena);
    ck_assert_uint_eq(atomic_load(&stage.budget.used), 0);
}

static uint32_t below(uint32_t bound)
{
    return (uint32_t)weir_test_random_below(&stage.random, bound);
}

/* ---- problems -------------------------------------------------------------------------------- */

static void number_through(struct problem *problem)
{
    uint32_t partitions = 0;
    for (uint32_t t = 0; t < problem->of.topic_count; t++) {
        problem->topics[t].first = partitions;
        partitions += problem->topics[t].partition_count;
    }
    problem->of.partition_count = partitions;
    problem->of.topics = problem->topics;
    problem->of.members = problem->members;
    problem->of.previous = problem->previous;
    problem->of.owners = problem->owners;
    problem->of.arena = &stage.arena;
    for (uint32_t p = 0; p < partitions; p++) {
        problem->previous[p] = problem->owners[p] = WEIR_ASSIGNOR_NOBODY;
    }
}

/* As the group makes it: only topics that somebody wants are in a problem. */
static void set_member(struct problem *problem, uint32_t m, const uint32_t *wanted, uint32_t count)
{
    (void)snprintf(problem->names[m], sizeof problem->names[m], "member-%03u", m);
    weir_copy(problem->wanted[m], wanted, count * sizeof *wanted);
    problem->members[m] = (struct weir_assignor_member){
        .member_id = weir_text(problem->names[m]),
        .topics = problem->wanted[m],
        .topic_count = count,
    };
}

static void want_all(struct problem *problem, uint32_t m)
{
    uint32_t wanted[TOPICS_MAX];
    for (uint32_t t = 0; t < problem->of.topic_count; t++) {
        wanted[t] = t;
    }
    set_member(problem, m, wanted, problem->of.topic_count);
}

/* Each topic is wanted by member t % count at least. */
static void want_some(struct problem *problem, uint32_t m)
{
    uint32_t wanted[TOPICS_MAX], count = 0;
    for (uint32_t t = 0; t < problem->of.topic_count; t++) {
        if (t % problem->of.member_count == m || below(2) == 0) wanted[count++] = t;
    }
    set_member(problem, m, wanted, count);
}

static void make(struct problem *problem, uint32_t members, bool is_homogeneous)
{
    memset(problem, 0, sizeof *problem);
    problem->of.topic_count = 1 + below(TOPICS_MAX);
    problem->of.member_count = members;
    for (uint32_t t = 0; t < problem->of.topic_count; t++) {
        problem->topics[t].id.bytes[0] = (uint8_t)t;
        problem->topics[t].partition_count = 1 + below(30);
    }
    for (uint32_t m = 0; m < members; m++) {
        if (is_homogeneous) {
            want_all(problem, m);
        } else {
            want_some(problem, m);
        }
    }
    number_through(problem);
}

/* The same with one member less (the last) or one more, and the last answer as what was before. */
static void make_next(struct problem *next, const struct problem *problem, uint32_t members)
{
    *next = *problem;
    next->of.member_count = members;
    for (uint32_t m = 0; m < members; m++) {
        if (m >= problem->of.member_count) {
            want_all(next, m);
        } else {
            set_member(next, m, problem->wanted[m], problem->members[m].topic_count);
        }
    }
    number_through(next);
    for (uint32_t p = 0; p < next->of.partition_count; p++) {
        if (problem->owners[p] < members) next->previous[p] = problem->owners[p];
    }
}

static void solve(struct problem *problem, const char *assignor)
{
    weir_arena_reset(&stage.arena);
    ck_assert_int_eq(weir_assignor_find(weir_text(assignor))->assign(&problem->of), 0);
}

/* ---- what must hold -------------------------------------------------------------------------- */

static bool wants(const struct problem *problem, uint32_t m, uint32_t topic)
{
    for (uint32_t i = 0; i < problem->members[m].topic_count; i++) {
        if (problem->wanted[m][i] == topic) return true;
    }
    return false;
}

static void check_complete(const struct problem *problem)
{
    for (uint32_t t = 0; t < problem->of.topic_count; t++) {
        for (uint32_t p = 0; p < problem->topics[t].partition_count; p++) {
            uint32_t owner = problem->owners[problem->topics[t].first + p];
            ck_assert_uint_lt(owner, problem->of.member_count);
            ck_assert(wants(problem, owner, t));
        }
    }
}

static uint32_t load(const struct problem *problem, uint32_t m)
{
    uint32_t count = 0;
    for (uint32_t p = 0; p < problem->of.partition_count; p++) {
        count += problem->owners[p] == m;
    }
    return count;
}

static uint32_t moves(const struct problem *problem)
{
    uint32_t count = 0;
    for (uint32_t p = 0; p < problem->of.partition_count; p++) {
        count += problem->previous[p] != WEIR_ASSIGNOR_NOBODY &&
                 problem->previous[p] != problem->owners[p];
    }
    return count;
}

static void check_even(const struct problem *problem)
{
    uint32_t share = problem->of.partition_count / problem->of.member_count;
    for (uint32_t m = 0; m < problem->of.member_count; m++) {
        ck_assert_uint_ge(load(problem, m), share);
        ck_assert_uint_le(load(problem, m), share + 1);
    }
}

/* Nobody has two more than another one that could have had one of these. */
static void check_level(const struct problem *problem)
{
    uint32_t loads[MEMBERS_MAX];
    for (uint32_t m = 0; m < problem->of.member_count; m++) {
        loads[m] = load(problem, m);
    }
    for (uint32_t t = 0; t < problem->of.topic_count; t++) {
        for (uint32_t p = 0; p < problem->topics[t].partition_count; p++) {
            uint32_t owner = problem->owners[problem->topics[t].first + p];
            for (uint32_t m = 0; m < problem->of.member_count; m++) {
                ck_assert(!wants(problem, m, t) || loads[owner] <= loads[m] + 1);
            }
        }
    }
}

/* ---- uniform --------------------------------------------------------------------------------- */

/* Members that want the same are given equally many, all partitions, whatever their number. */
START_TEST(uniform_is_complete_and_even)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        stage.random.state = seed;
        make(&before, 1 + below(MEMBERS_MAX), true);
        solve(&before, "uniform");
        check_complete(&before);
        check_even(&before);
    }
}
END_TEST

/* One member more: only what it is given moves, and that to it. */
START_TEST(uniform_moves_to_a_new_member_alone)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        stage.random.state = seed;
        make(&before, 1 + below(MEMBERS_MAX - 1), true);
        solve(&before, "uniform");
        make_next(&after, &before, before.of.member_count + 1);
        solve(&after, "uniform");
        check_complete(&after);
        check_even(&after);
        ck_assert_uint_eq(moves(&after), load(&after, before.of.member_count));
    }
}
END_TEST

/* One member less: what the others had stays with them. */
START_TEST(uniform_keeps_what_members_had_when_one_leaves)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        stage.random.state = seed;
        make(&before, 2 + below(MEMBERS_MAX - 2), true);
        solve(&before, "uniform");
        make_next(&after, &before, before.of.member_count - 1);
        solve(&after, "uniform");
        check_complete(&after);
        check_even(&after);
        ck_assert_uint_eq(moves(&after), 0);
    }
}
END_TEST

/* Topics grow: old partitions move only as far as they must for it to be even again. */
START_TEST(uniform_keeps_what_it_can_when_topics_grow)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        stage.random.state = seed;
        make(&before, 1 + below(MEMBERS_MAX), true);
        solve(&before, "uniform");
        make_next(&after, &before, before.of.member_count);
        for (uint32_t t = 0; t < after.of.topic_count; t++) {
            after.topics[t].partition_count =
                before.topics[t].partition_count + below(31 - before.topics[t].partition_count);
        }
        number_through(&after);
        for (uint32_t t = 0; t < after.of.topic_count; t++) {
            memcpy(after.previous + after.topics[t].first, before.owners + before.topics[t].first,
                   before.topics[t].partition_count * sizeof(uint32_t));
        }
        solve(&after, "uniform");
        check_complete(&after);
        check_even(&after);
        ck_assert_uint_eq(moves(&after), 0);
    }
}
END_TEST

/* Different subscriptions: all partitions have a member that wants them, and no move of one would make it more even. */
START_TEST(uniform_is_level_where_subscriptions_differ)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        stage.random.state = seed;
        make(&before, 2 + below(MEMBERS_MAX - 3), false);
        solve(&before, "uniform");
        check_complete(&before);
        check_level(&before);
        make_next(&after, &before, before.of.member_count + 1);
        solve(&after, "uniform");
        check_complete(&after);
        check_level(&after);
        make_next(&before, &after, after.of.member_count);
        solve(&before, "uniform");
        ck_assert_uint_eq(moves(&before), 0);
    }
}
END_TEST

/* Different subscriptions, and a member whose partitions others can take leaves: of those that stay, what moves is less
 * than what was left behind. */
START_TEST(uniform_moves_little_where_subscriptions_differ)
{
    uint64_t moved = 0, left = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        stage.random.state = seed;
        make(&before, 3 + below(MEMBERS_MAX - 4), false);
        want_all(&before, before.of.member_count);
        before.of.member_count++;
        number_through(&before);
        solve(&before, "uniform");
        left += load(&before, before.of.member_count - 1);
        make_next(&after, &before, before.of.member_count - 1);
        solve(&after, "uniform");
        check_complete(&after);
        check_level(&after);
        moved += moves(&after);
    }
    ck_assert_uint_lt(moved, left);
}
END_TEST

/* A topic of 10,000 partitions that one member has, and 300 want by now, of whom one wants something else too: each comes
 * to its share, and what the first one keeps was its own. */
START_TEST(uniform_levels_a_wide_topic)
{
    enum { WIDE = 10000, MANY = 300 };
    static const uint32_t wide_only[] = {0};
    static const uint32_t both[] = {0, 1};
    static const struct weir_assignor_topic topics[] = {
        {.id = {{1}}, .partition_count = WIDE, .first = 0},
        {.id = {{2}}, .partition_count = 1, .first = WIDE}};
    static struct weir_assignor_member members[MANY];
    static uint32_t previous[WIDE + 1], owners[WIDE + 1], loads[MANY];
    for (uint32_t m = 0; m < MANY; m++) {
        members[m] = (struct weir_assignor_member){.topics = m == MANY - 1 ? both : wide_only,
                                                   .topic_count = m == MANY - 1 ? 2 : 1};
    }
    for (uint32_t p = 0; p <= WIDE; p++)
        owners[p] = WEIR_ASSIGNOR_NOBODY;
    previous[WIDE] = WEIR_ASSIGNOR_NOBODY; /* of the others the first member */
    const struct weir_assignor_problem problem = {.topics = topics,
                                                  .topic_count = 2,
                                                  .members = members,
                                                  .member_count = MANY,
                                                  .partition_count = WIDE + 1,
                                                  .previous = previous,
                                                  .owners = owners,
                                                  .arena = &stage.arena};
    ck_assert_int_eq(weir_assign_uniform(&problem), 0);
    for (uint32_t p = 0; p <= WIDE; p++)
        loads[owners[p]]++;
    for (uint32_t m = 0; m < MANY; m++) {
        ck_assert_uint_ge(loads[m], WIDE / MANY);
        ck_assert_uint_le(loads[m], WIDE / MANY + 1);
    }
    ck_assert_uint_eq(owners[WIDE], MANY - 1);
}
END_TEST

/* ---- range ----------------------------------------------------------------------------------- */

/* Each member's partitions of a topic are neighbours, and pieces differ by one at most. */
START_TEST(range_cuts_neighbours)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        stage.random.state = seed;
        make(&before, 1 + below(MEMBERS_MAX - 1), seed % 2 == 0);
        solve(&before, "range");
        check_complete(&before);
        for (uint32_t t = 0; t < before.of.topic_count; t++) {
            const uint32_t *owners = before.owners + before.topics[t].first;
            uint32_t pieces[MEMBERS_MAX] = {0}, subscribers = 0;
            for (uint32_t p = 0; p < before.topics[t].partition_count; p++) {
                ck_assert(p == 0 || owners[p] == owners[p - 1] || pieces[owners[p]] == 0);
                pieces[owners[p]]++;
            }
            for (uint32_t m = 0; m < before.of.member_count; m++) {
                subscribers += wants(&before, m, t);
            }
            for (uint32_t m = 0; m < before.of.member_count; m++) {
                uint32_t share = before.topics[t].partition_count / subscribers;
                if (!wants(&before, m, t)) continue;
                ck_assert_uint_ge(pieces[m], share);
                ck_assert_uint_le(pieces[m], share + 1);
            }
        }
    }
}
END_TEST

/* Topics with equally many partitions are cut alike where all want them. */
START_TEST(range_gives_the_same_numbers_of_all_topics)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        stage.random.state = seed;
        make(&before, 1 + below(MEMBERS_MAX), true);
        for (uint32_t t = 1; t < before.of.topic_count; t++) {
            before.topics[t].partition_count = before.topics[0].partition_count;
        }
        number_through(&before);
        solve(&before, "range");
        for (uint32_t p = 0; p < before.of.partition_count; p++) {
            uint32_t partition = p % before.topics[0].partition_count;
            ck_assert_uint_eq(before.owners[p], before.owners[partition]);
        }
    }
}
END_TEST

/* Kafka's example: 7 partitions for three members; static ones stand in front, by instance id. */
START_TEST(range_places_static_members_first)
{
    static const uint32_t expected[] = {2, 2, 2, 0, 0, 1, 1};
    stage.random.state = 1;
    make(&before, 3, true);
    before.of.topic_count = 1;
    before.topics[0].partition_count = 7;
    for (uint32_t m = 0; m < 3; m++) {
        want_all(&before, m);
    }
    before.members[2].instance_id = weir_text("z");
    number_through(&before);
    solve(&before, "range");
    ck_assert_mem_eq(before.owners, expected, sizeof expected);
    before.members[0].instance_id = weir_text("zz");
    before.members[1].instance_id = weir_text("y");
    number_through(&before);
    solve(&before, "range");
    ck_assert_uint_eq(before.owners[0], 1);
    ck_assert_uint_eq(before.owners[6], 0);
}
END_TEST

/* ---- both ------------------------------------------------------------------------------------ */

/* Nobody wants anything: nobody is given anything. */
START_TEST(no_subscriptions_no_partitions)
{
    for (size_t i = 0; i < WEIR_ASSIGNOR_COUNT; i++) {
        memset(&before, 0, sizeof before);
        before.of.member_count = 2;
        set_member(&before, 0, NULL, 0);
        set_member(&before, 1, NULL, 0);
        number_through(&before);
        solve(&before, weir_assignors[i].name);
    }
    ck_assert_ptr_null(weir_assignor_find(weir_text("sticky")));
    ck_assert_ptr_null(weir_assignor_find(weir_null()));
}
END_TEST

/* Memory that runs out is said, whichever allocation it is. */
START_TEST(an_assignor_without_memory_says_so)
{
    const char *const names[] = {"uniform", "uniform", "range"};
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        bool was_hit = false;
        stage.random.state = 7;
        make(&before, 20, _i == 0);
        weir_arena_close(&stage.arena);
        weir_arena_init(&stage.arena, &stage.budget, 32);
        weir_test_failures_arm(&failures, &stage.heap);
        int rc = weir_assignor_find(weir_text(names[_i]))->assign(&before.of);
        was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : 0);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("assignors");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, uniform_is_complete_and_even);
    tcase_add_test(tests, uniform_moves_to_a_new_member_alone);
    tcase_add_test(tests, uniform_keeps_what_members_had_when_one_leaves);
    tcase_add_test(tests, uniform_keeps_what_it_can_when_topics_grow);
    tcase_add_test(tests, uniform_is_level_where_subscriptions_differ);
    tcase_add_test(tests, uniform_moves_little_where_subscriptions_differ);
    tcase_add_test(tests, uniform_levels_a_wide_topic);
    tcase_add_test(tests, range_cuts_neighbours);
    tcase_add_test(tests, range_gives_the_same_numbers_of_all_topics);
    tcase_add_test(tests, range_places_static_members_first);
    tcase_add_test(tests, no_subscriptions_no_partitions);
    tcase_add_loop_test(tests, an_assignor_without_memory_says_so, 0, 3);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("assignors", add);
}
