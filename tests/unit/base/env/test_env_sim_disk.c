/* The simulated disk: what a sync promises, what a crash may take, and each fault that can be planned. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env/sim/sim.h"
#include "tests/support/support.h"

enum { SEEDS = 200, SECTOR = 512 };

static struct weir_error error;
static struct weir_sim *sim;
static struct weir_env *env;

/* A world of its own for each seed. */
static void set_up_seed(uint64_t seed)
{
    weir_sim_free(sim);
    sim = weir_sim_new(&(struct weir_sim_options){.seed = seed});
    ck_assert_ptr_nonnull(sim);
    env = weir_sim_node(sim, 0);
}

static void set_up(void)
{
    set_up_seed(1);
}

static void tear_down(void)
{
    weir_sim_free(sim);
    sim = NULL;
}

static struct weir_file *open_file(const char *path)
{
    struct weir_file *file = NULL;
    unsigned flags = WEIR_OPEN_READ | WEIR_OPEN_WRITE | WEIR_OPEN_CREATE;
    ck_ok(weir_file_open(env, path, flags, &file, &error), &error);
    return file;
}

static int write_bytes(struct weir_file *file, const void *bytes, size_t size, int64_t position)
{
    struct weir_iovec part = {bytes, size};
    return weir_file_write(file, &part, 1, position, &error);
}

static void write_text(struct weir_file *file, const char *text, int64_t position)
{
    ck_ok(write_bytes(file, text, strlen(text), position), &error);
}

static void sync_file(struct weir_file *file)
{
    ck_ok(weir_file_sync(file, &error), &error);
}

static void sync_root(void)
{
    ck_ok(weir_sync_directory(env, "/", &error), &error);
}

static const char *text_of(const char *path)
{
    static char found[65536];
    struct weir_file *file = NULL;
    int rc = weir_file_open(env, path, WEIR_OPEN_READ, &file, &error);
    if (rc == WEIR_NOT_FOUND) return NULL;
    ck_ok(rc, &error);
    int64_t size = weir_file_read(file, found, sizeof found - 1, 0, &error);
    ck_assert_int_ge(size, 0);
    found[size] = 0;
    weir_file_close(file);
    return found;
}

static void expect_text(const char *path, const char *expected)
{
    const char *found = text_of(path);
    ck_assert_ptr_nonnull(found);
    ck_assert_str_eq(found, expected);
}

static bool exists(const char *path)
{
    struct weir_file_stat stat;
    return weir_stat(env, path, &stat, &error) == WEIR_OK;
}

static int64_t size_of(const char *path)
{
    struct weir_file_stat stat;
    ck_ok(weir_stat(env, path, &stat, &error), &error);
    return stat.size;
}

static void crash(enum weir_sim_crash_kind kind)
{
    weir_sim_crash(sim, 0, kind);
    env = weir_sim_node(sim, 0);
}

static void plan(enum weir_sim_fault fault, uint64_t at)
{
    weir_sim_disk_count_reset(sim, 0);
    weir_sim_disk_plan(sim, 0, (struct weir_sim_fault_plan){.fault = fault, .at = at});
}

/* ---- without faults -------------------------------------------------------------------------- */

/* The plain behaviour of files: holes read as zero, truncating cuts, reads end at the end. */
START_TEST(files_behave_as_files)
{
    struct weir_file *file = open_file("file");
    char bytes[16];
    write_text(file, "end", 10);
    ck_assert_int_eq(weir_file_read(file, bytes, sizeof bytes, 0, &error), 13);
    ck_assert_mem_eq(bytes, "\0\0\0\0\0\0\0\0\0\0end", 13);
    ck_ok(weir_file_truncate(file, 2, &error), &error);
    ck_ok(weir_file_truncate(file, 12, &error), &error);
    ck_assert_int_eq(weir_file_read(file, bytes, sizeof bytes, 8, &error), 4);
    ck_assert_mem_eq(bytes, "\0\0\0\0", 4);
    ck_assert_int_eq(weir_file_read(file, bytes, sizeof bytes, 12, &error), 0);
    weir_file_close(file);
}
END_TEST

static bool is_removed(struct weir_file *file)
{
    struct weir_file_stat stat;
    ck_ok(weir_file_stat(file, &stat, &error), &error);
    return stat.is_removed;
}

/* An open file whose name is gone says so; one that is called otherwise does not. */
START_TEST(a_removed_file_is_told_from_a_renamed_one)
{
    struct weir_file *file = open_file("name");
    struct weir_file *other = open_file("other");
    ck_assert(!is_removed(file) && !is_removed(other));
    ck_ok(weir_rename(env, "name", "renamed", &error), &error);
    ck_assert(!is_removed(file) && !is_removed(other));
    ck_ok(weir_rename(env, "renamed", "other", &error), &error);
    ck_assert(!is_removed(file) && is_removed(other));
    ck_ok(weir_remove(env, "other", &error), &error);
    ck_assert(is_removed(file));
    weir_file_close(other);
    weir_file_close(file);
}
END_TEST

