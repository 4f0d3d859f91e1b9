#ifndef WEIR_SERDE_H
#define WEIR_SERDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/error.h"
#include "weir/export.h"
#include "weir/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * How keys and values become bytes and back.
 *
 * An *object* is what user functions are given: `const int64_t *` for WEIR_INT64, `const double *`
 * for WEIR_DOUBLE, `const struct weir_slice *` for WEIR_STRING and WEIR_BYTES, `const struct
 * payment *` for a serde made of the fields of struct payment. A NULL pointer is null. Objects live
 * as long as the batch they came with; what must stay is copied.
 *
 * A `const void *` does not say what it points to. Where a user's function hands an object over, it is
 * held against the serde declared there, as far as its origin is known: parts of the record at hand, and
 * what WEIR_NEW and the weir_call_… functions made. One of another kind is refused with WEIR_SERDE;
 * docs/guide/serdes.md says what is seen and what cannot be.
 */
struct weir_serde;

/** Memory that lives as long as the batch at hand. */
struct weir_scope;
/** 16-aligned, zeroed; NULL when memory is out (the batch then fails as a whole, cleanly). */
WEIR_API void *weir_scope_alloc(struct weir_scope *scope, size_t size);
/** The same for one object of a `kind` (WEIR_KIND_OF its type): it is known for what it is. WEIR_NEW in
 * user functions calls it. */
WEIR_API void *weir_scope_new(struct weir_scope *scope, size_t size, int kind);

/** What a serde is told besides the data: topic and side (schema ids are per subject). */
struct weir_serde_call {
    const char *topic;
    bool is_key;
    struct weir_scope *scope; /* where results live */
    struct weir_error *error; /* why the item after the last converted one failed */
};

/**
 * Converts whole batches: one call through a pointer per batch, not per record. Both return how
 * many items were converted, in order; fewer than `count` means that the next one failed. NULL
 * objects and null slices pass through as each other and are never given to the serde's own code.
 */
struct weir_serde {
    const char *name;
    size_t object_size;
    size_t (*serialize)(const struct weir_serde *serde, struct weir_serde_call *call,
                        const void *const *objects, size_t count, struct weir_slice *bytes_out);
    size_t (*deserialize)(const struct weir_serde *serde, struct weir_serde_call *call,
                          const struct weir_slice *bytes, size_t count, const void **objects_out);
    const void *context;
};

WEIR_API extern const struct weir_serde weir_serde_bytes;
WEIR_API extern const struct weir_serde weir_serde_string; /* UTF-8, not checked; no NUL behind */
WEIR_API extern const struct weir_serde weir_serde_int32;  /* 4 bytes, big-endian, as Kafka's */
WEIR_API extern const struct weir_serde weir_serde_int64;
WEIR_API extern const struct weir_serde weir_serde_double;
#define WEIR_BYTES (&weir_serde_bytes)
#define WEIR_STRING (&weir_serde_string)
#define WEIR_INT32 (&weir_serde_int32)
#define WEIR_INT64 (&weir_serde_int64)
#define WEIR_DOUBLE (&weir_serde_double)

/* ---- a user's struct ------------------------------------------------------------------------- */

enum weir_field_kind {
    WEIR_FIELD_KIND_BOOL = 1, /* bool: 1 byte */
    WEIR_FIELD_KIND_INT32,    /* int32_t, big-endian */
    WEIR_FIELD_KIND_INT64,    /* int64_t, big-endian */
    WEIR_FIELD_KIND_DOUBLE,   /* double, IEEE 754 bits, big-endian */
    WEIR_FIELD_KIND_TEXT,     /* char[N] with a NUL: varint size, bytes */
    WEIR_FIELD_KIND_SLICE,    /* struct weir_slice: varint size + 1, bytes; 0 is null */
    WEIR_FIELD_KIND_STRUCT,   /* another declared struct, in place */
};

/**
 * The kind of a C type, by which WEIR_NEW notes what it makes: WEIR_FIELD_KIND_INT32, _INT64, _DOUBLE or
 * _SLICE; 0 for all others (structs, say), of which only the size is known.
 */
