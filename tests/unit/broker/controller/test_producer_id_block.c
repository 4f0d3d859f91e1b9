/* Which producer ids are given, by a block and what the metadata says has been taken, alone. */
#include "broker/controller/producer_id_block.h"

#include <signal.h>

#include "tests/support/support.h"

enum { SIZE = WEIR_PRODUCER_ID_BLOCK_SIZE };

/* Across blocks, and across restarts in the middle of one, no id is given twice, and each lies below what the
 * metadata says. A restart loses the rest of the block. */
START_TEST(no_id_is_given_twice)
{
    static const int given[] = {SIZE, 1, 0, 2 * SIZE + 1, SIZE - 1}; /* between restarts */
    int64_t taken = 0;
    int64_t last = -1;
    for (size_t run = 0; run < sizeof given / sizeof given[0]; run++) {
        struct weir_producer_id_block block = {taken, taken};
        for (int i = 0; i < given[run]; i++) {
            int64_t id = -1;
            while (!weir_producer_id_give(&block, &id)) {
                ck_assert_int_eq(
                    weir_producer_id_plan(&block, taken, (struct weir_wall){0}, &taken, NULL), 0);
                weir_producer_id_take(&block, taken);
            }
            ck_assert_int_gt(id, last);
            ck_assert_int_lt(id, taken);
            last = id;
        }
    }
    ck_assert_int_eq(taken, 6 * SIZE); /* 1, 1, none, 3 and 1 blocks */
}
END_TEST

/* What the metadata has forgotten was given at an earlier time, so it is not given again. */
START_TEST(a_block_begins_at_the_clocks_time)
{
    struct weir_producer_id_block block = {0};
    const struct weir_wall now = {1796000000000};
    int64_t taken = 0;
    ck_assert_int_eq(weir_producer_id_plan(&block, 0, now, &taken, NULL), 0);
    ck_assert_int_eq(taken, 1796000000000000 + SIZE);
    struct weir_producer_id_block forgotten = {0};
    int64_t again = 0;
    ck_assert_int_eq(
        weir_producer_id_plan(&forgotten, 0, (struct weir_wall){now.ms + 1}, &again, NULL), 0);
    ck_assert_int_ge(again - SIZE, taken);
    /* The metadata is ahead of the clock, and the clock is out of its time. */
    ck_assert_int_eq(weir_producer_id_plan(&block, taken, now, &again, NULL), 0);
    ck_assert_int_eq(again, taken + SIZE);
    static const int64_t wrong_ms[] = {-1, INT64_MIN, INT64_MAX, ((int64_t)1 << 43) + 1};
    for (size_t i = 0; i < 4; i++) {
        const struct weir_wall wrong = {wrong_ms[i]};
        ck_assert_int_eq(weir_producer_id_plan(&block, taken, wrong, &again, NULL), 0);
        ck_assert_int_eq(again, taken + SIZE);
    }
}
END_TEST

START_TEST(a_block_is_taken_only_when_none_is_left)
{
    struct weir_producer_id_block block = {SIZE - 1, SIZE};
    int64_t taken = -1;
    int64_t id;
    ck_assert_int_eq(weir_producer_id_plan(&block, SIZE, (struct weir_wall){0}, &taken, NULL),
                     WEIR_END);
    ck_assert_int_eq(taken, -1);
    ck_assert(weir_producer_id_give(&block, &id) && id == SIZE - 1);
    ck_assert(!weir_producer_id_give(&block, &id));
    ck_assert_int_eq(weir_producer_id_plan(&block, SIZE, (struct weir_wall){0}, &taken, NULL), 0);
    ck_assert_int_eq(taken, 2 * SIZE);
}
END_TEST

/* The last whole block can be taken; the one behind it would not be whole. */
START_TEST(ids_come_to_an_end)
{
    int64_t most = INT64_MAX - SIZE;
    struct weir_producer_id_block block = {most, most};
    struct weir_error error = {0};
    int64_t taken = 0;
    ck_assert_int_eq(weir_producer_id_plan(&block, most, (struct weir_wall){0}, &taken, &error), 0);
    ck_assert_int_eq(taken, INT64_MAX);
    block = (struct weir_producer_id_block){most + 1, most + 1};
    ck_assert_int_eq(weir_producer_id_plan(&block, most + 1, (struct weir_wall){0}, &taken, &error),
                     WEIR_LIMIT);
    ck_assert_int_eq(taken, INT64_MAX);
}
END_TEST

static const struct weir_producer_id_block wrong[] = {
    {-1, 0},       /* below the first one */
    {2, 1},        /* beyond its end */
    {0, SIZE + 1}, /* more than one block */
};

START_TEST(a_wrong_block_ends_the_program)
{
    weir_producer_id_check(&wrong[_i]);
}
END_TEST

/* It would lose the ids that are left, or give those of before again. */
START_TEST(a_block_is_taken_over_an_empty_one_behind_it)
{
    static const struct weir_producer_id_block before[] = {{0, 1}, {SIZE + 1, SIZE + 1}};
    struct weir_producer_id_block block = before[_i];
    weir_producer_id_take(&block, 2 * SIZE);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("producer id block");
    tcase_add_test(tests, no_id_is_given_twice);
    tcase_add_test(tests, a_block_begins_at_the_clocks_time);
    tcase_add_test(tests, a_block_is_taken_only_when_none_is_left);
    tcase_add_test(tests, ids_come_to_an_end);
    if (weir_test_forks()) {
        tcase_add_loop_test_raise_signal(tests, a_wrong_block_ends_the_program, SIGABRT, 0,
                                         (int)(sizeof wrong / sizeof wrong[0]));
        tcase_add_loop_test_raise_signal(tests, a_block_is_taken_over_an_empty_one_behind_it,
                                         SIGABRT, 0, 2);
    }
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("producer id block", add);
}
