/* A thousand clients that are slow, deaf or gone: RELIABILITY.md 2.2, N1 and N9. */
#include "base/bytes.h"
#include "tests/hostile/healthy.h"
#include "wire/generated/fetch_request.h"

enum { MIB = 1024 * 1024, STORM = 1000 };

static struct hostile_server server;
static struct healthy healthy;
static int peers[STORM];

static void begin(const char *const *settings)
{
    hostile_begin(&server, settings);
}

static void open_all(int (*open)(const struct hostile_server *server))
{
    for (int i = 0; i < STORM; i++) {
        peers[i] = open(&server);
    }
}

static void close_all(void)
{
    for (int i = 0; i < STORM; i++) {
        peer_close(peers[i]);
    }
}

/* While the storm lasts the healthy client is served and memory stays below its bound; it ends by the
 * server's own doing, and leaves nothing. */
static void weather(int64_t memory_during, int64_t memory_after)
{
    for (int i = 0; i < 10; i++) {
        healthy_work(&healthy, 10);
        ck_assert_int_le(hostile_memory(&server),
                         hostile_memory_bound(healthy.memory + memory_during));
    }
    healthy_expect_calm(&healthy, memory_after);
    close_all();
    healthy_work(&healthy, 10);
    healthy_end(&healthy);
    hostile_end(&server);
}

/* ---- slow ------------------------------------------------------------------------------------ */

/* A frame's beginning: `declared` bytes of a Produce 9. */
static void send_start(int peer, uint32_t declared, size_t sent)
{
    static uint8_t bytes[MIB];
    weir_store_u32(bytes, declared);
    weir_store_u32(bytes + 4, 9);
    ck_assert(peer_send(peer, bytes, sent));
}

/* Headers a byte or some long, 100 MB of which 2 KB come, 1 MB of which half comes: they cost what
 * they have sent, and are cut off. */
START_TEST(a_thousand_slow_senders_cost_what_they_send)
{
    static const char *const settings[] = {"request.read.timeout.ms=4000", "flush.policy=os", NULL};
    begin(settings);
    healthy_begin(&healthy, &server);
    open_all(peer_open);
    for (int i = 0; i < STORM; i++) {
        if (i % 10 == 0) {
            send_start(peers[i], 1000000, 500000);
        } else if (i % 2 == 0) {
            send_start(peers[i], 100000000, 2000);
        } else {
            send_start(peers[i], 1000000, 1 + (size_t)i % 13);
        }
    }
    /* 100 halves in room of twice their size, 16 KiB for each of the others, and what is read */
    weather(100 * MIB + 64 * MIB, 96 * MIB);
}
END_TEST

/* The same with as much as all room for frames holds: a healthy client's small requests pass. */
START_TEST(half_frames_that_take_all_room_do_not_stop_small_requests)
{
    static const char *const settings[] = {"request.read.timeout.ms=4000",
                                           "queued.max.request.bytes=8388608", "flush.policy=os",
                                           NULL};
    begin(settings);
    healthy_begin(&healthy, &server);
    open_all(peer_open);
    static uint8_t bytes[100000];
    weir_store_u32(bytes, 4 * MIB);
    weir_store_u32(bytes + 4, 9);
    for (int i = 0; i < STORM; i++) {
        (void)peer_push(peers[i], bytes, sizeof bytes);
    }
    weather(64 * MIB, 64 * MIB);
}
END_TEST

/* ---- deaf ------------------------------------------------------------------------------------ */

enum { PARTITIONS = 32, BATCH_SIZE = 30000 };

/* 2 MiB in each of 32 partitions, so that what is read at their beginning is read from the disk. */
static void fill_bulk(void)
{
    static uint8_t value[BATCH_SIZE];
    struct weir_slice batch =
        healthy_batch(&server, &(struct healthy_batch){.value = weir_slice(value, sizeof value)});
    healthy_create_topic(&server, "bulk", PARTITIONS);
    int peer = peer_open(&server);
    for (int i = 0; i < 70 * PARTITIONS; i++) {
        ck_assert_int_eq(healthy_produce(&server, peer, "bulk", i % PARTITIONS, batch), 0);
    }
    peer_close(peer);
}

