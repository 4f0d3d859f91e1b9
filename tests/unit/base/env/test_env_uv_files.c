/* Files of the real environment, on a real directory. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/env/env.h"
#include "tests/support/support.h"

static struct weir_env *env;
static struct weir_error error;
static char directory[WEIR_TEST_PATH_SIZE];
static char path[WEIR_TEST_PATH_SIZE + 32];

static const char *in_directory(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void set_up(void)
{
    ck_ok(weir_env_uv_new(&(struct weir_env_uv_options){0}, &env, &error), &error);
    weir_test_directory(directory);
}

static void tear_down(void)
{
    weir_env_uv_free(env);
}

static struct weir_file *open_new(const char *name)
{
    struct weir_file *file = NULL;
    unsigned flags = WEIR_OPEN_READ | WEIR_OPEN_WRITE | WEIR_OPEN_CREATE;
    ck_ok(weir_file_open(env, in_directory(name), flags, &file, &error), &error);
    return file;
}

static void write_text(struct weir_file *file, const char *text, int64_t position)
{
    struct weir_iovec part = {text, strlen(text)};
    ck_ok(weir_file_write(file, &part, 1, position, &error), &error);
}

static void expect_text(struct weir_file *file, const char *expected)
{
    char found[128] = {0};
    int64_t size = weir_file_read(file, found, sizeof found - 1, 0, &error);
    ck_assert_int_eq(size, (int64_t)strlen(expected));
    ck_assert_str_eq(found, expected);
}

static bool is_removed(struct weir_file *file)
{
    struct weir_file_stat stat;
    ck_ok(weir_file_stat(file, &stat, &error), &error);
    return stat.is_removed;
}

/* What is written at a position is read there; a read past the end is short, not an error. */
START_TEST(file_round_trips_and_reads_short_at_the_end)
{
    struct weir_file *file = open_new("round");
    write_text(file, "hello world", 0);
    write_text(file, "W", 6);
    expect_text(file, "hello World");
    char byte;
    ck_assert_int_eq(weir_file_read(file, &byte, 1, 500, &error), 0);
    ck_ok(weir_file_sync(file, &error), &error);
    ck_ok(weir_sync_file_system(file, &error), &error);
    weir_file_drop_cache(file, 0, 11);
    expect_text(file, "hello World");
    weir_file_close(file);
}
END_TEST

/* An open file whose name is gone says so; one that is called otherwise does not. */
START_TEST(a_removed_file_is_told_from_a_renamed_one)
{
    char renamed[sizeof path];
    char name[sizeof path];
    (void)strcpy(renamed, in_directory("renamed"));
    (void)strcpy(name, in_directory("name"));
    struct weir_file *file = open_new("name");
    struct weir_file *other = open_new("other");
    ck_assert(!is_removed(file) && !is_removed(other));
    ck_ok(weir_rename(env, name, renamed, &error), &error);
    ck_assert(!is_removed(file) && !is_removed(other));
    ck_ok(weir_rename(env, renamed, in_directory("other"), &error), &error);
    ck_assert(!is_removed(file) && is_removed(other));
    ck_ok(weir_remove(env, in_directory("other"), &error), &error);
    ck_assert(is_removed(file));
    weir_file_close(other);
    weir_file_close(file);
}
END_TEST

/* What was just written is in memory, wherever in the file; the end of the file needs no disk. What the
 * cache was made to drop is not: shown where the file system can tell. */
START_TEST(a_cached_range_is_told_from_a_cold_one)
{
    enum { SIZE = 1 << 20 };
    static uint8_t bytes[SIZE];
    struct weir_file *file = open_new("cached");
    struct weir_iovec part = {bytes, SIZE};
    ck_ok(weir_file_write(file, &part, 1, 0, &error), &error);
    bool can_tell = weir_file_is_cached(file, 0, 1); /* not on every file system */
    ck_assert_int_eq(weir_file_is_cached(file, 0, SIZE), can_tell);
    ck_assert_int_eq(weir_file_is_cached(file, SIZE - 7, 100), can_tell);
    ck_assert(weir_file_is_cached(file, 5, 0));
    char read[100];
    ck_assert_int_eq(weir_file_read_cached(file, read, 100, 5000), can_tell ? 100 : WEIR_END);
    ck_assert_int_eq(weir_file_read_cached(file, read, 100, SIZE - 7), can_tell ? 7 : WEIR_END);
    ck_ok(weir_file_sync(file, &error), &error);
    weir_file_drop_cache(file, 0, SIZE / 2);
    uint8_t first;
    bool is_cached = weir_file_is_cached(file, 0, SIZE);
    ck_assert_int_eq(weir_file_read(file, &first, 1, 0, &error), 1);
    ck_assert(!is_cached || can_tell); /* tmpfs drops nothing: there is no more to say */
    weir_file_close(file);
}
END_TEST

