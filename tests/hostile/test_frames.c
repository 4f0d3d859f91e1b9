/* Frames that are cut, bent or lies: RELIABILITY.md 2.2, N1-N5 and N11. */
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "tests/hostile/healthy.h"
#include "wire/generated/all_messages.h"
#include "wire/generated/api_versions_request.h"
#include "wire/generated/api_versions_response.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/fetch_response.h"
#include "wire/generated/metadata_request.h"
#include "wire/generated/metadata_response.h"
#include "wire/generated/produce_request.h"

enum { MIB = 1024 * 1024 };

static struct hostile_server server;
static struct healthy healthy;

static void begin_with(const char *const *settings)
{
    hostile_begin(&server, settings);
    healthy_create_topic(&server, "victim", 2);
    int peer = peer_open(&server);
    for (int32_t i = 0; i < 2; i++) { /* its files are open from now on */
        struct weir_slice batch =
            healthy_batch(&server, &(struct healthy_batch){.value = weir_text("first")});
        ck_assert_int_eq(healthy_produce(&server, peer, "victim", i, batch), 0);
    }
    peer_close(peer);
    healthy_begin(&healthy, &server);
}

static void begin(void)
{
    begin_with(NULL);
}

/* What a test claims in the end, whatever it has done: nothing is left of it. */
static void end(void)
{
    healthy_expect_calm(&healthy, 48LL * MIB);
    ck_assert_int_eq(healthy_log_end(&server, "victim", 0), 1);
    ck_assert_int_eq(healthy_log_end(&server, "victim", 1), 1);
    healthy_end(&healthy);
    hostile_end(&server);
}

/* Sent on a connection of its own it is answered by the connection's end, and by nothing else. */
static void expect_close(const void *bytes, size_t size)
{
    int peer = peer_open(&server);
    (void)peer_send(peer, bytes, size);
    ck_assert_uint_eq(peer_expect_end(peer), 0);
    peer_close(peer);
}

/* A Produce 9 of one good batch to the victim. */
static void encode_produce(struct weir_buffer *bytes)
{
    struct weir_wire_produce_request request;
    struct weir_wire_produce_request_partition_produce_data data = {
        .records =
            healthy_batch(&server, &(struct healthy_batch){.value = weir_text("not for the log")})};
    struct weir_wire_produce_request_topic_produce_data topic = {
        .name = weir_text("victim"), .partition_data = &data, .partition_data_count = 1};
    weir_wire_produce_request_init(&request);
    request.acks = -1;
    request.timeout_ms = 1000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    weir_buffer_reset(bytes);
    peer_encode(bytes, &weir_wire_produce_request_type, 9, 1, &request);
}

/* ---- N1: cut, dribbled, abandoned ------------------------------------------------------------ */

/* A produce that ends at any byte, by an end or by a reset, appends nothing. */
START_TEST(a_frame_cut_at_every_byte_appends_nothing)
{
    struct weir_buffer bytes;
    begin();
    weir_buffer_init(&bytes, &server.budget, 0);
    encode_produce(&bytes);
    for (size_t size = 0; size < bytes.size; size++) {
        int peer = peer_open(&server);
        ck_assert(peer_send(peer, bytes.data, size));
        if (size % 2 == 0) {
            peer_reset(peer);
        } else {
            peer_close(peer);
        }
    }
    weir_buffer_close(&bytes);
    end();
}
END_TEST

/* Half a frame and then nothing, half open or not, is cut off by its deadline; so is a header that
 * comes a byte at a time. */
