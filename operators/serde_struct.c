/* A user's struct, declared field by field.
 *
 *   version u8 | fields in order of declaration
 *
 *   bool    1 byte, 0 or 1           text    varint size, bytes (no NUL)
 *   int32   4 bytes, big-endian      slice   varint size + 1, bytes; 0 is null
 *   int64   8 bytes, big-endian      struct  its fields, without a version of their own
 *   double  8 bytes, IEEE 754 bits
 *
 * A reader takes bytes of its own version and of older ones: fields whose `since` is newer than the
 * bytes stay zero. Newer bytes are refused. Nothing may be left over. docs/format/struct.md.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "operators/serde_text.h"
#include "runtime/task/scope.h"
#include "weir/serde.h"

/* ---- sizes ----------------------------------------------------------------------------------- */

static size_t text_size(const uint8_t *member, const struct weir_field *field)
{
    weir_assert_slow(field->size > 0);
    return strnlen((const char *)member, field->size - 1);
}

static size_t struct_size(const struct weir_struct_type *type, const uint8_t *object)
{
    size_t size = 0;
    for (size_t i = 0; i < type->field_count; i++) {
        const struct weir_field *field = &type->fields[i];
        const uint8_t *member = object + field->offset;
        switch (field->kind) {
        case WEIR_FIELD_KIND_BOOL:
            size += 1;
            break;
        case WEIR_FIELD_KIND_INT32:
            size += 4;
            break;
        case WEIR_FIELD_KIND_INT64:
        case WEIR_FIELD_KIND_DOUBLE:
            size += 8;
            break;
        case WEIR_FIELD_KIND_TEXT: {
            size_t text = text_size(member, field);
            size += weir_varint_size(text) + text;
            break;
        }
        case WEIR_FIELD_KIND_SLICE: {
            struct weir_slice slice;
            memcpy(&slice, member, sizeof slice);
            size += slice.data != NULL ? weir_varint_size(slice.size + 1) + slice.size : 1;
            break;
        }
        case WEIR_FIELD_KIND_STRUCT:
            size += struct_size(field->type, member);
            break;
        }
    }
    return size;
}

/* ---- writing: the size is known, so `to` has room -------------------------------------------- */

static uint8_t *write_run(uint8_t *to, uint64_t length, const void *bytes, size_t size)
{
    to += weir_varint_store(to, length);
    weir_copy(to, bytes, size);
    return to + size;
}

static uint8_t *write_fields(uint8_t *to, const struct weir_struct_type *type,
                             const uint8_t *object)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct weir_field *field = &type->fields[i];
        const uint8_t *member = object + field->offset;
        uint32_t bits32;
        uint64_t bits64;
        switch (field->kind) {
        case WEIR_FIELD_KIND_BOOL:
            *to++ = *member != 0;
            break;
        case WEIR_FIELD_KIND_INT32:
            memcpy(&bits32, member, sizeof bits32);
            weir_store_u32(to, bits32);
            to += sizeof bits32;
            break;
        case WEIR_FIELD_KIND_INT64:
        case WEIR_FIELD_KIND_DOUBLE:
            memcpy(&bits64, member, sizeof bits64);
            weir_store_u64(to, bits64);
            to += sizeof bits64;
            break;
        case WEIR_FIELD_KIND_TEXT: {
            size_t size = text_size(member, field);
            to = write_run(to, size, member, size);
            break;
        }
        case WEIR_FIELD_KIND_SLICE: {
            struct weir_slice slice;
            memcpy(&slice, member, sizeof slice);
            to = slice.data != NULL ? write_run(to, slice.size + 1, slice.data, slice.size)
                                    : write_run(to, 0, NULL, 0);
            break;
        }
        case WEIR_FIELD_KIND_STRUCT:
            to = write_fields(to, field->type, member);
            break;
        }
    }
    return to;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Returns the field that could not be read, NULL if all could. `object` is zeroed before. */
