#ifndef WEIR_BASE_ENV_ENV_H
#define WEIR_BASE_ENV_ENV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/logger.h"
#include "weir/error.h"
#include "weir/types.h"

/**
 * The world, as the engine may see it: clocks, randomness, files, actors with their mailboxes and
 * timers, background work. Two implementations: uv/ (threads, libuv) and sim/ (one event
 * heap, seeded, all nodes in one thread). Nothing else in the tree asks the operating system.
 *
 * Threads: clocks, random, files and weir_actor_post from any thread; the rest as each says.
 */

/* Three clocks, told apart by type. A core keeps deadlines (monotonic), never timeouts. */
struct weir_mono {
    int64_t ns;
}; /* for deadlines; starts anywhere, never goes back */
struct weir_wall {
    int64_t ms;
}; /* Unix time, for timestamps and retention; may jump */
struct weir_stream_time {
    int64_t ms;
}; /* the data's own */

#define WEIR_MONO_NEVER ((struct weir_mono){INT64_MAX})

static inline struct weir_mono weir_mono_after_ms(struct weir_mono now, int64_t ms)
{
    int64_t ns;
    if (__builtin_mul_overflow(ms, 1000000, &ns) || __builtin_add_overflow(now.ns, ns, &ns)) {
        return WEIR_MONO_NEVER;
    }
    return (struct weir_mono){ns};
}

/* ---- files ----------------------------------------------------------------------------------- */

enum weir_open_flags {
    WEIR_OPEN_READ = 1,
    WEIR_OPEN_WRITE = 2,
    WEIR_OPEN_CREATE = 4,
    WEIR_OPEN_EXCLUSIVE = 8, /* with CREATE: WEIR_EXISTS if it is there */
    WEIR_OPEN_TRUNCATE = 16,
};

enum weir_file_kind { WEIR_FILE_REGULAR = 1, WEIR_FILE_DIRECTORY = 2, WEIR_FILE_OTHER = 3 };

struct weir_file_stat {
    enum weir_file_kind kind;
    int64_t size;
    struct weir_wall modified;
    uint64_t device; /* the file system that it lies on, as the system numbers them; not 0 */
    bool is_removed; /* it is open, and has no name any more: with its handles it goes */
};

struct weir_file;  /* an open file; handles are O_CLOEXEC */
struct weir_actor; /* below */
struct weir_actor_options;
struct weir_work;

struct weir_iovec { /* layout of struct iovec */
    const void *base;
    size_t size;
};

/* Which start of the machine this is: while it stays the same, the page cache has kept all that was
 * written, whoever died. Text; empty if the system does not say. */
enum { WEIR_BOOT_ID_SIZE = 40 };
struct weir_boot_id {
    char text[WEIR_BOOT_ID_SIZE];
};

typedef int (*weir_list_fn)(void *context, const char *name, enum weir_file_kind kind);

struct weir_env;
struct weir_network_ops; /* base/env/socket.h */

struct weir_env_ops {
    const char *name;
    const struct weir_network_ops *network;
    struct weir_mono (*mono_now)(struct weir_env *env);
    struct weir_wall (*wall_now)(struct weir_env *env);
    void (*random)(struct weir_env *env, void *bytes, size_t size);
    struct weir_boot_id (*boot_id)(struct weir_env *env);

    int (*file_open)(struct weir_env *env, const char *path, unsigned flags,
                     struct weir_file **file_out, struct weir_error *error);
    void (*file_close)(struct weir_file *file);
    int64_t (*file_read)(struct weir_file *file, void *to, size_t size, int64_t position,
                         struct weir_error *error);
    int (*file_write)(struct weir_file *file, const struct weir_iovec *parts, size_t count,
                      int64_t position, struct weir_error *error);
    int (*file_sync)(struct weir_file *file, struct weir_error *error);
    int (*file_truncate)(struct weir_file *file, int64_t size, struct weir_error *error);
    int (*file_stat)(struct weir_file *file, struct weir_file_stat *stat_out,
                     struct weir_error *error);
    int (*file_lock)(struct weir_file *file, struct weir_error *error);
    int (*sync_file_system)(struct weir_file *file, struct weir_error *error);
    void (*drop_cache)(struct weir_file *file, int64_t position, int64_t size);
    int64_t (*file_read_cached)(struct weir_file *file, void *to, size_t size, int64_t position);
    bool (*file_is_cached)(struct weir_file *file, int64_t position, int64_t size);

