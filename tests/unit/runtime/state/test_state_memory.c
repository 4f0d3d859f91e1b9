#include <stdatomic.h>
#include <string.h>

#include "base/bytes.h"
#include "runtime/state/state_internal.h"
#include "tests/unit/runtime/state/stage.h"

/* Memory: what a steady state takes, what a shortage does, what the bounds say. */

static void commit(struct stage *stage)
{
    for (size_t i = 0; i < STAGE_STORES; i++) {
        stage_forward(stage, i);
    }
    stage_seal(stage);
    stage_commit(stage);
}

static void life(struct stage *stage, uint64_t seed)
{
    struct weir_test_random random = {seed};
    stage_open(stage);
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < STAGE_STORES; i++) {
            stage_batch(stage, i, &random);
            stage_get(stage, i, &random);
            stage_scan(stage, i, 3, 40);
        }
        commit(stage);
        if (round != 1) continue;
        stage_end(stage);
        stage_open(stage);
        stage_restore(stage);
    }
    stage_check_all(stage);
    stage_end(stage);
}

/* A database at once, from somewhere on, never. */
static const size_t rows_bounds[] = {1, 4000, 0};

/* Goal: whichever allocation fails, the call says so, changes nothing, and succeeds when made again. */
START_TEST(call_without_memory_changes_nothing)
{
    uint64_t at = 1;
    for (;; at++) {
        struct stage stage;
        struct weir_sim *sim = weir_sim_new(&(struct weir_sim_options){.seed = 5});
        stage_init(&stage, &weir_backend_model, weir_sim_node(sim, 0), "state");
        stage.is_short_of_memory = true;
        stage.cache_bytes_max = at % 2 == 0 ? 1500 : 1 << 20;
        stage.write_down_bytes = at % 3 == 0 ? 0 : 1;
        stage.rows_bytes_max = rows_bounds[at / 6 % 3];
        atomic_store(&stage.env->heap->fail_at, at);
        life(&stage, 11);
        bool has_failed = atomic_load(&stage.env->heap->fail_at) == 0;
        ck_assert_uint_eq(stage.budget.used, 0);
        stage_close(&stage);
        weir_sim_free(sim);
        if (!has_failed) break;
    }
    ck_assert_uint_gt(at, 50);
}
END_TEST

/* Set the value of the one key, once more if memory ran out; it is as it was then. */
static void set_again(struct weir_store *store, struct weir_store_entry *entry, const char *value)
{
    struct weir_error error = {0};
    const uint8_t *before = entry->value;
    const uint8_t *old_before = entry->old_value;
    int rc = weir_store_set(store, entry, weir_text(value), 1, &error);
    if (rc == WEIR_NO_MEMORY) {
        ck_told(rc, &error);
        ck_assert_ptr_eq(entry->value, before);
        ck_assert_ptr_eq(entry->old_value, old_before);
        rc = weir_store_set(store, entry, weir_text(value), 1, &error);
    }
    ck_ok(rc, &error);
}

/* Goal: a change that is made while the one before is being forwarded takes away neither of the values that
 * were given, whichever allocation failed on the way there. */
START_TEST(values_that_were_given_stay_without_memory)
{
    static const struct weir_store_spec spec = {.name = "a",
                                                .kind = WEIR_STORE_MEMORY,
                                                .is_logged = true,
                                                .is_cached = true,
                                                .keeps_old = true};
    static const struct weir_store_spec *const specs[] = {&spec};
    bool has_failed = true;
    for (uint64_t at = 1; has_failed; at++) {
        struct weir_error error;
        struct weir_state *state;
        struct weir_sim *sim = weir_sim_new(&(struct weir_sim_options){.seed = 5});
        struct weir_env *env = weir_sim_node(sim, 0);
        const struct weir_state_options options = {.backend = &weir_backend_model,
                                                   .env = env,
                                                   .budget = env->budget,
                                                   .path = "state",
                                                   .specs = specs,
                                                   .store_count = 1,
                                                   .cache_bytes_max = 1 << 20};
        ck_ok(weir_state_open(&options, &state, NULL, &error), &error);
        struct weir_store *store = weir_state_store(state, 0);
        struct weir_store_entry *entry;
        const struct weir_slice key = weir_text("key");
        ck_ok(weir_store_touch(store, &key, 1, &entry, &error), &error);
        atomic_store(&env->heap->fail_at, at);
        set_again(store, entry, "1");
        size_t walk = 0;
        ck_assert_ptr_eq(weir_store_next_unforwarded(store, &walk), entry);
        weir_store_forwarded(store);
        set_again(store, entry, "2");
        walk = 0;
        ck_assert_ptr_eq(weir_store_next_unforwarded(store, &walk), entry);
        const uint8_t *given[2] = {entry->old_value, entry->value};
        set_again(store, entry, "3");
        ck_assert_int_eq(given[0][0], '1');
        ck_assert_int_eq(given[1][0], '2');
        ck_assert_ptr_eq(entry->old_value, given[1]);
        ck_assert_int_eq(entry->value[0], '3');
        weir_store_forwarded(store);
        has_failed = atomic_load(&env->heap->fail_at) == 0;
        atomic_store(&env->heap->fail_at, 0);
        ck_assert(has_failed || at > 3);
        ck_ok(weir_state_close(state, false, &error), &error);
        weir_sim_free(sim);
    }
}
END_TEST

