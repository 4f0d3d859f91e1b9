/** A reader: one partition from its beginning, batch after batch; with a group it commits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/clients.h"
#include "wire/request/committed_filter.h"
#include "wire/record_batch_reader.h"

struct reader {
    struct client client; /* first */
    struct reader_options options;
    struct weir_fetch_request fetch;
    bool is_fetching;
    int64_t position;
    int64_t high_watermark;
    bool is_at_end;
    struct weir_commit_request commit;
    struct weir_offset_entry entry;
    bool is_committing;
    size_t commit_event;
    int64_t committed; /* the last that was asked for */
    struct weir_committed_request ask;
    struct weir_offset_entry asked;
    bool is_asking;
    size_t ask_event;
};

int64_t record_value(const struct weir_record *record)
{
    if (record->value.size < 8) return -1;
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | record->value.data[i];
    return (int64_t)value;
}

/* ---- what a fetch gave ------------------------------------------------------------------------ */

int walk_batches(struct walk *walk, struct weir_slice bytes, struct weir_error *error)
{
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_buffer plain;
    struct weir_batch_reader reader = {.rest = bytes, .plain = &plain, .is_whole = true};
    struct weir_record record;
    int rc;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "plain", &heap, NULL, 0);
    weir_buffer_init(&plain, &budget, 0);
    while ((rc = weir_batch_reader_open_next(&reader, error)) == 0) {
        while ((rc = weir_batch_reader_record(&reader, &record, error)) == 0) {
            walk->next = record.offset + 1;
            if (record.offset >= walk->from) walk->each(walk->context, &record);
        }
        if (rc < 0) break;
        walk->next = weir_batch_last_offset(&reader.header) + 1; /* it may have no records left */
    }
    weir_buffer_close(&plain);
    return rc < 0 ? rc : 0;
}

static int walk_fetch(struct walk *walk, const struct weir_fetch_request *fetch,
                      struct weir_error *error)
{
    for (size_t i = 0; i < fetch->batches.part_count; i++) {
        int rc = walk_batches(walk, weir_log_part_bytes(&fetch->batches.parts[i]), error);
        if (rc < 0) return rc;
    }
    return 0;
}

/* ---- fetching --------------------------------------------------------------------------------- */

static void note_record(void *context, const struct weir_record *record)
{
    struct reader *reader = context;
    const struct reader_options *options = &reader->options;
    struct simulation *simulation = reader->client.simulation;
    if (record->offset >= reader->high_watermark) {
        simulation_fail(simulation, "read-beyond-the-end",
                        "reader %d was given offset %lld of %s-%d, above the high watermark %lld",
                        options->process, (long long)record->offset, options->topic,
                        (int)options->partition, (long long)reader->high_watermark);
    }
    history_note(&simulation->history, &(struct history_event){
                                           .kind = options->is_final ? HISTORY_FINAL : HISTORY_READ,
                                           .process = options->process,
                                           .log = options->log,
                                           .value = record_value(record),
                                           .offset = record->offset,
                                       });
}

static void take_records(struct reader *reader)
{
    struct simulation *simulation = reader->client.simulation;
    struct walk walk = {
        .each = note_record, .context = reader, .from = reader->position, .next = reader->position};
    struct weir_error error = {0};
    reader->high_watermark = reader->fetch.high_watermark;
    history_note(&simulation->history, &(struct history_event){
                                           .kind = HISTORY_BOUNDS,
                                           .process = reader->options.process,
                                           .log = reader->options.log,
                                           .start = reader->fetch.log_start_offset,
                                           .offset = reader->fetch.high_watermark,
                                           .end = reader->fetch.log_end_offset,
                                       });
    int rc = walk_fetch(&walk, &reader->fetch, &error);
    if (rc < 0) {
        simulation_fail(simulation, "corrupt-without-damage",
                        "reader %d at offset %lld of %s-%d: %s", reader->options.process,
                        (long long)reader->position, reader->options.topic,
                        (int)reader->options.partition, error.text);
    }
    reader->position = walk.next;
    reader->is_at_end = reader->position >= reader->fetch.high_watermark;
}

