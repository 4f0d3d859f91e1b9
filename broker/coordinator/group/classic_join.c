#include <string.h>

#include "base/assert.h"
#include "broker/coordinator/group/classic_group_internal.h"

/*
 * A join is refused, answered at once, or parked in its member:
 *
 *   no member id, dynamic, version 4 on     an id is given, which is pending until somebody joins with it
 *   no member id, otherwise, or a pending   a new member: a rebalance begins, or goes on with it
 *   no member id, instance id is known      the member's id is replaced; whoever had it is fenced
 *   a member's id                           PreparingRebalance   parked: it has joined
 *                                           CompletingRebalance  the same answer again; other metadata: a rebalance
 *                                           Stable               the same; the leader may have a rebalance
 *                                                                without other metadata
 */

static const char verb[] = "join";

enum { ID_RANDOM_SIZE = 37, TEXT_MAX = INT16_MAX };
/* A client that has no id yet cannot send heartbeats: its join itself ends after five minutes, as in Kafka. */
static const int64_t newcomer_timeout_ms = 300000;

static int refuse(const struct weir_classic_step *step, struct weir_join_group_request *join,
                  int rc)
{
    return weir_classic_refuse(step, &join->base, verb, rc);
}

/* The member as the join describes it; the slices are the request's. */
static struct weir_classic_member member_of(const struct weir_join_group_request *join)
{
    return (struct weir_classic_member){
        .id = join->member,
        .client_id = join->client_id,
        .client_host = join->client_host,
        .session_timeout_ms = join->session_timeout_ms,
        .rebalance_timeout_ms =
            join->rebalance_timeout_ms >= 0 ? join->rebalance_timeout_ms : join->session_timeout_ms,
        .protocols = (struct weir_group_protocol *)join->protocols, /* only read */
        .protocol_count = join->protocol_count,
    };
}

/* ---- bounds ---------------------------------------------------------------------------------- */

static bool has_long_text(const struct weir_join_group_request *join)
{
    bool is_long = join->member.member_id.size > TEXT_MAX ||
                   join->member.instance_id.size > TEXT_MAX || join->client_id.size > TEXT_MAX ||
                   join->client_host.size > TEXT_MAX || join->protocol_type.size > TEXT_MAX;
    for (size_t i = 0; i < join->protocol_count; i++) {
        is_long |= join->protocols[i].name.size > TEXT_MAX;
    }
    return is_long;
}

static int check_join(const struct weir_classic_step *step, struct weir_join_group_request *join)
{
    const struct weir_group_settings *settings = step->event->settings;
    struct weir_error *error = &join->base.request.error;
    if (join->session_timeout_ms < settings->session_timeout_min_ms ||
        join->session_timeout_ms > settings->session_timeout_max_ms) {
        return weir_error_set(
            error, WEIR_INVALID_SESSION_TIMEOUT,
            "a session timeout of %d ms; it is between %d "
            "(group.min.session.timeout.ms) and %d (group.max.session.timeout.ms)",
            join->session_timeout_ms, settings->session_timeout_min_ms,
            settings->session_timeout_max_ms);
    }
    if (join->protocol_count > WEIR_CLASSIC_PROTOCOLS_MAX) {
        return weir_error_set(error, WEIR_INCONSISTENT_GROUP_PROTOCOL,
                              "%zu protocols; a member names %d at most", join->protocol_count,
                              WEIR_CLASSIC_PROTOCOLS_MAX);
    }
    if (has_long_text(join)) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "an id or a name is longer than %d bytes", TEXT_MAX);
    }
    if (step->group->generation == INT32_MAX) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "it has had all %d generations: delete it, or take another group id",
                              INT32_MAX);
    }
    return 0;
}

/*
 * Kafka's rule. While the members join again, the first that come stay: a group that is too large (its bound was
 * lowered) loses the last ones. Otherwise those that are in stay, and so does a static member that comes back
 * without its id (which Kafka refuses until the old one's session ends).
 */