struct weir_any; /* typed.h: of whatever type */
enum { WEIR_KIND_ANY = -1 };
#ifdef __cplusplus
extern "C++" {
constexpr int weir_integer_kind(size_t size)
{
    return size == 8 ? WEIR_FIELD_KIND_INT64 : WEIR_FIELD_KIND_INT32;
}
constexpr int weir_kind_of(const void *)
{
    return 0;
}
constexpr int weir_kind_of(const struct weir_slice *)
{
    return WEIR_FIELD_KIND_SLICE;
}
constexpr int weir_kind_of(const struct weir_any *)
{
    return WEIR_KIND_ANY;
}
constexpr int weir_kind_of(const double *)
{
    return WEIR_FIELD_KIND_DOUBLE;
}
constexpr int weir_kind_of(const int *)
{
    return WEIR_FIELD_KIND_INT32;
}
constexpr int weir_kind_of(const unsigned *)
{
    return WEIR_FIELD_KIND_INT32;
}
constexpr int weir_kind_of(const long *)
{
    return weir_integer_kind(sizeof(long));
}
constexpr int weir_kind_of(const unsigned long *)
{
    return weir_integer_kind(sizeof(long));
}
constexpr int weir_kind_of(const long long *)
{
    return WEIR_FIELD_KIND_INT64;
}
constexpr int weir_kind_of(const unsigned long long *)
{
    return WEIR_FIELD_KIND_INT64;
}
}
#define WEIR_KIND_OF(type) weir_kind_of(static_cast<const type *>(nullptr))
#else
#define WEIR_LONG_KIND_ (sizeof(long) == 8 ? WEIR_FIELD_KIND_INT64 : WEIR_FIELD_KIND_INT32)
/* clang-format off */
#define WEIR_KIND_OF(type)                                                                         \
    ((int)_Generic((const type *)NULL,                                                             \
                   const struct weir_slice *: WEIR_FIELD_KIND_SLICE,                               \
                   const struct weir_any *: WEIR_KIND_ANY,                                         \
                   const double *: WEIR_FIELD_KIND_DOUBLE,                                         \
                   const int *: WEIR_FIELD_KIND_INT32,                                             \
                   const unsigned *: WEIR_FIELD_KIND_INT32,                                        \
                   const long *: WEIR_LONG_KIND_,                                                  \
                   const unsigned long *: WEIR_LONG_KIND_,                                         \
                   const long long *: WEIR_FIELD_KIND_INT64,                                       \
                   const unsigned long long *: WEIR_FIELD_KIND_INT64,                              \
                   default: 0))
/* clang-format on */
#endif

struct weir_struct_type;

struct weir_field {
    const char *name;
    enum weir_field_kind kind;
    size_t offset;
    size_t size;
    uint8_t since;                       /* first version with this field; 0: always there */
    const struct weir_struct_type *type; /* KIND_STRUCT */
};

/**
 * A struct declared field by field: stored in that order, with a version byte in front, never as
 * raw memory. Newer fields go last with `since`; bytes of an older version leave them zero.
 */
struct weir_struct_type {
    const char *name;
    size_t size;
    uint8_t version; /* 1, 2, … */
    const struct weir_field *fields;
    size_t field_count;
};

/* Positional, since C++ before C++20 has no designated initialisers. */
#define WEIR_FIELD_(type, member, kind_)                                                           \
    {                                                                                              \
        "" #member, (kind_), offsetof(type, member), sizeof(((type *)0)->member), 0, NULL          \
    }
#define WEIR_FIELD_BOOL(type, member) WEIR_FIELD_(type, member, WEIR_FIELD_KIND_BOOL)
#define WEIR_FIELD_INT32(type, member) WEIR_FIELD_(type, member, WEIR_FIELD_KIND_INT32)
#define WEIR_FIELD_INT64(type, member) WEIR_FIELD_(type, member, WEIR_FIELD_KIND_INT64)
#define WEIR_FIELD_DOUBLE(type, member) WEIR_FIELD_(type, member, WEIR_FIELD_KIND_DOUBLE)
#define WEIR_FIELD_TEXT(type, member) WEIR_FIELD_(type, member, WEIR_FIELD_KIND_TEXT)
#define WEIR_FIELD_SLICE(type, member) WEIR_FIELD_(type, member, WEIR_FIELD_KIND_SLICE)
#define WEIR_FIELD_STRUCT(outer, member, declared)                                                 \
    {                                                                                              \
        "" #member, WEIR_FIELD_KIND_STRUCT, offsetof(outer, member), sizeof(((outer *)0)->member), \
            0, (declared)                                                                          \
    }

/** A serde over a declared struct; static storage does: `static const struct weir_serde payment =
 * WEIR_STRUCT_SERDE(&payment_type, struct payment);` */
#define WEIR_STRUCT_SERDE(declared, type_name)                                                     \
    {                                                                                              \
        "" #type_name, sizeof(type_name), weir_struct_serialize, weir_struct_deserialize,          \
            (declared)                                                                             \
    }

WEIR_API size_t weir_struct_serialize(const struct weir_serde *serde, struct weir_serde_call *call,
                                      const void *const *objects, size_t count,
                                      struct weir_slice *bytes_out);
WEIR_API size_t weir_struct_deserialize(const struct weir_serde *serde,
                                        struct weir_serde_call *call,
                                        const struct weir_slice *bytes, size_t count,
                                        const void **objects_out);

/**
 * One object to or from bytes outside of a job (a source, a test). Into caller's memory:
 * `weir_serialize` returns the size, or WEIR_TOO_LARGE when `to_size` is too small; slices within a
 * deserialized object point into `bytes`.
 */
WEIR_API int64_t weir_serialize(const struct weir_serde *serde, const void *object, uint8_t *to,
                                size_t to_size, struct weir_error *error);
WEIR_API int weir_deserialize(const struct weir_serde *serde, struct weir_slice bytes,
                              void *object_out, struct weir_error *error);

#ifdef __cplusplus
}
#endif

#endif
