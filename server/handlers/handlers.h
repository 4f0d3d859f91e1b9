#ifndef WEIR_SERVER_HANDLERS_HANDLERS_H
#define WEIR_SERVER_HANDLERS_HANDLERS_H

#include "server/context.h"

/** What a reader may see, as Fetch and ListOffsets say it: all that is durable, or what is committed of it. */
enum weir_isolation { WEIR_ISOLATION_READ_UNCOMMITTED = 0, WEIR_ISOLATION_READ_COMMITTED = 1 };

/** One handler per file: check, ask the engine, answer. Each replies exactly once. */
void weir_handle_api_versions(struct weir_request_context *context);
void weir_handle_metadata(struct weir_request_context *context);
void weir_handle_produce(struct weir_request_context *context);
void weir_handle_fetch(struct weir_request_context *context);
void weir_handle_list_offsets(struct weir_request_context *context);
void weir_handle_offset_for_leader_epoch(struct weir_request_context *context);
void weir_handle_find_coordinator(struct weir_request_context *context);
void weir_handle_offset_commit(struct weir_request_context *context);
void weir_handle_offset_fetch(struct weir_request_context *context);
void weir_handle_join_group(struct weir_request_context *context);
void weir_handle_heartbeat(struct weir_request_context *context);
void weir_handle_leave_group(struct weir_request_context *context);
void weir_handle_sync_group(struct weir_request_context *context);
void weir_handle_describe_groups(struct weir_request_context *context);
void weir_handle_list_config_resources(struct weir_request_context *context);
void weir_handle_describe_topic_partitions(struct weir_request_context *context);
void weir_handle_elect_leaders(struct weir_request_context *context);
void weir_handle_list_partition_reassignments(struct weir_request_context *context);
void weir_handle_alter_partition_reassignments(struct weir_request_context *context);
void weir_handle_list_groups(struct weir_request_context *context);
void weir_handle_delete_groups(struct weir_request_context *context);
void weir_handle_txn_offset_commit(struct weir_request_context *context);
void weir_handle_offset_delete(struct weir_request_context *context);
void weir_handle_consumer_group_heartbeat(struct weir_request_context *context);
void weir_handle_consumer_group_describe(struct weir_request_context *context);
void weir_handle_create_topics(struct weir_request_context *context);
void weir_handle_delete_topics(struct weir_request_context *context);
void weir_handle_create_partitions(struct weir_request_context *context);
void weir_handle_describe_configs(struct weir_request_context *context);
void weir_handle_alter_configs(struct weir_request_context *context);
void weir_handle_incremental_alter_configs(struct weir_request_context *context);
void weir_handle_init_producer_id(struct weir_request_context *context);
void weir_handle_add_partitions_to_txn(struct weir_request_context *context);
void weir_handle_add_offsets_to_txn(struct weir_request_context *context);
void weir_handle_end_txn(struct weir_request_context *context);
void weir_handle_describe_transactions(struct weir_request_context *context);
void weir_handle_list_transactions(struct weir_request_context *context);
void weir_handle_delete_records(struct weir_request_context *context);
void weir_handle_write_txn_markers(struct weir_request_context *context);
void weir_handle_describe_producers(struct weir_request_context *context);
void weir_handle_describe_cluster(struct weir_request_context *context);
void weir_handle_describe_log_dirs(struct weir_request_context *context);

#endif
