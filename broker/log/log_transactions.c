#include "base/assert.h"
#include "base/error.h"
#include "broker/log/log_open_internal.h"
#include "broker/log/small_file.h"

/*
 * The transaction indexes of a log (transaction_index.h): what an open reads of them, and makes anew where the files
 * are not what the mark says; and what a reader is told of them.
 */

/* ---- made anew ------------------------------------------------------------------------------- */

/* Its headers, and the records of its markers. `notes`: it is the segment whose index is made. What cannot be walked
 * is offline, with all that lies behind it: of that nobody could say what was aborted. */
static int walk(struct weir_log_opening *opening, struct weir_segment *segment,
                struct weir_producer_state *producers, bool notes, struct weir_error *error)
{
    struct weir_partition_log *log = opening->log;
    struct weir_error why = {0};
    struct weir_segment_scan scan;
    struct weir_batch_header header;
    struct weir_transaction_end end;
    struct weir_mono now = weir_mono_now(log->env);
    int64_t position;
    int rc = weir_segment_hold(segment, &why);
    if (rc == WEIR_OFFLINE) {
        weir_log_opening_damaged(opening, segment->facts.base_offset, why.text);
        return WEIR_END;
    }
    if (rc < 0) return weir_error_set(error, rc, "%s", why.text);
    weir_segment_walk_headers(segment, &scan);
    while ((rc = weir_segment_scan_next(&scan, &header, &position, &why)) == 0) {
        rc = weir_producer_state_reserve(producers, &header);
        if (rc == 0) rc = weir_transaction_index_reserve(&segment->aborted, notes ? 1 : 0);
        if (rc == 0) {
            rc = weir_segment_scan_note_producer(&scan, &header, producers, now, &end, &why);
        }
        if (rc < 0) break;
        if (notes && end.is_abort) weir_segment_note_abort(segment, &end);
    }
    if (rc == WEIR_CORRUPT) weir_log_opening_damaged(opening, scan.expected_offset, why.text);
    weir_segment_scan_close(&scan);
    weir_segment_release(segment);
    if (rc == WEIR_END) return 0;
    if (rc == WEIR_CORRUPT) return WEIR_END;
    return weir_error_set(error, rc, "%s", why.text[0] != '\0' ? why.text : weir_code_text(rc));
}

/* From where it is known what was open: the snapshot of a segment's beginning. */
static int rebuild(struct weir_log_opening *opening, size_t at, struct weir_error *error)
{
    struct weir_partition_log *log = opening->log;
    struct weir_producer_state producers;
    struct weir_segment *segment = log->segments[at];
    size_t from = at;
    int rc = 0;
    weir_transaction_index_close(&segment->aborted);
    segment->facts.aborted_count = 0;
    segment->facts.aborted_crc = 0;
    weir_producer_state_init(&producers, log->budget);
    while (!weir_log_load_snapshot(log, log->segments[from]->facts.base_offset, &producers) &&
           from > 0) {
        from--;
    }
    for (; rc == 0 && from <= at; from++)
        rc = walk(opening, log->segments[from], &producers, from == at, error);
    weir_producer_state_close(&producers);
    segment->aborted.filed = SIZE_MAX;
    return rc < 0 ? rc : 0;
}

/* ---- read ------------------------------------------------------------------------------------ */

/* What the file says, if it is what the facts say. WEIR_CORRUPT: it is not. */
static int read_file(struct weir_partition_log *log, struct weir_segment *segment,
                     struct weir_error *error)
{
    struct weir_buffer bytes;
    struct weir_segment_facts *facts = &segment->facts;
    struct weir_transaction_index *aborted = &segment->aborted;
    struct weir_log_path path =
        weir_log_offset_path(log->path, facts->base_offset, WEIR_TRANSACTION_INDEX_SUFFIX);
    weir_buffer_init(&bytes, log->budget, 0);
    int rc = weir_small_file_read(log->env, path.text, WEIR_DURABLE_MARK_SIZE_MAX, &bytes, error);
    struct weir_slice all = weir_buffer_slice(&bytes);
    bool is_as_filed = facts->aborted_count == WEIR_ABORTED_AS_FILED;
    size_t size =
        is_as_filed ? all.size : (size_t)facts->aborted_count * WEIR_TRANSACTION_INDEX_ENTRY_SIZE;
    if (rc == 0 && all.size < size) rc = WEIR_CORRUPT;
    if (rc == 0) {
        rc = weir_transaction_index_decode(aborted, weir_slice(all.data, size), facts->base_offset,
                                           facts->end_offset, error);
    }
    uint32_t crc = rc == 0 ? weir_transaction_index_crc(aborted, aborted->count) : 0;
    if (rc == 0 && !is_as_filed && crc != facts->aborted_crc) {
        weir_transaction_index_close(aborted);
        rc = WEIR_CORRUPT;
    }
    if (rc == 0) {
        facts->aborted_count = (uint32_t)aborted->count;
        facts->aborted_crc = crc;
        if (size < all.size) aborted->filed = SIZE_MAX;
    }
    weir_buffer_close(&bytes);
    return rc;
}

