/* Transactions in this process: what they take from the writers and the readers of records. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir.h>

#include "bench/bench_serve.h"

enum {
    PARTITIONS = 6,
    PAIRS = 5,
    RECORD_SIZE = 100,
    TRANSACTION_MS = 100,
    SMALL_RECORDS = 10, /* of a small transaction */
    PRODUCERS = 100,
    SAMPLES = 2000,
};

static const uint8_t value[RECORD_SIZE];

static struct weir_log *open_log(void)
{
    char data[300];
    struct weir_error error;
    struct weir_log_options options = {WEIR_LOG_OPTIONS_INIT};
    (void)snprintf(data, sizeof data, "%s/data", bench_directory());
    struct weir_log *log = weir_open(data, &options, &error);
    if (log == NULL) bench_fail("open a log", (int)error.code, &error);
    return log;
}

static struct weir_producer *new_producer(struct weir_log *log, const char *transactional_id)
{
    struct weir_error error;
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT,
                                            .transactional_id = transactional_id};
    struct weir_producer *producer = weir_producer_new(log, &options, &error);
    if (producer == NULL) bench_fail("make a producer", (int)error.code, &error);
    return producer;
}

static void send(struct weir_producer *producer, const char *topic, int64_t number)
{
    struct weir_error error;
    const struct weir_record record = {.key = weir_slice(&number, sizeof number),
                                       .value = weir_slice(value, sizeof value)};
    BENCH_TRY(
        weir_producer_send(producer, topic, (int32_t)(number % PARTITIONS), &record, NULL, &error),
        &error);
}

static int compare_doubles(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return values[count / 2];
}

/* ---- plain, and in transactions of 100 ms ---------------------------------------------------- */

struct stretch {
    double rate;   /* records a second */
    double cpu_ns; /* of the process, per record */
};

static struct stretch produce_for(struct weir_log *log, const char *transactional_id,
                                  double seconds)
{
    struct weir_error error;
    struct weir_producer *producer = new_producer(log, transactional_id);
    double from = bench_wall(), cpu = bench_process_cpu(), next = from;
    int64_t count = 0;
    bool is_open = false;
    while (bench_wall() < from + seconds) {
        if (transactional_id != NULL && bench_wall() >= next) {
            if (is_open) BENCH_TRY(weir_producer_commit(producer, &error), &error);
            BENCH_TRY(weir_producer_begin(producer, &error), &error);
            is_open = true;
            next = bench_wall() + TRANSACTION_MS / 1e3;
        }
        for (int i = 0; i < 600; i++) {
            send(producer, "written", count++);
        }
    }
    if (is_open) BENCH_TRY(weir_producer_commit(producer, &error), &error);
    BENCH_TRY(weir_producer_flush(producer, &error), &error);
    struct stretch made = {(double)count / (bench_wall() - from),
                           (bench_process_cpu() - cpu) * 1e9 / (double)count};
    BENCH_TRY(weir_producer_close(producer, &error), &error);
    return made;
}

/* In turns, so that what else the machine does meets both. */
static void beside_plain(struct weir_log *log)
{
    double rates[2][PAIRS], cpu[2][PAIRS], ratios[PAIRS], seconds = bench_is_small() ? 0.3 : 3;
    for (int pair = 0; pair < PAIRS; pair++) {
        for (int i = 0; i < 2; i++) {
            int is_transactional = (pair + i) % 2;
            struct stretch made = produce_for(log, is_transactional ? "long" : NULL, seconds);
            rates[is_transactional][pair] = made.rate;
            cpu[is_transactional][pair] = made.cpu_ns;
        }
        ratios[pair] = cpu[1][pair] / cpu[0][pair];
    }
    double plain = median(rates[0], PAIRS), plain_cpu = median(cpu[0], PAIRS);
    bench_row(&(struct bench_row){"produce, idempotent", plain, "records/s", 0, false, 0});
    bench_row(&(struct bench_row){"  in transactions of 100 ms", median(rates[1], PAIRS),
                                  "records/s", 0.95 * plain, false, 0});
    bench_row(&(struct bench_row){"CPU of a record, idempotent", plain_cpu, "ns", 0, true, 0});
    bench_row(&(struct bench_row){"  in transactions of 100 ms", median(cpu[1], PAIRS), "ns",
                                  1.05 * plain_cpu, true, 0});
    bench_note("CPU in pairs: %.3f times that of plain records", median(ratios, PAIRS));
}

/* ---- of ten records -------------------------------------------------------------------------- */

struct writer {
    struct weir_log *log;
    char id[32];
    double until; /* wall */
    double *seconds;
    int64_t count;
};

static void *write_small(void *context)
{
    struct weir_error error;
    struct writer *writer = context;
    struct weir_producer *producer = new_producer(writer->log, writer->id);
    while (bench_wall() < writer->until) {
        double from = bench_wall();
        BENCH_TRY(weir_producer_begin(producer, &error), &error);
        for (int i = 0; i < SMALL_RECORDS; i++) {
            send(producer, "written", i);
        }
        BENCH_TRY(weir_producer_commit(producer, &error), &error);
        if (writer->seconds != NULL && writer->count < SAMPLES) {
            writer->seconds[writer->count] = bench_wall() - from;
        }
        writer->count++;
    }
    BENCH_TRY(weir_producer_close(producer, &error), &error);
    return NULL;
}

