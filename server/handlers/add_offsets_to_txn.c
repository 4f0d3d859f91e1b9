#include "server/handlers/group_error.h"
#include "server/handlers/handlers.h"
#include "server/handlers/transaction_error.h"
#include "wire/generated/add_offsets_to_txn_request.h"
#include "wire/generated/add_offsets_to_txn_response.h"

/* AddOffsetsToTxn: the transaction is going to commit offsets of a group. Source: CLIENTS.md c, "Transaction coordinator". */
enum { FENCED_FROM = 2 };

static void reply(struct weir_request_context *context, int16_t number)
{
    struct weir_wire_add_offsets_to_txn_response response;
    weir_wire_add_offsets_to_txn_response_init(&response);
    response.error_code = number;
    weir_context_reply(context, &response);
}

static void added(struct weir_request *request)
{
    struct weir_request_context *context = request->context;
    reply(context,
          weir_transaction_producer_error(context, request, context->version >= FENCED_FROM));
}

void weir_handle_add_offsets_to_txn(struct weir_request_context *context)
{
    const struct weir_wire_add_offsets_to_txn_request *asked = context->request;
    struct weir_add_offsets_request *add = weir_arena_alloc_zero(&context->arena, sizeof *add);
    int16_t number = weir_transactional_id_check(context, WEIR_ACL_WRITE, asked->transactional_id);
    if (number == 0) number = weir_group_check(context, WEIR_ACL_READ, asked->group_id);
    if (number == 0 && add == NULL) number = weir_transaction_error_of(WEIR_NO_MEMORY, true);
    if (number != 0) {
        reply(context, number);
        return;
    }
    *add = (struct weir_add_offsets_request){
        .base = {.request = {.reply_to = context->actor, .done = added, .context = context},
                 .transactional_id = asked->transactional_id,
                 .producer_id = asked->producer_id,
                 .producer_epoch = asked->producer_epoch},
        .group = asked->group_id,
    };
    weir_broker_add_offsets(context->broker, add);
}
