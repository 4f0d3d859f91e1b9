#ifndef WEIR_BASE_ENV_UV_UV_INTERNAL_H
#define WEIR_BASE_ENV_UV_UV_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#include "base/env/socket.h"

/**
 * What the parts of the real environment share.
 *
 *   uv.c        the environment: clocks, randomness, waiting and signalling
 *   files.c     files and directories
 *   actors.c    actors: a thread and a libuv loop each
 *   work.c      the worker threads for what may block
 *   each.c      their helpers, for many syncs at once
 *   socket.c    sockets on an actor's loop; listener.c those that listen
 *   address.c   their addresses
 *   room.c      whether there is room for more threads and memory
 *
 * Locks: `wait_lock`, `work_lock` and `each_lock` are leaves, no code holds two; `room_lock` is taken before any other. `is_done` of a waiter runs under
 * `wait_lock` and must not call back into the environment.
 */
/* Queued works, oldest first, by their `done`. */
struct weir_env_uv_works {
    struct weir_message *first;
    struct weir_message **last;
};

enum { WEIR_ENV_UV_HELPERS_MAX = 15 };

struct weir_env_uv {
    struct weir_env base;
    struct weir_heap heap;
    struct weir_budget budget;
    struct weir_boot_id boot_id;

    pthread_mutex_t wait_lock;
    pthread_cond_t wait_changed;
    _Atomic unsigned waiter_count; /* a signal costs no lock while it is 0 */

    pthread_mutex_t work_lock;
    pthread_cond_t work_ready;    /* a work was queued, or the pool shall end */
    pthread_cond_t work_returned; /* an actor has no work out any more */
    struct weir_env_uv_works works;
    struct weir_env_uv_works long_works;
    int long_running; /* how many workers have one */
    int passed_over;  /* short works taken while a long one could have begun */
    pthread_t *workers;
    int worker_count;  /* wanted */
    int workers_alive; /* started */
    bool is_work_ending;

    pthread_mutex_t each_lock;
    pthread_cond_t each_ready; /* there is something to begin, or the helpers shall end */
    pthread_cond_t each_ended; /* of one all has ended */
    struct weir_env_uv_each *each_first;
    pthread_t helpers[WEIR_ENV_UV_HELPERS_MAX];
    size_t helper_count; /* started */
    bool is_each_ending;

    pthread_mutex_t room_lock; /* held from weir_room_enter to weir_room_leave */

    _Atomic int actor_count;
};

/* `state` of an actor; moved by atomic exchange, see actors.c. */
enum { WEIR_UV_ACTOR_RUNNING, WEIR_UV_ACTOR_ASLEEP };

struct weir_env_uv_actor {
    struct weir_actor base;
    struct weir_actor_options options; /* `name` points into `name` below */
    char name[16];                     /* the thread's name: the system keeps 15 bytes */
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t timer;
    _Atomic int state;
    _Atomic bool is_stopping;
    struct weir_mono deadline;              /* the actor's own thread */
    struct weir_mono armed;                 /* what `timer` is set to while it is active */
    struct weir_env_uv_socket *sockets;     /* open ones, newest first */
    struct weir_env_uv_socket *ready_first; /* with a result to report, oldest first */
    struct weir_env_uv_socket *ready_last;
    size_t ready_count;
    struct weir_env_uv_listener *listeners;
    int works_out; /* submitted and not yet posted back; under env's work_lock */
};

/** Start a thread of the library: all signals blocked, so that the program's handlers run on the
 * program's threads. Returns an errno. */
int weir_env_uv_thread_start(pthread_t *thread, void *(*run)(void *), void *argument);
/** First call on such a thread. */
void weir_env_uv_thread_enter(const char *name);

int weir_env_uv_file_open(struct weir_env *env, const char *path, unsigned flags,
                          struct weir_file **file_out, struct weir_error *error);
void weir_env_uv_file_close(struct weir_file *file);
int64_t weir_env_uv_file_read(struct weir_file *file, void *to, size_t size, int64_t position,
                              struct weir_error *error);
int weir_env_uv_file_write(struct weir_file *file, const struct weir_iovec *parts, size_t count,
                           int64_t position, struct weir_error *error);
int weir_env_uv_file_sync(struct weir_file *file, struct weir_error *error);
int weir_env_uv_file_truncate(struct weir_file *file, int64_t size, struct weir_error *error);
int weir_env_uv_file_stat(struct weir_file *file, struct weir_file_stat *stat_out,
                          struct weir_error *error);
