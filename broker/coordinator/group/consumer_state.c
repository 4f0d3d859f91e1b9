#include "broker/coordinator/group/consumer_state.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "broker/coordinator/group/group_update.h"

int weir_consumer_group_init(struct weir_consumer_group *group, struct weir_budget *budget,
                             struct weir_slice name)
{
    char *text = weir_alloc_text(budget, (const char *)name.data, name.size);
    if (text == NULL) return WEIR_NO_MEMORY;
    *group = (struct weir_consumer_group){
        .budget = budget,
        .name = weir_slice(text, name.size),
        .regexes_at_ms = INT64_MIN,
        .wake_at_ms = WEIR_GROUP_NEVER_MS,
    };
    weir_map_init(&group->members, budget);
    weir_map_init(&group->instances, budget);
    weir_consumer_topics_init(&group->topics, budget);
    weir_partition_owners_init(&group->owners, budget);
    return 0;
}

void weir_consumer_group_close(struct weir_consumer_group *group)
{
    size_t at = 0;
    struct weir_consumer_member *member;
    if (group->budget == NULL) return;
    while ((member = weir_map_next(&group->members, &at)) != NULL) {
        weir_consumer_member_free(member);
    }
    weir_map_close(&group->members);
    weir_map_close(&group->instances);
    weir_consumer_topics_close(&group->topics);
    weir_partition_owners_close(&group->owners);
    weir_free((void *)group->name.data);
    *group = (struct weir_consumer_group){0};
}

struct weir_consumer_member *weir_consumer_group_member(const struct weir_consumer_group *group,
                                                        struct weir_slice member_id)
{
    return member_id.size > 0 ? weir_map_get(&group->members, member_id) : NULL;
}

struct weir_consumer_member *weir_consumer_group_instance(const struct weir_consumer_group *group,
                                                          struct weir_slice instance_id)
{
    return weir_map_get(&group->instances, instance_id);
}

struct weir_consumer_member *weir_consumer_group_add_member(struct weir_consumer_group *group,
                                                            struct weir_slice member_id)
{
    struct weir_consumer_member *member = weir_consumer_member_new(group->budget, member_id);
    if (member == NULL) return NULL;
    if (weir_map_add(&group->members, member->member_id, member) < 0) {
        weir_consumer_member_free(member);
        return NULL;
    }
    return member;
}

static bool is_static(const struct weir_member_words *words)
{
    return words != NULL && !weir_slice_is_null(words->instance_id);
}

static void forget_words(struct weir_consumer_group *group, struct weir_consumer_member *member)
{
    struct weir_member_words *words = member->words;
    if (words == NULL) return;
    if (is_static(words) && weir_map_get(&group->instances, words->instance_id) == (void *)member) {
        weir_map_remove(&group->instances, words->instance_id);
    }
    weir_consumer_topics_remove(&group->topics, words);
    group->words_bytes -= weir_member_words_size(words);
    group->classic_count -= words->is_classic;
    weir_free(words);
    member->words = NULL;
}

int weir_consumer_group_set_words(struct weir_consumer_group *group,
                                  struct weir_consumer_member *member,
                                  const struct weir_member_words *words)
{
    struct weir_member_words *copy = weir_member_words_copy(words, group->budget);
    if (copy == NULL) return WEIR_NO_MEMORY;
    int rc = weir_consumer_topics_add(&group->topics, copy);
    if (rc < 0) {
        weir_free(copy);
        return rc;
    }
    forget_words(group, member);
    member->words = copy;
    group->words_bytes += weir_member_words_size(copy);
    group->classic_count += copy->is_classic;
    if (!is_static(copy)) return 0;
    return weir_map_add(&group->instances, copy->instance_id, member);
}

static void release_all(struct weir_consumer_group *group,
                        const struct weir_consumer_member *member)
{
    weir_partition_owners_release(&group->owners, &member->assigned, member);
    weir_partition_owners_release(&group->owners, &member->pending_revocation, member);
}

static int take_all(struct weir_consumer_group *group, struct weir_consumer_member *member)
{
    int rc = weir_partition_owners_take(&group->owners, &member->assigned, member);
    if (rc == 0) {
        rc = weir_partition_owners_take(&group->owners, &member->pending_revocation, member);
    }
    weir_assert(rc != WEIR_EXISTS); /* nothing is given before it is free */
    return rc;
}

void weir_consumer_group_remove_member(struct weir_consumer_group *group,
                                       struct weir_consumer_member *member)
{
    release_all(group, member);
    forget_words(group, member);
    weir_map_remove(&group->members, member->member_id);
    weir_consumer_member_free(member);
}

