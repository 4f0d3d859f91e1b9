#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "server/server_internal.h"

/*
 * From bytes to frames. What arrives lands in a head, a buffer that a connection has only while
 * there is something in it; each frame is copied out of it into memory of its own, because the log
 * may keep a frame for good. The rest of a frame that is larger than the head is read straight to
 * its place; from who sends such frames only the beginning of the next is read into the head. A head holds
 * several frames as producers send them: they are appended with one write then, which saves more than their copy costs.
 */
enum {
    HEADER_SIZE_MIN = 10,         /* key, version, correlation id, a null client id */
    READ_TO_FRAME_MIN = 8 * 1024, /* less is read through the head, with what follows it */
    LARGE = WEIR_HEAD_SIZE / 2,   /* of such frames a head would hold one, and for its copy only */
    BEGINNING = 4 * 1024,
    GROWTH = 4,
    BYTES_PER_MS_MIN = 64, /* what is slower for too long is cut off */
};

/* ---- sizes ----------------------------------------------------------------------------------- */

static size_t size_max(const struct weir_server_part *part)
{
    int64_t max = part->config->socket_request_max_bytes;
    if (max > part->config->queued_max_request_bytes) max = part->config->queued_max_request_bytes;
    return (size_t)max;
}

/* What the first four bytes are if they are no size, for the log line. */
static const char *guess_protocol(const uint8_t prefix[4])
{
    if (prefix[0] == 0x16 && prefix[1] == 0x03) return " (a TLS hello; this port is plain)";
    if (memcmp(prefix, "GET ", 4) == 0 || memcmp(prefix, "POST", 4) == 0 ||
        memcmp(prefix, "PUT ", 4) == 0 || memcmp(prefix, "HEAD", 4) == 0) {
        return " (an HTTP request; this port speaks Kafka's protocol)";
    }
    return "";
}

static void refuse_size(struct weir_connection *connection, int32_t size)
{
    char reason[160];
    (void)snprintf(reason, sizeof reason, "frame of %d bytes, not %d to %zu%s", (int)size,
                   HEADER_SIZE_MIN, size_max(connection->part),
                   guess_protocol(connection->incoming.prefix));
    weir_connection_refuse(connection, reason);
}

/* ---- room for a frame ------------------------------------------------------------------------ */

/* A frame of `capacity` that begins with what the old one (if any) holds. False: not now, or the
 * connection has ended. */
