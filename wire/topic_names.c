#include "wire/topic_names.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"

enum { PRINTED_SIZE = 96 };

/* A name for a message: what cannot be printed shows as \xNN, what is long is cut. */
static const char *printable(char *to, size_t size, struct weir_slice name)
{
    enum { CUT_BEHIND = 60, LONGEST = 4 }; /* \xNN, and "..." */
    size_t used = 0;
    weir_assert(size > CUT_BEHIND + 2 * LONGEST);
    for (size_t i = 0; i < name.size && used + 8 < size; i++) {
        uint8_t byte = name.data[i];
        bool is_plain = byte >= 0x20 && byte < 0x7f;
        used += (size_t)snprintf(to + used, size - used, is_plain ? "%c" : "\\x%02x", byte);
        if (used > CUT_BEHIND && i + 1 < name.size) {
            used += (size_t)snprintf(to + used, size - used, "...");
            break;
        }
    }
    to[used] = '\0';
    return to;
}

static bool is_legal(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

static int refuse_character(struct weir_slice name, size_t at, struct weir_error *error)
{
    char shown[PRINTED_SIZE];
    char character[PRINTED_SIZE];
    weir_assert(at < name.size);
    printable(shown, sizeof shown, name);
    printable(character, sizeof character, weir_slice(name.data + at, 1));
    return weir_error_set(error, WEIR_INVALID_TOPIC,
                          "topic name '%s' has '%s' at position %zu; letters, digits, '.', '_' and "
                          "'-' are allowed",
                          shown, character, at);
}

int weir_topic_name_check(struct weir_slice name, struct weir_error *error)
{
    if (name.data == NULL || name.size == 0) {
        return weir_error_set(error, WEIR_INVALID_TOPIC,
                              "a topic name is empty; 1 to %d characters are allowed",
                              WEIR_TOPIC_NAME_SIZE_MAX);
    }
    if (name.size > WEIR_TOPIC_NAME_SIZE_MAX) {
        char shown[PRINTED_SIZE];
        return weir_error_set(
            error, WEIR_INVALID_TOPIC, "topic name '%s' has %zu characters; at most %d are allowed",
            printable(shown, sizeof shown, name), name.size, WEIR_TOPIC_NAME_SIZE_MAX);
    }
    for (size_t i = 0; i < name.size; i++) {
        if (!is_legal(name.data[i])) return refuse_character(name, i, error);
    }
    if (weir_slice_equal(name, weir_text(".")) || weir_slice_equal(name, weir_text(".."))) {
        return weir_error_set(error, WEIR_INVALID_TOPIC,
                              "topic name '%.*s' is a directory's; choose one that has a letter, "
                              "digit, '_' or '-'",
                              (int)name.size, (const char *)name.data);
    }
    return 0;
}

static uint8_t folded(uint8_t byte)
{
    return byte == '.' ? (uint8_t)'_' : byte;
}

bool weir_topic_name_collides(struct weir_slice name, struct weir_slice other)
{
    if (name.size != other.size) return false;
    for (size_t i = name.size; i > 0; i--) { /* names that begin alike are common */
        if (folded(name.data[i - 1]) != folded(other.data[i - 1])) return false;
    }
    return true;
}

void weir_topic_name_fold(struct weir_slice name, char *to)
{
    for (size_t i = 0; i < name.size; i++)
        to[i] = (char)folded(name.data[i]);
}

bool weir_topic_name_is_internal(struct weir_slice name)
{
    return name.size >= 2 && name.data[0] == '_' && name.data[1] == '_';
}