    int (*stat)(struct weir_env *env, const char *path, struct weir_file_stat *stat_out,
                struct weir_error *error);
    int (*make_directory)(struct weir_env *env, const char *path, struct weir_error *error);
    int (*directory_open)(struct weir_env *env, const char *path, struct weir_file **directory_out,
                          struct weir_error *error);
    int (*directory_sync)(struct weir_file *directory, struct weir_error *error);
    int (*rename)(struct weir_env *env, const char *from, const char *to, struct weir_error *error);
    int (*remove)(struct weir_env *env, const char *path, struct weir_error *error);
    int (*remove_directory)(struct weir_env *env, const char *path, struct weir_error *error);
    int (*list)(struct weir_env *env, const char *path, weir_list_fn each, void *context,
                struct weir_error *error);

    int (*actor_start)(struct weir_env *env, const struct weir_actor_options *options,
                       struct weir_actor **actor_out, struct weir_error *error);
    void (*actor_stop)(struct weir_actor *actor);
    void (*actor_wake)(struct weir_actor *actor);
    void (*actor_wake_at)(struct weir_actor *actor, struct weir_mono deadline);
    void (*work_submit)(struct weir_env *env, struct weir_work *work);
    void (*each)(struct weir_env *env, size_t count, void (*run)(void *context, size_t index),
                 void *context);
    int (*wait)(struct weir_env *env, bool (*is_done)(void *context), void *context,
                struct weir_mono deadline);
    void (*signal)(struct weir_env *env);
    bool (*may_block)(struct weir_env *env);
    int64_t (*descriptor_limit)(struct weir_env *env);
    int32_t (*core_count)(struct weir_env *env);
    int (*check_room)(struct weir_env *env, size_t bytes, struct weir_error *error);
    int (*room_enter)(struct weir_env *env, size_t threads, size_t bytes, struct weir_error *error);
    void (*room_leave)(struct weir_env *env);
};

struct weir_env {
    const struct weir_env_ops *ops;
    struct weir_heap *heap;
    struct weir_budget *budget; /* the root of the node's memory */
    struct weir_logger logger;
    int64_t process_id; /* for people, in the lock file; a simulated node has its number + 1 */
};

static inline struct weir_mono weir_mono_now(struct weir_env *env)
{
    return env->ops->mono_now(env);
}
static inline struct weir_wall weir_wall_now(struct weir_env *env)
{
    return env->ops->wall_now(env);
}
static inline void weir_random(struct weir_env *env, void *bytes, size_t size)
{
    env->ops->random(env, bytes, size);
}
static inline uint64_t weir_random_u64(struct weir_env *env)
{
    uint64_t value;
    env->ops->random(env, &value, sizeof value);
    return value;
}

static inline struct weir_boot_id weir_boot_id(struct weir_env *env)
{
    return env->ops->boot_id(env);
}

/* Errors of files: WEIR_NOT_FOUND, WEIR_EXISTS, WEIR_PERMISSION, WEIR_NO_SPACE, WEIR_LIMIT (out of
 * file handles), WEIR_LOCKED, else WEIR_IO. Messages carry verb, path and the system's reason. */

/** Open or create a regular file. A new file's entry is durable after weir_sync_directory. Never
 * waits: WEIR_INVALID_ARGUMENT for a fifo, a socket, a device or a directory in its place. */
static inline int weir_file_open(struct weir_env *env, const char *path, unsigned flags,
                                 struct weir_file **file_out, struct weir_error *error)
{
    return env->ops->file_open(env, path, flags, file_out, error);
}

/** How many descriptors this process may have open, for files and connections together, as of now
 * (RLIMIT_NOFILE). A program may raise it before it opens a log; a library does not. */
static inline int64_t weir_descriptor_limit(struct weir_env *env)
{
    return env->ops->descriptor_limit(env);
}

