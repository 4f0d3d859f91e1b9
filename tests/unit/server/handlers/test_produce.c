#include "tests/unit/server/handlers/data_stage.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "broker/broker_internal.h"
#include "broker/engine/request.h"

typedef struct weir_wire_produce_response_partition_produce_response partition_answer;

static struct stage stage;

static void set_up(void)
{
    stage_init(&stage);
    stage_create(&stage, "a", 4);
}

static void tear_down(void)
{
    stage_end(&stage);
}

/* One partition's records in a request. */
struct to {
    const char *topic;
    int32_t partition;
    struct weir_slice records;
    bool unknown_id;
};

struct spec {
    int16_t version;
    int16_t acks;
    const char *transactional_id;
    const struct to *to;
    size_t count;
};

static struct call *produce(const struct spec *spec)
{
    struct weir_wire_produce_request request;
    struct weir_wire_produce_request_topic_produce_data topics[8];
    struct weir_wire_produce_request_partition_produce_data partitions[8];
    weir_wire_produce_request_init(&request);
    for (size_t i = 0; i < spec->count; i++) {
        const struct to *to = &spec->to[i];
        partitions[i] =
            (struct weir_wire_produce_request_partition_produce_data){to->partition, to->records};
        topics[i] = (struct weir_wire_produce_request_topic_produce_data){
            .partition_data = &partitions[i], .partition_data_count = 1};
        if (spec->version < 13) {
            topics[i].name = weir_text(to->topic);
        } else if (to->unknown_id) {
            topics[i].topic_id = (struct weir_uuid){{9, 9}};
        } else {
            topics[i].topic_id = stage_topic_id(&stage, to->topic);
        }
    }
    request.acks = spec->acks;
    request.timeout_ms = 1000;
    request.transactional_id = weir_text(spec->transactional_id);
    request.topic_data = topics;
    request.topic_data_count = spec->count;
    struct call *call = stage_begin(&stage, 0, weir_handle_produce, &weir_wire_produce_request_type,
                                    &weir_wire_produce_response_type, spec->version, &request);
    stage_wait(call);
    return call;
}

static const partition_answer *answer_at(const struct call *call, size_t n)
{
    ck_assert_int_eq(call->outcome, REPLIED);
    const struct weir_wire_produce_response *response = call->answer;
    ck_assert_uint_lt(n, response->responses_count);
    ck_assert_uint_eq(response->responses[n].partition_responses_count, 1);
    return &response->responses[n].partition_responses[0];
}

static int64_t end_of(const char *topic, int32_t partition)
{
    return engine_latest(&stage.engine, topic, partition);
}

/* A batch with one of its fields changed and the crc made to fit. */
static struct weir_slice changed(size_t at, uint8_t value)
{
    struct weir_slice batch = stage_batch(&stage, "value");
    uint8_t *bytes = (uint8_t *)(uintptr_t)batch.data;
    bytes[at] = value;
    weir_store_u32(bytes + 17,
                   weir_crc32c(0, bytes + WEIR_BATCH_CRC_FROM, batch.size - WEIR_BATCH_CRC_FROM));
    return batch;
}

static struct weir_slice two_batches(void)
{
    struct weir_slice batch = stage_batch(&stage, "value");
    uint8_t *both = weir_arena_alloc(&stage.arena, batch.size * 2);
    memcpy(both, batch.data, batch.size);
    memcpy(both + batch.size, batch.data, batch.size);
    return weir_slice(both, batch.size * 2);
}

/* ---- appends --------------------------------------------------------------------------------- */

/* In every version, by name and by id, each partition asked is answered with where its batch is. */
START_TEST(a_batch_is_appended_in_every_version)
{
    for (int16_t version = 3; version <= 13; version++) {
        struct weir_slice batch = stage_batch(&stage, "value");
        int16_t acks = version % 2 == 0 ? 1 : -1;
        struct call *call = produce(
            &(struct spec){version, acks, NULL,
                           (struct to[]){{.topic = "a", .partition = 2, .records = batch}}, 1});
        const partition_answer *answer = answer_at(call, 0);
        ck_assert_int_eq(answer->error_code, 0);
        ck_assert_int_eq(answer->index, 2);
        ck_assert_int_eq(answer->base_offset, version - 3);
        ck_assert_int_eq(answer->log_append_time_ms, -1);
        if (version >= 5) ck_assert_int_eq(answer->log_start_offset, 0);
        ck_assert_int_eq(
            ((const struct weir_wire_produce_response *)call->answer)->throttle_time_ms, 0);
    }
}
END_TEST