/* Errors have the codes of the real environment and name the path. */
START_TEST(errors_have_the_real_ones_codes)
{
    struct weir_file *file = NULL;
    unsigned create = WEIR_OPEN_WRITE | WEIR_OPEN_CREATE;
    ck_code(weir_file_open(env, "none", WEIR_OPEN_READ, &file, &error), WEIR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(error.text, "open 'none'"));
    ck_code(weir_file_open(env, "none/file", create, &file, &error), WEIR_NOT_FOUND);
    weir_file_close(open_file("there"));
    ck_code(weir_file_open(env, "there", create | WEIR_OPEN_EXCLUSIVE, &file, &error), WEIR_EXISTS);
    ck_code(weir_make_directory(env, "there", &error), WEIR_EXISTS);
    ck_code(weir_remove(env, "none", &error), WEIR_NOT_FOUND);
    ck_code(weir_rename(env, "none", "new", &error), WEIR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(error.text, "rename 'none' to 'new'"));
    ck_code(weir_sync_directory(env, "none", &error), WEIR_NOT_FOUND);
    ck_code(weir_list(env, "none", NULL, NULL, &error), WEIR_NOT_FOUND);
    ck_ok(weir_make_directory(env, "full", &error), &error);
    weir_file_close(open_file("full/file"));
    ck_code(weir_remove(env, "full", &error), WEIR_EXISTS);
    ck_assert_ptr_null(file);
}
END_TEST

static int note_name(void *context, const char *name, enum weir_file_kind kind)
{
    strcat(context, name);
    strcat(context, kind == WEIR_FILE_DIRECTORY ? "/ " : " ");
    if (kind == WEIR_FILE_REGULAR) ck_ok(weir_remove(env, name, &error), &error);
    return 0;
}

/* A listing is sorted by bytes and may remove what it is shown. */
START_TEST(list_is_sorted_and_may_remove)
{
    char names[64] = {0};
    weir_file_close(open_file("b"));
    weir_file_close(open_file("Z"));
    ck_ok(weir_make_directory(env, "a", &error), &error);
    ck_ok(weir_list(env, "/", note_name, names, &error), &error);
    ck_assert_str_eq(names, "Z a/ b ");
    ck_assert(!exists("b"));
}
END_TEST

/* A lock excludes other handles until its holder is closed or its node crashes. */
START_TEST(a_lock_goes_with_its_holder)
{
    struct weir_file *first = open_file("lock");
    struct weir_file *second = open_file("lock");
    ck_ok(weir_file_lock(first, &error), &error);
    ck_ok(weir_file_lock(first, &error), &error);
    ck_code(weir_file_lock(second, &error), WEIR_LOCKED);
    weir_file_close(first);
    ck_ok(weir_file_lock(second, &error), &error);
    crash(WEIR_SIM_KILL);
    struct weir_file *third = open_file("lock");
    ck_ok(weir_file_lock(third, &error), &error);
}
END_TEST

/* A removed file lives on for who has it open, and takes no room afterwards. */
START_TEST(a_removed_file_lives_until_it_is_closed)
{
    char bytes[4] = {0};
    struct weir_file *file = open_file("file");
    write_text(file, "abc", 0);
    ck_ok(weir_remove(env, "file", &error), &error);
    ck_assert(!exists("file"));
    ck_assert_int_eq(weir_file_read(file, bytes, 3, 0, &error), 3);
    ck_assert_str_eq(bytes, "abc");
    weir_file_close(file);
    sync_root();
    weir_sim_disk_limit(sim, 0, 3);
    write_text(open_file("next"), "xyz", 0);
}
END_TEST

/* ---- what crashes keep ----------------------------------------------------------------------- */

/* After a kill all written bytes and entries are there, synced or not; a power loss may then still
 * take what was not synced. */
START_TEST(a_kill_keeps_written_bytes_and_leaves_them_unsynced)
{
    int lost = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up_seed(seed);
        write_text(open_file("file"), "written", 0);
        crash(WEIR_SIM_KILL);
        expect_text("file", "written");
        crash(WEIR_SIM_POWER);
        if (!exists("file")) lost++;
    }
    ck_assert_int_gt(lost, 0);
    ck_assert_int_lt(lost, SEEDS);
}
END_TEST

