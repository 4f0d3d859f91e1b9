#include "tests/sim/transaction_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/record_batch_reader.h"

/* ---- the ledger --------------------------------------------------------------------------------- */

int ledger_begin(struct transaction_world *world, int id)
{
    if (world->ledger_count == LEDGER_MAX) return -1;
    world->ledger[world->ledger_count] = (struct ledger_entry){.id = id};
    return world->ledger_count++;
}

void ledger_end(struct transaction_world *world, int number, enum ledger_outcome outcome)
{
    struct ledger_entry *entry = &world->ledger[number];
    if (entry->outcome != LEDGER_OPEN && entry->outcome != LEDGER_UNKNOWN &&
        entry->outcome != outcome) {
        simulation_fail(world->simulation, "outcome-flips", "transaction %d is %d and %d", number,
                        (int)entry->outcome, (int)outcome);
    }
    if (outcome == LEDGER_COMMITTED && !entry->asked_commit) abort(); /* the test's own mistake */
    entry->outcome = outcome;
}

/* ---- who looks ----------------------------------------------------------------------------------- */

/* Asks for the groups' offsets while transactions go on: of none that is open or aborted, and never an older one. */
struct looker {
    struct client client; /* first */
    struct transaction_world *world;
    struct weir_committed_request ask;
    struct weir_offset_entry entry;
    int id;
    bool is_asking;
};

static void check_offset(struct transaction_world *world, int id, int64_t offset)
{
    if (offset < 0) offset = -1;
    if (offset < world->offset_seen[id]) {
        simulation_fail(world->simulation, "offset-goes-back", "of '%s': %lld, and then %lld",
                        world->groups[id], (long long)world->offset_seen[id], (long long)offset);
    }
    world->offset_seen[id] = offset;
    if (offset < 0) return;
    const struct ledger_entry *entry = &world->ledger[offset];
    bool is_possible = offset < world->ledger_count && entry->id == id && entry->asked_commit &&
                       entry->outcome != LEDGER_ABORTED;
    if (!is_possible) {
        simulation_fail(world->simulation, "offset-of-no-commit",
                        "of '%s': that of transaction %lld, which nobody has committed",
                        world->groups[id], (long long)offset);
    }
}

static void looked(struct weir_request *request)
{
    struct looker *looker = request->context;
    if (weir_sim_has_crashed(looker->client.simulation->sim, 0)) return;
    looker->is_asking = false;
    simulation_note_code(looker->client.simulation, request);
    if (request->rc == 0) check_offset(looker->world, looker->id, looker->entry.offset);
}

static void look(struct client *client)
{
    struct looker *looker = (struct looker *)client;
    struct simulation *simulation = client->simulation;
    if (looker->is_asking || !simulation_chance(simulation, 100)) return;
    looker->is_asking = true;
    looker->id = (int)simulation_draw(simulation, looker->world->id_count);
    looker->entry = (struct weir_offset_entry){.partition = {weir_text(TRANSACTION_TOPIC), 0}};
    looker->ask = (struct weir_committed_request){
        .request = {.done = looked, .context = looker},
        .group = weir_text(looker->world->groups[looker->id]),
        .entries = &looker->entry,
        .entry_count = 1,
    };
    weir_broker_committed(simulation->broker, &looker->ask);
}

static void forget_look(struct client *client)
{
    ((struct looker *)client)->is_asking = false;
}

static bool has_looked(const struct client *client)
{
    return !((const struct looker *)client)->is_asking;
}

static void close_looker(struct client *client)
{
    free(client);
}

static void looker_new(struct transaction_world *world)
{
    struct looker *looker = calloc(1, sizeof *looker);
    if (looker == NULL) abort();
    looker->world = world;
    looker->client = (struct client){
        .act = look, .forget = forget_look, .is_done = has_looked, .close = close_looker};
    simulation_add(world->simulation, &looker->client);
}

/* ---- the log, as its markers say ------------------------------------------------------------------ */

/* A value that waits for its transaction's marker. */
struct waiting {
    int64_t producer_id;
    int64_t value;
};

struct reading {
    struct transaction_world *world;
    int32_t partition;
    int64_t next;
    struct waiting waiting[TRANSACTION_VALUES_MAX * TRANSACTION_IDS_MAX * 2];
    size_t waiting_count;
    uint8_t *seen; /* by transaction and index: how often it is visible */
};

