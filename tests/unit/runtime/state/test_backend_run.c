#include "runtime/state/backend_run.h"

#include <string.h>

#include "base/bytes.h"
#include "base/env/sim/sim.h"
#include "base/error.h"
#include "runtime/state/folder.h"
#include "runtime/state/sim/backend_model.h"
#include "tests/support/support.h"

/*
 * One life of a backend, in batches that are known by their numbers: it is small, outgrows the bound, shrinks,
 * is closed and opened again, and comes back. Batch n sets some keys to values that are known from n, deletes
 * others, and says under one key of its own which it is. So what is read tells which batches are in it, and is
 * compared with what these would give.
 */
enum { KEYS = 24, BATCHES = 26, GROWN_AT = 8, SHRINKING_AT = 16, BOUND = 3000 };

static const char folder[] = "state/0_0";
static const char path[] = "state/0_0/db";

/* The model, and how often it was opened. */
static int opened_count;

static int open_counted(const struct weir_backend_options *options,
                        struct weir_backend *backend_out, struct weir_error *error)
{
    opened_count++;
    return weir_backend_model.open(options, backend_out, error);
}

static int exists(struct weir_env *env, const char *name, struct weir_error *error)
{
    return weir_backend_model.exists(env, name, error);
}

static int wipe(struct weir_env *env, const char *name, struct weir_error *error)
{
    return weir_backend_model.wipe(env, name, error);
}

static const struct weir_backend_kind counted = {
    .name = "counted",
    .open = open_counted,
    .exists = exists,
    .wipe = wipe,
};

struct life {
    struct weir_sim *sim;
    struct weir_env *env;
    struct weir_budget budget;
    struct weir_backend backend; /* ops NULL: not open */
    size_t rows_bytes_max;
    uint64_t tried_count;   /* batches that were given to write */
    uint64_t written_count; /* that it took */
    uint64_t durable_count; /* that were in it at a flush which was waited for */
};

/* ---- what a batch does --------------------------------------------------------------------------- */

enum { VALUE_MAX = 400 };

static struct weir_slice key_of(size_t number, uint8_t to[4])
{
    weir_store_u16(to, 1);
    weir_store_u16(to + 2, (uint16_t)number);
    return weir_slice(to, 4);
}

/* Of key `key` after `count` batches; 0: it is not there. */
static size_t size_after(uint64_t count, size_t key, uint64_t *batch_out)
{
    for (uint64_t batch = count; batch > 0; batch--) {
        if ((batch * 7 + key) % 3 == 0) continue; /* it leaves this key alone */
        *batch_out = batch;
        if (batch >= SHRINKING_AT) return key < 3 ? 9 : 0;
        if ((batch + key) % 5 == 0) return 0;
        return batch < GROWN_AT ? 20 : VALUE_MAX;
    }
    return 0;
}

static struct weir_slice value_after(uint64_t count, size_t key, uint8_t to[VALUE_MAX])
{
    uint64_t batch = 0;
    const size_t size = size_after(count, key, &batch);
    if (size == 0) return weir_null();
    memset(to, (int)(batch + key), size);
    weir_store_u64(to, batch);
    return weir_slice(to, size);
}

static int write_batch(struct life *life, struct weir_error *error)
{
    struct weir_backend_write writes[KEYS + 1];
    static uint8_t keys[KEYS][4], values[KEYS][VALUE_MAX], number[8];
    const uint64_t batch = ++life->tried_count;
    size_t count = 0;
    for (size_t key = KEYS; key-- > 0;) { /* not in order */
        if ((batch * 7 + key) % 3 == 0) continue;
        writes[count++] = (struct weir_backend_write){key_of(key, keys[key]),
                                                      value_after(batch, key, values[key])};
    }
    weir_store_u64(number, batch);
    writes[count++] = (struct weir_backend_write){weir_text("batch"), weir_slice(number, 8)};
    int rc = life->backend.ops->write(life->backend.impl, writes, count, error);
    if (rc >= 0) life->written_count = batch;
    return rc;
}

