/* The Kafka port through real sockets: how long things take, and what it costs to do nothing. */
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "bench/bench_serve.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/fetch_response.h"

/* ---- durable acks -------------------------------------------------------------------------------- */

enum { CONNECTIONS = 8, SAMPLES_MAX = 200000 };

/* What was sent on a connection and is not answered, in order. */
struct lane {
    struct bench_client client;
    struct weir_buffer frame;
    double sent[64];
    unsigned first, count;
};

struct durable_run {
    struct lane lanes[CONNECTIONS];
    double *latencies;
    int64_t done;
    int64_t count;
};

static void lane_send(struct lane *lane, double when)
{
    bench_client_send(&lane->client, lane->frame.data, lane->frame.size);
    lane->sent[(lane->first + lane->count++) % 64] = when;
}

static void lane_receive(struct durable_run *run, struct lane *lane)
{
    bench_check_produced(&lane->client, bench_client_receive(&lane->client));
    run->latencies[run->done++ % SAMPLES_MAX] = bench_wall() - lane->sent[lane->first % 64];
    lane->first++;
    lane->count--;
}

/* Answers that are there, waiting up to `timeout` seconds for the first. */
static void receive_some(struct durable_run *run, double timeout)
{
    struct pollfd polls[CONNECTIONS];
    struct timespec wait = {.tv_sec = (time_t)timeout,
                            .tv_nsec = (long)((timeout - floor(timeout)) * 1e9)};
    for (int i = 0; i < CONNECTIONS; i++)
        polls[i] = (struct pollfd){.fd = run->lanes[i].client.socket, .events = POLLIN};
    if (ppoll(polls, CONNECTIONS, &wait, NULL) <= 0) return;
    for (int i = 0; i < CONNECTIONS; i++) {
        if (polls[i].revents != 0) lane_receive(run, &run->lanes[i]);
    }
}

/* Each lane keeps `depth` unanswered. MB/s. */
static double saturate(struct durable_run *run, int64_t count, unsigned depth)
{
    int64_t sent = 0;
    run->done = 0;
    double from = bench_wall();
    while (run->done < count) {
        for (int i = 0; i < CONNECTIONS; i++) {
            while (sent < count && run->lanes[i].count < depth) {
                lane_send(&run->lanes[i], bench_wall());
                sent++;
            }
        }
        receive_some(run, 1);
    }
    return (double)run->lanes[0].frame.size * (double)count / 1e6 / (bench_wall() - from);
}

/* At a fixed rate, each timed from when it was meant to be sent (no coordinated omission). */
static void pace(struct durable_run *run, int64_t count, double per_second)
{
    int64_t sent = 0;
    run->done = 0;
    double from = bench_wall();
    while (run->done < count) {
        double due = from + (double)sent / per_second;
        struct lane *lane = &run->lanes[sent % CONNECTIONS];
        if (sent < count && bench_wall() >= due && lane->count < 64) {
            lane_send(lane, due);
            sent++;
            continue;
        }
        double left = due - bench_wall();
        receive_some(run, sent < count && left > 0 ? left : sent < count ? 0 : 1);
    }
}

void bench_sync_floor(size_t size, double per_second, double *seconds, int count)
{
    char path[300];
    uint8_t *bytes = calloc(1, size);
    (void)snprintf(path, sizeof path, "%s/floor", bench_directory());
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    double first = bench_wall();
    for (int i = 0; i < count; i++) {
        double left = first + i / per_second - bench_wall();
        struct timespec wait = {.tv_nsec = (long)(left > 0 && left < 1 ? left * 1e9 : 0)};
        (void)nanosleep(&wait, NULL);
        double from = bench_wall();
        if (pwrite(file, bytes, size, (off_t)size * i) < 0 || fdatasync(file) != 0) {
            bench_fail("sync", WEIR_IO, NULL);
        }
        seconds[i] = bench_wall() - from;
    }
    (void)close(file);
    (void)unlink(path);
    free(bytes);
}

