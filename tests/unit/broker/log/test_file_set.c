#include "broker/log/file_set.h"

#include <pthread.h>
#include <stdio.h>

#include "base/env/sim/sim.h"
#include "tests/support/support.h"

/** A bounded number of open files: which one is closed, what is never closed, what a failed sync of one
 * that had to go leaves behind. */
enum { FILES = 10, BOUND = 4 };

static struct weir_sim *sim;
static struct weir_env *env;
static struct weir_file_set set;
static struct weir_kept_file *files[FILES];
static struct weir_error error;

static void set_up(void)
{
    sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    env = weir_sim_node(sim, 0);
    weir_file_set_init(&set, BOUND);
    for (int i = 0; i < FILES; i++) {
        files[i] = weir_kept_file_new(env->budget, &set);
        ck_assert_ptr_nonnull(files[i]);
    }
}

static void tear_down(void)
{
    for (int i = 0; i < FILES; i++)
        weir_kept_file_unref(files[i]);
    ck_assert_uint_eq(weir_file_set_count(&set), 0);
    ck_assert_uint_eq(weir_sim_descriptors(sim, 0), 0);
    weir_sim_free(sim);
}

static int hold(int i)
{
    char path[32];
    (void)snprintf(path, sizeof path, "/file-%d", i);
    return weir_kept_file_hold(files[i], env, path,
                               WEIR_OPEN_READ | WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &error);
}

static void use(int i)
{
    ck_ok(hold(i), &error);
    weir_kept_file_release(files[i]);
}

static void write_to(int i)
{
    struct weir_iovec part = {"text", 4};
    ck_ok(hold(i), &error);
    weir_kept_file_note_write(files[i]);
    ck_ok(weir_file_write(files[i]->file, &part, 1, 0, &error), &error);
    weir_kept_file_release(files[i]);
}

static bool is_open(int i)
{
    return atomic_load(&files[i]->holds) >= 0;
}

static size_t count_open(void)
{
    size_t count = 0;
    for (int i = 0; i < FILES; i++)
        count += is_open(i);
    ck_assert_uint_eq(count, weir_file_set_count(&set));
    ck_assert_uint_eq(count, weir_sim_descriptors(sim, 0));
    return count;
}

/* However many files are used, no more than the bound are open. */
START_TEST(no_more_than_the_bound_are_open)
{
    for (int i = 0; i < 3 * FILES; i++) {
        use(i % FILES);
        ck_assert_uint_le(count_open(), BOUND);
    }
    ck_assert_uint_eq(count_open(), BOUND);
}
END_TEST

/* A file that is used all the time stays, those that were opened once and long ago go. */
START_TEST(what_is_in_use_stays_open)
{
    use(0);
    for (int i = 1; i < FILES; i++) {
        use(0);
        use(i);
        ck_assert(is_open(0));
    }
    ck_assert_int_eq((int)atomic_load(&set.closed), FILES - BOUND);
}
END_TEST

/* What is held is not closed: the bound gives way, and comes back. */
START_TEST(the_bound_gives_way_to_holders)
{
    for (int i = 0; i < BOUND + 2; i++)
        ck_ok(hold(i), &error);
    ck_assert_uint_eq(count_open(), BOUND + 2);
    weir_kept_file_hold_again(files[0]);
    for (int i = 0; i < BOUND + 2; i++)
        weir_kept_file_release(files[i]);
    use(FILES - 1);
    ck_assert_uint_eq(count_open(), BOUND);
    ck_assert(is_open(0));
    weir_kept_file_release(files[0]);
}
END_TEST

/* Whoever keeps files for long gets half of the places, as often as each is wanted; the others are opened and closed
 * as ever. A file has its place until the last one who keeps it has let go. */
