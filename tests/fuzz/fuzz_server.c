#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "server/context.h"
#include "tests/unit/server/server_fixture.h"
#include "wire/generated/create_topics_request.h"
#include "wire/generated/delete_records_request.h"
#include "wire/generated/delete_topics_request.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/list_offsets_request.h"
#include "wire/generated/metadata_request.h"
#include "wire/generated/produce_request.h"
#include "wire/record_batch.h"

/**
 * A server in the simulator, and what two clients send it: a stateful target. The input is a
 * program, one operation after the other; an operation's low three bits say what it is, its upper
 * bits how often the frame is bent, and its operands follow.
 *
 *   0..2  kind, version, operands: a request that makes sense, then (place, bits) for each bend
 *   3     key, version, size, bytes: a frame with that body
 *   4     size, bytes: no frame at all; nothing is expected of the connection afterwards
 *   5     the other connection from now on
 *   6     leave, and come again
 *   7     time: 16 ms of it
 *
 * Claims: each request has one answer, in order, or the connection is closed; when all have left,
 * nothing is in flight or parked; when the server is closed, all its memory is back (it asserts that
 * itself).
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OPERATIONS_MAX = 48, BODY_MAX = 256, WAIT_MS = 500, MEMORY_MAX = 32 * 1024 * 1024 };
enum { PRODUCE_KEY = 0, CREATE_TOPICS_KEY = 19, CREATE_PARTITIONS_KEY = 37 };

struct expected {
    int32_t correlation_id;
    bool may_be_silent; /* a Produce may ask for no answer */
};

struct speaker {
    struct raw_client *raw;
    struct expected expected[OPERATIONS_MAX];
    size_t expected_count;
    size_t answered; /* of these, or known to be silent */
    bool is_wild;    /* where frames begin is not known any more */
};

struct play {
    struct server_stage stage;
    struct raw_client second;
    struct speaker speakers[2];
    size_t active;
    int32_t last_id;
    struct weir_buffer frame;
    const uint8_t *at; /* the program that is left */
    const uint8_t *end;
};

/* ---- operands -------------------------------------------------------------------------------- */

static uint8_t next_byte(struct play *play)
{
    return play->at < play->end ? *play->at++ : 0;
}

static struct weir_slice next_bytes(struct play *play, size_t size)
{
    size_t left = (size_t)(play->end - play->at);
    struct weir_slice bytes = weir_slice(play->at, size < left ? size : left);
    play->at += bytes.size;
    return bytes;
}

static struct weir_slice next_topic(struct play *play)
{
    static const char *const names[] = {"a", "b", "none", "", "a b", "__x", "c", "a"};
    return weir_text(names[next_byte(play) % 8]);
}

/* Small ones of both signs, mostly. */
static int32_t next_number(struct play *play)
{
    uint8_t byte = next_byte(play);
    if (byte == 255) return INT32_MAX;
    if (byte == 254) return INT32_MIN;
    return (int32_t)byte - 2;
}

/* ---- requests that make sense ---------------------------------------------------------------- */

/* All arrays are of one element or none, in the stage's arena. */
static void *element(struct play *play, size_t size)
{
    void *bytes = weir_arena_alloc_zero(&play->stage.arena, size);
    weir_assert(bytes != NULL);
    return bytes;
}
#define ELEMENT(type) ((type *)element(play, sizeof(type)))

static struct weir_slice make_batch(struct play *play)
{
    struct weir_batch_builder builder;
    struct weir_slice bytes;
    enum weir_codec codec = (enum weir_codec)(next_byte(play) % WEIR_CODEC_COUNT);
    struct weir_record record = {
        .value = next_bytes(play, next_byte(play) % 32),
        .timestamp_ms = weir_wall_now(play->stage.engine.env).ms,
    };
    weir_batch_builder_init(&builder, &play->stage.budget, codec, WEIR_CODEC_LEVEL_DEFAULT);
    for (int count = 1 + next_byte(play) % 4; count > 0; count--) {
        weir_assert(weir_batch_builder_add(&builder, &record) == 0);
    }
    weir_assert(weir_batch_builder_finish(&builder, &WEIR_BATCH_FINISH_NONE, &bytes) == 0);
    bytes = weir_arena_copy(&play->stage.arena, bytes);
    weir_batch_builder_close(&builder);
    return bytes;
}

