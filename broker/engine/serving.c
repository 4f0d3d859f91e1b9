#include "broker/engine/serving.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/logger.h"
#include "broker/log/boot_file.h"

void weir_serving_init(struct weir_serving *serving, struct weir_env *env, const char *path,
                       const char *log_path)
{
    weir_assert(env != NULL && path != NULL && log_path != NULL);
    *serving = (struct weir_serving){.env = env, .path = path, .log_path = log_path};
}

void weir_serving_listen(struct weir_serving *serving, struct weir_serving_listener *listener)
{
    weir_assert(listener->next == NULL && serving->last != listener);
    weir_assert(listener->actor != NULL);
    weir_assert(listener->closing.handle != NULL && listener->offline.handle != NULL);
    if (serving->last != NULL) {
        serving->last->next = listener;
    } else {
        serving->first = listener;
    }
    serving->last = listener;
}

/* ---- what is in flight ----------------------------------------------------------------------- */

void weir_serving_hold(struct weir_serving *serving)
{
    int64_t before = atomic_fetch_add_explicit(&serving->in_flight, 1, memory_order_relaxed);
    weir_assert(before >= 0);
}

bool weir_serving_try_hold(struct weir_serving *serving)
{
    if (!atomic_load(&serving->is_closing)) {
        weir_serving_hold(serving);
        return true;
    }
    int64_t count = atomic_load(&serving->in_flight);
    weir_assert(count >= 0);
    while (count > 0) {
        if (atomic_compare_exchange_weak(&serving->in_flight, &count, count + 1)) return true;
    }
    return false;
}

void weir_serving_release(struct weir_serving *serving)
{
    struct weir_env *env = serving->env; /* a close may free the engine once the count is down */
    bool is_closing = atomic_load(&serving->is_closing);
    int64_t before = atomic_fetch_sub(&serving->in_flight, 1);
    weir_assert(before > 0);
    if (before == 1 && is_closing) weir_signal(env);
}

int weir_serving_check(const struct weir_serving *serving, struct weir_error *error)
{
    if (atomic_load_explicit(&serving->is_closing, memory_order_relaxed)) {
        return weir_error_set(error, WEIR_CLOSED, "the log is being closed");
    }
    if (atomic_load_explicit(&serving->is_offline, memory_order_relaxed)) {
        return weir_error_set(error, WEIR_OFFLINE,
                              "'%s' is offline after a failed write or sync; close it, and open it "
                              "again when the disk is in order",
                              serving->path);
    }
    return 0;
}

/* ---- the moves ------------------------------------------------------------------------------- */

void weir_serving_go_offline(struct weir_serving *serving, const struct weir_error *reason)
{
    char text[WEIR_ERROR_TEXT_SIZE * 2];
    if (atomic_exchange(&serving->is_offline, true)) return;
    weir_log(&serving->env->logger, WEIR_LOG_ERROR, "broker.offline", "path=%s reason=%s",
             serving->path, weir_log_quote(text, sizeof text, reason->text));
    weir_boot_file_forget_all(serving->env, serving->log_path);
    for (struct weir_serving_listener *at = serving->first; at != NULL; at = at->next) {
        weir_serving_hold(serving);
        weir_actor_post(*at->actor, &at->offline);
    }
}

static bool is_drained(void *context)
{
    const struct weir_serving *serving = context;
    return atomic_load(&serving->in_flight) == 0;
}

/* Everything that is on its way gets its answer; nothing new is let in. */
int weir_serving_drain(struct weir_serving *serving, struct weir_error *error)
{
    bool is_told = atomic_exchange(&serving->is_closing, true);
    for (struct weir_serving_listener *at = serving->first; !is_told && at != NULL; at = at->next) {
        weir_serving_hold(serving);
        weir_actor_post(*at->actor, &at->closing);
    }
    int rc = weir_wait(serving->env, is_drained, serving, WEIR_MONO_NEVER);
    return rc < 0 ? weir_error_set(error, (enum weir_code)rc, "wait for requests to end") : 0;
}