/* A synced byte under a synced entry survives every power loss, whatever is written around it. */
START_TEST(a_synced_byte_survives_power_loss)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up_seed(seed);
        char synced[700];
        char unsynced[3000];
        memset(synced, 's', sizeof synced);
        memset(unsynced, 'u', sizeof unsynced);
        struct weir_file *file = open_file("file");
        ck_ok(write_bytes(file, synced, sizeof synced, 0), &error);
        sync_file(file);
        sync_root();
        /* The same sector goes on, and some of the synced bytes are overwritten elsewhere. */
        ck_ok(write_bytes(file, unsynced, sizeof unsynced, 700), &error);
        ck_ok(write_bytes(file, unsynced, 10, 100), &error);
        crash(WEIR_SIM_POWER);
        const char *found = text_of("file");
        ck_assert_ptr_nonnull(found);
        ck_assert_int_ge(size_of("file"), 700);
        ck_assert_mem_eq(found, synced, 100);
        ck_assert_mem_eq(found + 110, synced, 590);
    }
}
END_TEST

/* What became of one unsynced sector that replaced another. */
struct fates {
    int kept, lost, torn, garbage, hole, shorter;
};

static void note_fate(struct fates *fates, const char *sector, size_t left)
{
    size_t news = 0;
    size_t olds = 0;
    size_t zeros = 0;
    if (left < SECTOR) {
        fates->shorter++;
        return;
    }
    for (size_t i = 0; i < SECTOR; i++) {
        news += sector[i] == 'n';
        olds += sector[i] == 'o';
        zeros += sector[i] == 0;
    }
    if (news == SECTOR)
        fates->kept++;
    else if (olds == SECTOR)
        fates->lost++;
    else if (zeros == SECTOR)
        fates->hole++;
    else if (news + olds == SECTOR)
        fates->torn++;
    else
        fates->garbage++;
}

/* Over the seeds an unsynced overwrite shows every fate, and an unsynced append leaves holes too. */
START_TEST(unsynced_sectors_meet_every_fate)
{
    static char old[8 * SECTOR];
    static char new[16 * SECTOR];
    struct fates over = {0};
    struct fates appended = {0};
    memset(old, 'o', sizeof old);
    memset(new, 'n', sizeof new);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up_seed(seed);
        struct weir_file *file = open_file("file");
        ck_ok(write_bytes(file, old, sizeof old, 0), &error);
        sync_file(file);
        sync_root();
        ck_ok(write_bytes(file, new, sizeof new, 0), &error);
        crash(WEIR_SIM_POWER);
        const char *found = text_of("file");
        size_t size = (size_t)size_of("file");
        ck_assert_uint_ge(size, sizeof old);
        for (size_t i = 0; i < sizeof new &&i < size; i += SECTOR) {
            note_fate(i < sizeof old ? &over : &appended, found + i, size - i);
        }
    }
    ck_assert_int_gt(over.kept, 0);
    ck_assert_int_gt(over.lost, 0);
    ck_assert_int_gt(over.torn, 0);
    ck_assert_int_gt(over.garbage, 0);
    ck_assert_int_eq(over.hole, 0);
    ck_assert_int_gt(appended.kept, 0);
    ck_assert_int_gt(appended.hole, 0);
    ck_assert_int_gt(appended.shorter, 0);
    ck_assert_int_eq(appended.lost, 0);
}
END_TEST

/* Two unsynced writes of one place: a power loss may leave the older one. */
START_TEST(an_overwritten_unsynced_version_may_come_back)
{
    int seen[3] = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up_seed(seed);
        struct weir_file *file = open_file("file");
        write_text(file, "aaaa", 0);
        sync_file(file);
        sync_root();
        write_text(file, "bbbb", 0);
        write_text(file, "cccc", 0);
        crash(WEIR_SIM_POWER);
        const char *found = text_of("file");
        for (int i = 0; i < 3; i++) {
            seen[i] += strspn(found, (const char *[]){"a", "b", "c"}[i]) == 4;
        }
    }
    ck_assert_int_gt(seen[0], 0);
    ck_assert_int_gt(seen[1], 0);
    ck_assert_int_gt(seen[2], 0);
}
END_TEST

/* An unsynced entry may vanish, with the synced file behind it, and may stay. */
START_TEST(an_unsynced_entry_may_vanish_and_may_stay)
{
    int stayed = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up_seed(seed);
        struct weir_file *file = open_file("file");
        write_text(file, "synced", 0);
        sync_file(file);
        crash(WEIR_SIM_POWER);
        if (exists("file")) {
            expect_text("file", "synced");
            stayed++;
        }
    }
    ck_assert_int_gt(stayed, 0);
    ck_assert_int_lt(stayed, SEEDS);
}
END_TEST

