#include <stdio.h>
#include <string.h>

#include "tests/unit/server/server_fixture.h"
#include "wire/error_codes.h"
#include "wire/generated/metadata_request.h"
#include "wire/generated/metadata_response.h"

enum { OLDEST = 0, IDS_SHOWN_FROM = 10, IDS_FROM = 12, NEWEST = 13 };

static struct server_stage stage;

static void set_up(void)
{
    server_init(&stage, 3);
}

static void open_server(void)
{
    server_open(&stage);
    ck_ok(engine_create(&stage.engine, "orders", 3), NULL);
    ck_ok(engine_create(&stage.engine, "clicks", 1), NULL);
}

static void tear_down(void)
{
    server_end(&stage);
}

static struct weir_wire_metadata_response
ask(int16_t version, const struct weir_wire_metadata_request_metadata_request_topic *topics,
    size_t count, bool creates)
{
    struct weir_wire_metadata_request request;
    struct weir_wire_metadata_response response;
    weir_wire_metadata_request_init(&request);
    request.topics = topics;
    request.topics_count = count;
    request.allow_auto_topic_creation = creates || version < 4;
    server_call(&stage, &weir_wire_metadata_request_type, version, &request,
                &weir_wire_metadata_response_type, &response);
    return response;
}

static struct weir_wire_metadata_response ask_name(int16_t version, const char *name, bool creates)
{
    const struct weir_wire_metadata_request_metadata_request_topic topic = {.name =
                                                                                weir_text(name)};
    struct weir_wire_metadata_response response = ask(version, &topic, 1, creates);
    ck_assert_uint_eq(response.topics_count, 1);
    return response;
}

static void check_name(const struct weir_wire_metadata_response_metadata_response_topic *topic,
                       const char *name)
{
    ck_assert_msg(weir_slice_equal(topic->name, weir_text(name)), "'%.*s', not '%s'",
                  (int)topic->name.size, (const char *)topic->name.data, name);
}

static bool is_zero(struct weir_uuid id)
{
    static const struct weir_uuid none;
    return memcmp(&id, &none, sizeof id) == 0;
}

/* ---- which topics ---------------------------------------------------------------------------- */

/* All topics, in order of name, are what version 0 means by an empty list and the others by null. */
START_TEST(all_topics_are_asked_for_as_the_version_does)
{
    open_server();
    for (int16_t version = OLDEST; version <= NEWEST; version++) {
        const struct weir_wire_metadata_request_metadata_request_topic *all =
            version == 0 ? weir_no_elements() : NULL;
        struct weir_wire_metadata_response response = ask(version, all, 0, true);
        ck_assert_uint_eq(response.topics_count, 2);
        check_name(&response.topics[0], "clicks");
        check_name(&response.topics[1], "orders");
        ck_assert_uint_eq(response.topics[1].partitions_count, 3);
        ck_assert_int_eq(is_zero(response.topics[0].topic_id), version < IDS_SHOWN_FROM);
    }
}
END_TEST

/* librdkafka's way to ask for all topics leaves three bytes behind the request; Kafka lets them be. */
START_TEST(bytes_behind_a_request_are_let_be)
{
    static const uint8_t asked[] = {0,   0,   0,   25,  0,   3,   0, 13, 0, 0, 0, 3, 0, 7, 'r',
                                    'd', 'k', 'a', 'f', 'k', 'a', 0, 0,  0, 0, 0, 1, 0, 0};
    struct weir_wire_metadata_response response;
    open_server();
    raw_send(&stage.client, asked, sizeof asked);
    server_receive(&stage, &weir_wire_metadata_response_type, NEWEST, 3, &response);
    ck_assert_uint_eq(response.topics_count, 2);
    ck_assert_uint_eq(ask(NEWEST, NULL, 0, true).topics_count, 2);
}
END_TEST

/* From version 1 on an empty list asks for no topic: the brokers only. */
START_TEST(an_empty_list_shows_the_brokers_only)
{
    open_server();
    for (int16_t version = 1; version <= NEWEST; version++) {
        struct weir_wire_metadata_response response = ask(version, weir_no_elements(), 0, true);
        ck_assert_uint_eq(response.topics_count, 0);
        ck_assert_uint_eq(response.brokers_count, 1);
    }
}
END_TEST

