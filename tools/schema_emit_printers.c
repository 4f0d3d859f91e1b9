#include <string.h>

#include "tools/schema_emit.h"

static const char *value_printer(struct schema *schema, const struct field *field,
                                 const char *value)
{
    switch (field->kind) {
    case KIND_BOOL:
        return schema_format(schema, "weir_print_bool(text, %s);", value);
    case KIND_INT8:
    case KIND_INT16:
    case KIND_UINT16:
    case KIND_INT32:
    case KIND_UINT32:
    case KIND_INT64:
        return schema_format(schema, "weir_print_int(text, %s);", value);
    case KIND_FLOAT64:
        return schema_format(schema, "weir_print_float(text, %s);", value);
    case KIND_UUID:
        return schema_format(schema, "weir_print_uuid(text, %s);", value);
    case KIND_STRING:
        return schema_format(schema, "weir_print_string(text, %s);", value);
    case KIND_BYTES:
    case KIND_RECORDS:
        return schema_format(schema, "weir_print_bytes(text, %s);", value);
    case KIND_STRUCT:
        break;
    }
    return schema_format(schema, "print_%s(text, &%s, version);", field->structure->local_name,
                         value);
}

/* Every value is printed by a function of the same three parameters; some need no version. */
static void emit_head(struct schema *schema, const struct structure *structure, const char *part,
                      bool needs_version, FILE *file)
{
    schema_emit_signature(
        file, schema_format(schema, "static void print_%s%s", structure->local_name, part),
        "struct weir_buffer *text",
        schema_format(schema, "const struct weir_%s *in, int16_t version", structure->c_name),
        "\n{");
    if (!needs_version) fprintf(file, "    (void)version; /* the same in all */\n");
}

static void emit_array(struct schema *schema, const struct structure *structure,
                       const struct field *field, FILE *file)
{
    const char *name = field->c_name;
    emit_head(schema, structure, schema_format(schema, "_%s_array", name),
              field->kind == KIND_STRUCT, file);
    if (!versions_empty(field->nullable)) {
        fprintf(file, "    if (in->%s == NULL) {\n", name);
        fprintf(file, "        weir_print_text(text, \"null\");\n        return;\n    }\n");
    }
    fprintf(file, "    weir_print_text(text, \"[\");\n");
    fprintf(file, "    for (size_t i = 0; i < in->%s_count; i++) {\n", name);
    fprintf(file, "        weir_print_text(text, i == 0 ? \"\" : \", \");\n");
    fprintf(file, "        %s\n    }\n",
            value_printer(schema, field, schema_format(schema, "in->%s[i]", name)));
    fprintf(file, "    weir_print_text(text, \"]\");\n}\n\n");
}

static void emit_optional(struct schema *schema, const struct structure *structure,
                          const struct field *field, FILE *file)
{
    const char *name = field->c_name;
    emit_head(schema, structure, schema_format(schema, "_%s_optional", name), true, file);
    fprintf(file, "    if (in->%s == NULL) {\n", name);
    fprintf(file, "        weir_print_text(text, \"null\");\n    } else {\n");
    fprintf(file, "        print_%s(text, in->%s, version);\n    }\n}\n\n",
            field->structure->local_name, name);
}

static const char *field_printer(struct schema *schema, const struct structure *structure,
                                 const struct field *field)
{
    const char *part = field->is_array ? "array" : field_is_pointer(field) ? "optional" : NULL;
    if (part != NULL) {
        return schema_format(schema, "print_%s_%s_%s(text, in, version);", structure->local_name,
                             field->c_name, part);
    }
    return value_printer(schema, field, schema_format(schema, "in->%s", field->c_name));
}

static bool needs_version(const struct schema *schema, const struct structure *structure)
{
    for (size_t i = 0; i < structure->field_count; i++) {
        const struct field *field = &structure->fields[i];
        if (field->is_array || field->kind == KIND_STRUCT ||
            !versions_contain(field->versions, schema->valid)) {
            return true;
        }
    }
    return false;
}

static void emit_structure(struct schema *schema, const struct structure *structure, FILE *file)
{
    for (size_t i = 0; i < structure->field_count; i++) {
        const struct field *field = &structure->fields[i];
        if (field->is_array) {
            emit_array(schema, structure, field, file);
        } else if (field_is_pointer(field)) {
            emit_optional(schema, structure, field, file);
        }
    }
    emit_head(schema, structure, "", needs_version(schema, structure), file);
    if (structure->field_count == 0) {
        fprintf(file, "    (void)in; /* it has no fields */\n");
    } else {
        fprintf(file, "    bool is_first = true;\n");
    }
    fprintf(file, "    weir_print_text(text, \"{\");\n");
    for (size_t i = 0; i < structure->field_count; i++) {
        const struct field *field = &structure->fields[i];
        const char *test = schema_version_test(schema, field->versions, schema->valid, "version");
        bool is_always = strcmp(test, "true") == 0;
        const char *indent = is_always ? "    " : "        ";
        if (!is_always) fprintf(file, "    if (%s) {\n", test);
        fprintf(file, "%sweir_print_key(text, \"%s\", &is_first);\n", indent, field->name);
        fprintf(file, "%s%s\n", indent, field_printer(schema, structure, field));
        if (!is_always) fprintf(file, "    }\n");
    }
    fprintf(file, "    weir_print_text(text, \"}\");\n}\n\n");
}

void schema_emit_printers(struct schema *schema, FILE *file)
{
    for (size_t i = 0; i < schema->structure_count; i++) {
        emit_structure(schema, schema->structures[i], file);
    }
}
