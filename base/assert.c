#include "base/assert.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

typedef void (*assert_hook_fn)(const char *message);

/* The one mutable object at file scope in the library (assert.h says why). */
static _Atomic(assert_hook_fn) assert_hook;

void weir_assert_set_hook(void (*hook)(const char *message))
{
    atomic_store(&assert_hook, hook);
}

/* The heap may be what is broken, so the message is built on the stack. */
_Noreturn void weir_assert_failed(const char *condition, const char *file, int line,
                                  const char *function)
{
    char message[1024];
    (void)snprintf(message, sizeof message, "weir: %s:%d: %s: assertion '%s' failed", file, line,
                   function, condition); /* cut if it must be */

    assert_hook_fn hook = atomic_load(&assert_hook);
    if (hook != NULL) {
        hook(message);
    } else {
        fprintf(stderr, "%s\n", message);
    }
    abort();
}