/* The usual way to replace a file: after a power loss the name has the old bytes or the new ones. */
START_TEST(a_rename_is_atomic_but_may_be_lost)
{
    int replaced = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up_seed(seed);
        struct weir_file *file = open_file("file");
        write_text(file, "old", 0);
        sync_file(file);
        sync_root();
        struct weir_file *next = open_file("file.tmp");
        write_text(next, "new", 0);
        sync_file(next);
        ck_ok(weir_rename(env, "file.tmp", "file", &error), &error);
        expect_text("file", "new");
        crash(WEIR_SIM_POWER);
        const char *found = text_of("file");
        ck_assert_ptr_nonnull(found);
        bool is_new = strcmp(found, "new") == 0;
        ck_assert(is_new || strcmp(found, "old") == 0);
        ck_assert(!is_new || !exists("file.tmp"));
        replaced += is_new;
    }
    ck_assert_int_gt(replaced, 0);
    ck_assert_int_lt(replaced, SEEDS);
}
END_TEST

/* A synced directory keeps a rename and a removal; both parents matter to a move between them. */
START_TEST(a_synced_directory_keeps_its_changes)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up_seed(seed);
        ck_ok(weir_make_directory(env, "from", &error), &error);
        ck_ok(weir_make_directory(env, "to", &error), &error);
        sync_root();
        struct weir_file *file = open_file("from/file");
        write_text(file, "x", 0);
        sync_file(file);
        weir_file_close(open_file("to/gone"));
        ck_ok(weir_sync_directory(env, "to", &error), &error);
        ck_ok(weir_remove(env, "to/gone", &error), &error);
        ck_ok(weir_rename(env, "from/file", "to/file", &error), &error);
        ck_ok(weir_sync_directory(env, "to", &error), &error);
        crash(WEIR_SIM_POWER);
        expect_text("to/file", "x");
        ck_assert(!exists("from/file"));
        ck_assert(!exists("to/gone"));
    }
}
END_TEST

/* A sync of the file system keeps everything: bytes and entries of files that were never synced. */
START_TEST(a_sync_of_the_file_system_keeps_everything)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up_seed(seed);
        ck_ok(weir_make_directory(env, "dir", &error), &error);
        struct weir_file *file = open_file("dir/file");
        write_text(file, "all of it", 0);
        write_text(open_file("other"), "too", 0);
        ck_ok(weir_sync_file_system(file, &error), &error);
        uint64_t hash = weir_sim_disk_hash(sim, 0, "/");
        crash(WEIR_SIM_POWER);
        expect_text("dir/file", "all of it");
        ck_assert_uint_eq(weir_sim_disk_hash(sim, 0, "/"), hash);
    }
}
END_TEST

/* Of another file system, mounted on a directory, it says nothing. */
START_TEST(a_sync_of_one_file_system_says_nothing_of_another)
{
    int lost = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up_seed(seed);
        ck_ok(weir_sim_disk_mount(sim, 0, "other"), NULL);
        struct weir_file *here = open_file("file");
        write_text(here, "kept", 0);
        struct weir_file *there = open_file("other/file");
        write_text(there, "lost", 0);
        struct weir_file_stat stats[2];
        ck_ok(weir_file_stat(here, &stats[0], &error), &error);
        ck_ok(weir_file_stat(there, &stats[1], &error), &error);
        ck_assert_uint_ne(stats[0].device, stats[1].device);
        ck_ok(weir_sync_file_system(here, &error), &error);
        crash(WEIR_SIM_POWER);
        expect_text("file", "kept");
        lost += !exists("other/file");
    }
    ck_assert_int_gt(lost, 0);
}
END_TEST

/* A truncate that was not synced may be undone; after a sync it may not, not even behind a hole. */
START_TEST(an_unsynced_truncate_may_be_undone)
{
    int undone = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up_seed(seed);
        struct weir_file *file = open_file("file");
        write_text(file, "0123456789", 0);
        sync_file(file);
        sync_root();
        ck_ok(weir_file_truncate(file, 4, &error), &error);
        crash(WEIR_SIM_POWER);
        int64_t size = size_of("file");
        ck_assert_int_ge(size, 4);
        ck_assert_mem_eq(text_of("file"), "0123", 4);
        undone += size == 10;

        file = open_file("file");
        ck_ok(weir_file_truncate(file, 4, &error), &error);
        write_text(file, "z", 8);
        sync_file(file);
        crash(WEIR_SIM_POWER);
        ck_assert_int_eq(size_of("file"), 9);
        ck_assert_mem_eq(text_of("file"), "0123\0\0\0\0z", 9);
    }
    ck_assert_int_gt(undone, 0);
    ck_assert_int_lt(undone, SEEDS);
}
END_TEST