static bool has_room(const struct weir_classic_step *step, const struct weir_classic_member *member)
{
    const struct weir_classic_group *group = step->group;
    size_t max = (size_t)step->event->settings->members_max;
    if (group->state == WEIR_CLASSIC_EMPTY) return true;
    if (group->state == WEIR_CLASSIC_PREPARING_REBALANCE) {
        return (member != NULL && member->join != NULL) || group->joined_count < max;
    }
    return member != NULL || weir_map_count(&group->members) < max;
}

static int refuse_full(const struct weir_classic_step *step, struct weir_join_group_request *join,
                       struct weir_classic_member *member)
{
    (void)refuse(step, join,
                 weir_error_set(&join->base.request.error, WEIR_GROUP_MAX_SIZE_REACHED,
                                "it has %zu members and room for %d (group.max.size)",
                                weir_map_count(&step->group->members),
                                step->event->settings->members_max));
    if (member != NULL) weir_classic_remove(step->group, member);
    (void)weir_classic_remove_pending(step->group, join->member.member_id); /* or it was none */
    return weir_classic_try_complete(step);
}

/* Room for `more` bytes instead of `less`? */
static int check_bytes(const struct weir_classic_step *step, size_t less, size_t more,
                       struct weir_error *error)
{
    size_t bytes = step->group->bytes - less + more;
    size_t max = step->event->settings->bytes_max;
    if (bytes <= max || more <= less) return 0;
    return weir_error_set(
        error, WEIR_GROUP_MAX_SIZE_REACHED,
        "its members' metadata would come to %zu bytes; %zu is the most for a group", bytes, max);
}

static int check_protocols(const struct weir_classic_step *step,
                           struct weir_join_group_request *join,
                           const struct weir_classic_member *like)
{
    if (weir_classic_supports(step->group, join->protocol_type, like)) return 0;
    if (!weir_classic_is_set(join->protocol_type) || join->protocol_count == 0) {
        return weir_error_set(&join->base.request.error, WEIR_INCONSISTENT_GROUP_PROTOCOL,
                              "a member names its protocol type and a protocol at least");
    }
    return weir_error_set(
        &join->base.request.error, WEIR_INCONSISTENT_GROUP_PROTOCOL,
        "protocol type '%.*s' with '%.*s' first among %zu: the group's type is '%.*s', and one "
        "protocol must be among those of all members",
        WEIR_CLASSIC_SHOWN(join->protocol_type), WEIR_CLASSIC_SHOWN(join->protocols[0].name),
        join->protocol_count, WEIR_CLASSIC_SHOWN(step->group->protocol_type));
}

/* ---- parked -------------------------------------------------------------------- */

/* A join that was sent a second time: the first one's connection is gone, or will not be waited for. */
static void park(const struct weir_classic_step *step, struct weir_classic_member *member,
                 struct weir_join_group_request *join)
{
    weir_classic_refuse_parked(step, member, WEIR_REBALANCE_IN_PROGRESS,
                               "the member has sent another join meanwhile");
    join->base.is_parked = true;
    join->base.parked_member = member;
    member->join = join;
    step->group->joined_count++;
}

/* ---- newcomers ------------------------------------------------------------------------------- */

/* client id or instance id, and a random UUID in its usual form; NULL: no memory. */
static struct weir_slice make_id(const struct weir_classic_step *step,
                                 const struct weir_join_group_request *join)
{
    struct weir_slice first =
        weir_classic_is_set(join->member.instance_id) ? join->member.instance_id : join->client_id;
    size_t size = first.size;
    if (size > TEXT_MAX - ID_RANDOM_SIZE) {
        size = TEXT_MAX - ID_RANDOM_SIZE;
        while (size > 0 && (first.data[size] & 0xc0) == 0x80) {
            size--; /* not within a character */
        }
    }
    char *text = weir_arena_alloc(step->update->arena, size + ID_RANDOM_SIZE + 1);
    if (text == NULL) return weir_null();
    if (size > 0) memcpy(text, first.data, size);
    const uint8_t *random = step->event->random.bytes;
    static const char digits[] = "0123456789abcdef";
    char *at = text + size;
    *at++ = '-';
    for (size_t i = 0; i < sizeof step->event->random.bytes; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *at++ = '-';
        *at++ = digits[random[i] >> 4];
        *at++ = digits[random[i] & 15];
    }
    weir_assert(at == text + size + ID_RANDOM_SIZE);
    return weir_slice(text, size + ID_RANDOM_SIZE);
}

