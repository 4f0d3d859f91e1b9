#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/log/log_internal.h"
#include "broker/log/small_file.h"

/* producer.id.expiration.ms */
enum { PRODUCER_IDLE_MS_MAX = 24 * 60 * 60 * 1000 };

static int check_may_trim(const struct weir_partition_log *log, int64_t offset,
                          struct weir_error *error)
{
    if (weir_log_is_offline(log)) return weir_log_refuse(log, error);
    if (log->has_sync) {
        return weir_error_set(error, WEIR_LIMIT, "log '%s' is being synced: try again", log->path);
    }
    if (offset >= log->start_offset && offset <= log->end_offset) return 0;
    return weir_error_set(error, WEIR_OFFSET_OUT_OF_RANGE,
                          "log '%s': offset %" PRId64 " is not in %" PRId64 " to %" PRId64,
                          log->path, offset, log->start_offset, log->end_offset);
}

/* ---- the head -------------------------------------------------------------------------------- */

static void note_removed(struct weir_partition_log *log, size_t count, unsigned reasons,
                         int64_t from_offset)
{
    struct weir_log_removal *removal = &log->removal;
    if (removal->segment_count == 0) removal->from_offset = from_offset;
    for (size_t i = 0; i < count; i++) {
        removal->size_bytes += log->segments[i]->facts.size;
    }
    removal->segment_count += (int32_t)count;
    removal->to_offset = log->start_offset;
    removal->reasons |= count > 0 ? reasons : 0;
}

struct weir_log_removal weir_partition_log_take_removal(struct weir_partition_log *log)
{
    struct weir_log_removal removal = log->removal;
    log->removal = (struct weir_log_removal){0};
    return removal;
}

/* First the mark without them, then the files, oldest first; what a crash leaves of them lies below
 * the first segment of the mark and is removed by the next open. */
static int drop_head(struct weir_partition_log *log, size_t count, int64_t start_offset,
                     unsigned reasons, struct weir_error *error)
{
    weir_assert(count < log->segment_count);
    int rc = weir_log_sync_data(log, error);
    if (rc < 0) return rc;
    struct weir_segment **all = log->segments;
    size_t all_count = log->segment_count;
    int64_t old_start = log->start_offset;
    log->segments = all + count;
    log->segment_count = all_count - count;
    log->start_offset = start_offset;
    rc = weir_log_write_mark(log, WEIR_MARK_PLAIN, error);
    log->segments = all;
    log->segment_count = all_count;
    if (rc < 0) {
        log->start_offset = old_start;
        return rc;
    }
    note_removed(log, count, reasons, old_start);
    for (size_t i = 0; i < count; i++) {
        (void)weir_log_remove_segment_files(log, all[i]->facts.base_offset, NULL);
        weir_segment_unref(all[i]);
    }
    log->segment_count -= count;
    memmove(all, all + count, log->segment_count * sizeof(struct weir_segment *));
    weir_leader_epochs_cut_head(&log->epochs, start_offset);
    weir_lost_ranges_cut_head(&log->lost, start_offset);
    return 0;
}

static size_t segments_below(const struct weir_partition_log *log, int64_t offset)
{
    size_t count = 0;
    while (count + 1 < log->segment_count &&
           log->segments[count + 1]->facts.base_offset <= offset) {
        count++;
    }
    return count;
}

int weir_partition_log_set_start(struct weir_partition_log *log, int64_t offset,
                                 struct weir_error *error)
{
    if (offset <= log->start_offset && !weir_log_is_offline(log)) return 0;
    int rc = check_may_trim(log, offset, error);
    if (rc < 0) return rc;
    return drop_head(log, segments_below(log, offset), offset, WEIR_REMOVED_BY_START_OFFSET, error);
}

static bool is_expired(const struct weir_partition_log *log, const struct weir_segment *segment,
                       struct weir_wall now)
{
    int64_t age;
    int64_t from_ms = weir_retention_counts_from(
        log->config.retention_by, segment->facts.max_timestamp_ms, segment->facts.last_append_ms);
    if (log->config.retention_ms < 0 || from_ms < 0) return false;
    if (__builtin_sub_overflow(now.ms, from_ms, &age)) return false;
    return age > log->config.retention_ms;
}

/* The rest of a log that is compacted as well is its newest values: a job's changelog is one, and
 * its records are as old as the data is. */
