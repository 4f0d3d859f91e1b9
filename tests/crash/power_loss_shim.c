/**
 * Under the program by LD_PRELOAD: the calls of base/env/uv/files.c that change a disk, noted
 * as they happen. One lock makes change and record one step for any sync that begins in another
 * thread; a kill between the two leaves a change that no record undoes, as a disk may keep what was
 * not synced.
 */
#include "tests/crash/power_loss.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FILES_MAX = 65536, PATH_SIZE = 4096 };

/* The program's own calls reach it without a context, so its state is the file's. */
static struct {
    pthread_mutex_t lock;
    bool is_on;
    bool lies;
    char root[PATH_SIZE];
    char store[PATH_SIZE];
    int journal;
    int64_t record_count;
    uint64_t link_count;
    uint64_t inodes[FILES_MAX]; /* by handle; 0: not below the root */
    int (*open)(const char *, int, ...);
    int (*close)(int);
    ssize_t (*pwritev)(int, const struct iovec *, int, off_t);
    int (*ftruncate)(int, off_t);
    int (*fsync)(int);
    int (*fdatasync)(int);
    int (*syncfs)(int);
    int (*rename)(const char *, const char *);
    int (*remove)(const char *);
    int (*mkdir)(const char *, mode_t);
} shim = {.lock = PTHREAD_MUTEX_INITIALIZER};

__attribute__((noreturn)) static void give_up(const char *what)
{
    (void)fprintf(stderr, "power loss shim: %s: %s\n", what, strerror(errno));
    abort();
}

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) give_up(name);
    return found;
}

__attribute__((constructor)) static void begin(void)
{
    shim.open = (int (*)(const char *, int, ...))next("open");
    shim.close = (int (*)(int))next("close");
    shim.pwritev = (ssize_t(*)(int, const struct iovec *, int, off_t))next("pwritev");
    shim.ftruncate = (int (*)(int, off_t))next("ftruncate");
    shim.fsync = (int (*)(int))next("fsync");
    shim.fdatasync = (int (*)(int))next("fdatasync");
    shim.syncfs = (int (*)(int))next("syncfs");
    shim.rename = (int (*)(const char *, const char *))next("rename");
    shim.remove = (int (*)(const char *))next("remove");
    shim.mkdir = (int (*)(const char *, mode_t))next("mkdir");
    const char *root = getenv("WEIR_POWER_ROOT");
    const char *store = getenv("WEIR_POWER_STORE");
    if (root == NULL || store == NULL) return;
    const char *lie = getenv("WEIR_SHIM_LIE");
    shim.lies = lie != NULL && strcmp(lie, "1") == 0;
    (void)snprintf(shim.root, sizeof shim.root, "%s", root);
    (void)snprintf(shim.store, sizeof shim.store, "%s", store);
    char path[PATH_SIZE + sizeof POWER_LOSS_JOURNAL + 1];
    (void)snprintf(path, sizeof path, "%s/" POWER_LOSS_JOURNAL, store);
    shim.journal = shim.open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (shim.journal < 0) give_up(path);
    shim.is_on = true;
}

/* ---- what is written down -------------------------------------------------------------------- */

static bool is_below_root(const char *path)
{
    size_t size = strlen(shim.root);
    return shim.is_on && strncmp(path, shim.root, size) == 0 &&
           (path[size] == '\0' || path[size] == '/');
}

static uint64_t inode_of(int fd)
{
    return fd >= 0 && fd < FILES_MAX ? shim.inodes[fd] : 0;
}

static uint64_t parent_inode(const char *path)
{
    char parent[PATH_SIZE];
    (void)snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash != NULL) *slash = '\0';
    struct stat found;
    if (stat(parent, &found) != 0) give_up(parent);
    return found.st_ino;
}

