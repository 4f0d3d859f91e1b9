#ifndef WEIR_TOOLS_SCHEMA_H
#define WEIR_TOOLS_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * A message's schema, as read from one file of wire/schemas (wire/schemas/README.md says what may
 * stand in one). Everything a schema points at lives in its pool and leaves with it.
 */
enum kind {
    KIND_BOOL,
    KIND_INT8,
    KIND_INT16,
    KIND_UINT16,
    KIND_INT32,
    KIND_UINT32,
    KIND_INT64,
    KIND_FLOAT64,
    KIND_UUID,
    KIND_STRING,
    KIND_BYTES,
    KIND_RECORDS,
    KIND_STRUCT,
};

/** A range of versions, both ends in it; empty when `min > max`. Open ranges end at INT16_MAX. */
struct versions {
    int min;
    int max;
};

struct structure;

struct field {
    const char *name;   /* as in the schema */
    const char *c_name; /* as in the C struct */
    const char *about;
    enum kind kind; /* of the value, or of the array's elements */
    bool is_array;
    bool is_ignorable;    /* dropped without complaint in versions that lack the field */
    bool is_always_plain; /* old string encoding in flexible versions too */
    const struct structure *structure; /* for KIND_STRUCT */
    struct versions versions;
    struct versions nullable;
    struct versions tagged;
    int tag;
    bool is_default_null;
    const char *default_text; /* a C literal of the kind; NULL for the zero value */
};

struct structure {
    const char *name;
    const char *c_name;     /* without `struct weir_` */
    const char *local_name; /* in the names of the file's own functions */
    const char *about;
    struct field *fields;
    size_t field_count;
};

enum { STRUCTURES_MAX = 64, NO_API_KEY = -1 };

struct pool_block;

struct schema {
    struct pool_block *pool;
    const char *path;
    const char *name;
    const char *c_name; /* of its files */
    const char *symbol; /* of its struct and functions, behind `weir_` */
    const char *type;
    const char *about;
    int api_key;
    struct versions valid;
    struct versions flexible;
    /* Each after the ones it contains; the message itself is the last. */
    struct structure *structures[STRUCTURES_MAX];
    size_t structure_count;
};

/** Read and check the schema at `path`; on failure says why on stderr and returns false. */
bool schema_read(struct schema *schema, const char *path);
void schema_free(struct schema *schema);

/** Memory that lives as long as the schema; ends the program when there is none. */
void *schema_alloc(struct schema *schema, size_t size);
char *schema_format(struct schema *schema, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline const struct structure *schema_root(const struct schema *schema)
{
    return schema->structures[schema->structure_count - 1];
}

static inline bool versions_empty(struct versions versions)
{
    return versions.min > versions.max;
}
static inline bool versions_contain(struct versions outer, struct versions inner)
{
    return versions_empty(inner) || (inner.min >= outer.min && inner.max <= outer.max);
}
struct versions versions_meet(struct versions a, struct versions b);

/** The field's versions in which it stands in its place, not among the tags. */
struct versions field_untagged(const struct field *field);

/** The least bytes on the wire that one element of an array takes, in any version. */
size_t field_element_size_min(const struct schema *schema, const struct field *field);

/** What can be null is a pointer or a slice; a struct that never is stands in its parent. */
static inline bool field_is_pointer(const struct field *field)
{
    return field->kind == KIND_STRUCT && !field->is_array && !versions_empty(field->nullable);
}
static inline bool kind_is_bytes(enum kind kind)
{
    return kind == KIND_STRING || kind == KIND_BYTES || kind == KIND_RECORDS;
}

#endif