static const struct weir_field *read_fields(struct weir_reader *reader,
                                            const struct weir_struct_type *type, uint8_t version,
                                            uint8_t *object)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct weir_field *field = &type->fields[i];
        uint8_t *member = object + field->offset;
        uint32_t bits32;
        uint64_t bits64;
        if (field->since > version) continue;
        switch (field->kind) {
        case WEIR_FIELD_KIND_BOOL:
            *member = weir_reader_u8(reader) != 0;
            break;
        case WEIR_FIELD_KIND_INT32:
            bits32 = weir_reader_u32(reader);
            memcpy(member, &bits32, sizeof bits32);
            break;
        case WEIR_FIELD_KIND_INT64:
        case WEIR_FIELD_KIND_DOUBLE:
            bits64 = weir_reader_u64(reader);
            memcpy(member, &bits64, sizeof bits64);
            break;
        case WEIR_FIELD_KIND_TEXT: {
            uint64_t size = weir_reader_uvarint32(reader);
            if (size >= field->size) return field;
            const uint8_t *bytes = weir_reader_take(reader, (size_t)size);
            if (bytes != NULL) memcpy(member, bytes, (size_t)size);
            break;
        }
        case WEIR_FIELD_KIND_SLICE: {
            uint64_t size = weir_reader_uvarint32(reader);
            if (size == 0) break;
            const uint8_t *bytes = weir_reader_take(reader, (size_t)size - 1);
            struct weir_slice slice = weir_slice(bytes, (size_t)size - 1);
            if (bytes != NULL) memcpy(member, &slice, sizeof slice);
            break;
        }
        case WEIR_FIELD_KIND_STRUCT: {
            const struct weir_field *failed = read_fields(reader, field->type, version, member);
            if (failed != NULL) return failed;
            break;
        }
        }
        if (reader->failed) return field;
    }
    return NULL;
}

static int read_struct(const struct weir_struct_type *type, struct weir_slice bytes,
                       uint8_t *object, struct weir_error *error)
{
    struct weir_reader reader = weir_reader(bytes);
    uint8_t version = weir_reader_u8(&reader);
    if (version == 0 || version > type->version) {
        return weir_error_set(error, WEIR_SERDE, "%s: version %u, this program knows 1 to %u",
                              type->name, (unsigned)version, (unsigned)type->version);
    }
    const struct weir_field *failed = read_fields(&reader, type, version, object);
    if (failed != NULL) {
        return weir_error_set(error, WEIR_SERDE, "%s: field '%s' does not fit in %zu bytes",
                              type->name, failed->name, bytes.size);
    }
    if (weir_reader_left(&reader) > 0) {
        return weir_error_set(error, WEIR_SERDE, "%s: %zu bytes behind the last field", type->name,
                              weir_reader_left(&reader));
    }
    return 0;
}

/* ---- the serde ------------------------------------------------------------------------------- */

size_t weir_struct_serialize(const struct weir_serde *serde, struct weir_serde_call *call,
                             const void *const *objects, size_t count, struct weir_slice *bytes_out)
{
    const struct weir_struct_type *type = serde->context;
    weir_assert(type->version > 0);
    for (size_t i = 0; i < count; i++) {
        if (objects[i] == NULL) {
            bytes_out[i] = weir_null();
            continue;
        }
        if (type->size >= sizeof(uint64_t) && weir_object_is_text(objects[i])) {
            weir_refuse_text(serde, call);
            return i;
        }
        size_t size = 1 + struct_size(type, objects[i]);
        uint8_t *bytes = weir_scope_bytes(call->scope, size);
        if (bytes == NULL) {
            (void)weir_error_set(call->error, WEIR_NO_MEMORY, "serialize %s", type->name);
            return i;
        }
        bytes[0] = type->version;
        (void)write_fields(bytes + 1, type, objects[i]);
        bytes_out[i] = weir_slice(bytes, size);
    }
    return count;
}

size_t weir_struct_deserialize(const struct weir_serde *serde, struct weir_serde_call *call,
                               const struct weir_slice *bytes, size_t count,
                               const void **objects_out)
{
    const struct weir_struct_type *type = serde->context;
    weir_assert(type->size > 0);
    for (size_t i = 0; i < count; i++) {
        if (bytes[i].data == NULL) {
            objects_out[i] = NULL;
            continue;
        }
        uint8_t *object = weir_scope_alloc(call->scope, type->size);
        if (object == NULL) {
            (void)weir_error_set(call->error, WEIR_NO_MEMORY, "deserialize %s", type->name);
            return i;
        }
        if (read_struct(type, bytes[i], object, call->error) < 0) return i;
        objects_out[i] = object;
    }
    return count;
}
