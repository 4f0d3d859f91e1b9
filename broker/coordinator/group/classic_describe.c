#include "base/assert.h"
#include "broker/coordinator/group/classic_group_internal.h"
#include "wire/generated/consumer_protocol_subscription.h"

/* What is said of a group to who looks at it from outside, and of its members' subscriptions. */

static void describe_member(const struct weir_classic_group *group,
                            const struct weir_classic_member *member, struct weir_arena *arena,
                            struct weir_described_member *described)
{
    const struct weir_group_protocol *protocol =
        group->state == WEIR_CLASSIC_STABLE ? weir_classic_speaks(member, group->protocol) : NULL;
    *described = (struct weir_described_member){
        .id.member_id = weir_arena_copy(arena, member->id.member_id),
        .id.instance_id = weir_arena_copy(arena, member->id.instance_id),
        .client_id = weir_arena_copy(arena, member->client_id),
        .client_host = weir_arena_copy(arena, member->client_host),
        .assignment = weir_arena_copy(arena, member->assignment),
    };
    if (protocol != NULL) described->metadata = weir_arena_copy(arena, protocol->metadata);
}

void weir_classic_group_describe(const struct weir_classic_group *group,
                                 struct weir_describe_group_request *request)
{
    struct weir_arena *arena = request->base.arena;
    size_t count = weir_map_count(&group->members);
    struct weir_classic_member *member;
    size_t at = 0;
    request->type = WEIR_GROUP_CLASSIC;
    request->state = weir_classic_group_state_name(group);
    request->protocol_type = weir_arena_copy(arena, group->protocol_type);
    request->protocol = weir_null();
    if (group->state == WEIR_CLASSIC_STABLE) {
        request->protocol = weir_arena_copy(arena, group->protocol);
    }
    request->group_epoch = group->generation;
    request->member_count = 0;
    request->members = weir_arena_array(arena, count + 1, sizeof *request->members);
    if (request->members == NULL) return;
    while ((member = weir_classic_next(group, &at)) != NULL) {
        describe_member(group, member, arena, &request->members[request->member_count++]);
    }
    weir_assert(request->member_count == count);
}

static bool is_consumers(const struct weir_classic_group *group)
{
    return weir_classic_same(group->protocol_type, weir_text("consumer"));
}

/* Of every version, the topics come first: version 0 is the head of all. False: it cannot be read, or kept. */
static bool add_topics(struct weir_map *topics, const struct weir_group_protocol *protocol,
                       struct weir_arena *arena)
{
    struct weir_consumer_protocol_subscription said;
    struct weir_reader reader = weir_reader(protocol->metadata);
    (void)weir_reader_u16(&reader); /* the version; its failure sticks */
    if (weir_consumer_protocol_subscription_decode(&said, 0, &reader, arena) < 0) return false;
    for (size_t i = 0; i < said.topics_count; i++) {
        int rc = weir_map_add(topics, said.topics[i], (void *)protocol);
        if (rc < 0 && rc != WEIR_EXISTS) return false;
    }
    return true;
}

void weir_classic_subscription_read(struct weir_classic_subscription *subscription,
                                    const struct weir_classic_group *group)
{
    struct weir_classic_member *member;
    struct weir_arena arena;
    size_t at = 0;
    *subscription = (struct weir_classic_subscription){0};
    weir_map_init(&subscription->topics, group->budget);
    if (!is_consumers(group)) return;
    weir_arena_init(&arena, group->budget, 0);
    while (!subscription->is_all && (member = weir_classic_next(group, &at)) != NULL) {
        const struct weir_group_protocol *protocol =
            weir_slice_is_null(group->protocol) ? NULL
                                                : weir_classic_speaks(member, group->protocol);
        subscription->is_all =
            protocol == NULL || !add_topics(&subscription->topics, protocol, &arena);
        weir_arena_reset(&arena);
    }
    weir_arena_close(&arena);
}

void weir_classic_subscription_close(struct weir_classic_subscription *subscription)
{
    weir_map_close(&subscription->topics);
}

bool weir_classic_subscription_has(const struct weir_classic_subscription *subscription,
                                   struct weir_slice topic)
{
    return subscription->is_all || weir_map_get(&subscription->topics, topic) != NULL;
}

int weir_classic_group_check_offset_delete(const struct weir_classic_group *group,
                                           struct weir_error *error)
{
    if (group->state == WEIR_CLASSIC_EMPTY || is_consumers(group)) return 0;
    return weir_classic_wrap(
        group, error, "delete offsets of",
        weir_error_set(error, WEIR_NON_EMPTY_GROUP,
                       "its %zu members are of type '%.*s', and what they read is not known: stop "
                       "them first",
                       weir_map_count(&group->members), WEIR_CLASSIC_SHOWN(group->protocol_type)));
}
