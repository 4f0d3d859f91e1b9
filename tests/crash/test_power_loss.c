/* The shim is trusted because a program under it that dies keeps what it synced, not the rest. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/crash/power_loss.h"
#include "tests/support/support.h"

enum { SEEDS = 32, BYTES = 3000, SIZE_MAX_READ = 3 * BYTES };

/* ---- the program under the shim -------------------------------------------------------------- */

static void must(int is_so)
{
    if (!is_so) _exit(3);
}

static int file(const char *name, int flags)
{
    int fd = open(name, flags | O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    must(fd >= 0);
    return fd;
}

static void put(int fd, char letter, off_t offset)
{
    char bytes[BYTES];
    memset(bytes, letter, sizeof bytes);
    struct iovec parts[2] = {{bytes, 1000}, {bytes + 1000, BYTES - 1000}};
    must(pwritev(fd, parts, 2, offset) == BYTES);
}

static void sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(fd >= 0 && fsync(fd) == 0);
    (void)close(fd);
}

/* DISK/data, with file `a` of one block of 'a', all durable; then what the scenario asks for. */
static void probe(const char *scenario, const char *disk)
{
    must(chdir(disk) == 0);
    char data[200], a_path[220], b_path[220];
    (void)snprintf(data, sizeof data, "%s/data", disk);
    (void)snprintf(a_path, sizeof a_path, "%s/a", data);
    (void)snprintf(b_path, sizeof b_path, "%s/b", data);
    must(mkdir(data, 0755) == 0);
    int a = file(a_path, 0);
    put(a, 'a', 0);
    must(fdatasync(a) == 0);
    sync_folder(data);
    sync_folder(disk);
    if (strcmp(scenario, "append") == 0) put(a, 'b', BYTES);
    if (strcmp(scenario, "overwrite") == 0) put(a, 'b', 0);
    if (strcmp(scenario, "truncate") == 0) must(ftruncate(a, 10) == 0);
    if (strcmp(scenario, "open and truncate") == 0) (void)file(a_path, O_TRUNC);
    if (strcmp(scenario, "remove") == 0) must(remove(a_path) == 0);
    if (strcmp(scenario, "remove all") == 0) {
        must(remove(a_path) == 0 && remove(data) == 0);
        sync_folder(disk);
    }
    if (strcmp(scenario, "everything") == 0) {
        put(file(b_path, 0), 'b', 0);
        must(rename(b_path, a_path) == 0 && syncfs(a) == 0);
    }
    if (strcmp(scenario, "make") == 0 || strcmp(scenario, "replace") == 0) {
        int b = file(b_path, 0);
        put(b, 'b', 0);
        must(fdatasync(b) == 0);
        if (strcmp(scenario, "replace") == 0) must(rename(b_path, a_path) == 0);
    }
    (void)raise(SIGKILL);
}

/* ---- the stage ------------------------------------------------------------------------------- */

static char work[64];
static char disk[80];
static char store[80];

