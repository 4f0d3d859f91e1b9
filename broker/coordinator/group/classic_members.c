#include <string.h>

#include "base/assert.h"
#include "broker/coordinator/group/classic_group_internal.h"

/*
 * A member is two blocks and its assignment:
 *
 *   the struct | member id | instance id | client id | client host
 *   protocols[] | name | metadata | name | metadata ...
 *
 * Its deadline is in no heap: heartbeats only move deadlines away, and there are a thousand of them for one that
 * is missed. The group keeps a time before which nobody's ends (`scan_at_ms`); a tick then looks through all and
 * finds the next such time.
 */

/* ---- copies ---------------------------------------------------------------------------------- */

/* A copy at `*at`, which moves behind it; never null. */
static struct weir_slice put(uint8_t **at, struct weir_slice slice)
{
    if (slice.size == 0) return weir_text("");
    memcpy(*at, slice.data, slice.size);
    struct weir_slice copy = weir_slice(*at, slice.size);
    *at += slice.size;
    return copy;
}

static bool is_repeated(const struct weir_classic_member *like, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (weir_classic_same(like->protocols[i].name, like->protocols[index].name)) return true;
    }
    return false;
}

/* Each name once: of two, the first. */
static size_t protocol_bytes(const struct weir_classic_member *like)
{
    size_t bytes = 0;
    for (size_t i = 0; i < like->protocol_count; i++) {
        if (is_repeated(like, i)) continue;
        bytes += sizeof like->protocols[i] + like->protocols[i].name.size +
                 like->protocols[i].metadata.size;
    }
    return bytes;
}

static size_t protocol_count(const struct weir_classic_member *like)
{
    size_t count = 0;
    for (size_t i = 0; i < like->protocol_count; i++) {
        if (!is_repeated(like, i)) count++;
    }
    return count;
}

static int copy_protocols(struct weir_budget *budget, const struct weir_classic_member *like,
                          struct weir_group_protocol **protocols_out, size_t *count_out)
{
    struct weir_group_protocol *protocols = weir_alloc(budget, protocol_bytes(like) + 1);
    if (protocols == NULL) return WEIR_NO_MEMORY;
    uint8_t *at = (uint8_t *)(protocols + protocol_count(like));
    size_t count = 0;
    for (size_t i = 0; i < like->protocol_count; i++) {
        if (is_repeated(like, i)) continue;
        protocols[count].name = put(&at, like->protocols[i].name);
        protocols[count].metadata = put(&at, like->protocols[i].metadata);
        count++;
    }
    *protocols_out = protocols;
    *count_out = count;
    return 0;
}

static size_t text_bytes(const struct weir_classic_member *like)
{
    return like->id.member_id.size + like->id.instance_id.size + like->client_id.size +
           like->client_host.size;
}

size_t weir_classic_member_bytes(const struct weir_classic_member *like)
{
    return sizeof *like + text_bytes(like) + protocol_bytes(like);
}

struct weir_classic_member *weir_classic_member_new(struct weir_budget *budget,
                                                    const struct weir_classic_member *like)
{
    struct weir_classic_member *member = weir_alloc(budget, sizeof *member + text_bytes(like));
    if (member == NULL) return NULL;
    uint8_t *at = (uint8_t *)(member + 1);
    *member = (struct weir_classic_member){
        .session_timeout_ms = like->session_timeout_ms,
        .rebalance_timeout_ms = like->rebalance_timeout_ms,
        .bytes = weir_classic_member_bytes(like),
        .session_deadline_ms = WEIR_GROUP_NEVER_MS,
    };
    member->id.member_id = put(&at, like->id.member_id);
    if (weir_classic_is_set(like->id.instance_id)) {
        member->id.instance_id = put(&at, like->id.instance_id);
    }
    member->client_id = put(&at, like->client_id);
    member->client_host = put(&at, like->client_host);
    if (copy_protocols(budget, like, &member->protocols, &member->protocol_count) < 0) {
        weir_free(member);
        return NULL;
    }
    return member;
}

void weir_classic_member_free(struct weir_classic_member *member)
{
    if (member == NULL) return;
    weir_free((void *)member->assignment.data);
    weir_free(member->protocols);
    weir_free(member);
}

/* ---- who is in it ---------------------------------------------------------------------------- */

struct weir_classic_member *weir_classic_find(const struct weir_classic_group *group,
                                              struct weir_slice member_id)
{
    return weir_classic_is_set(member_id) ? weir_map_get(&group->members, member_id) : NULL;
}

