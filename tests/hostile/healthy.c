#include "tests/hostile/healthy.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "wire/generated/create_topics_request.h"
#include "wire/generated/create_topics_response.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/fetch_response.h"
#include "wire/generated/list_offsets_request.h"
#include "wire/generated/list_offsets_response.h"
#include "wire/generated/produce_request.h"
#include "wire/generated/produce_response.h"
#include "wire/record_batch_reader.h"

static const char own_topic[] = "healthy";

enum { VALUE_SIZE = 32, FETCH_BYTES = 1024 * 1024 };

/* ---- what it asks ---------------------------------------------------------------------------- */

int16_t healthy_ask_topic(struct hostile_server *server, int peer, const char *name,
                          int32_t partitions)
{
    struct weir_wire_create_topics_request request;
    struct weir_wire_create_topics_response response;
    struct weir_wire_create_topics_request_creatable_topic topic = {
        .name = weir_text(name), .num_partitions = partitions, .replication_factor = 1};
    weir_wire_create_topics_request_init(&request);
    request.topics = &topic;
    request.topics_count = 1;
    peer_call(server, peer, PEER_EXCHANGE(create_topics, 5), &request, &response);
    ck_assert_uint_eq(response.topics_count, 1);
    return response.topics[0].error_code;
}

void healthy_create_topic(struct hostile_server *server, const char *name, int32_t partitions)
{
    int peer = peer_open(server);
    ck_assert_int_eq(healthy_ask_topic(server, peer, name, partitions), 0);
    peer_close(peer);
}

int64_t healthy_log_end(struct hostile_server *server, const char *topic, int32_t partition)
{
    struct weir_wire_list_offsets_request request;
    struct weir_wire_list_offsets_response response;
    struct weir_wire_list_offsets_request_list_offsets_partition asked = {
        .partition_index = partition, .current_leader_epoch = -1, .timestamp = -1};
    struct weir_wire_list_offsets_request_list_offsets_topic of_topic = {
        .name = weir_text(topic), .partitions = &asked, .partitions_count = 1};
    weir_wire_list_offsets_request_init(&request);
    request.replica_id = -1;
    request.topics = &of_topic;
    request.topics_count = 1;
    int peer = peer_open(server);
    peer_call(server, peer, PEER_EXCHANGE(list_offsets, 6), &request, &response);
    peer_close(peer);
    ck_assert_uint_eq(response.topics_count, 1);
    ck_assert_int_eq(response.topics[0].partitions[0].error_code, 0);
    return response.topics[0].partitions[0].offset;
}

struct weir_slice healthy_batch(struct hostile_server *server, const struct healthy_batch *batch)
{
    struct weir_batch_builder builder;
    struct weir_slice bytes;
    struct weir_record record = {.value = batch->value, .timestamp_ms = (int64_t)time(NULL) * 1000};
    weir_batch_builder_init(&builder, &server->budget, batch->codec, WEIR_CODEC_LEVEL_DEFAULT);
    for (int i = 0; i < (batch->count > 0 ? batch->count : 1); i++) {
        ck_ok(weir_batch_builder_add(&builder, &record), NULL);
    }
    ck_ok(weir_batch_builder_finish(&builder, &WEIR_BATCH_FINISH_NONE, &bytes), NULL);
    bytes = weir_arena_copy(&server->arena, bytes);
    weir_batch_builder_close(&builder);
    return bytes;
}

static struct weir_wire_produce_response_partition_produce_response
produce(struct hostile_server *server, int peer, const char *topic, int32_t partition,
        struct weir_slice batch)
{
    struct weir_wire_produce_request request;
    struct weir_wire_produce_response response;
    struct weir_wire_produce_request_partition_produce_data data = {partition, batch};
    struct weir_wire_produce_request_topic_produce_data of_topic = {
        .name = weir_text(topic), .partition_data = &data, .partition_data_count = 1};
    weir_wire_produce_request_init(&request);
    request.acks = -1;
    request.timeout_ms = 30000;
    request.topic_data = &of_topic;
    request.topic_data_count = 1;
    peer_call(server, peer, PEER_EXCHANGE(produce, 9), &request, &response);
    ck_assert_uint_eq(response.responses_count, 1);
    ck_assert_uint_eq(response.responses[0].partition_responses_count, 1);
    return response.responses[0].partition_responses[0];
}

int16_t healthy_produce(struct hostile_server *server, int peer, const char *topic,
                        int32_t partition, struct weir_slice batch)
{
    return produce(server, peer, topic, partition, batch).error_code;
}