void bench_serve_durable(void)
{
    static struct durable_run run;
    char data[300];
    struct bench_server server;
    struct weir_buffer batch;
    int32_t records;
    (void)snprintf(data, sizeof data, "%s/data", bench_directory());
    bench_pin(1);
    bench_server_start(&server, data, NULL);
    run.latencies = calloc(SAMPLES_MAX, sizeof *run.latencies);
    for (int i = 0; i < CONNECTIONS; i++) {
        bench_client_open(&run.lanes[i].client, &server);
        if (i == 0) bench_client_create_topic(&run.lanes[0].client, "durable", 1, "group");
        bench_make_batch(&run.lanes[i].client.budget, 65536, 90, &batch, &records);
        bench_produce_frame(&run.lanes[i].client, "durable", 0, -1, weir_buffer_slice(&batch),
                            &run.lanes[i].frame);
    }
    (void)saturate(&run, 1000, 8);
    double cpu = bench_server_cpu(&server);
    double rate = saturate(&run, 12000, 8);
    cpu = (bench_server_cpu(&server) - cpu) / (12000.0 * (double)batch.size / 1e9);
    double full_p99 = bench_quantile_us(run.latencies, (size_t)run.done, 0.99);
    bench_row(
        &(struct bench_row){"durable acks, 64 KB, 8 x 8 in flight", rate, "MB/s", 300, false, 0});
    bench_row(&(struct bench_row){"  p99 at that load", full_p99 / 1000, "ms", 0, true, 0});
    bench_row(&(struct bench_row){"  CPU", cpu, "s/GB", 0, true, 0});
    enum { SYNCS = 1000 };
    static double syncs[SYNCS];
    bench_sync_floor(65536, 1000, syncs, SYNCS);
    double floor_p50 = bench_quantile_us(syncs, SYNCS, 0.50);
    double floor_p99 = bench_quantile_us(syncs, SYNCS, 0.99);
    pace(&run, 6000, 150e6 / 65536); /* half of the goal's load */
    double p50 = bench_quantile_us(run.latencies, (size_t)run.done, 0.50);
    double p99 = bench_quantile_us(run.latencies, (size_t)run.done, 0.99);
    bench_row(&(struct bench_row){"  p50 at 150 MB/s, open loop", p50 / 1000, "ms", 1, true,
                                  floor_p50 / 1000});
    bench_row(&(struct bench_row){"  p99 at 150 MB/s, open loop", p99 / 1000, "ms", 4, true,
                                  floor_p99 / 1000});
    bench_note("the floor of both: 64 KB written and synced, one at a time, 65 MB/s");
    for (int i = 0; i < CONNECTIONS; i++)
        bench_client_close(&run.lanes[i].client);
    bench_server_stop(&server, SIGTERM);
}

/* ---- end to end ---------------------------------------------------------------------------------- */

/* One byte there and back, over and over. */
static void serve_ping(int from)
{
    uint8_t bytes[104];
    ssize_t got;
    while ((got = recv(from, bytes, sizeof bytes, 0)) > 0) {
        if (send(from, bytes, (size_t)got, MSG_NOSIGNAL) < 0) return;
    }
}

struct percentiles {
    double p50, p99, p999;
};

static struct percentiles percentiles_of(double *seconds, size_t count)
{
    return (struct percentiles){bench_quantile_us(seconds, count, 0.50),
                                bench_quantile_us(seconds, count, 0.99),
                                bench_quantile_us(seconds, count, 0.999)};
}

enum { E2E_COUNT = 10000 };

static struct percentiles ping_pong(double per_second)
{
    static double latencies[E2E_COUNT];
    uint8_t bytes[104] = {0, 0, 0, 100};
    struct bench_server server;
    struct bench_client client;
    bench_floor_start(&server, serve_ping);
    bench_client_open(&client, &server);
    double from = bench_wall();
    for (int i = 0; i < E2E_COUNT; i++) {
        double due = from + i / per_second;
        while (bench_wall() < due) {
            struct timespec wait = {.tv_nsec = (long)(1e9 * (due - bench_wall()) * 0.9)};
            if (wait.tv_nsec > 0) (void)nanosleep(&wait, NULL);
        }
        double sent = bench_wall();
        bench_client_send(&client, bytes, sizeof bytes);
        (void)bench_client_receive(&client);
        latencies[i] = bench_wall() - sent;
    }
    bench_client_close(&client);
    bench_server_stop(&server, SIGKILL);
    return percentiles_of(latencies, E2E_COUNT);
}

/* The producer sends one record at a fixed rate, the consumer has a fetch parked all the time; both
 * here. From when a record was meant to be sent to when its bytes are read. */
