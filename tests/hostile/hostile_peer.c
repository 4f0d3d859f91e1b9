#include "tests/hostile/hostile_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"

enum { PATIENCE_MS = 60000, NARROW_BYTES = 4096, API_VERSIONS = 18 };

static int open_peer(const struct hostile_server *server, int receive_bytes)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(server->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(peer, 0);
    if (receive_bytes > 0) {
        ck_assert_int_eq(
            setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes), 0);
    }
    ck_assert_int_eq(connect(peer, (const struct sockaddr *)&address, sizeof address), 0);
    return peer;
}

int peer_open(const struct hostile_server *server)
{
    return open_peer(server, 0);
}

int peer_open_narrow(const struct hostile_server *server)
{
    return open_peer(server, NARROW_BYTES);
}

void peer_close(int peer)
{
    (void)close(peer);
}

void peer_reset(int peer)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(peer, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    (void)close(peer);
}

static void wait_for(int peer, short events)
{
    struct pollfd poll_one = {.fd = peer, .events = events};
    ck_assert_msg(poll(&poll_one, 1, PATIENCE_MS) == 1, "the server says nothing");
}

int64_t peer_push(int peer, const void *bytes, size_t size)
{
    ssize_t sent = send(peer, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

bool peer_send(int peer, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        wait_for(peer, POLLOUT);
        int64_t sent = peer_push(peer, at, size);
        if (sent < 0) return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* Bytes, 0 at the end, which a reset is too; -1: nothing now. */
static int64_t take(int peer, void *to, size_t size)
{
    ssize_t taken = recv(peer, to, size, MSG_DONTWAIT);
    if (taken >= 0) return taken;
    return errno == EAGAIN || errno == EINTR ? -1 : 0;
}

size_t peer_expect_end(int peer)
{
    char dropped[4096];
    size_t total = 0;
    for (;;) {
        wait_for(peer, POLLIN);
        int64_t taken = take(peer, dropped, sizeof dropped);
        if (taken == 0) return total;
        if (taken > 0) total += (size_t)taken;
    }
}

bool peer_has_ended(int peer)
{
    char dropped[4096];
    int64_t taken;
    while ((taken = take(peer, dropped, sizeof dropped)) > 0) {
    }
    return taken == 0;
}

/* ---- frames ---------------------------------------------------------------------------------- */

void peer_encode(struct weir_buffer *bytes, const struct weir_message_type *type, int16_t version,
                 int32_t correlation_id, const void *request)
{
    static const char client[] = "hostile";
    size_t from = bytes->size;
    uint8_t header[14] = {0};
    weir_store_u16(header + 4, (uint16_t)type->api_key);
    weir_store_u16(header + 6, (uint16_t)version);
    weir_store_u32(header + 8, (uint32_t)correlation_id);
    weir_store_u16(header + 12, sizeof client - 1);
    weir_buffer_append(bytes, header, sizeof header);
    weir_buffer_append(bytes, client, sizeof client - 1);
    if (version >= type->flexible_from) weir_buffer_append(bytes, "", 1);
    ck_ok(weir_message_encode(type, request, version, bytes), NULL);
    ck_assert(!bytes->failed);
    weir_store_u32(bytes->data + from, (uint32_t)(bytes->size - from - 4));
}

static bool receive(int peer, uint8_t *to, size_t size)
{
    while (size > 0) {
        wait_for(peer, POLLIN);
        int64_t taken = take(peer, to, size);
        if (taken == 0) return false;
        if (taken < 0) continue;
        to += taken;
        size -= (size_t)taken;
    }
    return true;
}

struct weir_slice peer_frame(struct hostile_server *server, int peer)
{
    uint8_t prefix[4];
    if (!receive(peer, prefix, sizeof prefix)) return weir_null();
    size_t size = weir_load_u32(prefix);
    uint8_t *frame = weir_arena_alloc(&server->arena, size);
    ck_assert_ptr_nonnull(frame);
    ck_assert_msg(receive(peer, frame, size), "the server ended in the middle of an answer");
    return weir_slice(frame, size);
}

void peer_decode(struct hostile_server *server, const struct weir_message_type *type,
                 int16_t version, struct weir_slice frame, void *response_out)
{
    struct weir_error error = {0};
    bool has_tags = version >= type->flexible_from && type->api_key != API_VERSIONS;
    size_t header_size = has_tags ? 5 : 4;
    ck_assert_msg(frame.data != NULL, "%s: the server has closed the connection", type->name);
    ck_assert_uint_ge(frame.size, header_size);
    frame = weir_slice(frame.data + header_size, frame.size - header_size);
    ck_ok(weir_message_decode_whole(type, response_out, version, frame, &server->arena, &error),
          &error);
}

void peer_call(struct hostile_server *server, int peer, struct peer_exchange exchange,
               const void *request, void *response_out)
{
    struct weir_buffer bytes;
    weir_buffer_init(&bytes, &server->budget, 0);
    peer_encode(&bytes, exchange.request_type, exchange.version, 7, request);
    ck_assert_msg(peer_send(peer, bytes.data, bytes.size), "%s: the server has closed",
                  exchange.request_type->name);
    weir_buffer_close(&bytes);
    struct weir_slice frame = peer_frame(server, peer);
    ck_assert_msg(frame.data != NULL, "%s: the server has closed", exchange.request_type->name);
    ck_assert_uint_eq(weir_load_u32(frame.data), 7);
    peer_decode(server, exchange.response_type, exchange.version, frame, response_out);
}
