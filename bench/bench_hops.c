/* From a record's send to its committed output, through 0 to 3 repartition topics, whose records are read at once
 * (threads commit together) or once they are committed (each by itself): what a hop adds to the latency of either. Two
 * threads, a commit each 100 ms, a record each 23 ms, so that records come at all moments of an interval. Wall time: what it
 * says of a machine that has other work is an upper bound, and the difference between the two is what counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "bench/bench.h"
#include "bench/bench_job.h"

enum { HOPS_MAX = 3, RECORDS = 120, RECORDS_MIN = 3, POLL_MS = 1 };
static const double gap_seconds = 0.023;

struct hops {
    int count;
    enum weir_repartition_isolation isolation;
    int64_t records;
    double *sent;      /* by record */
    double *latencies; /* by record; 0: it has not come yet */
    char input[32];
    char output[32];
};

static struct weir_topology *topology_of(const struct hops *hops)
{
    struct weir_builder *builder = weir_builder_new();
    struct weir_stream *stream = weir_stream(builder, hops->input, WEIR_BYTES, WEIR_INT64);
    for (int i = 0; i < hops->count; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "hop-%d", i);
        stream = weir_repartition(stream, name, 1);
    }
    weir_to(stream, hops->output);
    return bench_build(builder);
}

static void make_topics(struct weir_log *log, const struct hops *hops)
{
    struct weir_error error = {0};
    BENCH_TRY(weir_topic_create(log, hops->input, 1, NULL, 0, &error), &error);
    BENCH_TRY(weir_topic_create(log, hops->output, 1, NULL, 0, &error), &error);
}

static void send(struct weir_producer *producer, struct hops *hops, int64_t index)
{
    struct weir_error error = {0};
    uint8_t value[sizeof(int64_t)];
    weir_store_u64(value, (uint64_t)index);
    const struct weir_record record = {.key = weir_text("key"),
                                       .value = weir_slice(value, sizeof value),
                                       .timestamp_ms = BENCH_START_MS + index};
    hops->sent[index] = bench_wall();
    BENCH_TRY(weir_producer_send(producer, hops->input, 0, &record, NULL, &error), &error);
}

/* Each comes once, in order. */
static int64_t take(struct hops *hops, const struct weir_batch_view *view, int64_t next)
{
    for (size_t i = 0; i < view->record_count; i++) {
        const struct weir_slice value = view->records[i].value;
        const bool is_next = next < hops->records && value.size == sizeof(int64_t) &&
                             weir_load_u64(value.data) == (uint64_t)next;
        if (!is_next) bench_fail("an output that is not the next one", WEIR_CORRUPT, NULL);
        hops->latencies[next] = bench_wall() - hops->sent[next];
        next++;
    }
    return next;
}

static void measure(struct weir_log *log, struct hops *hops)
{
    struct weir_error error = {0};
    struct weir_batch_view view;
    struct weir_consumer *consumer =
        weir_consumer_new(log, &(struct weir_consumer_options){WEIR_CONSUMER_OPTIONS_INIT}, &error);
    struct weir_producer *producer = weir_producer_new(
        log, &(struct weir_producer_options){WEIR_PRODUCER_OPTIONS_INIT, .linger_ms = 1}, &error);
    if (consumer == NULL || producer == NULL) bench_fail("clients", error.code, &error);
    BENCH_TRY(weir_consumer_assign(consumer, hops->output, 0, WEIR_POSITION_BEGINNING, &error),
              &error);
    int64_t sent = 0;
    int64_t next = 0;
    double due = bench_wall();
    while (next < hops->records) {
        if (sent < hops->records && bench_wall() >= due) {
            send(producer, hops, sent++);
            due += gap_seconds;
        }
        BENCH_TRY(weir_producer_poll(producer), NULL);
        int rc = weir_consumer_poll(consumer, POLL_MS, &view, &error);
        if (rc < 0 && rc != WEIR_TIMED_OUT) bench_fail("read an output", rc, &error);
        if (rc == 0) next = take(hops, &view, next);
    }
    BENCH_TRY(weir_producer_close(producer, &error), &error);
    BENCH_TRY(weir_consumer_close(consumer, &error), &error);
}

/* Returns the median in milliseconds. */
static double run(struct weir_log *log, struct hops *hops)
{
    struct weir_error error = {0};
    char application[48];
    const bool is_committed = hops->isolation == WEIR_REPARTITION_READ_COMMITTED;
    (void)snprintf(application, sizeof application, "hops-%d-%d", hops->count, is_committed);
    (void)snprintf(hops->input, sizeof hops->input, "in-%d-%d", hops->count, is_committed);
    (void)snprintf(hops->output, sizeof hops->output, "out-%d-%d", hops->count, is_committed);
    make_topics(log, hops);
    struct weir_topology *topology = topology_of(hops);
    const struct weir_streams_options options = {
        WEIR_STREAMS_OPTIONS_INIT,
        .application_id = application,
        .num_stream_threads = 2,
        .repartition_isolation_level = hops->isolation,
    };
    struct weir_streams *streams = weir_streams_start(log, topology, &options, &error);
    if (streams == NULL) bench_fail("start a job", error.code, &error);
    measure(log, hops);
    BENCH_TRY(weir_streams_close(streams, &error), &error);
    weir_topology_free(topology);
    const size_t count = (size_t)hops->records;
    const double median_ms = bench_quantile_us(hops->latencies, count, 0.5) / 1000;
    const double p99_ms = bench_quantile_us(hops->latencies, count, 0.99) / 1000;
    char name[64];
    char remark[32];
    (void)snprintf(name, sizeof name, "%d hop%s, %s", hops->count, hops->count == 1 ? "" : "s",
                   is_committed ? "read_committed" : "read_uncommitted");
    (void)snprintf(remark, sizeof remark, "p99 %.0f ms", p99_ms);
    bench_row_with(
        &(struct bench_row){.name = name, .value = median_ms, .unit = "ms", .less_is_better = true},
        -1, remark);
    return median_ms;
}

static void say_per_hop(const char *isolation, double none_ms, double all_ms)
{
    char name[64];
    (void)snprintf(name, sizeof name, "one more hop, %s", isolation);
    bench_row_with(&(struct bench_row){.name = name,
                                       .value = (all_ms - none_ms) / HOPS_MAX,
                                       .unit = "ms",
                                       .less_is_better = true},
                   -1, "what three cost more than none, by 3");
}

void bench_hops(void)
{
    static const enum weir_repartition_isolation levels[] = {WEIR_REPARTITION_READ_UNCOMMITTED,
                                                             WEIR_REPARTITION_READ_COMMITTED};
    static const char *const names[] = {"read_uncommitted", "read_committed"};
    struct weir_log *log = bench_open_log("data");
    struct hops hops = {.records = bench_is_small() ? RECORDS_MIN : RECORDS};
    hops.sent = bench_array((size_t)hops.records, sizeof *hops.sent);
    hops.latencies = bench_array((size_t)hops.records, sizeof *hops.latencies);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        double first_ms = 0;
        double last_ms = 0;
        hops.isolation = levels[i];
        for (hops.count = 0; hops.count <= HOPS_MAX; hops.count++) {
            last_ms = run(log, &hops);
            if (hops.count == 0) first_ms = last_ms;
        }
        say_per_hop(names[i], first_ms, last_ms);
    }
    free(hops.sent);
    free(hops.latencies);
    (void)weir_close(log, NULL);
}
