#include <ctype.h>
#include <string.h>

#include "tools/schema_emit.h"

enum { COMMENT_SIZE_MAX = 96 };

static const char *c_type(struct schema *schema, const struct field *field)
{
    switch (field->kind) {
    case KIND_BOOL:
        return "bool";
    case KIND_INT8:
        return "int8_t";
    case KIND_INT16:
        return "int16_t";
    case KIND_UINT16:
        return "uint16_t";
    case KIND_INT32:
        return "int32_t";
    case KIND_UINT32:
        return "uint32_t";
    case KIND_INT64:
        return "int64_t";
    case KIND_FLOAT64:
        return "double";
    case KIND_UUID:
        return "struct weir_uuid";
    case KIND_STRING:
    case KIND_BYTES:
    case KIND_RECORDS:
        return "struct weir_slice";
    case KIND_STRUCT:
        break;
    }
    return schema_format(schema, "struct weir_%s", field->structure->c_name);
}

/* `text` in a comment of as many lines as it takes. */
static void emit_comment(FILE *file, const char *indent, const char *text)
{
    size_t column = strlen(indent) + 2;
    fprintf(file, "%s/*", indent);
    while (*text != '\0') {
        size_t size = strcspn(text, " ");
        if (column + 1 + size > COMMENT_SIZE_MAX) {
            fprintf(file, "\n%s *", indent);
            column = strlen(indent) + 2;
        }
        fprintf(file, " %.*s", (int)size, text);
        column += 1 + size;
        text += size + (text[size] == ' ');
    }
    fprintf(file, " */\n");
}

static const char *versions_text(struct schema *schema, struct versions versions)
{
    if (versions.max == INT16_MAX) return schema_format(schema, "%d+", versions.min);
    if (versions.max == versions.min) return schema_format(schema, "%d", versions.min);
    return schema_format(schema, "%d-%d", versions.min, versions.max);
}

/* What the schema says about the field, and where it can stand and be null. */
static void emit_field_comment(struct schema *schema, const struct field *field, FILE *file)
{
    const char *text = field->about;
    if (!versions_contain(field->versions, schema->valid)) {
        text =
            schema_format(schema, "%s Versions %s.", text, versions_text(schema, field->versions));
    }
    if (!versions_empty(field->nullable)) text = schema_format(schema, "%s May be null.", text);
    emit_comment(file, "    ", text);
}

static void emit_struct(struct schema *schema, const struct structure *structure, FILE *file)
{
    emit_comment(file, "", structure->about);
    fprintf(file, "struct weir_%s {\n", structure->c_name);
    for (size_t i = 0; i < structure->field_count; i++) {
        const struct field *field = &structure->fields[i];
        emit_field_comment(schema, field, file);
        const char *type = c_type(schema, field);
        if (field->is_array) {
            fprintf(file, "    const %s *%s;\n    size_t %s_count;\n", type, field->c_name,
                    field->c_name);
        } else if (field_is_pointer(field)) {
            fprintf(file, "    const %s *%s;\n", type, field->c_name);
        } else {
            fprintf(file, "    %s %s;\n", type, field->c_name);
        }
    }
    if (structure->field_count == 0) fprintf(file, "    uint8_t nothing; /* it has no fields */\n");
    fprintf(file, "};\n\n");
}

static const char *upper_case(struct schema *schema, const char *text)
{
    char *upper = schema_format(schema, "%s", text);
    for (char *at = upper; *at != '\0'; at++) {
        *at = (char)toupper((unsigned char)*at);
    }
    return upper;
}

static void emit_constants(struct schema *schema, FILE *file)
{
    const char *name = upper_case(schema, schema->symbol);
    fprintf(file, "enum {\n");
    if (schema->api_key != NO_API_KEY) {
        fprintf(file, "    WEIR_%s_API_KEY = %d,\n", name, schema->api_key);
    }
    fprintf(file, "    WEIR_%s_VERSION_MIN = %d,\n", name, schema->valid.min);
    fprintf(file, "    WEIR_%s_VERSION_MAX = %d,\n};\n\n", name, schema->valid.max);
}

/* Typed forms of what wire/message.h does for every message. */
static void emit_functions(struct schema *schema, FILE *file)
{
    const char *name = schema->symbol;
    fprintf(file, "extern const struct weir_message_type weir_%s_type;\n\n", name);
    fprintf(file, "/** Every field at its default. */\n");
    fprintf(file, "static inline void weir_%s_init(\n    struct weir_%s *message)\n{\n", name,
            name);
    fprintf(file, "    weir_%s_type.init(message);\n}\n", name);
    fprintf(file, "/** As weir_message_encode. */\n");
    fprintf(file, "static inline int weir_%s_encode(\n", name);
    fprintf(file, "    const struct weir_%s *message, int16_t version,\n", name);
    fprintf(file, "    struct weir_buffer *buffer)\n{\n");
    fprintf(file, "    return weir_message_encode(&weir_%s_type, message, version, buffer);\n}\n",
            name);
    fprintf(file, "/** As weir_message_size. */\n");
    fprintf(file, "static inline size_t weir_%s_size(\n", name);
    fprintf(file, "    const struct weir_%s *message, int16_t version)\n{\n", name);
    fprintf(file, "    return weir_message_size(&weir_%s_type, message, version);\n}\n", name);
    fprintf(file, "/** As weir_message_decode. */\n");
    fprintf(file, "static inline int weir_%s_decode(\n", name);
    fprintf(file, "    struct weir_%s *message_out, int16_t version,\n", name);
    fprintf(file, "    struct weir_reader *reader, struct weir_arena *arena)\n{\n");
    fprintf(file, "    return weir_message_decode(&weir_%s_type,\n", name);
    fprintf(file, "                               message_out, version, reader, arena);\n}\n");
    fprintf(file, "/** As weir_message_print. */\n");
    fprintf(file, "static inline void weir_%s_print(\n", name);
    fprintf(file, "    const struct weir_%s *message, int16_t version,\n", name);
    fprintf(file, "    struct weir_buffer *text)\n{\n");
    fprintf(file, "    weir_message_print(&weir_%s_type, message, version, text);\n}\n\n", name);
}

void schema_emit_header(struct schema *schema, FILE *file)
{
    const char *guard = upper_case(schema, schema->c_name);
    fprintf(file, "/* Generated from %s: change that, not this. */\n", schema->path);
    fprintf(file, "#ifndef WEIR_GENERATED_%s_H\n#define WEIR_GENERATED_%s_H\n\n", guard, guard);
    fprintf(file, "#include \"wire/message.h\"\n\n");
    for (size_t i = 0; i < schema->structure_count; i++) {
        emit_struct(schema, schema->structures[i], file);
    }
    emit_constants(schema, file);
    emit_functions(schema, file);
    fprintf(file, "#endif\n");
}
