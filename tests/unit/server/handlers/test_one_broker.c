#include "base/uuid.h"
#include "tests/unit/server/handlers/data_stage.h"

#include "wire/generated/alter_partition_reassignments_request.h"
#include "wire/generated/alter_partition_reassignments_response.h"
#include "wire/generated/describe_topic_partitions_request.h"
#include "wire/generated/describe_topic_partitions_response.h"
#include "wire/generated/elect_leaders_request.h"
#include "wire/generated/elect_leaders_response.h"
#include "wire/generated/list_partition_reassignments_request.h"
#include "wire/generated/list_partition_reassignments_response.h"

/* What a cluster's administration asks of one broker: who leads, who else might, what is being moved. */
static struct stage stage;

static void set_up(void)
{
    stage_init(&stage);
    stage_create(&stage, "b", 3);
    stage_create(&stage, "a", 2);
}

static void tear_down(void)
{
    stage_end(&stage);
}

static const void *ask(stage_handler handle, const struct weir_message_type *asked,
                       const struct weir_message_type *answer, int16_t version, const void *request)
{
    struct call *call = stage_begin(&stage, 0, handle, asked, answer, version, request);
    stage_wait(call);
    return call->outcome == REPLIED ? call->answer : NULL;
}
#define ASK(name, version, request)                                                                \
    ask(weir_handle_##name, &weir_wire_##name##_request_type, &weir_wire_##name##_response_type,   \
        version, request)

/* ---- who leads ------------------------------------------------------------------------------- */

typedef struct weir_wire_describe_topic_partitions_response described;
typedef struct weir_wire_describe_topic_partitions_request_cursor cursor;

static const described *describe(const char *const *names, size_t count, int32_t limit,
                                 const cursor *from)
{
    struct weir_wire_describe_topic_partitions_request_topic_request topics[4];
    struct weir_wire_describe_topic_partitions_request request;
    weir_wire_describe_topic_partitions_request_init(&request);
    for (size_t i = 0; i < count; i++)
        topics[i].name = weir_text(names[i]);
    request.topics = topics;
    request.topics_count = count;
    request.response_partition_limit = limit;
    request.cursor = from;
    return ASK(describe_topic_partitions, 0, &request);
}

