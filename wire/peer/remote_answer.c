/**
 * What a server answers: one buffer, from which whole frames are taken. An answer belongs to the oldest
 * call that waits for one; a server that answers anything else has lost its place, and the connection
 * ends.
 *
 * Source: Kafka protocol guide, "Response Header"; KIP-511 for the answer to an unknown version.
 */
#include "wire/peer/remote_internal.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "wire/generated/api_versions_request.h"
#include "wire/generated/response_header.h"

enum {
    API_VERSIONS_KEY = WEIR_WIRE_API_VERSIONS_REQUEST_API_KEY,
    LENGTH_SIZE = 4,
    FRAME_SIZE_MIN = 4, /* the correlation id */
    READ_SIZE = 16 * 1024,
    RESPONSE_SIZE_MAX = 128 << 20,
};

/* A server that does not know the version says so in version 0, whatever it was asked in; every version's
 * answer begins with the error. */
static bool is_version_refused(const struct weir_remote *remote,
                               const struct weir_remote_call *call, struct weir_reader body)
{
    return call == &remote->negotiation && call->version > 0 &&
           (int16_t)weir_reader_u16(&body) == WEIR_WIRE_UNSUPPORTED_VERSION;
}

static int check_correlation(const struct weir_remote_call *call, int32_t correlation_id,
                             struct weir_error *error)
{
    if (call == NULL) {
        return weir_error_set(error, WEIR_CORRUPT,
                              "an answer (to request %d) that nobody waits for", correlation_id);
    }
    if (call->correlation_id == correlation_id) return 0;
    return weir_error_set(error, WEIR_CORRUPT, "an answer to request %d where %d (%s) was due",
                          correlation_id, call->correlation_id, call->request_type->name);
}

/* The body behind its header; ApiVersions has the old one in every version, so that a client that
 * guessed too high can read the refusal. */
static int read_header(const struct weir_remote_call *call, struct weir_reader *reader,
                       struct weir_arena *arena, struct weir_error *error)
{
    struct weir_response_header header;
    bool is_flexible = call->version >= call->response_type->flexible_from &&
                       call->request_type->api_key != API_VERSIONS_KEY;
    int rc = weir_response_header_decode(&header, is_flexible ? 1 : 0, reader, arena);
    if (rc == 0) return 0;
    return weir_error_set(error, (enum weir_code)rc, "header of %s: %s", call->response_type->name,
                          weir_code_text(rc));
}

/* The answer's struct, in the call's arena or ours. */
static int decode_answer(struct weir_remote *remote, const struct weir_remote_call *call,
                         struct weir_slice frame, const void **response_out,
                         struct weir_error *error)
{
    weir_assert(call->response_type != NULL); /* others do not wait */
    struct weir_arena *arena = call->arena != NULL ? call->arena : &remote->arena;
    if (call->arena != NULL) frame = weir_arena_copy(arena, frame);
    void *response = weir_arena_alloc(arena, call->response_type->struct_size);
    if (weir_arena_failed(arena)) {
        return weir_error_set(error, WEIR_NO_MEMORY, "%s: out of memory",
                              call->response_type->name);
    }
    struct weir_reader reader = weir_reader(frame);
    int rc = read_header(call, &reader, arena, error);
    if (rc < 0) return rc;
    struct weir_slice body = weir_slice(reader.at, weir_reader_left(&reader));
    rc =
        weir_message_decode_whole(call->response_type, response, call->version, body, arena, error);
    if (rc < 0) return rc;
    *response_out = response;
    return 0;
}

/* Entered. */
static int answer(struct weir_remote *remote, struct weir_slice frame, struct weir_error *error)
{
    const void *response = NULL;
    struct weir_reader reader = weir_reader(frame);
    weir_assert(remote->depth > 0);
    int32_t correlation_id = (int32_t)weir_reader_u32(&reader);
    if (reader.failed)
        return weir_error_set(error, WEIR_CORRUPT, "a frame of %zu bytes", frame.size);
    int rc = check_correlation(remote->waiting.first, correlation_id, error);
    if (rc < 0) return rc;

    struct weir_remote_call *call = remote->waiting.first;
    if (is_version_refused(remote, call, reader)) {
        (void)weir_remote_take(&remote->waiting);
        return weir_remote_ask_versions(remote, 0, error);
    }
    weir_arena_reset(&remote->arena);
    rc = decode_answer(remote, call, frame, &response, error);
    if (rc < 0) return rc; /* the call is still waiting, and hears of the loss */
    (void)weir_remote_take(&remote->waiting);
    call->done(call, 0, response);
    return 0;
}

