/* The Kafka port through real sockets: what produce and fetch cost the server. */
#include "bench/bench_serve.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hash.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/produce_request.h"
#include "wire/generated/produce_response.h"
#include "wire/record_batch.h"

/* ---- requests ----------------------------------------------------------------------------------- */

void bench_make_batch(struct weir_budget *budget, size_t size, size_t record_size,
                      struct weir_buffer *batch_out, int32_t *record_count_out)
{
    struct weir_batch_builder builder;
    struct weir_batch_finish finish = WEIR_BATCH_FINISH_NONE;
    struct weir_slice bytes;
    uint8_t *value = malloc(record_size);
    memset(value, 'v', record_size);
    weir_batch_builder_init(&builder, budget, WEIR_CODEC_NONE, WEIR_CODEC_LEVEL_DEFAULT);
    do {
        /* One alone has a key, so that a compacted topic takes it. */
        struct weir_record record = {.key = size == 0 ? weir_text("k") : weir_null(),
                                     .value = weir_slice(value, record_size),
                                     .timestamp_ms = 1700000000000};
        BENCH_TRY(weir_batch_builder_add(&builder, &record), NULL);
    } while (weir_batch_builder_size(&builder) + record_size + 20 < size);
    *record_count_out = builder.record_count;
    BENCH_TRY(weir_batch_builder_finish(&builder, &finish, &bytes), NULL);
    weir_buffer_init(batch_out, budget, 0);
    weir_buffer_append(batch_out, bytes.data, bytes.size);
    weir_batch_builder_close(&builder);
    free(value);
}

void bench_produce_frame(struct bench_client *client, const char *topic, int32_t partition,
                         int16_t acks, struct weir_slice batch, struct weir_buffer *frame_out)
{
    const struct weir_wire_produce_request_partition_produce_data data[] = {
        {.index = partition, .records = batch}};
    const struct weir_wire_produce_request_topic_produce_data topics[] = {
        {.name = weir_text(topic), .partition_data = data, .partition_data_count = 1}};
    struct weir_wire_produce_request request;
    weir_wire_produce_request_init(&request);
    request.acks = acks;
    request.timeout_ms = 30000;
    request.topic_data = topics;
    request.topic_data_count = 1;
    weir_buffer_init(frame_out, &client->budget, 0);
    bench_client_frame(client, &weir_wire_produce_request_type, 9, &request, frame_out);
}

void bench_check_produced(struct bench_client *client, struct weir_slice response)
{
    struct weir_wire_produce_response answer;
    struct weir_error error = {0};
    weir_arena_reset(&client->arena);
    BENCH_TRY(weir_message_decode_whole(&weir_wire_produce_response_type, &answer, 9,
                                        weir_slice(response.data + 5, response.size - 5),
                                        &client->arena, &error),
              &error);
    int16_t code = answer.responses[0].partition_responses[0].error_code;
    if (code != 0) {
        bench_note("a produce was answered with error %d", code);
        bench_fail("produce", WEIR_IO, NULL);
    }
}

void bench_fetch_frame(struct bench_client *client, const struct bench_fetch *fetch,
                       struct weir_buffer *frame_out)
{
    const struct weir_wire_fetch_request_fetch_partition partitions[] = {
        {.partition = fetch->partition,
         .current_leader_epoch = -1,
         .fetch_offset = fetch->offset,
         .last_fetched_epoch = -1,
         .log_start_offset = -1,
         .partition_max_bytes = fetch->size_max}};
    const struct weir_wire_fetch_request_fetch_topic topics[] = {
        {.topic = weir_text(fetch->topic), .partitions = partitions, .partitions_count = 1}};
    struct weir_wire_fetch_request request;
    weir_wire_fetch_request_init(&request);
    request.max_wait_ms = fetch->wait_ms;
    request.min_bytes = fetch->size_min;
    request.max_bytes = fetch->size_max;
    request.session_epoch = -1;
    request.topics = topics;
    request.topics_count = 1;
    bench_client_frame(client, &weir_wire_fetch_request_type, 11, &request, frame_out);
}

void bench_stream(struct bench_client *client, const struct weir_buffer *frames, size_t frame_count,
                  int64_t count, int in_flight)
{
    int64_t sent = 0;
    for (int64_t done = 0; done < count; done++) {
        while (sent < count && sent - done < in_flight) {
            const struct weir_buffer *frame = &frames[(size_t)sent % frame_count];
            bench_client_send(client, frame->data, frame->size);
            sent++;
        }
        bench_check_produced(client, bench_client_receive(client));
    }
}

