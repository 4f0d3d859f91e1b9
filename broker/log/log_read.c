#include <inttypes.h>

#include "base/uuid.h"
#include "base/assert.h"
#include "base/error.h"
#include "broker/log/log_internal.h"

enum { COPY_IN_PLACE_MAX = 128 << 10 }; /* some 20 us of the owner's turn */

/* ---- the batch that holds the offset --------------------------------------------------------- */

/* Behind a hole another epoch may have begun. Which one the table says is not known here; it is a later
 * one, and the batch is given alone, so that the next read, at an offset of its own, checks what follows. */
static void follow_hole(struct weir_log_read *read, const struct weir_batch_header *header)
{
    if (header->leader_epoch <= read->epoch) return;
    read->epoch = header->leader_epoch;
    read->epoch_end = weir_batch_last_offset(header) + 1;
}

/* Something other than this process has cut the file: what lies behind `limit` is missing. */
static bool is_cut_short(const struct weir_log_read *read)
{
    return read->limit < read->size_known;
}

static int seek(struct weir_log_read *read, bool is_in_place, struct weir_segment_seek *seek_out)
{
    struct weir_index_entry hint = {
        .position = read->position,
        .last_offset = read->position_offset,
    };
    const struct weir_segment *segment = read->segment;
    int64_t base_offset = segment->facts.base_offset; /* above the offset, if a hole ends there */
    *seek_out = (struct weir_segment_seek){
        .offset = read->offset > base_offset ? read->offset : base_offset,
        .limit = read->limit,
        .end_offset = read->limit_offset,
        .hint = read->position >= 0 ? &hint : NULL,
        .is_in_place = is_in_place,
        .damaged_offset = -1,
    };
    int rc = weir_segment_seek(read->segment, seek_out, &read->error);
    seek_out->hint = NULL;
    read->is_index_poor = seek_out->is_index_poor;
    if (rc == WEIR_END) {
        rc = weir_error_set(&read->error, WEIR_CORRUPT, "the segment ends before offset %" PRId64,
                            read->offset);
    }
    if (rc == WEIR_CORRUPT && is_cut_short(read)) {
        (void)weir_segment_say_short(segment->kept->file, read->limit, read->size_known,
                                     &read->error);
    }
    if (rc == WEIR_CORRUPT || rc == WEIR_IO) read->damaged_offset = seek_out->damaged_offset;
    if (rc < 0) return rc;
    if (seek_out->header.base_offset >= read->offset_bound) return 0; /* none that may be given */
    if (seek_out->header.base_offset >= read->epoch_end) follow_hole(read, &seek_out->header);
    if (read->epoch == WEIR_NO_LEADER_EPOCH || read->epoch == seek_out->header.leader_epoch) {
        return 0;
    }
    read->damaged_offset = seek_out->header.base_offset;
    return weir_error_set(&read->error, WEIR_CORRUPT,
                          "the batch of offset %" PRId64 " has epoch %" PRId32 ", not %" PRId32,
                          read->offset, seek_out->header.leader_epoch, read->epoch);
}

/* No batch follows below the bound, and none ever will: the offsets up to it are passed by as those of
 * an empty batch, or a reader that has to get to the end would wait for it forever. One of an epoch at a
 * time, for the reader names the last one that it has read. */
static int give_hole(struct weir_log_read *read, struct weir_budget *budget)
{
    int64_t bound = read->epoch_end < read->offset_bound ? read->epoch_end : read->offset_bound;
    int64_t count = bound - read->offset;
    struct weir_shared *bytes = weir_shared_new(budget, WEIR_BATCH_HEADER_SIZE);
    if (bytes == NULL) {
        return weir_error_set(&read->error, WEIR_NO_MEMORY, "no memory for an empty batch");
    }
    int32_t delta = (int32_t)((count < INT32_MAX ? count : INT32_MAX) - 1);
    weir_batch_store_empty(bytes->data, read->offset, delta, read->epoch);
    bytes->size = WEIR_BATCH_HEADER_SIZE;
    read->batches.parts[0] = (struct weir_log_part){.bytes = bytes, .size = bytes->size};
    read->batches.part_count = 1;
    read->size = bytes->size;
    return 0;
}

/* ---- begin: the owner's thread --------------------------------------------------------------- */

/* Where serving ends: the log's end, damage, or what is known to be on the disk after an error. */
static int64_t readable_end(const struct weir_partition_log *log)
{
    int64_t end = weir_log_has_failed(log) ? log->durable_offset : log->end_offset;
    if (log->fault.offline_from >= 0 && log->fault.offline_from < end)
        end = log->fault.offline_from;
    return end;
}

