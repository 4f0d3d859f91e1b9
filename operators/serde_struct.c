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

/* ---- neighbours ------------------------------------------------------------------------------ */

/*
 * Fields are met in runs: as long as the next one is of the same width it is copied in the same
 * loop, its bytes turned round, without asking again what it is. The place in the bytes is a
 * pointer that stays in a register; nothing of it is in memory between two fields.
 */
static bool is_wide(const struct weir_field *field)
{
    return field->kind == WEIR_FIELD_KIND_INT64 || field->kind == WEIR_FIELD_KIND_DOUBLE;
}

static bool is_narrow(const struct weir_field *field)
{
    return field->kind == WEIR_FIELD_KIND_INT32;
}

/* ---- writing: NULL where `end` is too near --------------------------------------------------- */

static uint8_t *write_run(uint8_t *to, const uint8_t *end, uint64_t length, const void *bytes,
                          size_t size)
{
    if ((size_t)(end - to) < WEIR_VARINT64_SIZE_MAX) {
        if ((size_t)(end - to) < weir_varint_size(length)) return NULL;
    }
    to += weir_varint_store(to, length);
    if ((size_t)(end - to) < size) return NULL;
    weir_copy(to, bytes, size);
    return to + size;
}

static uint8_t *write_slice(uint8_t *to, const uint8_t *end, const uint8_t *member)
{
    struct weir_slice slice;
    memcpy(&slice, member, sizeof slice);
    if (slice.data == NULL) return write_run(to, end, 0, NULL, 0);
    return write_run(to, end, slice.size + 1, slice.data, slice.size);
}

static uint8_t *write_fields(uint8_t *to, const uint8_t *end, const struct weir_struct_type *type,
                             const uint8_t *object)
{
    const struct weir_field *field = type->fields;
    const struct weir_field *const behind = field + type->field_count;
    while (field < behind && to != NULL) {
        const uint8_t *member = object + field->offset;
        uint32_t bits32;
        uint64_t bits64;
        switch (field->kind) {
        case WEIR_FIELD_KIND_BOOL:
            if (to == end) return NULL;
            *to++ = *member != 0;
            break;
        case WEIR_FIELD_KIND_INT32:
            for (; field < behind && is_narrow(field); field++) {
                if ((size_t)(end - to) < sizeof bits32) return NULL;
                memcpy(&bits32, object + field->offset, sizeof bits32);
                weir_store_u32(to, bits32);
                to += sizeof bits32;
            }
            continue;
        case WEIR_FIELD_KIND_INT64:
        case WEIR_FIELD_KIND_DOUBLE:
            for (; field < behind && is_wide(field); field++) {
                if ((size_t)(end - to) < sizeof bits64) return NULL;
                memcpy(&bits64, object + field->offset, sizeof bits64);
                weir_store_u64(to, bits64);
                to += sizeof bits64;
            }
            continue;
        case WEIR_FIELD_KIND_TEXT: {
            size_t size = text_size(member, field);
            to = write_run(to, end, size, member, size);
            break;
        }
        case WEIR_FIELD_KIND_SLICE:
            to = write_slice(to, end, member);
            break;
        case WEIR_FIELD_KIND_STRUCT:
            to = write_fields(to, end, field->type, member);
            break;
        }
        field++;
    }
    return to;
}

/* ---- reading: NULL where a field cannot be read, and which one ------------------------------- */

/* A size of at most 32 bits. */
static const uint8_t *read_size(const uint8_t *at, const uint8_t *end, uint64_t *size_out)
{
    if (at < end && *at < 0x80) {
        *size_out = *at;
        return at + 1;
    }
    struct weir_reader reader = {at, end, false};
    *size_out = weir_reader_uvarint32(&reader);
    return reader.failed ? NULL : reader.at;
}

static const uint8_t *read_text(const uint8_t *at, const uint8_t *end,
                                const struct weir_field *field, uint8_t *member)
{
    uint64_t size;
    at = read_size(at, end, &size);
    if (at == NULL || size >= field->size || size > (size_t)(end - at)) return NULL;
    memcpy(member, at, (size_t)size);
    return at + size;
}

/* A view into the bytes. */
static const uint8_t *read_slice(const uint8_t *at, const uint8_t *end, uint8_t *member)
{
    uint64_t size;
    at = read_size(at, end, &size);
    if (at == NULL || size == 0) return at;
    if (size - 1 > (size_t)(end - at)) return NULL;
    struct weir_slice slice = weir_slice(at, (size_t)size - 1);
    memcpy(member, &slice, sizeof slice);
    return at + slice.size;
}