/* What a power loss left is on the disk: the next one changes nothing. */
START_TEST(what_a_power_loss_left_is_durable)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up_seed(seed);
        ck_ok(weir_make_directory(env, "dir", &error), &error);
        write_text(open_file("dir/file"), "some bytes", 0);
        write_text(open_file("file"), "some more", 2000);
        crash(WEIR_SIM_POWER);
        uint64_t hash = weir_sim_disk_hash(sim, 0, "/");
        crash(WEIR_SIM_POWER);
        ck_assert_uint_eq(weir_sim_disk_hash(sim, 0, "/"), hash);
    }
}
END_TEST

/* ---- faults ---------------------------------------------------------------------------------- */

/* A failed sync never makes the lost bytes durable later: not by a second sync, not by time. */
START_TEST(a_failed_sync_loses_its_bytes_for_good)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up_seed(seed);
        struct weir_file *file = open_file("file");
        write_text(file, "good", 0);
        sync_file(file);
        sync_root();
        write_text(file, "lost", 4);
        plan(WEIR_SIM_FAULT_SYNC, 1);
        ck_code(weir_file_sync(file, &error), WEIR_IO);
        expect_text("file", "goodlost"); /* the cache still shows them */
        write_text(file, "next", 8);
        sync_file(file);
        crash(WEIR_SIM_POWER);
        ck_assert_int_eq(size_of("file"), 12);
        ck_assert_mem_eq(text_of("file"), "good\0\0\0\0next", 12);
    }
}
END_TEST

/* Dropping the cache shows what the disk holds after a failed sync; unsynced bytes stay to be seen. */
START_TEST(dropping_the_cache_shows_the_disk)
{
    struct weir_file *file = open_file("file");
    write_text(file, "good", 0);
    sync_file(file);
    weir_file_drop_cache(file, 0, 100);
    expect_text("file", "good");
    write_text(file, "LOST", 0);
    plan(WEIR_SIM_FAULT_SYNC, 1);
    ck_code(weir_file_sync(file, &error), WEIR_IO);
    write_text(file, "+", 4);
    expect_text("file", "LOST+");
    weir_file_drop_cache(file, 0, 100);
    expect_text("file", "good+");
}
END_TEST

/* A failed sync of a directory: the entry is seen until the crash and then gone, in every run. */
START_TEST(a_failed_directory_sync_loses_the_entry)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        set_up_seed(seed);
        weir_file_close(open_file("file"));
        plan(WEIR_SIM_FAULT_SYNC, 1);
        ck_code(weir_sync_directory(env, "/", &error), WEIR_IO);
        sync_root();
        ck_assert(exists("file"));
        crash(WEIR_SIM_POWER);
        ck_assert(!exists("file"));
    }
}
END_TEST

/* A failed sync of the file system loses what was unsynced anywhere. */
START_TEST(a_failed_file_system_sync_loses_it_all)
{
    struct weir_file *file = open_file("file");
    sync_root();
    write_text(file, "lost", 0);
    plan(WEIR_SIM_FAULT_SYNC, 1);
    ck_code(weir_sync_file_system(file, &error), WEIR_IO);
    ck_ok(weir_sync_file_system(file, &error), &error);
    crash(WEIR_SIM_POWER);
    ck_assert_mem_eq(text_of("file"), "\0\0\0\0", (size_t)size_of("file"));
}
END_TEST

/* EIO changes nothing, fires once unless it is sticky, and only at its operation. */
START_TEST(an_io_error_changes_nothing)
{
    struct weir_file *file = open_file("file");
    write_text(file, "before", 0);
    plan(WEIR_SIM_FAULT_EIO, 2);
    write_text(file, "B", 0);
    ck_code(write_bytes(file, "xxx", 3, 3), WEIR_IO);
    ck_assert_ptr_nonnull(strstr(error.text, "write 'file'"));
    expect_text("file", "Before");
    write_text(file, "E", 1);
    weir_sim_disk_count_reset(sim, 0);
    write_text(file, "f", 2);
    write_text(file, "o", 3); /* number two again: a plan fires once */
    expect_text("file", "BEfore");

    weir_sim_disk_count_reset(sim, 0);
    weir_sim_disk_plan(
        sim, 0, (struct weir_sim_fault_plan){WEIR_SIM_FAULT_EIO, .at = 1, .is_sticky = true});
    ck_code(weir_remove(env, "file", &error), WEIR_IO);
    ck_code(weir_rename(env, "file", "new", &error), WEIR_IO);
    ck_code(weir_make_directory(env, "dir", &error), WEIR_IO);
    ck_code(weir_sync_directory(env, "/", &error), WEIR_IO);
    ck_code(weir_file_sync(file, &error), WEIR_IO);
    ck_code(weir_file_truncate(file, 0, &error), WEIR_IO);
    ck_code(weir_sync_file_system(file, &error), WEIR_IO);
    expect_text("file", "BEfore");
    ck_assert_uint_eq(weir_sim_disk_count(sim, 0), 7);
}
END_TEST