START_TEST(what_dribbles_is_cut_off)
{
    static const uint8_t mebibyte[64] = {0x00, 0x10, 0, 0, 0, 0, 0, 9};
    static const uint8_t nearly_all[64] = {0x06, 0x3f, 0, 0, 0, 0, 0, 9};
    static const char *const settings[] = {"request.read.timeout.ms=300", NULL};
    begin_with(settings);
    int peers[4];
    for (int i = 0; i < 4; i++) {
        peers[i] = peer_open(&server);
    }
    ck_assert(peer_send(peers[0], mebibyte, sizeof mebibyte));
    ck_assert(peer_send(peers[1], nearly_all, sizeof nearly_all));
    ck_assert(peer_send(peers[2], mebibyte, 1));
    for (size_t at = 0; peer_push(peers[3], mebibyte + at, 1) >= 0; at = (at + 1) % 64) {
        healthy_work(&healthy, 1); /* the pace of a dribble */
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(peer_expect_end(peers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        peer_close(peers[i]);
    }
    end();
}
END_TEST

/* ---- N2: sizes ------------------------------------------------------------------------------- */

/* A size that is none is refused at once; a TLS hello and a web browser are named in the log. */
START_TEST(sizes_that_are_none_are_refused)
{
    static const uint8_t sizes[][4] = {{0, 0, 0, 0},
                                       {0, 0, 0, 1},
                                       {0, 0, 0, 9},
                                       {0xff, 0xff, 0xff, 0xff},
                                       {0x80, 0, 0, 0},
                                       {0x06, 0x40, 0, 1},
                                       {0x7f, 0xff, 0xff, 0xff}};
    static const uint8_t hello[] = {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03};
    static const char browser[] = "GET / HTTP/1.1\r\nHost: weir\r\n\r\n";
    begin();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        expect_close(sizes[i], sizeof sizes[i]);
    }
    expect_close(hello, sizeof hello);
    expect_close(browser, sizeof browser - 1);
    ck_assert_int_ge(hostile_log_lines(&server, "connection_killed"), 1);
    end();
}
END_TEST

/* A thousand offences make a line a second and a shard at most, not a thousand. */
START_TEST(offences_do_not_fill_the_log)
{
    static const uint8_t nothing[4] = {0};
    begin();
    time_t before = time(NULL);
    for (int i = 0; i < 1000; i++) {
        expect_close(nothing, sizeof nothing);
    }
    int seconds = (int)(time(NULL) - before) + 2;
    ck_assert_int_le(hostile_log_lines(&server, "connection_killed"), seconds * HOSTILE_SHARDS);
    end();
}
END_TEST

/* ---- N3, N4: counts, lengths, varints, tags -------------------------------------------------- */

/* A frame: key, version, correlation id 1, client "x", then the body (of a flexible version: behind
 * no tags, unless the body brings its own). */
struct bent {
    int16_t key;
    int16_t version;
    bool has_own_tags;
    const char *body;
    size_t size;
};

static void expect_bent_close(const struct bent *bent, bool is_flexible)
{
    uint8_t frame[256] = {0};
    size_t at = 12;
    weir_store_u16(frame + 4, (uint16_t)bent->key);
    weir_store_u16(frame + 6, (uint16_t)bent->version);
    weir_store_u32(frame + 8, 1);
    memcpy(frame + at, "\0\1x", 3);
    at += 3;
    if (is_flexible && !bent->has_own_tags) frame[at++] = 0;
    memcpy(frame + at, bent->body, bent->size);
    at += bent->size;
    weir_store_u32(frame, (uint32_t)at - 4);
    expect_close(frame, at);
}

#define BENT(key, version, body)                                                                   \
    {                                                                                              \
        key, version, false, body, sizeof body - 1                                                 \
    }
#define BENT_TAGS(key, version, body)                                                              \
    {                                                                                              \
        key, version, true, body, sizeof body - 1                                                  \
    }

/* Counts and lengths that are negative, larger than what is left, or overflow are refused, in the
 * header and in bodies. */
START_TEST(counts_that_lie_are_refused)
{
    static const struct bent plain[] = {
        BENT(3, 4, "\x7f\xff\xff\xff"),                         /* topics: 2^31 - 1 */
        BENT(3, 4, "\xff\xff\xff\xfe"),                         /* topics: -2 */
        BENT(3, 4, "\0\0\0\1\xff\xff"),                         /* a name that is null */
        BENT(3, 4, "\0\0\0\1\x7f\xff"),                         /* a name beyond the end */
        BENT(3, 4, "\0\0\0\1\x80\x00"),                         /* a name of -32768 */
        BENT(0, 3, "\xff\xff\xff\xff\0\0\0\0\x40\0\0\0"),       /* produce: 2^30 topics */
        BENT(1, 4, "\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0"), /* fetch: cut */
        BENT(19, 2, "\x10\0\0\0"),                              /* create topics: 2^28 */
        BENT(2, 1, "\xff\xff\xff\xff\xff\xff\xff\xff"),         /* list offsets: no null there */
    };
    static const struct bent flexible[] = {
        BENT(3, 9, "\xff\xff\xff\xff\x0f"),         /* 2^32 - 2 topics */
        BENT(3, 9, "\xff\xff\xff\xff\xff\x0f"),     /* a varint of 6 bytes */
        BENT(3, 9, "\x80\x80\x80\x80\x80\x80\x80"), /* that does not end */
        BENT(3, 9, "\xff\xff\xff\xff\x1f"),         /* over 32 bits */
        BENT(3, 9, "\2\xff\xff\xff\xff\x0f"),       /* a name of 2^32 - 2 */
        BENT(3, 9, "\2\0"),                         /* a name that is null */
        BENT(18, 3, "\0\0\0"),                      /* null strings that may not be */
    };
    begin();
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        expect_bent_close(&plain[i], false);
    }
    for (size_t i = 0; i < sizeof flexible / sizeof flexible[0]; i++) {
        expect_bent_close(&flexible[i], true);
    }
    end();
}
END_TEST