/* Fetch 12 of all partitions of bulk, `partition_bytes` of each. */
static void encode_fetch(struct weir_buffer *bytes, int32_t partition_bytes)
{
    struct weir_wire_fetch_request request;
    struct weir_wire_fetch_request_fetch_partition partitions[PARTITIONS];
    struct weir_wire_fetch_request_fetch_topic topic = {
        .topic = weir_text("bulk"), .partitions = partitions, .partitions_count = PARTITIONS};
    weir_wire_fetch_request_init(&request);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        partitions[i] = (struct weir_wire_fetch_request_fetch_partition){.partition = i,
                                                                         .current_leader_epoch = -1,
                                                                         .last_fetched_epoch = -1,
                                                                         .log_start_offset = -1,
                                                                         .partition_max_bytes =
                                                                             partition_bytes};
    }
    request.max_bytes = 512 * MIB;
    request.session_epoch = -1;
    request.topics = &topic;
    request.topics_count = 1;
    peer_encode(bytes, &weir_wire_fetch_request_type, 12, 1, &request);
}

/* Whole requests in a row; the server may stop reading in the middle. */
static void push_repeated(int peer, struct weir_slice request, int count)
{
    for (int i = 0; i < count; i++) {
        if (peer_push(peer, request.data, request.size) < (int64_t)request.size) return;
    }
}

/* Pipelines of ApiVersions, of fetches of memory and of fetches of files, whose answers nobody
 * takes: they are held at a bound, and cut off. */
START_TEST(a_thousand_deaf_readers_are_held_at_a_bound)
{
    static const uint8_t versions[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff};
    static const char *const settings[] = {
        "response.write.timeout.ms=4000",
        "connections.max.idle.ms=5000", /* all fits in the system */
        "queued.max.response.bytes=16777216", "flush.policy=os", NULL};
    struct weir_buffer small;
    struct weir_buffer large;
    begin(settings);
    weir_buffer_init(&small, &server.budget, 0);
    weir_buffer_init(&large, &server.budget, 0);
    fill_bulk();
    encode_fetch(&small, BATCH_SIZE + 1000);
    encode_fetch(&large, 64 * MIB);
    healthy_begin(&healthy, &server);
    open_all(peer_open_narrow);
    for (int i = 0; i < STORM; i++) {
        if (i % 20 == 0) healthy_work(&healthy, 1);
        if (i % 3 == 0) {
            push_repeated(peers[i], weir_slice(versions, sizeof versions), 5000);
        } else {
            push_repeated(peers[i], weir_buffer_slice(i % 3 == 1 ? &small : &large), 100);
        }
    }
    /* of each: 64 requests in line with their frames, 64 answers, and what it reads with; of each
     * shard: 16 MiB of records that are not sent */
    weather(384 * MIB, 128 * MIB);
    weir_buffer_close(&small);
    weir_buffer_close(&large);
}
END_TEST

/* ---- gone ------------------------------------------------------------------------------------ */

/* Connections that come, ask for something and are reset in its middle, by the thousand. */
START_TEST(resets_leave_nothing)
{
    static const char *const settings[] = {"flush.policy=os", NULL};
    struct weir_buffer fetch;
    begin(settings);
    weir_buffer_init(&fetch, &server.budget, 0);
    fill_bulk();
    encode_fetch(&fetch, 64 * MIB);
    healthy_begin(&healthy, &server);
    for (int i = 0; i < 3 * STORM; i++) {
        int peer = peer_open_narrow(&server);
        size_t size = i % 2 == 0 ? fetch.size : fetch.size * (size_t)(i % 97) / 97;
        ck_assert(peer_send(peer, fetch.data, size));
        if (i % 100 == 0) healthy_work(&healthy, 1); /* time for some to be answered */
        peer_reset(peer);
    }
    weir_buffer_close(&fetch);
    healthy_expect_calm(&healthy, 96 * MIB);
    healthy_end(&healthy);
    hostile_end(&server);
}
END_TEST

static void add(Suite *suite)
{
    TCase *slow = tcase_create("slow");
    tcase_add_test(slow, a_thousand_slow_senders_cost_what_they_send);
    tcase_add_test(slow, half_frames_that_take_all_room_do_not_stop_small_requests);
    suite_add_tcase(suite, slow);
    TCase *deaf = tcase_create("deaf");
    tcase_add_test(deaf, a_thousand_deaf_readers_are_held_at_a_bound);
    suite_add_tcase(suite, deaf);
    TCase *gone = tcase_create("gone");
    tcase_add_test(gone, resets_leave_nothing);
    suite_add_tcase(suite, gone);
}

int main(void)
{
    return weir_test_main("hostile storms", add);
}