/* What one read may take in, as seen from the place where its walk begins. */
static struct weir_index_reach reach_of(const struct weir_log_read *read)
{
    return (struct weir_index_reach){
        .bound = read->epoch_end < read->offset_bound ? read->epoch_end : read->offset_bound,
        .size_max = read->size_max < INT64_MAX ? (int64_t)read->size_max : INT64_MAX,
    };
}

static void take_hints(struct weir_log_read *read, const struct weir_index_entry *first,
                       const struct weir_index_entry *last)
{
    read->position = first->position;
    read->position_offset = first->last_offset;
    read->end_position = last->position;
    read->end_position_offset = last->last_offset;
}

/* The places where the read begins and where it ends, as far as the newest entries tell. */
static bool find_tail_hints(const struct weir_partition_log *log, struct weir_log_read *read)
{
    struct weir_index_entry first;
    struct weir_index_entry last;
    struct weir_index_reach reach = reach_of(read);
    if (!weir_index_builder_find(&log->index, read->offset, INT64_MAX, &first)) return false;
    /* The first one's position is below the bound, so there is one to be found. */
    int64_t left = read->limit - first.position;
    int64_t position = reach.size_max < left ? first.position + reach.size_max : read->limit;
    if (!weir_index_builder_find(&log->index, reach.bound, position, &last)) last = first;
    take_hints(read, &first, &last);
    return true;
}

static void find_window_hints(const struct weir_partition_log *log, struct weir_log_read *read)
{
    struct weir_index_entry first;
    struct weir_index_entry last;
    struct weir_index_reach reach = reach_of(read);
    const struct weir_segment *segment = read->segment;
    int64_t base_offset = segment->facts.base_offset;
    if (!weir_index_windows_find(&log->windows, base_offset, read->offset, &reach, &first, &last)) {
        return;
    }
    take_hints(read, &first, &last);
}

static void find_hints(const struct weir_partition_log *log, struct weir_log_read *read)
{
    bool is_active = read->segment == weir_log_active(log);
    if (!is_active || !find_tail_hints(log, read)) find_window_hints(log, read);
}

/* Whoever holds a range of it reads this on any thread: written before there is one, and never again. */
static void name_log(const struct weir_partition_log *log, struct weir_segment *segment)
{
    if (weir_uuid_equal(segment->topic_id, log->topic_id)) return;
    segment->topic_id = log->topic_id;
    segment->partition = log->partition;
}

static int hold_segment(struct weir_partition_log *log, struct weir_log_read *read)
{
    struct weir_segment *segment = log->segments[weir_log_find_batches(log, read->offset)];
    int rc = weir_segment_hold(segment, &read->error);
    if (rc == WEIR_OFFLINE) { /* it is missing, or another's: nothing that has to be remembered */
        weir_log_take_offline(log, segment->facts.base_offset, read->error.text);
    }
    if (rc < 0) return rc;
    name_log(log, segment);
    read->segment = segment;
    read->position = -1;
    read->size_known = segment->facts.size;
    (void)weir_segment_check_size(segment, &read->limit, NULL); /* seek says it, if it gets there */
    read->limit_offset = weir_log_segment_end(log, segment);
    read->epoch = weir_leader_epochs_at(&log->epochs, read->offset, &read->epoch_end);
    read->truncations = log->truncations;
    read->env = log->env;
    read->budget = log->budget;
    read->log = log;
    return 0;
}

/* The batch that a range begins with, from what memory has of the index. Headers near both ends are read
 * in place, so they must be in the page cache, and the entry that the walk begins at must be a true
 * one: else it would begin at the segment's start. */
static bool find_hot_batch(struct weir_log_read *read, struct weir_segment_seek *first_out)
{
    struct weir_segment *segment = read->segment;
    struct weir_index_entry hint = {.position = read->position,
                                    .last_offset = read->position_offset};
    struct weir_batch_header header;
    int64_t size = read->limit - read->position;
    if (read->position < 0 || (uint64_t)size < read->range_min) return false;
    if (read->size_max < (uint64_t)size) size = (int64_t)read->size_max;
    return weir_file_is_cached(segment->kept->file, read->position, size) &&
           weir_segment_entry_is_true(segment, &hint, read->limit, &header) &&
           seek(read, true, first_out) == 0;
}

