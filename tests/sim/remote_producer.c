/**
 * A producer over the wire, as Kafka's own: several requests under way, each with batches for one
 * or more partitions. An idempotent one sends again, in order and with the same sequences, what was
 * refused or lost with its connection, until it is stored; or it gives up all that has no answer
 * and goes on with the next epoch of its producer id, so that what it gave up and is still on its
 * way cannot get between. A plain one never sends again; with each connection it goes by another
 * name in the history, because what the old one sent may arrive behind.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/remote.h"
#include "wire/generated/init_producer_id_request.h"
#include "wire/generated/init_producer_id_response.h"
#include "wire/generated/produce_request.h"
#include "wire/generated/produce_response.h"
#include "wire/record_batch.h"

enum { IN_FLIGHT_MAX = 5, PADDING_MAX = 120, SHARES_PER_MILLE = 400 };

struct producer;

enum flight_state { FLIGHT_WAITS, FLIGHT_SENT, FLIGHT_STORED };

/* One batch of one lane, from its making until it is answered for good. */
struct flight {
    enum flight_state state;
    uint8_t *bytes;
    size_t size;
    size_t event;
};

/* What goes to one partition, in order. */
struct lane {
    struct flight *flights[IN_FLIGHT_MAX]; /* oldest first */
    int count;
    int32_t sequence;
    bool is_retrying; /* something failed: wait for all answers, then send again in order */
    bool is_known;    /* the log has taken a sequence: before that it takes any for the first */
};

/* One request: at most one flight of each lane. */
struct shipment {
    struct remote_ask ask; /* first */
    struct shipment *next;
    struct flight *flights[SERVED_PARTITIONS_MAX]; /* by partition; NULL: none */
};

struct producer {
    struct remote remote; /* first */
    struct remote_producer_options options;
    struct lane lanes[SERVED_PARTITIONS_MAX];
    struct shipment *shipments; /* under way */
    struct remote_ask init;
    bool is_asking_id;
    int16_t version;
    int64_t id;
    int16_t epoch;
    int process;
    int64_t counter;
};

static struct simulation *world(const struct producer *producer)
{
    return producer->remote.served->simulation;
}

/* ---- batches ---------------------------------------------------------------------------------- */

static enum weir_codec draw_codec(struct producer *producer)
{
    bool is_plain = remote_chance(&producer->remote, 700);
    int count = producer->version >= 7 ? WEIR_CODEC_COUNT : WEIR_CODEC_ZSTD;
    return is_plain ? WEIR_CODEC_NONE : (enum weir_codec)remote_draw(&producer->remote, count);
}

static void add_record(struct producer *producer, struct weir_batch_builder *builder, int64_t value)
{
    uint8_t bytes[8 + PADDING_MAX] = {0};
    put_value(bytes, value);
    size_t padding = (size_t)remote_draw(&producer->remote, PADDING_MAX + 1);
    struct weir_record record = {.value = weir_slice(bytes, 8 + padding),
                                 .timestamp_ms = weir_wall_now(producer->remote.env).ms};
    if (weir_batch_builder_add(builder, &record) < 0) abort();
}

/* The bytes are kept outside of any node, so that what is sent again is the same. */
static void build(struct producer *producer, struct lane *lane, struct flight *flight,
                  int64_t first, int64_t count)
{
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_batch_builder builder;
    struct weir_slice bytes;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "batch", &heap, NULL, 0);
    weir_batch_builder_init(&builder, &budget, draw_codec(producer), WEIR_CODEC_LEVEL_DEFAULT);
    for (int64_t i = 0; i < count; i++)
        add_record(producer, &builder, first + i);
    if (producer->options.is_idempotent) {
        finish.producer_id = producer->id;
        finish.producer_epoch = producer->epoch;
        finish.base_sequence = lane->sequence;
        lane->sequence += (int32_t)count;
    }
    if (weir_batch_builder_finish(&builder, &finish, &bytes) < 0) abort();
    flight->bytes = malloc(bytes.size);
    if (flight->bytes == NULL) abort();
    memcpy(flight->bytes, bytes.data, bytes.size);
    flight->size = bytes.size;
    weir_batch_builder_close(&builder);
}

