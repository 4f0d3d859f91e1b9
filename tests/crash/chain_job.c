/*
 * The chain that is killed again and again (chain.py), read by whoever reads committed, and judged
 * (chain_judge.c) by what its inputs (chain.h) give in one go.
 *
 *   data ──┬─> copy
 *          ├─> min by a ──> min
 *          ├─> sum by a ──> sum
 *          └─> by b ──> repartition ──┬─> max by b ───> max
 *                                     ├─> count by b ─> count
 *                       other ────────┴─> left join within 2 s ──> joined
 *
 *   chain_job DIR live THREADS COUNT [at_least_once]   run it, write COUNT records more, wait to be killed
 *   chain_job DIR finish THREADS FLOOR [at_least_once] write up to FLOOR, run it to the end; `total N`
 *   chain_job DIR read                                 what is committed, as lines for the judge
 *
 * Its port is open while it runs. What is written is told by how long the inputs are, so a life goes on
 * where the one before was killed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <weir.h>

#include "chain.h"

enum { OK = 0, FAILED = 1, USAGE = 2 };
enum { COMMIT_MS = 30, FLUSH_RECORDS = 200, WAIT_S = 60, CLOSER_MS = 2 * CHAIN_GRACE_MS };

static const char *const inputs[] = {"data", "other"};
static const char *const outputs[] = {"copy", "min", "sum", "max", "count", "joined"};
enum { INPUTS = 2, OUTPUTS = sizeof outputs / sizeof outputs[0] };

static int fail(const char *what, const struct weir_error *error)
{
    fprintf(stderr, "%s: %s\n", what, error->text);
    return FAILED;
}

/* ---- the topology ---------------------------------------------------------------------------- */

static int64_t number_of(const struct weir_slice *text)
{
    int64_t number = 0;
    for (size_t i = 0; i < text->size; i++) {
        number = number * 10 + (text->data[i] - '0');
    }
    return number;
}

static int by_b(struct weir_call *call, const void *key, const void *value, const void **key_out)
{
    (void)key;
    *key_out = weir_call_printf(call, "k%d", chain_b(number_of(value)));
    return *key_out != NULL ? 0 : WEIR_NO_MEMORY;
}

/* The aggregates of numbers: how often, and what of them. */
struct figure {
    int64_t count;
    int64_t value;
};

static const struct weir_field figure_fields[] = {WEIR_FIELD_INT64(struct figure, count),
                                                  WEIR_FIELD_INT64(struct figure, value)};
static const struct weir_struct_type figure_type = {.name = "figure",
                                                    .size = sizeof(struct figure),
                                                    .version = 1,
                                                    .fields = figure_fields,
                                                    .field_count = 2};
static const struct weir_serde figure_serde = WEIR_STRUCT_SERDE(&figure_type, struct figure);

static int begin(struct weir_call *call, void *aggregate)
{
    (void)call, (void)aggregate; /* zeroed */
    return 0;
}

static int min(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    struct figure *figure = aggregate;
    int64_t number = chain_value(number_of(value));
    (void)call, (void)key;
    if (figure->count++ == 0 || number < figure->value) figure->value = number;
    return 0;
}

static int max(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    struct figure *figure = aggregate;
    int64_t number = chain_value(number_of(value));
    (void)call, (void)key;
    if (figure->count++ == 0 || number > figure->value) figure->value = number;
    return 0;
}

static int sum(struct weir_call *call, const void *key, const void *value, void *aggregate)
{
    struct figure *figure = aggregate;
    (void)call, (void)key;
    figure->count++;
    figure->value += chain_value(number_of(value));
    return 0;
}

static int show_figure(struct weir_call *call, const void *key, const void *value,
                       const void **value_out)
{
    const struct figure *figure = value;
    (void)key;
    *value_out = weir_call_printf(call, "%" PRId64, figure->value);
    return *value_out != NULL ? 0 : WEIR_NO_MEMORY;
}

