#include "broker/engine/flush_group.h"

#include <string.h>

#include "tests/support/support.h"

/* The lists of what waits to be flushed: whoever is taken out, the others stay in their order. */
enum { ENTRIES = 4 };

static struct weir_flush_group group;
static struct weir_flush_entry entries[ENTRIES];
static struct weir_serving serving;
static struct weir_actor *actor;
static const struct weir_flush_ops ops;

/* The entries of `members`, a bit each, in order of their numbers. */
static void expect_dirty(unsigned members)
{
    const struct weir_flush_entry *at = group.dirty_first;
    const struct weir_flush_entry *last = NULL;
    for (size_t i = 0; i < ENTRIES; i++) {
        ck_assert_int_eq(entries[i].is_listed, (members >> i & 1) != 0);
        if ((members >> i & 1) == 0) continue;
        ck_assert_ptr_eq(at, &entries[i]);
        last = at;
        at = at->next;
    }
    ck_assert_ptr_null(at);
    ck_assert_ptr_eq(group.dirty_last, last);
}

static void add_all(void)
{
    for (size_t i = 0; i < ENTRIES; i++)
        weir_flush_group_add(&group, &entries[i], false);
}

/* First, last or between, from the fullest list to the empty one, and in it again behind the others. */
START_TEST(whoever_is_taken_out_leaves_the_others_in_order)
{
    for (unsigned taken = 0; taken < 1u << ENTRIES; taken++) {
        weir_flush_group_init(&group, &serving, &actor, &ops);
        memset(entries, 0, sizeof entries);
        unsigned all = (1u << ENTRIES) - 1;
        add_all();
        add_all(); /* once is enough */
        expect_dirty(all);
        for (size_t i = 0; i < ENTRIES; i++) {
            size_t at = taken % 2 == 0 ? i : ENTRIES - 1 - i;
            if ((taken >> at & 1) == 0) continue;
            weir_flush_group_remove(&group, &entries[at]);
            weir_flush_group_remove(&group, &entries[at]);
            all &= ~(1u << at);
            expect_dirty(all);
        }
        for (size_t i = ENTRIES; i > 0; i--)
            weir_flush_group_remove(&group, &entries[i - 1]);
        expect_dirty(0);
        add_all();
        expect_dirty((1u << ENTRIES) - 1);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("flush group");
    tcase_add_test(tests, whoever_is_taken_out_leaves_the_others_in_order);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("flush group", add);
}