/* ---- what is there ------------------------------------------------------------------------------- */

static int note_number(void *context, size_t index, struct weir_slice value)
{
    ck_assert_uint_eq(index, 0);
    *(uint64_t *)context = weir_load_u64(value.data);
    return 0;
}

struct found {
    uint64_t count;
    bool met[KEYS];
};

static int check_found(void *context, size_t index, struct weir_slice value)
{
    struct found *found = context;
    uint8_t bytes[VALUE_MAX];
    ck_assert(weir_slice_equal(value, value_after(found->count, index, bytes)));
    found->met[index] = true;
    return 0;
}

static void check_met(const struct found *found)
{
    for (size_t key = 0; key < KEYS; key++) {
        uint64_t batch = 0;
        ck_assert(found->met[key] == (size_after(found->count, key, &batch) > 0));
    }
}

static void check_get(struct life *life, uint64_t count)
{
    struct weir_error error;
    struct found found = {.count = count};
    struct weir_slice keys[KEYS];
    uint8_t bytes[KEYS][4];
    for (size_t key = 0; key < KEYS; key++) {
        keys[key] = key_of(key, bytes[key]);
    }
    ck_ok(life->backend.ops->get_many(life->backend.impl, keys, KEYS, check_found, &found, &error),
          &error);
    check_met(&found);
}

/* From where the iterator is on, which `rc` says, it gives what is there after so many batches. */
static void check_rest(struct life *life, struct weir_backend_iterator *iterator, int rc,
                       uint64_t count)
{
    struct weir_error error = {0};
    struct found found = {.count = count};
    for (; rc == WEIR_OK; rc = life->backend.ops->iterator_next(iterator, &error)) {
        if (iterator->key.size != 4) continue; /* "batch" */
        (void)check_found(&found, weir_load_u16(iterator->key.data + 2), iterator->value);
    }
    ck_assert_int_eq(rc, WEIR_END);
    check_met(&found);
}

static void check_iterator(struct life *life, uint64_t count)
{
    struct weir_error error;
    struct weir_backend_iterator iterator;
    const struct weir_backend_ops *ops = life->backend.ops;
    ck_ok(ops->iterator_open(life->backend.impl, &iterator, &error), &error);
    check_rest(life, &iterator, ops->iterator_seek(&iterator, weir_text(""), &error), count);
    ops->iterator_close(&iterator);
}

/* Which batches are in it: none of later ones, and all of earlier ones. */
static uint64_t batches_in(struct life *life)
{
    struct weir_error error;
    uint64_t count = 0;
    const struct weir_slice key = weir_text("batch");
    ck_ok(life->backend.ops->get_many(life->backend.impl, &key, 1, note_number, &count, &error),
          &error);
    check_get(life, count);
    check_iterator(life, count);
    return count;
}

/* ---- a life -------------------------------------------------------------------------------------- */

static void life_init(struct life *life, uint64_t seed)
{
    *life = (struct life){.rows_bytes_max = BOUND};
    opened_count = 0;
    life->sim = weir_sim_new(&(struct weir_sim_options){.seed = seed});
}

/* A node, new or after a crash. */
static void boot(struct life *life)
{
    struct weir_error error;
    life->env = weir_sim_node(life->sim, 0);
    life->backend = (struct weir_backend){0};
    weir_budget_init(&life->budget, "run", life->env->heap, life->env->budget, 0);
    ck_ok(weir_folder_make(life->env, folder, &error), &error);
    ck_ok(weir_sync_directory(life->env, "state", &error), &error); /* a power cut leaves it */
    ck_ok(weir_sync_directory(life->env, ".", &error), &error);
}

static int open_backend(struct life *life, struct weir_error *error)
{
    const struct weir_run_backend_options run = {
        .database = &counted,
        .folder = folder,
        .rows_bytes_max = life->rows_bytes_max,
    };
    const struct weir_backend_options options = {
        .env = life->env,
        .budget = &life->budget,
        .path = path,
        .store_count = 2,
    };
    return weir_run_backend_open(&run, &options, &life->backend, error);
}

