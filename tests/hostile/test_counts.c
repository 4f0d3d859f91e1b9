/* Requests that are legal and far too large: RELIABILITY.md 2.2, N8. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "tests/hostile/healthy.h"
#include "wire/generated/create_topics_request.h"
#include "wire/generated/delete_records_request.h"
#include "wire/generated/describe_log_dirs_request.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/fetch_response.h"
#include "wire/generated/list_offsets_request.h"
#include "wire/generated/metadata_request.h"

enum { MIB = 1024 * 1024, MANY_TOPICS = 100000, MANY_PARTITIONS = 1000000, NAME_SIZE = 16 };

static struct hostile_server server;
static struct healthy healthy;
static struct weir_buffer frame;

static void begin(const char *const *settings)
{
    hostile_begin(&server, settings);
    weir_buffer_init(&frame, &server.budget, 0);
    healthy_begin(&healthy, &server);
}

static void end(int64_t memory)
{
    weir_buffer_close(&frame);
    healthy_expect_calm(&healthy, memory);
    healthy_end(&healthy);
    hostile_end(&server);
}

static void *many(size_t count, size_t size)
{
    void *items = weir_arena_alloc_zero(&server.arena, count * size);
    ck_assert_ptr_nonnull(items);
    return items;
}

/* "none-0", "none-1", …: topics that are not there. */
static struct weir_slice name_of(size_t i)
{
    char *name = weir_arena_alloc(&server.arena, NAME_SIZE);
    int size = snprintf(name, NAME_SIZE, "none-%zu", i);
    return weir_slice(name, (size_t)size);
}

/* The frame is answered, with an answer of some size, or its connection is closed; the healthy
 * client works meanwhile, and memory stays under its bound. */
static void expect_bounded(const char *what, int64_t memory)
{
    int peer = peer_open(&server);
    int64_t bound = hostile_memory_bound(healthy.memory + memory);
    (void)peer_send(peer, frame.data, frame.size);
    for (int i = 0; i < 5; i++) {
        healthy_work(&healthy, 1);
    }
    struct weir_slice answer = peer_frame(&server, peer);
    if (answer.data != NULL) ck_assert_uint_eq(weir_load_u32(answer.data), 1);
    ck_assert_msg(hostile_memory_peak(&server) <= bound, "%s: %lld bytes", what,
                  (long long)hostile_memory_peak(&server));
    peer_close(peer);
    weir_buffer_reset(&frame);
}

/* ---- 100,000 topics -------------------------------------------------------------------------- */

static void encode_metadata(void)
{
    struct weir_wire_metadata_request request;
    struct weir_wire_metadata_request_metadata_request_topic *topics =
        many(MANY_TOPICS, sizeof *topics);
    weir_wire_metadata_request_init(&request);
    for (size_t i = 0; i < MANY_TOPICS; i++) {
        topics[i].name = name_of(i);
    }
    request.topics = topics;
    request.topics_count = MANY_TOPICS;
    request.allow_auto_topic_creation = false;
    peer_encode(&frame, &weir_wire_metadata_request_type, 9, 1, &request);
}

static void encode_fetch(size_t topic_count)
{
    struct weir_wire_fetch_request request;
    struct weir_wire_fetch_request_fetch_topic *topics = many(topic_count, sizeof *topics);
    static struct weir_wire_fetch_request_fetch_partition partition = {
        .current_leader_epoch = -1, .last_fetched_epoch = -1, .partition_max_bytes = INT32_MAX};
    weir_wire_fetch_request_init(&request);
    for (size_t i = 0; i < topic_count; i++) {
        topics[i] = (struct weir_wire_fetch_request_fetch_topic){
            .topic = name_of(i), .partitions = &partition, .partitions_count = 1};
    }
    request.max_bytes = INT32_MAX;
    request.topics = topics;
    request.topics_count = topic_count;
    peer_encode(&frame, &weir_wire_fetch_request_type, 12, 1, &request);
}

static void encode_create_topics(bool validate_only)
{
    struct weir_wire_create_topics_request request;
    struct weir_wire_create_topics_request_creatable_topic *topics =
        many(MANY_TOPICS, sizeof *topics);
    weir_wire_create_topics_request_init(&request);
    for (size_t i = 0; i < MANY_TOPICS; i++) {
        topics[i].name = name_of(i);
        topics[i].num_partitions = validate_only ? 1 : 10000000; /* never made */
        topics[i].replication_factor = 1;
    }
    request.topics = topics;
    request.topics_count = MANY_TOPICS;
    request.validate_only = validate_only;
    peer_encode(&frame, &weir_wire_create_topics_request_type, 5, 1, &request);
}

/* A hundred thousand topics in one request that asks for them, reads them, or would make them. */
START_TEST(a_hundred_thousand_topics_are_bounded)
{
    static const char *const settings[] = {"flush.policy=os", NULL};
    begin(settings);
    encode_metadata();
    expect_bounded("metadata", 192 * MIB);
    encode_fetch(MANY_TOPICS);
    expect_bounded("fetch", 256 * MIB);
    encode_create_topics(true);
    expect_bounded("create topics, checked only", 256 * MIB);
    encode_create_topics(false);
    expect_bounded("create topics", 256 * MIB);
    end(256 * MIB);
}
END_TEST

/* ---- a million partitions -------------------------------------------------------------------- */

