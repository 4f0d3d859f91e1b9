#include "broker/coordinator/group/group_migration.h"

#include "base/bytes.h"
#include "broker/coordinator/group/classic_group_internal.h"
#include "broker/coordinator/group/consumer_protocol.h"
#include "broker/coordinator/group/consumer_records.h"
#include "broker/coordinator/group/group_text.h"
#include "wire/generated/group_metadata_key.h"

static int no_memory(struct weir_error *error)
{
    return weir_error_set(error, WEIR_NO_MEMORY, "a group that changes its protocol");
}

/* ---- classic to consumer --------------------------------------------------------------------- */

static int refuse_upgrade(const struct weir_classic_group *group, struct weir_error *error,
                          const char *why)
{
    return weir_error_set(error, WEIR_INCONSISTENT_GROUP_PROTOCOL,
                          "Group %.*s is not a consumer group, and cannot become one: %s.",
                          WEIR_GROUP_SHOWN(group->name), why);
}

int weir_group_check_upgrade(const struct weir_classic_group *group,
                             const struct weir_group_settings *settings, struct weir_error *error)
{
    size_t members_max = (size_t)settings->consumer_members_max;
    if (settings->migration != WEIR_MIGRATION_UPGRADE &&
        settings->migration != WEIR_MIGRATION_BIDIRECTIONAL) {
        return refuse_upgrade(group, error, "group.consumer.migration.policy does not allow it");
    }
    if (!weir_slice_equal(group->protocol_type, weir_text(WEIR_CONSUMER_PROTOCOL_TYPE))) {
        return refuse_upgrade(group, error, "its members are not consumers");
    }
    if (weir_map_count(&group->members) > members_max) {
        return refuse_upgrade(group, error, "it has more members than a consumer group may");
    }
    if (group->generation >= WEIR_CONSUMER_EPOCH_LAST) {
        return refuse_upgrade(group, error, "its generation is too high");
    }
    return 0;
}

/* An upgrade on its way. */
struct upgrade {
    const struct weir_classic_group *from;
    const struct weir_consumer_event *event;
    struct weir_consumer_group *to;
    struct weir_group_update *update;
    struct weir_error *error;
};

/* Before there is a generation nothing is chosen, and what a member likes best stands for it. */
static const struct weir_group_protocol *chosen(const struct upgrade *upgrade,
                                                const struct weir_classic_member *member)
{
    const struct weir_group_protocol *protocol =
        weir_slice_is_null(upgrade->from->protocol)
            ? NULL
            : weir_classic_speaks(member, upgrade->from->protocol);
    return protocol != NULL ? protocol : &member->protocols[0];
}

/* What nobody else has, in the epoch that the generation was. */
static void keep_free(const struct upgrade *upgrade, struct weir_partition_set *set)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++) {
        struct weir_group_partition partition = set->items[i];
        bool is_free = weir_partition_owner(&upgrade->to->owners, partition.topic_id,
                                            partition.partition) == NULL;
        partition.epoch = upgrade->from->generation;
        if (is_free) set->items[kept++] = partition;
    }
    set->count = kept;
}

static int decode_member(const struct upgrade *upgrade, const struct weir_classic_member *member,
                         struct weir_consumer_subscription *subscription,
                         struct weir_partition_set *assigned)
{
    struct weir_arena *arena = upgrade->update->arena;
    const struct weir_metadata_image *image = upgrade->event->topics;
    int rc = weir_consumer_subscription_decode(chosen(upgrade, member)->metadata, image, arena,
                                               subscription);
    if (rc == 0) rc = weir_consumer_assignment_decode(member->assignment, image, arena, assigned);
    if (rc == WEIR_CORRUPT) {
        return refuse_upgrade(upgrade->from, upgrade->error,
                              "a member's subscription or assignment cannot be read");
    }
    return rc;
}

/* It has these, and is to have them. */
static int give(const struct upgrade *upgrade, struct weir_consumer_member *member,
                const struct weir_partition_set *set)
{
    int32_t generation = upgrade->from->generation;
    const struct weir_member_move move = {
        .state = WEIR_MEMBER_STABLE, .epoch = generation, .assigned = *set};
    int rc = weir_partition_set_assign(&member->target, upgrade->to->budget, set);
    for (size_t i = 0; rc == 0 && i < member->target.count; i++) {
        member->target.items[i].epoch = -1;
    }
    if (rc == 0) rc = weir_consumer_group_move_member(upgrade->to, member, &move);
    if (rc == 0) member->previous_epoch = generation;
    return rc;
}

