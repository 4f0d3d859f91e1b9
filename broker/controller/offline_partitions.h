#ifndef WEIR_BROKER_CONTROLLER_OFFLINE_PARTITIONS_H
#define WEIR_BROKER_CONTROLLER_OFFLINE_PARTITIONS_H

#include "base/map.h"
#include "base/metrics.h"
#include "broker/metadata/metadata_image.h"

struct weir_offline_news;
struct weir_offline_topic;
struct weir_partition;

/**
 * Which partitions are offline, as the controller knows it: those whose folder is missing or cannot
 * be read (nothing of them is served), and those that are damaged from some offset on (what lies
 * below is served). Shards tell; each change is one line in the log and a step of the gauge,
 * however many requests run into it.
 *
 *     (serving) ──cannot be opened, damage is read──> offline ──opened whole, topic deleted──> (…)
 *
 * A shortage (descriptors, memory, room) is none of this: it passes.
 */
struct weir_offline_partitions {
    const struct weir_metadata_image *image;
    struct weir_map topics; /* struct weir_offline_topic, by name: those that have some */
    struct weir_counter count;
    _Atomic bool had_any; /* one has been told once: any thread reads it */
    /* Told, but there was no memory to keep them: neither said nor counted until there is. */
    struct weir_offline_news *unkept;
};

/** On the partition's shard. `from_offset` -1: all of it. `reason`: for a person.
 * WEIR_NO_MEMORY: it has not been told. */
int weir_offline_tell(struct weir_offline_partitions *offline, struct weir_partition *partition,
                      int64_t from_offset, const char *reason);
/** On the partition's shard: it is open and whole. */
void weir_offline_tell_over(struct weir_offline_partitions *offline,
                            struct weir_partition *partition);

/* On shard 0's thread. */
/** Borrows `image`, whose budget it takes from: news of a topic that is not there is none. */
void weir_offline_init(struct weir_offline_partitions *offline,
                       const struct weir_metadata_image *image);
void weir_offline_close(struct weir_offline_partitions *offline);
/** Keep what there was no memory for; a turn comes while there is such. */
void weir_offline_run(struct weir_offline_partitions *offline);
/** NULL: none of this topic is offline. Until the next change. */
const struct weir_offline_topic *weir_offline_of(const struct weir_offline_partitions *offline,
                                                 struct weir_slice topic);
bool weir_offline_has(const struct weir_offline_topic *topic, int32_t partition);
/** The topic is gone. */
void weir_offline_forget(struct weir_offline_partitions *offline, struct weir_slice topic,
                         int32_t partition_count);

#endif
