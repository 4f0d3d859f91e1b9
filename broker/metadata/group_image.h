#ifndef WEIR_BROKER_METADATA_GROUP_IMAGE_H
#define WEIR_BROKER_METADATA_GROUP_IMAGE_H

#include "broker/metadata/config_overrides.h"

/** A group as the metadata has it: the settings that it has of its own. Whether there is a group of this name the
 * coordinator knows. Counted, and immutable. */
struct weir_group_image {
    _Atomic uint32_t references;
    struct weir_slice name; /* behind the struct */
    struct weir_config_overrides configs;
};

/**
 * One with a setting more, another or less than `old` (NULL: than none at all), and one reference: the caller's.
 * Null `value`: less. NULL without memory.
 */
struct weir_group_image *weir_group_image_with(struct weir_budget *budget,
                                               const struct weir_group_image *old,
                                               struct weir_slice name, struct weir_slice key,
                                               struct weir_slice value);
/** Any thread. */
void weir_group_image_ref(struct weir_group_image *group);
void weir_group_image_unref(struct weir_group_image *group);

#endif
