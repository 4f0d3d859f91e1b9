#include <stdio.h>
#include <string.h>

#include "base/env/sim/sim.h"
#include "runtime/state/sim/backend_model.h"
#include "runtime/state/state_internal.h"
#include "tests/support/support.h"

/* A folder that is opened again with other stores, cleared stores, and a backend that fails. */

struct house {
    struct weir_sim *sim;
    struct weir_env *env;
    struct weir_state *state;
    int64_t offset;
    int written_rc;
};

static void house_open(struct house *house)
{
    *house = (struct house){.sim = weir_sim_new(&(struct weir_sim_options){.seed = 1})};
    house->env = weir_sim_node(house->sim, 0);
}

static void note_written(void *context, int rc, const struct weir_error *error)
{
    struct house *house = context;
    house->written_rc = rc;
    ck_assert((rc < 0) == (error != NULL));
}

static void enter(struct house *house, const struct weir_store_spec *const *specs, size_t count)
{
    struct weir_error error;
    const struct weir_state_options options = {.backend = &weir_backend_model,
                                               .env = house->env,
                                               .budget = house->env->budget,
                                               .path = "state",
                                               .specs = specs,
                                               .store_count = count,
                                               .cache_bytes_max = 0,
                                               .write_down_bytes = 1,
                                               .on_written = note_written,
                                               .context = house};
    ck_ok(weir_state_open(&options, &house->state, NULL, &error), &error);
}

static void leave(struct house *house)
{
    struct weir_error error;
    ck_ok(weir_state_close(house->state, true, &error), &error);
}

static void put(struct house *house, size_t index, const char *key, const char *value)
{
    struct weir_error error;
    struct weir_store *store = weir_state_store(house->state, index);
    struct weir_slice slice = weir_text(key);
    struct weir_store_entry *entry;
    ck_ok(weir_store_touch(store, &slice, 1, &entry, &error), &error);
    ck_ok(weir_store_set(store, entry, weir_text(value), 1, &error), &error);
}

static bool has(struct house *house, size_t index, const char *key, const char *value)
{
    struct weir_error error;
    struct weir_slice slice = weir_text(key), found;
    ck_ok(
        weir_store_get_many(weir_state_store(house->state, index), &slice, 1, &found, NULL, &error),
        &error);
    return weir_slice_equal(found, weir_text(value));
}

static int64_t offset_of(struct house *house, size_t index)
{
    return weir_store_position(weir_state_store(house->state, index)).offset;
}

static int ignore(void *context, struct weir_store *store, const struct weir_record *record)
{
    (void)context, (void)store, (void)record;
    return 0;
}

static void commit(struct house *house)
{
    struct weir_error error;
    struct weir_changelog_position positions[3];
    for (size_t i = 0; i < 3; i++) {
        positions[i] = (struct weir_changelog_position){
            .topic_id = {{(uint8_t)i}}, .leader_epoch = 2, .offset = 10 * (int64_t)(i + 1)};
    }
    ck_ok(weir_state_seal(house->state, ignore, NULL, &error), &error);
    ck_ok(weir_state_committed(house->state, positions, &error), &error);
}

static const struct weir_store_spec a = {.name = "a", .is_logged = true};
static const struct weir_store_spec b = {.name = "b", .is_logged = true};
static const struct weir_store_spec c = {.name = "c", .is_logged = true};
static const struct weir_store_spec b_stamped = {
    .name = "b", .is_logged = true, .is_timestamped = true};

static void build_abc(struct house *house)
{
    const struct weir_store_spec *const specs[] = {&a, &b, &c};
    house_open(house);
    enter(house, specs, 3);
    put(house, 0, "key", "of a");
    put(house, 1, "key", "of b");
    put(house, 2, "key", "of c");
    commit(house);
    leave(house);
}

