/* Keeps a topic of the group world alive: asks what it is like, writes records, adds partitions, makes it anew. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/group_world.h"
#include "tests/sim/remote.h"
#include "base/uuid.h"
#include "wire/generated/create_partitions_request.h"
#include "wire/generated/create_partitions_response.h"
#include "wire/generated/create_topics_request.h"
#include "wire/generated/create_topics_response.h"
#include "wire/generated/delete_topics_request.h"
#include "wire/generated/delete_topics_response.h"
#include "wire/generated/metadata_request.h"
#include "wire/generated/metadata_response.h"
#include "wire/generated/produce_request.h"
#include "wire/generated/produce_response.h"

enum {
    MS = 1000 * 1000,
    RECORDS_MAX = 5,
    TIMEOUT_MS = 1000,
    GROWS_PER_MILLE = 20,
    REMAKES_PER_MILLE = 10,
    LOOKS_PER_MILLE = 50,
    PRODUCE_VERSION = 13, /* by id */
    DELETE_VERSION = 5,   /* by name */
};

struct feeder {
    struct remote remote; /* first */
    struct group_world *world;
    struct group_topic *topic;
    struct remote_ask ask;
    bool is_asking;
    bool has_looked; /* since the connection stands, and since it grew */
    int64_t left;    /* records to be written */
    int growths;     /* still to come */
    int remakes;
    int64_t count; /* in the batch under way */
    int life;      /* of the topic that it goes to */
    bool knows_id; /* what the topic's id was, the last time that it was seen */
};

static void ask(struct feeder *feeder, const struct weir_message_type *request_type,
                const struct weir_message_type *response_type, int16_t version, const void *request,
                void (*answered)(struct remote_ask *ask, const void *response))
{
    feeder->is_asking = true;
    feeder->ask.answered = answered;
    remote_send(&feeder->remote, &feeder->ask, request_type, response_type, version, request);
}

/* ---- made anew ---- */

/* Whatever the answer is: what came of it is looked at. */
static void changed(struct remote_ask *ask, const void *answer)
{
    struct feeder *feeder = (struct feeder *)ask->remote;
    (void)answer;
    feeder->is_asking = false;
}

static void create(struct feeder *feeder)
{
    static const char *const configs[][2] = {
        {"segment.bytes", "20000"},
        {"retention.ms", "-1"},
        {"message.timestamp.after.max.ms", "9223372036854775807"},
        {"flush.policy", "group"},
    };
    struct weir_wire_create_topics_request_creatable_topic_config rows[4];
    struct weir_wire_create_topics_request_creatable_topic topic = {
        .name = weir_text(feeder->topic->name),
        .num_partitions = 1 + (int32_t)remote_draw(&feeder->remote, 30),
        .replication_factor = 1,
        .configs = rows,
        .configs_count = 4};
    struct weir_wire_create_topics_request request;
    for (int i = 0; i < 4; i++) {
        rows[i].name = weir_text(configs[i][0]);
        rows[i].value = weir_text(configs[i][1]);
    }
    weir_wire_create_topics_request_init(&request);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    ask(feeder, &weir_wire_create_topics_request_type, &weir_wire_create_topics_response_type, -1,
        &request, changed);
}

static void delete (struct feeder *feeder)
{
    const struct weir_slice name = weir_text(feeder->topic->name);
    struct weir_wire_delete_topics_request request;
    feeder->remakes--;
    feeder->has_looked = false;
    weir_wire_delete_topics_request_init(&request);
    request.topic_names = &name;
    request.topic_names_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    ask(feeder, &weir_wire_delete_topics_request_type, &weir_wire_delete_topics_response_type,
        DELETE_VERSION, &request, changed);
}

/* ---- what it is like ------------------------------------------------------------------------- */

/* Its first life has no id here until now. */
static void take_topic(struct feeder *feeder, struct weir_uuid id, int32_t count)
{
    struct group_topic *topic = feeder->topic;
    bool is_new = feeder->knows_id && !weir_uuid_equal(topic->id, id);
    if (is_new) {
        topic->life++;
        topic->count = count;
        memset(topic->ends, 0, sizeof topic->ends);
    }
    if (topic->life >= GROUP_LIVES_MAX) abort();
    topic->id = id;
    topic->has_id = true;
    feeder->knows_id = true;
    if (count > topic->count) topic->count = count;
}

static void looked(struct remote_ask *ask, const void *answer)
{
    struct feeder *feeder = (struct feeder *)ask->remote;
    const struct weir_wire_metadata_response *response = answer;
    feeder->is_asking = false;
    if (response->topics_count != 1) return;
    bool is_gone = response->topics->error_code == WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION;
    if (is_gone && feeder->topic->is_remade) {
        feeder->topic->has_id = false;
        create(feeder);
        return;
    }
    if (response->topics->error_code != WEIR_WIRE_NONE) {
        (void)remote_excuses(&feeder->remote, ask, response->topics->error_code, "Metadata");
        return;
    }
    feeder->has_looked = true;
    take_topic(feeder, response->topics->topic_id, (int32_t)response->topics->partitions_count);
}

static void look(struct feeder *feeder)
{
    struct weir_wire_metadata_request_metadata_request_topic topic = {
        .name = weir_text(feeder->topic->name)};
    struct weir_wire_metadata_request request;
    weir_wire_metadata_request_init(&request);
    request.topics = &topic;
    request.topics_count = 1;
    ask(feeder, &weir_wire_metadata_request_type, &weir_wire_metadata_response_type, -1, &request,
        looked);
}

/* ---- records --------------------------------------------------------------------------------- */

