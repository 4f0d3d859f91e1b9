#include <stdio.h>
#include <string.h>

#include "base/env/sim/sim.h"
#include "runtime/state/key_schema.h"
#include "runtime/state/sim/backend_model.h"
#include "runtime/state/state.h"
#include "tests/support/support.h"

/* Versioned stores: what a key was as of a time, wherever its rows lie. The model is a list of all that was put. */

enum { HISTORY = 10 * 60 * 1000, KEYS = 3, PUTS_MAX = 600, ROUNDS = 40, VALUE_SIZE = 16 };

struct version {
    int key;
    int64_t time_ms;
    bool is_deletion;
    char value[VALUE_SIZE];
};

struct stage {
    struct weir_sim *sim;
    struct weir_env *env;
    struct weir_test_random random;
    bool is_resident;
    int64_t history_ms;
    struct weir_state *state;
    struct weir_store *store;
    struct version puts[PUTS_MAX]; /* that were taken */
    size_t count;
    size_t committed_count;
    int64_t now_ms;
    int64_t offset;
    struct version log[PUTS_MAX]; /* the changelog */
    size_t log_count;
};

/* Each of these is a beginning of the next: their rows lie among one another in order of bytes. */
static const char *const names[KEYS] = {"a", "aa", "aab"};

static void stage_open(struct stage *stage)
{
    const struct weir_store_spec spec = {
        .name = "v",
        .kind = stage->is_resident ? WEIR_STORE_MEMORY : WEIR_STORE_ROCKSDB,
        .is_logged = true,
        .is_timestamped = true,
        .schema = &weir_key_schema_versioned,
        .retention_ms = stage->history_ms + 1,
    };
    static struct weir_store_spec kept;
    static const struct weir_store_spec *const specs[1] = {&kept};
    struct weir_error error;
    kept = spec;
    const struct weir_state_options options = {.backend = &weir_backend_model,
                                               .env = stage->env,
                                               .budget = stage->env->budget,
                                               .path = "state",
                                               .specs = specs,
                                               .store_count = 1,
                                               .cache_bytes_max =
                                                   3000, /* some rows have to leave */
                                               .write_down_bytes = 1};
    ck_ok(weir_state_open(&options, &stage->state, NULL, &error), &error);
    stage->store = weir_state_store(stage->state, 0);
}

static void stage_begin(struct stage *stage, uint64_t seed, bool is_resident, int64_t history_ms)
{
    memset(stage, 0, sizeof *stage);
    stage->random = (struct weir_test_random){seed};
    stage->is_resident = is_resident;
    stage->history_ms = history_ms;
    stage->sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    stage->env = weir_sim_node(stage->sim, 0);
    stage_open(stage);
}

static void stage_end(struct stage *stage)
{
    struct weir_error error;
    ck_ok(weir_state_close(stage->state, true, &error), &error);
    weir_sim_free(stage->sim);
}

static struct version version_of(int key, struct weir_slice value, int64_t time_ms)
{
    struct version version = {key, time_ms, weir_slice_is_null(value), {0}};
    ck_assert_uint_lt(value.size, sizeof version.value);
    if (value.size > 0) memcpy(version.value, value.data, value.size);
    return version;
}

static struct weir_slice value_of(const struct version *version)
{
    return version->is_deletion ? weir_null() : weir_text(version->value);
}

/* The plain key, the plain value, and the version's time. */
static int append(void *context, struct weir_store *store, const struct weir_record *record)
{
    struct stage *stage = context;
    (void)store;
    ck_assert_uint_lt(stage->log_count, PUTS_MAX);
    for (int key = 0; key < KEYS; key++) {
        if (!weir_slice_equal(record->key, weir_text(names[key]))) continue;
        stage->log[stage->log_count++] = version_of(key, record->value, record->timestamp_ms);
        return 0;
    }
    ck_abort_msg("a key that is none");
    return 0;
}

static void stage_commit(struct stage *stage)
{
    struct weir_error error;
    ck_ok(weir_state_seal(stage->state, append, stage, &error), &error);
    ck_assert_uint_eq(stage->log_count, stage->count); /* each put once */
    stage->offset = (int64_t)stage->log_count;
    const struct weir_changelog_position position = {.offset = stage->offset};
    ck_ok(weir_state_committed(stage->state, &position, &error), &error);
}

/* In order, with what is missing of the changelog, by pieces; a crash leaves less than was committed. */
static void stage_reopen(struct stage *stage, bool is_clean)
{
    struct weir_error error;
    ck_ok(weir_state_close(stage->state, is_clean, &error), &error);
    stage_open(stage);
    size_t from = (size_t)weir_store_position(stage->store).offset;
    while (from < stage->log_count) {
        enum { PIECE = 7 };
        struct weir_record records[PIECE];
        size_t count = 0;
        for (; count < PIECE && from < stage->log_count; count++, from++) {
            const struct version *version = &stage->log[from];
            records[count] = (struct weir_record){.key = weir_text(names[version->key]),
                                                  .value = value_of(version),
                                                  .timestamp_ms = version->time_ms};
        }
        const struct weir_changelog_position position = {.offset = (int64_t)from};
        ck_ok(weir_store_restore(stage->store, records, count, position, &error), &error);
    }
    weir_store_advance(stage->store, stage->now_ms);
}

