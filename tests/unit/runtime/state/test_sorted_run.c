#include "runtime/state/sorted_run.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/env/sim/sim.h"
#include "tests/support/support.h"

/* A run beside an array that says what is in it. */

enum { KEYS = 60, VALUE_SIZE = 8, KEY_SIZE = 12 };

static struct weir_sim *sim;
static struct weir_env *env;

static void set_up(void)
{
    sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    env = weir_sim_node(sim, 0);
}

static void tear_down(void)
{
    weir_sim_free(sim);
}

/* prefix · segment · number, so that a range of segments can be dead. */
static struct weir_slice key_of(size_t number, uint8_t to[KEY_SIZE])
{
    weir_store_u16(to, (uint16_t)(1 + number % 2));
    weir_store_u64(to + 2, number / 10);
    weir_store_u16(to + 10, (uint16_t)number);
    return weir_slice(to, KEY_SIZE);
}

struct model {
    bool exists[KEYS];
    uint64_t value[KEYS];
};

static size_t count_of(const struct model *model)
{
    size_t count = 0;
    for (size_t i = 0; i < KEYS; i++) {
        count += model->exists[i];
    }
    return count;
}

static void check_equals(const struct weir_shared *run, const struct model *model)
{
    struct weir_error error;
    ck_ok(weir_sorted_run_check(run, &error), &error);
    ck_assert_uint_eq(weir_sorted_run_count(run), count_of(model));
    for (size_t i = 0; i < KEYS; i++) {
        uint8_t bytes[KEY_SIZE];
        const struct weir_slice key = key_of(i, bytes);
        const size_t at = weir_sorted_run_seek(run, key);
        const bool is_in = at < weir_sorted_run_count(run) &&
                           weir_slice_equal(weir_sorted_run_at(run, at).key, key);
        ck_assert(is_in == model->exists[i]);
        if (!is_in) continue;
        const struct weir_slice value = weir_sorted_run_at(run, at).value;
        ck_assert_uint_eq(value.size, model->value[i] % 7 == 0 ? 0 : VALUE_SIZE);
        if (value.size > 0) ck_assert_uint_eq(weir_load_u64(value.data), model->value[i]);
    }
}

/* Writes as they may come: in no order, keys more than once. */
static size_t draw_writes(struct weir_test_random *random, struct model *model,
                          struct weir_backend_write writes[KEYS], uint8_t keys[KEYS][KEY_SIZE],
                          uint8_t values[KEYS][VALUE_SIZE])
{
    const size_t count = weir_test_random_below(random, KEYS);
    for (size_t i = 0; i < count; i++) {
        const size_t number = weir_test_random_below(random, KEYS);
        const uint64_t value = weir_test_random_next(random);
        const bool exists = weir_test_random_below(random, 3) != 0;
        weir_store_u64(values[i], value);
        writes[i] = (struct weir_backend_write){
            .key = key_of(number, keys[i]),
            .value = exists ? weir_slice(values[i], value % 7 == 0 ? 0 : VALUE_SIZE) : weir_null(),
        };
        model->exists[number] = exists;
        model->value[number] = value;
    }
    return count;
}

static void forget_dead(struct model *model, struct weir_sorted_run_dead dead)
{
    for (size_t i = 0; i < KEYS; i++) {
        if (1 + i % 2 == dead.prefix && i / 10 < dead.segment) model->exists[i] = false;
    }
}

/* Goal: merge after merge a run is what an array says that was changed in the same way; the run before stays as
 * it was for whoever holds it. */
START_TEST(merges_equal_a_model)
{
    struct weir_test_random random = {(uint64_t)_i + 1};
    struct weir_error error;
    struct model model = {0};
    struct weir_shared *run = NULL;
    for (int round = 0; round < 200; round++) {
        struct weir_backend_write writes[KEYS];
        uint8_t keys[KEYS][KEY_SIZE], values[KEYS][VALUE_SIZE];
        const struct model before = model;
        const size_t count = draw_writes(&random, &model, writes, keys, values);
        struct weir_sorted_run_dead dead = {0};
        if (weir_test_random_below(&random, 4) == 0) {
            dead.prefix = 1;
            dead.segment = weir_test_random_below(&random, KEYS / 10 + 1);
            forget_dead(&model, dead);
        }
        struct weir_shared *merged = NULL;
        ck_ok(weir_sorted_run_merge(env->budget, run, dead, writes, count, &merged, &error),
              &error);
        check_equals(merged, &model);
        if (run != NULL) check_equals(run, &before);
        weir_shared_unref(run);
        run = merged;
    }
    weir_shared_unref(run);
}
END_TEST

