/**
 * A client's connection to a Kafka server: its life, and what goes out.
 *
 * Calls are encoded one behind the other into `pending`. When nothing is being written, what is pending
 * is swapped with `sending` and goes out in one write; what is asked for meanwhile makes up the next.
 *
 * Source: Kafka protocol guide, "Protocol", "Request/Response headers"; KIP-511 for the negotiation.
 */
#include "wire/peer/remote_internal.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/state_table.h"
#include "wire/generated/api_versions_request.h"
#include "wire/generated/api_versions_response.h"
#include "wire/generated/request_header.h"

enum {
    LENGTH_SIZE = 4,
    REQUESTS_SIZE_MAX = 512 << 20, /* encoded and not yet written */
};

/* ---- states ---------------------------------------------------------------------------------- */

#define TO(state) WEIR_STATE_BIT(WEIR_REMOTE_##state)
static const struct weir_state_row rows[] = {
    [WEIR_REMOTE_CONNECTING] = {"connecting", TO(NEGOTIATING) | TO(OPEN) | TO(LOST)},
    [WEIR_REMOTE_NEGOTIATING] = {"negotiating", TO(NEGOTIATING) | TO(OPEN) | TO(LOST)},
    [WEIR_REMOTE_OPEN] = {"open", TO(LOST)},
    [WEIR_REMOTE_LOST] = {"lost", 0},
};
#undef TO
static const struct weir_state_table states = WEIR_STATE_TABLE("connection to", rows);

static void move(struct weir_remote *remote, enum weir_remote_state to)
{
    remote->state = weir_state_move(&states, remote->options.address, remote->state, to);
}

/* ---- calls in lists -------------------------------------------------------------------------- */

static void list_add(struct weir_remote_calls *list, struct weir_remote_call *call)
{
    call->next = NULL;
    *(list->last != NULL ? &list->last->next : &list->first) = call;
    list->last = call;
}

