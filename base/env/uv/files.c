/**
 * Files of the real environment: plain system calls, each error with verb, path and the system's
 * reason. Handles are O_CLOEXEC. Calls that a signal or a short transfer may cut are completed here.
 */
#include "base/env/uv/uv_internal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/error.h"

enum { PARTS_PER_CALL = 64, FILE_MODE = 0644, DIRECTORY_MODE = 0755 };
enum { CACHE_BLOCK = 65536, CACHE_STEP = 128 * 1024, CACHE_SAMPLES_MAX = 32 };

static_assert(sizeof(struct weir_iovec) == sizeof(struct iovec), "one layout");
static_assert(offsetof(struct weir_iovec, size) == offsetof(struct iovec, iov_len), "one layout");

struct uv_file {
    struct weir_file base;
    int fd;
};

static int fd_of(const struct weir_file *file)
{
    return ((const struct uv_file *)file)->fd;
}

int weir_env_uv_file_handle(const struct weir_file *file)
{
    return fd_of(file);
}

/* ---- one open file --------------------------------------------------------------------------- */

static int system_flags(unsigned flags)
{
    int result = O_NONBLOCK; /* the open of a fifo would wait; of no effect on what is kept open */
    bool reads = (flags & WEIR_OPEN_READ) != 0;
    bool writes = (flags & WEIR_OPEN_WRITE) != 0;
    weir_assert(reads || writes);
    result |= reads && writes ? O_RDWR : writes ? O_WRONLY : O_RDONLY;
    if ((flags & WEIR_OPEN_CREATE) != 0) result |= O_CREAT;
    if ((flags & WEIR_OPEN_EXCLUSIVE) != 0) result |= O_EXCL;
    if ((flags & WEIR_OPEN_TRUNCATE) != 0) result |= O_TRUNC;
    return result;
}

