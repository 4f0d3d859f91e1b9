#include <string.h>

#include "tools/schema_emit.h"

/* The expression that reads one value which is not a struct. */
static const char *value_decoder(struct schema *schema, const struct field *field,
                                 const char *nullable)
{
    if (kind_is_bytes(field->kind)) {
        return schema_format(schema, "weir_decode_%s(decoder, %s)", schema_kind_name(field),
                             nullable);
    }
    return schema_format(schema, "weir_decode_%s(decoder)", schema_kind_name(field));
}

static const char *element_type(struct schema *schema, const struct field *field)
{
    if (field->kind == KIND_STRUCT) {
        return schema_format(schema, "struct weir_%s", field->structure->c_name);
    }
    if (kind_is_bytes(field->kind)) return "struct weir_slice";
    if (field->kind == KIND_UUID) return "struct weir_uuid";
    if (field->kind == KIND_FLOAT64) return "double";
    if (field->kind == KIND_BOOL) return "bool";
    return schema_format(schema, "%s_t", schema_kind_name(field));
}

static const char *is_nullable(struct schema *schema, const struct field *field)
{
    struct versions known = versions_meet(schema->valid, field->versions);
    return schema_version_test(schema, field->nullable, known, "decoder->version");
}

static void emit_head(struct schema *schema, const struct structure *structure, const char *part,
                      FILE *file)
{
    schema_emit_signature(
        file, schema_format(schema, "static void decode_%s%s", structure->local_name, part),
        "struct weir_decoder *decoder",
        schema_format(schema, "struct weir_%s *out", structure->c_name), "\n{");
}

static void emit_array(struct schema *schema, const struct structure *structure,
                       const struct field *field, FILE *file)
{
    emit_head(schema, structure, schema_format(schema, "_%s_array", field->c_name), file);
    fprintf(file, "    bool is_nullable = %s;\n", is_nullable(schema, field));
    fprintf(file, "    const size_t size_min = %zu; /* of an element on the wire */\n",
            field_element_size_min(schema, field));
    fprintf(file, "    %s *elements =\n", element_type(schema, field));
    fprintf(file, "        weir_decode_array(decoder, is_nullable, size_min, sizeof *elements,\n");
    fprintf(file, "                          &out->%s_count);\n", field->c_name);
    fprintf(file, "    for (size_t i = 0; i < out->%s_count; i++) {\n", field->c_name);
    if (field->kind == KIND_STRUCT) {
        fprintf(file, "        init_%s(&elements[i]);\n", field->structure->local_name);
        fprintf(file, "        decode_%s(decoder, &elements[i]);\n", field->structure->local_name);
    } else {
        fprintf(file, "        elements[i] = %s;\n", value_decoder(schema, field, "false"));
    }
    fprintf(file, "    }\n    out->%s = elements;\n}\n\n", field->c_name);
}

static void emit_optional(struct schema *schema, const struct structure *structure,
                          const struct field *field, FILE *file)
{
    emit_head(schema, structure, schema_format(schema, "_%s_optional", field->c_name), file);
    fprintf(file, "    bool is_nullable = %s;\n", is_nullable(schema, field));
    fprintf(file, "    struct weir_%s *value =\n", field->structure->c_name);
    fprintf(file, "        weir_decode_presence(decoder, is_nullable, sizeof *value);\n");
    fprintf(file, "    if (value != NULL) {\n");
    fprintf(file, "        init_%s(value);\n", field->structure->local_name);
    fprintf(file, "        decode_%s(decoder, value);\n    }\n", field->structure->local_name);
    fprintf(file, "    out->%s = value;\n}\n\n", field->c_name);
}

static void emit_value(struct schema *schema, const struct structure *structure,
                       const struct field *field, const char *indent, FILE *file)
{
    const char *name = field->c_name;
    if (field->is_array) {
        fprintf(file, "%sdecode_%s_%s_array(decoder, out);\n", indent, structure->local_name, name);
    } else if (field_is_pointer(field)) {
        fprintf(file, "%sdecode_%s_%s_optional(decoder, out);\n", indent, structure->local_name,
                name);
    } else if (field->kind == KIND_STRUCT) {
        fprintf(file, "%sdecode_%s(decoder, &out->%s);\n", indent, field->structure->local_name,
                name);
    } else {
        fprintf(file, "%sout->%s = %s;\n", indent, name,
                value_decoder(schema, field, is_nullable(schema, field)));
    }
}

