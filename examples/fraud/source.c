#include "source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "generator.h"

enum { PARTITIONS = 4, REJECTED_SIZE_MAX = 64 * 1024 };

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

/* Each record of a partition from `from` to its end now, through `take`; how many it took. */
static int each_record(struct weir_log *log, const char *topic, int32_t partition, int64_t from,
                       bool (*take)(void *context, const struct weir_record *record), void *context,
                       struct weir_error *error)
{
    int64_t end;
    int taken = 0;
    int rc = weir_topic_offsets(log, topic, partition, NULL, &end, error);
    if (rc < 0 || from >= end) return rc;
    struct weir_consumer *consumer = weir_consumer_new(log, NULL, error);
    if (consumer == NULL) return error->code;
    rc = weir_consumer_assign(consumer, topic, partition, from, error);
    for (int64_t next = from; rc == 0 && next < end;) {
        struct weir_batch_view batch;
        rc = weir_consumer_poll(consumer, 0, &batch, error); /* what is last may be no record */
        for (size_t i = 0; rc == 0 && i < (size_t)batch.record_count; i++) {
            taken += take(context, &batch.records[i]);
            next = batch.records[i].offset + 1;
        }
    }
    int closed = weir_consumer_close(consumer, rc >= 0 ? error : NULL);
    if (rc >= 0) rc = closed;
    return rc < 0 ? rc : taken;
}

/* The last record of a partition that `take` takes, if there is one: somebody may have written others
 * behind it, so the look goes back until there is one. */
static int read_last(struct weir_log *log, const char *topic, int32_t partition,
                     bool (*take)(void *context, const struct weir_record *record), void *context,
                     struct weir_error *error)
{
    int64_t start, end;
    int rc = weir_topic_offsets(log, topic, partition, &start, &end, error);
    for (int64_t back = 1; rc == 0 && start < end; back *= 32) {
        int64_t from = end - start > back ? end - back : start;
        rc = each_record(log, topic, partition, from, take, context, error);
        if (from == start) break;
    }
    return rc < 0 ? rc : 0;
}

static bool take_position(void *context, const struct weir_record *record)
{
    struct payment payment;
    if (weir_deserialize(&payment_serde, record->value, &payment, NULL) < 0) return false;
    *(int64_t *)context = payment.position;
    return true;
}

/* A header's value as a number; -1 if there is none of that name. */
static int64_t header_number(const struct weir_record *record, const char *name, int base)
{
    for (size_t i = 0; i < record->header_count; i++) {
        const struct weir_header *header = &record->headers[i];
        char text[24] = "";
        bool is_it = header->key.size == strlen(name) &&
                     memcmp(header->key.data, name, header->key.size) == 0;
        if (!is_it || header->value.size >= sizeof text) continue;
        memcpy(text, header->value.data, header->value.size);
        return (int64_t)strtoull(text, NULL, base);
    }
    return -1;
}

/* The job's dead letters lie beside what this source has rejected, and have no position. */
static bool take_rejected(void *context, const struct weir_record *record)
{
    int64_t *newest = context;
    int64_t position = header_number(record, "position", 10);
    if (position > *newest) *newest = position;
    return position >= 0;
}

/* The positions of all partitions; the source goes on behind the least. */
static int find_positions(struct source *source, int64_t *least_out, struct weir_error *error)
{
    int64_t least = INT64_MAX;
    for (int32_t i = 0; i < source->partition_count; i++) {
        int rc = read_last(source->log, "payments", i, take_position, &source->last[i], error);
        if (rc < 0) return rc;
        if (source->last[i] < least) least = source->last[i];
    }
    *least_out = least;
    return read_last(source->log, "payments-rejected", 0, take_rejected, &source->last_rejected,
                     error);
}

/* ---- which source it is -------------------------------------------------------------------------- */

/* As it stands in `payments-source`: the text, and beside it, of a file, what it was and where its
 * positions begin. */
struct origin {
    char text[512];
    struct identity identity;
    int64_t base;
};