struct e2e {
    struct bench_client producer;
    struct bench_client consumer;
    struct weir_buffer frame;
    struct weir_buffer fetch;
    const char *topic;
    int64_t sent, acked, read;
    double *due;
    double *latencies;
};

static void ask_for_more(struct e2e *e2e)
{
    bench_fetch_frame(&e2e->consumer,
                      &(struct bench_fetch){.topic = e2e->topic,
                                            .offset = e2e->read,
                                            .size_min = 1,
                                            .wait_ms = 5000,
                                            .size_max = 1 << 20},
                      &e2e->fetch);
    bench_client_send(&e2e->consumer, e2e->fetch.data, e2e->fetch.size);
}

static void take_records(struct e2e *e2e, size_t batch_size)
{
    struct weir_wire_fetch_response answer;
    struct weir_slice frame = bench_client_receive(&e2e->consumer);
    double now = bench_wall();
    weir_arena_reset(&e2e->consumer.arena);
    BENCH_TRY(weir_message_decode_whole(&weir_wire_fetch_response_type, &answer, 11,
                                        weir_slice(frame.data + 4, frame.size - 4),
                                        &e2e->consumer.arena, NULL),
              NULL);
    size_t batches = answer.responses_count == 0
                         ? 0
                         : answer.responses[0].partitions[0].records.size / batch_size;
    for (; batches > 0; batches--, e2e->read++)
        e2e->latencies[e2e->read] = now - e2e->due[e2e->read];
    if (e2e->read < E2E_COUNT) ask_for_more(e2e);
}

static void run_e2e(struct e2e *e2e, double per_second, size_t batch_size)
{
    struct pollfd polls[2] = {{.fd = e2e->producer.socket, .events = POLLIN},
                              {.fd = e2e->consumer.socket, .events = POLLIN}};
    ask_for_more(e2e);
    double from = bench_wall();
    while (e2e->read < E2E_COUNT) {
        double due = from + (double)e2e->sent / per_second;
        double left = e2e->sent < E2E_COUNT ? due - bench_wall() : 1;
        if (left <= 0) {
            e2e->due[e2e->sent++] = due;
            bench_client_send(&e2e->producer, e2e->frame.data, e2e->frame.size);
            continue;
        }
        struct timespec wait = {.tv_nsec = (long)((left < 0.9 ? left : 0.9) * 1e9)};
        if (ppoll(polls, 2, &wait, NULL) <= 0) continue;
        if (polls[0].revents != 0) {
            bench_check_produced(&e2e->producer, bench_client_receive(&e2e->producer));
        }
        if (polls[1].revents != 0) take_records(e2e, batch_size);
    }
}

static void e2e_policy(const struct bench_server *server, const char *policy, double per_second)
{
    static double due[E2E_COUNT], latencies[E2E_COUNT];
    struct e2e e2e = {.topic = policy, .due = due, .latencies = latencies};
    struct weir_buffer batch;
    int32_t records;
    char name[80];
    struct percentiles floor = ping_pong(per_second);
    bench_client_open(&e2e.producer, server);
    bench_client_open(&e2e.consumer, server);
    bench_client_create_topic(&e2e.producer, policy, 1, policy);
    bench_make_batch(&e2e.producer.budget, 0, 100, &batch, &records);
    bench_produce_frame(&e2e.producer, policy, 0, -1, weir_buffer_slice(&batch), &e2e.frame);
    weir_buffer_init(&e2e.fetch, &e2e.consumer.budget, 0);
    run_e2e(&e2e, per_second, batch.size);
    struct percentiles seen = percentiles_of(latencies, E2E_COUNT);
    (void)snprintf(name, sizeof name, "end to end, flush.policy=%s, p50", policy);
    bench_row(&(struct bench_row){name, seen.p50, "us", 0, true, floor.p50});
    bench_row(&(struct bench_row){"  p99", seen.p99, "us", 0, true, floor.p99});
    bench_row(&(struct bench_row){"  p99.9", seen.p999, "us", 0, true, floor.p999});
    bench_note("%.1f, %.1f and %.1f times the ping-pong of the same minute", seen.p50 / floor.p50,
               seen.p99 / floor.p99, seen.p999 / floor.p999);
    if (strcmp(policy, "group") == 0) {
        static double syncs[2000];
        bench_sync_floor(batch.size, per_second, syncs, 2000);
        struct percentiles disk = percentiles_of(syncs, 2000);
        bench_note("a write and a sync of as much take %.0f, %.0f and %.0f us", disk.p50, disk.p99,
                   disk.p999);
    }
    bench_client_close(&e2e.producer);
    bench_client_close(&e2e.consumer);
}

