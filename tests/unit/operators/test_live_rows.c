/* The index of windows that are not over: in order whatever comes and goes, what is over goes without moving
 * what stays, and more memory than it may take stops the job. */
#include <stdio.h>
#include <string.h>

#include "operators/live_rows.h"
#include "tests/unit/operators/stand.h"

enum { STEPS = 20000, ROWS_MAX = 64 };

static struct weir_heap heap;
static struct weir_budget budget;
static struct weir_live_rows live;
static struct weir_live_key *key;

static void find(int64_t expired_ms)
{
    const struct weir_slice name = weir_text("a");
    ck_code(weir_live_rows_find(&live, name, weir_live_rows_hash(&live, name), expired_ms, &key),
            0);
}

static void set_up(void)
{
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "test", &heap, NULL, 0);
    weir_live_rows_init(&live, &budget, 0);
    find(-1);
}

static void put(int64_t time_ms, int64_t other_ms)
{
    ck_code(weir_live_key_reserve(&live, key, 1), 0);
    weir_live_key_put(key, (struct weir_live_row){time_ms, other_ms});
}

static void tear_down(void)
{
    weir_live_rows_close(&live);
    ck_assert_uint_eq(budget.used, 0);
}

START_TEST(rows_are_those_of_a_plain_list)
{
    int64_t rows[ROWS_MAX];
    uint32_t count = 0;
    struct weir_test_random random = {7};
    set_up();
    for (int step = 0; step < STEPS; step++) {
        const int64_t time_ms = step / 4 + (int64_t)weir_test_random_below(&random, 30);
        uint32_t at = 0;
        while (at < count && rows[at] < time_ms) {
            at++;
        }
        if (at == count || rows[at] != time_ms) {
            memmove(rows + at + 1, rows + at, (count - at) * sizeof *rows);
            rows[at] = time_ms;
            count++;
        }
        put(time_ms, step);
        ck_assert_int_eq(key->rows[weir_live_key_at(key, time_ms)].other_ms, step);
        if (weir_test_random_below(&random, 3) == 0) {
            const uint32_t from = (uint32_t)weir_test_random_below(&random, (uint64_t)count);
            const uint32_t gone = (uint32_t)weir_test_random_below(&random, count - from + 1);
            memmove(rows + from, rows + from + gone, (count - from - gone) * sizeof *rows);
            count -= gone;
            weir_live_key_remove(key, from, gone);
        }
        uint32_t over = 0;
        while (over < count && rows[over] <= step / 4) {
            over++;
        }
        memmove(rows, rows + over, (count - over) * sizeof *rows);
        count -= over;
        find(step / 4);
        ck_assert_uint_eq(key->count, count);
        for (uint32_t i = 0; i < count; i++) {
            ck_assert_int_eq(key->rows[i].time_ms, rows[i]);
        }
    }
    tear_down();
}
END_TEST

/* A key with many windows, of which one is over with each record: none of the others is moved for it. */
START_TEST(what_is_over_goes_without_moving_the_rest)
{
    enum { MANY = 4096 };
    set_up();
    for (int64_t i = 0; i < MANY; i++) {
        put(i, i);
    }
    const struct weir_live_row *second = &key->rows[1];
    find(0);
    ck_assert_ptr_eq(key->rows, second);
    size_t moves = 0;
    for (int64_t i = 1; i < 4 * MANY; i++) {
        const struct weir_live_row *place = key->rows;
        put(MANY + i - 1, 0);
        moves += key->rows != place;
        find(i);
        ck_assert_uint_eq(key->count, MANY - 1);
    }
    ck_assert_uint_le(moves, 4); /* all rows, once for as many that went */
    tear_down();
}
END_TEST

static struct stand stand;

static void feed_until_full(const struct weir_operator_ops *ops,
                            const struct weir_aggregate_config *config,
                            const struct weir_key_schema *schema)
{
    char name[32];
    int rc = 0;
    stand_init(&stand, ops, config);
    stand.caches = true;
    stand.specs[0].schema = schema;
    stand.specs[0].retention_ms = config->retention_ms;
    stand.specs[0].is_timestamped = schema != &weir_key_schema_session;
    stand.specs[0].is_cached = true;
    stand.specs[0].kind = WEIR_STORE_MEMORY;
    stand_open(&stand, 1);
    for (int i = 0; rc == 0 && i < 100000; i++) {
        (void)snprintf(name, sizeof name, "key %d", i);
        rc = stand_feed(&stand, ROWS({name, "x", 1000}));
    }
    ck_code(rc, WEIR_LIMIT);
    ck_assert_ptr_nonnull(
        strstr(stand.record_error.text, "bytes of memory, and a task has 300000 for it"));
    stand_close(&stand);
}

START_TEST(index_has_a_bound)
{
    struct weir_aggregate_config config = {
        .kind = WEIR_AGGREGATE_COUNT,
        .key_serde = &weir_serde_string,
        .value_serde = &weir_serde_int64,
        .session_gap_ms = 5,
        .retention_ms = 5,
        .live_bytes_max = 300000,
    };
    feed_until_full(&weir_session_ops, &config, &weir_key_schema_session);
    config.window_size_ms = 5;
    config.retention_ms = 10;
    feed_until_full(&weir_sliding_ops, &config, &weir_key_schema_window);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("live_rows");
    tcase_add_test(tests, rows_are_those_of_a_plain_list);
    tcase_add_test(tests, what_is_over_goes_without_moving_the_rest);
    tcase_add_test(tests, index_has_a_bound);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("live rows", add);
}
