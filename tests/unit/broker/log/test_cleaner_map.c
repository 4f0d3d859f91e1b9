#include "broker/log/cleaner_map.h"

#include <stdio.h>

#include "tests/support/support.h"
#include "weir/error.h"

static struct weir_heap heap;
static struct weir_budget budget;
static const struct weir_siphash_key secret = {{1, 2, 3}};

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
}

static bool put(struct weir_cleaner_map *map, int key, int64_t offset)
{
    char text[32];
    (void)snprintf(text, sizeof text, "key %d", key);
    return weir_cleaner_map_put(map, weir_text(text), offset);
}

static int64_t get(const struct weir_cleaner_map *map, int key)
{
    char text[32];
    (void)snprintf(text, sizeof text, "key %d", key);
    return weir_cleaner_map_get(map, weir_text(text));
}

/* Of each key the last offset, among as many keys as are asked for, and no other key has one. */
START_TEST(each_key_has_its_last_offset)
{
    struct weir_cleaner_map map;
    ck_ok(weir_cleaner_map_open(&map, &budget, 5000, SIZE_MAX, &secret), NULL);
    for (int i = 0; i < 15000; i++) {
        ck_assert(put(&map, i % 5000, i));
    }
    for (int i = 0; i < 5000; i++) {
        ck_assert_int_eq(get(&map, i), 10000 + i);
        ck_assert_int_eq(get(&map, 5000 + i), -1);
    }
    ck_assert_uint_eq(map.count, 5000);
    weir_cleaner_map_close(&map);
    ck_assert_uint_eq(budget.used, 0);
}
END_TEST

/* It takes no more bytes than it may, says how many keys that is, and when it is full keys that it has still move. */
START_TEST(it_has_a_bound)
{
    struct weir_cleaner_map map;
    size_t bytes = 100 * WEIR_CLEANER_ENTRY_SIZE;
    ck_ok(weir_cleaner_map_open(&map, &budget, 1000000, bytes, &secret), NULL);
    ck_assert_uint_le(budget.used, bytes + 64);
    ck_assert_uint_eq(weir_cleaner_map_keys(bytes), 90);
    for (int i = 0; i < 90; i++) {
        ck_assert(weir_cleaner_map_has_room(&map, 90 - i));
        ck_assert(!weir_cleaner_map_has_room(&map, 91 - i));
        ck_assert(put(&map, i, i));
    }
    ck_assert(!put(&map, 90, 90));
    ck_assert_int_eq(get(&map, 90), -1);
    ck_assert(put(&map, 7, 100));
    ck_assert_int_eq(get(&map, 7), 100);
    weir_cleaner_map_close(&map);
}
END_TEST

/* Without memory there is no table. */
START_TEST(no_memory_is_told)
{
    struct weir_cleaner_map map = {0};
    heap.fail_at = 1;
    ck_code(weir_cleaner_map_open(&map, &budget, 100, SIZE_MAX, &secret), WEIR_NO_MEMORY);
    weir_cleaner_map_close(&map);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("cleaner map");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, each_key_has_its_last_offset);
    tcase_add_test(tests, it_has_a_bound);
    tcase_add_test(tests, no_memory_is_told);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("cleaner map", add);
}