/* The same partition twice in a request is appended twice, in order. */
START_TEST(a_partition_named_twice_is_appended_twice)
{
    struct to to[] = {
        {.topic = "a", .records = stage_batch(&stage, "first")},
        {.topic = "a", .records = stage_batch(&stage, "second")},
    };
    struct call *call = produce(&(struct spec){9, -1, NULL, to, 2});
    ck_assert_int_eq(answer_at(call, 0)->base_offset, 0);
    ck_assert_int_eq(answer_at(call, 1)->base_offset, 1);
    char value[64];
    ck_code(engine_fetch(&stage.engine, "a", 0, 1, value), 0);
    ck_assert_str_eq(value, "second");
}
END_TEST

/* A request without acknowledgement is not answered, but appended; what is wrong ends the
 * connection. */
START_TEST(without_acks_there_is_no_answer)
{
    struct to to[] = {{.topic = "a", .records = stage_batch(&stage, "value")}};
    struct call *call = produce(&(struct spec){9, 0, NULL, to, 1});
    ck_assert_int_eq(call->outcome, NOTHING);
    stage_pass(&stage, 100);
    ck_assert_int_eq(end_of("a", 0), 1);
    to[0].records = weir_slice("", 0);
    call = produce(&(struct spec){9, 0, NULL, to, 1});
    ck_assert_int_eq(call->outcome, CLOSED);
    ck_assert_int_eq(end_of("a", 0), 1);
}
END_TEST

/* What the log refuses ends the connection of a producer that wants no acknowledgement, for there is
 * no other way to tell it. */
START_TEST(without_acks_a_refused_batch_ends_the_connection)
{
    struct to to[] = {{.topic = "a", .records = stage_batch(&stage, "value")}};
    ((uint8_t *)(uintptr_t)to[0].records.data)[to[0].records.size - 1] ^= 1; /* not its crc */
    struct call *call = produce(&(struct spec){9, 0, NULL, to, 1});
    ck_assert_int_eq(call->outcome, CLOSED);
    ck_assert_int_eq(end_of("a", 0), 0);
}
END_TEST

/* ---- refusals -------------------------------------------------------------------------------- */

/* Four records, of which the second and the fourth have no key. */
static struct weir_slice half_keyed(enum weir_codec codec)
{
    struct weir_batch_builder builder;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_slice bytes;
    weir_batch_builder_init(&builder, stage.engine.env->budget, codec, 1);
    for (int i = 0; i < 4; i++) {
        struct weir_record record = {.key = i % 2 == 0 ? weir_text("k") : weir_null(),
                                     .value = weir_text("v"),
                                     .timestamp_ms = weir_wall_now(stage.engine.env).ms};
        ck_code(weir_batch_builder_add(&builder, &record), 0);
    }
    ck_code(weir_batch_builder_finish(&builder, &finish, &bytes), 0);
    struct weir_slice copy = weir_arena_copy(&stage.arena, bytes);
    weir_batch_builder_close(&builder);
    return copy;
}

static void create_compacted(const char *topic)
{
    const struct weir_config_entry compacted = {.key = "cleanup.policy", .value = "compact"};
    struct weir_topic_request request = {
        .operation = WEIR_TOPIC_CREATE,
        .topic = weir_text(topic),
        .partition_count = 1,
        .configs = &compacted,
        .config_count = 1,
    };
    ck_ok(engine_topic(&stage.engine, &request), &request.request.error);
}

/* A compacted topic takes no record without a key; the answer says which had none, so that a client
 * can tell them from those that only came with them. Versions before 8 have no room for it. */
