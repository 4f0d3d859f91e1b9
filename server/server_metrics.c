#include "server/server_internal.h"

/* What the parts have counted, added up by whoever asks. */

static int64_t get(const struct weir_counter *counter)
{
    return weir_counter_get(counter);
}

static void add_part(const struct weir_server_part *part, struct weir_server_metrics *sum)
{
    const struct weir_part_metrics *metrics = &part->metrics;
    sum->connections += get(&metrics->open);
    sum->connections_accepted += get(&metrics->accepted);
    sum->connections_refused += get(&metrics->refused);
    sum->connections_killed += get(&metrics->killed);
    sum->requests += get(&metrics->requests);
    sum->request_bytes += get(&metrics->request_bytes);
    sum->response_bytes += get(&metrics->response_bytes);
    sum->requests_in_flight += get(&metrics->in_flight);
    sum->fetches_parked += get(&metrics->parked);
    sum->fetch_sessions += get(&part->sessions.count);
    sum->memory_bytes += get(&metrics->frame_bytes) +
                         (int64_t)atomic_load_explicit(&part->budget.used, memory_order_relaxed);
}

/* Latencies of one kind of request (index), or of all. A histogram is too large for a stack that
 * may be a small one. */
static struct weir_histogram *merge(const struct weir_server *server, size_t from, size_t to)
{
    struct weir_histogram *all = weir_alloc_zero(server->env->budget, sizeof *all);
    if (all == NULL) return NULL;
    for (int32_t i = 0; i < server->part_count; i++) {
        for (size_t at = from; at < to; at++) {
            weir_histogram_merge(all, &server->parts[i].metrics.apis[at].latency_us);
        }
    }
    return all;
}

void weir_server_metrics(const struct weir_server *server, struct weir_server_metrics *metrics_out)
{
    size_t api_count;
    struct weir_server_metrics sum = {0};
    (void)weir_api_at(0, &api_count);
    for (int32_t i = 0; i < server->part_count; i++) {
        add_part(&server->parts[i], &sum);
    }
    struct weir_histogram *all = merge(server, 0, api_count);
    if (all != NULL) {
        sum.request_p50_us = weir_histogram_quantile(all, 0.5);
        sum.request_p99_us = weir_histogram_quantile(all, 0.99);
    }
    weir_free(all);
    *metrics_out = sum;
}

static struct weir_server_api_metrics api_metrics(const struct weir_server *server, size_t index)
{
    size_t api_count;
    struct weir_server_api_metrics sum = {0};
    sum.name = weir_api_at(index, &api_count)->request->name;
    for (int32_t i = 0; i < server->part_count; i++) {
        const struct weir_api_meter *meter = &server->parts[i].metrics.apis[index];
        sum.requests += get(&meter->requests);
        sum.errors += get(&meter->errors);
    }
    struct weir_histogram *all = sum.requests > 0 ? merge(server, index, index + 1) : NULL;
    if (all != NULL) {
        sum.p50_us = weir_histogram_quantile(all, 0.5);
        sum.p99_us = weir_histogram_quantile(all, 0.99);
    }
    weir_free(all);
    return sum;
}

size_t weir_server_api_metrics(const struct weir_server *server,
                               struct weir_server_api_metrics *metrics_out, size_t capacity)
{
    size_t api_count;
    size_t count = 0;
    (void)weir_api_at(0, &api_count);
    for (size_t i = 0; i < api_count && count < capacity; i++) {
        struct weir_server_api_metrics one = api_metrics(server, i);
        if (one.requests > 0) metrics_out[count++] = one;
    }
    return count;
}
