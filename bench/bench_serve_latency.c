/* The Kafka port through real sockets: from a producer to a consumer that waits. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "bench/bench_serve.h"
#include "wire/generated/fetch_response.h"

/* ---- the floor: a ping-pong ---------------------------------------------------------------------- */

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
    const bool is_page_cache = strcmp(policy, "os") == 0;
    bench_row(&(struct bench_row){name, seen.p50, "us", is_page_cache ? 2 * floor.p50 : 0, true,
                                  floor.p50});
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