static size_t response_size_max(const struct weir_remote *remote)
{
    size_t bound = remote->options.response_size_max;
    return bound != 0 ? bound : RESPONSE_SIZE_MAX;
}

/* The next frame's size with its length field, or LENGTH_SIZE while that is not known. */
static int frame_size(const struct weir_remote *remote, size_t at, size_t *size_out,
                      struct weir_error *error)
{
    weir_assert(at <= remote->in.size);
    *size_out = LENGTH_SIZE;
    if (remote->in.size - at < LENGTH_SIZE) return 0;
    uint32_t size = weir_load_u32(remote->in.data + at);
    if (size > INT32_MAX || size < FRAME_SIZE_MIN) {
        return weir_error_set(error, WEIR_CORRUPT, "a frame of %u bytes: not a Kafka server", size);
    }
    if (size > response_size_max(remote)) {
        const char *hint = remote->state == WEIR_REMOTE_NEGOTIATING
                               ? "; is it a Kafka port, and without TLS?"
                               : "";
        return weir_error_set(error, WEIR_TOO_LARGE,
                              "an answer of %u bytes, over the %zu allowed%s", size,
                              response_size_max(remote), hint);
    }
    *size_out = LENGTH_SIZE + (size_t)size;
    return 0;
}

/* Keep what is behind `at`, the beginning of a frame that is not whole. */
static void forget_answered(struct weir_buffer *in, size_t at)
{
    weir_assert(at <= in->size);
    if (at == 0) return;
    in->size -= at;
    memmove(in->data, in->data + at, in->size);
}

/* Answer all whole frames. Entered. `needed_out` is the size of the frame that is begun. */
static int answer_all(struct weir_remote *remote, size_t *needed_out, struct weir_error *error)
{
    size_t at = 0;
    for (;;) {
        int rc = frame_size(remote, at, needed_out, error);
        if (rc < 0) return rc;
        if (*needed_out == LENGTH_SIZE || remote->in.size - at < *needed_out) break;
        struct weir_slice frame =
            weir_slice(remote->in.data + at + LENGTH_SIZE, *needed_out - LENGTH_SIZE);
        rc = answer(remote, frame, error);
        if (rc < 0) return rc;
        if (!weir_remote_is_alive(remote)) return 0;
        at += *needed_out;
    }
    forget_answered(&remote->in, at);
    return 0;
}

static void on_read(void *context, int64_t result)
{
    struct weir_remote *remote = context;
    struct weir_error error;
    size_t needed = 0;
    weir_assert(result <= 0 || (size_t)result <= remote->in.capacity - remote->in.size);
    if (result <= 0) {
        int rc = result == 0 ? WEIR_DISCONNECTED : (int)result;
        (void)weir_error_set(&error, (enum weir_code)rc, "%s",
                             result == 0 ? "it closed the connection" : "connection lost");
        weir_remote_lose(remote, rc, &error);
        return;
    }
    remote->in.size += (size_t)result;
    weir_remote_enter(remote);
    int rc = answer_all(remote, &needed, &error);
    if (rc == 0 && weir_remote_is_alive(remote)) {
        rc = weir_remote_read(remote, needed, &error);
    }
    if (rc < 0) weir_remote_lose(remote, rc, &error);
    weir_remote_leave(remote);
}

/* Room for the rest of a frame of `needed` bytes, or for some small ones. */
int weir_remote_read(struct weir_remote *remote, size_t needed, struct weir_error *error)
{
    struct weir_buffer *in = &remote->in;
    weir_assert(weir_remote_is_alive(remote));
    size_t left = needed > in->size ? needed - in->size : 0;
    if (!weir_buffer_reserve(in, left > READ_SIZE ? left : READ_SIZE)) {
        return weir_error_set(error, WEIR_NO_MEMORY, "an answer of %zu bytes: out of memory",
                              needed);
    }
    weir_socket_read(remote->socket, in->data + in->size, in->capacity - in->size,
                     (struct weir_socket_done){on_read, remote});
    return 0;
}
