#include "tests/unit/server/handlers/data_stage.h"

#include <stdio.h>

enum { PARTITION_MAX = 1024 * 1024, RESPONSE_MAX = 50 * 1024 * 1024 };

static struct call *call_of(const struct weir_request_context *context)
{
    return (struct call *)context;
}

/* ---- what a server's core does --------------------------------------------------------------- */

static void copy_source(struct call *call, const struct weir_records_source *source,
                        struct weir_buffer *to)
{
    if (source->range.segment != NULL) {
        size_t size = (size_t)source->range.size;
        uint8_t *at = weir_buffer_extend(to, size);
        ck_assert_int_eq(weir_file_read(weir_log_range_file(&source->range), at, size,
                                        source->range.position, NULL),
                         source->range.size);
        call->file_bytes += size;
    }
    for (size_t i = 0; i < source->part_count; i++) {
        weir_buffer_append(to, source->parts[i].bytes->data + source->parts[i].from,
                           source->parts[i].size);
    }
}

static void release_sources(struct call *call)
{
    struct weir_records_source *source = call->context.sources;
    for (; source != NULL; source = source->next) {
        for (size_t i = 0; i < source->part_count; i++) {
            weir_shared_unref(source->parts[i].bytes);
        }
        if (source->range.segment != NULL) weir_log_range_release(&source->range);
    }
    call->context.sources = NULL;
}

/* As a client sees it: encoded, records put in, decoded. False where no memory was left for it: a
 * server then cuts the connection. */
static bool take_answer(struct call *call, const void *response)
{
    struct stage *stage = call->stage;
    struct weir_buffer head;
    struct weir_buffer whole;
    struct weir_splices splices = {.arena = &call->context.arena};
    int16_t version = call->context.version;
    weir_buffer_init(&head, &stage->budget, 0);
    weir_buffer_init(&whole, &stage->budget, 0);
    int rc = weir_message_encode_spliced(call->answer_type, response, version, &head, &splices);
    ck_assert(rc == 0 || (rc == WEIR_NO_MEMORY && stage->failures != NULL));
    if (rc < 0) {
        weir_buffer_close(&head);
        return false;
    }
    size_t from = 0;
    for (size_t i = 0; i < splices.count; i++) {
        const struct weir_splice *splice = &splices.items[i];
        weir_buffer_append(&whole, head.data + from, splice->at - from);
        copy_source(call, splice->data, &whole);
        from = splice->at;
    }
    weir_buffer_append(&whole, head.data + from, head.size - from);
    struct weir_slice bytes = weir_arena_copy(&stage->arena, weir_buffer_slice(&whole));
    void *answer = weir_arena_alloc_zero(&stage->arena, call->answer_type->struct_size);
    ck_ok(weir_message_decode_whole(call->answer_type, answer, version, bytes, &stage->arena,
                                    &stage->engine.error),
          &stage->engine.error);
    call->answer = answer;
    call->answer_bytes = bytes.size;
    weir_buffer_close(&head);
    weir_buffer_close(&whole);
    return true;
}

static void finish(struct call *call, enum outcome outcome)
{
    ck_assert_int_eq(call->outcome, PENDING);
    weir_context_unpark(&call->context);
    call->outcome = outcome;
    release_sources(call);
    weir_shared_unref(call->context.frame);
    weir_arena_close(&call->context.arena);
}

void weir_context_reply(struct weir_request_context *context, const void *response)
{
    finish(call_of(context), take_answer(call_of(context), response) ? REPLIED : CLOSED);
}

void weir_context_reply_records(struct weir_request_context *context, const void *response)
{
    weir_context_reply(context, response);
}

void weir_context_reply_nothing(struct weir_request_context *context)
{
    finish(call_of(context), NOTHING);
}

void weir_context_reply_close(struct weir_request_context *context, const char *reason)
{
    (void)snprintf(call_of(context)->reason, sizeof call_of(context)->reason, "%s", reason);
    finish(call_of(context), CLOSED);
}

void weir_context_give_source(struct weir_request_context *context,
                              struct weir_records_source *source)
{
    source->next = context->sources;
    context->sources = source;
}

void weir_context_park(struct weir_request_context *context)
{
    ck_assert(!context->is_parked);
    context->is_parked = true;
    context->part->parked++;
}

