#include "base/assert.h"
#include "base/error.h"
#include "broker/log/log_internal.h"
#include "broker/log/small_file.h"

/* A new segment: the one before is synced and sealed, the new one's file is durable in its folder
 * and in the mark before its first byte. */

/* An empty file of that name is what a crash, or a full disk, left of an earlier try. */
static int hold_new_file(struct weir_segment *segment, struct weir_error *error)
{
    int rc = weir_segment_hold_new(segment, error);
    if (rc != WEIR_EXISTS) return rc;
    rc = weir_segment_hold(segment, error);
    if (rc < 0) return rc;
    struct weir_file *file = segment->kept->file;
    struct weir_file_stat stat = {0};
    rc = weir_file_stat(file, &stat, error);
    if (rc == 0 && stat.size != 0) {
        rc = weir_error_set(error, WEIR_CORRUPT, "'%s' is in the way of a new segment", file->path);
    }
    if (rc < 0) weir_segment_release(segment);
    return rc;
}

int weir_log_create_segment(struct weir_partition_log *log, int64_t base_offset,
                            struct weir_segment **segment_out, struct weir_error *error)
{
    struct weir_segment *segment = weir_segment_new(log->env, log->budget, log->files, log->path,
                                                    weir_segment_facts_at(base_offset));
    if (segment == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a segment");
    segment->index_interval_bytes = log->config.index_interval_bytes;
    struct weir_error local = {0};
    int rc = hold_new_file(segment, &local);
    if (rc == 0) {
        weir_segment_release(segment); /* it stays open while there is room */
        rc = weir_sync_directory(log->env, log->path, &local);
    }
    if (rc < 0) {
        rc = weir_log_fail(log, rc, &local);
        if (error != NULL) *error = local;
        goto out;
    }
    *segment_out = segment;
    segment = NULL;
out:
    weir_segment_unref(segment);
    return rc;
}

static void drop_new_segment(struct weir_partition_log *log, struct weir_segment *segment)
{
    struct weir_log_path path = weir_log_offset_path(log->path, segment->facts.base_offset, ".log");
    weir_segment_unref(segment);
    /* After an I/O error the mark that names it may be there all the same. */
    if (weir_log_has_failed(log)) return;
    (void)weir_remove(log->env, path.text, NULL); /* empty and in no mark: opening removes it too */
}

int weir_partition_log_end_segment(struct weir_partition_log *log, struct weir_error *error)
{
    if (weir_log_is_offline(log)) return weir_log_refuse(log, error);
    return weir_log_active(log)->facts.size > 0 ? weir_log_roll(log, error) : 0;
}

int weir_log_roll(struct weir_partition_log *log, struct weir_error *error)
{
    weir_assert(!log->has_sync);
    struct weir_segment *old = weir_log_active(log);
    struct weir_segment *segment = NULL;
    weir_assert(old->facts.size > 0);
    int rc = weir_log_reserve_segment(log);
    if (rc < 0) return weir_error_set(error, rc, "log '%s': no memory for a segment", log->path);
    rc = weir_log_check_active_size(log, error);
    if (rc == 0) rc = weir_log_sync_data(log, error);
    if (rc < 0) return rc;
    weir_index_builder_seal(&log->index);
    weir_log_write_epochs(log);
    rc = weir_log_write_snapshot(log, error);
    if (rc < 0) return weir_error_wrap(error, rc, "log '%s': begin a segment", log->path);
    rc = weir_log_create_segment(log, log->end_offset, &segment, error);
    if (rc < 0) return weir_error_wrap(error, rc, "log '%s': begin a segment", log->path);

    /* The mark names the segment before the first byte goes into it. */
    log->segments[log->segment_count++] = segment;
    rc = weir_log_write_mark(log, WEIR_MARK_PLAIN, error);
    if (rc < 0) {
        log->segment_count--;
        drop_new_segment(log, segment);
        return weir_error_wrap(error, rc, "log '%s': begin a segment", log->path);
    }
    old->is_sealed = true;
    weir_index_builder_begin(&log->index, segment->facts.base_offset);
    log->is_roll_due = false;
    weir_partition_log_check(log);
    return 0;
}

bool weir_partition_log_owes_roll(const struct weir_partition_log *log)
{
    return log->is_roll_due && !log->has_sync;
}

int weir_partition_log_roll(struct weir_partition_log *log, struct weir_error *error)
{
    weir_assert(!log->has_sync);
    if (weir_log_is_offline(log)) return weir_log_refuse(log, error);
    if (weir_log_active(log)->facts.size > 0) return weir_log_roll(log, error);
    log->is_roll_due = false;
    return 0;
}
