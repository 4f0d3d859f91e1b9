#ifndef WEIR_BROKER_COORDINATOR_OFFSETS_IMAGE_H
#define WEIR_BROKER_COORDINATOR_OFFSETS_IMAGE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/map.h"
#include "broker/coordinator/pending_offsets.h"
#include "weir/error.h"
#include "weir/record.h"

/**
 * What is known of groups after some prefix of a partition of `__consumer_offsets`: a pure state machine.
 *
 *     group ──┬─ (topic, partition) ──┬─> where the group stands        OffsetCommitKey 1
 *             │                       └─> what open transactions have committed, by producer id
 *             └─ record key ──────────> the last value, as its bytes    GroupMetadataKey 2, the keys of KIP-848
 *
 * What is committed within a transaction is pending until the producer's marker: a commit moves it to where the group
 * stands, an abort drops it. The last commit in order of the log counts, so what was committed after it, and is
 * there when the marker comes, stays (Kafka's OffsetMetadataManager). What takes an offset back takes back what is
 * pending of it, too.
 *
 * Of the bytes only one thing is looked at here: is the group a stream application's own? What they say of members
 * is for who makes a live group of them. Keys and values are Kafka's. docs/format/offsets.md.
 */

/** The protocol type that says a group is a stream application's. Kafka's consumers say "consumer",
 * and refuse to join a group of another type. The second was written before groups had members. */
#define WEIR_APPLICATION_PROTOCOL_TYPE "weir"
/** What is shown as the state of such a group: it is never Empty. */
#define WEIR_APPLICATION_GROUP_STATE "Stable"
#define WEIR_APPLICATION_PROTOCOL_TYPE_BEFORE "weir-streams"

/** Of a group's partition: what is committed, what is pending, or both. */
struct weir_committed_offset {
    struct weir_committed_group *group;
    struct weir_slice key; /* topic and number, behind the struct */
    struct weir_slice topic;
    int32_t partition;
    bool is_committed; /* else the value says nothing */
    struct weir_offset_value value;
    struct weir_pending_list pending;
};

/** Whose an application's group is: the run of a job that committed first of all since the last one, as a member of a
 * group would be. */
struct weir_group_owner {
    struct weir_slice member_id; /* empty: the record is of a version that knew no runs */
    int32_t generation;          /* one more with each run */
};

/** Of a group, by its whole key. */
struct weir_kept_record {
    struct weir_slice key;   /* behind the struct */
    struct weir_slice value; /* owned */
};

struct weir_committed_group {
    struct weir_slice name; /* behind the struct */
    struct weir_map offsets;
    struct weir_map records; /* of kept records */
    size_t pending_count;    /* of its offsets */
    bool is_application;
    struct weir_group_owner owner; /* of an application's; in the kept value */
};

struct weir_offsets_image {
    struct weir_budget *budget;
    struct weir_map groups;
    struct weir_pending_offsets pending;
    uint64_t next_order;
    struct weir_arena scratch; /* of one record's decoding */
    int64_t records_skipped;   /* of types unknown to this version */
};

/** One commit, as it goes into a record. */
struct weir_offset_commit {
    struct weir_slice group;
    struct weir_slice topic;
    int32_t partition;
    bool is_tombstone; /* the rest is then ignored */
    int64_t offset;
    int32_t leader_epoch;
    struct weir_slice metadata;
    int64_t commit_timestamp_ms;
    int64_t expire_timestamp_ms; /* -1: the record says nothing of it */
    struct weir_uuid topic_id;
};

void weir_offsets_image_init(struct weir_offsets_image *image, struct weir_budget *budget);
void weir_offsets_image_close(struct weir_offsets_image *image);

/** Append key and value (none for a tombstone) to the buffers. WEIR_NO_MEMORY,
 * WEIR_INVALID_ARGUMENT (a text too long). */
int weir_offset_commit_encode(const struct weir_offset_commit *commit, struct weir_buffer *key,
                              struct weir_buffer *value);

/** Append the record that makes a group an application's. Errors as above. */
int weir_group_owner_encode(struct weir_slice group, const struct weir_group_owner *owner,
                            int64_t since_ms, struct weir_buffer *key, struct weir_buffer *value);

/** Fold one record in; after an error the image is as it was. WEIR_NO_MEMORY, WEIR_CORRUPT,
 * WEIR_UNSUPPORTED_VERSION. Records of types that are not known are counted and skipped. */
int weir_offsets_image_apply(struct weir_offsets_image *image, const struct weir_record *record,
                             struct weir_error *error);

/** The same of a record of a transactional batch: an offset is pending until the transaction of this producer id ends. */
int weir_offsets_image_apply_pending(struct weir_offsets_image *image, int64_t producer_id,
                                     const struct weir_record *record, struct weir_error *error);
/** A marker of this producer id. Cannot fail. */
void weir_offsets_image_end_transaction(struct weir_offsets_image *image, int64_t producer_id,
                                        bool is_commit);

/** What is committed, NULL if nothing is; valid until the next apply. */
const struct weir_committed_offset *weir_offsets_image_find(const struct weir_offsets_image *image,
                                                            struct weir_slice group,
                                                            struct weir_slice topic,
                                                            int32_t partition);
/** Has an open transaction committed an offset of it? */
bool weir_offsets_image_is_pending(const struct weir_offsets_image *image, struct weir_slice group,
                                   struct weir_slice topic, int32_t partition);
const struct weir_committed_group *weir_offsets_image_group(const struct weir_offsets_image *image,
                                                            struct weir_slice group);
/** False also for a group that is not there. */
bool weir_offsets_image_is_application(const struct weir_offsets_image *image,
                                       struct weir_slice group);
/** The last value of a record of the group, null if there is none. */
struct weir_slice weir_committed_group_value(const struct weir_committed_group *group,
                                             struct weir_slice key);
/** Bytes that the record of an offset takes without its value, at most. */
size_t weir_committed_offset_key_size(const struct weir_committed_offset *offset);
/** A record of an image, borrowed during the call; `producer_id`: in whose open transaction, -1: in none. A non-zero
 * return ends the walk and is returned by it. */
typedef int (*weir_offsets_record_fn)(void *context, int64_t producer_id,
                                      const struct weir_record *record);
/** All of one group as records that make the same again, in this order. WEIR_NO_MEMORY. */
int weir_committed_group_each(const struct weir_offsets_image *image,
                              const struct weir_committed_group *group, weir_offsets_record_fn each,
                              void *context);
/** The same of all groups, in the order in which they came to be. */
int weir_offsets_image_each(const struct weir_offsets_image *image, weir_offsets_record_fn each,
                            void *context);

#endif
