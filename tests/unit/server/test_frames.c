/* From bytes to requests: RELIABILITY.md 2.2, N1 to N5. Frames are ApiVersions, cut and bent. */
#include <string.h>

#include "tests/unit/server/server_fixture.h"
#include "wire/error_codes.h"
#include "wire/generated/api_versions_request.h"
#include "wire/generated/api_versions_response.h"

enum { FRAME_MAX = 256 };

/* An ApiVersions request as bytes; the size of it. */
static size_t make_frame(struct server_stage *stage, int16_t version, int32_t correlation_id,
                         uint8_t frame[FRAME_MAX])
{
    struct weir_buffer bytes;
    struct weir_wire_api_versions_request request;
    weir_wire_api_versions_request_init(&request);
    request.client_software_name = weir_text("test");
    request.client_software_version = weir_text("1.0");
    weir_buffer_init(&bytes, &stage->budget, 0);
    server_encode(&bytes, &weir_wire_api_versions_request_type, version, correlation_id, &request);
    size_t size = bytes.size;
    ck_assert_uint_le(size, FRAME_MAX);
    memcpy(frame, bytes.data, size);
    weir_buffer_close(&bytes);
    return size;
}

static void expect_answer(struct server_stage *stage, int16_t version, int32_t correlation_id)
{
    struct weir_wire_api_versions_response response;
    server_receive(stage, &weir_wire_api_versions_response_type, version, correlation_id,
                   &response);
    ck_assert_int_eq(response.error_code, WEIR_WIRE_NONE);
    ck_assert_uint_gt(response.api_keys_count, 1);
}

static void reconnect(struct server_stage *stage)
{
    raw_close(&stage->client);
    raw_open(&stage->client, weir_sim_node(stage->engine.sim, 1),
             weir_server_address(stage->server));
}

/* ---- how they arrive ------------------------------------------------------------------------- */

/* A frame in two pieces is one frame, wherever it is cut. */
START_TEST(a_frame_may_be_cut_anywhere)
{
    struct server_stage stage;
    uint8_t frame[FRAME_MAX];
    server_begin(&stage, 1);
    size_t size = make_frame(&stage, 3, 7, frame);
    for (size_t cut = 1; cut < size; cut++) {
        raw_send(&stage.client, frame, cut);
        raw_send(&stage.client, frame + cut, size - cut);
        expect_answer(&stage, 3, 7);
    }
    ck_assert_int_eq(server_metrics(&stage).connections_killed, 0);
    server_end(&stage);
}
END_TEST

/* A frame that comes byte by byte is one frame, and so is the one after it. */
START_TEST(a_frame_may_be_dribbled)
{
    struct server_stage stage;
    uint8_t frame[FRAME_MAX];
    server_begin(&stage, 2);
    for (int32_t id = 1; id <= 2; id++) {
        size_t size = make_frame(&stage, 0, id, frame);
        for (size_t i = 0; i < size; i++) {
            raw_send(&stage.client, frame + i, 1);
        }
        expect_answer(&stage, 0, id);
    }
    server_end(&stage);
}
END_TEST

/* More frames in one segment than may be in line are answered all, in their order. */
START_TEST(pipelined_frames_are_answered_in_order)
{
    enum { COUNT = 1000 };
    struct server_stage stage;
    static uint8_t all[COUNT * FRAME_MAX];
    size_t size = 0;
    server_begin(&stage, 3);
    for (int32_t id = 0; id < COUNT; id++) {
        size += make_frame(&stage, (int16_t)(id % 4), id, all + size);
    }
    raw_send(&stage.client, all, size);
    for (int32_t id = 0; id < COUNT; id++) {
        expect_answer(&stage, (int16_t)(id % 4), id);
    }
    ck_assert_int_eq(server_metrics(&stage).requests, COUNT);
    ck_assert_int_eq(server_metrics(&stage).requests_in_flight, 0);
    server_end(&stage);
}
END_TEST

/* A flexible ApiVersions request that is made large by a tag that nobody knows. */
static struct weir_buffer make_large_frame(struct server_stage *stage, int32_t correlation_id,
                                           size_t tag_size)
{
    uint8_t frame[FRAME_MAX];
    uint8_t number[WEIR_VARINT64_SIZE_MAX];
    struct weir_buffer bytes;
    size_t size = make_frame(stage, 3, correlation_id, frame);
    ck_assert_uint_eq(frame[size - 1], 0); /* the count of tags */
    weir_buffer_init(&bytes, &stage->budget, 0);
    weir_buffer_append(&bytes, frame, size - 1);
    weir_buffer_append(&bytes, "\x01\x63", 2); /* one, number 99 */
    weir_buffer_append(&bytes, number, weir_varint_store(number, tag_size));
    uint8_t *tag = weir_buffer_extend(&bytes, tag_size);
    ck_assert_ptr_nonnull(tag);
    memset(tag, 0x5a, tag_size);
    weir_store_u32(bytes.data, (uint32_t)bytes.size - 4);
    return bytes;
}