void weir_context_unpark(struct weir_request_context *context)
{
    if (context->is_parked) context->part->parked--;
    context->is_parked = false;
}

struct weir_slice weir_context_client_host(struct weir_request_context *context)
{
    (void)context;
    return weir_text("/127.0.0.1");
}

void weir_context_log_refusal(struct weir_request_context *context, const char *reason)
{
    (void)context;
    (void)reason;
}

void weir_context_address(const struct weir_request_context *context, struct weir_slice *host_out,
                          int32_t *port_out)
{
    (void)context;
    *host_out = weir_text("stage");
    *port_out = 9092;
}

bool weir_authorize(const struct weir_request_context *context, enum weir_acl_operation operation,
                    enum weir_acl_resource resource, struct weir_slice name)
{
    (void)operation;
    (void)resource;
    (void)name;
    return !call_of(context)->stage->forbids;
}

struct weir_part_sessions *weir_context_sessions(const struct weir_request_context *context)
{
    return &context->part->sessions;
}

struct weir_connection_keep *weir_context_keep(const struct weir_request_context *context)
{
    return &context->connection->keep;
}

struct weir_budget *weir_context_budget(const struct weir_request_context *context)
{
    return &context->part->budget;
}

const struct weir_server_config *weir_context_config(const struct weir_request_context *context)
{
    return &context->part->config;
}

static int run_service(void *impl, struct weir_mono now, struct weir_mono *wake_at)
{
    struct weir_part_sessions *sessions = &((struct stage *)impl)->part.sessions;
    return sessions->object != NULL ? sessions->run_once(sessions->object, now, wake_at) : 0;
}

/* ---- the stage ------------------------------------------------------------------------------- */

void stage_init(struct stage *stage)
{
    *stage = (struct stage){0};
    engine_init(&stage->engine, 42);
    ck_ok(engine_open(&stage->engine), &stage->engine.error);
    struct weir_env *env = stage->engine.env;
    stage->part.config = weir_server_config_default();
    weir_budget_init(&stage->part.budget, "server", env->heap, env->budget, 0);
    weir_heap_init(&stage->heap, false);
    weir_budget_init(&stage->budget, "stage", &stage->heap, NULL, 0);
    weir_arena_init(&stage->arena, &stage->budget, 0);
    weir_broker_set_service(stage->engine.broker, 0,
                            (struct weir_shard_service){run_service, stage});
}

void stage_cut(struct stage *stage, int connection, struct call *under_way)
{
    struct weir_connection_keep *keep = &stage->connections[connection].keep;
    if (under_way != NULL && under_way->outcome == PENDING) {
        under_way->context.connection = NULL;
        if (under_way->context.abandon != NULL) under_way->context.abandon(&under_way->context);
    }
    if (keep->object != NULL) keep->release(keep->object);
    *keep = (struct weir_connection_keep){0};
}

static bool sessions_are_idle(void *context)
{
    const struct weir_part_sessions *sessions = context;
    return sessions->is_idle(sessions->object);
}

void stage_end(struct stage *stage)
{
    struct weir_part_sessions *sessions = &stage->part.sessions;
    for (int i = 0; i < 8; i++) {
        stage_cut(stage, i, NULL);
    }
    if (sessions->object != NULL) {
        sessions->stop(sessions->object);
        (void)weir_sim_run(stage->engine.sim, sessions_are_idle, sessions, 0);
        sessions->free(sessions->object);
        sessions->object = NULL;
    }
    ck_assert_uint_eq(stage->part.budget.used, 0);
    ck_assert_int_eq(stage->part.parked, 0);
    engine_end(&stage->engine);
    weir_arena_close(&stage->arena);
}

