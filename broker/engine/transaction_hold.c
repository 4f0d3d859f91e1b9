#include "broker/engine/transaction_hold.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/engine/engine.h"
#include "broker/engine/request.h"

struct weir_transaction_hold {
    struct weir_add_partitions_request ask; /* first; the owner's while it is out */
    struct weir_topic_partition to;         /* what it asks about, behind the struct */
    int rc;                                 /* given, of the one partition */
    struct weir_shard *shard;
    struct weir_partition *partition; /* NULL: it was given up while the question was out */
    struct weir_transaction_hold *next;
    struct weir_transaction_hold *previous;
    struct weir_produce_request *first; /* in order of arrival */
    struct weir_produce_request *last;
    weir_held_append_fn append;
    bool is_out;
    bool is_answered; /* and waits for the log */
    bool is_marked;   /* since it was asked */
    int64_t backoff_ms;
    struct weir_mono give_up_at;
    size_t retry_index; /* in the shard's heap while it waits to ask again */
};

/* ---- memory ---------------------------------------------------------------------------------- */

/* Names are copied: the partition, or the request that was the first, may be gone when the answer comes. */
static struct weir_transaction_hold *new_hold(struct weir_partition *partition,
                                              const struct weir_produce_request *produce,
                                              const struct weir_batch_header *header)
{
    struct weir_shard *shard = partition->shard;
    struct weir_slice id = produce->transactional_id;
    struct weir_slice topic = partition->topic;
    struct weir_transaction_hold *hold =
        weir_alloc_zero(shard->budget, sizeof *hold + id.size + topic.size);
    if (hold == NULL) return NULL;
    uint8_t *names = (uint8_t *)(hold + 1);
    memcpy(names, id.data, id.size);
    memcpy(names + id.size, topic.data, topic.size);
    hold->shard = shard;
    hold->partition = partition;
    hold->to =
        (struct weir_topic_partition){weir_slice(names + id.size, topic.size), partition->number};
    hold->ask.base = (struct weir_transaction_request){
        .transactional_id = weir_slice(names, id.size),
        .producer_id = header->producer_id,
        .producer_epoch = header->producer_epoch,
        .is_version_2 = produce->is_transaction_version_2,
    };
    hold->ask.partitions = &hold->to;
    hold->ask.partition_count = 1;
    hold->ask.is_verify = !produce->is_transaction_version_2;
    hold->ask.rcs = &hold->rc;
    hold->backoff_ms = WEIR_TRANSACTION_RETRY_FIRST_MS;
    hold->give_up_at = weir_mono_after_ms(weir_mono_now(shard->env), WEIR_TRANSACTION_RETRY_MAX_MS);
    return hold;
}

static void link_hold(struct weir_partition *partition, struct weir_transaction_hold *hold)
{
    hold->next = partition->holds;
    if (hold->next != NULL) hold->next->previous = hold;
    partition->holds = hold;
    partition->hold_count++;
}

/* Out of its partition's list; its requests are the caller's. It goes unless the question is out. */
static struct weir_produce_request *leave(struct weir_transaction_hold *hold)
{
    struct weir_partition *partition = hold->partition;
    struct weir_produce_request *first = hold->first;
    weir_assert(partition != NULL && partition->hold_count > 0);
    if (hold->previous != NULL) {
        hold->previous->next = hold->next;
    } else {
        weir_assert(partition->holds == hold);
        partition->holds = hold->next;
    }
    if (hold->next != NULL) hold->next->previous = hold->previous;
    partition->hold_count--;
    weir_deadline_heap_remove(&hold->shard->retries, &hold->retry_index);
    hold->partition = NULL;
    hold->first = NULL;
    if (!hold->is_out) weir_free(hold);
    return first;
}