static void put(struct power_loss_record record, const void *payload, size_t size)
{
    record.payload_size = (uint32_t)size;
    struct iovec parts[2] = {{&record, sizeof record}, {(void *)(uintptr_t)payload, size}};
    if (writev(shim.journal, parts, 2) != (ssize_t)(sizeof record + size)) give_up("journal");
    shim.record_count++;
}

/* The old bytes from `offset`, at most `size`, before they are overwritten or cut off. */
static void *save(int fd, int64_t offset, int64_t size, int64_t old_size, size_t *saved_out)
{
    int64_t there = old_size > offset ? old_size - offset : 0;
    size_t wanted = (size_t)(there < size ? there : size);
    *saved_out = wanted;
    if (wanted == 0) return NULL;
    char path[64]; /* the handle may be open for writing only */
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    void *bytes = malloc(wanted);
    int reader = shim.open(path, O_RDONLY | O_CLOEXEC);
    if (bytes == NULL || reader < 0) give_up("saving what is overwritten");
    if (pread(reader, bytes, wanted, offset) != (ssize_t)wanted) give_up("saving old bytes");
    (void)shim.close(reader);
    return bytes;
}

static int64_t size_of(int fd)
{
    struct stat found;
    if (fstat(fd, &found) != 0) give_up("fstat");
    return found.st_size;
}

static int cut(int fd, int64_t size)
{
    int64_t old_size = size_of(fd);
    size_t saved;
    void *bytes = save(fd, size, old_size, old_size, &saved);
    int rc = shim.ftruncate(fd, size);
    if (rc == 0) {
        put((struct power_loss_record){.kind = POWER_LOSS_TRUNCATE,
                                       .inode = inode_of(fd),
                                       .offset = size,
                                       .old_size = old_size},
            bytes, saved);
    }
    free(bytes);
    return rc;
}

static void put_entry(enum power_loss_kind kind, const char *path, uint64_t kept)
{
    put((struct power_loss_record){.kind = kind, .inode = parent_inode(path), .kept = kept}, path,
        strlen(path) + 1);
}

/* A second name for what is about to go; 0 if there is nothing, or a folder. */
static uint64_t keep(const char *path)
{
    struct stat found;
    if (lstat(path, &found) != 0 || !S_ISREG(found.st_mode)) return 0;
    char kept[PATH_SIZE + 32];
    uint64_t number = ++shim.link_count;
    (void)snprintf(kept, sizeof kept, "%s/%llu", shim.store, (unsigned long long)number);
    if (link(path, kept) != 0) give_up(kept);
    return number;
}

/* ---- the calls ------------------------------------------------------------------------------- */

#pragma GCC visibility push(default)

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (!is_below_root(path)) return shim.open(path, flags, mode);
    (void)pthread_mutex_lock(&shim.lock);
    bool is_new = (flags & O_CREAT) != 0 && access(path, F_OK) != 0;
    int fd = shim.open(path, flags & ~O_TRUNC, mode);
    int reason = errno;
    struct stat found;
    if (fd >= FILES_MAX) give_up("too many handles");
    if (fd >= 0) {
        if (fstat(fd, &found) != 0) give_up(path);
        shim.inodes[fd] = found.st_ino;
        if (is_new) put_entry(POWER_LOSS_CREATE, path, 0);
        if ((flags & O_TRUNC) != 0 && found.st_size > 0 && cut(fd, 0) != 0) give_up(path);
    }
    (void)pthread_mutex_unlock(&shim.lock);
    errno = reason;
    return fd;
}

