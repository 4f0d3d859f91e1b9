/**
 * An administrator over the wire. A topic's life: it is created, looked at, written to, given more
 * partitions, trimmed, asked for its offsets, deleted, and looked for in vain. What it holds is
 * known at each step, so each answer is held against it at once. When nobody knows whether a change
 * took effect, because its connection is gone or it was refused with an error that says so little,
 * the topic is left to itself and the next one has another name: the change may still be on its
 * way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/remote.h"
#include "wire/generated/create_partitions_request.h"
#include "wire/generated/create_partitions_response.h"
#include "wire/generated/create_topics_request.h"
#include "wire/generated/create_topics_response.h"
#include "wire/generated/delete_records_request.h"
#include "wire/generated/delete_records_response.h"
#include "wire/generated/delete_topics_request.h"
#include "wire/generated/delete_topics_response.h"
#include "wire/generated/list_offsets_request.h"
#include "wire/generated/list_offsets_response.h"
#include "wire/generated/metadata_request.h"
#include "wire/generated/metadata_response.h"
#include "wire/generated/produce_request.h"
#include "wire/generated/produce_response.h"
#include "wire/record_batch.h"

enum { TIMEOUT_MS = 1000, DEEDS_MAX = 12, RECORDS_MAX = 3, PARTITIONS_MAX = 5, TIME_STEP_MS = 10 };
enum { TIME_OF_FIRST_MS = 1000, EARLIEST = -2, LATEST = -1, NO_OFFSET = -1 };

enum admin_step { ADMIN_CREATE, ADMIN_LOOK_THERE, ADMIN_DO, ADMIN_DELETE, ADMIN_LOOK_GONE };

struct admin {
    struct remote remote; /* first */
    struct remote_ask ask;
    bool is_waiting;
    bool is_changing; /* what is asked for is a change of the topic */
    enum admin_step step;
    int process;
    int lives;
    int64_t rounds_left;
    int64_t deeds_left; /* of this life */
    char topic[32];
    struct weir_uuid topic_id;
    int log; /* of the history, for the checker's sake */
    int32_t partition_count;
    int64_t start; /* of partition 0 */
    int64_t end;
    size_t event;
    int64_t asked_time; /* by the question under way: EARLIEST, LATEST, or a time */
    int64_t asked_offset;
    int64_t batch_count;
};

static struct simulation *world(const struct admin *admin)
{
    return admin->remote.served->simulation;
}

/* ---- lives ------------------------------------------------------------------------------------ */

static void begin_life(struct admin *admin)
{
    (void)snprintf(admin->topic, sizeof admin->topic, "life-%d-%d", admin->process, ++admin->lives);
    admin->step = ADMIN_CREATE;
    admin->partition_count = 1 + (int32_t)remote_draw(&admin->remote, 3);
    admin->deeds_left = remote_draw(&admin->remote, DEEDS_MAX);
    admin->start = 0;
    admin->end = 0;
    admin->log = history_log_add(&world(admin)->history, admin->topic, 0);
    world(admin)->history.logs[admin->log].is_gone = true; /* its records are our own affair */
}

/* Each answer ends the question; false if it says no. */
static bool accept(struct admin *admin, bool is_there, int16_t error, const char *what)
{
    admin->is_waiting = false;
    if (!is_there) {
        return simulation_fail(world(admin), "wrong-answer", "%s for '%s' names something else",
                               what, admin->topic);
    }
    if (error == WEIR_WIRE_NONE) return true;
    (void)remote_excuses(&admin->remote, &admin->ask, error, what);
    if (admin->is_changing) begin_life(admin);
    return false;
}

static size_t note(struct admin *admin, enum history_kind kind, int64_t count)
{
    return history_begin(&world(admin)->history, &(struct history_event){.kind = kind,
                                                                         .process = admin->process,
                                                                         .log = admin->log,
                                                                         .count = count});
}

static void ask(struct admin *admin, bool is_change, const struct weir_message_type *request_type,
                const struct weir_message_type *response_type, int16_t version, const void *request,
                void (*answered)(struct remote_ask *ask, const void *response))
{
    admin->is_waiting = true;
    admin->is_changing = is_change;
    admin->ask.answered = answered;
    remote_send(&admin->remote, &admin->ask, request_type, response_type, version, request);
}

static struct admin *admin_of(struct remote_ask *ask)
{
    return (struct admin *)ask->remote;
}

/* ---- create, delete --------------------------------------------------------------------------- */

