#include <stdio.h>

#include "base/bytes.h"
#include "base/error.h"
#include "server/server_internal.h"
#include "wire/message_decode.h"

/*
 * Requests of a connection in order of arrival. One begins when all before it are answered; only
 * produces may begin behind produces, so that a producer's pipeline shares flushes (Kafka's clients
 * rely on the order of their effects, which partitions keep by themselves, and of the answers,
 * which is kept here).
 */
enum {
    CLIENT_ID_SHOWN = 64,
    /* What decoding may take: a struct is that much larger than its least bytes on the wire. Frames
     * are large by their records, which are not copied, and not by their structs: no request that
     * makes sense has hundreds of thousands of them, and who sends them shall not get sixteen times
     * his bytes of memory and the shard for seconds. */
    DECODE_ROOM = 64 * 1024,
    DECODE_FACTOR = 64,
    DECODE_MAX = 32 * 1024 * 1024,
    /* What its handler may take on top. */
    HANDLER_ROOM = 64 * 1024 * 1024,
};

/* ---- the header ------------------------------------------------------------------------------ */

/* Key, version and correlation id have fixed places in all versions; then the client's name, and
 * tagged fields from the version on that the kind of request says. */
static bool decode_header(struct weir_request_context *context, struct weir_reader *reader)
{
    struct weir_decoder decoder = {.reader = reader, .arena = &context->arena};
    int16_t api_key = weir_decode_int16(&decoder);
    context->version = weir_decode_int16(&decoder);
    context->correlation_id = weir_decode_int32(&decoder);
    context->client_id = weir_decode_plain_string(&decoder, true);
    context->api = weir_api_find(api_key);
    if (reader->failed || context->api == NULL) return !reader->failed;
    decoder.is_flexible = context->version >= context->api->request->flexible_from;
    if (weir_api_takes(context->api, context->version)) weir_decode_no_tags(&decoder);
    return !reader->failed;
}

/* "produce v3 of client 'x'", for the log. */
static void describe(const struct weir_request_context *context, const char *what, char *to,
                     size_t size)
{
    char client[CLIENT_ID_SHOWN + 1] = "";
    struct weir_slice id = context->client_id;
    if (id.size > CLIENT_ID_SHOWN) id.size = CLIENT_ID_SHOWN;
    weir_copy(client, id.data, id.size);
    (void)snprintf(to, size, "%s (request %d version %d, client '%s')", what,
                   (int)(int16_t)weir_load_u16(context->frame->data), (int)context->version,
                   client);
}

static void refuse(struct weir_request_context *context, const char *what)
{
    char reason[256];
    describe(context, what, reason, sizeof reason);
    weir_connection_refuse(context->connection, reason);
}

static void append(struct weir_request_line *line, struct weir_request_context *context)
{
    if (line->last != NULL) {
        line->last->next = context;
    } else {
        line->first = context;
    }
    line->last = context;
    if (line->next_to_begin == NULL) line->next_to_begin = context;
    line->count++;
}

/* NULL, or why it cannot be served. */
static const char *check_header(struct weir_request_context *context)
{
    struct weir_reader reader = weir_reader(weir_slice(context->frame->data, context->frame->size));
    if (!decode_header(context, &reader)) return "malformed request header";
    if (context->api == NULL) return "unknown kind of request";
    context->body = weir_slice(reader.at, weir_reader_left(&reader));
    if (weir_api_takes(context->api, context->version)) return NULL;
    if (context->api->request->api_key != WEIR_API_VERSIONS_KEY) return "unsupported version";
    context->version = 0; /* its answer tells the versions there are */
    context->is_too_new = true;
    return NULL;
}

bool weir_connection_add_request(struct weir_connection *connection, struct weir_shared *frame)
{
    struct weir_server_part *part = connection->part;
    struct weir_request_context *context = weir_context_take(part);
    if (context == NULL) {
        weir_part_return_frame(part, frame);
        weir_connection_refuse(connection, "no memory for its request");
        return false;
    }
    context->connection = connection;
    context->frame = frame;
    context->arrived = connection->last_active;
    const char *wrong = check_header(context);
    if (wrong != NULL) {
        refuse(context, wrong);
        weir_context_give(context);
        return false;
    }
    append(&connection->line, context);
    weir_counter_add(&part->metrics.in_flight, 1);
    return true;
}

/* ---- beginning ------------------------------------------------------------------------------- */

