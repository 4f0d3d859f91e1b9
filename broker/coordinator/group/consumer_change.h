#ifndef WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_CHANGE_H
#define WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_CHANGE_H

#include "broker/coordinator/group/consumer_event.h"
#include "broker/coordinator/group/consumer_state.h"
#include "broker/coordinator/group/group_update.h"

/**
 * What a member says, and all that follows from it for the group: the same for members of both protocols, who say
 * it in requests of their own.
 *
 *     is there room? an expression that is new: does it end?            check
 *     ─────────────────────────────────────────────────────────────
 *     the member is there, with its new words          records 5, 16    apply: take_member
 *     topics have changed, or who wants what: epoch    records 16, 3    consumer_refresh.c
 *     the target of a new epoch                        records 7, 6     consumer_target.c
 *     the member's next move towards it                record 8         consumer_member.c
 */
struct weir_consumer_change {
    /* given */
    struct weir_consumer_group *group;
    const struct weir_consumer_event *event;
    struct weir_group_update *update;
    struct weir_error *error;    /* of the request */
    struct weir_slice member_id; /* of a new member; empty: it is given one */
    bool is_joining;
    struct weir_consumer_member *replaced;  /* static; the member takes its place. NULL: none */
    struct weir_member_words words;         /* what the member says and has said, together */
    const struct weir_partition_set *owned; /* NULL: it does not say what it has */
    /* given, NULL for a new one; apply makes it */
    struct weir_consumer_member *member;
    /* found by check */
    bool words_change;
    bool topics_change;   /* of its words */
    bool is_resubscribed; /* the same, of a member that was there before */
    bool has_new_regex;   /* that the group did not have, with what it matches: */
    const struct weir_slice *regex_names;
    size_t regex_name_count;
    /* found by apply */
    bool is_assigned_anew; /* the member has other partitions than before */
};

/** May it be? Changes nothing. Errors: WEIR_GROUP_MAX_SIZE_REACHED, WEIR_INVALID_REGULAR_EXPRESSION, WEIR_INVALID_ARGUMENT
 * (there is no epoch left), WEIR_NO_MEMORY. */
int weir_consumer_change_check(struct weir_consumer_change *change);
/** Do it. WEIR_NO_MEMORY, or what an encoder says: the group may only be closed then. */
int weir_consumer_change_apply(struct weir_consumer_change *change);

/** The member was heard: its session begins anew. */
void weir_consumer_keep_session(struct weir_consumer_group *group,
                                struct weir_consumer_member *member,
                                const struct weir_consumer_event *event);

#endif
