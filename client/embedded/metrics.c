/**
 * What a log and its port measure, in Prometheus' manner: counters end in _total, times are in seconds,
 * quantiles are labels. A figure is a row: its name, where its value is, one sentence.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "client/embedded/embedded_internal.h"
#include "server/server.h"

enum { APIS_MAX = 64, LABELS_SIZE = 96 };

typedef void (*metric_fn)(void *context, const char *name, const char *labels, double value,
                          const char *help);

struct sink {
    metric_fn each;
    void *context;
};

enum unit { PLAIN, MICROSECONDS };

struct metric {
    const char *name;
    const char *labels;
    size_t at; /* of an int64_t in the struct */
    enum unit unit;
    const char *help;
};

#define AT(type, field) offsetof(struct type, field)

static const struct metric log_metrics[] = {
    {"weir_log_bytes_in_total", "", AT(weir_broker_metrics, bytes_in), PLAIN,
     "Bytes of record batches that were appended."},
    {"weir_log_bytes_out_total", "", AT(weir_broker_metrics, bytes_out), PLAIN,
     "Bytes of record batches that were read."},
    {"weir_log_batches_in_total", "", AT(weir_broker_metrics, batches_in), PLAIN,
     "Record batches that were appended."},
    {"weir_log_flushes_total", "", AT(weir_broker_metrics, flushes), PLAIN,
     "Times that appended records were brought to the disk."},
    {"weir_log_flush_seconds", "quantile=\"0.5\"", AT(weir_broker_metrics, flush_p50_us),
     MICROSECONDS, "How long a flush takes."},
    {"weir_log_flush_seconds", "quantile=\"0.99\"", AT(weir_broker_metrics, flush_p99_us),
     MICROSECONDS, "How long a flush takes."},
    {"weir_log_open_partitions", "", AT(weir_broker_metrics, open_partitions), PLAIN,
     "Partitions whose logs are open."},
    {"weir_log_offline_partitions", "", AT(weir_broker_metrics, offline_partitions), PLAIN,
     "Partitions that are missing, damaged, or stopped by a failed write or sync."},
    {"weir_log_memory_bytes", "", AT(weir_broker_metrics, memory_bytes), PLAIN,
     "Memory that the log holds."},
    {"weir_groups_live", "", AT(weir_broker_metrics, live_groups), PLAIN,
     "Consumer groups that have members, or are being changed."},
    {"weir_groups_memory_bytes", "", AT(weir_broker_metrics, groups_memory_bytes), PLAIN,
     "Memory that these take, of groups.max.bytes."},
};

static const struct metric server_metrics[] = {
    {"weir_server_connections", "", AT(weir_server_metrics, connections), PLAIN,
     "Connections of clients that are open."},
    {"weir_server_connections_accepted_total", "", AT(weir_server_metrics, connections_accepted),
     PLAIN, "Connections that were accepted."},
    {"weir_server_connections_refused_total", "", AT(weir_server_metrics, connections_refused),
     PLAIN, "Connections over max.connections or max.connections.per.ip."},
    {"weir_server_connections_killed_total", "", AT(weir_server_metrics, connections_killed), PLAIN,
     "Connections that were closed for bad input, a deadline or a bound."},
    {"weir_server_requests_total", "", AT(weir_server_metrics, requests), PLAIN,
     "Requests that were answered."},
    {"weir_server_request_bytes_total", "", AT(weir_server_metrics, request_bytes), PLAIN,
     "Bytes of requests."},
    {"weir_server_response_bytes_total", "", AT(weir_server_metrics, response_bytes), PLAIN,
     "Bytes of answers."},
    {"weir_server_requests_in_flight", "", AT(weir_server_metrics, requests_in_flight), PLAIN,
     "Requests that are being answered."},
    {"weir_server_fetches_parked", "", AT(weir_server_metrics, fetches_parked), PLAIN,
     "Fetches that wait for records."},
    {"weir_server_fetch_sessions", "", AT(weir_server_metrics, fetch_sessions), PLAIN,
     "Fetch sessions that are kept."},
    {"weir_server_memory_bytes", "", AT(weir_server_metrics, memory_bytes), PLAIN,
     "Memory of requests, answers and connections."},
    {"weir_server_request_seconds", "quantile=\"0.5\"", AT(weir_server_metrics, request_p50_us),
     MICROSECONDS, "From a request's last byte to its answer, without the time it was parked."},
    {"weir_server_request_seconds", "quantile=\"0.99\"", AT(weir_server_metrics, request_p99_us),
     MICROSECONDS, "From a request's last byte to its answer, without the time it was parked."},
};