/* Goal: positions come back as they were given, epoch and topic too. */
START_TEST(position_comes_back_whole)
{
    const struct weir_store_spec *const specs[] = {&a, &b, &c};
    struct house house;
    build_abc(&house);
    enter(&house, specs, 3);
    for (size_t i = 0; i < 3; i++) {
        struct weir_changelog_position position =
            weir_store_position(weir_state_store(house.state, i));
        ck_assert_int_eq(position.offset, 10 * (int64_t)(i + 1));
        ck_assert_int_eq(position.leader_epoch, 2);
        ck_assert_uint_eq(position.topic_id.bytes[0], i);
    }
    leave(&house);
    weir_sim_free(house.sim);
}
END_TEST

/* Goal: stores are found by name, whatever their order; one that is gone is deleted, and comes back
 * empty with position 0. */
START_TEST(store_is_found_by_its_name)
{
    const struct weir_store_spec *const other[] = {&c, &a};
    const struct weir_store_spec *const all[] = {&a, &b, &c};
    struct house house;
    build_abc(&house);
    enter(&house, other, 2);
    ck_assert(has(&house, 0, "key", "of c"));
    ck_assert(has(&house, 1, "key", "of a"));
    ck_assert_int_eq(offset_of(&house, 0), 30);
    ck_assert_int_eq(offset_of(&house, 1), 10);
    leave(&house);
    enter(&house, all, 3);
    ck_assert(has(&house, 0, "key", "of a"));
    ck_assert(has(&house, 1, "key", NULL));
    ck_assert_int_eq(offset_of(&house, 1), 0);
    ck_assert(has(&house, 2, "key", "of c"));
    leave(&house);
    weir_sim_free(house.sim);
}
END_TEST

/* Goal: rows in another format are not misread: that store starts anew, the others stay. */
START_TEST(store_of_another_format_starts_anew)
{
    const struct weir_store_spec *const other[] = {&a, &b_stamped, &c};
    struct house house;
    build_abc(&house);
    enter(&house, other, 3);
    ck_assert(has(&house, 1, "key", NULL));
    ck_assert_int_eq(offset_of(&house, 1), 0);
    ck_assert(has(&house, 0, "key", "of a"));
    put(&house, 1, "key", "new b");
    commit(&house);
    leave(&house);
    enter(&house, other, 3);
    ck_assert(has(&house, 1, "key", "new b"));
    ck_assert_int_eq(offset_of(&house, 1), 20);
    leave(&house);
    weir_sim_free(house.sim);
}
END_TEST

/* Goal: clearing one store leaves the others, and a crash right after it leaves nothing of it. */
START_TEST(cleared_store_is_empty_and_the_others_stay)
{
    const struct weir_store_spec *const all[] = {&a, &b, &c};
    struct weir_error error;
    struct house house;
    build_abc(&house);
    enter(&house, all, 3);
    ck_ok(weir_store_clear(weir_state_store(house.state, 1), &error), &error);
    ck_assert(has(&house, 1, "key", NULL));
    ck_assert_int_eq(offset_of(&house, 1), 0);
    ck_assert(has(&house, 0, "key", "of a"));
    weir_sim_crash(house.sim, 0, WEIR_SIM_KILL);
    house.env = weir_sim_node(house.sim, 0);
    enter(&house, all, 3);
    if (offset_of(&house, 1) == 0) ck_assert(has(&house, 1, "key", NULL));
    if (offset_of(&house, 1) == 20) ck_assert(has(&house, 1, "key", "of b"));
    ck_assert(has(&house, 0, "key", "of a"));
    ck_assert_int_eq(offset_of(&house, 2), 30);
    leave(&house);
    weir_sim_free(house.sim);
}
END_TEST

static int count_one(void *context, struct weir_slice key, struct weir_slice value,
                     int64_t timestamp_ms)
{
    (void)key, (void)value, (void)timestamp_ms;
    ++*(size_t *)context;
    return 0;
}

static size_t rows_of(struct house *house, size_t index)
{
    struct weir_error error;
    size_t count = 0;
    ck_ok(weir_store_scan(weir_state_store(house->state, index), weir_null(), weir_null(),
                          count_one, &count, &error),
          &error);
    return count;
}