static int close_backend(struct life *life, bool is_clean, struct weir_error *error)
{
    if (life->backend.ops == NULL) return 0;
    int rc = life->backend.ops->close(life->backend.impl, is_clean, error);
    life->backend = (struct weir_backend){0};
    return rc;
}

static int flush(struct life *life, bool wait, struct weir_error *error)
{
    int rc = life->backend.ops->flush(life->backend.impl, wait, error);
    if (rc >= 0 && wait) life->durable_count = life->written_count;
    return rc;
}

static int close_and_open(struct life *life, struct weir_error *error)
{
    int rc = close_backend(life, true, error);
    if (rc >= 0) life->durable_count = life->written_count;
    return rc < 0 ? rc : open_backend(life, error);
}

/* Up to its end, or the first failure. */
static int live(struct life *life, struct weir_error *error)
{
    int rc = open_backend(life, error);
    while (rc >= 0 && life->tried_count < BATCHES) {
        rc = write_batch(life, error);
        if (rc >= 0 && life->tried_count % 3 == 0) rc = flush(life, false, error);
        if (rc >= 0 && life->tried_count % 5 == 0) rc = flush(life, true, error);
        if (rc >= 0 && life->tried_count % 7 == 0) rc = close_and_open(life, error);
    }
    return rc < 0 ? rc : close_and_open(life, error);
}

static bool has_rows_file(struct life *life)
{
    struct weir_file_stat stat;
    struct weir_error error;
    int rc = weir_stat(life->env, "state/0_0/rows", &stat, &error);
    ck_assert(rc >= 0 || rc == WEIR_NOT_FOUND);
    return rc >= 0;
}

static void end(struct life *life)
{
    struct weir_error error;
    ck_ok(close_backend(life, true, &error), &error);
    ck_assert_uint_eq(life->budget.used, 0);
    weir_sim_free(life->sim);
}

/* ---- claims -------------------------------------------------------------------------------------- */

/* Goal: what is small is one file and no database, whatever is done with it, and is all there at the next open. */
START_TEST(few_rows_need_no_database)
{
    struct weir_error error;
    struct life life;
    life_init(&life, 1);
    life.rows_bytes_max = 1 << 20;
    boot(&life);
    ck_ok(live(&life, &error), &error);
    ck_assert_int_eq(opened_count, 0);
    ck_assert(has_rows_file(&life));
    ck_assert_uint_eq(batches_in(&life), BATCHES);
    ck_assert_int_eq(weir_backend_model.exists(life.env, path, &error), 0);
    end(&life);
}
END_TEST

/* Goal: past the bound there is a database and no file, and what was written is there, then and at each open. */
START_TEST(many_rows_go_over_to_a_database)
{
    struct weir_error error;
    struct life life;
    life_init(&life, 1);
    boot(&life);
    ck_ok(open_backend(&life, &error), &error);
    while (life.tried_count < GROWN_AT + 2) {
        ck_ok(write_batch(&life, &error), &error);
        ck_assert_uint_eq(batches_in(&life), life.tried_count);
    }
    ck_assert_int_eq(opened_count, 1);
    ck_assert(!has_rows_file(&life));
    ck_ok(close_and_open(&life, &error), &error);
    ck_assert_int_eq(opened_count, 2);
    ck_assert_uint_eq(batches_in(&life), life.tried_count);
    end(&life);
}
END_TEST

/* Goal: a database of few rows, as every folder of before has, becomes a file at the open. */
START_TEST(a_database_of_few_rows_comes_back)
{
    struct weir_error error;
    struct life life;
    life_init(&life, 1);
    life.rows_bytes_max = 1; /* a database at once */
    boot(&life);
    ck_ok(open_backend(&life, &error), &error);
    for (int i = 0; i < 3; i++) {
        ck_ok(write_batch(&life, &error), &error);
    }
    ck_assert_int_eq(weir_backend_model.exists(life.env, path, &error), 1);
    ck_ok(close_backend(&life, true, &error), &error);

    life.rows_bytes_max = BOUND;
    ck_ok(open_backend(&life, &error), &error);
    ck_assert_uint_eq(batches_in(&life), 3);
    ck_assert(has_rows_file(&life));
    ck_assert_int_eq(weir_backend_model.exists(life.env, path, &error), 0);
    end(&life);
}
END_TEST

