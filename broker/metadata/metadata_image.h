#ifndef WEIR_BROKER_METADATA_METADATA_IMAGE_H
#define WEIR_BROKER_METADATA_METADATA_IMAGE_H

#include "base/hamt.h"
#include "broker/metadata/group_image.h"
#include "broker/metadata/metadata_record.h"
#include "broker/metadata/topic_image.h"
#include "wire/record_batch.h"

/**
 * The metadata as it stands after some prefix of `__cluster_metadata`, and the pure state machine
 * that makes it: the same records give the same image, whether they come from the log, from a
 * snapshot, or from both.
 *
 * Leader epochs. One RegisterBroker record with a new incarnation raises the epoch of every
 * partition that exists, so that an unclean stop costs one record, not one per partition. The image
 * therefore keeps, per partition, the epoch it was given and how many raises had happened then:
 *
 *     leader epoch = given + (raises so far - raises when it was given)
 *
 * A PartitionChange that names a leader raises one partition alone. Both only ever go up.
 *
 * Directories. A PartitionChange that names a log directory says that the partition's folder has
 * been made there, durably. From then on a folder that is not there is one that was lost.
 */
enum { WEIR_METADATA_LEVEL_MAX = 1 };
#define WEIR_METADATA_FEATURE "weir.metadata.version"

/** A topic that was removed while `keeps_removed` was on: its folders may still be there. */
struct weir_removed_topic {
    struct weir_removed_topic *next;
    char *name;
    struct weir_uuid id;
    int32_t partition_count;
};

/** What a topic is found by. Of topics whose folded names are one, which Kafka does not let be, that trie has
 * the last. */
enum weir_topics_by {
    WEIR_TOPICS_BY_NAME,
    WEIR_TOPICS_BY_ID,
    WEIR_TOPICS_BY_FOLDED_NAME,
    WEIR_TOPICS_BY_COUNT
};

/** What the records so far say: to be read, by its owner and, as a version of it
 * (metadata_version.h), by all others. */
struct weir_metadata_image {
    struct weir_budget *budget;
    struct weir_hamt topics[WEIR_TOPICS_BY_COUNT]; /* the same ones, by each key */
    struct weir_hamt groups;                       /* that have settings of their own */
    struct weir_uuid incarnation_id;
    bool is_registered;
    int32_t raises;           /* incarnations after the first */
    int64_t next_producer_id; /* the first id of the next block */
    int16_t level;            /* of WEIR_METADATA_FEATURE; 0 before the first record */
    int64_t records_skipped;  /* of types unknown to this version */
};

/** Who applies the records. */
struct weir_metadata_machine {
    struct weir_metadata_image image;
    struct weir_arena scratch; /* of one record's decoding */
    bool keeps_removed;
    struct weir_removed_topic *removed;
};

void weir_metadata_machine_init(struct weir_metadata_machine *machine, struct weir_budget *budget);
void weir_metadata_machine_close(struct weir_metadata_machine *machine);
/** Let go of what it says. A zeroed one is fine. */
void weir_metadata_image_close(struct weir_metadata_image *image);

/**
 * Fold one record in. After an error the image is as it was.
 *
 * Errors: WEIR_NO_MEMORY; WEIR_CORRUPT (the record does not fit the image: an unknown topic, a
 * partition out of turn); WEIR_UNSUPPORTED_VERSION (a feature level above WEIR_METADATA_LEVEL_MAX).
 */
int weir_metadata_apply(struct weir_metadata_machine *machine,
                        const struct weir_metadata_record *record, struct weir_error *error);
/** Decode and apply the value of a stored record; unknown types are counted and skipped. */
int weir_metadata_apply_value(struct weir_metadata_machine *machine, struct weir_slice value,
                              struct weir_error *error);

/** NULL if there is none; valid until the next apply, in a version as long as that. */
const struct weir_topic_image *weir_metadata_topic(const struct weir_metadata_image *image,
                                                   struct weir_slice name);
const struct weir_topic_image *weir_metadata_topic_by_id(const struct weir_metadata_image *image,
                                                         struct weir_uuid id);
/** One of a name that differs from this at most by '.' against '_'. */
const struct weir_topic_image *
weir_metadata_colliding_topic(const struct weir_metadata_image *image, struct weir_slice name);
size_t weir_metadata_topic_count(const struct weir_metadata_image *image);
/** All topics in order of name, `weir_metadata_topic_count` of them. NULL without memory. */
const struct weir_topic_image **weir_metadata_sorted_topics(const struct weir_metadata_image *image,
                                                            struct weir_arena *arena);
/** All topics, each once, in no order that means anything; NULL at the end. */
void weir_metadata_walk_topics(const struct weir_metadata_image *image,
                               struct weir_hamt_walk *walk);
const struct weir_topic_image *weir_metadata_next_topic(struct weir_hamt_walk *walk);
int32_t weir_metadata_leader_epoch(const struct weir_metadata_image *image,
                                   const struct weir_topic_image *topic, int32_t partition);

/** NULL: the group has no settings of its own. Valid as a topic is. */
const struct weir_group_image *weir_metadata_group(const struct weir_metadata_image *image,
                                                   struct weir_slice name);
/** Those that have some, in order of name; as many as `weir_hamt_count(&image->groups)`. NULL without memory. */
const struct weir_group_image **weir_metadata_sorted_groups(const struct weir_metadata_image *image,
                                                            struct weir_arena *arena);

/** The image as records: applied to an empty image they give this one again (a snapshot's body). The
 * same image gives the same records in the same order. WEIR_NO_MEMORY, or what `each` returns. */
typedef int (*weir_metadata_record_fn)(void *context, const struct weir_metadata_record *record);
int weir_metadata_each_record(const struct weir_metadata_image *image, weir_metadata_record_fn each,
                              void *context);

#endif