static bool make_room(struct weir_connection *connection, size_t capacity)
{
    struct weir_incoming *incoming = &connection->incoming;
    struct weir_server_part *part = connection->part;
    size_t had = incoming->frame != NULL ? incoming->frame->capacity : 0;
    if (!weir_connection_charge(connection, capacity - had)) return false;
    struct weir_shared *frame = weir_shared_new(part->env->budget, capacity);
    if (frame == NULL) {
        weir_counter_add(&part->metrics.frame_bytes, -(int64_t)(capacity - had));
        weir_connection_refuse(connection, "no memory for its request");
        return false;
    }
    if (incoming->frame != NULL) {
        memcpy(frame->data, incoming->frame->data, incoming->frame->size);
        frame->size = incoming->frame->size;
        weir_shared_unref(incoming->frame);
    }
    incoming->frame = frame;
    return true;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static size_t head_left(const struct weir_head *head)
{
    return head != NULL ? head->size - head->from : 0;
}

static void take_from_head(struct weir_head *head, void *to, size_t size)
{
    memcpy(to, head->bytes + head->from, size);
    head->from += size;
}

/* False: it is not whole yet, or no size at all and the connection has ended. */
static bool take_prefix(struct weir_connection *connection)
{
    struct weir_incoming *incoming = &connection->incoming;
    if (incoming->size > 0) return true;
    size_t part =
        weir_smaller(sizeof incoming->prefix - incoming->prefix_size, head_left(connection->head));
    if (part == 0) return false;
    take_from_head(connection->head, incoming->prefix + incoming->prefix_size, part);
    incoming->prefix_size += part;
    if (incoming->seen_at.ns == 0) incoming->seen_at = connection->last_active;
    if (incoming->prefix_size < sizeof incoming->prefix) return false;
    int32_t size = (int32_t)weir_load_u32(incoming->prefix);
    if (size < HEADER_SIZE_MIN || (size_t)size > size_max(connection->part)) {
        refuse_size(connection, size);
        return false;
    }
    incoming->size = (size_t)size;
    return true;
}

/* The bounds on what is taken in before what was taken in has been answered. */
static bool is_bounded(const struct weir_connection *connection)
{
    return connection->line.count >= connection->part->config->max_in_flight_requests ||
           weir_connection_is_clogged(connection);
}

/* A place for a frame, of all its size if there is reason to believe that it comes. */
static bool take_place(struct weir_connection *connection)
{
    struct weir_incoming *incoming = &connection->incoming;
    bool has_waited = connection->state == WEIR_CONNECTION_PAUSED;
    if (is_bounded(connection)) return false;
    if (!make_room(connection, weir_smaller(incoming->size, connection->trust))) return false;
    if (has_waited) incoming->seen_at = weir_mono_now(connection->part->env);
    return true;
}

/* Who has sent so much is believed to send somewhat more. */
static void trust_more(struct weir_connection *connection, size_t size)
{
    size_t trust = size * GROWTH > WEIR_TRUST_SMALL ? size * GROWTH : WEIR_TRUST_SMALL;
    if (connection->trust < trust) connection->trust = trust;
}

static bool finish_frame(struct weir_connection *connection)
{
    struct weir_incoming *incoming = &connection->incoming;
    struct weir_shared *frame = incoming->frame;
    *incoming = (struct weir_incoming){0};
    weir_counter_add(&connection->part->metrics.request_bytes, (int64_t)frame->size + 4);
    trust_more(connection, frame->size);
    connection->last_size = frame->size;
    return weir_connection_add_request(connection, frame);
}

/* What comes next for a connection. */
enum intake { NEEDS_BYTES, PAUSES, HAS_ENDED };

static enum intake not_now(const struct weir_connection *connection)
{
    return connection->state == WEIR_CONNECTION_ENDING ? HAS_ENDED : PAUSES;
}

/* One step; true: there may be more to do, else `*next` says what is to happen. */
static bool take_step(struct weir_connection *connection, enum intake *next, bool *has_request)
{
    struct weir_incoming *incoming = &connection->incoming;
    *next = NEEDS_BYTES;
    if (!take_prefix(connection)) {
        if (connection->state == WEIR_CONNECTION_ENDING) *next = HAS_ENDED;
        return false;
    }
    if (incoming->frame == NULL && !take_place(connection)) {
        *next = not_now(connection);
        return false;
    }
    struct weir_shared *frame = incoming->frame;
    size_t part = weir_smaller(head_left(connection->head), frame->capacity - frame->size);
    if (part > 0) take_from_head(connection->head, frame->data + frame->size, part);
    frame->size += part;
    if (frame->size < frame->capacity) return false;
    if (frame->size < incoming->size) {
        if (make_room(connection, weir_smaller(incoming->size, frame->capacity * GROWTH)))
            return true;
        *next = not_now(connection);
        return false;
    }
    if (!finish_frame(connection)) {
        *next = HAS_ENDED;
        return false;
    }
    *has_request = true;
    return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

static struct weir_connection *connection_of(void *context)
{
    struct weir_connection *connection = context;
    weir_assert(connection->magic == WEIR_CONNECTION_MAGIC);
    return connection;
}

static void give_head(struct weir_connection *connection)
{
    weir_pool_give(&connection->part->heads, connection->head);
    connection->head = NULL;
}

/* Something has arrived, or nothing ever will. */
static void has_read(void *context, int64_t result)
{
    struct weir_connection *connection = connection_of(context);
    if (result < 0) {
        weir_connection_close(connection);
        return;
    }
    weir_connection_make_ready(connection);
    if (connection->state == WEIR_CONNECTION_ENDING) {
        weir_connection_release_input(connection);
        return;
    }
    if (result == 0) { /* what was asked before is still answered */
        weir_connection_set_state(connection, WEIR_CONNECTION_PAUSED);
        weir_connection_end(connection);
        return;
    }
    connection->last_active = weir_mono_now(connection->part->env);
    if (connection->head != NULL) {
        connection->head->size = (size_t)result;
    } else {
        connection->incoming.frame->size += (size_t)result;
    }
    (void)weir_connection_take_in(connection);
}

/* Who has not sent a whole frame yet is not given more room than one gets at first. */
static size_t head_room(const struct weir_connection *connection)
{
    if (connection->last_size == 0) return WEIR_TRUST_FIRST;
    return connection->last_size < LARGE ? WEIR_HEAD_SIZE : BEGINNING;
}

static void read_to_head(struct weir_connection *connection)
{
    weir_assert(connection->head == NULL);
    connection->head = weir_pool_take(&connection->part->heads);
    if (connection->head == NULL) {
        weir_connection_refuse(connection, "no memory to read into");
        return;
    }
    connection->head->from = connection->head->size = 0;
    weir_connection_set_state(connection, WEIR_CONNECTION_READING);
    weir_socket_read(connection->socket, connection->head->bytes, head_room(connection),
                     (struct weir_socket_done){has_read, connection});
}

static void may_read(void *context, int64_t result)
{
    struct weir_connection *connection = connection_of(context);
    if (result < 0) {
        weir_connection_close(connection);
    } else if (connection->state != WEIR_CONNECTION_ENDING) {
        read_to_head(connection);
    }
}

static void ask_for_bytes(struct weir_connection *connection)
{
    struct weir_shared *frame = connection->incoming.frame;
    struct weir_socket_done read_done = {has_read, connection};
    if (frame != NULL && frame->capacity - frame->size >= READ_TO_FRAME_MIN) {
        weir_connection_set_state(connection, WEIR_CONNECTION_READING);
        weir_socket_read(connection->socket, frame->data + frame->size,
                         frame->capacity - frame->size, read_done);
        return;
    }
    weir_connection_set_state(connection, WEIR_CONNECTION_AWAITING);
    weir_socket_await(connection->socket, (struct weir_socket_done){may_read, connection});
}

bool weir_connection_take_in(struct weir_connection *connection)
{
    enum intake next;
    bool has_request = false;
    while (take_step(connection, &next, &has_request)) {
    }
    if (head_left(connection->head) == 0 || next == HAS_ENDED) give_head(connection);
    switch (next) {
    case NEEDS_BYTES:
        ask_for_bytes(connection);
        break;
    case PAUSES:
        weir_connection_set_state(connection, WEIR_CONNECTION_PAUSED);
        break;
    case HAS_ENDED:
        weir_connection_release_input(connection);
        break;
    }
    if (has_request) weir_connection_make_ready(connection);
    return has_request;
}

void weir_connection_release_input(struct weir_connection *connection)
{
    weir_connection_leave_waiting(connection);
    give_head(connection);
    if (connection->incoming.frame != NULL) {
        weir_part_return_frame(connection->part, connection->incoming.frame);
    }
    connection->incoming = (struct weir_incoming){0};
}

struct weir_mono weir_connection_frame_deadline(const struct weir_connection *connection)
{
    const struct weir_incoming *incoming = &connection->incoming;
    bool waits_for_us = connection->state == WEIR_CONNECTION_PAUSED && incoming->frame == NULL;
    if (incoming->seen_at.ns == 0 || waits_for_us) return WEIR_MONO_NEVER;
    return weir_mono_after_ms(incoming->seen_at, connection->part->config->request_read_timeout_ms);
}

bool weir_connection_frame_moves(struct weir_connection *connection, struct weir_mono now)
{
    struct weir_incoming *incoming = &connection->incoming;
    size_t size = incoming->frame != NULL ? incoming->frame->size : 0;
    int64_t ms = (now.ns - incoming->seen_at.ns) / 1000000;
    if ((int64_t)(size - incoming->seen_size) < ms * BYTES_PER_MS_MIN) return false;
    incoming->seen_size = size;
    incoming->seen_at = now;
    return true;
}