START_TEST(half_of_the_places_are_lent)
{
    for (int i = 0; i < FILES; i++) {
        ck_ok(hold(i), &error);
        ck_assert_int_eq(weir_kept_file_lend(files[i]), i < BOUND / 2);
        weir_kept_file_release(files[i]);
        ck_assert_uint_le(count_open(), BOUND);
    }
    ck_assert(is_open(0) && is_open(1));
    ck_assert(weir_kept_file_lend(files[0]));
    weir_kept_file_take_back(files[0]);
    ck_ok(hold(5), &error);
    ck_assert(!weir_kept_file_lend(files[5]));
    weir_kept_file_take_back(files[0]);
    for (int i = 0; i < 3 * BOUND; i++)
        ck_assert(weir_kept_file_lend(files[5]));
    weir_kept_file_release(files[5]);
    for (int i = 0; i < 3 * BOUND; i++)
        weir_kept_file_take_back(files[5]);
    weir_kept_file_take_back(files[1]);
}
END_TEST

/* Unsynced writes are on the disk before their file is closed. */
START_TEST(a_dirty_file_is_synced_before_it_is_closed)
{
    struct weir_file_stat stat;
    for (int i = 0; i < FILES; i++)
        write_to(i);
    ck_assert_uint_le(count_open(), BOUND);
    ck_ok(weir_sync_directory(env, "/", &error), &error);
    int durable = 0;
    for (int i = 0; i < FILES; i++) {
        ck_assert(is_open(i) || !weir_kept_file_is_dirty(files[i]));
        durable += !is_open(i);
    }
    ck_assert_int_ge(durable, FILES - BOUND);
    for (int i = 0; i < FILES; i++) {
        if (is_open(i)) continue;
        char path[32];
        (void)snprintf(path, sizeof path, "/file-%d", i);
        ck_ok(weir_stat(env, path, &stat, &error), &error);
        ck_assert_int_eq(stat.size, 4);
    }
}
END_TEST

/* Clean files go before dirty ones: a sync costs. */
START_TEST(clean_files_go_first)
{
    write_to(0);
    for (int i = 1; i < FILES; i++)
        use(i);
    ck_assert(is_open(0));
    ck_assert(weir_kept_file_is_dirty(files[0]));
}
END_TEST

/* The sync that was to make room fails: the file stays open, its owner is told by its next sync and by
 * every later one, and others are opened all the same. */
START_TEST(a_failed_sync_is_told_to_the_owner)
{
    set.count_max = 1;
    write_to(0);
    weir_sim_disk_count_reset(sim, 0);
    weir_sim_disk_plan(
        sim, 0, (struct weir_sim_fault_plan){WEIR_SIM_FAULT_SYNC, .at = 1, .is_sticky = true});
    use(1); /* creates, too: its number is 2 */
    weir_sim_disk_plan(sim, 0, (struct weir_sim_fault_plan){0});
    ck_assert(is_open(0));
    use(2);
    ck_ok(hold(0), &error);
    ck_code(weir_kept_file_sync(files[0], &error), WEIR_IO);
    ck_code(weir_kept_file_sync(files[0], &error), WEIR_IO);
    weir_kept_file_release(files[0]);
    ck_assert(is_open(0));
    weir_kept_file_give_up(files[0]); /* its log is offline: it may go */
    use(3);
    use(4);
    ck_assert(!is_open(0));
}
END_TEST

/* A write during a sync is not covered by it. */
START_TEST(a_later_write_keeps_a_file_dirty)
{
    write_to(0);
    uint64_t mark = weir_kept_file_mark(files[0]);
    write_to(0);
    weir_kept_file_note_sync(files[0], mark);
    ck_assert(weir_kept_file_is_dirty(files[0]));
    weir_kept_file_note_sync(files[0], weir_kept_file_mark(files[0]));
    weir_kept_file_note_sync(files[0], mark); /* an older one ends later */
    ck_assert(!weir_kept_file_is_dirty(files[0]));
}
END_TEST

/* The system has no descriptor though the set has room: the set gives of its own. */
START_TEST(the_set_yields_to_a_need)
{
    for (int i = 0; i < BOUND - 1; i++)
        use(i);
    weir_sim_descriptor_limit(sim, 0, BOUND - 1);
    use(BOUND - 1);
    ck_assert(is_open(BOUND - 1));
    ck_ok(hold(BOUND), &error);
    weir_sim_descriptor_limit(sim, 0, 1);
    ck_code(hold(BOUND + 1), WEIR_LIMIT); /* the one that is held is not given */
    weir_kept_file_release(files[BOUND]);
    use(BOUND + 1);
}
END_TEST

