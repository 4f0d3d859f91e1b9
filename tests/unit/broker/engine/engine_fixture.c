#include "tests/unit/broker/engine/engine_fixture.h"

#include <stdio.h>
#include <string.h>

#include "wire/record_batch_reader.h"

void engine_init(struct engine *engine, uint64_t seed)
{
    *engine = (struct engine){0};
    engine->sim = weir_sim_new(&(struct weir_sim_options){.seed = seed});
    ck_assert_ptr_nonnull(engine->sim);
    engine->env = weir_sim_node(engine->sim, 0);
    engine->options = (struct weir_broker_options){
        .path = ENGINE_PATH,
        .topic_defaults = weir_topic_config_default(),
    };
}

void engine_end(struct engine *engine)
{
    if (engine->broker != NULL) ck_ok(engine_close(engine), &engine->error);
    weir_sim_free(engine->sim);
}

int engine_open(struct engine *engine)
{
    ck_assert_ptr_null(engine->broker);
    engine->env = weir_sim_node(engine->sim, 0);
    engine->options.env = engine->env;
    return weir_broker_open(&engine->options, &engine->broker, &engine->error);
}

int engine_close(struct engine *engine)
{
    int rc = weir_broker_close(engine->broker, &engine->error);
    engine->broker = NULL;
    return rc;
}

void engine_crash(struct engine *engine, enum weir_sim_crash_kind kind)
{
    weir_sim_crash(engine->sim, 0, kind);
    engine_forget(engine);
}

void engine_forget(struct engine *engine)
{
    engine->broker = NULL;
    engine->env = weir_sim_node(engine->sim, 0);
}

/* Waits only if the request could be sent. A crash in between leaves it unanswered. */
static int wait_for(struct engine *engine, struct weir_request *request)
{
    return weir_broker_wait(engine->broker, request, &engine->error);
}

struct weir_shared *engine_producer_batch(struct engine *engine, const char *value, int64_t id,
                                          int32_t sequence)
{
    struct weir_batch_builder builder;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_slice bytes;
    weir_batch_builder_init(&builder, engine->env->budget, WEIR_CODEC_NONE, 0);
    int64_t now_ms = weir_wall_now(engine->env).ms;
    struct weir_record record = {.value = weir_text(value),
                                 .timestamp_ms =
                                     engine->timestamp_ms != 0 ? engine->timestamp_ms : now_ms};
    ck_assert_int_eq(weir_batch_builder_add(&builder, &record), 0);
    if (id >= 0) {
        finish.producer_id = id;
        finish.producer_epoch = 0;
        finish.base_sequence = sequence;
    }
    ck_assert_int_eq(weir_batch_builder_finish(&builder, &finish, &bytes), 0);
    struct weir_shared *batch = weir_shared_new(engine->env->budget, bytes.size);
    ck_assert_ptr_nonnull(batch);
    memcpy(batch->data, bytes.data, bytes.size);
    batch->size = bytes.size;
    weir_batch_builder_close(&builder);
    return batch;
}

struct weir_shared *engine_batch(struct engine *engine, const char *value)
{
    return engine_producer_batch(engine, value, -1, 0);
}

int64_t engine_produce(struct engine *engine, const char *topic, int32_t partition,
                       const char *value, enum weir_acks acks)
{
    struct weir_produce_request request = {
        .to = {weir_text(topic), partition},
        .batches = engine_batch(engine, value),
        .acks = acks,
    };
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request.request, NULL), 0);
    weir_broker_produce(engine->broker, &request);
    int rc = wait_for(engine, &request.request);
    if (weir_sim_has_crashed(engine->sim, 0))
        return WEIR_CRASHED; /* the batch died with the node */
    weir_shared_unref(request.batches);
    return rc < 0 ? rc : request.base_offset;
}

void engine_first_value(const struct weir_fetch_request *fetch, char value[64])
{
    struct weir_record record;
    ck_assert_uint_gt(fetch->batches.part_count, 0);
    struct weir_batch_reader reader = {.rest = weir_log_part_bytes(&fetch->batches.parts[0])};
    ck_assert_int_eq(weir_batch_reader_open_next(&reader, NULL), 0);
    ck_assert_int_eq(weir_batch_reader_record(&reader, &record, NULL), 0);
    (void)snprintf(value, 64, "%.*s", (int)record.value.size, (const char *)record.value.data);
}

