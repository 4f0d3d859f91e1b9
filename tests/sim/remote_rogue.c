/**
 * Clients that are no good: one dribbles its requests byte by byte and is to be answered all the
 * same; one never reads what it is answered; one sends bytes at random, or requests with some of
 * their bytes changed, and hangs up when it likes. Whatever they do, the others get on and the
 * server's memory is bounded. What they may write goes to a topic of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "tests/sim/remote.h"
#include "wire/generated/api_versions_request.h"
#include "wire/generated/describe_cluster_request.h"
#include "wire/generated/describe_configs_request.h"
#include "wire/generated/describe_log_dirs_request.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/init_producer_id_request.h"
#include "wire/generated/list_offsets_request.h"
#include "wire/generated/metadata_request.h"
#include "wire/generated/offset_for_leader_epoch_request.h"
#include "wire/generated/produce_request.h"
#include "wire/generated/request_header.h"
#include "wire/record_batch.h"

enum { FRAME_MAX = 2048, LENGTH_SIZE = 4, INPUT_SIZE = 512, PIECE_MAX = 3, CHANGES_MAX = 6 };

struct rogue {
    struct remote remote; /* first; its connection is not used */
    enum rogue_kind kind;
    struct weir_socket *socket;
    bool is_connected;
    bool is_writing;
    bool is_reading;
    uint8_t frame[FRAME_MAX];
    size_t frame_size;
    size_t frame_sent;
    struct weir_iovec part;
    uint8_t input[INPUT_SIZE];
    uint8_t head[2 * LENGTH_SIZE]; /* of the answer at hand: its size, its correlation id */
    size_t answer_got;             /* bytes of it */
    int32_t correlation_id;
    int64_t began_ns;    /* the frame */
    int64_t answered_ns; /* the last whole answer to what was dribbled */
};

/* ---- frames ----------------------------------------------------------------------------------- */

/* Memory of the test's, not of a node's. */
struct scratch {
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_buffer buffer;
    struct weir_arena arena;
};

static void scratch_init(struct scratch *scratch)
{
    weir_heap_init(&scratch->heap, false);
    weir_budget_init(&scratch->budget, "frame", &scratch->heap, NULL, 0);
    weir_buffer_init(&scratch->buffer, &scratch->budget, 0);
    weir_arena_init(&scratch->arena, &scratch->budget, 0);
}

static void scratch_close(struct scratch *scratch)
{
    weir_arena_close(&scratch->arena);
    weir_buffer_close(&scratch->buffer);
}

/* Too large a frame is left out: there is nothing to send then. */
static void take_frame(struct rogue *rogue, const struct weir_message_type *type, int16_t version,
                       const void *request)
{
    struct scratch scratch;
    uint8_t length[LENGTH_SIZE] = {0};
    struct weir_request_header header = {
        .request_api_key = type->api_key,
        .request_api_version = version,
        .correlation_id = ++rogue->correlation_id,
        .client_id = weir_text("rogue"),
    };
    scratch_init(&scratch);
    weir_buffer_append(&scratch.buffer, length, sizeof length);
    int rc = weir_request_header_encode(&header, version >= type->flexible_from ? 2 : 1,
                                        &scratch.buffer);
    if (rc == 0) rc = weir_message_encode(type, request, version, &scratch.buffer);
    rogue->frame_sent = 0;
    rogue->frame_size = 0;
    if (rc == 0 && scratch.buffer.size <= FRAME_MAX) {
        rogue->frame_size = scratch.buffer.size;
        weir_store_u32(scratch.buffer.data, (uint32_t)(scratch.buffer.size - LENGTH_SIZE));
        memcpy(rogue->frame, scratch.buffer.data, scratch.buffer.size);
    }
    scratch_close(&scratch);
}

static void make_metadata(struct rogue *rogue)
{
    struct weir_wire_metadata_request request;
    weir_wire_metadata_request_init(&request);
    request.allow_auto_topic_creation = true;
    int16_t version = remote_draw_version(&rogue->remote, &weir_wire_metadata_request_type, 4);
    take_frame(rogue, &weir_wire_metadata_request_type, version, &request);
}

static void make_fetch(struct rogue *rogue)
{
    struct weir_wire_fetch_request_fetch_partition partition = {
        .current_leader_epoch = -1,
        .last_fetched_epoch = -1,
        .log_start_offset = -1,
        .partition_max_bytes = 1 << 20,
        .high_watermark = INT64_MAX,
    };
    struct weir_wire_fetch_request_fetch_topic topic = {
        .topic = weir_text(rogue->remote.served->topics[0].name),
        .partitions = &partition,
        .partitions_count = 1};
    struct weir_wire_fetch_request request;
    weir_wire_fetch_request_init(&request);
    request.max_wait_ms = (int32_t)remote_draw(&rogue->remote, 1000);
    request.min_bytes = (int32_t)remote_draw(&rogue->remote, 100000);
    request.session_epoch = remote_chance(&rogue->remote, 500) ? 0 : -1;
    request.topics = &topic;
    request.topics_count = 1;
    int16_t version = (int16_t)(7 + remote_draw(&rogue->remote, 6)); /* by name */
    take_frame(rogue, &weir_wire_fetch_request_type, version, &request);
}

