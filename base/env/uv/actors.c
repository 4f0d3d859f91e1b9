/**
 * Actors of the real environment: a thread with a libuv loop each.
 *
 * The thread runs turns for as long as there is something to do and enters epoll only when a turn
 * found nothing. No wake-up is lost and a running actor is woken without a system call:
 *
 *   sender  pushes into the mailbox; if that was empty, exchanges `state` for RUNNING and, if it
 *           was ASLEEP, sends the loop an async event
 *   actor   finds nothing to do, exchanges `state` for ASLEEP, looks into the mailbox once more,
 *           and sleeps only if it is still empty
 *
 * The exchanges are ordered: if the sender's comes second it sees ASLEEP, if it comes first the actor
 * sees what was pushed before it. A stop works the same way with `is_stopping` as the message.
 */
#include "base/env/uv/uv_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

enum {
    TURNS_PER_POLL = 16, /* busy ones, between two looks at the loop's sockets */
    ROUNDS_PER_TURN =
        4, /* of messages: a request to a partition of one's own and its answer are two */
    NS_PER_MS = 1000000,
};

/* A message may be freed or sent on by its handler. What the messages of a round have sent here comes in the
 * same turn, so that its end finds the answers too; that it ends, whatever they send, the bound sees to. */
static void handle_messages(struct weir_env_uv_actor *actor)
{
    for (int round = 0; round < ROUNDS_PER_TURN; round++) {
        struct weir_message *message = weir_mailbox_take(&actor->base.mailbox);
        if (message == NULL) return;
        while (message != NULL) {
            struct weir_message *next = message->next;
            message->handle(message);
            message = next;
        }
    }
}

static bool take_due_deadline(struct weir_env_uv_actor *actor)
{
    if (actor->deadline.ns == INT64_MAX) return false;
    if (weir_mono_now(actor->base.env).ns < actor->deadline.ns) return false;
    actor->deadline = WEIR_MONO_NEVER;
    return true;
}

/* The loop wakes by itself; the turn that follows sees to the rest. Up to libuv 1.44 uv_run fires
 * what is due before it looks how long it may poll: a timer that has run out between its start and
 * uv_run would be the last for which there was anything to wake, and the poll would have no end.
 * With uv_stop the poll does not wait; the flag is gone when uv_run returns. */
