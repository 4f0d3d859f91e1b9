#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/uuid.h"
#include "broker/log/boot_file.h"
#include "broker/log/log_open_internal.h"
#include "broker/log/partition_metadata.h"
#include "broker/log/small_file.h"

enum { MARK_INTERVAL_DEFAULT = 4 * 1024 * 1024, TAIL_CACHE_DEFAULT = 1024 * 1024 };

/* ---- life ------------------------------------------------------------------------------------ */

static void log_free(struct weir_partition_log *log)
{
    if (log == NULL) return;
    for (size_t i = 0; i < log->segment_count; i++) {
        weir_segment_unref(log->segments[i]);
    }
    weir_free(log->segments);
    weir_tail_cache_close(&log->tail);
    weir_index_builder_close(&log->index);
    weir_index_windows_drop_all(&log->windows);
    weir_producer_state_close(&log->producers);
    weir_leader_epochs_close(&log->epochs);
    weir_lost_ranges_close(&log->lost);
    weir_free(log->path);
    log->magic = 0;
    weir_free(log);
}

static int log_new(const struct weir_partition_log_options *options,
                   struct weir_partition_log **log_out, struct weir_error *error)
{
    size_t path_size = strlen(options->path);
    if (path_size == 0 || path_size > WEIR_LOG_DIRECTORY_MAX) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT,
                              "a log's folder needs a path of 1 to %d bytes, not %zu",
                              WEIR_LOG_DIRECTORY_MAX, path_size);
    }
    struct weir_partition_log *log = weir_alloc_zero(options->budget, sizeof *log);
    if (log == NULL) goto no_memory;
    log->path = weir_alloc_text(options->budget, options->path, path_size);
    if (log->path == NULL) goto no_memory;
    log->magic = WEIR_LOG_MAGIC;
    log->env = options->env;
    log->budget = options->budget;
    log->topic_id = options->topic_id;
    log->partition = options->partition;
    log->config = options->config;
    log->files = options->files;
    log->mark_interval_bytes =
        options->mark_interval_bytes > 0 ? options->mark_interval_bytes : MARK_INTERVAL_DEFAULT;
    log->fault = WEIR_FAULT_STATE_NONE;
    log->last_append_ms = WEIR_NO_TIMESTAMP;
    log->leader_epoch = WEIR_NO_LEADER_EPOCH;
    weir_leader_epochs_init(&log->epochs, log->budget);
    weir_producer_state_init(&log->producers, log->budget);
    weir_lost_ranges_init(&log->lost, log->budget);
    weir_index_builder_init(&log->index, log->env, log->budget, log->path);
    log->index.interval_bytes = log->config.index_interval_bytes;
    weir_tail_cache_init(&log->tail, log->budget,
                         options->tail_cache_bytes > 0 ? options->tail_cache_bytes
                                                       : (size_t)TAIL_CACHE_DEFAULT);
    *log_out = log;
    return 0;
no_memory:
    weir_free(log);
    return weir_error_set(error, WEIR_NO_MEMORY, "open log '%s': out of memory", options->path);
}

/* ---- what the folder says of itself ---------------------------------------------------------- */

static int read_mark(struct weir_log_opening *opening, struct weir_error *error)
{
    struct weir_partition_log *log = opening->log;
    struct weir_log_recovery *recovery = &opening->recovery;
    int rc = weir_durable_mark_read(log->env, log->budget, log->path, &opening->arena,
                                    &opening->mark, &opening->marks, error);
    opening->has_mark = rc == 0;
    opening->mark_is_damaged = rc == WEIR_CORRUPT || (rc == 0 && opening->mark.may_be_older);
    if (rc == WEIR_CORRUPT) {
        (void)snprintf(recovery->reason, sizeof recovery->reason,
                       "the durable mark is damaged, its copy missing or so as well: all was "
                       "scanned");
        recovery->mark_was = "damaged";
        return 0;
    }
    if (rc < 0) return rc == WEIR_NOT_FOUND ? 0 : rc;
    if (opening->marks.mark == WEIR_MARK_DAMAGED) recovery->mark_was = "damaged";
    if (opening->marks.mark == WEIR_MARK_MISSING) recovery->mark_was = "missing";
    if (opening->marks.mark == WEIR_MARK_OLDER) recovery->mark_was = "older than its copy";
    log->copy_is_all = opening->marks.mark != WEIR_MARK_GOOD;
    opening->has_changed = log->copy_is_all;
    return 0;
}

