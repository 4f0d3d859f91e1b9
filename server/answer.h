#ifndef WEIR_SERVER_ANSWER_H
#define WEIR_SERVER_ANSWER_H

#include <assert.h>
#include <stddef.h>

#include "server/context.h"
#include "server/pool.h"

/**
 * An answer as it goes out: a frame whose bytes lie in several places. Header and fields are
 * encoded into a buffer of its own; records stay where they are, in memory that is held by
 * reference or in a segment's file.
 *
 *      size, header, fields | records | fields | records | fields
 *      `bytes`[0..a)          shared   [a..b)    file     [b..end)
 */
struct weir_piece {
    /* Clients that take nothing have millions of them wait, so the two kinds share their memory. */
    union {
        struct {
            void *no_segment; /* NULL: it is this kind */
            const uint8_t *data;
            size_t data_size;
            struct weir_shared *shared; /* what `data` is in, held; NULL: the answer's bytes */
        };
        struct weir_log_range range; /* in a file */
    };
};
static_assert(offsetof(struct weir_log_range, segment) == 0,
              "a range begins with what tells the kinds apart");

/** In a file, and not in memory. */
static inline bool weir_piece_is_range(const struct weir_piece *piece)
{
    return piece->range.segment != NULL;
}
static inline size_t weir_piece_size(const struct weir_piece *piece)
{
    return weir_piece_is_range(piece) ? (size_t)piece->range.size : piece->data_size;
}

struct weir_answer {
    struct weir_answer *next;
    struct weir_buffer bytes;
    struct weir_piece *pieces;
    size_t piece_count;
    size_t piece_capacity;
    size_t piece_at;    /* the first that has not gone out in full, and how much of it has */
    size_t piece_sent;  /* bytes of it */
    size_t size;        /* of the whole frame */
    size_t memory_size; /* of what is not in files */
    size_t large_size;  /* what it has of the pool's `large_size` */
};

enum { WEIR_ANSWERS_KEEP = 64 }; /* of those that are not in use */

/* Answers are used again with the memory they have, unless that is large. */
struct weir_answer_pool {
    struct weir_budget *budget;
    struct weir_answer *free;
    size_t kept;
    size_t large_size;   /* bytes of large answers that are not gone yet (large_answers.c) */
    size_t records_size; /* of the records in memory that answers hold, until they are sent */
};

void weir_answer_pool_init(struct weir_answer_pool *pool, struct weir_budget *budget);
void weir_answer_pool_close(struct weir_answer_pool *pool);

/**
 * The frame of `response`, and the context's sources go into it if `has_sources`.
 * Errors: as weir_message_encode; WEIR_TOO_LARGE above 2 GiB. Sources that were not taken stay the
 *         context's.
 */
int weir_answer_encode(struct weir_answer_pool *pool, struct weir_request_context *context,
                       const void *response, bool has_sources, struct weir_answer **answer_out);
/** The piece at `piece_at` has gone out: drop what it holds, and on to the next. */
void weir_answer_release_piece(struct weir_answer_pool *pool, struct weir_answer *answer);
/** Drops what it holds. NULL is fine. */
void weir_answer_free(struct weir_answer_pool *pool, struct weir_answer *answer);

/** Drop what a source still holds. */
void weir_records_source_release(struct weir_records_source *source);

#endif
