#include <stdio.h>
#include <string.h>

#include "runtime/state/memory.h"
#include "tests/unit/runtime/state/stage.h"

/* One bound for what many states take in memory: how it is divided, and that RocksDB and the tables stay within it, by the
 * figures that they give themselves. */

enum { STATES = 8, KEYS = 24000, KEYS_PER_COMMIT = 400, VALUE_SIZE = 200, KEY_SIZE = 16 };

/* ---- the division ---------------------------------------------------------------------------- */

static size_t sum_of(const struct weir_state_shares *shares, size_t cache_bytes, size_t count)
{
    const size_t buffers = 2 * (shares->write_buffer_bytes + 2 * shares->write_down_bytes);
    const size_t rows = shares->open_bytes_max + shares->sealed_bytes_max;
    const size_t written = shares->write_down_bytes; /* as RocksDB gets it */
    return cache_bytes + shares->block_cache_bytes + count * (buffers + rows + written);
}

/* The parts are no more than the whole, and no less than most of it, but for a few large tasks. */
START_TEST(the_parts_make_the_whole)
{
    static const size_t counts[] = {1, 2, 7, 64, 1000};
    static const size_t bytes[] = {64 << 20, 100000000, 1 << 30, (size_t)8 << 30};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        for (size_t j = 0; j < sizeof bytes / sizeof bytes[0]; j++) {
            struct weir_state_shares shares;
            struct weir_error error = {0};
            int rc = weir_state_divide(bytes[j], 10 << 20, counts[i], &shares, &error);
            if (rc < 0) continue;
            ck_assert_uint_le(sum_of(&shares, 10 << 20, counts[i]), bytes[j]);
            ck_assert_uint_ge(shares.write_down_bytes, WEIR_STATE_UNIT_MIN);
            ck_assert_uint_ge(shares.block_cache_bytes, (bytes[j] - (10 << 20)) / 4);
        }
    }
}
END_TEST

/* Too little for so many tasks is refused, and the text says what is enough: just that is taken, one byte less is not. */
START_TEST(too_little_is_refused_with_what_is_enough)
{
    struct weir_state_shares shares = {.block_cache_bytes = 7};
    struct weir_error error = {0};
    size_t enough = 0;
    ck_assert_int_eq(weir_state_divide(1 << 20, 1 << 20, 1000, &shares, &error),
                     WEIR_INVALID_ARGUMENT);
    ck_assert_uint_eq(shares.block_cache_bytes, 7);
    const char *says = strstr(error.text, "at least ");
    ck_assert_ptr_nonnull(says);
    ck_assert_int_eq(sscanf(says, "at least %zu", &enough), 1);
    ck_ok(weir_state_divide(enough, 1 << 20, 1000, &shares, &error), &error);
    ck_assert_int_eq(weir_state_divide(enough - 1, 1 << 20, 1000, &shares, &error),
                     WEIR_INVALID_ARGUMENT);
}
END_TEST

/* ---- many states ----------------------------------------------------------------------------- */

static int ignore(void *context, struct weir_store *store, const struct weir_record *record)
{
    (void)context, (void)store, (void)record;
    return 0;
}

static struct weir_slice key_of(char to[KEY_SIZE], int number)
{
    (void)snprintf(to, KEY_SIZE, "key %08d", number);
    return weir_text(to);
}

static void put(struct weir_state *state, int number)
{
    struct weir_error error;
    char key_bytes[KEY_SIZE];
    uint8_t value[VALUE_SIZE];
    struct weir_test_random random = {(uint64_t)number};
    struct weir_slice key = key_of(key_bytes, number);
    struct weir_store_entry *entry;
    weir_test_random_fill(&random, value, sizeof value);
    ck_ok(weir_store_touch(weir_state_store(state, 0), &key, 1, &entry, &error), &error);
    ck_ok(weir_store_set(weir_state_store(state, 0), entry, weir_slice(value, sizeof value), number,
                         &error),
          &error);
}

static void commit(struct weir_state *state, int64_t offset)
{
    struct weir_error error;
    struct weir_changelog_position position = {.offset = offset};
    ck_ok(weir_state_seal(state, ignore, NULL, &error), &error);
    ck_ok(weir_state_committed(state, &position, &error), &error);
}

struct usage {
    size_t memory; /* the most there has been at once, all states and the cache */
    size_t cached; /* the same of the cache */
};