/* Each with the label api=. */
static const struct metric api_metrics[] = {
    {"weir_requests_total", "", AT(weir_server_api_metrics, requests), PLAIN,
     "Requests that were answered, by kind."},
    {"weir_request_errors_total", "", AT(weir_server_api_metrics, errors), PLAIN,
     "Answers that say an error, by kind of request."},
    {"weir_request_seconds", ",quantile=\"0.5\"", AT(weir_server_api_metrics, p50_us), MICROSECONDS,
     "From a request's last byte to its answer, by kind."},
    {"weir_request_seconds", ",quantile=\"0.99\"", AT(weir_server_api_metrics, p99_us),
     MICROSECONDS, "From a request's last byte to its answer, by kind."},
};

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

static double value_of(const struct metric *metric, const void *values)
{
    int64_t value;
    memcpy(&value, (const char *)values + metric->at, sizeof value);
    return metric->unit == MICROSECONDS ? (double)value / 1e6 : (double)value;
}

static void tell(const struct sink *sink, const struct metric *rows, size_t count,
                 const void *values)
{
    for (size_t i = 0; i < count; i++) {
        sink->each(sink->context, rows[i].name, rows[i].labels, value_of(&rows[i], values),
                   rows[i].help);
    }
}

/* "ProduceRequest" is the kind Produce. */
static int kind_size(const char *name)
{
    static const char suffix[] = "Request";
    size_t size = strlen(name);
    size_t suffix_size = sizeof suffix - 1;
    bool has_suffix = size > suffix_size && strcmp(name + size - suffix_size, suffix) == 0;
    return (int)(has_suffix ? size - suffix_size : size);
}

/* Prometheus wants the lines of one name together, so the names are the outer loop. */
static void tell_apis(const struct sink *sink, const struct weir_server_api_metrics *apis,
                      size_t api_count)
{
    char labels[LABELS_SIZE];
    size_t row = 0;
    while (row < COUNT(api_metrics)) {
        size_t end = row + 1;
        while (end < COUNT(api_metrics) && api_metrics[end].name == api_metrics[row].name) {
            end++;
        }
        for (size_t i = 0; i < api_count; i++) {
            for (size_t at = row; at < end; at++) {
                (void)snprintf(labels, sizeof labels, "api=\"%.*s\"%s", kind_size(apis[i].name),
                               apis[i].name, api_metrics[at].labels);
                sink->each(sink->context, api_metrics[at].name, labels,
                           value_of(&api_metrics[at], &apis[i]), api_metrics[at].help);
            }
        }
        row = end;
    }
}

static void tell_server(const struct sink *sink, const struct weir_server *server)
{
    struct weir_server_metrics metrics;
    struct weir_server_api_metrics apis[APIS_MAX];
    weir_server_metrics(server, &metrics);
    tell(sink, server_metrics, COUNT(server_metrics), &metrics);
    tell_apis(sink, apis, weir_server_api_metrics(server, apis, APIS_MAX));
}

void weir_embedded_metrics(struct weir_embedded *embedded, metric_fn each, void *context)
{
    struct sink sink = {each, context};
    struct weir_broker_metrics metrics;
    weir_broker_metrics(embedded->broker, &metrics);
    tell(&sink, log_metrics, COUNT(log_metrics), &metrics);
    const struct weir_server *server = weir_embedded_port_enter(embedded);
    if (server != NULL) tell_server(&sink, server);
    weir_embedded_port_leave(embedded);
}