/* Goal: an iterator gives what was there when it was opened, whatever is written behind it, also where that
 * is a database by now. */
START_TEST(an_iterator_stands_still)
{
    struct weir_error error;
    struct life life;
    life_init(&life, 1);
    boot(&life);
    ck_ok(open_backend(&life, &error), &error);
    for (int i = 0; i < 3; i++) {
        ck_ok(write_batch(&life, &error), &error);
    }
    struct weir_backend_iterator iterator;
    const struct weir_backend_ops *ops = life.backend.ops;
    ck_ok(ops->iterator_open(life.backend.impl, &iterator, &error), &error);
    int rc = ops->iterator_seek(&iterator, weir_text(""), &error);
    while (life.tried_count < GROWN_AT + 2) {
        ck_ok(write_batch(&life, &error), &error);
        ck_assert_uint_eq(batches_in(&life), life.tried_count);
    }
    ck_assert_int_eq(opened_count, 1);
    check_rest(&life, &iterator, rc, 3);
    ops->iterator_close(&iterator);
    end(&life);
}
END_TEST

/* Goal: dead segments are gone at once while there is no database. */
START_TEST(dead_segments_leave_the_run)
{
    struct weir_error error;
    struct life life;
    uint8_t keys[6][10];
    life_init(&life, 1);
    boot(&life);
    ck_ok(open_backend(&life, &error), &error);
    const struct weir_backend_ops *ops = life.backend.ops;
    for (size_t i = 0; i < 6; i++) {
        weir_store_u16(keys[i], (uint16_t)(1 + i % 2));
        weir_store_u64(keys[i] + 2, i / 2);
        const struct weir_backend_write write = {weir_slice(keys[i], 10), weir_text("row")};
        ck_ok(ops->write(life.backend.impl, &write, 1, &error), &error);
    }
    ck_ok(ops->expire(life.backend.impl, 1, 2, &error), &error);
    ck_ok(ops->expire(life.backend.impl, 2, 0, &error), &error); /* takes nothing */
    struct weir_backend_iterator iterator;
    size_t count = 0;
    ck_ok(ops->iterator_open(life.backend.impl, &iterator, &error), &error);
    int rc = ops->iterator_seek(&iterator, weir_text(""), &error);
    for (; rc == WEIR_OK; rc = ops->iterator_next(&iterator, &error)) {
        ck_assert(weir_load_u16(iterator.key.data) == 2 ||
                  weir_load_u64(iterator.key.data + 2) == 2);
        count++;
    }
    ops->iterator_close(&iterator);
    ck_assert_uint_eq(count, 4);
    end(&life);
}
END_TEST

static const enum weir_sim_fault endings[] = {WEIR_SIM_FAULT_CRASH, WEIR_SIM_FAULT_CRASH_AFTER,
                                              WEIR_SIM_FAULT_TORN};

/* Goal: a crash at any step of the disk leaves the first so many batches, and at least those that were flushed;
 * the life after it ends as if nothing had been. */
