#include "server/handlers/offset_commit_run.h"

#include "base/assert.h"
#include "server/handlers/group_error.h"
#include "server/handlers/outcome.h"

typedef struct weir_wire_offset_commit_request_offset_commit_request_topic topic_asked;
typedef struct weir_wire_offset_commit_request_offset_commit_request_partition partition_asked;
typedef struct weir_wire_offset_commit_response_offset_commit_response_topic topic_row;
typedef struct weir_wire_offset_commit_response_offset_commit_response_partition partition_row;

void weir_offset_commit_run_refuse(struct weir_offset_commit_run *run, int16_t error_code)
{
    weir_assert(error_code != 0);
    for (size_t i = 0; i < run->row_count; i++) {
        run->rows[i].error_code = error_code;
    }
    run->answer(run);
}

/* ---- the commit ------------------------------------------------------------------------------ */

static void committed(struct weir_request *request)
{
    struct weir_offset_commit_run *run = request->context;
    int16_t error_code = run->error_of(run->context, request);
    for (size_t i = 0; i < run->commit.entry_count; i++) {
        run->entry_rows[i]->error_code = error_code;
    }
    run->answer(run);
}

static int16_t check_topic(const struct weir_offset_commit_run *run,
                           const struct weir_topic_info *topic)
{
    if (topic->rc != 0) return weir_wire_error_of(topic->rc);
    bool is_permitted = weir_authorize(run->context, WEIR_ACL_READ, WEIR_ACL_TOPIC, topic->name);
    return is_permitted ? 0 : WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED;
}

static int16_t check_partition(const struct weir_offset_commit_run *run,
                               const struct weir_topic_info *topic, const partition_asked *asked)
{
    const struct weir_broker_options *options = weir_broker_options_of(run->context->broker);
    size_t metadata_max = (size_t)options->groups.offset_metadata_bytes_max;
    bool is_there = asked->partition_index >= 0 && asked->partition_index < topic->partition_count;
    if (!is_there) return WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION;
    if (asked->committed_metadata.size > metadata_max) {
        return WEIR_WIRE_OFFSET_METADATA_TOO_LARGE;
    }
    return asked->committed_offset >= 0 ? 0 : WEIR_WIRE_INVALID_REQUEST;
}

static void add_entry(struct weir_offset_commit_run *run, const struct weir_topic_info *topic,
                      const partition_asked *asked, partition_row *row)
{
    size_t index = run->commit.entry_count++;
    run->entry_rows[index] = row;
    run->entries[index] = (struct weir_offset_entry){
        .partition = {topic->name, asked->partition_index},
        .offset = asked->committed_offset,
        .leader_epoch = asked->committed_leader_epoch,
        .metadata = asked->committed_metadata,
        .topic_id = topic->id,
    };
}

/* `row`: the first one of the topic. */
static void add_topic(struct weir_offset_commit_run *run, size_t index, partition_row *row)
{
    const struct weir_topic_info *topic = &run->list.topics[index];
    const topic_asked *asked = &run->asked->topics[index];
    int16_t refused = check_topic(run, topic);
    for (size_t i = 0; i < asked->partitions_count; i++, row++) {
        row->error_code =
            refused != 0 ? refused : check_partition(run, topic, &asked->partitions[i]);
        if (row->error_code == 0) add_entry(run, topic, &asked->partitions[i], row);
    }
}

static bool is_member(const struct weir_wire_offset_commit_request *asked)
{
    return asked->generation_id_or_member_epoch >= 0 || asked->member_id.size > 0 ||
           !weir_slice_is_null(asked->group_instance_id);
}

static void listed(struct weir_request *request)
{
    struct weir_offset_commit_run *run = request->context;
    struct weir_request_context *context = run->context;
    if (request->rc < 0) {
        weir_offset_commit_run_refuse(run, weir_group_error_of(request->rc));
        return;
    }
    partition_row *row = run->rows;
    for (size_t i = 0; i < run->asked->topics_count; i++) {
        add_topic(run, i, row);
        row += run->asked->topics[i].partitions_count;
    }
    if (run->commit.entry_count == 0) {
        run->answer(run);
        return;
    }
    run->commit.request =
        (struct weir_request){.reply_to = context->actor, .done = committed, .context = run};
    run->commit.group = run->asked->group_id;
    run->commit.entries = run->entries;
    run->commit.member.member_id = run->asked->member_id;
    run->commit.member.instance_id = run->asked->group_instance_id;
    run->commit.generation = run->asked->generation_id_or_member_epoch;
    run->commit.has_member = is_member(run->asked);
    weir_broker_commit_offsets(context->broker, &run->commit);
}

static void list_topics(struct weir_offset_commit_run *run)
{
    struct weir_request_context *context = run->context;
    run->list = (struct weir_list_topics_request){
        .request = {.reply_to = context->actor, .done = listed, .context = run},
        .arena = &context->arena,
        .names = run->names,
        .ids = run->ids,
        .asked_count = run->asked->topics_count,
        .is_selection = true,
    };
    weir_broker_list_topics(context->broker, &run->list);
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

static void read_topic(struct weir_offset_commit_run *run, size_t index)
{
    const topic_asked *asked = &run->asked->topics[index];
    partition_row *rows = run->rows + run->row_count;
    run->names[index] = run->is_by_id ? weir_null() : asked->name;
    run->ids[index] = asked->topic_id;
    run->topics[index] = (topic_row){asked->name, asked->topic_id, rows, asked->partitions_count};
    for (size_t i = 0; i < asked->partitions_count; i++) {
        rows[i] = (partition_row){.partition_index = asked->partitions[i].partition_index};
    }
    run->row_count += asked->partitions_count;
}

static bool read_request(struct weir_offset_commit_run *run)
{
    const struct weir_wire_offset_commit_request *asked = run->asked;
    struct weir_arena *arena = &run->context->arena;
    size_t count = count_partitions(asked);
    run->names = weir_arena_array(arena, asked->topics_count, sizeof *run->names);
    run->ids = weir_arena_array(arena, asked->topics_count, sizeof *run->ids);
    run->topics = weir_arena_array(arena, asked->topics_count, sizeof *run->topics);
    run->rows = weir_arena_array(arena, count, sizeof *run->rows);
    run->entries = weir_arena_array(arena, count, sizeof *run->entries);
    run->entry_rows = weir_arena_array(arena, count, sizeof *run->entry_rows);
    if (weir_arena_failed(arena)) return false;
    for (size_t i = 0; i < asked->topics_count; i++) {
        read_topic(run, i);
    }
    return true;
}

bool weir_offset_commit_run_read(struct weir_offset_commit_run *run)
{
    weir_assert(run->context != NULL && run->asked != NULL);
    weir_assert(run->error_of != NULL && run->answer != NULL);
    if (read_request(run)) return true;
    weir_outcome_reply(run->context, NULL);
    return false;
}

void weir_offset_commit_run_start(struct weir_offset_commit_run *run)
{
    int16_t refused = weir_group_check(run->context, WEIR_ACL_READ, run->asked->group_id);
    if (refused != 0) {
        weir_offset_commit_run_refuse(run, refused);
    } else {
        list_topics(run);
    }
}