/* A read that is planned to fail does; the next one gives the bytes. */
START_TEST(a_planned_read_fails_once)
{
    char bytes[4];
    struct weir_file *file = open_file("file");
    write_text(file, "abc", 0);
    plan(WEIR_SIM_FAULT_READ_EIO, 2);
    ck_assert_int_eq(weir_file_read(file, bytes, 3, 0, &error), 3);
    ck_assert_int_eq(weir_file_read(file, bytes, 3, 0, &error), WEIR_IO);
    ck_assert_ptr_nonnull(strstr(error.text, "read 'file'"));
    ck_assert_int_eq(weir_file_read(file, bytes, 3, 0, &error), 3);
}
END_TEST

/* A torn write keeps exactly the prefix that was asked for, at every length. */
START_TEST(a_torn_write_keeps_exactly_a_prefix)
{
    static const char text[] = "0123456789";
    for (size_t torn = 0; torn <= sizeof text - 1; torn++) {
        set_up_seed(torn);
        struct weir_file *file = open_file("file");
        write_text(file, "head ", 0);
        weir_sim_disk_count_reset(sim, 0);
        weir_sim_disk_plan(sim, 0,
                           (struct weir_sim_fault_plan){WEIR_SIM_FAULT_TORN, .at = 1,
                                                        .crash = WEIR_SIM_KILL,
                                                        .torn_bytes = torn});
        struct weir_iovec parts[2] = {{text, 4}, {text + 4, 6}};
        ck_code(weir_file_write(file, parts, 2, 5, &error), WEIR_CRASHED);
        ck_assert(weir_sim_has_crashed(sim, 0));
        env = weir_sim_node(sim, 0);
        ck_assert_int_eq(size_of("file"), 5 + (int64_t)torn);
        ck_assert_mem_eq(text_of("file") + 5, text, torn);
    }
}
END_TEST

/* A full disk takes the leading bytes that fit; removing something makes room again. */
START_TEST(a_full_disk_refuses_what_does_not_fit)
{
    struct weir_file *file = open_file("file");
    weir_file_close(open_file("other"));
    struct weir_file *other = open_file("other");
    weir_sim_disk_limit(sim, 0, 10);
    write_text(other, "1234", 0);
    write_text(file, "abcd", 0);
    ck_code(write_bytes(file, "efgh", 4, 4), WEIR_NO_SPACE);
    expect_text("file", "abcdef");
    write_text(file, "ABCDEF", 0); /* overwriting needs no room */
    weir_file_close(other);
    ck_ok(weir_remove(env, "other", &error), &error);
    sync_root();
    write_text(file, "gh", 6);
    expect_text("file", "ABCDEFgh");
}
END_TEST

/* A planned ENOSPC meets writes and creations, and leaves at most a prefix of the write. */
START_TEST(a_planned_lack_of_space_leaves_a_prefix)
{
    struct weir_file *none = NULL;
    unsigned flags = WEIR_OPEN_WRITE | WEIR_OPEN_CREATE;
    struct weir_file *file = open_file("file");
    weir_sim_disk_plan(
        sim, 0, (struct weir_sim_fault_plan){WEIR_SIM_FAULT_ENOSPC, .at = 1, .is_sticky = true});
    ck_code(write_bytes(file, "abcdef", 6, 0), WEIR_NO_SPACE);
    const char *found = text_of("file");
    ck_assert_uint_lt(strlen(found), 6);
    ck_assert_mem_eq(found, "abcdef", strlen(found));
    ck_code(weir_file_open(env, "new", flags, &none, &error), WEIR_NO_SPACE);
    ck_code(weir_make_directory(env, "dir", &error), WEIR_NO_SPACE);
    ck_assert(!exists("new") && !exists("dir"));
    sync_file(file); /* a sync needs no space */
    ck_ok(weir_remove(env, "file", &error), &error);
}
END_TEST

/* Descriptors are counted: files, folders and lists need one, what is open goes on, and what is closed
 * makes room. A refused open has created and emptied nothing. */
