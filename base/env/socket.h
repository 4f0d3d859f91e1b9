#ifndef WEIR_BASE_ENV_SOCKET_H
#define WEIR_BASE_ENV_SOCKET_H

#include "base/env/env.h"

/**
 * Stream sockets of an environment: TCP in the real one, links that delay, re-chunk, reset and cut in
 * the simulated one.
 *
 * A listener and a socket belong to one actor. All calls are made on its thread, all callbacks come
 * there, never from within the call that asked for them, each followed by a turn of the actor. One
 * read and one write (or send) may be under way per socket; whoever has more to write queues it. What
 * is lent to a call (buffers, parts, the file) is borrowed until its callback or until close: close
 * takes effect at once, and no callback comes after it. What is still open when the actor stops is
 * closed with it.
 *
 * Addresses are numeric: `127.0.0.1:9092`, `[::1]:9092`, `localhost:9092`; port 0 lets the system
 * choose. Looking up a name blocks: a thread that may do so asks weir_look_up first. In the simulator
 * node n is `node-n:9092`.
 *
 * Results: a count, or WEIR_DISCONNECTED (refused, reset, gone), WEIR_TRUNCATED (a file ended before
 * what was to be sent of it), WEIR_IO.
 */
enum { WEIR_ADDRESS_SIZE = 64 };

struct weir_socket;

/** The socket is the callee's from now on. */
typedef void (*weir_accept_fn)(void *context, struct weir_socket *socket);
typedef void (*weir_socket_fn)(void *context, int64_t result);

/* Who is called when something is done. */
struct weir_socket_done {
    weir_socket_fn call;
    void *context;
};

/* What goes out in one go: bytes, then a range of a file (NULL: none). */
struct weir_socket_output {
    const struct weir_iovec *parts;
    size_t part_count;
    struct weir_file *file;
    int64_t position;
    int64_t size;
};

/**
 * What a socket can do, each as the call of its name below says. All members are set.
 *
 * A socket that is made of another one (TLS over TCP) has operations of its own over those of the one
 * below, and stays within the same rules: its callbacks come on its actor's thread and never from
 * within the call that asked for them, which those of the socket below give it. It owns what it wraps,
 * and closes it in its own `close`. Where the actor stops, the environment closes the sockets that it
 * has made itself: whoever has made others closes them before.
 */
struct weir_socket_ops {
    void (*read)(struct weir_socket *socket, void *to, size_t size, struct weir_socket_done done);
    void (*await)(struct weir_socket *socket, struct weir_socket_done done);
    void (*send)(struct weir_socket *socket, const struct weir_socket_output *output,
                 struct weir_socket_done done);
    void (*close)(struct weir_socket *socket);
};

/** What every socket begins with. Read by anybody on the actor's thread, written by who made it. */
struct weir_socket {
    const struct weir_socket_ops *ops;
    struct weir_actor *actor;
    char peer[WEIR_ADDRESS_SIZE];
    char local[WEIR_ADDRESS_SIZE]; /* what the peer connected to; empty until it is connected */
};

struct weir_listener;

struct weir_listener_ops {
    void (*close)(struct weir_listener *listener);
};

/** What every listener begins with. */
struct weir_listener {
    const struct weir_listener_ops *ops;
    struct weir_actor *actor;
    char address[WEIR_ADDRESS_SIZE]; /* with the port it got */
};

/* Where to listen. */
struct weir_listen_at {
    const char *address;
    /* Several listeners, one per actor, may share the address; the system deals connections out
     * among them (SO_REUSEPORT; in the simulator in turn). An address that somebody else listens
     * at is refused all the same: the first of a family of sharers says so with `is_first`. */
    bool is_shared;
    bool is_first;
};

/* Where a host can be reached: addresses to connect to one after the other, or to listen at the first. */
enum { WEIR_ADDRESSES_MAX = 8 };
struct weir_addresses {
    size_t count;
    char texts[WEIR_ADDRESSES_MAX][WEIR_ADDRESS_SIZE];
};