/* ---- by looking at all that was put ---------------------------------------------------------- */

/* The last that was put of the latest time up to `as_of_ms`; NULL: none. */
static const struct version *as_of(const struct stage *stage, int key, int64_t as_of_ms)
{
    const struct version *found = NULL;
    for (size_t i = 0; i < stage->count; i++) {
        const struct version *put = &stage->puts[i];
        if (put->key != key || put->time_ms > as_of_ms) continue;
        if (found == NULL || put->time_ms >= found->time_ms) found = put;
    }
    return found;
}

/* When the next version behind a time begins; a deletion is one. */
static int64_t next_behind(const struct stage *stage, int key, int64_t time_ms)
{
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < stage->count; i++) {
        const struct version *put = &stage->puts[i];
        if (put->key == key && put->time_ms > time_ms && put->time_ms < next_ms) {
            next_ms = put->time_ms;
        }
    }
    return next_ms;
}

static void stage_put(struct stage *stage, int key, const char *value, int64_t time_ms)
{
    struct weir_error error;
    int64_t to_ms = 0;
    if (time_ms > stage->now_ms) stage->now_ms = time_ms;
    weir_store_advance(stage->store, stage->now_ms);
    const struct weir_slice slice = value != NULL ? weir_text(value) : weir_null();
    ck_ok(
        weir_store_put_version(stage->store, weir_text(names[key]), slice, time_ms, &to_ms, &error),
        &error);
    const bool is_over = time_ms < stage->now_ms - stage->history_ms;
    ck_assert_int_eq(to_ms, is_over ? WEIR_VERSION_IS_OVER : next_behind(stage, key, time_ms));
    if (is_over) return;
    ck_assert_uint_lt(stage->count, PUTS_MAX);
    stage->puts[stage->count++] = version_of(key, slice, time_ms);
}

static void stage_check(struct stage *stage, int key, int64_t as_of_ms)
{
    struct weir_error error;
    struct weir_version got;
    const struct version *wanted = as_of(stage, key, as_of_ms);
    /* Behind the history there is only what still is. */
    const bool is_over = as_of_ms < stage->now_ms - stage->history_ms;
    if (wanted != NULL && is_over && wanted != as_of(stage, key, INT64_MAX)) wanted = NULL;
    ck_ok(weir_store_get_version(stage->store, weir_text(names[key]), as_of_ms, &got, &error),
          &error);
    if (wanted == NULL || wanted->is_deletion) {
        ck_assert(weir_slice_is_null(got.value));
        return;
    }
    ck_assert(!weir_slice_is_null(got.value));
    ck_assert(weir_slice_equal(got.value, value_of(wanted)));
    ck_assert_int_eq(got.from_ms, wanted->time_ms);
    ck_assert_int_eq(got.to_ms, next_behind(stage, key, wanted->time_ms));
}

/* ---- claims ---------------------------------------------------------------------------------- */

static void put_some(struct stage *stage)
{
    for (int i = 0; i < 9; i++) {
        char value[VALUE_SIZE];
        const uint64_t kind = weir_test_random_below(&stage->random, 6);
        const int64_t back_ms =
            kind < 3 ? 0 : (int64_t)weir_test_random_below(&stage->random, 12) * 60 * 1000;
        const int64_t ahead_ms = (int64_t)weir_test_random_below(&stage->random, 3) * 5000;
        (void)snprintf(value, sizeof value, "v%zu", stage->count);
        if (weir_test_random_below(&stage->random, 10) == 0) value[0] = '\0'; /* no deletion */
        stage_put(stage, (int)weir_test_random_below(&stage->random, KEYS),
                  weir_test_random_below(&stage->random, 4) == 0 ? NULL : value,
                  (stage->now_ms - back_ms) / 1000 * 1000 + ahead_ms);
    }
}

/* Goal: reads as of any time, and what a put tells, equal a look at all that was put, with rows in the table, in
 * the backend and in both, after restarts and crashes, while old versions go. */
START_TEST(a_read_as_of_a_time_gives_what_was_put_by_then)
{
    static struct stage stage;
    stage_begin(&stage, (uint64_t)_i + 1, _i % 2 == 1, HISTORY);
    stage.now_ms = 1000 * 1000;
    for (int round = 0; round < ROUNDS; round++) {
        stage.now_ms += (int64_t)weir_test_random_below(&stage.random, 100) * 1000;
        put_some(&stage);
        if (weir_test_random_below(&stage.random, 2) == 0) stage_commit(&stage);
        if (weir_test_random_below(&stage.random, 5) == 0) {
            stage_commit(&stage);
            stage_reopen(&stage, weir_test_random_below(&stage.random, 2) == 0);
        }
        for (int i = 0; i < 30; i++) {
            const int key = (int)weir_test_random_below(&stage.random, KEYS);
            const int64_t back_s = (int64_t)weir_test_random_below(&stage.random, 800);
            stage_check(&stage, key, stage.now_ms - back_s * 1000);
            stage_check(&stage, key, INT64_MAX);
        }
    }
    stage_end(&stage);
}
END_TEST