/** Cores that this process may run on, which taskset and a container's cpuset narrow: what shares a core by
 * threads of its own only hands messages to itself. At least 1; a simulated node has one. */
static inline int32_t weir_core_count(struct weir_env *env)
{
    return env->ops->core_count(env);
}

/** Whether the process may have that much more memory now: for a library that would end it where it may not.
 * WEIR_NO_MEMORY, with a text that names what is short. Nothing is held. Any thread; costs a fraction of a
 * microsecond where memory is not limited. A simulated node has room for ever. */
static inline int weir_check_room(struct weir_env *env, size_t bytes, struct weir_error *error)
{
    return env->ops->check_room(env, bytes, error);
}
/** The same, for `threads` (at most 16) more as well: WEIR_LIMIT. On success nobody else comes in before
 * weir_room_leave, on the same thread: what one was told is there the next does not take. */
static inline int weir_room_enter(struct weir_env *env, size_t threads, size_t bytes,
                                  struct weir_error *error)
{
    return env->ops->room_enter(env, threads, bytes, error);
}
static inline void weir_room_leave(struct weir_env *env)
{
    env->ops->room_leave(env);
}

/** What every implementation's file begins with. */
struct weir_file {
    struct weir_env *env;
    char *path;
};

static inline void weir_file_close(struct weir_file *file) /* NULL is fine */
{
    if (file != NULL) file->env->ops->file_close(file);
}
/** Up to `size` bytes from `position`; fewer only at the end of the file. Retries EINTR itself. */
static inline int64_t weir_file_read(struct weir_file *file, void *to, size_t size,
                                     int64_t position, struct weir_error *error)
{
    return file->env->ops->file_read(file, to, size, position, error);
}
/** All parts at `position`, or an error (some bytes may be there then). */
static inline int weir_file_write(struct weir_file *file, const struct weir_iovec *parts,
                                  size_t count, int64_t position, struct weir_error *error)
{
    return file->env->ops->file_write(file, parts, count, position, error);
}
/** fdatasync. A failure is WEIR_IO whatever the system says, a full disk found out late included: it is
 * final, never retried as if nothing had happened. So is that of the other syncs. */
static inline int weir_file_sync(struct weir_file *file, struct weir_error *error)
{
    return file->env->ops->file_sync(file, error);
}
static inline int weir_file_truncate(struct weir_file *file, int64_t size, struct weir_error *error)
{
    return file->env->ops->file_truncate(file, size, error);
}
static inline int weir_file_stat(struct weir_file *file, struct weir_file_stat *stat_out,
                                 struct weir_error *error)
{
    return file->env->ops->file_stat(file, stat_out, error);
}
/** flock, exclusive, not waiting: WEIR_LOCKED if another handle holds it, in this process too. */
static inline int weir_file_lock(struct weir_file *file, struct weir_error *error)
{
    return file->env->ops->file_lock(file, error);
}
/** syncfs of the file system that holds `file`: data and entries of all its files. */
static inline int weir_sync_file_system(struct weir_file *file, struct weir_error *error)
{
    return file->env->ops->sync_file_system(file, error);
}
/** A hint: forget clean cached pages of the range, so that a re-read shows what the disk holds. */
static inline void weir_file_drop_cache(struct weir_file *file, int64_t position, int64_t size)
{
    file->env->ops->drop_cache(file, position, size);
}
/** A read that does not wait for the disk: how many bytes came, fewer than asked at the end of the file only.
 * WEIR_END: some are not in memory, or the file system cannot tell, or could not be read. */
static inline int64_t weir_file_read_cached(struct weir_file *file, void *to, size_t size,
                                            int64_t position)
{
    return file->env->ops->file_read_cached(file, to, size, position);
}
/** A guess, cheap: would reading the range find it in memory? Then it may be sent from a thread that
 * must not block; else a worker reads through it first. */
static inline bool weir_file_is_cached(struct weir_file *file, int64_t position, int64_t size)
{
    return file->env->ops->file_is_cached(file, position, size);
}
static inline int weir_stat(struct weir_env *env, const char *path, struct weir_file_stat *stat_out,
                            struct weir_error *error)
{
    return env->ops->stat(env, path, stat_out, error);
}
static inline int weir_make_directory(struct weir_env *env, const char *path,
                                      struct weir_error *error)
{
    return env->ops->make_directory(env, path, error);
}
/**
 * A directory, held so that its entries can be made durable later: whoever changes an entry and must
 * not stop half-way opens it first, for to open is what a shortage of descriptors refuses.
 */