struct weir_remote_call *weir_remote_take(struct weir_remote_calls *list)
{
    struct weir_remote_call *call = list->first;
    if (call == NULL) return NULL;
    list->first = call->next;
    if (list->first == NULL) list->last = NULL;
    return call;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void free_remote(struct weir_remote *remote)
{
    weir_arena_close(&remote->arena);
    weir_buffer_close(&remote->pending);
    weir_buffer_close(&remote->sending);
    weir_buffer_close(&remote->in);
    weir_free((void *)(uintptr_t)remote->options.address);
    weir_free((void *)(uintptr_t)remote->options.client_id);
    weir_free(remote);
}

void weir_remote_enter(struct weir_remote *remote)
{
    remote->depth++;
}

void weir_remote_leave(struct weir_remote *remote)
{
    weir_assert(remote->depth > 0);
    remote->depth--;
    if (remote->depth == 0 && remote->is_closed) free_remote(remote);
}

void weir_remote_close(struct weir_remote *remote)
{
    if (remote == NULL) return;
    weir_assert(!remote->is_closed);
    remote->is_closed = true;
    weir_socket_close(remote->socket);
    remote->socket = NULL;
    if (remote->depth == 0) free_remote(remote);
}

bool weir_remote_is_alive(const struct weir_remote *remote)
{
    return !remote->is_closed && remote->state != WEIR_REMOTE_LOST;
}

/* Entered. */
static void fail_calls(struct weir_remote *remote, struct weir_remote_calls *list, int rc)
{
    struct weir_remote_call *call;
    while (!remote->is_closed && (call = weir_remote_take(list)) != NULL) {
        call->done(call, rc, NULL);
    }
}

void weir_remote_lose(struct weir_remote *remote, int rc, const struct weir_error *error)
{
    if (!weir_remote_is_alive(remote)) return;
    struct weir_error told = *error;
    move(remote, WEIR_REMOTE_LOST);
    weir_socket_close(remote->socket);
    remote->socket = NULL;
    weir_error_wrap(&told, rc, "server '%s'", remote->options.address);
    weir_remote_enter(remote);
    fail_calls(remote, &remote->unanswered_going, rc);
    fail_calls(remote, &remote->unanswered, rc);
    fail_calls(remote, &remote->waiting, rc);
    if (!remote->is_closed) remote->options.changed(remote->options.context, rc, &told);
    weir_remote_leave(remote);
}

/* ---- out ------------------------------------------------------------------------------------- */

static void send_pending(struct weir_remote *remote);

static void on_written(void *context, int64_t result)
{
    struct weir_remote *remote = context;
    struct weir_error error;
    if (result < 0) {
        (void)weir_error_set(&error, (enum weir_code)result, "connection lost while sending");
        weir_remote_lose(remote, (int)result, &error);
        return;
    }
    remote->is_writing = false;
    weir_buffer_reset(&remote->sending);
    weir_remote_enter(remote);
    fail_calls(remote, &remote->unanswered_going, 0);
    if (weir_remote_is_alive(remote)) send_pending(remote);
    weir_remote_leave(remote);
}

static void send_pending(struct weir_remote *remote)
{
    if (remote->is_writing || remote->pending.size == 0) return;
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

static int send_call(struct weir_remote *remote, struct weir_remote_call *call, int16_t version,
                     struct weir_error *error)
{
    int rc = encode_frame(remote, call, version, error);
    if (rc < 0) return rc;
    call->version = version;
    call->correlation_id = (int32_t)remote->next_correlation_id++;
    list_add(call->response_type != NULL ? &remote->waiting : &remote->unanswered, call);
    send_pending(remote);
    return 0;
}

/* ---- versions -------------------------------------------------------------------------------- */

static struct weir_version_range known_range(const struct weir_remote *remote,
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
    struct weir_version_range range = known_range(remote, request);
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

static void set_open(struct weir_remote *remote)
{
    move(remote, WEIR_REMOTE_OPEN);
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
    set_open(remote);
}

int weir_remote_ask_versions(struct weir_remote *remote, int16_t version, struct weir_error *error)
{
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
    move(remote, WEIR_REMOTE_NEGOTIATING);
    int rc = send_call(remote, &remote->negotiation, version, error);
    remote->negotiation.request = NULL;
    return rc;
}

/* ---- the door -------------------------------------------------------------------------------- */

static void on_connected(void *context, int64_t result)
{
    struct weir_remote *remote = context;
    struct weir_error error;
    int rc = (int)result;
    if (rc < 0) {
        (void)weir_error_set(&error, (enum weir_code)rc, "connect: %s", weir_code_text(rc));
        weir_remote_lose(remote, rc, &error);
        return;
    }
    rc = weir_remote_read(remote, 0, &error);
    if (rc == 0 && !remote->options.skips_versions) {
        rc = weir_remote_ask_versions(remote, weir_wire_api_versions_request_type.version_max,
                                      &error);
    }
    if (rc < 0) {
        weir_remote_lose(remote, rc, &error);
    } else if (remote->options.skips_versions) {
        set_open(remote);
    }
}

static char *copy_text(const struct weir_remote_options *options, const char *text)
{
    return weir_alloc_text(options->budget, text, strlen(text));
}

static struct weir_remote *new_remote(const struct weir_remote_options *options)
{
    struct weir_remote *remote = weir_alloc_zero(options->budget, sizeof *remote);
    if (remote == NULL) return NULL;
    remote->options = *options;
    remote->options.address = copy_text(options, options->address);
    if (options->client_id != NULL) {
        remote->options.client_id = copy_text(options, options->client_id);
    }
    weir_arena_init(&remote->arena, options->budget, 0);
    weir_buffer_init(&remote->pending, options->budget, REQUESTS_SIZE_MAX);
    weir_buffer_init(&remote->sending, options->budget, REQUESTS_SIZE_MAX);
    weir_buffer_init(&remote->in, options->budget, 0);
    for (size_t i = 0; i < WEIR_REMOTE_API_KEYS; i++) {
        remote->versions[i] = (struct weir_version_range){0, -1};
    }
    bool has_texts = remote->options.address != NULL &&
                     (options->client_id == NULL || remote->options.client_id != NULL);
    if (has_texts) return remote;
    free_remote(remote);
    return NULL;
}

int weir_remote_open(const struct weir_remote_options *options, struct weir_remote **remote_out,
                     struct weir_error *error)
{
    weir_assert(options->actor != NULL && options->budget != NULL);
    weir_assert(options->changed != NULL);
    struct weir_remote *remote = new_remote(options);
    if (remote == NULL) {
        return weir_error_set(error, WEIR_NO_MEMORY, "server '%s': out of memory",
                              options->address);
    }
    int rc = weir_socket_connect(options->actor, options->address,
                                 (struct weir_socket_done){on_connected, remote}, &remote->socket,
                                 error);
    if (rc < 0) {
        free_remote(remote);
        return rc;
    }
    *remote_out = remote;
    return 0;
}

int weir_remote_call(struct weir_remote *remote, struct weir_remote_call *call,
                     struct weir_error *error)
{
    weir_assert(call->done != NULL);
    if (remote->state != WEIR_REMOTE_OPEN) {
        return weir_error_set(error, WEIR_CLOSED, "server '%s': the connection is not open",
                              remote->options.address);
    }
    struct weir_version_range range = known_range(remote, call->request_type);
    int16_t version = call->version >= 0 ? call->version : range.max;
    if (range.min > range.max || version < range.min || version > range.max) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "server '%s': no version of %s that both sides know",
                              remote->options.address, call->request_type->name);
    }
    int rc = send_call(remote, call, version, error);
    return weir_error_wrap(error, rc, "server '%s'", remote->options.address);
}
