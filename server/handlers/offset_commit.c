#include "server/handlers/group_error.h"
#include "server/handlers/handlers.h"
#include "server/handlers/offset_commit_run.h"
#include "server/handlers/outcome.h"

/*
 * OffsetCommit of a group's members, and of clients that are none: those choose their partitions themselves, and
 * commit with generation -1 and no member id.
 *
 * Source: CLIENTS.md c, "Group coordinator, classic".
 */
enum { EPOCHS_FROM = 9, GROUP_NOT_FOUND_FROM = 9, TOPIC_IDS_FROM = 10, DEFAULT_RETENTION = -1 };

static void answer(struct weir_offset_commit_run *run)
{
    struct weir_wire_offset_commit_response response;
    weir_wire_offset_commit_response_init(&response);
    response.topics = run->topics;
    response.topics_count = run->asked->topics_count;
    weir_outcome_reply(run->context, &response);
}

/* Before version 9 there was no number for a group that is not there. */
static int16_t error_of(struct weir_request_context *context, const struct weir_request *request)
{
    bool is_absent = request->rc == WEIR_GROUP_ID_NOT_FOUND;
    if (is_absent && context->version < GROUP_NOT_FOUND_FROM) {
        return WEIR_WIRE_ILLEGAL_GENERATION;
    }
    return weir_group_member_error(context, request);
}

void weir_handle_offset_commit(struct weir_request_context *context)
{
    const struct weir_wire_offset_commit_request *asked = context->request;
    struct weir_offset_commit_run *run = weir_arena_alloc_zero(&context->arena, sizeof *run);
    if (run == NULL) {
        weir_outcome_reply(context, NULL);
        return;
    }
    *run = (struct weir_offset_commit_run){
        .context = context,
        .asked = asked,
        .commit = {.has_no_epochs = context->version < EPOCHS_FROM,
                   .has_retention = asked->retention_time_ms != DEFAULT_RETENTION,
                   .retention_ms = asked->retention_time_ms},
        .is_by_id = context->version >= TOPIC_IDS_FROM,
        .error_of = error_of,
        .answer = answer,
    };
    if (weir_offset_commit_run_read(run)) weir_offset_commit_run_start(run);
}
