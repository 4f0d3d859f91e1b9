#include <string.h>

#include "base/env/sim/sim.h"
#include "runtime/state/sim/backend_model.h"
#include "runtime/state/state_internal.h"
#include "tests/support/support.h"

/* When the backend is written, what with, and how often: every write of it is seen on its way. */

enum { WRITES_MAX = 64 };

struct ledger {
    struct weir_sim *sim;
    struct weir_env *env;
    struct weir_actor *actor; /* NULL: write-downs are done in place */
    struct weir_state_options options;
    struct weir_state *state;
    struct weir_backend_ops ops; /* the backend's, with `write` seen */
    const struct weir_backend_ops *sound;
    int64_t offset; /* of the changelog */
    bool refuses;
    /* Of each write of the backend: how many rows, and the position in it. */
    size_t write_count;
    size_t row_counts[WRITES_MAX];
    int64_t offsets[WRITES_MAX];
};

/* The ops have no place for a context, and one test has one state. */
static struct ledger *watched;

static const struct weir_store_spec plain = {.name = "plain", .is_logged = true};
static const struct weir_store_spec *const specs[] = {&plain};

static int see_write(void *impl, const struct weir_backend_write *writes, size_t count,
                     struct weir_error *error)
{
    struct ledger *ledger = watched;
    ck_assert_uint_lt(ledger->write_count, WRITES_MAX);
    size_t rows = 0;
    int64_t offset = -1;
    for (size_t i = 0; i < count; i++) {
        if (i > 0) ck_assert_int_lt(weir_slice_compare(writes[i - 1].key, writes[i].key), 0);
        struct weir_position_record record;
        if (writes[i].key.data[0] != 0 || writes[i].key.data[1] != 0) {
            rows++;
        } else {
            ck_ok(weir_position_record_parse(writes[i].key, writes[i].value, &record, error),
                  error);
            offset = record.position.offset;
        }
    }
    ledger->row_counts[ledger->write_count] = rows;
    ledger->offsets[ledger->write_count++] = offset;
    return ledger->sound->write(impl, writes, count, error);
}

static void enter(struct ledger *ledger)
{
    struct weir_error error;
    ck_ok(weir_state_open(&ledger->options, &ledger->state, NULL, &error), &error);
    ledger->sound = ledger->state->backend.ops;
    ledger->ops = *ledger->sound;
    ledger->ops.write = see_write;
    ledger->state->backend.ops = &ledger->ops;
    watched = ledger;
}

static int rest(void *impl)
{
    (void)impl;
    return 0;
}

/* Bounds that are not met by themselves; a test lowers one. */
static void ledger_init(struct ledger *ledger, bool has_worker)
{
    struct weir_error error;
    *ledger = (struct ledger){.sim = weir_sim_new(&(struct weir_sim_options){.seed = 3})};
    ledger->env = weir_sim_node(ledger->sim, 0);
    if (has_worker) {
        const struct weir_actor_options options = {.name = "stream thread", .run_once = rest};
        ck_ok(weir_actor_start(ledger->env, &options, &ledger->actor, &error), &error);
    }
    ledger->options = (struct weir_state_options){.backend = &weir_backend_model,
                                                  .env = ledger->env,
                                                  .budget = ledger->env->budget,
                                                  .path = "state",
                                                  .specs = specs,
                                                  .store_count = 1,
                                                  .cache_bytes_max = 1 << 20,
                                                  .reply_to = ledger->actor};
}

static void leave(struct ledger *ledger)
{
    struct weir_error error;
    ck_ok(weir_state_close(ledger->state, true, &error), &error);
    ledger->state = NULL;
}

static void ledger_close(struct ledger *ledger)
{
    leave(ledger);
    if (ledger->actor != NULL) weir_actor_stop(ledger->actor);
    weir_sim_free(ledger->sim);
}

static void put(struct ledger *ledger, const char *key, const char *value)
{
    struct weir_error error;
    struct weir_store *store = weir_state_store(ledger->state, 0);
    struct weir_slice slice = weir_text(key);
    struct weir_store_entry *entry;
    ck_ok(weir_store_touch(store, &slice, 1, &entry, &error), &error);
    struct weir_slice bytes = value != NULL ? weir_text(value) : weir_null();
    ck_ok(weir_store_set(store, entry, bytes, 1, &error), &error);
}

static bool has(struct ledger *ledger, const char *key, const char *value)
{
    struct weir_error error;
    struct weir_slice slice = weir_text(key), found;
    ck_ok(weir_store_get_many(weir_state_store(ledger->state, 0), &slice, 1, &found, NULL, &error),
          &error);
    return weir_slice_equal(found, value != NULL ? weir_text(value) : weir_null());
}

