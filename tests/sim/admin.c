/**
 * An administrator: creates a topic, puts some values in, looks, deletes it, looks, and begins again
 * under the same name. Each life of the topic is a log of its own to the checker.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/clients.h"
#include "wire/record_batch.h"

enum admin_step { ADMIN_CREATE, ADMIN_LOOK_THERE, ADMIN_WRITE, ADMIN_DELETE, ADMIN_LOOK_GONE };

struct admin {
    struct client client; /* first */
    int process;
    char topic[24];
    int32_t partition_count;
    int64_t rounds_left;
    enum admin_step step;
    int log;
    int64_t counter;
    size_t event;
    bool is_waiting;
    bool is_found;
    struct weir_topic_request request;
    struct weir_produce_request produce;
};

static struct simulation *world(const struct admin *admin)
{
    return admin->client.simulation;
}

static size_t begin(struct admin *admin, enum history_kind kind, int64_t count)
{
    return history_begin(&world(admin)->history, &(struct history_event){.kind = kind,
                                                                         .process = admin->process,
                                                                         .log = admin->log,
                                                                         .count = count});
}

/* ---- answers ---------------------------------------------------------------------------------- */

static bool is_heard(struct admin *admin, const struct weir_request *request)
{
    if (weir_sim_has_crashed(world(admin)->sim, 0)) return false;
    admin->is_waiting = false;
    simulation_note_code(world(admin), request);
    return true;
}

static void created(struct weir_request *request)
{
    struct admin *admin = request->context;
    if (!is_heard(admin, request)) return;
    if (request->rc == 0) history_end(&world(admin)->history, admin->event);
    admin->step = ADMIN_LOOK_THERE;
}

static void deleted(struct weir_request *request)
{
    struct admin *admin = request->context;
    if (!is_heard(admin, request)) return;
    if (request->rc == 0) history_end(&world(admin)->history, admin->event);
    admin->step = ADMIN_LOOK_GONE;
}

static void looked(struct weir_request *request)
{
    struct admin *admin = request->context;
    if (!is_heard(admin, request)) return;
    bool is_answer = request->rc == 0 || request->rc == WEIR_UNKNOWN_TOPIC_OR_PARTITION;
    if (!is_answer) return; /* look again */
    struct history *history = &world(admin)->history;
    bool is_there = request->rc == 0;
    history->events[admin->event].count = is_there ? admin->request.partition_count : 0;
    history_end(history, admin->event);
    if (admin->step == ADMIN_LOOK_THERE) {
        admin->step = is_there ? ADMIN_WRITE : ADMIN_CREATE;
    } else if (is_there) {
        admin->step = ADMIN_DELETE;
    } else {
        admin->rounds_left--;
        admin->log = -1;
        admin->step = ADMIN_CREATE;
    }
}

static void written(struct weir_request *request)
{
    struct admin *admin = request->context;
    if (!is_heard(admin, request)) return;
    weir_shared_unref(admin->produce.batches);
    admin->produce.batches = NULL;
    if (request->rc < 0) return;
    struct history *history = &world(admin)->history;
    history->events[admin->event].offset = admin->produce.base_offset;
    history_end(history, admin->event);
}

/* ---- calls ------------------------------------------------------------------------------------ */

static void ask(struct admin *admin, enum weir_topic_operation operation,
                void (*done)(struct weir_request *request))
{
    /* The clock jumps by years: nothing expires. */
    static const struct weir_config_entry configs[] = {{.key = "segment.bytes", .value = "300"},
                                                       {.key = "retention.ms", .value = "-1"},
                                                       {.key = "flush.policy", .value = "group"}};
    bool is_create = operation == WEIR_TOPIC_CREATE;
    admin->request = (struct weir_topic_request){
        .request = {.done = done, .context = admin},
        .operation = operation,
        .topic = weir_text(admin->topic),
        .partition_count = admin->partition_count,
        .configs = is_create ? configs : NULL,
        .config_count = is_create ? 3 : 0,
    };
    admin->is_waiting = true;
    weir_broker_topic(world(admin)->broker, &admin->request);
}

static void create(struct admin *admin)
{
    struct simulation *simulation = world(admin);
    if (admin->log < 0) {
        admin->log = history_log_add(&simulation->history, admin->topic, 0);
        admin->partition_count = 1 + (int32_t)simulation_draw(simulation, 3);
    }
    admin->event = begin(admin, HISTORY_CREATE, admin->partition_count);
    ask(admin, WEIR_TOPIC_CREATE, created);
}

static void delete_topic(struct admin *admin)
{
    world(admin)->history.logs[admin->log].is_gone = true;
    admin->event = begin(admin, HISTORY_DELETE, 0);
    ask(admin, WEIR_TOPIC_DELETE, deleted);
}

static void look(struct admin *admin)
{
    admin->event = begin(admin, HISTORY_SEEN, 0);
    ask(admin, WEIR_TOPIC_DESCRIBE, looked);
}

static struct weir_shared *one_value(struct admin *admin, int64_t value)
{
    struct weir_batch_builder builder;
    struct weir_slice bytes;
    uint8_t text[8];
    for (int i = 0; i < 8; i++)
        text[i] = (uint8_t)((uint64_t)value >> (56 - 8 * i));
    struct weir_heap heap;
    struct weir_budget budget;
    weir_heap_init(&heap, false);
    weir_budget_init(&budget, "batch", &heap, NULL, 0);
    struct weir_record record = {.value = weir_slice(text, sizeof text),
                                 .timestamp_ms = weir_wall_now(world(admin)->env).ms};
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    weir_batch_builder_init(&builder, &budget, WEIR_CODEC_NONE, 0);
    if (weir_batch_builder_add(&builder, &record) < 0) abort();
    if (weir_batch_builder_finish(&builder, &finish, &bytes) < 0) abort();
    struct weir_shared *shared = simulation_bytes(world(admin), bytes.data, bytes.size);
    weir_batch_builder_close(&builder);
    return shared;
}

