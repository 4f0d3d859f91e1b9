#include "base/error.h"
#include "broker/coordinator/group_hash.h"
#include "broker/coordinator/live_transaction.h"
#include "broker/coordinator/transaction_coordinator.h"
#include "broker/coordinator/transaction_place.h"
#include "broker/engine/engine.h"
#include "broker/engine/partition.h"
#include "broker/engine/request.h"

/*
 * What producers ask: to the shard of the id's partition, there as an event to the live transaction.
 *
 *     door ──> shard: may it come in? ──> partition open ──> stage: the live transaction's
 *
 * The first producer of all has `__transaction_state` made. Whoever names an id that is not there costs no memory.
 */
static int no_id(struct weir_slice id, struct weir_error *error)
{
    return weir_error_set(error, WEIR_INVALID_PRODUCER_ID_MAPPING,
                          "there is no transactional id '%.*s': a producer initializes it first",
                          weir_transaction_id_shown(id), (const char *)id.data);
}

static void stage_of(struct weir_partition *partition, struct weir_transaction_request *request,
                     const struct weir_txn_event *event)
{
    struct weir_transaction_partition *home = weir_transaction_partition_of(partition);
    weir_live_transaction_ask(home, request, event);
}

static void known_arrives(struct weir_message *message,
                          void (*stage)(struct weir_partition *partition,
                                        struct weir_request *request))
{
    weir_transaction_place_enter_known((struct weir_transaction_request *)message, stage, no_id);
}

/* ---- init ------------------------------------------------------------------------------------ */

static void init_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_init_transactions_request *init = (struct weir_init_transactions_request *)request;
    struct weir_txn_event event = {.type = WEIR_TXN_INIT, .init = init};
    stage_of(partition, &init->base, &event);
}

static void init_arrives(struct weir_message *message)
{
    struct weir_transaction_request *request = (struct weir_transaction_request *)message;
    int rc = weir_transaction_place_check(request, &request->request.error);
    if (rc < 0) {
        weir_request_reply(&request->request, rc);
        return;
    }
    request->request.may_create = true;
    weir_transaction_place_enter(&request->request, init_stage);
}

void weir_transactions_begin(struct weir_transaction_coordinator *coordinator,
                             struct weir_init_transactions_request *request)
{
    request->producer_id = -1;
    request->producer_epoch = -1;
    weir_transaction_place_send(coordinator, &request->base, init_arrives);
}

/* ---- partitions ------------------------------------------------------------------------------- */

static void add_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_add_partitions_request *add = (struct weir_add_partitions_request *)request;
    struct weir_txn_event event = {.type = WEIR_TXN_ADD_PARTITIONS, .add = add};
    stage_of(partition, &add->base, &event);
}

static void add_arrives(struct weir_message *message)
{
    known_arrives(message, add_stage);
}

void weir_transactions_add(struct weir_transaction_coordinator *coordinator,
                           struct weir_add_partitions_request *request)
{
    request->base.is_add = !request->is_verify && !request->is_renewal;
    request->offsets = NULL;
    weir_transaction_place_send(coordinator, &request->base, add_arrives);
}

static void add_offsets_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_txn_event event = {.type = WEIR_TXN_ADD_PARTITIONS};
    stage_of(partition, (struct weir_transaction_request *)request, &event);
}

static void add_offsets_arrives(struct weir_message *message)
{
    struct weir_add_offsets_request *request = (struct weir_add_offsets_request *)message;
    struct weir_request *base = &request->base.request;
    int rc = weir_group_id_check(request->group, &base->error);
    if (rc < 0) {
        weir_request_reply(base, rc);
    } else {
        known_arrives(message, add_offsets_stage);
    }
}

void weir_transactions_add_offsets(struct weir_transaction_coordinator *coordinator,
                                   struct weir_add_offsets_request *request)
{
    weir_transaction_place_send(coordinator, &request->base, add_offsets_arrives);
}

/* ---- end ------------------------------------------------------------------------------------- */

static void end_stage(struct weir_partition *partition, struct weir_request *request)
{
    struct weir_end_transaction_request *end = (struct weir_end_transaction_request *)request;
    struct weir_txn_event event = {.type = WEIR_TXN_END, .end = end};
    stage_of(partition, &end->base, &event);
}

static void end_arrives(struct weir_message *message)
{
    known_arrives(message, end_stage);
}

void weir_transactions_end(struct weir_transaction_coordinator *coordinator,
                           struct weir_end_transaction_request *request)
{
    request->next_producer_id = -1;
    request->next_producer_epoch = -1;
    weir_transaction_place_send(coordinator, &request->base, end_arrives);
}
