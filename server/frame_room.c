#include "base/assert.h"
#include "server/server_internal.h"

/*
 * Room for the frames of all connections of a part: queued.max.request.bytes. Who finds none waits
 * in line; what is given back goes to the first.
 *
 * Frames that stand still must not keep everybody else out until their deadlines: a part of the
 * room is for small requests alone, and when somebody has waited for long, the frame that has stood
 * still for longest loses its connection, then the next.
 */
enum {
    RESERVE_SHARE = 8, /* an eighth of the room comes on top, for small requests */
    WAIT_MS = 1000,    /* after which room is made; and what stands still for so long may go */
    RELIEF_INTERVAL_MS = 100,
};

static void wait_for_room(struct weir_connection *connection)
{
    struct weir_server_part *part = connection->part;
    struct weir_connection_list *waiting = &part->waiting;
    if (connection->is_waiting) return;
    connection->is_waiting = true;
    connection->waits_since = weir_mono_now(part->env);
    connection->next_waiting = NULL;
    if (waiting->last != NULL) {
        waiting->last->next_waiting = connection;
    } else {
        waiting->first = connection;
    }
    waiting->last = connection;
    weir_part_sweep_by(part, weir_mono_after_ms(connection->waits_since, WAIT_MS));
}

/* The next one has a look. */
void weir_connection_leave_waiting(struct weir_connection *connection)
{
    struct weir_connection_list *waiting = &connection->part->waiting;
    struct weir_connection *before = NULL;
    if (!connection->is_waiting) return;
    for (struct weir_connection *at = waiting->first; at != connection; at = at->next_waiting) {
        before = at;
    }
    if (before != NULL) {
        before->next_waiting = connection->next_waiting;
    } else {
        waiting->first = connection->next_waiting;
    }
    if (waiting->last == connection) waiting->last = before;
    connection->is_waiting = false;
    if (waiting->first != NULL) weir_connection_make_ready(waiting->first);
}

/* First come, first served, but small ones need not stand behind large ones. */
static bool has_room(const struct weir_connection *connection, size_t size)
{
    const struct weir_server_part *part = connection->part;
    int64_t room = part->config->queued_max_request_bytes;
    int64_t used = weir_counter_get(&part->metrics.frame_bytes);
    bool is_first = part->waiting.first == NULL || part->waiting.first == connection;
    if (connection->incoming.size <= WEIR_TRUST_FIRST) {
        room += room / RESERVE_SHARE;
        is_first = true;
    }
    return is_first && (int64_t)size <= room - used;
}

bool weir_connection_charge(struct weir_connection *connection, size_t size)
{
    if (!has_room(connection, size)) {
        wait_for_room(connection);
        return false;
    }
    weir_counter_add(&connection->part->metrics.frame_bytes, (int64_t)size);
    weir_connection_leave_waiting(connection);
    return true;
}

void weir_part_return_frame(struct weir_server_part *part, struct weir_shared *frame)
{
    weir_counter_add(&part->metrics.frame_bytes, -(int64_t)frame->capacity);
    weir_shared_unref(frame);
    if (part->waiting.first != NULL) weir_connection_make_ready(part->waiting.first);
}

static bool stands_still(struct weir_connection *connection, struct weir_mono now)
{
    const struct weir_incoming *incoming = &connection->incoming;
    return incoming->frame != NULL && weir_mono_after_ms(incoming->seen_at, WAIT_MS).ns <= now.ns &&
           !weir_connection_frame_moves(connection, now);
}

void weir_part_relieve(struct weir_server_part *part, struct weir_mono now)
{
    struct weir_connection *oldest = NULL;
    struct weir_connection *connection = part->connections;
    if (part->waiting.first == NULL) return;
    struct weir_mono due = weir_mono_after_ms(part->waiting.first->waits_since, WAIT_MS);
    if (due.ns > now.ns) {
        weir_part_sweep_by(part, due);
        return;
    }
    for (; connection != NULL; connection = connection->next) {
        if (!stands_still(connection, now)) continue;
        bool is_older =
            oldest == NULL || connection->incoming.seen_at.ns <= oldest->incoming.seen_at.ns;
        if (is_older) oldest = connection;
    }
    if (oldest != NULL) {
        weir_connection_refuse(oldest, "its request does not arrive, and others wait for its room");
        weir_connection_close(oldest);
    }
    weir_part_sweep_by(part, weir_mono_after_ms(now, RELIEF_INTERVAL_MS));
}