static void fill_produce(struct play *play, void *message)
{
    struct weir_wire_produce_request *request = message;
    struct weir_wire_produce_request_topic_produce_data *topic =
        ELEMENT(struct weir_wire_produce_request_topic_produce_data);
    struct weir_wire_produce_request_partition_produce_data *partition =
        ELEMENT(struct weir_wire_produce_request_partition_produce_data);
    request->acks = (int16_t)(next_byte(play) % 3 - 1);
    topic->name = next_topic(play);
    partition->index = next_byte(play) % 3;
    partition->records = make_batch(play);
    topic->partition_data = partition;
    topic->partition_data_count = 1;
    request->topic_data = topic;
    request->topic_data_count = 1;
}

static void fill_fetch(struct play *play, void *message)
{
    struct weir_wire_fetch_request *request = message;
    struct weir_wire_fetch_request_fetch_topic *topic =
        ELEMENT(struct weir_wire_fetch_request_fetch_topic);
    struct weir_wire_fetch_request_fetch_partition *partition =
        ELEMENT(struct weir_wire_fetch_request_fetch_partition);
    request->max_wait_ms = next_byte(play) * 8;
    request->min_bytes = next_number(play);
    request->max_bytes = next_byte(play) * 1024;
    request->session_id = next_byte(play) % 2 == 0 ? 0 : 1;
    request->session_epoch = next_number(play);
    topic->topic = next_topic(play);
    partition->partition = next_byte(play) % 3;
    partition->fetch_offset = next_number(play);
    partition->current_leader_epoch = partition->last_fetched_epoch = -1;
    partition->partition_max_bytes = next_byte(play) * 1024;
    topic->partitions = partition;
    topic->partitions_count = 1;
    request->topics = topic;
    request->topics_count = next_byte(play) % 4 == 0 ? 0 : 1;
}

static void fill_metadata(struct play *play, void *message)
{
    struct weir_wire_metadata_request *request = message;
    struct weir_wire_metadata_request_metadata_request_topic *topic =
        ELEMENT(struct weir_wire_metadata_request_metadata_request_topic);
    topic->name = next_topic(play);
    request->topics = topic;
    request->topics_count = next_byte(play) % 2;
    request->allow_auto_topic_creation = next_byte(play) % 2 == 0;
}

static void fill_list_offsets(struct play *play, void *message)
{
    struct weir_wire_list_offsets_request *request = message;
    struct weir_wire_list_offsets_request_list_offsets_topic *topic =
        ELEMENT(struct weir_wire_list_offsets_request_list_offsets_topic);
    struct weir_wire_list_offsets_request_list_offsets_partition *partition =
        ELEMENT(struct weir_wire_list_offsets_request_list_offsets_partition);
    request->replica_id = -1;
    topic->name = next_topic(play);
    partition->partition_index = next_byte(play) % 3;
    partition->current_leader_epoch = -1;
    partition->timestamp = (int64_t)next_byte(play) - 8;
    topic->partitions = partition;
    topic->partitions_count = 1;
    request->topics = topic;
    request->topics_count = 1;
}

static void fill_create_topics(struct play *play, void *message)
{
    struct weir_wire_create_topics_request *request = message;
    struct weir_wire_create_topics_request_creatable_topic *topic =
        ELEMENT(struct weir_wire_create_topics_request_creatable_topic);
    topic->name = next_topic(play);
    topic->num_partitions = next_byte(play) % 5 - 1;
    topic->replication_factor = (int16_t)(next_byte(play) % 3 - 1);
    request->topics = topic;
    request->topics_count = 1;
    request->validate_only = next_byte(play) % 4 == 0;
}

static void fill_delete_topics(struct play *play, void *message)
{
    struct weir_wire_delete_topics_request *request = message;
    struct weir_slice *name = ELEMENT(struct weir_slice);
    struct weir_wire_delete_topics_request_delete_topic_state *topic =
        ELEMENT(struct weir_wire_delete_topics_request_delete_topic_state);
    *name = topic->name = next_topic(play);
    request->topic_names = name;
    request->topic_names_count = 1;
    request->topics = topic;
    request->topics_count = 1;
}

static void fill_delete_records(struct play *play, void *message)
{
    struct weir_wire_delete_records_request *request = message;
    struct weir_wire_delete_records_request_delete_records_topic *topic =
        ELEMENT(struct weir_wire_delete_records_request_delete_records_topic);
    struct weir_wire_delete_records_request_delete_records_partition *partition =
        ELEMENT(struct weir_wire_delete_records_request_delete_records_partition);
    topic->name = next_topic(play);
    partition->partition_index = next_byte(play) % 3;
    partition->offset = next_number(play);
    topic->partitions = partition;
    topic->partitions_count = 1;
    request->topics = topic;
    request->topics_count = 1;
}

