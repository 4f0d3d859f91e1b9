/**
 * A connection whose calls wait. The session's thread hands each step to the actor as a message and
 * waits until that has ended it. All of the session but `is_done` and `is_closed` is the actor's while
 * a step is under way, and what says how the connection stands always.
 *
 * A missed deadline closes the connection: the call that was under way must not be answered into memory
 * that is its caller's again.
 */
#include "wire/peer/remote_session.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/address.h"
#include "wire/peer/remote.h"

enum { TIMEOUT_MS_BY_DEFAULT = 30000 };

struct weir_remote_session {
    struct weir_env *env;
    struct weir_actor *actor;
    char *address; /* as the caller has it */
    struct weir_addresses found;
    size_t found_index; /* the one that is connected to */
    char *client_id;
    int64_t timeout_ms;
    size_t response_size_max;

    /* the step under way */
    struct weir_message step;
    struct weir_remote_call call;
    int16_t version_max;
    const void *response;
    int step_rc;
    struct weir_error step_error;
    _Atomic bool is_done;

    /* the connection: the actor's */
    struct weir_remote *remote;
    bool is_in_step;
    int lost_rc; /* 0: it stands */
    struct weir_error lost_error;

    struct weir_message closing;
    _Atomic bool is_closed;
};

static int nothing_to_do(void *impl)
{
    (void)impl;
    return 0;
}

/* ---- on the actor ---------------------------------------------------------------------------- */

static struct weir_remote_session *begin_step(struct weir_message *message)
{
    struct weir_remote_session *session =
        (struct weir_remote_session *)((char *)message -
                                       offsetof(struct weir_remote_session, step));
    weir_assert(!session->is_in_step);
    session->is_in_step = true;
    return session;
}

static void end_step(struct weir_remote_session *session, int rc)
{
    weir_assert(session->is_in_step);
    session->is_in_step = false;
    session->step_rc = rc;
    atomic_store(&session->is_done, true);
    weir_signal(session->env);
}

static void end_step_lost(struct weir_remote_session *session)
{
    weir_assert(session->lost_rc < 0);
    session->step_error = session->lost_error;
    end_step(session, session->lost_rc);
}

/* A call that was under way has ended with the same code just before, without the text. */
static void on_changed(void *context, int rc, const struct weir_error *error)
{
    struct weir_remote_session *session = context;
    if (rc == 0) {
        end_step(session, 0);
        return;
    }
    weir_assert(rc < 0 && error != NULL);
    session->lost_rc = rc;
    session->lost_error = *error;
    if (session->is_in_step) end_step_lost(session);
}

static void on_answer(struct weir_remote_call *call, int rc, const void *response)
{
    struct weir_remote_session *session = call->context;
    if (rc < 0) return; /* on_changed ends the step */
    session->response = response;
    end_step(session, 0);
}

/* Also after another address has failed: what is left of that is cleared away first. */
static void open_step(struct weir_message *message)
{
    struct weir_remote_session *session = begin_step(message);
    weir_assert(session->found_index < session->found.count);
    weir_remote_close(session->remote);
    session->remote = NULL;
    session->lost_rc = 0;
    struct weir_remote_options options = {
        .actor = session->actor,
        .budget = session->env->budget,
        .address = session->found.texts[session->found_index],
        .client_id = session->client_id,
        .response_size_max = session->response_size_max,
        .changed = on_changed,
        .context = session,
    };
    int rc = weir_remote_open(&options, &session->remote, &session->step_error);
    if (rc < 0) end_step(session, rc);
}

static void call_step(struct weir_message *message)
{
    struct weir_remote_session *session = begin_step(message);
    if (session->lost_rc < 0) {
        end_step_lost(session);
        return;
    }
    int16_t version = weir_remote_version(session->remote, session->call.request_type);
    bool is_capped = session->version_max > 0 && version > session->version_max;
    session->call.version = is_capped ? session->version_max : version;
    int rc = weir_remote_call(session->remote, &session->call, &session->step_error);
    if (rc < 0) end_step(session, rc);
}

static void version_step(struct weir_message *message)
{
    struct weir_remote_session *session = begin_step(message);
    bool is_open = session->remote != NULL;
    end_step(session,
             is_open ? weir_remote_version(session->remote, session->call.request_type) : -1);
}

static void close_remote(struct weir_message *message)
{
    struct weir_remote_session *session =
        (struct weir_remote_session *)((char *)message -
                                       offsetof(struct weir_remote_session, closing));
    weir_remote_close(session->remote);
    session->remote = NULL;
    session->is_in_step = false;
    atomic_store(&session->is_closed, true);
    weir_signal(session->env);
}

/* ---- the caller's thread --------------------------------------------------------------------- */

static bool is_set(void *context)
{
    return atomic_load((_Atomic bool *)context);
}

static void close_and_wait(struct weir_remote_session *session)
{
    weir_assert(session->actor != NULL);
    if (atomic_load(&session->is_closed)) return;
    session->closing.handle = close_remote;
    weir_actor_post(session->actor, &session->closing);
    (void)weir_wait(session->env, is_set, &session->is_closed, WEIR_MONO_NEVER);
}

