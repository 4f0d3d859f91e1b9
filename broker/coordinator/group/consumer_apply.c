#include "base/assert.h"
#include "base/error.h"
#include "broker/coordinator/group/consumer_group.h"
#include "broker/coordinator/group/group_text.h"
#include "wire/coordinator_record.h"
#include "wire/generated/consumer_group_current_member_assignment_key.h"
#include "wire/generated/consumer_group_current_member_assignment_value.h"
#include "wire/generated/consumer_group_member_metadata_key.h"
#include "wire/generated/consumer_group_member_metadata_value.h"
#include "wire/generated/consumer_group_metadata_key.h"
#include "wire/generated/consumer_group_metadata_value.h"
#include "wire/generated/consumer_group_regular_expression_key.h"
#include "wire/generated/consumer_group_regular_expression_value.h"
#include "wire/generated/consumer_group_target_assignment_member_key.h"
#include "wire/generated/consumer_group_target_assignment_member_value.h"
#include "wire/generated/consumer_group_target_assignment_metadata_key.h"
#include "wire/generated/consumer_group_target_assignment_metadata_value.h"
#include "wire/topic_names.h"

/*
 * A group is made of its records in two steps. `apply` takes one record after the other, in any order that has
 * the last value of each key last, and fills in what that record says, looking at nothing else: a member may be
 * there by its target alone for a while. `loaded` then puts the members together: subscriptions, instance ids,
 * owners of partitions. Bytes from a disk are not trusted: what does not fit together is WEIR_CORRUPT, so that the
 * invariants of a live group hold from then on.
 */
typedef struct weir_consumer_group_current_member_assignment_value current_value;
typedef struct weir_consumer_group_current_member_assignment_value_topic_partitions current_topic;
typedef struct weir_consumer_group_target_assignment_member_value target_value;
typedef struct weir_consumer_group_member_metadata_value member_value;

enum {
    RECORD_PARTITION_METADATA = 4, /* Kafka before 4.1; nothing of it is needed */
    SCRATCH_BLOCK_SIZE = 4096,
};

/* One record on its way into the group. */
struct application {
    struct weir_consumer_group *group;
    struct weir_slice key;
    struct weir_slice value;
    struct weir_arena *arena;
    struct weir_error *error;
};

#define DECODE_KEY(application, name, key_out)                                                     \
    weir_coordinator_key_decode((application)->key, &weir_consumer_group_##name##_key_type,        \
                                key_out, (application)->arena, (application)->error)
#define DECODE_VALUE(application, name, value_out)                                                 \
    weir_coordinator_value_decode((application)->value, &weir_consumer_group_##name##_value_type,  \
                                  value_out, (application)->arena, (application)->error)

static int corrupt(const struct application *application, const char *what)
{
    return weir_error_set(application->error, WEIR_CORRUPT, "group '%.*s': %s",
                          WEIR_GROUP_SHOWN(application->group->name), what);
}

static int no_memory(const struct application *application)
{
    return weir_error_set(application->error, WEIR_NO_MEMORY, "group '%.*s'",
                          WEIR_GROUP_SHOWN(application->group->name));
}

static bool is_tombstone(const struct application *application)
{
    return weir_slice_is_null(application->value);
}

static bool is_epoch(int32_t epoch)
{
    return epoch >= 0 && epoch < WEIR_CONSUMER_EPOCH_MAX;
}

static int need_member(const struct application *application, struct weir_slice member_id,
                       struct weir_consumer_member **member_out)
{
    if (member_id.size == 0) return corrupt(application, "a member without an id");
    *member_out = weir_consumer_group_member(application->group, member_id);
    if (*member_out == NULL) {
        *member_out = weir_consumer_group_add_member(application->group, member_id);
    }
    return *member_out != NULL ? 0 : no_memory(application);
}

/* Nothing is known of it any more. While records are folded in nobody owns anything. */
static void drop_if_nothing(struct weir_consumer_group *group, struct weir_consumer_member *member)
{
    if (member->words != NULL || member->has_target_record || member->has_current_record) return;
    weir_map_remove(&group->members, member->member_id);
    weir_consumer_member_free(member);
}

