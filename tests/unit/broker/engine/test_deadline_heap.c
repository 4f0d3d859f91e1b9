#include "broker/engine/deadline_heap.h"
#include "tests/support/support.h"

enum { ITEMS = 500 };

struct item {
    size_t index;
    int64_t at_ns;
    bool is_in;
};

/* Over random comings and goings the first is always the earliest, and all leave in order. */
START_TEST(the_earliest_is_first)
{
    struct weir_heap memory;
    struct weir_budget budget;
    struct weir_deadline_heap heap;
    struct weir_test_random random = {(uint64_t)_i + 1};
    static struct item items[ITEMS];
    weir_heap_init(&memory, false);
    weir_budget_init(&budget, "test", &memory, NULL, 0);
    weir_deadline_heap_init(&heap, &budget);
    for (int i = 0; i < ITEMS; i++)
        items[i] = (struct item){0};
    for (int round = 0; round < 4000; round++) {
        struct item *item = &items[weir_test_random_below(&random, ITEMS)];
        if (item->is_in) {
            weir_deadline_heap_remove(&heap, &item->index);
        } else {
            item->at_ns = (int64_t)weir_test_random_below(&random, 300);
            struct weir_deadline deadline = {{item->at_ns}, item, &item->index};
            ck_assert_int_eq(weir_deadline_heap_add(&heap, deadline), 0);
        }
        item->is_in = !item->is_in;
        int64_t earliest_ns = INT64_MAX;
        for (int i = 0; i < ITEMS; i++) {
            if (items[i].is_in && items[i].at_ns < earliest_ns) earliest_ns = items[i].at_ns;
        }
        ck_assert_int_eq(weir_deadline_heap_first(&heap).ns, earliest_ns);
    }
    int64_t last_ns = -1;
    struct item *due;
    while ((due = weir_deadline_heap_due(&heap, (struct weir_mono){1000})) != NULL) {
        ck_assert_int_ge(due->at_ns, last_ns);
        last_ns = due->at_ns;
        weir_deadline_heap_remove(&heap, &due->index);
        ck_assert_uint_eq(due->index, 0);
    }
    ck_assert_uint_eq(heap.count, 0);
    weir_deadline_heap_close(&heap);
    ck_assert_uint_eq(atomic_load(&budget.used), 0);
}
END_TEST

/* What is not due yet stays; removing what is not there does nothing; memory may be out. */
START_TEST(what_is_not_due_stays)
{
    struct weir_heap memory;
    struct weir_budget budget;
    struct weir_deadline_heap heap;
    struct item item = {0};
    weir_heap_init(&memory, false);
    weir_budget_init(&budget, "test", &memory, NULL, 0);
    weir_deadline_heap_init(&heap, &budget);
    ck_assert_int_eq(weir_deadline_heap_first(&heap).ns, WEIR_MONO_NEVER.ns);
    struct weir_deadline deadline = {{5}, &item, &item.index};
    atomic_store(&memory.fail_at, 1);
    ck_assert_int_eq(weir_deadline_heap_add(&heap, deadline), WEIR_NO_MEMORY);
    ck_assert_uint_eq(item.index, 0);
    weir_deadline_heap_remove(&heap, &item.index);
    ck_assert_int_eq(weir_deadline_heap_add(&heap, deadline), 0);
    ck_assert_ptr_null(weir_deadline_heap_due(&heap, (struct weir_mono){4}));
    ck_assert_ptr_eq(weir_deadline_heap_due(&heap, (struct weir_mono){5}), &item);
    weir_deadline_heap_remove(&heap, &item.index);
    weir_deadline_heap_close(&heap);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("heap");
    tcase_add_loop_test(tests, the_earliest_is_first, 0, 4);
    tcase_add_test(tests, what_is_not_due_stays);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("deadline heap", add);
}
