#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/log/log_open_internal.h"
#include "broker/log/small_file.h"

/*
 * A segment takes the place of those that compaction has made it of. Its file lies there whole, synced and under a name
 * of its own, which the folder has durably (cleaning.c). The durable mark is what decides:
 *
 *      mark                            folder
 *   1. old segments                    X.log Y.log Z.log, X.log.swap       a crash: `.swap` is removed
 *   2. X anew, "swapping"              the same                            a crash: goes on with 3
 *   3.                                 X.log.swap becomes X.log            a crash: goes on with 4
 *   4.                                 Y.log and Z.log are removed         a crash: goes on with 5
 *   5. X anew                          synced before
 *
 * So before 2 all is old and after it all is new, whichever of the steps behind it have reached the disk: a segment
 * that is swapping is looked for under both names, and a file that lies between its base offset and the next one's is
 * left over. No `.swap` may be made while a mark on the disk says "swapping": 5 comes first, or the next open.
 *
 * Kafka goes `.cleaned`, `.swap`, final, `.deleted`, and tells by the names what to finish; here the mark tells, and a
 * file that is read keeps its reader's handle without `.deleted`.
 */

struct weir_log_path weir_log_aside_path(const char *directory, int64_t base_offset, size_t file,
                                         const char *aside)
{
    static const char *const suffixes[WEIR_SWAPPED_FILES] = {".index", ".timeindex",
                                                             WEIR_TRANSACTION_INDEX_SUFFIX, ".log"};
    char name[32];
    weir_assert(file < WEIR_SWAPPED_FILES);
    (void)snprintf(name, sizeof name, "%s%s", suffixes[file], aside);
    return weir_log_offset_path(directory, base_offset, name);
}

/* Files that are not there are passed over: an index may have been too small to be written, and of transactions there is
 * none, for all aborted data of the segments goes with a pass, so that their readers need not be told of any. The log is renamed last, so
 * that its indexes, which are hints, are there with it. */
static int rename_all(struct weir_env *env, const char *directory, int64_t base_offset,
                      struct weir_error *error)
{
    for (size_t i = 0; i < WEIR_SWAPPED_FILES; i++) {
        struct weir_log_path from = weir_log_aside_path(directory, base_offset, i, ".swap");
        struct weir_log_path to = weir_log_aside_path(directory, base_offset, i, "");
        struct weir_error why = {0};
        int rc = weir_rename(env, from.text, to.text, &why);
        bool is_log = i + 1 == WEIR_SWAPPED_FILES;
        if (rc == WEIR_NOT_FOUND && !is_log) rc = weir_remove(env, to.text, &why);
        if (rc == 0 || (rc == WEIR_NOT_FOUND && !is_log)) continue;
        if (error != NULL) *error = why;
        return rc;
    }
    return 0;
}

/* ---- in a log that is open ------------------------------------------------------------------- */

static struct weir_segment *make_segment(struct weir_partition_log *log,
                                         const struct weir_log_swap *swap)
{
    struct weir_segment *segment =
        weir_segment_new(log->env, log->budget, log->files, log->path, swap->facts);
    if (segment == NULL) return NULL;
    segment->index_interval_bytes = log->config.index_interval_bytes;
    segment->is_sealed = true;
    return segment;
}

/* The table with the new one in their place. */
static struct weir_segment **make_table(struct weir_partition_log *log,
                                        const struct weir_log_swap *swap,
                                        struct weir_segment *segment)
{
    struct weir_segment **table =
        weir_alloc(log->budget, log->segment_capacity * sizeof(struct weir_segment *));
    if (table == NULL) return NULL;
    size_t behind = swap->first + swap->count;
    memcpy(table, log->segments, swap->first * sizeof *table);
    table[swap->first] = segment;
    memcpy(table + swap->first + 1, log->segments + behind,
           (log->segment_count - behind) * sizeof *table);
    return table;
}

/* Where those begin that it replaces: their files' names. */
static int64_t *list_bases(struct weir_partition_log *log, const struct weir_log_swap *swap)
{
    int64_t *bases = weir_alloc(log->budget, swap->count * sizeof *bases);
    for (size_t i = 0; bases != NULL && i < swap->count; i++) {
        bases[i] = log->segments[swap->first + i]->facts.base_offset;
    }
    return bases;
}

/* The mark speaks of the new table; in memory the old one stays until the files follow. */
static int order(struct weir_partition_log *log, struct weir_segment **table, size_t count,
                 struct weir_error *error)
{
    struct weir_segment **old = log->segments;
    size_t old_count = log->segment_count;
    log->segments = table;
    log->segment_count = count;
    int rc = weir_log_write_mark(log, WEIR_MARK_PLAIN, error);
    log->segments = old;
    log->segment_count = old_count;
    return rc;
}

/* The new one has its name; who reads the old ones has their handles. */
static void take_over(struct weir_partition_log *log, struct weir_segment **table, size_t count)
{
    struct weir_segment **old = log->segments;
    log->segments = table;
    log->segment_count = count;
    weir_free(old);
    weir_index_windows_drop_all(&log->windows);
    weir_range_ends_drop_all(&log->range_ends);
    weir_tail_cache_cut(&log->tail, 0); /* it may have what is gone */
    log->truncations++; /* what is known of places in the old files is true of no other */
}