START_TEST(descriptors_run_out)
{
    struct weir_file *none = NULL;
    unsigned flags = WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_TRUNCATE;
    struct weir_file *file = open_file("file");
    write_text(file, "abc", 0);
    size_t held = weir_sim_descriptors(sim, 0);
    weir_sim_descriptor_limit(sim, 0, held);
    ck_code(weir_file_open(env, "new", flags, &none, &error), WEIR_LIMIT);
    ck_code(weir_file_open(env, "file", flags, &none, &error), WEIR_LIMIT);
    ck_code(weir_sync_directory(env, "/", &error), WEIR_LIMIT);
    ck_code(weir_list(env, "/", NULL, NULL, &error), WEIR_LIMIT);
    ck_assert(!exists("new"));
    sync_file(file);
    weir_file_close(file);
    expect_text("file", "abc");
    ck_assert_uint_eq(weir_sim_descriptors(sim, 0), held - 1);
    sync_root();
    weir_sim_descriptor_limit(sim, 0, 0);
    uint64_t opens = weir_sim_open_count(sim, 0);
    weir_sim_disk_plan(sim, 0,
                       (struct weir_sim_fault_plan){WEIR_SIM_FAULT_NO_HANDLE, .at = opens + 2});
    sync_root();
    ck_code(weir_sync_directory(env, "/", &error), WEIR_LIMIT);
    sync_root(); /* a plan fires once */
}
END_TEST

/* ---- tools of a test ------------------------------------------------------------------------- */

/* A flipped bit is seen at once and after a crash; flipping it back restores the file. */
START_TEST(a_flipped_bit_is_in_both_images)
{
    struct weir_file *file = open_file("file");
    write_text(file, "abc", 0);
    sync_file(file);
    sync_root();
    uint64_t before = weir_sim_disk_hash(sim, 0, "file");
    ck_ok(weir_sim_disk_flip(sim, 0, "file", 1, 0), NULL);
    expect_text("file", "acc");
    crash(WEIR_SIM_POWER);
    expect_text("file", "acc");
    ck_ok(weir_sim_disk_flip(sim, 0, "file", 1, 0), NULL);
    ck_assert_uint_eq(weir_sim_disk_hash(sim, 0, "file"), before);
    ck_code(weir_sim_disk_flip(sim, 0, "file", 3, 0), WEIR_INVALID_ARGUMENT);
    ck_code(weir_sim_disk_flip(sim, 0, "none", 0, 0), WEIR_NOT_FOUND);
}
END_TEST

/* A copied disk is equal, durable, and apart from the original. */
START_TEST(a_copied_disk_is_equal_and_apart)
{
    ck_ok(weir_make_directory(env, "dir", &error), &error);
    struct weir_file *file = open_file("dir/file");
    write_text(file, "text", 0);
    weir_sim_disk_copy(sim, 0, 1);
    ck_assert_uint_eq(weir_sim_disk_hash(sim, 0, "/"), weir_sim_disk_hash(sim, 1, "/"));
    weir_sim_crash(sim, 1, WEIR_SIM_POWER);
    ck_assert_uint_eq(weir_sim_disk_hash(sim, 0, "/"), weir_sim_disk_hash(sim, 1, "/"));
    write_text(file, "T", 0);
    ck_assert_uint_ne(weir_sim_disk_hash(sim, 0, "/"), weir_sim_disk_hash(sim, 1, "/"));
    env = weir_sim_node(sim, 1);
    expect_text("dir/file", "text");
}
END_TEST

/* ---- a random walk --------------------------------------------------------------------------- */

enum { WALK_SIZE = 6000 };

/* Beside the disk: per byte what it may be after a power loss, as a set of the letters written since
 * it was last durable. */
struct expectation {
    uint8_t now[WALK_SIZE];
    uint32_t possible[WALK_SIZE]; /* bit n: letter 'a' + n; bit 31: zero */
    int64_t size;
};

static uint32_t bit_of(uint8_t byte)
{
    return byte == 0 ? 1u << 31 : 1u << (byte - 'a');
}

static void settle_expectation(struct expectation *expected)
{
    for (int i = 0; i < WALK_SIZE; i++) {
        expected->possible[i] = bit_of(expected->now[i]);
    }
}

static void walk_write(struct weir_file *file, struct expectation *expected, uint32_t was_written[])
{
    uint8_t bytes[1500];
    int64_t position = (int64_t)(weir_sim_random(sim) % (WALK_SIZE - sizeof bytes));
    size_t size = 1 + weir_sim_random(sim) % sizeof bytes;
    memset(bytes, 'a' + (int)(weir_sim_random(sim) % 26), size);
    ck_ok(write_bytes(file, bytes, size, position), &error);
    for (size_t i = 0; i < size; i++) {
        expected->now[position + (int64_t)i] = bytes[i];
        expected->possible[position + (int64_t)i] |= bit_of(bytes[i]);
        was_written[position + (int64_t)i] = 1; /* garbage is possible */
    }
    if (position + (int64_t)size > expected->size) expected->size = position + (int64_t)size;
}

