/** A producer: batches to the partitions of one topic, several under way, retried if idempotent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/clients.h"
#include "wire/record_batch.h"

enum { IN_FLIGHT_MAX = 5, PARTITIONS_MAX = 8 };

struct producer;

enum flight_state { FLIGHT_WAITS, FLIGHT_SENT, FLIGHT_STORED };

/* One batch of one lane, from its making until it is answered for good. */
struct flight {
    struct weir_produce_request request; /* first: the answer finds its flight by it */
    struct producer *producer;
    struct lane *lane;
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

struct producer {
    struct client client; /* first */
    struct producer_options options;
    struct lane lanes[PARTITIONS_MAX];
    struct weir_init_producer_request init;
    bool is_asking_id;
    int64_t id;
    int64_t counter;
};

static struct simulation *world(const struct producer *producer)
{
    return producer->client.simulation;
}

/* ---- batches ---------------------------------------------------------------------------------- */

void put_value(uint8_t *to, int64_t value)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)((uint64_t)value >> (56 - 8 * i));
}

static void add_record(struct producer *producer, struct weir_batch_builder *builder, int64_t value,
                       int32_t partition)
{
    const struct producer_options *options = &producer->options;
    char key[16];
    uint8_t bytes[8 + 256] = {0};
    put_value(bytes, value);
    size_t padding = (size_t)simulation_draw(world(producer), options->padding_max + 1);
    struct weir_record record = {
        .value = weir_slice(bytes, 8 + padding),
        .timestamp_ms = options->shape.timestamp_ms != NULL
                            ? options->shape.timestamp_ms(value)
                            : weir_wall_now(world(producer)->env).ms,
    };
    if (options->shape.key != NULL) {
        record.key = weir_slice(key, options->shape.key(value, partition, key));
    }
    if (weir_batch_builder_add(builder, &record) < 0) abort();
}

