/** A writer of transactions: version 1 or 2, acknowledged by the disk or by the leader, and at times a zombie. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/transaction_world.h"
#include "wire/record_batch.h"

enum phase {
    WRITER_RESTS,  /* fenced, or by choice: it begins anew some time */
    WRITER_BEGINS, /* InitProducerId */
    WRITER_WRITES, /* values, partitions, offsets */
    WRITER_ENDS,   /* EndTxn */
};

struct writer {
    struct client client; /* first */
    struct transaction_world *world;
    int id;
    bool is_version_2;
    enum weir_acks acks;
    enum phase phase;
    bool is_asking; /* something is under way */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t sequences[TRANSACTION_PARTITIONS_MAX];
    bool is_added[TRANSACTION_PARTITIONS_MAX]; /* of version 1: to this transaction */
    bool has_group;                            /* likewise */
    int number;                                /* of the transaction; -1: none */
    int wanted;                                /* values of it */
    bool commits;
    bool commits_offset;
    bool must_abort;
    int32_t partition; /* of what is under way */
    struct weir_init_transactions_request init;
    struct weir_add_partitions_request add;
    struct weir_topic_partition added;
    struct weir_add_offsets_request add_offsets;
    struct weir_produce_request produce;
    struct weir_commit_request commit;
    struct weir_offset_entry entry;
    struct weir_end_transaction_request end;
};

static struct simulation *simulation_of(const struct writer *writer)
{
    return writer->client.simulation;
}

static struct ledger_entry *entry_of(const struct writer *writer)
{
    return &writer->world->ledger[writer->number];
}

static bool has_crashed(const struct writer *writer)
{
    return weir_sim_has_crashed(simulation_of(writer)->sim, 0);
}

static struct weir_transaction_request base_of(struct writer *writer,
                                               void (*done)(struct weir_request *request))
{
    return (struct weir_transaction_request){
        .request = {.done = done, .context = writer},
        .transactional_id = weir_text(writer->world->ids[writer->id]),
        .producer_id = writer->producer_id,
        .producer_epoch = writer->producer_epoch,
        .is_version_2 = writer->is_version_2,
    };
}

/* ---- the end of a transaction ------------------------------------------------------------------ */

/* Nobody asked for a commit that may be there: then it is none. */
static void give_up(struct writer *writer)
{
    if (writer->number < 0) return;
    ledger_end(writer->world, writer->number,
               entry_of(writer)->asked_commit ? LEDGER_UNKNOWN : LEDGER_ABORTED);
    writer->number = -1;
}

static void rest(struct writer *writer)
{
    give_up(writer);
    writer->phase = WRITER_RESTS;
}

static bool is_fenced(int rc)
{
    return rc == WEIR_PRODUCER_FENCED || rc == WEIR_INVALID_PRODUCER_ID_MAPPING;
}

static void forget_transaction(struct writer *writer, enum ledger_outcome outcome)
{
    ledger_end(writer->world, writer->number, outcome);
    writer->number = -1;
    writer->phase = WRITER_WRITES;
}

static void take_epoch(struct writer *writer, int64_t producer_id, int16_t producer_epoch)
{
    bool is_new = producer_id != writer->producer_id || producer_epoch != writer->producer_epoch;
    if (is_new) memset(writer->sequences, 0, sizeof writer->sequences);
    writer->producer_id = producer_id;
    writer->producer_epoch = producer_epoch;
}