static void created(struct remote_ask *ask, const void *answer)
{
    struct admin *admin = admin_of(ask);
    const struct weir_wire_create_topics_response *response = answer;
    bool is_there = response->topics_count == 1 &&
                    weir_slice_equal(response->topics->name, weir_text(admin->topic));
    int16_t error = is_there ? response->topics->error_code : 0;
    if (!accept(admin, is_there, error, "CreateTopics")) return;
    history_end(&world(admin)->history, admin->event);
    admin->step = ADMIN_LOOK_THERE;
}

static void create(struct admin *admin)
{
    struct weir_wire_create_topics_request_creatable_topic_config configs[] = {
        {.name = weir_text("segment.bytes"), .value = weir_text("300")},
        {.name = weir_text("retention.ms"), .value = weir_text("-1")},
    };
    struct weir_wire_create_topics_request_creatable_topic topic = {
        .name = weir_text(admin->topic),
        .num_partitions = admin->partition_count,
        .replication_factor = 1,
        .configs = configs,
        .configs_count = sizeof configs / sizeof configs[0],
    };
    struct weir_wire_create_topics_request request;
    weir_wire_create_topics_request_init(&request);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    admin->event = note(admin, HISTORY_CREATE, admin->partition_count);
    ask(admin, true, &weir_wire_create_topics_request_type, &weir_wire_create_topics_response_type,
        remote_draw_version(&admin->remote, &weir_wire_create_topics_request_type, 0), &request,
        created);
}

static void deleted(struct remote_ask *ask, const void *answer)
{
    struct admin *admin = admin_of(ask);
    const struct weir_wire_delete_topics_response *response = answer;
    bool is_there = response->responses_count == 1;
    int16_t error = is_there ? response->responses->error_code : 0;
    if (!accept(admin, is_there, error, "DeleteTopics")) return;
    history_end(&world(admin)->history, admin->event);
    admin->step = ADMIN_LOOK_GONE;
}

static void delete_topic(struct admin *admin)
{
    struct weir_slice name = weir_text(admin->topic);
    bool by_id = remote_chance(&admin->remote, 500);
    struct weir_wire_delete_topics_request_delete_topic_state topic = {0};
    if (by_id) {
        topic.topic_id = admin->topic_id;
    } else {
        topic.name = name;
    }
    struct weir_wire_delete_topics_request request;
    weir_wire_delete_topics_request_init(&request);
    int16_t least = by_id ? 6 : 0;
    int16_t version =
        remote_draw_version(&admin->remote, &weir_wire_delete_topics_request_type, least);
    if (version >= 6) {
        request.topics = &topic;
        request.topics_count = 1;
    } else {
        request.topic_names = &name;
        request.topic_names_count = 1;
    }
    request.timeout_ms = TIMEOUT_MS;
    admin->event = note(admin, HISTORY_DELETE, 0);
    ask(admin, true, &weir_wire_delete_topics_request_type, &weir_wire_delete_topics_response_type,
        version, &request, deleted);
}

/* ---- look ------------------------------------------------------------------------------------- */

static void looked(struct remote_ask *ask, const void *answer)
{
    struct admin *admin = admin_of(ask);
    const struct weir_wire_metadata_response *response = answer;
    struct history *history = &world(admin)->history;
    bool is_there = response->topics_count == 1 &&
                    weir_slice_equal(response->topics->name, weir_text(admin->topic));
    int16_t error = is_there ? response->topics->error_code : 0;
    bool is_unknown = error == WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION;
    if (!accept(admin, is_there, is_unknown ? 0 : error, "Metadata")) return;
    history->events[admin->event].count =
        is_unknown ? 0 : (int64_t)response->topics->partitions_count;
    history_end(history, admin->event);
    if (admin->step == ADMIN_LOOK_GONE) {
        admin->rounds_left--;
        begin_life(admin);
    } else {
        admin->topic_id = response->topics->topic_id;
        admin->step = admin->deeds_left > 0 ? ADMIN_DO : ADMIN_DELETE;
    }
}

static void look(struct admin *admin)
{
    struct weir_wire_metadata_request_metadata_request_topic topic = {.name =
                                                                          weir_text(admin->topic)};
    struct weir_wire_metadata_request request;
    weir_wire_metadata_request_init(&request);
    request.topics = &topic;
    request.topics_count = 1;
    admin->event = note(admin, HISTORY_SEEN, 0);
    ask(admin, false, &weir_wire_metadata_request_type, &weir_wire_metadata_response_type, -1,
        &request, looked);
}

/* ---- more partitions -------------------------------------------------------------------------- */

static void grown(struct remote_ask *ask, const void *answer)
{
    struct admin *admin = admin_of(ask);
    const struct weir_wire_create_partitions_response *response = answer;
    bool is_there = response->results_count == 1;
    int16_t error = is_there ? response->results->error_code : 0;
    if (!accept(admin, is_there, error, "CreatePartitions")) return;
    history_end(&world(admin)->history, admin->event);
    admin->step = ADMIN_LOOK_THERE;
}

