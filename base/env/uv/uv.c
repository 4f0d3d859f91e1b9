/**
 * The real environment: its clocks, its randomness, and the way a user's thread waits for an actor.
 *
 * Waiting. A user's thread registers as a waiter and then looks whether it is done already; whoever
 * changes something first makes the change and then looks for waiters. Both looks are
 * read-modify-writes of `waiter_count`, hence ordered: either the waiter sees the change, or the
 * other side sees the waiter and wakes it under the lock. So a signal nobody waits for costs one
 * atomic instruction.
 */
#include "base/env/uv/uv_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"

enum { WORKERS_BY_DEFAULT = 2, RANDOM_CHUNK = 256, NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

/* Whether the calling thread is one of ours is a fact about the thread, not about an object: the one
 * place for it is the thread. Written once, by weir_env_uv_thread_enter. */
static _Thread_local bool on_own_thread;

int weir_env_uv_thread_start(pthread_t *thread, void *(*run)(void *), void *argument)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int reason = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return reason;
}

void weir_env_uv_thread_enter(const char *name)
{
    on_own_thread = true;
    (void)pthread_setname_np(pthread_self(), name); /* for people with a debugger */
}

static struct weir_mono mono_now(struct weir_env *env)
{
    (void)env;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (struct weir_mono){(int64_t)now.tv_sec * NS_PER_S + now.tv_nsec};
}

static struct weir_wall wall_now(struct weir_env *env)
{
    (void)env;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (struct weir_wall){(int64_t)now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS};
}

/* Chunks of 256 bytes are never cut short by a signal (getrandom(2)). */
static void fill_random(struct weir_env *env, void *bytes, size_t size)
{
    (void)env;
    uint8_t *to = bytes;
    while (size > 0) {
        ssize_t got = getrandom(to, size < RANDOM_CHUNK ? size : RANDOM_CHUNK, 0);
        if (got < 0 && errno == EINTR) continue;
        weir_assert(got > 0);
        to += got;
        size -= (size_t)got;
    }
}

static struct weir_boot_id boot_id(struct weir_env *env)
{
    return ((const struct weir_env_uv *)env)->boot_id;
}

/* The kernel draws it when it starts (random(4)). Whatever is no plain word is not believed. */
static struct weir_boot_id read_boot_id(void)
{
    struct weir_boot_id id = {{0}};
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return id;
    ssize_t got = read(fd, id.text, sizeof id.text - 1);
    (void)close(fd);
    size_t size = got > 0 ? strspn(id.text, "0123456789abcdef-") : 0;
    bool is_whole = size > 0 && (id.text[size] == '\n' || id.text[size] == '\0');
    id.text[is_whole ? size : 0] = '\0';
    return id;
}

static bool may_block(struct weir_env *env)
{
    (void)env;
    return !on_own_thread;
}

/* One round of waiting; false once the deadline has passed. Holds wait_lock. */
static bool wait_for_change(struct weir_env_uv *env, struct weir_mono deadline)
{
    if (deadline.ns == INT64_MAX) {
        pthread_cond_wait(&env->wait_changed, &env->wait_lock);
        return true;
    }
    struct timespec until = {0};
    if (deadline.ns > 0) {
        until.tv_sec = deadline.ns / NS_PER_S;
        until.tv_nsec = deadline.ns % NS_PER_S;
    }
    return pthread_cond_timedwait(&env->wait_changed, &env->wait_lock, &until) != ETIMEDOUT;
}

static int wait_until_done(struct weir_env *base, bool (*is_done)(void *context), void *context,
                           struct weir_mono deadline)
{
    struct weir_env_uv *env = (struct weir_env_uv *)base;
    if (on_own_thread) return WEIR_WRONG_THREAD;

    pthread_mutex_lock(&env->wait_lock);
    atomic_fetch_add_explicit(&env->waiter_count, 1, memory_order_acq_rel);
    bool done = is_done(context);
    bool has_time = true;
    while (!done && has_time) {
        has_time = wait_for_change(env, deadline);
        done = is_done(context);
    }
    atomic_fetch_sub_explicit(&env->waiter_count, 1, memory_order_acq_rel);
    pthread_mutex_unlock(&env->wait_lock);
    return done ? WEIR_OK : WEIR_TIMED_OUT;
}

static void signal_waiters(struct weir_env *base)
{
    struct weir_env_uv *env = (struct weir_env_uv *)base;
    if (atomic_fetch_add_explicit(&env->waiter_count, 0, memory_order_acq_rel) == 0) return;
    pthread_mutex_lock(&env->wait_lock);
    pthread_cond_broadcast(&env->wait_changed);
    pthread_mutex_unlock(&env->wait_lock);
}

int32_t weir_env_uv_core_count(void)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more of them than the set has room for */
    return online > 0 ? (int32_t)online : 1;
}