static int apply_epoch(const struct application *application)
{
    struct weir_consumer_group *group = application->group;
    struct weir_consumer_group_metadata_value value = {0};
    if (!is_tombstone(application)) {
        int rc = DECODE_VALUE(application, metadata, &value);
        if (rc < 0) return rc;
        if (!is_epoch(value.epoch)) return corrupt(application, "group epoch out of range");
    }
    group->epoch = value.epoch;
    group->topics_hash = value.metadata_hash;
    return 0;
}

static int apply_assignment_epoch(const struct application *application)
{
    struct weir_consumer_group_target_assignment_metadata_value value = {0};
    if (!is_tombstone(application)) {
        int rc = DECODE_VALUE(application, target_assignment_metadata, &value);
        if (rc < 0) return rc;
        if (!is_epoch(value.assignment_epoch)) {
            return corrupt(application, "assignment epoch out of range");
        }
    }
    application->group->assignment_epoch = value.assignment_epoch;
    application->group->assignment_wall_ms = value.assignment_timestamp;
    return 0;
}

static const struct weir_group_protocol *get_protocols(const member_value *value,
                                                       struct weir_arena *arena, size_t *count_out)
{
    const struct weir_consumer_group_member_metadata_value_classic_member_metadata *classic =
        value->classic_member_metadata;
    *count_out = classic != NULL ? classic->supported_protocols_count : 0;
    struct weir_group_protocol *protocols = weir_arena_array(arena, *count_out, sizeof *protocols);
    for (size_t i = 0; protocols != NULL && i < *count_out; i++) {
        protocols[i] = (struct weir_group_protocol){
            .name = classic->supported_protocols[i].name,
            .metadata = classic->supported_protocols[i].metadata,
        };
    }
    return protocols;
}

/* Null: none; and empty, which other writers may have written, is none as well. */
static struct weir_slice or_null(struct weir_slice text)
{
    return text.size > 0 ? text : weir_null();
}

static int get_words(const struct application *application, struct weir_member_words *words_out)
{
    member_value value;
    int rc = DECODE_VALUE(application, member_metadata, &value);
    if (rc < 0) return rc;
    *words_out = (struct weir_member_words){
        .instance_id = or_null(value.instance_id),
        .rack_id = or_null(value.rack_id),
        .client_id = value.client_id,
        .client_host = value.client_host,
        .topic_regex = or_null(value.subscribed_topic_regex),
        .rebalance_timeout_ms = value.rebalance_timeout_ms,
        .assignor = or_null(value.server_assignor),
        .is_classic = value.classic_member_metadata != NULL,
    };
    if (words_out->is_classic) {
        words_out->session_timeout_ms = value.classic_member_metadata->session_timeout_ms;
        if (words_out->session_timeout_ms < 0 ||
            value.classic_member_metadata->supported_protocols_count == 0) {
            return corrupt(application, "a classic member without a session or a protocol");
        }
    }
    words_out->protocols = get_protocols(&value, application->arena, &words_out->protocol_count);
    words_out->topic_names =
        weir_sorted_names(value.subscribed_topic_names, value.subscribed_topic_names_count,
                          application->arena, &words_out->topic_name_count);
    return weir_arena_failed(application->arena) ? no_memory(application) : 0;
}

/* What the words mean for the group (subscriptions, instance ids) is seen to when all are there. */
static int apply_member(const struct application *application)
{
    struct weir_consumer_group_member_metadata_key key;
    struct weir_consumer_member *member;
    struct weir_member_words words;
    struct weir_member_words *copy = NULL;
    int rc = DECODE_KEY(application, member_metadata, &key);
    if (rc == 0 && !is_tombstone(application)) rc = get_words(application, &words);
    if (rc == 0) rc = need_member(application, key.member_id, &member);
    if (rc < 0) return rc;
    if (!is_tombstone(application)) {
        copy = weir_member_words_copy(&words, application->group->budget);
        if (copy == NULL) return no_memory(application);
    }
    weir_free(member->words);
    member->words = copy;
    drop_if_nothing(application->group, member);
    return 0;
}