START_TEST(a_crash_at_every_disk_step_leaves_a_prefix)
{
    const enum weir_sim_fault fault = endings[_i % 3];
    const enum weir_sim_crash_kind kind = _i < 3 ? WEIR_SIM_KILL : WEIR_SIM_POWER;
    uint64_t at = 1;
    for (;; at++) {
        struct weir_error error;
        struct life life;
        life_init(&life, at);
        boot(&life);
        weir_sim_disk_count_reset(life.sim, 0);
        weir_sim_disk_plan(life.sim, 0,
                           (struct weir_sim_fault_plan){
                               .fault = fault, .at = at, .crash = kind, .torn_bytes = at % 50});
        int rc = live(&life, &error);
        const bool has_crashed = weir_sim_has_crashed(life.sim, 0);
        const bool is_over = weir_sim_disk_count(life.sim, 0) < at;
        ck_assert(rc >= 0 || has_crashed);
        if (has_crashed) {
            boot(&life);
            ck_ok(open_backend(&life, &error), &error);
        }
        const uint64_t count = batches_in(&life);
        ck_assert_uint_ge(count, life.durable_count);
        ck_assert_uint_le(count, life.tried_count);
        ck_ok(close_backend(&life, true, &error), &error);

        life.tried_count = life.written_count = count;
        ck_ok(live(&life, &error), &error);
        ck_assert_uint_eq(batches_in(&life), BATCHES);
        end(&life);
        if (is_over) break;
    }
    ck_assert_uint_gt(at, 40);
}
END_TEST

struct refusal {
    enum weir_sim_fault fault;
    bool is_sticky;
};

static const struct refusal refusals[] = {
    {WEIR_SIM_FAULT_EIO, false},       {WEIR_SIM_FAULT_EIO, true},
    {WEIR_SIM_FAULT_ENOSPC, false},    {WEIR_SIM_FAULT_ENOSPC, true},
    {WEIR_SIM_FAULT_SYNC, false},      {WEIR_SIM_FAULT_READ_EIO, false},
    {WEIR_SIM_FAULT_NO_HANDLE, false}, {WEIR_SIM_FAULT_NO_HANDLE, true},
};
enum { REFUSALS = sizeof refusals / sizeof refusals[0] };

/* Goal: whichever operation of the disk fails, for once or from then on, the call says so or goes on without,
 * and what the next open finds is the first so many batches, at least those that were flushed. */
START_TEST(a_failure_at_every_disk_step_leaves_a_prefix)
{
    uint64_t at = 1;
    for (; at < 400; at++) {
        struct weir_error error = {0};
        struct life life;
        life_init(&life, at);
        boot(&life);
        weir_sim_disk_count_reset(life.sim, 0);
        weir_sim_disk_plan(life.sim, 0,
                           (struct weir_sim_fault_plan){.fault = refusals[_i].fault,
                                                        .at = at,
                                                        .is_sticky = refusals[_i].is_sticky});
        int rc = live(&life, &error);
        ck_told(rc, &error);
        if (rc >= 0) ck_assert_uint_eq(life.written_count, BATCHES);
        const bool has_ended = life.backend.ops == NULL;
        (void)close_backend(&life, false, NULL);
        ck_assert_uint_eq(life.budget.used, 0);
        weir_sim_disk_plan(life.sim, 0, (struct weir_sim_fault_plan){0});
        ck_ok(open_backend(&life, &error), &error);
        const uint64_t count = batches_in(&life);
        ck_assert_uint_ge(count, life.durable_count);
        ck_assert_uint_le(count, life.tried_count);
        end(&life);
        (void)has_ended;
    }
}
END_TEST

/* Goal: without descriptors or room a state that should go over stays what it is, and goes over later. */
START_TEST(a_shortage_is_waited_out)
{
    struct weir_error error;
    struct life life;
    life_init(&life, 1);
    boot(&life);
    ck_ok(open_backend(&life, &error), &error);
    weir_sim_disk_plan(life.sim, 0,
                       (struct weir_sim_fault_plan){
                           .fault = WEIR_SIM_FAULT_NO_HANDLE, .at = 1, .is_sticky = true});
    while (life.tried_count < GROWN_AT + 2) {
        ck_ok(write_batch(&life, &error), &error);
        ck_ok(flush(&life, false, &error), &error);
        ck_assert_uint_eq(batches_in(&life), life.tried_count);
    }
    ck_code(flush(&life, true, &error), WEIR_LIMIT); /* that one was to be waited for */
    ck_told(WEIR_LIMIT, &error);
    weir_sim_disk_plan(life.sim, 0, (struct weir_sim_fault_plan){0});
    ck_ok(write_batch(&life, &error), &error);
    ck_ok(flush(&life, true, &error), &error);
    ck_assert(!has_rows_file(&life));
    ck_assert_int_eq(weir_backend_model.exists(life.env, path, &error), 1);
    ck_assert_uint_eq(batches_in(&life), life.tried_count);
    end(&life);
}
END_TEST