static int put_member(const struct upgrade *upgrade, const struct weir_classic_member *from,
                      const struct weir_consumer_subscription *subscription,
                      const struct weir_partition_set *assigned)
{
    struct weir_consumer_group *to = upgrade->to;
    const struct weir_member_words words = {
        .instance_id = from->id.instance_id.size > 0 ? from->id.instance_id : weir_null(),
        .rack_id = subscription->rack_id,
        .client_id = weir_slice_is_null(from->client_id) ? weir_text("") : from->client_id,
        .client_host = weir_slice_is_null(from->client_host) ? weir_text("") : from->client_host,
        .topic_names = subscription->topic_names,
        .topic_name_count = subscription->topic_name_count,
        .rebalance_timeout_ms = from->rebalance_timeout_ms,
        .is_classic = true,
        .session_timeout_ms = from->session_timeout_ms,
        .protocols = from->protocols,
        .protocol_count = from->protocol_count,
    };
    struct weir_consumer_member *member = weir_consumer_group_add_member(to, from->id.member_id);
    if (member == NULL) return WEIR_NO_MEMORY;
    int rc = weir_consumer_group_set_words(to, member, &words);
    if (rc == 0) rc = give(upgrade, member, assigned);
    if (rc < 0) return rc;
    member->session_deadline_ms = upgrade->event->now_ms + from->session_timeout_ms;
    weir_consumer_group_wake(to, member->session_deadline_ms);
    return 0;
}

static int put_members(const struct upgrade *upgrade)
{
    size_t at = 0;
    const struct weir_classic_member *member;
    while ((member = weir_classic_next(upgrade->from, &at)) != NULL) {
        struct weir_consumer_subscription subscription;
        struct weir_partition_set assigned = {0};
        int rc = decode_member(upgrade, member, &subscription, &assigned);
        if (rc < 0) return rc;
        keep_free(upgrade, &assigned);
        rc = put_member(upgrade, member, &subscription, &assigned);
        if (rc < 0) return rc;
    }
    return 0;
}

/* What a member says it has is its word alone: of partitions that there are. */
static void keep_existing(const struct upgrade *upgrade, struct weir_partition_set *set)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++) {
        const struct weir_topic_image *topic =
            weir_metadata_topic_by_id(upgrade->event->topics, set->items[i].topic_id);
        bool is_there = topic != NULL && set->items[i].partition < topic->partition_count;
        if (is_there) set->items[kept++] = set->items[i];
    }
    set->count = kept;
}

static int add_owned(const struct upgrade *upgrade, const struct weir_classic_member *from)
{
    struct weir_consumer_subscription subscription;
    struct weir_arena *arena = upgrade->update->arena;
    struct weir_consumer_member *member =
        weir_consumer_group_member(upgrade->to, from->id.member_id);
    int rc = weir_consumer_subscription_decode(chosen(upgrade, from)->metadata,
                                               upgrade->event->topics, arena, &subscription);
    if (rc < 0) return rc;
    keep_existing(upgrade, &subscription.owned);
    keep_free(upgrade, &subscription.owned);
    if (subscription.owned.count == 0) return 0;
    size_t count = member->assigned.count;
    struct weir_partition_set both = {.count = count + subscription.owned.count};
    both.items = weir_arena_array(arena, both.count, sizeof *both.items);
    if (both.items == NULL) return WEIR_NO_MEMORY;
    weir_copy(both.items, member->assigned.items, count * sizeof *both.items);
    weir_copy(both.items + count, subscription.owned.items,
              subscription.owned.count * sizeof *both.items);
    weir_partition_set_sort(&both);
    return give(upgrade, member, &both);
}

/* A member that keeps what it has through a rebalance (cooperative) has it without an assignment while the next
 * generation is under way, and has what it is to give up until it has said so. What members have joined with counts
 * where nobody is assigned it: given to another one at once it would have two owners. */
static int add_all_owned(const struct upgrade *upgrade)
{
    size_t at = 0;
    int rc = 0;
    const struct weir_classic_member *member;
    while (rc == 0 && (member = weir_classic_next(upgrade->from, &at)) != NULL) {
        rc = add_owned(upgrade, member);
    }
    return rc;
}

static int write_classic_gone(struct weir_slice name, struct weir_group_update *update)
{
    const struct weir_group_metadata_key key = {.group = name};
    return weir_group_update_write(update, &weir_group_metadata_key_type, &key,
                                   &weir_group_metadata_value_type, NULL, 0);
}

