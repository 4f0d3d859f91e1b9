#include "client/producer_step.h"

#include "base/assert.h"
#include "base/state_table.h"
#include "weir/error.h"
#include "wire/record_batch.h"

/**
 * A turn submits from the front of the queue, as many as may be on their way (five; one before the first
 * was accepted, or without sequences), and stops at a batch whose retry is not due yet: nothing
 * overtakes it. An answer takes its batch out of the queue or makes it ready again, in its place.
 *
 * Behind a hole nothing is sent until all that is on its way has answered. Then the epoch is raised and the
 * queue numbered anew; at the last epoch all of it fails. In a transaction all of it fails at once.
 */
enum {
    DELIVERY_TIMEOUT_MS = 120000, /* delivery.timeout.ms */
    RETRY_BACKOFF_MS = 100,       /* retry.backoff.ms */
};

#define TO(state) WEIR_STATE_BIT(WEIR_BATCH_##state)
static const struct weir_state_row rows[] = {
    [WEIR_BATCH_FREE] = {"free", TO(OPEN)},
    [WEIR_BATCH_OPEN] = {"open", TO(READY) | TO(DONE) | TO(FREE)},
    [WEIR_BATCH_READY] = {"ready", TO(IN_FLIGHT) | TO(DONE)},
    [WEIR_BATCH_IN_FLIGHT] = {"in flight", TO(READY) | TO(DONE)},
    [WEIR_BATCH_DONE] = {"done", TO(FREE)},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("producer batch for topic", rows);

void weir_producer_batch_move(struct weir_queued_batch *batch, const char *topic,
                              enum weir_producer_batch_state state)
{
    batch->state = weir_state_move(&states, topic, batch->state, state);
}

void weir_producer_queue_check(const struct weir_producer_queue *queue)
{
    weir_assert((queue->first == NULL) == (queue->last == NULL));
    weir_assert(queue->last == NULL || queue->last->next == NULL);
    weir_assert(queue->in_flight >= 0 && queue->in_flight <= WEIR_PRODUCER_IN_FLIGHT_MAX);
    weir_assert(queue->in_flight == 0 || queue->first != NULL);
    weir_assert(queue->is_idempotent || !queue->has_hole);
    weir_assert(!queue->is_transactional || (queue->is_idempotent && !queue->has_hole));
    weir_assert(queue->is_transactional || queue->failure == 0);
}

/* ---- the queue ------------------------------------------------------------------------------- */

static int32_t take_sequence(struct weir_producer_queue *queue, int32_t record_count)
{
    int32_t sequence = queue->next_sequence;
    weir_assert(queue->is_idempotent && record_count > 0);
    queue->next_sequence = weir_sequence_add(sequence, record_count);
    return sequence;
}

static void seal(struct weir_producer_queue *queue, struct weir_queued_batch *batch,
                 struct weir_mono now)
{
    weir_assert(batch->state == WEIR_BATCH_OPEN && batch->record_count > 0);
    weir_producer_batch_move(batch, queue->topic, WEIR_BATCH_READY);
    batch->number = queue->next_number++;
    batch->sequence = queue->is_idempotent ? take_sequence(queue, batch->record_count) : 0;
    batch->retry_at = (struct weir_mono){0};
    batch->expires = weir_mono_after_ms(now, DELIVERY_TIMEOUT_MS);
    batch->next = NULL;
    if (queue->last != NULL) {
        queue->last->next = batch;
    } else {
        queue->first = batch;
    }
    queue->last = batch;
}

static void remove(struct weir_producer_queue *queue, struct weir_queued_batch *batch)
{
    struct weir_queued_batch *before = NULL;
    struct weir_queued_batch **at = &queue->first;
    while (*at != batch) {
        before = *at;
        at = &before->next;
        weir_assert(*at != NULL);
    }
    *at = batch->next;
    if (queue->last == batch) queue->last = before;
    batch->next = NULL;
}

/* ---- out ------------------------------------------------------------------------------------- */

static int in_flight_max(const struct weir_producer_queue *queue)
{
    if (!queue->is_answered) return WEIR_PRODUCER_IN_FLIGHT_MAX; /* nothing is sent twice */
    return queue->is_idempotent && queue->was_accepted ? WEIR_PRODUCER_IN_FLIGHT_MAX : 1;
}

/* Close the hole that a failed batch left: a higher epoch starts from sequence 0. What waits here
 * was refused or never sent. */
static void raise_epoch(struct weir_producer_queue *queue, struct weir_producer_update *update)
{
    weir_assert(queue->has_hole && queue->in_flight == 0 && queue->epoch < INT16_MAX);
    queue->epoch++;
    queue->next_sequence = 0;
    queue->has_hole = false;
    queue->was_accepted = false;
    for (struct weir_queued_batch *batch = queue->first; batch != NULL; batch = batch->next) {
        batch->sequence = take_sequence(queue, batch->record_count);
    }
    update->renumbers = true;
}

static void fail_all(struct weir_producer_queue *queue, int rc, struct weir_producer_update *update)
{
    weir_assert(queue->in_flight == 0); /* none is still to be answered */
    update->over = queue->first;
    update->rc = rc;
    for (struct weir_queued_batch *batch = queue->first; batch != NULL; batch = batch->next) {
        weir_producer_batch_move(batch, queue->topic, WEIR_BATCH_DONE);
    }
    queue->first = NULL;
    queue->last = NULL;
}

static void submit_ready(struct weir_producer_queue *queue, struct weir_mono now,
                         struct weir_producer_update *update)
{
    weir_assert(!queue->has_hole); /* behind one nothing is sent */
    int room = in_flight_max(queue) - queue->in_flight;
    for (struct weir_queued_batch *batch = queue->first; batch != NULL && room > 0;
         batch = batch->next) {
        if (batch->number - queue->first->number >= WEIR_PRODUCER_IN_FLIGHT_MAX) return;
        if (batch->state == WEIR_BATCH_IN_FLIGHT) continue;
        if (batch->retry_at.ns > now.ns) return;
        weir_producer_batch_move(batch, queue->topic, WEIR_BATCH_IN_FLIGHT);
        weir_assert(update->submit_count < WEIR_PRODUCER_IN_FLIGHT_MAX);
        update->submits[update->submit_count++] = batch;
        queue->in_flight++;
        room--;
    }
}

static void turn(struct weir_producer_queue *queue, struct weir_mono now,
                 struct weir_producer_update *update)
{
    bool is_broken = queue->has_hole || queue->failure != 0;
    if (is_broken && queue->in_flight > 0) return;
    if (queue->failure != 0) {
        fail_all(queue, queue->failure, update);
        return;
    }
    if (queue->has_hole) {
        if (queue->epoch == INT16_MAX) {
            /* 32767 batches of this partition have failed for good: there is no higher epoch. */
            fail_all(queue, WEIR_PRODUCER_FENCED, update);
            return;
        }
        raise_epoch(queue, update);
    }
    submit_ready(queue, now, update);
}

/* ---- back ------------------------------------------------------------------------------------ */

/* Again with the same sequence? A batch behind one that was refused is out of order itself, and its
 * turn comes when that one's fate is known. */
static bool may_retry(const struct weir_producer_queue *queue,
                      const struct weir_queued_batch *batch, int rc, struct weir_mono now)
{
    if (!queue->is_answered || now.ns >= batch->expires.ns) return false;
    if (queue->failure != 0) return false;
    if (weir_code_action(rc) == WEIR_ACTION_RETRY) return true;
    return rc == WEIR_OUT_OF_ORDER_SEQUENCE && (queue->first != batch || queue->has_hole);
}

static void answered(struct weir_producer_queue *queue, const struct weir_producer_event *event,
                     struct weir_producer_update *update)
{
    struct weir_queued_batch *batch = event->batch;
    weir_assert(batch->state == WEIR_BATCH_IN_FLIGHT && queue->in_flight > 0);
    queue->in_flight--;
    if (event->rc < 0 && may_retry(queue, batch, event->rc, event->now)) {
        bool waits = weir_code_action(event->rc) == WEIR_ACTION_RETRY;
        batch->retry_at = waits ? weir_mono_after_ms(event->now, RETRY_BACKOFF_MS) : event->now;
        weir_producer_batch_move(batch, queue->topic, WEIR_BATCH_READY);
        return;
    }
    if (event->rc >= 0) queue->was_accepted = true;
    if (event->rc < 0 && queue->is_transactional) {
        if (queue->failure == 0) queue->failure = event->rc;
    } else if (event->rc < 0 && queue->is_idempotent) {
        queue->has_hole = true;
    }
    remove(queue, batch);
    weir_producer_batch_move(batch, queue->topic, WEIR_BATCH_DONE);
    update->over = batch;
    update->rc = event->rc;
}

/* ---- transactions ---------------------------------------------------------------------------- */

static void fail(struct weir_producer_queue *queue, int rc)
{
    weir_assert(queue->is_transactional && rc < 0);
    if (queue->failure == 0) queue->failure = rc;
}

/* Sequences begin anew with each epoch, and so does what the log knows of them. */
static void renew(struct weir_producer_queue *queue, int16_t epoch)
{
    weir_assert(queue->is_transactional && epoch >= 0);
    weir_assert(queue->first == NULL && queue->in_flight == 0);
    queue->epoch = epoch;
    queue->next_sequence = 0;
    queue->was_accepted = false;
    queue->failure = 0;
}

void weir_producer_step(struct weir_producer_queue *queue, const struct weir_producer_event *event,
                        struct weir_producer_update *update)
{
    weir_producer_queue_check(queue);
    update->renumbers = false;
    update->submit_count = 0; /* those behind it are not looked at */
    update->over = NULL;
    update->rc = 0;
    switch (event->type) {
    case WEIR_PRODUCER_SEALED:
        seal(queue, event->batch, event->now);
        break;
    case WEIR_PRODUCER_TURN:
        turn(queue, event->now, update);
        break;
    case WEIR_PRODUCER_ANSWERED:
        answered(queue, event, update);
        break;
    case WEIR_PRODUCER_FAILED:
        fail(queue, event->rc);
        break;
    case WEIR_PRODUCER_RENEWED:
        renew(queue, event->epoch);
        break;
    }
    weir_producer_queue_check(queue);
}

/* With something in flight its answer comes first, and moves the queue by itself. */
struct weir_mono weir_producer_queue_due(const struct weir_producer_queue *queue)
{
    if (queue->first == NULL || queue->in_flight > 0) return WEIR_MONO_NEVER;
    return queue->first->retry_at;
}
