#include "broker/log/boot_file.h"

#include <string.h>

#include "base/env/sim/sim.h"
#include "broker/log/small_file.h"
#include "tests/support/support.h"

/* `boot-id` is believed only as it was written, by the boot that runs, in the folder that is asked for. */
static struct weir_sim *sim;
static struct weir_env *env;
static struct weir_error error;

static void set_up(void)
{
    sim = weir_sim_new(&(struct weir_sim_options){.seed = 1});
    env = weir_sim_node(sim, 0);
    ck_ok(weir_make_directory(env, "/log", &error), &error);
    ck_ok(weir_make_directory(env, "/log/a-0", &error), &error);
    ck_ok(weir_make_directory(env, "/log/b-0", &error), &error);
}

static void tear_down(void)
{
    weir_sim_free(sim);
}

static bool is_current(const char *directory)
{
    bool is_current;
    ck_ok(weir_boot_file_is_current(env, directory, &is_current, &error), &error);
    return is_current;
}

static void write_text(const char *text, size_t size)
{
    struct weir_small_file_replace replace = {
        .env = env, .directory = "/log/a-0", .name = "boot-id", .bytes = weir_slice(text, size)};
    ck_ok(weir_small_file_replace(&replace, &error), &error);
}

/* The id of the boot and a newline, and nothing else is. */
START_TEST(the_file_has_the_id_and_a_newline)
{
    struct weir_buffer bytes;
    struct weir_boot_id id = weir_boot_id(env);
    size_t size = strlen(id.text);
    ck_assert(!is_current("/log/a-0"));
    weir_boot_file_write(env, "/log/a-0");
    ck_assert(is_current("/log/a-0"));
    ck_assert(!is_current("/log/b-0"));
    weir_buffer_init(&bytes, env->budget, 0);
    ck_ok(weir_small_file_read(env, "/log/a-0/boot-id", 1024, &bytes, &error), &error);
    ck_assert_uint_eq(bytes.size, size + 1);
    ck_assert_mem_eq(bytes.data, id.text, size);
    ck_assert_int_eq(bytes.data[size], '\n');

    /* Written over what was there, whatever its length. */
    write_text("some older and far longer text, as long as a line of a book may be\n", 67);
    ck_assert(!is_current("/log/a-0"));
    weir_boot_file_write(env, "/log/a-0");
    ck_assert(is_current("/log/a-0"));
    weir_buffer_close(&bytes);
}
END_TEST

/* Each bit counts, and so does each byte too many or too few. */
START_TEST(what_is_not_the_id_is_not_believed)
{
    char text[WEIR_BOOT_ID_SIZE + 2] = {0};
    struct weir_boot_id id = weir_boot_id(env);
    size_t size = strlen(id.text) + 1;
    memcpy(text, id.text, size - 1);
    text[size - 1] = '\n';
    write_text(text, size);
    ck_assert(is_current("/log/a-0"));
    for (size_t i = 0; i < size; i++) {
        text[i] ^= 1;
        write_text(text, size);
        ck_assert(!is_current("/log/a-0"));
        text[i] ^= 1;
        write_text(text, i);
        ck_assert(!is_current("/log/a-0"));
    }
    text[size] = '\n';
    write_text(text, size + 1);
    ck_assert(!is_current("/log/a-0"));
}
END_TEST

/* A kill leaves the boot as it is; a loss of power is another one, of which the old file says nothing. */
START_TEST(another_boot_has_another_id)
{
    weir_boot_file_write(env, "/log/a-0");
    weir_sim_crash(sim, 0, WEIR_SIM_KILL);
    env = weir_sim_node(sim, 0);
    ck_assert(is_current("/log/a-0"));
    struct weir_file *file;
    ck_ok(weir_file_open(env, "/log/a-0/boot-id", WEIR_OPEN_READ, &file, &error), &error);
    ck_ok(weir_sync_file_system(file, &error), &error);
    weir_file_close(file);
    weir_sim_crash(sim, 0, WEIR_SIM_POWER);
    env = weir_sim_node(sim, 0);
    ck_assert(!is_current("/log/a-0"));
    weir_boot_file_write(env, "/log/a-0");
    ck_assert(is_current("/log/a-0"));
}
END_TEST

/* Forgotten for one folder, for the folder of a file, for all. */
START_TEST(what_is_forgotten_is_not_current)
{
    struct weir_file *file;
    weir_boot_file_write(env, "/log/a-0");
    weir_boot_file_write(env, "/log/b-0");
    weir_boot_file_forget(env, "/log/a-0");
    ck_assert(!is_current("/log/a-0"));
    ck_assert(is_current("/log/b-0"));
    ck_ok(weir_file_open(env, "/log/b-0/x.log", WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &file, &error),
          &error);
    weir_boot_file_write(env, "/log/a-0");
    weir_boot_file_forget_beside(file);
    weir_file_close(file);
    ck_assert(!is_current("/log/b-0"));
    ck_assert(is_current("/log/a-0"));
    weir_boot_file_write(env, "/log/b-0");
    weir_boot_file_forget_all(env, "/log");
    ck_assert(!is_current("/log/a-0"));
    ck_assert(!is_current("/log/b-0"));
}
END_TEST

/* A shortage is no answer: a later one may be yes. */
START_TEST(a_shortage_is_no_answer)
{
    bool is_current = true;
    weir_boot_file_write(env, "/log/a-0");
    weir_sim_disk_count_reset(sim, 0);
    weir_sim_disk_plan(sim, 0,
                       (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_NO_HANDLE, .at = 1});
    ck_code(weir_boot_file_is_current(env, "/log/a-0", &is_current, &error), WEIR_LIMIT);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("boot id");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, the_file_has_the_id_and_a_newline);
    tcase_add_test(tests, what_is_not_the_id_is_not_believed);
    tcase_add_test(tests, another_boot_has_another_id);
    tcase_add_test(tests, what_is_forgotten_is_not_current);
    tcase_add_test(tests, a_shortage_is_no_answer);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("boot file", add);
}
