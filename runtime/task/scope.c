#include "runtime/task/scope.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "weir/stream.h"

void *weir_scope_alloc(struct weir_scope *scope, size_t size)
{
    if (scope == NULL) return NULL;
    return weir_arena_alloc_zero(scope->arena, size);
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