static int show_count(struct weir_call *call, const void *key, const void *value,
                      const void **value_out)
{
    (void)key;
    *value_out = weir_call_printf(call, "%" PRId64, *(const int64_t *)value);
    return *value_out != NULL ? 0 : WEIR_NO_MEMORY;
}

static int beside(struct weir_call *call, const void *key, const void *left, const void *right,
                  const void **value_out)
{
    const struct weir_slice *one = left, *other = right;
    (void)key;
    *value_out = other == NULL
                     ? weir_call_printf(call, "%.*s|-", (int)one->size, (const char *)one->data)
                     : weir_call_printf(call, "%.*s|%.*s", (int)one->size, (const char *)one->data,
                                        (int)other->size, (const char *)other->data);
    return *value_out != NULL ? 0 : WEIR_NO_MEMORY;
}

static void figures(struct weir_grouped *grouped, weir_aggregate_fn aggregate, const char *topic)
{
    struct weir_table *table =
        weir_aggregate(grouped, begin, aggregate, NULL, &figure_serde, WEIR_STORE(.name = topic));
    weir_to(weir_map_values(weir_to_stream(table), show_figure, NULL, WEIR_STRING), topic);
}

static struct weir_topology *build(struct weir_error *error)
{
    struct weir_builder *builder = weir_builder_new();
    if (builder == NULL) return NULL;
    struct weir_stream *data = weir_stream(builder, "data", WEIR_STRING, WEIR_STRING);
    struct weir_stream *other = weir_stream(builder, "other", WEIR_STRING, WEIR_STRING);
    weir_to(data, "copy");
    struct weir_grouped *by_key = weir_group_by_key(data);
    figures(by_key, min, "min");
    figures(by_key, sum, "sum");
    struct weir_stream *again =
        weir_repartition(weir_select_key(data, by_b, NULL, WEIR_STRING), "by-b", CHAIN_PARTITIONS);
    struct weir_grouped *grouped = weir_group_by_key(again);
    figures(grouped, max, "max");
    struct weir_table *counts = weir_count(grouped, WEIR_STORE(.name = "count"));
    weir_to(weir_map_values(weir_to_stream(counts), show_count, NULL, WEIR_STRING), "count");
    weir_to(weir_stream_join(again, other, beside, NULL, WEIR_STRING,
                             WEIR_WITHIN(.kind = WEIR_JOIN_LEFT, .before_ms = CHAIN_WITHIN_MS,
                                         .after_ms = CHAIN_WITHIN_MS, .grace_ms = CHAIN_GRACE_MS,
                                         .name = "beside")),
            "joined");
    struct weir_topology *topology = weir_build(builder, error);
    weir_builder_free(builder);
    return topology;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct feed {
    struct weir_log *log;
    struct weir_producer *producer;
    int64_t there[INPUTS][CHAIN_PARTITIONS];  /* records of each partition */
    int64_t passed[INPUTS][CHAIN_PARTITIONS]; /* of those up to `next` */
    int64_t next;
    int64_t written; /* of records that were not there */
};

static int create_topics(struct weir_log *log, struct weir_error *error)
{
    static const struct weir_config for_ever[] = {{"retention.ms", "-1"}};
    int rc = 0;
    for (int i = 0; rc >= 0 && i < INPUTS + OUTPUTS; i++) {
        const char *name = i < INPUTS ? inputs[i] : outputs[i - INPUTS];
        rc = weir_topic_create(log, name, CHAIN_PARTITIONS, for_ever, 1, error);
        if (rc == WEIR_EXISTS) rc = 0;
    }
    return rc;
}

static int open_feed(struct feed *feed, struct weir_log *log, struct weir_error *error)
{
    *feed = (struct feed){.log = log, .producer = weir_producer_new(log, NULL, error)};
    if (feed->producer == NULL) return error->code;
    for (int topic = 0; topic < INPUTS; topic++) {
        for (int p = 0; p < CHAIN_PARTITIONS; p++) {
            int64_t start;
            int rc =
                weir_topic_offsets(log, inputs[topic], p, &start, &feed->there[topic][p], error);
            if (rc < 0) return rc;
        }
    }
    return 0;
}

static int send(struct feed *feed, int topic, int32_t partition, const struct weir_record *record,
                struct weir_error *error)
{
    if (feed->passed[topic][partition]++ < feed->there[topic][partition]) return 0;
    int rc;
    time_t deadline = time(NULL) + WAIT_S;
    do {
        rc = weir_producer_send(feed->producer, inputs[topic], partition, record, NULL, error);
    } while (rc < 0 && weir_code_action((enum weir_code)rc) == WEIR_ACTION_RETRY &&
             time(NULL) < deadline);
    feed->written++;
    return rc;
}

/* Record `next` of both inputs, where it is not there already. */
static int feed_next(struct feed *feed, struct weir_error *error)
{
    char a[16], b[16], value[24];
    int64_t i = feed->next++;
    (void)snprintf(a, sizeof a, "k%d", chain_a(i));
    (void)snprintf(b, sizeof b, "k%d", chain_b(i));
    (void)snprintf(value, sizeof value, "%" PRId64, i);
    const struct weir_record data = {
        .key = weir_text(a), .value = weir_text(value), .timestamp_ms = chain_time_ms(i)};
    const struct weir_record other = {
        .key = weir_text(b), .value = weir_text(value), .timestamp_ms = chain_other_ms(i)};
    int rc = send(feed, 0, (int32_t)(i % CHAIN_PARTITIONS), &data, error);
    if (rc < 0 || !chain_has_other(i)) return rc;
    return send(feed, 1, weir_partition_for_key(other.key, CHAIN_PARTITIONS), &other, error);
}

static bool has_passed_all(const struct feed *feed)
{
    for (int topic = 0; topic < INPUTS; topic++) {
        for (int p = 0; p < CHAIN_PARTITIONS; p++) {
            if (feed->passed[topic][p] < feed->there[topic][p]) return false;
        }
    }
    return true;
}

/* What meets nobody is decided when time has passed it: one record per partition, far ahead. */
static int close_windows(struct feed *feed, struct weir_error *error)
{
    int rc = 0;
    for (int32_t p = 0; rc >= 0 && p < CHAIN_PARTITIONS; p++) {
        const struct weir_record closer = {.key = weir_text("closer"),
                                           .value = weir_text("-"),
                                           .timestamp_ms = chain_time_ms(feed->next) + CLOSER_MS};
        rc = send(feed, 1, p, &closer, error);
    }
    return rc < 0 ? rc : weir_producer_flush(feed->producer, error);
}

/* ---- lives ----------------------------------------------------------------------------------- */

static int live(struct feed *feed, int64_t count, struct weir_error *error)
{
    bool is_said = false;
    int rc = 0;
    while (rc >= 0 && feed->written < count && feed->next < CHAIN_RECORDS_MAX) {
        rc = feed_next(feed, error);
        if (rc < 0 || feed->next % FLUSH_RECORDS != 0) continue;
        rc = weir_producer_flush(feed->producer, error);
        if (is_said || feed->written == 0) continue;
        is_said = printf("running\n") > 0 && fflush(stdout) == 0;
    }
    while (rc >= 0) {
        (void)pause(); /* until it is killed */
    }
    return rc;
}

static int finish(struct feed *feed, struct weir_streams *job, int64_t least,
                  struct weir_error *error)
{
    int rc = 0;
    while (rc >= 0 && (feed->next < least || !has_passed_all(feed))) {
        rc = feed_next(feed, error);
    }
    if (rc >= 0) rc = weir_producer_flush(feed->producer, error);
    if (rc >= 0) rc = weir_streams_drain(job, -1, error);
    if (rc >= 0) rc = close_windows(feed, error);
    if (rc >= 0) rc = weir_streams_drain(job, -1, error);
    if (rc < 0) return rc;
    struct weir_streams_metrics metrics;
    weir_streams_metrics(job, &metrics);
    printf("total %" PRId64 " late=%" PRId64 "\n", feed->next, metrics.records_dropped_late);
    return 0;
}

static int run(struct weir_log *log, char **words, int count)
{
    struct weir_error error = {0};
    struct feed feed = {0};
    struct weir_topology *topology = build(&error);
    if (topology == NULL) return fail("build", &error);
    const struct weir_streams_options options = {
        WEIR_STREAMS_OPTIONS_INIT,
        .application_id = "chain",
        .num_stream_threads = (int32_t)atoi(words[3]),
        .commit_interval_ms = COMMIT_MS,
        .cache_max_bytes = WEIR_CACHE_OFF,
        .processing_guarantee = count == 6 ? WEIR_AT_LEAST_ONCE : WEIR_EXACTLY_ONCE,
    };
    const struct weir_listen_options port = {WEIR_LISTEN_OPTIONS_INIT, .address = "127.0.0.1:0"};
    if (create_topics(log, &error) < 0) return fail("create", &error);
    if (weir_listen(log, &port, &error) < 0) return fail("listen", &error);
    struct weir_streams *job = weir_streams_start(log, topology, &options, &error);
    if (job == NULL) return fail("start", &error);
    int rc = open_feed(&feed, log, &error);
    if (rc >= 0) {
        rc = strcmp(words[2], "live") == 0
                 ? live(&feed, strtoll(words[4], NULL, 10), &error)
                 : finish(&feed, job, strtoll(words[4], NULL, 10), &error);
    }
    if (rc < 0) (void)fail(words[2], &error);
    (void)weir_producer_close(feed.producer, NULL);
    int closed = weir_streams_close(job, &error);
    if (closed < 0) (void)fail("close", &error);
    weir_topology_free(topology);
    return rc < 0 || closed < 0 ? FAILED : OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int read_topic(struct weir_log *log, const char *topic, struct weir_error *error)
{
    const struct weir_consumer_options committed = {WEIR_CONSUMER_OPTIONS_INIT,
                                                    .isolation_level = WEIR_READ_COMMITTED};
    struct weir_consumer *consumer = weir_consumer_new(log, &committed, error);
    if (consumer == NULL) return error->code;
    struct weir_batch_view view;
    int rc = weir_consumer_assign_topic(consumer, topic, WEIR_POSITION_BEGINNING, error);
    while (rc >= 0 && (rc = weir_consumer_poll(consumer, 0, &view, error)) == 0) {
        for (size_t i = 0; i < view.record_count; i++) {
            const struct weir_record *record = &view.records[i];
            printf("%s %.*s %.*s\n", topic, (int)record->key.size, (const char *)record->key.data,
                   (int)record->value.size, (const char *)record->value.data);
        }
    }
    int closed = weir_consumer_close(consumer, rc < 0 ? NULL : error);
    return rc < 0 ? rc : closed;
}

static int read_all(struct weir_log *log)
{
    struct weir_error error = {0};
    for (int i = 0; i < OUTPUTS; i++) {
        if (read_topic(log, outputs[i], &error) < 0) return fail("read", &error);
    }
    return OK;
}

int main(int count, char **words)
{
    bool is_reading = count == 3 && strcmp(words[2], "read") == 0;
    bool is_running = (count == 5 || count == 6) &&
                      (strcmp(words[2], "live") == 0 || strcmp(words[2], "finish") == 0);
    if (!is_reading && !is_running) return USAGE;
    struct weir_error error = {0};
    struct weir_log *log = weir_open(words[1], NULL, &error);
    if (log == NULL) return fail("open", &error);
    int status = is_reading ? read_all(log) : run(log, words, count);
    if (weir_close(log, &error) < 0) status = fail("close the log", &error);
    return status;
}