static void ended(struct weir_request *request)
{
    struct writer *writer = request->context;
    struct ledger_entry *entry = entry_of(writer);
    if (has_crashed(writer)) return;
    writer->is_asking = false;
    simulation_note_code(simulation_of(writer), request);
    if (request->rc == 0) {
        bool is_retired = !writer->is_version_2 && writer->must_abort;
        forget_transaction(writer, writer->commits ? LEDGER_COMMITTED : LEDGER_ABORTED);
        if (writer->is_version_2) {
            take_epoch(writer, writer->end.next_producer_id, writer->end.next_producer_epoch);
        }
        if (is_retired) writer->phase = WRITER_BEGINS; /* what it has sent is not known */
    } else if (request->rc == WEIR_INVALID_TXN_STATE && writer->commits) {
        forget_transaction(writer,
                           LEDGER_ABORTED); /* it took too long, or its partitions were lost */
        writer->phase = WRITER_BEGINS;
    } else if (is_fenced(request->rc)) {
        if (writer->commits && !entry->is_lost) {
            ledger_end(writer->world, writer->number, LEDGER_ABORTED);
            writer->number = -1;
        }
        rest(writer);
    } else if (request->rc == WEIR_INVALID_TXN_STATE) {
        rest(writer); /* nothing of it arrived, and version 1 has nothing to abort */
        writer->phase = WRITER_BEGINS;
    } else {
        entry->is_lost = true; /* a failure does not say that nothing has happened */
    }
}

static void end(struct writer *writer)
{
    writer->is_asking = true;
    writer->end = (struct weir_end_transaction_request){.base = base_of(writer, ended),
                                                        .is_commit = writer->commits};
    if (writer->commits) entry_of(writer)->asked_commit = true;
    weir_broker_end_transaction(simulation_of(writer)->broker, &writer->end);
}

/* ---- what it writes ----------------------------------------------------------------------------- */

static void failed(struct writer *writer, int rc)
{
    if (rc == WEIR_CONCURRENT_TRANSACTIONS) return; /* asked again */
    if (is_fenced(rc)) {
        rest(writer);
        return;
    }
    writer->must_abort = true;
    writer->commits = false;
    writer->phase = WRITER_ENDS;
}

static void added(struct weir_request *request)
{
    struct writer *writer = request->context;
    if (has_crashed(writer)) return;
    writer->is_asking = false;
    simulation_note_code(simulation_of(writer), request);
    if (request->rc < 0) {
        failed(writer, request->rc);
    } else {
        writer->is_added[writer->partition] = true;
    }
}

static void offsets_added(struct weir_request *request)
{
    struct writer *writer = request->context;
    if (has_crashed(writer)) return;
    writer->is_asking = false;
    simulation_note_code(simulation_of(writer), request);
    if (request->rc < 0) {
        failed(writer, request->rc);
    } else {
        writer->has_group = true;
    }
}

static void produced(struct weir_request *request)
{
    struct writer *writer = request->context;
    struct ledger_entry *entry = entry_of(writer);
    if (has_crashed(writer)) return;
    writer->is_asking = false;
    weir_shared_unref(writer->produce.batches);
    writer->produce.batches = NULL;
    simulation_note_code(simulation_of(writer), request);
    if (request->rc == WEIR_CONCURRENT_TRANSACTIONS) {
        entry->sent_count--; /* it was not appended */
        return;
    }
    if (request->rc < 0) {
        failed(writer, request->rc);
        return;
    }
    entry->value_count++;
    writer->sequences[writer->partition]++;
    /* At once, while the disk has not got it: a commit has to wait for that. */
    bool is_hasty = writer->acks != WEIR_ACKS_ALL && !writer->commits_offset &&
                    entry->sent_count >= writer->wanted;
    if (is_hasty) {
        writer->phase = WRITER_ENDS;
        end(writer);
    }
}

static void offset_committed(struct weir_request *request)
{
    struct writer *writer = request->context;
    if (has_crashed(writer)) return;
    writer->is_asking = false;
    simulation_note_code(simulation_of(writer), request);
    if (request->rc < 0) {
        failed(writer, request->rc);
    } else {
        entry_of(writer)->has_offset = true;
        writer->commits_offset = false;
    }
}

static void add_partition(struct writer *writer, int32_t partition)
{
    writer->is_asking = true;
    writer->partition = partition;
    writer->added = (struct weir_topic_partition){weir_text(TRANSACTION_TOPIC), partition};
    writer->add = (struct weir_add_partitions_request){
        .base = base_of(writer, added), .partitions = &writer->added, .partition_count = 1};
    weir_broker_add_partitions(simulation_of(writer)->broker, &writer->add);
}

