#include "source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "generator.h"

enum { PARTITIONS = 4 };

/* ---- topics -------------------------------------------------------------------------------------- */

static int ensure_topic(struct weir_log *log, const char *topic, int32_t partition_count,
                        const char *key, const char *value, struct weir_error *error)
{
    struct weir_config config = {key, value};
    int rc = weir_topic_create(log, topic, partition_count, &config, key != NULL, error);
    return rc == WEIR_EXISTS ? 0 : rc;
}

static int ensure_topics(struct weir_log *log, struct weir_error *error)
{
    /* Payments are old when they come (a file of last year's): they must not expire under a reader. */
    int rc = ensure_topic(log, "payments", PARTITIONS, "retention.ms", "-1", error);
    if (rc == 0)
        rc = ensure_topic(log, "blocked-merchants", PARTITIONS, "retention.ms", "-1", error);
    if (rc == 0) rc = ensure_topic(log, "alerts", 1, "retention.ms", "-1", error);
    if (rc == 0) rc = ensure_topic(log, "payments-rejected", 1, "retention.ms", "-1", error);
    if (rc == 0) rc = ensure_topic(log, "payments-source", 1, "retention.ms", "-1", error);
    return rc;
}

/* ---- what the log says --------------------------------------------------------------------------- */

/* The last record of a partition, through `read`; nothing if there is none. */
static int read_last(struct weir_log *log, const char *topic, int32_t partition,
                     int (*read)(void *context, const struct weir_record *record), void *context,
                     struct weir_error *error)
{
    int64_t start, end;
    int rc = weir_topic_offsets(log, topic, partition, &start, &end, error);
    if (rc < 0 || start == end) return rc;
    struct weir_consumer *consumer = weir_consumer_new(log, NULL, error);
    if (consumer == NULL) return error->code;
    struct weir_batch_view batch;
    rc = weir_consumer_assign(consumer, topic, partition, end - 1, error);
    if (rc == 0) rc = weir_consumer_poll(consumer, -1, &batch, error);
    if (rc == 0) rc = read(context, &batch.records[batch.record_count - 1]);
    int closed = weir_consumer_close(consumer, rc == 0 ? error : NULL);
    return rc < 0 ? rc : closed;
}

static int read_position(void *context, const struct weir_record *record)
{
    struct payment payment;
    int rc = weir_deserialize(&payment_serde, record->value, &payment, NULL);
    if (rc == 0) *(int64_t *)context = payment.position;
    return rc;
}

static int read_line_number(void *context, const struct weir_record *record)
{
    char text[24] = "";
    size_t size = record->key.size < sizeof text ? record->key.size : sizeof text - 1;
    if (size > 0) memcpy(text, record->key.data, size);
    *(int64_t *)context = strtoll(text, NULL, 10);
    return 0;
}

/* The positions of all partitions; the source goes on behind the least. */
static int find_positions(struct source *source, int64_t *least_out, struct weir_error *error)
{
    int64_t least = INT64_MAX;
    for (int32_t i = 0; i < source->partition_count; i++) {
        int rc = read_last(source->log, "payments", i, read_position, &source->last[i], error);
        if (rc < 0) return rc;
        if (source->last[i] < least) least = source->last[i];
    }
    *least_out = least;
    return read_last(source->log, "payments-rejected", 0, read_line_number, &source->last_rejected,
                     error);
}

struct identity {
    char text[512];
};

static int read_identity(void *context, const struct weir_record *record)
{
    struct identity *identity = context;
    (void)snprintf(identity->text, sizeof identity->text, "%.*s", (int)record->value.size,
                   (const char *)record->value.data);
    return 0;
}

/* One directory, one source: positions of another one would mean nothing. */
static int check_identity(struct source *source, const char *csv_path, struct weir_error *error)
{
    struct identity mine = {
        "",
    };
    struct identity found = {
        "",
    };
    if (csv_path != NULL) {
        (void)snprintf(mine.text, sizeof mine.text, "the file %s", csv_path);
    } else {
        (void)snprintf(mine.text, sizeof mine.text, "the generator with seed %" PRIu64,
                       source->seed);
    }
    int rc = read_last(source->log, "payments-source", 0, read_identity, &found, error);
    if (rc < 0) return rc;
    if (found.text[0] == '\0') {
        return weir_produce(source->log, "payments-source", weir_text("source"),
                            weir_text(mine.text), error);
    }
    if (strcmp(found.text, mine.text) == 0) return 0;
    error->code = WEIR_INVALID_ARGUMENT;
    (void)snprintf(error->text, sizeof error->text,
                   "the payments in this directory come from %.200s, not from %.200s: "
                   "take another --data",
                   found.text, mine.text);
    return error->code;
}

/* Timestamp 0: a merchant is blocked before the first payment. */
static int block_merchants(struct source *source, struct weir_error *error)
{
    int64_t count = 0;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        int64_t start, end;
        int rc = weir_topic_offsets(source->log, "blocked-merchants", i, &start, &end, error);
        if (rc < 0) return rc;
        count += end - start;
    }
    for (int i = (int)count; i < GENERATOR_BLOCKED_COUNT; i++) {
        char name[96];
        generate_blocked_merchant(i, name, sizeof name);
        struct weir_record record = {.key = weir_text(name),
                                     .value = weir_text("reported by a bank")};
        int rc =
            weir_producer_send(source->producer, "blocked-merchants", -1, &record, NULL, error);
        if (rc == 0) rc = weir_producer_flush(source->producer, error);
        if (rc < 0) return rc;
    }
    return 0;
}

