#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/log/log_internal.h"
#include "wire/record_batch_reader.h"

/* ---- what is to be appended ------------------------------------------------------------------ */

struct run {
    size_t batch_count;
    size_t duplicate_count;
    size_t control_count;
    int64_t record_count; /* offsets that it takes */
    int64_t max_timestamp_ms;
    struct weir_producer_batch first_duplicate;
    struct weir_producer_batch last_duplicate;
};

static int check_timestamps(const struct weir_partition_log *log, const struct weir_append *append,
                            const struct weir_batch_header *header, struct weir_error *error)
{
    const struct weir_wall now = append->now;
    const struct weir_topic_config *config = &log->config;
    int64_t oldest;
    int64_t newest;
    if (config->message_timestamp_type == WEIR_LOG_APPEND_TIME || append->is_internal) return 0;
    if (__builtin_sub_overflow(now.ms, config->message_timestamp_before_max_ms, &oldest)) {
        oldest = INT64_MIN;
    }
    if (__builtin_add_overflow(now.ms, config->message_timestamp_after_max_ms, &newest)) {
        newest = INT64_MAX;
    }
    bool is_ahead = header->max_timestamp_ms > newest;
    bool is_behind =
        header->base_timestamp_ms != WEIR_NO_TIMESTAMP && header->base_timestamp_ms < oldest;
    if (!is_ahead && !is_behind) return 0;
    return weir_error_set(error, WEIR_INVALID_TIMESTAMP,
                          "timestamp %" PRId64 " is more than message.timestamp.%s.max.ms=%" PRId64
                          " %s the clock, which says %" PRId64,
                          is_ahead ? header->max_timestamp_ms : header->base_timestamp_ms,
                          is_ahead ? "after" : "before",
                          is_ahead ? config->message_timestamp_after_max_ms
                                   : config->message_timestamp_before_max_ms,
                          is_ahead ? "ahead of" : "behind", now.ms);
}

static int check_batch(const struct weir_partition_log *log, const struct weir_append *append,
                       const struct weir_batch_header *header, struct weir_error *error)
{
    if ((int64_t)weir_batch_size(header) > log->config.max_message_bytes) {
        return weir_error_set(error, WEIR_TOO_LARGE,
                              "a batch of %zu bytes; max.message.bytes is %" PRId64,
                              weir_batch_size(header), log->config.max_message_bytes);
    }
    if (header->record_count <= 0 || header->last_offset_delta != header->record_count - 1) {
        return weir_error_set(error, WEIR_INVALID_RECORD,
                              "a batch of %" PRId32 " records with last delta %" PRId32,
                              header->record_count, header->last_offset_delta);
    }
    return check_timestamps(log, append, header, error);
}

/* The clock is asked only where there are that many. */
static int check_place(const struct weir_partition_log *log, const struct weir_batch_header *header,
                       struct weir_error *error)
{
    const struct weir_producer_state *producers = &log->producers;
    if (weir_map_count(&producers->map) < producers->count_limit) return 0;
    if (weir_producer_state_has_place(producers, header, weir_mono_now(log->env))) return 0;
    return weir_error_set(error, WEIR_LIMIT,
                          "%zu producers have written lately: producer %" PRId64
                          " is one too many for now",
                          weir_map_count(&producers->map), header->producer_id);
}

static int check_sequence(const struct weir_partition_log *log, const struct weir_append *append,
                          const struct weir_batch_header *header,
                          const struct weir_batch_header *previous, struct run *run,
                          struct weir_error *error)
{
    bool follows = previous != NULL && run->duplicate_count == 0;
    struct weir_producer_batch duplicate;
    int rc = weir_producer_state_admit(&log->producers, header, follows ? previous : NULL,
                                       &duplicate, error);
    bool begins_at_zero =
        append->is_transaction_version_2 && previous == NULL && weir_batch_is_transactional(header);
    if (rc == 0 && begins_at_zero) {
        rc = weir_producer_state_check_new(&log->producers, header, error);
    }
    if (rc == 0) rc = check_place(log, header, error);
    if (rc < 0) return rc;
    if (rc == WEIR_END) {
        if (run->duplicate_count == 0) run->first_duplicate = duplicate;
        run->last_duplicate = duplicate;
        run->duplicate_count++;
    }
    /* Half repeated and half new is nothing that a producer sends. */
    if (run->duplicate_count != 0 && run->duplicate_count != run->batch_count) {
        return weir_error_set(error, WEIR_OUT_OF_ORDER_SEQUENCE,
                              "producer %" PRId64 ": new batches and repeated ones in one append",
                              header->producer_id);
    }
    return 0;
}