static int open_retrying(const char *path, int flags)
{
    int fd;
    do {
        fd = open(path, flags, FILE_MODE);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

/* Memory first: what fails for want of it has changed nothing. */
static int open_handle(struct weir_env *env, const char *path, int flags, const char *verb,
                       struct weir_file **file_out, struct weir_error *error)
{
    int rc = WEIR_OK;
    struct uv_file *file = weir_alloc_zero(env->budget, sizeof *file);
    char *copy = weir_alloc_text(env->budget, path, strlen(path));
    if (file == NULL || copy == NULL) {
        rc = weir_error_set(error, WEIR_NO_MEMORY, "%s '%s'", verb, path);
        goto out;
    }
    int fd = open_retrying(path, flags | O_CLOEXEC);
    if (fd < 0) {
        rc = weir_error_errno(error, errno, verb, path);
        goto out;
    }
    *file = (struct uv_file){.base = {.env = env, .path = copy}, .fd = fd};
    *file_out = &file->base;
    file = NULL;
    copy = NULL;
out:
    weir_free(copy);
    weir_free(file);
    return rc;
}

/* Somebody's fifo, socket, device or directory in a file's place is named, not read from, not
 * written to. */
static int check_regular(const struct stat *found, const char *path, struct weir_error *error)
{
    if (S_ISREG(found->st_mode)) return 0;
    const char *what = S_ISDIR(found->st_mode)    ? "a directory"
                       : S_ISFIFO(found->st_mode) ? "a fifo"
                       : S_ISSOCK(found->st_mode) ? "a socket"
                                                  : "a device";
    return weir_error_set(error, WEIR_INVALID_ARGUMENT, "open '%s': it is %s; a file is wanted",
                          path, what);
}

int weir_env_uv_file_open(struct weir_env *env, const char *path, unsigned flags,
                          struct weir_file **file_out, struct weir_error *error)
{
    struct stat found;
    struct weir_file *file = NULL;
    int rc = open_handle(env, path, system_flags(flags), "open", &file, error);
    if (rc == WEIR_IO && stat(path, &found) == 0) { /* some are told by the open itself (ENXIO) */
        int odd = check_regular(&found, path, error);
        return odd < 0 ? odd : rc;
    }
    if (rc < 0) return rc;
    rc = fstat(fd_of(file), &found) == 0 ? check_regular(&found, path, error)
                                         : weir_error_errno(error, errno, "open", path);
    if (rc < 0) {
        file->env->ops->file_close(file);
        return rc;
    }
    *file_out = file;
    return 0;
}

/* What close could report was reported by a sync, or nobody relied on it. EINTR: Linux has closed
 * the handle all the same. */
void weir_env_uv_file_close(struct weir_file *file)
{
    (void)close(fd_of(file));
    weir_free(file->path);
    weir_free(file);
}

int64_t weir_env_uv_file_read(struct weir_file *file, void *to, size_t size, int64_t position,
                              struct weir_error *error)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got =
            pread(fd_of(file), (uint8_t *)to + done, size - done, position + (int64_t)done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return weir_error_errno(error, errno, "read", file->path);
        if (got == 0) break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

/* Where a gather write stands: `offset` bytes into part `index`. */
struct parts_cursor {
    const struct weir_iovec *parts;
    size_t count;
    size_t index;
    size_t offset;
};

/* The next parts as the system wants them, empty ones left out; returns how many. */
static int gather(struct parts_cursor cursor, struct iovec vector[PARTS_PER_CALL])
{
    int filled = 0;
    for (; cursor.index < cursor.count && filled < PARTS_PER_CALL; cursor.index++) {
        const struct weir_iovec *part = &cursor.parts[cursor.index];
        size_t left = part->size - cursor.offset;
        if (left > 0) {
            vector[filled].iov_base = (uint8_t *)(uintptr_t)part->base + cursor.offset;
            vector[filled].iov_len = left;
            filled++;
        }
        cursor.offset = 0;
    }
    return filled;
}

static void cursor_advance(struct parts_cursor *cursor, size_t size)
{
    while (cursor->index < cursor->count) {
        size_t left = cursor->parts[cursor->index].size - cursor->offset;
        if (size < left) {
            cursor->offset += size;
            return;
        }
        size -= left;
        cursor->index++;
        cursor->offset = 0;
    }
    weir_assert(size == 0);
}

int weir_env_uv_file_write(struct weir_file *file, const struct weir_iovec *parts, size_t count,
                           int64_t position, struct weir_error *error)
{
    struct parts_cursor cursor = {.parts = parts, .count = count};
    struct iovec vector[PARTS_PER_CALL];
    for (;;) {
        int filled = gather(cursor, vector);
        if (filled == 0) return WEIR_OK;
        ssize_t put = pwritev(fd_of(file), vector, filled, position);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return weir_error_errno(error, errno, "write", file->path);
        if (put == 0) return weir_error_errno(error, EIO, "write", file->path);
        cursor_advance(&cursor, (size_t)put);
        position += put;
    }
}

/* Whatever the reason: what had been written may be gone, and no later sync says so. */
static int sync_failed(struct weir_error *error, int reason, const char *verb, const char *path)
{
    (void)weir_error_errno(error, reason, verb, path);
    if (error != NULL) error->code = WEIR_IO;
    return WEIR_IO;
}

/* Interrupted means that nothing was decided, so asking again is no retry of a failed sync. */
int weir_env_uv_file_sync(struct weir_file *file, struct weir_error *error)
{
    int rc;
    do {
        rc = fdatasync(fd_of(file));
    } while (rc != 0 && errno == EINTR);
    return rc == 0 ? WEIR_OK : sync_failed(error, errno, "sync", file->path);
}

int weir_env_uv_file_truncate(struct weir_file *file, int64_t size, struct weir_error *error)
{
    int rc;
    do {
        rc = ftruncate(fd_of(file), size);
    } while (rc != 0 && errno == EINTR);
    return rc == 0 ? WEIR_OK : weir_error_errno(error, errno, "truncate", file->path);
}

static struct weir_file_stat stat_from(const struct stat *from)
{
    enum weir_file_kind kind = S_ISREG(from->st_mode)   ? WEIR_FILE_REGULAR
                               : S_ISDIR(from->st_mode) ? WEIR_FILE_DIRECTORY
                                                        : WEIR_FILE_OTHER;
    return (struct weir_file_stat){
        .kind = kind,
        .size = from->st_size,
        .modified = {(int64_t)from->st_mtim.tv_sec * 1000 + from->st_mtim.tv_nsec / 1000000},
        .device = (uint64_t)from->st_dev,
        .is_removed = from->st_nlink == 0,
    };
}

int weir_env_uv_file_stat(struct weir_file *file, struct weir_file_stat *stat_out,
                          struct weir_error *error)
{
    struct stat result;
    if (fstat(fd_of(file), &result) != 0) {
        return weir_error_errno(error, errno, "stat", file->path);
    }
    *stat_out = stat_from(&result);
    return WEIR_OK;
}

int weir_env_uv_file_lock(struct weir_file *file, struct weir_error *error)
{
    int rc;
    do {
        rc = flock(fd_of(file), LOCK_EX | LOCK_NB);
    } while (rc != 0 && errno == EINTR);
    if (rc == 0) return WEIR_OK;
    if (errno == EWOULDBLOCK) {
        return weir_error_set(error, WEIR_LOCKED, "lock '%s': in use by another handle",
                              file->path);
    }
    return weir_error_errno(error, errno, "lock", file->path);
}

int weir_env_uv_sync_file_system(struct weir_file *file, struct weir_error *error)
{
    int rc;
    do {
        rc = syncfs(fd_of(file));
    } while (rc != 0 && errno == EINTR);
    return rc == 0 ? WEIR_OK : sync_failed(error, errno, "sync the file system of", file->path);
}

/* Linux forgets whole pages within the range only: widen it to blocks no page is larger than. */
void weir_env_uv_drop_cache(struct weir_file *file, int64_t position, int64_t size)
{
    if (size <= 0) return; /* to the system 0 means "to the end" */
    int64_t begin = position - position % CACHE_BLOCK;
    int64_t end = position + size;
    end += CACHE_BLOCK - end % CACHE_BLOCK;
    (void)posix_fadvise(fd_of(file), begin, end - begin, POSIX_FADV_DONTNEED); /* a hint */
}

/* Half of it without waiting is none: the other half would wait. At the end of the file there is no other. */
int64_t weir_env_uv_file_read_cached(struct weir_file *file, void *to, size_t size,
                                     int64_t position)
{
    struct iovec vector = {to, size};
    ssize_t got = preadv2(fd_of(file), &vector, 1, position, RWF_NOWAIT);
    if (got < 0) return WEIR_END;
    if (got == 0 || (size_t)got == size) return (int64_t)got;
    vector = (struct iovec){(uint8_t *)to + got, size - (size_t)got};
    bool is_end = preadv2(fd_of(file), &vector, 1, position + (int64_t)got, RWF_NOWAIT) == 0;
    return is_end ? (int64_t)got : WEIR_END;
}

/* One byte read without waiting: 0 bytes is the end of the file, which needs no disk. A file system
 * that cannot tell (EOPNOTSUPP) counts as cold. */
static bool is_byte_cached(struct weir_file *file, int64_t position)
{
    uint8_t byte;
    struct iovec vector = {&byte, 1};
    return preadv2(fd_of(file), &vector, 1, position, RWF_NOWAIT) >= 0;
}

/* Caches fill and empty by stretches, so samples tell; their number is bounded for large ranges. */
bool weir_env_uv_file_is_cached(struct weir_file *file, int64_t position, int64_t size)
{
    if (size <= 0) return true;
    int64_t step = size / CACHE_SAMPLES_MAX > CACHE_STEP ? size / CACHE_SAMPLES_MAX : CACHE_STEP;
    for (int64_t at = 0; at < size - 1; at += step) {
        if (!is_byte_cached(file, position + at)) return false;
    }
    return is_byte_cached(file, position + size - 1);
}

/* ---- paths ----------------------------------------------------------------------------------- */

int weir_env_uv_stat(struct weir_env *env, const char *path, struct weir_file_stat *stat_out,
                     struct weir_error *error)
{
    (void)env;
    struct stat result;
    if (stat(path, &result) != 0) return weir_error_errno(error, errno, "stat", path);
    *stat_out = stat_from(&result);
    return WEIR_OK;
}

int weir_env_uv_make_directory(struct weir_env *env, const char *path, struct weir_error *error)
{
    (void)env;
    if (mkdir(path, DIRECTORY_MODE) == 0) return WEIR_OK;
    return weir_error_errno(error, errno, "make directory", path);
}

int weir_env_uv_directory_open(struct weir_env *env, const char *path,
                               struct weir_file **directory_out, struct weir_error *error)
{
    return open_handle(env, path, O_RDONLY | O_DIRECTORY, "open directory", directory_out, error);
}

/* fsync, for an entry is not data to fdatasync. */
int weir_env_uv_directory_sync(struct weir_file *directory, struct weir_error *error)
{
    int rc;
    do {
        rc = fsync(fd_of(directory));
    } while (rc != 0 && errno == EINTR);
    return rc == 0 ? WEIR_OK : sync_failed(error, errno, "sync directory", directory->path);
}

int weir_env_uv_rename(struct weir_env *env, const char *from, const char *to,
                       struct weir_error *error)
{
    (void)env;
    if (rename(from, to) == 0) return WEIR_OK;
    int reason = errno;
    int code = weir_error_errno(NULL, reason, "rename", from);
    return weir_error_set(error, (enum weir_code)code, "rename '%s' to '%s': %s", from, to,
                          strerrordesc_np(reason));
}

int weir_env_uv_remove(struct weir_env *env, const char *path, struct weir_error *error)
{
    (void)env;
    if (remove(path) == 0) return WEIR_OK;
    return weir_error_errno(error, errno, "remove", path);
}

int weir_env_uv_remove_directory(struct weir_env *env, const char *path, struct weir_error *error)
{
    (void)env;
    if (rmdir(path) == 0) return WEIR_OK;
    if (errno == ENOTDIR) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "remove directory '%s': it is none",
                              path);
    }
    return weir_error_errno(error, errno, "remove directory", path);
}

int64_t weir_env_uv_descriptor_limit(struct weir_env *env)
{
    (void)env;
    struct rlimit limit;
    int rc = getrlimit(RLIMIT_NOFILE, &limit);
    weir_assert(rc == 0);
    bool is_known = limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur <= INT32_MAX;
    return is_known ? (int64_t)limit.rlim_cur : INT32_MAX;
}

/* ---- listing --------------------------------------------------------------------------------- */

static enum weir_file_kind kind_of(DIR *directory, const struct dirent *entry)
{
    if (entry->d_type == DT_REG) return WEIR_FILE_REGULAR;
    if (entry->d_type == DT_DIR) return WEIR_FILE_DIRECTORY;
    struct stat found;
    if (fstatat(dirfd(directory), entry->d_name, &found, 0) != 0) return WEIR_FILE_OTHER;
    return stat_from(&found).kind;
}

static bool is_self_or_parent(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Entries as they will be shown: a byte for the kind, then the name with its NUL. */
static int read_entries(DIR *directory, const char *path, struct weir_buffer *entries,
                        size_t *count_out, struct weir_error *error)
{
    size_t count = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) break;
        if (is_self_or_parent(entry->d_name)) continue;
        uint8_t kind = (uint8_t)kind_of(directory, entry);
        weir_buffer_append(entries, &kind, 1);
        weir_buffer_append(entries, entry->d_name, strlen(entry->d_name) + 1);
        count++;
    }
    if (errno != 0) return weir_error_errno(error, errno, "list", path);
    if (entries->failed) return weir_error_set(error, WEIR_NO_MEMORY, "list '%s'", path);
    *count_out = count;
    return WEIR_OK;
}

