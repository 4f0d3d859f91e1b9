/**
 * A simulated node's files: handles, locks and paths over its disk, and the faults that are planned
 * by the number of the change.
 *
 * Each operation that may change the disk is framed by weir_sim_change_begin and weir_sim_change_end. Between
 * them stands what the operation does when nothing goes wrong; the frame counts, refuses, and ends
 * the life before or after.
 */
#include "base/env/sim/sim_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

/* Enough for any test; a wild position is told apart from a large file here. */
#define FILE_SIZE_MAX ((int64_t)1 << 32)

enum { COLD_ONE_IN = 4 };

static struct weir_sim_life *life_of(struct weir_env *env)
{
    return (struct weir_sim_life *)env;
}

static struct weir_sim_file *sim_file(struct weir_file *file)
{
    return (struct weir_sim_file *)file;
}

/* ---- open files ------------------------------------------------------------------------------ */

static void file_let_go(struct weir_sim_file *file)
{
    if (file->inode->lock_holder == file) file->inode->lock_holder = NULL;
    weir_inode_unref(file->inode);
    file->inode = NULL;
}

void weir_sim_files_end(struct weir_sim_life *life)
{
    for (struct weir_sim_file *file = life->files; file != NULL; file = file->next) {
        file_let_go(file);
    }
    life->files = NULL;
    life->file_count = 0;
}

void weir_sim_file_close(struct weir_file *base)
{
    struct weir_sim_file *file = sim_file(base);
    if (file->inode != NULL) {
        *(file->previous != NULL ? &file->previous->next : &file->life->files) = file->next;
        if (file->next != NULL) file->next->previous = file->previous;
        file->life->file_count--;
        file_let_go(file);
    }
    weir_free(file->base.path);
    weir_free(file);
}

static int create_file(struct weir_sim_life *life, const char *path, struct weir_inode **inode_out,
                       struct weir_error *error)
{
    struct weir_sim_change change = {.life = life, .kind = WEIR_SIM_CHANGE_CREATE, .path = path};
    int rc = weir_sim_change_begin(&change, error);
    if (rc < 0) return rc;
    if (change.fault == WEIR_SIM_FAULT_ENOSPC) {
        return weir_sim_change_end(&change, WEIR_NO_SPACE, error);
    }
    rc = weir_disk_create(life->node->disk, path, WEIR_FILE_REGULAR, inode_out);
    if (rc == WEIR_OK) (*inode_out)->modified_ms = weir_wall_now(&life->base).ms;
    return weir_sim_change_end(&change, rc, error);
}

static int truncate_inode(struct weir_sim_life *life, const char *path, struct weir_inode *inode,
                          int64_t size, struct weir_error *error)
{
    struct weir_sim_change change = {.life = life, .kind = WEIR_SIM_CHANGE_TRUNCATE, .path = path};
    int rc = weir_sim_change_begin(&change, error);
    if (rc < 0) return rc;
    if (size < 0 || size > FILE_SIZE_MAX) {
        return weir_sim_change_end(&change, WEIR_INVALID_ARGUMENT, error);
    }
    weir_inode_truncate(inode, size);
    inode->modified_ms = weir_wall_now(&life->base).ms;
    return weir_sim_change_end(&change, WEIR_OK, error);
}

/* The inode that `flags` ask for, made or emptied as they say. */
static int find_or_create(struct weir_sim_life *life, const char *path, unsigned flags,
                          struct weir_inode **inode_out, struct weir_error *error)
{
    struct weir_inode *inode = weir_disk_find(life->node->disk, path);
    bool creates = (flags & WEIR_OPEN_CREATE) != 0;
    if (inode == NULL && !creates)
        return weir_sim_change_failed(WEIR_SIM_CHANGE_CREATE, path, WEIR_NOT_FOUND, error);
    if (inode == NULL) return create_file(life, path, inode_out, error);
    if (creates && (flags & WEIR_OPEN_EXCLUSIVE) != 0) {
        return weir_sim_change_failed(WEIR_SIM_CHANGE_CREATE, path, WEIR_EXISTS, error);
    }
    if (inode->kind != WEIR_FILE_REGULAR) {
        bool is_directory = inode->kind == WEIR_FILE_DIRECTORY;
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "open '%s': it is %s; a file is wanted",
                              path, is_directory ? "a directory" : "a fifo");
    }
    if ((flags & WEIR_OPEN_TRUNCATE) != 0 && inode->size > 0) {
        int rc = truncate_inode(life, path, inode, 0, error);
        if (rc < 0) return rc;
    }
    *inode_out = inode;
    return WEIR_OK;
}

