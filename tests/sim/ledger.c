#include "tests/sim/ledger.h"

#include <stdlib.h>

#include "broker/broker_internal.h"
#include "broker/engine/request.h"
#include "tests/sim/clients.h"
#include "wire/record_batch_reader.h"
#include "wire/request/committed_filter.h"

/* ---- the book -------------------------------------------------------------------------------- */

int ledger_begin(struct ledger *ledger, int process, bool is_plain)
{
    if (ledger_is_full(ledger)) return -1;
    struct ledger_transaction *transaction = &ledger->transactions[ledger->transaction_count];
    *transaction = (struct ledger_transaction){.process = process, .is_plain = is_plain};
    if (is_plain) transaction->fate = LEDGER_COMMITTED;
    for (int i = 0; i < LEDGER_PARTITIONS; i++)
        transaction->at[i].first_offset = -1;
    return ledger->transaction_count++;
}

int64_t ledger_add(struct ledger *ledger, int transaction, int32_t partition)
{
    if (ledger->value_count == LEDGER_VALUES_MAX) abort();
    ledger->values[ledger->value_count] =
        (struct ledger_value){.transaction = transaction, .partition = partition, .offset = -1};
    ledger->transactions[transaction].at[partition].is_in = true;
    return ledger->value_count++;
}

bool ledger_place(struct ledger *ledger, int64_t number, int32_t partition, int64_t offset)
{
    struct ledger_value *value = &ledger->values[number];
    if (value->partition != partition || (value->offset >= 0 && value->offset != offset)) {
        return simulation_fail(ledger->simulation, "value-changed-at-offset",
                               "value %lld of partition %d at %lld is at %lld of partition %d",
                               (long long)number, (int)value->partition, (long long)value->offset,
                               (long long)offset, (int)partition);
    }
    value->offset = offset;
    return true;
}

/* ---- readers against it ---------------------------------------------------------------------- */

static bool check_record(struct ledger_reading *reading, const struct weir_record *record,
                         int64_t stable)
{
    struct ledger *ledger = reading->ledger;
    struct simulation *simulation = ledger->simulation;
    int64_t number = record_value(record);
    if (number < 0 || number >= ledger->value_count) {
        return simulation_fail(simulation, "phantom", "offset %lld of partition %d holds %lld",
                               (long long)record->offset, (int)reading->partition,
                               (long long)number);
    }
    const struct ledger_transaction *transaction =
        &ledger->transactions[ledger->values[number].transaction];
    if (!ledger_place(ledger, number, reading->partition, record->offset)) return false;
    if (!reading->reads_committed) return true;
    if (transaction->fate != LEDGER_COMMITTED) {
        return simulation_fail(
            simulation, transaction->fate == LEDGER_ABORTED ? "aborted-read" : "undecided-read",
            "reader %d was given value %lld of writer %d at offset %lld of partition %d",
            reading->process, (long long)number, transaction->process, (long long)record->offset,
            (int)reading->partition);
    }
    if (record->offset >= stable) {
        return simulation_fail(simulation, "read-beyond",
                               "reader %d was given offset %lld, and the last stable one is %lld",
                               reading->process, (long long)record->offset, (long long)stable);
    }
    int64_t *last = &reading->last_of[transaction->process];
    if (number < *last) {
        return simulation_fail(
            simulation, number + 1 == *last ? "duplicate" : "out-of-order",
            "reader %d was given value %lld of writer %d at offset %lld, behind value %lld",
            reading->process, (long long)number, transaction->process, (long long)record->offset,
            (long long)*last - 1);
    }
    *last = number + 1;
    ledger->values[number].is_at_end |= reading->is_final;
    return true;
}

/* What is open in this partition, as far as its writers know, lies at or behind the last stable offset. */
static bool check_stable(const struct ledger_reading *reading, int64_t stable)
{
    const struct ledger *ledger = reading->ledger;
    for (int i = 0; i < ledger->transaction_count; i++) {
        const struct ledger_transaction *transaction = &ledger->transactions[i];
        bool is_open = !transaction->is_plain && !transaction->at[reading->partition].is_marking;
        int64_t first = transaction->at[reading->partition].first_offset;
        if (!is_open || first < 0 || stable <= first) continue;
        return simulation_fail(ledger->simulation, "stable-too-far",
                               "partition %d: last stable offset %lld, and a transaction of writer "
                               "%d is open from %lld",
                               (int)reading->partition, (long long)stable, transaction->process,
                               (long long)first);
    }
    return true;
}

