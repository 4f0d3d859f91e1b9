#include "tests/support/support.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__)
#define HAS_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_THREAD_SANITIZER 1
#endif
#endif
#ifndef HAS_THREAD_SANITIZER
#define HAS_THREAD_SANITIZER 0
#endif

/* Where this program's directories are; made in the parent, which outlives every test. */
static char root_path[WEIR_TEST_PATH_SIZE / 2];

static void make_root(void)
{
    const char *temporary = getenv("TMPDIR");
    int size = snprintf(root_path, sizeof root_path, "%s/weir-test-XXXXXX",
                        temporary != NULL ? temporary : "/tmp");
    if (size < 0 || (size_t)size >= sizeof root_path || mkdtemp(root_path) == NULL) {
        perror("cannot make a directory for the tests");
        exit(EXIT_FAILURE);
    }
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *place)
{
    (void)stat;
    (void)kind;
    (void)place;
    return remove(path);
}

static void remove_root(void)
{
    if (nftw(root_path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) perror(root_path);
}

bool weir_test_forks(void)
{
    const char *fork_mode = getenv("CK_FORK");
    return !HAS_THREAD_SANITIZER && (fork_mode == NULL || strcmp(fork_mode, "no") != 0);
}

int weir_test_main(const char *suite_name, void (*add)(Suite *suite))
{
    /* Seconds per test case, read when it is made; check's own 4 are too few under a sanitizer. */
    setenv("CK_DEFAULT_TIMEOUT", "60", 0);
    make_root();

    Suite *suite = suite_create(suite_name);
    add(suite);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, weir_test_forks() ? CK_FORK : CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed_count = srunner_ntests_failed(runner);
    srunner_free(runner);

    remove_root();
    return failed_count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void weir_test_directory(char path_out[WEIR_TEST_PATH_SIZE])
{
    int size = snprintf(path_out, WEIR_TEST_PATH_SIZE, "%s/XXXXXX", root_path);
    ck_assert_int_lt(size, WEIR_TEST_PATH_SIZE);
    ck_assert_msg(mkdtemp(path_out) != NULL, "cannot make a directory below %s", root_path);
}

enum { FAILURE_ROUNDS_MAX = 100000 };

bool weir_test_failures_next(struct weir_test_failures *failures)
{
    ck_assert_msg(failures->heap == NULL, "round %d was not disarmed", (int)failures->round);
    if (failures->is_over) {
        ck_assert_msg(failures->hits > 0, "no allocation was failed: nothing has been tested");
        return false;
    }
    failures->is_over = true; /* unless this round is hit */
    failures->round++;
    ck_assert_msg(failures->round < FAILURE_ROUNDS_MAX, "rounds without end: each has a failure");
    return true;
}

void weir_test_failures_arm(struct weir_test_failures *failures, struct weir_heap *heap)
{
    ck_assert_ptr_null(failures->heap);
    failures->heap = heap;
    atomic_store(&heap->fail_at, failures->round);
}

bool weir_test_failures_disarm(struct weir_test_failures *failures)
{
    ck_assert_ptr_nonnull(failures->heap);
    bool was_hit = atomic_exchange(&failures->heap->fail_at, 0) == 0;
    failures->heap = NULL;
    failures->hits += was_hit;
    failures->is_over = !was_hit;
    return was_hit;
}

uint64_t weir_test_random_next(struct weir_test_random *random)
{
    uint64_t mixed = random->state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return mixed ^ mixed >> 31;
}

uint64_t weir_test_random_below(struct weir_test_random *random, uint64_t bound)
{
    return (uint64_t)((unsigned __int128)weir_test_random_next(random) * bound >> 64);
}

void weir_test_random_fill(struct weir_test_random *random, void *bytes, size_t size)
{
    uint8_t *at = bytes;
    while (size > 0) {
        uint64_t number = weir_test_random_next(random);
        size_t piece = size < sizeof number ? size : sizeof number;
        memcpy(at, &number, piece);
        at += piece;
        size -= piece;
    }
}