static bool may_begin(struct weir_connection *connection)
{
    const struct weir_request_line *line = &connection->line;
    const struct weir_request_context *next = line->next_to_begin;
    if (next == NULL || weir_connection_is_clogged(connection)) return false;
    if (next == line->first) {
        return !next->api->is_large || weir_connection_may_begin_large(connection);
    }
    /* What has begun before others were answered is of one kind, so the first stands for all. */
    return next->api->may_overlap && next->api == line->first->api;
}

static size_t decode_room(const struct weir_request_context *context)
{
    size_t room = DECODE_ROOM + DECODE_FACTOR * context->frame->size;
    return room < DECODE_MAX ? room : DECODE_MAX;
}

/*
 * False: it is malformed, or there is no memory for it. Bytes behind a whole request are let be, as
 * Kafka does: librdkafka's Metadata 9 to 13 for all topics has three of them (seen with 2.16).
 */
static bool decode_body(struct weir_request_context *context, struct weir_error *error)
{
    const struct weir_message_type *type = context->api->request;
    struct weir_reader body = weir_reader(context->body);
    if (context->is_too_new) return true;
    context->budget.limit = context->budget.used + decode_room(context);
    void *request = weir_arena_alloc(&context->arena, type->struct_size);
    if (request == NULL) {
        (void)weir_error_set(error, WEIR_NO_MEMORY, "no memory to decode it");
        return false;
    }
    int rc = weir_message_decode(type, request, context->version, &body, &context->arena);
    if (rc < 0) {
        (void)weir_error_set(error, (enum weir_code)rc, "%s at byte %zu of %zu", weir_code_text(rc),
                             context->body.size - weir_reader_left(&body), context->body.size);
        return false;
    }
    context->request = request;
    context->budget.limit = context->budget.used + HANDLER_ROOM;
    return true;
}

static void cancel_parked(struct weir_request_context *context)
{
    void (*abandon)(struct weir_request_context *) = context->abandon;
    context->abandon = NULL;
    if (abandon != NULL) abandon(context);
}

static void begin(struct weir_connection *connection)
{
    struct weir_error error = {0};
    struct weir_request_context *context = connection->line.next_to_begin;
    connection->line.next_to_begin = context->next;
    context->is_begun = true;
    connection->part->contexts_out++;
    if (context->api->is_large) connection->part->large_count++;
    if (!decode_body(context, &error)) {
        weir_context_reply_close(context, error.text);
        return;
    }
    context->api->handle(context);
    /* It may be answered by now, but stands in the line until that is collected. */
    bool is_late = connection->state == WEIR_CONNECTION_ENDING;
    if (is_late && !context->is_answered) cancel_parked(context);
}

/* ---- leaving the line ------------------------------------------------------------------------ */

static struct weir_request_context *remove_first(struct weir_request_line *line)
{
    struct weir_request_context *context = line->first;
    line->first = context->next;
    if (line->first == NULL) line->last = NULL;
    if (line->next_to_begin == context) line->next_to_begin = context->next;
    line->count--;
    context->next = NULL;
    return context;
}

/* Queue the answers at the head of the line. */
static void collect(struct weir_connection *connection)
{
    struct weir_request_line *line = &connection->line;
    while (line->first != NULL && line->first->is_answered) {
        struct weir_request_context *context = remove_first(line);
        bool is_end = context->ends_connection;
        if (context->answer != NULL) weir_write_queue_add(&connection->output, context->answer);
        context->answer = NULL;
        weir_counter_add(&connection->part->metrics.in_flight, -1);
        weir_context_give(context);
        if (is_end) {
            weir_connection_abandon_line(connection);
            weir_connection_end(connection);
        }
    }
}

void weir_connection_run_line(struct weir_connection *connection)
{
    collect(connection);
    while (may_begin(connection)) {
        begin(connection);
        collect(connection);
    }
}

void weir_connection_abandon_line(struct weir_connection *connection)
{
    struct weir_request_line *line = &connection->line;
    weir_connection_leave_large(connection);
    while (line->first != NULL) {
        struct weir_request_context *context = remove_first(line);
        weir_counter_add(&connection->part->metrics.in_flight, -1);
        context->connection = NULL;
        if (context->is_begun && !context->is_answered) {
            cancel_parked(context); /* gives itself back when its handler replies */
        } else {
            weir_context_give(context);
        }
    }
}

void weir_connection_cancel_parked(struct weir_connection *connection)
{
    struct weir_request_context *context = connection->line.first;
    for (; context != NULL && context->is_begun; context = context->next) {
        if (!context->is_answered) cancel_parked(context);
    }
}