static void free_flight(struct flight *flight)
{
    free(flight->bytes);
    free(flight);
}

static struct flight *new_flight(struct producer *producer, struct lane *lane)
{
    int64_t left = producer->options.value_count - producer->counter;
    int64_t count = 1 + remote_draw(&producer->remote, producer->options.records_max);
    if (count > left) count = left;
    struct flight *flight = calloc(1, sizeof *flight);
    if (flight == NULL) abort();
    int64_t first = history_value(producer->process, 1 + producer->counter);
    build(producer, lane, flight, first, count);
    producer->counter += count;
    flight->event = history_begin(&world(producer)->history,
                                  &(struct history_event){
                                      .kind = HISTORY_APPEND,
                                      .acks = producer->options.acks,
                                      .process = producer->process,
                                      .log = producer->remote.topic->logs[lane - producer->lanes],
                                      .value = first,
                                      .count = count,
                                  });
    lane->flights[lane->count++] = flight;
    return flight;
}

static void drop_stored(struct lane *lane)
{
    int kept = 0;
    for (int i = 0; i < lane->count; i++) {
        if (lane->flights[i]->state == FLIGHT_STORED) {
            free_flight(lane->flights[i]);
        } else {
            lane->flights[kept++] = lane->flights[i];
        }
    }
    lane->count = kept;
}

/* ---- answers ---------------------------------------------------------------------------------- */

/* Nobody knows; a plain producer does not ask again. */
static void leave_open(struct producer *producer, struct lane *lane, struct flight *flight)
{
    if (producer->options.is_idempotent) {
        flight->state = FLIGHT_WAITS;
        lane->is_retrying = true;
    } else {
        flight->state = FLIGHT_STORED;
    }
}

/* A sequence is out of order if the one before it failed; the oldest has none before it. */
static bool may_be_refused(const struct producer *producer, const struct lane *lane,
                           const struct flight *flight, int16_t error)
{
    return error == WEIR_WIRE_OUT_OF_ORDER_SEQUENCE_NUMBER && producer->options.is_idempotent &&
           lane->flights[0] != flight;
}

static void take_answer(struct producer *producer, struct remote_ask *ask, struct lane *lane,
                        struct flight *flight,
                        const struct weir_wire_produce_response_partition_produce_response *answer)
{
    struct history *history = &world(producer)->history;
    if (answer->error_code != WEIR_WIRE_NONE) {
        if (!may_be_refused(producer, lane, flight, answer->error_code)) {
            (void)remote_excuses(&producer->remote, ask, answer->error_code, "Produce");
        }
        leave_open(producer, lane, flight);
        return;
    }
    history->events[flight->event].offset = answer->base_offset;
    history_end(history, flight->event);
    lane->is_known = true;
    flight->state = FLIGHT_STORED;
}

static void forget_shipment(struct producer *producer, struct shipment *shipment)
{
    struct shipment **link = &producer->shipments;
    while (*link != shipment)
        link = &(*link)->next;
    *link = shipment->next;
    free(shipment);
}

static void produced(struct remote_ask *ask, const void *answer)
{
    struct shipment *shipment = (struct shipment *)ask;
    struct producer *producer = (struct producer *)ask->remote;
    const struct weir_wire_produce_response *response = answer;
    bool has_topic = response->responses_count == 1;
    size_t count = has_topic ? response->responses->partition_responses_count : 0;
    for (size_t i = 0; i < count; i++) {
        const struct weir_wire_produce_response_partition_produce_response *partition =
            &response->responses->partition_responses[i];
        int32_t index = partition->index;
        bool is_ours = index >= 0 && index < producer->remote.topic->partition_count &&
                       shipment->flights[index] != NULL;
        if (!is_ours) {
            simulation_fail(world(producer), "wrong-answer", "Produce for partition %d, unasked",
                            (int)index);
            return;
        }
        take_answer(producer, ask, &producer->lanes[index], shipment->flights[index], partition);
        shipment->flights[index] = NULL;
    }
    for (int i = 0; i < SERVED_PARTITIONS_MAX; i++) {
        if (shipment->flights[i] == NULL) continue;
        simulation_fail(world(producer), "wrong-answer", "Produce without partition %d", i);
    }
    forget_shipment(producer, shipment);
}

