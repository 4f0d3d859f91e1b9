/**
 * Sockets of the real environment: non-blocking system calls, and libuv's poll handle to learn when to
 * try again.
 *
 * Results. What is finished joins the actor's list of sockets with a result, and the actor reports them
 * at its next turn, before its messages: a busy connection costs no trip through epoll.
 *
 * Reads. A read that left room in its buffer has taken all there was, so the next one waits for the
 * poll instead of asking in vain. Behind one that filled it there may be more: who waits without a buffer
 * is told at once, so that the frames that are there come in one turn, as they do through a buffer. A write is tried at once; it seldom has to wait.
 *
 * The poll. To change what it waits for costs libuv two system calls. It is level triggered, so it may
 * stay armed for what nobody wants just now, and mostly somebody does by the time it fires. It is taken
 * back when it fires in vain: at once for writing (a socket is nearly always writable), the second time
 * for reading. A request and its answer then cost a poll, a read and a write, and nothing else.
 */
#include "base/env/uv/uv_internal.h"

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

enum { PARTS_PER_CALL = 64, SENT_PER_TRY = 4 << 20, ROUNDS_PER_TURN = 16 };

/* What a read would find, as far as we know. */
enum readable {
    READABLE_UNKNOWN, /* the poll will tell */
    READABLE_MAYBE,   /* the last read filled its buffer */
    READABLE_SURELY,  /* the poll has told, and nobody has read since */
};

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
    enum readable readable;
    uv_poll_t poll;
    struct attempt connect;
    struct attempt read;
    struct attempt write;

    void *read_to; /* NULL: the read under way only waits */
    size_t read_size;

    struct weir_socket_output output;
    size_t part_index;
    size_t part_offset;
    off_t file_position;
    int64_t file_left;
    int64_t written;
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

/* ---- results --------------------------------------------------------------------------------- */

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

/* Each socket that has a result now. */
static void report_round(struct weir_env_uv_actor *actor)
{
    for (size_t left = actor->ready_count; left > 0 && actor->ready_first != NULL; left--) {
        struct weir_env_uv_socket *socket = actor->ready_first;
        ready_remove(socket);
        attempt_report(socket, &socket->connect);
        attempt_report(socket, &socket->read);
        attempt_report(socket, &socket->write);
    }
}

/* A read that is begun by the report of another may have its result at once: the requests that are there come
 * in one turn, are appended together and answered in one send. What comes up after so many rounds waits
 * for the next turn, so that one socket cannot hold the actor. */
void weir_env_uv_sockets_report(struct weir_env_uv_actor *actor)
{
    for (int round = 0; round < ROUNDS_PER_TURN && actor->ready_count > 0; round++) {
        report_round(actor);
    }
}

/* ---- reading and writing --------------------------------------------------------------------- */

static void try_connect(struct weir_env_uv_socket *socket)
{
    int reason = 0;
    socklen_t size = sizeof reason;
    (void)getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &reason, &size);
    if (reason == 0) weir_env_uv_address_own(socket->base.local, socket->fd);
    attempt_finish(socket, &socket->connect, reason == 0 ? 0 : code_of(reason));
}

/* Is there more behind a read that filled its buffer? The end and an error are found by a read, too. */
static void peek(struct weir_env_uv_socket *socket)
{
    char byte;
    ssize_t got = recv(socket->fd, &byte, sizeof byte, MSG_PEEK);
    bool is_empty = got < 0 && (errno == EAGAIN || errno == EINTR);
    socket->readable = is_empty ? READABLE_UNKNOWN : READABLE_SURELY;
}

