/**
 * What goes out, and in which version.
 *
 * Calls are encoded one behind the other into `pending`. When nothing is being written, what is pending
 * is swapped with `sending` and goes out in one write; what is asked for meanwhile makes up the next.
 *
 * Source: Kafka protocol guide, "Protocol", "Request/Response headers"; KIP-511 for the negotiation.
 */
#include "wire/peer/remote_internal.h"

#include "base/assert.h"
#include "base/error.h"
#include "wire/generated/api_versions_request.h"
#include "wire/generated/api_versions_response.h"
#include "wire/generated/request_header.h"

enum { LENGTH_SIZE = 4 };

/* ---- out ------------------------------------------------------------------------------------- */

static void send_pending(struct weir_remote *remote);

static void on_written(void *context, int64_t result)
{
    struct weir_remote *remote = context;
    struct weir_error error;
    weir_assert(remote->is_writing);
    if (result < 0) {
        (void)weir_error_set(&error, (enum weir_code)result, "connection lost while sending");
        weir_remote_lose(remote, (int)result, &error);
        return;
    }
    remote->is_writing = false;
    weir_buffer_reset(&remote->sending);
    weir_remote_enter(remote);
    weir_remote_fail_calls(remote, &remote->unanswered_going, 0);
    if (weir_remote_is_alive(remote)) send_pending(remote);
    weir_remote_leave(remote);
}

static void send_pending(struct weir_remote *remote)
{
    weir_assert(weir_remote_is_alive(remote));
    if (remote->is_writing || remote->pending.size == 0) return;
    weir_assert(remote->sending.size == 0 && remote->unanswered_going.first == NULL);
    struct weir_buffer filled = remote->pending;
    remote->pending = remote->sending;
    remote->sending = filled;
    remote->unanswered_going = remote->unanswered;
    remote->unanswered = (struct weir_remote_calls){0};
    remote->is_writing = true;
    remote->part = (struct weir_iovec){remote->sending.data, remote->sending.size};
    weir_socket_write(remote->socket, &remote->part, 1,
                      (struct weir_socket_done){on_written, remote});
}

static int encode_header(struct weir_remote *remote, const struct weir_remote_call *call,
                         int16_t version)
{
    const char *client_id = remote->options.client_id;
    struct weir_request_header header = {
        .request_api_key = call->request_type->api_key,
        .request_api_version = version,
        .correlation_id = (int32_t)remote->next_correlation_id,
        .client_id = client_id != NULL ? weir_text(client_id) : weir_null(),
    };
    int16_t header_version = version >= call->request_type->flexible_from ? 2 : 1;
    return weir_request_header_encode(&header, header_version, &remote->pending);
}

/* One frame behind what is pending; on failure nothing of it is left there. */
static int encode_frame(struct weir_remote *remote, const struct weir_remote_call *call,
                        int16_t version, struct weir_error *error)
{
    struct weir_buffer *pending = &remote->pending;
    size_t start = pending->size;
    weir_assert(weir_message_has_version(call->request_type, version));
    weir_assert(!pending->failed);
    uint8_t length[LENGTH_SIZE] = {0};
    weir_buffer_append(pending, length, sizeof length);
    int rc = encode_header(remote, call, version);
    if (rc == 0) rc = weir_message_encode(call->request_type, call->request, version, pending);
    if (rc == 0 && pending->failed) rc = WEIR_NO_MEMORY;
    size_t size = pending->size - start - LENGTH_SIZE;
    if (rc == 0 && size > INT32_MAX) rc = WEIR_TOO_LARGE;
    if (rc < 0) {
        pending->size = start;
        pending->failed = false;
        return weir_error_set(error, (enum weir_code)rc, "encode %s, version %d: %s",
                              call->request_type->name, version, weir_code_text(rc));
    }
    weir_store_u32(pending->data + start, (uint32_t)size);
    return 0;
}

int weir_remote_send(struct weir_remote *remote, struct weir_remote_call *call, int16_t version,
                     struct weir_error *error)
{
    int rc = encode_frame(remote, call, version, error);
    if (rc < 0) return rc;
    call->version = version;
    call->correlation_id = (int32_t)remote->next_correlation_id++;
    weir_remote_add(call->response_type != NULL ? &remote->waiting : &remote->unanswered, call);
    send_pending(remote);
    return 0;
}

/* ---- versions -------------------------------------------------------------------------------- */

struct weir_version_range weir_remote_range(const struct weir_remote *remote,
                                            const struct weir_message_type *request)
{
    struct weir_version_range ours = {request->version_min, request->version_max};
    if (remote->options.skips_versions) return ours;
    if (request->api_key < 0 || request->api_key >= WEIR_REMOTE_API_KEYS)
        return (struct weir_version_range){0, -1};
    struct weir_version_range theirs = remote->versions[request->api_key];
    return (struct weir_version_range){
        .min = ours.min > theirs.min ? ours.min : theirs.min,
        .max = ours.max < theirs.max ? ours.max : theirs.max,
    };
}

int16_t weir_remote_version(const struct weir_remote *remote,
                            const struct weir_message_type *request)
{
    struct weir_version_range range = weir_remote_range(remote, request);
    return range.min <= range.max ? range.max : -1;
}

static void note_versions(struct weir_remote *remote,
                          const struct weir_wire_api_versions_response *response)
{
    for (size_t i = 0; i < response->api_keys_count; i++) {
        const struct weir_wire_api_versions_response_api_version *api = &response->api_keys[i];
        if (api->api_key < 0 || api->api_key >= WEIR_REMOTE_API_KEYS) continue;
        remote->versions[api->api_key] =
            (struct weir_version_range){api->min_version, api->max_version};
    }
}

void weir_remote_set_open(struct weir_remote *remote)
{
    weir_remote_move(remote, WEIR_REMOTE_OPEN);
    weir_remote_enter(remote);
    remote->options.changed(remote->options.context, 0, NULL);
    weir_remote_leave(remote);
}

/* A failure comes with the loss of the connection, which says more. */
static void on_versions(struct weir_remote_call *call, int rc, const void *answer)
{
    struct weir_remote *remote = call->context;
    const struct weir_wire_api_versions_response *response = answer;
    struct weir_error error;
    if (rc < 0) return;
    if (response->error_code != WEIR_WIRE_NONE) {
        rc = weir_code_of_wire_error(response->error_code);
        (void)weir_error_set(&error, (enum weir_code)rc, "refused to tell its versions: %s",
                             weir_wire_error_name(response->error_code));
        weir_remote_lose(remote, rc, &error);
        return;
    }
    note_versions(remote, response);
    weir_remote_set_open(remote);
}

int weir_remote_ask_versions(struct weir_remote *remote, int16_t version, struct weir_error *error)
{
    weir_assert(!remote->options.skips_versions);
    struct weir_wire_api_versions_request request;
    weir_wire_api_versions_request_init(&request);
    request.client_software_name = weir_text("weir");
    request.client_software_version = weir_text("1");
    remote->negotiation = (struct weir_remote_call){
        .request_type = &weir_wire_api_versions_request_type,
        .response_type = &weir_wire_api_versions_response_type,
        .request = &request,
        .done = on_versions,
        .context = remote,
    };
    weir_remote_move(remote, WEIR_REMOTE_NEGOTIATING);
    int rc = weir_remote_send(remote, &remote->negotiation, version, error);
    remote->negotiation.request = NULL;
    return rc;
}