/* Random writes and syncs, then a power loss: bytes not written since the last sync are exactly what
 * they were; those within the found size that were written may be anything, the rest zero. */
START_TEST(a_random_walk_keeps_what_was_synced)
{
    static struct expectation expected;
    static uint32_t written[WALK_SIZE];
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        set_up_seed(seed);
        memset(&expected, 0, sizeof expected);
        memset(written, 0, sizeof written);
        settle_expectation(&expected);
        struct weir_file *file = open_file("file");
        sync_root();
        int64_t synced_size = 0;
        for (int step = 0; step < 100; step++) {
            walk_write(file, &expected, written);
            if (weir_sim_random(sim) % 8 != 0) continue;
            sync_file(file);
            settle_expectation(&expected);
            memset(written, 0, sizeof written);
            synced_size = expected.size;
        }
        ck_assert_mem_eq(text_of("file"), expected.now, (size_t)expected.size);
        crash(WEIR_SIM_POWER);
        const char *found = text_of("file");
        int64_t size = size_of("file");
        ck_assert_int_ge(size, synced_size);
        for (int64_t i = 0; i < size; i++) {
            bool is_possible = found[i] == 0 || (found[i] >= 'a' && found[i] <= 'z')
                                   ? (expected.possible[i] & bit_of((uint8_t)found[i])) != 0
                                   : false;
            ck_assert(is_possible || written[i]);
        }
    }
}
END_TEST

/* The same seed and operations leave the same disk after a power loss. */
START_TEST(the_same_seed_loses_the_same)
{
    uint64_t hashes[2];
    for (int i = 0; i < 2; i++) {
        static struct expectation expected;
        static uint32_t written[WALK_SIZE];
        set_up_seed(77);
        struct weir_file *file = open_file("file");
        sync_root();
        for (int step = 0; step < 20; step++) {
            walk_write(file, &expected, written);
        }
        crash(WEIR_SIM_POWER);
        hashes[i] = weir_sim_disk_hash(sim, 0, "/") ^ weir_sim_trace_hash(sim);
    }
    ck_assert_uint_eq(hashes[0], hashes[1]);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("env_sim_disk");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, files_behave_as_files);
    tcase_add_test(tests, a_removed_file_is_told_from_a_renamed_one);
    tcase_add_test(tests, errors_have_the_real_ones_codes);
    tcase_add_test(tests, list_is_sorted_and_may_remove);
    tcase_add_test(tests, a_lock_goes_with_its_holder);
    tcase_add_test(tests, a_removed_file_lives_until_it_is_closed);
    tcase_add_test(tests, a_kill_keeps_written_bytes_and_leaves_them_unsynced);
    tcase_add_test(tests, a_synced_byte_survives_power_loss);
    tcase_add_test(tests, unsynced_sectors_meet_every_fate);
    tcase_add_test(tests, an_overwritten_unsynced_version_may_come_back);
    tcase_add_test(tests, an_unsynced_entry_may_vanish_and_may_stay);
    tcase_add_test(tests, a_rename_is_atomic_but_may_be_lost);
    tcase_add_test(tests, a_synced_directory_keeps_its_changes);
    tcase_add_test(tests, a_sync_of_the_file_system_keeps_everything);
    tcase_add_test(tests, a_sync_of_one_file_system_says_nothing_of_another);
    tcase_add_test(tests, an_unsynced_truncate_may_be_undone);
    tcase_add_test(tests, what_a_power_loss_left_is_durable);
    tcase_add_test(tests, a_failed_sync_loses_its_bytes_for_good);
    tcase_add_test(tests, dropping_the_cache_shows_the_disk);
    tcase_add_test(tests, a_failed_directory_sync_loses_the_entry);
    tcase_add_test(tests, a_failed_file_system_sync_loses_it_all);
    tcase_add_test(tests, an_io_error_changes_nothing);
    tcase_add_test(tests, a_planned_read_fails_once);
    tcase_add_test(tests, a_torn_write_keeps_exactly_a_prefix);
    tcase_add_test(tests, a_full_disk_refuses_what_does_not_fit);
    tcase_add_test(tests, descriptors_run_out);
    tcase_add_test(tests, a_planned_lack_of_space_leaves_a_prefix);
    tcase_add_test(tests, a_flipped_bit_is_in_both_images);
    tcase_add_test(tests, a_copied_disk_is_equal_and_apart);
    tcase_add_test(tests, a_random_walk_keeps_what_was_synced);
    tcase_add_test(tests, the_same_seed_loses_the_same);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("env_sim_disk", add);
}