static void set_up(void)
{
    (void)snprintf(work, sizeof work, "/tmp/weir-power-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(work));
    (void)snprintf(disk, sizeof disk, "%s/disk", work);
    (void)snprintf(store, sizeof store, "%s/store", work);
    ck_assert_int_eq(mkdir(store, 0755), 0);
}

static void clear(const char *path)
{
    char command[200];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", path);
    ck_assert_int_eq(system(command), 0);
}

static void tear_down(void)
{
    clear(work);
}

/* The scenario, its death, and the loss of power by `seed`. */
static struct power_loss_report run(const char *scenario, uint64_t seed, const char *lie)
{
    clear(disk);
    ck_assert_int_eq(mkdir(disk, 0755), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)setenv("LD_PRELOAD", WEIR_POWER_LOSS_SHIM, 1);
        (void)setenv("WEIR_POWER_ROOT", disk, 1);
        (void)setenv("WEIR_POWER_STORE", store, 1);
        (void)setenv("WEIR_SHIM_LIE", lie, 1);
        (void)execl("/proc/self/exe", "probe", "--probe", scenario, disk, (char *)NULL);
        _exit(4);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %d", status);
    struct power_loss_report report;
    ck_assert_int_eq(power_loss_apply(disk, store, seed, &report), 0);
    return report;
}

struct content {
    bool is_there;
    size_t size;
    char bytes[SIZE_MAX_READ];
};

static struct content content_of(const char *name)
{
    struct content content = {0};
    char path[160];
    (void)snprintf(path, sizeof path, "%s/data/%s", disk, name);
    FILE *opened = fopen(path, "rbe");
    if (opened == NULL) return content;
    content.is_there = true;
    content.size = fread(content.bytes, 1, sizeof content.bytes, opened);
    (void)fclose(opened);
    return content;
}

/* How many bytes of [from, to) are `letter`. */
static size_t count(const struct content *content, char letter, size_t from, size_t to)
{
    size_t found = 0;
    for (size_t i = from; i < to && i < content->size; i++)
        found += content->bytes[i] == letter;
    return found;
}

static bool is_block_of(const struct content *content, char letter)
{
    return content->size == BYTES && count(content, letter, 0, BYTES) == BYTES;
}

/* ---- claims ---------------------------------------------------------------------------------- */

/* What was synced is there under every seed; what was not is lost, kept, cut or full of holes. */
START_TEST(appended_bytes_that_no_sync_covers_may_go)
{
    int lost = 0, kept = 0, cut = 0, holes = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct power_loss_report report = run("append", seed, "0");
        struct content a = content_of("a");
        ck_assert_int_eq(report.writes, 1);
        ck_assert_uint_eq(count(&a, 'a', 0, BYTES), BYTES);
        size_t left = count(&a, 'b', BYTES, a.size);
        ck_assert_int_eq(report.writes_undone, left < BYTES);
        lost += a.size == BYTES;
        kept += left == BYTES;
        cut += a.size > BYTES && a.size < 2 * (size_t)BYTES;
        holes += a.size == 2 * (size_t)BYTES && left < BYTES;
    }
    ck_assert_int_gt(lost, 0);
    ck_assert_int_gt(kept, 0);
    ck_assert_int_gt(cut, 0);
    ck_assert_int_gt(holes, 0);
}
END_TEST

/* Each byte is the new one or the old one, and a whole block of either happens. */
START_TEST(overwritten_bytes_come_back)
{
    int old = 0, kept = 0, mixed = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        (void)run("overwrite", seed, "0");
        struct content a = content_of("a");
        ck_assert_uint_eq(a.size, BYTES);
        size_t a_count = count(&a, 'a', 0, BYTES);
        ck_assert_uint_eq(a_count + count(&a, 'b', 0, BYTES), BYTES);
        old += a_count == BYTES;
        kept += a_count == 0;
        mixed += a_count > 0 && a_count < BYTES;
    }
    ck_assert_int_gt(old, 0);
    ck_assert_int_gt(kept, 0);
    ck_assert_int_gt(mixed, 0);
}
END_TEST

/* By ftruncate or by O_TRUNC. */
START_TEST(bytes_cut_off_come_back)
{
    static const char *const scenarios[] = {"truncate", "open and truncate"};
    static const size_t sizes[] = {10, 0};
    for (size_t i = 0; i < 2; i++) {
        int old = 0, kept = 0;
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            (void)run(scenarios[i], seed, "0");
            struct content a = content_of("a");
            ck_assert(is_block_of(&a, 'a') || a.size == sizes[i]);
            old += a.size == BYTES;
            kept += a.size == sizes[i];
        }
        ck_assert_int_gt(old, 0);
        ck_assert_int_gt(kept, 0);
    }
}
END_TEST

