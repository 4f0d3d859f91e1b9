#ifndef WEIR_BROKER_METADATA_UUID_H
#define WEIR_BROKER_METADATA_UUID_H

#include <stdbool.h>

#include "base/env/env.h"
#include "base/uuid.h"

/** Ids of topics, clusters and directories: random (version 4), in text as Kafka prints them. */
enum { WEIR_UUID_TEXT_SIZE = 23 }; /* 22 of URL-safe base64, and a NUL */

/** A new one. Never one whose text begins with '-', which tools would take for an option. */
struct weir_uuid weir_uuid_random(struct weir_env *env);
/** Returns `text`. */
const char *weir_uuid_print(struct weir_uuid id, char text[WEIR_UUID_TEXT_SIZE]);
/** False unless `text` is 22 characters of URL-safe base64 with nothing behind. */
bool weir_uuid_parse(struct weir_slice text, struct weir_uuid *id_out);

static inline struct weir_slice weir_uuid_slice(const struct weir_uuid *id)
{
    return weir_slice(id->bytes, sizeof id->bytes);
}

#endif