static void encode_delete_records(void)
{
    struct weir_wire_delete_records_request request;
    struct weir_wire_delete_records_request_delete_records_topic topic = {
        .name = weir_text("healthy"), .partitions_count = MANY_PARTITIONS};
    struct weir_wire_delete_records_request_delete_records_partition *partitions =
        many(MANY_PARTITIONS, sizeof *partitions);
    weir_wire_delete_records_request_init(&request);
    for (int32_t i = 0; i < MANY_PARTITIONS; i++) {
        partitions[i].partition_index = i + 1;
        partitions[i].offset = INT64_MAX;
    }
    topic.partitions = partitions;
    request.topics = &topic;
    request.topics_count = 1;
    peer_encode(&frame, &weir_wire_delete_records_request_type, 1, 1, &request);
}

static void encode_describe_log_dirs(void)
{
    struct weir_wire_describe_log_dirs_request request;
    struct weir_wire_describe_log_dirs_request_describable_log_dir_topic topic = {
        .topic = weir_text("healthy"), .partitions_count = MANY_PARTITIONS};
    int32_t *partitions = many(MANY_PARTITIONS, sizeof *partitions);
    weir_wire_describe_log_dirs_request_init(&request);
    for (int32_t i = 0; i < MANY_PARTITIONS; i++) {
        partitions[i] = i;
    }
    topic.partitions = partitions;
    request.topics = &topic;
    request.topics_count = 1;
    peer_encode(&frame, &weir_wire_describe_log_dirs_request_type, 1, 1, &request);
}

static void encode_list_offsets(void)
{
    struct weir_wire_list_offsets_request request;
    struct weir_wire_list_offsets_request_list_offsets_topic topic = {
        .name = weir_text("healthy"), .partitions_count = MANY_PARTITIONS};
    struct weir_wire_list_offsets_request_list_offsets_partition *partitions =
        many(MANY_PARTITIONS, sizeof *partitions);
    weir_wire_list_offsets_request_init(&request);
    for (int32_t i = 0; i < MANY_PARTITIONS; i++) {
        partitions[i].partition_index = i % 3; /* the same ones again and again */
        partitions[i].timestamp = -1;
    }
    topic.partitions = partitions;
    request.replica_id = -1;
    request.topics = &topic;
    request.topics_count = 1;
    peer_encode(&frame, &weir_wire_list_offsets_request_type, 1, 1, &request);
}

/* A million partitions of one topic in requests about each of them. */
START_TEST(a_million_partitions_are_bounded)
{
    static const char *const settings[] = {"flush.policy=os", NULL};
    begin(settings);
    encode_delete_records();
    expect_bounded("delete records", 384 * MIB);
    encode_describe_log_dirs();
    expect_bounded("describe log dirs", 384 * MIB);
    encode_list_offsets();
    expect_bounded("list offsets", 512 * MIB);
    end(384 * MIB);
}
END_TEST

/* ---- what decodes to more than it is --------------------------------------------------------- */

/* A large frame of the smallest elements there are, each twenty times its size in memory, is refused
 * at a bound. */
START_TEST(a_frame_does_not_multiply_when_it_is_decoded)
{
    enum { SIZE = 40 * MIB, HEADER_SIZE = 15 };
    static const char *const settings[] = {"flush.policy=os", NULL};
    begin(settings);
    uint8_t *bytes = weir_buffer_extend(&frame, 4 + SIZE);
    ck_assert_ptr_nonnull(bytes);
    memset(bytes, 0, 4 + SIZE);
    weir_store_u32(bytes, SIZE);
    memcpy(bytes + 4, "\0\3\0\1\0\0\0\1\0\1x", 11); /* Metadata 1, and empty names */
    weir_store_u32(bytes + HEADER_SIZE, (SIZE - HEADER_SIZE) / 2);
    expect_bounded("metadata of empty names", 300 * MIB);
    end(256 * MIB);
}
END_TEST

/* ---- a fetch of 2 GiB ------------------------------------------------------------------------ */

/* However much a fetch may take, it is given fetch.max.bytes at most, of which no copy is made. */
START_TEST(a_fetch_of_two_gibibytes_is_capped)
{
    enum { BATCH = 900000, BATCHES = 40, CAP = 8 * MIB };
    static const char *const settings[] = {"fetch.max.bytes=8388608", "flush.policy=os", NULL};
    static uint8_t value[BATCH];
    begin(settings);
    healthy_create_topic(&server, "none-0", 1);
    struct weir_slice batch =
        healthy_batch(&server, &(struct healthy_batch){.value = weir_slice(value, sizeof value)});
    int peer = peer_open(&server);
    for (int i = 0; i < BATCHES; i++) {
        ck_assert_int_eq(healthy_produce(&server, peer, "none-0", 0, batch), 0);
    }
    healthy.descriptors = hostile_descriptors(&server) - 1;
    encode_fetch(1);
    ck_assert(peer_send(peer, frame.data, frame.size));
    struct weir_slice answer = peer_frame(&server, peer);
    struct weir_wire_fetch_response response;
    peer_decode(&server, &weir_wire_fetch_response_type, 12, answer, &response);
    size_t size = response.responses[0].partitions[0].records.size;
    ck_assert_uint_gt(size, CAP / 2);
    ck_assert_uint_le(size, CAP);
    peer_close(peer);
    end(64 * MIB);
}
END_TEST

static void add(Suite *suite)
{
    TCase *counts = tcase_create("counts");
    tcase_add_test(counts, a_hundred_thousand_topics_are_bounded);
    tcase_add_test(counts, a_million_partitions_are_bounded);
    tcase_add_test(counts, a_frame_does_not_multiply_when_it_is_decoded);
    tcase_add_test(counts, a_fetch_of_two_gibibytes_is_capped);
    suite_add_tcase(suite, counts);
}

int main(void)
{
    return weir_test_main("hostile counts", add);
}