static int need_protocol_type(struct weir_classic_group *group, struct weir_slice type)
{
    if (weir_map_count(&group->members) > 0 || weir_classic_same(group->protocol_type, type)) {
        return 0;
    }
    uint8_t *copy = weir_alloc(group->budget, type.size);
    if (copy == NULL) return WEIR_NO_MEMORY;
    memcpy(copy, type.data, type.size);
    weir_free((void *)group->protocol_type.data);
    group->protocol_type = weir_slice(copy, type.size);
    return 0;
}

static int add_member(const struct weir_classic_step *step, struct weir_join_group_request *join,
                      struct weir_classic_member like)
{
    struct weir_classic_group *group = step->group;
    int rc = check_bytes(step, 0, weir_classic_member_bytes(&like), &join->base.request.error);
    if (rc < 0) return refuse(step, join, rc);
    rc = need_protocol_type(group, join->protocol_type);
    if (rc < 0) return rc;
    struct weir_classic_member *member = weir_classic_member_new(group->budget, &like);
    if (member == NULL) return WEIR_NO_MEMORY;
    rc = weir_classic_add(group, member);
    if (rc < 0) return rc;
    bool is_initial = group->state == WEIR_CLASSIC_PREPARING_REBALANCE &&
                      group->previous_state == WEIR_CLASSIC_EMPTY;
    if (is_initial) group->has_newcomer = true;
    (void)weir_classic_remove_pending(group, like.id.member_id); /* or it was none */
    member->is_new = true;
    weir_classic_expect(group, member, step->event->now_ms + newcomer_timeout_ms);
    park(step, member, join);
    return weir_classic_rebalance(step);
}

static int give_id(const struct weir_classic_step *step, struct weir_join_group_request *join,
                   struct weir_slice id)
{
    struct weir_error *error = &join->base.request.error;
    int rc = check_bytes(step, 0, weir_classic_pending_bytes(id), error);
    if (rc < 0) return refuse(step, join, rc);
    struct weir_slice copy = weir_arena_copy(join->base.arena, id);
    if (weir_arena_failed(join->base.arena)) {
        return refuse(step, join, weir_error_set(error, WEIR_NO_MEMORY, "a new member's id"));
    }
    rc = weir_classic_add_pending(step->group, id, step->event->now_ms + join->session_timeout_ms);
    if (rc < 0) return rc;
    join->member_id_out = copy;
    return refuse(step, join,
                  weir_error_set(error, WEIR_MEMBER_ID_REQUIRED,
                                 "the member is to join again as '%.*s'", WEIR_CLASSIC_SHOWN(id)));
}

/* ---- members --------------------------------------------------------------------------------- */

static int rejoin(const struct weir_classic_step *step, struct weir_join_group_request *join,
                  struct weir_classic_member *member, const struct weir_classic_member *like)
{
    int rc =
        check_bytes(step, member->bytes, weir_classic_member_bytes(like) + member->assignment.size,
                    &join->base.request.error);
    if (rc < 0) return refuse(step, join, rc);
    rc = weir_classic_update(step->group, member, like);
    if (rc < 0) return rc;
    park(step, member, join);
    return weir_classic_rebalance(step);
}

static int answer_again(const struct weir_classic_step *step, struct weir_join_group_request *join,
                        const struct weir_classic_member *member)
{
    weir_classic_tell_member(step->group, member, join);
    weir_group_answer(step->update, &join->base, 0);
    return 0;
}

/*
 * A static member has come back, and nothing changes for the others. If it is the leader it must not assign
 * anew: version 9 says so, and an older one is told of a leader that is not there any more.
 */
static int answer_replaced(const struct weir_classic_step *step,
                           struct weir_join_group_request *join,
                           const struct weir_classic_member *member, struct weir_slice old_leader)
{
    int rc = weir_classic_write(step->group, step->update);
    if (rc < 0) return rc;
    bool is_leader = step->group->leader == member;
    if (join->can_skip_assignment) {
        weir_classic_tell_member(step->group, member, join);
        join->skip_assignment = is_leader;
    } else {
        weir_classic_tell_generation(step->group, member, old_leader, join);
    }
    weir_group_answer_durable(step->update, &join->base, 0);
    return 0;
}

