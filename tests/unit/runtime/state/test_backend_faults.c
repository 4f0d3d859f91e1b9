#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "runtime/state/state_internal.h"
#include "tests/unit/runtime/state/stage.h"

/**
 * A backend that fails, one call after another, and counts what it is told: whoever reads hears of a failure,
 * leaves no iterator open, and finds everything the next time; nothing is said twice.
 */
static struct faulty {
    struct weir_backend inner;
    uint64_t calls;
    uint64_t fail_at; /* 0: none */
    bool fails_to_close;
    int open_iterators;
    int seeks;
    int expire_calls;
    int positions[STAGE_STORES]; /* records of them that were written, by store */
} faulty;

static bool fails(struct weir_error *error)
{
    faulty.calls++;
    if (faulty.calls != faulty.fail_at) return false;
    if (error != NULL) *error = (struct weir_error){.code = WEIR_IO, .text = "planted"};
    return true;
}

static int close_inner(void *impl, bool is_clean, struct weir_error *error)
{
    int rc = faulty.inner.ops->close(impl, is_clean, error);
    return faulty.fails_to_close ? weir_error_set(error, WEIR_IO, "planted") : rc;
}

static int get_many(void *impl, const struct weir_slice *keys, size_t count,
                    weir_backend_found_fn found, void *context, struct weir_error *error)
{
    if (fails(error)) return WEIR_IO;
    return faulty.inner.ops->get_many(impl, keys, count, found, context, error);
}

static int write(void *impl, const struct weir_backend_write *writes, size_t count,
                 struct weir_error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (weir_load_u16(writes[i].key.data) != 0) continue;
        const char *name = (const char *)writes[i].key.data + 2;
        for (size_t store = 0; store < STAGE_STORES; store++) {
            bool is_its = strlen(stage_specs[store]->name) == writes[i].key.size - 2 &&
                          memcmp(stage_specs[store]->name, name, writes[i].key.size - 2) == 0;
            faulty.positions[store] += is_its;
        }
    }
    return faulty.inner.ops->write(impl, writes, count, error);
}

static int expire(void *impl, uint16_t prefix, uint64_t segment, struct weir_error *error)
{
    faulty.expire_calls++;
    return faulty.inner.ops->expire(impl, prefix, segment, error);
}

static int flush(void *impl, bool wait, struct weir_error *error)
{
    return faulty.inner.ops->flush(impl, wait, error);
}

static int64_t size(void *impl)
{
    return faulty.inner.ops->size(impl);
}

static int iterator_open(void *impl, struct weir_backend_iterator *iterator_out,
                         struct weir_error *error)
{
    if (fails(error)) return WEIR_IO;
    int rc = faulty.inner.ops->iterator_open(impl, iterator_out, error);
    faulty.open_iterators += rc == 0;
    return rc;
}

static int iterator_seek(struct weir_backend_iterator *iterator, struct weir_slice from,
                         struct weir_error *error)
{
    faulty.seeks++;
    if (fails(error)) return WEIR_IO;
    return faulty.inner.ops->iterator_seek(iterator, from, error);
}

static int iterator_next(struct weir_backend_iterator *iterator, struct weir_error *error)
{
    if (fails(error)) return WEIR_IO;
    return faulty.inner.ops->iterator_next(iterator, error);
}

static void iterator_close(struct weir_backend_iterator *iterator)
{
    faulty.open_iterators--;
    faulty.inner.ops->iterator_close(iterator);
}

static const struct weir_backend_ops faulty_ops = {
    .name = "faulty",
    .close = close_inner,
    .get_many = get_many,
    .write = write,
    .expire = expire,
    .flush = flush,
    .size = size,
    .iterator_open = iterator_open,
    .iterator_seek = iterator_seek,
    .iterator_next = iterator_next,
    .iterator_close = iterator_close,
};

static int open_faulty(const struct weir_backend_options *options, struct weir_backend *backend_out,
                       struct weir_error *error)
{
    int rc = weir_backend_model.open(options, &faulty.inner, error);
    if (rc < 0) return rc;
    *backend_out = (struct weir_backend){&faulty_ops, faulty.inner.impl};
    return 0;
}

static int wipe_faulty(struct weir_env *env, const char *path, struct weir_error *error)
{
    return weir_backend_model.wipe(env, path, error);
}

static int exists_faulty(struct weir_env *env, const char *path, struct weir_error *error)
{
    return weir_backend_model.exists(env, path, error);
}

static const struct weir_backend_kind kind = {
    .name = "faulty",
    .open = open_faulty,
    .exists = exists_faulty,
    .wipe = wipe_faulty,
};

/* ---- the stage ----------------------------------------------------------------------------------- */

static const size_t below_stores[] = {STAGE_CACHED, STAGE_PLAIN, STAGE_WINDOWED};
static struct weir_sim *sim;
static struct stage stage;

/* Rows in the backend, few of them in the tables. */
static void set_up(void)
{
    struct weir_test_random random = {3};
    faulty = (struct faulty){0};
    sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    stage_init(&stage, &kind, weir_sim_node(sim, 0), "state");
    stage.cache_bytes_max = 1000;
    stage.write_down_bytes = 1;
    stage_open(&stage);
    for (int round = 0; round < 6; round++) {
        for (size_t i = 0; i < STAGE_STORES; i++) {
            stage_batch(&stage, i, &random);
            stage_forward(&stage, i);
        }
        stage_seal(&stage);
        stage_commit(&stage);
    }
}

static void tear_down(void)
{
    struct weir_error error;
    ck_ok(weir_state_close(stage.state, true, &error), &error);
    ck_assert_uint_eq(stage.budget.used, 0);
    stage_close(&stage);
    weir_sim_free(sim);
}