static void look(struct weir_state *const *states, const struct weir_backend_cache *cache,
                 struct usage *usage)
{
    size_t memory = 0;
    for (size_t i = 0; i < STATES; i++) {
        memory += (size_t)weir_state_memory(states[i]);
    }
    const size_t cached = cache != NULL ? weir_backend_rocksdb.cache_used(cache) : 0;
    if (memory + cached > usage->memory) usage->memory = memory + cached;
    if (cached > usage->cached) usage->cached = cached;
}

/* Writes and reads STATES databases of some 5 MB each, in turn. `bytes_max` 0: as they are without a bound. */
static struct usage live(size_t bytes_max)
{
    static const struct weir_store_spec spec = {
        .name = "a", .is_logged = true, .is_timestamped = true};
    static const struct weir_store_spec *const specs[] = {&spec};
    struct weir_error error;
    struct weir_env *env = NULL;
    struct weir_state *states[STATES];
    struct weir_backend_cache *cache = NULL;
    struct weir_state_shares shares = {0};
    struct usage usage = {0};
    const size_t clean = 1 << 20;
    char root[WEIR_TEST_PATH_SIZE];
    weir_test_directory(root);
    ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &env, &error), &error);
    if (bytes_max > 0) {
        ck_ok(weir_state_divide(bytes_max, clean, STATES, &shares, &error), &error);
        ck_ok(weir_backend_rocksdb.cache_new(env, shares.block_cache_bytes, &cache, &error),
              &error);
    }
    for (size_t i = 0; i < STATES; i++) {
        char path[WEIR_TEST_PATH_SIZE + 16];
        (void)snprintf(path, sizeof path, "%s/%zu", root, i);
        const struct weir_state_options options = {
            .backend = &weir_backend_rocksdb,
            .env = env,
            .budget = env->budget,
            .path = path,
            .specs = specs,
            .store_count = 1,
            .cache_bytes_max = clean / STATES,
            .open_bytes_max = shares.open_bytes_max,
            .sealed_bytes_max = shares.sealed_bytes_max,
            .write_down_bytes = shares.write_down_bytes,
            .write_buffer_bytes = shares.write_buffer_bytes,
            .cache = cache,
            .share_count = STATES,
        };
        ck_ok(weir_state_open(&options, &states[i], NULL, &error), &error);
    }
    for (int from = 0; from < KEYS; from += KEYS_PER_COMMIT) {
        for (size_t i = 0; i < STATES; i++) {
            for (int k = from; k < from + KEYS_PER_COMMIT; k++) {
                put(states[i], k);
                if (weir_state_wants_commit(states[i])) commit(states[i], k + 1);
            }
            commit(states[i], from + KEYS_PER_COMMIT);
        }
        look(states, cache, &usage);
    }
    for (int k = 0; k < KEYS; k += 3) { /* all blocks */
        for (size_t i = 0; i < STATES; i++) {
            char key_bytes[KEY_SIZE];
            struct weir_slice key = key_of(key_bytes, k);
            struct weir_slice value;
            ck_ok(
                weir_store_get_many(weir_state_store(states[i], 0), &key, 1, &value, NULL, &error),
                &error);
            ck_assert_uint_eq(value.size, VALUE_SIZE);
        }
        if (k % 1200 == 0) look(states, cache, &usage);
    }
    for (size_t i = 0; i < STATES; i++) {
        ck_ok(weir_state_close(states[i], true, &error), &error);
    }
    weir_backend_rocksdb.cache_free(cache);
    weir_env_uv_free(env);
    return usage;
}

/* Goal: what tables, write buffers, readers and the cache of blocks take together stays within the bound, and the cache is
 * used; without a bound the same life takes several times as much. */
START_TEST(many_states_stay_within_one_bound)
{
    const size_t bound = 16 << 20;
    const struct usage bounded = live(bound);
    ck_assert_uint_le(bounded.memory, bound);
    ck_assert_uint_ge(bounded.cached, (bound - (1 << 20)) / 4 / 2);
    const struct usage free_of_it = live(0);
    ck_assert_uint_gt(free_of_it.memory, 2 * bound);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("state_memory_bound");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, the_parts_make_the_whole);
    tcase_add_test(tests, too_little_is_refused_with_what_is_enough);
    tcase_add_test(tests, many_states_stay_within_one_bound);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("state_memory_bound", add);
}