/* Word of damage that cannot be read is word of damage all the same. */
static int read_damage(struct weir_log_opening *opening, struct weir_error *error)
{
    struct weir_partition_log *log = opening->log;
    struct weir_error local = {0};
    int rc = weir_damage_file_read(log->env, log->budget, log->path, &opening->damage, &local);
    if (rc == WEIR_NOT_FOUND) return 0;
    opening->has_damage = rc == 0 || rc == WEIR_CORRUPT;
    if (rc == WEIR_CORRUPT) {
        (void)snprintf(opening->damage.reason, sizeof opening->damage.reason, "%.191s", local.text);
    }
    if (opening->has_damage) return 0;
    if (error != NULL) *error = local;
    return rc;
}

/* The mark knows the topic under a crc; without it the text file has to do. */
static int check_topic(struct weir_log_opening *opening, struct weir_error *error)
{
    struct weir_partition_log *log = opening->log;
    struct weir_uuid id = {{0}};
    struct weir_error ignored;
    int rc = weir_partition_metadata_read(log->env, log->budget, log->path, &id, &ignored);
    bool is_bad = rc == WEIR_CORRUPT || rc == WEIR_TOO_LARGE;
    if (rc < 0 && rc != WEIR_NOT_FOUND && !is_bad) {
        if (error != NULL) *error = ignored;
        return rc;
    }
    bool text_fits = rc == 0 && weir_uuid_equal(id, log->topic_id);
    bool is_other = opening->has_mark ? !weir_uuid_equal(opening->mark.topic_id, log->topic_id)
                                      : rc == 0 && !text_fits;
    if (is_other) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "the folder belongs to another topic id; put back the one that "
                              "belongs here");
    }
    if (opening->has_mark && opening->mark.partition != log->partition) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "the folder is that of partition %d; put back the one that belongs "
                              "here",
                              opening->mark.partition);
    }
    opening->needs_metadata = !text_fits;
    opening->recovery.metadata_was_bad = is_bad || (rc == 0 && !text_fits);
    return 0;
}

/* ---- segments -------------------------------------------------------------------------------- */

static int add_segment(struct weir_partition_log *log, struct weir_segment_facts facts,
                       struct weir_error *error)
{
    int rc = weir_log_reserve_segment(log);
    struct weir_segment *segment =
        rc == 0 ? weir_segment_new(log->env, log->budget, log->files, log->path, facts) : NULL;
    if (segment == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "no memory for a segment");
    segment->index_interval_bytes = log->config.index_interval_bytes;
    log->segments[log->segment_count++] = segment;
    return 0;
}

static void seal_all_but_last(struct weir_partition_log *log)
{
    for (size_t i = 0; i + 1 < log->segment_count; i++) {
        log->segments[i]->is_sealed = true;
    }
}

/* Go on where the index files end; when they do not reach far enough, or lie, make them anew. */
static int resume_index(struct weir_partition_log *log, struct weir_error *error)
{
    struct weir_segment *active = weir_log_active(log);
    struct weir_index_builder *index = &log->index;
    struct weir_index_entry last = {0};
    struct weir_batch_header header;
    weir_index_builder_begin(index, active->facts.base_offset);
    index->max_timestamp_ms = active->facts.max_timestamp_ms;
    index->max_timestamp_offset = active->facts.max_timestamp_offset;
    int64_t size = active->facts.size;
    int64_t slack = 2 * index->interval_bytes + log->config.max_message_bytes;
    int rc = weir_index_builder_resume(index, size, log->end_offset, &last);
    bool is_true = rc == 0 && weir_segment_entry_is_true(active, &last, size, &header);
    if (is_true && size - last.position <= slack) {
        index->bytes_since = size - last.position;
        return 0;
    }
    if (weir_code_is_shortage(rc)) return weir_error_set(error, rc, "read the index");
    weir_index_builder_begin(index, active->facts.base_offset);
    if (size <= index->interval_bytes) return 0;
    return weir_log_rebuild_active_index(log, error);
}