/* In order of their names, each once, with what Metadata says of them; what is not there has a row that says so. */
START_TEST(topics_are_described)
{
    static const char *const names[] = {"b", "none", "a", "b"};
    const described *all = describe(NULL, 0, 2000, NULL);
    ck_assert_uint_eq(all->topics_count, 2);
    ck_assert(weir_slice_equal(all->topics[0].name, weir_text("a")));
    ck_assert_uint_eq(all->topics[1].partitions_count, 3);
    ck_assert_int_eq(all->topics[1].partitions[2].partition_index, 2);
    ck_assert_int_eq(all->topics[1].partitions[2].leader_id, 0);
    ck_assert_int_ge(all->topics[1].partitions[2].leader_epoch, 0);
    ck_assert_uint_eq(all->topics[1].partitions[2].replica_nodes_count, 1);
    ck_assert_uint_eq(all->topics[1].partitions[2].offline_replicas_count, 0);
    ck_assert(weir_uuid_equal(all->topics[1].topic_id, stage_topic_id(&stage, "b")));
    ck_assert_ptr_null(all->next_cursor);
    const described *some = describe(names, 4, 2000, NULL);
    ck_assert_uint_eq(some->topics_count, 3);
    ck_assert(weir_slice_equal(some->topics[2].name, weir_text("none")));
    ck_assert_int_eq(some->topics[2].error_code, WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
    stage.forbids = true;
    ck_assert_uint_eq(describe(NULL, 0, 2000, NULL)->topics_count, 0);
    ck_assert_int_eq(describe(names, 1, 2000, NULL)->topics[0].error_code,
                     WEIR_WIRE_TOPIC_AUTHORIZATION_FAILED);
}
END_TEST

/* Page by page all are told of once, whatever a page's size; a topic that goes meanwhile is passed over. */
START_TEST(pages_follow_one_another)
{
    for (int32_t limit = 1; limit <= 6; limit++) {
        const cursor *from = NULL;
        cursor at;
        int told = 0;
        for (int pages = 0; pages == 0 || from != NULL; pages++) {
            const described *page = describe(NULL, 0, limit, from);
            int on_page = 0;
            for (size_t i = 0; i < page->topics_count; i++) {
                on_page += (int)page->topics[i].partitions_count;
            }
            ck_assert_int_le(on_page, limit);
            told += on_page;
            from = NULL;
            if (page->next_cursor == NULL) continue;
            at = (cursor){page->next_cursor->topic_name, page->next_cursor->partition_index};
            from = &at;
        }
        ck_assert_int_eq(told, 5);
    }
    const cursor gone = {weir_text("aa"), 1};
    const described *rest = describe(NULL, 0, 2000, &gone);
    ck_assert_uint_eq(rest->topics_count, 1);
    ck_assert_uint_eq(rest->topics[0].partitions_count, 3);
    const cursor odd[] = {{weir_text("b"), -1}, {weir_text("b"), 3}, {weir_text("b"), INT32_MAX}};
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(describe(NULL, 0, 2000, &odd[i])->topics_count, 0);
    ck_assert_uint_eq(describe(NULL, 0, 0, NULL)->topics_count, 2);
    ck_assert_uint_eq(describe(NULL, 0, -5, NULL)->topics_count, 2);
}
END_TEST

/* ---- who else might -------------------------------------------------------------------------- */

static const struct weir_wire_elect_leaders_response *elect(int16_t version, const char *topic,
                                                            const int32_t *partitions, size_t count)
{
    struct weir_wire_elect_leaders_request_topic_partitions one = {weir_text(topic), partitions,
                                                                   count};
    struct weir_wire_elect_leaders_request request;
    weir_wire_elect_leaders_request_init(&request);
    request.topic_partitions = topic != NULL ? &one : NULL;
    request.topic_partitions_count = topic != NULL;
    return ASK(elect_leaders, version, &request);
}

START_TEST(nobody_else_is_elected)
{
    static const int32_t partitions[] = {0, 2, 3};
    for (int16_t version = 0; version <= 2; version++) {
        const struct weir_wire_elect_leaders_response *answer = elect(version, "b", partitions, 3);
        ck_assert_int_eq(answer->error_code, 0);
        ck_assert_uint_eq(answer->replica_election_results_count, 1);
        ck_assert_uint_eq(answer->replica_election_results[0].partition_result_count, 3);
        const struct weir_wire_elect_leaders_response_partition_result *rows =
            answer->replica_election_results[0].partition_result;
        ck_assert_int_eq(rows[0].error_code, WEIR_WIRE_ELECTION_NOT_NEEDED);
        ck_assert_int_eq(rows[1].partition_id, 2);
        ck_assert_int_eq(rows[2].error_code, WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
        answer = elect(version, "none", partitions, 1);
        ck_assert_int_eq(answer->replica_election_results[0].partition_result[0].error_code,
                         WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
        ck_assert_uint_eq(elect(version, NULL, NULL, 0)->replica_election_results_count, 0);
        stage.forbids = true;
        answer = elect(version, "b", partitions, 3);
        ck_assert_int_eq(answer->error_code,
                         version > 0 ? WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED : 0);
        ck_assert_int_eq(answer->replica_election_results[0].partition_result[2].error_code,
                         WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED);
        stage.forbids = false;
    }
}
END_TEST

/* ---- what is moved --------------------------------------------------------------------------- */

static int16_t move(const char *topic, int32_t partition, const int32_t *replicas, size_t count)
{
    struct weir_wire_alter_partition_reassignments_request_reassignable_partition one = {
        partition, replicas, count};
    struct weir_wire_alter_partition_reassignments_request_reassignable_topic of = {
        weir_text(topic), &one, 1};
    struct weir_wire_alter_partition_reassignments_request request;
    weir_wire_alter_partition_reassignments_request_init(&request);
    request.topics = &of;
    request.topics_count = 1;
    const struct weir_wire_alter_partition_reassignments_response *answer =
        ASK(alter_partition_reassignments, 1, &request);
    if (answer->error_code != 0) return answer->error_code;
    ck_assert_uint_eq(answer->responses_count, 1);
    ck_assert_uint_eq(answer->responses[0].partitions_count, 1);
    ck_assert_int_eq(answer->responses[0].partitions[0].partition_index, partition);
    bool has_text = !weir_slice_is_null(answer->responses[0].partitions[0].error_message);
    ck_assert(has_text == (answer->responses[0].partitions[0].error_code != 0));
    return answer->responses[0].partitions[0].error_code;
}

START_TEST(a_partition_stays_where_it_is)
{
    static const int32_t here = 0;
    static const int32_t there = 1;
    static const int32_t both[] = {0, 1};
    ck_assert_int_eq(move("a", 1, &here, 1), 0);
    ck_assert_int_eq(move("a", 1, &there, 1), WEIR_WIRE_INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(move("a", 1, both, 2), WEIR_WIRE_INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(move("a", 1, weir_no_elements(), 0), WEIR_WIRE_INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(move("a", 1, NULL, 0), WEIR_WIRE_NO_REASSIGNMENT_IN_PROGRESS);
    ck_assert_int_eq(move("a", 2, &here, 1), WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(move("none", 0, &here, 1), WEIR_WIRE_UNKNOWN_TOPIC_OR_PARTITION);
    struct weir_wire_list_partition_reassignments_request request;
    weir_wire_list_partition_reassignments_request_init(&request);
    const struct weir_wire_list_partition_reassignments_response *listed =
        ASK(list_partition_reassignments, 0, &request);
    ck_assert_int_eq(listed->error_code, 0);
    ck_assert_uint_eq(listed->topics_count, 0);
    stage.forbids = true;
    ck_assert_int_eq(move("a", 1, &here, 1), WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED);
    listed = ASK(list_partition_reassignments, 0, &request);
    ck_assert_int_eq(listed->error_code, WEIR_WIRE_CLUSTER_AUTHORIZATION_FAILED);
    stage.forbids = false;
}
END_TEST

/* More than WEIR_SUBJECTS_MAX are refused before memory is taken for them. */
START_TEST(too_many_are_refused)
{
    static int32_t many[10001];
    const struct weir_wire_elect_leaders_response *answer = elect(2, "b", many, 10001);
    ck_assert_int_eq(answer->error_code, WEIR_WIRE_INVALID_REQUEST);
    static struct weir_wire_alter_partition_reassignments_request_reassignable_partition
        rows[10001];
    struct weir_wire_alter_partition_reassignments_request_reassignable_topic of = {weir_text("a"),
                                                                                    rows, 10001};
    struct weir_wire_alter_partition_reassignments_request request;
    weir_wire_alter_partition_reassignments_request_init(&request);
    request.topics = &of;
    request.topics_count = 1;
    const struct weir_wire_alter_partition_reassignments_response *altered =
        ASK(alter_partition_reassignments, 0, &request);
    ck_assert_int_eq(altered->error_code, WEIR_WIRE_INVALID_REQUEST);
    ck_assert_uint_eq(altered->responses_count, 0);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("one broker");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, topics_are_described);
    tcase_add_test(tests, pages_follow_one_another);
    tcase_add_test(tests, nobody_else_is_elected);
    tcase_add_test(tests, a_partition_stays_where_it_is);
    tcase_add_test(tests, too_many_are_refused);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("one broker", add);
}
