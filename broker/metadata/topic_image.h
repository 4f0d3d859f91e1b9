#ifndef WEIR_BROKER_METADATA_TOPIC_IMAGE_H
#define WEIR_BROKER_METADATA_TOPIC_IMAGE_H

#include "broker/log/topic_config.h"
#include "wire/topic_names.h"
#include "broker/metadata/config_overrides.h"
#include "broker/metadata/uuid.h"

/** A topic as the metadata has it: its partitions and its own settings. */
struct weir_partition_image {
    int32_t given_epoch;
    int32_t raises_then;
    struct weir_uuid directory_id; /* the log directory that has it; zero: it was never made */
};

/** Counted, and immutable but for the image that has made it since its last version. */
struct weir_topic_image {
    _Atomic uint32_t references;
    uint64_t edition; /* of the image that it was made for (metadata_image.c) */
    char *name;       /* owned, NUL-terminated */
    struct weir_slice name_slice;
    char *folded_text; /* owned; NULL: the name has no '.', and is what it is folded to */
    struct weir_slice folded;
    struct weir_uuid id;
    struct weir_partition_image *partitions;
    int32_t partition_count;
    int32_t partition_capacity;
    struct weir_config_overrides configs;
};

/** With one reference, the caller's; no partitions, no settings. NULL without memory. */
struct weir_topic_image *weir_topic_image_new(struct weir_budget *budget, struct weir_slice name,
                                              struct weir_uuid id);
/** Another one of the same content, as above. */
struct weir_topic_image *weir_topic_image_copy(struct weir_budget *budget,
                                               const struct weir_topic_image *topic);
/** Any thread. */
void weir_topic_image_ref(struct weir_topic_image *topic);
void weir_topic_image_unref(struct weir_topic_image *topic);

/* Its owner's. WEIR_NO_MEMORY: nothing has changed. */

int weir_topic_image_add_partition(struct weir_budget *budget, struct weir_topic_image *topic,
                                   const struct weir_partition_image *partition);
/** Null `value`: back to the default, which cannot fail. */
int weir_topic_image_set_config(struct weir_budget *budget, struct weir_topic_image *topic,
                                struct weir_slice key, struct weir_slice value);

/** Defaults and the topic's own settings together. */
struct weir_topic_config weir_topic_image_config(const struct weir_topic_image *topic,
                                                 const struct weir_topic_config *defaults);
/** What the engine relies on is on the disk before it is answered, whatever flush.policy users chose
 * for the log: a topic of the engine's own keeps `group`. */
void weir_topic_config_keep_own(struct weir_slice topic, struct weir_topic_config *config);

#endif