static int run_step(struct weir_remote_session *session,
                    void (*handle)(struct weir_message *message), int64_t timeout_ms,
                    struct weir_error *error)
{
    weir_assert(weir_may_block(session->env));
    weir_assert(timeout_ms > 0);
    atomic_store(&session->is_done, false);
    session->step.handle = handle;
    weir_actor_post(session->actor, &session->step);
    struct weir_mono deadline = weir_mono_after_ms(weir_mono_now(session->env), timeout_ms);
    int rc = weir_wait(session->env, is_set, &session->is_done, deadline);
    if (rc < 0) { /* from here on nothing but this thread touches the session */
        close_and_wait(session);
        session->lost_rc = rc;
        rc = weir_error_set(&session->lost_error, (enum weir_code)rc,
                            "server '%s' has not answered in %lld ms", session->address,
                            (long long)timeout_ms);
        if (error != NULL) *error = session->lost_error;
        return rc;
    }
    if (session->step_rc < 0 && error != NULL) *error = session->step_error;
    return session->step_rc;
}

static int fill(struct weir_remote_session *session,
                const struct weir_remote_session_options *options, struct weir_error *error)
{
    struct weir_actor_options actor = {.name = "weir-remote", .run_once = nothing_to_do};
    const char *client_id = options->client_id != NULL ? options->client_id : "weir";
    struct weir_budget *budget = session->env->budget;
    session->address = weir_alloc_text(budget, options->address, strlen(options->address));
    session->client_id = weir_alloc_text(budget, client_id, strlen(client_id));
    session->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS_BY_DEFAULT;
    session->response_size_max = options->response_size_max;
    if (session->address == NULL || session->client_id == NULL) {
        return weir_error_set(error, WEIR_NO_MEMORY, "server '%s': out of memory",
                              options->address);
    }
    return weir_actor_start(session->env, &actor, &session->actor, error);
}

static int look_up(struct weir_remote_session *session, struct weir_error *error)
{
    struct weir_host_port named;
    int rc = weir_host_port_parse(session->address, &named, error);
    if (rc < 0) return rc;
    return weir_look_up(session->env, named.host, (uint16_t)named.port, &session->found, error);
}

/* A name may have addresses that nobody listens at: ::1 beside 127.0.0.1. */
static int connect_to_first(struct weir_remote_session *session, struct weir_error *error)
{
    int rc = look_up(session, error);
    if (rc < 0) return rc;
    do {
        rc = run_step(session, open_step, session->timeout_ms, error);
    } while (rc == WEIR_DISCONNECTED && ++session->found_index < session->found.count);
    return rc;
}

void weir_remote_session_close(struct weir_remote_session *session)
{
    if (session == NULL) return;
    struct weir_env *env = session->env;
    if (session->actor != NULL) {
        close_and_wait(session);
        weir_actor_stop(session->actor);
    }
    weir_free(session->address);
    weir_free(session->client_id);
    weir_free(session);
    weir_env_uv_free(env);
}

int weir_remote_session_open(const struct weir_remote_session_options *options,
                             struct weir_remote_session **session_out, struct weir_error *error)
{
    struct weir_env *env = NULL;
    struct weir_remote_session *session = NULL;
    weir_assert(options->address != NULL);
    int rc = weir_env_uv_new(&(struct weir_env_uv_options){.worker_count = 1}, &env, error);
    if (rc < 0) return rc;
    session = weir_alloc_zero(env->budget, sizeof *session);
    if (session == NULL) {
        weir_env_uv_free(env);
        return weir_error_set(error, WEIR_NO_MEMORY, "server '%s': out of memory",
                              options->address);
    }
    session->env = env;
    rc = fill(session, options, error);
    if (rc < 0) goto out;
    rc = connect_to_first(session, error);
    if (rc < 0) goto out;
    *session_out = session;
    session = NULL;
out:
    weir_remote_session_close(session);
    return rc;
}

struct weir_budget *weir_remote_session_budget(struct weir_remote_session *session)
{
    return session->env->budget;
}

const char *weir_remote_session_address(const struct weir_remote_session *session)
{
    weir_assert(session->found_index < session->found.count);
    return session->found.texts[session->found_index];
}

int16_t weir_remote_session_version(struct weir_remote_session *session,
                                    const struct weir_message_type *request)
{
    session->call = (struct weir_remote_call){.request_type = request};
    int rc = run_step(session, version_step, session->timeout_ms, NULL);
    return rc < 0 ? -1 : (int16_t)rc;
}

int weir_remote_session_call(struct weir_remote_session *session,
                             const struct weir_remote_question *question, const void **response_out,
                             struct weir_error *error)
{
    weir_assert(question->response_type == NULL || question->arena != NULL);
    session->call = (struct weir_remote_call){
        .request_type = question->request_type,
        .response_type = question->response_type,
        .request = question->request,
        .arena = question->arena,
        .done = on_answer,
        .context = session,
    };
    session->version_max = question->version_max;
    session->response = NULL;
    int64_t timeout_ms = question->timeout_ms > 0 ? question->timeout_ms : session->timeout_ms;
    int rc = run_step(session, call_step, timeout_ms, error);
    if (rc < 0) return rc;
    *response_out = session->response;
    return 0;
}
