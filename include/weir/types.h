#ifndef WEIR_TYPES_H
#define WEIR_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "weir/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes that somebody else owns. `data == NULL` is null (Kafka's null key or value), which is not
 * the same as `size == 0`. */
struct weir_slice {
    const uint8_t *data;
    size_t size;
};

static inline struct weir_slice weir_slice(const void *data, size_t size)
{
    struct weir_slice slice;
    slice.data = (const uint8_t *)data;
    slice.size = size;
    return slice;
}

/** A slice over a C string without its NUL; NULL gives the null slice. */
static inline struct weir_slice weir_text(const char *text)
{
    return weir_slice(text, text != NULL ? strlen(text) : 0);
}

/** The null slice: a tombstone as a value, "no key" as a key. */
static inline struct weir_slice weir_null(void)
{
    return weir_slice(NULL, 0);
}

static inline int weir_slice_is_null(struct weir_slice slice)
{
    return slice.data == NULL;
}

/** Equal bytes, null equal to null only. */
static inline int weir_slice_equal(struct weir_slice a, struct weir_slice b)
{
    if (a.data == NULL || b.data == NULL) return a.data == b.data;
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/** Order of unsigned bytes, the shorter first when one is a prefix of the other. Neither null. */
static inline int weir_slice_compare(struct weir_slice a, struct weir_slice b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0) return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

/** A record's header: the key is never null, the value may be. */
struct weir_header {
    struct weir_slice key;
    struct weir_slice value;
};

/** 128-bit id of a topic, a directory, a cluster; printed as Kafka does (URL-safe base64, 22). */
struct weir_uuid {
    uint8_t bytes[16];
};

#ifdef __cplusplus
}
#endif

#endif
