#ifndef WEIR_WIRE_REQUEST_BATCHES_H
#define WEIR_WIRE_REQUEST_BATCHES_H

#include "base/assert.h"
#include "base/buffer.h"

/**
 * What a fetch gives: whole record batches, as they are stored, by reference.
 *
 *   parts[0] ──> bytes (2 holders)  ···[batch][batch][batch]···
 *   parts[1] ──> bytes (1 holder)   [batch]
 *
 * Each part is a run of batches in a counted buffer, and holds one reference of it: the bytes stay where
 * they are, unchanged, until the last holder lets go, whatever becomes of the request, the partition, its
 * segments or its topic meanwhile. Whoever wants some of them longer than the rest takes a reference of
 * the part's buffer (weir_shared_ref) and lets the batches go. All are let go before the log that gave
 * them is closed: the memory is of its budget.
 *
 * Nothing is allocated for it, whatever fills it: the embedded engine gives the buffers of its tail cache,
 * of a produce request or of a read from the disk, one that asks another server the frame that its answer
 * came in.
 *
 * Thread: one at a time; the buffers may be held and let go on any.
 */
enum { WEIR_LOG_PARTS_MAX = 16 };

struct weir_log_part { /* whole batches; the first may begin below the asked offset, or, if that
                          lies in a hole, behind it */
    struct weir_shared *bytes; /* a reference of the receiver's */
    size_t from;
    size_t size;
};

struct weir_log_batches {
    struct weir_log_part parts[WEIR_LOG_PARTS_MAX];
    size_t part_count;
};

/** The bytes of one part, from its first batch to the end of its last. */
static inline struct weir_slice weir_log_part_bytes(const struct weir_log_part *part)
{
    weir_assert(part->from + part->size <= part->bytes->size);
    return weir_slice(part->bytes->data + part->from, part->size);
}

/** `to`, which holds nothing, holds what `from` held, and `from` nothing. */
void weir_log_batches_move(struct weir_log_batches *to, struct weir_log_batches *from);
/** Let go. Where nothing is held it does nothing. */
void weir_log_batches_release(struct weir_log_batches *batches);

#endif