struct call *stage_begin(struct stage *stage, int connection, stage_handler handle,
                         const struct weir_message_type *asked,
                         const struct weir_message_type *answer, int16_t version,
                         const void *request)
{
    struct weir_budget *budget = stage->engine.env->budget;
    struct call *call = weir_arena_alloc_zero(&stage->arena, sizeof *call);
    struct weir_buffer bytes;
    struct weir_actor *actor = weir_broker_shard_actor(stage->engine.broker, 0);
    weir_buffer_init(&bytes, budget, 0);
    ck_code(weir_message_encode(asked, request, version, &bytes), 0);
    call->stage = stage;
    call->answer_type = answer;
    call->context.part = &stage->part;
    call->context.connection = &stage->connections[connection];
    call->context.broker = stage->engine.broker;
    call->context.actor = actor;
    call->context.version = version;
    call->context.frame = weir_shared_new(budget, bytes.size);
    weir_copy(call->context.frame->data, bytes.data, bytes.size);
    call->context.frame->size = bytes.size;
    weir_buffer_close(&bytes);
    size_t block_size = stage->failures != NULL ? 1 : 8192;
    weir_arena_init(&call->context.arena, &stage->part.budget, block_size);
    void *decoded = weir_arena_alloc_zero(&call->context.arena, asked->struct_size);
    ck_ok(
        weir_message_decode_whole(asked, decoded, version,
                                  weir_slice(call->context.frame->data, call->context.frame->size),
                                  &call->context.arena, &stage->engine.error),
        &stage->engine.error);
    call->context.request = decoded;
    if (stage->failures != NULL) weir_test_failures_arm(stage->failures, stage->engine.env->heap);
    handle(&call->context);
    weir_actor_wake_at(actor, weir_mono_now(stage->engine.env));
    return call;
}

static bool is_answered(void *context)
{
    return ((struct call *)context)->outcome != PENDING;
}

void stage_wait(struct call *call)
{
    (void)weir_sim_run(call->stage->engine.sim, is_answered, call, 0);
    ck_assert_int_ne(call->outcome, PENDING);
}

void stage_pass(struct stage *stage, int64_t ms)
{
    weir_sim_advance_ms(stage->engine.sim, ms);
}

int64_t stage_fetches_sent(struct stage *stage)
{
    const struct weir_fetch_part *part = stage->part.sessions.object;
    return part != NULL ? part->requests_sent : 0;
}

void stage_create(struct stage *stage, const char *topic, int32_t partition_count)
{
    ck_ok(engine_create(&stage->engine, topic, partition_count), &stage->engine.error);
}

struct weir_uuid stage_topic_id(struct stage *stage, const char *topic)
{
    struct weir_topic_request request = {.operation = WEIR_TOPIC_DESCRIBE,
                                         .topic = weir_text(topic)};
    ck_ok(engine_topic(&stage->engine, &request), &stage->engine.error);
    return request.topic_id;
}

struct weir_slice stage_batch(struct stage *stage, const char *value)
{
    struct weir_shared *batch = engine_batch(&stage->engine, value);
    struct weir_slice copy = weir_arena_copy(&stage->arena, weir_slice(batch->data, batch->size));
    weir_shared_unref(batch);
    return copy;
}

int64_t stage_append(struct stage *stage, const char *topic, int32_t partition, const char *value)
{
    int64_t offset = engine_produce(&stage->engine, topic, partition, value, WEIR_ACKS_ALL);
    ck_assert_int_ge(offset, 0);
    return offset;
}

/* ---- fetch ----------------------------------------------------------------------------------- */

static int32_t epoch_of(int32_t given)
{
    if (given == 0) return -1;
    return given == -2 ? 0 : given;
}

static struct weir_uuid id_of(struct stage *stage, const struct fetch_from *from)
{
    return from->unknown_id ? (struct weir_uuid){{1, 2, 3}} : stage_topic_id(stage, from->topic);
}

static void add_topics(struct stage *stage, const struct fetch_spec *spec,
                       struct weir_wire_fetch_request *request, bool by_id)
{
    struct weir_wire_fetch_request_fetch_topic *topics =
        weir_arena_array(&stage->arena, spec->from_count + 1, sizeof *topics);
    struct weir_wire_fetch_request_fetch_partition *partitions =
        weir_arena_array(&stage->arena, spec->from_count + 1, sizeof *partitions);
    for (size_t i = 0; i < spec->from_count; i++) {
        const struct fetch_from *from = &spec->from[i];
        partitions[i] = (struct weir_wire_fetch_request_fetch_partition){
            .partition = from->partition,
            .current_leader_epoch = epoch_of(from->current_epoch),
            .fetch_offset = from->offset,
            .last_fetched_epoch = epoch_of(from->fetched_epoch),
            .log_start_offset = -1,
            .partition_max_bytes = from->size_max != 0 ? from->size_max : PARTITION_MAX,
            .high_watermark = INT64_MAX,
        };
        topics[i] = (struct weir_wire_fetch_request_fetch_topic){.partitions = &partitions[i],
                                                                 .partitions_count = 1};
        if (by_id) topics[i].topic_id = id_of(stage, from);
        if (!by_id) topics[i].topic = weir_text(from->topic);
    }
    request->topics = topics;
    request->topics_count = spec->from_count;
}

