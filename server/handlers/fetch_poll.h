#ifndef WEIR_SERVER_HANDLERS_FETCH_POLL_H
#define WEIR_SERVER_HANDLERS_FETCH_POLL_H

#include "server/handlers/fetch_interest.h"
#include "wire/generated/fetch_request.h"

/**
 * One fetch under way: it gathers what the partitions of its interest that are due have to give,
 * and when that is too little, waits for more.
 *
 *   begin ──> gathering ──all back──> enough? ──yes──> answer
 *                 ^                      │ no
 *                 │                      v
 *                 └─ something there, ─ parked
 *                    or the deadline
 *
 * How much it gathers is bounded: `size_max` bytes in all, of which the first batch may be larger
 * (KIP-74); WEIR_FETCH_MEMORY_MAX bytes from memory, beyond which one more wave may be out. What
 * did not fit is first in line the next time.
 *
 * To wait for `size_min` bytes, n partitions share what is missing: one of them must take in an
 * n-th of it at least. Each that has something is watched for that much more, each other for its
 * first byte. So nothing is looked at for every batch that comes in, and no moment is missed.
 */
enum {
    WEIR_FETCH_MEMORY_MAX = 1024 * 1024,
    WEIR_FETCH_WAVE_MAX = 32, /* partitions that are asked at a time */
};

struct weir_fetch_poll {
    struct weir_request_context *context;
    const struct weir_wire_fetch_request *asked;
    struct weir_fetch_interest *interest;
    int names_rc;       /* negative: topics that have no name here may have one */
    int32_t session_id; /* 0: none */
    bool is_full;       /* the answer names every partition */
    bool has_begun;
    bool is_last; /* whatever there is now is the answer */
    bool is_abandoned;
    bool is_parked;
    bool has_failed; /* a partition has an error, which is not kept waiting */
    bool has_more;   /* something did not fit */
    size_t size_max;
    size_t size_min;
    struct weir_mono deadline;
    size_t deadline_index;
    /* of this gathering */
    struct weir_fetch_node gathered; /* entries that were asked, in that order */
    size_t asked_count;              /* and are not back */
    size_t reserved;                 /* bytes that those may give */
    size_t size;                     /* bytes that came back */
    size_t memory;                   /* of these, not in a file */
};

/** Its context, request, interest, session and `is_full` are set, and the interest knows its
 * partitions. The context is answered in time. */
void weir_fetch_poll_begin(struct weir_fetch_poll *poll);
/** From the interest: an entry that was asked is back; one that was watched, or called back, is
 * due. */
void weir_fetch_poll_answered(struct weir_fetch_poll *poll, struct weir_fetch_entry *entry);
void weir_fetch_poll_woken(struct weir_fetch_poll *poll, bool has_failed);
/** From the part: its deadline has passed. */
void weir_fetch_poll_expire(struct weir_fetch_poll *poll);
/** Its interest is given up: whatever there is now is the answer. */
void weir_fetch_poll_force_complete(struct weir_fetch_poll *poll);
/** Its reader is gone, or the server closes: answer soon, with whatever is there. */
void weir_fetch_poll_abandon(struct weir_fetch_poll *poll);

/** Answer, and let go of everything (fetch_answer.c). */
void weir_fetch_answer(struct weir_fetch_poll *poll);
/** Answer with an error of the whole request, or of each partition where there is none. */
void weir_fetch_answer_error(struct weir_request_context *context, int16_t number);

#endif
