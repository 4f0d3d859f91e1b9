#include "tools/schema_parser.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool parser_fail(const struct parser *parser, const char *where, const char *format, ...)
{
    fprintf(stderr, "%s: ", parser->schema->path);
    if (where != NULL) fprintf(stderr, "field '%s': ", where);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return false;
}

char *parser_copy(const struct parser *parser, const char *text)
{
    return schema_format(parser->schema, "%s", text);
}

char *parser_snake_case(const struct parser *parser, const char *name)
{
    char *snake = schema_alloc(parser->schema, 2 * strlen(name) + 1);
    size_t size = 0;
    for (size_t i = 0; name[i] != '\0'; i++) {
        bool begins_word =
            i > 0 && isupper((unsigned char)name[i]) &&
            (!isupper((unsigned char)name[i - 1]) || islower((unsigned char)name[i + 1]));
        if (begins_word) snake[size++] = '_';
        snake[size++] = (char)tolower((unsigned char)name[i]);
    }
    return snake;
}

bool parser_check_name(const struct parser *parser, const char *where, const char *name)
{
    for (size_t i = 0; name[i] != '\0'; i++) {
        if (!isalnum((unsigned char)name[i]) || !isalpha((unsigned char)name[0])) {
            return parser_fail(parser, where, "name '%s' is not letters and digits", name);
        }
    }
    return name[0] != '\0' || parser_fail(parser, where, "empty name");
}

bool parser_check_keys(const struct parser *parser, const char *where, json_t *object,
                       const char *const *known)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], key) != 0) {
            i++;
        }
        if (known[i] == NULL) return parser_fail(parser, where, "unknown key '%s'", key);
    }
    return true;
}

bool parser_get_text(const struct parser *parser, const char *where, json_t *object,
                     const char *key, const char **text_out)
{
    json_t *value = json_object_get(object, key);
    *text_out = NULL;
    if (value == NULL) return true;
    if (!json_is_string(value)) return parser_fail(parser, where, "'%s' must be a string", key);
    *text_out = parser_copy(parser, json_string_value(value));
    return true;
}

bool parser_require_text(const struct parser *parser, const char *where, json_t *object,
                         const char *key, const char **text_out)
{
    return parser_get_text(parser, where, object, key, text_out) &&
           (*text_out != NULL || parser_fail(parser, where, "'%s' is missing", key));
}

bool parser_get_bool(const struct parser *parser, const char *where, json_t *object,
                     const char *key, bool *value_out)
{
    json_t *value = json_object_get(object, key);
    if (value != NULL && !json_is_boolean(value)) {
        return parser_fail(parser, where, "'%s' must be true or false", key);
    }
    *value_out = json_is_true(value);
    return true;
}

/* "3", "0-4", "2+" or "none". */
static bool parse_versions(const char *text, struct versions *versions_out)
{
    *versions_out = (struct versions){.min = 0, .max = -1};
    if (strcmp(text, "none") == 0) return true;
    char *end = NULL;
    if (!isdigit((unsigned char)text[0])) return false;
    long min = strtol(text, &end, 10);
    long max = min;
    if (*end == '+') {
        max = INT16_MAX;
        end++;
    } else if (*end == '-' && isdigit((unsigned char)end[1])) {
        max = strtol(end + 1, &end, 10);
    }
    if (*end != '\0' || min > INT16_MAX || max > INT16_MAX || min > max) return false;
    *versions_out = (struct versions){.min = (int)min, .max = (int)max};
    return true;
}

bool parser_get_versions(const struct parser *parser, const char *where, json_t *object,
                         const char *key, struct versions *versions_out)
{
    const char *text;
    if (!parser_get_text(parser, where, object, key, &text)) return false;
    if (!parse_versions(text != NULL ? text : "none", versions_out)) {
        return parser_fail(parser, where,
                           "'%s' is '%s', expected \"3\", \"0-4\", \"2+\" or \"none\"", key, text);
    }
    return true;
}