static struct weir_shared *small_run(void)
{
    struct weir_error error;
    struct weir_shared *run = NULL;
    struct weir_backend_write writes[KEYS / 4];
    uint8_t keys[KEYS / 4][KEY_SIZE];
    for (size_t i = 0; i < KEYS / 4; i++) {
        writes[i] = (struct weir_backend_write){key_of(i, keys[i]), weir_text("value")};
    }
    const struct weir_sorted_run_dead none = {0};
    ck_ok(weir_sorted_run_merge(env->budget, NULL, none, writes, KEYS / 4, &run, &error), &error);
    return run;
}

/* Goal: bytes of which one bit has changed, or the end is missing, are no run. */
START_TEST(damaged_bytes_are_refused)
{
    struct weir_error error;
    struct weir_shared *run = small_run();
    for (size_t i = 0; i < run->size; i++) {
        run->data[i] ^= (uint8_t)(1 << i % 8);
        ck_code(weir_sorted_run_check(run, &error), WEIR_CORRUPT);
        ck_told(WEIR_CORRUPT, &error);
        run->data[i] ^= (uint8_t)(1 << i % 8);
    }
    const size_t whole = run->size;
    for (run->size = 0; run->size < whole; run->size++) {
        ck_code(weir_sorted_run_check(run, &error), WEIR_CORRUPT);
    }
    ck_ok(weir_sorted_run_check(run, &error), &error);
    weir_shared_unref(run);
}
END_TEST

/* The checksum is right, and what it covers is not. */
static void sign(struct weir_shared *run)
{
    uint32_t crc = weir_crc32c(0, run->data, 28);
    weir_store_u32(run->data + 28, weir_crc32c(crc, run->data + 32, run->size - 32));
}

/* Goal: sizes, places and order are checked also where the checksum fits: whoever wrote the bytes may not have
 * been us. */
START_TEST(unsound_rows_are_refused_under_a_right_checksum)
{
    struct weir_error error;
    struct weir_shared *run = small_run();
    size_t refused = 0;
    for (size_t i = 8; i < run->size; i++) {
        if (i >= 28 && i < 32) continue; /* the checksum itself */
        const uint8_t before = run->data[i];
        for (int change = 0; change < 2; change++) {
            run->data[i] = change == 0 ? 0xff : (uint8_t)(before + 1);
            sign(run);
            int rc = weir_sorted_run_check(run, &error);
            ck_assert(rc == WEIR_OK || rc == WEIR_CORRUPT);
            refused += rc < 0;
            if (rc == WEIR_OK) { /* bytes of a key or a value: all of it can be read */
                for (size_t at = 0; at < weir_sorted_run_count(run); at++) {
                    const struct weir_slice key = weir_sorted_run_at(run, at).key;
                    ck_assert_uint_eq(weir_sorted_run_seek(run, key), at);
                }
            }
        }
        run->data[i] = before;
    }
    ck_assert_uint_gt(refused, 0);
    weir_shared_unref(run);
}
END_TEST

/* Goal: whichever allocation of a merge fails, it says so and the run is as it was. */
START_TEST(merge_without_memory_changes_nothing)
{
    struct weir_error error;
    struct weir_shared *run = small_run();
    const struct weir_backend_write write = {weir_text("a key of another kind"), weir_text("x")};
    const struct weir_sorted_run_dead none = {0};
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        struct weir_shared *merged = NULL;
        weir_test_failures_arm(&failures, env->heap);
        int rc = weir_sorted_run_merge(env->budget, run, none, &write, 1, &merged, &error);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert_int_eq(rc, was_hit ? WEIR_NO_MEMORY : WEIR_OK);
        ck_assert((merged == NULL) == was_hit);
        ck_assert_uint_eq(weir_sorted_run_count(run), KEYS / 4);
        weir_shared_unref(merged);
    }
    weir_shared_unref(run);
}
END_TEST

static void add(Suite *suite)
{
    TCase *runs = tcase_create("runs");
    tcase_add_checked_fixture(runs, set_up, tear_down);
    tcase_add_loop_test(runs, merges_equal_a_model, 0, 5);
    tcase_add_test(runs, damaged_bytes_are_refused);
    tcase_add_test(runs, unsound_rows_are_refused_under_a_right_checksum);
    tcase_add_test(runs, merge_without_memory_changes_nothing);
    suite_add_tcase(suite, runs);
}

int main(void)
{
    return weir_test_main("sorted run", add);
}