static double small_rate(struct weir_log *log, int producers, double *seconds, int64_t *count_out)
{
    static struct writer writers[PRODUCERS];
    static pthread_t threads[PRODUCERS];
    double from = bench_wall(), length = bench_is_small() ? 0.3 : 5;
    int64_t count = 0;
    for (int i = 0; i < producers; i++) {
        writers[i] = (struct writer){.log = log, .until = from + length, .seconds = seconds};
        (void)snprintf(writers[i].id, sizeof writers[i].id, "small-%d", i);
        if (pthread_create(&threads[i], NULL, write_small, &writers[i]) != 0) {
            bench_fail("pthread_create", WEIR_NO_MEMORY, NULL);
        }
    }
    for (int i = 0; i < producers; i++) {
        (void)pthread_join(threads[i], NULL);
        count += writers[i].count;
    }
    *count_out = count;
    return (double)count / (bench_wall() - from);
}

static void of_ten(struct weir_log *log)
{
    static double seconds[SAMPLES], syncs[SAMPLES];
    int64_t count;
    bench_sync_floor(4096, 1e6, syncs, bench_is_small() ? 20 : 500);
    double flush = bench_quantile_us(syncs, bench_is_small() ? 20 : 500, 0.5);
    double cpu = bench_process_cpu();
    double one = small_rate(log, 1, seconds, &count);
    cpu = (bench_process_cpu() - cpu) * 1e6 / (double)count;
    double p50 = bench_quantile_us(seconds, (size_t)(count < SAMPLES ? count : SAMPLES), 0.5);
    bench_row(&(struct bench_row){"a transaction of ten records in six partitions, p50", p50, "us",
                                  0, true, flush});
    bench_note("%.1f times a write of 4 KB and its sync", p50 / flush);
    bench_row(&(struct bench_row){"transactions, one producer", one, "1/s", 0, false, 1e6 / flush});
    bench_row(&(struct bench_row){"  CPU of one, of the process", cpu, "us", 0, true, 0});
    bench_note("a transaction of 100 ms may cost 5 %% of as much CPU as its plain records: "
               "%.0f us of a core that they fill",
               0.05 * TRANSACTION_MS * 1e3);
    double many = small_rate(log, PRODUCERS, NULL, &count);
    bench_row(&(struct bench_row){"transactions, 100 producers", many, "1/s", 0, false, 0});
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Transactions of a thousand records, each tenth aborted. */
static int64_t fill(struct weir_log *log, int64_t records)
{
    struct weir_error error;
    struct weir_producer *producer = new_producer(log, "filler");
    int64_t committed = 0;
    for (int64_t i = 0; i < records; i += 1000) {
        bool is_aborted = i / 1000 % 10 == 9;
        BENCH_TRY(weir_producer_begin(producer, &error), &error);
        for (int64_t j = 0; j < 1000; j++) {
            send(producer, "read", i + j);
        }
        BENCH_TRY(weir_producer_flush(producer, &error), &error);
        BENCH_TRY(is_aborted ? weir_producer_abort(producer, &error)
                             : weir_producer_commit(producer, &error),
                  &error);
        committed += is_aborted ? 0 : 1000;
    }
    BENCH_TRY(weir_producer_close(producer, &error), &error);
    return committed;
}

/* CPU per record of the log, whether it is given or passed over. */
static double read_all(struct weir_log *log, int isolation_level, int64_t records, int64_t expected)
{
    struct weir_error error;
    struct weir_batch_view view;
    struct weir_consumer_options options = {WEIR_CONSUMER_OPTIONS_INIT,
                                            .isolation_level = isolation_level};
    struct weir_consumer *consumer = weir_consumer_new(log, &options, &error);
    if (consumer == NULL) bench_fail("make a consumer", (int)error.code, &error);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        BENCH_TRY(weir_consumer_assign(consumer, "read", i, WEIR_POSITION_BEGINNING, &error),
                  &error);
    }
    double from = bench_process_cpu();
    int64_t count = 0;
    while (count < expected) {
        int rc = weir_consumer_poll(consumer, 10000, &view, &error);
        if (rc != 0) bench_fail("read: not all records came", rc, &error);
        count += (int64_t)view.record_count;
    }
    double cpu = (bench_process_cpu() - from) * 1e9 / (double)records;
    if (count != expected) bench_fail("read: too many records came", WEIR_CORRUPT, NULL);
    BENCH_TRY(weir_consumer_close(consumer, &error), &error);
    return cpu;
}

static void reading(struct weir_log *log)
{
    int64_t records = bench_scaled(2000000) / 10000 * 10000;
    int64_t committed = fill(log, records);
    double cpu[2][PAIRS];
    for (int pair = 0; pair < PAIRS; pair++) {
        for (int i = 0; i < 2; i++) {
            bool is_committed = (pair + i) % 2 == 1;
            cpu[is_committed][pair] =
                read_all(log, is_committed ? WEIR_READ_COMMITTED : WEIR_READ_UNCOMMITTED, records,
                         is_committed ? committed : records);
        }
    }
    bench_row(&(struct bench_row){"CPU of a record read, read_uncommitted", median(cpu[0], PAIRS),
                                  "ns", 0, true, 0});
    bench_row(&(struct bench_row){"  read_committed, a tenth was aborted", median(cpu[1], PAIRS),
                                  "ns", median(cpu[0], PAIRS), true, 0});
}

void bench_transactions(void)
{
    struct weir_error error;
    struct weir_log *log = open_log();
    const struct weir_config configs[] = {{"segment.bytes", "67108864"},
                                          {"retention.bytes", "134217728"}};
    BENCH_TRY(weir_topic_create(log, "written", PARTITIONS, configs, 2, &error), &error);
    BENCH_TRY(weir_topic_create(log, "read", PARTITIONS, NULL, 0, &error), &error);
    beside_plain(log);
    of_ten(log);
    reading(log);
    BENCH_TRY(weir_close(log, &error), &error);
}