static void write_one(struct admin *admin)
{
    int64_t value = history_value(admin->process, ++admin->counter);
    admin->event =
        history_begin(&world(admin)->history, &(struct history_event){.kind = HISTORY_APPEND,
                                                                      .acks = HISTORY_ACKS_ALL,
                                                                      .process = admin->process,
                                                                      .log = admin->log,
                                                                      .value = value,
                                                                      .count = 1});
    admin->produce = (struct weir_produce_request){
        .request = {.done = written, .context = admin},
        .to = {weir_text(admin->topic), 0},
        .batches = one_value(admin, value),
        .acks = WEIR_ACKS_ALL,
    };
    admin->is_waiting = true;
    weir_broker_produce(world(admin)->broker, &admin->produce);
}

static void write_or_go_on(struct admin *admin)
{
    bool goes_on = simulation_chance(world(admin), 300);
    if (!goes_on) {
        write_one(admin);
    } else if (admin->rounds_left > 1) { /* the last life stays */
        delete_topic(admin);
    } else {
        admin->rounds_left = 0;
    }
}

/* ---- the client ------------------------------------------------------------------------------- */

static void act(struct client *client)
{
    struct admin *admin = (struct admin *)client;
    if (admin->is_waiting || admin->rounds_left == 0) return;
    if (!simulation_chance(client->simulation, 200)) return;
    switch (admin->step) {
    case ADMIN_CREATE:
        create(admin);
        break;
    case ADMIN_LOOK_THERE:
    case ADMIN_LOOK_GONE:
        look(admin);
        break;
    case ADMIN_WRITE:
        write_or_go_on(admin);
        break;
    case ADMIN_DELETE:
        delete_topic(admin);
        break;
    }
}

/* Whether the call took effect shows when we look. */
static void forget(struct client *client)
{
    struct admin *admin = (struct admin *)client;
    if (!admin->is_waiting) return;
    admin->is_waiting = false;
    if (admin->step == ADMIN_CREATE) admin->step = ADMIN_LOOK_THERE;
    if (admin->step == ADMIN_WRITE && world(admin)->history.logs[admin->log].is_gone) {
        admin->step = ADMIN_LOOK_GONE; /* the deletion was on its way */
    }
    if (admin->step == ADMIN_DELETE) admin->step = ADMIN_LOOK_GONE;
}

static bool is_done(const struct client *client)
{
    const struct admin *admin = (const struct admin *)client;
    return admin->rounds_left == 0;
}

static void close_admin(struct client *client)
{
    free(client);
}

void admin_new(struct simulation *simulation, int process, int64_t rounds)
{
    struct admin *admin = calloc(1, sizeof *admin);
    if (admin == NULL) abort();
    admin->process = process;
    admin->rounds_left = rounds;
    admin->log = -1;
    (void)snprintf(admin->topic, sizeof admin->topic, "churn-%d", process);
    admin->client =
        (struct client){.act = act, .forget = forget, .is_done = is_done, .close = close_admin};
    simulation_add(simulation, &admin->client);
}

/* ---- topics of the test ----------------------------------------------------------------------- */

enum kind { COMPACTED, FLUSHED, FOLLOWING }; /* each with one setting less */

static bool create_with(struct simulation *simulation, const char *topic, int32_t partition_count,
                        int64_t segment_bytes, enum kind kind)
{
    enum { OF_COMPACTION = 2 };
    char segment[24];
    struct weir_error error = {0};
    (void)snprintf(segment, sizeof segment, "%lld", (long long)segment_bytes);
    struct weir_config_entry configs[] = {
        {.key = "segment.bytes", .value = segment},
        {.key = "retention.ms", .value = "-1"},
        {.key = "message.timestamp.after.max.ms", .value = "9223372036854775807"},
        {.key = "flush.policy", .value = "group"}, /* not of one that follows the log's */
        {.key = "cleanup.policy", .value = "compact"},
        {.key = "min.cleanable.dirty.ratio", .value = "0.01"},
    };
    size_t config_count = sizeof configs / sizeof configs[0];
    if (kind != COMPACTED) config_count -= OF_COMPACTION;
    if (kind == FOLLOWING) config_count--;
    struct weir_topic_request request = {
        .operation = WEIR_TOPIC_CREATE,
        .topic = weir_text(topic),
        .partition_count = partition_count,
        .configs = configs,
        .config_count = config_count,
    };
    int rc = weir_broker_wait_begin(simulation->broker, &request.request, &error);
    if (rc == 0) {
        weir_broker_topic(simulation->broker, &request);
        rc = weir_broker_wait(simulation->broker, &request.request, &error);
    }
    if (rc == 0) return true;
    return simulation_fail(simulation, "cannot-create", "%s", error.text);
}

bool create_topic(struct simulation *simulation, const char *topic, int32_t partition_count,
                  int64_t segment_bytes)
{
    return create_with(simulation, topic, partition_count, segment_bytes, FLUSHED);
}

bool create_compacted_topic(struct simulation *simulation, const char *topic,
                            int32_t partition_count, int64_t segment_bytes)
{
    return create_with(simulation, topic, partition_count, segment_bytes, COMPACTED);
}

bool create_output_topic(struct simulation *simulation, const char *topic, int32_t partition_count,
                         int64_t segment_bytes)
{
    return create_with(simulation, topic, partition_count, segment_bytes, FOLLOWING);
}
