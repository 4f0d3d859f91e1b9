#include "base/map.h"

#include <stdio.h>

#include "base/env/sim/sim.h"
#include "base/hash.h"
#include "tests/support/support.h"
#include "weir/error.h"

enum { ITEM_COUNT = 500 };

struct item {
    char name[24];
    bool is_in;
    uint64_t order; /* of its insertion */
};

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_map map;
static struct item items[ITEM_COUNT];

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_map_init(&map, &budget);
    for (int i = 0; i < ITEM_COUNT; i++) {
        items[i] = (struct item){0};
        snprintf(items[i].name, sizeof items[i].name, "item-%d", i);
    }
}

/* Whoever sends keys chooses them so that they meet in one slot of a table whose hash he knows. */
enum { CHOSEN = 1500, CHOSEN_TABLE = 4096 };

static uint64_t chosen[CHOSEN];

static void choose_keys(void)
{
    size_t count = 0;
    for (uint64_t number = 1; count < CHOSEN; number++) {
        struct weir_slice key = weir_slice(&number, sizeof number);
        if (weir_hash(key) % CHOSEN_TABLE == 0) chosen[count++] = number;
    }
}

static size_t probes_of_chosen(uint64_t seed)
{
    struct weir_map chosen_map;
    size_t probes = 0;
    heap.hash_seed = seed;
    weir_map_init(&chosen_map, &budget);
    for (size_t i = 0; i < CHOSEN; i++) {
        struct weir_slice key = weir_slice(&chosen[i], sizeof chosen[i]);
        ck_assert_int_eq(weir_map_add(&chosen_map, key, &chosen[i]), 0);
    }
    ck_assert_uint_eq(chosen_map.table_size, CHOSEN_TABLE);
    for (size_t i = 0; i < CHOSEN; i++) {
        struct weir_slice key = weir_slice(&chosen[i], sizeof chosen[i]);
        ck_assert_ptr_eq(weir_map_get(&chosen_map, key), &chosen[i]);
        probes += weir_map_probes(&chosen_map, key);
    }
    weir_map_close(&chosen_map);
    heap.hash_seed = 0;
    return probes;
}

/* Under any seed but the one they were chosen for, they are keys as all others. */
START_TEST(chosen_keys_cost_no_more_than_others)
{
    struct weir_test_random random = {11};
    choose_keys();
    ck_assert_uint_gt(probes_of_chosen(0), (size_t)CHOSEN * CHOSEN / 4); /* they are well chosen */
    for (int i = 0; i < 20; i++) {
        ck_assert_uint_lt(probes_of_chosen(weir_test_random_next(&random)), 3 * CHOSEN);
    }
}
END_TEST

static uint64_t seed_of_sim(uint64_t number)
{
    struct weir_sim *sim = weir_sim_new(&(struct weir_sim_options){.seed = number});
    uint64_t seed = weir_sim_node(sim, 0)->heap->hash_seed;
    weir_sim_free(sim);
    return seed;
}

/* In the real world nobody knows it; in the simulator it follows from the run's. */
START_TEST(an_environment_draws_its_seed)
{
    struct weir_env *envs[2];
    struct weir_error error = {0};
    for (int i = 0; i < 2; i++) {
        ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &envs[i], &error), &error);
    }
    ck_assert_uint_ne(envs[0]->heap->hash_seed, envs[1]->heap->hash_seed);
    for (int i = 0; i < 2; i++)
        weir_env_uv_free(envs[i]);
    ck_assert_uint_eq(seed_of_sim(5), seed_of_sim(5));
    ck_assert_uint_ne(seed_of_sim(5), seed_of_sim(6));
}
END_TEST

static void tear_down(void)
{
    weir_map_close(&map);
    weir_map_close(&map);
    ck_assert_uint_eq(budget.used, 0);
}

static struct weir_slice key_of(const struct item *item)
{
    return weir_text(item->name);
}

