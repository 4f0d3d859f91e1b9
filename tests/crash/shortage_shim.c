/**
 * Under the program by LD_PRELOAD: descriptors, space or memory run out while a byte in a shared file
 * says so, and are back when it no longer does. `WEIR_SHORTAGE` names the file:
 *
 *   0  u8   descriptors: open, socket, accept4, eventfd give EMFILE
 *   1  u8   space: writes that would make a file longer, new files and folders, renames give ENOSPC
 *   2  u8   memory: what the library itself allocates; C++ below it would end the process
 *   8  u64  how many calls have been failed
 *
 * Memory of the library alone: a call counts if it returns into the object that has the library, a
 * shared one or the program itself.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct flags {
    _Atomic uint8_t descriptors;
    _Atomic uint8_t space;
    _Atomic uint8_t memory;
    uint8_t rest[5];
    _Atomic uint64_t failed;
};

/* The program's own calls reach it without a context, so its state is the file's. */
static struct {
    struct flags *flags;
    uintptr_t library_from;
    uintptr_t library_to;
    int (*open)(const char *, int, ...);
    int (*socket)(int, int, int);
    int (*accept4)(int, struct sockaddr *, socklen_t *, int);
    ssize_t (*pwritev)(int, const struct iovec *, int, off_t);
    int (*mkdir)(const char *, mode_t);
    int (*rename)(const char *, const char *);
} shim;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

/* The program comes first in the list, so a shared library has the last word. */
static int note_library(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size, (void)context;
    bool is_program = info->dlpi_name == NULL || info->dlpi_name[0] == '\0';
    if (!is_program && strstr(info->dlpi_name, "/libweir.so") == NULL) return 0;
    if (is_program && shim.library_to != 0) return 0; /* the vdso has no name either */
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_LOAD || (header->p_flags & PF_X) == 0) continue;
        shim.library_from = (uintptr_t)(info->dlpi_addr + header->p_vaddr);
        shim.library_to = shim.library_from + header->p_memsz;
    }
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    shim.open = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    shim.socket = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
    shim.accept4 = (int (*)(int, struct sockaddr *, socklen_t *, int))dlsym(RTLD_NEXT, "accept4");
    shim.pwritev = (ssize_t(*)(int, const struct iovec *, int, off_t))dlsym(RTLD_NEXT, "pwritev");
    shim.mkdir = (int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "mkdir");
    shim.rename = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    (void)dl_iterate_phdr(note_library, NULL);
    const char *path = getenv("WEIR_SHORTAGE");
    int fd = path != NULL ? shim.open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *flags = mmap(NULL, sizeof *shim.flags, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (flags != MAP_FAILED) shim.flags = flags;
}

static bool is_short_of(const _Atomic uint8_t *flag, int reason)
{
    if (*flag == 0) return false;
    atomic_fetch_add(&shim.flags->failed, 1);
    errno = reason;
    return true;
}

#define SHORT_OF(what, reason) (shim.flags != NULL && is_short_of(&shim.flags->what, reason))

/* ---- descriptors and space ------------------------------------------------------------------- */

int open(const char *path, int how, ...)
{
    va_list arguments;
    va_start(arguments, how);
    mode_t mode = (how & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (SHORT_OF(descriptors, EMFILE)) return -1;
    if ((how & O_CREAT) != 0 && access(path, F_OK) != 0 && SHORT_OF(space, ENOSPC)) return -1;
    return shim.open(path, how, mode);
}

int socket(int domain, int type, int protocol)
{
    return SHORT_OF(descriptors, EMFILE) ? -1 : shim.socket(domain, type, protocol);
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int how)
{
    return SHORT_OF(descriptors, EMFILE) ? -1 : shim.accept4(fd, address, size, how);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    struct stat found;
    off_t end = offset;
    for (int i = 0; i < count; i++) {
        end += (off_t)parts[i].iov_len;
    }
    bool grows = fstat(fd, &found) == 0 && S_ISREG(found.st_mode) && end > found.st_size;
    if (grows && SHORT_OF(space, ENOSPC)) return -1;
    return shim.pwritev(fd, parts, count, offset);
}

int mkdir(const char *path, mode_t mode)
{
    return SHORT_OF(space, ENOSPC) ? -1 : shim.mkdir(path, mode);
}

int rename(const char *from, const char *to)
{
    return SHORT_OF(space, ENOSPC) ? -1 : shim.rename(from, to);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static bool has_no_memory(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    if (at < shim.library_from || at >= shim.library_to) return false;
    return SHORT_OF(memory, ENOMEM);
}

void *malloc(size_t size)
{
    return has_no_memory(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return has_no_memory(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return has_no_memory(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return has_no_memory(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}
