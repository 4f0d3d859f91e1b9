#include "base/assert.h"
#include "base/error.h"
#include "broker/log/log_internal.h"

/*
 * A segment's file that something other than this process has cut while the log is open. The log knows how
 * many bytes it has written; what is missing of them is damage, and a write behind it would leave a stretch of
 * zeros. So the size is asked for where it costs least:
 *
 *   append      the first one since a sync began, and before a segment is rolled   log_append.c, log_roll.c
 *   sync        before anything counts as durable                                  log_sync.c
 *   read        of a segment: no range reaches behind the file's end               log_read.c
 *
 * A cut between an append's look and its sync, with another append behind it, is not seen by the size any more:
 * the stretch of zeros is no batch, and whoever reads it finds that out.
 */

/* The first offset that is not whole in the `size` bytes that are there. WEIR_CORRUPT with it, or a shortage. */
static int find_missing(struct weir_partition_log *log, struct weir_segment *segment, int64_t size,
                        int64_t *offset_out)
{
    struct weir_index_entry hint;
    struct weir_index_files files = {log->env, log->path, segment->facts.base_offset};
    bool has_hint = weir_index_builder_find(&log->index, INT64_MAX, size, &hint) ||
                    weir_index_files_find_position(&files, size, &hint) == 0;
    struct weir_segment_seek seek = {
        .offset = segment->facts.end_offset - 1,
        .limit = size,
        .end_offset = log->end_offset,
        .hint = has_hint ? &hint : NULL,
        .is_in_place = true,
        .damaged_offset = -1,
    };
    int rc = weir_segment_seek(segment, &seek, NULL);
    if (weir_code_is_shortage(rc)) return rc;
    *offset_out = seek.damaged_offset >= 0 ? seek.damaged_offset : segment->facts.base_offset;
    return WEIR_CORRUPT;
}

int weir_log_check_active_size(struct weir_partition_log *log, struct weir_error *error)
{
    struct weir_segment *active = weir_log_active(log);
    struct weir_error local;
    int64_t size;
    int64_t offset = -1;
    int rc = weir_segment_hold(active, &local);
    if (rc < 0) return 0; /* who writes to it, or syncs it, will hear of that as well */
    rc = weir_segment_check_size(active, &size, &local);
    if (rc < 0) rc = find_missing(log, active, size, &offset);
    weir_segment_release(active);
    if (rc == 0) return 0;
    if (weir_code_is_shortage(rc)) {
        return weir_error_set(error, (enum weir_code)rc, "find what is left of '%s'", log->path);
    }
    weir_assert(offset >= active->facts.base_offset && offset < log->end_offset);
    weir_partition_log_damaged(log, offset, local.text);
    return weir_log_refuse(log, error);
}
