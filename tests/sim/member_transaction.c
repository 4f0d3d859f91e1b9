/*
 * A member that commits within transactions (KIP-447), of version 2. It has a transactional id of its own, its slot's, and
 * one transaction at a time:
 *
 *   closed ──InitProducerId──> ready ──TxnOffsetCommit──> open ──(it reads on, rebalances, falls out)──> ending ──EndTxn──> ready
 *      ^                                                    │                                              │
 *      └──────────── fenced: its time was over ─────────────┴──────────────── or crashed ──────────────────┘
 *
 * What its history says of a commit: refused as soon as it is certain that nobody ever ends its transaction by a commit, and
 * done when a commit is acknowledged. Between the two it is pending, and who is given the partition meanwhile waits.
 */
#include <stdio.h>

#include "tests/sim/member.h"
#include "wire/generated/end_txn_request.h"
#include "wire/generated/end_txn_response.h"
#include "wire/generated/init_producer_id_request.h"
#include "wire/generated/init_producer_id_response.h"
#include "wire/generated/txn_offset_commit_request.h"
#include "wire/generated/txn_offset_commit_response.h"

enum { INIT_VERSION = 5, OFFSETS_VERSION = 5, END_VERSION = 5, ID_SIZE = 32 };

static struct group_history *history_of(const struct member *member)
{
    return &member->world->history;
}

static const char *id_of(const struct member *member, char id[ID_SIZE])
{
    (void)snprintf(id, ID_SIZE, "slot-%d", member->slot);
    return id;
}

/* Its producer has no such transaction (any more), or is another's by now. */
static bool is_over(int16_t error)
{
    return error == WEIR_WIRE_INVALID_PRODUCER_EPOCH || error == WEIR_WIRE_PRODUCER_FENCED ||
           error == WEIR_WIRE_INVALID_TXN_STATE || error == WEIR_WIRE_INVALID_PRODUCER_ID_MAPPING ||
           error == WEIR_WIRE_TRANSACTION_ABORTABLE;
}

/* Each is known to be this by now. */
static void end_items(struct member *member, enum group_result result)
{
    struct member_transaction *transaction = &member->transaction;
    for (int i = 0; i < transaction->item_count; i++) {
        const struct member_item *item = &transaction->items[i];
        group_history_end(history_of(member), item->event, result);
        struct member_place *place = member_place_of(member, item);
        bool is_news = result == GROUP_OK && place != NULL && item->offset > place->committed;
        if (is_news) place->committed = item->offset;
    }
    transaction->item_count = 0;
}

static void decide(struct member *member, bool is_commit)
{
    struct member_transaction *transaction = &member->transaction;
    transaction->phase = MEMBER_TRANSACTION_ENDING;
    transaction->is_commit = is_commit;
    if (!is_commit) end_items(member, GROUP_REFUSED);
}

/* ---- begin ----------------------------------------------------------------------------------- */

static void begun(struct remote_ask *ask, const void *answer)
{
    struct member *member = (struct member *)ask->remote;
    const struct weir_wire_init_producer_id_response *response = answer;
    member->is_asking = false;
    if (response->error_code == WEIR_WIRE_NONE) {
        member->transaction.phase = MEMBER_TRANSACTION_READY;
        member->transaction.producer_id = response->producer_id;
        member->transaction.epoch = response->producer_epoch;
    } else if (response->error_code != WEIR_WIRE_CONCURRENT_TRANSACTIONS) {
        (void)member_excuses(member, ask, response->error_code, "InitProducerId");
    }
}

static void begin(struct member *member)
{
    char id[ID_SIZE];
    struct weir_wire_init_producer_id_request request;
    weir_wire_init_producer_id_request_init(&request);
    request.transactional_id = weir_text(id_of(member, id));
    request.transaction_timeout_ms = 50 + (int32_t)remote_draw(&member->remote, 500);
    member_ask(member, &weir_wire_init_producer_id_request_type,
               &weir_wire_init_producer_id_response_type, INIT_VERSION, &request, begun);
}

/* ---- offsets --------------------------------------------------------------------------------- */

static void offsets_answered(struct remote_ask *ask, const void *answer)
{
    struct member *member = (struct member *)ask->remote;
    const struct weir_wire_txn_offset_commit_response *response = answer;
    bool is_taken = true;
    member->is_asking = false;
    for (size_t i = 0; i < response->topics_count; i++) {
        for (size_t j = 0; j < response->topics[i].partitions_count; j++) {
            int16_t error = response->topics[i].partitions[j].error_code;
            bool is_expected = error == WEIR_WIRE_NONE || is_over(error) ||
                               error == WEIR_WIRE_CONCURRENT_TRANSACTIONS ||
                               member_is_of_membership(error);
            /* The server's clock may be set back by years while they wait for the coordinator. */
            is_expected |=
                error == WEIR_WIRE_INVALID_TIMESTAMP && !remote_is_calm(&member->remote, ask);
            is_taken = is_taken && error == WEIR_WIRE_NONE;
            if (!is_expected) (void)member_excuses(member, ask, error, "TxnOffsetCommit");
        }
    }
    member->transaction.has_to_abort = !is_taken;
}

