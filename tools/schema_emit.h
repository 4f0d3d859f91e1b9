#ifndef WEIR_TOOLS_SCHEMA_EMIT_H
#define WEIR_TOOLS_SCHEMA_EMIT_H

#include <stdio.h>

#include "tools/schema.h"

/** Write the message's header: structs, constants, and the functions that a caller sees. */
void schema_emit_header(struct schema *schema, FILE *file);
/** Write the code behind it. `include` is the path of the header in an #include line. */
void schema_emit_code(struct schema *schema, const char *include, FILE *file);
/** The parts of the code, each in its own file. */
void schema_emit_encoders(struct schema *schema, FILE *file);
void schema_emit_decoders(struct schema *schema, FILE *file);
void schema_emit_printers(struct schema *schema, FILE *file);

/**
 * The condition under which `version` (an expression) is one of `versions`, when it is known to be
 * one of `known`: "true", "false" or a comparison. And its opposite.
 */
const char *schema_version_test(struct schema *schema, struct versions versions,
                                struct versions known, const char *version);
const char *schema_version_lacks(struct schema *schema, struct versions versions,
                                 struct versions known, const char *version);

/** True where `in->field` is not what `init` sets, as a C expression. */
const char *schema_differs_from_default(struct schema *schema, const struct field *field);

/** `head(first, second)` and a line break, wrapped where it would pass column 100. */
void schema_emit_signature(FILE *file, const char *head, const char *first, const char *second,
                           const char *tail);

/** The middle of `weir_encode_int32`. */
const char *schema_kind_name(const struct field *field);
bool schema_is_ever_flexible(const struct schema *schema);
static inline bool field_is_tagged(const struct field *field)
{
    return !versions_empty(field->tagged);
}
/** The struct's tagged fields in the order of their tags; the count. */
size_t schema_tagged_fields(struct schema *schema, const struct structure *structure,
                            const struct field ***fields_out);

#endif