/* The bytes of an append within the buffer that holds them. */
static struct weir_log_part part_of(const struct weir_append *append)
{
    const struct weir_shared *shared = append->batches;
    weir_assert(append->from <= shared->size);
    size_t left = shared->size - append->from;
    weir_assert(append->size <= left);
    return (struct weir_log_part){
        .bytes = append->batches,
        .from = append->from,
        .size = append->size > 0 ? append->size : left,
    };
}

static struct weir_batch_reader batches_of(const struct weir_log_part *part)
{
    return (struct weir_batch_reader){.rest = weir_log_part_bytes(part)};
}

/* The next batch of a run that check_run has passed. */
static bool next_checked(struct weir_batch_reader *reader)
{
    int rc = weir_batch_reader_next(reader, NULL);
    weir_assert(rc == 0 || rc == WEIR_END);
    return rc == 0;
}

/* Look at every batch before anything is changed. */
static int check_run(const struct weir_partition_log *log, const struct weir_append *append,
                     const struct weir_log_part *part, struct run *run, struct weir_error *error)
{
    struct weir_batch_header previous;
    struct weir_batch_reader reader = batches_of(part);
    const struct weir_batch_header *header = &reader.header;
    int rc;
    *run = (struct run){.max_timestamp_ms = WEIR_NO_TIMESTAMP};
    while ((rc = weir_batch_reader_next(&reader, error)) == 0) {
        run->batch_count++;
        rc = check_batch(log, append, header, error);
        if (rc < 0) return rc;
        rc = check_sequence(log, append, header, run->batch_count > 1 ? &previous : NULL, run,
                            error);
        if (rc < 0) return rc;
        run->record_count += header->record_count;
        run->control_count += weir_batch_is_control(header);
        if (header->max_timestamp_ms > run->max_timestamp_ms) {
            run->max_timestamp_ms = header->max_timestamp_ms;
        }
        previous = *header;
    }
    if (rc < 0) {
        return weir_error_wrap(error, WEIR_INVALID_RECORD, "byte %zu",
                               part->size - reader.rest.size);
    }
    if (run->batch_count == 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "nothing to append");
    }
    if (log->config.message_timestamp_type == WEIR_LOG_APPEND_TIME) {
        run->max_timestamp_ms = append->now.ms;
    }
    return 0;
}

/* ---- another codec --------------------------------------------------------------------------- */

static bool has_codec(const struct weir_partition_log *log, const struct weir_batch_header *header)
{
    return (header->attributes & WEIR_BATCH_CONTROL) != 0 ||
           (int)weir_batch_codec(header) == log->config.compression_type;
}

static bool needs_codec(const struct weir_partition_log *log, const struct weir_log_part *part)
{
    if (log->config.compression_type < 0) return false;
    struct weir_batch_reader reader = batches_of(part);
    while (next_checked(&reader)) {
        if (!has_codec(log, &reader.header)) return true;
    }
    return false;
}

/* All batches one behind the other in `to`, in the topic's codec. */
static int bring_into_codec(const struct weir_partition_log *log, const struct weir_log_part *part,
                            struct weir_buffer *to, struct weir_error *error)
{
    struct weir_batch_recompress options = {
        .codec = (enum weir_codec)log->config.compression_type,
        .level = WEIR_CODEC_LEVEL_DEFAULT,
        .plain_size_max = weir_batch_plain_size_max(log->config.max_message_bytes),
    };
    struct weir_batch_reader reader = batches_of(part);
    while (next_checked(&reader)) {
        size_t from = to->size;
        if (has_codec(log, &reader.header)) {
            weir_buffer_append(to, reader.batch.data, reader.batch.size);
        } else {
            int rc = weir_batch_recompress(reader.batch, &options, to, error);
            if (rc < 0) return rc;
        }
        if ((int64_t)(to->size - from) > log->config.max_message_bytes) {
            return weir_error_set(error, WEIR_TOO_LARGE,
                                  "a batch of %zu bytes as %s; max.message.bytes is %" PRId64,
                                  to->size - from, weir_codec_name(log->config.compression_type),
                                  log->config.max_message_bytes);
        }
    }
    return to->failed ? weir_error_set(error, WEIR_NO_MEMORY, "no memory to compress") : 0;
}

