#include "server/context.h"

#include <stdio.h>

#include "base/assert.h"
#include "server/server_internal.h"

enum {
    ARENA_BLOCK = 8 * 1024,
    ARENA_KEEP = 64 * 1024, /* of a context that is used again */
};

/* ---- the pool -------------------------------------------------------------------------------- */

void weir_context_pool_init(struct weir_context_pool *pool, struct weir_budget *budget)
{
    *pool = (struct weir_context_pool){.budget = budget};
}

static void destroy(struct weir_request_context *context)
{
    weir_arena_close(&context->arena);
    weir_free(context);
}

void weir_context_pool_close(struct weir_context_pool *pool)
{
    while (pool->free != NULL) {
        struct weir_request_context *context = pool->free;
        pool->free = context->next;
        destroy(context);
    }
    pool->kept = 0;
}

static struct weir_request_context *new_context(struct weir_context_pool *pool)
{
    struct weir_request_context *context = weir_alloc_zero(pool->budget, sizeof *context);
    if (context == NULL) return NULL;
    weir_budget_init(&context->budget, "request", pool->budget->heap, pool->budget, 0);
    weir_arena_init(&context->arena, &context->budget, ARENA_BLOCK);
    return context;
}

struct weir_request_context *weir_context_take(struct weir_server_part *part)
{
    struct weir_context_pool *pool = &part->contexts;
    struct weir_request_context *context = pool->free;
    if (context != NULL) {
        pool->free = context->next;
        pool->kept--;
        context->next = NULL;
    } else {
        context = new_context(pool);
        if (context == NULL) return NULL;
    }
    context->part = part;
    context->broker = part->broker;
    context->actor = part->actor;
    context->replica_id = -1;
    context->deadline = WEIR_MONO_NEVER;
    context->principal = (struct weir_principal){weir_text("User"), weir_text("ANONYMOUS")};
    return context;
}

/* Everything but the answer goes at once; the answer may have to wait for others. */
static void release_request(struct weir_request_context *context)
{
    for (; context->sources != NULL; context->sources = context->sources->next) {
        weir_records_source_release(context->sources);
    }
    if (context->frame != NULL) weir_part_return_frame(context->part, context->frame);
    context->frame = NULL;
    context->client_id = context->body = weir_null();
    context->request = context->state = NULL;
    context->abandon = NULL;
    weir_arena_reset(&context->arena);
    if (context->budget.used > ARENA_KEEP) weir_arena_close(&context->arena);
    context->budget.limit = 0;
}

void weir_context_give(struct weir_request_context *context)
{
    struct weir_context_pool *pool = &context->part->contexts;
    release_request(context);
    weir_answer_free(&context->part->answers, context->answer);
    if (pool->kept == WEIR_POOL_KEEP) {
        destroy(context);
        return;
    }
    context->answer = NULL;
    context->connection = NULL;
    context->api = NULL;
    context->parked_ns = 0;
    context->is_begun = context->is_answered = context->ends_connection = false;
    context->is_too_new = false;
    context->next = pool->free;
    pool->free = context;
    pool->kept++;
}

/* ---- answering ------------------------------------------------------------------------------- */

static void count_answer(struct weir_request_context *context, int16_t wire_error)
{
    struct weir_part_metrics *metrics = &context->part->metrics;
    struct weir_api_meter *meter = &metrics->apis[weir_api_index(context->api)];
    int64_t ns = weir_mono_now(context->part->env).ns - context->arrived.ns - context->parked_ns;
    weir_counter_add(&metrics->requests, 1);
    weir_counter_add(&meter->requests, 1);
    if (wire_error != 0) weir_counter_add(&meter->errors, 1);
    weir_histogram_add(&meter->latency_us, ns / 1000);
}

/* It is answered. Out of order it waits in its connection's line; without one it is gone. */
static void finish(struct weir_request_context *context)
{
    weir_assert(context->is_begun && !context->is_answered);
    context->is_answered = true;
    context->part->contexts_out--;
    if (context->api->is_large) context->part->large_count--;
    release_request(context);
    if (context->connection != NULL) {
        weir_connection_make_ready(context->connection);
    } else {
        weir_context_give(context);
    }
}

/* Its connection ends instead of its being answered; said as often as the log's gate lets it be. */
static void end_connection(struct weir_request_context *context, const char *reason)
{
    struct weir_server_part *part = context->part;
    char text[WEIR_ERROR_TEXT_SIZE + 256];
    context->ends_connection = true;
    if (context->connection == NULL) return;
    (void)snprintf(
        text, sizeof text, "%s v%d of client '%.*s': %s", context->api->request->name,
        (int)context->version, context->client_id.size < 64 ? (int)context->client_id.size : 64,
        context->client_id.data != NULL ? (const char *)context->client_id.data : "", reason);
    weir_counter_add(&part->metrics.killed, 1);
    weir_part_log(part, &part->kills, "server.connection_killed", context->connection->socket->peer,
                  text);
}

