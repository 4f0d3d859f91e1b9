/**
 * Worker threads of the real environment: sync, cold reads, compaction.
 *
 * A pool of its own and not libuv's, which is one per process and shared with whatever else in the
 * program uses libuv: a slow disk must not hold up somebody's name lookups, nor they our syncs.
 *
 * Long works (a batch of rows into RocksDB, a walk over all folders) leave one worker to the others: whoever
 * waits for a commit waits for a sync, and not for what may as well be done a second later. A lone worker does
 * everything, in order of arrival but for that.
 *
 * An actor counts its works that are out. A worker that has posted an answer may still be busy waking
 * the actor; only when the count is back at zero may the actor's memory go (weir_actor_stop waits
 * for that). The count is kept under work_lock so that its last change touches the actor no more
 * once the stopping thread has seen it.
 */
#include "base/env/uv/uv_internal.h"

#include "base/assert.h"
#include "base/error.h"

static struct weir_work *work_of(struct weir_message *done)
{
    return (struct weir_work *)((char *)done - offsetof(struct weir_work, done));
}

static void queue(struct weir_env_uv_works *works, struct weir_work *work)
{
    work->done.next = NULL;
    *works->last = &work->done;
    works->last = &work->done.next;
}

/* NULL: there is none. */
static struct weir_work *take_from(struct weir_env_uv_works *works)
{
    struct weir_message *done = works->first;
    if (done == NULL) return NULL;
    works->first = done->next;
    if (works->first == NULL) works->last = &works->first;
    return work_of(done);
}

/* Short works come first, but none of them for ever. */
enum { PASSED_OVER_MAX = 16 };

/* The next for a worker that is free; NULL: none may begin. Holds work_lock. */
static struct weir_work *next_work(struct weir_env_uv *env)
{
    const int long_max = env->worker_count > 1 ? env->worker_count - 1 : 1;
    const bool is_long_free = env->long_works.first != NULL && env->long_running < long_max;
    const bool has_waited = env->long_running == 0 && env->passed_over >= PASSED_OVER_MAX;
    if (!is_long_free || !has_waited) {
        struct weir_work *work = take_from(&env->works);
        env->passed_over += work != NULL && is_long_free;
        if (work != NULL || !is_long_free) return work;
    }
    env->passed_over = 0;
    env->long_running++;
    return take_from(&env->long_works);
}

/* NULL when the pool ends. Holds work_lock. */
static struct weir_work *take_work(struct weir_env_uv *env)
{
    struct weir_work *work;
    while ((work = next_work(env)) == NULL && !env->is_work_ending) {
        pthread_cond_wait(&env->work_ready, &env->work_lock);
    }
    return work;
}

/* The work belongs to the actor again as soon as it is posted: `work` is not touched after that. */
static void run_work(struct weir_env_uv *env, struct weir_work *work)
{
    struct weir_env_uv_actor *actor = (struct weir_env_uv_actor *)work->reply_to;
    const bool is_long = work->is_long;
    work->run(work);
    weir_actor_post(&actor->base, &work->done);

    pthread_mutex_lock(&env->work_lock);
    weir_assert(actor->works_out > 0);
    weir_assert(!is_long || env->long_running > 0);
    env->long_running -= is_long;
    /* This worker may find another work first, one beside it may be free. */
    if (is_long && env->long_works.first != NULL) pthread_cond_signal(&env->work_ready);
    actor->works_out--;
    if (actor->works_out == 0) pthread_cond_broadcast(&env->work_returned);
    pthread_mutex_unlock(&env->work_lock);
}

static void *worker_main(void *argument)
{
    struct weir_env_uv *env = argument;
    weir_env_uv_thread_enter("weir-work");
    for (;;) {
        pthread_mutex_lock(&env->work_lock);
        struct weir_work *work = take_work(env);
        pthread_mutex_unlock(&env->work_lock);
        if (work == NULL) return NULL;
        run_work(env, work);
    }
}

/* Holds work_lock. */
static int start_workers(struct weir_env_uv *env, struct weir_error *error)
{
    if (env->workers == NULL) {
        env->workers =
            weir_alloc_zero(&env->budget, (size_t)env->worker_count * sizeof *env->workers);
        if (env->workers == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "start the workers");
    }
    while (env->workers_alive < env->worker_count) {
        int reason = weir_env_uv_thread_start(&env->workers[env->workers_alive], worker_main, env);
        if (reason != 0) {
            return weir_error_set(error, WEIR_LIMIT, "start worker thread %d: %s",
                                  env->workers_alive, uv_strerror(-reason));
        }
        env->workers_alive++;
    }
    return WEIR_OK;
}

int weir_env_uv_work_start(struct weir_env_uv *env, struct weir_error *error)
{
    pthread_mutex_lock(&env->work_lock);
    int rc = start_workers(env, error);
    pthread_mutex_unlock(&env->work_lock);
    return rc;
}

void weir_env_uv_work_stop(struct weir_env_uv *env)
{
    pthread_mutex_lock(&env->work_lock);
    /* Works end before the actor they answer to. */
    weir_assert(env->works.first == NULL && env->long_works.first == NULL);
    weir_assert(env->long_running == 0);
    env->is_work_ending = true;
    pthread_cond_broadcast(&env->work_ready);
    pthread_mutex_unlock(&env->work_lock);

    for (int i = 0; i < env->workers_alive; i++) {
        pthread_join(env->workers[i], NULL);
    }
    weir_free(env->workers);
    env->workers = NULL;
    env->workers_alive = 0;
}

void weir_env_uv_work_submit(struct weir_env *base, struct weir_work *work)
{
    struct weir_env_uv *env = (struct weir_env_uv *)base;
    struct weir_env_uv_actor *actor = (struct weir_env_uv_actor *)work->reply_to;
    weir_assert(actor != NULL);
    weir_assert(actor->base.env == base);
    weir_assert(work->run != NULL);

    pthread_mutex_lock(&env->work_lock);
    weir_assert(env->workers_alive > 0);
    actor->works_out++;
    queue(work->is_long ? &env->long_works : &env->works, work);
    pthread_cond_signal(&env->work_ready);
    pthread_mutex_unlock(&env->work_lock);
}

void weir_env_uv_work_await(struct weir_env_uv *env, struct weir_env_uv_actor *actor)
{
    pthread_mutex_lock(&env->work_lock);
    while (actor->works_out > 0) {
        pthread_cond_wait(&env->work_returned, &env->work_lock);
    }
    pthread_mutex_unlock(&env->work_lock);
}
