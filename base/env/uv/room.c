/**
 * Whether the process may have more memory and threads, for a library that ends the process where it may not.
 *
 * Memory is looked at, not tried: to hold it for a moment would take it from those who were told that it is
 * there. What is left is the limit less what is mapped, as the kernel counts both (RLIMIT_AS, RLIMIT_DATA).
 * Where neither is set nothing is looked at: memory then ends in a way that no process can handle.
 *
 * Threads are tried, all at once, for nothing says how many are left: there are limits for a user, a container and
 * the machine. What they had stays with the C library for the next threads: their stacks (up to 40 MB), and the
 * arenas that they allocated from, 64 MB of address space each. So threads of the usual size that are made next need
 * nothing more, and what is left of memory is looked at behind that: an arena takes what it can get.
 *
 * So that none takes what somebody was told is there, a process whose address space is limited makes no more arenas from
 * the first environment on, unless its owner has said how many there shall be: two threads that had each begun to
 * allocate took 128 MB of 376 between a look and what it was for, and RocksDB ended the process one time in five.
 */
#include "base/env/uv/uv_internal.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"

enum { THREADS_MAX = 16 };

/* ---- memory ---------------------------------------------------------------------------------- */

struct mapped {
    unsigned long long size; /* bytes */
    unsigned long long data;
};

static bool look_at_mapped(struct mapped *mapped_out)
{
    unsigned long long size, data;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) return false;
    bool is_read = fscanf(file, "%llu %*u %*u %*u %*u %llu", &size, &data) == 2;
    (void)fclose(file); /* it was read only */
    unsigned long long page = (unsigned long long)sysconf(_SC_PAGESIZE);
    if (is_read) *mapped_out = (struct mapped){size * page, data * page};
    return is_read;
}

static rlim_t limit_of(int resource)
{
    struct rlimit limit;
    int rc = getrlimit((__rlimit_resource_t)resource, &limit);
    weir_assert(rc == 0);
    return limit.rlim_cur;
}

static bool fits(rlim_t limit, unsigned long long used, size_t wanted)
{
    return limit == RLIM_INFINITY || (used <= limit && limit - used >= wanted);
}

int weir_env_uv_check_room(struct weir_env *env, size_t bytes, struct weir_error *error)
{
    (void)env;
    rlim_t size_max = limit_of(RLIMIT_AS);
    rlim_t data_max = limit_of(RLIMIT_DATA);
    struct mapped mapped;
    if (size_max == RLIM_INFINITY && data_max == RLIM_INFINITY) return WEIR_OK;
    if (!look_at_mapped(&mapped)) {
        return weir_error_set(
            error, WEIR_NO_MEMORY,
            "memory of this process is limited, and /proc/self/statm does not say "
            "how much of it is used");
    }
    if (fits(size_max, mapped.size, bytes) && fits(data_max, mapped.data, bytes)) return WEIR_OK;
    bool is_size = !fits(size_max, mapped.size, bytes);
    unsigned long long limit = is_size ? size_max : data_max;
    unsigned long long used = is_size ? mapped.size : mapped.data;
    return weir_error_set(
        error, WEIR_NO_MEMORY,
        "%zu KiB more of %s are needed, and the process has %llu of the %llu KiB that "
        "it may have ('ulimit -%c')",
        bytes >> 10, is_size ? "address space" : "memory", used >> 10, limit >> 10,
        is_size ? 'v' : 'd');
}

static bool has_chosen_arenas(void)
{
    const char *tunables = getenv("GLIBC_TUNABLES");
    bool is_tuned = tunables != NULL && strstr(tunables, "glibc.malloc.arena") != NULL;
    return getenv("MALLOC_ARENA_MAX") != NULL || is_tuned;
}

void weir_env_uv_keep_room(void)
{
#ifdef M_ARENA_MAX
    if (limit_of(RLIMIT_AS) != RLIM_INFINITY && !has_chosen_arenas()) (void)mallopt(M_ARENA_MAX, 1);
#endif
}

/* ---- threads --------------------------------------------------------------------------------- */

struct trial {
    struct weir_budget *budget;
    pthread_barrier_t
        all; /* they allocate, each from an arena of its own, before the first one leaves */
    pthread_mutex_t gate; /* shut while they are made */
};

static void *try_one(void *context)
{
    struct trial *trial = context;
    void *block = weir_alloc(trial->budget, 1); /* NULL is fine: then there is no arena to be had */
    pthread_mutex_lock(&trial->gate);
    pthread_mutex_unlock(&trial->gate);
    (void)pthread_barrier_wait(&trial->all);
    weir_free(block);
    return NULL;
}

static size_t try_threads(struct weir_budget *budget, size_t count)
{
    struct trial trial = {.budget = budget, .gate = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[THREADS_MAX];
    size_t made = 0;
    pthread_mutex_lock(&trial.gate);
    while (made < count && weir_env_uv_thread_start(&threads[made], try_one, &trial) == 0) {
        made++;
    }
    if (made > 0) pthread_barrier_init(&trial.all, NULL, (unsigned)made);
    pthread_mutex_unlock(&trial.gate);
    for (size_t i = 0; i < made; i++) {
        pthread_join(threads[i], NULL);
    }
    if (made > 0) pthread_barrier_destroy(&trial.all);
    pthread_mutex_destroy(&trial.gate);
    return made;
}

int weir_env_uv_room_enter(struct weir_env *base, size_t threads, size_t bytes,
                           struct weir_error *error)
{
    struct weir_env_uv *env = (struct weir_env_uv *)base;
    weir_assert(threads <= THREADS_MAX);
    pthread_mutex_lock(&env->room_lock);
    size_t made = try_threads(&env->budget, threads);
    int rc = weir_env_uv_check_room(base, bytes, error); /* beside their stacks */
    if (made < threads) {
        rc = weir_error_set(
            error, WEIR_LIMIT,
            "%zu more threads are needed, and %zu are to be had: their number ('ulimit "
            "-u') or the address space for their stacks ('ulimit -v') is used up",
            threads, made);
    }
    if (rc < 0) pthread_mutex_unlock(&env->room_lock);
    return rc;
}

void weir_env_uv_room_leave(struct weir_env *base)
{
    struct weir_env_uv *env = (struct weir_env_uv *)base;
    pthread_mutex_unlock(&env->room_lock);
}
