#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "broker/log/boot_file.h"
#include "broker/log/log_internal.h"
#include "broker/log/small_file.h"

/* A mark may cost at most a quarter of the bytes whose scan it saves. */
enum { MARK_SHARE = 4 };

/* ---- the mark -------------------------------------------------------------------------------- */

static const struct weir_segment_facts *facts_at(const void *context, size_t index)
{
    const struct weir_partition_log *log = context;
    return &log->segments[index]->facts;
}

int weir_log_encode_mark(struct weir_partition_log *log, enum weir_mark_kind kind,
                         struct weir_buffer *to, struct weir_error *error)
{
    struct weir_durable_mark_view view = {
        .is_clean = kind == WEIR_MARK_CLEAN,
        .is_truncating = kind == WEIR_MARK_TRUNCATING,
        .topic_id = log->topic_id,
        .partition = log->partition,
        .start_offset = log->start_offset,
        .end_offset = log->end_offset,
        .leader_epoch = log->leader_epoch,
        .epochs = &log->epochs,
        .producers = &log->producers,
        .lost = &log->lost,
        .clean_offset = log->clean_offset,
        .sequence = log->mark_sequence + 1,
        .now = weir_mono_now(log->env),
        .segment_count = log->segment_count,
        .segment = facts_at,
        .context = log,
    };
    weir_durable_mark_check(&view);
    weir_buffer_init(to, log->budget, WEIR_DURABLE_MARK_SIZE_MAX);
    weir_durable_mark_encode(&view, to);
    if (!to->failed) {
        log->mark_sequence++;
        log->mark_size = 2 * to->size;
        return 0;
    }
    weir_buffer_close(to);
    return weir_error_set(error, WEIR_NO_MEMORY, "log '%s': no memory for the durable mark",
                          log->path);
}

/* Referenced, and held, with its file, if there is something in it that no sync has covered; then it is open,
 * but for the moment in which room is made and somebody else syncs it (file_set.h). */
static struct weir_segment *hold_dirty(struct weir_segment *segment, struct weir_file **file_out)
{
    weir_assert(*file_out == NULL);
    while (weir_kept_file_is_dirty(segment->kept)) {
        if (weir_segment_hold(segment, NULL) < 0) continue;
        *file_out = segment->kept->file;
        return segment;
    }
    return weir_segment_ref(segment);
}

static void let_go(struct weir_segment *segment, const struct weir_file *file)
{
    if (file != NULL) {
        weir_segment_release(segment);
    } else {
        weir_segment_unref(segment);
    }
}

int weir_log_sync_data(struct weir_partition_log *log, struct weir_error *error)
{
    weir_assert(!log->has_sync);
    if (log->durable_offset == log->end_offset) return 0;
    struct weir_error local = {0};
    struct weir_file *file = NULL;
    struct weir_segment *active = hold_dirty(weir_log_active(log), &file);
    int rc = weir_kept_file_sync(active->kept, &local);
    let_go(active, file);
    if (rc < 0) {
        rc = weir_log_fail(log, rc, &local);
        if (error != NULL) *error = local;
        return rc;
    }
    log->durable_offset = log->end_offset;
    return 0;
}

int weir_log_write_mark(struct weir_partition_log *log, enum weir_mark_kind kind,
                        struct weir_error *error)
{
    weir_assert(!log->has_sync);
    weir_assert(log->durable_offset == log->end_offset || kind == WEIR_MARK_TRUNCATING);
    struct weir_buffer bytes;
    struct weir_error local = {0};
    int rc = weir_log_encode_mark(log, kind, &bytes, error);
    if (rc < 0) return rc;
    rc = weir_durable_mark_replace(log->env, log->path, weir_buffer_slice(&bytes), log->copy_is_all,
                                   &local);
    weir_buffer_close(&bytes);
    if (rc == 0) {
        log->copy_is_all = false;
        log->unmarked_bytes = 0;
        log->mark_is_clean = kind == WEIR_MARK_CLEAN;
        log->mark_is_owed = kind == WEIR_MARK_TRUNCATING;
        return 0;
    }
    rc = weir_log_fail(log, rc, &local);
    if (error != NULL) *error = local;
    return rc;
}