/* Is there a descriptor for one more? As in the system this is asked after the path, by whatever opens,
 * a list of a directory included. */
static int need_handle(struct weir_sim_life *life, const char *verb, const char *path,
                       struct weir_error *error)
{
    struct weir_sim_node *node = life->node;
    uint64_t number = ++node->open_count;
    bool is_refused =
        node->plan.fault == WEIR_SIM_FAULT_NO_HANDLE && weir_sim_fault_is_due(&node->plan, number);
    if (is_refused && !node->plan.is_sticky) node->plan.fault = WEIR_SIM_FAULT_NONE;
    bool is_full = node->descriptor_limit > 0 && life->file_count >= node->descriptor_limit;
    if (!is_refused && !is_full) return WEIR_OK;
    return weir_error_set(error, WEIR_LIMIT, "%s '%s': no descriptor is left", verb, path);
}

/* An open file of the life: `inode` is what it has open. */
static int file_new(struct weir_sim_life *life, const char *path, struct weir_sim_file **file_out,
                    struct weir_error *error)
{
    struct weir_budget *budget = life->base.budget;
    struct weir_sim_file *file = weir_alloc_zero(budget, sizeof *file);
    char *copy = weir_alloc_text(budget, path, strlen(path));
    if (file == NULL || copy == NULL) {
        weir_free(copy);
        weir_free(file);
        return weir_sim_change_failed(WEIR_SIM_CHANGE_CREATE, path, WEIR_NO_MEMORY, error);
    }
    *file = (struct weir_sim_file){.base = {.env = &life->base, .path = copy}, .life = life};
    *file_out = file;
    return WEIR_OK;
}

static void file_begin(struct weir_sim_file *file, struct weir_inode *inode, unsigned flags)
{
    struct weir_sim_life *life = file->life;
    file->inode = weir_inode_ref(inode);
    file->flags = flags;
    file->next = life->files;
    if (life->files != NULL) life->files->previous = file;
    life->files = file;
    life->file_count++;
}

int weir_sim_file_open(struct weir_env *env, const char *path, unsigned flags,
                       struct weir_file **file_out, struct weir_error *error)
{
    struct weir_sim_life *life = life_of(env);
    struct weir_inode *inode = NULL;
    weir_assert((flags & (WEIR_OPEN_READ | WEIR_OPEN_WRITE)) != 0);
    if (life->is_dead)
        return weir_sim_change_failed(WEIR_SIM_CHANGE_CREATE, path, WEIR_CRASHED, error);
    struct weir_sim_file *file = NULL;
    int rc = file_new(life, path, &file, error);
    if (rc < 0) goto out;
    rc = need_handle(life, "open", path, error);
    if (rc < 0) goto out;
    rc = find_or_create(life, path, flags, &inode, error);
    if (rc < 0) goto out;
    file_begin(file, inode, flags);
    *file_out = &file->base;
    file = NULL;
out:
    if (file != NULL) weir_sim_file_close(&file->base);
    return rc;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static bool read_is_to_fail(struct weir_sim_node *node)
{
    uint64_t number = ++node->read_count;
    if (node->plan.fault != WEIR_SIM_FAULT_READ_EIO) return false;
    if (!weir_sim_fault_is_due(&node->plan, number)) return false;
    if (!node->plan.is_sticky) node->plan.fault = WEIR_SIM_FAULT_NONE;
    return true;
}

int64_t weir_sim_file_read(struct weir_file *base, void *to, size_t size, int64_t position,
                           struct weir_error *error)
{
    struct weir_sim_file *file = sim_file(base);
    int code = WEIR_OK;
    if (file->life->is_dead) {
        code = WEIR_CRASHED;
    } else if (position < 0) {
        code = WEIR_INVALID_ARGUMENT;
    } else if (read_is_to_fail(file->life->node) || (file->flags & WEIR_OPEN_READ) == 0 ||
               file->inode->kind != WEIR_FILE_REGULAR) {
        code = WEIR_IO;
    }
    if (code < 0) {
        return weir_error_set(error, (enum weir_code)code, "read '%s': %s", base->path,
                              weir_code_text(code));
    }
    int64_t left = file->inode->size - position;
    if (left <= 0) return 0;
    if (size > (size_t)left) size = (size_t)left;
    memcpy(to, file->inode->data + position, size);
    return (int64_t)size;
}

/* Bytes of a write of `size` at `position` that the disk has room for. */
static size_t room_for(const struct weir_sim_file *file, size_t size, int64_t position)
{
    const struct weir_sim_node *node = file->life->node;
    int64_t end = position + (int64_t)size;
    if (node->disk_limit == 0 || end <= file->inode->size) return size;
    int64_t room = node->disk_limit - weir_disk_used(node->disk);
    if (end - file->inode->size <= room) return size;
    int64_t reached = file->inode->size + (room > 0 ? room : 0);
    return reached > position ? (size_t)(reached - position) : 0;
}

static void write_leading(struct weir_sim_file *file, const struct weir_iovec *parts, size_t count,
                          size_t size, int64_t position)
{
    for (size_t i = 0; i < count && size > 0; i++) {
        size_t part = parts[i].size < size ? parts[i].size : size;
        weir_inode_write(file->inode, parts[i].base, part, position);
        position += (int64_t)part;
        size -= part;
    }
    file->inode->modified_ms = weir_wall_now(file->base.env).ms;
}

static size_t size_of_parts(const struct weir_iovec *parts, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += parts[i].size;
    }
    return size;
}