static int set_partitions(const struct application *application, struct weir_partition_set *to,
                          struct weir_partition_set *from)
{
    for (size_t i = 0; i < from->count; i++) {
        if (from->items[i].partition < 0 || from->items[i].partition >= WEIR_TOPIC_PARTITIONS_MAX) {
            return corrupt(application, "partition out of range");
        }
    }
    weir_partition_set_sort(from);
    int rc = weir_partition_set_assign(to, application->group->budget, from);
    return rc < 0 ? no_memory(application) : 0;
}

static int get_target(const struct application *application, struct weir_partition_set *target)
{
    target_value value;
    int rc = DECODE_VALUE(application, target_assignment_member, &value);
    if (rc < 0) return rc;
    struct weir_topic_partitions *lists =
        weir_arena_array(application->arena, value.topic_partitions_count, sizeof *lists);
    if (lists == NULL) return no_memory(application);
    for (size_t i = 0; i < value.topic_partitions_count; i++) {
        lists[i] = (struct weir_topic_partitions){
            .topic_id = value.topic_partitions[i].topic_id,
            .partitions = value.topic_partitions[i].partitions,
            .partition_count = value.topic_partitions[i].partitions_count,
        };
    }
    rc = weir_partition_set_from_topic_lists(lists, value.topic_partitions_count,
                                             application->arena, target);
    return rc < 0 ? no_memory(application) : 0;
}

static int apply_target(const struct application *application)
{
    struct weir_consumer_group_target_assignment_member_key key;
    struct weir_consumer_member *member;
    struct weir_partition_set target = {0};
    int rc = DECODE_KEY(application, target_assignment_member, &key);
    if (rc == 0 && !is_tombstone(application)) rc = get_target(application, &target);
    if (rc == 0) rc = need_member(application, key.member_id, &member);
    if (rc == 0) rc = set_partitions(application, &member->target, &target);
    if (rc < 0) return rc;
    member->has_target_record = !is_tombstone(application);
    drop_if_nothing(application->group, member);
    return 0;
}

/* Records of Kafka before 4.3 have no epochs: the member's stands for each then. */
static int get_current(const struct application *application, const current_topic *topics,
                       size_t count, int32_t member_epoch, struct weir_partition_set *set)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (topics[i].assignment_epochs != NULL &&
            topics[i].assignment_epochs_count != topics[i].partitions_count) {
            return corrupt(application, "as many assignment epochs as partitions are needed");
        }
        total += topics[i].partitions_count;
    }
    set->items = weir_arena_array(application->arena, total, sizeof *set->items);
    if (set->items == NULL) return no_memory(application);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < topics[i].partitions_count; j++) {
            set->items[set->count++] = (struct weir_group_partition){
                .topic_id = topics[i].topic_id,
                .partition = topics[i].partitions[j],
                .epoch = topics[i].assignment_epochs != NULL ? topics[i].assignment_epochs[j]
                                                             : member_epoch,
            };
        }
    }
    return 0;
}

static int set_current(const struct application *application, struct weir_consumer_member *member,
                       const current_value *value)
{
    struct weir_partition_set assigned = {0}, pending = {0};
    int rc = get_current(application, value->assigned_partitions, value->assigned_partitions_count,
                         value->member_epoch, &assigned);
    if (rc == 0) {
        rc = get_current(application, value->partitions_pending_revocation,
                         value->partitions_pending_revocation_count, value->member_epoch, &pending);
    }
    if (rc == 0) rc = set_partitions(application, &member->assigned, &assigned);
    if (rc == 0) rc = set_partitions(application, &member->pending_revocation, &pending);
    if (rc < 0) return rc;
    member->epoch = value->member_epoch;
    member->previous_epoch = value->previous_member_epoch;
    member->state = (enum weir_member_state)value->state;
    return 0;
}