START_TEST(records_without_a_key_are_named)
{
    create_compacted("table");
    for (int16_t version = 7; version <= 12; version++) {
        enum weir_codec codec = version % 2 == 0 ? WEIR_CODEC_NONE : WEIR_CODEC_LZ4;
        struct to to[] = {{.topic = "table", .records = half_keyed(codec)}};
        struct call *call = produce(&(struct spec){version, -1, NULL, to, 1});
        const partition_answer *answer = answer_at(call, 0);
        ck_assert_int_eq(answer->error_code, 87);
        ck_assert_uint_eq(answer->record_errors_count, version >= 8 ? 2 : 0);
        for (size_t i = 0; i < answer->record_errors_count; i++) {
            ck_assert_int_eq(answer->record_errors[i].batch_index, (int32_t)(2 * i + 1));
            ck_assert(weir_slice_is_null(answer->record_errors[i].batch_index_error_message));
        }
    }
    ck_assert_int_eq(end_of("table", 0), 0);
}
END_TEST

/* The answer to a batch of many records at fault is bounded, and one that has just as many names all. */
START_TEST(no_more_records_are_named_than_an_answer_holds)
{
    enum { NAMED_MAX = 10000 };
    static const int counts[] = {NAMED_MAX - 1, NAMED_MAX, NAMED_MAX + 1, 3 * NAMED_MAX};
    create_compacted("table");
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct weir_batch_builder builder;
        struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
        struct weir_record record = {.timestamp_ms = weir_wall_now(stage.engine.env).ms};
        struct weir_slice bytes;
        weir_batch_builder_init(&builder, stage.engine.env->budget, WEIR_CODEC_NONE, 0);
        for (int at = 0; at < counts[i]; at++) {
            ck_code(weir_batch_builder_add(&builder, &record), 0);
        }
        ck_code(weir_batch_builder_finish(&builder, &finish, &bytes), 0);
        struct to to[] = {{.topic = "table", .records = bytes}};
        struct call *call = produce(&(struct spec){9, -1, NULL, to, 1});
        const partition_answer *answer = answer_at(call, 0);
        size_t named = (size_t)(counts[i] < NAMED_MAX ? counts[i] : NAMED_MAX);
        ck_assert_int_eq(answer->error_code, WEIR_WIRE_INVALID_RECORD);
        ck_assert_uint_eq(answer->record_errors_count, named);
        for (size_t at = 0; at < named; at++) {
            ck_assert_int_eq(answer->record_errors[at].batch_index, (int32_t)at);
        }
        weir_batch_builder_close(&builder);
    }
}
END_TEST

/* There are words, and they do not tell a client where the server keeps its files. */
static void check_message(struct weir_slice message)
{
    ck_assert_uint_gt(message.size, 0);
    ck_assert_ptr_null(memmem(message.data, message.size, ENGINE_PATH, sizeof ENGINE_PATH - 1));
}

/* Each has Kafka's number, with words from version 8 on, and appends nothing; its neighbour is
 * appended. */
START_TEST(what_is_wrong_has_its_number)
{
    struct weir_slice good = stage_batch(&stage, "value");
    struct weir_slice bad_crc = stage_batch(&stage, "value");
    ((uint8_t *)(uintptr_t)bad_crc.data)[bad_crc.size - 1] ^= 1;
    const struct {
        int16_t version;
        struct to to;
        int16_t error;
    } cases[] = {
        {9, {.topic = "a", .records = weir_slice("", 0)}, 87},
        {9, {.topic = "a", .records = weir_null()}, 87},
        {9, {.topic = "a", .records = two_batches()}, 87},
        {9, {.topic = "a", .records = weir_slice(good.data, good.size - 1)}, 87},
        {9, {.topic = "a", .records = weir_slice(good.data, 20)}, 87},
        {9, {.topic = "a", .records = changed(16, 1)}, 87},    /* magic */
        {9, {.topic = "a", .records = changed(22, 0x20)}, 87}, /* control */
        {9, {.topic = "a", .records = changed(26, 5)}, 87},    /* last offset delta */
        {9, {.topic = "a", .records = bad_crc}, 2},
        {6, {.topic = "a", .records = changed(22, 4)}, 76}, /* zstd */
        {9, {.topic = "a", .partition = 77, .records = good}, 3},
        {9, {.topic = "nothing", .records = good}, 3},
        {9, {.topic = "__consumer_offsets", .records = good}, 17},
        {13, {.topic = "a", .records = good, .unknown_id = true}, 100},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct to to[] = {cases[i].to,
                          {.topic = "a", .partition = 1, .records = stage_batch(&stage, "fine")}};
        struct call *call = produce(&(struct spec){cases[i].version, -1, NULL, to, 2});
        const partition_answer *answer = answer_at(call, 0);
        ck_assert_msg(answer->error_code == cases[i].error, "case %zu: %d", i, answer->error_code);
        ck_assert_int_eq(answer->base_offset, -1);
        ck_assert_int_eq(answer->index, cases[i].to.partition);
        if (cases[i].version >= 8) check_message(answer->error_message);
        ck_assert_int_eq(answer_at(call, 1)->error_code, 0);
        ck_assert_int_eq(answer_at(call, 1)->base_offset, (int64_t)i);
        ck_assert_int_eq(end_of("a", 0), 0);
    }
}
END_TEST