int weir_sim_file_write(struct weir_file *base, const struct weir_iovec *parts, size_t count,
                        int64_t position, struct weir_error *error)
{
    struct weir_sim_file *file = sim_file(base);
    struct weir_sim_change change = {
        .life = file->life,
        .kind = WEIR_SIM_CHANGE_WRITE,
        .path = base->path,
    };
    int rc = weir_sim_change_begin(&change, error);
    if (rc < 0) return rc;

    size_t size = size_of_parts(parts, count);
    size_t written = size;
    if ((file->flags & WEIR_OPEN_WRITE) == 0) {
        rc = WEIR_IO;
    } else if (position < 0 || (int64_t)size > FILE_SIZE_MAX - position) {
        rc = WEIR_TOO_LARGE;
    } else if (change.fault == WEIR_SIM_FAULT_TORN) {
        size_t torn = file->life->node->plan.torn_bytes;
        written = torn < size ? torn : size;
    } else if (change.fault == WEIR_SIM_FAULT_ENOSPC) {
        written = size > 0 ? weir_sim_random_below(&file->life->sim->schedule, size) : 0;
        rc = WEIR_NO_SPACE;
    } else {
        written = room_for(file, size, position);
        if (written < size) rc = WEIR_NO_SPACE;
    }
    if (rc == WEIR_OK || rc == WEIR_NO_SPACE) {
        weir_sim_trace(file->life->sim, ((uint64_t)position << 20) ^ written);
        write_leading(file, parts, count, written, position);
    }
    return weir_sim_change_end(&change, rc, error);
}

int weir_sim_file_truncate(struct weir_file *base, int64_t size, struct weir_error *error)
{
    struct weir_sim_file *file = sim_file(base);
    return truncate_inode(file->life, base->path, file->inode, size, error);
}

int weir_sim_file_sync(struct weir_file *base, struct weir_error *error)
{
    struct weir_sim_file *file = sim_file(base);
    struct weir_sim_change change = {
        .life = file->life, .kind = WEIR_SIM_CHANGE_SYNC, .path = base->path};
    int rc = weir_sim_change_begin(&change, error);
    if (rc < 0) return rc;
    if (change.fault == WEIR_SIM_FAULT_SYNC) {
        weir_inode_fail_sync(file->inode);
        rc = WEIR_IO;
    } else {
        weir_inode_sync(file->inode);
    }
    return weir_sim_change_end(&change, rc, error);
}

int weir_sim_sync_file_system(struct weir_file *base, struct weir_error *error)
{
    struct weir_sim_life *life = sim_file(base)->life;
    struct weir_sim_change change = {
        .life = life,
        .kind = WEIR_SIM_CHANGE_SYNC_FILE_SYSTEM,
        .path = base->path,
    };
    int rc = weir_sim_change_begin(&change, error);
    if (rc < 0) return rc;
    if (change.fault == WEIR_SIM_FAULT_SYNC) {
        weir_disk_fail_sync_device(life->node->disk, sim_file(base)->inode->device);
        rc = WEIR_IO;
    } else {
        weir_disk_sync_device(life->node->disk, sim_file(base)->inode->device);
    }
    return weir_sim_change_end(&change, rc, error);
}