/* Whoever reads on needs the index only for the other end, and that only where more than a batch fits. */
static bool find_hot_range(const struct weir_partition_log *log, struct weir_log_read *read)
{
    struct weir_segment_seek first;
    if (read->size_max < read->range_min) return false;
    bool goes_on = weir_log_range_go_on(log, read, &first);
    bool needs_index = !goes_on || weir_log_range_has_room(read, &first);
    if (needs_index) find_hints(log, read);
    if (needs_index && read->position < 0) return false;
    if (!goes_on && !find_hot_batch(read, &first)) return false;
    if (weir_batch_last_offset(&first.header) >= read->offset_bound) return false;
    return weir_log_range_find(read, &first) == 0;
}

/* They were read while the index was being made anew, or what they say is not so. */
static void drop_windows(struct weir_partition_log *log, struct weir_log_read *read)
{
    const struct weir_segment *segment = read->segment;
    weir_index_windows_drop(&log->windows, segment->facts.base_offset);
    read->is_index_poor = false;
}

/* What goes wrong here goes wrong for the worker too, who says so. */
static bool take_hot_range(struct weir_partition_log *log, struct weir_log_read *read)
{
    if (read->range_min == 0) return false;
    if (hold_segment(log, read) < 0) return false;
    bool is_found = find_hot_range(log, read);
    if (is_found) weir_log_range_note(log, read);
    if (read->is_index_poor) drop_windows(log, read);
    weir_segment_release(read->segment);
    read->segment = NULL;
    read->damaged_offset = -1;
    read->error = (struct weir_error){0};
    return is_found;
}

/* Where the copy begins: where a read ended, or from what memory has of the index. */
static bool find_hot_first(const struct weir_partition_log *log, struct weir_log_read *read,
                           struct weir_segment_seek *first_out)
{
    if (weir_log_range_go_on(log, read, first_out)) return true;
    find_hints(log, read);
    return find_hot_batch(read, first_out);
}

/* A small piece of what is in the page cache costs less here than the two hand-offs to a worker and back. */
static bool copy_hot_batches(struct weir_partition_log *log, struct weir_log_read *read)
{
    struct weir_segment_seek first;
    if (read->range_min != 0 || read->checks_disk || read->size_max > COPY_IN_PLACE_MAX)
        return false;
    bool is_read = find_hot_first(log, read, &first) &&
                   weir_batch_last_offset(&first.header) < read->offset_bound &&
                   weir_batch_size(&first.header) <= COPY_IN_PLACE_MAX &&
                   weir_log_copy_batches(read, &first, true) == 0;
    if (is_read) weir_log_range_note(log, read);
    if (read->is_index_poor) drop_windows(log, read);
    read->damaged_offset = -1;
    read->error = (struct weir_error){0};
    if (!is_read) return false;
    weir_segment_release(read->segment);
    read->segment = NULL;
    return true;
}

static bool is_behind(const struct weir_segment *segment, int64_t offset)
{
    return segment->facts.size == 0 || segment->facts.end_offset <= offset;
}

/* A hole reaches to the log's end: nothing that was compacted away is left there, nor has anything been
 * appended since. */
static bool is_behind_batches(const struct weir_partition_log *log, int64_t offset)
{
    if (!is_behind(weir_log_active(log), offset)) return false;
    return is_behind(log->segments[weir_log_find_batches(log, offset)], offset);
}

int weir_log_read_begin(struct weir_partition_log *log, struct weir_log_read *read)
{
    read->range = (struct weir_log_range){0};
    read->batches.part_count = 0;
    read->size = 0;
    read->rc = 0;
    read->segment = NULL;
    read->window = NULL;
    read->damaged_offset = -1;
    read->is_index_poor = false;
    read->range_end_position = 0;
    if (read->offset < log->start_offset || read->offset > log->end_offset) {
        read->rc = weir_error_set(&read->error, WEIR_OFFSET_OUT_OF_RANGE,
                                  "log '%s': offset %" PRId64 " is not in %" PRId64 " to %" PRId64,
                                  log->path, read->offset, log->start_offset, log->end_offset);
        return read->rc;
    }
    int64_t bound = readable_end(log);
    if (weir_log_is_offline(log) && read->offset >= bound) {
        read->rc = weir_log_refuse(log, &read->error);
        return read->rc;
    }
    read->offset_bound = read->offset_max < bound ? read->offset_max : bound;
    if (read->offset >= read->offset_bound) return 0;
    if (is_behind_batches(log, read->offset)) {
        read->epoch = weir_leader_epochs_at(&log->epochs, read->offset, &read->epoch_end);
        read->rc = give_hole(read, log->budget);
        return read->rc;
    }
    if (take_hot_range(log, read)) return 0;
    bool may_hold_memory = read->range_min != 1 && !read->checks_disk;
    if (may_hold_memory && weir_tail_cache_read(&log->tail, read, read->offset_bound)) return 0;
    /* It is in no memory of ours: a range of any size costs less than a worker's copy. */
    if (read->range_min > 1) {
        read->range_min = 1;
        if (take_hot_range(log, read)) return 0;
    }
    int rc = hold_segment(log, read);
    if (rc < 0) {
        read->rc = rc;
        return rc;
    }
    if (copy_hot_batches(log, read)) return 0;
    find_hints(log, read);
    return WEIR_END;
}