static void add_items(int count)
{
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(weir_map_add(&map, key_of(&items[i]), &items[i]), 0);
    }
}

/* An empty map answers everything, before any memory is taken. */
START_TEST(an_empty_map_answers)
{
    size_t at = 0;
    ck_assert_ptr_null(weir_map_get(&map, weir_text("x")));
    ck_assert_ptr_null(weir_map_remove(&map, weir_text("x")));
    ck_assert_ptr_null(weir_map_next(&map, &at));
    ck_assert_uint_eq(weir_map_count(&map), 0);
    ck_assert_uint_eq(heap.allocation_count, 0);
}
END_TEST

/* A second value for a key is refused and the first one stays. */
START_TEST(a_key_is_added_once)
{
    add_items(1);
    ck_code(weir_map_add(&map, weir_text("item-0"), &items[1]), WEIR_EXISTS);
    ck_assert_ptr_eq(weir_map_get(&map, weir_text("item-0")), &items[0]);
    ck_assert_uint_eq(weir_map_count(&map), 1);
}
END_TEST

/* A key may be empty, and may hold zero bytes. */
START_TEST(keys_are_bytes)
{
    ck_assert_int_eq(weir_map_add(&map, weir_text(""), &items[0]), 0);
    ck_assert_int_eq(weir_map_add(&map, weir_slice("\0", 1), &items[1]), 0);
    ck_assert_int_eq(weir_map_add(&map, weir_slice("\0\0", 2), &items[2]), 0);
    ck_assert_ptr_eq(weir_map_get(&map, weir_text("")), &items[0]);
    ck_assert_ptr_eq(weir_map_get(&map, weir_slice("\0", 1)), &items[1]);
    ck_assert_ptr_eq(weir_map_get(&map, weir_slice("\0\0", 2)), &items[2]);
}
END_TEST

/* Removing what the walk stands on skips and repeats nothing. */
START_TEST(walking_survives_removal)
{
    add_items(100);
    size_t at = 0;
    for (int i = 0; i < 100; i++) {
        struct item *item = weir_map_next(&map, &at);
        ck_assert_ptr_eq(item, &items[i]);
        if (i % 3 != 0) ck_assert_ptr_eq(weir_map_remove(&map, key_of(item)), item);
    }
    ck_assert_ptr_null(weir_map_next(&map, &at));
    at = 0;
    for (int i = 0; i < 100; i += 3) {
        ck_assert_ptr_eq(weir_map_next(&map, &at), &items[i]);
    }
    ck_assert_ptr_null(weir_map_next(&map, &at));
}
END_TEST

/* A walk that is left for later shows all that was there all the time, though entries that were removed make room for
 * others meanwhile, or the map grows. */
START_TEST(a_walk_that_goes_on_later_misses_nothing)
{
    struct weir_map_walk walk = {0};
    const struct item *item;
    bool is_shown[100] = {false};
    add_items(8);
    for (int i = 0; i < 5; i++) {
        ck_assert_ptr_eq(weir_map_walk_next(&map, &walk), &items[i]);
    }
    for (int i = 0; i < 5; i++) {
        ck_assert_ptr_eq(weir_map_remove(&map, key_of(&items[i])), &items[i]);
    }
    int count = _i == 0 ? 9 : 100; /* moves up in its place, or grows */
    for (int i = 8; i < count; i++) {
        ck_assert_int_eq(weir_map_add(&map, key_of(&items[i]), &items[i]), 0);
    }
    while ((item = weir_map_walk_next(&map, &walk)) != NULL) {
        is_shown[item - items] = true;
    }
    for (int i = 5; i < count; i++) {
        ck_assert_msg(is_shown[i], "%d", i);
    }
}
END_TEST