static int32_t core_count(struct weir_env *env)
{
    (void)env;
    return weir_env_uv_core_count();
}

static const struct weir_env_ops ops = {
    .name = "uv",
    .network = &weir_env_uv_network_ops,
    .mono_now = mono_now,
    .wall_now = wall_now,
    .random = fill_random,
    .boot_id = boot_id,
    .file_open = weir_env_uv_file_open,
    .file_close = weir_env_uv_file_close,
    .file_read = weir_env_uv_file_read,
    .file_write = weir_env_uv_file_write,
    .file_sync = weir_env_uv_file_sync,
    .file_truncate = weir_env_uv_file_truncate,
    .file_stat = weir_env_uv_file_stat,
    .file_lock = weir_env_uv_file_lock,
    .sync_file_system = weir_env_uv_sync_file_system,
    .drop_cache = weir_env_uv_drop_cache,
    .file_read_cached = weir_env_uv_file_read_cached,
    .file_is_cached = weir_env_uv_file_is_cached,
    .stat = weir_env_uv_stat,
    .make_directory = weir_env_uv_make_directory,
    .directory_open = weir_env_uv_directory_open,
    .directory_sync = weir_env_uv_directory_sync,
    .rename = weir_env_uv_rename,
    .remove = weir_env_uv_remove,
    .remove_directory = weir_env_uv_remove_directory,
    .list = weir_env_uv_list,
    .actor_start = weir_env_uv_actor_start,
    .actor_stop = weir_env_uv_actor_stop,
    .actor_wake = weir_env_uv_actor_wake,
    .actor_wake_at = weir_env_uv_actor_wake_at,
    .work_submit = weir_env_uv_work_submit,
    .each = weir_env_uv_each,
    .wait = wait_until_done,
    .signal = signal_waiters,
    .may_block = may_block,
    .descriptor_limit = weir_env_uv_descriptor_limit,
    .core_count = core_count,
    .check_room = weir_env_uv_check_room,
    .room_enter = weir_env_uv_room_enter,
    .room_leave = weir_env_uv_room_leave,
};

static void init_locks(struct weir_env_uv *env)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&env->wait_changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&env->wait_lock, NULL);
    pthread_mutex_init(&env->work_lock, NULL);
    pthread_mutex_init(&env->each_lock, NULL);
    pthread_mutex_init(&env->room_lock, NULL);
    pthread_cond_init(&env->work_ready, NULL);
    pthread_cond_init(&env->work_returned, NULL);
    pthread_cond_init(&env->each_ready, NULL);
    pthread_cond_init(&env->each_ended, NULL);
}

/* The environment holds the heap that everything else comes from, so it is the one object that comes
 * straight from malloc. */
int weir_env_uv_new(const struct weir_env_uv_options *options, struct weir_env **env_out,
                    struct weir_error *error)
{
    weir_assert(options != NULL);
    weir_assert(options->worker_count >= 0);
    weir_env_uv_keep_room();
    struct weir_env_uv *env = calloc(1, sizeof *env);
    if (env == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "open the environment");

    weir_heap_init(&env->heap, false);
    weir_budget_init(&env->budget, "node", &env->heap, NULL, 0);
    init_locks(env);
    env->boot_id = read_boot_id();
    env->works.last = &env->works.first;
    env->long_works.last = &env->long_works.first;
    env->worker_count = options->worker_count != 0 ? options->worker_count : WORKERS_BY_DEFAULT;
    env->base = (struct weir_env){
        .ops = &ops,
        .heap = &env->heap,
        .budget = &env->budget,
        .logger = options->logger,
        .process_id = getpid(),
    };
    weir_random(&env->base, &env->heap.hash_seed, sizeof env->heap.hash_seed);
    *env_out = &env->base;
    return WEIR_OK;
}

void weir_env_uv_free(struct weir_env *base)
{
    struct weir_env_uv *env = (struct weir_env_uv *)base;
    if (env == NULL) return;
    weir_assert(base->ops == &ops);
    weir_assert(atomic_load(&env->actor_count) == 0);
    weir_assert(atomic_load(&env->waiter_count) == 0);

    weir_env_uv_work_stop(env);
    weir_env_uv_each_stop(env);
    pthread_cond_destroy(&env->each_ended);
    pthread_cond_destroy(&env->each_ready);
    pthread_cond_destroy(&env->work_returned);
    pthread_cond_destroy(&env->work_ready);
    pthread_cond_destroy(&env->wait_changed);
    pthread_mutex_destroy(&env->room_lock);
    pthread_mutex_destroy(&env->each_lock);
    pthread_mutex_destroy(&env->work_lock);
    pthread_mutex_destroy(&env->wait_lock);
    free(env);
}
