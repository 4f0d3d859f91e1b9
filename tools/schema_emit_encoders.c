#include <stdlib.h>
#include <string.h>

#include "tools/schema_emit.h"

static const char *element_encoder(struct schema *schema, const struct field *field,
                                   const char *encoder, const char *element)
{
    if (field->kind == KIND_STRUCT) {
        return schema_format(schema, "encode_%s(%s, &%s);", field->structure->local_name, encoder,
                             element);
    }
    return schema_format(schema, "weir_encode_%s(%s, %s%s);", schema_kind_name(field), encoder,
                         element, kind_is_bytes(field->kind) ? ", false" : "");
}

static void emit_array(struct schema *schema, const struct structure *structure,
                       const struct field *field, FILE *file)
{
    struct versions known = versions_meet(schema->valid, field->versions);
    schema_emit_signature(file,
                          schema_format(schema, "static void encode_%s_%s_array",
                                        structure->local_name, field->c_name),
                          "struct weir_encoder *encoder",
                          schema_format(schema, "const struct weir_%s *in", structure->c_name),
                          "\n{");
    fprintf(file, "    bool is_nullable = %s;\n",
            schema_version_test(schema, field->nullable, known, "encoder->version"));
    fprintf(file, "    if (!weir_encode_count(encoder, in->%s, in->%s_count, is_nullable)) {\n",
            field->c_name, field->c_name);
    fprintf(file, "        return;\n    }\n");
    fprintf(file, "    for (size_t i = 0; i < in->%s_count; i++) {\n", field->c_name);
    fprintf(file, "        %s\n    }\n}\n\n",
            element_encoder(schema, field, "encoder",
                            schema_format(schema, "in->%s[i]", field->c_name)));
}

/* The statement that writes the field with `encoder`, indented. */
static void emit_value(struct schema *schema, const struct structure *structure,
                       const struct field *field, const char *encoder, const char *indent,
                       FILE *file)
{
    const char *name = field->c_name;
    struct versions known = versions_meet(schema->valid, field->versions);
    const char *nullable = schema_version_test(schema, field->nullable, known, "encoder->version");
    if (field->is_array) {
        fprintf(file, "%sencode_%s_%s_array(%s, in);\n", indent, structure->local_name, name,
                encoder);
    } else if (field_is_pointer(field)) {
        fprintf(file, "%sif (weir_encode_presence(%s, in->%s, %s)) {\n", indent, encoder, name,
                nullable);
        fprintf(file, "%s    encode_%s(%s, in->%s);\n%s}\n", indent, field->structure->local_name,
                encoder, name, indent);
    } else if (kind_is_bytes(field->kind)) {
        fprintf(file, "%sweir_encode_%s(%s, in->%s, %s);\n", indent, schema_kind_name(field),
                encoder, name, nullable);
    } else {
        fprintf(file, "%s%s\n", indent,
                element_encoder(schema, field, encoder, schema_format(schema, "in->%s", name)));
    }
}

/* One field in its place; in versions that lack it, it must be droppable or at its default. */
static void emit_field(struct schema *schema, const struct structure *structure,
                       const struct field *field, FILE *file)
{
    const char *version = "encoder->version";
    struct versions known = schema->valid;
    const char *here = schema_version_test(schema, field_untagged(field), known, version);
    if (strcmp(here, "true") == 0) {
        emit_value(schema, structure, field, "encoder", "    ", file);
    } else if (strcmp(here, "false") != 0) {
        fprintf(file, "    if (%s) {\n", here);
        emit_value(schema, structure, field, "encoder", "        ", file);
        fprintf(file, "    }\n");
    }
    const char *lacks = schema_version_lacks(schema, field->versions, known, version);
    if (!field->is_ignorable && strcmp(lacks, "false") != 0) {
        fprintf(file, "    if (%s && %s) {\n", lacks, schema_differs_from_default(schema, field));
        fprintf(file, "        weir_encode_refuse(encoder);\n    }\n");
    }
}

