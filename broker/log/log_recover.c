#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/log/cut_bytes.h"
#include "broker/log/log_open_internal.h"

static void say(struct weir_log_opening *opening, const char *where, const char *why)
{
    struct weir_log_recovery *recovery = &opening->recovery;
    (void)snprintf(recovery->reason, sizeof recovery->reason, "%s: %.200s", where, why);
}

void weir_log_opening_say_damage(struct weir_log_opening *opening, int64_t known,
                                 const char *reason)
{
    if (opening->log->fault.offline_from == known) return;
    opening->recovery.offline_from = opening->log->fault.offline_from;
    say(opening, "offline", reason);
}

void weir_log_opening_damaged(struct weir_log_opening *opening, int64_t offset, const char *reason)
{
    int64_t known = opening->log->fault.offline_from;
    weir_log_take_offline(opening->log, offset, reason);
    weir_log_opening_say_damage(opening, known, reason);
}

/* ---- one segment ----------------------------------------------------------------------------- */

static int note_batch(struct weir_partition_log *log, struct weir_segment *segment,
                      const struct weir_segment_scan *scan, const struct weir_batch_header *header,
                      struct weir_error *error)
{
    struct weir_transaction_end end;
    int rc = weir_leader_epochs_reserve(&log->epochs);
    if (rc == 0) rc = weir_producer_state_reserve(&log->producers, header);
    if (rc == 0) rc = weir_lost_ranges_note(&log->lost, header);
    if (rc == 0) rc = weir_transaction_index_reserve(&segment->aborted, 1);
    if (rc < 0) return weir_error_set(error, rc, "recovery: out of memory");
    rc = weir_segment_scan_note_producer(scan, header, &log->producers, weir_mono_now(log->env),
                                         &end, error);
    if (rc < 0) return rc;
    if (end.is_abort) weir_segment_note_abort(segment, &end);
    weir_leader_epochs_assign(&log->epochs, header->leader_epoch, header->base_offset);
    if (segment->facts.base_offset == log->index.base_offset) {
        weir_index_builder_add(&log->index, header, segment->facts.size);
    }
    weir_log_note_batch(&segment->facts, header);
    log->end_offset = weir_batch_last_offset(header) + 1;
    return 0;
}

/* What is found where a batch should begin, above the mark. */
struct misfit {
    int64_t limit;
    bool was_whole;
    bool is_cut_short;
    bool has_batch_behind;
    char why[192];
};

/* Take in what is whole from the segment's known size up to the limit. WEIR_CORRUPT: something there
 * does not fit; facts and end then stop before it. */
static int take_batches(struct weir_log_opening *opening, struct weir_segment *segment,
                        struct misfit *misfit, bool may_have_holes, struct weir_error *error)
{
    struct weir_partition_log *log = opening->log;
    int64_t limit = misfit->limit;
    struct weir_segment_scan scan;
    weir_segment_scan_init(&scan, &(struct weir_segment_scan_options){
                                      .file = segment->kept->file,
                                      .budget = log->budget,
                                      .position = segment->facts.size,
                                      .limit = limit,
                                      .expected_offset = log->end_offset,
                                      .epoch = weir_leader_epochs_last(&log->epochs),
                                      .has_holes = may_have_holes,
                                  });
    /* After a failed sync the cache may hold what the disk does not: look at the disk. */
    weir_file_drop_cache(segment->kept->file, segment->facts.size, limit - segment->facts.size);
    struct weir_batch_header header;
    int64_t position;
    int rc;
    while ((rc = weir_segment_scan_next(&scan, &header, &position, error)) == 0) {
        weir_assert(position == segment->facts.size);
        rc = note_batch(log, segment, &scan, &header, error);
        if (rc < 0) break;
    }
    segment->facts.has_holes |= scan.met_hole;
    misfit->was_whole = scan.was_whole;
    misfit->is_cut_short = scan.is_cut_short;
    weir_segment_scan_close(&scan);
    return rc == WEIR_END ? 0 : rc;
}

/* Behind the place that does not fit: is there a whole batch that must have come later? */
static int finds_batch_behind(struct weir_log_opening *opening, struct weir_segment *segment,
                              int64_t limit, bool *found_out, struct weir_error *error)
{
    struct weir_partition_log *log = opening->log;
    struct weir_batch_search search = {
        .file = segment->kept->file,
        .budget = log->budget,
        .position = segment->facts.size,
        .limit = limit,
        .offset_min = log->end_offset + 1,
        .epoch_min = weir_leader_epochs_last(&log->epochs),
    };
    struct weir_batch_header header;
    int64_t position;
    int rc = weir_segment_find_batch(&search, &header, &position, error);
    if (rc < 0) return rc;
    *found_out = rc == 0;
    return 0;
}