static int remove_replaced(struct weir_partition_log *log, const int64_t *bases, size_t count,
                           struct weir_file *folder, struct weir_error *error)
{
    for (size_t i = count; i > 1; i--) {
        int rc = weir_log_remove_segment_files(log, bases[i - 1], error);
        if (rc < 0) return rc;
    }
    return weir_directory_sync(folder, error);
}

/* The mark has ordered it: from here on there is no way back but forward, and where that is closed the next open goes
 * it. */
static int perform(struct weir_partition_log *log, const struct weir_log_swap *swap,
                   struct weir_segment **table, const int64_t *bases, struct weir_file *folder,
                   struct weir_error *error)
{
    size_t count = log->segment_count - swap->count + 1;
    struct weir_segment *segment = table[swap->first];
    struct weir_error why = {0};
    int rc = rename_all(log->env, log->path, swap->facts.base_offset, &why);
    if (rc == 0) {
        for (size_t i = 0; i < swap->count; i++) {
            weir_segment_unref(log->segments[swap->first + i]);
        }
        take_over(log, table, count);
        rc = remove_replaced(log, bases, swap->count, folder, &why);
    } else {
        weir_free(table);
        weir_segment_unref(segment);
    }
    if (rc == 0) {
        segment->facts.is_swapping = false;
        return 0;
    }
    rc = weir_log_fail(log, weir_code_is_shortage(rc) ? WEIR_IO : rc, &why);
    if (error != NULL) *error = why;
    return rc;
}

int weir_log_swap_segments(struct weir_partition_log *log, const struct weir_log_swap *swap,
                           struct weir_error *error)
{
    weir_assert(!log->has_sync && swap->count > 0);
    weir_assert(swap->first + swap->count < log->segment_count); /* never the active one */
    weir_assert(swap->facts.is_swapping && swap->facts.has_holes);
    struct weir_file *folder = NULL; /* open before the way back is closed */
    struct weir_segment **table = NULL;
    size_t count = log->segment_count - swap->count + 1;
    int64_t old_clean = log->clean_offset;
    int rc = weir_log_sync_data(log, error);
    if (rc < 0) return rc;
    struct weir_segment *segment = make_segment(log, swap);
    int64_t *bases = segment != NULL ? list_bases(log, swap) : NULL;
    if (bases != NULL) table = make_table(log, swap, segment);
    rc = table != NULL ? weir_directory_open(log->env, log->path, &folder, error)
                       : weir_error_set(error, WEIR_NO_MEMORY, "no memory for a segment");
    if (rc == 0) {
        if (swap->clean_offset > log->clean_offset) log->clean_offset = swap->clean_offset;
        rc = order(log, table, count, error);
        if (rc < 0) log->clean_offset = old_clean;
    }
    if (rc < 0) {
        weir_free(bases);
        weir_free(table);
        weir_segment_unref(segment);
        weir_file_close(folder);
        return weir_error_wrap(error, rc, "log '%s': compaction", log->path);
    }
    rc = perform(log, swap, table, bases, folder, error);
    weir_free(bases);
    weir_file_close(folder);
    if (rc == 0) {
        rc = weir_log_write_mark(log, WEIR_MARK_PLAIN, error);
        /* The mark on the disk says "swapping" of what is done: the next append, or pass, writes another one. */
        log->mark_is_owed |= rc < 0;
        if (weir_code_is_shortage(rc)) rc = 0;
    }
    if (rc == 0) weir_partition_log_check(log);
    return weir_error_wrap(error, rc, "log '%s': compaction", log->path);
}

/* ---- at an open ------------------------------------------------------------------------------ */

static bool has_size(struct weir_env *env, const char *path, int64_t size)
{
    struct weir_file_stat stat;
    return weir_stat(env, path, &stat, NULL) == 0 && stat.kind == WEIR_FILE_REGULAR &&
           stat.size == size;
}

/* It has its name. But the sync of the folder may be what has failed behind that, and then no later one makes up for
 * it: the old file would have the name again after a loss of power. So it is given once more. */
static int name_anew(struct weir_log_opening *opening, const struct weir_log_path *aside,
                     const struct weir_log_path *path, struct weir_error *error)
{
    struct weir_env *env = opening->log->env;
    int rc = weir_rename(env, path->text, aside->text, error);
    return rc == 0 ? weir_rename(env, aside->text, path->text, error) : rc;
}

/* A `.swap` that is not as long as the mark says belongs to another swap, of which only an older mark knew; and a
 * segment that is not, is for the plan (recovery.h). */
int weir_log_finish_swaps(struct weir_log_opening *opening, struct weir_error *error)
{
    struct weir_partition_log *log = opening->log;
    for (size_t i = 0; opening->has_mark && i < opening->mark.segment_count; i++) {
        const struct weir_segment_facts *facts = &opening->mark.segments[i];
        int rc = 0;
        if (!facts->is_swapping) continue;
        struct weir_log_path aside =
            weir_log_aside_path(log->path, facts->base_offset, WEIR_SWAPPED_FILES - 1, ".swap");
        struct weir_log_path path = weir_log_offset_path(log->path, facts->base_offset, ".log");
        opening->has_changed = true;
        if (has_size(log->env, aside.text, facts->size)) {
            rc = rename_all(log->env, log->path, facts->base_offset, error);
        } else if (has_size(log->env, path.text, facts->size)) {
            rc = name_anew(opening, &aside, &path, error);
        }
        if (rc < 0) return rc;
    }
    return 0;
}
