/* Topics are created, extended and deleted over the wire, with Kafka's numbers. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/server/server_fixture.h"
#include "wire/error_codes.h"
#include "wire/generated/create_partitions_request.h"
#include "wire/generated/create_partitions_response.h"
#include "wire/generated/create_topics_request.h"
#include "wire/generated/create_topics_response.h"
#include "wire/generated/delete_topics_request.h"
#include "wire/generated/delete_topics_response.h"

static struct server_stage stage;

static void set_up(void)
{
    server_begin(&stage, 5);
}

static void tear_down(void)
{
    server_end(&stage);
}

static int partitions_of(const char *topic)
{
    return engine_describe(&stage.engine, topic);
}

static bool says(struct weir_slice message, const char *part)
{
    return message.data != NULL && memmem(message.data, message.size, part, strlen(part)) != NULL;
}

static bool is_zero(struct weir_uuid id)
{
    static const struct weir_uuid none;
    return memcmp(&id, &none, sizeof id) == 0;
}

/* ---- create ---------------------------------------------------------------------------------- */

#define NEW_TOPIC struct weir_wire_create_topics_request_creatable_topic
#define CONFIG struct weir_wire_create_topics_request_creatable_topic_config
#define ASSIGNMENT struct weir_wire_create_topics_request_creatable_replica_assignment
#define CREATED struct weir_wire_create_topics_response_creatable_topic_result

static struct weir_wire_create_topics_response create(int16_t version, const NEW_TOPIC *topics,
                                                      size_t count, bool validate_only)
{
    struct weir_wire_create_topics_request request;
    struct weir_wire_create_topics_response response;
    weir_wire_create_topics_request_init(&request);
    request.topics = topics;
    request.topics_count = count;
    request.validate_only = validate_only;
    server_call(&stage, &weir_wire_create_topics_request_type, version, &request,
                &weir_wire_create_topics_response_type, &response);
    return response;
}

static NEW_TOPIC new_topic(const char *name, int32_t partitions, int16_t replicas)
{
    return (NEW_TOPIC){
        .name = weir_text(name), .num_partitions = partitions, .replication_factor = replicas};
}

static CREATED create_one(int16_t version, NEW_TOPIC topic)
{
    struct weir_wire_create_topics_response response = create(version, &topic, 1, false);
    ck_assert_uint_eq(response.topics_count, 1);
    ck_assert(weir_slice_equal(response.topics[0].name, topic.name));
    return response.topics[0];
}

/* Every version creates; the newer say more of what was made. */
START_TEST(a_topic_is_created_in_every_version)
{
    for (int16_t version = 2; version <= 7; version++) {
        char name[16];
        (void)snprintf(name, sizeof name, "topic-%d", version);
        const CONFIG config = {weir_text("retention.ms"), weir_text("1000")};
        NEW_TOPIC topic = new_topic(name, 3, 1);
        topic.configs = &config;
        topic.configs_count = 1;
        CREATED created = create_one(version, topic);
        ck_assert_int_eq(created.error_code, 0);
        ck_assert(weir_slice_is_null(created.error_message));
        ck_assert_int_eq(is_zero(created.topic_id), version < 7);
        ck_assert_int_eq(created.num_partitions, version < 5 ? -1 : 3);
        ck_assert_int_eq(created.replication_factor, version < 5 ? -1 : 1);
        ck_assert_int_eq(partitions_of(name), 3);
    }
}
END_TEST

/* -1 asks for the defaults. */
START_TEST(defaults_are_the_brokers)
{
    CREATED created = create_one(7, new_topic("plain", -1, -1));
    ck_assert_int_eq(created.error_code, 0);
    ck_assert_int_eq(created.num_partitions, 1);
    ck_assert_int_eq(created.replication_factor, 1);
    ck_assert_int_eq(partitions_of("plain"), 1);
}
END_TEST

/* Settings come back with where they are from: 1 the topic, 5 the default. */
START_TEST(settings_come_back_with_their_source)
{
    const CONFIG config = {weir_text("retention.ms"), weir_text("1000")};
    NEW_TOPIC topic = new_topic("plain", -1, -1);
    int seen = 0;
    topic.configs = &config;
    topic.configs_count = 1;
    CREATED created = create_one(7, topic);
    ck_assert_uint_gt(created.configs_count, 10);
    for (size_t i = 0; i < created.configs_count; i++) {
        bool is_ours = weir_slice_equal(created.configs[i].name, weir_text("retention.ms"));
        ck_assert_int_eq(created.configs[i].config_source, is_ours ? 1 : 5);
        ck_assert(!created.configs[i].read_only);
        if (!is_ours) continue;
        ck_assert(weir_slice_equal(created.configs[i].value, weir_text("1000")));
        seen++;
    }
    ck_assert_int_eq(seen, 1);
}
END_TEST