/* ---- counting ------------------------------------------------------------------------------------ */

enum { COUNT_KEYS = 1000, BATCH = 256 };

static int drop(void *context, struct weir_store *store, const struct weir_record *record)
{
    (void)store, (void)record;
    (*(size_t *)context)++;
    return 0;
}

/* One batch of counts: touch, add one to each; `*next` goes round the keys. */
static void count_batch(struct weir_store *store, uint64_t *next)
{
    struct weir_error error;
    uint8_t bytes[BATCH][8];
    struct weir_slice keys[BATCH];
    struct weir_store_entry *entries[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        weir_store_u64(bytes[i], (*next)++ * 7 % COUNT_KEYS);
        keys[i] = weir_slice(bytes[i], 8);
    }
    ck_ok(weir_store_touch(store, keys, BATCH, entries, &error), &error);
    for (size_t i = 0; i < BATCH; i++) {
        uint8_t count[8] = {0};
        if (entries[i]->value != NULL) memcpy(count, entries[i]->value, 8);
        weir_store_u64(count, weir_load_u64(count) + 1);
        ck_ok(weir_store_set(store, entries[i], weir_slice(count, 8), (int64_t)i, &error), &error);
    }
}

static void count_interval(struct weir_state *state, size_t store_count, uint64_t *next,
                           int64_t offset)
{
    struct weir_error error;
    struct weir_changelog_position positions[2] = {{.offset = offset}, {.offset = offset}};
    size_t appended = 0;
    for (size_t i = 0; i < store_count; i++) {
        struct weir_store *store = weir_state_store(state, i);
        for (int batch = 0; batch < 40; batch++) {
            count_batch(store, next);
        }
        size_t at = 0;
        while (weir_store_next_unforwarded(store, &at) != NULL) {
        }
        weir_store_forwarded(store);
    }
    ck_ok(weir_state_seal(state, drop, &appended, &error), &error);
    ck_assert_uint_eq(appended, store_count * COUNT_KEYS);
    ck_ok(weir_state_committed(state, positions, &error), &error);
}

static const size_t write_down_bytes[] = {1, 0}; /* at every commit, and at none */

/* Goal: counting the same keys for ever allocates nothing, commits and write-downs into a database included. (One
 * into a run allocates the next run.) */
START_TEST(steady_state_allocates_nothing)
{
    struct weir_error error;
    uint64_t next = 0;
    struct weir_sim *sim = weir_sim_new(&(struct weir_sim_options){.seed = 5});
    struct weir_env *env = weir_sim_node(sim, 0);
    const struct weir_store_spec specs[] = {
        {.name = "a",
         .is_logged = true,
         .is_cached = true,
         .keeps_old = true,
         .is_timestamped = true},
        {.name = "b", .kind = WEIR_STORE_MEMORY, .is_logged = true, .keeps_old = true},
    };
    const struct weir_store_spec *const pointers[] = {&specs[0], &specs[1]};
    const struct weir_state_options options = {.backend = &weir_backend_model,
                                               .env = env,
                                               .budget = env->budget,
                                               .path = "state",
                                               .specs = pointers,
                                               .store_count = 2,
                                               .cache_bytes_max = 1 << 20,
                                               .write_down_bytes = write_down_bytes[_i],
                                               .rows_bytes_max = 1};
    struct weir_state *state;
    ck_ok(weir_state_open(&options, &state, NULL, &error), &error);
    for (int64_t i = 0; i < 4; i++) {
        count_interval(state, 2, &next, i + 1);
    }
    uint64_t before = atomic_load(&env->heap->allocation_count);
    for (int64_t i = 4; i < 14; i++) {
        count_interval(state, 2, &next, i + 1);
    }
    ck_assert_uint_eq(atomic_load(&env->heap->allocation_count), before);
    ck_ok(weir_state_close(state, true, &error), &error);
    weir_sim_free(sim);
}
END_TEST

