/** A transactional writer: batches to the partitions of one topic, some under way, then a decision and its markers; what it
 * has given up on may still arrive. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/clients.h"
#include "tests/sim/ledger.h"

enum { IN_FLIGHT_MAX = 3, FIRST_ID = 5000 };

struct writer;
struct lane;

enum flight_state { FLIGHT_WAITS, FLIGHT_SENT, FLIGHT_STORED };

struct flight {
    struct weir_produce_request request; /* first */
    struct writer *writer;
    struct lane *lane; /* NULL: given up */
    struct flight *next;
    enum flight_state state;
    uint8_t *bytes;
    size_t size;
    int transaction;
    int32_t partition;
    int64_t first; /* value */
    int count;
};

struct lane {
    struct flight *flights[IN_FLIGHT_MAX]; /* oldest first */
    int count;
    int32_t sequence;
    bool is_retrying;
    bool is_known; /* the log has taken a sequence */
};

enum marker_state { MARKER_NONE, MARKER_WAITS, MARKER_SENT, MARKER_WRITTEN };

struct marker {
    struct weir_write_marker_request request; /* first */
    struct writer *writer;
    int32_t partition;
    enum marker_state state;
};

enum writer_state { WRITER_IDLE, WRITER_WRITING, WRITER_ENDING };

struct writer {
    struct client client; /* first */
    struct ledger *ledger;
    struct writer_options options;
    enum writer_state state;
    int64_t id;
    int16_t epoch;
    int32_t coordinator_epoch;
    int transaction;
    int transactions_left;
    int records_left;
    struct lane lanes[LEDGER_PARTITIONS];
    struct marker markers[LEDGER_PARTITIONS];
    struct flight *given_up;
};

static struct simulation *world(const struct writer *writer)
{
    return writer->client.simulation;
}

static struct ledger_transaction *current(const struct writer *writer)
{
    return &writer->ledger->transactions[writer->transaction];
}

/* ---- batches --------------------------------------------------------------------------------- */

/* Outside of the node, so that what is sent again is the same. */
static void build(struct writer *writer, struct flight *flight)
{
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_batch_builder builder;
    struct weir_slice bytes;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "batch", &heap, NULL, 0);
    weir_batch_builder_init(&builder, &budget, WEIR_CODEC_NONE, 0);
    for (int i = 0; i < flight->count; i++) {
        uint8_t value[8 + 64] = {0};
        char key = (char)('a' + (flight->first + i) % LEDGER_KEYS);
        put_value(value, flight->first + i);
        size_t padding = (size_t)simulation_draw(world(writer), 64);
        struct weir_record record = {.key = weir_slice(&key, 1),
                                     .value = weir_slice(value, 8 + padding),
                                     .timestamp_ms = weir_wall_now(world(writer)->env).ms};
        if (weir_batch_builder_add(&builder, &record) < 0) abort();
    }
    finish.producer_id = writer->id;
    finish.producer_epoch = writer->epoch;
    finish.base_sequence = flight->lane->sequence;
    finish.is_transactional = !writer->options.is_plain;
    flight->lane->sequence += flight->count;
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

static void note_stored(struct flight *flight)
{
    struct ledger *ledger = flight->writer->ledger;
    int64_t base = flight->request.base_offset;
    int64_t *first = &ledger->transactions[flight->transaction].at[flight->partition].first_offset;
    if (*first < 0 || base < *first) *first = base;
    for (int i = 0; i < flight->count; i++)
        (void)ledger_place(ledger, flight->first + i, flight->partition, base + i);
}

/* Out of the list of those that were given up. */
static void drop_given_up(struct flight *flight)
{
    struct flight **at = &flight->writer->given_up;
    while (*at != flight)
        at = &(*at)->next;
    *at = flight->next;
    free_flight(flight);
}

/* A batch of the transaction that is open: there is nobody who may refuse it for good. */
static bool may_be_refused(const struct simulation *simulation, int rc)
{
    return simulation_excuses(simulation, rc) || rc == WEIR_OUT_OF_ORDER_SEQUENCE ||
           rc == WEIR_CONCURRENT_TRANSACTIONS;
}

static void answered(struct weir_request *request)
{
    struct flight *flight = (struct flight *)request;
    struct simulation *simulation = world(flight->writer);
    if (weir_sim_has_crashed(simulation->sim, 0)) return;
    weir_shared_unref(flight->request.batches);
    flight->request.batches = NULL;
    simulation_note_code(simulation, request);
    if (flight->lane == NULL) {
        drop_given_up(flight);
        return;
    }
    if (request->rc == 0) {
        flight->lane->is_known = true;
        flight->state = FLIGHT_STORED;
        note_stored(flight);
        return;
    }
    if (!may_be_refused(simulation, request->rc)) {
        simulation_fail(simulation, "refused", "writer %d epoch %d: %s",
                        flight->writer->options.process, flight->writer->epoch,
                        request->error.text);
    }
    flight->state = FLIGHT_WAITS;
    flight->lane->is_retrying = true;
}