/* Goal: clearing leaves nothing, however many rows there are: one less, as many and one more than are
 * deleted at a time, and several times that. A scan asks the backend, whatever the store believes. */
START_TEST(cleared_store_is_empty_whatever_its_size)
{
    static const size_t sizes[] = {1, 1023, 1024, 1025, 2048, 3000};
    const struct weir_store_spec *const all[] = {&a, &b, &c};
    struct weir_error error;
    struct house house;
    build_abc(&house);
    enter(&house, all, 3);
    for (size_t i = 1; i < sizes[_i]; i++) { /* one is there already */
        char key[24];
        (void)snprintf(key, sizeof key, "%zu", i);
        put(&house, 1, key, "value");
    }
    commit(&house);
    ck_assert_uint_eq(rows_of(&house, 1), sizes[_i]);
    leave(&house); /* no generation points into the table */
    enter(&house, all, 3);
    ck_ok(weir_store_clear(weir_state_store(house.state, 1), &error), &error);
    ck_assert_uint_eq(rows_of(&house, 1), 0);
    ck_assert_uint_eq(rows_of(&house, 0), 1);
    ck_assert_uint_eq(rows_of(&house, 2), 1);
    leave(&house);
    weir_sim_free(house.sim);
}
END_TEST

/* Goal: a batch of any size reads each of its keys from a store that has none of them in memory: in
 * order, those that are not there too, around the sizes at which keys are looked up and read together. */
START_TEST(batch_of_any_size_reads_every_key)
{
    enum { COUNT = 1100 };
    static const size_t sizes[] = {1, 31, 32, 33, 255, 256, 257, 511, 512, 513, COUNT};
    static char texts[COUNT][24];
    const struct weir_store_spec *const all[] = {&a, &b, &c};
    struct weir_slice keys[COUNT], found[COUNT];
    struct weir_error error;
    struct house house;
    house_open(&house);
    enter(&house, all, 3);
    for (size_t i = 0; i < COUNT; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "%zu", i);
        keys[i] = weir_text(texts[i]);
        if (i % 7 != 6) put(&house, 1, texts[i], texts[i]);
    }
    commit(&house);
    leave(&house);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        enter(&house, all, 3);
        ck_ok(weir_store_get_many(weir_state_store(house.state, 1), keys, sizes[i], found, NULL,
                                  &error),
              &error);
        for (size_t at = 0; at < sizes[i]; at++) {
            ck_assert(weir_slice_equal(found[at], at % 7 != 6 ? keys[at] : weir_null()));
        }
        leave(&house);
    }
    weir_sim_free(house.sim);
}
END_TEST

/* Goal: a wiped folder is gone, and opens as new. */
START_TEST(wiped_folder_opens_as_new)
{
    const struct weir_store_spec *const all[] = {&a, &b, &c};
    struct weir_error error;
    struct weir_file_stat stat;
    struct house house;
    build_abc(&house);
    ck_ok(weir_state_wipe(&weir_backend_model, house.env, "state", &error), &error);
    ck_code(weir_stat(house.env, "state", &stat, &error), WEIR_NOT_FOUND);
    /* Twice is fine. */
    ck_ok(weir_state_wipe(&weir_backend_model, house.env, "state", &error), &error);
    enter(&house, all, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_assert(has(&house, i, "key", NULL));
        ck_assert_int_eq(offset_of(&house, i), 0);
    }
    leave(&house);
    weir_sim_free(house.sim);
}
END_TEST

/* ---- a backend that fails -------------------------------------------------------------------- */

static int fail_to_write(void *impl, const struct weir_backend_write *writes, size_t count,
                         struct weir_error *error)
{
    (void)impl, (void)writes, (void)count;
    if (error != NULL) {
        *error = (struct weir_error){.code = WEIR_NO_SPACE, .text = "no space left"};
    }
    return WEIR_NO_SPACE;
}

