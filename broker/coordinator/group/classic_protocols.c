#include <string.h>

#include "base/assert.h"
#include "broker/coordinator/group/classic_group_internal.h"

/*
 * For each protocol the group counts the members that speak it. One that everybody speaks is a candidate, and
 * there is always one: a member is let in, and may say other things, only if it speaks a candidate.
 */

static bool is_candidate(const struct weir_classic_group *group, struct weir_slice name)
{
    const struct weir_classic_protocol *protocol =
        name.data != NULL ? weir_map_get(&group->protocols, name) : NULL;
    size_t count = protocol != NULL ? protocol->member_count : 0;
    return count == weir_map_count(&group->members);
}

static struct weir_classic_protocol *protocol_of(struct weir_classic_group *group,
                                                 struct weir_slice name)
{
    struct weir_classic_protocol *protocol = weir_map_get(&group->protocols, name);
    if (protocol != NULL) return protocol;
    protocol = weir_alloc(group->budget, sizeof *protocol + name.size + 1);
    if (protocol == NULL) return NULL;
    if (name.size > 0) memcpy(protocol + 1, name.data, name.size);
    *protocol = (struct weir_classic_protocol){.name = weir_slice(protocol + 1, name.size)};
    if (weir_map_add(&group->protocols, protocol->name, protocol) < 0) {
        weir_free(protocol);
        return NULL;
    }
    return protocol;
}

int weir_classic_count_protocols(struct weir_classic_group *group,
                                 const struct weir_classic_member *member)
{
    for (size_t i = 0; i < member->protocol_count; i++) {
        struct weir_classic_protocol *protocol = protocol_of(group, member->protocols[i].name);
        if (protocol == NULL) return WEIR_NO_MEMORY;
        protocol->member_count++;
    }
    return 0;
}

void weir_classic_uncount_protocols(struct weir_classic_group *group,
                                    const struct weir_classic_member *member)
{
    for (size_t i = 0; i < member->protocol_count; i++) {
        struct weir_classic_protocol *protocol =
            weir_map_get(&group->protocols, member->protocols[i].name);
        weir_assert(protocol != NULL);
        weir_assert(protocol->member_count > 0);
        if (--protocol->member_count > 0) continue;
        (void)weir_map_remove(&group->protocols, protocol->name); /* it is this one */
        weir_free(protocol);
    }
}

bool weir_classic_supports(const struct weir_classic_group *group, struct weir_slice protocol_type,
                           const struct weir_classic_member *like)
{
    if (group->state == WEIR_CLASSIC_EMPTY) {
        return weir_classic_is_set(protocol_type) && like->protocol_count > 0;
    }
    if (!weir_classic_same(group->protocol_type, protocol_type)) return false;
    for (size_t i = 0; i < like->protocol_count; i++) {
        if (is_candidate(group, like->protocols[i].name)) return true;
    }
    return false;
}

static struct weir_classic_protocol *favourite(const struct weir_classic_group *group,
                                               const struct weir_classic_member *member)
{
    for (size_t i = 0; i < member->protocol_count; i++) {
        if (is_candidate(group, member->protocols[i].name)) {
            return weir_map_get(&group->protocols, member->protocols[i].name);
        }
    }
    return NULL;
}

struct weir_slice weir_classic_vote(struct weir_classic_group *group)
{
    struct weir_classic_protocol *best = NULL;
    struct weir_classic_protocol *protocol;
    struct weir_classic_member *member;
    size_t at = 0;
    while ((protocol = weir_map_next(&group->protocols, &at)) != NULL) {
        protocol->vote_count = 0;
    }
    at = 0;
    while ((member = weir_classic_next(group, &at)) != NULL) {
        protocol = favourite(group, member);
        weir_assert(protocol != NULL);
        protocol->vote_count++;
    }
    at = 0;
    while ((protocol = weir_map_next(&group->protocols, &at)) != NULL) {
        if (best == NULL || protocol->vote_count > best->vote_count) best = protocol;
    }
    weir_assert(best != NULL);
    weir_assert(best->vote_count > 0);
    return best->name;
}

const struct weir_group_protocol *weir_classic_speaks(const struct weir_classic_member *member,
                                                      struct weir_slice protocol)
{
    for (size_t i = 0; i < member->protocol_count; i++) {
        if (weir_classic_same(member->protocols[i].name, protocol)) return &member->protocols[i];
    }
    return NULL;
}

bool weir_classic_same_protocols(const struct weir_classic_member *a,
                                 const struct weir_classic_member *b)
{
    if (a->protocol_count != b->protocol_count) return false;
    for (size_t i = 0; i < a->protocol_count; i++) {
        if (!weir_classic_same(a->protocols[i].name, b->protocols[i].name)) return false;
        if (!weir_classic_same(a->protocols[i].metadata, b->protocols[i].metadata)) return false;
    }
    return true;
}
