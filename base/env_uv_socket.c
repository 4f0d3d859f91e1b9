/**
 * Sockets of the real environment: non-blocking system calls, and libuv's poll handle to learn when to
 * try again.
 *
 * A read or write is tried at once. If it cannot go on, the poll handle waits for the socket; if it is
 * finished, the socket joins the actor's list of those with a result, and the actor reports them at
 * its next turn, before its messages: a busy connection costs no trip through epoll.
 */
#include "base/env_uv_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"

enum { PARTS_PER_CALL = 64 };

/* A read, a write or a connect: under way, or with its result. */
struct attempt {
    bool is_under_way;
    bool is_done;
    int64_t result;
    struct weir_socket_done done;
};

struct weir_env_uv_socket {
    struct weir_socket base;
    struct weir_env_uv_socket *next; /* of the actor's open ones */
    struct weir_env_uv_socket *previous;
    struct weir_env_uv_socket *ready_next;
    struct weir_env_uv_socket *ready_previous;
    bool is_ready;
    bool is_closed; /* the memory goes when libuv lets go of `poll` */
    int fd;
    int events; /* what `poll` waits for */
    uv_poll_t poll;
    struct attempt connect;
    struct attempt read;
    struct attempt write;

    void *read_to;
    size_t read_size;

    const struct weir_iovec *parts; /* of a write; NULL: a file is being sent */
    size_t part_count;
    size_t part_index;
    size_t part_offset;
    int64_t written;
    int file_fd;
    off_t file_position;
    int64_t file_left;
};

static struct weir_env_uv_actor *actor_of(const struct weir_socket *socket)
{
    return (struct weir_env_uv_actor *)socket->actor;
}

static int64_t code_of(int reason)
{
    switch (reason) {
    case ECONNRESET:
    case ECONNREFUSED:
    case ECONNABORTED:
    case EPIPE:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
        return WEIR_DISCONNECTED;
    default:
        return WEIR_IO;
    }
}

/* ---- results ---------------------------------------------------------------------------------- */

static void ready_add(struct weir_env_uv_socket *socket)
{
    struct weir_env_uv_actor *actor = actor_of(&socket->base);
    if (socket->is_ready) return;
    socket->is_ready = true;
    socket->ready_next = NULL;
    socket->ready_previous = actor->ready_last;
    *(actor->ready_last != NULL ? &actor->ready_last->ready_next : &actor->ready_first) = socket;
    actor->ready_last = socket;
    actor->ready_count++;
}

static void ready_remove(struct weir_env_uv_socket *socket)
{
    struct weir_env_uv_actor *actor = actor_of(&socket->base);
    struct weir_env_uv_socket *next = socket->ready_next;
    struct weir_env_uv_socket *previous = socket->ready_previous;
    if (!socket->is_ready) return;
    *(previous != NULL ? &previous->ready_next : &actor->ready_first) = next;
    *(next != NULL ? &next->ready_previous : &actor->ready_last) = previous;
    socket->is_ready = false;
    actor->ready_count--;
}

static void attempt_begin(struct attempt *attempt, struct weir_socket_done done)
{
    weir_assert(!attempt->is_under_way);
    weir_assert(!attempt->is_done);
    weir_assert(done.call != NULL);
    *attempt = (struct attempt){.is_under_way = true, .done = done};
}

static void attempt_finish(struct weir_env_uv_socket *socket, struct attempt *attempt,
                           int64_t result)
{
    attempt->is_under_way = false;
    attempt->is_done = true;
    attempt->result = result;
    ready_add(socket);
}

/* The callback may close the socket or begin the next attempt. */
static void attempt_report(const struct weir_env_uv_socket *socket, struct attempt *attempt)
{
    if (socket->is_closed || !attempt->is_done) return;
    attempt->is_done = false;
    attempt->done.call(attempt->done.context, attempt->result);
}

/* Results that come up meanwhile wait for the next turn, so that one socket cannot hold the actor. */
void weir_env_uv_sockets_report(struct weir_env_uv_actor *actor)
{
    for (size_t left = actor->ready_count; left > 0 && actor->ready_first != NULL; left--) {
        struct weir_env_uv_socket *socket = actor->ready_first;
        ready_remove(socket);
        attempt_report(socket, &socket->connect);
        attempt_report(socket, &socket->read);
        attempt_report(socket, &socket->write);
    }
}

/* ---- reading and writing ---------------------------------------------------------------------- */