static void grow(struct admin *admin)
{
    struct weir_wire_create_partitions_request_create_partitions_topic topic = {
        .name = weir_text(admin->topic), .count = ++admin->partition_count};
    struct weir_wire_create_partitions_request request;
    weir_wire_create_partitions_request_init(&request);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    admin->event = note(admin, HISTORY_CREATE, admin->partition_count);
    ask(admin, true, &weir_wire_create_partitions_request_type,
        &weir_wire_create_partitions_response_type,
        remote_draw_version(&admin->remote, &weir_wire_create_partitions_request_type, 0), &request,
        grown);
}

/* ---- records ---------------------------------------------------------------------------------- */

static int64_t time_of(int64_t offset)
{
    return TIME_OF_FIRST_MS + offset * TIME_STEP_MS;
}

static void written(struct remote_ask *ask, const void *answer)
{
    struct admin *admin = admin_of(ask);
    const struct weir_wire_produce_response *response = answer;
    bool is_there =
        response->responses_count == 1 && response->responses->partition_responses_count == 1;
    const struct weir_wire_produce_response_partition_produce_response *partition =
        is_there ? response->responses->partition_responses : NULL;
    if (!accept(admin, is_there, is_there ? partition->error_code : 0, "Produce")) return;
    if (partition->base_offset != admin->end) {
        simulation_fail(world(admin), "inconsistent-offsets",
                        "'%s' ended at %lld and was appended to at %lld", admin->topic,
                        (long long)admin->end, (long long)partition->base_offset);
    }
    admin->end += admin->batch_count;
}

static void send_batch(struct admin *admin, struct weir_slice bytes)
{
    struct weir_wire_produce_request_partition_produce_data partition = {.records = bytes};
    struct weir_wire_produce_request_topic_produce_data topic = {.name = weir_text(admin->topic),
                                                                 .topic_id = admin->topic_id,
                                                                 .partition_data = &partition,
                                                                 .partition_data_count = 1};
    struct weir_wire_produce_request request;
    weir_wire_produce_request_init(&request);
    request.acks = -1;
    request.timeout_ms = TIMEOUT_MS;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    ask(admin, true, &weir_wire_produce_request_type, &weir_wire_produce_response_type,
        remote_draw_version(&admin->remote, &weir_wire_produce_request_type, 0), &request, written);
}

static void write_some(struct admin *admin)
{
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_batch_builder builder;
    struct weir_slice bytes;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "batch", &heap, NULL, 0);
    weir_batch_builder_init(&builder, &budget, WEIR_CODEC_NONE, 0);
    admin->batch_count = 1 + remote_draw(&admin->remote, RECORDS_MAX);
    for (int64_t i = 0; i < admin->batch_count; i++) {
        struct weir_record record = {.value = weir_text("a value"),
                                     .timestamp_ms = time_of(admin->end + i)};
        if (weir_batch_builder_add(&builder, &record) < 0) abort();
    }
    if (weir_batch_builder_finish(&builder, &finish, &bytes) < 0) abort();
    send_batch(admin, bytes);
    weir_batch_builder_close(&builder);
}

static void trimmed(struct remote_ask *ask, const void *answer)
{
    struct admin *admin = admin_of(ask);
    const struct weir_wire_delete_records_response *response = answer;
    bool is_there = response->topics_count == 1 && response->topics->partitions_count == 1;
    const struct weir_wire_delete_records_response_delete_records_partition_result *partition =
        is_there ? response->topics->partitions : NULL;
    if (!accept(admin, is_there, is_there ? partition->error_code : 0, "DeleteRecords")) return;
    if (partition->low_watermark != admin->asked_offset) {
        simulation_fail(world(admin), "inconsistent-offsets",
                        "'%s' was to begin at %lld and begins at %lld", admin->topic,
                        (long long)admin->asked_offset, (long long)partition->low_watermark);
    }
    admin->start = admin->asked_offset;
}

static void trim(struct admin *admin)
{
    admin->asked_offset = admin->start + remote_draw(&admin->remote, admin->end - admin->start + 1);
    struct weir_wire_delete_records_request_delete_records_partition partition = {
        .offset = admin->asked_offset};
    struct weir_wire_delete_records_request_delete_records_topic topic = {
        .name = weir_text(admin->topic), .partitions = &partition, .partitions_count = 1};
    struct weir_wire_delete_records_request request;
    weir_wire_delete_records_request_init(&request);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    ask(admin, true, &weir_wire_delete_records_request_type,
        &weir_wire_delete_records_response_type,
        remote_draw_version(&admin->remote, &weir_wire_delete_records_request_type, 0), &request,
        trimmed);
}

