#include "server/handlers/handlers.h"
#include "wire/generated/init_producer_id_request.h"
#include "wire/generated/init_producer_id_response.h"

/*
 * InitProducerId: a producer id that nobody has had, epoch 0, for an idempotent producer. A
 * transactional id is refused until there are transactions.
 *
 * Source: CLIENTS.md c, "Idempotent producer" and "Transaction coordinator".
 */
static void reply(struct weir_request_context *context, int16_t number, int64_t producer_id,
                  int16_t producer_epoch)
{
    struct weir_wire_init_producer_id_response response;
    weir_wire_init_producer_id_response_init(&response);
    response.error_code = number;
    response.producer_id = producer_id;
    response.producer_epoch = producer_epoch;
    weir_context_reply(context, &response);
}

static void given(struct weir_request *request)
{
    const struct weir_init_producer_request *init =
        (const struct weir_init_producer_request *)request;
    if (request->rc < 0) {
        reply(request->context, weir_wire_error_of(request->rc), WEIR_NO_PRODUCER_ID,
              WEIR_NO_PRODUCER_EPOCH);
    } else {
        reply(request->context, 0, init->producer_id, init->producer_epoch);
    }
}

/* Kafka's number, or 0. */
static int16_t check(const struct weir_request_context *context,
                     const struct weir_wire_init_producer_id_request *asked)
{
    bool has_transactional_id = !weir_slice_is_null(asked->transactional_id);
    bool has_id = asked->producer_id != WEIR_NO_PRODUCER_ID;
    bool has_epoch = asked->producer_epoch != WEIR_NO_PRODUCER_EPOCH;
    if (has_transactional_id && asked->transactional_id.size == 0) return WEIR_WIRE_INVALID_REQUEST;
    if (has_id != has_epoch) return WEIR_WIRE_INVALID_REQUEST;
    if (has_transactional_id) return WEIR_WIRE_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    bool is_permitted =
        weir_authorize(context, WEIR_ACL_IDEMPOTENT_WRITE, WEIR_ACL_CLUSTER, weir_null());
    return is_permitted ? 0 : WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED;
}

void weir_handle_init_producer_id(struct weir_request_context *context)
{
    int16_t number = check(context, context->request);
    struct weir_init_producer_request *init = weir_arena_alloc_zero(&context->arena, sizeof *init);
    if (number == 0 && init == NULL) number = weir_wire_error_of(WEIR_NO_MEMORY);
    if (number != 0) {
        reply(context, number, WEIR_NO_PRODUCER_ID, WEIR_NO_PRODUCER_EPOCH);
        return;
    }
    init->request =
        (struct weir_request){.reply_to = context->actor, .done = given, .context = context};
    weir_broker_init_producer(context->broker, init);
}
