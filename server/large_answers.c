#include "base/assert.h"
#include "server/server_internal.h"

/*
 * Answers that are as large as what the server has (all groups, all transactions, all settings; not records), and what their
 * handlers gather for them. A client may ask for one with a few bytes, so a few hundred who ask at once would have as many
 * megabytes each in flight. Such a request begins only where few others are with their handlers, of which nobody knows yet
 * how large they will be, and where those that are made and not sent yet are not too many bytes. Else its connection stands
 * in line here, and nobody else notices. Who comes when others wait stands behind them: a client that has the next such
 * request in its line already would otherwise take each place that it gives back.
 *
 *     may begin? ──no──> waits in line ──a handler has answered, an answer is sent or gone──> its turn
 */
enum {
    LARGE_AT_ONCE = 4,
    LARGE_BYTES_MAX = 32 * 1024 * 1024, /* that are made and not gone yet, of a shard */
};

static bool has_room(const struct weir_server_part *part)
{
    return part->large_count < LARGE_AT_ONCE && part->answers.large_size < LARGE_BYTES_MAX;
}

/* Who had its turn, and found that the room was gone by then, stays in front. */
static void stand_in_line(struct weir_connection *connection)
{
    struct weir_connection_list *waiting = &connection->part->waiting_large;
    connection->waits_large = true;
    connection->next_large = NULL;
    if (connection->has_large_turn) {
        connection->next_large = waiting->first;
        waiting->first = connection;
        if (waiting->last == NULL) waiting->last = connection;
    } else {
        *(waiting->last != NULL ? &waiting->last->next_large : &waiting->first) = connection;
        waiting->last = connection;
    }
    connection->has_large_turn = false;
}

bool weir_connection_may_begin_large(struct weir_connection *connection)
{
    const struct weir_connection *first = connection->part->waiting_large.first;
    bool is_next = connection->has_large_turn || first == NULL || first == connection;
    if (is_next && has_room(connection->part)) {
        weir_connection_leave_large(connection);
        connection->has_large_turn = false;
        return true;
    }
    if (!connection->waits_large) stand_in_line(connection);
    return false;
}

void weir_connection_leave_large(struct weir_connection *connection)
{
    struct weir_connection_list *waiting = &connection->part->waiting_large;
    struct weir_connection *before = NULL;
    if (!connection->waits_large) return;
    for (struct weir_connection *at = waiting->first; at != connection; at = at->next_large) {
        before = at;
    }
    *(before != NULL ? &before->next_large : &waiting->first) = connection->next_large;
    if (waiting->last == connection) waiting->last = before;
    connection->waits_large = false;
}

bool weir_part_wake_large(struct weir_server_part *part)
{
    struct weir_connection *first = part->waiting_large.first;
    weir_assert(part->large_count >= 0);
    if (first == NULL || !has_room(part)) return false;
    weir_connection_leave_large(first);
    first->has_large_turn = true;
    weir_connection_make_ready(first);
    return true;
}