static int count_row(void *context, struct weir_slice key, struct weir_slice value,
                     int64_t timestamp_ms)
{
    (void)key;
    (void)value;
    (void)timestamp_ms;
    ++*(size_t *)context;
    return 0;
}

static int scan(struct weir_store *store, struct weir_error *error)
{
    size_t count = 0;
    return weir_store_scan(store, weir_null(), weir_null(), count_row, &count, error);
}

static int get_all(struct weir_store *store, size_t number, bool touches, struct weir_error *error)
{
    struct weir_slice keys[STAGE_KEYS], values[STAGE_KEYS];
    struct weir_store_entry *entries[STAGE_KEYS];
    uint8_t bytes[STAGE_KEYS][STAGE_KEY_SIZE];
    for (size_t i = 0; i < STAGE_KEYS; i++) {
        keys[i] = stage_key(&stage, number, i, bytes[i]);
    }
    return touches ? weir_store_touch(store, keys, STAGE_KEYS, entries, error)
                   : weir_store_get_many(store, keys, STAGE_KEYS, values, NULL, error);
}

enum { SCAN, GET, TOUCH, ACTS };

static int act(int what, size_t number, struct weir_error *error)
{
    struct weir_store *store = stage_store(&stage, number);
    return what == SCAN ? scan(store, error) : get_all(store, number, what == TOUCH, error);
}

/* Each call of the backend fails once. */
START_TEST(a_failed_read_is_told_and_leaves_nothing)
{
    for (size_t i = 0; i < sizeof below_stores / sizeof below_stores[0]; i++) {
        int hits = 0;
        for (uint64_t at = 1;; at++) {
            struct weir_error error = {0};
            faulty.calls = 0;
            faulty.fail_at = at;
            int rc = act(_i, below_stores[i], &error);
            bool was_hit = faulty.calls >= at;
            faulty.fail_at = 0;
            ck_assert_int_eq(rc, was_hit ? WEIR_IO : 0);
            ck_assert_int_eq(faulty.open_iterators, 0);
            if (was_hit) ck_assert_ptr_nonnull(strstr(error.text, "planted"));
            stage_check_all(&stage);
            if (!was_hit) break;
            hits++;
        }
        ck_assert_int_gt(hits, 0);
        if (_i == SCAN) ck_assert_int_gt(hits, 5);
    }
}
END_TEST

static void commit_a_change_of(size_t number)
{
    struct weir_test_random random = {9};
    memset(faulty.positions, 0, sizeof faulty.positions);
    faulty.expire_calls = 0;
    stage_batch(&stage, number, &random);
    stage_forward(&stage, number);
    stage_seal(&stage);
    stage_commit(&stage);
}

/* A position that has not moved is not written again, nor is the backend told again what has died. */
START_TEST(nothing_is_said_twice)
{
    commit_a_change_of(STAGE_PLAIN);
    ck_assert_int_eq(faulty.positions[STAGE_PLAIN], 1);
    ck_assert_int_eq(faulty.positions[STAGE_CACHED], 0);
    ck_assert_int_eq(faulty.positions[STAGE_WINDOWED], 0);
    ck_assert_int_eq(faulty.expire_calls, 0);

    /* An hour on, all the windows are over. */
    weir_store_advance(stage_store(&stage, STAGE_WINDOWED), 3600 * 1000);
    for (int round = 0; round < 3; round++) {
        commit_a_change_of(STAGE_PLAIN);
        ck_assert_int_eq(faulty.positions[STAGE_PLAIN], 1);
        ck_assert_int_eq(faulty.positions[STAGE_WINDOWED], round == 0);
        ck_assert_int_eq(faulty.expire_calls, round == 0);
    }
}
END_TEST

/* A walk that began anew after each write would pass over all that was deleted before it. */
START_TEST(many_rows_are_deleted_in_one_walk)
{
    enum { ROWS = 5000 };
    struct weir_error error = {0};
    struct weir_store *store = stage_store(&stage, STAGE_PLAIN);
    for (uint32_t i = 0; i < ROWS; i++) {
        uint8_t key[2 + 4];
        weir_store_u16(key, store->prefix);
        weir_store_u32(key + 2, i);
        const struct weir_backend_write row = {weir_slice(key, sizeof key), weir_text("value")};
        ck_ok(write(faulty.inner.impl, &row, 1, &error), &error);
    }
    faulty.seeks = 0;
    ck_ok(weir_store_clear(store, &error), &error);
    ck_assert_int_eq(faulty.seeks, 1);
    ck_assert_int_eq(faulty.open_iterators, 0);
    size_t left = 0;
    ck_ok(weir_store_scan(store, weir_null(), weir_null(), count_row, &left, &error), &error);
    ck_assert_uint_eq(left, 0);
}
END_TEST

/* A close that fails says why, a clean one and another, and leaves nothing all the same. */
START_TEST(a_failed_close_is_told)
{
    for (int is_clean = 0; is_clean < 2; is_clean++) {
        struct weir_error error = {0};
        faulty.fails_to_close = true;
        int rc = weir_state_close(stage.state, is_clean != 0, &error);
        faulty.fails_to_close = false;
        ck_code(rc, WEIR_IO);
        ck_told(rc, &error);
        ck_assert_ptr_nonnull(strstr(error.text, "planted"));
        ck_assert_uint_eq(stage.budget.used, 0);
        stage_open(&stage);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("faults");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_failed_read_is_told_and_leaves_nothing, 0, ACTS);
    tcase_add_test(tests, nothing_is_said_twice);
    tcase_add_test(tests, a_failed_close_is_told);
    tcase_add_test(tests, many_rows_are_deleted_in_one_walk);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("backend faults", add);
}
