#include "broker/coordinator/group/consumer_records.h"

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

typedef struct weir_consumer_group_current_member_assignment_value current_value;
typedef struct weir_consumer_group_current_member_assignment_value_topic_partitions current_topic;
typedef struct weir_consumer_group_target_assignment_member_value target_value;
typedef struct weir_consumer_group_target_assignment_member_value_topic_partition target_topic;
typedef struct weir_consumer_group_member_metadata_value member_value;
typedef struct weir_consumer_group_member_metadata_value_classic_protocol member_protocol;

/* Key and value of one type; `value` NULL: a tombstone. */
#define WRITE(update, name, key, value)                                                            \
    weir_group_update_write(update, &weir_consumer_group_##name##_key_type, key,                   \
                            &weir_consumer_group_##name##_value_type, value, 0)

int weir_consumer_write_epoch(const struct weir_consumer_group *group,
                              struct weir_group_update *update)
{
    const struct weir_consumer_group_metadata_key key = {.group_id = group->name};
    const struct weir_consumer_group_metadata_value value = {
        .epoch = group->epoch,
        .metadata_hash = group->topics_hash,
    };
    return WRITE(update, metadata, &key, &value);
}

static const member_protocol *put_protocols(const struct weir_member_words *words,
                                            struct weir_arena *arena)
{
    member_protocol *protocols = weir_arena_array(arena, words->protocol_count, sizeof *protocols);
    for (size_t i = 0; protocols != NULL && i < words->protocol_count; i++) {
        protocols[i].name = words->protocols[i].name;
        protocols[i].metadata = words->protocols[i].metadata;
    }
    return protocols;
}

int weir_consumer_write_member(const struct weir_consumer_group *group,
                               const struct weir_consumer_member *member,
                               struct weir_group_update *update)
{
    const struct weir_member_words *words = member->words;
    const struct weir_consumer_group_member_metadata_value_classic_member_metadata classic = {
        .session_timeout_ms = words->session_timeout_ms,
        .supported_protocols = put_protocols(words, update->arena),
        .supported_protocols_count = words->protocol_count,
    };
    const struct weir_consumer_group_member_metadata_key key = {
        .group_id = group->name,
        .member_id = member->member_id,
    };
    const member_value value = {
        .instance_id = words->instance_id,
        .rack_id = words->rack_id,
        .client_id = words->client_id,
        .client_host = words->client_host,
        .subscribed_topic_names = words->topic_names,
        .subscribed_topic_names_count = words->topic_name_count,
        .subscribed_topic_regex = words->topic_regex,
        .rebalance_timeout_ms = words->rebalance_timeout_ms,
        .server_assignor = words->assignor,
        .classic_member_metadata = words->is_classic ? &classic : NULL,
    };
    if (weir_arena_failed(update->arena)) return WEIR_NO_MEMORY;
    return WRITE(update, member_metadata, &key, &value);
}

int weir_consumer_write_assignment_epoch(const struct weir_consumer_group *group,
                                         struct weir_group_update *update)
{
    const struct weir_consumer_group_target_assignment_metadata_key key = {.group_id = group->name};
    const struct weir_consumer_group_target_assignment_metadata_value value = {
        .assignment_epoch = group->assignment_epoch,
        .assignment_timestamp = group->assignment_wall_ms,
    };
    return WRITE(update, target_assignment_metadata, &key, &value);
}

int weir_consumer_write_target(const struct weir_consumer_group *group,
                               const struct weir_consumer_member *member,
                               struct weir_group_update *update)
{
    size_t count = 0;
    const struct weir_topic_partitions *lists =
        weir_partition_set_topic_lists(&member->target, update->arena, &count);
    target_topic *topics = weir_arena_array(update->arena, count, sizeof *topics);
    if (weir_arena_failed(update->arena)) return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        topics[i] = (target_topic){
            .topic_id = lists[i].topic_id,
            .partitions = lists[i].partitions,
            .partitions_count = lists[i].partition_count,
        };
    }
    const struct weir_consumer_group_target_assignment_member_key key = {
        .group_id = group->name,
        .member_id = member->member_id,
    };
    const target_value value = {.topic_partitions = topics, .topic_partitions_count = count};
    return WRITE(update, target_assignment_member, &key, &value);
}