void bench_serve_latency(void)
{
    char data[300];
    struct bench_server server;
    (void)snprintf(data, sizeof data, "%s/data", bench_directory());
    bench_pin(1);
    bench_server_start(&server, data, NULL);
    e2e_policy(&server, "os", 2000);
    e2e_policy(&server, "group", 1000);
    bench_server_stop(&server, SIGTERM);
}

/* ---- idle, start, reopen -------------------------------------------------------------------------- */

/* One full fetch that names every partition, then the session's empty polls; for `seconds`. */
static void poll_idle(struct bench_client *client, const char *topic, int32_t partitions,
                      double seconds)
{
    struct weir_wire_fetch_request_fetch_partition *asked =
        calloc((size_t)partitions, sizeof *asked);
    for (int32_t i = 0; i < partitions; i++)
        asked[i] = (struct weir_wire_fetch_request_fetch_partition){.partition = i,
                                                                    .current_leader_epoch = -1,
                                                                    .fetch_offset = 1,
                                                                    .last_fetched_epoch = -1,
                                                                    .partition_max_bytes = 1 << 20};
    struct weir_wire_fetch_request_fetch_topic topics[] = {
        {.topic = weir_text(topic), .partitions = asked, .partitions_count = (size_t)partitions}};
    struct weir_wire_fetch_request request;
    struct weir_wire_fetch_response response;
    weir_wire_fetch_request_init(&request);
    request.max_wait_ms = 500;
    request.min_bytes = 1;
    request.max_bytes = 50 << 20;
    request.session_epoch = 0;
    request.topics = topics;
    request.topics_count = 1;
    double end = bench_wall() + seconds;
    while (bench_wall() < end) {
        bench_client_call(client, &weir_wire_fetch_request_type, &weir_wire_fetch_response_type, 11,
                          &request, &response);
        if (response.error_code != 0) bench_fail("poll", WEIR_IO, NULL);
        if (response.session_id != 0) {
            request.session_id = response.session_id;
            request.session_epoch++;
            request.topics_count = 0;
        }
    }
    free(asked);
}

static void wait_quietly(double seconds)
{
    struct timespec wait = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)((seconds - floor(seconds)) * 1e9)};
    (void)nanosleep(&wait, NULL);
}

/* One record into each of `partitions`. */
static void fill(struct bench_client *client, const char *topic, int32_t partitions)
{
    struct weir_buffer batch, frame;
    int32_t records;
    bench_make_batch(&client->budget, 0, 100, &batch, &records);
    for (int32_t i = 0; i < partitions; i++) {
        bench_produce_frame(client, topic, i, 1, weir_buffer_slice(&batch), &frame);
        bench_client_send(client, frame.data, frame.size);
        bench_check_produced(client, bench_client_receive(client));
        weir_buffer_close(&frame);
    }
    weir_buffer_close(&batch);
}

static double first_produce(const struct bench_server *server, double since)
{
    struct bench_client client;
    bench_client_open(&client, server);
    fill(&client, "many", 1);
    bench_client_close(&client);
    return bench_wall() - since;
}

