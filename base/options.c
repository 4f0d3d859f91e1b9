#include "base/options.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

/* No struct grows that far: such a size is whatever lay on the stack. */
enum { GROWTH_MAX = 16 };

/* What a newer, longer struct has and we don't must be unset. */
static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) return false;
    }
    return true;
}

/* A size of 0 is refused, although it could stand for the struct's first version: a program that sets
 * a member of a later one and forgets the macro would have it dropped without a word. */
int weir_options_take(void *to, size_t to_size, const void *from, const char *init,
                      struct weir_error *error)
{
    size_t size = to_size;
    weir_assert(to_size >= sizeof size);
    if (from != NULL) memcpy(&size, from, sizeof size);
    if (size < sizeof size || size / GROWTH_MAX > to_size) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "options have size %zu: begin them with %s", size, init);
    }
    size_t known = size < to_size ? size : to_size;
    if (from != NULL && !is_zero((const uint8_t *)from + known, size - known)) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "options of %zu bytes set what this version does not know, whose "
                              "options have %zu: leave what is newer unset, or run with the "
                              "library that the program was built for",
                              size, to_size);
    }
    memset(to, 0, to_size);
    if (from != NULL) memcpy(to, from, known);
    memcpy(to, &to_size, sizeof to_size);
    return 0;
}