/* Goal: a failed write-down is reported once, later commits are refused, positions stay, what was not
 * written down still reads, and the folder opens again with what it had. */
START_TEST(failed_write_down_is_reported_and_final)
{
    const struct weir_store_spec *const all[] = {&a, &b, &c};
    struct weir_error error;
    struct weir_changelog_position positions[3] = {{.offset = 99}, {.offset = 99}, {.offset = 99}};
    struct house house;
    build_abc(&house);
    enter(&house, all, 3);
    struct weir_backend_ops broken = *house.state->backend.ops;
    const struct weir_backend_ops *sound = house.state->backend.ops;
    broken.write = fail_to_write;
    house.state->backend.ops = &broken;
    put(&house, 0, "key", "newer");
    ck_ok(weir_state_seal(house.state, ignore, NULL, &error), &error);
    ck_ok(weir_state_committed(house.state, positions, &error), &error);
    ck_assert_int_eq(house.written_rc, WEIR_NO_SPACE);
    ck_assert_int_eq(offset_of(&house, 0), 10);
    ck_assert(has(&house, 0, "key", "newer"));

    put(&house, 1, "key", "newer");
    ck_ok(weir_state_seal(house.state, ignore, NULL, &error), &error);
    house.state->backend.ops = sound;
    ck_code(weir_state_committed(house.state, positions, &error), WEIR_NO_SPACE);
    leave(&house);
    enter(&house, all, 3);
    ck_assert(has(&house, 0, "key", "of a"));
    ck_assert_int_eq(offset_of(&house, 0), 10);
    leave(&house);
    weir_sim_free(house.sim);
}
END_TEST

static int refuse(void *context, struct weir_store *store, const struct weir_record *record)
{
    (void)store, (void)record;
    return ++*(int *)context == 2 ? WEIR_LIMIT : 0;
}

/* Goal: when the changelog refuses a record, nothing is sealed, and a later seal gives all again. */
START_TEST(refused_seal_leaves_the_generation_open)
{
    const struct weir_store_spec *const all[] = {&a, &b, &c};
    struct weir_error error;
    struct house house;
    int count = 0;
    build_abc(&house);
    enter(&house, all, 3);
    put(&house, 0, "key", "1");
    put(&house, 1, "key", "2");
    put(&house, 2, "key", "3");
    int64_t open_bytes = weir_state_sizes(house.state).open_bytes;
    ck_code(weir_state_seal(house.state, refuse, &count, &error), WEIR_LIMIT);
    ck_assert_int_eq(weir_state_sizes(house.state).open_bytes, open_bytes);
    ck_assert_int_eq(weir_state_sizes(house.state).sealed_bytes, 0);
    count = 2;
    ck_ok(weir_state_seal(house.state, refuse, &count, &error), &error);
    ck_assert_int_eq(count, 5);
    leave(&house); /* sealed and not committed: as if it had not been */
    enter(&house, all, 3);
    ck_assert(has(&house, 0, "key", "of a"));
    leave(&house);
    weir_sim_free(house.sim);
}
END_TEST

static void add(Suite *suite)
{
    TCase *topology = tcase_create("topology");
    tcase_add_test(topology, position_comes_back_whole);
    tcase_add_test(topology, store_is_found_by_its_name);
    tcase_add_test(topology, store_of_another_format_starts_anew);
    tcase_add_test(topology, cleared_store_is_empty_and_the_others_stay);
    tcase_add_loop_test(topology, cleared_store_is_empty_whatever_its_size, 0, 6);
    tcase_add_test(topology, batch_of_any_size_reads_every_key);
    tcase_add_test(topology, wiped_folder_opens_as_new);
    suite_add_tcase(suite, topology);

    TCase *failure = tcase_create("failure");
    tcase_add_test(failure, failed_write_down_is_reported_and_final);
    tcase_add_test(failure, refused_seal_leaves_the_generation_open);
    suite_add_tcase(suite, failure);
}

int main(void)
{
    return weir_test_main("state topology", add);
}