static bool check_batches(struct ledger_reading *reading, struct weir_fetch_request *fetch,
                          struct weir_committed_filter *filter, struct weir_slice bytes)
{
    struct simulation *simulation = reading->ledger->simulation;
    struct weir_batch_reader reader = {.rest = bytes, .is_whole = true};
    struct weir_error error = {0};
    struct weir_record record;
    int rc;
    while ((rc = weir_batch_reader_next(&reader, &error)) == 0) {
        int64_t from = reading->position;
        reading->position = weir_batch_last_offset(&reader.header) + 1;
        rc = weir_committed_filter_admit(filter, &reader, &error);
        if (rc == WEIR_END) continue;
        if (rc == 0) rc = weir_batch_reader_open(&reader, &error);
        while (rc == 0 && (rc = weir_batch_reader_record(&reader, &record, &error)) == 0) {
            if (record.offset < from) continue;
            if (!check_record(reading, &record, fetch->last_stable_offset)) return false;
        }
        if (rc < 0) break;
    }
    if (rc == WEIR_END) return true;
    return simulation_fail(simulation, "corrupt-without-damage", "reader %d at %lld: %s",
                           reading->process, (long long)reading->position, error.text);
}

bool ledger_read(struct ledger_reading *reading, struct weir_fetch_request *fetch)
{
    struct weir_committed_filter filter;
    bool is_in_order = fetch->log_start_offset <= fetch->last_stable_offset &&
                       fetch->last_stable_offset <= fetch->high_watermark &&
                       fetch->high_watermark <= fetch->log_end_offset;
    if (!is_in_order) {
        return simulation_fail(reading->ledger->simulation, "bounds",
                               "partition %d: start %lld, last stable %lld, high watermark %lld, "
                               "end %lld",
                               (int)reading->partition, (long long)fetch->log_start_offset,
                               (long long)fetch->last_stable_offset,
                               (long long)fetch->high_watermark, (long long)fetch->log_end_offset);
    }
    if (!check_stable(reading, fetch->last_stable_offset)) return false;
    weir_committed_filter_begin(&filter, fetch->aborted, fetch->aborted_count);
    for (size_t i = 0; i < fetch->batches.part_count; i++) {
        struct weir_slice bytes = weir_log_part_bytes(&fetch->batches.parts[i]);
        if (!check_batches(reading, fetch, &filter, bytes)) return false;
    }
    return true;
}

/* ---- a client that reads --------------------------------------------------------------------- */

struct ledger_reader {
    struct client client; /* first */
    struct ledger_reading reading;
    struct weir_fetch_request fetch;
    bool is_fetching;
    bool is_at_end;
};

static void fetched(struct weir_request *request)
{
    struct ledger_reader *reader = request->context;
    struct simulation *simulation = reader->client.simulation;
    if (weir_sim_has_crashed(simulation->sim, 0)) return;
    reader->is_fetching = false;
    simulation_note_code(simulation, request);
    if (request->rc < 0) return;
    (void)ledger_read(&reader->reading, &reader->fetch);
    reader->is_at_end = reader->reading.position >= reader->fetch.last_stable_offset;
    bool is_decided = reader->fetch.last_stable_offset == reader->fetch.log_end_offset;
    if (reader->reading.is_final && reader->is_at_end && !is_decided) {
        simulation_fail(simulation, "stable-too-short",
                        "partition %d ends at %lld, all is decided, and its last stable offset is "
                        "%lld",
                        (int)reader->reading.partition, (long long)reader->fetch.log_end_offset,
                        (long long)reader->fetch.last_stable_offset);
    }
    weir_fetch_release(&reader->fetch);
}

