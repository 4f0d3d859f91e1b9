#ifndef WEIR_OPERATORS_SERDE_TEXT_H
#define WEIR_OPERATORS_SERDE_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "weir/serde.h"

/**
 * The usual mistake with serdes: a function returns a text of weir_call_printf, and the serde
 * beside it is of numbers or of a struct. Objects have no tags, so what is written then is the
 * text's address. It tells itself, though: the bytes stand right behind their slice
 * (runtime/task/scope.c), and no number is the address of the place behind itself. `object` has 8
 * bytes at least.
 */
static inline bool weir_object_is_text(const void *object)
{
    uintptr_t bits;
    memcpy(&bits, object, sizeof bits);
    return bits == (uintptr_t)object + sizeof(struct weir_slice);
}

static inline void weir_refuse_text(const struct weir_serde *serde,
                                    const struct weir_serde_call *call)
{
    (void)weir_error_set(
        call->error, WEIR_SERDE,
        "%s of %s: the object is a text of weir_call_printf: pass WEIR_STRING where "
        "it is made, or return what %s takes",
        serde->name, call->topic, serde->name);
}

#endif
