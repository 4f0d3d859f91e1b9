#include "wire/request/request.h"

#include "base/assert.h"
#include "base/error.h"

static bool is_done(void *context)
{
    return atomic_load(&((const struct weir_request *)context)->is_done);
}

/* On whichever thread answers. Once the flag is set the request may be gone with its owner's stack. */
static void waited_for(struct weir_request *request)
{
    struct weir_env *env = request->context;
    atomic_store(&request->is_done, true);
    weir_signal(env);
}

int weir_request_wait_begin(struct weir_env *env, struct weir_request *request,
                            struct weir_error *error)
{
    if (!weir_may_block(env)) {
        return weir_error_set(error, WEIR_WRONG_THREAD,
                              "a blocking call from a thread that must not block; use the "
                              "asynchronous form");
    }
    request->reply_to = NULL;
    request->done = waited_for;
    request->context = env;
    atomic_store(&request->is_done, false);
    return 0;
}

int weir_request_wait(struct weir_env *env, struct weir_request *request, struct weir_error *error)
{
    weir_assert(request->done == waited_for); /* it was begun */
    int rc = weir_wait(env, is_done, request, WEIR_MONO_NEVER);
    if (rc < 0) return weir_error_set(error, (enum weir_code)rc, "wait for an answer");
    if (request->rc < 0 && error != NULL) *error = request->error;
    return request->rc;
}
