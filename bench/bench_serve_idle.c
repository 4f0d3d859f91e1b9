/* The Kafka port through real sockets: starting, doing nothing, and starting again after a kill. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/bench_serve.h"
#include "wire/generated/fetch_request.h"
#include "wire/generated/fetch_response.h"

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