/* ---- threads --------------------------------------------------------------------------------- */

enum { THREADS = 4, PER_THREAD = 8, TURNS = 3000 };

struct user {
    pthread_t id;
    struct weir_env *env;
    struct weir_file_set *set;
    const char *folder;
    int number;
    int failures;
};

/* Each writes a number to files of its own and reads it back, while the others take its places. */
static void *use_files(void *context)
{
    struct user *user = context;
    struct weir_kept_file *mine[PER_THREAD];
    uint64_t last[PER_THREAD] = {0};
    unsigned flags = WEIR_OPEN_READ | WEIR_OPEN_WRITE | WEIR_OPEN_CREATE;
    for (int i = 0; i < PER_THREAD; i++)
        mine[i] = weir_kept_file_new(user->env->budget, user->set);
    for (uint64_t turn = 1; turn <= TURNS; turn++) {
        int i = (int)((turn * 7 + turn / 3) % PER_THREAD);
        char path[WEIR_TEST_PATH_SIZE + 32];
        uint64_t found = 0;
        (void)snprintf(path, sizeof path, "%s/%d-%d", user->folder, user->number, i);
        if (weir_kept_file_hold(mine[i], user->env, path, flags, NULL) < 0) {
            user->failures++;
            continue;
        }
        int64_t got = weir_file_read(mine[i]->file, &found, sizeof found, 0, NULL);
        if (last[i] != 0 && (got != sizeof found || found != last[i])) user->failures++;
        weir_kept_file_note_write(mine[i]);
        struct weir_iovec part = {&turn, sizeof turn};
        if (weir_file_write(mine[i]->file, &part, 1, 0, NULL) < 0) user->failures++;
        last[i] = turn;
        if (turn % 50 == 0 && weir_kept_file_sync(mine[i], NULL) < 0) user->failures++;
        weir_kept_file_release(mine[i]);
        if (turn % 500 == 0) {
            weir_kept_file_unref(mine[i]);
            mine[i] = weir_kept_file_new(user->env->budget, user->set);
        }
    }
    for (int i = 0; i < PER_THREAD; i++)
        weir_kept_file_unref(mine[i]);
    return NULL;
}

START_TEST(threads_share_a_set)
{
    char folder[WEIR_TEST_PATH_SIZE];
    struct weir_env *real = NULL;
    struct weir_file_set shared;
    struct user users[THREADS] = {0};
    weir_test_directory(folder);
    ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &real, &error), &error);
    weir_file_set_init(&shared, THREADS * PER_THREAD / 2);
    for (int i = 0; i < THREADS; i++) {
        users[i] = (struct user){.env = real, .set = &shared, .folder = folder, .number = i};
        ck_assert_int_eq(pthread_create(&users[i].id, NULL, use_files, &users[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(users[i].id, NULL), 0);
        ck_assert_int_eq(users[i].failures, 0);
    }
    ck_assert_uint_eq(weir_file_set_count(&shared), 0);
    ck_assert_int_gt(atomic_load(&shared.closed), 0);
    weir_env_uv_free(real);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("file set");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, no_more_than_the_bound_are_open);
    tcase_add_test(tests, what_is_in_use_stays_open);
    tcase_add_test(tests, the_bound_gives_way_to_holders);
    tcase_add_test(tests, half_of_the_places_are_lent);
    tcase_add_test(tests, a_dirty_file_is_synced_before_it_is_closed);
    tcase_add_test(tests, clean_files_go_first);
    tcase_add_test(tests, a_failed_sync_is_told_to_the_owner);
    tcase_add_test(tests, a_later_write_keeps_a_file_dirty);
    tcase_add_test(tests, the_set_yields_to_a_need);
    suite_add_tcase(suite, tests);
    TCase *threads = tcase_create("threads");
    tcase_set_timeout(threads, 120);
    tcase_add_test(threads, threads_share_a_set);
    suite_add_tcase(suite, threads);
}

int main(void)
{
    return weir_test_main("log file set", add);
}
