#include "base/assert.h"
#include "server/handlers/handlers.h"
#include "server/server_internal.h"
#include "wire/generated/add_offsets_to_txn_request.h"
#include "wire/generated/add_offsets_to_txn_response.h"
#include "wire/generated/add_partitions_to_txn_request.h"
#include "wire/generated/add_partitions_to_txn_response.h"
#include "wire/generated/alter_configs_request.h"
#include "wire/generated/alter_configs_response.h"
#include "wire/generated/api_versions_request.h"
#include "wire/generated/api_versions_response.h"
#include "wire/generated/consumer_group_describe_request.h"
#include "wire/generated/consumer_group_describe_response.h"
#include "wire/generated/consumer_group_heartbeat_request.h"
#include "wire/generated/consumer_group_heartbeat_response.h"
#include "wire/generated/create_partitions_request.h"
#include "wire/generated/create_partitions_response.h"
#include "wire/generated/create_topics_request.h"
#include "wire/generated/create_topics_response.h"
#include "wire/generated/delete_groups_request.h"
#include "wire/generated/delete_groups_response.h"
#include "wire/generated/delete_records_request.h"
#include "wire/generated/delete_records_response.h"
#include "wire/generated/delete_topics_request.h"
#include "wire/generated/delete_topics_response.h"
#include "wire/generated/describe_cluster_request.h"
#include "wire/generated/describe_cluster_response.h"
#include "wire/generated/describe_configs_request.h"
#include "wire/generated/describe_configs_response.h"
#include "wire/generated/describe_groups_request.h"
#include "wire/generated/describe_groups_response.h"
#include "wire/generated/describe_log_dirs_request.h"
#include "wire/generated/describe_log_dirs_response.h"
#include "wire/generated/describe_producers_request.h"
#include "wire/generated/describe_producers_response.h"
#include "wire/generated/describe_transactions_request.h"
#include "wire/generated/describe_transactions_response.h"
#include "wire/generated/end_txn_request.h"
#include "wire/generated/end_txn_response.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/fetch_response.h"
#include "wire/generated/find_coordinator_request.h"
#include "wire/generated/find_coordinator_response.h"
#include "wire/generated/heartbeat_request.h"
#include "wire/generated/heartbeat_response.h"
#include "wire/generated/incremental_alter_configs_request.h"
#include "wire/generated/incremental_alter_configs_response.h"
#include "wire/generated/init_producer_id_request.h"
#include "wire/generated/init_producer_id_response.h"
#include "wire/generated/join_group_request.h"
#include "wire/generated/join_group_response.h"
#include "wire/generated/leave_group_request.h"
#include "wire/generated/leave_group_response.h"
#include "wire/generated/list_config_resources_request.h"
#include "wire/generated/list_config_resources_response.h"
#include "wire/generated/list_groups_request.h"
#include "wire/generated/list_groups_response.h"
#include "wire/generated/list_offsets_request.h"
#include "wire/generated/list_offsets_response.h"
#include "wire/generated/list_transactions_request.h"
#include "wire/generated/list_transactions_response.h"
#include "wire/generated/metadata_request.h"
#include "wire/generated/metadata_response.h"
#include "wire/generated/offset_commit_request.h"
#include "wire/generated/offset_commit_response.h"
#include "wire/generated/offset_delete_request.h"
#include "wire/generated/offset_delete_response.h"
#include "wire/generated/offset_fetch_request.h"
#include "wire/generated/offset_fetch_response.h"
#include "wire/generated/offset_for_leader_epoch_request.h"
#include "wire/generated/offset_for_leader_epoch_response.h"
#include "wire/generated/produce_request.h"
#include "wire/generated/produce_response.h"
#include "wire/generated/sync_group_request.h"
#include "wire/generated/sync_group_response.h"
#include "wire/generated/txn_offset_commit_request.h"
#include "wire/generated/txn_offset_commit_response.h"
#include "wire/generated/write_txn_markers_request.h"
#include "wire/generated/write_txn_markers_response.h"
#include "wire/generated/list_partition_reassignments_response.h"
#include "wire/generated/list_partition_reassignments_request.h"
#include "wire/generated/elect_leaders_response.h"
#include "wire/generated/elect_leaders_request.h"
#include "wire/generated/describe_topic_partitions_response.h"
#include "wire/generated/describe_topic_partitions_request.h"
#include "wire/generated/alter_partition_reassignments_response.h"
#include "wire/generated/alter_partition_reassignments_request.h"