/* ---- the source ----------------------------------------------------------------------------------- */

int source_open(struct source *source, struct weir_log *log, const char *csv_path, uint64_t seed,
                struct weir_error *error)
{
    struct weir_topic_description payments;
    int64_t least = 0;
    *source = (struct source){.log = log, .seed = seed, .end = INT64_MAX};
    if (csv_path != NULL && !csv_open(&source->csv, csv_path, error->text, sizeof error->text)) {
        return error->code = WEIR_NOT_FOUND;
    }
    int rc = ensure_topics(log, error);
    if (rc == 0) rc = check_identity(source, csv_path, error);
    if (rc == 0) rc = weir_topic_describe(log, "payments", &payments, error);
    if (rc < 0) goto out;
    source->partition_count = payments.partition_count;
    if (source->partition_count > SOURCE_PARTITIONS_MAX) {
        rc = error->code = WEIR_INVALID_PARTITIONS;
        (void)snprintf(error->text, sizeof error->text,
                       "topic 'payments' has %d partitions, at most %d",
                       (int)source->partition_count, SOURCE_PARTITIONS_MAX);
        goto out;
    }
    struct weir_producer_options options = {WEIR_PRODUCER_OPTIONS_INIT};
    options.linger_ms = 5;
    source->producer = weir_producer_new(log, &options, error);
    rc = source->producer == NULL ? (int)error->code : 0;
    if (rc == 0) rc = find_positions(source, &least, error);
    if (rc == 0) rc = block_merchants(source, error);
    source->next = least + 1;
out:
    if (rc < 0) {
        (void)weir_producer_close(source->producer, NULL);
        csv_close(&source->csv);
        source->producer = NULL;
    }
    return rc;
}

static int send_payment(struct source *source, const struct payment *payment,
                        struct weir_error *error)
{
    struct weir_slice card = weir_text(payment->card);
    int32_t partition = weir_partition_for_key(card, source->partition_count);
    if (payment->position <= source->last[partition]) return 0; /* it is there already */

    uint8_t bytes[512];
    int64_t size = weir_serialize(&payment_serde, payment, bytes, sizeof bytes, error);
    if (size < 0) return (int)size;
    struct weir_record record = {
        .key = card,
        .value = weir_slice(bytes, (size_t)size),
        .timestamp_ms = payment->time_ms,
    };
    int rc = weir_producer_send(source->producer, "payments", partition, &record, NULL, error);
    if (rc == 0) source->produced += 1;
    return rc;
}

/* A line that is no payment, to the dead-letter topic: the line, with number and reason beside it. */
static int reject(struct source *source, const char *reason, struct weir_error *error)
{
    if (source->csv.line <= source->last_rejected) return 0;
    char number[24];
    (void)snprintf(number, sizeof number, "%" PRId64, source->csv.line);
    struct weir_header headers[] = {{weir_text("line"), weir_text(number)},
                                    {weir_text("reason"), weir_text(reason)}};
    struct weir_record record = {
        .key = weir_text(number),
        .value = weir_slice(source->csv.text, source->csv.text_size),
        .timestamp_ms = -1,
        .headers = headers,
        .header_count = 2,
    };
    source->rejected += 1;
    if (source->on_rejected != NULL) source->on_rejected(source->csv.line, reason);
    return weir_producer_send(source->producer, "payments-rejected", 0, &record, NULL, error);
}

/* 1: a payment was handled, 0: the end. */
static int step(struct source *source, struct weir_error *error)
{
    struct payment payment;
    if (source->csv.file == NULL) {
        if (source->next >= source->end) return 0;
        generate_payment(source->seed, source->next++, &payment);
    } else {
        char reason[256];
        switch (csv_next(&source->csv, &payment, reason, sizeof reason)) {
        case CSV_PAYMENT:
            break;
        case CSV_END:
            return 0;
        case CSV_BAD: {
            int rc = reject(source, reason, error);
            return rc < 0 ? rc : 1;
        }
        case CSV_FAILED:
            (void)snprintf(error->text, sizeof error->text, "%s", reason);
            return error->code = WEIR_IO;
        }
    }
    int rc = send_payment(source, &payment, error);
    return rc < 0 ? rc : 1;
}

int64_t source_step(struct source *source, int64_t count, struct weir_error *error)
{
    int64_t done = 0;
    int rc = 1;
    while (done < count && (rc = step(source, error)) == 1)
        done++;
    (void)weir_producer_poll(source->producer); /* how many deliveries ran does not matter here */
    return rc < 0 ? rc : done;
}

int source_close(struct source *source, struct weir_error *error)
{
    int rc = weir_producer_close(source->producer, error);
    csv_close(&source->csv);
    source->producer = NULL;
    return rc;
}
