#include "broker/coordinator/group/group_regex.h"
#include "server/handlers/handlers.h"
#include "server/handlers/outcome.h"
#include "server/handlers/transaction_error.h"
#include "wire/generated/list_transactions_request.h"
#include "wire/generated/list_transactions_response.h"

/*
 * ListTransactions: the transactional ids there are, by state, producer, time and a pattern (KIP-664, 994, 1152). States that
 * nobody knows are named in the answer; asked for those alone, there are none.
 */
enum { FILTERS_MAX = 1000 };

typedef struct weir_wire_list_transactions_response_transaction_state transaction_row;

struct list_transactions {
    struct weir_list_transactions_request request; /* first */
    struct weir_request_context *context;
    const struct weir_wire_list_transactions_request *asked;
    struct weir_group_regex *pattern; /* NULL: all */
    struct weir_slice *unknown;       /* states */
    size_t unknown_count;
};

static void reply(struct list_transactions *list, int16_t number, const transaction_row *rows,
                  size_t count)
{
    struct weir_wire_list_transactions_response response;
    weir_wire_list_transactions_response_init(&response);
    response.error_code = number;
    response.unknown_state_filters = list->unknown;
    response.unknown_state_filters_count = list->unknown_count;
    if (number == 0) {
        response.transaction_states = rows;
        response.transaction_states_count = count;
    }
    weir_group_regex_free(list->pattern);
    weir_outcome_reply(list->context, &response);
}

/* 1: it is wanted. */
static int is_wanted(struct list_transactions *list, struct weir_slice id)
{
    if (!weir_authorize(list->context, WEIR_ACL_DESCRIBE, WEIR_ACL_TRANSACTIONAL_ID, id)) return 0;
    return list->pattern == NULL ? 1 : weir_group_regex_matches(list->pattern, id, NULL);
}

static void listed(struct weir_request *request)
{
    struct list_transactions *list = (struct list_transactions *)request;
    struct weir_arena *arena = &list->context->arena;
    size_t given = request->rc == 0 ? list->request.count : 0;
    transaction_row *rows = weir_arena_array(arena, given + 1, sizeof *rows);
    size_t count = 0;
    int rc = request->rc;
    for (size_t i = 0; rc == 0 && rows != NULL && i < given; i++) {
        const struct weir_transaction_info *info = &list->request.list[i];
        int wanted = is_wanted(list, info->transactional_id);
        if (wanted < 0) rc = wanted;
        if (wanted <= 0) continue;
        rows[count++] = (transaction_row){
            .transactional_id = info->transactional_id,
            .producer_id = info->producer_id,
            .transaction_state = weir_text(weir_transaction_state_name(info->state)),
        };
    }
    reply(list, weir_transaction_error_of(rc, true), rows, count);
}

/* The states asked for, as bits; those that nobody knows are kept. */
static void read_states(struct list_transactions *list)
{
    const struct weir_wire_list_transactions_request *asked = list->asked;
    for (size_t i = 0; i < asked->state_filters_count; i++) {
        int state = weir_transaction_state_named(asked->state_filters[i]);
        if (state >= 0) {
            list->request.states |= UINT32_C(1) << state;
        } else {
            list->unknown[list->unknown_count++] = asked->state_filters[i];
        }
    }
}

static int16_t read_pattern(struct list_transactions *list)
{
    struct weir_slice pattern = list->asked->transactional_id_pattern;
    if (pattern.size == 0) return 0;
    int rc =
        weir_group_regex_new(weir_context_budget(list->context), pattern, &list->pattern, NULL);
    return weir_transaction_error_of(rc, true);
}

void weir_handle_list_transactions(struct weir_request_context *context)
{
    const struct weir_wire_list_transactions_request *asked = context->request;
    struct weir_arena *arena = &context->arena;
    struct list_transactions *list = weir_arena_alloc_zero(arena, sizeof *list);
    bool is_too_long =
        asked->state_filters_count > FILTERS_MAX || asked->producer_id_filters_count > FILTERS_MAX;
    struct weir_slice *unknown =
        weir_arena_array(arena, is_too_long ? 1 : asked->state_filters_count + 1, sizeof *unknown);
    if (weir_arena_failed(arena)) {
        weir_outcome_reply(context, NULL);
        return;
    }
    *list = (struct list_transactions){
        .request = {.request = {.reply_to = context->actor, .done = listed},
                    .arena = arena,
                    .producer_ids = asked->producer_id_filters,
                    .producer_id_count = asked->producer_id_filters_count,
                    .duration_min_ms = asked->duration_filter},
        .context = context,
        .asked = asked,
        .unknown = unknown,
    };
    if (is_too_long) {
        reply(list, WEIR_WIRE_INVALID_REQUEST, NULL, 0);
        return;
    }
    read_states(list);
    int16_t number = read_pattern(list);
    bool is_none = asked->state_filters_count > 0 && list->request.states == 0;
    if (number != 0 || is_none) {
        reply(list, number, NULL, 0);
        return;
    }
    weir_broker_list_transactions(context->broker, &list->request);
}
