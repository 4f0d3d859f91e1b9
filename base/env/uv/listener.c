/**
 * Listening sockets of the real environment.
 *
 * Sharing. With SO_REUSEPORT whoever has our user id may join the listeners at a port, a second server
 * by mistake included. So the first of a family binds without it, which fails if anybody is there, and
 * turns it on before it listens: Linux looks at the flags of those who have bound already as they are
 * now (inet_csk_bind_conflict), and at listen() for the group to join. No moment is left in between.
 *
 * What is set on a listener is inherited by what it accepts: no call per connection.
 */
#include "base/env/uv/uv_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"

enum { LISTEN_BACKLOG = 512, ACCEPTS_PER_EVENT = 16, PAUSE_MS = 50 };

/* A peer that is gone without a word is noticed after two minutes of silence. */
enum { KEEPALIVE_IDLE_S = 60, KEEPALIVE_INTERVAL_S = 15, KEEPALIVE_COUNT = 4 };

struct weir_env_uv_listener {
    struct weir_listener base;
    struct weir_env_uv_listener *next;
    struct weir_env_uv_listener *previous;
    bool is_closed;
    int fd;
    int spare_fd; /* given up for a moment to turn a connection away when handles run out; -1: lost to
                     somebody else meanwhile */
    uv_poll_t poll;
    uv_timer_t pause; /* runs while there is neither a handle nor a spare one */
    int handles_open;
    weir_accept_fn accepted;
    void *context;
};

static void on_listener_closed(uv_handle_t *handle)
{
    struct weir_env_uv_listener *listener = handle->data;
    if (--listener->handles_open == 0) weir_free(listener);
}

static void listener_close(struct weir_listener *base)
{
    struct weir_env_uv_listener *listener = (struct weir_env_uv_listener *)base;
    struct weir_env_uv_actor *actor = (struct weir_env_uv_actor *)base->actor;
    weir_assert(!listener->is_closed);
    listener->is_closed = true;
    *(listener->previous != NULL ? &listener->previous->next : &actor->listeners) = listener->next;
    if (listener->next != NULL) listener->next->previous = listener->previous;
    uv_close((uv_handle_t *)&listener->poll, on_listener_closed);
    uv_close((uv_handle_t *)&listener->pause, on_listener_closed);
    (void)close(listener->fd);
    if (listener->spare_fd >= 0) (void)close(listener->spare_fd);
}

static void on_listener_poll(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
    struct weir_env_uv_listener *listener = timer->data;
    int rc = 0;
    if (listener->spare_fd < 0) listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (listener->spare_fd >= 0) {
        rc = uv_poll_start(&listener->poll, UV_READABLE, on_listener_poll);
    } else {
        rc = uv_timer_start(timer, on_pause_over, PAUSE_MS, 0);
    }
    weir_assert(rc == 0);
}

/* A connection that cannot be accepted would wake the loop for ever: it is accepted with the spare
 * handle, and closed. Where that went to somebody else in the meantime, the listener rests for a moment;
 * who connects waits in its backlog. */
static void turn_away(struct weir_env_uv_listener *listener)
{
    if (listener->spare_fd >= 0) {
        (void)close(listener->spare_fd);
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) (void)close(fd);
        listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    if (listener->spare_fd >= 0) return;
    (void)uv_poll_stop(&listener->poll);
    int rc = uv_timer_start(&listener->pause, on_pause_over, PAUSE_MS, 0);
    weir_assert(rc == 0);
}

/* False: nothing more to accept now. */
static bool accept_one(struct weir_env_uv_listener *listener)
{
    struct sockaddr_storage from = {0};
    socklen_t size = sizeof from;
    struct weir_socket *made = NULL;
    int fd = accept4(listener->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        int reason = errno;
        if (reason == EMFILE || reason == ENFILE) turn_away(listener);
        return reason == EINTR || reason == ECONNABORTED;
    }
    if (weir_env_uv_socket_new((struct weir_env_uv_actor *)listener->base.actor, fd, &made) != 0) {
        (void)close(fd); /* out of memory: the peer sees a reset and may try again */
        return false;
    }
    weir_env_uv_address_print(made->peer, &from, size);
    weir_env_uv_address_own(made->local, fd);
    listener->accepted(listener->context, made);
    return true;
}