void weir_sim_drop_cache(struct weir_file *base, int64_t position, int64_t size)
{
    struct weir_sim_file *file = sim_file(base);
    if (file->life->is_dead || position < 0 || size <= 0) return;
    weir_inode_drop_cache(file->inode, position, size);
}

/* The model has no cache of a size: either answer may come, so that both roads are walked. */
bool weir_sim_file_is_cached(struct weir_file *base, int64_t position, int64_t size)
{
    struct weir_sim_file *file = sim_file(base);
    if (file->life->is_dead || position < 0 || size <= 0) return true;
    return weir_sim_random_below(&file->life->sim->schedule, COLD_ONE_IN) != 0;
}

int64_t weir_sim_file_read_cached(struct weir_file *base, void *to, size_t size, int64_t position)
{
    if (!weir_sim_file_is_cached(base, position, (int64_t)size)) return WEIR_END;
    int64_t got = weir_sim_file_read(base, to, size, position, NULL);
    return got < 0 ? WEIR_END : got;
}

/* ---- facts and locks ------------------------------------------------------------------------- */

static struct weir_file_stat stat_from(const struct weir_inode *inode)
{
    return (struct weir_file_stat){
        .kind = inode->kind,
        .size = inode->size,
        .modified = {inode->modified_ms},
        .device = inode->device,
        .is_removed = inode->is_removed,
    };
}

int weir_sim_file_stat(struct weir_file *base, struct weir_file_stat *stat_out,
                       struct weir_error *error)
{
    const struct weir_sim_file *file = sim_file(base);
    if (file->life->is_dead) return weir_error_set(error, WEIR_CRASHED, "stat '%s'", base->path);
    *stat_out = stat_from(file->inode);
    return WEIR_OK;
}

int weir_sim_file_lock(struct weir_file *base, struct weir_error *error)
{
    struct weir_sim_file *file = sim_file(base);
    if (file->life->is_dead) return weir_error_set(error, WEIR_CRASHED, "lock '%s'", base->path);
    if (file->inode->lock_holder != NULL && file->inode->lock_holder != file) {
        return weir_error_set(error, WEIR_LOCKED, "lock '%s': in use by another handle",
                              base->path);
    }
    file->inode->lock_holder = file;
    return WEIR_OK;
}

int weir_sim_stat(struct weir_env *env, const char *path, struct weir_file_stat *stat_out,
                  struct weir_error *error)
{
    struct weir_sim_life *life = life_of(env);
    if (life->is_dead) return weir_error_set(error, WEIR_CRASHED, "stat '%s'", path);
    const struct weir_inode *inode = weir_disk_find(life->node->disk, path);
    if (inode == NULL) {
        return weir_error_set(error, WEIR_NOT_FOUND, "stat '%s': %s", path,
                              weir_code_text(WEIR_NOT_FOUND));
    }
    *stat_out = stat_from(inode);
    return WEIR_OK;
}

/* ---- entries --------------------------------------------------------------------------------- */

int weir_sim_make_directory(struct weir_env *env, const char *path, struct weir_error *error)
{
    struct weir_sim_life *life = life_of(env);
    struct weir_sim_change change = {
        .life = life, .kind = WEIR_SIM_CHANGE_MAKE_DIRECTORY, .path = path};
    int rc = weir_sim_change_begin(&change, error);
    if (rc < 0) return rc;
    struct weir_inode *inode;
    rc = change.fault == WEIR_SIM_FAULT_ENOSPC
             ? WEIR_NO_SPACE
             : weir_disk_create(life->node->disk, path, WEIR_FILE_DIRECTORY, &inode);
    return weir_sim_change_end(&change, rc, error);
}

int weir_sim_directory_open(struct weir_env *env, const char *path,
                            struct weir_file **directory_out, struct weir_error *error)
{
    struct weir_sim_life *life = life_of(env);
    if (life->is_dead) return weir_error_set(error, WEIR_CRASHED, "open directory '%s'", path);
    struct weir_inode *inode = weir_disk_find(life->node->disk, path);
    if (inode == NULL || inode->kind != WEIR_FILE_DIRECTORY) {
        int code = inode == NULL ? WEIR_NOT_FOUND : WEIR_IO;
        return weir_error_set(error, (enum weir_code)code, "open directory '%s': %s", path,
                              weir_code_text(code));
    }
    struct weir_sim_file *file = NULL;
    int rc = need_handle(life, "open directory", path, error);
    if (rc == 0) rc = file_new(life, path, &file, error);
    if (rc < 0) return rc;
    file_begin(file, inode, WEIR_OPEN_READ);
    *directory_out = &file->base;
    return WEIR_OK;
}

