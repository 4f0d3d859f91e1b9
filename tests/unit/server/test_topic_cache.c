#include <string.h>

#include "base/bytes.h"
#include "server/topic_cache.h"
#include "tests/support/support.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_topic_cache cache;

static void set_up(void)
{
    weir_heap_init(&heap, true);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_topic_cache_init(&cache, &budget);
}

static void tear_down(void)
{
    weir_topic_cache_close(&cache);
    ck_assert_uint_eq(budget.used, 0);
}

/* Ids with the same `set` fall into the same set of slots. */
static struct weir_uuid id_of(uint32_t set, uint8_t n)
{
    struct weir_uuid id = {{0}};
    weir_store_u32(id.bytes, set);
    id.bytes[15] = n;
    return id;
}

static void put(struct weir_uuid id, const char *name)
{
    weir_topic_cache_put(&cache, id, weir_text(name));
}

static bool is_called(struct weir_uuid id, const char *name)
{
    return weir_slice_equal(weir_topic_cache_name(&cache, id), weir_text(name));
}

/* What was put is found by its id alone, and gone after a drop; nothing else goes. */
START_TEST(names_are_found_by_id_until_dropped)
{
    put(id_of(1, 1), "clicks");
    put(id_of(1, 2), "views");
    ck_assert(is_called(id_of(1, 1), "clicks"));
    ck_assert(is_called(id_of(1, 2), "views"));
    ck_assert(weir_slice_is_null(weir_topic_cache_name(&cache, id_of(2, 1))));
    weir_topic_cache_drop(&cache, id_of(1, 1));
    weir_topic_cache_drop(&cache, id_of(9, 9));
    ck_assert(weir_slice_is_null(weir_topic_cache_name(&cache, id_of(1, 1))));
    ck_assert(is_called(id_of(1, 2), "views"));
}
END_TEST

/* An empty cache answers and holds no memory. */
START_TEST(an_empty_cache_holds_nothing)
{
    ck_assert(weir_slice_is_null(weir_topic_cache_name(&cache, id_of(1, 1))));
    weir_topic_cache_drop(&cache, id_of(1, 1));
    ck_assert_uint_eq(budget.used, 0);
}
END_TEST

/* Of a full set the entry that was not used for longest gives way; other sets are left alone. */
START_TEST(the_least_used_of_a_full_set_gives_way)
{
    put(id_of(7, 200), "elsewhere");
    for (uint8_t i = 0; i < WEIR_TOPIC_CACHE_WAYS; i++) {
        put(id_of(3, i), "topic");
    }
    ck_assert(is_called(id_of(3, 0), "topic")); /* used again: number 1 is the oldest now */
    put(id_of(3, 100), "newest");
    ck_assert(weir_slice_is_null(weir_topic_cache_name(&cache, id_of(3, 1))));
    ck_assert(is_called(id_of(3, 0), "topic"));
    ck_assert(is_called(id_of(3, 100), "newest"));
    ck_assert(is_called(id_of(7, 200), "elsewhere"));
}
END_TEST

/* However many topics are seen, memory stays within the slots and their names. */
START_TEST(memory_is_bounded_by_the_slots)
{
    for (uint32_t i = 0; i < 3 * WEIR_TOPIC_CACHE_SLOTS; i++) {
        put(id_of(i * 2654435761u, (uint8_t)i), "a-topic-name");
    }
    ck_assert_uint_le(budget.used, WEIR_TOPIC_CACHE_SLOTS * (sizeof *cache.slots + 128));
}
END_TEST

/* Each allocation in turn fails: the entry is missing then, and those that were there stay. */
START_TEST(without_memory_nothing_is_kept)
{
    for (uint64_t fail_at = 1; fail_at <= 2; fail_at++) {
        heap.fail_at = fail_at;
        put(id_of(1, 1), "clicks");
        heap.fail_at = 0;
        ck_assert(weir_slice_is_null(weir_topic_cache_name(&cache, id_of(1, 1))));
        weir_topic_cache_close(&cache);
    }
    put(id_of(1, 1), "clicks");
    heap.fail_at = 1;
    put(id_of(1, 2), "views");
    heap.fail_at = 0;
    ck_assert(is_called(id_of(1, 1), "clicks"));
    ck_assert(weir_slice_is_null(weir_topic_cache_name(&cache, id_of(1, 2))));
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("topic_cache");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, names_are_found_by_id_until_dropped);
    tcase_add_test(tests, an_empty_cache_holds_nothing);
    tcase_add_test(tests, the_least_used_of_a_full_set_gives_way);
    tcase_add_test(tests, memory_is_bounded_by_the_slots);
    tcase_add_test(tests, without_memory_nothing_is_kept);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("server/topic_cache", add);
}