static void replace_hint(struct weir_partition_log *log, const char *name,
                         struct weir_buffer *bytes)
{
    if (!bytes->failed) {
        (void)weir_small_file_replace(
            &(struct weir_small_file_replace){.env = log->env,
                                              .directory = log->path,
                                              .name = name,
                                              .bytes = weir_buffer_slice(bytes)},
            NULL); /* a hint: the log and its mark know better */
    }
    weir_buffer_close(bytes);
}

static void name_snapshot(char *name, size_t size, int64_t offset)
{
    (void)snprintf(name, size, "%020" PRId64 ".snapshot", offset);
}

void weir_log_write_epochs(struct weir_partition_log *log)
{
    struct weir_buffer bytes;
    weir_buffer_init(&bytes, log->budget, 0);
    weir_leader_epochs_encode(&log->epochs, &bytes);
    replace_hint(log, "leader-epoch-checkpoint", &bytes);
}

void weir_log_write_side_files(struct weir_partition_log *log)
{
    char name[48];
    struct weir_buffer bytes;
    weir_log_write_epochs(log);
    name_snapshot(name, sizeof name, log->end_offset);
    weir_buffer_init(&bytes, log->budget, 0);
    weir_producer_snapshot_write(&log->producers, &bytes);
    replace_hint(log, name, &bytes);
}

/* No snapshot is better than one of another history, which an earlier life may have left under that name. */
static int remove_snapshot(struct weir_partition_log *log, const char *name,
                           struct weir_error *error)
{
    struct weir_log_path path = weir_log_path(log->path, name);
    int rc = weir_remove(log->env, path.text, error);
    return rc == WEIR_NOT_FOUND ? 0 : rc;
}

int weir_log_write_snapshot(struct weir_partition_log *log, struct weir_error *error)
{
    char name[48];
    struct weir_buffer bytes;
    struct weir_error local = {0};
    name_snapshot(name, sizeof name, log->end_offset);
    weir_buffer_init(&bytes, log->budget, 0);
    weir_producer_snapshot_write(&log->producers, &bytes);
    struct weir_small_file_replace replace = {.env = log->env,
                                              .directory = log->path,
                                              .name = name,
                                              .bytes = weir_buffer_slice(&bytes),
                                              .is_durable = true};
    int rc = bytes.failed ? WEIR_NO_MEMORY : weir_small_file_replace(&replace, &local);
    weir_buffer_close(&bytes);
    if (weir_code_is_shortage(rc)) rc = remove_snapshot(log, name, &local);
    if (rc == 0) return 0;
    rc = weir_log_fail(log, rc, &local);
    if (error != NULL) *error = local;
    return rc;
}

/* ---- one sync on its way through a worker ---------------------------------------------------- */

bool weir_partition_log_is_dirty(const struct weir_partition_log *log)
{
    return !weir_log_has_failed(log) && log->durable_offset < log->end_offset;
}

static bool mark_is_due(const struct weir_partition_log *log)
{
    return log->unmarked_bytes >= log->mark_interval_bytes &&
           log->unmarked_bytes / MARK_SHARE >= (int64_t)log->mark_size;
}

int weir_log_sync_begin(struct weir_partition_log *log, struct weir_log_sync *sync)
{
    weir_assert(!log->has_sync);
    sync->rc = 0;
    sync->error = (struct weir_error){0};
    if (weir_log_has_failed(log)) return weir_log_refuse(log, &sync->error);
    if (log->is_roll_due) {
        /* No sync is under way now, and rolling makes everything durable. */
        int rc = weir_log_roll(log, &sync->error);
        if (weir_log_has_failed(log)) return rc;
    }
    /* Without memory for a mark the data is synced all the same, and the next sync has it. */
    sync->has_mark =
        mark_is_due(log) && weir_log_encode_mark(log, WEIR_MARK_PLAIN, &sync->mark, NULL) == 0;
    weir_assert(!sync->has_mark ||
                !log->copy_is_all); /* an append has written the one that was owed */
    sync->is_mark_laid = false;
    sync->segment = hold_dirty(weir_log_active(log), &sync->file);
    sync->file_mark = weir_kept_file_mark(weir_log_active(log)->kept);
    sync->env = log->env;
    sync->size = weir_log_active(log)->facts.size;
    log->is_size_checked = false;
    sync->end_offset = log->end_offset;
    sync->marked_bytes = log->unmarked_bytes;
    sync->is_apart = log->is_apart;
    sync->path = log->path;
    log->has_sync = true;
    return 0;
}