/* The topic has a codec of its own: the part is replaced by one in it, which is the caller's. */
static int recompress(const struct weir_partition_log *log, struct weir_log_part *part,
                      struct weir_shared **anew_out, struct weir_error *error)
{
    struct weir_buffer bytes;
    weir_buffer_init(&bytes, log->budget, 0);
    int rc = bring_into_codec(log, part, &bytes, error);
    struct weir_shared *anew = rc == 0 ? weir_shared_new(log->budget, bytes.size) : NULL;
    if (anew != NULL) {
        memcpy(anew->data, bytes.data, bytes.size);
        anew->size = bytes.size;
        *part = (struct weir_log_part){.bytes = anew, .from = 0, .size = anew->size};
        *anew_out = anew;
    } else if (rc == 0) {
        rc = weir_error_set(error, WEIR_NO_MEMORY, "no memory to compress");
    }
    weir_buffer_close(&bytes);
    return rc;
}

/* ---- room ------------------------------------------------------------------------------------ */

/* Positions and relative offsets are 32 bits in Kafka's index. */
static bool is_beyond_limits(const struct weir_segment_facts *facts, int64_t end_offset,
                             const struct run *run, size_t size)
{
    return facts->size > INT32_MAX - (int64_t)size ||
           end_offset + run->record_count - 1 - facts->base_offset > INT32_MAX;
}

/* What is to be compacted in time has to be sealed in time. */
static int64_t segment_ms(const struct weir_topic_config *config)
{
    bool is_bound = config->cleanup_compact && config->max_compaction_lag_ms < config->segment_ms;
    return is_bound ? config->max_compaction_lag_ms : config->segment_ms;
}

static bool wants_roll(const struct weir_partition_log *log, const struct run *run, size_t size)
{
    const struct weir_segment_facts *facts = &weir_log_active(log)->facts;
    if (facts->size == 0) return false;
    if (facts->size + (int64_t)size > log->config.segment_bytes) return true;
    int64_t age;
    bool has_age = facts->first_timestamp_ms >= 0 && run->max_timestamp_ms >= 0;
    if (!has_age) return false;
    return !__builtin_sub_overflow(run->max_timestamp_ms, facts->first_timestamp_ms, &age) &&
           age > segment_ms(&log->config);
}

/* WEIR_END: a new segment is wanted first, and somebody else begins it. */
static int make_room(struct weir_partition_log *log, const struct run *run, size_t size,
                     bool leaves_roll, struct weir_append_result *result_out,
                     struct weir_error *error)
{
    const struct weir_segment_facts *facts = &weir_log_active(log)->facts;
    bool must = facts->size > 0 && is_beyond_limits(facts, log->end_offset, run, size);
    if (!must && !wants_roll(log, run, size)) return 0;
    if (!log->has_sync) {
        if (leaves_roll) return WEIR_END;
        result_out->needed_files = true;
        return weir_log_roll(log, error);
    }
    /* A roll writes a mark, and the sync's must not overtake it: roll when that has ended. */
    log->is_roll_due = true;
    if (!must) return 0;
    return weir_error_set(error, WEIR_LIMIT, "log '%s': the segment is full while it is synced",
                          log->path);
}

/* What may need memory, before the disk is touched. */
static int reserve(struct weir_partition_log *log, const struct weir_log_part *part,
                   struct weir_error *error)
{
    int rc = weir_leader_epochs_reserve(&log->epochs);
    struct weir_batch_reader reader = batches_of(part);
    weir_producer_state_drop_names(&log->producers);
    while (rc == 0 && next_checked(&reader)) {
        rc = weir_producer_state_reserve(&log->producers, &reader.header);
    }
    if (rc == 0) return 0;
    return weir_error_set(error, rc, "log '%s': no memory for a producer", log->path);
}

/* ---- into the file --------------------------------------------------------------------------- */

/* From `offset` on; what the next part's begin with. */
static int64_t assign_offsets(const struct weir_partition_log *log,
                              const struct weir_log_part *part, struct weir_wall now,
                              int64_t offset)
{
    for (size_t at = 0; at < part->size;) {
        uint8_t *batch = part->bytes->data + part->from + at;
        size_t size = (size_t)weir_load_u32(batch + 8) + WEIR_BATCH_OVERHEAD;
        weir_batch_assign(batch, offset, log->leader_epoch);
        if (log->config.message_timestamp_type == WEIR_LOG_APPEND_TIME) {
            weir_batch_set_append_time(batch, size, now.ms);
        }
        offset += (int64_t)weir_load_u32(batch + 23) + 1;
        at += size;
    }
    return offset;
}