static int open_from_mark(struct weir_log_opening *opening, struct weir_error *error)
{
    struct weir_partition_log *log = opening->log;
    const struct weir_durable_mark *mark = &opening->mark;
    for (size_t i = 0; i < mark->segment_count; i++) {
        int rc = add_segment(log, mark->segments[i], error);
        if (rc < 0) return rc;
    }
    seal_all_but_last(log);
    log->mark_sequence = mark->sequence;
    log->clean_offset = mark->clean_offset;
    log->start_offset = mark->start_offset;
    log->end_offset = mark->end_offset;
    log->durable_offset = mark->end_offset;
    log->leader_epoch = mark->leader_epoch;
    weir_leader_epochs_close(&log->epochs);
    weir_producer_state_close(&log->producers);
    weir_lost_ranges_close(&log->lost);
    log->epochs = opening->mark.epochs;
    log->producers = opening->mark.producers;
    log->lost = opening->mark.lost;
    weir_lost_ranges_cut_head(&log->lost, log->start_offset); /* a mark of the moment before that */
    weir_leader_epochs_init(&opening->mark.epochs, log->budget);
    weir_producer_state_init(&opening->mark.producers, log->budget);
    weir_lost_ranges_init(&opening->mark.lost, log->budget);
    weir_index_builder_begin(&log->index, weir_log_active(log)->facts.base_offset);
    return 0;
}

/* Below the mark something is gone: find out from where, touch nothing. */
static int open_damaged(struct weir_log_opening *opening, struct weir_error *error)
{
    struct weir_partition_log *log = opening->log;
    int64_t offset = opening->plan.offline_from;
    if (opening->plan.short_segment != SIZE_MAX) {
        struct weir_segment *segment = log->segments[opening->plan.short_segment];
        const struct weir_recovery_file *file =
            weir_log_folder_file(opening, segment->facts.base_offset);
        int rc = file != NULL ? weir_segment_hold(segment, error) : WEIR_NOT_FOUND;
        if (weir_code_is_shortage(rc)) return rc; /* what is readable is not known yet */
        if (rc == 0) {
            offset = weir_log_first_lost_offset(log, segment, file->size);
            segment->facts.size = file->size;
            weir_segment_release(segment);
        }
    }
    weir_log_opening_damaged(opening, offset, opening->plan.reason);
    return 0;
}

/* The mark is whole and nothing below it is missing: what lies above it is looked at. */
static int recover_above_mark(struct weir_log_opening *opening, struct weir_error *error)
{
    struct weir_partition_log *log = opening->log;
    struct weir_segment *active = weir_log_active(log);
    const struct weir_recovery_file *file =
        weir_log_folder_file(opening, active->facts.base_offset);
    weir_assert(file != NULL && file->size >= active->facts.size);
    struct weir_error why = {0};
    int rc = weir_segment_hold(active, &why);
    if (rc == WEIR_OFFLINE) { /* the sealed ones can be read all the same */
        weir_log_opening_damaged(opening, active->facts.base_offset, why.text);
        return 0;
    }
    if (rc < 0) {
        if (error != NULL) *error = why;
        return rc;
    }
    opening->recovery.was_clean = opening->mark.is_clean && file->size == active->facts.size;
    /* What the last life wrote may be in the page cache alone: as good as written now. */
    if (!opening->recovery.was_clean) weir_kept_file_note_write(active->kept);
    if (opening->mark.is_truncating) {
        opening->has_changed = true;
        rc = weir_file_truncate(active->kept->file, active->facts.size, error);
        if (rc == 0) rc = resume_index(log, error);
    } else {
        rc = resume_index(log, error);
        if (rc == 0) rc = weir_log_recover_segment(opening, active, file->size, true, error);
    }
    weir_segment_release(active);
    return rc;
}

