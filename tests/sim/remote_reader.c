/**
 * A reader over the wire: all partitions of one topic from their beginning, with a fetch session or
 * without, by name or by id, waiting for more or not. Every batch's checksum is verified, and
 * nothing may come from at or above the high watermark.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/remote.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/fetch_response.h"

enum {
    SESSIONS_FROM = 7,
    START_FROM = 5, /* the version that tells the log's start */
    NO_SESSION_EPOCH = -1,
    WAIT_MS_MAX = 20,
};

struct place {
    int process; /* to the history each partition has a reader of its own */
    int64_t position;
    int64_t asked; /* the position that the session knows; -1: it does not know the partition */
    int64_t high_watermark;
    bool is_at_end; /* was told so by the latest answer */
};

struct reader {
    struct remote remote; /* first */
    struct remote_reader_options options;
    struct remote_ask ask;
    struct place places[SERVED_PARTITIONS_MAX];
    int16_t version;
    int32_t session_id;
    int32_t session_epoch;
    bool is_fetching;
};

static struct simulation *world(const struct reader *reader)
{
    return reader->remote.served->simulation;
}

/* ---- what a fetch gave ------------------------------------------------------------------------ */

/* Where a record of the walk is from. */
struct finding {
    struct reader *reader;
    struct place *place;
    int log;
};

static void note_record(void *context, const struct weir_record *record)
{
    const struct finding *finding = context;
    struct simulation *simulation = world(finding->reader);
    if (record->offset >= finding->place->high_watermark) {
        simulation_fail(
            simulation, "read-beyond-the-end",
            "node %d was given offset %lld of %s-%d, at or above the high watermark %lld",
            finding->reader->remote.node, (long long)record->offset,
            simulation->history.logs[finding->log].topic,
            simulation->history.logs[finding->log].partition,
            (long long)finding->place->high_watermark);
    }
    history_note(&simulation->history,
                 &(struct history_event){
                     .kind = finding->reader->options.is_final ? HISTORY_FINAL : HISTORY_READ,
                     .process = finding->place->process,
                     .log = finding->log,
                     .value = record_value(record),
                     .offset = record->offset,
                 });
}

static void note_bounds(struct reader *reader, const struct place *place, int log,
                        const struct weir_wire_fetch_response_partition_data *data)
{
    struct history_event event = {
        .kind = HISTORY_BOUNDS,
        .is_hearsay = true, /* the server keeps a watch on what a connection reads */
        .process = place->process,
        .log = log,
        .start = reader->version >= START_FROM ? data->log_start_offset : 0,
        .offset = data->last_stable_offset, /* nobody writes transactions */
        .end = data->high_watermark,
    };
    history_note_since(&world(reader)->history, &event, reader->ask.began);
}

static void take_records(struct reader *reader, int32_t index,
                         const struct weir_wire_fetch_response_partition_data *data)
{
    struct place *place = &reader->places[index];
    struct finding finding = {reader, place, reader->remote.topic->logs[index]};
    struct walk walk = {
        .each = note_record, .context = &finding, .from = place->position, .next = place->position};
    struct weir_error error = {0};
    note_bounds(reader, place, finding.log, data);
    if (data->high_watermark < place->high_watermark) {
        simulation_fail(world(reader), "bounds",
                        "node %d: the high watermark of %s-%d went back from %lld to %lld",
                        reader->remote.node, reader->remote.topic->name, (int)index,
                        (long long)place->high_watermark, (long long)data->high_watermark);
    }
    place->high_watermark = data->high_watermark;
    int rc = walk_batches(&walk, data->records, &error);
    if (rc < 0) {
        simulation_fail(world(reader), "corrupt-without-damage",
                        "node %d at offset %lld of %s-%d: %s", reader->remote.node,
                        (long long)place->position, reader->remote.topic->name, (int)index,
                        error.text);
    }
    if (walk.next > place->position) place->position = walk.next;
    place->is_at_end = place->position >= place->high_watermark;
}

static void take_partition(struct reader *reader,
                           const struct weir_wire_fetch_response_partition_data *data)
{
    int32_t index = data->partition_index;
    if (index < 0 || index >= reader->remote.topic->partition_count) {
        simulation_fail(world(reader), "wrong-answer", "Fetch for partition %d, unasked",
                        (int)index);
    } else if (data->error_code == WEIR_WIRE_NONE) {
        take_records(reader, index, data);
    } else if (data->error_code == WEIR_WIRE_OFFSET_OUT_OF_RANGE) {
        simulation_fail(world(reader), "lost-read",
                        "node %d had read up to offset %lld of %s-%d, which is out of range now",
                        reader->remote.node, (long long)reader->places[index].position,
                        reader->remote.topic->name, (int)index);
    } else {
        (void)remote_excuses(&reader->remote, &reader->ask, data->error_code, "Fetch");
    }
}

/* ---- sessions --------------------------------------------------------------------------------- */

static void forget_session(struct reader *reader)
{
    reader->session_id = 0;
    reader->session_epoch = reader->options.has_session ? 0 : NO_SESSION_EPOCH;
    for (int i = 0; i < SERVED_PARTITIONS_MAX; i++)
        reader->places[i].asked = -1;
}

static void go_on_in_session(struct reader *reader, int32_t session_id)
{
    if (!reader->options.has_session) return;
    bool is_as_before = reader->session_epoch == 0 || session_id == reader->session_id;
    if (session_id == 0 || !is_as_before) { /* the server had no room for it */
        forget_session(reader);
        return;
    }
    reader->session_id = session_id;
    reader->session_epoch++;
}