/* The tail is torn: back to the last whole batch. */
static int cut_tail(struct weir_log_opening *opening, struct weir_segment *segment,
                    const struct misfit *misfit, struct weir_error *error)
{
    struct weir_log_recovery *recovery = &opening->recovery;
    bool may_be_rot = weir_recovery_may_be_rot(misfit->was_whole, misfit->has_batch_behind);
    if (may_be_rot) {
        struct weir_cut_piece piece = {segment, segment->facts.size, misfit->limit};
        int rc = weir_cut_bytes_keep(&piece, recovery->cut_kept, error);
        if (rc < 0) return rc;
    }
    int rc = weir_file_truncate(segment->kept->file, segment->facts.size, error);
    if (rc < 0) return rc;
    recovery->cut_bytes = misfit->limit - segment->facts.size;
    recovery->cut_offset = opening->log->end_offset;
    recovery->cut_may_be_rot = may_be_rot;
    opening->has_changed = true;
    say(opening, may_be_rot ? "cut, may be rot" : "cut", misfit->why);
    return 0;
}

static int judge_misfit(struct weir_log_opening *opening, struct weir_segment *segment,
                        struct misfit *misfit, bool is_last, struct weir_error *error)
{
    int rc = finds_batch_behind(opening, segment, misfit->limit, &misfit->has_batch_behind, error);
    if (rc < 0) return rc;
    struct weir_recovery_tail_facts facts = {
        .is_last_segment = is_last,
        .mark_is_damaged = opening->mark_is_damaged,
        .has_known_damage = opening->has_damage,
        .is_same_boot = opening->is_same_boot,
        .is_cut_short = misfit->is_cut_short,
        .has_batch_behind = misfit->has_batch_behind,
    };
    if (weir_recovery_judge_tail(&facts) == WEIR_TAIL_CUT) {
        return cut_tail(opening, segment, misfit, error);
    }
    char reason[256];
    (void)snprintf(reason, sizeof reason, "%020" PRId64 ".log: %s", segment->facts.base_offset,
                   misfit->why);
    weir_log_opening_damaged(opening, opening->log->end_offset, reason);
    /* The next boot could not tell it from what a loss of power leaves. */
    if (!opening->has_damage) {
        weir_log_note_damage(opening->log, opening->log->end_offset, -1, reason);
    }
    return 0;
}

/* No mark says when that was appended: at the latest when the file was last written. A file's time
 * may have been lost on the way here; then it is now. */
static void note_append(struct weir_log_opening *opening, struct weir_segment *segment)
{
    const struct weir_recovery_file *file =
        weir_log_folder_file(opening, segment->facts.base_offset);
    int64_t modified_ms = file != NULL ? file->modified.ms : 0;
    if (modified_ms <= 0) modified_ms = weir_wall_now(opening->log->env).ms;
    if (modified_ms > segment->facts.last_append_ms) segment->facts.last_append_ms = modified_ms;
}

/* What compaction has rewritten was durable long before, so above the mark what does not follow directly
 * is torn or rotten. Without a mark nobody knows which segments it has been at: never the last one,
 * and none but a compacted topic's. */
static bool may_have_holes(const struct weir_log_opening *opening, bool is_last)
{
    return !is_last && !opening->has_mark && opening->log->config.cleanup_compact;
}

int weir_log_recover_segment(struct weir_log_opening *opening, struct weir_segment *segment,
                             int64_t limit, bool is_last, struct weir_error *error)
{
    struct weir_error why = {0};
    struct misfit misfit = {.limit = limit};
    int64_t from = segment->facts.size;
    if (limit == from) return 0;
    int rc = take_batches(opening, segment, &misfit, may_have_holes(opening, is_last), &why);
    opening->recovery.scanned_bytes += limit - from;
    if (segment->facts.size > from) {
        opening->has_changed = true;
        note_append(opening, segment);
    }
    if (rc == WEIR_CORRUPT) {
        (void)snprintf(misfit.why, sizeof misfit.why, "%.191s", why.text);
        return judge_misfit(opening, segment, &misfit, is_last, error);
    }
    if (rc < 0 && error != NULL) *error = why;
    return rc;
}

/* ---- damage below the mark ------------------------------------------------------------------- */

/* Walk the headers of a segment that lost its end, to find the first offset that is gone. */
int64_t weir_log_first_lost_offset(struct weir_partition_log *log, struct weir_segment *segment,
                                   int64_t file_size)
{
    struct weir_segment_scan scan;
    weir_segment_scan_init(&scan, &(struct weir_segment_scan_options){
                                      .file = segment->kept->file,
                                      .budget = log->budget,
                                      .limit = file_size,
                                      .expected_offset = segment->facts.base_offset,
                                      .epoch = WEIR_NO_LEADER_EPOCH,
                                      .has_holes = segment->facts.has_holes,
                                  });
    struct weir_batch_header header;
    int64_t position;
    while (weir_segment_scan_next(&scan, &header, &position, NULL) == 0) {
        continue;
    }
    int64_t offset = scan.expected_offset;
    weir_segment_scan_close(&scan);
    return offset > log->start_offset ? offset : log->start_offset;
}
