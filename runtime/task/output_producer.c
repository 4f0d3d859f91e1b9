#include "runtime/task/output_producer.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "base/grow.h"
#include "wire/record_batch.h"

/**
 * Sequences of a partition, whoever of the threads sends. A batch that is given up leaves a hole where it was;
 * what was numbered behind it has been refused by the log, which takes none out of order, and is numbered anew when
 * it is sent again:
 *
 *     numbered    0..9   10..19   20..24          sent again    10..19 given up, so 20..24 as 10..14
 */
struct hole {
    int32_t from;
    int32_t count;
};

struct weir_producer_slot {
    atomic_flag is_held;
    bool is_known;  /* the log has a batch of this producer: it takes none out of order any more */
    int64_t number; /* of the epoch that `next_sequence` is of */
    int32_t next_sequence;
    size_t in_flight;   /* sent and not answered */
    size_t unsettled;   /* numbered, and neither stored nor given up */
    struct hole *holes; /* since all before were settled */
    size_t hole_count;
    size_t hole_capacity;
};

static struct weir_producer_slot *hold(const struct weir_output_producer *producer, size_t topic,
                                       int32_t partition)
{
    weir_assert(topic < producer->topic_count && producer->slots[topic] != NULL);
    weir_assert(partition >= 0 && partition < producer->topics[topic].partition_count);
    struct weir_producer_slot *slot = &producer->slots[topic][partition];
    while (atomic_flag_test_and_set_explicit(&slot->is_held, memory_order_acquire)) {
    }
    return slot;
}

