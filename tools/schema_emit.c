#include "tools/schema_emit.h"

#include <stdlib.h>
#include <string.h>

/* What the emitters of header, encoders, decoders and printers have in common. */

enum { LINE_SIZE_MAX = 100 };

const char *schema_version_test(struct schema *schema, struct versions versions,
                                struct versions known, const char *version)
{
    struct versions meet = versions_meet(versions, known);
    if (versions_empty(meet)) return "false";
    bool has_min = meet.min > known.min;
    bool has_max = meet.max < known.max;
    if (!has_min && !has_max) return "true";
    if (!has_max) return schema_format(schema, "%s >= %d", version, meet.min);
    if (!has_min) return schema_format(schema, "%s <= %d", version, meet.max);
    return schema_format(schema, "%s >= %d && %s <= %d", version, meet.min, version, meet.max);
}

const char *schema_version_lacks(struct schema *schema, struct versions versions,
                                 struct versions known, const char *version)
{
    struct versions meet = versions_meet(versions, known);
    bool has_min = meet.min > known.min;
    bool has_max = meet.max < known.max;
    if (!has_min && !has_max) return "false";
    if (!has_max) return schema_format(schema, "%s < %d", version, meet.min);
    if (!has_min) return schema_format(schema, "%s > %d", version, meet.max);
    return schema_format(schema, "(%s < %d || %s > %d)", version, meet.min, version, meet.max);
}

static const char *bytes_differ(struct schema *schema, const struct field *field)
{
    if (field->is_default_null) {
        return schema_format(schema, "!weir_slice_is_null(in->%s)", field->c_name);
    }
    const char *text = field->default_text != NULL ? field->default_text : "\"\"";
    return schema_format(schema, "!weir_slice_equal(in->%s, weir_text(%s))", field->c_name, text);
}

const char *schema_differs_from_default(struct schema *schema, const struct field *field)
{
    const char *name = field->c_name;
    if (field->is_default_null && !kind_is_bytes(field->kind)) {
        return schema_format(schema, "in->%s != NULL", name);
    }
    if (field->is_array && !versions_empty(field->nullable)) {
        return schema_format(schema, "(in->%s == NULL || in->%s_count != 0)", name, name);
    }
    if (field->is_array) return schema_format(schema, "in->%s_count != 0", name);
    if (kind_is_bytes(field->kind)) return bytes_differ(schema, field);
    if (field->kind == KIND_UUID) {
        return schema_format(schema, "!weir_uuid_is_zero(in->%s)", name);
    }
    if (field->kind == KIND_STRUCT) {
        return schema_format(schema, "!is_default_%s(&in->%s)", field->structure->local_name, name);
    }
    if (field->kind == KIND_BOOL) {
        return schema_format(schema, "%sin->%s", field->default_text != NULL ? "!" : "", name);
    }
    return schema_format(schema, "in->%s != %s", name,
                         field->default_text != NULL ? field->default_text : "0");
}

void schema_emit_signature(FILE *file, const char *head, const char *first, const char *second,
                           const char *tail)
{
    size_t tail_size = strcspn(tail, "\n") + 1; /* and the parenthesis */
    size_t size = strlen(head) + 1 + strlen(first) + 2 + strlen(second) + tail_size;
    size_t aligned_size = strlen(head) + 1 + strlen(second) + tail_size;
    size_t below_size = 4 + strlen(first) + 2 + strlen(second) + tail_size;
    if (size <= LINE_SIZE_MAX) {
        fprintf(file, "%s(%s, %s)%s\n", head, first, second, tail);
    } else if (aligned_size <= LINE_SIZE_MAX) {
        fprintf(file, "%s(%s,\n%*s%s)%s\n", head, first, (int)strlen(head) + 1, "", second, tail);
    } else {
        const char *between = below_size <= LINE_SIZE_MAX ? " " : "\n    ";
        fprintf(file, "%s(\n    %s,%s%s)%s\n", head, first, between, second, tail);
    }
}

const char *schema_kind_name(const struct field *field)
{
    switch (field->kind) {
    case KIND_BOOL:
        return "bool";
    case KIND_INT8:
        return "int8";
    case KIND_INT16:
        return "int16";
    case KIND_UINT16:
        return "uint16";
    case KIND_INT32:
        return "int32";
    case KIND_UINT32:
        return "uint32";
    case KIND_INT64:
        return "int64";
    case KIND_FLOAT64:
        return "float64";
    case KIND_UUID:
        return "uuid";
    case KIND_STRING:
        return field->is_always_plain ? "plain_string" : "string";
    case KIND_BYTES:
        return "bytes";
    case KIND_RECORDS:
        return "records";
    case KIND_STRUCT:
        break;
    }
    return NULL;
}

bool schema_is_ever_flexible(const struct schema *schema)
{
    return !versions_empty(versions_meet(schema->flexible, schema->valid));
}

static int compare_tags(const void *a, const void *b)
{
    const struct field *const *left = a;
    const struct field *const *right = b;
    return (*left)->tag - (*right)->tag;
}

size_t schema_tagged_fields(struct schema *schema, const struct structure *structure,
                            const struct field ***fields_out)
{
    size_t count = 0;
    const struct field **fields = schema_alloc(schema, structure->field_count * sizeof *fields);
    for (size_t i = 0; i < structure->field_count; i++) {
        if (field_is_tagged(&structure->fields[i])) fields[count++] = &structure->fields[i];
    }
    qsort(fields, count, sizeof *fields, compare_tags);
    *fields_out = fields;
    return count;
}
