/* Partitions as a person writes them, and as the leader of a classic group does. */
#include "cli/topic_partitions.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "cli/member_assignment.h"
#include "tests/support/support.h"

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_arena arena;
static struct weir_error error;

static void set_up(void)
{
    weir_heap_init(&heap, true);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_arena_init(&arena, &budget, 0);
    error = (struct weir_error){0};
}

static void tear_down(void)
{
    weir_arena_close(&arena);
}

START_TEST(a_topic_is_all_of_its_partitions_or_those_that_are_named)
{
    struct topic_partitions got;
    ck_ok(topic_partitions_parse("orders", &arena, &got, &error), &error);
    ck_assert(got.is_all);
    ck_assert_str_eq(got.topic, "orders");
    ck_assert(topic_partitions_have(&got, "orders", 77));
    ck_assert(!topic_partitions_have(&got, "order", 77));
    ck_ok(topic_partitions_parse("orders:3,0", &arena, &got, &error), &error);
    ck_assert(!got.is_all);
    ck_assert_uint_eq(got.partition_count, 2);
    ck_assert_int_eq(got.partitions[0], 3);
    ck_assert(topic_partitions_have(&got, "orders", 0));
    ck_assert(!topic_partitions_have(&got, "orders", 1));
}
END_TEST

START_TEST(what_names_no_partition_is_refused)
{
    static const char *const wrong[] = {
        "",          ":0",        "orders:",    "orders:x",   "orders:0,",
        "orders:,0", "orders:-1", "orders:0,0", "orders:0;1", "orders:2147483648"};
    struct topic_partitions got = {.partition_count = 99};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_msg(topic_partitions_parse(wrong[i], &arena, &got, &error) ==
                          WEIR_INVALID_ARGUMENT,
                      "'%s' was taken", wrong[i]);
        ck_assert_ptr_nonnull(strstr(error.text, "TOPIC:0,1,5"));
        ck_assert_uint_eq(got.partition_count, 99);
    }
}
END_TEST

static const uint8_t assignment[] = {
    0,    3,                                                 /* version */
    0,    0,    0,    2,                                     /* topics */
    0,    1,    'a',  0,    0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 7, /* a: 5, 7 */
    0,    2,    'b',  'c',  0, 0, 0, 0,                      /* bc: none */
    0xff, 0xff, 0xff, 0xff,                                  /* user data: null */
};

START_TEST(an_assignment_is_read)
{
    struct place_partitions *assigned = NULL;
    size_t count = 0;
    struct weir_slice bytes = weir_slice(assignment, sizeof assignment);
    ck_ok(member_assignment_read(bytes, &arena, &assigned, &count, &error), &error);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(assigned[0].topic, "a");
    ck_assert_uint_eq(assigned[0].partition_count, 2);
    ck_assert_int_eq(assigned[0].partitions[1], 7);
    ck_assert_str_eq(assigned[1].topic, "bc");
    ck_assert_uint_eq(assigned[1].partition_count, 0);
    ck_ok(member_assignment_read(weir_null(), &arena, &assigned, &count, &error), &error);
    ck_assert_uint_eq(count, 0);
}
END_TEST

/* Cut off anywhere before the user data, or with a count that cannot be: refused, and never read beyond. */
START_TEST(a_broken_assignment_is_refused)
{
    struct place_partitions *assigned = NULL;
    size_t count = 77;
    for (size_t size = 1; size < sizeof assignment - 4; size++) {
        uint8_t *exact = malloc(size);
        memcpy(exact, assignment, size);
        ck_assert_int_eq(
            member_assignment_read(weir_slice(exact, size), &arena, &assigned, &count, &error),
            WEIR_CORRUPT);
        free(exact);
    }
    uint8_t wrong[sizeof assignment];
    memcpy(wrong, assignment, sizeof wrong);
    weir_store_u32(wrong + 2, INT32_MAX);
    ck_assert_int_eq(
        member_assignment_read(weir_slice(wrong, sizeof wrong), &arena, &assigned, &count, &error),
        WEIR_CORRUPT);
    weir_store_u32(wrong + 2, UINT32_MAX);
    ck_assert_int_eq(
        member_assignment_read(weir_slice(wrong, sizeof wrong), &arena, &assigned, &count, &error),
        WEIR_CORRUPT);
    ck_assert_uint_eq(count, 77);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("topic_partitions");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_topic_is_all_of_its_partitions_or_those_that_are_named);
    tcase_add_test(tests, what_names_no_partition_is_refused);
    tcase_add_test(tests, an_assignment_is_read);
    tcase_add_test(tests, a_broken_assignment_is_refused);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("topic_partitions", add);
}