static void hold_request(struct weir_transaction_hold *hold, struct weir_produce_request *produce)
{
    produce->next = NULL;
    *(hold->first != NULL ? &hold->last->next : &hold->first) = produce;
    hold->last = produce;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void refuse_one(struct weir_produce_request *produce, int rc, const char *text)
{
    (void)weir_error_set(&produce->request.error, (enum weir_code)rc, "%s", text);
    weir_request_reply(&produce->request, produce->acks == WEIR_ACKS_NONE ? 0 : rc);
}

static void refuse(struct weir_transaction_hold *hold, int rc, const char *text)
{
    struct weir_produce_request *produce = leave(hold);
    while (produce != NULL) {
        struct weir_produce_request *next = produce->next;
        refuse_one(produce, rc, text);
        produce = next;
    }
}

/* One behind the other, as they would have been without the question. */
static void append_all(struct weir_transaction_hold *hold)
{
    struct weir_partition *partition = hold->partition;
    weir_held_append_fn append = hold->append;
    struct weir_produce_request *produce = leave(hold);
    while (produce != NULL) {
        struct weir_produce_request *next = produce->next;
        partition->waits_for_roll =
            true; /* so that a new segment is begun within the append, and none
                                             that follows overtakes it */
        append(partition, produce);
        produce = next;
    }
}

static void answered(struct weir_request *request);

static void ask(struct weir_transaction_hold *hold)
{
    const struct weir_transaction_owner *owner = &hold->shard->engine->transactions;
    weir_assert(!hold->is_out && hold->retry_index == 0);
    hold->is_out = true;
    hold->is_marked = false;
    hold->rc = 0;
    hold->ask.base.request =
        (struct weir_request){.reply_to = hold->shard->actor, .done = answered, .context = hold};
    weir_serving_hold(&hold->shard->engine->serving); /* a close waits for the answer to be here */
    owner->ops->add_partitions(owner->impl, &hold->ask);
}

/* Not now: its transaction before is still being ended. */
static bool retry_later(struct weir_transaction_hold *hold, int rc)
{
    struct weir_mono now = weir_mono_now(hold->shard->env);
    if (rc != WEIR_CONCURRENT_TRANSACTIONS || now.ns >= hold->give_up_at.ns) return false;
    struct weir_deadline again = {weir_mono_after_ms(now, hold->backoff_ms), hold,
                                  &hold->retry_index};
    hold->backoff_ms *= 2;
    if (hold->backoff_ms > WEIR_TRANSACTION_RETRY_MS) hold->backoff_ms = WEIR_TRANSACTION_RETRY_MS;
    return weir_deadline_heap_add(&hold->shard->retries, again) == 0;
}

/* What came of the question. */
static int outcome_of(const struct weir_transaction_hold *hold)
{
    int rc = hold->ask.base.request.rc;
    return rc < 0 ? rc : hold->rc;
}

static void act(struct weir_transaction_hold *hold)
{
    int rc = outcome_of(hold);
    hold->is_answered = false;
    if (rc == 0 && hold->is_marked) {
        ask(hold);
    } else if (rc == 0) {
        append_all(hold);
    } else if (!retry_later(hold, rc)) {
        struct weir_error why = hold->ask.base.request.error; /* the hold goes first */
        refuse(hold, rc, why.text[0] != '\0' ? why.text : weir_code_text(rc));
    }
}

static void answered(struct weir_request *request)
{
    struct weir_transaction_hold *hold = request->context;
    struct weir_engine *engine = hold->shard->engine;
    struct weir_partition *partition = hold->partition;
    hold->is_out = false;
    hold->is_answered = true;
    if (partition == NULL) {
        weir_free(hold);
    } else if (partition->state == WEIR_PARTITION_OPEN) {
        act(hold);
    }
    weir_serving_release(&engine->serving);
}

static struct weir_transaction_hold *find_answered(const struct weir_partition *partition)
{
    struct weir_transaction_hold *hold = partition->holds;
    while (hold != NULL && !hold->is_answered)
        hold = hold->next;
    return hold;
}

void weir_partition_run_holds(struct weir_partition *partition)
{
    weir_assert(partition->state == WEIR_PARTITION_OPEN);
    struct weir_transaction_hold *hold;
    while ((hold = find_answered(partition)) != NULL)
        act(hold);
}

void weir_transaction_hold_retry(struct weir_transaction_hold *hold)
{
    weir_deadline_heap_remove(&hold->shard->retries, &hold->retry_index);
    ask(hold);
}

void weir_partition_refuse_holds(struct weir_partition *partition, int rc, const char *text)
{
    while (partition->holds != NULL)
        refuse(partition->holds, rc, text);
}

/* ---- the door -------------------------------------------------------------------------------- */

/* What is asked of one is the answer to another only if it would ask the same. */
static bool asks_the_same(const struct weir_transaction_hold *hold,
                          const struct weir_produce_request *produce,
                          const struct weir_batch_header *header)
{
    const struct weir_transaction_request *asked = &hold->ask.base;
    return asked->producer_id == header->producer_id &&
           asked->producer_epoch == header->producer_epoch &&
           asked->is_version_2 == produce->is_transaction_version_2 &&
           weir_slice_equal(asked->transactional_id, produce->transactional_id);
}

static struct weir_transaction_hold *find(const struct weir_partition *partition,
                                          const struct weir_produce_request *produce,
                                          const struct weir_batch_header *header)
{
    struct weir_transaction_hold *hold = partition->holds;
    while (hold != NULL && !asks_the_same(hold, produce, header))
        hold = hold->next;
    return hold;
}

void weir_transaction_hold_note_marker(struct weir_partition *partition, int64_t producer_id)
{
    struct weir_transaction_hold *hold;
    for (hold = partition->holds; hold != NULL; hold = hold->next) {
        if (hold->ask.base.producer_id == producer_id) hold->is_marked = true;
    }
}

/* An older epoch is refused by the log, which needs no answer for that. */
static bool is_open(const struct weir_partition *partition, const struct weir_batch_header *header)
{
    struct weir_open_transaction open =
        weir_partition_log_transaction(partition->log, header->producer_id);
    return open.producer_epoch > header->producer_epoch ||
           (open.first_offset >= 0 && open.producer_epoch == header->producer_epoch);
}

static struct weir_transaction_hold *add(struct weir_partition *partition,
                                         const struct weir_produce_request *produce,
                                         const struct weir_batch_header *header, int *rc_out)
{
    *rc_out = WEIR_LIMIT;
    if (partition->hold_count >= WEIR_TRANSACTION_HOLDS_MAX) return NULL;
    struct weir_transaction_hold *hold = new_hold(partition, produce, header);
    *rc_out = hold != NULL ? 0 : WEIR_NO_MEMORY;
    if (hold != NULL) link_hold(partition, hold);
    return hold;
}

bool weir_transaction_hold(struct weir_partition *partition, struct weir_produce_request *produce,
                           const struct weir_batch_header *header, weir_held_append_fn append)
{
    struct weir_transaction_hold *hold = find(partition, produce, header);
    if (hold == NULL && is_open(partition, header)) return false;
    if (partition->shard->engine->transactions.ops == NULL) {
        refuse_one(produce, WEIR_UNSUPPORTED, "there are no transactions here");
        return true;
    }
    bool is_new = hold == NULL;
    int rc = 0;
    if (is_new) hold = add(partition, produce, header, &rc);
    if (hold == NULL) {
        refuse_one(produce, rc, "hold a batch until its transaction is known");
        return true;
    }
    hold->append = append;
    hold_request(hold, produce);
    if (is_new) ask(hold);
    return true;
}
