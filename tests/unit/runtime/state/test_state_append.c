#include <string.h>

#include "base/env/sim/sim.h"
#include "runtime/state/sim/backend_model.h"
#include "runtime/state/state.h"
#include "tests/support/support.h"

/* A value that grows: what is appended is what would have been set, and moves few bytes. */

static struct weir_state *open_state(struct weir_env *env, enum weir_store_kind kind)
{
    static struct weir_store_spec spec;
    static const struct weir_store_spec *const specs[1] = {&spec};
    struct weir_state *state = NULL;
    struct weir_error error;
    spec = (struct weir_store_spec){
        .name = "s", .kind = kind, .is_logged = true, .change_bytes_max = 1 << 20};
    const struct weir_state_options options = {.backend = &weir_backend_model,
                                               .env = env,
                                               .budget = env->budget,
                                               .path = "state",
                                               .specs = specs,
                                               .store_count = 1,
                                               .write_down_bytes = 1};
    ck_ok(weir_state_open(&options, &state, NULL, &error), &error);
    return state;
}

static int keep_last(void *context, struct weir_store *store, const struct weir_record *record)
{
    (void)store;
    *(struct weir_slice *)context = record->value;
    return 0;
}

/* Goal: a head that counts and a tail that grows, through seals and commits, up to what the changelog takes; one byte
 * more is refused and changes nothing. How often the value moves is counted by its address. */
START_TEST(what_is_appended_is_what_would_have_been_set)
{
    struct weir_sim *sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    struct weir_error error;
    struct weir_state *state =
        open_state(weir_sim_node(sim, 0), _i == 0 ? WEIR_STORE_MEMORY : WEIR_STORE_ROCKSDB);
    struct weir_store *store = weir_state_store(state, 0);
    const struct weir_slice key = weir_text("k");
    static uint8_t wanted[1 << 20];
    struct weir_store_entry *entry;
    size_t size = 1;
    int moves = 0;
    int64_t offset = 0;
    ck_ok(weir_store_touch(store, &key, 1, &entry, &error), &error);
    ck_ok(weir_store_set(store, entry, weir_slice(wanted, size), 5, &error), &error);
    for (uint8_t i = 1; size + 37 + key.size <= sizeof wanted; i++) {
        uint8_t tail[37];
        const uint8_t *before = entry->value;
        memset(tail, i, sizeof tail);
        ck_ok(weir_store_append(store, entry, weir_slice(&i, 1), weir_slice(tail, sizeof tail), i,
                                &error),
              &error);
        memcpy(wanted + size, tail, sizeof tail);
        wanted[0] = i;
        size += sizeof tail;
        moves += entry->value != before;
        if (i != 0) continue;
        struct weir_slice logged = {0};
        ck_ok(weir_state_seal(state, keep_last, &logged, &error), &error);
        ck_assert(weir_slice_equal(logged, weir_slice(wanted, size)));
        const struct weir_changelog_position position = {.offset = ++offset};
        ck_ok(weir_state_committed(state, &position, &error), &error);
        ck_ok(weir_store_touch(store, &key, 1, &entry, &error), &error);
    }
    ck_assert_uint_eq(entry->value_size, size);
    ck_assert(memcmp(entry->value, wanted, size) == 0);
    ck_assert_int_lt(moves, 200);
    ck_assert_int_eq(
        weir_store_append(store, entry, weir_null(), weir_slice(wanted, 64), 9, &error),
        WEIR_TOO_LARGE);
    ck_assert_uint_eq(entry->value_size, size);
    ck_ok(weir_state_close(state, true, &error), &error);
    weir_sim_free(sim);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("append");
    tcase_add_loop_test(tests, what_is_appended_is_what_would_have_been_set, 0, 2);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("append", add);
}
