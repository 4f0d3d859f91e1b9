#ifndef WEIR_BASE_UUID_H
#define WEIR_BASE_UUID_H

#include <stdbool.h>
#include <string.h>

#include "weir/types.h"

/** Ids, compared. How they are made, printed and read stands in broker/metadata/uuid.h. */
static inline bool weir_uuid_equal(struct weir_uuid a, struct weir_uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

/** Zero stands for no id. */
static inline bool weir_uuid_is_zero(struct weir_uuid id)
{
    return weir_uuid_equal(id, (struct weir_uuid){{0}});
}

#endif
