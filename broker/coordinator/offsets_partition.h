#ifndef WEIR_BROKER_COORDINATOR_OFFSETS_PARTITION_H
#define WEIR_BROKER_COORDINATOR_OFFSETS_PARTITION_H

#include "broker/coordinator/coordinator_log.h"
#include "broker/coordinator/offsets_image.h"
#include "broker/engine/deadline_heap.h"

struct weir_coordinator;
struct weir_group_write;
struct weir_partition;

/** Where the sweep for offsets that have expired stands (group_expiry.h). */
struct weir_group_expiry {
    struct weir_mono due;      /* zero: none was planned yet */
    struct weir_map_walk walk; /* over the image's groups: how far it has come */
    size_t offsets;            /* that it has forgotten, and groups */
    size_t groups;
};

/**
 * What a partition of `__consumer_offsets` has beside its log.
 *
 *     requests ──> live groups ──records──> writes ──> log ──durable──> image ──> snapshots
 *                      ^                                                  │
 *                      └────────────────── when they are asked for ───────┘
 *
 * The image is what the log says as far as it is durable, so that nobody sees an offset that a crash takes back.
 * A live group is ahead of it by the writes that are on their way (live_group.h).
 * It is the partition's state machine (offsets_machine.h).
 * Thread: the partition's shard (restore: the worker that opens the log).
 */
enum { WEIR_OFFSETS_PARTITION_MAGIC = 0x6f666673 };

struct weir_offsets_partition {
    uint32_t magic;
    struct weir_coordinator *coordinator;
    struct weir_partition *partition;
    struct weir_offsets_image image;
    struct weir_coordinator_log log;
    struct weir_group_write *writes_first; /* on their way, in the order of the log */
    struct weir_group_write *writes_last;
    size_t owning_count; /* of these: what makes a group an application's */
    struct weir_buffer key;
    struct weir_buffer value;

    struct weir_map live;                /* live groups by name */
    struct weir_deadline_heap deadlines; /* of each of them, WEIR_MONO_NEVER too */
    struct weir_arena update_arena;      /* of a step */
    /* After the start the image's groups are looked through for members, whose sessions begin then. */
    struct weir_map_walk load_walk; /* how far that has come */
    bool is_loaded;
    struct weir_group_expiry expiry;
    /* Lines about silent members: a flood of them tells no more than some do. */
    int64_t silent_second; /* of the last */
    int silent_lines;      /* in that second */
    int64_t silent_unsaid; /* members, since */
};

/** How an image is folded and written down. */
extern const struct weir_fold_ops weir_offsets_fold_ops;

/** All in it is empty; WEIR_NO_MEMORY. */
int weir_offsets_partition_new(struct weir_coordinator *coordinator,
                               struct weir_partition *partition,
                               struct weir_offsets_partition **offsets_out);
/** Nothing is on its way, held or live. */
void weir_offsets_partition_free(struct weir_offsets_partition *offsets);
/** The offsets of a partition of `__consumer_offsets`, from its topic being known on. */
struct weir_offsets_partition *weir_offsets_partition_of(const struct weir_partition *partition);
/** Fold in what is durable and is not in yet: markers, which others write here, and what a failure left out
 * (weir_fold_catch_up). Damage that is met takes the partition offline, and who waits for it is told. The partition is open. */
int weir_offsets_partition_catch_up(struct weir_offsets_partition *offsets,
                                    struct weir_error *error);

#endif