static void see(struct reading *reading, int64_t value)
{
    struct transaction_world *world = reading->world;
    int64_t number = value >> 16;
    int64_t index = value & 0xffff;
    bool is_known =
        number >= 0 && number < world->ledger_count && index < world->ledger[number].sent_count;
    if (!is_known) {
        simulation_fail(world->simulation, "value-from-nowhere", "%lld", (long long)value);
        return;
    }
    if (world->ledger[number].partition_of[index] != (uint64_t)reading->partition) {
        simulation_fail(world->simulation, "value-in-the-wrong-partition", "%lld",
                        (long long)value);
    }
    reading->seen[number * TRANSACTION_VALUES_MAX + index]++;
}

static void end_producer(struct reading *reading, int64_t producer_id, bool is_commit)
{
    size_t kept = 0;
    for (size_t i = 0; i < reading->waiting_count; i++) {
        const struct waiting *waiting = &reading->waiting[i];
        if (waiting->producer_id != producer_id) {
            reading->waiting[kept++] = *waiting;
        } else if (is_commit) {
            see(reading, waiting->value);
        }
    }
    reading->waiting_count = kept;
}

static int read_batch(struct reading *reading, struct weir_batch_reader *reader)
{
    struct weir_record record;
    struct weir_batch_header header = reader->header;
    int rc;
    while ((rc = weir_batch_reader_record(reader, &record, NULL)) == 0) {
        if (record.offset < reading->next) continue;
        reading->next = record.offset + 1;
        if (weir_batch_is_control(&header)) {
            end_producer(reading, header.producer_id,
                         weir_control_type(record.key) == WEIR_CONTROL_COMMIT);
            continue;
        }
        if (reading->waiting_count == sizeof reading->waiting / sizeof reading->waiting[0]) {
            simulation_fail(reading->world->simulation, "transaction-hangs",
                            "partition %d has more open values than writers can have",
                            reading->partition);
            return WEIR_LIMIT;
        }
        reading->waiting[reading->waiting_count++] =
            (struct waiting){header.producer_id, record_value(&record)};
    }
    return rc < 0 ? rc : 0;
}

static int read_part(struct reading *reading, struct weir_slice bytes)
{
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_buffer plain;
    struct weir_batch_reader reader = {.rest = bytes, .plain = &plain, .is_whole = true};
    int rc;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "plain", &heap, NULL, 0);
    weir_buffer_init(&plain, &budget, 0);
    while ((rc = weir_batch_reader_open_next(&reader, NULL)) == 0) {
        rc = read_batch(reading, &reader);
        if (rc < 0) break;
    }
    weir_buffer_close(&plain);
    return rc < 0 ? rc : 0;
}

static bool read_log(struct reading *reading)
{
    struct simulation *simulation = reading->world->simulation;
    for (;;) {
        struct weir_error error = {0};
        struct weir_fetch_request fetch = {
            .from = {weir_text(TRANSACTION_TOPIC), reading->partition},
            .offset = reading->next,
            .size_max = 1 << 16};
        int64_t before = reading->next;
        int rc = weir_broker_wait_begin(simulation->broker, &fetch.request, &error);
        if (rc == 0) {
            weir_broker_fetch(simulation->broker, &fetch);
            rc = weir_broker_wait(simulation->broker, &fetch.request, &error);
        }
        for (size_t i = 0; rc == 0 && i < fetch.batches.part_count; i++)
            rc = read_part(reading, weir_log_part_bytes(&fetch.batches.parts[i]));
        if (rc < 0) {
            return simulation_fail(simulation, "cannot-read", "partition %d from %lld: %s",
                                   reading->partition, (long long)before, error.text);
        }
        bool is_over = reading->next >= fetch.high_watermark || reading->next == before;
        weir_log_batches_release(&fetch.batches);
        if (is_over) break;
    }
    if (reading->waiting_count == 0) return true;
    return simulation_fail(simulation, "transaction-hangs",
                           "partition %d has %zu values without a marker, the first of "
                           "transaction %lld",
                           reading->partition, reading->waiting_count,
                           (long long)(reading->waiting[0].value >> 16));
}

/* ---- what must hold at the end ------------------------------------------------------------------- */

static int count_seen(const struct ledger_entry *entry, const uint8_t *seen)
{
    int count = 0;
    for (int i = 0; i < entry->sent_count; i++)
        count += seen[i] > 0;
    return count;
}

