#include "base/hamt.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "tests/support/support.h"
#include "weir/error.h"

enum { KEYS = 300, COPIES = 40 };

/* A counted value: of one key there may be several. */
struct item {
    int references;
    int key;
    int version;
    char name[16];
};

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_hamt map;

static struct weir_slice item_key(const void *value)
{
    return weir_text(((const struct item *)value)->name);
}

static void item_ref(void *value)
{
    ((struct item *)value)->references++;
}

static void item_unref(void *value)
{
    struct item *item = value;
    ck_assert_int_gt(item->references, 0);
    if (--item->references == 0) weir_free(item);
}

static const struct weir_hamt_ops ops = {item_key, item_ref, item_unref, weir_hash_seeded};

/* All keys meet in every node of the first hash, and most in the next one's first nodes. */
static uint64_t bad_hash(struct weir_slice key, uint64_t seed)
{
    return seed == 0 ? 0 : weir_hash_seeded(key, seed) & ~UINT64_C(0x3ff);
}
static const struct weir_hamt_ops bad_ops = {item_key, item_ref, item_unref, bad_hash};

/* Never the same memory twice: keys are compared, not addresses. */
static void name_of(int key, char name[16])
{
    static char names[KEYS][16];
    if (key >= KEYS) {
        (void)snprintf(name, 16, "key-%d", key);
        return;
    }
    if (names[key][0] == '\0') (void)snprintf(names[key], 16, "key-%d", key);
    memcpy(name, names[key], 16);
}

static struct item *item_new(int key, int version)
{
    uint64_t fail_at = atomic_exchange(&heap.fail_at, 0);
    struct item *item = weir_alloc_zero(&budget, sizeof *item);
    atomic_store(&heap.fail_at, fail_at);
    *item = (struct item){.references = 1, .key = key, .version = version};
    name_of(key, item->name);
    return item;
}

static int put(int key, int version)
{
    struct item *item = item_new(key, version);
    int rc = weir_hamt_put(&map, item);
    item_unref(item);
    return rc;
}

static int take(int key)
{
    char name[16];
    name_of(key, name);
    return weir_hamt_remove(&map, weir_text(name));
}

/* What a map ought to have: the version of each key, 0 for none. */
struct model {
    int versions[KEYS];
};

static void check_map(const struct weir_hamt *of, const struct model *model)
{
    size_t count = 0;
    char name[16];
    weir_hamt_check(of);
    for (int i = 0; i < KEYS; i++) {
        name_of(i, name);
        const struct item *found = weir_hamt_get(of, weir_text(name));
        ck_assert_int_eq(found != NULL ? found->version : 0, model->versions[i]);
        count += found != NULL;
    }
    ck_assert_uint_eq(weir_hamt_count(of), count);
    struct weir_hamt_walk walk;
    struct model walked = {{0}};
    weir_hamt_walk_begin(&walk, of);
    for (const struct item *item; (item = weir_hamt_walk_next(&walk)) != NULL;) {
        ck_assert_int_eq(walked.versions[item->key], 0);
        walked.versions[item->key] = item->version;
    }
    ck_assert_mem_eq(&walked, model, sizeof walked);
}

static void change(struct weir_test_random *random, struct model *model, int step)
{
    int key = (int)weir_test_random_below(random, KEYS);
    bool removes = weir_test_random_below(random, step % 1000 < 500 ? 4 : 2) == 0;
    if (removes) {
        ck_assert_int_eq(take(key), model->versions[key] != 0);
        model->versions[key] = 0;
    } else {
        ck_assert_int_eq(put(key, step + 1), 0);
        model->versions[key] = step + 1;
    }
}

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_hamt_init(&map, &budget, &ops);
}

static void tear_down(void)
{
    weir_hamt_close(&map);
    ck_assert_uint_eq(atomic_load(&budget.used), 0);
}

/* Copies are taken and closed at random while the map changes: each is what the map was when it was taken,
 * and when all are closed, in whatever order, nothing is left. */