static void on_timer(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

/* The timer follows the deadline only here, so that an actor may move its deadline at each message
 * for nothing. libuv counts whole milliseconds of a clock it reads once per iteration: round up. */
static void arm_timer(struct weir_env_uv_actor *actor)
{
    bool is_armed = uv_is_active((uv_handle_t *)&actor->timer);
    if (actor->deadline.ns == INT64_MAX) {
        uv_timer_stop(&actor->timer);
        return;
    }
    if (is_armed && actor->armed.ns == actor->deadline.ns) return;
    actor->armed = actor->deadline;
    int64_t left_ns = actor->deadline.ns - weir_mono_now(actor->base.env).ns;
    uint64_t left_ms = left_ns > 0 ? ((uint64_t)left_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
    uv_update_time(&actor->loop);
    uv_timer_start(&actor->timer, on_timer, left_ms, 0);
}

static void sleep_until_woken(struct weir_env_uv_actor *actor)
{
    arm_timer(actor);
    atomic_exchange_explicit(&actor->state, WEIR_UV_ACTOR_ASLEEP, memory_order_acq_rel);
    bool has_mail = atomic_load_explicit(&actor->base.mailbox.head, memory_order_relaxed) != NULL;
    bool is_stopping = atomic_load_explicit(&actor->is_stopping, memory_order_relaxed);
    bool has_results = actor->ready_count > 0;
    if (!has_mail && !is_stopping && !has_results) uv_run(&actor->loop, UV_RUN_ONCE);
    atomic_store_explicit(&actor->state, WEIR_UV_ACTOR_RUNNING, memory_order_relaxed);
}

static void *actor_main(void *argument)
{
    struct weir_env_uv_actor *actor = argument;
    unsigned turns = 0;
    weir_env_uv_thread_enter(actor->name);
    while (!atomic_load_explicit(&actor->is_stopping, memory_order_acquire)) {
        weir_env_uv_sockets_report(actor);
        handle_messages(actor);
        bool is_busy = actor->options.run_once(actor->options.impl) > 0;
        if (!is_busy && !take_due_deadline(actor)) {
            sleep_until_woken(actor);
            (void)take_due_deadline(actor); /* the turn that comes now is the one it asked for */
        } else if (++turns % TURNS_PER_POLL == 0) {
            uv_run(&actor->loop, UV_RUN_NOWAIT);
        }
    }
    return NULL;
}

static int open_loop(struct weir_env_uv_actor *actor)
{
    int reason = uv_loop_init(&actor->loop);
    if (reason != 0) return reason;
    reason = uv_async_init(&actor->loop, &actor->wake, NULL);
    if (reason != 0) {
        uv_loop_close(&actor->loop);
        return reason;
    }
    return uv_timer_init(&actor->loop, &actor->timer);
}

static void close_loop(struct weir_env_uv_actor *actor)
{
    weir_env_uv_sockets_close(actor);
    uv_close((uv_handle_t *)&actor->wake, NULL);
    uv_close((uv_handle_t *)&actor->timer, NULL);
    uv_run(&actor->loop, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&actor->loop);
    weir_assert(rc == 0);
}

static int start_failed(const char *name, int uv_reason, struct weir_error *error)
{
    return weir_error_set(error, uv_reason == UV_ENOMEM ? WEIR_NO_MEMORY : WEIR_LIMIT,
                          "start actor '%s': %s", name, uv_strerror(uv_reason));
}

static struct weir_env_uv_actor *new_actor(struct weir_env_uv *env,
                                           const struct weir_actor_options *options)
{
    struct weir_env_uv_actor *actor = weir_alloc_zero(&env->budget, sizeof *actor);
    if (actor == NULL) return NULL;
    (void)snprintf(actor->name, sizeof actor->name, "%s", options->name);
    actor->base.env = &env->base;
    actor->options = *options;
    actor->options.name = actor->name;
    actor->deadline = WEIR_MONO_NEVER;
    return actor;
}

int weir_env_uv_actor_start(struct weir_env *base, const struct weir_actor_options *options,
                            struct weir_actor **actor_out, struct weir_error *error)
{
    struct weir_env_uv *env = (struct weir_env_uv *)base;
    weir_assert(options->name != NULL);
    weir_assert(options->run_once != NULL);
    int rc = weir_env_uv_work_start(env, error);
    if (rc < 0) return rc;

    struct weir_env_uv_actor *actor = new_actor(env, options);
    if (actor == NULL) {
        return weir_error_set(error, WEIR_NO_MEMORY, "start actor '%s'", options->name);
    }
    int reason = open_loop(actor);
    if (reason != 0) {
        rc = start_failed(options->name, reason, error);
        goto out;
    }
    *actor_out = &actor->base; /* before its first turn, which may look there for itself */
    reason = weir_env_uv_thread_start(&actor->thread, actor_main, actor);
    if (reason != 0) {
        *actor_out = NULL;
        close_loop(actor);
        rc = start_failed(options->name, -reason, error);
        goto out;
    }
    atomic_fetch_add(&env->actor_count, 1);
    actor = NULL;
out:
    weir_free(actor);
    return rc;
}

void weir_env_uv_actor_wake(struct weir_actor *base)
{
    struct weir_env_uv_actor *actor = (struct weir_env_uv_actor *)base;
    int before =
        atomic_exchange_explicit(&actor->state, WEIR_UV_ACTOR_RUNNING, memory_order_acq_rel);
    if (before == WEIR_UV_ACTOR_ASLEEP) uv_async_send(&actor->wake);
}

void weir_env_uv_actor_wake_at(struct weir_actor *base, struct weir_mono deadline)
{
    struct weir_env_uv_actor *actor = (struct weir_env_uv_actor *)base;
    weir_assert_slow(pthread_equal(pthread_self(), actor->thread));
    actor->deadline = deadline;
}

void weir_env_uv_actor_stop(struct weir_actor *base)
{
    struct weir_env_uv *env = (struct weir_env_uv *)base->env;
    struct weir_env_uv_actor *actor = (struct weir_env_uv_actor *)base;
    weir_assert(!pthread_equal(pthread_self(), actor->thread));

    atomic_store_explicit(&actor->is_stopping, true, memory_order_release);
    weir_env_uv_actor_wake(base);
    pthread_join(actor->thread, NULL);
    weir_env_uv_work_await(env, actor);
    close_loop(actor);
    weir_free(actor);
    atomic_fetch_sub(&env->actor_count, 1);
}
