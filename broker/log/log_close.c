#include "base/assert.h"
#include "base/error.h"
#include "broker/log/log_internal.h"
#include "broker/log/small_file.h"

/*
 * Closing many logs in step (partition_log.h says in which order). The mark that is laid names data
 * which the first shared sync makes durable together with it; a crash before the mark is taken
 * leaves the old mark in force and the new one as a leftover, which the next open removes.
 */
static struct weir_small_file_replace mark_file(const struct weir_partition_log *log,
                                                const char *name)
{
    return (struct weir_small_file_replace){.env = log->env, .directory = log->path, .name = name};
}

bool weir_partition_log_needs_mark(const struct weir_partition_log *log)
{
    /* Without a mark the two names are not made durable at once: the close of its own does that. */
    return !log->is_apart && !weir_log_is_offline(log) && !log->mark_is_clean && !log->copy_is_all;
}

int weir_partition_log_lay_mark(struct weir_partition_log *log, struct weir_error *error)
{
    struct weir_buffer bytes;
    weir_assert(!log->has_sync);
    if (!weir_partition_log_needs_mark(log)) return 0;
    weir_index_builder_flush(&log->index);
    weir_log_write_side_files(log);
    int rc = weir_log_encode_mark(log, WEIR_MARK_CLEAN, &bytes, NULL);
    if (rc < 0) return 0; /* without memory: as below */
    struct weir_small_file_replace file = mark_file(log, WEIR_DURABLE_MARK_NAME);
    struct weir_small_file_replace copy = mark_file(log, WEIR_DURABLE_MARK_COPY_NAME);
    file.bytes = weir_buffer_slice(&bytes);
    copy.bytes = file.bytes;
    struct weir_error local = {0};
    rc = weir_small_file_lay(&file, &local);
    log->has_laid_mark = rc == 0;
    log->has_laid_copy = rc == 0 && weir_small_file_lay(&copy, NULL) == 0;
    weir_buffer_close(&bytes);
    if (rc < 0) rc = weir_log_fail(log, rc, &local);
    if (rc == 0 || weir_code_is_shortage(rc)) return 0; /* the close tries once more */
    if (error != NULL) *error = local;
    return weir_error_wrap(error, rc, "close log '%s'", log->path);
}

int weir_partition_log_take_mark(struct weir_partition_log *log, struct weir_error *error)
{
    if (!log->has_laid_mark) return 0;
    log->has_laid_mark = false;
    log->durable_offset = log->end_offset;
    struct weir_error local = {0};
    struct weir_small_file_replace file = mark_file(log, WEIR_DURABLE_MARK_NAME);
    struct weir_small_file_replace copy = mark_file(log, WEIR_DURABLE_MARK_COPY_NAME);
    int rc = weir_small_file_take(&file, &local);
    if (weir_code_is_shortage(rc))
        return 0; /* as above: the data is durable, the old mark stands */
    if (rc < 0) {
        rc = weir_log_fail(log, rc, &local);
        if (error != NULL) *error = local;
        return weir_error_wrap(error, rc, "close log '%s'", log->path);
    }
    if (log->has_laid_copy) (void)weir_small_file_take(&copy, NULL);
    log->unmarked_bytes = 0;
    log->mark_is_clean = true;
    log->mark_is_owed = false;
    return 0;
}

void weir_partition_log_give_up(struct weir_partition_log *log, int rc,
                                const struct weir_error *reason)
{
    struct weir_error local = *reason;
    log->has_laid_mark = false;
    weir_assert(!weir_code_is_shortage(rc));
    (void)weir_log_fail(log, rc, &local);
}