static void make_produce(struct rogue *rogue)
{
    struct scratch scratch;
    struct weir_batch_builder builder;
    struct weir_slice bytes;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_record record = {.value = weir_text("junk"), .timestamp_ms = 1};
    scratch_init(&scratch);
    weir_batch_builder_init(&builder, &scratch.budget, WEIR_CODEC_NONE, 0);
    if (weir_batch_builder_add(&builder, &record) < 0) abort();
    if (weir_batch_builder_finish(&builder, &finish, &bytes) < 0) abort();
    struct weir_wire_produce_request_partition_produce_data partition = {.records = bytes};
    struct weir_wire_produce_request_topic_produce_data topic = {
        .name = weir_text(SERVED_JUNK), .partition_data = &partition, .partition_data_count = 1};
    struct weir_wire_produce_request request;
    weir_wire_produce_request_init(&request);
    request.acks = (int16_t)(remote_draw(&rogue->remote, 3) - 1);
    request.topic_data = &topic;
    request.topic_data_count = 1;
    int16_t version = (int16_t)(3 + remote_draw(&rogue->remote, 10)); /* by name */
    take_frame(rogue, &weir_wire_produce_request_type, version, &request);
    weir_batch_builder_close(&builder);
    scratch_close(&scratch);
}

/* Some request with nothing in it. */
static void make_empty(struct rogue *rogue)
{
    static const struct weir_message_type *const types[] = {
        &weir_wire_api_versions_request_type,      &weir_wire_init_producer_id_request_type,
        &weir_wire_list_offsets_request_type,      &weir_wire_offset_for_leader_epoch_request_type,
        &weir_wire_describe_cluster_request_type,  &weir_wire_describe_configs_request_type,
        &weir_wire_describe_log_dirs_request_type,
    };
    const struct weir_message_type *type =
        types[remote_draw(&rogue->remote, sizeof types / sizeof types[0])];
    struct scratch scratch;
    scratch_init(&scratch);
    void *request = weir_arena_alloc_zero(&scratch.arena, type->struct_size);
    type->init(request);
    take_frame(rogue, type, remote_draw_version(&rogue->remote, type, 0), request);
    scratch_close(&scratch);
}

static void make_any(struct rogue *rogue)
{
    switch (remote_draw(&rogue->remote, 4)) {
    case 0:
        make_metadata(rogue);
        break;
    case 1:
        make_fetch(rogue);
        break;
    case 2:
        make_produce(rogue);
        break;
    default:
        make_empty(rogue);
    }
}

static void make_noise(struct rogue *rogue)
{
    rogue->frame_sent = 0;
    rogue->frame_size = 1 + (size_t)remote_draw(&rogue->remote, 100);
    weir_test_random_fill(&rogue->remote.random, rogue->frame, rogue->frame_size);
    if (remote_chance(&rogue->remote, 500) && rogue->frame_size > LENGTH_SIZE) { /* a whole frame */
        weir_store_u32(rogue->frame, (uint32_t)(rogue->frame_size - LENGTH_SIZE));
    }
}

/* The size in front stays right more often than not, so that what is behind it is looked at. */
static void spoil(struct rogue *rogue)
{
    size_t from = remote_chance(&rogue->remote, 800) ? LENGTH_SIZE : 0;
    if (rogue->frame_size <= from) return;
    int64_t changes = remote_draw(&rogue->remote, CHANGES_MAX);
    for (int64_t i = 0; i < changes; i++) {
        int64_t at = remote_draw(&rogue->remote, (int64_t)(rogue->frame_size - from));
        rogue->frame[from + (size_t)at] ^= (uint8_t)(1 << remote_draw(&rogue->remote, 8));
    }
}

static void make_frame(struct rogue *rogue)
{
    switch (rogue->kind) {
    case ROGUE_DRIBBLES:
        make_metadata(rogue);
        break;
    case ROGUE_IS_DEAF:
        make_any(rogue);
        break;
    case ROGUE_IS_HOSTILE:
        if (remote_chance(&rogue->remote, 200)) {
            make_noise(rogue);
        } else {
            make_any(rogue);
            spoil(rogue);
        }
    }
}

/* ---- the connection --------------------------------------------------------------------------- */

static void hang_up(struct rogue *rogue)
{
    weir_socket_close(rogue->socket);
    rogue->socket = NULL;
    rogue->is_connected = false;
    rogue->is_writing = false;
    rogue->is_reading = false;
    rogue->frame_size = 0;
    rogue->frame_sent = 0;
    rogue->answer_got = 0;
}

