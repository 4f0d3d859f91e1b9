#include "base/assert.h"
#include "broker/coordinator/group/classic_group_internal.h"

/* How a request ends: taken from the member that it is parked in, and answered. */

int weir_classic_wrap(const struct weir_classic_group *group, struct weir_error *error,
                      const char *verb, int rc)
{
    return weir_error_wrap(error, rc, "%s group '%.*s'", verb, WEIR_CLASSIC_SHOWN(group->name));
}

int weir_classic_refuse(const struct weir_classic_step *step, struct weir_group_request *request,
                        const char *verb, int rc)
{
    weir_assert(rc < 0);
    (void)weir_classic_wrap(step->group, &request->request.error, verb, rc); /* it is `rc` */
    weir_group_answer(step->update, request, rc);
    return 0;
}

struct weir_group_request *weir_classic_unpark_join(struct weir_classic_group *group,
                                                    struct weir_classic_member *member)
{
    if (member->join == NULL) return NULL;
    struct weir_group_request *request = &member->join->base;
    weir_assert(request->is_parked);
    weir_assert(group->joined_count > 0);
    request->is_parked = false;
    member->join = NULL;
    group->joined_count--;
    return request;
}

struct weir_group_request *weir_classic_unpark_sync(struct weir_classic_member *member)
{
    if (member->sync == NULL) return NULL;
    struct weir_group_request *request = &member->sync->base;
    weir_assert(request->is_parked);
    request->is_parked = false;
    member->sync = NULL;
    return request;
}

void weir_classic_refuse_parked(const struct weir_classic_step *step,
                                struct weir_classic_member *member, int rc, const char *why)
{
    struct weir_group_request *join = weir_classic_unpark_join(step->group, member);
    struct weir_group_request *sync = weir_classic_unpark_sync(member);
    weir_assert(rc < 0);
    if (join != NULL) {
        (void)weir_classic_refuse(
            step, join, "join",
            weir_error_set(&join->request.error, (enum weir_code)rc, "%s", why));
    }
    if (sync != NULL) {
        (void)weir_classic_refuse(
            step, sync, "sync",
            weir_error_set(&sync->request.error, (enum weir_code)rc, "%s", why));
    }
}

static void list_members(const struct weir_classic_group *group,
                         struct weir_join_group_request *join)
{
    struct weir_arena *arena = join->base.arena;
    size_t count = weir_map_count(&group->members);
    struct weir_joined_member *members = weir_arena_array(arena, count, sizeof *members);
    if (members == NULL) return; /* whoever answers asks the arena */
    struct weir_classic_member *member;
    size_t at = 0;
    size_t index = 0;
    while ((member = weir_classic_next(group, &at)) != NULL) {
        const struct weir_group_protocol *protocol = weir_classic_speaks(member, group->protocol);
        weir_assert(protocol != NULL);
        members[index].id.member_id = weir_arena_copy(arena, member->id.member_id);
        members[index].id.instance_id = weir_arena_copy(arena, member->id.instance_id);
        members[index].metadata = weir_arena_copy(arena, protocol->metadata);
        index++;
    }
    weir_assert(index == count);
    join->members = members;
    join->member_count = count;
}

void weir_classic_tell_generation(const struct weir_classic_group *group,
                                  const struct weir_classic_member *member,
                                  struct weir_slice leader_id, struct weir_join_group_request *join)
{
    struct weir_arena *arena = join->base.arena;
    join->generation = group->generation;
    join->member_id_out = weir_arena_copy(arena, member->id.member_id);
    join->leader_id = weir_arena_copy(arena, leader_id);
    join->protocol_type_out = weir_arena_copy(arena, group->protocol_type);
    join->protocol = weir_arena_copy(arena, group->protocol);
    join->skip_assignment = false;
    join->members = NULL;
    join->member_count = 0;
}

void weir_classic_tell_member(const struct weir_classic_group *group,
                              const struct weir_classic_member *member,
                              struct weir_join_group_request *join)
{
    weir_assert(group->leader != NULL);
    weir_classic_tell_generation(group, member, group->leader->id.member_id, join);
    if (member == group->leader) list_members(group, join);
}

void weir_classic_answer_joined(const struct weir_classic_step *step,
                                struct weir_classic_member *member)
{
    struct weir_join_group_request *join = member->join;
    weir_assert(join != NULL);
    (void)weir_classic_unpark_join(step->group, member); /* it is `join` */
    weir_classic_tell_member(step->group, member, join);
    weir_group_answer(step->update, &join->base, 0);
}
