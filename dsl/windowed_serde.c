/* The key of a windowed table as bytes: the inner key's, then the window's start as 8 bytes,
 * big-endian. The end is not stored: it is the start and the size of the window. Of a session: the inner
 * key's, its end, its start. */
#include "base/assert.h"
#include "base/error.h"
#include "dsl/logical.h"
#include "operators/objects.h"
#include "operators/table_rows.h"
#include "runtime/state/key_schema.h"

struct windowed {
    struct weir_serde serde; /* its context is this struct */
    const struct weir_serde *key;
    const struct weir_key_schema *schema; /* of a window or a session */
    int64_t size_ms;                      /* of a window */
};

static size_t windowed_serialize(const struct weir_serde *serde, struct weir_serde_call *call,
                                 const void *const *objects, size_t count,
                                 struct weir_slice *bytes_out)
{
    const struct windowed *windowed = serde->context;
    for (size_t i = 0; i < count; i++) {
        const struct weir_windowed_key *object = objects[i];
        bytes_out[i] = weir_null();
        if (object == NULL) continue;
        struct weir_slice key = weir_null();
        if (object->key == NULL) {
            (void)weir_error_set(call->error, WEIR_SERDE, "a windowed key without a key");
            return i;
        }
        if (windowed->key->serialize(windowed->key, call, &object->key, 1, &key) != 1) return i;
        const size_t size = key.size + windowed->schema->times_size;
        uint8_t *bytes = weir_scope_alloc(call->scope, size);
        if (bytes == NULL) {
            (void)weir_error_set(call->error, WEIR_NO_MEMORY, "serialize %s", serde->name);
            return i;
        }
        if (windowed->schema == &weir_key_schema_session) {
            weir_session_key_write(bytes, key, object->start_ms, object->end_ms);
        } else {
            weir_window_key_write(bytes, key, object->start_ms);
        }
        bytes_out[i] = weir_slice(bytes, size);
    }
    return count;
}

static int read_key(const struct windowed *windowed, struct weir_serde_call *call,
                    const struct weir_slice *bytes, struct weir_windowed_key *key)
{
    const struct weir_key_schema *schema = windowed->schema;
    if (!weir_key_schema_fits(schema, *bytes)) {
        return weir_error_set(
            call->error, WEIR_SERDE, "%s of %s: %zu bytes, at least %u for the %s",
            windowed->serde.name, call->topic, bytes->size, (unsigned)schema->times_size,
            schema == &weir_key_schema_session ? "session's end and start" : "window's start");
    }
    /* The inner serde may point into its slice: it needs one that lives as long as the result. */
    struct weir_slice *inner = weir_scope_new(call->scope, sizeof *inner, WEIR_FIELD_KIND_SLICE);
    if (inner == NULL) return weir_error_set(call->error, WEIR_NO_MEMORY, "deserialize a key");
    *inner = weir_key_schema_record_key(schema, *bytes);
    *key = weir_windowed_key_of(schema, *bytes, windowed->size_ms);
    size_t done = windowed->key->deserialize(windowed->key, call, inner, 1, &key->key);
    return done == 1 ? 0 : WEIR_SERDE;
}

static size_t windowed_deserialize(const struct weir_serde *serde, struct weir_serde_call *call,
                                   const struct weir_slice *bytes, size_t count,
                                   const void **objects_out)
{
    for (size_t i = 0; i < count; i++) {
        objects_out[i] = NULL;
        if (bytes[i].data == NULL) continue;
        struct weir_windowed_key *key = weir_scope_alloc(call->scope, sizeof *key);
        if (key == NULL) {
            (void)weir_error_set(call->error, WEIR_NO_MEMORY, "deserialize %s", serde->name);
            return i;
        }
        if (read_key(serde->context, call, &bytes[i], key) < 0) return i;
        objects_out[i] = key;
    }
    return count;
}

static const struct weir_serde *serde_make(struct weir_arena *arena, const struct weir_serde *key,
                                           const struct weir_key_schema *schema, int64_t size_ms)
{
    weir_assert(key != NULL);
    struct windowed *windowed = weir_arena_alloc(arena, sizeof *windowed);
    if (windowed == NULL) return NULL;
    *windowed = (struct windowed){
        .serde =
            {
                .name = schema == &weir_key_schema_session ? "session" : "windowed",
                .object_size = sizeof(struct weir_windowed_key),
                .serialize = windowed_serialize,
                .deserialize = windowed_deserialize,
                .context = windowed,
            },
        .key = key,
        .schema = schema,
        .size_ms = size_ms,
    };
    return &windowed->serde;
}

const struct weir_serde *weir_windowed_serde_make(struct weir_arena *arena,
                                                  const struct weir_serde *key, int64_t size_ms)
{
    weir_assert(size_ms > 0);
    return serde_make(arena, key, &weir_key_schema_window, size_ms);
}