static int append(void *context, struct weir_store *store, const struct weir_record *record)
{
    struct ledger *ledger = context;
    (void)store, (void)record;
    if (ledger->refuses) return WEIR_LIMIT;
    ledger->offset++;
    return 0;
}

static void seal(struct ledger *ledger)
{
    struct weir_error error;
    ck_ok(weir_state_seal(ledger->state, append, ledger, &error), &error);
}

static void commit_up_to(struct ledger *ledger, int64_t offset)
{
    struct weir_error error;
    struct weir_changelog_position position = {.offset = offset};
    ck_ok(weir_state_committed(ledger->state, &position, &error), &error);
}

static void commit(struct ledger *ledger)
{
    seal(ledger);
    commit_up_to(ledger, ledger->offset);
}

static int64_t stored_offset(struct ledger *ledger)
{
    return weir_store_position(weir_state_store(ledger->state, 0)).offset;
}

/* Goal: a key that changes in many commits is written once, as it was last, and a clean close leaves
 * nothing to restore. */
START_TEST(key_of_many_commits_is_written_once)
{
    struct ledger ledger;
    ledger_init(&ledger, false);
    enter(&ledger);
    for (int i = 0; i < 100; i++) {
        put(&ledger, "a", i % 2 == 0 ? "short" : "a value that is longer than the one before it");
        put(&ledger, "b", i % 3 == 0 ? NULL : "b");
        commit(&ledger);
    }
    put(&ledger, "a", "last");
    commit(&ledger);
    ck_assert_uint_eq(ledger.write_count, 0);
    leave(&ledger);
    ck_assert_uint_eq(ledger.write_count, 1);
    ck_assert_uint_eq(ledger.row_counts[0], 2);
    ck_assert_int_eq(ledger.offsets[0], 201);

    enter(&ledger);
    ck_assert_int_eq(stored_offset(&ledger), 201);
    ck_assert(has(&ledger, "a", "last"));
    ck_assert(has(&ledger, "b", NULL)); /* round 99 deleted it */
    ledger_close(&ledger);
}
END_TEST

/* Goal: each of the three bounds makes a write-down due at the next commit, and not before. */
START_TEST(write_down_is_due_by_size_by_changelog_and_by_age)
{
    struct ledger ledger;
    ledger_init(&ledger, false);
    if (_i == 0) ledger.options.write_down_bytes = 2000;
    if (_i == 1) ledger.options.write_down_changelog_bytes = 2000;
    if (_i == 2) ledger.options.write_down_interval_ms = 500;
    enter(&ledger);
    size_t commits = 0;
    for (char key[] = "a0"; ledger.write_count == 0 && commits < 500; commits++) {
        if (_i == 0) {
            key[0] = (char)('a' + commits % 26);
            key[1] = (char)('0' + commits / 26);
        }
        put(&ledger, key, "value");
        commit(&ledger);
        weir_sim_advance_ms(ledger.sim, 100);
    }
    ck_assert_uint_gt(commits, 5);
    ck_assert_uint_lt(commits, 60);
    ck_assert_int_eq(ledger.offsets[0], ledger.offset);
    ck_assert_int_eq(stored_offset(&ledger), ledger.offset);
    ck_assert_int_eq(weir_state_sizes(ledger.state).sealed_bytes, 0);
    ledger_close(&ledger);
}
END_TEST

/* Goal: while something sealed is not committed nothing is written, because an overwritten row may be
 * it; the commit of the last one writes all of it, with its own position. */
START_TEST(write_down_waits_until_all_that_is_gathered_is_committed)
{
    struct ledger ledger;
    ledger_init(&ledger, false);
    ledger.options.write_down_bytes = 1;
    enter(&ledger);
    put(&ledger, "a", "1");
    seal(&ledger);
    int64_t first = ledger.offset;
    put(&ledger, "a", "2");
    seal(&ledger);
    commit_up_to(&ledger, first);
    ck_assert_uint_eq(ledger.write_count, 0);
    ck_assert(has(&ledger, "a", "2"));
    commit_up_to(&ledger, ledger.offset);
    ck_assert_uint_eq(ledger.write_count, 1);
    ck_assert_uint_eq(ledger.row_counts[0], 1);
    ck_assert_int_eq(ledger.offsets[0], 2);

    put(&ledger, "a", "3");
    seal(&ledger); /* and never committed: the close leaves it to the changelog */
    leave(&ledger);
    ck_assert_uint_eq(ledger.write_count, 1);
    enter(&ledger);
    ck_assert_int_eq(stored_offset(&ledger), 2);
    ck_assert(has(&ledger, "a", "2"));
    ledger_close(&ledger);
}
END_TEST

/* Goal: what a failed seal has overwritten is not written down by a close, and is by the commit of a
 * seal that succeeds. */