struct weir_classic_member *weir_classic_find_instance(const struct weir_classic_group *group,
                                                       struct weir_slice instance_id)
{
    return weir_classic_is_set(instance_id) ? weir_map_get(&group->instances, instance_id) : NULL;
}

int weir_classic_add(struct weir_classic_group *group, struct weir_classic_member *member)
{
    int rc = weir_map_add(&group->members, member->id.member_id, member);
    if (rc < 0) {
        weir_assert(rc == WEIR_NO_MEMORY);
        weir_classic_member_free(member);
        return rc;
    }
    group->bytes += member->bytes;
    if (weir_map_count(&group->members) == 1) group->leader = member;
    if (weir_classic_is_set(member->id.instance_id)) {
        rc = weir_map_add(&group->instances, member->id.instance_id, member);
        if (rc < 0) return rc;
    }
    return weir_classic_count_protocols(group, member);
}

void weir_classic_remove(struct weir_classic_group *group, struct weir_classic_member *member)
{
    weir_assert(member->join == NULL);
    weir_assert(member->sync == NULL);
    weir_classic_uncount_protocols(group, member);
    weir_classic_set_sync_pending(group, member, false);
    if (weir_classic_find_instance(group, member->id.instance_id) == member) {
        (void)weir_map_remove(&group->instances, member->id.instance_id); /* it is there */
    }
    void *removed = weir_map_remove(&group->members, member->id.member_id);
    weir_assert(removed == member);
    group->bytes -= member->bytes;
    if (group->leader == member) group->leader = NULL;
    weir_classic_member_free(member);
}

int weir_classic_replace(struct weir_classic_group *group, struct weir_classic_member *member,
                         struct weir_classic_member *fresh)
{
    bool is_sync_pending = member->is_sync_pending;
    bool is_leader = group->leader == member;
    int64_t sync_deadline_ms = group->sync_deadline_ms;
    fresh->assignment = member->assignment;
    fresh->bytes += member->assignment.size;
    member->bytes -= member->assignment.size;
    group->bytes -= member->assignment.size;
    member->assignment = weir_null();
    weir_classic_remove(group, member);
    int rc = weir_classic_add(group, fresh);
    if (rc < 0) return rc;
    if (is_leader) group->leader = fresh;
    weir_classic_set_sync_pending(group, fresh, is_sync_pending);
    group->sync_deadline_ms = sync_deadline_ms; /* also where it was the only one that owed */
    return 0;
}

int weir_classic_update(struct weir_classic_group *group, struct weir_classic_member *member,
                        const struct weir_classic_member *like)
{
    struct weir_group_protocol *protocols = NULL;
    size_t count = 0;
    int rc = copy_protocols(group->budget, like, &protocols, &count);
    if (rc < 0) return rc;
    size_t bytes = member->bytes - protocol_bytes(member) + protocol_bytes(like);
    weir_classic_uncount_protocols(group, member);
    weir_free(member->protocols);
    member->protocols = protocols;
    member->protocol_count = count;
    member->session_timeout_ms = like->session_timeout_ms;
    member->rebalance_timeout_ms = like->rebalance_timeout_ms;
    group->bytes = group->bytes - member->bytes + bytes;
    member->bytes = bytes;
    return weir_classic_count_protocols(group, member);
}

int weir_classic_assign(struct weir_classic_group *group, struct weir_classic_member *member,
                        struct weir_slice assignment)
{
    uint8_t *copy = NULL;
    if (assignment.size > 0) {
        copy = weir_alloc(group->budget, assignment.size);
        if (copy == NULL) return WEIR_NO_MEMORY;
        memcpy(copy, assignment.data, assignment.size);
    }
    member->bytes = member->bytes - member->assignment.size + assignment.size;
    group->bytes = group->bytes - member->assignment.size + assignment.size;
    weir_free((void *)member->assignment.data);
    member->assignment = weir_slice(copy, assignment.size);
    return 0;
}

void weir_classic_set_sync_pending(struct weir_classic_group *group,
                                   struct weir_classic_member *member, bool is_pending)
{
    if (member->is_sync_pending == is_pending) return;
    member->is_sync_pending = is_pending;
    if (is_pending) {
        group->pending_sync_count++;
    } else {
        group->pending_sync_count--;
    }
    if (group->pending_sync_count == 0) group->sync_deadline_ms = WEIR_GROUP_NEVER_MS;
}