/* Tagged fields by the million, twice the same, out of order, or larger than the frame are refused,
 * in the header and in the body. */
START_TEST(tags_that_lie_are_refused)
{
    static const struct bent bents[] = {
        BENT_TAGS(3, 9, "\xff\xff\xff\xff\x0f"),          /* header: 2^32 - 1 tags */
        BENT_TAGS(3, 9, "\x80\xad\xe2\x04"),              /* 10,000,000 */
        BENT_TAGS(3, 9, "\1\0\xff\xff\xff\x7f"),          /* one of 256 MB */
        BENT_TAGS(3, 9, "\2\5\0\5\0\1\0\0\0"),            /* the same twice */
        BENT_TAGS(3, 9, "\2\5\0\4\0\1\0\0\0"),            /* out of order */
        BENT(3, 9, "\1\0\0\0\xff\xff\xff\xff\x0f"),       /* body: 2^32 - 1 tags */
        BENT(3, 9, "\1\0\0\0\2\5\0\5\0"),                 /* the same twice */
        BENT(3, 9, "\1\0\0\0\2\5\0\4\0"),                 /* out of order */
        BENT(3, 9, "\1\0\0\0\1\0\xff\xff\xff\xff\x0f"),   /* one larger than the frame */
        BENT(3, 9, "\1\0\0\0\1\x80\x80\x80\x80\x80\1\0"), /* a number of six bytes */
    };
    begin();
    for (size_t i = 0; i < sizeof bents / sizeof bents[0]; i++) {
        expect_bent_close(&bents[i], true);
    }
    end();
}
END_TEST

/* Millions of empty tagged fields in 40 MB of a request's header (CVE-2026-111115) cost what the
 * frame costs and end the connection. */
START_TEST(a_header_of_tags_costs_no_more_than_its_frame)
{
    enum { SIZE = 40 * MIB };
    static uint8_t frame[SIZE];
    begin();
    weir_store_u32(frame, SIZE - 4);
    memcpy(frame + 4, "\0\3\0\x09\0\0\0\1\0\1x", 11);
    memcpy(frame + 15, "\x80\xad\xe2\x03", 4);     /* 7,902,848 */
    for (size_t at = 19; at + 5 < SIZE; at += 5) { /* numbers of three bytes, sizes of one */
        size_t tag = (at - 19) / 5;
        frame[at] = (uint8_t)(0x80 | (tag & 0x7f));
        frame[at + 1] = (uint8_t)(0x80 | (tag >> 7 & 0x7f));
        frame[at + 2] = (uint8_t)(0x80 | (tag >> 14 & 0x7f));
        frame[at + 3] = (uint8_t)(tag >> 21);
    }
    expect_close(frame, SIZE);
    end();
}
END_TEST

/* Any request with any one byte changed, or its tail cut with a size that fits, leaves a server
 * that serves. */
START_TEST(any_bent_byte_leaves_a_server)
{
    struct weir_test_random random = {2026};
    static const char *const settings[] = {"auto.create.topics.enable=false", NULL};
    struct weir_buffer bytes;
    begin_with(settings);
    weir_buffer_init(&bytes, &server.budget, 0);
    for (int i = 0; i < 3000; i++) {
        encode_produce(&bytes);
        /* neither the crc nor what it covers may be hit in a way that fits: bend what is before */
        size_t at = 4 + (size_t)weir_test_random_below(&random, 40);
        bytes.data[at] ^= (uint8_t)(1 + weir_test_random_below(&random, 255));
        bytes.data[bytes.size - 6] ^= 0x55; /* and the batch is damaged in any case */
        int peer = peer_open(&server);
        (void)peer_send(peer, bytes.data, bytes.size);
        if (i % 2 == 0) {
            (void)peer_has_ended(peer);
        }
        peer_close(peer);
    }
    weir_buffer_close(&bytes);
    end();
}
END_TEST

/* ---- N5: keys and versions ------------------------------------------------------------------- */

/* A key or a version that is not served ends the connection, but ApiVersions is answered in version
 * 0 with what there is (35), and the connection goes on. */