static void check_transaction(struct transaction_world *world, int number, const uint8_t *seen)
{
    const struct ledger_entry *entry = &world->ledger[number];
    int visible = count_seen(entry, seen);
    bool may_be_none = entry->outcome != LEDGER_COMMITTED;
    bool may_be_all = entry->asked_commit && entry->outcome != LEDGER_ABORTED;
    for (int i = 0; i < entry->sent_count; i++) {
        if (seen[i] <= 1) continue;
        simulation_fail(world->simulation, "value-twice", "transaction %d, value %d: %d times",
                        number, i, seen[i]);
    }
    if (visible > 0 && !may_be_all) {
        simulation_fail(world->simulation, "aborted-is-visible",
                        "transaction %d of '%s': %d values are visible", number,
                        world->ids[entry->id], visible);
    }
    for (int i = 0; i < entry->sent_count; i++) {
        bool was_read = (entry->read >> i & 1) != 0;
        if (was_read == (seen[i] > 0)) continue;
        simulation_fail(world->simulation, was_read ? "read-and-gone" : "never-read",
                        "transaction %d of '%s', value %d", number, world->ids[entry->id], i);
    }
    bool is_torn = visible > 0 && visible < entry->value_count;
    if (is_torn || (visible == 0 && entry->value_count > 0 && !may_be_none)) {
        simulation_fail(world->simulation, is_torn ? "torn-transaction" : "lost-transaction",
                        "transaction %d of '%s': %d of %d values are visible", number,
                        world->ids[entry->id], visible, entry->value_count);
    }
}

/* The group stands where its last transaction that counts has left it. */
static void check_offsets(struct transaction_world *world, const uint8_t *seen)
{
    for (int number = 0; number < world->ledger_count; number++) {
        const struct ledger_entry *entry = &world->ledger[number];
        bool counts = count_seen(entry, &seen[number * TRANSACTION_VALUES_MAX]) > 0;
        if (!entry->has_offset || !counts || number <= world->offset_seen[entry->id]) continue;
        simulation_fail(world->simulation, "lost-offset",
                        "transaction %d is visible, and '%s' is at %lld", number,
                        world->groups[entry->id], (long long)world->offset_seen[entry->id]);
    }
    for (int id = 0; id < world->id_count; id++) {
        int64_t offset = world->offset_seen[id];
        if (offset < 0) continue;
        const struct ledger_entry *entry = &world->ledger[offset];
        if (count_seen(entry, &seen[offset * TRANSACTION_VALUES_MAX]) > 0) continue;
        simulation_fail(world->simulation, "torn-transaction",
                        "the offset of transaction %lld counts, and none of its values is visible",
                        (long long)offset);
    }
}

static int ask_offset(const struct transaction_world *world, int id,
                      struct weir_offset_entry *entry, struct weir_error *error)
{
    struct weir_broker *broker = world->simulation->broker;
    struct weir_committed_request ask = {.group = weir_text(world->groups[id]),
                                         .entries = entry,
                                         .entry_count = 1,
                                         .require_stable = true};
    *entry = (struct weir_offset_entry){.partition = {weir_text(TRANSACTION_TOPIC), 0}};
    int rc = weir_broker_wait_begin(broker, &ask.request, error);
    if (rc < 0) return rc;
    weir_broker_committed(broker, &ask);
    return weir_broker_wait(broker, &ask.request, error);
}

static void read_offsets(struct transaction_world *world)
{
    struct simulation *simulation = world->simulation;
    for (int id = 0; id < world->id_count && !simulation_has_failed(simulation); id++) {
        struct weir_error error = {0};
        struct weir_offset_entry entry;
        int rc = ask_offset(world, id, &entry, &error);
        if (rc < 0) simulation_fail(simulation, "cannot-read", "offsets: %s", error.text);
        check_offset(world, id, entry.offset);
    }
}

static void check(struct transaction_world *world)
{
    struct simulation *simulation = world->simulation;
    uint8_t *seen = calloc((size_t)world->ledger_count + 1, TRANSACTION_VALUES_MAX);
    struct reading *reading = calloc(1, sizeof *reading);
    if (seen == NULL || reading == NULL) abort();
    for (int32_t i = 0; i < world->partition_count && !simulation_has_failed(simulation); i++) {
        *reading = (struct reading){.world = world, .partition = i, .seen = seen};
        (void)read_log(reading);
    }
    if (!simulation_has_failed(simulation)) read_offsets(world);
    for (int i = 0; i < world->ledger_count && !simulation_has_failed(simulation); i++)
        check_transaction(world, i, &seen[i * TRANSACTION_VALUES_MAX]);
    if (!simulation_has_failed(simulation)) check_offsets(world, seen);
    free(seen);
    free(reading);
}