/* ---- bounds -------------------------------------------------------------------------------------- */

struct bounded {
    struct weir_sim *sim;
    struct weir_env *env;
    struct weir_actor *actor;
    struct weir_state *state;
    struct weir_store_spec spec;
    const struct weir_store_spec *specs[1];
    size_t written_count;
    size_t used_before; /* of memory, by all that is not the state */
};

static int rest(void *impl)
{
    (void)impl;
    return 0;
}

static void count_written(void *context, int rc, const struct weir_error *error)
{
    ck_assert_int_eq(rc, WEIR_OK);
    ck_assert_ptr_null(error);
    ((struct bounded *)context)->written_count++;
}

static void bounded_open(struct bounded *bounded, size_t cache_bytes_max)
{
    struct weir_error error;
    *bounded = (struct bounded){.spec = {.name = "a", .is_logged = true}};
    bounded->specs[0] = &bounded->spec;
    bounded->sim = weir_sim_new(&(struct weir_sim_options){.seed = 5});
    bounded->env = weir_sim_node(bounded->sim, 0);
    const struct weir_actor_options actor = {.name = "stream thread", .run_once = rest};
    ck_ok(weir_actor_start(bounded->env, &actor, &bounded->actor, &error), &error);
    const struct weir_state_options options = {.backend = &weir_backend_model,
                                               .env = bounded->env,
                                               .budget = bounded->env->budget,
                                               .path = "state",
                                               .specs = bounded->specs,
                                               .store_count = 1,
                                               .cache_bytes_max = cache_bytes_max,
                                               .open_bytes_max = 20000,
                                               .sealed_bytes_max = 80000,
                                               .write_down_bytes = 20000,
                                               .reply_to = bounded->actor,
                                               .on_written = count_written,
                                               .context = bounded};
    bounded->used_before = bounded->env->budget->used;
    ck_ok(weir_state_open(&options, &bounded->state, NULL, &error), &error);
}

static void bounded_close(struct bounded *bounded)
{
    struct weir_error error;
    ck_ok(weir_state_close(bounded->state, true, &error), &error);
    ck_assert_uint_eq(bounded->env->budget->used, bounded->used_before);
    weir_actor_stop(bounded->actor);
    weir_sim_free(bounded->sim);
}

static bool is_written(void *context)
{
    return !weir_state_is_writing(((struct bounded *)context)->state);
}

/* `count` new keys with values of 100 bytes. */
static void add_keys(struct bounded *bounded, uint64_t first, size_t count)
{
    struct weir_error error;
    struct weir_store *store = weir_state_store(bounded->state, 0);
    for (uint64_t i = first; i < first + count; i++) {
        uint8_t bytes[8], value[100] = {0};
        weir_store_u64(bytes, i);
        struct weir_slice key = weir_slice(bytes, 8);
        struct weir_store_entry *entry;
        ck_ok(weir_store_touch(store, &key, 1, &entry, &error), &error);
        ck_assert_ptr_null(entry->value);
        ck_ok(weir_store_set(store, entry, weir_slice(value, 100), 1, &error), &error);
    }
}

/* Goal: a full open generation asks for a commit, too many sealed ones stall, and both end. */
START_TEST(full_generations_ask_for_a_commit_and_stall)
{
    struct bounded bounded;
    struct weir_error error;
    size_t appended = 0;
    struct weir_changelog_position position = {.offset = 1};
    bounded_open(&bounded, 1 << 20);
    for (uint64_t i = 0; i < 3; i++) {
        ck_assert(!weir_state_is_stalled(bounded.state));
        add_keys(&bounded, i * 200, 200);
        ck_assert(weir_state_wants_commit(bounded.state));
        ck_ok(weir_state_seal(bounded.state, drop, &appended, &error), &error);
        ck_assert(!weir_state_wants_commit(bounded.state));
    }
    ck_assert(weir_state_is_stalled(bounded.state));
    ck_assert(!weir_state_is_writing(bounded.state));
    for (int i = 0; i < 3; i++) {
        position.offset += 200;
        ck_ok(weir_state_committed(bounded.state, &position, &error), &error);
    }
    ck_assert(weir_state_is_writing(bounded.state));
    weir_sim_run(bounded.sim, is_written, &bounded, INT64_MAX);
    ck_assert(!weir_state_is_stalled(bounded.state));
    ck_assert_uint_eq(bounded.written_count, 1); /* merged */
    ck_assert_int_eq(weir_state_sizes(bounded.state).sealed_bytes, 0);
    ck_assert_int_eq(weir_store_position(weir_state_store(bounded.state, 0)).offset,
                     position.offset);
    bounded_close(&bounded);
}
END_TEST