/* What a write for which room ran out has left behind the log's end. Where even that cannot be cut off
 * for want of something, the next append tries again before it writes. */
static int cut_torn_tail(struct weir_partition_log *log, struct weir_error *error)
{
    struct weir_segment *active = weir_log_active(log);
    struct weir_error local = {0};
    int rc = weir_segment_hold(active, &local);
    if (rc == 0) {
        weir_kept_file_note_write(active->kept);
        rc = weir_file_truncate(active->kept->file, active->facts.size, &local);
        weir_segment_release(active);
    }
    if (rc < 0) rc = weir_log_fail(log, rc, &local);
    if (rc < 0 && error != NULL) *error = local;
    log->has_torn_tail = weir_code_is_shortage(rc);
    return rc;
}

/* The parts one behind the other. */
static int write_run(struct weir_partition_log *log, const struct weir_log_part *parts,
                     size_t count, struct weir_error *error)
{
    struct weir_segment *active = weir_log_active(log);
    struct weir_iovec bytes[WEIR_APPEND_ALL_MAX];
    struct weir_error local = {0};
    weir_assert(count <= WEIR_APPEND_ALL_MAX);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (struct weir_iovec){parts[i].bytes->data + parts[i].from, parts[i].size};
    int rc = weir_segment_hold(active, &local);
    bool is_held = rc == 0;
    if (is_held) {
        weir_kept_file_note_write(active->kept);
        rc = weir_file_write(active->kept->file, bytes, count, active->facts.size, &local);
        weir_segment_release(active);
    }
    if (rc == 0) return 0;
    rc = weir_log_fail(log, rc, &local);
    if (error != NULL) *error = local;
    /* After a shortage some bytes may be there; without them the log is as it was. */
    if (is_held && weir_code_is_shortage(rc)) (void)cut_torn_tail(log, NULL);
    return rc;
}

void weir_log_note_batch(struct weir_segment_facts *facts, const struct weir_batch_header *header)
{
    if (facts->size == 0) facts->first_timestamp_ms = header->max_timestamp_ms;
    if (header->max_timestamp_ms > facts->max_timestamp_ms) {
        facts->max_timestamp_ms = header->max_timestamp_ms;
        facts->max_timestamp_offset = weir_batch_last_offset(header);
    }
    facts->end_offset = weir_batch_last_offset(header) + 1;
    facts->size += (int64_t)weir_batch_size(header);
}

/* What comes of a batch for its producer. A marker says who wrote it, and what became of the transaction. */
static void note_producer(struct weir_partition_log *log, const struct weir_batch_reader *reader)
{
    struct weir_transaction_marker marker;
    struct weir_mono now = weir_mono_now(log->env);
    bool is_marker = weir_batch_is_control(&reader->header) &&
                     weir_batch_read_marker(reader->batch, &reader->header, &marker, NULL) == 0;
    if (!is_marker) {
        weir_producer_state_add(&log->producers, &reader->header, now);
        return;
    }
    struct weir_transaction_end end =
        weir_producer_state_end_transaction(&log->producers, &reader->header, &marker, now);
    if (end.is_abort) weir_segment_note_abort(weir_log_active(log), &end);
}

/* The bytes are in the file: everything in memory follows. Nothing here can fail. */
static void account(struct weir_partition_log *log, const struct weir_log_part *part,
                    struct weir_wall now)
{
    struct weir_segment *active = weir_log_active(log);
    int64_t base_offset = log->end_offset;
    weir_leader_epochs_assign(&log->epochs, log->leader_epoch, base_offset);
    struct weir_batch_reader reader = batches_of(part);
    while (next_checked(&reader)) {
        const struct weir_batch_header *header = &reader.header;
        weir_assert(header->base_offset == log->end_offset);
        weir_index_builder_add(&log->index, header, active->facts.size);
        if (header->producer_id >= 0) note_producer(log, &reader);
        weir_log_note_batch(&active->facts, header);
        log->end_offset = weir_batch_last_offset(header) + 1;
    }
    weir_transaction_index_save(&active->aborted, log->env, log->path, active->facts.base_offset);
    if (now.ms > log->last_append_ms) log->last_append_ms = now.ms;
    active->facts.last_append_ms = log->last_append_ms;
    log->unmarked_bytes += (int64_t)part->size;
    log->mark_is_clean = false;
    weir_tail_cache_add(&log->tail, part, base_offset, log->end_offset);
    weir_partition_log_check(log);
}