static bool active_goes(const struct weir_partition_log *log, struct weir_wall now)
{
    bool is_deleted_only = log->config.cleanup_delete && !log->config.cleanup_compact;
    const struct weir_segment *active = weir_log_active(log);
    return is_deleted_only && active->facts.size > 0 && is_expired(log, active, now);
}

/* Why a sealed segment goes, with `size_left` bytes behind it; 0: it stays. */
static unsigned why_removed(const struct weir_partition_log *log,
                            const struct weir_segment *segment, int64_t size_left,
                            struct weir_wall now)
{
    const struct weir_topic_config *config = &log->config;
    if (!config->cleanup_delete) return 0;
    bool is_over = config->retention_bytes >= 0 && size_left >= config->retention_bytes;
    return (is_over ? WEIR_REMOVED_BY_SIZE : 0u) |
           (is_expired(log, segment, now) ? WEIR_REMOVED_BY_TIME : 0u);
}

/* How many segments go, oldest first; all of them, if the active one's records do too. */
static size_t count_expired(const struct weir_partition_log *log, struct weir_wall now,
                            unsigned *reasons_out)
{
    size_t below = segments_below(log, log->start_offset);
    int64_t size = weir_partition_log_state(log).size_bytes;
    size_t count = 0;
    while (count + 1 < log->segment_count) {
        const struct weir_segment *segment = log->segments[count];
        size -= segment->facts.size;
        unsigned why =
            count < below ? WEIR_REMOVED_BY_START_OFFSET : why_removed(log, segment, size, now);
        if (why == 0) return count;
        *reasons_out |= why;
        count++;
    }
    if (!active_goes(log, now)) return count;
    *reasons_out |= WEIR_REMOVED_BY_TIME;
    return count + 1;
}

bool weir_partition_log_may_retain(const struct weir_partition_log *log, struct weir_wall now)
{
    if (weir_log_is_offline(log)) return false;
    return log->segment_count > 1 || active_goes(log, now);
}

int weir_partition_log_retain(struct weir_partition_log *log, struct weir_wall now,
                              struct weir_error *error)
{
    weir_log_settle_damage(log);
    if (weir_log_is_offline(log) || log->has_sync) return 0;
    (void)weir_producer_state_expire(&log->producers, weir_mono_now(log->env),
                                     PRODUCER_IDLE_MS_MAX);
    unsigned reasons = 0;
    size_t count = count_expired(log, now, &reasons);
    if (count == 0) return 0;
    int rc = count == log->segment_count ? weir_log_roll(log, error) : 0;
    if (rc < 0) return rc;
    int64_t start = log->segments[count]->facts.base_offset;
    if (start < log->start_offset) start = log->start_offset;
    rc = drop_head(log, count, start, reasons, error);
    return rc < 0 ? rc : (int)count;
}

/* ---- the tail -------------------------------------------------------------------------------- */

/* The log below a cut, worked out before anything is changed. */
struct shorter {
    size_t segment_count;
    int64_t end_offset;
    struct weir_segment_facts facts; /* of what becomes the active segment */
    struct weir_producer_state producers;
};

/* Walk one segment's headers up to the batch that reaches `offset`. What is not there below it is damage: a cut
 * would put zeros in its place. */
static int walk_below(struct weir_partition_log *log, struct weir_segment *segment, int64_t offset,
                      struct shorter *shorter, struct weir_error *error)
{
    struct weir_error local = {0};
    struct weir_mono now = weir_mono_now(log->env);
    int rc = weir_segment_hold(segment, error);
    if (rc < 0) return rc;
    struct weir_segment_scan scan;
    weir_segment_walk_headers(segment, &scan);
    bool is_short = weir_segment_check_size(segment, &scan.limit, &local) < 0;
    shorter->end_offset = offset;
    shorter->facts = weir_segment_facts_at(segment->facts.base_offset);
    shorter->facts.last_append_ms =
        segment->facts.last_append_ms; /* of what stays perhaps earlier */
    shorter->facts.has_holes = segment->facts.has_holes;
    struct weir_batch_header header;
    int64_t position;
    while ((rc = weir_segment_scan_next(&scan, &header, &position, &local)) == 0) {
        if (weir_batch_last_offset(&header) >= offset) {
            /* Its own first offset, if the cut goes through it; in a hole before it the cut itself. */
            if (header.base_offset < offset) shorter->end_offset = header.base_offset;
            break;
        }
        struct weir_transaction_end end;
        rc = weir_producer_state_reserve(&shorter->producers, &header);
        if (rc < 0) {
            (void)weir_error_set(&local, rc, "no memory for a producer");
            break;
        }
        rc =
            weir_segment_scan_note_producer(&scan, &header, &shorter->producers, now, &end, &local);
        if (rc < 0) break;
        weir_log_note_batch(&shorter->facts, &header);
    }
    if (rc == WEIR_CORRUPT || (rc == WEIR_END && is_short)) {
        weir_partition_log_damaged(log, scan.expected_offset, local.text);
        rc = weir_log_refuse(log, &local);
    }
    weir_segment_scan_close(&scan);
    weir_segment_release(segment);
    if (rc < 0 && error != NULL) *error = local;
    return rc < 0 ? rc : 0;
}