static int apply_current(const struct application *application)
{
    struct weir_consumer_group_current_member_assignment_key key;
    struct weir_consumer_member *member;
    current_value value = {0};
    int rc = DECODE_KEY(application, current_member_assignment, &key);
    if (rc == 0 && !is_tombstone(application)) {
        rc = DECODE_VALUE(application, current_member_assignment, &value);
    }
    if (rc < 0) return rc;
    if (!is_epoch(value.member_epoch) && value.member_epoch != WEIR_MEMBER_EPOCH_LEAVES_STATIC) {
        return corrupt(application, "member epoch out of range");
    }
    if (value.state < 0 || value.state >= WEIR_MEMBER_STATE_COUNT) {
        return corrupt(application, "unknown state of a member");
    }
    rc = need_member(application, key.member_id, &member);
    if (rc == 0) rc = set_current(application, member, &value);
    if (rc < 0) return rc;
    member->has_current_record = !is_tombstone(application);
    drop_if_nothing(application->group, member);
    return 0;
}

static int apply_regex(const struct application *application)
{
    struct weir_consumer_group_regular_expression_key key;
    struct weir_consumer_group_regular_expression_value value;
    size_t count;
    int rc = DECODE_KEY(application, regular_expression, &key);
    if (rc < 0) return rc;
    if (is_tombstone(application)) {
        struct weir_wanted_regex *regex =
            weir_consumer_topics_regex(&application->group->topics, key.regular_expression);
        if (regex != NULL) weir_consumer_topics_drop_regex(&application->group->topics, regex);
        return 0;
    }
    rc = DECODE_VALUE(application, regular_expression, &value);
    if (rc < 0) return rc;
    const struct weir_slice *names =
        weir_sorted_names(value.topics, value.topics_count, application->arena, &count);
    if (names == NULL) return no_memory(application);
    rc = weir_consumer_topics_set_regex(&application->group->topics, key.regular_expression, names,
                                        count);
    return rc < 0 ? no_memory(application) : 0;
}

/* By record type. */
static int (*const appliers[])(const struct application *) = {
    [WEIR_CONSUMER_GROUP_METADATA_KEY_API_KEY] = apply_epoch,
    [WEIR_CONSUMER_GROUP_MEMBER_METADATA_KEY_API_KEY] = apply_member,
    [WEIR_CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY_API_KEY] = apply_assignment_epoch,
    [WEIR_CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY_API_KEY] = apply_target,
    [WEIR_CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY_API_KEY] = apply_current,
    [WEIR_CONSUMER_GROUP_REGULAR_EXPRESSION_KEY_API_KEY] = apply_regex,
};
enum { APPLIER_COUNT = sizeof appliers / sizeof appliers[0] };

bool weir_consumer_group_has_record(int16_t record_type)
{
    return record_type == RECORD_PARTITION_METADATA ||
           (record_type >= 0 && record_type < APPLIER_COUNT && appliers[record_type] != NULL);
}

int weir_consumer_group_apply(struct weir_consumer_group *group, struct weir_slice key,
                              struct weir_slice value, struct weir_error *error)
{
    int16_t type;
    int rc = weir_coordinator_key_type(key, &type, error);
    if (rc < 0 || type == RECORD_PARTITION_METADATA) return rc;
    if (!weir_consumer_group_has_record(type)) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "group '%.*s': record of type %d is not a consumer group's",
                              WEIR_GROUP_SHOWN(group->name), type);
    }
    struct weir_arena arena;
    weir_arena_init(&arena, group->budget, SCRATCH_BLOCK_SIZE);
    rc = appliers[type](&(struct application){
        .group = group, .key = key, .value = value, .arena = &arena, .error = error});
    weir_arena_close(&arena);
    return rc;
}

/* ---- putting it together --------------------------------------------------------------------- */

/* What a member's state must be by what it has: other writers leave a static member that has left as it was, without
 * what it had to give up. */
static enum weir_member_state fitting_state(const struct weir_consumer_group *group,
                                            const struct weir_consumer_member *member)
{
    if (member->pending_revocation.count > 0) return WEIR_MEMBER_UNREVOKED_PARTITIONS;
    bool is_done = weir_partition_set_equal(&member->assigned, &member->target);
    if (member->state == WEIR_MEMBER_STABLE &&
        (is_done || member->epoch != group->assignment_epoch)) {
        return WEIR_MEMBER_STABLE;
    }
    return WEIR_MEMBER_UNRELEASED_PARTITIONS;
}