static struct weir_shared *make_batch(struct writer *writer, int64_t value)
{
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_batch_builder builder;
    struct weir_slice bytes;
    uint8_t text[8];
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "batch", &heap, NULL, 0);
    weir_batch_builder_init(&builder, &budget, WEIR_CODEC_NONE, 0);
    put_value(text, value);
    struct weir_record record = {.value = weir_slice(text, sizeof text),
                                 .timestamp_ms = weir_wall_now(simulation_of(writer)->env).ms};
    if (weir_batch_builder_add(&builder, &record) < 0) abort();
    finish.producer_id = writer->producer_id;
    finish.producer_epoch = writer->producer_epoch;
    finish.base_sequence = writer->sequences[writer->partition];
    finish.is_transactional = true;
    if (weir_batch_builder_finish(&builder, &finish, &bytes) < 0) abort();
    struct weir_shared *batch = simulation_bytes(simulation_of(writer), bytes.data, bytes.size);
    weir_batch_builder_close(&builder);
    return batch;
}

static void produce(struct writer *writer, int32_t partition)
{
    struct ledger_entry *entry = entry_of(writer);
    int index = entry->sent_count++;
    entry->partition_of[index] = (uint64_t)partition;
    writer->is_asking = true;
    writer->partition = partition;
    writer->produce = (struct weir_produce_request){
        .request = {.done = produced, .context = writer},
        .to = {weir_text(TRANSACTION_TOPIC), partition},
        .batches = make_batch(writer, (int64_t)writer->number << 16 | index),
        .acks = writer->acks,
        .transactional_id = weir_text(writer->world->ids[writer->id]),
        .is_transaction_version_2 = writer->is_version_2,
    };
    weir_broker_produce(simulation_of(writer)->broker, &writer->produce);
}

static void add_group(struct writer *writer)
{
    writer->is_asking = true;
    writer->add_offsets =
        (struct weir_add_offsets_request){.base = base_of(writer, offsets_added),
                                          .group = weir_text(writer->world->groups[writer->id])};
    weir_broker_add_offsets(simulation_of(writer)->broker, &writer->add_offsets);
}

static void commit_offset(struct writer *writer)
{
    writer->is_asking = true;
    writer->entry = (struct weir_offset_entry){.partition = {weir_text(TRANSACTION_TOPIC), 0},
                                               .offset = writer->number,
                                               .leader_epoch = -1};
    writer->commit = (struct weir_commit_request){
        .request = {.done = offset_committed, .context = writer},
        .group = weir_text(writer->world->groups[writer->id]),
        .entries = &writer->entry,
        .entry_count = 1,
        .generation = -1,
        .transactional_id = weir_text(writer->world->ids[writer->id]),
        .producer_id = writer->producer_id,
        .producer_epoch = writer->producer_epoch,
        .is_transaction_version_2 = writer->is_version_2,
    };
    weir_broker_commit_offsets(simulation_of(writer)->broker, &writer->commit);
}

static void begin_transaction(struct writer *writer)
{
    struct simulation *simulation = simulation_of(writer);
    writer->number = ledger_begin(writer->world, writer->id);
    if (writer->number < 0) {
        writer->phase = WRITER_RESTS;
        return;
    }
    writer->wanted = 1 + (int)simulation_draw(simulation, 8);
    writer->commits = simulation_chance(simulation, 700);
    writer->commits_offset = simulation_chance(simulation, 500);
    writer->must_abort = false;
    writer->has_group = false;
    memset(writer->is_added, 0, sizeof writer->is_added);
}

static void write_on(struct writer *writer)
{
    struct simulation *simulation = simulation_of(writer);
    if (writer->number < 0) {
        if (!writer->world->is_last) begin_transaction(writer);
        return;
    }
    const struct ledger_entry *entry = entry_of(writer);
    int32_t partition = (int32_t)simulation_draw(simulation, writer->world->partition_count);
    bool is_full = entry->sent_count >= writer->wanted;
    if (!is_full && !writer->is_version_2 && !writer->is_added[partition]) {
        add_partition(writer, partition);
    } else if (!is_full) {
        produce(writer, partition);
    } else if (writer->commits_offset && !writer->is_version_2 && !writer->has_group) {
        add_group(writer);
    } else if (writer->commits_offset) {
        commit_offset(writer);
    } else if (!simulation_chance(simulation,
                                  5)) { /* else it falls silent, and its time runs out */
        writer->phase = WRITER_ENDS;
    } else {
        rest(writer);
    }
}