/* The snapshot taken when the segment began; false when there is none that can be read. */
bool weir_log_load_snapshot(struct weir_partition_log *log, int64_t offset,
                            struct weir_producer_state *producers)
{
    struct weir_log_path path = weir_log_offset_path(log->path, offset, ".snapshot");
    struct weir_buffer bytes;
    weir_buffer_init(&bytes, log->budget, 0);
    int rc = weir_small_file_read(log->env, path.text, WEIR_DURABLE_MARK_SIZE_MAX, &bytes, NULL);
    if (rc == 0) {
        rc = weir_producer_snapshot_read(producers, weir_buffer_slice(&bytes),
                                         weir_mono_now(log->env), NULL);
    }
    weir_buffer_close(&bytes);
    if (rc < 0) weir_producer_state_close(producers);
    return rc == 0;
}

/* Producers at the cut: the newest snapshot below it and the headers since, and over these what
 * memory still knows, which reaches back five batches. */
static int work_out(struct weir_partition_log *log, int64_t offset, struct shorter *shorter,
                    struct weir_error *error)
{
    size_t target = weir_log_find_segment(log, offset);
    size_t from = target;
    weir_producer_state_init(&shorter->producers, log->budget);
    while (
        !weir_log_load_snapshot(log, log->segments[from]->facts.base_offset, &shorter->producers) &&
        from > 0) {
        from--;
    }
    int rc = 0;
    for (size_t i = from; rc == 0 && i <= target; i++) {
        rc = walk_below(log, log->segments[i], offset, shorter, error);
    }
    if (rc == 0) {
        rc = weir_producer_state_copy_below(&shorter->producers, &log->producers,
                                            shorter->end_offset);
        if (rc < 0) (void)weir_error_set(error, rc, "no memory for a producer");
    }
    if (rc < 0) {
        weir_producer_state_close(&shorter->producers);
        return rc;
    }
    const struct weir_transaction_index *aborted = &log->segments[target]->aborted;
    size_t aborted_count = weir_transaction_index_find(aborted, shorter->end_offset);
    shorter->facts.aborted_count = (uint32_t)aborted_count;
    shorter->facts.aborted_crc = weir_transaction_index_crc(aborted, aborted_count);
    shorter->segment_count = target + 1;
    return 0;
}

/* The log as it will be, in memory; called again it takes that back. */
static void swap_state(struct weir_partition_log *log, struct shorter *shorter)
{
    struct shorter old = {
        .segment_count = log->segment_count,
        .end_offset = log->end_offset,
        .producers = log->producers,
    };
    size_t at =
        shorter->segment_count < log->segment_count ? shorter->segment_count : log->segment_count;
    struct weir_segment *target = log->segments[at - 1];
    old.facts = target->facts;
    target->facts = shorter->facts;
    log->segment_count = shorter->segment_count;
    log->end_offset = shorter->end_offset;
    log->durable_offset = shorter->end_offset;
    log->producers = shorter->producers;
    *shorter = old;
}

/* The mark says what is being cut: from here on there is no way back but forward. */
static int cut_files(struct weir_partition_log *log, size_t old_count, struct weir_file *folder,
                     struct weir_error *error)
{
    for (size_t i = old_count; i > log->segment_count; i--) {
        struct weir_segment *gone = log->segments[i - 1];
        int rc = weir_log_remove_segment_files(log, gone->facts.base_offset, error);
        if (rc < 0) return rc;
    }
    struct weir_segment *active = weir_log_active(log);
    if (active->facts.size < active->cut_size) active->cut_size = active->facts.size;
    active->cut_count++; /* before the file, so that who has sent other bytes sees it */
    weir_kept_file_note_write(active->kept);
    int rc = weir_file_truncate(active->kept->file, active->facts.size, error);
    if (rc < 0) return rc;
    rc = weir_kept_file_sync(active->kept, error);
    return rc < 0 ? rc : weir_directory_sync(folder, error);
}

