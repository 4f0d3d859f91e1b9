#ifndef WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_MEMBER_H
#define WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_MEMBER_H

#include "broker/coordinator/group/member_words.h"
#include "broker/coordinator/group/partition_owners.h"
#include "broker/coordinator/group/partition_set.h"

/**
 * A member of a consumer group, and the way it goes from what it has to what it shall have: it gives up first,
 * then it comes to the new epoch, then it is given what the others have let go of.
 *
 *                    has to give up              has given up; waits for others
 *        ┌────────┐ ──────────────> ┌──────────┐ ─────────────> ┌────────────┐
 *   ────>│ stable │                 │ unrevoked│                │ unreleased │
 *        └────────┘ <────────────── └──────────┘ <───────────── └────────────┘
 *             ^      all at once                  has to give up more  │
 *             └────────────────────────────────────────────────────────┘
 *               the last one that it waited for was let go of
 *
 *     stable      has its target of its epoch
 *     unrevoked   keeps its old epoch until it says what it has and that is nothing of `pending_revocation`; if
 *                 that takes longer than its rebalance timeout it is removed
 *     unreleased  has the new epoch, and is given the rest of its target as it becomes free
 *
 * The numbers of the states are those of record 8.
 */
enum weir_member_state {
    WEIR_MEMBER_STABLE,
    WEIR_MEMBER_UNREVOKED_PARTITIONS,
    WEIR_MEMBER_UNRELEASED_PARTITIONS,
    WEIR_MEMBER_STATE_COUNT,
};

enum {
    WEIR_MEMBER_EPOCH_JOINS = 0,
    WEIR_MEMBER_EPOCH_LEAVES = -1,
    WEIR_MEMBER_EPOCH_LEAVES_STATIC = -2, /* and comes back */
};

struct weir_consumer_member {
    struct weir_slice member_id;     /* behind the struct */
    struct weir_member_words *words; /* owned; NULL only while records are folded in */
    enum weir_member_state state;
    int32_t epoch; /* WEIR_MEMBER_EPOCH_LEAVES_STATIC: it has left and may come back */
    int32_t previous_epoch;
    struct weir_partition_set assigned;           /* what it is told to read */
    struct weir_partition_set pending_revocation; /* not empty if and only if it is unrevoked */
    struct weir_partition_set target;             /* of the group's assignment epoch */
    int64_t session_deadline_ms;
    int64_t revoke_deadline_ms; /* INT64_MAX unless it is unrevoked */
    /* Of one that speaks the classic protocol: when it has to have joined again, or synced; INT64_MAX: it has. */
    int64_t join_deadline_ms;
    int64_t sync_deadline_ms;
    /* While records are folded in: what there is of it besides its words. */
    bool has_target_record;
    bool has_current_record;
};

/** Joined just now: stable in epoch 0, with nothing. NULL without memory. */
struct weir_consumer_member *weir_consumer_member_new(struct weir_budget *budget,
                                                      struct weir_slice member_id);
void weir_consumer_member_free(struct weir_consumer_member *member);

static inline bool weir_consumer_member_has_left(const struct weir_consumer_member *member)
{
    return member->epoch == WEIR_MEMBER_EPOCH_LEAVES_STATIC;
}
/** It is where the target of this epoch wants it. */
static inline bool weir_consumer_member_is_reconciled(const struct weir_consumer_member *member,
                                                      int32_t assignment_epoch)
{
    return member->state == WEIR_MEMBER_STABLE && member->epoch == assignment_epoch;
}

/** Where a member comes to. Sets lie in the arena or are the member's own. */
struct weir_member_move {
    enum weir_member_state state;
    int32_t epoch;
    struct weir_partition_set assigned;
    struct weir_partition_set pending_revocation;
};

/**
 * The next move of a member towards its target, which is of `assignment_epoch`. `owned` is what the member says
 * it has, NULL if it does not say.
 *
 * Returns 1 with the move, 0 if it stays where it is (then nothing is allocated), or WEIR_NO_MEMORY.
 * Source: KIP-848, "Reconciliation of the group"; Kafka 4.3's CurrentAssignmentBuilder.
 */
int weir_consumer_member_reconcile(const struct weir_consumer_member *member,
                                   int32_t assignment_epoch,
                                   const struct weir_partition_owners *owners,
                                   const struct weir_partition_set *owned, struct weir_arena *arena,
                                   struct weir_member_move *move_out);
/** Is there something that it has to do, or can be given? For members that are told so, and not what. */
bool weir_consumer_member_must_act(const struct weir_consumer_member *member,
                                   int32_t assignment_epoch,
                                   const struct weir_partition_owners *owners);
/** The member's state becomes this one, by the table; `state` alone changes. */
void weir_consumer_member_enter(struct weir_consumer_member *member, enum weir_member_state state);
/** "stable", "unrevoked partitions", "unreleased partitions". */
const char *weir_member_state_name(enum weir_member_state state);

#endif