struct bad_topic {
    const char *name;
    int32_t partitions;
    int16_t replicas;
    int16_t error_code;
    const char *says;
};

/* Each mistake has its number, its sentence, and creates nothing. */
START_TEST(each_mistake_has_its_number)
{
    static const struct bad_topic bad[] = {
        {"", 1, 1, WEIR_WIRE_INVALID_TOPIC_EXCEPTION, "topic name"},
        {"a/b", 1, 1, WEIR_WIRE_INVALID_TOPIC_EXCEPTION, "a/b"},
        {"..", 1, 1, WEIR_WIRE_INVALID_TOPIC_EXCEPTION, ".."},
        {"__mine", 1, 1, WEIR_WIRE_INVALID_TOPIC_EXCEPTION, "__"},
        {"t", 0, 1, WEIR_WIRE_INVALID_PARTITIONS, "partitions"},
        {"t", -2, 1, WEIR_WIRE_INVALID_PARTITIONS, "partitions"},
        {"t", 10001, 1, WEIR_WIRE_INVALID_PARTITIONS, "10000"},
        {"t", 1, 0, WEIR_WIRE_INVALID_REPLICATION_FACTOR, "one replica"},
        {"t", 1, 3, WEIR_WIRE_INVALID_REPLICATION_FACTOR, "one replica"},
        {"t", 1, -2, WEIR_WIRE_INVALID_REPLICATION_FACTOR, "one replica"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (int16_t version = 2; version <= 7; version += 5) {
            CREATED refused =
                create_one(version, new_topic(bad[i].name, bad[i].partitions, bad[i].replicas));
            ck_assert_int_eq(refused.error_code, bad[i].error_code);
            ck_assert_msg(says(refused.error_message, bad[i].says), "%zu: %.*s", i,
                          (int)refused.error_message.size,
                          (const char *)refused.error_message.data);
            ck_assert_int_eq(refused.num_partitions, -1);
            ck_assert(is_zero(refused.topic_id));
        }
    }
    ck_assert_int_lt(partitions_of("t"), 0);
}
END_TEST

/* A topic that exists is said to, whatever else is wrong with the request; it stays as it is. */
START_TEST(an_existing_topic_is_said_first)
{
    ck_ok(engine_create(&stage.engine, "there", 2), NULL);
    ck_assert_int_eq(create_one(7, new_topic("there", 1, 1)).error_code,
                     WEIR_WIRE_TOPIC_ALREADY_EXISTS);
    ck_assert_int_eq(create_one(7, new_topic("there", 1, 3)).error_code,
                     WEIR_WIRE_TOPIC_ALREADY_EXISTS);
    ck_assert_int_eq(partitions_of("there"), 2);
}
END_TEST

/* Names that differ only by '.' against '_' would be one in metrics: the second is refused and names
 * the first, also within one request; so are the engine's own names before they are there. */
START_TEST(a_name_that_collides_is_refused)
{
    ck_ok(engine_create(&stage.engine, "a.b_c", 2), NULL);
    CREATED refused = create_one(7, new_topic("a_b.c", 1, 1));
    ck_assert_int_eq(refused.error_code, WEIR_WIRE_INVALID_TOPIC_EXCEPTION);
    ck_assert(says(refused.error_message, "a.b_c"));
    ck_assert_int_eq(create_one(7, new_topic("a.b_c", 1, 1)).error_code,
                     WEIR_WIRE_TOPIC_ALREADY_EXISTS);
    ck_assert_int_eq(create_one(7, new_topic("a.b-c", 1, 1)).error_code, 0);
    ck_assert_int_eq(create_one(7, new_topic("..consumer_offsets", 1, 1)).error_code,
                     WEIR_WIRE_INVALID_TOPIC_EXCEPTION);
    const NEW_TOPIC both[] = {new_topic("x.y", 1, 1), new_topic("x_y", 1, 1)};
    struct weir_wire_create_topics_response response = create(7, both, 2, false);
    ck_assert_int_eq(response.topics[0].error_code, 0);
    ck_assert_int_eq(response.topics[1].error_code, WEIR_WIRE_INVALID_TOPIC_EXCEPTION);
    ck_assert_int_lt(partitions_of("a_b.c"), 0);
    ck_assert_int_lt(partitions_of("x_y"), 0);
}
END_TEST

/* A setting that is unknown, wrong, without a value or with a NUL in it refuses the topic. */
START_TEST(bad_settings_refuse_the_topic)
{
    const CONFIG bad[] = {
        {weir_text("retention.mz"), weir_text("1")},
        {weir_text("retention.ms"), weir_text("soon")},
        {weir_text("retention.ms"), weir_null()},
        {weir_text("retention.ms"), weir_slice("1\0", 2)},
        {weir_slice("retention.ms\0x", 14), weir_text("1")},
    };
    static const char *const parts[] = {"did you mean 'retention.ms'", "whole number", "no value",
                                        "NUL", "NUL"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        NEW_TOPIC topic = new_topic("t", 1, 1);
        topic.configs = &bad[i];
        topic.configs_count = 1;
        CREATED refused = create_one(7, topic);
        ck_assert_int_eq(refused.error_code, WEIR_WIRE_INVALID_CONFIG);
        ck_assert(says(refused.error_message, parts[i]));
    }
    ck_assert_int_lt(partitions_of("t"), 0);
}
END_TEST

static const int32_t here[] = {0};
static const int32_t elsewhere[] = {1};
static const int32_t twice[] = {0, 0};

static CREATED create_assigned(const ASSIGNMENT *assignments, size_t count, int32_t partitions)
{
    NEW_TOPIC topic = new_topic("assigned", partitions, -1);
    topic.assignments = assignments;
    topic.assignments_count = count;
    return create_one(7, topic);
}

/* Partitions may be assigned one by one, in any order, if all are and to this broker. */
START_TEST(assignments_to_this_broker_are_taken)
{
    const ASSIGNMENT good[] = {{2, here, 1}, {0, here, 1}, {1, here, 1}};
    const ASSIGNMENT gap[] = {{0, here, 1}, {2, here, 1}};
    const ASSIGNMENT again[] = {{0, here, 1}, {0, here, 1}};
    const ASSIGNMENT negative[] = {{-1, here, 1}};
    const ASSIGNMENT other[] = {{0, elsewhere, 1}};
    const ASSIGNMENT doubled[] = {{0, twice, 2}};
    const ASSIGNMENT nowhere[] = {{0, NULL, 0}};
    int16_t refused = WEIR_WIRE_INVALID_REPLICA_ASSIGNMENT;
    ck_assert_int_eq(create_assigned(gap, 2, -1).error_code, refused);
    ck_assert_int_eq(create_assigned(again, 2, -1).error_code, refused);
    ck_assert_int_eq(create_assigned(negative, 1, -1).error_code, refused);
    ck_assert_int_eq(create_assigned(other, 1, -1).error_code, refused);
    ck_assert_int_eq(create_assigned(doubled, 1, -1).error_code, refused);
    ck_assert_int_eq(create_assigned(nowhere, 1, -1).error_code, refused);
    ck_assert_int_eq(create_assigned(good, 3, 3).error_code, WEIR_WIRE_INVALID_REQUEST);
    ck_assert_int_lt(partitions_of("assigned"), 0);
    ck_assert_int_eq(create_assigned(good, 3, -1).num_partitions, 3);
    ck_assert_int_eq(partitions_of("assigned"), 3);
}
END_TEST

/* A topic named twice is refused in one row; the others of the request are made. */
START_TEST(a_topic_named_twice_is_refused_once)
{
    const NEW_TOPIC topics[] = {new_topic("twice", 1, 1), new_topic("once", 1, 1),
                                new_topic("twice", 2, 1), new_topic("twice", 3, 1)};
    struct weir_wire_create_topics_response response = create(7, topics, 4, false);
    ck_assert_uint_eq(response.topics_count, 2);
    ck_assert_int_eq(response.topics[0].error_code, WEIR_WIRE_INVALID_REQUEST);
    ck_assert_int_eq(response.topics[1].error_code, 0);
    ck_assert_int_lt(partitions_of("twice"), 0);
    ck_assert_int_eq(partitions_of("once"), 1);
}
END_TEST

/* A request that only validates says what would be, and makes nothing. */
START_TEST(validation_creates_nothing)
{
    const NEW_TOPIC topics[] = {new_topic("fine", 3, 1), new_topic("bad", 1, 2)};
    for (int16_t version = 2; version <= 7; version++) {
        struct weir_wire_create_topics_response response = create(version, topics, 2, true);
        ck_assert_int_eq(response.topics[0].error_code, 0);
        ck_assert_int_eq(response.topics[1].error_code, WEIR_WIRE_INVALID_REPLICATION_FACTOR);
        ck_assert_int_eq(response.topics[0].num_partitions, version < 5 ? -1 : 3);
        ck_assert(is_zero(response.topics[0].topic_id));
    }
    ck_assert_int_lt(partitions_of("fine"), 0);
}
END_TEST

/* A thousand topics are made by one request, in order, through a window of a few at a time. */
START_TEST(a_thousand_topics_are_created_at_once)
{
    enum { MANY = 1000 };
    static char names[MANY][16];
    static NEW_TOPIC topics[MANY];
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof names[i], "topic-%03zu", i);
        topics[i] = new_topic(names[i], 1, 1);
    }
    struct weir_wire_create_topics_response response = create(7, topics, MANY, false);
    ck_assert_uint_eq(response.topics_count, MANY);
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(response.topics[i].error_code, 0);
        ck_assert(weir_slice_equal(response.topics[i].name, weir_text(names[i])));
    }
    ck_assert_int_eq(partitions_of("topic-999"), 1);
}
END_TEST