static int join_owners(struct weir_consumer_group *group, struct weir_consumer_member *member,
                       struct weir_error *error)
{
    int rc = weir_partition_owners_take(&group->owners, &member->assigned, member);
    if (rc == 0) {
        rc = weir_partition_owners_take(&group->owners, &member->pending_revocation, member);
    }
    if (rc != WEIR_EXISTS) return rc;
    return weir_error_set(error, WEIR_CORRUPT, "group '%.*s': a partition has two owners",
                          WEIR_GROUP_SHOWN(group->name));
}

static int join_words(struct weir_consumer_group *group, struct weir_consumer_member *member,
                      struct weir_error *error)
{
    const struct weir_member_words *words = member->words;
    int rc = weir_consumer_topics_add(&group->topics, words);
    group->words_bytes += weir_member_words_size(words);
    group->classic_count += words->is_classic;
    if (rc == 0 && !weir_slice_is_null(words->instance_id)) {
        rc = weir_map_add(&group->instances, words->instance_id, member);
    }
    if (rc != WEIR_EXISTS) return rc;
    return weir_error_set(error, WEIR_CORRUPT, "group '%.*s': two members have one instance id",
                          WEIR_GROUP_SHOWN(group->name));
}

static int join_member(struct weir_consumer_group *group, struct weir_consumer_member *member,
                       int64_t now_ms, const struct weir_group_settings *settings,
                       struct weir_error *error)
{
    if (member->epoch > group->assignment_epoch) {
        return weir_error_set(
            error, WEIR_CORRUPT, "group '%.*s': a member is in epoch %d, the target in %d",
            WEIR_GROUP_SHOWN(group->name), member->epoch, group->assignment_epoch);
    }
    int rc = join_owners(group, member, error);
    if (rc == 0) rc = join_words(group, member, error);
    if (rc < 0) return rc;
    member->state = fitting_state(group, member);
    bool is_classic = member->words->is_classic;
    member->session_deadline_ms =
        now_ms + (is_classic ? member->words->session_timeout_ms
                             : settings->config.consumer_session_timeout_ms);
    if (member->state == WEIR_MEMBER_UNREVOKED_PARTITIONS && !is_classic) {
        int32_t timeout_ms = member->words->rebalance_timeout_ms;
        member->revoke_deadline_ms = now_ms + (timeout_ms > 0 ? timeout_ms : 0);
    }
    return 0;
}

/* Expressions that nobody has, and members of whom only what they were given is left. */
static void drop_leftovers(struct weir_consumer_group *group)
{
    size_t at = 0;
    struct weir_consumer_member *member;
    struct weir_wanted_regex *regex;
    while ((member = weir_map_next(&group->members, &at)) != NULL) {
        if (member->words != NULL) continue;
        weir_map_remove(&group->members, member->member_id);
        weir_consumer_member_free(member);
    }
    at = 0;
    while ((regex = weir_map_next(&group->topics.regexes, &at)) != NULL) {
        if (regex->members == 0) weir_consumer_topics_drop_regex(&group->topics, regex);
    }
}

int weir_consumer_group_loaded(struct weir_consumer_group *group, int64_t now_ms,
                               const struct weir_group_settings *settings, struct weir_error *error)
{
    size_t at = 0;
    struct weir_consumer_member *member;
    if (group->assignment_epoch > group->epoch) {
        return weir_error_set(error, WEIR_CORRUPT, "group '%.*s': target of epoch %d, group in %d",
                              WEIR_GROUP_SHOWN(group->name), group->assignment_epoch, group->epoch);
    }
    while ((member = weir_map_next(&group->members, &at)) != NULL) {
        if (member->words == NULL) continue;
        int rc = join_member(group, member, now_ms, settings, error);
        if (rc < 0) return rc;
    }
    drop_leftovers(group);
    if (!weir_consumer_group_is_empty(group)) group->wake_at_ms = now_ms;
    return 0;
}