static int write_consumer(const struct weir_consumer_group *group, struct weir_group_update *update)
{
    size_t at = 0;
    const struct weir_consumer_member *member;
    int rc = weir_consumer_write_epoch(group, update);
    if (rc == 0) rc = weir_consumer_write_assignment_epoch(group, update);
    while (rc == 0 && (member = weir_map_next(&group->members, &at)) != NULL) {
        rc = weir_consumer_write_member(group, member, update);
        if (rc == 0) rc = weir_consumer_write_target(group, member, update);
        if (rc == 0) rc = weir_consumer_write_current(group, member, update);
    }
    return rc;
}

int weir_group_upgrade(const struct weir_classic_group *from,
                       const struct weir_consumer_event *event, struct weir_consumer_group *to,
                       struct weir_group_update *update, struct weir_error *error)
{
    const struct upgrade upgrade = {from, event, to, update, error};
    int rc = weir_group_check_upgrade(from, event->settings, error);
    if (rc < 0) return rc;
    to->epoch = to->assignment_epoch = from->generation;
    to->assignment_wall_ms = 0; /* nothing was computed: who joins is given its part at once */
    rc = put_members(&upgrade);
    if (rc == 0) rc = add_all_owned(&upgrade);
    if (rc == 0) {
        to->topics_hash =
            weir_consumer_topics_hash(&to->topics, event->topics, &to->partition_count);
        to->topics_version = event->topics_version;
        rc = write_classic_gone(from->name, update);
    }
    if (rc == 0) rc = write_consumer(to, update);
    if (rc < 0) return rc == WEIR_INCONSISTENT_GROUP_PROTOCOL ? rc : no_memory(error);
    weir_group_update_wake(update, to->wake_at_ms);
    weir_consumer_group_check(to);
    return 0;
}

/* ---- consumer to classic --------------------------------------------------------------------- */

bool weir_group_wants_downgrade(const struct weir_consumer_group *group,
                                const struct weir_group_settings *settings)
{
    size_t count = weir_consumer_group_member_count(group);
    bool is_allowed = settings->migration == WEIR_MIGRATION_DOWNGRADE ||
                      settings->migration == WEIR_MIGRATION_BIDIRECTIONAL;
    return is_allowed && count > 0 && count == group->classic_count &&
           count <= (size_t)settings->members_max;
}

/* NULL: the member does not speak it. */
static const struct weir_group_protocol *speaks(const struct weir_consumer_member *member,
                                                struct weir_slice name)
{
    for (size_t i = 0; i < member->words->protocol_count; i++) {
        if (weir_slice_equal(member->words->protocols[i].name, name)) {
            return &member->words->protocols[i];
        }
    }
    return NULL;
}

static bool all_speak(const struct weir_consumer_group *group, struct weir_slice name)
{
    size_t at = 0;
    const struct weir_consumer_member *member;
    while ((member = weir_map_next(&group->members, &at)) != NULL) {
        if (speaks(member, name) == NULL) return false;
    }
    return true;
}

/* What the first member likes best of what all speak; null: there is nothing. */
static struct weir_slice shared_protocol(const struct weir_consumer_group *group)
{
    size_t at = 0;
    const struct weir_consumer_member *first = weir_map_next(&group->members, &at);
    for (size_t i = 0; i < first->words->protocol_count; i++) {
        struct weir_slice name = first->words->protocols[i].name;
        if (all_speak(group, name)) return name;
    }
    return weir_null();
}

static int record_of(const struct weir_consumer_member *member, struct weir_slice protocol,
                     const struct weir_metadata_image *image, struct weir_arena *arena,
                     struct weir_group_metadata_value_member_metadata *record)
{
    const struct weir_member_words *words = member->words;
    struct weir_consumer_subscription subscription;
    struct weir_slice metadata = speaks(member, protocol)->metadata;
    struct weir_slice assignment = weir_text("");
    int rc = weir_consumer_subscription_decode(metadata, image, arena, &subscription);
    if (rc == WEIR_NO_MEMORY) return rc;
    rc = weir_consumer_assignment_encode(&member->assigned, image,
                                         rc == 0 ? subscription.version : 0, arena, &assignment);
    *record = (struct weir_group_metadata_value_member_metadata){
        .member_id = member->member_id,
        .group_instance_id = words->instance_id,
        .client_id = words->client_id,
        .client_host = words->client_host,
        .rebalance_timeout = words->rebalance_timeout_ms,
        .session_timeout = words->session_timeout_ms,
        .subscription = metadata,
        .assignment = assignment,
    };
    return rc;
}

/* The newest that a member has come to. The group may be ahead of all when the last of the others leaves, and a
 * member that is where it was is to hear of a rebalance, and not that its generation is wrong. */
