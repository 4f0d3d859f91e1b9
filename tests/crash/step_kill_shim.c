/**
 * Under the program by LD_PRELOAD: it kills itself at a write or a sync of its own choice, so that a crash falls
 * between two steps however close they lie. WEIR_KILL_STEP=PATH:COUNT:MOMENT names the COUNTth such call on
 * files whose path has PATH in it, and whether it dies before the call or after it. Other shims may lie below.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FILES_MAX = 65536, PART_SIZE = 256 };

/* The program's own calls reach it without a context, so its state is the file's. */
static struct {
    pthread_mutex_t lock;
    char part[PART_SIZE]; /* empty: nothing is asked for */
    long left;
    bool is_before;
    bool is_counted[FILES_MAX]; /* by handle */
    int (*open)(const char *, int, ...);
    int (*close)(int);
    ssize_t (*pwritev)(int, const struct iovec *, int, off_t);
    int (*fdatasync)(int);
    int (*fsync)(int);
} shim = {.lock = PTHREAD_MUTEX_INITIALIZER};

__attribute__((noreturn)) static void give_up(const char *what)
{
    (void)fprintf(stderr, "step kill shim: %s\n", what);
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
    shim.fdatasync = (int (*)(int))next("fdatasync");
    shim.fsync = (int (*)(int))next("fsync");
    const char *asked = getenv("WEIR_KILL_STEP");
    if (asked == NULL) return;
    char moment[8] = "";
    if (sscanf(asked, "%255[^:]:%ld:%7s", shim.part, &shim.left, moment) != 3) give_up(asked);
    shim.is_before = strcmp(moment, "before") == 0;
}

/* Whether this is the call that it was to die at. */
static bool is_reached(int fd)
{
    (void)pthread_mutex_lock(&shim.lock);
    bool is_now = fd >= 0 && fd < FILES_MAX && shim.is_counted[fd] && --shim.left == 0;
    (void)pthread_mutex_unlock(&shim.lock);
    return is_now;
}

static void die_if(bool is_now)
{
    if (is_now) (void)kill(getpid(), SIGKILL);
}

#pragma GCC visibility push(default)

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    int fd = shim.open(path, flags, mode);
    if (fd >= 0 && fd < FILES_MAX && shim.part[0] != '\0') {
        shim.is_counted[fd] = strstr(path, shim.part) != NULL;
    }
    return fd;
}

int close(int fd)
{
    if (fd >= 0 && fd < FILES_MAX) shim.is_counted[fd] = false;
    return shim.close(fd);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    bool is_now = is_reached(fd);
    die_if(is_now && shim.is_before);
    ssize_t done = shim.pwritev(fd, parts, count, offset);
    die_if(is_now);
    return done;
}

int fdatasync(int fd)
{
    bool is_now = is_reached(fd);
    die_if(is_now && shim.is_before);
    int rc = shim.fdatasync(fd);
    die_if(is_now);
    return rc;
}

int fsync(int fd)
{
    bool is_now = is_reached(fd);
    die_if(is_now && shim.is_before);
    int rc = shim.fsync(fd);
    die_if(is_now);
    return rc;
}

#pragma GCC visibility pop
