#ifndef WEIR_SERVER_WRITE_QUEUE_H
#define WEIR_SERVER_WRITE_QUEUE_H

#include "base/env/socket.h"
#include "server/answer.h"

/**
 * The answers of one connection on their way out, in order. What is in memory goes out in one
 * gather send, as far as it reaches; a file's range goes out together with the bytes in front of
 * it. A send has a bound, so that its end says that the peer is taking bytes.
 */
enum {
    WEIR_SEND_PARTS_MAX = 64,
    WEIR_SEND_SIZE_MAX = 256 * 1024,
};

/* The parts of a send that is under way. */
struct weir_send {
    struct weir_iovec parts[WEIR_SEND_PARTS_MAX];
};

struct weir_write_queue {
    struct weir_answer *first;
    struct weir_answer *last;
    size_t count;
    size_t memory_bytes; /* not yet sent, of what is not in files */
};

static inline bool weir_write_queue_is_empty(const struct weir_write_queue *queue)
{
    return queue->first == NULL;
}
/** Its invariants; the sum of what is unsent only where assertions may be slow. */
void weir_write_queue_check(const struct weir_write_queue *queue);
/** Takes the answer. */
void weir_write_queue_add(struct weir_write_queue *queue, struct weir_answer *answer);
/** What is to go out next; the parts are in `send`, and stay while it is under way. The queue is
 * not empty. */
struct weir_socket_output weir_write_queue_gather(const struct weir_write_queue *queue,
                                                  struct weir_send *send);
/** What of a file the send that is under way ends with; NULL: nothing of one. */
const struct weir_log_range *weir_write_queue_range(const struct weir_write_queue *queue);
/** The system has taken `size` bytes. False: the log was cut under a range that they came from, so
 * they may be others than were promised; nothing must follow them. */
bool weir_write_queue_advance(struct weir_write_queue *queue, struct weir_answer_pool *pool,
                              size_t size);
void weir_write_queue_clear(struct weir_write_queue *queue, struct weir_answer_pool *pool);

#endif