static bool take_origin(void *context, const struct weir_record *record)
{
    struct origin *origin = context;
    (void)snprintf(origin->text, sizeof origin->text, "%.*s", (int)record->value.size,
                   (const char *)record->value.data);
    origin->identity.size = header_number(record, "size", 10);
    origin->identity.hash = (uint64_t)header_number(record, "hash", 16);
    origin->identity.is_file = origin->identity.size >= 0;
    origin->base = header_number(record, "base", 10);
    if (origin->base < 0) origin->base = 0;
    return true;
}

static int write_origin(struct source *source, const struct origin *origin,
                        struct weir_error *error)
{
    char size[24], hash[24], base[24];
    (void)snprintf(size, sizeof size, "%" PRId64, origin->identity.size);
    (void)snprintf(hash, sizeof hash, "%016" PRIx64, origin->identity.hash);
    (void)snprintf(base, sizeof base, "%" PRId64, origin->base);
    struct weir_header headers[] = {{weir_text("base"), weir_text(base)},
                                    {weir_text("size"), weir_text(size)},
                                    {weir_text("hash"), weir_text(hash)}};
    struct weir_record record = {
        .key = weir_text("source"),
        .value = weir_text(origin->text),
        .timestamp_ms = -1,
        .headers = headers,
        .header_count = origin->identity.is_file ? 3 : 1,
    };
    int rc = weir_producer_send(source->producer, "payments-source", 0, &record, NULL, error);
    return rc < 0 ? rc : weir_producer_flush(source->producer, error);
}

/* One directory, one source: positions of another one would mean nothing. */
static int refuse_other(const struct origin *found, const struct origin *mine,
                        struct weir_error *error)
{
    error->code = WEIR_INVALID_ARGUMENT;
    (void)snprintf(error->text, sizeof error->text,
                   "the payments in this directory come from %.200s, not from %.200s: "
                   "take another --data",
                   found->text, mine->text);
    return error->code;
}

/* The file is not what it was: its lines are new ones, behind all that came before. */
static void begin_anew(struct source *source, struct origin *mine, bool is_file)
{
    mine->base = source->last_rejected;
    for (int32_t i = 0; i < source->partition_count; i++) {
        if (source->last[i] > mine->base) mine->base = source->last[i];
    }
    (void)snprintf(source->notice, sizeof source->notice, "%.120s %s", mine->text,
                   is_file ? "is another one than before under its name: a new import"
                           : "is no file that could be read again: what comes is a new import");
}