int engine_fetch(struct engine *engine, const char *topic, int32_t partition, int64_t offset,
                 char value[64])
{
    struct weir_fetch_request request = {
        .from = {weir_text(topic), partition}, .offset = offset, .size_max = 1};
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request.request, NULL), 0);
    weir_broker_fetch(engine->broker, &request);
    int rc = wait_for(engine, &request.request);
    value[0] = '\0';
    if (rc < 0) return rc;
    if (request.batches.part_count == 0) return WEIR_END;
    engine_first_value(&request, value);
    weir_fetch_release(&request);
    return 0;
}

int engine_topic(struct engine *engine, struct weir_topic_request *request)
{
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request->request, NULL), 0);
    weir_broker_topic(engine->broker, request);
    return wait_for(engine, &request->request);
}

int engine_create(struct engine *engine, const char *topic, int32_t partition_count)
{
    struct weir_topic_request request = {.operation = WEIR_TOPIC_CREATE,
                                         .topic = weir_text(topic),
                                         .partition_count = partition_count};
    return engine_topic(engine, &request);
}

int engine_delete(struct engine *engine, const char *topic)
{
    struct weir_topic_request request = {.operation = WEIR_TOPIC_DELETE, .topic = weir_text(topic)};
    return engine_topic(engine, &request);
}

int engine_describe(struct engine *engine, const char *topic)
{
    struct weir_topic_request request = {.operation = WEIR_TOPIC_DESCRIBE,
                                         .topic = weir_text(topic)};
    int rc = engine_topic(engine, &request);
    return rc < 0 ? rc : request.partition_count;
}

struct weir_partition_state_request engine_describe_partition(struct engine *engine,
                                                              const char *topic, int32_t partition)
{
    struct weir_partition_state_request request = {.of = {weir_text(topic), partition}};
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request.request, NULL), 0);
    weir_broker_partition_state(engine->broker, &request);
    ck_ok(wait_for(engine, &request.request), &engine->error);
    return request;
}

int64_t engine_latest(struct engine *engine, const char *topic, int32_t partition)
{
    struct weir_list_offsets_request request = {.of = {weir_text(topic), partition},
                                                .timestamp_ms = WEIR_OFFSET_LATEST};
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request.request, NULL), 0);
    weir_broker_list_offsets(engine->broker, &request);
    int rc = wait_for(engine, &request.request);
    return rc < 0 ? rc : request.offset;
}

int engine_commit(struct engine *engine, const char *group, const char *topic, int32_t partition,
                  int64_t offset)
{
    struct weir_offset_entry entry = {.partition = {weir_text(topic), partition},
                                      .offset = offset,
                                      .leader_epoch = -1,
                                      .metadata = weir_text("note")};
    struct weir_commit_request request = {
        .group = weir_text(group), .entries = &entry, .entry_count = 1};
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request.request, NULL), 0);
    weir_broker_commit_offsets(engine->broker, &request);
    return wait_for(engine, &request.request);
}

int64_t engine_committed(struct engine *engine, const char *group, const char *topic,
                         int32_t partition)
{
    struct weir_offset_entry entry = {.partition = {weir_text(topic), partition}};
    struct weir_committed_request request = {
        .group = weir_text(group), .entries = &entry, .entry_count = 1};
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request.request, NULL), 0);
    weir_broker_committed(engine->broker, &request);
    int rc = wait_for(engine, &request.request);
    return rc < 0 ? rc : entry.offset;
}

int64_t engine_producer_id(struct engine *engine)
{
    struct weir_init_producer_request request = {0};
    ck_assert_int_eq(weir_broker_wait_begin(engine->broker, &request.request, NULL), 0);
    weir_broker_init_producer(engine->broker, &request);
    int rc = wait_for(engine, &request.request);
    return rc < 0 ? rc : request.producer_id;
}
