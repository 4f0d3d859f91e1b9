#include <string.h>

#include "base/error.h"
#include "broker/log/damage_file.h"
#include "broker/log/log_open_internal.h"
#include "broker/log/small_file.h"

/* ---- the folder ------------------------------------------------------------------------------ */

int weir_log_check_folder(const struct weir_partition_log *log, struct weir_error *error)
{
    struct weir_file_stat stat;
    int rc = weir_stat(log->env, log->path, &stat, error);
    if (rc == WEIR_NOT_FOUND) {
        return weir_error_set(error, WEIR_OFFLINE, "the folder is missing, or a link to nowhere");
    }
    if (rc < 0 || stat.kind == WEIR_FILE_DIRECTORY) return rc;
    return weir_error_set(error, WEIR_OFFLINE, "something that is no folder is in its place");
}

/* An empty folder may be left from an open that failed in the sync of its entry. Such an entry is never
 * written again, whatever later syncs say: the folder is made anew. One with something in it, a link and
 * a mount stay; a disk that fails in this says nothing of the entry. */
static int make_anew(struct weir_partition_log *log, struct weir_error *error)
{
    int rc = weir_remove_directory(log->env, log->path, error);
    if (rc == 0) return weir_make_directory(log->env, log->path, error);
    bool stays = rc == WEIR_EXISTS || rc == WEIR_INVALID_ARGUMENT || rc == WEIR_LOCKED;
    return stays ? 0 : rc;
}

int weir_log_make_folder(struct weir_partition_log *log, struct weir_error *error)
{
    struct weir_error why = {0};
    int rc = weir_make_directory(log->env, log->path, &why);
    if (rc == WEIR_EXISTS) {
        rc = weir_log_check_folder(log, &why);
        if (rc == 0) rc = make_anew(log, &why);
    }
    if (rc < 0 && error != NULL) *error = why;
    return rc;
}

/* The folder's own entry. Whoever has written no mark yet may have died before this, or in it. */
int weir_log_sync_parent(struct weir_partition_log *log, struct weir_error *error)
{
    struct weir_log_path parent = {{0}};
    const char *slash = strrchr(log->path, '/');
    size_t size = slash != NULL ? (size_t)(slash - log->path) : 0;
    memcpy(parent.text, log->path, size);
    if (slash == NULL) parent.text[0] = '.';
    if (slash == log->path) parent.text[0] = '/';
    return weir_sync_directory(log->env, parent.text, error);
}

static bool is_own_leftover(const char *name)
{
    static const char *const own[] = {
        WEIR_DURABLE_MARK_NAME ".tmp", WEIR_DURABLE_MARK_COPY_NAME ".tmp",
        "leader-epoch-checkpoint.tmp", "partition.metadata.tmp",
        WEIR_DAMAGE_FILE_NAME ".tmp",
    };
    static const char *const offsets_own[] = {
        ".snapshot.tmp", ".log.tmp", /* of a repair */
        /* Of a compaction that was given up; what the mark knows has its name by now. */
        ".log.cleaned", ".index.cleaned", ".timeindex.cleaned", ".txnindex.cleaned", ".log.swap",
        ".index.swap", ".timeindex.swap", ".txnindex.swap"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strcmp(name, own[i]) == 0) return true;
    }
    for (size_t i = 0; i < sizeof offsets_own / sizeof offsets_own[0]; i++) {
        if (weir_log_name_offset(name, offsets_own[i]) >= 0) return true;
    }
    return false;
}

static int note_entry(void *context, const char *name, enum weir_file_kind kind)
{
    struct weir_log_opening *opening = context;
    if (kind != WEIR_FILE_REGULAR) return 0;
    struct weir_log_path path = weir_log_path(opening->log->path, name);
    int64_t base_offset = weir_log_name_offset(name, ".log");
    if (base_offset < 0) return 0;
    struct weir_file_stat stat;
    int rc = weir_stat(opening->log->env, path.text, &stat, opening->error);
    if (rc < 0) return rc;
    struct weir_recovery_file file = {
        .base_offset = base_offset, .size = stat.size, .modified = stat.modified};
    weir_buffer_append(&opening->files, &file, sizeof file);
    if (!opening->files.failed) return 0;
    return weir_error_set(opening->error, WEIR_NO_MEMORY, "no memory for the list of segments");
}