/* What is latest is never over, and nothing of it is lost when its segment would be. */
START_TEST(the_latest_version_never_expires)
{
    static struct stage stage;
    stage_begin(&stage, 1, _i == 1, HISTORY);
    stage_put(&stage, 0, "old", 5);
    stage_commit(&stage);
    stage_put(&stage, 1, "new", INT64_C(1000) * HISTORY);
    stage_commit(&stage);
    stage_check(&stage, 0, INT64_MAX);
    stage_reopen(&stage, true);
    stage_check(&stage, 0, INT64_MAX);
    stage_check(&stage, 0, 5);
    stage_check(&stage, 0, 4);
    stage_put(&stage, 0, "newer", stage.now_ms + 1);
    stage_check(&stage, 0, stage.now_ms - 1);
    stage_end(&stage);
}
END_TEST

/* Both ends of time, and no history at all. */
START_TEST(times_at_both_ends_are_times)
{
    static struct stage stage;
    struct weir_error error;
    struct weir_version got;
    stage_begin(&stage, 1, _i % 2 == 1, _i < 2 ? 0 : HISTORY);
    stage_put(&stage, 0, "first", 0);
    stage_check(&stage, 0, 0);
    stage_put(&stage, 0, "second", 0);
    stage_check(&stage, 0, 0);
    weir_store_advance(stage.store, INT64_MAX - 1);
    int64_t to_ms;
    ck_ok(weir_store_put_version(stage.store, weir_text("a"), weir_text("last"), INT64_MAX, &to_ms,
                                 &error),
          &error);
    ck_assert_int_eq(to_ms, INT64_MAX);
    ck_ok(weir_store_get_version(stage.store, weir_text("a"), INT64_MAX, &got, &error), &error);
    ck_assert(weir_slice_equal(got.value, weir_text("last")));
    ck_ok(weir_store_get_version(stage.store, weir_text("a"), -1, &got, &error), &error);
    ck_assert(weir_slice_is_null(got.value));
    ck_assert_int_eq(
        weir_store_put_version(stage.store, weir_text("a"), weir_text("x"), -1, &to_ms, &error),
        WEIR_INVALID_TIMESTAMP);
    stage_end(&stage);
}
END_TEST

/* The changelog has what was put, in order; what lay behind the history is not in it. */
START_TEST(the_changelog_is_what_was_put)
{
    static struct stage stage;
    stage_begin(&stage, 1, _i == 1, 20);
    stage_put(&stage, 0, "x", 100);
    stage_put(&stage, 0, "z", 120);
    stage_put(&stage, 0, "y", 110);
    stage_put(&stage, 0, NULL, 115);
    stage_put(&stage, 0, "over", 99);
    stage_put(&stage, 0, "y2", 110);
    stage_commit(&stage);
    static const char *const values[] = {"x", "z", "y", NULL, "y2"};
    static const int64_t times[] = {100, 120, 110, 115, 110};
    ck_assert_uint_eq(stage.log_count, 5);
    for (size_t i = 0; i < stage.log_count; i++) {
        ck_assert_int_eq(stage.log[i].time_ms, times[i]);
        ck_assert_int_eq(stage.log[i].is_deletion, values[i] == NULL);
        if (values[i] != NULL) ck_assert_str_eq(stage.log[i].value, values[i]);
    }
    stage_end(&stage);
}
END_TEST

/* A key larger than any of our own making. */
START_TEST(keys_may_be_long)
{
    static struct stage stage;
    static uint8_t bytes[1 << 20];
    const struct weir_slice key = weir_slice(bytes, sizeof bytes);
    struct weir_error error;
    struct weir_version got;
    int64_t to_ms;
    stage_begin(&stage, 1, _i == 1, HISTORY);
    memset(bytes, 7, sizeof bytes);
    for (int64_t time_ms = 10; time_ms <= 30; time_ms += 10) {
        const char value[] = {(char)('a' + time_ms / 10), '\0'};
        ck_ok(weir_store_put_version(stage.store, key, weir_text(value), time_ms, &to_ms, &error),
              &error);
    }
    ck_ok(weir_store_get_version(stage.store, key, 25, &got, &error), &error);
    ck_assert(weir_slice_equal(got.value, weir_text("c")));
    ck_assert_int_eq(got.from_ms, 20);
    ck_assert_int_eq(got.to_ms, 30);
    stage_end(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("versions");
    tcase_add_loop_test(tests, a_read_as_of_a_time_gives_what_was_put_by_then, 0, 40);
    tcase_add_loop_test(tests, the_latest_version_never_expires, 0, 2);
    tcase_add_loop_test(tests, times_at_both_ends_are_times, 0, 4);
    tcase_add_loop_test(tests, the_changelog_is_what_was_put, 0, 2);
    tcase_add_loop_test(tests, keys_may_be_long, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("versions", add);
}
