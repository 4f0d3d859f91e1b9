#ifndef WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_STATE_H
#define WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_STATE_H

#include "broker/coordinator/group/consumer_member.h"
#include "broker/coordinator/group/consumer_topics.h"

/**
 * A consumer group as it stands (consumer_group.h says what it is): its epochs, its members, what they want
 * together and who has which partition. The functions here change one thing and all that must agree with it.
 */
struct weir_consumer_group {
    struct weir_budget *budget;
    struct weir_slice name;              /* owned */
    int32_t epoch;                       /* of the group; 0: nothing was ever written */
    int64_t topics_hash;                 /* of the topics that it reads, as of `epoch` */
    int32_t assignment_epoch;            /* <= epoch; 0: no target was ever computed */
    int64_t assignment_wall_ms;          /* when the target was computed */
    struct weir_map members;             /* by member id */
    struct weir_map instances;           /* the static ones by instance id */
    struct weir_consumer_topics topics;  /* that members want */
    struct weir_partition_owners owners; /* of what members have or have yet to give up */
    size_t classic_count;                /* of the members, those that speak the classic protocol */
    size_t words_bytes;                  /* of what members have said */
    /* Not written down. */
    uint64_t topics_version;  /* of the metadata that it has looked at; 0: none yet */
    uint64_t regexes_version; /* that its expressions were looked up in */
    int64_t regexes_at_ms;    /* when that was; INT64_MIN: never */
    size_t partition_count;   /* of the topics that it reads, as of `topics_version` */
    int64_t wake_at_ms;       /* no deadline is before it; WEIR_GROUP_NEVER_MS: there is none */
};

/** Without members, epoch 0. Copies the name. WEIR_NO_MEMORY: there is nothing to close. */
int weir_consumer_group_init(struct weir_consumer_group *group, struct weir_budget *budget,
                             struct weir_slice name);
/** A zeroed one is fine, and one whose step has failed. */
void weir_consumer_group_close(struct weir_consumer_group *group);

/** The deadline is among those that the group wants to be woken for. */
static inline void weir_consumer_group_wake(struct weir_consumer_group *group, int64_t at_ms)
{
    if (at_ms < group->wake_at_ms) group->wake_at_ms = at_ms;
}

/** Epochs are below the first; from the second on members change nothing any more, so that each can still leave. */
enum { WEIR_CONSUMER_EPOCH_MAX = 1 << 30, WEIR_CONSUMER_EPOCH_LAST = (1 << 30) - (1 << 24) };

/** NULL if there is none. */
struct weir_consumer_member *weir_consumer_group_member(const struct weir_consumer_group *group,
                                                        struct weir_slice member_id);
/** The one of this instance id, NULL if there is none. */
struct weir_consumer_member *weir_consumer_group_instance(const struct weir_consumer_group *group,
                                                          struct weir_slice instance_id);
static inline size_t weir_consumer_group_member_count(const struct weir_consumer_group *group)
{
    return weir_map_count(&group->members);
}
static inline bool weir_consumer_group_is_empty(const struct weir_consumer_group *group)
{
    return weir_consumer_group_member_count(group) == 0;
}

/* Each: WEIR_NO_MEMORY, and the group may only be closed then. */

/** A new member without words, NULL without memory. */
struct weir_consumer_member *weir_consumer_group_add_member(struct weir_consumer_group *group,
                                                            struct weir_slice member_id);
/** It is gone, and all that it had is free. */
void weir_consumer_group_remove_member(struct weir_consumer_group *group,
                                       struct weir_consumer_member *member);
/** What `old` was, has and shall have is now of a member of another id, who joins. Frees `old`. NULL without
 * memory. */
struct weir_consumer_member *weir_consumer_group_replace_member(struct weir_consumer_group *group,
                                                                struct weir_consumer_member *old,
                                                                struct weir_slice member_id);
/** The member says this; copied. */
int weir_consumer_group_set_words(struct weir_consumer_group *group,
                                  struct weir_consumer_member *member,
                                  const struct weir_member_words *words);
/** The member makes this move; copied. Its previous epoch is the one it comes from. */
int weir_consumer_group_move_member(struct weir_consumer_group *group,
                                    struct weir_consumer_member *member,
                                    const struct weir_member_move *move);

/** What a partition of a topic that a group reads may take: a place in three sets of a member's. */
enum { WEIR_GROUP_PARTITION_BYTES = 3 * sizeof(struct weir_group_partition) };
/** All that counts against the limit of a group's memory; partitions are counted by what they may take. */
size_t weir_consumer_group_bytes(const struct weir_consumer_group *group);

/** Its invariants; looks at every member and partition. */
void weir_consumer_group_check(const struct weir_consumer_group *group);

#endif