static void on_listener_poll(uv_poll_t *poll, int status, int events)
{
    struct weir_env_uv_listener *listener = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_EVENT && !listener->is_closed; i++) {
        if (!accept_one(listener)) return;
    }
}

static bool set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

static void set_inherited(int fd)
{
    (void)set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    (void)set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    (void)set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    (void)set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
    (void)set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static bool bind_and_listen(int fd, const struct sockaddr_storage *to, socklen_t size,
                            const struct weir_listen_at *at)
{
    bool joins = at->is_shared && !at->is_first;
    bool leads = at->is_shared && at->is_first;
    (void)set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1); /* old connections hold no port */
    set_inherited(fd);
    return (!joins || set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1)) &&
           bind(fd, (const struct sockaddr *)to, size) == 0 &&
           (!leads || set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1)) &&
           listen(fd, LISTEN_BACKLOG) == 0;
}

/* A bound and listening handle, or minus an errno. */
static int listening_handle(const struct sockaddr_storage *to, socklen_t size,
                            const struct weir_listen_at *at)
{
    int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (!bind_and_listen(fd, to, size, at)) {
        int reason = errno;
        (void)close(fd);
        return -reason;
    }
    return fd;
}

/* Bound and let go: without listen() no client is turned away by the look. */
int weir_env_uv_may_listen(struct weir_env *env, const char *address, struct weir_error *error)
{
    struct sockaddr_storage to = {0};
    socklen_t size;
    (void)env;
    if (weir_env_uv_address_parse(address, &to, &size) < 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "listen at '%s': not an address",
                              address);
    }
    int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return weir_env_uv_socket_failed("listen at", address, errno, error);
    (void)set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    int rc = bind(fd, (const struct sockaddr *)&to, size);
    if (rc != 0) rc = weir_env_uv_socket_failed("listen at", address, errno, error);
    (void)close(fd);
    return rc;
}

static const struct weir_listener_ops listener_ops = {
    .close = listener_close,
};

static int new_listener(struct weir_env_uv_actor *actor, int fd,
                        struct weir_env_uv_listener **listener_out)
{
    struct weir_env_uv_listener *made = weir_alloc_zero(actor->base.env->budget, sizeof *made);
    if (made == NULL) return ENOMEM;
    made->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int reason = made->spare_fd < 0 ? errno : -uv_poll_init(&actor->loop, &made->poll, fd);
    if (reason != 0) {
        if (made->spare_fd >= 0) (void)close(made->spare_fd);
        weir_free(made);
        return reason;
    }
    int rc = uv_timer_init(&actor->loop, &made->pause);
    weir_assert(rc == 0);
    made->handles_open = 2;
    made->pause.data = made;
    made->poll.data = made;
    made->base.ops = &listener_ops;
    made->base.actor = &actor->base;
    made->fd = fd;
    made->next = actor->listeners;
    if (actor->listeners != NULL) actor->listeners->previous = made;
    actor->listeners = made;
    *listener_out = made;
    return 0;
}

int weir_env_uv_listen(struct weir_actor *base, const struct weir_listen_at *at,
                       weir_accept_fn accepted, void *context, struct weir_listener **listener_out,
                       struct weir_error *error)
{
    struct sockaddr_storage to = {0};
    socklen_t size;
    struct weir_env_uv_listener *made = NULL;
    if (weir_env_uv_address_parse(at->address, &to, &size) < 0) {
        return weir_error_set(error, WEIR_INVALID_ARGUMENT, "listen at '%s': not an address",
                              at->address);
    }
    int fd = listening_handle(&to, size, at);
    if (fd < 0) return weir_env_uv_socket_failed("listen at", at->address, -fd, error);
    int reason = new_listener((struct weir_env_uv_actor *)base, fd, &made);
    if (reason != 0) {
        (void)close(fd);
        return weir_env_uv_socket_failed("listen at", at->address, reason, error);
    }
    made->accepted = accepted;
    made->context = context;
    weir_env_uv_address_own(made->base.address, fd);
    int rc = uv_poll_start(&made->poll, UV_READABLE, on_listener_poll);
    weir_assert(rc == 0);
    *listener_out = &made->base;
    return WEIR_OK;
}

void weir_env_uv_listeners_close(struct weir_env_uv_actor *actor)
{
    while (actor->listeners != NULL) {
        listener_close(&actor->listeners->base);
    }
}