static void connected(void *context, int64_t result)
{
    struct rogue *rogue = context;
    rogue->is_connected = true;
    if (result < 0) hang_up(rogue);
}

static void connect(struct rogue *rogue)
{
    struct weir_error error;
    int rc =
        weir_socket_connect(rogue->remote.actor, SERVED_ADDRESS,
                            (struct weir_socket_done){connected, rogue}, &rogue->socket, &error);
    if (rc == 0) return;
    simulation_fail(rogue->remote.served->simulation, "cannot-connect", "%s", error.text);
}

static void answer_byte(struct rogue *rogue, uint8_t byte)
{
    struct simulation *simulation = rogue->remote.served->simulation;
    if (rogue->answer_got < sizeof rogue->head) rogue->head[rogue->answer_got] = byte;
    rogue->answer_got++;
    if (rogue->answer_got < sizeof rogue->head) return;
    if (rogue->answer_got < LENGTH_SIZE + (size_t)weir_load_u32(rogue->head)) return;
    rogue->answer_got = 0;
    if ((int32_t)weir_load_u32(rogue->head + LENGTH_SIZE) == rogue->correlation_id) {
        rogue->answered_ns = weir_sim_now_ns(simulation->sim);
        return;
    }
    simulation_fail(simulation, "wrong-answer", "node %d: an answer to another request",
                    rogue->remote.node);
}

static void has_read(void *context, int64_t result)
{
    struct rogue *rogue = context;
    rogue->is_reading = false;
    if (result <= 0) {
        hang_up(rogue);
        return;
    }
    for (int64_t i = 0; rogue->kind == ROGUE_DRIBBLES && i < result; i++)
        answer_byte(rogue, rogue->input[i]);
}

static void has_written(void *context, int64_t result)
{
    struct rogue *rogue = context;
    rogue->is_writing = false;
    if (result < 0) {
        hang_up(rogue);
    } else {
        rogue->frame_sent += (size_t)result;
    }
}

/* Who dribbles asks again only when it has its answer. */
static bool may_begin_frame(const struct rogue *rogue)
{
    if (rogue->frame_sent < rogue->frame_size) return false;
    bool is_first = rogue->frame_size == 0;
    return rogue->kind != ROGUE_DRIBBLES || is_first || rogue->answered_ns > rogue->began_ns;
}

static void write_some(struct rogue *rogue)
{
    if (may_begin_frame(rogue)) {
        make_frame(rogue);
        rogue->began_ns = weir_sim_now_ns(rogue->remote.served->simulation->sim);
    }
    size_t size = rogue->frame_size - rogue->frame_sent;
    if (size == 0) return;
    if (rogue->kind == ROGUE_DRIBBLES && size > PIECE_MAX) {
        size = 1 + (size_t)remote_draw(&rogue->remote, PIECE_MAX);
    }
    rogue->part = (struct weir_iovec){rogue->frame + rogue->frame_sent, size};
    rogue->is_writing = true;
    weir_socket_write(rogue->socket, &rogue->part, 1,
                      (struct weir_socket_done){has_written, rogue});
}

/* ---- the client ------------------------------------------------------------------------------- */

static void turn(struct remote *remote)
{
    struct rogue *rogue = (struct rogue *)remote;
    bool is_fickle =
        rogue->kind == ROGUE_IS_HOSTILE ? remote_chance(remote, 30) : remote_chance(remote, 1);
    if (rogue->socket == NULL) {
        connect(rogue);
        return;
    }
    if (is_fickle) {
        hang_up(rogue);
        return;
    }
    if (!rogue->is_connected) return;
    if (!rogue->is_reading && rogue->kind != ROGUE_IS_DEAF) {
        rogue->is_reading = true;
        weir_socket_read(rogue->socket, rogue->input, INPUT_SIZE,
                         (struct weir_socket_done){has_read, rogue});
    }
    if (!rogue->is_writing) write_some(rogue);
}

static void stop(struct remote *remote)
{
    hang_up((struct rogue *)remote);
}

static const struct remote_ops rogue_ops = {
    .turn = turn,
    .stop = stop,
};

static bool is_done(const struct client *client)
{
    const struct rogue *rogue = (const struct rogue *)client;
    return rogue->kind != ROGUE_DRIBBLES ||
           rogue->answered_ns > rogue->remote.served->calm_since_ns;
}

static void close_rogue(struct client *client)
{
    free(client);
}

void remote_rogue_new(struct served *served, enum rogue_kind kind)
{
    struct rogue *rogue = calloc(1, sizeof *rogue);
    if (rogue == NULL) abort();
    rogue->kind = kind;
    rogue->remote.client = (struct client){.is_done = is_done, .close = close_rogue};
    remote_start(&rogue->remote, served, &rogue_ops);
}