static int32_t newest_generation(const struct weir_consumer_group *group)
{
    size_t at = 0;
    int32_t newest = 0;
    const struct weir_consumer_member *member;
    while ((member = weir_map_next(&group->members, &at)) != NULL) {
        if (member->epoch > newest) newest = member->epoch;
    }
    return newest;
}

/* The group as a record of the classic protocol has it; a classic group is made of such. */
static int describe(const struct weir_consumer_group *from, const struct weir_consumer_event *event,
                    struct weir_slice protocol, struct weir_arena *arena,
                    struct weir_group_metadata_value *value)
{
    size_t at = 0, count = 0;
    const struct weir_consumer_member *member;
    struct weir_group_metadata_value_member_metadata *members =
        weir_arena_array(arena, weir_consumer_group_member_count(from), sizeof *members);
    if (members == NULL) return WEIR_NO_MEMORY;
    while ((member = weir_map_next(&from->members, &at)) != NULL) {
        int rc = record_of(member, protocol, event->topics, arena, &members[count++]);
        if (rc < 0) return rc;
    }
    weir_group_metadata_value_init(value);
    value->protocol_type = weir_text(WEIR_CONSUMER_PROTOCOL_TYPE);
    value->generation = newest_generation(from);
    value->protocol = protocol;
    value->leader = members[0].member_id;
    value->current_state_timestamp = event->wall_ms;
    value->members = members;
    value->members_count = count;
    return 0;
}

static int write_consumer_gone(const struct weir_consumer_group *group,
                               struct weir_group_update *update)
{
    size_t at = 0;
    int rc = 0;
    const struct weir_consumer_member *member;
    const struct weir_wanted_regex *regex;
    while (rc == 0 && (member = weir_map_next(&group->members, &at)) != NULL) {
        rc = weir_consumer_write_member_gone(group, member, update);
    }
    at = 0;
    while (rc == 0 && (regex = weir_map_next(&group->topics.regexes, &at)) != NULL) {
        rc = weir_consumer_write_regex_gone(group, regex, update);
    }
    return rc == 0 ? weir_consumer_write_group_gone(group, update) : rc;
}

/* What members were given stands in the record; then all are to join again. */
static int begin(struct weir_classic_group *to, const struct weir_consumer_event *event,
                 struct weir_group_update *update)
{
    const struct weir_classic_event tick = {
        .type = WEIR_CLASSIC_TICK,
        .now_ms = event->now_ms,
        .wall_ms = event->wall_ms,
        .settings = event->settings,
    };
    const struct weir_classic_step step = {.group = to, .event = &tick, .update = update};
    int rc = weir_classic_write(to, update);
    return rc == 0 ? weir_classic_rebalance(&step) : rc;
}

int weir_group_downgrade(const struct weir_consumer_group *from,
                         const struct weir_consumer_event *event, struct weir_classic_group *to,
                         struct weir_group_update *update, struct weir_error *error)
{
    struct weir_group_metadata_value value;
    struct weir_slice protocol = shared_protocol(from);
    if (weir_slice_is_null(protocol)) {
        return weir_error_set(error, WEIR_INCONSISTENT_GROUP_PROTOCOL,
                              "group '%.*s': there is no protocol that all its members speak",
                              WEIR_GROUP_SHOWN(from->name));
    }
    int rc = describe(from, event, protocol, update->arena, &value);
    if (rc == 0) rc = weir_classic_group_load(to, &value, event->now_ms, error);
    if (rc == 0) rc = write_consumer_gone(from, update);
    if (rc == 0) rc = begin(to, event, update);
    if (rc < 0) return no_memory(error);
    weir_group_update_wake(update, weir_classic_group_wake_at(to));
    return 0;
}

/* ---- one that nobody is in ------------------------------------------------------------------- */

int weir_group_succeed_classic(const struct weir_classic_group *from,
                               struct weir_group_update *update)
{
    const struct weir_consumer_group to = {.name = from->name, .epoch = from->generation};
    bool has_room = from->generation > 0 && from->generation < WEIR_CONSUMER_EPOCH_LAST;
    return has_room ? weir_consumer_write_epoch(&to, update) : 0;
}

int weir_group_succeed_consumer(const struct weir_consumer_group *from, int64_t wall_ms,
                                struct weir_group_update *update)
{
    struct weir_classic_group to;
    if (from->epoch == 0) return 0;
    weir_classic_group_init(&to, from->budget, from->name);
    to.generation = from->epoch;
    to.state_since_wall_ms = wall_ms;
    int rc = weir_classic_write(&to, update);
    weir_classic_group_close(&to);
    return rc;
}