static void written(struct remote_ask *ask, const void *answer)
{
    struct feeder *feeder = (struct feeder *)ask->remote;
    const struct weir_wire_produce_response *response = answer;
    feeder->is_asking = false;
    if (response->responses_count != 1 || response->responses->partition_responses_count != 1)
        return;
    const struct weir_wire_produce_response_partition_produce_response *row =
        response->responses->partition_responses;
    bool is_of_topic = row->error_code == WEIR_WIRE_UNKNOWN_TOPIC_ID ||
                       row->error_code == WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION;
    if (is_of_topic && feeder->topic->is_remade) {
        feeder->has_looked = false;
        return;
    }
    if (row->error_code != WEIR_WIRE_NONE) {
        (void)remote_excuses(&feeder->remote, ask, row->error_code, "Produce");
        return;
    }
    if (feeder->life != feeder->topic->life) return;
    int64_t end = row->base_offset + feeder->count;
    if (end > feeder->topic->ends[row->index]) feeder->topic->ends[row->index] = end;
}

static void add_record(struct feeder *feeder, struct weir_batch_builder *builder)
{
    uint8_t bytes[8];
    put_value(bytes, feeder->left);
    struct weir_record record = {.value = weir_slice(bytes, sizeof bytes),
                                 .timestamp_ms = weir_wall_now(feeder->remote.env).ms};
    if (weir_batch_builder_add(builder, &record) < 0) abort();
}

static void send_batch(struct feeder *feeder, struct weir_slice bytes)
{
    struct weir_wire_produce_request_partition_produce_data row = {
        .index = (int32_t)remote_draw(&feeder->remote, feeder->topic->count), .records = bytes};
    struct weir_wire_produce_request_topic_produce_data topic = {
        .topic_id = feeder->topic->id, .partition_data = &row, .partition_data_count = 1};
    feeder->life = feeder->topic->life;
    struct weir_wire_produce_request request;
    weir_wire_produce_request_init(&request);
    request.acks = -1;
    request.timeout_ms = TIMEOUT_MS;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    ask(feeder, &weir_wire_produce_request_type, &weir_wire_produce_response_type, PRODUCE_VERSION,
        &request, written);
}

static void write_batch(struct feeder *feeder)
{
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_batch_builder builder;
    struct weir_slice bytes;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "batch", &heap, NULL, 0);
    weir_batch_builder_init(&builder, &budget, WEIR_CODEC_NONE, WEIR_CODEC_LEVEL_DEFAULT);
    feeder->count = 1 + remote_draw(&feeder->remote, RECORDS_MAX);
    for (int64_t i = 0; i < feeder->count; i++)
        add_record(feeder, &builder);
    if (weir_batch_builder_finish(&builder, &finish, &bytes) < 0) abort();
    feeder->left -= feeder->count;
    send_batch(feeder, bytes);
    weir_batch_builder_close(&builder);
}

/* ---- growth ---------------------------------------------------------------------------------- */

static void grow(struct feeder *feeder)
{
    int32_t room = GROUP_PARTITIONS_MAX - feeder->topic->count;
    int32_t more = 1 + (int32_t)remote_draw(&feeder->remote, 5);
    struct weir_wire_create_partitions_request_create_partitions_topic topic = {
        .name = weir_text(feeder->topic->name),
        .count = feeder->topic->count + (more < room ? more : room)};
    struct weir_wire_create_partitions_request request;
    feeder->growths--;
    feeder->has_looked = false;
    if (room <= 0) return;
    weir_wire_create_partitions_request_init(&request);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    ask(feeder, &weir_wire_create_partitions_request_type,
        &weir_wire_create_partitions_response_type, -1, &request, changed);
}

/* ---- the client ------------------------------------------------------------------------------ */

static void lost(struct remote *remote)
{
    struct feeder *feeder = (struct feeder *)remote;
    feeder->is_asking = false;
    feeder->has_looked = false;
}

static void act(struct remote *remote)
{
    struct feeder *feeder = (struct feeder *)remote;
    if (feeder->is_asking) return;
    if (!feeder->has_looked) {
        look(feeder);
    } else if (feeder->growths > 0 && remote_chance(remote, GROWS_PER_MILLE)) {
        grow(feeder);
    } else if (feeder->remakes > 0 && remote_chance(remote, REMAKES_PER_MILLE)) {
        delete (feeder);
    } else if (feeder->left > 0) {
        write_batch(feeder);
    } else if (remote_chance(remote, LOOKS_PER_MILLE)) {
        look(feeder); /* a deletion may have been on its way for long */
    }
}

static const struct remote_ops ops = {.lost = lost, .act = act};

static bool is_done(const struct client *client)
{
    const struct feeder *feeder = (const struct feeder *)client;
    bool is_through = feeder->left <= 0 && feeder->growths == 0 && feeder->remakes == 0;
    return is_through && feeder->has_looked && feeder->topic->has_id;
}

static void close_feeder(struct client *client)
{
    free(client);
}

void group_feeder_new(struct group_world *world, struct group_topic *topic, int64_t record_count,
                      int growths, int remakes)
{
    struct feeder *feeder = calloc(1, sizeof *feeder);
    if (feeder == NULL) abort();
    feeder->world = world;
    feeder->topic = topic;
    feeder->left = record_count;
    feeder->growths = growths;
    feeder->remakes = remakes;
    feeder->remote.client = (struct client){.is_done = is_done, .close = close_feeder};
    remote_start(&feeder->remote, &world->served, &ops);
    feeder->remote.pace_ns = MS * (1 + remote_draw(&feeder->remote, 8));
}