/* Large frames grow as they arrive, and small ones behind them in the same segment are found. Sizes
 * around the head's, the first trust's and its growth's. */
START_TEST(large_frames_arrive_whole)
{
    static const size_t sizes[] = {8000,  16300,  16384,  16400,   24600,
                                   65536, 131072, 262100, 1048576, 200000};
    struct server_stage stage;
    uint8_t small[FRAME_MAX];
    server_begin(&stage, 4);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct weir_buffer bytes = make_large_frame(&stage, 5, sizes[i]);
        weir_buffer_append(&bytes, small, make_frame(&stage, 1, 6, small));
        raw_send(&stage.client, bytes.data, bytes.size);
        weir_buffer_close(&bytes);
        expect_answer(&stage, 3, 5);
        expect_answer(&stage, 1, 6);
        if (i % 3 == 0) reconnect(&stage); /* nothing is trusted again */
    }
    ck_assert_int_eq(server_metrics(&stage).connections_killed, 0);
    server_end(&stage);
}
END_TEST

/* ---- what is no frame ------------------------------------------------------------------------ */

/* What cannot be a size ends the connection before anything is allocated for it; others go on. */
START_TEST(a_size_that_cannot_be_ends_the_connection)
{
    static const char *const prefixes[] = {
        "\xff\xff\xff\xff", /* negative */
        "\x80\x00\x00\x00",
        "\x00\x00\x00\x00",
        "\x00\x00\x00\x09", /* below a header */
        "\x06\x40\x00\x01", /* one above socket.request.max.bytes */
        "\x7f\xff\xff\xff",
        "\x16\x03\x01\x02", /* a TLS hello */
        "GET ",
    };
    struct server_stage stage;
    uint8_t frame[FRAME_MAX];
    server_begin(&stage, 5);
    int64_t before = 0;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        struct raw_client healthy;
        raw_open(&healthy, weir_sim_node(stage.engine.sim, 1), weir_server_address(stage.server));
        raw_send(&stage.client, prefixes[i], 4);
        server_expect_end(&stage);
        ck_assert_int_eq(server_metrics(&stage).connections_killed, (int64_t)i + 1);
        raw_send(&healthy, frame, make_frame(&stage, 0, 1, frame));
        ck_assert_ptr_nonnull(raw_frame(&healthy).data);
        raw_close(&healthy);
        reconnect(&stage);
        if (i == 0) before = server_metrics(&stage).memory_bytes;
    }
    ck_assert_int_le(server_metrics(&stage).memory_bytes, before + 4096);
    server_end(&stage);
}
END_TEST

static void store_size(uint8_t *frame, size_t size)
{
    weir_store_u32(frame, (uint32_t)size - 4);
}

/* What is in line before a bad frame is answered, the bad one and what follows is not. Where something follows
 * the server closes with bytes unread, and as TCP has it the reset may overtake the answer. */
static void expect_end_behind(struct server_stage *stage, const uint8_t *bad, size_t bad_size)
{
    uint8_t bytes[3 * FRAME_MAX];
    size_t size = make_frame(stage, 0, 41, bytes);
    memcpy(bytes + size, bad, bad_size);
    size += bad_size;
    raw_send(&stage->client, bytes, size);
    expect_answer(stage, 0, 41);
    server_expect_end(stage);
    reconnect(stage);

    size += make_frame(stage, 0, 42, bytes + size);
    raw_send(&stage->client, bytes, size);
    struct weir_slice frame;
    while ((frame = raw_frame(&stage->client)).data != NULL) {
        ck_assert_int_eq((int32_t)weir_load_u32(frame.data), 41);
    }
    reconnect(stage);
}

/* Unknown kinds and versions, headers and bodies that end too early end the connection, after what was
 * asked before is answered. */
START_TEST(a_malformed_request_ends_the_connection)
{
    struct server_stage stage;
    uint8_t frame[FRAME_MAX + 1];
    server_begin(&stage, 11);
    size_t size = make_frame(&stage, 0, 9, frame);

    weir_store_u16(frame + 4, 999); /* no such kind */
    expect_end_behind(&stage, frame, size);
    weir_store_u16(frame + 4, 3); /* Metadata, of a version to come */
    weir_store_u16(frame + 6, 14);
    expect_end_behind(&stage, frame, size);
    weir_store_u16(frame + 4, 0); /* Produce as announced, and never taken */
    weir_store_u16(frame + 6, 2);
    expect_end_behind(&stage, frame, size);

    size = make_frame(&stage, 0, 9, frame);
    weir_store_u16(frame + 12, 1000); /* a client id past the end */
    expect_end_behind(&stage, frame, size);
    size = make_frame(&stage, 3, 9, frame); /* a byte too few */
    store_size(frame, size - 1);
    expect_end_behind(&stage, frame, size - 1);

    ck_assert_int_eq(server_metrics(&stage).connections_killed, 10);
    ck_assert_int_eq(server_metrics(&stage).requests_in_flight, 0);
    server_end(&stage);
}
END_TEST

