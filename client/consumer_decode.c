/**
 * From fetched bytes to record views.
 *
 * Views point into the fetched bytes; those of a compressed batch into `plain`, which is why such a
 * batch is the last in what one poll gives. Several small batches make one array of views. The crc
 * of a batch is checked before anything in it is believed.
 */
#include "client/consumer_internal.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"

/* What a compressed batch may unfold to: as much as any record batch may hold. */
enum { PLAIN_SIZE_MAX = INT32_MAX };

void weir_consumer_hold(struct weir_consumer *consumer, struct weir_consumer_partition *partition)
{
    struct weir_consumer_held *held = &consumer->held;
    weir_assert(held->partition == NULL);
    weir_assert(partition->state == WEIR_CONSUMER_READY);
    *held = (struct weir_consumer_held){
        .partition = partition,
        .part_count = partition->fetch.part_count,
    };
    memcpy(held->parts, partition->fetch.parts, held->part_count * sizeof held->parts[0]);
    partition->fetch.part_count = 0; /* the references are ours now */
    partition->state = WEIR_CONSUMER_IDLE;
}

void weir_consumer_let_go(struct weir_consumer *consumer)
{
    struct weir_consumer_held *held = &consumer->held;
    for (size_t i = 0; i < held->part_count; i++) {
        weir_shared_unref(held->parts[i].bytes);
    }
    held->partition = NULL;
    held->part_count = 0;
    held->in_batch = false;
}

static struct weir_slice rest_of_part(const struct weir_consumer_held *held)
{
    const struct weir_log_part *part = &held->parts[held->part];
    return weir_slice(part->bytes->data + part->from + held->at, part->size - held->at);
}

/* Step over the batch that has been used up. */
static void next_batch(struct weir_consumer_held *held)
{
    held->in_batch = false;
    held->at += weir_batch_size(&held->batch.header);
    while (held->part < held->part_count && held->at >= held->parts[held->part].size) {
        held->part++;
        held->at = 0;
    }
}

bool weir_consumer_is_used_up(const struct weir_consumer *consumer)
{
    const struct weir_consumer_held *held = &consumer->held;
    return !held->in_batch && held->part >= held->part_count;
}

static bool is_compressed(const struct weir_batch_iterator *batch)
{
    return weir_batch_codec(&batch->header) != WEIR_CODEC_NONE;
}

/* Begin with the next held batch. WEIR_END: there is none, or it has to wait for the next poll. */
static int enter_batch(struct weir_consumer *consumer, size_t count, struct weir_error *error)
{
    struct weir_consumer_held *held = &consumer->held;
    if (held->part >= held->part_count) return WEIR_END;
    struct weir_batch_header header;
    struct weir_slice bytes = rest_of_part(held);
    int rc = weir_batch_peek(bytes, 0, &header, error);
    if (rc < 0) return rc;
    if (count > 0 && weir_batch_codec(&header) != WEIR_CODEC_NONE) return WEIR_END;
    bytes.size = weir_batch_size(&header);
    rc = weir_batch_check_crc(bytes, error);
    if (rc < 0) return rc;
    weir_buffer_reset(&consumer->plain);
    rc = weir_batch_iterate(&held->batch, bytes, &consumer->plain, PLAIN_SIZE_MAX,
                            &consumer->headers, error);
    if (rc < 0) return rc;
    held->in_batch = true;
    return 0;
}

/* A batch begins where it begins: those below the position were not asked for. */
static size_t skip_below(struct weir_record *records, size_t count, int64_t position)
{
    size_t skipped = 0;
    while (skipped < count && records[skipped].offset < position) {
        skipped++;
    }
    if (skipped > 0) memmove(records, records + skipped, (count - skipped) * sizeof *records);
    return count - skipped;
}

/* Records of the batch at hand; it may be used up after. */
static int read_batch(struct weir_consumer *consumer, size_t *count, struct weir_error *error)
{
    struct weir_consumer_held *held = &consumer->held;
    struct weir_consumer_partition *partition = held->partition;
    struct weir_record *records = consumer->records + *count;
    size_t capacity = WEIR_CONSUMER_RECORDS_MAX - *count;
    bool is_control = (held->batch.header.attributes & WEIR_BATCH_CONTROL) != 0;
    int got = is_control ? 0 : weir_batch_read_all(&held->batch, records, capacity, error);
    if (got < 0) return got;

    size_t kept = skip_below(records, (size_t)got, partition->position);
    if (kept > 0) partition->position = records[kept - 1].offset + 1;
    if (kept > 0) partition->epoch = held->batch.header.leader_epoch;
    *count += kept;
    if ((size_t)got < capacity || held->batch.index >= held->batch.header.record_count) {
        int64_t next = weir_batch_last_offset(&held->batch.header) + 1;
        if (next > partition->position) {
            partition->position = next;
            partition->epoch = held->batch.header.leader_epoch;
        }
        next_batch(held);
    }
    return 0;
}

/* What is stored may be damaged: the partition looks, and this waits for it, so that whoever is given the
 * error finds the partition in the state that it has from now on. The error says the rest. */
static void tell_partition(struct weir_consumer *consumer)
{
    const struct weir_consumer_held *held = &consumer->held;
    struct weir_broker *broker = consumer->log->broker;
    struct weir_batch_header header;
    struct weir_damage_report report = {
        .of = {weir_text(held->partition->topic), held->partition->index},
        .offset = held->partition->position,
    };
    if (weir_batch_peek(rest_of_part(held), 0, &header, NULL) == 0) {
        report.offset = header.base_offset;
    }
    if (weir_broker_wait_begin(broker, &report.request, NULL) < 0) return;
    weir_broker_report_damage(broker, &report);
    (void)weir_broker_wait(broker, &report.request, NULL);
}

int weir_consumer_decode(struct weir_consumer *consumer, size_t *count_out,
                         struct weir_error *error)
{
    struct weir_consumer_held *held = &consumer->held;
    size_t count = 0;
    int rc = 0;
    weir_arena_reset(&consumer->headers);
    while (rc == 0 && count < WEIR_CONSUMER_RECORDS_MAX) {
        if (!held->in_batch) rc = enter_batch(consumer, count, error);
        if (rc == 0) rc = read_batch(consumer, &count, error);
        if (rc == 0 && count > 0 && is_compressed(&held->batch)) break;
    }
    if (count > 0) { /* damage behind them is met again by the next poll */
        *count_out = count;
        return 0;
    }
    if (rc < 0) {
        if (rc == WEIR_CORRUPT) tell_partition(consumer);
        held->in_batch = false; /* what the iterator has seen of a damaged batch is not believed */
        return weir_error_wrap(error, rc, "topic '%s' partition %d, batch at or after offset %lld",
                               held->partition->topic, (int)held->partition->index,
                               (long long)held->partition->position);
    }
    weir_assert(rc == WEIR_END);
    return WEIR_END;
}