/* `object` is zeroed before. */
static const uint8_t *read_fields(const uint8_t *at, const uint8_t *end,
                                  const struct weir_struct_type *type, uint8_t version,
                                  uint8_t *object, const struct weir_field **failed_out)
{
    const struct weir_field *field = type->fields;
    const struct weir_field *const behind = field + type->field_count;
    while (field < behind) {
        uint8_t *member = object + field->offset;
        uint32_t bits32;
        uint64_t bits64;
        if (field->since > version) {
            field++;
            continue;
        }
        *failed_out = field;
        switch (field->kind) {
        case WEIR_FIELD_KIND_BOOL:
            if (at == end) return NULL;
            *member = *at++ != 0;
            break;
        case WEIR_FIELD_KIND_INT32:
            for (; field < behind && is_narrow(field) && field->since <= version; field++) {
                *failed_out = field;
                if ((size_t)(end - at) < sizeof bits32) return NULL;
                bits32 = weir_load_u32(at);
                memcpy(object + field->offset, &bits32, sizeof bits32);
                at += sizeof bits32;
            }
            continue;
        case WEIR_FIELD_KIND_INT64:
        case WEIR_FIELD_KIND_DOUBLE:
            for (; field < behind && is_wide(field) && field->since <= version; field++) {
                *failed_out = field;
                if ((size_t)(end - at) < sizeof bits64) return NULL;
                bits64 = weir_load_u64(at);
                memcpy(object + field->offset, &bits64, sizeof bits64);
                at += sizeof bits64;
            }
            continue;
        case WEIR_FIELD_KIND_TEXT:
            at = read_text(at, end, field, member);
            break;
        case WEIR_FIELD_KIND_SLICE:
            at = read_slice(at, end, member);
            break;
        case WEIR_FIELD_KIND_STRUCT:
            at = read_fields(at, end, field->type, version, member, failed_out);
            break;
        }
        if (at == NULL) return NULL;
        field++;
    }
    return at;
}

static int read_struct(const struct weir_struct_type *type, struct weir_slice bytes,
                       uint8_t *object, struct weir_error *error)
{
    const uint8_t *const end = bytes.data + bytes.size;
    const uint8_t version = bytes.size > 0 ? bytes.data[0] : 0;
    if (version == 0 || version > type->version) {
        return weir_error_set(error, WEIR_SERDE, "%s: version %u, this program knows 1 to %u",
                              type->name, (unsigned)version, (unsigned)type->version);
    }
    const struct weir_field *failed = NULL;
    const uint8_t *at = read_fields(bytes.data + 1, end, type, version, object, &failed);
    if (at == NULL) {
        return weir_error_set(error, WEIR_SERDE, "%s: field '%s' does not fit in %zu bytes",
                              type->name, failed->name, bytes.size);
    }
    if (at < end) {
        return weir_error_set(error, WEIR_SERDE, "%s: %zu bytes behind the last field", type->name,
                              (size_t)(end - at));
    }
    return 0;
}

/* ---- the serde ------------------------------------------------------------------------------- */

/* As a rule an object's bytes fit here, and then they are written once and their size need not be
 * found first. Nothing of it is looked at before it is written. */
enum { ROOM = 512 };
#if defined(__has_attribute) && __has_attribute(uninitialized)
#define UNINITIALIZED __attribute__((uninitialized))
#else
#define UNINITIALIZED
#endif

/* Null when memory is out. */
static struct weir_slice write_struct(const struct weir_struct_type *type, const uint8_t *object,
                                      struct weir_scope *scope)
{
    UNINITIALIZED uint8_t room[ROOM];
    room[0] = type->version;
    const uint8_t *end = write_fields(room + 1, room + ROOM, type, object);
    const size_t size = end != NULL ? (size_t)(end - room) : 1 + struct_size(type, object);
    uint8_t *bytes = weir_scope_bytes(scope, size);
    if (bytes == NULL) return weir_null();
    if (end != NULL) {
        memcpy(bytes, room, size);
    } else {
        bytes[0] = type->version;
        end = write_fields(bytes + 1, bytes + size, type, object);
        weir_assert(end == bytes + size);
    }
    return weir_slice(bytes, size);
}

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
        bytes_out[i] = write_struct(type, objects[i], call->scope);
        if (weir_slice_is_null(bytes_out[i])) {
            (void)weir_error_set(call->error, WEIR_NO_MEMORY, "serialize %s", type->name);
            return i;
        }
    }
    return count;
}

/* Objects are made in pieces that double: a caller comes back behind each row that cannot be read,
 * and takes no more of the batch's memory than the rows that were. */
enum { PIECE_MAX = 32 };

size_t weir_struct_deserialize(const struct weir_serde *serde, struct weir_serde_call *call,
                               const struct weir_slice *bytes, size_t count,
                               const void **objects_out)
{
    const struct weir_struct_type *type = serde->context;
    weir_assert(type->size > 0);
    const size_t stride = (type->size + 15) / 16 * 16;
    uint8_t *object = NULL;
    size_t room = 0; /* for so many, from `object` on */
    size_t piece = 1;
    for (size_t i = 0; i < count; i++) {
        objects_out[i] = NULL;
        if (bytes[i].data == NULL) continue;
        if (room == 0) {
            room = piece < count - i ? piece : count - i;
            object = weir_scope_bytes(call->scope, room * stride);
            if (piece < PIECE_MAX) piece *= 2;
        }
        if (object == NULL) {
            (void)weir_error_set(call->error, WEIR_NO_MEMORY, "deserialize %s", type->name);
            return i;
        }
        memset(object, 0, type->size);
        if (read_struct(type, bytes[i], object, call->error) < 0) return i;
        objects_out[i] = object;
        object += stride;
        room--;
    }
    return count;
}