static void try_read(struct weir_env_uv_socket *socket)
{
    ssize_t got;
    if (socket->read_to == NULL) {
        if (socket->readable == READABLE_MAYBE) peek(socket);
        if (socket->readable == READABLE_SURELY) attempt_finish(socket, &socket->read, 1);
        return;
    }
    if (socket->readable == READABLE_UNKNOWN) return;
    do {
        got = recv(socket->fd, socket->read_to, socket->read_size, 0);
    } while (got < 0 && errno == EINTR);
    bool is_drained = got < 0 ? errno == EAGAIN : got > 0 && (size_t)got < socket->read_size;
    socket->readable = is_drained ? READABLE_UNKNOWN : READABLE_MAYBE;
    if (got < 0 && errno == EAGAIN) return;
    attempt_finish(socket, &socket->read, got >= 0 ? got : code_of(errno));
}

static size_t gather(const struct weir_env_uv_socket *socket, struct iovec vector[PARTS_PER_CALL])
{
    size_t filled = 0;
    size_t offset = socket->part_offset;
    const struct weir_socket_output *output = &socket->output;
    for (size_t i = socket->part_index; i < output->part_count && filled < PARTS_PER_CALL; i++) {
        const struct weir_iovec *part = &output->parts[i];
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
        size_t left = socket->output.parts[socket->part_index].size - socket->part_offset;
        if (size < left) {
            socket->part_offset += size;
            return;
        }
        size -= left;
        socket->part_index++;
        socket->part_offset = 0;
    }
}

/* True once all parts are on their way; false: the socket is full, or the attempt has failed. What the
 * file brings goes out with them (MSG_MORE): a header does not travel alone. */
static bool send_parts(struct weir_env_uv_socket *socket)
{
    struct iovec vector[PARTS_PER_CALL];
    int flags = MSG_NOSIGNAL | (socket->file_left > 0 ? MSG_MORE : 0);
    for (size_t filled = gather(socket, vector); filled > 0; filled = gather(socket, vector)) {
        struct msghdr message = {.msg_iov = vector, .msg_iovlen = filled};
        ssize_t put = sendmsg(socket->fd, &message, flags);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) {
            if (errno != EAGAIN) attempt_finish(socket, &socket->write, code_of(errno));
            return false;
        }
        advance_parts(socket, (size_t)put);
    }
    return true;
}

/* sendfile(2) has no MSG_NOSIGNAL; our threads block SIGPIPE, so a lost peer is EPIPE here too. A peer
 * that takes as fast as we give must not hold the actor: after some megabytes the poll has its turn. */
static bool send_file(struct weir_env_uv_socket *socket)
{
    int fd = socket->file_left > 0 ? weir_env_uv_file_handle(socket->output.file) : -1;
    size_t may_send = SENT_PER_TRY;
    while (socket->file_left > 0) {
        size_t size = (size_t)socket->file_left < may_send ? (size_t)socket->file_left : may_send;
        if (size == 0) return false;
        ssize_t put = sendfile(socket->fd, fd, &socket->file_position, size);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno == EAGAIN) return false;
        if (put <= 0) {
            attempt_finish(socket, &socket->write, put == 0 ? WEIR_TRUNCATED : code_of(errno));
            return false;
        }
        socket->file_left -= put;
        socket->written += put;
        may_send -= (size_t)put;
    }
    return true;
}

static void try_write(struct weir_env_uv_socket *socket)
{
    if (send_parts(socket) && send_file(socket)) {
        attempt_finish(socket, &socket->write, socket->written);
    }
}

/* ---- waiting for the socket ------------------------------------------------------------------ */

static void on_poll(uv_poll_t *poll, int status, int events);

static int wanted_events(const struct weir_env_uv_socket *socket)
{
    bool writes = socket->write.is_under_way || socket->connect.is_under_way;
    return (socket->read.is_under_way ? UV_READABLE : 0) | (writes ? UV_WRITABLE : 0);
}

static void set_poll(struct weir_env_uv_socket *socket, int events)
{
    if (events == socket->events) return;
    socket->events = events;
    int rc =
        events == 0 ? uv_poll_stop(&socket->poll) : uv_poll_start(&socket->poll, events, on_poll);
    weir_assert(rc == 0);
}