int weir_sim_directory_sync(struct weir_file *base, struct weir_error *error)
{
    struct weir_sim_file *file = sim_file(base);
    struct weir_sim_life *life = file->life;
    struct weir_sim_change change = {
        .life = life, .kind = WEIR_SIM_CHANGE_SYNC_DIRECTORY, .path = base->path};
    int rc = weir_sim_change_begin(&change, error);
    if (rc < 0) return rc;
    struct weir_disk *disk = life->node->disk;
    weir_assert(file->inode->kind == WEIR_FILE_DIRECTORY);
    if (change.fault == WEIR_SIM_FAULT_SYNC) {
        weir_disk_fail_sync_directory(disk, file->inode);
        rc = WEIR_IO;
    } else {
        weir_disk_sync_directory(disk, file->inode);
    }
    return weir_sim_change_end(&change, rc, error);
}

int weir_sim_rename(struct weir_env *env, const char *from, const char *to,
                    struct weir_error *error)
{
    struct weir_sim_life *life = life_of(env);
    struct weir_sim_change change = {.life = life, .kind = WEIR_SIM_CHANGE_RENAME, .path = from};
    int rc = weir_sim_change_begin(&change, error);
    if (rc < 0) return rc;
    rc = weir_sim_change_end(&change, weir_disk_rename(life->node->disk, from, to), error);
    if (rc >= 0) return rc;
    return weir_error_set(error, (enum weir_code)rc, "rename '%s' to '%s': %s", from, to,
                          weir_code_text(rc));
}

int weir_sim_remove(struct weir_env *env, const char *path, struct weir_error *error)
{
    struct weir_sim_life *life = life_of(env);
    struct weir_sim_change change = {.life = life, .kind = WEIR_SIM_CHANGE_REMOVE, .path = path};
    int rc = weir_sim_change_begin(&change, error);
    if (rc < 0) return rc;
    return weir_sim_change_end(&change, weir_disk_remove(life->node->disk, path), error);
}

int weir_sim_remove_directory(struct weir_env *env, const char *path, struct weir_error *error)
{
    struct weir_sim_life *life = life_of(env);
    const struct weir_inode *inode = life->is_dead ? NULL : weir_disk_find(life->node->disk, path);
    if (inode != NULL && inode->kind != WEIR_FILE_DIRECTORY) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "remove directory '%s': it is none",
                              path);
    }
    return weir_sim_remove(env, path, error);
}

/* The entries as they are at the start: `each` may remove them. */
static int list_directory(const struct weir_sim_life *life, const struct weir_inode *directory,
                          weir_list_fn each, void *context)
{
    size_t count = directory->current.count;
    struct weir_disk_entry *entries = weir_sim_calloc(count + 1, sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        const struct weir_disk_entry *entry = &directory->current.all[i];
        entries[i].name = weir_sim_text(entry->name, strlen(entry->name));
        entries[i].inode = weir_inode_ref(entry->inode);
    }
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        if (rc == 0 && !life->is_dead) {
            rc = each(context, entries[i].name, entries[i].inode->kind);
        }
        free(entries[i].name);
        weir_inode_unref(entries[i].inode);
    }
    free(entries);
    return life->is_dead ? WEIR_CRASHED : rc;
}

int weir_sim_list(struct weir_env *env, const char *path, weir_list_fn each, void *context,
                  struct weir_error *error)
{
    struct weir_sim_life *life = life_of(env);
    if (life->is_dead) return weir_error_set(error, WEIR_CRASHED, "list '%s'", path);
    const struct weir_inode *directory = weir_disk_find(life->node->disk, path);
    if (directory == NULL || directory->kind != WEIR_FILE_DIRECTORY) {
        int code = directory == NULL ? WEIR_NOT_FOUND : WEIR_IO;
        return weir_error_set(error, (enum weir_code)code, "list '%s': %s", path,
                              weir_code_text(code));
    }
    int rc = need_handle(life, "list", path, error);
    return rc < 0 ? rc : list_directory(life, directory, each, context);
}