/* The batches of its topic from `offset` on. */
static struct weir_slice fetch(const struct healthy *healthy, int64_t offset)
{
    struct weir_wire_fetch_request request;
    struct weir_wire_fetch_response response;
    struct weir_wire_fetch_request_fetch_partition partition = {.current_leader_epoch = -1,
                                                                .fetch_offset = offset,
                                                                .last_fetched_epoch = -1,
                                                                .log_start_offset = -1,
                                                                .partition_max_bytes = FETCH_BYTES};
    struct weir_wire_fetch_request_fetch_topic topic = {
        .topic = weir_text(own_topic), .partitions = &partition, .partitions_count = 1};
    weir_wire_fetch_request_init(&request);
    request.max_wait_ms = 30000;
    request.min_bytes = 1;
    request.max_bytes = FETCH_BYTES;
    request.session_epoch = -1;
    request.topics = &topic;
    request.topics_count = 1;
    peer_call(healthy->server, healthy->peer, PEER_EXCHANGE(fetch, 12), &request, &response);
    ck_assert_int_eq(response.error_code, 0);
    ck_assert_uint_eq(response.responses_count, 1);
    ck_assert_int_eq(response.responses[0].partitions[0].error_code, 0);
    return response.responses[0].partitions[0].records;
}

/* ---- what it knows --------------------------------------------------------------------------- */

static struct weir_slice value_of(int64_t offset, char to[VALUE_SIZE])
{
    int size = snprintf(to, VALUE_SIZE, "record %lld", (long long)offset);
    return weir_slice(to, (size_t)size);
}

/* Each record is the one that was written at its offset; the offset behind them. */
static int64_t check_records(struct weir_slice records, int64_t offset)
{
    struct weir_batch_reader reader = {.rest = records};
    struct weir_record record;
    char value[VALUE_SIZE];
    ck_assert_uint_gt(records.size, 0);
    while (weir_batch_reader_next(&reader, NULL) == 0) {
        ck_ok(weir_batch_reader_open(&reader, NULL), NULL);
        while (weir_batch_reader_record(&reader, &record, NULL) == 0) {
            ck_assert_int_eq(record.offset, offset);
            ck_assert(weir_slice_equal(record.value, value_of(offset, value)));
            offset++;
        }
    }
    return offset;
}

static void work_once(struct healthy *healthy)
{
    char value[VALUE_SIZE];
    int64_t offset = healthy->end_offset;
    struct weir_slice batch =
        healthy_batch(healthy->server, &(struct healthy_batch){.value = value_of(offset, value)});
    struct weir_wire_produce_response_partition_produce_response answer =
        produce(healthy->server, healthy->peer, own_topic, 0, batch);
    ck_assert_int_eq(answer.error_code, 0);
    ck_assert_int_eq(answer.base_offset, offset);
    ck_assert_int_eq(check_records(fetch(healthy, offset), offset), offset + 1);
    healthy->end_offset = offset + 1;
}

void healthy_work(struct healthy *healthy, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        work_once(healthy);
    }
}

void healthy_begin(struct healthy *healthy, struct hostile_server *server)
{
    *healthy = (struct healthy){.server = server};
    healthy_create_topic(server, own_topic, 1);
    healthy->peer = peer_open(server);
    healthy_work(healthy, 20);
    while (healthy->descriptors !=
           hostile_descriptors(server)) { /* until the first one is closed */
        healthy->descriptors = hostile_descriptors(server);
        healthy_work(healthy, 1);
    }
    healthy->memory = hostile_memory(server);
}

void healthy_expect_calm(struct healthy *healthy, int64_t memory)
{
    int64_t bound = hostile_memory_bound(healthy->memory + memory);
    int64_t offset = 0;
    while (hostile_descriptors(healthy->server) > healthy->descriptors) {
        healthy_work(healthy, 1); /* until the test's time is over */
    }
    healthy_work(healthy, 10);
    while (hostile_memory(healthy->server) > bound) {
        healthy_work(healthy, 1); /* the allocator gives it back after a while */
    }
    while (offset < healthy->end_offset) {
        offset = check_records(fetch(healthy, offset), offset);
    }
    ck_assert_int_eq(healthy_log_end(healthy->server, own_topic, 0), healthy->end_offset);
}

void healthy_end(struct healthy *healthy)
{
    peer_close(healthy->peer);
}