/* ---- run: any one thread --------------------------------------------------------------------- */

/* WEIR_END: it would be too small, or is no longer all there; the bytes are read then. */
static int find_warm_range(struct weir_log_read *read, const struct weir_segment_seek *first)
{
    if (read->range_min == 0) return WEIR_END;
    int rc = weir_log_range_find(read, first);
    if (rc == WEIR_END) return rc;
    if (rc == 0) rc = weir_log_range_warm(&read->range, read->budget, &read->error);
    if (rc == 0) return 0;
    if (rc == WEIR_CORRUPT || rc == WEIR_IO) read->damaged_offset = first->header.base_offset;
    weir_log_range_release(&read->range);
    read->size = 0;
    return rc;
}

/* For this read, and for those that go on from there. Without one the files are asked each time. */
static void read_window(struct weir_log_read *read)
{
    const struct weir_segment *segment = read->segment;
    struct weir_index_files files = {segment->env, segment->directory, segment->facts.base_offset};
    struct weir_index_window *window = NULL;
    int rc =
        weir_index_window_read(&files, read->offset, segment->is_sealed, read->budget, &window);
    if (rc != 0) return;
    struct weir_index_entry first;
    struct weir_index_entry last;
    struct weir_index_reach reach = reach_of(read);
    if (weir_index_window_find(window, read->offset, &reach, &first, &last)) {
        take_hints(read, &first, &last);
    }
    read->window = window;
}

void weir_log_read_run(struct weir_log_read *read)
{
    struct weir_segment_seek first;
    if (read->position < 0) read_window(read);
    read->rc = seek(read, false, &first);
    if (read->rc < 0) return;
    if (first.header.base_offset >= read->offset_bound) {
        read->rc = give_hole(read, read->budget);
        return;
    }
    if (weir_batch_last_offset(&first.header) >= read->offset_bound) return;
    if (read->checks_disk) {
        read->rc = weir_log_copy_from_disk(read, &first);
        return;
    }
    read->rc = find_warm_range(read, &first);
    if (read->rc == WEIR_END) read->rc = weir_log_copy_batches(read, &first, false);
}

/* ---- end: the owner's thread ----------------------------------------------------------------- */

/* What was read before a cut, or while the index was being made anew, is not kept. */
static void keep_window(struct weir_partition_log *log, struct weir_log_read *read)
{
    bool is_good = read->truncations == log->truncations && !read->is_index_poor;
    if (read->is_index_poor) drop_windows(log, read);
    if (read->window != NULL && is_good) {
        weir_index_windows_keep(&log->windows, read->window);
    } else {
        weir_free(read->window);
    }
    read->window = NULL;
}

int weir_log_read_end(struct weir_log_read *read)
{
    struct weir_partition_log *log = read->log;
    keep_window(log, read);
    bool is_of_segment = read->range.segment != NULL || read->range_end_position > 0;
    bool is_cut = read->truncations != log->truncations;
    if (is_of_segment && !is_cut && read->size > 0) weir_log_range_note(log, read);
    weir_segment_release(read->segment);
    read->segment = NULL;
    if (is_cut) {
        /* The file was cut under the reader, who may have seen both: nothing, ask again. */
        weir_log_read_release(read);
        read->size = 0;
        read->rc = 0;
        return 0;
    }
    if (read->checks_disk && read->batches.part_count > 0) weir_tail_cache_cut(&log->tail, 0);
    if (read->rc < 0 && !is_cut_short(read)) {
        (void)weir_error_wrap(&read->error, read->rc, "log '%s'", log->path);
    }
    if (read->damaged_offset >= 0 && read->rc == WEIR_CORRUPT) {
        weir_partition_log_damaged(log, read->damaged_offset, read->error.text);
        if (is_cut_short(read)) {
            read->rc = weir_log_refuse(log, &read->error);
        } else {
            weir_log_say_remedy(log, &read->error);
        }
    } else if (read->damaged_offset >= 0) {
        weir_log_take_offline(log, read->damaged_offset, read->error.text);
    }
    return read->rc;
}

void weir_log_read_release(struct weir_log_read *read)
{
    weir_log_batches_release(&read->batches);
    weir_log_range_release(&read->range);
}