/* More topics than one request may name are refused, each of them. */
START_TEST(too_many_topics_are_refused)
{
    enum { TOO_MANY = 10001 };
    static char names[TOO_MANY][8];
    static NEW_TOPIC topics[TOO_MANY];
    for (size_t i = 0; i < TOO_MANY; i++) {
        (void)snprintf(names[i], sizeof names[i], "%zu", i);
        topics[i] = new_topic(names[i], 1, 1);
    }
    struct weir_wire_create_topics_response response = create(7, topics, TOO_MANY, false);
    ck_assert_uint_eq(response.topics_count, TOO_MANY);
    ck_assert_int_eq(response.topics[0].error_code, WEIR_WIRE_INVALID_REQUEST);
    ck_assert(says(response.topics[TOO_MANY - 1].error_message, "10000"));
    ck_assert_int_lt(partitions_of("0"), 0);
}
END_TEST

/* Each allocation in turn fails: the client is answered or cut off, a topic is there whole or not at
 * all, and the next request is served. */
START_TEST(without_memory_a_topic_is_whole_or_not_there)
{
    struct weir_heap *heap = stage.engine.env->heap;
    const CONFIG config = {weir_text("retention.ms"), weir_text("1000")};
    for (uint64_t n = 1;; n++) {
        struct weir_wire_create_topics_request request;
        char name[16];
        (void)snprintf(name, sizeof name, "topic-%d", (int)n);
        NEW_TOPIC topic = new_topic(name, 2, 1);
        topic.configs = &config;
        topic.configs_count = 1;
        ck_assert_uint_lt(n, 1000);
        weir_wire_create_topics_request_init(&request);
        request.topics = &topic;
        request.topics_count = 1;
        heap->fail_at = n;
        (void)server_send(&stage, &weir_wire_create_topics_request_type, 7, &request);
        bool is_answered = raw_frame(&stage.client).data != NULL;
        bool was_hit = heap->fail_at == 0;
        heap->fail_at = 0;
        if (!is_answered) {
            raw_close(&stage.client);
            raw_open(&stage.client, weir_sim_node(stage.engine.sim, 1),
                     weir_server_address(stage.server));
        }
        int partitions = partitions_of(name);
        ck_assert(partitions == 2 || partitions == WEIR_UNKNOWN_TOPIC_OR_PARTITION);
        (void)snprintf(name, sizeof name, "after-%d", (int)n);
        ck_assert_int_eq(create_one(7, new_topic(name, 1, 1)).error_code, 0);
        if (!was_hit) break;
    }
}
END_TEST