/* The one broker leads everything and is controller; its address is the one the client came by. */
START_TEST(one_broker_leads_everything)
{
    open_server();
    for (int16_t version = OLDEST; version <= NEWEST; version++) {
        struct weir_wire_metadata_response response = ask_name(version, "orders", false);
        ck_assert_int_eq(response.brokers[0].node_id, 0);
        ck_assert_int_eq(response.brokers[0].port, 9092);
        ck_assert(weir_slice_equal(response.brokers[0].host, weir_text("node-0")));
        ck_assert(weir_slice_is_null(response.brokers[0].rack));
        if (version >= 1) ck_assert_int_eq(response.controller_id, 0);
        if (version >= 2) {
            const char *id = weir_broker_cluster_id(stage.engine.broker);
            ck_assert(weir_slice_equal(response.cluster_id, weir_text(id)));
        }
        for (size_t i = 0; i < 3; i++) {
            const struct weir_wire_metadata_response_metadata_response_partition *partition =
                &response.topics[0].partitions[i];
            ck_assert_int_eq(partition->error_code, 0);
            ck_assert_int_eq(partition->partition_index, (int32_t)i);
            ck_assert_int_eq(partition->leader_id, 0);
            ck_assert_uint_eq(partition->replica_nodes_count, 1);
            ck_assert_uint_eq(partition->isr_nodes_count, 1);
            ck_assert_int_eq(partition->isr_nodes[0], 0);
            ck_assert_uint_eq(partition->offline_replicas_count, 0);
            ck_assert_int_eq(partition->leader_epoch, version >= 7 ? 0 : -1);
        }
    }
}
END_TEST

/* After an unclean stop the leader epoch that is shown has risen, for clients to notice. */
START_TEST(leader_epochs_rise_over_a_crash)
{
    open_server();
    weir_server_close(stage.server);
    raw_close(&stage.client);
    engine_crash(&stage.engine, WEIR_SIM_KILL);
    server_open(&stage);
    struct weir_wire_metadata_response response = ask_name(NEWEST, "orders", false);
    ck_assert_int_eq(response.topics[0].partitions[2].leader_epoch, 1);
}
END_TEST