const struct weir_serde *weir_session_serde_make(struct weir_arena *arena,
                                                 const struct weir_serde *key)
{
    return serde_make(arena, key, &weir_key_schema_session, 0);
}

bool weir_serde_is_windowed(const struct weir_serde *serde)
{
    return serde != NULL && serde->serialize == windowed_serialize;
}

uint32_t weir_serde_times_size(const struct weir_serde *serde)
{
    if (!weir_serde_is_windowed(serde)) return 0;
    return ((const struct windowed *)serde->context)->schema->times_size;
}

bool weir_serde_is_session(const struct weir_serde *serde)
{
    return weir_serde_times_size(serde) == weir_key_schema_session.times_size;
}

const struct weir_serde *weir_windowed_serde_key(const struct weir_serde *serde)
{
    if (!weir_serde_is_windowed(serde)) return NULL;
    const struct windowed *windowed = serde->context;
    return windowed->key;
}

int64_t weir_windowed_serde_size(const struct weir_serde *serde)
{
    weir_assert(weir_serde_is_windowed(serde));
    return ((const struct windowed *)serde->context)->size_ms;
}

/* The first member is a pointer: of no kind that a field could have. */
const struct weir_struct_type *weir_serde_object_layout(const struct weir_serde *serde)
{
    static const struct weir_field fields[] = {
        WEIR_FIELD_(struct weir_windowed_key, key, (enum weir_field_kind)0),
        WEIR_FIELD_INT64(struct weir_windowed_key, start_ms),
        WEIR_FIELD_INT64(struct weir_windowed_key, end_ms),
    };
    static const struct weir_struct_type layout = {"windowed", sizeof(struct weir_windowed_key), 1,
                                                   fields, 3};
    return weir_serde_is_windowed(serde) ? &layout : weir_serde_layout(serde);
}

const struct weir_serde *weir_serde_move(struct weir_arena *arena, const struct weir_serde *serde)
{
    if (!weir_serde_is_windowed(serde)) return serde;
    const struct windowed *windowed = serde->context;
    const struct weir_serde *key = weir_serde_move(arena, windowed->key);
    return serde_make(arena, key, windowed->schema, windowed->size_ms);
}

bool weir_serde_equal(const struct weir_serde *a, const struct weir_serde *b)
{
    if (a == b) return true;
    if (a == NULL || b == NULL) return false;
    if (a->serialize != b->serialize || a->deserialize != b->deserialize) return false;
    if (!weir_serde_is_windowed(a)) {
        /* Plain serdes of one width share their code and differ by name. */
        return a->object_size == b->object_size && a->context == b->context &&
               strcmp(a->name, b->name) == 0;
    }
    const struct windowed *left = a->context;
    const struct windowed *right = b->context;
    return left->schema == right->schema && left->size_ms == right->size_ms &&
           weir_serde_equal(left->key, right->key);
}

bool weir_serde_may_read(const struct weir_serde *reader, const struct weir_serde *writer)
{
    const struct weir_struct_type *read = weir_serde_object_layout(reader);
    const struct weir_struct_type *written = weir_serde_object_layout(writer);
    const struct weir_struct_type *any = weir_serde_layout(WEIR_BYTES);
    if (read == NULL || written == NULL || read == any || written == any) return true;
    if (weir_serde_is_windowed(reader) && weir_serde_is_windowed(writer)) {
        if (weir_serde_is_session(reader) != weir_serde_is_session(writer)) return false;
        return weir_serde_may_read(weir_windowed_serde_key(reader),
                                   weir_windowed_serde_key(writer));
    }
    bool are_structs =
        reader->serialize == weir_struct_serialize && writer->serialize == weir_struct_serialize;
    return read == written || are_structs;
}

const struct weir_serde *weir_windowed_serde(struct weir_builder *builder,
                                             const struct weir_serde *key, int64_t size_ms)
{
    if (!weir_builder_is_live(builder)) return NULL;
    if (key == NULL || size_ms <= 0) {
        (void)weir_builder_fail(builder, "weir_windowed_serde",
                                "%s: pass the serde of the plain key and the window's size",
                                key == NULL ? "the key's serde is NULL"
                                            : "the size is not positive");
        return NULL;
    }
    const struct weir_serde *serde = weir_windowed_serde_make(&builder->arena, key, size_ms);
    if (serde == NULL) (void)weir_builder_no_memory(builder);
    return serde;
}

const struct weir_serde *weir_session_serde(struct weir_builder *builder,
                                            const struct weir_serde *key)
{
    if (!weir_builder_is_live(builder)) return NULL;
    if (key == NULL) {
        (void)weir_builder_fail(builder, "weir_session_serde",
                                "the key's serde is NULL: pass the serde of the plain key");
        return NULL;
    }
    const struct weir_serde *serde = weir_session_serde_make(&builder->arena, key);
    if (serde == NULL) (void)weir_builder_no_memory(builder);
    return serde;
}
