#include "server/handlers/group_error.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/offset_commit_request.h"
#include "wire/generated/offset_commit_response.h"

/*
 * OffsetCommit of a group's members, and of clients that are none: those choose their partitions themselves, and
 * commit with generation -1 and no member id. What names a partition that is not there, or has too much metadata,
 * is refused by itself; the rest is one commit, durable when it is answered.
 *
 *   request ──> which topics are there? ──> the good ones ──> coordinator: may this member? ──> answer
 *
 * Source: CLIENTS.md c, "Group coordinator, classic".
 */
enum { EPOCHS_FROM = 9, GROUP_NOT_FOUND_FROM = 9, TOPIC_IDS_FROM = 10, DEFAULT_RETENTION = -1 };

typedef struct weir_wire_offset_commit_request_offset_commit_request_topic topic_asked;
typedef struct weir_wire_offset_commit_request_offset_commit_request_partition partition_asked;
typedef struct weir_wire_offset_commit_response_offset_commit_response_topic topic_row;
typedef struct weir_wire_offset_commit_response_offset_commit_response_partition partition_row;

struct offset_commit {
    struct weir_request_context *context;
    const struct weir_wire_offset_commit_request *asked;
    struct weir_list_topics_request list;
    struct weir_commit_request commit;
    struct weir_slice *names;
    struct weir_uuid *ids;
    topic_row *topics;
    partition_row *rows; /* of all topics, in order */
    size_t row_count;
    struct weir_offset_entry *entries;
    partition_row **entry_rows; /* by entry */
};

/* ---- the answer ------------------------------------------------------------------------------ */

static void answer(struct offset_commit *commit)
{
    struct weir_wire_offset_commit_response response;
    weir_wire_offset_commit_response_init(&response);
    response.topics = commit->topics;
    response.topics_count = commit->asked->topics_count;
    weir_outcome_reply(commit->context, &response);
}

static void answer_all(struct offset_commit *commit, int16_t error_code)
{
    for (size_t i = 0; i < commit->row_count; i++) {
        commit->rows[i].error_code = error_code;
    }
    answer(commit);
}

/* ---- the commit ------------------------------------------------------------------------------ */

/* Before version 9 there was no number for a group that is not there. */
static int16_t error_of(struct weir_request_context *context, const struct weir_request *request)
{
    bool is_absent = request->rc == WEIR_GROUP_ID_NOT_FOUND;
    if (is_absent && context->version < GROUP_NOT_FOUND_FROM) {
        return WEIR_WIRE_ILLEGAL_GENERATION;
    }
    return weir_group_member_error(context, request);
}

static void committed(struct weir_request *request)
{
    struct offset_commit *commit = request->context;
    int16_t error_code = error_of(commit->context, request);
    for (size_t i = 0; i < commit->commit.entry_count; i++) {
        commit->entry_rows[i]->error_code = error_code;
    }
    answer(commit);
}

static int16_t check_topic(const struct offset_commit *commit, const struct weir_topic_info *topic)
{
    if (topic->rc != 0) return weir_wire_error_of(topic->rc);
    bool is_permitted = weir_authorize(commit->context, WEIR_ACL_READ, WEIR_ACL_TOPIC, topic->name);
    return is_permitted ? 0 : WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED;
}

static int16_t check_partition(const struct offset_commit *commit,
                               const struct weir_topic_info *topic, const partition_asked *asked)
{
    const struct weir_broker_options *options = weir_broker_options_of(commit->context->broker);
    size_t metadata_max = (size_t)options->groups.offset_metadata_bytes_max;
    bool is_there = asked->partition_index >= 0 && asked->partition_index < topic->partition_count;
    if (!is_there) return WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION;
    if (asked->committed_metadata.size > metadata_max) {
        return WEIR_WIRE_OFFSET_METADATA_TOO_LARGE;
    }
    return asked->committed_offset >= 0 ? 0 : WEIR_WIRE_INVALID_REQUEST;
}

static void add_entry(struct offset_commit *commit, const struct weir_topic_info *topic,
                      const partition_asked *asked, partition_row *row)
{
    size_t index = commit->commit.entry_count++;
    commit->entry_rows[index] = row;
    commit->entries[index] = (struct weir_offset_entry){
        .partition = {topic->name, asked->partition_index},
        .offset = asked->committed_offset,
        .leader_epoch = asked->committed_leader_epoch,
        .metadata = asked->committed_metadata,
        .topic_id = topic->id,
    };
}