static void try_connect(struct weir_env_uv_socket *socket)
{
    int reason = 0;
    socklen_t size = sizeof reason;
    (void)getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &reason, &size);
    attempt_finish(socket, &socket->connect, reason == 0 ? 0 : code_of(reason));
}

static void try_read(struct weir_env_uv_socket *socket)
{
    ssize_t got;
    do {
        got = recv(socket->fd, socket->read_to, socket->read_size, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN) return;
    attempt_finish(socket, &socket->read, got >= 0 ? got : code_of(errno));
}

static size_t gather(const struct weir_env_uv_socket *socket, struct iovec vector[PARTS_PER_CALL])
{
    size_t filled = 0;
    size_t offset = socket->part_offset;
    for (size_t i = socket->part_index; i < socket->part_count && filled < PARTS_PER_CALL; i++) {
        const struct weir_iovec *part = &socket->parts[i];
        if (part->size > offset) {
            vector[filled].iov_base = (uint8_t *)(uintptr_t)part->base + offset;
            vector[filled].iov_len = part->size - offset;
            filled++;
        }
        offset = 0;
    }
    return filled;
}

static void advance_parts(struct weir_env_uv_socket *socket, size_t size)
{
    socket->written += (int64_t)size;
    while (size > 0) {
        size_t left = socket->parts[socket->part_index].size - socket->part_offset;
        if (size < left) {
            socket->part_offset += size;
            return;
        }
        size -= left;
        socket->part_index++;
        socket->part_offset = 0;
    }
}

static void try_write_parts(struct weir_env_uv_socket *socket)
{
    struct iovec vector[PARTS_PER_CALL];
    for (;;) {
        size_t filled = gather(socket, vector);
        if (filled == 0) {
            attempt_finish(socket, &socket->write, socket->written);
            return;
        }
        struct msghdr message = {.msg_iov = vector, .msg_iovlen = filled};
        ssize_t put = sendmsg(socket->fd, &message, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno == EAGAIN) return;
        if (put < 0) {
            attempt_finish(socket, &socket->write, code_of(errno));
            return;
        }
        advance_parts(socket, (size_t)put);
    }
}

/* sendfile(2) has no MSG_NOSIGNAL; our threads block SIGPIPE, so a lost peer is EPIPE here too. */
static void try_send_file(struct weir_env_uv_socket *socket)
{
    while (socket->file_left > 0) {
        ssize_t put = sendfile(socket->fd, socket->file_fd, &socket->file_position,
                               (size_t)socket->file_left);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno == EAGAIN) return;
        if (put <= 0) {
            attempt_finish(socket, &socket->write, put == 0 ? WEIR_TRUNCATED : code_of(errno));
            return;
        }
        socket->file_left -= put;
        socket->written += put;
    }
    attempt_finish(socket, &socket->write, socket->written);
}

static void try_write(struct weir_env_uv_socket *socket)
{
    if (socket->parts != NULL) {
        try_write_parts(socket);
    } else {
        try_send_file(socket);
    }
}

/* ---- waiting for the socket ------------------------------------------------------------------- */

static void on_poll(uv_poll_t *poll, int status, int events);

/* Ask libuv for what is still under way, if that has changed. */
static void update_poll(struct weir_env_uv_socket *socket)
{
    int events = 0;
    if (socket->read.is_under_way) events |= UV_READABLE;
    if (socket->write.is_under_way || socket->connect.is_under_way) events |= UV_WRITABLE;
    if (events == socket->events) return;
    socket->events = events;
    int rc =
        events == 0 ? uv_poll_stop(&socket->poll) : uv_poll_start(&socket->poll, events, on_poll);
    weir_assert(rc == 0);
}