static int by_name(const void *a, const void *b)
{
    const uint8_t *const *left = a;
    const uint8_t *const *right = b;
    return strcmp((const char *)*left + 1, (const char *)*right + 1);
}

static int show_sorted(struct weir_env *env, const struct weir_buffer *entries, size_t count,
                       const char *path, weir_list_fn each, void *context, struct weir_error *error)
{
    if (count == 0) return WEIR_OK;
    const uint8_t **sorted = weir_alloc(env->budget, count * sizeof *sorted);
    if (sorted == NULL) return weir_error_set(error, WEIR_NO_MEMORY, "list '%s'", path);
    const uint8_t *at = entries->data;
    for (size_t i = 0; i < count; i++) {
        sorted[i] = at;
        at += 1 + strlen((const char *)at + 1) + 1;
    }
    qsort(sorted, count, sizeof *sorted, by_name);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = each(context, (const char *)sorted[i] + 1, (enum weir_file_kind)sorted[i][0]);
    }
    weir_free(sorted);
    return rc;
}

int weir_env_uv_list(struct weir_env *env, const char *path, weir_list_fn each, void *context,
                     struct weir_error *error)
{
    int rc;
    size_t count = 0;
    struct weir_buffer entries;
    weir_buffer_init(&entries, env->budget, 0);
    DIR *directory = opendir(path); /* O_CLOEXEC in glibc */
    if (directory == NULL) {
        rc = weir_error_errno(error, errno, "list", path);
        goto out;
    }
    rc = read_entries(directory, path, &entries, &count, error);
    if (rc < 0) goto out;
    rc = show_sorted(env, &entries, count, path, each, context, error);
out:
    if (directory != NULL) (void)closedir(directory);
    weir_buffer_close(&entries);
    return rc;
}