static void fetched(struct weir_request *request)
{
    struct reader *reader = request->context;
    struct simulation *simulation = reader->client.simulation;
    if (weir_sim_has_crashed(simulation->sim, 0)) return;
    reader->is_fetching = false;
    simulation_note_code(simulation, request);
    if (request->rc == WEIR_OFFSET_OUT_OF_RANGE) {
        simulation_fail(simulation, "lost-read",
                        "reader %d had read up to offset %lld of %s-%d and is told: %s",
                        reader->options.process, (long long)reader->position, reader->options.topic,
                        (int)reader->options.partition, request->error.text);
    }
    if (request->rc < 0) return;
    take_records(reader);
    weir_log_batches_release(&reader->fetch.batches);
}

static void fetch(struct reader *reader)
{
    struct simulation *simulation = reader->client.simulation;
    bool waits = !reader->options.is_final && simulation_chance(simulation, 500);
    reader->fetch = (struct weir_fetch_request){
        .request = {.done = fetched, .context = reader},
        .from = {weir_text(reader->options.topic), reader->options.partition},
        .offset = reader->position,
        .size_max = 1 + (size_t)simulation_draw(simulation, 4000),
        .size_min = waits ? 1 + (size_t)simulation_draw(simulation, 500) : 0,
        .deadline =
            weir_mono_after_ms(weir_mono_now(simulation->env), simulation_draw(simulation, 20)),
    };
    reader->is_fetching = true;
    weir_broker_fetch(simulation->broker, &reader->fetch);
}

/* ---- committing ------------------------------------------------------------------------------- */

static void committed(struct weir_request *request)
{
    struct reader *reader = request->context;
    struct simulation *simulation = reader->client.simulation;
    if (weir_sim_has_crashed(simulation->sim, 0)) return;
    reader->is_committing = false;
    simulation_note_code(simulation, request);
    if (request->rc == 0) history_end(&simulation->history, reader->commit_event);
}

static void commit(struct reader *reader)
{
    struct simulation *simulation = reader->client.simulation;
    reader->committed = reader->position;
    reader->entry = (struct weir_offset_entry){
        .partition = {weir_text(reader->options.topic), reader->options.partition},
        .offset = reader->position,
        .leader_epoch = -1,
        .metadata = weir_text("sim"),
    };
    reader->commit = (struct weir_commit_request){
        .request = {.done = committed, .context = reader},
        .group = weir_text(reader->options.group),
        .entries = &reader->entry,
        .entry_count = 1,
    };
    reader->commit_event =
        history_begin(&simulation->history, &(struct history_event){
                                                .kind = HISTORY_COMMIT,
                                                .process = reader->options.process,
                                                .log = reader->options.log,
                                                .offset = reader->position,
                                            });
    reader->is_committing = true;
    weir_broker_commit_offsets(simulation->broker, &reader->commit);
}

static void told(struct weir_request *request)
{
    struct reader *reader = request->context;
    struct simulation *simulation = reader->client.simulation;
    if (weir_sim_has_crashed(simulation->sim, 0)) return;
    reader->is_asking = false;
    simulation_note_code(simulation, request);
    if (request->rc < 0) return;
    simulation->history.events[reader->ask_event].offset = reader->asked.offset;
    history_end(&simulation->history, reader->ask_event);
}

static void ask(struct reader *reader)
{
    struct simulation *simulation = reader->client.simulation;
    reader->asked = (struct weir_offset_entry){
        .partition = {weir_text(reader->options.topic), reader->options.partition}};
    reader->ask = (struct weir_committed_request){
        .request = {.done = told, .context = reader},
        .group = weir_text(reader->options.group),
        .entries = &reader->asked,
        .entry_count = 1,
    };
    reader->ask_event = history_begin(&simulation->history, &(struct history_event){
                                                                .kind = HISTORY_COMMITTED,
                                                                .process = reader->options.process,
                                                                .log = reader->options.log,
                                                            });
    reader->is_asking = true;
    weir_broker_committed(simulation->broker, &reader->ask);
}