static void send_offsets(struct member *member)
{
    char id[ID_SIZE];
    struct member_transaction *transaction = &member->transaction;
    struct weir_wire_txn_offset_commit_request_txn_offset_commit_request_partition
        rows[GROUP_PARTITIONS_MAX];
    struct weir_wire_txn_offset_commit_request_txn_offset_commit_request_topic topic = {
        weir_text(member->group->topic->name), rows, (size_t)transaction->item_count};
    struct weir_wire_txn_offset_commit_request request;
    for (int i = 0; i < transaction->item_count; i++) {
        struct member_item *item = &transaction->items[i];
        struct group_event event = member_event(member, GROUP_COMMIT, item->partition);
        event.offset = item->offset;
        item->event = group_history_begin(history_of(member), &event);
        rows[i] = (struct weir_wire_txn_offset_commit_request_txn_offset_commit_request_partition){
            item->partition, item->offset, -1, weir_text("")};
    }
    weir_wire_txn_offset_commit_request_init(&request);
    request.transactional_id = weir_text(id_of(member, id));
    request.group_id = weir_text(member->group->name);
    request.producer_id = transaction->producer_id;
    request.producer_epoch = transaction->epoch;
    request.generation_id = member->self.generation;
    request.member_id = weir_text(member->self.id);
    request.group_instance_id = member_instance(member);
    request.topics = &topic;
    request.topics_count = 1;
    transaction->phase = MEMBER_TRANSACTION_OPEN;
    transaction->has_to_abort = true; /* until the answer says that all was taken */
    member_ask(member, &weir_wire_txn_offset_commit_request_type,
               &weir_wire_txn_offset_commit_response_type, OFFSETS_VERSION, &request,
               offsets_answered);
}

bool member_transaction_commit(struct member *member)
{
    struct member_transaction *transaction = &member->transaction;
    if (transaction->phase == MEMBER_TRANSACTION_CLOSED) {
        begin(member);
        return true;
    }
    if (transaction->phase != MEMBER_TRANSACTION_READY) return false;
    transaction->item_count = 0;
    for (int i = 0; i < member->item_count; i++)
        transaction->items[transaction->item_count++] = member->items[i];
    send_offsets(member);
    return true;
}

/* ---- its end --------------------------------------------------------------------------------- */

static void ended(struct remote_ask *ask, const void *answer)
{
    struct member *member = (struct member *)ask->remote;
    struct member_transaction *transaction = &member->transaction;
    const struct weir_wire_end_txn_response *response = answer;
    int16_t error = response->error_code;
    member->is_asking = false;
    if (error == WEIR_WIRE_NONE) {
        if (transaction->is_commit) end_items(member, GROUP_OK);
        transaction->phase = MEMBER_TRANSACTION_READY;
        transaction->producer_id = response->producer_id;
        transaction->epoch = response->producer_epoch;
    } else if (is_over(error)) {
        transaction->item_count = 0; /* it may have been committed before */
        transaction->phase = MEMBER_TRANSACTION_CLOSED;
    } else if (error != WEIR_WIRE_CONCURRENT_TRANSACTIONS) {
        (void)member_excuses(member, ask, error, "EndTxn");
    }
}

static void send_end(struct member *member)
{
    char id[ID_SIZE];
    struct weir_wire_end_txn_request request;
    weir_wire_end_txn_request_init(&request);
    request.transactional_id = weir_text(id_of(member, id));
    request.producer_id = member->transaction.producer_id;
    request.producer_epoch = member->transaction.epoch;
    request.committed = member->transaction.is_commit;
    member_ask(member, &weir_wire_end_txn_request_type, &weir_wire_end_txn_response_type,
               END_VERSION, &request, ended);
}

bool member_transaction_work(struct member *member)
{
    enum { ABORTS = 300, ENDS = 100 };
    struct member_transaction *transaction = &member->transaction;
    bool is_quiet = member->world->is_quiet;
    if (transaction->phase == MEMBER_TRANSACTION_OPEN &&
        (is_quiet || remote_chance(&member->remote, ENDS))) {
        bool is_commit = is_quiet || !remote_chance(&member->remote, ABORTS);
        decide(member, is_commit && !transaction->has_to_abort);
    }
    if (transaction->phase != MEMBER_TRANSACTION_ENDING) return false;
    send_end(member);
    return true;
}

void member_transaction_crash(struct member *member)
{
    struct member_transaction *transaction = &member->transaction;
    /* Of one that is ending its end may have arrived. */
    if (transaction->phase == MEMBER_TRANSACTION_OPEN) end_items(member, GROUP_REFUSED);
    transaction->item_count = 0;
    transaction->phase = MEMBER_TRANSACTION_CLOSED;
}
