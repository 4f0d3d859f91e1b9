#include "tests/unit/server/handlers/data_stage.h"

#include "wire/generated/init_producer_id_request.h"
#include "wire/generated/init_producer_id_response.h"
#include "wire/generated/list_offsets_request.h"
#include "wire/generated/list_offsets_response.h"
#include "wire/generated/offset_for_leader_epoch_request.h"
#include "wire/generated/offset_for_leader_epoch_response.h"

/* ListOffsets, OffsetForLeaderEpoch and InitProducerId. */

typedef struct weir_wire_list_offsets_response_list_offsets_partition_response listed_answer;
typedef struct weir_wire_offset_for_leader_epoch_response_epoch_end_offset epoch_answer;

static struct stage stage;
static int64_t first_ms; /* the time of the first record; the others are a second apart */

static void set_up(void)
{
    stage_init(&stage);
    stage_create(&stage, "a", 2);
    first_ms = weir_wall_now(stage.engine.env).ms;
    for (int i = 0; i < 3; i++) {
        int64_t passed_ms = weir_wall_now(stage.engine.env).ms - first_ms;
        stage_pass(&stage, 1000 * i - passed_ms);
        stage_append(&stage, "a", 0, "value");
    }
}

static void tear_down(void)
{
    stage_end(&stage);
}

struct question {
    int16_t version;
    const char *topic;
    int32_t partition;
    int64_t timestamp;
    int32_t epoch;      /* 0: none; -2 is 0 */
    int32_t replica_id; /* 0: a client */
};

