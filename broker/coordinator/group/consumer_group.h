#ifndef WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_GROUP_H
#define WEIR_BROKER_COORDINATOR_GROUP_CONSUMER_GROUP_H

#include "broker/coordinator/group/consumer_event.h"
#include "broker/coordinator/group/consumer_state.h"
#include "broker/coordinator/group/group_update.h"

/**
 * A consumer group of KIP-848: the coordinator decides who reads what, members say by heartbeats what they
 * want and what they have, and each goes to its part of the target on its own.
 *
 * Three epochs, which only grow:
 *
 *     group epoch       the group's members, what they want or the topics have changed
 *     assignment epoch  the group epoch that the target was computed for
 *     member epoch      the assignment epoch that the member has come to
 *
 * The state of a group is read off these, as Kafka writes it:
 *
 *     Empty        nobody is a member
 *     Assigning    the group epoch is ahead of the assignment epoch
 *     Reconciling  a member is on its way to the target
 *     Stable       all are there
 *
 * No request waits in a group of this kind: a step answers it at once, or when the records of the step are
 * durable. So there is nothing to cancel, and a group that is dropped after an error owes nobody an answer
 * but the request of the step that failed.
 *
 * Records: consumer_records.h. All of them, in the order in which they were written, or the last of each key in any
 * order, make the same group.
 *
 * Thread: none; whoever has the group.
 * Source: KIP-848; Kafka 4.3's ConsumerGroup and GroupMetadataManager.
 */

/** Is this a type of record that weir_consumer_group_apply takes? (3, 4, 5, 6, 7, 8, 16) */
bool weir_consumer_group_has_record(int16_t record_type);
/**
 * Fold one stored record in: a key of this group's and its value, null for a tombstone. Records of type 4, which Kafka
 * wrote before 4.1, are skipped. After an error the group may only be closed.
 *
 * Errors: WEIR_CORRUPT, WEIR_UNSUPPORTED_VERSION, WEIR_NO_MEMORY.
 */
int weir_consumer_group_apply(struct weir_consumer_group *group, struct weir_slice key,
                              struct weir_slice value, struct weir_error *error);
/**
 * All records are folded in: sessions of all members, and the time that they have to give up partitions, begin now.
 * WEIR_CORRUPT: the records do not fit together (one partition with two members).
 */
int weir_consumer_group_loaded(struct weir_consumer_group *group, int64_t now_ms,
                               const struct weir_group_settings *settings,
                               struct weir_error *error);

/**
 * The event happens, and `update` says what comes of it. The request of a heartbeat or of a leave is among its answers
 * if 0 is returned; a refusal is an answer, and has changed nothing.
 *
 * Errors: WEIR_NO_MEMORY, WEIR_INVALID_ARGUMENT (a record could not be encoded): what is in `update` must be forgotten,
 * the group may only be closed, and the request is not answered.
 * Cost:   a heartbeat that changes nothing looks at its member alone, allocates nothing and writes nothing.
 */
int weir_consumer_group_step(struct weir_consumer_group *group,
                             const struct weir_consumer_event *event,
                             struct weir_group_update *update);

/** An offset that is to be committed; ids, because a name may be another topic's by now. */
struct weir_consumer_commit {
    struct weir_uuid topic_id;
    int32_t partition;
};
/** Before version 9 an OffsetCommit had generations only. WEIR_UNSUPPORTED_VERSION: it is of a member that has epochs. */
int weir_consumer_group_check_version(const struct weir_consumer_group *group,
                                      struct weir_slice member_id, struct weir_error *error);
/**
 * May this member commit these offsets, with this epoch? With its own epoch it may commit any. With an older one
 * only partitions that it has had since then, so that a commit that was on its way when the member moved on is not
 * lost. A negative epoch without a member id is nobody's: it may while the group is empty.
 *
 * Errors: WEIR_UNKNOWN_MEMBER_ID, WEIR_STALE_MEMBER_EPOCH, WEIR_ILLEGAL_GENERATION (the same of a member that
 * speaks the classic protocol).
 */
int weir_consumer_group_check_commit(const struct weir_consumer_group *group,
                                     const struct weir_group_member_id *member,
                                     int32_t member_epoch,
                                     const struct weir_consumer_commit *commits, size_t count,
                                     struct weir_error *error);
/**
 * May this member read the group's offsets, with this epoch? Who names no member and no epoch may.
 * Errors: WEIR_UNKNOWN_MEMBER_ID, WEIR_STALE_MEMBER_EPOCH, WEIR_ILLEGAL_GENERATION (the same of a member that
 * speaks the classic protocol).
 */
int weir_consumer_group_check_fetch(const struct weir_consumer_group *group,
                                    struct weir_slice member_id, int32_t member_epoch,
                                    struct weir_error *error);

/** Fills what the request is given, in its arena: type, state, the default assignor's or the chosen one's name,
 * epochs, members. Does not answer it. WEIR_NO_MEMORY. */
int weir_consumer_group_describe(const struct weir_consumer_group *group,
                                 struct weir_describe_group_request *request);
/** "Empty", "Assigning", "Reconciling", "Stable". */
const char *weir_consumer_group_state(const struct weir_consumer_group *group);
/** Does a member want this topic, by name or by an expression? */
bool weir_consumer_group_subscribes(const struct weir_consumer_group *group,
                                    struct weir_slice topic);
/** Take back all that was written of an empty group, which is gone with it (`update->is_gone`).
 * Errors: WEIR_NON_EMPTY_GROUP, WEIR_NO_MEMORY. */
int weir_consumer_group_delete(struct weir_consumer_group *group, struct weir_group_update *update,
                               struct weir_error *error);

#endif