static inline int weir_directory_open(struct weir_env *env, const char *path,
                                      struct weir_file **directory_out, struct weir_error *error)
{
    return env->ops->directory_open(env, path, directory_out, error);
}
/** fsync of a directory: the entries that were made, renamed or removed are durable. */
static inline int weir_directory_sync(struct weir_file *directory, struct weir_error *error)
{
    return directory->env->ops->directory_sync(directory, error);
}
/**
 * A directory, opened and locked itself, so that the lock stays where a file of it that is locked as well is
 * removed. NULL and 0 where the file system locks files only (NFS wants a handle that may write). WEIR_LOCKED as
 * weir_file_lock, or what weir_directory_open gives.
 */
static inline int weir_directory_lock(struct weir_env *env, const char *path,
                                      struct weir_file **directory_out, struct weir_error *error)
{
    struct weir_file *directory = NULL;
    struct weir_error why = {0};
    int rc = weir_directory_open(env, path, &directory, error);
    if (rc < 0) return rc;
    rc = weir_file_lock(directory, &why);
    if (rc < 0) {
        weir_file_close(directory);
        directory = NULL;
    }
    if (rc == WEIR_LOCKED || rc == WEIR_CRASHED) {
        if (error != NULL) *error = why;
        return rc;
    }
    *directory_out = directory;
    return 0;
}
/** Both at once. A shortage: it could not be opened, and nothing was tried. */
static inline int weir_sync_directory(struct weir_env *env, const char *path,
                                      struct weir_error *error)
{
    struct weir_file *directory = NULL;
    int rc = weir_directory_open(env, path, &directory, error);
    if (rc < 0) return rc;
    rc = weir_directory_sync(directory, error);
    weir_file_close(directory);
    return rc;
}
static inline int weir_rename(struct weir_env *env, const char *from, const char *to,
                              struct weir_error *error)
{
    return env->ops->rename(env, from, to, error);
}
/** A file, or an empty directory. */
static inline int weir_remove(struct weir_env *env, const char *path, struct weir_error *error)
{
    return env->ops->remove(env, path, error);
}
/** An empty directory and nothing else: not a file, not a link, whatever it leads to (WEIR_INVALID_ARGUMENT); not
 * one that has something in it (WEIR_EXISTS), not a mount (WEIR_LOCKED). */
static inline int weir_remove_directory(struct weir_env *env, const char *path,
                                        struct weir_error *error)
{
    return env->ops->remove_directory(env, path, error);
}
/** Each entry but `.` and `..`, sorted by bytes; a non-zero return of `each` ends the walk. */
static inline int weir_list(struct weir_env *env, const char *path, weir_list_fn each,
                            void *context, struct weir_error *error)
{
    return env->ops->list(env, path, each, context, error);
}

/* ---- actors ---------------------------------------------------------------------------------- */

/**
 * A message to an actor, embedded in the sender's request object. `handle` runs on the actor's
 * thread, once, in order of arrival per sender.
 */
struct weir_message {
    struct weir_message *next;
    void (*handle)(struct weir_message *message);
};

/**
 * Many senders, one receiver: a stack that the receiver takes whole and turns round. Implementations
 * put it at the start of their actor.
 */
struct weir_mailbox {
    _Atomic(struct weir_message *) head; /* newest first */
};