/* Goal: what is written down leaves beyond the bound, so the tables stay small however many keys. */
START_TEST(tables_stay_within_the_bound_of_the_cache)
{
    struct bounded bounded;
    struct weir_error error;
    size_t appended = 0;
    struct weir_changelog_position position = {.offset = 0};
    bounded_open(&bounded, 100000);
    for (uint64_t i = 0; i < 200; i++) {
        add_keys(&bounded, i * 100, 100);
        ck_ok(weir_state_seal(bounded.state, drop, &appended, &error), &error);
        position.offset += 100;
        ck_ok(weir_state_committed(bounded.state, &position, &error), &error);
        weir_sim_run(bounded.sim, is_written, &bounded, INT64_MAX);
    }
    ck_assert_int_lt(weir_state_sizes(bounded.state).cache_bytes, 400000); /* of 4 MB */
    bounded_close(&bounded);
}
END_TEST

/* What may leave counts with all that it takes: its blocks, and its share of the table and of a
 * queue. */
START_TEST(an_entry_costs_what_it_takes)
{
    enum { COUNT = 400, KEY_SIZE = 8, VALUE_SIZE = 100, SHARE_MAX = 64 };
    struct bounded bounded;
    struct weir_error error;
    size_t appended = 0;
    bounded_open(&bounded, 1 << 20);
    add_keys(&bounded, 0, COUNT);
    const struct weir_store *store = weir_state_store(bounded.state, 0);
    ck_assert_uint_eq(bounded.state->clean_bytes, 0); /* they have changed: they stay */
    ck_ok(weir_state_seal(bounded.state, drop, &appended, &error), &error);
    const struct weir_changelog_position position = {.offset = COUNT};
    ck_ok(weir_state_committed(bounded.state, &position, &error), &error);
    weir_sim_run(bounded.sim, is_written, &bounded, INT64_MAX);
    ck_assert_uint_eq(store->table.entry_count, COUNT);
    size_t blocks = weir_slabs_block_size(sizeof(struct weir_store_entry) + KEY_SIZE) +
                    weir_slabs_block_size(VALUE_SIZE);
    ck_assert_uint_ge(bounded.state->clean_bytes, COUNT * (blocks + 2 * sizeof(void *)));
    ck_assert_uint_lt(bounded.state->clean_bytes, COUNT * (blocks + SHARE_MAX));
    ck_assert_uint_eq(store->clean_bytes, bounded.state->clean_bytes);
    bounded_close(&bounded);
}
END_TEST

static void seal_keys(struct bounded *bounded, uint64_t first, size_t count)
{
    struct weir_error error;
    size_t appended = 0;
    add_keys(bounded, first, count);
    ck_ok(weir_state_seal(bounded->state, drop, &appended, &error), &error);
}

static void commit_to(struct bounded *bounded, int64_t offset)
{
    struct weir_error error;
    const struct weir_changelog_position position = {.offset = offset};
    ck_ok(weir_state_committed(bounded->state, &position, &error), &error);
}

/* Goal: what was written down leaves its memory to what is gathered next: that of one, and of
 * none that was unusually large. */
START_TEST(one_generation_is_kept_for_the_next)
{
    struct bounded bounded;
    bounded_open(&bounded, 1 << 20);
    for (uint64_t round = 0; round < 3; round++) {
        int64_t offset = (int64_t)round * 10 + 1;
        seal_keys(&bounded, round * 1000, 200);
        const struct weir_generation *first = bounded.state->gathering;
        commit_to(&bounded, offset);
        ck_assert(weir_state_is_writing(bounded.state));
        seal_keys(&bounded, round * 1000 + 200, 200); /* gathered meanwhile */
        weir_sim_run(bounded.sim, is_written, &bounded, INT64_MAX);
        ck_assert_ptr_eq(bounded.state->spare, first);
        commit_to(&bounded, offset + 1);
        ck_assert(weir_state_is_writing(bounded.state));
        weir_sim_run(bounded.sim, is_written, &bounded, INT64_MAX);
        ck_assert_ptr_eq(bounded.state->spare, first);
        ck_assert_ptr_null(bounded.state->gathering);
    }
    seal_keys(&bounded, 10000, 2000);
    ck_assert_ptr_null(bounded.state->spare);
    commit_to(&bounded, 100);
    weir_sim_run(bounded.sim, is_written, &bounded, INT64_MAX);
    ck_assert_ptr_null(bounded.state->spare);
    bounded_close(&bounded);
}
END_TEST