/* A file whose bytes are durable and whose entry is not. */
START_TEST(a_new_file_without_a_sync_of_its_folder_may_go)
{
    int gone = 0, kept = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        (void)run("make", seed, "0");
        struct content a = content_of("a");
        struct content b = content_of("b");
        ck_assert(is_block_of(&a, 'a'));
        ck_assert(!b.is_there || is_block_of(&b, 'b'));
        gone += !b.is_there;
        kept += b.is_there;
    }
    ck_assert_int_gt(gone, 0);
    ck_assert_int_gt(kept, 0);
}
END_TEST

START_TEST(a_removed_file_may_come_back)
{
    int back = 0, gone = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        (void)run("remove", seed, "0");
        struct content a = content_of("a");
        ck_assert(!a.is_there || is_block_of(&a, 'a'));
        back += a.is_there;
        gone += !a.is_there;
    }
    ck_assert_int_gt(back, 0);
    ck_assert_int_gt(gone, 0);
}
END_TEST

/* The folder's own removal is durable, that of the file in it is not. */
START_TEST(a_folder_that_is_gone_takes_its_files_along)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        (void)run("remove all", seed, "0");
        ck_assert(!content_of("a").is_there);
    }
}
END_TEST

/* A name always leads to the old file or to the new one. */
START_TEST(a_rename_is_taken_back_in_one_step)
{
    int old = 0, replaced = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        (void)run("replace", seed, "0");
        struct content a = content_of("a");
        ck_assert(is_block_of(&a, 'a') || is_block_of(&a, 'b'));
        old += is_block_of(&a, 'a');
        replaced += is_block_of(&a, 'b');
    }
    ck_assert_int_gt(old, 0);
    ck_assert_int_gt(replaced, 0);
}
END_TEST

START_TEST(a_sync_of_everything_covers_bytes_and_entries)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct power_loss_report report = run("everything", seed, "0");
        struct content a = content_of("a");
        ck_assert_int_eq(report.writes + report.entries, 0);
        ck_assert(is_block_of(&a, 'b'));
    }
}
END_TEST

START_TEST(a_sync_that_lies_covers_nothing)
{
    int lost = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct power_loss_report report = run("none", seed, "1");
        struct content a = content_of("a");
        ck_assert_int_eq(report.writes, 1);
        ck_assert_int_eq(report.entries, 2);
        lost += !a.is_there;
    }
    ck_assert_int_gt(lost, 0);
}
END_TEST

START_TEST(seed_0_takes_back_everything)
{
    (void)run("append", 0, "0");
    struct content a = content_of("a");
    ck_assert(is_block_of(&a, 'a'));
    (void)run("none", 0, "1");
    ck_assert(!content_of("a").is_there);
}
END_TEST

START_TEST(the_same_seed_takes_back_the_same)
{
    for (uint64_t seed = 0; seed < SEEDS / 4; seed++) {
        (void)run("append", seed, "0");
        struct content once = content_of("a");
        (void)run("append", seed, "0");
        struct content again = content_of("a");
        ck_assert_uint_eq(once.size, again.size);
        ck_assert_mem_eq(once.bytes, again.bytes, once.size);
    }
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("power loss");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, appended_bytes_that_no_sync_covers_may_go);
    tcase_add_test(tests, overwritten_bytes_come_back);
    tcase_add_test(tests, bytes_cut_off_come_back);
    tcase_add_test(tests, a_new_file_without_a_sync_of_its_folder_may_go);
    tcase_add_test(tests, a_removed_file_may_come_back);
    tcase_add_test(tests, a_folder_that_is_gone_takes_its_files_along);
    tcase_add_test(tests, a_rename_is_taken_back_in_one_step);
    tcase_add_test(tests, a_sync_of_everything_covers_bytes_and_entries);
    tcase_add_test(tests, a_sync_that_lies_covers_nothing);
    tcase_add_test(tests, seed_0_takes_back_everything);
    tcase_add_test(tests, the_same_seed_takes_back_the_same);
    suite_add_tcase(suite, tests);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--probe") == 0) probe(argv[2], argv[3]);
    return weir_test_main("power loss", add);
}