static void emit_tags(struct schema *schema, const struct structure *structure,
                      const struct field **fields, size_t count, FILE *file)
{
    struct versions known = versions_meet(schema->valid, schema->flexible);
    emit_head(schema, structure, "_tags", file);
    fprintf(file, "    struct weir_tags tags = weir_decode_tags(decoder);\n");
    fprintf(file, "    while (weir_decode_tag(decoder, &tags)) {\n        ");
    for (size_t i = 0; i < count; i++) {
        const char *test =
            schema_version_test(schema, fields[i]->tagged, known, "decoder->version");
        fprintf(file, "if (tags.tag == %d", fields[i]->tag);
        if (strcmp(test, "true") != 0) fprintf(file, " && %s", test);
        fprintf(file, ") {\n");
        emit_value(schema, structure, fields[i], "            ", file);
        fprintf(file, "        } else ");
    }
    fprintf(file, "{\n            weir_decode_unknown_tag(decoder);\n        }\n    }\n}\n\n");
}

static void emit_field(struct schema *schema, const struct structure *structure,
                       const struct field *field, FILE *file)
{
    const char *here =
        schema_version_test(schema, field_untagged(field), schema->valid, "decoder->version");
    if (strcmp(here, "true") == 0) {
        emit_value(schema, structure, field, "    ", file);
    } else if (strcmp(here, "false") != 0) {
        fprintf(file, "    if (%s) {\n", here);
        emit_value(schema, structure, field, "        ", file);
        fprintf(file, "    }\n");
    }
}

static void emit_structure(struct schema *schema, const struct structure *structure, FILE *file)
{
    const struct field **tagged;
    size_t tagged_count = schema_tagged_fields(schema, structure, &tagged);
    for (size_t i = 0; i < structure->field_count; i++) {
        const struct field *field = &structure->fields[i];
        if (field->is_array) {
            emit_array(schema, structure, field, file);
        } else if (field_is_pointer(field)) {
            emit_optional(schema, structure, field, file);
        }
    }
    if (tagged_count > 0) emit_tags(schema, structure, tagged, tagged_count, file);

    emit_head(schema, structure, "", file);
    for (size_t i = 0; i < structure->field_count; i++) {
        emit_field(schema, structure, &structure->fields[i], file);
    }
    if (structure->field_count == 0) fprintf(file, "    (void)out; /* it has no fields */\n");
    if (tagged_count > 0) {
        fprintf(file, "    if (decoder->is_flexible) {\n");
        fprintf(file, "        decode_%s_tags(decoder, out);\n    }\n", structure->local_name);
    } else if (schema_is_ever_flexible(schema)) {
        fprintf(file, "    weir_decode_no_tags(decoder);\n");
    } else if (structure->field_count == 0) {
        fprintf(file, "    (void)decoder;\n");
    }
    fprintf(file, "}\n\n");
}

static void emit_field_default(const struct field *field, FILE *file)
{
    const char *name = field->c_name;
    bool is_null = field->is_default_null;
    if (field->is_array) {
        if (is_null || versions_empty(field->nullable)) return;
        fprintf(file, "    out->%s = weir_no_elements();\n", name);
    } else if (field->kind == KIND_STRUCT) {
        if (!is_null) fprintf(file, "    init_%s(&out->%s);\n", field->structure->local_name, name);
    } else if (kind_is_bytes(field->kind)) {
        if (is_null) return;
        fprintf(file, "    out->%s = weir_text(%s);\n", name,
                field->default_text != NULL ? field->default_text : "\"\"");
    } else if (field->default_text != NULL) {
        fprintf(file, "    out->%s = %s;\n", name, field->default_text);
    }
}

static void emit_init(const struct structure *structure, FILE *file)
{
    fprintf(file, "static void init_%s(\n    struct weir_%s *out)\n{\n", structure->local_name,
            structure->c_name);
    fprintf(file, "    memset(out, 0, sizeof *out);\n");
    for (size_t i = 0; i < structure->field_count; i++) {
        emit_field_default(&structure->fields[i], file);
    }
    fprintf(file, "}\n\n");
}

void schema_emit_decoders(struct schema *schema, FILE *file)
{
    for (size_t i = 0; i < schema->structure_count; i++) {
        emit_init(schema->structures[i], file);
    }
    for (size_t i = 0; i < schema->structure_count; i++) {
        emit_structure(schema, schema->structures[i], file);
    }
}