/* acks=0: the bytes are on their way, and that is all that is ever known. */
static void sent(struct remote_ask *ask, const void *answer)
{
    struct shipment *shipment = (struct shipment *)ask;
    struct producer *producer = (struct producer *)ask->remote;
    (void)answer;
    for (int i = 0; i < SERVED_PARTITIONS_MAX; i++) {
        if (shipment->flights[i] != NULL) shipment->flights[i]->state = FLIGHT_STORED;
    }
    forget_shipment(producer, shipment);
}

/* ---- sending ---------------------------------------------------------------------------------- */

static struct shipment *new_shipment(struct producer *producer)
{
    struct shipment *shipment = calloc(1, sizeof *shipment);
    if (shipment == NULL) abort();
    shipment->next = producer->shipments;
    producer->shipments = shipment;
    return shipment;
}

static int16_t wire_acks(enum history_acks acks)
{
    switch (acks) {
    case HISTORY_ACKS_NONE:
        return 0;
    case HISTORY_ACKS_LEADER:
        return 1;
    case HISTORY_ACKS_ALL:
        break;
    }
    return -1;
}

static void send_shipment(struct producer *producer, struct shipment *shipment)
{
    struct weir_wire_produce_request_partition_produce_data partitions[SERVED_PARTITIONS_MAX];
    struct weir_wire_produce_request_topic_produce_data topic = {
        .name = weir_text(producer->remote.topic->name),
        .topic_id = producer->remote.topic_id,
        .partition_data = partitions,
    };
    struct weir_wire_produce_request request;
    bool is_answered = producer->options.acks != HISTORY_ACKS_NONE;
    for (int i = 0; i < SERVED_PARTITIONS_MAX; i++) {
        struct flight *flight = shipment->flights[i];
        if (flight == NULL) continue;
        flight->state = FLIGHT_SENT;
        partitions[topic.partition_data_count++] =
            (struct weir_wire_produce_request_partition_produce_data){
                .index = i, .records = weir_slice(flight->bytes, flight->size)};
    }
    weir_wire_produce_request_init(&request);
    request.acks = wire_acks(producer->options.acks);
    request.timeout_ms = 1000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    shipment->ask.answered = is_answered ? produced : sent;
    remote_send(&producer->remote, &shipment->ask, &weir_wire_produce_request_type,
                is_answered ? &weir_wire_produce_response_type : NULL, producer->version, &request);
}

static void send_again(struct producer *producer, struct lane *lane)
{
    for (int i = 0; i < lane->count; i++) {
        if (lane->flights[i]->state == FLIGHT_SENT) return;
    }
    lane->is_retrying = false;
    for (int i = 0; i < lane->count; i++) {
        struct shipment *shipment = new_shipment(producer);
        shipment->flights[lane - producer->lanes] = lane->flights[i];
        send_shipment(producer, shipment);
    }
}

static bool may_send_new(struct producer *producer, const struct lane *lane)
{
    bool may_overtake = lane->is_known || !producer->options.is_idempotent;
    int in_flight_max = may_overtake ? producer->options.in_flight_max : 1;
    return lane->count < in_flight_max && producer->counter < producer->options.value_count &&
           remote_chance(&producer->remote, 500);
}

/* New batches go each in a request of its own, or together. */
static void send_all(struct producer *producer)
{
    bool is_shared = remote_chance(&producer->remote, SHARES_PER_MILLE);
    struct shipment *shipment = NULL;
    for (int32_t i = 0; i < producer->remote.topic->partition_count; i++) {
        struct lane *lane = &producer->lanes[i];
        drop_stored(lane);
        if (lane->is_retrying) {
            send_again(producer, lane);
        } else if (may_send_new(producer, lane)) {
            if (shipment == NULL) shipment = new_shipment(producer);
            shipment->flights[i] = new_flight(producer, lane);
            if (is_shared) continue;
            send_shipment(producer, shipment);
            shipment = NULL;
        }
    }
    if (shipment != NULL) send_shipment(producer, shipment);
}

/* ---- the producer's id ------------------------------------------------------------------------ */

