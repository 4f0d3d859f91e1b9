#ifndef WEIR_BROKER_COORDINATOR_LIVE_GROUP_H
#define WEIR_BROKER_COORDINATOR_LIVE_GROUP_H

#include "broker/coordinator/group/classic_group.h"
#include "broker/coordinator/group/consumer_group.h"
#include "broker/coordinator/group_write.h"

/**
 * A group that is being used: its core (broker/coordinator/group), and what the core needs of the world.
 *
 *     question, time ──> event ──step──> update ──┬─ records ──> write ──durable──┐
 *                                                 ├─ answers at once              v
 *                                                 └─ answers that wait ────> answered
 *
 * A live group is made of the image's records when it is asked for, and forgotten when nobody is in it and
 * nothing of it is on its way: the image has all of it then. It is *over* when its state in memory must not be used any
 * more, because it was deleted, or because memory or disk were short while it changed. Who asks for it
 * then is held until its last write has ended, and finds what the image has.
 *
 *     (image) ──asked──> live ──idle──> (image)
 *                         └──deleted, dropped──> over ──its writes have ended──> (image)
 *
 * Stream applications own their groups without being members: of those there is no live group.
 * Thread: the partition's shard.
 */
struct weir_live_write;

struct weir_live_group {
    struct weir_offsets_partition *offsets;
    struct weir_slice name;    /* behind the struct */
    enum weir_group_type type; /* which of the two cores it has */
    union {
        struct weir_classic_group classic;
        struct weir_consumer_group consumer;
    };
    size_t deadline_index;              /* in the partition's heap, as long as it is there */
    size_t write_count;                 /* its own, that have not ended */
    struct weir_live_write *last_write; /* the newest of these, or NULL */
    bool is_over;
    bool is_busy; /* with an update: it is not forgotten under way */
};

/** Milliseconds of the clock that groups' deadlines are in. */
int64_t weir_live_now_ms(const struct weir_offsets_partition *offsets);

/** The live group of this name; made of the image if there is anything of it there, or anew as one of type `create`
 * (WEIR_GROUP_UNKNOWN: no). One that has only offsets is of that type too, or classic. NULL in `group_out`: there is
 * none. WEIR_END: it is over, hold the request. The partition is open.
 * Errors: WEIR_NO_MEMORY, those of weir_offsets_partition_catch_up, WEIR_CORRUPT. */
int weir_live_group_find(struct weir_offsets_partition *offsets, struct weir_slice name,
                         enum weir_group_type create, struct weir_live_group **group_out,
                         struct weir_error *error);
/** What holds for it: the server's settings, or `own_out`, these with what the group has of its own. */
const struct weir_group_settings *weir_live_group_settings(const struct weir_live_group *group,
                                                           struct weir_group_settings *own_out);
/** Nobody is in it, and no id is pending. */
bool weir_live_group_is_idle(const struct weir_live_group *group);
/** An id that was given and not taken up yet is no member; a rebalance that the last members left still is to end. */
bool weir_live_group_has_members(const struct weir_live_group *group);
/** As DescribeGroups and ListGroups write it. Lives for ever. */
struct weir_slice weir_live_group_state_name(const struct weir_live_group *group);
/** Forget it if it is idle. It may be gone on return: for who has done with it. */
void weir_live_group_settle(struct weir_live_group *group);

/** An update of this group, in the partition's arena. */
void weir_live_group_begin(struct weir_live_group *group, struct weir_group_update *update);
/** Add tombstones of all records of an idle group, but not of its offsets; it is over when the update is taken.
 * WEIR_NO_MEMORY: take it with this. */
int weir_live_group_write_tombstones(struct weir_live_group *group,
                                     struct weir_group_update *update, struct weir_error *error);
/** Behind these: the empty group of the other type that is to be there next. Errors as above. */
int weir_live_group_write_successor(struct weir_live_group *group,
                                    struct weir_group_update *update);
/** The group's core has filled in this update (of the partition's arena): write, answer, settle
 * the group. `rc` as of a step. */
void weir_live_group_take(struct weir_live_group *group, struct weir_group_update *update, int rc);
/** Its state must not be used any more; who is parked is answered with this. It may be gone on return. */
void weir_live_group_drop(struct weir_live_group *group, int rc, const char *text);

/** Have the partition given a turn when a group, or the sweep for what has expired, wants one. */
void weir_live_groups_wake(struct weir_offsets_partition *offsets);
/** Look at so many of the image's groups at most, and have those live that have members. The partition is open. */
void weir_live_groups_load(struct weir_offsets_partition *offsets, size_t count_max);
/** Answer all that are parked with this, and forget the groups. */
void weir_live_groups_refuse(struct weir_offsets_partition *offsets, int rc, const char *text);

#endif
