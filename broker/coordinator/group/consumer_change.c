#include "broker/coordinator/group/consumer_change.h"

#include "base/error.h"
#include "broker/coordinator/group/consumer_records.h"
#include "broker/coordinator/group/consumer_refresh.h"
#include "broker/coordinator/group/consumer_target.h"
#include "broker/metadata/uuid.h"

/* ---- may it be? ------------------------------------------------------------------------------ */

static int find_regex(struct weir_consumer_change *change)
{
    const struct weir_consumer_group *group = change->group;
    struct weir_slice pattern = change->words.topic_regex;
    if (!change->topics_change || weir_slice_is_null(pattern)) return 0;
    if (weir_consumer_topics_regex(&group->topics, pattern) != NULL) return 0;
    change->has_new_regex = true;
    return weir_regex_lookup(pattern, change->event->topics, group->budget, change->update->arena,
                             &change->regex_names, &change->regex_name_count, change->error);
}

static size_t partition_bytes(const struct weir_consumer_change *change, struct weir_slice name)
{
    const struct weir_topic_image *topic = weir_metadata_topic(change->event->topics, name);
    if (topic == NULL || weir_consumer_topics_have(&change->group->topics, name)) return 0;
    return (size_t)topic->partition_count * WEIR_GROUP_PARTITION_BYTES;
}

static size_t more_bytes(const struct weir_consumer_change *change)
{
    const struct weir_member_words *words = &change->words;
    size_t bytes = 2 * weir_member_words_size(words) +
                   2 * weir_wanted_regex_size(change->regex_names, change->regex_name_count);
    for (size_t i = 0; i < words->topic_name_count; i++) {
        bytes += partition_bytes(change, words->topic_names[i]);
    }
    for (size_t i = 0; i < change->regex_name_count; i++) {
        bytes += partition_bytes(change, change->regex_names[i]);
    }
    return bytes;
}

/* What would begin a new epoch. */
static int check_epoch(const struct weir_consumer_change *change)
{
    const struct weir_consumer_group *group = change->group;
    if (!change->topics_change || group->epoch < WEIR_CONSUMER_EPOCH_LAST) return 0;
    return weir_error_set(change->error, WEIR_INVALID_ARGUMENT,
                          "The group has had all its %d epochs: delete it, or take another group "
                          "id.",
                          WEIR_CONSUMER_EPOCH_LAST);
}

static int check_limits(const struct weir_consumer_change *change)
{
    const struct weir_group_settings *settings = change->event->settings;
    const struct weir_consumer_group *group = change->group;
    size_t members_max = (size_t)settings->consumer_members_max;
    bool is_new = change->member == NULL && change->replaced == NULL;
    if (is_new && weir_consumer_group_member_count(group) >= members_max) {
        return weir_error_set(change->error, WEIR_GROUP_MAX_SIZE_REACHED,
                              "The consumer group has reached its maximum capacity of %zu members.",
                              members_max);
    }
    if (!change->words_change) return 0;
    size_t bytes = weir_consumer_group_bytes(group) + more_bytes(change);
    if (bytes <= settings->bytes_max) return 0;
    return weir_error_set(change->error, WEIR_GROUP_MAX_SIZE_REACHED,
                          "The group would hold %zu bytes of what its members say and are given; "
                          "%zu are allowed.",
                          bytes, settings->bytes_max);
}

/* ---- what comes of it ------------------------------------------------------------------------ */

static int add_member(struct weir_consumer_change *change)
{
    char text[WEIR_UUID_TEXT_SIZE];
    struct weir_slice id = change->member_id;
    if (id.size == 0) id = weir_text(weir_uuid_print(change->event->random, text));
    change->member = weir_consumer_group_add_member(change->group, id);
    return change->member != NULL ? 0 : WEIR_NO_MEMORY;
}

/* The one that has left is gone, and all that it was is this one's. */
static int replace_member(struct weir_consumer_change *change)
{
    char text[WEIR_UUID_TEXT_SIZE];
    struct weir_slice id = change->member_id;
    if (id.size == 0) id = weir_text(weir_uuid_print(change->event->random, text));
    int rc = weir_consumer_write_member_gone(change->group, change->replaced, change->update);
    if (rc < 0) return rc;
    change->member = weir_consumer_group_replace_member(change->group, change->replaced, id);
    if (change->member == NULL) return WEIR_NO_MEMORY;
    return weir_consumer_write_target(change->group, change->member, change->update);
}

/* It comes back under its own id, or was fenced: it has nothing and begins anew. */
static void rejoin(struct weir_consumer_member *member)
{
    if (!weir_consumer_member_has_left(member)) return;
    member->epoch = WEIR_MEMBER_EPOCH_JOINS;
    member->previous_epoch = WEIR_MEMBER_EPOCH_JOINS;
}