/** True if the mailbox was empty: the receiver has to be woken. */
static inline bool weir_mailbox_push(struct weir_mailbox *mailbox, struct weir_message *message)
{
    struct weir_message *head = atomic_load_explicit(&mailbox->head, memory_order_relaxed);
    do {
        message->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->head, &head, message,
                                                    memory_order_release, memory_order_relaxed));
    return head == NULL;
}
/** All that has arrived, oldest first; NULL if nothing. The receiver's thread. */
static inline struct weir_message *weir_mailbox_take(struct weir_mailbox *mailbox)
{
    struct weir_message *newest =
        atomic_exchange_explicit(&mailbox->head, NULL, memory_order_acquire);
    struct weir_message *oldest = NULL;
    while (newest != NULL) {
        struct weir_message *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

/**
 * An actor owns its state and is run in turns: its messages are handled, then `run_once` does a
 * bounded amount of work and returns how much (0: nothing to do until a message or the deadline).
 */
struct weir_actor_options {
    const char *name;
    int (*run_once)(void *impl);
    void *impl;
};

struct weir_actor {
    struct weir_env *env;
    struct weir_mailbox mailbox;
};

/** Start it; its first turn comes by itself, and finds `*actor_out` written. Any thread. */
static inline int weir_actor_start(struct weir_env *env, const struct weir_actor_options *options,
                                   struct weir_actor **actor_out, struct weir_error *error)
{
    return env->ops->actor_start(env, options, actor_out, error);
}
/** End it after its current turn, drop what is in the mailbox unhandled, join and free. From any
 * thread but its own. The owner first makes sure that nobody posts any more. */
static inline void weir_actor_stop(struct weir_actor *actor)
{
    if (actor != NULL) actor->env->ops->actor_stop(actor);
}
/** Any thread. */
static inline void weir_actor_post(struct weir_actor *actor, struct weir_message *message)
{
    if (weir_mailbox_push(&actor->mailbox, message)) actor->env->ops->actor_wake(actor);
}
/** The actor's own thread: run a turn at `deadline` at the latest. One deadline per actor, each call
 * replaces the last (WEIR_MONO_NEVER takes it back). */
static inline void weir_actor_wake_at(struct weir_actor *actor, struct weir_mono deadline)
{
    actor->env->ops->actor_wake_at(actor, deadline);
}

/**
 * Work that may block (sync, cold read, compaction, RocksDB): `run` on a background thread, then
 * `done.handle` on `reply_to`. Submit cannot fail; order between works is not defined.
 */
struct weir_work {
    struct weir_message done;
    void (*run)(struct weir_work *work);
    struct weir_actor *reply_to;
    bool is_long; /* more than a sync or a read: such works leave a thread to the others */
};

static inline void weir_work_submit(struct weir_env *env, struct weir_work *work)
{
    env->ops->work_submit(env, work);
}

/**
 * `run(context, index)` for each index below `count`; returns when all have. Beside each other as far as there are
 * threads for it, in any order: for what each waits for the disk, as syncs of many files. On a worker, or where one may
 * block.
 */
static inline void weir_each(struct weir_env *env, size_t count,
                             void (*run)(void *context, size_t index), void *context)
{
    env->ops->each(env, count, run, context);
}

/**
 * Block until `is_done(context)`: for the user's threads, never for an actor's. WEIR_WRONG_THREAD
 * on an actor's or a worker's thread, WEIR_TIMED_OUT at the deadline. `is_done` is called under the
 * environment's lock after each weir_signal; in the simulator, waiting runs the event heap.
 */
static inline int weir_wait(struct weir_env *env, bool (*is_done)(void *context), void *context,
                            struct weir_mono deadline)
{
    return env->ops->wait(env, is_done, context, deadline);
}
/** Something that a weir_wait may be waiting for has changed. Any thread. */
static inline void weir_signal(struct weir_env *env)
{
    env->ops->signal(env);
}
/** False on an actor's or a worker's thread (in the simulator: inside an event). */
static inline bool weir_may_block(struct weir_env *env)
{
    return env->ops->may_block(env);
}

/* ---- the two environments -------------------------------------------------------------------- */

struct weir_env_uv_options {
    int worker_count; /* background threads; 0: 2 */
    struct weir_logger logger;
};

/** The real world. Starts no thread until the first actor or work. Free after all actors stopped. */
int weir_env_uv_new(const struct weir_env_uv_options *options, struct weir_env **env_out,
                    struct weir_error *error);
void weir_env_uv_free(struct weir_env *env); /* NULL is fine */
/** What weir_core_count says of each of them; also where there is none yet. */
int32_t weir_env_uv_core_count(void);

/* The simulated one is in base/env/sim/sim.h. */

#endif