/* Without a mark: where compaction has taken the last records of a segment, the next one begins behind
 * a hole. In a compacted topic that cannot be told from a segment that is missing. */
static bool follows_last_segment(struct weir_partition_log *log, int64_t base_offset)
{
    if (base_offset == log->end_offset) return true;
    if (!log->config.cleanup_compact || base_offset < log->end_offset) return false;
    weir_log_active(log)->facts.has_holes = true;
    log->end_offset = base_offset;
    return true;
}

/* No mark that can be read: the files themselves, from the oldest on. */
static int recover_all(struct weir_log_opening *opening, struct weir_error *error)
{
    struct weir_partition_log *log = opening->log;
    size_t count;
    const struct weir_recovery_file *files = weir_log_folder_files(opening, &count);
    if (opening->recovery.mark_was == NULL) opening->recovery.mark_was = "missing";
    opening->recovery.mark_is_lost = true;
    log->start_offset = files[0].base_offset;
    log->end_offset = files[0].base_offset;
    for (size_t i = 0; i < count && log->fault.offline_from < 0; i++) {
        if (!follows_last_segment(log, files[i].base_offset)) {
            weir_log_opening_damaged(opening, log->end_offset, "a segment is missing");
            break;
        }
        int rc = add_segment(log, weir_segment_facts_at(files[i].base_offset), error);
        if (rc < 0) return rc;
        struct weir_segment *segment = weir_log_active(log);
        weir_index_builder_begin(&log->index, segment->facts.base_offset);
        rc = weir_segment_hold(segment, error);
        if (rc < 0) return rc;
        weir_kept_file_note_write(segment->kept); /* as above */
        rc = weir_log_recover_segment(opening, segment, files[i].size, i + 1 == count, error);
        weir_segment_release(segment);
        if (rc < 0) return rc;
        if (i + 1 < count) weir_index_builder_seal(&log->index);
    }
    seal_all_but_last(log);
    log->durable_offset = log->end_offset;
    return 0;
}

/* A new log, or one whose creation was cut short: its empty file is made anew, so that no failed
 * sync of its entry is built upon. */
static int create_first_segment(struct weir_partition_log *log, struct weir_error *error)
{
    int rc = weir_log_reserve_segment(log);
    if (rc < 0) return weir_error_set(error, rc, "no memory for a segment");
    struct weir_log_path path = weir_log_offset_path(log->path, 0, ".log");
    rc = weir_log_remove_if_there(log, path.text, error);
    if (rc < 0) return rc;
    rc = weir_log_create_segment(log, 0, &log->segments[0], error);
    if (rc < 0) return rc;
    log->segment_count = 1;
    weir_index_builder_begin(&log->index, 0);
    return 0;
}

/* ---- the story ------------------------------------------------------------------------------- */

static int sync_what_was_kept(struct weir_partition_log *log, struct weir_error *error)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < log->segment_count; i++) {
        struct weir_segment *segment = log->segments[i];
        if (!weir_kept_file_is_dirty(segment->kept)) continue;
        rc = weir_segment_hold(segment, error);
        if (rc < 0) break;
        rc = weir_kept_file_sync(segment->kept, error);
        weir_segment_release(segment);
    }
    return rc;
}

/* Of a damaged log nothing is changed on the disk. What is good above the mark is served like all that lies below the
 * damage, so it has to be there for good. */
static int settle_damaged(struct weir_partition_log *log, struct weir_error *error)
{
    int rc = sync_what_was_kept(log, error);
    if (rc == 0) log->durable_offset = log->end_offset;
    return rc;
}

