#ifndef WEIR_BROKER_COORDINATOR_GROUP_CLASSIC_GROUP_INTERNAL_H
#define WEIR_BROKER_COORDINATOR_GROUP_CLASSIC_GROUP_INTERNAL_H

#include "base/error.h"
#include "base/utf8.h"
#include "broker/coordinator/group/classic_group.h"

/**
 * What the files of the classic group share. Functions that return int give 0 or WEIR_NO_MEMORY; then the
 * group may only be drained and closed. What the sender did wrong is no failure: the request is answered with it.
 */

/** One step on its way. */
struct weir_classic_step {
    struct weir_classic_group *group;
    const struct weir_classic_event *event;
    struct weir_group_update *update;
};

/** An id that was given to a dynamic member, which is to join with it. */
struct weir_classic_pending {
    struct weir_slice member_id; /* behind the struct */
    int64_t deadline_ms;         /* the session's that it asked for */
};

/** A protocol that a member speaks. */
struct weir_classic_protocol {
    struct weir_slice name; /* behind the struct */
    size_t member_count;
    size_t vote_count; /* while one is chosen */
};

/** For "%.*s" of what came from outside: it ends where it is not shown well. */
enum { WEIR_CLASSIC_SHOWN_MAX = 96 };
#define WEIR_CLASSIC_SHOWN(slice)                                                                  \
    (int)weir_utf8_printable((slice), WEIR_CLASSIC_SHOWN_MAX), (const char *)(slice).data

static inline bool weir_classic_is_set(struct weir_slice id)
{
    return id.size > 0;
}