START_TEST(what_is_not_served_is_refused_by_kind)
{
    static const struct bent bents[] = {BENT(999, 0, ""), BENT(-1, 0, ""),     BENT(4, 0, ""),
                                        BENT(6, 0, ""),   BENT(27, 0, ""),     BENT(56, 0, ""),
                                        BENT(3, 99, ""),  BENT(3, -1, ""),     BENT(0, 2, ""),
                                        BENT(1, 3, ""),   BENT(0, 0x7fff, ""), BENT(52, 0, "")};
    struct weir_wire_api_versions_response response;
    struct weir_wire_api_versions_request request;
    struct weir_buffer bytes;
    begin();
    for (size_t i = 0; i < sizeof bents / sizeof bents[0]; i++) {
        expect_bent_close(&bents[i], false);
    }
    int peer = peer_open(&server);
    weir_wire_api_versions_request_init(&request);
    weir_buffer_init(&bytes, &server.budget, 0);
    request.client_software_name = request.client_software_version = weir_text("x");
    peer_encode(&bytes, &weir_wire_api_versions_request_type, 3, 1, &request);
    weir_store_u16(bytes.data + 6, 77);
    ck_assert(peer_send(peer, bytes.data, bytes.size));
    peer_decode(&server, &weir_wire_api_versions_response_type, 0, peer_frame(&server, peer),
                &response);
    ck_assert_int_eq(response.error_code, 35);
    ck_assert_uint_eq(response.api_keys_count, 1);
    ck_assert_int_eq(response.api_keys[0].api_key, 18);
    peer_call(&server, peer, PEER_EXCHANGE(api_versions, 3), &request, &response);
    ck_assert_int_eq(response.error_code, 0);
    peer_close(peer);
    weir_buffer_close(&bytes);
    end();
}
END_TEST

/* ---- N11: a client that says it is a broker -------------------------------------------------- */

/* A fetch in the name of a replica is refused with CLUSTER_AUTHORIZATION_FAILED, in each form. */
START_TEST(a_forged_replica_gets_nothing)
{
    static const int16_t versions[] = {4, 7, 11, 12, 14, 15, 17};
    struct weir_wire_fetch_request_fetch_partition partition = {
        .current_leader_epoch = -1, .last_fetched_epoch = -1, .partition_max_bytes = MIB};
    struct weir_wire_fetch_request_fetch_topic topic = {
        .topic = weir_text("healthy"), .partitions = &partition, .partitions_count = 1};
    begin();
    int peer = peer_open(&server);
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        struct weir_wire_fetch_request request;
        struct weir_wire_fetch_response response;
        weir_wire_fetch_request_init(&request);
        request.max_bytes = MIB;
        request.topics = &topic;
        request.topics_count = 1;
        if (versions[i] >= 15) {
            request.replica_state.replica_id = 0;
            request.replica_state.replica_epoch = 1;
        } else {
            request.replica_id = 1;
        }
        peer_call(&server, peer, PEER_EXCHANGE(fetch, versions[i]), &request, &response);
        if (versions[i] >= 7) {
            ck_assert_int_eq(response.error_code, 31);
        } else {
            ck_assert_int_eq(response.responses[0].partitions[0].error_code, 31);
            ck_assert_uint_eq(response.responses[0].partitions[0].records.size, 0);
        }
    }
    peer_close(peer);
    end();
}
END_TEST

static void add(Suite *suite)
{
    TCase *cut = tcase_create("cut");
    tcase_add_test(cut, a_frame_cut_at_every_byte_appends_nothing);
    tcase_add_test(cut, what_dribbles_is_cut_off);
    suite_add_tcase(suite, cut);
    TCase *bent = tcase_create("bent");
    tcase_add_test(bent, sizes_that_are_none_are_refused);
    tcase_add_test(bent, offences_do_not_fill_the_log);
    tcase_add_test(bent, counts_that_lie_are_refused);
    tcase_add_test(bent, tags_that_lie_are_refused);
    tcase_add_test(bent, a_header_of_tags_costs_no_more_than_its_frame);
    tcase_add_test(bent, any_bent_byte_leaves_a_server);
    suite_add_tcase(suite, bent);
    TCase *unknown = tcase_create("unknown");
    tcase_add_test(unknown, what_is_not_served_is_refused_by_kind);
    tcase_add_test(unknown, a_forged_replica_gets_nothing);
    suite_add_tcase(suite, unknown);
}

int main(void)
{
    return weir_test_main("hostile frames", add);
}