static const struct {
    const struct weir_message_type *type;
    void (*fill)(struct play *play, void *message);
} kinds[] = {
    {&weir_wire_produce_request_type, fill_produce},
    {&weir_wire_fetch_request_type, fill_fetch},
    {&weir_wire_metadata_request_type, fill_metadata},
    {&weir_wire_list_offsets_request_type, fill_list_offsets},
    {&weir_wire_create_topics_request_type, fill_create_topics},
    {&weir_wire_delete_topics_request_type, fill_delete_topics},
    {&weir_wire_delete_records_request_type, fill_delete_records},
};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

/* ---- frames ---------------------------------------------------------------------------------- */

static void begin_frame(struct play *play, const struct weir_message_type *type, int16_t version)
{
    uint8_t header[15] = {0};
    weir_store_u16(header + 4, (uint16_t)type->api_key);
    weir_store_u16(header + 6, (uint16_t)version);
    weir_store_u32(header + 8, (uint32_t)++play->last_id);
    weir_store_u16(header + 12, 1);
    header[14] = 'f';
    weir_buffer_reset(&play->frame);
    weir_buffer_append(&play->frame, header, sizeof header);
    if (version >= type->flexible_from) weir_buffer_append(&play->frame, "", 1);
}

static int16_t next_version(struct play *play, const struct weir_message_type *type)
{
    int span = type->version_max - type->version_min + 1;
    return (int16_t)(type->version_min + next_byte(play) % span);
}

/* Of any kind there is, at its defaults, or of one of ours, filled. */
static const struct weir_message_type *make_request(struct play *play)
{
    size_t count;
    max_align_t message[64];
    uint8_t kind = next_byte(play) % 32;
    bool is_ours = kind < 2 * KIND_COUNT;
    (void)weir_api_at(0, &count);
    const struct weir_message_type *type =
        is_ours ? kinds[kind % KIND_COUNT].type : weir_api_at(kind % count, &count)->request;
    int16_t version = next_version(play, type);
    weir_assert(type->struct_size <= sizeof message);
    type->init(message);
    if (is_ours) kinds[kind % KIND_COUNT].fill(play, message);
    begin_frame(play, type, version);
    /* What the version does not have leaves a frame with a header alone. */
    (void)weir_message_encode(type, message, version, &play->frame);
    return type;
}

/* Counts of partitions by the ten thousand are legal and slow: such requests stay as they are. */
static bool may_be_bent(int16_t api_key)
{
    return api_key != CREATE_TOPICS_KEY && api_key != CREATE_PARTITIONS_KEY;
}

/* Not its size and its correlation id: they are what the claims go by. */
static void bend(struct play *play, int count)
{
    for (; count > 0; count--) {
        size_t place = next_byte(play);
        uint8_t bits = next_byte(play);
        if (place < 4 || (place >= 8 && place < 12) || place >= play->frame.size) continue;
        play->frame.data[place] ^= bits;
        int16_t api_key = (int16_t)weir_load_u16(play->frame.data + 4);
        if (!may_be_bent(api_key)) play->frame.data[place] ^= bits;
    }
}

static void send_frame(struct play *play)
{
    struct speaker *speaker = &play->speakers[play->active];
    weir_store_u32(play->frame.data, (uint32_t)play->frame.size - 4);
    speaker->expected[speaker->expected_count++] = (struct expected){
        .correlation_id = (int32_t)weir_load_u32(play->frame.data + 8),
        .may_be_silent = (int16_t)weir_load_u16(play->frame.data + 4) == PRODUCE_KEY,
    };
    raw_send(speaker->raw, play->frame.data, play->frame.size);
}

static void do_request(struct play *play, int bends)
{
    const struct weir_message_type *type = make_request(play);
    if (may_be_bent(type->api_key)) bend(play, bends);
    send_frame(play);
}

static void do_body(struct play *play)
{
    size_t count;
    (void)weir_api_at(0, &count);
    const struct weir_message_type *type = weir_api_at(next_byte(play) % count, &count)->request;
    begin_frame(play, type, next_version(play, type));
    struct weir_slice body = next_bytes(play, next_byte(play));
    if (may_be_bent(type->api_key)) weir_buffer_append(&play->frame, body.data, body.size);
    send_frame(play);
}

static void do_bytes(struct play *play)
{
    struct speaker *speaker = &play->speakers[play->active];
    struct weir_slice bytes = next_bytes(play, 1 + next_byte(play) % 64);
    speaker->is_wild = true;
    if (bytes.size > 0) raw_send(speaker->raw, bytes.data, bytes.size);
}

/* ---- answers --------------------------------------------------------------------------------- */

