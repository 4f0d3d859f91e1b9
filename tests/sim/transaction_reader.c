/** A reader of committed records: it is given nothing that is open or aborted, nothing twice, and misses nothing. */
#include <stdlib.h>

#include "tests/sim/transaction_world.h"
#include "wire/request/committed_filter.h"

struct reader {
    struct client client; /* first */
    struct transaction_world *world;
    struct weir_fetch_request fetch;
    int32_t partition;
    int64_t position;
    bool is_fetching;
};

static struct simulation *simulation_of(const struct reader *reader)
{
    return reader->client.simulation;
}

/* Whoever is given a value before anybody has asked for its commit reads what is not there. */
static void read_value(struct reader *reader, int64_t offset, int64_t value)
{
    struct transaction_world *world = reader->world;
    int64_t number = value >> 16;
    int64_t index = value & 0xffff;
    struct ledger_entry *entry = &world->ledger[number];
    bool is_known = number >= 0 && number < world->ledger_count && index < TRANSACTION_VALUES_MAX;
    if (!is_known || !entry->asked_commit || entry->outcome == LEDGER_ABORTED) {
        simulation_fail(world->simulation, "read-uncommitted",
                        "offset %lld of partition %d: value %lld of transaction %lld",
                        (long long)offset, reader->partition, (long long)index, (long long)number);
        return;
    }
    if ((entry->read >> index & 1) != 0) {
        simulation_fail(world->simulation, "read-twice",
                        "offset %lld of partition %d: value %lld of transaction %lld",
                        (long long)offset, reader->partition, (long long)index, (long long)number);
    }
    entry->read |= UINT64_C(1) << index;
}

static int read_records(struct reader *reader, struct weir_batch_reader *batches)
{
    struct weir_record record;
    int rc = weir_batch_reader_open(batches, NULL);
    if (rc < 0) return rc;
    while ((rc = weir_batch_reader_record(batches, &record, NULL)) == 0) {
        if (record.offset < reader->position) continue;
        if (record.offset >= reader->fetch.last_stable_offset) {
            simulation_fail(simulation_of(reader), "read-beyond-the-end",
                            "offset %lld of partition %d, above the last stable offset %lld",
                            (long long)record.offset, reader->partition,
                            (long long)reader->fetch.last_stable_offset);
        }
        read_value(reader, record.offset, record_value(&record));
    }
    return rc < 0 ? rc : 0;
}

static int read_part(struct reader *reader, struct weir_committed_filter *filter,
                     struct weir_slice bytes)
{
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_buffer plain;
    struct weir_batch_reader batches = {.rest = bytes, .plain = &plain, .is_whole = true};
    int rc;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "plain", &heap, NULL, 0);
    weir_buffer_init(&plain, &budget, 0);
    while ((rc = weir_batch_reader_next(&batches, NULL)) == 0) {
        int64_t next = weir_batch_last_offset(&batches.header) + 1;
        rc = weir_committed_filter_admit(filter, &batches, NULL);
        if (rc == 0) rc = read_records(reader, &batches);
        if (rc < 0) break;
        if (next > reader->position) reader->position = next;
    }
    weir_buffer_close(&plain);
    return rc < 0 ? rc : 0;
}

static void read_answer(struct reader *reader)
{
    struct weir_committed_filter filter;
    struct weir_fetch_request *fetch = &reader->fetch;
    int rc = 0;
    weir_committed_filter_begin(&filter, fetch->aborted, fetch->aborted_count);
    for (size_t i = 0; rc == 0 && i < fetch->batches.part_count; i++)
        rc = read_part(reader, &filter, weir_log_part_bytes(&fetch->batches.parts[i]));
    if (rc < 0) {
        simulation_fail(simulation_of(reader), "corrupt-without-damage", "partition %d from %lld",
                        reader->partition, (long long)reader->position);
    }
    reader->world->positions[reader->partition] = reader->position;
}

static void fetched(struct weir_request *request)
{
    struct reader *reader = request->context;
    if (weir_sim_has_crashed(simulation_of(reader)->sim, 0)) return;
    reader->is_fetching = false;
    simulation_note_code(simulation_of(reader), request);
    if (request->rc == 0) read_answer(reader);
    weir_fetch_release(&reader->fetch);
}

static void act(struct client *client)
{
    struct reader *reader = (struct reader *)client;
    if (reader->is_fetching || !simulation_chance(client->simulation, 300)) return;
    reader->is_fetching = true;
    reader->fetch = (struct weir_fetch_request){
        .request = {.done = fetched, .context = reader},
        .from = {weir_text(TRANSACTION_TOPIC), reader->partition},
        .offset = reader->position,
        .size_max = (size_t)(1 + simulation_draw(client->simulation, 2000)),
        .read_committed = true,
    };
    weir_broker_fetch(client->simulation->broker, &reader->fetch);
}

static void forget(struct client *client)
{
    ((struct reader *)client)->is_fetching = false;
}

static bool is_done(const struct client *client)
{
    return !((const struct reader *)client)->is_fetching;
}

static void close_reader(struct client *client)
{
    free(client);
}

void transaction_reader_new(struct transaction_world *world, int32_t partition)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) abort();
    reader->world = world;
    reader->partition = partition;
    reader->client =
        (struct client){.act = act, .forget = forget, .is_done = is_done, .close = close_reader};
    simulation_add(world->simulation, &reader->client);
}
