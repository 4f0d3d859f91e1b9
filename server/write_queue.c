#include "server/write_queue.h"

#include "base/assert.h"
#include "base/bytes.h"

/* Each answer has something left to send, and what of it is in memory is what is counted. */
static bool is_counted(const struct weir_write_queue *queue)
{
    size_t count = 0;
    size_t memory_bytes = 0;
    for (const struct weir_answer *answer = queue->first; answer != NULL; answer = answer->next) {
        if (answer->piece_at >= answer->piece_count) return false;
        for (size_t i = answer->piece_at; i < answer->piece_count; i++) {
            if (!weir_piece_is_range(&answer->pieces[i]))
                memory_bytes += answer->pieces[i].data_size;
        }
        if (!weir_piece_is_range(&answer->pieces[answer->piece_at])) {
            memory_bytes -= answer->piece_sent;
        }
        count++;
    }
    return count == queue->count && memory_bytes == queue->memory_bytes;
}

void weir_write_queue_check(const struct weir_write_queue *queue)
{
    weir_assert((queue->first == NULL) == (queue->last == NULL));
    weir_assert((queue->first == NULL) == (queue->count == 0));
    weir_assert(queue->last == NULL || queue->last->next == NULL);
    weir_assert(queue->count != 1 || queue->first == queue->last);
    weir_assert(queue->count > 0 || queue->memory_bytes == 0);
    weir_assert_slow(is_counted(queue));
}

void weir_write_queue_add(struct weir_write_queue *queue, struct weir_answer *answer)
{
    weir_assert(answer->next == NULL && answer->size > 0);
    if (queue->last != NULL) {
        queue->last->next = answer;
    } else {
        queue->first = answer;
    }
    queue->last = answer;
    queue->count++;
    queue->memory_bytes += answer->memory_size;
    weir_write_queue_check(queue);
}

/* Add an answer's pieces, from `at` on; false if nothing may follow them in this send. */
static bool gather_answer(const struct weir_answer *answer, struct weir_send *send,
                          struct weir_socket_output *output, size_t *room)
{
    for (size_t i = answer->piece_at; i < answer->piece_count; i++) {
        const struct weir_piece *piece = &answer->pieces[i];
        size_t skip = i == answer->piece_at ? answer->piece_sent : 0;
        size_t size = weir_smaller(weir_piece_size(piece) - skip, *room);
        if (size == 0 || output->part_count == WEIR_SEND_PARTS_MAX) return false;
        if (weir_piece_is_range(piece)) {
            output->file = weir_log_range_file(&piece->range);
            output->position = piece->range.position + (int64_t)skip;
            output->size = (int64_t)size;
            return false;
        }
        send->parts[output->part_count++] = (struct weir_iovec){piece->data + skip, size};
        *room -= size;
    }
    return true;
}

struct weir_socket_output weir_write_queue_gather(const struct weir_write_queue *queue,
                                                  struct weir_send *send)
{
    struct weir_socket_output output = {.parts = send->parts};
    size_t room = WEIR_SEND_SIZE_MAX;
    for (const struct weir_answer *answer = queue->first; answer != NULL; answer = answer->next) {
        if (!gather_answer(answer, send, &output, &room)) break;
    }
    weir_assert(output.part_count > 0 || output.file != NULL);
    return output;
}

const struct weir_log_range *weir_write_queue_range(const struct weir_write_queue *queue)
{
    for (const struct weir_answer *answer = queue->first; answer != NULL; answer = answer->next) {
        for (size_t i = answer->piece_at; i < answer->piece_count; i++) {
            const struct weir_log_range *range = &answer->pieces[i].range;
            if (range->segment != NULL) return range;
        }
    }
    return NULL;
}

static void remove_first(struct weir_write_queue *queue, struct weir_answer_pool *pool)
{
    struct weir_answer *answer = queue->first;
    queue->first = answer->next;
    if (queue->first == NULL) queue->last = NULL;
    queue->count--;
    weir_answer_free(pool, answer);
}

bool weir_write_queue_advance(struct weir_write_queue *queue, struct weir_answer_pool *pool,
                              size_t size)
{
    bool is_true = true;
    while (size > 0) {
        struct weir_answer *answer = queue->first;
        weir_assert(answer != NULL && answer->piece_at < answer->piece_count);
        const struct weir_piece *piece = &answer->pieces[answer->piece_at];
        size_t part = weir_smaller(weir_piece_size(piece) - answer->piece_sent, size);
        if (weir_log_range_was_cut(&piece->range)) is_true = false;
        if (!weir_piece_is_range(piece)) queue->memory_bytes -= part;
        size -= part;
        answer->piece_sent += part;
        if (answer->piece_sent < weir_piece_size(piece)) break;
        weir_answer_release_piece(pool, answer);
        if (answer->piece_at == answer->piece_count) remove_first(queue, pool);
    }
    weir_assert(size == 0);
    weir_write_queue_check(queue);
    return is_true;
}

void weir_write_queue_clear(struct weir_write_queue *queue, struct weir_answer_pool *pool)
{
    while (queue->first != NULL) {
        remove_first(queue, pool);
    }
    queue->memory_bytes = 0;
}