START_TEST(a_copy_stays_as_it_was)
{
    struct weir_test_random random = {(uint64_t)_i + 1};
    struct weir_hamt copies[COPIES] = {{0}};
    struct model models[COPIES];
    struct model model = {{0}};
    if (_i % 2 == 1) weir_hamt_init(&map, &budget, &bad_ops);
    for (int step = 0; step < 3000; step++) {
        change(&random, &model, step);
        if (weir_test_random_below(&random, 50) > 0) continue;
        size_t at = weir_test_random_below(&random, COPIES);
        if (copies[at].ops != NULL) check_map(&copies[at], &models[at]);
        weir_hamt_close(&copies[at]);
        weir_hamt_share(&map, &copies[at]);
        models[at] = model;
        check_map(&map, &model);
    }
    if (_i < 2) weir_hamt_close(&map); /* the map goes first, or last */
    for (size_t at = 0; at < COPIES; at++) {
        check_map(&copies[at], &models[at]);
        weir_hamt_close(&copies[at]);
    }
}
END_TEST

/* A put or a remove that gets no memory at its n-th allocation changes nothing, in the map or its copy. */
START_TEST(a_change_without_memory_changes_nothing)
{
    struct weir_test_random random = {5};
    struct weir_hamt copy = {0};
    struct model model = {{0}};
    int failures = 0;
    for (int step = 0; step < 200; step++) {
        int key = (int)weir_test_random_below(&random, KEYS);
        bool removes = weir_test_random_below(&random, 3) == 0;
        for (uint64_t nth = 1;; nth++) {
            weir_hamt_close(&copy);
            weir_hamt_share(&map, &copy);
            atomic_store(&heap.fail_at, nth);
            int rc = removes ? take(key) : put(key, step + 1);
            atomic_store(&heap.fail_at, 0);
            check_map(&copy, &model);
            if (rc >= 0) break;
            ck_assert_int_eq(rc, WEIR_NO_MEMORY);
            check_map(&map, &model);
            failures++;
        }
        model.versions[key] = removes ? 0 : step + 1;
        check_map(&map, &model);
    }
    ck_assert_int_gt(failures, 200);
    weir_hamt_close(&copy);
}
END_TEST

/* What has been prepared needs no memory: neither to be replaced nor to be removed. */
START_TEST(what_is_prepared_cannot_fail)
{
    struct weir_hamt copy;
    struct model model = {{0}};
    char name[16];
    for (int i = 0; i < KEYS; i++) {
        ck_assert_int_eq(put(i, 1), 0);
        model.versions[i] = 1;
    }
    weir_hamt_share(&map, &copy);
    struct model before = model;
    for (int i = 0; i < KEYS; i++) {
        name_of(i, name);
        ck_assert_int_eq(weir_hamt_prepare(&map, weir_text(name)), 0);
        check_map(&map, &model);
        atomic_store(&heap.fail_at, 1);
        heap.fail_all_after = true;
        ck_assert_int_eq(put(i, 2), 0);
        if (i % 3 != 0) ck_assert_int_eq(take(i), 1);
        heap.fail_all_after = false;
        atomic_store(&heap.fail_at, 0);
        model.versions[i] = i % 3 != 0 ? 0 : 2;
        check_map(&map, &model);
    }
    check_map(&copy, &before);
    weir_hamt_close(&copy);
}
END_TEST

/* A change after a copy makes a few nodes anew, however large the map is. */
START_TEST(a_change_costs_a_few_nodes)
{
    struct weir_hamt copy;
    enum { MANY = 20000 };
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(put(i, 1), 0);
    size_t whole = atomic_load(&budget.used);
    weir_hamt_share(&map, &copy);
    uint64_t before = atomic_load(&heap.allocation_count);
    ck_assert_int_eq(put(MANY / 2, 2), 0);
    ck_assert_uint_le(atomic_load(&heap.allocation_count) - before, 6);
    ck_assert_uint_le(atomic_load(&budget.used) - whole, 2048);
    weir_hamt_close(&copy);
    ck_assert_uint_le(atomic_load(&budget.used), whole);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("hamt");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_copy_stays_as_it_was, 0, 4);
    tcase_add_test(tests, a_change_without_memory_changes_nothing);
    tcase_add_test(tests, what_is_prepared_cannot_fail);
    tcase_add_test(tests, a_change_costs_a_few_nodes);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("hamt", add);
}
