#include "client/access.h"

#include "base/assert.h"
#include "base/error.h"

/* Two threads that are alive have two addresses of it. */
static _Thread_local char mark;

int weir_access_acquire(struct weir_access *access, const char *what, const char *call,
                        struct weir_error *error)
{
    uintptr_t me = (uintptr_t)&mark;
    uintptr_t inside = 0;
    if (!atomic_compare_exchange_strong_explicit(&access->thread, &inside, me, memory_order_acquire,
                                                 memory_order_relaxed) &&
        inside != me) {
        return weir_error_set(
            error, WEIR_WRONG_THREAD,
            "%s: another thread is in a call on this %s: give each thread a %s of "
            "its own, or have them take turns",
            call, what, what);
    }
    weir_assert((access->depth > 0) == (inside == me)); /* it was free, or this thread's */
    access->depth++;
    return 0;
}

void weir_access_release(struct weir_access *access)
{
    weir_assert(access->depth > 0);
    weir_assert(atomic_load_explicit(&access->thread, memory_order_relaxed) == (uintptr_t)&mark);
    access->depth--;
    if (access->depth == 0) atomic_store_explicit(&access->thread, 0, memory_order_release);
}