/* A set as record 8 has it: with the epoch in which each partition was given. */
static const current_topic *put_current(const struct weir_partition_set *set,
                                        struct weir_arena *arena, size_t *count_out)
{
    const struct weir_topic_partitions *lists =
        weir_partition_set_topic_lists(set, arena, count_out);
    current_topic *topics = weir_arena_array(arena, *count_out, sizeof *topics);
    int32_t *epochs = weir_arena_array(arena, set->count, sizeof *epochs);
    if (weir_arena_failed(arena)) return NULL;
    size_t at = 0;
    for (size_t i = 0; i < *count_out; i++) {
        topics[i] = (current_topic){
            .topic_id = lists[i].topic_id,
            .partitions = lists[i].partitions,
            .partitions_count = lists[i].partition_count,
            .assignment_epochs = epochs + at,
            .assignment_epochs_count = lists[i].partition_count,
        };
        for (size_t j = 0; j < lists[i].partition_count; j++, at++) {
            epochs[at] = set->items[at].epoch;
        }
    }
    return topics;
}

int weir_consumer_write_current(const struct weir_consumer_group *group,
                                const struct weir_consumer_member *member,
                                struct weir_group_update *update)
{
    const struct weir_consumer_group_current_member_assignment_key key = {
        .group_id = group->name,
        .member_id = member->member_id,
    };
    current_value value = {
        .member_epoch = member->epoch,
        .previous_member_epoch = member->previous_epoch,
        .state = (int8_t)member->state,
    };
    value.assigned_partitions =
        put_current(&member->assigned, update->arena, &value.assigned_partitions_count);
    value.partitions_pending_revocation = put_current(&member->pending_revocation, update->arena,
                                                      &value.partitions_pending_revocation_count);
    if (weir_arena_failed(update->arena)) return WEIR_NO_MEMORY;
    return WRITE(update, current_member_assignment, &key, &value);
}

int weir_consumer_write_regex(const struct weir_consumer_group *group,
                              const struct weir_wanted_regex *regex, uint64_t version,
                              int64_t wall_ms, struct weir_group_update *update)
{
    const struct weir_consumer_group_regular_expression_key key = {
        .group_id = group->name,
        .regular_expression = regex->pattern,
    };
    const struct weir_consumer_group_regular_expression_value value = {
        .topics = regex->names,
        .topics_count = regex->name_count,
        .version = (int64_t)version,
        .timestamp = wall_ms,
    };
    return WRITE(update, regular_expression, &key, &value);
}

int weir_consumer_write_member_gone(const struct weir_consumer_group *group,
                                    const struct weir_consumer_member *member,
                                    struct weir_group_update *update)
{
    const struct weir_consumer_group_current_member_assignment_key current = {
        .group_id = group->name, .member_id = member->member_id};
    const struct weir_consumer_group_target_assignment_member_key target = {
        .group_id = group->name, .member_id = member->member_id};
    const struct weir_consumer_group_member_metadata_key words = {.group_id = group->name,
                                                                  .member_id = member->member_id};
    int rc = WRITE(update, current_member_assignment, &current, NULL);
    if (rc == 0) rc = WRITE(update, target_assignment_member, &target, NULL);
    if (rc == 0) rc = WRITE(update, member_metadata, &words, NULL);
    return rc;
}

int weir_consumer_write_regex_gone(const struct weir_consumer_group *group,
                                   const struct weir_wanted_regex *regex,
                                   struct weir_group_update *update)
{
    const struct weir_consumer_group_regular_expression_key key = {
        .group_id = group->name,
        .regular_expression = regex->pattern,
    };
    return WRITE(update, regular_expression, &key, NULL);
}

int weir_consumer_write_group_gone(const struct weir_consumer_group *group,
                                   struct weir_group_update *update)
{
    const struct weir_consumer_group_target_assignment_metadata_key target = {.group_id =
                                                                                  group->name};
    const struct weir_consumer_group_metadata_key key = {.group_id = group->name};
    int rc = WRITE(update, target_assignment_metadata, &target, NULL);
    return rc == 0 ? WRITE(update, metadata, &key, NULL) : rc;
}
