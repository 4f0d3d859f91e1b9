#include "server/handlers/group_error.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/offset_delete_request.h"
#include "wire/generated/offset_delete_response.h"

/* OffsetDelete: offsets of topics that nobody in the group subscribes to. Source: CLIENTS.md c; KIP-496. */

typedef struct weir_wire_offset_delete_request_offset_delete_request_topic topic_asked;
typedef struct weir_wire_offset_delete_response_offset_delete_response_topic topic_row;
typedef struct weir_wire_offset_delete_response_offset_delete_response_partition partition_row;

struct offset_delete {
    struct weir_request_context *context;
    const struct weir_wire_offset_delete_request *asked;
    struct weir_delete_offsets_request deletion;
    topic_row *topics;
    partition_row *rows;       /* of all topics, in order */
    partition_row **asked_for; /* the row of each deletion */
};

static void reply(struct offset_delete *deletion, int16_t error_code)
{
    struct weir_wire_offset_delete_response response;
    weir_wire_offset_delete_response_init(&response);
    response.error_code = error_code;
    if (error_code == 0) {
        response.topics = deletion->topics;
        response.topics_count = deletion->asked->topics_count;
    }
    weir_outcome_reply(deletion->context, &response);
}

static void deleted(struct weir_request *request)
{
    struct offset_delete *deletion = request->context;
    for (size_t i = 0; request->rc == 0 && i < deletion->deletion.partition_count; i++) {
        deletion->asked_for[i]->error_code =
            weir_group_error_of(deletion->deletion.partitions[i].rc);
    }
    reply(deletion, weir_group_error_of(request->rc));
}

static size_t count_partitions(const struct weir_wire_offset_delete_request *asked)
{
    size_t count = 0;
    for (size_t i = 0; i < asked->topics_count; i++) {
        count += asked->topics[i].partitions_count;
    }
    return count;
}

static void read_topic(struct offset_delete *deletion, const topic_asked *asked, topic_row *topic,
                       partition_row *rows)
{
    bool is_permitted =
        weir_authorize(deletion->context, WEIR_ACL_READ, WEIR_ACL_TOPIC, asked->name);
    *topic = (topic_row){asked->name, rows, asked->partitions_count};
    for (size_t i = 0; i < asked->partitions_count; i++) {
        rows[i].partition_index = asked->partitions[i].partition_index;
        rows[i].error_code = is_permitted ? 0 : WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED;
        if (!is_permitted) continue;
        size_t index = deletion->deletion.partition_count++;
        deletion->asked_for[index] = &rows[i];
        deletion->deletion.partitions[index] =
            (struct weir_offset_deletion){{asked->name, rows[i].partition_index}, 0};
    }
}

static bool read_request(struct offset_delete *deletion)
{
    const struct weir_wire_offset_delete_request *asked = deletion->asked;
    struct weir_arena *arena = &deletion->context->arena;
    size_t count = count_partitions(asked);
    deletion->topics = weir_arena_array(arena, asked->topics_count + 1, sizeof *deletion->topics);
    deletion->rows = weir_arena_alloc_zero(arena, (count + 1) * sizeof *deletion->rows);
    deletion->asked_for = weir_arena_array(arena, count + 1, sizeof *deletion->asked_for);
    deletion->deletion.partitions =
        weir_arena_array(arena, count + 1, sizeof *deletion->deletion.partitions);
    if (weir_arena_failed(arena)) return false;
    partition_row *rows = deletion->rows;
    for (size_t i = 0; i < asked->topics_count; i++) {
        read_topic(deletion, &asked->topics[i], &deletion->topics[i], rows);
        rows += asked->topics[i].partitions_count;
    }
    return true;
}

void weir_handle_offset_delete(struct weir_request_context *context)
{
    struct offset_delete *deletion = weir_arena_alloc_zero(&context->arena, sizeof *deletion);
    if (deletion == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    deletion->context = context;
    deletion->asked = context->request;
    int16_t refused = weir_group_check(context, WEIR_ACL_DELETE, deletion->asked->group_id);
    if (refused != 0 || !read_request(deletion)) {
        reply(deletion, refused);
        return;
    }
    deletion->deletion.base.request =
        (struct weir_request){.reply_to = context->actor, .done = deleted, .context = deletion};
    deletion->deletion.base.group = deletion->asked->group_id;
    weir_broker_group_delete_offsets(context->broker, &deletion->deletion);
}