/* ---- delete ---------------------------------------------------------------------------------- */

#define DELETED struct weir_wire_delete_topics_response_deletable_topic_result
#define TOPIC_STATE struct weir_wire_delete_topics_request_delete_topic_state

static struct weir_wire_delete_topics_response delete_states(const TOPIC_STATE *topics,
                                                             size_t count)
{
    struct weir_wire_delete_topics_request request;
    struct weir_wire_delete_topics_response response;
    weir_wire_delete_topics_request_init(&request);
    request.topics = topics;
    request.topics_count = count;
    server_call(&stage, &weir_wire_delete_topics_request_type, 6, &request,
                &weir_wire_delete_topics_response_type, &response);
    ck_assert_uint_eq(response.responses_count, count);
    return response;
}

static DELETED delete_name(int16_t version, const char *name)
{
    const struct weir_slice names[] = {weir_text(name)};
    const TOPIC_STATE state = {.name = weir_text(name)};
    struct weir_wire_delete_topics_request request;
    struct weir_wire_delete_topics_response response;
    if (version >= 6) return delete_states(&state, 1).responses[0];
    weir_wire_delete_topics_request_init(&request);
    request.topic_names = names;
    request.topic_names_count = 1;
    server_call(&stage, &weir_wire_delete_topics_request_type, version, &request,
                &weir_wire_delete_topics_response_type, &response);
    ck_assert_uint_eq(response.responses_count, 1);
    return response.responses[0];
}