/* Goal: whichever allocation fails, the call says so or goes on without, changes nothing then, and succeeds when
 * made again. */
START_TEST(a_call_without_memory_changes_nothing)
{
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        struct weir_error error = {0};
        struct life life;
        life_init(&life, 1);
        boot(&life);
        weir_test_failures_arm(&failures, life.env->heap);
        int rc = live(&life, &error);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert(rc >= 0 || was_hit);
        ck_told(rc, &error);
        if (rc < 0) {
            ck_code(rc, WEIR_NO_MEMORY);
            const uint64_t durable = life.durable_count;
            if (life.backend.ops != NULL) {
                ck_assert_uint_eq(batches_in(&life), life.written_count);
                ck_ok(close_backend(&life, true, &error), &error);
            } else {
                life.written_count = durable;
            }
            ck_assert_uint_eq(life.budget.used, 0);
            life.tried_count = life.written_count;
            ck_ok(live(&life, &error), &error);
        }
        ck_assert_uint_eq(batches_in(&life), BATCHES);
        end(&life);
    }
    ck_assert_uint_gt(failures.hits, 50);
}
END_TEST

/* Goal: a file that is damaged, or none, is told as such by the open; once wiped there is nothing. */
START_TEST(a_damaged_file_is_told)
{
    struct weir_error error;
    struct life life;
    life_init(&life, 1);
    life.rows_bytes_max = 1 << 20;
    boot(&life);
    ck_ok(live(&life, &error), &error);
    ck_ok(close_backend(&life, true, &error), &error);
    for (int64_t position = 0; position < 60; position += 3) {
        ck_ok(weir_sim_disk_flip(life.sim, 0, "state/0_0/rows", position, 3), &error);
        ck_code(open_backend(&life, &error), WEIR_CORRUPT);
        ck_told(WEIR_CORRUPT, &error);
        ck_ok(weir_sim_disk_flip(life.sim, 0, "state/0_0/rows", position, 3), &error);
    }
    ck_ok(weir_run_backend_wipe(&counted, life.env, folder, path, &error), &error);
    ck_ok(weir_sim_disk_put_other(life.sim, 0, "state/0_0/rows"), &error);
    ck_code(open_backend(&life, &error), WEIR_CORRUPT);
    ck_ok(weir_run_backend_wipe(&counted, life.env, folder, path, &error), &error);
    ck_ok(open_backend(&life, &error), &error);
    ck_assert_uint_eq(batches_in(&life), 0);
    end(&life);
}
END_TEST

static void add(Suite *suite)
{
    TCase *rows = tcase_create("rows");
    tcase_add_test(rows, few_rows_need_no_database);
    tcase_add_test(rows, many_rows_go_over_to_a_database);
    tcase_add_test(rows, a_database_of_few_rows_comes_back);
    tcase_add_test(rows, an_iterator_stands_still);
    tcase_add_test(rows, dead_segments_leave_the_run);
    tcase_add_test(rows, a_damaged_file_is_told);
    suite_add_tcase(suite, rows);

    TCase *faults = tcase_create("faults");
    tcase_add_loop_test(faults, a_crash_at_every_disk_step_leaves_a_prefix, 0, 6);
    tcase_add_loop_test(faults, a_failure_at_every_disk_step_leaves_a_prefix, 0, REFUSALS);
    tcase_add_test(faults, a_shortage_is_waited_out);
    tcase_add_test(faults, a_call_without_memory_changes_nothing);
    suite_add_tcase(suite, faults);
}

int main(void)
{
    return weir_test_main("run backend", add);
}