/* The tagged fields that are not at their default, in the order of their tags. */
static void emit_tags(struct schema *schema, const struct structure *structure,
                      const struct field **fields, size_t count, FILE *file)
{
    schema_emit_signature(
        file, schema_format(schema, "static void encode_%s_tags", structure->local_name),
        "struct weir_encoder *encoder",
        schema_format(schema, "const struct weir_%s *in", structure->c_name), "\n{");
    struct versions known = versions_meet(schema->valid, schema->flexible);
    for (size_t i = 0; i < count; i++) {
        const char *test =
            schema_version_test(schema, fields[i]->tagged, known, "encoder->version");
        fprintf(file, "    bool has_%s = ", fields[i]->c_name);
        if (strcmp(test, "true") != 0) fprintf(file, "%s && ", test);
        fprintf(file, "%s;\n", schema_differs_from_default(schema, fields[i]));
    }
    fprintf(file, "    int count = ");
    for (size_t i = 0; i < count; i++) {
        fprintf(file, "%shas_%s", i == 0 ? "" : " + ", fields[i]->c_name);
    }
    fprintf(file, ";\n    weir_encode_uvarint(encoder, (uint64_t)count);\n");
    for (size_t i = 0; i < count; i++) {
        fprintf(file, "    if (has_%s) {\n", fields[i]->c_name);
        fprintf(file, "        struct weir_encoder measure = weir_encode_measure(encoder);\n");
        emit_value(schema, structure, fields[i], "&measure", "        ", file);
        fprintf(file, "        weir_encode_tag(encoder, %d, measure.size);\n", fields[i]->tag);
        emit_value(schema, structure, fields[i], "encoder", "        ", file);
        fprintf(file, "    }\n");
    }
    fprintf(file, "}\n\n");
}

static void emit_structure(struct schema *schema, const struct structure *structure, FILE *file)
{
    const struct field **tagged;
    size_t tagged_count = schema_tagged_fields(schema, structure, &tagged);
    for (size_t i = 0; i < structure->field_count; i++) {
        if (structure->fields[i].is_array) {
            emit_array(schema, structure, &structure->fields[i], file);
        }
    }
    if (tagged_count > 0) emit_tags(schema, structure, tagged, tagged_count, file);

    schema_emit_signature(
        file, schema_format(schema, "static void encode_%s", structure->local_name),
        "struct weir_encoder *encoder",
        schema_format(schema, "const struct weir_%s *in", structure->c_name), "\n{");
    for (size_t i = 0; i < structure->field_count; i++) {
        emit_field(schema, structure, &structure->fields[i], file);
    }
    if (structure->field_count == 0) fprintf(file, "    (void)in; /* it has no fields */\n");
    if (tagged_count > 0) {
        fprintf(file, "    if (encoder->is_flexible) {\n");
        fprintf(file, "        encode_%s_tags(encoder, in);\n    }\n", structure->local_name);
    } else if (schema_is_ever_flexible(schema)) {
        fprintf(file, "    weir_encode_no_tags(encoder);\n");
    } else if (structure->field_count == 0) {
        fprintf(file, "    (void)encoder;\n");
    }
    fprintf(file, "}\n\n");
}

/* Does an encoder ask whether the field is at its default? */
static bool is_compared(const struct schema *schema, const struct field *field)
{
    return field_is_tagged(field) ||
           (!field->is_ignorable && !versions_contain(field->versions, schema->valid));
}

static bool *find_compared(struct schema *schema)
{
    bool *compared = schema_alloc(schema, schema->structure_count * sizeof *compared);
    for (size_t i = schema->structure_count; i-- > 0;) {
        const struct structure *structure = schema->structures[i];
        for (size_t j = 0; j < structure->field_count; j++) {
            const struct field *field = &structure->fields[j];
            bool stands_inside =
                field->kind == KIND_STRUCT && !field->is_array && !field_is_pointer(field);
            if (!stands_inside || !(compared[i] || is_compared(schema, field))) continue;
            for (size_t k = 0; k < i; k++) {
                compared[k] |= schema->structures[k] == field->structure;
            }
        }
    }
    return compared;
}

/* For structs whose default is compared as a whole. */
static void emit_is_default(struct schema *schema, const struct structure *structure, FILE *file)
{
    fprintf(file, "static bool is_default_%s(const struct weir_%s *in)\n{\n", structure->local_name,
            structure->c_name);
    if (structure->field_count == 0) fprintf(file, "    (void)in; /* it has no fields */\n");
    for (size_t i = 0; i < structure->field_count; i++) {
        fprintf(file, "    if (%s) {\n        return false;\n    }\n",
                schema_differs_from_default(schema, &structure->fields[i]));
    }
    fprintf(file, "    return true;\n}\n\n");
}

void schema_emit_encoders(struct schema *schema, FILE *file)
{
    const bool *compared = find_compared(schema);
    for (size_t i = 0; i < schema->structure_count; i++) {
        if (compared[i]) emit_is_default(schema, schema->structures[i], file);
    }
    for (size_t i = 0; i < schema->structure_count; i++) {
        emit_structure(schema, schema->structures[i], file);
    }
}