/* After an error of the poll itself the calls below find out what it is. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct weir_env_uv_socket *socket = poll->data;
    (void)status;
    (void)events;
    if (socket->connect.is_under_way) {
        try_connect(socket);
    } else {
        if (socket->read.is_under_way) try_read(socket);
        if (socket->write.is_under_way) try_write(socket);
    }
    update_poll(socket);
}

static void socket_read(struct weir_socket *base, void *to, size_t size,
                        struct weir_socket_done done)
{
    struct weir_env_uv_socket *socket = (struct weir_env_uv_socket *)base;
    weir_assert(size > 0);
    attempt_begin(&socket->read, done);
    socket->read_to = to;
    socket->read_size = size;
    try_read(socket);
    update_poll(socket);
}

static void socket_write(struct weir_socket *base, const struct weir_iovec *parts, size_t count,
                         struct weir_socket_done done)
{
    struct weir_env_uv_socket *socket = (struct weir_env_uv_socket *)base;
    weir_assert(parts != NULL);
    attempt_begin(&socket->write, done);
    socket->parts = parts;
    socket->part_count = count;
    socket->part_index = 0;
    socket->part_offset = 0;
    socket->written = 0;
    try_write(socket);
    update_poll(socket);
}

static void socket_send_file(struct weir_socket *base, struct weir_file *file, int64_t position,
                             int64_t size, struct weir_socket_done done)
{
    struct weir_env_uv_socket *socket = (struct weir_env_uv_socket *)base;
    weir_assert(position >= 0 && size >= 0);
    attempt_begin(&socket->write, done);
    socket->parts = NULL;
    socket->file_fd = weir_env_uv_file_handle(file);
    socket->file_position = position;
    socket->file_left = size;
    socket->written = 0;
    try_write(socket);
    update_poll(socket);
}

/* ---- life of a socket ------------------------------------------------------------------------- */

static void on_socket_closed(uv_handle_t *handle)
{
    weir_free(handle->data);
}

static void socket_close(struct weir_socket *base)
{
    struct weir_env_uv_socket *socket = (struct weir_env_uv_socket *)base;
    weir_assert(!socket->is_closed);
    socket->is_closed = true;
    ready_remove(socket);
    *(socket->previous != NULL ? &socket->previous->next : &actor_of(base)->sockets) = socket->next;
    if (socket->next != NULL) socket->next->previous = socket->previous;
    uv_close((uv_handle_t *)&socket->poll, on_socket_closed);
    (void)close(socket->fd);
}

int weir_env_uv_socket_new(struct weir_env_uv_actor *actor, int fd, struct weir_socket **socket_out)
{
    struct weir_env_uv_socket *socket = weir_alloc_zero(actor->base.env->budget, sizeof *socket);
    if (socket == NULL) return ENOMEM;
    int reason = uv_poll_init(&actor->loop, &socket->poll, fd);
    if (reason != 0) {
        weir_free(socket);
        return -reason;
    }
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* for speed only */
    socket->poll.data = socket;
    socket->base.actor = &actor->base;
    socket->fd = fd;
    socket->next = actor->sockets;
    if (actor->sockets != NULL) actor->sockets->previous = socket;
    actor->sockets = socket;
    *socket_out = &socket->base;
    return 0;
}

static int socket_connect(struct weir_actor *base, const char *address,
                          struct weir_socket_done done, struct weir_socket **socket_out,
                          struct weir_error *error)
{
    struct sockaddr_storage to = {0};
    socklen_t size;
    struct weir_socket *opened = NULL;
    if (weir_env_uv_address_parse(address, &to, &size) < 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "connect to '%s': not an address",
                              address);
    }
    int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return weir_env_uv_socket_failed("connect to", address, errno, error);
    int reason = weir_env_uv_socket_new((struct weir_env_uv_actor *)base, fd, &opened);
    if (reason != 0) {
        (void)close(fd);
        return weir_env_uv_socket_failed("connect to", address, reason, error);
    }
    struct weir_env_uv_socket *made = (struct weir_env_uv_socket *)opened;
    (void)snprintf(opened->peer, sizeof opened->peer, "%s", address);
    attempt_begin(&made->connect, done);
    int rc = connect(fd, (const struct sockaddr *)&to, size);
    if (rc != 0 && errno != EINPROGRESS && errno != EINTR) {
        attempt_finish(made, &made->connect, code_of(errno));
    }
    update_poll(made);
    *socket_out = opened;
    return WEIR_OK;
}

/* The actor's thread has ended; what its owner left open goes with it. */
void weir_env_uv_sockets_close(struct weir_env_uv_actor *actor)
{
    while (actor->sockets != NULL) {
        socket_close(&actor->sockets->base);
    }
    weir_env_uv_listeners_close(actor);
}

const struct weir_socket_ops weir_env_uv_socket_ops = {
    .listen = weir_env_uv_listen,
    .listener_close = weir_env_uv_listener_close,
    .connect = socket_connect,
    .read = socket_read,
    .write = socket_write,
    .send_file = socket_send_file,
    .close = socket_close,
};