/* A disk that fails is the server's to name in its log: the client learns the error, and no path. */
START_TEST(a_failed_disk_is_told_without_its_path)
{
    struct weir_sim *sim = stage.engine.sim;
    stage_append(&stage, "a", 0, "x");
    weir_sim_disk_plan(sim, 0,
                       (struct weir_sim_fault_plan){.fault = WEIR_SIM_FAULT_EIO,
                                                    .at = weir_sim_disk_count(sim, 0) + 1,
                                                    .is_sticky = true});
    for (int i = 0; i < 2; i++) {
        struct to to[] = {{.topic = "a", .records = stage_batch(&stage, "v")}};
        struct call *call = produce(&(struct spec){9, -1, NULL, to, 1});
        ck_assert_int_eq(answer_at(call, 0)->error_code, WEIR_WIRE_KAFKA_STORAGE_ERROR);
        check_message(answer_at(call, 0)->error_message);
    }
    ck_code(engine_close(&stage.engine), WEIR_OFFLINE);
}
END_TEST

/* An unknown id is echoed. */
START_TEST(an_unknown_id_is_echoed)
{
    struct to to[] = {{.topic = "a", .records = stage_batch(&stage, "v"), .unknown_id = true}};
    struct call *call = produce(&(struct spec){13, -1, NULL, to, 1});
    const struct weir_wire_produce_response *response = call->answer;
    ck_assert_int_eq(response->responses[0].topic_id.bytes[0], 9);
}
END_TEST

/* Mistakes of the request are every partition's: strange acks, and a transaction without an id. */
START_TEST(a_wrong_request_is_refused_as_a_whole)
{
    struct to plain[] = {
        {.topic = "a", .records = stage_batch(&stage, "value")},
        {.topic = "a", .partition = 1, .records = stage_batch(&stage, "value")},
    };
    struct to transactional[] = {plain[0],
                                 {.topic = "a", .partition = 1, .records = changed(22, 0x10)}};
    const struct {
        struct spec spec;
        int16_t error;
    } cases[] = {
        {{9, 2, NULL, plain, 2}, 21},
        {{9, -2, NULL, plain, 2}, 21},
        {{9, -1, NULL, transactional, 2}, 53},
        {{13, -1, NULL, transactional, 2}, 53},
    };
    for (size_t i = 0; i < 4; i++) {
        struct call *call = produce(&cases[i].spec);
        ck_assert_int_eq(answer_at(call, 0)->error_code, cases[i].error);
        ck_assert_int_eq(answer_at(call, 1)->error_code, cases[i].error);
    }
    ck_assert_int_eq(end_of("a", 0), 0);
    ck_assert_int_eq(end_of("a", 1), 0);
}
END_TEST

/* ---- transactions ---------------------------------------------------------------------------- */

/* Stands for the coordinator: what it says of every question, and what it was asked last. */
struct owner {
    int rc;
    bool was_version_2;
};