/* Topics are answered in the order they were asked, each with an error of its own. */
START_TEST(each_topic_has_its_own_error)
{
    const struct weir_wire_metadata_request_metadata_request_topic topics[] = {
        {.name = weir_text("missing")},
        {.name = weir_text("orders")},
        {.name = weir_text("no/slashes")},
        {.name = weir_text("clicks")},
    };
    open_server();
    for (int16_t version = 4; version <= NEWEST; version++) {
        struct weir_wire_metadata_response response = ask(version, topics, 4, false);
        ck_assert_uint_eq(response.topics_count, 4);
        ck_assert_int_eq(response.topics[0].error_code, WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
        ck_assert_int_eq(response.topics[1].error_code, 0);
        ck_assert_int_eq(response.topics[2].error_code, WEIR_WIRE_INVALID_TOPIC_EXCEPTION);
        ck_assert_int_eq(response.topics[3].error_code, 0);
        check_name(&response.topics[0], "missing");
        check_name(&response.topics[2], "no/slashes");
        ck_assert_uint_eq(response.topics[0].partitions_count, 0);
    }
    ck_assert_int_lt(engine_describe(&stage.engine, "missing"), 0);
}
END_TEST

/* From version 12 on a topic is found by its id, which comes before a name; an unknown one is said
 * again, without a name. */
START_TEST(topics_are_found_by_id)
{
    open_server();
    for (int16_t version = IDS_FROM; version <= NEWEST; version++) {
        struct weir_uuid id = ask_name(version, "orders", false).topics[0].topic_id;
        struct weir_uuid other = {{1, 2, 3}};
        const struct weir_wire_metadata_request_metadata_request_topic topics[] = {
            {.topic_id = id, .name = weir_null()},
            {.topic_id = other, .name = weir_null()},
            {.topic_id = id, .name = weir_text("clicks")}};
        struct weir_wire_metadata_response response = ask(version, topics, 3, true);
        check_name(&response.topics[0], "orders");
        check_name(&response.topics[2], "orders");
        ck_assert_int_eq(response.topics[1].error_code, WEIR_WIRE_UNKNOWN_TOPIC_ID);
        ck_assert(weir_slice_is_null(response.topics[1].name));
        ck_assert_mem_eq(&response.topics[1].topic_id, &other, sizeof other);
    }
}
END_TEST

/* Versions 10 and 11 have a field for ids and no way to ask by them. */
START_TEST(ids_are_refused_before_their_time)
{
    open_server();
    struct weir_uuid id = ask_name(NEWEST, "orders", false).topics[0].topic_id;
    for (int16_t version = IDS_SHOWN_FROM; version < IDS_FROM; version++) {
        const struct weir_wire_metadata_request_metadata_request_topic by_id = {
            .topic_id = id, .name = weir_text("orders")};
        const struct weir_wire_metadata_request_metadata_request_topic nameless = {.name =
                                                                                       weir_null()};
        struct weir_wire_metadata_response response = ask(version, &by_id, 1, false);
        ck_assert_int_eq(response.topics[0].error_code, WEIR_WIRE_INVALID_REQUEST);
        response = ask(version, &nameless, 1, false);
        ck_assert_int_eq(response.topics[0].error_code, WEIR_WIRE_INVALID_REQUEST);
    }
}
END_TEST

/* ---- topics made by being asked for ---------------------------------------------------------- */

/* A missing topic is made if client and broker both allow it, and is there in the same answer. */
START_TEST(a_missing_topic_is_made_if_both_sides_allow_it)
{
    stage.engine.options.auto_create_topics = true;
    stage.engine.options.num_partitions = 4;
    open_server();
    ck_assert_int_eq(ask_name(NEWEST, "new", false).topics[0].error_code,
                     WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_lt(engine_describe(&stage.engine, "new"), 0);
    struct weir_wire_metadata_response response = ask_name(NEWEST, "new", true);
    ck_assert_int_eq(response.topics[0].error_code, 0);
    ck_assert_uint_eq(response.topics[0].partitions_count, 4);
    ck_assert(!is_zero(response.topics[0].topic_id));
    check_name(&response.topics[0], "new");
    ck_assert_int_eq(engine_describe(&stage.engine, "new"), 4);
}
END_TEST

/* Before version 4 a client cannot say no; a broker can. */
START_TEST(old_versions_make_topics_as_the_broker_likes)
{
    open_server();
    ck_assert_int_eq(ask_name(1, "new", true).topics[0].error_code,
                     WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_lt(engine_describe(&stage.engine, "new"), 0);
}
END_TEST

/* Only what is missing is made, twice the same once, and not what is the engine's own or has a name
 * that cannot be. */
START_TEST(only_what_may_exist_is_made)
{
    const struct weir_wire_metadata_request_metadata_request_topic topics[] = {
        {.name = weir_text("b")},          {.name = weir_text("orders")},
        {.name = weir_text("__internal")}, {.name = weir_text("bad name")},
        {.name = weir_text("a")},          {.name = weir_text("b")},
    };
    stage.engine.options.auto_create_topics = true;
    open_server();
    struct weir_wire_metadata_response response = ask(0, topics, 6, true);
    ck_assert_int_eq(response.topics[0].error_code, 0);
    ck_assert_uint_eq(response.topics[1].partitions_count, 3);
    ck_assert_int_eq(response.topics[2].error_code, WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(response.topics[3].error_code, WEIR_WIRE_INVALID_TOPIC_EXCEPTION);
    ck_assert_int_eq(response.topics[4].error_code, 0);
    ck_assert_int_eq(response.topics[5].error_code, 0);
    ck_assert_uint_eq(ask(1, NULL, 0, true).topics_count, 4);
}
END_TEST

/* A topic asked for by id is never made. */
START_TEST(an_unknown_id_makes_nothing)
{
    const struct weir_wire_metadata_request_metadata_request_topic topic = {
        .topic_id = {{7}}, .name = weir_text("named-too")};
    stage.engine.options.auto_create_topics = true;
    open_server();
    ck_assert_int_eq(ask(NEWEST, &topic, 1, true).topics[0].error_code, WEIR_WIRE_UNKNOWN_TOPIC_ID);
    ck_assert_uint_eq(ask(NEWEST, NULL, 0, true).topics_count, 2);
}
END_TEST

/* When a topic cannot be made, the answer says why. */
START_TEST(a_failed_creation_is_said)
{
    stage.engine.options.auto_create_topics = true;
    stage.engine.options.num_partitions = 20000;
    open_server();
    ck_assert_int_eq(ask_name(NEWEST, "new", true).topics[0].error_code,
                     WEIR_WIRE_INVALID_PARTITIONS);
    ck_assert_int_lt(engine_describe(&stage.engine, "new"), 0);
}
END_TEST

/* ---- what the client may do ------------------------------------------------------------------ */

/* Permitted operations are shown to who asks, as bits; to others INT32_MIN. */
START_TEST(operations_are_shown_to_who_asks)
{
    const struct weir_wire_metadata_request_metadata_request_topic topic = {
        .name = weir_text("orders")};
    open_server();
    for (int16_t version = 8; version <= NEWEST; version++) {
        struct weir_wire_metadata_request request;
        struct weir_wire_metadata_response response = ask_name(version, "orders", false);
        ck_assert_int_eq(response.topics[0].topic_authorized_operations, INT32_MIN);
        ck_assert_int_eq(response.cluster_authorized_operations, INT32_MIN);
        weir_wire_metadata_request_init(&request);
        request.topics = &topic;
        request.topics_count = 1;
        request.include_topic_authorized_operations = true;
        request.include_cluster_authorized_operations = version <= 10;
        server_call(&stage, &weir_wire_metadata_request_type, version, &request,
                    &weir_wire_metadata_response_type, &response);
        ck_assert_int_eq(response.topics[0].topic_authorized_operations, 0xdf8);
        ck_assert_int_eq(response.cluster_authorized_operations,
                         version <= 10 ? 0x1fa0 : INT32_MIN);
    }
}
END_TEST

/* ---- much and little ------------------------------------------------------------------------- */

/* A thousand topics fit into one answer, made and shown by one request. */
START_TEST(a_thousand_topics_in_one_answer)
{
    enum { MANY = 1000 };
    static char names[MANY][16];
    static struct weir_wire_metadata_request_metadata_request_topic topics[MANY];
    stage.engine.options.auto_create_topics = true;
    stage.engine.options.num_partitions = 2;
    open_server();
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof names[i], "topic-%03zu", i);
        topics[i] =
            (struct weir_wire_metadata_request_metadata_request_topic){.name = weir_text(names[i])};
    }
    struct weir_wire_metadata_response response = ask(NEWEST, topics, MANY, true);
    ck_assert_uint_eq(response.topics_count, MANY);
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(response.topics[i].error_code, 0);
        ck_assert_uint_eq(response.topics[i].partitions_count, 2);
        check_name(&response.topics[i], names[i]);
    }
    ck_assert_uint_eq(ask(NEWEST, NULL, 0, false).topics_count, MANY + 2);
}
END_TEST

/* Each allocation in turn fails: the client is answered or cut off, and the next one is served. */
START_TEST(without_memory_the_next_client_is_served)
{
    const struct weir_wire_metadata_request_metadata_request_topic topic = {
        .name = weir_text("orders")};
    struct weir_wire_metadata_request request;
    struct weir_heap *heap;
    int cut_off = 0;
    open_server();
    heap = stage.engine.env->heap;
    weir_wire_metadata_request_init(&request);
    request.topics = &topic;
    request.topics_count = 1;
    for (uint64_t n = 1;; n++) {
        ck_assert_uint_lt(n, 1000);
        heap->fail_at = n;
        (void)server_send(&stage, &weir_wire_metadata_request_type, NEWEST, &request);
        bool is_answered = raw_frame(&stage.client).data != NULL;
        bool was_hit = heap->fail_at == 0;
        heap->fail_at = 0;
        if (!is_answered) {
            cut_off++;
            raw_close(&stage.client);
            raw_open(&stage.client, weir_sim_node(stage.engine.sim, 1),
                     weir_server_address(stage.server));
        }
        ck_assert_int_eq(ask_name(NEWEST, "orders", false).topics[0].error_code, 0);
        if (!was_hit) break;
    }
    ck_assert_int_gt(cut_off, 0);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("metadata");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, all_topics_are_asked_for_as_the_version_does);
    tcase_add_test(tests, bytes_behind_a_request_are_let_be);
    tcase_add_test(tests, an_empty_list_shows_the_brokers_only);
    tcase_add_test(tests, one_broker_leads_everything);
    tcase_add_test(tests, leader_epochs_rise_over_a_crash);
    tcase_add_test(tests, each_topic_has_its_own_error);
    tcase_add_test(tests, topics_are_found_by_id);
    tcase_add_test(tests, ids_are_refused_before_their_time);
    tcase_add_test(tests, a_missing_topic_is_made_if_both_sides_allow_it);
    tcase_add_test(tests, old_versions_make_topics_as_the_broker_likes);
    tcase_add_test(tests, only_what_may_exist_is_made);
    tcase_add_test(tests, an_unknown_id_makes_nothing);
    tcase_add_test(tests, a_failed_creation_is_said);
    tcase_add_test(tests, operations_are_shown_to_who_asks);
    tcase_add_test(tests, a_thousand_topics_in_one_answer);
    tcase_add_test(tests, without_memory_the_next_client_is_served);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("server/handlers/metadata", add);
}
