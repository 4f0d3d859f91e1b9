#ifndef WEIR_BROKER_METADATA_METADATA_IMAGE_H
#define WEIR_BROKER_METADATA_METADATA_IMAGE_H

#include "base/hamt.h"
#include "broker/metadata/metadata_record.h"
#include "broker/metadata/topic_names.h"
#include "broker/metadata/uuid.h"
#include "wire/record_batch.h"

/**
 * The metadata as it stands after some prefix of `__cluster_metadata`: a pure state machine. The
 * same records give the same image, whether they come from the log, from a snapshot, or from both.
 *
 * Versions. Whoever applies records owns the image. A version of it is what it was at one moment, for all who
 * read: immutable and counted. Making one costs the same whatever is in it, for it shares the topics and
 * the tries that find them; the next record copies the few nodes on its way, and the topic that it
 * changes.
 *
 *     records ──apply──> image ──version──> v1 ──ref, unref──> readers, on any thread
 *                          ├──apply, version──> v2 …
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

struct weir_partition_image {
    int32_t given_epoch;
    int32_t raises_then;
    struct weir_uuid directory_id; /* the log directory that has it; zero: it was never made */
};

struct weir_config_override {
    char *key; /* both owned */
    char *value;
};

/** Immutable but for the image that has just made it. */
struct weir_topic_image {
    _Atomic uint32_t references; /* of the tries that it is in */
    uint64_t edition;            /* of the image when it was made */
    char *name;                  /* owned, NUL-terminated */
    struct weir_slice name_slice;
    struct weir_uuid id;
    struct weir_partition_image *partitions;
    int32_t partition_count;
    int32_t partition_capacity;
    struct weir_config_override *configs; /* in order of first setting */
    size_t config_count;
    size_t config_capacity;
};

/** A topic that was removed while `keeps_removed` was on: its folders may still be there. */
struct weir_removed_topic {
    struct weir_removed_topic *next;
    char *name;
    struct weir_uuid id;
    int32_t partition_count;
};

struct weir_metadata_image {
    struct weir_budget *budget;
    struct weir_hamt topics_by_name;
    struct weir_hamt topics_by_id;
    struct weir_uuid incarnation_id;
    bool is_registered;
    int32_t raises;            /* incarnations after the first */
    int64_t next_producer_id;  /* the first id of the next block */
    int16_t level;             /* of WEIR_METADATA_FEATURE; 0 before the first record */
    int64_t records_skipped;   /* of types unknown to this version */
    struct weir_arena scratch; /* of one record's decoding */
    bool keeps_removed;
    struct weir_removed_topic *removed;
};

void weir_metadata_image_init(struct weir_metadata_image *image, struct weir_budget *budget);
void weir_metadata_image_close(struct weir_metadata_image *image);

/**
 * Fold one record in. After an error the image is as it was.
 *
 * Errors: WEIR_NO_MEMORY; WEIR_CORRUPT (the record does not fit the image: an unknown topic, a
 * partition out of turn); WEIR_UNSUPPORTED_VERSION (a feature level above WEIR_METADATA_LEVEL_MAX).
 */
int weir_metadata_apply(struct weir_metadata_image *image,
                        const struct weir_metadata_record *record, struct weir_error *error);
/** Decode and apply the value of a stored record; unknown types are counted and skipped. */
int weir_metadata_apply_value(struct weir_metadata_image *image, struct weir_slice value,
                              struct weir_error *error);

/** What the image is now, for others to read. It holds until its last reference goes. */
struct weir_metadata_version {
    _Atomic uint32_t references;
    struct weir_metadata_image image; /* to be read; with nothing that only the owner needs */
};
/** Memory for a version, so that publishing what is durable cannot fail. NULL without it; freed by
 * weir_metadata_version_unref as any. */
struct weir_metadata_version *weir_metadata_version_new(struct weir_budget *budget);
/** Give a new one its content, with one reference: the caller's. */
void weir_metadata_version_take(struct weir_metadata_version *version,
                                struct weir_metadata_image *image);
/** Any thread. NULL is fine for unref. */
void weir_metadata_version_ref(struct weir_metadata_version *version);
void weir_metadata_version_unref(struct weir_metadata_version *version);

/** NULL if there is none; valid until the next apply, in a version as long as that. */
const struct weir_topic_image *weir_metadata_topic(const struct weir_metadata_image *image,
                                                   struct weir_slice name);
const struct weir_topic_image *weir_metadata_topic_by_id(const struct weir_metadata_image *image,
                                                         struct weir_uuid id);
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

/** The image as records: applied to an empty image they give this one again (a snapshot's body). The
 * same image gives the same records in the same order. WEIR_NO_MEMORY, or what `each` returns. */
typedef int (*weir_metadata_record_fn)(void *context, const struct weir_metadata_record *record);
int weir_metadata_each_record(const struct weir_metadata_image *image, weir_metadata_record_fn each,
                              void *context);

#endif