/* See to it that what is under way is waited for. */
static void arm_poll(struct weir_env_uv_socket *socket)
{
    int wanted = wanted_events(socket);
    if ((wanted & ~socket->events) != 0) set_poll(socket, wanted | (socket->events & UV_READABLE));
}

/* `fired` events that nobody wanted: see the file's head. */
static int fired_in_vain(struct weir_env_uv_socket *socket, int fired, int wanted)
{
    int vain = fired & ~wanted;
    if ((vain & UV_READABLE) != 0 && socket->readable != READABLE_SURELY) vain &= ~UV_READABLE;
    return vain;
}

/* After an error of the poll itself, which ends it, the calls below find out what it is. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct weir_env_uv_socket *socket = poll->data;
    int wanted = wanted_events(socket);
    if (status < 0) {
        socket->events = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    int vain = fired_in_vain(socket, events, wanted);
    if ((events & UV_READABLE) != 0) socket->readable = READABLE_SURELY;
    if (socket->connect.is_under_way) {
        try_connect(socket);
    } else {
        if ((events & wanted & UV_READABLE) != 0) try_read(socket);
        if ((events & wanted & UV_WRITABLE) != 0) try_write(socket);
    }
    set_poll(socket, (socket->events & ~vain) | wanted_events(socket));
}

static void socket_read(struct weir_socket *base, void *to, size_t size,
                        struct weir_socket_done done)
{
    struct weir_env_uv_socket *socket = (struct weir_env_uv_socket *)base;
    weir_assert(to != NULL);
    weir_assert(size > 0);
    attempt_begin(&socket->read, done);
    socket->read_to = to;
    socket->read_size = size;
    try_read(socket);
    arm_poll(socket);
}

static void socket_await(struct weir_socket *base, struct weir_socket_done done)
{
    struct weir_env_uv_socket *socket = (struct weir_env_uv_socket *)base;
    attempt_begin(&socket->read, done);
    socket->read_to = NULL;
    try_read(socket);
    arm_poll(socket);
}

static void socket_send(struct weir_socket *base, const struct weir_socket_output *output,
                        struct weir_socket_done done)
{
    struct weir_env_uv_socket *socket = (struct weir_env_uv_socket *)base;
    weir_assert(output->position >= 0 && output->size >= 0);
    weir_assert(output->file != NULL || output->size == 0);
    attempt_begin(&socket->write, done);
    socket->output = *output;
    socket->part_index = 0;
    socket->part_offset = 0;
    socket->file_position = output->position;
    socket->file_left = output->size;
    socket->written = 0;
    try_write(socket);
    arm_poll(socket);
}

/* ---- life of a socket ------------------------------------------------------------------------ */

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

static const struct weir_socket_ops socket_ops = {
    .read = socket_read,
    .await = socket_await,
    .send = socket_send,
    .close = socket_close,
};

int weir_env_uv_socket_new(struct weir_env_uv_actor *actor, int fd, struct weir_socket **socket_out)
{
    struct weir_env_uv_socket *socket = weir_alloc_zero(actor->base.env->budget, sizeof *socket);
    if (socket == NULL) return ENOMEM;
    int reason = uv_poll_init(&actor->loop, &socket->poll, fd);
    if (reason != 0) {
        weir_free(socket);
        return -reason;
    }
    socket->poll.data = socket;
    socket->base.ops = &socket_ops;
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
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* for speed only */
    (void)snprintf(opened->peer, sizeof opened->peer, "%s", address);
    attempt_begin(&made->connect, done);
    int rc = connect(fd, (const struct sockaddr *)&to, size);
    if (rc != 0 && errno != EINPROGRESS && errno != EINTR) {
        attempt_finish(made, &made->connect, code_of(errno));
    }
    arm_poll(made);
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

const struct weir_network_ops weir_env_uv_network_ops = {
    .look_up = weir_env_uv_look_up,
    .may_listen = weir_env_uv_may_listen,
    .listen = weir_env_uv_listen,
    .connect = socket_connect,
};