struct weir_recovery_file *weir_log_folder_files(const struct weir_log_opening *opening,
                                                 size_t *count)
{
    *count = opening->files.size / sizeof(struct weir_recovery_file);
    return (struct weir_recovery_file *)(void *)opening->files.data;
}

const struct weir_recovery_file *weir_log_folder_file(const struct weir_log_opening *opening,
                                                      int64_t base_offset)
{
    size_t count;
    const struct weir_recovery_file *files = weir_log_folder_files(opening, &count);
    for (size_t i = 0; i < count; i++) {
        if (files[i].base_offset == base_offset) return &files[i];
    }
    return NULL;
}

/* ---- leftovers ------------------------------------------------------------------------------- */

int weir_log_remove_if_there(struct weir_partition_log *log, const char *path,
                             struct weir_error *error)
{
    int rc = weir_remove(log->env, path, error);
    return rc == WEIR_NOT_FOUND ? 0 : rc;
}

int weir_log_remove_segment_files(struct weir_partition_log *log, int64_t base_offset,
                                  struct weir_error *error)
{
    static const char *const suffixes[] = {".index", ".timeindex", WEIR_TRANSACTION_INDEX_SUFFIX,
                                           ".snapshot", ".log"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        struct weir_log_path path = weir_log_offset_path(log->path, base_offset, suffixes[i]);
        int rc = weir_log_remove_if_there(log, path.text, error);
        if (rc < 0) return rc;
    }
    return 0;
}

/* Names are collected by a second walk: removing while listing has no defined order. */
struct leftovers {
    struct weir_partition_log *log;
    struct weir_buffer names; /* each with its NUL */
};

static bool is_stale_snapshot(const struct weir_partition_log *log, const char *name)
{
    int64_t offset = weir_log_name_offset(name, ".snapshot");
    if (offset < 0 || offset == log->end_offset) return false;
    size_t at = weir_log_find_segment(log, offset);
    return log->segments[at]->facts.base_offset != offset;
}

static int note_leftover(void *context, const char *name, enum weir_file_kind kind)
{
    struct leftovers *leftovers = context;
    if (kind != WEIR_FILE_REGULAR) return 0;
    if (is_own_leftover(name) || is_stale_snapshot(leftovers->log, name)) {
        weir_buffer_append(&leftovers->names, name, strlen(name) + 1);
    }
    return 0;
}

static int remove_names(struct weir_partition_log *log, struct weir_error *error)
{
    struct leftovers leftovers = {.log = log};
    weir_buffer_init(&leftovers.names, log->budget, 0);
    int rc = weir_list(log->env, log->path, note_leftover, &leftovers, error);
    if (rc == 0 && leftovers.names.failed) rc = weir_error_set(error, WEIR_NO_MEMORY, "no memory");
    for (size_t at = 0; rc == 0 && at < leftovers.names.size;) {
        const char *name = (const char *)leftovers.names.data + at;
        struct weir_log_path path = weir_log_path(log->path, name);
        rc = weir_log_remove_if_there(log, path.text, error);
        at += strlen(name) + 1;
    }
    weir_buffer_close(&leftovers.names);
    return rc;
}

int weir_log_remove_leftovers(struct weir_log_opening *opening, struct weir_error *error)
{
    size_t count;
    const struct weir_recovery_file *files = weir_log_folder_files(opening, &count);
    for (size_t i = count; i > 0; i--) { /* newest first: what is being cut leaves no gap */
        if (files[i - 1].verdict != WEIR_RECOVERY_LEFTOVER) continue;
        int rc = weir_log_remove_segment_files(opening->log, files[i - 1].base_offset, error);
        if (rc < 0) return rc;
    }
    return remove_names(opening->log, error);
}

int weir_log_list_folder(struct weir_log_opening *opening, struct weir_error *error)
{
    return weir_list(opening->log->env, opening->log->path, note_entry, opening, error);
}
