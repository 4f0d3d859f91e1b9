#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/schema.h"

struct pool_block {
    struct pool_block *next;
    max_align_t bytes[];
};

void *schema_alloc(struct schema *schema, size_t size)
{
    struct pool_block *block = calloc(1, sizeof *block + size);
    if (block == NULL) {
        fprintf(stderr, "%s: out of memory\n", schema->path);
        exit(1);
    }
    block->next = schema->pool;
    schema->pool = block;
    return block->bytes;
}

char *schema_format(struct schema *schema, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = schema_alloc(schema, (size_t)size + 1);
    va_start(arguments, format);
    (void)vsnprintf(text, (size_t)size + 1, format, arguments); /* measured above */
    va_end(arguments);
    return text;
}

void schema_free(struct schema *schema)
{
    while (schema->pool != NULL) {
        struct pool_block *block = schema->pool;
        schema->pool = block->next;
        free(block);
    }
}

struct versions versions_meet(struct versions a, struct versions b)
{
    return (struct versions){
        .min = a.min > b.min ? a.min : b.min,
        .max = a.max < b.max ? a.max : b.max,
    };
}

struct versions field_untagged(const struct field *field)
{
    if (versions_empty(field->tagged)) return field->versions;
    return (struct versions){.min = field->versions.min, .max = field->tagged.min - 1};
}

/* The least that one value of the field takes in this version. */
static size_t value_size_min(const struct schema *schema, const struct field *field, int version)
{
    bool is_flexible = version >= schema->flexible.min && version <= schema->flexible.max;
    switch (field->kind) {
    case KIND_BOOL:
    case KIND_INT8:
        return 1;
    case KIND_INT16:
    case KIND_UINT16:
        return 2;
    case KIND_INT32:
    case KIND_UINT32:
        return 4;
    case KIND_INT64:
    case KIND_FLOAT64:
        return 8;
    case KIND_UUID:
        return 16;
    case KIND_STRING:
        return is_flexible && !field->is_always_plain ? 1 : 2;
    case KIND_BYTES:
    case KIND_RECORDS:
        return is_flexible ? 1 : 4;
    case KIND_STRUCT:
        break;
    }
    size_t size = is_flexible ? 1 : 0; /* the count of tagged fields */
    for (size_t i = 0; i < field->structure->field_count; i++) {
        const struct field *inner = &field->structure->fields[i];
        struct versions untagged = field_untagged(inner);
        if (version < untagged.min || version > untagged.max) continue;
        if (inner->is_array) {
            size += is_flexible ? 1 : 4;
        } else if (version >= inner->nullable.min && version <= inner->nullable.max &&
                   inner->kind == KIND_STRUCT) {
            size += 1;
        } else {
            size += value_size_min(schema, inner, version);
        }
    }
    return size;
}

size_t field_element_size_min(const struct schema *schema, const struct field *field)
{
    struct versions versions = versions_meet(schema->valid, field->versions);
    size_t size_min = SIZE_MAX;
    for (int version = versions.min; version <= versions.max; version++) {
        size_t size = value_size_min(schema, field, version);
        if (size < size_min) size_min = size;
    }
    return size_min;
}