/* ---- begin -------------------------------------------------------------------------------------- */

static void begun(struct weir_request *request)
{
    struct writer *writer = request->context;
    if (has_crashed(writer)) return;
    writer->is_asking = false;
    simulation_note_code(simulation_of(writer), request);
    if (request->rc < 0) {
        if (is_fenced(request->rc)) writer->phase = WRITER_RESTS;
        return;
    }
    bool is_taken = writer->init.producer_id == writer->producer_id &&
                    writer->init.producer_epoch <= writer->producer_epoch;
    if (is_taken) {
        simulation_fail(simulation_of(writer), "epoch-given-twice",
                        "producer %lld of '%s' had epoch %d and is given %d",
                        (long long)writer->producer_id, writer->world->ids[writer->id],
                        writer->producer_epoch, writer->init.producer_epoch);
    }
    take_epoch(writer, writer->init.producer_id, writer->init.producer_epoch);
    writer->phase = WRITER_WRITES;
}

static void begin(struct writer *writer)
{
    give_up(writer);
    writer->is_asking = true;
    writer->init = (struct weir_init_transactions_request){
        .base = base_of(writer, begun),
        .timeout_ms = 200 + (int32_t)simulation_draw(simulation_of(writer), 3000)};
    writer->init.base.producer_id = -1;
    writer->init.base.producer_epoch = -1;
    weir_broker_init_transactions(simulation_of(writer)->broker, &writer->init);
}

/* ---- the client --------------------------------------------------------------------------------- */

static void act(struct client *client)
{
    struct writer *writer = (struct writer *)client;
    struct simulation *simulation = client->simulation;
    if (writer->is_asking || !simulation_chance(simulation, 500)) return;
    switch (writer->phase) {
    case WRITER_RESTS:
        if (writer->world->is_last || !simulation_chance(simulation, 20)) break;
        writer->phase = WRITER_BEGINS;
        break;
    case WRITER_BEGINS:
        if (writer->world->is_last) {
            rest(writer);
        } else {
            begin(writer);
        }
        break;
    case WRITER_WRITES:
        write_on(writer);
        break;
    case WRITER_ENDS:
        end(writer);
        break;
    }
}

/* What was under way has no answer. Of values that only the leader has acknowledged nobody knows whether they are there:
 * they are not committed any more. */
static void forget(struct client *client)
{
    struct writer *writer = (struct writer *)client;
    bool was_asking = writer->is_asking;
    writer->is_asking = false;
    if (writer->number < 0) return;
    if (writer->phase == WRITER_ENDS && was_asking) entry_of(writer)->is_lost = true;
    bool is_lost = was_asking || writer->acks != WEIR_ACKS_ALL;
    if (!is_lost) return;
    if (writer->phase == WRITER_ENDS && writer->acks == WEIR_ACKS_ALL) {
        if (simulation_chance(client->simulation, 700)) return; /* asked again */
    }
    give_up(writer);
    writer->phase = WRITER_BEGINS;
}

static bool is_done(const struct client *client)
{
    const struct writer *writer = (const struct writer *)client;
    return writer->world->is_last && !writer->is_asking && writer->number < 0;
}

static void close_writer(struct client *client)
{
    free(client);
}

void transaction_writer_new(struct transaction_world *world, int id, int process)
{
    struct simulation *simulation = world->simulation;
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) abort();
    (void)process;
    writer->world = world;
    writer->id = id;
    writer->number = -1;
    writer->producer_id = -1;
    writer->is_version_2 = simulation_chance(simulation, 600);
    writer->acks = simulation_chance(simulation, 500) ? WEIR_ACKS_ALL : WEIR_ACKS_LEADER;
    writer->phase = simulation_chance(simulation, 500) ? WRITER_BEGINS : WRITER_RESTS;
    writer->client =
        (struct client){.act = act, .forget = forget, .is_done = is_done, .close = close_writer};
    simulation_add(simulation, &writer->client);
}