/* A gather write of more parts than one system call takes, empty ones among them, arrives whole. */
START_TEST(gather_write_of_many_parts_arrives_whole)
{
    enum { PARTS = 3000 };
    static struct weir_iovec parts[PARTS];
    static char expected[2 * PARTS];
    static char found[2 * PARTS];
    size_t size = 0;
    for (size_t i = 0; i < PARTS; i++) {
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
        parts[i] = (struct weir_iovec){letters + i % 24, i % 3};
        memcpy(expected + size, parts[i].base, parts[i].size);
        size += parts[i].size;
    }
    struct weir_file *file = open_new("parts");
    ck_ok(weir_file_write(file, parts, PARTS, 0, &error), &error);
    ck_assert_int_eq(weir_file_read(file, found, sizeof found, 0, &error), (int64_t)size);
    ck_assert_mem_eq(found, expected, size);
    weir_file_close(file);
}
END_TEST

/* A file lies on its folder's file system, and not on that of processes. */
START_TEST(stat_tells_file_systems_apart)
{
    struct weir_file *file = open_new("file");
    struct weir_file_stat of_file = {0};
    struct weir_file_stat of_folder = {0};
    struct weir_file_stat of_other = {0};
    ck_ok(weir_file_stat(file, &of_file, &error), &error);
    ck_ok(weir_stat(env, directory, &of_folder, &error), &error);
    ck_ok(weir_stat(env, "/proc", &of_other, &error), &error);
    ck_assert_uint_eq(of_file.device, of_folder.device);
    ck_assert_uint_ne(of_file.device, of_other.device);
    weir_file_close(file);
}
END_TEST

/* Truncating cuts and grows; stat tells the size and the kind. */
START_TEST(truncate_and_stat_agree)
{
    struct weir_file *file = open_new("cut");
    struct weir_file_stat stat = {0};
    write_text(file, "0123456789", 0);
    ck_ok(weir_file_truncate(file, 4, &error), &error);
    expect_text(file, "0123");
    ck_ok(weir_file_truncate(file, 4096, &error), &error);
    ck_ok(weir_file_stat(file, &stat, &error), &error);
    ck_assert_int_eq(stat.size, 4096);
    ck_assert_int_eq(stat.kind, WEIR_FILE_REGULAR);
    ck_assert_int_gt(stat.modified.ms, 1500000000000);
    weir_file_close(file);
    ck_ok(weir_stat(env, directory, &stat, &error), &error);
    ck_assert_int_eq(stat.kind, WEIR_FILE_DIRECTORY);
}
END_TEST

/* The lock excludes a second handle of the same process and goes with its holder. */
START_TEST(lock_excludes_a_second_open_in_one_process)
{
    struct weir_file *first = open_new("lock");
    struct weir_file *second = open_new("lock");
    ck_ok(weir_file_lock(first, &error), &error);
    ck_code(weir_file_lock(second, &error), WEIR_LOCKED);
    ck_assert_ptr_nonnull(strstr(error.text, "/lock"));
    weir_file_close(first);
    ck_ok(weir_file_lock(second, &error), &error);
    weir_file_close(second);
}
END_TEST

/* So does that of a directory, which no file's removal takes away. */
START_TEST(a_directory_is_locked_as_a_file_is)
{
    struct weir_file *first = NULL;
    struct weir_file *second = NULL;
    ck_ok(weir_directory_lock(env, directory, &first, &error), &error);
    ck_assert_ptr_nonnull(first);
    ck_code(weir_directory_lock(env, directory, &second, &error), WEIR_LOCKED);
    ck_assert_ptr_null(second);
    ck_assert_ptr_nonnull(strstr(error.text, directory));
    weir_file_close(first);
    ck_ok(weir_directory_lock(env, directory, &second, &error), &error);
    weir_file_close(second);
}
END_TEST

/* Each failure has its code, and its text names the verb, the path and the reason. */
START_TEST(errors_name_verb_path_and_reason)
{
    struct weir_file *file = NULL;
    ck_code(weir_file_open(env, in_directory("none"), WEIR_OPEN_READ, &file, &error),
            WEIR_NOT_FOUND);
    ck_assert_ptr_null(file);
    ck_assert_ptr_nonnull(strstr(error.text, "open"));
    ck_assert_ptr_nonnull(strstr(error.text, path));
    ck_assert_ptr_nonnull(strstr(error.text, "No such file"));

    weir_file_close(open_new("there"));
    unsigned exclusive = WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_EXCLUSIVE;
    ck_code(weir_file_open(env, in_directory("there"), exclusive, &file, &error), WEIR_EXISTS);
    ck_code(weir_make_directory(env, in_directory("there"), &error), WEIR_EXISTS);
    ck_code(weir_remove(env, in_directory("none"), &error), WEIR_NOT_FOUND);
    ck_code(weir_sync_directory(env, in_directory("none"), &error), WEIR_NOT_FOUND);
    ck_code(weir_list(env, in_directory("none"), NULL, NULL, &error), WEIR_NOT_FOUND);
    ck_code(weir_rename(env, in_directory("none"), "/nowhere/new", &error), WEIR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(error.text, "' to '/nowhere/new'"));
}
END_TEST