static bool is_session_gone(const struct reader *reader, int16_t error)
{
    return reader->options.has_session && (error == WEIR_WIRE_FETCH_SESSION_ID_NOT_FOUND ||
                                           error == WEIR_WIRE_INVALID_FETCH_SESSION_EPOCH);
}

static void fetched(struct remote_ask *ask, const void *answer)
{
    struct reader *reader = (struct reader *)ask->remote;
    const struct weir_wire_fetch_response *response = answer;
    reader->is_fetching = false;
    if (is_session_gone(reader, response->error_code)) {
        forget_session(reader);
        return;
    }
    if (response->error_code != WEIR_WIRE_NONE) {
        (void)remote_excuses(&reader->remote, ask, response->error_code, "Fetch");
        return;
    }
    for (size_t i = 0; i < response->responses_count; i++) {
        const struct weir_wire_fetch_response_fetchable_topic_response *topic =
            &response->responses[i];
        for (size_t j = 0; j < topic->partitions_count; j++)
            take_partition(reader, &topic->partitions[j]);
    }
    go_on_in_session(reader, response->session_id);
}

/* ---- asking ----------------------------------------------------------------------------------- */

static size_t
fill_partitions(struct reader *reader,
                struct weir_wire_fetch_request_fetch_partition partitions[SERVED_PARTITIONS_MAX])
{
    int32_t size_max = 1 + (int32_t)remote_draw(&reader->remote, 4000);
    size_t count = 0;
    for (int32_t i = 0; i < reader->remote.topic->partition_count; i++) {
        struct place *place = &reader->places[i];
        bool is_known = reader->session_epoch > 0 && place->asked == place->position;
        if (is_known) continue;
        place->asked = place->position;
        partitions[count++] = (struct weir_wire_fetch_request_fetch_partition){
            .partition = i,
            .current_leader_epoch = -1,
            .fetch_offset = place->position,
            .last_fetched_epoch = -1,
            .log_start_offset = -1,
            .partition_max_bytes = size_max,
            .high_watermark = INT64_MAX,
        };
    }
    return count;
}

static void fetch(struct reader *reader)
{
    struct weir_wire_fetch_request_fetch_partition partitions[SERVED_PARTITIONS_MAX];
    struct weir_wire_fetch_request request;
    bool waits = !reader->options.is_final && remote_chance(&reader->remote, 500);
    struct weir_wire_fetch_request_fetch_topic topic = {
        .topic = weir_text(reader->remote.topic->name),
        .topic_id = reader->remote.topic_id,
        .partitions = partitions,
        .partitions_count = fill_partitions(reader, partitions),
    };
    weir_wire_fetch_request_init(&request);
    request.max_wait_ms = (int32_t)remote_draw(&reader->remote, WAIT_MS_MAX);
    request.min_bytes = waits ? 1 + (int32_t)remote_draw(&reader->remote, 500) : 0;
    request.max_bytes = 1 + (int32_t)remote_draw(&reader->remote, 10000);
    request.isolation_level = remote_chance(&reader->remote, 500);
    request.session_id = reader->session_id;
    request.session_epoch = reader->session_epoch;
    request.topics = &topic;
    request.topics_count = topic.partitions_count > 0;
    reader->is_fetching = true;
    reader->ask.answered = fetched;
    remote_send(&reader->remote, &reader->ask, &weir_wire_fetch_request_type,
                &weir_wire_fetch_response_type, reader->version, &request);
}

/* ---- the client ------------------------------------------------------------------------------- */

static void lost(struct remote *remote)
{
    struct reader *reader = (struct reader *)remote;
    reader->is_fetching = false;
    forget_session(reader);
}

static bool is_at_end(const struct reader *reader)
{
    for (int32_t i = 0; i < reader->remote.topic->partition_count; i++) {
        if (!reader->places[i].is_at_end) return false;
    }
    return true;
}

static void note_ends(struct reader *reader)
{
    for (int32_t i = 0; i < reader->remote.topic->partition_count; i++)
        reader->remote.topic->ends[i] = reader->places[i].position;
}

static void act(struct remote *remote)
{
    struct reader *reader = (struct reader *)remote;
    if (reader->is_fetching) return;
    if (reader->options.is_final && is_at_end(reader)) {
        note_ends(reader);
    } else {
        fetch(reader);
    }
}

static const struct remote_ops reader_ops = {
    .lost = lost,
    .act = act,
};

/* A reader that goes on for ever is done when it has all that the last one found. */
static bool is_done(const struct client *client)
{
    const struct reader *reader = (const struct reader *)client;
    for (int32_t i = 0; i < reader->remote.topic->partition_count; i++) {
        int64_t end = reader->remote.topic->ends[i];
        if (reader->options.is_final && end < 0) return false;
        if (reader->places[i].position < end) return false;
    }
    return true;
}

static void close_reader(struct client *client)
{
    free(client);
}

void remote_reader_new(struct served *served, struct served_topic *topic,
                       const struct remote_reader_options *options)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) abort();
    reader->options = *options;
    reader->remote.topic = topic;
    for (int32_t i = 0; i < topic->partition_count; i++)
        reader->places[i].process = served_process(served);
    reader->remote.client = (struct client){.is_done = is_done, .close = close_reader};
    remote_start(&reader->remote, served, &reader_ops);
    reader->version = remote_draw_version(&reader->remote, &weir_wire_fetch_request_type,
                                          options->has_session ? SESSIONS_FROM : 0);
    forget_session(reader);
}