static void send_flight(struct writer *writer, struct flight *flight)
{
    flight->request = (struct weir_produce_request){
        .request = {.done = answered},
        .to = {weir_text(writer->ledger->topic), flight->partition},
        .batches = simulation_bytes(world(writer), flight->bytes, flight->size),
        .acks = WEIR_ACKS_ALL,
        .walk_records = true,
        .transactional_id = writer->options.is_plain ? weir_null() : weir_text("writer"),
        .is_transaction_version_2 = writer->options.is_version_2,
    };
    flight->state = FLIGHT_SENT;
    weir_broker_produce(world(writer)->broker, &flight->request);
}

static struct flight *make_flight(struct writer *writer, struct lane *lane)
{
    struct flight *flight = calloc(1, sizeof *flight);
    if (flight == NULL) abort();
    flight->writer = writer;
    flight->lane = lane;
    flight->partition = (int32_t)(lane - writer->lanes);
    flight->transaction = writer->transaction;
    flight->count = 1 + (int)simulation_draw(world(writer), 3);
    flight->first = ledger_add(writer->ledger, writer->transaction, flight->partition);
    for (int i = 1; i < flight->count; i++)
        (void)ledger_add(writer->ledger, writer->transaction, flight->partition);
    build(writer, flight);
    writer->records_left--;
    lane->flights[lane->count++] = flight;
    return flight;
}