/* What was kept is synced before it is served, and a mark says so. */
static int settle(struct weir_log_opening *opening, struct weir_error *error)
{
    struct weir_partition_log *log = opening->log;
    int rc = 0;
    if (opening->needs_metadata) {
        rc = weir_partition_metadata_write(log->env, log->path, &log->topic_id, error);
        if (rc < 0 && (!weir_code_is_shortage(rc) || !opening->has_mark)) return rc;
    }
    log->durable_offset = log->end_offset;
    log->mark_is_clean = opening->recovery.was_clean;
    /* A mark that no clean close has written may be in the page cache alone: a kill came between
     * its rename and the sync of the folder, or that sync failed, and then no later one makes up
     * for it. An older mark must not come back with the next power loss, so this one is written
     * again. */
    bool is_settled = opening->has_mark && opening->recovery.was_clean;
    if (!opening->has_changed && is_settled) {
        bool has_copy = opening->marks.copy == WEIR_MARK_GOOD;
        if (!has_copy) weir_durable_mark_mend_copy(log->env, log->budget, log->path);
        return 0;
    }
    rc = sync_what_was_kept(log, error);
    if (rc < 0) return rc;
    rc = weir_sync_directory(log->env, log->path, error);
    if (rc < 0) return rc;
    for (size_t i = 0; i < log->segment_count; i++) {
        log->segments[i]->facts.is_swapping = false; /* names and leftovers are as they should be */
    }
    /* Made durable once more, it is the same mark: recovering twice is recovering once. */
    if (opening->has_mark && !opening->has_changed) log->mark_sequence--;
    rc = weir_log_write_mark(log, WEIR_MARK_PLAIN, error);
    /* On a full disk (or in another shortage) the older mark is still true, and the log can be read.
     * The next append writes the mark first: the older one may order a cut, or be in the page cache
     * alone. */
    if (!weir_code_is_shortage(rc) || !opening->has_mark) return rc;
    opening->recovery.mark_rc = rc;
    log->mark_is_owed = true;
    return 0;
}

static int open_without_mark(struct weir_log_opening *opening, struct weir_error *error)
{
    size_t count;
    const struct weir_recovery_file *files = weir_log_folder_files(opening, &count);
    bool is_new = count == 0 || (count == 1 && files[0].base_offset == 0 && files[0].size == 0);
    if (is_new && opening->must_exist && !opening->mark_is_damaged) {
        return weir_error_set(error, WEIR_OFFLINE,
                              "the folder is there, its durable mark and segments are missing");
    }
    int rc = weir_log_sync_parent(opening->log, error);
    if (rc < 0) return rc;
    if (!is_new) return recover_all(opening, error);
    if (!opening->mark_is_damaged) return create_first_segment(opening->log, error);
    return weir_error_set(error, WEIR_CORRUPT, "a damaged durable mark and no segments");
}

static void note_last_append(struct weir_partition_log *log)
{
    for (size_t i = 0; i < log->segment_count; i++) {
        int64_t last_append_ms = log->segments[i]->facts.last_append_ms;
        if (last_append_ms > log->last_append_ms) log->last_append_ms = last_append_ms;
    }
}

static void take_known_damage(struct weir_log_opening *opening)
{
    const struct weir_damage *damage = &opening->damage;
    int64_t start = opening->log->start_offset;
    int64_t known = opening->log->fault.offline_from;
    weir_log_know_damage(opening->log, damage->from > start ? damage->from : start, damage->end,
                         damage->reason);
    weir_log_opening_say_damage(opening, known, damage->reason);
}