static bool has_whole_frame(const struct raw_client *raw)
{
    size_t there = atomic_load(&raw->received) - raw->taken;
    return there >= 4 && there - 4 >= weir_load_u32(raw->bytes + raw->taken);
}

static void take_answer(struct speaker *speaker, int32_t correlation_id)
{
    for (;;) {
        weir_assert(speaker->answered < speaker->expected_count); /* one answer each, in order */
        const struct expected *expected = &speaker->expected[speaker->answered++];
        if (expected->correlation_id == correlation_id) return;
        weir_assert(expected->may_be_silent);
    }
}

/* All that is to come has come. */
static void settle(struct play *play, struct speaker *speaker)
{
    size_t waiting = speaker->expected_count - speaker->answered;
    weir_sim_advance_ms(play->stage.engine.sim, ((int64_t)waiting + 2) * (WAIT_MS + 50));
    if (speaker->is_wild) return;
    while (has_whole_frame(speaker->raw)) {
        struct weir_slice frame = raw_frame(speaker->raw);
        weir_assert(frame.size >= 4);
        take_answer(speaker, (int32_t)weir_load_u32(frame.data));
    }
    if (raw_has_ended(speaker->raw)) return;
    for (; speaker->answered < speaker->expected_count; speaker->answered++) {
        weir_assert(speaker->expected[speaker->answered].may_be_silent);
    }
}

/* ---- the play -------------------------------------------------------------------------------- */

static void enter(struct play *play, size_t which)
{
    struct raw_client *raw = which == 0 ? &play->stage.client : &play->second;
    play->speakers[which] = (struct speaker){.raw = raw};
    raw_open(raw, weir_sim_node(play->stage.engine.sim, 1 + (int)which),
             weir_server_address(play->stage.server));
}

static void do_operation(struct play *play)
{
    uint8_t operation = next_byte(play);
    struct speaker *speaker = &play->speakers[play->active];
    switch (operation & 7) {
    case 3:
        do_body(play);
        break;
    case 4:
        do_bytes(play);
        break;
    case 5:
        play->active = 1 - play->active;
        break;
    case 6:
        raw_close(speaker->raw);
        enter(play, play->active);
        break;
    case 7:
        weir_sim_advance_ms(play->stage.engine.sim, 16 * (int64_t)next_byte(play));
        break;
    default:
        do_request(play, operation >> 5);
    }
}

static void begin_play(struct play *play)
{
    server_init(&play->stage, 1);
    server_config(&play->stage, "fetch.max.wait.ms", "500");
    server_config(&play->stage, "max.in.flight.requests.per.connection", "8");
    server_open(&play->stage);
    raw_close(&play->stage.client);
    weir_assert(engine_create(&play->stage.engine, "a", 2) >= 0);
    weir_assert(engine_create(&play->stage.engine, "b", 1) >= 0);
    weir_assert(engine_produce(&play->stage.engine, "a", 0, "first", WEIR_ACKS_ALL) == 0);
    weir_buffer_init(&play->frame, &play->stage.budget, 0);
    enter(play, 0);
    enter(play, 1);
}

static void end_play(struct play *play)
{
    settle(play, &play->speakers[0]);
    settle(play, &play->speakers[1]);
    raw_close(&play->second);
    raw_close(&play->stage.client);
    weir_sim_advance_ms(play->stage.engine.sim, 2 * WAIT_MS);
    struct weir_server_metrics metrics = server_metrics(&play->stage);
    weir_assert(metrics.connections == 0);
    weir_assert(metrics.requests_in_flight == 0 && metrics.fetches_parked == 0);
    weir_assert(metrics.memory_bytes < MEMORY_MAX);
    weir_buffer_close(&play->frame);
    server_end(&play->stage);
}

static struct weir_slice program; /* a test takes no argument */

START_TEST(the_program_is_played)
{
    struct play *play = calloc(1, sizeof *play);
    weir_assert(play != NULL);
    play->at = program.data;
    play->end = program.data + program.size;
    begin_play(play);
    for (int i = 0; i < OPERATIONS_MAX && play->at < play->end; i++) {
        do_operation(play);
    }
    end_play(play);
    free(play);
}
END_TEST

/* As a test of check, in this process, since the fixture's assertions are check's. The fuzzer's
 * alarm is turned off: check would take it for a test's time limit, and kill the process group. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)alarm(0);
    Suite *suite = suite_create("server");
    TCase *tests = tcase_create("program");
    program = weir_slice(data, size);
    tcase_add_test(tests, the_program_is_played);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_SILENT);
    if (srunner_ntests_failed(runner) != 0) {
        srunner_print(runner, CK_NORMAL);
        abort();
    }
    srunner_free(runner);
    return 0;
}