#define ASK(number, name, index, time, ...)                                                        \
    ((struct question){.version = (number),                                                        \
                       .topic = (name),                                                            \
                       .partition = (index),                                                       \
                       .timestamp = (time),                                                        \
                       ##__VA_ARGS__})

static const listed_answer *list(struct question question)
{
    struct weir_wire_list_offsets_request request;
    struct weir_wire_list_offsets_request_list_offsets_partition partition = {
        question.partition, -1, question.timestamp};
    if (question.epoch != 0) {
        partition.current_leader_epoch = question.epoch == -2 ? 0 : question.epoch;
    }
    struct weir_wire_list_offsets_request_list_offsets_topic topic = {weir_text(question.topic),
                                                                      &partition, 1};
    weir_wire_list_offsets_request_init(&request);
    request.replica_id = question.replica_id == 0 ? -1 : question.replica_id;
    request.topics = &topic;
    request.topics_count = 1;
    struct call *call =
        stage_begin(&stage, 0, weir_handle_list_offsets, &weir_wire_list_offsets_request_type,
                    &weir_wire_list_offsets_response_type, question.version, &request);
    stage_wait(call);
    ck_assert_int_eq(call->outcome, REPLIED);
    const struct weir_wire_list_offsets_response *response = call->answer;
    ck_assert_uint_eq(response->topics_count, 1);
    ck_assert_uint_eq(response->topics[0].partitions_count, 1);
    ck_assert_int_eq(response->topics[0].partitions[0].partition_index, question.partition);
    return &response->topics[0].partitions[0];
}

/* ---- list offsets ---------------------------------------------------------------------------- */

/* Both ends, in every version: no time, and the epoch where the version has one. */
START_TEST(ends_are_listed_in_every_version)
{
    for (int16_t version = 1; version <= 11; version++) {
        const listed_answer *end = list(ASK(version, "a", 0, -1));
        const listed_answer *start = list(ASK(version, "a", 0, -2));
        ck_assert_int_eq(end->error_code, 0);
        ck_assert_int_eq(end->offset, 3);
        ck_assert_int_eq(end->timestamp, -1);
        ck_assert_int_eq(end->leader_epoch, version >= 4 ? 0 : -1);
        ck_assert_int_eq(start->offset, 0);
        ck_assert_int_eq(start->timestamp, -1);
    }
}
END_TEST

/* A time finds the first record at or after it, with its own time; a time too late finds none. */
START_TEST(a_time_finds_its_record)
{
    const listed_answer *found = list(ASK(9, "a", 0, first_ms + 500));
    ck_assert_int_eq(found->offset, 1);
    ck_assert_int_ge(found->timestamp, first_ms + 1000);
    const listed_answer *none = list(ASK(9, "a", 0, first_ms + 100000));
    ck_assert_int_eq(none->error_code, 0);
    ck_assert_int_eq(none->offset, -1);
    ck_assert_int_eq(none->timestamp, -1);
}
END_TEST

/* Times below zero that have a meaning have it from their version on, and are 35 before. */
START_TEST(specials_have_their_versions)
{
    static const struct {
        int64_t special;
        int16_t since;
        int64_t offset;
    } cases[] = {{-3, 7, 2}, {-4, 8, 0}, {-5, 9, -1}, {-6, 11, -1}, {-7, 99, -1}};
    for (size_t i = 0; i < 5; i++) {
        for (int16_t version = 1; version <= 11; version++) {
            const listed_answer *answer = list(ASK(version, "a", 0, cases[i].special));
            bool is_known = version >= cases[i].since;
            ck_assert_int_eq(answer->error_code, is_known ? 0 : 35);
            ck_assert_int_eq(answer->offset, is_known ? cases[i].offset : -1);
        }
    }
}
END_TEST

/* Each partition has its own error. */
START_TEST(errors_of_listing_have_their_numbers)
{
    ck_assert_int_eq(list(ASK(9, "a", 5, -1))->error_code, 3);
    ck_assert_int_eq(list(ASK(9, "nothing", 0, -1))->error_code, 3);
    ck_assert_int_eq(list(ASK(9, "a", 0, -1, .epoch = 9))->error_code, 75);
    ck_assert_int_eq(list(ASK(9, "a", 0, -1, .epoch = -2))->error_code, 0);
    ck_assert_int_eq(list(ASK(9, "a", 0, -1, .replica_id = 2))->error_code, 31);
    ck_assert_int_eq(list(ASK(9, "nothing", 0, -5))->error_code, 3);
    stage.forbids = true;
    ck_assert_int_eq(list(ASK(9, "a", 0, -1))->error_code, 29);
}
END_TEST

/* A partition that is asked about twice gets INVALID_REQUEST both times, whichever topic entry it is
 * in; the many others of the request, more than are sent at once, are answered. */
START_TEST(a_partition_asked_twice_is_refused)
{
    enum { COUNT = 200 };
    struct weir_wire_list_offsets_request_list_offsets_partition partitions[COUNT];
    for (int32_t i = 0; i < COUNT; i++) {
        partitions[i] = (struct weir_wire_list_offsets_request_list_offsets_partition){i, -1, -1};
    }
    struct weir_wire_list_offsets_request_list_offsets_topic topics[] = {
        {weir_text("a"), partitions, COUNT}, {weir_text("a"), &partitions[1], 1}};
    struct weir_wire_list_offsets_request request;
    weir_wire_list_offsets_request_init(&request);
    request.replica_id = -1;
    request.topics = topics;
    request.topics_count = 2;
    struct call *call =
        stage_begin(&stage, 0, weir_handle_list_offsets, &weir_wire_list_offsets_request_type,
                    &weir_wire_list_offsets_response_type, 9, &request);
    stage_wait(call);
    ck_assert_int_eq(call->outcome, REPLIED);
    const struct weir_wire_list_offsets_response *response = call->answer;
    ck_assert_uint_eq(response->topics_count, 2);
    ck_assert_int_eq(response->topics[1].partitions[0].error_code, 42);
    ck_assert_int_eq(response->topics[1].partitions[0].offset, -1);
    for (int32_t i = 0; i < COUNT; i++) {
        const listed_answer *answer = &response->topics[0].partitions[i];
        ck_assert_int_eq(answer->partition_index, i);
        ck_assert_int_eq(answer->error_code, (i == 0 ? 0 : i == 1 ? 42 : 3));
        ck_assert_int_eq(answer->offset, (i == 0 ? 3 : -1));
    }
}
END_TEST

/* A reader that knows an older epoch than the partition's is fenced, here and in a fetch. */
START_TEST(an_older_epoch_is_fenced)
{
    struct weir_cut_request cut = {
        .partition = {weir_text("a"), 0}, .what = WEIR_CUT_TAIL, .offset = 2};
    ck_assert_int_eq(weir_broker_wait_begin(stage.engine.broker, &cut.request, NULL), 0);
    weir_broker_cut(stage.engine.broker, &cut);
    ck_ok(weir_broker_wait(stage.engine.broker, &cut.request, &stage.engine.error),
          &stage.engine.error);
    ck_assert_int_eq(list(ASK(9, "a", 0, -1, .epoch = -2))->error_code, 74);
    struct call *call =
        fetch(&stage,
              &(struct fetch_spec){.session_epoch = -1, FROM(AT("a", 0, 0, .current_epoch = -2))});
    ck_assert_int_eq(fetched_at(call, 0)->error_code, 74);
    stage_append(&stage, "a", 0, "anew");
    call = fetch(&stage, &(struct fetch_spec){.session_epoch = -1,
                                              FROM(AT("a", 0, 3, .fetched_epoch = -2))});
    ck_assert_int_eq(fetched_at(call, 0)->error_code, 0);
    ck_assert_int_eq(fetched_at(call, 0)->diverging_epoch.epoch, 0);
    ck_assert_int_eq(fetched_at(call, 0)->diverging_epoch.end_offset, 2);
    ck_assert_uint_eq(fetched_at(call, 0)->records.size, 0);
}
END_TEST

/* ---- ends of epochs -------------------------------------------------------------------------- */

static const epoch_answer *epoch_end(int16_t version, const char *topic, int32_t asked,
                                     int32_t current, int32_t replica_id)
{
    struct weir_wire_offset_for_leader_epoch_request request;
    struct weir_wire_offset_for_leader_epoch_request_offset_for_leader_partition partition = {
        .current_leader_epoch = current, .leader_epoch = asked};
    struct weir_wire_offset_for_leader_epoch_request_offset_for_leader_topic named = {
        weir_text(topic), &partition, 1};
    weir_wire_offset_for_leader_epoch_request_init(&request);
    if (version >= 3) request.replica_id = replica_id;
    request.topics = &named;
    request.topics_count = 1;
    struct call *call =
        stage_begin(&stage, 0, weir_handle_offset_for_leader_epoch,
                    &weir_wire_offset_for_leader_epoch_request_type,
                    &weir_wire_offset_for_leader_epoch_response_type, version, &request);
    stage_wait(call);
    ck_assert_int_eq(call->outcome, REPLIED);
    const struct weir_wire_offset_for_leader_epoch_response *response = call->answer;
    return &response->topics[0].partitions[0];
}

/* The epoch in force ends at the log's end; errors have their numbers. */
START_TEST(an_epoch_has_its_end)
{
    for (int16_t version = 2; version <= 4; version++) {
        const epoch_answer *answer = epoch_end(version, "a", 0, -1, -1);
        ck_assert_int_eq(answer->error_code, 0);
        ck_assert_int_eq(answer->leader_epoch, 0);
        ck_assert_int_eq(answer->end_offset, 3);
        answer = epoch_end(version, "a", 0, 4, -1);
        ck_assert_int_eq(answer->error_code, 75);
        ck_assert_int_eq(answer->leader_epoch, -1);
        ck_assert_int_eq(answer->end_offset, -1);
        ck_assert_int_eq(epoch_end(version, "nothing", 0, -1, -1)->error_code, 3);
    }
    ck_assert_int_eq(epoch_end(4, "a", 0, -1, 7)->error_code, 31);
}
END_TEST

/* ---- producer ids ---------------------------------------------------------------------------- */

static struct weir_wire_init_producer_id_response init_producer(int16_t version, const char *name,
                                                                int64_t id, int16_t epoch)
{
    struct weir_wire_init_producer_id_request request;
    weir_wire_init_producer_id_request_init(&request);
    request.transactional_id = weir_text(name);
    if (version >= 3) {
        request.producer_id = id;
        request.producer_epoch = epoch;
    }
    struct call *call = stage_begin(&stage, 0, weir_handle_init_producer_id,
                                    &weir_wire_init_producer_id_request_type,
                                    &weir_wire_init_producer_id_response_type, version, &request);
    stage_wait(call);
    ck_assert_int_eq(call->outcome, REPLIED);
    return *(const struct weir_wire_init_producer_id_response *)call->answer;
}

/* Each producer gets an id of its own and epoch 0. */
START_TEST(producer_ids_are_given_once)
{
    int64_t last = -1;
    for (int16_t version = 0; version <= 5; version++) {
        struct weir_wire_init_producer_id_response answer = init_producer(version, NULL, -1, -1);
        ck_assert_int_eq(answer.error_code, 0);
        ck_assert_int_gt(answer.producer_id, last);
        ck_assert_int_eq(answer.producer_epoch, 0);
        last = answer.producer_id;
    }
    ck_assert_int_eq(init_producer(4, "", -1, -1).error_code, 42);
    ck_assert_int_eq(init_producer(4, NULL, 5, -1).error_code, 42);
    ck_assert_int_eq(init_producer(4, NULL, -1, 5).error_code, 42);
}
END_TEST

static void add(Suite *suite)
{
    TCase *tests = tcase_create("offsets");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, ends_are_listed_in_every_version);
    tcase_add_test(tests, a_time_finds_its_record);
    tcase_add_test(tests, specials_have_their_versions);
    tcase_add_test(tests, errors_of_listing_have_their_numbers);
    tcase_add_test(tests, a_partition_asked_twice_is_refused);
    tcase_add_test(tests, an_older_epoch_is_fenced);
    tcase_add_test(tests, an_epoch_has_its_end);
    tcase_add_test(tests, producer_ids_are_given_once);
    suite_add_tcase(suite, tests);
}

int main(void)
{
    return weir_test_main("offsets", add);
}