void weir_classic_expect(struct weir_classic_group *group, struct weir_classic_member *member,
                         int64_t deadline_ms)
{
    member->session_deadline_ms = deadline_ms;
    if (deadline_ms < group->scan_at_ms) group->scan_at_ms = deadline_ms;
}

int32_t weir_classic_rebalance_timeout(const struct weir_classic_group *group)
{
    int32_t longest = 0;
    size_t at = 0;
    struct weir_classic_member *member;
    while ((member = weir_classic_next(group, &at)) != NULL) {
        if (member->rebalance_timeout_ms > longest) longest = member->rebalance_timeout_ms;
    }
    return longest;
}

/* ---- ids that wait for their member ---------------------------------------------------------- */

size_t weir_classic_pending_bytes(struct weir_slice member_id)
{
    return sizeof(struct weir_classic_pending) + member_id.size;
}

int weir_classic_add_pending(struct weir_classic_group *group, struct weir_slice member_id,
                             int64_t deadline_ms)
{
    size_t bytes = weir_classic_pending_bytes(member_id);
    struct weir_classic_pending *pending = weir_alloc(group->budget, bytes);
    if (pending == NULL) return WEIR_NO_MEMORY;
    uint8_t *at = (uint8_t *)(pending + 1);
    pending->member_id = put(&at, member_id);
    pending->deadline_ms = deadline_ms;
    int rc = weir_map_add(&group->pending, pending->member_id, pending);
    if (rc < 0) {
        weir_free(pending);
        return rc;
    }
    group->bytes += bytes;
    if (deadline_ms < group->scan_at_ms) group->scan_at_ms = deadline_ms;
    return 0;
}

bool weir_classic_remove_pending(struct weir_classic_group *group, struct weir_slice member_id)
{
    if (!weir_classic_is_set(member_id)) return false;
    struct weir_classic_pending *pending = weir_map_remove(&group->pending, member_id);
    if (pending == NULL) return false;
    group->bytes -= weir_classic_pending_bytes(pending->member_id);
    weir_free(pending);
    return true;
}

/* ---- who says it is a member ----------------------------------------------------------------- */

int weir_classic_validate(const struct weir_classic_group *group,
                          const struct weir_group_member_id *id,
                          struct weir_classic_member **member_out, struct weir_error *error)
{
    if (weir_classic_is_set(id->instance_id)) {
        struct weir_classic_member *owner = weir_classic_find_instance(group, id->instance_id);
        if (owner == NULL) {
            return weir_error_set(
                error, WEIR_UNKNOWN_MEMBER_ID,
                "no member has group.instance.id '%.*s': join without a member id",
                WEIR_CLASSIC_SHOWN(id->instance_id));
        }
        if (!weir_classic_same(owner->id.member_id, id->member_id)) {
            return weir_error_set(error, WEIR_FENCED_INSTANCE_ID,
                                  "group.instance.id '%.*s' belongs to member '%.*s' now, not to "
                                  "'%.*s': two clients run with it, and one must be stopped",
                                  WEIR_CLASSIC_SHOWN(id->instance_id),
                                  WEIR_CLASSIC_SHOWN(owner->id.member_id),
                                  WEIR_CLASSIC_SHOWN(id->member_id));
        }
    }
    struct weir_classic_member *member = weir_classic_find(group, id->member_id);
    if (member == NULL) {
        return weir_error_set(error, WEIR_UNKNOWN_MEMBER_ID,
                              "'%.*s' is no member: join without a member id",
                              WEIR_CLASSIC_SHOWN(id->member_id));
    }
    *member_out = member;
    return 0;
}

int weir_classic_validate_generation(const struct weir_classic_group *group,
                                     const struct weir_group_member_id *id, int32_t generation,
                                     struct weir_classic_member **member_out,
                                     struct weir_error *error)
{
    struct weir_classic_member *member = NULL;
    int rc = weir_classic_validate(group, id, &member, error);
    if (rc < 0) return rc;
    if (generation != group->generation) {
        return weir_error_set(
            error, WEIR_ILLEGAL_GENERATION,
            "member '%.*s' speaks of generation %d, the group is at %d: join again",
            WEIR_CLASSIC_SHOWN(member->id.member_id), generation, group->generation);
    }
    *member_out = member;
    return 0;
}