/* ---- floors: the same bytes, and nothing but the system calls that they cannot do without ------- */

static bool receive_all(int from, uint8_t *to, size_t size)
{
    while (size > 0) {
        ssize_t got = recv(from, to, size, 0);
        if (got <= 0) return false;
        to += got;
        size -= (size_t)got;
    }
    return true;
}

/* Receive, crc, write into the page cache, acknowledge. */
static void serve_produce_floor(int from)
{
    static uint8_t frame[1 << 18];
    char path[300];
    uint8_t ack[64] = {0, 0, 0, 60};
    (void)snprintf(path, sizeof path, "%s/floor", bench_directory());
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    off_t at = 0;
    while (receive_all(from, frame, 4)) {
        uint32_t size = weir_load_u32(frame);
        if (size > sizeof frame || !receive_all(from, frame, size)) break;
        if (weir_crc32c(0, frame, size) == 1) ack[8] = 1;
        if (pwrite(file, frame, size, at) < 0) break;
        at += size;
        if (send(from, ack, sizeof ack, MSG_NOSIGNAL) < 0) break;
    }
    (void)close(file);
    (void)unlink(path);
}

/* One range of a file per request, which begins with its size: as a log has them, batch by batch, so that
 * they begin and end anywhere in a page and their file was not written in large pieces. */
enum { FETCH_SIZE = 1 << 20, FETCH_FILE_SIZE = 256 << 20 };
static size_t floor_batch_size; /* set before the floor is forked */

static void serve_fetch_floor(int from)
{
    static uint8_t bytes[FETCH_SIZE];
    uint8_t frame[512], head[64] = {0};
    char path[300];
    (void)snprintf(path, sizeof path, "%s/floor", bench_directory());
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (off_t at = 0; at < FETCH_FILE_SIZE; at += (off_t)floor_batch_size) {
        if (pwrite(file, bytes, floor_batch_size, at) < 0) return;
    }
    off_t at = 0;
    while (receive_all(from, frame, 4) && receive_all(from, frame, weir_load_u32(frame) & 511)) {
        size_t size = weir_load_u32(frame) / floor_batch_size * floor_batch_size;
        weir_store_u32(head, (uint32_t)(60 + size));
        if (send(from, head, sizeof head, MSG_NOSIGNAL | MSG_MORE) < 0) break;
        for (size_t left = size; left > 0;) {
            ssize_t sent = sendfile(from, file, &at, left);
            if (sent <= 0) break;
            left -= (size_t)sent;
        }
        if (at + FETCH_SIZE > FETCH_FILE_SIZE) at = 0;
    }
    (void)close(file);
    (void)unlink(path);
}

/* ---- produce ------------------------------------------------------------------------------------ */

struct produce_case {
    const char *name;
    size_t size;
    size_t record_size;
    int64_t count;
    double goal;
    bool is_per_request; /* us each, else s/GB */
};

/* The floor's answers are not Kafka's. */
static void stream_floor(struct bench_client *client, const struct weir_buffer *frame,
                         int64_t count, int in_flight)
{
    int64_t sent = 0;
    for (int64_t done = 0; done < count; done++) {
        for (; sent < count && sent - done < in_flight; sent++)
            bench_client_send(client, frame->data, frame->size);
        (void)bench_client_receive(client);
    }
}

enum { ROUNDS = 7, IN_FLIGHT = 5 };

struct produce_costs {
    double server[ROUNDS];
    double floor[ROUNDS];
};