/** The network of an environment: where sockets come from. They go on by their own operations. */
struct weir_network_ops {
    int (*look_up)(struct weir_env *env, const char *host, uint16_t port,
                   struct weir_addresses *found_out, struct weir_error *error);
    int (*may_listen)(struct weir_env *env, const char *address, struct weir_error *error);
    int (*listen)(struct weir_actor *actor, const struct weir_listen_at *at,
                  weir_accept_fn accepted, void *context, struct weir_listener **listener_out,
                  struct weir_error *error);
    int (*connect)(struct weir_actor *actor, const char *address, struct weir_socket_done done,
                   struct weir_socket **socket_out, struct weir_error *error);
};

/**
 * The numeric addresses of `host`, a name or an address without brackets; at least one.
 *
 * Errors:  WEIR_NOT_FOUND (no such host), WEIR_DISCONNECTED (no name server answers: try again).
 * Thread:  one that may block.
 */
static inline int weir_look_up(struct weir_env *env, const char *host, uint16_t port,
                               struct weir_addresses *found_out, struct weir_error *error)
{
    return env->ops->network->look_up(env, host, port, found_out, error);
}
/**
 * Would a listener get `address` just now? Nothing listens there meanwhile or afterwards.
 *
 * Errors:  those of weir_socket_listen.
 * Thread:  any.
 */
static inline int weir_socket_may_listen(struct weir_env *env, const char *address,
                                         struct weir_error *error)
{
    return env->ops->network->may_listen(env, address, error);
}
/**
 * Accept connections at `address`.
 *
 * Errors:  WEIR_INVALID_ARGUMENT (the address), WEIR_LOCKED (in use), WEIR_PERMISSION, WEIR_LIMIT.
 */
static inline int weir_socket_listen(struct weir_actor *actor, const struct weir_listen_at *at,
                                     weir_accept_fn accepted, void *context,
                                     struct weir_listener **listener_out, struct weir_error *error)
{
    return actor->env->ops->network->listen(actor, at, accepted, context, listener_out, error);
}
static inline void weir_listener_close(struct weir_listener *listener) /* NULL is fine */
{
    if (listener != NULL) listener->ops->close(listener);
}
/** `done` gets 0 or a code; the socket may be closed before, and must be closed after a failure. */
static inline int weir_socket_connect(struct weir_actor *actor, const char *address,
                                      struct weir_socket_done done, struct weir_socket **socket_out,
                                      struct weir_error *error)
{
    return actor->env->ops->network->connect(actor, address, done, socket_out, error);
}
/** `done` gets 1 to `size` bytes, 0 at the end of the stream. `size > 0`. */
static inline void weir_socket_read(struct weir_socket *socket, void *to, size_t size,
                                    struct weir_socket_done done)
{
    socket->ops->read(socket, to, size, done);
}
/**
 * Wait until a read would find something: bytes, the end, an error. `done` gets 1. It is the read that
 * is under way, so that a connection that waits for its peer holds no buffer.
 */
static inline void weir_socket_await(struct weir_socket *socket, struct weir_socket_done done)
{
    socket->ops->await(socket, done);
}
/**
 * Send bytes and a range of a file behind them, the file's without a copy of ours. `output` itself is
 * copied, what it points to is borrowed. `done` gets the size of all of it once the system has taken
 * it.
 */
static inline void weir_socket_send(struct weir_socket *socket,
                                    const struct weir_socket_output *output,
                                    struct weir_socket_done done)
{
    socket->ops->send(socket, output, done);
}
static inline void weir_socket_write(struct weir_socket *socket, const struct weir_iovec *parts,
                                     size_t count, struct weir_socket_done done)
{
    struct weir_socket_output output = {.parts = parts, .part_count = count};
    weir_socket_send(socket, &output, done);
}
static inline void weir_socket_send_file(struct weir_socket *socket, struct weir_file *file,
                                         int64_t position, int64_t size,
                                         struct weir_socket_done done)
{
    struct weir_socket_output output = {.file = file, .position = position, .size = size};
    weir_socket_send(socket, &output, done);
}
static inline void weir_socket_close(struct weir_socket *socket) /* NULL is fine */
{
    if (socket != NULL) socket->ops->close(socket);
}

#endif
