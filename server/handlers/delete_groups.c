#include "server/handlers/fan_out.h"
#include "server/handlers/group_error.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "wire/generated/delete_groups_request.h"
#include "wire/generated/delete_groups_response.h"

/* DeleteGroups: groups that nobody is a member of, and their offsets. Source: CLIENTS.md c. */

typedef struct weir_wire_delete_groups_response_deletable_group_result group_row;

struct delete_groups {
    struct weir_fan_out fan_out; /* first */
    const struct weir_wire_delete_groups_request *asked;
    group_row *rows;
};

static struct delete_groups *of(struct weir_fan_out *fan_out)
{
    return (struct delete_groups *)fan_out;
}

static void done(struct weir_fan_out *fan_out)
{
    struct weir_wire_delete_groups_response response;
    weir_wire_delete_groups_response_init(&response);
    response.results = of(fan_out)->rows;
    response.results_count = fan_out->count;
    weir_outcome_reply(fan_out->context, &response);
}

static void take(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    of(fan_out)->rows[index].error_code = weir_group_error_of(request->rc);
}

static bool ask(struct weir_fan_out *fan_out, size_t index, struct weir_request *request)
{
    struct weir_delete_group_request *group = (struct weir_delete_group_request *)request;
    group_row *row = &of(fan_out)->rows[index];
    row->group_id = of(fan_out)->asked->groups_names[index];
    row->error_code = weir_group_check(fan_out->context, WEIR_ACL_DELETE, row->group_id);
    if (fan_out->count > WEIR_SUBJECTS_MAX) row->error_code = WEIR_WIRE_INVALID_REQUEST;
    if (row->error_code != 0) return false;
    group->base.group = row->group_id;
    weir_broker_group_delete(fan_out->context->broker, group);
    return true;
}

void weir_handle_delete_groups(struct weir_request_context *context)
{
    const struct weir_wire_delete_groups_request *asked = context->request;
    struct weir_arena *arena = &context->arena;
    struct delete_groups *deletion = weir_arena_alloc_zero(arena, sizeof *deletion);
    group_row *rows = weir_arena_alloc_zero(arena, (asked->groups_names_count + 1) * sizeof *rows);
    if (weir_arena_failed(arena)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    *deletion = (struct delete_groups){
        .fan_out = {.context = context,
                    .count = asked->groups_names_count,
                    .request_size = sizeof(struct weir_delete_group_request),
                    .ask = ask,
                    .take = take,
                    .done = done},
        .asked = asked,
        .rows = rows,
    };
    weir_fan_out_begin(&deletion->fan_out);
}
