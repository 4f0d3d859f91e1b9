#include <stdio.h>
#include <string.h>

#include "tests/unit/runtime/state/stage.h"

/* Rows with a time to live: when they are over, and that their bytes go, wherever the store is kept. */

enum { TTL = 1000, KEYS = 500, KEY_SIZE = 16 };

struct lives {
    struct weir_sim *sim;
    struct weir_env *env;
    bool is_real;
    char path[WEIR_TEST_PATH_SIZE];
    struct weir_state *state;
    struct weir_store *store;
    size_t appended_count;
    size_t tombstone_count;
    int64_t tombstone_ms; /* of the last one */
    int64_t offset;
};

static const struct weir_store_spec specs_by_kind[] = {
    {.name = "t", .is_logged = true, .is_timestamped = true, .ttl_ms = TTL},
    {.name = "t",
     .kind = WEIR_STORE_MEMORY,
     .is_logged = true,
     .is_timestamped = true,
     .ttl_ms = TTL},
};
static const struct weir_store_spec *const specs_of[2][1] = {{&specs_by_kind[0]},
                                                             {&specs_by_kind[1]}};

enum { IN_ROCKSDB, IN_MODEL, IN_MEMORY, PLACES };

static void open_state(struct lives *lives, int place)
{
    struct weir_error error;
    const struct weir_state_options options = {
        .backend = lives->is_real ? &weir_backend_rocksdb : &weir_backend_model,
        .env = lives->env,
        .budget = lives->env->budget,
        .path = lives->path,
        .specs = specs_of[place == IN_MEMORY],
        .store_count = 1,
        .cache_bytes_max = 4096,
        .rows_bytes_max = 1,
        .write_down_bytes = 1,
    };
    ck_ok(weir_state_open(&options, &lives->state, NULL, &error), &error);
    lives->store = weir_state_store(lives->state, 0);
}

static void lives_open(struct lives *lives, int place)
{
    struct weir_error error;
    *lives = (struct lives){.is_real = place == IN_ROCKSDB};
    weir_test_directory(lives->path);
    if (lives->is_real) {
        ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &lives->env, &error), &error);
    } else {
        lives->sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
        lives->env = weir_sim_node(lives->sim, 0);
    }
    open_state(lives, place);
}

static void lives_close(struct lives *lives)
{
    struct weir_error error;
    ck_ok(weir_state_close(lives->state, true, &error), &error);
    if (lives->is_real) weir_env_uv_free(lives->env);
    weir_sim_free(lives->sim);
}

static struct weir_slice key_of(char to[KEY_SIZE], int number)
{
    (void)snprintf(to, KEY_SIZE, "key %06d", number);
    return weir_text(to);
}

static struct weir_store_entry *touch(struct lives *lives, int number)
{
    struct weir_error error;
    char bytes[KEY_SIZE];
    struct weir_slice key = key_of(bytes, number);
    struct weir_store_entry *entry;
    ck_ok(weir_store_touch(lives->store, &key, 1, &entry, &error), &error);
    return entry;
}

static void put(struct lives *lives, int number, int64_t timestamp_ms)
{
    struct weir_error error;
    struct weir_store_entry *entry = touch(lives, number);
    ck_ok(weir_store_set(lives->store, entry, weir_text("value"), timestamp_ms, &error), &error);
}

static bool has(struct lives *lives, int number)
{
    const struct weir_store_entry *entry = touch(lives, number);
    return entry->value != NULL && !weir_store_is_row_over(lives->store, entry->timestamp_ms);
}

static int count_append(void *context, struct weir_store *store, const struct weir_record *record)
{
    struct lives *lives = context;
    (void)store;
    lives->appended_count++;
    if (!weir_slice_is_null(record->value)) return 0;
    lives->tombstone_count++;
    lives->tombstone_ms = record->timestamp_ms;
    return 0;
}

static void commit(struct lives *lives)
{
    struct weir_error error;
    ck_ok(weir_state_seal(lives->state, count_append, lives, &error), &error);
    struct weir_changelog_position position = {.offset = ++lives->offset};
    ck_ok(weir_state_committed(lives->state, &position, &error), &error);
}

static int count_one(void *context, struct weir_slice key, struct weir_slice value,
                     int64_t timestamp_ms)
{
    (void)key, (void)value, (void)timestamp_ms;
    ++*(size_t *)context;
    return 0;
}

/* Rows that are there, over or not. */
static size_t count_rows(struct lives *lives)
{
    struct weir_error error;
    size_t count = 0;
    ck_ok(weir_store_scan(lives->store, weir_null(), weir_null(), count_one, &count, &error),
          &error);
    return count;
}

/* Goal: a row is there until the observed time is its time to live beyond it, and then for good; one that is written
 * again lives by its new time. */
