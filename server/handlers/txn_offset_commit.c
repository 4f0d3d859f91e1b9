#include "server/handlers/group_error.h"
#include "server/handlers/handlers.h"
#include "server/handlers/offset_commit_run.h"
#include "server/handlers/outcome.h"
#include "wire/generated/txn_offset_commit_request.h"
#include "wire/generated/txn_offset_commit_response.h"

/*
 * TxnOffsetCommit: offsets of a group within a producer's transaction, which count when it is committed. From version 3
 * on it says of which member they are (KIP-447); from version 5 on the transaction is told of the group with it, as
 * with a produce request (KIP-890), where before the producer did that by AddOffsetsToTxn.
 *
 * The same commit as OffsetCommit's, so it is run as one: its topics are made into that one's, and the rows of the answer
 * back.
 *
 * Source: CLIENTS.md c, "Offsets in transactions".
 */
enum { LOADING_FROM = 2, ABORTABLE_FROM = 4, TRANSACTION_VERSION_2_FROM = 5 };

typedef struct weir_wire_txn_offset_commit_request_txn_offset_commit_request_topic topic_asked;
typedef struct weir_wire_offset_commit_request_offset_commit_request_topic plain_topic;
typedef struct weir_wire_offset_commit_request_offset_commit_request_partition plain_partition;
typedef struct weir_wire_txn_offset_commit_response_txn_offset_commit_response_topic topic_row;
typedef struct weir_wire_txn_offset_commit_response_txn_offset_commit_response_partition
    partition_row;

/* ---- the answer ------------------------------------------------------------------------------ */

static topic_row *rows_of(const struct weir_offset_commit_run *run)
{
    struct weir_arena *arena = &run->context->arena;
    size_t count = run->asked->topics_count;
    topic_row *topics = weir_arena_array(arena, count, sizeof *topics);
    partition_row *rows = weir_arena_array(arena, run->row_count, sizeof *rows);
    if (weir_arena_failed(arena)) return NULL;
    for (size_t i = 0; i < run->row_count; i++) {
        rows[i] = (partition_row){run->rows[i].partition_index, run->rows[i].error_code};
    }
    for (size_t i = 0; i < count; i++) {
        topics[i] = (topic_row){run->topics[i].name, rows, run->topics[i].partitions_count};
        rows += run->topics[i].partitions_count;
    }
    return topics;
}

static void answer(struct weir_offset_commit_run *run)
{
    struct weir_wire_txn_offset_commit_response response;
    weir_wire_txn_offset_commit_response_init(&response);
    response.topics = rows_of(run); /* the reply finds out that there is no memory */
    response.topics_count = run->asked->topics_count;
    weir_outcome_reply(run->context, &response);
}

/* What older versions have no number for, or take for something else. */
static int16_t error_of(struct weir_request_context *context, const struct weir_request *request)
{
    int16_t error_code = weir_group_member_error(context, request);
    bool is_abortable = error_code == WEIR_WIRE_TRANSACTION_ABORTABLE;
    bool is_loading = error_code == WEIR_WIRE_COORDINATOR_LOAD_IN_PROGRESS;
    if (is_abortable && context->version < ABORTABLE_FROM) return WEIR_WIRE_INVALID_TXN_STATE;
    if (is_loading && context->version < LOADING_FROM) return WEIR_WIRE_COORDINATOR_NOT_AVAILABLE;
    return error_code;
}

/* ---- the request ----------------------------------------------------------------------------- */

static bool read_topic(struct weir_arena *arena, const topic_asked *asked, plain_topic *topic)
{
    plain_partition *partitions =
        weir_arena_array(arena, asked->partitions_count, sizeof *partitions);
    if (partitions == NULL) return false;
    for (size_t i = 0; i < asked->partitions_count; i++) {
        partitions[i] = (plain_partition){
            .partition_index = asked->partitions[i].partition_index,
            .committed_offset = asked->partitions[i].committed_offset,
            .committed_leader_epoch = asked->partitions[i].committed_leader_epoch,
            .committed_metadata = asked->partitions[i].committed_metadata,
        };
    }
    *topic = (plain_topic){
        .name = asked->name, .partitions = partitions, .partitions_count = asked->partitions_count};
    return true;
}

/* As a commit by itself; NULL without memory. */
static const struct weir_wire_offset_commit_request *
plain_of(struct weir_arena *arena, const struct weir_wire_txn_offset_commit_request *asked)
{
    struct weir_wire_offset_commit_request *plain = weir_arena_alloc_zero(arena, sizeof *plain);
    plain_topic *topics = weir_arena_array(arena, asked->topics_count, sizeof *topics);
    if (weir_arena_failed(arena)) return NULL;
    weir_wire_offset_commit_request_init(plain);
    plain->group_id = asked->group_id;
    plain->generation_id_or_member_epoch = asked->generation_id;
    plain->member_id = asked->member_id;
    plain->group_instance_id = asked->group_instance_id;
    plain->topics = topics;
    plain->topics_count = asked->topics_count;
    for (size_t i = 0; i < asked->topics_count; i++) {
        if (!read_topic(arena, &asked->topics[i], &topics[i])) return NULL;
    }
    return plain;
}

void weir_handle_txn_offset_commit(struct weir_request_context *context)
{
    const struct weir_wire_txn_offset_commit_request *asked = context->request;
    struct weir_offset_commit_run *run = weir_arena_alloc_zero(&context->arena, sizeof *run);
    const struct weir_wire_offset_commit_request *plain = plain_of(&context->arena, asked);
    if (weir_arena_failed(&context->arena)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    *run = (struct weir_offset_commit_run){
        .context = context,
        .asked = plain,
        .error_of = error_of,
        .answer = answer,
        .commit = {.transactional_id = asked->transactional_id,
                   .producer_id = asked->producer_id,
                   .producer_epoch = asked->producer_epoch,
                   .is_transaction_version_2 = context->version >= TRANSACTION_VERSION_2_FROM},
    };
    if (!weir_offset_commit_run_read(run)) return;
    bool is_permitted =
        weir_authorize(context, WEIR_ACL_WRITE, WEIR_ACL_TRANSACTIONAL_ID, asked->transactional_id);
    if (is_permitted) {
        weir_offset_commit_run_start(run);
    } else {
        weir_offset_commit_run_refuse(run, WEIR_WIRE_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
}
