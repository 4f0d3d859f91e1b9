#ifndef WEIR_CLI_PLACE_GROUPS_H
#define WEIR_CLI_PLACE_GROUPS_H

#include "cli/place.h"

/**
 * What a place knows of consumer groups: the second half of place.h. remote_groups.c asks a server,
 * place_embedded_groups.c the engine in this process.
 *
 * Results live in the arena that the caller hands in. A text that there is none of is "".
 */
struct place_partitions { /* of one topic */
    const char *topic;
    const int32_t *partitions;
    size_t partition_count;
};

struct place_member {
    const char *id;
    const char *instance_id;
    const char *client_id;
    const char *host;
    int32_t epoch;          /* of a member of a consumer group; else -1 */
    const char *unreadable; /* why the assignment cannot be shown; NULL: it can */
    struct place_partitions *assigned;
    size_t assigned_count;
};

struct place_group {
    const char *name;
    const char *type;          /* "classic", "consumer"; "" where the server does not say */
    const char *state;         /* as Kafka writes it: "Stable", "Empty", "PreparingRebalance" */
    const char *protocol_type; /* "consumer"; of a stream application "weir" */
    bool is_application;       /* a stream application owns it */
    /* only when described */
    const char *assignor;
    int32_t epoch; /* the group's epoch, or generation; -1: not known */
    struct place_member *members;
    size_t member_count;
};

struct place_groups {
    struct place_group *rows;
    size_t count;
};

/** A committed offset, or one to be committed. */
struct place_offset {
    const char *topic;
    struct weir_uuid
        topic_id; /* to be committed: of this one and no other; zero: whichever has the name */
    int32_t partition;
    int64_t offset; /* -1: none is committed */
    int32_t leader_epoch;
    const char *metadata;
};

struct place_offsets {
    struct place_offset *rows;
    size_t count;
};

/** Who commits; zeroed but for the group and an `epoch` of -1: nobody, which only a group without members takes. */
struct place_membership {
    const char *group;
    const char *member_id;   /* NULL: none */
    const char *instance_id; /* NULL: none */
    int32_t epoch;
};

/** A member of a consumer group that reads one topic says that it is there, and hears what it reads. */
struct place_heartbeat {
    struct place_membership as; /* epoch 0 joins, -1 leaves */
    struct weir_uuid topic_id;
    const char *topic;            /* what it wants; NULL: as before */
    int32_t rebalance_timeout_ms; /* -1: as before */
    const int32_t *owned;         /* of the topic; NULL: as before */
    size_t owned_count;
    /* given */
    int32_t epoch_out;
    int32_t interval_ms;
    bool has_assignment; /* false: as before */
    int32_t *assigned;   /* in the arena */
    size_t assigned_count;
};

struct place_group_ops {
    int (*list)(struct place *place, struct weir_arena *arena, struct place_groups *groups_out,
                struct weir_error *error);
    /* WEIR_GROUP_ID_NOT_FOUND */
    int (*describe)(struct place *place, struct weir_arena *arena, const char *name,
                    struct place_group *group_out, struct weir_error *error);
    /* all that it has committed; of a group that there is none of, none */
    int (*offsets)(struct place *place, struct weir_arena *arena, const char *name,
                   struct place_offsets *offsets_out, struct weir_error *error);
    /* all or nothing; the error names the partition that was refused */
    int (*commit)(struct place *place, const struct place_membership *as,
                  const struct place_offsets *offsets, struct weir_error *error);
    /* WEIR_NON_EMPTY_GROUP, WEIR_GROUP_ID_NOT_FOUND */
    int (*remove)(struct place *place, const char *name, struct weir_error *error);
    /* forget the offsets of these partitions; WEIR_GROUP_SUBSCRIBED_TO_TOPIC, and as above */
    int (*remove_offsets)(struct place *place, const char *name, const struct place_partitions *of,
                          struct weir_error *error);
    /* the consumer protocol's (KIP-848): WEIR_UNKNOWN_MEMBER_ID, WEIR_FENCED_MEMBER_EPOCH, ... */
    int (*heartbeat)(struct place *place, struct weir_arena *arena,
                     struct place_heartbeat *heartbeat, struct weir_error *error);
};

/** A check of a command whose operands are groups, or begin with one: CLI_OK, or what was said. */
int place_check_groups(const struct cli_command *command, void *values,
                       const struct cli_operands *operands);

/** The name of a group that there is and that `name` may have meant, in the arena; NULL: none is near. */
const char *place_nearest_group(struct place *place, struct weir_arena *arena, const char *name);

/** Say that a call about a group failed, and what to do next: for an unknown group its nearest name. Returns the
 * exit code. */
int place_say_group_failure(struct place *place, const char *name, const struct weir_error *error);

#endif