/* CPU of both in the case's unit, in turns, so that what else the machine does falls on both alike. */
static struct produce_costs produce_costs(const struct bench_server *server,
                                          struct bench_client *client,
                                          const struct weir_buffer *frame,
                                          const struct produce_case *produce)
{
    struct produce_costs costs;
    struct bench_server floor;
    struct bench_client floor_client;
    int64_t count = produce->count / ROUNDS;
    double units =
        produce->is_per_request ? (double)count / 1e6 : (double)frame->size * (double)count / 1e9;
    bench_floor_start(&floor, serve_produce_floor);
    bench_client_open(&floor_client, &floor);
    for (int round = -1; round < ROUNDS; round++) { /* the first is for warming up */
        double wall = bench_wall();
        double from = bench_server_cpu(server);
        bench_stream(client, frame, 1, count, IN_FLIGHT);
        double between = bench_server_cpu(server);
        if (round >= 0) bench_measured(produce->name, wall);
        double floor_from = bench_server_cpu(&floor);
        stream_floor(&floor_client, frame, count, IN_FLIGHT);
        if (round < 0) continue;
        costs.server[round] = (between - from) / units;
        costs.floor[round] = (bench_server_cpu(&floor) - floor_from) / units;
    }
    bench_client_close(&floor_client);
    bench_server_stop(&floor, SIGKILL);
    return costs;
}

static double median(double *values, size_t count)
{
    return bench_quantile_us(values, count, 0.5) / 1e6;
}

void bench_serve_produce(void)
{
    static const struct produce_case cases[] = {
        {"produce, 64 KB batches of 100 B", 65536, 90, 16000, 0.9, false},
        {"produce, 16 KB batches of 100 B", 16384, 90, 48000, 1.3, false},
        {"produce, one record of 1 KB a request", 0, 1000, 200000, 15, true},
    };
    char data[300];
    struct bench_server server;
    struct bench_client client;
    (void)snprintf(data, sizeof data, "%s/data", bench_directory());
    bench_pin(1);
    bench_server_start(&server, data, NULL);
    bench_client_open(&client, &server);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_buffer batch, frame;
        int32_t records;
        char topic[32];
        (void)snprintf(topic, sizeof topic, "produce-%zu", i);
        bench_client_create_topic(&client, topic, 1, "os");
        bench_make_batch(&client.budget, cases[i].size, cases[i].record_size, &batch, &records);
        bench_produce_frame(&client, topic, 0, 1, weir_buffer_slice(&batch), &frame);
        struct produce_costs costs = produce_costs(&server, &client, &frame, &cases[i]);
        double value = median(costs.server, ROUNDS);
        double least = median(costs.floor, ROUNDS);
        bench_row(&(struct bench_row){cases[i].name, value,
                                      cases[i].is_per_request ? "CPU us" : "CPU s/GB",
                                      cases[i].goal, true, least});
    }
    double resident = (double)bench_server_resident(&server) / 1e6;
    bench_row(&(struct bench_row){"resident after that load", resident, "MB", 128, true, 0});
    bench_client_close(&client);
    bench_server_stop(&server, SIGTERM);
}

/* ---- fetch -------------------------------------------------------------------------------------- */

/* Read the topic from end to end, `rounds` times; CPU s/GB of the server. */
static double fetch_cost(const struct bench_server *server, struct bench_client *client,
                         size_t batch_size, int32_t records, int64_t batches, int32_t size_max)
{
    struct weir_buffer frame;
    double from = 0, wall = 0, bytes = 0;
    weir_buffer_init(&frame, &client->budget, 0);
    for (int round = 0; round < 5; round++) {
        if (round == 1) wall = bench_wall(), from = bench_server_cpu(server), bytes = 0;
        for (int64_t at = 0; at < batches;) {
            bench_fetch_frame(client,
                              &(struct bench_fetch){.topic = "fetch",
                                                    .offset = at * records,
                                                    .size_min = 1,
                                                    .wait_ms = 1000,
                                                    .size_max = size_max},
                              &frame);
            bench_client_send(client, frame.data, frame.size);
            size_t size = bench_client_skip(client);
            if (size < batch_size) bench_fail("a fetch gave no batch", WEIR_END, NULL);
            at += (int64_t)(size / batch_size);
            bytes += (double)size;
        }
    }
    bench_measured(size_max < FETCH_SIZE ? "64 KB ranges" : "1 MiB ranges", wall);
    weir_buffer_close(&frame);
    return (bench_server_cpu(server) - from) / (bytes / 1e9);
}

