/** A client's connection to a Kafka server: opened, and asked. */
#include "wire/peer/remote.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "wire/generated/api_versions_request.h"
#include "wire/peer/remote_internal.h"

enum { REQUESTS_SIZE_MAX = 512 << 20 }; /* encoded and not yet written */

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
        weir_remote_set_open(remote);
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
    weir_remote_free(remote);
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
        weir_remote_free(remote);
        return rc;
    }
    *remote_out = remote;
    return 0;
}

int weir_remote_call(struct weir_remote *remote, struct weir_remote_call *call,
                     struct weir_error *error)
{
    weir_assert(call->done != NULL);
    weir_assert(!remote->is_closed);
    if (remote->state != WEIR_REMOTE_OPEN) {
        return weir_error_set(error, WEIR_CLOSED, "server '%s': the connection is not open",
                              remote->options.address);
    }
    struct weir_version_range range = weir_remote_range(remote, call->request_type);
    int16_t version = call->version >= 0 ? call->version : range.max;
    if (range.min > range.max || version < range.min || version > range.max) {
        return weir_error_set(error, WEIR_UNSUPPORTED_VERSION,
                              "server '%s': no version of %s that both sides know",
                              remote->options.address, call->request_type->name);
    }
    int rc = weir_remote_send(remote, call, version, error);
    return weir_error_wrap(error, rc, "server '%s'", remote->options.address);
}
