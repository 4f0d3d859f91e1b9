#ifndef WEIR_BROKER_METADATA_CONFIG_OVERRIDES_H
#define WEIR_BROKER_METADATA_CONFIG_OVERRIDES_H

#include <stddef.h>

#include "base/alloc.h"
#include "weir/types.h"

/** What a topic or a group has been given in place of the server's settings, as texts, in order of first setting.
 * Zeroed it is empty. */
struct weir_config_override {
    char *key; /* both owned */
    char *value;
};

struct weir_config_overrides {
    struct weir_config_override *rows;
    size_t count;
    size_t capacity;
};

void weir_config_overrides_close(struct weir_config_overrides *overrides);
/** `to` is empty, and so after WEIR_NO_MEMORY. */
int weir_config_overrides_copy(struct weir_budget *budget, const struct weir_config_overrides *from,
                               struct weir_config_overrides *to);
/** Null `value`: it has it no more, which cannot fail. WEIR_NO_MEMORY: nothing has changed. */
int weir_config_overrides_set(struct weir_budget *budget, struct weir_config_overrides *overrides,
                              struct weir_slice key, struct weir_slice value);

#endif
