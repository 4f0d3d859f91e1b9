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

void weir_consumer_hold(struct weir_consumer *consumer, struct weir_consumer_partition *partition)
{
    struct weir_consumer_held *held = &consumer->held;
    weir_assert(held->partition == NULL && held->batches.part_count == 0);
    weir_assert(partition->consumer == consumer);
    *held = (struct weir_consumer_held){
        .partition = partition,
        .reader = {.plain = &consumer->plain, .arena = &consumer->headers},
    };
    weir_log_batches_move(&held->batches, &partition->fetch.batches);
    held->aborted = partition->fetch.aborted;
    weir_committed_filter_begin(&held->filter, held->aborted, partition->fetch.aborted_count);
    partition->fetch.aborted = NULL;
    partition->fetch.aborted_count = 0;
    weir_consumer_note(partition, (struct weir_consumer_event){.type = WEIR_CONSUMER_TAKEN});
}

void weir_consumer_let_go(struct weir_consumer *consumer)
{
    struct weir_consumer_held *held = &consumer->held;
    weir_log_batches_release(&held->batches);
    weir_free(held->aborted);
    held->aborted = NULL;
    held->partition = NULL;
    held->has_batch = false;
    held->in_batch = false;
    held->reader = (struct weir_batch_reader){0};
}

bool weir_consumer_is_used_up(const struct weir_consumer *consumer)
{
    const struct weir_consumer_held *held = &consumer->held;
    return !held->has_batch && held->reader.rest.size == 0 &&
           held->part >= held->batches.part_count;
}

static bool is_compressed(const struct weir_batch_reader *reader)
{
    return weir_batch_codec(&reader->header) != WEIR_CODEC_NONE;
}

/* Behind the batch at hand. */
static void pass_batch(struct weir_consumer_held *held)
{
    struct weir_consumer_partition *partition = held->partition;
    int64_t next = weir_batch_last_offset(&held->reader.header) + 1;
    if (next <= partition->position) return;
    partition->position = next;
    partition->epoch = held->reader.header.leader_epoch;
}

static int step_to_batch(struct weir_consumer_held *held, struct weir_error *error)
{
    int rc;
    while ((rc = weir_batch_reader_next(&held->reader, error)) == WEIR_END) {
        if (held->part >= held->batches.part_count) return WEIR_END;
        held->reader.rest = weir_log_part_bytes(&held->batches.parts[held->part++]);
    }
    return rc;
}

/* The next held batch that is data to be read, or WEIR_END: behind markers, and what was aborted. */
static int next_batch(struct weir_consumer_held *held, struct weir_error *error)
{
    int rc;
    weir_assert(!held->has_batch && !held->in_batch); /* the one before is used up */
    while ((rc = step_to_batch(held, error)) == 0) {
        rc = weir_committed_filter_admit(&held->filter, &held->reader, error);
        if (rc != WEIR_END) break;
        pass_batch(held);
    }
    held->has_batch = rc == 0;
    return rc;
}

/* Begin with the next held batch. WEIR_END: there is none, or it has to wait for the next poll. */
static int enter_batch(struct weir_consumer *consumer, size_t count, struct weir_error *error)
{
    struct weir_consumer_held *held = &consumer->held;
    weir_assert(!held->in_batch);
    int rc = held->has_batch ? 0 : next_batch(held, error);
    if (rc != 0) return rc;
    if (count > 0 && is_compressed(&held->reader)) return WEIR_END;
    rc = weir_batch_reader_open(&held->reader, error);
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
    weir_assert(held->has_batch && held->in_batch && *count < WEIR_CONSUMER_RECORDS_MAX);
    struct weir_record *records = consumer->records + *count;
    size_t capacity = WEIR_CONSUMER_RECORDS_MAX - *count;
    struct weir_batch_reader *reader = &held->reader;
    int got = weir_batch_reader_records(reader, records, capacity, error);
    if (got < 0) return got;

    size_t kept = skip_below(records, (size_t)got, partition->position);
    if (kept > 0) partition->position = records[kept - 1].offset + 1;
    if (kept > 0) partition->epoch = reader->header.leader_epoch;
    *count += kept;
    if ((size_t)got < capacity || reader->left == 0) {
        pass_batch(held);
        held->has_batch = false;
        held->in_batch = false;
    }
    return 0;
}

/* What is stored may be damaged: the partition looks, and this waits for it, so that whoever is given the
 * error finds the partition in the state that it has from now on. WEIR_CORRUPT, WEIR_OFFLINE: the disk has the
 * damage. */
static int tell_partition(struct weir_consumer *consumer)
{
    const struct weir_consumer_held *held = &consumer->held;
    weir_assert(held->partition != NULL);
    struct weir_env *env = consumer->log->env;
    struct weir_damage_report report = {
        .of = {weir_text(held->partition->topic), held->partition->index},
        .offset = held->has_batch ? held->reader.header.base_offset : held->partition->position,
    };
    int rc = weir_request_wait_begin(env, &report.request, NULL);
    if (rc < 0) return rc;
    weir_log_report_damage(consumer->log, &report);
    return weir_request_wait(env, &report.request, NULL);
}

/* What is stored is damaged: where, how, and what can be done. */
static int say_damage(struct weir_consumer *consumer, struct weir_error *error)
{
    const struct weir_consumer_partition *partition = consumer->held.partition;
    struct weir_error why = {0};
    if (error != NULL) why = *error;
    int rc = tell_partition(consumer);
    if (rc != WEIR_CORRUPT && rc != WEIR_OFFLINE) return WEIR_CORRUPT;
    return weir_error_set(error, WEIR_CORRUPT,
                          "%s; put back what was there, or close the directory and let 'weir log "
                          "repair %s %s/%d' show what can be kept",
                          why.text, consumer->log->directory, partition->topic,
                          (int)partition->index);
}

int weir_consumer_decode(struct weir_consumer *consumer, size_t *count_out,
                         struct weir_error *error)
{
    struct weir_consumer_held *held = &consumer->held;
    size_t count = 0;
    int rc = 0;
    weir_assert(held->partition != NULL);
    weir_arena_reset(&consumer->headers);
    while (rc == 0 && count < WEIR_CONSUMER_RECORDS_MAX) {
        if (!held->in_batch) rc = enter_batch(consumer, count, error);
        if (rc == 0) rc = read_batch(consumer, &count, error);
        if (rc == 0 && count > 0 && is_compressed(&held->reader)) break;
    }
    /* A marker behind the last record is passed over with it, so that the position is the end's. */
    if (count > 0 && rc == 0 && !held->has_batch) (void)next_batch(held, NULL);
    if (count > 0) { /* damage behind them is met again by the next poll */
        *count_out = count;
        return 0;
    }
    if (rc < 0) {
        if (rc == WEIR_CORRUPT) rc = say_damage(consumer, error);
        held->in_batch = false; /* what was read of a damaged batch is not believed */
        return weir_error_wrap(error, rc, "topic '%s' partition %d, batch at or after offset %lld",
                               held->partition->topic, (int)held->partition->index,
                               (long long)held->partition->position);
    }
    weir_assert(rc == WEIR_END);
    return WEIR_END;
}