/* Each allocation that may fail is failed: the map is as it was, and then the add succeeds. */
START_TEST(a_failed_add_changes_nothing)
{
    for (int i = 0; i < 100; i++) {
        for (int failing = 1; failing <= 2; failing++) {
            heap.fail_at = (uint64_t)failing;
            int rc = weir_map_add(&map, key_of(&items[i]), &items[i]);
            heap.fail_at = 0;
            if (rc == 0) break;
            ck_code(rc, WEIR_NO_MEMORY);
            ck_assert_uint_eq(weir_map_count(&map), (size_t)i);
            ck_assert_ptr_null(weir_map_get(&map, key_of(&items[i])));
        }
        int rc = weir_map_add(&map, key_of(&items[i]), &items[i]);
        ck_assert(rc == 0 || rc == WEIR_EXISTS);
        for (int j = 0; j <= i; j++) {
            ck_assert_ptr_eq(weir_map_get(&map, key_of(&items[j])), &items[j]);
        }
    }
}
END_TEST

/* A queue's use, in at one end and out at the other, never makes the map grow. */
START_TEST(turnover_takes_no_memory)
{
    add_items(3);
    uint64_t count = heap.allocation_count;
    for (int i = 3; i < 10 * ITEM_COUNT; i++) {
        struct item *oldest = &items[(i - 3) % ITEM_COUNT];
        struct item *newest = &items[i % ITEM_COUNT];
        ck_assert_int_eq(weir_map_add(&map, key_of(newest), newest), 0);
        ck_assert_ptr_eq(weir_map_remove(&map, key_of(oldest)), oldest);
    }
    ck_assert_uint_eq(heap.allocation_count, count);
    ck_assert_uint_eq(weir_map_count(&map), 3);
}
END_TEST

/* The model: each item knows whether it is in and since when. */
static void check_against_model(void)
{
    size_t count = 0;
    for (int i = 0; i < ITEM_COUNT; i++) {
        count += items[i].is_in;
        void *expected = items[i].is_in ? &items[i] : NULL;
        ck_assert_ptr_eq(weir_map_get(&map, key_of(&items[i])), expected);
    }
    ck_assert_uint_eq(weir_map_count(&map), count);

    size_t at = 0;
    size_t walked = 0;
    uint64_t last_order = 0;
    for (struct item *item; (item = weir_map_next(&map, &at)) != NULL; walked++) {
        ck_assert(item->is_in);
        ck_assert_uint_gt(item->order, last_order);
        last_order = item->order;
    }
    ck_assert_uint_eq(walked, count);
}

/* Random adds and removals, under several seeds, leave what a list would; in its order. */
START_TEST(a_random_run_matches_the_model)
{
    struct weir_test_random random = {(uint64_t)_i};
    for (uint64_t step = 1; step <= 5000; step++) {
        struct item *item = &items[weir_test_random_below(&random, ITEM_COUNT)];
        if (weir_test_random_below(&random, 2) == 0) {
            int rc = weir_map_add(&map, key_of(item), item);
            ck_assert_int_eq(rc, item->is_in ? WEIR_EXISTS : 0);
            if (!item->is_in) item->order = step;
            item->is_in = true;
        } else {
            ck_assert_ptr_eq(weir_map_remove(&map, key_of(item)), item->is_in ? item : NULL);
            item->is_in = false;
        }
        if (step % 250 == 0) check_against_model();
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("map");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, an_empty_map_answers);
    tcase_add_test(tests, a_key_is_added_once);
    tcase_add_test(tests, keys_are_bytes);
    tcase_add_test(tests, chosen_keys_cost_no_more_than_others);
    tcase_add_test(tests, an_environment_draws_its_seed);
    tcase_add_test(tests, walking_survives_removal);
    tcase_add_loop_test(tests, a_walk_that_goes_on_later_misses_nothing, 0, 2);
    tcase_add_test(tests, a_failed_add_changes_nothing);
    tcase_add_test(tests, turnover_takes_no_memory);
    tcase_add_loop_test(tests, a_random_run_matches_the_model, 0, 8);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("base/map", add);
}
