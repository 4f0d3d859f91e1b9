#include "runtime/task/scope.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "weir/stream.h"

void *weir_scope_alloc(struct weir_scope *scope, size_t size)
{
    if (scope == NULL) return NULL;
    return weir_arena_alloc_zero(scope->arena, size);
}

/* Notes are in the scope and not beside the object: memory of a batch stays as dense as it was. */
static void note_made(struct weir_scope *scope, const void *object, size_t size, int kind)
{
    if (scope->resets != scope->arena->resets) {
        scope->resets = scope->arena->resets;
        scope->count = 0;
    }
    scope->made[scope->count++ % WEIR_SCOPE_MADE] = (struct weir_made){object, size, kind};
}

void *weir_scope_new(struct weir_scope *scope, size_t size, int kind)
{
    void *object = weir_scope_alloc(scope, size);
    if (object != NULL) note_made(scope, object, size, kind);
    return object;
}

/* ---- objects of the plain kinds -------------------------------------------------------------- */

static void *new_value(struct weir_call *call, int kind, const void *value, size_t size)
{
    if (call == NULL) return NULL;
    void *object = weir_scope_new(call->scope, size, kind);
    if (object != NULL) memcpy(object, value, size);
    return object;
}

const int32_t *weir_call_int32(struct weir_call *call, int32_t value)
{
    return new_value(call, WEIR_FIELD_KIND_INT32, &value, sizeof value);
}

const int64_t *weir_call_int64(struct weir_call *call, int64_t value)
{
    return new_value(call, WEIR_FIELD_KIND_INT64, &value, sizeof value);
}

const double *weir_call_double(struct weir_call *call, double value)
{
    return new_value(call, WEIR_FIELD_KIND_DOUBLE, &value, sizeof value);
}

const struct weir_slice *weir_call_slice(struct weir_call *call, struct weir_slice value)
{
    if (weir_slice_is_null(value)) return NULL; /* null is no object */
    return new_value(call, WEIR_FIELD_KIND_SLICE, &value, sizeof value);
}

const struct weir_slice *weir_call_printf(struct weir_call *call, const char *format, ...)
{
    char small[256];
    if (call == NULL || format == NULL) return NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(small, sizeof small, format, arguments);
    va_end(arguments);
    if (length < 0) return NULL;

    size_t size = (size_t)length;
    struct weir_slice *text = weir_scope_alloc(call->scope, sizeof *text + size + 1);
    if (text == NULL) return NULL;
    note_made(call->scope, text, sizeof *text, WEIR_FIELD_KIND_SLICE);
    char *bytes = (char *)(text + 1); /* right behind: by that other serdes know it for a text */
    if (size < sizeof small) {
        memcpy(bytes, small, size + 1);
    } else {
        va_start(arguments, format);
        (void)vsnprintf(bytes, size + 1, format, arguments); /* the same text: it fits */
        va_end(arguments);
    }
    *text = weir_slice(bytes, size);
    return text;
}

int weir_call_fail(struct weir_call *call, const char *format, ...)
{
    char text[WEIR_ERROR_TEXT_SIZE];
    if (call == NULL || format == NULL) return WEIR_USER_FUNCTION;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* cut to fit */
    va_end(arguments);
    return weir_error_set(call->error, WEIR_USER_FUNCTION, "%s", text);
}