static int load(struct weir_log_opening *opening, size_t at, struct weir_error *error)
{
    struct weir_partition_log *log = opening->log;
    struct weir_segment *segment = log->segments[at];
    struct weir_segment_facts *facts = &segment->facts;
    struct weir_segment_facts before = *facts;
    if (facts->aborted_count == 0)
        return 0; /* what a file has all the same gives way to the first */
    int rc = facts->aborted_count == WEIR_ABORTED_UNKNOWN ? WEIR_CORRUPT
                                                          : read_file(log, segment, error);
    if (rc == 0 || weir_code_is_shortage(rc)) return rc;
    if (rc == WEIR_NOT_FOUND && before.aborted_count == WEIR_ABORTED_AS_FILED) {
        facts->aborted_count = 0;
        return 0;
    }
    rc = rebuild(opening, at, error);
    opening->has_changed |=
        before.aborted_count != facts->aborted_count || before.aborted_crc != facts->aborted_crc;
    return rc;
}

int weir_log_load_transactions(struct weir_log_opening *opening, struct weir_error *error)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < opening->log->segment_count; i++)
        rc = load(opening, i, error);
    return rc < 0 ? weir_error_wrap(error, rc, "read the transaction indexes") : 0;
}

void weir_log_save_transactions(struct weir_partition_log *log)
{
    for (size_t i = 0; i < log->segment_count; i++) {
        struct weir_segment *segment = log->segments[i];
        weir_transaction_index_save(&segment->aborted, log->env, log->path,
                                    segment->facts.base_offset);
    }
}

int weir_partition_log_producers(const struct weir_partition_log *log, struct weir_arena *arena,
                                 struct weir_producer_info **list_out, size_t *count_out)
{
    struct weir_producer_clocks at = {weir_mono_now(log->env), weir_wall_now(log->env).ms};
    size_t count = weir_producer_state_list(&log->producers, at, NULL);
    struct weir_producer_info *list = weir_arena_array(arena, count + 1, sizeof *list);
    if (list == NULL) return WEIR_NO_MEMORY;
    *count_out = weir_producer_state_list(&log->producers, at, list);
    *list_out = list;
    return 0;
}

/* ---- told ------------------------------------------------------------------------------------ */

/* Those of all segments from `at` on that have records in [from, to), into `list` if there is one. How many. */
static size_t collect(const struct weir_partition_log *log, int64_t from, int64_t to,
                      struct weir_aborted_transaction *list)
{
    size_t count = 0;
    for (size_t i = weir_log_find_segment(log, from); i < log->segment_count; i++) {
        const struct weir_transaction_index *aborted = &log->segments[i]->aborted;
        size_t at = aborted->count > 0 ? weir_transaction_index_find(aborted, from) : 0;
        for (; at < aborted->count; at++) {
            const struct weir_aborted_entry *entry = &aborted->entries[at];
            if (entry->first_offset < to) {
                if (list != NULL) {
                    list[count] =
                        (struct weir_aborted_transaction){entry->producer_id, entry->first_offset};
                }
                count++;
            }
            /* Whatever began below `to` was decided by then. */
            if (entry->last_stable_offset >= to) return count;
        }
    }
    return count;
}

int weir_partition_log_aborted(const struct weir_partition_log *log, int64_t from, int64_t to,
                               struct weir_aborted_transaction **list_out, size_t *count_out)
{
    struct weir_aborted_transaction *list = NULL;
    size_t count = from < to ? collect(log, from, to, NULL) : 0;
    if (count > 0) {
        list = weir_alloc(log->budget, count * sizeof *list);
        if (list == NULL) return WEIR_NO_MEMORY;
        (void)collect(log, from, to, list);
    }
    *list_out = list;
    *count_out = count;
    return 0;
}