/* A mark that still orders a cut would take what is appended along at the next open; one that is in
 * the page cache alone may give way to an older one. */
static int write_owed_mark(struct weir_partition_log *log, struct weir_append_result *result_out,
                           struct weir_error *error)
{
    if (!log->mark_is_owed) return 0;
    if (!log->has_sync) {
        result_out->needed_files = true;
        return weir_log_write_mark(log, WEIR_MARK_PLAIN, error);
    }
    return weir_error_set(error, WEIR_LIMIT, "log '%s' is being synced: try again", log->path);
}

static struct weir_append_result repeat_answer(const struct weir_partition_log *log,
                                               const struct run *run)
{
    bool has_log_time = log->config.message_timestamp_type == WEIR_LOG_APPEND_TIME;
    return (struct weir_append_result){
        .base_offset = run->first_duplicate.base_offset,
        .last_offset = run->last_duplicate.last_offset,
        .append_time_ms = has_log_time ? run->first_duplicate.timestamp_ms : WEIR_NO_TIMESTAMP,
        .is_duplicate = true,
    };
}

/* The run was checked: into the file with it, and into what memory knows. */
static int append_run(struct weir_partition_log *log, const struct run *run,
                      const struct weir_log_part *part, const struct weir_append *append,
                      struct weir_append_result *result_out, struct weir_error *error)
{
    const struct weir_wall now = append->now;
    int rc = write_owed_mark(log, result_out, error);
    if (rc == 0 && log->has_torn_tail) {
        result_out->needed_files = true;
        rc = cut_torn_tail(log, error);
    }
    if (rc < 0) return rc;
    rc = reserve(log, part, error);
    if (rc == 0 && !log->is_size_checked) rc = weir_log_check_active_size(log, error);
    if (rc < 0) return rc;
    log->is_size_checked = true;
    rc = make_room(log, run, part->size, append->leaves_roll, result_out, error);
    if (rc != 0) return rc;
    if (weir_transaction_index_reserve(&weir_log_active(log)->aborted, run->control_count) < 0) {
        return weir_error_set(error, WEIR_NO_MEMORY, "log '%s': no memory for a marker", log->path);
    }
    int64_t base_offset = log->end_offset;
    (void)assign_offsets(log, part, now, base_offset);
    rc = write_run(log, part, 1, error);
    result_out->needed_files |= rc == WEIR_LIMIT; /* the segment's file was to be opened again */
    if (rc < 0) return weir_error_wrap(error, rc, "append to '%s'", log->path);
    account(log, part, now);
    bool has_log_time = log->config.message_timestamp_type == WEIR_LOG_APPEND_TIME;
    *result_out = (struct weir_append_result){
        .base_offset = base_offset,
        .last_offset = log->end_offset - 1,
        .append_time_ms = has_log_time ? now.ms : WEIR_NO_TIMESTAMP,
        .stored_bytes = (int64_t)part->size,
        .needed_files = result_out->needed_files,
    };
    return 0;
}

int weir_partition_log_append(struct weir_partition_log *log, const struct weir_append *append,
                              struct weir_append_result *result_out, struct weir_error *error)
{
    *result_out = (struct weir_append_result){0};
    if (weir_log_is_offline(log)) return weir_log_refuse(log, error);
    struct weir_log_part part = part_of(append);
    struct weir_shared *anew = NULL;
    struct run run;
    int rc = check_run(log, append, &part, &run, error);
    if (rc == 0 && run.duplicate_count > 0) {
        *result_out = repeat_answer(log, &run);
        return 0;
    }
    if (rc == 0 && needs_codec(log, &part)) rc = recompress(log, &part, &anew, error);
    if (rc < 0) return weir_error_wrap(error, rc, "append to '%s'", log->path);
    rc = append_run(log, &run, &part, append, result_out, error);
    weir_shared_unref(anew);
    return rc;
}

/* ---- several with one write ------------------------------------------------------------------ */

/*
 * What is appended to a log in a turn is written with one call: the file system takes a long write in large pieces,
 * and short ones that begin anywhere in a page, page by page. Every append is looked at before anything is changed, as
 * if those before it had been made; whatever is not plain leaves the whole to be made one by one, where each case
 * has its place.
 */