static void add_partitions(void *impl, struct weir_add_partitions_request *request)
{
    struct owner *owner = impl;
    struct weir_engine *engine = &stage.engine.broker->engine;
    weir_request_set_out(engine, &request->base.request);
    request->base.request.shard = &engine->shards[0];
    owner->was_version_2 = request->base.is_version_2;
    request->rcs[0] = owner->rc;
    weir_request_reply(&request->base.request, 0);
}

static struct weir_slice transactional_batch(int64_t id, int32_t sequence)
{
    struct weir_shared *batch = engine_producer_batch(&stage.engine, "value", id, sequence);
    struct weir_slice copy = weir_arena_copy(&stage.arena, weir_slice(batch->data, batch->size));
    uint8_t *bytes = (uint8_t *)(uintptr_t)copy.data;
    bytes[22] = WEIR_BATCH_TRANSACTIONAL;
    weir_store_u32(bytes + 17,
                   weir_crc32c(0, bytes + WEIR_BATCH_CRC_FROM, copy.size - WEIR_BATCH_CRC_FROM));
    weir_shared_unref(batch);
    return copy;
}

/* Of what the coordinator says each version is told what it knows; from 12 on the first batch is what adds the
 * partition. What has a transactional id and is in no transaction is appended as ever. */
START_TEST(a_transaction_is_the_coordinators_to_allow)
{
    static const struct weir_transaction_owner_ops ops = {.add_partitions = add_partitions};
    static const struct {
        int rc;
        int16_t version;
        int16_t error;
    } cases[] = {
        {WEIR_TRANSACTION_ABORTABLE, 10, 48},
        {WEIR_TRANSACTION_ABORTABLE, 11, 120},
        {WEIR_CONCURRENT_TRANSACTIONS, 11, 19},
        {WEIR_CONCURRENT_TRANSACTIONS, 12, 51},
        {WEIR_INVALID_PRODUCER_ID_MAPPING, 12, 49},
        {WEIR_PRODUCER_FENCED, 12, 47},
        {0, 11, 0},
        {0, 12, 0},
    };
    struct owner owner = {0};
    stage.engine.broker->engine.transactions = (struct weir_transaction_owner){&ops, &owner};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        owner.rc = cases[i].rc;
        struct to to[] = {{.topic = "a", .records = transactional_batch(70 + (int64_t)i, 0)}};
        struct call *call = produce(&(struct spec){cases[i].version, -1, "payments", to, 1});
        ck_assert_msg(answer_at(call, 0)->error_code == cases[i].error, "case %zu: %d", i,
                      answer_at(call, 0)->error_code);
        ck_assert_int_eq(owner.was_version_2, cases[i].version >= 12);
    }
    ck_assert_int_eq(end_of("a", 0), 2);
    struct to plain[] = {{.topic = "a", .partition = 1, .records = stage_batch(&stage, "value")}};
    struct call *call = produce(&(struct spec){9, -1, "payments", plain, 1});
    ck_assert_int_eq(answer_at(call, 0)->error_code, 0);
}
END_TEST

/* An idempotent producer's repeat is answered with the first offset, a gap with 45. */
START_TEST(sequences_are_checked)
{
    static const struct {
        int32_t sequence;
        int16_t error;
        int64_t offset;
    } steps[] = {{0, 0, 0}, {1, 0, 1}, {1, 0, 1}, {3, 45, -1}, {2, 0, 2}};
    for (size_t i = 0; i < 5; i++) {
        struct weir_shared *batch =
            engine_producer_batch(&stage.engine, "value", 7, steps[i].sequence);
        struct to to[] = {{.topic = "a", .records = weir_slice(batch->data, batch->size)}};
        struct call *call = produce(&(struct spec){10, -1, NULL, to, 1});
        ck_assert_int_eq(answer_at(call, 0)->error_code, steps[i].error);
        ck_assert_int_eq(answer_at(call, 0)->base_offset, steps[i].offset);
        weir_shared_unref(batch);
    }
}
END_TEST