static int recover(struct weir_log_opening *opening, struct weir_error *error)
{
    struct weir_partition_log *log = opening->log;
    size_t count;
    struct weir_recovery_file *files = weir_log_folder_files(opening, &count);
    int rc = 0;
    weir_recovery_plan_files(opening->has_mark ? &opening->mark : NULL, files, count,
                             &opening->plan);
    if (opening->has_mark) {
        rc = open_from_mark(opening, error);
        if (rc == 0) rc = weir_log_load_transactions(opening, error);
        if (rc < 0) return rc;
        rc = opening->plan.offline_from >= 0 ? open_damaged(opening, error)
                                             : recover_above_mark(opening, error);
    } else {
        rc = open_without_mark(opening, error);
    }
    int32_t last_epoch = weir_leader_epochs_last(&log->epochs);
    if (log->leader_epoch < last_epoch) log->leader_epoch = last_epoch;
    note_last_append(log);
    if (rc == 0 && opening->has_damage) take_known_damage(opening);
    if (rc < 0) return rc;
    if (log->fault.offline_from >= 0) return settle_damaged(log, error);
    rc = weir_log_remove_leftovers(opening, error);
    if (rc == 0) rc = settle(opening, error);
    if (rc == 0) weir_log_save_transactions(log);
    /* Whatever of the file an earlier boot wrote is on the disk or was cut. */
    if (rc == 0 && !opening->is_same_boot) weir_boot_file_write(log->env, log->path);
    return rc;
}

static int open_folder(struct weir_log_opening *opening, struct weir_error *error)
{
    struct weir_partition_log *log = opening->log;
    int rc =
        opening->must_exist ? weir_log_check_folder(log, error) : weir_log_make_folder(log, error);
    if (rc < 0) return rc;
    rc = weir_boot_file_is_current(log->env, log->path, &opening->is_same_boot, error);
    if (rc < 0) return rc;
    rc = read_mark(opening, error);
    if (rc < 0) return rc;
    rc = check_topic(opening, error);
    if (rc < 0) return rc;
    rc = read_damage(opening, error);
    if (rc < 0) return rc;
    rc = weir_log_finish_swaps(opening, error);
    if (rc < 0) return rc;
    rc = weir_log_list_folder(opening, error);
    if (rc < 0) return rc;
    return recover(opening, error);
}

/* A folder may be a link, or a mount. If nobody can say where it lies, it is better synced once too often. */
static bool lies_apart(const struct weir_partition_log_options *options)
{
    struct weir_file_stat stat;
    if (weir_stat(options->env, options->path, &stat, NULL) < 0) return true;
    return stat.device != options->shared_device;
}

int weir_partition_log_open(const struct weir_partition_log_options *options,
                            struct weir_partition_log **log_out,
                            struct weir_log_recovery *recovery_out, struct weir_error *error)
{
    struct weir_log_opening opening = {
        .recovery = {.cut_offset = -1, .offline_from = -1},
        .must_exist = options->must_exist,
    };
    int rc = log_new(options, &opening.log, error);
    if (rc < 0) return rc;
    struct weir_partition_log *log = opening.log;
    opening.error = error;
    weir_arena_init(&opening.arena, options->budget, 0);
    weir_buffer_init(&opening.files, options->budget, 0);
    rc = open_folder(&opening, error);
    opening.recovery.had_mark = opening.has_mark;
    if (opening.has_mark) weir_durable_mark_close(&opening.mark);
    weir_buffer_close(&opening.files);
    weir_arena_close(&opening.arena);
    if (rc < 0) {
        (void)weir_error_wrap(error, rc, "open log '%s'", options->path);
        if (rc == WEIR_IO) weir_boot_file_forget(log->env, log->path);
        log_free(log);
        return rc;
    }
    log->is_apart = lies_apart(options);
    if (log->leader_epoch < options->leader_epoch) log->leader_epoch = options->leader_epoch;
    weir_assert_slow((weir_partition_log_check(log), true));
    if (recovery_out != NULL) *recovery_out = opening.recovery;
    *log_out = log;
    return 0;
}

int weir_partition_log_close(struct weir_partition_log *log, struct weir_error *error)
{
    if (log == NULL) return 0;
    weir_assert(!log->has_sync);
    int rc = 0;
    weir_log_settle_damage(log);
    if (!weir_log_is_offline(log) && !log->mark_is_clean) {
        rc = weir_log_sync_data(log, error);
        if (rc == 0) {
            weir_index_builder_flush(&log->index);
            weir_log_write_side_files(log);
            rc = weir_log_write_mark(log, WEIR_MARK_CLEAN, error);
        }
    }
    (void)weir_error_wrap(error, rc, "close log '%s'", log->path);
    log_free(log);
    return rc;
}