static void reply(struct weir_request_context *context, const void *response, bool has_sources)
{
    char reason[128];
    weir_context_unpark(context);
    count_answer(context, weir_api_error_of(context->api, response));
    if (context->connection != NULL) {
        int rc = weir_answer_encode(&context->part->answers, context, response, has_sources,
                                    &context->answer);
        if (rc < 0) {
            (void)snprintf(reason, sizeof reason, "encode the answer: %s", weir_code_text(rc));
            end_connection(context, reason);
        }
    }
    finish(context);
}

void weir_context_reply(struct weir_request_context *context, const void *response)
{
    reply(context, response, false);
}

void weir_context_reply_records(struct weir_request_context *context, const void *response)
{
    reply(context, response, true);
}

void weir_context_reply_nothing(struct weir_request_context *context)
{
    weir_context_unpark(context);
    count_answer(context, 0);
    finish(context);
}

void weir_context_reply_close(struct weir_request_context *context, const char *reason)
{
    weir_context_unpark(context);
    end_connection(context, reason);
    finish(context);
}

void weir_context_give_source(struct weir_request_context *context,
                              struct weir_records_source *source)
{
    source->next = context->sources;
    context->sources = source;
}

void weir_context_park(struct weir_request_context *context)
{
    weir_assert(!context->is_parked);
    context->is_parked = true;
    context->parked_since = weir_mono_now(context->part->env);
    weir_counter_add(&context->part->metrics.parked, 1);
}

void weir_context_unpark(struct weir_request_context *context)
{
    if (!context->is_parked) return;
    context->is_parked = false;
    context->parked_ns += weir_mono_now(context->part->env).ns - context->parked_since.ns;
    weir_counter_add(&context->part->metrics.parked, -1);
}

/* ---- what a handler may ask ------------------------------------------------------------------ */

bool weir_authorize(const struct weir_request_context *context, enum weir_acl_operation operation,
                    enum weir_acl_resource resource, struct weir_slice name)
{
    (void)operation; /* until there are ACLs everybody may do everything */
    (void)resource;
    (void)name;
    return context->principal.name.data != NULL;
}

/* Without the port, and an address of IPv6 without its brackets. */
struct weir_slice weir_context_client_host(struct weir_request_context *context)
{
    const char *peer = context->connection != NULL ? context->connection->socket->peer : "";
    const char *end = strrchr(peer, ':');
    size_t size = end != NULL ? (size_t)(end - peer) : strlen(peer);
    bool has_brackets = size >= 2 && peer[0] == '[' && peer[size - 1] == ']';
    const char *text = weir_arena_printf(
        &context->arena, "/%.*s", (int)(has_brackets ? size - 2 : size), peer + has_brackets);
    return text != NULL ? weir_text(text) : weir_null();
}

void weir_context_log_refusal(struct weir_request_context *context, const char *reason)
{
    struct weir_server_part *part = context->part;
    char text[WEIR_ERROR_TEXT_SIZE + 256];
    const char *peer = context->connection != NULL ? context->connection->socket->peer : "gone";
    (void)snprintf(
        text, sizeof text, "%s v%d of client '%.*s': %s", context->api->request->name,
        (int)context->version, context->client_id.size < 64 ? (int)context->client_id.size : 64,
        context->client_id.data != NULL ? (const char *)context->client_id.data : "", reason);
    weir_part_log(part, &part->refused_requests, "server.request_refused", peer, text);
}

void weir_context_address(const struct weir_request_context *context, struct weir_slice *host_out,
                          int32_t *port_out)
{
    const struct weir_server *server = context->part->server;
    const struct weir_host_port *address = &server->advertised;
    if (address->host[0] == '\0') {
        bool is_there = context->connection != NULL; /* else nobody will see it */
        address = is_there ? &context->connection->local : &server->listening;
    }
    *host_out = weir_text(address->host);
    *port_out = address->port;
}

const struct weir_server_config *weir_context_config(const struct weir_request_context *context)
{
    return context->part->config;
}

struct weir_part_sessions *weir_context_sessions(const struct weir_request_context *context)
{
    return &context->part->sessions;
}

struct weir_connection_keep *weir_context_keep(const struct weir_request_context *context)
{
    weir_assert(context->connection != NULL);
    return &context->connection->keep;
}

struct weir_budget *weir_context_budget(const struct weir_request_context *context)
{
    return &context->part->budget;
}