/* Who may not write is told so, and nothing is written. */
START_TEST(a_forbidden_topic_is_not_written)
{
    struct to to[] = {{.topic = "a", .records = stage_batch(&stage, "value")}};
    stage.forbids = true;
    ck_assert_int_eq(answer_at(produce(&(struct spec){9, -1, NULL, to, 1}), 0)->error_code, 29);
    ck_assert_int_eq(end_of("a", 0), 0);
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

/* Each allocation on the way of a request fails once, those of its arena included: it is answered or its
 * connection ends; what is acknowledged is in the log; and the next one is served. `number` is what it
 * is answered with otherwise. */
static void produce_without_memory(const struct spec *spec, int16_t number)
{
    const char *topic = spec->to[0].topic;
    struct weir_test_failures failures = {0};
    while (weir_test_failures_next(&failures)) {
        int64_t end = end_of(topic, 0);
        stage.failures = &failures;
        struct call *call = produce(spec);
        stage_pass(&stage, 10); /* where no acknowledgement is asked for, the append comes later */
        bool was_hit = weir_test_failures_disarm(&failures);
        stage.failures = NULL;
        bool is_answered = call->outcome == REPLIED;
        bool is_taken = end_of(topic, 0) == end + 1;
        ck_assert(is_taken || end_of(topic, 0) == end);
        if (is_answered && answer_at(call, 0)->error_code == 0) {
            ck_assert(is_taken);
            ck_assert_int_eq(answer_at(call, 0)->base_offset, end);
        }
        if (was_hit) continue;
        ck_assert_int_eq(call->outcome, spec->acks == 0 ? NOTHING : REPLIED);
        ck_assert(is_taken == (number == 0));
        if (is_answered) ck_assert_int_eq(answer_at(call, 0)->error_code, number);
    }
    ck_assert_uint_gt(failures.hits, 3);
}

START_TEST(each_allocation_may_fail)
{
    create_compacted("table");
    struct to plain[] = {{.topic = "a", .records = stage_batch(&stage, "value")}};
    struct to keyless[] = {{.topic = "table", .records = half_keyed(WEIR_CODEC_LZ4)}};
    struct to wrong[] = {{.topic = "a", .records = weir_slice("", 0)}};
    produce_without_memory(&(struct spec){9, -1, NULL, plain, 1}, 0);
    produce_without_memory(&(struct spec){9, 0, NULL, plain, 1}, 0);
    produce_without_memory(&(struct spec){13, -1, NULL, plain, 1}, 0);
    produce_without_memory(&(struct spec){9, -1, NULL, keyless, 1}, WEIR_WIRE_INVALID_RECORD);
    produce_without_memory(&(struct spec){9, -1, NULL, wrong, 1}, WEIR_WIRE_INVALID_RECORD);
}
END_TEST

static void add(Suite *suite)
{
    TCase *appends = tcase_create("appends");
    tcase_add_checked_fixture(appends, set_up, tear_down);
    tcase_add_test(appends, a_batch_is_appended_in_every_version);
    tcase_add_test(appends, a_partition_named_twice_is_appended_twice);
    tcase_add_test(appends, without_acks_there_is_no_answer);
    tcase_add_test(appends, without_acks_a_refused_batch_ends_the_connection);
    suite_add_tcase(suite, appends);

    TCase *refusals = tcase_create("refusals");
    tcase_add_checked_fixture(refusals, set_up, tear_down);
    tcase_add_test(refusals, what_is_wrong_has_its_number);
    tcase_add_test(refusals, records_without_a_key_are_named);
    tcase_add_test(refusals, no_more_records_are_named_than_an_answer_holds);
    tcase_add_test(refusals, a_failed_disk_is_told_without_its_path);
    tcase_add_test(refusals, an_unknown_id_is_echoed);
    tcase_add_test(refusals, a_wrong_request_is_refused_as_a_whole);
    tcase_add_test(refusals, a_transaction_is_the_coordinators_to_allow);
    tcase_add_test(refusals, sequences_are_checked);
    tcase_add_test(refusals, a_forbidden_topic_is_not_written);
    suite_add_tcase(suite, refusals);

    TCase *memory = tcase_create("memory");
    tcase_add_checked_fixture(memory, set_up, tear_down);
    tcase_add_test(memory, each_allocation_may_fail);
    suite_add_tcase(suite, memory);
}

int main(void)
{
    return weir_test_main("produce", add);
}