/* ---- the world ------------------------------------------------------------------------------------ */

void transaction_world_init(struct transaction_world *world, struct simulation *simulation)
{
    memset(world, 0, sizeof *world);
    world->simulation = simulation;
    world->partition_count = 1 + (int32_t)simulation_draw(simulation, TRANSACTION_PARTITIONS_MAX);
    world->id_count = 1 + (int)simulation_draw(simulation, TRANSACTION_IDS_MAX);
    for (int i = 0; i < TRANSACTION_IDS_MAX; i++) {
        (void)snprintf(world->ids[i], sizeof world->ids[i], "writer-%d", i);
        (void)snprintf(world->groups[i], sizeof world->groups[i], "group-%d", i);
        world->offset_seen[i] = -1;
    }
    struct weir_txn_settings *settings = &simulation->swarm.transactions;
    *settings = weir_txn_settings_default();
    settings->log_num_partitions = 1 + (int32_t)simulation_draw(simulation, 4);
    settings->abort_interval_ms = 1 + (int32_t)simulation_draw(simulation, 1000);
    settings->id_expiration_ms = INT32_MAX; /* the wall clock jumps by tens of years */
    settings->expiry_interval_ms = INT32_MAX;
}

bool transaction_world_start(struct transaction_world *world)
{
    struct simulation *simulation = world->simulation;
    if (!simulation_start(simulation)) return false;
    int64_t segment_bytes = (int64_t)200 << simulation_draw(simulation, 10);
    if (!create_topic(simulation, TRANSACTION_TOPIC, world->partition_count, segment_bytes)) {
        return false;
    }
    for (int i = 0; i < 2 * world->id_count; i++)
        transaction_writer_new(world, i / 2, i);
    looker_new(world);
    for (int32_t i = 0; i < world->partition_count; i++)
        transaction_reader_new(world, i);
    return true;
}

static struct transaction_world *settling; /* of the seed that ends now: seeds run one by one */

static bool are_offsets_stable(const struct transaction_world *world)
{
    for (int id = 0; id < world->id_count; id++) {
        struct weir_offset_entry entry;
        if (ask_offset(world, id, &entry, NULL) < 0 || entry.is_unstable) return false;
    }
    return true;
}

static bool is_stable(struct simulation *simulation)
{
    if (!simulation_clients_are_done(simulation)) return false;
    if (!are_offsets_stable(settling)) return false;
    for (int32_t i = 0; i < settling->partition_count; i++) {
        struct weir_list_offsets_request latest[2];
        for (int j = 0; j < 2; j++) {
            latest[j] = (struct weir_list_offsets_request){
                .of = {weir_text(TRANSACTION_TOPIC), i},
                .timestamp_ms = WEIR_OFFSET_LATEST,
                .read_committed = j == 0,
            };
            int rc = weir_broker_wait_begin(simulation->broker, &latest[j].request, NULL);
            if (rc < 0) return false;
            weir_broker_list_offsets(simulation->broker, &latest[j]);
            rc = weir_broker_wait(simulation->broker, &latest[j].request, NULL);
            if (rc < 0) return false;
        }
        if (latest[0].offset != latest[1].offset) return false;
        if (settling->positions[i] != latest[0].offset) return false;
    }
    return true;
}

/* So that the seed's hash and its count tell of them. */
static void copy_ledger(struct transaction_world *world)
{
    for (int i = 0; i < world->ledger_count; i++) {
        const struct ledger_entry *entry = &world->ledger[i];
        history_note(&world->simulation->history,
                     &(struct history_event){.kind = HISTORY_SEEN,
                                             .log = -1,
                                             .process = entry->id,
                                             .value = entry->outcome,
                                             .offset = entry->has_offset,
                                             .count = entry->value_count});
    }
}

/* Writers that were in the middle of something end it, or are timed out. */
void transaction_world_end(struct transaction_world *world)
{
    struct simulation *simulation = world->simulation;
    simulation_heal(simulation);
    world->is_last = true;
    settling = world;
    (void)simulation_settle(simulation, is_stable,
                            "the last stable offset does not arrive at the end");
    if (!simulation_has_failed(simulation)) check(world);
    simulation_finish(simulation);
    copy_ledger(world);
}