static inline bool weir_classic_same(struct weir_slice a, struct weir_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* ---- classic_state.c ------------------------------------------------------------------------- */

/** Into the next state, which the table has. */
void weir_classic_move(struct weir_classic_group *group, enum weir_classic_state to,
                       int64_t wall_ms);

/* ---- classic_answer.c: how a request ends ---------------------------------------------------- */

/** Put `verb` and the group's name before what the error says. Returns `rc`. */
int weir_classic_wrap(const struct weir_classic_group *group, struct weir_error *error,
                      const char *verb, int rc);
/** Answer with what the sender did wrong, as `rc` and the request's error say: `verb` and the group's name go in
 * front. Returns 0. */
int weir_classic_refuse(const struct weir_classic_step *step, struct weir_group_request *request,
                        const char *verb, int rc);
/** Parked no more; NULL: none was. */
struct weir_group_request *weir_classic_unpark_join(struct weir_classic_group *group,
                                                    struct weir_classic_member *member);
struct weir_group_request *weir_classic_unpark_sync(struct weir_classic_member *member);
/** What is parked of the member is answered with `rc`, for which `why` is the text. */
void weir_classic_refuse_parked(const struct weir_classic_step *step,
                                struct weir_classic_member *member, int rc, const char *why);
/** The generation and the protocol, and this leader. */
void weir_classic_tell_generation(const struct weir_classic_group *group,
                                  const struct weir_classic_member *member,
                                  struct weir_slice leader_id,
                                  struct weir_join_group_request *join);
/** What everybody is told who belongs to the generation; the leader hears of the others. */
void weir_classic_tell_member(const struct weir_classic_group *group,
                              const struct weir_classic_member *member,
                              struct weir_join_group_request *join);
/** The parked join is answered with it. */
void weir_classic_answer_joined(const struct weir_classic_step *step,
                                struct weir_classic_member *member);

/* ---- classic_members.c: who is in it --------------------------------------------------------- */

/** A member that says what `like` says, its strings and protocols copied; NULL: no memory. */
struct weir_classic_member *weir_classic_member_new(struct weir_budget *budget,
                                                    const struct weir_classic_member *like);
void weir_classic_member_free(struct weir_classic_member *member);
/** What a member that says this will add to the group's bytes, without an assignment. */
size_t weir_classic_member_bytes(const struct weir_classic_member *like);

struct weir_classic_member *weir_classic_find(const struct weir_classic_group *group,
                                              struct weir_slice member_id);
struct weir_classic_member *weir_classic_find_instance(const struct weir_classic_group *group,
                                                       struct weir_slice instance_id);
/** Walk: start with 0; NULL at the end. Removing members meanwhile is fine, adding is not. */
static inline struct weir_classic_member *weir_classic_next(const struct weir_classic_group *group,
                                                            size_t *at)
{
    return (struct weir_classic_member *)weir_map_next(&group->members, at);
}

/** Takes the member, also when it fails. The only one is the leader. */
int weir_classic_add(struct weir_classic_group *group, struct weir_classic_member *member);
/** Nothing of it is parked. If it was the leader nobody is, until a generation begins. */
void weir_classic_remove(struct weir_classic_group *group, struct weir_classic_member *member);
/** `fresh` stands where `member` stood: leader, assignment, owed sync. Takes `fresh`, frees `member`. */
int weir_classic_replace(struct weir_classic_group *group, struct weir_classic_member *member,
                         struct weir_classic_member *fresh);
/** The member says this now: timeouts and protocols of `like`. */
int weir_classic_update(struct weir_classic_group *group, struct weir_classic_member *member,
                        const struct weir_classic_member *like);
/** A copy of `assignment`, or nothing where it is empty. */
int weir_classic_assign(struct weir_classic_group *group, struct weir_classic_member *member,
                        struct weir_slice assignment);
void weir_classic_set_sync_pending(struct weir_classic_group *group,
                                   struct weir_classic_member *member, bool is_pending);
/** It must be heard of by then. */
void weir_classic_expect(struct weir_classic_group *group, struct weir_classic_member *member,
                         int64_t deadline_ms);
static inline void weir_classic_begin_session(struct weir_classic_group *group,
                                              struct weir_classic_member *member, int64_t now_ms)
{
    weir_classic_expect(group, member, now_ms + member->session_timeout_ms);
}
/** Its time runs: nothing of it is parked, or it is new. */
static inline bool weir_classic_is_timed(const struct weir_classic_member *member)
{
    return member->is_new || (member->join == NULL && member->sync == NULL);
}

/** The largest of the members'; 0: there are none. */
int32_t weir_classic_rebalance_timeout(const struct weir_classic_group *group);

size_t weir_classic_pending_bytes(struct weir_slice member_id);
int weir_classic_add_pending(struct weir_classic_group *group, struct weir_slice member_id,
                             int64_t deadline_ms);
/** Whether it was one. */
bool weir_classic_remove_pending(struct weir_classic_group *group, struct weir_slice member_id);

/**
 * The member that these ids name: WEIR_UNKNOWN_MEMBER_ID, WEIR_FENCED_INSTANCE_ID (another one has the
 * instance id).
 */
int weir_classic_validate(const struct weir_classic_group *group,
                          const struct weir_group_member_id *id,
                          struct weir_classic_member **member_out, struct weir_error *error);
/** The same and the generation: WEIR_ILLEGAL_GENERATION. */
int weir_classic_validate_generation(const struct weir_classic_group *group,
                                     const struct weir_group_member_id *id, int32_t generation,
                                     struct weir_classic_member **member_out,
                                     struct weir_error *error);

/* ---- classic_protocols.c: what they speak ---------------------------------------------------- */

/** Count the member's protocols in, or out. */
int weir_classic_count_protocols(struct weir_classic_group *group,
                                 const struct weir_classic_member *member);
void weir_classic_uncount_protocols(struct weir_classic_group *group,
                                    const struct weir_classic_member *member);
/** A member that says `like` fits: the type is the group's, and everybody speaks one of its protocols. */
bool weir_classic_supports(const struct weir_classic_group *group, struct weir_slice protocol_type,
                           const struct weir_classic_member *like);
/** Among those that everybody speaks the one that most members like best. The group has members. */
struct weir_slice weir_classic_vote(struct weir_classic_group *group);
/** NULL: it does not speak it. */
const struct weir_group_protocol *weir_classic_speaks(const struct weir_classic_member *member,
                                                      struct weir_slice protocol);
bool weir_classic_same_protocols(const struct weir_classic_member *a,
                                 const struct weir_classic_member *b);

/* ---- classic_rebalance.c: from one generation to the next ------------------------------------ */

/** A rebalance begins where the state allows it; otherwise one that has begun may be complete now. */
int weir_classic_rebalance(const struct weir_classic_step *step);
/** PreparingRebalance ends if all have joined, unless it is the first and waits for newcomers. */
int weir_classic_try_complete(const struct weir_classic_step *step);
/** The deadline of PreparingRebalance has passed. */
int weir_classic_join_expired(const struct weir_classic_step *step);
/** The deadline of those who owe a sync has passed: they are out. */
int weir_classic_sync_expired(const struct weir_classic_step *step);

/* ---- classic_join.c, classic_sync.c, classic_session.c ----------------------------------------- */

int weir_classic_join(const struct weir_classic_step *step, struct weir_join_group_request *join);
int weir_classic_sync(const struct weir_classic_step *step, struct weir_sync_group_request *sync);
int weir_classic_heartbeat(const struct weir_classic_step *step,
                           struct weir_group_heartbeat_request *heartbeat);
int weir_classic_leave(const struct weir_classic_step *step,
                       struct weir_leave_group_request *leave);
void weir_classic_cancel(const struct weir_classic_step *step, struct weir_group_request *request);
/** Members and pending ids whose time is over are out. */
int weir_classic_expire(const struct weir_classic_step *step);

/* ---- classic_record.c ------------------------------------------------------------------------ */

/** The group as it is now, into the update. */
int weir_classic_write(struct weir_classic_group *group, struct weir_group_update *update);

#endif