static void add_forgotten(struct stage *stage, const struct fetch_spec *spec,
                          struct weir_wire_fetch_request *request, bool by_id)
{
    struct weir_wire_fetch_request_forgotten_topic *topics =
        weir_arena_array(&stage->arena, spec->forget_count + 1, sizeof *topics);
    for (size_t i = 0; i < spec->forget_count; i++) {
        topics[i] = (struct weir_wire_fetch_request_forgotten_topic){
            .partitions = &spec->forget[i].partition, .partitions_count = 1};
        if (by_id) topics[i].topic_id = id_of(stage, &spec->forget[i]);
        if (!by_id) topics[i].topic = weir_text(spec->forget[i].topic);
    }
    request->forgotten_topics_data = topics;
    request->forgotten_topics_data_count = spec->forget_count;
}

struct call *fetch_begin(struct stage *stage, const struct fetch_spec *spec)
{
    int16_t version = spec->version != 0 ? spec->version : 12;
    struct weir_wire_fetch_request request;
    weir_wire_fetch_request_init(&request);
    request.max_wait_ms = spec->wait_ms == 0 ? 1000 : spec->wait_ms < 0 ? 0 : spec->wait_ms;
    request.min_bytes = spec->min_bytes == 0 ? 1 : spec->min_bytes < 0 ? 0 : spec->min_bytes;
    request.max_bytes = spec->max_bytes != 0 ? spec->max_bytes : RESPONSE_MAX;
    request.isolation_level = spec->isolation;
    if (version >= 7) {
        request.session_id = spec->session_id;
        request.session_epoch = spec->session_epoch;
    }
    if (spec->replica_id != 0 && version < 15) request.replica_id = spec->replica_id;
    if (spec->replica_id != 0 && version >= 15) request.replica_state.replica_id = spec->replica_id;
    add_topics(stage, spec, &request, version >= 13);
    if (version >= 7) add_forgotten(stage, spec, &request, version >= 13);
    return stage_begin(stage, spec->connection, weir_handle_fetch, &weir_wire_fetch_request_type,
                       &weir_wire_fetch_response_type, version, &request);
}

struct call *fetch(struct stage *stage, const struct fetch_spec *spec)
{
    struct call *call = fetch_begin(stage, spec);
    stage_wait(call);
    return call;
}

const struct weir_wire_fetch_response *fetched(const struct call *call)
{
    ck_assert_msg(call->outcome == REPLIED, "not answered but ended: %s", call->reason);
    return call->answer;
}

size_t fetched_count(const struct call *call)
{
    const struct weir_wire_fetch_response *response = fetched(call);
    size_t count = 0;
    for (size_t i = 0; i < response->responses_count; i++) {
        count += response->responses[i].partitions_count;
    }
    return count;
}

const struct weir_wire_fetch_response_partition_data *fetched_at(const struct call *call, size_t n)
{
    const struct weir_wire_fetch_response *response = fetched(call);
    for (size_t i = 0; i < response->responses_count; i++) {
        if (n < response->responses[i].partitions_count)
            return &response->responses[i].partitions[n];
        n -= response->responses[i].partitions_count;
    }
    ck_abort_msg("the answer has no such partition");
}

int fetched_batches(const struct weir_wire_fetch_response_partition_data *partition)
{
    struct weir_slice rest = partition->records;
    int count = 0;
    ck_assert(!weir_slice_is_null(rest));
    while (rest.size > 0) {
        struct weir_batch_header header;
        ck_code(weir_batch_peek(rest, 0, &header, NULL), 0);
        rest =
            weir_slice(rest.data + weir_batch_size(&header), rest.size - weir_batch_size(&header));
        count++;
    }
    return count;
}