/* Millions of tags in a header of a few bytes are refused without looking for them (N4). */
START_TEST(a_header_with_millions_of_tags_ends_the_connection)
{
    struct server_stage stage;
    uint8_t frame[FRAME_MAX];
    server_begin(&stage, 7);
    size_t header = 4 + 10 + 4; /* size, fixed part with the length of "test", "test" */
    (void)make_frame(&stage, 3, 9, frame);
    memcpy(frame + header, "\xff\xff\xff\x7f", 4);
    store_size(frame, header + 4);
    expect_end_behind(&stage, frame, header + 4);
    server_end(&stage);
}
END_TEST

/* ---- ApiVersions ----------------------------------------------------------------------------- */

/* A version of ApiVersions that is not known here is answered in version 0, whatever its body. */
START_TEST(an_api_versions_to_come_is_told_what_there_is)
{
    struct server_stage stage;
    struct weir_wire_api_versions_response response;
    uint8_t frame[FRAME_MAX];
    server_begin(&stage, 8);
    size_t size = make_frame(&stage, 3, 77, frame);
    weir_store_u16(frame + 6, 5);
    memset(frame + size, 0xee, 20); /* as it may be by then */
    store_size(frame, size + 20);
    raw_send(&stage.client, frame, size + 20);
    server_receive(&stage, &weir_wire_api_versions_response_type, 0, 77, &response);
    ck_assert_int_eq(response.error_code, WEIR_WIRE_UNSUPPORTED_VERSION);
    ck_assert_uint_eq(response.api_keys_count, 1);
    ck_assert_int_eq(response.api_keys[0].api_key, 18);
    ck_assert_int_eq(response.api_keys[0].max_version, 4);
    raw_send(&stage.client, frame, make_frame(&stage, 4, 78, frame)); /* and goes on */
    expect_answer(&stage, 4, 78);
    server_end(&stage);
}
END_TEST

/* From version 3 on a client says who it is, in a form that fits into a metric's name. */
START_TEST(a_client_with_a_bad_name_is_refused)
{
    static const char *const bad[] = {"", "-x", "x-", "a b", ".", "x\n", "\xc3\xa4"};
    static const char *const good[] = {"x", "a-b.c", "4", "X-9"};
    struct server_stage stage;
    struct weir_wire_api_versions_request request;
    struct weir_wire_api_versions_response response;
    server_begin(&stage, 9);
    weir_wire_api_versions_request_init(&request);
    request.client_software_version = weir_text("1");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        request.client_software_name = weir_text(bad[i]);
        server_call(&stage, &weir_wire_api_versions_request_type, 3, &request,
                    &weir_wire_api_versions_response_type, &response);
        ck_assert_int_eq(response.error_code, WEIR_WIRE_INVALID_REQUEST);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        request.client_software_name = weir_text(good[i]);
        server_call(&stage, &weir_wire_api_versions_request_type, 3, &request,
                    &weir_wire_api_versions_response_type, &response);
        ck_assert_int_eq(response.error_code, WEIR_WIRE_NONE);
    }
    struct weir_server_api_metrics metrics[4];
    ck_assert_uint_eq(weir_server_api_metrics(stage.server, metrics, 4), 1);
    ck_assert_int_eq(metrics[0].requests, 11);
    ck_assert_int_eq(metrics[0].errors, 7);
    server_end(&stage);
}
END_TEST

static void add(Suite *suite)
{
    TCase *arrival = tcase_create("arrival");
    tcase_add_test(arrival, a_frame_may_be_cut_anywhere);
    tcase_add_test(arrival, a_frame_may_be_dribbled);
    tcase_add_test(arrival, pipelined_frames_are_answered_in_order);
    tcase_add_test(arrival, large_frames_arrive_whole);
    suite_add_tcase(suite, arrival);
    TCase *refusals = tcase_create("refusals");
    tcase_add_test(refusals, a_size_that_cannot_be_ends_the_connection);
    tcase_add_test(refusals, a_malformed_request_ends_the_connection);
    tcase_add_test(refusals, a_header_with_millions_of_tags_ends_the_connection);
    suite_add_tcase(suite, refusals);
    TCase *versions = tcase_create("api versions");
    tcase_add_test(versions, an_api_versions_to_come_is_told_what_there_is);
    tcase_add_test(versions, a_client_with_a_bad_name_is_refused);
    suite_add_tcase(suite, versions);
}

int main(void)
{
    return weir_test_main("server frames", add);
}