static int note_name(void *context, const char *name, enum weir_file_kind kind)
{
    char *names = context;
    strcat(names, name);
    strcat(names, kind == WEIR_FILE_DIRECTORY ? "/ " : " ");
    return strcmp(name, "stop") == 0 ? WEIR_END : 0;
}

/* A listing is sorted by bytes, tells directories apart, and ends when the caller says so. */
START_TEST(list_is_sorted_and_ends_when_told)
{
    char names[128] = {0};
    weir_file_close(open_new("b"));
    weir_file_close(open_new("Z"));
    ck_ok(weir_make_directory(env, in_directory("a"), &error), &error);
    ck_ok(weir_list(env, directory, note_name, names, &error), &error);
    ck_assert_str_eq(names, "Z a/ b ");

    weir_file_close(open_new("stop"));
    weir_file_close(open_new("zz"));
    names[0] = 0;
    ck_assert_int_eq(weir_list(env, directory, note_name, names, &error), WEIR_END);
    ck_assert_str_eq(names, "Z a/ b stop ");
}
END_TEST

/* Rename replaces its target; remove takes files and empty directories. */
START_TEST(rename_replaces_and_remove_removes)
{
    char from[sizeof path];
    struct weir_file_stat stat;
    struct weir_file *file = open_new("from");
    strcpy(from, path);
    write_text(file, "new", 0);
    weir_file_close(file);
    weir_file_close(open_new("to"));
    ck_ok(weir_rename(env, from, in_directory("to"), &error), &error);
    ck_ok(weir_sync_directory(env, directory, &error), &error);
    ck_code(weir_stat(env, from, &stat, &error), WEIR_NOT_FOUND);
    file = open_new("to");
    expect_text(file, "new");
    weir_file_close(file);
    ck_ok(weir_remove(env, in_directory("to"), &error), &error);
    ck_ok(weir_make_directory(env, in_directory("sub"), &error), &error);
    ck_ok(weir_remove(env, in_directory("sub"), &error), &error);
    ck_code(weir_stat(env, in_directory("sub"), &stat, &error), WEIR_NOT_FOUND);
}
END_TEST

/* A program started from this one inherits none of our handles. */
START_TEST(handles_close_on_exec)
{
    int next = dup(0); /* the lowest free number: the file gets it */
    close(next);
    struct weir_file *file = open_new("exec");
    ck_assert_int_ne(fcntl(next, F_GETFD) & FD_CLOEXEC, 0);
    weir_file_close(file);
    ck_assert_int_eq(fcntl(next, F_GETFD), -1);
}
END_TEST

/* When memory is out, an open fails cleanly at each allocation and leaks no handle. */
START_TEST(open_without_memory_fails_and_leaks_no_handle)
{
    struct weir_file *file = NULL;
    int next = dup(0);
    close(next);
    int rc = WEIR_NO_MEMORY;
    for (uint64_t nth = 1; rc < 0; nth++) {
        atomic_store(&env->heap->fail_at, nth);
        rc = weir_file_open(env, in_directory("memory"), WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &file,
                            &error);
        ck_assert(rc == WEIR_NO_MEMORY || nth > 2);
        ck_assert(rc == WEIR_OK || fcntl(next, F_GETFD) == -1);
    }
    atomic_store(&env->heap->fail_at, 0);
    weir_file_close(file);
    ck_assert_uint_eq(atomic_load(&env->budget->used), 0);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("files");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_removed_file_is_told_from_a_renamed_one);
    tcase_add_test(tests, file_round_trips_and_reads_short_at_the_end);
    tcase_add_test(tests, a_cached_range_is_told_from_a_cold_one);
    tcase_add_test(tests, gather_write_of_many_parts_arrives_whole);
    tcase_add_test(tests, truncate_and_stat_agree);
    tcase_add_test(tests, stat_tells_file_systems_apart);
    tcase_add_test(tests, lock_excludes_a_second_open_in_one_process);
    tcase_add_test(tests, a_directory_is_locked_as_a_file_is);
    tcase_add_test(tests, errors_name_verb_path_and_reason);
    tcase_add_test(tests, list_is_sorted_and_ends_when_told);
    tcase_add_test(tests, rename_replaces_and_remove_removes);
    tcase_add_test(tests, handles_close_on_exec);
    tcase_add_test(tests, open_without_memory_fails_and_leaks_no_handle);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("env_uv_files", add);
}