/* Every version deletes by name; unknown and bad names have their numbers, the newer a sentence. */
START_TEST(a_topic_is_deleted_in_every_version)
{
    for (int16_t version = 1; version <= 6; version++) {
        ck_ok(engine_create(&stage.engine, "old", 2), NULL);
        DELETED deleted = delete_name(version, "old");
        ck_assert_int_eq(deleted.error_code, 0);
        ck_assert(weir_slice_equal(deleted.name, weir_text("old")));
        ck_assert_int_eq(is_zero(deleted.topic_id), version < 6);
        ck_assert_int_eq(partitions_of("old"), WEIR_UNKNOWN_TOPIC_OR_PARTITION);

        DELETED unknown = delete_name(version, "old");
        ck_assert_int_eq(unknown.error_code, WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
        ck_assert_int_eq(weir_slice_is_null(unknown.error_message), version < 5);
        ck_assert(weir_slice_equal(unknown.name, weir_text("old")));
        ck_assert_int_eq(delete_name(version, "a/b").error_code, WEIR_WIRE_INVALID_TOPIC_EXCEPTION);
    }
}
END_TEST

/* Two clients delete it at once: by name one of them finds no such topic, and hears of no id. */
START_TEST(a_topic_that_another_deletes_meanwhile_is_unknown_by_name)
{
    static struct raw_client other;
    const struct weir_message_type *type = &weir_wire_delete_topics_request_type;
    const struct weir_message_type *answer = &weir_wire_delete_topics_response_type;
    const TOPIC_STATE state = {.name = weir_text("orders")};
    struct weir_wire_delete_topics_request request;
    struct weir_wire_delete_topics_response first;
    struct weir_wire_delete_topics_response second;
    struct weir_buffer bytes;
    raw_open(&other, weir_sim_node(stage.engine.sim, 1), weir_server_address(stage.server));
    weir_wire_delete_topics_request_init(&request);
    request.topics = &state;
    request.topics_count = 1;
    weir_buffer_init(&bytes, &stage.budget, 0);
    server_encode(&bytes, type, 6, 77, &request);
    ck_ok(engine_create(&stage.engine, "orders", 1), NULL);
    raw_send(&other, bytes.data, bytes.size);
    int32_t correlation_id = server_send(&stage, type, 6, &request);
    server_receive(&stage, answer, 6, correlation_id, &second);
    server_decode(&stage, answer, 6, raw_frame(&other), 77, &first);
    raw_close(&other);
    weir_buffer_close(&bytes);
    bool is_first = first.responses[0].error_code == 0;
    DELETED unknown = (is_first ? second : first).responses[0];
    ck_assert_int_eq((is_first ? first : second).responses[0].error_code, 0);
    ck_assert_int_eq(unknown.error_code, WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert(weir_slice_equal(unknown.name, weir_text("orders")));
    ck_assert(!says(unknown.error_message, "id"));
}
END_TEST

/* An id deletes its topic, and says its name; an unknown one deletes nothing. */
START_TEST(a_topic_is_deleted_by_id)
{
    struct weir_uuid id = create_one(7, new_topic("orders", 1, 1)).topic_id;
    const TOPIC_STATE by_id = {.name = weir_null(), .topic_id = id};
    ck_ok(engine_create(&stage.engine, "clicks", 1), NULL);
    DELETED deleted = delete_states(&by_id, 1).responses[0];
    ck_assert_int_eq(deleted.error_code, 0);
    ck_assert(weir_slice_equal(deleted.name, weir_text("orders")));
    DELETED unknown = delete_states(&by_id, 1).responses[0];
    ck_assert_int_eq(unknown.error_code, WEIR_WIRE_UNKNOWN_TOPIC_ID);
    ck_assert(weir_slice_is_null(unknown.name));
    ck_assert_mem_eq(&unknown.topic_id, &id, sizeof id);
    ck_assert_int_eq(partitions_of("clicks"), 1);
}
END_TEST

/* A topic must be named in one way, once; and the engine's own stay. */
START_TEST(unclear_deletions_are_refused)
{
    struct weir_uuid id = create_one(7, new_topic("orders", 1, 1)).topic_id;
    const TOPIC_STATE states[] = {{.name = weir_text("orders"), .topic_id = id},
                                  {.name = weir_null()},
                                  {.name = weir_text("clicks")}};
    ck_ok(engine_create(&stage.engine, "clicks", 1), NULL);
    struct weir_wire_delete_topics_response response = delete_states(states, 3);
    ck_assert_int_eq(response.responses[0].error_code, WEIR_WIRE_INVALID_REQUEST);
    ck_assert_int_eq(response.responses[1].error_code, WEIR_WIRE_INVALID_REQUEST);
    ck_assert_int_eq(response.responses[2].error_code, 0);
    ck_assert_int_eq(partitions_of("orders"), 1);

    engine_commit(&stage.engine, "group", "orders", 0, 1);
    ck_assert_int_eq(delete_name(6, "__consumer_offsets").error_code,
                     WEIR_WIRE_INVALID_TOPIC_EXCEPTION);
}
END_TEST

/* Topics named twice are refused in one row and stay. */
START_TEST(a_topic_is_deleted_once)
{
    const struct weir_slice names[] = {weir_text("orders"), weir_text("orders")};
    struct weir_wire_delete_topics_request request;
    struct weir_wire_delete_topics_response response;
    ck_ok(engine_create(&stage.engine, "orders", 1), NULL);
    weir_wire_delete_topics_request_init(&request);
    request.topic_names = names;
    request.topic_names_count = 2;
    server_call(&stage, &weir_wire_delete_topics_request_type, 1, &request,
                &weir_wire_delete_topics_response_type, &response);
    ck_assert_uint_eq(response.responses_count, 1);
    ck_assert_int_eq(response.responses[0].error_code, WEIR_WIRE_INVALID_REQUEST);
    ck_assert_int_eq(partitions_of("orders"), 1);
}
END_TEST

/* ---- partitions ------------------------------------------------------------------------------ */

#define GROWTH struct weir_wire_create_partitions_request_create_partitions_topic
#define PLACE struct weir_wire_create_partitions_request_create_partitions_assignment
#define GROWN struct weir_wire_create_partitions_response_create_partitions_topic_result

static struct weir_wire_create_partitions_response grow(int16_t version, const GROWTH *topics,
                                                        size_t count, bool validate_only)
{
    struct weir_wire_create_partitions_request request;
    struct weir_wire_create_partitions_response response;
    weir_wire_create_partitions_request_init(&request);
    request.topics = topics;
    request.topics_count = count;
    request.validate_only = validate_only;
    server_call(&stage, &weir_wire_create_partitions_request_type, version, &request,
                &weir_wire_create_partitions_response_type, &response);
    return response;
}

static GROWN grow_one(int16_t version, GROWTH topic)
{
    struct weir_wire_create_partitions_response response = grow(version, &topic, 1, false);
    ck_assert_uint_eq(response.results_count, 1);
    ck_assert(weir_slice_equal(response.results[0].name, topic.name));
    return response.results[0];
}

/* Partitions are added in every version; only validated, they are not. */
START_TEST(partitions_are_added_in_every_version)
{
    ck_ok(engine_create(&stage.engine, "orders", 1), NULL);
    for (int16_t version = 0; version <= 3; version++) {
        const GROWTH topic = {.name = weir_text("orders"), .count = 2 + version};
        ck_assert_int_eq(grow(version, &topic, 1, true).results[0].error_code, 0);
        ck_assert_int_eq(partitions_of("orders"), 1 + version);
        ck_assert_int_eq(grow_one(version, topic).error_code, 0);
        ck_assert_int_eq(partitions_of("orders"), 2 + version);
    }
}
END_TEST

/* The same number, fewer, too many, none, of a topic that is not there: each its number. */
START_TEST(what_is_no_increase_is_refused)
{
    ck_ok(engine_create(&stage.engine, "orders", 3), NULL);
    static const int32_t counts[] = {3, 2, 0, -1, 10001};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        GROWN refused = grow_one(3, (GROWTH){.name = weir_text("orders"), .count = counts[i]});
        ck_assert_int_eq(refused.error_code, WEIR_WIRE_INVALID_PARTITIONS);
        ck_assert(refused.error_message.size > 0);
    }
    ck_assert_int_eq(grow_one(0, (GROWTH){.name = weir_text("nil"), .count = 2}).error_code,
                     WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(grow_one(0, (GROWTH){.name = weir_text("a/b"), .count = 2}).error_code,
                     WEIR_WIRE_INVALID_TOPIC_EXCEPTION);
    ck_assert_int_eq(partitions_of("orders"), 3);
}
END_TEST

/* New partitions may be assigned, all of them, to this broker. */
START_TEST(added_partitions_may_be_assigned)
{
    const PLACE good[] = {{here, 1}, {here, 1}};
    const PLACE other[] = {{here, 1}, {elsewhere, 1}};
    GROWTH topic = {.name = weir_text("orders"), .count = 3, .assignments = good};
    ck_ok(engine_create(&stage.engine, "orders", 1), NULL);
    topic.assignments_count = 1;
    ck_assert_int_eq(grow_one(3, topic).error_code, WEIR_WIRE_INVALID_REPLICA_ASSIGNMENT);
    topic.assignments = other;
    topic.assignments_count = 2;
    ck_assert_int_eq(grow_one(3, topic).error_code, WEIR_WIRE_INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(partitions_of("orders"), 1);
    topic.assignments = good;
    ck_assert_int_eq(grow_one(3, topic).error_code, 0);
    ck_assert_int_eq(partitions_of("orders"), 3);
}
END_TEST

/* A topic named twice grows not at all; another of the request does. */
START_TEST(a_topic_grows_once_per_request)
{
    const GROWTH topics[] = {{.name = weir_text("orders"), .count = 2},
                             {.name = weir_text("clicks"), .count = 2},
                             {.name = weir_text("orders"), .count = 3}};
    ck_ok(engine_create(&stage.engine, "orders", 1), NULL);
    ck_ok(engine_create(&stage.engine, "clicks", 1), NULL);
    struct weir_wire_create_partitions_response response = grow(3, topics, 3, false);
    ck_assert_uint_eq(response.results_count, 2);
    ck_assert_int_eq(response.results[0].error_code, WEIR_WIRE_INVALID_REQUEST);
    ck_assert_int_eq(response.results[1].error_code, 0);
    ck_assert_int_eq(partitions_of("orders"), 1);
    ck_assert_int_eq(partitions_of("clicks"), 2);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("topics");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_topic_is_created_in_every_version);
    tcase_add_test(tests, defaults_are_the_brokers);
    tcase_add_test(tests, settings_come_back_with_their_source);
    tcase_add_test(tests, each_mistake_has_its_number);
    tcase_add_test(tests, an_existing_topic_is_said_first);
    tcase_add_test(tests, a_name_that_collides_is_refused);
    tcase_add_test(tests, bad_settings_refuse_the_topic);
    tcase_add_test(tests, assignments_to_this_broker_are_taken);
    tcase_add_test(tests, a_topic_named_twice_is_refused_once);
    tcase_add_test(tests, validation_creates_nothing);
    tcase_add_test(tests, a_thousand_topics_are_created_at_once);
    tcase_add_test(tests, too_many_topics_are_refused);
    tcase_add_test(tests, without_memory_a_topic_is_whole_or_not_there);
    tcase_add_test(tests, a_topic_is_deleted_in_every_version);
    tcase_add_test(tests, a_topic_that_another_deletes_meanwhile_is_unknown_by_name);
    tcase_add_test(tests, a_topic_is_deleted_by_id);
    tcase_add_test(tests, unclear_deletions_are_refused);
    tcase_add_test(tests, a_topic_is_deleted_once);
    tcase_add_test(tests, partitions_are_added_in_every_version);
    tcase_add_test(tests, what_is_no_increase_is_refused);
    tcase_add_test(tests, added_partitions_may_be_assigned);
    tcase_add_test(tests, a_topic_grows_once_per_request);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("server/handlers/topics", add);
}