int close(int fd)
{
    (void)pthread_mutex_lock(&shim.lock);
    if (fd >= 0 && fd < FILES_MAX) shim.inodes[fd] = 0;
    int rc = shim.close(fd);
    (void)pthread_mutex_unlock(&shim.lock);
    return rc;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    (void)pthread_mutex_lock(&shim.lock);
    uint64_t inode = inode_of(fd);
    if (inode == 0) {
        (void)pthread_mutex_unlock(&shim.lock);
        return shim.pwritev(fd, parts, count, offset);
    }
    int64_t size = 0;
    for (int i = 0; i < count; i++)
        size += (int64_t)parts[i].iov_len;
    int64_t old_size = size_of(fd);
    size_t saved;
    void *bytes = save(fd, offset, size, old_size, &saved);
    ssize_t done = shim.pwritev(fd, parts, count, offset);
    int reason = errno;
    if (done > 0) {
        put((struct power_loss_record){.kind = POWER_LOSS_WRITE,
                                       .inode = inode,
                                       .offset = offset,
                                       .length = done,
                                       .old_size = old_size},
            bytes, saved < (size_t)done ? saved : (size_t)done);
    }
    free(bytes);
    (void)pthread_mutex_unlock(&shim.lock);
    errno = reason;
    return done;
}

int ftruncate(int fd, off_t size)
{
    (void)pthread_mutex_lock(&shim.lock);
    int rc = inode_of(fd) != 0 ? cut(fd, size) : shim.ftruncate(fd, size);
    int reason = errno;
    (void)pthread_mutex_unlock(&shim.lock);
    errno = reason;
    return rc;
}

/* What was there when the sync began is durable when it has ended well. */
static int sync_by(int (*call)(int), int fd, bool is_everything)
{
    (void)pthread_mutex_lock(&shim.lock);
    uint64_t inode = inode_of(fd);
    int64_t covered = shim.record_count;
    (void)pthread_mutex_unlock(&shim.lock);
    if (inode == 0) return call(fd);
    if (shim.lies) return 0;
    int rc = call(fd);
    if (rc != 0) return rc;
    (void)pthread_mutex_lock(&shim.lock);
    put((struct power_loss_record){.kind = POWER_LOSS_SYNC,
                                   .inode = is_everything ? 0 : inode,
                                   .offset = covered},
        NULL, 0);
    (void)pthread_mutex_unlock(&shim.lock);
    return 0;
}

int fsync(int fd)
{
    return sync_by(shim.fsync, fd, false);
}

int fdatasync(int fd)
{
    return sync_by(shim.fdatasync, fd, false);
}

int syncfs(int fd)
{
    return sync_by(shim.syncfs, fd, true);
}

int rename(const char *from, const char *to)
{
    if (!is_below_root(from) || !is_below_root(to)) return shim.rename(from, to);
    char paths[2 * PATH_SIZE];
    int size = snprintf(paths, sizeof paths, "%s%c%s", from, '\0', to);
    (void)pthread_mutex_lock(&shim.lock);
    uint64_t kept = keep(to);
    int rc = shim.rename(from, to);
    int reason = errno;
    if (rc == 0) {
        put((struct power_loss_record){.kind = POWER_LOSS_RENAME,
                                       .inode = parent_inode(from),
                                       .target = parent_inode(to),
                                       .kept = kept},
            paths, (size_t)size + 1);
    }
    (void)pthread_mutex_unlock(&shim.lock);
    errno = reason;
    return rc;
}

int remove(const char *path)
{
    if (!is_below_root(path)) return shim.remove(path);
    (void)pthread_mutex_lock(&shim.lock);
    uint64_t kept = keep(path);
    int rc = shim.remove(path);
    int reason = errno;
    if (rc == 0) put_entry(POWER_LOSS_REMOVE, path, kept);
    (void)pthread_mutex_unlock(&shim.lock);
    errno = reason;
    return rc;
}

int mkdir(const char *path, mode_t mode)
{
    if (!is_below_root(path)) return shim.mkdir(path, mode);
    (void)pthread_mutex_lock(&shim.lock);
    int rc = shim.mkdir(path, mode);
    int reason = errno;
    if (rc == 0) put_entry(POWER_LOSS_CREATE, path, 0);
    (void)pthread_mutex_unlock(&shim.lock);
    errno = reason;
    return rc;
}

#pragma GCC visibility pop