START_TEST(a_row_is_over_when_its_time_has_gone_by)
{
    struct lives lives;
    lives_open(&lives, _i);
    put(&lives, 1, 0);
    put(&lives, 2, 500);
    ck_assert(has(&lives, 1));
    weir_store_advance(lives.store, TTL - 1);
    ck_assert(has(&lives, 1));
    commit(&lives);
    weir_store_advance(lives.store, TTL);
    weir_store_advance(lives.store, 5); /* time does not go back */
    ck_assert(!has(&lives, 1));
    ck_assert(has(&lives, 2));
    put(&lives, 1, TTL);
    ck_assert(has(&lives, 1));
    commit(&lives);
    weir_store_advance(lives.store, 2 * TTL - 1);
    ck_assert(has(&lives, 1));
    ck_assert(!has(&lives, 2));
    lives_close(&lives);
}
END_TEST

/* Goal: commits remove what is over, with a tombstone of the row's own time each, and no row that was written again; with
 * two rows looked at per change the store is gone through in a few commits. */
START_TEST(what_is_over_is_removed_commit_by_commit)
{
    struct lives lives;
    lives_open(&lives, _i);
    for (int i = 0; i < KEYS; i++) {
        put(&lives, i, 100);
    }
    commit(&lives);
    weir_store_advance(lives.store, TTL + 100);
    for (int i = 0; i < KEYS; i += 5) { /* a fifth goes on */
        put(&lives, i, TTL + 100);
    }
    ck_assert_uint_eq(count_rows(&lives), KEYS);
    size_t commits = 0;
    while (lives.tombstone_count < KEYS * 4 / 5) {
        ck_assert_uint_lt(++commits, 40);
        put(&lives, KEYS, TTL + 200);
        commit(&lives);
    }
    ck_assert_uint_gt(commits, 1); /* a bounded part each */
    ck_assert_int_eq(lives.tombstone_ms, 100);
    for (commits = 0; commits < 40; commits++) { /* and nothing else goes */
        put(&lives, KEYS, TTL + 200);
        commit(&lives);
    }
    ck_assert_uint_eq(lives.tombstone_count, KEYS * 4 / 5);
    ck_assert_uint_eq(count_rows(&lives), KEYS / 5 + 1);
    for (int i = 0; i < KEYS; i++) {
        ck_assert_int_eq(has(&lives, i), i % 5 == 0);
    }
    lives_close(&lives);
}
END_TEST

/* Goal: rows that come and go keep the store about as large as what lives, however many have been. */
START_TEST(a_store_stays_as_large_as_what_lives)
{
    struct lives lives;
    size_t most = 0;
    lives_open(&lives, _i);
    for (int i = 0; i < 40 * KEYS; i++) {
        const int64_t now_ms = i * 10; /* TTL / 10 rows live */
        weir_store_advance(lives.store, now_ms);
        put(&lives, i, now_ms);
        if (i % 50 != 49) continue;
        commit(&lives);
        const size_t rows = i % 500 == 499 ? count_rows(&lives) : 0;
        if (rows > most) most = rows;
    }
    ck_assert_uint_lt(most, 10 * TTL / 10);
    ck_assert_uint_eq(lives.appended_count, 40 * KEYS + lives.tombstone_count);
    lives_close(&lives);
}
END_TEST

/* Goal: nothing is over where rows have no time to live, whatever time it is. */
START_TEST(without_a_time_to_live_rows_stay)
{
    struct weir_error error;
    struct lives lives = {.sim = weir_sim_new(&(struct weir_sim_options){.seed = 1})};
    static const struct weir_store_spec spec = {.name = "t", .is_timestamped = true};
    const struct weir_store_spec *const specs[] = {&spec};
    lives.env = weir_sim_node(lives.sim, 0);
    const struct weir_state_options options = {.backend = &weir_backend_model,
                                               .env = lives.env,
                                               .budget = lives.env->budget,
                                               .path = "state",
                                               .specs = specs,
                                               .store_count = 1};
    ck_ok(weir_state_open(&options, &lives.state, NULL, &error), &error);
    lives.store = weir_state_store(lives.state, 0);
    put(&lives, 1, 0);
    weir_store_advance(lives.store, INT64_MAX);
    ck_assert(has(&lives, 1));
    ck_assert(!weir_store_has_ttl(lives.store));
    commit(&lives);
    ck_assert_uint_eq(count_rows(&lives), 1);
    lives_close(&lives);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("state_ttl");
    tcase_add_loop_test(tests, a_row_is_over_when_its_time_has_gone_by, 0, PLACES);
    tcase_add_loop_test(tests, what_is_over_is_removed_commit_by_commit, 0, PLACES);
    tcase_add_loop_test(tests, a_store_stays_as_large_as_what_lives, IN_MODEL, PLACES);
    tcase_add_test(tests, without_a_time_to_live_rows_stay);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("state_ttl", add);
}
