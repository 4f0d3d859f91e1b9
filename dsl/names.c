/* Names of topics, nodes and stores become names of topics, and those names of folders. */
#include <string.h>

#include "dsl/logical.h"

enum { NAME_SIZE_MAX = 249 };

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

int weir_name_check(struct weir_builder *builder, const char *node, const char *what,
                    const char *name)
{
    if (name == NULL) {
        return weir_builder_fail(builder, node, "the %s is NULL: give it a name", what);
    }
    size_t size = strnlen(name, NAME_SIZE_MAX + 1);
    if (size == 0) {
        return weir_builder_fail(builder, node, "the %s is empty: give it a name", what);
    }
    if (size > NAME_SIZE_MAX) {
        return weir_builder_fail(builder, node,
                                 "the %s '%.32s…' is too long: at most %d characters", what, name,
                                 NAME_SIZE_MAX);
    }
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return weir_builder_fail(builder, node, "the %s cannot be '%s': it names a folder", what,
                                 name);
    }
    for (size_t i = 0; i < size; i++) {
        if (is_name_character(name[i])) continue;
        return weir_builder_fail(
            builder, node,
            "the %s '%.*s' is followed by byte 0x%02x: use a-z, A-Z, 0-9, '.', '_' and '-'", what,
            (int)i, name, (unsigned)(unsigned char)name[i]);
    }
    return 0;
}

bool weir_name_is_automatic(const char *name)
{
    enum { DIGITS = 10 };
    size_t size = strlen(name);
    if (strncmp(name, "KSTREAM", 7) != 0 || size < 7 + 1 + DIGITS) return false;
    const char *number = name + size - DIGITS;
    if (number[-1] != '-') return false;
    return strspn(number, "0123456789") == DIGITS;
}
