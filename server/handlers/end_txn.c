#include "server/handlers/handlers.h"
#include "server/handlers/transaction_error.h"
#include "wire/generated/end_txn_request.h"
#include "wire/generated/end_txn_response.h"

/*
 * EndTxn: commit or abort, answered when that is decided. From version 5 on it is of transactions of version 2, and says what
 * producer id and epoch the producer goes on with (KIP-890).
 *
 * Source: CLIENTS.md c, "Transaction coordinator".
 */
enum { FENCED_FROM = 2, VERSION_2_FROM = 5 };

static void reply(struct weir_request_context *context, int16_t number, int64_t producer_id,
                  int16_t producer_epoch)
{
    struct weir_wire_end_txn_response response;
    weir_wire_end_txn_response_init(&response);
    response.error_code = number;
    if (number == 0) {
        response.producer_id = producer_id;
        response.producer_epoch = producer_epoch;
    }
    weir_context_reply(context, &response);
}

static void ended(struct weir_request *request)
{
    const struct weir_end_transaction_request *end =
        (const struct weir_end_transaction_request *)request;
    struct weir_request_context *context = request->context;
    reply(context,
          weir_transaction_producer_error(context, request, context->version >= FENCED_FROM),
          end->next_producer_id, end->next_producer_epoch);
}

void weir_handle_end_txn(struct weir_request_context *context)
{
    const struct weir_wire_end_txn_request *asked = context->request;
    struct weir_end_transaction_request *end = weir_arena_alloc_zero(&context->arena, sizeof *end);
    int16_t number = weir_transactional_id_check(context, WEIR_ACL_WRITE, asked->transactional_id);
    if (number == 0 && end == NULL) number = weir_transaction_error_of(WEIR_NO_MEMORY, true);
    if (number != 0) {
        reply(context, number, WEIR_NO_PRODUCER_ID, WEIR_NO_PRODUCER_EPOCH);
        return;
    }
    *end = (struct weir_end_transaction_request){
        .base = {.request = {.reply_to = context->actor, .done = ended, .context = context},
                 .transactional_id = asked->transactional_id,
                 .producer_id = asked->producer_id,
                 .producer_epoch = asked->producer_epoch,
                 .is_version_2 = context->version >= VERSION_2_FROM},
        .is_commit = asked->committed,
    };
    weir_broker_end_transaction(context->broker, end);
}