/* ---- offsets ---------------------------------------------------------------------------------- */

/* The first record at or after the time: each has a later one than the one before it. */
static int64_t offset_due(const struct admin *admin)
{
    if (admin->asked_time == EARLIEST) return admin->start;
    if (admin->asked_time == LATEST) return admin->end;
    int64_t offset = (admin->asked_time - TIME_OF_FIRST_MS) / TIME_STEP_MS;
    if (offset < admin->start) offset = admin->start;
    return offset < admin->end ? offset : NO_OFFSET;
}

static void listed(struct remote_ask *ask, const void *answer)
{
    struct admin *admin = admin_of(ask);
    const struct weir_wire_list_offsets_response *response = answer;
    bool is_there = response->topics_count == 1 && response->topics->partitions_count == 1;
    const struct weir_wire_list_offsets_response_list_offsets_partition_response *partition =
        is_there ? response->topics->partitions : NULL;
    if (!accept(admin, is_there, is_there ? partition->error_code : 0, "ListOffsets")) return;
    if (partition->offset == offset_due(admin)) return;
    simulation_fail(world(admin), "inconsistent-offsets",
                    "'%s' from %lld to %lld: the offset of time %lld is said to be %lld, not %lld",
                    admin->topic, (long long)admin->start, (long long)admin->end,
                    (long long)admin->asked_time, (long long)partition->offset,
                    (long long)offset_due(admin));
}

static void list(struct admin *admin)
{
    int64_t which = remote_draw(&admin->remote, 4);
    admin->asked_time = which == 0   ? EARLIEST
                        : which == 1 ? LATEST
                                     : time_of(remote_draw(&admin->remote, admin->end + 2));
    struct weir_wire_list_offsets_request_list_offsets_partition partition = {
        .current_leader_epoch = -1, .timestamp = admin->asked_time};
    struct weir_wire_list_offsets_request_list_offsets_topic topic = {
        .name = weir_text(admin->topic), .partitions = &partition, .partitions_count = 1};
    struct weir_wire_list_offsets_request request;
    weir_wire_list_offsets_request_init(&request);
    request.replica_id = -1;
    request.isolation_level = (int8_t)remote_draw(&admin->remote, 2);
    request.topics = &topic;
    request.topics_count = 1;
    int16_t least = request.isolation_level == 1 ? 2 : 1;
    ask(admin, false, &weir_wire_list_offsets_request_type, &weir_wire_list_offsets_response_type,
        remote_draw_version(&admin->remote, &weir_wire_list_offsets_request_type, least), &request,
        listed);
}

/* ---- the client ------------------------------------------------------------------------------- */

static void do_something(struct admin *admin)
{
    if (admin->deeds_left-- <= 0) {
        admin->step = ADMIN_DELETE;
        return;
    }
    switch (remote_draw(&admin->remote, 8)) {
    case 0:
        trim(admin);
        break;
    case 1:
        if (admin->partition_count < PARTITIONS_MAX) grow(admin);
        break;
    case 2:
    case 3:
    case 4:
        list(admin);
        break;
    default:
        write_some(admin);
    }
}

static void act(struct remote *remote)
{
    struct admin *admin = (struct admin *)remote;
    if (admin->is_waiting || admin->rounds_left == 0) return;
    switch (admin->step) {
    case ADMIN_CREATE:
        create(admin);
        break;
    case ADMIN_LOOK_THERE:
    case ADMIN_LOOK_GONE:
        look(admin);
        break;
    case ADMIN_DO:
        do_something(admin);
        break;
    case ADMIN_DELETE:
        delete_topic(admin);
        break;
    }
}

static void lost(struct remote *remote)
{
    struct admin *admin = (struct admin *)remote;
    if (admin->is_waiting && admin->is_changing) begin_life(admin);
    admin->is_waiting = false;
}

static const struct remote_ops admin_ops = {
    .lost = lost,
    .act = act,
};

static bool is_done(const struct client *client)
{
    return ((const struct admin *)client)->rounds_left == 0;
}

static void close_admin(struct client *client)
{
    free(client);
}

void remote_admin_new(struct served *served, int64_t rounds)
{
    struct admin *admin = calloc(1, sizeof *admin);
    if (admin == NULL) abort();
    admin->rounds_left = rounds;
    admin->process = served_process(served);
    admin->remote.client = (struct client){.is_done = is_done, .close = close_admin};
    remote_start(&admin->remote, served, &admin_ops);
    begin_life(admin);
}