/* Goal: what fills a write buffer is flushed with it, and what is a byte smaller waits for the
 * interval. */
START_TEST(a_generation_that_fills_a_write_buffer_is_flushed)
{
    struct bounded bounded;
    bounded_open(&bounded, 1 << 20);
    seal_keys(&bounded, 0, 200);
    bounded.state->flush_deadline = WEIR_MONO_NEVER;
    bounded.state->options.write_buffer_bytes = bounded.state->gathering->size + (size_t)_i;
    commit_to(&bounded, 1);
    ck_assert(weir_state_is_writing(bounded.state));
    ck_assert(bounded.state->write_down.flushes == (_i == 0));
    weir_sim_run(bounded.sim, is_written, &bounded, INT64_MAX);
    bounded_close(&bounded);
}
END_TEST

/* The store's changes as its changelog has them: each key whole, with the sequence behind it. */
static int note_change(void *context, struct weir_store *store, const struct weir_record *record)
{
    struct weir_slice key;
    ck_assert(!weir_slice_is_null(record->key));
    ck_ok(weir_key_schema_parse_logged(&weir_key_schema_window, record->key, &key), NULL);
    ck_assert_uint_eq(key.size, 12);
    ck_assert_ptr_nonnull(store);
    ++*(size_t *)context;
    return 0;
}

/* Goal: a seal for which memory is out gives the changelog no key that is none; it is made
 * again, whole. */
START_TEST(a_seal_without_memory_gives_whole_keys)
{
    enum { KEYS = 5 };
    static const struct weir_store_spec spec = {.name = "windows",
                                                .kind = WEIR_STORE_MEMORY,
                                                .is_logged = true,
                                                .schema = &weir_key_schema_window,
                                                .retention_ms = 1000000};
    static const struct weir_store_spec *const specs[] = {&spec};
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        struct weir_error error;
        struct weir_state *state;
        struct weir_sim *sim = weir_sim_new(&(struct weir_sim_options){.seed = 5});
        struct weir_env *env = weir_sim_node(sim, 0);
        const struct weir_state_options options = {.backend = &weir_backend_model,
                                                   .env = env,
                                                   .budget = env->budget,
                                                   .path = "state",
                                                   .specs = specs,
                                                   .store_count = 1,
                                                   .cache_bytes_max = 1 << 20};
        ck_ok(weir_state_open(&options, &state, NULL, &error), &error);
        for (uint8_t i = 0; i < KEYS; i++) {
            uint8_t bytes[12] = {'k', 'e', 'y', i};
            struct weir_slice key = weir_slice(bytes, sizeof bytes);
            struct weir_store_entry *entry;
            weir_store_u64(bytes + 4, 1000u + i);
            ck_ok(weir_store_touch(weir_state_store(state, 0), &key, 1, &entry, &error), &error);
            ck_ok(weir_store_set(weir_state_store(state, 0), entry, weir_text("v"), 1, &error),
                  &error);
        }
        size_t appended = 0;
        weir_test_failures_arm(&failures, env->heap);
        int rc = weir_state_seal(state, note_change, &appended, &error);
        bool was_hit = weir_test_failures_disarm(&failures);
        ck_assert(rc == 0 || (was_hit && rc == WEIR_NO_MEMORY)); /* a list may do without */
        if (rc < 0) {
            appended = 0;
            ck_ok(weir_state_seal(state, note_change, &appended, &error), &error);
        }
        ck_assert_uint_eq(appended, KEYS);
        ck_ok(weir_state_close(state, false, &error), &error);
        weir_sim_free(sim);
    }
    ck_assert_uint_gt(failures.hits, 0);
}
END_TEST

/* Goal: the entry that was met last is given again for its own key only, and for that alone: not
 * for the first of several, nor for another key beside which it lies. */
