#include "base/error.h"
#include "broker/coordinator/group/consumer_group.h"
#include "broker/coordinator/group/consumer_target.h"
#include "broker/coordinator/group/group_text.h"

/* ---- state ----------------------------------------------------------------------------------- */

const char *weir_consumer_group_state(const struct weir_consumer_group *group)
{
    size_t at = 0;
    const struct weir_consumer_member *member;
    if (weir_consumer_group_is_empty(group)) return "Empty";
    if (group->epoch > group->assignment_epoch) return "Assigning";
    while ((member = weir_map_next(&group->members, &at)) != NULL) {
        if (!weir_consumer_member_is_reconciled(member, group->assignment_epoch)) {
            return "Reconciling";
        }
    }
    return "Stable";
}

bool weir_consumer_group_subscribes(const struct weir_consumer_group *group,
                                    struct weir_slice topic)
{
    return weir_consumer_topics_have(&group->topics, topic);
}

/* ---- offsets --------------------------------------------------------------------------------- */

static int unknown(const struct weir_consumer_group *group, struct weir_slice member_id,
                   struct weir_error *error)
{
    return weir_error_set(error, WEIR_UNKNOWN_MEMBER_ID,
                          "Member %.*s is not a member of group %.*s.", WEIR_GROUP_SHOWN(member_id),
                          WEIR_GROUP_SHOWN(group->name));
}

/* A member that speaks the classic protocol knows its epoch as a generation. */
static int stale(const struct weir_consumer_member *member, int32_t epoch, struct weir_error *error)
{
    return weir_error_set(
        error, member->words->is_classic ? WEIR_ILLEGAL_GENERATION : WEIR_STALE_MEMBER_EPOCH,
        "The received member epoch %d does not match the expected member epoch %d.", epoch,
        member->epoch);
}

static const struct weir_group_partition *find_held(const struct weir_consumer_member *member,
                                                    const struct weir_consumer_commit *commit)
{
    const struct weir_group_partition *held =
        weir_partition_set_find(&member->assigned, commit->topic_id, commit->partition);
    if (held != NULL) return held;
    return weir_partition_set_find(&member->pending_revocation, commit->topic_id,
                                   commit->partition);
}

int weir_consumer_group_check_version(const struct weir_consumer_group *group,
                                      struct weir_slice member_id, struct weir_error *error)
{
    const struct weir_consumer_member *member = weir_consumer_group_member(group, member_id);
    if (member == NULL || member->words->is_classic) return 0;
    return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                          "OffsetCommit version 9 or above must be used by members using the "
                          "consumer group protocol");
}

/* Source: KIP-1251. */
int weir_consumer_group_check_commit(const struct weir_consumer_group *group,
                                     const struct weir_group_member_id *member_id,
                                     int32_t member_epoch,
                                     const struct weir_consumer_commit *commits, size_t count,
                                     struct weir_error *error)
{
    if (member_epoch < 0 && weir_consumer_group_is_empty(group)) return 0;
    const struct weir_consumer_member *member =
        weir_consumer_group_member(group, member_id->member_id);
    if (member == NULL) return unknown(group, member_id->member_id, error);
    if (member_epoch == member->epoch) return 0;
    if (member_epoch > member->epoch) return stale(member, member_epoch, error);
    for (size_t i = 0; i < count; i++) {
        const struct weir_group_partition *held = find_held(member, &commits[i]);
        if (held == NULL || member_epoch < held->epoch) return stale(member, member_epoch, error);
    }
    return 0;
}

int weir_consumer_group_check_fetch(const struct weir_consumer_group *group,
                                    struct weir_slice member_id, int32_t member_epoch,
                                    struct weir_error *error)
{
    if (member_id.size == 0 && member_epoch < 0) return 0;
    const struct weir_consumer_member *member = weir_consumer_group_member(group, member_id);
    if (member == NULL) return unknown(group, member_id, error);
    return member_epoch == member->epoch ? 0 : stale(member, member_epoch, error);
}

/* ---- description ----------------------------------------------------------------------------- */

static struct weir_slice *copy_names(const struct weir_member_words *words,
                                     struct weir_arena *arena)
{
    struct weir_slice *names = weir_arena_array(arena, words->topic_name_count, sizeof *names);
    for (size_t i = 0; names != NULL && i < words->topic_name_count; i++) {
        names[i] = weir_arena_copy(arena, words->topic_names[i]);
    }
    return names;
}

static void describe_member(const struct weir_consumer_member *member, struct weir_arena *arena,
                            struct weir_described_member *described)
{
    const struct weir_member_words *words = member->words;
    *described = (struct weir_described_member){
        .id = {.member_id = weir_arena_copy(arena, member->member_id),
               .instance_id = weir_arena_copy(arena, words->instance_id)},
        .client_id = weir_arena_copy(arena, words->client_id),
        .client_host = weir_arena_copy(arena, words->client_host),
        .rack_id = weir_arena_copy(arena, words->rack_id),
        .member_epoch = member->epoch,
        .topic_names = copy_names(words, arena),
        .topic_name_count = words->topic_name_count,
        .topic_regex = weir_arena_copy(arena, words->topic_regex),
        .is_classic_protocol = words->is_classic,
    };
    described->assigned =
        weir_partition_set_topic_lists(&member->assigned, arena, &described->assigned_count);
    described->target =
        weir_partition_set_topic_lists(&member->target, arena, &described->target_count);
}

int weir_consumer_group_describe(const struct weir_consumer_group *group,
                                 struct weir_describe_group_request *request)
{
    struct weir_arena *arena = request->base.arena;
    size_t at = 0;
    const struct weir_consumer_member *member;
    request->type = WEIR_GROUP_CONSUMER;
    request->state = weir_text(weir_consumer_group_state(group));
    request->protocol_type = weir_text("consumer");
    request->protocol = weir_text(weir_consumer_group_assignor(group)->name);
    request->group_epoch = group->epoch;
    request->assignment_epoch = group->assignment_epoch;
    request->is_application = false;
    request->member_count = 0;
    request->members =
        weir_arena_array(arena, weir_consumer_group_member_count(group), sizeof *request->members);
    if (request->members == NULL) return WEIR_NO_MEMORY;
    while ((member = weir_map_next(&group->members, &at)) != NULL) {
        describe_member(member, arena, &request->members[request->member_count++]);
    }
    return weir_arena_failed(arena) ? WEIR_NO_MEMORY : 0;
}