static double fetch_floor(uint32_t size, size_t batch_size)
{
    struct bench_server floor;
    struct bench_client client;
    uint8_t request[64] = {0, 0, 0, 60};
    double from = 0, bytes = 0;
    floor_batch_size = batch_size;
    int count = (int)(1280LL * FETCH_SIZE / size);
    weir_store_u32(request + 4, size);
    bench_floor_start(&floor, serve_fetch_floor);
    bench_client_open(&client, &floor);
    for (int i = 0; i < count; i++) {
        if (i == count / 5) from = bench_server_cpu(&floor), bytes = 0;
        bench_client_send(&client, request, sizeof request);
        bytes += (double)bench_client_skip(&client);
    }
    double cpu = bench_server_cpu(&floor) - from;
    bench_client_close(&client);
    bench_server_stop(&floor, SIGKILL);
    return cpu / (bytes / 1e9);
}

void bench_serve_fetch(void)
{
    char data[300];
    struct bench_server server;
    struct bench_client client;
    struct weir_buffer batch, frame;
    int32_t records;
    (void)snprintf(data, sizeof data, "%s/data", bench_directory());
    bench_pin(1);
    bench_server_start(&server, data, NULL);
    bench_client_open(&client, &server);
    bench_client_create_topic(&client, "fetch", 1, "os");
    bench_make_batch(&client.budget, 65536, 90, &batch, &records);
    bench_produce_frame(&client, "fetch", 0, 1, weir_buffer_slice(&batch), &frame);
    int64_t batches = FETCH_FILE_SIZE / (int64_t)batch.size;
    bench_stream(&client, &frame, 1, batches, 5);
    double floor = fetch_floor(FETCH_SIZE, batch.size);
    double small_floor = fetch_floor(65536, batch.size);
    double large = fetch_cost(&server, &client, batch.size, records, batches, FETCH_SIZE);
    double small = fetch_cost(&server, &client, batch.size, records, batches, 65536);
    bench_row(
        &(struct bench_row){"fetch, hot, 1 MiB ranges", large, "CPU s/GB", 0.25, true, floor});
    bench_row(&(struct bench_row){"fetch, hot, 64 KB ranges", small, "CPU s/GB", 0.25, true,
                                  small_floor});
    double resident = (double)bench_server_resident(&server) / 1e6;
    bench_row(&(struct bench_row){"resident after that load", resident, "MB", 128, true, 0});
    bench_client_close(&client);
    bench_server_stop(&server, SIGTERM);
}

/* ---- partitions ---------------------------------------------------------------------------------- */

static double cost_over_partitions(const struct bench_server *server, struct bench_client *client,
                                   int32_t partitions)
{
    enum { COUNT = 24000 };
    char topic[32];
    struct weir_buffer batch;
    struct weir_buffer *frames = calloc((size_t)partitions, sizeof *frames);
    int32_t records;
    (void)snprintf(topic, sizeof topic, "over-%d", partitions);
    bench_client_create_topic(client, topic, partitions, "os");
    bench_make_batch(&client->budget, 16384, 90, &batch, &records);
    for (int32_t i = 0; i < partitions; i++)
        bench_produce_frame(client, topic, i, 1, weir_buffer_slice(&batch), &frames[i]);
    bench_stream(client, frames, (size_t)partitions, COUNT / 4, 5);
    double from = bench_server_cpu(server);
    bench_stream(client, frames, (size_t)partitions, COUNT, 5);
    double cpu = bench_server_cpu(server) - from;
    for (int32_t i = 0; i < partitions; i++)
        weir_buffer_close(&frames[i]);
    weir_buffer_close(&batch);
    free(frames);
    return cpu / (16384.0 * COUNT / 1e9);
}

void bench_serve_partitions(void)
{
    static const int32_t counts[] = {1, 6, 100, 1000};
    char data[300], name[64];
    struct bench_server server;
    struct bench_client client;
    double six = 0;
    (void)snprintf(data, sizeof data, "%s/data", bench_directory());
    bench_pin(1);
    bench_server_start(&server, data, NULL);
    bench_client_open(&client, &server);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        double value = cost_over_partitions(&server, &client, counts[i]);
        if (counts[i] == 6) six = value;
        (void)snprintf(name, sizeof name, "produce, 16 KB over %d partition%s", counts[i],
                       counts[i] == 1 ? "" : "s");
        bench_row(
            &(struct bench_row){name, value, "CPU s/GB", counts[i] > 6 ? six * 1.3 : 0, true, 0});
    }
    double resident = (double)bench_server_resident(&server) / 1e6;
    bench_row(&(struct bench_row){"resident after that load", resident, "MB", 128, true, 0});
    bench_client_close(&client);
    bench_server_stop(&server, SIGTERM);
}