/* Now and then two at once, and the younger overtakes: it has to wait for the older one. */
static void send_new(struct writer *writer, struct lane *lane)
{
    struct flight *flight = make_flight(writer, lane);
    bool may_overtake = lane->is_known && lane->count < writer->options.in_flight_max;
    if (may_overtake && writer->records_left > 0 && simulation_chance(world(writer), 100)) {
        send_flight(writer, make_flight(writer, lane));
    }
    send_flight(writer, flight);
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

static void send_again(struct writer *writer, struct lane *lane)
{
    for (int i = 0; i < lane->count; i++) {
        if (lane->flights[i]->state == FLIGHT_SENT) return;
    }
    lane->is_retrying = false;
    for (int i = 0; i < lane->count; i++)
        send_flight(writer, lane->flights[i]);
}

/* Nobody waits for it any more; where it is on its way it may still arrive. */
static void give_up(struct writer *writer, struct lane *lane)
{
    for (int i = 0; i < lane->count; i++) {
        struct flight *flight = lane->flights[i];
        if (flight->state != FLIGHT_SENT) {
            free_flight(flight);
            continue;
        }
        flight->lane = NULL;
        flight->next = writer->given_up;
        writer->given_up = flight;
    }
    lane->count = 0;
    lane->is_retrying = false;
}

/* ---- the end of a transaction ---------------------------------------------------------------- */

static void marked(struct weir_request *request)
{
    struct marker *marker = (struct marker *)request;
    struct writer *writer = marker->writer;
    struct simulation *simulation = world(writer);
    if (weir_sim_has_crashed(simulation->sim, 0)) return;
    simulation_note_code(simulation, request);
    marker->state = request->rc == 0 ? MARKER_WRITTEN : MARKER_WAITS;
    if (request->rc == 0 || simulation_excuses(simulation, request->rc)) return;
    simulation_fail(simulation, "marker-refused", "writer %d epoch %d: %s", writer->options.process,
                    writer->epoch, request->error.text);
}

static void send_marker(struct writer *writer, struct marker *marker)
{
    marker->request = (struct weir_write_marker_request){
        .request = {.done = marked},
        .to = {weir_text(writer->ledger->topic), marker->partition},
        .producer_id = writer->id,
        .producer_epoch = writer->epoch,
        .coordinator_epoch = writer->coordinator_epoch,
        .is_commit = current(writer)->fate == LEDGER_COMMITTED,
        .is_version_2 = writer->options.is_version_2,
    };
    marker->state = MARKER_SENT;
    current(writer)->at[marker->partition].is_marking = true;
    weir_broker_write_marker(world(writer)->broker, &marker->request);
}

/* With what is on its way given up on, or in version 2, the next one has an epoch of its own. */
static void decide(struct writer *writer, enum ledger_fate fate, bool gives_up)
{
    struct ledger_transaction *transaction = current(writer);
    transaction->fate = fate;
    writer->state = WRITER_ENDING;
    bool is_raised = gives_up || writer->options.is_version_2;
    if (is_raised) writer->epoch++;
    for (int32_t i = 0; i < LEDGER_PARTITIONS; i++) {
        give_up(writer, &writer->lanes[i]);
        if (is_raised) writer->lanes[i].sequence = 0;
        bool is_in = transaction->at[i].is_in && !writer->options.is_plain;
        writer->markers[i] = (struct marker){
            .writer = writer, .partition = i, .state = is_in ? MARKER_WAITS : MARKER_NONE};
    }
}

static void write_markers(struct writer *writer)
{
    bool is_over = true;
    for (int i = 0; i < LEDGER_PARTITIONS; i++) {
        struct marker *marker = &writer->markers[i];
        if (marker->state == MARKER_WAITS && simulation_chance(world(writer), 500)) {
            send_marker(writer, marker);
        }
        is_over &= marker->state == MARKER_NONE || marker->state == MARKER_WRITTEN;
    }
    if (!is_over) return;
    writer->state = WRITER_IDLE;
    writer->transactions_left--;
    writer->coordinator_epoch += simulation_chance(world(writer), 100);
}

/* ---- the client ------------------------------------------------------------------------------ */

static void begin(struct writer *writer)
{
    int transaction =
        ledger_begin(writer->ledger, writer->options.process, writer->options.is_plain);
    if (transaction < 0) {
        writer->transactions_left = 0;
        return;
    }
    writer->transaction = transaction;
    writer->records_left = 1 + (int)simulation_draw(world(writer), writer->options.records_max);
    writer->state = WRITER_WRITING;
}

static void write_on(struct writer *writer)
{
    struct simulation *simulation = world(writer);
    bool is_stored = true;
    for (int i = 0; i < LEDGER_PARTITIONS; i++) {
        struct lane *lane = &writer->lanes[i];
        drop_stored(lane);
        int in_flight_max = lane->is_known ? writer->options.in_flight_max : 1;
        if (lane->is_retrying) {
            send_again(writer, lane);
        } else if (lane->count < in_flight_max && writer->records_left > 0 &&
                   simulation_chance(simulation, 200)) {
            send_new(writer, lane);
        }
        is_stored &= lane->count == 0;
    }
    if (writer->records_left == 0 && is_stored) {
        bool is_commit = writer->options.is_plain || simulation_chance(simulation, 600);
        decide(writer, is_commit ? LEDGER_COMMITTED : LEDGER_ABORTED, false);
    } else if (!writer->options.is_plain && simulation_chance(simulation, 10)) {
        decide(writer, LEDGER_ABORTED, true);
    }
}

static void act(struct client *client)
{
    struct writer *writer = (struct writer *)client;
    switch (writer->state) {
    case WRITER_IDLE:
        if (writer->transactions_left > 0 && simulation_chance(client->simulation, 200)) {
            begin(writer);
        }
        break;
    case WRITER_WRITING:
        write_on(writer);
        break;
    case WRITER_ENDING:
        write_markers(writer);
        break;
    }
}

static void forget(struct client *client)
{
    struct writer *writer = (struct writer *)client;
    while (writer->given_up != NULL)
        drop_given_up(writer->given_up);
    for (int i = 0; i < LEDGER_PARTITIONS; i++) {
        struct lane *lane = &writer->lanes[i];
        if (writer->markers[i].state == MARKER_SENT) writer->markers[i].state = MARKER_WAITS;
        for (int j = 0; j < lane->count; j++) {
            if (lane->flights[j]->state != FLIGHT_SENT) continue;
            lane->flights[j]->state = FLIGHT_WAITS;
            lane->is_retrying = true;
        }
    }
}

static bool is_done(const struct client *client)
{
    const struct writer *writer = (const struct writer *)client;
    return writer->state == WRITER_IDLE && writer->transactions_left == 0 &&
           writer->given_up == NULL;
}

static void close_writer(struct client *client)
{
    struct writer *writer = (struct writer *)client;
    while (writer->given_up != NULL)
        drop_given_up(writer->given_up);
    for (int i = 0; i < LEDGER_PARTITIONS; i++) {
        for (int j = 0; j < writer->lanes[i].count; j++)
            free_flight(writer->lanes[i].flights[j]);
    }
    free(writer);
}

void writer_new(struct ledger *ledger, const struct writer_options *options)
{
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL || options->in_flight_max > IN_FLIGHT_MAX) abort();
    writer->ledger = ledger;
    writer->options = *options;
    writer->id = FIRST_ID + options->process;
    writer->transactions_left = options->transaction_count;
    writer->client =
        (struct client){.act = act, .forget = forget, .is_done = is_done, .close = close_writer};
    simulation_add(ledger->simulation, &writer->client);
}

int writer_verify(const struct simulation *simulation, int64_t producer_id, int16_t epoch)
{
    const struct client *client = simulation->clients;
    for (; client != NULL; client = client->next) {
        const struct writer *writer = (const struct writer *)client;
        if (client->act != act || writer->id != producer_id) continue;
        if (writer->epoch != epoch) return WEIR_PRODUCER_FENCED;
        return writer->state == WRITER_WRITING ? 0 : WEIR_INVALID_TXN_STATE;
    }
    return WEIR_INVALID_PRODUCER_ID_MAPPING;
}