static void id_answered(struct remote_ask *ask, const void *answer)
{
    struct producer *producer = (struct producer *)ask->remote;
    const struct weir_wire_init_producer_id_response *response = answer;
    producer->is_asking_id = false;
    if (response->error_code != WEIR_WIRE_NONE) {
        (void)remote_excuses(&producer->remote, ask, response->error_code, "InitProducerId");
        return;
    }
    producer->id = response->producer_id;
    producer->epoch = response->producer_epoch;
}

static void ask_id(struct producer *producer)
{
    struct weir_wire_init_producer_id_request request;
    if (producer->is_asking_id) return;
    producer->is_asking_id = true;
    weir_wire_init_producer_id_request_init(&request);
    request.transactional_id = weir_null();
    request.transaction_timeout_ms = INT32_MAX;
    producer->init.answered = id_answered;
    int16_t version =
        remote_draw_version(&producer->remote, &weir_wire_init_producer_id_request_type, 0);
    remote_send(&producer->remote, &producer->init, &weir_wire_init_producer_id_request_type,
                &weir_wire_init_producer_id_response_type, version, &request);
}

/* All that has no answer will never have one: the next epoch begins at sequence 0. */
static void bump_epoch(struct producer *producer)
{
    producer->epoch++;
    for (int32_t i = 0; i < producer->remote.topic->partition_count; i++) {
        struct lane *lane = &producer->lanes[i];
        for (int j = 0; j < lane->count; j++)
            lane->flights[j]->state = FLIGHT_STORED;
        drop_stored(lane);
        lane->is_retrying = false;
        lane->sequence = 0;
    }
}

/* ---- the client ------------------------------------------------------------------------------- */

static void ready(struct remote *remote)
{
    struct producer *producer = (struct producer *)remote;
    if (!producer->options.is_idempotent) producer->process = served_process(remote->served);
}

static void lost(struct remote *remote)
{
    struct producer *producer = (struct producer *)remote;
    producer->is_asking_id = false;
    while (producer->shipments != NULL)
        forget_shipment(producer, producer->shipments);
    for (int32_t i = 0; i < remote->topic->partition_count; i++) {
        struct lane *lane = &producer->lanes[i];
        for (int j = 0; j < lane->count; j++) {
            if (lane->flights[j]->state == FLIGHT_SENT) {
                leave_open(producer, lane, lane->flights[j]);
            }
        }
    }
    bool has_id = producer->options.is_idempotent && producer->id >= 0;
    if (has_id && remote_chance(remote, 150)) bump_epoch(producer);
}

static void act(struct remote *remote)
{
    struct producer *producer = (struct producer *)remote;
    if (producer->options.is_idempotent && producer->id < 0) {
        ask_id(producer);
    } else {
        send_all(producer);
    }
}

static const struct remote_ops producer_ops = {
    .ready = ready,
    .lost = lost,
    .act = act,
};

static bool is_done(const struct client *client)
{
    const struct producer *producer = (const struct producer *)client;
    if (producer->counter < producer->options.value_count) return false;
    for (int32_t i = 0; i < producer->remote.topic->partition_count; i++) {
        for (int j = 0; j < producer->lanes[i].count; j++) {
            if (producer->lanes[i].flights[j]->state != FLIGHT_STORED) return false;
        }
    }
    return true;
}

static void close_producer(struct client *client)
{
    struct producer *producer = (struct producer *)client;
    for (int i = 0; i < SERVED_PARTITIONS_MAX; i++) {
        for (int j = 0; j < producer->lanes[i].count; j++)
            free_flight(producer->lanes[i].flights[j]);
    }
    while (producer->shipments != NULL)
        forget_shipment(producer, producer->shipments);
    free(producer);
}

void remote_producer_new(struct served *served, struct served_topic *topic,
                         const struct remote_producer_options *options)
{
    struct producer *producer = calloc(1, sizeof *producer);
    if (producer == NULL) abort();
    producer->options = *options;
    producer->id = -1;
    producer->process = served_process(served);
    producer->remote.topic = topic;
    producer->remote.client = (struct client){.is_done = is_done, .close = close_producer};
    remote_start(&producer->remote, served, &producer_ops);
    producer->version = remote_draw_version(&producer->remote, &weir_wire_produce_request_type, 0);
}