static int replace(const struct weir_classic_step *step, struct weir_join_group_request *join,
                   struct weir_classic_member *member, const struct weir_classic_member *like)
{
    struct weir_classic_group *group = step->group;
    int rc =
        check_bytes(step, member->bytes, weir_classic_member_bytes(like) + member->assignment.size,
                    &join->base.request.error);
    if (rc < 0) return refuse(step, join, rc);
    struct weir_slice old_leader = weir_null();
    if (group->leader != NULL) {
        old_leader = weir_arena_copy(step->update->arena, group->leader->id.member_id);
    }
    struct weir_classic_member *fresh = weir_classic_member_new(group->budget, like);
    if (fresh == NULL) return WEIR_NO_MEMORY;
    weir_classic_refuse_parked(step, member, WEIR_FENCED_INSTANCE_ID,
                               "another client has joined with its group.instance.id");
    rc = weir_classic_replace(group, member, fresh);
    if (rc < 0) return rc;
    weir_classic_begin_session(group, fresh, step->event->now_ms);
    if (group->state == WEIR_CLASSIC_STABLE &&
        weir_classic_same(weir_classic_vote(group), group->protocol)) {
        return answer_replaced(step, join, fresh, old_leader);
    }
    park(step, fresh, join);
    return weir_classic_rebalance(step);
}

static int join_unknown(const struct weir_classic_step *step, struct weir_join_group_request *join)
{
    struct weir_classic_member like = member_of(join);
    bool is_static = weir_classic_is_set(join->member.instance_id);
    int rc = check_protocols(step, join, &like);
    if (rc < 0) return refuse(step, join, rc);
    like.id.member_id = make_id(step, join);
    if (weir_slice_is_null(like.id.member_id)) return WEIR_NO_MEMORY;
    struct weir_classic_member *known =
        weir_classic_find_instance(step->group, join->member.instance_id);
    if (known != NULL) return replace(step, join, known, &like);
    if (!is_static && join->requires_member_id) return give_id(step, join, like.id.member_id);
    return add_member(step, join, like);
}

static int join_pending(const struct weir_classic_step *step, struct weir_join_group_request *join,
                        const struct weir_classic_member *like)
{
    if (weir_classic_is_set(join->member.instance_id)) {
        return refuse(step, join,
                      weir_error_set(&join->base.request.error, WEIR_UNKNOWN_MEMBER_ID,
                                     "'%.*s' was given to a member without group.instance.id: "
                                     "join without a member id",
                                     WEIR_CLASSIC_SHOWN(join->member.member_id)));
    }
    return add_member(step, join, *like);
}

static int join_known(const struct weir_classic_step *step, struct weir_join_group_request *join)
{
    struct weir_classic_group *group = step->group;
    struct weir_classic_member like = member_of(join);
    struct weir_classic_member *member = NULL;
    int rc = check_protocols(step, join, &like);
    if (rc < 0) return refuse(step, join, rc);
    if (weir_map_get(&group->pending, join->member.member_id) != NULL) {
        return join_pending(step, join, &like);
    }
    rc = weir_classic_validate(group, &join->member, &member, &join->base.request.error);
    if (rc < 0) return refuse(step, join, rc);
    bool is_told = group->state != WEIR_CLASSIC_PREPARING_REBALANCE &&
                   weir_classic_same_protocols(member, &like);
    if (group->state == WEIR_CLASSIC_STABLE && member == group->leader) is_told = false;
    return is_told ? answer_again(step, join, member) : rejoin(step, join, member, &like);
}

int weir_classic_join(const struct weir_classic_step *step, struct weir_join_group_request *join)
{
    bool has_id = weir_classic_is_set(join->member.member_id);
    struct weir_classic_member *member =
        has_id ? weir_classic_find(step->group, join->member.member_id)
               : weir_classic_find_instance(step->group, join->member.instance_id);
    int rc = check_join(step, join);
    if (rc < 0) return refuse(step, join, rc);
    if (!has_room(step, member)) return refuse_full(step, join, member);
    return has_id ? join_known(step, join) : join_unknown(step, join);
}