static void let_go(struct weir_producer_slot *slot)
{
    atomic_flag_clear_explicit(&slot->is_held, memory_order_release);
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct weir_producer_slot *slots_new(struct weir_budget *budget, int32_t count)
{
    struct weir_producer_slot *slots = weir_alloc_zero(budget, (size_t)count * sizeof *slots);
    for (int32_t i = 0; slots != NULL && i < count; i++) {
        atomic_flag_clear(&slots[i].is_held);
    }
    return slots;
}

int weir_output_producer_open(struct weir_output_producer *producer, struct weir_budget *budget,
                              const char *transactional_id, const struct weir_job_topic *topics,
                              size_t topic_count)
{
    weir_assert(producer->slots == NULL);
    *producer = (struct weir_output_producer){
        .budget = budget,
        .transactional_id = transactional_id,
        .topics = topics,
        .topic_count = topic_count,
        .id = WEIR_NO_PRODUCER_ID,
        .epoch = WEIR_NO_PRODUCER_EPOCH,
        .slots = weir_alloc_zero(budget, (topic_count + 1) * sizeof *producer->slots),
    };
    int rc = producer->slots != NULL ? 0 : WEIR_NO_MEMORY;
    for (size_t t = 0; rc == 0 && t < topic_count; t++) {
        if (topics[t].name == NULL || topics[t].partition_count <= 0) continue;
        producer->slots[t] = slots_new(budget, topics[t].partition_count);
        if (producer->slots[t] == NULL) rc = WEIR_NO_MEMORY;
    }
    if (rc < 0) weir_output_producer_close(producer);
    return rc;
}

void weir_output_producer_close(struct weir_output_producer *producer)
{
    for (size_t t = 0; producer->slots != NULL && t < producer->topic_count; t++) {
        struct weir_producer_slot *slots = producer->slots[t];
        for (int32_t p = 0; slots != NULL && p < producer->topics[t].partition_count; p++) {
            weir_free(slots[p].holes);
        }
        weir_free(slots);
    }
    weir_free(producer->slots);
    *producer = (struct weir_output_producer){0};
}

void weir_output_producer_begin(struct weir_output_producer *producer, int64_t id, int16_t epoch)
{
    weir_assert(id >= 0 && epoch >= 0);
    producer->id = id;
    producer->epoch = epoch;
    producer->number++;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Sequences go round behind INT32_MAX, so that behind is less than half the way round. */
static bool is_behind(int32_t sequence, int32_t from)
{
    return sequence != from && (((uint32_t)sequence - (uint32_t)from) & INT32_MAX) < 1U << 30;
}

static int32_t moved_up(int32_t sequence, int32_t count)
{
    return (int32_t)(((uint32_t)sequence - (uint32_t)count) & INT32_MAX);
}

static void move_up(const struct weir_producer_slot *slot, struct weir_output_place *place)
{
    for (; place->moved < slot->hole_count; place->moved++) {
        const struct hole *hole = &slot->holes[place->moved];
        if (is_behind(place->sequence, hole->from)) {
            place->sequence = moved_up(place->sequence, hole->count);
        }
    }
}

static void number(const struct weir_output_producer *producer, struct weir_producer_slot *slot,
                   int64_t record_count, struct weir_output_place *place)
{
    if (place->is_numbered) {
        weir_assert(slot->number == producer->number);
        move_up(slot, place);
        return;
    }
    if (slot->number != producer->number) {
        weir_assert(slot->unsettled == 0);
        slot->number = producer->number;
        slot->next_sequence = 0;
    }
    *place = (struct weir_output_place){slot->next_sequence, slot->hole_count, true};
    slot->next_sequence = weir_sequence_add(slot->next_sequence, (int32_t)record_count);
    slot->unsettled++;
}

void weir_output_producer_send(struct weir_output_producer *producer, struct weir_log *log,
                               size_t topic, int64_t record_count, struct weir_output_place *place,
                               struct weir_produce_request *produce)
{
    const bool is_transactional = producer->transactional_id != NULL;
    struct weir_producer_slot *slot = hold(producer, topic, produce->to.partition);
    weir_assert(producer->number > 0);
    number(producer, slot, record_count, place);
    const struct weir_batch_producer whose = {producer->id, producer->epoch, place->sequence,
                                              is_transactional};
    weir_batch_set_producer(produce->batches->data, produce->batches->size, &whose);
    produce->transactional_id =
        is_transactional ? weir_text(producer->transactional_id) : weir_null();
    produce->is_transaction_version_2 = is_transactional;
    slot->in_flight++;
    weir_log_produce(log, produce);
    let_go(slot);
}

void weir_output_producer_answered(struct weir_output_producer *producer, size_t topic,
                                   int32_t partition)
{
    struct weir_producer_slot *slot = hold(producer, topic, partition);
    weir_assert(slot->in_flight > 0);
    slot->in_flight--;
    let_go(slot);
}

bool weir_output_producer_may_resend(struct weir_output_producer *producer, size_t topic,
                                     int32_t partition)
{
    struct weir_producer_slot *slot = hold(producer, topic, partition);
    bool may = slot->is_known || slot->in_flight == 0;
    let_go(slot);
    return may;
}

static void settle(struct weir_producer_slot *slot)
{
    weir_assert(slot->unsettled > 0);
    slot->unsettled--;
    if (slot->unsettled == 0) slot->hole_count = 0; /* nobody is left who would move up */
}

void weir_output_producer_stored(struct weir_output_producer *producer, size_t topic,
                                 int32_t partition)
{
    struct weir_producer_slot *slot = hold(producer, topic, partition);
    slot->is_known = true;
    settle(slot);
    let_go(slot);
}

static int add_hole(struct weir_output_producer *producer, struct weir_producer_slot *slot,
                    struct hole hole)
{
    if (slot->hole_count == slot->hole_capacity) {
        size_t capacity = weir_grown(slot->hole_capacity, 4);
        struct hole *grown = weir_realloc(producer->budget, slot->holes, capacity * sizeof *grown);
        if (grown == NULL) return WEIR_NO_MEMORY;
        slot->holes = grown;
        slot->hole_capacity = capacity;
    }
    slot->holes[slot->hole_count++] = hole;
    slot->next_sequence = moved_up(slot->next_sequence, hole.count);
    return 0;
}

int weir_output_producer_given_up(struct weir_output_producer *producer, size_t topic,
                                  int32_t partition, int64_t record_count,
                                  const struct weir_output_place *place)
{
    struct weir_producer_slot *slot = hold(producer, topic, partition);
    struct weir_output_place at = *place;
    move_up(slot, &at);
    int rc = add_hole(producer, slot, (struct hole){at.sequence, (int32_t)record_count});
    if (rc == 0) settle(slot);
    let_go(slot);
    return rc;
}

size_t weir_output_producer_partitions(const struct weir_output_producer *producer,
                                       struct weir_topic_partition *to)
{
    size_t count = 0;
    for (size_t t = 0; t < producer->topic_count; t++) {
        const struct weir_producer_slot *slots = producer->slots[t];
        for (int32_t p = 0; slots != NULL && p < producer->topics[t].partition_count; p++) {
            if (slots[p].number == 0 || slots[p].number != producer->number) continue;
            if (to != NULL) {
                to[count] = (struct weir_topic_partition){weir_text(producer->topics[t].name), p};
            }
            count++;
        }
    }
    return count;
}
