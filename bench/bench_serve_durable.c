/* The Kafka port through real sockets: how long an ack of what is on the disk takes, and how much of it there is. */
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench_serve.h"

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