/* `row`: the first one of the topic. */
static void add_topic(struct offset_commit *commit, size_t index, partition_row *row)
{
    const struct weir_topic_info *topic = &commit->list.topics[index];
    const topic_asked *asked = &commit->asked->topics[index];
    int16_t refused = check_topic(commit, topic);
    for (size_t i = 0; i < asked->partitions_count; i++, row++) {
        row->error_code =
            refused != 0 ? refused : check_partition(commit, topic, &asked->partitions[i]);
        if (row->error_code == 0) add_entry(commit, topic, &asked->partitions[i], row);
    }
}

static bool is_member(const struct weir_wire_offset_commit_request *asked)
{
    return asked->generation_id_or_member_epoch >= 0 || asked->member_id.size > 0 ||
           !weir_slice_is_null(asked->group_instance_id);
}

static void listed(struct weir_request *request)
{
    struct offset_commit *commit = request->context;
    struct weir_request_context *context = commit->context;
    if (request->rc < 0) {
        answer_all(commit, weir_group_error_of(request->rc));
        return;
    }
    partition_row *row = commit->rows;
    for (size_t i = 0; i < commit->asked->topics_count; i++) {
        add_topic(commit, i, row);
        row += commit->asked->topics[i].partitions_count;
    }
    if (commit->commit.entry_count == 0) {
        answer(commit);
        return;
    }
    commit->commit.request =
        (struct weir_request){.reply_to = context->actor, .done = committed, .context = commit};
    commit->commit.group = commit->asked->group_id;
    commit->commit.entries = commit->entries;
    commit->commit.member.member_id = commit->asked->member_id;
    commit->commit.member.instance_id = commit->asked->group_instance_id;
    commit->commit.generation = commit->asked->generation_id_or_member_epoch;
    commit->commit.has_member = is_member(commit->asked);
    commit->commit.has_no_epochs = context->version < EPOCHS_FROM;
    commit->commit.has_retention = commit->asked->retention_time_ms != DEFAULT_RETENTION;
    commit->commit.retention_ms = commit->asked->retention_time_ms;
    weir_broker_commit_offsets(context->broker, &commit->commit);
}

static void list_topics(struct offset_commit *commit)
{
    struct weir_request_context *context = commit->context;
    commit->list = (struct weir_list_topics_request){
        .request = {.reply_to = context->actor, .done = listed, .context = commit},
        .arena = &context->arena,
        .names = commit->names,
        .ids = commit->ids,
        .asked_count = commit->asked->topics_count,
        .is_selection = true,
    };
    weir_broker_list_topics(context->broker, &commit->list);
}

/* ---- the door -------------------------------------------------------------------------------- */

static size_t count_partitions(const struct weir_wire_offset_commit_request *asked)
{
    size_t count = 0;
    for (size_t i = 0; i < asked->topics_count; i++) {
        count += asked->topics[i].partitions_count;
    }
    return count;
}

static void read_topic(struct offset_commit *commit, size_t index)
{
    const topic_asked *asked = &commit->asked->topics[index];
    partition_row *rows = commit->rows + commit->row_count;
    commit->names[index] = commit->context->version < TOPIC_IDS_FROM ? asked->name : weir_null();
    commit->ids[index] = asked->topic_id;
    commit->topics[index] =
        (topic_row){asked->name, asked->topic_id, rows, asked->partitions_count};
    for (size_t i = 0; i < asked->partitions_count; i++) {
        rows[i] = (partition_row){.partition_index = asked->partitions[i].partition_index};
    }
    commit->row_count += asked->partitions_count;
}

static struct offset_commit *read_request(struct weir_request_context *context)
{
    const struct weir_wire_offset_commit_request *asked = context->request;
    struct weir_arena *arena = &context->arena;
    size_t count = count_partitions(asked);
    struct offset_commit *commit = weir_arena_alloc_zero(arena, sizeof *commit);
    if (commit == NULL) return NULL;
    *commit = (struct offset_commit){
        .context = context,
        .asked = asked,
        .names = weir_arena_array(arena, asked->topics_count, sizeof *commit->names),
        .ids = weir_arena_array(arena, asked->topics_count, sizeof *commit->ids),
        .topics = weir_arena_array(arena, asked->topics_count, sizeof *commit->topics),
        .rows = weir_arena_array(arena, count, sizeof *commit->rows),
        .entries = weir_arena_array(arena, count, sizeof *commit->entries),
        .entry_rows = weir_arena_array(arena, count, sizeof *commit->entry_rows),
    };
    if (weir_arena_failed(arena)) return NULL;
    for (size_t i = 0; i < asked->topics_count; i++) {
        read_topic(commit, i);
    }
    return commit;
}

void weir_handle_offset_commit(struct weir_request_context *context)
{
    struct offset_commit *commit = read_request(context);
    if (commit == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    int16_t refused = weir_group_check(context, WEIR_ACL_READ, commit->asked->group_id);
    if (refused != 0) {
        answer_all(commit, refused);
    } else {
        list_topics(commit);
    }
}