static void act(struct client *client)
{
    struct ledger_reader *reader = (struct ledger_reader *)client;
    struct simulation *simulation = client->simulation;
    bool is_over = reader->reading.is_final && reader->is_at_end;
    if (reader->is_fetching || is_over || !simulation_chance(simulation, 300)) return;
    bool waits = !reader->reading.is_final && simulation_chance(simulation, 500);
    reader->fetch = (struct weir_fetch_request){
        .request = {.done = fetched, .context = reader},
        .from = {weir_text(reader->reading.ledger->topic), reader->reading.partition},
        .offset = reader->reading.position,
        .size_max = 1 + (size_t)simulation_draw(simulation, 3000),
        .size_min = waits ? 1 + (size_t)simulation_draw(simulation, 500) : 0,
        .deadline =
            weir_mono_after_ms(weir_mono_now(simulation->env), simulation_draw(simulation, 20)),
        .read_committed = reader->reading.reads_committed,
    };
    reader->is_fetching = true;
    weir_broker_fetch(simulation->broker, &reader->fetch);
}

static void forget(struct client *client)
{
    ((struct ledger_reader *)client)->is_fetching = false;
}

static bool is_done(const struct client *client)
{
    const struct ledger_reader *reader = (const struct ledger_reader *)client;
    return !reader->reading.is_final || reader->is_at_end;
}

static void close_reader(struct client *client)
{
    free(client);
}

void ledger_reader_new(struct ledger *ledger, int process, int32_t partition, bool reads_committed,
                       bool is_final)
{
    struct ledger_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) abort();
    reader->reading = (struct ledger_reading){.ledger = ledger,
                                              .process = process,
                                              .partition = partition,
                                              .reads_committed = reads_committed,
                                              .is_final = is_final};
    reader->client =
        (struct client){.act = act, .forget = forget, .is_done = is_done, .close = close_reader};
    simulation_add(ledger->simulation, &reader->client);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Has a committed value behind this one its key? */
static bool is_replaced(const struct ledger *ledger, int number)
{
    const struct ledger_value *value = &ledger->values[number];
    for (int i = number % LEDGER_KEYS; i < ledger->value_count; i += LEDGER_KEYS) {
        const struct ledger_value *other = &ledger->values[i];
        if (other->partition == value->partition && other->offset > value->offset &&
            ledger->transactions[other->transaction].fate == LEDGER_COMMITTED) {
            return true;
        }
    }
    return false;
}

void ledger_check(struct ledger *ledger)
{
    for (int i = 0; i < ledger->value_count; i++) {
        const struct ledger_value *value = &ledger->values[i];
        const struct ledger_transaction *transaction = &ledger->transactions[value->transaction];
        if (transaction->fate == LEDGER_UNDECIDED) {
            simulation_fail(ledger->simulation, "stuck", "writer %d has not decided",
                            transaction->process);
        }
        if (transaction->fate != LEDGER_COMMITTED || value->is_at_end) continue;
        if (ledger->is_compacted && is_replaced(ledger, i)) continue;
        simulation_fail(ledger->simulation, "torn-transaction",
                        "value %d of writer %d was committed, at offset %lld of partition %d, and "
                        "is not there at the end",
                        i, transaction->process, (long long)value->offset, (int)value->partition);
    }
}

/* ---- the coordinator's stub ------------------------------------------------------------------ */

static void add_partitions(void *impl, struct weir_add_partitions_request *request)
{
    struct ledger *ledger = impl;
    struct simulation *simulation = ledger->simulation;
    struct weir_engine *engine = &simulation->broker->engine;
    weir_request_set_out(engine, &request->base.request);
    request->base.request.shard = &engine->shards[0];
    request->rcs[0] =
        writer_verify(simulation, request->base.producer_id, request->base.producer_epoch);
    if (simulation_chance(simulation, 100)) request->rcs[0] = WEIR_CONCURRENT_TRANSACTIONS;
    weir_request_reply(&request->base.request, 0);
}

void ledger_register_owner(struct ledger *ledger)
{
    static const struct weir_transaction_owner_ops ops = {.add_partitions = add_partitions};
    ledger->simulation->broker->engine.transactions = (struct weir_transaction_owner){&ops, ledger};
}