/* The bytes are kept outside of the node, so that what is sent again is the same. */
static void build(struct producer *producer, struct flight *flight, int64_t first, int64_t count)
{
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_batch_builder builder;
    struct weir_slice bytes;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    int32_t partition = (int32_t)(flight->lane - producer->lanes);
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "batch", &heap, NULL, 0);
    weir_batch_builder_init(&builder, &budget, WEIR_CODEC_NONE, 0);
    for (int64_t i = 0; i < count; i++)
        add_record(producer, &builder, first + i, partition);
    if (producer->options.is_idempotent) {
        finish.producer_id = producer->id;
        finish.producer_epoch = 0;
        finish.base_sequence = flight->lane->sequence;
        flight->lane->sequence += (int32_t)count;
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

/* ---- answers ---------------------------------------------------------------------------------- */

static void give_up_or_retry(struct flight *flight)
{
    if (flight->producer->options.is_idempotent) {
        flight->state = FLIGHT_WAITS;
        flight->lane->is_retrying = true;
    } else {
        flight->state = FLIGHT_STORED; /* nobody knows, and nobody asks again */
    }
}

static void answered(struct weir_request *request)
{
    struct flight *flight = (struct flight *)request;
    struct simulation *simulation = world(flight->producer);
    if (weir_sim_has_crashed(simulation->sim, 0)) return; /* what a corpse says is not heard */
    weir_shared_unref(flight->request.batches);
    flight->request.batches = NULL;
    if (request->rc < 0) {
        simulation_note_code(simulation, request);
        give_up_or_retry(flight);
        return;
    }
    simulation->history.events[flight->event].offset = flight->request.base_offset;
    history_end(&simulation->history, flight->event);
    flight->lane->is_known = true;
    flight->state = FLIGHT_STORED;
}

/* ---- sending ---------------------------------------------------------------------------------- */

static enum weir_acks wire_acks(enum history_acks acks)
{
    switch (acks) {
    case HISTORY_ACKS_NONE:
        return WEIR_ACKS_NONE;
    case HISTORY_ACKS_LEADER:
        return WEIR_ACKS_LEADER;
    case HISTORY_ACKS_ALL:
        break;
    }
    return WEIR_ACKS_ALL;
}

static void send_flight(struct producer *producer, struct flight *flight)
{
    int32_t partition = (int32_t)(flight->lane - producer->lanes);
    flight->request = (struct weir_produce_request){
        .request = {.done = answered},
        .to = {weir_text(producer->options.topic), partition},
        .batches = simulation_bytes(world(producer), flight->bytes, flight->size),
        .acks = wire_acks(producer->options.acks),
    };
    flight->state = FLIGHT_SENT;
    weir_broker_produce(world(producer)->broker, &flight->request);
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

static void send_again(struct producer *producer, struct lane *lane)
{
    for (int i = 0; i < lane->count; i++) {
        if (lane->flights[i]->state == FLIGHT_SENT) return;
    }
    lane->is_retrying = false;
    for (int i = 0; i < lane->count; i++)
        send_flight(producer, lane->flights[i]);
}

static void send_new(struct producer *producer, struct lane *lane)
{
    struct simulation *simulation = world(producer);
    int64_t left = producer->options.value_count - producer->counter;
    int64_t count = 1 + simulation_draw(simulation, producer->options.records_max);
    if (count > left) count = left;
    struct flight *flight = calloc(1, sizeof *flight);
    if (flight == NULL) abort();
    flight->producer = producer;
    flight->lane = lane;
    int64_t first = history_value(producer->options.process, 1 + producer->counter);
    build(producer, flight, first, count);
    producer->counter += count;
    flight->event = history_begin(&simulation->history,
                                  &(struct history_event){
                                      .kind = HISTORY_APPEND,
                                      .acks = producer->options.acks,
                                      .process = producer->options.process,
                                      .log = producer->options.logs[lane - producer->lanes],
                                      .value = first,
                                      .count = count,
                                  });
    lane->flights[lane->count++] = flight;
    send_flight(producer, flight);
}

/* ---- the producer's id ------------------------------------------------------------------------ */

static void id_answered(struct weir_request *request)
{
    struct producer *producer = request->context;
    if (weir_sim_has_crashed(world(producer)->sim, 0)) return;
    producer->is_asking_id = false;
    simulation_note_code(world(producer), request);
    if (request->rc == 0) producer->id = producer->init.producer_id;
}

static void ask_id(struct producer *producer)
{
    if (producer->is_asking_id) return;
    producer->is_asking_id = true;
    producer->init =
        (struct weir_init_producer_request){.request = {.done = id_answered, .context = producer}};
    weir_broker_init_producer(world(producer)->broker, &producer->init);
}

/* ---- the client ------------------------------------------------------------------------------- */

static void act(struct client *client)
{
    struct producer *producer = (struct producer *)client;
    const struct producer_options *options = &producer->options;
    if (options->is_idempotent && producer->id < 0) {
        ask_id(producer);
        return;
    }
    for (int32_t i = 0; i < options->partition_count; i++) {
        struct lane *lane = &producer->lanes[i];
        drop_stored(lane);
        bool may_overtake = lane->is_known || !options->is_idempotent;
        int in_flight_max = may_overtake ? options->in_flight_max : 1;
        if (lane->is_retrying) {
            send_again(producer, lane);
        } else if (lane->count < in_flight_max && producer->counter < options->value_count &&
                   simulation_chance(client->simulation, 300)) {
            send_new(producer, lane);
        }
    }
}

static void forget(struct client *client)
{
    struct producer *producer = (struct producer *)client;
    producer->is_asking_id = false;
    for (int32_t i = 0; i < producer->options.partition_count; i++) {
        struct lane *lane = &producer->lanes[i];
        for (int j = 0; j < lane->count; j++) {
            if (lane->flights[j]->state == FLIGHT_SENT) give_up_or_retry(lane->flights[j]);
        }
    }
}

static bool is_done(const struct client *client)
{
    const struct producer *producer = (const struct producer *)client;
    if (producer->counter < producer->options.value_count) return false;
    for (int32_t i = 0; i < producer->options.partition_count; i++) {
        for (int j = 0; j < producer->lanes[i].count; j++) {
            if (producer->lanes[i].flights[j]->state != FLIGHT_STORED) return false;
        }
    }
    return true;
}

static void close_producer(struct client *client)
{
    struct producer *producer = (struct producer *)client;
    for (int32_t i = 0; i < producer->options.partition_count; i++) {
        for (int j = 0; j < producer->lanes[i].count; j++)
            free_flight(producer->lanes[i].flights[j]);
    }
    free(producer);
}

void producer_new(struct simulation *simulation, const struct producer_options *options)
{
    struct producer *producer = calloc(1, sizeof *producer);
    if (producer == NULL || options->partition_count > PARTITIONS_MAX) abort();
    producer->options = *options;
    producer->id = -1;
    producer->client =
        (struct client){.act = act, .forget = forget, .is_done = is_done, .close = close_producer};
    simulation_add(simulation, &producer->client);
}