static int take_regex(struct weir_consumer_change *change)
{
    struct weir_consumer_group *group = change->group;
    struct weir_slice pattern = change->words.topic_regex;
    if (!change->has_new_regex) return 0;
    if (weir_map_count(&group->topics.regexes) == 0) {
        group->regexes_version = change->event->topics_version;
        group->regexes_at_ms = change->event->now_ms;
    }
    int rc = weir_consumer_topics_set_regex(&group->topics, pattern, change->regex_names,
                                            change->regex_name_count);
    if (rc < 0) return rc;
    return weir_consumer_write_regex(group, weir_consumer_topics_regex(&group->topics, pattern),
                                     change->event->topics_version, change->event->wall_ms,
                                     change->update);
}

static int take_words(struct weir_consumer_change *change)
{
    struct weir_consumer_group *group = change->group;
    struct weir_arena *arena = change->update->arena;
    struct weir_consumer_member *member = change->member;
    struct weir_slice regex_before =
        weir_arena_copy(arena, member->words != NULL ? member->words->topic_regex : weir_null());
    if (weir_arena_failed(arena)) return WEIR_NO_MEMORY;
    int rc = take_regex(change);
    if (!change->words.is_classic) member->join_deadline_ms = member->sync_deadline_ms = INT64_MAX;
    if (rc == 0) rc = weir_consumer_group_set_words(group, member, &change->words);
    if (rc == 0) rc = weir_consumer_write_member(group, member, change->update);
    return rc == 0 ? weir_consumer_group_drop_regex(group, regex_before, change->update) : rc;
}

static int take_member(struct weir_consumer_change *change)
{
    int rc = 0;
    bool is_new = change->member == NULL;
    if (change->replaced != NULL) {
        rc = replace_member(change);
    } else if (is_new) {
        rc = add_member(change);
    } else if (change->is_joining) {
        rejoin(change->member);
    }
    if (rc < 0 || (!is_new && !change->words_change)) return rc;
    return take_words(change);
}

static void set_revoke_deadline(struct weir_consumer_group *group,
                                struct weir_consumer_member *member, int64_t now_ms)
{
    member->revoke_deadline_ms = INT64_MAX;
    if (member->state != WEIR_MEMBER_UNREVOKED_PARTITIONS || member->words->is_classic) return;
    member->revoke_deadline_ms = now_ms + member->words->rebalance_timeout_ms;
    weir_consumer_group_wake(group, member->revoke_deadline_ms);
}

static int reconcile(struct weir_consumer_change *change)
{
    struct weir_consumer_group *group = change->group;
    struct weir_consumer_member *member = change->member;
    struct weir_member_move move;
    int rc = weir_consumer_member_reconcile(member, group->assignment_epoch, &group->owners,
                                            change->owned, change->update->arena, &move);
    if (rc <= 0) return rc;
    change->is_assigned_anew = !weir_partition_set_equal(&member->assigned, &move.assigned);
    rc = weir_consumer_group_move_member(group, member, &move);
    if (rc < 0) return rc;
    set_revoke_deadline(group, member, change->event->now_ms);
    return weir_consumer_write_current(group, member, change->update);
}

/* Topics have changed since the group has looked at them last, or its expressions have. */
static bool is_behind(const struct weir_consumer_group *group,
                      const struct weir_consumer_event *event)
{
    return group->topics_version != event->topics_version ||
           (weir_map_count(&group->topics.regexes) > 0 &&
            group->regexes_version != event->topics_version);
}

int weir_consumer_change_check(struct weir_consumer_change *change)
{
    const struct weir_consumer_member *known =
        change->member != NULL ? change->member : change->replaced;
    const struct weir_member_words *words = &change->words;
    change->words_change = known == NULL || !weir_member_words_equal(words, known->words);
    change->topics_change = known == NULL || !weir_member_words_same_topics(words, known->words);
    change->is_resubscribed = change->topics_change && known != NULL;
    int rc = check_epoch(change);
    if (rc == 0) rc = find_regex(change);
    return rc == 0 ? check_limits(change) : rc;
}

int weir_consumer_change_apply(struct weir_consumer_change *change)
{
    struct weir_consumer_group *group = change->group;
    const struct weir_consumer_event *event = change->event;
    int rc = take_member(change);
    if (rc == 0 && (change->topics_change || is_behind(group, event))) {
        rc = weir_consumer_group_refresh(group, event, change->topics_change, change->update);
    }
    if (rc == 0 && change->is_resubscribed) {
        rc =
            weir_consumer_group_update_target(group, event->topics, event->wall_ms, change->update);
    } else if (rc == 0) {
        rc = weir_consumer_group_update_due_target(group, event, change->update);
    }
    return rc == 0 ? reconcile(change) : rc;
}

void weir_consumer_keep_session(struct weir_consumer_group *group,
                                struct weir_consumer_member *member,
                                const struct weir_consumer_event *event)
{
    int32_t timeout_ms = event->settings->config.consumer_session_timeout_ms;
    if (member->words->is_classic) timeout_ms = member->words->session_timeout_ms;
    member->session_deadline_ms = event->now_ms + timeout_ms;
    weir_consumer_group_wake(group, member->session_deadline_ms);
}
