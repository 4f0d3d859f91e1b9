#ifndef WEIR_RECORD_H
#define WEIR_RECORD_H

#include "weir/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * One record as bytes: what a producer is given and a consumer gives.
 *
 * Owns nothing: key, value and headers point into the batch the record came from (or into the
 * caller's memory when producing). `key.data == NULL` is no key, `value.data == NULL` a tombstone.
 */
struct weir_record {
    struct weir_slice key;
    struct weir_slice value;
    int64_t timestamp_ms; /* Unix time, negative before 1970; -1: none, and when producing: now */
    int64_t offset;       /* ignored when producing */
    const struct weir_header *headers;
    size_t header_count;
};

#ifdef __cplusplus
}
#endif

#endif