void bench_serve_idle(void)
{
    char data[300];
    struct bench_server server;
    struct bench_client client;
    (void)snprintf(data, sizeof data, "%s/data", bench_directory());
    bench_pin(1);
    bench_server_start(&server, data, NULL);
    bench_row(&(struct bench_row){"start, empty directory", server.start_seconds * 1000, "ms", 50,
                                  true, 0});
    double resident = (double)bench_server_resident(&server) / 1e6;
    bench_row(&(struct bench_row){"resident, idle", resident, "MB", 16, true, 0});
    bench_client_open(&client, &server);
    bench_client_create_topic(&client, "many", 1000, "group");
    fill(&client, "many", 1000);
    double per_partition = ((double)bench_server_resident(&server) / 1e6 - resident);
    bench_row(&(struct bench_row){"resident, 1,000 open partitions more", per_partition, "MB", 20,
                                  true, 0});
    poll_idle(&client, "many", 1000, 1);
    double from = bench_server_cpu(&server);
    poll_idle(&client, "many", 1000, 10);
    double share = (bench_server_cpu(&server) - from) / 10 * 100;
    bench_row(&(struct bench_row){"idle, 1,000 partitions, one consumer polling", share,
                                  "% of a core", 0.5, true, 0});
    bench_client_close(&client);
    bench_server_stop(&server, SIGTERM);
    double since = bench_wall();
    bench_server_start(&server, data, NULL);
    bench_row(&(struct bench_row){"start, 1,000 partitions", server.start_seconds * 1000, "ms", 300,
                                  true, 0});
    bench_row(&(struct bench_row){"  and its first produce", first_produce(&server, since) * 1000,
                                  "ms", 0, true, 0});
    bench_server_stop(&server, SIGKILL);
    since = bench_wall();
    bench_server_start(&server, data, NULL);
    bench_row(&(struct bench_row){"start, 1,000 partitions, after kill -9",
                                  server.start_seconds * 1000, "ms", 300, true, 0});
    bench_row(&(struct bench_row){"  and its first produce", first_produce(&server, since) * 1000,
                                  "ms", 0, true, 0});
    bench_server_stop(&server, SIGTERM);
}

/* All open, compacted, with nothing to be compacted; nobody asks for anything. */
void bench_serve_unused(void)
{
    char data[300];
    struct bench_server server;
    struct bench_client client;
    const int32_t partitions = bench_is_small() ? 100 : 10000;
    const int32_t per_topic = bench_is_small() ? 50 : 1000;
    const double seconds = bench_is_small() ? 0.2 : 60;
    (void)snprintf(data, sizeof data, "%s/data", bench_directory());
    bench_pin(1);
    bench_server_start(&server, data,
                       (const char *const[]){"--set", "log.cleanup.policy=compact", NULL});
    bench_client_open(&client, &server);
    for (int32_t i = 0; i < partitions / per_topic; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "many-%d", i);
        bench_client_create_topic(&client, name, per_topic, "group");
        fill(&client, name, per_topic);
    }
    wait_quietly(3); /* what they have brought about is over: their flushes, a look at each */
    double from = bench_server_cpu(&server);
    wait_quietly(seconds);
    double share = (bench_server_cpu(&server) - from) / seconds * 100;
    bench_row(&(struct bench_row){"10,000 open, compacted partitions that nobody uses", share,
                                  "% of a core", 0.5, true, 0});
    bench_client_close(&client);
    bench_server_stop(&server, SIGTERM);
}

/* Write on to `total` bytes of log, then kill it with requests on the way. */
static double reopen_after(const char *data, int64_t *written, int64_t total)
{
    struct bench_server server;
    struct bench_client client;
    struct weir_buffer batch, frame;
    int32_t records;
    bench_server_start(&server, data, NULL);
    bench_client_open(&client, &server);
    if (*written == 0) bench_client_create_topic(&client, "many", 1, "group");
    bench_make_batch(&client.budget, 1 << 20, 1000, &batch, &records);
    bench_produce_frame(&client, "many", 0, -1, weir_buffer_slice(&batch), &frame);
    bench_stream(&client, &frame, 1, (total - *written) / (int64_t)frame.size, 5);
    *written = total;
    for (int i = 0; i < 5; i++)
        bench_client_send(&client, frame.data, frame.size);
    bench_server_stop(&server, SIGKILL);
    bench_client_close(&client);
    double since = bench_wall();
    bench_server_start(&server, data, NULL);
    double seconds = first_produce(&server, since);
    bench_server_stop(&server, SIGTERM);
    return seconds;
}

void bench_serve_reopen(void)
{
    char data[300];
    int64_t written = 0;
    (void)snprintf(data, sizeof data, "%s/data", bench_directory());
    bench_pin(1);
    double one = reopen_after(data, &written, 1000000000);
    double ten = reopen_after(data, &written, 10000000000);
    bench_row(&(struct bench_row){"start to first produce after kill -9, 1 GB", one * 1000, "ms",
                                  1000, true, 0});
    bench_row(&(struct bench_row){"start to first produce after kill -9, 10 GB", ten * 1000, "ms",
                                  1000, true, 0});
}
