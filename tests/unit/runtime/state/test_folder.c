#include "base/env/sim/sim.h"
#include "runtime/state/folder.h"
#include "tests/support/support.h"

static void write_file(struct weir_env *env, const char *path)
{
    struct weir_error error = {0};
    struct weir_file *file;
    ck_ok(weir_file_open(env, path, WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &file, &error), &error);
    ck_ok(weir_file_sync(file, &error), &error);
    weir_file_close(file);
}

/* Whoever syncs a file and its folder has it after a loss of power: the folders above are durable too. */
START_TEST(what_is_synced_in_a_new_folder_is_there_after_a_loss_of_power)
{
    struct weir_error error = {0};
    struct weir_sim *sim = weir_sim_new(&(struct weir_sim_options){.seed = (uint64_t)_i});
    struct weir_env *env = weir_sim_node(sim, 0);
    ck_ok(weir_folder_make(env, "state/app/0_1", &error), &error);
    ck_ok(weir_folder_make(env, "state/app/0_1", &error), &error);
    write_file(env, "state/app/0_1/rows");
    ck_ok(weir_sync_directory(env, "state/app/0_1", &error), &error);
    weir_sim_crash(sim, 0, WEIR_SIM_POWER);

    struct weir_file *file;
    env = weir_sim_node(sim, 0);
    ck_ok(weir_file_open(env, "state/app/0_1/rows", WEIR_OPEN_READ, &file, &error), &error);
    weir_file_close(file);
    weir_sim_free(sim);
}
END_TEST

/* A folder that is there is no error, and one without a folder above it is. */
START_TEST(a_folder_is_added_where_its_parent_is)
{
    struct weir_error error = {0};
    struct weir_sim *sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    struct weir_env *env = weir_sim_node(sim, 0);
    ck_ok(weir_folder_add(env, "state", &error), &error);
    ck_ok(weir_folder_add(env, "state", &error), &error);
    ck_assert_int_eq(error.code, 0);
    ck_assert_int_eq(weir_folder_add(env, "other/app", &error), WEIR_NOT_FOUND);
    ck_assert_str_ne(error.text, "");
    weir_sim_free(sim);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("folder");
    tcase_add_loop_test(tests, what_is_synced_in_a_new_folder_is_there_after_a_loss_of_power, 1,
                        20);
    tcase_add_test(tests, a_folder_is_added_where_its_parent_is);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("folders of a state", add);
}
