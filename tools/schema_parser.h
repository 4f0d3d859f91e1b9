#ifndef WEIR_TOOLS_SCHEMA_PARSER_H
#define WEIR_TOOLS_SCHEMA_PARSER_H

#include <jansson.h>

#include "tools/schema.h"

/** What reading a schema's JSON is made of: names, typed keys of an object, and one way to fail. */
struct parser {
    struct schema *schema;
    json_t *common; /* structs used by name more than once; NULL if there are none */
    int depth;      /* of structs within structs */
};

/** Say on stderr what is wrong with the file, or the field `where`. Always false. */
bool parser_fail(const struct parser *parser, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** A copy that lives as long as the schema. */
char *parser_copy(const struct parser *parser, const char *text);
/** `BrokerId` to `broker_id`; a run of capitals is one word. */
char *parser_snake_case(const struct parser *parser, const char *name);

bool parser_check_name(const struct parser *parser, const char *where, const char *name);
/** A key that is not in the list, which NULL ends, is a typing error or a rule that would be lost. */
bool parser_check_keys(const struct parser *parser, const char *where, json_t *object,
                       const char *const *known);

/** Absent is NULL and fine; anything but a string is not. */
bool parser_get_text(const struct parser *parser, const char *where, json_t *object,
                     const char *key, const char **text_out);
bool parser_require_text(const struct parser *parser, const char *where, json_t *object,
                         const char *key, const char **text_out);
/** Absent is false. */
bool parser_get_bool(const struct parser *parser, const char *where, json_t *object,
                     const char *key, bool *value_out);
/** "3", "0-4", "2+" or "none"; absent is none. */
bool parser_get_versions(const struct parser *parser, const char *where, json_t *object,
                         const char *key, struct versions *versions_out);

#endif