/* Whoever has removed it under the log: what it holds goes with the last handle, so nothing of it is durable.
 * Whoever has cut it: what is missing is damage (log_short.c). */
static int check_file(const struct weir_log_sync *sync, struct weir_error *error)
{
    struct weir_file_stat stat;
    if (sync->file == NULL) return 0;
    int rc = weir_file_stat(sync->file, &stat, error);
    if (weir_code_is_shortage(rc)) return 0; /* the next sync looks again */
    if (rc < 0) return rc;
    if (stat.size < sync->size) {
        return weir_segment_say_short(sync->file, stat.size, sync->size, error);
    }
    if (!stat.is_removed) return 0;
    return weir_error_set(error, WEIR_NOT_FOUND,
                          "'%s' has been removed while the log is open: what it holds is gone when "
                          "this process ends",
                          sync->file->path);
}

void weir_log_sync_prepare(struct weir_log_sync *sync)
{
    if (!sync->has_mark || sync->is_apart) return;
    /* What cannot be laid is tried once more behind the sync, and reported there. */
    sync->is_mark_laid =
        weir_durable_mark_lay(sync->env, sync->path, weir_buffer_slice(&sync->mark), NULL) == 0;
}

static int put_mark(struct weir_log_sync *sync, bool file_system_is_synced)
{
    if (sync->is_mark_laid && file_system_is_synced) {
        return weir_durable_mark_take(sync->env, sync->path, &sync->error);
    }
    return weir_durable_mark_replace(sync->env, sync->path, weir_buffer_slice(&sync->mark), false,
                                     &sync->error);
}

void weir_log_sync_run(struct weir_log_sync *sync, bool file_system_is_synced)
{
    struct weir_segment *segment = sync->segment;
    bool is_clean = sync->file == NULL || (file_system_is_synced && !sync->is_apart);
    if (atomic_load(&segment->kept->has_failed)) {
        sync->rc =
            weir_error_set(&sync->error, WEIR_IO, "an earlier sync in '%s' has failed", sync->path);
    } else {
        sync->rc = is_clean ? 0 : weir_file_sync(sync->file, &sync->error);
    }
    if (sync->rc == 0) sync->rc = check_file(sync, &sync->error);
    if (sync->rc < 0 && sync->rc != WEIR_CORRUPT) weir_boot_file_forget(sync->env, sync->path);
    if (sync->rc < 0 || !sync->has_mark) return;
    int rc = put_mark(sync, file_system_is_synced);
    if (rc == 0) return;
    sync->has_mark = false;
    /* In a shortage the old mark stands and the data is safe: the next sync tries again. */
    if (!weir_code_is_shortage(rc)) sync->rc = rc;
}

void weir_log_sync_failed(struct weir_log_sync *sync, int rc, const struct weir_error *error)
{
    weir_assert(rc < 0);
    sync->rc = rc;
    sync->error = *error;
    weir_boot_file_forget(sync->env, sync->path);
}

int weir_log_sync_end(struct weir_partition_log *log, struct weir_log_sync *sync)
{
    weir_assert(log->has_sync);
    log->has_sync = false;
    struct weir_segment *segment = sync->segment;
    if (sync->rc == 0) weir_kept_file_note_sync(segment->kept, sync->file_mark);
    let_go(segment, sync->file);
    sync->segment = NULL;
    sync->file = NULL;
    weir_buffer_close(&sync->mark);
    weir_log_settle_damage(log);
    if (sync->rc == WEIR_CORRUPT && weir_log_check_active_size(log, &sync->error) == WEIR_OFFLINE) {
        sync->rc = WEIR_OFFLINE;
        return sync->rc;
    }
    if (sync->rc < 0) {
        weir_assert(!weir_code_is_shortage(sync->rc));
        sync->rc = weir_log_fail(log, sync->rc, &sync->error);
        return sync->rc;
    }
    if (sync->has_mark) log->unmarked_bytes -= sync->marked_bytes;
    weir_assert(sync->end_offset <= log->end_offset);
    if (sync->end_offset > log->durable_offset) log->durable_offset = sync->end_offset;
    weir_partition_log_check(log);
    return 0;
}
