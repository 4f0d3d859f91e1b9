#include "tools/schema_sample.h"

#include <stdlib.h>
#include <string.h>

#include "tools/schema_emit.h"

enum { SAMPLE_ELEMENTS = 2 };

struct sample {
    struct schema *schema;
    int version;
    bool is_flexible;
    int values; /* given out so far: each is another */
    uint8_t *data;
    size_t size;
    size_t capacity;
};

static void put_byte(struct sample *sample, unsigned value)
{
    if (sample->size == sample->capacity) {
        size_t capacity = 2 * sample->capacity + 64;
        uint8_t *data = schema_alloc(sample->schema, capacity);
        if (sample->size != 0) memcpy(data, sample->data, sample->size);
        sample->data = data;
        sample->capacity = capacity;
    }
    sample->data[sample->size++] = (uint8_t)value;
}

static void put_bytes(struct sample *sample, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        put_byte(sample, ((const uint8_t *)bytes)[i]);
    }
}

/* The low `width` bytes, the highest of them first. */
static void put_integer(struct sample *sample, uint64_t value, int width)
{
    for (int shift = 8 * (width - 1); shift >= 0; shift -= 8) {
        put_byte(sample, (unsigned)(value >> shift) & 0xff);
    }
}

static void put_uvarint(struct sample *sample, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        put_byte(sample, (unsigned)(value & 0x7f) | 0x80);
    }
    put_byte(sample, (unsigned)value);
}

/* A length or count: one more than it is in compact form, otherwise `width` bytes. */
static void put_length(struct sample *sample, bool is_compact, size_t length, int width)
{
    if (is_compact) {
        put_uvarint(sample, length + 1);
    } else {
        put_integer(sample, length, width);
    }
}

/* Small enough for 7 bits, so that no kind cuts it; defaults are 0, -1, 1 or large, never these. */
static int next_value(struct sample *sample)
{
    return 2 + sample->values++ % 100;
}

static void put_text(struct sample *sample, const struct field *field)
{
    char text[32];
    int size =
        snprintf(text, sizeof text, "%c%d", "sbr"[field->kind - KIND_STRING], next_value(sample));
    bool is_compact = sample->is_flexible && !field->is_always_plain;
    put_length(sample, is_compact, (size_t)size, field->kind == KIND_STRING ? 2 : 4);
    put_bytes(sample, text, (size_t)size);
}

static void put_float(struct sample *sample)
{
    double value = next_value(sample) + 0.5;
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_integer(sample, bits, 8);
}

static void put_uuid(struct sample *sample)
{
    int first = next_value(sample);
    for (int i = 0; i < 16; i++) {
        put_byte(sample, (unsigned)(first + i));
    }
}

static void put_structure(struct sample *sample, const struct structure *structure);

/* One value: the field's, or one of its elements. */
static void put_value(struct sample *sample, const struct field *field)
{
    switch (field->kind) {
    case KIND_BOOL:
        put_byte(sample, field->default_text == NULL);
        break;
    case KIND_INT8:
        put_integer(sample, (uint64_t)next_value(sample), 1);
        break;
    case KIND_INT16:
    case KIND_UINT16:
        put_integer(sample, (uint64_t)next_value(sample), 2);
        break;
    case KIND_INT32:
    case KIND_UINT32:
        put_integer(sample, (uint64_t)next_value(sample), 4);
        break;
    case KIND_INT64:
        put_integer(sample, (uint64_t)next_value(sample), 8);
        break;
    case KIND_FLOAT64:
        put_float(sample);
        break;
    case KIND_UUID:
        put_uuid(sample);
        break;
    case KIND_STRING:
    case KIND_BYTES:
    case KIND_RECORDS:
        put_text(sample, field);
        break;
    case KIND_STRUCT:
        put_structure(sample, field->structure);
        break;
    }
}

static bool is_in(struct versions versions, int version)
{
    return version >= versions.min && version <= versions.max;
}

static void put_field(struct sample *sample, const struct field *field)
{
    if (field->is_array) {
        put_length(sample, sample->is_flexible, SAMPLE_ELEMENTS, 4);
        for (int i = 0; i < SAMPLE_ELEMENTS; i++) {
            put_value(sample, field);
        }
        return;
    }
    bool has_mark = field->kind == KIND_STRUCT && is_in(field->nullable, sample->version);
    if (has_mark) put_byte(sample, 1);
    put_value(sample, field);
}

/* Tag, size and value; the size is known once the value has been written, so it is written aside. */
static void put_tagged(struct sample *sample, const struct field *field)
{
    struct sample value = *sample;
    value.data = NULL;
    value.size = value.capacity = 0;
    put_field(&value, field);
    sample->values = value.values;
    put_uvarint(sample, (uint64_t)field->tag);
    put_uvarint(sample, value.size);
    put_bytes(sample, value.data, value.size);
}

static void put_structure(struct sample *sample, const struct structure *structure)
{
    for (size_t i = 0; i < structure->field_count; i++) {
        if (is_in(field_untagged(&structure->fields[i]), sample->version)) {
            put_field(sample, &structure->fields[i]);
        }
    }
    if (!sample->is_flexible) return;
    const struct field **tagged;
    size_t count = schema_tagged_fields(sample->schema, structure, &tagged);
    size_t here = 0;
    for (size_t i = 0; i < count; i++) {
        here += is_in(tagged[i]->tagged, sample->version);
    }
    put_uvarint(sample, here);
    for (size_t i = 0; i < count; i++) {
        if (is_in(tagged[i]->tagged, sample->version)) put_tagged(sample, tagged[i]);
    }
}

void schema_write_sample(struct schema *schema, int version, FILE *file)
{
    struct sample sample = {
        .schema = schema,
        .version = version,
        .is_flexible = is_in(schema->flexible, version),
    };
    put_structure(&sample, schema_root(schema));
    if (sample.size != 0) (void)fwrite(sample.data, 1, sample.size, file); /* the caller asks it */
}