int weir_log_rebuild_active_index(struct weir_partition_log *log, struct weir_error *error)
{
    struct weir_segment *active = weir_log_active(log);
    struct weir_segment_scan scan;
    int rc = weir_segment_hold(active, error);
    if (rc < 0) return rc;
    weir_segment_walk_headers(active, &scan);
    weir_index_builder_begin(&log->index, active->facts.base_offset);
    struct weir_batch_header header;
    int64_t position;
    while ((rc = weir_segment_scan_next(&scan, &header, &position, error)) == 0) {
        weir_index_builder_add(&log->index, &header, position);
    }
    weir_segment_scan_close(&scan);
    weir_segment_release(active);
    return rc == WEIR_CORRUPT || rc == WEIR_END ? 0 : rc; /* damage is for readers to find */
}

/* Memory follows the files; nothing here touches the log's data. */
static void follow_cut(struct weir_partition_log *log, size_t old_count)
{
    struct weir_segment *active = weir_log_active(log);
    for (size_t i = old_count; i > log->segment_count; i--) {
        weir_segment_unref(log->segments[i - 1]);
    }
    active->is_sealed = false;
    active->was_rebuilt = false;
    weir_index_windows_drop_all(&log->windows);
    weir_range_ends_drop_all(&log->range_ends);
    weir_tail_cache_cut(&log->tail, log->end_offset);
    weir_transaction_index_cut(&active->aborted, log->end_offset);
    weir_transaction_index_save(&active->aborted, log->env, log->path, active->facts.base_offset);
    struct weir_index_files files = {log->env, log->path, active->facts.base_offset};
    (void)weir_index_files_remove(&files, NULL); /* hints, made anew */
    (void)weir_log_rebuild_active_index(log, NULL);
    log->truncations++;
}

int weir_partition_log_truncate(struct weir_partition_log *log, int64_t offset,
                                struct weir_error *error)
{
    int rc = check_may_trim(log, offset, error);
    if (rc < 0) return rc;
    rc = weir_log_sync_data(log, error);
    if (rc < 0 || offset == log->end_offset) return rc;
    struct shorter shorter = {0};
    struct weir_file *folder = NULL;    /* open before the way back is closed … */
    struct weir_segment *target = NULL; /* … and so is what becomes the active segment */
    rc = weir_directory_open(log->env, log->path, &folder, error);
    if (rc < 0) return weir_error_wrap(error, weir_log_fail(log, rc, error), "cut '%s'", log->path);
    rc = work_out(log, offset, &shorter, error);
    if (rc < 0) goto out;
    rc = weir_segment_hold(log->segments[shorter.segment_count - 1], error);
    if (rc < 0) goto out;
    target = log->segments[shorter.segment_count - 1];
    size_t old_count = log->segment_count;
    size_t old_epochs = log->epochs.count;
    int64_t old_start = log->start_offset;
    int64_t old_clean = log->clean_offset;
    if (shorter.end_offset < log->start_offset) log->start_offset = shorter.end_offset;
    if (shorter.end_offset < log->clean_offset) log->clean_offset = shorter.end_offset;
    swap_state(log, &shorter);
    weir_leader_epochs_cut_tail(&log->epochs, log->end_offset);
    rc = weir_log_write_mark(log, WEIR_MARK_TRUNCATING, error);
    if (rc < 0) {
        swap_state(log, &shorter);
        log->epochs.count = old_epochs;
        log->start_offset = old_start;
        log->clean_offset = old_clean;
        goto out;
    }
    rc = cut_files(log, old_count, folder, error);
    weir_lost_ranges_cut_tail(&log->lost, log->end_offset);
    follow_cut(log, old_count);
    /* Half a cut must not be appended to, whatever stopped it: the next open finishes it. */
    if (rc < 0) rc = weir_log_fail(log, weir_code_is_shortage(rc) ? WEIR_IO : rc, error);
    if (rc == 0) rc = weir_log_write_mark(log, WEIR_MARK_PLAIN, error);
    /* In a shortage of what it needs the cut is durable all the same; the next append sees to it. */
    if (weir_code_is_shortage(rc)) rc = 0;
    weir_partition_log_check(log);
out:
    weir_segment_release(target);
    weir_file_close(folder);
    weir_producer_state_close(&shorter.producers);
    return weir_error_wrap(error, rc, "cut log '%s'", log->path);
}
