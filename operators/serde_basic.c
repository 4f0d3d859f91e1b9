/* The serdes of plain values. Integers and doubles are big-endian, as Kafka's own serializers write
 * them; bytes and strings are what they are. */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/error.h"
#include "operators/objects.h"
#include "operators/serde_text.h"
#include "runtime/task/scope.h"
#include "weir/serde.h"

/* ---- bytes and strings: the object is the slice ---------------------------------------------- */

static size_t slice_serialize(const struct weir_serde *serde, struct weir_serde_call *call,
                              const void *const *objects, size_t count,
                              struct weir_slice *bytes_out)
{
    (void)serde;
    (void)call;
    for (size_t i = 0; i < count; i++) {
        const struct weir_slice *slice = objects[i];
        bytes_out[i] = slice != NULL ? *slice : weir_null();
    }
    return count;
}

static size_t slice_deserialize(const struct weir_serde *serde, struct weir_serde_call *call,
                                const struct weir_slice *bytes, size_t count,
                                const void **objects_out)
{
    (void)serde;
    (void)call;
    for (size_t i = 0; i < count; i++) {
        objects_out[i] = bytes[i].data != NULL ? &bytes[i] : NULL;
    }
    return count;
}

/* ---- fixed-size values ----------------------------------------------------------------------- */

/* One store and one load per width; a double travels as its bits. */
static void store_value(uint8_t *to, const void *object, size_t size)
{
    if (size == sizeof(uint32_t)) {
        uint32_t bits;
        memcpy(&bits, object, sizeof bits);
        weir_store_u32(to, bits);
    } else {
        uint64_t bits;
        memcpy(&bits, object, sizeof bits);
        weir_store_u64(to, bits);
    }
}

static void load_value(void *object, const uint8_t *from, size_t size)
{
    if (size == sizeof(uint32_t)) {
        uint32_t bits = weir_load_u32(from);
        memcpy(object, &bits, sizeof bits);
    } else {
        uint64_t bits = weir_load_u64(from);
        memcpy(object, &bits, sizeof bits);
    }
}

static size_t fixed_serialize(const struct weir_serde *serde, struct weir_serde_call *call,
                              const void *const *objects, size_t count,
                              struct weir_slice *bytes_out)
{
    size_t size = serde->object_size;
    weir_assert(size == sizeof(uint32_t) || size == sizeof(uint64_t));
    uint8_t *at = count > 0 ? weir_scope_bytes(call->scope, count * size) : NULL;
    if (count > 0 && at == NULL) {
        (void)weir_error_set(call->error, WEIR_NO_MEMORY, "serialize %s", serde->name);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (objects[i] == NULL) {
            bytes_out[i] = weir_null();
            continue;
        }
        if (size == sizeof(uint64_t) && weir_object_is_text(objects[i])) {
            weir_refuse_text(serde, call);
            return i;
        }
        store_value(at, objects[i], size);
        bytes_out[i] = weir_slice(at, size);
        at += size;
    }
    return count;
}

/* A single object is a store's, as a rule: what a processor looked up is known for what it is. */
static void *new_values(const struct weir_serde *serde, struct weir_scope *scope, size_t count)
{
    const struct weir_struct_type *layout = weir_serde_layout(serde);
    int kind = layout != NULL ? (int)layout->fields[0].kind : 0;
    return weir_scope_new(scope, count * serde->object_size, kind);
}

static size_t fixed_deserialize(const struct weir_serde *serde, struct weir_serde_call *call,
                                const struct weir_slice *bytes, size_t count,
                                const void **objects_out)
{
    size_t size = serde->object_size;
    weir_assert(size == sizeof(uint32_t) || size == sizeof(uint64_t));
    uint8_t *at = count > 0 ? new_values(serde, call->scope, count) : NULL;
    if (count > 0 && at == NULL) {
        (void)weir_error_set(call->error, WEIR_NO_MEMORY, "deserialize %s", serde->name);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (bytes[i].data == NULL) {
            objects_out[i] = NULL;
            continue;
        }
        if (bytes[i].size != size) {
            (void)weir_error_set(call->error, WEIR_SERDE, "%s of %s: %zu bytes, %zu expected",
                                 serde->name, call->topic, bytes[i].size, size);
            return i;
        }
        load_value(at, bytes[i].data, size);
        objects_out[i] = at;
        at += size;
    }
    return count;
}

/* ---- the serdes: their context is the layout of their objects, one field (operators/objects.h) ---- */

#define LAYOUT(label, type, kind_)                                                                 \
    static const struct weir_field label##_field = {                                               \
        .name = "", .kind = (kind_), .size = sizeof(type)};                                        \
    static const struct weir_struct_type label##_layout = {                                        \
        .name = "" #label, .size = sizeof(type), .fields = &label##_field, .field_count = 1}

LAYOUT(bytes, struct weir_slice, WEIR_FIELD_KIND_SLICE);
LAYOUT(string, struct weir_slice, WEIR_FIELD_KIND_SLICE);
LAYOUT(int32, int32_t, WEIR_FIELD_KIND_INT32);
LAYOUT(int64, int64_t, WEIR_FIELD_KIND_INT64);
LAYOUT(double, double, WEIR_FIELD_KIND_DOUBLE);

const struct weir_serde weir_serde_bytes = {
    .name = "bytes",
    .object_size = sizeof(struct weir_slice),
    .serialize = slice_serialize,
    .deserialize = slice_deserialize,
    .context = &bytes_layout,
};

const struct weir_serde weir_serde_string = {
    .name = "string",
    .object_size = sizeof(struct weir_slice),
    .serialize = slice_serialize,
    .deserialize = slice_deserialize,
    .context = &string_layout,
};

const struct weir_serde weir_serde_int32 = {
    .name = "int32",
    .object_size = sizeof(int32_t),
    .serialize = fixed_serialize,
    .deserialize = fixed_deserialize,
    .context = &int32_layout,
};

const struct weir_serde weir_serde_int64 = {
    .name = "int64",
    .object_size = sizeof(int64_t),
    .serialize = fixed_serialize,
    .deserialize = fixed_deserialize,
    .context = &int64_layout,
};

const struct weir_serde weir_serde_double = {
    .name = "double",
    .object_size = sizeof(double),
    .serialize = fixed_serialize,
    .deserialize = fixed_deserialize,
    .context = &double_layout,
};
