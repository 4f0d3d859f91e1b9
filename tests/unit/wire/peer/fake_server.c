#include "tests/unit/wire/peer/fake_server.h"

#include <check.h>
#include <stdio.h>

#include "wire/error_codes.h"
#include "wire/generated/api_versions_request.h"
#include "wire/generated/api_versions_response.h"
#include "wire/generated/metadata_request.h"
#include "wire/generated/response_header.h"

int16_t frame_api_key(struct weir_slice frame)
{
    return (int16_t)weir_load_u16(frame.data);
}

int16_t frame_version(struct weir_slice frame)
{
    return (int16_t)weir_load_u16(frame.data + 2);
}

int32_t frame_correlation_id(struct weir_slice frame)
{
    return (int32_t)weir_load_u32(frame.data + 4);
}

/* ---- answering ------------------------------------------------------------------------------- */

static void append_frame(struct fake_server *server, const struct weir_message_type *type,
                         const void *response, int16_t version, int32_t correlation_id)
{
    struct weir_response_header header = {.correlation_id = correlation_id};
    bool is_flexible =
        version >= type->flexible_from && type->api_key != WEIR_WIRE_API_VERSIONS_RESPONSE_API_KEY;
    size_t start = server->out.size;
    uint8_t length[4] = {0};
    weir_buffer_append(&server->out, length, sizeof length);
    ck_assert_int_eq(weir_response_header_encode(&header, is_flexible ? 1 : 0, &server->out), 0);
    ck_assert_int_eq(weir_message_encode(type, response, version, &server->out), 0);
    weir_store_u32(server->out.data + start, (uint32_t)(server->out.size - start - 4));
}

void fake_server_reply(struct fake_server *server, struct weir_slice frame,
                       const struct weir_message_type *type, const void *response,
                       int32_t correlation_id)
{
    append_frame(server, type, response, frame_version(frame),
                 correlation_id >= 0 ? correlation_id : frame_correlation_id(frame));
}

static void answer_versions(struct fake_server *server, struct weir_slice frame)
{
    struct weir_wire_api_versions_response_api_version apis[2] = {
        {WEIR_WIRE_API_VERSIONS_REQUEST_API_KEY, 0, server->versions_version_max},
        {WEIR_WIRE_METADATA_REQUEST_API_KEY, 0, server->metadata_version_max},
    };
    struct weir_wire_api_versions_response response;
    weir_wire_api_versions_response_init(&response);
    response.api_keys = apis;
    response.api_keys_count = server->metadata_version_max >= 0 ? 2 : 1;
    int16_t version = frame_version(frame);
    server->versions_asked[server->versions_asked_count++ % 8] = version;
    if (version > server->versions_version_max) {
        response.error_code = WEIR_WIRE_UNSUPPORTED_VERSION;
        version = 0;
    }
    append_frame(server, &weir_wire_api_versions_response_type, &response, version,
                 frame_correlation_id(frame));
}

static void on_written(void *context, int64_t result)
{
    struct fake_server *server = context;
    server->is_writing = false;
    weir_buffer_reset(&server->going);
    if (result >= 0) fake_server_send(server);
}

void fake_server_send(struct fake_server *server)
{
    if (server->is_writing || server->out.size == 0 || server->socket == NULL) return;
    struct weir_buffer filled = server->out;
    server->out = server->going;
    server->going = filled;
    server->part = (struct weir_iovec){filled.data, filled.size};
    server->is_writing = true;
    weir_socket_write(server->socket, &server->part, 1,
                      (struct weir_socket_done){on_written, server});
}

/* ---- reading --------------------------------------------------------------------------------- */

static void hang_up(struct fake_server *server)
{
    weir_socket_close(server->socket);
    server->socket = NULL;
    server->is_writing = false;
    weir_buffer_reset(&server->in);
    weir_buffer_reset(&server->out);
    weir_buffer_reset(&server->going);
    atomic_store(&server->has_hung_up, true);
    weir_signal(server->actor->env);
}

static void take_frames(struct fake_server *server)
{
    size_t at = 0;
    while (server->socket != NULL && server->in.size - at >= 4) {
        uint32_t size = weir_load_u32(server->in.data + at);
        if (server->in.size - at - 4 < size) break;
        struct weir_slice frame = weir_slice(server->in.data + at + 4, size);
        at += 4 + (size_t)size;
        if (frame_api_key(frame) == WEIR_WIRE_API_VERSIONS_REQUEST_API_KEY) {
            answer_versions(server, frame);
        } else {
            server->request_count++;
            server->answer(server, frame);
        }
    }
    if (server->socket == NULL) return;
    server->in.size -= at;
    memmove(server->in.data, server->in.data + at, server->in.size);
    fake_server_send(server);
}

static void read_more(struct fake_server *server);

static void on_read(void *context, int64_t result)
{
    struct fake_server *server = context;
    if (result <= 0) {
        hang_up(server);
        return;
    }
    server->in.size += (size_t)result;
    take_frames(server);
    if (server->socket != NULL) read_more(server);
}

static void read_more(struct fake_server *server)
{
    ck_assert(weir_buffer_reserve(&server->in, 4096));
    weir_socket_read(server->socket, server->in.data + server->in.size,
                     server->in.capacity - server->in.size,
                     (struct weir_socket_done){on_read, server});
}

static void on_accepted(void *context, struct weir_socket *socket)
{
    struct fake_server *server = context;
    ck_assert_ptr_null(server->socket);
    server->socket = socket;
    atomic_store(&server->has_hung_up, false);
    server->connection_count++;
    read_more(server);
}

void fake_server_listen(void *context)
{
    struct fake_server *server = context;
    struct weir_listen_at at = {.address = server->address};
    weir_buffer_init(&server->in, server->actor->env->budget, 0);
    weir_buffer_init(&server->out, server->actor->env->budget, 0);
    weir_buffer_init(&server->going, server->actor->env->budget, 0);
    server->rc = weir_socket_listen(server->actor, &at, on_accepted, server, &server->listener,
                                    &server->error);
    if (server->rc == 0) {
        snprintf(server->address, sizeof server->address, "%s", server->listener->address);
    }
}

void fake_server_close(void *context)
{
    struct fake_server *server = context;
    hang_up(server);
    weir_listener_close(server->listener);
    server->listener = NULL;
    weir_buffer_close(&server->in);
    weir_buffer_close(&server->out);
    weir_buffer_close(&server->going);
}