/* The words stay where they are; who is found by them changes. */
static int hand_over_words(struct weir_consumer_group *group, struct weir_consumer_member *from,
                           struct weir_consumer_member *to)
{
    weir_map_remove(&group->instances, from->words->instance_id);
    to->words = from->words;
    from->words = NULL;
    return weir_map_add(&group->instances, to->words->instance_id, to);
}

struct weir_consumer_member *weir_consumer_group_replace_member(struct weir_consumer_group *group,
                                                                struct weir_consumer_member *old,
                                                                struct weir_slice member_id)
{
    weir_assert(is_static(old->words));
    struct weir_consumer_member *member = weir_consumer_group_add_member(group, member_id);
    if (member == NULL) return NULL;
    release_all(group, old);
    member->state = old->state;
    member->session_deadline_ms = old->session_deadline_ms;
    member->assigned = old->assigned;
    member->pending_revocation = old->pending_revocation;
    member->target = old->target;
    old->assigned = old->pending_revocation = old->target = (struct weir_partition_set){0};
    int rc = hand_over_words(group, old, member);
    if (rc == 0) rc = take_all(group, member);
    weir_consumer_group_remove_member(group, old);
    return rc == 0 ? member : NULL;
}

int weir_consumer_group_move_member(struct weir_consumer_group *group,
                                    struct weir_consumer_member *member,
                                    const struct weir_member_move *move)
{
    release_all(group, member);
    int rc = weir_partition_set_assign(&member->assigned, group->budget, &move->assigned);
    if (rc == 0) {
        rc = weir_partition_set_assign(&member->pending_revocation, group->budget,
                                       &move->pending_revocation);
    }
    if (rc == 0) rc = take_all(group, member);
    weir_consumer_member_enter(member, move->state);
    member->previous_epoch = member->epoch;
    member->epoch = move->epoch;
    return rc;
}

size_t weir_consumer_group_bytes(const struct weir_consumer_group *group)
{
    return group->words_bytes + group->topics.bytes +
           group->partition_count * WEIR_GROUP_PARTITION_BYTES;
}

/* ---- invariants ------------------------------------------------------------------------------ */

static void check_owned(const struct weir_consumer_group *group,
                        const struct weir_consumer_member *member,
                        const struct weir_partition_set *set)
{
    weir_assert(weir_partition_set_is_sorted(set));
    for (size_t i = 0; i < set->count; i++) {
        weir_assert(weir_partition_owner(&group->owners, set->items[i].topic_id,
                                         set->items[i].partition) == member);
    }
}

static void check_member(const struct weir_consumer_group *group,
                         const struct weir_consumer_member *member)
{
    bool is_unrevoked = member->state == WEIR_MEMBER_UNREVOKED_PARTITIONS;
    weir_assert(member->words != NULL);
    weir_assert(weir_consumer_group_member(group, member->member_id) == member);
    weir_assert(!is_static(member->words) ||
                weir_consumer_group_instance(group, member->words->instance_id) == member);
    weir_assert(member->epoch <= group->assignment_epoch);
    weir_assert(member->epoch >= WEIR_MEMBER_EPOCH_LEAVES_STATIC);
    weir_assert(is_unrevoked == (member->pending_revocation.count > 0));
    weir_assert(is_unrevoked || member->revoke_deadline_ms == INT64_MAX);
    weir_assert(member->session_deadline_ms >= group->wake_at_ms);
    weir_assert(member->revoke_deadline_ms >= group->wake_at_ms);
    weir_assert(member->join_deadline_ms >= group->wake_at_ms);
    weir_assert(member->sync_deadline_ms >= group->wake_at_ms);
    weir_assert(weir_partition_set_is_sorted(&member->target));
    check_owned(group, member, &member->assigned);
    check_owned(group, member, &member->pending_revocation);
    if (weir_consumer_member_is_reconciled(member, group->assignment_epoch)) {
        weir_assert(weir_partition_set_equal(&member->assigned, &member->target));
    }
}

void weir_consumer_group_check(const struct weir_consumer_group *group)
{
    size_t at = 0, owned = 0, bytes = 0, statics = 0, classics = 0;
    const struct weir_consumer_member *member;
    weir_assert(group->epoch >= group->assignment_epoch && group->assignment_epoch >= 0);
    while ((member = weir_map_next(&group->members, &at)) != NULL) {
        check_member(group, member);
        owned += member->assigned.count + member->pending_revocation.count;
        bytes += weir_member_words_size(member->words);
        statics += is_static(member->words);
        classics += member->words->is_classic;
    }
    weir_assert(owned == weir_partition_owners_count(&group->owners));
    weir_assert(bytes == group->words_bytes);
    weir_assert(statics == weir_map_count(&group->instances));
    weir_assert(classics == group->classic_count);
}