START_TEST(the_entry_met_last_is_its_keys)
{
    struct bounded bounded;
    struct weir_error error;
    bounded_open(&bounded, 1 << 20);
    struct weir_store *store = weir_state_store(bounded.state, 0);
    const struct weir_slice keys[3] = {weir_text("b"), weir_text("a"), weir_text("b")};
    struct weir_store_entry *a, *b;
    ck_ok(weir_store_touch(store, &keys[0], 1, &b, &error), &error);
    ck_ok(weir_store_set(store, b, weir_text("of b"), 1, &error), &error);
    ck_ok(weir_store_touch(store, &keys[1], 1, &a, &error), &error);
    ck_ok(weir_store_set(store, a, weir_text("of a"), 1, &error), &error);
    ck_assert_ptr_ne(a, b);
    struct weir_store_entry *got[3] = {0};
    ck_ok(weir_store_touch(store, keys, 1, got, &error), &error); /* "a" was met last */
    ck_assert_ptr_eq(got[0], b);
    ck_assert_ptr_null(got[1]);
    for (size_t count = 1; count <= 3; count++) {
        memset(got, 0, sizeof got);
        ck_ok(weir_store_touch(store, keys, 1, got, &error), &error); /* now "b" is */
        memset(got, 0, sizeof got);
        ck_ok(weir_store_touch(store, keys, count, got, &error), &error);
        for (size_t i = 0; i < 3; i++) {
            ck_assert_ptr_eq(got[i], i >= count ? NULL : i == 1 ? a : b);
        }
    }
    bounded_close(&bounded);
}
END_TEST

/* Goal: what a state may keep besides its cache does not grow with the number of them: one has what it had
 * before there was a number, a thousand have their shares, and what is said is taken. */
START_TEST(many_states_share_what_one_may_have)
{
    static const struct {
        size_t count, write_buffer, block_cache, write_down;
    } shares[] = {
        {0, 16 << 20, 8 << 20, 32 << 20},      {1, 16 << 20, 8 << 20, 32 << 20},
        {8, 16 << 20, 8 << 20, 32 << 20},      {64, 4 << 20, 2 << 20, 4 << 20},
        {1000, 1 << 20, 256 << 10, 512 << 10},
    };
    static const struct weir_store_spec spec = {.name = "a", .is_logged = true};
    static const struct weir_store_spec *const specs[] = {&spec};
    struct weir_sim *sim = weir_sim_new(&(struct weir_sim_options){.seed = 5});
    struct weir_env *env = weir_sim_node(sim, 0);
    for (size_t i = 0; i < 2 * sizeof shares / sizeof shares[0]; i++) {
        struct weir_error error;
        struct weir_state *state;
        const size_t at = i / 2;
        const bool is_said = i % 2 == 1;
        const struct weir_state_options options = {.backend = &weir_backend_model,
                                                   .env = env,
                                                   .budget = env->budget,
                                                   .path = "state",
                                                   .specs = specs,
                                                   .store_count = 1,
                                                   .share_count = shares[at].count,
                                                   .write_down_bytes = is_said ? 1 : 0};
        ck_ok(weir_state_open(&options, &state, NULL, &error), &error);
        ck_assert_uint_eq(state->options.write_buffer_bytes, shares[at].write_buffer);
        ck_assert_uint_eq(state->options.block_cache_bytes, shares[at].block_cache);
        ck_assert_uint_eq(state->options.write_down_bytes, is_said ? 1 : shares[at].write_down);
        ck_ok(weir_state_close(state, true, &error), &error);
    }
    weir_sim_free(sim);
}
END_TEST

static void add(Suite *suite)
{
    TCase *memory = tcase_create("memory");
    tcase_set_timeout(memory, 300); /* a life for each allocation */
    tcase_add_test(memory, call_without_memory_changes_nothing);
    tcase_add_test(memory, values_that_were_given_stay_without_memory);
    tcase_add_loop_test(memory, steady_state_allocates_nothing, 0, 2);
    tcase_add_test(memory, many_states_share_what_one_may_have);
    tcase_add_test(memory, full_generations_ask_for_a_commit_and_stall);
    tcase_add_test(memory, tables_stay_within_the_bound_of_the_cache);
    tcase_add_test(memory, an_entry_costs_what_it_takes);
    tcase_add_test(memory, one_generation_is_kept_for_the_next);
    tcase_add_loop_test(memory, a_generation_that_fills_a_write_buffer_is_flushed, 0, 2);
    tcase_add_test(memory, a_seal_without_memory_gives_whole_keys);
    tcase_add_test(memory, the_entry_met_last_is_its_keys);
    suite_add_tcase(suite, memory);
}

int main(void)
{
    return weir_test_main("state memory", add);
}