/* Whose payments are there, and is it this source as it was? */
static int check_origin(struct source *source, const struct source_options *options,
                        struct weir_error *error)
{
    struct origin mine = {.identity.size = -1};
    struct origin found = {.text = ""};
    const char *path = options->csv_path;
    if (path == NULL) {
        (void)snprintf(mine.text, sizeof mine.text, "the generator with seed %" PRIu64,
                       options->seed);
    } else {
        (void)snprintf(mine.text, sizeof mine.text, "the file %s", path);
        if (!identity_read(path, -1, &mine.identity)) {
            (void)snprintf(error->text, sizeof error->text, "%s: %s", path, strerror(errno));
            return error->code = WEIR_IO;
        }
    }
    int rc = read_last(source->log, "payments-source", 0, take_origin, &found, error);
    if (rc < 0) return rc;
    bool is_first = found.text[0] == '\0';
    if (!is_first && strcmp(found.text, mine.text) != 0) return refuse_other(&found, &mine, error);
    mine.base = found.base;
    bool is_same = is_first || path == NULL || identity_is_same(path, &found.identity);
    if (!is_same) begin_anew(source, &mine, mine.identity.is_file);
    source->base = mine.base;
    bool is_known = is_same && !is_first && mine.identity.size == found.identity.size;
    return is_known || (path == NULL && !is_first) ? 0 : write_origin(source, &mine, error);
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

int source_open(struct source *source, struct weir_log *log, const struct source_options *options,
                struct weir_error *error)
{
    struct weir_topic_description payments;
    int64_t least = 0;
    *source = (struct source){.log = log, .seed = options->seed, .end = INT64_MAX};
    if (options->csv_path != NULL && !csv_open(&source->csv, options->csv_path, options->latest_ms,
                                               error->text, sizeof error->text)) {
        return error->code = WEIR_NOT_FOUND;
    }
    int rc = ensure_topics(log, error);
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
    struct weir_producer_options producer_options = {WEIR_PRODUCER_OPTIONS_INIT, .linger_ms = 5};
    source->producer = weir_producer_new(log, &producer_options, error);
    rc = source->producer == NULL ? (int)error->code : 0;
    if (rc == 0) rc = find_positions(source, &least, error);
    if (rc == 0) rc = check_origin(source, options, error);
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
    source->read += 1;
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

/* A line that is no payment, to the dead-letter topic: the line, with number and reason beside it. Of a
 * long one the head, and its size: no line may be one that the topic does not take. */
static int reject(struct source *source, const char *reason, struct weir_error *error)
{
    const struct lines *lines = &source->csv.lines;
    int64_t at = source->base + lines->line;
    char line[24], position[24], size[24];
    if (source->rejected++ == 0) {
        (void)snprintf(source->first_reason, sizeof source->first_reason,
                       "line %" PRId64 ": %.220s", lines->line, reason);
    }
    if (at <= source->last_rejected) return 0;
    (void)snprintf(line, sizeof line, "%" PRId64, lines->line);
    (void)snprintf(position, sizeof position, "%" PRId64, at);
    (void)snprintf(size, sizeof size, "%" PRId64, lines->full_size);
    struct weir_header headers[] = {{weir_text("line"), weir_text(line)},
                                    {weir_text("reason"), weir_text(reason)},
                                    {weir_text("position"), weir_text(position)},
                                    {weir_text("size"), weir_text(size)}};
    bool is_cut = lines->full_size > REJECTED_SIZE_MAX;
    struct weir_record record = {
        .key = weir_text(line),
        .value = weir_slice(lines->text, is_cut ? REJECTED_SIZE_MAX : lines->size),
        .timestamp_ms = -1,
        .headers = headers,
        .header_count = is_cut ? 4 : 3,
    };
    if (source->on_rejected != NULL) source->on_rejected(lines->line, reason);
    int rc = weir_producer_send(source->producer, "payments-rejected", 0, &record, NULL, error);
    while (rc == WEIR_TOO_LARGE && record.value.size > 0) { /* a topic with a bound of its own */
        record.header_count = 4;
        record.value.size /= 2;
        rc = weir_producer_send(source->producer, "payments-rejected", 0, &record, NULL, error);
    }
    return rc;
}

/* 1: a payment was handled, 0: the end. */
static int step(struct source *source, struct weir_error *error)
{
    struct payment payment;
    if (source->csv.lines.file == NULL) {
        if (source->next >= source->end) return 0;
        generate_payment(source->seed, source->next++, &payment);
    } else {
        char reason[256];
        switch (csv_next(&source->csv, &payment, reason, sizeof reason)) {
        case CSV_PAYMENT:
            payment.position += source->base;
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

int source_check_read(const struct source *source, struct weir_error *error)
{
    if (source->csv.lines.file == NULL || source->read > 0) return 0;
    if (source->rejected == 0) {
        (void)snprintf(error->text, sizeof error->text,
                       "%.200s: a header line and no payment behind it", source->csv.path);
    } else {
        (void)snprintf(error->text, sizeof error->text,
                       "%.120s: none of its lines is a payment; %.200s (all of them, %" PRId64
                       ", are in topic payments-rejected)",
                       source->csv.path, source->first_reason, source->rejected);
    }
    return error->code = WEIR_INVALID_RECORD;
}

int source_close(struct source *source, struct weir_error *error)
{
    int rc = weir_producer_close(source->producer, error);
    csv_close(&source->csv);
    source->producer = NULL;
    return rc;
}