int weir_env_uv_file_lock(struct weir_file *file, struct weir_error *error);
int weir_env_uv_sync_file_system(struct weir_file *file, struct weir_error *error);
void weir_env_uv_drop_cache(struct weir_file *file, int64_t position, int64_t size);
int64_t weir_env_uv_file_read_cached(struct weir_file *file, void *to, size_t size,
                                     int64_t position);
bool weir_env_uv_file_is_cached(struct weir_file *file, int64_t position, int64_t size);
int weir_env_uv_stat(struct weir_env *env, const char *path, struct weir_file_stat *stat_out,
                     struct weir_error *error);
int weir_env_uv_make_directory(struct weir_env *env, const char *path, struct weir_error *error);
int weir_env_uv_directory_open(struct weir_env *env, const char *path,
                               struct weir_file **directory_out, struct weir_error *error);
int weir_env_uv_directory_sync(struct weir_file *directory, struct weir_error *error);
int64_t weir_env_uv_descriptor_limit(struct weir_env *env);
/** Before the first of its threads: where address space is limited, malloc is to reserve no more of it than it needs. */
void weir_env_uv_keep_room(void);
int weir_env_uv_check_room(struct weir_env *env, size_t bytes, struct weir_error *error);
int weir_env_uv_room_enter(struct weir_env *base, size_t threads, size_t bytes,
                           struct weir_error *error);
void weir_env_uv_room_leave(struct weir_env *base);
int weir_env_uv_rename(struct weir_env *env, const char *from, const char *to,
                       struct weir_error *error);
int weir_env_uv_remove(struct weir_env *env, const char *path, struct weir_error *error);
int weir_env_uv_remove_directory(struct weir_env *env, const char *path, struct weir_error *error);
int weir_env_uv_list(struct weir_env *env, const char *path, weir_list_fn each, void *context,
                     struct weir_error *error);

void weir_env_uv_each(struct weir_env *base, size_t count, void (*run)(void *context, size_t index),
                      void *context);
/** End the helpers; nothing is out any more. */
void weir_env_uv_each_stop(struct weir_env_uv *env);

/** The system's handle of a file of this environment. */
int weir_env_uv_file_handle(const struct weir_file *file);

/** `host:port`, numeric, the host in brackets if it has colons. WEIR_INVALID_ARGUMENT. */
int weir_env_uv_address_parse(const char *address, struct sockaddr_storage *to,
                              socklen_t *size_out);
int weir_env_uv_look_up(struct weir_env *env, const char *host, uint16_t port,
                        struct weir_addresses *found_out, struct weir_error *error);
void weir_env_uv_address_print(char text[WEIR_ADDRESS_SIZE], const struct sockaddr_storage *address,
                               socklen_t size);
/** This end's own address, as far as it has one. */
void weir_env_uv_address_own(char text[WEIR_ADDRESS_SIZE], int fd);
int weir_env_uv_socket_failed(const char *verb, const char *address, int reason,
                              struct weir_error *error);

/** A socket over a connected or connecting handle, which is its own if this succeeds. An errno. */
int weir_env_uv_socket_new(struct weir_env_uv_actor *actor, int fd,
                           struct weir_socket **socket_out);
int weir_env_uv_listen(struct weir_actor *actor, const struct weir_listen_at *at,
                       weir_accept_fn accepted, void *context, struct weir_listener **listener_out,
                       struct weir_error *error);
int weir_env_uv_may_listen(struct weir_env *env, const char *address, struct weir_error *error);
void weir_env_uv_listeners_close(struct weir_env_uv_actor *actor);

extern const struct weir_network_ops weir_env_uv_network_ops;
/** Report the results that are there now. */
void weir_env_uv_sockets_report(struct weir_env_uv_actor *actor);
void weir_env_uv_sockets_close(struct weir_env_uv_actor *actor);

int weir_env_uv_actor_start(struct weir_env *env, const struct weir_actor_options *options,
                            struct weir_actor **actor_out, struct weir_error *error);
void weir_env_uv_actor_stop(struct weir_actor *actor);
void weir_env_uv_actor_wake(struct weir_actor *actor);
void weir_env_uv_actor_wake_at(struct weir_actor *actor, struct weir_mono deadline);

/** Start the workers if they don't run yet. Done before the first actor, so that a submit cannot
 * fail for want of a thread. */
int weir_env_uv_work_start(struct weir_env_uv *env, struct weir_error *error);
void weir_env_uv_work_stop(struct weir_env_uv *env);
void weir_env_uv_work_submit(struct weir_env *env, struct weir_work *work);
/** Wait until no worker will post to `actor` any more. */
void weir_env_uv_work_await(struct weir_env_uv *env, struct weir_env_uv_actor *actor);

#endif