/* ---- the client ------------------------------------------------------------------------------- */

static void act(struct client *client)
{
    struct reader *reader = (struct reader *)client;
    bool is_over = reader->options.is_final && reader->is_at_end;
    if (!reader->is_fetching && !is_over && simulation_chance(client->simulation, 300)) {
        fetch(reader);
    }
    if (reader->options.group == NULL) return;
    if (!reader->is_committing && reader->position > reader->committed &&
        simulation_chance(client->simulation, 100)) {
        commit(reader);
    }
    if (!reader->is_asking && simulation_chance(client->simulation, 50)) ask(reader);
}

static void forget(struct client *client)
{
    struct reader *reader = (struct reader *)client;
    reader->is_fetching = false;
    reader->is_committing = false;
    reader->is_asking = false;
}

static bool is_done(const struct client *client)
{
    const struct reader *reader = (const struct reader *)client;
    return !reader->options.is_final || reader->is_at_end;
}

static void close_reader(struct client *client)
{
    free(client);
}

void reader_new(struct simulation *simulation, const struct reader_options *options)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) abort();
    reader->options = *options;
    reader->client =
        (struct client){.act = act, .forget = forget, .is_done = is_done, .close = close_reader};
    simulation_add(simulation, &reader->client);
}

/* ---- reading all of a partition, between events ----------------------------------------------- */

static int fetch_once(struct simulation *simulation, struct weir_fetch_request *fetch,
                      struct weir_error *error)
{
    int rc = weir_broker_wait_begin(simulation->broker, &fetch->request, error);
    if (rc < 0) return rc;
    weir_broker_fetch(simulation->broker, fetch);
    return weir_broker_wait(simulation->broker, &fetch->request, error);
}

/* Markers, and what was aborted, are passed over. */
static int walk_committed(struct walk *walk, const struct weir_fetch_request *fetch,
                          struct weir_error *error)
{
    struct weir_committed_filter filter;
    int rc = 0;
    weir_committed_filter_begin(&filter, fetch->aborted, fetch->aborted_count);
    for (size_t i = 0; rc >= 0 && i < fetch->batches.part_count; i++) {
        struct weir_batch_reader reader = {.rest = weir_log_part_bytes(&fetch->batches.parts[i]),
                                           .is_whole = true};
        while (rc >= 0 && (rc = weir_batch_reader_next(&reader, error)) == 0) {
            rc = weir_committed_filter_admit(&filter, &reader, error);
            if (rc == 0) rc = walk_batches(walk, reader.batch, error);
            walk->next = weir_batch_last_offset(&reader.header) + 1;
            if (rc == WEIR_END) rc = 0;
        }
        if (rc == WEIR_END) rc = 0;
    }
    return rc;
}

bool read_partition(struct simulation *simulation, const char *topic, int32_t partition,
                    void (*each)(void *context, const struct weir_record *record), void *context)
{
    struct walk walk = {.each = each, .context = context};
    struct weir_error error = {0};
    for (;;) {
        struct weir_fetch_request fetch = {.from = {weir_text(topic), partition},
                                           .offset = walk.next,
                                           .size_max = 1 << 16,
                                           .read_committed = true};
        walk.from = walk.next;
        int rc = fetch_once(simulation, &fetch, &error);
        if (rc == WEIR_OFFSET_OUT_OF_RANGE && fetch.log_start_offset > walk.next) {
            walk.next = fetch.log_start_offset;
            continue;
        }
        if (rc == 0) rc = walk_committed(&walk, &fetch, &error);
        weir_free(fetch.aborted);
        if (rc < 0) {
            return simulation_fail(simulation, "cannot-read", "%s-%d from %lld: %s", topic,
                                   (int)partition, (long long)walk.next, error.text);
        }
        bool is_over = walk.next >= fetch.high_watermark || walk.next == walk.from;
        weir_log_batches_release(&fetch.batches);
        if (is_over) return true;
    }
}