/*
 * What is served, in order of key. Versions come from the schemas; ApiVersions is read off these
 * rows.
 */
#define FIELD(message, field) offsetof(struct weir_wire_##message, field)
#define ITEM_SIZE(message) sizeof(struct weir_wire_##message)
#define LIST(message, field, item)                                                                 \
    {                                                                                              \
        .data = FIELD(message, field), .count = FIELD(message, field##_count),                     \
        .item_size = ITEM_SIZE(item)                                                               \
    }
#define ERRORS_AT_TOP(message)                                                                     \
    {                                                                                              \
        .error_code = FIELD(message, error_code)                                                   \
    }
#define ERRORS_IN(message, field, item)                                                            \
    {                                                                                              \
        .lists = {LIST(message, field, message##_##item)},                                         \
        .error_code = FIELD(message##_##item, error_code)                                          \
    }
#define ERRORS_WITHIN(message, field, item, inner_field, inner_item)                               \
    {                                                                                              \
        .lists = {LIST(message, field, message##_##item),                                          \
                  LIST(message##_##item, inner_field, message##_##inner_item)},                    \
        .error_code = FIELD(message##_##inner_item, error_code)                                    \
    }
/* Of markers: each in topics, these in partitions. */
#define ERRORS_OF_MARKERS(message, marker, topic, partition)                                       \
    {                                                                                              \
        .lists = {LIST(message, markers, message##_##marker),                                      \
                  LIST(message##_##marker, topics, message##_##topic),                             \
                  LIST(message##_##topic, partitions, message##_##partition)},                     \
        .error_code = FIELD(message##_##partition, error_code)                                     \
    }
#define TYPES(name)                                                                                \
    .request = &weir_wire_##name##_request_type, .response = &weir_wire_##name##_response_type

static const struct weir_api apis[] = {
    {TYPES(produce), .announced_min = 0, .throttle = WEIR_THROTTLE_PRODUCE, .may_overlap = true,
     .handle = weir_handle_produce,
     .errors = ERRORS_WITHIN(produce_response, responses, topic_produce_response,
                             partition_responses, partition_produce_response)},
    {TYPES(fetch), .announced_min = 4, .throttle = WEIR_THROTTLE_FETCH, .handle = weir_handle_fetch,
     .errors = ERRORS_WITHIN(fetch_response, responses, fetchable_topic_response, partitions,
                             partition_data)},
    {TYPES(list_offsets), .announced_min = 1, .handle = weir_handle_list_offsets,
     .errors = ERRORS_WITHIN(list_offsets_response, topics, list_offsets_topic_response, partitions,
                             list_offsets_partition_response)},
    {TYPES(metadata), .announced_min = 0, .handle = weir_handle_metadata,
     .errors = ERRORS_IN(metadata_response, topics, metadata_response_topic)},
    {TYPES(offset_commit), .announced_min = 2, .handle = weir_handle_offset_commit,
     .errors = ERRORS_WITHIN(offset_commit_response, topics, offset_commit_response_topic,
                             partitions, offset_commit_response_partition)},
    {TYPES(offset_fetch), .announced_min = 1, .handle = weir_handle_offset_fetch,
     .errors = ERRORS_IN(offset_fetch_response, groups, offset_fetch_response_group)},
    {TYPES(find_coordinator), .announced_min = 0, .handle = weir_handle_find_coordinator,
     .errors = ERRORS_IN(find_coordinator_response, coordinators, coordinator)},
    {TYPES(join_group), .announced_min = 0, .handle = weir_handle_join_group,
     .errors = ERRORS_AT_TOP(join_group_response)},
    {TYPES(heartbeat), .announced_min = 0, .handle = weir_handle_heartbeat,
     .errors = ERRORS_AT_TOP(heartbeat_response)},
    {TYPES(leave_group), .announced_min = 0, .handle = weir_handle_leave_group,
     .errors = ERRORS_AT_TOP(leave_group_response)},
    {TYPES(sync_group), .announced_min = 0, .handle = weir_handle_sync_group,
     .errors = ERRORS_AT_TOP(sync_group_response)},
    {TYPES(describe_groups), .announced_min = 0, .is_large = true,
     .handle = weir_handle_describe_groups,
     .errors = ERRORS_IN(describe_groups_response, groups, described_group)},
    {TYPES(list_groups), .announced_min = 0, .is_large = true, .handle = weir_handle_list_groups,
     .errors = ERRORS_AT_TOP(list_groups_response)},
    {TYPES(api_versions), .announced_min = 0, .handle = weir_handle_api_versions,
     .errors = ERRORS_AT_TOP(api_versions_response)},
    {TYPES(create_topics), .announced_min = 2, .handle = weir_handle_create_topics,
     .errors = ERRORS_IN(create_topics_response, topics, creatable_topic_result)},
    {TYPES(delete_topics), .announced_min = 1, .handle = weir_handle_delete_topics,
     .errors = ERRORS_IN(delete_topics_response, responses, deletable_topic_result)},
    {TYPES(delete_records), .announced_min = 0, .handle = weir_handle_delete_records,
     .errors = ERRORS_WITHIN(delete_records_response, topics, delete_records_topic_result,
                             partitions, delete_records_partition_result)},
    {TYPES(init_producer_id), .announced_min = 0, .handle = weir_handle_init_producer_id,
     .errors = ERRORS_AT_TOP(init_producer_id_response)},
    {TYPES(offset_for_leader_epoch), .announced_min = 2,
     .handle = weir_handle_offset_for_leader_epoch,
     .errors = ERRORS_WITHIN(offset_for_leader_epoch_response, topics,
                             offset_for_leader_topic_result, partitions, epoch_end_offset)},
    {TYPES(add_partitions_to_txn), .announced_min = 0, .handle = weir_handle_add_partitions_to_txn,
     .errors =
         {.lists = {LIST(add_partitions_to_txn_response, results_by_topic_v3_and_below,
                         add_partitions_to_txn_response_add_partitions_to_txn_topic_result),
                    LIST(add_partitions_to_txn_response_add_partitions_to_txn_topic_result,
                         results_by_partition,
                         add_partitions_to_txn_response_add_partitions_to_txn_partition_result)},
          .error_code = FIELD(add_partitions_to_txn_response_add_partitions_to_txn_partition_result,
                              partition_error_code)}},
    {TYPES(add_offsets_to_txn), .announced_min = 0, .handle = weir_handle_add_offsets_to_txn,
     .errors = ERRORS_AT_TOP(add_offsets_to_txn_response)},
    {TYPES(end_txn), .announced_min = 0, .handle = weir_handle_end_txn,
     .errors = ERRORS_AT_TOP(end_txn_response)},
    {TYPES(txn_offset_commit), .announced_min = 0, .handle = weir_handle_txn_offset_commit,
     .errors = ERRORS_WITHIN(txn_offset_commit_response, topics, txn_offset_commit_response_topic,
                             partitions, txn_offset_commit_response_partition)},
    {TYPES(write_txn_markers), .announced_min = 1, .handle = weir_handle_write_txn_markers,
     .errors =
         ERRORS_OF_MARKERS(write_txn_markers_response, writable_txn_marker_result,
                           writable_txn_marker_topic_result, writable_txn_marker_partition_result)},
    {TYPES(describe_configs), .announced_min = 1, .is_large = true,
     .handle = weir_handle_describe_configs,
     .errors = ERRORS_IN(describe_configs_response, results, describe_configs_result)},
    {TYPES(alter_configs), .announced_min = 0, .handle = weir_handle_alter_configs,
     .errors = ERRORS_IN(alter_configs_response, responses, alter_configs_resource_response)},
    {TYPES(describe_log_dirs), .announced_min = 1, .is_large = true,
     .handle = weir_handle_describe_log_dirs,
     .errors = ERRORS_IN(describe_log_dirs_response, results, describe_log_dirs_result)},
    {TYPES(create_partitions), .announced_min = 0, .handle = weir_handle_create_partitions,
     .errors = ERRORS_IN(create_partitions_response, results, create_partitions_topic_result)},
    {TYPES(delete_groups), .announced_min = 0, .handle = weir_handle_delete_groups,
     .errors = ERRORS_IN(delete_groups_response, results, deletable_group_result)},
    {TYPES(elect_leaders), .announced_min = 0, .handle = weir_handle_elect_leaders,
     .errors = ERRORS_WITHIN(elect_leaders_response, replica_election_results,
                             replica_election_result, partition_result, partition_result)},
    {TYPES(incremental_alter_configs), .announced_min = 0,
     .handle = weir_handle_incremental_alter_configs,
     .errors =
         ERRORS_IN(incremental_alter_configs_response, responses, alter_configs_resource_response)},
    {TYPES(alter_partition_reassignments), .announced_min = 0,
     .handle = weir_handle_alter_partition_reassignments,
     .errors =
         ERRORS_WITHIN(alter_partition_reassignments_response, responses,
                       reassignable_topic_response, partitions, reassignable_partition_response)},
    {TYPES(list_partition_reassignments), .announced_min = 0,
     .handle = weir_handle_list_partition_reassignments,
     .errors = ERRORS_AT_TOP(list_partition_reassignments_response)},
    {TYPES(offset_delete), .announced_min = 0, .handle = weir_handle_offset_delete,
     .errors = ERRORS_AT_TOP(offset_delete_response)},
    {TYPES(describe_cluster), .announced_min = 0, .handle = weir_handle_describe_cluster,
     .errors = ERRORS_AT_TOP(describe_cluster_response)},
    {TYPES(describe_transactions), .announced_min = 0, .is_large = true,
     .handle = weir_handle_describe_transactions,
     .errors = ERRORS_IN(describe_transactions_response, transaction_states, transaction_state)},
    {TYPES(list_transactions), .announced_min = 0, .is_large = true,
     .handle = weir_handle_list_transactions, .errors = ERRORS_AT_TOP(list_transactions_response)},
    {TYPES(describe_producers), .announced_min = 0, .is_large = true,
     .handle = weir_handle_describe_producers,
     .errors = ERRORS_WITHIN(describe_producers_response, topics, topic_response, partitions,
                             partition_response)},
    {TYPES(consumer_group_heartbeat), .announced_min = 0,
     .handle = weir_handle_consumer_group_heartbeat,
     .errors = ERRORS_AT_TOP(consumer_group_heartbeat_response)},
    {TYPES(consumer_group_describe), .announced_min = 0, .is_large = true,
     .handle = weir_handle_consumer_group_describe,
     .errors = ERRORS_IN(consumer_group_describe_response, groups, described_group)},
    {TYPES(list_config_resources), .announced_min = 0, .is_large = true,
     .handle = weir_handle_list_config_resources,
     .errors = ERRORS_AT_TOP(list_config_resources_response)},
    {TYPES(describe_topic_partitions), .announced_min = 0,
     .handle = weir_handle_describe_topic_partitions,
     .errors = ERRORS_IN(describe_topic_partitions_response, topics,
                         describe_topic_partitions_response_topic)},
};

enum { API_COUNT = sizeof apis / sizeof apis[0] };
_Static_assert((int)API_COUNT <= (int)WEIR_API_COUNT_MAX, "each has its meter");

const struct weir_api *weir_api_find(int16_t api_key)
{
    for (size_t i = 0; i < API_COUNT; i++) {
        if (apis[i].request->api_key == api_key) return &apis[i];
    }
    return NULL;
}

const struct weir_api *weir_api_at(size_t index, size_t *count_out)
{
    *count_out = API_COUNT;
    return index < API_COUNT ? &apis[index] : NULL;
}

size_t weir_api_index(const struct weir_api *api)
{
    weir_assert(api >= apis && api < apis + API_COUNT);
    return (size_t)(api - apis);
}

bool weir_api_takes(const struct weir_api *api, int16_t version)
{
    return version >= api->request->version_min && version <= api->request->version_max;
}

/* ---- errors of an answer --------------------------------------------------------------------- */

static int16_t error_at(const void *message, size_t offset)
{
    int16_t error;
    memcpy(&error, (const char *)message + offset, sizeof error);
    return error;
}

static const char *items_of(const void *message, const struct weir_api_error_list *list,
                            size_t *count_out)
{
    const char *items;
    memcpy(&items, (const char *)message + list->data, sizeof items);
    memcpy(count_out, (const char *)message + list->count, sizeof *count_out);
    return items;
}

/* The first that is not 0 of those in the lists from `level` on. */
static int16_t error_in(const void *message, const struct weir_api_errors *errors, size_t level)
{
    size_t count;
    int16_t error = 0;
    bool is_innermost = level == WEIR_API_ERROR_LISTS || errors->lists[level].item_size == 0;
    if (is_innermost) return error_at(message, errors->error_code);
    const struct weir_api_error_list *list = &errors->lists[level];
    const char *items = items_of(message, list, &count);
    for (size_t i = 0; i < count && error == 0; i++)
        error = error_in(items + i * list->item_size, errors, level + 1);
    return error;
}

int16_t weir_api_error_of(const struct weir_api *api, const void *response)
{
    return error_in(response, &api->errors, 0);
}