struct group {
    struct weir_log_part parts[WEIR_APPEND_ALL_MAX];
    struct weir_batch_header headers[WEIR_APPEND_ALL_MAX];
    struct run run; /* all of them */
    size_t size;
};

/* The newest batch of the same producer among the first `count`; NULL: none. */
static const struct weir_batch_header *find_previous(const struct group *group, size_t count,
                                                     int64_t producer_id)
{
    while (count > 0) {
        const struct weir_batch_header *header = &group->headers[--count];
        if (header->producer_id == producer_id) return header;
    }
    return NULL;
}

/* Does it go with those before it? */
static bool joins_group(const struct weir_partition_log *log, const struct weir_append *append,
                        struct group *group, size_t index)
{
    const struct weir_producer_state *producers = &log->producers;
    struct weir_log_part part = part_of(append);
    struct weir_batch_reader reader = batches_of(&part);
    struct weir_producer_batch duplicate;
    const struct weir_batch_header *header = &reader.header;
    if (weir_batch_reader_next(&reader, NULL) != 0 || reader.rest.size > 0) return false;
    if (weir_batch_is_control(header) || weir_batch_is_transactional(header)) return false;
    if (check_batch(log, append, header, NULL) < 0) return false;
    if (header->producer_id >= 0) {
        const struct weir_batch_header *previous = find_previous(group, index, header->producer_id);
        if (!weir_producer_state_knows(producers, header->producer_id)) return false;
        if (weir_producer_state_admit(producers, header, previous, &duplicate, NULL) != 0) {
            return false;
        }
    }
    group->parts[index] = part;
    group->headers[index] = *header;
    group->run.record_count += header->record_count;
    if (header->max_timestamp_ms > group->run.max_timestamp_ms) {
        group->run.max_timestamp_ms = header->max_timestamp_ms;
    }
    group->size += part.size;
    return true;
}

static bool is_plain(const struct weir_partition_log *log)
{
    return !log->mark_is_owed && !log->has_torn_tail && log->is_size_checked &&
           log->config.compression_type < 0;
}

/* What there is no room for without a new segment stays single, too. Of producers that are known nothing needs
 * memory. */
static bool form_group(const struct weir_partition_log *log, const struct weir_append *appends,
                       size_t count, struct group *group)
{
    group->run = (struct run){.batch_count = count, .max_timestamp_ms = WEIR_NO_TIMESTAMP};
    group->size = 0;
    for (size_t i = 0; i < count; i++) {
        if (!joins_group(log, &appends[i], group, i)) return false;
    }
    if (log->config.message_timestamp_type == WEIR_LOG_APPEND_TIME) {
        group->run.max_timestamp_ms = appends[0].now.ms;
    }
    const struct weir_segment_facts *facts = &weir_log_active(log)->facts;
    if (facts->size + (int64_t)group->size > log->config.segment_bytes) return false;
    if (wants_roll(log, &group->run, group->size)) return false;
    return !is_beyond_limits(facts, log->end_offset, &group->run, group->size);
}

int weir_partition_log_append_all(struct weir_partition_log *log, const struct weir_append *appends,
                                  size_t count, struct weir_append_result *results,
                                  struct weir_error *error)
{
    struct group group;
    weir_assert(count >= 2 && count <= WEIR_APPEND_ALL_MAX);
    if (weir_log_is_offline(log) || !is_plain(log)) return WEIR_END;
    if (!form_group(log, appends, count, &group)) return WEIR_END;
    if (weir_leader_epochs_reserve(&log->epochs) < 0) return WEIR_END;
    const struct weir_wall now = appends[0].now;
    bool has_log_time = log->config.message_timestamp_type == WEIR_LOG_APPEND_TIME;
    int64_t offset = log->end_offset;
    for (size_t i = 0; i < count; i++) {
        results[i] = (struct weir_append_result){
            .base_offset = offset,
            .append_time_ms = has_log_time ? now.ms : WEIR_NO_TIMESTAMP,
            .stored_bytes = (int64_t)group.parts[i].size,
        };
        offset = assign_offsets(log, &group.parts[i], now, offset);
        results[i].last_offset = offset - 1;
    }
    int rc = write_run(log, group.parts, count, error);
    results[0].needed_files = rc == WEIR_LIMIT;
    if (rc < 0) return weir_error_wrap(error, rc, "append to '%s'", log->path);
    for (size_t i = 0; i < count; i++)
        account(log, &group.parts[i], now);
    return 0;
}