START_TEST(torn_generation_is_not_written)
{
    struct ledger ledger;
    struct weir_error error;
    ledger_init(&ledger, false);
    enter(&ledger);
    put(&ledger, "a", "1");
    commit(&ledger);
    put(&ledger, "a", "2");
    ledger.refuses = true;
    ck_code(weir_state_seal(ledger.state, append, &ledger, &error), WEIR_LIMIT);
    ledger.refuses = false;
    if (_i == 0) {
        leave(&ledger);
        ck_assert_uint_eq(ledger.write_count, 0);
        enter(&ledger);
        ck_assert_int_eq(stored_offset(&ledger), 0);
        ck_assert(has(&ledger, "a", NULL));
    } else {
        commit(&ledger);
        leave(&ledger);
        ck_assert_uint_eq(ledger.write_count, 1);
        enter(&ledger);
        ck_assert_int_eq(stored_offset(&ledger), 2);
        ck_assert(has(&ledger, "a", "2"));
    }
    ledger_close(&ledger);
}
END_TEST

/* Goal: what is sealed while a worker writes gathers apart: neither is lost, each has its position. */
START_TEST(changes_during_a_write_down_gather_for_the_next)
{
    struct ledger ledger;
    ledger_init(&ledger, true);
    ledger.options.write_down_bytes = 1;
    enter(&ledger);
    put(&ledger, "a", "1");
    put(&ledger, "b", "1");
    commit(&ledger);
    ck_assert(weir_state_is_writing(ledger.state));
    put(&ledger, "a", "2");
    commit(&ledger);
    put(&ledger, "a", "3");
    commit(&ledger);
    while (weir_state_is_writing(ledger.state)) {
        ck_assert(weir_sim_step(ledger.sim));
    }
    ck_assert_uint_eq(ledger.write_count, 2); /* the second followed by itself */
    ck_assert_uint_eq(ledger.row_counts[0], 2);
    ck_assert_int_eq(ledger.offsets[0], 2);
    ck_assert_uint_eq(ledger.row_counts[1], 1);
    ck_assert_int_eq(ledger.offsets[1], 4);
    ck_assert_int_eq(stored_offset(&ledger), 4);
    ck_assert(has(&ledger, "a", "3"));
    ck_assert(has(&ledger, "b", "1"));
    ledger_close(&ledger);
}
END_TEST

static void put_numbers(struct ledger *ledger, size_t from, size_t count, size_t value_size)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
    for (size_t i = from; i < from + count; i++) {
        char key[8] = {'k', (char)('0' + i / 100 % 10), (char)('0' + i / 10 % 10),
                       (char)('0' + i % 10)};
        put(ledger, key, letters + sizeof letters - 1 - value_size % (sizeof letters - 1));
    }
}

/* Goal: what gathers never takes more than write_down_bytes and one interval, however often its rows
 * change and whatever the sizes of their values. */
START_TEST(gathered_bytes_stay_within_the_bound)
{
    enum { BOUND = 30000, INTERVAL = 50, ROW_MAX = 400 };
    struct ledger ledger;
    ledger_init(&ledger, true);
    ledger.options.write_down_bytes = BOUND;
    enter(&ledger);
    int64_t largest = 0;
    for (size_t round = 0; round < 300; round++) {
        put_numbers(&ledger, round * 37 % 400, INTERVAL, round * 13);
        seal(&ledger);
        int64_t bytes = weir_state_sizes(ledger.state).sealed_bytes;
        largest = bytes > largest ? bytes : largest;
        ck_assert_int_le(bytes, BOUND + INTERVAL * ROW_MAX);
        commit_up_to(&ledger, ledger.offset);
        while (weir_state_is_writing(ledger.state)) {
            ck_assert(weir_sim_step(ledger.sim));
        }
        if (ledger.write_count > WRITES_MAX / 2) ledger.write_count = 0;
    }
    ck_assert_int_gt(largest, BOUND / 2);
    ck_assert_int_gt(stored_offset(&ledger), 0);
    ledger_close(&ledger);
}
END_TEST

static void add(Suite *suite)
{
    TCase *merge = tcase_create("merge");
    tcase_add_test(merge, key_of_many_commits_is_written_once);
    tcase_add_loop_test(merge, write_down_is_due_by_size_by_changelog_and_by_age, 0, 3);
    tcase_add_test(merge, write_down_waits_until_all_that_is_gathered_is_committed);
    tcase_add_loop_test(merge, torn_generation_is_not_written, 0, 2);
    tcase_add_test(merge, changes_during_a_write_down_gather_for_the_next);
    tcase_add_test(merge, gathered_bytes_stay_within_the_bound);
    suite_add_tcase(suite, merge);
}

int main(void)
{
    return weir_test_main("state write-down", add);
}
